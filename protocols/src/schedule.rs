//! When a backup is to be made by the node itself, and which old ones make room: pure rules over what the clock says.

use serde::{Deserialize, Serialize};

const HOUR_S: i64 = 3_600;
const DAY_S: i64 = 24 * HOUR_S;
/// How long after a backup that failed the next is tried.
const AGAIN_MS: u64 = 3_600_000;
/// How long after a start the first: what a start reads comes before.
const SETTLED_MS: u64 = 120_000;

/// The most backups that are kept: a year of weeks.
pub const MAX_KEPT: u8 = 52;

/// How often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Every {
    /// Never: nobody has chosen a pass-phrase yet.
    #[default]
    Never,
    /// Once a day.
    Day,
    /// Once a week.
    Week,
    /// Once in thirty days.
    Month,
}

impl Every {
    /// Seconds between two; `None` if there are none.
    #[must_use]
    pub fn seconds(self) -> Option<i64> {
        match self {
            Self::Never => None,
            Self::Day => Some(DAY_S),
            Self::Week => Some(7 * DAY_S),
            Self::Month => Some(30 * DAY_S),
        }
    }

    /// The word used in every interface.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// What is known of the backups that were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Past {
    /// Unix seconds of the last that was made and checked.
    pub done: Option<i64>,
    /// When in this run one failed, in milliseconds of the monotonic clock.
    pub failed_ms: Option<u64>,
}

/// When the next is due, in Unix seconds; `None` if never. What was missed is due at once. A last one in the future was made
/// by a wrong clock and does not count.
#[must_use]
pub fn next(every: Every, past: Past, wall: i64) -> Option<i64> {
    let seconds = every.seconds()?;
    let last = past.done.filter(|done| *done <= wall.saturating_add(HOUR_S));
    Some(last.map_or(wall, |done| done.saturating_add(seconds).max(wall)))
}

/// Whether one is to be made now. While the clock is not set there is no telling.
#[must_use]
pub fn is_due(every: Every, past: Past, mono_ms: u64, wall: Option<i64>) -> bool {
    let Some(wall) = wall else { return false };
    let settled = mono_ms >= past.failed_ms.map_or(SETTLED_MS, |failed| failed.saturating_add(AGAIN_MS));
    settled && next(every, past, wall).is_some_and(|at| at <= wall)
}

/// Which of these backups, named by their rising numbers, make room when so many are kept; never the newest.
#[must_use]
pub fn surplus(mut numbers: Vec<u64>, kept: u8) -> Vec<u64> {
    numbers.sort_unstable();
    numbers.truncate(numbers.len().saturating_sub(usize::from(kept.max(1))));
    numbers
}

/// Whether a disk with so much left takes a backup of so many bytes: a quarter more than the last, and what everything else
/// needs stays free.
#[must_use]
pub fn fits(free: u64, expected: u64, reserve: u64) -> bool {
    free >= expected.saturating_add(expected / 4).saturating_add(reserve)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: i64 = 1_795_262_400;
    const LATER_MS: u64 = 10 * SETTLED_MS;

    fn due(every: Every, done: Option<i64>, wall: Option<i64>) -> bool {
        is_due(every, Past { done, failed_ms: None }, LATER_MS, wall)
    }

    #[test]
    fn a_backup_is_made_when_its_time_has_come_and_made_up_for_when_it_was_missed() {
        assert!(due(Every::Week, None, Some(NOW)));
        assert!(!due(Every::Week, Some(NOW), Some(NOW + 7 * DAY_S - 1)));
        assert!(due(Every::Week, Some(NOW), Some(NOW + 7 * DAY_S)));
        assert!(due(Every::Week, Some(NOW), Some(NOW + 400 * DAY_S)), "the machine was off for a year");
        assert!(!due(Every::Never, None, Some(NOW)));
        assert!(!due(Every::Day, None, None), "the clock is not set");
        assert_eq!(next(Every::Day, Past { done: Some(NOW), failed_ms: None }, NOW + 5), Some(NOW + DAY_S));
    }

    #[test]
    fn a_clock_that_was_wrong_once_stops_nothing() {
        assert!(due(Every::Week, Some(2_400_000_000), Some(NOW)), "one was made in 2046");
        assert!(due(Every::Week, Some(0), Some(NOW)));
    }

    #[test]
    fn a_start_is_let_settle_and_a_failure_is_tried_again_in_an_hour() {
        let past = |failed_ms| Past { done: None, failed_ms };
        assert!(!is_due(Every::Day, past(None), SETTLED_MS - 1, Some(NOW)));
        assert!(is_due(Every::Day, past(None), SETTLED_MS, Some(NOW)));
        assert!(!is_due(Every::Day, past(Some(LATER_MS)), LATER_MS + AGAIN_MS - 1, Some(NOW)));
        assert!(is_due(Every::Day, past(Some(LATER_MS)), LATER_MS + AGAIN_MS, Some(NOW)));
    }

    #[test]
    fn the_last_gigabyte_is_not_for_backups() {
        assert!(fits(1_250 + 64, 1_000, 64));
        assert!(!fits(1_249 + 64, 1_000, 64));
        assert!(!fits(u64::MAX - 1, u64::MAX, 64));
    }

    proptest! {
        #[test]
        fn the_newest_stay_and_no_more_than_are_kept(numbers in prop::collection::btree_set(any::<u64>(), 0..80), kept in any::<u8>()) {
            let all: Vec<u64> = numbers.iter().copied().collect();
            let gone = surplus(all.clone(), kept);
            let left: Vec<u64> = all.iter().copied().filter(|n| !gone.contains(n)).collect();
            prop_assert_eq!(left.len(), all.len().min(usize::from(kept.max(1))));
            prop_assert!(gone.iter().all(|gone| left.iter().all(|left| left > gone)));
        }
    }
}
