//! Exchanges: what gossip left out arrives all the same.

use meerkat_protocols::statement::{Category, Sealed};

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
