//! Houses with links between them: each the pure engine and its exchanges, the links by hand. One millisecond follows the
//! other, and the same seed gives the same run.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_core::{ExchangeInput, ExchangeNews, ExchangeOutput, Exchanges, Input, Restored};
use meerkat_protocols::{
    mesh::{self, Ending, ExchangeEvent, ExchangeOrder, ExchangeRef, Found, Path, Validation},
    statement::{Sealed, StatementId},
    time::{Day, Now},
};

use crate::world::*;

/// One way over a link.
const LATENCY_MS: u64 = 20;

/// What is on its way to a house.
#[derive(Debug)]
enum Parcel {
    Gossip { from: usize, sealed: Sealed },
    Exchange { from: usize, event: ExchangeEvent },
    Met { with: usize },
}

pub(crate) struct House {
    pub(crate) world: World,
    pub(crate) exchanges: Exchanges,
    /// By our name of an exchange: with whom, and by which name there.
    open: BTreeMap<ExchangeRef, (usize, ExchangeRef)>,
}

pub(crate) struct Street {
    pub(crate) houses: Vec<House>,
    pub(crate) now_ms: u64,
    /// Bytes of frames of exchanges.
    pub(crate) bytes: u64,
    pub(crate) faults: usize,
    links: BTreeSet<(usize, usize)>,
    on_the_way: BTreeMap<(u64, u64), (usize, Parcel)>,
    /// When each house wants to be woken.
    wakes: BTreeSet<(u64, usize)>,
    wake_of: Vec<Option<u64>>,
    sent: u64,
    refs: u64,
}

impl Street {
    /// Houses that hold these statements, not linked yet.
    pub(crate) fn new(houses: usize, statements: &[Sealed]) -> Self {
        let house = |n: usize| {
            let number = u16::try_from(n).expect("a street");
            let world = World::started(number, Some(Day(TODAY).begins()), Restored::default(), statements);
            House { world, exchanges: Exchanges::new(n as u64), open: BTreeMap::new() }
        };
        let mut street = Self {
            houses: Vec::new(),
            now_ms: 0,
            bytes: 0,
            faults: 0,
            links: BTreeSet::new(),
            on_the_way: BTreeMap::new(),
            wakes: BTreeSet::new(),
            wake_of: Vec::new(),
            sent: 0,
            refs: 0,
        };
        (0..houses).for_each(|n| street.settles(house(n)));
        street
    }

    /// One more house.
    pub(crate) fn settles(&mut self, house: House) {
        self.houses.push(house);
        self.wake_of.push(None);
        self.settle(self.houses.len() - 1);
    }

    /// A new process in a house.
    pub(crate) fn restart(&mut self, n: usize, world: World) {
        self.houses[n] = House { world, exchanges: Exchanges::new(n as u64), open: BTreeMap::new() };
        self.settle(n);
    }

    pub(crate) fn link(&mut self, one: usize, other: usize) {
        if self.links.insert((one.min(other), one.max(other))) {
            self.send(one, Parcel::Met { with: other });
            self.send(other, Parcel::Met { with: one });
        }
    }

    pub(crate) fn cut(&mut self, one: usize, other: usize) {
        if self.links.remove(&(one.min(other), one.max(other))) {
            for (at, with) in [(one, other), (other, one)] {
                let peer = peer(u16::try_from(with).expect("a street"));
                self.tell(at, mesh::Event::Disconnected { peer });
                let lost: Vec<_> = self.houses[at].open.iter().filter(|(_, (house, _))| *house == with).collect();
                let lost: Vec<ExchangeRef> = lost.into_iter().map(|(exchange, _)| *exchange).collect();
                for exchange in lost {
                    self.houses[at].open.remove(&exchange);
                    self.exchange(at, ExchangeEvent::Ended { exchange, ending: Ending::Lost });
                }
            }
        }
    }

    fn linked(&self, one: usize, other: usize) -> bool {
        self.links.contains(&(one.min(other), one.max(other)))
    }

    fn neighbours(&self, of: usize) -> Vec<usize> {
        (0..self.houses.len()).filter(|other| self.linked(of, *other)).collect()
    }

    fn send(&mut self, to: usize, parcel: Parcel) {
        self.sent += 1;
        self.on_the_way.insert((self.now_ms + LATENCY_MS, self.sent), (to, parcel));
    }

    /// Lets so much time pass.
    pub(crate) fn pass(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        self.pass_until(end, |_| false);
        self.now_ms = end;
    }

    /// Lets time pass up to an instant or until something is so. Says when.
    pub(crate) fn pass_until(&mut self, end_ms: u64, so: impl Fn(&Self) -> bool) -> Option<u64> {
        while let Some((at, who)) = self.next().filter(|(at, _)| *at <= end_ms) {
            self.now_ms = self.now_ms.max(at);
            match who {
                Some(n) => self.wake(n),
                None => self.arrive(),
            }
            if so(self) {
                return Some(self.now_ms);
            }
        }
        None
    }

    /// When the next thing happens, and to which house; `None` is what is on its way.
    fn next(&self) -> Option<(u64, Option<usize>)> {
        let house = self.wakes.first().map(|(at, n)| (*at, Some(*n)));
        let parcel = self.on_the_way.first_key_value().map(|((at, _), _)| (*at, None));
        house.into_iter().chain(parcel).min()
    }

    fn note_wake(&mut self, n: usize) {
        let House { world, exchanges, .. } = &self.houses[n];
        let due = [world.engine.next_wakeup(), exchanges.next_wakeup()].into_iter().flatten().min();
        if let Some(before) = std::mem::replace(&mut self.wake_of[n], due) {
            self.wakes.remove(&(before, n));
        }
        self.wakes.extend(due.map(|at| (at, n)));
    }

