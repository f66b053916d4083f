//! Both ends, with everything that may lie between them.

use std::collections::BTreeSet;

use meerkat_reconcile::{
    Cut, Found, Id, Initiator, Inventory, Key, MAX_FRAME_BYTES, MAX_SYMBOLS, Message, Opening, Promises, Responder,
    SYMBOL_BYTES, Salt, Scope, SetId, ShortId, Symbol,
};
use proptest::prelude::*;

const SET: SetId = SetId { shard: 2, day: 20_000 };

fn id(n: u64) -> Id {
    let mut id = [0; 32];
    id[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_le_bytes());
    id[8..16].copy_from_slice(&n.to_le_bytes());
    id
}

fn inventory(numbers: impl IntoIterator<Item = u64>) -> Inventory {
    let mut inventory = Inventory::new();
    numbers.into_iter().for_each(|n| assert!(inventory.insert(SET, id(n))));
    inventory
}

fn opening(expected: Option<usize>) -> Opening {
    Opening { scope: Scope::everything(), expected, salt: None, retry_salt: 99 }
}

#[derive(Debug, Default)]
struct Exchanged {
    here: Vec<Found>,
    there: Vec<Found>,
    bytes: usize,
    frames: usize,
}

/// Runs an exchange to its end.
fn exchange(here: &Inventory, there: &Inventory, opening: Opening, since: u16) -> Exchanged {
    let (mut initiator, first) = Initiator::open(here, opening, 0);
    let mut responder = Responder::new(since, 0);
    let mut exchanged = Exchanged::default();
    let (mut outward, mut over) = (vec![first], false);
    for now_ms in 1.. {
        let mut inward = Vec::new();
        for frame in std::mem::take(&mut outward) {
            exchanged.bytes += frame.len();
            let progress = responder.handle(there, &frame, now_ms).expect("an honest initiator");
            exchanged.there.extend(progress.found);
            inward.extend(progress.send);
        }
        exchanged.frames += 1;
        if over {
            return exchanged;
        }
        for frame in inward {
            assert!(frame.len() <= MAX_FRAME_BYTES);
            exchanged.bytes += frame.len();
            let progress = initiator.handle(here, &frame, now_ms).expect("an honest responder");
            exchanged.here.extend(progress.found);
            outward.extend(progress.send);
            over |= progress.done;
        }
    }
    exchanged
}

/// What an exchange found is what the sets differ in, on both sides.
fn check(exchanged: &Exchanged, here: &BTreeSet<Id>, there: &BTreeSet<Id>) {
    let sides = [(&exchanged.here, here, there), (&exchanged.there, there, here)];
    for (found, own, other) in sides {
        let offered: BTreeSet<Id> = found.iter().flat_map(|found| found.offer.iter().copied()).collect();
        assert_eq!(offered, own.difference(other).copied().collect());
        let lacking: BTreeSet<_> = other.difference(own).copied().collect();
        let fetched: usize = found.iter().map(|found| found.fetch.len()).sum();
        assert_eq!(fetched, lacking.len());
        for found in found {
            let key = Key::new(found.salt);
            let shorts: BTreeSet<_> = lacking.iter().map(|id| key.short(id)).collect();
            assert!(found.fetch.iter().all(|short| shorts.contains(short)));
        }
    }
}

fn both(
    here: impl Iterator<Item = u64> + Clone,
    there: impl Iterator<Item = u64> + Clone,
    opening: Opening,
) -> Exchanged {
    let exchanged = exchange(&inventory(here.clone()), &inventory(there.clone()), opening, 0);
    check(&exchanged, &here.map(id).collect(), &there.map(id).collect());
    exchanged
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_two_inventories_reconcile(
        here in proptest::collection::btree_set(0_u64..600, 0..300),
        there in proptest::collection::btree_set(0_u64..600, 0..300),
        expected in proptest::option::of(0_usize..200),
        salt in proptest::option::of(any::<u64>()),
    ) {
        let opening = Opening { salt, ..opening(expected) };
        both(here.iter().copied(), there.iter().copied(), opening);
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(message) = Message::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes.clone());
        }
        let own = inventory(0..20);
        let (mut initiator, _) = Initiator::open(&own, opening(None), 0);
        let mut responder = Responder::new(0, 0);
        for now_ms in 1..4 {
            let _ = initiator.handle(&own, &bytes, now_ms);
            let _ = responder.handle(&own, &bytes, now_ms);
        }
    }

    /// A peer that speaks the protocol but lies in everything.
    #[test]
    fn whatever_a_peer_answers_the_exchange_ends(answers in proptest::collection::vec(answer(), 1..40)) {
        let own = inventory(0..60);
        let (mut initiator, _) = Initiator::open(&own, opening(Some(0)), 0);
        let mut answers = answers.iter().cycle();
        // 300 questions and, of each, as many requests for more as an eighth at a time makes of 32,768.
        for now_ms in 0..60_000 {
            let message = answers.next().expect("at least one");
            let Ok(progress) = initiator.handle(&own, &message.encode(), now_ms) else { return Ok(()) };
            if progress.done {
                return Ok(());
            }
        }
        prop_assert!(false, "the exchange goes on for ever");
    }
}

