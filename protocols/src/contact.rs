//! Contacts: what a node of a neighbour's home says of itself, so that its neighbours find it, know what it can do and
//! can write to it.
//!
//! A record is a CBOR array followed by 64 bytes of Ed25519 signature by the node's statement key, to which the delegations
//! in it lead from the home's. It names home and
//! network peer in one breath, which nothing else does: it is told to neighbours only, never gossiped.

use std::fmt;

use ed25519_dalek::{SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    cbor,
    delegation::Chain,
    home::{Genesis, HomeId, NodeNumber},
    mesh::Peer,
    signed,
};

const SIGN_DOMAIN: &[u8] = b"meerkat 2026-11 node record\0";
/// The version of a home's first node's record, and that of a further node's, which carries its chain.
const VERSION: u8 = 1;
const FURTHER_VERSION: u8 = 2;

/// The longest record, in bytes: seven addresses of 160 and sixteen capabilities of 24 make 1,504, four delegations 568,
/// keys, lengths and the signature 260.
pub const MAX_RECORD_BYTES: usize = 2_400;
/// Addresses of a node: two networks, each by TCP and by QUIC.
pub const MAX_ADDRESSES: usize = 4;
/// Relays through which a node is reached: one may be away and one be restarted.
pub const MAX_RELAYS: usize = 3;
/// The longest multiaddress: an IPv6 relay's by QUIC with two peer ids has 148 characters.
pub const MAX_ADDRESS_BYTES: usize = 160;
/// The longest text of a version.
const MAX_VERSION_BYTES: usize = 24;
const MAX_CAPABILITIES: usize = 16;
const MAX_CAPABILITY_BYTES: usize = 24;

/// The public half of a node's X25519 key (RFC 7748): what is written to that node alone is sealed to it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
pub struct SealKey(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealKey({:02x}{:02x}…)", self.0[0], self.0[1])
    }
}

/// What sort of machine a node runs on, for the picture beside its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Platform(pub u8);

impl Platform {
    /// A computer: a desktop, a server, a virtual machine.
    pub const COMPUTER: Self = Self(0);
    /// A board computer such as a Raspberry Pi.
    pub const BOARD: Self = Self(1);

    /// The word used in every interface. Later programs may name more than we know.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::COMPUTER => "computer",
            Self::BOARD => "board",
            _ => "other",
        }
    }
}

/// What a node is and can do, apart from where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its network key's public half.
    pub peer: Peer,
    /// To what messages for it are sealed.
    pub seal_key: SealKey,
    /// On what it runs.
    pub platform: Platform,
    /// The version of its program.
    pub version: String,
    /// What it can do: `screening`, `mesh`, `sip`, …; lower-case words.
    pub capabilities: Vec<String>,
}

impl Default for About {
    /// A node that nobody can reach or write to: in simulations that are not about meeting.
    fn default() -> Self {
        Self {
            peer: Peer([0; 32]),
            seal_key: SealKey::default(),
            platform: Platform::COMPUTER,
            version: String::new(),
            capabilities: Vec::new(),
        }
    }
}

/// What a node says of itself to a neighbour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRecord {
    /// The record of its home: name and key.
    pub genesis: Genesis,
    /// Its number in the home.
    pub node: NodeNumber,
    /// The delegations that name it; none for a home's first node.
    pub chain: Chain,
    /// What it is and can do.
    pub about: About,
    /// Multiaddresses at which it can be called, the best first, without its peer id.
    pub addresses: Vec<String>,
    /// Multiaddresses of relays through which it can be called, with the relay's peer id, ending in `/p2p-circuit`.
    pub relays: Vec<String>,
    /// Of two records of one node the higher is the later; it rises with the clock.
    pub sequence: u64,
}

#[derive(Serialize, Deserialize)]
struct Wire(u8, Genesis, NodeNumber, Peer, SealKey, Platform, String, Vec<String>, Vec<String>, Vec<String>, u64);
#[derive(Serialize, Deserialize)]
struct FurtherWire(
    u8,
    Genesis,
    NodeNumber,
    Peer,
    SealKey,
    Platform,
    String,
    Vec<String>,
    Vec<String>,
    Vec<String>,
    u64,
    Chain,
);

/// Why bytes are no record of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotARecord {
    /// More bytes than a record has.
    #[error("longer than a node's record can be")]
    TooLong,
    /// Not the one encoding of a record.
    #[error("not the encoding of a node's record")]
    Encoding,
    /// A later program wrote it.
    #[error("made by a newer Meerkat: update this node to read it")]
    Newer,
    /// A text or list in it is longer than it may be, or holds what it may not.
    #[error("a field is out of its range")]
    Range,
    /// No node of the home it names signed it.
    #[error("not signed by the home it names")]
    Forged,
}

