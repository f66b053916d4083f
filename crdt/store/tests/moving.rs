//! A node becomes a member of another home: wholly, or not at all.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{collections::BTreeSet, sync::Arc};

use common::{batch, call, end, log, number, open};
use meerkat_protocols::{
    audit::{Actor, Deed},
    batch::Write,
    facts::{Call, Seq},
    home::{HomeId, NodeNumber},
    letter::{Content as Words, Letter, LetterId},
    mail::{Kept, LetterNo, Marks, Way},
    mesh::Peer,
    statement::{Kind, Sealed, StatementId},
    time::Day,
    wishes::DocumentId,
};
use meerkat_store::{CallQuery, NewHome, Store, torn::Torn};
use serde_bytes::ByteBuf;

const NEW: NodeNumber = NodeNumber(7);
const CALLS: u64 = 60;

/// A home that has something of everything.
fn furnish(store: &Store) {
    store.set_identity(&[("key", b"old"), ("next key", b"new")]).unwrap();
    log(store, 0..CALLS);
    let letter = Letter { id: LetterId([1; 8]), seq: 1, created: Some(7), content: Words::text("hello").unwrap() };
    let home = HomeId([1; 16]);
    let documents = DocumentId::ALL.map(|id| Write::Document(id, b"changes".to_vec()));
    store.commit(&batch(documents.to_vec())).unwrap();
    store
        .commit(&batch(vec![
            Write::OwnSlot(Kind::Report, Day(7), 3),
            Write::Statement(StatementId::of(b"said"), Sealed(ByteBuf::from(vec![1; 113]))),
            Write::Letter(Box::new(Kept { no: LetterNo(1), home, way: Way::In(NodeNumber(0)), at: None, letter })),
            Write::Marks(home, Marks { read: LetterNo(1), forgotten: None }),
        ]))
        .unwrap();
}

fn move_to(store: &Store) -> Result<(), meerkat_store::CommitError> {
    store.move_to(NewHome {
        identity: &[("key", b"new"), ("number", &[NEW.0])],
        spent: &["next key"],
        number: NEW,
        writes: &[Write::Peer(Peer([9; 32]), vec!["/ip4/10.0.0.1/tcp/1".into()])],
    })
}

fn record(store: &Store, name: &str) -> Option<Vec<u8>> {
    store.reader().identity(name).unwrap().map(|found| found.bytes().to_vec())
}

/// Whether the node has moved; whatever else it has must be as that says.
fn has_moved(store: &Store) -> bool {
    let moved = record(store, "number").is_some();
    let node = if moved { NEW } else { NodeNumber(0) };
    store.set_node(node);
    let key = if moved { b"new" } else { b"old" };
    assert_eq!((record(store, "key").unwrap(), record(store, "next key").is_none()), (key.to_vec(), moved));
    let mut restored = store.reader().restore().unwrap();
    let documents: BTreeSet<DocumentId> = restored.documents.keys().copied().collect();
    let expected = if moved { vec![DocumentId::Lists, DocumentId::People] } else { DocumentId::ALL.to_vec() };
    assert_eq!(documents, BTreeSet::from_iter(expected));
    assert_eq!((restored.own_slots.is_empty(), restored.marks.is_empty()), (moved, moved));
    assert_eq!((restored.peers.len(), restored.next_call), (usize::from(moved), Seq(CALLS)));
    let mut letters = 0;
    store.reader().all_letters(&mut restored, |_| letters += 1).unwrap();
    assert_eq!(letters, usize::from(!moved));
    store.reader().statements(&mut restored, drop).unwrap();
    assert_eq!((restored.statements, restored.damaged), (1, 0), "what was said stays as evidence");
    agree_on_calls(store, node);
    moved
}

fn agree_on_calls(store: &Store, node: NodeNumber) {
    let reader = store.reader();
    let counts = reader.counts().unwrap();
    assert_eq!((counts.calls, counts.verdicts.allow), (CALLS, 20));
    let newest = reader.call(Seq(CALLS - 1)).unwrap().unwrap();
    assert_eq!((newest.call, newest.end), (Call { node, ..call(CALLS - 1) }, Some(end(CALLS - 1))));
    let all = reader.calls(&CallQuery { limit: 500, ..CallQuery::default() }).unwrap();
    assert_eq!((all.calls.len(), all.damaged), (60, 0));
    assert!(all.calls.iter().all(|logged| logged.call.node == node && logged.end.is_some()));
    let query = CallQuery { number: Some(number(3)), limit: 500, ..CallQuery::default() };
    assert_eq!(reader.calls(&query).unwrap().calls.len(), 2);
    assert_eq!(reader.number(number(3)).unwrap().calls, 2);
}

#[test]
fn what_concerns_the_old_home_stays_behind_and_calls_and_lists_come_along() {
    let store = open(&Arc::new(Torn::new(1)));
    furnish(&store);
    assert!(!has_moved(&store));
    move_to(&store).unwrap();
    assert!(has_moved(&store));
}

#[test]
fn a_power_cut_leaves_the_old_home_or_the_new_one_whole() {
    let (mut old, mut new) = (0, 0);
    for after in 1..60 {
        let disk = Arc::new(Torn::new(after));
        let store = open(&disk);
        furnish(&store);
        disk.cut_after(after);
        let told = move_to(&store).is_ok();
        drop(store);
        disk.restart();
        let moved = has_moved(&open(&disk));
        assert!(moved || !told, "who was told that it moved has moved");
        *(if moved { &mut new } else { &mut old }) += 1;
    }
    assert!(old > 10 && new > 10, "{old} cuts fell before the move and {new} after it");
    println!("{old} cuts left the old home, {new} the new one");
}

#[test]
fn the_audit_log_comes_along_and_holds_under_the_new_number() {
    let store = open(&Arc::new(Torn::new(1)));
    furnish(&store);
    for n in 0..5 {
        let deed = Deed::done(Actor::Person("Ada".into()), "lists.set", &format!("{n}"));
        store.note_deeds(Some(7), &[deed]).unwrap();
    }
    move_to(&store).unwrap();
    store.note_deeds(Some(8), &[Deed::done(Actor::Node, "key.renew", "")]).unwrap();
    let audited = store.reader().audited().unwrap();
    let [log] = &audited[..] else { panic!("one log: {audited:?}") };
    assert_eq!((log.node, log.lines, &log.broken), (NEW, 6, &None));
    let lines = store.reader().audit(NEW, None, 10).unwrap();
    let said: Vec<_> = lines.iter().filter_map(|line| Some((line.at?, line.deed.as_ref()?.target.clone()))).collect();
    assert_eq!((said.len(), &said[0], &said[5]), (6, &(8, String::new()), &(7, "0".to_owned())));
}
