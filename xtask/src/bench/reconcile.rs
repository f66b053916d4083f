//! What it costs two nodes to find what each lacks, beside the other method and the information limit.
//!
//! The measuring is an example of the package itself, which knows both methods; here are the goals.

use serde::Deserialize;

use super::{Bench, Row, Setup};
use crate::run::{Outcome, cargo, output};

pub(super) const BENCH: Bench =
    Bench { name: "reconcile", what: "what two nodes with a million ids send to find a difference", long: false, run };

/// A line of the example.
#[derive(Deserialize)]
struct Line {
    case: String,
    #[serde(default)]
    differences: u64,
    #[serde(default)]
    bytes: f64,
    #[serde(default)]
    round_trips: f64,
    #[serde(default)]
    single: f64,
    #[serde(default)]
    cpu_ms: f64,
    #[serde(default)]
    seal_ms: f64,
    #[serde(default)]
    ms: f64,
    #[serde(default)]
    change_us: f64,
}

/// Names and goals of one number of differences.
struct Case {
    differences: u64,
    goal_bytes: f64,
    goal_words: &'static str,
    /// Ours, negentropy with all differences in the last day, negentropy with them anywhere, the limit.
    bytes: [&'static str; 4],
    round_trips: [&'static str; 2],
    single: &'static str,
    cpu_ms: [&'static str; 3],
}

/// The figures of one case have names of their own: a row is found by its name.
macro_rules! case {
    ($differences:literal, $bytes:literal, $words:literal, $name:literal) => {
        Case {
            differences: $differences,
            goal_bytes: $bytes,
            goal_words: $words,
            bytes: [
                concat!($name, ": bytes"),
                concat!($name, ": bytes, negentropy 0.5.3, all in the last day"),
                concat!($name, ": bytes, negentropy 0.5.3, on any day"),
                concat!($name, ": bytes, information limit of 64-bit ids"),
            ],
            round_trips: [
                concat!($name, ": round trips until one side knows"),
                concat!($name, ": round trips until one side knows, negentropy 0.5.3"),
            ],
            single: concat!($name, ": share of exchanges in which both sides know after 1.5 round trips, %"),
            cpu_ms: [
                concat!($name, ": CPU of both, ms"),
                concat!($name, ": CPU of both, ms, negentropy 0.5.3, sealed"),
                concat!($name, ": CPU of both, ms, negentropy 0.5.3, sealing"),
            ],
        }
    };
}

const CASES: &[Case] = &[
    case!(0, 32.0, "<= 32", "no difference"),
    case!(10, 300.0, "<= 300", "10 differences"),
    case!(1_000, 20_000.0, "<= 20,000", "1,000 differences"),
    case!(10_000, 190_000.0, "<= 190,000", "10,000 differences"),
];

fn run(_: &Setup) -> Outcome<Vec<Row>> {
    let printed = output(cargo().args(["run", "--release", "--package", "meerkat-reconcile", "--example", "figures"]))?;
    let lines: Vec<Line> = printed
        .lines()
        .map(|line| serde_json::from_str(line).map_err(|e| format!("{line}: {e}")))
        .collect::<Outcome<_>>()?;
    let mut rows = Vec::new();
    for case in CASES {
        rows.extend(case.rows(&lines)?);
    }
    let build = find(&lines, "build", 0)?;
    rows.push(Row::plain("a million ids put in, ms", build.ms, "once, at start"));
    rows.push(Row::plain("an id comes or goes, us", build.change_us, ""));
    Ok(rows)
}

fn find<'a>(lines: &'a [Line], case: &str, differences: u64) -> Outcome<&'a Line> {
    let found = lines.iter().find(|line| line.case == case && line.differences == differences);
    found.ok_or_else(|| format!("no line for {case} with {differences} differences"))
}

impl Case {
    fn rows(&self, lines: &[Line]) -> Outcome<Vec<Row>> {
        let of = |case| find(lines, case, self.differences);
        let (ours, other, spread, limit) = (of("ours")?, of("negentropy")?, of("negentropy spread")?, of("limit")?);
        let mut rows = vec![
            Row::at_most(self.bytes[0], ours.bytes, self.goal_bytes, self.goal_words, "on average, both ways"),
            Row::plain(self.bytes[1], other.bytes, "its best case"),
            Row::plain(self.bytes[2], spread.bytes, ""),
            Row::plain(self.bytes[3], limit.bytes, "no method needs less"),
            Row::at_most(self.round_trips[0], ours.round_trips, 1.5, "<= 1.5", "on average"),
            Row::plain(self.round_trips[1], other.round_trips, ""),
            Row::plain(self.single, ours.single * 100.0, "the others need one more"),
        ];
        rows.push(match self.differences {
            10 => Row::at_most(self.cpu_ms[0], ours.cpu_ms, 1.0, "< 1", "median"),
            _ => Row::plain(self.cpu_ms[0], ours.cpu_ms, "median"),
        });
        rows.push(Row::plain(self.cpu_ms[1], other.cpu_ms, ""));
        rows.push(Row::plain(self.cpu_ms[2], other.seal_ms, "after every change of a set"));
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_missing_is_said() {
        let line = |case: &str| format!("{{\"case\":\"{case}\",\"differences\":10,\"bytes\":290}}");
        let lines: Vec<Line> = ["ours", "negentropy", "negentropy spread"]
            .iter()
            .map(|case| serde_json::from_str(&line(case)).expect("a line"))
            .collect();
        let why = CASES[1].rows(&lines).err();
        assert_eq!(why.as_deref(), Some("no line for limit with 10 differences"));
    }
}
