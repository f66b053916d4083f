//! The node's own voice: statements of this home, each in the next free slot, signed by a job, saved, then sent.

use std::collections::{BTreeMap, VecDeque};

use meerkat_protocols::{
    batch::Write,
    home::{Genesis, HomeId, NodeNumber},
    number::E164,
    roster::Share,
    statement::{Basis, Body, Category, Kind, LIFETIME_DAYS, Read, Sealed, Statement},
    time::{Day, Now},
};

use crate::{
    command::{CommandId, Refusal, Reply},
    event::Event,
    input::JobId,
    node::Node,
    output::{Job, Output, Promise, Urgency},
};

/// The most reports that wait for the clock: what a home may say in a day.
const MAX_WAITING: usize = 20;

/// After how many days a vouch is said again: half its life, so that a neighbour who was away for weeks still gets it.
const RENEW_AFTER_DAYS: i32 = LIFETIME_DAYS / 2;

/// A statement that is being signed, and what to say once it is saved.
struct Signing {
    body: Body,
    command: Option<CommandId>,
    reply: Reply,
    event: Option<Event>,
}

/// Slots taken and statements on their way.
pub(crate) struct Speaker {
    share: Share,
    own_slots: BTreeMap<(Kind, Day), u8>,
    signing: BTreeMap<JobId, Signing>,
    waiting: VecDeque<(E164, Category)>,
}

impl Speaker {
    pub(crate) fn with_slots(own_slots: BTreeMap<(Kind, Day), u8>, share: Share) -> Self {
        Self { share, own_slots, signing: BTreeMap::new(), waiting: VecDeque::new() }
    }

    /// Whether something was said on that day in a slot of this part.
    pub(crate) fn has_used(&self, share: Share, day: Day) -> bool {
        Kind::ALL.into_iter().any(|kind| {
            let part = share.slots(kind);
            let next = self.own_slots.get(&(kind, day)).copied().unwrap_or(0);
            !part.is_empty() && next > part.start.max(self.share.slots(kind).start)
        })
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// A statement of this home was kept: its slot is taken, whatever else was kept or not.
    pub(crate) fn has_said(&mut self, statement: &Statement) {
        let next = self.own_slots.entry((statement.kind(), statement.day)).or_default();
        *next = (*next).max(statement.slot + 1);
    }

    /// The homes for which a vouch is being signed.
    pub(crate) fn vouching(&self) -> impl Iterator<Item = HomeId> + '_ {
        self.signing.values().filter_map(|signing| match signing.body {
            Body::Vouch(genesis) => Some(genesis.home()),
            Body::Report { .. } | Body::Retraction { .. } | Body::Delegation(_) => None,
        })
    }

    /// Takes the next free slot of this node's part. A slot taken is never given again, even if its statement comes to
    /// nothing.
    fn take_slot(&mut self, kind: Kind, day: Day) -> Option<u8> {
        let part = self.share.slots(kind);
        let next = self.own_slots.entry((kind, day)).or_default();
        let slot = part.start.max(*next);
        part.contains(&slot).then(|| {
            *next = slot + 1;
            slot
        })
    }

    fn slots(&self, kind: Kind) -> u8 {
        u8::try_from(self.share.slots(kind).len()).unwrap_or(u8::MAX)
    }
}

impl Node {
    /// Reports a number, or keeps the report until the clock is set.
    pub(crate) fn say_report(
        &mut self,
        now: Now,
        command: Option<CommandId>,
        number: E164,
        category: Category,
    ) -> Result<(), Refusal> {
        let Some(day) = now.day().filter(|day| self.may_speak(*day)) else {
            return self.wait_with_report(command, number, category);
        };
        let basis = if self.calls.received(number) { Basis::Received } else { Basis::Told };
        self.say(command, day, Body::Report { number, category, basis }, |slot| {
            (Reply::Reported { number, category, day, slot }, Event::ReportMade(number))
        })
    }

    fn wait_with_report(
        &mut self,
        command: Option<CommandId>,
        number: E164,
        category: Category,
    ) -> Result<(), Refusal> {
        self.speaker.waiting.retain(|(n, _)| *n != number);
        if self.speaker.waiting.len() >= MAX_WAITING {
            return Err(Refusal::NoSlotLeft(Kind::Report.slots_per_day()));
        }
        if self.speaker.slots(Kind::Report) == 0 {
            return Err(self.no_slot(Kind::Report));
        }
        self.speaker.waiting.push_back((number, category));
        if let Some(command) = command {
            self.put(Output::Reply(command, Ok(Reply::Waiting)));
        }
        Ok(())
    }

    /// Says what waited for the clock or for this node to be named, if that is so now.
    pub(crate) fn say_waiting(&mut self, now: Now) {
        if self.speaker.waiting.is_empty() || !now.day().is_some_and(|day| self.may_speak(day)) {
            return;
        }
        while let Some((number, category)) = self.speaker.waiting.pop_front() {
            // What has no slot today waits for tomorrow.
            if self.say_report(now, None, number, category).is_err() {
                self.speaker.waiting.push_front((number, category));
                return;
            }
        }
    }

