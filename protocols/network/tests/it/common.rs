//! Networks in memory and on the sockets of this machine, and what they say.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libp2p::core::transport::MemoryTransport;
use meerkat_network::{Network, NetworkKey, Settings, peer_id_text, start, start_over};
use meerkat_protocols::mesh::{Event, Found, Order, Path, Peer, RequestRef};

/// Longer than the network's own ten seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn settings(seed: u8, listen: &[&str], peers: &[String]) -> Settings {
    Settings {
        listen: listen.iter().map(|&text| text.to_owned()).collect(),
        peers: peers.to_vec(),
        mdns: false,
        ..Settings::new(NetworkKey::new([seed; 32]))
    }
}

/// A node in memory, and its address.
pub(crate) fn in_memory(seed: u8, peers: &[String]) -> (Network, String) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let address = format!("/memory/{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let network = start_over(MemoryTransport::new(), &settings(seed, &[&address], peers)).expect("it starts");
    (network, address)
}

pub(crate) fn on_sockets(seed: u8, listen: &[&str], peers: &[String]) -> Network {
    start(&settings(seed, listen, peers)).expect("it starts")
}

pub(crate) async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

/// The first event that fits.
pub(crate) async fn until<T>(network: &mut Network, what: &str, mut fits: impl FnMut(Event) -> Option<T>) -> T {
    in_time(what, async {
        loop {
            if let Some(found) = fits(network.events.recv().await.expect("the network runs")) {
                return found;
            }
        }
    })
    .await
}

pub(crate) async fn listening(network: &mut Network) -> String {
    until(network, "listening", |event| match event {
        Event::Listening { address } => Some(address),
        _ => None,
    })
    .await
}

pub(crate) async fn connected(network: &mut Network) -> (Peer, Found) {
    until(network, "connected", |event| match event {
        Event::Connected { peer, found, address, path } => {
            assert!(address.ends_with(&peer_id_text(peer)), "{address}");
            assert_eq!(path, Path::Direct);
            Some((peer, found))
        }
        _ => None,
    })
    .await
}

/// Two in memory that are connected.
pub(crate) async fn pair() -> (Network, Network) {
    let (mut one, address) = in_memory(1, &[]);
    let (mut two, _) = in_memory(2, &[address]);
    connected(&mut one).await;
    connected(&mut two).await;
    (one, two)
}

pub(crate) async fn order(network: &Network, order: Order) {
    network.orders.send(order).await.expect("the network runs");
}

/// The answer to a request, or that there is none.
pub(crate) async fn answered(network: &mut Network) -> (RequestRef, Option<Vec<u8>>) {
    until(network, "an answer", |event| match event {
        Event::Response { request, data } => Some((request, Some(data))),
        Event::Unanswered { request } => Some((request, None)),
        _ => None,
    })
    .await
}
