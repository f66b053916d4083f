//! The nodes of this home that speak to others: naming its members, taking back who was removed, and the chain by which
//! others check this node.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{
    delegation::{Chain, Delegation, MAX_DEPTH},
    home::{HomeId, NodeNumber},
    roster::{Change, Role, Roster, Share},
    statement::{Body, Kind, LIFETIME_DAYS, Sealed, Statement},
    time::{Day, Now},
};

use crate::{command::Refusal, evidence::HomeNo, node::Node, voices::Place};

/// The first node of a home.
const FIRST: NodeNumber = NodeNumber(0);
/// After how many days a member is named again: half the life of what names it.
const RENEW_AFTER_DAYS: i32 = LIFETIME_DAYS / 2;
/// How much later each further member that could do the same does it, if nobody did before.
const TURN_MS: u64 = 3_600_000;
/// Own delegations whose bytes are kept at hand: twice the members a household may have, and what was said again.
const MAX_AT_HAND: usize = 64;

/// What this node does so that others know its household's nodes.
#[derive(Debug, Default)]
pub(crate) struct Delegates {
    /// The delegations of this home, as signed.
    said: BTreeMap<Place, Sealed>,
    /// The members, as they were added, and their parts of the slots then.
    members: BTreeMap<NodeNumber, ([u8; 32], Share)>,
    removed: BTreeSet<NodeNumber>,
    /// Whether this node may take members out.
    admin: bool,
    /// Since when what should be said is not, in milliseconds of the monotonic clock.
    missing: BTreeMap<NodeNumber, u64>,
    /// Being signed.
    under_way: BTreeSet<(NodeNumber, Option<Place>)>,
}

impl Node {
    /// The members of the household are believed, whoever has named them to others.
    pub(crate) fn know_household(&mut self) {
        let members = as_added(self.household.roster());
        let further = members.iter().filter(|(node, _)| **node != FIRST).map(|(node, member)| (*node, *member));
        self.evidence.know_members(further.collect());
        self.delegates.members = members;
    }

    /// The household has changed, or is known now: what its members say is believed, who is new is named to others, who is
    /// out is taken back, and this node keeps to its own part of the slots.
    pub(crate) fn speak_for_household(&mut self, now: Now) {
        self.know_household();
        let roster = self.household.roster();
        let removed = roster.removed().map(|member| member.number).collect();
        let own = roster.member(self.identity.node).map(|member| (member.role, member.share));
        self.delegates.removed = removed;
        self.delegates.admin = own.is_some_and(|(role, _)| role == Role::Admin);
        if let Some((_, share)) = own {
            self.identity.share = share;
            self.speaker_share(share);
        }
        self.follow_voices(now);
        self.mind_delegates(now);
    }

    /// A delegation of this home was heard or said: its bytes are shown to those who check us.
    pub(crate) fn heard_delegation(&mut self, statement: &Statement, sealed: &Sealed) {
        if statement.home == self.home() && matches!(statement.body, Body::Delegation(_)) {
            self.delegates.said.insert((statement.day, statement.slot), sealed.clone());
            if self.delegates.said.len() > MAX_AT_HAND {
                self.delegates.said.pop_first();
            }
        }
    }

    /// By what others know this node; `None` while nobody has named it to them.
    pub(crate) fn chain(&self) -> Option<Chain> {
        let (mut at, mut chain) = (self.identity.node, Vec::new());
        while at != FIRST {
            let voice = self.evidence.told_voice(self.own, at).filter(|voice| voice.until.is_none())?;
            chain.push(self.delegates.said.get(&voice.said)?.clone());
            at = voice.by;
            if chain.len() > MAX_DEPTH {
                return None;
            }
        }
        chain.reverse();
        Some(Chain(chain))
    }

    /// Whether what this node says on that day can be checked by others. Its slots are its own from the day on which it was
    /// named: before, who gave them may have used them.
    pub(crate) fn may_speak(&self, day: Day) -> bool {
        let named = || self.evidence.told_voice(self.own, self.identity.node);
        self.identity.node == FIRST || named().is_some_and(|voice| voice.until.is_none() && voice.said.0 <= day)
    }

    /// Of a kind for which this node has no slot: who of the home has.
    pub(crate) fn no_slot(&self, kind: Kind) -> Refusal {
        let shares = self.delegates.members.iter().map(|(node, (_, share))| (*node, *share));
        let told = self.evidence.told_voices(self.own).map(|(node, voice)| (node, voice.share));
        let able = shares.chain(told).filter(|(node, share)| {
            *node != self.identity.node && !self.delegates.removed.contains(node) && !share.slots(kind).is_empty()
        });
        Refusal::NotThisNode(able.map(|(node, _)| node).min().unwrap_or(FIRST))
    }

    /// Of some homes others speak than before: what was refused of them is looked at again, and contacts that lost their
    /// voice go.
    pub(crate) fn follow_voices(&mut self, now: Now) {
        let homes = self.evidence.take_revoiced();
        self.mesh.walk_due |= self.evidence.take_shaken();
        if homes.is_empty() {
            return;
        }
        self.drop_given_up();
        self.neighbours = None;
        self.ranges.outdated(now);
        let own = homes.contains(&self.own);
        self.follow_nodes_of(&homes);
        let homes: Vec<HomeId> = homes.into_iter().map(|no: HomeNo| self.evidence.name(no)).collect();
        self.release(now, &homes);
        self.tell_reached(homes);
        if own {
            self.renew_record(now);
            self.mind_delegates(now);
        }
    }

