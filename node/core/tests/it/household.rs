//! A household of several nodes that hear each other, or do not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use meerkat_core::{Command, Input, Refusal, Reply};
use meerkat_protocols::{
    home::NodeNumber,
    mesh::{self, Found, InboundRef, Order, Path, Peer, RequestRef},
    roster::{Change, Member, Role, Roster, Share, SignedEntry},
};

use proptest::prelude::*;

use crate::world::*;

/// Who asked what, by the number under which the other end may answer.
type Asked = (u16, RequestRef);

/// Nodes of home 0 and the links between them.
pub(crate) struct House {
    pub(crate) worlds: BTreeMap<u16, World>,
    links: BTreeSet<(u16, u16)>,
    asked: BTreeMap<(u16, InboundRef), Asked>,
    next: u64,
    /// Words between members that were carried, with their length.
    pub(crate) carried: Vec<(u16, u16, usize)>,
}

fn member(n: u16, role: Role) -> Member {
    Member {
        number: NodeNumber(u8::try_from(n).expect("few")),
        name: format!("node {n}"),
        role,
        statement: key(n).verifying_key().to_bytes(),
        peer: peer(n),
        seal: seal_secret(n).key(),
        share: Share::WHOLE,
        since: None,
    }
}

/// The roster of home 0 with these members beside its first node.
pub(crate) fn roster(others: &[(u16, Role)]) -> Vec<SignedEntry> {
    let mut roster = Roster::of(genesis(0));
    let all = [(0, Role::Admin)].into_iter().chain(others.iter().copied());
    for (n, role) in all {
        let chance = [u8::try_from(n).expect("few"); 32];
        let (entry, _) = roster.compose(NodeNumber(0), None, Change::Add(member(n, role)), chance).expect("allowed");
        assert_eq!(roster.insert(entry.sign(&key(0))), Ok(true));
    }
    roster.entries().map(|(_, entry)| entry.clone()).collect()
}

impl House {
    /// Home 0 with these further nodes, all connected.
    pub(crate) fn of(others: &[(u16, Role)]) -> Self {
        let entries = roster(others);
        let numbers: Vec<u16> = [0].into_iter().chain(others.iter().map(|(n, _)| *n)).collect();
        let worlds = numbers.iter().map(|n| (*n, World::member(0, *n, &entries, 1))).collect();
        let (links, asked, carried) = (BTreeSet::new(), BTreeMap::new(), Vec::new());
        let mut house = Self { worlds, links, asked, next: 0, carried };
        house.link_all();
        house
    }

    pub(crate) fn world(&mut self, n: u16) -> &mut World {
        self.worlds.get_mut(&n).expect("a node of the house")
    }

    pub(crate) fn link_all(&mut self) {
        let numbers: Vec<u16> = self.worlds.keys().copied().collect();
        for a in &numbers {
            for b in numbers.iter().filter(|b| *b > a) {
                self.link(*a, *b);
            }
        }
    }

    pub(crate) fn link(&mut self, a: u16, b: u16) {
        if !self.links.insert((a.min(b), a.max(b))) {
            return;
        }
        for (at, of, found) in [(a, b, Found::Nearby), (b, a, Found::CalledUs)] {
            let (address, path) = ("/ip4/192.0.2.1/tcp/1".to_owned(), Path::Direct);
            self.world(at).input(Input::Network(mesh::Event::Connected { peer: peer(of), address, found, path }));
        }
        self.settle();
    }

    pub(crate) fn cut(&mut self, a: u16, b: u16) {
        if self.links.remove(&(a.min(b), a.max(b))) {
            for (at, of) in [(a, b), (b, a)] {
                self.world(at).input(Input::Network(mesh::Event::Disconnected { peer: peer(of) }));
            }
        }
    }

    pub(crate) fn cut_off(&mut self, n: u16) {
        let others: Vec<u16> = self.worlds.keys().copied().filter(|other| *other != n).collect();
        others.into_iter().for_each(|other| self.cut(n, other));
    }

    fn number_of(&self, of: Peer) -> Option<u16> {
        self.worlds.keys().copied().find(|n| peer(*n) == of)
    }

    /// Carries all words until nothing moves.
    pub(crate) fn settle(&mut self) {
        let mut moved = true;
        while moved {
            moved = false;
            let numbers: Vec<u16> = self.worlds.keys().copied().collect();
            for n in numbers {
                let orders: VecDeque<Order> = std::mem::take(&mut self.world(n).orders).into();
                for order in orders {
                    moved |= self.carry(n, order);
                }
            }
        }
    }

