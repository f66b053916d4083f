//! Whom to call, and when. Pure: time is an argument.

use std::collections::BTreeMap;

use libp2p::multiaddr::Multiaddr;
use libp2p::swarm::ConnectionId;
use meerkat_protocols::mesh::{Found, Peer};
use tokio::time::{Duration, Instant};

/// Calls at once: a Pi's radio link carries as many handshakes within [`crate::transport`]'s 10 s.
const MAX_CALLS: usize = 8;
/// Of these, calls to addresses that anybody on the local network can have made up.
const MAX_NEARBY_CALLS: usize = 4;
/// Entries from the local network: a big block of flats on one network.
const MAX_NEARBY: usize = 128;
/// Entries in all; the settings come first.
const MAX_ENTRIES: usize = 1024;
/// Addresses of one peer: IPv4 and IPv6, wire and radio, TCP and QUIC.
const MAX_ADDRESSES: usize = 8;

const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// For those the node or the settings want, which are few: after an hour without a link the street is whole within a minute.
/// Twelve that are off cost some 2 kB a second, most of it the padding of QUIC's first packets (RFC 9000, 14.1).
const LONGEST_WAIT_FOR_WANTED: Duration = Duration::from_secs(36);
/// Both sides find each other at the same moment; one of them waits this long for the other's call.
const COURTESY: Duration = Duration::from_secs(2);
/// A connection that lasted this long was a good one: the next wait is short again.
const GOOD: Duration = Duration::from_secs(60);
/// A day at the longest wait. A peer that comes back later calls us.
const MAX_REMEMBERED_ATTEMPTS: u32 = 288;
/// A nearby one that never answers: some four minutes. It is found anew if it is there.
const MAX_NEARBY_ATTEMPTS: u32 = 7;

/// A call to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) entry: u64,
    pub(crate) peer: Option<Peer>,
    pub(crate) addresses: Vec<Multiaddr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Due(Instant),
    Calling(ConnectionId),
    Connected { since: Instant },
}

#[derive(Debug)]
struct Entry {
    peer: Option<Peer>,
    addresses: Vec<Multiaddr>,
    found: Found,
    attempts: u32,
    state: State,
    /// The node wants it until it says otherwise.
    wanted: bool,
    /// When a sighting last cut a wait short: a forged one must not make us call all the time.
    hurried: Option<Instant>,
}

/// Whom to call.
pub(crate) struct Book {
    own: Peer,
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

impl Book {
    pub(crate) fn new(own: Peer) -> Self {
        Self { own, next: 0, entries: BTreeMap::new() }
    }

    /// From the settings or the memory of an earlier time.
    pub(crate) fn add(&mut self, peer: Option<Peer>, addresses: Vec<Multiaddr>, found: Found, now: Instant) {
        if peer == Some(self.own) || addresses.is_empty() {
            return;
        }
        if let Some(entry) = peer.and_then(|peer| self.by_peer(peer)) {
            entry.found = stronger(entry.found, found);
            entry.learn(addresses);
        } else if self.entries.len() < MAX_ENTRIES {
            self.insert(peer, addresses, found, now);
        }
    }

    /// The node wants to be connected to it.
    pub(crate) fn want(&mut self, peer: Peer, addresses: Vec<Multiaddr>, now: Instant) {
        if peer == self.own {
            return;
        }
        if let Some(entry) = self.by_peer(peer) {
            entry.wanted = true;
            entry.learn(addresses);
            entry.attempts = 0;
            entry.hurry(now);
        } else if !addresses.is_empty() && (self.entries.len() < MAX_ENTRIES || self.forget_a_silent_one()) {
            self.insert(Some(peer), addresses, Found::Remembered, now);
            if let Some(entry) = self.by_peer(peer) {
                entry.wanted = true;
            }
        }
    }

    /// The node no longer wants it. What the settings name, and what is seen nearby, is called on.
    pub(crate) fn forget(&mut self, peer: Peer) {
        self.entries.retain(|_, entry| entry.peer != Some(peer) || entry.found != Found::Remembered);
        if let Some(entry) = self.by_peer(peer) {
            entry.wanted = false;
        }
    }

    /// Seen on the local network.
    pub(crate) fn nearby(&mut self, peer: Peer, addresses: Vec<Multiaddr>, now: Instant) {
        if peer == self.own || addresses.is_empty() {
            return;
        }
        if let Some(entry) = self.by_peer(peer) {
            entry.learn(addresses);
            entry.hurry(now);
            return;
        }
        let known = self.entries.values().filter(|entry| entry.found == Found::Nearby).count();
        if (known < MAX_NEARBY && self.entries.len() < MAX_ENTRIES) || self.forget_a_silent_one() {
            let courtesy = if self.own < peer { Duration::ZERO } else { COURTESY };
            self.insert(Some(peer), addresses, Found::Nearby, now + courtesy);
        }
    }

