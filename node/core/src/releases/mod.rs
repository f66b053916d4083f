//! Keys of members' stores that other members give out: what this node holds for others, who asked for it, and what this
//! node entrusted to them itself (`own.rs`). How a node asks whose store is shut is in `waiting.rs`.
//!
//! Every member that is told holds the whole secret: one that is reachable is enough. A node that was removed gets nothing
//! from those who know of the removal, and what it held for others is replaced by them.

mod own;
mod waiting;

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{
    batch::Write,
    home::NodeNumber,
    mesh::{InboundRef, Order, Peer, RequestRef},
    release::{Answer, Entrusted, Hold, Holding, Question, Release, ReleaseId},
    time::Now,
};

use crate::{
    alarms::Alarm,
    household::MemberInbound,
    node::Node,
    output::{Output, Promise, Urgency},
};

use own::Coming;
pub use own::ReleaseCommand;
pub use waiting::{UnlockStep, Unlocking};

/// How often in an hour a member is given its key: one that is plugged in and out all day, or restarts in a circle, still
/// finds its key; who tries what the card's key opens does not get far.
const MOST_AN_HOUR: u32 = 12;
const HOUR_MS: u64 = 3_600_000;
/// How soon a node asks again that seems to run: after a power cut its old connection stands for some tens of seconds.
const RUNS_AGAIN_S: u32 = 5;
/// How long somebody may ask for the key of a node that runs before that is no broken connection any more.
const RUNS_MS: u64 = 120_000;

/// The keys of members' stores, as far as this node has to do with them.
#[derive(Default)]
pub(crate) struct Releases {
    /// What is on disk: of others what is held for them, of this node who was given what opens its store.
    rows: BTreeMap<(NodeNumber, ReleaseId), Release>,
    /// What opens this node's own store, if members give it out.
    own: Option<Entrusted>,
    /// Members that said that they hold it.
    confirmed: BTreeSet<NodeNumber>,
    coming: Option<Coming>,
    /// Words under way, with the secret to come that they told of.
    asked: BTreeMap<RequestRef, Option<ReleaseId>>,
    given: BTreeMap<NodeNumber, (u64, u32)>,
    /// When it was last written down that a removed node was refused.
    refused: BTreeMap<NodeNumber, u64>,
    /// Since when somebody asks for the key of a node that runs.
    doubles: BTreeMap<NodeNumber, u64>,
    whereabouts: BTreeMap<NodeNumber, Vec<String>>,
}

/// How the key of this node's store is shared, for those who look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ReleasesState {
    /// The members that hold what opens it, as they said since this start.
    pub holders: Vec<NodeNumber>,
    /// The members for whose stores this node holds a key.
    pub held_for: Vec<NodeNumber>,
    /// Where the other members are found, for a start at which they are to be asked.
    pub whom: Vec<(Peer, Vec<String>)>,
}

impl Releases {
    /// What the store gave back, and what the key file says.
    pub(crate) fn restored(own: Option<Entrusted>, rows: Vec<Release>) -> Self {
        let rows = rows.into_iter().map(|row| ((row.owner, row.id), row)).collect();
        Self { rows, own, ..Self::default() }
    }
}

impl Node {
    /// A member says what this node is to hold for it: this alone.
    pub(crate) fn releases_asked(&mut self, from: NodeNumber, inbound: MemberInbound, payload: &[u8]) {
        let Some(Hold(wanted)) = Hold::decode(payload) else { return self.refuse_member(inbound) };
        let wanted: BTreeMap<ReleaseId, Release> = wanted
            .into_iter()
            .map(|held| {
                let (id, asker, secret) = (held.0, held.1, Some(held.2));
                (id, Release { owner: from, id, asker, secret, holders: Vec::new() })
            })
            .collect();
        let gone: Vec<ReleaseId> = self.ids_of(from).filter(|id| !wanted.contains_key(id)).collect();
        gone.into_iter().for_each(|id| self.drop_release(from, id));
        let ids = wanted.keys().copied().collect();
        for (id, release) in wanted {
            if self.releases.rows.get(&(from, id)) != Some(&release) {
                self.keep_release(release);
            }
        }
        self.answer_member_when_saved(inbound, &Holding(ids).encode());
    }

    fn ids_of(&self, owner: NodeNumber) -> impl Iterator<Item = ReleaseId> {
        self.releases.rows.keys().filter(move |(of, _)| *of == owner).map(|(_, id)| *id)
    }

    fn keep_release(&mut self, release: Release) {
        self.put(Output::Write(Write::Release(Box::new(release.clone())), Urgency::Now));
        self.releases.rows.insert((release.owner, release.id), release);
    }

    fn drop_release(&mut self, owner: NodeNumber, id: ReleaseId) {
        if self.releases.rows.remove(&(owner, id)).is_some() {
            self.put(Output::Write(Write::DropRelease(owner, id), Urgency::Now));
        }
    }

    /// A locked node asks for what opens its store. The network has shown under which key it asks.
    pub(crate) fn release_asked(&mut self, now: Now, from: Peer, inbound: InboundRef, payload: &[u8]) {
        let answer = match Question::decode(payload) {
            Some(Question(id)) => self.answer_to(now, from, id),
            None => Answer::Unknown,
        };
        let order = Order::Respond { inbound, data: answer.encode() };
        if matches!(answer, Answer::Given(_)) {
            // Not before it is on disk that it was given.
            self.put(Output::AfterCommit(Promise::Order(order)));
        } else {
            self.put(Output::Order(order));
        }
    }

