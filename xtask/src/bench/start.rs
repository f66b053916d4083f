//! From the start of the process to the first `200` on `/health`.

use super::{Bench, Row, Setup, percentile};
use crate::{
    rig::{Daemon, Place},
    run::Outcome,
};

/// Starts: enough for a median that a slow one does not move.
const STARTS: usize = 20;

pub(super) const BENCH: Bench = Bench {
    name: "start",
    what: "from the start of the process to the first 200 on /health, new and used data folder",
    long: false,
    run,
};

fn run(setup: &Setup) -> Outcome<Vec<Row>> {
    let mut first = Vec::new();
    let mut again = Vec::new();
    let used = Place::new()?;
    Daemon::start(&setup.binary, &used)?.stop()?;
    for _ in 0..STARTS {
        first.push(Daemon::start(&setup.binary, &Place::new()?)?.start_ms);
        let daemon = Daemon::start(&setup.binary, &used)?;
        again.push(daemon.start_ms);
        daemon.stop()?;
    }
    first.sort_by(f64::total_cmp);
    again.sort_by(f64::total_cmp);
    let anchor = "Syncthing 1.19.2: 1501-1571 ms on such a machine";
    Ok(vec![
        Row::at_most("cold start, used folder, p50, ms", percentile(&again, 0.5), 250.0, "<= 250", anchor),
        Row::plain("cold start, used folder, max, ms", percentile(&again, 1.0), ""),
        Row::at_most("cold start, new folder, p50, ms", percentile(&first, 0.5), 250.0, "<= 250", anchor),
        Row::plain("cold start, new folder, max, ms", percentile(&first, 1.0), ""),
    ])
}
