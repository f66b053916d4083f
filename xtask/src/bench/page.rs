//! What a browser fetches when it opens the page, and how soon it shows something.

use std::{fs, process::Stdio};

use serde::Deserialize;

use super::{Bench, Row, Setup};
use crate::{
    debian, node_packages,
    rig::{Daemon, Place},
    run::{Outcome, program, root},
};

pub(super) const BENCH: Bench =
    Bench { name: "page", what: "bytes and requests of the first page load in Chromium", long: false, run };

/// What we read in the report of `tests/browser/walk.mjs`.
#[derive(Deserialize)]
struct Walk {
    first_load: Option<FirstLoad>,
    failures: Vec<String>,
}

#[derive(Deserialize)]
struct FirstLoad {
    /// As they crossed the wire, headers included.
    bytes: f64,
    requests: f64,
    first_contentful_paint_ms: Option<f64>,
}

fn run(setup: &Setup) -> Outcome<Vec<Row>> {
    debian::install(debian::FOR_TESTS)?;
    node_packages::install("tests/browser")?;
    let place = Place::new()?;
    let daemon = Daemon::start(&setup.binary, &place)?;
    let link = daemon.claim_link()?;
    let (base, token) = link.split_once("/#claim=").ok_or("the claim link is not what we know")?;
    let pictures = tempfile::tempdir().map_err(|e| e.to_string())?;
    // The walk fails for reasons that are no business of a figure; whether it got to the figure is in its report.
    let mut walk = program("node");
    walk.args(["walk.mjs", base, token]).arg(pictures.path()).current_dir(root().join("tests/browser"));
    walk.stdout(Stdio::null()).status().map_err(|e| format!("node did not start: {e}"))?;
    daemon.stop()?;
    let report =
        fs::read_to_string(pictures.path().join("report.json")).map_err(|e| format!("the walk left no report: {e}"))?;
    let walk: Walk =
        serde_json::from_str(&report).map_err(|e| format!("the walk's report is not what we know: {e}"))?;
    let load = walk.first_load.ok_or_else(|| format!("the walk did not get there: {}", walk.failures.join("; ")))?;
    let anchor = "Syncthing 1.19.2: 806 kB in 102; Netdata 1.37.1: 1860 kB in 26";
    let mut rows = vec![
        Row::at_most("first page load, kB", load.bytes / 1e3, 60.0, "<= 60", anchor),
        Row::at_most("first page load, requests", load.requests, 8.0, "<= 8", anchor),
    ];
    if let Some(paint_ms) = load.first_contentful_paint_ms {
        rows.push(Row::at_most("first paint, ms", paint_ms, 200.0, "<= 200", "Syncthing 1.19.2: 272-556"));
    }
    Ok(rows)
}
