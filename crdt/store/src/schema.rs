//! The version of the file and the way from one to the next.

use redb::{Database, ReadableDatabase};
use serde::{Deserialize, Serialize};

use crate::{
    backend::Shared,
    errors::{Fault, OpenError},
    file::{Handle, Next, Reading, Source, Writing, caught},
    retention,
    tables::{self, CALLS, IDENTITY, META, STATEMENTS, Table, meta_key},
};

pub(crate) const SCHEMA: [u8; 16] = meta_key("schema");
/// The version again, sealed: it shows that the key fits, and stands in for [`SCHEMA`] should that decay.
const SCHEMA_SEALED: [u8; 16] = meta_key("schema sealed");
const RUN: [u8; 16] = meta_key("run");
const SCHEMA_CHECK_DOMAIN: &str = "meerkat 2026-11 store schema check";
/// Bytes of the version and of the check that follows it.
const SCHEMA_BYTES: usize = 12;

/// One step to the next version, in one transaction of its own: a power cut leaves the version before or after it.
pub(crate) struct Migration {
    /// For the log.
    pub(crate) what: &'static str,
    pub(crate) run: fn(&Writing<'_>) -> Result<(), Fault>,
}

/// The steps from version 1 on; the first leads from 1 to 2. A step that has been released is never changed.
pub(crate) const MIGRATIONS: &[Migration] = &[
    Migration { what: "tables of the neighbourhood", run: |writing| Ok(tables::create_all(writing.txn)?) },
    Migration {
        what: "logs of facts",
        run: |writing| {
            tables::create_all(writing.txn)?;
            retention::begin(writing)
        },
    },
    Migration { what: "keys of members", run: |writing| Ok(tables::create_all(writing.txn)?) },
];

/// The name of the next event id that is free.
pub(crate) const EVENT_FLOOR: &str = "event floor";

/// The version of today's files.
pub(crate) fn today() -> u32 {
    newest(MIGRATIONS)
}

/// Whether a record of [`META`] is about the file and not about the home.
pub(crate) fn is_of_the_file(key: &[u8]) -> bool {
    [SCHEMA, SCHEMA_SEALED, RUN, meta_key("rotation")].iter().any(|own| own == key)
}

/// The version that these steps lead to.
fn newest(migrations: &[Migration]) -> u32 {
    1 + u32::try_from(migrations.len()).expect("the list is written by hand")
}

/// How the last run ended and when the file was last checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The store was closed in order, or nothing was written since it was.
    pub(crate) clean: bool,
    /// Unix seconds.
    pub(crate) last_check: Option<i64>,
}

impl Run {
    pub(crate) fn put(self, writing: &Writing<'_>) -> Result<(), Fault> {
        writing.put(&META, &RUN, &self)
    }
}

/// Refuses a file of a later version before anything may write to it. A file that was not closed in order cannot be
/// opened for reading alone; redb's repair of it, which changes nothing that was committed, comes first then.
pub(crate) fn refuse_newer(source: &Source, migrations: &[Migration]) -> Result<(), OpenError> {
    let found = caught(|| {
        let builder = Database::builder();
        let database = match source {
            Source::File(path) => builder.open_read_only(path)?,
            Source::Backend(backend) => builder.open_read_only_with_backend(Shared::new(backend.clone()))?,
        };
        let txn = database.begin_read()?;
        let stored = txn.open_table(META.definition())?.get_owned(&SCHEMA)?;
        Ok(stored.and_then(|stored| read_version(stored.value())))
    });
    match found {
        Ok(Some(found)) => not_newer(found, migrations),
        // Whatever else is the matter, opening it in earnest will tell.
        Ok(None) | Err(_) => Ok(()),
    }
}

fn not_newer(found: u32, migrations: &[Migration]) -> Result<(), OpenError> {
    let known = newest(migrations);
    if found > known { Err(OpenError::Newer { found, known }) } else { Ok(()) }
}

