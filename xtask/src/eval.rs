//! How well what we do would have done on what really happened.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    process::Stdio,
};

use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};

use crate::run::{Outcome, cargo, on_path, program, root, show, spelled, target};

/// The folder of the data where none is named on the line, and where it lies if nothing names one: beside the project.
const FOLDER_VARIABLE: &str = "MEERKAT_CALLS_DATA";
const FOLDER_BESIDE: &str = "../shared/data/calls";
const DATA: &str = "ftc_dnc_complaints_2025.csv.xz";
const BATCHES: &str = "ftc_dnc_batches.tsv";

/// The share of complaints that a list with ranges shall catch, and the share of blocks that it may flag for it.
const HIT_GOAL: f64 = 0.25;
const FLAGGED_GOAL: f64 = 0.005;

/// How `cargo xtask eval` is called.
#[derive(Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Replays complaints to the FTC day by day: what yesterday's list, the list in real time and number blocks catch.
    Ftc(Ftc),
}

#[derive(Args)]
struct Ftc {
    /// The complaints, one column with a header, in order of publication; may be compressed with xz.
    #[arg(long)]
    data: Option<PathBuf>,
    /// Dates, each with the count of lines that the file had on it, separated by a tab.
    #[arg(long)]
    batches: Option<PathBuf>,
    /// Prints JSON instead of a table.
    #[arg(long)]
    json: bool,
    /// Tries other tunings too, and ranks them by the earlier half of the batches.
    #[arg(long)]
    tune: bool,
}

/// What `examples/ftc` of `meerkat-numberlists` prints.
#[derive(Serialize, Deserialize)]
struct Report {
    held: Held,
    history: usize,
    batches: Vec<Shares>,
    anchor: Vec<Shares>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tuning: Vec<Tried>,
}

/// The whole file as one import.
#[derive(Serialize, Deserialize)]
struct Held {
    numbers: usize,
    bytes: usize,
    read_s: f64,
}

#[derive(Serialize, Deserialize)]
struct Shares {
    date: String,
    complaints: usize,
    impossible: usize,
    yesterday: f64,
    real_time: f64,
    with_ranges: f64,
    imported: f64,
    flagged: f64,
    flagged_blocks: usize,
    blocks: usize,
}

#[derive(Serialize, Deserialize)]
struct Tried {
    half_life_days: f64,
    exchange_share: f64,
    hot_at: f64,
    batches: Vec<Shares>,
}

/// All batches of one kind together.
#[derive(Serialize)]
struct Sum {
    complaints: usize,
    yesterday: f64,
    real_time: f64,
    with_ranges: f64,
    imported: f64,
    /// The largest of any batch.
    flagged: f64,
}

#[derive(Serialize)]
struct Told {
    #[serde(flatten)]
    report: Report,
    /// The batches that the tuning was chosen by, and those that it was not.
    earlier: Option<Sum>,
    later: Option<Sum>,
    goal: &'static str,
    reached: bool,
}

/// Evaluates.
pub(crate) fn run(options: &Options) -> Outcome {
    let What::Ftc(ftc) = &options.what;
    ftc.run()
}

impl Ftc {
    fn run(&self) -> Outcome {
        let data = find(self.data.as_deref(), DATA, "--data")?;
        let batches = find(self.batches.as_deref(), BATCHES, "--batches")?;
        let mut report: Report = self.replay(&data, &batches)?;
        // Figures at the edge of what may be flagged are as good as those below it; the rest do not count.
        let fits = |t: &Tried| sum(early(&t.batches)).is_some_and(|s| s.flagged <= FLAGGED_GOAL);
        report.tuning.retain(fits);
        let hit = |t: &Tried| sum(early(&t.batches)).map_or(0.0, |s| s.with_ranges);
        report.tuning.sort_by(|a, b| hit(b).total_cmp(&hit(a)));
        let (earlier, later) = (sum(early(&report.batches)), sum(late(&report.batches)));
        let judged = later.as_ref().or(earlier.as_ref());
        let reached = judged.is_some_and(|s| s.with_ranges > HIT_GOAL && s.flagged <= FLAGGED_GOAL);
        let goal = "with_ranges > 0.25 and flagged <= 0.005";
        let told = Told { report, earlier, later, goal, reached };
        if self.json {
            println!("{}", serde_json::to_string_pretty(&told).map_err(|e| e.to_string())?);
        } else {
            print_tables(&told);
        }
        Ok(())
    }

