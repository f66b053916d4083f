//! The audit log on disk: chained, paged, and the first line that was changed is found.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{key, open};
use meerkat_protocols::{
    audit::{Actor, Broken, Deed},
    facts::Seq,
    home::NodeNumber,
};
use meerkat_store::{Folder, Options, Store};
use redb::{ReadableDatabase, backends::InMemoryBackend};

const NODE: NodeNumber = NodeNumber(0);

fn deed(n: u64) -> Deed {
    Deed::done(Actor::Person("Ada".into()), "lists.set", &format!("+4930{n}"))
}

fn fill(store: &Store, lines: u64) {
    for n in 0..lines {
        store.note_deeds(Some(7), &[deed(n)]).unwrap();
    }
}

#[test]
fn lines_come_back_newest_first_in_pages_and_hold() {
    let disk = Arc::new(InMemoryBackend::new());
    let store = open(&disk);
    assert_eq!((store.reader().audit(NODE, None, 10).unwrap(), store.reader().audited().unwrap()), (vec![], vec![]));
    fill(&store, 25);
    let page = store.reader().audit(NODE, None, 10).unwrap();
    let seqs: Vec<u64> = page.iter().map(|line| line.seq.0).collect();
    assert_eq!((seqs, page[0].deed.clone()), ((15..25).rev().collect(), Some(deed(24))));
    let older = store.reader().audit(NODE, Some(Seq(5)), 10).unwrap();
    assert_eq!((older.len(), older[4].seq), (5, Seq(0)));
    let found = store.reader().audited().unwrap();
    assert_eq!((found[0].lines, found[0].broken.clone()), (25, None));
}

#[test]
fn a_line_that_was_put_in_the_place_of_another_or_taken_out_is_found() {
    for (act, expected) in [("swap", Seq(3)), ("remove", Seq(4)), ("cut", Seq(9))] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&Folder::take(dir.path()).unwrap(), &key(), Options::default()).unwrap();
        fill(&store, 10);
        store.close().unwrap();
        let facts = redb::TableDefinition::<&[u8; 10], &[u8]>::new("facts");
        let raw = redb::Database::open(dir.path().join("meerkat.redb")).unwrap();
        let at = |n: u8| [0, 6, 0, 0, 0, 0, 0, 0, 0, n];
        let other = raw.begin_read().unwrap().open_table(facts).unwrap().get(&at(5)).unwrap().unwrap().value().to_vec();
        let txn = raw.begin_write().unwrap();
        {
            let mut table = txn.open_table(facts).unwrap();
            match act {
                "swap" => drop(table.insert(&at(3), other.as_slice()).unwrap()),
                "remove" => drop(table.remove(&at(3)).unwrap()),
                _ => drop(table.remove(&at(9)).unwrap()),
            }
        }
        txn.commit().unwrap();
        drop(raw);
        let store = Store::open(&Folder::take(dir.path()).unwrap(), &key(), Options::default()).unwrap();
        let found = store.reader().audited().unwrap()[0].broken.clone().unwrap();
        let seq = match &found {
            Broken::Line(seq) | Broken::Unreadable(seq) | Broken::Shortened(seq) | Broken::BehindMembers(seq) => *seq,
        };
        assert_eq!(seq, expected, "{act}: {found:?}");
    }
}
