//! The logs of a home's nodes: appended, passed on, expired, erased, mended.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::sync::Arc;

use common::{FIRST_DAY, batch, call, end, log, number, open};
use ed25519_dalek::SigningKey;
use meerkat_protocols::{
    batch::Write,
    facts::{Body, Call, Entry, Erased, Fact, Head, Link, LogChange, LogId, NumberHash, Received, Seq, Stream},
    home::{HomeId, NodeNumber},
    time::Day,
};
use meerkat_store::{CallQuery, FactsPart, Store, backend::Shared, torn::Torn};
use redb::ReadableTable as _;

const HOME: HomeId = HomeId([5; 16]);
const CALLS: LogId = LogId { node: NodeNumber(0), stream: Stream::Calls };
const ENDS: LogId = LogId { node: NodeNumber(0), stream: Stream::CallEnds };
const AUDIT: LogId = LogId { node: NodeNumber(0), stream: Stream::Audit };
const ALL: Seq = Seq(u64::MAX);

fn fresh(node: u8) -> Store {
    let store = open(&Arc::new(Torn::new(u64::from(node))));
    store.set_node(NodeNumber(node));
    store.set_home(HOME);
    store
}

fn put(store: &Store, writes: Vec<Write>) {
    store.commit(&batch(writes)).expect("commits");
}

fn audit(store: &Store, n: u8) {
    let at = Some(FIRST_DAY.begins() + i64::from(n) * 86_400);
    put(store, vec![Write::Fact(Box::new(Fact::audit(at, vec![n; 20])))]);
}

fn part(store: &Store, log: LogId, from: u64) -> FactsPart {
    store.reader().facts(log, Seq(from), ALL, 1 << 20).unwrap()
}

/// What a member does with a part: follow the chain and write it.
fn received(log: LogId, from: Seq, part: &FactsPart, restart: bool) -> Write {
    let restart = restart.then_some(part.mark.base);
    let entries = part.entries.clone();
    Write::Received(Box::new(Received { log, from, restart, entries, head: None }))
}

/// All logs of one store in another, and the marks equal.
fn copy(from: &Store, to: &Store) {
    for (log, mark) in from.reader().logs().unwrap() {
        let held = to.reader().logs().unwrap().get(&log).cloned().unwrap_or_default();
        let part = part(from, log, held.next.0);
        let restart = held.next < mark.low || held.entries == 0;
        let first = if restart { mark.low } else { held.next };
        put(to, vec![received(log, first, &part, restart)]);
        let now = to.reader().logs().unwrap()[&log].clone();
        assert_eq!((now.next, now.link), (mark.next, mark.link), "{log:?}");
    }
}

fn calls(store: &Store) -> Vec<(u8, u64)> {
    let page = store.reader().calls(&CallQuery { limit: 500, ..CallQuery::default() }).unwrap();
    assert_eq!(page.damaged, 0);
    page.calls.iter().map(|logged| (logged.call.node.0, logged.call.seq.0)).collect()
}

#[test]
fn a_node_passes_on_its_logs_and_those_of_others() {
    let (one, two, three) = (fresh(0), fresh(1), fresh(2));
    log(&one, 0..30);
    audit(&one, 1);
    audit(&one, 2);
    copy(&one, &two);
    // The first is gone; the third has everything from the second.
    copy(&two, &three);
    assert_eq!(calls(&three), (0..30).rev().map(|n| (0, n)).collect::<Vec<_>>());
    assert_eq!(three.reader().call_of(NodeNumber(0), Seq(7)).unwrap().unwrap().end, Some(end(7)));
    assert_eq!(three.reader().numbers(&[number(7)]).unwrap()[0].calls, 1);
    let all = part(&three, AUDIT, 0);
    assert_eq!(all.entries.len(), 2);
    let Body::Whole(body) = &all.entries[1].body else { panic!("whole") };
    assert_eq!(Fact::read(Stream::Audit, body).unwrap().body(), body.to_vec());
    // What comes twice is kept once.
    let twice = part(&two, CALLS, 0);
    put(&three, vec![received(CALLS, Seq(0), &twice, false), received(CALLS, Seq(30), &twice, false)]);
    assert_eq!(three.reader().counts().unwrap().calls, 30);
}

