//! Which blocks of numbers are being called from these days.
//!
//! Most numbers that are complained about were never complained about before, but not out of nowhere: campaigns walk through
//! blocks that they rented or made up. A block warms up with every number of it that is reported for the first time and
//! cools down by days. The figures behind the tuning are in `design/numbers.md`.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{number::E164, time::Day};

/// Numbers that differ only in their last three digits.
pub(crate) const BLOCK: u64 = 1_000;
/// Blocks of one exchange: in North America the six digits before the last four.
pub(crate) const BLOCKS_PER_EXCHANGE: u64 = 10;
/// The most places kept of each size, about 10 MB. Of the busiest two weeks of complaints of the United States 130,000
/// blocks are warm at once.
const MAX_PLACES: usize = 200_000;
/// Cooler than this is cold: it can no longer make a difference that a report would not make by itself.
pub(crate) const COLD: f64 = 0.02;

/// A home that knows few numbers may call this many blocks hot, whatever share that is.
pub(crate) const FEW_BLOCKS: usize = 20;
/// When more blocks would be hot than may be, this share of them stays, so that not every report sorts them anew.
const KEPT: f64 = 0.99;

/// How reports become heat.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tuning {
    /// After how many days half of the heat is left.
    pub half_life_days: f64,
    /// How much of the heat of the exchange's other blocks counts.
    pub exchange_share: f64,
    /// From which heat a block is hot.
    pub hot_at: f64,
    /// The most blocks that are hot, as a share of all blocks of the exchanges ever seen: the price that people pay who have
    /// an honest number beside dishonest ones. When campaigns are many, only the hottest blocks count.
    pub max_hot_share: f64,
    /// The most heat around a number that one source can bring, however many reports it makes. Below
    /// [`Tuning::hot_at`], no source alone makes a block hot.
    pub most_by_one: f64,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            half_life_days: 1.5,
            exchange_share: 0.2,
            hot_at: 1.3,
            max_hot_share: 0.0049,
            most_by_one: f64::INFINITY,
        }
    }
}

impl Tuning {
    /// For reports of which nobody knows how many people stand behind them: one source counts as one number at most.
    pub const OF_STRANGERS: Self =
        Self { half_life_days: 1.5, exchange_share: 0.2, hot_at: 1.3, max_hot_share: 0.0049, most_by_one: 1.0 };
}

/// Heat as it was on the last day it grew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Warmth {
    pub(crate) heat: f64,
    pub(crate) day: Day,
}

/// A block or an exchange, as warmed by one source.
type Place = (u64, u32);

/// The heat of all blocks.
#[derive(Debug, Clone)]
pub struct RangeHeat {
    tuning: Tuning,
    blocks: BTreeMap<Place, Warmth>,
    exchanges: BTreeMap<Place, Warmth>,
    /// How many exchanges there are in `exchanges`, whoever warmed them.
    seen: usize,
    /// The latest day that was spoken of.
    today: Day,
    /// The blocks that are hot today.
    hot: BTreeSet<u64>,
    /// From which heat they are: the tuning's, or more when too many would be.
    hot_at: f64,
}

impl RangeHeat {
    /// Everything is cold.
    #[must_use]
    pub fn new(tuning: Tuning) -> Self {
        Self {
            tuning,
            blocks: BTreeMap::new(),
            exchanges: BTreeMap::new(),
            seen: 0,
            today: Day(0),
            hot: BTreeSet::new(),
            hot_at: tuning.hot_at,
        }
    }

    /// A number was reported for the first time, on this day. Days may come in any order. While [`MAX_PLACES`] are warm,
    /// further blocks stay cold.
    pub fn warm(&mut self, number: E164, day: Day) {
        self.warm_by(0, number, day);
    }

    /// The same, as one of several sources said.
    pub fn warm_by(&mut self, source: u32, number: E164, day: Day) {
        self.begin(day);
        let block = number.digits() / BLOCK;
        let exchange = block / BLOCKS_PER_EXCHANGE;
        let half_life_days = self.tuning.half_life_days;
        self.seen += usize::from(of(&self.exchanges, exchange).next().is_none() && self.exchanges.len() < MAX_PLACES);
        for (places, place) in [(&mut self.blocks, (block, source)), (&mut self.exchanges, (exchange, source))] {
            if places.len() >= MAX_PLACES && !places.contains_key(&place) {
                continue;
            }
            let warmth = places.entry(place).or_insert(Warmth { heat: 0.0, day });
            let latest = warmth.day.max(day);
            let added = left(Warmth { heat: 1.0, day }, latest, half_life_days);
            *warmth = Warmth { heat: left(*warmth, latest, half_life_days) + added, day: latest };
        }
        self.look_at(exchange);
        self.keep_within_share();
    }

