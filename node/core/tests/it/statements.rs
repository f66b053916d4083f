//! What this home says: slots, retractions, and what a restart finds.

use meerkat_core::{Command, Refusal, Reply};
use meerkat_protocols::{
    facts::Verdict,
    mesh::Validation,
    statement::{Body, Category, Kind, Read},
    time::Day,
};

use crate::world::*;

fn said(world: &World) -> Vec<(Kind, Day, u8)> {
    let read = |sealed: &meerkat_protocols::statement::Sealed| match sealed.read() {
        Ok(Read::Statement(s)) => (s.kind(), s.day, s.slot),
        other => panic!("what we say can be read: {other:?}"),
    };
    world.published.iter().map(read).collect()
}

#[test]
fn twenty_reports_a_day_then_a_clear_refusal_and_more_the_next_day() {
    let mut world = World::new(0);
    for n in 0..20 {
        assert!(matches!(world.report(SPAMMER + n, Category::Spam), Ok(Reply::Reported { .. })), "{n}");
    }
    let refusal = world.report(SPAMMER + 20, Category::Spam).expect_err("the day is used up");
    assert_eq!(refusal, Refusal::NoSlotLeft(20));
    assert!(refusal.to_string().contains("tomorrow"));
    world.set_day(TODAY + 1);
    assert!(matches!(world.report(SPAMMER + 20, Category::Spam), Ok(Reply::Reported { slot: 0, .. })));
}

#[test]
fn a_report_can_be_changed_and_taken_back_and_the_old_one_stays_gone() {
    let mut world = World::new(0);
    assert!(world.report(SPAMMER, Category::Scam).is_ok());
    assert_eq!(world.verdict(SPAMMER), Verdict::Challenge);
    assert!(world.report(SPAMMER, Category::Legit).is_ok());
    assert_eq!(world.verdict(SPAMMER), Verdict::Allow);
    let retract = Command::Retract { number: format!("+{SPAMMER}") };
    assert_eq!(world.ask(retract.clone()), Some(Ok(Reply::Retracted(number(SPAMMER)))));
    assert_eq!((world.verdict(SPAMMER), world.check(SPAMMER).claims.len()), (Verdict::Allow, 0));
    assert_eq!(world.ask(retract), Some(Err(Refusal::NothingToRetract)));
}

#[test]
fn the_numbers_somebody_spoke_of_are_told_in_order_piece_by_piece() {
    let mut world = World::answering_for(0, &[1, 2]);
    for n in (0..5).rev() {
        world.hear(9, &report(1, TODAY, u8::try_from(n).expect("small"), SPAMMER + n, Category::Scam));
    }
    world.hear(9, &report(2, TODAY, 0, SPAMMER + 1, Category::Legit));
    let mut known = |after: Option<u64>, most| {
        let after = after.map(number);
        match world.ask(Command::KnownNumbers { after, most }) {
            Some(Ok(Reply::KnownNumbers(known))) => known.into_iter().map(|n| n.digits() - SPAMMER).collect::<Vec<_>>(),
            other => panic!("it is always answered: {other:?}"),
        }
    };
    assert_eq!(known(None, 500), [0, 1, 2, 3, 4]);
    assert_eq!((known(None, 2), known(Some(SPAMMER + 1), 2)), (vec![0, 1], vec![2, 3]));
    assert_eq!((known(Some(SPAMMER + 4), 2), known(None, 0)), (vec![], vec![]));
}

#[test]
fn a_restart_remembers_the_verdicts_and_reuses_no_slot() {
    let mut world = World::answering_for(0, &[1, 2]);
    world.hear(9, &report(1, TODAY, 0, SPAMMER, Category::Scam));
    world.hear(9, &report(2, TODAY, 0, SPAMMER, Category::Scam));
    assert!(world.report(SPAMMER, Category::Scam).is_ok());
    world.pass(60_000);
    let mut again = world.restarted();
    assert_eq!(again.check(SPAMMER), world.check(SPAMMER));
    assert_eq!(again.verdict(SPAMMER), Verdict::Block);
    assert!(again.report(SPAMMER + 1, Category::Scam).is_ok() && again.vouch(3).is_ok());
    let mut slots = said(&world);
    slots.extend(said(&again));
    let count = slots.len();
    slots.sort();
    slots.dedup();
    assert_eq!(slots.len(), count, "{slots:?}");
    // Even if only the statements come back, no slot is used twice.
    world.slots.clear();
    let mut bare = world.restarted();
    assert!(matches!(bare.report(SPAMMER + 1, Category::Scam), Ok(Reply::Reported { slot: 1, .. })));
}