    fn carry(&mut self, from: u16, order: Order) -> bool {
        match order {
            Order::AskMember { request, peer: to, data } => {
                let to = self.number_of(to).filter(|to| self.links.contains(&(from.min(*to), from.max(*to))));
                let Some(to) = to else {
                    self.world(from).input(Input::Network(mesh::Event::Unanswered { request }));
                    return true;
                };
                let inbound = InboundRef(self.next);
                self.next += 1;
                self.asked.insert((to, inbound), (from, request));
                self.carried.push((from, to, data.len()));
                let event = mesh::Event::MemberAsks { from: peer(from), inbound, data };
                self.world(to).input(Input::Network(event));
            }
            Order::Respond { inbound, data } => {
                let Some((to, request)) = self.asked.remove(&(from, inbound)) else { return false };
                self.carried.push((from, to, data.len()));
                self.world(to).input(Input::Network(mesh::Event::Response { request, data }));
            }
            Order::Request { request, .. } => {
                self.world(from).input(Input::Network(mesh::Event::Unanswered { request }));
            }
            _ => return false,
        }
        true
    }

    /// Lets time pass for all of them, a second at a time.
    pub(crate) fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            self.worlds.values_mut().for_each(|world| world.pass(1_000));
            self.settle();
        }
    }

    /// A person changes the household on this node.
    pub(crate) fn change(&mut self, n: u16, change: Change) -> Result<Reply, Refusal> {
        let said = self.world(n).ask(Command::ChangeHousehold(change)).expect("answered at once");
        self.settle();
        said
    }

    /// Who belongs to the household, as a node sees it.
    pub(crate) fn members(&mut self, n: u16) -> Vec<u8> {
        let world = self.world(n);
        let members = world.engine.snapshot(world.now).household.members;
        members.iter().filter(|member| !member.removed).map(|member| member.number.0).collect()
    }

    /// With whom a node is in step.
    pub(crate) fn in_step(&mut self, n: u16) -> Vec<u8> {
        let world = self.world(n);
        let members = world.engine.snapshot(world.now).household.members;
        members.iter().filter(|member| member.in_step).map(|member| member.number.0).collect()
    }
}

const OTHERS: [(u16, Role); 2] = [(5, Role::Admin), (9, Role::Member)];

#[test]
fn members_that_are_connected_are_in_step_and_a_stranger_is_not_read() {
    let mut house = House::of(&OTHERS);
    assert_eq!([house.in_step(0), house.in_step(5), house.in_step(9)], [vec![5, 9], vec![0, 9], vec![0, 5]]);
    let world = house.world(0);
    let event = mesh::Event::MemberAsks { from: peer(77), inbound: InboundRef(1 << 40), data: vec![1, 2, 3] };
    world.input(Input::Network(event));
    assert!(world.orders.contains(&Order::Respond { inbound: InboundRef(1 << 40), data: vec![2] }), "refused unread");
}

#[test]
fn a_removal_reaches_who_is_away_and_who_was_removed_and_survives_restarts() {
    let mut house = House::of(&OTHERS);
    house.cut_off(9);
    assert_eq!(house.change(0, Change::Remove(NodeNumber(5))), Ok(Reply::Saved));
    assert_eq!((house.members(0), house.members(9)), (vec![0, 9], vec![0, 5, 9]));
    assert_eq!(house.world(5).alarms(), ["expelled"], "it was connected, and is told");
    let again = house.world(9).restarted();
    house.worlds.insert(9, again);
    house.link(0, 9);
    assert_eq!((house.members(9), house.in_step(9)), (vec![0, 9], vec![0]));
    assert_eq!(house.in_step(0), [9]);
    let again = house.world(0).restarted();
    house.worlds.insert(0, again);
    assert_eq!(house.members(0), [0, 9]);
}

#[test]
fn two_removals_at_once_both_hold_and_those_who_are_left_go_on() {
    let mut house = House::of(&[(5, Role::Admin), (6, Role::Member), (7, Role::Member), (8, Role::Member)]);
    for (a, b) in [(0, 5), (0, 7), (0, 8), (6, 5), (6, 7), (6, 8)] {
        house.cut(a, b);
    }
    assert_eq!(house.change(0, Change::Remove(NodeNumber(7))), Ok(Reply::Saved));
    assert_eq!(house.change(5, Change::Remove(NodeNumber(8))), Ok(Reply::Saved));
    house.link_all();
    house.pass(5);
    for n in [0, 5, 6] {
        assert_eq!(house.members(n), [0, 5, 6], "node {n}");
    }
    assert_eq!([house.in_step(0), house.in_step(5), house.in_step(6)], [vec![5, 6], vec![0, 6], vec![0, 5]]);
}

#[test]
fn only_an_admin_changes_the_household_and_anybody_its_own_name() {
    let mut house = House::of(&OTHERS);
    assert!(matches!(house.change(9, Change::Remove(NodeNumber(5))), Err(Refusal::Invalid(_))));
    assert_eq!(house.change(9, Change::Name(NodeNumber(9), "garage".into())), Ok(Reply::Saved));
    let world = house.world(0);
    let members = world.engine.snapshot(world.now).household.members;
    assert!(members.iter().any(|member| member.name == "garage"), "{members:?}");
    assert_eq!(house.change(0, Change::Role(NodeNumber(9), Role::Admin)), Ok(Reply::Saved));
    assert_eq!(house.change(9, Change::Role(NodeNumber(0), Role::Member)), Ok(Reply::Saved));
    assert_eq!(house.members(5), [0, 5, 9]);
}

