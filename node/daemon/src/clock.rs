//! The daemon's clocks: the one place where time is read.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use meerkat_protocols::time::Now;

/// Both clocks since the process started. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock that starts at zero now.
    #[must_use]
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }

    /// What both clocks say.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(0));
        Now::new(self.mono_ms(), wall)
    }

    /// Milliseconds since the start.
    #[must_use]
    pub fn mono_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// The instant at which the monotonic clock will show this.
    #[must_use]
    pub fn instant(&self, mono_ms: u64) -> Instant {
        self.started + std::time::Duration::from_millis(mono_ms)
    }
}
