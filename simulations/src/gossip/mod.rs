//! A world in which only gossip is played, small enough for a hundred thousand homes: who is connected with whom, whom each
//! gives what it hears to at once, and how long that takes.
//!
//! What a node relays to whom is a model here of what gossipsub does with the settings of `protocols/network`. How well it
//! fits is measured: `cargo xtask sim stack` plays the daemon's own network code and puts both side by side.

mod flow;
mod graph;

use serde::Serialize;

pub use graph::{Relay, Way};

use crate::{dice::Dice, scenario::Network};
use flow::Flow;
use graph::Graph;

/// The most homes: at some 600 bytes each a gigabyte and a half.
pub const MAX_HOMES: usize = 2_000_000;
/// The most reports of a run.
pub const MAX_REPORTS: usize = 10_000;

/// What is to be played.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// From which all chance comes.
    pub seed: u64,
    /// Homes.
    pub homes: usize,
    /// How many others each calls.
    pub calls: usize,
    /// How they relay.
    pub relay: Relay,
    /// Reports, each of another home.
    pub reports: usize,
    /// Over so long, in seconds.
    pub lasts_s: u64,
    /// The share of homes that are asleep for a part of that.
    pub sleepers: f64,
    /// The lines.
    pub network: Network,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Homes.
    pub homes: usize,
    /// Reports.
    pub reports: usize,
    /// Over all that happened and when.
    pub trace: String,
    /// The share of homes that have a report at the end, over all reports.
    pub known: f64,
    /// From a report to a home that was awake, in milliseconds.
    pub p50_ms: f64,
    /// The same.
    pub p99_ms: f64,
    /// The same.
    pub max_ms: f64,
    /// How long the slowest of those that were asleep had to wait after it woke.
    pub woken_max_ms: f64,
    /// Copies of a report that came to a home.
    pub copies: f64,
    /// Bytes that came to a home for a report, control messages included.
    pub bytes: f64,
    /// To how many others a home gives what it hears at once, in the end.
    pub mesh: f64,
    /// Memory the world took, for each home.
    pub bytes_a_home: usize,
    /// Things that happened.
    pub happenings: u64,
}

impl Outcome {
    /// For a terminal.
    #[must_use]
    pub fn text(&self) -> String {
        [
            format!("gossip, seed {}: trace {}", self.seed, self.trace),
            format!("  {} homes, {} reports, {:.3} % known", self.homes, self.reports, self.known * 100.0),
            format!(
                "  from report to home: p50 {:.0} ms, p99 {:.0} ms, at most {:.0} ms; after waking at most {:.0} ms",
                self.p50_ms, self.p99_ms, self.max_ms, self.woken_max_ms
            ),
            format!("  each home, a report: {:.2} copies, {:.0} bytes", self.copies, self.bytes),
            format!("  {} bytes of memory a home, {} things happened", self.bytes_a_home, self.happenings),
        ]
        .join("\n")
    }
}

/// Plays it. `progress` is told the share that is over.
#[must_use]
pub fn play(plan: Plan, progress: impl FnMut(f64)) -> Outcome {
    let dice = Dice::new(plan.seed);
    let graph = Graph::draw(plan.homes, plan.calls, plan.relay, plan.network, &dice);
    let mut flow = Flow::new(plan, graph, &dice);
    flow.run(progress);
    flow.outcome()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(homes: usize, seed: u64) -> Plan {
        let network = Network { latency_ms: [10, 50], ..Network::default() };
        let relay = Relay::SHIPPED;
        Plan { seed, homes, calls: 6, relay, reports: 20, lasts_s: 3_600, sleepers: 0.0, network }
    }

    #[test]
    fn one_seed_is_one_run_and_everybody_hears_everything() {
        let outcome = play(plan(2_000, 1), |_| {});
        assert_eq!(outcome, play(plan(2_000, 1), |_| {}));
        assert_ne!(outcome.trace, play(plan(2_000, 2), |_| {}).trace);
        assert!((outcome.known - 1.0).abs() < f64::EPSILON, "{outcome:?}");
        assert!(outcome.bytes_a_home <= 8_192, "{outcome:?}");
    }

    #[test]
    fn who_slept_hears_it_after_waking() {
        let outcome = play(Plan { sleepers: 0.3, ..plan(2_000, 1) }, |_| {});
        assert!((outcome.known - 1.0).abs() < f64::EPSILON, "{outcome:?}");
        assert!(outcome.woken_max_ms > 0.0);
    }

    #[test]
    fn a_line_that_loses_is_slower_and_loses_nothing() {
        let clear = play(plan(1_000, 1), |_| {});
        let network = Network { loss: 0.3, ..plan(1_000, 1).network };
        let bad = play(Plan { network, ..plan(1_000, 1) }, |_| {});
        assert!((bad.known - 1.0).abs() < f64::EPSILON && bad.p99_ms > clear.p99_ms, "{bad:?}");
    }
}
