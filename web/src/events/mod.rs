//! What happened, as one log with ids that rise for ever, and three doors to it that resume without loss.

mod doors;
mod frame;
mod log;
mod socket;

pub use log::EventLog;

pub(crate) use doors::event_routes;
