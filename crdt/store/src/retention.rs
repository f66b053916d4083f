//! What leaves the logs: by age, for want of room, because it is not its node's own; and what is put back in the place
//! of what decayed.

use std::collections::BTreeMap;

use meerkat_protocols::{
    cbor,
    facts::{Body, Call, Dated, Digest, Entry, Erased, Link, LogChange, LogId, Seq, Stream},
    home::NodeNumber,
    time::Day,
};

use crate::{
    batch,
    errors::Fault,
    facts::{AT_ONCE, Logs, Place, body, call_of_end, places, put_entry},
    file::{Raw, Writing},
    tables::{CALL_ENDS, CALL_KEY_BYTES, CALLS, END_ORDER, FACTS, LOGS, Table, call_key, fact_key, log_of, seq_of},
};

/// Makes a change of logs as a whole.
pub(crate) fn change(writing: &Writing<'_>, logs: &mut Logs, change: &LogChange) -> Result<(), Fault> {
    match change {
        LogChange::Head(head, signed) => {
            let mark = logs.change(writing, head.log())?;
            if head.next() >= mark.verified && head.next() <= mark.next {
                mark.vouched(head, signed.clone());
            }
            Ok(())
        }
        LogChange::Cut(log) => cut(writing, logs, *log),
        LogChange::Expire(stream, day, limit) => {
            for log in all_logs(writing)?.into_iter().filter(|log| log.stream == *stream) {
                expire(writing, logs, log, *day, *limit)?;
            }
            Ok(())
        }
        LogChange::DropOldest(which, limit) => drop_oldest(writing, logs, which, *limit),
        LogChange::Mend(log, entries) => mend(writing, logs, *log, entries),
    }
}

fn all_logs(writing: &Writing<'_>) -> Result<Vec<LogId>, Fault> {
    Ok(writing.keys(&LOGS, &([0; 2]..=[0xff; 2]), usize::MAX)?.into_iter().filter_map(log_of).collect())
}

/// What age tells about an entry.
#[derive(PartialEq, Eq)]
enum Age {
    /// From this day.
    Of(Day),
    /// As old as its neighbours: no clock was set, or only its hash is left.
    Unknown,
    /// It goes after what it belongs to, which is still there.
    Bound,
}

fn age(
    writing: &Writing<'_>,
    logs: &mut Logs,
    log: LogId,
    (seq, place): (Seq, Place),
    body: Option<&Body>,
) -> Result<Age, Fault> {
    if place == Place::End {
        let Ok(call) = call_of_end(writing, log.node, seq)? else { return Ok(Age::Unknown) };
        let calls = LogId { stream: Stream::Calls, ..log };
        let there = writing.raw(&CALLS, &call_key(log.node, call))?.is_some();
        let to_come = call >= logs.mark(writing, calls)?.next;
        return Ok(if there || to_come { Age::Bound } else { Age::Of(Day(0)) });
    }
    let Some(Body::Whole(bytes)) = body else { return Ok(Age::Unknown) };
    let at = match log.stream {
        Stream::Calls => cbor::decode::<Call>(bytes).ok().and_then(|call| call.began),
        Stream::Erasures => cbor::decode::<Erased>(bytes).ok().and_then(|erased| erased.at),
        Stream::CallEnds => None,
        _ => cbor::decode::<Dated>(bytes).ok().and_then(|dated| dated.at),
    };
    Ok(at.and_then(Day::of_unix).map_or(Age::Unknown, Age::Of))
}

/// Deletes the oldest entries of a log while they are from before `day`; at most `limit` of them. One without a date
/// lies between its neighbours and goes with the next that has one. Gives how many went.
pub(crate) fn expire(
    writing: &Writing<'_>,
    logs: &mut Logs,
    log: LogId,
    day: Day,
    limit: usize,
) -> Result<usize, Fault> {
    let (mut gone, mut from) = (0, Seq(0));
    let mut undated = vec![];
    while gone + undated.len() < limit {
        let some = places(writing, log, from, AT_ONCE.min(limit - gone - undated.len()))?;
        let Some((last, _)) = some.last() else { break };
        from = Seq(last.0.saturating_add(1));
        for (seq, place) in some {
            let body = body(writing, log, seq, place)?.ok();
            match age(writing, logs, log, (seq, place), body.as_ref())? {
                Age::Unknown => undated.push((seq, place, body)),
                Age::Of(of) if of < day => {
                    undated.push((seq, place, body));
                    for (seq, place, body) in undated.drain(..) {
                        remove(writing, logs, log, seq, place, body.as_ref())?;
                        gone += 1;
                    }
                }
                Age::Of(_) | Age::Bound => return Ok(gone),
            }
        }
    }
    Ok(gone)
}

