//! Fills a data folder as years of use would: statements of many homes, signed, and a log of calls. For benchmarks and for
//! tests that need a store of size.

use std::path::Path;

use ed25519_dalek::SigningKey;
use meerkat::identity::Keys;
use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    facts::{Call, CallEnd, Hundredths, Reason, Seq, Verdict},
    home::{Genesis, NodeNumber},
    number::E164,
    phone::{Ending, Line},
    statement::{Basis, Body, Category, Kind, Statement},
    time::Day,
};
use meerkat_store::{DataKey, Folder, Options, Store};

/// Reports that one home may have alive: ten days of twenty slots.
pub const REPORTS_A_HOME: u64 = 200;
/// Neighbours that a home may answer for.
const VOUCHES_A_HOME: u64 = 12;
/// Writes that share a commit.
const BATCH: usize = 10_000;
/// The first number that is reported; the others follow, one a statement.
const FIRST_NUMBER: u64 = 4_930_100_000_000;

/// What to fill in.
#[derive(Debug, Clone, Copy)]
pub struct Seed {
    /// Reports on as many different numbers; the first number is reported by every vouched home.
    pub statements: u64,
    /// Screened calls.
    pub calls: u64,
    /// Reports of each home, at most [`REPORTS_A_HOME`].
    pub per_home: u64,
    /// Homes that this node's home vouches for, at most 12.
    pub vouched: u8,
    /// Whether those vouch for twelve more each, and so on, until every home that reports is vouched for.
    pub tree: bool,
    /// The day of it all, usually today.
    pub day: Day,
}

/// The number that every vouched home reports.
///
/// # Panics
/// Never: it is a number.
#[must_use]
pub fn notorious() -> E164 {
    E164::from_digits(FIRST_NUMBER).expect("13 digits")
}

/// Fills a data folder that no daemon runs on.
///
/// # Panics
/// If the store does not take it.
pub fn fill(folder: &Path, seed: Seed) {
    let folder = Folder::take(folder).expect("a folder of our own");
    let key = DataKey::load_or_create(&folder).expect("a key");
    let options = Options { wall: Some(seed.day.begins()), ..Options::default() };
    let store = Store::open(&folder, &key, options).expect("the store opens");
    let keys = Keys::load_or_create(&store).expect("an identity");
    let mut out = Batches { store: &store, writes: Vec::new(), next: 0 };
    vouches(&mut out, &keys, seed);
    if seed.tree {
        tree(&mut out, seed);
    }
    reports(&mut out, seed);
    calls(&mut out, seed);
    out.flush();
    store.close().expect("an orderly end");
}

struct Batches<'a> {
    store: &'a Store,
    writes: Vec<Write>,
    next: u64,
}

impl Batches<'_> {
    fn put(&mut self, write: Write) {
        self.writes.push(write);
        if self.writes.len() >= BATCH {
            self.flush();
        }
    }

    fn flush(&mut self) {
        let writes = std::mem::take(&mut self.writes);
        self.next += 1;
        self.store.commit(&Batch { id: BatchId(self.next), writes }).expect("the disk takes it");
    }

    fn say(&mut self, statement: Statement, key: &SigningKey) {
        let sealed = statement.sign(key);
        self.put(Write::Statement(sealed.id(), sealed));
    }
}

/// The key of the home with this number.
fn key(home: u64) -> SigningKey {
    let mut seed = [7; 32];
    seed[..8].copy_from_slice(&home.to_le_bytes());
    SigningKey::from_bytes(&seed)
}

fn vouches(out: &mut Batches<'_>, keys: &Keys, seed: Seed) {
    for slot in 0..seed.vouched.min(Kind::Vouch.slots_per_day()) {
        let genesis = Genesis::new(&key(u64::from(slot)).verifying_key());
        let body = Body::Vouch(genesis);
        let statement = Statement { home: keys.genesis.home(), node: NodeNumber(0), day: seed.day, slot, body };
        out.say(statement, &keys.statement);
        out.put(Write::OwnSlot(Kind::Vouch, seed.day, slot + 1));
    }
}

/// The homes under this node's are numbered row by row.
fn tree(out: &mut Batches<'_>, seed: Seed) {
    let homes = seed.statements.div_ceil(seed.per_home);
    for child in u64::from(seed.vouched)..homes {
        let (parent, slot) = (child / VOUCHES_A_HOME - 1, u8::try_from(child % VOUCHES_A_HOME).expect("below twelve"));
        let parent = key(parent);
        let body = Body::Vouch(Genesis::new(&key(child).verifying_key()));
        let home = Genesis::new(&parent.verifying_key()).home();
        out.say(Statement { home, node: NodeNumber(0), day: seed.day, slot, body }, &parent);
    }
}

fn reports(out: &mut Batches<'_>, seed: Seed) {
    for n in 0..seed.statements {
        let (home, at) = (n / seed.per_home, n % seed.per_home);
        let key = key(home);
        let slots = u64::from(Kind::Report.slots_per_day());
        let (day, slot) = (seed.day.0 - u16::try_from(at / slots).expect("ten days"), at % slots);
        // The first report of each of the first homes is about the same number.
        let digits = FIRST_NUMBER + if at == 0 && home < u64::from(seed.vouched) { 0 } else { n };
        let number = E164::from_digits(digits).expect("13 digits");
        let body = Body::Report { number, category: Category::Scam, basis: Basis::Received };
        let home = Genesis::new(&key.verifying_key()).home();
        let slot = u8::try_from(slot).expect("below twenty");
        out.say(Statement { home, node: NodeNumber(0), day: Day(day), slot, body }, &key);
    }
}

fn calls(out: &mut Batches<'_>, seed: Seed) {
    for n in 0..seed.calls {
        let verdict = Verdict::ALL[usize::try_from(n % 3).expect("below three")];
        let began = seed.day.begins() - i64::try_from((seed.calls - n) * 60).expect("some months");
        let call = Call {
            seq: Seq(n),
            node: NodeNumber(0),
            line: Line("home".into()),
            number: E164::from_digits(FIRST_NUMBER + n % 5_000),
            shown: format!("0{}", 30_100_000_000 + n % 5_000),
            name: if n % 4 == 0 { "A name as lines show it".into() } else { String::new() },
            verdict,
            reasons: vec![Reason::NothingKnown],
            risk: Hundredths::NONE,
            began: Some(began),
            began_mono_ms: n,
            verstat: None,
            place: None,
            metadata: vec![("call_id".into(), format!("{n}@192.0.2.1"))],
        };
        out.put(Write::Call(Box::new(call)));
        out.put(Write::CallEnd(CallEnd { seq: Seq(n), how: Ending::SteppedAside, duration_ms: 3_000 }));
    }
}
