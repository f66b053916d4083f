//! How fast the list of calls is read with 100,000 calls stored, held against `/health` of the same daemon in the same run:
//! the ratio stays when the machine changes.

use std::net::SocketAddr;

use super::{Bench, Row, Setup, calls};
use crate::{
    rig::{Daemon, Place},
    run::{Outcome, output, program},
};

/// A house gets ten calls a day: this is the log of 27 years.
const CALLS: u32 = 100_000;

pub(super) const BENCH: Bench = Bench {
    name: "list",
    what: "requests per second of the list of calls with 100,000 stored, beside /health",
    // Placing the calls through the front door takes minutes.
    long: true,
    run,
};

fn run(setup: &Setup) -> Outcome<Vec<Row>> {
    let place = Place::new()?;
    let daemon = Daemon::start(&setup.binary, &place)?;
    calls::block_their_prefix(&daemon)?;
    calls::place(place.line, CALLS, 500)?;
    let key = daemon.api_key("viewer")?;
    let health = requests_per_second(place.web, "/health", &key)?;
    let newest = requests_per_second(place.web, "/api/v1/calls?limit=50", &key)?;
    let stored_bytes = place.bytes_stored() as f64;
    let resident_mb = daemon.resident_kb()? as f64 / 1e3;
    daemon.stop()?;
    let anchor = "prototype without a store: 27,600 against 78,500, 0.35";
    Ok(vec![
        Row {
            figure: "list of 50 calls, requests/s",
            ours: newest,
            anchor,
            goal: ">= 20,000",
            reached: Some(newest >= 20e3),
        },
        Row::plain("/health, requests/s", health, "Syncthing 1.19.2, small answer: 8,952"),
        Row::plain("list as part of /health", newest / health, anchor),
        Row::plain("memory with the calls, MB", resident_mb, ""),
        Row::plain("bytes on disk per call", stored_bytes / f64::from(CALLS), ""),
    ])
}

fn requests_per_second(web: SocketAddr, path: &str, key: &str) -> Outcome<f64> {
    // One thread asks, so that on two cores one is left for the daemon.
    let mut wrk = program("wrk");
    wrk.args(["-t1", "-c50", "-d10s", "-H"])
        .arg(format!("Authorization: Bearer {key}"))
        .arg(format!("http://{web}{path}"));
    let said = output(&mut wrk)?;
    if let Some(refused) = said.lines().find(|l| l.contains("Non-2xx")) {
        return Err(format!("{path}: {}", refused.trim()));
    }
    let figure = said.lines().find_map(|l| l.trim().strip_prefix("Requests/sec:"));
    figure.and_then(|f| f.trim().parse().ok()).ok_or_else(|| format!("wrk gave no figure:\n{said}"))
}
