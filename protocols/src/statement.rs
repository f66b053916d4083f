//! Statements: what homes say to their neighbourhood, signed, small, and each in a numbered slot.
//!
//! On the wire a statement is the CBOR array `[version, kind, home, node, day, slot, body]` followed by 64 bytes of
//! Ed25519 signature (RFC 8032) over a domain prefix and that array. Its id is the hash of all these bytes. The
//! signature is checked with `verify_strict`, so nobody but the signer can make a second form of it.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    cbor,
    delegation::Delegation,
    home::{Genesis, HomeId, NodeNumber},
    number::E164,
    time::Day,
};

/// What is hashed and signed before the statement itself, so that a signature made here fits nowhere else.
const SIGN_DOMAIN: &[u8] = b"meerkat 2026-11 statement\0";
/// Domain of a statement's id.
const ID_DOMAIN: &str = "meerkat 2026-11 statement id";
/// The version written and understood.
const VERSION: u8 = 1;
/// The longest statement, in bytes: a vouch has 142, a delegation at most 140, a report 113.
pub const MAX_STATEMENT_BYTES: usize = 256;
/// Bytes of an Ed25519 signature.
const SIGNATURE_BYTES: usize = 64;

/// Days a statement counts after the day it carries.
pub const LIFETIME_DAYS: i32 = 180;
/// Days a statement may lie ahead of us: clocks differ and days change at midnight UTC.
pub const MAX_DAYS_AHEAD: i32 = 1;

/// The kinds of statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// A verdict on a number.
    Report = 1,
    /// A home answers for another.
    Vouch = 2,
    /// An earlier statement of the same home is taken back.
    Retraction = 3,
    /// A further node speaks for the home.
    Delegation = 4,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Report, Self::Vouch, Self::Retraction, Self::Delegation];

    fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|k| *k as u8 == n)
    }

    /// How many statements of this kind a home may make in one day. Twenty reports are more than a household gets calls;
    /// a vouch is spent face to face, at most twelve in all; what can be said can be taken back; a home's nodes are at most
    /// twenty, each named twice a year.
    #[must_use]
    pub fn slots_per_day(self) -> u8 {
        match self {
            Self::Report => 20,
            Self::Vouch => 12,
            Self::Retraction => 32,
            Self::Delegation => 16,
        }
    }
}

/// What a home calls a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Category {
    /// Unwanted, not further said.
    Spam = 0,
    /// Wants to defraud.
    Scam = 1,
    /// A machine speaks.
    Robocall = 2,
    /// Sells something nobody asked for.
    Telemarketer = 3,
    /// Wanted: contradicts reports.
    Legit = 4,
}

impl Category {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Spam, Self::Scam, Self::Robocall, Self::Telemarketer, Self::Legit];

    /// The word used in every interface.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Scam => "scam",
            Self::Robocall => "robocall",
            Self::Telemarketer => "telemarketer",
            Self::Legit => "legit",
        }
    }

    /// As it stands in a sentence after "reported it as".
    #[must_use]
    pub fn noun(self) -> &'static str {
        match self {
            Self::Spam => "spam",
            Self::Scam => "a scam",
            Self::Robocall => "a robocall",
            Self::Telemarketer => "a telemarketer",
            Self::Legit => "legitimate",
        }
    }

    /// The category that the word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|c| c.word() == word)
    }

    fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|c| *c as u8 == n)
    }
}

/// On what a report rests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Basis {
    /// A person of the home says so.
    Told = 0,
    /// The home's own log holds a call from the number that rang.
    Received = 1,
}

/// What a statement says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// A verdict on a number.
    Report {
        /// The number.
        number: E164,
        /// What the home calls it.
        category: Category,
        /// On what it rests.
        basis: Basis,
    },
    /// A home answers for the home with this genesis. The record travels along, so that whoever can follow the vouches
    /// can also check the signatures.
    Vouch(Genesis),
    /// Takes back the home's own statement of this kind, day and slot.
    Retraction {
        /// Its kind; a retraction cannot be taken back.
        kind: Kind,
        /// Its day.
        day: Day,
        /// Its slot.
        slot: u8,
    },
    /// Names a further node of the home.
    Delegation(Delegation),
}

impl Body {
    /// The kind of statement that says this.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match self {
            Self::Report { .. } => Kind::Report,
            Self::Vouch(_) => Kind::Vouch,
            Self::Retraction { .. } => Kind::Retraction,
            Self::Delegation(_) => Kind::Delegation,
        }
    }
}

/// A statement, unsigned. (home, kind, day, slot) is its sequence: used twice, it proves that the home speaks with two
/// tongues.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement {
    /// Who says it.
    pub home: HomeId,
    /// Which node of the home signed it.
    pub node: NodeNumber,
    /// On which day (UTC).
    pub day: Day,
    /// In which slot of its kind and day.
    pub slot: u8,
    /// What it says.
    pub body: Body,
}

