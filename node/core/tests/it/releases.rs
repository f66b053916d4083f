//! The key of a member's store, given out by the others.

use meerkat_core::{Alarm, Command, Input, Refusal, ReleaseCommand, Reply, UnlockStep, Unlocking};
use meerkat_protocols::{
    audit::Deed,
    batch::Write,
    cbor,
    facts::Fact,
    home::NodeNumber,
    mesh::{self, Found, InboundRef, Order, Path, Peer, RequestKind, RequestRef},
    release::{Answer, Entrusted, Question},
    roster::{Change, Role},
};
use proptest::prelude::*;

use crate::{household::House, world::*};

const OTHERS: [(u16, Role); 2] = [(5, Role::Admin), (9, Role::Member)];
const OWNER: u16 = 5;

/// Entrusts and writes the key file, as the page does.
fn entrust(house: &mut House, n: u16) -> Result<Entrusted, Refusal> {
    let said = house.world(n).ask(Command::Release(ReleaseCommand::Entrust));
    house.settle();
    let world = house.world(n);
    let said = said.or_else(|| world.replies.get(&world.last_command()).map(|all| all[0].clone()));
    match said.expect("answered") {
        Ok(Reply::Entrusted(entrusted)) => {
            kept(house, n, Some(*entrusted.clone()));
            Ok(*entrusted)
        }
        Ok(other) => panic!("{other:?}"),
        Err(why) => Err(why),
    }
}

/// The key file says this now.
fn kept(house: &mut House, n: u16, entrusted: Option<Entrusted>) {
    house.world(n).entrusted.clone_from(&entrusted);
    let command = ReleaseCommand::Kept(entrusted.map(Box::new));
    assert_eq!(house.world(n).ask(Command::Release(command)), Some(Ok(Reply::Saved)));
    house.settle();
}

/// What a member answers to who asks with this key; `None` if nothing yet.
fn asked(house: &mut House, member: u16, asker: Peer, question: Question) -> Option<Answer> {
    let inbound = InboundRef(1 << 50);
    let world = house.world(member);
    world.orders.clear();
    let data = [&[RequestKind::Release.byte()][..], &question.encode()].concat();
    world.input(Input::Network(mesh::Event::Request { from: asker, inbound, data }));
    world.orders.iter().find_map(|order| match order {
        Order::Respond { inbound: to, data } if *to == inbound => Some(Answer::decode(data).expect("an answer")),
        _ => None,
    })
}

fn ask(house: &mut House, member: u16, entrusted: &Entrusted) -> Option<Answer> {
    asked(house, member, entrusted.asking.peer(), Question(entrusted.id))
}

fn given(entrusted: &Entrusted) -> Option<Answer> {
    Some(Answer::Given(entrusted.secret.clone()))
}

/// What a node wrote down of keys: on what, and with which result.
fn acts(house: &mut House, n: u16) -> Vec<String> {
    let writes = house.world(n).batches.iter().flat_map(|batch| &batch.writes);
    let deeds = writes.filter_map(|write| match write {
        Write::Fact(fact) => match &**fact {
            Fact::Audit(dated) => cbor::decode::<Deed>(&dated.bytes).ok(),
            _ => None,
        },
        _ => None,
    });
    deeds
        .filter(|deed| deed.action.starts_with("key."))
        .map(|deed| format!("{} {}", deed.target, deed.result))
        .collect()
}

fn alarms(house: &mut House, n: u16) -> Vec<&'static str> {
    house.world(n).alarms()
}

#[test]
fn any_member_gives_a_locked_one_its_key_and_writes_that_down_first() {
    let mut house = House::of(&OTHERS);
    let entrusted = entrust(&mut house, OWNER).expect("two members are there");
    for member in [0, 9] {
        assert!(house.world(member).releases.values().any(|row| row.secret.is_some()), "{member} has it on disk");
    }
    // Who runs needs no key; once its connection is gone it may be locked.
    assert_eq!(ask(&mut house, 0, &entrusted), Some(Answer::Runs(5)));
    house.cut_off(OWNER);
    assert_eq!(ask(&mut house, 0, &entrusted), given(&entrusted));
    assert_eq!(ask(&mut house, 9, &entrusted), given(&entrusted));
    assert_eq!((acts(&mut house, 0), alarms(&mut house, 0)), (vec!["node 5 done".to_owned()], vec!["key_released"]));
    // After a start of the member too.
    let again = house.world(0).restarted();
    house.worlds.insert(0, again);
    assert_eq!(ask(&mut house, 0, &entrusted), given(&entrusted));
    // Nothing goes out that is not written down.
    house.world(9).disk = Disk::Fails;
    assert_eq!(ask(&mut house, 9, &entrusted), None);
}

