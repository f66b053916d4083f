//! Numbers that people had erased: their calls go from the logs of all nodes, and those that come later from a member
//! that was away are not kept.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{
    facts::{Body, Call, Digest, Erased, LogId, NumberHash, Seq, Stream},
    home::NodeNumber,
    number::E164,
};
use redb::ReadableTable;

use crate::{
    batch,
    calls::NumberRow,
    errors::Fault,
    facts::{Logs, call_of_end},
    file::{Raw, Writing},
    restore::CALL_FLOOR,
    schema,
    tables::{
        CALL_ENDS, CALL_KEY_BYTES, CALLS, CALLS_BY_NUMBER, END_ORDER, ERASED, FACTS, HASH_BYTES, LOGS, META, NUMBERS,
        by_number_key, call_key, fact_key, log_of, meta_key, seq_of,
    },
};

/// Takes all calls from a number out of the logs and out of what is counted.
pub(crate) fn forget(writing: &Writing<'_>, logs: &mut Logs, number: E164) -> Result<(), Fault> {
    forget_those(writing, logs, number, |_| true)?;
    writing.remove(&NUMBERS, &writing.seal.hash("number", &number.digits().to_be_bytes()))
}

/// Of each node the sequence after its last call.
pub(crate) fn known(writing: &Writing<'_>, logs: &mut Logs) -> Result<Vec<(NodeNumber, Seq)>, Fault> {
    let all = writing.keys(&LOGS, &([0; 2]..=[0xff; 2]), usize::MAX)?;
    let calls = all.into_iter().filter_map(log_of).filter(|log| log.stream == Stream::Calls);
    let mut calls: BTreeSet<LogId> = calls.collect();
    calls.insert(LogId { node: logs.node, stream: Stream::Calls });
    calls.into_iter().map(|log| Ok((log.node, logs.mark(writing, log)?.next))).collect()
}

/// Remembers an erasure beside what earlier ones of the number cover.
pub(crate) fn keep(writing: &Writing<'_>, erased: &Erased) -> Result<(), Fault> {
    let mut whole: Erased = writing.get(&ERASED, &erased.number.0)?.unwrap_or_else(|| erased.clone());
    whole.at = whole.at.max(erased.at);
    let mut known: BTreeMap<NodeNumber, Seq> = whole.known.into_iter().collect();
    for (node, next) in &erased.known {
        let held = known.entry(*node).or_insert(*next);
        *held = (*held).max(*next);
    }
    whole.known = known.into_iter().collect();
    writing.put(&ERASED, &erased.number.0, &whole)
}

/// Takes out of the logs what an erasure of a member covers.
pub(crate) fn apply(writing: &Writing<'_>, logs: &mut Logs, erased: &Erased) -> Result<(), Fault> {
    let Some(home) = logs.home else { return Ok(()) };
    for key in writing.keys(&NUMBERS, &([0; HASH_BYTES]..=[0xff; HASH_BYTES]), usize::MAX)? {
        let row: Option<NumberRow> = writing.get(&NUMBERS, &key)?;
        if let Some(number) = row.map(NumberRow::number).filter(|n| NumberHash::of(home, *n) == erased.number) {
            forget_those(writing, logs, number, |call| erased.covers(call.node, call.seq, call.began))?;
        }
    }
    Ok(())
}

/// Whether a member's call is of a number that was erased since.
pub(crate) fn covers(writing: &Writing<'_>, logs: &Logs, call: &Call) -> Result<bool, Fault> {
    let (Some(home), Some(number)) = (logs.home, call.number) else { return Ok(false) };
    let erased: Option<Erased> = writing.get(&ERASED, &NumberHash::of(home, number).0)?;
    Ok(erased.is_some_and(|erased| erased.covers(call.node, call.seq, call.began)))
}

fn forget_those(
    writing: &Writing<'_>,
    logs: &mut Logs,
    number: E164,
    goes: impl Fn(&Call) -> bool,
) -> Result<(), Fault> {
    let hash = writing.seal.hash("number", &number.digits().to_be_bytes());
    let (first, last) =
        (by_number_key(&hash, NodeNumber(0), Seq(0)), by_number_key(&hash, NodeNumber(u8::MAX), Seq(u64::MAX)));
    let found: Vec<(NodeNumber, Seq)> = {
        let index = writing.txn.open_table(CALLS_BY_NUMBER)?;
        let rows = index.range::<&[u8; HASH_BYTES + CALL_KEY_BYTES]>(&first..=&last)?;
        rows.map(|row| row.map(|(key, _)| (NodeNumber(key.value()[HASH_BYTES]), seq_of(key.value()))))
            .collect::<Result<_, _>>()?
    };
    let mut gone: BTreeMap<NodeNumber, BTreeSet<Seq>> = BTreeMap::new();
    for (node, seq) in found {
        let call: Option<Call> = writing.get(&CALLS, &call_key(node, seq))?;
        // What an index says is believed only if the call says the same.
        match call.filter(|call| call.number == Some(number)) {
            Some(call) if !goes(&call) => continue,
            Some(call) => {
                forget_call(writing, logs, &call)?;
                gone.entry(node).or_default().insert(seq);
            }
            None => {}
        }
        writing.unindex(CALLS_BY_NUMBER, &by_number_key(&hash, node, seq))?;
    }
    gone.iter().try_for_each(|(node, seqs)| forget_ends(writing, *node, seqs))
}

/// The call goes; its hash stays, so that the log's chain still holds.
fn forget_call(writing: &Writing<'_>, logs: &mut Logs, call: &Call) -> Result<(), Fault> {
    let key = call_key(call.node, call.seq);
    let digest = writing.raw(&CALLS, &key)?.and_then(Result::ok).map(|bytes| Digest::of(&bytes));
    batch::unlink(writing, call)?;
    writing.remove(&CALLS, &key)?;
    let log = LogId { node: call.node, stream: Stream::Calls };
    let mark = logs.mark(writing, log)?;
    if let Some(digest) = digest.filter(|_| call.seq >= mark.low && call.seq < mark.next) {
        writing.put(&FACTS, &fact_key(log, call.seq), &Body::Gone(digest))?;
    }
    if call.node != logs.node {
        return Ok(());
    }
    // The newest call may be among them, and its sequence is not given again.
    let floor: u64 = writing.get(&META, &meta_key(CALL_FLOOR))?.unwrap_or(0);
    schema::raise_floor(writing, CALL_FLOOR, (call.seq.0 + 1).saturating_sub(floor))?;
    Ok(())
}

/// The ends of these calls go likewise. Their places are found by looking through the order of all: an erasure is rare.
fn forget_ends(writing: &Writing<'_>, node: NodeNumber, calls: &BTreeSet<Seq>) -> Result<(), Fault> {
    let log = LogId { node, stream: Stream::CallEnds };
    let range = call_key(node, Seq(0))..=call_key(node, Seq(u64::MAX));
    for key in writing.keys(&END_ORDER, &range, usize::MAX)? {
        let place = seq_of(&key);
        let Some(call) = call_of_end(writing, node, place)?.ok().filter(|call| calls.contains(call)) else { continue };
        if let Some(Ok(bytes)) = writing.raw(&CALL_ENDS, &call_key(node, call))? {
            writing.put(&FACTS, &fact_key(log, place), &Body::Gone(Digest::of(&bytes)))?;
        }
        writing.remove(&END_ORDER, &key)?;
    }
    calls.iter().try_for_each(|call| writing.remove(&CALL_ENDS, &call_key(node, *call)))
}
