//! What a browser fetches when it opens the page for the first time.

use serde::Deserialize;

use super::{Bench, Row, Setup};
use crate::{
    debian, node_packages,
    rig::{Daemon, Place},
    run::{Outcome, output, program, root},
};

pub(super) const BENCH: Bench =
    Bench { name: "page", what: "bytes and requests of the first page load in Chromium", long: false, run };

/// What `tests/browser/first-load.mjs URL` prints.
#[derive(Deserialize)]
struct FirstLoad {
    /// As they crossed the wire, headers included.
    bytes: f64,
    requests: f64,
}

fn run(setup: &Setup) -> Outcome<Vec<Row>> {
    debian::install(debian::FOR_TESTS)?;
    node_packages::install("tests/browser")?;
    let place = Place::new()?;
    let daemon = Daemon::start(&setup.binary, &place)?;
    let link = daemon.claim_link()?;
    let said = output(program("node").arg("first-load.mjs").arg(link).current_dir(root().join("tests/browser")))?;
    daemon.stop()?;
    let load: FirstLoad = serde_json::from_str(&said).map_err(|e| format!("first-load.mjs printed no figures: {e}"))?;
    let anchor = "Syncthing 1.19.2: 806 kB in 102; Netdata 1.37.1: 1860 kB in 26";
    Ok(vec![
        Row::at_most("first page load, kB", load.bytes / 1e3, 60.0, "<= 60", anchor),
        Row::at_most("first page load, requests", load.requests, 8.0, "<= 8", anchor),
    ])
}
