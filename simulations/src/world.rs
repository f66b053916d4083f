//! A world: homes, what is on its way between them, and the order in which it happens.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_core::{ExchangeInput, Input};
use meerkat_protocols::{
    mesh::{self, Ending, ExchangeEvent, ExchangeRef, Found, InboundRef, MessageRef, Path, Peer, RequestRef},
    number::E164,
    statement::{Read, Sealed, StatementId},
};

use crate::{
    dice::Dice,
    house::{House, Want},
    links::{Connection, Links},
    outcome::Spread,
    scenario::Scenario,
    steps::{self, Step},
    streets::Plan,
};

/// To how many neighbours a message is sent at once: gossipsub's mesh as the daemon sets it (design/network.md).
const MESH: usize = 6;
/// How long a message is known by its id (design/network.md).
const SEEN_US: u64 = 120_000_000;
/// A frame of gossip around a statement.
const GOSSIP_BYTES: usize = 16;

/// Something that is going to happen.
pub(crate) enum Happening {
    Step(Step),
    Wake { home: usize, start: u64 },
    Input { home: usize, start: u64, input: Box<Input> },
    Written { home: usize, start: u64 },
    Met { home: usize, with: usize, connection: Connection, called: bool },
    Gossip { to: usize, from: usize, connection: Connection, sealed: Sealed },
    Exchange { to: usize, from: usize, connection: Connection, event: ExchangeEvent },
    Asked { to: usize, from: usize, connection: Connection, request: RequestRef, data: Vec<u8> },
    Answered { to: usize, from: usize, connection: Connection, request: RequestRef, data: Vec<u8> },
}

impl Happening {
    /// What the trace keeps of it: its kind, where, and how much.
    fn mark(&self) -> (u8, usize, usize) {
        match self {
            Self::Step(_) => (0, 0, 0),
            Self::Wake { home, .. } => (1, *home, 0),
            Self::Input { home, .. } => (2, *home, 0),
            Self::Written { home, .. } => (3, *home, 0),
            Self::Met { home, with, .. } => (4, *home, *with),
            Self::Gossip { to, sealed, .. } => (5, *to, sealed.0.len()),
            Self::Exchange { to, event: ExchangeEvent::Frame { data, .. }, .. } => (6, *to, data.len()),
            Self::Exchange { to, .. } => (7, *to, 0),
            Self::Asked { to, data, .. } => (8, *to, data.len()),
            Self::Answered { to, data, .. } => (9, *to, data.len()),
        }
    }
}

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) happenings: u64,
    pub(crate) gossip_sent: u64,
    pub(crate) gossip_bytes: u64,
    pub(crate) exchange_bytes: u64,
    pub(crate) direct_bytes: u64,
}

/// A world.
pub struct World {
    pub(crate) scenario: Scenario,
    pub(crate) houses: Vec<House>,
    pub(crate) now_us: u64,
    pub(crate) counts: Counts,
    pub(crate) spreads: BTreeMap<StatementId, Spread>,
    pub(crate) links: Links,
    /// Whom each home calls, by both.
    acquaintances: Vec<BTreeSet<usize>>,
    /// The homes on one side of each cut that is in force.
    pub(crate) cuts: BTreeMap<usize, BTreeSet<usize>>,
    /// On which side of the last cut each home was; not in it: on the larger.
    pub(crate) sides: BTreeMap<usize, usize>,
    mesh: Vec<BTreeSet<usize>>,
    seen: Vec<BTreeMap<StatementId, u64>>,
    queue: BTreeMap<(u64, u64), Happening>,
    sent: u64,
    names: u64,
    pub(crate) asked: BTreeMap<InboundRef, (usize, RequestRef)>,
    pub(crate) open_requests: BTreeMap<(usize, RequestRef), usize>,
    trace: blake3::Hasher,
    commits: Dice,
}

