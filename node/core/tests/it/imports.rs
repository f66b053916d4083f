//! Imported lists and hot blocks of numbers: they mark calls, they block none, and they are there whole or not at all.

use std::sync::Arc;

use meerkat_core::{Command, Event, Refusal, Reply};
use meerkat_numberlists::{Import, ImportId, Intake};
use meerkat_protocols::{
    facts::{Reason, Verdict},
    phone::{Answer, Ending},
    statement::Category,
    time::Day,
    wishes::{Edit, Entry, Settings, Standing, Subject},
};

use crate::world::*;

fn list(name: &str, day: u16, rows: &str) -> Import {
    let mut intake = Intake::new("DE".parse().expect("a country"));
    intake.feed(rows.as_bytes()).expect("text");
    intake.finish(name, Day(day)).expect("a list").import
}

fn command(list: Import, replace: bool) -> Command {
    Command::Import { kept: Arc::new(list.to_bytes()), import: Box::new(list), replace }
}

fn import(world: &mut World, list: Import, replace: bool) -> Result<Reply, Refusal> {
    world.ask(command(list, replace)).expect("answered at once")
}

fn imported(world: &mut World, list: Import) -> ImportId {
    match import(world, list, false) {
        Ok(Reply::Imported(id)) => id,
        other => panic!("{other:?}"),
    }
}

fn names(world: &mut World) -> Vec<String> {
    world.engine.snapshot(world.now).imports.iter().map(|import| import.name.clone()).collect()
}

const ROWS: &str = "phone,rating,votes\n+4930901820,G_FRAUD,12\n+4930901821,E_ADVERTISING,1\n";

#[test]
fn a_number_on_an_imported_list_rings_marked_and_the_list_is_named() {
    let mut world = World::new(0);
    let id = imported(&mut world, list("Complaints", TODAY, ROWS));
    let check = world.check(SPAMMER);
    assert_eq!((check.verdict, check.evidence, check.confirmations), (Verdict::Challenge, 100, 0));
    let words = check.reasons[0].words();
    assert_eq!(words, "On the imported list “Complaints” as a scam (12 complaints).");
    // Nobody is a neighbour by being on a list: no claim, no way through anybody.
    assert!(check.claims.is_empty() && check.through.is_empty());
    let call = world.ring("+4930901820");
    assert_eq!(world.acts.last().map(|act| act.answer), Some(Answer::Pass), "it rings");
    world.hang_up(call, Ending::Cancelled);
    assert_eq!(world.verdict(SPAMMER + 5), Verdict::Allow);
    assert!(world.events.contains(&Event::ImportsChanged));

    assert_eq!(world.ask(Command::UndoImport(id)), Some(Ok(Reply::Saved)));
    assert_eq!((world.verdict(SPAMMER), world.imports.len()), (Verdict::Allow, 0));
    assert_eq!(world.ask(Command::UndoImport(id)), Some(Err(Refusal::NoSuchImport)));
}

#[test]
fn however_many_lists_name_a_number_none_of_them_adds_to_a_block() {
    let mut world = World::answering_for(0, &[1, 2, 3]);
    for n in 0..20 {
        imported(&mut world, list(&format!("List {n}"), TODAY, ROWS));
    }
    assert_eq!((world.verdict(SPAMMER), world.check(SPAMMER).evidence), (Verdict::Challenge, 100));
    assert!(world.check(SPAMMER).reasons[0].words().contains("and on 19 more; all lists together weigh as one"));
    for (neighbour, verdict) in [(1, Verdict::Challenge), (2, Verdict::Challenge), (3, Verdict::Block)] {
        world.hear(9, &report(neighbour, TODAY, 0, SPAMMER, Category::Scam));
        assert_eq!(world.verdict(SPAMMER), verdict, "{neighbour} neighbours");
    }
    // One neighbour's word takes a list's off again.
    world.hear(9, &report(1, TODAY, 1, SPAMMER + 1, Category::Legit));
    assert_eq!(world.verdict(SPAMMER + 1), Verdict::Allow);
}

#[test]
fn a_list_stays_over_a_restart_and_a_newer_version_takes_its_place() {
    let mut world = World::new(0);
    imported(&mut world, list("FTC", TODAY, ROWS));
    imported(&mut world, list("Street", TODAY, "+4930555666\n"));
    let newer = || list("FTC", TODAY, "+4930901888\n");
    assert_eq!(import(&mut world, newer(), false), Err(Refusal::NameTaken));
    assert_eq!(world.verdict(SPAMMER), Verdict::Challenge, "a refused import changes nothing");
    let mut world = world.restarted();
    assert_eq!((names(&mut world), world.verdict(SPAMMER)), (vec!["FTC".into(), "Street".into()], Verdict::Challenge));
    assert!(matches!(import(&mut world, newer(), true), Ok(Reply::Imported(ImportId(3)))));
    let mut world = world.restarted();
    assert_eq!(names(&mut world), ["Street", "FTC"]);
    assert_eq!((world.verdict(SPAMMER), world.verdict(4_930_901_888)), (Verdict::Allow, Verdict::Challenge));
}

#[test]
fn an_import_is_written_in_one_batch_and_not_told_before() {
    let mut world = World::new(0);
    world.disk = Disk::Holds;
    let answer = world.ask(command(list("FTC", TODAY, ROWS), false));
    assert_eq!(answer, None, "nobody is told before it is on disk");
    // The power goes: nothing of it is there.
    assert_eq!(world.restarted().verdict(SPAMMER), Verdict::Allow);
    world.commit();
    assert_eq!(world.restarted().verdict(SPAMMER), Verdict::Challenge);
    // The old version goes in the batch in which the new one comes.
    world.disk = Disk::Works;
    import(&mut world, list("FTC", TODAY, "+4930901888\n"), true).expect("room");
    assert_eq!(world.batches.last().map(|batch| batch.writes.len()), Some(2));
}

