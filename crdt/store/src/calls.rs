//! The call log as people read it: pages newest first, one call, and what is counted about days and numbers.

use std::{fmt, ops::RangeInclusive, str::FromStr};

use meerkat_protocols::{
    facts::{Call, CallEnd, Seq, Verdict},
    home::NodeNumber,
    number::E164,
    time::Day,
};
use redb::{ReadOnlyTable, ReadableTableMetadata};
use serde::{Deserialize, Serialize};

use crate::{
    Reader,
    errors::{Damaged, Fault, ReadError},
    file::{Next, Reading},
    tables::{
        CALL_DAYS, CALL_ENDS, CALLS, CALLS_BY_NUMBER, CALLS_BY_VERDICT, NUMBERS, PEERS, STATEMENTS, by_number_key,
        by_verdict_key, call_key, day_key, day_of, seq_of,
    },
};

/// The most calls of one page.
pub const MAX_PAGE: usize = 500;

/// Where a page ended. Its text means something to the store alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor(Seq);

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{:x}", self.0.0)
    }
}

impl FromStr for Cursor {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<Self, ReadError> {
        let digits =
            text.strip_prefix('c').filter(|d| d.len() <= 16 && !d.starts_with('+')).ok_or(ReadError::Cursor)?;
        u64::from_str_radix(digits, 16).map(|n| Self(Seq(n))).map_err(|_| ReadError::Cursor)
    }
}

/// Which calls, at most how many, and from where on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CallQuery {
    /// Only of this number.
    pub number: Option<E164>,
    /// Only with this verdict.
    pub verdict: Option<Verdict>,
    /// Only older ones than the page that gave this.
    pub after: Option<Cursor>,
    /// At most this many, and never more than [`MAX_PAGE`].
    pub limit: usize,
}

impl CallQuery {
    fn wants(&self, call: &Call) -> bool {
        self.number.is_none_or(|n| call.number == Some(n)) && self.verdict.is_none_or(|v| call.verdict == v)
    }
}

/// A call with its end, if that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct LoggedCall {
    /// The call.
    pub call: Call,
    /// How it ended.
    pub end: Option<CallEnd>,
}

/// A page of calls.
#[derive(Debug, Clone, PartialEq)]
pub struct CallPage {
    /// The newest first.
    pub calls: Vec<LoggedCall>,
    /// For the page after this one, if there is one.
    pub next: Option<Cursor>,
    /// Calls that belong here and were left out because they are damaged.
    pub damaged: usize,
}

/// How many calls had which verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayCounts {
    /// Rang.
    pub allow: u32,
    /// Rang, marked.
    pub challenge: u32,
    /// Did not ring.
    pub block: u32,
}

/// What is counted about a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NumberStats {
    /// Calls in the log.
    pub calls: u32,
    /// When the last one began, in Unix seconds, if the clock was set.
    pub last_call: Option<i64>,
}

/// How much is stored. Calls are counted by sealed values; the other counts are the file's own and may decay with it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Calls in the log.
    pub calls: u64,
    /// Calls by verdict, those without a date included.
    pub verdicts: DayCounts,
    /// Different numbers that called.
    pub numbers: u64,
    /// Statements.
    pub statements: u64,
    /// Peers.
    pub peers: u64,
}

/// Calls of a day by verdict, as stored.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct DayRow(u32, u32, u32);

impl DayRow {
    fn of(&mut self, verdict: Verdict) -> &mut u32 {
        match verdict {
            Verdict::Allow => &mut self.0,
            Verdict::Challenge => &mut self.1,
            Verdict::Block => &mut self.2,
        }
    }

    pub(crate) fn add(&mut self, verdict: Verdict) {
        let count = self.of(verdict);
        *count = count.saturating_add(1);
    }

    /// One less, or nothing if that was the last.
    pub(crate) fn less(mut self, verdict: Verdict) -> Option<Self> {
        let count = self.of(verdict);
        *count = count.saturating_sub(1);
        (self.0 | self.1 | self.2 != 0).then_some(self)
    }
}

