//! Whom to call without asking a server.

use meerkat_core::{Input, Restored};
use meerkat_protocols::{
    batch::Write,
    mesh::{Event, Found, InboundRef, Order, Path, Peer, RequestKind},
    peerlist::{Listed, PeerList, Wanted},
    roster::Role,
};

use crate::{household::House, lane::*, world::*};

fn connect(world: &mut World, n: u16, address: &str, found: Found, path: Path) {
    let event = Event::Connected { peer: peer(n), address: address.into(), found, path };
    world.input(Input::Network(event));
}

/// What was written of peers, in order: who was kept, and who dropped.
fn written(world: &mut World) -> (Vec<Peer>, Vec<Peer>) {
    world.pass(61_000);
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    for write in world.batches.iter().flat_map(|batch| &batch.writes) {
        match write {
            Write::Peer(peer, _) => kept.push(*peer),
            Write::DropPeer(peer) => dropped.push(*peer),
            _ => {}
        }
    }
    (kept, dropped)
}

#[test]
fn the_two_hundred_met_last_are_remembered() {
    let old: Vec<(Peer, Vec<String>)> =
        (1_000..1_250).map(|n| (peer(n), vec!["/ip4/203.0.113.7/tcp/4787".into()])).collect();
    let mut world = World::started(0, None, Restored { peers: old, ..Restored::default() }, &[]);
    assert_eq!(written(&mut world).1.len(), 50, "more than can be kept");
    for n in 0..201 {
        world.pass(1_000);
        connect(&mut world, n, "/ip4/203.0.113.8/tcp/4787", Found::Remembered, Path::Direct);
        world.input(Input::Network(Event::Disconnected { peer: peer(n) }));
    }
    let (kept, dropped) = written(&mut world);
    assert_eq!((kept.len(), dropped.len()), (201, 251));
    assert!((1_000..1_250).all(|n| dropped.contains(&peer(n))), "those of earlier days go first");
    assert_eq!(dropped.last(), Some(&peer(0)), "and then the one not seen for longest");
}

#[test]
fn who_cannot_be_reached_again_is_not_remembered() {
    let mut world = World::new(0);
    connect(&mut world, 1, "/ip4/203.0.113.8/tcp/50000", Found::CalledUs, Path::Direct);
    let relayed = Path::Relayed { through: peer(9) };
    connect(&mut world, 2, "/ip4/203.0.113.8/tcp/4787", Found::Remembered, relayed);
    connect(&mut world, 3, "/ip4/203.0.113.8/tcp/4787", Found::Nearby, Path::Direct);
    assert_eq!(written(&mut world).0, [peer(3)]);
}

#[test]
fn strangers_are_told_of_nobody() {
    let mut world = World::new(0);
    connect(&mut world, 1, "/ip4/203.0.113.8/tcp/4787", Found::Remembered, Path::Direct);
    let data = [&[RequestKind::Peers.byte()], &Wanted::new(20).encode()[..]].concat();
    world.input(Input::Network(Event::Request { from: peer(2), inbound: InboundRef(7), data }));
    let refused = Order::Respond { inbound: InboundRef(7), data: vec![RequestKind::NOT_UNDERSTOOD] };
    assert_eq!(world.orders.last(), Some(&refused));
    // Nor is anything taken from an answer that was not asked for.
    let list = PeerList::of([Listed(peer(3), vec!["/ip4/203.0.113.9/tcp/4787".into()])]);
    let answer = Event::Response { request: meerkat_protocols::mesh::RequestRef(99), data: list.encode() };
    world.input(Input::Network(answer));
    assert!(!world.orders.iter().any(|order| matches!(order, Order::Dial { .. })));
}

#[test]
fn contacts_tell_each_other_of_peers_that_can_be_reached() {
    let mut lane = Lane::new(2);
    assert!(lane.at(0).vouch(1).is_ok() && lane.at(1).vouch(0).is_ok());
    let public = "/ip4/203.0.113.8/tcp/4787";
    for (n, address, found) in [
        (70, format!("{public}/p2p/12D3KooWx"), Found::Remembered),
        (71, "/ip4/203.0.113.9/tcp/50123".into(), Found::CalledUs),
        (72, "/ip4/192.168.1.7/tcp/4787".into(), Found::Nearby),
    ] {
        connect(lane.at(0), n, &address, found, Path::Direct);
    }
    lane.run();
    lane.connect(0, 1, Found::Nearby);
    let told: Vec<_> =
        lane.called.iter().filter(|(from, peer, _)| *from == 1 && *peer != crate::world::peer(0)).collect();
    assert_eq!(told, [&(1, peer(70), vec![public.to_owned()])], "not those that called, nor those in the same house");
    let asked = |lane: &Lane| lane.carried.iter().filter(|(.., data)| data[0] == RequestKind::Peers.byte()).count();
    let before = asked(&lane);
    // Asked again at once, it is not; and whoever has company does not ask.
    lane.part(0, 1);
    lane.connect(0, 1, Found::Nearby);
    assert_eq!(asked(&lane), before);
    for n in 100..110 {
        connect(lane.at(1), n, "/ip4/203.0.113.8/tcp/4787", Found::Nearby, Path::Direct);
    }
    let carried = lane.carried.len();
    lane.pass(3_700_000);
    assert!(!lane.carried[carried..].iter().any(|(from, _, data)| *from == 1 && data[0] == RequestKind::Peers.byte()));
}

#[test]
fn where_a_member_can_be_called_is_kept_although_it_always_called_us() {
    let mut house = House::of(&[(1, Role::Admin)]);
    let address = "/ip4/192.168.1.7/tcp/4787";
    house.cut(0, 1);
    house.world(0).input(Input::Network(Event::Listening { address: format!("{address}/p2p/12D3own") }));
    house.link(0, 1);
    house.pass(120);
    let told = |world: &World| {
        let writes = world.batches.iter().flat_map(|batch| batch.writes.clone());
        writes.filter(|w| matches!(w, Write::Peer(of, at) if *of == crate::world::peer(0) && at == &[address])).count()
    };
    assert_eq!(told(house.world(1)), 1, "once, however often it is said");
    house.cut(0, 1);
    let moved = "/ip4/192.168.1.8/tcp/4787";
    house.world(0).input(Input::Network(Event::Listening { address: format!("{moved}/p2p/12D3own") }));
    house.link(0, 1);
    house.pass(120);
    let writes = house.world(1).batches.iter().flat_map(|batch| &batch.writes).rev();
    let last = writes.filter_map(|write| match write {
        Write::Peer(of, at) if *of == crate::world::peer(0) => Some(at.clone()),
        _ => None,
    });
    assert!(last.take(1).any(|at| at.contains(&moved.to_owned())), "and what is new of it");
}
