//! `meerkat-stack`: the network of the daemon, unmodified, by the thousand and in virtual time.

mod chance;
mod copies;
mod dice;
mod line;
mod world;

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser;

use crate::{line::Latency, world::Plan};

/// Plays nodes with the daemon's own network code over lines in memory, and says how what one says comes to all.
#[derive(Debug, Parser)]
#[command(version, after_help = "Example:\n  meerkat-stack --nodes 1000 --seed 7 --json")]
struct Line {
    /// How many nodes; a thousand take 0.7 GB
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(2..=20_000))]
    nodes: u64,
    /// How many others each calls
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u64).range(1..=16))]
    calls: u64,
    /// How many messages are said
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    messages: u64,
    /// After so many milliseconds each
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=60_000))]
    every_ms: u64,
    /// The least latency of a line, one way, in milliseconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    least_ms: u64,
    /// The most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    most_ms: u64,
    /// From which all chance comes: one seed, one run
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn main() -> ExitCode {
    let line = Line::parse();
    if line.most_ms < line.least_ms {
        eprintln!("--most-ms {} is less than --least-ms {}", line.most_ms, line.least_ms);
        return ExitCode::from(2);
    }
    // Everything on a thread of its own: what the standard library drew for this one came before the seed.
    let played = std::thread::spawn(move || play(&line)).join();
    match played {
        Ok(Ok(())) => ExitCode::SUCCESS,
        Ok(Err(why)) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
        Err(_) => ExitCode::FAILURE,
    }
}

fn play(line: &Line) -> Result<(), String> {
    chance::seed(line.seed);
    copies::count().map_err(|error| error.to_string())?;
    let plan = Plan {
        seed: line.seed,
        nodes: small(line.nodes),
        calls: small(line.calls),
        messages: small(line.messages),
        every_ms: line.every_ms,
        latency: Latency { us: [line.least_ms * 1_000, line.most_ms * 1_000], jitter: 0.1 },
    };
    let shown = std::io::stderr().is_terminal();
    let outcome = world::play(plan, |over, all| {
        if shown {
            eprint!("\r{over:>6} of {all} s ");
        }
    })?;
    if shown {
        eprintln!();
    }
    if line.json {
        println!("{}", serde_json::to_string(&outcome).map_err(|error| error.to_string())?);
    } else {
        let world::Outcome { delivered, p50_ms, p99_ms, max_ms, copies, bytes, .. } = &outcome;
        println!("trace        {}", outcome.trace);
        println!("delivered    {:.2} %", delivered * 100.0);
        println!("latency      p50 {p50_ms:.0}, p99 {p99_ms:.0}, at most {max_ms:.0} ms");
        println!("a message    {copies:.2} copies, {bytes:.0} bytes a node");
        println!("idle         {:.1} B/s a node, {:.1} connections", outcome.idle_bytes_a_second, outcome.connections);
    }
    Ok(())
}

fn small(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
