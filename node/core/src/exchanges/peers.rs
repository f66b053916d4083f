//! With whom to compare, and when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use meerkat_protocols::{home::HomeId, mesh::Peer, statement::StatementId};
use meerkat_reconcile::{Declined, Inventory, View};

use super::{ExchangeState, GOSSIP_MS, UnderWay, Unwanted, running::Running};

/// Between two exchanges with a peer when nothing calls for one. At 29 bytes of question and one of answer on a stream of
/// its own, twelve peers cost some 10 bytes a second.
pub(super) const EVERY_MS: u64 = 300_000;
/// After a peer has connected, or something came that others may lack: soon, and not all at once.
pub(super) const SOON_MS: u64 = 2_000;
/// After a failed one, doubling up to the second figure.
const RETRY_MS: (u64, u64) = (250, 600_000);
/// Between the stages of a first meeting: on one network the stream of the last one is closed by then; elsewhere the next
/// attempt finds it so.
const STAGE_MS: u64 = 15;
/// After a peer broke the rules, or where most of what it holds is no evidence here.
const REST_MS: u64 = 3_600_000;
/// Exchanges that one peer may begin in [`EVERY_MS`]: news every five seconds.
const MOST_ASKED: usize = 60;
/// Statements of one peer that are remembered as no evidence here: with all that belongs to them some 5 MB. What is beyond
/// is fetched again each time, so that nothing is missed, but seldom.
const MAX_DECLINED: usize = 32_768;
/// The same over all peers: 20 MB.
const MAX_DECLINED_IN_ALL: usize = 4 * MAX_DECLINED;
/// Peers that are remembered when they are gone, so that what they bring in vain is not fetched again.
const MAX_AWAY: usize = 64;
/// How often the vouches are gone through in a first meeting: each time leads one hop farther (`vouches.rs`).
const VOUCH_ROUNDS: u8 = 5;

/// What an exchange of ours is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Who answers for whom.
    Vouches,
    /// The last days.
    Recent,
    /// All.
    Everything,
}

/// A peer as exchanges see it.
#[derive(Debug, Default)]
pub(super) struct Counterpart {
    connected: bool,
    connected_at_ms: u64,
    due_ms: u64,
    /// How far the first meeting has come; `None` before it.
    stage: Option<Stage>,
    rounds: u8,
    /// What was declined may be wanted now.
    reached: bool,
    failures: u32,
    resting_until_ms: u64,
    /// Statements that came here since both last held the same.
    changes: Option<usize>,
    asked_at_ms: VecDeque<u64>,
    declined: Declined,
    /// More of it was no evidence here than is remembered.
    crowded: bool,
    /// The same by the home that said it, and the home of each.
    of_home: BTreeSet<(HomeId, StatementId)>,
    home_of: BTreeMap<StatementId, HomeId>,
    /// A contact's: it is served first.
    trusted: bool,
    equal_at_ms: Option<u64>,
    brought: usize,
    given: usize,
    bytes: u64,
    failure: Option<&'static str>,
    left: u64,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Peers {
    known: BTreeMap<Peer, Counterpart>,
    nothing: Declined,
    declined: usize,
    departures: u64,
}

impl Peers {
    pub(super) fn connected(&mut self, peer: Peer, now_ms: u64, wait_ms: u64) {
        let counterpart = self.known.entry(peer).or_default();
        counterpart.connected = true;
        counterpart.connected_at_ms = now_ms;
        counterpart.due_ms = (now_ms + wait_ms).max(counterpart.resting_until_ms);
    }

    pub(super) fn disconnected(&mut self, peer: Peer) {
        self.departures += 1;
        if let Some(counterpart) = self.known.get_mut(&peer) {
            counterpart.connected = false;
            counterpart.left = self.departures;
        }
        let away = || self.known.iter().filter(|(_, counterpart)| !counterpart.connected);
        if away().count() > MAX_AWAY
            && let Some(longest) = away().min_by_key(|(_, counterpart)| counterpart.left).map(|(peer, _)| *peer)
        {
            self.known.remove(&longest);
            self.count_declined();
        }
    }

    pub(super) fn connected_ones(&self) -> impl Iterator<Item = (Peer, &Counterpart)> {
        self.known
            .iter()
            .filter(|(_, counterpart)| counterpart.connected)
            .map(|(peer, counterpart)| (*peer, counterpart))
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.connected_ones().map(|(_, counterpart)| counterpart.due_ms).min()
    }

