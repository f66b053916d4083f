//! Members of a household become equal, whatever they did while apart, whatever is lost on the way, and whatever one of
//! them makes of it.

use std::collections::BTreeMap;

use meerkat_documents::{Edited, Said, Shelf, actor_of};
use meerkat_protocols::{
    home::{HomeId, NodeNumber},
    number::E164,
    wishes::{DocumentId, Edit, Entry, Standing, Subject},
};
use proptest::prelude::*;

/// One member with its disk.
struct Member {
    number: NodeNumber,
    shelf: Shelf,
    chunks: BTreeMap<DocumentId, Vec<Vec<u8>>>,
    sessions: BTreeMap<(NodeNumber, DocumentId), Vec<u8>>,
    starts: u8,
    /// Whether what it holds is left as it is, however much of it is past.
    wants_founding: Vec<DocumentId>,
    suspects: Vec<NodeNumber>,
    sent: usize,
}

impl Member {
    fn new(number: u8) -> Self {
        let number = NodeNumber(number);
        let mut this = Self {
            number,
            shelf: Shelf::default(),
            chunks: BTreeMap::new(),
            sessions: BTreeMap::new(),
            starts: 0,
            wants_founding: Vec::new(),
            suspects: Vec::new(),
            sent: 0,
        };
        this.start(true);
        this
    }

    /// Starts anew from what is on disk.
    fn start(&mut self, sessions_kept: bool) {
        self.starts += 1;
        let mut chance = [self.starts; 16];
        chance[15] = 0;
        let chunks = self.chunks.iter().flat_map(|(id, all)| all.iter().map(|bytes| (*id, bytes.clone())));
        let (shelf, damages) = Shelf::load(actor_of(self.number, chance), chunks);
        assert_eq!(damages, []);
        self.shelf = shelf;
        if !sessions_kept {
            self.sessions.clear();
        }
        for ((member, id), bytes) in &self.sessions {
            self.shelf.restore_session(*member, *id, bytes);
        }
    }

    fn write(&mut self, edited: Edited) {
        let chunks = self.chunks.entry(edited.document).or_default();
        if edited.whole {
            chunks.clear();
        }
        if !edited.change.is_empty() {
            chunks.push(edited.change);
        }
    }

    fn edit(&mut self, edit: &Edit) {
        let edited = self.shelf.edit(edit).expect("honest edits fit");
        self.write(edited);
        self.shelf.along().into_iter().for_each(|edited| self.write(edited));
    }

    fn found(&mut self, id: DocumentId) {
        let edited = self.shelf.found_anew(id).expect("it is sound");
        self.write(edited);
        self.shelf.along().into_iter().for_each(|edited| self.write(edited));
    }

    fn keep(&mut self, with: NodeNumber, said: &mut Said) {
        std::mem::take(&mut said.writes).into_iter().for_each(|edited| self.write(edited));
        for (id, bytes) in std::mem::take(&mut said.states) {
            self.sessions.insert((with, id), bytes);
        }
        self.wants_founding.extend(said.to_found);
        self.suspects.extend(said.suspicions.iter().map(|suspicion| suspicion.member));
        self.sent += said.word.as_ref().map_or(0, Vec::len);
    }
}

/// One conversation about one document: who lost how many words. Gives whether it came to its end.
fn converse(a: &mut Member, b: &mut Member, id: DocumentId, lost: &mut impl FnMut() -> bool) -> bool {
    let mut said = a.shelf.offer(b.number, id, true);
    a.keep(b.number, &mut said);
    let mut rounds = 0;
    while let Some(word) = said.word {
        if lost() {
            return false;
        }
        let mut answer = b.shelf.take(a.number, &word, true);
        b.keep(a.number, &mut answer);
        let Some(word) = answer.word else { break };
        if lost() {
            return false;
        }
        said = a.shelf.take(b.number, &word, false);
        a.keep(b.number, &mut said);
        rounds += 1;
        assert!(rounds < 200, "{id:?} has no end");
    }
    true
}

