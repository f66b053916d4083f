//! Reading the store for people: short read transactions, each well under a millisecond, so they run in place.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{PoisonError, RwLock},
};

use axum::http::StatusCode;
use meerkat_protocols::{
    facts::Seq,
    home::{HomeId, NodeNumber},
    mail::LetterNo,
    number::E164,
    time::Day,
};
use meerkat_store::{CallPage, CallQuery, Cursor, DayCounts, LetterPage, LoggedCall, NumberStats, ReadError, Reader};

use crate::problem::Problem;

/// Rows of a page if nothing is said.
const DEFAULT_ROWS: u16 = 50;
/// The most rows of a page.
const MAX_ROWS: u16 = 200;

/// The rows that a page may have.
pub(crate) fn limit(asked: Option<u16>) -> Result<usize, Problem> {
    let rows = asked.unwrap_or(DEFAULT_ROWS);
    if !(1..=MAX_ROWS).contains(&rows) {
        return Err(Problem::invalid("limit", format!("A page has 1 to {MAX_ROWS} rows.")));
    }
    Ok(usize::from(rows))
}

/// The text is no cursor.
pub(crate) fn bad_cursor() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "cursor", "This is not a cursor: ask for the first page again.")
        .field("cursor")
}

fn of(error: &ReadError) -> Problem {
    match error {
        ReadError::Cursor => bad_cursor(),
        ReadError::Damaged(_) | ReadError::Unavailable(_) => {
            tracing::error!(%error, "the store could not be read");
            Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "unreadable_store",
                crate::problem::sentence(&error.to_string()),
            )
        }
    }
}

/// A page of calls, the newest first.
pub(crate) fn calls(reader: &Reader, query: &CallQuery, cursor: Option<&str>) -> Result<CallPage, Problem> {
    let after = cursor.map(str::parse::<Cursor>).transpose().map_err(|e| of(&e))?;
    reader.calls(&CallQuery { after, ..query.clone() }).map_err(|e| of(&e))
}

/// One call, of this node if no other is named.
pub(crate) fn call(reader: &Reader, node: Option<NodeNumber>, seq: Seq) -> Result<Option<LoggedCall>, Problem> {
    let found = node.map_or_else(|| reader.call(seq), |node| reader.call_of(node, seq));
    found.map_err(|e| of(&e))
}

/// How often a number called, and when it last did.
pub(crate) fn number(reader: &Reader, number: E164) -> Result<NumberStats, Problem> {
    reader.number(number).map_err(|e| of(&e))
}

/// The same for many numbers, in their order, in one transaction.
pub(crate) fn numbers(reader: &Reader, numbers: &[E164]) -> Result<Vec<NumberStats>, Problem> {
    reader.numbers(numbers).map_err(|e| of(&e))
}

/// A page of the messages exchanged with a home, the newest first.
pub(crate) fn letters(
    reader: &Reader,
    home: HomeId,
    cursor: Option<&str>,
    limit: usize,
) -> Result<LetterPage, Problem> {
    let before = cursor.map(|text| text.parse().map(LetterNo).map_err(|_| bad_cursor())).transpose()?;
    reader.letters(home, before, limit).map_err(|e| of(&e))
}

/// Calls by day and verdict.
pub(crate) fn days(reader: &Reader, first: Day, last: Day) -> Result<BTreeMap<Day, DayCounts>, Problem> {
    reader.call_days(first..=last).map(|days| days.into_iter().collect()).map_err(|e| of(&e))
}

/// Numbers whose spacing is remembered: a page asks for the same few over and over, and finding the spaces takes a
/// hundred times as long as remembering them.
const MAX_SPACED: usize = 4_096;

static SPACED: RwLock<Option<HashMap<E164, String>>> = RwLock::new(None);

/// The number with the spaces people write in its country.
pub(crate) fn spaced(number: E164) -> String {
    let known = SPACED.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(spaced) = known.as_ref().and_then(|known| known.get(&number)) {
        return spaced.clone();
    }
    drop(known);
    let spaced = number.reveal_spaced();
    let mut known = SPACED.write().unwrap_or_else(PoisonError::into_inner);
    let known = known.get_or_insert_default();
    if known.len() >= MAX_SPACED {
        known.clear();
    }
    known.insert(number, spaced.clone());
    spaced
}
