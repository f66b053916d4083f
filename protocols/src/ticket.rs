//! Tickets: the invite that one home hands to another, as text or QR code. A ticket says where its node is found and who
//! that is, and holds a secret that proves, once, that its bearer was given it.
//!
//! Whoever sees a ticket can use it: it is handed over like a key, counts once and ends soon.

use std::{fmt, str::FromStr};

use data_encoding::BASE32_NOPAD;
use ed25519_dalek::SigningKey;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    address, cbor,
    contact::{MAX_ADDRESSES, MAX_RELAYS},
    delegation::Chain,
    home::{Genesis, HomeId, NodeNumber},
    link::{self, NotALink},
    mesh::Peer,
    signed,
};

const SIGN_DOMAIN: &[u8] = b"meerkat 2026-11 ticket\0";
const ID_DOMAIN: &str = "meerkat 2026-11 ticket id";
const KEY_DOMAIN: &str = "meerkat 2026-11 ticket key";
/// The version of a ticket of a home's first node, and that of a further node's, which carries its chain.
const VERSION: u8 = 1;
const FURTHER_VERSION: u8 = 2;
/// What a ticket's text begins with. In capitals all of it is in the alphabet of alphanumeric QR codes (ISO/IEC 18004,
/// 7.4.4), which takes 5.5 bits for each letter.
const SCHEME: &str = "meerkat:";
/// The longest ticket: seven addresses as text of 160 bytes, four delegations, keys, signature and lengths. With two
/// addresses by IPv4 it has 178, and one of a further node 314.
pub const MAX_TICKET_BYTES: usize = 1_900;
/// Its text: eight letters for each five bytes, and some white space around.
pub const MAX_TICKET_TEXT_BYTES: usize = 3_200;

/// The one-use secret of a ticket: 128 bits.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret(#[serde(with = "serde_bytes")] pub [u8; 16]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// The key with which the secret is proven.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        blake3::derive_key(KEY_DOMAIN, &self.0)
    }
}

/// The name of a ticket: a hash of its bytes. It is no secret.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TicketId(#[serde(with = "serde_bytes")] pub [u8; 16]);

impl From<NotALink> for NotATicket {
    fn from(why: NotALink) -> Self {
        match why {
            NotALink::Scheme => Self::Scheme,
            NotALink::TooLong => Self::TooLong,
            NotALink::Damaged => Self::Damaged,
        }
    }
}

impl fmt::Display for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for TicketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string()[..8])
    }
}

impl FromStr for TicketId {
    type Err = NotATicket;

    fn from_str(text: &str) -> Result<Self, NotATicket> {
        let bytes =
            BASE32_NOPAD.decode(text.trim().to_ascii_uppercase().as_bytes()).map_err(|_| NotATicket::Damaged)?;
        bytes.try_into().map(Self).map_err(|_| NotATicket::Damaged)
    }
}

/// An invite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The home that invites.
    pub genesis: Genesis,
    /// Which node of it.
    pub node: NodeNumber,
    /// The delegations that name it; none for a home's first node.
    pub chain: Chain,
    /// Its network peer: a connection to any other is none to the inviter.
    pub peer: Peer,
    /// Where it can be called, the best first.
    pub addresses: Vec<String>,
    /// Relays through which it can be called.
    pub relays: Vec<String>,
    /// Proven on use, never sent.
    pub secret: Secret,
    /// The Unix second after which it is void; `None` if the inviter's clock was not set: then it ends by its time alone.
    pub expires: Option<u64>,
    /// Whether the inviter answers for who uses it.
    pub vouches: bool,
}

#[derive(Serialize, Deserialize)]
struct Wire(u8, Genesis, NodeNumber, Peer, Vec<ByteBuf>, Vec<ByteBuf>, Secret, u64, bool);
#[derive(Serialize, Deserialize)]
struct FurtherWire(u8, Genesis, NodeNumber, Peer, Vec<ByteBuf>, Vec<ByteBuf>, Secret, u64, bool, Chain);

/// Why a text is no ticket that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotATicket {
    /// It begins otherwise.
    #[error(
        "this is not an invite: an invite begins with `{SCHEME}`. Your neighbour makes one on the Mesh page or with `meerkat invite`"
    )]
    Scheme,
    /// More than a ticket has.
    #[error("this text is longer than an invite can be: copy only the invite, from `{SCHEME}` to its end")]
    TooLong,
    /// Letters are missing, mistyped or exchanged.
    #[error(
        "this invite was not copied whole or has been altered: copy it again from its beginning to its end, or ask for a new one"
    )]
    Damaged,
    /// A later program wrote it.
    #[error("this invite was made by a newer Meerkat: update this node to read it")]
    Newer,
}

