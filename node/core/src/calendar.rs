//! The day by which things expire. One clock alone is not believed: a Raspberry Pi that starts in 2046 must not throw
//! its evidence away. The day advances with uptime, and further only when a vouched neighbour's statement carries a day
//! that the own clock has reached too.

use meerkat_protocols::time::{Day, Now};

const MS_PER_DAY: u64 = 86_400_000;

/// The day two sources agreed on, and when that was.
#[derive(Debug, Default)]
pub(crate) struct Calendar {
    anchor: Option<(Day, u64)>,
}

impl Calendar {
    /// A neighbour's statement carries this day.
    pub(crate) fn witness(&mut self, now: Now, day: Day) {
        let reached = now.day().is_some_and(|today| day <= today);
        if reached && self.day(now).is_none_or(|known| day > known) {
            self.anchor = Some((day, now.mono_ms));
        }
    }

    /// The day by which things expire, never ahead of the own clock; `None` while only one source speaks.
    pub(crate) fn day(&self, now: Now) -> Option<Day> {
        let (day, at) = self.anchor?;
        let passed = u16::try_from(now.mono_ms.saturating_sub(at) / MS_PER_DAY).unwrap_or(u16::MAX);
        Some(Day(day.0.saturating_add(passed)).min(now.day()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now(mono_ms: u64, day: u16) -> Now {
        Now { mono_ms, wall: Some(Day(day).begins()) }
    }

    #[test]
    fn a_clock_alone_expires_nothing() {
        assert_eq!(Calendar::default().day(now(0, 30_000)), None);
    }

    #[test]
    fn a_jump_ahead_is_not_followed_and_uptime_is() {
        let mut calendar = Calendar::default();
        calendar.witness(now(0, 20_000), Day(20_000));
        assert_eq!(calendar.day(now(0, 28_000)), Some(Day(20_000)));
        assert_eq!(calendar.day(now(3 * MS_PER_DAY, 28_000)), Some(Day(20_003)));
        calendar.witness(now(0, 28_000), Day(20_040));
        assert_eq!(calendar.day(now(0, 28_000)), Some(Day(20_040)));
    }

    #[test]
    fn a_clock_that_is_behind_holds_the_day_back() {
        let mut calendar = Calendar::default();
        calendar.witness(now(0, 20_000), Day(20_001));
        assert_eq!(calendar.day(now(0, 20_000)), None);
        calendar.witness(now(0, 20_000), Day(19_999));
        assert_eq!(calendar.day(now(0, 19_000)), Some(Day(19_000)));
    }
}
