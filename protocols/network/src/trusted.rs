//! What the node thinks of peers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meerkat_protocols::mesh::Peer;

/// Nodes of the homes that vouches lead to, as far as they say which they are.
const MAX_PEERS: usize = 4096;

/// The most that trust adds to gossip's score, or takes: it outweighs a connection's age and no invalid message, which
/// costs 100.
const MOST_IN_GOSSIP: i16 = 10;

/// The scores that are not zero, shared by the task and the relay. A lock, because the relay asks from within the
/// library's poll and wants its answer at once: with messages it would keep a copy, and the task would tell it all.
#[derive(Debug, Clone, Default)]
pub(crate) struct Trusted(Arc<Mutex<BTreeMap<Peer, i16>>>);

impl Trusted {
    pub(crate) fn set(&self, peer: Peer, score: i16) {
        let mut scores = self.scores();
        if score == 0 {
            scores.remove(&peer);
        } else {
            // Strangers that were caught at something are as many as they like to be; neighbours are few, and go first.
            if scores.len() >= MAX_PEERS && !scores.contains_key(&peer) {
                let worst = scores.iter().find(|(_, known)| **known < 0).map(|(peer, _)| *peer);
                let Some(worst) = worst.filter(|_| score > 0) else { return };
                scores.remove(&worst);
            }
            scores.insert(peer, score);
        }
    }

    pub(crate) fn of(&self, peer: Peer) -> i16 {
        self.scores().get(&peer).copied().unwrap_or_default()
    }

    /// Whatever panicked while it held the lock had changed one score or none.
    fn scores(&self) -> MutexGuard<'_, BTreeMap<Peer, i16>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn for_gossip(&self, peer: Peer) -> f64 {
        f64::from(self.of(peer).clamp(-MOST_IN_GOSSIP, MOST_IN_GOSSIP))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_bounded_in_number_and_weight() {
        let trusted = Trusted::default();
        let peer = |number: usize| {
            let mut bytes = [0; 32];
            bytes[..8].copy_from_slice(&number.to_be_bytes());
            Peer(bytes)
        };
        for number in 0..2 * MAX_PEERS {
            trusted.set(peer(number), 300);
        }
        let count = trusted.scores().len();
        assert_eq!((count, trusted.of(peer(0)), trusted.of(peer(MAX_PEERS))), (MAX_PEERS, 300, 0));
        assert!((trusted.for_gossip(peer(0)) - 10.0).abs() < f64::EPSILON);
        trusted.set(peer(0), 0);
        trusted.set(peer(MAX_PEERS), -5);
        assert_eq!((trusted.of(peer(0)), trusted.of(peer(MAX_PEERS))), (0, -5));
        trusted.set(peer(MAX_PEERS + 1), -5);
        assert_eq!(trusted.of(peer(MAX_PEERS + 1)), 0, "all room is taken");
        trusted.set(peer(MAX_PEERS + 1), 100);
        let newcomer = (trusted.of(peer(MAX_PEERS + 1)), trusted.of(peer(MAX_PEERS)));
        assert_eq!(newcomer, (100, 0), "a neighbour takes the place of one that was caught");
    }
}
