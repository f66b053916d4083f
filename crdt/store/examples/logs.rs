//! Measures the store on a real file and prints JSON: bytes written per logged call, size and speed with 100,000 calls,
//! and how long a start takes with 300,000 statements. Takes the folder to measure in, on the disk that is meant.

use std::{
    error::Error,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    facts::{Call, CallEnd, Hundredths, Reason, Seq, Verdict},
    home::NodeNumber,
    number::E164,
    phone::{Ending, Line},
    statement::{Category, Sealed, StatementId},
    time::Day,
};
use meerkat_store::{CallQuery, DataKey, Folder, Options, Store};
use redb::{StorageBackend, backends::FileBackend};
use serde_bytes::ByteBuf;

const CALLS: u64 = 100_000;
const STATEMENTS: u64 = 300_000;
const FIRST_DAY: Day = Day(20_700);

/// A file that counts what is written to it.
#[derive(Debug)]
struct Counting {
    file: FileBackend,
    bytes: AtomicU64,
    syncs: AtomicU64,
}

impl StorageBackend for Counting {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::Relaxed);
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.bytes.fetch_add(data.len() as u64, Ordering::Relaxed);
        self.file.write(offset, data)
    }
}

fn number(n: u64) -> Option<E164> {
    E164::from_digits(4_930_901_820 + n % 5_000)
}

fn call(n: u64) -> Call {
    Call {
        seq: Seq(n),
        node: NodeNumber(0),
        line: Line("home".into()),
        number: number(n),
        shown: format!("0{}", 30_901_820 + n % 5_000),
        name: "Energy consultants".into(),
        verdict: Verdict::ALL[(n % 3) as usize],
        reasons: vec![Reason::Reported { against: 3, legit: 0, category: Category::Scam }],
        risk: Hundredths(8_750),
        began: Some(FIRST_DAY.begins() + n as i64 * 600),
        began_mono_ms: n * 600_000,
        verstat: None,
        place: None,
        metadata: vec![("user_agent".into(), "FRITZ!OS".into())],
    }
}

fn logged(n: u64) -> [Write; 2] {
    let end = CallEnd { seq: Seq(n), how: Ending::Refused, duration_ms: 1_200 };
    [Write::Call(Box::new(call(n))), Write::CallEnd(end)]
}

fn commit(store: &Store, writes: Vec<Write>) -> Result<(), Box<dyn Error>> {
    Ok(store.commit(&Batch { id: BatchId(0), writes })?)
}

/// Milliseconds of the median and of the slowest of a hundred runs.
fn time<T, E: Into<Box<dyn Error>>>(mut run: impl FnMut(u64) -> Result<T, E>) -> Result<(f64, f64), Box<dyn Error>> {
    let mut all = vec![];
    for n in 0..100 {
        let begin = Instant::now();
        run(n).map_err(Into::into)?;
        all.push(begin.elapsed().as_secs_f64() * 1e3);
    }
    all.sort_by(f64::total_cmp);
    Ok((all[50], all[99]))
}

fn figure(name: &str, value: f64) {
    println!("  {name:?}: {value:.3},");
}

/// What is written to the disk, with 20,000 calls stored already.
fn written(dir: &Path, key: &DataKey) -> Result<(), Box<dyn Error>> {
    let file = std::fs::OpenOptions::new().read(true).write(true).create_new(true).open(dir.join("counted.redb"))?;
    let (bytes, syncs) = (AtomicU64::new(0), AtomicU64::new(0));
    let disk = Arc::new(Counting { file: FileBackend::new(file)?, bytes, syncs });
    let store = Store::open_on(disk.clone(), key, Options::default())?;
    for n in 0..200 {
        commit(&store, (n * 100..n * 100 + 100).flat_map(logged).collect())?;
    }
    let spent = || (disk.bytes.load(Ordering::Relaxed) as f64, disk.syncs.load(Ordering::Relaxed) as f64);
    let (bytes, syncs) = spent();
    let alone = time(|n| commit(&store, logged(20_000 + n).into()))?;
    let after = spent();
    figure("written_per_call_alone_bytes", (after.0 - bytes) / 100.0);
    figure("syncs_per_commit", (after.1 - syncs) / 100.0);
    figure("commit_of_one_call_ms_p50", alone.0);
    let (bytes, _) = spent();
    let batches = time(|n| commit(&store, (30_000 + n * 100..30_100 + n * 100).flat_map(logged).collect()))?;
    figure("written_per_call_in_batches_of_100_bytes", (spent().0 - bytes) / 10_000.0);
    figure("commit_of_100_calls_ms_p50", batches.0);
    Ok(())
}

