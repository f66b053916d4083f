//! Further nodes of a home: by what others know them, what they may say, and what is left when they are gone.

use meerkat_core::{Refusal, Reply};
use meerkat_protocols::{
    home::NodeNumber,
    mesh::Validation::{Accept, Ignore, Reject},
    roster::{Change, Member, Role, Roster, Share},
    statement::{Basis, Body, Category, Kind, Read, Sealed, Statement},
};

use crate::{nodes::*, world::*};

/// A quarter: slots 15 to 19 of twenty reports, 12 to 15 of sixteen delegations, 24 to 31 of 32 retractions.
pub(crate) const QUARTER: (u16, u16) = (768, 1_024);

pub(crate) fn scam(n: u16, node: u8, day: u16, slot: u8) -> Sealed {
    signed_by(
        n,
        node,
        day,
        slot,
        Body::Report { number: number(SPAMMER), category: Category::Scam, basis: Basis::Told },
    )
}

pub(crate) fn takes_back(n: u16, node: u8, (day, slot): (u16, u8), of: (u16, u8)) -> Sealed {
    let body = Body::Retraction { kind: Kind::Delegation, day: meerkat_protocols::time::Day(of.0), slot: of.1 };
    signed_by(n, node, day, slot, body)
}

/// The member that is this node of home `n`.
pub(crate) fn member(n: u16, node: u8, role: Role) -> Member {
    Member {
        number: NodeNumber(node),
        name: format!("node {node}"),
        role,
        statement: node_key(n, node).verifying_key().to_bytes(),
        peer: node_peer(n, node),
        seal: seal_secret(n).key(),
        share: Share::WHOLE,
        since: None,
    }
}

pub(crate) fn change(roster: &mut Roster, n: u16, author: u8, change: Change) {
    let chance = [u8::try_from(roster.entries().count()).expect("few") + 1; 32];
    let (entry, _) = roster.compose(NodeNumber(author), None, change, chance).expect("possible");
    assert_eq!(roster.insert(entry.sign(&node_key(n, author))), Ok(true));
}

/// Home `n` of its first node and these.
pub(crate) fn household(n: u16, others: &[u8]) -> Roster {
    let mut roster = Roster::of(genesis(n));
    for node in [0].iter().chain(others) {
        change(&mut roster, n, 0, Change::Add(member(n, *node, Role::Admin)));
    }
    roster
}

fn neighbour() -> World {
    World::answering_for(0, &[1])
}

fn said(world: &mut World) -> Vec<Statement> {
    let read = |sealed: &Sealed| match sealed.read() {
        Ok(Read::Statement(statement)) => statement,
        other => panic!("{other:?}"),
    };
    std::mem::take(&mut world.published).iter().map(read).collect()
}

#[test]
fn a_further_node_is_heard_once_it_is_named_and_its_home_counts_once() {
    let mut world = neighbour();
    assert_eq!(world.hear(9, &scam(1, 1, TODAY, 15)), Some(Ignore), "nobody has named it");
    assert_eq!(world.check(SPAMMER).confirmations, 0);
    assert_eq!(world.hear(9, &names(1, 0, (TODAY, 0), 1, QUARTER)), Some(Accept));
    assert_eq!(world.check(SPAMMER).confirmations, 1, "what was held counts");
    assert_eq!(world.hear(9, &scam(1, 0, TODAY, 3)), Some(Accept));
    let assessment = world.check(SPAMMER);
    assert_eq!((assessment.confirmations, assessment.claims.len()), (1, 1), "two nodes are one home");
    assert_eq!(world.hear(9, &names(1, 1, (TODAY, 12), 2, (960, 1_024))), Some(Accept), "a named one names on");
    assert_eq!(world.hear(9, &scam(1, 2, TODAY, 19)), Some(Accept));
}

#[test]
fn a_chain_that_came_backwards_is_followed_from_its_beginning() {
    let mut world = neighbour();
    let chain = [names(1, 0, (TODAY, 0), 1, QUARTER), names(1, 1, (TODAY, 12), 2, (900, 1_024)), scam(1, 2, TODAY, 19)];
    for sealed in chain.iter().rev() {
        world.hear(9, sealed);
    }
    assert_eq!(world.check(SPAMMER).confirmations, 1);
    world.pass(60_000);
    assert_eq!(world.restarted().check(SPAMMER).confirmations, 1, "and after a restart, whatever the order on disk");
}