    /// Whose turn it is: of those that are due a contact, else the one that has waited longest.
    pub(super) fn due(&self, now_ms: u64) -> Option<Peer> {
        let waiting = self.connected_ones().filter(|(_, counterpart)| counterpart.due_ms <= now_ms);
        // Strangers may be many, and each may be slow: a contact never waits for them.
        waiting.min_by_key(|(_, counterpart)| (!counterpart.trusted, counterpart.due_ms)).map(|(peer, _)| peer)
    }

    /// Whether the peer is a contact's.
    pub(super) fn trust(&mut self, peer: Peer, trusted: bool) {
        if let Some(counterpart) = self.known.get_mut(&peer) {
            counterpart.trusted = trusted;
        } else if trusted {
            self.known.insert(peer, Counterpart { trusted, ..Counterpart::default() });
        }
    }

    pub(super) fn is_trusted(&self, peer: Peer) -> bool {
        self.known.get(&peer).is_some_and(|counterpart| counterpart.trusted)
    }

    /// What the next exchange of ours with it is about.
    pub(super) fn stage(&mut self, peer: Peer, small: bool) -> Stage {
        let Some(counterpart) = self.known.get_mut(&peer) else { return Stage::Everything };
        *counterpart.stage.get_or_insert(if small { Stage::Vouches } else { Stage::Everything })
    }

    /// How many differences there may be.
    pub(super) fn expected(&self, peer: Peer) -> Option<usize> {
        self.known.get(&peer)?.changes.map(|changes| changes * 2)
    }

    pub(super) fn view<'a>(&'a self, inventory: &'a Inventory, peer: Peer) -> View<'a> {
        View::new(inventory, self.known.get(&peer).map_or(&self.nothing, |counterpart| &counterpart.declined))
    }

    /// Whether an exchange that the peer has begun is answered.
    pub(super) fn may_ask(&mut self, peer: Peer, now_ms: u64) -> bool {
        let Some(counterpart) = self.known.get_mut(&peer) else { return false };
        let asked = &mut counterpart.asked_at_ms;
        asked.retain(|at| *at + EVERY_MS > now_ms);
        if counterpart.resting_until_ms > now_ms || asked.len() >= MOST_ASKED {
            return false;
        }
        asked.push_back(now_ms);
        true
    }

    /// The peer's turn is taken: it comes again when this one has ended.
    pub(super) fn opened(&mut self, peer: Peer) {
        if let Some(counterpart) = self.known.get_mut(&peer) {
            counterpart.due_ms = u64::MAX;
            counterpart.reached = false;
        }
    }

    /// A statement of any origin takes part now.
    pub(super) fn changed(&mut self) {
        for changes in self.known.values_mut().filter_map(|counterpart| counterpart.changes.as_mut()) {
            *changes += 1;
        }
    }

    pub(super) fn another_day(&mut self) {
        for counterpart in self.known.values_mut() {
            counterpart.declined = Declined::new();
            counterpart.of_home.clear();
            counterpart.home_of.clear();
            counterpart.crowded = false;
        }
        self.declined = 0;
    }

    fn count_declined(&mut self) {
        self.declined = self.known.values().map(|counterpart| counterpart.declined.len()).sum();
    }

    /// Remembers what is no evidence here. Says whether there was room for it.
    pub(super) fn decline(&mut self, peer: Peer, unwanted: &[Unwanted]) -> bool {
        let Some(counterpart) = self.known.get_mut(&peer) else { return true };
        for Unwanted { home, set, id } in unwanted {
            if counterpart.declined.len() >= MAX_DECLINED || self.declined >= MAX_DECLINED_IN_ALL {
                counterpart.crowded = true;
                return false;
            }
            if counterpart.declined.insert(*set, id.0) {
                self.declined += 1;
                counterpart.of_home.insert((*home, *id));
                counterpart.home_of.insert(*id, *home);
            }
        }
        true
    }

    /// Vouches lead to these homes now: what was declined of them is asked for again.
    pub(super) fn reached(&mut self, homes: &[HomeId], now_ms: u64) {
        for counterpart in self.known.values_mut() {
            for home in homes {
                let ends = (*home, StatementId([0; 32]))..=(*home, StatementId([u8::MAX; 32]));
                let ids: Vec<StatementId> = counterpart.of_home.range(ends).map(|(_, id)| *id).collect();
                counterpart.reached |= !ids.is_empty();
                ids.iter().for_each(|id| counterpart.take_back(id));
            }
            if counterpart.reached && counterpart.due_ms != u64::MAX {
                counterpart.due_ms = counterpart.due_ms.min(now_ms + SOON_MS).max(counterpart.resting_until_ms);
            }
        }
        self.count_declined();
    }

