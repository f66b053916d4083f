//! `figures invite|silenced|report|join|join-million|edit|idle`: measures a real daemon (`MEERKAT_BIN`) among real counterparts and prints one JSON
//! object of milliseconds.

use std::{
    net::SocketAddr,
    time::{Duration, Instant, UNIX_EPOCH},
};

use meerkat_protocols::time::Day;
use meerkat_tests::{
    caller::{From, Ring},
    daemon::{Daemon, Setup, free_port},
    pair::{edits, idle},
    seed::{REPORTS_A_HOME, Seed, fill, notorious},
    sip::{Call, Kamailio, KamailioSetup, Phone, Sipp},
    wait::{until, until_within},
};
use serde_json::{Value, json};

/// Numbers loaded, each by one admitted statement.
const STATEMENTS: u64 = 300_000;
/// Calls a second, and for how long.
const CALLS_PER_S: u32 = 50;
const CALLS: u32 = 1_500;
/// Calls through the router with a telephone that rings.
const FORKED_CALLS: usize = 100;

fn main() {
    let figure = match std::env::args().nth(1).as_deref() {
        Some("invite") => invite(),
        Some("silenced") => silenced(),
        Some("report") => report(),
        Some("join") => join(Join { reports: 10_000, per_home: 10 }),
        // With the vouches that lead to them a few fewer than the million statements that a node holds at most.
        Some("join-million") => join(Join { reports: 990_000, per_home: REPORTS_A_HOME }),
        Some("edit") => spread(edits()),
        Some("idle") => idle().unwrap_or_default(),
        _ => {
            eprintln!("usage: figures invite|silenced|report|join|join-million|edit|idle");
            std::process::exit(64);
        }
    };
    println!("{figure}");
}

fn today() -> Day {
    let seconds = UNIX_EPOCH.elapsed().expect("a clock that is set").as_secs();
    Day::of_unix(i64::try_from(seconds).expect("our century")).expect("our century")
}

fn spread(mut times: Vec<Duration>) -> Value {
    times.sort();
    let at = |percent: usize| times[(times.len() * percent).div_ceil(100).saturating_sub(1)].as_secs_f64() * 1e3;
    json!({"count": times.len(), "p50_ms": at(50), "p95_ms": at(95), "p99_ms": at(99), "max_ms": at(100)})
}

fn ready(daemon: &Daemon) {
    until("the line", || (daemon.get("/api/v1/summary")["lines"][0]["state"] == "ready").then_some(()));
}

fn seeded() -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let per_home = REPORTS_A_HOME;
    fill(&data, Seed { statements: STATEMENTS, per_home, calls: 0, vouched: 12, tree: false, day: today() });
    (folder, data)
}

/// From sending the INVITE to the final answer for a caller that twelve vouched neighbours reported. Calls start on a
/// fixed beat, whether or not the one before is answered, and are timed from that beat.
fn invite() -> Value {
    let (_folder, data) = seeded();
    let port = free_port();
    let config =
        format!("[[line]]\nname = \"home\"\nmode = \"direct\"\nbind = \"127.0.0.1:{port}\"\nblock = \"603\"\n");
    let daemon = Daemon::start(Setup { config, data: Some(data), ..Setup::default() });
    ready(&daemon);
    let line = SocketAddr::from(([127, 0, 0, 1], port));
    let beat = Duration::from_secs(1) / CALLS_PER_S;
    let began = Instant::now() + beat;
    let calls: Vec<_> = (0..CALLS)
        .map(|n| {
            let due = began + beat * n;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            std::thread::spawn(move || {
                let responses = Ring::start(line, From::number(&notorious().reveal())).finish();
                assert_eq!(responses.last().map(|r| r.0), Some(603), "the caller is blocked");
                due.elapsed()
            })
        })
        .collect();
    let times = calls.into_iter().map(|call| call.join().expect("no panic")).collect();
    let rss_mb = memory_mb(&daemon, "VmRSS:");
    let mut spread = spread(times);
    spread["rss_mb"] = json!(rss_mb);
    spread
}

