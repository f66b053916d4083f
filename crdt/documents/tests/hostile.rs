//! Chunks that rotted, and chunks somebody made to do harm: none panics, none takes another document down.

use std::io::Write;

use automerge::{Automerge, Change, ExpandedChange, ROOT, ReadDoc, transaction::Transactable};
use meerkat_documents::{Fault, Oddity, Refused, Shelf, guard::Unsafe};
use meerkat_protocols::{
    number::E164,
    wishes::{DocumentId, Edit, Entry, Settings, Standing, Subject},
};

fn number(n: u64) -> Subject {
    Subject::Number(E164::from_digits(4_930_000_000 + n).expect("a number"))
}

fn block(n: u64) -> Edit {
    Edit::SetEntry(number(n), Entry::tidy(Standing::Block, "offer", &"words that compress well ".repeat(12)))
}

/// A shelf with entries, a setting, and what a store would hold of it.
fn stored() -> (Shelf, Vec<(DocumentId, Vec<u8>)>) {
    let (mut shelf, _) = Shelf::load([1; 16], []);
    let edits = (0..5).map(block).chain([Edit::SetSettings(Settings { region: "AT".into(), ..Settings::default() })]);
    let chunks = edits.map(|edit| shelf.edit(&edit).expect("it fits")).map(|e| (e.document, e.change)).collect();
    (shelf, chunks)
}

#[test]
fn a_rotten_chunk_closes_its_document_and_no_other() {
    let (shelf, chunks) = stored();
    for (position, (_, bytes)) in chunks.iter().enumerate().take(5) {
        // A step that is odd meets every bit of a byte.
        let step = if position == 2 { 5 } else { 29 };
        for bit in (0..bytes.len() * 8).step_by(step) {
            let mut rotten = chunks.clone();
            rotten[position].1[bit / 8] ^= 1 << (bit % 8);
            let (mut read, damages) = Shelf::load([2; 16], rotten);
            assert_eq!(damages.len(), 1, "chunk {position}, bit {bit}");
            assert_eq!(damages[0].document, DocumentId::Lists);
            assert_eq!(read.wishes().settings, shelf.wishes().settings);
            // What stands before the rot is still used.
            assert!(read.wishes().lists.len() >= position);
            assert!(matches!(read.edit(&block(9)), Err(Refused::Damaged(_))));
            read.edit(&Edit::SetSettings(Settings::default())).expect("this document is well");
        }
    }
}

#[test]
fn a_truncated_chunk_is_noticed_at_every_length() {
    let (shelf, chunks) = stored();
    let whole = shelf.save(DocumentId::Lists);
    for length in 1..whole.len() {
        let (_, damages) = Shelf::load([2; 16], [(DocumentId::Lists, whole[..length].to_vec())]);
        assert_eq!(damages.len(), 1, "{length} bytes of {}", whole.len());
    }
    let without_third = chunks.iter().enumerate().filter(|(n, _)| *n != 2).map(|(_, chunk)| chunk.clone());
    let (read, damages) = Shelf::load([2; 16], without_third);
    assert_eq!(damages[0].fault, Fault::Incomplete);
    assert_eq!(read.wishes().lists.len(), 2);
}

#[test]
fn the_loss_can_be_accepted_and_the_document_edited_again() {
    let (_, mut chunks) = stored();
    chunks[3].1.truncate(20);
    let (mut read, damages) = Shelf::load([2; 16], chunks);
    assert_eq!((damages.len(), read.wishes().lists.len()), (1, 3));
    let whole = read.accept_loss(DocumentId::Lists).expect("the rest is sound");
    assert!(whole.whole);
    let edited = read.edit(&block(8)).expect("it can be edited again");
    let (again, damages) = Shelf::load([3; 16], [(whole.document, whole.change), (edited.document, edited.change)]);
    assert_eq!((damages, again.wishes().lists.len()), (vec![], 4));
}

/// The lists' document as Automerge sees it, for making changes that no shelf makes.
fn raw(shelf: &Shelf) -> Automerge {
    Automerge::load(&shelf.save(DocumentId::Lists)).expect("it was just saved")
}

#[test]
fn a_counter_that_would_use_up_the_numbers_is_turned_away() {
    let (mut shelf, _) = stored();
    let mut doc = raw(&shelf);
    let before = doc.get_heads();
    let mut tx = doc.transaction();
    tx.put(ROOT, "poison", 1).expect("a scalar fits");
    tx.commit();
    let honest = doc.get_changes(&before).remove(0);
    for start in [2_000_000_u64, 1 << 31, u64::from(u32::MAX) - 1] {
        let mut expanded: ExpandedChange = honest.decode();
        expanded.start_op = start.try_into().expect("not zero");
        let poison = Change::from(expanded).raw_bytes().to_vec();
        let refused = shelf.absorb(DocumentId::Lists, &poison);
        assert_eq!(refused, Err(Refused::Unfit(Fault::Unsafe(Unsafe::TooFarAhead))), "{start}");
        let (_, damages) = Shelf::load([2; 16], [(DocumentId::Lists, poison)]);
        assert_eq!(damages[0].fault, Fault::Unsafe(Unsafe::TooFarAhead));
    }
    for n in 20..23 {
        shelf.edit(&block(n)).expect("counters are still there");
    }
}

