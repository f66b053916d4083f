//! The rules that are compared: ours, and four that others use.

use meerkat_core::trust::{Graph, Rule, Side, WHOLE, weigh};

use crate::world::World;

/// What is said of a number: homes against it and homes for it.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) against: Vec<u32>,
    pub(crate) legit: Vec<u32>,
}

/// How many homes a rule has block, and how many block or mark.
#[derive(Clone, Copy, Default)]
pub(crate) struct Shares {
    pub(crate) blocked: f64,
    pub(crate) marked: f64,
}

impl Shares {
    pub(crate) fn add(&mut self, other: Self, weight: f64) {
        self.blocked += other.blocked * weight;
        self.marked += other.marked * weight;
    }
}

/// The rules of others, each with the threshold its users chose for a block; a call is marked where one report that
/// nobody contradicts would mark it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Other {
    Votes,
    Beta,
    Wilson,
    EigenTrust,
}

impl Other {
    pub(crate) const ALL: [Self; 4] = [Self::Votes, Self::Beta, Self::Wilson, Self::EigenTrust];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Votes => "net votes >= 4",
            Self::Beta => "Beta mean > 0.8",
            Self::Wilson => "Wilson bound > 0.5",
            Self::EigenTrust => "EigenTrust, net >= 4",
        }
    }

    /// These rules have one answer for all homes.
    pub(crate) fn shares(self, said: &Said, trust: &[f64]) -> Shares {
        let weight = |homes: &[u32]| match self {
            Self::EigenTrust => homes.iter().map(|home| trust[*home as usize]).sum(),
            Self::Votes | Self::Beta | Self::Wilson => homes.len() as f64,
        };
        let (against, legit): (f64, f64) = (weight(&said.against), weight(&said.legit));
        let (score, block_at, mark_at) = match self {
            Self::Votes | Self::EigenTrust => (against - legit, 4.0, 1.0),
            // (S + 1) / (S + L + 2), Jøsang and Ismail 2002: one report makes 2/3.
            Self::Beta => ((against + 1.0) / (against + legit + 2.0), 0.8, 2.0 / 3.0 - 1e-9),
            // One report makes 1 / (1 + 1.96²).
            Self::Wilson => (wilson(against, legit), 0.5, 1.0 / (1.0 + 1.96 * 1.96) - 1e-9),
        };
        let one = |yes: bool| f64::from(u8::from(yes));
        let blocked = if matches!(self, Self::Beta | Self::Wilson) { score > block_at } else { score >= block_at };
        Shares { blocked: one(blocked), marked: one(score >= mark_at) }
    }
}

/// The lower end of Wilson's 95 % interval (Wilson 1927).
fn wilson(against: f64, legit: f64) -> f64 {
    let n = against + legit;
    if n == 0.0 {
        return 0.0;
    }
    let (share, z2) = (against / n, 1.96 * 1.96);
    let margin = 1.96 * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    (share + z2 / (2.0 * n) - margin) / (1.0 + z2 / n)
}

/// `EigenTrust` (Kamvar, Schlosser and Garcia-Molina 2003) over the vouches with five homes trusted from the start and a
/// fifth of all trust flowing back to them, scaled so that an honest home of a neighbourhood without attackers has 1.
pub(crate) fn eigentrust(world: &World, trusted: &[u32]) -> Vec<f64> {
    const BACK: f64 = 0.2;
    let n = world.vouches.len();
    let mut start = vec![0.0; n];
    trusted.iter().for_each(|home| start[*home as usize] = 1.0 / trusted.len() as f64);
    let mut trust = start.clone();
    for _ in 0..60 {
        let mut next: Vec<f64> = start.iter().map(|s| s * BACK).collect();
        for (home, vouches) in world.vouches.iter().enumerate() {
            for other in vouches {
                next[*other as usize] += (1.0 - BACK) * trust[home] / vouches.len() as f64;
            }
        }
        trust = next;
    }
    trust.iter().map(|t| t * f64::from(world.honest)).collect()
}

/// What our rule has the honest homes do, for each of several rules at once: the graph is the same for all.
pub(crate) fn ours<const N: usize>(world: &World, said: &Said, rules: &[Rule; N], every: usize) -> [Shares; N] {
    let mut shares = [Shares::default(); N];
    let lookers: Vec<u32> = (0..world.honest).step_by(every).collect();
    let each = 1.0 / lookers.len() as f64;
    let words = |homes: &[u32]| homes.iter().map(|home| (*home, WHOLE)).collect::<Vec<_>>();
    let (against, legit) = (words(&said.against), words(&said.legit));
    for own in lookers {
        let graph = Graph::build(own, world.homes(), |h| h, |h, out| out.extend(&world.vouches[h as usize]));
        let side = |others, homes: &[u32]| Side { others, own: if homes.contains(&own) { WHOLE } else { 0 } };
        for (rule, shares) in rules.iter().zip(&mut shares) {
            let weighed = weigh(rule, &graph, side(&against, &said.against), side(&legit, &said.legit), |_, _| ()).0;
            let blocked = f64::from(u8::from(weighed.blocks()));
            let marked = f64::from(u8::from(weighed.blocks() || weighed.marks()));
            shares.add(Shares { blocked, marked }, each);
        }
    }
    shares
}
