//! Clocks that are not set, jump or disagree.

use meerkat_protocols::{facts::Verdict, mesh::Validation, statement::Category};

use crate::world::*;

const YEARS_20: u16 = 7_305;
const HOUR_MS: u64 = 3_600_000;

fn known(world: &mut World) -> usize {
    world.engine.snapshot(world.now).statements
}

#[test]
fn nothing_expires_while_one_clock_alone_gives_the_date_and_with_two_it_does() {
    let mut world = World::answering_for(0, &[1]);
    world.hear(9, &report(1, TODAY, 0, SPAMMER, Category::Scam));
    world.set_day(TODAY + 181);
    world.pass(2 * HOUR_MS);
    assert_eq!(world.verdict(SPAMMER), Verdict::Challenge, "the own clock alone");
    // The neighbour's next word carries the new day: two sources agree.
    world.hear(9, &report(1, TODAY + 181, 0, SPAMMER + 1, Category::Scam));
    world.pass(2 * HOUR_MS);
    assert_eq!((world.verdict(SPAMMER), world.verdict(SPAMMER + 1)), (Verdict::Allow, Verdict::Challenge));
    assert_eq!(world.hear(9, &report(1, TODAY, 1, SPAMMER, Category::Scam)), Some(Validation::Ignore), "expired");
    world.pass(60_000);
    // On disk are the own vouch, renewed, and the neighbour's later word.
    assert!(world.statements.values().all(|s| *s != report(1, TODAY, 0, SPAMMER, Category::Scam)));
}

#[test]
fn a_stranger_or_a_distant_home_is_no_second_source() {
    let mut world = World::answering_for(0, &[1]);
    world.hear(9, &vouch(1, TODAY, 0, 2));
    world.hear(9, &report(1, TODAY, 0, SPAMMER, Category::Scam));
    world.set_day(TODAY + 300);
    world.hear(9, &report(2, TODAY + 300, 0, SPAMMER + 1, Category::Scam));
    world.hear(9, &report(3, TODAY + 300, 0, SPAMMER + 1, Category::Scam));
    world.pass(2 * HOUR_MS);
    assert_eq!(world.verdict(SPAMMER), Verdict::Challenge);
}

#[test]
fn jumps_of_twenty_years_lose_nothing() {
    let mut world = World::answering_for(0, &[1]);
    world.hear(9, &report(1, TODAY, 0, SPAMMER, Category::Scam));
    let before = known(&mut world);
    for day in [TODAY + YEARS_20, TODAY - YEARS_20, TODAY + YEARS_20, TODAY] {
        world.set_day(day);
        world.pass(3 * HOUR_MS);
        world.ring("+4930901820");
        assert_eq!(world.verdict(SPAMMER), Verdict::Challenge);
        let again = world.restarted().verdict(SPAMMER);
        assert_eq!(again, Verdict::Challenge, "nor does a restart under a wrong clock");
    }
    // A vouch that was renewed on a wrong day is one more, none is less.
    assert!(known(&mut world) >= before);
    assert_eq!(world.hear(9, &report(1, TODAY, 1, SPAMMER + 1, Category::Scam)), Some(Validation::Accept));
    assert!(matches!(world.report(SPAMMER + 2, Category::Scam), Ok(meerkat_core::Reply::Reported { .. })));
}

#[test]
fn a_neighbour_a_day_ahead_does_not_hide_the_day_from_a_restart() {
    let mut world = World::answering_for(0, &[1]);
    world.hear(9, &report(1, TODAY - 181, 0, SPAMMER, Category::Scam));
    world.hear(9, &report(1, TODAY, 0, SPAMMER + 1, Category::Scam));
    world.hear(9, &report(1, TODAY + 1, 0, SPAMMER + 2, Category::Scam));
    world.pass(60_000);
    let mut again = world.restarted();
    assert_eq!((again.verdict(SPAMMER), again.verdict(SPAMMER + 2)), (Verdict::Allow, Verdict::Challenge));
}

#[test]
fn a_clock_set_later_finds_the_day_that_neighbours_named() {
    let mut world = World::answering_for(0, &[1]);
    world.hear(9, &report(1, TODAY - 181, 0, SPAMMER, Category::Scam));
    world.hear(9, &report(1, TODAY, 0, SPAMMER + 1, Category::Scam));
    world.pass(60_000);
    world.now.wall = None;
    let mut again = world.restarted();
    again.pass(2 * HOUR_MS);
    assert_eq!(again.verdict(SPAMMER), Verdict::Challenge, "nothing expires without a clock");
    again.set_day(TODAY);
    again.pass(2 * HOUR_MS);
    assert_eq!(again.verdict(SPAMMER), Verdict::Allow);
}
