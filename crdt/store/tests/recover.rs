//! Disks that lie: the store opens anyway, says what is lost, and uses no number twice.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{fs, path::Path};

use common::{batch, log};
use meerkat_protocols::{batch::Write, mesh::Peer, roster::SignedEntry, statement::Kind, time::Day};
use meerkat_store::{Folder, Keeper, KeyCase, KeyFile, Lost, OpenError, Options, Store};

const TODAY: Day = Day(20_712);

fn options() -> Options {
    Options { wall: Some(TODAY.begins()), ..Options::default() }
}

fn open(dir: &Path) -> (Keeper, Vec<Lost>) {
    let folder = Folder::take(dir).unwrap();
    let case = match KeyFile::read(&folder).unwrap() {
        Some(file) => file.open(&folder).unwrap(),
        None => KeyCase::create(&folder).unwrap(),
    };
    let (store, lost) = Store::open_anyway(&folder, case.ring(), options()).unwrap();
    (Keeper::new(store.into(), case), lost)
}

fn start(dir: &Path) -> Keeper {
    let (keeper, lost) = open(dir);
    assert_eq!(lost, []);
    keeper.store().set_identity(&[("statement key", &[8; 32])]).unwrap();
    keeper.store().raise_event_floor(1_000).unwrap();
    keeper.copy_identity().unwrap();
    keeper
}

fn uses_no_number_twice(keeper: &Keeper) {
    let restored = keeper.store().reader().restore().unwrap();
    assert!(restored.next_call.0 >= 1 << 40, "{:?}", restored.next_call);
    assert!(Kind::ALL.into_iter().all(|kind| restored.own_slots.contains(&(kind, TODAY, u8::MAX))));
    assert!(keeper.store().raise_event_floor(1).unwrap() >= 1 << 40);
    assert_eq!(keeper.store().reader().identity("statement key").unwrap().unwrap().bytes(), [8; 32]);
}

#[test]
fn what_cannot_be_opened_is_moved_aside_and_the_node_is_who_it_was() {
    type Spoil = dyn Fn(&mut Vec<u8>);
    let spoilt: [&Spoil; 3] =
        [&|bytes| bytes.fill(0), &|bytes| bytes.truncate(5_000), &|bytes| bytes[..200].fill(0xa5)];
    for spoil in spoilt {
        let dir = tempfile::tempdir().unwrap();
        let keeper = start(dir.path());
        log(keeper.store(), 0..50);
        drop(keeper);
        let path = dir.path().join("meerkat.redb");
        let mut bytes = fs::read(&path).unwrap();
        spoil(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let (keeper, lost) = open(dir.path());
        let Lost::Everything { aside, same_node: true } = &lost[0] else { panic!("{lost:?}") };
        assert_eq!(fs::read(aside.join("meerkat.redb")).unwrap(), bytes, "it is kept as it was");
        assert!(lost[0].words().contains("moved to"), "{}", lost[0].words());
        assert_eq!(keeper.store().reader().counts().unwrap().calls, 0);
        uses_no_number_twice(&keeper);
    }
}

#[test]
fn a_store_that_went_back_in_time_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    drop(start(dir.path()));
    let path = dir.path().join("meerkat.redb");
    let old = fs::read(&path).unwrap();
    let keeper = start(dir.path());
    keeper.store().commit(&batch(vec![Write::OwnSlot(Kind::Report, TODAY, 3)])).unwrap();
    log(keeper.store(), 0..10);
    drop(keeper);
    // The disk said that it had written all that.
    fs::write(&path, old).unwrap();
    let (keeper, lost) = open(dir.path());
    assert_eq!(lost, [Lost::Latest]);
    uses_no_number_twice(&keeper);
    keeper.copy_identity().unwrap();
    drop(keeper);
    assert_eq!(open(dir.path()).1, []);
}

/// Entries of a roster as the store sees them: bytes.
fn entries() -> Vec<SignedEntry> {
    (0..3).map(|n| SignedEntry(vec![n; 100].into())).collect()
}

fn with_roster(dir: &Path) {
    let keeper = start(dir);
    let entries = entries().into_iter().map(|entry| Write::RosterEntry(entry.id(), entry));
    let peer = Write::Peer(Peer([7; 32]), vec!["/ip4/192.0.2.1/tcp/4787".into()]);
    keeper.store().commit(&batch(entries.chain([peer]).collect())).unwrap();
    keeper.copy_identity().unwrap();
}

#[test]
fn a_node_that_lost_everything_knows_to_whom_it_belongs_and_where_they_are() {
    let dir = tempfile::tempdir().unwrap();
    with_roster(dir.path());
    fs::write(dir.path().join("meerkat.redb"), []).unwrap();
    let (keeper, lost) = open(dir.path());
    assert!(matches!(lost[..], [Lost::Everything { same_node: true, .. }]), "{lost:?}");
    let mut restored = keeper.store().reader().restore().unwrap();
    restored.roster.sort_by_key(|entry| entry.0.clone());
    assert_eq!(restored.roster, entries());
    assert_eq!(restored.peers, [(Peer([7; 32]), vec!["/ip4/192.0.2.1/tcp/4787".to_owned()])]);
}

#[test]
fn entries_of_the_roster_that_are_missing_are_put_back_but_not_into_another_home() {
    let dir = tempfile::tempdir().unwrap();
    drop(start(dir.path()));
    let path = dir.path().join("meerkat.redb");
    let before = fs::read(&path).unwrap();
    with_roster(dir.path());
    fs::write(&path, &before).unwrap();
    let (keeper, lost) = open(dir.path());
    assert!(lost.contains(&Lost::Roster), "{lost:?}");
    assert_eq!(keeper.store().reader().restore().unwrap().roster.len(), 3);
    drop(keeper);
    // It has become a part of another home and died before its copy followed.
    fs::write(&path, &before).unwrap();
    let folder = Folder::take(dir.path()).unwrap();
    let case = KeyFile::read(&folder).unwrap().unwrap().open(&folder).unwrap();
    let store = Store::open(&folder, case.ring(), options()).unwrap();
    store.set_identity(&[("statement key", &[9; 32])]).unwrap();
    store.close().unwrap();
    drop((folder, case));
    let (keeper, lost) = open(dir.path());
    assert!(!lost.contains(&Lost::Roster), "{lost:?}");
    assert!(keeper.store().reader().restore().unwrap().roster.is_empty());
}

#[test]
fn a_foreign_key_and_a_folder_in_use_are_no_reason_to_begin_anew() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    drop(start(dir.path()));
    drop(start(other.path()));
    fs::copy(other.path().join("seal.key"), dir.path().join("seal.key")).unwrap();
    let folder = Folder::take(dir.path()).unwrap();
    let case = KeyFile::read(&folder).unwrap().unwrap().open(&folder).unwrap();
    let refused = Store::open_anyway(&folder, case.ring(), options());
    assert!(matches!(refused, Err(OpenError::WrongKey)));
    assert!(!dir.path().join("replaced-1").exists() && dir.path().join("meerkat.redb").exists());
}
