//! Whom to call without asking a server: peers of earlier days, and those that neighbours tell of.

use std::collections::BTreeMap;

use meerkat_protocols::{
    batch::Write,
    contact::Contact,
    mesh::{Found, InboundRef, Order, Path, Peer, RequestKind},
    peerlist::{Listed, PeerList, Wanted},
    time::Now,
};

use crate::{
    node::Node,
    output::{Output, Urgency},
    pace::Pace,
    whereabouts::{is_public, without_own_id},
};

/// Peers kept for the next start: enough to find the neighbourhood again after weeks, and a crowd of passing strangers
/// does not fill the disk.
pub(crate) const MAX_REMEMBERED: usize = 200;
/// How long a peer worth remembering may wait for its commit.
const WITHIN: Urgency = Urgency::Within(30_000);
/// Peers written down in one run: who makes up a thousand on the local network does not wear out the card.
const MAX_WRITTEN: usize = 1_000;
/// With so many connections gossip needs no more of them.
const ENOUGH: usize = 8;
/// Peers we were told of and call for a while.
const MAX_TRIED: usize = 8;
const TRIED_MS: u64 = 600_000;
/// Questions of one contact in a minute: it asks when it connects, and every two minutes while it is lonely.
const ANSWERS_A_MINUTE: u32 = 2;
/// Between two questions of ours to one contact, asked when it connects or is heard of.
const ASK_AGAIN_MS: u64 = 120_000;

/// A peer that we reached.
struct Good {
    address: String,
    /// When we were last connected, in milliseconds of the monotonic clock; `None` if not since the start.
    met_ms: Option<u64>,
}

/// Peers of earlier days, and peers we were told of.
#[derive(Default)]
pub(crate) struct Peers {
    good: BTreeMap<Peer, Good>,
    written: usize,
    /// Where members say that they can be called, as far as it was written down in this run.
    told: BTreeMap<Peer, Vec<String>>,
    tried: BTreeMap<Peer, u64>,
    asked: BTreeMap<Peer, u64>,
    pace: Pace,
}

impl Peers {
    /// Those that the store gave back, and of them those that are too many.
    pub(crate) fn restored(peers: Vec<(Peer, Vec<String>)>) -> (Self, Vec<Peer>) {
        let mut all = peers.into_iter().filter_map(|(peer, addresses)| {
            Some((peer, Good { address: addresses.into_iter().next()?, met_ms: None }))
        });
        let good = all.by_ref().take(MAX_REMEMBERED).collect();
        let surplus = all.map(|(peer, _)| peer).collect();
        (Self { good, ..Self::default() }, surplus)
    }
}

impl Peers {
    /// Where a peer was reached, this time or an earlier one.
    pub(crate) fn address_of(&self, peer: Peer) -> Option<&str> {
        self.good.get(&peer).map(|good| good.address.as_str())
    }
}

impl Node {
    /// Keeps a peer that we reached ourselves, without a relay: it can be reached again. The address of one that called us
    /// is that of its outgoing connection, where nobody listens.
    pub(crate) fn remember(&mut self, now: Now, peer: Peer, address: String, found: Found, path: Path) {
        if found == Found::CalledUs || path != Path::Direct {
            return;
        }
        let is_new = self.peers.good.get(&peer).is_none_or(|before| before.address != address);
        if is_new && self.peers.written >= MAX_WRITTEN {
            return;
        }
        let met_ms = Some(now.mono_ms);
        let good = Good { address: address.clone(), met_ms };
        self.peers.good.insert(peer, good);
        if !is_new {
            return;
        }
        self.peers.written += 1;
        self.put(Output::Write(Write::Peer(peer, vec![address]), WITHIN));
        while self.peers.good.len() > MAX_REMEMBERED {
            let worst = self.peers.good.iter().min_by_key(|(_, good)| good.met_ms).map(|(peer, _)| *peer);
            let Some(worst) = worst else { break };
            self.peers.good.remove(&worst);
            self.drop_peers([worst]);
        }
    }

    /// Keeps where a member can be called, as it says itself: one that always called us is found after a start too,
    /// although our address may be another then.
    pub(crate) fn remember_member(&mut self, now: Now, peer: Peer, addresses: &[String]) {
        let before = self.peers.told.get(&peer);
        let reached = before.is_none() && self.peers.good.get(&peer).is_some_and(|good| good.met_ms.is_some());
        let is_new = !reached && before.is_none_or(|before| before != addresses);
        let Some(first) = addresses.first().filter(|_| is_new && self.peers.written < MAX_WRITTEN) else { return };
        self.peers.written += 1;
        self.peers.told.insert(peer, addresses.to_vec());
        if let Some(before) = self.peers.good.get_mut(&peer) {
            before.address.clone_from(first);
        } else if self.peers.good.len() < MAX_REMEMBERED {
            self.peers.good.insert(peer, Good { address: first.clone(), met_ms: Some(now.mono_ms) });
        }
        self.put(Output::Write(Write::Peer(peer, addresses.to_vec()), WITHIN));
    }

