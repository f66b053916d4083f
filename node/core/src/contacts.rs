//! Contacts: the nodes of homes that this home answers for, as they told it themselves, and how nodes of two such homes
//! know each other among strangers.
//!
//! Who speaks first gives nothing away: it sends twelve tags, of which those who share a [`Tie`] with it know one. Whoever
//! knows one answers with its record, and is told ours. A stranger learns no more than that somebody greeted it.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{
    batch::Write,
    contact::{Contact, NodeRecord, SignedRecord, TAG_BYTES, Tie},
    delegation::Chain,
    home::{Genesis, HomeId},
    meeting::{GREETED, Word},
    mesh::{Found, InboundRef, Order, Peer, RequestKind},
    time::Now,
};

use crate::{
    event::Event,
    evidence::HomeNo,
    input::JobId,
    node::Node,
    output::{Job, Output, Promise, Urgency},
    pace::Pace,
    snapshot::ContactState,
    whereabouts::Whereabouts,
};

/// The most nodes of one home: more machines than a household has places for. Twelve homes make 96 contacts.
pub(crate) const MAX_NODES: usize = 8;
/// Greetings and records of one peer in a minute: it sends two when it connects and one when its addresses change.
const MAX_RECORDS_A_MINUTE: u32 = 12;
/// How long a newer record of a contact may wait for the disk: if it is lost, the next beat shows that ours is old.
const RENEWED_WITHIN: Urgency = Urgency::Within(60_000);
/// What we think of a contact, for the network: it ranks above strangers and may use our relay.
const TRUST: i16 = 100;

/// A node of another home: its home and the key with which it signs.
type Other = (HomeId, [u8; 32]);

/// Whom this node knows, and by what it is known.
#[derive(Default)]
pub(crate) struct Contacts {
    by_peer: BTreeMap<Peer, Contact>,
    ties: BTreeMap<Other, Tie>,
    tying: BTreeMap<JobId, Other>,
    /// What we say of ourselves, signed.
    own: Option<(NodeRecord, SignedRecord)>,
    /// It is being signed; `true` if it is out of date already.
    signing: Option<(JobId, NodeRecord, bool)>,
    /// Which of our records a peer was told since it is connected.
    told: BTreeMap<Peer, u64>,
    pace: Pace,
}

impl Contacts {
    /// Those that the store gave back.
    pub(crate) fn restored(contacts: Vec<Contact>) -> Self {
        let by_peer = contacts.into_iter().map(|contact| (contact.peer(), contact)).collect();
        Self { by_peer, ..Self::default() }
    }

    /// The contact behind a peer.
    pub(crate) fn of_peer(&self, peer: Peer) -> Option<&Contact> {
        self.by_peer.get(&peer)
    }

    /// The nodes of a home.
    pub(crate) fn of_home(&self, home: HomeId) -> impl Iterator<Item = &Contact> {
        self.by_peer.values().filter(move |contact| contact.home() == home)
    }

    /// All of them, by peer.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Contact> {
        self.by_peer.values()
    }

    /// What we say of ourselves, with its sequence; `None` until it is signed.
    pub(crate) fn own(&self) -> Option<(u64, &SignedRecord)> {
        self.own.as_ref().map(|(record, signed)| (record.sequence, signed))
    }
}

impl Node {
    /// Whether this home answers for that one.
    pub(crate) fn answers_for(&self, home: HomeId) -> bool {
        self.evidence.find(home).is_some_and(|no| self.reach.own().contains_key(&no))
    }

    /// Calls the contacts that the store gave back.
    pub(crate) fn begin_contacts(&mut self) {
        let known: Vec<Peer> = self.contacts.by_peer.keys().copied().collect();
        known.into_iter().for_each(|peer| self.seek(peer));
    }