#[test]
fn a_batch_that_is_written_twice_appends_once() {
    let store = fresh(0);
    let writes = vec![Write::Call(Box::new(call(0))), Write::CallEnd(end(0))];
    put(&store, writes.clone());
    put(&store, writes);
    let logs = store.reader().logs().unwrap();
    assert_eq!((logs[&CALLS].entries, logs[&ENDS].entries), (1, 1));
}

#[test]
fn a_part_that_does_not_follow_is_left_out() {
    let (one, two) = (fresh(0), fresh(1));
    log(&one, 0..10);
    let later = part(&one, CALLS, 5);
    put(&two, vec![received(CALLS, Seq(5), &later, false)]);
    assert_eq!(calls(&two), []);
}

#[test]
fn parts_are_bounded_by_bytes() {
    let store = fresh(0);
    log(&store, 0..50);
    let few = store.reader().facts(CALLS, Seq(10), ALL, 1_000).unwrap();
    assert!(few.entries.len() > 1 && few.entries.len() < 20, "{}", few.entries.len());
    assert_eq!(few.entries[0].seq, Seq(10));
    assert_eq!(store.reader().facts(CALLS, Seq(10), ALL, 1).unwrap().entries.len(), 1);
    assert_eq!(store.reader().facts(CALLS, Seq(10), Seq(12), 10_000).unwrap().entries.len(), 2);
}

#[test]
fn the_calls_of_all_nodes_are_one_list_by_time_and_each_nodes_in_its_order() {
    let store = fresh(0);
    let other = |seq: u64, minutes: i64| {
        let began = Some(FIRST_DAY.begins() + minutes * 60);
        Call { node: NodeNumber(1), seq: Seq(seq), began, ..call(seq) }
    };
    log(&store, 0..4); // at minutes 0, 10, 20, 30
    // Its clock ran years ahead for the second of its calls, and was not set for the third.
    let theirs = [other(0, 5), other(1, 9_999_999), Call { began: None, ..other(2, 0) }, other(3, 25)];
    put(&store, theirs.into_iter().map(|call| Write::Call(Box::new(call))).collect());
    let right = vec![(0, 3), (1, 3), (1, 2), (1, 1), (0, 2), (0, 1), (1, 0), (0, 0)];
    assert_eq!(calls(&store), right);
    let mut paged = vec![];
    let mut query = CallQuery { limit: 3, ..CallQuery::default() };
    loop {
        let page = store.reader().calls(&query).unwrap();
        paged.extend(page.calls.iter().map(|logged| (logged.call.node.0, logged.call.seq.0)));
        let Some(next) = page.next else { break };
        query.after = Some(next.to_string().parse().unwrap());
    }
    assert_eq!(paged.len(), right.len());
    let only = CallQuery { node: Some(NodeNumber(1)), limit: 10, ..CallQuery::default() };
    let of_one: Vec<_> = store.reader().calls(&only).unwrap().calls.iter().map(|l| l.call.seq.0).collect();
    assert_eq!(of_one, [3, 2, 1, 0]);
    let both = CallQuery { number: Some(number(3)), limit: 10, ..CallQuery::default() };
    assert_eq!(store.reader().calls(&both).unwrap().calls.len(), 2);
}

#[test]
fn what_expires_leaves_a_log_that_others_can_follow() {
    let (one, two) = (fresh(0), fresh(1));
    log(&one, 0..300); // two days and a bit
    put(&one, vec![Write::Log(Box::new(LogChange::Expire(Stream::Calls, Day(FIRST_DAY.0 + 1), 1_000)))]);
    put(&one, vec![Write::Log(Box::new(LogChange::Expire(Stream::CallEnds, Day(FIRST_DAY.0 + 1), 1_000)))]);
    let logs = one.reader().logs().unwrap();
    assert_eq!((logs[&CALLS].low, logs[&CALLS].entries), (Seq(144), 156));
    assert_eq!((logs[&ENDS].low, logs[&ENDS].entries), (Seq(144), 156));
    copy(&one, &two);
    assert_eq!(calls(&two).len(), 156);
    assert_eq!(one.reader().counts().unwrap().calls, 156);
}

