//! How far a node is on its way into a household, in words.

use meerkat_protocols::enrolment::No;

/// How far this node is on its way into a household.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnrolStage {
    /// The inviting node is being called, or looked for nearby.
    Calling,
    /// It is connected; the two prove to each other that they know the invite.
    Proving,
    /// Both screens show the digits: a person compares them, on both sides.
    Comparing,
    /// The other side has confirmed; the roster is being fetched.
    Fetching,
    /// Both have confirmed, and the node is becoming a member.
    Moving,
    /// It came to nothing.
    Failed(EnrolTrouble),
}

/// Why it came to nothing, and what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnrolTrouble {
    /// The node of the invite was not reached.
    #[error(
        "the inviting node was not reached: see that it is running and that both nodes are connected, then try again with the same invite"
    )]
    NotReached,
    /// Nobody nearby knows the code.
    #[error(
        "no node on this network knows this code: compare it letter by letter, see that both nodes are on the same network, and make a new one if it is older than 10 minutes"
    )]
    NobodyNearby,
    /// The invite is not open.
    #[error(
        "this invite is not open any more: it was used, is older than 10 minutes, or its node was restarted. Make a new one"
    )]
    NoSuchInvite,
    /// The person there said no, or took too long.
    #[error("the person at the inviting node said no, or confirmed another node")]
    Refused,
    /// The two do not understand each other.
    #[error(
        "what came back is not from the node that made this invite, or the two do not understand each other: update both, then try again with a new invite"
    )]
    NotUnderstood,
    /// Twenty is the most.
    #[error("that household has as many nodes as it may: remove one there first")]
    Full,
    /// It knows this node by another key.
    #[error("that household knows this node already, by another key: remove it there first")]
    Known,
    /// The other node cannot now.
    #[error("the inviting node cannot do this now: try again in a minute")]
    NotNow,
    /// Nobody confirmed.
    #[error("nobody confirmed within ten minutes: make a new invite")]
    TooLate,
    /// The person here gave up.
    #[error("you stopped it: this node is as it was")]
    GivenUp,
    /// No new key could be made or saved.
    #[error("no new key could be made and saved: see that the disk is not full, then try again")]
    NoKey,
}

impl From<No> for EnrolTrouble {
    fn from(no: No) -> Self {
        match no {
            No::NoSuchInvite => Self::NoSuchInvite,
            No::NotNow => Self::NotNow,
            No::Refused => Self::Refused,
            No::NotUnderstood => Self::NotUnderstood,
            No::Full => Self::Full,
            No::Known => Self::Known,
        }
    }
}

impl EnrolStage {
    /// The stage's name in every interface.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Calling => "calling",
            Self::Proving => "proving",
            Self::Comparing => "comparing",
            Self::Fetching => "fetching",
            Self::Moving => "moving",
            Self::Failed(_) => "failed",
        }
    }

    /// As a sentence for the person who waits.
    #[must_use]
    pub fn words(self) -> String {
        match self {
            Self::Calling => "Looking for the inviting node and calling it.".into(),
            Self::Proving => "Connected. Showing the invite.".into(),
            Self::Comparing => {
                "Compare the six digits with those on the screen of the inviting node. Confirm on both only if they are the same.".into()
            }
            Self::Fetching => "The inviting node has confirmed. Fetching who belongs to the household.".into(),
            Self::Moving => "Both have confirmed. This node is becoming a member; its page is back in a moment.".into(),
            Self::Failed(trouble) => {
                let text = trouble.to_string();
                let mut letters = text.chars();
                let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
                format!("{first}{}.", letters.as_str())
            }
        }
    }

    pub(super) fn runs(self) -> bool {
        !matches!(self, Self::Moving | Self::Failed(_))
    }
}
