//! Enrolling: another node is taken into this household, or this one into another. `design/enrolment.md` draws it.
//!
//! Nothing of it is on disk until the admin's person has confirmed: a stop on either side before that ends it and leaves
//! both homes as they were.

mod guest;
mod host;
mod stages;

use std::collections::BTreeMap;

use meerkat_protocols::{
    enrolment::{Digits, HouseholdTicket, NotAHouseholdTicket},
    home::{Genesis, NodeNumber},
    mesh::Peer,
    roster::{Role, SignedEntry},
    shortcode::ShortCode,
};

pub use host::GuestStage;
pub use stages::{EnrolStage, EnrolTrouble};

use crate::pace::Pace;

/// What people ask about enrolling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EnrolCommand {
    /// Make an invite for a node of this household.
    Invite,
    /// End the invite that is open.
    EndInvite,
    /// Become a member of another household.
    Join {
        /// The invite's text, or its short code.
        text: String,
        /// How this node is to be called there; may be empty.
        name: String,
    },
    /// The six digits are the same on both screens.
    Confirm {
        /// As they are shown.
        digits: Digits,
        /// How the node is called; if empty, as it calls itself. Nothing where this node is the one that joins.
        name: String,
        /// What it may do.
        role: Role,
    },
    /// They are not, or nobody is to come in: the node with these digits, or this node's own joining.
    Refuse(Digits),
    /// Stop joining.
    GiveUp,
    /// Go on alone as a new home.
    Leave,
}

/// Why something about enrolling was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnrolRefusal {
    /// Members that are no admins add nobody.
    #[error("only an admin of the household may do this: ask on a node that is one")]
    NotAdmin,
    /// The text is no invite.
    #[error("{0}")]
    NotAnInvite(NotAHouseholdTicket),
    /// It was made here.
    #[error("this is the invite of this node: use it on the node that is to join")]
    OwnInvite,
    /// A node belongs to one household.
    #[error(
        "this node belongs to a household of {0} nodes: take it out first, with `meerkat household leave` or on its Household page"
    )]
    InHousehold(usize),
    /// One at a time.
    #[error("this node is joining a household already: give that up first")]
    Joining,
    /// No node shows these digits.
    #[error("no node that wants in shows these digits: compare them again; `meerkat household` shows who waits")]
    NoSuchDigits,
    /// Two nodes show the same.
    #[error("two nodes show the same digits, which is one chance in a million or no chance at all: make a new invite")]
    Ambiguous,
    /// The node has another key than the household knows it by.
    #[error("this node is a member already, by another key: remove it from the household first, then invite it anew")]
    Known,
    /// Twenty is the most.
    #[error("the household has as many nodes as it may: remove one first")]
    Full,
    /// There is nothing to leave.
    #[error("this node is the only one of its home: there is no household to leave")]
    Alone,
    /// The last admin would go.
    #[error("this node is the only admin of the household: make another node an admin first")]
    LastAdmin,
}

impl EnrolRefusal {
    /// The refusal's name in every interface.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAdmin => "not_admin",
            Self::NotAnInvite(_) => "not_an_invite",
            Self::OwnInvite => "own_invite",
            Self::InHousehold(_) => "in_household",
            Self::Joining => "joining",
            Self::NoSuchDigits => "no_such_digits",
            Self::Ambiguous => "ambiguous_digits",
            Self::Known => "known_member",
            Self::Full => "household_full",
            Self::Alone => "alone",
            Self::LastAdmin => "last_admin",
        }
    }
}

/// What this node becomes: the daemon writes it in one step and starts anew as that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Becoming {
    /// The home, and how it is entered.
    pub whose: Whose,
    /// The node that let it in, and where it is called.
    pub met: Option<(Peer, Vec<String>)>,
}

/// Which home a node becomes a part of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Whose {
    /// Another's, which gave it a number.
    Joined {
        /// The record that made it.
        genesis: Genesis,
        /// The number.
        number: NodeNumber,
        /// The whole roster.
        entries: Vec<SignedEntry>,
    },
    /// A new one of its own.
    Own,
}

/// An invite that is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseholdInvite {
    /// What is handed over.
    pub ticket: HouseholdTicket,
    /// The same for two nodes on one network, while it works.
    pub code: Option<ShortCode>,
    /// When it is over, in milliseconds of the monotonic clock.
    pub ends_mono_ms: u64,
}

/// A node that wants in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestState {
    /// Which.
    pub peer: Peer,
    /// How it calls itself, or how it is called by whoever confirmed it.
    pub name: String,
    /// What its screen shows too.
    pub digits: Digits,
    /// How far it is.
    pub stage: GuestStage,
    /// Whether it is on the same network.
    pub nearby: bool,
}

/// This node on its way into another household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnrolState {
    /// How far it is.
    pub stage: EnrolStage,
    /// What the other screen shows too.
    pub digits: Option<Digits>,
    /// Whether the person here has confirmed.
    pub confirmed: bool,
}

/// All of it, for those who look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Enrolment {
    /// The invite that is open.
    pub invite: Option<HouseholdInvite>,
    /// The nodes that want in, or came in or not by it.
    pub guests: Vec<GuestState>,
    /// This node's own joining.
    pub joining: Option<EnrolState>,
}

/// What is under way.
#[derive(Default)]
pub(crate) struct Enrolling {
    invite: Option<host::Invite>,
    guests: BTreeMap<Peer, host::Guest>,
    joining: Option<guest::Joining>,
    pace: Pace,
}

impl Enrolling {
    /// When something is to be done, in milliseconds of the monotonic clock.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let invite = self.invite.as_ref().map(host::Invite::due_ms);
        let guests = self.guests.values().map(|guest| guest.until_ms);
        let joining = self.joining.iter().filter_map(guest::Joining::due_ms);
        invite.into_iter().chain(guests).chain(joining).min()
    }
}

impl crate::node::Node {
    /// Carries out what a person asks.
    pub(crate) fn enrol_command(
        &mut self,
        now: meerkat_protocols::time::Now,
        id: crate::command::CommandId,
        command: EnrolCommand,
    ) -> Result<(), crate::command::Refusal> {
        match command {
            EnrolCommand::Invite => self.invite_node(now, id),
            EnrolCommand::EndInvite => self.end_node_invite(id),
            EnrolCommand::Join { text, name } => self.enrol(now, id, &text, &name),
            EnrolCommand::Confirm { digits, name, role } => match self.is_joining_with(digits) {
                true => self.confirm_joining(id),
                false => self.confirm_guest(now, id, digits, &name, role),
            },
            EnrolCommand::Refuse(digits) => match self.is_joining_with(digits) {
                true => self.give_up_joining(id),
                false => self.refuse_guest(id, digits),
            },
            EnrolCommand::GiveUp => self.give_up_joining(id),
            EnrolCommand::Leave => self.leave_household(now, id),
        }
    }

    /// Does what is due.
    pub(crate) fn mind_enrolling(&mut self, now: meerkat_protocols::time::Now) {
        if self.enrolling.due_ms().is_none_or(|due| now.mono_ms < due) {
            return;
        }
        self.mind_guests(now);
        self.mind_joining(now);
    }

    /// How enrolling stands.
    pub(crate) fn enrolment(&self) -> Enrolment {
        Enrolment {
            invite: self.enrolling.invite.as_ref().map(host::Invite::state),
            guests: self.enrolling.guests.values().filter_map(|guest| guest.state(self)).collect(),
            joining: self.enrolling.joining.as_ref().map(guest::Joining::state),
        }
    }
}
