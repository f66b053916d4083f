//! The key of a member's store, given out by the other members: what they hold for it, how it is entrusted to them over the
//! member channel, and how a node whose store is still shut asks for it.
//!
//! A locked node has neither its network key nor the epoch's: both are in the shut store. It asks under a key of its own,
//! made for nothing else, which the members were told when they were given the secret. The network proves who asks.

use std::fmt;

use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{cbor, home::NodeNumber, mesh::Peer};

const VERSION: u8 = 1;
/// Secrets that a member holds for one other: the one in use, and the one that is to follow it. More come only of a node
/// that was killed while it changed them, and go with its next word.
pub const MAX_ENTRUSTED: usize = 4;
/// The longest word about them: four of 80 bytes and their frame.
const MAX_WORD_BYTES: usize = 512;

/// Under which members keep a secret for a node. It is no secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReleaseId(#[serde(with = "serde_bytes")] pub [u8; 16]);

/// What unwraps the key of a store: members give it out.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct ReleaseSecret(#[serde(with = "serde_bytes")] [u8; 32]);

impl fmt::Debug for ReleaseSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReleaseSecret(…)")
    }
}

impl ReleaseSecret {
    /// The secret of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The seed of the network key (Ed25519) under which a locked node asks. It lies in plain beside the shut store: who has the
/// memory card can ask too, until the node is removed from the household.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop, Serialize, Deserialize)]
pub struct AskingKey(#[serde(with = "serde_bytes")] [u8; 32]);

impl fmt::Debug for AskingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AskingKey(…)")
    }
}

impl AskingKey {
    /// The key of these bytes.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Who asks with it, as the network names it.
    #[must_use]
    pub fn peer(&self) -> Peer {
        Peer(SigningKey::from_bytes(&self.0).verifying_key().to_bytes())
    }
}

/// What a node entrusts to the other members, and keeps beside its store of it: all but the secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrusted {
    /// Under which they keep it.
    pub id: ReleaseId,
    /// With what the node asks for it.
    pub asking: AskingKey,
    /// What they give out.
    pub secret: ReleaseSecret,
}

/// A secret as it lies in a member's store. Of a node's own a row without the secret says who was given it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Release {
    /// Whose it is.
    pub owner: NodeNumber,
    /// Under which the owner asks for it.
    pub id: ReleaseId,
    /// Who may ask.
    pub asker: Peer,
    /// What is given out; nothing once the owner was removed.
    pub secret: Option<ReleaseSecret>,
    /// Of a node's own: the members that were given it.
    pub holders: Vec<NodeNumber>,
}

/// One secret of a [`Hold`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held(pub ReleaseId, pub Peer, pub ReleaseSecret);

/// A member says what another is to hold for it: this and nothing else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hold(pub Vec<Held>);

#[derive(Serialize, Deserialize)]
struct HoldWire(u8, Vec<Held>);

impl Hold {
    /// The bytes of it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&HoldWire(VERSION, self.0.clone()))
    }

    /// Reads them; `None` if no honest member writes them, or a later program did.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let HoldWire(version, held) = bounded(bytes)?;
        (version == VERSION && held.len() <= MAX_ENTRUSTED).then_some(Self(held))
    }
}

/// The answer: what is held now, on disk.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holding(pub Vec<ReleaseId>);

#[derive(Serialize, Deserialize)]
struct HoldingWire(u8, Vec<ReleaseId>);

impl Holding {
    /// The bytes of it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&HoldingWire(VERSION, self.0.clone()))
    }

    /// Reads them.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let HoldingWire(version, ids) = bounded(bytes)?;
        (version == VERSION && ids.len() <= MAX_ENTRUSTED).then_some(Self(ids))
    }
}

/// A locked node asks for what was kept under this id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question(pub ReleaseId);

#[derive(Serialize, Deserialize)]
struct QuestionWire(u8, ReleaseId);