fn answer() -> impl Strategy<Value = Message> {
    let symbol = any::<[u8; SYMBOL_BYTES]>().prop_map(Symbol::from_bytes);
    prop_oneof![
        4 => proptest::collection::vec(symbol, 1..20).prop_map(Message::Symbols),
        1 => Just(Message::Equal),
        1 => any::<u16>().prop_map(|since| Message::Narrow { since }),
        1 => (1_u8..=12).prop_map(|bits| Message::Split { bits }),
    ]
}

#[test]
fn equal_sets_cost_29_bytes_and_one_round_trip() {
    let exchanged = both(0..5_000, 0..5_000, opening(Some(0)));
    assert_eq!((exchanged.bytes, exchanged.here.len()), (29, 0));
}

#[test]
fn ten_differences_cost_less_than_300_bytes_without_their_names() {
    let costs: Vec<_> = (0..40)
        .map(|run| {
            let from = run * 100_000;
            let exchanged = both(from..from + 1_000, from + 5..from + 1_005, opening(Some(10)));
            exchanged.bytes - 10 * 8
        })
        .collect();
    let within = costs.iter().filter(|bytes| **bytes <= 300).count();
    assert!(within >= 32, "{costs:?}");
}

#[test]
fn many_differences_are_told_in_one_answer() {
    let exchanged = both(0..12_000, 600..12_600, opening(Some(1_200)));
    assert!(exchanged.bytes < 1_200 * (20 + 8), "{}", exchanged.bytes);
    assert_eq!(exchanged.frames, 2, "asked and settled");
}

#[test]
fn a_difference_beyond_one_attempt_is_split_into_ranges() {
    let exchanged = both(0..40_000, 39_000..80_000, opening(None));
    assert!(exchanged.here.len() > 4, "{} ranges", exchanged.here.len());
    let unforeseen = both(0..30_000, 29_000..60_000, opening(Some(0)));
    assert!(unforeseen.here.len() > 1, "{} ranges", unforeseen.here.len());
}

#[test]
fn one_empty_side_gets_everything() {
    both(0..0, 0..3_000, opening(None));
    both(0..3_000, 0..0, opening(Some(1)));
}

#[test]
fn what_has_expired_on_one_side_is_no_difference() {
    let mut here = inventory(0..100);
    for n in 1_000..1_300 {
        here.insert(SetId { shard: 2, day: 19_000 }, id(n));
    }
    let there = inventory(5..105);
    let exchanged = exchange(&here, &there, opening(Some(10)), 19_500);
    check(&exchanged, &(0..100).map(id).collect(), &(5..105).map(id).collect());
}

#[test]
fn one_shard_can_be_had_alone() {
    let (mut here, mut there) = (Inventory::new(), Inventory::new());
    for n in 0..300_u64 {
        let set = SetId { shard: (n % 3) as u8, day: 20_000 };
        if n % 2 == 0 {
            here.insert(set, id(n))
        } else {
            there.insert(set, id(n))
        };
    }
    let scope = Scope { shard: Some(1), since: 0 };
    let exchanged = exchange(&here, &there, Opening { scope, ..opening(None) }, 0);
    let of = |parity| (0..300).filter(|n| n % 3 == 1 && n % 2 == parity).map(id).collect();
    check(&exchanged, &of(0), &of(1));
}

/// Two ids that are one under the known salt cannot be made here (it takes 2^32 hashes), but an answer can say the same:
/// no difference in the symbols, another fingerprint. The way out is the same too.
#[test]
fn a_collision_of_short_ids_is_told_apart_under_another_salt() {
    let (here, there) = (inventory(0..50), inventory(0..51));
    let (mut initiator, first) = Initiator::open(&here, opening(Some(1)), 0);
    let mut responder = Responder::new(0, 0);
    responder.handle(&there, &first, 1).expect("honest");
    // As if the one that is missing here had been cancelled by a collision.
    let same = responder_of(&here, &there, &first);
    let again = initiator.handle(&here, &same, 2).expect("it may be an accident");
    let Ok(Message::Ask(ask)) = Message::decode(&again.send[0]) else { panic!("it does not ask again") };
    assert_ne!(ask.salt, Salt(0));
    let reply = responder.handle(&there, &again.send[0], 3).expect("honest");
    let end = initiator.handle(&here, &reply.send[0], 4).expect("honest");
    let found = end.found.expect("a difference");
    assert_eq!((found.salt, found.fetch), (ask.salt, vec![Key::new(ask.salt).short(&id(50))]));
    let told = responder.handle(&there, &end.send[0], 5).expect("honest");
    assert_eq!(told.found.expect("a difference").offer, [id(50)]);
}

