//! The first connection to each peer, to tell a call that crosses ours from the call of a peer that lost everything.

use std::collections::BTreeMap;

use meerkat_protocols::mesh::Peer;
use tokio::time::{Duration, Instant};

/// Calls that cross each other arrive within the time a connection may take to be set up.
const CROSSING: Duration = Duration::from_secs(10);

struct First {
    since: Instant,
    they_called: bool,
    relayed: bool,
}

/// How a connection came about.
#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) they_called: bool,
    pub(crate) relayed: bool,
}

#[derive(Default)]
pub(crate) struct Met(BTreeMap<Peer, First>);

impl Met {
    /// A connection stands. Returns whether the peer must have forgotten the earlier one: nobody calls whom it is
    /// connected to. gossipsub greets a peer on its first connection only, so that one that lost its power and comes
    /// back before its old connection is given up would never hear what we subscribe to, and tell us nothing.
    ///
    /// A direct connection takes the place of a relayed one, and of two that are connected through a relay each calls the
    /// other, to find a direct way: nothing was forgotten.
    pub(crate) fn has_forgotten_us(&mut self, peer: Peer, is_first: bool, call: Call, now: Instant) -> bool {
        let Call { they_called, relayed } = call;
        if is_first || self.0.get(&peer).is_some_and(|first| first.relayed) {
            self.0.insert(peer, First { since: now, they_called, relayed });
            return false;
        }
        let Some(first) = self.0.get(&peer) else { return false };
        they_called && (first.they_called || now.duration_since(first.since) >= CROSSING)
    }

    pub(crate) fn parted(&mut self, peer: Peer) {
        self.0.remove(&peer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer([1; 32]);

    fn call(they_called: bool) -> Call {
        Call { they_called, relayed: false }
    }

    #[test]
    fn calls_may_cross() {
        let (mut met, now) = (Met::default(), Instant::now());
        assert!(!met.has_forgotten_us(PEER, true, call(false), now));
        assert!(!met.has_forgotten_us(PEER, false, call(true), now + CROSSING / 2));
        assert!(met.has_forgotten_us(PEER, false, call(true), now + CROSSING));
        assert!(!met.has_forgotten_us(PEER, false, call(false), now + CROSSING), "our own call");
    }

    #[test]
    fn who_calls_twice_has_forgotten_the_first_call() {
        let (mut met, now) = (Met::default(), Instant::now());
        assert!(!met.has_forgotten_us(PEER, true, call(true), now));
        assert!(!met.has_forgotten_us(PEER, false, call(false), now));
        assert!(met.has_forgotten_us(PEER, false, call(true), now));
        met.parted(PEER);
        assert!(!met.has_forgotten_us(PEER, true, call(true), now));
    }

    #[test]
    fn a_direct_connection_after_a_relayed_one_is_no_forgetting() {
        let (mut met, now) = (Met::default(), Instant::now());
        let relayed = Call { they_called: true, relayed: true };
        assert!(!met.has_forgotten_us(PEER, true, relayed, now));
        assert!(!met.has_forgotten_us(PEER, false, relayed, now + CROSSING));
        assert!(!met.has_forgotten_us(PEER, false, call(true), now + CROSSING));
        assert!(met.has_forgotten_us(PEER, false, relayed, now + CROSSING), "it calls through the relay again");
    }
}
