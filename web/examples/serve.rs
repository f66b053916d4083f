//! Serves a page over a store with 100,000 calls, to be measured from outside:
//! `cargo run --release -p meerkat-web --example serve`, then for instance
//! `wrk -t1 -c50 -d10 -H "Authorization: Bearer KEY" "http://127.0.0.1:PORT/api/v1/calls"` beside `.../health`.

use std::{net::SocketAddr, sync::Arc, time::Instant};

use meerkat_core::{Counts, Snapshot};
use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    facts::{Call, Hundredths, Reason, Seq, Verdict},
    home::{Card, Genesis, NodeNumber},
    number::E164,
    phone::Line,
    time::Now,
    wishes::{Lists, Settings},
};
use meerkat_store::{Folder, Keeper, KeyCase, Options, Store};
use meerkat_web::{Access, AccessOrder, Clock, EventLog, Machine, Wiring};
use tokio::sync::{mpsc, watch};

type Failure = Box<dyn std::error::Error>;

const CALLS: u64 = 100_000;
const WALL: i64 = 1_795_262_400;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let taken = Folder::take(folder.path())?;
    let case = KeyCase::create(&taken)?;
    let store = Arc::new(Store::open(&taken, case.ring(), Options::default())?);
    let keeper = Keeper::new(Arc::clone(&store), case);
    for first in (0..CALLS).step_by(1_000) {
        let writes = (first..first + 1_000).map(|n| Write::Call(Box::new(call(n)))).collect();
        store.commit(&Batch { id: BatchId(first), writes })?;
    }
    // Every request comes a minute after the one before, so that the limit of 1,000 a minute is never met.
    let began = Instant::now();
    let clock: Clock = {
        let asked = std::sync::atomic::AtomicU64::new(0);
        Arc::new(move || {
            Now::new(asked.fetch_add(60, std::sync::atomic::Ordering::Relaxed), WALL + began.elapsed().as_secs() as i64)
        })
    };
    let (_snapshot, snapshot) = watch::channel(Arc::new(snapshot()));
    let (_reader, reader) = watch::channel(Some(store.reader()));
    let (commands, _orders) = mpsc::channel(16);
    let (writes, writing) = mpsc::channel(16);
    tokio::spawn(keep(Arc::clone(&store), writing));
    let access = Access::new(writes, Arc::clone(&clock), snapshot.clone());
    access.restore_from(&store.reader())?;
    let events = EventLog::new(0, Arc::clone(&clock), snapshot.clone());
    let machine = Arc::new(Machine::default());
    let wiring = Wiring { commands, snapshot, reader, access, events, machine, clock, keeper };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("http://{}  Authorization: Bearer {}", listener.local_addr()?, key(&wiring).await?);
    let router = meerkat_web::router(wiring).into_make_service_with_connect_info::<SocketAddr>();
    Ok(axum::serve(listener, router).await?)
}

/// A viewer's key, made as the command line makes one.
async fn key(wiring: &Wiring) -> Result<String, Failure> {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;
    let request = axum::http::Request::post("/api/v1/api-keys").header("content-type", "application/json");
    let request = request.body(axum::body::Body::from(r#"{"name":"bench","role":"viewer"}"#))?;
    let answer = meerkat_web::local_router(wiring.clone()).oneshot(request).await?;
    let body: serde_json::Value = serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
    Ok(body["key"].as_str().ok_or("no key")?.to_owned())
}

async fn keep(store: Arc<Store>, mut orders: mpsc::Receiver<AccessOrder>) {
    while let Some((writes, done)) = orders.recv().await {
        let _ = done.send(store.commit_access(&writes).map_err(|e| e.to_string()));
    }
}

fn call(n: u64) -> Call {
    Call {
        seq: Seq(n),
        node: NodeNumber(0),
        line: Line("home".into()),
        number: E164::from_digits(4_930_901_820 + n % 5_000),
        shown: format!("030{}", 901_820 + n % 5_000),
        name: "Somebody".into(),
        verdict: Verdict::ALL[(n % 3) as usize],
        reasons: vec![Reason::NothingKnown],
        risk: Hundredths(4_385),
        began: Some(WALL - (CALLS - n) as i64 * 60),
        began_mono_ms: 0,
        verstat: None,
        place: None,
        metadata: vec![("user_agent".into(), "AVM FRITZ!Box 7590".into())],
    }
}

fn snapshot() -> Snapshot {
    let genesis = Genesis::new(&ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key());
    Snapshot {
        household: meerkat_core::HouseholdState::default(),
        enrolment: meerkat_core::Enrolment::default(),
        releases: meerkat_core::ReleasesState::default(),
        facts: meerkat_core::FactsState::default(),
        home: genesis.home(),
        card: Card(genesis),
        node: NodeNumber(0),
        clock_set: true,
        settings: Settings::default(),
        pinned: vec![],
        lists: Arc::new(Lists::new()),
        shared: meerkat_core::Shared::default(),
        neighbours: Arc::new(vec![]),
        imports: Arc::new(vec![]),
        vouches_left: 12,
        contacts: vec![],
        invites: vec![],
        joins: vec![],
        meetings: vec![],
        peers: vec![],
        listening: vec![],
        exchanges: Vec::new(),
        public: Some(true),
        lines: vec![],
        alarms: vec![],
        ringing: vec![],
        statements: 0,
        numbers: 0,
        waiting: 0,
        threads: Arc::new(vec![]),
        counts: Counts::default(),
        quiet: meerkat_core::QuietState::default(),
    }
}
