//! The neighbourhood's part of the node: peers, and the statements they bring.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use meerkat_protocols::{
    batch::Write,
    home::HomeId,
    mesh::{Event as MeshEvent, MessageRef, Order, Peer},
    statement::{Body, Kind, Sealed, Statement, StatementId},
    time::{Day, Now},
    topic::Topic,
};
use serde_bytes::ByteBuf;

use crate::{
    admission::{Admission, Examined, Ignored, Known},
    alarms::Alarm,
    arrivals::{Arrival, GossipedOn},
    event::Event,
    evidence::{HomeNo, Inserted, Speaks},
    exchanges::{ExchangeState, Notice, set_of},
    input::JobId,
    node::Node,
    output::{Job, Output, Promise, Urgency},
    snapshot::{Neighbour, PeerState},
    vouches::Reach,
};

/// The most signatures being checked at once: at 80 µs each a tenth of a second's work.
const MAX_VERIFYING: usize = 1_024;
/// How long a stranger's statement may wait for its commit. It can be had again from neighbours; only from the commit on can
/// it be given to others, so it waits no longer than exchanges leave it to gossip.
const STATEMENT_WITHIN: Urgency = Urgency::Within(30_000);

/// A statement whose signature is being checked.
pub(crate) struct Verifying {
    sealed: Sealed,
    statement: Statement,
    key: [u8; 32],
    message: Option<MessageRef>,
}

/// What is known of peers, and what is being checked.
#[derive(Default)]
pub(crate) struct Mesh {
    pub(crate) peers: BTreeMap<Peer, PeerState>,
    pub(crate) listening: Vec<String>,
    /// What of gossip the network was told to hear.
    pub(crate) heard: Vec<Topic>,
    /// Whether others can call us; unknown until somebody has tried.
    pub(crate) public: Option<bool>,
    pub(crate) exchanges: Vec<ExchangeState>,
    pub(crate) arrivals: BTreeMap<JobId, Arrival>,
    pub(crate) gossiped_on: GossipedOn,
    /// The day by which things expire, as exchanges were told.
    told_day: Option<Day>,
    /// The graph of vouches is to be walked anew.
    pub(crate) walk_due: bool,
    pub(crate) verifying: BTreeMap<JobId, Verifying>,
    /// Homes this one answers for that speak with two tongues.
    twisted: BTreeSet<HomeId>,
}

impl Node {
    /// Takes in what the network reports.
    pub(crate) fn network(&mut self, now: Now, event: MeshEvent) {
        match event {
            MeshEvent::Listening { address } => {
                if !self.mesh.listening.contains(&address) {
                    self.mesh.listening.push(address);
                }
                self.clear(&Alarm::NetworkTrouble(String::new()));
                self.renew_record(now);
            }
            MeshEvent::Deaf { address } => {
                self.mesh.listening.retain(|a| *a != address);
                self.renew_record(now);
            }
            MeshEvent::Connected { peer, address, found, path } => {
                let state = PeerState { peer, address: address.clone(), found, path, since_mono_ms: now.mono_ms };
                self.mesh.peers.insert(peer, state);
                self.remember(now, peer, address, found, path);
                self.give_up(peer);
                if self.contacts.of_peer(peer).is_some() {
                    self.ask_for_peers(now, peer);
                }
                self.put(Output::Notice(Notice::Connected(peer)));
                self.put(Output::Event(Event::PeerConnected(peer)));
                self.greet_connected(now, peer, found);
                self.mail_connected(now, peer);
                self.member_connected(now, peer);
                self.press_on_all();
                self.press_on_enrolling();
            }
            MeshEvent::Disconnected { peer } => {
                if self.mesh.peers.remove(&peer).is_some() {
                    self.put(Output::Notice(Notice::Disconnected(peer)));
                    self.put(Output::Event(Event::PeerDisconnected(peer)));
                    self.parted(peer);
                    self.was_here(now, peer);
                    self.mail_disconnected(now, peer);
                    self.member_disconnected(now, peer);
                }
            }
            MeshEvent::PathChanged { peer, path } => {
                if let Some(state) = self.mesh.peers.get_mut(&peer) {
                    state.path = path;
                    self.put(Output::Event(Event::PeerPathChanged(peer)));
                }
            }
            MeshEvent::Reachable { public } => self.mesh.public = Some(public),
            MeshEvent::Request { from, inbound, data } => self.asked(now, from, inbound, &data),
            MeshEvent::MemberAsks { from, inbound, data } => self.member_asked(now, from, inbound, &data),
            MeshEvent::Response { request, data } => self.answered(now, request, Some(&data)),
            MeshEvent::Unanswered { request } => self.answered(now, request, None),
            MeshEvent::Pinged { peer, rtt_us, path } => self.pinged(peer, rtt_us, path),
            MeshEvent::Gossip { message, from, data } => self.gossip(now, message, from, data),
            MeshEvent::Trouble(why) => self.raise(now, Alarm::NetworkTrouble(why)),
        }
    }

