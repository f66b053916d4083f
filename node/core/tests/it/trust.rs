//! Words from afar, and those who try to have more weight than they were given.

use meerkat_core::{Assessment, Command, Reply};
use meerkat_protocols::{
    facts::Verdict,
    mesh::Validation,
    phone::{Answer, BlockedBy, Ending},
    statement::{Basis, Body, Category, Kind, Read, Sealed},
};

use crate::world::*;

fn slot(n: u16) -> u8 {
    u8::try_from(n).expect("a slot")
}

/// Home `root` answers for `homes`, on days before today so that no slot is used twice.
fn vouches(root: u16, homes: std::ops::Range<u16>) -> Vec<Sealed> {
    homes
        .enumerate()
        .map(|(n, home)| {
            let n = u16::try_from(n).expect("few");
            vouch(root, TODAY - n / 12, slot(n % 12), home)
        })
        .collect()
}

fn hear_all(world: &mut World, all: &[Sealed]) {
    for sealed in all {
        world.hear(9, sealed);
    }
}

#[test]
fn a_flood_of_vouches_leads_to_twelve_homes_and_to_three_words() {
    let mut world = World::answering_for(0, &[1, 2]);
    hear_all(&mut world, &vouches(1, 100..172));
    for home in 100..172 {
        hear_all(&mut world, &[report(home, TODAY, 0, SPAMMER, Category::Scam)]);
    }
    let check = world.check(SPAMMER);
    assert_eq!((check.claims.len(), check.evidence, check.verdict), (12, 300, Verdict::Challenge));
}

#[test]
fn vouches_in_a_circle_add_nothing() {
    let mut straight = World::answering_for(0, &[1]);
    let mut round = World::answering_for(0, &[1]);
    let line = [vouch(1, TODAY, 0, 2), vouch(2, TODAY, 0, 3), vouch(3, TODAY, 0, 4)];
    let back = [
        vouch(2, TODAY, 1, 1),
        vouch(3, TODAY, 1, 0),
        vouch(4, TODAY, 1, 2),
        vouch(4, TODAY, 2, 4),
        vouch(4, TODAY, 3, 3),
    ];
    hear_all(&mut straight, &line);
    hear_all(&mut round, &[&line[..], &back].concat());
    for world in [&mut straight, &mut round] {
        for home in 2..5 {
            world.hear(9, &report(home, TODAY, 0, SPAMMER, Category::Scam));
        }
    }
    assert_eq!(round.check(SPAMMER), straight.check(SPAMMER));
    // Home 2 passes on one word at most, whoever stands behind it.
    assert_eq!(round.check(SPAMMER).evidence, 100);
}

#[test]
fn with_the_vouch_for_an_inviter_goes_all_that_stands_on_it() {
    let mut world = World::answering_for(0, &[1, 2]);
    hear_all(&mut world, &vouches(1, 10..13));
    hear_all(&mut world, &vouches(10, 20..23));
    hear_all(&mut world, &vouches(2, 30..32));
    let speakers = [11, 12, 20, 21, 22, 30, 31];
    hear_all(&mut world, &speakers.map(|home| report(home, TODAY, 0, SPAMMER, Category::Scam)));
    let check = world.check(SPAMMER);
    // 11 and 12 a word each, the three behind 10 one between them; 30 and 31 a word each.
    assert_eq!((check.evidence, check.verdict), (500, Verdict::Block));
    // Home 1 takes back its word for 10: what stands on that is gone.
    world.hear(9, &retraction(1, TODAY, 0, Kind::Vouch, TODAY, 0));
    let check = world.check(SPAMMER);
    assert_eq!((check.evidence, check.claims.len()), (400, 4));
    assert_eq!(world.ask(Command::Unvouch(home(1))), Some(Ok(Reply::Unvouched(home(1)))));
    let check = world.check(SPAMMER);
    assert_eq!((check.evidence, check.verdict, check.claims.len()), (200, Verdict::Challenge, 2));
    assert_eq!(world.hear(9, &report(11, TODAY, 1, SPAMMER, Category::Scam)), Some(Validation::Ignore));
}

