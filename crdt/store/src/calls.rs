//! The call log as people read it: pages newest first, one call, and what is counted about days and numbers.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, str::FromStr};

use meerkat_protocols::{
    facts::{Call, CallEnd, Seq, Stream, Verdict},
    home::NodeNumber,
    number::E164,
    time::Day,
};
use redb::{ReadOnlyTable, ReadableTableMetadata};
use serde::{Deserialize, Serialize};

use crate::{
    Reader,
    errors::{Damaged, Fault, ReadError},
    file::{Next, Raw, Reading},
    tables::{
        CALL_DAYS, CALL_ENDS, CALLS, CALLS_BY_NUMBER, CALLS_BY_VERDICT, LOGS, NUMBERS, PEERS, STATEMENTS,
        by_number_key, by_verdict_key, call_key, day_key, day_of, log_of, seq_of,
    },
};

/// The most calls of one page.
pub const MAX_PAGE: usize = 500;

/// Where a page ended, in the log of each node. Its text means something to the store alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(BTreeMap<NodeNumber, Seq>);

/// The most nodes of a cursor: a home has at most 20 at a time, and those that left are here until their calls expire.
const MAX_NODES: usize = 64;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("c")?;
        for (n, (node, seq)) in self.0.iter().enumerate() {
            let between = if n == 0 { "" } else { "." };
            write!(f, "{between}{:x}-{:x}", node.0, seq.0)?;
        }
        Ok(())
    }
}

impl FromStr for Cursor {
    type Err = ReadError;

    fn from_str(text: &str) -> Result<Self, ReadError> {
        let number = |digits: &str| {
            let plain = !digits.is_empty() && digits.len() <= 16 && !digits.starts_with('+');
            u64::from_str_radix(digits, 16).ok().filter(|_| plain).ok_or(ReadError::Cursor)
        };
        let place = |place: &str| {
            let (node, seq) = place.split_once('-').ok_or(ReadError::Cursor)?;
            let node = u8::try_from(number(node)?).map_err(|_| ReadError::Cursor)?;
            Ok((NodeNumber(node), Seq(number(seq)?)))
        };
        let places = text.strip_prefix('c').ok_or(ReadError::Cursor)?;
        if places.split('.').count() > MAX_NODES {
            return Err(ReadError::Cursor);
        }
        places.split('.').map(place).collect::<Result<_, _>>().map(Self)
    }
}

/// Which calls, at most how many, and from where on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallQuery {
    /// Only those this node screened.
    pub node: Option<NodeNumber>,
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

    pub(crate) fn number(self) -> E164 {
        self.0
    }

    /// One call less, or nothing if that was the last.
    pub(crate) fn less(self) -> Option<Self> {
        (self.1 > 1).then(|| Self(self.0, self.1 - 1, self.2))
    }
}

impl Reader {
    /// A page of the calls of all nodes, the newest first; those of one node always in the order of its log, whatever
    /// its clock said.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`]. Damaged calls are left out and counted.
    pub fn calls(&self, query: &CallQuery) -> Result<CallPage, ReadError> {
        let own = self.handle.node();
        Ok(self.handle.read(|reading| page(reading, own, query))?)
    }