#[test]
fn reports_wait_for_the_clock_and_calls_do_not() {
    let mut world = World::started(0, None, meerkat_core::Restored::default(), &[]);
    assert_eq!(world.alarms(), ["clock_not_set"]);
    assert_eq!(world.report(SPAMMER, Category::Spam), Ok(Reply::Waiting));
    assert_eq!(world.report(SPAMMER, Category::Scam), Ok(Reply::Waiting));
    assert_eq!(world.report(SPAMMER + 1, Category::Scam), Ok(Reply::Waiting));
    let retract = Command::Retract { number: format!("+{}", SPAMMER + 1) };
    assert_eq!(world.ask(retract), Some(Ok(Reply::Retracted(number(SPAMMER + 1)))));
    assert_eq!(world.vouch(1), Err(Refusal::ClockNotSet));
    world.ring("+4930901820");
    assert_eq!((world.acts.len(), world.published.len()), (1, 0));
    world.set_day(TODAY);
    assert_eq!((said(&world), world.alarms()), (vec![(Kind::Report, Day(TODAY), 0)], vec![]));
    assert_eq!(world.check(SPAMMER).own().map(|c| c.category), Some(Category::Scam));
}

#[test]
fn the_neighbour_hears_what_was_said_and_forged_or_foreign_words_are_refused() {
    let mut ours = World::new(0);
    let mut theirs = World::answering_for(1, &[0]);
    assert!(ours.report(SPAMMER, Category::Scam).is_ok());
    for sealed in ours.published.clone() {
        assert_eq!(theirs.hear(9, &sealed), Some(Validation::Accept));
        assert_eq!(theirs.hear(8, &sealed), Some(Validation::Ignore), "known");
        assert_eq!(ours.hear(8, &sealed), Some(Validation::Ignore), "our own");
    }
    assert_eq!(theirs.verdict(SPAMMER), Verdict::Challenge);
    // Somebody else's key under our name.
    let Ok(Read::Statement(mut statement)) = report(0, TODAY, 5, SPAMMER, Category::Scam).read() else {
        panic!("a statement")
    };
    assert_eq!(theirs.hear(9, &statement.sign(&key(3))), Some(Validation::Reject));
    statement.day = Day(TODAY + 2);
    assert_eq!(theirs.hear(9, &statement.sign(&key(0))), Some(Validation::Ignore), "from the future");
}

#[test]
fn a_vouch_is_renewed_before_it_lapses_and_can_still_be_taken_back() {
    let mut world = World::answering_for(0, &[1]);
    world.set_day(TODAY + 89);
    world.pass(3_600_000);
    assert_eq!(world.published.len(), 1);
    for day in (90..=400).step_by(10) {
        world.set_day(TODAY + day);
        world.hear(9, &report(1, TODAY + day, 0, SPAMMER, Category::Scam));
        world.pass(3_600_000);
        assert_eq!(world.engine.snapshot(world.now).neighbours.len(), 1, "day {day}");
        assert_eq!(world.verdict(SPAMMER), Verdict::Challenge, "day {day}");
    }
    let vouches = said(&world);
    assert_eq!(vouches.iter().map(|(_, day, _)| day.0 - TODAY).collect::<Vec<_>>(), [0, 90, 180, 270, 360]);
    assert_eq!(world.ask(Command::Unvouch(home(1))), Some(Ok(Reply::Unvouched(home(1)))));
    assert_eq!(world.verdict(SPAMMER), Verdict::Allow);
    assert!(world.engine.snapshot(world.now).neighbours.is_empty());
    let retracted = world.published.iter().filter(
        |s| matches!(s.read(), Ok(Read::Statement(s)) if matches!(s.body, Body::Retraction { kind: Kind::Vouch, .. })),
    );
    assert_eq!(retracted.count(), 2, "both that still count");
}