/// The bytes of a signed ticket.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignedTicket(pub ByteBuf);

impl fmt::Debug for SignedTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignedTicket({:?}…)", self.id())
    }
}

/// An invite as its maker keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invite {
    /// What was handed out.
    pub ticket: SignedTicket,
    /// How the inviting home calls who is meant to use it.
    pub name: String,
    /// Who used it.
    pub used: Option<(HomeId, Peer)>,
}

impl Ticket {
    /// The home that invites.
    #[must_use]
    pub fn home(&self) -> HomeId {
        self.genesis.home()
    }

    /// Signs the ticket with the node's statement key.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> SignedTicket {
        let packed = |all: &[String]| all.iter().map(|text| ByteBuf::from(address::pack(text))).collect();
        let Self { genesis, node, peer, secret, vouches, .. } = *self;
        let (at, relays, expires) = (packed(&self.addresses), packed(&self.relays), self.expires.unwrap_or(0));
        let said = if self.chain.0.is_empty() {
            cbor::encode(&Wire(VERSION, genesis, node, peer, at, relays, secret, expires, vouches))
        } else {
            let (v, chain) = (FURTHER_VERSION, self.chain.clone());
            cbor::encode(&FurtherWire(v, genesis, node, peer, at, relays, secret, expires, vouches, chain))
        };
        SignedTicket(ByteBuf::from(signed::sign(SIGN_DOMAIN, said, key)))
    }
}

impl SignedTicket {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> TicketId {
        let hash = blake3::derive_key(ID_DOMAIN, &self.0);
        let mut id = [0; 16];
        id.copy_from_slice(&hash[..16]);
        TicketId(id)
    }

    /// Reads the ticket and checks that the node it names signed it, which its home named.
    ///
    /// # Errors
    /// [`NotATicket`].
    pub fn open(&self) -> Result<Ticket, NotATicket> {
        if self.0.len() > MAX_TICKET_BYTES {
            return Err(NotATicket::TooLong);
        }
        if signed::is_newer(&self.0, FURTHER_VERSION) {
            return Err(NotATicket::Newer);
        }
        let said = signed::said(&self.0).ok_or(NotATicket::Damaged)?;
        let (wire, chain) = read(said).ok_or(NotATicket::Damaged)?;
        let Wire(_, genesis, node, peer, addresses, relays, secret, expires, vouches) = wire;
        let key = chain.key(&genesis, node).ok_or(NotATicket::Damaged)?;
        if !signed::holds(SIGN_DOMAIN, &self.0, &key) {
            return Err(NotATicket::Damaged);
        }
        let expires = (expires != 0).then_some(expires);
        let (addresses, relays) = (
            link::addresses(&addresses, MAX_ADDRESSES).ok_or(NotATicket::Damaged)?,
            link::addresses(&relays, MAX_RELAYS).ok_or(NotATicket::Damaged)?,
        );
        Ok(Ticket { genesis, node, chain, peer, addresses, relays, secret, expires, vouches })
    }
}

/// One form for each: the first version without a chain, the second with one.
fn read(said: &[u8]) -> Option<(Wire, Chain)> {
    if said.get(1) != Some(&FURTHER_VERSION) {
        let first: Wire = cbor::decode_strict(said).ok()?;
        return (first.0 == VERSION).then_some((first, Chain::default()));
    }
    let FurtherWire(v, genesis, node, peer, at, relays, secret, expires, vouches, chain) =
        cbor::decode_strict(said).ok()?;
    let wire = Wire(v, genesis, node, peer, at, relays, secret, expires, vouches);
    (v == FURTHER_VERSION && !chain.0.is_empty()).then_some((wire, chain))
}

impl fmt::Display for SignedTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&link::text(SCHEME, &self.0))
    }
}

impl FromStr for SignedTicket {
    type Err = NotATicket;

