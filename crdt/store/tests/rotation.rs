//! The data key is replaced while the power goes: nothing is lost, and afterwards the old key opens nothing.
//! `MEERKAT_ROTATIONS` sets how many.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{batch, call, log, writes};
use meerkat_protocols::facts::Seq;
use meerkat_store::{
    AccessTable, AccessWrite, CallQuery, DataKey, Folder, KeyCase, KeyFile, Keyring, OpenError, Options, Rotation,
    Store,
    torn::{Chance, Torn},
};
use redb::backends::InMemoryBackend;

const ROTATIONS: u64 = 5;
/// So many that a rotation takes several steps.
const CALLS: u64 = 900;

fn case(folder: &Folder) -> KeyCase {
    match KeyFile::read(folder).unwrap() {
        Some(file) => file.open(folder).unwrap(),
        None => KeyCase::create(folder).unwrap(),
    }
}

fn open(disk: &Arc<Torn>, case: &KeyCase) -> Store {
    Store::open_on(disk.clone(), case.ring(), Options::default()).unwrap()
}

fn all_there(store: &Store, calls: u64) {
    let reader = store.reader();
    let page = reader.calls(&CallQuery { limit: 500, ..CallQuery::default() }).unwrap();
    assert_eq!((page.calls.len(), page.damaged, page.calls[0].call.seq), (500, 0, Seq(calls - 1)));
    for n in (0..calls).step_by(97) {
        assert_eq!(reader.call(Seq(n)).unwrap().unwrap().call, call(n));
    }
    assert_eq!(reader.counts().unwrap().calls, calls);
    assert_eq!(reader.identity("network key").unwrap().unwrap().bytes(), [7; 32]);
    assert_eq!(reader.access(AccessTable::Users, b"ada").unwrap(), Some(b"1".to_vec()));
}

fn fill(store: &Store) {
    store.set_identity(&[("network key", &[7; 32])]).unwrap();
    let user = AccessWrite::Put { table: AccessTable::Users, key: b"ada".to_vec(), value: b"1".to_vec() };
    store.commit_access(&[user]).unwrap();
    log(store, 0..CALLS);
}

/// Rotates until it is done or the power goes, with calls in between. Gives how many calls there are then.
fn rotate(store: &Store, case: &mut KeyCase, mut calls: u64) -> (u64, bool) {
    if store.begin_rotation(case).is_err() {
        return (calls, false);
    }
    loop {
        match store.rotate_some(case) {
            Err(_) => return (calls, false),
            Ok(Rotation { done: true, damaged, .. }) => {
                assert_eq!(damaged, 0);
                return (calls, store.end_rotation(case).is_ok());
            }
            Ok(Rotation { rows, of, .. }) => assert!(rows <= of),
        }
        if store.commit(&batch(writes(calls))).is_err() {
            return (calls, false);
        }
        calls += 1;
    }
}

#[test]
fn a_rotation_goes_on_after_every_power_cut_and_loses_nothing() {
    let rotations = std::env::var("MEERKAT_ROTATIONS").map_or(ROTATIONS, |text| text.parse().unwrap());
    let (mut chance, mut cuts) = (Chance::new(1), 0);
    for n in 0..rotations {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::take(dir.path()).unwrap();
        let disk = Arc::new(Torn::new(n));
        let old = case(&folder).ring().clone();
        let store = open(&disk, &case(&folder));
        fill(&store);
        store.close().unwrap();
        let mut calls = CALLS;
        loop {
            let mut case = case(&folder);
            let store = open(&disk, &case);
            // The call in flight when the power went may be there.
            calls = store.reader().restore().unwrap().next_call.0.max(calls);
            all_there(&store, calls);
            disk.cut_after(1 + chance.below(130));
            let (more, done) = rotate(&store, &mut case, calls);
            calls = more;
            if done {
                disk.restart();
                break;
            }
            cuts += 1;
            drop(store);
            disk.restart();
        }
        assert!(!case(&folder).ring().is_rotating() && *case(&folder).ring() != old);
        all_there(&open(&disk, &case(&folder)), calls);
        let with_old = Store::open_on(disk.clone(), &old, Options::default());
        assert!(matches!(with_old, Err(OpenError::WrongKey)), "the old key opens nothing");
    }
    assert!(cuts > rotations * 2, "{cuts} cuts");
}

#[test]
fn readers_read_and_a_damaged_value_stays_damaged_while_the_key_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::take(dir.path()).unwrap();
    let mut case = case(&folder);
    let store = Store::open(&folder, case.ring(), Options::default()).unwrap();
    fill(&store);
    store.close().unwrap();
    let calls = redb::TableDefinition::<&[u8; 9], &[u8]>::new("calls");
    let raw = redb::Database::open(dir.path().join("meerkat.redb")).unwrap();
    let txn = raw.begin_write().unwrap();
    txn.open_table(calls).unwrap().insert(&[0, 0, 0, 0, 0, 0, 0, 0, 3], [9; 80].as_slice()).unwrap();
    txn.commit().unwrap();
    drop(raw);
    let store = Store::open(&folder, case.ring(), Options::default()).unwrap();
    let reader = store.reader();
    store.begin_rotation(&mut case).unwrap();
    let mut steps = 0;
    let last = loop {
        let step = store.rotate_some(&case).unwrap();
        let page = reader.calls(&CallQuery { limit: 500, ..CallQuery::default() }).unwrap();
        assert_eq!((page.calls.len(), page.damaged), (500, 0));
        assert!(reader.call(Seq(3)).is_err());
        steps += 1;
        if step.done {
            break step;
        }
    };
    store.end_rotation(&mut case).unwrap();
    assert!(steps > 18 && last.damaged == 1 && last.rows + 1 >= last.of, "{steps} {last:?}");
    assert_eq!(reader.call(Seq(4)).unwrap().unwrap().call, call(4), "what was open stays readable");
    // The second rotation of one process: what it holds of the first key is of no use any more.
    store.begin_rotation(&mut case).unwrap();
    while !store.rotate_some(&case).unwrap().done {}
    store.end_rotation(&mut case).unwrap();
    store.close().unwrap();
    let store = Store::open(&folder, case.ring(), Options::default()).unwrap();
    assert_eq!(store.reader().call(Seq(4)).unwrap().unwrap().call, call(4));
}

#[test]
fn a_store_opens_with_the_key_alone_as_it_always_did() {
    let disk = Arc::new(InMemoryBackend::new());
    let key = DataKey::from_bytes([42; 32]);
    let store = Store::open_on(disk.clone(), &key, Options::default()).unwrap();
    fill(&store);
    store.close().unwrap();
    all_there(&Store::open_on(disk, Keyring::from(&key), Options::default()).unwrap(), CALLS);
}
