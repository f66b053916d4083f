//! How many bytes the disk is made to write for a logged call: what wears an SD card out.

use std::{thread::sleep, time::Duration};

use super::{Bench, Row, Setup, calls};
use crate::{
    rig::{Daemon, Place},
    run::Outcome,
};

/// Calls one after the other, each long after the batch of the one before.
const ALONE: u32 = 20;
/// Calls in a flood.
const TOGETHER: u32 = 2_000;
/// Longer than a batch takes: a call waits for no other.
const APART: Duration = Duration::from_millis(500);
/// Batches of what nobody waits for are written within a minute.
const LAST_BATCH: Duration = Duration::from_secs(61);

pub(super) const BENCH: Bench = Bench {
    name: "disk",
    what: "bytes written to disk per logged call, alone and in a flood",
    // Waits for the last batch twice.
    long: true,
    run,
};

fn run(setup: &Setup) -> Outcome<Vec<Row>> {
    let place = Place::new()?;
    let daemon = Daemon::start(&setup.binary, &place)?;
    calls::block_their_prefix(&daemon)?;
    let at_rest = settled(&daemon)?;
    for _ in 0..ALONE {
        calls::place(place.line, 1, 1)?;
        sleep(APART);
    }
    let after_single = settled(&daemon)?;
    calls::place(place.line, TOGETHER, 200)?;
    let after_flood = settled(&daemon)?;
    daemon.stop()?;
    let anchor = "redb 4.4, 100 bytes a commit: 29 kB alone, 4.3-8.3 kB by the hundred";
    Ok(vec![
        Row::plain("alone, kB/call", (after_single - at_rest) as f64 / f64::from(ALONE) / 1e3, anchor),
        Row::plain("200 calls/s, kB/call", (after_flood - after_single) as f64 / f64::from(TOGETHER) / 1e3, anchor),
    ])
}

fn settled(daemon: &Daemon<'_>) -> Outcome<u64> {
    sleep(LAST_BATCH);
    daemon.bytes_written()
}
