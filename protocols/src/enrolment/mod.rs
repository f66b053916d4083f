//! How a node becomes a member of a household: the payloads of the request kind `Enrol`. The guest is no member yet, so
//! they go over the direct channel that all peers have; `design/enrolment.md` draws the exchange.
//!
//! The guest begins; the host shows a number of its own; the guest reveals what it stood by, and says who it would be. Then
//! both screens show six digits, a person compares them and confirms at the host, and the guest fetches the roster.

mod session;
mod ticket;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

pub use session::{Digits, Drawn, Ends, NotDigits, Own, Session, Way};
pub use ticket::{HouseholdTicket, MAX_HOUSEHOLD_TICKET_BYTES, MAX_HOUSEHOLD_TICKET_TEXT_BYTES, NotAHouseholdTicket};

use crate::{
    cbor,
    contact::SealKey,
    home::{Genesis, NodeNumber},
    meeting::Proof,
    roster::{MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_NAME_CHARS, SignedEntry},
    text,
};

/// Bytes of a part of the welcome: with its tag and lengths it fits a direct word of 16 KiB.
pub const PART_BYTES: usize = 12 * 1024;
/// The most parts: a roster of the most and longest entries, which takes ten years.
pub const MAX_PARTS: usize = (MAX_ENTRIES * (MAX_ENTRY_BYTES + 8)).div_ceil(PART_BYTES) + 1;
/// The longest payload: a part.
pub const MAX_ENROL_BYTES: usize = PART_BYTES + 64;
/// What the guest says of itself: two keys and a name of forty characters.
const MAX_OFFER_BYTES: usize = 256;
const TAG_BYTES: usize = 16;

/// Why a node does not let another into its household. A number it does not know reads as [`No::NotNow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum No {
    /// No invite is open that this proves: it was used, is over, or never was.
    NoSuchInvite,
    /// The node cannot now, or too many are asking.
    NotNow,
    /// The person there said no.
    Refused,
    /// What was said is none of this, or does not hold.
    NotUnderstood,
    /// The household has as many members as it may.
    Full,
    /// This node is a member there already, by another key: it has to be removed first.
    Known,
}

impl No {
    const ALL: [Self; 6] =
        [Self::NoSuchInvite, Self::NotNow, Self::Refused, Self::NotUnderstood, Self::Full, Self::Known];

    fn code(self) -> u8 {
        u8::try_from(Self::ALL.iter().position(|no| *no == self).unwrap_or(1)).unwrap_or(1)
    }

    fn of_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::NotNow)
    }
}

/// A payload that is none: its sender is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not what two nodes that enrol say to each other")]
pub struct NotAWord;

/// What one node says to another on the way into a household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Nothing to say.
    Nothing,
    /// The guest: I know your secret, and stand by what I drew.
    Begin(Way, Proof, Proof),
    /// The host: I know it too, and drew this.
    Drawn(Drawn, Proof),
    /// The guest: I drew this, and this is who I would be, sealed.
    Reveal(Drawn, Proof, Vec<u8>),
    /// The guest: am I in? Then give me this part of the welcome.
    Ask(u16),
    /// The host: a person has yet to compare the digits.
    Pending,
    /// The host: you are in; this part of so many, sealed.
    Part(u16, u16, Vec<u8>),
    /// The host: no.
    Denied(No),
    /// The guest: my person gave up, or the digits differ.
    Cancel,
}