#[test]
fn a_slot_outside_the_share_is_refused_and_proves_nothing() {
    let mut world = neighbour();
    world.hear(9, &names(1, 0, (TODAY, 0), 1, QUARTER));
    assert_eq!(world.hear(9, &scam(1, 0, TODAY, 3)), Some(Accept));
    assert_eq!(world.hear(9, &report(1, TODAY, 4, SPAMMER + 1, Category::Spam)), Some(Accept));
    for slot in [0, 3, 4, 14] {
        assert_eq!(world.hear(9, &scam(1, 1, TODAY, slot)), Some(Ignore), "slot {slot}");
    }
    assert_eq!(world.alarms(), Vec::<&str>::new());
    assert_eq!(world.check(SPAMMER).confirmations, 1);
}

#[test]
fn hostile_delegations_name_nobody() {
    let mut world = neighbour();
    let forged = Statement {
        home: home(1),
        node: NodeNumber(0),
        day: meerkat_protocols::time::Day(TODAY),
        slot: 1,
        body: Body::Delegation(delegation(1, 7, QUARTER)),
    };
    assert_eq!(world.hear(9, &forged.sign(&node_key(1, 7))), Some(Reject), "forged in the first node's name");
    world.hear(9, &names(1, 0, (TODAY, 0), 1, QUARTER));
    assert_eq!(world.hear(9, &names(1, 1, (TODAY, 3), 7, QUARTER)), Some(Ignore), "in a slot not its own");
    // More than its signer has; itself; a circle.
    world.hear(9, &names(1, 1, (TODAY, 12), 7, (0, 1_024)));
    world.hear(9, &names(1, 1, (TODAY, 13), 1, (768, 1_000)));
    world.hear(9, &names(1, 1, (TODAY, 14), 2, (800, 1_024)));
    world.hear(9, &names(1, 2, (TODAY, 15), 1, (900, 1_024)));
    assert_eq!(world.hear(9, &scam(1, 7, TODAY, 0)), Some(Ignore));
    assert_eq!(world.hear(9, &scam(1, 1, TODAY, 15)), Some(Accept), "who was named rightly still is");
    assert_eq!(world.hear(9, &scam(1, 2, TODAY, 16)), Some(Accept));
    // Too deep: the fifth.
    for node in 2..6 {
        world.hear(9, &names(1, node, (TODAY - 1, 10 + node), node + 1, (800, 1_024)));
    }
    assert_eq!(world.hear(9, &scam(1, 4, TODAY, 17)), Some(Accept));
    assert_eq!(world.hear(9, &scam(1, 5, TODAY, 18)), Some(Ignore));
}

#[test]
fn who_was_taken_back_keeps_what_it_said_before_and_says_no_more() {
    let mut world = neighbour();
    world.hear(9, &names(1, 0, (TODAY - 9, 0), 1, QUARTER));
    world.hear(9, &names(1, 1, (TODAY - 8, 12), 2, (960, 1_024)));
    world.hear(9, &scam(1, 1, TODAY - 5, 15));
    world.hear(9, &scam(1, 1, TODAY, 15));
    assert_eq!(world.hear(9, &takes_back(1, 0, (TODAY - 2, 0), (TODAY - 9, 0))), Some(Accept));
    assert_eq!(world.hear(9, &scam(1, 1, TODAY - 1, 15)), Some(Ignore));
    assert_eq!(world.hear(9, &scam(1, 2, TODAY - 1, 19)), Some(Ignore), "nor whom it had named");
    let claims = world.check(SPAMMER).claims;
    assert_eq!(claims.iter().map(|claim| claim.day.0).collect::<Vec<_>>(), [TODAY - 5]);
    assert_eq!(world.hear(9, &scam(1, 1, TODAY - 2, 16)), Some(Accept), "what it said in its time may come late");
    // A retraction dated back takes back nothing that the home says later.
    let ahead = Body::Retraction { kind: Kind::Report, day: meerkat_protocols::time::Day(TODAY), slot: 0 };
    assert_eq!(world.hear(9, &signed_by(1, 1, TODAY - 3, 24, ahead)), Some(Accept));
    world.hear(9, &report(1, TODAY, 0, SPAMMER + 7, Category::Scam));
    assert_eq!(world.check(SPAMMER + 7).confirmations, 1);
    // Another word of the first node on whom the removed one had named.
    assert_eq!(world.hear(9, &names(1, 0, (TODAY, 1), 2, (960, 1_024))), Some(Accept));
    assert_eq!(world.hear(9, &scam(1, 2, TODAY, 19)), Some(Accept));
}