    fn replay(&self, data: &Path, batches: &Path) -> Outcome<Report> {
        let example = ["-p", "meerkat-numberlists", "--example", "ftc"];
        show(cargo().args(["build", "--quiet", "--release"]).args(example))?;
        let mut command = program(target()?.join("release/examples/ftc"));
        command.args(ends(batches)?).args(self.tune.then_some("--tune"));
        let (input, unpacking) = open(data)?;
        let output = command.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let done = output.and_then(std::process::Child::wait_with_output).map_err(|e| e.to_string())?;
        if let Some(mut xz) = unpacking {
            let status = xz.wait().map_err(|e| e.to_string())?;
            if !status.success() {
                return Err(format!("{} is damaged: xz cannot unpack it", data.display()));
            }
        }
        if !done.status.success() {
            return Err(format!("`{}`: {}", spelled(&command), String::from_utf8_lossy(&done.stderr).trim()));
        }
        serde_json::from_slice(&done.stdout).map_err(|e| format!("the replay printed what we do not know: {e}"))
    }
}

fn find(named: Option<&Path>, file: &str, flag: &str) -> Outcome<PathBuf> {
    let folder = std::env::var_os(FOLDER_VARIABLE).map_or_else(|| root().join(FOLDER_BESIDE), PathBuf::from);
    let path = named.map_or_else(|| folder.join(file), Path::to_path_buf);
    if path.is_file() {
        return Ok(path);
    }
    let where_else = format!("name it with {flag}, or its folder in {FOLDER_VARIABLE}");
    Err(format!("nothing can be replayed: there is no {}; {where_else}", path.display()))
}

/// `DATE:ROWS` for each line of the file.
fn ends(batches: &Path) -> Outcome<Vec<String>> {
    let text = std::fs::read_to_string(batches).map_err(|e| format!("{}: {e}", batches.display()))?;
    let end = |(n, line): (usize, &str)| {
        let (date, rows) = line.split_once('\t').ok_or_else(|| format!("line {} has no tab", n + 1))?;
        let rows: u64 = rows.trim().parse().map_err(|_| format!("line {} ends in no count", n + 1))?;
        Ok(format!("{}:{rows}", date.trim()))
    };
    let lines = text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty());
    lines.map(end).collect::<Result<_, String>>().map_err(|why| format!("{}: {why}", batches.display()))
}

/// The complaints as they are to be read, unpacked on the way if need be.
fn open(data: &Path) -> Outcome<(Stdio, Option<std::process::Child>)> {
    let broken = |e: std::io::Error| format!("{}: {e}", data.display());
    let mut magic = [0; 6];
    let packed = File::open(data).and_then(|mut f| f.read_exact(&mut magic)).is_ok() && magic == *b"\xfd7zXZ\0";
    if !packed {
        return Ok((File::open(data).map_err(broken)?.into(), None));
    }
    if !on_path("xz") {
        return Err("the data is compressed and `xz` is not installed (Debian: xz-utils)".into());
    }
    let file = File::open(data).map_err(broken)?;
    let mut xz = program("xz").args(["--decompress", "--stdout"]).stdin(file).stdout(Stdio::piped()).spawn();
    let taken = xz.as_mut().ok().and_then(|xz| xz.stdout.take());
    match (xz, taken) {
        (Ok(xz), Some(unpacked)) => Ok((unpacked.into(), Some(xz))),
        (Err(e), _) => Err(format!("xz did not start: {e}")),
        (Ok(_), None) => Err("xz gave nothing to read".into()),
    }
}

/// The batches that the tuning was chosen by: the earlier half.
fn early<T>(batches: &[T]) -> &[T] {
    &batches[..batches.len() / 2]
}

/// Those that it was not chosen by.
fn late<T>(batches: &[T]) -> &[T] {
    &batches[batches.len() / 2..]
}

