//! The logs of all nodes of the home: what is appended, what comes from members, what is read for them.
//!
//! A call and its end stay where the call log keeps them; a log only knows in which order they came. All other facts
//! lie in a table of their own. So the journal of a call costs two rows in sequential tables, not a second copy.

use std::collections::{BTreeMap, BTreeSet, btree_map};

use meerkat_protocols::{
    audit::{Deed, Line},
    cbor,
    facts::{Body, Call, CallEnd, Digest, Entry, Fact, LogId, LogMark, Received, Seq, Stream},
    home::{HomeId, NodeNumber},
};
use serde_bytes::ByteBuf;

use crate::{
    Reader, batch, erased,
    errors::{Damaged, Fault, ReadError},
    file::{Next, Raw, Writing},
    tables::{CALL_ENDS, CALLS, END_ORDER, FACTS, LOGS, call_key, fact_key, log_key, log_of, seq_of},
};

/// The most entries that are read in one transaction.
pub(crate) const AT_ONCE: usize = 1_024;

/// The marks of the logs while a batch is written: each is read and written once a batch, not once an entry.
pub(crate) struct Logs {
    /// This node.
    pub(crate) node: NodeNumber,
    /// Its home, if known.
    pub(crate) home: Option<HomeId>,
    marks: BTreeMap<LogId, LogMark>,
    changed: BTreeSet<LogId>,
}

impl Logs {
    pub(crate) fn new(node: NodeNumber, home: Option<HomeId>) -> Self {
        Self { node, home, marks: BTreeMap::new(), changed: BTreeSet::new() }
    }

    pub(crate) fn mark(&mut self, writing: &Writing<'_>, log: LogId) -> Result<&mut LogMark, Fault> {
        Ok(match self.marks.entry(log) {
            btree_map::Entry::Occupied(known) => known.into_mut(),
            btree_map::Entry::Vacant(place) => place.insert(writing.get(&LOGS, &log_key(log))?.unwrap_or_default()),
        })
    }

    /// As [`Self::mark`], to be written at the end.
    pub(crate) fn change(&mut self, writing: &Writing<'_>, log: LogId) -> Result<&mut LogMark, Fault> {
        self.changed.insert(log);
        self.mark(writing, log)
    }

    /// Appends to the chain; `false` if the place is taken.
    pub(crate) fn append(
        &mut self,
        writing: &Writing<'_>,
        log: LogId,
        seq: Seq,
        digest: &Digest,
    ) -> Result<bool, Fault> {
        Ok(self.change(writing, log)?.append(log, seq, digest))
    }

    /// Writes the marks that changed.
    pub(crate) fn keep(self, writing: &Writing<'_>) -> Result<(), Fault> {
        self.changed
            .iter()
            .filter_map(|log| self.marks.get_key_value(log))
            .try_for_each(|(log, mark)| writing.put(&LOGS, &log_key(*log), mark))
    }
}

/// Notes an own fact at the next place of its log.
pub(crate) fn note(writing: &Writing<'_>, logs: &mut Logs, fact: &Fact) -> Result<(), Fault> {
    match fact {
        Fact::Call(call) => return batch::put_call(writing, logs, call, &cbor::encode(call)),
        Fact::CallEnd(end) => return put_end(writing, logs, end),
        _ => {}
    }
    let log = LogId { node: logs.node, stream: fact.stream() };
    let mut fact = fact.clone();
    if let Fact::Erased(erased) = &mut fact {
        erased.known = erased::known(writing, logs)?;
        erased::keep(writing, erased)?;
    }
    let (seq, previous) = {
        let mark = logs.mark(writing, log)?;
        (mark.next, mark.link)
    };
    if let Fact::Audit(dated) = &mut fact
        && let Ok(deed) = cbor::decode::<Deed>(&dated.bytes)
    {
        // Only here it is known what comes before it.
        dated.bytes = ByteBuf::from(Line { previous, deed: deed.bounded() }.bytes());
    }
    let body = fact.body();
    if logs.append(writing, log, seq, &Digest::of(&body))? {
        writing.put(&FACTS, &fact_key(log, seq), &Body::Whole(ByteBuf::from(body)))?;
    }
    Ok(())
}

/// Keeps the end of an own call. An end that is there already, because its batch is tried again, takes no second place.
pub(crate) fn put_end(writing: &Writing<'_>, logs: &mut Logs, end: &CallEnd) -> Result<(), Fault> {
    let (log, key) = (LogId { node: logs.node, stream: Stream::CallEnds }, call_key(logs.node, end.seq));
    let is_new = writing.raw(&CALL_ENDS, &key)?.is_none();
    let body = cbor::encode(end);
    writing.put_raw(&CALL_ENDS, &key, &body)?;
    let place = logs.mark(writing, log)?.next;
    if is_new && logs.append(writing, log, place, &Digest::of(&body))? {
        writing.put(&END_ORDER, &call_key(log.node, place), &end.seq)?;
    }
    Ok(())
}