impl World {
    /// The world of a scenario, at its beginning.
    #[must_use]
    pub fn new(scenario: Scenario, seed: u64) -> Self {
        let dice = Dice::new(seed);
        let plan = Plan::draw(&scenario.street, &dice);
        let homes = scenario.street.homes;
        let house = |(n, keys): (usize, _)| House::new(keys, dice.apart(1_000 + n as u64), &plan.vouches);
        let houses = plan.keys.into_iter().enumerate().map(house).collect();
        let mut acquaintances = vec![BTreeSet::new(); homes];
        for (a, b) in plan.calls {
            acquaintances[a].insert(b);
            acquaintances[b].insert(a);
        }
        let mut world = Self {
            links: Links::new(homes, scenario.network, dice.apart(4)),
            houses,
            now_us: 0,
            counts: Counts::default(),
            spreads: BTreeMap::new(),
            acquaintances,
            cuts: BTreeMap::new(),
            sides: BTreeMap::new(),
            mesh: vec![BTreeSet::new(); homes],
            seen: vec![BTreeMap::new(); homes],
            queue: BTreeMap::new(),
            sent: 0,
            names: 0,
            asked: BTreeMap::new(),
            open_requests: BTreeMap::new(),
            trace: blake3::Hasher::new(),
            commits: dice.apart(5),
            scenario,
        };
        for (at_us, step) in steps::of(&world.scenario, &dice) {
            world.happens(at_us, Happening::Step(step));
        }
        for home in 0..homes {
            world.start(home);
        }
        world
    }

