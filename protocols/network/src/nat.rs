//! The task's part in being reached: what others see of us, whether they can call us, places at relays, and direct
//! connections in place of relayed ones.

use libp2p::autonat::v2::client;
use libp2p::core::ConnectedPoint;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::relay::{HOP_PROTOCOL_NAME, Status};
use libp2p::swarm::dial_opts::{DialOpts, PeerCondition};
use libp2p::swarm::{ConnectionId, StreamProtocol};
use libp2p::{PeerId, identify};
use meerkat_protocols::mesh::{Event, Path, Peer};
use tokio::time::{Duration, Instant};

use crate::address::{peer_id, peer_of};
use crate::places::{ip_of, is_relayed};
use crate::settings::RelayFor;
use crate::task::Task;

/// For words under way on a relayed connection once there is a direct one, and for the one word of a call back.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A direct connection takes two or three times there and back through the relay.
const OTHER_WAY_AFTER: Duration = Duration::from_secs(4);

impl Task {
    pub(crate) fn identified(&mut self, event: identify::Event) {
        let (connection, id, info, complete) = match event {
            identify::Event::Received { connection_id, peer_id, info } => (connection_id, peer_id, info, true),
            identify::Event::Pushed { connection_id, peer_id, info } => (connection_id, peer_id, info, false),
            identify::Event::Sent { .. } | identify::Event::Error { .. } => return,
        };
        let Some(peer) = peer_of(&id) else { return };
        if complete {
            self.observed(peer, connection, &info.observed_addr);
        }
        self.offers_relay(peer, connection, &info.protocols);
    }

    /// What a peer sees of us. Of our own call: as which address, which another may reach through the same router's mapping;
    /// identify itself tells only where we would be if the router kept the port. Of its call: where it called.
    fn observed(&mut self, peer: Peer, connection: ConnectionId, address: &Multiaddr) {
        let Some(way) = self.paths.way(peer, connection) else { return };
        if way.path != Path::Direct {
            return;
        }
        let visitor = ip_of(&way.remote).filter(|_| !way.we_called);
        if way.we_called {
            self.swarm.behaviour_mut().asking.suggest(address.clone());
        } else if visitor.is_some_and(|ip| !self.swarm.behaviour().gate.has_called(ip)) {
            self.reach.visited(address);
            self.look_at_reach();
        }
    }

    fn offers_relay(&mut self, peer: Peer, connection: ConnectionId, protocols: &[StreamProtocol]) {
        let Some(way) = self.paths.way(peer, connection).filter(|way| way.path == Path::Direct) else { return };
        if protocols.contains(&HOP_PROTOCOL_NAME) {
            self.relays.offered(peer, way.remote.clone(), Instant::now());
        } else {
            self.relays.withdrawn(peer);
        }
    }

    pub(crate) fn probed(&mut self, event: &client::Event) {
        tracing::debug!(address = %event.tested_addr, reached = event.result.is_ok(), "called back");
        if event.result.is_err() {
            self.reach.failed();
            self.look_at_reach();
        }
    }

    /// Somebody reached us there: AutoNAT, or, for an address at a relay, the relay, which tells by itself.
    pub(crate) fn confirmed(&mut self, address: &Multiaddr) {
        if is_relayed(address) {
            return;
        }
        let is_own = self.listening.contains_key(address);
        for old in self.reach.confirmed(address, is_own) {
            self.swarm.remove_external_address(&old);
            self.outlet.send(Event::Deaf { address: self.full(&old) });
        }
        if !is_own {
            self.outlet.send(Event::Listening { address: self.full(address) });
        }
        self.look_at_reach();
    }

    pub(crate) fn look_at_reach(&mut self) {
        if let Some(public) = self.reach.news() {
            let relays = public && self.relay_for != RelayFor::Nobody;
            let status = if relays { Status::Enable } else { Status::Disable };
            self.swarm.behaviour_mut().relay.set_status(Some(status));
            self.outlet.send(Event::Reachable { public });
        }
    }

