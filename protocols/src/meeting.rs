//! What two nodes say to each other when their homes meet: the payloads of the request kinds `Record`, `Join`, `Meet` and
//! `Heartbeat`, and the proofs in them. `design/meeting.md` draws the exchanges.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_bytes::ByteBuf;

use crate::{
    cbor,
    contact::{MAX_RECORD_BYTES, SignedRecord, TAG_BYTES},
    fourwords::FourWords,
    home::HomeId,
    mesh::Peer,
    ticket::TicketId,
};

const JOIN_DOMAIN: &str = "meerkat 2026-11 join proof";
const JOIN_WORDS_DOMAIN: &str = "meerkat 2026-11 join words";
const CODE_DOMAIN: &str = "meerkat 2026-11 short code proof";
const COMMIT_DOMAIN: &str = "meerkat 2026-11 meeting commitment";
const MEET_WORDS_DOMAIN: &str = "meerkat 2026-11 meeting words";

/// The longest payload: a record, a proof and the lengths around them.
pub const MAX_MEETING_BYTES: usize = MAX_RECORD_BYTES + 128;
/// Tags in a greeting: a home answers for at most twelve others, and how many it does is nobody's business.
pub const GREETED: usize = 12;

/// A keyed hash that shows who holds a secret without showing the secret.
#[derive(Debug, Clone, Copy, Eq, Serialize, Deserialize)]
pub struct Proof(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl PartialEq for Proof {
    /// In constant time: how much of a guess was right is not to be told by the clock.
    fn eq(&self, other: &Self) -> bool {
        blake3::Hash::from_bytes(self.0) == blake3::Hash::from_bytes(other.0)
    }
}

/// The two that meet, as the one who has the invite and the one who made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Who comes: its peer and home.
    pub guest: (Peer, HomeId),
    /// Who invited: its peer and home.
    pub host: (Peer, HomeId),
}

impl Pair {
    fn bytes(&self) -> Vec<u8> {
        let Self { guest, host } = self;
        [&guest.0.0[..], &guest.1.0, &host.0.0, &host.1.0].concat()
    }

    fn keyed(&self, domain: &str, key: &[u8; 32], about: &[u8]) -> [u8; 32] {
        let key = blake3::derive_key(domain, key);
        *blake3::keyed_hash(&key, &[&self.bytes(), about].concat()).as_bytes()
    }

    /// The guest's proof that it holds the key of this ticket. It fits no other peer, home or ticket.
    #[must_use]
    pub fn proof(&self, key: &[u8; 32], ticket: TicketId) -> Proof {
        Proof(self.keyed(JOIN_DOMAIN, key, &ticket.0))
    }

    /// The four words that both screens show once the guest is in.
    #[must_use]
    pub fn words(&self, key: &[u8; 32]) -> FourWords {
        FourWords::of(&self.keyed(JOIN_WORDS_DOMAIN, key, &[]))
    }
}

/// Which of the two proves that it knows a short code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Who typed it.
    Guest,
    /// Who made it.
    Host,
}

/// A proof that one knows a short code, between these two peers only and in this direction only.
#[must_use]
pub fn code_proof(key: &[u8; 32], guest: Peer, host: Peer, side: Side) -> Proof {
    let key = blake3::derive_key(CODE_DOMAIN, key);
    Proof(*blake3::keyed_hash(&key, &[&guest.0[..], &host.0, &[side as u8]].concat()).as_bytes())
}

/// What one of two that meet without any code adds to the words: 128 bits of chance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Nonce(#[serde(with = "serde_bytes")] pub [u8; 16]);

impl Nonce {
    /// What who begins says of its nonce before it has seen the other's.
    #[must_use]
    pub fn commitment(&self, first: Peer, second: Peer) -> Proof {
        Proof(blake3::derive_key(COMMIT_DOMAIN, &[&self.0[..], &first.0, &second.0].concat()))
    }
}

/// The four words of a meeting that `first` began with `second`.
#[must_use]
pub fn meeting_words(first: (Peer, Nonce), second: (Peer, Nonce)) -> FourWords {
    let said = [&first.0.0[..], &second.0.0, &first.1.0, &second.1.0].concat();
    FourWords::of(&blake3::derive_key(MEET_WORDS_DOMAIN, &said))
}

/// Why a node does not let another in. A number it does not know reads as [`Denial::NotNow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Denial {
    /// No such invite is open: it was revoked, or never was.
    NoSuchInvite,
    /// Its time is over.
    Expired,
    /// Another has used it.
    Used,
    /// The proof does not hold.
    WrongProof,
    /// The home answers for twelve others already.
    NoVouchLeft,
    /// The node cannot now: its clock is not set, or it is busy.
    NotNow,
    /// What the guest says of itself is not to be believed.
    BadRecord,
    /// The person there said no, or did not answer.
    Declined,
    /// The home has made all the vouches of this day.
    NoVouchToday,
}