/// The symbols of `here` sent in answer to a question of `here`.
fn responder_of(here: &Inventory, there: &Inventory, first: &[u8]) -> Vec<u8> {
    let Ok(Message::Ask(ask)) = Message::decode(first) else { panic!("no question") };
    assert!(here.len() < there.len());
    let foreign = Message::Ask(meerkat_reconcile::Ask { fingerprint: !ask.fingerprint, ..ask }).encode();
    let mut answer = Responder::new(0, 0).handle(here, &foreign, 0).expect("well formed");
    answer.send.remove(0)
}

#[test]
fn an_inventory_may_change_while_an_exchange_runs() {
    let (mut here, mut there) = (inventory(0..2_000), inventory(400..2_400));
    let (mut initiator, mut frame) = Initiator::open(&here, opening(Some(0)), 0);
    let mut responder = Responder::new(0, 0);
    for step in 0..40 {
        let reply = responder.handle(&there, &frame, step).expect("honest");
        if let Some(found) = reply.found {
            assert!(reply.done && found.offer.len() >= 400);
            return;
        }
        // Unforeseen, so that several answers are needed, and each time both sides are others.
        here.insert(SET, id(10_000 + step));
        there.insert(SET, id(20_000 + step));
        let progress = initiator.handle(&here, &reply.send[0], step).expect("honest");
        frame = progress.send[0].clone();
    }
    panic!("never settled");
}

#[test]
fn a_stream_without_end_is_cut_off() {
    let own = inventory(0..100);
    let (mut initiator, _) = Initiator::open(&own, opening(Some(0)), 0);
    let mut random = 1_u64;
    let mut junk = |count: usize| {
        let mut symbol = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let mut bytes = [0; SYMBOL_BYTES];
            bytes[..8].copy_from_slice(&random.to_be_bytes());
            Symbol::from_bytes(bytes)
        };
        Message::Symbols((0..count).map(|_| symbol()).collect())
    };
    let mut asked = MAX_SYMBOLS;
    let mut bytes = 0;
    for now_ms in 0.. {
        let frame = junk(asked).encode();
        bytes += frame.len();
        match initiator.handle(&own, &frame, now_ms) {
            Err(why) => {
                assert!(matches!(why, Cut::Endless | Cut::Undecodable), "{why:?}");
                break;
            }
            Ok(progress) => match Message::decode(&progress.send[0]) {
                Ok(Message::More(more)) => asked = usize::from(more),
                Ok(Message::Ask(_)) => asked = MAX_SYMBOLS,
                other => panic!("{other:?}"),
            },
        }
    }
    assert!(bytes <= 47_000_000, "{bytes}");
}

#[test]
fn symbols_of_no_set_are_tried_under_four_salts_and_no_more() {
    let own = inventory(0..100);
    let (mut initiator, mut question) = Initiator::open(&own, opening(Some(0)), 0);
    let mut salts = BTreeSet::new();
    let why = loop {
        let Ok(Message::Ask(ask)) = Message::decode(&question) else { panic!("no question") };
        assert!(salts.insert(ask.salt));
        // Our own symbols, with something behind them that no item explains.
        let foreign = Message::Ask(meerkat_reconcile::Ask { fingerprint: !ask.fingerprint, ..ask }).encode();
        let answer = Responder::new(0, 0).handle(&own, &foreign, 0).expect("well formed").send.remove(0);
        let Ok(Message::Symbols(mut symbols)) = Message::decode(&answer) else { panic!("no symbols") };
        symbols[9] = Symbol::from_bytes([7; SYMBOL_BYTES]);
        match initiator.handle(&own, &Message::Symbols(symbols).encode(), 1) {
            Ok(progress) => question = progress.send[0].clone(),
            Err(why) => break why,
        }
    };
    assert_eq!((why, salts.len()), (Cut::Undecodable, 4));
}

