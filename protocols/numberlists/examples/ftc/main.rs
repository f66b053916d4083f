//! How many complaints a list would have caught: replays complaints in the order of their publication. `cargo xtask eval
//! ftc` calls it.
//!
//!     ftc [--tune] DATE:ROWS... < complaints.csv
//!
//! `ROWS` is the count of lines the file had on `DATE`. What came with the largest step, and before it, is history; each later
//! date is a batch that is replayed complaint by complaint. Prints JSON.
//!
//! Time is the day, as in reports. Each batch is one day of publication. The history has no dates; it is cut into days of
//! 12,000 rows, which is what the FTC publishes on a weekday.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench measures time")]

mod replay;

use std::{
    io::{Read, stdin},
    process::ExitCode,
    time::{Duration, Instant},
};

use meerkat_numberlists::{Image, Intake, Rows, Tuning};
use meerkat_protocols::{number::E164, time::Day};
use replay::{Batch, Gate, Shares, replay};
use serde::Serialize;

const USAGE: &str = "ftc [--tune] DATE:ROWS... < complaints.csv";

#[derive(Serialize)]
struct Tried {
    half_life_days: f64,
    exchange_share: f64,
    hot_at: f64,
    batches: Vec<Shares>,
}

/// The whole file as one import.
#[derive(Serialize)]
struct Held {
    numbers: usize,
    bytes: usize,
    /// How long reading it took.
    read_s: f64,
}

#[derive(Serialize)]
struct Report {
    held: Held,
    history: usize,
    batches: Vec<Shares>,
    /// The fixed gate that is the anchor: eight other numbers of the block, ever.
    anchor: Vec<Shares>,
    tuning: Vec<Tried>,
}

fn main() -> ExitCode {
    match run() {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<String, String> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let tune = arguments.iter().any(|a| a == "--tune");
    let ends = arguments.iter().filter(|a| *a != "--tune").map(|a| end(a)).collect::<Result<Vec<_>, _>>()?;
    let (complaints, held) = complaints()?;
    let (history, batches) = batches(&ends, &complaints)?;
    let shares = |gate: Gate| replay(history, &batches, gate);
    let tried = |tuning: &Tuning| Tried {
        half_life_days: tuning.half_life_days,
        exchange_share: tuning.exchange_share,
        hot_at: tuning.hot_at,
        batches: shares(Gate::Heat(*tuning)),
    };
    let report = Report {
        held,
        history: history.len(),
        batches: shares(Gate::Heat(Tuning::default())),
        anchor: shares(Gate::Eight),
        tuning: if tune { grid().iter().map(tried).collect() } else { vec![] },
    };
    serde_json::to_string(&report).map_err(|e| e.to_string())
}

/// `DATE:ROWS`.
fn end(argument: &str) -> Result<(String, usize), String> {
    let wrong = || format!("`{argument}` is no date with a count of rows: {USAGE}");
    let (date, rows) = argument.rsplit_once(':').ok_or_else(wrong)?;
    Ok((date.to_owned(), rows.parse().map_err(|_| wrong())?))
}

/// Every row of the file after its header: a number, or nothing where there is none that can exist. And what the file takes in
/// memory as an import.
fn complaints() -> Result<(Vec<Option<E164>>, Held), String> {
    let region = "US".parse().map_err(|e| format!("{e}"))?;
    let (mut rows, mut intake, mut found) = (Rows::new(region), Intake::new(region), vec![]);
    // Line 1 is the header; empty lines are rows that name nobody.
    let mut each = |line: u64, row: Result<meerkat_numberlists::Entry, _>| {
        let at = usize::try_from(line).unwrap_or(usize::MAX).saturating_sub(2);
        found.resize(at.max(found.len()), None);
        found.push(row.ok().map(|e| e.number));
    };
    let (mut piece, mut reading) = (vec![0; 64 * 1024], Duration::ZERO);
    loop {
        match stdin().lock().read(&mut piece).map_err(|e| format!("the complaints could not be read: {e}"))? {
            0 => break,
            n => {
                rows.feed(&piece[..n], &mut each).map_err(|e| e.to_string())?;
                let began = Instant::now();
                intake.feed(&piece[..n]).map_err(|e| e.to_string())?;
                reading += began.elapsed();
            }
        }
    }
    rows.finish(&mut each).map_err(|e| e.to_string())?;
    let mut image = Image::default();
    let began = Instant::now();
    let import = intake.finish("complaints", Day(0)).map_err(|e| e.to_string())?.import;
    reading += began.elapsed();
    image.add(import).map_err(|e| e.to_string())?;
    Ok((found, Held { numbers: image.numbers(), bytes: image.bytes(), read_s: reading.as_secs_f64() }))
}

type Split<'a> = (&'a [Option<E164>], Vec<Batch<'a>>);

/// Cuts the complaints at the counts. The count includes the header.
fn batches<'a>(ends: &[(String, usize)], complaints: &'a [Option<E164>]) -> Result<Split<'a>, String> {
    let mut ends = ends.to_vec();
    // A file that did not grow between two dates is one batch.
    ends.dedup_by_key(|(_, rows)| *rows);
    let counts: Vec<_> = std::iter::once(0).chain(ends.iter().map(|(_, rows)| rows.saturating_sub(1))).collect();
    if ends.len() < 2 || counts.windows(2).any(|w| w[0] >= w[1]) || counts[ends.len()] > complaints.len() {
        return Err(format!("history and at least one batch are needed, in order and within the file: {USAGE}"));
    }
    // The history is what was there when the daily batches began: by far the largest step.
    let first = (1..counts.len()).max_by_key(|n| counts[*n] - counts[n - 1]).unwrap_or(1);
    let batch = |n: usize| Batch { date: ends[n - 1].0.clone(), complaints: &complaints[counts[n - 1]..counts[n]] };
    Ok((&complaints[..counts[first]], (first + 1..counts.len()).map(batch).collect()))
}

/// The tunings that were tried.
fn grid() -> Vec<Tuning> {
    let mut grid = vec![];
    for half_life_days in [1.0, 1.5, 2.0, 3.0] {
        for exchange_share in [0.0, 0.1, 0.15, 0.2, 0.25, 0.3] {
            for hot_at in [1.1, 1.3, 1.5, 1.8] {
                grid.push(Tuning { half_life_days, exchange_share, hot_at, ..Tuning::default() });
            }
        }
    }
    grid
}
