//! What the nodes of one household are to each other: how soon an edit is seen, what an idle hour costs, what five years
//! weigh.

use serde::{Deserialize, de::DeserializeOwned};

use super::{Bench, Row, Setup};
use crate::{
    debian,
    run::{Outcome, cargo, output, root},
};

pub(super) const EDIT: Bench = Bench {
    name: "edit",
    what: "an edit on one node to the event on the other, over the page's API",
    long: false,
    run: edit,
};
pub(super) const IDLE: Bench = Bench {
    name: "idle",
    what: "bytes on the wire between two members while nothing happens",
    // Counts for five minutes.
    long: true,
    run: idle,
};
pub(super) const YEARS: Bench = Bench {
    name: "years",
    what: "the documents of a household after five years: load time and memory",
    long: false,
    run: years,
};

fn figures<T: DeserializeOwned>(setup: &Setup, figure: &str) -> Outcome<T> {
    debian::install(debian::FOR_TESTS)?;
    let mut figures = cargo();
    figures.args(["run", "--release", "--package", "meerkat-tests", "--bin", "figures", "--", figure]);
    let printed = output(figures.current_dir(root()).env("MEERKAT_BIN", &setup.binary))?;
    serde_json::from_str(&printed).map_err(|e| format!("`figures {figure}` printed something else: {e}"))
}

#[derive(Deserialize)]
struct Spread {
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
}

fn edit(setup: &Setup) -> Outcome<Vec<Row>> {
    let spread: Spread = figures(setup, "edit")?;
    Ok(vec![
        Row::plain("edit to visible on the other node, p50 ms", spread.p50_ms, ""),
        Row::at_most("edit to visible on the other node, p95 ms", spread.p95_ms, 1_000.0, "<= 1000", ""),
        Row::plain("edit to visible on the other node, p99 ms", spread.p99_ms, ""),
    ])
}

#[derive(Deserialize)]
struct Idle {
    bytes_an_hour: f64,
    packets_an_hour: f64,
}

fn idle(setup: &Setup) -> Outcome<Vec<Row>> {
    let idle: Idle = figures(setup, "idle")?;
    let how = "five minutes counted at both interfaces, keep-alives and discovery included, times twelve";
    Ok(vec![
        Row::plain("an idle hour of a pair, kB", idle.bytes_an_hour / 1e3, how),
        Row::plain("an idle hour of a pair, packets", idle.packets_an_hour, ""),
    ])
}

#[derive(Deserialize)]
struct Years {
    lived: Lived,
    shipped: Opened,
    plain: Opened,
}

#[derive(Deserialize)]
struct Lived {
    edits: f64,
    bytes: f64,
}

#[derive(Deserialize)]
struct Opened {
    ms: f64,
    resident_kb: f64,
}

fn years(_: &Setup) -> Outcome<Vec<Row>> {
    let printed = output(cargo().args(["run", "--release", "--package", "meerkat-documents", "--example", "years"]))?;
    let Years { lived, shipped, plain } = serde_json::from_str(&printed).map_err(|e| format!("{printed}: {e}"))?;
    Ok(vec![
        Row::plain("edits of five years", lived.edits, "three nodes, 780 starts"),
        Row::plain("on disk, kB", lived.bytes / 1e3, ""),
        Row::plain("opened, guard and reading included, ms", shipped.ms, "median of 21"),
        Row::plain("Automerge's plain load of the same, ms", plain.ms, "reads no value"),
        Row::plain("memory it takes, MB", shipped.resident_kb / 1e3, ""),
        Row::plain("memory that Automerge's plain load takes, MB", plain.resident_kb / 1e3, ""),
    ])
}