    /// One call of any node.
    ///
    /// # Errors
    /// As [`Reader::call`].
    pub fn call_of(&self, node: NodeNumber, seq: Seq) -> Result<Option<LoggedCall>, ReadError> {
        Ok(self.handle.read(|reading| logged(reading, node, seq))?)
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

/// The log of one node as a page goes through it, backwards.
struct Walk {
    node: NodeNumber,
    older: Box<dyn Iterator<Item = Result<Seq, Fault>>>,
    /// The newest that the page has not taken, with what is known of it: nothing, if it is damaged.
    head: Option<(Seq, Option<LoggedCall>)>,
    /// No later than the calls after it in the log: a clock that ran ahead for a while moves nobody's calls to the top.
    at: i64,
}

impl Walk {
    fn new(reading: &Reading<'_>, node: NodeNumber, query: &CallQuery) -> Result<Self, Fault> {
        let mut walk = Self { node, older: candidates(reading, node, query)?, head: None, at: i64::MAX };
        walk.step(reading, query)?;
        Ok(walk)
    }

    fn step(&mut self, reading: &Reading<'_>, query: &CallQuery) -> Result<(), Fault> {
        self.head = None;
        let Some(seq) = self.older.next().transpose()? else { return Ok(()) };
        let found = match logged(reading, self.node, seq) {
            // An index that decayed into another leads to a call that nobody asked for, or to none.
            Ok(found) => found.filter(|found| query.wants(&found.call)),
            Err(Fault::Damaged(_)) => None,
            Err(other) => return Err(other),
        };
        let began = found.as_ref().and_then(|found| found.call.began);
        self.at = began.map_or(self.at, |began| began.min(self.at));
        self.head = Some((seq, found));
        Ok(())
    }
}

fn page(reading: &Reading<'_>, own: NodeNumber, query: &CallQuery) -> Result<CallPage, Fault> {
    let limit = query.limit.clamp(1, MAX_PAGE);
    let nodes = match query.node {
        Some(node) => vec![node],
        None => nodes(reading, own)?,
    };
    let mut walks = nodes.iter().map(|node| Walk::new(reading, *node, query)).collect::<Result<Vec<_>, _>>()?;
    let mut page = CallPage { calls: Vec::with_capacity(limit), next: None, damaged: 0 };
    let mut places = query.after.clone().map_or_else(BTreeMap::new, |after| after.0);
    for _ in 0..limit {
        let newest = walks.iter_mut().filter(|walk| walk.head.is_some()).max_by_key(|walk| walk.at);
        let Some((walk, (seq, found))) = newest.and_then(|walk| walk.head.take().map(|head| (walk, head))) else {
            break;
        };
        places.insert(walk.node, seq);
        match found {
            Some(found) => page.calls.push(found),
            None => page.damaged += 1,
        }
        walk.step(reading, query)?;
    }
    page.next = walks.iter().any(|walk| walk.head.is_some()).then_some(Cursor(places));
    Ok(page)
}

/// The nodes that have a log of calls.
fn nodes(reading: &Reading<'_>, own: NodeNumber) -> Result<Vec<NodeNumber>, Fault> {
    let logs = reading.keys(&LOGS, &([0; 2]..=[0xff; 2]), usize::MAX)?;
    let calls = logs.into_iter().filter_map(log_of).filter(|log| log.stream == Stream::Calls);
    let mut nodes: Vec<_> = calls.map(|log| log.node).filter(|node| *node != own).take(MAX_NODES - 1).collect();
    nodes.push(own);
    Ok(nodes)
}

/// The sequences of a node's calls that the query is about, the highest first, by the keys alone.
fn candidates(
    reading: &Reading<'_>,
    node: NodeNumber,
    query: &CallQuery,
) -> Result<Box<dyn Iterator<Item = Result<Seq, Fault>>>, Fault> {
    let last = match query.after.as_ref().and_then(|after| after.0.get(&node)) {
        None => Seq(u64::MAX),
        Some(Seq(0)) => return Ok(Box::new(std::iter::empty())),
        Some(Seq(n)) => Seq(n - 1),
    };
    if let Some(number) = query.number {
        let hash = reading.seal.hash("number", &number.digits().to_be_bytes());
        let range = by_number_key(&hash, node, Seq(0))..=by_number_key(&hash, node, last);
        let seqs = newest(&reading.txn.open_table(CALLS_BY_NUMBER)?, &range)?;
        let verdicts = reading.txn.open_table(CALLS_BY_VERDICT)?;
        let wanted = query.verdict;
        return Ok(Box::new(seqs.filter(move |seq| match (seq, wanted) {
            (Ok(seq), Some(verdict)) => {
                verdicts.get(&by_verdict_key(verdict, node, *seq)).map_or(true, |found| found.is_some())
            }
            (Ok(_), None) | (Err(_), _) => true,
        })));
    }
    if let Some(verdict) = query.verdict {
        let range = by_verdict_key(verdict, node, Seq(0))..=by_verdict_key(verdict, node, last);
        return Ok(Box::new(newest(&reading.txn.open_table(CALLS_BY_VERDICT)?, &range)?));
    }
    let range = call_key(node, Seq(0))..=call_key(node, last);
    Ok(Box::new(newest(&reading.txn.open_table(CALLS.definition())?, &range)?))
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
