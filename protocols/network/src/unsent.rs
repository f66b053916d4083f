//! Our own statements that found nobody to go to.

use std::collections::VecDeque;

use meerkat_protocols::topic::Topic;
use tokio::time::{Duration, Instant};

/// A person marks a few numbers a day: 64 are a bad week alone, and 256 KiB at most.
const MAX_KEPT: usize = 64;

/// Reconciliation carries what is older.
const MAX_AGE: Duration = Duration::from_secs(24 * 3600);

/// The newest of them, oldest first.
#[derive(Default)]
pub(crate) struct Unsent(VecDeque<(Instant, Topic, Vec<u8>)>);

impl Unsent {
    pub(crate) fn keep(&mut self, topic: Topic, data: Vec<u8>, now: Instant) {
        if self.0.iter().any(|(_, of, kept)| (*of, kept) == (topic, &data)) {
            return;
        }
        if self.0.len() == MAX_KEPT {
            self.0.pop_front();
        }
        self.0.push_back((now, topic, data));
    }

    /// Takes all that are young enough to be worth sending.
    pub(crate) fn take(&mut self, now: Instant) -> Vec<(Topic, Vec<u8>)> {
        let young = self.0.drain(..).filter(|(kept, ..)| now.duration_since(*kept) < MAX_AGE);
        young.map(|(_, topic, data)| (topic, data)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_newest_once_for_a_day() {
        let (mut unsent, now) = (Unsent::default(), Instant::now());
        for number in 0..=MAX_KEPT {
            unsent.keep(Topic::Vouches, vec![number as u8], now);
            unsent.keep(Topic::Vouches, vec![number as u8], now);
        }
        let later = now + Duration::from_secs(60);
        let taken = unsent.take(later);
        assert_eq!((taken.len(), taken[0].1[0]), (MAX_KEPT, 1));
        assert_eq!(unsent.take(later), Vec::new());
        unsent.keep(Topic::Vouches, vec![7], now);
        assert_eq!(unsent.take(now + MAX_AGE), Vec::new());
    }
}
