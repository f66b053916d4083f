//! The maximum flow from this home to the homes that said something, one augmenting path at a time (Ford and Fulkerson
//! 1956), searched backwards from who spoke: a number has few reporters and a city many homes.
//!
//! A home is split in two, an entry and an exit with its capacity between (node-split). What a search from a reporter
//! has walked in vain is not walked again: no later path can lead through it, for the flow only ever leaves it.

use std::collections::BTreeMap;

use super::graph::{Capacities, Graph};

/// A home that said something, and how much of its word is left to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Witness {
    /// Its rank in the graph.
    rank: u32,
    /// What its word weighs at most, in hundredths.
    pub weight: u32,
    /// What reaches this home of it, in hundredths.
    pub carried: u32,
}

/// One of the two halves of a home: its exit is `2 * rank`, its entry `2 * rank + 1`.
type Half = u32;

fn exit(rank: u32) -> Half {
    2 * rank
}

fn entry(rank: u32) -> Half {
    2 * rank + 1
}

/// A place in the search: a half, and how many of the ways on from it were tried.
struct Step {
    half: Half,
    tried: u32,
}

/// A flow through the graph.
pub struct Flow<'g> {
    graph: &'g Graph,
    capacities: Capacities,
    enough: u32,
    value: u32,
    witnesses: Vec<Witness>,
    /// What passes through each home, by rank.
    through: Vec<u32>,
    /// What passes along each vouch, by (from, to). Those of this home itself are left out: the first hop's `through`
    /// is that.
    along: BTreeMap<(u32, u32), u32>,
    seen: Vec<bool>,
    walked: Vec<Half>,
}

impl<'g> Flow<'g> {
    /// Carries the words of these homes, given as (home, weight), as far as they go, and at most `enough` in all. Homes
    /// that no vouch leads to, and this home itself, are left out; of a home that is named twice the first counts.
    #[must_use]
    pub fn of(graph: &'g Graph, said: &[(u32, u32)], capacities: Capacities, enough: u32) -> Self {
        let ranked = said.iter().filter_map(|(home, weight)| Some((graph.rank_of(*home)?, *weight)));
        let mut ranked: Vec<(u32, u32)> = ranked.filter(|(rank, _)| *rank != 0).collect();
        // Nearest first, then by name: which of many words fill the capacity must not depend on who came first.
        ranked.sort_by_key(|(rank, _)| *rank);
        ranked.dedup_by_key(|(rank, _)| *rank);
        let mut flow = Self {
            graph,
            capacities,
            enough,
            value: 0,
            witnesses: ranked.into_iter().map(|(rank, weight)| Witness { rank, weight, carried: 0 }).collect(),
            through: vec![0; graph.len()],
            along: BTreeMap::new(),
            seen: vec![false; 2 * graph.len()],
            walked: Vec::new(),
        };
        flow.fill();
        flow
    }

    /// What is carried in all, in hundredths.
    #[must_use]
    pub fn value(&self) -> u32 {
        self.value
    }

