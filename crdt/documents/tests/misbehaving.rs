//! A member that sends what nobody honest makes: it is found out, it alone is not believed any more, and the others agree.

use std::io::Write;

use automerge::{
    ActorId, Automerge, Change, ExpandedChange, ROOT, ReadDoc,
    sync::{Message, State, SyncDoc},
    transaction::{CommitOptions, Transactable},
};
use meerkat_documents::{Fault, MAX_MESSAGE_BYTES, Said, Shelf, Suspicion, actor_of, guard::Unsafe};
use meerkat_protocols::{
    cbor,
    home::NodeNumber,
    number::E164,
    wishes::{DocumentId, Edit, Entry, Standing, Subject},
};
use serde_bytes::ByteBuf;

const LISTS: u8 = DocumentId::Lists as u8;
const MALLORY: NodeNumber = NodeNumber(9);

fn shelf(number: u8) -> Shelf {
    Shelf::load(actor_of(NodeNumber(number), [number + 1; 16]), []).0
}

fn number(n: u64) -> Subject {
    Subject::Number(E164::from_digits(4_930_000_000 + n).expect("a number"))
}

fn block(n: u64, label: &str) -> Edit {
    Edit::SetEntry(number(n), Entry::tidy(Standing::Block, label, ""))
}

/// A word as a member writes it, with any message in it.
fn word(document: u8, message: Vec<u8>) -> Vec<u8> {
    cbor::encode(&(3_u8, document, 0_u32, ByteBuf::new(), ByteBuf::from(message)))
}

/// A sync message with these chunks in it.
fn message(doc: &Automerge, chunks: Vec<Vec<u8>>) -> Vec<u8> {
    let mut message: Message = doc.generate_sync_message(&mut State::new()).expect("a first message");
    message.changes = chunks.into();
    message.encode()
}

/// The lists as they are, for Mallory to work on.
fn raw(shelf: &Shelf, actor: [u8; 16]) -> Automerge {
    Automerge::load(&shelf.save(DocumentId::Lists)).expect("it was just saved").with_actor(ActorId::from(actor))
}

/// A change of the lists that Mallory makes, in Mallory's own copy.
fn change(doc: &mut Automerge, key: &str) -> Change {
    let (_, standing) = doc.get(ROOT, "standing").expect("it reads").expect("it is there");
    let mut tx = doc.transaction();
    tx.put(&standing, key, "block").expect("a scalar fits");
    tx.commit_with(CommitOptions::default().with_time(0));
    doc.get_last_local_change().expect("it was just made")
}

/// All words between two shelves until neither has more to say. Gives what the second said last.
fn agree(a: (&mut Shelf, u8), b: (&mut Shelf, u8)) -> Vec<Said> {
    let mut all = Vec::new();
    let ((a, na), (b, nb)) = ((a.0, NodeNumber(a.1)), (b.0, NodeNumber(b.1)));
    let mut said = a.offer(nb, DocumentId::Lists, true);
    for _ in 0..100 {
        let Some(word) = said.word.take() else { return all };
        let mut answer = b.take(na, &word, true);
        let back = answer.word.take().expect("who waits is answered");
        let mut next = a.take(nb, &back, false);
        said = Said { word: next.word.take(), ..Said::default() };
        all.extend([answer, next]);
    }
    panic!("they find no end");
}

fn suspected(said: &Said, fault: Fault) {
    assert_eq!(said.suspicions, [Suspicion { member: MALLORY, document: DocumentId::Lists, fault }]);
    assert!(said.writes.is_empty() && said.changed.is_empty());
}

#[test]
fn a_poisoned_change_quarantines_the_document_for_who_sent_it_and_no_more() {
    for start in [2_000_000_u64, 1 << 31, u64::from(u32::MAX) - 1] {
        let (mut honest, mut other) = (shelf(0), shelf(1));
        honest.edit(&block(1, "")).expect("it fits");
        let mut doc = raw(&honest, actor_of(MALLORY, [9; 16]));
        let mut expanded: ExpandedChange = change(&mut doc, "+4930000009").decode();
        expanded.start_op = start.try_into().expect("not zero");
        let poison = Change::from(expanded).raw_bytes().to_vec();
        let said = honest.take(MALLORY, &word(LISTS, message(&doc, vec![poison])), true);
        suspected(&said, Fault::Unsafe(Unsafe::TooFarAhead));
        // Nothing more of Mallory's about the lists, honest or not; everything else goes on.
        let sound = change(&mut raw(&honest, [8; 16]), "+4930000007").raw_bytes().to_vec();
        let said = honest.take(MALLORY, &word(LISTS, message(&doc, vec![sound])), true);
        assert!(said.changed.is_empty() && said.suspicions.is_empty());
        assert!(honest.offer(MALLORY, DocumentId::Lists, true).word.is_none());
        assert!(honest.offer(MALLORY, DocumentId::Settings, true).word.is_some());
        other.edit(&block(2, "")).expect("it fits");
        agree((&mut honest, 0), (&mut other, 1));
        assert_eq!(honest.wishes(), other.wishes());
        assert_eq!(honest.wishes().lists.len(), 2);
        for n in 10..14 {
            honest.edit(&block(n, "")).expect("counters are still there");
        }
    }
}

