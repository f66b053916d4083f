//! Whose word counts.

use meerkat_core::{Change, Command, Refusal, Reply, Through};
use meerkat_protocols::{
    facts::{Reason, Verdict},
    mesh::{Event, Found, Path, Validation},
    phone::{Answer, BlockedBy},
    statement::{Category, Kind},
};

use crate::world::*;

#[test]
fn three_vouched_homes_block_one_challenges_and_strangers_weigh_nothing() {
    let mut world = World::answering_for(0, &[1, 2, 3]);
    for stranger in 50..60 {
        assert_eq!(world.hear(9, &report(stranger, TODAY, 0, SPAMMER, Category::Scam)), Some(Validation::Ignore));
    }
    assert_eq!(world.check(SPAMMER).reasons, [Reason::NothingKnown]);
    for (n, verdict) in [(1, Verdict::Challenge), (2, Verdict::Challenge), (3, Verdict::Block)] {
        assert_eq!(world.hear(9, &report(n, TODAY, 0, SPAMMER, Category::Scam)), Some(Validation::Accept));
        assert_eq!(world.verdict(SPAMMER), verdict);
    }
    let reasons = world.check(SPAMMER).reasons;
    assert_eq!(reasons, [Reason::Reported { against: 3, legit: 0, category: Category::Scam }]);
    world.ring("030 / 90 18 20");
    assert_eq!(world.acts[0].answer, Answer::Block(BlockedBy::Neighbours));
    assert_eq!(world.check(SPAMMER).confirmations, 3);
}

#[test]
fn homes_within_five_hops_weigh_by_their_distance() {
    let mut world = World::answering_for(0, &[1]);
    for n in 1..7 {
        world.hear(9, &vouch(n, TODAY, 0, n + 1));
    }
    // Home 5 is five vouches away, home 6 is six.
    assert_eq!(world.hear(9, &report(5, TODAY, 1, SPAMMER, Category::Scam)), Some(Validation::Accept));
    assert_eq!(world.hear(9, &report(6, TODAY, 1, SPAMMER, Category::Scam)), Some(Validation::Ignore));
    let assessment = world.check(SPAMMER);
    assert_eq!((assessment.verdict, assessment.confirmations, assessment.evidence), (Verdict::Allow, 1, 10));
    let claims: Vec<_> = assessment.claims.iter().map(|c| (c.home, c.distance, c.weight, c.counted)).collect();
    assert_eq!(claims, [(home(5), 5, 10, 10)]);
    // A shorter way brings the sixth within reach, and what was held of it comes in.
    world.hear(9, &vouch(2, TODAY, 5, 6));
    assert_eq!(world.check(SPAMMER).evidence, 60);
}

#[test]
fn the_reason_says_through_whom_a_verdict_came_and_what_would_change_it() {
    let mut world = World::answering_for(0, &[1, 2]);
    for (slot, n) in (10..14).enumerate() {
        world.hear(9, &vouch(1, TODAY, u8::try_from(slot).expect("small"), n));
        world.hear(9, &report(n, TODAY, 0, SPAMMER, Category::Robocall));
    }
    let check = world.check(SPAMMER);
    let far = Reason::FurtherOff { against: 4, legit: 0, category: Category::Robocall, through: 1 };
    assert_eq!(check.reasons, [far, Reason::Evidence { hundredths: 300 }, Reason::OneWay]);
    assert_eq!((check.verdict, check.through.as_slice()), (Verdict::Challenge, &[through(1, 300, 0)][..]));
    assert_eq!(check.changes[0], Change::Rises { to: Verdict::Block, by: 100, elsewhere: true });
    // What it says would change it does.
    world.hear(9, &report(2, TODAY, 0, SPAMMER, Category::Robocall));
    let check = world.check(SPAMMER);
    assert_eq!((check.verdict, check.through), (Verdict::Block, vec![through(1, 300, 0), through(2, 100, 0)]));
    assert_eq!(check.changes, [Change::Falls { to: Verdict::Challenge, by: 1 }]);
    world.hear(9, &report(1, TODAY, 0, SPAMMER, Category::Legit));
    let check = world.check(SPAMMER);
    assert_eq!((check.verdict, check.through[0].legit), (Verdict::Challenge, 100));
    world.ring("+4930901820");
    assert_eq!(world.acts[0].answer, Answer::Pass);
}

