//! The audit log: written durably before whoever acted is told, read in pages, and checked line by line.

use meerkat_protocols::{
    audit::{Broken, Check, Deed, Line},
    batch::{Batch, BatchId, Write},
    cbor,
    facts::{Body, Entry, Fact, LogId, Seq, Stream},
    home::NodeNumber,
};

use crate::{
    Reader, Store,
    errors::{CommitError, ReadError},
};

/// Bytes of lines read at once.
const PART_BYTES: usize = 256 << 10;

/// A line of the audit log as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Its place.
    pub seq: Seq,
    /// Unix seconds, if the clock was set.
    pub at: Option<i64>,
    /// What was done; `None` if the line cannot be read.
    pub deed: Option<Deed>,
}

/// What a check of one node's audit log found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audited {
    /// Whose log.
    pub node: NodeNumber,
    /// Lines that hold.
    pub lines: u64,
    /// Up to here the node's own signature vouches for them; what is later is on this node alone so far.
    pub signed: Seq,
    /// The first line that does not.
    pub broken: Option<Broken>,
}

impl Store {
    /// Writes lines of the audit log as durably as [`Store::commit`].
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn note_deeds(&self, at: Option<i64>, deeds: &[Deed]) -> Result<(), CommitError> {
        let write = |deed: &Deed| Write::Fact(Box::new(Fact::audit(at, cbor::encode(deed))));
        self.commit(&Batch { id: BatchId(0), writes: deeds.iter().map(write).collect() })
    }
}

impl Reader {
    /// The newest `limit` lines of a node's audit log before `before`, newest first.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`].
    pub fn audit(&self, node: NodeNumber, before: Option<Seq>, limit: usize) -> Result<Vec<AuditLine>, ReadError> {
        let log = LogId { node, stream: Stream::Audit };
        let Some(mark) = self.logs()?.remove(&log) else { return Ok(vec![]) };
        let before = before.unwrap_or(mark.next).min(mark.next);
        let mut lines = vec![];
        let mut from = Seq(before.0.saturating_sub(limit as u64));
        // Places of a log may be empty, after a restore a great many at once: then look from further back.
        loop {
            self.each_line(log, from.max(mark.low), before, |entry, found| {
                let (at, line) = found.unzip();
                lines.push(AuditLine { seq: entry.seq, at: at.flatten(), deed: line.map(|line| line.deed) });
            })?;
            if lines.len() >= limit || from <= mark.low {
                break;
            }
            from = Seq(from.0.saturating_sub((before.0 - from.0).saturating_mul(15)));
            lines.clear();
        }
        lines.reverse();
        lines.truncate(limit);
        Ok(lines)
    }

    /// Checks the audit log of each node whose log is held: line by line, and against the nodes' own signed word.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`].
    pub fn audited(&self) -> Result<Vec<Audited>, ReadError> {
        let logs = self.logs()?.into_iter().filter(|(log, _)| log.stream == Stream::Audit);
        logs.map(|(log, mark)| {
            let (mut check, mut broken) = (Check::new(log, &mark), None);
            let damaged = self.each_line(log, mark.low, mark.next, |entry, found| {
                if broken.is_none() {
                    broken = check.line(entry, found.map(|(_, line)| line).as_ref()).err();
                }
            })?;
            let broken = broken.or(damaged.map(Broken::Unreadable));
            let ended = check.end(&mark);
            let behind = (mark.verified > mark.next).then_some(Broken::BehindMembers(mark.verified));
            let lines = *ended.as_ref().unwrap_or(&check.lines());
            let broken = broken.or(ended.err()).or(behind);
            Ok(Audited { node: log.node, lines, signed: mark.verified, broken })
        })
        .collect()
    }

    /// Gives the entries of a log from `from` on and before `before`, each with its line if it can be read. Gives the
    /// first place that is damaged; nothing follows it.
    fn each_line(
        &self,
        log: LogId,
        mut from: Seq,
        before: Seq,
        mut give: impl FnMut(&Entry, Option<(Option<i64>, Line)>),
    ) -> Result<Option<Seq>, ReadError> {
        loop {
            let part = self.facts(log, from, before, PART_BYTES)?;
            for entry in &part.entries {
                give(entry, line_of(entry));
            }
            if part.damaged.is_some() {
                return Ok(part.damaged);
            }
            match part.entries.last() {
                Some(last) => from = Seq(last.seq.0.saturating_add(1)),
                None => return Ok(None),
            }
        }
    }
}

fn line_of(entry: &Entry) -> Option<(Option<i64>, Line)> {
    let Body::Whole(bytes) = &entry.body else { return None };
    let Ok(Fact::Audit(dated)) = Fact::read(Stream::Audit, bytes) else { return None };
    Some((dated.at, Line::read(&dated.bytes)?))
}
