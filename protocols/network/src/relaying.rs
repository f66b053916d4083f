//! Relaying for others (libp2p specs, circuit relay v2): within limits, and for whom we trust.
//!
//! A circuit carries a connection with Noise of its own: the relay sees who speaks with whom, how much and when, and nothing
//! of what is said.

use std::collections::VecDeque;
use std::time::Duration;

use libp2p::PeerId;
use libp2p::relay::{Behaviour, Config, Status};
use tokio::time::Instant;

use crate::address::peer_of;
use crate::settings::RelayFor;
use crate::trusted::Trusted;

/// Places: a street, and a home has a few nodes.
const RESERVATIONS: usize = 64;
const RESERVATIONS_OF_PEER: usize = 2;
const RESERVED_FOR: Duration = Duration::from_secs(3600);
/// Circuits at once. With the two figures below all of them together carry at most 32 x 8 MiB in half an hour: 1.2 Mbit/s,
/// an eighth of what a slow home line sends.
const CIRCUITS: usize = 32;
const CIRCUITS_OF_PEER: usize = 4;
/// A reconciliation is up to 1 MB, half an hour of gossip for a street's homes some 100 kB, a message 16 KiB. The customary
/// 128 KiB would suffice to find a direct way, but two behind symmetric routers never find one.
const CIRCUIT_BYTES: u64 = 8 << 20;
/// Then the peers try anew to reach each other directly.
const CIRCUIT_FOR: Duration = Duration::from_secs(1800);
/// Circuits that strangers may begin: a guest with an invitation reaches who invited him. They lead to holders of places
/// only, whom we trust. In the half hour that a circuit lasts they take at most 8 of the 32.
const STRANGERS: usize = 4;
const STRANGERS_IN: Duration = Duration::from_secs(1200);

pub(crate) fn behaviour(own: PeerId, whom: RelayFor, trusted: &Trusted) -> Behaviour {
    let mut config = Config {
        max_reservations: RESERVATIONS,
        max_reservations_per_peer: RESERVATIONS_OF_PEER,
        reservation_duration: RESERVED_FOR,
        max_circuits: CIRCUITS,
        max_circuits_per_peer: CIRCUITS_OF_PEER,
        max_circuit_duration: CIRCUIT_FOR,
        max_circuit_bytes: CIRCUIT_BYTES,
        ..Config::default()
    };
    if whom != RelayFor::Everybody {
        let ours = trusted.clone();
        config.reservation_rate_limiters.push(Box::new(move |peer, _: &_, _| is_trusted(&ours, &peer)));
        let ours = trusted.clone();
        let mut strangers = Bucket::default();
        config
            .circuit_src_rate_limiters
            .push(Box::new(move |peer, _: &_, _| is_trusted(&ours, &peer) || strangers.take(Instant::now())));
    }
    let mut relay = Behaviour::new(own, config);
    // Not by whether there are external addresses, as it would by itself: a place at another relay is one of those.
    relay.set_status(Some(Status::Disable));
    relay
}

fn is_trusted(trusted: &Trusted, peer: &PeerId) -> bool {
    peer_of(peer).is_some_and(|peer| trusted.of(peer) > 0)
}

/// What strangers have left.
#[derive(Default)]
struct Bucket {
    /// When each of the last ones was taken.
    taken: VecDeque<Instant>,
}

impl Bucket {
    fn take(&mut self, now: Instant) -> bool {
        while self.taken.front().is_some_and(|at| now.duration_since(*at) >= STRANGERS_IN) {
            self.taken.pop_front();
        }
        let free = self.taken.len() < STRANGERS;
        if free {
            self.taken.push_back(now);
        }
        free
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_begin_a_few_circuits() {
        let (mut bucket, start) = (Bucket::default(), Instant::now());
        let taken = |bucket: &mut Bucket, at: Duration| (0..10).filter(|_| bucket.take(start + at)).count();
        assert_eq!(taken(&mut bucket, Duration::ZERO), 4);
        assert_eq!(taken(&mut bucket, STRANGERS_IN / 2), 0);
        assert_eq!(taken(&mut bucket, STRANGERS_IN), 4);
    }
}
