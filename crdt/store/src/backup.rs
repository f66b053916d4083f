//! Backups: all values of the store in one file in the age format, taken from one view while everything goes on, and put
//! back into a folder of its own, which takes the place of the old data only when it is whole and was checked.
//!
//! Inside the age file lie records, each behind its length: a head, rows of tables in plain, an end. Rows keep their keys,
//! so the key of the hashed keys comes along; the data key does not: what is restored is sealed with a new one.

use std::io::{self, Read, Write};

use meerkat_protocols::{
    cbor,
    facts::{Call, Link, LogMark, Seq},
    home::NodeNumber,
    statement::Kind,
    time::Day,
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    DataKey, Folder, KeyCase, Keyring, Options, Reader, Store,
    age::{self, NotOpened},
    errors::{CheckError, CommitError, Fault, OpenError},
    file::{Raw, Reading, Writing},
    planned,
    restore::CALL_FLOOR,
    schema::{self, EVENT_FLOOR, MIGRATIONS},
    tables::{
        ACCESS_SESSIONS, ALL, CALLS, CALLS_BY_NUMBER, CALLS_BY_VERDICT, CONTACTS, IDENTITY, INVITES, LOGS, META,
        OWN_SLOTS, PEERS, RELEASES, ROSTER, STATEMENTS, by_number_key, by_verdict_key, log_key, log_of, meta_key,
        slot_key,
    },
};

const VERSION: u8 = 1;
/// Bytes of values that are read, written and held at once.
const PART_BYTES: usize = 256 << 10;
/// The longest record that is read: a part, and the longest single value (a document) besides.
const MAX_RECORD_BYTES: usize = 64 << 20;
/// How far sequences jump when a node goes on from an older state: more than a log of ten thousand lines a minute gets in
/// two centuries, and eight thousand such jumps fit into what JavaScript counts exactly.
pub(crate) const SKIP: u64 = 1 << 40;

#[derive(Serialize, Deserialize)]
enum Record {
    Head(Head),
    Rows(String, Vec<(ByteBuf, ByteBuf)>),
    End { rows: u64 },
}

#[derive(Serialize, Deserialize)]
struct Head {
    version: u8,
    schema: u32,
    created: Option<i64>,
    node: NodeNumber,
    #[serde(with = "serde_bytes")]
    index: [u8; 32],
}

/// What a backup holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backup {
    /// Unix seconds when it was made, if the clock was set.
    pub created: Option<i64>,
    /// Values in it.
    pub rows: u64,
    /// Values that had decayed and are not in it.
    pub damaged: u64,
}

/// As whom a node goes on with restored data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestoreAs {
    /// As the node that made the backup. Only if that one is gone for good.
    Same,
    /// As a new node with keys of its own, which has the calls, the lists and the settings of the old one.
    New,
}

/// Why a backup was not made.
#[derive(Debug, thiserror::Error)]
pub enum NotBackedUp {
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Store(String),
    /// The file cannot be written.
    #[error("the backup cannot be written: {0}")]
    File(#[from] io::Error),
}

/// Why a backup was not restored. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum NotRestored {
    /// Another pass-phrase, or the head of the file is damaged.
    #[error("this is not the pass-phrase of the backup, or the beginning of the file is damaged; nothing was changed")]
    WrongPassPhrase,
    /// Something else.
    #[error("this file is no backup of Meerkat; nothing was changed")]
    NotABackup,
    /// Altered or cut short.
    #[error("the backup is damaged ({0}); nothing was changed. Take an older one")]
    Damaged(String),
    /// A later Meerkat made it.
    #[error("a newer Meerkat made this backup: update this program. Nothing was changed")]
    Newer,
    /// It cannot be known which statements were made since.
    #[error(
        "the clock is not set, or stands before the day of the backup: set it first. Until then it cannot be known which \
         places of this home's statements are used up. Nothing was changed"
    )]
    ClockNotSet,
    /// The disk does not take it.
    #[error("the backup could not be unpacked: {0}. Nothing was changed")]
    Disk(String),
}

impl From<Fault> for NotRestored {
    fn from(fault: Fault) -> Self {
        Self::Disk(CommitError::from(fault).to_string())
    }
}

impl From<OpenError> for NotRestored {
    fn from(error: OpenError) -> Self {
        Self::Disk(error.to_string())
    }
}

impl From<NotOpened> for NotRestored {
    fn from(error: NotOpened) -> Self {
        match error {
            NotOpened::NotAge => Self::NotABackup,
            NotOpened::Wrong => Self::WrongPassPhrase,
            NotOpened::Io(error) => Self::of_io(&error),
        }
    }
}

impl NotRestored {
    fn of_io(error: &io::Error) -> Self {
        Self::Damaged(error.to_string())
    }
}

impl Reader {
    /// Writes a backup that the pass-phrase opens, from one view of the store while everything goes on. Holds a part of
    /// it in memory, never all.
    ///
    /// # Errors
    /// [`NotBackedUp`]; what was written until then is no backup.
    pub fn back_up(&self, words: &str, wall: Option<i64>, out: impl Write) -> Result<Backup, NotBackedUp> {
        self.back_up_into(age::Writer::new(out, words)?, wall)
    }

