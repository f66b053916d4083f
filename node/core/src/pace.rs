//! How often a peer may ask what costs us a signature check.

use std::collections::BTreeMap;

use meerkat_protocols::{mesh::Peer, time::Now};

/// A window of time in which requests are counted.
const WINDOW_MS: u64 = 60_000;
/// Peers that are counted: as many as can be connected, three times over.
const MAX_PEERS: usize = 288;

/// Requests by peer in the last minute.
#[derive(Debug, Default)]
pub(crate) struct Pace(BTreeMap<Peer, (u64, u32)>);

impl Pace {
    /// Counts a request; `false` if the peer has made `most` of them within a minute.
    pub(crate) fn allows(&mut self, now: Now, peer: Peer, most: u32) -> bool {
        if self.0.len() >= MAX_PEERS {
            self.0.retain(|_, (since, _)| now.mono_ms < *since + WINDOW_MS);
        }
        if self.0.len() >= MAX_PEERS && !self.0.contains_key(&peer) {
            return false;
        }
        let (since, count) = self.0.entry(peer).or_insert((now.mono_ms, 0));
        if now.mono_ms >= *since + WINDOW_MS {
            (*since, *count) = (now.mono_ms, 0);
        }
        *count += 1;
        *count <= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_has_its_share_of_each_minute_and_others_theirs() {
        let mut pace = Pace::default();
        let at = |mono_ms| Now { mono_ms, wall: None };
        let (one, other) = (Peer([1; 32]), Peer([2; 32]));
        assert!((0..3).all(|_| pace.allows(at(0), one, 3)));
        assert!(!pace.allows(at(59_999), one, 3));
        assert!(pace.allows(at(0), other, 3));
        assert!(pace.allows(at(60_000), one, 3));
        for n in 0..1_000u32 {
            let mut key = [9; 32];
            key[..4].copy_from_slice(&n.to_be_bytes());
            pace.allows(at(60_001), Peer(key), 3);
        }
        assert!(pace.0.len() <= MAX_PEERS);
    }
}