/// The bytes of a signed record, as made or as received.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignedRecord(pub ByteBuf);

impl NodeRecord {
    /// The home it belongs to.
    #[must_use]
    pub fn home(&self) -> HomeId {
        self.genesis.home()
    }

    /// Signs the record with the node's statement key.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> SignedRecord {
        let Self { genesis, node, chain, about, addresses, relays, sequence } = self.clone();
        let About { peer, seal_key, platform, version: v, capabilities } = about;
        let said = if chain.0.is_empty() {
            let first = VERSION;
            cbor::encode(&Wire(
                first,
                genesis,
                node,
                peer,
                seal_key,
                platform,
                v,
                capabilities,
                addresses,
                relays,
                sequence,
            ))
        } else {
            let further = FURTHER_VERSION;
            cbor::encode(&FurtherWire(
                further,
                genesis,
                node,
                peer,
                seal_key,
                platform,
                v,
                capabilities,
                addresses,
                relays,
                sequence,
                chain,
            ))
        };
        SignedRecord(ByteBuf::from(signed::sign(SIGN_DOMAIN, said, key)))
    }

    fn in_range(&self) -> bool {
        let about = &self.about;
        let plain = |text: &str, most: usize| text.len() <= most && text.bytes().all(|b| b.is_ascii_graphic());
        self.addresses.len() <= MAX_ADDRESSES
            && self.relays.len() <= MAX_RELAYS
            && self.addresses.iter().chain(&self.relays).all(|address| is_address(address))
            && plain(&about.version, MAX_VERSION_BYTES)
            && about.capabilities.len() <= MAX_CAPABILITIES
            && about.capabilities.iter().all(|word| !word.is_empty() && plain(word, MAX_CAPABILITY_BYTES))
    }
}

/// Whether a text may be a multiaddress; the network reads it in earnest.
#[must_use]
pub fn is_address(text: &str) -> bool {
    text.len() <= MAX_ADDRESS_BYTES && text.starts_with('/') && text.bytes().all(|b| b.is_ascii_graphic())
}

impl SignedRecord {
    /// Reads the record and checks that the node it names signed it, which its home named: that is one step, so that nobody
    /// uses a record unchecked. Whether the home has taken the node back since is another question.
    ///
    /// # Errors
    /// [`NotARecord`].
    pub fn open(&self) -> Result<NodeRecord, NotARecord> {
        if self.0.len() > MAX_RECORD_BYTES {
            return Err(NotARecord::TooLong);
        }
        if signed::is_newer(&self.0, FURTHER_VERSION) {
            return Err(NotARecord::Newer);
        }
        let said = signed::said(&self.0).ok_or(NotARecord::Encoding)?;
        let record = read(said)?;
        record.genesis.key().filter(|_| record.in_range()).ok_or(NotARecord::Range)?;
        let key = record.chain.key(&record.genesis, record.node).ok_or(NotARecord::Forged)?;
        if signed::holds(SIGN_DOMAIN, &self.0, &key) { Ok(record) } else { Err(NotARecord::Forged) }
    }
}

fn read(said: &[u8]) -> Result<NodeRecord, NotARecord> {
    let encoding = |_| NotARecord::Encoding;
    let (wire, chain) = if said.get(1) == Some(&FURTHER_VERSION) {
        let further: FurtherWire = cbor::decode_strict(said).map_err(encoding)?;
        let FurtherWire(v, genesis, node, peer, seal, platform, program, capabilities, addresses, relays, n, chain) =
            further;
        (Wire(v, genesis, node, peer, seal, platform, program, capabilities, addresses, relays, n), chain)
    } else {
        let first: Wire = cbor::decode_strict(said).map_err(encoding)?;
        (first, Chain::default())
    };
    let Wire(version, genesis, node, peer, seal_key, platform, program, capabilities, addresses, relays, sequence) =
        wire;
    // One form for each: the first version without a chain, the second with one.
    if version != if chain.0.is_empty() { VERSION } else { FURTHER_VERSION } {
        return Err(NotARecord::Range);
    }
    let about = About { peer, seal_key, platform, version: program, capabilities };
    Ok(NodeRecord { genesis, node, chain, about, addresses, relays, sequence })
}

/// A node of a neighbour's home whose record we checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contact {
    /// What it says of itself.
    pub record: NodeRecord,
    /// The same as it was signed.
    pub signed: SignedRecord,
    /// Since when it is a contact, in Unix seconds; `None` if the clock was not set.
    pub since: Option<i64>,
}

