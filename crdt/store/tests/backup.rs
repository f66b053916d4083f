//! Backups: made while everything goes on, opened by their pass-phrase alone, and put back whole or not at all.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{fs, path::Path};

use common::{CANARY, batch, call, log, number};
use meerkat_protocols::{
    audit::{Actor, Deed},
    batch::Write,
    facts::Seq,
    home::NodeNumber,
    statement::Kind,
    time::Day,
    wishes::DocumentId,
};
use meerkat_store::{
    AccessTable, AccessWrite, Backup, CallQuery, DataKey, Folder, KeyCase, NotRestored, Options, RestoreAs, Store,
};

const WORDS: &str = "seven storks over the mill";
const CALLS: u64 = 700;
/// The day of the backup, and the one of its restoration.
const MADE: Day = Day(20_710);
const TODAY: Day = Day(20_712);

fn filled(dir: &Path) -> Store {
    let folder = Folder::take(dir).unwrap();
    let case = KeyCase::create(&folder).unwrap();
    let store = Store::open(&folder, case.ring(), Options::default()).unwrap();
    log(&store, 0..CALLS);
    let (settings, slot) =
        (Write::Document(DocumentId::Settings, vec![7; 3_000]), Write::OwnSlot(Kind::Report, MADE, 2));
    store.commit(&batch(vec![settings, slot])).unwrap();
    store.set_identity(&[("statement key", &[8; 32])]).unwrap();
    let put = |table, key: &[u8]| AccessWrite::Put { table, key: key.into(), value: b"1".to_vec() };
    store.commit_access(&[put(AccessTable::Users, b"ada"), put(AccessTable::Sessions, b"s")]).unwrap();
    store.note_deeds(Some(7), &[Deed::done(Actor::Node, "a", ""), Deed::done(Actor::Node, "b", "")]).unwrap();
    store
}

fn back_up(store: &Store) -> (Vec<u8>, Backup) {
    let mut file = vec![];
    let made = store.reader().back_up(WORDS, Some(MADE.begins()), &mut file).unwrap();
    (file, made)
}

fn restore(dir: &Path, file: &[u8], as_whom: RestoreAs) -> Store {
    let folder = Folder::take(dir).unwrap();
    folder.unpack(WORDS, as_whom, Some(TODAY.begins()), file).unwrap().commit().unwrap();
    assert!(folder.take_in_restored().unwrap());
    Store::open(&folder, DataKey::load_or_create(&folder).unwrap(), Options::default()).unwrap()
}

fn calls_are_there(store: &Store) {
    let reader = store.reader();
    assert_eq!(reader.counts().unwrap().calls, CALLS);
    assert_eq!(reader.call(Seq(3)).unwrap().unwrap().call, call(3));
    let query = CallQuery { number: Some(number(3)), limit: 50, ..CallQuery::default() };
    assert_eq!(reader.calls(&query).unwrap().calls.len(), 14);
    assert_eq!(reader.number(number(3)).unwrap().calls, 14);
}

#[test]
fn a_backup_taken_while_calls_come_holds_one_view_and_shows_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let (file, made) = back_up(&store);
    assert!(made.rows > 2 * CALLS && made.damaged == 0, "{made:?}");
    assert!(file.starts_with(b"age-encryption.org/v1\n-> scrypt "));
    assert!(!file.windows(CANARY.len()).any(|window| window == CANARY.as_bytes()));
    log(&store, CALLS..CALLS + 5);
    let new = tempfile::tempdir().unwrap();
    calls_are_there(&restore(new.path(), &file, RestoreAs::Same));
}

