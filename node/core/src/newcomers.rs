//! From a proven encounter to neighbours: the home answers for the other, keeps the contact, and says so once both are on
//! disk. Invites, joins and meetings all end here.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{
    contact::Contact,
    home::HomeId,
    mesh::{InboundRef, Peer},
    statement::{Body, Kind},
    text,
    time::Now,
    wishes::{Edit, MAX_LABEL_CHARS},
};

use crate::{
    command::{Refusal, Reply},
    event::Event,
    joins::JoinId,
    node::Node,
    output::Urgency,
    vouches::MAX_VOUCHES,
};

/// What is to be done once the home answers for the newcomer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Tell the guest that it is in.
    Welcome(InboundRef),
    /// The join is done.
    Joined(JoinId),
    /// The meeting is done.
    Met(Peer),
}

/// Contacts whose vouch is being signed.
pub(crate) type Newcomers = BTreeMap<HomeId, (Contact, Vec<Then>)>;

impl Node {
    /// The homes this one answers for, those being signed for included.
    pub(crate) fn vouched(&self) -> BTreeSet<HomeId> {
        let own = self.reach.own().keys().map(|no| self.evidence.name(*no));
        own.chain(self.speaker.vouching()).collect()
    }

    /// Whether this home may answer for one more, beyond those for whom open invites hold a vouch back.
    pub(crate) fn check_vouches(&self, now: Now) -> Result<(), Refusal> {
        let (vouched, held) = (self.vouched().len(), self.invites.held_back(now));
        if vouched >= MAX_VOUCHES {
            return Err(Refusal::TooManyVouches(MAX_VOUCHES));
        }
        if !self.has_slots(Kind::Vouch) {
            return Err(self.no_slot(Kind::Vouch));
        }
        if vouched + held >= MAX_VOUCHES { Err(Refusal::VouchesHeldBack(held)) } else { Ok(()) }
    }

    /// Answers for the home of a contact, unless that is done, and then goes on.
    pub(crate) fn take_in(&mut self, now: Now, contact: Contact, name: &str, then: Then) -> Result<(), Refusal> {
        let (home, genesis) = (contact.home(), contact.record.genesis);
        if home == self.home() {
            return Err(Refusal::OwnInvite);
        }
        let name: String = text::inert(name).chars().take(MAX_LABEL_CHARS).collect();
        let vouched = self.vouched();
        if !vouched.contains(&home) {
            if vouched.len() >= MAX_VOUCHES {
                return Err(Refusal::TooManyVouches(MAX_VOUCHES));
            }
            let day = now.day().ok_or(Refusal::ClockNotSet)?;
            self.say(None, day, Body::Vouch(genesis), |_| (Reply::Vouched(home), Event::VouchChanged(home)))?;
        }
        if !name.is_empty() && self.names.get(&home) != Some(&name) {
            // A name that cannot be kept is given again later; the neighbour is not turned away for it.
            let _ = self.edit(None, Edit::NameNeighbour(home, name));
        }
        let (kept, thens) = self.newcomers.entry(home).or_insert_with(|| (contact.clone(), Vec::new()));
        *kept = contact;
        thens.push(then);
        if self.answers_for(home) {
            self.taken_in(now, home);
        }
        Ok(())
    }

    /// The vouch for a home is signed and on its way to the disk.
    pub(crate) fn taken_in(&mut self, now: Now, home: HomeId) {
        let Some((contact, thens)) = self.newcomers.remove(&home) else { return };
        // Somebody waits to be told that it is on disk.
        self.keep_contact(now, contact, Urgency::Now);
        for then in thens {
            match then {
                Then::Welcome(inbound) => self.welcome(inbound, true),
                Then::Joined(join) => self.joined(join, true),
                Then::Met(peer) => self.met(peer),
            }
        }
    }
}
