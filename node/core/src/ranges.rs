//! Which blocks of numbers neighbours' reports say that calls come from these days. A reason to challenge, never to block.
//!
//! A made-up home can report numbers nobody ever called from, so heat is weighed by trust: only reports of homes at most
//! two vouches away warm a block; each is put down to the home this one answers for through which it comes, and one such
//! home makes no block hot, whoever stands behind it. All of it is read off the evidence, whatever the order it came in.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_numberlists::{RangeHeat, Tuning};
use meerkat_protocols::{
    number::E164,
    time::{Day, Now},
};

use crate::{
    evidence::{Evidence, HomeNo},
    trust::Graph,
};

/// After how many days a number has become too cold to make a difference: a fiftieth is left at a half-life of 1.5 days.
const WARM_DAYS: u16 = 9;
/// How long the heat may be out of date. Reports that come in a stream share the work.
const WITHIN_MS: u64 = 1_000;

/// The heat by neighbours' reports.
pub(crate) struct Ranges {
    heat: RangeHeat,
    /// When it is due, in milliseconds of the monotonic clock.
    due_ms: Option<u64>,
}

impl Default for Ranges {
    fn default() -> Self {
        Self { heat: RangeHeat::new(Tuning::OF_STRANGERS), due_ms: None }
    }
}

impl Ranges {
    /// A report or a vouch came or went, or a day began.
    pub(crate) fn outdated(&mut self, now: Now) {
        self.due_ms.get_or_insert(now.mono_ms + WITHIN_MS);
    }

    /// When the heat is to be found anew, if it is out of date.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// Finds the heat anew.
    pub(crate) fn refresh(&mut self, evidence: &Evidence, graph: &Graph, today: Day) {
        self.due_ms = None;
        // Home, and through which of the homes that this one answers for it is known.
        let near: BTreeMap<HomeNo, u32> = graph.near().map(|(home, via)| (HomeNo(home), via)).collect();
        let since = Day(today.0.saturating_sub(WARM_DAYS));
        // Each number once, however many homes name it: made-up homes may name one ten thousand times.
        let numbers: BTreeSet<E164> = near.keys().flat_map(|home| evidence.unwanted_since(*home, since)).collect();
        let mut firsts: Vec<(Day, E164, u32)> = Vec::new();
        for number in numbers {
            firsts.extend(first(evidence, &near, number).map(|(day, via)| (day, number, via)));
        }
        firsts.retain(|(day, ..)| (since..=today).contains(day));
        firsts.sort_unstable();
        firsts.dedup();
        self.heat = RangeHeat::new(Tuning::OF_STRANGERS);
        for (day, number, via) in firsts {
            self.heat.warm_by(via, number, day);
        }
        self.heat.begin(today);
    }

    /// Whether the block of this number is hot.
    pub(crate) fn is_hot(&self, number: E164, today: Day) -> bool {
        self.heat.is_hot(number, today)
    }
}

/// When a number was first reported by one of these homes, and through whom; on one day, by the one that is named first.
fn first(evidence: &Evidence, near: &BTreeMap<HomeNo, u32>, number: E164) -> Option<(Day, u32)> {
    let said = evidence.unwanted(number, |home| near.contains_key(&home));
    said.filter_map(|(home, day)| near.get(&home).map(|via| (day, *via))).min()
}

#[cfg(test)]
mod tests {
    use meerkat_protocols::{
        home::{Genesis, NodeNumber},
        statement::{Basis, Body, Category, Statement, StatementId},
    };

    use super::*;
    use crate::vouches::{Ranked, Reach};

    const TODAY: Day = Day(20_770);
    /// Twelve vouches, five deep: more than 10,000 identities stand behind one.
    const SYBILS: u64 = 10_400;

    fn genesis(n: u64) -> Genesis {
        let mut seed = [7; 32];
        seed[..8].copy_from_slice(&n.to_be_bytes());
        Genesis::new(&ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key())
    }

    fn number(digits: u64) -> E164 {
        E164::from_digits(digits).expect("a number")
    }

    /// A world seen from home 0.
    #[derive(Default)]
    struct Street {
        evidence: Evidence,
        homes: BTreeMap<u64, Genesis>,
        vouches: BTreeMap<u64, u8>,
        made: u64,
    }

    impl Street {
        fn genesis(&mut self, home: u64) -> Genesis {
            *self.homes.entry(home).or_insert_with(|| genesis(home))
        }

