//! Letters between two homes, step by step.

use meerkat_core::{Command, Event, HeldUp, Input, Refusal, Reply};
use meerkat_protocols::{
    home::HomeId,
    letter::{Content, LetterId},
    mail::{Failure, Kept, LetterNo, Progress, Way},
    mesh::{self, Found, InboundRef, Order, Path, RequestKind, RequestRef},
};

use crate::world::*;

const DAY_MS: u64 = 86_400_000;

pub(crate) fn id(n: u64) -> LetterId {
    LetterId(n.to_be_bytes())
}

pub(crate) fn write(to: u16, n: u64) -> Command {
    let content = Content::text(&format!("letter {n}")).expect("a text");
    Command::WriteLetter { to: home(to), id: id(n), content }
}

pub(crate) fn connect(world: &mut World, to: u16) {
    let (address, path) = ("/ip4/192.0.2.1/tcp/1".to_owned(), Path::Direct);
    let event = mesh::Event::Connected { peer: peer(to), address, found: Found::Remembered, path };
    world.input(Input::Network(event));
}

pub(crate) fn disconnect(world: &mut World, to: u16) {
    world.input(Input::Network(mesh::Event::Disconnected { peer: peer(to) }));
}

/// The requests that wait for the network, oldest first; they are taken away.
pub(crate) fn take_requests(world: &mut World) -> Vec<(RequestRef, Vec<u8>)> {
    let taken = world.orders.extract_if(.., |order| matches!(order, Order::Request { .. }));
    let request = |order| match order {
        Order::Request { request, data, .. } => Some((request, data)),
        _ => None,
    };
    taken.filter_map(request).collect()
}

/// Those of them that carry letters; the others are lost.
fn take_letters(world: &mut World) -> Vec<(RequestRef, Vec<u8>)> {
    let is_letter = |(_, data): &(RequestRef, Vec<u8>)| data[0] == RequestKind::Message.byte();
    take_requests(world).into_iter().filter(is_letter).collect()
}

fn letter_waits(world: &World) -> bool {
    world
        .orders
        .iter()
        .any(|order| matches!(order, Order::Request { data, .. } if data[0] == RequestKind::Message.byte()))
}

/// Brings a request to the other end and gives its answer, if there is one at once.
fn bring(world: &mut World, from: u16, data: &[u8]) -> Option<Vec<u8>> {
    let inbound = InboundRef(world.trace.len() as u64);
    world.input(Input::Network(mesh::Event::Request { from: peer(from), inbound, data: data.to_vec() }));
    answer(world, inbound)
}

fn answer(world: &World, to: InboundRef) -> Option<Vec<u8>> {
    world.orders.iter().find_map(|order| match order {
        Order::Respond { inbound, data } if *inbound == to => Some(data.clone()),
        _ => None,
    })
}

fn respond(world: &mut World, request: RequestRef, data: Option<Vec<u8>>) {
    world.input(Input::Network(match data {
        Some(data) => mesh::Event::Response { request, data },
        None => mesh::Event::Unanswered { request },
    }));
}

/// Carries everything there and back until nothing moves.
fn carry(a: &mut World, b: &mut World) {
    loop {
        let (from_a, from_b) = (take_letters(a), take_letters(b));
        if from_a.is_empty() && from_b.is_empty() {
            return;
        }
        for (request, data) in from_a {
            let answer = bring(b, a.number, &data);
            respond(a, request, answer);
        }
        for (request, data) in from_b {
            let answer = bring(a, b.number, &data);
            respond(b, request, answer);
        }
    }
}

pub(crate) fn ways(world: &World, with: HomeId) -> Vec<(LetterId, Way)> {
    world.letters.values().filter(|kept| kept.home == with).map(|kept| (kept.letter.id, kept.way)).collect()
}

fn progress(world: &World, n: u64) -> Option<Progress> {
    let found = world.letters.values().find(|kept| kept.letter.id == id(n))?;
    match found.way {
        Way::Out(progress) => Some(progress),
        Way::In(_) => None,
    }
}

fn inbox(world: &World) -> Vec<&Kept> {
    world.letters.values().filter(|kept| matches!(kept.way, Way::In(_))).collect()
}

fn pair() -> (World, World) {
    (World::acquainted_with(0, &[1]), World::acquainted_with(1, &[0]))
}

