//! What a telephone gateway tells the node and what it is told. A gateway reports and obeys; it decides nothing.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One call, as numbered by this node since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CallId(pub u64);

/// The name of a line as the settings give it, for instance `home`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Line(pub String);

/// Where the caller's number was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IdentitySource {
    /// The network asserted it (P-Asserted-Identity, RFC 3325): harder to forge than `From`.
    Asserted,
    /// The caller's own device wrote it (From, RFC 3261 8.1.1.3).
    From,
}

/// What the network says about the signature of the caller's number (`verstat`, ATIS-1000074; 3GPP TS 24.229 7.2A.20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Verstat {
    /// The signature was checked and holds.
    Passed,
    /// It was checked and does not hold: the number may be borrowed.
    Failed,
    /// There was nothing to check.
    NotValidated,
}

/// A call that is ringing now. Everything in it is what somebody outside wrote.
#[derive(Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The number of the call.
    pub call: CallId,
    /// The line it came by.
    pub line: Line,
    /// The text in the caller's place: the user part of the URI, as it came.
    pub caller: String,
    /// Whether the caller asked for privacy (Privacy: id, RFC 3323) or wrote `anonymous`.
    pub anonymous: bool,
    /// The name shown beside the number, as it came.
    pub name: String,
    /// Where `caller` was read.
    pub source: IdentitySource,
    /// The network's word on the number, where it gives one.
    pub verstat: Option<Verstat>,
    /// Further facts worth keeping, as (name, text): the user agent, the SIP Call-ID. At most 8.
    pub metadata: Vec<(String, String)>,
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The caller and the name are personal data.
        f.debug_struct("Incoming").field("call", &self.call).field("line", &self.line).finish_non_exhaustive()
    }
}

/// How a call ended, as far as this node saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Ending {
    /// We refused it.
    Refused,
    /// We answered and hung up, because the line's router offers a refused call again.
    HungUp,
    /// We stepped aside after the hold time; the phones of the house ring on.
    SteppedAside,
    /// The caller gave up, or somebody took the call on a phone, while it was ringing here.
    Cancelled,
    /// The line was lost while the call was ringing here.
    LineLost,
    /// No verdict came in time, so it was let through.
    RangUndecided,
}

/// How a line stands with its router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum LineState {
    /// Asking the router to be registered.
    Registering,
    /// Registered, calls arrive here; or listening, on a line without registration.
    Ready,
    /// Not usable now; the text says whose fault it is and what is tried next.
    Failing(String),
}

/// What a telephone gateway reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A call rings.
    Incoming(Incoming),
    /// A call that was reported has ended.
    Ended {
        /// Which.
        call: CallId,
        /// How.
        how: Ending,
    },
    /// A call was let through because no verdict came in time.
    FailedOpen {
        /// Which.
        call: CallId,
    },
    /// A line's state has changed.
    Line {
        /// Which.
        line: Line,
        /// Its state now.
        state: LineState,
    },
}

/// Who wants a call blocked: gateways answer the network differently (RFC 8197 for a person's own word, RFC 8688 for a
/// machine's).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BlockedBy {
    /// A person of this home: own list or own setting.
    Own,
    /// The neighbours' reports.
    Neighbours,
    /// The hour: nobody says anything against the caller.
    QuietHours,
}

/// What the gateway shall do with a ringing call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Let the phones ring.
    Pass,
    /// Keep it from the phones.
    Block(BlockedBy),
}

/// An order to a telephone gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// Which call.
    pub call: CallId,
    /// What to do with it.
    pub answer: Answer,
}
