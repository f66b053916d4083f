//! The logs of a household: for each of its nodes and each kind of fact one, appended to by that node alone and held by
//! all. Each entry is bound to its node, stream and sequence by a chain of hashes, whose newest link the node signs.

use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::{Call, CallEnd, Seq};
use crate::{
    cbor,
    home::{HomeId, NodeNumber},
    number::E164,
    signed,
};

/// Domain of the hash that a link of the chain is.
const CHAIN_DOMAIN: &str = "meerkat 2026-11 facts chain";
/// Domain of the signature over a link.
const HEAD_DOMAIN: &[u8] = b"meerkat 2026-11 facts head";
/// Domain of the hash by which an erased number is named.
const ERASED_DOMAIN: &str = "meerkat 2026-11 facts erased number";
/// The most bytes of one entry: a call with all that a gateway may say of it has some 4 kB.
pub const MAX_ENTRY_BYTES: usize = 16 << 10;

/// What a log is about. Each has a sequence and an age of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
#[repr(u8)]
pub enum Stream {
    /// Screened calls. Their sequence is their place here.
    Calls = 0,
    /// How they ended: entries of their own, so that nothing is ever edited.
    CallEnds = 1,
    /// Numbers whose calls people had erased, on all nodes.
    Erasures = 2,
    /// What sensors noticed.
    Detections = 3,
    /// What was measured.
    Metrics = 4,
    /// What the program said.
    Logs = 5,
    /// What people and nodes changed.
    Audit = 6,
}

impl Stream {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Calls, Self::CallEnds, Self::Erasures, Self::Detections, Self::Metrics, Self::Logs, Self::Audit];

    /// For how many days its entries are kept. Ends go with their calls; an erasure is kept as long as any call that a
    /// member could still bring back.
    #[must_use]
    pub fn days(self) -> u16 {
        match self {
            Self::Calls | Self::CallEnds | Self::Erasures => 365,
            Self::Detections => 30,
            Self::Metrics => 90,
            Self::Logs => 7,
            Self::Audit => 5 * 365,
        }
    }

    /// The stream's name in every interface.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Calls => "calls",
            Self::CallEnds => "call_ends",
            Self::Erasures => "erasures",
            Self::Detections => "detections",
            Self::Metrics => "metrics",
            Self::Logs => "logs",
            Self::Audit => "audit",
        }
    }
}

impl From<Stream> for u8 {
    fn from(stream: Stream) -> Self {
        stream as Self
    }
}

impl TryFrom<u8> for Stream {
    type Error = &'static str;

    fn try_from(byte: u8) -> Result<Self, Self::Error> {
        Self::ALL.into_iter().find(|stream| *stream as u8 == byte).ok_or("no such stream of facts")
    }
}

/// One log: whose, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogId {
    /// Whose.
    pub node: NodeNumber,
    /// Of what.
    pub stream: Stream,
}

/// A link of the chain: the hash over all entries up to one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Link(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl Link {
    /// The link after this one.
    #[must_use]
    pub fn then(self, log: LogId, seq: Seq, digest: &Digest) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(CHAIN_DOMAIN);
        hasher.update(&self.0).update(&[log.node.0, log.stream as u8]).update(&seq.0.to_be_bytes()).update(&digest.0);
        Self(*hasher.finalize().as_bytes())
    }
}

/// The hash of an entry's body: all that is left of what was erased, so that the chain still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl Digest {
    /// Of a body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(*blake3::hash(body).as_bytes())
    }
}

/// What an entry carries, as bytes: a member that knows less of a fact passes on what it does not understand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Body {
    /// The fact, as its node wrote it.
    Whole(ByteBuf),
    /// It was erased or decayed; its hash is left.
    Gone(Digest),
}

impl Body {
    /// Its hash.
    #[must_use]
    pub fn digest(&self) -> Digest {
        match self {
            Self::Whole(bytes) => Digest::of(bytes),
            Self::Gone(digest) => *digest,
        }
    }
}

