//! The addresses we listen on, as the local network is told of them.

use std::net::IpAddr;

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
