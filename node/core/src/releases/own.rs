//! What opens this node's own store, entrusted to the other members: told to each that is met, replaced when one of them
//! was removed.
//!
//! The key file is the truth about which secret opens the store. Members are told before it is written, and told what to
//! drop after; a node that is killed in between asks for what its key file names, which they still hold.

use std::collections::BTreeSet;

use meerkat_protocols::{
    home::NodeNumber,
    household::Channel,
    mesh::RequestRef,
    release::{AskingKey, Entrusted, Held, Hold, Holding, Release, ReleaseId, ReleaseSecret},
    time::Now,
};

use crate::{
    alarms::Alarm,
    command::{CommandId, Refusal, Reply},
    event::Event,
    node::Node,
    output::{Job, Output},
};

/// What is asked about the key of this node's store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReleaseCommand {
    /// Entrust a new secret to the other members. [`Reply::Entrusted`] comes once one of them has it on disk; then the key
    /// file may be written, and [`ReleaseCommand::Kept`] follows.
    Entrust,
    /// The key file says this now: which secret opens it, or that none of members' does.
    Kept(Option<Box<Entrusted>>),
}

/// A secret that is not in the key file yet.
pub(super) struct Coming {
    entrusted: Entrusted,
    /// Who asked for it; nobody, if the node replaces what a removed member knew.
    command: Option<CommandId>,
    /// Members that have not answered yet.
    waiting: BTreeSet<NodeNumber>,
    /// Members that have it on disk.
    has: BTreeSet<NodeNumber>,
}

impl Node {
    pub(crate) fn release_command(&mut self, now: Now, id: CommandId, command: ReleaseCommand) -> Result<(), Refusal> {
        match command {
            ReleaseCommand::Entrust => self.entrust(Some(id)),
            ReleaseCommand::Kept(entrusted) => {
                self.key_kept(now, entrusted.map(|entrusted| *entrusted));
                self.put(Output::Reply(id, Ok(Reply::Saved)));
                Ok(())
            }
        }
    }

    /// Draws a secret and gives it to all members that are there.
    fn entrust(&mut self, command: Option<CommandId>) -> Result<(), Refusal> {
        if self.household.is_expelled() {
            return Err(Refusal::Invalid(Alarm::Expelled.words()));
        }
        if self.releases.coming.is_some() {
            return Err(Refusal::Busy);
        }
        if self.others().next().is_none() {
            return Err(Refusal::NoMember);
        }
        let there: BTreeSet<NodeNumber> = self.members_there().collect();
        if there.is_empty() {
            return Err(Refusal::NoMemberThere);
        }
        let entrusted = Entrusted {
            id: ReleaseId(self.chance.draw_16()),
            asking: AskingKey::from_bytes(self.chance.draw()),
            secret: ReleaseSecret::from_bytes(self.chance.draw()),
        };
        self.releases.coming = Some(Coming { entrusted, command, waiting: there.clone(), has: BTreeSet::new() });
        for number in there {
            self.tell_releases(number);
        }
        Ok(())
    }

    fn members_there(&self) -> impl Iterator<Item = NodeNumber> {
        self.others().map(|member| member.number).filter(|number| self.is_member_there(*number))
    }

    /// Says to a member what to hold. Whom it was said to is on disk before: a removed one may know it.
    fn tell_releases(&mut self, to: NodeNumber) {
        let coming = self.releases.coming.as_ref().map(|coming| coming.entrusted.clone());
        let told = coming.as_ref().map(|coming| coming.id);
        let all: Vec<Entrusted> = self.releases.own.iter().cloned().chain(coming).collect();
        for entrusted in &all {
            self.note_holder(entrusted, to);
        }
        let held = all.into_iter().map(|e| Held(e.id, e.asking.peer(), e.secret.clone())).collect();
        match self.ask_member_when_saved(to, Channel::Keys, &Hold(held).encode()) {
            Some(request) => _ = self.releases.asked.insert(request, told),
            None => self.not_told(to),
        }
    }

    fn note_holder(&mut self, entrusted: &Entrusted, holder: NodeNumber) {
        let own = self.identity.node;
        let row = self.releases.rows.get(&(own, entrusted.id)).cloned();
        let mut row = row.unwrap_or_else(|| Release {
            owner: own,
            id: entrusted.id,
            asker: entrusted.asking.peer(),
            secret: None,
            holders: Vec::new(),
        });
        if !row.holders.contains(&holder) {
            row.holders.push(holder);
            self.keep_release(row);
        }
    }