/// The id of a statement: the hash of its signed bytes, the same by whatever way it came.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct StatementId(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl StatementId {
    /// The id of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(blake3::derive_key(ID_DOMAIN, bytes))
    }
}

impl fmt::Display for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for StatementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string()[..8])
    }
}

/// The bytes of a signed statement, as made or as received: they are the evidence and are never written anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(pub ByteBuf);

/// The header and body as they stand on the wire; the body is the CBOR of one of the tuples below.
#[derive(Serialize, Deserialize)]
struct Wire(u8, u8, HomeId, NodeNumber, Day, u8, ByteBuf);
#[derive(Serialize, Deserialize)]
struct ReportWire(E164, u8, u8);
#[derive(Serialize, Deserialize)]
struct VouchWire(Genesis);
#[derive(Serialize, Deserialize)]
struct RetractionWire(u8, Day, u8);

/// Why bytes are no statement. Nobody honest sends such bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More bytes than any statement has.
    #[error("longer than a statement can be")]
    TooLong,
    /// Fewer bytes than a signature.
    #[error("shorter than a signature")]
    TooShort,
    /// Not the one canonical encoding of a statement.
    #[error("not a statement's encoding")]
    Encoding,
    /// A kind we do not know, in our version.
    #[error("of no known kind")]
    Kind,
    /// A field out of its range.
    #[error("a field is out of its range")]
    Range,
}

/// What reading a stranger's bytes gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// A statement with its signature, not yet checked.
    Statement(Statement),
    /// A later version than ours: not for us, and no fault of who sent it.
    Newer,
}

impl Statement {
    /// Signs the statement.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> Sealed {
        let mut bytes = self.wire();
        let signature = key.sign(&[SIGN_DOMAIN, &bytes].concat());
        bytes.extend_from_slice(&signature.to_bytes());
        Sealed(ByteBuf::from(bytes))
    }

    /// The kind of what it says.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.body.kind()
    }

    fn wire(&self) -> Vec<u8> {
        let body = match &self.body {
            Body::Report { number, category, basis } => {
                cbor::encode(&ReportWire(*number, *category as u8, *basis as u8))
            }
            Body::Vouch(genesis) => cbor::encode(&VouchWire(*genesis)),
            Body::Retraction { kind, day, slot } => cbor::encode(&RetractionWire(*kind as u8, *day, *slot)),
            Body::Delegation(delegation) => delegation.encode(),
        };
        cbor::encode(&Wire(VERSION, self.kind() as u8, self.home, self.node, self.day, self.slot, ByteBuf::from(body)))
    }
}

impl Sealed {
    /// The content id.
    #[must_use]
    pub fn id(&self) -> StatementId {
        StatementId::of(&self.0)
    }

    /// Reads what the bytes say; the signature is another step, [`Sealed::verify`].
    ///
    /// # Errors
    /// [`Malformed`] if no honest node can have written them.
    pub fn read(&self) -> Result<Read, Malformed> {
        if self.is_newer() {
            return Ok(Read::Newer);
        }
        if self.0.len() > MAX_STATEMENT_BYTES {
            return Err(Malformed::TooLong);
        }
        let split = self.0.len().checked_sub(SIGNATURE_BYTES).ok_or(Malformed::TooShort)?;
        let Wire(version, kind, home, node, day, slot, body) =
            cbor::decode_strict(&self.0[..split]).map_err(|_| Malformed::Encoding)?;
        let kind = Kind::from_u8(kind).filter(|_| version == VERSION).ok_or(Malformed::Kind)?;
        if slot >= kind.slots_per_day() {
            return Err(Malformed::Range);
        }
        let body = read_body(kind, &body)?;
        Ok(Read::Statement(Statement { home, node, day, slot, body }))
    }

    /// Whether a later version wrote these bytes. All it must have in common with ours is that it is an array (RFC 8949,
    /// 3.1: major type 4, up to 23 items) which begins with its version: it may be longer and of another shape.
    fn is_newer(&self) -> bool {
        matches!(self.0.as_slice(), [0x81..=0x97, version @ 0x02..=0x17, ..] if *version > VERSION)
    }

    /// Whether `key` signed these bytes (RFC 8032, 5.1.7, with the strict checks against small-order points).
    #[must_use]
    pub fn verify(&self, key: &VerifyingKey) -> bool {
        let Some(split) = self.0.len().checked_sub(SIGNATURE_BYTES) else { return false };
        let (said, signature) = self.0.split_at(split);
        Signature::from_slice(signature)
            .is_ok_and(|signature| key.verify_strict(&[SIGN_DOMAIN, said].concat(), &signature).is_ok())
    }
}