impl Denial {
    const ALL: [Self; 9] = [
        Self::NoSuchInvite,
        Self::Expired,
        Self::Used,
        Self::WrongProof,
        Self::NoVouchLeft,
        Self::NotNow,
        Self::BadRecord,
        Self::Declined,
        Self::NoVouchToday,
    ];

    fn code(self) -> u8 {
        u8::try_from(Self::ALL.iter().position(|d| *d == self).unwrap_or(0)).unwrap_or(0)
    }

    fn of_code(code: u8) -> Self {
        Self::ALL.get(usize::from(code)).copied().unwrap_or(Self::NotNow)
    }
}

/// A payload that is none: its sender is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not what two nodes that meet say to each other")]
pub struct NotAWord;

/// What one node says to another on the way to knowing each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// Kind `Record`, first: tags of the homes that this one answers for, filled up with chance.
    Greeting(Vec<[u8; TAG_BYTES]>),
    /// Kind `Record`, then, and in answers: what the node says of itself.
    Record(SignedRecord),
    /// Nothing to say.
    Nothing,
    /// Kind `Join`: does your code prove this?
    Knock(Proof),
    /// The answer: it does, and this shows that it is mine.
    Opened(Proof, SignedRecord),
    /// Kind `Join`: let me in by this ticket; without one, by the code that was proven.
    Join(Option<TicketId>, Proof, SignedRecord),
    /// The answer: you are in; whether my home answers for yours now.
    Welcome(SignedRecord, bool),
    /// The answer: no.
    Denied(Denial),
    /// Kind `Meet`: I have drawn a nonce and stand by it.
    Begin(Proof),
    /// The answer: mine is this.
    Drawn(Nonce),
    /// Kind `Meet`: mine was this.
    Reveal(Nonce),
    /// Kind `Meet`: my person read your words; this is who we are.
    Confirm(SignedRecord),
    /// Kind `Meet`: my person said no.
    Cancel,
    /// Kind `Heartbeat` and its answer: I am here, and the record you have of me is of this sequence or old.
    Here(u64),
}

type Tags = ByteBuf;

impl Word {
    /// As it is sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Nothing => cbor::encode(&(0u8,)),
            Self::Greeting(tags) => cbor::encode(&(1u8, Tags::from(tags.concat()))),
            Self::Record(record) => cbor::encode(&(2u8, record)),
            Self::Knock(proof) => cbor::encode(&(3u8, proof)),
            Self::Opened(proof, record) => cbor::encode(&(4u8, proof, record)),
            Self::Join(ticket, proof, record) => cbor::encode(&(5u8, ticket, proof, record)),
            Self::Welcome(record, vouched) => cbor::encode(&(6u8, record, vouched)),
            Self::Denied(denial) => cbor::encode(&(7u8, denial.code())),
            Self::Begin(commitment) => cbor::encode(&(8u8, commitment)),
            Self::Drawn(nonce) => cbor::encode(&(9u8, nonce)),
            Self::Reveal(nonce) => cbor::encode(&(10u8, nonce)),
            Self::Confirm(record) => cbor::encode(&(11u8, record)),
            Self::Cancel => cbor::encode(&(12u8,)),
            Self::Here(sequence) => cbor::encode(&(13u8, sequence)),
        }
    }

    /// What was sent. Signatures and proofs in it are not checked.
    ///
    /// # Errors
    /// [`NotAWord`] for anything but the one encoding of a word.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotAWord> {
        // An array of up to four items (RFC 8949, 3.1), the first of which is a number below 24.
        let [0x81..=0x84, step, ..] = bytes else { return Err(NotAWord) };
        if bytes.len() > MAX_MEETING_BYTES {
            return Err(NotAWord);
        }
        Ok(match step {
            0 => strict::<(u8,), _>(bytes, |_| Self::Nothing)?,
            1 => Self::Greeting(tags(&strict::<(u8, Tags), _>(bytes, |(_, tags)| tags)?)?),
            2 => strict::<(u8, SignedRecord), _>(bytes, |(_, record)| Self::Record(record))?,
            3 => strict::<(u8, Proof), _>(bytes, |(_, proof)| Self::Knock(proof))?,
            4 => strict::<(u8, Proof, SignedRecord), _>(bytes, |(_, proof, record)| Self::Opened(proof, record))?,
            5 => strict::<(u8, Option<TicketId>, Proof, SignedRecord), _>(bytes, |(_, ticket, proof, record)| {
                Self::Join(ticket, proof, record)
            })?,
            6 => strict::<(u8, SignedRecord, bool), _>(bytes, |(_, record, vouched)| Self::Welcome(record, vouched))?,
            7 => strict::<(u8, u8), _>(bytes, |(_, code)| Self::Denied(Denial::of_code(code)))?,
            8 => strict::<(u8, Proof), _>(bytes, |(_, commitment)| Self::Begin(commitment))?,
            9 => strict::<(u8, Nonce), _>(bytes, |(_, nonce)| Self::Drawn(nonce))?,
            10 => strict::<(u8, Nonce), _>(bytes, |(_, nonce)| Self::Reveal(nonce))?,
            11 => strict::<(u8, SignedRecord), _>(bytes, |(_, record)| Self::Confirm(record))?,
            12 => strict::<(u8,), _>(bytes, |_| Self::Cancel)?,
            13 => strict::<(u8, u64), _>(bytes, |(_, sequence)| Self::Here(sequence))?,
            _ => return Err(NotAWord),
        })
    }
}

