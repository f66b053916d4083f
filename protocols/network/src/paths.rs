//! Which way each connection to a peer goes.

use std::collections::BTreeMap;

use libp2p::core::ConnectedPoint;
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::swarm::ConnectionId;
use meerkat_protocols::mesh::{Path, Peer};

use crate::address::{peer_of, split};
use crate::places::is_relayed;

/// The connections of each peer; their limits bound it.
#[derive(Default)]
pub(crate) struct Paths(BTreeMap<Peer, Ways>);

struct Ways {
    /// What the node was told.
    told: Path,
    connections: BTreeMap<ConnectionId, Way>,
}

/// One connection.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    pub(crate) path: Path,
    pub(crate) we_called: bool,
    /// Where the other end is, or seems to be.
    pub(crate) remote: Multiaddr,
}

impl Paths {
    /// A connection stands. Returns the peer's path if it is another one than before.
    pub(crate) fn opened(&mut self, peer: Peer, connection: ConnectionId, way: Way) -> Option<Path> {
        let ways = self.0.entry(peer).or_insert_with(|| Ways { told: way.path, connections: BTreeMap::new() });
        ways.connections.insert(connection, way);
        ways.changed()
    }

    pub(crate) fn way(&self, peer: Peer, connection: ConnectionId) -> Option<&Way> {
        self.0.get(&peer)?.connections.get(&connection)
    }

    /// The relayed connections to a peer.
    pub(crate) fn relayed(&self, peer: Peer) -> impl Iterator<Item = ConnectionId> + '_ {
        let ways = self.0.get(&peer).into_iter().flat_map(|ways| &ways.connections);
        ways.filter(|(_, way)| way.path != Path::Direct).map(|(connection, _)| *connection)
    }

    /// Which peer is at an address, of those we are connected to directly.
    fn at(&self, address: &Multiaddr) -> Option<Peer> {
        let is_there = |ways: &Ways| {
            ways.connections.values().any(|way| way.path == Path::Direct && split(&way.remote).0 == *address)
        };
        self.0.iter().find(|(_, ways)| is_there(ways)).map(|(peer, _)| *peer)
    }

    /// Which way a connection goes, by its addresses. A relay that called us is named by where it is only.
    pub(crate) fn path(&self, endpoint: &ConnectedPoint) -> Path {
        let address = match endpoint {
            ConnectedPoint::Dialer { address, .. } => address,
            ConnectedPoint::Listener { local_addr, .. } => local_addr,
        };
        if !is_relayed(address) {
            return Path::Direct;
        }
        let before: Multiaddr = address.iter().take_while(|part| *part != Protocol::P2pCircuit).collect();
        let through = relay_of(address).or_else(|| self.at(&before)).unwrap_or(NOT_KNOWN);
        Path::Relayed { through }
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
        let path = self.way(peer, connection).map(|way| way.path);
        path.unwrap_or_else(|| self.of(peer))
    }
}

impl Ways {
    /// A direct connection counts before any other.
    fn changed(&mut self) -> Option<Path> {
        let best = self.connections.values().map(|way| way.path).min()?;
        (best != self.told).then(|| {
            self.told = best;
            best
        })
    }
}

/// A relay that closed its connection to us in the moment in which another peer came through it.
const NOT_KNOWN: Peer = Peer([0; 32]);

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
    fn way(path: Path) -> Way {
        Way { path, we_called: true, remote: Multiaddr::empty() }
    }

    const RELAYED: Path = Path::Relayed { through: Peer([2; 32]) };

    #[test]
    fn a_direct_connection_counts_before_a_relayed_one() {
        let mut paths = Paths::default();
        let id = ConnectionId::new_unchecked;
        assert_eq!(paths.opened(PEER, id(1), way(RELAYED)), None, "told with the connection");
        assert_eq!(paths.of(PEER), RELAYED);
        assert_eq!(paths.opened(PEER, id(2), way(Path::Direct)), Some(Path::Direct));
        assert_eq!(paths.opened(PEER, id(3), way(RELAYED)), None);
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
