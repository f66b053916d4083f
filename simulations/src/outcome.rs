//! What a run came to.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::{checks::Check, world::World};

/// How a report spread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spread {
    /// When it was published, in microseconds.
    pub made_us: u64,
    /// When each home counted it.
    pub known_us: BTreeMap<usize, u64>,
}

/// Figures of a run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Figures {
    /// Homes.
    pub homes: usize,
    /// Homes whose node runs at the end.
    pub running: usize,
    /// Reports that were published.
    pub reports: usize,
    /// Of these, dated beyond tomorrow by a home whose clock is ahead: nobody else takes them.
    pub stray: usize,
    /// Of all pairs of a report and a home that runs, the share in which the home has it.
    pub known: f64,
    /// From publishing to a home that counts it, of all such pairs, in milliseconds.
    pub p50_ms: f64,
    /// The same.
    pub p99_ms: f64,
    /// The same.
    pub max_ms: f64,
    /// How often a report was sent by gossip, for each home.
    pub payloads: f64,
    /// Bytes of gossip, of exchanges, and of words between two, for each home.
    pub gossip_bytes: f64,
    /// The same.
    pub exchange_bytes: f64,
    /// The same.
    pub direct_bytes: f64,
    /// Commits and bytes written, for each home.
    pub commits: f64,
    /// The same.
    pub written_bytes: f64,
    /// Things that happened.
    pub happenings: u64,
}

/// A run, over.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Of the scenario.
    pub scenario: String,
    /// The seed.
    pub seed: u64,
    /// Over all that happened.
    pub trace: String,
    /// What must hold.
    pub checks: Vec<Check>,
    /// What was measured.
    pub figures: Figures,
}

impl Outcome {
    /// Of a world that has lived.
    #[must_use]
    pub fn of(world: &mut World, seed: u64) -> Self {
        Self {
            scenario: world.scenario.name.clone(),
            seed,
            trace: world.trace_hash(),
            checks: world.checks(),
            figures: world.figures(),
        }
    }

    /// Whether all checks held.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.checks.iter().all(|check| check.failures.is_empty())
    }

    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        let f = &self.figures;
        let mut lines = vec![
            format!("{}, seed {}: trace {}", self.scenario, self.seed, self.trace),
            format!(
                "  {} homes, {} running; {} reports ({} dated astray), {:.3} % known",
                f.homes,
                f.running,
                f.reports,
                f.stray,
                f.known * 100.0
            ),
            format!(
                "  from report to home: p50 {:.0} ms, p99 {:.0} ms, at most {:.0} ms",
                f.p50_ms, f.p99_ms, f.max_ms
            ),
            format!(
                "  each home: {:.2} payloads a report, {:.0} B of gossip, {:.0} B of exchanges, {:.0} B between two, {:.0} commits, {:.0} B written",
                f.payloads, f.gossip_bytes, f.exchange_bytes, f.direct_bytes, f.commits, f.written_bytes
            ),
            format!("  {} things happened", f.happenings),
        ];
        for check in &self.checks {
            match check.failures.first() {
                None => lines.push(format!("  holds: {}", check.what)),
                Some(first) => lines.push(format!("  FAILS: {}: {first}", check.what)),
            }
        }
        lines.join("\n")
    }
}

impl World {
    fn strays(&self) -> usize {
        let own =
            |home: &crate::house::House| home.disk.statements.values().filter(|sealed| self.is_stray(sealed)).count();
        self.houses.iter().map(own).sum()
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn figures(&self) -> Figures {
        let homes = self.houses.len();
        let runs: Vec<usize> = (0..homes).filter(|home| self.houses[*home].run.is_some()).collect();
        let mut took: Vec<u64> = Vec::new();
        for spread in self.spreads.values() {
            took.extend(runs.iter().filter_map(|home| Some(spread.known_us.get(home)? - spread.made_us)));
        }
        took.sort_unstable();
        let at = |share: f64| {
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place in the row")]
            let place = ((took.len() as f64 * share).ceil() as usize).saturating_sub(1);
            took.get(place).map_or(0.0, |us| *us as f64 / 1_000.0)
        };
        let (each, reports) = (homes as f64, self.spreads.len());
        let pairs = (reports * runs.len()).max(1) as f64;
        let sum = |of: fn(&crate::house::House) -> u64| self.houses.iter().map(of).sum::<u64>() as f64 / each;
        Figures {
            homes,
            running: runs.len(),
            reports,
            stray: self.strays(),
            known: took.len() as f64 / pairs,
            p50_ms: at(0.5),
            p99_ms: at(0.99),
            max_ms: at(1.0),
            payloads: self.counts.gossip_sent as f64 / each / reports.max(1) as f64,
            gossip_bytes: self.counts.gossip_bytes as f64 / each,
            exchange_bytes: self.counts.exchange_bytes as f64 / each,
            direct_bytes: self.counts.direct_bytes as f64 / each,
            commits: sum(|house| house.disk.commits),
            written_bytes: sum(|house| house.disk.written),
            happenings: self.counts.happenings,
        }
    }
}
