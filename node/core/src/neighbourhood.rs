//! The neighbourhood's part of the node: peers, and the statements they bring.

use std::{collections::BTreeMap, sync::Arc};

use meerkat_protocols::{
    batch::Write,
    home::HomeId,
    mesh::{Event as MeshEvent, MessageRef, Order, Peer},
    statement::{Kind, Sealed, Statement},
    time::Now,
};
use serde_bytes::ByteBuf;

use crate::{
    admission::{Admission, Examined, Ignored, Known, Rejected},
    alarms::Alarm,
    event::Event,
    evidence::Inserted,
    input::JobId,
    node::Node,
    output::{Job, Output, Urgency},
    snapshot::{Neighbour, PeerState},
    vouches::Reach,
};

/// The most signatures being checked at once: at 80 µs each a tenth of a second's work.
const MAX_VERIFYING: usize = 1_024;
/// How long a stranger's statement may wait for its commit. It can be had again from neighbours.
const STATEMENT_WITHIN: Urgency = Urgency::Within(60_000);

/// A statement whose signature is being checked.
pub(crate) struct Verifying {
    sealed: Sealed,
    statement: Statement,
    message: Option<MessageRef>,
}

/// What is known of peers, and what is being checked.
#[derive(Default)]
pub(crate) struct Mesh {
    pub(crate) peers: BTreeMap<Peer, PeerState>,
    pub(crate) listening: Vec<String>,
    pub(crate) verifying: BTreeMap<JobId, Verifying>,
}

impl Node {
    /// Takes in what the network reports.
    pub(crate) fn network(&mut self, now: Now, event: MeshEvent) {
        match event {
            MeshEvent::Listening { address } => {
                self.mesh.listening.push(address);
                self.clear(&Alarm::NetworkTrouble(String::new()));
            }
            MeshEvent::Deaf { address } => self.mesh.listening.retain(|a| *a != address),
            MeshEvent::Connected { peer, address, found } => {
                let state = PeerState { peer, address: address.clone(), found, since_mono_ms: now.mono_ms };
                self.mesh.peers.insert(peer, state);
                self.put(Output::Write(Write::Peer(peer, vec![address]), STATEMENT_WITHIN));
                self.put(Output::Event(Event::PeerConnected(peer)));
            }
            MeshEvent::Disconnected { peer } => {
                if self.mesh.peers.remove(&peer).is_some() {
                    self.put(Output::Event(Event::PeerDisconnected(peer)));
                }
            }
            MeshEvent::Gossip { message, from, data } => self.gossip(now, message, from, data),
            MeshEvent::Trouble(why) => self.raise(now, Alarm::NetworkTrouble(why)),
        }
    }

    fn gossip(&mut self, now: Now, message: MessageRef, from: Peer, data: Vec<u8>) {
        let sealed = Sealed(ByteBuf::from(data));
        let admission = match self.known(now).examine(&sealed) {
            Examined::Settled(admission) => admission,
            Examined::Hold(home) => {
                if self.held.hold(home, from, sealed) {
                    self.counts.held += 1;
                }
                Admission::Ignore(Ignored::OutOfReach)
            }
            Examined::Check(..) if self.mesh.verifying.len() >= MAX_VERIFYING => Admission::Ignore(Ignored::Busy),
            Examined::Check(statement, genesis) => {
                let job = self.start(Job::Verify(sealed.clone(), genesis));
                self.mesh.verifying.insert(job, Verifying { sealed, statement, message: Some(message) });
                return;
            }
        };
        self.judge(Some(message), admission);
    }

    fn known(&self, now: Now) -> Known<'_> {
        Known {
            evidence: &self.evidence,
            reach: &self.reach,
            own: self.identity.home(),
            today: now.day(),
            expiry: self.calendar.day(now),
        }
    }

    /// A signature was checked: the statement is evidence now, or forged.
    pub(crate) fn verified(&mut self, now: Now, job: JobId, holds: bool) {
        let Some(Verifying { sealed, statement, message }) = self.mesh.verifying.remove(&job) else { return };
        let admission = if holds { self.admit(now, sealed, &statement) } else { Admission::Reject(Rejected::Forged) };
        self.judge(message, admission);
    }

    fn admit(&mut self, now: Now, sealed: Sealed, statement: &Statement) -> Admission {
        let id = sealed.id();
        match self.evidence.insert(statement, id) {
            Inserted::Known => return Admission::Ignore(Ignored::Known),
            Inserted::Surplus => return Admission::Ignore(Ignored::Surplus),
            Inserted::Full => return Admission::Ignore(Ignored::Full),
            Inserted::New => {}
            Inserted::Equivocation => {
                let vouched = self.evidence.find(statement.home).is_some_and(|no| self.reach.own().contains_key(&no));
                self.walk(now);
                if vouched {
                    self.raise(now, Alarm::NeighbourEquivocates(statement.home));
                }
            }
        }
        self.put(Output::Write(Write::Statement(id, sealed), STATEMENT_WITHIN));
        self.graph_may_have_changed(now, statement.kind());
        self.witness(now, statement);
        if let Some(number) = self.evidence.subject(statement) {
            self.put(Output::Event(Event::ReportReceived(number)));
        }
        Admission::Accept
    }

    /// A neighbour we answer for is the second source for the day.
    pub(crate) fn witness(&mut self, now: Now, statement: &Statement) {
        let known = self.evidence.find(statement.home);
        if known.is_some_and(|no| self.reach.own().contains_key(&no)) {
            self.calendar.witness(now, statement.day);
        }
    }

    fn judge(&mut self, message: Option<MessageRef>, admission: Admission) {
        match admission {
            Admission::Accept => self.counts.accepted += 1,
            Admission::Ignore(_) => self.counts.ignored += 1,
            Admission::Reject(_) => self.counts.rejected += 1,
        }
        if let Some(message) = message {
            self.put(Output::Order(Order::Judge { message, validation: admission.validation() }));
        }
    }

    /// A vouch came or went: walk the graph anew and look at what was held until now.
    pub(crate) fn graph_may_have_changed(&mut self, now: Now, kind: Kind) {
        match kind {
            Kind::Vouch | Kind::Retraction => self.walk(now),
            Kind::Report => {}
        }
    }

    pub(crate) fn walk(&mut self, now: Now) {
        self.reach = Reach::walk(&self.evidence, self.own);
        self.neighbours_changed();
        let (evidence, reach) = (&self.evidence, &self.reach);
        let reached = |home: HomeId| evidence.find(home).is_some_and(|no| reach.reaches(no));
        for sealed in self.held.release(reached) {
            if let Examined::Check(statement, genesis) = self.known(now).examine(&sealed) {
                let job = self.start(Job::Verify(sealed.clone(), genesis));
                self.mesh.verifying.insert(job, Verifying { sealed, statement, message: None });
            }
        }
    }

    /// The list of neighbours for those who look.
    pub(crate) fn neighbours_changed(&mut self) {
        self.neighbours = None;
    }

    pub(crate) fn list_neighbours(&self) -> Arc<Vec<Neighbour>> {
        let counts = self.evidence.report_counts();
        let mut list: Vec<Neighbour> = self
            .reach
            .own()
            .iter()
            .map(|(no, (since, _))| {
                let home = self.evidence.name(*no);
                let name = self.names.get(&home).cloned().unwrap_or_else(|| home.short());
                Neighbour { home, name, since: *since, reports: counts.get(no).copied().unwrap_or(0) }
            })
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name).then(a.home.cmp(&b.home)));
        Arc::new(list)
    }
}
