//! How nodes of homes that answer for each other get to know each other, and who does not.

use meerkat_core::{Command, Event, Input, Reply};
use meerkat_protocols::{
    contact::{About, NodeRecord, SignedRecord},
    home::NodeNumber,
    meeting::Word,
    mesh::{self, Found, InboundRef, Order, RequestKind},
};

use crate::{lane::*, world::*};

fn record(home: u16, of_peer: u16, signer: u16) -> SignedRecord {
    let about = About { peer: peer(of_peer), ..About::default() };
    let (addresses, relays) = (vec![address(of_peer)], vec![]);
    NodeRecord {
        genesis: genesis(home),
        node: NodeNumber(0),
        chain: Default::default(),
        about,
        addresses,
        relays,
        sequence: 9,
    }
    .sign(&key(signer))
}

fn said(kind: RequestKind, word: &Word) -> Vec<u8> {
    [vec![kind.byte()], word.encode()].concat()
}

/// Homes 0 and 1 answer for each other; 2 and 3 for nobody.
fn neighbours() -> Lane {
    let mut lane = Lane::new(4);
    assert!(lane.at(0).vouch(1).is_ok() && lane.at(1).vouch(0).is_ok());
    lane.run();
    lane
}

fn knows(lane: &mut Lane, n: u16) -> Vec<(String, bool)> {
    let world = lane.at(n);
    world.engine.snapshot(world.now).contacts.iter().map(|c| (c.home.to_string(), c.online)).collect()
}

#[test]
fn two_that_answer_for_each_other_become_contacts_when_they_connect_whoever_calls() {
    for (caller, callee) in [(0, 1), (1, 0)] {
        let mut lane = neighbours();
        lane.connect(caller, callee, Found::Nearby);
        assert_eq!(knows(&mut lane, 0), [(home(1).to_string(), true)]);
        assert_eq!(knows(&mut lane, 1), [(home(0).to_string(), true)]);
        let kept = lane.at(0).contacts.get(&peer(1)).cloned().expect("on disk");
        assert_eq!(kept.record.addresses, [address(1)]);
        // Away, a restart, and it is known still and called at once.
        lane.part(0, 1);
        let again = lane.at(0).restarted();
        lane.worlds[0] = again;
        assert_eq!(knows(&mut lane, 0), [(home(1).to_string(), false)]);
        lane.run();
        assert_eq!(knows(&mut lane, 0), [(home(1).to_string(), true)]);
    }
}

#[test]
fn a_vouch_made_while_connected_is_enough() {
    let mut lane = Lane::new(2);
    lane.connect(0, 1, Found::Nearby);
    assert!(lane.at(0).vouch(1).is_ok());
    lane.run();
    assert_eq!(knows(&mut lane, 0), [], "the other side has to answer for it too");
    assert!(lane.at(1).vouch(0).is_ok());
    lane.run();
    assert_eq!((knows(&mut lane, 0).len(), knows(&mut lane, 1).len()), (1, 1));
}

#[test]
fn with_the_vouch_the_contact_goes() {
    let mut lane = neighbours();
    lane.connect(0, 1, Found::Nearby);
    assert_eq!(lane.at(0).ask(Command::Unvouch(home(1))), Some(Ok(Reply::Unvouched(home(1)))));
    lane.run();
    assert_eq!(knows(&mut lane, 0), []);
    assert!(lane.at(0).contacts.is_empty(), "on disk too");
    assert!(lane.at(0).events.contains(&Event::ContactChanged(home(1))));
    // It is not let in again by what it says.
    let answer = lane.says(1, 0, &said(RequestKind::Record, &Word::Record(record(1, 1, 1))));
    assert_eq!(answer, Some(Word::Nothing.encode()));
}