fn page_times(store: &Store) -> Result<(), Box<dyn Error>> {
    let reader = store.reader();
    let query = CallQuery { limit: 50, ..CallQuery::default() };
    let both = CallQuery { number: number(7), verdict: Some(Verdict::Block), ..query.clone() };
    let pages = [
        ("newest", query.clone()),
        ("by_verdict", CallQuery { verdict: Some(Verdict::Block), ..query.clone() }),
        ("by_number", CallQuery { number: number(7), ..query.clone() }),
        ("by_both", both),
    ];
    for (name, query) in pages {
        let (p50, max) = time(|_| reader.calls(&query))?;
        figure(&format!("page_of_50_{name}_ms_p50"), p50);
        figure(&format!("page_of_50_{name}_ms_max"), max);
    }
    let mut deep = query;
    let (p50, _) = time(|_| {
        let page = reader.calls(&deep)?;
        deep.after = page.next.clone();
        Ok::<_, Box<dyn Error>>(page)
    })?;
    figure("page_of_50_going_back_ms_p50", p50);
    figure("stats_of_30_days_ms_p50", time(|_| reader.call_days(FIRST_DAY..=Day(FIRST_DAY.0 + 30)))?.0);
    Ok(())
}

/// A file with 100,000 calls, then with 300,000 statements beside them.
fn stored(dir: &Path, key: &DataKey) -> Result<(), Box<dyn Error>> {
    let folder = Folder::take(&dir.join("data"))?;
    let open = || Store::open(&folder, key, Options::default());
    let bytes = || std::fs::metadata(folder.path().join("meerkat.redb")).map(|m| m.len() as f64);
    let store = open()?;
    figure("empty_file_bytes", bytes()?);
    for n in 0..CALLS / 100 {
        commit(&store, (n * 100..n * 100 + 100).flat_map(logged).collect())?;
    }
    page_times(&store)?;
    store.close()?;
    figure("file_with_100000_calls_bytes", bytes()?);
    let store = open()?;
    for n in 0..STATEMENTS / 1_000 {
        let of =
            |n: u64| Write::Statement(StatementId::of(&n.to_be_bytes()), Sealed(ByteBuf::from(vec![n as u8; 113])));
        commit(&store, (n * 1_000..(n + 1) * 1_000).map(of).collect())?;
    }
    // Dropped and not closed in order; redb itself closes its file all the same.
    drop(store);
    figure("file_with_300000_statements_more_bytes", bytes()?);
    let begin = Instant::now();
    let store = open()?;
    figure("open_ms", begin.elapsed().as_secs_f64() * 1e3);
    let begin = Instant::now();
    store.check(None)?;
    figure("check_ms", begin.elapsed().as_secs_f64() * 1e3);
    let begin = Instant::now();
    let mut restored = store.reader().restore()?;
    store.reader().statements(&mut restored, drop)?;
    figure("restore_ms", begin.elapsed().as_secs_f64() * 1e3);
    figure("restored_statements", restored.statements as f64);
    // A power cut: the file as it stands while it is open.
    std::fs::create_dir(dir.join("cut"))?;
    commit(&store, logged(CALLS).into())?;
    std::fs::copy(folder.path().join("meerkat.redb"), dir.join("cut/meerkat.redb"))?;
    let cut = Folder::take(&dir.join("cut"))?;
    let begin = Instant::now();
    drop(Store::open(&cut, key, Options::default())?);
    figure("open_after_power_cut_ms", begin.elapsed().as_secs_f64() * 1e3);
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let place = std::env::args().nth(1).unwrap_or_else(|| ".".into());
    let dir = tempfile::tempdir_in(place)?;
    let key = DataKey::random()?;
    println!("{{");
    written(dir.path(), &key)?;
    stored(dir.path(), &key)?;
    println!("  \"calls\": {CALLS}\n}}");
    Ok(())
}