#[test]
fn no_list_is_taken_in_while_the_disk_takes_nothing() {
    let mut world = World::new(0);
    world.disk = Disk::Fails;
    assert!(matches!(import(&mut world, list("FTC", TODAY, ROWS), false), Err(Refusal::NotSavedYet(_))));
    assert_eq!(import(&mut world, list("Other", TODAY, ROWS), false), Err(Refusal::Busy));
}

#[test]
fn a_list_weighs_less_as_it_ages_and_nothing_in_the_end() {
    for (ago, evidence) in [(0, 100), (60, 100), (120, 63), (180, 25), (181, 0)] {
        let mut world = World::answering_for(0, &[1]);
        // A neighbour's word is the second source of the day.
        world.hear(9, &report(1, TODAY, 0, 4_930_777_777, Category::Spam));
        imported(&mut world, list("Old", TODAY - ago, ROWS));
        assert_eq!(world.check(SPAMMER).evidence, evidence, "after {ago} days");
    }
}

/// Complaints about these numbers on 2026-11-13, which is [`TODAY`].
fn dated(digits: impl IntoIterator<Item = u64>) -> String {
    let rows: String = digits.into_iter().map(|n| format!("+{n},2026-11-13 10:00:00\n")).collect();
    format!("number,date\n{rows}")
}

#[test]
fn a_block_that_a_list_says_is_called_from_rings_marked_until_it_cools() {
    let mut world = World::new(0);
    imported(&mut world, list("FTC", TODAY, &dated(4_930_901_000..4_930_901_004)));
    let check = world.check(4_930_901_999);
    assert_eq!((check.verdict, check.evidence), (Verdict::Challenge, 0));
    assert_eq!(check.reasons[0], Reason::HotRange(Some("FTC".into())));
    assert!(check.changes.is_empty(), "no word about the number would change it as if it did not");
    assert_eq!(world.verdict(4_930_911_999), Verdict::Allow);

    // Own lists win.
    let subject = Subject::Number(number(4_930_901_999));
    let edit = Edit::SetEntry(subject, Entry::tidy(Standing::Allow, "", ""));
    assert_eq!(world.ask(Command::Edit(edit)), Some(Ok(Reply::Saved)));
    assert_eq!(world.verdict(4_930_901_999), Verdict::Allow);

    // It can be switched off.
    let asked = 4_930_901_998;
    for (ranges, verdict) in [(false, Verdict::Allow), (true, Verdict::Challenge)] {
        let edit = Edit::SetSettings(Settings { ranges, ..Settings::default() });
        assert_eq!(world.ask(Command::Edit(edit)), Some(Ok(Reply::Saved)));
        assert_eq!(world.verdict(asked), verdict);
    }
    let mut world = world.restarted();
    assert_eq!(world.verdict(asked), Verdict::Challenge, "the heat is kept with the list");
    world.set_day(TODAY + 4);
    assert_eq!(world.verdict(asked), Verdict::Allow);
}

#[test]
fn a_block_that_two_neighbours_report_from_rings_marked_and_what_one_reports_does_not() {
    let mut world = World::answering_for(0, &[1, 2]);
    for n in 0..10 {
        world.hear(9, &report(1, TODAY, n, 4_930_901_000 + u64::from(n), Category::Scam));
    }
    world.pass(2_000);
    assert_eq!(world.verdict(4_930_901_999), Verdict::Allow);
    world.hear(9, &report(2, TODAY, 0, 4_930_901_500, Category::Scam));
    world.pass(2_000);
    let check = world.check(4_930_901_999);
    assert_eq!((check.verdict, &check.reasons[0]), (Verdict::Challenge, &Reason::HotRange(None)));
    world.pass(60_000);
    assert_eq!(world.restarted().verdict(4_930_901_999), Verdict::Challenge, "found anew from what is held");
    // Calls that were kept from ringing are no reports: they warm nothing.
    world.set_day(TODAY + 3);
    for n in 0..50 {
        let call = world.ring(&format!("+49309015{n:02}"));
        world.hang_up(call, Ending::Refused);
    }
    world.pass(3_600_000);
    assert_eq!(world.verdict(4_930_901_999), Verdict::Allow, "it cools by days");
}

#[test]
fn calls_that_are_forgotten_are_told_to_the_disk_once_and_leave_no_basis_for_a_report() {
    let mut world = World::new(0);
    let call = world.ring("+4930901820");
    world.hang_up(call, Ending::Cancelled);
    let forgotten = world.ask(Command::Forget { number: "030 901820".into() });
    assert_eq!(forgotten, Some(Ok(Reply::Forgotten(number(SPAMMER)))));
    assert!(world.events.contains(&Event::NumberForgotten(number(SPAMMER))));
    let writes: Vec<_> =
        world.batches.iter().flat_map(|batch| &batch.writes).map(|write| format!("{write:?}")).collect();
    assert!(
        writes.last().is_some_and(|write| write.starts_with("ForgetNumber")),
        "the calls before it go with it: {writes:?}"
    );
    let basis = |world: &World| match world.published.last().map(meerkat_protocols::statement::Sealed::read) {
        Some(Ok(meerkat_protocols::statement::Read::Statement(statement))) => format!("{:?}", statement.body),
        other => panic!("{other:?}"),
    };
    world.report(SPAMMER, Category::Scam).expect("said");
    assert!(basis(&world).contains("Told"), "that it rang is forgotten too");
}
