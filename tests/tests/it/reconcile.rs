//! What an exchange decides, carried by the network: two nodes that hold different things hold the same afterwards.

use std::collections::BTreeMap;

use meerkat_network::libp2p::core::transport::MemoryTransport;
use meerkat_network::{Exchanges, Network, NetworkKey, Settings, start_over};
use meerkat_protocols::mesh::{
    Ending, Event, ExchangeEvent, ExchangeOrder, ExchangeRef, MAX_EXCHANGE_FRAME_BYTES, Peer,
};
use meerkat_protocols::statement::{MAX_STATEMENT_BYTES, StatementId};
use meerkat_reconcile::{Id, Inventory, MAX_BODY_BYTES, MAX_FRAME_BYTES, Opening, Scope, Session, SetId, Step};
use meerkat_tests::wait::PATIENCE;

// The limits of the parts fit together, or this does not compile.
const _: () = assert!(MAX_FRAME_BYTES <= MAX_EXCHANGE_FRAME_BYTES);
const _: () = assert!(MAX_STATEMENT_BYTES <= MAX_BODY_BYTES);

const SET: SetId = SetId { shard: 0, day: 20_000 };

fn id_of(body: &[u8]) -> Id {
    StatementId::of(body).0
}

/// A node with nothing but an inventory.
struct Node {
    network: Network,
    exchanges: Exchanges,
    inventory: Inventory,
    bodies: BTreeMap<Id, Vec<u8>>,
}

impl Node {
    fn start(seed: u8, listen: &str, peers: &[&str], numbers: std::ops::Range<u32>) -> Self {
        let text = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        let key = NetworkKey::new([seed; 32]);
        let settings = Settings { listen: text(&[listen]), peers: text(peers), mdns: false, ..Settings::new(key) };
        let mut network = start_over(MemoryTransport::new(), &settings).expect("it starts");
        let exchanges = network.exchanges.take().expect("taken once");
        let mut node = Self { network, exchanges, inventory: Inventory::new(), bodies: BTreeMap::new() };
        numbers.for_each(|n| node.keep(n.to_le_bytes().repeat(30)));
        node
    }

    fn keep(&mut self, body: Vec<u8>) {
        self.inventory.insert(SET, id_of(&body));
        self.bodies.insert(id_of(&body), body);
    }

    async fn connected(&mut self) -> Peer {
        loop {
            if let Event::Connected { peer, .. } = self.network.events.recv().await.expect("the network runs") {
                return peer;
            }
        }
    }

    async fn order(&self, order: ExchangeOrder) {
        self.exchanges.orders.send(order).await.expect("the network runs");
    }

    /// Does what the session asks for, until the stream ends.
    async fn converse(&mut self) -> Ending {
        let mut open: Option<(ExchangeRef, Session)> = None;
        loop {
            match self.exchanges.events.recv().await.expect("the network runs") {
                ExchangeEvent::Opened { exchange, ours, .. } => {
                    open = Some((exchange, self.begin(exchange, ours).await));
                }
                ExchangeEvent::Frame { exchange, data } => {
                    let (_, session) = open.as_mut().expect("it was opened");
                    let step = session.handle(&self.inventory, &data, 0, id_of).expect("both are honest");
                    self.follow(exchange, session, step).await;
                }
                ExchangeEvent::Ended { ending, .. } => return ending,
                ExchangeEvent::NotOpened { peer } => panic!("no exchange with {peer:?}"),
            }
        }
    }

    async fn begin(&self, exchange: ExchangeRef, ours: bool) -> Session {
        if !ours {
            return Session::answer(0, 0);
        }
        let opening = Opening { scope: Scope::everything(), expected: Some(0), salt: None, retry_salt: 1 };
        let (session, data) = Session::open(&self.inventory, opening, 0);
        self.order(ExchangeOrder::Frame { exchange, data }).await;
        session
    }

    async fn follow(&mut self, exchange: ExchangeRef, session: &mut Session, first: Step) {
        let mut steps = vec![first];
        while let Some(step) = steps.pop() {
            if !step.came.is_empty() {
                step.came.into_iter().for_each(|body| self.keep(body));
                steps.push(session.taken(0));
            }
            for data in step.send {
                self.order(ExchangeOrder::Frame { exchange, data }).await;
            }
            if !step.load.is_empty() {
                steps.push(session.loaded(step.load.iter().map(|id| self.bodies[id].clone()).collect(), 0));
            }
            if step.done {
                self.order(ExchangeOrder::Close { exchange }).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_were_apart_hold_the_same_after_an_exchange() {
    let address = "/memory/4787001";
    let mut there = Node::start(1, address, &[], 0..4_000);
    let mut here = Node::start(2, "/memory/4787002", &[address], 1_500..6_000);
    let peer = here.connected().await;
    there.connected().await;
    here.order(ExchangeOrder::Open { peer }).await;
    let meeting = async { tokio::join!(here.converse(), there.converse()) };
    let endings = tokio::time::timeout(PATIENCE, meeting).await.expect("in time");
    assert_eq!(endings, (Ending::Closed, Ending::Closed));
    assert_eq!(here.bodies.len(), 6_000);
    assert!(here.bodies == there.bodies);
}
