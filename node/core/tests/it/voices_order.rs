//! Whatever the order in which a home's delegations, what was taken back of them and the words of its nodes arrive, honest
//! nodes end with the same.

use std::collections::BTreeSet;

use meerkat_core::Assessment;
use meerkat_protocols::{
    home::NodeNumber,
    roster::Share,
    statement::{Basis, Body, Category, Kind, Sealed, Statement, StatementId},
    time::Day,
};
use proptest::{collection::vec, prelude::*};

use crate::{
    nodes::*,
    street::Street,
    voices::{household, scam, takes_back},
    world::*,
};

const NUMBERS: u64 = 3;
/// Parts that lie in each other or apart.
const PARTS: [(u16, u16); 5] = [(0, 1_024), (0, 512), (512, 1_024), (768, 1_024), (512, 640)];

/// With which key a node signs: two in one number's name are a home that deals double.
fn sign(node: u8, key: u8, day: u16, slot: u8, body: Body) -> Sealed {
    let statement = Statement { home: home(1), node: NodeNumber(node), day: Day(day), slot, body };
    statement.sign(&if node == 0 { key_of(0) } else { key_of(node + 100 * key) })
}

fn key_of(node: u8) -> ed25519_dalek::SigningKey {
    node_key(1, node)
}

fn statements() -> impl Strategy<Value = Sealed> {
    let days = TODAY - 4..=TODAY;
    let who = (0u8..4, 0u8..2);
    prop_oneof![
        4 => (who.clone(), days.clone(), 0u8..16, 1u8..4, 0u8..2, 0usize..5).prop_map(|((by, key), day, slot, node, other, part)| {
            let key_named = key_of(node + 100 * other).verifying_key().to_bytes();
            let share = Share { from: PARTS[part].0, to: PARTS[part].1 };
            let named = meerkat_protocols::delegation::Delegation { node: NodeNumber(node), key: key_named, share };
            sign(by, key, day, slot, Body::Delegation(named))
        }),
        4 => (who.clone(), days.clone(), 0u8..20, 0..NUMBERS, 0usize..5).prop_map(|((by, key), day, slot, digits, category)| {
            let number = number(SPAMMER + digits);
            sign(by, key, day, slot, Body::Report { number, category: Category::ALL[category], basis: Basis::Told })
        }),
        3 => (who, days.clone(), 0u8..32, any::<bool>(), days, 0u8..16).prop_map(|((by, key), day, slot, node, of, at)| {
            let kind = if node { Kind::Delegation } else { Kind::Report };
            sign(by, key, day, slot, Body::Retraction { kind, day: Day(of), slot: at })
        }),
    ]
}

#[derive(Debug, PartialEq)]
struct View {
    assessments: Vec<Assessment>,
    alarms: Vec<&'static str>,
    /// Of a home that counts for nothing, what is kept is chance.
    kept: BTreeSet<StatementId>,
}

fn view(world: &mut World) -> View {
    world.pass(60_000);
    let alarms = world.alarms();
    let kept = if alarms.is_empty() { world.statements.keys().copied().collect() } else { BTreeSet::new() };
    View { assessments: (0..NUMBERS).map(|n| world.check(SPAMMER + n)).collect(), alarms, kept }
}

/// All of it in this order, and again until nothing more is taken in: what was declined is asked for again by exchanges.
fn deliver(all: &[&Sealed]) -> World {
    let mut world = World::answering_for(0, &[1]);
    for _ in 0..12 {
        let before = world.engine.snapshot(world.now).counts.accepted;
        for (n, sealed) in all.iter().enumerate() {
            world.hear(u16::try_from(n % 3).expect("small"), sealed);
        }
        if world.engine.snapshot(world.now).counts.accepted == before {
            return world;
        }
    }
    panic!("it never comes to rest");
}

fn shuffled<'a>(all: &'a [Sealed], keys: &[u32]) -> Vec<&'a Sealed> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|n| (keys[n % keys.len()].wrapping_mul(*n as u32 + 1), *n));
    order.into_iter().map(|n| &all[n]).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// A hundred hostile homes, each in ten orders.
    #[test]
    fn honest_nodes_end_equal_whatever_a_home_says(
        all in vec(statements(), 1..40),
        orders in vec(vec(any::<u32>(), 1..40), 9),
    ) {
        let expected = view(&mut deliver(&all.iter().collect::<Vec<_>>()));
        for keys in orders {
            let mut world = deliver(&shuffled(&all, &keys));
            prop_assert_eq!(&view(&mut world), &expected);
            prop_assert_eq!(&view(&mut world.restarted()).assessments, &expected.assessments, "after a restart");
        }
    }
}

/// What an honest home of four nodes says in ten days, one of which it removes.
fn honest_home() -> Vec<Sealed> {
    let mut all = vec![
        names(1, 0, (TODAY - 10, 0), 1, (512, 1_024)),
        names(1, 1, (TODAY - 9, 8), 2, (768, 1_024)),
        names(1, 2, (TODAY - 8, 12), 3, (960, 1_024)),
        names(1, 0, (TODAY - 5, 0), 1, (512, 1_024)),
        takes_back(1, 1, (TODAY - 2, 16), (TODAY - 8, 12)),
        names(1, 1, (TODAY, 9), 3, (960, 1_024)),
    ];
    for (node, slot) in [(0, 0), (1, 10), (2, 15), (3, 19)] {
        all.push(scam(1, node, TODAY - 4, slot));
        all.push(retraction_of(node, slot));
        all.push(scam(1, node, TODAY - 3, slot));
    }
    all.push(scam(1, 3, TODAY, 19));
    all
}