#[test]
fn a_letter_waits_leaves_and_is_delivered() {
    let (mut anna, mut bert) = pair();
    assert!(matches!(anna.ask(write(1, 7)), Some(Ok(Reply::Queued(_)))));
    assert_eq!((progress(&anna, 7), take_letters(&mut anna).len()), (Some(Progress::Queued), 0));
    connect(&mut anna, 1);
    let requests = take_letters(&mut anna);
    let [(request, data)] = &requests[..] else { panic!("one letter, one request") };
    assert_eq!((progress(&anna, 7), data[0]), (Some(Progress::Sent), RequestKind::Message.byte()));
    let answer = bring(&mut bert, 0, data);
    assert_eq!(inbox(&bert).len(), 1);
    assert_eq!(inbox(&bert)[0].letter.content, Content::Text("letter 7".into()));
    assert_eq!(bert.events.last(), Some(&Event::LetterReceived(home(0), id(7))));
    respond(&mut anna, *request, answer);
    anna.pass(1_000);
    assert_eq!(progress(&anna, 7), Some(Progress::Delivered { at: anna.now.wall.map(|wall| wall - 1) }));
    let told = |event: &Event| matches!(event, Event::LetterChanged(..));
    let told: Vec<_> = anna.events.iter().filter(|event| told(event)).cloned().collect();
    let changed = |progress| Event::LetterChanged(home(1), id(7), progress);
    let delivered = progress(&anna, 7).expect("kept");
    assert_eq!(told, [changed(Progress::Queued), changed(Progress::Sent), changed(delivered)]);
}

#[test]
fn what_was_answered_before_is_answered_at_once_though_other_writes_may_wait() {
    let (mut anna, mut bert) = pair();
    connect(&mut anna, 1);
    connect(&mut bert, 0);
    bert.ask(write(0, 9));
    let [(_, berts)] = &take_letters(&mut bert)[..] else { panic!("Bert's letter leaves") };
    assert!(bring(&mut anna, 1, berts).is_some());
    anna.ask(write(1, 7));
    let [(request, annas)] = &take_letters(&mut anna)[..] else { panic!("Anna's letter leaves") };
    let answer = bring(&mut bert, 0, annas);
    respond(&mut anna, *request, answer);
    assert!(!anna.engine.is_saved(), "that it is delivered may be written later");
    assert!(bring(&mut anna, 1, berts).is_some(), "Bert, who missed the answer, does not wait for that");
}

#[test]
fn nothing_leaves_and_nothing_is_acknowledged_before_it_is_on_disk() {
    let (mut anna, mut bert) = pair();
    connect(&mut anna, 1);
    anna.disk = Disk::Holds;
    assert_eq!(anna.ask(write(1, 7)), None);
    assert_eq!(take_letters(&mut anna), []);
    anna.commit();
    assert_eq!((progress(&anna, 7), take_letters(&mut anna).len()), (Some(Progress::Queued), 0));
    anna.commit();
    assert_eq!(progress(&anna, 7), Some(Progress::Sent));
    let [(_, data)] = &take_letters(&mut anna)[..] else { panic!("it leaves now") };
    bert.disk = Disk::Holds;
    assert_eq!(bring(&mut bert, 0, data), None);
    let again = bring(&mut bert, 0, data);
    assert_eq!((again, bert.events.len()), (None, 0), "known is not yet saved");
    bert.commit();
    assert_eq!(bert.orders.iter().filter(|order| matches!(order, Order::Respond { .. })).count(), 2);
    assert_eq!(bert.events, [Event::LetterReceived(home(0), id(7))]);
}

#[test]
fn what_has_not_left_can_be_undone_and_what_has_cannot() {
    let (mut anna, mut bert) = pair();
    let undo = |n| Command::UndoLetter { to: home(1), id: id(n) };
    anna.ask(write(1, 1));
    anna.ask(write(1, 2));
    assert_eq!(anna.ask(undo(1)), Some(Ok(Reply::Undone)));
    assert_eq!(anna.ask(undo(1)), Some(Err(Refusal::LetterLeft)));
    connect(&mut anna, 1);
    assert_eq!(anna.ask(undo(2)), Some(Err(Refusal::LetterLeft)));
    carry(&mut anna, &mut bert);
    assert_eq!(ways(&bert, home(0)).iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id(2)]);
    assert_eq!(anna.ask(undo(2)), Some(Err(Refusal::LetterLeft)));
}

#[test]
fn a_letter_that_is_being_sealed_can_still_be_undone() {
    let (mut anna, _) = pair();
    connect(&mut anna, 1);
    anna.disk = Disk::Holds;
    anna.ask(write(1, 1));
    anna.commit();
    // The batch that says that it has left is with the disk: too late, whatever becomes of it.
    let undone = anna.ask(Command::UndoLetter { to: home(1), id: id(1) });
    assert_eq!(undone, Some(Err(Refusal::LetterLeft)));
}

