//! How the exchange of facts hangs in the node: the member channel, the disk, the key that signs.

use std::collections::BTreeMap;

use meerkat_protocols::{
    batch::Write,
    facts::{Fact, LogChange, LogId, LogMark, SignedHead, Stream},
    home::{HomeId, NodeNumber},
    household::Channel,
    mesh::RequestRef,
    roster::Roster,
    time::{Day, Now},
};

use super::{Facts, FactsState, Keys, Load, LoadId, Loaded, Step, Word};
use crate::{
    alarms::Alarm,
    event::Event,
    household::MemberInbound,
    node::Node,
    output::{Job, Output, Promise, Urgency},
};

/// How long entries of members wait for others to share their commit with, if no more of them are on their way.
const KEEP_WITHIN: Urgency = Urgency::Within(200);

/// Nothing hurries what expires; it shares the commit of what does.
const EXPIRE_WITHIN: Urgency = Urgency::Within(60_000);
/// Entries of a log that go in an hour at most: a transaction of so many takes a second on a card.
const EXPIRE_AT_ONCE: usize = 20_000;

/// The exchange of facts and the words of it that wait for their answers.
pub(crate) struct FactsEnd {
    facts: Facts<MemberInbound>,
    asked: BTreeMap<RequestRef, Word>,
}

impl FactsEnd {
    pub(crate) fn new(own: NodeNumber, home: HomeId, logs: BTreeMap<LogId, LogMark>) -> Self {
        Self { facts: Facts::new(own, home, logs), asked: BTreeMap::new() }
    }

    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.facts.due_ms()
    }
}

/// The roster knows the keys of all nodes that there ever were.
struct OfRoster<'a>(&'a Roster);

impl Keys for OfRoster<'_> {
    fn key_of(&self, node: NodeNumber) -> Option<[u8; 32]> {
        let removed = || self.0.removed().find(|member| member.number == node);
        self.0.member(node).or_else(removed).map(|member| member.statement)
    }
}

macro_rules! keys {
    ($node:expr) => {
        &OfRoster(&$node.household.roster)
    };
}

impl Node {
    /// Notes a fact in a log of this node, to be told to the other members.
    pub(crate) fn note(&mut self, fact: Fact, urgency: Urgency) {
        self.put(Output::Write(Write::Fact(Box::new(fact)), urgency));
        self.facts_changed();
    }

    /// Something was written to a log of this node.
    pub(crate) fn facts_changed(&mut self) {
        self.facts.facts.changed();
        self.take_steps();
    }

    pub(crate) fn facts_writes_lost(&mut self) {
        self.facts.facts.writes_lost();
        self.take_steps();
    }

    pub(crate) fn facts_member_came(&mut self, now: Now, number: NodeNumber) {
        self.facts.facts.came(now, number);
        self.take_steps_at(now);
    }

    pub(crate) fn facts_member_went(&mut self, number: NodeNumber) {
        self.facts.facts.went(number);
    }

    pub(crate) fn facts_asked(&mut self, now: Now, from: NodeNumber, inbound: MemberInbound, payload: &[u8]) {
        match Word::decode(payload) {
            Some(word) => self.facts.facts.asked(now, keys!(self), from, inbound, word),
            None => self.refuse_member(inbound),
        }
        self.take_steps_at(now);
    }

    pub(crate) fn facts_answered(&mut self, now: Now, from: NodeNumber, request: RequestRef, payload: Option<&[u8]>) {
        let Some(asked) = self.facts.asked.remove(&request) else { return };
        let word = payload.and_then(Word::decode);
        self.facts.facts.answered(now, keys!(self), from, &asked, word);
        self.take_steps_at(now);
    }

    /// What is older than its kind is kept goes, on every node by itself; what expired is not asked for again.
    pub(crate) fn expire_facts(&mut self, today: Day) {
        for stream in Stream::ALL {
            let before = Day(today.0.saturating_sub(stream.days()));
            let change = LogChange::Expire(stream, before, EXPIRE_AT_ONCE);
            self.put(Output::Write(Write::Log(Box::new(change)), EXPIRE_WITHIN));
        }
        self.facts_changed();
    }

    /// What was asked of the store was read.
    pub(crate) fn facts_loaded(&mut self, now: Now, id: LoadId, loaded: Loaded) {
        self.facts.facts.loaded(now, id, loaded);
        self.take_steps_at(now);
    }

    pub(crate) fn head_signed(&mut self, now: Now, signed: SignedHead) {
        self.facts.facts.signed(signed);
        self.take_steps_at(now);
    }

    pub(crate) fn mind_facts(&mut self, now: Now) {
        if self.facts.due_ms().is_some_and(|due| due <= now.mono_ms) {
            self.facts.facts.mind(now);
            self.take_steps_at(now);
        }
    }

    pub(crate) fn facts_state(&self, now: Now) -> FactsState {
        self.facts.facts.state(now)
    }

    fn take_steps_at(&mut self, now: Now) {
        loop {
            let steps = self.facts.facts.steps();
            if steps.is_empty() {
                return;
            }
            for step in steps {
                if let Some((from, word)) = self.take_step(Some(now), step) {
                    // It went while this was on its way.
                    self.facts.facts.answered(now, keys!(self), from, &word, None);
                }
            }
        }
    }

    /// As [`Self::take_steps_at`], where only reads can have come up.
    fn take_steps(&mut self) {
        for step in self.facts.facts.steps() {
            self.take_step(None, step);
        }
    }

    /// Does it. Gives back a word that could not go.
    fn take_step(&mut self, now: Option<Now>, step: Step<MemberInbound>) -> Option<(NodeNumber, Word)> {
        match step {
            Step::Ask(to, word) => match self.ask_member(to, Channel::Facts, &word.encode()) {
                Some(request) => _ = self.facts.asked.insert(request, word),
                None => {
                    self.facts.facts.went(to);
                    return Some((to, word));
                }
            },
            Step::Answer(inbound, word) => self.answer_member(inbound, &word.encode()),
            Step::Load(id, load) => self.put(Output::Load(id, load)),
            Step::LoadWhenSaved(id) => self.put(Output::AfterCommit(Promise::Load(id, Load::Logs))),
            Step::Write(write, more) => self.write_facts(write, more),
            Step::Sign(head) => _ = self.start(Job::SignHead(head)),
            Step::Forged(log, from) => {
                if let Some(now) = now {
                    self.raise(now, Alarm::FactsForged(log.node, from));
                }
            }
            Step::Hurt(0) => self.clear(&Alarm::FactsDamaged(0)),
            Step::Hurt(damaged) => {
                if let Some(now) = now {
                    self.raise(now, Alarm::FactsDamaged(damaged));
                }
            }
        }
        None
    }

    fn write_facts(&mut self, write: Write, more: bool) {
        let arrived = matches!(write, Write::Received(_));
        self.put(Output::Write(write, if more { Urgency::Now } else { KEEP_WITHIN }));
        if arrived {
            self.put(Output::AfterCommit(Promise::Event(Event::FactsArrived)));
        }
    }
}