/// Compares, and talks about what differs. Gives whether nothing was lost.
fn meet(a: &mut Member, b: &mut Member, mut lost: impl FnMut() -> bool) -> bool {
    let (greeting, from, to) = (a.shelf.greet(), a.number, b.number);
    let answer = b.shelf.take(from, &greeting, true).word.expect("a greeting is answered");
    let differ = a.shelf.take(to, &answer, false).differ;
    // Each is tried, whatever came of those before.
    differ.into_iter().map(|id| converse(a, b, id, &mut lost)).filter(|held| !held).count() == 0
}

/// Everybody meets everybody until all are equal.
fn agree(members: &mut [Member]) {
    for _ in 0..12 {
        for left in 0..members.len() {
            let (head, tail) = members.split_at_mut(left + 1);
            tail.iter_mut().for_each(|right| assert!(meet(&mut head[left], right, || false)));
        }
        let first = members[0].shelf.greet();
        if members.iter().all(|member| member.shelf.greet() == first) {
            let wishes = members[0].shelf.wishes();
            assert!(members.iter().all(|member| member.shelf.wishes() == wishes));
            return;
        }
    }
    panic!("they do not agree");
}

fn number(n: u64) -> Subject {
    Subject::Number(E164::from_digits(4_930_000_000 + n).expect("a number"))
}

fn entry(standing: Standing, label: &str) -> Entry {
    Entry::tidy(standing, label, "")
}

fn set(n: u64, standing: Standing, label: &str) -> Edit {
    Edit::SetEntry(number(n), entry(standing, label))
}

#[test]
fn an_edit_takes_one_word_and_its_answer() {
    let (mut a, mut b) = (Member::new(0), Member::new(1));
    for n in 0..50 {
        a.edit(&set(n, Standing::Block, "offer"));
    }
    meet(&mut a, &mut b, || false);
    assert_eq!(a.shelf.wishes(), b.shelf.wishes());
    let greeting = a.shelf.greet().len();
    assert!(b.shelf.take(a.number, &a.shelf.greet(), true).differ.is_empty());
    a.edit(&set(99, Standing::Allow, "Granny"));
    let mut said = a.shelf.offer(b.number, DocumentId::Lists, false);
    a.keep(b.number, &mut said);
    let word = said.word.expect("there is news");
    let mut answer = b.shelf.take(a.number, &word, true);
    b.keep(a.number, &mut answer);
    assert_eq!(b.shelf.wishes().lists[&number(99)].label, "Granny");
    let back = answer.word.expect("it is acknowledged");
    let mut end = a.shelf.take(b.number, &back, false);
    a.keep(b.number, &mut end);
    assert_eq!(end.word, None);
    println!("greeting {greeting} bytes, an edit {} bytes, its answer {} bytes", word.len(), back.len());
    // What was kept is enough to begin with after a start.
    a.start(true);
    b.start(true);
    b.edit(&set(98, Standing::Allow, ""));
    let before = a.sent + b.sent;
    meet(&mut b, &mut a, || false);
    assert_eq!(a.shelf.wishes(), b.shelf.wishes());
    println!("an edit after a start: {} bytes", a.sent + b.sent - before);
}

#[test]
fn a_long_history_comes_in_pieces() {
    let (mut a, mut b) = (Member::new(0), Member::new(1));
    let notes: String = (0..1_900).map(|n| char::from_u32(0x4e00 + n * 7 % 20_000).unwrap_or('x')).collect();
    for n in 0..120 {
        a.edit(&Edit::SetEntry(number(n), Entry::tidy(Standing::Block, "", &format!("{n} {notes}"))));
    }
    b.edit(&set(500, Standing::Allow, "b's own"));
    meet(&mut a, &mut b, || false);
    assert_eq!(a.shelf.wishes(), b.shelf.wishes());
    assert_eq!(b.shelf.wishes().lists.len(), 121);
}