impl Question {
    /// The bytes of it.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        cbor::encode(&QuestionWire(VERSION, self.0))
    }

    /// Reads them.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let QuestionWire(version, id) = bounded(bytes)?;
        (version == VERSION).then_some(Self(id))
    }
}

/// What it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Here it is.
    Given(ReleaseSecret),
    /// Nothing is kept here under that id for who asks.
    Unknown,
    /// The node was removed from the household: it gets nothing.
    Removed,
    /// The node is connected as itself, so it is not locked: ask again in so many seconds.
    Runs(u32),
    /// It was asked for too often: ask again in so many seconds.
    TooOften(u32),
}

#[derive(Serialize, Deserialize)]
struct AnswerWire(u8, u8, u32, Option<ReleaseSecret>);

impl Answer {
    /// The bytes of it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (code, seconds, secret) = match self {
            Self::Given(secret) => (0, 0, Some(secret.clone())),
            Self::Unknown => (1, 0, None),
            Self::Removed => (2, 0, None),
            Self::Runs(seconds) => (3, *seconds, None),
            Self::TooOften(seconds) => (4, *seconds, None),
        };
        cbor::encode(&AnswerWire(VERSION, code, seconds, secret))
    }

    /// Reads them.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let AnswerWire(version, code, seconds, secret) = bounded(bytes)?;
        match (version, code, seconds, secret) {
            (VERSION, 0, 0, Some(secret)) => Some(Self::Given(secret)),
            (VERSION, 1, 0, None) => Some(Self::Unknown),
            (VERSION, 2, 0, None) => Some(Self::Removed),
            (VERSION, 3, seconds, None) => Some(Self::Runs(seconds)),
            (VERSION, 4, seconds, None) => Some(Self::TooOften(seconds)),
            _ => None,
        }
    }
}

fn bounded<T: Serialize + serde::de::DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    if bytes.len() > MAX_WORD_BYTES { None } else { cbor::decode_strict(bytes).ok() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn held(n: u8) -> Held {
        Held(ReleaseId([n; 16]), Peer([n; 32]), ReleaseSecret::from_bytes([n; 32]))
    }

    #[test]
    fn words_read_back_and_have_their_limits() {
        let full = Hold((0..4).map(held).collect());
        assert_eq!(Hold::decode(&full.encode()), Some(full.clone()));
        let crowded = Hold((0..5).map(held).collect());
        assert_eq!(Hold::decode(&crowded.encode()), None);
        let ids = Holding(full.0.iter().map(|held| held.0).collect());
        assert_eq!(Holding::decode(&ids.encode()), Some(ids));
        let question = Question(ReleaseId([7; 16]));
        assert_eq!(Question::decode(&question.encode()), Some(question));
        let given = Answer::Given(ReleaseSecret::from_bytes([9; 32]));
        for answer in [given, Answer::Unknown, Answer::Removed, Answer::Runs(5), Answer::TooOften(60)] {
            assert_eq!(Answer::decode(&answer.encode()), Some(answer));
        }
        assert_eq!(Answer::decode(&cbor::encode(&AnswerWire(VERSION, 0, 0, None))), None);
        assert_eq!(Answer::decode(&cbor::encode(&AnswerWire(VERSION, 9, 0, None))), None);
    }

    #[test]
    fn secrets_are_not_shown() {
        let entrusted = Entrusted {
            id: ReleaseId([1; 16]),
            asking: AskingKey::from_bytes([77; 32]),
            secret: ReleaseSecret::from_bytes([78; 32]),
        };
        let shown = format!("{entrusted:?}");
        assert!(!shown.contains("77") && !shown.contains("78"), "{shown}");
        assert_ne!(entrusted.asking.peer(), Peer([77; 32]));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let _ = (Hold::decode(&bytes), Holding::decode(&bytes), Question::decode(&bytes), Answer::decode(&bytes));
        }
    }
}