    /// In any case, and broken into lines as messengers do. What it says is read by [`SignedTicket::open`].
    fn from_str(text: &str) -> Result<Self, NotATicket> {
        let bytes = link::bytes(SCHEME, text, MAX_TICKET_TEXT_BYTES)?;
        Ok(Self(ByteBuf::from(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn ticket() -> Ticket {
        Ticket {
            genesis: Genesis::new(&key(1).verifying_key()),
            node: NodeNumber(0),
            chain: Chain::default(),
            peer: Peer([2; 32]),
            addresses: vec!["/ip4/192.168.1.7/udp/4787/quic-v1".into(), "/ip4/203.0.113.9/udp/4787/quic-v1".into()],
            relays: vec![],
            secret: Secret([3; 16]),
            expires: Some(1_795_000_000),
            vouches: true,
        }
    }

    #[test]
    fn a_ticket_reads_back_from_text_in_any_case_and_fits_a_code_that_a_camera_reads() {
        let signed = ticket().sign(&key(1));
        let text = signed.to_string();
        assert_eq!((signed.0.len(), text.len()), (178, 293));
        let lines: String =
            text.chars().enumerate().flat_map(|(n, c)| (n % 60 == 59).then_some('\n').into_iter().chain([c])).collect();
        for spelling in [text.clone(), text.to_uppercase(), format!("  {lines}\n")] {
            let read: SignedTicket = spelling.parse().expect("a ticket");
            assert_eq!(read, signed);
            assert_eq!(read.open(), Ok(ticket()));
        }
        assert_eq!(signed.id().to_string().parse(), Ok(signed.id()));
    }

    #[test]
    fn the_largest_fits_its_bound() {
        let longest = format!("/{}", "a".repeat(crate::contact::MAX_ADDRESS_BYTES - 1));
        let largest = Ticket {
            addresses: vec![longest.clone(); MAX_ADDRESSES],
            relays: vec![longest; MAX_RELAYS],
            expires: Some(u64::MAX),
            ..ticket()
        };
        let signed = largest.sign(&key(1));
        assert_eq!((signed.0.len(), signed.to_string().len()), (1_307, 2_100));
        assert!(signed.0.len() <= MAX_TICKET_BYTES && signed.to_string().len() <= MAX_TICKET_TEXT_BYTES);
        assert_eq!(signed.open(), Ok(largest));
    }

    #[test]
    fn a_relay_costs_its_key() {
        let id = address::peer_id(Peer([9; 32]));
        let ticket = Ticket {
            addresses: vec!["/ip4/192.168.1.7/udp/4787/quic-v1".into(), "/ip6/2001:db8::7/udp/4787/quic-v1".into()],
            relays: vec![format!("/ip4/203.0.113.9/udp/4787/quic-v1/p2p/{id}/p2p-circuit")],
            ..ticket()
        };
        let signed = ticket.sign(&key(1));
        assert_eq!((signed.0.len(), signed.to_string().len()), (231, 378));
        assert_eq!(signed.open(), Ok(ticket));
    }

    #[test]
    fn what_is_no_ticket_is_told_by_its_reason() {
        let read = |text: &str| text.parse::<SignedTicket>().and_then(|signed| signed.open());
        let text = ticket().sign(&key(1)).to_string();
        assert_eq!(read("hello"), Err(NotATicket::Scheme));
        assert_eq!(read("meerkat-home-aeaq"), Err(NotATicket::Scheme));
        assert_eq!(read("meerkät:x"), Err(NotATicket::Scheme));
        assert_eq!(read(&text[..text.len() - 8]), Err(NotATicket::Damaged));
        assert_eq!(read(SCHEME), Err(NotATicket::Damaged));
        assert_eq!(read(&format!("{SCHEME}{}", "a".repeat(4_000))), Err(NotATicket::TooLong));
        assert_eq!(ticket().sign(&key(2)).open(), Err(NotATicket::Damaged), "signed by another home");
        let many = Ticket { addresses: vec!["/ip4/1.2.3.4/tcp/1".into(); 5], ..ticket() };
        assert_eq!(many.sign(&key(1)).open(), Err(NotATicket::Damaged));
        let mut newer = ticket().sign(&key(1));
        newer.0[1] = 3;
        assert_eq!(newer.open(), Err(NotATicket::Newer));
        assert_eq!(SignedTicket(ByteBuf::from(vec![0; MAX_TICKET_BYTES + 1])).open(), Err(NotATicket::TooLong));
    }

    #[test]
    fn nothing_of_the_secret_shows_in_a_log() {
        let shown = format!("{:?} {:?}", ticket(), ticket().sign(&key(1)));
        assert!(!shown.contains("3, 3") && !shown.contains("030303"), "{shown}");
    }

    proptest! {
        #[test]
        fn any_text_is_refused(text in "(meerkat:)?[a-z2-7 ]{0,400}|\\PC{0,50}") {
            prop_assert!(text.parse::<SignedTicket>().and_then(|signed| signed.open()).is_err());
        }

        #[test]
        fn a_ticket_with_a_changed_letter_is_refused(at in 8usize..293, to in "[a-z2-7]") {
            let text = ticket().sign(&key(1)).to_string();
            let mut altered = text.clone();
            altered.replace_range(at..=at, &to);
            let read = altered.parse::<SignedTicket>().and_then(|signed| signed.open());
            prop_assert_eq!(read.is_ok(), altered == text);
        }
    }
}