#[test]
fn allowed_here_and_blocked_there_rings_until_a_person_chooses() {
    let mut members = [Member::new(0), Member::new(1), Member::new(2)];
    members[0].edit(&set(1, Standing::Allow, "school"));
    members[1].edit(&set(1, Standing::Block, ""));
    members[1].edit(&set(2, Standing::Block, ""));
    members[2].edit(&set(2, Standing::Block, ""));
    agree(&mut members);
    let wishes = members[2].shelf.wishes();
    assert_eq!(wishes.lists[&number(1)].standing, Standing::Allow);
    assert_eq!(wishes.disputed.iter().collect::<Vec<_>>(), [&number(1)]);
    // It stays marked over a start and over a founding.
    members[2].start(true);
    members[2].found(DocumentId::Lists);
    agree(&mut members);
    assert!(members.iter().all(|m| m.shelf.wishes().disputed.contains(&number(1))));
    assert!(members.iter().all(|m| m.shelf.wishes().lists[&number(1)].standing == Standing::Allow));
    // The choice may be what it says already.
    members[1].edit(&set(1, Standing::Allow, "school"));
    agree(&mut members);
    assert!(members.iter().all(|m| m.shelf.wishes().disputed.is_empty()));
}

#[test]
fn a_member_that_was_away_while_a_document_was_founded_anew_loses_nothing_and_brings_nothing_back() {
    let mut members = [Member::new(0), Member::new(1), Member::new(2)];
    for n in 0..6 {
        members[0].edit(&set(n, Standing::Block, "old"));
    }
    agree(&mut members);
    // Member 2 is away and edits.
    members[2].edit(&set(0, Standing::Allow, "edited away"));
    members[2].edit(&set(9, Standing::Block, "made away"));
    members[2].edit(&Edit::RemoveEntry(number(1)));
    members[2].edit(&set(4, Standing::Block, "edited and erased"));
    // The others go on, and give up the past twice.
    members[0].edit(&set(2, Standing::Allow, "edited at home"));
    members[0].edit(&Edit::RemoveEntry(number(3)));
    members[0].edit(&Edit::EraseEntry(number(4)));
    let (two, _) = members.split_at_mut(2);
    agree(two);
    members[1].edit(&set(7, Standing::Allow, "made at home"));
    members[1].found(DocumentId::Lists);
    agree(&mut members);
    let lists = &members[1].shelf.wishes().lists;
    let labels: Vec<&str> = lists.values().map(|entry| entry.label.as_str()).collect();
    assert_eq!(labels, ["edited away", "edited at home", "old", "made at home", "made away"]);
    assert!(!lists.contains_key(&number(4)));
    for member in &members {
        assert_eq!(member.shelf.generation(DocumentId::Lists).count, 2);
        assert_eq!(member.shelf.wishes().generations[&DocumentId::Lists].count, 2);
        let whole = member.shelf.save(DocumentId::Lists);
        assert!(!whole.windows(10).any(|bytes| bytes == b"4930000004"), "the erased number is nowhere");
    }
    // It can be entered again, by a person.
    members[2].edit(&set(4, Standing::Allow, "new"));
    agree(&mut members);
    assert_eq!(members[0].shelf.wishes().lists[&number(4)].label, "new");
}

#[test]
fn two_erase_apart_and_both_hold() {
    let mut members = [Member::new(0), Member::new(1)];
    for n in 0..4 {
        members[0].edit(&set(n, Standing::Block, "x"));
    }
    agree(&mut members);
    members[0].edit(&Edit::EraseEntry(number(0)));
    members[1].edit(&Edit::EraseEntry(number(1)));
    members[1].found(DocumentId::Lists);
    agree(&mut members);
    for member in &members {
        assert_eq!(member.shelf.wishes().lists.keys().cloned().collect::<Vec<_>>(), [number(2), number(3)]);
        let all: Vec<u8> = member.chunks[&DocumentId::Lists].concat();
        assert!(!all.windows(10).any(|bytes| bytes == b"4930000000" || bytes == b"4930000001"));
    }
}