/// Deletes the oldest entries of these logs, the oldest of all first, whatever their age.
fn drop_oldest(writing: &Writing<'_>, logs: &mut Logs, which: &[LogId], limit: usize) -> Result<(), Fault> {
    let mut waiting: BTreeMap<LogId, std::vec::IntoIter<(Seq, Place)>> = BTreeMap::new();
    let mut heads: BTreeMap<(Day, LogId), (Seq, Place, Option<Body>)> = BTreeMap::new();
    for log in which.iter().filter(|log| log.stream != Stream::CallEnds) {
        waiting.insert(*log, places(writing, *log, Seq(0), limit)?.into_iter());
        advance(writing, logs, &mut waiting, &mut heads, (Day(0), *log))?;
    }
    for _ in 0..limit {
        let Some(((day, log), (seq, place, body))) = heads.pop_first() else { break };
        remove(writing, logs, log, seq, place, body.as_ref())?;
        advance(writing, logs, &mut waiting, &mut heads, (day, log))?;
    }
    // Ends go with their calls.
    for log in which.iter().filter(|log| log.stream == Stream::CallEnds) {
        expire(writing, logs, *log, Day(u16::MAX), limit)?;
    }
    Ok(())
}

type Heads = BTreeMap<(Day, LogId), (Seq, Place, Option<Body>)>;

fn advance(
    writing: &Writing<'_>,
    logs: &mut Logs,
    waiting: &mut BTreeMap<LogId, std::vec::IntoIter<(Seq, Place)>>,
    heads: &mut Heads,
    (before, log): (Day, LogId),
) -> Result<(), Fault> {
    let Some((seq, place)) = waiting.get_mut(&log).and_then(Iterator::next) else { return Ok(()) };
    let body = body(writing, log, seq, place)?.ok();
    let day = match age(writing, logs, log, (seq, place), body.as_ref())? {
        Age::Of(day) => day,
        Age::Unknown | Age::Bound => before,
    };
    heads.insert((day, log), (seq, place, body));
    Ok(())
}

/// The oldest entry of a log goes. Without its body the link after it is not known: what is given to members begins
/// then where the node's own word stands.
fn remove(
    writing: &Writing<'_>,
    logs: &mut Logs,
    log: LogId,
    seq: Seq,
    place: Place,
    body: Option<&Body>,
) -> Result<(), Fault> {
    let mark = logs.change(writing, log)?;
    match body {
        Some(body) => mark.expire(log, seq, &body.digest()),
        None if seq >= mark.low && seq < mark.next => {
            let (low, base) =
                if mark.verified > seq { (mark.verified, mark.verified_link) } else { (mark.next, mark.link) };
            (mark.low, mark.base, mark.entries) = (low, base, mark.entries.saturating_sub(1));
        }
        None => {}
    }
    erase(writing, log, seq, place, body)
}

/// Takes an entry out of its tables, and a call out of what is counted.
fn erase(writing: &Writing<'_>, log: LogId, seq: Seq, place: Place, body: Option<&Body>) -> Result<(), Fault> {
    match place {
        Place::Call => {
            if let Some(Body::Whole(bytes)) = body
                && let Ok(call) = cbor::decode::<Call>(bytes)
            {
                batch::unlink(writing, &call)?;
            }
            writing.remove(&CALLS, &call_key(log.node, seq))
        }
        Place::End => {
            if let Ok(call) = call_of_end(writing, log.node, seq)? {
                writing.remove(&CALL_ENDS, &call_key(log.node, call))?;
            }
            writing.remove(&END_ORDER, &call_key(log.node, seq))
        }
        Place::Fact => writing.remove(&FACTS, &fact_key(log, seq)),
    }
}

