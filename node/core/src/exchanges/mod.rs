//! Exchanges: what gossip left out is found and fetched, peer by peer.
//!
//! [`Exchanges`] stands beside the engine and is as pure: it holds the ids of the statements that are on disk, decides
//! with whom to compare them and when, and drives one [`Session`] for each exchange under way. The engine tells it by
//! [`Notice`] what is kept and gone, and gets by [`ExchangeNews`] the bodies that came. It has a thread of its own in the
//! daemon, because going through a million ids takes most of a second and a ringing call waits for nothing.
//!
//! `design/reconcile.md` tells how it works and what it costs.

mod peers;
mod running;
mod told;

use std::collections::{BTreeMap, VecDeque};

use meerkat_protocols::{
    mesh::{Ending, ExchangeEvent, ExchangeOrder, ExchangeRef, Peer},
    statement::{Body, Kind, LIFETIME_DAYS, Statement, StatementId},
};
use meerkat_reconcile::{Cut, Inventory, Opening, Scope, SetId};

pub use told::{ExchangeInput, ExchangeNews, ExchangeOutput, ExchangeState, Notice, Taken, UnderWay, Unwanted};

use peers::{Counterpart, Peers, Stage};
use running::{Running, Went};

/// The set of reports, and of what takes them back.
const REPORTS: u8 = 0;
/// The set of vouches, and of what takes them back: a first meeting begins with them, for without them no report of a home
/// farther off may be kept.
const VOUCHES: u8 = 1;
/// What is younger takes no part: gossip still carries it, and it would show as a difference everywhere.
pub(crate) const GOSSIP_MS: u64 = 30_000;
/// Between two pictures of how things are, for those who look.
const TOLD_EVERY_MS: u64 = 500;
/// An inventory this small is that of a node that has just joined, or of a village: the stages of a first meeting cost
/// it nothing.
const SMALL: usize = 4_096;
/// Days that a first meeting brings first: the numbers that call today.
const RECENT_DAYS: u16 = 7;
/// Statements that one exchange may bring in vain, beyond those that are remembered: 10 MB.
const MAX_IN_VAIN: usize = 65_536;
/// How long an exchange with who is no contact may last. There are few places, and contacts need them; what came counts, and
/// the next exchange goes on from there.
const STRANGER_MS: u64 = 120_000;
/// One exchange in so many begins under a salt that nobody can know (`design/reconcile.md`).
const SALTED_ONE_IN: u64 = 16;

/// Where a statement belongs among the sets that are compared.
pub(crate) fn set_of(statement: &Statement) -> SetId {
    // Who speaks for a home comes with who answers for it: both must be here before what it says.
    let vouches = match statement.body {
        Body::Vouch(_) | Body::Delegation(_) => true,
        Body::Retraction { kind, .. } => kind != Kind::Report,
        Body::Report { .. } => false,
    };
    SetId { shard: if vouches { VOUCHES } else { REPORTS }, day: statement.day.0 }
}

/// All exchanges of a node.
#[derive(Debug)]
pub struct Exchanges {
    inventory: Inventory,
    /// Kept, but too young, oldest first.
    fresh: VecDeque<(u64, SetId, StatementId)>,
    peers: Peers,
    running: BTreeMap<ExchangeRef, Running>,
    /// With whom one of ours is being opened.
    opening: Option<(Peer, Stage)>,
    /// No statement older than this day is compared.
    since: u16,
    chance: Chance,
    out: VecDeque<ExchangeOutput>,
    changed: bool,
    told_at_ms: Option<u64>,
}

