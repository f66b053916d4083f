//! One entry of a roster, and how it reads on the wire: a CBOR array with 64 bytes of Ed25519 signature behind it.

use std::fmt;

use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{EntryId, EpochBox, MAX_MEMBERS, MAX_NAME_CHARS, Member, Role, Share};
use crate::{
    cbor,
    contact::SealKey,
    home::{HomeId, NodeNumber},
    mesh::Peer,
    signed, text,
};

const SIGN_DOMAIN: &[u8] = b"meerkat 2026-11 roster entry\0";
const ID_DOMAIN: &str = "meerkat 2026-11 roster entry id";
const VERSION: u8 = 1;

/// The longest entry, in bytes: twenty boxes of 84 and eight parents of 34 leave room for a name.
pub const MAX_ENTRY_BYTES: usize = 3_072;
/// The most entries that one may name as seen: as many admins would have had to write at once.
const MAX_PARENTS: usize = 8;

/// What an entry changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A node becomes a member. The first entry of all adds number 0, which is the home's first node.
    Add(Member),
    /// A member is none any more, for ever.
    Remove(NodeNumber),
    /// A member is called otherwise.
    Name(NodeNumber, String),
    /// A member may do more, or less.
    Role(NodeNumber, Role),
    /// A new epoch, for the same members.
    Rekey,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Of which home.
    pub home: HomeId,
    /// Which member says it.
    pub author: NodeNumber,
    /// The latest entries its author had seen.
    pub parents: Vec<EntryId>,
    /// When, in Unix seconds, if the author's clock was set. For people to read; nothing follows from it.
    pub at: Option<i64>,
    /// What.
    pub change: Change,
    /// The key of the epoch that begins with it, sealed to each who is a member then; none, if no epoch begins.
    pub boxes: Vec<(NodeNumber, EpochBox)>,
}

/// Why bytes are no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAnEntry {
    /// More bytes than an entry has.
    #[error("longer than an entry of a roster can be")]
    TooLong,
    /// Not the one encoding of an entry, or a field out of its range.
    #[error("not an entry of a roster")]
    Malformed,
    /// A later program wrote it.
    #[error("made by a newer program: update this node")]
    Newer,
}

/// An entry as it was signed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignedEntry(pub ByteBuf);

impl fmt::Debug for SignedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedEntry({:?})", self.id())
    }
}

#[derive(Serialize, Deserialize)]
struct Wire(u8, HomeId, NodeNumber, Vec<EntryId>, Option<i64>, u8, ByteBuf, Vec<(NodeNumber, EpochBox)>);
#[derive(Serialize, Deserialize)]
struct MemberWire(NodeNumber, String, u8, #[serde(with = "serde_bytes")] [u8; 32], Peer, SealKey, u16, u16);
#[derive(Serialize, Deserialize)]
struct NameWire(NodeNumber, String);
#[derive(Serialize, Deserialize)]
struct RoleWire(NodeNumber, u8);

impl Change {
    fn encode(&self) -> (u8, Vec<u8>) {
        match self {
            Self::Add(m) => {
                let Share { from, to } = m.share;
                let wire = MemberWire(m.number, m.name.clone(), m.role as u8, m.statement, m.peer, m.seal, from, to);
                (1, cbor::encode(&wire))
            }
            Self::Remove(number) => (2, cbor::encode(number)),
            Self::Name(number, name) => (3, cbor::encode(&NameWire(*number, name.clone()))),
            Self::Role(number, role) => (4, cbor::encode(&RoleWire(*number, *role as u8))),
            Self::Rekey => (5, Vec::new()),
        }
    }

    fn decode(kind: u8, body: &[u8], at: Option<i64>) -> Option<Self> {
        Some(match kind {
            1 => {
                let MemberWire(number, name, role, statement, peer, seal, from, to) = cbor::decode_strict(body).ok()?;
                let share = (from <= to && to <= Share::UNITS).then_some(Share { from, to })?;
                VerifyingKey::from_bytes(&statement).ok().filter(|key| !key.is_weak())?;
                let (name, role) = (fitting(name)?, Role::from_u8(role)?);
                Self::Add(Member { number, name, role, statement, peer, seal, share, since: at })
            }
            2 => Self::Remove(cbor::decode_strict(body).ok()?),
            3 => {
                let NameWire(number, name) = cbor::decode_strict(body).ok()?;
                Self::Name(number, fitting(name)?)
            }
            4 => {
                let RoleWire(number, role) = cbor::decode_strict(body).ok()?;
                Self::Role(number, Role::from_u8(role)?)
            }
            5 if body.is_empty() => Self::Rekey,
            _ => return None,
        })
    }

    /// Whether an epoch begins with it.
    #[must_use]
    pub fn begins_epoch(&self) -> bool {
        matches!(self, Self::Add(_) | Self::Remove(_) | Self::Rekey)
    }
}

/// The name, if an honest node would write it.
fn fitting(name: String) -> Option<String> {
    let fits = !name.is_empty() && name.chars().count() <= MAX_NAME_CHARS && text::inert(&name) == name;
    fits.then_some(name)
}

impl Entry {
    /// Signs it with its author's statement key.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> SignedEntry {
        let (kind, body) = self.change.encode();
        let Self { home, author, parents, at, boxes, .. } = self;
        let wire = Wire(VERSION, *home, *author, parents.clone(), *at, kind, ByteBuf::from(body), boxes.clone());
        SignedEntry(ByteBuf::from(signed::sign(SIGN_DOMAIN, cbor::encode(&wire), key)))
    }

    /// The number it gives.
    pub(super) fn adds(&self) -> Option<NodeNumber> {
        match &self.change {
            Change::Add(member) => Some(member.number),
            _ => None,
        }
    }
}

impl SignedEntry {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> EntryId {
        EntryId(blake3::derive_key(ID_DOMAIN, &self.0))
    }

    /// Reads it, without a look at the signature.
    ///
    /// # Errors
    /// [`NotAnEntry`].
    pub fn read(&self) -> Result<Entry, NotAnEntry> {
        if self.0.len() > MAX_ENTRY_BYTES {
            return Err(NotAnEntry::TooLong);
        }
        if signed::is_newer(&self.0, VERSION) {
            return Err(NotAnEntry::Newer);
        }
        let said = signed::said(&self.0).ok_or(NotAnEntry::Malformed)?;
        let Wire(version, home, author, parents, at, kind, body, boxes) =
            cbor::decode_strict(said).map_err(|_| NotAnEntry::Malformed)?;
        let sorted = parents.is_sorted_by(|a, b| a < b) && boxes.is_sorted_by(|(a, _), (b, _)| a < b);
        if version != VERSION || !sorted || parents.len() > MAX_PARENTS || boxes.len() > MAX_MEMBERS {
            return Err(NotAnEntry::Malformed);
        }
        let change = Change::decode(kind, &body, at).ok_or(NotAnEntry::Malformed)?;
        Ok(Entry { home, author, parents, at, change, boxes })
    }

    /// Whether the holder of this key signed it.
    #[must_use]
    pub fn verify(&self, key: &VerifyingKey) -> bool {
        signed::holds(SIGN_DOMAIN, &self.0, key)
    }
}