#[test]
fn an_equivocator_on_the_way_takes_its_subtree_with_it_whichever_half_came_first() {
    let halves = [report(10, TODAY, 3, SPAMMER + 1, Category::Scam), report(10, TODAY, 3, SPAMMER + 2, Category::Scam)];
    let mut seen: Vec<Assessment> = Vec::new();
    for order in [[0, 1], [1, 0]] {
        let mut world = World::answering_for(0, &[1]);
        hear_all(&mut world, &vouches(1, 10..12));
        hear_all(&mut world, &vouches(10, 20..23));
        hear_all(&mut world, &[11, 20, 21].map(|home| report(home, TODAY, 0, SPAMMER, Category::Scam)));
        assert_eq!(world.check(SPAMMER).evidence, 200);
        for half in order {
            assert_eq!(world.hear(9, &halves[half]), Some(Validation::Accept), "each half travels");
        }
        let check = world.check(SPAMMER);
        assert_eq!((check.evidence, check.claims.len()), (100, 1));
        seen.push(check);
    }
    assert_eq!(seen[0], seen[1]);
}

#[test]
fn hundreds_of_identities_behind_one_vouch_mark_a_number_at_most() {
    let mut world = World::answering_for(0, &[1, 2, 3]);
    // Home 1 was talked into answering for 100; behind it stand 12, and behind these 132 more.
    hear_all(&mut world, &[vouch(1, TODAY, 0, 100)]);
    hear_all(&mut world, &vouches(100, 101..113));
    for (n, inviter) in (0..).zip(101..112) {
        let first = 200 + n * 12;
        hear_all(&mut world, &vouches(inviter, first..first + 12));
    }
    for sybil in (100..113).chain(200..332) {
        assert_eq!(world.hear(9, &report(sybil, TODAY, 0, SPAMMER, Category::Scam)), Some(Validation::Accept));
    }
    let check = world.check(SPAMMER);
    assert_eq!((check.confirmations, check.evidence, check.verdict), (145, 100, Verdict::Challenge));
    // Nor do they clear what two neighbours report.
    for neighbour in [2, 3] {
        world.hear(9, &report(neighbour, TODAY, 0, SPAMMER + 1, Category::Scam));
    }
    for sybil in (100..113).chain(200..332) {
        world.hear(9, &report(sybil, TODAY, 1, SPAMMER + 1, Category::Legit));
    }
    assert_eq!((world.check(SPAMMER + 1).evidence, world.verdict(SPAMMER + 1)), (100, Verdict::Challenge));
}

#[test]
fn of_a_homes_reports_the_newest_two_hundred_count_whatever_came_first() {
    let all: Vec<Sealed> = (0..230u16)
        .map(|n| report(1, TODAY - n / 20, slot(19 - n % 20), SPAMMER + u64::from(n), Category::Scam))
        .collect();
    for backwards in [false, true] {
        let mut world = World::answering_for(0, &[1]);
        let mut order = all.clone();
        if backwards {
            order.reverse();
        }
        hear_all(&mut world, &order);
        let verdicts = |world: &mut World| [0, 199, 200, 229].map(|n| world.verdict(SPAMMER + n));
        let expected = [Verdict::Challenge, Verdict::Challenge, Verdict::Allow, Verdict::Allow];
        assert_eq!(verdicts(&mut world), expected);
        assert_eq!(world.engine.snapshot(world.now).neighbours[0].reports, 200);
        assert_eq!(world.hear(9, &all[229]), Some(Validation::Ignore), "not passed on either");
        world.pass(61_000);
        let reports = world.statements.values().filter(|s| all.contains(s)).count();
        assert_eq!(reports, 200, "nor kept on disk");
        assert_eq!(verdicts(&mut world.restarted()), expected);
    }
}

