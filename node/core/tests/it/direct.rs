//! Words between this node and one peer.

use meerkat_core::{Command, Input, Refusal, Reply};
use meerkat_protocols::mesh::{Event, Found, InboundRef, Order, Path, RequestKind};

use crate::world::*;

#[test]
fn what_is_not_understood_is_answered_so() {
    let mut world = World::new(0);
    for (number, data) in [vec![], vec![0], vec![200, 1, 2], vec![255], vec![99; 16 * 1024]].into_iter().enumerate() {
        let inbound = InboundRef(number as u64);
        world.input(Input::Network(Event::Request { from: peer(1), inbound, data }));
        let refused = Order::Respond { inbound, data: vec![RequestKind::NOT_UNDERSTOOD] };
        assert_eq!(world.orders.pop(), Some(refused));
    }
}

#[test]
fn a_ping_tells_everybody_who_asked() {
    let mut world = World::new(0);
    assert_eq!((world.ask(Command::Ping(peer(1))), world.ask(Command::Ping(peer(1)))), (None, None));
    assert_eq!(world.orders, [Order::Ping { peer: peer(1) }], "one will do");
    let through = Path::Relayed { through: peer(2) };
    world.input(Input::Network(Event::Pinged { peer: peer(1), rtt_us: Some(800), path: through }));
    let reply = Reply::Pinged { peer: peer(1), rtt_us: Some(800), path: through };
    let replies: Vec<_> = world.replies.values().flatten().cloned().collect();
    assert_eq!(replies, [Ok(reply.clone()), Ok(reply)]);
    let answers: Vec<_> = (0..17).map(|n| world.ask(Command::Ping(peer(n)))).collect();
    assert_eq!((&answers[15], &answers[16]), (&None, &Some(Err(Refusal::Busy))));
}

#[test]
fn the_picture_shows_which_way_a_peer_is_connected() {
    let mut world = World::new(0);
    let through = Path::Relayed { through: peer(2) };
    let connected =
        Event::Connected { peer: peer(1), address: "/ip4/192.0.2.1".into(), found: Found::Remembered, path: through };
    for (event, path, public) in [
        (connected, through, None),
        (Event::PathChanged { peer: peer(1), path: Path::Direct }, Path::Direct, None),
        (Event::Reachable { public: true }, Path::Direct, Some(true)),
        (Event::Reachable { public: false }, Path::Direct, Some(false)),
    ] {
        world.input(Input::Network(event));
        let snapshot = world.engine.snapshot(world.now);
        assert_eq!((snapshot.peers[0].path, snapshot.public), (path, public));
    }
    let told = |event: &meerkat_core::Event| matches!(event, meerkat_core::Event::PeerPathChanged(_));
    assert_eq!(world.events.iter().filter(|event| told(event)).count(), 1);
}