    /// Keeps contacts to those this home answers for, after its vouches may have changed.
    pub(crate) fn follow_vouches(&mut self) {
        let homes: BTreeSet<HomeId> = self.reach.own().keys().map(|no| self.evidence.name(*no)).collect();
        let gone: Vec<Peer> =
            self.contacts.by_peer.values().filter(|c| !homes.contains(&c.home())).map(Contact::peer).collect();
        gone.into_iter().for_each(|peer| self.drop_contact(peer));
        let nodes: BTreeSet<Other> = homes.iter().flat_map(|home| self.nodes_of(*home)).collect();
        self.contacts.ties.retain(|other, _| nodes.contains(other));
        for node in nodes {
            let known = self.contacts.ties.contains_key(&node) || self.contacts.tying.values().any(|n| *n == node);
            if !known {
                let (own, (other, key)) = (self.home(), node);
                let job = self.start(Job::Tie { own, other, key });
                self.contacts.tying.insert(job, node);
            }
        }
    }

    /// The nodes of a home, as others may check them.
    fn nodes_of(&self, home: HomeId) -> Vec<Other> {
        let Some(no) = self.evidence.find(home) else { return Vec::new() };
        let first = self.evidence.genesis(no).and_then(Genesis::key).map(|key| key.to_bytes());
        let further = self.evidence.told_voices(no).map(|(_, voice)| voice.key);
        first.into_iter().chain(further.take(MAX_NODES - 1)).map(|key| (home, key)).collect()
    }

    /// Of these homes others speak than before: contacts that lost their voice go, and new nodes may be greeted.
    pub(crate) fn follow_nodes_of(&mut self, homes: &BTreeSet<HomeNo>) {
        if !homes.iter().any(|home| self.reach.own().contains_key(home)) {
            return;
        }
        let gone: Vec<Peer> = self.contacts.all().filter(|c| self.was_taken_back(c)).map(Contact::peer).collect();
        gone.into_iter().for_each(|peer| self.drop_contact(peer));
        self.follow_vouches();
    }

    /// Whether the home of a contact has taken it back, as far as is known here.
    pub(crate) fn was_taken_back(&self, contact: &Contact) -> bool {
        let voice = self.evidence.find(contact.home()).and_then(|no| self.evidence.told_voice(no, contact.record.node));
        voice.is_some_and(|voice| voice.until.is_some())
    }

    /// The tie to a home was found: those who are connected may be of it.
    pub(crate) fn tied(&mut self, job: JobId, tie: Option<Tie>) {
        let (Some(node), Some(tie)) = (self.contacts.tying.remove(&job), tie) else { return };
        if !self.answers_for(node.0) {
            return;
        }
        self.contacts.ties.insert(node, tie);
        self.greet_strangers();
    }

    fn greet_strangers(&mut self) {
        let strangers: Vec<Peer> =
            self.mesh.peers.keys().filter(|peer| self.contacts.of_peer(**peer).is_none()).copied().collect();
        strangers.into_iter().for_each(|peer| self.greet(peer));
    }

    /// A peer is connected. Who called speaks first, so that it is done once.
    pub(crate) fn greet_connected(&mut self, now: Now, peer: Peer, found: Found) {
        self.renew_record(now);
        if found != Found::CalledUs {
            self.greet(peer);
        }
    }

    /// A peer is gone: what it was told may be old when it is back.
    pub(crate) fn parted(&mut self, peer: Peer) {
        self.contacts.told.remove(&peer);
    }

    fn greet(&mut self, peer: Peer) {
        if self.contacts.ties.is_empty() {
            return;
        }
        let own = self.identity.about.peer;
        let mut tags: Vec<[u8; TAG_BYTES]> = self.contacts.ties.values().map(|tie| tie.tag(own, peer)).collect();
        // In dozens, the last one filled up, and in an order that tells nothing: of tags, chance is as good as any.
        while !tags.len().is_multiple_of(GREETED) {
            tags.push(self.chance.draw_16());
        }
        tags.sort_unstable();
        for dozen in tags.chunks(GREETED) {
            self.ask(peer, RequestKind::Record, &Word::Greeting(dozen.to_vec()).encode());
        }
    }