#[test]
fn a_node_with_two_tongues_silences_its_home_until_it_is_taken_back() {
    let mut world = neighbour();
    world.hear(9, &names(1, 0, (TODAY - 9, 0), 1, QUARTER));
    world.hear(9, &scam(1, 0, TODAY - 5, 0));
    let body = Body::Report { number: number(SPAMMER + 1), category: Category::Spam, basis: Basis::Told };
    let pair = [scam(1, 1, TODAY - 4, 15), signed_by(1, 1, TODAY - 4, 15, body)];
    for sealed in &pair {
        world.hear(9, sealed);
    }
    assert_eq!(world.alarms(), ["neighbour_equivocates"]);
    assert_eq!(world.check(SPAMMER).confirmations, 0);
    assert_eq!(world.hear(9, &takes_back(1, 0, (TODAY, 0), (TODAY - 9, 0))), Some(Accept));
    assert_eq!(world.alarms(), Vec::<&str>::new());
    assert_eq!(world.check(SPAMMER).claims.len(), 1, "the home's other words count again");
    assert_eq!(world.check(SPAMMER + 1).claims.len(), 0, "none of the caught node's does");
    assert_eq!(world.hear(9, &scam(1, 1, TODAY - 3, 16)), Some(Ignore));
    world.pass(60_000);
    let mut again = world.restarted();
    assert_eq!((again.alarms().len(), again.check(SPAMMER + 1).claims.len()), (0, 0));
    // The first node cannot be taken back: what it does stands.
    world.hear(9, &report(1, TODAY - 5, 0, SPAMMER + 2, Category::Spam));
    assert_eq!(world.alarms(), ["neighbour_equivocates"]);
}

#[test]
fn a_slot_that_two_nodes_filled_is_no_proof_and_holds_one_word() {
    for backwards in [false, true] {
        let mut world = neighbour();
        world.hear(9, &names(1, 0, (TODAY - 9, 0), 1, QUARTER));
        let other = Body::Report { number: number(SPAMMER + 1), category: Category::Spam, basis: Basis::Told };
        let mut both = [signed_by(1, 0, TODAY, 15, other), scam(1, 1, TODAY, 15)];
        if backwards {
            both.reverse();
        }
        for sealed in &both {
            world.hear(9, sealed);
        }
        assert_eq!(world.alarms(), Vec::<&str>::new());
        let counted = (world.check(SPAMMER).claims.len(), world.check(SPAMMER + 1).claims.len());
        assert_eq!(counted, (1, 0), "it is the slot of the node to which it was given");
    }
}

#[test]
fn no_home_has_more_than_twenty_delegations_kept() {
    let mut world = neighbour();
    let own = world.engine.snapshot(world.now).statements;
    for day in 0..9 {
        for slot in 0..16 {
            let node = day * 16 + slot + 1;
            world.hear(9, &names(1, 0, (TODAY - 9 + u16::from(day), slot), node, QUARTER));
        }
    }
    assert_eq!(world.engine.snapshot(world.now).statements - own, 20);
    world.pass(60_000);
    assert_eq!(world.statements.len(), own + 20);
    // What is said again takes the place of what it renews.
    let mut world = neighbour();
    for age in 0..9 {
        world.hear(9, &names(1, 0, (TODAY - age, 0), 1, QUARTER));
    }
    assert_eq!(world.engine.snapshot(world.now).statements - own, 1);
}

#[test]
fn a_new_node_speaks_once_it_is_named_and_in_its_own_slots() {
    let roster = household(0, &[5, 9]);
    let share = roster.member(NodeNumber(5)).expect("a member").share;
    let mut world = World::further(0, 5, (share.from, share.to), &[]);
    world.speak_for(&roster);
    assert_eq!(world.report(SPAMMER, Category::Scam), Ok(Reply::Waiting));
    assert_eq!(world.vouch(1), Err(Refusal::NotNamedYet));
    assert!(said(&mut world).is_empty());
    world.hear(9, &names(0, 0, (TODAY, 0), 5, (share.from, share.to)));
    world.pass(60_000);
    let [statement] = said(&mut world)[..] else { panic!("the report that waited") };
    assert_eq!((statement.node, statement.slot), (NodeNumber(5), share.slots(Kind::Report).start));
    let part = share.slots(Kind::Report);
    for n in 1..part.len() {
        assert!(world.report(SPAMMER + n as u64, Category::Scam).is_ok());
    }
    let all = u8::try_from(part.len()).expect("few");
    assert_eq!(world.report(SPAMMER + 90, Category::Scam), Err(Refusal::NoSlotLeft(all)));
    assert!(said(&mut world).iter().all(|statement| part.contains(&statement.slot)));
}

