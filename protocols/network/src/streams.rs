//! Opens streams to connected peers and takes theirs. `libp2p-stream` does the same, but is an alpha that keeps a channel for
//! every connection there ever was (0.5.0), and calls peers by itself, which is [`crate::book`]'s to decide.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::task::{Context, Poll};

use futures::channel::oneshot;
use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::upgrade::ReadyUpgrade;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::handler::{ConnectionEvent, DialUpgradeError, FullyNegotiatedInbound, FullyNegotiatedOutbound};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionHandlerEvent, ConnectionId, FromSwarm, NetworkBehaviour,
    NotifyHandler, Stream, StreamProtocol, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use tokio::sync::mpsc;

/// Frames of exchanges.
pub(crate) const RECONCILE: StreamProtocol = StreamProtocol::new("/meerkat/reconcile/1");
/// Words between members of a household.
pub(crate) const HOUSEHOLD: StreamProtocol = StreamProtocol::new("/meerkat/household/1");

/// Streams and wishes for them on their way between the swarm and [`crate::exchanges`]: more than may be open.
const QUEUE: usize = 8;

/// A stream is wanted. The answer's other end is told by a stream, or by the answer being dropped.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) peer: PeerId,
    pub(crate) answer: oneshot::Sender<Stream>,
}

/// The other side of the [`Behaviour`].
pub(crate) struct Door {
    pub(crate) wishes: mpsc::Sender<Wish>,
    pub(crate) arrivals: mpsc::Receiver<(PeerId, Stream)>,
}

pub(crate) struct Behaviour {
    protocol: StreamProtocol,
    wishes: mpsc::Receiver<Wish>,
    arrivals: mpsc::Sender<(PeerId, Stream)>,
}

impl Behaviour {
    pub(crate) fn new(protocol: StreamProtocol) -> (Self, Door) {
        let (wishes_in, wishes) = mpsc::channel(QUEUE);
        let (arrivals, arrivals_out) = mpsc::channel(QUEUE);
        (Self { protocol, wishes, arrivals }, Door { wishes: wishes_in, arrivals: arrivals_out })
    }

    fn negotiator(&self, peer: PeerId) -> Negotiator {
        Negotiator { protocol: self.protocol.clone(), peer, wishes: VecDeque::new(), arrivals: self.arrivals.clone() }
    }
}

impl NetworkBehaviour for Behaviour {
    type ConnectionHandler = Negotiator;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.negotiator(peer))
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(self.negotiator(peer))
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        match self.wishes.poll_recv(cx) {
            // Without a connection the swarm drops the event, and so the answer.
            Poll::Ready(Some(wish)) => {
                Poll::Ready(ToSwarm::NotifyHandler { peer_id: wish.peer, handler: NotifyHandler::Any, event: wish })
            }
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}

/// Agrees with the peer on streams, on one connection.
pub(crate) struct Negotiator {
    protocol: StreamProtocol,
    peer: PeerId,
    /// Bounded by those who wish.
    wishes: VecDeque<Wish>,
    arrivals: mpsc::Sender<(PeerId, Stream)>,
}

impl ConnectionHandler for Negotiator {
    type FromBehaviour = Wish;
    type ToBehaviour = Infallible;
    type InboundProtocol = ReadyUpgrade<StreamProtocol>;
    type OutboundProtocol = ReadyUpgrade<StreamProtocol>;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = oneshot::Sender<Stream>;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, ()> {
        SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), ())
    }

    fn poll(
        &mut self,
        _: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        match self.wishes.pop_front() {
            Some(wish) => Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                protocol: SubstreamProtocol::new(ReadyUpgrade::new(self.protocol.clone()), wish.answer),
            }),
            None => Poll::Pending,
        }
    }

    fn on_behaviour_event(&mut self, wish: Wish) {
        self.wishes.push_back(wish);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<Self::InboundProtocol, Self::OutboundProtocol, (), Self::OutboundOpenInfo>,
    ) {
        match event {
            // Too many at once: dropped, which the peer sees as an end.
            ConnectionEvent::FullyNegotiatedInbound(FullyNegotiatedInbound { protocol: stream, .. }) => {
                let _ = self.arrivals.try_send((self.peer, stream));
            }
            // An error means that nobody waits for it any more.
            ConnectionEvent::FullyNegotiatedOutbound(FullyNegotiatedOutbound { protocol: stream, info: answer }) => {
                let _ = answer.send(stream);
            }
            ConnectionEvent::DialUpgradeError(DialUpgradeError { error, info: answer }) => {
                tracing::debug!(%error, "no stream for an exchange");
                drop(answer);
            }
            _ => {}
        }
    }
}
