//! The pure node: every decision of Meerkat is made in here, without clock, I/O or chance.
//!
//! [`Node`] takes one [`Input`] at a time and answers with [`Output`]s. [`Engine`] stands around it and keeps the order
//! of things: answers to the phone go at once, writes are gathered into batches, and what may only be said once it is
//! saved waits for its batch. The daemon drives one engine with sockets and disks; the simulations drive thousands.
//!
//! **What is absent.** No clock, no randomness, no file, no socket, no thread, no event bus. The node never reads the
//! store. No key of the node comes in: signing is a [`Job`] for those who hold it. A score never leaves.

#![forbid(unsafe_code)]
#![deny(clippy::iter_over_hash_type)]

mod accounts;
mod acts;
mod admission;
mod agreement;
mod alarms;
mod arrivals;
mod calendar;
mod command;
mod contacts;
mod delegates;
mod direct;
mod engine;
mod enrolling;
mod event;
mod evidence;
mod exchanges;
mod hearing;
mod household;
mod imports;
mod input;
mod invites;
mod joins;
mod mail;
mod meetings;
mod neighbourhood;
mod newcomers;
mod node;
mod output;
mod pace;
mod peers;
mod people;
mod phone;
mod presence;
mod quiet;
mod ranges;
mod refusal;
mod releases;
mod score;
mod screening;
mod shared;
mod snapshot;
mod speaker;
pub mod trust;
mod voices;
mod vouch_graph;
mod vouches;
mod whereabouts;

pub use accounts::AccountRefusal;
pub use admission::{Admission, Ignored, Rejected};
pub use agreement::{Agree, Agreed};
pub use alarms::Alarm;
pub use command::{Assessment, Change, Claim, Command, CommandId, Refusal, Reply, Through};
pub use engine::{Deed, Engine};
pub use enrolling::{
    Becoming, EnrolCommand, EnrolRefusal, EnrolStage, EnrolState, EnrolTrouble, Enrolment, GuestStage, GuestState,
    HouseholdInvite, Whose,
};
pub use event::Event;
pub use exchanges::{
    ExchangeInput, ExchangeNews, ExchangeOutput, ExchangeState, Exchanges, Notice, Taken, UnderWay, Unwanted,
};
pub use household::{
    MemberInbound, Then,
    facts::{FactsState, Load, LoadId, Loaded},
    open_epochs,
};
pub use imports::ImportState;
pub use input::{Done, Identity, Input, JobId, Restored};
pub use joins::{JoinId, JoinStage, JoinTrouble};
pub use mail::{HeldUp, Thread};
pub use meetings::MeetingStage;
pub use node::Node;
pub use output::{Job, Output, Promise, Urgency};
pub use releases::{ReleaseCommand, ReleasesState, UnlockStep, Unlocking};
pub use shared::{Changed, Shared};
pub use snapshot::{
    ContactState, Counts, HouseholdState, InviteState, JoinState, MeetingState, MemberState, Neighbour, PeerState,
    QuietState, Snapshot,
};
pub use vouch_graph::{GraphHome, VouchGraph};