#[test]
fn strangers_learn_nothing_and_leave_no_line() {
    let mut house = House::of(&OTHERS);
    let entrusted = entrust(&mut house, OWNER).expect("two members are there");
    house.cut_off(OWNER);
    let other = Question(meerkat_protocols::release::ReleaseId([3; 16]));
    for (asker, question) in
        [(peer(77), Question(entrusted.id)), (entrusted.asking.peer(), other), (peer(OWNER), Question(entrusted.id))]
    {
        assert_eq!(asked(&mut house, 0, asker, question), Some(Answer::Unknown));
    }
    assert_eq!((acts(&mut house, 0), alarms(&mut house, 0)), (vec![], vec![]));
}

#[test]
fn who_was_removed_gets_nothing_which_is_written_down_once_an_hour() {
    let mut house = House::of(&OTHERS);
    let entrusted = entrust(&mut house, OWNER).expect("two members are there");
    house.cut_off(OWNER);
    assert_eq!(house.change(0, Change::Remove(NodeNumber(5))), Ok(Reply::Saved));
    for member in [0, 9] {
        for _ in 0..20 {
            assert_eq!(ask(&mut house, member, &entrusted), Some(Answer::Removed));
        }
        assert_eq!(acts(&mut house, member), ["node 5 done", "node 5 refused: removed"], "forgotten, then refused");
        assert_eq!(alarms(&mut house, member), ["key_refused"]);
        assert!(house.world(member).releases.values().all(|row| row.secret.is_none()), "the secret itself is gone");
        let again = house.world(member).restarted();
        house.worlds.insert(member, again);
        assert_eq!(ask(&mut house, member, &entrusted), Some(Answer::Removed));
    }
}

#[test]
fn what_a_removed_member_knew_is_replaced_and_it_keeps_nothing() {
    let mut house = House::of(&OTHERS);
    let old = entrust(&mut house, OWNER).expect("two members are there");
    assert_eq!(house.change(0, Change::Remove(NodeNumber(9))), Ok(Reply::Saved));
    house.pass(5);
    let new = house.world(OWNER).entrusted.clone().expect("still with members");
    assert!(new.id != old.id && new.secret != old.secret && new.asking != old.asking);
    assert_eq!(acts(&mut house, OWNER), [" done"]);
    house.cut_off(OWNER);
    assert_eq!(ask(&mut house, 0, &new), given(&new));
    assert_eq!(ask(&mut house, 0, &old), Some(Answer::Unknown));
    assert_eq!(ask(&mut house, 9, &old), Some(Answer::Unknown));
    assert!(house.world(9).releases.is_empty(), "it was told that it is out");
}

#[test]
fn the_only_member_left_has_it_or_an_alarm_says_that_nobody_does() {
    let mut house = House::of(&[(5, Role::Admin)]);
    let entrusted = entrust(&mut house, OWNER).expect("a member is there");
    assert!(alarms(&mut house, OWNER).is_empty());
    assert_eq!(house.change(OWNER, Change::Remove(NodeNumber(0))), Ok(Reply::Saved));
    assert_eq!(alarms(&mut house, OWNER), ["key_held_by_nobody"]);
    assert_eq!(house.world(OWNER).entrusted, Some(entrusted), "it stays as it is until a person chooses");
    kept(&mut house, OWNER, None);
    assert!(alarms(&mut house, OWNER).is_empty());
}

#[test]
fn without_another_member_that_is_there_it_is_refused_and_nothing_changes() {
    let mut alone = World::new(0);
    let entrusting = Command::Release(ReleaseCommand::Entrust);
    assert_eq!(alone.ask(entrusting.clone()), Some(Err(Refusal::NoMember)));
    let mut house = House::of(&OTHERS);
    house.cut_off(OWNER);
    assert_eq!(house.world(OWNER).ask(entrusting), Some(Err(Refusal::NoMemberThere)));
    // A disk that takes nothing is no keeper.
    let mut house = House::of(&[(5, Role::Admin)]);
    house.world(0).disk = Disk::Fails;
    assert_eq!(house.world(OWNER).ask(Command::Release(ReleaseCommand::Entrust)), None);
    house.settle();
    house.cut_off(OWNER);
    let unanswered: Vec<u64> = (0..200).collect();
    for request in unanswered {
        house.world(OWNER).input(Input::Network(mesh::Event::Unanswered { request: RequestRef(request) }));
    }
    let world = house.world(OWNER);
    assert_eq!(world.replies[&world.last_command()], [Err(Refusal::NoMemberThere)]);
    assert!(world.entrusted.is_none());
}

