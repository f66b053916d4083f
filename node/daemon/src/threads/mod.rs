//! The threads around the pure engine: one for the engine, one for exchanges, one that reads for other members, one that
//! writes, two that work.
//!
//! Channels are bounded or bounded by what the engine has under way; the engine never waits for any of them. A caller
//! never waits for a disk: the writer has a thread of its own, and the phone's queue is looked at first.

pub(crate) mod documents;
mod engine;
mod exchanges;
mod jobs;
mod loads;
mod signatures;
mod writer;

pub use engine::{Ask, Doors, EngineThread, EventSink, Ports};
pub use exchanges::ExchangesThread;
use exchanges::readable;
pub use jobs::{Jobs, NextKey, Rewrap, Voice};
pub use loads::Loads;
pub use writer::{AccessRequest, Disk, Stored, Writer};