/// A chunk with the magic bytes and whatever checksum, kind and data.
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
fn a_deflate_bomb_is_turned_away_before_it_takes_memory() {
    let mut bomb = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
    let zeros = vec![0; 1 << 20];
    for _ in 0..65 {
        bomb.write_all(&zeros).expect("memory takes all");
    }
    let bomb = bomb.finish().expect("memory takes all");
    // As a change, and as a column of a document: no actors, no heads, one deflated column, no further columns.
    let mut document = vec![0, 0, 1, 0x1a];
    let mut length = bomb.len();
    while length >= 0x80 {
        document.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    document.extend([length as u8, 0]);
    document.extend(&bomb);
    for bytes in [chunk(2, &bomb), chunk(0, &document)] {
        let (_, damages) = Shelf::load([2; 16], [(DocumentId::Lists, bytes)]);
        assert_eq!(damages[0].fault, Fault::Unsafe(Unsafe::Bomb));
    }
}

#[test]
fn a_compressed_change_is_taken_in_and_a_changed_bit_of_it_is_not() {
    let (mut shelf, _) = stored();
    let mut doc = raw(&shelf);
    let before = doc.get_heads();
    let (_, notes) = doc.get(ROOT, "notes").expect("it reads").expect("it is there");
    let mut tx = doc.transaction();
    tx.put(&notes, "+4930000001", "the same words ".repeat(100)).expect("a scalar fits");
    tx.commit();
    let compressed = doc.get_changes(&before).remove(0).bytes().to_vec();
    assert_eq!(compressed[8], 2, "the kind of a compressed change");
    let mut rotten = compressed.clone();
    rotten[60] ^= 1;
    assert!(matches!(shelf.absorb(DocumentId::Lists, &rotten), Err(Refused::Unfit(Fault::Unsafe(_)))));
    shelf.absorb(DocumentId::Lists, &compressed).expect("it is honest");
    assert!(shelf.wishes().lists[&number(1)].notes.starts_with("the same words"));
}

#[test]
fn a_run_of_a_thousand_million_operations_is_turned_away() {
    // No dependencies, actor `1`, sequence 1, first operation 1, time 0, no message, no other actors, one column of
    // actions: a run of 2^30 times 1.
    let data = [0, 1, b'1', 1, 1, 0, 0, 0, 1, 0x42, 6, 0x80, 0x80, 0x80, 0x80, 0x04, 1];
    let (_, damages) = Shelf::load([2; 16], [(DocumentId::Lists, chunk(1, &data))]);
    assert_eq!(damages[0].fault, Fault::Unsafe(Unsafe::TooManyRows));
}

#[test]
fn two_changes_under_one_number_are_a_contradiction() {
    let (mut a, _) = Shelf::load([1; 16], []);
    let (mut b, _) = Shelf::load([1; 16], []);
    let first = a.edit(&block(1)).expect("it fits");
    let other = b.edit(&block(2)).expect("it fits");
    assert_eq!(a.absorb(DocumentId::Lists, &other.change), Err(Refused::Unfit(Fault::Contradiction)));
    let chunks = [first, other].map(|e| (e.document, e.change));
    let (read, damages) = Shelf::load([2; 16], chunks);
    assert_eq!(damages[0].fault, Fault::Contradiction);
    assert_eq!(read.wishes().lists.len(), 1);
}

#[test]
fn values_of_another_kind_are_skipped_and_told() {
    let (mut shelf, _) = stored();
    let mut doc = raw(&shelf);
    let before = doc.get_heads();
    let (_, standing) = doc.get(ROOT, "standing").expect("it reads").expect("it is there");
    let mut tx = doc.transaction();
    tx.put(&standing, "+4930000000", "sometimes").expect("a scalar fits");
    tx.put(&standing, "+04930000001", "block").expect("a scalar fits");
    tx.put(&standing, "+4930000002", 7).expect("a scalar fits");
    tx.put(&standing, "not a number", "block").expect("a scalar fits");
    tx.put(ROOT, "later", "a field of the future").expect("a scalar fits");
    tx.commit();
    shelf.absorb(DocumentId::Lists, &doc.save_after(&before)).expect("it is well formed");
    assert_eq!(shelf.wishes().lists.len(), 3);
    let odd = Oddity { document: DocumentId::Lists, field: "standing", count: 4 };
    assert_eq!(shelf.oddities().collect::<Vec<_>>(), [&odd]);
    shelf.edit(&block(0)).expect("an ill-typed value can be overwritten");
    assert!(shelf.wishes().lists.contains_key(&number(0)));
}

#[test]
fn a_document_of_a_newer_program_is_read_but_not_edited() {
    let (mut shelf, _) = stored();
    let mut doc = raw(&shelf);
    let before = doc.get_heads();
    let mut tx = doc.transaction();
    tx.put(ROOT, "version", 2_u64).expect("a scalar fits");
    tx.commit();
    shelf.absorb(DocumentId::Lists, &doc.save_after(&before)).expect("it is well formed");
    assert_eq!(shelf.wishes().lists.len(), 5);
    assert_eq!(shelf.edit(&block(9)), Err(Refused::Newer(2)));
}

proptest::proptest! {
    #[test]
    fn any_bytes_are_read_or_named_damaged(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), kind in 0..4_u8) {
        for bytes in [bytes.clone(), chunk(kind, &bytes)] {
            let (read, damages) = Shelf::load([2; 16], [(DocumentId::Lists, bytes.clone())]);
            proptest::prop_assert_eq!(damages.is_empty(), bytes.is_empty());
            proptest::prop_assert!(read.wishes().lists.is_empty());
        }
    }
}
