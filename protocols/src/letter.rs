//! Letters: what a node says to one node of a neighbour's home and to nobody else. A letter is sealed for its receiver alone
//! and knows no transport: the same bytes go over a connection today and over radio later.
//!
//! Sealing is HPKE in auth mode (RFC 9180, 5.1.3) with X25519, HKDF-SHA256 and ChaCha20-Poly1305. The sender is proved by
//! the key that its signed record names, not by a signature: 64 bytes less of the some 200 that a radio frame has, and what
//! one household writes to another is no proof to anybody else, for the receiver could have sealed it as well. The price:
//! whoever steals the receiver's own key can make that receiver believe anything.
//!
//! On the wire: version, hint and node of the receiver, hint and node of the sender, the encapsulated key, the ciphertext; no
//! field has a second form. A hint is the beginning of a home's name. The whole names are bound into the key, so that a
//! letter put into another's hands does not open.

use std::fmt;

use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable,
    aead::ChaCha20Poly1305,
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    rand_core::{TryCryptoRng, TryRng},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    cbor,
    contact::SealKey,
    home::{HomeId, NodeNumber},
    text,
};

/// The longest text, in bytes of UTF-8: a page of handwriting.
pub const MAX_TEXT_BYTES: usize = 2_000;
/// The most data in one letter, in bytes. Half of what a request between two nodes may have.
pub const MAX_DATA_BYTES: usize = 8 * 1024;

/// The version written and understood.
const VERSION: u8 = 1;
/// What the key of a letter is bound to, before the names of both ends.
const SEAL_DOMAIN: &[u8] = b"meerkat 2026-11 letter\0";
/// What a receipt is exported under.
const RECEIPT_DOMAIN: &[u8] = b"meerkat 2026-11 receipt";
/// Domain of the stream from which the ephemeral key is drawn.
const CHANCE_DOMAIN: &str = "meerkat 2026-11 letter chance";

/// Bytes of a home's name that stand on the wire: enough to know one of a few neighbours, too few to follow a home around.
const HINT_BYTES: usize = 4;
/// Version, two hints, two nodes.
const HEADER_BYTES: usize = 1 + 2 * (HINT_BYTES + 1);
/// Bytes of an X25519 key.
const KEY_BYTES: usize = 32;
/// Bytes of a Poly1305 tag.
const TAG_BYTES: usize = 16;
/// What sealing adds to a letter.
pub const SEAL_BYTES: usize = HEADER_BYTES + KEY_BYTES + TAG_BYTES;
/// What stands beside the content inside: an id of 8 bytes, two numbers, what it is, lengths.
const MAX_INNER_BYTES: usize = 64;
/// The longest sealed letter.
pub const MAX_SEALED_BYTES: usize = SEAL_BYTES + MAX_INNER_BYTES + MAX_DATA_BYTES;

/// The name of a letter, drawn by chance by whoever writes it: among a million letters of one home two share one once in 37
/// million such homes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LetterId(#[serde(with = "serde_bytes")] pub [u8; 8]);

impl fmt::Display for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for LetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl std::str::FromStr for LetterId {
    type Err = NotALetterId;

    fn from_str(text: &str) -> Result<Self, NotALetterId> {
        let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).map_err(|_| NotALetterId)?;
        bytes.try_into().map(Self).map_err(|_| NotALetterId)
    }
}

/// The text is not the id of a message.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is not the id of a message: an id is 16 letters and digits, as `meerkat messages --json` prints it")]
pub struct NotALetterId;

/// What data in a letter is. None of it is ever run or shown: a person may save it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Media {
    /// Not further said.
    Octets = 1,
    /// RFC 8259.
    Json = 2,
    /// RFC 8949.
    Cbor = 3,
    /// RFC 4180.
    Csv = 4,
    /// A person's card (RFC 6350).
    Vcard = 5,
    /// A date (RFC 5545).
    Calendar = 6,
}

impl Media {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Octets, Self::Json, Self::Cbor, Self::Csv, Self::Vcard, Self::Calendar];

    /// The media type (RFC 6838).
    #[must_use]
    pub fn mime(self) -> &'static str {
        match self {
            Self::Octets => "application/octet-stream",
            Self::Json => "application/json",
            Self::Cbor => "application/cbor",
            Self::Csv => "text/csv",
            Self::Vcard => "text/vcard",
            Self::Calendar => "text/calendar",
        }
    }

    /// The media type of this name.
    #[must_use]
    pub fn from_mime(mime: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|media| media.mime() == mime)
    }
}

/// What text has in the place of a media type on the wire.
const TEXT: u8 = 0;

/// What a letter says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Content {
    /// For a person: inert, at most [`MAX_TEXT_BYTES`].
    Text(String),
    /// For a program: at most [`MAX_DATA_BYTES`].
    Data(Media, #[serde(with = "serde_bytes")] Vec<u8>),
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Data(media, data) => write!(f, "Data({}, {} bytes)", media.mime(), data.len()),
        }
    }
}