#[test]
fn a_member_that_was_away_is_told_when_it_comes_and_drops_what_is_over() {
    let mut house = House::of(&OTHERS);
    house.cut_off(9);
    let entrusted = entrust(&mut house, OWNER).expect("one member is there");
    assert!(house.world(9).releases.is_empty());
    house.link_all();
    house.cut_off(OWNER);
    assert_eq!(ask(&mut house, 9, &entrusted), given(&entrusted));
    house.link_all();
    house.cut(9, OWNER);
    kept(&mut house, OWNER, None);
    assert!(house.world(0).releases.is_empty());
    house.link_all();
    assert!(house.world(9).releases.is_empty());
    assert!(house.world(OWNER).releases.is_empty());
}

#[test]
fn a_key_is_given_out_twelve_times_an_hour() {
    let mut house = House::of(&OTHERS);
    let entrusted = entrust(&mut house, OWNER).expect("two members are there");
    house.cut_off(OWNER);
    for _ in 0..12 {
        assert_eq!(ask(&mut house, 0, &entrusted), given(&entrusted));
    }
    for _ in 0..5 {
        assert!(matches!(ask(&mut house, 0, &entrusted), Some(Answer::TooOften(1..=3_600))));
    }
    assert_eq!(acts(&mut house, 0).iter().filter(|line| line.contains("too often")).count(), 1);
    house.world(0).pass(3_600_000);
    assert_eq!(ask(&mut house, 0, &entrusted), given(&entrusted));
}

#[test]
fn a_copy_of_the_card_beside_the_running_node_gets_nothing_and_is_noticed() {
    let mut house = House::of(&OTHERS);
    let entrusted = entrust(&mut house, OWNER).expect("two members are there");
    assert_eq!(ask(&mut house, 0, &entrusted), Some(Answer::Runs(5)));
    assert!(alarms(&mut house, 0).is_empty(), "a connection may be broken and not known to be");
    house.pass(150);
    for _ in 0..10 {
        assert_eq!(ask(&mut house, 0, &entrusted), Some(Answer::Runs(5)));
    }
    assert_eq!(alarms(&mut house, 0), ["key_refused"]);
    assert_eq!(acts(&mut house, 0), ["node 5 refused: it runs elsewhere"]);
}

#[test]
fn nobody_but_a_member_has_anything_held() {
    let mut house = House::of(&OTHERS);
    let event = mesh::Event::MemberAsks { from: peer(77), inbound: InboundRef(1 << 40), data: vec![4, 1, 2, 3] };
    house.world(0).input(Input::Network(event));
    assert!(house.world(0).releases.is_empty());
}

fn connected(peer: Peer) -> mesh::Event {
    let address = "/ip4/192.0.2.1/tcp/1".to_owned();
    mesh::Event::Connected { peer, address, found: Found::Remembered, path: Path::Direct }
}

/// What a locked node would ask now, by whom.
fn asks(unlocking: &mut Unlocking) -> Vec<(Peer, RequestRef)> {
    let mut asked = Vec::new();
    while let Some(step) = unlocking.poll() {
        if let UnlockStep::Order(Order::Request { request, peer, .. }) = step {
            asked.push((peer, request));
        }
    }
    asked
}

