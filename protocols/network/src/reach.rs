//! Whether others can call us. Pure.
//!
//! AutoNAT alone does not tell. It calls back from the address that we called, and a router that lets in whom we have
//! spoken to (restricted cone, RFC 3489) passes that: the node would think that it can be called, and relay for others
//! while nobody gets through to it. So one of two things must be added: the address is one of this machine's own, so that
//! no router translates, or somebody came to us there whom we had never called.

use std::collections::{BTreeMap, BTreeSet};

use libp2p::multiaddr::{Multiaddr, Protocol};

/// Addresses at which somebody unknown came, before AutoNAT knew them.
const MAX_ADDRESSES: usize = 64;

/// What speaks for it.
#[derive(Default)]
pub(crate) struct Reach {
    /// The addresses at which AutoNAT reached us, and whether more than that is known.
    confirmed: BTreeMap<Multiaddr, bool>,
    /// The addresses at which somebody came whom we had never called.
    visited: BTreeSet<Multiaddr>,
    failed: bool,
    told: Option<bool>,
}

impl Reach {
    /// AutoNAT reached us there. Returns the addresses that this one has replaced: the provider has given us another.
    pub(crate) fn confirmed(&mut self, address: &Multiaddr, is_own: bool) -> Vec<Multiaddr> {
        let proven = is_own || self.visited.contains(address);
        let old: Vec<Multiaddr> =
            self.confirmed.keys().filter(|old| *old != address && kind(old) == kind(address)).cloned().collect();
        for old in &old {
            self.confirmed.remove(old);
        }
        self.confirmed.insert(address.clone(), proven);
        old
    }

    /// AutoNAT did not reach us at an address.
    pub(crate) fn failed(&mut self) {
        self.failed = true;
    }

    /// Somebody came there whom we had never called.
    pub(crate) fn visited(&mut self, address: &Multiaddr) {
        if let Some(proven) = self.confirmed.get_mut(address) {
            *proven = true;
        }
        if self.visited.len() < MAX_ADDRESSES {
            self.visited.insert(address.clone());
        }
    }

    /// We are there no longer.
    pub(crate) fn lost(&mut self, address: &Multiaddr) {
        self.confirmed.remove(address);
        self.visited.remove(address);
    }

    pub(crate) fn is_public(&self) -> bool {
        self.confirmed.values().any(|proven| *proven)
    }

    /// What is to be told, if it is something new.
    pub(crate) fn news(&mut self) -> Option<bool> {
        let public = self.is_public();
        let known = public || self.failed || !self.confirmed.is_empty() || self.told.is_some();
        (known && self.told != Some(public)).then(|| {
            self.told = Some(public);
            public
        })
    }
}

/// IPv4 or IPv6, TCP or QUIC: of each kind a node has one address towards the internet.
fn kind(address: &Multiaddr) -> Vec<u32> {
    address
        .iter()
        .filter_map(|part| match part {
            Protocol::Ip4(_) => Some(4),
            Protocol::Ip6(_) => Some(6),
            Protocol::Tcp(_) => Some(1),
            Protocol::Udp(_) => Some(2),
            Protocol::QuicV1 => Some(3),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Multiaddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_call_back_is_not_enough_behind_a_router() {
        let (mut reach, at) = (Reach::default(), address("/ip4/203.0.113.7/tcp/4787"));
        assert_eq!(reach.news(), None);
        assert!(reach.confirmed(&at, false).is_empty());
        assert_eq!((reach.is_public(), reach.news()), (false, Some(false)));
        reach.visited(&at);
        assert_eq!((reach.news(), reach.news()), (Some(true), None));
        reach.lost(&at);
        assert_eq!(reach.news(), Some(false));
    }

    #[test]
    fn a_visit_may_come_before_the_call_back() {
        let (mut reach, at) = (Reach::default(), address("/ip4/203.0.113.7/tcp/4787"));
        reach.visited(&at);
        assert_eq!(reach.news(), None);
        reach.confirmed(&at, false);
        assert_eq!(reach.news(), Some(true));
    }

    #[test]
    fn a_new_address_replaces_the_old_one_of_its_kind() {
        let mut reach = Reach::default();
        let old = address("/ip4/203.0.113.7/udp/4787/quic-v1");
        reach.confirmed(&old, true);
        assert!(reach.confirmed(&address("/ip4/203.0.113.7/tcp/4787"), true).is_empty());
        assert!(reach.confirmed(&address("/ip6/2001:db8::1/udp/4787/quic-v1"), true).is_empty());
        assert_eq!(reach.confirmed(&address("/ip4/203.0.113.99/udp/4787/quic-v1"), true), [old]);
        reach.failed();
        assert_eq!(reach.news(), Some(true));
    }
}
