//! Attacks on the reputation of numbers, by the very code that weighs words in the node:
//! `cargo xtask sim trust [--json]`. What comes out stands in `design/trust.md`.

#![allow(clippy::cast_precision_loss, reason = "shares and counts are far below 2^52")]

mod cost;
mod report;
mod rules;
mod world;

use meerkat_core::trust::{BLOCK_AT, Rule};

use crate::{
    report::{Report, Row},
    rules::{Other, Said, Shares, eigentrust, ours},
    world::{Chance, World},
};

/// Honest homes in each world.
const HONEST: u32 = 300;
/// Friendships that lead anywhere instead of next door, in hundredths.
const MOVED: u32 = 20;
/// A closed neighbourhood and one in which nobody is friends next door.
const OTHER_WORLDS: [u32; 2] = [10, 100];
const SYBILS: [u32; 2] = [1_000, 10_000];
const EDGES: [usize; 4] = [1, 5, 20, 60];
const REPORTERS: [usize; 2] = [12, 30];
/// The most vouches for made-up homes that are tried.
const MOST_EDGES: usize = 60;

/// Rules of ours that are compared, as the most that one first hop adds to a block (300 is no bound, 299 asks for two
/// hops with anything at all), and how far a home may be whose word is to block.
const VARIANTS: [(u32, u8); 8] =
    [(BLOCK_AT, 5), (BLOCK_AT - 1, 5), (200, 5), (100, 5), (BLOCK_AT, 4), (200, 4), (100, 4), (200, 3)];

fn rules() -> [Rule; VARIANTS.len()] {
    VARIANTS.map(|(first_hop_to_block, hops_to_block)| Rule { first_hop_to_block, hops_to_block, ..Rule::USED })
}

fn used() -> [Rule; 1] {
    [Rule::USED]
}

/// What happens to the number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Attack {
    /// Honest homes report spam, nobody attacks.
    Plain,
    /// Made-up homes report an innocent number.
    Smear,
    /// Honest homes report spam, made-up ones say it is legitimate.
    Whitewash,
}

impl Attack {
    fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Smear => "smear",
            Self::Whitewash => "whitewash",
        }
    }

    fn said(self, chance: &mut Chance, reporters: usize, sybils: u32) -> Said {
        let made_up: Vec<u32> = (HONEST..HONEST + sybils).collect();
        match self {
            Self::Plain => Said { against: chance.some_of(HONEST, reporters), legit: Vec::new() },
            Self::Smear => Said { against: made_up, legit: Vec::new() },
            Self::Whitewash => Said { against: chance.some_of(HONEST, reporters), legit: made_up },
        }
    }
}

/// How much is simulated.
struct Effort {
    worlds: u64,
    /// Every how many homes look, in worlds of many made-up homes.
    every: usize,
    /// The same where several rules are compared.
    often: usize,
}

/// One line of the table: each rule's shares over all worlds.
fn line(effort: &Effort, attack: Attack, reporters: usize, sybils: u32, edges: usize) -> Row {
    let mut others = [Shares::default(); Other::ALL.len()];
    let mut our = Shares::default();
    let each = 1.0 / effort.worlds as f64;
    for seed in 0..effort.worlds {
        let mut chance = Chance(seed * 1_000_003 + edges as u64);
        let honest = World::small(&mut chance, HONEST, MOVED);
        let trusted = chance.some_of(HONEST, 5);
        let world = if sybils > 0 { honest.attacked(&mut chance, sybils, edges) } else { honest };
        let said = attack.said(&mut chance, reporters, sybils);
        let trust = eigentrust(&world, &trusted);
        for (rule, shares) in Other::ALL.iter().zip(&mut others) {
            shares.add(rule.shares(&said, &trust), each);
        }
        let every = if sybils > 1_000 { effort.every } else { 1 };
        our.add(ours(&world, &said, &used(), every)[0], each);
    }
    let named = Other::ALL.iter().map(|rule| rule.name()).zip(others).chain([("ours", our)]);
    Row { attack: attack.name(), reporters, sybils, edges, shares: named.collect() }
}