#[test]
fn a_blocked_call_is_no_evidence() {
    let mut world = World::answering_for(0, &[1, 2, 3]);
    hear_all(&mut world, &[1, 2, 3].map(|home| report(home, TODAY, 0, SPAMMER, Category::Scam)));
    let (said, before) = (world.published.len(), world.check(SPAMMER));
    for _ in 0..5 {
        let call = world.ring("+4930901820");
        world.hang_up(call, Ending::Refused);
    }
    assert_eq!(world.acts[0].answer, Answer::Block(BlockedBy::Neighbours));
    assert_eq!((world.published.len(), world.check(SPAMMER)), (said, before));
    // A call that never rang here is not what a report rests on.
    assert!(world.report(SPAMMER, Category::Scam).is_ok());
    let said = world.published[said..].iter().map(Sealed::read).collect::<Vec<_>>();
    assert!(
        matches!(said[..], [Ok(Read::Statement(s))] if matches!(s.body, Body::Report { basis: Basis::Told, .. })),
        "{said:?}"
    );
}

#[test]
fn words_weigh_less_as_they_age_and_nothing_in_the_end() {
    let mut world = World::answering_for(0, &[1, 2, 3]);
    hear_all(&mut world, &[1, 2, 3].map(|home| report(home, TODAY, 0, SPAMMER, Category::Scam)));
    let mut at = |days: u16| {
        world.set_day(TODAY + days);
        // A neighbour's word of that day makes it the day by which words age.
        world.hear(9, &report(1, TODAY + days, 1, SPAMMER + 1, Category::Spam));
        world.pass(3_600_000);
        let check = world.check(SPAMMER);
        (check.evidence, check.verdict)
    };
    assert_eq!(at(60), (300, Verdict::Block));
    assert_eq!(at(61), (300, Verdict::Block));
    assert_eq!(at(100), (225, Verdict::Challenge));
    assert_eq!(at(180), (75, Verdict::Allow));
    assert_eq!(at(181), (0, Verdict::Allow));
}

#[test]
fn a_call_that_rings_uses_the_graph_as_ranked_and_a_second_later_the_new_one() {
    let mut world = World::answering_for(0, &[1, 2, 3]);
    hear_all(&mut world, &[vouch(1, TODAY, 0, 10), vouch(2, TODAY, 0, 11), vouch(3, TODAY, 0, 12)]);
    hear_all(&mut world, &[10, 11, 12].map(|home| report(home, TODAY, 0, SPAMMER, Category::Scam)));
    world.ring("+4930901820");
    world.pass(2_000);
    world.ring("+4930901820");
    let answers: Vec<Answer> = world.acts.iter().map(|act| act.answer).collect();
    assert_eq!(answers, [Answer::Pass, Answer::Block(BlockedBy::Neighbours)]);
}

#[test]
fn ten_thousand_identities_that_slander_a_number_mark_it_at_most_and_block_nothing() {
    let mut world = World::answering_for(0, &[1, 2, 3]);
    // Home 1 was talked into answering for one, and twelve stand behind each, four deep.
    let first = 1_000;
    let sybils = first..first + 10_000;
    hear_all(&mut world, &[vouch(1, TODAY, 0, first)]);
    for (n, sybil) in (0u16..).zip(sybils.clone().skip(1)) {
        world.hear(9, &vouch(first + n / 12, TODAY, slot(n % 12), sybil));
    }
    let accepted = sybils
        .filter(|sybil| {
            let slander = report(*sybil, TODAY, 0, SPAMMER, Category::Scam);
            world.hear(9, &slander) == Some(Validation::Accept)
        })
        .count();
    assert!(accepted > 1_800, "vouches lead to {accepted} of them");
    let check = world.check(SPAMMER);
    assert_eq!((check.evidence, check.verdict), (100, Verdict::Challenge));
    // What an honest neighbour says of the number counts as if they were not there.
    world.hear(9, &report(2, TODAY, 0, SPAMMER, Category::Legit));
    assert_eq!((world.check(SPAMMER).evidence, world.verdict(SPAMMER)), (50, Verdict::Allow));
}
