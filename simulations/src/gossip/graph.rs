//! Who is connected with whom, and whom each gives what it hears to at once.

use crate::{dice::Dice, scenario::Network};

/// How homes relay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Relay {
    /// To how many others each gives what it hears at once: this many are aimed at,
    pub degree: usize,
    /// with fewer than this more are looked for,
    pub least: usize,
    /// and beyond this nobody else is let in.
    pub most: usize,
    /// How many of those it looks for are those that are reached fastest, there and back; the others are left to chance.
    pub near: usize,
    /// What becomes of links that bring only copies.
    pub way: Way,
}

/// What a home does about links that bring it nothing but copies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Nothing: gossipsub's mesh.
    Mesh,
    /// All but this many of those that are the slowest to bring anything are asked to name what they have instead of sending
    /// it; what nobody sent is asked for after `patience_us`.
    Choke {
        /// Links that send.
        keep: usize,
        /// How long a report that was named may be on its way.
        patience_us: u64,
    },
}

impl Relay {
    /// As the daemon does: gossipsub's own numbers (`protocols/network/src/behaviour.rs` leaves them as they are).
    pub const SHIPPED: Self = Self { degree: 6, least: 5, most: 12, near: 0, way: Way::Mesh };
}

/// The connections of a world. Each has two ends, and an end is known by its number.
pub(super) struct Graph {
    /// Where the ends of each home begin.
    first: Vec<u32>,
    /// To whom an end leads.
    to: Vec<u32>,
    /// The other end.
    other: Vec<u32>,
    /// What is sent here arrives after so many microseconds.
    latency_us: Vec<u32>,
    /// Whether what is heard is sent on here at once.
    pub(super) mesh: Vec<bool>,
}

impl Graph {
    pub(super) fn draw(homes: usize, calls: usize, relay: Relay, network: Network, dice: &Dice) -> Self {
        let mut calling = dice.apart(1);
        let mut pairs = Vec::with_capacity(homes * calls);
        for home in 0..homes {
            for _ in 0..calls.min(homes.saturating_sub(1)) {
                let other = calling.place(homes - 1);
                let other = other + usize::from(other >= home);
                pairs.push((number(home.min(other)), number(home.max(other))));
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        let mut graph = Self::of(homes, &pairs);
        let mut lines = dice.apart(2);
        let [least, most] = network.latency_ms;
        graph.latency_us.iter_mut().for_each(|us| *us = number_of(lines.between(least * 1_000, most * 1_000)));
        graph.graft(homes, relay, &mut dice.apart(3));
        graph
    }

    fn of(homes: usize, pairs: &[(u32, u32)]) -> Self {
        let mut first = vec![0_u32; homes + 1];
        for (a, b) in pairs {
            first[*a as usize + 1] += 1;
            first[*b as usize + 1] += 1;
        }
        for home in 0..homes {
            first[home + 1] += first[home];
        }
        let ends = pairs.len() * 2;
        let (mut next, mut to, mut other) = (first.clone(), vec![0; ends], vec![0; ends]);
        for (a, b) in pairs {
            let (here, there) = (next[*a as usize], next[*b as usize]);
            (to[here as usize], to[there as usize]) = (*b, *a);
            (other[here as usize], other[there as usize]) = (there, here);
            next[*a as usize] += 1;
            next[*b as usize] += 1;
        }
        Self { first, to, other, latency_us: vec![0; ends], mesh: vec![false; ends] }
    }

    /// The ends of a home.
    pub(super) fn ends(&self, home: usize) -> std::ops::Range<usize> {
        self.first[home] as usize..self.first[home + 1] as usize
    }

    pub(super) fn to(&self, end: usize) -> usize {
        self.to[end] as usize
    }

    pub(super) fn other(&self, end: usize) -> usize {
        self.other[end] as usize
    }

    pub(super) fn latency_us(&self, end: usize) -> u64 {
        u64::from(self.latency_us[end])
    }

    fn degree(&self, home: usize) -> usize {
        self.ends(home).filter(|end| self.mesh[*end]).count()
    }

    /// Each home in turn, as by the heartbeats of a street that comes up: with too few it takes in some by chance, who
    /// accept as long as they have room.
    fn graft(&mut self, homes: usize, relay: Relay, dice: &mut Dice) {
        for _ in 0..3 {
            let mut order: Vec<usize> = (0..homes).collect();
            for at in (1..homes).rev() {
                order.swap(at, dice.place(at + 1));
            }
            for home in order {
                let has = self.degree(home);
                if has >= relay.least {
                    continue;
                }
                let mut free: Vec<usize> = self.ends(home).filter(|end| !self.mesh[*end]).collect();
                let way_us = |end: &usize| self.latency_us(*end) + self.latency_us(self.other(*end));
                free.sort_by_key(way_us);
                for wanted in has..relay.degree {
                    if free.is_empty() {
                        break;
                    }
                    let end = free.remove(if wanted < relay.near { 0 } else { dice.place(free.len()) });
                    if self.degree(self.to(end)) < relay.most {
                        let other = self.other(end);
                        (self.mesh[end], self.mesh[other]) = (true, true);
                    }
                }
            }
        }
    }

    /// What the graph takes in memory.
    pub(super) fn bytes(&self) -> usize {
        (self.first.capacity() + self.to.capacity() + self.other.capacity() + self.latency_us.capacity()) * 4
            + self.mesh.capacity()
    }
}

fn number(home: usize) -> u32 {
    u32::try_from(home).unwrap_or(u32::MAX)
}

fn number_of(us: u64) -> u32 {
    u32::try_from(us).unwrap_or(u32::MAX)
}
