//! The invite of a household as text and QR code: where the inviting node is found and a secret, good for one node and ten
//! minutes. It names no home and holds no key of one, so that what is left of it in a chat says nothing about anybody.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    address, cbor,
    contact::{MAX_ADDRESSES, MAX_RELAYS},
    link::{self, NotALink},
    mesh::Peer,
    ticket::Secret,
};

/// What the text begins with. In capitals all of it is in the alphabet of alphanumeric QR codes (ISO/IEC 18004, 7.4.4).
const SCHEME: &str = "meerkat-household-";
const CHECK_DOMAIN: &str = "meerkat 2026-11 household invite check";
const SECRET_DOMAIN: &str = "meerkat 2026-11 household invite secret";
/// Check bytes: a mistyped invite passes once in 2^32.
const CHECK_BYTES: usize = 4;
const VERSION: u8 = 1;
/// The longest invite: seven addresses as text of 160 bytes, two keys and lengths. With two addresses by IPv4 it has 75.
pub const MAX_HOUSEHOLD_TICKET_BYTES: usize = 1_240;
/// Its text: eight letters for each five bytes, and some white space around.
pub const MAX_HOUSEHOLD_TICKET_TEXT_BYTES: usize = 2_100;

/// An invite of a household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HouseholdTicket {
    /// The inviting node: a connection to any other is none to the inviter.
    pub peer: Peer,
    /// Where it can be called, the best first.
    pub addresses: Vec<String>,
    /// Relays through which it can be called.
    pub relays: Vec<String>,
    /// Proven on use, never sent.
    pub secret: Secret,
}

#[derive(Serialize, Deserialize)]
struct Wire(u8, Peer, Vec<ByteBuf>, Vec<ByteBuf>, Secret);

/// Why a text is no invite of a household.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAHouseholdTicket {
    /// It begins otherwise.
    #[error(
        "this is not an invite of a household: such an invite begins with `{SCHEME}`. The Household page of the other node makes one, or `meerkat household invite` there"
    )]
    Scheme,
    /// More than an invite has.
    #[error("this text is longer than an invite can be: copy only the invite, from `{SCHEME}` to its end")]
    TooLong,
    /// Letters are missing, mistyped or exchanged.
    #[error(
        "this invite was not copied whole or has been altered: copy it again from its beginning to its end, or make a new one"
    )]
    Damaged,
    /// A later program wrote it.
    #[error("this invite was made by a newer Meerkat: update this node first")]
    Newer,
}

impl HouseholdTicket {
    /// The key with which the secret is proven.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        blake3::derive_key(SECRET_DOMAIN, &self.secret.0)
    }

    fn encode(&self) -> Vec<u8> {
        let packed = |all: &[String]| all.iter().map(|text| ByteBuf::from(address::pack(text))).collect();
        let mut bytes =
            cbor::encode(&Wire(VERSION, self.peer, packed(&self.addresses), packed(&self.relays), self.secret));
        let check = blake3::derive_key(CHECK_DOMAIN, &bytes);
        bytes.extend_from_slice(&check[..CHECK_BYTES]);
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Self, NotAHouseholdTicket> {
        if bytes.len() > MAX_HOUSEHOLD_TICKET_BYTES {
            return Err(NotAHouseholdTicket::TooLong);
        }
        let split = bytes.len().checked_sub(CHECK_BYTES).ok_or(NotAHouseholdTicket::Damaged)?;
        let (said, check) = bytes.split_at(split);
        if check != &blake3::derive_key(CHECK_DOMAIN, said)[..CHECK_BYTES] {
            return Err(NotAHouseholdTicket::Damaged);
        }
        if crate::signed::is_newer(said, VERSION) {
            return Err(NotAHouseholdTicket::Newer);
        }
        let Wire(version, peer, addresses, relays, secret) =
            cbor::decode_strict(said).map_err(|_| NotAHouseholdTicket::Damaged)?;
        let (addresses, relays) = (link::addresses(&addresses, MAX_ADDRESSES), link::addresses(&relays, MAX_RELAYS));
        match (version, addresses, relays) {
            (VERSION, Some(addresses), Some(relays)) => Ok(Self { peer, addresses, relays, secret }),
            _ => Err(NotAHouseholdTicket::Damaged),
        }
    }
}

