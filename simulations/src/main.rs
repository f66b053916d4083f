//! `meerkat-sim`: streets of the shipped node in virtual time.

mod progress;

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};
use meerkat_simulations::{
    compare, gossip,
    outcome::Outcome,
    report,
    scenario::{Network, Scenario},
    world::World,
};
use progress::Progress;
use serde::Serialize;

/// Plays streets of homes, each the node that is shipped, with every fault that has a name.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  meerkat-sim list
  meerkat-sim run partition --seed 7 --report partition.html
  meerkat-sim run my-street.toml --json > before.json
  meerkat-sim compare before.json after.json
  meerkat-sim gossip --homes 100000"
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
        /// Write a page with plots to this file
        #[arg(long, value_name = "FILE.html")]
        report: Option<PathBuf>,
    },
    /// Play only gossip, for up to two million homes
    Gossip(Gossip),
    /// Put the figures of two runs, as `--json` wrote them, side by side
    Compare {
        /// A run
        before: PathBuf,
        /// Another
        after: PathBuf,
    },
}

#[derive(Debug, Args)]
struct Gossip {
    /// How many homes
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(2..=gossip::MAX_HOMES as u64))]
    homes: u64,
    /// How many others each calls
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=32))]
    calls: u64,
    /// How many reports, each of another home
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=gossip::MAX_REPORTS as u64))]
    reports: u64,
    /// Over how many minutes
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=10_080))]
    minutes: u64,
    /// The share of homes that sleep for a part of that
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    sleepers: f64,
    /// The share of what is sent that is lost, and sent again
    #[arg(long, default_value_t = 0.0, value_parser = share)]
    loss: f64,
    /// The least and the most latency of a line, one way, in milliseconds
    #[arg(long, num_args = 2, default_values_t = [10, 50])]
    latency_ms: Vec<u64>,
    /// To how many others a home gives what it hears at once
    #[arg(long, default_value_t = gossip::Relay::SHIPPED.degree as u64, value_parser = clap::value_parser!(u64).range(1..=32))]
    degree: u64,
    /// How many of these are those that are reached fastest
    #[arg(long, default_value_t = gossip::Relay::SHIPPED.near as u64, value_parser = clap::value_parser!(u64).range(0..=32))]
    near: u64,
    /// From which all chance comes: one seed, one run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Name and text of what is shipped.
const SHIPPED: [(&str, &str); 8] = [
    ("quiet-street", include_str!("../scenarios/quiet-street.toml")),
    ("partition", include_str!("../scenarios/partition.toml")),
    ("power-cuts", include_str!("../scenarios/power-cuts.toml")),
    ("bad-lines", include_str!("../scenarios/bad-lines.toml")),
    ("clock-scramble", include_str!("../scenarios/clock-scramble.toml")),
    ("cold-boot", include_str!("../scenarios/cold-boot.toml")),
    ("laptops", include_str!("../scenarios/laptops.toml")),
    ("crossed-cuts", include_str!("../scenarios/crossed-cuts.toml")),
];

fn main() -> ExitCode {
    let done = match Line::parse().command {
        Command::List => {
            list();
            Ok(true)
        }
        Command::Run { scenario, seed, json, report } => {
            let read = text_of(&scenario).and_then(|text| Scenario::read(&text).map_err(|why| why.to_string()));
            let read = read.map_err(|why| format!("{scenario}: {why}"));
            read.and_then(|scenario| run(scenario, seed, json, report.as_deref()))
        }
        Command::Gossip(options) => play_gossip(&options),
        Command::Compare { before, after } => compare_files(&before, &after),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::from(2)
        }
    }
}

fn list() {
    for (name, text) in SHIPPED {
        let about = Scenario::read(text).map(|scenario| scenario.about).unwrap_or_default();
        println!("{name:<16} {about}");
    }
}

fn text_of(scenario: &str) -> Result<String, String> {
    if let Some((_, text)) = SHIPPED.iter().find(|(name, _)| *name == scenario) {
        return Ok((*text).to_owned());
    }
    fs::read_to_string(PathBuf::from(scenario))
        .map_err(|why| format!("it is none of `meerkat-sim list`, and no file that can be read: {why}"))
}

fn run(scenario: Scenario, seed: u64, json: bool, page: Option<&Path>) -> Result<bool, String> {
    let progress = Progress::begin();
    let mut world = World::new(scenario, seed);
    world.run(|share| progress.show(share));
    progress.end();
    let outcome = Outcome::of(&mut world, seed);
    if let Some(file) = page {
        let written = fs::write(file, report::page(&world, &outcome));
        written.map_err(|why| format!("{}: the report cannot be written: {why}", file.display()))?;
    }
    if json {
        print_json(&outcome);
    } else {
        println!("{}", outcome.text());
    }
    Ok(outcome.holds())
}

fn play_gossip(options: &Gossip) -> Result<bool, String> {
    let [least, most] = *options.latency_ms.as_slice() else { return Err("--latency-ms wants two numbers".to_owned()) };
    if most < least {
        return Err(format!("--latency-ms {least} {most}: the least is more than the most"));
    }
    let degree = size(options.degree);
    let shipped = gossip::Relay::SHIPPED;
    let plan = gossip::Plan {
        seed: options.seed,
        homes: size(options.homes),
        calls: size(options.calls),
        relay: gossip::Relay {
            degree,
            least: shipped.least.min(degree),
            most: shipped.most.max(degree),
            near: size(options.near),
            ..shipped
        },
        reports: size(options.reports),
        lasts_s: options.minutes * 60,
        sleepers: options.sleepers,
        network: Network { latency_ms: [least, most], loss: options.loss, ..Network::default() },
    };
    let progress = Progress::begin();
    let outcome = gossip::play(plan, |share| progress.show(share));
    progress.end();
    if options.json {
        print_json(&outcome);
    } else {
        println!("{}", outcome.text());
    }
    Ok(outcome.known >= 1.0)
}

fn compare_files(before: &Path, after: &Path) -> Result<bool, String> {
    let read = |file: &Path| {
        let text = fs::read_to_string(file).map_err(|why| format!("{}: {why}", file.display()))?;
        compare::read(&text).map_err(|why| format!("{}: {why}", file.display()))
    };
    println!("{}", compare::table(&read(before)?, &read(after)?));
    Ok(true)
}

fn print_json(outcome: &impl Serialize) {
    println!("{}", serde_json::to_string_pretty(outcome).expect("plain data is JSON"));
}

fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "a share is a number from 0 to 1".to_owned())?;
    if (0.0..=0.95).contains(&share) { Ok(share) } else { Err("a share is a number from 0 to 0.95".to_owned()) }
}

fn size(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
