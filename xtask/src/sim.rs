//! Simulations that need no network: the node's own code against thousands that mean harm.

use clap::{Args, Subcommand};

use crate::run::{Outcome, cargo, root, show};

#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Smears, whitewashes and plain reports in 300 homes with up to 10,000 made-up ones beside them; some minutes.
    Trust {
        /// For programs.
        #[arg(long)]
        json: bool,
        /// Fewer worlds, in about two thirds of the time.
        #[arg(long)]
        quick: bool,
        /// Only what weighing costs.
        #[arg(long)]
        cost: bool,
    },
    /// The daemon's own network code in virtual time, twice, and the model of `meerkat-sim gossip` beside it.
    Stack {
        /// How many nodes: 1,000 take 1.3 GB and a minute and a half of one core, twice at once.
        #[arg(long, default_value_t = crate::stack::NODES)]
        nodes: u64,
        /// From which all chance comes.
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
}

pub(crate) fn run(options: &Options) -> Outcome {
    match options.what {
        What::Stack { nodes, seed } => crate::stack::run(nodes, seed),
        What::Trust { json, quick, cost } => trust(&[(json, "--json"), (quick, "--quick"), (cost, "--cost")]),
    }
}

/// Optimised, for it weighs millions of words; the daemon's own release build is not touched.
fn trust(flags: &[(bool, &str)]) -> Outcome {
    show(cargo().args(["build", "--release", "--quiet", "-p", "meerkat-core", "--example", "trust_sim"]))?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    let mut command = crate::run::program(target.join("release/examples/trust_sim"));
    command.args(flags.iter().filter(|(asked, _)| *asked).map(|(_, flag)| flag));
    show(&mut command)
}