#[test]
fn who_sends_two_changes_under_one_number_is_found_out_and_the_honest_ones_in_between_stay() {
    let mut honest = shelf(0);
    honest.edit(&block(1, "")).expect("it fits");
    let base = raw(&honest, actor_of(MALLORY, [9; 16]));
    let (mut one, mut two) = (base.clone(), base.clone());
    let (first, second) = (change(&mut one, "+4930000002"), change(&mut two, "+4930000003"));
    let mut third = base.clone().with_actor(ActorId::from(actor_of(NodeNumber(1), [7; 16])));
    let of_another = change(&mut third, "+4930000004");
    let said = honest.take(MALLORY, &word(LISTS, message(&one, vec![first.raw_bytes().to_vec()])), true);
    assert!(said.suspicions.is_empty());
    let chunks = vec![second.raw_bytes().to_vec(), of_another.raw_bytes().to_vec()];
    let said = honest.take(MALLORY, &word(LISTS, message(&two, chunks)), true);
    assert_eq!(said.suspicions.len(), 1);
    assert_eq!(said.suspicions[0].member, MALLORY);
    assert_eq!(said.to_found, None);
    assert!(honest.wishes().lists.contains_key(&number(4)), "another's honest change in the same message is taken");
    assert!(!honest.wishes().lists.contains_key(&number(3)));
}

#[test]
fn two_that_were_told_different_things_part_from_the_past_and_agree() {
    let (mut a, mut b) = (shelf(0), shelf(1));
    a.edit(&block(1, "")).expect("it fits");
    agree((&mut a, 0), (&mut b, 1));
    let base = raw(&a, actor_of(MALLORY, [9; 16]));
    let (mut one, mut two) = (base.clone(), base.clone());
    let (to_a, to_b) = (change(&mut one, "+4930000002"), change(&mut two, "+4930000003"));
    a.take(MALLORY, &word(LISTS, message(&one, vec![to_a.raw_bytes().to_vec()])), true);
    b.take(MALLORY, &word(LISTS, message(&two, vec![to_b.raw_bytes().to_vec()])), true);
    // Both build on what they were told.
    a.edit(&block(5, "a's")).expect("it fits");
    b.edit(&block(6, "b's")).expect("it fits");
    let all = agree((&mut a, 0), (&mut b, 1));
    let suspicions: Vec<_> = all.iter().flat_map(|said| &said.suspicions).map(|s| s.member).collect();
    assert!(
        !suspicions.is_empty() && suspicions.iter().all(|member| *member == MALLORY),
        "it is Mallory who is suspected, and not the member that told"
    );
    assert!(all.iter().any(|said| said.to_found == Some(DocumentId::Lists)));
    b.found_anew(DocumentId::Lists).expect("what it says is sound");
    agree((&mut a, 0), (&mut b, 1));
    assert_eq!(a.wishes().lists, b.wishes().lists);
    for n in [1, 5, 6] {
        assert!(a.wishes().lists.contains_key(&number(n)), "{n}");
    }
    a.edit(&block(7, "")).expect("it fits");
    agree((&mut a, 0), (&mut b, 1));
    assert_eq!(a.wishes().lists, b.wishes().lists);
}

/// A chunk with the magic bytes and whatever checksum.
fn chunk(kind: u8, data: &[u8]) -> Vec<u8> {
    let mut out = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, kind];
    let mut length = data.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(data);
    out
}