/// One entry of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Its place. Places rise; some are empty.
    pub seq: Seq,
    /// What it carries.
    pub body: Body,
}

/// What this node notes in a log of its own.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// A screened call.
    Call(Box<Call>),
    /// How a call ended.
    CallEnd(CallEnd),
    /// A number was erased.
    Erased(Erased),
    /// What a sensor noticed.
    Detection(Dated),
    /// A measurement.
    Metric(Dated),
    /// A line of the program's log.
    Log(Dated),
    /// What somebody changed.
    Audit(Dated),
}

/// Bytes that mean something to who noted them, and when that was.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dated {
    /// Unix seconds, if the clock was set.
    pub at: Option<i64>,
    /// What.
    pub bytes: ByteBuf,
}

impl std::fmt::Debug for Dated {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Dated({} bytes)", self.bytes.len())
    }
}

impl Fact {
    /// An entry of the audit log.
    #[must_use]
    pub fn audit(at: Option<i64>, bytes: Vec<u8>) -> Self {
        Self::Audit(Dated { at, bytes: ByteBuf::from(bytes) })
    }

    /// Where it belongs.
    #[must_use]
    pub fn stream(&self) -> Stream {
        match self {
            Self::Call(_) => Stream::Calls,
            Self::CallEnd(_) => Stream::CallEnds,
            Self::Erased(_) => Stream::Erasures,
            Self::Detection(_) => Stream::Detections,
            Self::Metric(_) => Stream::Metrics,
            Self::Log(_) => Stream::Logs,
            Self::Audit(_) => Stream::Audit,
        }
    }

    /// As bytes.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        match self {
            Self::Call(call) => cbor::encode(call),
            Self::CallEnd(end) => cbor::encode(end),
            Self::Erased(erased) => cbor::encode(erased),
            Self::Detection(dated) | Self::Metric(dated) | Self::Log(dated) | Self::Audit(dated) => cbor::encode(dated),
        }
    }

    /// From the bytes of an entry of `stream`.
    ///
    /// # Errors
    /// [`cbor::Error`] if they are none.
    pub fn read(stream: Stream, body: &[u8]) -> Result<Self, cbor::Error> {
        Ok(match stream {
            Stream::Calls => Self::Call(cbor::decode(body)?),
            Stream::CallEnds => Self::CallEnd(cbor::decode(body)?),
            Stream::Erasures => Self::Erased(cbor::decode(body)?),
            Stream::Detections => Self::Detection(cbor::decode(body)?),
            Stream::Metrics => Self::Metric(cbor::decode(body)?),
            Stream::Logs => Self::Log(cbor::decode(body)?),
            Stream::Audit => Self::Audit(cbor::decode(body)?),
        })
    }
}

/// A number that people had erased. It names the number by a hash: who holds the log can try numbers out, who finds a
/// line of it in passing learns nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Which number.
    pub number: NumberHash,
    /// When, in Unix seconds: calls that began no later are erased, whichever node screened them.
    pub at: Option<i64>,
    /// What was known when it was erased: of each node the sequence after its last call. Calls before it are erased,
    /// whatever a clock said.
    pub known: Vec<(NodeNumber, Seq)>,
}

impl Erased {
    /// Whether a call of this number at this place is erased by it.
    #[must_use]
    pub fn covers(&self, node: NodeNumber, seq: Seq, began: Option<i64>) -> bool {
        let known = self.known.iter().any(|(of, next)| *of == node && seq < *next);
        known || matches!((self.at, began), (Some(at), Some(began)) if began <= at)
    }
}

/// A number, hashed for one home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NumberHash(#[serde(with = "serde_bytes")] pub [u8; 16]);

impl NumberHash {
    /// The hash of a number in a home.
    #[must_use]
    pub fn of(home: HomeId, number: E164) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(ERASED_DOMAIN);
        hasher.update(&home.0).update(&number.digits().to_be_bytes());
        let mut short = [0; 16];
        hasher.finalize_xof().fill(&mut short);
        Self(short)
    }
}

