//! The household: which nodes are one home, and what they say to each other.
//!
//! [`Roster`] says who is a member; in here is what a node does about it. A word of a peer that is no member is not
//! looked at. When a member is connected, the two compare their rosters first, so that a removal goes before everything
//! else; only then the other parts hear that it came. `design/household.md` draws it.

mod about;
mod changes;
mod channel;
pub(crate) mod facts;
mod hello;
mod leaving;
mod runs;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use meerkat_protocols::{
    batch::Write,
    home::{Genesis, NodeNumber},
    household::Run,
    letter::SealSecret,
    mesh::{Order, Peer, RequestRef},
    roster::{EntryId, EpochBox, EpochKey, FrameKey, Member, Roster, SignedEntry},
    time::Now,
};

use crate::{
    alarms::Alarm,
    command::Refusal,
    event::Event,
    input::JobId,
    node::Node,
    output::{Job, Output, Promise, Urgency},
    snapshot::{HouseholdState, MemberState},
};

pub(crate) use about::Abouts;
pub use changes::Then;
pub use channel::MemberInbound;

use channel::Asked;

/// The most changes of the roster that wait to be signed: people make them one by one.
const MAX_WANTED: usize = 32;

/// The household as this node knows it.
pub(crate) struct Household {
    roster: Roster,
    /// The keys of the epochs that are sealed to this node, as far as they are open.
    keys: BTreeMap<EntryId, EpochKey>,
    opening: BTreeMap<JobId, EntryId>,
    frame: Option<FrameKey>,
    wanted: VecDeque<(meerkat_protocols::roster::Change, Then)>,
    signing: Option<(JobId, Then)>,
    asked: BTreeMap<RequestRef, Asked>,
    /// Connected members whose roster is equal to ours.
    there: BTreeSet<NodeNumber>,
    /// Members to greet again once they have answered: there is news since.
    again: BTreeSet<NodeNumber>,
    run: Run,
    runs: runs::Runs,
    pub(crate) abouts: about::Abouts,
    goodbyes: leaving::Goodbyes,
    hello_due_ms: Option<u64>,
    rekey_due_ms: Option<u64>,
    /// This node was removed.
    expelled: bool,
}

impl Household {
    /// What the store gave back of it; entries in any order.
    pub(crate) fn restored(
        genesis: Genesis,
        mut entries: Vec<SignedEntry>,
        keys: Vec<(EntryId, EpochKey)>,
        run: Run,
    ) -> Self {
        let mut roster = Roster::of(genesis);
        loop {
            let before = entries.len();
            // What builds on others waits for them; what was damaged on disk never comes and is fetched again.
            entries.retain(|entry| roster.insert(entry.clone()).is_err());
            if entries.len() == before {
                break;
            }
        }
        Self {
            roster,
            keys: keys.into_iter().collect(),
            opening: BTreeMap::new(),
            frame: None,
            wanted: VecDeque::new(),
            signing: None,
            asked: BTreeMap::new(),
            there: BTreeSet::new(),
            again: BTreeSet::new(),
            run,
            runs: runs::Runs::default(),
            abouts: about::Abouts::default(),
            goodbyes: leaving::Goodbyes::default(),
            hello_due_ms: None,
            rekey_due_ms: None,
            expelled: false,
        }
    }

    /// Whether this node was removed.
    pub(crate) fn is_expelled(&self) -> bool {
        self.expelled
    }

    /// When something is to be done, in milliseconds of the monotonic clock.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let own = [self.hello_due_ms, self.rekey_due_ms, self.abouts.due_ms(), self.goodbyes.due_ms()];
        own.into_iter().flatten().min()
    }
}

/// The latest epochs that are sealed to a node, each with its box and who sealed it.
fn sealed_epochs(roster: &Roster, own: NodeNumber) -> Vec<(EntryId, NodeNumber, EpochBox)> {
    let sealed = |id: &EntryId| roster.epoch_box(*id, own).map(|(author, sealed)| (*id, author, sealed.clone()));
    roster.state().epochs.keys().filter_map(sealed).collect()
}

/// Opens the keys of the epochs that a roster's entries seal to this node, for whoever starts it and holds its secret.
#[must_use]
pub fn open_epochs(
    genesis: Genesis,
    own: NodeNumber,
    entries: &[SignedEntry],
    secret: &SealSecret,
) -> Vec<(EntryId, EpochKey)> {
    let household = Household::restored(genesis, entries.to_vec(), Vec::new(), Run::default());
    let open = |(id, author, sealed): (EntryId, NodeNumber, EpochBox)| {
        Some((id, sealed.open(secret, genesis.home(), author, own).ok()?))
    };
    sealed_epochs(&household.roster, own).into_iter().filter_map(open).collect()
}

impl Node {
    /// The other members.
    pub(crate) fn others(&self) -> impl Iterator<Item = &Member> {
        let own = self.identity.node;
        self.household.roster.members().filter(move |member| member.number != own)
    }

    /// The member behind a peer, if it is another one than this node and this node is still one itself.
    pub(crate) fn member_of(&self, peer: Peer) -> Option<NodeNumber> {
        let found = self.others().find(|member| member.peer == peer).map(|member| member.number);
        found.filter(|_| !self.household.expelled)
    }

    /// Whether a member is connected and has the same roster.
    pub(crate) fn is_member_there(&self, number: NodeNumber) -> bool {
        self.household.there.contains(&number)
    }

