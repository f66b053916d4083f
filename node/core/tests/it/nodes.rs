//! Further nodes of homes, and what they sign.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use meerkat_core::Restored;
use meerkat_protocols::{
    chance::Chance,
    delegation::Delegation,
    home::NodeNumber,
    mesh::Peer,
    roster::{Roster, Share},
    statement::{Body, Sealed, Statement},
    time::Day,
};

use crate::world::*;

/// The signing key of a node of home number `n`.
pub(crate) fn node_key(n: u16, node: u8) -> SigningKey {
    let mut seed = key(n).to_bytes();
    seed[31] ^= node;
    SigningKey::from_bytes(&seed)
}

/// The peer of a node of home `n`.
pub(crate) fn node_peer(n: u16, node: u8) -> Peer {
    let mut key = peer(n).0;
    key[31] = node;
    Peer(key)
}

/// A statement of a node of home `n`, signed.
pub(crate) fn signed_by(n: u16, node: u8, day: u16, slot: u8, body: Body) -> Sealed {
    Statement { home: home(n), node: NodeNumber(node), day: Day(day), slot, body }.sign(&node_key(n, node))
}

/// Node `by` of home `n` names another.
pub(crate) fn names(n: u16, by: u8, (day, slot): (u16, u8), node: u8, share: (u16, u16)) -> Sealed {
    signed_by(n, by, day, slot, Body::Delegation(delegation(n, node, share)))
}

pub(crate) fn delegation(n: u16, node: u8, (from, to): (u16, u16)) -> Delegation {
    let key = node_key(n, node).verifying_key().to_bytes();
    Delegation { node: NodeNumber(node), key, share: Share { from, to } }
}

/// Which node it is: of which home, by which number, and by which of the worlds' numbers its keys go.
#[derive(Clone)]
pub(crate) struct Who {
    pub(crate) of: (u16, NodeNumber),
    pub(crate) number: u16,
    pub(crate) key: SigningKey,
    pub(crate) peer: Peer,
    pub(crate) share: Share,
}

impl Who {
    /// The one node of home `n`.
    pub(crate) fn alone(n: u16) -> Self {
        Self { of: (n, NodeNumber(0)), number: n, key: key(n), peer: peer(n), share: Share::WHOLE }
    }
}

impl World {
    /// A further node of home `n` that has no roster yet, with what was stored.
    pub(crate) fn further(n: u16, node: u8, share: (u16, u16), statements: &[Sealed]) -> Self {
        let restored = Restored { chance: Chance::of([node.wrapping_add(100); 32]), ..Restored::default() };
        let share = Share { from: share.0, to: share.1 };
        let who = Who { of: (n, NodeNumber(node)), number: n, key: node_key(n, node), peer: node_peer(n, node), share };
        Self::started_with(who, Some(Day(TODAY).begins()), restored, statements, BTreeMap::new())
    }

    /// A new process, to which the household is this.
    pub(crate) fn speak_for(&mut self, roster: &Roster) {
        self.pass(60_000);
        self.roster = roster.entries().map(|(id, entry)| (id, entry.clone())).collect();
        *self = self.restarted();
    }
}
