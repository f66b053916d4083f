//! Exchanges: what gossip left out arrives all the same.

use meerkat_core::Notice;
use meerkat_protocols::statement::{Category, Kind, Sealed};
use proptest::{collection::vec, prelude::*};

use crate::{street::Street, world::*};

/// Vouches both ways between houses at these distances along a ring.
fn ring(houses: u16, distances: &[u16]) -> Vec<Sealed> {
    let mut vouches = Vec::new();
    for n in 0..houses {
        for (at, distance) in distances.iter().enumerate() {
            let slot = u8::try_from(at * 2).expect("twelve at most");
            vouches.push(vouch(n, TODAY - 3, slot, (n + distance) % houses));
            vouches.push(vouch(n, TODAY - 3, slot + 1, (n + houses - distance) % houses));
        }
    }
    vouches
}

fn link_all(street: &mut Street, distances: &[usize], may: impl Fn(usize, usize) -> bool) {
    let houses = street.houses.len();
    for n in 0..houses {
        for other in distances.iter().map(|distance| (n + distance) % houses) {
            if may(n, other) {
                street.link(n, other);
            }
        }
    }
}

/// A report of a house, through its own engine.
fn say(street: &mut Street, house: usize, digits: u64) {
    assert!(street.houses[house].world.report(digits, Category::Scam).is_ok());
    street.settle(house);
}

#[test]
fn a_neighbour_that_slept_gets_what_it_missed() {
    let mut street = Street::new(2, &[vouch(0, TODAY - 3, 0, 1), vouch(1, TODAY - 3, 0, 0)]);
    (0..5).for_each(|n| say(&mut street, 0, SPAMMER + n));
    street.pass(60_000);
    street.link(0, 1);
    let equal = street.pass_until(120_000, Street::are_equal);
    assert!(equal.is_some_and(|at| at < 70_000), "{equal:?}");
    assert_eq!(street.houses[1].world.check(SPAMMER).confirmations, 1);
    assert!(street.bytes < 1_500, "five statements of 113 bytes took {} bytes", street.bytes);
    let before = street.bytes;
    street.pass(3_600_000);
    assert!(street.bytes - before < 30 * 60, "an hour of agreement took {} bytes", street.bytes - before);
    assert_eq!(street.faults, 0);
}

#[test]
fn what_one_side_may_not_keep_is_brought_once_and_fetched_when_a_vouch_leads_there() {
    // House 0 answers for 1, and 1 for 2; nobody answers for house 9, but 1 does later.
    let mut street = Street::new(3, &[vouch(0, TODAY - 3, 0, 1), vouch(1, TODAY - 3, 0, 0)]);
    let strange: Vec<Sealed> = (0..20).map(|n| report(9, TODAY, n, SPAMMER + u64::from(n), Category::Scam)).collect();
    // House 2 keeps them: it answers for 9.
    assert!(street.houses[2].world.vouch(9).is_ok());
    strange.iter().for_each(|sealed| _ = street.houses[2].world.hear(9, sealed));
    street.pass(100_000);
    street.link(0, 2);
    street.pass(60_000);
    let brought = street.bytes;
    assert!(brought > 20 * 113, "they were brought");
    street.pass(3_600_000);
    assert!(street.bytes - brought < 30 * 60, "and not again: {}", street.bytes - brought);
    assert_eq!(street.houses[0].world.check(SPAMMER).confirmations, 0);
    assert!(street.houses[0].world.vouch(2).is_ok());
    street.settle(0);
    let held = |street: &Street| street.houses[0].world.statements.len() >= 23;
    let start = street.now_ms;
    let at = street.pass_until(start + 60_000, held);
    assert!(at.is_some(), "{} statements", street.houses[0].world.statements.len());
    assert_eq!(street.houses[0].world.check(SPAMMER).confirmations, 1);
    assert_eq!(street.faults, 0);
}

#[test]
fn two_hundred_homes_cut_in_two_for_an_hour_are_equal_within_a_minute() {
    let vouches = ring(200, &[1, 9, 25, 60]);
    let mut street = Street::new(200, &vouches);
    link_all(&mut street, &[1, 9, 25], |_, _| true);
    street.pass(60_000);
    let apart = |one: usize, other: usize| (one < 100) != (other < 100);
    (0..200).for_each(|one| (0..one).filter(|other| apart(one, *other)).for_each(|other| street.cut(one, other)));
    for n in 0..80 {
        say(&mut street, (n * 37) % 200, SPAMMER + n as u64);
        street.pass(45_000);
    }
    assert!(!street.are_equal());
    let (healed, bytes) = (street.now_ms, street.bytes);
    link_all(&mut street, &[1, 9, 25], |_, _| true);
    let equal = street.pass_until(healed + 60_000, Street::are_equal).expect("all equal within a minute");
    assert!(street.houses.iter().all(|house| house.world.statements.len() == vouches.len() + 80));
    assert_eq!(street.faults, 0);
    println!("equal {} ms after the heal, for {} bytes of exchanges", equal - healed, street.bytes - bytes);
}