/// From the telephone's first ring to its silence when the router forked the call to it and to the node.
fn silenced() -> Value {
    let (_folder, data) = seeded();
    let router = Kamailio::start(KamailioSetup::ringing(&["phone", "meerkat"]));
    let phone = Phone::register(&router, "phone");
    let config = format!(
        "[[line]]\nname = \"home\"\nmode = \"registered\"\nregistrar = \"{}\"\nuser = \"meerkat\"\n\
         password = \"meerkat-secret\"\nbind = \"127.0.0.1:0\"\n",
        router.address()
    );
    let daemon = Daemon::start(Setup { config, data: Some(data), ..Setup::default() });
    ready(&daemon);
    let mut times = Vec::new();
    let mut never_rang = 0;
    for _ in 0..FORKED_CALLS {
        let mark = phone.mark();
        let outcome = Sipp::call(&Call::new(router.address(), "house", &notorious().reveal()));
        assert!(outcome.code >= 600, "{outcome:?}");
        match phone.seen()[mark..].iter().find(|s| s.kind == "CALL_INCOMING") {
            Some(rang) => times.push(phone.wait_after(mark, "CALL_CLOSED").at.duration_since(rang.at)),
            None => never_rang += 1,
        }
    }
    let mut spread = spread(times);
    spread["never_rang"] = json!(never_rang);
    spread
}

/// From the report on one node to the changed evidence on a neighbour that vouches for it.
fn report() -> Value {
    let neighbours: Vec<Daemon> = (0..3).map(|_| Daemon::start(Setup::default())).collect();
    let address =
        |d: &Daemon| until("an address", || d.get("/api/v1/peers")["listening"][0].as_str().map(str::to_owned));
    let home = Daemon::start(Setup { peers: neighbours.iter().map(address).collect(), ..Setup::default() });
    until("three peers", || (home.get("/api/v1/peers")["items"].as_array()?.len() == 3).then_some(()));
    let mut times = Vec::new();
    for (n, neighbour) in neighbours.iter().enumerate() {
        let card = neighbour.get("/api/v1/node")["card"].clone();
        let name = format!("Neighbour {n}");
        let (status, _) = home.ask("POST", "/api/v1/vouches", Some(&json!({"card": card, "name": name})));
        assert_eq!(status, 201);
        for report in 0..20 {
            let number = format!("+49309018{n}{report:02}");
            let since = home.last_event();
            let began = Instant::now();
            let body = json!({"number": number, "category": "spam"});
            let (status, answer) = neighbour.ask("POST", "/api/v1/reports", Some(&body));
            assert_eq!(status, 201, "{answer}");
            let _ = home.wait_event(since, "report.received", |d| d["number"] == number.as_str());
            times.push(began.elapsed());
        }
    }
    spread(times)
}

/// A neighbourhood that a new home joins.
struct Join {
    reports: u64,
    per_home: u64,
}

/// From the first statement that a new home gets from its only neighbour until it has all that this one holds, which is
/// fetched, verified and on disk.
fn join(Join { reports, per_home }: Join) -> Value {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    fill(&data, Seed { statements: reports, per_home, calls: 0, vouched: 12, tree: true, day: today() });
    let long = Duration::from_secs(1_800);
    let neighbour = Daemon::start(Setup { data: Some(data), ..Setup::default() });
    let held = |daemon: &Daemon| daemon.get("/api/v1/summary")["statements"].as_u64().expect("a count");
    // It is ready before its statements are back.
    let all = until_within(long, "the neighbour's statements", || Some(held(&neighbour)).filter(|n| *n > reports));
    let card = neighbour.get("/api/v1/node")["card"].clone();
    let address = until("an address", || neighbour.get("/api/v1/peers")["listening"][0].as_str().map(str::to_owned));
    let home = Daemon::start(Setup { peers: vec![address], ..Setup::default() });
    let before = memory_mb(&home, "VmRSS:");
    let (status, _) = home.ask("POST", "/api/v1/vouches", Some(&json!({"card": card, "name": "Neighbour"})));
    assert_eq!(status, 201);
    until("the first", || (held(&home) > 1).then_some(()));
    let began = Instant::now();
    let mut half = None;
    until_within(long, "all", || {
        let held = held(&home);
        if half.is_none() && held > all / 2 {
            half = memory_mb(&home, "VmRSS:");
        }
        (held > all).then_some(())
    });
    let ms = began.elapsed().as_secs_f64() * 1e3;
    json!({
        "count": all, "p50_ms": ms, "p95_ms": ms, "p99_ms": ms, "before_mb": before, "half_mb": half,
        "rss_mb": memory_mb(&home, "VmRSS:"), "peak_mb": memory_mb(&home, "VmHWM:"), "giver_peak_mb": memory_mb(&neighbour, "VmHWM:"),
    })
}

fn memory_mb(daemon: &Daemon, which: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).expect("it runs");
    let kb = status.lines().find_map(|l| l.strip_prefix(which)).and_then(|l| l.trim().split(' ').next());
    kb.and_then(|kb| kb.parse::<f64>().ok()).map(|kb| kb / 1024.0)
}