    /// Who said something, the nearest first, with what is carried of it.
    pub fn witnesses(&self) -> impl Iterator<Item = (u32, Witness)> + '_ {
        self.witnesses.iter().map(|witness| (self.graph.home_at(witness.rank), *witness))
    }

    /// Through which homes that this one answers for the flow comes, and how much through each.
    pub fn first_hops(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        let all = self.graph.first_hops().map(|rank| (self.graph.home_at(rank), self.through[rank as usize]));
        all.filter(|(_, carried)| *carried > 0)
    }

    fn capacity(&self, rank: u32) -> u32 {
        self.capacities[usize::from(self.graph.distance_at(rank))]
    }

    fn fill(&mut self) {
        for n in 0..self.witnesses.len() {
            while self.value < self.enough {
                let Witness { rank, weight, carried } = self.witnesses[n];
                let most = (weight - carried).min(self.enough - self.value);
                if most == 0 {
                    break;
                }
                let sent = self.search(exit(rank)).map_or(0, |path| self.send(&path, most));
                if sent == 0 {
                    break;
                }
                self.witnesses[n].carried += sent;
                self.value += sent;
            }
        }
    }

    /// A way from `start` back to this home along which more can flow, as the halves it leads through.
    fn search(&mut self, start: Half) -> Option<Vec<Half>> {
        self.walked.clear();
        let mut path: Vec<Step> = Vec::new();
        self.enter(&mut path, start);
        while let Some(step) = path.last_mut() {
            let (half, tried) = (step.half, step.tried);
            let Some((next, tried)) = self.way_on(half, tried) else {
                path.pop();
                continue;
            };
            step.tried = tried;
            if next == exit(0) {
                // What was walked besides may yet lead home another time.
                self.walked.drain(..).for_each(|half| self.seen[half as usize] = false);
                return Some(path.iter().map(|step| step.half).chain([next]).collect());
            }
            self.enter(&mut path, next);
        }
        None
    }

    fn enter(&mut self, path: &mut Vec<Step>, half: Half) {
        if !self.seen[half as usize] {
            self.seen[half as usize] = true;
            self.walked.push(half);
            path.push(Step { half, tried: 0 });
        }
    }

    /// The next way on from a half after `tried` ones: where from more could come to it.
    fn way_on(&self, half: Half, tried: u32) -> Option<(Half, u32)> {
        let rank = half / 2;
        let through = self.through[rank as usize];
        if half == entry(rank) {
            let vouchers = self.graph.vouchers(rank);
            let open = |(_, voucher): &(u32, &u32)| self.room_along(**voucher, rank) > 0;
            return match (tried..).zip(vouchers.iter().skip(tried as usize)).find(open) {
                Some((n, voucher)) => Some((exit(*voucher), n + 1)),
                // Let less pass through this home.
                None => {
                    let last = u32::try_from(vouchers.len()).unwrap_or(u32::MAX);
                    (tried <= last && through > 0).then(|| (exit(rank), last + 1))
                }
            };
        }
        if tried == 0 && through < self.capacity(rank) {
            return Some((entry(rank), 1));
        }
        if through == 0 {
            return None;
        }
        // Take back what this home sends to another, which must then get it from elsewhere.
        let from = tried.saturating_sub(1);
        let (to, _) = self.along.range((rank, from)..=(rank, u32::MAX)).next()?;
        Some((entry(to.1), to.1 + 2))
    }

    /// Sends at most `most` along a path.
    fn send(&mut self, path: &[Half], most: u32) -> u32 {
        let amount = path.windows(2).map(|w| self.room(w[0], w[1])).fold(most, u32::min);
        for w in path.windows(2) {
            let (at, from) = (w[0] / 2, w[1] / 2);
            if at == from {
                let through = &mut self.through[at as usize];
                *through = if w[0] == exit(at) { *through + amount } else { *through - amount };
            } else if w[0] == exit(at) {
                self.take_back(at, from, amount);
            } else if from != 0 {
                *self.along.entry((from, at)).or_default() += amount;
            }
        }
        amount
    }

    /// How much more can come to the first half from the second.
    fn room(&self, half: Half, from: Half) -> u32 {
        let (at, other) = (half / 2, from / 2);
        if at == other {
            let through = self.through[at as usize];
            if half == exit(at) { self.capacity(at) - through } else { through }
        } else if half == exit(at) {
            self.along.get(&(at, other)).copied().unwrap_or(0)
        } else {
            self.room_along(other, at)
        }
    }

    /// How much more a vouch carries. It carries what a home has that is one vouch farther than who made it, also where
    /// that home is nearer by another way: else made-up homes that a near home was talked into would lend their nearness
    /// to those that far homes were talked into, by answering for them.
    fn room_along(&self, from: u32, to: u32) -> u32 {
        let beyond = usize::from(self.graph.distance_at(from)) + 1;
        let most = self.capacities.get(beyond).copied().unwrap_or(0);
        if from == 0 || self.through[from as usize] == 0 || self.through[to as usize] == 0 {
            return most;
        }
        most - self.along.get(&(from, to)).copied().unwrap_or(0)
    }

    fn take_back(&mut self, from: u32, to: u32, amount: u32) {
        if let Some(sent) = self.along.get_mut(&(from, to)) {
            *sent -= amount;
            if *sent == 0 {
                self.along.remove(&(from, to));
            }
        }
    }
}
