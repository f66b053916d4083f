//! Changes of the roster that this node makes: composed one after the other, signed, saved, told.

use meerkat_protocols::{
    contact::About,
    home::NodeNumber,
    mesh::Peer,
    roster::{Change, Member, Role, Roster, Share, SignedEntry},
    time::Now,
};

use super::MAX_WANTED;
use crate::{
    command::{CommandId, Refusal, Reply},
    input::JobId,
    node::Node,
    output::{Job, Output, Promise},
};

/// How long an admin waits before it begins an epoch that is needed, for each admin with a lower number: those who are
/// connected hear of the first one's.
const REKEY_AFTER_MS: u64 = 1_000;

/// What follows once a change is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Nothing.
    Nothing,
    /// A person who asked for it is answered.
    Reply(CommandId),
    /// This node was taken out by its own word: it starts anew once those who are there know.
    Leave(CommandId),
    /// The node that was added may fetch the roster, and the person who confirmed it is answered.
    Admit(Peer, CommandId),
}

impl super::Household {
    /// Who belongs to the household.
    pub(crate) fn roster(&self) -> &Roster {
        &self.roster
    }
}

impl Node {
    /// Changes the roster. What is refused at once is the result; what is refused later is told as `then` says.
    pub(crate) fn change_household(&mut self, now: Now, change: Change, then: Then) -> Result<(), Refusal> {
        if self.household.expelled {
            return Err(Refusal::Invalid("this node was removed from the household".to_owned()));
        }
        if self.household.wanted.len() >= MAX_WANTED {
            return Err(Refusal::Busy);
        }
        self.household.wanted.push_back((change, then));
        self.next_change(now);
        Ok(())
    }

    /// Composes the next change and has it signed; before the first, this node's word on itself.
    fn next_change(&mut self, now: Now) {
        while self.household.signing.is_none() {
            let begins = self.household.roster.is_empty() && !self.household.wanted.is_empty();
            let (change, then) = match begins {
                true => (Change::Add(self.own_member()), Then::Nothing),
                false => match self.household.wanted.pop_front() {
                    Some(wanted) => wanted,
                    None => return,
                },
            };
            let chance = self.chance.draw();
            match self.household.roster.compose(self.identity.node, now.wall, change, chance) {
                Ok((entry, _)) => {
                    let job = self.start(Job::SignEntry(Box::new(entry)));
                    self.household.signing = Some((job, then));
                }
                Err(why) => {
                    self.not_changed(&then, &why.to_string());
                    if begins {
                        // Without a beginning nothing can follow.
                        let wanted = std::mem::take(&mut self.household.wanted);
                        wanted.into_iter().for_each(|(_, then)| self.not_changed(&then, &why.to_string()));
                    }
                }
            }
        }
    }

    /// A change is signed.
    pub(crate) fn entry_signed(&mut self, now: Now, job: JobId, signed: SignedEntry) {
        let Some((_, then)) = self.household.signing.take_if(|(signing, _)| *signing == job) else { return };
        // What a member brought meanwhile may have made it impossible.
        match self.keep_entries(now, vec![signed]) {
            0 => self.not_changed(&then, "the household was changed meanwhile: look and try again"),
            _ => self.changed(now, &then),
        }
        self.next_change(now);
    }

    fn changed(&mut self, now: Now, then: &Then) {
        match then {
            Then::Nothing => {}
            Then::Reply(command) => self.put(Output::AfterCommit(Promise::Reply(*command, Reply::Saved))),
            Then::Leave(command) => self.wait_for_goodbyes(now, *command),
            Then::Admit(peer, command) => {
                self.guest_added(*peer);
                self.put(Output::AfterCommit(Promise::Reply(*command, Reply::Saved)));
            }
        }
    }

    fn not_changed(&mut self, then: &Then, why: &str) {
        match then {
            Then::Nothing => {}
            Then::Reply(command) | Then::Leave(command) => {
                self.put(Output::Reply(*command, Err(Refusal::Invalid(why.to_owned()))));
            }
            Then::Admit(peer, command) => {
                self.guest_not_added(*peer);
                self.put(Output::Reply(*command, Err(Refusal::Invalid(why.to_owned()))));
            }
        }
    }

    /// This node as the first member.
    fn own_member(&self) -> Member {
        let About { peer, seal_key, .. } = self.identity.about;
        let statement = self.identity.genesis.key().map(|key| key.to_bytes()).unwrap_or_default();
        Member {
            number: NodeNumber(0),
            name: self.identity.name.clone(),
            role: Role::Admin,
            statement,
            peer,
            seal: seal_key,
            share: Share::WHOLE,
            since: None,
        }
    }

    /// Plans a new epoch where one is needed and this node may begin it.
    pub(super) fn plan_rekey(&mut self, now: Now) {
        let roster = &self.household.roster;
        let mut admins = roster.members().filter(|member| member.role == Role::Admin);
        let turn = admins.position(|member| member.number == self.identity.node);
        let needed = roster.state().needs_rekey() && !self.household.expelled;
        self.household.rekey_due_ms = turn.filter(|_| needed).map(|turn| now.mono_ms + REKEY_AFTER_MS * turn as u64);
    }

    pub(super) fn rekey_if_due(&mut self, now: Now) {
        if self.household.rekey_due_ms.take_if(|due| *due <= now.mono_ms).is_some() {
            // A full queue makes the change that follows plan it again.
            if self.change_household(now, Change::Rekey, Then::Nothing).is_ok() {
                self.log_act(now, "household.rekey", "", "done");
            }
        }
    }
}