impl Exchanges {
    /// None yet. The seed is of the system's chance: from it come the salts and the spread of exchanges over time.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            inventory: Inventory::new(),
            fresh: VecDeque::new(),
            peers: Peers::default(),
            running: BTreeMap::new(),
            opening: None,
            since: 0,
            chance: Chance(seed),
            out: VecDeque::new(),
            changed: false,
            told_at_ms: None,
        }
    }

    /// How many ids take part.
    #[must_use]
    pub fn len(&self) -> usize {
        self.inventory.len()
    }

    /// Whether none do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.inventory.is_empty()
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, now_ms: u64, input: ExchangeInput) {
        self.age(now_ms);
        match input {
            ExchangeInput::Notice(notice) => self.notice(now_ms, notice),
            ExchangeInput::Network(event) => self.network(now_ms, event),
            ExchangeInput::Loaded(exchange, bodies) => self.loaded(now_ms, exchange, bodies),
            ExchangeInput::Wake => {}
        }
        self.check(now_ms);
        self.open_next(now_ms);
        self.tell(now_ms);
    }

    /// The next thing to do outside, if any.
    pub fn poll_output(&mut self) -> Option<ExchangeOutput> {
        self.out.pop_front()
    }

    /// When to come back with [`ExchangeInput::Wake`], in milliseconds of the monotonic clock.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<u64> {
        let fresh = self.fresh.front().map(|(due, ..)| *due);
        let strangers = self.running.values().filter(|running| !self.peers.is_trusted(running.peer));
        let ends = strangers.map(|running| running.since_ms + STRANGER_MS);
        let running = self.running.values().filter_map(Running::next_wakeup_ms).chain(ends).min();
        let next = if self.may_open() { self.peers.next_due() } else { None };
        let told = self.changed.then(|| self.told_at_ms.map_or(0, |at| at + TOLD_EVERY_MS));
        [fresh, running, next, told].into_iter().flatten().min()
    }

    fn notice(&mut self, now_ms: u64, notice: Notice) {
        match notice {
            Notice::Kept { set, id, fresh_since_ms } => match fresh_since_ms.map(|since| since + GOSSIP_MS) {
                Some(due) if due > now_ms => self.fresh.push_back((due, set, id)),
                Some(_) | None => self.keep(set, id),
            },
            Notice::Gone(id) => {
                self.fresh.retain(|(_, _, fresh)| *fresh != id);
                self.inventory.remove(&id.0);
            }
            Notice::Connected(peer) => {
                let wait_ms = self.chance.spread(peers::SOON_MS);
                self.peers.connected(peer, now_ms, wait_ms);
                self.changed = true;
            }
            Notice::Disconnected(peer) => {
                self.peers.disconnected(peer);
                self.changed = true;
            }
            Notice::Trusted(peer, trusted) => self.peers.trust(peer, trusted),
            Notice::Day(day) => {
                self.since = day.0.saturating_sub(u16::try_from(LIFETIME_DAYS).unwrap_or(u16::MAX));
                self.peers.another_day();
            }
            Notice::Reached(homes) => self.peers.reached(&homes, now_ms),
            Notice::Taken(taken) => self.taken(now_ms, taken),
        }
    }

    fn keep(&mut self, set: SetId, id: StatementId) {
        if self.inventory.insert(set, id.0) {
            self.peers.changed();
        }
    }

    fn age(&mut self, now_ms: u64) {
        let aged = self.fresh.iter().take_while(|(due, ..)| *due <= now_ms).count();
        let aged: Vec<_> = self.fresh.drain(..aged).collect();
        aged.into_iter().for_each(|(_, set, id)| self.keep(set, id));
    }

    fn taken(&mut self, now_ms: u64, taken: Taken) {
        let Taken { exchange, peer, accepted, forged, declined } = taken;
        let full = !self.peers.decline(peer, &declined);
        let Some(running) = self.running.get_mut(&exchange) else { return };
        running.brought += accepted;
        running.in_vain += if full { declined.len() } else { 0 };
        let (went, in_vain) = (running.taken(now_ms), running.in_vain);
        if forged {
            self.end(exchange);
            self.peers.rest(peer, now_ms, "the peer sent a forged statement");
        } else if in_vain > MAX_IN_VAIN {
            // It may be honest and live in another town.
            self.end(exchange);
            self.peers.rest(peer, now_ms, "most of what this peer holds is no evidence here");
        } else {
            self.went(now_ms, exchange, went);
        }
    }

    fn network(&mut self, now_ms: u64, event: ExchangeEvent) {
        match event {
            ExchangeEvent::Opened { exchange, peer, ours: true } => self.opened(now_ms, exchange, peer),
            ExchangeEvent::Opened { exchange, peer, ours: false } => {
                if !self.is_meeting(peer) && self.peers.may_ask(peer, now_ms) {
                    self.running.insert(exchange, Running::answer(peer, self.since, now_ms));
                    self.changed = true;
                } else {
                    self.put(ExchangeOutput::Order(ExchangeOrder::Close { exchange }));
                }
            }
            ExchangeEvent::NotOpened { peer } => {
                self.opening = None;
                let spread = self.chance.next();
                self.peers.failed(peer, now_ms, spread, "the peer takes no part in exchanges now");
                self.changed = true;
            }
            ExchangeEvent::Frame { exchange, data } => {
                let Some(running) = self.running.get_mut(&exchange) else { return };
                let went = running.frame(self.peers.view(&self.inventory, running.peer), &data, now_ms);
                self.went(now_ms, exchange, went);
            }
            ExchangeEvent::Ended { exchange, ending } => self.ended(now_ms, exchange, ending),
        }
    }

    fn loaded(&mut self, now_ms: u64, exchange: ExchangeRef, bodies: Vec<Vec<u8>>) {
        let Some(running) = self.running.get_mut(&exchange) else { return };
        let went = running.loaded(bodies, now_ms);
        self.went(now_ms, exchange, went);
    }

    /// Whether our first meeting with the peer is at its beginning: what it would bring now, without the vouches before it,
    /// would mostly come in vain. It tries again in a moment.
    fn is_meeting(&self, peer: Peer) -> bool {
        let begins = |stage| matches!(stage, Stage::Vouches | Stage::Recent);
        self.running.values().any(|running| running.peer == peer && running.ours.is_some_and(begins))
    }

    fn may_open(&self) -> bool {
        self.opening.is_none() && !self.running.values().any(|running| running.ours.is_some())
    }

    fn open_next(&mut self, now_ms: u64) {
        if !self.may_open() {
            return;
        }
        let Some(peer) = self.peers.due(now_ms) else { return };
        let small = self.inventory.len() < SMALL;
        self.opening = Some((peer, self.peers.stage(peer, small)));
        self.put(ExchangeOutput::Order(ExchangeOrder::Open { peer }));
    }

    fn opened(&mut self, now_ms: u64, exchange: ExchangeRef, peer: Peer) {
        let Some((_, stage)) = self.opening.take_if(|(with, _)| *with == peer) else {
            return self.put(ExchangeOutput::Order(ExchangeOrder::Close { exchange }));
        };
        let scope = match stage {
            Stage::Vouches => Scope { shard: Some(VOUCHES), since: self.since },
            // No day is known: then none is left out.
            Stage::Recent if self.since > 0 => {
                let expire = u16::try_from(LIFETIME_DAYS).unwrap_or(u16::MAX);
                Scope { shard: None, since: self.since + expire - RECENT_DAYS }
            }
            Stage::Recent | Stage::Everything => Scope { shard: None, since: self.since },
        };
        let salted = self.chance.next().is_multiple_of(SALTED_ONE_IN);
        let opening = Opening {
            scope,
            expected: self.peers.expected(peer),
            salt: salted.then(|| self.chance.next()),
            retry_salt: self.chance.next(),
        };
        let view = self.peers.view(&self.inventory, peer);
        let (running, first) = Running::open(peer, stage, view, opening, now_ms);
        self.running.insert(exchange, running);
        self.peers.opened(peer);
        self.changed = true;
        self.put(ExchangeOutput::Order(ExchangeOrder::Frame { exchange, data: first }));
    }

    /// Does what an exchange wants done.
    fn went(&mut self, now_ms: u64, exchange: ExchangeRef, went: Went) {
        let step = match went {
            Ok(step) => step,
            Err(cut) => return self.cut(now_ms, exchange, cut),
        };
        self.changed = true;
        for data in step.send {
            self.put(ExchangeOutput::Order(ExchangeOrder::Frame { exchange, data }));
        }
        let Some(peer) = self.running.get(&exchange).map(|running| running.peer) else { return };
        if !step.load.is_empty() {
            // What was declined is not here to be given: the peer no longer has it, so it is forgotten.
            self.peers.asked_for(peer, &step.load);
            self.put(ExchangeOutput::Load(exchange, step.load.into_iter().map(StatementId).collect()));
        }
        if !step.came.is_empty() {
            self.put(ExchangeOutput::News(ExchangeNews::Came { exchange, peer, bodies: step.came }));
        }
        if step.done {
            self.done(now_ms, exchange);
        }
    }

    fn done(&mut self, now_ms: u64, exchange: ExchangeRef) {
        let Some(running) = self.end(exchange) else { return };
        let spread_ms = self.chance.spread(peers::EVERY_MS / 4);
        self.peers.done(&running, now_ms, spread_ms);
        if running.brought > 0 {
            let wait_ms = self.chance.spread(peers::SOON_MS);
            self.peers.news_for_others(running.peer, now_ms + wait_ms);
        }
    }

    fn end(&mut self, exchange: ExchangeRef) -> Option<Running> {
        self.changed = true;
        self.put(ExchangeOutput::Order(ExchangeOrder::Close { exchange }));
        self.running.remove(&exchange)
    }

    fn ended(&mut self, now_ms: u64, exchange: ExchangeRef, ending: Ending) {
        let Some(running) = self.running.remove(&exchange) else { return };
        self.changed = true;
        let why = match ending {
            Ending::Closed => "the peer ended the exchange early",
            Ending::Lost => "the connection broke off",
            Ending::Slow => "the peer was too slow",
            Ending::TooLong => "the peer sent more than an exchange may have",
        };
        let spread = self.chance.next();
        self.peers.broke_off(&running, now_ms, spread, why);
    }

    fn cut(&mut self, now_ms: u64, exchange: ExchangeRef, cut: Cut) {
        let Some(running) = self.end(exchange) else { return };
        let spread = self.chance.next();
        match cut {
            Cut::Slow => self.peers.broke_off(&running, now_ms, spread, "the peer was too slow"),
            Cut::Endless => {
                self.peers.broke_off(&running, now_ms, spread, "there was more than one exchange may have");
            }
            // An honest node whose card stalls, or cannot be read, breaks its promise too.
            Cut::BrokenPromise => {
                self.peers.rest_for(peers::EVERY_MS, running.peer, now_ms, "the peer did not send what it offered");
            }
            Cut::Malformed | Cut::OutOfTurn | Cut::Undecodable | Cut::Overclaimed | Cut::Unasked => {
                self.peers.rest(running.peer, now_ms, "the peer does not keep to the rules of exchanges");
                self.put(ExchangeOutput::News(ExchangeNews::Fault(running.peer, cut)));
            }
        }
    }

    fn check(&mut self, now_ms: u64) {
        let late = |running: &Running| {
            let long = now_ms >= running.since_ms + STRANGER_MS && !self.peers.is_trusted(running.peer);
            running.check(now_ms).or_else(|| long.then_some(Cut::Slow))
        };
        let late: Vec<_> = self.running.iter().filter_map(|(e, running)| Some((*e, late(running)?))).collect();
        for (exchange, cut) in late {
            self.cut(now_ms, exchange, cut);
        }
    }

    fn tell(&mut self, now_ms: u64) {
        let due = self.told_at_ms.is_none_or(|at| now_ms >= at + TOLD_EVERY_MS);
        if !self.changed || !due {
            return;
        }
        self.changed = false;
        self.told_at_ms = Some(now_ms);
        let states = self.peers.connected_ones().map(|(peer, counterpart)| self.state(peer, counterpart)).collect();
        self.put(ExchangeOutput::News(ExchangeNews::States(states)));
    }

    fn state(&self, peer: Peer, counterpart: &Counterpart) -> ExchangeState {
        // Of two at once the one that brings more is what people want to see.
        let of_peer = self.running.values().filter(|running| running.peer == peer);
        let running = of_peer.map(Running::under_way).max_by_key(|u| u.came + u.waiting + u.given);
        counterpart.state(peer, running)
    }

    fn put(&mut self, output: ExchangeOutput) {
        self.out.push_back(output);
    }
}

/// Chance from a seed: `splitmix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014). Who knows
/// the seed knows the salts: it never leaves the node.
#[derive(Debug, Clone, Copy)]
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From half of it to one and a half.
    fn spread(&mut self, ms: u64) -> u64 {
        ms / 2 + self.next() % ms.max(1)
    }
}