impl Word {
    /// As it is sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Nothing => cbor::encode(&(0u8,)),
            Self::Begin(way, commitment, proof) => cbor::encode(&(1u8, *way as u8, commitment, proof)),
            Self::Drawn(drawn, proof) => cbor::encode(&(2u8, drawn, proof)),
            Self::Reveal(drawn, proof, offer) => cbor::encode(&(3u8, drawn, proof, serde_bytes::Bytes::new(offer))),
            Self::Ask(part) => cbor::encode(&(4u8, part)),
            Self::Pending => cbor::encode(&(5u8,)),
            Self::Part(number, of, part) => cbor::encode(&(6u8, number, of, serde_bytes::Bytes::new(part))),
            Self::Denied(no) => cbor::encode(&(7u8, no.code())),
            Self::Cancel => cbor::encode(&(8u8,)),
        }
    }

    /// What was sent. Proofs in it are not checked.
    ///
    /// # Errors
    /// [`NotAWord`] for anything but the one encoding of a word.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAWord> {
        // An array of up to four items (RFC 8949, 3.1), the first of which is a number below 24.
        let [0x81..=0x84, step, ..] = bytes else { return Err(NotAWord) };
        if bytes.len() > MAX_ENROL_BYTES {
            return Err(NotAWord);
        }
        Ok(match step {
            0 => strict::<(u8,), _>(bytes, |_| Some(Self::Nothing))?,
            1 => strict::<(u8, u8, Proof, Proof), _>(bytes, |(_, way, commitment, proof)| {
                Some(Self::Begin(Way::from_u8(way)?, commitment, proof))
            })?,
            2 => strict::<(u8, Drawn, Proof), _>(bytes, |(_, drawn, proof)| Some(Self::Drawn(drawn, proof)))?,
            3 => strict::<(u8, Drawn, Proof, ByteBuf), _>(bytes, |(_, drawn, proof, offer)| {
                let fits = offer.len() <= MAX_OFFER_BYTES + TAG_BYTES;
                fits.then(|| Self::Reveal(drawn, proof, offer.into_vec()))
            })?,
            4 => strict::<(u8, u16), _>(bytes, |(_, part)| Some(Self::Ask(part)))?,
            5 => strict::<(u8,), _>(bytes, |_| Some(Self::Pending))?,
            6 => strict::<(u8, u16, u16, ByteBuf), _>(bytes, |(_, number, of, part)| {
                let fits = number < of && usize::from(of) <= MAX_PARTS && part.len() <= PART_BYTES + TAG_BYTES;
                fits.then(|| Self::Part(number, of, part.into_vec()))
            })?,
            7 => strict::<(u8, u8), _>(bytes, |(_, code)| Some(Self::Denied(No::of_code(code))))?,
            8 => strict::<(u8,), _>(bytes, |_| Some(Self::Cancel))?,
            _ => return Err(NotAWord),
        })
    }
}

fn strict<T: Serialize + DeserializeOwned, U>(bytes: &[u8], made: impl FnOnce(T) -> Option<U>) -> Result<U, NotAWord> {
    cbor::decode_strict(bytes).ok().and_then(made).ok_or(NotAWord)
}

/// What the guest says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// What its person calls it: inert, at most [`MAX_NAME_CHARS`]; may be empty.
    pub name: String,
    /// The public half of the key with which it will sign.
    pub statement: [u8; 32],
    /// To what is sealed for it alone.
    pub seal: SealKey,
}

#[derive(Serialize, Deserialize)]
struct OfferWire(String, #[serde(with = "serde_bytes")] [u8; 32], SealKey);

impl Offer {
    /// Sealed, as it is sent.
    #[must_use]
    pub fn seal(&self, session: &Session) -> Vec<u8> {
        session.seal_offer(&cbor::encode(&OfferWire(self.name.clone(), self.statement, self.seal)))
    }

    /// Opens and reads one.
    #[must_use]
    pub fn open(session: &Session, sealed: &[u8]) -> Option<Self> {
        let OfferWire(name, statement, seal) = cbor::decode_strict(&session.open_offer(sealed)?).ok()?;
        let fits = name.chars().count() <= MAX_NAME_CHARS && text::inert(&name) == name;
        let key = ed25519_dalek::VerifyingKey::from_bytes(&statement).ok()?;
        (fits && !key.is_weak()).then_some(Self { name, statement, seal })
    }
}

/// What the guest becomes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The record that made the home.
    pub genesis: Genesis,
    /// The guest's number in it.
    pub number: NodeNumber,
    /// The whole roster, each entry behind those it saw.
    pub entries: Vec<SignedEntry>,
}

#[derive(Serialize, Deserialize)]
struct WelcomeWire(Genesis, NodeNumber, Vec<SignedEntry>);

impl Welcome {
    /// In sealed parts, as they are sent.
    #[must_use]
    pub fn seal(&self, session: &Session) -> Vec<Vec<u8>> {
        let all = cbor::encode(&WelcomeWire(self.genesis, self.number, self.entries.clone()));
        let numbered = (0u16..).zip(all.chunks(PART_BYTES));
        numbered.map(|(number, part)| session.seal_part(number, part)).collect()
    }

    /// Reads the parts, opened and put together. Nothing in it is checked but its form.
    #[must_use]
    pub fn read(all: &[u8]) -> Option<Self> {
        let WelcomeWire(genesis, number, entries) = cbor::decode_strict(all).ok()?;
        (entries.len() <= MAX_ENTRIES).then_some(Self { genesis, number, entries })
    }
}

#[cfg(test)]
mod tests;
