//! Whole networks beside each other: in memory, and over the sockets of this machine.

use std::net::{TcpListener, UdpSocket};

use futures::StreamExt as _;
use libp2p::core::transport::MemoryTransport;
use libp2p::gossipsub::{self, IdentTopic, MessageAuthenticity, ValidationMode};
use libp2p::swarm::SwarmEvent;
use libp2p::{Swarm, SwarmBuilder, noise, tcp, yamux};
use meerkat_network::{Network, Trouble, check_peer, peer_id_text, start, start_over};
use meerkat_protocols::mesh::{Event, Found, MAX_GOSSIP_BYTES, MessageRef, Order, Peer, Validation};
use meerkat_protocols::topic::Topic;

use crate::common::{PATIENCE, connected, in_memory, in_time, listening, on_sockets, order, settings, until};

async fn gossip(network: &mut Network) -> (MessageRef, Vec<u8>, Peer) {
    until(network, "gossip", |event| match event {
        Event::Gossip { message, data, from } => Some((message, data, from)),
        _ => None,
    })
    .await
}

async fn trouble(network: &mut Network) -> String {
    until(network, "trouble", |event| match event {
        Event::Trouble(text) => Some(text),
        _ => None,
    })
    .await
}

async fn publish(network: &Network, data: &[u8]) {
    order(network, Order::Publish { topic: Topic::Vouches, data: data.to_vec() }).await;
}

async fn judge(network: &Network, message: MessageRef, validation: Validation) {
    order(network, Order::Judge { message, validation }).await;
}

#[tokio::test]
async fn a_message_goes_on_only_when_it_was_accepted() {
    let (one, address) = in_memory(1, &[]);
    let (mut two, address) = in_memory(2, &[address]);
    let (mut three, _) = in_memory(3, &[address]);
    for _ in 0..2 {
        connected(&mut two).await;
    }
    connected(&mut three).await;

    publish(&one, b"waits").await;
    let (waits, data, from) = gossip(&mut two).await;
    assert_eq!((data, from), (b"waits".to_vec(), one.peer()));
    for (data, validation) in [(b"ignored", Validation::Ignore), (b"refused", Validation::Reject)] {
        publish(&one, data).await;
        let (message, heard, _) = gossip(&mut two).await;
        assert_eq!(heard, data);
        judge(&two, message, validation).await;
    }
    publish(&one, b"accepted").await;
    let (message, ..) = gossip(&mut two).await;
    judge(&two, message, Validation::Accept).await;
    let (_, data, from) = gossip(&mut three).await;
    assert_eq!((data, from), (b"accepted".to_vec(), two.peer()), "neither the waiting nor the refused ones came");

    judge(&two, waits, Validation::Accept).await;
    assert_eq!(gossip(&mut three).await.1, b"waits");
}

#[tokio::test]
async fn four_nodes_in_a_row_pass_a_message_on_over_tcp() {
    let mut nodes: Vec<Network> = Vec::new();
    let mut address = None;
    for seed in 1..=4 {
        let mut node = on_sockets(seed, &["/ip4/127.0.0.1/tcp/0"], address.as_slice());
        address = Some(listening(&mut node).await);
        nodes.push(node);
    }
    for node in &mut nodes[1..] {
        connected(node).await;
    }
    publish(&nodes[0], b"hello").await;
    for node in &mut nodes[1..] {
        let (message, data, _) = gossip(node).await;
        assert_eq!(data, b"hello");
        judge(node, message, Validation::Accept).await;
    }
}

#[tokio::test]
async fn quic_carries_too() {
    let mut one = on_sockets(1, &["/ip4/127.0.0.1/udp/0/quic-v1"], &[]);
    let address = listening(&mut one).await;
    assert!(address.contains("/quic-v1/p2p/12D3Koo"), "{address}");
    let mut two = on_sockets(2, &[], &[address]);
    assert_eq!(connected(&mut two).await, (one.peer(), Found::Configured));
    assert_eq!(connected(&mut one).await, (two.peer(), Found::CalledUs));
    publish(&two, b"by quic").await;
    assert_eq!(gossip(&mut one).await.1, b"by quic");
}

#[tokio::test]
async fn what_was_said_alone_is_heard_later() {
    let (one, address) = in_memory(1, &[]);
    publish(&one, b"first").await;
    publish(&one, b"second").await;
    let (mut two, _) = in_memory(2, &[address]);
    assert_eq!(gossip(&mut two).await.1, b"first");
    assert_eq!(gossip(&mut two).await.1, b"second");
}

