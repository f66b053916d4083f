//! Nodes that find each other on a local network, without a daemon around them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use meerkat_tests::bare::{Bare, program};
use meerkat_tests::namespace::{Lan, unavailable};
use meerkat_tests::wait::until;

/// Whether this is gossiped to it within a second.
fn hears(node: &Bare, text: &str) -> bool {
    let deadline = Instant::now() + Duration::from_secs(1);
    while let Some(event) = node.event(deadline.saturating_duration_since(Instant::now())) {
        if event["event"] == "gossip" && event["text"] == text {
            return true;
        }
    }
    false
}

/// The peers that connect, until there are so many.
fn meets(node: &Bare, count: usize) -> BTreeSet<String> {
    let mut peers = BTreeSet::new();
    while peers.len() < count {
        let event = node.until("connected");
        assert!(["Nearby", "CalledUs"].contains(&event["found"].as_str().expect("text")), "{event}");
        assert!(peers.insert(event["peer"].as_str().expect("text").to_owned()), "{event} twice");
    }
    peers
}

#[test]
fn four_nodes_find_each_other_by_themselves() {
    if let Some(why) = unavailable() {
        return eprintln!("{why}");
    }
    let (program, lan) = (program(), Lan::new(4));
    let mut nodes: Vec<Bare> = (0..4).map(|machine| Bare::start(lan.command(machine, &program))).collect();
    for node in &nodes {
        let others = nodes.iter().map(|other| other.peer.clone()).filter(|peer| *peer != node.peer);
        assert_eq!(meets(node, 3), others.collect());
    }
    // Gossip promises nothing to a peer that has connected and not yet said what it subscribes to: said again, it arrives.
    let mut round = 0;
    until("gossip at all of them", || {
        round += 1;
        let text = format!("hello {round}");
        nodes[0].say(&format!("publish {text}"));
        nodes[1..].iter().all(|node| hears(node, &text)).then_some(())
    });
    let last = nodes.pop().expect("four");
    let gone = last.peer.clone();
    last.stop();
    for node in &nodes {
        assert_eq!(node.until("disconnected")["peer"], gone.as_str());
    }
}

#[test]
fn a_node_that_was_there_before_its_network_is_found() {
    if let Some(why) = unavailable() {
        return eprintln!("{why}");
    }
    let (program, lan) = (program(), Lan::new(2));
    lan.unplug(1);
    let nodes = [Bare::start(lan.command(0, &program)), Bare::start(lan.command(1, &program))];
    lan.plug(1);
    assert_eq!(meets(&nodes[0], 1), [nodes[1].peer.clone()].into());
    assert_eq!(meets(&nodes[1], 1), [nodes[0].peer.clone()].into());
}
