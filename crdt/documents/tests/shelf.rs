//! What a home's documents promise: nothing is lost between a start and the next, and nodes that were apart agree.

use std::collections::BTreeMap;

use automerge::{Automerge, ROOT, ReadDoc, transaction::Transactable};
use meerkat_documents::{Edited, INCREMENTS_PER_WHOLE, Refused, Shelf};
use meerkat_protocols::{
    facts::Verdict,
    home::{HomeId, NodeNumber},
    number::E164,
    wishes::{
        Account, Acknowledged, DocumentId, Edit, Entry, MAX_ENTRIES, Minute, NodeNote, Rules, Settings, Standing,
        Subject, Wishes,
    },
};
use proptest::prelude::*;

/// What a store does with the result of an edit.
#[derive(Default)]
struct Kept(BTreeMap<DocumentId, Vec<Vec<u8>>>);

impl Kept {
    fn write(&mut self, edited: Edited) {
        let chunks = self.0.entry(edited.document).or_default();
        if edited.whole {
            chunks.clear();
        }
        if !edited.change.is_empty() {
            chunks.push(edited.change);
        }
    }

    fn load(&self, actor: u8) -> Shelf {
        let chunks = self.0.iter().flat_map(|(id, chunks)| chunks.iter().map(|bytes| (*id, bytes.clone())));
        let (shelf, damages) = Shelf::load([actor; 16], chunks);
        assert_eq!(damages, []);
        assert_eq!(shelf.oddities().count(), 0);
        shelf
    }
}

fn empty(actor: u8) -> Shelf {
    Kept::default().load(actor)
}

fn number(n: u64) -> Subject {
    Subject::Number(E164::from_digits(4_930_000_000 + n).expect("a number"))
}

fn entry(standing: Standing, label: &str, notes: &str) -> Entry {
    Entry::tidy(standing, label, notes)
}

#[test]
fn wishes_come_back_after_a_start() {
    let (mut kept, mut shelf) = (Kept::default(), empty(1));
    let home = HomeId([9; 16]);
    let settings = Settings { region: "AT".into(), anonymous: Verdict::Block, ..Settings::default() };
    let edits = [
        Edit::SetEntry(number(1), entry(Standing::Allow, "Granny", "rings\non Sundays")),
        Edit::SetEntry(Subject::prefix("+4930*").expect("a prefix"), entry(Standing::Block, "", "")),
        Edit::SetEntry(number(2), entry(Standing::Block, "x", "")),
        Edit::RemoveEntry(number(2)),
        Edit::SetSettings(settings.clone()),
        Edit::NameNeighbour(home, "Kim \u{1b}[31m upstairs".into()),
    ];
    for edit in &edits {
        kept.write(shelf.edit(edit).expect("it fits"));
    }
    let again = kept.load(2);
    assert_eq!(again.wishes(), shelf.wishes());
    assert_eq!(again.wishes().lists.len(), 2);
    assert_eq!(again.wishes().settings, settings);
    assert_eq!(again.wishes().neighbours[&home], "Kim [31m upstairs");
}

#[test]
fn what_is_erased_is_not_in_the_past_either() {
    let (mut kept, mut shelf) = (Kept::default(), empty(1));
    let holds = |kept: &Kept| {
        let chunks = kept.0[&DocumentId::Lists].iter();
        chunks
            .filter(|bytes| bytes.windows(7).any(|w| w == b"Quixote") || bytes.windows(5).any(|w| w == b"00007"))
            .count()
    };
    kept.write(shelf.edit(&Edit::SetEntry(number(7), entry(Standing::Block, "Quixote", ""))).expect("it fits"));
    kept.write(shelf.edit(&Edit::SetEntry(number(8), entry(Standing::Allow, "Granny", "Sundays"))).expect("it fits"));
    kept.write(shelf.edit(&Edit::RemoveEntry(number(7))).expect("it is there"));
    assert!(holds(&kept) > 0, "a removed entry stays in the past");
    let edited = shelf.edit(&Edit::EraseEntry(number(7))).expect("it fits");
    assert!(edited.whole);
    kept.write(edited);
    shelf.along().into_iter().for_each(|edited| kept.write(edited));
    assert_eq!(holds(&kept), 0);
    // What is left is as it was, and can be edited on.
    kept.write(shelf.edit(&Edit::SetEntry(number(9), entry(Standing::Block, "", ""))).expect("it fits"));
    let again = kept.load(2);
    assert_eq!(again.wishes(), shelf.wishes());
    assert_eq!(again.wishes().lists.keys().cloned().collect::<Vec<_>>(), [number(8), number(9)]);
    assert_eq!(again.wishes().lists[&number(8)], entry(Standing::Allow, "Granny", "Sundays"));
}