/// Makes the tables of a new file, or leads an old one step by step to today's version. Says how the last run ended.
pub(crate) fn prepare(
    handle: &Handle,
    is_new: bool,
    migrations: &[Migration],
    wall: Option<i64>,
    fault: impl Fn(Fault) -> OpenError,
) -> Result<Run, OpenError> {
    if is_new {
        let run = Run { clean: true, last_check: wall };
        handle.write(|writing| create(writing, newest(migrations), run)).map_err(&fault)?;
        return Ok(run);
    }
    let found = handle.read(version).map_err(&fault)?;
    let Some(found) = found else {
        let foreign = handle.read(|reading| Ok(!key_fits(reading)?)).map_err(&fault)?;
        let unknown = || OpenError::Damaged("its version cannot be read".into());
        return Err(if foreign { OpenError::WrongKey } else { unknown() });
    };
    not_newer(found, migrations)?;
    if !handle.read(key_fits).map_err(&fault)? {
        return Err(OpenError::WrongKey);
    }
    for (migration, from) in migrations.iter().zip(1..).skip_while(|(_, from)| *from < found) {
        tracing::info!(from, what = migration.what, "bringing the store to the next version");
        let step = |writing: &Writing<'_>| {
            (migration.run)(writing)?;
            put_version(writing, from + 1)
        };
        handle.write(step).map_err(&fault)?;
    }
    // A damaged record is an unclean stop: it leads to a check, which costs only time.
    let run = handle.read(|reading| Ok(reading.get(&META, &RUN).unwrap_or(None))).map_err(&fault)?;
    Ok(run.unwrap_or(Run { clean: false, last_check: None }))
}

fn create(writing: &Writing<'_>, version: u32, run: Run) -> Result<(), Fault> {
    tables::create_all(writing.txn)?;
    put_version(writing, version)?;
    run.put(writing)
}

fn put_version(writing: &Writing<'_>, version: u32) -> Result<(), Fault> {
    let mut bytes = [0; SCHEMA_BYTES];
    bytes[..4].copy_from_slice(&version.to_be_bytes());
    bytes[4..].copy_from_slice(&version_check(version));
    writing.txn.open_table(META.definition())?.insert(&SCHEMA, bytes.as_slice())?;
    writing.put(&META, &SCHEMA_SEALED, &version)
}

fn version_check(version: u32) -> [u8; 8] {
    let hash = blake3::derive_key(SCHEMA_CHECK_DOMAIN, &version.to_be_bytes());
    let mut check = [0; 8];
    check.copy_from_slice(&hash[..8]);
    check
}

fn read_version(stored: &[u8]) -> Option<u32> {
    let (version, check) = stored.split_at_checked(4)?;
    let version = u32::from_be_bytes(version.try_into().ok()?);
    (*check == version_check(version)).then_some(version)
}

/// The version, from whichever of its two places can be read.
fn version(reading: &Reading<'_>) -> Result<Option<u32>, Fault> {
    let plain = {
        let meta = reading.txn.open_table(META.definition())?;
        meta.get(&SCHEMA)?.and_then(|stored| read_version(stored.value()))
    };
    Ok(plain.or_else(|| reading.get(&META, &SCHEMA_SEALED).unwrap_or(None)))
}

/// Whether any value opens: a decayed value must not pass for a key that does not fit, nor keep the phone from starting.
fn key_fits(reading: &Reading<'_>) -> Result<bool, Fault> {
    Ok(any_opens(reading, &META)?
        || any_opens(reading, &IDENTITY)?
        || any_opens(reading, &CALLS)?
        || any_opens(reading, &STATEMENTS)?)
}

/// Rows of a table that are tried at most.
const MAX_TRIED: usize = 16;

fn any_opens<const K: usize>(reading: &Reading<'_>, table: &Table<K>) -> Result<bool, Fault> {
    let (mut opens, mut tried) = (false, 0);
    reading.each(table, [0; K]..=[0xff; K], |_, value: Result<Anything, _>| {
        opens |= value.is_ok();
        tried += 1;
        if opens || tried == MAX_TRIED { Next::Stop } else { Next::Go }
    })?;
    Ok(opens)
}

