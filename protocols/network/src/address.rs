//! Peers and multiaddresses as text.

use std::fmt;

use libp2p::multiaddr::{self, Multiaddr, Protocol};
use libp2p::{PeerId, identity};
use meerkat_protocols::mesh::Peer;

use crate::places::is_relayed;

/// Longer than any address we understand: an IPv6 address with zone and peer id has under 130 characters.
const MAX_TEXT_BYTES: usize = 256;

/// A right one, to show beside a wrong one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Example {
    /// To listen on.
    Listen,
    /// To reach a peer.
    Peer,
}

impl fmt::Display for Example {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Listen => "/ip4/0.0.0.0/udp/4787/quic-v1 or /ip4/0.0.0.0/tcp/4787",
            Self::Peer => {
                "/ip4/192.168.1.20/tcp/4787 or \
                 /ip4/192.168.1.20/udp/4787/quic-v1/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"
            }
        })
    }
}

/// A setting names no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} is not a multiaddress we can use: {why}. A right one is {example}")]
pub struct BadAddress {
    /// As it was given, shortened.
    pub given: String,
    /// What is wrong.
    pub why: &'static str,
    /// What would be right.
    pub example: Example,
}

/// The peer as libp2p writes it, `12D3Koo...`.
#[must_use]
pub fn peer_id_text(peer: Peer) -> String {
    peer_id(peer).map_or_else(|| peer.to_string(), |id| id.to_string())
}

/// The peer that libp2p writes so; `None` if it is none, or not an Ed25519 key.
#[must_use]
pub fn peer_from_text(text: &str) -> Option<Peer> {
    peer_of(&text.parse().ok()?)
}

/// Whether one can listen on it.
///
/// # Errors
/// [`BadAddress`], to be shown as it is.
pub fn check_listen(text: &str) -> Result<(), BadAddress> {
    listen(text).map(drop)
}

/// Whether a peer can be reached at it.
///
/// # Errors
/// [`BadAddress`], to be shown as it is.
pub fn check_peer(text: &str) -> Result<(), BadAddress> {
    peer(text).map(drop)
}

pub(crate) fn listen(text: &str) -> Result<Multiaddr, BadAddress> {
    match parse(text) {
        Ok((address, None)) if is_relayed(&address) => Err("places at relays are taken by the node itself"),
        Ok((_, Some(_))) => Err("one listens as oneself: leave /p2p/... away"),
        Ok((address, None)) => Ok(address),
        Err(why) => Err(why),
    }
    .map_err(|why| bad(text, why, Example::Listen))
}

pub(crate) fn peer(text: &str) -> Result<(Multiaddr, Option<Peer>), BadAddress> {
    parse(text)
        .and_then(|(address, peer)| {
            let nowhere = address.iter().any(|part| match part {
                Protocol::Ip4(ip) => ip.is_unspecified(),
                Protocol::Ip6(ip) => ip.is_unspecified(),
                Protocol::Tcp(port) | Protocol::Udp(port) => port == 0,
                _ => false,
            });
            match (nowhere, peer) {
                (true, _) => Err("nobody can be called at 0.0.0.0, :: or port 0"),
                (false, None) if is_relayed(&address) => Err("after /p2p-circuit the peer is missing: /p2p/..."),
                (false, _) => Ok((address, peer)),
            }
        })
        .map_err(|why| bad(text, why, Example::Peer))
}

/// Those of the addresses at which this peer can be reached.
pub(crate) fn readable(of: Peer, texts: &[String]) -> Vec<Multiaddr> {
    let address = |text: &String| {
        let whole =
            if text.ends_with("/p2p-circuit") { format!("{text}/p2p/{}", peer_id_text(of)) } else { text.clone() };
        peer(&whole).ok().filter(|(_, named)| named.is_none_or(|named| named == of)).map(|(address, _)| address)
    };
    texts.iter().filter_map(address).collect()
}

fn bad(text: &str, why: &'static str, example: Example) -> BadAddress {
    BadAddress { given: text.chars().take(MAX_TEXT_BYTES).collect(), why, example }
}

/// The address without the peer id, and the peer.
fn parse(text: &str) -> Result<(Multiaddr, Option<Peer>), &'static str> {
    if text.len() > MAX_TEXT_BYTES {
        return Err("it is too long");
    }
    if !text.starts_with('/') {
        return Err("it must start with /ip4/ or /ip6/");
    }
    if ["/dns/", "/dns4/", "/dns6/", "/dnsaddr/"].iter().any(|name| text.starts_with(name)) {
        return Err("names are not looked up: give the IP address");
    }
    let whole: Multiaddr = text.parse().map_err(|_| "it cannot be read")?;
    let (address, id) = split(&whole);
    check_shape(&address)?;
    let peer = id.map(|id| peer_of(&id).ok_or("its peer id is not that of an Ed25519 key (12D3Koo...)")).transpose()?;
    Ok((address, peer))
}

fn check_shape(address: &Multiaddr) -> Result<(), &'static str> {
    let mut parts = address.iter();
    match parts.next() {
        Some(Protocol::Ip4(_) | Protocol::Ip6(_)) => {}
        // Tests and simulations.
        Some(Protocol::Memory(_)) if parts.next().is_none() => return Ok(()),
        Some(Protocol::Ip6zone(_)) => return Err("link-local IPv6 addresses with a zone cannot be used"),
        _ => return Err("it must start with /ip4/ or /ip6/"),
    }
    match (parts.next(), parts.next()) {
        (Some(Protocol::Tcp(_)), next) => check_relay(next, &mut parts),
        (Some(Protocol::Udp(_)), Some(Protocol::QuicV1)) => {
            let next = parts.next();
            check_relay(next, &mut parts)
        }
        (Some(Protocol::Udp(_)), None) => Err("/quic-v1 must follow the UDP port"),
        (None, _) => Err("the port is missing: /tcp/4787 or /udp/4787/quic-v1"),
        _ => Err("after the IP address only /tcp/PORT or /udp/PORT/quic-v1 can stand"),
    }
}