#[test]
fn who_goes_on_as_the_same_node_uses_no_number_again() {
    let (dir, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = filled(dir.path());
    let events = store.raise_event_floor(1).unwrap();
    let (file, _) = back_up(&store);
    let store = restore(new.path(), &file, RestoreAs::Same);
    let restored = store.reader().restore().unwrap();
    for kind in Kind::ALL {
        for day in MADE.0..=TODAY.0 {
            assert!(restored.own_slots.contains(&(kind, Day(day), u8::MAX)), "{kind:?} of {day}");
        }
    }
    assert!(restored.next_call.0 >= CALLS + (1 << 40), "{:?}", restored.next_call);
    assert!(store.raise_event_floor(1).unwrap() > events + (1 << 40));
    assert_eq!(store.reader().identity("statement key").unwrap().unwrap().bytes(), [8; 32]);
    assert_eq!(store.reader().access_all(AccessTable::Sessions).unwrap(), []);
    assert_eq!(store.reader().access(AccessTable::Users, b"ada").unwrap(), Some(b"1".to_vec()));
    // The log goes on behind the jump, and holds.
    store.note_deeds(Some(7), &[Deed::done(Actor::Node, "c", "")]).unwrap();
    let lines = store.reader().audit(NodeNumber(0), None, 10).unwrap();
    assert!(lines[0].seq.0 > 1 << 40 && lines.len() == 3, "{lines:?}");
    assert_eq!(store.reader().audited().unwrap()[0].broken, None);
    log(&store, restored.next_call.0..restored.next_call.0 + 1);
    assert_eq!(store.reader().counts().unwrap().calls, CALLS + 1);
}

#[test]
fn a_new_node_takes_the_calls_over_and_not_the_keys() {
    let (dir, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (file, _) = back_up(&filled(dir.path()));
    let store = restore(new.path(), &file, RestoreAs::New);
    calls_are_there(&store);
    let restored = store.reader().restore().unwrap();
    assert_eq!(store.reader().identity("statement key").unwrap(), None);
    assert_eq!(restored.documents[&DocumentId::Settings], [vec![7; 3_000]]);
}

#[test]
fn a_wrong_pass_phrase_and_a_damaged_file_change_nothing() {
    let (dir, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (file, _) = back_up(&filled(dir.path()));
    filled(new.path()).close().unwrap();
    let folder = Folder::take(new.path()).unwrap();
    let all = |dir: &Path| {
        let mut files: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| !path.ends_with("meerkat.lock"))
            .map(|path| (path.clone(), fs::read(path).unwrap_or_default()))
            .collect();
        files.sort();
        files
    };
    let before = all(new.path());
    let today = Some(TODAY.begins());
    let error = folder.unpack("another pass-phrase", RestoreAs::Same, today, file.as_slice()).unwrap_err();
    assert!(matches!(error, NotRestored::WrongPassPhrase), "{error}");
    for at in [10, 60, 500, file.len() / 2, file.len() - 1] {
        let mut bad = file.clone();
        bad[at] ^= 1;
        assert!(folder.unpack(WORDS, RestoreAs::Same, today, bad.as_slice()).is_err(), "byte {at}");
    }
    for left in [0, 100, file.len() / 2, file.len() - 1] {
        assert!(folder.unpack(WORDS, RestoreAs::Same, today, &file[..left]).is_err(), "{left} bytes");
    }
    for wall in [None, Some(0), Some(Day(MADE.0 - 1).begins())] {
        let error = folder.unpack(WORDS, RestoreAs::Same, wall, file.as_slice()).unwrap_err();
        assert!(matches!(error, NotRestored::ClockNotSet), "{error}");
    }
    // Unpacked and not committed is nothing either.
    drop(folder.unpack(WORDS, RestoreAs::Same, today, file.as_slice()).unwrap());
    fs::remove_dir_all(new.path().join("restoring")).unwrap();
    assert!(!folder.take_in_restored().unwrap());
    assert_eq!(all(new.path()), before);
}

#[test]
fn a_swap_that_was_killed_goes_on_at_the_next_start_and_the_old_data_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let (file, _) = back_up(&filled(dir.path()));
    for killed_after in 0..5 {
        let new = tempfile::tempdir().unwrap();
        filled(new.path()).close().unwrap();
        let old = fs::read(new.path().join("meerkat.redb")).unwrap();
        let folder = Folder::take(new.path()).unwrap();
        let today = Some(TODAY.begins());
        folder.unpack(WORDS, RestoreAs::Same, today, file.as_slice()).unwrap().commit().unwrap();
        // The steps of the swap up to the kill, by hand.
        let (aside, ready) = (new.path().join("replaced-1"), new.path().join("restored"));
        let steps: [(&Path, &Path, &str); 4] = [
            (new.path(), &aside, "seal.key"),
            (&ready, new.path(), "seal.key"),
            (new.path(), &aside, "meerkat.redb"),
            (&ready, new.path(), "meerkat.redb"),
        ];
        fs::create_dir(&aside).unwrap();
        for (from, to, name) in steps.into_iter().take(killed_after) {
            fs::rename(from.join(name), to.join(name)).unwrap();
        }
        assert!(folder.take_in_restored().unwrap());
        let store = Store::open(&folder, DataKey::load_or_create(&folder).unwrap(), Options::default()).unwrap();
        calls_are_there(&store);
        let kept = ["replaced-1", "replaced-2"].map(|aside| fs::read(new.path().join(aside).join("meerkat.redb")).ok());
        assert!(kept.contains(&Some(old)), "killed after {killed_after}");
        assert!(!ready.exists());
    }
}
