//! Bytes from strangers: admitted or refused, never a panic, never weight for who is not vouched for.

use meerkat_protocols::{
    mesh::{MAX_GOSSIP_BYTES, Validation},
    statement::{Category, Kind, Sealed},
};
use proptest::{collection::vec, prelude::*};

use crate::world::*;

fn samples() -> Vec<Sealed> {
    vec![
        report(1, TODAY, 0, SPAMMER, Category::Scam),
        vouch(1, TODAY, 0, 2),
        retraction(1, TODAY, 0, Kind::Report, TODAY, 3),
        report(50, TODAY, 0, SPAMMER, Category::Scam),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_judged(all in vec(vec(any::<u8>(), 0..300), 1..8)) {
        let mut world = World::answering_for(0, &[1]);
        for bytes in all {
            prop_assert!(world.hear(9, &Sealed(bytes.into())).is_some());
        }
    }

    #[test]
    fn bytes_made_from_valid_statements_are_judged_and_never_believed(
        which in 0usize..4, other in 0usize..4, cut in 0usize..150, splice in 0usize..150,
        flips in vec((0usize..150, 1u8..=255), 0..4), tail in vec(any::<u8>(), 0..8),
    ) {
        let samples = samples();
        let mut bytes = samples[which].0.to_vec();
        for (at, bits) in flips {
            let len = bytes.len();
            bytes[at % len] ^= bits;
        }
        bytes.truncate(cut.max(1));
        bytes.extend(samples[other].0.iter().skip(splice));
        bytes.extend(tail);
        let sealed = Sealed(bytes.into());
        let mut world = World::answering_for(0, &[1]);
        let judged = world.hear(9, &sealed);
        prop_assert!(judged.is_some());
        prop_assert_eq!(judged == Some(Validation::Accept), samples[..3].contains(&sealed));
    }

    /// Homes 50 to 59 answer for each other and say what they like; nobody answers for them.
    #[test]
    fn who_is_not_vouched_for_moves_nothing(
        said in vec((50u16..60, 0u8..20, 0u8..5, 0u64..4, 0u8..3, 50u16..60), 1..60),
    ) {
        let mut world = World::answering_for(0, &[1, 2]);
        world.hear(9, &report(1, TODAY, 0, SPAMMER, Category::Scam));
        world.hear(9, &report(2, TODAY, 0, SPAMMER + 1, Category::Legit));
        let look = |world: &mut World| (0..4).map(|n| world.check(SPAMMER + n)).collect::<Vec<_>>();
        let before = look(&mut world);
        for (home, slot, category, digits, what, whom) in said {
            let category = Category::ALL[usize::from(category)];
            let sealed = match what {
                0 => vouch(home, TODAY, slot % 12, whom),
                1 => retraction(home, TODAY, slot, Kind::Report, TODAY, 0),
                _ => report(home, TODAY, slot, SPAMMER + digits, category),
            };
            prop_assert_eq!(world.hear(home, &sealed), Some(Validation::Ignore));
        }
        prop_assert_eq!(look(&mut world), before);
        prop_assert_eq!(world.alarms(), Vec::<&str>::new());
    }
}

#[test]
fn the_largest_message_and_a_later_version_are_judged() {
    let mut world = World::answering_for(0, &[1]);
    assert_eq!(world.hear(9, &Sealed(vec![0xff; MAX_GOSSIP_BYTES].into())), Some(Validation::Reject));
    assert_eq!(world.hear(9, &Sealed(vec![].into())), Some(Validation::Reject));
    let newer = [&[0x88, 0x02][..], &[0; 1_000]].concat();
    assert_eq!(world.hear(9, &Sealed(newer.into())), Some(Validation::Ignore));
}

#[test]
fn what_strangers_have_us_hold_is_bounded() {
    let mut world = World::answering_for(0, &[1]);
    for n in 0..400u16 {
        world.hear(9, &report(100 + n / 20, TODAY, u8::try_from(n % 20).expect("a slot"), SPAMMER, Category::Scam));
    }
    assert_eq!(world.engine.snapshot(world.now).counts.held, 256);
    // Another peer has its own share.
    world.hear(8, &report(2, TODAY, 0, SPAMMER, Category::Scam));
    assert!(world.vouch(2).is_ok());
    assert_eq!(world.check(SPAMMER).confirmations, 1);
}

#[test]
fn a_home_far_off_fills_no_more_than_its_share() {
    let mut world = World::answering_for(0, &[1]);
    world.hear(9, &vouch(1, TODAY, 0, 2));
    let before = world.engine.snapshot(world.now).statements;
    for n in 0..1_100u16 {
        let slot = u8::try_from(n % 32).expect("a slot");
        world.hear(9, &retraction(2, TODAY - n / 32, slot, Kind::Report, TODAY - 40, 0));
    }
    assert_eq!(world.engine.snapshot(world.now).statements - before, 1_000);
    world.hear(9, &report(1, TODAY, 0, SPAMMER, Category::Scam));
    assert_eq!(world.check(SPAMMER).confirmations, 1, "others find room");
}
