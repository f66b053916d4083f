//! Our figures, each beside the anchor it is held against and the goal we set ourselves.
//!
//! A bench is a module with one `BENCH`; this file lists and prints them. A figure that can only be had on a quiet machine
//! says so in its bench.

mod build;
mod calls;
mod disk;
mod house;
mod household;
mod list;
mod memory;
mod page;
mod reconcile;
mod start;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use crate::{
    debian, rig,
    run::{Outcome, output, program},
};

/// One thing that is measured.
pub(crate) struct Bench {
    /// By which it is called.
    name: &'static str,
    /// What it measures, in a line.
    what: &'static str,
    /// Takes long, so it runs only when it is called by name.
    long: bool,
    /// Measures.
    run: fn(&Setup) -> Outcome<Vec<Row>>,
}

/// What the benches share.
pub(crate) struct Setup {
    /// The daemon as a user gets it. Empty for benches that build it themselves.
    binary: PathBuf,
}

/// One figure.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// What was measured, with its unit.
    figure: &'static str,
    /// What came out.
    ours: f64,
    /// What others reach, or what was asked of us, and where that stands.
    anchor: &'static str,
    /// What we want.
    goal: &'static str,
    /// Whether we are there; absent where the figure is only for the record.
    reached: Option<bool>,
}

impl Row {
    /// A figure that shall be no more than `goal`.
    fn at_most(figure: &'static str, ours: f64, goal: f64, goal_words: &'static str, anchor: &'static str) -> Self {
        Self { figure, ours, anchor, goal: goal_words, reached: Some(ours <= goal) }
    }

    /// A figure for the record.
    fn plain(figure: &'static str, ours: f64, anchor: &'static str) -> Self {
        Self { figure, ours, anchor, goal: "", reached: None }
    }
}

const BENCHES: &[Bench] = &[
    house::INVITE,
    house::SILENCED,
    house::REPORT,
    house::JOIN,
    house::JOIN_MILLION,
    start::BENCH,
    memory::BENCH,
    page::BENCH,
    list::BENCH,
    disk::BENCH,
    reconcile::BENCH,
    household::EDIT,
    household::IDLE,
    household::YEARS,
    build::BENCH,
];

/// These build what they measure themselves.
const WITHOUT_DAEMON: &[&str] = &[build::BENCH.name, reconcile::BENCH.name, household::YEARS.name];

/// How `cargo xtask bench` is called.
#[derive(Args)]
pub(crate) struct Options {
    /// Which; without it, all that do not take long.
    name: Option<String>,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Says what there is to measure.
    #[arg(long)]
    list: bool,
}

#[derive(Serialize)]
struct Report {
    bench: &'static str,
    what: &'static str,
    rows: Vec<Row>,
    error: Option<String>,
}

/// Measures and prints.
pub(crate) fn run(options: &Options) -> Outcome {
    if options.list {
        for bench in BENCHES {
            println!("{:<8} {}{}", bench.name, bench.what, if bench.long { " (long: by name only)" } else { "" });
        }
        return Ok(());
    }
    let chosen = choose(options.name.as_deref())?;
    let alone = chosen.iter().all(|b| WITHOUT_DAEMON.contains(&b.name));
    if !alone {
        debian::install(debian::FOR_BENCHES)?;
    }
    let setup = Setup { binary: if alone { PathBuf::new() } else { rig::release()? } };
    let reports: Vec<_> = chosen
        .iter()
        .map(|bench| {
            eprintln!("\nbench {}: {}", bench.name, bench.what);
            let (rows, error) = (bench.run)(&setup).map_or_else(|why| (Vec::new(), Some(why)), |rows| (rows, None));
            Report { bench: bench.name, what: bench.what, rows, error }
        })
        .collect();
    if options.json {
        println!("{}", serde_json::to_string_pretty(&reports).map_err(|e| e.to_string())?);
    } else {
        print_table(&reports);
    }
    let failed: Vec<_> = reports.iter().filter(|r| r.error.is_some()).map(|r| r.bench).collect();
    if failed.is_empty() { Ok(()) } else { Err(format!("could not be measured: {}", failed.join(", "))) }
}

fn choose(name: Option<&str>) -> Outcome<Vec<&'static Bench>> {
    let Some(name) = name else { return Ok(BENCHES.iter().filter(|b| !b.long).collect()) };
    let found = BENCHES.iter().find(|b| b.name == name).map(|b| vec![b]);
    let names = || BENCHES.iter().map(|b| b.name).collect::<Vec<_>>().join(", ");
    found.ok_or_else(|| format!("there is no bench `{name}`: there are {}", names()))
}

/// As Markdown, so that it can stand in BENCHMARKS.md as it is.
fn print_table(reports: &[Report]) {
    println!("\nMeasured on {}\n", machine());
    println!("| bench | figure | ours | goal | anchor |\n|---|---|---:|---|---|");
    for report in reports {
        for Row { figure, ours, anchor, goal, reached } in &report.rows {
            let mark = match reached {
                Some(true) => ", reached",
                Some(false) => ", **missed**",
                None => "",
            };
            println!("| {} | {figure} | {} | {goal}{mark} | {anchor} |", report.bench, number(*ours));
        }
        if let Some(why) = &report.error {
            println!("| {} | could not be measured: {} | | | |", report.bench, why.replace('\n', " "));
        }
    }
}

/// Three figures are all that a measurement is worth.
fn number(n: f64) -> String {
    match n.abs() {
        a if a >= 100.0 => format!("{n:.0}"),
        a if a >= 10.0 => format!("{n:.1}"),
        _ => format!("{n:.2}"),
    }
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = output(program("uname").arg("-sm")).unwrap_or_default();
    format!("{cores} cores, {}", kernel.trim())
}

/// The value below which `part` of the sorted values lie (nearest rank).
fn percentile(sorted: &[f64], part: f64) -> f64 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank within the slice")]
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).or(sorted.last()).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::percentile;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sorted: Vec<f64> = (1..=100).map(f64::from).collect();
        assert_eq!(
            (percentile(&sorted, 0.5), percentile(&sorted, 0.99), percentile(&sorted, 1.0)),
            (50.0, 99.0, 100.0)
        );
        assert!(percentile(&[], 0.5).is_nan());
    }
}
