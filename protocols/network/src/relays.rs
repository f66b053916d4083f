//! At which peers to reserve a place, so that others reach us through them. Pure: time is an argument.

use std::collections::BTreeMap;

use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Multiaddr;
use meerkat_protocols::mesh::{Found, Peer};
use tokio::time::{Duration, Instant};

/// Places at once: one is lost with its relay, and a card or an invitation names no more.
pub(crate) const MAX_RELAYS: usize = 3;
/// Addresses of one relay that we pass on: IPv4 and IPv6, TCP and QUIC.
const MAX_ADDRESSES: usize = 4;
/// After a refusal, doubling up to the second figure: two that have just met come to trust each other in a moment, and one
/// that has no room may have some later.
const AGAIN: Duration = Duration::from_secs(5);
const AGAIN_AT_LAST: Duration = Duration::from_secs(600);

/// A peer that relays and that we are connected to.
struct Offer {
    address: Multiaddr,
    since: Instant,
    not_before: Option<Instant>,
    refusals: u32,
}

/// A place we asked for.
struct Place {
    listener: ListenerId,
    relay: Peer,
    addresses: Vec<Multiaddr>,
}

/// Offers and places.
#[derive(Default)]
pub(crate) struct Relays {
    offers: BTreeMap<Peer, Offer>,
    places: Vec<Place>,
}

impl Relays {
    /// A peer, to which we are connected at this address, relays.
    pub(crate) fn offered(&mut self, peer: Peer, address: Multiaddr, now: Instant) {
        self.offers.entry(peer).or_insert(Offer { address, since: now, not_before: None, refusals: 0 });
    }

    /// A peer does not relay, or is gone.
    pub(crate) fn withdrawn(&mut self, peer: Peer) {
        self.offers.remove(&peer);
    }

    /// Where to ask for a place next, if we need one more: at whom we trust most, then at whom we know, then at the one that
    /// has been there longest. Not at strangers: they would have no reason, and would see whom we talk to.
    pub(crate) fn next(&self, rank: impl Fn(Peer) -> (i16, Found), now: Instant) -> Option<(Peer, Multiaddr)> {
        if self.places.len() >= MAX_RELAYS {
            return None;
        }
        let fits = |peer: Peer, offer: &Offer| {
            let (trust, found) = rank(peer);
            let known = trust > 0 || trust == 0 && matches!(found, Found::Configured | Found::Remembered);
            let asked = self.places.iter().any(|place| place.relay == peer);
            (known && !asked && offer.not_before.is_none_or(|at| at <= now)).then_some(trust)
        };
        self.offers
            .iter()
            .filter_map(|(peer, offer)| Some((fits(*peer, offer)?, *peer, offer)))
            .max_by_key(|(trust, peer, offer)| (*trust, std::cmp::Reverse((offer.since, *peer))))
            .map(|(_, peer, offer)| (peer, offer.address.clone()))
    }

    /// When a refused one may be asked again.
    pub(crate) fn next_due(&self, now: Instant) -> Option<Instant> {
        self.offers.values().filter_map(|offer| offer.not_before).filter(|at| *at > now).min()
    }

    /// A place was asked for.
    pub(crate) fn asked(&mut self, listener: ListenerId, relay: Peer) {
        self.places.push(Place { listener, relay, addresses: Vec::new() });
    }

    /// It could not be asked for.
    pub(crate) fn refused(&mut self, relay: Peer, now: Instant) {
        if let Some(offer) = self.offers.get_mut(&relay) {
            offer.not_before = Some(now + (AGAIN * (1 << offer.refusals.min(16))).min(AGAIN_AT_LAST));
            offer.refusals = offer.refusals.saturating_add(1);
        }
    }

    /// We can be reached there now. Returns whether that is to be told.
    pub(crate) fn placed(&mut self, listener: ListenerId, address: &Multiaddr) -> bool {
        let Some(place) = self.places.iter_mut().find(|place| place.listener == listener) else { return false };
        let tell = place.addresses.len() < MAX_ADDRESSES
            && !place.addresses.contains(address)
            && crate::paths::relay_of(address) == Some(place.relay);
        if let Some(offer) = self.offers.get_mut(&place.relay) {
            offer.refusals = 0;
        }
        if tell {
            place.addresses.push(address.clone());
        }
        tell
    }

