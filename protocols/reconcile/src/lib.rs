//! Two sets of 32-byte ids become equal, at the price of what they differ in and not of what they hold.
//!
//! The method is the rateless invertible Bloom lookup table of Yang, Gilad and Alizadeh ("Practical Rateless Set
//! Reconciliation", SIGCOMM 2024). A set is written as an endless sequence of [`Symbol`]s, each the sum of a share of
//! the items; the symbols of two sets, subtracted, are those of their difference, and some 1.4 of them for each item in
//! it suffice to read it off. Which sets, how many items, how large the difference: nobody needs to know beforehand.
//!
//! - [`Inventory`] holds a node's ids in sets of one shard and one day, and keeps the sketch of all of them up as they
//!   come and expire: about twenty XORs an id.
//! - [`View`] is what one peer is shown of it: what was [`Declined`] from that peer counts as held.
//! - [`Sketch`] and [`Decoder`] are the method alone.
//! - [`Initiator`] and [`Responder`] are the two ends of an exchange, as state machines: frames in, frames out. Each
//!   says what it [`Found`]: what to fetch from the other side and what to offer it.
//! - [`Promises`] holds the other side to what it offered.
//! - [`Session`] is an exchange as a whole: one end, and the fetching of what is missing, on one stream of frames.
//!
//! ```
//! use meerkat_reconcile::{Initiator, Inventory, Opening, Responder, Scope, SetId};
//!
//! let set = SetId { shard: 0, day: 20_000 };
//! let (mut here, mut there) = (Inventory::new(), Inventory::new());
//! for n in 0..100 {
//!     here.insert(set, [n; 32]);
//!     there.insert(set, [n + 1; 32]);
//! }
//! let opening = Opening { scope: Scope::everything(), expected: Some(2), salt: None, retry_salt: 1234 };
//! let (mut initiator, first) = Initiator::open(&here, opening, 0);
//! let mut responder = Responder::new(Scope::everything().since, 0);
//!
//! let reply = responder.handle(&there, &first, 20).expect("well formed");
//! let end = initiator.handle(&here, &reply.send[0], 40).expect("well formed");
//! let found = end.found.expect("they differ");
//! assert_eq!((found.offer, found.fetch.len()), (vec![[0; 32]], 1));
//! let told = responder.handle(&there, &end.send[0], 60).expect("well formed");
//! assert_eq!(told.found.expect("they differ").offer, vec![[100; 32]]);
//! assert!(end.done && told.done);
//! ```
//!
//! **What is absent.** No clock, no chance, no socket, no statement: times and salts are arguments, frames are bytes that
//! somebody else carries, and ids are never interpreted. Nothing here loads, hashes or verifies what an id stands for. An id
//! younger than half a minute is not kept out here: whoever calls leaves it out of the [`Inventory`].

#![forbid(unsafe_code)]
#![deny(clippy::iter_over_hash_type)]

mod decoder;
mod exchange;
mod gauge;
mod hash;
mod initiator;
mod inventory;
mod message;
mod promises;
mod responder;
mod session;
mod sketch;
mod symbol;
mod view;

pub use decoder::{Decoder, Inconsistent};
pub use exchange::{Cut, Found, Progress};
pub use gauge::{COARSE, FINE, Gauge};
pub use hash::{Id, Key, Salt, ShortId};
pub use initiator::{Initiator, Opening};
pub use inventory::{Inventory, Range, Scope, SetId};
pub use message::{Ask, MAX_BODIES, MAX_BODY_BYTES, MAX_FRAME_BYTES, Malformed, Message};
pub use promises::Promises;
pub use responder::Responder;
pub use session::{Session, Step};
pub use sketch::{MAX_SYMBOLS, Sketch};
pub use symbol::{Mapping, SYMBOL_BYTES, Symbol};
pub use view::{Declined, View};
