//! Automerge behind typed wishes: the lists, settings and names of a home, editable on several of its nodes at once.
//!
//! The outside sees [`Shelf`]: all documents of a home, loaded from the bytes a store kept, read as
//! [`Wishes`](meerkat_protocols::wishes::Wishes), changed by [`Edit`](meerkat_protocols::wishes::Edit)s. What an edit
//! returns is what the store appends.
//!
//! **What is absent.** No file, no clock, no chance: changes carry the time 0 and the actor is an argument. (Automerge
//! draws an actor of its own in every constructor; it is replaced before anything can be written with it.) No sync
//! protocol: the bytes another node of the home sends are handed to [`Shelf::absorb`].
//!
//! **Invariants.** No byte reaches Automerge before [`guard`] measured it. No input panics: what Automerge panics on is
//! caught, and costs that document its writability, never another document. A document that is damaged is still read as
//! far as it can be, because blocking and allowing callers must go on.

#![forbid(unsafe_code)]
#![deny(clippy::iter_over_hash_type)]

mod content;
mod document;
mod edits;
mod founding;
pub mod guard;
mod message;
mod owner;
mod reading;
mod schema;
mod session;
mod shelf;
mod sync;
mod taking;
mod word;

pub use document::{Damage, Edited, Fault, INCREMENTS_PER_WHOLE, Refused};
pub use message::MAX_MESSAGE_BYTES;
pub use owner::actor_of;
pub use reading::Oddity;
pub use schema::VERSION;
pub use shelf::Shelf;
pub use sync::{Said, Suspicion};
