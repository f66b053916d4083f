//! Requests and responses between two networks in memory, and what is not answered.

use meerkat_network::Network;
use meerkat_protocols::mesh::{Event, InboundRef, MAX_DIRECT_BYTES, Order, Path, Peer, RequestRef};

use crate::common::{PATIENCE, answered, connected, listening, on_sockets, order, pair, until};

async fn asked(network: &mut Network) -> (Peer, InboundRef, Vec<u8>) {
    until(network, "a request", |event| match event {
        Event::Request { from, inbound, data } => Some((from, inbound, data)),
        _ => None,
    })
    .await
}

async fn pinged(network: &mut Network) -> (Peer, Option<u64>) {
    until(network, "a ping", |event| match event {
        Event::Pinged { peer, rtt_us, path: Path::Direct } => Some((peer, rtt_us)),
        _ => None,
    })
    .await
}

async fn ask(network: &Network, number: u64, peer: Peer, data: &[u8]) -> RequestRef {
    let request = RequestRef(number);
    order(network, Order::Request { request, peer, data: data.to_vec() }).await;
    request
}

#[tokio::test]
async fn a_request_is_answered_in_whole_and_by_whom_it_was_for() {
    let (mut one, mut two) = pair().await;
    for length in [1, 1_000, MAX_DIRECT_BYTES] {
        let request = ask(&one, length as u64, two.peer(), &vec![5; length]).await;
        let (from, inbound, data) = asked(&mut two).await;
        assert_eq!((from, data), (one.peer(), vec![5; length]));
        order(&two, Order::Respond { inbound, data: vec![6; length] }).await;
        assert_eq!(answered(&mut one).await, (request, Some(vec![6; length])));
    }
    // Answers find their questions, whatever the order.
    let requests = [ask(&one, 1, two.peer(), b"first").await, ask(&one, 2, two.peer(), b"second").await];
    let waiting = [asked(&mut two).await, asked(&mut two).await];
    for (_, inbound, data) in waiting.into_iter().rev() {
        order(&two, Order::Respond { inbound, data }).await;
    }
    let mut answers = [answered(&mut one).await, answered(&mut one).await];
    answers.sort();
    assert_eq!(answers, [(requests[0], Some(b"first".to_vec())), (requests[1], Some(b"second".to_vec()))]);
}

#[tokio::test]
async fn every_request_of_ours_ends() {
    let (mut one, mut two) = pair().await;
    let nobody = Peer([7; 32]);
    for (peer, data) in [(nobody, &b"?"[..]), (two.peer(), b""), (two.peer(), &[1; MAX_DIRECT_BYTES + 1])] {
        let request = ask(&one, 1, peer, data).await;
        assert_eq!(answered(&mut one).await, (request, None));
    }
    // An answer that is too long is as good as none, and so is one to a question nobody asked.
    let request = ask(&one, 2, two.peer(), b"?").await;
    let (_, inbound, _) = asked(&mut two).await;
    order(&two, Order::Respond { inbound, data: vec![1; MAX_DIRECT_BYTES + 1] }).await;
    order(&two, Order::Respond { inbound: InboundRef(999), data: Vec::new() }).await;
    assert_eq!(answered(&mut one).await, (request, None));
    // The other node says nothing, and then it goes.
    let silent = ask(&one, 3, two.peer(), b"?").await;
    asked(&mut two).await;
    assert_eq!(answered(&mut one).await, (silent, None));
    let parting = ask(&one, 4, two.peer(), b"?").await;
    asked(&mut two).await;
    assert!(two.shutdown(PATIENCE).await);
    assert_eq!(answered(&mut one).await, (parting, None));
}

#[tokio::test]
async fn a_peer_may_not_fill_the_node_with_questions() {
    let (mut one, mut two) = pair().await;
    for number in 0..20 {
        ask(&one, number, two.peer(), b"?").await;
    }
    let mut refused = 0;
    while refused < 16 {
        assert_eq!(answered(&mut one).await.1, None);
        refused += 1;
    }
    for _ in 0..4 {
        let (_, inbound, data) = asked(&mut two).await;
        order(&two, Order::Respond { inbound, data }).await;
    }
    for _ in 0..4 {
        assert_eq!(answered(&mut one).await.1, Some(b"?".to_vec()));
    }
    // There is room again.
    let request = ask(&one, 20, two.peer(), b"again").await;
    let (_, inbound, data) = asked(&mut two).await;
    order(&two, Order::Respond { inbound, data }).await;
    assert_eq!(answered(&mut one).await, (request, Some(b"again".to_vec())));
}

#[tokio::test]
async fn a_ping_is_answered_without_the_other_node() {
    let (mut one, two) = pair().await;
    order(&one, Order::Ping { peer: two.peer() }).await;
    let (peer, rtt_us) = pinged(&mut one).await;
    assert_eq!(peer, two.peer());
    assert!(rtt_us.is_some_and(|rtt| rtt < 5_000_000), "{rtt_us:?}");
    order(&one, Order::Ping { peer: Peer([7; 32]) }).await;
    assert_eq!(pinged(&mut one).await, (Peer([7; 32]), None));
}

#[tokio::test]
async fn a_peer_is_called_on_order_and_after_it_was_away() {
    let mut one = on_sockets(1, &["/ip4/127.0.0.1/tcp/0"], &[]);
    let mut two = on_sockets(2, &["/ip4/127.0.0.1/tcp/0"], &[]);
    let address = listening(&mut two).await;
    let nonsense = ["/dns4/example.org/tcp/1".to_owned(), "nothing".to_owned()];
    let addresses = nonsense.into_iter().chain([address.clone()]).collect();
    order(&one, Order::Dial { peer: two.peer(), addresses }).await;
    assert_eq!((connected(&mut one).await.0, connected(&mut two).await.0), (two.peer(), one.peer()));
    assert!(two.shutdown(PATIENCE).await);

    let plain = address.split("/p2p/").next().expect("an address");
    let mut again = on_sockets(2, &[plain], &[]);
    assert_eq!((connected(&mut one).await.0, connected(&mut again).await.0), (again.peer(), one.peer()));
}