    fn answer_to(&mut self, now: Now, from: Peer, id: ReleaseId) -> Answer {
        let own = self.identity.node;
        let found = self.releases.rows.values().find(|row| row.owner != own && row.id == id && row.asker == from);
        let Some(row) = found.filter(|_| !self.household.is_expelled()) else { return Answer::Unknown };
        let owner = row.owner;
        let member = self.household.roster().member(owner).is_some();
        let Some(secret) = row.secret.clone().filter(|_| member) else {
            self.note_refusal(now, owner);
            return Answer::Removed;
        };
        if self.is_member_there(owner) {
            return self.doubled(now, owner);
        }
        self.releases.doubles.remove(&owner);
        if let Some(seconds) = self.waits_for_key(now, owner) {
            return Answer::TooOften(seconds);
        }
        let name = self.name_of_node(owner);
        self.log_act(now, "key.release", &name, "done");
        self.raise(now, Alarm::KeyReleased(owner, name));
        Answer::Given(secret)
    }

    /// Somebody asks for the key of a node that is connected as itself: after a power cut it is the node, and its old
    /// connection soon breaks; later it is a copy of its card.
    fn doubled(&mut self, now: Now, owner: NodeNumber) -> Answer {
        let since = *self.releases.doubles.entry(owner).or_insert(now.mono_ms);
        let name = self.name_of_node(owner);
        let like = Alarm::KeyRefused(owner, name.clone());
        if now.mono_ms >= since + RUNS_MS && !self.stands(&like) {
            self.log_act(now, "key.release", &name, "refused: it runs elsewhere");
            self.raise(now, like);
        }
        Answer::Runs(RUNS_AGAIN_S)
    }

    /// How long a member has to wait for its key, if it got it too often.
    fn waits_for_key(&mut self, now: Now, owner: NodeNumber) -> Option<u32> {
        let (since, count) = self.releases.given.entry(owner).or_insert((now.mono_ms, 0));
        if now.mono_ms >= *since + HOUR_MS {
            (*since, *count) = (now.mono_ms, 0);
        }
        *count = count.saturating_add(1);
        let (left_ms, count) = ((*since + HOUR_MS).saturating_sub(now.mono_ms), *count);
        if count == MOST_AN_HOUR + 1 {
            let name = self.name_of_node(owner);
            self.log_act(now, "key.release", &name, "refused: too often");
        }
        (count > MOST_AN_HOUR).then(|| u32::try_from(left_ms.div_ceil(1_000)).unwrap_or(u32::MAX))
    }

    /// Once an hour at most, however often it asks.
    fn note_refusal(&mut self, now: Now, owner: NodeNumber) {
        let name = self.name_of_node(owner);
        self.raise(now, Alarm::KeyRefused(owner, name.clone()));
        let last = self.releases.refused.get(&owner);
        if last.is_none_or(|last| now.mono_ms >= last + HOUR_MS) {
            self.releases.refused.insert(owner, now.mono_ms);
            self.log_act(now, "key.release", &name, "refused: removed");
        }
    }

    pub(crate) fn name_of_node(&self, number: NodeNumber) -> String {
        let roster = self.household.roster();
        let removed = || roster.removed().find(|member| member.number == number);
        roster
            .member(number)
            .or_else(removed)
            .map_or_else(|| format!("node {}", number.0), |member| member.name.clone())
    }

    /// The roster has changed: of who is out nothing is kept, and what it knew is replaced.
    pub(crate) fn releases_follow_roster(&mut self, now: Now) {
        let own = self.identity.node;
        let expelled = self.household.is_expelled();
        let held: Vec<Release> = self.releases.rows.values().filter(|row| row.owner != own).cloned().collect();
        for mut row in held {
            if expelled {
                // The others replace what a removed node knew; it need not keep it either.
                self.drop_release(row.owner, row.id);
            } else if row.secret.is_some() && self.household.roster().is_removed(row.owner) {
                row.secret = None;
                let name = self.name_of_node(row.owner);
                self.log_act(now, "key.forget", &name, "done");
                self.keep_release(row);
            }
        }
        self.renew_if_known_outside();
        self.see_holders(now);
    }

    /// Where a member says it is found.
    pub(crate) fn found_at(&mut self, number: NodeNumber, addresses: &[String]) {
        if !addresses.is_empty() {
            self.releases.whereabouts.insert(number, addresses.to_vec());
        }
    }

    /// How the key of this node's store is shared.
    pub(crate) fn releases_state(&self) -> ReleasesState {
        let own = self.identity.node;
        let held_for: BTreeSet<NodeNumber> = self
            .releases
            .rows
            .values()
            .filter(|row| row.owner != own && row.secret.is_some())
            .map(|r| r.owner)
            .collect();
        let whom = self.others().map(|member| {
            let told = self.releases.whereabouts.get(&member.number).cloned().unwrap_or_default();
            let reached = self.peers.address_of(member.peer).map(str::to_owned);
            let mut addresses: Vec<String> = reached.into_iter().chain(told).collect();
            let mut seen = BTreeSet::new();
            addresses.retain(|address| seen.insert(address.clone()));
            (member.peer, addresses)
        });
        ReleasesState {
            holders: self.releases.confirmed.iter().copied().filter(|n| self.is_other(*n)).collect(),
            held_for: held_for.into_iter().collect(),
            whom: whom.collect(),
        }
    }

    fn is_other(&self, number: NodeNumber) -> bool {
        number != self.identity.node && self.household.roster().member(number).is_some()
    }
}