    /// The peer lacks these: whatever of it was declined, it holds no longer.
    pub(super) fn asked_for(&mut self, peer: Peer, ids: &[[u8; 32]]) {
        if let Some(counterpart) = self.known.get_mut(&peer) {
            let before = counterpart.declined.len();
            ids.iter().for_each(|id| counterpart.take_back(&StatementId(*id)));
            self.declined -= before - counterpart.declined.len();
        }
    }

    /// Both hold the same now, as far as the exchange went.
    pub(super) fn done(&mut self, running: &Running, now_ms: u64, spread_ms: u64) {
        let Some(counterpart) = self.known.get_mut(&running.peer) else { return };
        counterpart.failures = 0;
        counterpart.failure = None;
        counterpart.brought = running.brought;
        counterpart.given = running.given;
        counterpart.bytes = running.bytes;
        let next = running.ours.map_or(Stage::Everything, |stage| counterpart.after(stage));
        if running.ours.is_some() {
            counterpart.stage = Some(next);
        }
        let went_through = running.ours.is_none_or(|stage| stage == Stage::Everything);
        counterpart.due_ms = if !went_through || counterpart.reached {
            now_ms + STAGE_MS
        } else if counterpart.due_ms == u64::MAX
            || running.ours.is_some()
            || counterpart.stage == Some(Stage::Everything)
        {
            // What was too young at the first one was gossiped before we were there to hear it.
            let grown_ms = counterpart.connected_at_ms + GOSSIP_MS + SOON_MS;
            let every_ms = if counterpart.crowded { REST_MS } else { EVERY_MS };
            if now_ms < grown_ms { grown_ms + spread_ms / 64 } else { now_ms + every_ms + spread_ms }
        } else {
            // It asked us, before our own first meeting with it: that is still to come.
            counterpart.due_ms
        };
        if went_through {
            counterpart.equal_at_ms = Some(now_ms);
            counterpart.changes = Some(0);
        }
    }

    /// Other peers may lack what has just come.
    pub(super) fn news_for_others(&mut self, from: Peer, due_ms: u64) {
        let others = self.known.iter_mut().filter(|(peer, _)| **peer != from).map(|(_, counterpart)| counterpart);
        for counterpart in others.filter(|counterpart| counterpart.failures == 0 && counterpart.due_ms != u64::MAX) {
            counterpart.due_ms = counterpart.due_ms.min(due_ms).max(counterpart.resting_until_ms);
        }
    }

    /// An exchange ended before its end.
    pub(super) fn broke_off(&mut self, running: &Running, now_ms: u64, spread: u64, why: &'static str) {
        // What the peer has begun, it begins again.
        if running.ours.is_some() {
            self.failed(running.peer, now_ms, spread, why);
        } else if let Some(counterpart) = self.known.get_mut(&running.peer) {
            counterpart.failure = Some(why);
        }
    }

    /// One of ours could not be had. The spread keeps two that turn each other away from doing so for ever.
    pub(super) fn failed(&mut self, peer: Peer, now_ms: u64, spread: u64, why: &'static str) {
        let Some(counterpart) = self.known.get_mut(&peer) else { return };
        let wait_ms = RETRY_MS.0.saturating_mul(1 << counterpart.failures.min(16)).min(RETRY_MS.1);
        counterpart.failures += 1;
        counterpart.failure = Some(why);
        counterpart.due_ms = now_ms + wait_ms / 2 + spread % wait_ms;
    }

    /// No exchange with this peer for an hour.
    pub(super) fn rest(&mut self, peer: Peer, now_ms: u64, why: &'static str) {
        self.rest_for(REST_MS, peer, now_ms, why);
    }

    /// No exchange with this peer for a while.
    pub(super) fn rest_for(&mut self, ms: u64, peer: Peer, now_ms: u64, why: &'static str) {
        let Some(counterpart) = self.known.get_mut(&peer) else { return };
        counterpart.failure = Some(why);
        counterpart.resting_until_ms = now_ms + ms;
        counterpart.due_ms = counterpart.resting_until_ms;
    }
}

impl Counterpart {
    /// It is no longer declined.
    fn take_back(&mut self, id: &StatementId) {
        if let Some(home) = self.home_of.remove(id) {
            self.of_home.remove(&(home, *id));
            self.declined.remove(&id.0);
        }
    }

    fn after(&mut self, stage: Stage) -> Stage {
        match stage {
            Stage::Vouches if self.reached && self.rounds < VOUCH_ROUNDS => {
                self.rounds += 1;
                Stage::Vouches
            }
            Stage::Vouches => Stage::Recent,
            Stage::Recent | Stage::Everything => Stage::Everything,
        }
    }