fn through(n: u16, against: u16, legit: u16) -> Through {
    Through { home: home(n), against, legit }
}

#[test]
fn what_came_before_the_vouch_counts_with_it_and_no_longer_without() {
    let mut world = World::answering_for(0, &[1]);
    for n in [1, 2, 3] {
        world.hear(9, &report(n, TODAY, 0, SPAMMER, Category::Robocall));
    }
    assert_eq!(world.verdict(SPAMMER), Verdict::Challenge);
    assert!(world.vouch(2).is_ok() && world.vouch(3).is_ok());
    assert_eq!(world.verdict(SPAMMER), Verdict::Block);
    assert_eq!(world.ask(Command::Unvouch(home(2))), Some(Ok(Reply::Unvouched(home(2)))));
    assert_eq!(world.verdict(SPAMMER), Verdict::Challenge);
    assert_eq!(world.ask(Command::Unvouch(home(2))), Some(Err(Refusal::NotVouched)));
    assert!(world.vouch(2).is_ok());
    assert_eq!(world.verdict(SPAMMER), Verdict::Block);
}

#[test]
fn of_more_than_twelve_vouches_the_first_twelve_count_whatever_came_first() {
    let vouches: Vec<_> = (0..14).map(|i| vouch(1, TODAY - 14 + i, 0, 100 + i)).collect();
    let reports: Vec<_> = (0..14).map(|i| report(100 + i, TODAY, 0, SPAMMER, Category::Scam)).collect();
    for backwards in [false, true] {
        let mut world = World::answering_for(0, &[1]);
        let mut all = vouches.clone();
        if backwards {
            all.reverse();
        }
        for sealed in all.iter().chain(&reports) {
            world.hear(9, sealed);
        }
        let mut kept: Vec<_> = world.check(SPAMMER).claims.iter().map(|c| c.home).collect();
        let mut expected: Vec<_> = (100..112).map(home).collect();
        kept.sort();
        expected.sort();
        assert_eq!(kept, expected);
        // Taking one back lets the thirteenth in.
        world.hear(9, &retraction(1, TODAY, 0, Kind::Vouch, TODAY - 14, 0));
        let claims = world.check(SPAMMER).claims;
        assert!(claims.iter().any(|c| c.home == home(112)) && claims.iter().all(|c| c.home != home(100)));
    }
}

#[test]
fn an_equivocator_weighs_nothing_and_a_vouched_one_raises_the_alarm_while_it_is_vouched() {
    let mut world = World::answering_for(0, &[1, 2]);
    world.hear(9, &vouch(1, TODAY, 0, 5));
    world.hear(9, &report(1, TODAY, 0, SPAMMER, Category::Scam));
    assert_eq!(world.verdict(SPAMMER), Verdict::Challenge);
    // The second statement of one slot is passed on: it is the proof.
    assert_eq!(world.hear(9, &report(1, TODAY, 0, SPAMMER + 1, Category::Scam)), Some(Validation::Accept));
    assert_eq!((world.verdict(SPAMMER), world.verdict(SPAMMER + 1)), (Verdict::Allow, Verdict::Allow));
    assert_eq!(world.alarms(), ["neighbour_equivocates"]);
    assert_eq!(world.hear(9, &report(1, TODAY, 1, SPAMMER, Category::Scam)), Some(Validation::Ignore));
    assert_eq!(world.hear(9, &report(5, TODAY, 1, SPAMMER, Category::Scam)), Some(Validation::Ignore));
    world.pass(60_000);
    let mut again = world.restarted();
    assert_eq!((again.alarms(), again.verdict(SPAMMER)), (vec!["neighbour_equivocates"], Verdict::Allow));
    assert_eq!(world.ask(Command::Unvouch(home(1))), Some(Ok(Reply::Unvouched(home(1)))));
    assert_eq!(world.alarms(), Vec::<&str>::new());
    // The proof outlives what it proves about.
    world.hear(9, &report(2, TODAY, 0, SPAMMER, Category::Scam));
    world.set_day(TODAY + 200);
    world.hear(9, &report(2, TODAY + 200, 0, SPAMMER, Category::Scam));
    world.pass(3_600_000);
    assert!(world.vouch(1).is_ok());
    assert_eq!(world.alarms(), ["neighbour_equivocates"]);
}