#[test]
fn frames_out_of_turn_are_cut_off() {
    let own = inventory(0..10);
    let symbols = Message::Symbols(vec![Symbol::from_bytes([7; SYMBOL_BYTES]); 3]);
    let refused_by_initiator = [
        vec![Message::More(1)],
        vec![Message::Settled { last: true, wanted: vec![], offered: vec![] }],
        vec![Message::Narrow { since: 0 }],
        vec![Message::Narrow { since: 1 }, Message::Narrow { since: 2 }],
        vec![symbols.clone(), Message::Equal],
        // Eight were asked for.
        vec![symbols.clone(), symbols.clone()],
    ];
    for messages in refused_by_initiator {
        let (mut initiator, _) = Initiator::open(&own, opening(Some(0)), 0);
        let (last, first) = messages.split_last().expect("at least one");
        first.iter().for_each(|message| drop(initiator.handle(&own, &message.encode(), 1).expect("in turn")));
        assert_eq!(initiator.handle(&own, &last.encode(), 2), Err(Cut::OutOfTurn), "{messages:?}");
    }
    let settled = Message::Settled { last: true, wanted: vec![], offered: vec![] };
    for message in [Message::Equal, symbols, Message::More(1), settled] {
        assert_eq!(Responder::new(0, 0).handle(&own, &message.encode(), 1), Err(Cut::OutOfTurn));
    }
    assert_eq!(Responder::new(0, 0).handle(&own, &[], 1), Err(Cut::Malformed));
}

#[test]
fn an_initiator_that_asks_or_claims_too_much_is_cut_off() {
    let own = inventory(0..100);
    let (_, first) = Initiator::open(&Inventory::new(), opening(Some(0)), 0);
    let mut asking = Responder::new(0, 0);
    assert!((0..400).any(|_| asking.handle(&own, &first, 1) == Err(Cut::Endless)));

    let mut taking = Responder::new(0, 0);
    taking.handle(&own, &first, 1).expect("well formed");
    let more = Message::More(4_096).encode();
    let takes = (0..9).take_while(|_| taking.handle(&own, &more, 1).is_ok()).count();
    assert!(takes < 8, "{takes}");

    let mut claiming = Responder::new(0, 0);
    let answer = claiming.handle(&own, &first, 1).expect("well formed");
    let symbols = (answer.send[0].len() / SYMBOL_BYTES) as u64;
    let wanted = (0..=symbols).map(ShortId).collect();
    let claim = Message::Settled { last: true, wanted, offered: vec![] };
    assert_eq!(claiming.handle(&own, &claim.encode(), 2), Err(Cut::Overclaimed));
}

/// Under a salt all ids must be gone through: nobody may make us do that again and again.
#[test]
fn salted_questions_are_worth_only_so_much_work() {
    let own = inventory(0..30_000);
    let mut responder = Responder::new(0, 0);
    let answered = (1..100)
        .take_while(|salt| {
            let salted = Opening { salt: Some(*salt), ..opening(Some(0)) };
            let (_, question) = Initiator::open(&Inventory::new(), salted, 0);
            responder.handle(&own, &question, 1).is_ok()
        })
        .count();
    assert!((4..=8).contains(&answered), "{answered}");
}

#[test]
fn a_peer_that_falls_silent_is_given_up() {
    let own = inventory(0..10);
    let (mut initiator, _) = Initiator::open(&own, opening(Some(0)), 1_000);
    assert_eq!(initiator.next_wakeup_ms(), 16_000);
    assert_eq!((initiator.check(15_999), initiator.check(16_000)), (Ok(()), Err(Cut::Slow)));
    assert_eq!(initiator.handle(&own, &Message::Equal.encode(), 16_000), Err(Cut::Slow));
    // A frame now and then does not keep an exchange alive for ever.
    let mut responder = Responder::new(0, 0);
    let narrow = Opening { scope: Scope { shard: Some(9), since: 0 }, ..opening(Some(0)) };
    let (_, other) = Initiator::open(&own, narrow, 0);
    let end = (1..).map(|n| n * 14_000).find(|now_ms| responder.handle(&own, &other, *now_ms).is_err());
    assert_eq!((end, responder.check(196_000)), (Some(182_000), Err(Cut::Slow)));
}

#[test]
fn what_was_offered_must_come() {
    let salt = Salt(5);
    let key = Key::new(salt);
    let found = Found { salt, fetch: vec![key.short(&id(1)), key.short(&id(2))], offer: vec![] };
    let mut promises = Promises::new(&found, 0);
    assert_eq!((promises.waiting(), promises.next_wakeup_ms()), (2, Some(30_000)));
    assert_eq!(promises.arrived(&id(1), 20_000), Ok(()));
    assert_eq!(promises.arrived(&id(1), 20_000), Err(Cut::Unasked));
    assert_eq!(promises.arrived(&id(9), 20_000), Err(Cut::Unasked));
    assert_eq!((promises.check(49_999), promises.check(50_000)), (Ok(()), Err(Cut::BrokenPromise)));
    assert_eq!(promises.arrived(&id(2), 50_000), Ok(()));
    assert_eq!((promises.check(u64::MAX), promises.next_wakeup_ms()), (Ok(()), None));
}
