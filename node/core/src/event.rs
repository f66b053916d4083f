//! What happened, for the page and for programs that listen. Events about saved things come after their commit.

use meerkat_protocols::{
    facts::{Call, CallEnd, Seq},
    fourwords::FourWords,
    home::{HomeId, NodeNumber},
    letter::LetterId,
    mail::Progress,
    mesh::Peer,
    number::E164,
    phone::{Line, LineState},
    wishes::Subject,
};

use crate::alarms::Alarm;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A call rings and is decided. It is not saved yet.
    CallScreened(Box<Call>),
    /// A call has ended. Its end is not saved yet.
    CallEnded(CallEnd),
    /// A call is saved: it survives a power cut.
    CallSaved(Seq),
    /// An entry of the lists was set or removed.
    ListsChanged(Subject),
    /// The home's settings were changed.
    SettingsChanged,
    /// The household has changed: its members, or which of them are there.
    HouseholdChanged,
    /// Enrolling has come further: an invite, a node that wants in, this node's own joining.
    EnrolmentChanged,
    /// Facts of other nodes of the home are saved here.
    FactsArrived,
    /// The address book was changed.
    PeopleChanged,
    /// The rules about alarms were changed.
    RulesChanged,
    /// Somebody has seen an alarm.
    AlarmAcknowledged,
    /// What is noted about a node was changed.
    NodeNoted(NodeNumber),
    /// An account of the page was changed.
    AccountsChanged,
    /// A list was imported or taken back.
    ImportsChanged,
    /// The calls from a number were forgotten.
    NumberForgotten(E164),
    /// This home reported a number.
    ReportMade(E164),
    /// This home took a report back.
    ReportRetracted(E164),
    /// Somebody else's word on a number was accepted, taken back or replaced.
    ReportReceived(E164),
    /// A vouch of this home was made, taken back or named.
    VouchChanged(HomeId),
    /// A contact came, changed what it says of itself, or went.
    ContactChanged(HomeId),
    /// An invite was made, revoked, or is over.
    InvitesChanged,
    /// A guest came in by an invite.
    InviteUsed {
        /// Which home.
        home: HomeId,
        /// What both screens show.
        words: FourWords,
    },
    /// A join of this node is further, or has ended.
    JoinsChanged,
    /// A meeting is further, or has ended.
    MeetingsChanged,
    /// A contact is there, or has fallen silent.
    PresenceChanged {
        /// Whose.
        home: HomeId,
        /// Which node of it.
        peer: Peer,
        /// Whether it is there.
        online: bool,
    },
    /// A neighbour's letter has come.
    LetterReceived(HomeId, LetterId),
    /// A letter to a home was written or has come further.
    LetterChanged(HomeId, LetterId, Progress),
    /// A letter to a home was undone.
    LetterGone(HomeId, LetterId),
    /// Letters of a home were read.
    LettersRead(HomeId),
    /// Letters to a home are not taken there.
    LettersHeldUp(HomeId),
    /// All letters exchanged with a home were dropped.
    LettersForgotten(HomeId),
    /// A peer is connected.
    PeerConnected(Peer),
    /// A peer is connected another way now: directly instead of through a relay, or the other way round.
    PeerPathChanged(Peer),
    /// A peer is gone.
    PeerDisconnected(Peer),
    /// A line's state changed.
    LineChanged(Line, LineState),
    /// Something needs a person's attention.
    AlarmRaised(Alarm),
    /// It no longer does.
    AlarmCleared(Alarm),
}
