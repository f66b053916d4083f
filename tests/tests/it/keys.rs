//! The key of the stored data: kept in three ways, locked at a start, replaced while it is used, and killed at any point of
//! all that.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::Path,
    process::{Command, Stdio},
};

use meerkat_protocols::time::Day;
use meerkat_tests::{
    caller::{From, Ring},
    daemon::{Daemon, Setup, free_port, program},
    seed::{self, Seed},
    wait::until,
};
use serde_json::{Value, json};

const WORDS: &str = "seven storks over the mill";
/// Stands in a list, and must not be found in any file.
const CANARY: &str = "Wendelgard-Canary";

fn line(port: u16) -> String {
    format!(
        "[[line]]\nname = \"home\"\nmode = \"direct\"\nbind = \"127.0.0.1:{port}\"\nblock = \"603\"\nhold_ms = 100\n"
    )
}

fn block(daemon: &Daemon, digits: &str) {
    let body = json!({"standing": "block", "label": CANARY, "notes": ""});
    let (status, answer) = daemon.ask("PUT", &format!("/api/v1/lists/%2B{digits}"), Some(&body));
    assert_eq!(status, 200, "{answer}");
}

fn is_blocked(daemon: &Daemon, digits: &str) -> bool {
    daemon.get(&format!("/api/v1/numbers/%2B{digits}"))["assessment"]["verdict"] == "block"
}

fn last_code(ring: Ring) -> u16 {
    ring.finish().last().expect("a final response").0
}

fn mode(daemon: &Daemon, mode: &str) -> u16 {
    let mut body = json!({"mode": mode});
    if mode == "pass-phrase" {
        body["pass_phrase"] = json!(WORDS);
    }
    daemon.ask("PUT", "/api/v1/key", Some(&body)).0
}

/// Starts a daemon whose key may be locked, and gives what `/health` says first.
fn locked(data: &Path, config: &str) -> Daemon {
    let daemon = Daemon::spawn(&Setup { data: Some(data.into()), config: config.into(), ..Setup::default() });
    let socket = data.join("meerkat.sock");
    until("the locked node to answer", || std::os::unix::net::UnixStream::connect(&socket).ok().map(drop));
    assert_eq!(daemon.get("/health")["status"], "locked");
    daemon
}

fn unlock(daemon: &Daemon, words: &str) -> u16 {
    daemon.ask("POST", "/api/v1/unlock", Some(&json!({"pass_phrase": words}))).0
}

/// What a browser gets.
fn browse(daemon: &Daemon, method: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(daemon.web()).expect("the page listens");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        daemon.web(),
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

fn found_in(folder: &Path, words: &[u8]) -> bool {
    std::fs::read_dir(folder).expect("a folder").flatten().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return found_in(&path, words);
        }
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        is_file && std::fs::read(path).is_ok_and(|bytes| bytes.windows(words.len()).any(|w| w == words))
    })
}

#[test]
fn a_locked_node_rings_every_call_asks_for_the_pass_phrase_and_starts_in_the_same_process() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let port = free_port();
    let (config, address) = (line(port), SocketAddr::from(([127, 0, 0, 1], port)));
    let mut daemon = Daemon::start(Setup { data: Some(data.clone()), config: config.clone(), ..Setup::default() });
    block(&daemon, "4930901820");
    assert_eq!(mode(&daemon, "pass-phrase"), 200);
    assert_eq!(daemon.get("/api/v1/key")["mode"], "pass-phrase");
    assert_eq!(last_code(Ring::start(address, From::number("+4930901820"))), 603);
    assert!(daemon.stop().success());

    let mut daemon = locked(&data, &config);
    let pid = daemon.pid();
    // The blocked number rings: the node does not know that it is blocked.
    assert_eq!(last_code(Ring::start(address, From::number("+4930901820"))), 480);
    let page = browse(&daemon, "GET", "/", "");
    assert!(page.contains("is locked") && page.contains("type=\"password\"") && !page.contains("<script"), "{page}");
    for path in ["/api/v1/calls", "/api/v1/session", "/api/v1/summary", "/api/v1/key"] {
        assert_eq!(daemon.ask("GET", path, None).0, 503, "{path}");
    }
    // Wrong words are slowed on the page.
    let codes: Vec<String> =
        (0..4).map(|_| browse(&daemon, "POST", "/unlock", "pass_phrase=wrong")[9..12].to_owned()).collect();
    assert_eq!(codes, ["401", "401", "401", "429"]);
    assert_eq!(unlock(&daemon, "also wrong, at the socket"), 401);
    let status = daemon.cli(&["status"]);
    assert_eq!((status.status.code(), String::from_utf8_lossy(&status.stdout).contains("Locked")), (Some(1), true));

    // By the command line, from standard input.
    let mut cli = Command::new(program());
    cli.arg("--data").arg(&data).arg("unlock").stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut cli = cli.spawn().expect("the program starts");
    cli.stdin.take().expect("piped").write_all(format!("{WORDS}\n").as_bytes()).expect("given");
    assert!(cli.wait().expect("ends").success());
    daemon.wait_ready();
    assert_eq!(daemon.pid(), pid);
    assert!(is_blocked(&daemon, "4930901820"));
    until("the blocked number to be kept away", || {
        (last_code(Ring::start(address, From::number("+4930901820"))) == 603).then_some(())
    });
    let log = daemon.log();
    for secret in [WORDS, "wrong", "4930901820"] {
        assert!(!log.contains(secret), "{secret} in the log:\n{log}");
    }
    assert!(daemon.stop().success());
    assert!(!found_in(folder.path(), CANARY.as_bytes()) && !found_in(folder.path(), WORDS.as_bytes()));
}

