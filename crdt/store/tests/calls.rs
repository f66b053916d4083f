//! The call log: pages, filters, statistics, expiry.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{FIRST_DAY, batch, call, end, log, number, open};
use meerkat_protocols::{
    batch::Write,
    facts::{Seq, Verdict},
    number::E164,
    time::Day,
};
use meerkat_store::{CallQuery, Cursor, DayCounts, NumberStats, ReadError, Reader};
use redb::backends::InMemoryBackend;

/// The sequences on all pages, and how many pages there were.
fn all(reader: &Reader, mut query: CallQuery) -> (Vec<u64>, usize) {
    let (mut seqs, mut pages) = (vec![], 0);
    loop {
        let page = reader.calls(&query).unwrap();
        assert_eq!(page.damaged, 0);
        seqs.extend(page.calls.iter().map(|c| c.call.seq.0));
        pages += 1;
        // The cursor travels as text.
        match page.next {
            Some(next) => query.after = Some(next.to_string().parse().unwrap()),
            None => return (seqs, pages),
        }
    }
}

fn newest_first(numbers: impl DoubleEndedIterator<Item = u64>) -> Vec<u64> {
    numbers.rev().collect()
}

#[test]
fn pages_come_newest_first_without_gap_or_repetition() {
    let store = open(&Arc::new(InMemoryBackend::new()));
    log(&store, 0..230);
    let reader = store.reader();
    assert_eq!(all(&reader, CallQuery { limit: 100, ..CallQuery::default() }), (newest_first(0..230), 3));
    // A limit that divides the calls leaves no empty page behind.
    assert_eq!(all(&reader, CallQuery { limit: 115, ..CallQuery::default() }), (newest_first(0..230), 2));
    assert_eq!(all(&reader, CallQuery { limit: 0, ..CallQuery::default() }).1, 230);
    assert_eq!(all(&reader, CallQuery { limit: usize::MAX, ..CallQuery::default() }).1, 1);
}

#[test]
fn filters_by_number_by_verdict_and_by_both() {
    let store = open(&Arc::new(InMemoryBackend::new()));
    log(&store, 0..400);
    let reader = store.reader();
    let (by_number, by_verdict) = (Some(number(7)), Some(Verdict::Block));
    let query = CallQuery { limit: 3, ..CallQuery::default() };
    let seqs = |query| all(&reader, query).0;
    assert_eq!(seqs(CallQuery { number: by_number, ..query.clone() }), newest_first((0..400).filter(|n| n % 50 == 7)));
    assert_eq!(seqs(CallQuery { verdict: by_verdict, ..query.clone() }), newest_first((0..400).filter(|n| n % 3 == 2)));
    let both = CallQuery { number: by_number, verdict: by_verdict, ..query.clone() };
    assert_eq!(seqs(both), newest_first((0..400).filter(|n| n % 50 == 7 && n % 3 == 2)));
    let nobody = CallQuery { number: E164::from_digits(49_111_111), ..query.clone() };
    assert_eq!(seqs(nobody), Vec::<u64>::new());
}

#[test]
fn a_call_is_joined_with_its_end_when_that_is_known() {
    let store = open(&Arc::new(InMemoryBackend::new()));
    store.commit(&batch(vec![Write::Call(Box::new(call(0)))])).unwrap();
    let reader = store.reader();
    let found = reader.call(Seq(0)).unwrap().unwrap();
    assert_eq!((found.call, found.end), (call(0), None));
    store.commit(&batch(vec![Write::CallEnd(end(0))])).unwrap();
    assert_eq!(reader.call(Seq(0)).unwrap().unwrap().end, Some(end(0)));
    assert_eq!(reader.calls(&CallQuery { limit: 1, ..CallQuery::default() }).unwrap().calls[0].end, Some(end(0)));
    assert_eq!(reader.call(Seq(1)).unwrap(), None);
}

