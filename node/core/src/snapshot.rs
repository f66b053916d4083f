//! How things are, for those who only look: cheap to copy, published after each change.

use std::sync::Arc;

use meerkat_protocols::{
    contact::About,
    facts::Call,
    fourwords::FourWords,
    home::{Card, HomeId, NodeNumber},
    memberword::MemberWord,
    mesh::{Found, Path, Peer},
    phone::{Line, LineState},
    roster::Role,
    shortcode::ShortCode,
    ticket::{SignedTicket, TicketId},
    time::Day,
    wishes::{Lists, Settings},
};

use crate::{
    alarms::Alarm,
    enrolling::Enrolment,
    exchanges::ExchangeState,
    household::facts::FactsState,
    imports::ImportState,
    joins::{JoinId, JoinStage},
    mail::Thread,
    meetings::MeetingStage,
    releases::ReleasesState,
    shared::Shared,
};

/// A neighbour's home that this home answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// Its name on the mesh.
    pub home: HomeId,
    /// How this home calls it.
    pub name: String,
    /// Since when.
    pub since: Day,
    /// How many live reports of it this node holds.
    pub reports: u32,
}

/// A node of a neighbour's home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactState {
    /// Whose.
    pub home: HomeId,
    /// How this home calls it.
    pub name: String,
    /// What it says of itself.
    pub about: About,
    /// Whether it is there: heard of within five minutes.
    pub online: bool,
    /// When it was last heard of, in milliseconds of the monotonic clock; `None` if not since the start.
    pub heard_mono_ms: Option<u64>,
    /// Since when it is a contact, in Unix seconds.
    pub since: Option<i64>,
}

/// An invite of this home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InviteState {
    /// Its name.
    pub id: TicketId,
    /// What is handed over.
    pub ticket: SignedTicket,
    /// How this home calls who is meant to use it; may be empty.
    pub name: String,
    /// Whether this home answers for who uses it.
    pub vouches: bool,
    /// When it is over, in milliseconds of the monotonic clock.
    pub ends_mono_ms: u64,
    /// Its short code and when that ends, while it works.
    pub code: Option<(ShortCode, u64)>,
    /// Who used it.
    pub used: Option<HomeId>,
    /// The words that the guest's screen shows too.
    pub words: Option<FourWords>,
}

/// A join of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JoinState {
    /// Its number.
    pub id: JoinId,
    /// How far it is.
    pub stage: JoinStage,
    /// How this home calls the neighbour; may be empty.
    pub name: String,
    /// Which home is joined, once known.
    pub home: Option<HomeId>,
    /// The words that the inviting screen shows too.
    pub words: Option<FourWords>,
}

/// A meeting with a node nearby.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeetingState {
    /// With whom.
    pub peer: Peer,
    /// Whether it was begun here.
    pub ours: bool,
    /// How far it is.
    pub stage: MeetingStage,
    /// The words to compare.
    pub words: Option<FourWords>,
}

/// A connected peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerState {
    /// Who.
    pub peer: Peer,
    /// Its address.
    pub address: String,
    /// How it became known.
    pub found: Found,
    /// How the connection goes.
    pub path: Path,
    /// Since when, in milliseconds of the monotonic clock.
    pub since_mono_ms: u64,
}

/// A node of this home, as the roster and this node know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberState {
    /// Its number.
    pub number: NodeNumber,
    /// What people call it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// Its network key's public half.
    pub peer: Peer,
    /// When it was added, in Unix seconds, if that is known.
    pub since: Option<i64>,
    /// Whether it is this node.
    pub own: bool,
    /// Whether it is connected.
    pub online: bool,
    /// Whether it is connected and knows the same members.
    pub in_step: bool,
    /// Whether two copies of it run.
    pub twin: bool,
    /// Whether it was removed.
    pub removed: bool,
    /// Whether it was removed by its own word.
    pub left: bool,
    /// What it says of itself; empty until it was heard.
    pub word: MemberWord,
    /// When it was last heard since the start, in Unix seconds.
    pub seen: Option<i64>,
}

/// The household.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HouseholdState {
    /// Members and former members; empty while the home has one node.
    pub members: Vec<MemberState>,
    /// Whether this node was removed.
    pub expelled: bool,
}

/// What was counted since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Statements accepted.
    pub accepted: u64,
    /// Statements ignored: not for us, or not now.
    pub ignored: u64,
    /// Statements rejected: nobody honest sends them.
    pub rejected: u64,
    /// Letters not taken in: of homes this one does not answer for, too many at once, or not readable.
    pub letters_refused: u64,
    /// Statements held until the home that made them can be reached by vouches.
    pub held: u64,
    /// Statements that exchanges brought and that were accepted; they are counted in `accepted` too.
    pub exchanged: u64,
    /// Peers that did in an exchange what nobody honest does.
    pub faults: u64,
    /// Calls screened.
    pub calls: u64,
    /// Calls let through because no verdict came in time.
    pub failed_open: u64,
}

/// Quiet hours.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QuietState {
    /// The time zone by which they go; without one there are none.
    pub zone: Option<String>,
    /// Whether it is quiet.
    pub now: bool,
}

/// How things are.
#[derive(Debug, Clone, PartialEq)]
pub struct Snapshot {
    /// This home.
    pub home: HomeId,
    /// This home's card, for neighbours.
    pub card: Card,
    /// This node's number in the home.
    pub node: NodeNumber,
    /// Whether the wall clock is set.
    pub clock_set: bool,
    /// The home's settings.
    pub settings: Settings,
    /// The names of settings that the configuration file pins.
    pub pinned: Vec<String>,
    /// The home's lists.
    pub lists: Arc<Lists>,
    /// The nodes of this home.
    pub household: HouseholdState,
    /// Nodes on their way into the household, and this one's into another.
    pub enrolment: Enrolment,
    /// What else the people of the home decided.
    pub shared: Shared,
    /// The neighbours this home answers for, by name.
    pub neighbours: Arc<Vec<Neighbour>>,
    /// The imported lists, the oldest first.
    pub imports: Arc<Vec<ImportState>>,
    /// How many more it may answer for.
    pub vouches_left: usize,
    /// The nodes of neighbours' homes.
    pub contacts: Vec<ContactState>,
    /// Invites of this home, the newest first.
    pub invites: Vec<InviteState>,
    /// Joins of this node, the newest first.
    pub joins: Vec<JoinState>,
    /// Meetings with nodes nearby.
    pub meetings: Vec<MeetingState>,
    /// The connected peers.
    pub peers: Vec<PeerState>,
    /// How things are between what this node and each connected peer hold.
    pub exchanges: Vec<ExchangeState>,
    /// The addresses under which peers reach this node.
    pub listening: Vec<String>,
    /// Whether others can call this node; unknown until somebody has tried.
    pub public: Option<bool>,
    /// The telephone lines.
    pub lines: Vec<(Line, LineState)>,
    /// The alarms that stand, with the Unix second since when.
    pub alarms: Vec<(Alarm, Option<i64>)>,
    /// Calls that ring now.
    pub ringing: Vec<Arc<Call>>,
    /// Statements held as evidence.
    pub statements: usize,
    /// Numbers about which there is a statement.
    pub numbers: usize,
    /// Reports that wait for the clock.
    pub waiting: usize,
    /// The letters exchanged with each home.
    pub threads: Arc<Vec<Thread>>,
    /// How far facts are exchanged with the other nodes of the home.
    pub facts: FactsState,
    /// How the key of this node's store is shared.
    pub releases: ReleasesState,
    /// What was counted.
    pub counts: Counts,
    /// Quiet hours.
    pub quiet: QuietState,
}