    /// No longer seen on the local network.
    pub(crate) fn gone(&mut self, peer: Peer) {
        self.entries.retain(|_, entry| {
            entry.peer != Some(peer)
                || entry.found != Found::Nearby
                || entry.wanted
                || !matches!(entry.state, State::Due(_))
        });
    }

    /// The next call whose time has come, those from the settings first.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Call> {
        let (calls, nearby_calls) = self.calls();
        if calls >= MAX_CALLS {
            return None;
        }
        let is_due = |entry: &Entry| match entry.state {
            State::Due(at) if at <= now && (entry.found != Found::Nearby || nearby_calls < MAX_NEARBY_CALLS) => {
                Some(at)
            }
            State::Due(_) | State::Calling(_) | State::Connected { .. } => None,
        };
        let (id, entry) = self
            .entries
            .iter()
            .filter_map(|(id, entry)| is_due(entry).map(|at| ((rank(entry.found), at), id, entry)))
            .min_by_key(|(order, ..)| *order)
            .map(|(_, id, entry)| (*id, entry))?;
        Some(Call { entry: id, peer: entry.peer, addresses: entry.addresses.clone() })
    }

    /// When [`Self::due`] will next have one, as far as time alone decides.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        let (calls, nearby_calls) = self.calls();
        if calls >= MAX_CALLS {
            return None;
        }
        let times = self.entries.values().filter_map(|entry| match entry.state {
            State::Due(at) if entry.found != Found::Nearby || nearby_calls < MAX_NEARBY_CALLS => Some(at),
            State::Due(_) | State::Calling(_) | State::Connected { .. } => None,
        });
        times.min()
    }

    /// The call is on its way.
    pub(crate) fn calling(&mut self, entry: u64, connection: ConnectionId) {
        if let Some(entry) = self.entries.get_mut(&entry) {
            entry.state = State::Calling(connection);
        }
    }

    /// The call could not even be tried.
    pub(crate) fn refused(&mut self, entry: u64, now: Instant) {
        self.retry(entry, now);
    }

    /// The call failed. Says so if it was one of ours and the first in a row.
    pub(crate) fn failed(&mut self, connection: ConnectionId, now: Instant) -> Option<(Found, Vec<Multiaddr>)> {
        let (id, entry) = self.entries.iter().find(|(_, entry)| entry.state == State::Calling(connection))?;
        let (id, first) = (*id, entry.attempts == 0);
        let told = first.then(|| (entry.found, entry.addresses.clone()));
        self.retry(id, now);
        told
    }

    /// Whom the call is for.
    pub(crate) fn called(&self, connection: ConnectionId) -> &[Multiaddr] {
        let entry = self.entries.values().find(|entry| entry.state == State::Calling(connection));
        entry.map_or(&[], |entry| entry.addresses.as_slice())
    }

    /// The call reached ourselves: never again.
    pub(crate) fn is_self(&mut self, connection: ConnectionId) {
        self.entries.retain(|_, entry| entry.state != State::Calling(connection));
    }

    /// A connection stands, whoever called. Says how the peer became known.
    pub(crate) fn connected(&mut self, peer: Peer, connection: ConnectionId, now: Instant) -> Found {
        let nameless =
            self.entries.iter().find(|(_, entry)| entry.state == State::Calling(connection)).map(|(id, _)| *id);
        if let Some(entry) = nameless.and_then(|id| self.entries.get_mut(&id)) {
            // Its address was given without a name. Several entries may turn out to be one peer: all are kept.
            entry.peer = Some(peer);
        }
        let mut found = Found::CalledUs;
        for entry in self.entries.values_mut().filter(|entry| entry.peer == Some(peer)) {
            if !matches!(entry.state, State::Connected { .. }) {
                entry.state = State::Connected { since: now };
            }
            found = stronger(found, entry.found);
        }
        found
    }

    /// How a peer is known.
    pub(crate) fn found(&self, peer: Peer) -> Found {
        let entries = self.entries.values().filter(|entry| entry.peer == Some(peer));
        entries.fold(Found::CalledUs, |found, entry| stronger(found, entry.found))
    }

    /// The last connection to the peer is gone.
    pub(crate) fn lost(&mut self, peer: Peer, now: Instant) {
        let ids: Vec<u64> =
            self.entries.iter().filter(|(_, entry)| entry.peer == Some(peer)).map(|(id, _)| *id).collect();
        for id in ids {
            if let Some(entry) = self.entries.get_mut(&id)
                && matches!(entry.state, State::Connected { since } if now.duration_since(since) >= GOOD)
            {
                entry.attempts = 0;
            }
            self.retry(id, now);
        }
    }

    fn insert(&mut self, peer: Option<Peer>, mut addresses: Vec<Multiaddr>, found: Found, at: Instant) {
        addresses.truncate(MAX_ADDRESSES);
        let entry = Entry { peer, addresses, found, attempts: 0, state: State::Due(at), wanted: false, hurried: None };
        self.entries.insert(self.next, entry);
        self.next += 1;
    }

    fn by_peer(&mut self, peer: Peer) -> Option<&mut Entry> {
        self.entries.values_mut().find(|entry| entry.peer == Some(peer))
    }

    fn calls(&self) -> (usize, usize) {
        let calling = |entry: &&Entry| matches!(entry.state, State::Calling(_));
        let all = self.entries.values().filter(calling).count();
        (all, self.entries.values().filter(calling).filter(|entry| entry.found == Found::Nearby).count())
    }

    fn retry(&mut self, id: u64, now: Instant) {
        let own = self.own;
        let Some(entry) = self.entries.get_mut(&id) else { return };
        let limit = match entry.found {
            _ if entry.wanted => u32::MAX,
            Found::Configured => u32::MAX,
            Found::Remembered => MAX_REMEMBERED_ATTEMPTS,
            Found::Nearby | Found::CalledUs => MAX_NEARBY_ATTEMPTS,
        };
        if entry.attempts >= limit {
            self.entries.remove(&id);
            return;
        }
        entry.state = State::Due(now + wait(own, entry.peer, id, entry.attempts, entry.longest_wait()));
        entry.attempts = entry.attempts.saturating_add(1);
    }

    /// Makes room among the nearby: whoever has failed most often goes. Whether one did.
    fn forget_a_silent_one(&mut self) -> bool {
        let silent = self
            .entries
            .iter()
            .filter(|(_, entry)| {
                entry.found == Found::Nearby
                    && !entry.wanted
                    && entry.attempts > 0
                    && matches!(entry.state, State::Due(_))
            })
            .max_by_key(|(_, entry)| entry.attempts)
            .map(|(id, _)| *id);
        silent.is_some_and(|id| self.entries.remove(&id).is_some())
    }
}