impl Contact {
    /// The contact whose record this is.
    ///
    /// # Errors
    /// [`NotARecord`].
    pub fn open(signed: SignedRecord, since: Option<i64>) -> Result<Self, NotARecord> {
        Ok(Self { record: signed.open()?, signed, since })
    }

    /// Its network peer.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.record.about.peer
    }

    /// Its home.
    #[must_use]
    pub fn home(&self) -> HomeId {
        self.record.home()
    }
}

const TIE_DOMAIN: &str = "meerkat 2026-11 tie of two homes";
/// Bytes of a [`Tie`]'s tag: somebody who knows no tie hits one of twelve once in 2^124 tries.
pub const TAG_BYTES: usize = 16;

/// A secret of two homes that neither had to tell the other: by it their nodes know each other among strangers.
///
/// Each two of their nodes have one. It is the Diffie-Hellman secret of the two statement keys on Curve25519 (RFC 7748, 6.1; the Edwards keys are mapped as
/// in RFC 7748, 4.1), hashed under a domain of its own. Using one key pair to sign and to agree is sound for this pair of
/// schemes (Degabriele and others, "On the Joint Security of Encryption and Signature in EMV", 2012); nothing is
/// encrypted with it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tie([u8; 32]);

impl fmt::Debug for Tie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tie(…)")
    }
}

impl Tie {
    /// The tie between the node of a home that signs with `key` and one of another home; `None` if the other's key is none.
    #[must_use]
    pub fn between(key: &SigningKey, own: HomeId, (other, theirs): (HomeId, &[u8; 32])) -> Option<Self> {
        let theirs = VerifyingKey::from_bytes(theirs).ok().filter(|theirs| !theirs.is_weak())?;
        let secret = (theirs.to_montgomery() * key.to_scalar()).to_bytes();
        let (low, high) = (own.min(other), own.max(other));
        Some(Self(blake3::derive_key(TIE_DOMAIN, &[&secret[..], &low.0, &high.0].concat())))
    }

    /// What shows to those who know the tie that `from` does too. It fits no other pair of peers and not the way back.
    #[must_use]
    pub fn tag(&self, from: Peer, to: Peer) -> [u8; TAG_BYTES] {
        let hash = blake3::keyed_hash(&self.0, &[from.0, to.0].concat());
        let mut tag = [0; TAG_BYTES];
        tag.copy_from_slice(&hash.as_bytes()[..TAG_BYTES]);
        tag
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        delegation::Delegation,
        roster::Share,
        statement::{Body, Statement},
        time::Day,
    };
    use proptest::prelude::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn genesis(seed: u8) -> Genesis {
        Genesis::new(&key(seed).verifying_key())
    }

    /// What names a node that signs with key 5.
    fn chain(node: u8) -> Chain {
        let said = Delegation { node: NodeNumber(node), key: key(5).verifying_key().to_bytes(), share: Share::WHOLE };
        let body = Body::Delegation(said);
        let statement = Statement { home: genesis(1).home(), node: NodeNumber(0), day: Day(20_770), slot: 0, body };
        Chain(if node == 0 { vec![] } else { vec![statement.sign(&key(1))] })
    }

    #[test]
    fn a_further_nodes_record_is_its_own_word_and_carries_who_named_it() {
        let further = NodeRecord { node: NodeNumber(7), chain: chain(7), ..record() };
        let signed = further.sign(&key(5));
        assert_eq!(signed.open(), Ok(further.clone()));
        assert_eq!(signed.0.len(), 369);
        assert_eq!(further.sign(&key(1)).open(), Err(NotARecord::Forged), "the first node does not speak for it");
        let unnamed = NodeRecord { chain: Chain::default(), ..further.clone() };
        assert_eq!(unnamed.sign(&key(5)).open(), Err(NotARecord::Forged));
        let other = NodeRecord { node: NodeNumber(8), ..further };
        assert_eq!(other.sign(&key(5)).open(), Err(NotARecord::Forged), "the chain leads to another number");
    }

    fn record() -> NodeRecord {
        NodeRecord {
            genesis: genesis(1),
            node: NodeNumber(0),
            chain: Chain::default(),
            about: About {
                peer: Peer([2; 32]),
                seal_key: SealKey([3; 32]),
                platform: Platform::BOARD,
                version: "0.1.0".into(),
                capabilities: vec!["screening".into(), "sip".into()],
            },
            addresses: vec!["/ip4/192.168.1.7/udp/4787/quic-v1".into()],
            relays: vec![],
            sequence: 1_795_000_000,
        }
    }