fn sum(batches: &[Shares]) -> Option<Sum> {
    let complaints: usize = batches.iter().map(|b| b.complaints).sum();
    let mean =
        |of: fn(&Shares) -> f64| batches.iter().map(|b| of(b) * b.complaints as f64).sum::<f64>() / complaints as f64;
    (complaints > 0).then(|| Sum {
        complaints,
        yesterday: mean(|b| b.yesterday),
        real_time: mean(|b| b.real_time),
        with_ranges: mean(|b| b.with_ranges),
        imported: mean(|b| b.imported),
        flagged: batches.iter().map(|b| b.flagged).fold(0.0, f64::max),
    })
}

fn print_tables(told: &Told) {
    let Held { numbers, bytes, read_s } = &told.report.held;
    let megabytes = *bytes as f64 / 1e6;
    println!("The whole file is {numbers} numbers, read in {read_s:.2} s; in memory they take {megabytes:.2} MB.");
    println!("{} complaints of history; shares of complaints in %\n", told.report.history);
    println!(
        "| batch | complaints | yesterday's list | imported daily | in real time | with ranges | blocks flagged |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let row = |name: &str, s: &Sum| {
        let percent = [s.yesterday, s.imported, s.real_time, s.with_ranges].map(|p| format!("{:.1}", 100.0 * p));
        println!("| {name} | {} | {} | {:.2} |", s.complaints, percent.join(" | "), 100.0 * s.flagged);
    };
    for batch in &told.report.batches {
        sum(std::slice::from_ref(batch)).iter().for_each(|s| row(&batch.date, s));
    }
    told.earlier.iter().for_each(|s| row("earlier, tuned on", s));
    told.later.iter().for_each(|s| row("later", s));
    sum(late(&told.report.anchor)).iter().for_each(|s| row("later, eight of the block ever", s));
    println!("\ngoal: {}: {}", told.goal, if told.reached { "reached" } else { "**missed**" });
    if !told.report.tuning.is_empty() {
        println!("\n| half-life, days | exchange's share | hot at | earlier | later | blocks flagged |");
        println!("|---:|---:|---:|---:|---:|---:|");
    }
    for tried in told.report.tuning.iter().take(10) {
        let Some((e, l)) = sum(early(&tried.batches)).zip(sum(late(&tried.batches))) else { continue };
        let Tried { half_life_days, exchange_share, hot_at, .. } = tried;
        let (hit, missed) = (100.0 * e.with_ranges, 100.0 * l.with_ranges);
        let flagged = 100.0 * e.flagged.max(l.flagged);
        println!("| {half_life_days} | {exchange_share} | {hot_at} | {hit:.1} | {missed:.1} | {flagged:.2} |");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares(complaints: usize, hit: f64, flagged: f64) -> Shares {
        let date = "2025-11-14".to_owned();
        let (yesterday, real_time, with_ranges) = (hit / 4.0, hit / 2.0, hit);
        Shares {
            date,
            complaints,
            impossible: 0,
            yesterday,
            real_time,
            with_ranges,
            imported: hit,
            flagged,
            flagged_blocks: 1,
            blocks: 10,
        }
    }

    #[test]
    fn batches_weigh_by_their_complaints_and_the_worst_share_of_blocks_counts() {
        let batches = [shares(100, 0.2, 0.004), shares(300, 0.4, 0.002)];
        let sum = sum(&batches).expect("some");
        assert_eq!((sum.complaints, sum.flagged), (400, 0.004));
        assert!((sum.with_ranges - 0.35).abs() < 1e-12);
        assert!(super::sum(&[]).is_none());
    }

    #[test]
    fn the_later_half_is_never_tuned_on() {
        let batches = [1, 2, 3, 4, 5];
        assert_eq!((early(&batches), late(&batches)), (&batches[..2], &batches[2..]));
        assert_eq!((early(&batches[..1]), late(&batches[..1])), (&batches[..0], &batches[..1]));
    }

    #[test]
    fn dates_and_counts_are_read_and_mistakes_told_by_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("batches.tsv");
        std::fs::write(&file, "2025-11-14T23-10-14\t239765\n\n2025-11-20\t253034\n").expect("written");
        assert_eq!(ends(&file).expect("read"), ["2025-11-14T23-10-14:239765", "2025-11-20:253034"]);
        std::fs::write(&file, "2025-11-14\t1\nhello\n").expect("written");
        assert!(ends(&file).expect_err("a mistake").contains("line 2"));
    }
}