impl From<NotALink> for NotAHouseholdTicket {
    fn from(why: NotALink) -> Self {
        match why {
            NotALink::Scheme => Self::Scheme,
            NotALink::TooLong => Self::TooLong,
            NotALink::Damaged => Self::Damaged,
        }
    }
}

impl fmt::Display for HouseholdTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&link::text(SCHEME, &self.encode()))
    }
}

impl FromStr for HouseholdTicket {
    type Err = NotAHouseholdTicket;

    /// In any case, and broken into lines as messengers do.
    fn from_str(text: &str) -> Result<Self, NotAHouseholdTicket> {
        let bytes = link::bytes(SCHEME, text, MAX_HOUSEHOLD_TICKET_TEXT_BYTES)?;
        Self::decode(&bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ticket() -> HouseholdTicket {
        HouseholdTicket {
            peer: Peer([2; 32]),
            addresses: vec!["/ip4/192.168.1.7/udp/4787/quic-v1".into(), "/ip4/203.0.113.9/udp/4787/quic-v1".into()],
            relays: vec![],
            secret: Secret([3; 16]),
        }
    }

    #[test]
    fn an_invite_reads_back_from_text_in_any_case() {
        let text = ticket().to_string();
        assert_eq!((ticket().encode().len(), text.len()), (75, 138));
        let lines: String =
            text.chars().enumerate().flat_map(|(n, c)| (n % 60 == 59).then_some('\n').into_iter().chain([c])).collect();
        for spelling in [text.clone(), text.to_uppercase(), format!("  {lines}\n")] {
            assert_eq!(spelling.parse(), Ok(ticket()));
        }
        assert!(!format!("{:?}", ticket()).contains("3, 3"), "nothing of the secret shows in a log");
    }

    #[test]
    fn the_largest_fits_its_bound() {
        let longest = format!("/{}", "a".repeat(crate::contact::MAX_ADDRESS_BYTES - 1));
        let (addresses, relays) = (vec![longest.clone(); MAX_ADDRESSES], vec![longest; MAX_RELAYS]);
        let largest = HouseholdTicket { addresses, relays, ..ticket() };
        assert!(largest.encode().len() <= MAX_HOUSEHOLD_TICKET_BYTES);
        let text = largest.to_string();
        assert!(text.len() <= MAX_HOUSEHOLD_TICKET_TEXT_BYTES, "{}", text.len());
        assert_eq!(text.parse(), Ok(largest));
    }

    #[test]
    fn what_is_no_invite_is_told_by_its_reason() {
        let read = |text: &str| text.parse::<HouseholdTicket>();
        let text = ticket().to_string();
        assert_eq!(read("meerkat:aeaq"), Err(NotAHouseholdTicket::Scheme));
        assert_eq!(read("meerkat-home-aeaq"), Err(NotAHouseholdTicket::Scheme));
        assert_eq!(read(SCHEME), Err(NotAHouseholdTicket::Damaged));
        assert_eq!(read(&text[..text.len() - 8]), Err(NotAHouseholdTicket::Damaged));
        assert_eq!(read(&format!("{SCHEME}{}", "a".repeat(3_000))), Err(NotAHouseholdTicket::TooLong));
        let many = HouseholdTicket { addresses: vec!["/ip4/1.2.3.4/tcp/1".into(); 5], ..ticket() };
        assert_eq!(read(&many.to_string()), Err(NotAHouseholdTicket::Damaged));
    }

    proptest! {
        #[test]
        fn any_text_is_refused(text in "(meerkat-household-)?[a-z2-7 ]{0,300}|\\PC{0,50}") {
            prop_assert!(text.parse::<HouseholdTicket>().is_err());
        }

        #[test]
        fn an_invite_with_a_changed_letter_is_refused(at in 18_usize..138, to in "[a-z2-7]") {
            let text = ticket().to_string();
            let mut altered = text.clone();
            altered.replace_range(at..=at, &to);
            prop_assert_eq!(altered.parse::<HouseholdTicket>().is_ok(), altered == text);
        }
    }
}
