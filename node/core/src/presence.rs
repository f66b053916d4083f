//! Presence: which contacts are there. A node says so every minute to those it is connected to, and nothing else with it.

use std::collections::BTreeMap;

use meerkat_protocols::{
    contact::Contact,
    meeting::Word,
    mesh::{InboundRef, Peer, RequestKind},
    time::Now,
};

use crate::{event::Event, node::Node, output::Output};

/// How often a node says that it is there.
pub(crate) const BEAT_MS: u64 = 60_000;
/// After how long without a word a contact is away: five beats may be lost, and a machine takes two minutes to restart.
pub(crate) const AWAY_MS: u64 = 300_000;

#[derive(Debug, Clone, Copy)]
struct Heard {
    last_ms: u64,
    online: bool,
}

/// When contacts were last heard of, and when we speak next.
#[derive(Debug, Default)]
pub(crate) struct Presence {
    heard: BTreeMap<Peer, Heard>,
    beat_at_ms: Option<u64>,
}

impl Presence {
    /// Whether the contact is there, and when it was last heard of; `None` if never since the start.
    pub(crate) fn of(&self, peer: Peer) -> Option<(bool, u64)> {
        self.heard.get(&peer).map(|heard| (heard.online, heard.last_ms))
    }

    /// When something is to be done, in milliseconds of the monotonic clock.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let away = self.heard.values().filter(|heard| heard.online).map(|heard| heard.last_ms + AWAY_MS);
        self.beat_at_ms.into_iter().chain(away).min()
    }
}

impl Node {
    /// A contact was heard of.
    pub(crate) fn heard_from(&mut self, now: Now, peer: Peer) {
        let Some(home) = self.contacts.of_peer(peer).map(Contact::home) else { return };
        let before = self.presence.heard.insert(peer, Heard { last_ms: now.mono_ms, online: true });
        self.presence.beat_at_ms.get_or_insert(now.mono_ms + BEAT_MS);
        self.ask_for_peers(now, peer);
        if before.is_none_or(|heard| !heard.online) {
            self.put(Output::Event(Event::PresenceChanged { home, peer, online: true }));
        }
    }

    pub(crate) fn forget_presence(&mut self, peer: Peer) {
        self.presence.heard.remove(&peer);
        if self.presence.heard.is_empty() {
            self.presence.beat_at_ms = None;
        }
    }

    /// Speaks to the contacts that are connected when it is time, and notes those that have fallen silent.
    pub(crate) fn beat(&mut self, now: Now) {
        let silent = |heard: &Heard| heard.online && now.mono_ms >= heard.last_ms + AWAY_MS;
        let away: Vec<Peer> = self.presence.heard.iter().filter(|(_, h)| silent(h)).map(|(peer, _)| *peer).collect();
        for peer in away {
            if let Some(heard) = self.presence.heard.get_mut(&peer) {
                heard.online = false;
            }
            if let Some(home) = self.contacts.of_peer(peer).map(Contact::home) {
                self.put(Output::Event(Event::PresenceChanged { home, peer, online: false }));
            }
        }
        if self.presence.beat_at_ms.is_none_or(|at| now.mono_ms < at) {
            return;
        }
        self.presence.beat_at_ms = Some(now.mono_ms + BEAT_MS);
        let connected = |peer: &Peer| self.mesh.peers.contains_key(peer);
        let there: Vec<Peer> = self.contacts.all().map(Contact::peer).filter(connected).collect();
        let here = self.here().encode();
        for peer in there {
            self.ask(peer, RequestKind::Heartbeat, &here);
        }
    }

    fn here(&self) -> Word {
        Word::Here(self.contacts.own().map_or(0, |(sequence, _)| sequence))
    }

    /// A contact says that it is there. Whoever else does hears nothing.
    pub(crate) fn beat_asked(&mut self, now: Now, from: Peer, inbound: InboundRef, payload: &[u8]) {
        let known = self.beat_heard(now, from, payload);
        let answer = if known { self.here() } else { Word::Nothing };
        self.respond(inbound, answer.encode());
    }

    /// A beat or its answer; `true` if it is a contact's.
    pub(crate) fn beat_heard(&mut self, now: Now, from: Peer, payload: &[u8]) -> bool {
        let Ok(Word::Here(sequence)) = Word::decode(payload) else { return false };
        let Some(contact) = self.contacts.of_peer(from) else { return false };
        if contact.record.sequence != sequence {
            self.refresh_record(now, from);
        }
        self.heard_from(now, from);
        true
    }
}