/// The share of homes that block an innocent number, for each rule, by how many homes answer for made-up ones.
fn smeared(worlds: u64, moved: u32, sybils: u32, edges: usize, every: usize) -> [f64; VARIANTS.len()] {
    let mut blocked = [0.0; VARIANTS.len()];
    for seed in 0..worlds {
        let mut chance = Chance(seed * 7_919 + 17);
        let world = World::small(&mut chance, HONEST, moved).attacked(&mut chance, sybils, edges);
        let said = Attack::Smear.said(&mut chance, 0, sybils);
        for (sum, shares) in blocked.iter_mut().zip(ours(&world, &said, &rules(), every)) {
            *sum += shares.blocked / worlds as f64;
        }
    }
    blocked
}

/// The fewest homes that must answer for made-up ones until half of all homes block an innocent number, to within four.
fn prices(worlds: u64, moved: u32, sybils: u32, every: usize) -> [Option<usize>; VARIANTS.len()] {
    let mut prices = [None; VARIANTS.len()];
    for edges in (8..=MOST_EDGES).step_by(4) {
        for (price, blocked) in prices.iter_mut().zip(smeared(worlds, moved, sybils, edges, every)) {
            if price.is_none() && blocked >= 0.5 {
                *price = Some(edges);
            }
        }
        if prices.iter().all(Option::is_some) {
            break;
        }
    }
    prices
}

/// What each rule costs and brings: blocks without an attack, blocks of whitewashed spam at five edges, and homes that
/// one turned home has block an innocent number.
fn bounds(effort: &Effort, moved: u32) -> Vec<report::Bound> {
    let mut sums = [[0.0; 5]; VARIANTS.len()];
    for seed in 0..effort.worlds {
        let mut chance = Chance(seed * 104_729 + 5);
        let honest = World::small(&mut chance, HONEST, moved);
        let attacked = honest.attacked(&mut chance, 1_000, 5);
        let (turned, _) = honest.turned(&mut chance, 1_000);
        let mut at = 0;
        let mut take = |world: &World, said: &Said, share: fn(Shares) -> f64| {
            for (sum, shares) in sums.iter_mut().zip(ours(world, said, &rules(), effort.often)) {
                sum[at] += share(shares) / effort.worlds as f64;
            }
            at += 1;
        };
        for reporters in REPORTERS {
            take(&honest, &Attack::Plain.said(&mut chance, reporters, 0), |s| s.blocked);
        }
        for reporters in REPORTERS {
            take(&attacked, &Attack::Whitewash.said(&mut chance, reporters, 1_000), |s| s.blocked);
        }
        take(&turned, &Attack::Smear.said(&mut chance, 0, 1_000), |s| s.blocked);
    }
    let few = prices(effort.worlds.min(3), moved, 1_000, 5);
    let rows = VARIANTS.into_iter().zip(sums).zip(few);
    rows.map(|(((bound, hops), [plain_12, plain_30, washed_12, washed_30, turned]), price)| report::Bound {
        moved,
        bound,
        hops,
        plain_12,
        plain_30,
        washed_12,
        washed_30,
        turned,
        price,
    })
    .collect()
}

fn main() {
    let asked: Vec<String> = std::env::args().skip(1).collect();
    let flag = |name: &str| asked.iter().any(|a| a == name);
    if flag("--cost") {
        return cost::measure().table();
    }
    let effort = if flag("--quick") {
        Effort { worlds: 2, every: 10, often: 5 }
    } else {
        Effort { worlds: 4, every: 10, often: 4 }
    };
    let mut rows = Vec::new();
    for reporters in REPORTERS {
        rows.push(line(&effort, Attack::Plain, reporters, 0, 0));
    }
    for sybils in SYBILS {
        for edges in EDGES {
            rows.push(line(&effort, Attack::Smear, 0, sybils, edges));
            for reporters in REPORTERS {
                rows.push(line(&effort, Attack::Whitewash, reporters, sybils, edges));
            }
        }
    }
    let mut all_bounds = bounds(&effort, MOVED);
    all_bounds.extend(OTHER_WORLDS.iter().flat_map(|moved| bounds(&effort, *moved)));
    let used = rules().iter().position(|rule| *rule == Rule::USED);
    let many = used.and_then(|at| prices(effort.worlds.min(2), MOVED, 10_000, effort.every)[at]);
    let report = Report { rows, moved: MOVED, bounds: all_bounds, price_of_many: many, cost: cost::measure() };
    if flag("--json") { report.json() } else { report.table() }
}
