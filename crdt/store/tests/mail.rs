//! Letters as people read them: page by page, and one neighbour's never among another's.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{batch, key};
use meerkat_protocols::{
    batch::Write,
    home::{HomeId, NodeNumber},
    letter::{Content, Letter, LetterId},
    mail::{Kept, LetterNo, Progress, Way},
};
use meerkat_store::{Options, Store, torn::Torn};

const ANNA: HomeId = HomeId([1; 16]);
const BERT: HomeId = HomeId([2; 16]);

fn kept(home: HomeId, no: u64, way: Way) -> Kept {
    let content = Content::text(&format!("This is the message of number {no}.")).unwrap();
    let letter = Letter { id: LetterId(no.to_be_bytes()), seq: no, created: None, content };
    Kept { no: LetterNo(no), home, way, at: Some(1_795_000_000), letter }
}

fn numbers(store: &Store, home: HomeId, before: Option<u64>, limit: usize) -> (Vec<u64>, Option<u64>) {
    let page = store.reader().letters(home, before.map(LetterNo), limit).unwrap();
    assert_eq!(page.damaged, 0);
    assert!(page.letters.iter().all(|kept| kept.home == home));
    (page.letters.iter().map(|kept| kept.no.0).collect(), page.next.map(|no| no.0))
}

#[test]
fn pages_are_newest_first_and_of_one_home() {
    let disk = Arc::new(Torn::new(1));
    let store = Store::open_on(disk, &key(), Options::default()).unwrap();
    let home = |no: u64| if no.is_multiple_of(3) { BERT } else { ANNA };
    let writes = (0..150).map(|no| Write::Letter(Box::new(kept(home(no), no, Way::In(NodeNumber(0))))));
    store.commit(&batch(writes.collect())).unwrap();

    assert_eq!(numbers(&store, BERT, None, 3), (vec![147, 144, 141], Some(141)));
    assert_eq!(numbers(&store, BERT, Some(141), 2), (vec![138, 135], Some(135)));
    assert_eq!(numbers(&store, BERT, Some(3), 10), (vec![0], None));
    assert_eq!(numbers(&store, BERT, Some(0), 10), (vec![], None));
    assert_eq!(numbers(&store, ANNA, None, 500).0.len(), 100);
    assert_eq!(numbers(&store, HomeId([3; 16]), None, 10), (vec![], None));

    let mut all = vec![];
    let mut restored = store.reader().restore().unwrap();
    store.reader().all_letters(&mut restored, |kept| all.push(kept.no.0)).unwrap();
    all.sort_unstable();
    assert_eq!(all, (0..150).collect::<Vec<_>>());
}

#[test]
fn a_letter_changes_in_place_and_goes_for_good() {
    let disk = Arc::new(Torn::new(2));
    let store = Store::open_on(disk, &key(), Options::default()).unwrap();
    for progress in [Progress::Queued, Progress::Sent, Progress::Delivered { at: None }] {
        store.commit(&batch(vec![Write::Letter(Box::new(kept(ANNA, 4, Way::Out(progress))))])).unwrap();
        let page = store.reader().letters(ANNA, None, 10).unwrap();
        assert_eq!(page.letters, [kept(ANNA, 4, Way::Out(progress))]);
    }
    store.commit(&batch(vec![Write::DropLetter(ANNA, LetterNo(4))])).unwrap();
    assert_eq!(numbers(&store, ANNA, None, 10), (vec![], None));
}

#[test]
fn what_people_write_lies_sealed() {
    let folder = tempfile::tempdir().unwrap();
    let taken = meerkat_store::Folder::take(folder.path()).unwrap();
    let store = Store::open(&taken, &key(), Options::default()).unwrap();
    store.commit(&batch(vec![Write::Letter(Box::new(kept(ANNA, 4, Way::In(NodeNumber(0)))))])).unwrap();
    store.close().unwrap();
    let bytes = std::fs::read(folder.path().join("meerkat.redb")).unwrap();
    let holds = |what: &[u8]| bytes.windows(what.len()).any(|at| at == what);
    assert!(holds(b"letters"), "the name of the table is where a reading of the file finds it");
    assert!(!holds(b"message of number"));
    assert!(!holds(&ANNA.0));
}
