//! What a node needs to remember when it starts: all of it, streamed where there is much.

use std::{collections::BTreeMap, fmt};

use meerkat_protocols::{
    contact::{Contact, SignedRecord},
    facts::{Call, LogId, LogMark, Seq, Stream},
    home::{HomeId, NodeNumber},
    mail::Marks,
    mesh::Peer,
    release::Release,
    roster::SignedEntry,
    statement::{Kind, Sealed, StatementId},
    ticket::Invite,
    time::Day,
    wishes::DocumentId,
};
use serde_bytes::ByteBuf;
use zeroize::Zeroizing;

use crate::{
    Reader, Store,
    errors::{CommitError, Damaged, Fault, ReadError},
    facts::Logs,
    file::{Next, Reading},
    imports, mail, retention, schema,
    tables::{
        CALLS, CONTACTS, DOCUMENTS, HASH_BYTES, IDENTITY, INVITES, LOGS, META, OWN_SLOTS, PEERS, RELEASES, ROSTER,
        STATEMENTS, SYNC_STATES, call_key, chunk_of, log_key, meta_key, seq_of, slot_of, sync_of,
    },
};

/// Statements read in one transaction and handed on at once: 4,096 of at most 256 bytes are a MiB.
const STATEMENTS_AT_ONCE: usize = 4_096;
/// Damaged values whose keys are kept for the report; the rest is counted.
const MAX_NAMED: usize = 100;
/// A damaged key near the end of the log may be that of a call, whose sequence must not be used again; one that lies
/// farther ahead than any batch is a decayed number.
const MAX_SEQ_GAP: u64 = 1_024;
/// Where the next sequence stands when the log has been emptied.
pub(crate) const CALL_FLOOR: &str = "call floor";

/// What was stored, but for the statements, which are streamed by [`Reader::statements`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Restored {
    /// The next free slot of ours by kind and day.
    pub own_slots: Vec<(Kind, Day, u8)>,
    /// The chunks of each document that has any, in order.
    pub documents: BTreeMap<DocumentId, Vec<Vec<u8>>>,
    /// How far this node is with each member about each document.
    pub sync_states: Vec<(NodeNumber, DocumentId, Vec<u8>)>,
    /// Peers with their addresses.
    pub peers: Vec<(Peer, Vec<String>)>,
    /// The nodes of neighbours' homes.
    pub contacts: Vec<Contact>,
    /// Invites that were open or used.
    pub invites: Vec<Invite>,
    /// The entries of the household's roster, in no particular order.
    pub roster: Vec<SignedEntry>,
    /// What opens other members' stores, held for them, and who was given what opens this one.
    pub releases: Vec<Release>,
    /// What is kept beside the letters exchanged with each home.
    pub marks: Vec<(HomeId, Marks)>,
    /// The bytes of each import, by its id. One that lost a piece is left out.
    pub imports: BTreeMap<u32, Vec<u8>>,
    /// The sequence of the next call.
    pub next_call: Seq,
    /// How many statements were given.
    pub statements: usize,
    /// How many values were left out because they are damaged.
    pub damaged: usize,
    /// The first hundred of them.
    pub damaged_values: Vec<Damaged>,
}

impl Restored {
    pub(crate) fn note(&mut self, damaged: Damaged) -> Next {
        tracing::warn!(%damaged, "left out at start");
        self.damaged += 1;
        if self.damaged_values.len() < MAX_NAMED {
            self.damaged_values.push(damaged);
        }
        Next::Go
    }
}

/// A secret or record that makes this node who it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity(Zeroizing<Vec<u8>>);

impl Identity {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

impl Reader {
    /// Reads what a node needs at its start.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`]. Damaged values are left out and counted: they never keep the phone from starting.
    pub fn restore(&self) -> Result<Restored, ReadError> {
        let mut restored = Restored::default();
        self.handle.read(|reading| {
            own_slots(reading, &mut restored)?;
            documents(reading, &mut restored)?;
            sync_states(reading, &mut restored)?;
            peers(reading, &mut restored)?;
            contacts(reading, &mut restored)?;
            invites(reading, &mut restored)?;
            roster(reading, &mut restored)?;
            releases(reading, &mut restored)?;
            mail::marks(reading, &mut restored)?;
            imports::all(reading, &mut restored)?;
            restored.next_call = next_call(reading, self.handle.node(), &mut restored)?;
            Ok(())
        })?;
        Ok(restored)
    }

    /// Gives all statements, some thousands at a time and in no particular order, so that no more than those lie in
    /// memory twice; no transaction is open while `take` runs. They and the damaged ones are counted in `restored`.
    ///
    /// # Errors
    /// As [`Reader::restore`].
    pub fn statements(
        &self,
        restored: &mut Restored,
        mut take: impl FnMut(Vec<(StatementId, Sealed)>),
    ) -> Result<(), ReadError> {
        let mut from = Some([0; 32]);
        while let Some(first) = from {
            let mut some = Vec::with_capacity(STATEMENTS_AT_ONCE);
            from = self.handle.read(|reading| next_statements(reading, first, &mut some, restored))?;
            restored.statements += some.len();
            take(some);
        }
        Ok(())
    }

