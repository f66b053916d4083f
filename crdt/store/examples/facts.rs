//! Measures the logs on a real file and prints JSON: opening a list of 100,000 calls of two nodes, taking in what a node
//! noted in a week, and what is written at one fact a second. Takes the folder to measure in.

use std::{error::Error, path::Path, time::Instant};

use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    facts::{
        Body, Call, CallEnd, Dated, Digest, Entry, Fact, Hundredths, Link, LogId, Reason, Received, Seq, Stream,
        Verdict,
    },
    home::NodeNumber,
    number::E164,
    phone::{Ending, Line},
    statement::Category,
    time::Day,
};
use meerkat_store::{CallQuery, DataKey, Folder, Options, Store};

const CALLS: u64 = 100_000;
const WEEK: u64 = 70_000;
const SECONDS: u64 = 300;

fn call(node: u8, n: u64) -> Call {
    Call {
        seq: Seq(n),
        node: NodeNumber(node),
        line: Line("home".into()),
        number: E164::from_digits(4_930_901_820 + n % 5_000),
        shown: format!("0{}", 30_901_820 + n % 5_000),
        name: "Energy consultants".into(),
        verdict: Verdict::ALL[(n % 3) as usize],
        reasons: vec![Reason::Reported { against: 3, legit: 0, category: Category::Scam }],
        risk: Hundredths(8_750),
        began: Some(Day(20_700).begins() + n as i64 * 300),
        began_mono_ms: n * 300_000,
        verstat: None,
        place: None,
        metadata: vec![("user_agent".into(), "FRITZ!OS".into())],
    }
}

fn commit(store: &Store, writes: Vec<Write>) -> Result<(), Box<dyn Error>> {
    Ok(store.commit(&Batch { id: BatchId(0), writes })?)
}

fn figure(name: &str, value: f64) {
    println!("  {name:?}: {value:.3},");
}

/// Resident memory, and bytes this process had written, in bytes.
fn used() -> (f64, f64) {
    let line = |file: &str, key: &str| {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix(key).map(str::to_owned)).unwrap_or_default();
        line.split_whitespace().next().and_then(|n| n.parse::<f64>().ok()).unwrap_or(f64::NAN)
    };
    (line("/proc/self/status", "VmRSS:") * 1_024.0, line("/proc/self/io", "wchar:"))
}

/// The calls of a member as they come by the network, a thousand at a time.
fn receive(store: &Store, node: u8, count: u64) -> Result<f64, Box<dyn Error>> {
    let log = LogId { node: NodeNumber(node), stream: Stream::Calls };
    let mut bytes = 0;
    for from in (0..count).step_by(1_000) {
        let body = |n: u64| Body::Whole(Fact::Call(Box::new(call(node, n))).body().into());
        let entries: Vec<Entry> = (from..from + 1_000).map(|n| Entry { seq: Seq(n), body: body(n) }).collect();
        bytes += entries.iter().map(|e| meerkat_protocols::cbor::encode(e).len()).sum::<usize>();
        let restart = (from == 0).then(Link::default);
        commit(
            store,
            vec![Write::Received(Box::new(Received { log, from: Seq(from), restart, entries, head: None }))],
        )?;
    }
    Ok(bytes as f64)
}

fn opened(folder: &Folder, key: &DataKey) -> Result<(), Box<dyn Error>> {
    let (before, begin) = (used().0, Instant::now());
    let store = Store::open(folder, key, Options::default())?;
    let page = store.reader().calls(&CallQuery { limit: 50, ..CallQuery::default() })?;
    figure("open_and_first_page_ms", begin.elapsed().as_secs_f64() * 1e3);
    figure("open_and_first_page_mb", (used().0 - before) / 1e6);
    assert_eq!((page.calls.len(), store.reader().counts()?.calls), (50, CALLS));
    Ok(())
}

fn catch_up(dir: &Path, key: &DataKey) -> Result<(), Box<dyn Error>> {
    let store = Store::open(&Folder::take(&dir.join("away"))?, key, Options::default())?;
    let (written, begin) = (used().1, Instant::now());
    let bytes = receive(&store, 1, WEEK)?;
    figure("week_of_70000_facts_s", begin.elapsed().as_secs_f64());
    figure("week_of_70000_facts_carried_mb", bytes / 1e6);
    figure("week_of_70000_facts_written_mb", (used().1 - written) / 1e6);
    Ok(())
}

/// A day's bytes at one fact a second, each committed alone: by what `SECONDS` of them write.
fn a_second(store: &Store, what: &str, of: impl Fn(u64) -> Vec<Write>) -> Result<(), Box<dyn Error>> {
    let written = used().1;
    (0..SECONDS).try_for_each(|n| commit(store, of(n)))?;
    figure(&format!("gb_a_day_at_one_{what}_a_second"), (used().1 - written) / SECONDS as f64 * 86_400.0 / 1e9);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let place = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let dir = tempfile::tempdir_in(place)?;
    let key = DataKey::random()?;
    let folder = Folder::take(&dir.path().join("data"))?;
    println!("{{");
    catch_up(dir.path(), &key)?;
    let store = Store::open(&folder, &key, Options::default())?;
    for n in 0..CALLS / 200 {
        commit(&store, (n * 100..n * 100 + 100).map(|n| Write::Call(Box::new(call(0, n)))).collect())?;
    }
    receive(&store, 1, CALLS / 2)?;
    store.close()?;
    opened(&folder, &key)?;
    let store = Store::open(&folder, &key, Options::default())?;
    let metric = |n: u64| Fact::Metric(Dated { at: Some(n as i64), bytes: vec![7; 40].into() });
    a_second(&store, "measurement", |n| vec![Write::Fact(Box::new(metric(n)))])?;
    let next = CALLS / 2;
    a_second(&store, "call", |n| {
        let end = CallEnd { seq: Seq(next + n), how: Ending::Refused, duration_ms: 1_200 };
        vec![Write::Call(Box::new(call(0, next + n))), Write::CallEnd(end)]
    })?;
    // Whatever came is in the log that a member would follow.
    let logs = store.reader().logs()?;
    let mark = &logs[&LogId { node: NodeNumber(0), stream: Stream::Metrics }];
    assert_eq!(mark.entries, SECONDS);
    assert_ne!(
        mark.link,
        Link::default().then(LogId { node: NodeNumber(0), stream: Stream::Metrics }, Seq(0), &Digest::of(&[]))
    );
    println!("  \"calls\": {CALLS}\n}}");
    Ok(())
}