        fn say(&mut self, home: u64, day: Day, slot: u8, body: Body) {
            self.made += 1;
            let home = self.genesis(home).home();
            let statement = Statement { home, node: NodeNumber(0), day, slot, body };
            self.evidence.insert(&statement, StatementId::of(&self.made.to_be_bytes()), true);
        }

        fn vouch(&mut self, home: u64, whom: u64) {
            let slot = self.vouches.entry(home).or_default();
            *slot += 1;
            let (slot, whom) = (*slot, self.genesis(whom));
            self.say(home, TODAY, slot, Body::Vouch(whom));
        }

        fn report(&mut self, home: u64, day: Day, slot: u8, digits: u64) {
            let body = Body::Report { number: number(digits), category: Category::Scam, basis: Basis::Told };
            self.say(home, day, slot, body);
        }

        fn own(&mut self) -> HomeNo {
            let own = self.genesis(0).home();
            self.evidence.number_of(own)
        }

        fn heat(&mut self) -> Ranges {
            let own = self.own();
            let mut graph = Ranked::default();
            graph.outdated(Now { mono_ms: 0, wall: None });
            graph.refresh(&self.evidence, own);
            let mut ranges = Ranges::default();
            ranges.refresh(&self.evidence, graph.graph(), TODAY);
            ranges
        }

        fn is_hot(&mut self, digits: u64) -> bool {
            self.heat().is_hot(number(digits), TODAY)
        }
    }

    #[test]
    fn two_neighbours_make_a_block_hot_and_one_does_not() {
        let mut street = Street::default();
        street.vouch(0, 1);
        street.vouch(0, 2);
        (0..20).for_each(|n| street.report(1, TODAY, n, 4_930_901_000 + u64::from(n)));
        assert!(!street.is_hot(4_930_901_999), "one home, however many numbers");
        // The same number from another home is no second number.
        street.report(2, TODAY, 0, 4_930_901_000);
        assert!(!street.is_hot(4_930_901_999));
        street.report(2, TODAY, 1, 4_930_901_500);
        assert!(street.is_hot(4_930_901_999) && !street.is_hot(4_930_911_999));
    }

    #[test]
    fn what_is_taken_back_old_or_legitimate_warms_nothing() {
        let day = |ago: u16| Day(TODAY.0 - ago);
        for (second, hot) in [(day(0), true), (day(3), false), (day(40), false)] {
            let mut street = Street::default();
            street.vouch(0, 1);
            street.vouch(0, 2);
            street.report(1, TODAY, 0, 4_930_901_000);
            street.report(2, second, 0, 4_930_901_500);
            assert_eq!(street.is_hot(4_930_901_999), hot, "{second:?}");
            let back = Body::Retraction { kind: meerkat_protocols::statement::Kind::Report, day: second, slot: 0 };
            street.say(2, TODAY, 0, back);
            assert!(!street.is_hot(4_930_901_999));
        }
        // Said again today, it is still of the day on which it was said first.
        let mut street = Street::default();
        street.vouch(0, 1);
        street.vouch(0, 2);
        street.report(1, TODAY, 0, 4_930_901_000);
        street.report(2, day(20), 0, 4_930_901_500);
        street.report(2, TODAY, 0, 4_930_901_500);
        assert!(!street.is_hot(4_930_901_999));
    }

    #[test]
    fn ten_thousand_identities_behind_one_vouch_make_no_block_hot() {
        let mut street = Street::default();
        (1..=3).for_each(|neighbour| street.vouch(0, neighbour));
        // Neighbour 1 was talked into answering for the first twelve; each made-up home answers for twelve more.
        for sybil in 0..SYBILS {
            let inviter = if sybil < 12 { 1 } else { 100 + (sybil - 12) / 12 };
            street.vouch(inviter, 100 + sybil);
        }
        for sybil in 0..SYBILS {
            street.report(100 + sybil, TODAY, 0, 4_930_901_000 + sybil % 1_000);
        }
        let own = street.own();
        let reach = Reach::walk(&street.evidence, own);
        let reached = street.homes.values().filter_map(|genesis| street.evidence.find(genesis.home()));
        assert!(reached.filter(|no| reach.reaches(*no)).count() > 10_000, "vouches lead to all of them");
        assert!(!street.is_hot(4_930_901_999));
        assert!(!street.is_hot(4_930_908_999), "nor the exchange");
        // It takes a word of another neighbour in the very block, and then two sources say so.
        street.report(2, TODAY, 0, 4_930_902_500);
        assert!(!street.is_hot(4_930_901_999));
        street.report(2, TODAY, 1, 4_930_901_500);
        assert!(street.is_hot(4_930_901_999));
    }
}