    /// The signed bytes of these statements, in this order; empty where there is none any more, or where it is damaged.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`].
    pub fn bodies(&self, ids: &[StatementId]) -> Result<Vec<Vec<u8>>, ReadError> {
        let bodies = self.handle.read(|reading| {
            let body = |id: &StatementId| match reading.get::<32, Sealed>(&STATEMENTS, &id.0) {
                Ok(sealed) => Ok(sealed.map(|sealed| sealed.0.into_vec()).unwrap_or_default()),
                Err(Fault::Damaged(damaged)) => {
                    tracing::warn!(%damaged, "not given to a peer");
                    Ok(Vec::new())
                }
                Err(why) => Err(why),
            };
            ids.iter().map(body).collect::<Result<_, _>>()
        })?;
        Ok(bodies)
    }

    /// A secret or record of the node by its name.
    ///
    /// # Errors
    /// [`ReadError`]; a damaged one is an error and not an absent one, or the node would make itself a new identity.
    pub fn identity(&self, name: &str) -> Result<Option<Identity>, ReadError> {
        let row: Option<(String, ByteBuf)> =
            self.handle.read(|reading| reading.get(&IDENTITY, &reading.seal.hash(IDENTITY.name, name.as_bytes())))?;
        Ok(row.map(|(_, bytes)| Identity(Zeroizing::new(bytes.into_vec()))))
    }
}

impl Store {
    /// Keeps secrets or records of the node, all of them or none; each replaces what had its name.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn set_identity(&self, named: &[(&str, &[u8])]) -> Result<(), CommitError> {
        Ok(self.write(|writing| {
            named.iter().try_for_each(|(name, bytes)| {
                let key = writing.seal.hash(IDENTITY.name, name.as_bytes());
                writing.put(&IDENTITY, &key, &(name, serde_bytes::Bytes::new(bytes)))
            })
        })?)
    }

    /// Deletes this node's oldest calls while they began before `day`, with what is counted about them; at most `limit`
    /// in one transaction. Gives how many went. Their sequences are not used again.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn expire_calls(&self, day: Day, limit: usize) -> Result<usize, CommitError> {
        let log = LogId { node: self.handle.node(), stream: Stream::Calls };
        let next = self.handle.read(|reading| next_call(reading, log.node, &mut Restored::default()))?;
        Ok(self.write(|writing| {
            let floor = schema::raise_floor(writing, CALL_FLOOR, 0)?;
            schema::raise_floor(writing, CALL_FLOOR, next.0.saturating_sub(floor))?;
            let mut logs = Logs::new(self.handle.node(), self.handle.home());
            let gone = retention::expire(writing, &mut logs, log, day, limit)?;
            retention::expire(writing, &mut logs, LogId { stream: Stream::CallEnds, ..log }, day, limit)?;
            logs.keep(writing)?;
            Ok(gone)
        })?)
    }
}

fn own_slots(reading: &Reading<'_>, restored: &mut Restored) -> Result<(), Fault> {
    reading.each(&OWN_SLOTS, [0; 3]..=[0xff; 3], |key, next| match (slot_of(key), next) {
        (Some((kind, day)), Ok(next)) => {
            restored.own_slots.push((kind, day, next));
            Next::Go
        }
        (None, Ok(_)) => restored.note(Damaged::new(OWN_SLOTS.name, &key)),
        (_, Err(damaged)) => restored.note(damaged),
    })
}

fn documents(reading: &Reading<'_>, restored: &mut Restored) -> Result<(), Fault> {
    reading.each(&DOCUMENTS, [0; 5]..=[0xff; 5], |key, chunk: Result<ByteBuf, _>| match (chunk_of(key), chunk) {
        (Some((document, _)), Ok(chunk)) => {
            restored.documents.entry(document).or_default().push(chunk.into_vec());
            Next::Go
        }
        (None, Ok(_)) => restored.note(Damaged::new(DOCUMENTS.name, &key)),
        (_, Err(damaged)) => restored.note(damaged),
    })
}

fn sync_states(reading: &Reading<'_>, restored: &mut Restored) -> Result<(), Fault> {
    reading.each(&SYNC_STATES, [0; 2]..=[0xff; 2], |key, state: Result<ByteBuf, _>| match (sync_of(key), state) {
        (Some((member, document)), Ok(state)) => {
            restored.sync_states.push((member, document, state.into_vec()));
            Next::Go
        }
        (None, Ok(_)) => restored.note(Damaged::new(SYNC_STATES.name, &key)),
        (_, Err(damaged)) => restored.note(damaged),
    })
}