#[test]
fn a_second_press_of_the_button_is_told_so() {
    let mut world = World::answering_for(0, &(1..=12).collect::<Vec<_>>());
    assert_eq!(world.vouch(12), Err(Refusal::AlreadyVouched));
    assert_eq!(world.vouch(13), Err(Refusal::TooManyVouches(12)));
    assert_eq!(world.vouch(0), Err(Refusal::OwnCard));
    let snapshot = world.engine.snapshot(world.now);
    assert_eq!((snapshot.vouches_left, snapshot.neighbours.len()), (0, 12));
}

#[test]
fn the_neighbours_in_the_snapshot_are_counted_as_they_speak() {
    let mut world = World::answering_for(0, &[1]);
    let reports = |world: &mut World| world.engine.snapshot(world.now).neighbours[0].reports;
    assert_eq!(reports(&mut world), 0);
    world.hear(9, &report(1, TODAY, 0, SPAMMER, Category::Scam));
    world.hear(9, &retraction(1, TODAY, 1, Kind::Report, TODAY, 1));
    world.hear(9, &report(1, TODAY, 1, SPAMMER + 1, Category::Scam));
    assert_eq!(reports(&mut world), 1);
    world.hear(9, &retraction(1, TODAY, 0, Kind::Report, TODAY, 0));
    assert_eq!(reports(&mut world), 0);
}

#[test]
fn who_called_us_is_not_written_down_and_an_address_only_once() {
    let mut world = World::new(0);
    let connected = |n, address: &str, found| Event::Connected {
        peer: peer(n),
        address: address.into(),
        found,
        path: Path::Direct,
    };
    let batches = |world: &mut World| {
        world.pass(61_000);
        world.batches.iter().map(|b| b.writes.len()).sum::<usize>()
    };
    world.input(meerkat_core::Input::Network(connected(1, "/ip4/10.0.0.1/tcp/51000", Found::CalledUs)));
    assert_eq!(batches(&mut world), 0);
    for _ in 0..3 {
        world.input(meerkat_core::Input::Network(connected(1, "/ip4/10.0.0.1/tcp/4787", Found::Nearby)));
        world.input(meerkat_core::Input::Network(Event::Disconnected { peer: peer(1) }));
    }
    assert_eq!(batches(&mut world), 1);
    for n in 0..1_500 {
        world.input(meerkat_core::Input::Network(connected(n, "/ip4/10.0.0.2/tcp/4787", Found::Nearby)));
    }
    // A thousand in all, one of them with a new address; of 999 peers two hundred stay.
    assert_eq!(batches(&mut world), 1_000 + 799);
}

#[test]
fn four_nodes_that_answer_for_each_other_learn_what_one_another_say() {
    let mut nodes: Vec<World> =
        (0..4).map(|n| World::answering_for(n, &(0..4).filter(|m| *m != n).collect::<Vec<_>>())).collect();
    let pass_on = |nodes: &mut Vec<World>| {
        for from in 0..4u16 {
            for sealed in std::mem::take(&mut nodes[usize::from(from)].published) {
                for node in nodes.iter_mut().filter(|node| node.number != from) {
                    node.hear(from, &sealed);
                }
            }
        }
    };
    for node in &mut nodes[..3] {
        assert!(node.report(SPAMMER, Category::Robocall).is_ok());
    }
    pass_on(&mut nodes);
    for node in &mut nodes {
        assert_eq!(node.verdict(SPAMMER), Verdict::Block, "node {}", node.number);
    }
    assert!(nodes[1].ask(Command::Retract { number: "030 901820".into() }).is_some_and(|r| r.is_ok()));
    pass_on(&mut nodes);
    for node in &mut nodes {
        assert_eq!(node.verdict(SPAMMER), Verdict::Challenge, "node {}", node.number);
        assert_eq!(node.alarms(), Vec::<&str>::new());
    }
}