#[test]
fn an_edit_that_changes_nothing_writes_nothing() {
    let mut shelf = empty(1);
    let edit = Edit::SetEntry(number(1), entry(Standing::Allow, "Granny", ""));
    assert!(!shelf.edit(&edit).expect("it fits").change.is_empty());
    assert!(shelf.edit(&edit).expect("it fits").change.is_empty());
    assert!(shelf.edit(&Edit::RemoveEntry(number(7))).expect("nothing to remove").change.is_empty());
    assert!(shelf.edit(&Edit::SetSettings(Settings::default())).expect("the defaults").change.is_empty());
}

#[test]
fn the_same_actor_and_edits_give_the_same_bytes() {
    let run = || {
        let mut shelf = empty(5);
        let edited = shelf.edit(&Edit::SetEntry(number(1), entry(Standing::Allow, "Granny", ""))).expect("it fits");
        (edited, shelf.save(DocumentId::Lists))
    };
    assert_eq!(run(), run());
}

#[test]
fn now_and_then_the_whole_document_replaces_the_increments() {
    let (mut kept, mut shelf) = (Kept::default(), empty(1));
    let mut wholes = 0;
    for n in 0..3 * INCREMENTS_PER_WHOLE as u64 {
        let edited = shelf.edit(&Edit::SetEntry(number(n), entry(Standing::Block, "", ""))).expect("it fits");
        wholes += usize::from(edited.whole);
        kept.write(edited);
        assert!(kept.0[&DocumentId::Lists].len() <= INCREMENTS_PER_WHOLE);
    }
    assert_eq!(wholes, 3);
    assert_eq!(kept.load(2).wishes(), shelf.wishes());
}

#[test]
fn shelves_made_apart_merge_field_by_field() {
    let (mut a, mut b) = (empty(1), empty(2));
    // Both know the number by themselves; one blocks it, the other names it.
    a.edit(&Edit::SetEntry(number(1), entry(Standing::Block, "", ""))).expect("it fits");
    a.edit(&Edit::SetEntry(number(2), entry(Standing::Allow, "Anna", ""))).expect("it fits");
    b.edit(&Edit::SetEntry(number(3), entry(Standing::Block, "", "fax at night"))).expect("it fits");
    b.edit(&Edit::SetSettings(Settings { region: "CH".into(), ..Settings::default() })).expect("a country");
    exchange(&mut a, &mut b);
    assert_eq!(a.wishes().lists.len(), 3);
    assert_eq!(a.wishes().settings.region, "CH");

    a.edit(&Edit::SetEntry(number(1), entry(Standing::Allow, "", ""))).expect("it fits");
    b.edit(&Edit::SetEntry(number(1), entry(Standing::Block, "Dentist", ""))).expect("it fits");
    a.edit(&Edit::RemoveEntry(number(3))).expect("it is there");
    b.edit(&Edit::SetEntry(number(3), entry(Standing::Block, "Fax", "fax at night"))).expect("it fits");
    exchange(&mut a, &mut b);
    // The standing one node changed and the label the other changed both hold; an entry removed stays removed.
    assert_eq!(a.wishes().lists[&number(1)], entry(Standing::Allow, "Dentist", ""));
    assert!(!a.wishes().lists.contains_key(&number(3)));

    // What the removal left behind does not come back with a new entry.
    b.edit(&Edit::SetEntry(number(3), entry(Standing::Unknown, "", ""))).expect("it fits");
    exchange(&mut a, &mut b);
    assert_eq!(a.wishes().lists[&number(3)], entry(Standing::Unknown, "", ""));
}

fn exchange(a: &mut Shelf, b: &mut Shelf) {
    for id in DocumentId::ALL {
        let (from_a, from_b) = (a.save(id), b.save(id));
        a.absorb(id, &from_b).expect("b is honest");
        b.absorb(id, &from_a).expect("a is honest");
        assert!(a.absorb(id, &from_b).expect("it is known").change.is_empty());
    }
    assert_eq!(a.wishes(), b.wishes());
}