    /// A day begins: what has cooled is cool, and what is cold is forgotten. To be called once a day; a report of a later day
    /// calls it too.
    pub fn begin(&mut self, day: Day) {
        if day <= self.today {
            return;
        }
        self.today = day;
        let half_life_days = self.tuning.half_life_days;
        self.blocks.retain(|_, warmth| left(*warmth, day, half_life_days) >= COLD);
        self.hot.clear();
        self.hot_at = self.tuning.hot_at;
        // An exchange is never forgotten: it counts among those ever seen.
        let mut exchanges: Vec<_> = self.exchanges.keys().map(|(exchange, _)| *exchange).collect();
        exchanges.dedup();
        exchanges.into_iter().for_each(|e| self.look_at(e));
        self.keep_within_share();
    }

    /// The heat around a number: about how many numbers of its block were lately reported for the first time, and a share
    /// of those in the other blocks of its exchange.
    #[must_use]
    pub fn heat(&self, number: E164, today: Day) -> f64 {
        self.block_heat(number.digits() / BLOCK, today)
    }

    /// Whether a call from this number should be challenged for where it comes from. Never a reason to block.
    #[must_use]
    pub fn is_hot(&self, number: E164, today: Day) -> bool {
        let hot_at = if today > self.today { self.tuning.hot_at } else { self.hot_at };
        self.heat(number, today.max(self.today)) >= hot_at
    }

    /// How many blocks are hot on the latest day spoken of.
    #[must_use]
    pub fn hot_blocks(&self) -> usize {
        self.hot.len()
    }

    /// How many blocks there are under the exchanges ever seen.
    #[must_use]
    pub fn blocks_seen(&self) -> usize {
        self.seen * usize::try_from(BLOCKS_PER_EXCHANGE).unwrap_or(usize::MAX)
    }

    fn block_heat(&self, block: u64, today: Day) -> f64 {
        let now = |warmth: &Warmth| left(*warmth, today, self.tuning.half_life_days);
        // Whoever warmed a block warmed its exchange.
        let by = |(source, whole): (u32, &Warmth)| {
            let own = self.blocks.get(&(block, source)).map_or(0.0, now);
            let others = now(whole) - own;
            (own + self.tuning.exchange_share * others.max(0.0)).min(self.tuning.most_by_one)
        };
        of(&self.exchanges, block / BLOCKS_PER_EXCHANGE).map(by).sum()
    }

    /// Finds the hot ones among the blocks of an exchange.
    fn look_at(&mut self, exchange: u64) {
        let now = |(_, warmth): (u32, &Warmth)| left(*warmth, self.today, self.tuning.half_life_days);
        let whole: f64 = of(&self.exchanges, exchange).map(now).sum();
        if whole < self.hot_at {
            return;
        }
        for block in (0..BLOCKS_PER_EXCHANGE).map(|n| exchange * BLOCKS_PER_EXCHANGE + n) {
            if self.block_heat(block, self.today) >= self.hot_at {
                self.hot.insert(block);
            }
        }
    }

    /// Raises the heat from which blocks are hot until few enough are.
    fn keep_within_share(&mut self) {
        let most = (self.tuning.max_hot_share * self.blocks_seen() as f64).max(FEW_BLOCKS as f64);
        if self.hot.len() as f64 <= most {
            return;
        }
        let mut heats: Vec<_> = self.hot.iter().map(|b| (self.block_heat(*b, self.today), *b)).collect();
        heats.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a count")]
        let kept = (KEPT * most) as usize;
        // Blocks as hot as the first that is left out are left out with it.
        self.hot_at = heats[kept].0.next_up();
        self.hot = heats.into_iter().filter(|(heat, _)| *heat >= self.hot_at).map(|(_, block)| block).collect();
    }
}

/// What each source brought to a place.
fn of(places: &BTreeMap<Place, Warmth>, place: u64) -> impl Iterator<Item = (u32, &Warmth)> {
    places.range((place, 0)..=(place, u32::MAX)).map(|((_, source), warmth)| (*source, warmth))
}

