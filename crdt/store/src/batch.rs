//! What one batch changes. Indexes and statistics move in the same transaction as the calls they are about.

use meerkat_protocols::{
    batch::Write,
    cbor,
    facts::{Call, Digest, LogId, Stream},
    time::Day,
    wishes::DocumentId,
};
use redb::ReadableTable;
use serde_bytes::Bytes;

use crate::{
    calls::{DayRow, NumberRow},
    erased,
    errors::Fault,
    facts::{self, Logs},
    file::Writing,
    imports, mail, retention,
    tables::{
        CALL_DAYS, CALLS, CALLS_BY_NUMBER, CALLS_BY_VERDICT, CONTACTS, DOCUMENTS, INVITES, NUMBERS, OWN_SLOTS, PEERS,
        RELEASES, ROSTER, STATEMENTS, SYNC_STATES, by_number_key, by_verdict_key, call_key, chunk_key, chunk_of,
        day_key, release_key, slot_key, sync_key,
    },
};

/// Writes one thing. Calls end, and facts are noted, in the logs of this node.
pub(crate) fn apply(writing: &Writing<'_>, logs: &mut Logs, write: &Write) -> Result<(), Fault> {
    match write {
        Write::Call(call) => put_call(writing, logs, call, &cbor::encode(call)),
        Write::CallEnd(end) => facts::put_end(writing, logs, end),
        Write::Fact(fact) => facts::note(writing, logs, fact),
        Write::Received(received) => facts::receive(writing, logs, received),
        Write::Log(change) => retention::change(writing, logs, change),
        Write::Statement(id, sealed) => writing.put(&STATEMENTS, &id.0, sealed),
        Write::DropStatement(id) => writing.remove(&STATEMENTS, &id.0),
        Write::OwnSlot(kind, day, next) => writing.put(&OWN_SLOTS, &slot_key(*kind, *day), next),
        Write::Document(document, changes) => append(writing, *document, changes),
        Write::DocumentWhole(document, whole) => replace(writing, *document, whole),
        Write::SyncState(member, document, state) => {
            writing.put(&SYNC_STATES, &sync_key(*member, *document), &Bytes::new(state))
        }
        Write::DropSyncStates(member) => {
            DocumentId::ALL.into_iter().try_for_each(|id| writing.remove(&SYNC_STATES, &sync_key(*member, id)))
        }
        Write::Peer(peer, addresses) => writing.put(&PEERS, &writing.seal.hash("peer", &peer.0), &(peer, addresses)),
        Write::DropPeer(peer) => writing.remove(&PEERS, &writing.seal.hash("peer", &peer.0)),
        Write::Contact(contact) => {
            let key = writing.seal.hash(CONTACTS.name, &contact.peer().0);
            writing.put(&CONTACTS, &key, &(&contact.signed, contact.since))
        }
        Write::DropContact(peer) => writing.remove(&CONTACTS, &writing.seal.hash(CONTACTS.name, &peer.0)),
        Write::Invite(invite) => writing.put(&INVITES, &writing.seal.hash(INVITES.name, &invite.ticket.id().0), invite),
        Write::DropInvite(id) => writing.remove(&INVITES, &writing.seal.hash(INVITES.name, &id.0)),
        Write::Letter(kept) => mail::put(writing, kept),
        Write::DropLetter(home, no) => mail::remove(writing, *home, *no),
        Write::Marks(home, marks) => mail::put_marks(writing, *home, marks),
        Write::Import(id, bytes) => imports::put(writing, *id, bytes),
        Write::DropImport(id) => imports::remove(writing, *id),
        Write::RosterEntry(id, entry) => writing.put(&ROSTER, &id.0, entry),
        Write::Release(held) => writing.put(&RELEASES, &release_key(held.owner, held.id), held),
        Write::DropRelease(owner, id) => writing.remove(&RELEASES, &release_key(*owner, *id)),
        Write::ForgetNumber(number) => erased::forget(writing, logs, *number),
    }
}