#[test]
fn increments_of_one_node_are_taken_in_by_another_in_order_only() {
    let (mut a, mut b) = (empty(1), empty(2));
    let first = a.edit(&Edit::SetEntry(number(1), entry(Standing::Block, "", ""))).expect("it fits");
    let second = a.edit(&Edit::SetEntry(number(2), entry(Standing::Block, "", ""))).expect("it fits");
    assert!(matches!(b.absorb(DocumentId::Lists, &second.change), Err(Refused::Unfit(_))));
    assert!(b.wishes().lists.is_empty());
    let kept = b.absorb(DocumentId::Lists, &first.change).expect("it builds on the first change");
    assert!(!kept.change.is_empty());
    b.absorb(DocumentId::Lists, &second.change).expect("now it fits");
    assert_eq!(a.wishes(), b.wishes());
}

#[test]
fn a_country_that_is_none_is_refused_in_words() {
    let refused = empty(1).edit(&Edit::SetSettings(Settings { region: "ZQ".into(), ..Settings::default() }));
    assert_eq!(refused, Err(Refused::NoSuchRegion("ZQ".into())));
}

#[test]
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a figure is measured")]
fn ten_thousand_entries_load_quickly() {
    let mut shelf = empty(1);
    let began = std::time::Instant::now();
    for n in 0..10_000 {
        shelf.edit(&Edit::SetEntry(number(n), entry(Standing::Block, "Energy offer", ""))).expect("it fits");
    }
    let edited = began.elapsed() / 10_000;
    let whole = shelf.save(DocumentId::Lists);
    let began = std::time::Instant::now();
    let (again, damages) = Shelf::load([2; 16], [(DocumentId::Lists, whole.clone())]);
    let loaded = began.elapsed();
    assert_eq!((again.wishes(), damages), (shelf.wishes(), vec![]));
    println!("10,000 entries: {} bytes whole, loaded in {loaded:?}, {edited:?} an edit", whole.len());
}

#[test]
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a figure is measured")]
fn full_lists_take_changes_but_no_more_entries() {
    let mut doc = Automerge::load(&empty(1).save(DocumentId::Lists)).expect("it was just saved");
    let (_, standing) = doc.get(ROOT, "standing").expect("it reads").expect("it is there");
    let mut tx = doc.transaction();
    for n in 0..MAX_ENTRIES as u64 {
        tx.put(&standing, number(n).key(), "block").expect("a scalar fits");
    }
    tx.commit();
    let whole = doc.save();
    let began = std::time::Instant::now();
    let (mut shelf, damages) = Shelf::load([2; 16], [(DocumentId::Lists, whole.clone())]);
    println!("{MAX_ENTRIES} entries: {} bytes whole, loaded in {:?}", whole.len(), began.elapsed());
    assert_eq!((shelf.wishes().lists.len(), damages), (MAX_ENTRIES, vec![]));
    let allow = entry(Standing::Allow, "", "");
    let one_more = Edit::SetEntry(number(MAX_ENTRIES as u64), allow.clone());
    let refused = shelf.edit(&one_more).expect_err("they are full");
    assert!(refused.to_string().contains("100000") && refused.to_string().contains("patterns"), "{refused}");
    shelf.edit(&Edit::SetEntry(number(5), allow)).expect("it is there already");
    shelf.edit(&Edit::RemoveEntry(number(6))).expect("it is there");
    shelf.edit(&one_more).expect("now there is room");
}

#[test]
fn a_shelf_can_live_on_the_thread_of_the_jobs() {
    let shelf = empty(1);
    let region = std::thread::scope(|scope| scope.spawn(move || shelf.wishes().settings.region.clone()).join());
    assert_eq!(region.expect("it does not panic"), "DE");
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let subject = prop_oneof![(0..6_u64).prop_map(number), Just(Subject::Prefix("4930".into()))];
    let standing = prop_oneof![Just(Standing::Unknown), Just(Standing::Allow), Just(Standing::Block)];
    let text = "\\PC{0,12}";
    let verdict = || prop_oneof![Just(Verdict::Allow), Just(Verdict::Challenge), Just(Verdict::Block)];
    let region = prop_oneof![Just("DE"), Just("AT"), Just("US")];
    let home = (0..3_u8).prop_map(|n| HomeId([n; 16]));
    let edit = prop_oneof![
        4 => (subject.clone(), standing, text, "(\\PC|\n){0,20}")
            .prop_map(|(s, standing, label, notes)| Edit::SetEntry(s, Entry { standing, label, notes })),
        2 => subject.clone().prop_map(Edit::RemoveEntry),
        1 => subject.prop_map(Edit::EraseEntry),
        1 => (region, verdict(), verdict()).prop_map(|(region, anonymous, invalid)| {
            Edit::SetSettings(Settings { region: region.into(), anonymous, invalid, ranges: invalid != Verdict::Block })
        }),
        1 => (home.clone(), text).prop_map(|(home, name)| Edit::NameNeighbour(home, name)),
        1 => home.prop_map(Edit::ForgetNeighbour),
        3 => others(),
    ];
    prop::collection::vec(edit, 0..40)
}