    /// Lets the world live to its end. `progress` is told the share of it that is over.
    pub fn run(&mut self, mut progress: impl FnMut(f64)) {
        let end_us = self.scenario.lasts.us();
        let mut told = 0;
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > end_us {
                break;
            }
            self.now_us = at;
            self.counts.happenings += 1;
            self.note(at, &happening);
            self.take(happening);
            if at * 100 / end_us.max(1) > told {
                told = at * 100 / end_us.max(1);
                #[expect(clippy::cast_precision_loss, reason = "a share from 0 to 100")]
                progress(told as f64 / 100.0);
            }
        }
        self.now_us = end_us;
    }

    /// The hash over all that happened so far.
    #[must_use]
    pub fn trace_hash(&self) -> String {
        self.trace.finalize().to_hex()[..32].to_owned()
    }

    fn note(&mut self, at: u64, happening: &Happening) {
        let (kind, home, more) = happening.mark();
        self.trace.update(&at.to_be_bytes()).update(&[kind]);
        self.trace.update(&(home as u64).to_be_bytes()).update(&(more as u64).to_be_bytes());
    }

    pub(crate) fn happens(&mut self, at_us: u64, happening: Happening) {
        self.sent += 1;
        self.queue.insert((at_us, self.sent), happening);
    }

    fn is_current(&self, home: usize, start: u64) -> bool {
        self.houses[home].run.is_some() && self.houses[home].starts == start
    }

    fn take(&mut self, happening: Happening) {
        match happening {
            Happening::Step(step) => self.step(step),
            Happening::Wake { home, start } if self.is_current(home, start) => {
                if let Some(run) = &mut self.houses[home].run {
                    run.wake_us = None;
                }
                self.houses[home].wake(self.now_us);
                self.settle(home);
            }
            Happening::Input { home, start, input } if self.is_current(home, start) => {
                self.houses[home].input(self.now_us, *input);
                self.settle(home);
            }
            Happening::Written { home, start } if self.is_current(home, start) => self.written(home),
            Happening::Met { home, with, connection, called } if self.stands(home, with, connection) => {
                self.met(home, with, called);
            }
            Happening::Gossip { to, from, connection, sealed } if self.stands(to, from, connection) => {
                self.gossip_came(to, from, sealed);
            }
            Happening::Exchange { to, from, connection, event } if self.stands(to, from, connection) => {
                if let ExchangeEvent::Ended { exchange, .. } = &event
                    && let Some(run) = &mut self.houses[to].run
                {
                    run.open.remove(exchange);
                }
                self.houses[to].exchange(self.now_us, ExchangeInput::Network(event));
                self.settle(to);
            }
            Happening::Asked { to, from, connection, request, data } if self.stands(to, from, connection) => {
                let inbound = InboundRef(self.name());
                self.asked.insert(inbound, (from, request));
                self.tell(to, mesh::Event::Request { from: self.peer(from), inbound, data });
            }
            Happening::Answered { to, from, connection, request, data }
                if self.stands(to, from, connection) && self.open_requests.remove(&(to, request)).is_some() =>
            {
                self.tell(to, mesh::Event::Response { request, data });
            }
            _ => {}
        }
    }

    fn stands(&self, a: usize, b: usize, connection: Connection) -> bool {
        self.links.between(a, b) == Some(connection)
    }

    pub(crate) fn peer(&self, home: usize) -> Peer {
        self.houses[home].keys.peer
    }

    pub(crate) fn home_of(&self, peer: Peer) -> Option<usize> {
        let number = u64::from_be_bytes(*peer.0.first_chunk()?);
        usize::try_from(number).ok().filter(|home| *home < self.houses.len())
    }

    pub(crate) fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    fn tell(&mut self, home: usize, event: mesh::Event) {
        self.houses[home].input(self.now_us, Input::Network(event));
        self.settle(home);
    }

    /// Starts a node and connects it with those it calls and who call it.
    pub(crate) fn start(&mut self, home: usize) {
        self.houses[home].start(self.now_us);
        self.seen[home].clear();
        self.settle(home);
        self.connect(home);
    }

    /// Ends a node; its connections break.
    pub(crate) fn stop(&mut self, home: usize, power_cut: bool) {
        self.houses[home].stop(power_cut);
        let others: Vec<usize> = self.links.neighbours(home).collect();
        others.into_iter().for_each(|other| self.cut(home, other));
    }

    /// Connects a home with all that it may be connected with.
    pub(crate) fn connect(&mut self, home: usize) {
        let others: Vec<usize> = self.acquaintances[home].iter().copied().collect();
        for other in others {
            let apart = self.cuts.values().any(|side| side.contains(&home) != side.contains(&other));
            if apart || self.houses[home].run.is_none() || self.houses[other].run.is_none() {
                continue;
            }
            let Some(connection) = self.links.connect(home, other) else { continue };
            for (at, with, called) in [(home, other, false), (other, home, true)] {
                if let Some((arrives, _)) = self.links.arrival(self.now_us, with, at, 200) {
                    self.happens(arrives, Happening::Met { home: at, with, connection, called });
                }
            }
        }
    }

    /// Breaks a connection.
    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        if self.links.cut(a, b).is_none() {
            return;
        }
        for (at, with) in [(a, b), (b, a)] {
            self.mesh[at].remove(&with);
            let peer = self.peer(with);
            let Some(run) = &mut self.houses[at].run else { continue };
            let lost: Vec<ExchangeRef> =
                run.open.iter().filter(|(_, (other, _))| *other == with).map(|(exchange, _)| *exchange).collect();
            run.open.retain(|_, (other, _)| *other != with);
            for exchange in lost {
                let event = ExchangeEvent::Ended { exchange, ending: Ending::Lost };
                self.houses[at].exchange(self.now_us, ExchangeInput::Network(event));
            }
            let unanswered: Vec<RequestRef> = self
                .open_requests
                .range((at, RequestRef(0))..=(at, RequestRef(u64::MAX)))
                .filter(|(_, to)| **to == with)
                .map(|((_, request), _)| *request)
                .collect();
            for request in unanswered {
                self.open_requests.remove(&(at, request));
                self.houses[at].input(self.now_us, Input::Network(mesh::Event::Unanswered { request }));
            }
            self.tell(at, mesh::Event::Disconnected { peer });
        }
    }

    fn met(&mut self, home: usize, with: usize, called: bool) {
        if self.mesh[home].len() < MESH && self.mesh[with].len() < MESH {
            self.mesh[home].insert(with);
            self.mesh[with].insert(home);
        }
        let found = if called { Found::CalledUs } else { Found::Configured };
        let (peer, address) = (self.peer(with), format!("/memory/{with}"));
        self.tell(home, mesh::Event::Connected { peer, address, found, path: Path::Direct });
    }

    fn written(&mut self, home: usize) {
        let batch = self.houses[home].run.as_ref().and_then(|run| run.writing.as_ref());
        let ids: Vec<StatementId> = batch.into_iter().flat_map(|batch| &batch.writes).filter_map(kept).collect();
        ids.into_iter().for_each(|id| self.learns(home, id));
        self.houses[home].written(self.now_us);
        self.settle(home);
    }

    /// A home counts a report from the moment at which it accepts it; what an exchange brought is noticed on its disk.
    fn learns(&mut self, home: usize, id: StatementId) {
        if let Some(spread) = self.spreads.get_mut(&id) {
            spread.known_us.entry(home).or_insert(self.now_us);
        }
    }

    fn gossip_came(&mut self, to: usize, from: usize, sealed: Sealed) {
        let (id, now_us) = (sealed.id(), self.now_us);
        let seen = &mut self.seen[to];
        if seen.get(&id).is_some_and(|until| *until > now_us) {
            return;
        }
        if seen.len() > 10_000 {
            seen.retain(|_, until| *until > now_us);
        }
        seen.insert(id, now_us + SEEN_US);
        let message = MessageRef(self.name());
        let data = sealed.0.to_vec();
        if let Some(run) = &mut self.houses[to].run {
            run.judged.insert(message, (from, sealed));
        }
        let from = self.peer(from);
        self.tell(to, mesh::Event::Gossip { message, from, data });
    }

    fn gossip(&mut self, at: usize, from: Option<usize>, sealed: &Sealed) {
        self.seen[at].insert(sealed.id(), self.now_us + SEEN_US);
        let to: Vec<usize> = self.mesh[at].iter().copied().filter(|to| Some(*to) != from).collect();
        for to in to {
            let bytes = sealed.0.len() + GOSSIP_BYTES;
            self.counts.gossip_sent += 1;
            self.counts.gossip_bytes += bytes as u64;
            if let Some((arrives, connection)) = self.links.arrival(self.now_us, at, to, bytes) {
                self.happens(arrives, Happening::Gossip { to, from: at, connection, sealed: sealed.clone() });
            }
        }
    }

    /// Does what a home wants, until it wants nothing, and notes when it is to be woken.
    pub(crate) fn settle(&mut self, home: usize) {
        loop {
            let wants = self.houses[home].drain(self.now_us);
            if wants.is_empty() {
                break;
            }
            for want in wants {
                self.want(home, want);
            }
        }
        let (due, start) = (self.houses[home].due_us(), self.houses[home].starts);
        let Some(run) = &mut self.houses[home].run else { return };
        if let Some(due) = due.map(|due| due.max(self.now_us))
            && run.wake_us.is_none_or(|at| at > due)
        {
            run.wake_us = Some(due);
            self.happens(due, Happening::Wake { home, start });
        }
    }

    fn want(&mut self, home: usize, want: Want) {
        let start = self.houses[home].starts;
        match want {
            Want::Done(after_us, input) => {
                self.happens(self.now_us + after_us, Happening::Input { home, start, input });
            }
            Want::Commit => {
                let [least, most] = self.scenario.disk.commit_ms;
                let takes = self.commits.between(least * 1_000, most * 1_000);
                self.happens(self.now_us + takes, Happening::Written { home, start });
            }
            Want::Publish(sealed) => {
                if number_of(&sealed).is_some() {
                    // What an exchange brought is published again by who got it.
                    let made_us = self.now_us;
                    self.spreads.entry(sealed.id()).or_insert(Spread { made_us, known_us: BTreeMap::new() });
                    self.learns(home, sealed.id());
                }
                self.gossip(home, None, &sealed);
            }
            Want::PassOn(message) => {
                let judged = self.houses[home].run.as_mut().and_then(|run| run.judged.remove(&message));
                if let Some((from, sealed)) = judged {
                    self.learns(home, sealed.id());
                    self.gossip(home, Some(from), &sealed);
                }
            }
            Want::Exchange(order) => self.order(home, order),
            Want::Direct(order) => self.direct(home, order),
            Want::Reported(number) => drop(self.houses[home].acknowledged.insert(number)),
        }
    }
}

/// The id of a statement that a write keeps.
fn kept(write: &meerkat_protocols::batch::Write) -> Option<StatementId> {
    match write {
        meerkat_protocols::batch::Write::Statement(id, _) => Some(*id),
        _ => None,
    }
}

/// The number that a report is about.
pub(crate) fn number_of(sealed: &Sealed) -> Option<E164> {
    match sealed.read() {
        Ok(Read::Statement(statement)) => match statement.body {
            meerkat_protocols::statement::Body::Report { number, .. } => Some(number),
            _ => None,
        },
        _ => None,
    }
}