#[test]
fn an_entry_without_a_date_goes_with_the_next_that_has_one() {
    let store = fresh(0);
    let undated = |n: u64| Write::Call(Box::new(Call { began: None, ..call(n) }));
    put(&store, vec![undated(0), Write::Call(Box::new(call(1))), undated(2)]);
    let expire = Write::Log(Box::new(LogChange::Expire(Stream::Calls, Day(u16::MAX), 1_000)));
    put(&store, vec![expire]);
    assert_eq!(calls(&store), [(0, 2)], "the newest came while no clock was set: nobody knows that it is old");
}

#[test]
fn for_want_of_room_the_oldest_of_all_go_first() {
    let store = fresh(0);
    log(&store, 0..300);
    for n in 0..3 {
        audit(&store, n);
    }
    put(&store, vec![Write::Log(Box::new(LogChange::DropOldest(vec![CALLS, ENDS, AUDIT], 200)))]);
    let logs = store.reader().logs().unwrap();
    // Of the first day 144 calls and an entry, of the second the rest.
    assert_eq!(logs[&AUDIT].entries, 1 + u64::from(logs[&AUDIT].low < Seq(2)));
    assert_eq!(logs[&CALLS].entries + logs[&AUDIT].entries, 103);
    assert_eq!(logs[&ENDS].entries, logs[&CALLS].entries);
}

#[test]
fn an_erased_number_is_gone_on_all_nodes_and_does_not_come_back() {
    let (one, two, away) = (fresh(0), fresh(1), fresh(2));
    log(&one, 0..100);
    copy(&one, &two);
    let gone = number(7);
    assert_eq!(two.reader().numbers(&[gone]).unwrap()[0].calls, 2);
    let at = Some(FIRST_DAY.begins() + 1_000_000);
    let erased = Erased { number: NumberHash::of(HOME, gone), at, known: vec![] };
    put(&two, vec![Write::ForgetNumber(gone), Write::Fact(Box::new(Fact::Erased(erased)))]);
    let query = CallQuery { number: Some(gone), limit: 10, ..CallQuery::default() };
    // The one it was erased on, the one it came from, and one that meets both afterwards, in the worst order.
    copy(&one, &away);
    assert_eq!(away.reader().calls(&query).unwrap().calls.len(), 2);
    copy(&two, &one);
    copy(&two, &away);
    for store in [&one, &two, &away] {
        assert_eq!(store.reader().calls(&query).unwrap().calls.len(), 0);
        assert_eq!(store.reader().numbers(&[gone]).unwrap()[0].calls, 0);
        assert_eq!(store.reader().call_of(NodeNumber(0), Seq(7)).unwrap(), None);
        assert_eq!(calls(store).len(), 98);
        for log in [CALLS, ENDS] {
            let part = part(store, log, 0);
            assert!(matches!(part.entries[7], Entry { seq: Seq(7), body: Body::Gone(_) }), "{:?}", part.entries[7]);
        }
    }
    // A call that another node screened before the erasure and that comes after it.
    let late = Call { node: NodeNumber(3), seq: Seq(0), ..call(7) };
    let body = Fact::Call(Box::new(late)).body();
    let entries = vec![Entry { seq: Seq(0), body: Body::Whole(body.into()) }];
    let log = LogId { node: NodeNumber(3), stream: Stream::Calls };
    let late = Received { log, from: Seq(0), restart: Some(Link::default()), entries, head: None };
    put(&one, vec![Write::Received(Box::new(late))]);
    assert_eq!(one.reader().calls(&query).unwrap().calls.len(), 0);
    // A new call is a new call.
    put(&one, vec![Write::Call(Box::new(Call { seq: Seq(1_000), began: at.map(|at| at + 1), ..call(7) }))]);
    copy(&one, &two);
    assert_eq!(two.reader().calls(&query).unwrap().calls.len(), 1);
}