#[test]
fn what_would_inflate_without_end_takes_no_memory() {
    let mut bomb = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..16 {
        bomb.write_all(&zeros).expect("memory takes all");
    }
    let bomb = chunk(2, &bomb.finish().expect("memory takes all"));
    assert!(bomb.len() < MAX_MESSAGE_BYTES, "it fits into a message: {}", bomb.len());
    let mut honest = shelf(0);
    let doc = raw(&honest, [9; 16]);
    let said = honest.take(MALLORY, &word(LISTS, message(&doc, vec![bomb])), true);
    suspected(&said, Fault::Unsafe(Unsafe::Bomb));
    // A megabyte is not even looked at.
    let said = shelf(1).take(MALLORY, &word(LISTS, vec![0x42; 1 << 20]), true);
    suspected(&said, Fault::Unsafe(Unsafe::TooLarge));
}

#[test]
fn garbage_and_unknown_documents_are_turned_away() {
    let mut honest = shelf(0);
    let said = honest.take(MALLORY, b"garbage", true);
    assert!(said.word.is_some() && said.suspicions.is_empty());
    let doc = raw(&honest, [9; 16]);
    let said = honest.take(MALLORY, &word(77, message(&doc, vec![])), true);
    assert!(said.word.is_some() && said.suspicions.is_empty(), "a later program has more documents");
    let said = honest.take(MALLORY, &word(LISTS, b"no message".to_vec()), true);
    suspected(&said, Fault::Unsafe(Unsafe::Malformed));
    honest.edit(&block(1, "")).expect("nothing happened to it");
}

#[test]
fn nobody_uses_up_the_foundings() {
    let mut honest = shelf(0);
    let far = cbor::encode(&(3_u8, LISTS, u32::MAX, ByteBuf::from(vec![1; 16]), ByteBuf::new()));
    let said = honest.take(MALLORY, &far, true);
    suspected(&said, Fault::Unsafe(Unsafe::TooFarAhead));
    honest.found_anew(DocumentId::Lists).expect("there are more");
    assert_eq!(honest.generation(DocumentId::Lists).count, 1);
}

#[test]
fn a_founding_that_is_none_is_not_taken_for_ours() {
    let mut honest = shelf(0);
    honest.edit(&block(1, "")).expect("it fits");
    // A document that calls itself the founding of another.
    let mut doc = Automerge::new().with_actor(ActorId::from([5; 16]));
    let mut tx = doc.transaction();
    tx.put(ROOT, "founded", 1_u64).expect("a scalar fits");
    tx.commit();
    let chunks = vec![doc.save()];
    let named = cbor::encode(&(3_u8, LISTS, 1_u32, ByteBuf::from(vec![6; 16]), ByteBuf::from(message(&doc, chunks))));
    let said = honest.take(MALLORY, &named, true);
    assert_eq!(said.suspicions.len(), 1);
    assert_eq!(honest.wishes().lists.len(), 1);
    assert_eq!(honest.generation(DocumentId::Lists).count, 0);
}

/// A member of a later program wrote a field of its own and raised the version: this one takes it in, uses what it
/// understands, edits nothing, and passes it on; the later one goes on with both.
#[test]
fn a_member_of_a_later_version_and_one_of_today_agree() {
    let (mut today, mut other) = (shelf(0), shelf(1));
    today.edit(&block(1, "")).expect("it fits");
    let mut later = raw(&today, actor_of(NodeNumber(2), [3; 16]));
    let mut state = State::new();
    let mut tx = later.transaction();
    tx.put(ROOT, "version", 2_u64).expect("a scalar fits");
    tx.put(ROOT, "colour", "a field of the future").expect("a scalar fits");
    tx.commit_with(CommitOptions::default().with_time(0));
    let migrated = later.get_last_local_change().expect("it was just made");
    let block_3 = change(&mut later, "+4930000003");
    let mut first: Message = later.generate_sync_message(&mut state).expect("a first message");
    first.changes = vec![migrated.raw_bytes().to_vec(), block_3.raw_bytes().to_vec()].into();
    let said = today.take(NodeNumber(2), &word(LISTS, first.encode()), true);
    assert!(said.suspicions.is_empty() && said.changed.contains(&DocumentId::Lists));
    assert!(today.wishes().lists.contains_key(&number(3)), "what it understands is used");
    let refused = today.edit(&block(4, "")).expect_err("a newer layout is not edited");
    assert!(refused.to_string().contains("update this node"), "{refused}");
    today
        .edit(&Edit::SetPerson(E164::from_digits(4_930_000_001).expect("a number"), "Kim".into()))
        .expect("other documents are");
    agree((&mut today, 0), (&mut other, 1));
    assert_eq!(other.wishes().lists, today.wishes().lists);
    let passed_on = Automerge::load(&other.save(DocumentId::Lists)).expect("it was just saved");
    assert!(passed_on.get(ROOT, "colour").expect("it reads").is_some(), "what it does not understand is passed on");
}