    #[test]
    fn a_record_reads_back_and_the_largest_fits_its_bound() {
        let signed = record().sign(&key(1));
        assert_eq!(signed.open(), Ok(record()));
        assert_eq!(signed.0.len(), 235);
        let longest = format!("/{}", "a".repeat(MAX_ADDRESS_BYTES - 1));
        let mut largest = record();
        largest.addresses = vec![longest.clone(); MAX_ADDRESSES];
        largest.relays = vec![longest; MAX_RELAYS];
        largest.about.capabilities = vec!["c".repeat(MAX_CAPABILITY_BYTES); MAX_CAPABILITIES];
        largest.about.version = "v".repeat(MAX_VERSION_BYTES);
        largest.sequence = u64::MAX;
        let signed = largest.sign(&key(1));
        assert!(signed.0.len() <= MAX_RECORD_BYTES, "{}", signed.0.len());
        assert_eq!(signed.open(), Ok(largest));
    }

    #[test]
    fn what_is_out_of_range_forged_or_newer_is_refused_and_called_so() {
        let wrong = |change: &dyn Fn(&mut NodeRecord)| {
            let mut record = record();
            change(&mut record);
            record.sign(&key(1)).open()
        };
        let long = "/".repeat(MAX_ADDRESS_BYTES + 1);
        assert_eq!(wrong(&|r| r.addresses = vec!["/ip4".into(); 5]), Err(NotARecord::Range));
        assert_eq!(wrong(&|r| r.relays = vec!["/ip4".into(); 4]), Err(NotARecord::Range));
        assert_eq!(wrong(&|r| r.addresses = vec![long.clone()]), Err(NotARecord::Range));
        assert_eq!(wrong(&|r| r.addresses = vec!["example.org".into()]), Err(NotARecord::Range));
        assert_eq!(wrong(&|r| r.addresses = vec!["/ip4/\u{1b}[31m".into()]), Err(NotARecord::Range));
        assert_eq!(wrong(&|r| r.about.version = "1 0".into()), Err(NotARecord::Range));
        assert_eq!(wrong(&|r| r.about.capabilities = vec![String::new()]), Err(NotARecord::Range));
        assert_eq!(record().sign(&key(2)).open(), Err(NotARecord::Forged));
        let huge = SignedRecord(ByteBuf::from(vec![0; MAX_RECORD_BYTES + 1]));
        assert_eq!(huge.open(), Err(NotARecord::TooLong));
        let mut newer = record().sign(&key(1));
        newer.0[1] = 3;
        assert_eq!(newer.open(), Err(NotARecord::Newer));
        let mut chainless = record().sign(&key(1));
        chainless.0[1] = 2;
        assert_eq!(chainless.open(), Err(NotARecord::Encoding));
    }

    #[test]
    fn both_homes_find_the_same_tie_and_nobody_else_does() {
        let public = |seed| key(seed).verifying_key().to_bytes();
        let (one, other) = (genesis(1).home(), genesis(2).home());
        let tie = Tie::between(&key(1), one, (other, &public(2))).expect("a key");
        assert_eq!(Some(tie), Tie::between(&key(2), other, (one, &public(1))));
        assert_ne!(Some(tie), Tie::between(&key(3), other, (one, &public(1))), "another node of the home");
        assert_ne!(Some(tie), Tie::between(&key(1), one, (genesis(3).home(), &public(2))));
        assert_eq!(Tie::between(&key(1), one, (other, &[0; 32])), None);
        let (one, other) = (Peer([1; 32]), Peer([2; 32]));
        assert_ne!(tie.tag(one, other), tie.tag(other, one));
        assert_eq!(format!("{tie:?}"), "Tie(…)");
    }

    proptest! {
        #[test]
        fn any_bytes_are_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert!(SignedRecord(ByteBuf::from(bytes)).open().is_err());
        }

        #[test]
        fn a_record_with_a_changed_bit_is_refused(at in 0usize..235, bit in 0u8..8) {
            let mut signed = record().sign(&key(1));
            signed.0[at] ^= 1 << bit;
            prop_assert!(signed.open().is_err());
        }

        #[test]
        fn a_record_reads_back_as_it_was_said(sequence: u64, node: u8, platform: u8, text in "/[!-~]{0,159}") {
            let mut said = record();
            said.sequence = sequence;
            let signer = if node == 0 { key(1) } else { key(5) };
            (said.node, said.chain) = (NodeNumber(node), chain(node));
            said.about.platform = Platform(platform);
            said.relays = vec![text];
            prop_assert_eq!(said.sign(&signer).open(), Ok(said));
        }
    }
}
