//! Quiet hours: who rings at night.

use meerkat_core::{Command, Event, Input, Reply, Restored};
use meerkat_protocols::{
    facts::{Reason, Verdict},
    phone::{self, Answer, CallId},
    wishes::{Edit, Minute, Rules},
    zone::Zone,
};

use crate::world::{World, incoming, number};

/// 2026-11-21T22:30:00Z: half past eleven in Berlin.
const NIGHT: i64 = 1_795_300_200;

fn at(text: &str) -> Minute {
    Minute::from_text(text).expect("a time of the day")
}

fn world(zone: Option<Zone>, wall: Option<i64>) -> World {
    let mut world = World::started(0, wall, Restored { zone, ..Restored::default() }, &[]);
    let rules = Rules { quiet: Some((at("23:00"), at("07:00"))), ..Rules::default() };
    assert_eq!(world.ask(Command::Edit(Edit::SetRules(rules))), Some(Ok(Reply::Saved)));
    let ana = Edit::SetPerson(number(4_930_901_820), "Ana".into());
    assert_eq!(world.ask(Command::Edit(ana)), Some(Ok(Reply::Saved)));
    world
}

fn berlin() -> Option<Zone> {
    Some(Zone::fixed("Europe/Berlin", 3_600))
}

/// The verdict, and the code of its first and last reason.
fn ring(world: &mut World, caller: &str) -> (Verdict, &'static str, &'static str) {
    if caller.is_empty() {
        let call = phone::Incoming { anonymous: true, ..incoming(CallId(9_999), caller) };
        world.input(Input::Phone(phone::Event::Incoming(call)));
    } else {
        world.ring(caller);
    }
    let screened = |event: &Event| if let Event::CallScreened(call) = event { Some(call.clone()) } else { None };
    let call = world.events.iter().rev().find_map(screened).expect("a call was screened");
    let rings = world.acts.last().expect("it was answered").answer == Answer::Pass;
    assert_eq!(rings, call.verdict != Verdict::Block);
    let code = |reason: Option<&Reason>| reason.map_or("", Reason::code);
    (call.verdict, code(call.reasons.first()), code(call.reasons.last()))
}

#[test]
fn at_night_only_callers_that_are_known_ring() {
    let mut world = world(berlin(), Some(NIGHT));
    assert_eq!(ring(&mut world, "+4930901821"), (Verdict::Block, "quiet_hours", "nothing_known"));
    assert_eq!(ring(&mut world, "+4930901820"), (Verdict::Allow, "person", "person"));
    assert_eq!(ring(&mut world, "112").0, Verdict::Allow);
    assert_eq!(ring(&mut world, "").0, Verdict::Block, "hidden");
}

#[test]
fn who_calls_again_within_a_quarter_of_an_hour_rings() {
    let mut world = world(berlin(), Some(NIGHT));
    for caller in ["+4930901821", ""] {
        assert_eq!(ring(&mut world, caller).0, Verdict::Block);
        let (verdict, _, last) = ring(&mut world, caller);
        assert_eq!((verdict, last), (Verdict::Allow, "calls_again"));
    }
    world.pass(16 * 60_000);
    assert_eq!(ring(&mut world, "+4930901821").0, Verdict::Block);
}

#[test]
fn by_day_and_whenever_the_time_is_not_known_all_ring() {
    let noon = NIGHT - 11 * 3_600;
    for (zone, wall) in [(berlin(), Some(noon)), (None, Some(NIGHT)), (berlin(), None)] {
        let mut world = world(zone, wall);
        assert_eq!(ring(&mut world, "+4930901821").0, Verdict::Allow);
        assert_eq!(ring(&mut world, "").0, Verdict::Allow);
    }
}