    pub(super) fn state(&self, peer: Peer, running: Option<UnderWay>) -> ExchangeState {
        ExchangeState {
            peer,
            running,
            equal_at_ms: self.equal_at_ms,
            brought: self.brought,
            given: self.given,
            bytes: self.bytes,
            failure: self.failure,
            declined: self.declined.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use meerkat_reconcile::SetId;

    fn peer(n: u8) -> Peer {
        Peer([n; 32])
    }

    fn unwanted(from: u32, to: u32) -> Vec<Unwanted> {
        let one = |n: u32| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&n.to_be_bytes());
            let home = HomeId([u8::try_from(n % 200).expect("small"); 16]);
            Unwanted { home, set: SetId { shard: 0, day: 20_000 }, id: StatementId(id) }
        };
        (from..to).map(one).collect()
    }

    #[test]
    fn a_peer_may_ask_as_often_as_there_may_be_news_and_no_more() {
        let mut peers = Peers::default();
        assert!(!peers.may_ask(peer(1), 0), "it is not connected");
        peers.connected(peer(1), 0, 0);
        peers.connected(peer(2), 0, 0);
        let most = u64::try_from(MOST_ASKED).expect("small");
        assert!((0..most).all(|n| peers.may_ask(peer(1), n)));
        assert!(!peers.may_ask(peer(1), most) && peers.may_ask(peer(2), most));
        assert!(peers.may_ask(peer(1), EVERY_MS), "the first one is long ago");
        peers.rest(peer(2), 0, "a fault");
        assert!(!peers.may_ask(peer(2), REST_MS - 1) && peers.may_ask(peer(2), REST_MS));
    }

    #[test]
    fn a_contact_comes_before_strangers_that_have_waited_longer() {
        let mut peers = Peers::default();
        peers.trust(peer(9), true);
        (1..10).for_each(|n| peers.connected(peer(n), u64::from(n), 0));
        assert_eq!(peers.due(100), Some(peer(9)));
        peers.trust(peer(9), false);
        assert_eq!(peers.due(100), Some(peer(1)));
    }

    #[test]
    fn attempts_in_vain_become_rare() {
        let mut peers = Peers::default();
        peers.connected(peer(1), 0, 0);
        let waits = (0..14).map(|_| {
            peers.failed(peer(1), 0, 0, "no");
            peers.next_due().expect("it is connected")
        });
        let waits: Vec<u64> = waits.collect();
        assert_eq!(&waits[..3], [RETRY_MS.0 / 2, RETRY_MS.0, RETRY_MS.0 * 2]);
        assert_eq!(waits.last(), Some(&(RETRY_MS.1 / 2)));
    }

    #[test]
    fn what_is_declined_is_bounded_and_forgotten_with_the_day_or_when_a_vouch_leads_there() {
        let mut peers = Peers::default();
        (1..=5).for_each(|n| peers.connected(peer(n), 0, 0));
        let most = u32::try_from(MAX_DECLINED).expect("small");
        for n in 1..=4 {
            assert!(peers.decline(peer(n), &unwanted(0, most)));
            assert!(peers.decline(peer(n), &[]), "nothing always finds room");
        }
        assert!(!peers.decline(peer(1), &unwanted(most, most + 1)), "its own share is full");
        assert!(!peers.decline(peer(5), &unwanted(0, 1)), "and so is the room of all");
        let ids: Vec<[u8; 32]> = unwanted(0, 100).iter().map(|u| u.id.0).collect();
        peers.asked_for(peer(1), &ids);
        assert_eq!(peers.known[&peer(1)].of_home.len(), MAX_DECLINED - 100, "nothing is left of what is asked for");
        assert!(peers.decline(peer(1), &unwanted(0, 100)), "and there is room again");
        let of_home = unwanted(0, most).iter().filter(|u| u.home == HomeId([7; 16])).count();
        peers.reached(&[HomeId([7; 16])], 0);
        assert_eq!(peers.declined, 4 * (MAX_DECLINED - of_home));
        assert!(peers.decline(peer(5), &unwanted(0, 1)));
        peers.another_day();
        assert_eq!(peers.declined, 0);
        assert!(peers.known.values().all(|counterpart| counterpart.declined.is_empty() && !counterpart.crowded));
    }

    #[test]
    fn of_those_that_are_gone_the_last_are_remembered() {
        let mut peers = Peers::default();
        for n in 0..=u8::try_from(MAX_AWAY).expect("small") {
            peers.connected(peer(n), 0, 0);
            peers.disconnected(peer(n));
        }
        assert_eq!(peers.known.len(), MAX_AWAY);
        assert!(!peers.known.contains_key(&peer(0)) && peers.known.contains_key(&peer(1)));
    }
}