    /// A peer greets, or says who it is.
    pub(crate) fn record_asked(&mut self, now: Now, from: Peer, inbound: InboundRef, payload: &[u8]) {
        let known = self.contacts.pace.allows(now, from, MAX_RECORDS_A_MINUTE)
            && match Word::decode(payload) {
                Ok(Word::Greeting(tags)) => self.knows_one_of(from, &tags),
                Ok(Word::Record(signed)) => self.take_record(now, from, signed),
                _ => false,
            };
        let answer = if known { self.own_record_for(from) } else { None };
        self.respond(inbound, answer.map_or(Word::Nothing, Word::Record).encode());
    }

    /// A peer answered our greeting or our record.
    pub(crate) fn record_answered(&mut self, now: Now, from: Peer, payload: &[u8]) {
        if let Ok(Word::Record(signed)) = Word::decode(payload)
            && self.contacts.pace.allows(now, from, MAX_RECORDS_A_MINUTE)
            && self.take_record(now, from, signed)
        {
            self.tell_record(from);
        }
    }

    fn knows_one_of(&self, from: Peer, tags: &[[u8; TAG_BYTES]]) -> bool {
        let own = self.identity.about.peer;
        self.contacts.ties.values().any(|tie| tags.contains(&tie.tag(from, own)))
    }

    fn own_record_for(&mut self, peer: Peer) -> Option<SignedRecord> {
        let (sequence, signed) = self.contacts.own().map(|(sequence, signed)| (sequence, signed.clone()))?;
        // Only a contact is sure to have taken it; who only greeted asks back with its own.
        if self.contacts.of_peer(peer).is_some() {
            self.contacts.told.insert(peer, sequence);
        }
        Some(signed)
    }

    /// Says who we are to a contact that has not heard it.
    fn tell_record(&mut self, peer: Peer) {
        let Some((sequence, signed)) = self.contacts.own() else { return };
        if self.contacts.told.get(&peer) != Some(&sequence) {
            let word = Word::Record(signed.clone()).encode();
            self.contacts.told.insert(peer, sequence);
            self.ask(peer, RequestKind::Record, &word);
        }
    }

    /// A contact has a record of us that is not the newest, or we have such a one of it. It may say so of every beat, so
    /// it counts as if it had asked.
    pub(crate) fn refresh_record(&mut self, now: Now, peer: Peer) {
        if self.contacts.pace.allows(now, peer, MAX_RECORDS_A_MINUTE) {
            self.contacts.told.remove(&peer);
            self.tell_record(peer);
        }
    }

    /// Takes in what a peer says of itself, if it is its own word and of a home this one answers for.
    fn take_record(&mut self, now: Now, from: Peer, signed: SignedRecord) -> bool {
        let Ok(contact) = Contact::open(signed, now.wall) else { return false };
        if contact.peer() != from || !self.answers_for(contact.home()) || self.was_taken_back(&contact) {
            return false;
        }
        let known = self.contacts.of_peer(from).is_some();
        self.keep_contact(now, contact, if known { RENEWED_WITHIN } else { Urgency::Now })
    }

    /// Keeps a contact whose home this one answers for; `false` if that home has too many nodes.
    pub(crate) fn keep_contact(&mut self, now: Now, mut contact: Contact, urgency: Urgency) -> bool {
        let (peer, home) = (contact.peer(), contact.home());
        let before = self.contacts.of_peer(peer);
        if before.is_none() && self.contacts.of_home(home).count() >= MAX_NODES {
            return false;
        }
        let same = before.is_some_and(|before| before.signed == contact.signed);
        if let Some(before) = before.filter(|before| before.home() == home) {
            contact.since = before.since;
        }
        if same {
            // The network may think ill of it since a fault: it has shown again who it is.
            self.put(Output::Order(Order::Trust { peer, score: TRUST }));
        } else {
            self.contacts.by_peer.insert(peer, contact.clone());
            self.put(Output::Write(Write::Contact(Box::new(contact)), urgency));
            self.put(Output::AfterCommit(Promise::Event(Event::ContactChanged(home))));
            self.seek(peer);
            self.mail_connected(now, peer);
        }
        self.heard_from(now, peer);
        true
    }