#[tokio::test]
async fn a_country_hears_its_own_and_all_hear_of_vouches() {
    let in_country = |code: &str| Topic::heard_in(code.parse().expect("a country"));
    let (one, address) = in_memory(1, &[]);
    let (mut two, _) = in_memory(2, &[address]);
    order(&one, Order::Hear { topics: in_country("DE") }).await;
    order(&two, Order::Hear { topics: in_country("AT") }).await;
    connected(&mut two).await;
    let report = in_country("DE")[1];
    order(&one, Order::Publish { topic: report, data: b"a report".to_vec() }).await;
    publish(&one, b"a vouch").await;
    assert_eq!(gossip(&mut two).await.1, b"a vouch");
    // Nobody heard the report; whoever comes to hear that country is told.
    order(&two, Order::Hear { topics: in_country("DE") }).await;
    assert_eq!(gossip(&mut two).await.1, b"a report");
    // The same bytes on another topic are another message: what was sent to the wrong place does not make deaf.
    order(&one, Order::Publish { topic: in_country("DE")[2], data: b"a report".to_vec() }).await;
    assert_eq!(gossip(&mut two).await.1, b"a report");
}

#[tokio::test]
async fn two_that_call_each_other_meet_once_and_part_once() {
    let both = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"];
    let mut scout = on_sockets(2, &both, &[]);
    let (first, second) = (listening(&mut scout).await, listening(&mut scout).await);
    let two = scout.peer();
    assert!(scout.shutdown(PATIENCE).await);

    // The second knows nobody until the first is there; then both call at the same time.
    let mut one = on_sockets(1, &both, &[first.clone(), second.clone()]);
    let own = listening(&mut one).await;
    let plain = |address: &str| address.split("/p2p/").next().expect("an address").to_owned();
    let two_again = on_sockets(2, &[&plain(&first), &plain(&second)], &[own]);
    assert_eq!(connected(&mut one).await, (two, Found::Configured));

    // A message both ways shows that the connection stays.
    publish(&two_again, b"still here").await;
    assert_eq!(gossip(&mut one).await.1, b"still here");
    assert!(two_again.shutdown(PATIENCE).await);
    let between = until(&mut one, "disconnected", |event| match event {
        Event::Connected { .. } => Some(Err("connected twice")),
        Event::Disconnected { peer } => Some(Ok(peer)),
        _ => None,
    })
    .await;
    assert_eq!(between, Ok(two));

    // And when it comes back it is found again, without a word from anybody.
    let mut two_once_more = on_sockets(2, &[&plain(&first), &plain(&second)], &[]);
    let (peer, _) = until(&mut one, "connected again", |event| match event {
        Event::Connected { peer, found, .. } => Some((peer, found)),
        Event::Disconnected { .. } => panic!("disconnected twice"),
        _ => None,
    })
    .await;
    assert_eq!(peer, two);
    assert_eq!(connected(&mut two_once_more).await.0, one.peer());
}

/// Its first connection looks alive to us for another minute; it must not make the second one deaf.
#[tokio::test]
async fn a_peer_that_lost_its_power_is_heard_again_at_once() {
    let mut one = on_sockets(1, &["/ip4/127.0.0.1/udp/0/quic-v1"], &[]);
    let address = listening(&mut one).await;
    let machine = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let called = address.clone();
    let gone = tokio::task::spawn_blocking(move || {
        let two = machine.block_on(async {
            let mut two = on_sockets(2, &["/ip4/127.0.0.1/udp/0/quic-v1"], &[called]);
            publish(&two, b"before").await;
            assert_eq!(gossip(&mut two).await.1, b"greeting");
            two
        });
        let peer = two.peer();
        // Without a goodbye: nothing of it is ever run or dropped again.
        std::mem::forget((machine, two));
        peer
    });
    let (peer, _) = connected(&mut one).await;
    assert_eq!(gossip(&mut one).await.1, b"before");
    publish(&one, b"greeting").await;
    assert_eq!(gone.await.expect("no panic"), peer);

    let mut two = on_sockets(2, &["/ip4/127.0.0.1/udp/0/quic-v1"], &[address]);
    // What is sent before this goes to the dead connection and is lost.
    let lost = |event| matches!(event, Event::Disconnected { .. }).then_some(());
    until(&mut one, "the old connection given up", lost).await;
    assert_eq!(connected(&mut one).await.0, two.peer());
    publish(&one, b"are you there").await;
    assert_eq!(gossip(&mut two).await.1, b"are you there");
    publish(&two, b"here I am").await;
    assert_eq!(gossip(&mut one).await.1, b"here I am");
}