    fn gossip(&mut self, now: Now, message: MessageRef, from: Peer, data: Vec<u8>) {
        let sealed = Sealed(ByteBuf::from(data));
        let admission = match self.known(now).examine(&sealed) {
            Examined::Settled(admission) => admission,
            Examined::Hold(statement, why) => {
                self.hold(&statement, from, sealed);
                Admission::Ignore(why)
            }
            Examined::Check(..) if self.mesh.verifying.len() >= MAX_VERIFYING => Admission::Ignore(Ignored::Busy),
            Examined::Check(statement, key) => {
                self.verify(sealed, statement, key, Some(message));
                return;
            }
        };
        self.judge(Some(message), admission);
    }

    fn hold(&mut self, statement: &Statement, from: Peer, sealed: Sealed) {
        if self.held.hold(statement.home, statement.day, from, sealed) {
            self.counts.held += 1;
        }
    }

    fn verify(&mut self, sealed: Sealed, statement: Statement, key: [u8; 32], message: Option<MessageRef>) {
        let job = self.start(Job::Verify(sealed.clone(), key));
        self.mesh.verifying.insert(job, Verifying { sealed, statement, key, message });
    }

    pub(crate) fn known(&self, now: Now) -> Known<'_> {
        Known {
            evidence: &self.evidence,
            reach: &self.reach,
            own: (self.home(), self.identity.node),
            today: now.day(),
            expiry: self.calendar.day(now),
        }
    }

    /// A signature was checked: the statement is evidence now, or forged.
    pub(crate) fn verified(&mut self, now: Now, job: JobId, holds: bool) {
        let Some(Verifying { sealed, statement, key, message }) = self.mesh.verifying.remove(&job) else { return };
        let admission = if holds {
            self.admit(now, sealed, (&statement, key), STATEMENT_WITHIN, true)
        } else {
            Admission::of_forged(statement.node)
        };
        self.judge(message, admission);
    }

    /// Takes in a statement that this key signed; `fresh` is whether gossip is still carrying it.
    pub(crate) fn admit(
        &mut self,
        now: Now,
        sealed: Sealed,
        (statement, key): (&Statement, [u8; 32]),
        urgency: Urgency,
        fresh: bool,
    ) -> Admission {
        let id = sealed.id();
        // Meanwhile its home may have named the node with another key.
        if self.evidence.speaks(statement) != Speaks::Key(key) {
            return Admission::Ignore(Ignored::OtherKey);
        }
        let near = |no| no == self.own || self.reach.own().contains_key(&no);
        let near = self.evidence.find(statement.home).is_some_and(near);
        let inserted = self.evidence.insert(statement, id, near);
        match inserted {
            Inserted::Known => return Admission::Ignore(Ignored::Known),
            Inserted::Surplus => return Admission::Ignore(Ignored::Surplus),
            Inserted::Excess => return Admission::Ignore(Ignored::Excess),
            Inserted::Full => return Admission::Ignore(Ignored::Full),
            Inserted::Unspoken => return Admission::Ignore(Ignored::OtherKey),
            Inserted::New | Inserted::Equivocation => {}
        }
        self.heard_delegation(statement, &sealed);
        self.keep_statement(now, statement, sealed, urgency, fresh);
        self.accepted(now, statement, inserted);
        self.witness(now, statement);
        if let Some(number) = self.evidence.subject(statement) {
            self.put(Output::Event(Event::ReportReceived(number)));
        }
        Admission::Accept
    }

    /// Writes a statement down. Once it is on disk, it can be given to peers that lack it.
    pub(crate) fn keep_statement(
        &mut self,
        now: Now,
        statement: &Statement,
        sealed: Sealed,
        urgency: Urgency,
        fresh: bool,
    ) {
        let id = sealed.id();
        self.put(Output::Write(Write::Statement(id, sealed), urgency));
        let kept = Notice::Kept { set: set_of(statement), id, fresh_since_ms: fresh.then_some(now.mono_ms) };
        self.put(Output::AfterCommit(Promise::Notice(kept)));
    }

    /// Forgets a statement.
    pub(crate) fn drop_statement(&mut self, id: StatementId) {
        self.put(Output::Write(Write::DropStatement(id), STATEMENT_WITHIN));
        self.put(Output::AfterCommit(Promise::Notice(Notice::Gone(id))));
    }

    /// Forgets what newer statements of the same home have pushed out.
    pub(crate) fn drop_given_up(&mut self) {
        self.evidence.take_given_up().into_iter().for_each(|id| self.drop_statement(id));
    }

    /// Says from which day on statements are compared, when that has changed.
    pub(crate) fn tell_day(&mut self, now: Now) {
        let day = self.calendar.day(now);
        if let Some(day) = day.filter(|_| day != self.mesh.told_day) {
            self.mesh.told_day = Some(day);
            self.put(Output::Notice(Notice::Day(day)));
        }
    }

    /// A neighbour we answer for is the second source for the day.
    pub(crate) fn witness(&mut self, now: Now, statement: &Statement) {
        if self.evidence.find(statement.home).is_some_and(|no| self.is_witness(no)) {
            self.calendar.witness(now, statement.day);
        }
    }

    fn is_witness(&self, home: HomeNo) -> bool {
        self.reach.own().contains_key(&home) && !self.evidence.equivocates(home)
    }

    /// Reads the day off what neighbours have said so far: after a start, and while nobody has named one.
    pub(crate) fn recall_day(&mut self, now: Now) {
        let newest = now.day().and_then(|today| self.evidence.newest_day(today, |no| self.is_witness(no)));
        if let Some(day) = newest {
            self.calendar.witness(now, day);
        }
    }

    fn judge(&mut self, message: Option<MessageRef>, admission: Admission) {
        self.count(admission);
        if let Some(message) = message {
            self.put(Output::Order(Order::Judge { message, validation: admission.validation() }));
        }
    }

    pub(crate) fn count(&mut self, admission: Admission) {
        match admission {
            Admission::Accept => self.counts.accepted += 1,
            Admission::Ignore(_) => self.counts.ignored += 1,
            Admission::Reject(_) => self.counts.rejected += 1,
        }
    }

    /// A statement became evidence: follow what it changes in the graph, and look at what was held until now.
    pub(crate) fn accepted(&mut self, now: Now, statement: &Statement, inserted: Inserted) {
        self.neighbours = None;
        self.drop_given_up();
        self.ranges.outdated(now);
        match (inserted, statement.body) {
            (Inserted::Equivocation, _) => self.mesh.walk_due = true,
            // What takes back no vouch that is known changes no way; a vouch that comes after it never counts.
            (Inserted::New, Body::Retraction { kind: Kind::Vouch, .. }) => {
                self.mesh.walk_due |= self.evidence.takes_back_a_vouch(statement);
            }
            (Inserted::New, Body::Vouch(_)) => {
                let who = self.evidence.number_of(statement.home);
                match self.reach.grow(&self.evidence, self.own, who) {
                    Some(new) => {
                        self.graph.outdated(now);
                        self.follow_vouches();
                        self.see_two_tongues(now);
                        let new: Vec<HomeId> = new.into_iter().map(|no| self.evidence.name(no)).collect();
                        self.release(now, &new);
                        self.tell_reached(new);
                    }
                    None => self.mesh.walk_due = true,
                }
            }
            (Inserted::New, Body::Report { .. } | Body::Retraction { .. } | Body::Delegation(_)) => {}
            (Inserted::Known | Inserted::Surplus | Inserted::Excess | Inserted::Unspoken | Inserted::Full, _) => {}
        }
        self.follow_voices(now);
    }

    /// Walks the graph of vouches anew, if something has changed it: once for all that came together. A frame of an exchange
    /// may hold 256 retractions, and a walk over a city takes milliseconds.
    pub(crate) fn walk_if_due(&mut self, now: Now) {
        if std::mem::take(&mut self.mesh.walk_due) {
            self.walk(now);
        }
    }

    /// Walks the graph of vouches anew.
    pub(crate) fn walk(&mut self, now: Now) {
        let before = std::mem::replace(&mut self.reach, Reach::walk(&self.evidence, self.own));
        // The first walk after a start finds nothing that was brought in vain.
        let before = Some(before).filter(|before| before.homes().next().is_some());
        if let Some(before) = before {
            let new = self.reach.homes().filter(|no| !before.reaches(*no));
            self.tell_reached(new.map(|no| self.evidence.name(no)).collect());
        }
        self.graph.outdated(now);
        self.neighbours = None;
        self.follow_vouches();
        self.see_two_tongues(now);
        let reached = |home: &HomeId| self.evidence.find(*home).is_some_and(|no| self.reach.reaches(no));
        let homes: Vec<HomeId> = self.held.homes().into_iter().filter(reached).collect();
        self.release(now, &homes);
    }

    /// What peers brought of these homes in vain is evidence now.
    pub(crate) fn tell_reached(&mut self, homes: Vec<HomeId>) {
        if !homes.is_empty() {
            // In one order with what was declined: that is told after its commit.
            self.put(Output::AfterCommit(Promise::Notice(Notice::Reached(homes))));
        }
    }

    pub(crate) fn release(&mut self, now: Now, homes: &[HomeId]) {
        for (from, sealed) in homes.iter().flat_map(|home| self.held.release(*home)).collect::<Vec<_>>() {
            match self.known(now).examine(&sealed) {
                Examined::Check(statement, key) => self.verify(sealed, statement, key, None),
                // Of a node that is named by one that is not known yet either.
                Examined::Hold(statement, _) => drop(self.held.hold(statement.home, statement.day, from, sealed)),
                Examined::Settled(_) => {}
            }
        }
    }

    /// The alarm stands exactly while this home answers for one that speaks with two tongues.
    fn see_two_tongues(&mut self, now: Now) {
        let twisted = self.reach.own().keys().filter(|no| self.evidence.equivocates(**no));
        let twisted: BTreeSet<HomeId> = twisted.map(|no| self.evidence.name(*no)).collect();
        let before: Vec<HomeId> = self.mesh.twisted.difference(&twisted).copied().collect();
        for home in before {
            self.clear(&Alarm::NeighbourEquivocates(home));
        }
        for home in &twisted {
            self.raise(now, Alarm::NeighbourEquivocates(*home));
        }
        self.mesh.twisted = twisted;
    }

    /// The list of neighbours for those who look.
    pub(crate) fn list_neighbours(&self) -> Arc<Vec<Neighbour>> {
        let mut list: Vec<Neighbour> = self
            .reach
            .own()
            .iter()
            .map(|(no, (since, _))| {
                let home = self.evidence.name(*no);
                let name = self.names.get(&home).cloned().unwrap_or_else(|| home.short());
                Neighbour { home, name, since: *since, reports: self.evidence.report_count(*no) }
            })
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name).then(a.home.cmp(&b.home)));
        Arc::new(list)
    }
}