    /// Has the network call a contact whenever it is away, and think well of it.
    fn seek(&mut self, peer: Peer) {
        let Some(contact) = self.contacts.of_peer(peer) else { return };
        let record = &contact.record;
        let addresses = record.addresses.iter().chain(&record.relays).cloned().collect();
        self.put(Output::Order(Order::Dial { peer, addresses }));
        self.put(Output::Order(Order::Trust { peer, score: TRUST }));
    }

    fn drop_contact(&mut self, peer: Peer) {
        let Some(contact) = self.contacts.by_peer.remove(&peer) else { return };
        self.contacts.told.remove(&peer);
        self.forget_presence(peer);
        self.put(Output::Order(Order::Forget { peer }));
        self.put(Output::Order(Order::Trust { peer, score: 0 }));
        self.put(Output::Write(Write::DropContact(peer), Urgency::Now));
        self.put(Output::AfterCommit(Promise::Event(Event::ContactChanged(contact.home()))));
    }

    /// What we say of ourselves is no longer so: say it anew.
    pub(crate) fn renew_record(&mut self, now: Now) {
        if let Some((_, _, outdated)) = &mut self.contacts.signing {
            *outdated = true;
            return;
        }
        // While nobody has named this node, nobody could check what it says of itself.
        let Some(chain) = self.chain() else { return };
        let record = self.record_of_now(now, chain);
        let own = self.contacts.own.as_ref().map(|(own, _)| own);
        if own.is_some_and(|own| NodeRecord { sequence: record.sequence, ..own.clone() } == record) {
            return;
        }
        let job = self.start(Job::SignRecord(Box::new(record.clone())));
        self.contacts.signing = Some((job, record, false));
    }

    fn record_of_now(&self, now: Now, chain: Chain) -> NodeRecord {
        let Whereabouts { addresses, relays } = Whereabouts::of(&self.mesh.listening);
        let last = self.contacts.own().map_or(0, |(sequence, _)| sequence);
        let wall = now.wall.and_then(|wall| u64::try_from(wall).ok()).unwrap_or(0);
        NodeRecord {
            genesis: self.identity.genesis,
            node: self.identity.node,
            chain,
            about: self.identity.about.clone(),
            addresses,
            relays,
            sequence: wall.max(last + 1),
        }
    }

    /// What we say of ourselves is signed: tell those who know us.
    pub(crate) fn record_signed(&mut self, now: Now, job: JobId, signed: SignedRecord) {
        let Some((_, record, outdated)) = self.contacts.signing.take_if(|(signing, ..)| *signing == job) else {
            return;
        };
        let first = self.contacts.own.replace((record, signed)).is_none();
        self.press_on_all();
        if outdated {
            return self.renew_record(now);
        }
        let connected = |peer: &Peer| self.mesh.peers.contains_key(peer);
        let known: Vec<Peer> = self.contacts.by_peer.keys().copied().filter(connected).collect();
        known.into_iter().for_each(|peer| self.tell_record(peer));
        if first {
            // Who greeted us before we could answer is greeted back.
            self.greet_strangers();
        }
    }

    /// The contacts for those who look.
    pub(crate) fn list_contacts(&self) -> Vec<ContactState> {
        let state = |contact: &Contact| {
            let (home, heard) = (contact.home(), self.presence.of(contact.peer()));
            ContactState {
                home,
                name: self.names.get(&home).cloned().unwrap_or_else(|| home.short()),
                about: contact.record.about.clone(),
                online: heard.is_some_and(|(online, _)| online),
                heard_mono_ms: heard.map(|(_, ms)| ms),
                since: contact.since,
            }
        };
        self.contacts.all().map(state).collect()
    }
}
