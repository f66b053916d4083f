//! `meerkat-sim`: streets of the shipped node in virtual time.

use std::{
    io::{IsTerminal, Write as _},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Parser, Subcommand};
use meerkat_simulations::{outcome::Outcome, scenario::Scenario, world::World};

/// Plays streets of homes, each the node that is shipped, with every fault that has a name.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  meerkat-sim list
  meerkat-sim run partition --seed 7
  meerkat-sim run my-street.toml --json"
)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the scenarios that come with the program
    List,
    /// Play a scenario and say what came of it; ends with 1 if a check fails
    Run {
        /// A name of the list, or a file
        scenario: String,
        /// From which all chance comes: one seed, one run
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Name and text of what is shipped.
const SHIPPED: [(&str, &str); 5] = [
    ("quiet-street", include_str!("../scenarios/quiet-street.toml")),
    ("partition", include_str!("../scenarios/partition.toml")),
    ("power-cuts", include_str!("../scenarios/power-cuts.toml")),
    ("bad-lines", include_str!("../scenarios/bad-lines.toml")),
    ("clock-scramble", include_str!("../scenarios/clock-scramble.toml")),
];

fn main() -> ExitCode {
    match Line::parse().command {
        Command::List => {
            for (name, text) in SHIPPED {
                let about = Scenario::read(text).map(|scenario| scenario.about).unwrap_or_default();
                println!("{name:<16} {about}");
            }
            ExitCode::SUCCESS
        }
        Command::Run { scenario, seed, json } => {
            match text_of(&scenario).and_then(|text| Scenario::read(&text).map_err(|why| why.to_string())) {
                Ok(scenario) => run(scenario, seed, json),
                Err(why) => {
                    eprintln!("{scenario}: {why}");
                    ExitCode::from(2)
                }
            }
        }
    }
}

fn text_of(scenario: &str) -> Result<String, String> {
    if let Some((_, text)) = SHIPPED.iter().find(|(name, _)| *name == scenario) {
        return Ok((*text).to_owned());
    }
    std::fs::read_to_string(PathBuf::from(scenario))
        .map_err(|why| format!("it is none of `meerkat-sim list`, and no file that can be read: {why}"))
}

fn run(scenario: Scenario, seed: u64, json: bool) -> ExitCode {
    let shows = std::io::stderr().is_terminal();
    let mut world = World::new(scenario, seed);
    world.run(|share| {
        if shows {
            eprint!("\r{:3.0} %", share * 100.0);
            // Progress that cannot be shown is no reason to stop.
            let _ = std::io::stderr().flush();
        }
    });
    if shows {
        eprint!("\r      \r");
    }
    let outcome = Outcome::of(&mut world, seed);
    if json {
        println!("{}", serde_json::to_string_pretty(&outcome).expect("plain data is JSON"));
    } else {
        println!("{}", outcome.text());
    }
    if outcome.holds() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
