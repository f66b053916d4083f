//! What the tests of this package stand on.

use std::sync::Arc;

use meerkat_core::{Counts, Snapshot};
use meerkat_protocols::{
    home::{Card, Genesis, NodeNumber},
    time::Now,
    wishes::{Lists, Settings},
};

use crate::Clock;

/// 2026-11-21T12:00:00Z.
pub(crate) const WALL: i64 = 1_795_262_400;

/// Clocks that stand still.
pub(crate) fn clock() -> Clock {
    Arc::new(|| Now::new(1_000, WALL))
}

/// A home where nothing has happened yet.
pub(crate) fn snapshot() -> Snapshot {
    let genesis = Genesis::new(&ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key());
    Snapshot {
        home: genesis.home(),
        card: Card(genesis),
        node: NodeNumber(0),
        clock_set: true,
        settings: Settings::default(),
        pinned: vec![],
        lists: Arc::new(Lists::new()),
        neighbours: Arc::new(vec![]),
        vouches_left: 12,
        peers: vec![],
        listening: vec![],
        lines: vec![],
        alarms: vec![],
        ringing: vec![],
        statements: 0,
        numbers: 0,
        waiting: 0,
        counts: Counts::default(),
    }
}
