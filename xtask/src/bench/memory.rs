//! Resident memory of a daemon that nobody asks anything.

use std::time::Duration;

use super::{Bench, Row, Setup};
use crate::{
    rig::{Daemon, Place},
    run::Outcome,
};

/// After a minute discovery, the first batches and the checks at start are over.
const REST: Duration = Duration::from_secs(60);

pub(super) const BENCH: Bench =
    Bench { name: "memory", what: "resident memory after a minute without work", long: false, run };

fn run(setup: &Setup) -> Outcome<Vec<Row>> {
    let place = Place::new()?;
    let daemon = Daemon::start(&setup.binary, &place)?;
    std::thread::sleep(REST);
    let resident_mb = daemon.resident_kb()? as f64 / 1e3;
    daemon.stop()?;
    let anchor = "Syncthing 1.19.2: 65 MB; Netdata 1.37.1: 73 MB";
    Ok(vec![Row::at_most("idle memory, MB", resident_mb, 40.0, "<= 40", anchor)])
}
