//! How fast the node's orders are carried out, so that a burst does not overflow the neighbours' send queues: gossipsub
//! drops what finds its 256 places full, and never offers it again.

use tokio::time::{Duration, Instant};

/// Half a send queue at once.
const BURST: u32 = 128;
/// Then 640 messages a second, some thousand times what a neighbourhood's people report.
const REFILL: u32 = 64;
const EVERY: Duration = Duration::from_millis(100);

pub(crate) struct Pace {
    left: u32,
    refilled: Instant,
}

impl Pace {
    pub(crate) fn new(now: Instant) -> Self {
        Self { left: BURST, refilled: now }
    }

    /// When the next message may go; `None` for at once.
    pub(crate) fn next(&mut self, now: Instant) -> Option<Instant> {
        if now >= self.refilled + EVERY {
            self.refilled = now;
            self.left = (self.left + REFILL).min(BURST);
        }
        (self.left == 0).then(|| self.refilled + EVERY)
    }

    /// One has gone.
    pub(crate) fn spend(&mut self) {
        self.left = self.left.saturating_sub(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_then_a_steady_stream() {
        let mut now = Instant::now();
        let mut pace = Pace::new(now);
        let mut sent = 0;
        for _ in 0..10 {
            while pace.next(now).is_none() {
                pace.spend();
                sent += 1;
            }
            now = pace.next(now).expect("a pause");
        }
        assert_eq!(sent, BURST + 9 * REFILL);
        assert_eq!(pace.next(now + 10 * EVERY), None);
    }
}