#[tokio::test]
async fn a_burst_arrives_whole() {
    const BURST: usize = 600;
    let (one, address) = in_memory(1, &[]);
    let (mut two, _) = in_memory(2, &[address]);
    connected(&mut two).await;
    for number in 0..BURST {
        publish(&one, format!("statement {number}").as_bytes()).await;
    }
    let mut heard = std::collections::BTreeSet::new();
    while heard.len() < BURST {
        let (message, data, _) = gossip(&mut two).await;
        judge(&two, message, Validation::Accept).await;
        assert!(heard.insert(data), "twice");
    }
}

#[tokio::test]
async fn a_remembered_peer_is_called() {
    let (one, address) = in_memory(1, &[]);
    let mut two_settings = settings(2, &["/memory/990001"], &[]);
    two_settings.remembered = vec![(one.peer(), vec!["rubbish".to_owned(), address])];
    let mut two = start_over(MemoryTransport::new(), &two_settings).expect("it starts");
    assert_eq!(connected(&mut two).await, (one.peer(), Found::Remembered));
}

#[tokio::test]
async fn a_taken_port_is_told_and_another_one_used() {
    let tcp = TcpListener::bind("127.0.0.1:0").expect("a port");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("a port");
    let (tcp_port, udp_port) = (tcp.local_addr().expect("bound").port(), udp.local_addr().expect("bound").port());
    let listen = [format!("/ip4/127.0.0.1/tcp/{tcp_port}"), format!("/ip4/127.0.0.1/udp/{udp_port}/quic-v1")];
    let mut node = on_sockets(1, &[&listen[0], &listen[1]], &[]);
    for address in &listen {
        let text = trouble(&mut node).await;
        assert!(text.contains(address) && text.contains("another program"), "{text}");
    }
    let found = [listening(&mut node).await, listening(&mut node).await];
    assert!(found.iter().any(|address| address.contains("/tcp/")), "{found:?}");
    assert!(found.iter().any(|address| address.contains("/quic-v1")), "{found:?}");
    assert!(listen.iter().all(|taken| !found.iter().any(|address| address.starts_with(&format!("{taken}/")))));
    let mut other = on_sockets(2, &["/ip4/127.0.0.1/tcp/0"], &found);
    assert_eq!(connected(&mut other).await.0, node.peer());
}

/// libp2p shares a TCP port among processes of one user; a second node must not take half of the first one's callers.
#[tokio::test]
async fn a_second_node_does_not_share_the_first_ones_port() {
    let mut one = on_sockets(1, &["/ip4/127.0.0.1/tcp/0"], &[]);
    let address = listening(&mut one).await;
    let plain = address.split("/p2p/").next().expect("an address");
    let mut two = on_sockets(2, &[plain], &[]);
    assert!(trouble(&mut two).await.contains("another program"));
    assert!(!listening(&mut two).await.starts_with(&format!("{plain}/")));
}

#[tokio::test]
async fn an_address_not_of_this_machine_is_told() {
    let mut node = on_sockets(1, &["/ip4/192.0.2.1/tcp/0", "/ip4/127.0.0.1/tcp/0"], &[]);
    let text = trouble(&mut node).await;
    assert!(text.contains("/ip4/192.0.2.1/tcp/0") && text.contains("--listen"), "{text}");
    assert!(listening(&mut node).await.contains("127.0.0.1"));
}

#[tokio::test]
async fn a_wrong_setting_says_where_and_what() {
    let wrong = settings(1, &["/ip4/127.0.0.1/tcp/0"], &["192.168.1.20:4787".to_owned()]);
    let Err(error @ Trouble::Address { setting: "peers", .. }) = start(&wrong) else { panic!("it started") };
    assert!(error.to_string().contains("192.168.1.20:4787"), "{error}");
    assert!(matches!(start(&settings(1, &["tcp"], &[])), Err(Trouble::Address { setting: "listen", .. })));
}