/// Keeps a call of this node and appends it to the log of its calls.
pub(crate) fn put_call(writing: &Writing<'_>, logs: &mut Logs, call: &Call, bytes: &[u8]) -> Result<(), Fault> {
    link_call(writing, call, bytes)?;
    let log = LogId { node: call.node, stream: Stream::Calls };
    logs.append(writing, log, call.seq, &Digest::of(bytes)).map(drop)
}

/// Keeps a call with its indexes and with what is counted about it.
pub(crate) fn link_call(writing: &Writing<'_>, call: &Call, bytes: &[u8]) -> Result<(), Fault> {
    let key = call_key(call.node, call.seq);
    if let Some(old) = writing.get::<_, Call>(&CALLS, &key)? {
        unlink(writing, &old)?;
    }
    writing.put_raw(&CALLS, &key, bytes)?;
    writing.index(CALLS_BY_VERDICT, &by_verdict_key(call.verdict, call.node, call.seq))?;
    let day = day_key(day_of(call));
    let mut row: DayRow = writing.get(&CALL_DAYS, &day)?.unwrap_or_default();
    row.add(call.verdict);
    writing.put(&CALL_DAYS, &day, &row)?;
    let Some(number) = call.number else { return Ok(()) };
    let hash = writing.seal.hash("number", &number.digits().to_be_bytes());
    writing.index(CALLS_BY_NUMBER, &by_number_key(&hash, call.node, call.seq))?;
    let row: Option<NumberRow> = writing.get(&NUMBERS, &hash)?;
    writing.put(&NUMBERS, &hash, &NumberRow::add(row, number, call.began))
}

/// Takes a call from indexes and statistics.
pub(crate) fn unlink(writing: &Writing<'_>, call: &Call) -> Result<(), Fault> {
    writing.unindex(CALLS_BY_VERDICT, &by_verdict_key(call.verdict, call.node, call.seq))?;
    let day = day_key(day_of(call));
    match writing.get::<_, DayRow>(&CALL_DAYS, &day)?.and_then(|row| row.less(call.verdict)) {
        Some(row) => writing.put(&CALL_DAYS, &day, &row)?,
        None => writing.remove(&CALL_DAYS, &day)?,
    }
    let Some(number) = call.number else { return Ok(()) };
    let hash = writing.seal.hash("number", &number.digits().to_be_bytes());
    writing.unindex(CALLS_BY_NUMBER, &by_number_key(&hash, call.node, call.seq))?;
    match writing.get::<_, NumberRow>(&NUMBERS, &hash)?.and_then(NumberRow::less) {
        Some(row) => writing.put(&NUMBERS, &hash, &row),
        None => writing.remove(&NUMBERS, &hash),
    }
}

/// The day a call is counted under: day 0, long before any call, if the clock was not set.
pub(crate) fn day_of(call: &Call) -> Day {
    call.began.and_then(Day::of_unix).unwrap_or(Day(0))
}

fn append(writing: &Writing<'_>, document: DocumentId, changes: &[u8]) -> Result<(), Fault> {
    let last = {
        let chunks = writing.txn.open_table(DOCUMENTS.definition())?;
        let mut range = chunks.range::<&[u8; 5]>(&chunk_key(document, 0)..=&chunk_key(document, u32::MAX))?;
        let last = range.next_back().transpose()?;
        last.and_then(|(key, _)| chunk_of(*key.value())).map(|(_, n)| n)
    };
    // Four thousand million chunks between two whole ones do not happen; if they did, the last is overwritten.
    let next = last.map_or(0, |n| n.saturating_add(1));
    writing.put(&DOCUMENTS, &chunk_key(document, next), &Bytes::new(changes))
}

fn replace(writing: &Writing<'_>, document: DocumentId, whole: &[u8]) -> Result<(), Fault> {
    let range = chunk_key(document, 0)..=chunk_key(document, u32::MAX);
    writing
        .txn
        .open_table(DOCUMENTS.definition())?
        .retain_in::<&[u8; 5], _>(range.start()..=range.end(), |_, _| false)?;
    writing.put(&DOCUMENTS, &chunk_key(document, 0), &Bytes::new(whole))
}
