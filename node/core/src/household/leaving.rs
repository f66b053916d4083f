//! This node leaves its household: it says so itself, in an entry that it signs, waits a moment until those who are there
//! have it, and starts anew as a home of its own. Where nobody is there, nobody can be told: an admin removes it.

use std::collections::BTreeSet;

use meerkat_protocols::{mesh::RequestRef, roster::Change, time::Now};

use super::Then;
use crate::{
    command::{CommandId, Refusal, Reply},
    enrolling::{Becoming, Whose},
    node::Node,
    output::Output,
};

/// How long the others' word is waited for: on one network it takes well under a second.
const WAIT_MS: u64 = 3_000;

/// A leave under way.
#[derive(Debug)]
pub(super) struct Leaving {
    command: CommandId,
    until_ms: u64,
}

/// Words by which this node says that it is no member any more.
#[derive(Debug, Default)]
pub(super) struct Goodbyes {
    waiting: BTreeSet<RequestRef>,
    leaving: Option<Leaving>,
}

impl Goodbyes {
    pub(super) fn due_ms(&self) -> Option<u64> {
        self.leaving.as_ref().map(|leaving| leaving.until_ms)
    }

    pub(super) fn said(&mut self, request: RequestRef) {
        self.waiting.insert(request);
    }
}

impl Node {
    /// Leaves the household; who may has been looked at.
    pub(crate) fn say_goodbye(&mut self, now: Now, command: CommandId) -> Result<(), Refusal> {
        let own = self.identity.node;
        let members = self.others().map(|member| member.peer);
        let somebody = members.into_iter().any(|peer| self.mesh.peers.contains_key(&peer));
        if self.household.expelled || !somebody {
            self.start_anew(command);
            return Ok(());
        }
        self.change_household(now, Change::Remove(own), Then::Leave(command))
    }

    /// The entry is made, and those who are there are being told.
    pub(super) fn wait_for_goodbyes(&mut self, now: Now, command: CommandId) {
        self.household.goodbyes.leaving = Some(Leaving { command, until_ms: now.mono_ms + WAIT_MS });
        self.mind_goodbyes(now);
    }

    /// A word was answered, or has no answer; `false` if it was no goodbye.
    pub(super) fn goodbye_answered(&mut self, now: Now, request: RequestRef) -> bool {
        let was = self.household.goodbyes.waiting.remove(&request);
        if was {
            self.mind_goodbyes(now);
        }
        was
    }

    /// Starts anew once all who are there have been told, or too late.
    pub(super) fn mind_goodbyes(&mut self, now: Now) {
        let goodbyes = &mut self.household.goodbyes;
        let over = |leaving: &mut Leaving| goodbyes.waiting.is_empty() || leaving.until_ms <= now.mono_ms;
        if let Some(Leaving { command, .. }) = goodbyes.leaving.take_if(over) {
            self.start_anew(command);
        }
    }

    fn start_anew(&mut self, command: CommandId) {
        self.put(Output::Reply(command, Ok(Reply::Saved)));
        self.put(Output::Become(Box::new(Becoming { whose: Whose::Own, met: None })));
    }
}