#[tokio::test]
async fn a_peer_that_is_ourselves_or_another_is_told() {
    let mut one = on_sockets(1, &["/ip4/127.0.0.1/tcp/0"], &[]);
    let address = listening(&mut one).await;
    let plain = address.split("/p2p/").next().expect("an address").to_owned();
    let wrong = format!("{plain}/p2p/{}", peer_id_text(nobody()));
    check_peer(&wrong).expect("a good address");
    let mut two = on_sockets(2, &["/ip4/127.0.0.1/tcp/0"], &[wrong]);
    assert!(trouble(&mut two).await.contains(&peer_id_text(one.peer())));
    assert!(one.shutdown(PATIENCE).await);
    let mut one = on_sockets(1, &[&plain], std::slice::from_ref(&plain));
    let text = trouble(&mut one).await;
    assert!(text.contains("this node itself"), "{text}");
}

fn nobody() -> Peer {
    let key = libp2p::identity::Keypair::generate_ed25519().public().try_into_ed25519().expect("Ed25519");
    Peer(key.to_bytes())
}

#[tokio::test]
async fn we_do_not_send_what_nobody_takes() {
    let (mut one, _) = in_memory(1, &[]);
    publish(&one, &vec![1; MAX_GOSSIP_BYTES + 1]).await;
    assert!(trouble(&mut one).await.contains("4097 bytes"));
}

/// Speaks our gossip without our manners.
fn stranger(
    authenticity: impl FnOnce(&libp2p::identity::Keypair) -> MessageAuthenticity,
) -> Swarm<gossipsub::Behaviour> {
    let config = gossipsub::ConfigBuilder::default()
        .protocol_id_prefix("/meerkat/gossip")
        .validation_mode(ValidationMode::None)
        .message_id_fn(|message| gossipsub::MessageId::new(&message.data))
        .build()
        .expect("valid");
    SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .expect("noise")
        .with_behaviour(|key| {
            let mut gossip = gossipsub::Behaviour::new(authenticity(key), config).expect("valid");
            gossip.subscribe(&IdentTopic::new(Topic::Vouches.to_string())).expect("allowed");
            gossip
        })
        .expect("a behaviour")
        .build()
}

async fn meet(stranger: &mut Swarm<gossipsub::Behaviour>, address: &str) {
    stranger.dial(address.parse::<libp2p::Multiaddr>().expect("an address")).expect("a call");
    in_time("subscribed", async {
        loop {
            if let SwarmEvent::Behaviour(gossipsub::Event::Subscribed { .. }) = stranger.select_next_some().await {
                return;
            }
        }
    })
    .await;
}

#[tokio::test]
async fn too_long_a_message_is_refused_and_a_fitting_one_taken() {
    let mut node = on_sockets(1, &["/ip4/127.0.0.1/tcp/0"], &[]);
    let mut stranger = stranger(|_| MessageAuthenticity::Anonymous);
    meet(&mut stranger, &listening(&mut node).await).await;
    let topic = IdentTopic::new(Topic::Vouches.to_string());
    for bytes in [MAX_GOSSIP_BYTES + 1, 16_000, MAX_GOSSIP_BYTES] {
        stranger.behaviour_mut().publish(topic.clone(), vec![7; bytes]).expect("sent");
    }
    let heard = tokio::select! {
        heard = gossip(&mut node) => heard,
        _ = async { loop { stranger.select_next_some().await; } } => unreachable!("it never ends"),
    };
    assert_eq!(heard.1.len(), MAX_GOSSIP_BYTES);
}

#[tokio::test]
async fn a_message_that_names_its_maker_is_refused() {
    let mut node = on_sockets(1, &["/ip4/127.0.0.1/tcp/0"], &[]);
    let address = listening(&mut node).await;
    let mut signing = stranger(|key| MessageAuthenticity::Signed(key.clone()));
    let mut anonymous = stranger(|_| MessageAuthenticity::Anonymous);
    meet(&mut signing, &address).await;
    signing.behaviour_mut().publish(IdentTopic::new(Topic::Vouches.to_string()), "signed").expect("sent");
    let sent_late = async {
        meet(&mut anonymous, &address).await;
        anonymous.behaviour_mut().publish(IdentTopic::new(Topic::Vouches.to_string()), "anonymous").expect("sent");
        loop {
            anonymous.select_next_some().await;
        }
    };
    let heard = tokio::select! {
        heard = gossip(&mut node) => heard,
        _ = async { loop { signing.select_next_some().await; } } => unreachable!("it never ends"),
        _ = sent_late => unreachable!("it never ends"),
    };
    assert_eq!(heard.1, b"anonymous");
}
