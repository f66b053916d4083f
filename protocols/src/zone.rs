//! A time zone as far as it is needed to tell the time of the day: when which offset from UTC begins. Whoever knows zones
//! hands it in; in here is only arithmetic.

use crate::wishes::Minute;

const MINUTE_S: i64 = 60;
const MINUTES_A_DAY: i64 = 24 * 60;

/// A time zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    /// Its name, for people: `Europe/Berlin`.
    pub name: String,
    /// The offset before the first change, in seconds east of UTC.
    pub first: i32,
    /// From which Unix second on which offset holds, in order.
    pub changes: Vec<(i64, i32)>,
}

impl Zone {
    /// A zone whose clocks never change.
    #[must_use]
    pub fn fixed(name: &str, offset_s: i32) -> Self {
        Self { name: name.to_owned(), first: offset_s, changes: Vec::new() }
    }

    /// Seconds east of UTC at a Unix second.
    #[must_use]
    pub fn offset_s(&self, at: i64) -> i32 {
        let begun = self.changes.partition_point(|(begins, _)| *begins <= at);
        begun.checked_sub(1).and_then(|last| self.changes.get(last)).map_or(self.first, |(_, offset)| *offset)
    }

    /// What clocks on the wall show at a Unix second.
    #[must_use]
    pub fn minute(&self, at: i64) -> Minute {
        let local = at.saturating_add(i64::from(self.offset_s(at)));
        let minute = local.div_euclid(MINUTE_S).rem_euclid(MINUTES_A_DAY);
        u16::try_from(minute).ok().and_then(Minute::new).expect("a remainder by the minutes of a day is one of them")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Berlin in 2026: summer time from 29 March, 01:00 UTC, to 25 October, 01:00 UTC.
    fn berlin() -> Zone {
        let changes = vec![(1_774_746_000, 7_200), (1_792_890_000, 3_600)];
        Zone { name: "Europe/Berlin".into(), first: 3_600, changes }
    }

    #[test]
    fn clocks_go_forward_and_back() {
        let shown = |at| berlin().minute(at).to_string();
        assert_eq!((shown(1_774_745_999), shown(1_774_746_000)), ("01:59".into(), "03:00".into()));
        assert_eq!((shown(1_792_889_999), shown(1_792_890_000)), ("02:59".into(), "02:00".into()));
        assert_eq!(Zone::fixed("Asia/Kathmandu", 20_700).minute(0).to_string(), "05:45");
        assert_eq!(Zone::fixed("America/Bogota", -18_000).minute(0).to_string(), "19:00");
    }

    proptest! {
        #[test]
        fn there_is_a_time_of_the_day_at_any_second(at: i64, first: i32, changes in prop::collection::vec(any::<(i64, i32)>(), 0..5)) {
            let _ = Zone { name: String::new(), first, changes }.minute(at);
        }
    }
}