/// Edits of the documents beside lists, settings and names.
fn others() -> impl Strategy<Value = Edit> {
    let number = || (0..4_u64).prop_map(|n| E164::from_digits(4_930_000_000 + n).expect("a number"));
    let word = || "[a-c]{1,2}";
    let hour = || (0..1_440_u16).prop_map(|n| Minute::new(n).expect("the day has it"));
    let rules = (prop::collection::btree_map(word(), any::<bool>(), 0..3), prop::option::of((hour(), hour())))
        .prop_map(|(tell, quiet)| Edit::SetRules(Rules { tell, quiet }));
    let account = |(name, role, hash)| Edit::SetAccount(name, Account { role, hash });
    prop_oneof![
        (number(), "\\PC{0,9}").prop_map(|(number, name)| Edit::SetPerson(number, name)),
        number().prop_map(Edit::RemovePerson),
        number().prop_map(Edit::ErasePerson),
        rules,
        (word(), 0..9_i64, word()).prop_map(|(key, at, by)| Edit::Acknowledge(key, Acknowledged::new(at, &by))),
        (word(), word(), word()).prop_map(account),
        word().prop_map(Edit::RemoveAccount),
        (0..3_u8, "\\PC{0,9}", "(\\PC|\n){0,9}")
            .prop_map(|(node, place, notes)| Edit::NoteNode(NodeNumber(node), NodeNote { place, notes })),
    ]
}

/// The same edits on plain maps.
fn model(edits: &[Edit]) -> Wishes {
    let mut wishes = Wishes::default();
    for edit in edits {
        match edit.clone() {
            Edit::SetEntry(subject, e) => {
                wishes.lists.insert(subject, Entry::tidy(e.standing, &e.label, &e.notes));
            }
            Edit::RemoveEntry(subject) | Edit::EraseEntry(subject) => drop(wishes.lists.remove(&subject)),
            Edit::SetSettings(settings) => wishes.settings = settings,
            Edit::NameNeighbour(home, name) => {
                let name = meerkat_protocols::text::inert(&name);
                wishes.neighbours.insert(home, name);
                wishes.neighbours.retain(|_, name| !name.is_empty());
            }
            Edit::ForgetNeighbour(home) => drop(wishes.neighbours.remove(&home)),
            Edit::SetPerson(number, name) => {
                wishes.people.insert(number, meerkat_protocols::wishes::person_name(&name));
                wishes.people.retain(|_, name| !name.is_empty());
            }
            Edit::RemovePerson(number) | Edit::ErasePerson(number) => drop(wishes.people.remove(&number)),
            Edit::SetRules(rules) => wishes.rules = rules,
            Edit::Acknowledge(key, seen) => drop(wishes.acknowledged.insert(key, seen)),
            Edit::SetAccount(name, account) => drop(wishes.accounts.insert(name, account)),
            Edit::RemoveAccount(name) => drop(wishes.accounts.remove(&name)),
            Edit::NoteNode(node, note) => {
                wishes.nodes.insert(node, NodeNote::tidy(&note.place, &note.notes));
                wishes.nodes.retain(|_, note| *note != NodeNote::default());
            }
        }
    }
    wishes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_edits_over_any_starts_equal_plain_maps(edits in edits(), restart_every in 1..20_usize) {
        let (mut kept, mut shelf) = (Kept::default(), empty(1));
        for (n, edit) in edits.iter().enumerate() {
            kept.write(shelf.edit(edit).expect("honest edits fit"));
            shelf.along().into_iter().for_each(|edited| kept.write(edited));
            if n % restart_every == 0 {
                shelf = kept.load(n as u8);
            }
        }
        let again = kept.load(255);
        prop_assert_eq!(again.wishes(), shelf.wishes());
        let generations = shelf.wishes().generations.clone();
        prop_assert_eq!(shelf.wishes(), &Wishes { generations, ..model(&edits) });
    }
}
