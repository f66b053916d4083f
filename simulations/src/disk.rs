//! A home's disk: ordered maps in the place of the store. Big worlds cannot spare the mebibyte that an empty file takes.

use std::collections::BTreeMap;

use meerkat_core::Restored;
use meerkat_protocols::{
    batch::{Batch, Write},
    chance::Chance,
    contact::Contact,
    facts::Seq,
    household::Run,
    mesh::Peer,
    statement::{Kind, Sealed, StatementId},
    time::Day,
};

/// What is on it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Disk {
    pub(crate) statements: BTreeMap<StatementId, Sealed>,
    slots: BTreeMap<(Kind, Day), u8>,
    contacts: BTreeMap<Peer, Contact>,
    peers: BTreeMap<Peer, Vec<String>>,
    calls: u64,
    /// Bytes of what was written, without what a store adds.
    pub(crate) written: u64,
    pub(crate) commits: u64,
}

impl Disk {
    /// All of a batch is on disk.
    pub(crate) fn write(&mut self, batch: &Batch) {
        self.commits += 1;
        for write in &batch.writes {
            match write {
                Write::Statement(id, sealed) => {
                    self.written += sealed.0.len() as u64;
                    self.statements.insert(*id, sealed.clone());
                }
                Write::DropStatement(id) => drop(self.statements.remove(id)),
                Write::OwnSlot(kind, day, next) => drop(self.slots.insert((*kind, *day), *next)),
                Write::Contact(contact) => drop(self.contacts.insert(contact.peer(), *contact.clone())),
                Write::DropContact(peer) => drop(self.contacts.remove(peer)),
                Write::Peer(peer, addresses) => drop(self.peers.insert(*peer, addresses.clone())),
                Write::DropPeer(peer) => drop(self.peers.remove(peer)),
                Write::Call(call) => self.calls = self.calls.max(call.seq.0 + 1),
                // What these worlds do not play: letters, invites, imports, documents, a home's own nodes.
                _ => {}
            }
        }
    }

    /// What a node finds at its start, but for the statements.
    pub(crate) fn restored(&self, chance: [u8; 32], start: u64) -> Restored {
        Restored {
            own_slots: self.slots.clone(),
            next_call: Seq(self.calls),
            contacts: self.contacts.values().cloned().collect(),
            peers: self.peers.iter().map(|(peer, addresses)| (*peer, addresses.clone())).collect(),
            chance: Chance::of(chance),
            run: Run { start, chance: chance.first_chunk().copied().unwrap_or_default() },
            ..Restored::default()
        }
    }
}