fn strict<T: Serialize + DeserializeOwned, U>(bytes: &[u8], made: impl FnOnce(T) -> U) -> Result<U, NotAWord> {
    cbor::decode_strict(bytes).map(made).map_err(|_| NotAWord)
}

fn tags(bytes: &[u8]) -> Result<Vec<[u8; TAG_BYTES]>, NotAWord> {
    let (tags, rest) = bytes.as_chunks::<TAG_BYTES>();
    if rest.is_empty() && tags.len() == GREETED { Ok(tags.to_vec()) } else { Err(NotAWord) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pair(guest: u8, host: u8) -> Pair {
        Pair { guest: (Peer([guest; 32]), HomeId([guest; 16])), host: (Peer([host; 32]), HomeId([host; 16])) }
    }

    fn every_word() -> Vec<Word> {
        let record = SignedRecord(ByteBuf::from(vec![7; MAX_RECORD_BYTES]));
        let proof = Proof([1; 32]);
        let mut words = vec![
            Word::Greeting(vec![[9; TAG_BYTES]; GREETED]),
            Word::Record(record.clone()),
            Word::Nothing,
            Word::Knock(proof),
            Word::Opened(proof, record.clone()),
            Word::Join(Some(TicketId([2; 16])), proof, record.clone()),
            Word::Join(None, proof, record.clone()),
            Word::Welcome(record.clone(), true),
            Word::Begin(proof),
            Word::Drawn(Nonce([3; 16])),
            Word::Reveal(Nonce([3; 16])),
            Word::Confirm(record),
            Word::Cancel,
            Word::Here(u64::MAX),
        ];
        words.extend(Denial::ALL.map(Word::Denied));
        words
    }

    #[test]
    fn every_word_reads_back_and_fits_its_bound() {
        for word in every_word() {
            let bytes = word.encode();
            assert!(bytes.len() <= MAX_MEETING_BYTES);
            assert_eq!(Word::decode(&bytes), Ok(word));
            assert_eq!(Word::decode(&[&bytes[..], &[0]].concat()), Err(NotAWord), "something follows");
        }
        assert_eq!(Word::decode(&cbor::encode(&(7u8, 200u8))), Ok(Word::Denied(Denial::NotNow)));
        let eleven = Tags::from(vec![0; TAG_BYTES * (GREETED - 1)]);
        assert_eq!(Word::decode(&cbor::encode(&(1u8, eleven))), Err(NotAWord));
    }

    #[test]
    fn a_proof_fits_one_pair_one_ticket_and_one_key() {
        let proof = pair(1, 2).proof(&[5; 32], TicketId([6; 16]));
        assert_eq!(proof, pair(1, 2).proof(&[5; 32], TicketId([6; 16])));
        assert_ne!(proof, pair(3, 2).proof(&[5; 32], TicketId([6; 16])));
        assert_ne!(proof, pair(1, 3).proof(&[5; 32], TicketId([6; 16])));
        assert_ne!(proof, pair(1, 2).proof(&[4; 32], TicketId([6; 16])));
        assert_ne!(proof, pair(1, 2).proof(&[5; 32], TicketId([7; 16])));
        let mut other_home = pair(1, 2);
        other_home.guest.1 = HomeId([9; 16]);
        assert_ne!(proof, other_home.proof(&[5; 32], TicketId([6; 16])));
        let (guest, host) = (Peer([1; 32]), Peer([2; 32]));
        let knock = code_proof(&[5; 32], guest, host, Side::Guest);
        assert_ne!(knock, code_proof(&[5; 32], guest, host, Side::Host), "no reflection");
        assert_ne!(knock, code_proof(&[5; 32], host, guest, Side::Guest));
    }

    #[test]
    fn both_sides_of_a_meeting_read_the_same_words_and_a_third_between_them_others() {
        let (one, other, third) = (Peer([1; 32]), Peer([2; 32]), Peer([3; 32]));
        let (n, m) = (Nonce([4; 16]), Nonce([5; 16]));
        let words = meeting_words((one, n), (other, m));
        assert_ne!(words, meeting_words((one, n), (third, m)));
        assert_ne!(words, meeting_words((third, n), (other, m)));
        assert_ne!(words, meeting_words((other, m), (one, n)));
        assert_ne!(n.commitment(one, other), n.commitment(one, third));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused_and_have_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(word) = Word::decode(&bytes) {
                prop_assert!(word.encode() == bytes || matches!(word, Word::Denied(_)));
            }
        }
    }
}
