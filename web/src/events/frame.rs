//! Events as the page and programs see them: one form for all three doors.

use meerkat_core::{Alarm, Event as Core};
use meerkat_protocols::{home::HomeId, letter::LetterId, wishes::Lists};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{
    calls::{Call, CallEnd},
    messages::MessageState,
    words::{LineWord, line_state, peer_id},
};

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Event {
    /// Rises for ever, over restarts too.
    pub(crate) id: u64,
    /// Unix seconds; null if the clock was not set.
    pub(crate) at: Option<i64>,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// The kinds of events and what each carries.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", content = "data")]
pub(crate) enum What {
    /// A call rings and is decided.
    #[serde(rename = "call.screened")]
    CallScreened(Box<Call>),
    /// A call has ended.
    #[serde(rename = "call.ended")]
    CallEnded(EndedCall),
    /// A call is on disk.
    #[serde(rename = "call.saved")]
    CallSaved(SavedCall),
    /// An entry of the lists was set or removed.
    #[serde(rename = "lists.changed")]
    ListsChanged(ChangedSubject),
    #[serde(rename = "settings.changed")]
    SettingsChanged(Nothing),
    /// The address book was changed.
    #[serde(rename = "people.changed")]
    PeopleChanged(Nothing),
    /// The rules about alarms were changed, or somebody has seen an alarm.
    #[serde(rename = "alarms.changed")]
    AlarmsChanged(Nothing),
    /// A list was imported or taken back.
    #[serde(rename = "imports.changed")]
    ImportsChanged(Nothing),
    /// A node on its way into the household has come further, or this one into another.
    #[serde(rename = "enrolment.changed")]
    EnrolmentChanged(Nothing),
    /// The household's members have changed, or which of them are there.
    #[serde(rename = "household.changed")]
    HouseholdChanged(Nothing),
    /// Calls or other facts of the home's other nodes came.
    #[serde(rename = "facts.arrived")]
    FactsArrived(Nothing),
    /// Calls were erased, and with them what these events told of them.
    #[serde(rename = "calls.erased")]
    CallsErased(Nothing),
    #[serde(rename = "report.made")]
    ReportMade(AboutNumber),
    #[serde(rename = "report.retracted")]
    ReportRetracted(AboutNumber),
    /// Somebody else's word on a number came, or was taken back.
    #[serde(rename = "report.received")]
    ReportReceived(AboutNumber),
    #[serde(rename = "vouch.changed")]
    VouchChanged(AboutHome),
    /// A node of a neighbour's home became known, says something else of itself, or is a contact no more.
    #[serde(rename = "contact.changed")]
    ContactChanged(AboutHome),
    /// An invite was made, revoked, or is over.
    #[serde(rename = "invites.changed")]
    InvitesChanged(Nothing),
    /// A home came in by an invite.
    #[serde(rename = "invite.used")]
    InviteUsed(Guest),
    /// A join of this node is further, or has ended.
    #[serde(rename = "joins.changed")]
    JoinsChanged(Nothing),
    /// A meeting with a node nearby is further, or has ended.
    #[serde(rename = "meetings.changed")]
    MeetingsChanged(Nothing),
    /// A node of a neighbour's home is there, or has fallen silent.
    #[serde(rename = "presence.changed")]
    PresenceChanged(Present),
    /// A neighbour's message has come.
    #[serde(rename = "message.received")]
    MessageReceived(AboutMessage),
    /// A message to a neighbour was written or has come further.
    #[serde(rename = "message.changed")]
    MessageChanged(ChangedMessage),
    /// A message to a neighbour was undone.
    #[serde(rename = "message.undone")]
    MessageUndone(AboutMessage),
    /// Messages of a neighbour were read, are not taken there, or were deleted.
    #[serde(rename = "messages.changed")]
    MessagesChanged(AboutHome),
    #[serde(rename = "peer.connected")]
    PeerConnected(AboutPeer),
    /// It is connected directly now instead of through a relay, or the other way round.
    #[serde(rename = "peer.path")]
    PeerPathChanged(AboutPeer),
    #[serde(rename = "peer.disconnected")]
    PeerDisconnected(AboutPeer),
    #[serde(rename = "line.changed")]
    LineChanged(ChangedLine),
    #[serde(rename = "alarm.raised")]
    AlarmRaised(AlarmWords),
    #[serde(rename = "alarm.cleared")]
    AlarmCleared(AlarmWords),
    /// Events were lost to this reader: fetch everything again. Those after this id follow without loss.
    #[serde(rename = "gap")]
    Gap(Nothing),
}

/// A call that has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct EndedCall {
    seq: u64,
    #[serde(flatten)]
    end: CallEnd,
}