#[test]
fn a_stranger_learns_nothing_of_whom_it_is_connected_to() {
    let mut lane = neighbours();
    for stranger in [2, 3] {
        lane.connect(stranger, 0, Found::Nearby);
        lane.connect(1, stranger, Found::Nearby);
    }
    assert!(lane.at(2).vouch(0).is_ok(), "to answer for somebody is no way to know them");
    lane.run();
    let names = [genesis(0).home().0, genesis(1).home().0];
    let keys = [key(0).verifying_key().to_bytes(), key(1).verifying_key().to_bytes()];
    for (_, _, data) in lane.carried.iter().filter(|(_, to, _)| *to >= 2) {
        let shows = |needle: &[u8]| data.windows(needle.len()).any(|w| w == needle);
        assert!(!names.iter().any(|n| shows(n)) && !keys.iter().any(|k| shows(k)), "a home showed itself");
    }
    let nothing = Word::Nothing.encode();
    for word in [
        Word::Greeting(vec![[7; 16]; 12]),
        Word::Record(record(2, 2, 2)),
        // The right home, but not the one who speaks; the right peer, but not signed by the home.
        Word::Record(record(1, 1, 1)),
        Word::Record(record(1, 2, 2)),
        Word::Record(SignedRecord(vec![0x8b; 300].into())),
        Word::Here(1),
        Word::Cancel,
    ] {
        for kind in [RequestKind::Record, RequestKind::Heartbeat] {
            assert_eq!(lane.says(2, 0, &said(kind, &word)), Some(nothing.clone()), "{kind:?} {word:?}");
        }
    }
    assert_eq!((knows(&mut lane, 0).len(), knows(&mut lane, 2).len()), (0, 0));
    assert_eq!(lane.says(2, 0, &[200, 1]), Some(vec![RequestKind::NOT_UNDERSTOOD]));
    assert_eq!(lane.says(2, 0, &[]), Some(vec![RequestKind::NOT_UNDERSTOOD]));
}

#[test]
fn a_greeting_that_was_overheard_opens_nothing_for_another() {
    let mut lane = neighbours();
    lane.connect(0, 1, Found::Nearby);
    let greeting = lane.carried.iter().find(|(from, to, data)| (*from, *to, data[0]) == (0, 1, 1)).cloned();
    let (_, _, greeting) = greeting.expect("the caller speaks first");
    assert_eq!(lane.says(2, 1, &greeting), Some(Word::Nothing.encode()));
    assert_eq!(lane.says(1, 0, &greeting), Some(Word::Nothing.encode()), "nor the way back");
}

#[test]
fn a_peer_that_asks_without_end_is_answered_with_nothing() {
    let mut lane = neighbours();
    let word = said(RequestKind::Record, &Word::Record(record(1, 1, 1)));
    let answers: Vec<_> = (0..40).filter_map(|_| lane.says(1, 0, &word)).collect();
    let told = answers.iter().filter(|answer| **answer != Word::Nothing.encode()).count();
    // The twelfth was its answer when we were first told of it.
    assert_eq!((answers.len(), told), (40, 11));
    assert_eq!(lane.at(0).contacts.len(), 1);
    lane.pass(60_000);
    assert_ne!(lane.says(1, 0, &word), Some(Word::Nothing.encode()));
}

#[test]
fn a_contact_is_there_while_it_is_heard_and_away_after_five_silent_minutes() {
    let mut lane = neighbours();
    lane.connect(0, 1, Found::Nearby);
    lane.pass(20 * 60_000);
    assert_eq!(knows(&mut lane, 0), [(home(1).to_string(), true)]);
    let beats = |lane: &Lane| lane.carried.iter().filter(|(.., data)| data[0] == RequestKind::Heartbeat.byte()).count();
    assert_eq!(beats(&lane), 40, "one a minute each way");
    lane.part(0, 1);
    // The contacts are called whenever they are away: nobody answers now.
    lane.reachable = false;
    lane.pass(4 * 60_000);
    assert_eq!(knows(&mut lane, 0), [(home(1).to_string(), true)], "a restart is no absence");
    lane.pass(62_000);
    assert_eq!(knows(&mut lane, 0), [(home(1).to_string(), false)]);
    let changed = |online| Event::PresenceChanged { home: home(1), peer: peer(1), online };
    let told: Vec<_> =
        lane.at(0).events.iter().filter(|e| matches!(e, Event::PresenceChanged { .. })).cloned().collect();
    assert_eq!(told, [changed(true), changed(false)]);
    lane.connect(1, 0, Found::Remembered);
    assert_eq!(knows(&mut lane, 0), [(home(1).to_string(), true)]);
}