#[test]
fn only_neighbours_write_and_are_written_to() {
    let mut anna = World::acquainted_with(0, &[1]);
    assert_eq!(anna.ask(write(2, 1)), Some(Err(Refusal::NotVouched)));
    let mut stranger = World::acquainted_with(2, &[0]);
    connect(&mut stranger, 0);
    stranger.ask(write(0, 1));
    carry(&mut stranger, &mut anna);
    assert_eq!((inbox(&anna).len(), anna.engine.snapshot(anna.now).counts.letters_refused), (0, 1));
    let threads = stranger.engine.snapshot(stranger.now).threads;
    assert_eq!((threads[0].undelivered, threads[0].held_up), (1, Some(HeldUp::NotAccepted)));
    // Anna vouches: within the hour it is tried again.
    anna.vouch(2).expect("room for a vouch");
    anna.contacts.insert(peer(2), contact(2));
    let mut anna = anna.restarted();
    stranger.pass(3_600_000);
    carry(&mut stranger, &mut anna);
    assert_eq!((inbox(&anna).len(), stranger.engine.snapshot(stranger.now).threads[0].held_up), (1, None));
}

#[test]
fn an_answer_without_proof_proves_nothing() {
    let (mut anna, mut bert) = pair();
    connect(&mut anna, 1);
    anna.ask(write(1, 1));
    let [(request, data)] = &take_letters(&mut anna)[..] else { panic!("it leaves") };
    let good = bring(&mut bert, 0, data).expect("an answer");
    let mut forged = good.clone();
    *forged.last_mut().expect("not empty") ^= 1;
    respond(&mut anna, *request, Some(forged));
    anna.pass(4_000);
    assert_eq!(progress(&anna, 1), Some(Progress::Sent));
    respond(&mut anna, *request, Some(good));
    assert_eq!(progress(&anna, 1), Some(Progress::Sent), "the request was answered before");
    anna.pass(2_000);
    carry(&mut anna, &mut bert);
    anna.pass(1_000);
    assert!(matches!(progress(&anna, 1), Some(Progress::Delivered { .. })));
    assert_eq!(inbox(&bert).len(), 1, "known the second time");
}

