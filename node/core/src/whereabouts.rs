//! Where this node says it can be found: which of the addresses it listens at are worth telling.

use std::net::{Ipv4Addr, Ipv6Addr};

use meerkat_protocols::contact::{MAX_ADDRESSES, MAX_RELAYS, is_address};

use crate::snapshot::PeerState;

/// Where a node can be called.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    /// The best first.
    pub(crate) addresses: Vec<String>,
    pub(crate) relays: Vec<String>,
}

/// How far an address reaches. The order is that in which addresses are told: who is near finds us by the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Scope {
    Internet,
    Home,
    /// This machine alone; told only because on one machine there is nothing better.
    Machine,
}

impl Whereabouts {
    /// Of the addresses at which the node listens, each with the node's own id at its end.
    pub(crate) fn of(listening: &[String]) -> Self {
        let mut direct = Vec::new();
        let mut relays = Vec::new();
        for text in listening.iter().map(|text| without_own_id(text)).filter(|text| is_address(text)) {
            if text.ends_with("/p2p-circuit") {
                relays.push(text.to_owned());
            } else if let Some(scope) = scope(text) {
                direct.push((scope, !text.ends_with("/quic-v1"), text.to_owned()));
            }
        }
        direct.sort();
        direct.dedup();
        relays.sort();
        relays.dedup();
        relays.truncate(MAX_RELAYS);
        Self { addresses: spread(direct), relays }
    }
}

/// The first four, but of each reach one at least: a node that tells only how the internet finds it is not found by the
/// neighbour in the same house when the internet is gone.
fn spread(direct: Vec<(Scope, bool, String)>) -> Vec<String> {
    let home = direct.iter().position(|(scope, ..)| *scope == Scope::Home);
    let mut kept = direct;
    if let Some(home) = home.filter(|at| *at >= MAX_ADDRESSES) {
        kept.swap(MAX_ADDRESSES - 1, home);
    }
    kept.truncate(MAX_ADDRESSES);
    if kept.iter().any(|(scope, ..)| *scope < Scope::Machine) {
        kept.retain(|(scope, ..)| *scope < Scope::Machine);
    }
    kept.into_iter().map(|(.., text)| text).collect()
}

/// The address without the peer id at its end, if there is one.
pub(crate) fn without_own_id(text: &str) -> &str {
    match text.rsplit_once("/p2p/") {
        Some((front, id)) if !id.contains('/') => front,
        _ => text,
    }
}

/// Whether others than those in this house can use the address: of the node itself, or of the relay before it.
pub(crate) fn is_public(text: &str) -> bool {
    scope(text) == Some(Scope::Internet) && !text.starts_with("/dns")
}

/// `None` for what nobody can call: no IP address, an unspecified one, or IPv6 within one link, which needs a zone.
fn scope(text: &str) -> Option<Scope> {
    let mut parts = text.split('/').skip(1);
    match (parts.next()?, parts.next()?) {
        ("ip4", ip) => scope_v4(ip.parse().ok()?),
        ("ip6", ip) => scope_v6(ip.parse().ok()?),
        (kind, _) if kind.starts_with("dns") => Some(Scope::Internet),
        _ => None,
    }
}

fn scope_v4(ip: Ipv4Addr) -> Option<Scope> {
    let [a, b, ..] = ip.octets();
    if ip.is_unspecified() || ip.is_multicast() || ip.is_broadcast() {
        None
    } else if ip.is_loopback() {
        Some(Scope::Machine)
    } else if ip.is_private() || ip.is_link_local() || (a == 100 && (64..128).contains(&b)) {
        // 100.64.0.0/10 is the shared space of RFC 6598.
        Some(Scope::Home)
    } else {
        Some(Scope::Internet)
    }
}

fn scope_v6(ip: Ipv6Addr) -> Option<Scope> {
    if ip.is_unspecified() || ip.is_multicast() || ip.is_unicast_link_local() {
        None
    } else if ip.is_loopback() {
        Some(Scope::Machine)
    } else if ip.is_unique_local() {
        Some(Scope::Home)
    } else {
        Some(Scope::Internet)
    }
}

impl PeerState {
    /// Whether the peer is on the same network as this node: found there, or calling from an address of it. Who is
    /// reached through a relay is not.
    #[must_use]
    pub fn is_nearby(&self) -> bool {
        use meerkat_protocols::mesh::{Found, Path};
        let local = || scope(&self.address).is_some_and(|scope| scope > Scope::Internet);
        self.path == Path::Direct && (self.found == Found::Nearby || local())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "/p2p/12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";

    fn told(listening: &[&str]) -> Whereabouts {
        Whereabouts::of(&listening.iter().map(|text| format!("{text}{OWN}")).collect::<Vec<_>>())
    }

    #[test]
    fn what_reaches_farthest_comes_first_and_what_nobody_can_call_not_at_all() {
        let all = told(&[
            "/ip4/127.0.0.1/tcp/4787",
            "/ip4/192.168.1.7/tcp/4787",
            "/ip4/192.168.1.7/udp/4787/quic-v1",
            "/ip4/203.0.113.9/udp/4787/quic-v1",
            "/ip6/fe80::1/tcp/4787",
            "/ip4/0.0.0.0/tcp/4787",
            "/memory/7",
        ]);
        let expected =
            ["/ip4/203.0.113.9/udp/4787/quic-v1", "/ip4/192.168.1.7/udp/4787/quic-v1", "/ip4/192.168.1.7/tcp/4787"];
        assert_eq!(all.addresses, expected);
        assert_eq!(told(&["/ip4/127.0.0.1/tcp/4787"]).addresses, ["/ip4/127.0.0.1/tcp/4787"]);
    }

    #[test]
    fn the_house_is_not_crowded_out_and_relays_are_told_apart() {
        let relay = format!("/ip4/203.0.113.9/udp/1/quic-v1{OWN}/p2p-circuit");
        let many: Vec<String> = (1..7).map(|n| format!("/ip4/203.0.113.{n}/tcp/4787")).collect();
        let mut listening: Vec<&str> = many.iter().map(String::as_str).collect();
        listening.extend(["/ip4/10.0.0.7/tcp/4787", &relay, &relay]);
        let all = told(&listening);
        assert_eq!((all.addresses.len(), all.relays), (MAX_ADDRESSES, vec![relay]));
        assert_eq!(all.addresses[3], "/ip4/10.0.0.7/tcp/4787");
    }
}