    /// Whether this node may speak for the home: not if it was removed, nor if a copy of it may use the same slots.
    pub(crate) fn check_voice(&self) -> Result<(), Refusal> {
        if self.household.expelled {
            return Err(Refusal::Invalid(Alarm::Expelled.words()));
        }
        if self.has_copy() { Err(Refusal::Invalid(Alarm::OwnCopy.words())) } else { Ok(()) }
    }

    /// After a start: the keys are found, the members called.
    pub(crate) fn begin_household(&mut self, now: Now) {
        self.follow_roster(now);
    }

    /// The roster has changed, or is known now: keys, network and people follow it.
    fn follow_roster(&mut self, now: Now) {
        let own = self.identity.node;
        self.household.expelled = self.household.roster.is_removed(own);
        if self.household.expelled {
            self.raise(now, Alarm::Expelled);
        }
        for (id, author, sealed) in sealed_epochs(&self.household.roster, own) {
            let known = self.household.keys.contains_key(&id) || self.household.opening.values().any(|at| *at == id);
            if !known {
                let job = self.start(Job::OpenEpoch { sealed, home: self.home(), author, to: own });
                self.household.opening.insert(job, id);
            }
        }
        self.find_frame_key(now);
        self.tell_network();
        self.runs_follow_roster();
        self.plan_rekey(now);
        self.speak_for_household(now);
        self.releases_follow_roster(now);
    }

    /// An epoch's key was opened, or is not for us.
    pub(crate) fn epoch_opened(&mut self, now: Now, job: JobId, key: Option<EpochKey>) {
        let Some(id) = self.household.opening.remove(&job) else { return };
        if let Some(key) = key {
            self.household.keys.insert(id, key);
            self.find_frame_key(now);
        }
    }

    /// Derives the key of frames from the latest epochs, if all their keys are here. What was said before is over then:
    /// the members greet each other anew.
    fn find_frame_key(&mut self, now: Now) {
        let household = &mut self.household;
        let latest: Vec<EntryId> = household.roster.state().epochs.keys().copied().collect();
        household.keys.retain(|id, _| latest.contains(id));
        let keys: Option<Vec<_>> =
            latest.iter().map(|id| household.keys.get(id).map(|key| (*id, key.clone()))).collect();
        let home = household.roster.home();
        let frame = keys.filter(|_| !household.expelled).and_then(|keys| FrameKey::of(home, &keys));
        if frame == household.frame {
            return;
        }
        household.frame = frame;
        let there = std::mem::take(&mut household.there);
        there.into_iter().for_each(|number| self.member_is_away(now, number));
        self.greet_members(now);
    }

    /// Who may speak to us, whom to call, whom to trust.
    fn tell_network(&mut self) {
        let own = self.identity.node;
        let members: Vec<Peer> = match self.household.expelled {
            true => Vec::new(),
            false => self.others().map(|member| member.peer).collect(),
        };
        for peer in &members {
            let addresses = self.peers.address_of(*peer).map(str::to_owned).into_iter().collect();
            self.put(Output::Order(Order::Dial { peer: *peer, addresses }));
            self.put(Output::Order(Order::Trust { peer: *peer, score: MEMBER_TRUST }));
        }
        let gone: Vec<Peer> = self.household.roster.removed().filter(|m| m.number != own).map(|m| m.peer).collect();
        for peer in gone.into_iter().filter(|peer| !members.contains(peer)) {
            self.put(Output::Order(Order::Forget { peer }));
            self.put(Output::Order(Order::Trust { peer, score: 0 }));
            if self.mesh.peers.contains_key(&peer) {
                self.tell_removal(peer);
            }
        }
        if self.household.expelled {
            let others: Vec<Peer> = self.others().map(|member| member.peer).collect();
            let connected = others.into_iter().filter(|peer| self.mesh.peers.contains_key(peer)).collect::<Vec<_>>();
            connected.into_iter().for_each(|peer| self.tell_removal(peer));
        }
        if !self.household.roster.is_empty() {
            self.put(Output::Order(Order::Members { peers: members }));
        }
    }

    /// Keeps entries that have come or were made. Gives how many were new.
    fn keep_entries(&mut self, now: Now, entries: Vec<SignedEntry>) -> usize {
        let mut new = 0;
        for entry in entries {
            let id = entry.id();
            if self.household.roster.insert(entry.clone()) == Ok(true) {
                new += 1;
                self.put(Output::Write(Write::RosterEntry(id, entry), Urgency::Now));
            }
        }
        if new > 0 {
            self.put(Output::AfterCommit(Promise::Event(Event::HouseholdChanged)));
            self.follow_roster(now);
            self.greet_members(now);
        }
        new
    }

    /// The household for those who look.
    pub(crate) fn household_state(&self) -> HouseholdState {
        let state = |member: &Member, removed: bool| MemberState {
            number: member.number,
            name: member.name.clone(),
            role: member.role,
            peer: member.peer,
            since: member.since,
            own: member.number == self.identity.node,
            online: self.mesh.peers.contains_key(&member.peer),
            in_step: self.is_member_there(member.number),
            twin: self.household.runs.is_twin(member.number),
            removed,
            left: removed && self.has_left(member.number),
            word: match member.number == self.identity.node {
                true => self.own_word(),
                false => self.household.abouts.word(member.number),
            },
            seen: self.household.abouts.seen(member.number),
        };
        let roster = &self.household.roster;
        let members = roster.members().map(|member| state(member, false));
        HouseholdState {
            members: members.chain(roster.removed().map(|member| state(member, true))).collect(),
            expelled: self.household.expelled,
        }
    }
}

/// What we think of a member, for the network: more than of a neighbour.
const MEMBER_TRUST: i16 = 1_000;
