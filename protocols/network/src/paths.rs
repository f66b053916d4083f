//! Which way each connection to a peer goes.

use std::collections::BTreeMap;

use libp2p::core::ConnectedPoint;
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::swarm::ConnectionId;
use meerkat_protocols::mesh::{Path, Peer};

use crate::address::peer_of;

/// The connections of each peer; their limits bound it.
#[derive(Default)]
pub(crate) struct Paths(BTreeMap<Peer, Ways>);

struct Ways {
    /// What the node was told.
    told: Path,
    connections: BTreeMap<ConnectionId, Path>,
}

impl Paths {
    /// A connection stands. Returns the peer's path if it is another one than before.
    pub(crate) fn opened(&mut self, peer: Peer, connection: ConnectionId, path: Path) -> Option<Path> {
        let ways = self.0.entry(peer).or_insert_with(|| Ways { told: path, connections: BTreeMap::new() });
        ways.connections.insert(connection, path);
        ways.changed()
    }

    /// A connection is gone. Returns the peer's path if it is another one than before.
    pub(crate) fn closed(&mut self, peer: Peer, connection: ConnectionId) -> Option<Path> {
        let ways = self.0.get_mut(&peer)?;
        ways.connections.remove(&connection);
        if ways.connections.is_empty() {
            self.0.remove(&peer);
            return None;
        }
        ways.changed()
    }

    /// How words to the peer go now. Without a connection: as they would have to.
    pub(crate) fn of(&self, peer: Peer) -> Path {
        self.0.get(&peer).map_or(Path::Direct, |ways| ways.told)
    }

    /// How the words on one connection go.
    pub(crate) fn of_connection(&self, peer: Peer, connection: ConnectionId) -> Path {
        let path = self.0.get(&peer).and_then(|ways| ways.connections.get(&connection));
        path.copied().unwrap_or_else(|| self.of(peer))
    }
}

impl Ways {
    /// A direct connection counts before any other.
    fn changed(&mut self) -> Option<Path> {
        let best = self.connections.values().min().copied()?;
        (best != self.told).then(|| {
            self.told = best;
            best
        })
    }
}

/// Which way a connection goes, by its addresses.
pub(crate) fn path(endpoint: &ConnectedPoint) -> Path {
    if !endpoint.is_relayed() {
        return Path::Direct;
    }
    let address = match endpoint {
        ConnectedPoint::Dialer { address, .. } => address,
        ConnectedPoint::Listener { local_addr, .. } => local_addr,
    };
    relay_of(address).map_or(Path::Direct, |through| Path::Relayed { through })
}

/// The relay in `/.../p2p/RELAY/p2p-circuit/...`.
pub(crate) fn relay_of(address: &Multiaddr) -> Option<Peer> {
    let mut before = None;
    for part in address {
        match part {
            Protocol::P2p(id) => before = peer_of(&id),
            Protocol::P2pCircuit => return before,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Peer = Peer([1; 32]);
    const RELAYED: Path = Path::Relayed { through: Peer([2; 32]) };

    #[test]
    fn a_direct_connection_counts_before_a_relayed_one() {
        let mut paths = Paths::default();
        let id = ConnectionId::new_unchecked;
        assert_eq!(paths.opened(PEER, id(1), RELAYED), None, "told with the connection");
        assert_eq!(paths.of(PEER), RELAYED);
        assert_eq!(paths.opened(PEER, id(2), Path::Direct), Some(Path::Direct));
        assert_eq!(paths.opened(PEER, id(3), RELAYED), None);
        assert_eq!(paths.of_connection(PEER, id(3)), RELAYED);
        assert_eq!(paths.closed(PEER, id(2)), Some(RELAYED));
        assert_eq!(paths.closed(PEER, id(1)), None);
        assert_eq!(paths.closed(PEER, id(3)), None);
        assert_eq!(paths.of(PEER), Path::Direct);
    }

    #[test]
    fn the_relay_is_read_off_the_address() {
        let relay = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
        let address: Multiaddr =
            format!("/ip4/192.0.2.1/tcp/4787/p2p/{relay}/p2p-circuit").parse().expect("an address");
        assert_eq!(relay_of(&address), peer_of(&relay.parse().expect("an id")));
        assert_eq!(relay_of(&"/ip4/192.0.2.1/tcp/4787".parse().expect("an address")), None);
    }
}