impl From<DayRow> for DayCounts {
    fn from(DayRow(allow, challenge, block): DayRow) -> Self {
        Self { allow, challenge, block }
    }
}

impl std::ops::AddAssign<DayRow> for DayCounts {
    fn add_assign(&mut self, DayRow(allow, challenge, block): DayRow) {
        self.allow = self.allow.saturating_add(allow);
        self.challenge = self.challenge.saturating_add(challenge);
        self.block = self.block.saturating_add(block);
    }
}

/// Number, calls, last call, as stored.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct NumberRow(E164, u32, Option<i64>);

impl NumberRow {
    pub(crate) fn add(row: Option<Self>, number: E164, began: Option<i64>) -> Self {
        let (calls, last) = row.map_or((0, None), |row| (row.1, row.2));
        Self(number, calls.saturating_add(1), began.max(last))
    }

    /// One call less, or nothing if that was the last.
    pub(crate) fn less(self) -> Option<Self> {
        (self.1 > 1).then(|| Self(self.0, self.1 - 1, self.2))
    }
}

impl Reader {
    /// A page of this node's calls.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`]. Damaged calls are left out and counted.
    pub fn calls(&self, query: &CallQuery) -> Result<CallPage, ReadError> {
        let node = self.handle.node();
        Ok(self.handle.read(|reading| page(reading, node, query))?)
    }

    /// One call of this node.
    ///
    /// # Errors
    /// [`ReadError`]; if only the end is damaged, the call is given without it.
    pub fn call(&self, seq: Seq) -> Result<Option<LoggedCall>, ReadError> {
        let node = self.handle.node();
        Ok(self.handle.read(|reading| logged(reading, node, seq))?)
    }

    /// The calls of each day in the range that had any. Day 0 holds those that came while the clock was not set.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`]. A damaged day is left out and logged.
    pub fn call_days(&self, days: RangeInclusive<Day>) -> Result<Vec<(Day, DayCounts)>, ReadError> {
        let mut all = vec![];
        self.handle.read(|reading| {
            reading.each(&CALL_DAYS, day_key(*days.start())..=day_key(*days.end()), |key, row| {
                if let Some(row) = whole::<DayRow>(row) {
                    all.push((day_of(key), row.into()));
                }
                Next::Go
            })
        })?;
        Ok(all)
    }

    /// What is counted about each of these numbers, in their order.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`]. What is damaged counts nothing and is logged.
    pub fn numbers(&self, numbers: &[E164]) -> Result<Vec<NumberStats>, ReadError> {
        let stats = |reading: &Reading<'_>, number: &E164| {
            let hash = reading.seal.hash("number", &number.digits().to_be_bytes());
            let row = match reading.get::<_, NumberRow>(&NUMBERS, &hash) {
                Err(Fault::Damaged(damaged)) => whole(Err(damaged)),
                row => row?,
            };
            let row = row.filter(|row| row.0 == *number);
            Ok(row.map_or_else(NumberStats::default, |row| NumberStats { calls: row.1, last_call: row.2 }))
        };
        Ok(self.handle.read(|reading| numbers.iter().map(|number| stats(reading, number)).collect())?)
    }

    /// What is counted about one number.
    ///
    /// # Errors
    /// As [`Reader::numbers`].
    pub fn number(&self, number: E164) -> Result<NumberStats, ReadError> {
        Ok(self.numbers(&[number])?.first().copied().unwrap_or_default())
    }

    /// How much is stored.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`].
    pub fn counts(&self) -> Result<Counts, ReadError> {
        Ok(self.handle.read(|reading| {
            let mut verdicts = DayCounts::default();
            reading.each(&CALL_DAYS, [0; 2]..=[0xff; 2], |_, row| {
                if let Some(row) = whole::<DayRow>(row) {
                    verdicts += row;
                }
                Next::Go
            })?;
            Ok(Counts {
                calls: [verdicts.allow, verdicts.challenge, verdicts.block].map(u64::from).iter().sum(),
                verdicts,
                numbers: reading.txn.open_table(NUMBERS.definition())?.len()?,
                statements: reading.txn.open_table(STATEMENTS.definition())?.len()?,
                peers: reading.txn.open_table(PEERS.definition())?.len()?,
            })
        })?)
    }
}

