//! What leaves the house in a week of ordinary life: every order that the network is ever given, and every statement that an
//! exchange could hand out, looked through for what must stay.

use std::{collections::BTreeSet, sync::Arc};

use meerkat_core::{Command, Input, Reply};
use meerkat_numberlists::Intake;
use meerkat_protocols::{
    letter::Content,
    mesh::{self, Order},
    phone,
    statement::{Body, Category, Read, Sealed},
    time::Day,
    wishes::{Edit, Entry, Standing, Subject},
};

use crate::{mail, world::*};

const DAY_MS: u64 = 86_400_000;
/// The numbers that the home reports, one a day.
const REPORTED: u64 = 4_930_901_800;
/// Numbers that must stay, each for another reason.
const CALLERS: u64 = 4_989_123_400;
const CONTACT: u64 = 4_989_777_001;
const BLOCKED: u64 = 4_989_777_002;
const ASKED: u64 = 4_989_777_003;
const IMPORTED: u64 = 4_989_777_004;
const TAKEN_BACK_UNSAID: u64 = 4_989_777_005;
const CALLEE: u64 = 4_930_555_777;
/// Texts that must stay: names, labels, notes, what a list is called, what a telephone says of itself.
const TEXTS: [&str; 9] = [
    "Wendelgard",
    "Quixote",
    "on Sundays",
    "Mr Okafor",
    "street list",
    "sip-agent/7",
    "the letter says",
    "call-id-77",
    "kitchen line",
];

/// The ways in which a number could stand in bytes: in digits with and without its country, and as a binary number of either
/// order.
fn spellings(digits: u64) -> Vec<Vec<u8>> {
    let text = digits.to_string();
    let (big, little) = (digits.to_be_bytes(), digits.to_le_bytes());
    // 5 bytes hold every number in here.
    vec![text.as_bytes()[2..].to_vec(), text.into_bytes(), big[3..].to_vec(), little[..5].to_vec()]
}

fn holds(bytes: &[u8], what: &[u8]) -> bool {
    bytes.windows(what.len()).any(|window| window == what)
}

fn canaries() -> Vec<(String, Vec<u8>)> {
    let callers = (0..10).map(|n| CALLERS + n);
    let numbers = callers.chain([CONTACT, BLOCKED, ASKED, IMPORTED, TAKEN_BACK_UNSAID, CALLEE]);
    let numbers = numbers.flat_map(|n| spellings(n).into_iter().map(move |bytes| (format!("+{n}"), bytes)));
    let texts = TEXTS.iter().map(|text| ((*text).to_owned(), text.as_bytes().to_vec()));
    numbers.chain(texts).collect()
}

fn call(world: &mut World, n: u64) {
    let id = world.ring("unused");
    world.hang_up(id, phone::Ending::Cancelled);
    let mut incoming = incoming(phone::CallId(1_000_000 + n), &format!("+{}", CALLERS + n % 10));
    incoming.name = "Wendelgard".into();
    incoming.line = phone::Line("kitchen line".into());
    incoming.metadata = vec![("to".into(), format!("+{CALLEE}")), ("agent".into(), "sip-agent/7 call-id-77".into())];
    let call = incoming.call;
    world.input(Input::Phone(phone::Event::Incoming(incoming)));
    world.hang_up(call, phone::Ending::SteppedAside);
}

fn saved(world: &mut World, command: Command) {
    let answer = world.ask(command);
    assert!(matches!(answer, Some(Ok(_))), "{answer:?}");
}

/// One day: calls from strangers and friends, lists and labels, questions, an import, a report, a letter.
fn live(world: &mut World, day: u64) {
    (0..12).for_each(|n| call(world, 12 * day + n));
    let entry = |standing| Entry::tidy(standing, "Quixote", "on Sundays");
    for (digits, standing) in [(CONTACT, Standing::Allow), (BLOCKED, Standing::Block)] {
        saved(world, Command::Edit(Edit::SetEntry(Subject::Number(number(digits)), entry(standing))));
    }
    saved(world, Command::Edit(Edit::NameNeighbour(home(1), "Mr Okafor".into())));
    for digits in [ASKED, CONTACT, BLOCKED, IMPORTED, REPORTED + day] {
        world.check(digits);
    }
    let mut intake = Intake::new("DE".parse().expect("a country"));
    intake.feed(format!("number,date\n+{IMPORTED},2026-11-13\n").as_bytes()).expect("text");
    let import = intake.finish("street list", Day(TODAY)).expect("a list").import;
    let kept = Arc::new(import.to_bytes());
    saved(world, Command::Import { import: Box::new(import), kept, replace: true });
    // A number that is reported may stand on the lists with a label; that stays.
    saved(world, Command::Edit(Edit::SetEntry(Subject::Number(number(REPORTED + day)), entry(Standing::Block))));
    world.report(REPORTED + day, Category::Scam).expect("said");
    saved(world, Command::Forget { number: format!("+{BLOCKED}") });
    let content = Content::text("the letter says nothing in the clear").expect("a text");
    world.ask(Command::WriteLetter { to: home(1), id: mail::id(day), content });
    if day == 3 {
        saved(world, Command::Retract { number: format!("+{}", REPORTED + 1) });
    }
}

