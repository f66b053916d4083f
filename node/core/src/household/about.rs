//! Members tell each other what kind of machine they are and what needs attention there, so that a person sees on any page
//! how all nodes of the home are.

use std::collections::BTreeMap;

use meerkat_protocols::{
    home::NodeNumber,
    household::Channel,
    memberword::{MemberAlarm, MemberWord},
    time::Now,
};

use super::channel::MemberInbound;
use crate::{alarms::Alarm, event::Event, node::Node, output::Output};

/// How soon after one word the next may follow: an alarm that comes and goes must not keep members busy.
const TELL_AGAIN_MS: u64 = 5_000;

/// What is known of a member.
#[derive(Debug, Default)]
struct Known {
    word: MemberWord,
    /// When it was last heard, in Unix seconds.
    seen: Option<i64>,
}

/// What members told of themselves.
#[derive(Debug, Default)]
pub(crate) struct Abouts {
    machine: String,
    known: BTreeMap<NodeNumber, Known>,
    /// The count of changes of alarms that was told last.
    told: u64,
    told_ms: u64,
    due_ms: Option<u64>,
}

impl Abouts {
    pub(crate) fn of_machine(machine: String) -> Self {
        Self { machine, ..Self::default() }
    }

    pub(super) fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// What a member said of itself.
    pub(super) fn word(&self, member: NodeNumber) -> MemberWord {
        self.known.get(&member).map(|known| known.word.clone()).unwrap_or_default()
    }

    /// When a member was last heard, in Unix seconds.
    pub(super) fn seen(&self, member: NodeNumber) -> Option<i64> {
        self.known.get(&member)?.seen
    }

    /// Whether this is the key of an alarm that stands on a member.
    pub(crate) fn has_alarm(&self, key: &str) -> bool {
        self.known.values().any(|known| known.word.alarms.iter().any(|alarm| alarm.key == key))
    }
}

impl Node {
    /// What this node tells of itself.
    pub(super) fn own_word(&self) -> MemberWord {
        let node = self.identity.node;
        // That it is no member concerns no member, and each clock is its own.
        let told = |alarm: &Alarm| !matches!(alarm, Alarm::Expelled);
        let alarms = self.standing_alarms().into_iter().filter(|(alarm, _)| told(alarm));
        let alarm = |(alarm, since): (Alarm, Option<i64>)| MemberAlarm {
            code: alarm.code().to_owned(),
            words: alarm.words(),
            since,
            key: alarm.shared_key(node),
        };
        let (machine, version) = (self.household.abouts.machine.clone(), self.identity.about.version.clone());
        MemberWord { machine, version, alarms: alarms.map(alarm).collect() }.tidy()
    }

    /// A member is there: it is told, and tells.
    pub(super) fn tell_about(&mut self, member: NodeNumber) {
        let word = self.own_word().encode();
        self.ask_member(member, Channel::About, &word);
    }

    pub(super) fn about_asked(&mut self, now: Now, from: NodeNumber, inbound: MemberInbound, payload: &[u8]) {
        let Some(word) = MemberWord::decode(payload) else { return self.refuse_member(inbound) };
        let own = self.own_word().encode();
        self.answer_member(inbound, &own);
        self.heard_about(now, from, word);
    }

    pub(super) fn about_answered(&mut self, now: Now, from: NodeNumber, payload: Option<&[u8]>) {
        if let Some(word) = payload.and_then(MemberWord::decode) {
            self.heard_about(now, from, word);
        }
    }

    fn heard_about(&mut self, now: Now, from: NodeNumber, word: MemberWord) {
        self.saw_member(now, from);
        if let Some(known) = self.household.abouts.known.get_mut(&from)
            && known.word != word
        {
            known.word = word;
            self.put(Output::Event(Event::HouseholdChanged));
        }
    }

    /// A member was heard.
    pub(super) fn saw_member(&mut self, now: Now, member: NodeNumber) {
        if self.household.roster.member(member).is_some() {
            let known = self.household.abouts.known.entry(member).or_default();
            known.seen = now.wall.or(known.seen);
        }
    }

    /// Tells the members who are there of alarms that came or went.
    pub(super) fn mind_about(&mut self, now: Now) {
        let changes = self.alarm_changes();
        let abouts = &mut self.household.abouts;
        if abouts.told == changes {
            return;
        }
        let due = abouts.told_ms + TELL_AGAIN_MS;
        if abouts.told_ms > 0 && now.mono_ms < due {
            abouts.due_ms = Some(due);
            return;
        }
        (abouts.told, abouts.told_ms, abouts.due_ms) = (changes, now.mono_ms, None);
        let there: Vec<NodeNumber> = self.household.there.iter().copied().collect();
        there.into_iter().for_each(|member| self.tell_about(member));
    }
}