    /// Asks for places at relays, or gives them up. Returns when to look again.
    pub(crate) fn arrange_relays(&mut self, now: Instant) -> Option<Instant> {
        if self.reach.is_public() {
            for listener in self.relays.all() {
                self.swarm.remove_listener(listener);
            }
            return None;
        }
        loop {
            let rank = |peer| (self.trusted.of(peer), self.book.found(peer));
            let Some((relay, address)) = self.relays.next(rank, now) else { break };
            match peer_id(relay).and_then(|id| self.swarm.listen_on(place_at(&address, id)).ok()) {
                Some(listener) => self.relays.asked(listener, relay),
                None => self.relays.refused(relay, now),
            }
        }
        self.relays.next_due(now)
    }

    pub(crate) fn placed(&mut self, listener: ListenerId, address: &Multiaddr) {
        if self.relays.placed(listener, address) {
            self.outlet.send(Event::Listening { address: self.full(address) });
        }
    }

    pub(crate) fn place_lost(&mut self, listener: ListenerId) {
        for address in self.relays.lost(listener, Instant::now()) {
            self.outlet.send(Event::Deaf { address: self.full(&address) });
        }
    }

    /// One connection to each peer is enough, and a direct one is better; a call back has said its one word.
    pub(crate) fn spare(&mut self, peer: Peer, connection: ConnectionId, now: Instant) {
        if self.swarm.behaviour().answering.is_call_back(connection) {
            self.spared.push((now + LAST_WORDS, connection));
        } else if self.paths.of(peer) == Path::Direct {
            let relayed = self.paths.relayed(peer).map(|relayed| (now + LAST_WORDS, relayed));
            self.spared.extend(relayed);
        }
    }

    /// A peer came to us through a relay. If there is no direct connection in a while, we go to it through the relay.
    pub(crate) fn try_other_way(&mut self, peer: Peer, endpoint: &ConnectedPoint, now: Instant) {
        if let ConnectedPoint::Listener { local_addr, .. } = endpoint
            && endpoint.is_relayed()
            && self.returns.iter().all(|(_, other, _)| *other != peer)
        {
            self.returns.push_back((now + OTHER_WAY_AFTER, peer, local_addr.clone()));
        }
    }

    /// Of two that try to reach each other directly, who was called through the relay sends packets towards the other, who
    /// calls. If its router gives every call another port (symmetric NAT), that call leads nowhere; the other way round it
    /// does, if the other's router lets in whom it has sent to. Roles change with who called through the relay.
    pub(crate) fn return_calls(&mut self, now: Instant) -> Option<Instant> {
        while self.returns.front().is_some_and(|(at, ..)| *at <= now) {
            let Some((_, peer, place)) = self.returns.pop_front() else { break };
            let Path::Relayed { through } = self.paths.of(peer) else { continue };
            let (Some(id), Some(relay)) = (peer_id(peer), peer_id(through)) else { continue };
            let before = place.iter().take_while(|part| !matches!(part, Protocol::P2pCircuit | Protocol::P2p(_)));
            let address = place_at(&before.collect(), relay);
            let call = DialOpts::peer_id(id).condition(PeerCondition::Always).addresses(vec![address]).build();
            if let Err(error) = self.swarm.dial(call) {
                tracing::debug!(%error, "no way back through the relay");
            }
        }
        self.returns.front().map(|(at, ..)| *at)
    }

    /// Closes what is not needed any more. The connection limits bound how many these are.
    pub(crate) fn close_spared(&mut self, now: Instant) -> Option<Instant> {
        let (due, later): (Vec<_>, Vec<_>) = self.spared.drain(..).partition(|(at, _)| *at <= now);
        for (_, connection) in due {
            self.swarm.close_connection(connection);
        }
        self.spared = later;
        self.spared.iter().map(|(at, _)| *at).min()
    }
}

/// What to listen on, to be reached through a relay.
fn place_at(relay: &Multiaddr, id: PeerId) -> Multiaddr {
    let relay = relay.clone().with_p2p(id).unwrap_or_else(|other| other);
    relay.with(Protocol::P2pCircuit)
}

/// Where the other end is, and whether we called it.
pub(crate) fn ends(endpoint: &ConnectedPoint) -> (bool, Multiaddr) {
    match endpoint {
        ConnectedPoint::Dialer { address, .. } => (true, address.clone()),
        ConnectedPoint::Listener { send_back_addr, .. } => (false, send_back_addr.clone()),
    }
}
