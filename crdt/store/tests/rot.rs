//! Decay: bits that flip in a file at rest. What is read afterwards is what was written, or nothing, or an error; never
//! anything else. `MEERKAT_FLIPS` sets how many.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{CANARY, FIRST_DAY, batch, call, end, key, log, number};
use meerkat_protocols::{
    batch::Write,
    mesh::Peer,
    statement::{Kind, Sealed, StatementId},
    time::Day,
    wishes::DocumentId,
};
use meerkat_store::{AccessTable, AccessWrite, CallQuery, Folder, OpenError, Options, Store, torn::Chance};
use redb::{StorageBackend, backends::InMemoryBackend};
use serde_bytes::ByteBuf;

const FLIPS: u64 = 200;
const CALLS: u64 = 120;
const STATEMENTS: u64 = 60;

fn statement(n: u64) -> (StatementId, Sealed) {
    (StatementId::of(&n.to_be_bytes()), Sealed(ByteBuf::from(n.to_be_bytes().repeat(14))))
}

fn chunk(n: u64) -> Vec<u8> {
    n.to_be_bytes().repeat(60)
}

/// The bytes of a file with something in every table, closed in order.
fn file() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let folder = Folder::take(dir.path()).unwrap();
    let store = Store::open(&folder, &key(), Options::default()).unwrap();
    log(&store, 0..CALLS);
    let statements = (0..STATEMENTS).map(statement).map(|(id, sealed)| Write::Statement(id, sealed));
    let chunks = (0..20).map(|n| Write::Document(DocumentId::Settings, chunk(n)));
    let slots = (0..30).map(|n| Write::OwnSlot(Kind::Vouch, Day(n), 3));
    let peers = (0..10).map(|n| Write::Peer(Peer([n; 32]), vec![format!("/ip4/10.0.0.{n}")]));
    store.commit(&batch(statements.chain(chunks).chain(slots).chain(peers).collect())).unwrap();
    store.set_identity(&[("network key", &[7; 32]), ("statement key", &[8; 32])]).unwrap();
    let user = |n: u8| AccessWrite::Put { table: AccessTable::Users, key: vec![n], value: vec![n; 50] };
    store.commit_access(&(0..10).map(user).collect::<Vec<_>>()).unwrap();
    store.close().unwrap();
    std::fs::read(dir.path().join("meerkat.redb")).unwrap()
}

fn disk_of(bytes: &[u8]) -> Arc<InMemoryBackend> {
    let disk = InMemoryBackend::new();
    disk.set_len(bytes.len() as u64).unwrap();
    disk.write(0, bytes).unwrap();
    Arc::new(disk)
}

/// Reads everything there is to read. Gives what was missing.
fn read_all(store: &Store) -> u64 {
    let mut missing = 0;
    let reader = store.reader();
    for query in [CallQuery::default(), CallQuery { number: Some(number(7)), ..CallQuery::default() }] {
        let Ok(page) = reader.calls(&CallQuery { limit: 500, ..query.clone() }) else {
            missing += 1;
            continue;
        };
        for found in page.calls {
            assert_eq!(found.call, call(found.call.seq.0));
            match found.end {
                Some(found_end) => assert_eq!(found_end, end(found.call.seq.0)),
                None => missing += 1,
            }
        }
        missing += page.damaged as u64;
    }
    let mut statements = 0;
    let Ok(mut restored) = reader.restore() else { return missing + 1 };
    let given = reader.statements(&mut restored, |some| {
        for (id, sealed) in some {
            assert!((0..STATEMENTS).any(|n| statement(n) == (id, sealed.clone())));
            statements += 1;
        }
    });
    if given.is_err() {
        return missing + 1;
    }
    missing += (restored.damaged > 0 || statements < STATEMENTS) as u64;
    for found in restored.documents.values().flatten() {
        assert!((0..20).any(|n| chunk(n) == *found));
    }
    assert!(restored.own_slots.iter().all(|(kind, day, next)| *kind == Kind::Vouch && day.0 < 30 && *next == 3));
    for (peer, addresses) in &restored.peers {
        assert_eq!(addresses[..], [format!("/ip4/10.0.0.{}", peer.0[0])]);
    }
    for (name, bytes) in [("network key", [7; 32]), ("statement key", [8; 32])] {
        match reader.identity(name) {
            Ok(Some(found)) => assert_eq!(found.bytes(), bytes),
            Ok(None) | Err(_) => missing += 1,
        }
    }
    for (key, value) in reader.access_all(AccessTable::Users).unwrap_or_default() {
        assert_eq!(value, [key[0]; 50]);
    }
    for (day, counts) in reader.call_days(Day(0)..=Day(u16::MAX)).unwrap_or_default() {
        assert_eq!((day, counts.allow, counts.challenge, counts.block), (FIRST_DAY, 40, 40, 40));
    }
    let stats = reader.numbers(&(0..50).map(number).collect::<Vec<_>>()).unwrap_or_default();
    missing + stats.into_iter().zip(0..).filter(|(s, n)| s.calls != 2 + u32::from(*n < 20)).count() as u64
}

#[test]
fn a_file_without_decay_reads_whole_and_shows_nothing_to_who_has_no_key() {
    let bytes = file();
    let store = Store::open_on(disk_of(&bytes), &key(), Options::default()).unwrap();
    assert!(!store.needs_check(None));
    assert_eq!(read_all(&store), 0);
    let digits = number(7).digits();
    let shown = call(7).shown;
    let canaries = [CANARY.as_bytes(), shown.as_bytes(), &digits.to_be_bytes(), b"FRITZ!OS", b"10.0.0.1", &[7; 32]];
    for canary in canaries {
        assert!(!bytes.windows(canary.len()).any(|window| window == canary), "{canary:?}");
    }
}

/// redb panics over many of these files, the store catches it, and a backtrace each would take most of the time.
fn quiet_about_redb() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.location().is_some_and(|at| at.file().contains("redb")) {
            default(info);
        }
    }));
}

#[test]
fn no_flipped_bit_is_ever_served() {
    let flips = std::env::var("MEERKAT_FLIPS").map_or(FLIPS, |text| text.parse().unwrap());
    quiet_about_redb();
    let whole = file();
    // Bytes that are zero are mostly no part of anything.
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let mut chance = Chance::new(std::env::var("MEERKAT_SEED").map_or(1, |text| text.parse().unwrap()));
    let (mut refused, mut noticed, mut harmless, mut found_by_check) = (0, 0, 0, 0);
    for _ in 0..flips {
        let mut bytes = whole.clone();
        let at = used[usize::try_from(chance.below(used.len() as u64)).unwrap()];
        bytes[at] ^= 1 << chance.below(8);
        match Store::open_on(disk_of(&bytes), &key(), Options::default()) {
            Err(OpenError::Damaged(_)) => refused += 1,
            Err(other) => panic!("byte {at}: {other}"),
            Ok(store) => match read_all(&store) {
                0 => harmless += 1,
                _ => noticed += 1,
            },
        }
        let checked = Store::open_on(disk_of(&bytes), &key(), Options::default());
        found_by_check += u64::from(checked.is_ok_and(|store| !store.check(None).is_ok_and(|c| c.intact)));
    }
    println!("{flips} flips: {refused} not opened, {noticed} noticed in reading, {harmless} in nothing that was read");
    println!("of those opened, the check found {found_by_check}");
    assert!(noticed > flips / 4, "the flips hit what is read: {noticed}");
}
