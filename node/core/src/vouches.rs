//! Who is how far: the graph of vouches, walked from this home.

use std::collections::{BTreeMap, VecDeque};

use meerkat_protocols::time::{Day, Now};

use crate::{
    evidence::{Evidence, HomeNo},
    trust::{Graph, HOPS},
};

/// The most neighbours a home may answer for. A vouch is made face to face; twelve is more than most people have.
pub(crate) const MAX_VOUCHES: usize = 12;
/// How many vouches away a home may be for its statements to be kept. With at most twelve vouches a home, five hops
/// reach a city.
pub(crate) const MAX_HOPS: u8 = HOPS;

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

    /// All homes whose statements are kept.
    pub(crate) fn homes(&self) -> impl Iterator<Item = HomeNo> + '_ {
        self.hops.keys().copied()
    }

    /// Whether the home's statements are kept.
    pub(crate) fn reaches(&self, home: HomeNo) -> bool {
        self.hops.contains_key(&home)
    }

    /// The homes this one answers for.
    pub(crate) fn own(&self) -> &BTreeMap<HomeNo, (Day, u8)> {
        &self.own
    }
}

/// The graph of vouches, ranked for the flow, and since when it is out of date. Ranking a city takes tens of milliseconds,
/// so a ringing call never waits for it and vouches that come in a stream share it.
#[derive(Debug, Default)]
pub(crate) struct Ranked {
    graph: Graph,
    /// When it is due, in milliseconds of the monotonic clock.
    due_ms: Option<u64>,
}

impl Ranked {
    /// How long the graph may be out of date: a second, and another for each 10,000 homes, of which each second of
    /// ranking takes a few hundredths.
    const WITHIN_MS: u64 = 1_000;
    const MORE_PER_HOMES: u64 = 10;

    /// A vouch came, went or stopped counting.
    pub(crate) fn outdated(&mut self, now: Now) {
        let within = Self::WITHIN_MS + self.graph.len() as u64 / Self::MORE_PER_HOMES;
        self.due_ms.get_or_insert(now.mono_ms + within);
    }

    /// When the graph is to be ranked anew, if it is out of date.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// Ranks the graph anew, if it is out of date.
    pub(crate) fn refresh(&mut self, evidence: &Evidence, own: HomeNo) {
        if self.due_ms.take().is_some() {
            self.graph = Graph::build(
                own.0,
                evidence.homes(),
                |home| evidence.name(HomeNo(home)),
                |home, whom| whom.extend(counted(evidence, HomeNo(home)).into_keys().map(|no| no.0)),
            );
        }
    }

    /// The graph as it was when it was last ranked.
    pub(crate) fn graph(&self) -> &Graph {
        &self.graph
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