fn bytes_of(order: &Order) -> Option<&[u8]> {
    match order {
        Order::Publish { data, .. }
        | Order::Request { data, .. }
        | Order::AskMember { data, .. }
        | Order::Respond { data, .. } => Some(data),
        // Topics of countries and shards, a verdict on bytes that came, an address, a peer: no bytes of ours.
        Order::Hear { .. }
        | Order::Judge { .. }
        | Order::Dial { .. }
        | Order::Forget { .. }
        | Order::Ping { .. }
        | Order::Members { .. }
        | Order::Trust { .. } => None,
    }
}

fn said(sealed: &Sealed, days: std::ops::RangeInclusive<u16>) -> Option<u64> {
    let Ok(Read::Statement(statement)) = sealed.read() else { panic!("only statements are published") };
    assert!(days.contains(&statement.day.0), "a day and nothing finer: {:?}", statement.day);
    match statement.body {
        Body::Report { number, .. } => Some(number.digits()),
        Body::Vouch(_) | Body::Retraction { .. } | Body::Delegation(_) => None,
    }
}

#[test]
fn in_a_week_only_what_was_reported_leaves_the_house() {
    let mut world = World::acquainted_with(0, &[1, 2]);
    mail::connect(&mut world, 1);
    // A report that waits for the clock and is taken back before it was said.
    let wall = world.now.wall.take();
    assert_eq!(world.report(TAKEN_BACK_UNSAID, Category::Spam), Ok(Reply::Waiting));
    saved(&mut world, Command::Retract { number: format!("+{TAKEN_BACK_UNSAID}") });
    world.now.wall = wall;
    let mut requests = 0;
    for day in 0..7 {
        live(&mut world, day);
        world.hear(1, &report(1, TODAY, u8::try_from(day).expect("small"), REPORTED + 50 + day, Category::Spam));
        // Neighbours ask, in every way there is and in none.
        for kind in 0..8 {
            let inbound = mesh::InboundRef(1_000 + 8 * day + kind);
            let data = vec![u8::try_from(kind).expect("small"), 0x80, 0x01];
            world.input(Input::Network(mesh::Event::Request { from: peer(1), inbound, data }));
        }
        world.pass(DAY_MS);
        requests += world.orders.iter().filter(|order| bytes_of(order).is_some()).count();
    }
    assert!(requests > 7, "letters and records went out: {requests}");

    let canaries = canaries();
    let published: Vec<Vec<u8>> = world.published.iter().map(|sealed| sealed.0.to_vec()).collect();
    let kept: Vec<Vec<u8>> = world.statements.values().map(|sealed| sealed.0.to_vec()).collect();
    let ordered = world.orders.iter().filter_map(bytes_of).map(<[u8]>::to_vec);
    let all: Vec<Vec<u8>> = published.into_iter().chain(kept).chain(ordered).collect();
    for bytes in &all {
        for (what, spelling) in &canaries {
            assert!(!holds(bytes, spelling), "{what} left the house in {bytes:02x?}");
        }
    }
    let days = TODAY..=TODAY + 6;
    let reported: BTreeSet<u64> = world.published.iter().filter_map(|sealed| said(sealed, days.clone())).collect();
    assert_eq!(reported, (0..7).map(|day| REPORTED + day).collect(), "all that was reported and nothing else");
    // The same search finds what did leave, in the bytes that left: it could have found the rest.
    let left = |digits| spellings(digits).iter().any(|spelling| all.iter().any(|bytes| holds(bytes, spelling)));
    assert!((0..7).all(|day| left(REPORTED + day)) && !left(REPORTED + 999));
}
