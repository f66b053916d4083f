//! Multiaddresses in few bytes: in a QR code each byte is paid for. What the short form does not fit is carried as text.

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{contact::is_address, mesh::Peer};

/// What precedes the 32 bytes of an Ed25519 key in a peer id: the identity hash (0x00) of 36 bytes, which are the
/// protobuf of key type 1 and 32 bytes (libp2p's peer-ids specification).
const PEER_ID_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
const CIRCUIT: &str = "/p2p-circuit";
const QUIC: &str = "/quic-v1";

const TEXT: u8 = 0;
const V4: u8 = 1;
const V6: u8 = 2;
/// Set where the address is QUIC's; else it is TCP's.
const UDP: u8 = 4;
/// Set where 32 bytes of a relay's key follow.
const RELAYED: u8 = 8;

/// The peer id as libp2p writes it: in base 58.
#[must_use]
pub fn peer_id(peer: Peer) -> String {
    bs58::encode([&PEER_ID_PREFIX[..], &peer.0].concat()).into_string()
}

/// The peer of an id as libp2p writes it; `None` if it is no Ed25519 key's.
#[must_use]
pub fn peer_of(id: &str) -> Option<Peer> {
    // 38 bytes have at most 53 digits.
    let bytes = (id.len() <= 53).then(|| bs58::decode(id).into_vec().ok()).flatten()?;
    bytes.strip_prefix(&PEER_ID_PREFIX[..])?.try_into().ok().map(Peer)
}

/// The address in few bytes: a byte of what it is, the IP address, the port, the relay's key.
#[must_use]
pub(crate) fn pack(text: &str) -> Vec<u8> {
    match short(text) {
        Some(bytes) if unpack_short(&bytes).as_deref() == Some(text) => bytes,
        _ => [&[TEXT], text.as_bytes()].concat(),
    }
}

/// The address that [`pack`] packed; `None` if it packs nothing so.
pub(crate) fn unpack(bytes: &[u8]) -> Option<String> {
    let text = match bytes.split_first()? {
        (&TEXT, text) => std::str::from_utf8(text).ok()?.to_owned(),
        _ => unpack_short(bytes)?,
    };
    (is_address(&text) && pack(&text) == bytes).then_some(text)
}

fn short(text: &str) -> Option<Vec<u8>> {
    let (direct, relay) = match text.strip_suffix(CIRCUIT) {
        Some(front) => {
            let (direct, id) = front.rsplit_once("/p2p/")?;
            (direct, Some(peer_of(id)?))
        }
        None => (text, None),
    };
    let (rest, udp) = direct.strip_suffix(QUIC).map_or((direct, false), |rest| (rest, true));
    let (host, port) = rest.rsplit_once(if udp { "/udp/" } else { "/tcp/" })?;
    let port: u16 = port.parse().ok()?;
    let (kind, ip) = if let Some(ip) = host.strip_prefix("/ip4/") {
        (V4, ip.parse::<Ipv4Addr>().ok()?.octets().to_vec())
    } else {
        (V6, host.strip_prefix("/ip6/")?.parse::<Ipv6Addr>().ok()?.octets().to_vec())
    };
    let kind = kind | if udp { UDP } else { 0 } | if relay.is_some() { RELAYED } else { 0 };
    let relay = relay.map_or_else(Vec::new, |peer| peer.0.to_vec());
    Some([vec![kind], ip, port.to_be_bytes().to_vec(), relay].concat())
}

fn unpack_short(bytes: &[u8]) -> Option<String> {
    let (&kind, rest) = bytes.split_first()?;
    let (host, rest) = match kind & !(UDP | RELAYED) {
        V4 => {
            let (ip, rest) = rest.split_first_chunk::<4>()?;
            (format!("/ip4/{}", Ipv4Addr::from(*ip)), rest)
        }
        V6 => {
            let (ip, rest) = rest.split_first_chunk::<16>()?;
            (format!("/ip6/{}", Ipv6Addr::from(*ip)), rest)
        }
        _ => return None,
    };
    let (port, rest) = rest.split_first_chunk::<2>()?;
    let port = u16::from_be_bytes(*port);
    let direct = if kind & UDP == 0 { format!("{host}/tcp/{port}") } else { format!("{host}/udp/{port}{QUIC}") };
    if kind & RELAYED == 0 {
        return rest.is_empty().then_some(direct);
    }
    let relay = Peer(rest.try_into().ok()?);
    Some(format!("{direct}/p2p/{}{CIRCUIT}", peer_id(relay)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ID: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

    #[test]
    fn common_addresses_take_few_bytes_and_all_read_back() {
        let relayed = format!("/ip4/203.0.113.9/udp/4787/quic-v1/p2p/{ID}/p2p-circuit");
        for (text, bytes) in [
            ("/ip4/192.168.1.7/tcp/4787", 7),
            ("/ip4/192.168.1.7/udp/4787/quic-v1", 7),
            ("/ip6/2001:db8::7/udp/4787/quic-v1", 19),
            (relayed.as_str(), 39),
            // No short form: a name, a second spelling of a number, something that follows.
            ("/dns4/example.org/tcp/4787", 27),
            ("/ip4/192.168.1.7/tcp/04787", 27),
            ("/ip4/192.168.1.7/tcp/4787/ws", 29),
        ] {
            let packed = pack(text);
            assert_eq!((packed.len(), unpack(&packed).as_deref()), (bytes, Some(text)));
        }
        assert_eq!(peer_of(ID).map(peer_id).as_deref(), Some(ID));
    }

    #[test]
    fn a_second_form_and_what_is_no_address_are_refused() {
        assert_eq!(unpack(b"\0/ip4/1.2.3.4/tcp/1"), None, "it has a shorter one");
        assert_eq!(unpack(b"\0example.org"), None);
        assert_eq!(unpack(&[V4, 1, 2, 3, 4, 0, 1, 9]), None, "something follows");
        assert_eq!(unpack(&[3, 1, 2, 3, 4, 0, 1]), None);
        assert_eq!(unpack(&[]), None);
    }

    proptest! {
        #[test]
        fn whatever_is_unpacked_packs_to_the_same(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            if let Some(text) = unpack(&bytes) {
                prop_assert_eq!(pack(&text), bytes);
            }
        }

        #[test]
        fn any_address_reads_back(text in "/[!-~]{0,159}") {
            let unpacked = unpack(&pack(&text));
            prop_assert_eq!(unpacked.as_deref(), Some(text.as_str()));
        }
    }
}
