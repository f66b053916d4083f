//! The addresses we listen on, as the local network is told of them.

use std::net::{IpAddr, Ipv4Addr};

use libp2p::multiaddr::{Multiaddr, Protocol};

use crate::nearby::Reach;

/// One address we listen on.
pub(crate) struct Place {
    pub(crate) ip: IpAddr,
    pub(crate) quic: bool,
    pub(crate) port: u16,
    pub(crate) wildcard: bool,
}

/// What the local network is told: one port, QUIC's if there is one, IPv4's if they differ.
pub(crate) fn reach(places: &[Place]) -> Option<Reach> {
    let outside: Vec<&Place> = places.iter().filter(|place| !place.ip.is_loopback()).collect();
    let best = outside.iter().min_by_key(|place| (!place.quic, place.ip.is_ipv6(), place.port))?;
    let same = outside.iter().filter(|place| (place.quic, place.port) == (best.quic, best.port));
    let ips = if best.wildcard { Vec::new() } else { same.map(|place| place.ip).collect() };
    Some(Reach { quic: best.quic, port: best.port, ips })
}

pub(crate) fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(ip.into()),
        _ => None,
    }
}

pub(crate) fn port_of(address: &Multiaddr) -> Option<u16> {
    match address.iter().nth(1)? {
        Protocol::Tcp(port) | Protocol::Udp(port) => Some(port),
        _ => None,
    }
}

pub(crate) fn is_quic(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::QuicV1)
}

pub(crate) fn is_relayed(address: &Multiaddr) -> bool {
    address.iter().any(|part| part == Protocol::P2pCircuit)
}

/// Whether the address can lead here from another network. Addresses in memory can: tests and simulations.
pub(crate) fn is_public(address: &Multiaddr) -> bool {
    match ip_of(address) {
        Some(IpAddr::V4(ip)) => {
            let is_shared = ip.octets()[0] == 100 && ip.octets()[1] & 0xc0 == 64;
            !(ip.is_private()
                || ip.is_loopback()
                || ip.is_link_local()
                || ip.is_multicast()
                || is_shared
                || ip.octets()[0] == 0
                || ip == Ipv4Addr::BROADCAST)
        }
        // 2000::/3, of which none is given to a local network alone (RFC 4291, 2.4).
        Some(IpAddr::V6(ip)) => ip.segments()[0] & 0xe000 == 0x2000,
        None => matches!(address.iter().next(), Some(Protocol::Memory(_))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_local_networks_are_not_public() {
        for (text, public) in [
            ("/ip4/203.0.113.7/udp/4787/quic-v1", true),
            ("/ip4/100.128.0.1/tcp/4787", true),
            ("/ip6/2001:db8::1/tcp/4787", true),
            ("/memory/7", true),
            ("/ip4/192.168.1.20/tcp/4787", false),
            ("/ip4/10.0.0.1/tcp/4787", false),
            ("/ip4/100.64.0.1/tcp/4787", false),
            ("/ip4/127.0.0.1/tcp/4787", false),
            ("/ip4/169.254.1.1/tcp/4787", false),
            ("/ip4/0.0.0.0/tcp/4787", false),
            ("/ip6/fe80::1/tcp/4787", false),
            ("/ip6/fd00::1/tcp/4787", false),
            ("/ip6/::1/tcp/4787", false),
        ] {
            assert_eq!(is_public(&text.parse().expect("an address")), public, "{text}");
        }
    }
}