fn peers(reading: &Reading<'_>, restored: &mut Restored) -> Result<(), Fault> {
    reading.each(&PEERS, [0; HASH_BYTES]..=[0xff; HASH_BYTES], |_, row| match row {
        Ok(row) => {
            restored.peers.push(row);
            Next::Go
        }
        Err(damaged) => restored.note(damaged),
    })
}

fn contacts(reading: &Reading<'_>, restored: &mut Restored) -> Result<(), Fault> {
    reading.each(&CONTACTS, [0; HASH_BYTES]..=[0xff; HASH_BYTES], |key, row: Result<(SignedRecord, _), _>| {
        match row.map(|(signed, since)| Contact::open(signed, since)) {
            Ok(Ok(contact)) => {
                restored.contacts.push(contact);
                Next::Go
            }
            // The seal held, so another program wrote it: a newer one that was replaced by this one.
            Ok(Err(_)) => restored.note(Damaged::new(CONTACTS.name, &key)),
            Err(damaged) => restored.note(damaged),
        }
    })
}

fn invites(reading: &Reading<'_>, restored: &mut Restored) -> Result<(), Fault> {
    reading.each(&INVITES, [0; HASH_BYTES]..=[0xff; HASH_BYTES], |_, invite| match invite {
        Ok(invite) => {
            restored.invites.push(invite);
            Next::Go
        }
        Err(damaged) => restored.note(damaged),
    })
}

fn roster(reading: &Reading<'_>, restored: &mut Restored) -> Result<(), Fault> {
    reading.each(&ROSTER, [0; 32]..=[0xff; 32], |_, entry| match entry {
        Ok(entry) => {
            restored.roster.push(entry);
            Next::Go
        }
        Err(damaged) => restored.note(damaged),
    })
}

fn releases(reading: &Reading<'_>, restored: &mut Restored) -> Result<(), Fault> {
    reading.each(&RELEASES, [0; 17]..=[0xff; 17], |_, release| match release {
        Ok(release) => {
            restored.releases.push(release);
            Next::Go
        }
        Err(damaged) => restored.note(damaged),
    })
}

fn next_statements(
    reading: &Reading<'_>,
    first: [u8; 32],
    some: &mut Vec<(StatementId, Sealed)>,
    restored: &mut Restored,
) -> Result<Option<[u8; 32]>, Fault> {
    let (mut seen, mut next) = (0, None);
    reading.each(&STATEMENTS, first..=[0xff; 32], |key, sealed| {
        if seen == STATEMENTS_AT_ONCE {
            next = Some(key);
            return Next::Stop;
        }
        seen += 1;
        match sealed {
            Ok(sealed) => some.push((StatementId(key), sealed)),
            Err(damaged) => return restored.note(damaged),
        }
        Next::Go
    })?;
    Ok(next)
}

/// As [`next_call`], for who does not report what is damaged.
pub(crate) fn next_call_of(reading: &Reading<'_>, node: meerkat_protocols::home::NodeNumber) -> Result<Seq, Fault> {
    next_call(reading, node, &mut Restored::default())
}

/// The sequence after the last call: by the newest call that can be read, and what lies shortly after it.
fn next_call(
    reading: &Reading<'_>,
    node: meerkat_protocols::home::NodeNumber,
    restored: &mut Restored,
) -> Result<Seq, Fault> {
    let floor: u64 = match reading.get(&META, &meta_key(CALL_FLOOR)) {
        Err(Fault::Damaged(damaged)) => {
            restored.note(damaged);
            None
        }
        floor => floor?,
    }
    .unwrap_or(0);
    let log = LogId { node, stream: Stream::Calls };
    let mark: Option<LogMark> = reading.get(&LOGS, &log_key(log)).unwrap_or(None);
    let mut damaged_seqs = vec![];
    let mut next = floor.max(mark.map_or(0, |mark| mark.next.0));
    let calls = reading.txn.open_table(CALLS.definition())?;
    let (first, last) = (call_key(node, Seq(0)), call_key(node, Seq(u64::MAX)));
    for row in calls.range::<&[u8; 9]>(&first..=&last)?.rev() {
        let key = *row?.0.value();
        match reading.get::<_, Call>(&CALLS, &key) {
            Ok(_) => {
                next = next.max(seq_of(&key).0 + 1);
                break;
            }
            Err(Fault::Damaged(damaged)) => {
                restored.note(damaged);
                damaged_seqs.push(seq_of(&key).0);
            }
            Err(other) => return Err(other),
        }
    }
    for seq in damaged_seqs.into_iter().rev().take_while(|seq| *seq < u64::MAX) {
        if seq >= next && seq - next <= MAX_SEQ_GAP {
            next = seq + 1;
        }
    }
    Ok(Seq(next))
}