/// A call that is on disk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct SavedCall {
    seq: u64,
}

/// An entry that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangedSubject {
    /// `+4930901820` or `+4930*`.
    subject: String,
}

/// Nothing further.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Nothing {}

/// Which number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AboutNumber {
    number: String,
}

/// Which home.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AboutHome {
    home: String,
}

/// Which message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AboutMessage {
    /// The neighbour's home.
    home: String,
    id: String,
}

/// A message and what has become of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangedMessage {
    /// The neighbour's home.
    home: String,
    id: String,
    state: MessageState,
}

/// Which peer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AboutPeer {
    peer: String,
}

/// A node of a neighbour's home, and whether it is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Present {
    home: String,
    peer: String,
    online: bool,
}

/// A home that came in by an invite.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Guest {
    home: String,
    /// Four words that its screen shows too.
    words: String,
}

/// A line and its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ChangedLine {
    name: String,
    state: LineWord,
    words: String,
}

/// An alarm.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AlarmWords {
    code: String,
    words: String,
}

impl What {
    /// The event as it is shown; labels come from the home's lists.
    pub(crate) fn of(event: &Core, lists: &Lists) -> Self {
        let number = |n: &meerkat_protocols::number::E164| AboutNumber { number: n.reveal() };
        let peer = |p: &meerkat_protocols::mesh::Peer| AboutPeer { peer: peer_id(*p) };
        let message = |home: &HomeId, id: &LetterId| AboutMessage { home: home.to_string(), id: id.to_string() };
        let alarm = |a: &Alarm| AlarmWords { code: a.code().to_owned(), words: a.words() };
        match event {
            Core::CallScreened(call) => Self::CallScreened(Box::new(Call::of(call, None, lists))),
            Core::CallEnded(end) => Self::CallEnded(EndedCall { seq: end.seq.0, end: end.into() }),
            Core::CallSaved(seq) => Self::CallSaved(SavedCall { seq: seq.0 }),
            Core::ListsChanged(subject) => Self::ListsChanged(ChangedSubject { subject: subject.key() }),
            Core::SettingsChanged => Self::SettingsChanged(Nothing {}),
            Core::ImportsChanged => Self::ImportsChanged(Nothing {}),
            Core::EnrolmentChanged => Self::EnrolmentChanged(Nothing {}),
            Core::FactsArrived => Self::FactsArrived(Nothing {}),
            Core::PeopleChanged => Self::PeopleChanged(Nothing {}),
            Core::RulesChanged | Core::AlarmAcknowledged => Self::AlarmsChanged(Nothing {}),
            Core::HouseholdChanged | Core::NodeNoted(_) | Core::AccountsChanged => Self::HouseholdChanged(Nothing {}),
            Core::NumberForgotten(_) => Self::CallsErased(Nothing {}),
            Core::ReportMade(n) => Self::ReportMade(number(n)),
            Core::ReportRetracted(n) => Self::ReportRetracted(number(n)),
            Core::ReportReceived(n) => Self::ReportReceived(number(n)),
            Core::VouchChanged(home) => Self::VouchChanged(AboutHome { home: home.to_string() }),
            Core::InvitesChanged => Self::InvitesChanged(Nothing {}),
            Core::InviteUsed { home, words } => {
                Self::InviteUsed(Guest { home: home.to_string(), words: words.to_string() })
            }
            Core::JoinsChanged => Self::JoinsChanged(Nothing {}),
            Core::MeetingsChanged => Self::MeetingsChanged(Nothing {}),
            Core::ContactChanged(home) => Self::ContactChanged(AboutHome { home: home.to_string() }),
            Core::PresenceChanged { home, peer, online } => {
                Self::PresenceChanged(Present { home: home.to_string(), peer: peer_id(*peer), online: *online })
            }
            Core::LetterReceived(home, id) => Self::MessageReceived(message(home, id)),
            Core::LetterChanged(home, id, progress) => Self::MessageChanged(ChangedMessage {
                home: home.to_string(),
                id: id.to_string(),
                state: (*progress).into(),
            }),
            Core::LetterGone(home, id) => Self::MessageUndone(message(home, id)),
            Core::LettersRead(home) | Core::LettersHeldUp(home) | Core::LettersForgotten(home) => {
                Self::MessagesChanged(AboutHome { home: home.to_string() })
            }
            Core::PeerConnected(p) => Self::PeerConnected(peer(p)),
            Core::PeerPathChanged(p) => Self::PeerPathChanged(peer(p)),
            Core::PeerDisconnected(p) => Self::PeerDisconnected(peer(p)),
            Core::LineChanged(line, state) => {
                let (word, words) = line_state(state);
                Self::LineChanged(ChangedLine { name: line.0.clone(), state: word, words })
            }
            Core::AlarmRaised(a) => Self::AlarmRaised(alarm(a)),
            Core::AlarmCleared(a) => Self::AlarmCleared(alarm(a)),
        }
    }

