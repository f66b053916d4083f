//! A household's further nodes meet neighbours: they invite, are known by their ties, and are gone when they are taken back.

use meerkat_core::{Command, JoinStage, Refusal, Reply};
use meerkat_protocols::{
    home::NodeNumber,
    mesh::Found,
    roster::Role,
    statement::{Body, Kind, Read, Sealed},
    time::Day,
};

use crate::{
    household::roster,
    lane::*,
    meeting::{invite, join, joined, vouched},
    world::*,
};

/// Of home 0 the nodes 0 and 2, and home 1. Node 2 was named just now, and says so to nobody yet.
fn house() -> (Lane, Sealed) {
    let entries = roster(&[(2, Role::Admin)]);
    let first = World::member(0, 0, &entries, 1);
    let mut lane = Lane::of(vec![first, World::new(1), World::member(0, 2, &entries, 1)]);
    lane.pass(31_000);
    let is_naming = |s: &&Sealed| matches!(s.read(), Ok(Read::Statement(s)) if matches!(s.body, Body::Delegation(_)));
    let named = lane.at(0).published.iter().find(is_naming).cloned().expect("named");
    (lane, named)
}

fn nodes_known(lane: &mut Lane, n: u16) -> Vec<NodeNumber> {
    let mut nodes: Vec<NodeNumber> = lane.at(n).contacts.values().map(|contact| contact.record.node).collect();
    nodes.sort_unstable();
    nodes
}

/// What one node published reaches another.
fn tell(lane: &mut Lane, from: u16, to: u16) {
    for sealed in lane.at(from).published.clone() {
        lane.at(to).hear(9, &sealed);
    }
    lane.run();
}

#[test]
fn any_member_that_neighbours_can_check_invites_and_the_home_is_one_neighbour_with_two_nodes() {
    let (mut lane, named) = house();
    let ask = Command::Invite { name: "Anna".to_owned(), vouches: true, lifetime_s: 3_600 };
    assert_eq!(lane.at(2).ask(ask), Some(Err(Refusal::NotNamedYet)));
    lane.at(2).hear(9, &named);
    lane.run();
    let made = invite(&mut lane, 2, true);
    let ticket = made.ticket.open().expect("it carries who named its maker");
    assert_eq!((ticket.node, ticket.home(), ticket.chain.0.len()), (NodeNumber(2), home(0), 1));
    assert_eq!(join(&mut lane, 1, &made.ticket.to_string(), true), Ok(Reply::Joining(0)));
    assert_eq!(joined(&mut lane, 1).stage, JoinStage::Joined { theirs: true, ours: true });
    assert_eq!(vouched(&mut lane, 1).iter().map(|(_, home)| *home).collect::<Vec<_>>(), [home(0)]);
    assert_eq!(nodes_known(&mut lane, 1), [NodeNumber(2)]);
    // The other node learns of the vouch that its home made, and is known by its own tie.
    tell(&mut lane, 2, 0);
    assert_eq!(vouched(&mut lane, 0).len(), 1, "the home answers, whichever node said so");
    lane.connect(0, 1, Found::Nearby);
    assert_eq!(nodes_known(&mut lane, 1), [NodeNumber(0), NodeNumber(2)]);
    assert_eq!(vouched(&mut lane, 1).len(), 1);
}

#[test]
fn a_further_node_is_known_by_its_own_tie_and_goes_when_it_is_taken_back() {
    let (mut lane, named) = house();
    assert!(lane.at(0).vouch(1).is_ok() && lane.at(1).vouch(0).is_ok());
    lane.run();
    tell(&mut lane, 0, 2);
    lane.connect(2, 1, Found::Nearby);
    assert_eq!(nodes_known(&mut lane, 1), [], "nobody has told home 1 of it");
    lane.part(2, 1);
    lane.at(1).hear(9, &named);
    lane.run();
    lane.connect(2, 1, Found::Nearby);
    assert_eq!((nodes_known(&mut lane, 1), nodes_known(&mut lane, 2)), (vec![NodeNumber(2)], vec![NodeNumber(0)]));
    let Ok(Read::Statement(of)) = named.read() else { panic!("a delegation") };
    let back = Body::Retraction { kind: Kind::Delegation, day: of.day, slot: of.slot };
    let back = signed(0, TODAY, 20, back);
    lane.at(1).hear(9, &back);
    lane.run();
    assert_eq!(nodes_known(&mut lane, 1), []);
    assert_eq!(of.day, Day(TODAY));
    lane.part(2, 1);
    lane.connect(2, 1, Found::Nearby);
    assert_eq!(nodes_known(&mut lane, 1), [], "it is not let in again");
}
