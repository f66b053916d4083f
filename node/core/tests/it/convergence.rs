//! The order of arrival never changes a score.

use std::collections::BTreeMap;

use meerkat_core::Assessment;
use meerkat_protocols::statement::{Category, Kind, Sealed, StatementId};
use proptest::{collection::vec, prelude::*};

use crate::world::*;

/// Homes that speak: 1 to 4 are vouched for directly in most runs, 5 to 8 by them at most.
const HOMES: std::ops::Range<u16> = 1..9;
const NUMBERS: u64 = 3;

fn statements() -> impl Strategy<Value = Sealed> {
    let days = TODAY - 2..=TODAY + 1;
    prop_oneof![
        4 => (HOMES, days.clone(), 0u8..3, 0..NUMBERS, 0usize..5).prop_map(|(home, day, slot, digits, category)| {
            report(home, day, slot, SPAMMER + digits, Category::ALL[category])
        }),
        3 => (HOMES, days.clone(), 0u8..3, 0u16..9).prop_map(|(home, day, slot, whom)| vouch(home, day, slot, whom)),
        3 => (HOMES, days.clone(), 0u8..6, any::<bool>(), days, 0u8..3).prop_map(
            |(home, day, slot, report, of_day, of_slot)| {
                let kind = if report { Kind::Report } else { Kind::Vouch };
                retraction(home, day, slot, kind, of_day, of_slot)
            }
        ),
    ]
}

/// What a person of home 0 sees.
#[derive(Debug, PartialEq)]
struct View {
    assessments: Vec<Assessment>,
    neighbours: Vec<meerkat_core::Neighbour>,
    alarms: Vec<&'static str>,
}

fn view(world: &mut World) -> View {
    View {
        assessments: (0..NUMBERS).map(|n| world.check(SPAMMER + n)).collect(),
        neighbours: world.engine.snapshot(world.now).neighbours.to_vec(),
        alarms: world.alarms(),
    }
}

/// One delivery: the statements in this order, each from one of three peers, and the own vouches at these places.
fn deliver(all: &[Sealed], vouched: &[(usize, u16)]) -> World {
    let mut world = World::new(0);
    for (n, sealed) in all.iter().enumerate() {
        for (_, whom) in vouched.iter().filter(|(at, _)| *at == n) {
            assert!(world.vouch(*whom).is_ok());
        }
        world.hear(u16::try_from(n % 3).expect("small"), sealed);
    }
    for (_, whom) in vouched.iter().filter(|(at, _)| *at >= all.len()) {
        assert!(world.vouch(*whom).is_ok());
    }
    world
}

fn shuffled<T: Clone>(all: &[T], keys: &[u32]) -> Vec<T> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by_key(|n| (keys[n % keys.len()].wrapping_mul(*n as u32 + 1), *n));
    order.into_iter().map(|n| all[n].clone()).collect()
}

fn check(all: &[Sealed], own: &[u16], orders: &[(Vec<u32>, Vec<usize>)]) -> Result<(), TestCaseError> {
    let at_first: Vec<(usize, u16)> = own.iter().map(|whom| (0, *whom)).collect();
    let mut first = deliver(all, &at_first);
    let expected = view(&mut first);
    for (keys, places) in orders {
        let places = own.iter().zip(places.iter().cycle()).map(|(whom, at)| (*at % (all.len() + 1), *whom));
        let places: Vec<(usize, u16)> = places.collect();
        let mut world = deliver(&shuffled(all, keys), &places);
        prop_assert_eq!(&view(&mut world), &expected);
        world.pass(60_000);
        prop_assert_eq!(&view(&mut world.restarted()), &expected, "after a restart");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn order_of_arrival_changes_nothing(
        all in vec(statements(), 1..60),
        own in proptest::sample::subsequence(vec![1u16, 2, 3, 4], 1..=4),
        orders in vec((vec(any::<u32>(), 1..60), vec(0usize..60, 4)), 2..4),
    ) {
        check(&all, &own, &orders)?;
    }

    /// A report with a retraction of it, whatever else its home says, weighs nothing; nor does what it replaced.
    #[test]
    fn a_retracted_report_weighs_nothing_and_nothing_comes_back(
        category in 0usize..4, backwards in any::<bool>(), earlier in vec((1u16..3, 0u8..20, 0usize..5), 0..6),
    ) {
        let mut said: BTreeMap<StatementId, Sealed> = BTreeMap::new();
        let mut seen = std::collections::BTreeSet::new();
        for (age, slot, category) in earlier {
            if seen.insert((age, slot)) {
                let sealed = report(1, TODAY - age, slot, SPAMMER, Category::ALL[category]);
                said.insert(sealed.id(), sealed);
            }
        }
        for sealed in [
            report(1, TODAY, 0, SPAMMER, Category::ALL[category]),
            retraction(1, TODAY, 0, Kind::Report, TODAY, 0),
        ] {
            said.insert(sealed.id(), sealed);
        }
        let mut all: Vec<Sealed> = said.into_values().collect();
        if backwards {
            all.reverse();
        }
        let mut world = deliver(&all, &[(0, 1)]);
        let assessment = world.check(SPAMMER);
        prop_assert_eq!(assessment.reasons, [meerkat_protocols::facts::Reason::NothingKnown]);
        prop_assert!(assessment.claims.is_empty());
    }
}
