//! Exchanges between whole networks: in memory, and over QUIC.

use meerkat_network::{Exchanges, Network};
use meerkat_protocols::mesh::{Ending, ExchangeEvent, ExchangeOrder, ExchangeRef, MAX_EXCHANGE_FRAME_BYTES, Peer};

use crate::common::{self, PATIENCE, in_time, on_sockets};

/// A network and, in hand, its exchanges.
struct Node {
    network: Network,
    exchanges: Exchanges,
}

impl Node {
    fn of(mut network: Network) -> Self {
        let exchanges = network.exchanges.take().expect("taken once");
        Self { network, exchanges }
    }

    fn in_memory(seed: u8, peers: &[String]) -> (Self, String) {
        let (network, address) = common::in_memory(seed, peers);
        (Self::of(network), address)
    }

    async fn order(&self, order: ExchangeOrder) {
        self.exchanges.orders.send(order).await.expect("the network runs");
    }

    async fn send(&self, exchange: ExchangeRef, data: Vec<u8>) {
        self.order(ExchangeOrder::Frame { exchange, data }).await;
    }

    async fn event(&mut self) -> ExchangeEvent {
        in_time("an event of an exchange", self.exchanges.events.recv()).await.expect("the network runs")
    }

    async fn opened(&mut self) -> (ExchangeRef, Peer, bool) {
        match self.event().await {
            ExchangeEvent::Opened { exchange, peer, ours } => (exchange, peer, ours),
            other => panic!("{other:?}"),
        }
    }

    async fn frame(&mut self) -> Vec<u8> {
        match self.event().await {
            ExchangeEvent::Frame { data, .. } => data,
            other => panic!("not a frame: {other:?}"),
        }
    }

    async fn connected(&mut self) -> Peer {
        common::connected(&mut self.network).await.0
    }
}

async fn pair(seed: u8) -> (Node, Node) {
    let (mut there, address) = Node::in_memory(seed, &[]);
    let (mut here, _) = Node::in_memory(seed + 1, &[address]);
    here.connected().await;
    there.connected().await;
    (here, there)
}

async fn open(here: &mut Node, there: &mut Node) -> (ExchangeRef, ExchangeRef) {
    let (from, to) = (here.network.peer(), there.network.peer());
    here.order(ExchangeOrder::Open { peer: to }).await;
    let (ours, peer, is_ours) = here.opened().await;
    assert_eq!((peer, is_ours), (to, true));
    let (theirs, peer, is_ours) = there.opened().await;
    assert_eq!((peer, is_ours), (from, false));
    (ours, theirs)
}

/// Question, large answer, end.
async fn converse(here: &mut Node, there: &mut Node) {
    let (ours, theirs) = open(here, there).await;
    here.send(ours, vec![1; 28]).await;
    assert_eq!(there.frame().await, vec![1; 28]);
    let large: Vec<u8> = (0..MAX_EXCHANGE_FRAME_BYTES).map(|n| (n % 251) as u8).collect();
    there.send(theirs, large.clone()).await;
    assert!(here.frame().await == large);
    here.send(ours, vec![2]).await;
    here.send(ours, vec![3; 300]).await;
    here.order(ExchangeOrder::Close { exchange: ours }).await;
    assert_eq!((there.frame().await, there.frame().await), (vec![2], vec![3; 300]));
    assert_eq!(there.event().await, ExchangeEvent::Ended { exchange: theirs, ending: Ending::Closed });
    assert_eq!(here.event().await, ExchangeEvent::Ended { exchange: ours, ending: Ending::Closed });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_arrive_whole_and_in_order() {
    let (mut here, mut there) = pair(1).await;
    converse(&mut here, &mut there).await;
    // The place is free again, and the other way round it works too.
    converse(&mut there, &mut here).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn quic_carries_them_too() {
    let mut there = Node::of(on_sockets(3, &["/ip4/127.0.0.1/udp/0/quic-v1"], &[]));
    let address = common::listening(&mut there.network).await;
    let mut here = Node::of(on_sockets(4, &["/ip4/127.0.0.1/udp/0/quic-v1"], &[address]));
    here.connected().await;
    there.connected().await;
    converse(&mut here, &mut there).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_one_of_ours_with_a_peer_and_none_with_a_stranger() {
    let (mut here, mut there) = pair(5).await;
    open(&mut here, &mut there).await;
    let peer = there.network.peer();
    here.order(ExchangeOrder::Open { peer }).await;
    assert_eq!(here.event().await, ExchangeEvent::NotOpened { peer });
    let (absent, _) = Node::in_memory(7, &[]);
    let peer = absent.network.peer();
    here.order(ExchangeOrder::Open { peer }).await;
    assert_eq!(here.event().await, ExchangeEvent::NotOpened { peer });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn others_never_take_the_last_place() {
    let (mut there, address) = Node::in_memory(10, &[]);
    let mut callers = Vec::new();
    for seed in 11..15 {
        let (mut caller, _) = Node::in_memory(seed, std::slice::from_ref(&address));
        caller.connected().await;
        there.connected().await;
        callers.push(caller);
    }
    let peer = there.network.peer();
    for caller in &mut callers[..3] {
        open(caller, &mut there).await;
    }
    let last = &mut callers[3];
    last.order(ExchangeOrder::Open { peer }).await;
    let (refused, ..) = last.opened().await;
    // Closed or torn, as the streams below have it.
    let ended = last.event().await;
    assert!(matches!(ended, ExchangeEvent::Ended { exchange, .. } if exchange == refused), "{ended:?}");
    // The place that is left.
    open(&mut there, &mut callers[0]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_leaves_ends_it() {
    let (mut here, mut there) = pair(20).await;
    let (ours, _) = open(&mut here, &mut there).await;
    assert!(there.network.shutdown(PATIENCE).await, "in time");
    let ended = here.event().await;
    assert!(matches!(ended, ExchangeEvent::Ended { exchange, .. } if exchange == ours), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_takes_no_part_is_left_in_peace() {
    let (mut here, there) = pair(30).await;
    let Node { network, exchanges } = there;
    drop(exchanges);
    let peer = network.peer();
    here.order(ExchangeOrder::Open { peer }).await;
    match here.event().await {
        // It may agree on the stream before it finds that nobody wants it.
        ExchangeEvent::Opened { .. } => assert!(matches!(here.event().await, ExchangeEvent::Ended { .. })),
        other => assert_eq!(other, ExchangeEvent::NotOpened { peer }),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_frames_to_one_that_takes_none_ends_it() {
    let (mut here, mut there) = pair(40).await;
    let (ours, _) = open(&mut here, &mut there).await;
    // What the other node does not take fills its queue, then the stream, then ours; nothing grows beyond.
    for _ in 0..64 {
        here.send(ours, vec![7; MAX_EXCHANGE_FRAME_BYTES]).await;
    }
    let mut frames = 0;
    loop {
        match there.event().await {
            ExchangeEvent::Frame { .. } => frames += 1,
            ExchangeEvent::Ended { .. } => break,
            other => panic!("{other:?}"),
        }
    }
    assert!((1..64).contains(&frames), "{frames}");
}