/// Takes in entries that came from a member.
pub(crate) fn receive(writing: &Writing<'_>, logs: &mut Logs, received: &Received) -> Result<(), Fault> {
    let log = received.log;
    let mark = logs.change(writing, log)?;
    match received.restart {
        Some(base) if received.from > mark.next || mark.entries == 0 => mark.restart(received.from, base),
        None if received.from == mark.next => {}
        _ => return Ok(()),
    }
    for entry in &received.entries {
        if logs.append(writing, log, entry.seq, &entry.body.digest())? {
            put_entry(writing, logs, log, entry, true)?;
        }
    }
    let mark = logs.change(writing, log)?;
    if let Some((head, signed)) = received.head.as_ref().filter(|(head, _)| head.next() > mark.verified) {
        mark.vouched(head, signed.clone());
    }
    Ok(())
}

/// Puts an entry where it belongs. `counts` is false where one is put back that was counted when it first came.
pub(crate) fn put_entry(
    writing: &Writing<'_>,
    logs: &mut Logs,
    log: LogId,
    entry: &Entry,
    counts: bool,
) -> Result<(), Fault> {
    if let Body::Whole(bytes) = &entry.body {
        match (log.stream, Fact::read(log.stream, bytes)) {
            (Stream::Calls, Ok(Fact::Call(call))) if call.node == log.node && call.seq == entry.seq => {
                return put_members_call(writing, logs, &call, bytes, counts);
            }
            (Stream::CallEnds, Ok(Fact::CallEnd(end))) if put_members_end(writing, log, entry.seq, &end, bytes)? => {
                return Ok(());
            }
            (Stream::Erasures, Ok(Fact::Erased(erased))) => {
                erased::keep(writing, &erased)?;
                erased::apply(writing, logs, &erased)?;
            }
            _ => {}
        }
    }
    writing.put(&FACTS, &fact_key(log, entry.seq), &entry.body)
}

fn put_members_call(writing: &Writing<'_>, logs: &Logs, call: &Call, bytes: &[u8], counts: bool) -> Result<(), Fault> {
    if erased::covers(writing, logs, call)? {
        let log = LogId { node: call.node, stream: Stream::Calls };
        return writing.put(&FACTS, &fact_key(log, call.seq), &Body::Gone(Digest::of(bytes)));
    }
    if counts {
        batch::link_call(writing, call, bytes)
    } else {
        writing.put_raw(&CALLS, &call_key(call.node, call.seq), bytes)
    }
}

/// `false` if it has no place among the ends: a second one for a call, or one whose call was erased.
fn put_members_end(writing: &Writing<'_>, log: LogId, place: Seq, end: &CallEnd, bytes: &[u8]) -> Result<bool, Fault> {
    let (key, at) = (call_key(log.node, end.seq), call_key(log.node, place));
    let mine = writing.get::<_, Seq>(&END_ORDER, &at)? == Some(end.seq);
    if !mine && writing.raw(&CALL_ENDS, &key)?.is_some() {
        return Ok(false);
    }
    let call = LogId { stream: Stream::Calls, ..log };
    if writing.raw(&FACTS, &fact_key(call, end.seq))?.is_some() {
        writing.put(&FACTS, &fact_key(log, place), &Body::Gone(Digest::of(bytes)))?;
        return Ok(true);
    }
    writing.put_raw(&CALL_ENDS, &key, bytes)?;
    writing.put(&END_ORDER, &at, &end.seq)?;
    Ok(true)
}

/// Where an entry lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    /// Among the calls.
    Call,
    /// Among the ends, under the sequence of its call.
    End,
    /// In the table of facts.
    Fact,
}

/// The first `limit` entries of a log from `from` on, and where they lie.
pub(crate) fn places(rows: &impl Raw, log: LogId, from: Seq, limit: usize) -> Result<Vec<(Seq, Place)>, Fault> {
    let facts = fact_key(log, from)..=fact_key(log, Seq(u64::MAX));
    let mut all: Vec<_> =
        rows.keys(&FACTS, &facts, limit)?.into_iter().map(|key| (seq_of(&key), Place::Fact)).collect();
    match log.stream {
        Stream::Calls => {
            let calls = call_key(log.node, from)..=call_key(log.node, Seq(u64::MAX));
            all.extend(rows.keys(&CALLS, &calls, limit)?.into_iter().map(|key| (seq_of(&key), Place::Call)));
        }
        Stream::CallEnds => {
            let ends = call_key(log.node, from)..=call_key(log.node, Seq(u64::MAX));
            all.extend(rows.keys(&END_ORDER, &ends, limit)?.into_iter().map(|key| (seq_of(&key), Place::End)));
        }
        _ => {}
    }
    all.sort_unstable();
    all.dedup_by_key(|(seq, _)| *seq);
    all.truncate(limit);
    Ok(all)
}

