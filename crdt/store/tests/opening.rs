//! Opening, checking and closing; what stands in the way of it, in words.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use common::{batch, call, key, log, open, writes};
use meerkat_protocols::{
    batch::Write,
    facts::Seq,
    home::NodeNumber,
    statement::{Sealed, StatementId},
};
use meerkat_store::{
    AccessTable, AccessWrite, CallQuery, CommitError, DataKey, Folder, OpenError, Options, ReadError, Store,
    backend::{Full, Slow},
};
use redb::{ReadableDatabase, backends::InMemoryBackend};
use serde_bytes::ByteBuf;

const DAY_S: i64 = 86_400;
const NOW: i64 = 1_790_000_000;

fn open_in(dir: &Path) -> Result<Store, OpenError> {
    Store::open(&Folder::take(dir).unwrap(), &key(), Options { wall: Some(NOW), ..Options::default() })
}

#[test]
fn a_store_is_made_closed_and_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    // What a first start left that did not come to its end is no store.
    fs::write(dir.path().join("meerkat.redb.new"), b"half a header").unwrap();
    let store = open_in(dir.path()).unwrap();
    assert!(!store.needs_check(Some(NOW)));
    log(&store, 0..3);
    store.close().unwrap();
    let store = open_in(dir.path()).unwrap();
    assert!(!store.needs_check(Some(NOW)));
    assert_eq!(store.reader().counts().unwrap().calls, 3);
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(dir.path().join("meerkat.redb")).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "the file is its owner's alone");
}

#[test]
fn a_second_store_on_the_folder_is_refused_with_the_owners_number() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_in(dir.path()).unwrap();
    let error = Folder::take(dir.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("process {} on ", std::process::id())) && error.contains("--data"), "{error}");
    store.close().unwrap();
    Folder::take(dir.path()).unwrap();
}

#[test]
fn a_check_is_due_after_an_unclean_stop_and_after_a_week() {
    let disk = Arc::new(InMemoryBackend::new());
    let options = Options { wall: Some(NOW), ..Options::default() };
    let open = || Store::open_on(disk.clone(), &key(), options).unwrap();
    let store = open();
    log(&store, 0..1);
    drop(store);
    let store = open();
    assert!(store.needs_check(None));
    assert!(store.check(Some(NOW)).unwrap().intact);
    assert!(!store.needs_check(Some(NOW)));
    store.close().unwrap();
    let store = open();
    assert!(!store.needs_check(Some(NOW + 7 * DAY_S)));
    assert!(store.needs_check(Some(NOW + 7 * DAY_S + 1)));
    assert!(store.needs_check(Some(NOW - 8 * DAY_S)), "a clock that was wrong decides nothing");
    assert!(!store.needs_check(None));
    // Who wrote nothing left nothing half done.
    drop(store);
    assert!(!open().needs_check(None));
}

#[test]
fn the_wrong_key_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    open_in(dir.path()).unwrap().close().unwrap();
    let folder = Folder::take(dir.path()).unwrap();
    let wrong = Store::open(&folder, &DataKey::from_bytes([1; 32]), Options::default());
    assert!(matches!(wrong, Err(OpenError::WrongKey)));
    drop(folder);
    assert!(!open_in(dir.path()).unwrap().needs_check(Some(NOW)));
}