/// What is left of it on a later day. A clock that went back cools nothing and warms nothing.
pub(crate) fn left(warmth: Warmth, today: Day, half_life_days: f64) -> f64 {
    let days = today.since(warmth.day).max(0);
    warmth.heat * (-f64::from(days) / half_life_days).exp2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TUNING: Tuning = Tuning {
        half_life_days: 2.0,
        exchange_share: 0.1,
        hot_at: 1.9,
        max_hot_share: 1.0,
        most_by_one: f64::INFINITY,
    };

    fn number(digits: u64) -> E164 {
        E164::from_digits(digits).expect("in range")
    }

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-9
    }

    #[test]
    fn a_block_warms_with_its_numbers_and_cools_by_days() {
        let mut heat = RangeHeat::new(TUNING);
        let asked = number(12_125_551_999);
        assert!(!heat.is_hot(asked, Day(100)));
        heat.warm(number(12_125_551_000), Day(100));
        assert!(!heat.is_hot(asked, Day(100)), "one report makes no block hot");
        heat.warm(number(12_125_551_001), Day(100));
        assert!(heat.is_hot(asked, Day(100)));
        assert!(heat.is_hot(asked, Day(99)), "a clock that went back cools nothing");
        assert!(close(heat.heat(asked, Day(102)), 1.0) && !heat.is_hot(asked, Day(101)));
        // The other blocks of the exchange feel a tenth of it, other exchanges nothing.
        assert!(close(heat.heat(number(12_125_559_000), Day(100)), 0.2));
        assert!(close(heat.heat(number(12_125_561_000), Day(100)), 0.0));
        assert_eq!((heat.hot_blocks(), heat.blocks_seen()), (1, 10));
        heat.begin(Day(101));
        assert_eq!((heat.hot_blocks(), heat.blocks_seen()), (0, 10));
    }

    #[test]
    fn no_source_alone_makes_a_block_hot_and_two_together_do() {
        let mut heat = RangeHeat::new(Tuning::OF_STRANGERS);
        (0..5_000).for_each(|n| heat.warm_by(7, number(12_125_550_000 + n), Day(100)));
        assert_eq!(heat.hot_blocks(), 0);
        heat.warm_by(8, number(12_125_551_999), Day(100));
        assert!(heat.is_hot(number(12_125_551_500), Day(100)), "its block");
        assert!(!heat.is_hot(number(12_125_552_500), Day(100)), "a fifth of the second source's number is too little");
        assert_eq!(heat.blocks_seen(), 10);
    }

    #[test]
    fn an_exchange_that_is_called_from_all_over_is_hot_as_a_whole() {
        let mut heat = RangeHeat::new(TUNING);
        (0..20).for_each(|n| heat.warm(number(12_125_550_000 + 500 * n), Day(100)));
        assert_eq!(heat.hot_blocks(), 10);
    }

    #[test]
    fn only_the_hottest_blocks_are_hot_when_there_are_too_many() {
        let mut heat = RangeHeat::new(Tuning { max_hot_share: 0.01, exchange_share: 0.0, ..TUNING });
        let block = |n: u64| 12_000_000_000 + n * BLOCK * BLOCKS_PER_EXCHANGE;
        // 500 exchanges of ten blocks: 50 may be hot. 100 are called from twice, 10 of those more often.
        (0..500).for_each(|n| heat.warm(number(block(n)), Day(100)));
        (0..100).for_each(|n| heat.warm(number(block(n) + 1), Day(100)));
        assert!(heat.hot_blocks() <= 50);
        (0..10).for_each(|n| heat.warm(number(block(n) + 2), Day(100)));
        assert!((0..10).all(|n| heat.is_hot(number(block(n) + 999), Day(100))));
        assert!(!heat.is_hot(number(block(11) + 999), Day(100)));
        // As many are hot as say so of themselves.
        assert_eq!((0..500).filter(|n| heat.is_hot(number(block(*n)), Day(100))).count(), heat.hot_blocks());
        // The next day is a new one.
        heat.begin(Day(101));
        assert_eq!((heat.hot_blocks(), heat.is_hot(number(block(0)), Day(101))), (10, true));
    }

    #[test]
    fn what_is_cold_is_forgotten_and_places_have_a_limit() {
        let mut heat = RangeHeat::new(TUNING);
        (0..MAX_PLACES as u64 + 10).for_each(|n| heat.warm(number(4_900_000_000_000 + n * BLOCK), Day(100)));
        assert_eq!(heat.blocks.len(), MAX_PLACES);
        heat.warm(number(4_900_000_000_001), Day(100));
        assert!(heat.is_hot(number(4_900_000_000_002), Day(100)), "what is warm already still warms up");
        heat.begin(Day(111));
        assert_eq!(heat.blocks.len(), MAX_PLACES);
        heat.begin(Day(125));
        assert_eq!(heat.blocks.len(), 0);
    }

    proptest! {
        #[test]
        fn the_order_of_reports_of_ten_days_does_not_matter(
            reports in prop::collection::vec((0u64..30, 90u16..100), 1..40),
            today in 90u16..130,
        ) {
            let reports: Vec<_> = reports.into_iter().map(|(n, d)| (number(12_125_550_000 + 777 * n), Day(d))).collect();
            let warmed = |reports: &mut dyn Iterator<Item = &(E164, Day)>| {
                let mut heat = RangeHeat::new(TUNING);
                reports.for_each(|(n, d)| heat.warm(*n, *d));
                heat
            };
            let (one, other) = (warmed(&mut reports.iter()), warmed(&mut reports.iter().rev()));
            // Before the latest report's day nothing is asked: a clock that goes back cools nothing.
            let today = reports.iter().map(|(_, d)| *d).max().expect("some").max(Day(today));
            for (asked, _) in &reports {
                prop_assert!(close(one.heat(*asked, today), other.heat(*asked, today)));
            }
        }

        #[test]
        fn no_more_are_hot_than_may_be(
            reports in prop::collection::vec((0u64..4_000, 100u16..104), 1..600),
            percent in 1u32..20,
        ) {
            let max_hot_share = f64::from(percent) / 100.0;
            let mut heat = RangeHeat::new(Tuning { max_hot_share, ..TUNING });
            for (n, day) in reports {
                heat.warm(number(12_000_000_000 + n * 700), Day(day));
                let most = (max_hot_share * heat.blocks_seen() as f64).max(FEW_BLOCKS as f64);
                prop_assert!(heat.hot_blocks() as f64 <= most);
            }
        }
    }
}