type Anything = serde::de::IgnoredAny;

/// Raises a number that must never be given twice, whatever becomes of this run, and gives what it was.
pub(crate) fn raise_floor(writing: &Writing<'_>, name: &str, by: u64) -> Result<u64, Fault> {
    let key = meta_key(name);
    let floor: u64 = writing.get(&META, &key)?.unwrap_or(0);
    writing.put(&META, &key, &floor.saturating_add(by))?;
    Ok(floor)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use meerkat_protocols::{
        batch::{Batch, BatchId, Write},
        facts::{Call, CallEnd, Hundredths, Seq, Verdict},
        home::NodeNumber,
        phone::{Ending, Line},
    };
    use redb::StorageBackend;

    use super::*;
    use crate::{DataKey, Keyring, Options, Store, torn::Torn};

    fn open_with(disk: &Arc<impl StorageBackend>, migrations: &[Migration]) -> Result<Store, OpenError> {
        let source = Source::Backend(disk.clone());
        Store::open_source(source, None, &Keyring::from(&DataKey::from_bytes([1; 32])), Options::default(), migrations)
    }

    fn content(disk: &impl StorageBackend) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(disk.len().unwrap()).unwrap()];
        disk.read(0, &mut bytes).unwrap();
        bytes
    }

    /// Appends a letter to a record, so that the steps and their order show.
    fn append(writing: &Writing<'_>, letter: &str) -> Result<(), Fault> {
        let key = meta_key("steps");
        let steps: String = writing.get(&META, &key)?.unwrap_or_default();
        writing.put(&META, &key, &(steps + letter))
    }

    fn steps_of(store: &Store) -> String {
        store.handle.read(|reading| reading.get(&META, &meta_key("steps"))).unwrap().unwrap_or_default()
    }

    const STEPS: [Migration; 3] = [
        Migration { what: "a", run: |writing| append(writing, "a") },
        Migration { what: "b", run: |writing| append(writing, "b") },
        Migration { what: "c", run: |writing| append(writing, "c") },
    ];

    #[test]
    fn an_old_file_is_led_step_by_step_and_each_step_is_taken_once() {
        let disk = Arc::new(Torn::new(1));
        open_with(&disk, &[]).unwrap().close().unwrap();
        for (known, steps) in [(0, ""), (1, "a"), (1, "a"), (3, "abc"), (3, "abc")] {
            let store = open_with(&disk, &STEPS[..known]).unwrap();
            assert_eq!(steps_of(&store), steps);
            store.close().unwrap();
        }
    }

    #[test]
    fn a_file_from_before_there_were_imports_takes_them() {
        let disk = Arc::new(Torn::new(1));
        let store = open_with(&disk, &[]).unwrap();
        assert!(store.write(|writing| Ok(writing.txn.delete_table(tables::IMPORTS.definition())?)).unwrap());
        store.close().unwrap();
        let store = open_with(&disk, MIGRATIONS).unwrap();
        assert_eq!(store.reader().restore().unwrap().imports.len(), 0);
    }

    /// A call of the log, with its end.
    fn logged(n: u64) -> Vec<Write> {
        let call = Call {
            seq: Seq(n),
            node: NodeNumber(0),
            line: Line("home".into()),
            number: None,
            shown: String::new(),
            name: String::new(),
            verdict: Verdict::Allow,
            reasons: vec![],
            risk: Hundredths::NONE,
            began: None,
            began_mono_ms: n,
            verstat: None,
            place: None,
            metadata: vec![],
        };
        let end = CallEnd { seq: Seq(n), how: Ending::Refused, duration_ms: n };
        vec![Write::Call(Box::new(call)), Write::CallEnd(end)]
    }

    #[test]
    fn calls_from_before_there_were_logs_are_carried_over_whatever_is_cut() {
        for after in (0..200).step_by(10) {
            let disk = Arc::new(Torn::new(after));
            let store = open_with(&disk, &MIGRATIONS[..1]).unwrap();
            store.commit(&Batch { id: BatchId(0), writes: (0..50).flat_map(logged).collect() }).unwrap();
            let right = store.reader().logs().unwrap();
            let dropped = store.write(|writing| {
                writing.txn.delete_table(tables::LOGS.definition())?;
                writing.txn.delete_table(tables::FACTS.definition())?;
                Ok(writing.txn.delete_table(tables::END_ORDER.definition())?)
            });
            assert!(dropped.unwrap());
            store.close().unwrap();
            disk.cut_after(after);
            drop(open_with(&disk, MIGRATIONS));
            disk.restart();
            let store = open_with(&disk, MIGRATIONS).unwrap();
            assert_eq!(store.reader().logs().unwrap(), right);
            assert_eq!(store.reader().restore().unwrap().next_call, Seq(50));
        }
    }

    #[test]
    fn a_power_cut_between_steps_leaves_none_out_and_takes_none_twice() {
        for after in 0..60 {
            let disk = Arc::new(Torn::new(after));
            open_with(&disk, &[]).unwrap().close().unwrap();
            disk.cut_after(after);
            drop(open_with(&disk, &STEPS));
            disk.restart();
            assert_eq!(steps_of(&open_with(&disk, &STEPS).unwrap()), "abc");
        }
    }

    #[test]
    fn a_later_file_is_refused_and_not_touched() {
        for close in [true, false] {
            let disk = Arc::new(Torn::new(1));
            let store = open_with(&disk, &STEPS).unwrap();
            store.raise_event_floor(1).unwrap();
            if close {
                store.close().unwrap();
            } else {
                drop(store);
            }
            let before = content(&*disk);
            let error = open_with(&disk, &STEPS[..1]).unwrap_err();
            assert!(matches!(error, OpenError::Newer { found: 4, known: 2 }), "{error}");
            assert!(before == content(&*disk), "the file was changed");
        }
    }

    #[test]
    fn a_failing_step_leaves_the_version_before_it() {
        let disk = Arc::new(Torn::new(1));
        open_with(&disk, &[]).unwrap().close().unwrap();
        let fails = |writing: &Writing<'_>| {
            append(writing, "x")?;
            Err(Fault::TooLarge)
        };
        let steps = [Migration { what: "a", run: STEPS[0].run }, Migration { what: "fails", run: fails }];
        assert!(open_with(&disk, &steps).is_err());
        assert_eq!(steps_of(&open_with(&disk, &STEPS[..2]).unwrap()), "ab");
    }

    /// Puts something else in the place of a record.
    fn spoil(store: &Store, key: &[u8; 16]) {
        let spoilt = store.write(|writing| {
            let mut meta = writing.txn.open_table(META.definition())?;
            let before = meta.insert(key, [0; SCHEMA_BYTES].as_slice())?;
            Ok(before.is_some())
        });
        assert!(spoilt.unwrap());
    }

    #[test]
    fn a_file_from_before_the_neighbourhood_gets_its_tables() {
        let disk = Arc::new(Torn::new(1));
        let store = open_with(&disk, &[]).unwrap();
        store.write(|writing| Ok(writing.txn.delete_table(tables::CONTACTS.definition())?)).unwrap();
        store.write(|writing| Ok(writing.txn.delete_table(tables::LETTERS.definition())?)).unwrap();
        store.close().unwrap();
        let store = open_with(&disk, MIGRATIONS).unwrap();
        let mut restored = store.reader().restore().unwrap();
        assert_eq!(restored.contacts, []);
        store.reader().all_letters(&mut restored, |kept| panic!("{kept:?}")).unwrap();
    }

    #[test]
    fn a_decayed_version_is_read_from_its_second_place() {
        let disk = Arc::new(Torn::new(1));
        let store = open_with(&disk, &[]).unwrap();
        spoil(&store, &SCHEMA);
        store.close().unwrap();
        let store = open_with(&disk, &[]).unwrap();
        spoil(&store, &SCHEMA_SEALED);
        store.close().unwrap();
        let error = open_with(&disk, &[]).unwrap_err();
        assert!(matches!(error, OpenError::Damaged(_)), "{error}");
    }
}
