//! Who is how far: the graph of vouches, walked from this home.

use std::collections::{BTreeMap, VecDeque};

use meerkat_protocols::time::Day;

use crate::evidence::{Evidence, HomeNo};

/// The most neighbours a home may answer for. A vouch is made face to face; twelve is more than most people have.
pub(crate) const MAX_VOUCHES: usize = 12;
/// How many vouches away a home may be for its statements to be kept. With at most twelve vouches a home, five hops
/// reach a city.
pub(crate) const MAX_HOPS: u8 = 5;

/// The distances of all homes that can be reached from this one.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    hops: BTreeMap<HomeNo, u8>,
    /// This home's own vouches: for whom, since when, in which slot.
    own: BTreeMap<HomeNo, (Day, u8)>,
}

impl Reach {
    /// Walks the graph anew. A home's vouches beyond the twelfth (by day and slot) do not count, and nothing leads
    /// through a home that speaks with two tongues.
    pub(crate) fn walk(evidence: &Evidence, from: HomeNo) -> Self {
        let mut edges: BTreeMap<HomeNo, Vec<HomeNo>> = BTreeMap::new();
        let mut own = BTreeMap::new();
        for (who, whom, day, slot) in evidence.vouches() {
            let list = edges.entry(who).or_default();
            if list.len() < MAX_VOUCHES && !list.contains(&whom) {
                list.push(whom);
                if who == from {
                    own.insert(whom, (day, slot));
                }
            }
        }
        let mut hops = BTreeMap::from([(from, 0)]);
        let mut queue = VecDeque::from([(from, 0)]);
        while let Some((home, distance)) = queue.pop_front() {
            if distance == MAX_HOPS || evidence.equivocates(home) {
                continue;
            }
            for next in edges.get(&home).into_iter().flatten() {
                if !hops.contains_key(next) {
                    hops.insert(*next, distance + 1);
                    queue.push_back((*next, distance + 1));
                }
            }
        }
        Self { hops, own }
    }

    /// Whether the home's statements are kept.
    pub(crate) fn reaches(&self, home: HomeNo) -> bool {
        self.hops.contains_key(&home)
    }

    /// What a report of the home weighs: 1 for this home and the homes it answers for itself, else 0. The flow over the
    /// whole graph takes this place once it is built.
    pub(crate) fn weight(&self, home: HomeNo) -> u8 {
        u8::from(self.hops.get(&home).is_some_and(|hops| *hops <= 1))
    }

    /// The homes this one answers for.
    pub(crate) fn own(&self) -> &BTreeMap<HomeNo, (Day, u8)> {
        &self.own
    }
}
