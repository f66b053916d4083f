//! The order of things round the disk: answers first, promises last, nothing said twice.

use meerkat_core::{Command, Event, Input, Refusal, Reply};
use meerkat_protocols::{
    batch::Write,
    phone::{Act, Answer, Ending},
    statement::Category,
    wishes::{Edit, Entry, Standing, Subject},
};

use crate::world::*;

fn listed() -> Command {
    Command::Edit(Edit::SetEntry(Subject::Number(number(SPAMMER)), Entry::tidy(Standing::Block, "", "")))
}

#[test]
fn calls_are_answered_before_anything_is_written_and_while_it_is() {
    let mut world = World::new(0);
    world.disk = Disk::Holds;
    world.ring("+4930901820");
    assert_eq!(world.acts.len(), 1);
    assert!(world.trace[0].starts_with("Answer"), "{:?}", world.trace);
    world.pass(1_000);
    assert!(world.held.is_some(), "a call waits a second at most");
    world.ring("+4930901821");
    assert_eq!(world.acts.len(), 2, "decided while the first one's batch is being written");
    assert!(!world.events.iter().any(|e| matches!(e, Event::CallSaved(_))));
    world.commit();
    assert_eq!(world.events.iter().filter(|e| matches!(e, Event::CallSaved(_))).count(), 1);
}

#[test]
fn own_words_go_out_and_people_are_answered_only_after_the_commit() {
    let mut world = World::new(0);
    world.disk = Disk::Holds;
    assert_eq!(world.ask(Command::Report { number: "+4930901820".into(), category: Category::Scam }), None);
    assert_eq!((world.published.len(), world.held.is_some()), (0, true));
    world.commit();
    assert_eq!(world.published.len(), 1);
    assert!(matches!(world.replies[&0][..], [Ok(Reply::Reported { slot: 0, .. })]));
    assert!(world.statements.contains_key(&world.published[0].id()));
}

