//! What the tests have in common: a key, calls, batches.
#![allow(dead_code, reason = "each test file uses its part")]

use std::sync::Arc;

use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    facts::{Call, CallEnd, Hundredths, Reason, Seq, Verdict},
    home::NodeNumber,
    number::E164,
    phone::{Ending, Line},
    statement::Category,
    time::Day,
};
use meerkat_store::{DataKey, Options, Store};
use redb::StorageBackend;

/// The name every call shows, to look for in files.
pub(crate) const CANARY: &str = "Wendelgard Canary";
/// The day of the first call.
pub(crate) const FIRST_DAY: Day = Day(20_700);

pub(crate) fn key() -> DataKey {
    DataKey::from_bytes([42; 32])
}

pub(crate) fn open(backend: &Arc<impl StorageBackend>) -> Store {
    Store::open_on(backend.clone(), &key(), Options::default()).expect("opens")
}

/// One of 50 numbers.
pub(crate) fn number(n: u64) -> E164 {
    E164::from_digits(4_930_901_820 + n % 50).expect("a number")
}

/// A call as the log has them: ten minutes after the one before it, verdicts in turn.
pub(crate) fn call(n: u64) -> Call {
    let verdict = Verdict::ALL[usize::try_from(n % 3).expect("small")];
    Call {
        seq: Seq(n),
        node: NodeNumber(0),
        line: Line("home".into()),
        number: Some(number(n)),
        shown: format!("0{}", 30_901_820 + n % 50),
        name: CANARY.into(),
        verdict,
        reasons: vec![Reason::Reported { against: 3, legit: 0, category: Category::Scam }],
        risk: Hundredths(8_750),
        began: Some(FIRST_DAY.begins() + i64::try_from(n).expect("small") * 600),
        began_mono_ms: n * 600_000,
        verstat: None,
        place: None,
        metadata: vec![("user_agent".into(), "FRITZ!OS".into())],
    }
}

pub(crate) fn end(n: u64) -> CallEnd {
    CallEnd { seq: Seq(n), how: Ending::Refused, duration_ms: 1_200 + n }
}

/// The call and its end.
pub(crate) fn writes(n: u64) -> Vec<Write> {
    vec![Write::Call(Box::new(call(n))), Write::CallEnd(end(n))]
}

pub(crate) fn batch(writes: Vec<Write>) -> Batch {
    Batch { id: BatchId(0), writes }
}

pub(crate) fn log(store: &Store, calls: std::ops::Range<u64>) {
    store.commit(&batch(calls.flat_map(writes).collect())).expect("commits");
}
