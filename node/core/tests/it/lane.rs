//! A lane of worlds: requests, answers and calls between them are carried as a network would.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_core::Input;
use meerkat_protocols::mesh::{Event, Found, InboundRef, Order, Path, Peer, RequestRef};

use crate::world::*;

/// Nodes of homes 0, 1, 2, …, each at `/ip4/10.0.0.N/tcp/4787`.
pub(crate) struct Lane {
    pub(crate) worlds: Vec<World>,
    /// Who is connected, the lower number first.
    links: BTreeSet<(u16, u16)>,
    /// Who asked what is not answered yet.
    asked: BTreeMap<InboundRef, (u16, u16, RequestRef)>,
    /// All requests that were carried: from, to, bytes.
    pub(crate) carried: Vec<(u16, u16, Vec<u8>)>,
    /// Whom each was told to call, and where.
    pub(crate) called: Vec<(u16, Peer, Vec<String>)>,
    /// Whether who is called can be reached.
    pub(crate) reachable: bool,
}

impl Lane {
    pub(crate) fn new(homes: u16) -> Self {
        let worlds = (0..homes).map(World::new).collect();
        Self::of(worlds)
    }

    pub(crate) fn of(worlds: Vec<World>) -> Self {
        let (links, asked) = (BTreeSet::new(), BTreeMap::new());
        let mut street = Self { worlds, links, asked, carried: Vec::new(), called: Vec::new(), reachable: true };
        for (n, world) in (0u16..).zip(&mut street.worlds) {
            world.input(Input::Network(Event::Listening { address: format!("{}/p2p/12D3own", address(n)) }));
        }
        street.run();
        street
    }

    pub(crate) fn at(&mut self, n: u16) -> &mut World {
        &mut self.worlds[usize::from(n)]
    }

    fn linked(&self, one: u16, other: u16) -> bool {
        self.links.contains(&(one.min(other), one.max(other)))
    }

    /// The first calls the second, whom it found so.
    pub(crate) fn connect(&mut self, caller: u16, callee: u16, found: Found) {
        if !self.links.insert((caller.min(callee), caller.max(callee))) {
            return;
        }
        for (n, other, found) in [(callee, caller, Found::CalledUs), (caller, callee, found)] {
            let (peer, address) = (peer(other), address(other));
            self.at(n).input(Input::Network(Event::Connected { peer, address, found, path: Path::Direct }));
        }
        self.run();
    }

    pub(crate) fn part(&mut self, one: u16, other: u16) {
        if self.links.remove(&(one.min(other), one.max(other))) {
            self.at(one).input(Input::Network(Event::Disconnected { peer: peer(other) }));
            self.at(other).input(Input::Network(Event::Disconnected { peer: peer(one) }));
            self.run();
        }
    }

    /// Lets time pass everywhere, in steps of a second at most so that answers come in time.
    pub(crate) fn pass(&mut self, ms: u64) {
        let mut left = ms;
        while left > 0 {
            let step = left.min(1_000);
            self.worlds.iter_mut().for_each(|world| world.pass(step));
            self.run();
            left -= step;
        }
    }

    /// Carries everything that is said until nobody says more.
    pub(crate) fn run(&mut self) {
        loop {
            let mut orders = Vec::new();
            for (n, world) in (0u16..).zip(&mut self.worlds) {
                orders.extend(std::mem::take(&mut world.orders).into_iter().map(|order| (n, order)));
            }
            if orders.is_empty() {
                return;
            }
            orders.into_iter().for_each(|(from, order)| self.carry(from, order));
        }
    }

    fn carry(&mut self, from: u16, order: Order) {
        match order {
            Order::Request { request, peer, data } => {
                let to = self.number_of(peer).filter(|to| self.linked(from, *to));
                match to {
                    Some(to) => self.request(from, to, request, data),
                    None => self.at(from).input(Input::Network(Event::Unanswered { request })),
                }
            }
            Order::Respond { inbound, data } => {
                let (asker, answerer, request) = self.asked.remove(&inbound).expect("asked once, answered once");
                assert_eq!(answerer, from);
                self.at(asker).input(Input::Network(Event::Response { request, data }));
            }
            Order::Dial { peer, addresses } => {
                self.called.push((from, peer, addresses.clone()));
                let to = self.number_of(peer).filter(|_| self.reachable);
                if let Some(to) = to.filter(|to| addresses.contains(&address(*to))) {
                    self.connect(from, to, Found::Configured);
                }
            }
            _ => {}
        }
    }

    fn request(&mut self, from: u16, to: u16, request: RequestRef, data: Vec<u8>) {
        let inbound = InboundRef(u64::try_from(self.carried.len()).expect("few"));
        self.carried.push((from, to, data.clone()));
        self.asked.insert(inbound, (from, to, request));
        self.at(to).input(Input::Network(Event::Request { from: peer(from), inbound, data }));
    }

    /// A request by hand: bytes that no honest node says. Its answer, if there is one at once.
    pub(crate) fn says(&mut self, from: u16, to: u16, data: &[u8]) -> Option<Vec<u8>> {
        let inbound = InboundRef(1_000_000 + u64::try_from(self.carried.len()).expect("few"));
        self.carried.push((from, to, data.to_vec()));
        self.at(to).input(Input::Network(Event::Request { from: peer(from), inbound, data: data.to_vec() }));
        let orders = &mut self.at(to).orders;
        let at = orders.iter().position(|order| matches!(order, Order::Respond { inbound: i, .. } if *i == inbound))?;
        let Order::Respond { data, .. } = orders.remove(at) else { return None };
        self.run();
        Some(data)
    }

    fn number_of(&self, wanted: Peer) -> Option<u16> {
        (0u16..).zip(&self.worlds).map(|(n, _)| n).find(|n| peer(*n) == wanted)
    }
}

pub(crate) fn address(n: u16) -> String {
    format!("/ip4/10.0.0.{n}/tcp/4787")
}
