//! Whole exchanges, after which both sides hold the same.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use meerkat_reconcile::{Cut, Id, Inventory, MAX_BODY_BYTES, Message, Opening, Responder, Scope, Session, SetId, Step};
use proptest::prelude::*;

const SET: SetId = SetId { shard: 2, day: 20_000 };

/// The id of a body: no hash of value, but what makes an id here.
fn id_of(body: &[u8]) -> Id {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&body[..8]);
    id
}

fn body(n: u64) -> Vec<u8> {
    [&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes()[..], &[7; 120]].concat()
}

/// A node: what it holds, and its end of the exchange.
struct Node {
    inventory: Inventory,
    bodies: BTreeMap<Id, Vec<u8>>,
    /// What it has forgotten since it was put into the inventory.
    lost: BTreeSet<Id>,
    done: bool,
}

impl Node {
    fn holding(numbers: impl IntoIterator<Item = u64>) -> Self {
        let mut node =
            Self { inventory: Inventory::new(), bodies: BTreeMap::new(), lost: BTreeSet::new(), done: false };
        numbers.into_iter().for_each(|n| node.keep(body(n)));
        node
    }

    fn keep(&mut self, body: Vec<u8>) {
        let id = id_of(&body);
        self.inventory.insert(SET, id);
        assert!(self.bodies.insert(id, body).is_none(), "fetched twice");
    }

    /// Does at once what a step asks for; the frames to send.
    fn follow(&mut self, session: &mut Session, first: Step, now_ms: u64) -> Vec<Vec<u8>> {
        let (mut frames, mut steps) = (Vec::new(), VecDeque::from([first]));
        while let Some(step) = steps.pop_front() {
            frames.extend(step.send);
            self.done |= step.done;
            if !step.load.is_empty() {
                let load = |id: &Id| if self.lost.contains(id) { Vec::new() } else { self.bodies[id].clone() };
                steps.push_back(session.loaded(step.load.iter().map(load).collect(), now_ms));
            }
            if !step.came.is_empty() {
                step.came.into_iter().for_each(|body| self.keep(body));
                steps.push_back(session.taken(now_ms));
            }
        }
        frames
    }
}

fn opening() -> Opening {
    Opening { scope: Scope::everything(), expected: Some(10), salt: None, retry_salt: 5 }
}

/// Until the initiator has what it can have.
fn meet(here: &mut Node, there: &mut Node) {
    let (mut asking, first) = Session::open(&here.inventory, opening(), 0);
    let mut answering = Session::answer(0, 0);
    let mut frames = vec![first];
    for now_ms in 1..10_000 {
        let mut replies = Vec::new();
        for frame in std::mem::take(&mut frames) {
            let step = answering.handle(&there.inventory, &frame, now_ms, id_of).expect("honest");
            replies.extend(there.follow(&mut answering, step, now_ms));
        }
        if here.done {
            assert!(there.done || here.bodies.len() == there.bodies.len());
            return;
        }
        assert!(!replies.is_empty(), "both wait");
        for reply in replies {
            let step = asking.handle(&here.inventory, &reply, now_ms, id_of).expect("honest");
            frames.extend(here.follow(&mut asking, step, now_ms));
        }
    }
    panic!("it does not end");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn afterwards_both_hold_the_same(
        here in proptest::collection::btree_set(0_u64..900, 0..400),
        there in proptest::collection::btree_set(0_u64..900, 0..400),
    ) {
        let (mut here, mut there) = (Node::holding(here), Node::holding(there));
        meet(&mut here, &mut there);
        prop_assert!(here.bodies == there.bodies);
    }
}

#[test]
fn a_first_meeting_over_many_ranges_fetches_everything() {
    let (mut here, mut there) = (Node::holding(0..500), Node::holding(300..40_000));
    meet(&mut here, &mut there);
    assert_eq!((here.bodies.len(), here.bodies == there.bodies), (40_000, true));
}

#[test]
fn what_has_expired_before_it_was_sent_is_not_waited_for() {
    let (mut here, mut there) = (Node::holding(0..100), Node::holding(0..120));
    there.lost = (110..120).map(|n| id_of(&body(n))).collect();
    meet(&mut here, &mut there);
    assert!(here.done);
    assert_eq!(here.bodies.len(), 110);
}