/// A node's word that its log has this link after the entry before `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head(u8, HomeId, NodeNumber, Stream, Seq, Link);

impl Head {
    const VERSION: u8 = 1;

    /// The word that `log` of a node of `home` has `link` where `next` follows.
    #[must_use]
    pub fn new(home: HomeId, log: LogId, next: Seq, link: Link) -> Self {
        Self(Self::VERSION, home, log.node, log.stream, next, link)
    }

    /// Which log.
    #[must_use]
    pub fn log(&self) -> LogId {
        LogId { node: self.2, stream: self.3 }
    }

    /// The sequence after the last entry it speaks of.
    #[must_use]
    pub fn next(&self) -> Seq {
        self.4
    }

    /// The link there.
    #[must_use]
    pub fn link(&self) -> Link {
        self.5
    }

    /// Signs it with the node's statement key.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> SignedHead {
        SignedHead(ByteBuf::from(signed::sign(HEAD_DOMAIN, cbor::encode(self), key)))
    }
}

/// A [`Head`] with its signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignedHead(pub ByteBuf);

impl SignedHead {
    /// What it says, if that is of this home and its version; the signature is not looked at.
    #[must_use]
    pub fn read(&self, home: HomeId) -> Option<Head> {
        let head: Head = cbor::decode_strict(signed::said(&self.0)?).ok()?;
        (head.0 == Head::VERSION && head.1 == home).then_some(head)
    }

    /// Whether the node with this statement key signed it.
    #[must_use]
    pub fn holds(&self, key: &[u8; 32]) -> bool {
        VerifyingKey::from_bytes(key).is_ok_and(|key| signed::holds(HEAD_DOMAIN, &self.0, &key))
    }
}

/// What is held of a log: the entries from `low` on and before `next`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogMark {
    /// Entries before this one have expired, or were never held.
    pub low: Seq,
    /// The link before `low`.
    pub base: Link,
    /// The sequence after the last one.
    pub next: Seq,
    /// The link there.
    pub link: Link,
    /// Up to here the node's own signature vouches for what is held.
    pub verified: Seq,
    /// The link there.
    pub verified_link: Link,
    /// The node's newest word that was found to hold.
    pub head: Option<SignedHead>,
    /// How many entries are held. Unlike the sequences it counts no empty places.
    #[serde(default)]
    pub entries: u64,
}

impl LogMark {
    /// Follows the log by one entry; `false`, and nothing is changed, if it is held already.
    pub fn append(&mut self, log: LogId, seq: Seq, digest: &Digest) -> bool {
        if seq < self.next || seq.0 == u64::MAX {
            return false;
        }
        self.link = self.link.then(log, seq, digest);
        self.next = Seq(seq.0 + 1);
        self.entries += 1;
        true
    }

    /// The oldest entry goes.
    pub fn expire(&mut self, log: LogId, seq: Seq, digest: &Digest) {
        if seq < self.low || seq >= self.next {
            return;
        }
        self.base = self.base.then(log, seq, digest);
        self.low = Seq(seq.0 + 1);
        self.entries = self.entries.saturating_sub(1);
    }

    /// Nothing was held so far, or what was held ends before what can be had: go on from `low`, whose link before it is
    /// `base`.
    pub fn restart(&mut self, low: Seq, base: Link) {
        *self = Self { low, base, next: low, link: base, verified: low, verified_link: base, ..Self::default() };
    }