#[test]
fn a_locked_node_asks_members_alone_and_again_until_one_gives_the_key() {
    let mut house = House::of(&OTHERS);
    let entrusted = entrust(&mut house, OWNER).expect("two members are there");
    let whom =
        house.world(OWNER).engine.snapshot(meerkat_protocols::time::Now { mono_ms: 0, wall: None }).releases.whom;
    assert_eq!(whom.iter().map(|(peer, _)| *peer).collect::<Vec<_>>(), [peer(0), peer(9)]);
    let mut locked = Unlocking::new(entrusted.id, Some(whom));
    assert!(matches!(locked.poll(), Some(UnlockStep::Order(Order::Dial { .. }))));
    assert!(locked.words().contains("reaches none yet"));
    locked.handle(0, &connected(peer(77)));
    assert!(asks(&mut locked).is_empty(), "a stranger is not asked");
    locked.handle(0, &connected(peer(0)));
    let [(_, first)] = asks(&mut locked)[..] else { panic!("one is asked") };
    locked.handle(10, &mesh::Event::Response { request: first, data: Answer::Removed.encode() });
    assert!(locked.words().contains("removed"), "{}", locked.words());
    assert_eq!(locked.due_ms(), Some(60_010));
    locked.handle(20, &connected(peer(9)));
    let [(at, second)] = asks(&mut locked)[..] else { panic!("the other is asked") };
    assert_eq!(at, peer(9));
    locked.handle(30, &mesh::Event::Unanswered { request: second });
    locked.mind(10_029);
    assert!(asks(&mut locked).is_empty());
    locked.mind(10_030);
    let [(_, third)] = asks(&mut locked)[..] else { panic!("it is asked again") };
    let answer = Answer::Given(entrusted.secret.clone()).encode();
    locked.handle(10_040, &mesh::Event::Response { request: third, data: answer });
    assert_eq!(locked.poll(), Some(UnlockStep::Try(entrusted.secret)));
    assert_eq!(locked.giver(), Some(peer(9)));
    locked.wrong();
    assert_eq!(locked.due_ms(), Some(20_040));
    // Bytes that are no answer are none.
    locked.mind(20_040);
    let [(_, fourth)] = asks(&mut locked)[..] else { panic!("it is asked again") };
    locked.handle(20_050, &mesh::Event::Response { request: fourth, data: vec![0xff; 9] });
    assert!(locked.poll().is_none());
}

#[test]
fn a_locked_node_that_does_not_know_its_members_asks_those_it_meets() {
    let entrusted = entrust(&mut House::of(&OTHERS), OWNER).expect("two members are there");
    let mut locked = Unlocking::new(entrusted.id, None);
    for n in 0..100 {
        locked.handle(0, &connected(peer(n)));
    }
    assert_eq!(asks(&mut locked).len(), 64);
}

/// One thing that happens to the household.
#[derive(Debug, Clone, Copy)]
enum Step {
    Entrust,
    /// The secret is told and the node is killed before its key file is written.
    EntrustKilled,
    Beside,
    Cut(u16, u16),
    LinkAll,
    Kill(u16),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let node = prop::sample::select(vec![0_u16, 5, 9]);
    let step = prop_oneof![
        Just(Step::Entrust),
        Just(Step::EntrustKilled),
        Just(Step::Beside),
        (node.clone(), node.clone()).prop_map(|(a, b)| Step::Cut(a, b)),
        Just(Step::LinkAll),
        node.prop_map(Step::Kill),
    ];
    prop::collection::vec(step, 0..14)
}

fn kill(house: &mut House, n: u16) {
    house.cut_off(n);
    let again = house.world(n).restarted();
    house.worlds.insert(n, again);
}

fn play(house: &mut House, step: Step) {
    match step {
        Step::Entrust => drop(entrust(house, OWNER)),
        Step::EntrustKilled => {
            house.world(OWNER).ask(Command::Release(ReleaseCommand::Entrust));
            house.settle();
            kill(house, OWNER);
        }
        Step::Beside => kept(house, OWNER, None),
        Step::Cut(a, b) => house.cut(a, b),
        Step::LinkAll => house.link_all(),
        Step::Kill(n) => kill(house, n),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_is_cut_or_killed_some_member_holds_what_the_key_file_names(steps in steps()) {
        let mut house = House::of(&OTHERS);
        for step in steps {
            play(&mut house, step);
            let Some(entrusted) = house.world(OWNER).entrusted.clone() else { continue };
            let holds = |n| house.worlds[&n].releases.values().any(|row| row.secret.as_ref() == Some(&entrusted.secret));
            prop_assert!(holds(0) || holds(9), "after {step:?}");
        }
        house.link_all();
        house.cut_off(OWNER);
        let entrusted = house.world(OWNER).entrusted.clone();
        for member in [0, 9] {
            let rows: Vec<_> = house.world(member).releases.values().map(|row| row.id).collect();
            prop_assert_eq!(rows, entrusted.iter().map(|e| e.id).collect::<Vec<_>>(), "member {}", member);
        }
        prop_assert!(!alarms(&mut house, OWNER).contains(&Alarm::KeyHeldByNobody.code()));
    }
}