/// Nothing, or `/p2p/RELAY/p2p-circuit`.
fn check_relay(first: Option<Protocol<'_>>, rest: &mut multiaddr::Iter<'_>) -> Result<(), &'static str> {
    match (first, rest.next(), rest.next()) {
        (None, ..) => Ok(()),
        (Some(Protocol::P2p(relay)), Some(Protocol::P2pCircuit), None) if peer_of(&relay).is_some() => Ok(()),
        _ => Err("after the IP address only /tcp/PORT or /udp/PORT/quic-v1 can stand, and /p2p/RELAY/p2p-circuit"),
    }
}

/// Splits `/p2p/...` off the end.
pub(crate) fn split(address: &Multiaddr) -> (Multiaddr, Option<PeerId>) {
    let mut rest = address.clone();
    match rest.pop() {
        Some(Protocol::P2p(id)) => (rest, Some(id)),
        _ => (address.clone(), None),
    }
}

/// The peer behind a libp2p id; `None` unless the id is an Ed25519 key itself. Such a key's id holds the whole key
/// (libp2p specs, peer-ids: keys up to 42 bytes are inlined).
pub(crate) fn peer_of(id: &PeerId) -> Option<Peer> {
    // Multihash code 0, "identity": the digest is the protobuf of the key.
    if id.as_ref().code() != 0 {
        return None;
    }
    let key = identity::PublicKey::try_decode_protobuf(id.as_ref().digest()).ok()?;
    Some(Peer(key.try_into_ed25519().ok()?.to_bytes()))
}

/// The libp2p id; `None` if the 32 bytes are no point on the curve.
pub(crate) fn peer_id(peer: Peer) -> Option<PeerId> {
    let key = identity::ed25519::PublicKey::try_from_bytes(&peer.0).ok()?;
    Some(identity::PublicKey::from(key).to_peer_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

    #[test]
    fn right_addresses_pass() {
        for text in ["/ip4/0.0.0.0/tcp/4787", "/ip6/::/udp/4787/quic-v1", "/ip4/127.0.0.1/tcp/0"] {
            assert_eq!(check_listen(text), Ok(()), "{text}");
        }
        for text in ["/ip4/192.168.1.20/tcp/4787", "/ip6/2001:db8::1/udp/4787/quic-v1"] {
            assert_eq!(check_peer(text), Ok(()), "{text}");
            assert_eq!(check_peer(&format!("{text}/p2p/{ID}")), Ok(()), "{text}");
            let relayed = format!("{text}/p2p/{ID}/p2p-circuit");
            assert_eq!(check_peer(&format!("{relayed}/p2p/{ID}")), Ok(()), "{relayed}");
            assert!(check_listen(&relayed).is_err(), "{relayed}");
            let peer = peer_of(&ID.parse().expect("a peer id")).expect("an Ed25519 key");
            assert_eq!(readable(peer, &[relayed.clone(), format!("{relayed}/p2p/{ID}")]).len(), 2);
            assert!(readable(Peer([1; 32]), &[format!("{text}/p2p/{ID}")]).is_empty(), "somebody else's");
        }
    }

    #[test]
    fn wrong_addresses_say_why() {
        let long = format!("/ip4/{}", "1".repeat(300));
        let relayed = format!("/ip4/192.0.2.1/tcp/4787/p2p/{ID}/p2p-circuit");
        let twice = format!("{relayed}/p2p/{ID}/p2p-circuit/p2p/{ID}");
        let cases: [(&str, &str); 13] = [
            (&relayed, "peer is missing"),
            (&twice, "only /tcp/PORT"),
            ("/ip4/192.0.2.1/tcp/4787/p2p-circuit", "only /tcp/PORT"),
            ("192.168.1.20:4787", "must start with"),
            ("/dns4/example.org/tcp/4787", "not looked up"),
            ("/ip4/192.168.1.20", "port is missing"),
            ("/ip4/192.168.1.20/udp/4787", "/quic-v1"),
            ("/ip4/192.168.1.20/tcp/4787/ws", "only /tcp/PORT"),
            ("/ip4/300.1.1.1/tcp/4787", "cannot be read"),
            ("/ip4/0.0.0.0/tcp/4787", "nobody can be called"),
            ("/ip4/10.0.0.1/tcp/0", "nobody can be called"),
            (&long, "too long"),
            ("/ip4/10.0.0.1/tcp/1/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N", "Ed25519"),
        ];
        for (text, why) in cases {
            let error = check_peer(text).expect_err(text);
            assert!(error.to_string().contains(why), "{error}");
            assert!(error.to_string().contains("/ip4/192.168.1.20/tcp/4787"), "{error}");
        }
        assert!(check_listen(&format!("/ip4/0.0.0.0/tcp/1/p2p/{ID}")).is_err());
    }

    #[test]
    fn a_peer_is_its_libp2p_id() {
        let id: PeerId = ID.parse().expect("a peer id");
        let peer = peer_of(&id).expect("an Ed25519 key");
        assert_eq!((peer_id_text(peer).as_str(), peer_from_text(ID)), (ID, Some(peer)));
        assert_eq!(peer_id(peer), Some(id));
    }
}