    /// The node's word on the place where what is held ends.
    pub fn vouched(&mut self, head: &Head, signed: SignedHead) {
        self.verified = head.next();
        self.verified_link = head.link();
        self.head = Some(signed);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LOG: LogId = LogId { node: NodeNumber(3), stream: Stream::Audit };

    fn body(n: u8) -> Body {
        Body::Whole(ByteBuf::from(vec![n; 9]))
    }

    #[test]
    fn a_link_depends_on_all_before_it() {
        let link = |log: LogId, all: &[(u64, u8)]| {
            all.iter().fold(Link::default(), |link, (seq, n)| link.then(log, Seq(*seq), &body(*n).digest()))
        };
        let right = link(LOG, &[(0, 1), (1, 2), (5, 3)]);
        for other in [
            link(LOG, &[(0, 2), (1, 1), (5, 3)]),
            link(LOG, &[(0, 1), (5, 3)]),
            link(LOG, &[(0, 1), (2, 2), (5, 3)]),
            link(LogId { node: NodeNumber(4), ..LOG }, &[(0, 1), (1, 2), (5, 3)]),
            link(LogId { stream: Stream::Logs, ..LOG }, &[(0, 1), (1, 2), (5, 3)]),
        ] {
            assert_ne!(right, other);
        }
    }

    #[test]
    fn a_mark_follows_the_log_and_what_expired_leaves_the_same_link() {
        let mut mark = LogMark::default();
        for seq in [0, 1, 4, 9] {
            assert!(mark.append(LOG, Seq(seq), &body(seq as u8).digest()));
            assert!(!mark.append(LOG, Seq(seq), &body(7).digest()), "an entry is never replaced");
        }
        let whole = mark.clone();
        mark.expire(LOG, Seq(0), &body(0).digest());
        mark.expire(LOG, Seq(1), &body(1).digest());
        let mut other = LogMark::default();
        other.restart(mark.low, mark.base);
        for seq in [4, 9] {
            other.append(LOG, Seq(seq), &body(seq as u8).digest());
        }
        assert_eq!((other.link, other.next, other.entries), (whole.link, whole.next, 2));
        assert_eq!((mark.low, mark.entries), (Seq(2), 2));
    }

    #[test]
    fn a_head_holds_for_its_key_and_home_alone() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let home = HomeId([1; 16]);
        let signed = Head::new(home, LOG, Seq(12), Link([9; 32])).sign(&key);
        let head = signed.read(home).expect("of this home");
        assert_eq!((head.log(), head.next(), head.link()), (LOG, Seq(12), Link([9; 32])));
        assert!(signed.holds(key.verifying_key().as_bytes()));
        assert!(!signed.holds(SigningKey::from_bytes(&[8; 32]).verifying_key().as_bytes()));
        assert_eq!(signed.read(HomeId([2; 16])), None);
    }

    #[test]
    fn an_erasure_covers_what_was_known_and_what_began_before() {
        let number = NumberHash::of(HomeId([1; 16]), E164::from_digits(4_930_901_820).expect("a number"));
        let erased = Erased { number, at: Some(1_000), known: vec![(NodeNumber(1), Seq(10))] };
        assert!(erased.covers(NodeNumber(1), Seq(9), Some(2_000)), "a clock that ran ahead");
        assert!(erased.covers(NodeNumber(1), Seq(9), None));
        assert!(!erased.covers(NodeNumber(1), Seq(10), None));
        assert!(erased.covers(NodeNumber(2), Seq(99), Some(1_000)), "a member that was away");
        assert!(!erased.covers(NodeNumber(2), Seq(99), Some(1_001)));
    }

    proptest! {
        #[test]
        fn facts_read_back(at in proptest::option::of(any::<i64>()), bytes: Vec<u8>) {
            let dated = Dated { at, bytes: ByteBuf::from(bytes.clone()) };
            for fact in [
                Fact::Detection(dated.clone()),
                Fact::Metric(dated.clone()),
                Fact::Log(dated),
                Fact::audit(at, bytes.clone()),
            ] {
                prop_assert_eq!(Fact::read(fact.stream(), &fact.body()).expect("as it was written"), fact);
            }
        }

        #[test]
        fn strangers_bytes_are_no_fact_and_no_panic(stream in 0..7u8, bytes: Vec<u8>) {
            let _ = Fact::read(Stream::try_from(stream).expect("one of seven"), &bytes);
            let _ = SignedHead(ByteBuf::from(bytes)).read(HomeId([1; 16]));
        }
    }
}
