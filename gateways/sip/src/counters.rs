//! What a line has counted since it started, for `status`.

use std::sync::atomic::{AtomicU64, Ordering};

/// What a line has counted since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Calls that came in.
    pub calls: u64,
    /// Calls let through because the node gave no verdict in time, or because of a fault in the gateway.
    pub failed_open: u64,
    /// Calls let through unseen because the node's queue or the table of calls was full.
    pub overflowed: u64,
    /// Requests from addresses that may not send any.
    pub strangers: u64,
    /// Messages too long, cut short, or not SIP.
    pub malformed: u64,
    /// Connections closed because there were too many or one took too long for a message.
    pub connections_closed: u64,
    /// The same call by another way (RFC 3261 8.2.2.2).
    pub merged: u64,
}

/// The counters themselves.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) calls: Counter,
    pub(crate) failed_open: Counter,
    pub(crate) overflowed: Counter,
    pub(crate) strangers: Counter,
    pub(crate) malformed: Counter,
    pub(crate) connections_closed: Counter,
    pub(crate) merged: Counter,
}

impl Counters {
    pub(crate) fn read(&self) -> Counts {
        Counts {
            calls: self.calls.read(),
            failed_open: self.failed_open.read(),
            overflowed: self.overflowed.read(),
            strangers: self.strangers.read(),
            malformed: self.malformed.read(),
            connections_closed: self.connections_closed.read(),
            merged: self.merged.read(),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn count(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