#[test]
fn a_new_address_reaches_the_contacts_at_once() {
    let mut lane = neighbours();
    lane.connect(0, 1, Found::Nearby);
    let address = "/ip4/203.0.113.9/tcp/4787".to_owned();
    let event = meerkat_protocols::mesh::Event::Listening { address: format!("{address}/p2p/12D3own") };
    lane.at(1).input(Input::Network(event));
    lane.run();
    let is_new =
        |(from, to, addresses): &(u16, _, Vec<String>)| (*from, *to) == (0, peer(1)) && addresses[0] == address;
    assert!(lane.called.iter().any(is_new));
    lane.pass(60_000);
    let kept = &lane.at(0).contacts[&peer(1)].record;
    assert_eq!(kept.addresses[0], address);
    assert!(kept.sequence > u64::try_from(i64::from(TODAY) * 86_400).expect("positive"));
}

#[test]
fn a_home_has_so_many_nodes_and_no_more() {
    let mut lane = Lane::new(12);
    assert!(lane.at(0).vouch(1).is_ok());
    for n in 1..12 {
        let answer = lane.says(n, 0, &said(RequestKind::Record, &Word::Record(record(1, n, 1))));
        assert_eq!(answer != Some(Word::Nothing.encode()), n <= 8, "node {n}");
    }
    assert_eq!(lane.at(0).contacts.len(), 8);
}

#[test]
fn a_contact_that_never_stops_renewing_itself_is_asked_and_written_at_our_pace() {
    let mut lane = neighbours();
    lane.connect(0, 1, Found::Nearby);
    lane.pass(60_000);
    let told = |lane: &Lane| {
        let is_record = |(from, _, data): &&(u16, u16, Vec<u8>)| *from == 0 && data[0] == RequestKind::Record.byte();
        lane.carried.iter().filter(is_record).count()
    };
    // Each answer to what it is told would be a newer record.
    let (before, batches) = (told(&lane), lane.at(0).batches.len());
    for sequence in 0..40 {
        let beat = said(RequestKind::Heartbeat, &Word::Here(sequence));
        assert_ne!(lane.says(1, 0, &beat), Some(Word::Nothing.encode()), "it is there all the same");
        let about = About { peer: peer(1), ..About::default() };
        let (addresses, relays) = (vec![address(1)], vec![]);
        let record = NodeRecord {
            genesis: genesis(1),
            node: NodeNumber(0),
            chain: Default::default(),
            about,
            addresses,
            relays,
            sequence: 100 + sequence,
        };
        lane.says(1, 0, &said(RequestKind::Record, &Word::Record(record.sign(&key(1)))));
    }
    assert!(told(&lane) - before <= 12, "{}", told(&lane) - before);
    assert_eq!(lane.at(0).batches.len(), batches, "no commit of its own for each");
    lane.pass(60_000);
    assert_eq!(lane.at(0).batches.len(), batches + 1);
}

#[test]
fn a_contact_is_believed_again_with_every_record_that_is_accepted() {
    let mut world = World::answering_for(0, &[1]);
    let data = said(RequestKind::Record, &Word::Record(record(1, 1, 1)));
    let mut trusts = |n: u16| {
        let from = world.orders.len();
        let (inbound, data) = (InboundRef(u64::from(n)), data.clone());
        world.input(Input::Network(mesh::Event::Request { from: peer(1), inbound, data }));
        let trusted = |order: &Order| matches!(order, Order::Trust { peer: p, score: 100 } if *p == peer(1));
        world.orders[from..].iter().filter(|order| trusted(order)).count()
    };
    assert_eq!([trusts(0), trusts(1), trusts(2)], [1, 1, 1], "the same record too");
}