#[test]
fn a_node_without_a_part_says_who_has_one() {
    let mut world = World::further(0, 5, (1_024, 1_024), &[]);
    assert_eq!(world.report(SPAMMER, Category::Scam), Err(Refusal::NotThisNode(NodeNumber(0))), "it waits for nothing");
    world.hear(9, &names(0, 0, (TODAY, 0), 5, (1_024, 1_024)));
    assert_eq!(world.report(SPAMMER, Category::Scam), Err(Refusal::NotThisNode(NodeNumber(0))));
    assert_eq!(world.vouch(1), Err(Refusal::NotThisNode(NodeNumber(0))));
}

#[test]
fn who_adds_a_member_names_it_says_so_again_and_takes_it_back() {
    let mut world = World::new(0);
    let mut roster = household(0, &[5]);
    world.speak_for(&roster);
    world.pass(60_000);
    let named = said(&mut world);
    let expected = Share { from: QUARTER.0, to: QUARTER.1 };
    let Body::Delegation(of) = named[0].body else { panic!("{named:?}") };
    assert_eq!(
        (named.len(), of.node, of.share, of.key),
        (1, NodeNumber(5), expected, member(0, 5, Role::Admin).statement)
    );
    world.speak_for(&roster);
    world.pass(2 * 3_600_000);
    assert!(said(&mut world).is_empty(), "once is enough");
    world.set_day(TODAY + 89);
    world.pass(3_600_000);
    assert!(said(&mut world).is_empty());
    world.set_day(TODAY + 90);
    world.pass(3_600_000);
    let again = said(&mut world);
    assert!(matches!(again[..], [Statement { body: Body::Delegation(again), .. }] if again == of), "{again:?}");
    change(&mut roster, 0, 0, Change::Remove(NodeNumber(5)));
    world.speak_for(&roster);
    world.pass(60_000);
    let back = said(&mut world);
    let [Statement { body: Body::Retraction { kind: Kind::Delegation, day, slot }, .. }] = back[..] else {
        panic!("{back:?}")
    };
    assert_eq!((day, slot), (again[0].day, again[0].slot));
    world.pass(2 * 3_600_000);
    assert!(said(&mut world).is_empty());
}

#[test]
fn a_part_that_was_used_today_is_given_for_tomorrow() {
    let mut world = World::new(0);
    (0..17).for_each(|n| assert!(world.report(SPAMMER + n, Category::Scam).is_ok()));
    said(&mut world);
    let roster = household(0, &[5]);
    world.speak_for(&roster);
    world.pass(60_000);
    let named = said(&mut world);
    assert_eq!(named.iter().map(|statement| statement.day.0).collect::<Vec<_>>(), [TODAY + 1]);
    assert_eq!(
        world.report(SPAMMER + 50, Category::Scam),
        Err(Refusal::NoSlotLeft(15)),
        "its own part is smaller at once"
    );
    let mut new = World::further(0, 5, QUARTER, &world.statements.values().cloned().collect::<Vec<_>>());
    assert_eq!(new.report(SPAMMER, Category::Scam), Ok(Reply::Waiting), "it does not speak before its day");
    new.set_day(TODAY + 1);
    assert_eq!(said(&mut new).len(), 1);
}

#[test]
fn the_own_homes_nodes_are_believed_at_once_and_are_the_home() {
    let roster = household(0, &[5, 9]);
    let mut world = World::new(0);
    assert_eq!(world.hear(9, &scam(0, 5, TODAY, 15)), Some(Ignore), "nobody knows it");
    // Of the roster, before anything was said to others.
    let mut garage = World::further(0, 9, (576, 768), &[]);
    garage.speak_for(&roster);
    assert_eq!(garage.hear(9, &scam(0, 5, TODAY, 15)), Some(Accept));
    assert!(garage.check(SPAMMER).claims.iter().any(|claim| claim.own), "the home said so");
    world.speak_for(&roster);
    world.hear(9, &scam(0, 5, TODAY, 15));
    assert!(world.check(SPAMMER).claims.iter().any(|claim| claim.own));
    // Any member takes back what another said.
    let command = meerkat_core::Command::Retract { number: format!("+{SPAMMER}") };
    assert!(world.ask(command).expect("answered at once").is_ok());
    assert!(world.check(SPAMMER).claims.is_empty());
}