#[test]
fn a_failing_disk_is_told_of_tried_again_and_loses_no_order() {
    let mut world = World::new(0);
    world.disk = Disk::Fails;
    assert!(matches!(world.ask(listed()), Some(Err(Refusal::NotSavedYet(_)))));
    assert!(matches!(world.report(SPAMMER, Category::Scam), Err(Refusal::NotSavedYet(_))));
    assert_eq!((world.alarms(), world.published.len()), (vec!["not_saving"], 0));
    let commits = |world: &World| world.trace.iter().filter(|t| t.starts_with("Commit")).count();
    let mut gaps = Vec::new();
    for _ in 0..9 {
        let (before, at) = (commits(&world), world.now.mono_ms);
        while commits(&world) == before {
            world.pass(500);
        }
        gaps.push((world.now.mono_ms - at) / 1_000);
    }
    assert_eq!(gaps, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
    world.disk = Disk::Works;
    world.pass(60_000);
    let written: Vec<&Write> = world.batches.iter().flat_map(|b| &b.writes).collect();
    assert!(
        matches!(written[..], [Write::Document(..), Write::OwnSlot(..), Write::Statement(..)]),
        "all of it, in its order: {written:?}"
    );
    assert_eq!((world.alarms(), world.published.len()), (vec![], 1));
    assert!(world.replies.values().all(|answers| answers.len() == 1));
}

#[test]
fn a_disk_that_never_answers_is_told_of_and_memory_stays_bounded() {
    let mut world = World::answering_for(0, &[1]);
    world.disk = Disk::Holds;
    assert_eq!(world.ask(listed()), None);
    world.pass(10_000);
    assert_eq!(world.alarms(), ["not_saving"]);
    assert!(world.replies.values().last().is_some_and(|r| matches!(r[..], [Err(Refusal::NotSavedYet(_))])));
    assert!(matches!(world.report(SPAMMER, Category::Scam), Err(Refusal::NotSavedYet(_))));
    for n in 0..60_000u64 {
        let call = world.ring(&format!("+4930{:06}", n % 1_000_000));
        world.hang_up(call, Ending::SteppedAside);
        world.trace.clear();
        world.events.clear();
        world.acts.clear();
    }
    assert_eq!(world.alarms(), ["not_saving", "writes_lost"]);
    world.disk = Disk::Works;
    world.commit();
    let last = world.batches.last().expect("a batch");
    assert!(last.writes.len() <= 50_000, "{}", last.writes.len());
    assert_eq!(world.published.len(), 2, "what this home said is not given up");
    // Whoever is told that a call is saved finds it.
    let saved = world.events.iter().filter(|e| matches!(e, Event::CallSaved(_))).count();
    let calls = last.writes.iter().filter(|w| matches!(w, Write::Call(_))).count();
    let ends = last.writes.iter().filter(|w| matches!(w, Write::CallEnd(_))).count();
    assert_eq!((saved, ends), (calls, calls));
    assert_eq!(world.alarms(), ["writes_lost"]);
}

#[test]
fn what_people_change_is_refused_before_it_fills_memory() {
    let mut world = World::new(0);
    world.disk = Disk::Holds;
    assert_eq!(world.ask(listed()), None);
    let mut refused = 0;
    for _ in 0..60_000 {
        refused += usize::from(world.ask(listed()) == Some(Err(Refusal::Busy)));
        world.trace.clear();
        world.replies.clear();
    }
    assert_eq!(refused, 10_000);
    assert_eq!(world.ask(Command::Check("112".into())).map(|r| r.is_ok()), Some(true));
}

#[test]
fn batches_go_at_once_within_a_second_within_half_a_minute_or_when_full() {
    let mut world = World::answering_for(0, &[1]);
    let before = world.batches.len();
    world.hear(9, &report(1, TODAY, 0, SPAMMER, Category::Scam));
    world.pass(29_999);
    assert_eq!(world.batches.len(), before);
    world.pass(1);
    assert_eq!(world.batches.len(), before + 1, "a stranger's statement within 30 s");
    world.hear(9, &report(1, TODAY, 1, SPAMMER, Category::Scam));
    world.ring("+4930901820");
    world.pass(999);
    assert_eq!(world.batches.len(), before + 1);
    world.pass(1);
    assert_eq!(world.batches.len(), before + 2, "a call within 1 s, and takes along what waits");
    assert_eq!(world.batches.last().map(|b| b.writes.len()), Some(2));
    world.ask(listed());
    assert_eq!(world.batches.len(), before + 3, "a person's change at once");
    for _ in 0..1_000 {
        world.ring("+4930901820");
    }
    assert_eq!(world.batches.len(), before + 4, "a full one at once");
    assert!(world.engine.next_wakeup().is_some_and(|at| at > world.now.mono_ms + 1_000));
}

#[test]
fn an_orderly_stop_writes_what_waits() {
    let mut world = World::new(0);
    world.engine.flush(world.now);
    assert!(world.engine.is_saved() && world.engine.poll_output().is_none());
    world.ring("+4930901820");
    assert!(!world.engine.is_saved());
    world.engine.flush(world.now);
    world.input(meerkat_core::Input::Wake);
    assert!(world.engine.is_saved());
}

#[test]
fn the_same_inputs_give_the_same_outputs() {
    let life = || {
        let mut world = World::answering_for(0, &[1, 2]);
        for n in 1..4 {
            world.hear(9, &vouch(n, TODAY, 0, n + 1));
            world.hear(n, &report(n, TODAY, 1, SPAMMER, Category::Scam));
        }
        world.disk = Disk::Fails;
        let call = world.ring("030 901820");
        world.pass(5_000);
        world.disk = Disk::Works;
        world.hang_up(call, Ending::Cancelled);
        world.ask(listed());
        world.pass(100_000);
        assert_eq!(world.acts.last().map(|a| a.answer), Some(Answer::Pass));
        (world.trace, format!("{:?}", world.engine.snapshot(world.now)))
    };
    assert_eq!(life(), life());
}

#[test]
fn damage_that_a_check_finds_is_told_and_calls_are_decided_all_the_same() {
    let mut world = World::new(0);
    world.input(Input::Damaged("3 saved values cannot be read".into()));
    assert_eq!(world.alarms(), ["store_damaged"]);
    let told = world.events.iter().any(|e| matches!(e, Event::AlarmRaised(a) if a.words().contains("3 saved values")));
    assert!(told, "{:?}", world.events);
    world.ring("+4930901820");
    assert!(matches!(world.acts[..], [Act { answer: Answer::Pass, .. }]), "{:?}", world.acts);
    world.pass(86_400_000);
    assert_eq!(world.alarms(), ["store_damaged"], "it is not mended by waiting");
}
