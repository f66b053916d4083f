//! Calls: what rings, what does not, and what the log says of it.

use meerkat_core::{Command, Event, Input, Reply};
use meerkat_protocols::{
    facts::{Reason, Verdict},
    phone::{self, Answer, BlockedBy, CallId, Ending},
    statement::Category,
    wishes::{Edit, Entry, Standing, Subject},
};

use crate::world::*;

fn list(world: &mut World, subject: Subject, standing: Standing) {
    let edit = Edit::SetEntry(subject, Entry::tidy(standing, "", ""));
    assert_eq!(world.ask(Command::Edit(edit)), Some(Ok(Reply::Saved)));
}

fn last(world: &World) -> (Verdict, Vec<Reason>, Answer) {
    let call = world.events.iter().rev().find_map(|e| match e {
        Event::CallScreened(call) => Some(call),
        _ => None,
    });
    let call = call.expect("a call was screened");
    (call.verdict, call.reasons.clone(), world.acts.last().expect("it was answered").answer)
}

#[test]
fn own_lists_come_before_everything_others_say() {
    let mut world = World::answering_for(0, &[1, 2, 3]);
    for n in 1..4 {
        world.hear(9, &report(n, TODAY, 0, SPAMMER, Category::Scam));
        world.hear(9, &report(n, TODAY, 1, SPAMMER + 1, Category::Legit));
    }
    list(&mut world, Subject::Number(number(SPAMMER)), Standing::Allow);
    list(&mut world, Subject::Number(number(SPAMMER + 1)), Standing::Block);
    world.ring("+4930901820");
    assert_eq!(last(&world), (Verdict::Allow, vec![Reason::OwnAllow(None)], Answer::Pass));
    world.ring("+4930901821");
    assert_eq!(last(&world), (Verdict::Block, vec![Reason::OwnBlock(None)], Answer::Block(BlockedBy::Own)));
}

#[test]
fn eight_spellings_are_one_number_for_lists_reports_and_calls() {
    let spellings = [
        "+4930901820",
        "004930901820",
        "030901820",
        "030 90 18 20",
        "(030) 901-820",
        "+49 (0)30 901820",
        "tel:+49-30-901820",
        "sip:+4930901820@router.example;user=phone",
    ];
    for (n, reported) in spellings.into_iter().enumerate() {
        let mut world = World::new(0);
        let command = Command::Report { number: reported.into(), category: Category::Spam };
        assert!(matches!(world.ask(command), Some(Ok(Reply::Reported { .. }))), "{reported}");
        world.ring(spellings[(n + 3) % spellings.len()]);
        let (verdict, reasons, _) = last(&world);
        assert_eq!((verdict, reasons), (Verdict::Challenge, vec![Reason::OwnReport(Category::Spam)]), "{reported}");
    }
}

#[test]
fn a_call_that_failed_open_is_logged_as_such_however_it_ends() {
    for (how, logged) in [
        (Ending::SteppedAside, Ending::RangUndecided),
        (Ending::Cancelled, Ending::RangUndecided),
        (Ending::Refused, Ending::Refused),
    ] {
        let mut world = World::new(0);
        let call = world.ring("+4930901820");
        world.input(Input::Phone(phone::Event::FailedOpen { call }));
        world.hang_up(call, how);
        let ended = world.events.iter().find_map(|e| match e {
            Event::CallEnded(end) => Some(end.how),
            _ => None,
        });
        assert_eq!((ended, world.alarms()), (Some(logged), vec!["failed_open"]));
        world.pass(23 * 3_600_000);
        assert_eq!(world.alarms(), ["failed_open"]);
        world.pass(2 * 3_600_000);
        assert_eq!(world.alarms(), Vec::<&str>::new(), "it is over");
    }
}

#[test]
fn unknown_calls_end_without_harm_and_ringing_ones_are_bounded() {
    let mut world = World::new(0);
    world.hang_up(CallId(77), Ending::Cancelled);
    world.input(Input::Phone(phone::Event::FailedOpen { call: CallId(78) }));
    assert!(world.batches.is_empty());
    let first = world.ring("+4930901820");
    for _ in 0..5_000 {
        world.ring("anonymous");
    }
    assert_eq!((world.acts.len(), world.engine.snapshot(world.now).ringing.len()), (5_001, 4_096));
    world.hang_up(first, Ending::SteppedAside);
    let latest = world.ring("+4930901820");
    world.hang_up(latest, Ending::SteppedAside);
    let ends = world.events.iter().filter(|e| matches!(e, Event::CallEnded(_))).count();
    assert_eq!(ends, 1, "the latest calls are followed, whatever a line has forgotten to end");
}

#[test]
fn a_call_is_answered_while_statements_are_still_coming_back() {
    let identity = meerkat_core::Identity::alone(genesis(0), meerkat_protocols::contact::About::default());
    let mut engine = meerkat_core::Engine::new(identity, meerkat_core::Restored::default());
    engine.restore(&report(0, TODAY, 0, SPAMMER, Category::Scam));
    let now = World::new(0).now;
    engine.handle(now, Input::Phone(phone::Event::Incoming(incoming(CallId(1), "+4930901820"))));
    let first = engine.poll_output();
    assert!(matches!(first, Some(meerkat_core::Deed::Answer(act)) if act.answer == Answer::Pass), "{first:?}");
}

#[test]
fn texts_from_outside_are_inert_and_bounded_in_the_log() {
    let mut world = World::new(0);
    let mut call = incoming(CallId(1), "+4930901820");
    call.name = format!("\u{202e}<b>\r\nevil\u{1b}[2J{}", "x".repeat(70_000));
    call.metadata = (0..100).map(|n| (format!("k{n}\n"), "v".repeat(70_000))).collect();
    world.input(Input::Phone(phone::Event::Incoming(call)));
    let snapshot = world.engine.snapshot(world.now);
    let call = &snapshot.ringing[0];
    assert!(call.name.starts_with("<b> evil") && call.name.chars().count() <= 121, "{}", call.name);
    assert!(
        call.metadata.len() == 8 && call.metadata.iter().all(|(k, v)| !k.contains('\n') && v.chars().count() <= 121)
    );
}

#[test]
fn an_entry_that_fits_no_number_is_refused_and_texts_are_tidied() {
    let mut world = World::new(0);
    for wrong in ["", "0", "4", "49x", "4930*"] {
        let entry = Entry::tidy(Standing::Block, "", "");
        let answer = world.ask(Command::Edit(Edit::SetEntry(Subject::Prefix(wrong.into()), entry)));
        assert!(matches!(answer, Some(Err(meerkat_core::Refusal::Invalid(_)))), "{wrong}: {answer:?}");
    }
    let entry = Entry { standing: Standing::Allow, label: "Gran\u{202e}ny\n".repeat(100), notes: String::new() };
    let subject = Subject::Number(number(SPAMMER));
    world.ask(Command::Edit(Edit::SetEntry(subject.clone(), entry)));
    let kept = world.engine.snapshot(world.now).lists[&subject].label.clone();
    assert!(kept.starts_with("Granny Granny") && kept.chars().count() <= 80, "{kept}");
}