    /// As [`Reader::back_up`], into a file that was begun.
    pub(crate) fn back_up_into<W: Write>(
        &self,
        mut out: age::Writer<W>,
        wall: Option<i64>,
    ) -> Result<Backup, NotBackedUp> {
        let store = |fault: Fault| NotBackedUp::Store(fault.to_string());
        let (txn, seal) = self.handle.view().map_err(store)?;
        let reading = Reading { txn, seal: &seal };
        let index = *seal.index_key();
        let head = Head { version: VERSION, schema: schema::today(), created: wall, node: self.handle.node(), index };
        put(&mut out, &Record::Head(head))?;
        let mut made = Backup { created: wall, ..Backup::default() };
        for table in ALL {
            let mut from = Some(vec![]);
            while let Some(first) = from {
                let mut rows = vec![];
                let step = table.some(&reading, &first, PART_BYTES, &mut |(key, plain)| {
                    if let Ok(plain) = plain {
                        rows.push((ByteBuf::from(key), ByteBuf::from(plain)));
                    }
                });
                let step = step.map_err(store)?;
                made.rows += rows.len() as u64;
                made.damaged += step.damaged;
                if !rows.is_empty() {
                    put(&mut out, &Record::Rows(table.name().to_owned(), rows))?;
                }
                from = step.next;
            }
        }
        put(&mut out, &Record::End { rows: made.rows })?;
        out.finish()?;
        Ok(made)
    }
}

fn put(out: &mut impl Write, record: &Record) -> io::Result<()> {
    let bytes = zeroize::Zeroizing::new(cbor::encode(record));
    let length = u32::try_from(bytes.len()).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    out.write_all(&length.to_be_bytes())?;
    out.write_all(&bytes)
}

fn next(from: &mut impl Read) -> Result<Record, NotRestored> {
    let mut length = [0; 4];
    from.read_exact(&mut length).map_err(|e| NotRestored::of_io(&e))?;
    let length = u32::from_be_bytes(length) as usize;
    if length > MAX_RECORD_BYTES {
        return Err(NotRestored::Damaged("a part of it is too long".into()));
    }
    let mut bytes = zeroize::Zeroizing::new(vec![0; length]);
    from.read_exact(&mut bytes).map_err(|e| NotRestored::of_io(&e))?;
    cbor::decode(&bytes).map_err(|_| NotRestored::Damaged("a part of it cannot be read".into()))
}

/// Reads a backup to its end without taking anything in: whether it is whole.
pub(crate) fn look_through(mut from: age::Reader<impl Read>) -> Result<Backup, NotRestored> {
    let Record::Head(head) = next(&mut from)? else { return Err(NotRestored::NotABackup) };
    let mut found = Backup { created: head.created, ..Backup::default() };
    loop {
        match next(&mut from)? {
            Record::Rows(_, rows) => found.rows += rows.len() as u64,
            Record::End { rows } if rows == found.rows => break,
            Record::End { .. } | Record::Head(_) => return Err(NotRestored::Damaged("parts of it are missing".into())),
        }
    }
    match from.read(&mut [0]) {
        Ok(0) => Ok(found),
        Ok(_) => Err(NotRestored::Damaged("something follows its end".into())),
        Err(e) => Err(NotRestored::of_io(&e)),
    }
}

/// Unpacks a backup into a folder of its own, checks it, and readies it for a node that goes on from it. The folder is to
/// be removed if this fails.
pub(crate) fn unpack(
    side: &Folder,
    words: &str,
    (as_whom, wall): (RestoreAs, Option<i64>),
    kept: Option<&KeyCase>,
    from: impl Read,
) -> Result<Backup, NotRestored> {
    let mut from = age::Reader::new(from, words)?;
    let Record::Head(head) = next(&mut from)? else { return Err(NotRestored::NotABackup) };
    if head.version > VERSION || head.schema > schema::today() {
        return Err(NotRestored::Newer);
    }
    let slots = if as_whom == RestoreAs::Same { used_up(head.created, wall)? } else { vec![] };
    let data = DataKey::random().map_err(|e| NotRestored::Disk(e.to_string()))?;
    let ring = Keyring::of(data, None, head.index);
    let case = match kept {
        Some(kept) => kept.in_this_way(side, ring),
        None => KeyCase::beside(side, ring)?,
    };
    case.save()?;
    let store = Store::open(side, case.ring(), Options { wall, ..Options::default() })?;
    store.set_node(head.node);
    let mut found = Backup { created: head.created, ..Backup::default() };
    loop {
        match next(&mut from)? {
            Record::Rows(table, rows) => {
                found.rows += rows.len() as u64;
                store.write(|writing| take_in(writing, &table, &rows, as_whom))?;
            }
            Record::End { rows } if rows == found.rows => break,
            Record::End { .. } | Record::Head(_) => return Err(NotRestored::Damaged("parts of it are missing".into())),
        }
    }
    if from.read(&mut [0]).map_err(|e| NotRestored::of_io(&e))? > 0 {
        return Err(NotRestored::Damaged("something follows its end".into()));
    }
    let mut older = MIGRATIONS.iter().zip(1..).filter(|(_, from)| *from >= head.schema);
    older.try_for_each(|(migration, _)| store.write(migration.run))?;
    go_on(&store, head.node, &slots)?;
    match store.check(wall) {
        Ok(checked) if checked.intact => {}
        Ok(_) => return Err(NotRestored::Disk("the disk did not keep what was written".into())),
        Err(CheckError::Damaged(why) | CheckError::Other(why)) => return Err(NotRestored::Disk(why)),
    }
    store.close().map_err(|e| NotRestored::Disk(e.to_string()))?;
    Ok(found)
}