#[test]
fn days_and_numbers_are_counted_and_a_replaced_call_counts_once() {
    let store = open(&Arc::new(InMemoryBackend::new()));
    log(&store, 0..288);
    log(&store, 0..288);
    let reader = store.reader();
    let third = DayCounts { allow: 48, challenge: 48, block: 48 };
    let second_day = Day(FIRST_DAY.0 + 1);
    assert_eq!(reader.call_days(FIRST_DAY..=second_day).unwrap(), [(FIRST_DAY, third), (second_day, third)]);
    assert_eq!(reader.call_days(second_day..=Day(u16::MAX)).unwrap(), [(second_day, third)]);
    let stats = NumberStats { calls: 6, last_call: call(257).began };
    assert_eq!(reader.number(number(7)).unwrap(), stats);
    let stranger = E164::from_digits(49_111_111).unwrap();
    assert_eq!(reader.numbers(&[stranger, number(7)]).unwrap(), [NumberStats::default(), stats]);

    let mut changed = call(257);
    (changed.verdict, changed.number) = (Verdict::Allow, None);
    store.commit(&batch(vec![Write::Call(Box::new(changed))])).unwrap();
    let counts = DayCounts { allow: 49, challenge: 48, block: 47 };
    assert_eq!(reader.call_days(second_day..=second_day).unwrap(), [(second_day, counts)]);
    assert_eq!(reader.number(number(7)).unwrap().calls, 5);
    let query = CallQuery { number: Some(number(7)), limit: 10, ..CallQuery::default() };
    assert_eq!(all(&reader, query).0, [207, 157, 107, 57, 7]);
    let counts = reader.counts().unwrap();
    assert_eq!((counts.calls, counts.numbers, counts.verdicts.allow), (288, 50, 97));
}

#[test]
fn a_call_without_a_clock_is_counted_under_day_0() {
    let store = open(&Arc::new(InMemoryBackend::new()));
    let mut undated = call(0);
    undated.began = None;
    store.commit(&batch(vec![Write::Call(Box::new(undated))])).unwrap();
    let days = store.reader().call_days(Day(0)..=Day(u16::MAX)).unwrap();
    assert_eq!(days, [(Day(0), DayCounts { allow: 1, ..DayCounts::default() })]);
    assert_eq!(store.reader().number(number(0)).unwrap(), NumberStats { calls: 1, last_call: None });
}

#[test]
fn expired_calls_leave_with_all_that_is_counted_about_them() {
    let store = open(&Arc::new(InMemoryBackend::new()));
    log(&store, 0..200);
    assert_eq!(store.expire_calls(Day(FIRST_DAY.0 + 1), 100).unwrap(), 100);
    assert_eq!(store.expire_calls(Day(FIRST_DAY.0 + 1), 100).unwrap(), 44);
    assert_eq!(store.expire_calls(Day(FIRST_DAY.0 + 1), 100).unwrap(), 0);
    let reader = store.reader();
    assert_eq!(all(&reader, CallQuery { limit: 50, ..CallQuery::default() }).0, newest_first(144..200));
    assert_eq!(reader.call_days(Day(0)..=FIRST_DAY).unwrap(), []);
    assert_eq!(reader.number(number(44)).unwrap(), NumberStats { calls: 2, last_call: call(194).began });
    assert_eq!(reader.number(number(43)).unwrap().calls, 1);
    assert_eq!(store.expire_calls(Day(u16::MAX), 1_000).unwrap(), 56);
    assert_eq!(reader.counts().unwrap(), meerkat_store::Counts::default());
    assert_eq!(reader.restore().unwrap().next_call, Seq(200));
}

#[test]
fn a_cursor_that_no_page_gave_is_refused() {
    for text in ["", "c", "5", "cx", "c+5", "c-1", "c5", "c0-", "c0-+5", "c100-1", "c0-1..1-1", "c0-00000000000000001"]
    {
        assert_eq!(text.parse::<Cursor>(), Err(ReadError::Cursor), "{text}");
    }
    assert_eq!("c0-1f.a-0".parse::<Cursor>().unwrap().to_string(), "c0-1f.a-0");
}