/// What no word of the node vouches for goes.
fn cut(writing: &Writing<'_>, logs: &mut Logs, log: LogId) -> Result<(), Fault> {
    let from = logs.mark(writing, log)?.verified;
    let mut went = 0;
    for (seq, place) in places(writing, log, from, usize::MAX)? {
        let body = body(writing, log, seq, place)?.ok();
        erase(writing, log, seq, place, body.as_ref())?;
        went += 1;
    }
    let mark = logs.change(writing, log)?;
    (mark.next, mark.link) = (mark.verified, mark.verified_link);
    mark.entries = mark.entries.saturating_sub(went);
    Ok(())
}

/// Puts entries in the place of what decayed, if the chain then leads to the link that was noted: a member cannot slip
/// in what the node never wrote.
fn mend(writing: &Writing<'_>, logs: &mut Logs, log: LogId, entries: &[Entry]) -> Result<(), Fault> {
    let mark = logs.mark(writing, log)?.clone();
    let given: BTreeMap<Seq, &Entry> = entries.iter().map(|entry| (entry.seq, entry)).collect();
    let mut all: BTreeMap<Seq, Option<Place>> = given.keys().map(|seq| (*seq, None)).collect();
    let mut from = mark.low;
    loop {
        let some = places(writing, log, from, AT_ONCE)?;
        let Some((last, _)) = some.last() else { break };
        from = Seq(last.0.saturating_add(1));
        all.extend(some.into_iter().map(|(seq, place)| (seq, Some(place))));
    }
    let (mut link, mut mended): (Link, Vec<&Entry>) = (mark.base, vec![]);
    for (seq, place) in all.range(mark.low..mark.next) {
        let held = match place {
            Some(place) => body(writing, log, *seq, *place)?.ok().map(|body| body.digest()),
            None => None,
        };
        let digest: Digest = match (held, given.get(seq)) {
            (Some(held), _) => held,
            (None, Some(entry)) => {
                mended.push(entry);
                entry.body.digest()
            }
            (None, None) => return Ok(()),
        };
        link = link.then(log, *seq, &digest);
    }
    if link != mark.link {
        tracing::warn!(node = log.node.0, stream = log.stream.word(), "what a member gave does not mend the log");
        return Ok(());
    }
    for entry in mended {
        put_entry(writing, logs, log, entry, all.get(&entry.seq).is_some_and(Option::is_none))?;
    }
    Ok(())
}

/// Makes the logs of a store from before there were any: the calls in their order, then the ends in that of their calls.
/// Of what is damaged a place is left, so that its sequence is not given again.
pub(crate) fn begin(writing: &Writing<'_>) -> Result<(), Fault> {
    let mut logs = Logs::new(NodeNumber(0), None);
    let lost = Body::Gone(Digest([0; 32]));
    each_key(writing, &CALLS, |node, seq| {
        let log = LogId { node, stream: Stream::Calls };
        let raw = writing.raw(&CALLS, &call_key(node, seq))?;
        let digest = raw.and_then(Result::ok).map(|bytes| Digest::of(&bytes));
        if digest.is_none() {
            writing.remove(&CALLS, &call_key(node, seq))?;
            writing.put(&FACTS, &fact_key(log, seq), &lost)?;
        }
        logs.append(writing, log, seq, &digest.unwrap_or(lost.digest())).map(drop)
    })?;
    each_key(writing, &CALL_ENDS, |node, call| {
        let log = LogId { node, stream: Stream::CallEnds };
        let place = logs.mark(writing, log)?.next;
        match writing.raw(&CALL_ENDS, &call_key(node, call))? {
            Some(Ok(bytes)) => {
                logs.append(writing, log, place, &Digest::of(&bytes))?;
                writing.put(&END_ORDER, &call_key(node, place), &call)
            }
            _ => writing.remove(&CALL_ENDS, &call_key(node, call)),
        }
    })?;
    logs.keep(writing)
}

fn each_key(
    writing: &Writing<'_>,
    table: &Table<CALL_KEY_BYTES>,
    mut f: impl FnMut(NodeNumber, Seq) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut from = [0; CALL_KEY_BYTES];
    loop {
        let some = writing.keys(table, &(from..=[0xff; CALL_KEY_BYTES]), AT_ONCE)?;
        let Some(last) = some.last() else { return Ok(()) };
        let last = (NodeNumber(last[0]), seq_of(last));
        some.iter().try_for_each(|key| f(NodeNumber(key[0]), seq_of(key)))?;
        if last.1.0 == u64::MAX {
            return Ok(());
        }
        from = call_key(last.0, Seq(last.1.0 + 1));
    }
}