/// The days whose places for statements may have been used after the backup.
fn used_up(created: Option<i64>, wall: Option<i64>) -> Result<Vec<Day>, NotRestored> {
    // Without a clock nothing was signed on that day, so any day before it will do.
    let today = wall.and_then(Day::of_unix).ok_or(NotRestored::ClockNotSet)?;
    let first = created.and_then(Day::of_unix).unwrap_or(today);
    if first > today { Err(NotRestored::ClockNotSet) } else { Ok((first.0..=today.0).map(Day).collect()) }
}

/// Tables that make a node who it is, and that a new node does not take over.
fn is_of_the_old_node(table: &str) -> bool {
    let its_own =
        [IDENTITY.name, ROSTER.name, OWN_SLOTS.name, PEERS.name, CONTACTS.name, STATEMENTS.name, RELEASES.name];
    its_own.contains(&table)
}

fn take_in(writing: &Writing<'_>, name: &str, rows: &[(ByteBuf, ByteBuf)], as_whom: RestoreAs) -> Result<(), Fault> {
    // Whoever was signed in or invited then is not so now.
    let ends = [ACCESS_SESSIONS.name, INVITES.name].contains(&name);
    if ends || (as_whom == RestoreAs::New && is_of_the_old_node(name)) {
        return Ok(());
    }
    let table = ALL.iter().find(|table| table.name() == name);
    let table = table.ok_or_else(|| Fault::Damaged(crate::Damaged::new("backup", name.as_bytes())))?;
    let stays = |key: &[u8]| schema::is_of_the_file(key) || (as_whom == RestoreAs::New && planned::is_plan(key));
    for (key, plain) in rows.iter().filter(|(key, _)| name != META.name || !stays(key)) {
        table.put_plain(writing, key, plain)?;
        if name == CALLS.name {
            index(writing, plain)?;
        }
    }
    Ok(())
}

/// Indexes are made anew: they hold nothing that the calls do not.
fn index(writing: &Writing<'_>, plain: &[u8]) -> Result<(), Fault> {
    let Ok(call) = cbor::decode::<Call>(plain) else { return Ok(()) };
    writing.index(CALLS_BY_VERDICT, &by_verdict_key(call.verdict, call.node, call.seq))?;
    let Some(number) = call.number else { return Ok(()) };
    let hash = writing.seal.hash("number", &number.digits().to_be_bytes());
    writing.index(CALLS_BY_NUMBER, &by_number_key(&hash, call.node, call.seq))
}

/// Has a node go on from an older state without using a number twice that may have been used since: the places for
/// statements of all days since count as taken; its sequences jump ahead; of the logs that members have copies of, what
/// comes begins a new chain. Actors of documents are drawn anew at each start anyway.
pub(crate) fn go_on(store: &Store, node: NodeNumber, used_up: &[Day]) -> Result<(), Fault> {
    let next_call = store.handle.read(|reading| crate::restore::next_call_of(reading, node))?;
    store.write(|writing| {
        for (kind, day) in Kind::ALL.into_iter().flat_map(|kind| used_up.iter().map(move |day| (kind, *day))) {
            writing.put(&OWN_SLOTS, &slot_key(kind, day), &u8::MAX)?;
        }
        schema::raise_floor(writing, EVENT_FLOOR, SKIP)?;
        let floor: u64 = writing.get(&META, &meta_key(CALL_FLOOR))?.unwrap_or(0);
        schema::raise_floor(writing, CALL_FLOOR, next_call.0.saturating_add(SKIP).saturating_sub(floor))?;
        let in_household = !writing.keys(&ROSTER, &([0; 32]..=[0xff; 32]), 1)?.is_empty();
        for key in writing.keys(&LOGS, &([0; 2]..=[0xff; 2]), usize::MAX)? {
            let Some(log) = log_of(key).filter(|log| log.node == node) else { continue };
            let Some(mut mark) = writing.get::<_, LogMark>(&LOGS, &log_key(log))? else { continue };
            let ahead = Seq(mark.next.0.saturating_add(SKIP));
            if in_household {
                mark.restart(ahead, Link::default());
            } else {
                (mark.next, mark.head) = (ahead, None);
            }
            writing.put(&LOGS, &log_key(log), &mark)?;
        }
        Ok(())
    })
}
