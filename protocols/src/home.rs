//! Who speaks: homes, the nodes in them, and the card by which a person hands a home's name to a neighbour.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use ed25519_dalek::VerifyingKey;
use serde::{Deserialize, Serialize};

use crate::cbor;

/// Domain of the hash that names a home; changing it renames every home.
const GENESIS_DOMAIN: &str = "meerkat 2026-11 home genesis";
/// Domain of the four check bytes of a card.
const CARD_DOMAIN: &str = "meerkat 2026-11 home card";
/// What a card begins with, so that a person sees what it is.
const CARD_PREFIX: &str = "meerkat-home-";
/// Check bytes of a card: a mistyped card passes once in 2^32.
const CARD_CHECK_BYTES: usize = 4;

/// The name of a home: the first 16 bytes of the hash of its genesis record.
///
/// 128 bits: finding a second genesis for a given name takes 2^128 hashes; finding two for a name of one's own choice
/// takes 2^64 and wins nothing, because both would be that one home.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct HomeId(#[serde(with = "serde_bytes")] pub [u8; 16]);

impl fmt::Display for HomeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for HomeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}…", self.short())
    }
}

impl HomeId {
    /// The first eight characters, for a line on a screen. Never to identify a home by.
    #[must_use]
    pub fn short(&self) -> String {
        self.to_string().chars().take(8).collect()
    }
}

impl FromStr for HomeId {
    type Err = NotAHome;

    fn from_str(text: &str) -> Result<Self, NotAHome> {
        let bytes = BASE32_NOPAD.decode(text.trim().to_ascii_uppercase().as_bytes()).map_err(|_| NotAHome)?;
        bytes.try_into().map(Self).map_err(|_| NotAHome)
    }
}

/// The text is not the name of a home.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is not the name of a home: a name is 26 letters and digits, as `meerkat node info` prints it")]
pub struct NotAHome;

/// The number of a node in its home's roster; the first node is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeNumber(pub u8);

/// The record that makes a home: the statement key of its first node. Its hash is the home's name, so whoever holds the
/// record can check both, and nobody has to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Genesis(u8, #[serde(with = "serde_bytes")] [u8; 32]);

impl Genesis {
    /// The version of the record that this program writes.
    const VERSION: u8 = 1;

    /// The genesis of the home whose first node signs with `key`.
    #[must_use]
    pub fn new(key: &VerifyingKey) -> Self {
        Self(Self::VERSION, key.to_bytes())
    }

    /// Whether the record is of a version we know and holds a key that can verify anything (RFC 8032, 5.1.3).
    #[must_use]
    pub fn key(&self) -> Option<VerifyingKey> {
        let key = VerifyingKey::from_bytes(&self.1).ok()?;
        (self.0 == Self::VERSION && !key.is_weak()).then_some(key)
    }

    /// The name of the home that this record makes.
    #[must_use]
    pub fn home(&self) -> HomeId {
        let hash = blake3::derive_key(GENESIS_DOMAIN, &cbor::encode(self));
        let mut name = [0; 16];
        name.copy_from_slice(&hash[..16]);
        HomeId(name)
    }
}

/// What one neighbour gives another face to face so that the other can vouch: the genesis as text with check bytes.
/// It holds nothing secret, and nothing that leads to the node's address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Card(pub Genesis);

impl fmt::Display for Card {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = cbor::encode(&self.0);
        let check = blake3::derive_key(CARD_DOMAIN, &bytes);
        bytes.extend_from_slice(&check[..CARD_CHECK_BYTES]);
        write!(f, "{CARD_PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

/// Why a text is not a home's card.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotACard {
    /// It begins otherwise.
    #[error(
        "this is not a home's card: a card begins with `{CARD_PREFIX}`. Your neighbour finds theirs on the Mesh page or with `meerkat node info`"
    )]
    Prefix,
    /// Letters are missing or mistyped.
    #[error("this card was not copied whole or has a typing mistake: copy it again from its beginning to its end")]
    Damaged,
    /// A later program wrote it.
    #[error("this card was made by a newer Meerkat: update this node to read it")]
    Version,
}

impl FromStr for Card {
    type Err = NotACard;

    fn from_str(text: &str) -> Result<Self, NotACard> {
        // A card is 76 characters; a pasted book is not worth decoding.
        let text = text.trim();
        let body = text.strip_prefix(CARD_PREFIX).ok_or(NotACard::Prefix)?;
        if body.len() > 128 {
            return Err(NotACard::Damaged);
        }
        let bytes = BASE32_NOPAD.decode(body.to_ascii_uppercase().as_bytes()).map_err(|_| NotACard::Damaged)?;
        let split = bytes.len().checked_sub(CARD_CHECK_BYTES).ok_or(NotACard::Damaged)?;
        let (record, check) = bytes.split_at(split);
        if blake3::derive_key(CARD_DOMAIN, record)[..CARD_CHECK_BYTES] != *check {
            return Err(NotACard::Damaged);
        }
        let genesis: Genesis = cbor::decode_strict(record).map_err(|_| NotACard::Version)?;
        genesis.key().map(|_| Self(genesis)).ok_or(NotACard::Version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_dalek::SigningKey;

    fn genesis(seed: u8) -> Genesis {
        Genesis::new(&SigningKey::from_bytes(&[seed; 32]).verifying_key())
    }

    #[test]
    fn a_card_survives_being_written_down() {
        let card = Card(genesis(7));
        let text = card.to_string();
        assert_eq!(text.parse::<Card>(), Ok(card));
        assert_eq!(format!("  {}\n", text).parse::<Card>(), Ok(card));
    }

    #[test]
    fn a_mistyped_card_is_refused_whichever_letter_is_wrong() {
        let text = Card(genesis(7)).to_string();
        for at in CARD_PREFIX.len()..text.len() {
            let mut wrong = text.clone().into_bytes();
            wrong[at] = if wrong[at] == b'a' { b'b' } else { b'a' };
            let wrong = String::from_utf8(wrong).expect("ascii");
            assert!(wrong == text || wrong.parse::<Card>().is_err(), "letter {at}");
        }
        assert_eq!("hello".parse::<Card>(), Err(NotACard::Prefix));
        assert_eq!(text[..text.len() - 3].parse::<Card>(), Err(NotACard::Damaged));
    }

    #[test]
    fn two_keys_make_two_homes_and_a_name_can_be_read_back() {
        assert_ne!(genesis(1).home(), genesis(2).home());
        let home = genesis(1).home();
        assert_eq!(home.to_string().parse::<HomeId>(), Ok(home));
        assert_eq!("short".parse::<HomeId>(), Err(NotAHome));
    }

    #[test]
    fn a_weak_key_makes_no_home() {
        // The identity point verifies anything for anybody (RFC 8032, small order).
        let mut identity = [0; 32];
        identity[0] = 1;
        assert!(Genesis(1, identity).key().is_none());
    }
}
