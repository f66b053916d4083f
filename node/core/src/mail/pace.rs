//! How many letters a neighbour may bring in a time.

use meerkat_protocols::time::Now;

/// As many at once as may have waited for us at a neighbour: after an absence all of them come together.
const AT_ONCE: u64 = super::MAX_QUEUED as u64;
/// Then one a minute, more than two people write each other all day long. Each costs a commit, some 80 kB on the disk: a
/// neighbour that means harm writes 115 MB a day.
const EACH_MS: u64 = 60_000;

/// What a neighbour has used up of it.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// When all of it is free again, in milliseconds of the monotonic clock.
    free_ms: u64,
}

impl Pace {
    /// Whether one more may come.
    pub(super) fn take(&mut self, now: Now) -> bool {
        let free_ms = self.free_ms.max(now.mono_ms) + EACH_MS;
        let fits = free_ms - now.mono_ms <= AT_ONCE * EACH_MS;
        if fits {
            self.free_ms = free_ms;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_outbox_comes_at_once_and_then_one_a_minute() {
        let mut pace = Pace::default();
        let at = |mono_ms| Now { mono_ms, wall: None };
        assert_eq!((0..300).filter(|_| pace.take(at(5))).count(), 200);
        assert_eq!((0..60).filter(|second| pace.take(at(5 + (second + 1) * 1_000))).count(), 1);
        assert_eq!((0..300).filter(|_| pace.take(at(300 * EACH_MS))).count(), 200);
    }
}