#[test]
fn what_no_word_of_the_node_vouches_for_is_cut_off() {
    let (one, two) = (fresh(0), fresh(1));
    let key = SigningKey::from_bytes(&[9; 32]);
    log(&one, 0..10);
    let mark = one.reader().logs().unwrap()[&CALLS].clone();
    let head = Head::new(HOME, CALLS, mark.next, mark.link);
    copy(&one, &two);
    put(&two, vec![Write::Log(Box::new(LogChange::Head(head, head.sign(&key))))]);
    log(&one, 10..15);
    copy(&one, &two);
    assert_eq!(calls(&two).len(), 15);
    put(&two, vec![Write::Log(Box::new(LogChange::Cut(CALLS)))]);
    assert_eq!(calls(&two).len(), 10);
    assert_eq!(two.reader().counts().unwrap().calls, 10);
    copy(&one, &two);
    assert_eq!(calls(&two).len(), 15);
}

/// Puts other bytes in the place of a value, as a card that decays does.
fn spoil(disk: &Arc<Torn>, table: &'static str, keys: &[[u8; 9]]) {
    let db = redb::Database::builder().create_with_backend(Shared::new(disk.clone())).unwrap();
    let txn = db.begin_write().unwrap();
    {
        let definition = redb::TableDefinition::<&[u8; 9], &[u8]>::new(table);
        let mut rows = txn.open_table(definition).unwrap();
        for key in keys {
            let mut value = rows.get(key).unwrap().unwrap().value().to_vec();
            let middle = value.len() / 2;
            value[middle] ^= 4;
            rows.insert(key, value.as_slice()).unwrap();
        }
    }
    txn.commit().unwrap();
}

#[test]
fn decayed_calls_are_mended_by_what_a_member_has_and_by_nothing_else() {
    let disk = Arc::new(Torn::new(1));
    let (one, two) = (open(&disk), fresh(1));
    log(&one, 0..40);
    copy(&one, &two);
    let before = calls(&one);
    one.close().unwrap();
    let key = |n: u8| [0, 0, 0, 0, 0, 0, 0, 0, n];
    spoil(&disk, "calls", &[key(3), key(30)]);
    spoil(&disk, "call_ends", &[key(5)]);
    let one = open(&disk);
    assert_eq!(one.reader().damaged_facts(CALLS, Seq(0), 20).unwrap(), (vec![Seq(3)], Some(Seq(20))));
    assert_eq!(one.reader().damaged_facts(CALLS, Seq(20), 50).unwrap(), (vec![Seq(30)], None));
    assert_eq!(one.reader().damaged_facts(ENDS, Seq(0), 50).unwrap(), (vec![Seq(5)], None));
    assert_eq!(part(&one, CALLS, 0).damaged, Some(Seq(3)));
    let all = part(&two, CALLS, 0).entries;
    let mend = |log, entries| put(&one, vec![Write::Log(Box::new(LogChange::Mend(log, entries)))]);
    // One of two is not enough to prove anything, and what was altered proves the contrary.
    mend(CALLS, vec![all[3].clone()]);
    mend(CALLS, vec![all[3].clone(), Entry { body: all[29].body.clone(), ..all[30].clone() }]);
    assert_eq!(part(&one, CALLS, 0).damaged, Some(Seq(3)));
    mend(CALLS, vec![all[3].clone(), all[30].clone()]);
    mend(ENDS, vec![part(&two, ENDS, 0).entries[5].clone()]);
    assert_eq!(one.reader().damaged_facts(CALLS, Seq(0), 50).unwrap(), (vec![], None));
    assert_eq!(calls(&one), before);
    assert_eq!(one.reader().call(Seq(5)).unwrap().unwrap().end, Some(end(5)));
    assert_eq!(one.reader().counts().unwrap().calls, 40);
}
