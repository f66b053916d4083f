//! What the end-to-end tests are made of: real daemons and real counterparts as processes, in network namespaces where
//! that matters.
//!
//! **What is absent.** No sleep in place of an event: a wait ends with what it waits for, or with a failure that says what
//! was missing and what was seen instead.

pub mod bare;
pub mod browser;
pub mod caller;
pub mod clock;
pub mod daemon;
pub mod death;
pub mod evening;
pub mod internet;
pub mod members;
pub mod namespace;
pub mod pair;
pub mod rogue;
pub mod seed;
pub mod sip;
pub mod wait;
