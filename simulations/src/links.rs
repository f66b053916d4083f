//! Links: who is connected to whom, and how long what is sent takes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{dice::Dice, scenario::Network};

/// A lost packet is noticed and sent again after this (RFC 6298, 2.4 says a second; Linux and QUIC measure, and take some
/// 200 ms on such links).
const RESEND_US: u64 = 200_000;
/// What TCP or QUIC, Noise and a frame's envelope add to what is sent.
const ENVELOPE_BYTES: u64 = 90;

/// One connection, from when it was made until it breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Connection(pub(crate) u64);

/// The links of a world.
#[derive(Debug)]
pub(crate) struct Links {
    network: Network,
    dice: Dice,
    open: BTreeMap<(usize, usize), (Connection, u64)>,
    of: Vec<BTreeSet<usize>>,
    /// Until when each home's line upwards is busy, in microseconds.
    busy_us: Vec<u64>,
    /// On a connection nothing overtakes what was sent before.
    last_us: BTreeMap<(usize, usize), u64>,
    next: u64,
}

impl Links {
    pub(crate) fn new(homes: usize, network: Network, dice: Dice) -> Self {
        Self {
            network,
            dice,
            open: BTreeMap::new(),
            of: vec![BTreeSet::new(); homes],
            busy_us: vec![0; homes],
            last_us: BTreeMap::new(),
            next: 0,
        }
    }

    /// Makes a connection, unless there is one.
    pub(crate) fn connect(&mut self, a: usize, b: usize) -> Option<Connection> {
        let pair = (a.min(b), a.max(b));
        if a == b || self.open.contains_key(&pair) {
            return None;
        }
        let connection = Connection(self.next);
        self.next += 1;
        let [from, to] = self.network.latency_ms;
        self.open.insert(pair, (connection, self.dice.between(from * 1_000, to * 1_000)));
        self.of[a].insert(b);
        self.of[b].insert(a);
        Some(connection)
    }

    /// Breaks a connection; what is on its way is lost.
    pub(crate) fn cut(&mut self, a: usize, b: usize) -> Option<Connection> {
        let (connection, _) = self.open.remove(&(a.min(b), a.max(b)))?;
        self.of[a].remove(&b);
        self.of[b].remove(&a);
        self.last_us.remove(&(a, b));
        self.last_us.remove(&(b, a));
        Some(connection)
    }

    pub(crate) fn between(&self, a: usize, b: usize) -> Option<Connection> {
        self.open.get(&(a.min(b), a.max(b))).map(|(connection, _)| *connection)
    }

    pub(crate) fn neighbours(&self, of: usize) -> impl Iterator<Item = usize> {
        self.of[of].iter().copied()
    }

    /// When what is sent now arrives, in microseconds; `None` if there is no connection.
    pub(crate) fn arrival(&mut self, now_us: u64, from: usize, to: usize, bytes: usize) -> Option<(u64, Connection)> {
        let (connection, latency_us) = *self.open.get(&(from.min(to), from.max(to)))?;
        let Network { uplink_kbit, jitter, loss, .. } = self.network;
        let on_line_us = (bytes as u64 + ENVELOPE_BYTES) * 8_000 / uplink_kbit.max(1);
        let begins = self.busy_us[from].max(now_us);
        self.busy_us[from] = begins + on_line_us;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "milliseconds"
        )]
        let jitter_us = self.dice.below((latency_us as f64 * jitter) as u64 + 1);
        let mut at = begins + on_line_us + latency_us + jitter_us;
        while self.dice.happens(loss) {
            at += RESEND_US + 2 * latency_us;
        }
        let last = self.last_us.entry((from, to)).or_default();
        *last = at.max(*last + 1);
        Some((*last, connection))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn links(loss: f64) -> Links {
        let network = Network { latency_ms: [10, 50], jitter: 0.2, loss, uplink_kbit: 8_000 };
        Links::new(3, network, Dice::new(1))
    }

    #[test]
    fn what_is_sent_takes_its_time_and_arrives_in_order() {
        let mut links = links(0.3);
        links.connect(0, 1);
        let arrivals: Vec<u64> =
            (0..200).filter_map(|n| links.arrival(n * 1_000, 0, 1, 100)).map(|(at, _)| at).collect();
        assert!(arrivals.len() == 200 && arrivals.is_sorted());
        assert!(arrivals.iter().enumerate().all(|(n, at)| *at >= n as u64 * 1_000 + 10_000));
        assert!(links.arrival(0, 0, 2, 100).is_none());
    }

    #[test]
    fn a_line_carries_so_much_and_no_more() {
        let mut links = links(0.0);
        links.connect(0, 1);
        // A MiB at 8 Mbit/s takes a second.
        let last = (0..16).filter_map(|_| links.arrival(0, 0, 1, 65_536)).last().expect("connected");
        assert!((1_050_000..1_130_000).contains(&last.0), "{}", last.0);
    }

    #[test]
    fn a_connection_ends_and_the_next_is_another() {
        let mut links = links(0.0);
        let first = links.connect(0, 1);
        assert_eq!(links.connect(1, 0), None);
        assert_eq!(links.cut(1, 0), first);
        assert_ne!(links.connect(0, 1), first);
    }
}
