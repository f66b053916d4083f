//! What a house notices: how soon a caller is answered, a telephone falls silent, a neighbour is warned. Measured by the
//! end-to-end package's `figures`, among a real router, telephone and neighbours.

use serde::Deserialize;

use super::{Bench, Row, Setup};
use crate::{
    debian,
    run::{Outcome, cargo, output, root},
};

pub(super) const INVITE: Bench = Bench {
    name: "invite",
    what: "INVITE to final answer, 300,000 reported numbers loaded, 50 calls/s",
    long: false,
    run: invite,
};
pub(super) const SILENCED: Bench = Bench {
    name: "silenced",
    what: "a forked call: from the telephone's 180 to its silence",
    long: false,
    run: silenced,
};
pub(super) const REPORT: Bench =
    Bench { name: "report", what: "a report on one node to the verdict on a neighbour's", long: false, run: report };

pub(super) const JOIN: Bench = Bench {
    name: "join",
    what: "a new home gets 10,000 reports of 1,000 homes from its one neighbour",
    long: false,
    run: join,
};
pub(super) const JOIN_MILLION: Bench = Bench {
    name: "join-million",
    what: "a new home gets 990,000 reports of 4,950 homes from its one neighbour",
    long: true,
    run: join_million,
};

/// What `figures` prints.
#[derive(Deserialize)]
struct Spread {
    count: f64,
    p50_ms: f64,
    p95_ms: f64,
    p99_ms: f64,
    rss_mb: Option<f64>,
    never_rang: Option<f64>,
    before_mb: Option<f64>,
    half_mb: Option<f64>,
    peak_mb: Option<f64>,
    giver_peak_mb: Option<f64>,
}

fn measure(setup: &Setup, figure: &str) -> Outcome<Spread> {
    debian::install(debian::FOR_TESTS)?;
    let mut figures = cargo();
    figures.args(["run", "--release", "--package", "meerkat-tests", "--bin", "figures", "--", figure]);
    let printed = output(figures.current_dir(root()).env("MEERKAT_BIN", &setup.binary))?;
    serde_json::from_str(&printed).map_err(|e| format!("`figures {figure}` printed something else: {e}"))
}

fn invite(setup: &Setup) -> Outcome<Vec<Row>> {
    let spread = measure(setup, "invite")?;
    let anchor = "PhoneBlock dongle, by its own README: 200-800 ms";
    let mut rows = vec![
        Row::plain("INVITE to final answer, p50 ms", spread.p50_ms, anchor),
        Row::plain("INVITE to final answer, p95 ms", spread.p95_ms, ""),
        Row::at_most("INVITE to final answer, p99 ms", spread.p99_ms, 20.0, "<= 20", anchor),
    ];
    if let Some(rss_mb) = spread.rss_mb {
        rows.push(Row::plain("memory with 300,000 statements under this load, MB", rss_mb, ""));
    }
    Ok(rows)
}

fn silenced(setup: &Setup) -> Outcome<Vec<Row>> {
    let spread = measure(setup, "silenced")?;
    let anchor = "a telephone's first ring lasts 1 s or more";
    Ok(vec![
        Row::plain("telephone silenced after its 180, p50 ms", spread.p50_ms, anchor),
        Row::plain("telephone silenced after its 180, p95 ms", spread.p95_ms, ""),
        Row::at_most("telephone silenced after its 180, p99 ms", spread.p99_ms, 50.0, "<= 50", anchor),
        Row::plain("calls in which it rang, of 100", spread.count, ""),
        Row::plain("calls in which it never rang, of 100", spread.never_rang.unwrap_or_default(), ""),
    ])
}

fn report(setup: &Setup) -> Outcome<Vec<Row>> {
    let spread = measure(setup, "report")?;
    let anchor = "PhoneBlock: the list reaches a router nightly";
    Ok(vec![
        Row::plain("report to verdict at a neighbour's, p50 ms", spread.p50_ms, anchor),
        Row::at_most("report to verdict at a neighbour's, p95 ms", spread.p95_ms, 2_000.0, "<= 2000", anchor),
        Row::plain("report to verdict at a neighbour's, p99 ms", spread.p99_ms, ""),
    ])
}

fn join(setup: &Setup) -> Outcome<Vec<Row>> {
    let spread = measure(setup, "join")?;
    let anchor = "Automerge 0.12, the same reports merged: 8,300 ms";
    let mut rows = vec![Row::at_most(
        "10,000 reports of 1,000 homes: from the first to all on disk, ms",
        spread.p50_ms,
        500.0,
        "<= 500",
        anchor,
    )];
    rows.extend(join_memory(&spread));
    Ok(rows)
}

fn join_million(setup: &Setup) -> Outcome<Vec<Row>> {
    let spread = measure(setup, "join-million")?;
    let mut rows =
        vec![Row::plain("990,000 reports of 4,950 homes: from the first to all on disk, s", spread.p50_ms / 1e3, "")];
    rows.extend(join_memory(&spread));
    Ok(rows)
}

fn join_memory(spread: &Spread) -> impl Iterator<Item = Row> {
    let figures = [
        ("memory of the new home before, MB", spread.before_mb),
        ("... when half has come, MB", spread.half_mb),
        ("... when all has come, MB", spread.rss_mb),
        ("... at most, MB", spread.peak_mb),
        ("memory of the giving home at most, MB", spread.giver_peak_mb),
    ];
    figures.into_iter().filter_map(|(figure, mb)| Some(Row::plain(figure, mb?, "")))
}
