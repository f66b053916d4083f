//! Time as the pure packages see it: two numbers handed in, so that a trace can be written down and replayed.

use serde::{Deserialize, Serialize};

/// Seconds of a day; leap seconds do not exist in Unix time (POSIX.1-2017, 4.16).
const SECONDS_PER_DAY: i64 = 86_400;

/// 2025-01-01T00:00:00Z. A wall clock that says an earlier time was never set: a Raspberry Pi has no battery behind
/// its clock and starts in 1970, and no node can have run before the program was written.
pub const EARLIEST_PLAUSIBLE_WALL: i64 = 1_735_689_600;

/// What both clocks say at one instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Now {
    /// Milliseconds since the process started; never goes back.
    pub mono_ms: u64,
    /// Unix seconds, or `None` while the wall clock has not been set.
    pub wall: Option<i64>,
}

impl Now {
    /// The instant with a wall clock that is only believed if it is plausible.
    #[must_use]
    pub fn new(mono_ms: u64, wall: i64) -> Self {
        Self { mono_ms, wall: (wall >= EARLIEST_PLAUSIBLE_WALL).then_some(wall) }
    }

    /// The day of the wall clock, if that is set.
    #[must_use]
    pub fn day(&self) -> Option<Day> {
        self.wall.and_then(Day::of_unix)
    }
}

/// A day in UTC: days since 1970-01-01. Reaches to the year 2149.
///
/// Statements carry nothing finer: a day does not tell when somebody was at home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub u16);

impl Day {
    /// The day that holds these Unix seconds; `None` before 1970 and after 2149.
    #[must_use]
    pub fn of_unix(seconds: i64) -> Option<Self> {
        u16::try_from(seconds.div_euclid(SECONDS_PER_DAY)).ok().map(Self)
    }

    /// The Unix seconds at which the day begins.
    #[must_use]
    pub fn begins(self) -> i64 {
        i64::from(self.0) * SECONDS_PER_DAY
    }

    /// How many days `self` lies after `earlier`; negative if before.
    #[must_use]
    pub fn since(self, earlier: Self) -> i32 {
        i32::from(self.0) - i32::from(earlier.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_never_set_is_no_clock() {
        assert_eq!(Now::new(5, 0).wall, None);
        assert_eq!(Now::new(5, EARLIEST_PLAUSIBLE_WALL).wall, Some(EARLIEST_PLAUSIBLE_WALL));
    }

    #[test]
    fn days_begin_at_midnight_utc() {
        let day = Day::of_unix(1_735_689_600).expect("in range");
        assert_eq!(day, Day(20_089));
        assert_eq!(day.begins(), 1_735_689_600);
        assert_eq!(Day::of_unix(1_735_689_599), Some(Day(20_088)));
        assert_eq!(Day::of_unix(-1), None);
    }
}
