//! The other side of AutoNAT v2: calls peers back who want to know whether they can be called.
//!
//! As in [`crate::autonat`], both ends of a connection may ask. Nobody is called back but at the IP address from which it
//! asks: we knock on no third door for anybody, so that we are of no use for searching through a network or for a flood.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::task::{Context, Poll};

use either::Either;
use libp2p::PeerId;
use libp2p::autonat::v2::server::{self, Event};
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::multiaddr::Multiaddr;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use tokio::time::{Duration, Instant};

use crate::places::{ip_of, is_relayed};

/// Calls back for all who ask: a node asks about two addresses after its start, and a street may start together.
const CALLS: usize = 32;
const CALLS_IN: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("a peer wants to be called elsewhere than where it is")]
    Elsewhere,
    #[error("too many want to be called back")]
    TooMany,
}

/// Calls back.
#[derive(Default)]
pub(crate) struct Answering {
    inner: server::Behaviour,
    /// From where each connected peer came, or where it was called.
    places: BTreeMap<ConnectionId, (PeerId, Option<IpAddr>)>,
    /// Our calls back that are being made or stand.
    calls: BTreeSet<ConnectionId>,
    lately: VecDeque<Instant>,
}

impl Answering {
    /// Whether the connection was made for nothing but to see whether it can be.
    pub(crate) fn is_call_back(&self, connection: ConnectionId) -> bool {
        self.calls.contains(&connection)
    }

    fn check(&mut self, peer: Option<PeerId>, addresses: &[Multiaddr]) -> Result<(), Refused> {
        let known = |ip: Option<IpAddr>| self.places.values().any(|(id, place)| Some(*id) == peer && *place == ip);
        if !addresses.iter().all(|address| !is_relayed(address) && known(ip_of(address))) {
            return Err(Refused::Elsewhere);
        }
        let now = Instant::now();
        while self.lately.front().is_some_and(|call| now.duration_since(*call) >= CALLS_IN) {
            self.lately.pop_front();
        }
        if self.lately.len() >= CALLS {
            return Err(Refused::TooMany);
        }
        self.lately.push_back(now);
        Ok(())
    }

    fn follow(&mut self, event: &FromSwarm) {
        match event {
            FromSwarm::ConnectionEstablished(new) => {
                let remote = match new.endpoint {
                    ConnectedPoint::Dialer { address, .. } => address,
                    ConnectedPoint::Listener { send_back_addr, .. } => send_back_addr,
                };
                if !new.endpoint.is_relayed() {
                    self.places.insert(new.connection_id, (new.peer_id, ip_of(remote)));
                }
            }
            FromSwarm::ConnectionClosed(old) => {
                self.places.remove(&old.connection_id);
                self.calls.remove(&old.connection_id);
            }
            FromSwarm::DialFailure(failed) => {
                self.calls.remove(&failed.connection_id);
            }
            _ => {}
        }
    }
}

impl NetworkBehaviour for Answering {
    type ConnectionHandler = THandler<server::Behaviour>;
    type ToSwarm = Event;

    fn handle_pending_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        if self.calls.contains(&connection) {
            self.check(peer, addresses).map_err(ConnectionDenied::new)?;
        }
        Ok(Vec::new())
    }

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if is_relayed(local) {
            // What it gives for our own calls: nothing.
            let (role, port) = (Endpoint::Dialer, PortUse::Reuse);
            return self.inner.handle_established_outbound_connection(connection, peer, remote, role, port);
        }
        self.inner.handle_established_inbound_connection(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        match self.inner.handle_established_outbound_connection(connection, peer, remote, role, port)? {
            Either::Left(Either::Right(_)) if !is_relayed(remote) => {
                self.inner.handle_established_inbound_connection(connection, peer, remote, remote)
            }
            other => Ok(other),
        }
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        self.follow(&event);
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, connection, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        let polled = self.inner.poll(cx);
        if let Poll::Ready(ToSwarm::Dial { opts }) = &polled {
            self.calls.insert(opts.connection_id());
        }
        polled
    }
}