/// What a member does in a property.
#[derive(Debug, Clone)]
enum Step {
    Edit(usize, Edit),
    Meet(usize, usize, u16),
    Restart(usize, bool),
    Found(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let standing = prop_oneof![Just(Standing::Unknown), Just(Standing::Allow), Just(Standing::Block)];
    let edit = prop_oneof![
        4 => (0..6_u64, standing, "[a-c]{0,3}").prop_map(|(n, standing, label)| set(n, standing, &label)),
        2 => (0..6_u64).prop_map(|n| Edit::RemoveEntry(number(n))),
        1 => (0..3_u8, "[a-c]{1,3}").prop_map(|(home, name)| Edit::NameNeighbour(HomeId([home; 16]), name)),
        1 => (0..3_u64, "[a-c]{0,3}").prop_map(|(n, name)| {
            Edit::SetPerson(E164::from_digits(4_930_000_000 + n).expect("a number"), name)
        }),
    ];
    let step = prop_oneof![
        6 => (0..4_usize, edit).prop_map(|(who, edit)| Step::Edit(who, edit)),
        4 => (0..4_usize, 0..4_usize, any::<u16>()).prop_map(|(a, b, loss)| Step::Meet(a, b, loss)),
        1 => (0..4_usize, any::<bool>()).prop_map(|(who, kept)| Step::Restart(who, kept)),
        1 => (0..4_usize).prop_map(Step::Found),
    ];
    prop::collection::vec(step, 0..60)
}

fn play(members: &mut [Member], step: &Step) {
    match step {
        Step::Edit(who, edit) => members[*who].edit(edit),
        Step::Restart(who, kept) => members[*who].start(*kept),
        Step::Found(who) => members[*who].found(DocumentId::Lists),
        Step::Meet(a, b, loss) if a < b => {
            let (head, tail) = members.split_at_mut(*b);
            let mut bits = *loss;
            let lost = || {
                bits = bits.rotate_right(1);
                bits & 0b1001 == 0b1001
            };
            meet(&mut head[*a], &mut tail[0], lost);
        }
        Step::Meet(..) => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn members_end_equal_whatever_they_did_apart(steps in steps()) {
        let mut members: Vec<Member> = (0..4).map(Member::new).collect();
        steps.iter().for_each(|step| play(&mut members, step));
        agree(&mut members);
        prop_assert!(members.iter().all(|member| member.suspects.is_empty()));
        members.iter_mut().for_each(|member| member.start(false));
        agree(&mut members);
    }

    /// Each member edits numbers of its own only, so that no edit is replaced: all of them have to be there at the end.
    #[test]
    fn nothing_that_one_member_alone_decided_is_lost_by_giving_up_the_past(steps in steps()) {
        let mut members: Vec<Member> = (0..4).map(Member::new).collect();
        let mut expected = BTreeMap::new();
        for step in &steps {
            let own = |who: &usize, subject: &Subject| match subject {
                Subject::Number(n) => Subject::Number(E164::from_digits(n.digits() + 100 * (*who as u64)).expect("a number")),
                Subject::Prefix(_) => subject.clone(),
            };
            let step = match step {
                Step::Edit(who, Edit::SetEntry(subject, entry)) => {
                    let subject = own(who, subject);
                    expected.insert(subject.clone(), entry.clone());
                    Step::Edit(*who, Edit::SetEntry(subject, entry.clone()))
                }
                Step::Edit(who, Edit::RemoveEntry(subject)) => {
                    let subject = own(who, subject);
                    expected.remove(&subject);
                    Step::Edit(*who, Edit::RemoveEntry(subject))
                }
                other => other.clone(),
            };
            play(&mut members, &step);
        }
        agree(&mut members);
        prop_assert_eq!(&members[0].shelf.wishes().lists, &expected);
        prop_assert!(members[0].shelf.wishes().disputed.is_empty());
    }

    #[test]
    fn no_word_makes_a_member_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), cut in any::<prop::sample::Index>(), flip in any::<prop::sample::Index>()) {
        let (mut a, mut b) = (Member::new(0), Member::new(1));
        b.shelf.take(a.number, &bytes, true);
        a.edit(&set(1, Standing::Block, "x"));
        let mut word = a.shelf.offer(b.number, DocumentId::Lists, true).word.expect("there is news");
        let at = flip.index(word.len());
        word[at] ^= 1 << (at % 8);
        word.truncate(cut.index(word.len()) + 1);
        b.shelf.take(a.number, &word, true);
        b.edit(&set(2, Standing::Block, "y"));
    }
}