    /// Strikes peers off the store.
    pub(crate) fn drop_peers(&mut self, peers: impl IntoIterator<Item = Peer>) {
        for peer in peers {
            self.put(Output::Write(Write::DropPeer(peer), WITHIN));
        }
    }

    /// A peer is gone: it was here until now.
    pub(crate) fn was_here(&mut self, now: Now, peer: Peer) {
        if let Some(good) = self.peers.good.get_mut(&peer) {
            good.met_ms = Some(now.mono_ms);
        }
    }

    /// Asks a contact for peers while we have few.
    pub(crate) fn ask_for_peers(&mut self, now: Now, contact: Peer) {
        let lately = self.peers.asked.get(&contact).is_some_and(|at| now.mono_ms < at + ASK_AGAIN_MS);
        if lately || self.mesh.peers.len() >= ENOUGH || !self.mesh.peers.contains_key(&contact) {
            return;
        }
        // Contacts only are asked, of which there are 96 at most.
        self.peers.asked.retain(|_, at| now.mono_ms < *at + ASK_AGAIN_MS);
        self.peers.asked.insert(contact, now.mono_ms);
        self.ask(contact, RequestKind::Peers, &Wanted::new(ENOUGH).encode());
    }

    /// Looks for company, and gives up those who were not found.
    pub(crate) fn look_for_peers(&mut self, now: Now) {
        let late: Vec<Peer> =
            self.peers.tried.iter().filter(|(_, until)| **until <= now.mono_ms).map(|(peer, _)| *peer).collect();
        late.into_iter().for_each(|peer| self.give_up(peer));
        let contacts: Vec<Peer> = self.contacts.all().map(Contact::peer).collect();
        contacts.into_iter().for_each(|contact| self.ask_for_peers(now, contact));
    }

    /// It is connected, or was called for long enough. Contacts are called on.
    pub(crate) fn give_up(&mut self, peer: Peer) {
        if self.peers.tried.remove(&peer).is_some() && self.contacts.of_peer(peer).is_none() {
            self.put(Output::Order(Order::Forget { peer }));
        }
    }

    /// A peer asks for others. Contacts are told, by peer and never by home; strangers are not understood.
    pub(crate) fn peers_asked(&mut self, now: Now, from: Peer, inbound: InboundRef, payload: &[u8]) {
        let is_contact = self.contacts.of_peer(from).is_some();
        let wanted = Wanted::decode(payload).filter(|_| is_contact);
        let answer = match wanted {
            Some(wanted) if self.peers.pace.allows(now, from, ANSWERS_A_MINUTE) => {
                PeerList::of(self.found_by_others(from).into_iter().take(wanted.count())).encode()
            }
            _ => vec![RequestKind::NOT_UNDERSTOOD],
        };
        self.respond(inbound, answer);
    }

    /// The connected peers that others can reach: directly, as we did, or by the relays they tell their neighbours of.
    fn found_by_others(&self, but: Peer) -> Vec<Listed> {
        let listed = |state: &crate::snapshot::PeerState| {
            let direct = without_own_id(&state.address);
            let public = state.found != Found::CalledUs && state.path == Path::Direct && is_public(direct);
            let relays = self.contacts.of_peer(state.peer).map(|contact| contact.record.relays.clone());
            let addresses = public.then(|| direct.to_owned()).into_iter().chain(relays.unwrap_or_default());
            Listed(state.peer, addresses.collect())
        };
        self.mesh.peers.values().filter(|state| state.peer != but).map(listed).filter(|l| !l.1.is_empty()).collect()
    }

    /// A contact answered: those we do not know are called for a while.
    pub(crate) fn peers_answered(&mut self, now: Now, payload: &[u8]) {
        let Some(list) = PeerList::decode(payload) else { return };
        let own = self.identity.about.peer;
        for Listed(peer, addresses) in list.peers() {
            let known = *peer == own
                || self.mesh.peers.contains_key(peer)
                || self.peers.tried.contains_key(peer)
                || self.contacts.of_peer(*peer).is_some();
            if known || self.peers.tried.len() >= MAX_TRIED {
                continue;
            }
            let usable: Vec<String> = addresses.iter().filter(|address| is_public(address)).cloned().collect();
            if !usable.is_empty() {
                self.peers.tried.insert(*peer, now.mono_ms + TRIED_MS);
                self.put(Output::Order(Order::Dial { peer: *peer, addresses: usable }));
            }
        }
    }
}