    /// Says what is due: names members, says it again before it expires, takes back who was removed.
    pub(crate) fn mind_delegates(&mut self, now: Now) {
        let Some(today) = now.day() else { return };
        let members: Vec<(NodeNumber, ([u8; 32], Share))> =
            self.delegates.members.iter().map(|(node, member)| (*node, *member)).collect();
        for (node, (key, share)) in members.into_iter().filter(|(node, _)| *node != FIRST) {
            let Some(turn) = self.turn(node, share) else { continue };
            let told = self.evidence.told_voice(self.own, node).filter(|v| v.until.is_none() && v.key == key);
            let age = told.map(|voice| today.since(voice.said.0));
            let due = match age {
                Some(age) => age >= RENEW_AFTER_DAYS + i32::try_from(turn).unwrap_or(0),
                None => self.is_due(now, node, turn),
            };
            if age.is_some() {
                self.delegates.missing.remove(&node);
            }
            if due && let Some(day) = self.day_to_name(today, share, turn) {
                self.say_of_node((node, None), day, Body::Delegation(Delegation { node, key, share }));
            }
        }
        self.take_back_removed(now, today);
    }

    fn take_back_removed(&mut self, now: Now, today: Day) {
        if !self.delegates.admin {
            return;
        }
        let others = self.delegates.members.keys().filter(|node| **node < self.identity.node);
        let turn = others.count() as u64;
        for node in self.delegates.removed.clone() {
            let grants = self.evidence.grants_of(self.own, node);
            if grants.is_empty() {
                self.delegates.missing.remove(&node);
            } else if self.is_due(now, node, turn) {
                for (of, slot) in grants {
                    let body = Body::Retraction { kind: Kind::Delegation, day: of, slot };
                    self.say_of_node((node, Some((of, slot))), today.max(of), body);
                }
            }
        }
    }

    /// Whose turn it is to name a member: of those whose own part holds its part the one with the least, which gave it; the
    /// others follow if it does not. `None` if this node cannot.
    fn turn(&self, node: NodeNumber, share: Share) -> Option<u64> {
        let granted = self.evidence.told_voices(self.own).map(|(node, voice)| (node, voice.share));
        let width = |share: Share| share.to - share.from;
        let members = &self.delegates.members;
        let mut able: Vec<(u16, NodeNumber)> = granted
            .chain([(FIRST, Share::WHOLE)])
            .filter(|(other, whole)| *other != node && whole.holds(share) && *whole != share)
            .filter(|(other, _)| members.contains_key(other))
            .map(|(other, whole)| (width(whole), other))
            .collect();
        able.sort_unstable();
        let place = able.iter().position(|(_, other)| *other == self.identity.node)?;
        u64::try_from(place).ok()
    }

    fn is_due(&mut self, now: Now, node: NodeNumber, turn: u64) -> bool {
        now.mono_ms >= *self.delegates.missing.entry(node).or_insert(now.mono_ms) + turn * TURN_MS
    }

    /// From which day on the part is free of words that its giver said in it before. Who names in the giver's stead cannot
    /// know, and the giver may have used it today.
    fn day_to_name(&self, today: Day, share: Share, turn: u64) -> Option<Day> {
        let tomorrow = Day(today.0.saturating_add(1));
        [today, tomorrow].into_iter().find(|day| (turn == 0 || *day > today) && !self.speaker.has_used(share, *day))
    }

    fn say_of_node(&mut self, what: (NodeNumber, Option<Place>), day: Day, body: Body) {
        // A day's slots may be used up, or none be this node's: then another's turn comes.
        if self.delegates.under_way.insert(what) && self.say_quietly(day, body).is_err() {
            self.delegates.under_way.remove(&what);
        }
    }

    /// What was said of a node is signed, or came to nothing.
    pub(crate) fn said_of_node(&mut self, body: &Body) {
        match *body {
            Body::Delegation(Delegation { node, .. }) => drop(self.delegates.under_way.remove(&(node, None))),
            Body::Retraction { kind: Kind::Delegation, day, slot } => {
                self.delegates.under_way.retain(|(_, of)| *of != Some((day, slot)));
            }
            Body::Report { .. } | Body::Vouch(_) | Body::Retraction { .. } => {}
        }
    }
}

/// The members with their keys and the parts they were given: who gives on has less afterwards, and what it said before
/// still counts.
fn as_added(roster: &Roster) -> BTreeMap<NodeNumber, ([u8; 32], Share)> {
    let added = roster.entries().filter_map(|(id, _)| match &roster.entry(id)?.change {
        Change::Add(member) => Some(member),
        _ => None,
    });
    let is_member = |number, key| roster.member(number).is_some_and(|member| member.statement == key);
    let added = added.filter(|member| is_member(member.number, member.statement));
    added.map(|member| (member.number, (member.statement, member.share))).collect()
}