#[test]
fn a_mode_is_whole_whenever_the_process_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut daemon = Daemon::start(Setup { data: Some(data.clone()), ..Setup::default() });
    block(&daemon, "4930901820");
    let mut now = "beside";
    for round in 0..6_u64 {
        let next = if now == "beside" { "pass-phrase" } else { "beside" };
        // Killed somewhere in the switch: a pass-phrase takes some tenths of a second.
        let (pid, pause) = (daemon.pid().to_string(), std::time::Duration::from_millis(round * 40));
        let killer = std::thread::spawn(move || {
            std::thread::sleep(pause);
            Command::new("kill").args(["-9", &pid]).status()
        });
        let switched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| mode(&daemon, next))).ok();
        assert!(killer.join().expect("no panic").expect("kill is there").success());
        daemon.kill();
        daemon = Daemon::spawn(&Setup { data: Some(data.clone()), ..Setup::default() });
        let socket = data.join("meerkat.sock");
        let status = until("an answer", || {
            std::os::unix::net::UnixStream::connect(&socket).ok()?;
            Some(daemon.get("/health")["status"].clone())
        });
        if status == "locked" {
            assert_eq!(unlock(&daemon, WORDS), 204);
            now = "pass-phrase";
        } else {
            now = "beside";
        }
        assert!(switched != Some(200) || now == next, "a switch that was told as done is done: {round}");
        daemon.wait_ready();
        assert!(is_blocked(&daemon, "4930901820"), "round {round}");
    }
}

#[test]
fn a_rotation_that_is_killed_goes_on_and_loses_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let day = Day(20_700);
    let seed = Seed { calls: 20_000, statements: 0, per_home: 1, vouched: 0, tree: false, day };
    seed::fill(&data, seed);
    let mut daemon = Daemon::start(Setup { data: Some(data.clone()), ..Setup::default() });
    block(&daemon, "4930901820");
    let first = std::fs::read(data.join("seal.key")).expect("the key file");
    assert_eq!(daemon.ask("POST", "/api/v1/key/rotation", Some(&json!({}))).0, 202);
    let (mut kills, mut seen) = (0, 0);
    loop {
        let rotation = daemon.get("/api/v1/key")["rotation"].clone();
        if rotation == Value::Null {
            break;
        }
        let rows = rotation["rows"].as_u64().expect("a number");
        if rows > seen && kills < 5 {
            // What was sealed anew stays so.
            seen = rows;
            daemon.kill();
            kills += 1;
            daemon = Daemon::start(Setup { data: Some(data.clone()), ..Setup::default() });
            assert!(is_blocked(&daemon, "4930901820"));
        }
    }
    assert!(kills > 0, "it was over before it could be killed");
    let calls = daemon.get("/api/v1/calls?limit=200");
    assert_eq!(calls["items"].as_array().expect("a list").len(), 200);
    assert_eq!(daemon.get("/api/v1/calls/stats")["damaged"].as_u64().unwrap_or(0), 0);
    assert!(daemon.stop().success());
    assert_ne!(std::fs::read(data.join("seal.key")).expect("the key file"), first);
    let daemon = Daemon::start(Setup { data: Some(data), ..Setup::default() });
    assert!(is_blocked(&daemon, "4930901820"));
    assert_eq!(daemon.get("/api/v1/summary")["alarms"], json!([]), "nothing is damaged");
}