#[test]
fn without_an_answer_it_is_tried_again_with_longer_pauses() {
    let (mut anna, _) = pair();
    connect(&mut anna, 1);
    anna.ask(write(1, 1));
    let mut gaps = Vec::new();
    for _ in 0..9 {
        let [(request, _)] = &take_letters(&mut anna)[..] else { panic!("a try") };
        respond(&mut anna, *request, None);
        let from = anna.now.mono_ms;
        while !letter_waits(&anna) {
            anna.pass(1_000);
        }
        gaps.push((anna.now.mono_ms - from) / 1_000);
    }
    assert_eq!(gaps, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
    take_letters(&mut anna);
    disconnect(&mut anna, 1);
    connect(&mut anna, 1);
    assert_eq!(take_letters(&mut anna).len(), 1, "a new connection is a new chance");
}

#[test]
fn a_letter_expires_after_two_weeks_and_its_successors_wait_on() {
    let mut anna = World::acquainted_with(0, &[1]);
    anna.ask(write(1, 1));
    anna.pass(10 * DAY_MS);
    anna.ask(write(1, 2));
    anna.pass(5 * DAY_MS + 1_000);
    assert_eq!(progress(&anna, 1), Some(Progress::Failed(Failure::Expired)));
    assert_eq!(progress(&anna, 2), Some(Progress::Queued));
}

#[test]
fn letters_to_a_home_that_is_no_neighbour_any_more_are_given_up() {
    let mut anna = World::acquainted_with(0, &[1]);
    anna.ask(write(1, 1));
    assert_eq!(anna.ask(Command::Unvouch(home(1))), Some(Ok(Reply::Unvouched(home(1)))));
    anna.pass(2 * 3_600_000);
    assert_eq!(progress(&anna, 1), Some(Progress::Failed(Failure::NotANeighbour)));
}

#[test]
fn the_outbox_is_bounded_in_number_and_bytes() {
    let mut anna = World::acquainted_with(0, &[1]);
    for n in 0..200 {
        assert!(matches!(anna.ask(write(1, n)), Some(Ok(Reply::Queued(_)))));
    }
    assert_eq!(anna.ask(write(1, 200)), Some(Err(Refusal::TooManyLetters(200))));
    let mut bert = World::acquainted_with(1, &[0]);
    let large = |n| Command::WriteLetter {
        to: home(0),
        id: id(n),
        content: Content::data(meerkat_protocols::letter::Media::Octets, vec![7; 8 * 1024]).expect("at the bound"),
    };
    let taken = (0..40).filter(|n| matches!(bert.ask(large(*n)), Some(Ok(_)))).count();
    assert_eq!(taken, 32);
}

#[test]
fn a_neighbour_that_floods_is_held_to_a_pace() {
    let (mut anna, mut bert) = pair();
    connect(&mut anna, 1);
    anna.ask(write(1, 0));
    let [(_, data)] = &take_letters(&mut anna)[..] else { panic!("it leaves") };
    let answers: Vec<_> = (0..250).map(|_| bring(&mut bert, 0, data).expect("an answer")).collect();
    let busy = answers.iter().filter(|answer| answer.len() < 8).count();
    assert_eq!((busy, inbox(&bert).len()), (50, 1));
}

#[test]
fn the_inbox_is_bounded_and_what_was_dropped_does_not_come_again() {
    let (mut anna, mut bert) = pair();
    connect(&mut anna, 1);
    let mut first = None;
    for n in 0..1_100 {
        anna.ask(write(1, n));
        for (request, data) in take_letters(&mut anna) {
            let answer = bring(&mut bert, 0, &data);
            respond(&mut anna, request, answer);
            first.get_or_insert(data);
        }
        anna.pass(60_000);
        bert.pass(60_000);
    }
    assert_eq!((inbox(&bert).len(), inbox(&bert)[0].letter.id), (1_000, id(100)));
    let mut bert = bert.restarted();
    let answer = bring(&mut bert, 0, &first.expect("it was sent"));
    assert_eq!((answer.map(|data| data[1]), inbox(&bert).len()), (Some(4), 1_000), "too old to tell");
    anna.pass(1_000);
    assert!(anna.letters.len() <= 1_000, "{} of ours", anna.letters.len());
}

#[test]
fn what_is_unread_is_counted_over_a_restart() {
    let (mut anna, mut bert) = pair();
    connect(&mut anna, 1);
    for n in 0..3 {
        anna.ask(write(1, n));
    }
    carry(&mut anna, &mut bert);
    let unread = |world: &mut World| world.engine.snapshot(world.now).threads[0].unread;
    assert_eq!(unread(&mut bert), 3);
    let second = inbox(&bert)[1].no;
    let read = |up_to| Command::LettersRead { from: home(0), up_to };
    assert_eq!(bert.ask(read(second)), Some(Ok(Reply::Read)));
    bert.pass(2_000);
    let mut bert = bert.restarted();
    assert_eq!(unread(&mut bert), 1);
    // A page that claims to have read what has not come yet reads nothing ahead.
    assert_eq!(bert.ask(read(LetterNo(u64::MAX))), Some(Ok(Reply::Read)));
    connect(&mut anna, 1);
    anna.ask(write(1, 9));
    carry(&mut anna, &mut bert);
    assert_eq!(unread(&mut bert), 1);
}

#[test]
fn forgotten_letters_are_gone_and_do_not_come_again() {
    let (mut anna, mut bert) = pair();
    connect(&mut anna, 1);
    anna.ask(write(1, 1));
    let [(_, data)] = &take_letters(&mut anna)[..] else { panic!("it leaves") };
    bring(&mut bert, 0, data);
    assert_eq!(bert.ask(Command::ForgetLetters(home(0))), Some(Ok(Reply::Undone)));
    assert_eq!(bert.ask(Command::ForgetLetters(home(0))), Some(Err(Refusal::NoSuchLetter)));
    let mut bert = bert.restarted();
    bring(&mut bert, 0, data);
    assert!(bert.letters.is_empty() && bert.engine.snapshot(bert.now).threads.is_empty());
}

#[test]
fn no_trace_of_a_node_shows_what_was_written() {
    let (mut anna, mut bert) = pair();
    connect(&mut anna, 1);
    let content = Content::text("The key lies under the pot.").expect("a text");
    anna.ask(Command::WriteLetter { to: home(1), id: id(1), content });
    carry(&mut anna, &mut bert);
    assert_eq!(inbox(&bert).len(), 1);
    for world in [&anna, &bert] {
        assert!(!world.trace.iter().any(|line| line.contains("under the pot")));
    }
}
