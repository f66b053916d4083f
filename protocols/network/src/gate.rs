//! Lets Ed25519 peers in and nobody else: our name for a peer is its 32-byte key. Remembers where we called.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::task::{Context, Poll};

use libp2p::PeerId;
use libp2p::core::transport::PortUse;
use libp2p::core::{Endpoint, Multiaddr};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};

use crate::address::peer_of;
use crate::places::ip_of;

#[derive(Debug, thiserror::Error)]
#[error("the peer's key is not an Ed25519 key")]
struct OtherKey;

/// IP addresses called in one run. When there are more, all count as called.
const MAX_CALLED: usize = 8192;

#[derive(Default)]
pub(crate) struct Gate {
    called: BTreeSet<IpAddr>,
}

impl Gate {
    /// Whether we have ever called this IP address, so that a router may let in what comes from it.
    pub(crate) fn has_called(&self, ip: IpAddr) -> bool {
        self.called.len() >= MAX_CALLED || self.called.contains(&ip)
    }

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

    fn handle_pending_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        for ip in addresses.iter().filter_map(ip_of) {
            if self.called.len() < MAX_CALLED {
                self.called.insert(ip);
            }
        }
        Ok(Vec::new())
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