#[test]
fn a_file_that_is_none_is_reported_and_left_alone() {
    for content in [b"".as_slice(), b"not a database", &[0; 100_000]] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("meerkat.redb");
        fs::write(&path, content).unwrap();
        let error = open_in(dir.path()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged(_)), "{error}");
        assert!(error.to_string().contains("restore it from a backup"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn a_disk_that_is_full_is_said_to_be_and_reading_goes_on() {
    let disk = Arc::new(Full::with_room(64 << 20));
    let store = open(&disk);
    log(&store, 0..100);
    disk.fill();
    let reader = store.reader();
    let mut refused = 0;
    let mut stored = 100;
    for n in 100..160 {
        match store.commit(&batch(writes(n))) {
            Ok(()) => stored += 1,
            Err(error) => {
                assert_eq!(error, CommitError::DiskFull, "{error}");
                refused += 1;
            }
        }
        let page = reader.calls(&CallQuery { limit: 500, ..CallQuery::default() }).unwrap();
        assert_eq!(page.calls.len(), stored);
    }
    assert!(refused > 0, "the disk was full");
    disk.set_room(64 << 20);
    store.commit(&batch(writes(1_000))).unwrap();
    assert_eq!(reader.call(Seq(1_000)).unwrap().unwrap().call, call(1_000));
    store.close().unwrap();
    open(&disk).check(None).unwrap();
}

#[test]
fn a_card_that_turned_read_only_is_said_to_be() {
    let disk = Arc::new(Full::with_room(64 << 20));
    let store = open(&disk);
    log(&store, 0..1);
    disk.set_read_only(true);
    assert_eq!(store.commit(&batch(writes(1))), Err(CommitError::ReadOnly));
    disk.set_read_only(false);
    store.commit(&batch(writes(1))).unwrap();
    assert_eq!(store.reader().counts().unwrap().calls, 2);
}

#[test]
fn a_disk_with_less_than_the_reserve_is_full_before_it_is() {
    let dir = tempfile::tempdir().unwrap();
    open_in(dir.path()).unwrap().close().unwrap();
    let options = Options { reserve_bytes: u64::MAX, ..Options::default() };
    let store = Store::open(&Folder::take(dir.path()).unwrap(), &key(), options).unwrap();
    assert_eq!(store.commit(&batch(writes(0))), Err(CommitError::DiskFull));
    assert_eq!(store.reader().counts().unwrap().calls, 0);
}

#[test]
fn readers_read_while_a_slow_disk_writes() {
    let disk = Arc::new(Slow::default());
    let store = Arc::new(open(&disk));
    log(&store, 0..10);
    disk.hold();
    let writer = std::thread::spawn({
        let store = store.clone();
        move || store.commit(&batch(writes(10)))
    });
    disk.wait_until_held();
    assert_eq!(store.reader().counts().unwrap().calls, 10);
    assert!(store.reader().call(Seq(10)).unwrap().is_none(), "what is not on the disk is not shown");
    disk.release();
    writer.join().unwrap().unwrap();
    assert!(store.reader().call(Seq(10)).unwrap().is_some());
}

#[test]
fn identity_access_and_event_ids_outlive_the_run() {
    let disk = Arc::new(InMemoryBackend::new());
    let store = open(&disk);
    store.set_identity(&[("network key", &[1; 32]), ("genesis", b"record")]).unwrap();
    let put = |table, key: &[u8], value: &[u8]| AccessWrite::Put { table, key: key.into(), value: value.into() };
    let (users, sessions) = (AccessTable::Users, AccessTable::Sessions);
    store.commit_access(&[put(users, b"ada", b"1"), put(users, b"bob", b"2"), put(sessions, b"ada", b"3")]).unwrap();
    store.commit_access(&[AccessWrite::Remove { table: users, key: b"bob".to_vec() }]).unwrap();
    assert_eq!((store.raise_event_floor(100).unwrap(), store.raise_event_floor(1).unwrap()), (0, 100));
    store.close().unwrap();
    let store = open(&disk);
    let reader = store.reader();
    assert_eq!(reader.identity("network key").unwrap().unwrap().bytes(), [1; 32]);
    assert_eq!(reader.identity("other").unwrap(), None);
    assert_eq!(reader.access(users, b"ada").unwrap(), Some(b"1".to_vec()));
    assert_eq!(reader.access(users, b"bob").unwrap(), None);
    assert_eq!(reader.access_all(sessions).unwrap(), [(b"ada".to_vec(), b"3".to_vec())]);
    assert_eq!(store.raise_event_floor(1).unwrap(), 101);
    store.close().unwrap();
    assert!(matches!(reader.access_all(users), Err(ReadError::Unavailable(_))));
}

#[test]
fn many_statements_are_streamed_in_parts_each_once() {
    let store = open(&Arc::new(InMemoryBackend::new()));
    let of = |n: u32| (StatementId::of(&n.to_be_bytes()), Sealed(ByteBuf::from(n.to_be_bytes())));
    let all: Vec<Write> = (0..10_000).map(of).map(|(id, sealed)| Write::Statement(id, sealed)).collect();
    store.commit(&batch(all)).unwrap();
    let (mut parts, mut seen) = (0, BTreeSet::new());
    let mut restored = store.reader().restore().unwrap();
    let given = store.reader().statements(&mut restored, |some| {
        parts += 1;
        seen.extend(some.into_iter().map(|(id, sealed)| (id, sealed.0.into_vec())));
    });
    assert_eq!((given.is_ok(), restored.statements), (true, 10_000));
    assert_eq!((parts, seen.len()), (3, 10_000));
    assert!((0..10_000).map(of).all(|(id, sealed)| seen.contains(&(id, sealed.0.into_vec()))));
}

#[test]
fn a_damaged_value_is_left_out_at_start_and_its_sequence_is_not_used_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_in(dir.path()).unwrap();
    log(&store, 0..4);
    store.close().unwrap();
    let calls = redb::TableDefinition::<&[u8; 9], &[u8]>::new("calls");
    let raw = redb::Database::open(dir.path().join("meerkat.redb")).unwrap();
    let last = [0, 0, 0, 0, 0, 0, 0, 0, 3];
    let other = raw.begin_read().unwrap().open_table(calls).unwrap().get(&[0; 9]).unwrap().unwrap().value().to_vec();
    let txn = raw.begin_write().unwrap();
    // The value of another call, as a thief of a card might put it there.
    txn.open_table(calls).unwrap().insert(&last, other.as_slice()).unwrap();
    txn.commit().unwrap();
    drop(raw);
    let store = open_in(dir.path()).unwrap();
    let error = store.reader().call(Seq(3)).unwrap_err();
    assert_eq!(error.to_string(), "the value under 000000000000000003 in `calls` was altered or has decayed");
    let restored = store.reader().restore().unwrap();
    assert_eq!((restored.next_call, restored.damaged, restored.damaged_values.len()), (Seq(4), 1, 1));
    let page = store.reader().calls(&CallQuery { limit: 10, ..CallQuery::default() }).unwrap();
    assert_eq!((page.calls.len(), page.damaged), (3, 1));
}

#[test]
fn each_node_has_a_log_of_its_own() {
    let store = open(&Arc::new(InMemoryBackend::new()));
    log(&store, 0..3);
    store.set_node(NodeNumber(1));
    assert_eq!(store.reader().restore().unwrap().next_call, Seq(0));
    assert_eq!(store.reader().call(Seq(0)).unwrap(), None);
}
