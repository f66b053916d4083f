//! Where we listen, and what to do when somebody else does.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, UdpSocket};

use libp2p::TransportError;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::{Multiaddr, Protocol};
use libp2p::swarm::{NetworkBehaviour, Swarm};

/// The default port, TCP and UDP.
pub(crate) const PORT: u16 = 4787;

/// QUIC first: where both work it is the better one.
pub(crate) fn default_addresses() -> Vec<Multiaddr> {
    let ips = [IpAddr::V4([0; 4].into()), IpAddr::V6([0; 16].into())];
    let quic = ips.map(|ip| Multiaddr::from(ip).with(Protocol::Udp(PORT)).with(Protocol::QuicV1));
    let tcp = ips.map(|ip| Multiaddr::from(ip).with(Protocol::Tcp(PORT)));
    quic.into_iter().chain(tcp).collect()
}

/// What came of listening on one address.
pub(crate) struct Outcome {
    /// Which listener listens on which address as it was asked for.
    pub(crate) listener: Option<(ListenerId, Multiaddr)>,
    pub(crate) trouble: Option<String>,
}

/// Listens on every address. `by_default` says that nobody asked for these: then a machine without IPv6 is no trouble.
pub(crate) fn listen<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    addresses: &[Multiaddr],
    by_default: bool,
) -> Vec<Outcome> {
    // All probes before the first listener: a probe of [::] collides with our own listener on 0.0.0.0.
    let taken: Vec<bool> = addresses.iter().map(is_taken).collect();
    let outcomes = addresses.iter().zip(taken).map(|(address, taken)| {
        let outcome = one(swarm, address, taken);
        match outcome {
            Outcome { listener: None, .. } if by_default && is_ip6(address) => {
                tracing::debug!(%address, trouble = ?outcome.trouble, "no IPv6");
                Outcome { listener: None, trouble: None }
            }
            outcome => outcome,
        }
    });
    outcomes.collect()
}

fn one<B: NetworkBehaviour>(swarm: &mut Swarm<B>, address: &Multiaddr, taken: bool) -> Outcome {
    let refused = if taken {
        io::Error::from(io::ErrorKind::AddrInUse)
    } else {
        match swarm.listen_on(address.clone()) {
            Ok(id) => return Outcome { listener: Some((id, address.clone())), trouble: None },
            Err(TransportError::Other(error)) => error,
            Err(TransportError::MultiaddrNotSupported(_)) => io::Error::other("no such transport here"),
        }
    };
    if refused.kind() != io::ErrorKind::AddrInUse {
        return Outcome { listener: None, trouble: Some(not_there(address, &refused)) };
    }
    let elsewhere = on_any_port(address);
    match swarm.listen_on(elsewhere.clone()) {
        Ok(id) => Outcome { listener: Some((id, elsewhere)), trouble: Some(in_use(address)) },
        Err(error) => Outcome { listener: None, trouble: Some(not_there(address, &error)) },
    }
}

fn in_use(address: &Multiaddr) -> String {
    format!(
        "the port of {address} is used by another program; neighbours reach us on another port until it is free and \
         this node is started again. Stop the other program or choose a port with --listen"
    )
}

fn not_there(address: &Multiaddr, error: &dyn std::fmt::Display) -> String {
    format!("this machine does not let us listen on {address}: {error}. Give an address of this machine with --listen")
}

/// Whether another program listens there already. libp2p sets SO_REUSEPORT on TCP, so that a second daemon of the same
/// user would silently take half of the first one's callers; a bind without it tells. QUIC wraps the system's error
/// beyond recognition.
fn is_taken(address: &Multiaddr) -> bool {
    let mut parts = address.iter();
    let ip = match parts.next() {
        Some(Protocol::Ip4(ip)) => IpAddr::V4(ip),
        Some(Protocol::Ip6(ip)) => IpAddr::V6(ip),
        _ => return false,
    };
    let probe = match parts.next() {
        Some(Protocol::Tcp(port)) => TcpListener::bind(SocketAddr::new(ip, port)).map(drop),
        Some(Protocol::Udp(port)) => UdpSocket::bind(SocketAddr::new(ip, port)).map(drop),
        _ => return false,
    };
    probe.is_err_and(|error| error.kind() == io::ErrorKind::AddrInUse)
}

fn on_any_port(address: &Multiaddr) -> Multiaddr {
    address
        .iter()
        .map(|part| match part {
            Protocol::Tcp(_) => Protocol::Tcp(0),
            Protocol::Udp(_) => Protocol::Udp(0),
            other => other,
        })
        .collect()
}

fn is_ip6(address: &Multiaddr) -> bool {
    matches!(address.iter().next(), Some(Protocol::Ip6(_)))
}