/// Why something cannot be said in a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsayable {
    /// There is nothing in it.
    #[error("there is nothing in this message")]
    Empty,
    /// Too long a text.
    #[error("this text has {0} bytes and may have {MAX_TEXT_BYTES}: send it in parts")]
    TextTooLong(usize),
    /// Too much data.
    #[error("this has {0} bytes and may have {MAX_DATA_BYTES}: send it in parts or another way")]
    DataTooLong(usize),
}

impl Content {
    /// A text, made inert.
    ///
    /// # Errors
    /// [`Unsayable`] if nothing is left of it or it is too long.
    pub fn text(raw: &str) -> Result<Self, Unsayable> {
        if raw.len() > 2 * MAX_TEXT_BYTES {
            return Err(Unsayable::TextTooLong(raw.len()));
        }
        let text = text::inert_lines(raw);
        match text.len() {
            0 => Err(Unsayable::Empty),
            n if n > MAX_TEXT_BYTES => Err(Unsayable::TextTooLong(n)),
            _ => Ok(Self::Text(text)),
        }
    }

    /// Data of a kind.
    ///
    /// # Errors
    /// As [`Content::text`].
    pub fn data(media: Media, data: Vec<u8>) -> Result<Self, Unsayable> {
        match data.len() {
            0 => Err(Unsayable::Empty),
            n if n > MAX_DATA_BYTES => Err(Unsayable::DataTooLong(n)),
            _ => Ok(Self::Data(media, data)),
        }
    }

    /// Its length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Data(_, data) => data.len(),
        }
    }

    /// Never: there is no empty content.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A letter, open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letter {
    /// Its name, the same however often it is sent.
    pub id: LetterId,
    /// Its place among the letters of its sender to this home; rises.
    pub seq: u64,
    /// When it was written, in Unix seconds, if the sender's clock was set.
    pub created: Option<i64>,
    /// What it says.
    pub content: Content,
}

/// id, seq, created, media, content.
#[derive(Serialize, Deserialize)]
struct Inner(LetterId, u64, Option<i64>, u8, ByteBuf);

impl Letter {
    /// The bytes that are sealed.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (media, content) = match &self.content {
            Content::Text(text) => (TEXT, text.as_bytes()),
            Content::Data(media, data) => (*media as u8, data.as_slice()),
        };
        cbor::encode(&Inner(self.id, self.seq, self.created, media, ByteBuf::from(content)))
    }

    /// Reads them back.
    ///
    /// # Errors
    /// [`NotOpened::Malformed`] or [`NotOpened::Newer`].
    pub fn decode(bytes: &[u8]) -> Result<Self, NotOpened> {
        let Inner(id, seq, created, media, content) = cbor::decode_strict(bytes).map_err(|_| NotOpened::Malformed)?;
        let content = content.into_vec();
        let content = if media == TEXT {
            let text = String::from_utf8(content).map_err(|_| NotOpened::Malformed)?;
            Content::text(&text)
        } else {
            let media = Media::ALL.into_iter().find(|known| *known as u8 == media).ok_or(NotOpened::Newer)?;
            Content::data(media, content)
        };
        Ok(Self { id, seq, created, content: content.map_err(|_| NotOpened::Malformed)? })
    }
}

/// The secret that opens a node's letters and proves that its own are its own. Never shown, wiped when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SealSecret([u8; KEY_BYTES]);

impl fmt::Debug for SealSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealSecret(…)")
    }
}

pub(crate) type Suite = X25519HkdfSha256;
pub(crate) type Private = <Suite as Kem>::PrivateKey;
pub(crate) type Public = <Suite as Kem>::PublicKey;

impl SealSecret {
    /// The secret of these bytes; any will do (RFC 7748, 5).
    #[must_use]
    pub fn from_bytes(bytes: [u8; KEY_BYTES]) -> Self {
        Self(bytes)
    }

    /// What neighbours seal to.
    #[must_use]
    pub fn key(&self) -> SealKey {
        SealKey(Suite::sk_to_pk(&self.private()).to_bytes().into())
    }

    pub(crate) fn private(&self) -> Private {
        Private::from_bytes(&self.0).expect("any 32 bytes are an X25519 secret")
    }
}

/// One end of a letter: a node of a home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Address {
    /// The home.
    pub home: HomeId,
    /// Which node of it.
    pub node: NodeNumber,
}

impl Address {
    fn hint(&self) -> [u8; HINT_BYTES + 1] {
        let mut hint = [0; HINT_BYTES + 1];
        hint[..HINT_BYTES].copy_from_slice(&self.home.0[..HINT_BYTES]);
        hint[HINT_BYTES] = self.node.0;
        hint
    }
}

/// The other end of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Correspondent {
    /// Who.
    pub address: Address,
    /// As its signed record names it.
    pub key: SealKey,
}

/// Proof that a letter was opened by whom it was for: only the two ends can compute it, and each sealing has its own.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt(#[serde(with = "serde_bytes")] pub [u8; 16]);

impl fmt::Debug for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Receipt(…)")
    }
}

/// The receiver's key is none that anything can be sealed to: one of the few points of small order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nothing can be sealed to this key")]
pub struct WeakKey;