    fn clock(&mut self, n: usize) {
        let wall = Day(TODAY).begins() + i64::try_from(self.now_ms / 1_000).expect("in range");
        self.houses[n].world.now = Now { mono_ms: self.now_ms, wall: Some(wall) };
    }

    fn wake(&mut self, n: usize) {
        self.clock(n);
        let house = &mut self.houses[n];
        if house.world.engine.next_wakeup().is_some_and(|at| at <= self.now_ms) {
            house.world.input(Input::Wake);
        }
        if house.exchanges.next_wakeup().is_some_and(|at| at <= self.now_ms) {
            house.exchanges.handle(self.now_ms, ExchangeInput::Wake);
        }
        self.settle(n);
    }

    fn arrive(&mut self) {
        let Some((_, (to, parcel))) = self.on_the_way.pop_first() else { return };
        self.clock(to);
        match parcel {
            Parcel::Gossip { from, sealed } if self.linked(from, to) => {
                let from = u16::try_from(from).expect("a street");
                if self.houses[to].world.hear(from, &sealed) == Some(Validation::Accept) {
                    self.gossip(to, Some(usize::from(from)), &sealed);
                }
            }
            Parcel::Exchange { from, event } if self.linked(from, to) => self.exchange(to, event),
            Parcel::Met { with } if self.linked(with, to) => {
                let peer = peer(u16::try_from(with).expect("a street"));
                let (address, found) = (format!("/memory/{with}"), Found::Configured);
                self.tell(to, mesh::Event::Connected { peer, address, found, path: Path::Direct });
            }
            Parcel::Gossip { .. } | Parcel::Exchange { .. } | Parcel::Met { .. } => {}
        }
        self.settle(to);
    }

    fn gossip(&mut self, at: usize, from: Option<usize>, sealed: &Sealed) {
        for to in self.neighbours(at).into_iter().filter(|to| Some(*to) != from) {
            self.send(to, Parcel::Gossip { from: at, sealed: sealed.clone() });
        }
    }

    fn tell(&mut self, n: usize, event: mesh::Event) {
        self.clock(n);
        self.houses[n].world.input(Input::Network(event));
        self.settle(n);
    }

    fn exchange(&mut self, n: usize, event: ExchangeEvent) {
        if let ExchangeEvent::Ended { exchange, .. } = &event {
            self.houses[n].open.remove(exchange);
        }
        if let ExchangeEvent::Frame { data, .. } = &event {
            self.bytes += data.len() as u64;
        }
        self.houses[n].exchanges.handle(self.now_ms, ExchangeInput::Network(event));
        self.settle(n);
    }

    /// Carries out what a house wants done.
    pub(crate) fn settle(&mut self, n: usize) {
        self.clock(n);
        loop {
            for sealed in std::mem::take(&mut self.houses[n].world.published) {
                self.gossip(n, None, &sealed);
            }
            let house = &mut self.houses[n];
            for notice in std::mem::take(&mut house.world.notices) {
                house.exchanges.handle(self.now_ms, ExchangeInput::Notice(notice));
            }
            let Some(output) = house.exchanges.poll_output() else { return self.note_wake(n) };
            match output {
                ExchangeOutput::Order(order) => self.order(n, order),
                ExchangeOutput::Load(exchange, ids) => {
                    let body = |id: &StatementId| house.world.statements.get(id).map(|s| s.0.to_vec());
                    let bodies = ids.iter().map(|id| body(id).unwrap_or_default()).collect();
                    house.exchanges.handle(self.now_ms, ExchangeInput::Loaded(exchange, bodies));
                }
                ExchangeOutput::News(news) => {
                    self.faults += usize::from(matches!(news, ExchangeNews::Fault(..)));
                    house.world.input(Input::Exchange(news));
                }
            }
        }
    }

    fn order(&mut self, n: usize, order: ExchangeOrder) {
        match order {
            ExchangeOrder::Open { peer: with } => {
                let other = (0..self.houses.len()).find(|m| peer(u16::try_from(*m).expect("a street")) == with);
                let other = other.expect("a house");
                if !self.linked(n, other) {
                    return self.houses[n]
                        .exchanges
                        .handle(self.now_ms, ExchangeInput::Network(ExchangeEvent::NotOpened { peer: with }));
                }
                self.refs += 2;
                let (here, there) = (ExchangeRef(self.refs), ExchangeRef(self.refs + 1));
                self.houses[n].open.insert(here, (other, there));
                self.houses[other].open.insert(there, (n, here));
                let opened = |exchange, who: usize, ours| ExchangeEvent::Opened {
                    exchange,
                    peer: peer(u16::try_from(who).expect("a street")),
                    ours,
                };
                self.send(other, Parcel::Exchange { from: n, event: opened(there, n, false) });
                self.send(n, Parcel::Exchange { from: other, event: opened(here, other, true) });
            }
            ExchangeOrder::Frame { exchange, data } => {
                let Some((other, there)) = self.houses[n].open.get(&exchange).copied() else { return };
                self.send(other, Parcel::Exchange { from: n, event: ExchangeEvent::Frame { exchange: there, data } });
            }
            ExchangeOrder::Close { exchange } => {
                let Some((other, there)) = self.houses[n].open.remove(&exchange) else { return };
                let event = ExchangeEvent::Ended { exchange: there, ending: Ending::Closed };
                self.send(other, Parcel::Exchange { from: n, event });
            }
        }
    }

    /// Whether all houses hold the same statements on disk.
    pub(crate) fn are_equal(&self) -> bool {
        let first = &self.houses[0].world.statements;
        self.houses.iter().all(|house| house.world.statements.len() == first.len())
            && self.houses.iter().all(|house| house.world.statements.keys().eq(first.keys()))
    }
}