/// The value, or nothing and a line in the log.
fn whole<T>(row: Result<T, Damaged>) -> Option<T> {
    row.inspect_err(|damaged| tracing::warn!(%damaged, "left out")).ok()
}

fn page(reading: &Reading<'_>, node: NodeNumber, query: &CallQuery) -> Result<CallPage, Fault> {
    let limit = query.limit.clamp(1, MAX_PAGE);
    let mut seqs = candidates(reading, node, query, limit + 1)?;
    let more = seqs.len() > limit;
    seqs.truncate(limit);
    let next = seqs.last().filter(|_| more).map(|seq| Cursor(*seq));
    let mut page = CallPage { calls: Vec::with_capacity(seqs.len()), next, damaged: 0 };
    for seq in seqs {
        match logged(reading, node, seq) {
            // An index that decayed into another leads to a call that nobody asked for, or to none.
            Ok(Some(found)) if query.wants(&found.call) => page.calls.push(found),
            Ok(_) | Err(Fault::Damaged(_)) => page.damaged += 1,
            Err(other) => return Err(other),
        }
    }
    Ok(page)
}

/// The sequences of the newest `limit` calls that the query is about, by the keys alone.
fn candidates(reading: &Reading<'_>, node: NodeNumber, query: &CallQuery, limit: usize) -> Result<Vec<Seq>, Fault> {
    let last = match query.after {
        None => Seq(u64::MAX),
        Some(Cursor(Seq(0))) => return Ok(vec![]),
        Some(Cursor(Seq(n))) => Seq(n - 1),
    };
    if let Some(number) = query.number {
        let hash = reading.seal.hash("number", &number.digits().to_be_bytes());
        let range = by_number_key(&hash, node, Seq(0))..=by_number_key(&hash, node, last);
        let seqs = newest(&reading.txn.open_table(CALLS_BY_NUMBER)?, &range)?;
        let verdicts = reading.txn.open_table(CALLS_BY_VERDICT)?;
        let fits = |seq: &Result<Seq, Fault>| match (seq, query.verdict) {
            (Ok(seq), Some(verdict)) => {
                verdicts.get(&by_verdict_key(verdict, node, *seq)).map_or(true, |found| found.is_some())
            }
            (Ok(_), None) | (Err(_), _) => true,
        };
        return seqs.filter(fits).take(limit).collect();
    }
    if let Some(verdict) = query.verdict {
        let range = by_verdict_key(verdict, node, Seq(0))..=by_verdict_key(verdict, node, last);
        return newest(&reading.txn.open_table(CALLS_BY_VERDICT)?, &range)?.take(limit).collect();
    }
    let range = call_key(node, Seq(0))..=call_key(node, last);
    newest(&reading.txn.open_table(CALLS.definition())?, &range)?.take(limit).collect()
}

/// The sequences in a range of keys, the highest first.
fn newest<const K: usize, V: redb::Value + 'static>(
    table: &ReadOnlyTable<&'static [u8; K], V>,
    range: &RangeInclusive<[u8; K]>,
) -> Result<impl Iterator<Item = Result<Seq, Fault>> + use<K, V>, Fault> {
    let rows = table.range::<&[u8; K]>(range.start()..=range.end())?;
    Ok(rows.rev().map(|row| Ok(seq_of(row?.0.value()))))
}

fn logged(reading: &Reading<'_>, node: NodeNumber, seq: Seq) -> Result<Option<LoggedCall>, Fault> {
    let key = call_key(node, seq);
    let Some(call) = reading.get(&CALLS, &key)? else { return Ok(None) };
    let end = match reading.get(&CALL_ENDS, &key) {
        Err(Fault::Damaged(damaged)) => whole(Err(damaged)),
        end => end?,
    };
    Ok(Some(LoggedCall { call, end }))
}
