//! The replay itself.

use std::collections::BTreeSet;

use meerkat_numberlists::{Import, Intake, RangeHeat, Tuning};
use meerkat_protocols::{number::E164, time::Day};
use serde::Serialize;

/// What the FTC publishes on a weekday (measured over its files of November and December 2025).
const ROWS_PER_DAY: usize = 12_000;
/// Days are counted, not dated; this one is the last of the history: 2024-10-04.
const LAST_OF_HISTORY: u16 = 20_000;

/// A day's complaints.
pub(crate) struct Batch<'a> {
    pub(crate) date: String,
    pub(crate) complaints: &'a [Option<E164>],
}

/// Which blocks are flagged.
#[derive(Clone, Copy)]
pub(crate) enum Gate {
    /// By heat.
    Heat(Tuning),
    /// Eight numbers of the block were ever reported.
    Eight,
}

/// What became of one batch.
#[derive(Serialize)]
pub(crate) struct Shares {
    date: String,
    complaints: usize,
    /// Of numbers that cannot exist. They count as missed below, though such a call is challenged anyway.
    impossible: usize,
    /// Share of complaints about a number that was on the list when the day began.
    yesterday: f64,
    /// The same with every complaint applied at once.
    real_time: f64,
    /// The same with the flagged blocks.
    with_ranges: f64,
    /// Of a node that imported the dated list when the day began and learnt nothing more: on it, or in a block it calls hot.
    imported: f64,
    /// Flagged blocks as share of all thousand-blocks under the exchanges seen, the largest at any time of the day.
    flagged: f64,
    flagged_blocks: usize,
    blocks: usize,
}

/// What is known while complaints come in.
struct World {
    heat: RangeHeat,
    seen: BTreeSet<E164>,
    /// The list as it is published, dated, number by number.
    list: String,
}

/// Replays the batches after the history.
pub(crate) fn replay(history: &[Option<E164>], batches: &[Batch<'_>], gate: Gate) -> Vec<Shares> {
    // Without forgetting and without the exchange, heat is the count of numbers ever reported.
    let never_cools =
        Tuning { half_life_days: f64::MAX, exchange_share: 0.0, hot_at: 8.0, max_hot_share: 1.0, ..Tuning::default() };
    let tuning = if let Gate::Heat(tuning) = gate { tuning } else { never_cools };
    let list = "Company_Phone_Number,Created_Date\n".to_owned();
    let mut world = World { heat: RangeHeat::new(tuning), seen: BTreeSet::new(), list };
    // The last row of the history falls on its last day.
    for (from_end, number) in history.iter().enumerate().map(|(n, c)| (history.len() - 1 - n, c)) {
        let days_ago = u16::try_from(from_end / ROWS_PER_DAY).unwrap_or(u16::MAX);
        let day = Day(LAST_OF_HISTORY.saturating_sub(days_ago));
        number.iter().for_each(|n| world.learn(*n, day));
    }
    (LAST_OF_HISTORY + 1..).map(Day).zip(batches).map(|(day, batch)| world.day(day, batch)).collect()
}

impl World {
    fn learn(&mut self, number: E164, day: Day) {
        self.list += &format!("{},{}\n", number.reveal(), date(day));
        if self.seen.insert(number) {
            self.heat.warm(number, day);
        }
    }

    /// The list as a node reads it.
    fn import(&self, day: Day) -> Import {
        let mut intake = Intake::new("US".parse().expect("a country"));
        intake.feed(self.list.as_bytes()).expect("text");
        intake.finish("complaints", day).expect("a list").import
    }

    fn day(&mut self, day: Day, batch: &Batch<'_>) -> Shares {
        self.heat.begin(day);
        let known = self.seen.clone();
        let import = self.import(day);
        let (mut yesterday, mut real_time, mut with_ranges, mut imported, mut flagged) = (0, 0, 0, 0, 0.0f64);
        for number in batch.complaints.iter().flatten() {
            let listed = self.seen.contains(number);
            yesterday += usize::from(known.contains(number));
            real_time += usize::from(listed);
            imported += usize::from(known.contains(number) || import.is_hot(*number, day));
            with_ranges += usize::from(listed || self.heat.is_hot(*number, day));
            self.learn(*number, day);
            flagged = flagged.max(self.heat.hot_blocks() as f64 / self.heat.blocks_seen() as f64);
        }
        let complaints = batch.complaints.len();
        let share = |hits: usize| hits as f64 / complaints as f64;
        let (flagged_blocks, blocks) = (self.heat.hot_blocks(), self.heat.blocks_seen());
        Shares {
            date: batch.date.clone(),
            complaints,
            impossible: batch.complaints.iter().filter(|c| c.is_none()).count(),
            yesterday: share(yesterday),
            real_time: share(real_time),
            with_ranges: share(with_ranges),
            imported: share(imported),
            flagged,
            flagged_blocks,
            blocks,
        }
    }
}

/// The day as ISO 8601 writes it (Hinnant, "chrono-compatible low-level date algorithms").
fn date(day: Day) -> String {
    let days = u32::from(day.0) + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (of_month, month) = (of_year - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    format!("{:04}-{month:02}-{of_month:02}", year + era * 400 + u32::from(month <= 2))
}
