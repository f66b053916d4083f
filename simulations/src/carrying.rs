//! What goes between two homes: frames of exchanges, and words with their answers.

use meerkat_core::{ExchangeInput, Input};
use meerkat_protocols::mesh::{self, Ending, ExchangeEvent, ExchangeOrder, ExchangeRef};

use crate::world::{Happening, World};

impl World {
    pub(crate) fn order(&mut self, home: usize, order: ExchangeOrder) {
        match order {
            ExchangeOrder::Open { peer } => {
                let other = self.home_of(peer).filter(|other| self.links.between(home, *other).is_some());
                let Some(other) = other else {
                    let event = ExchangeEvent::NotOpened { peer };
                    return self.houses[home].exchange(self.now_us, ExchangeInput::Network(event));
                };
                let (here, there) = (ExchangeRef(self.name()), ExchangeRef(self.name()));
                for (at, mine, with, theirs) in [(home, here, other, there), (other, there, home, here)] {
                    if let Some(run) = &mut self.houses[at].run {
                        run.open.insert(mine, (with, theirs));
                    }
                    let event = ExchangeEvent::Opened { exchange: mine, peer: self.peer(with), ours: at == home };
                    self.send_exchange(with, at, event, 0);
                }
            }
            ExchangeOrder::Frame { exchange, data } => {
                let Some((other, there)) = self.open(home, exchange) else { return };
                let bytes = data.len();
                self.counts.exchange_bytes += bytes as u64;
                self.send_exchange(home, other, ExchangeEvent::Frame { exchange: there, data }, bytes);
            }
            ExchangeOrder::Close { exchange } => {
                let Some((other, there)) = self.open(home, exchange) else { return };
                if let Some(run) = &mut self.houses[home].run {
                    run.open.remove(&exchange);
                }
                let event = ExchangeEvent::Ended { exchange: there, ending: Ending::Closed };
                self.send_exchange(home, other, event, 0);
            }
        }
    }

    fn open(&self, home: usize, exchange: ExchangeRef) -> Option<(usize, ExchangeRef)> {
        self.houses[home].run.as_ref()?.open.get(&exchange).copied()
    }

    fn send_exchange(&mut self, from: usize, to: usize, event: ExchangeEvent, bytes: usize) {
        if let Some((arrives, connection)) = self.links.arrival(self.now_us, from, to, bytes) {
            self.happens(arrives, Happening::Exchange { to, from, connection, event });
        }
    }

    pub(crate) fn direct(&mut self, home: usize, order: mesh::Order) {
        match order {
            mesh::Order::Request { request, peer, data } => {
                let bytes = data.len();
                let to = self.home_of(peer);
                let arrival = to.and_then(|to| Some((to, self.links.arrival(self.now_us, home, to, bytes)?)));
                let Some((to, (arrives, connection))) = arrival else {
                    return self.houses[home].input(self.now_us, Input::Network(mesh::Event::Unanswered { request }));
                };
                self.counts.direct_bytes += bytes as u64;
                self.open_requests.insert((home, request), to);
                self.happens(arrives, Happening::Asked { to, from: home, connection, request, data });
            }
            mesh::Order::Respond { inbound, data } => {
                let Some((to, request)) = self.asked.remove(&inbound) else { return };
                self.counts.direct_bytes += data.len() as u64;
                if let Some((arrives, connection)) = self.links.arrival(self.now_us, home, to, data.len()) {
                    self.happens(arrives, Happening::Answered { to, from: home, connection, request, data });
                }
            }
            _ => {}
        }
    }
}
