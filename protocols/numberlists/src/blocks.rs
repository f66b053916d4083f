//! The heat that one list leaves behind: the blocks its numbers were lately first reported from.
//!
//! All heat cools at one rate, so what is kept is the heat as it was when the list was imported, and one factor tells
//! what is left of it. Nothing has to be warmed again at a start, and a list that is taken back leaves no trace.

use std::collections::BTreeMap;

use meerkat_protocols::{number::E164, time::Day};

use crate::heat::{BLOCK, BLOCKS_PER_EXCHANGE, COLD, FEW_BLOCKS, Tuning, Warmth, left};

/// Below the 40 bits of a block (15 digits but for the last three).
const HEAT_BITS: u32 = 24;
const MAX_HEAT: u64 = (1 << HEAT_BITS) - 1;
/// What stands for a heat of 1.
const UNIT: f64 = 1_000.0;

/// The blocks of a list, the heat of each in thousandths, in order.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Blocks {
    places: Box<[u64]>,
    /// The least heat of a block that is hot, in thousandths: when too many would be, the hottest alone are.
    floor: u64,
}

impl Blocks {
    /// The heat on `today` of numbers, each with the day it was first reported. `exchanges` is how many exchanges the list
    /// knows of, whether they are warm or not.
    pub(crate) fn of(firsts: impl Iterator<Item = (E164, Day)>, exchanges: usize, today: Day) -> Self {
        let tuning = Tuning::default();
        let mut heats: BTreeMap<u64, f64> = BTreeMap::new();
        for (number, day) in firsts.filter(|(_, day)| *day <= today) {
            let heat = left(Warmth { heat: 1.0, day }, today, tuning.half_life_days);
            if heat >= COLD {
                *heats.entry(number.digits() / BLOCK).or_default() += heat;
            }
        }
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and cut to 24 bits")]
        let places = heats.into_iter().map(|(b, heat)| b << HEAT_BITS | ((heat * UNIT).round() as u64).min(MAX_HEAT));
        let mut blocks = Self { places: places.collect(), floor: 0 };
        blocks.floor = blocks.floor(exchanges, &tuning);
        blocks
    }

    /// What was kept; `None` if it is not in order.
    pub(crate) fn from_parts(places: Box<[u64]>, floor: u64) -> Option<Self> {
        let sorted = places.windows(2).all(|pair| pair[0] >> HEAT_BITS < pair[1] >> HEAT_BITS);
        sorted.then_some(Self { places, floor })
    }

    pub(crate) fn parts(&self) -> (&[u64], u64) {
        (&self.places, self.floor)
    }

    /// How many blocks are warm.
    pub(crate) fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether the block of this number is hot, so many days after the list was imported.
    pub(crate) fn is_hot(&self, number: E164, days: i32) -> bool {
        let tuning = Tuning::default();
        let heat = self.heat(number.digits() / BLOCK, tuning.exchange_share);
        let cooled = (-f64::from(days.max(0)) / tuning.half_life_days).exp2();
        heat >= self.floor as f64 && heat * cooled >= tuning.hot_at * UNIT
    }

    /// The heat around a block as it was at the import, in thousandths.
    fn heat(&self, block: u64, exchange_share: f64) -> f64 {
        let exchange = block / BLOCKS_PER_EXCHANGE * BLOCKS_PER_EXCHANGE;
        let at = |block: u64| self.places.partition_point(|place| place >> HEAT_BITS < block);
        let near = &self.places[at(exchange)..at(exchange + BLOCKS_PER_EXCHANGE)];
        let (own, others) = near.iter().fold((0, 0), |(own, others), place| {
            let heat = place & MAX_HEAT;
            if place >> HEAT_BITS == block { (own + heat, others) } else { (own, others + heat) }
        });
        own as f64 + exchange_share * others as f64
    }

