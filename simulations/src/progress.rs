//! How far a run is, for people who wait.

use std::{
    cell::Cell,
    io::{IsTerminal, Write as _},
    time::{Duration, Instant},
};

/// On a terminal: the share that is over, and how long the rest will take if it takes as long. Elsewhere nothing.
pub(crate) struct Progress {
    began: Instant,
    shows: bool,
    told: Cell<Duration>,
}

impl Progress {
    pub(crate) fn begin() -> Self {
        Self { began: Instant::now(), shows: std::io::stderr().is_terminal(), told: Cell::default() }
    }

    pub(crate) fn show(&self, share: f64) {
        let passed = self.began.elapsed();
        // Four times a second is as often as anybody reads.
        if !self.shows || passed < self.told.get() + Duration::from_millis(250) {
            return;
        }
        self.told.set(passed);
        let left_s = passed.as_secs_f64() * (1.0 - share) / share.max(0.001);
        eprint!("\r{:3.0} %, {left_s:.0} s left    ", share * 100.0);
        // Progress that cannot be shown is no reason to stop.
        let _ = std::io::stderr().flush();
    }

    pub(crate) fn end(&self) {
        if self.shows {
            eprint!("\r                         \r");
        }
    }
}