fn read_body(kind: Kind, body: &[u8]) -> Result<Body, Malformed> {
    let encoding = |_| Malformed::Encoding;
    match kind {
        Kind::Report => {
            let ReportWire(number, category, basis) = cbor::decode_strict(body).map_err(encoding)?;
            Ok(Body::Report {
                number: E164::from_digits(number.digits()).ok_or(Malformed::Range)?,
                category: Category::from_u8(category).ok_or(Malformed::Range)?,
                basis: match basis {
                    0 => Basis::Told,
                    1 => Basis::Received,
                    _ => return Err(Malformed::Range),
                },
            })
        }
        Kind::Vouch => {
            let VouchWire(genesis) = cbor::decode_strict(body).map_err(encoding)?;
            genesis.key().map(|_| Body::Vouch(genesis)).ok_or(Malformed::Range)
        }
        Kind::Retraction => {
            let RetractionWire(kind, day, slot) = cbor::decode_strict(body).map_err(encoding)?;
            let kind = Kind::from_u8(kind).filter(|k| *k != Kind::Retraction).ok_or(Malformed::Range)?;
            if slot >= kind.slots_per_day() {
                return Err(Malformed::Range);
            }
            Ok(Body::Retraction { kind, day, slot })
        }
        Kind::Delegation => {
            let delegation = Delegation::decode(body).ok_or(Malformed::Encoding)?;
            delegation.map(Body::Delegation).ok_or(Malformed::Range)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn statement(body: Body) -> Statement {
        let home = Genesis::new(&key(1).verifying_key()).home();
        Statement { home, node: NodeNumber(0), day: Day(20_778), slot: 3, body }
    }

    fn report() -> Statement {
        let number = E164::from_digits(4_930_901_820).expect("a number");
        statement(Body::Report { number, category: Category::Scam, basis: Basis::Received })
    }

    fn bodies() -> [Body; 3] {
        [
            report().body,
            Body::Vouch(Genesis::new(&key(2).verifying_key())),
            Body::Retraction { kind: Kind::Report, day: Day(20_777), slot: 19 },
        ]
    }

    #[test]
    fn every_kind_reads_back_and_fits_its_bound() {
        for body in bodies() {
            let s = statement(body);
            let sealed = s.sign(&key(1));
            assert_eq!(sealed.read(), Ok(Read::Statement(s)));
            assert!(sealed.verify(&key(1).verifying_key()));
            assert!(!sealed.verify(&key(2).verifying_key()));
            let bound = if body.kind() == Kind::Vouch { 142 } else { 130 };
            assert!(sealed.0.len() <= bound, "{:?} has {} bytes", body.kind(), sealed.0.len());
        }
    }

    #[test]
    fn the_encoding_of_today_is_the_encoding_for_ever() {
        let sealed = report().sign(&key(1));
        insta::assert_snapshot!(data_encoding::HEXLOWER.encode(&sealed.0));
    }

    #[test]
    fn fields_out_of_range_are_refused() {
        let mut s = report();
        s.slot = Kind::Report.slots_per_day();
        assert_eq!(s.sign(&key(1)).read(), Err(Malformed::Range));
        let back = statement(Body::Retraction { kind: Kind::Retraction, day: Day(1), slot: 0 });
        assert_eq!(back.sign(&key(1)).read(), Err(Malformed::Range));
    }

    #[test]
    fn a_later_version_is_nobodys_fault() {
        let mut bytes = report().wire();
        bytes[1] = 2;
        bytes.extend_from_slice(&[0; 64]);
        assert_eq!(Sealed(ByteBuf::from(bytes)).read(), Ok(Read::Newer));
        let longer = [&[0x89, 0x02][..], &[0xff; 2 * MAX_STATEMENT_BYTES]].concat();
        assert_eq!(Sealed(ByteBuf::from(longer)).read(), Ok(Read::Newer));
    }

    #[test]
    fn a_second_encoding_of_the_same_statement_is_refused() {
        // Version 1 written in two bytes instead of one: legal CBOR, not canonical.
        let wire = report().wire();
        let mut longer = vec![wire[0], 0x18, 0x01];
        longer.extend_from_slice(&wire[2..]);
        longer.extend_from_slice(&[0; 64]);
        assert_eq!(Sealed(ByteBuf::from(longer)).read(), Err(Malformed::Encoding));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let sealed = Sealed(ByteBuf::from(bytes));
            let _ = sealed.read();
            prop_assert!(!sealed.verify(&key(1).verifying_key()));
        }

        #[test]
        fn a_changed_bit_breaks_the_signature(at in 0usize..100, bit in 0u8..8) {
            let mut sealed = report().sign(&key(1));
            let at = at % sealed.0.len();
            sealed.0[at] ^= 1 << bit;
            prop_assert!(!sealed.verify(&key(1).verifying_key()));
        }
    }
}
