//! Words between members, over streams in memory: long ones, many at once, and none of a stranger.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use libp2p::core::transport::MemoryTransport;
use meerkat_network::{Network, NetworkKey, Settings, start_over};
use meerkat_protocols::mesh::{Event, MAX_MEMBER_BYTES, Order, Peer, RequestRef};

fn in_memory(seed: u8, peers: &[String]) -> (Network, String) {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let address = format!("/memory/{}", NEXT.fetch_add(1, Ordering::Relaxed));
    let settings = Settings {
        listen: vec![address.clone()],
        peers: peers.to_vec(),
        mdns: false,
        ..Settings::new(NetworkKey::new([seed; 32]))
    };
    (start_over(MemoryTransport::new(), &settings).expect("it starts"), address)
}

async fn until<T>(network: &mut Network, what: &str, mut fits: impl FnMut(Event) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = fits(network.events.recv().await.expect("the network runs")) {
                return found;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), found).await.unwrap_or_else(|_| panic!("not in time: {what}"))
}

async fn pair() -> (Network, Peer, Network, Peer) {
    let (mut one, address) = in_memory(1, &[]);
    let (mut other, _) = in_memory(2, &[address]);
    let met = |event| match event {
        Event::Connected { peer, .. } => Some(peer),
        _ => None,
    };
    let second = until(&mut one, "connected", met).await;
    let first = until(&mut other, "connected", met).await;
    (one, first, other, second)
}

async fn order(network: &Network, order: Order) {
    network.orders.send(order).await.expect("the network runs");
}

async fn answered(network: &mut Network) -> (RequestRef, Option<Vec<u8>>) {
    until(network, "an answer", |event| match event {
        Event::Response { request, data } => Some((request, Some(data))),
        Event::Unanswered { request } => Some((request, None)),
        _ => None,
    })
    .await
}

#[tokio::test]
async fn the_longest_words_go_there_and_back_several_at_once() {
    let (mut one, first, mut other, second) = pair().await;
    order(&one, Order::Members { peers: vec![second] }).await;
    order(&other, Order::Members { peers: vec![first] }).await;
    for n in 0..4 {
        let data = vec![n; MAX_MEMBER_BYTES];
        order(&one, Order::AskMember { request: RequestRef(n.into()), peer: second, data }).await;
    }
    for _ in 0..4 {
        let (inbound, mut data) = until(&mut other, "a word", |event| match event {
            Event::MemberAsks { from, inbound, data } => {
                assert_eq!(from, first);
                Some((inbound, data))
            }
            _ => None,
        })
        .await;
        assert_eq!(data.len(), MAX_MEMBER_BYTES);
        data.truncate(usize::from(data[0]) + 1);
        order(&other, Order::Respond { inbound, data }).await;
    }
    for _ in 0..4 {
        let (RequestRef(n), data) = answered(&mut one).await;
        let n = u8::try_from(n).expect("four");
        assert_eq!(data, Some(vec![n; usize::from(n) + 1]));
    }
}

#[tokio::test]
async fn of_a_stranger_nothing_is_read_and_what_is_too_long_is_not_sent() {
    let (mut one, first, mut other, second) = pair().await;
    // One takes the other for a member; the other does not.
    order(&one, Order::Members { peers: vec![second] }).await;
    order(&one, Order::AskMember { request: RequestRef(1), peer: second, data: vec![1, 2, 3] }).await;
    assert_eq!(answered(&mut one).await, (RequestRef(1), None));
    let long = vec![7; MAX_MEMBER_BYTES + 1];
    order(&one, Order::AskMember { request: RequestRef(2), peer: second, data: long }).await;
    assert_eq!(answered(&mut one).await, (RequestRef(2), None));
    // It was a member's word that would have come before this answer.
    order(&other, Order::Ping { peer: first }).await;
    until(&mut other, "the ping and no word", |event| match event {
        Event::MemberAsks { .. } => panic!("a stranger was listened to"),
        Event::Pinged { rtt_us, .. } => rtt_us,
        _ => None,
    })
    .await;
    // Removed in between, it is a stranger again.
    order(&other, Order::Members { peers: vec![first] }).await;
    order(&other, Order::Members { peers: vec![] }).await;
    order(&one, Order::AskMember { request: RequestRef(3), peer: second, data: vec![1] }).await;
    assert_eq!(answered(&mut one).await, (RequestRef(3), None));
}