fn retraction_of(node: u8, slot: u8) -> Sealed {
    let body = Body::Retraction { kind: Kind::Report, day: Day(TODAY - 4), slot };
    signed_by(1, node, TODAY - 3, [0, 16, 24, 31][usize::from(node)], body)
}

#[test]
fn a_thousand_orders_of_an_honest_homes_words_end_equal() {
    let all = honest_home();
    let expected = view(&mut deliver(&all.iter().collect::<Vec<_>>()));
    // The first word on node 1 has given way to what renews it.
    assert_eq!(expected.kept.len(), all.len() - 1 + 1, "all of it, and the own vouch");
    let mut chance = 1u64;
    for run in 0..1_000 {
        let keys: Vec<u32> = (0..all.len())
            .map(|_| {
                chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                u32::try_from(chance >> 33).expect("31 bits")
            })
            .collect();
        let mut world = deliver(&shuffled(&all, &keys));
        assert_eq!(view(&mut world), expected, "run {run}");
    }
}

#[test]
fn a_street_of_homes_of_one_to_three_nodes_ends_equal_after_a_day_apart() {
    let vouches =
        [vouch(1, TODAY - 3, 0, 2), vouch(2, TODAY - 3, 0, 1), vouch(2, TODAY - 3, 1, 3), vouch(3, TODAY - 3, 0, 2)];
    let nodes: [(u16, u8); 6] = [(1, 0), (1, 5), (1, 9), (2, 0), (2, 7), (3, 0)];
    let mut street = Street::new(nodes.len(), &[]);
    for (at, (n, node)) in nodes.into_iter().enumerate() {
        let others: Vec<u8> =
            nodes.iter().filter(|(home, node)| *home == n && *node > 0).map(|(_, node)| *node).collect();
        let roster = household(n, &others);
        let share = roster.member(NodeNumber(node)).expect("a member").share;
        let mut world = World::further(n, node, (share.from, share.to), &vouches);
        world.speak_for(&roster);
        street.restart(at, world);
    }
    // A line in which no two nodes of a home are next to each other.
    for (one, other) in [(0, 3), (3, 1), (1, 5), (5, 4), (4, 2)] {
        street.link(one, other);
    }
    street.pass(120_000);
    assert!(street.are_equal(), "all know who speaks");
    street.cut(1, 5);
    for at in 0..nodes.len() {
        let said = street.houses[at].world.report(SPAMMER + u64::try_from(at % 2).expect("small"), Category::Scam);
        assert!(said.is_ok(), "house {at}: {said:?}");
        street.settle(at);
    }
    street.pass(24 * 3_600_000 / 8);
    assert!(!street.are_equal());
    street.link(1, 5);
    let healed = street.now_ms;
    let equal = street.pass_until(healed + 120_000, Street::are_equal);
    assert!(equal.is_some_and(|at| at < healed + 60_000), "{equal:?}");
    for house in &mut street.houses {
        let claims = house.world.check(SPAMMER).claims;
        let homes: BTreeSet<_> = claims.iter().map(|claim| claim.home).collect();
        assert_eq!((claims.len(), homes.len()), (2, 2), "a home's nodes are one home: {claims:?}");
    }
    assert_eq!(street.faults, 0);
}

/// In every order: nobody is believed of a home whose node said two things in one slot.
fn nobody_believes(all: &[Sealed]) {
    for first in 0..all.len() {
        for backwards in [false, true] {
            let mut order: Vec<&Sealed> = all.iter().cycle().skip(first).take(all.len()).collect();
            if backwards {
                order.reverse();
            }
            let mut world = deliver(&order);
            let seen = view(&mut world);
            assert_eq!(seen.alarms, ["neighbour_equivocates"], "from {first}, backwards: {backwards}");
            assert!(seen.assessments.iter().all(|assessment| assessment.claims.is_empty()));
            assert_eq!(view(&mut world.restarted()).assessments, seen.assessments, "after a restart");
        }
    }
}

#[test]
fn two_tongues_in_a_slot_that_was_given_away_are_a_proof_whatever_came_first() {
    let says = |node, digits| {
        let body = Body::Report { number: number(SPAMMER + digits), category: Category::Scam, basis: Basis::Told };
        signed_by(1, node, TODAY - 1, 18, body)
    };
    nobody_believes(&[names(1, 0, (TODAY - 2, 0), 1, (512, 1_024)), says(1, 0), says(0, 1), says(0, 2)]);
}

#[test]
fn a_delegation_that_was_said_again_still_proves_two_tongues() {
    let said = (TODAY - 3, 3);
    nobody_believes(&[
        names(1, 0, said, 1, (512, 1_024)),
        names(1, 0, (TODAY - 3, 4), 1, (512, 1_024)),
        names(1, 0, said, 2, (0, 512)),
        scam(1, 0, TODAY - 3, 0),
    ]);
}

#[test]
fn whether_delegations_prove_two_tongues_does_not_depend_on_what_their_signer_has() {
    nobody_believes(&[
        names(1, 0, (TODAY - 4, 0), 2, (0, 1_024)),
        names(1, 0, (TODAY - 3, 0), 2, (256, 1_024)),
        names(1, 2, (TODAY - 2, 6), 1, (0, 512)),
        names(1, 2, (TODAY - 2, 6), 3, (0, 256)),
        scam(1, 0, TODAY - 1, 0),
    ]);
}