    /// The heat from which few enough blocks are hot.
    fn floor(&self, exchanges: usize, tuning: &Tuning) -> u64 {
        let blocks = exchanges as f64 * BLOCKS_PER_EXCHANGE as f64;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
        let most = (tuning.max_hot_share * blocks).max(FEW_BLOCKS as f64) as usize;
        let mut warm: Vec<u64> = self.places.iter().map(|place| (place >> HEAT_BITS) / BLOCKS_PER_EXCHANGE).collect();
        warm.dedup();
        let under = |exchange: u64| (0..BLOCKS_PER_EXCHANGE).map(move |n| exchange * BLOCKS_PER_EXCHANGE + n);
        let mut hot: Vec<u64> = warm
            .into_iter()
            .flat_map(under)
            .map(|block| self.heat(block, tuning.exchange_share))
            .filter(|heat| *heat >= tuning.hot_at * UNIT)
            .map(thousandths)
            .collect();
        hot.sort_unstable_by(|a, b| b.cmp(a));
        // Blocks as hot as the first that is left out are left out with it.
        hot.get(most).map_or(0, |heat| heat + 1)
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a sum of ten 24-bit counts")]
fn thousandths(heat: f64) -> u64 {
    heat as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::RangeHeat;

    fn number(digits: u64) -> E164 {
        E164::from_digits(digits).expect("in range")
    }

    #[test]
    fn a_list_says_which_blocks_are_hot_and_they_cool() {
        let firsts = [0, 1].map(|n| (number(12_125_551_000 + n), Day(100)));
        let blocks = Blocks::of(firsts.into_iter(), 1, Day(100));
        let asked = number(12_125_551_999);
        assert!(blocks.is_hot(asked, 0) && blocks.is_hot(asked, -3));
        assert!(!blocks.is_hot(asked, 1), "half of two is less than 1.3 after a day and a half");
        assert!(!blocks.is_hot(number(12_125_559_999), 0), "a fifth of two is not hot");
        assert_eq!(blocks.len(), 1);
    }

    #[test]
    fn a_row_of_tomorrow_warms_nothing() {
        let blocks = Blocks::of((0..9).map(|n| (number(12_125_551_000 + n), Day(101))), 1, Day(100));
        assert_eq!(blocks.len(), 0);
    }

    #[test]
    fn of_too_many_hot_blocks_the_hottest_stay() {
        let block = |n: u64| 12_000_000_000 + n * BLOCK * BLOCKS_PER_EXCHANGE;
        let twice = (0..100).flat_map(|n| [block(n), block(n) + 1]);
        let more = (0..10).map(|n| block(n) + 2);
        let blocks = Blocks::of(twice.chain(more).map(|n| (number(n), Day(100))), 100, Day(100));
        let hot = (0..100).filter(|n| blocks.is_hot(number(block(*n)), 0)).count();
        assert_eq!(hot, 10);
    }

    proptest! {
        #[test]
        fn a_list_is_as_hot_as_the_same_reports_one_by_one(
            reports in prop::collection::btree_map(0u64..3_000, 95u16..=100, 1..60),
            days in 0u16..6,
        ) {
            let digits = |n: u64| number(12_125_550_000 + 6 * n);
            let mut heat = RangeHeat::new(Tuning::default());
            reports.iter().for_each(|(n, day)| heat.warm(digits(*n), Day(*day)));
            let blocks = Blocks::of(reports.iter().map(|(n, day)| (digits(*n), Day(*day))), 2, Day(100));
            heat.begin(Day(100 + days));
            for n in (0..3_000).step_by(137) {
                let one_by_one = heat.heat(digits(n), Day(100 + days));
                // At the edge a thousandth decides.
                prop_assume!((one_by_one - Tuning::default().hot_at).abs() > 0.02);
                let is_hot = one_by_one >= Tuning::default().hot_at;
                prop_assert_eq!(blocks.is_hot(digits(n), i32::from(days)), is_hot, "{}", one_by_one);
            }
        }
    }
}
