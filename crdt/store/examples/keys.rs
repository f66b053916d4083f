//! Measures what keys and backups cost with 100,000 calls and prints JSON: unlocking, replacing the data key, a backup,
//! putting it back, and the most memory each took. Takes the folder to measure in, on the disk that is meant.

use std::{error::Error, fs, path::Path, time::Instant};

use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    facts::{Call, CallEnd, Hundredths, Reason, Seq, Verdict},
    home::NodeNumber,
    number::E164,
    phone::{Ending, Line},
    statement::Category,
    time::Day,
};
use meerkat_store::{Folder, Keeper, KeyCase, KeyFile, Options, RestoreAs, Store, Unpacked};

const CALLS: u64 = 100_000;
const WORDS: &str = "seven storks over the mill";
const TODAY: Day = Day(20_712);

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let place = std::env::args().nth(1).ok_or("name the folder to measure in")?;
    let place = Path::new(&place);
    let folder = Folder::take(&place.join("keys-figures"))?;
    let mut case = KeyCase::create(&folder)?;
    let store = Store::open(&folder, case.ring(), Options::default())?;
    fill(&store)?;
    case.keep_under_pass_phrase(WORDS)?;
    let file = KeyFile::read(&folder)?.ok_or("no key file")?;
    let (unlock_ms, unlock_kib) =
        measured(|| file.open_with_pass_phrase(&folder, WORDS).map(drop).map_err(Into::into))?;

    let path = place.join("keys-figures.age");
    let (backup_ms, backup_kib) = measured(|| {
        store.reader().back_up(WORDS, Some(TODAY.begins()), fs::File::create(&path)?)?;
        Ok(())
    })?;
    let keeper = Keeper::new(store.into(), case);
    let (rotation_ms, rotation_kib) = measured(|| {
        keeper.rotate()?;
        Ok(())
    })?;
    let side = Folder::take(&place.join("keys-figures-restored"))?;
    let (restore_ms, restore_kib) = measured(|| {
        side.unpack(WORDS, RestoreAs::Same, Some(TODAY.begins()), fs::File::open(&path)?).and_then(Unpacked::commit)?;
        side.take_in_restored()?;
        Ok(())
    })?;
    let store_bytes = fs::metadata(folder.path().join("meerkat.redb"))?.len();
    let backup_bytes = fs::metadata(&path)?.len();
    println!(
        "{{\"unlock_ms\": {unlock_ms}, \"unlock_kib\": {unlock_kib}, \"backup_ms\": {backup_ms}, \"backup_kib\": {backup_kib}, \
         \"backup_bytes\": {backup_bytes}, \"store_bytes\": {store_bytes}, \"rotation_ms\": {rotation_ms}, \
         \"rotation_kib\": {rotation_kib}, \"restore_ms\": {restore_ms}, \"restore_kib\": {restore_kib}}}"
    );
    Ok(())
}

/// Milliseconds, and the most memory the process had meanwhile in KiB (proc(5), `clear_refs` 5 resets the mark).
fn measured(work: impl FnOnce() -> Outcome<()>) -> Outcome<(u128, u64)> {
    fs::write("/proc/self/clear_refs", "5")?;
    let began = Instant::now();
    work()?;
    let ms = began.elapsed().as_millis();
    let status = fs::read_to_string("/proc/self/status")?;
    let mark = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = mark.and_then(|mark| mark.split_whitespace().next()?.parse().ok()).ok_or("no mark")?;
    Ok((ms, kib))
}

fn fill(store: &Store) -> Outcome<()> {
    for first in (0..CALLS).step_by(1_000) {
        let writes = (first..first + 1_000).flat_map(|n| [Write::Call(Box::new(call(n))), Write::CallEnd(end(n))]);
        store.commit(&Batch { id: BatchId(first), writes: writes.collect() })?;
    }
    Ok(())
}

fn end(n: u64) -> CallEnd {
    CallEnd { seq: Seq(n), how: Ending::Refused, duration_ms: 1_200 + n }
}

fn call(n: u64) -> Call {
    Call {
        seq: Seq(n),
        node: NodeNumber(0),
        line: Line("home".into()),
        number: E164::from_digits(4_930_901_820 + n % 5_000),
        shown: format!("0{}", 30_901_820 + n % 5_000),
        name: "Somebody".into(),
        verdict: Verdict::ALL[usize::try_from(n % 3).unwrap_or(0)],
        reasons: vec![Reason::Reported { against: 3, legit: 0, category: Category::Scam }],
        risk: Hundredths(8_750),
        began: Some(Day(20_000).begins() + i64::try_from(n).unwrap_or(0) * 600),
        began_mono_ms: n * 600_000,
        verstat: None,
        place: None,
        metadata: vec![("user_agent".into(), "FRITZ!OS".into())],
    }
}