    /// Takes back the live report of this home on a number.
    pub(crate) fn say_retraction(&mut self, now: Now, command: CommandId, number: E164) -> Result<(), Refusal> {
        let waiting = self.speaker.waiting.len();
        self.speaker.waiting.retain(|(n, _)| *n != number);
        if self.speaker.waiting.len() < waiting {
            self.put(Output::Reply(command, Ok(Reply::Retracted(number))));
            return Ok(());
        }
        let (of, slot) = self.evidence.report_slot(self.own, number).ok_or(Refusal::NothingToRetract)?;
        // If another node's clock was ahead, the retraction bears that day: on an earlier one it would take nothing back.
        let day = now.day().ok_or(Refusal::ClockNotSet)?;
        let day = if self.identity.node == NodeNumber(0) { day } else { day.max(of) };
        let body = Body::Retraction { kind: Kind::Report, day: of, slot };
        self.say(Some(command), day, body, |_| (Reply::Retracted(number), Event::ReportRetracted(number)))
    }

    /// Says a vouch again before it grows too old to count: whom a person answers for does not change by waiting.
    pub(crate) fn renew_vouches(&mut self, now: Now) {
        let Some(today) = now.day() else { return };
        let mut newest: BTreeMap<_, Option<Day>> = self.reach.own().keys().map(|no| (*no, None)).collect();
        for (whom, day, _) in self.evidence.vouches_of(self.own) {
            if let Some(known) = newest.get_mut(&whom).filter(|_| day <= today) {
                *known = (*known).max(Some(day));
            }
        }
        // One node of the home does it; if it is away, the next does a day later.
        let turn = self.evidence.told_voices(self.own).filter(|(node, _)| *node < self.identity.node).count();
        let turn = i32::try_from(turn + usize::from(self.identity.node != NodeNumber(0))).unwrap_or(0);
        newest.retain(|_, day| day.is_none_or(|day| today.since(day) >= RENEW_AFTER_DAYS + turn));
        let old: Vec<Genesis> = newest.keys().filter_map(|no| self.evidence.genesis(*no)).copied().collect();
        for genesis in old {
            let home = genesis.home();
            if self.speaker.vouching().any(|other| other == home) {
                continue;
            }
            let told = |_| (Reply::Vouched(home), Event::VouchChanged(home));
            if self.say(None, today, Body::Vouch(genesis), told).is_err() {
                // The day's slots are used: the rest follows tomorrow.
                return;
            }
        }
    }

    /// Gives a statement its slot and sends it to be signed.
    pub(crate) fn say(
        &mut self,
        command: Option<CommandId>,
        day: Day,
        body: Body,
        told: impl FnOnce(u8) -> (Reply, Event),
    ) -> Result<(), Refusal> {
        let (slot, job) = self.sign(day, body)?;
        let (reply, event) = told(slot);
        self.speaker.signing.insert(job, Signing { body, command, reply, event: Some(event) });
        Ok(())
    }

    /// Says what no person asked for and none is told of.
    pub(crate) fn say_quietly(&mut self, day: Day, body: Body) -> Result<(), Refusal> {
        let (_, job) = self.sign(day, body)?;
        self.speaker.signing.insert(job, Signing { body, command: None, reply: Reply::Saved, event: None });
        Ok(())
    }

    fn sign(&mut self, day: Day, body: Body) -> Result<(u8, JobId), Refusal> {
        self.check_voice()?;
        let kind = body.kind();
        if self.speaker.slots(kind) == 0 {
            return Err(self.no_slot(kind));
        }
        if !self.may_speak(day) {
            return Err(Refusal::NotNamedYet);
        }
        let slot = self.speaker.take_slot(kind, day).ok_or(Refusal::NoSlotLeft(self.speaker.slots(kind)))?;
        let statement = Statement { home: self.identity.home(), node: self.identity.node, day, slot, body };
        Ok((slot, self.start(Job::Sign(statement))))
    }

    /// Whether a part of what the home may say of a kind in a day is this node's.
    pub(crate) fn has_slots(&self, kind: Kind) -> bool {
        self.speaker.slots(kind) > 0
    }

    /// This node's part of the home's slots is this from now on. What it said beyond it stays said.
    pub(crate) fn speaker_share(&mut self, share: Share) {
        self.speaker.share = share;
    }

    /// A statement of ours is signed: keep it, and once it is on disk send it and say so.
    pub(crate) fn signed(&mut self, now: Now, job: JobId, sealed: Sealed) {
        let Some(signing) = self.speaker.signing.remove(&job) else { return };
        let Ok(Read::Statement(statement)) = sealed.read() else { return };
        let id = sealed.id();
        let (kind, day) = (statement.kind(), statement.day);
        let topic = self.topic(&statement);
        let inserted = self.evidence.insert(&statement, id, true);
        self.said_of_node(&statement.body);
        self.heard_delegation(&statement, &sealed);
        self.accepted(now, &statement, inserted);
        let next = self.speaker.own_slots.get(&(kind, day)).copied().unwrap_or(statement.slot + 1);
        self.put(Output::Write(Write::OwnSlot(kind, day, next), Urgency::Now));
        let data = sealed.0.to_vec();
        self.keep_statement(now, &statement, sealed, Urgency::Now, true);
        self.put(Output::AfterCommit(Promise::Publish(topic, data)));
        if let Some(event) = signing.event {
            self.put(Output::AfterCommit(Promise::Event(event)));
        }
        if let Some(command) = signing.command {
            self.put(Output::AfterCommit(Promise::Reply(command, signing.reply)));
        }
        if let Body::Vouch(genesis) = signing.body {
            self.taken_in(now, genesis.home());
        }
    }
}
