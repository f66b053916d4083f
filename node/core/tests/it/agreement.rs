//! When members talk about documents: at once after an edit, when one comes, now and then, and again after what was lost.

use meerkat_core::{Command, Event, Reply};
use meerkat_protocols::{
    batch::Write,
    roster::Role,
    wishes::{DocumentId, Edit},
};

use crate::{household::House, world::*};

fn note(house: &mut House, n: u16, digits: u64, name: &str) {
    let edit = Edit::SetPerson(number(digits), name.into());
    let reply = house.world(n).ask(Command::Edit(edit));
    assert!(matches!(reply, Some(Ok(Reply::Saved))), "{reply:?}");
    house.settle();
}

fn shot(house: &mut House, n: u16) -> meerkat_core::Snapshot {
    let world = house.world(n);
    world.engine.snapshot(world.now)
}

fn names(house: &mut House, n: u16) -> Vec<String> {
    let snapshot = shot(house, n);
    snapshot.shared.people.values().cloned().collect()
}

fn house() -> House {
    let mut house = House::of(&[(1, Role::Admin), (2, Role::Member)]);
    house.settle();
    house
}

#[test]
fn an_edit_is_heard_by_all_members_without_any_time_passing() {
    let mut house = house();
    note(&mut house, 1, SPAMMER, "Kim");
    for n in [0, 1, 2] {
        assert_eq!(names(&mut house, n), ["Kim"], "{n}");
        assert!(house.world(n).events.contains(&Event::PeopleChanged));
    }
    let written = |house: &mut House, n| {
        let batches = &house.world(n).batches;
        batches.iter().flat_map(|batch| &batch.writes).any(|w| matches!(w, Write::Document(DocumentId::People, _)))
    };
    assert!(written(&mut house, 0) && written(&mut house, 2), "what came is kept");
}

#[test]
fn what_was_edited_apart_is_compared_when_members_meet() {
    let mut house = house();
    house.cut_off(2);
    house.settle();
    note(&mut house, 0, SPAMMER, "Kim");
    note(&mut house, 2, SPAMMER + 1, "Alex");
    assert_eq!((names(&mut house, 1).len(), names(&mut house, 2).len()), (1, 1));
    house.link_all();
    house.settle();
    for n in [0, 1, 2] {
        assert_eq!(names(&mut house, n), ["Kim", "Alex"], "{n}");
    }
}

#[test]
fn while_nothing_happens_one_of_two_members_greets_the_other_once_an_hour() {
    let mut house = house();
    let count = |house: &mut House| [0, 1, 2].map(|n| house.world(n).wishes.greetings).iter().sum::<usize>();
    let before = count(&mut house);
    for _ in 0..121 {
        house.pass(60);
    }
    let greetings = count(&mut house) - before;
    assert_eq!(greetings, 6, "three pairs, twice");
    assert_eq!([0, 1, 2].map(|n| house.world(n).wishes.offers), [0, 0, 0]);
}

#[test]
fn a_member_that_is_not_believed_is_named_and_the_document_founded_anew_once() {
    let mut house = house();
    let suspect = meerkat_protocols::home::NodeNumber(2);
    house.world(0).wishes.hostile.insert(suspect);
    note(&mut house, 2, SPAMMER, "Kim");
    note(&mut house, 2, SPAMMER + 1, "Alex");
    let alarms = shot(&mut house, 0).alarms;
    let words: Vec<String> = alarms.iter().map(|(alarm, _)| alarm.words()).collect();
    assert!(words.iter().any(|words| words.contains("node 2") && words.contains("too clever")), "{words:?}");
    assert_eq!(house.world(0).wishes.foundings, 1);
}
