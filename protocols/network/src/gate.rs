//! Lets Ed25519 peers in and nobody else: our name for a peer is its 32-byte key.

use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};

use crate::address::peer_of;

#[derive(Debug, thiserror::Error)]
#[error("the peer's key is not an Ed25519 key")]
struct OtherKey;

pub(crate) struct Gate;

impl Gate {
    fn check(peer: &PeerId) -> Result<dummy::ConnectionHandler, ConnectionDenied> {
        peer_of(peer).map(|_| dummy::ConnectionHandler).ok_or_else(|| ConnectionDenied::new(OtherKey))
    }
}

impl NetworkBehaviour for Gate {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = std::convert::Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Self::check(&peer)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        peer: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Self::check(&peer)
    }

    fn on_swarm_event(&mut self, _: FromSwarm) {}

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_ed25519_keys_pass() {
        let ed25519 = libp2p::identity::Keypair::generate_ed25519().public().to_peer_id();
        assert!(Gate::check(&ed25519).is_ok());
        // A SHA-256 id, as an RSA or ECDSA key has it.
        assert!(Gate::check(&PeerId::random()).is_err());
    }
}