#[test]
fn a_new_home_gets_a_villages_evidence_in_one_sitting() {
    let mut known = ring(60, &[1, 2, 9, 25]);
    for n in 0..60 {
        known.extend(
            (0..5).map(|slot| report(n, TODAY - 1, slot, SPAMMER + u64::from(n * 5) + u64::from(slot), Category::Spam)),
        );
    }
    let mut street = Street::new(1, &known);
    street.settles(Street::new(61, &[]).houses.pop().expect("sixty-one"));
    assert!(street.houses[1].world.vouch(0).is_ok());
    street.settle(1);
    street.link(0, 1);
    let all = known.len() + 1;
    let at = street.pass_until(30_000, |street| street.houses[1].world.statements.len() == all);
    assert!(at.is_some(), "{} of {all}", street.houses[1].world.statements.len());
    // What it already heard in vain is not the same twice: fewer than three times what the bodies are.
    assert!(street.bytes < 3 * 130 * all as u64, "{}", street.bytes);
}

#[test]
fn a_peer_that_brings_a_forged_statement_rests_for_an_hour() {
    let mut street = Street::new(2, &[vouch(0, TODAY - 3, 0, 1), vouch(1, TODAY - 3, 0, 0)]);
    say(&mut street, 1, SPAMMER);
    // House 1 sends the right bytes with another signature: its own node would never have kept them.
    let (id, sealed) = street.houses[1].world.statements.iter().find(|(_, s)| s.0.len() < 120).expect("a report");
    let (id, mut forged) = (*id, sealed.clone());
    street.houses[1].world.statements.remove(&id);
    *forged.0.last_mut().expect("bytes") ^= 1;
    street.houses[1].world.statements.insert(forged.id(), forged.clone());
    let set = meerkat_reconcile::SetId { shard: 0, day: TODAY };
    let kept = Notice::Kept { set, id: forged.id(), fresh_since_ms: None };
    street.houses[1].world.notices.extend([Notice::Gone(id), kept]);
    street.settle(1);
    street.pass(60_000);
    street.link(0, 1);
    street.pass(600_000);
    let snapshot = |street: &mut Street| {
        let now = street.houses[0].world.now;
        street.houses[0].world.engine.snapshot(now)
    };
    let before = snapshot(&mut street);
    assert_eq!((before.counts.rejected, before.counts.exchanged), (1, 0), "it came once");
    assert_eq!(before.exchanges[0].failure, Some("the peer sent a forged statement"));
    let distrusted = |line: &String| line.contains("Trust") && line.contains("score: -");
    assert!(street.houses[0].world.trace.iter().any(distrusted), "gossip is told");
    street.pass(3_600_000);
    assert_eq!(snapshot(&mut street).counts.rejected, 2, "and once more after the hour");
}

#[test]
fn what_was_saved_and_not_sent_before_a_crash_arrives_by_exchange() {
    let mut street = Street::new(2, &[vouch(0, TODAY - 3, 0, 1), vouch(1, TODAY - 3, 0, 0)]);
    assert!(street.houses[0].world.report(SPAMMER, Category::Scam).is_ok());
    street.houses[0].world.published.clear();
    let world = street.houses[0].world.restarted();
    street.restart(0, world);
    street.link(0, 1);
    let equal = street.pass_until(10_000, Street::are_equal);
    assert!(equal.is_some(), "what a start finds on disk is no longer gossip's");
    assert_eq!(street.houses[1].world.check(SPAMMER).confirmations, 1);
}

/// What homes 3 to 5 say, contradictions included; home 3 is answered for by all, 4 by 3, and nobody answers for 5.
fn said() -> impl Strategy<Value = Sealed> {
    let days = TODAY - 1..=TODAY;
    prop_oneof![
        6 => (3u16..6, days.clone(), 0u8..6, 0u64..4, 0usize..5).prop_map(|(home, day, slot, digits, category)| {
            report(home, day, slot, SPAMMER + digits, Category::ALL[category])
        }),
        1 => (3u16..6, days.clone(), 0u8..6, days, 0u8..6)
            .prop_map(|(home, day, slot, of_day, of)| retraction(home, day, slot, Kind::Report, of_day, of)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whoever_heard_what_all_judge_alike_in_the_end_and_then_keep_still(
        statements in vec((said(), 1u8..8), 1..40),
    ) {
        let mut street = Street::new(3, &[]);
        for n in 0..3 {
            for other in [0, 1, 2, 3].into_iter().filter(|other| *other != n) {
                prop_assert!(street.houses[usize::from(n)].world.vouch(other).is_ok());
            }
            street.houses[usize::from(n)].world.hear(9, &vouch(3, TODAY - 1, 0, 4));
            street.houses[usize::from(n)].world.published.clear();
            street.settle(usize::from(n));
        }
        for (sealed, who) in &statements {
            (0..3).filter(|n| who & (1 << n) != 0).for_each(|n| _ = street.houses[n].world.hear(9, sealed));
        }
        street.pass(100_000);
        street.link(0, 1);
        street.link(1, 2);
        street.pass(900_000);
        for digits in 0..4 {
            let seen: Vec<_> = (0..3).map(|n| street.houses[n].world.check(SPAMMER + digits)).collect();
            let words = |n: usize| (seen[n].verdict, seen[n].confirmations, seen[n].evidence);
            prop_assert_eq!(words(0), words(1));
            prop_assert_eq!(words(0), words(2));
        }
        prop_assert_eq!(street.faults, 0);
        let bytes = street.bytes;
        street.pass(1_800_000);
        prop_assert!(street.bytes - bytes < 14 * 2 * 40, "half an hour of agreement took {} bytes", street.bytes - bytes);
    }
}
