//! The project's chores: test, bench, soak, fuzz, cross-build. `cargo xtask --help` lists them.
//!
//! **What is absent.** Nothing here is part of the daemon, and it depends on none of our packages: it builds them, starts
//! them and looks at them from outside, so that it compiles in seconds and works while they do not.

mod arm64;
mod bench;
mod debian;
mod deny;
mod eval;
mod fuzz;
mod node_packages;
mod quiet_http;
mod rig;
mod run;
mod sim;
mod soak;
mod stack;
mod test;
mod tools;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's chores", version)]
struct Line {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Installs what the tests need where it is missing, builds once, runs every test and sums up.
    Test(test::Options),
    /// Measures and prints our figures beside their anchors; without a name, every short one.
    Bench(bench::Options),
    /// Replays what really happened and says what we would have caught.
    Eval(eval::Options),
    /// Power cuts, kill -9, flipped bits and counted deaths, by the thousand.
    Soak(soak::Options),
    /// Simulations: what attackers by the thousand can and cannot do.
    Sim(sim::Options),
    /// Hostile bytes against the parsers, for a while.
    Fuzz(fuzz::Options),
    /// Judges the licences and sources of what we depend on, and known faults where a database is at hand.
    Deny,
    /// Builds the daemon for arm64 and starts it under emulation.
    Arm64,
}

fn main() -> ExitCode {
    let done = match Line::parse().chore {
        Chore::Test(options) => test::run(&options),
        Chore::Bench(options) => bench::run(&options),
        Chore::Eval(options) => eval::run(&options),
        Chore::Soak(options) => soak::run(&options),
        Chore::Sim(options) => sim::run(&options),
        Chore::Fuzz(options) => fuzz::run(&options),
        Chore::Deny => deny::run(),
        Chore::Arm64 => arm64::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}
