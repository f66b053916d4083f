//! Imported lists and numbers that are forgotten.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{collections::BTreeMap, sync::Arc};

use common::{FIRST_DAY, batch, call, log, number, open};
use meerkat_protocols::{batch::Write, facts::Seq, time::Day};
use meerkat_store::{CallQuery, NumberStats, Store};
use redb::{StorageBackend, backends::InMemoryBackend};

fn imports(store: &Store) -> BTreeMap<u32, Vec<u8>> {
    let restored = store.reader().restore().unwrap();
    assert_eq!(restored.damaged, 0);
    restored.imports
}

fn bytes(seed: usize, len: usize) -> Vec<u8> {
    (0..len).map(|n| u8::try_from((n * 31 + seed) % 251).unwrap()).collect()
}

#[test]
fn imports_come_back_byte_for_byte_and_go_one_by_one() {
    let disk = Arc::new(InMemoryBackend::new());
    let store = open(&disk);
    // Empty pieces, whole pieces, one byte more: where a list is cut must not show.
    let lists = [(1, bytes(1, 1)), (7, bytes(2, 64 * 1024)), (8, bytes(3, 64 * 1024 + 1)), (9, bytes(4, 300_000))];
    let writes = lists.iter().map(|(id, bytes)| Write::Import(*id, Arc::new(bytes.clone()))).collect();
    store.commit(&batch(writes)).unwrap();
    assert_eq!(imports(&store), lists.clone().into());
    // A newer version under the same id leaves nothing of the longer one before.
    store
        .commit(&batch(vec![Write::Import(9, Arc::new(bytes(5, 10))), Write::DropImport(7), Write::DropImport(99)]))
        .unwrap();
    let expected: BTreeMap<_, _> = [(1, bytes(1, 1)), (8, bytes(3, 64 * 1024 + 1)), (9, bytes(5, 10))].into();
    assert_eq!(imports(&store), expected);
    store.close().unwrap();
    assert_eq!(imports(&open(&disk)), expected);
}

#[test]
fn no_name_and_no_byte_of_an_import_lies_in_the_clear() {
    let disk = Arc::new(InMemoryBackend::new());
    let store = open(&disk);
    store.commit(&batch(vec![Write::Import(1, Arc::new(b"Complaints of the street 4930901820".to_vec()))])).unwrap();
    store.close().unwrap();
    let mut file = vec![0; usize::try_from(disk.len().unwrap()).unwrap()];
    disk.read(0, &mut file).unwrap();
    assert!(!file.windows(10).any(|w| w == b"Complaints" || w == b"4930901820"));
}

#[test]
fn a_forgotten_number_leaves_no_call_no_count_and_no_sequence_behind() {
    let disk = Arc::new(InMemoryBackend::new());
    let store = open(&disk);
    log(&store, 0..200);
    let of = |store: &Store, n| {
        let query = CallQuery { number: Some(number(n)), limit: 500, ..CallQuery::default() };
        store.reader().calls(&query).unwrap().calls.len()
    };
    let all = |store: &Store| store.reader().calls(&CallQuery { limit: 500, ..CallQuery::default() }).unwrap().calls;
    assert_eq!((of(&store, 49), all(&store).len()), (4, 200));
    assert_eq!(call(199).number, Some(number(49)), "the newest call is one of them");
    store.commit(&batch(vec![Write::ForgetNumber(number(49))])).unwrap();
    let reader = store.reader();
    assert_eq!((of(&store, 49), of(&store, 48), all(&store).len()), (0, 4, 196));
    assert!(all(&store).iter().all(|c| c.call.number != Some(number(49))));
    assert_eq!(reader.number(number(49)).unwrap(), NumberStats::default());
    for seq in [49, 99, 149, 199] {
        assert_eq!(reader.call(Seq(seq)).unwrap(), None);
    }
    let counted: u32 = reader
        .call_days(FIRST_DAY..=Day(u16::MAX))
        .unwrap()
        .iter()
        .map(|(_, day)| day.allow + day.challenge + day.block)
        .sum();
    assert_eq!((counted, reader.counts().unwrap().numbers), (196, 49));
    // A sequence is never given again, though the newest call is gone; and forgetting twice is forgetting.
    assert_eq!(reader.restore().unwrap().next_call, Seq(200));
    store.commit(&batch(vec![Write::ForgetNumber(number(49)), Write::ForgetNumber(number(0).min(number(1)))])).unwrap();
    assert_eq!(store.reader().restore().unwrap().next_call, Seq(200));
    store.close().unwrap();
    assert_eq!(all(&open(&disk)).len(), 192);
}
