//! Mail as a node keeps it: letters with what became of them, and what is remembered of each neighbour's.

use serde::{Deserialize, Serialize};

use crate::{
    home::{HomeId, NodeNumber},
    letter::Letter,
};

/// The place of a letter in this node's mail, sent and received alike: the order in which this node saw them. Rises; a number
/// is used again only if nothing with it or above it was ever read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LetterNo(pub u64);

/// What became of a letter of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Progress {
    /// It waits for the neighbour and has never left.
    Queued,
    /// It has left. It may have arrived; nobody has said so yet.
    Sent,
    /// The neighbour's node has it on disk and proved that it could read it.
    Delivered {
        /// When that was heard, in Unix seconds, if the clock was set.
        at: Option<i64>,
    },
    /// It will not be tried again.
    Failed(Failure),
}

impl Progress {
    /// The word used in every interface.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Delivered { .. } => "delivered",
            Self::Failed(Failure::Expired) => "expired",
            Self::Failed(_) => "failed",
        }
    }

    /// Whether anything can still come of it.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Queued | Self::Sent)
    }
}

/// Why a letter is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Failure {
    /// It waited too long.
    Expired,
    /// This home no longer answers for that neighbour.
    NotANeighbour,
    /// The neighbour has had newer letters for so long that it cannot tell whether it had this one.
    TooOld,
    /// The neighbour's program does not understand it.
    NotUnderstood,
}

impl Failure {
    /// The failure's name in every interface.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotANeighbour => "not_a_neighbour",
            Self::TooOld => "too_old",
            Self::NotUnderstood => "not_understood",
        }
    }

    /// Why, for the person who wrote it, and what next.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Expired => "The neighbour was not reached for two weeks. Send it again if it still matters.",
            Self::NotANeighbour => "You no longer vouch for this neighbour, so nothing is sent to them.",
            Self::TooOld => {
                "The neighbour has had so many newer messages that it cannot tell whether this one came. Ask them, or send it again."
            }
            Self::NotUnderstood => "The neighbour's Meerkat does not understand this message. It may need an update.",
        }
    }
}

/// Which way a letter went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Way {
    /// From us.
    Out(Progress),
    /// To us.
    In(NodeNumber),
}

/// A letter as kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its place in this node's mail.
    pub no: LetterNo,
    /// The neighbour's home at the other end.
    pub home: HomeId,
    /// Which way it went.
    pub way: Way,
    /// When this node wrote or received it, in Unix seconds; `None` while the clock was not set.
    pub at: Option<i64>,
    /// The letter itself.
    pub letter: Letter,
}

/// What is kept of all letters exchanged with one home, beside them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marks {
    /// Letters up to this one were read.
    pub read: LetterNo,
    /// The newest writing date among letters from there that were dropped to make room. One that is not newer may be one of
    /// them come again, and is not shown.
    pub forgotten: Option<i64>,
}
