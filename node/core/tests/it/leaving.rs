//! A node that leaves its household says so itself; and what members tell each other of themselves.

use meerkat_core::{Command, EnrolCommand, Input, MemberState, Reply, Whose};
use meerkat_protocols::roster::Role;

use crate::household::House;

fn member(house: &mut House, at: u16, number: u8) -> MemberState {
    let world = house.world(at);
    let members = world.engine.snapshot(world.now).household.members;
    members.into_iter().find(|member| member.number.0 == number).expect("a member, or one that was")
}

fn leave(house: &mut House, n: u16) {
    house.world(n).ask(Command::Enrol(EnrolCommand::Leave));
    house.settle();
}

fn became_own(house: &mut House, n: u16) -> bool {
    house.world(n).became.iter().any(|becoming| becoming.whose == Whose::Own)
}

#[test]
fn a_member_that_leaves_is_seen_as_left_and_its_key_is_replaced() {
    let mut house = House::of(&[(5, Role::Admin), (9, Role::Member)]);
    leave(&mut house, 9);
    assert!(became_own(&mut house, 9), "as soon as the others have it");
    for at in [0, 5] {
        let gone = member(&mut house, at, 9);
        assert!(gone.removed && gone.left);
    }
    // It drew the key of the epoch that began with its leave: another begins.
    house.pass(3);
    assert_eq!(house.world(0).roster.len(), 5, "three came, one left, a new key");
    assert_eq!([house.in_step(0), house.in_step(5)], [vec![5], vec![0]]);
}

#[test]
fn one_who_leaves_while_nobody_is_there_goes_at_once_and_nobody_knows() {
    let mut house = House::of(&[(5, Role::Admin)]);
    house.cut_off(5);
    leave(&mut house, 5);
    assert!(became_own(&mut house, 5));
    house.link_all();
    assert!(!member(&mut house, 0, 5).removed, "an admin has to remove it");
}

#[test]
fn one_who_gets_no_answer_goes_after_a_moment() {
    let mut house = House::of(&[(5, Role::Admin)]);
    house.world(5).ask(Command::Enrol(EnrolCommand::Leave));
    // The words are on their way and stay there.
    assert!(!became_own(&mut house, 5));
    house.world(5).pass(3_001);
    assert!(became_own(&mut house, 5));
    let replies: Vec<_> = house.world(5).replies.values().flatten().collect();
    assert!(replies.contains(&&Ok(Reply::Saved)));
}

#[test]
fn members_see_each_others_alarms_and_anybody_may_acknowledge_them() {
    let mut house = House::of(&[(5, Role::Member)]);
    assert!(member(&mut house, 0, 5).seen.is_some());
    house.world(5).input(Input::Damaged("a page of the call log".into()));
    house.pass(10);
    let told = member(&mut house, 0, 5).word.alarms;
    let alarm = told.iter().find(|alarm| alarm.code == "store_damaged").expect("it is told");
    let command = Command::Acknowledge { key: alarm.key.clone(), by: "Kim".into() };
    assert_eq!(house.world(0).ask(command), Some(Ok(Reply::Saved)));
}
