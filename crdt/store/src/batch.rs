//! What one batch changes. Indexes and statistics move in the same transaction as the calls they are about.

use meerkat_protocols::{
    batch::Write,
    facts::{Call, Seq},
    home::NodeNumber,
    number::E164,
    time::Day,
    wishes::DocumentId,
};
use redb::ReadableTable;
use serde_bytes::Bytes;

use crate::{
    calls::{DayRow, NumberRow},
    errors::Fault,
    file::Writing,
    imports, mail,
    restore::CALL_FLOOR,
    schema,
    tables::{
        CALL_DAYS, CALL_ENDS, CALL_KEY_BYTES, CALLS, CALLS_BY_NUMBER, CALLS_BY_VERDICT, CONTACTS, DOCUMENTS,
        HASH_BYTES, INVITES, META, NUMBERS, OWN_SLOTS, PEERS, STATEMENTS, by_number_key, by_verdict_key, call_key,
        chunk_key, chunk_of, day_key, meta_key, seq_of, slot_key,
    },
};

/// Writes one thing. `node` is this node's number, whose calls end here.
pub(crate) fn apply(writing: &Writing<'_>, node: NodeNumber, write: &Write) -> Result<(), Fault> {
    match write {
        Write::Call(call) => put_call(writing, call),
        Write::CallEnd(end) => writing.put(&CALL_ENDS, &call_key(node, end.seq), end),
        Write::Statement(id, sealed) => writing.put(&STATEMENTS, &id.0, sealed),
        Write::DropStatement(id) => writing.remove(&STATEMENTS, &id.0),
        Write::OwnSlot(kind, day, next) => writing.put(&OWN_SLOTS, &slot_key(*kind, *day), next),
        Write::Document(document, changes) => append(writing, *document, changes),
        Write::DocumentWhole(document, whole) => replace(writing, *document, whole),
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
        Write::ForgetNumber(number) => forget(writing, *number),
    }
}

/// Takes all calls from a number out of the log and out of what is counted.
fn forget(writing: &Writing<'_>, number: E164) -> Result<(), Fault> {
    let hash = writing.seal.hash("number", &number.digits().to_be_bytes());
    let (first, last) =
        (by_number_key(&hash, NodeNumber(0), Seq(0)), by_number_key(&hash, NodeNumber(u8::MAX), Seq(u64::MAX)));
    let found: Vec<(NodeNumber, Seq)> = {
        let index = writing.txn.open_table(CALLS_BY_NUMBER)?;
        let rows = index.range::<&[u8; HASH_BYTES + CALL_KEY_BYTES]>(&first..=&last)?;
        rows.map(|row| row.map(|(key, _)| (NodeNumber(key.value()[HASH_BYTES]), seq_of(key.value()))))
            .collect::<Result<_, _>>()?
    };
    for (node, seq) in found {
        let key = call_key(node, seq);
        // What an index says is believed only if the call says the same.
        if let Some(call) = writing.get::<_, Call>(&CALLS, &key)?.filter(|call| call.number == Some(number)) {
            unlink(writing, &call)?;
            writing.remove(&CALLS, &key)?;
            writing.remove(&CALL_ENDS, &key)?;
        }
        writing.unindex(CALLS_BY_NUMBER, &by_number_key(&hash, node, seq))?;
        // The newest call may be among them, and its sequence is not given again.
        let floor: u64 = writing.get(&META, &meta_key(CALL_FLOOR))?.unwrap_or(0);
        schema::raise_floor(writing, CALL_FLOOR, (seq.0 + 1).saturating_sub(floor))?;
    }
    writing.remove(&NUMBERS, &hash)
}

fn put_call(writing: &Writing<'_>, call: &Call) -> Result<(), Fault> {
    let key = call_key(call.node, call.seq);
    if let Some(old) = writing.get::<_, Call>(&CALLS, &key)? {
        unlink(writing, &old)?;
    }
    writing.put(&CALLS, &key, call)?;
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
fn unlink(writing: &Writing<'_>, call: &Call) -> Result<(), Fault> {
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

/// Deletes the oldest calls of a node while they began before `day`; at most `limit` of them. Gives how many went.
pub(crate) fn expire(writing: &Writing<'_>, node: NodeNumber, day: Day, limit: usize) -> Result<usize, Fault> {
    let mut gone = 0;
    while gone < limit {
        let Some((key, call)) = oldest(writing, node)? else { break };
        if let Some(call) = call {
            // A call without a date lies between its neighbours and goes with them.
            let dated = call.began.and_then(Day::of_unix);
            if dated.is_some_and(|began| began >= day) {
                break;
            }
            unlink(writing, &call)?;
        }
        writing.remove(&CALLS, &key)?;
        writing.remove(&CALL_ENDS, &key)?;
        gone += 1;
    }
    Ok(gone)
}

type OldestCall = ([u8; 9], Option<Call>);

fn oldest(writing: &Writing<'_>, node: NodeNumber) -> Result<Option<OldestCall>, Fault> {
    let (first, last) = (call_key(node, Seq(0)), call_key(node, Seq(u64::MAX)));
    let key = {
        let calls = writing.txn.open_table(CALLS.definition())?;
        let oldest = calls.range::<&[u8; 9]>(&first..=&last)?.next().transpose()?;
        oldest.map(|(key, _)| *key.value())
    };
    key.map(|key| Ok((key, writing.get(&CALLS, &key)?))).transpose()
}
