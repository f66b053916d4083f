//! AutoNAT v2 (libp2p specs, autonat v2): a peer calls us back, and we learn whether others can.
//!
//! The library asks only those we called, and answers only those who called us. A node that all its neighbours call, being
//! the only one that can be called, would never learn that it can: here both ends of a connection ask and answer.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::task::{Context, Poll};

use either::Either;
use libp2p::PeerId;
use libp2p::autonat::v2::client::{self, Event};
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Multiaddr;
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler as _, ConnectionHandlerSelect, ConnectionId, FromSwarm, NetworkBehaviour,
    THandler, THandlerInEvent, THandlerOutEvent, ToSwarm, dummy,
};
use tokio::time::{Duration, Instant};

use crate::places::{is_public, is_relayed};

/// Addresses of ours that are tried in one run: those of some moves between networks. Whoever makes up more is not heard.
const MAX_CANDIDATES: usize = 64;
/// From a question of ours until the call back must have come.
const ANSWERED_WITHIN: Duration = Duration::from_secs(30);

/// The two types in an `Either` of the library's that cannot be named otherwise.
pub(crate) trait Halves {
    type Left;
    type Right;
}

impl<L, R> Halves for Either<L, R> {
    type Left = L;
    type Right = R;
}

type Inner = client::Behaviour;
/// Asks, and takes calls back.
type Both = ConnectionHandlerSelect<<THandler<Inner> as Halves>::Left, <THandler<Inner> as Halves>::Right>;

/// Asks others whether we can be called.
#[derive(Default)]
pub(crate) struct Asking {
    inner: Inner,
    candidates: HashSet<Multiaddr>,
    asked: BTreeMap<PeerId, Instant>,
    suggested: VecDeque<Multiaddr>,
}

impl Asking {
    /// Whether a call of this peer may be the one we asked for.
    pub(crate) fn expects_call(&self, peer: &PeerId) -> bool {
        self.asked.get(peer).is_some_and(|asked| asked.elapsed() < ANSWERED_WITHIN)
    }

    /// An address at which somebody saw us.
    pub(crate) fn suggest(&mut self, address: Multiaddr) {
        if is_public(&address) && self.suggested.len() < MAX_CANDIDATES {
            self.suggested.push_back(address);
        }
    }

    fn both(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        let asks = self.inner.handle_established_outbound_connection(
            connection,
            peer,
            remote,
            Endpoint::Dialer,
            PortUse::Reuse,
        )?;
        let takes = self.inner.handle_established_inbound_connection(connection, peer, local, remote)?;
        Ok(match (asks, takes) {
            (Either::Left(asks), Either::Right(takes)) => Either::Left(asks.select(takes)),
            // The library gives each on its own side; what it does not give cannot be used.
            _ => Either::Right(dummy::ConnectionHandler),
        })
    }

    /// Addresses that nobody can call from elsewhere are no answer to whether others can call us.
    fn is_candidate(&mut self, address: &Multiaddr) -> bool {
        if !is_public(address) || is_relayed(address) {
            return false;
        }
        self.candidates.contains(address)
            || self.candidates.len() < MAX_CANDIDATES && self.candidates.insert(address.clone())
    }
}

impl NetworkBehaviour for Asking {
    type ConnectionHandler = Either<Both, dummy::ConnectionHandler>;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if is_relayed(local) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.both(connection, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        connection: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if is_relayed(remote) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.both(connection, peer, remote, remote)
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        match event {
            FromSwarm::NewExternalAddrCandidate(candidate) if !self.is_candidate(candidate.addr) => {}
            event => self.inner.on_swarm_event(event),
        }
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, connection: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {
            Either::Left(event) => self.inner.on_connection_handler_event(peer, connection, event),
            Either::Right(never) => match never {},
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        if let Some(address) = self.suggested.pop_front() {
            return Poll::Ready(ToSwarm::NewExternalAddrCandidate(address));
        }
        let polled = self.inner.poll(cx);
        if let Poll::Ready(ToSwarm::NotifyHandler { peer_id, event: Either::Left(_), .. }) = &polled {
            let now = Instant::now();
            self.asked.retain(|_, asked| now.duration_since(*asked) < ANSWERED_WITHIN);
            self.asked.insert(*peer_id, now);
        }
        polled.map(|action| action.map_in(Either::Left))
    }
}