impl Entry {
    /// The newest addresses first.
    fn learn(&mut self, mut addresses: Vec<Multiaddr>) {
        self.addresses.retain(|known| !addresses.contains(known));
        addresses.append(&mut self.addresses);
        addresses.truncate(MAX_ADDRESSES);
        self.addresses = addresses;
    }

    fn longest_wait(&self) -> Duration {
        if self.wanted || self.found == Found::Configured { LONGEST_WAIT_FOR_WANTED } else { LONGEST_WAIT }
    }

    /// A sign of life cuts the wait short, at most twice a minute.
    fn hurry(&mut self, now: Instant) {
        let State::Due(at) = self.state else { return };
        if at <= now + COURTESY || self.hurried.is_some_and(|last| now.duration_since(last) < GOOD / 2) {
            return;
        }
        self.hurried = Some(now);
        self.state = State::Due(now + COURTESY);
    }
}

/// Doubles from 1 s to the longest, give or take a quarter, differently for every pair and attempt: a neighbourhood
/// that lost its power does not call in step, and two that call each other do not collide again and again. A hash
/// does; chance would be no better and a simulation could not repeat it.
fn wait(own: Peer, peer: Option<Peer>, entry: u64, attempts: u32, longest: Duration) -> Duration {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&own.0);
    hasher.update(&peer.map_or([0; 32], |peer| peer.0));
    hasher.update(&entry.to_le_bytes());
    hasher.update(&attempts.to_le_bytes());
    let part = u32::from(hasher.finalize().as_bytes()[0]);
    let whole = FIRST_WAIT.saturating_mul(1 << attempts.min(16)).min(longest);
    whole * (384 + part) / 512
}

fn rank(found: Found) -> u8 {
    match found {
        Found::Configured => 0,
        Found::Remembered => 1,
        Found::Nearby => 2,
        Found::CalledUs => 3,
    }
}

fn stronger(one: Found, other: Found) -> Found {
    if rank(other) < rank(one) { other } else { one }
}

#[cfg(test)]
mod tests;