/// A session that asked and learned that the other side has these.
fn promised(own: &Node, theirs: std::ops::Range<u64>) -> Session {
    let other = Node::holding(theirs);
    let (mut asking, mut frame) = Session::open(&own.inventory, opening(), 0);
    let mut answering = Responder::new(0, 0);
    while asking.waiting() == 0 {
        let answer = answering.handle(&other.inventory, &frame, 1).expect("well formed");
        frame = asking.handle(&own.inventory, &answer.send[0], 2, id_of).expect("honest").send.remove(0);
    }
    asking
}

fn bodies(bodies: Vec<Vec<u8>>) -> Vec<u8> {
    Message::Bodies(bodies).encode()
}

#[test]
fn a_peer_that_promises_and_never_sends_is_cut_off() {
    let own = Node::holding(0..50);
    let asking = promised(&own, 0..60);
    assert_eq!(asking.next_wakeup_ms(), Some(30_002));
    assert_eq!((asking.check(30_001), asking.check(30_002)), (Ok(()), Err(Cut::BrokenPromise)));
}

#[test]
fn a_peer_that_promises_and_sends_nothing_but_excuses_is_cut_off() {
    let own = Node::holding(0..50);
    let mut asking = promised(&own, 0..90);
    let excuse = bodies(vec![vec![]; 30]);
    assert_eq!(asking.handle(&own.inventory, &excuse, 3, id_of), Err(Cut::BrokenPromise));
}

#[test]
fn bodies_that_nobody_asked_for_are_cut_off() {
    let own = Node::holding(0..50);
    let known = bodies(vec![body(3)]);
    assert_eq!(promised(&own, 0..60).handle(&own.inventory, &known, 3, id_of), Err(Cut::Unasked));
    let twice = bodies(vec![body(55), body(55)]);
    assert_eq!(promised(&own, 0..60).handle(&own.inventory, &twice, 3, id_of), Err(Cut::Unasked));
    // Nothing was found yet.
    let mut fresh = Session::answer(0, 0);
    assert_eq!(fresh.handle(&own.inventory, &bodies(vec![body(1)]), 1, id_of), Err(Cut::Unasked));
    assert_eq!(fresh.handle(&own.inventory, &Message::Taken.encode(), 1, id_of), Err(Cut::OutOfTurn));
}

#[test]
fn more_than_we_can_take_at_once_is_cut_off_and_our_own_slowness_is_not_the_peers() {
    let own = Node::holding(0..50);
    let mut asking = promised(&own, 0..60);
    for n in 51..55 {
        let step = asking.handle(&own.inventory, &bodies(vec![body(n)]), 3, id_of).expect("honest");
        assert_eq!(step.came, [body(n)]);
    }
    assert_eq!((asking.next_wakeup_ms(), asking.check(1_000_000)), (None, Ok(())));
    assert_eq!(asking.handle(&own.inventory, &bodies(vec![body(55)]), 4, id_of), Err(Cut::OutOfTurn));
    assert_eq!(asking.taken(50_000).send, [Message::Taken.encode()]);
    (0..3).for_each(|_| _ = asking.taken(60_000));
    assert_eq!(asking.next_wakeup_ms(), Some(90_000));
    assert!(asking.taken(60_000).send.is_empty(), "nothing is in hand any more");
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    let own = Node::holding(0..60);
    let other = Node::holding(0..50);
    let (mut asking, first) = Session::open(&own.inventory, opening(), 0);
    let answer = Responder::new(0, 0).handle(&other.inventory, &first, 1).expect("well formed");
    let step = asking.handle(&own.inventory, &answer.send[0], 2, id_of).expect("honest");
    assert_eq!(step.load.len(), 10);
    let load = step.load.iter().map(|id| own.bodies[id].clone()).collect();
    let sent = asking.loaded(load, 5);
    assert_eq!((sent.send.len(), sent.done), (1, false));
    assert_eq!((asking.check(60_004), asking.check(60_005)), (Ok(()), Err(Cut::Slow)));
}

#[test]
fn a_body_too_long_to_be_sent_counts_as_gone() {
    let own = Node::holding(0..60);
    let other = Node::holding(0..59);
    let (mut asking, first) = Session::open(&own.inventory, opening(), 0);
    let answer = Responder::new(0, 0).handle(&other.inventory, &first, 1).expect("well formed");
    asking.handle(&own.inventory, &answer.send[0], 2, id_of).expect("honest");
    let step = asking.loaded(vec![vec![1; MAX_BODY_BYTES + 1]], 3);
    assert_eq!(step.send, [bodies(vec![vec![]])]);
}