    /// A member said what it holds, or did not answer.
    pub(crate) fn releases_answered(&mut self, from: NodeNumber, request: RequestRef, payload: Option<&[u8]>) {
        let Some(told) = self.releases.asked.remove(&request) else { return };
        let Holding(ids) = payload.and_then(Holding::decode).unwrap_or_default();
        let own = self.releases.own.as_ref().map(|own| own.id);
        if own.is_some_and(|own| ids.contains(&own)) && self.releases.confirmed.insert(from) {
            self.put(Output::Event(Event::HouseholdChanged));
        }
        // A word of before may be answered after the secret to come was told.
        let coming = self.releases.coming.as_mut().filter(|coming| told == Some(coming.entrusted.id));
        let Some(coming) = coming else { return };
        if !ids.contains(&coming.entrusted.id) {
            return self.not_told(from);
        }
        coming.waiting.remove(&from);
        if !coming.has.insert(from) || coming.has.len() > 1 {
            return;
        }
        let entrusted = Box::new(coming.entrusted.clone());
        match coming.command.take() {
            Some(command) => self.put(Output::Reply(command, Ok(Reply::Entrusted(entrusted)))),
            None => {
                let whom = self.releases_state().whom;
                self.start(Job::Rewrap(entrusted, whom));
            }
        }
    }

    /// A member did not take it. If none did, nothing is changed.
    fn not_told(&mut self, from: NodeNumber) {
        let Some(coming) = &mut self.releases.coming else { return };
        coming.waiting.remove(&from);
        if !coming.waiting.is_empty() || !coming.has.is_empty() {
            return;
        }
        if let Some(command) = self.releases.coming.take().and_then(|coming| coming.command) {
            self.put(Output::Reply(command, Err(Refusal::NoMemberThere)));
        }
    }

    /// The key file was written, or lies as it did: from now on this opens the store, and nothing else is to be held.
    fn key_kept(&mut self, now: Now, entrusted: Option<Entrusted>) {
        let coming = self.releases.coming.take();
        let renewed = coming.as_ref().is_some_and(|coming| Some(&coming.entrusted) == entrusted.as_ref());
        if self.releases.own != entrusted {
            self.releases.confirmed = coming.filter(|_| renewed).map(|coming| coming.has).unwrap_or_default();
        }
        self.releases.own = entrusted;
        self.forget_own_others();
        for number in self.members_there().collect::<Vec<_>>() {
            self.tell_releases(number);
        }
        self.see_holders(now);
        self.put(Output::Event(Event::HouseholdChanged));
    }

    fn forget_own_others(&mut self) {
        let own = self.identity.node;
        let kept = self.releases.own.as_ref().map(|own| own.id);
        let old: Vec<ReleaseId> = self.ids_of(own).filter(|id| Some(*id) != kept).collect();
        old.into_iter().for_each(|id| self.drop_release(own, id));
    }

    /// After a start: what the key file does not name was never finished.
    pub(crate) fn begin_releases(&mut self, now: Now) {
        self.forget_own_others();
        self.releases_follow_roster(now);
    }

    /// A member is there: it is told what to hold, which may be nothing any more.
    pub(crate) fn releases_member_came(&mut self, now: Now, number: NodeNumber) {
        self.tell_releases(number);
        self.renew_if_known_outside();
        self.see_holders(now);
    }

    /// Replaces what opens the store, if a member that was removed may know it. As long as no other is there it cannot be.
    pub(super) fn renew_if_known_outside(&mut self) {
        let own = self.identity.node;
        let Some(id) = self.releases.own.as_ref().map(|own| own.id) else { return };
        let roster = self.household.roster();
        let holders = self.releases.rows.get(&(own, id)).map(|row| row.holders.as_slice()).unwrap_or_default();
        if holders.iter().any(|holder| roster.is_removed(*holder)) && self.releases.coming.is_none() {
            // With nobody there it is tried again when somebody comes.
            let _ = self.entrust(None);
        }
    }

    /// While no member that is left holds what opens the store, the next start would wait for ever.
    pub(super) fn see_holders(&mut self, now: Now) {
        let own = self.identity.node;
        let row = self.releases.own.as_ref().and_then(|kept| self.releases.rows.get(&(own, kept.id)));
        let held = row.is_some_and(|row| row.holders.iter().any(|holder| self.is_other(*holder)));
        if self.releases.own.is_some() && !held {
            self.raise(now, Alarm::KeyHeldByNobody);
        } else {
            self.clear(&Alarm::KeyHeldByNobody);
        }
    }

    /// What opens this node's store was replaced in its key file by the node itself.
    pub(crate) fn rewrapped(&mut self, now: Now, entrusted: Option<Entrusted>) {
        let result = if entrusted.is_some() { "done" } else { "not saved" };
        self.log_act(now, "key.renew", "", result);
        match entrusted {
            Some(entrusted) => self.key_kept(now, Some(entrusted)),
            None => drop(self.releases.coming.take()),
        }
    }
}