    /// The event's type as it is written.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::CallScreened(_) => "call.screened",
            Self::CallEnded(_) => "call.ended",
            Self::CallSaved(_) => "call.saved",
            Self::ListsChanged(_) => "lists.changed",
            Self::SettingsChanged(_) => "settings.changed",
            Self::ImportsChanged(_) => "imports.changed",
            Self::EnrolmentChanged(_) => "enrolment.changed",
            Self::PeopleChanged(_) => "people.changed",
            Self::AlarmsChanged(_) => "alarms.changed",
            Self::HouseholdChanged(_) => "household.changed",
            Self::FactsArrived(_) => "facts.arrived",
            Self::CallsErased(_) => "calls.erased",
            Self::ReportMade(_) => "report.made",
            Self::ReportRetracted(_) => "report.retracted",
            Self::ReportReceived(_) => "report.received",
            Self::VouchChanged(_) => "vouch.changed",
            Self::InvitesChanged(_) => "invites.changed",
            Self::InviteUsed(_) => "invite.used",
            Self::JoinsChanged(_) => "joins.changed",
            Self::MeetingsChanged(_) => "meetings.changed",
            Self::ContactChanged(_) => "contact.changed",
            Self::PresenceChanged(_) => "presence.changed",
            Self::MessageReceived(_) => "message.received",
            Self::MessageChanged(_) => "message.changed",
            Self::MessageUndone(_) => "message.undone",
            Self::MessagesChanged(_) => "messages.changed",
            Self::PeerConnected(_) => "peer.connected",
            Self::PeerPathChanged(_) => "peer.path",
            Self::PeerDisconnected(_) => "peer.disconnected",
            Self::LineChanged(_) => "line.changed",
            Self::AlarmRaised(_) => "alarm.raised",
            Self::AlarmCleared(_) => "alarm.cleared",
            Self::Gap(_) => "gap",
        }
    }
}

/// Which types a reader wants: `call.ended`, `call.*`, `*`; none given means all. A gap is always told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Wanted(Vec<String>);

impl Wanted {
    const MAX_PATTERNS: usize = 32;
    const MAX_PATTERN_BYTES: usize = 40;

    /// The patterns, unless there are too many or too long ones.
    pub(crate) fn new<'a>(patterns: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut all = vec![];
        for pattern in patterns.into_iter().map(str::trim).filter(|p| !p.is_empty()) {
            if all.len() == Self::MAX_PATTERNS || pattern.len() > Self::MAX_PATTERN_BYTES {
                return None;
            }
            all.push(pattern.to_owned());
        }
        Some(Self(all))
    }

    pub(crate) fn wants(&self, kind: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => kind.starts_with(beginning),
            None => kind == pattern,
        };
        self.0.is_empty() || kind == "gap" || self.0.iter().any(fits)
    }
}