/// Why a sealed letter was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotOpened {
    /// Its hints name somebody else, or another sender.
    #[error("not for this node, or not from that one")]
    Elsewhere,
    /// It was not sealed to this node's key by that sender, or it was altered.
    #[error("not sealed by that sender for this node")]
    Unsealed,
    /// Opened, and nothing an honest node writes.
    #[error("not a letter")]
    Malformed,
    /// Of a later version than ours, or with something in it that we do not know.
    #[error("made by a newer program")]
    Newer,
}

/// A sealed letter, as it travels.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedLetter(pub ByteBuf);

impl fmt::Debug for SealedLetter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedLetter({} bytes)", self.0.len())
    }
}

impl SealedLetter {
    /// Seals a letter. `chance` must be new 32 bytes for each sealing: who knows them can read the letter.
    ///
    /// # Errors
    /// [`WeakKey`].
    pub fn seal(
        letter: &Letter,
        secret: &SealSecret,
        from: &Address,
        to: &Correspondent,
        chance: [u8; 32],
    ) -> Result<(Self, Receipt), WeakKey> {
        let mode = OpModeS::Auth((secret.private(), Suite::sk_to_pk(&secret.private())));
        let (to, key) = (&to.address, public(&to.key)?);
        let mut chance = Chance::of(chance);
        let sealing = hpke::setup_sender_with_rng::<ChaCha20Poly1305, HkdfSha256, Suite>(
            &mode,
            &key,
            &info(from, to),
            &mut chance,
        );
        let (encapsulated, mut context) = sealing.map_err(|_| WeakKey)?;
        let mut bytes = header(from, to);
        bytes.extend_from_slice(&encapsulated.to_bytes());
        let closed = context.seal(&letter.encode(), &[]).expect("the first of 2^96 under its key, and short");
        bytes.extend_from_slice(&closed);
        let mut receipt = [0; 16];
        context.export(RECEIPT_DOMAIN, &mut receipt).expect("16 bytes are fewer than 255 hashes");
        Ok((Self(ByteBuf::from(bytes)), Receipt(receipt)))
    }

    /// Opens a letter from that sender to us.
    ///
    /// # Errors
    /// [`NotOpened`]; nothing of the content is known then.
    pub fn open(
        &self,
        secret: &SealSecret,
        from: &Correspondent,
        to: &Address,
    ) -> Result<(Letter, Receipt), NotOpened> {
        if self.0.first().is_some_and(|version| *version > VERSION) {
            return Err(NotOpened::Newer);
        }
        if self.0.len() > MAX_SEALED_BYTES || self.0.len() < SEAL_BYTES {
            return Err(NotOpened::Malformed);
        }
        let mode = OpModeR::Auth(public(&from.key).map_err(|WeakKey| NotOpened::Unsealed)?);
        let from = &from.address;
        let (head, rest) = self.0.split_at(HEADER_BYTES);
        if head != header(from, to) {
            return Err(NotOpened::Elsewhere);
        }
        let (encapsulated, closed) = rest.split_at(KEY_BYTES);
        let encapsulated = <Suite as Kem>::EncappedKey::from_bytes(encapsulated).map_err(|_| NotOpened::Malformed)?;
        let opening = hpke::setup_receiver::<ChaCha20Poly1305, HkdfSha256, Suite>(
            &mode,
            &secret.private(),
            &encapsulated,
            &info(from, to),
        );
        let mut context = opening.map_err(|_| NotOpened::Unsealed)?;
        let open = context.open(closed, &[]).map_err(|_| NotOpened::Unsealed)?;
        let mut receipt = [0; 16];
        context.export(RECEIPT_DOMAIN, &mut receipt).expect("16 bytes are fewer than 255 hashes");
        Ok((Letter::decode(&open)?, Receipt(receipt)))
    }
}

pub(crate) fn public(key: &SealKey) -> Result<Public, WeakKey> {
    Public::from_bytes(&key.0).map_err(|_| WeakKey)
}

fn header(from: &Address, to: &Address) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SEAL_BYTES);
    bytes.push(VERSION);
    bytes.extend_from_slice(&to.hint());
    bytes.extend_from_slice(&from.hint());
    bytes
}

/// What the key is bound to: who seals for whom, by their whole names.
fn info(from: &Address, to: &Address) -> Vec<u8> {
    [SEAL_DOMAIN, &[VERSION], &from.home.0, &[from.node.0], &to.home.0, &[to.node.0]].concat()
}

/// The caller's chance as HPKE wants to draw it.
pub(crate) struct Chance(blake3::OutputReader);

impl Chance {
    /// Numbers that follow from these bytes, which must be new for each sealing.
    pub(crate) fn of(chance: [u8; 32]) -> Self {
        Self(blake3::Hasher::new_derive_key(CHANCE_DOMAIN).update(&chance).finalize_xof())
    }
}

impl TryRng for Chance {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.0.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Self::Error> {
        self.0.fill(out);
        Ok(())
    }
}

impl TryCryptoRng for Chance {}

#[cfg(test)]
mod tests;