#[test]
fn a_copied_data_folder_is_noticed_by_the_household_and_by_both_copies() {
    let mut house = House::of(&OTHERS);
    let entries = roster(&OTHERS);
    // The copy starts after the original, from the same store: its start has a higher number, the chance is its own.
    house.cut_off(9);
    let original = std::mem::replace(house.world(9), World::member(0, 9, &entries, 2));
    house.link_all();
    assert_eq!(house.world(0).alarms(), [""; 0], "a restart looks the same");
    house.cut_off(9);
    let copy = std::mem::replace(house.world(9), original);
    house.link_all();
    assert_eq!([house.world(0).alarms(), house.world(5).alarms()], [["copy_of_member"], ["copy_of_member"]]);
    assert_eq!(house.world(9).alarms(), ["own_copy"]);
    house.cut_off(9);
    *house.world(9) = copy;
    house.link_all();
    assert_eq!(house.world(9).alarms(), ["own_copy"]);
}

#[test]
fn members_greet_each_other_now_and_then_and_no_more() {
    let mut house = House::of(&OTHERS);
    house.carried.clear();
    house.pass(3_600);
    let between: Vec<usize> = house.carried.iter().filter(|(a, b, _)| a + b == 5).map(|(.., len)| *len).collect();
    // Two greet each other each minute, each tells the other each five minutes which facts it has; each with an answer.
    assert!(between.len() <= 2 * 2 * (61 + 13), "{}", between.len());
    let bytes: usize = between.iter().sum();
    eprintln!("an idle hour of two members: {} words, {bytes} bytes", between.len());
    assert!(bytes < 64_000, "{bytes}");
}

/// Something that happens to a household of five.
#[derive(Debug, Clone)]
enum Step {
    Cut(u16, u16),
    Link(u16, u16),
    Change(u16, Change),
    Restart(u16),
    Pass(u64),
}

fn any_step() -> impl Strategy<Value = Step> {
    let node = 0_u16..5;
    let change = prop_oneof![
        (0_u8..5).prop_map(|n| Change::Remove(NodeNumber(n))),
        (0_u8..5, "[a-z]{1,6}").prop_map(|(n, name)| Change::Name(NodeNumber(n), name)),
        (0_u8..5, prop_oneof![Just(Role::Admin), Just(Role::Member)]).prop_map(|(n, r)| Change::Role(NodeNumber(n), r)),
        Just(Change::Rekey),
    ];
    prop_oneof![
        3 => (node.clone(), node.clone()).prop_map(|(a, b)| Step::Cut(a, b)),
        2 => (node.clone(), node.clone()).prop_map(|(a, b)| Step::Link(a, b)),
        3 => (node.clone(), change).prop_map(|(n, change)| Step::Change(n, change)),
        1 => node.prop_map(Step::Restart),
        1 => (1_u64..90).prop_map(Step::Pass),
    ]
}

impl House {
    fn restart(&mut self, n: u16) {
        self.cut_off(n);
        let again = self.world(n).restarted();
        self.worlds.insert(n, again);
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Cut(a, b) if a != b => self.cut(a, b),
            Step::Link(a, b) if a != b => self.link(a, b),
            Step::Cut(..) | Step::Link(..) => {}
            // It may be refused, for one who is no admin, or no member any more.
            Step::Change(n, change) => drop(self.change(n, change)),
            Step::Restart(n) => self.restart(n),
            Step::Pass(seconds) => self.pass(seconds),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever a household does while its nodes are apart in whatever way: together again, whoever takes another for a
    /// member agrees with it on who they are and talks to it under one key. (Two admins who removed each other, and are
    /// alone, do not listen to each other any more: each goes on without the other.)
    #[test]
    fn apart_or_together_members_agree(steps in prop::collection::vec(any_step(), 1..20)) {
        let mut house =
            House::of(&[(1, Role::Admin), (2, Role::Admin), (3, Role::Member), (4, Role::Member)]);
        steps.into_iter().for_each(|step| house.take(step));
        house.link_all();
        house.pass(10);
        let everybody: Vec<u16> = house.worlds.keys().copied().collect();
        let live: Vec<u16> = everybody.into_iter().filter(|n| !house.world(*n).alarms().contains(&"expelled")).collect();
        for n in &live {
            let members = house.members(*n);
            let number = u8::try_from(*n).expect("few");
            let others: Vec<u8> = members.iter().copied().filter(|other| *other != number).collect();
            prop_assert_eq!(house.in_step(*n), others.clone(), "node {} with those it takes for members", n);
            for other in others {
                prop_assert!(live.contains(&other.into()), "node {n} takes {other}, which is out, for a member");
                prop_assert_eq!(house.members(other.into()), members.clone(), "nodes {} and {}", n, other);
            }
        }
    }
}