    pub(crate) fn is_place(&self, listener: ListenerId) -> bool {
        self.places.iter().any(|place| place.listener == listener)
    }

    /// A place is lost. Returns the addresses at which we can no longer be reached.
    pub(crate) fn lost(&mut self, listener: ListenerId, now: Instant) -> Vec<Multiaddr> {
        let Some(at) = self.places.iter().position(|place| place.listener == listener) else { return Vec::new() };
        let place = self.places.remove(at);
        self.refused(place.relay, now);
        place.addresses
    }

    /// All places, to give them up.
    pub(crate) fn all(&self) -> Vec<ListenerId> {
        self.places.iter().map(|place| place.listener).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(relay: Peer) -> Multiaddr {
        let id = crate::address::peer_id_text(relay);
        format!("/ip4/203.0.113.7/tcp/4787/p2p/{id}/p2p-circuit").parse().expect("an address")
    }

    fn peer(number: u8) -> Peer {
        let secret = libp2p::identity::Keypair::ed25519_from_bytes([number; 32]).expect("a key");
        crate::address::peer_of(&secret.public().to_peer_id()).expect("an Ed25519 key")
    }

    #[test]
    fn places_are_asked_for_where_trust_is_and_strangers_are_left_out() {
        let (mut relays, now) = (Relays::default(), Instant::now());
        for number in 1..=6 {
            relays.offered(peer(number), address(peer(number)), now + Duration::from_secs(number.into()));
        }
        let rank = |of: Peer| match (1..=6).find(|number| peer(*number) == of) {
            Some(1) => (0, Found::CalledUs),
            Some(2) => (-3, Found::Configured),
            Some(3) => (0, Found::Remembered),
            Some(number) => (i16::from(number), Found::CalledUs),
            None => (0, Found::Nearby),
        };
        let mut asked = Vec::new();
        while let Some((relay, _)) = relays.next(rank, now) {
            relays.asked(ListenerId::next(), relay);
            asked.push(relay);
        }
        assert_eq!(asked, [peer(6), peer(5), peer(4)]);
        let first = relays.all()[0];
        assert!(relays.lost(first, now).is_empty());
        assert_eq!(relays.next(rank, now).map(|(relay, _)| relay), Some(peer(3)), "not the one that refused");
        relays.asked(ListenerId::next(), peer(3));
        relays.lost(relays.all()[2], now);
        assert_eq!((relays.next(rank, now), relays.next_due(now)), (None, Some(now + AGAIN)));
        assert_eq!(relays.next(rank, now + AGAIN).map(|(relay, _)| relay), Some(peer(6)));
    }

    #[test]
    fn a_relay_names_a_few_addresses_of_its_own_and_no_others() {
        let (mut relays, now, listener) = (Relays::default(), Instant::now(), ListenerId::next());
        relays.offered(peer(1), address(peer(1)), now);
        relays.asked(listener, peer(1));
        assert!(relays.placed(listener, &address(peer(1))) && !relays.placed(listener, &address(peer(1))));
        assert!(!relays.placed(listener, &address(peer(2))));
        for port in 1..20 {
            let id = crate::address::peer_id_text(peer(1));
            let other = format!("/ip4/203.0.113.7/tcp/{port}/p2p/{id}/p2p-circuit").parse().expect("an address");
            relays.placed(listener, &other);
        }
        assert_eq!(relays.lost(listener, now).len(), MAX_ADDRESSES);
    }

    #[test]
    fn who_refuses_again_and_again_is_asked_ever_more_rarely() {
        let (mut relays, mut now) = (Relays::default(), Instant::now());
        relays.offered(peer(1), address(peer(1)), now);
        let mut waits = Vec::new();
        for _ in 0..12 {
            relays.refused(peer(1), now);
            let next = relays.next_due(now).expect("asked again");
            waits.push(next.duration_since(now));
            now = next;
        }
        assert_eq!((waits[0], waits[1], waits[11]), (AGAIN, 2 * AGAIN, AGAIN_AT_LAST));
        // A place makes it as good as new.
        relays.asked(ListenerId::next(), peer(1));
        relays.placed(relays.all()[0], &address(peer(1)));
        relays.lost(relays.all()[0], now);
        assert_eq!(relays.next_due(now), Some(now + AGAIN));
    }
}
