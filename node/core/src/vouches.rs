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
    /// through a home that speaks with two tongues: its vouches are not live.
    pub(crate) fn walk(evidence: &Evidence, from: HomeNo) -> Self {
        let mut reach = Self { hops: BTreeMap::from([(from, 0)]), own: counted(evidence, from) };
        reach.spread(evidence, from);
        reach
    }

    /// Follows one more vouch, made by `who`, and returns the homes that can be reached now and could not before; or
    /// `None` if it may have pushed out another one, which takes a whole walk to find out. Most vouches come one by one,
    /// and a walk over a city for each would take minutes.
    pub(crate) fn grow(&mut self, evidence: &Evidence, from: HomeNo, who: HomeNo) -> Option<Vec<HomeNo>> {
        if distinct(evidence, who) > MAX_VOUCHES {
            return None;
        }
        if who == from {
            self.own = counted(evidence, from);
        }
        Some(if self.reaches(who) { self.spread(evidence, who) } else { Vec::new() })
    }

    /// Carries the distance of a reached home on along the vouches, and returns the homes that are new.
    fn spread(&mut self, evidence: &Evidence, start: HomeNo) -> Vec<HomeNo> {
        let mut new = Vec::new();
        let mut queue = VecDeque::from([start]);
        while let Some(home) = queue.pop_front() {
            let Some(distance) = self.hops.get(&home).map(|h| h + 1).filter(|d| *d <= MAX_HOPS) else { continue };
            for next in counted(evidence, home).into_keys() {
                match self.hops.get(&next) {
                    Some(known) if *known <= distance => continue,
                    Some(_) => {}
                    None => new.push(next),
                }
                self.hops.insert(next, distance);
                queue.push_back(next);
            }
        }
        new
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

/// The vouches of a home that count: the first for each of the first twelve homes.
fn counted(evidence: &Evidence, who: HomeNo) -> BTreeMap<HomeNo, (Day, u8)> {
    let mut counted = BTreeMap::new();
    for (whom, day, slot) in evidence.vouches_of(who) {
        if counted.len() < MAX_VOUCHES {
            counted.entry(whom).or_insert((day, slot));
        }
    }
    counted
}

/// For how many homes there is a live vouch of this one.
fn distinct(evidence: &Evidence, who: HomeNo) -> usize {
    evidence.vouches_of(who).map(|(whom, ..)| whom).collect::<std::collections::BTreeSet<_>>().len()
}