/// What an entry carries, or the word that it is damaged. What an index leads to and is not there is damaged too.
pub(crate) fn body(rows: &impl Raw, log: LogId, seq: Seq, place: Place) -> Result<Result<Body, Damaged>, Fault> {
    let (key, table) = match place {
        Place::Call => (call_key(log.node, seq), &CALLS),
        Place::End => match call_of_end(rows, log.node, seq)? {
            Ok(call) => (call_key(log.node, call), &CALL_ENDS),
            Err(damaged) => return Ok(Err(damaged)),
        },
        Place::Fact => {
            let key = fact_key(log, seq);
            let missing = || Err(Damaged::new(FACTS.name, &key));
            return Ok(rows
                .raw(&FACTS, &key)?
                .unwrap_or_else(missing)
                .and_then(|bytes| cbor::decode(&bytes).map_err(|_| Damaged::new(FACTS.name, &key))));
        }
    };
    let missing = || Err(Damaged::new(table.name, &key));
    Ok(rows.raw(table, &key)?.unwrap_or_else(missing).map(|bytes| Body::Whole(ByteBuf::from(bytes))))
}

/// The call that an end is about, by its place among the ends.
pub(crate) fn call_of_end(rows: &impl Raw, node: NodeNumber, place: Seq) -> Result<Result<Seq, Damaged>, Fault> {
    let key = call_key(node, place);
    let damaged = || Damaged::new(END_ORDER.name, &key);
    let bytes = rows.raw(&END_ORDER, &key)?.unwrap_or_else(|| Err(damaged()));
    Ok(bytes.and_then(|bytes| cbor::decode(&bytes).map_err(|_| damaged())))
}

/// Entries of a log as they are given to a member.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FactsPart {
    /// What is held of the log.
    pub mark: LogMark,
    /// In order.
    pub entries: Vec<Entry>,
    /// The first entry after them that is damaged: nothing from there on is given.
    pub damaged: Option<Seq>,
}

impl Reader {
    /// What is held of each log.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`]. A damaged mark is left out and logged.
    pub fn logs(&self) -> Result<BTreeMap<LogId, LogMark>, ReadError> {
        let mut all = BTreeMap::new();
        self.handle.read(|reading| {
            reading.each(&LOGS, [0; 2]..=[0xff; 2], |key, mark: Result<LogMark, Damaged>| {
                match (log_of(key), mark) {
                    (Some(log), Ok(mark)) => _ = all.insert(log, mark),
                    (None, Ok(_)) => {}
                    (_, Err(damaged)) => tracing::warn!(%damaged, "a log is not exchanged"),
                }
                Next::Go
            })
        })?;
        Ok(all)
    }

    /// Entries of a log from `from` on, of at most `max_bytes` together unless the first alone has more, and before
    /// `before`.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`].
    pub fn facts(&self, log: LogId, from: Seq, before: Seq, max_bytes: usize) -> Result<FactsPart, ReadError> {
        Ok(self.handle.read(|reading| {
            let mark: LogMark = reading.get(&LOGS, &log_key(log)).unwrap_or(None).unwrap_or_default();
            let mut part = FactsPart::default();
            let mut bytes = 0;
            for (seq, place) in places(reading, log, from.max(mark.low), AT_ONCE)? {
                if seq >= before.min(mark.next) {
                    break;
                }
                let Ok(body) = body(reading, log, seq, place)? else {
                    part.damaged = Some(seq);
                    break;
                };
                bytes += ENTRY_BYTES + if let Body::Whole(whole) = &body { whole.len() } else { 0 };
                if bytes > max_bytes && !part.entries.is_empty() {
                    break;
                }
                part.entries.push(Entry { seq, body });
            }
            part.mark = mark;
            Ok(part)
        })?)
    }

    /// The places of damaged entries among `limit` of a log from `from` on, and where to go on, if there are more.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`].
    pub fn damaged_facts(&self, log: LogId, from: Seq, limit: usize) -> Result<(Vec<Seq>, Option<Seq>), ReadError> {
        Ok(self.handle.read(|reading| {
            let mark: LogMark = reading.get(&LOGS, &log_key(log)).unwrap_or(None).unwrap_or_default();
            let mut damaged = vec![];
            let all = places(reading, log, from.max(mark.low), limit)?;
            for (seq, place) in &all {
                if *seq < mark.next && body(reading, log, *seq, *place)?.is_err() {
                    damaged.push(*seq);
                }
            }
            let next = all.last().filter(|_| all.len() == limit).map(|(seq, _)| Seq(seq.0.saturating_add(1)));
            Ok((damaged, next))
        })?)
    }
}

/// What an entry takes on the wire beside its body.
const ENTRY_BYTES: usize = 48;
