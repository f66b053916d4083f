//! What goes wrong on a real machine: processes killed, folders in use, settings mistyped, ports taken, disks full.

use std::{net::SocketAddr, path::Path, process::Command};

use meerkat_tests::{
    caller::{From, Ring},
    daemon::{Daemon, Setup, free_port, program},
    wait::until,
};
use serde_json::{Value, json};

/// The settings of one direct line on loopback.
fn line(port: u16) -> String {
    format!(
        "[[line]]\nname = \"home\"\nmode = \"direct\"\nbind = \"127.0.0.1:{port}\"\nblock = \"603\"\nhold_ms = 100\n"
    )
}

fn with_line() -> (Setup, SocketAddr) {
    let port = free_port();
    (Setup { config: line(port), ..Setup::default() }, SocketAddr::from(([127, 0, 0, 1], port)))
}

fn wait_line(daemon: &Daemon) {
    until("the line to be ready", || (daemon.get("/api/v1/summary")["lines"][0]["state"] == "ready").then_some(()));
}

fn block(daemon: &Daemon, number: &str) -> u16 {
    let body = json!({"standing": "block", "label": "", "notes": ""});
    daemon.ask("PUT", &format!("/api/v1/lists/{}", number.replace('+', "%2B")), Some(&body)).0
}

fn last_code(ring: Ring) -> u16 {
    ring.finish().last().expect("a final response").0
}

/// How many times a daemon is killed: more behind `cargo xtask soak`.
fn kills() -> u32 {
    std::env::var("MEERKAT_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(12)
}

#[test]
fn what_a_person_was_told_is_saved_survives_kill_9() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut saved = Vec::new();
    for round in 0..kills() {
        let setup = Setup { data: Some(data.clone()), ..Setup::default() };
        let mut daemon = Daemon::start(setup);
        for number in &saved {
            let check = daemon.get(&format!("/api/v1/numbers/{number}"));
            assert_eq!(check["assessment"]["verdict"], "block", "{number} of {saved:?} is gone in round {round}");
        }
        for n in 0..3 {
            let number = format!("%2B4930{:06}", round * 3 + n + 100_000);
            let body = json!({"standing": "block", "label": "kept", "notes": ""});
            let (status, answer) = daemon.ask("PUT", &format!("/api/v1/lists/{number}"), Some(&body));
            assert_eq!(status, 200, "{answer}");
            saved.push(number);
        }
        // At once after the answer: nothing was flushed for the kill.
        daemon.kill();
    }
    assert_eq!(saved.len(), kills() as usize * 3);
}

#[test]
fn a_second_daemon_on_the_same_folder_is_told_whose_it_is() {
    let first = Daemon::start(Setup::default());
    let second = Command::new(program())
        .args(["up", "--web", "127.0.0.1:0", "--listen", "/ip4/127.0.0.1/tcp/0", "--data"])
        .arg(first.data())
        .output()
        .expect("the program starts");
    let words = String::from_utf8_lossy(&second.stderr);
    assert_eq!(second.status.code(), Some(75), "{words}");
    assert!(words.contains(&first.pid().to_string()), "the other's process id is missing: {words}");
    assert_eq!(first.get("/health")["status"], "ok");
}

#[test]
fn a_folder_that_cannot_be_written_is_a_clear_error() {
    let output = Command::new(program()).args(["up", "--data", "/proc/meerkat"]).output().expect("the program starts");
    let words = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(73), "{words}");
    assert!(words.contains("/proc/meerkat"), "{words}");
}

#[test]
fn a_mistake_in_the_settings_leaves_the_page_up_and_says_where_it_is() {
    let config = "[web]\nhots = [\"a\"]\n\n[network]\nmdns = \"maybe\"\n".to_owned();
    let daemon = Daemon::start(Setup { config, ..Setup::default() });
    let summary = daemon.get("/api/v1/summary");
    assert_eq!(summary["safe_mode"], true, "{summary}");
    let problems = daemon.get("/api/v1/config")["problems"].clone();
    let problems = problems.as_array().expect("a list");
    let at = |line: u64| problems.iter().find(|p| p["line"] == line).unwrap_or_else(|| panic!("{line}: {problems:?}"));
    assert!(at(2)["remedy"].as_str().is_some_and(|r| r.contains("hosts")), "a suggestion: {problems:?}");
    assert!(at(5)["words"].as_str().is_some_and(|w| !w.is_empty()));
    // The command line says the same, with the exit code of something that needs attention.
    assert_eq!(daemon.cli(&["status"]).status.code(), Some(1));
}

#[test]
fn a_taken_port_does_not_keep_the_page_away() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let web = taken.local_addr().expect("bound").to_string();
    let daemon = Daemon::start(Setup { web: Some(web.clone()), ..Setup::default() });
    assert!(daemon.log().contains(&web), "the log names the taken port: {}", daemon.log());
    assert_eq!(daemon.get("/health")["status"], "ok");
}

#[test]
fn calls_are_decided_and_logged_over_a_restart() {
    let (setup, address) = with_line();
    let folder = tempfile::tempdir().expect("a folder");
    let config = setup.config.clone();
    let data = Some(folder.path().join("data"));
    let mut daemon = Daemon::start(Setup { data: data.clone(), ..setup });
    wait_line(&daemon);
    assert_eq!(last_code(Ring::start(address, From::number("+4930901820"))), 480);
    assert_eq!(block(&daemon, "+4930901820"), 200);
    assert_eq!(last_code(Ring::start(address, From::number("030901820"))), 603);
    assert!(daemon.stop().success());
    let daemon = Daemon::start(Setup { data, config, ..Setup::default() });
    let calls = daemon.get("/api/v1/calls");
    let verdicts: Vec<&Value> = calls["items"].as_array().expect("a list").iter().map(|c| &c["verdict"]).collect();
    assert_eq!(verdicts, ["block", "allow"], "{calls}");
    assert!(calls["items"][0]["ended"]["how"].is_string(), "{calls}");
}

#[test]
fn hostile_names_are_inert_in_the_log_of_calls_and_in_the_terminal() {
    let (setup, address) = with_line();
    let daemon = Daemon::start(setup);
    wait_line(&daemon);
    let names =
        ["<script>alert(1)</script>", "\u{1b}[31mred\u{1b}[2J", "safe\u{202e}gpj.exe", "x'; DROP TABLE calls; --"];
    for name in names {
        let from = From { user: "+4930901820".into(), name: name.into(), headers: String::new() };
        assert_eq!(last_code(Ring::start(address, from)), 480, "{name:?}");
    }
    until("the calls to be saved", || (daemon.get("/api/v1/calls")["items"].as_array()?.len() == 4).then_some(()));
    let shown = daemon.cli(&["calls"]);
    let text = String::from_utf8_lossy(&shown.stdout).into_owned() + &String::from_utf8_lossy(&shown.stderr);
    assert!(text.contains("DROP TABLE"), "{text}");
    for bad in ['\u{1b}', '\u{202e}', '\u{7}'] {
        assert!(!text.contains(bad), "{bad:?} reaches the terminal: {text:?}");
    }
    let log = daemon.log();
    assert!(!log.contains("901820") && !log.contains("DROP"), "personal data in the log: {log}");
}

/// A small file system of its own that goes when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None` where this user may not mount.
    fn new(megabytes: u32) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let size = format!("size={megabytes}m");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).status();
        mounted.is_ok_and(|s| s.success()).then(|| Self(folder))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

#[test]
fn on_a_full_disk_calls_are_decided_the_alarm_is_visible_and_all_is_saved_afterwards() {
    let Some(disk) = SmallDisk::new(24) else {
        eprintln!("skipped: only root can mount a small disk");
        return;
    };
    let (setup, address) = with_line();
    let data = disk.path().join("data");
    std::fs::create_dir(&data).expect("room");
    let config = disk.path().join("data.toml");
    let daemon = Daemon::start(Setup { data: Some(data), ..setup });
    assert!(config.exists(), "the settings lie beside the folder");
    wait_line(&daemon);
    assert_eq!(block(&daemon, "+4930901821"), 200);
    let ballast = disk.path().join("ballast");
    // The file system says when it is full.
    let _ = std::fs::write(&ballast, vec![1_u8; 24 << 20]);
    assert_eq!(last_code(Ring::start(address, From::number("+4930901821"))), 603);
    assert_eq!(last_code(Ring::start(address, From::number("+4930901820"))), 480);
    let alarms = until("the alarm", || {
        let alarms = daemon.get("/api/v1/summary")["alarms"].clone();
        alarms.as_array()?.iter().any(|a| a["code"] == "not_saving").then_some(alarms)
    });
    assert!(alarms[0]["words"].as_str().is_some_and(|w| w.contains("screened")), "{alarms}");
    std::fs::remove_file(&ballast).expect("our own file");
    until("the calls to be saved", || {
        let calls = daemon.get("/api/v1/calls");
        (calls["items"].as_array()?.len() == 2).then_some(())
    });
    until("the alarm to end", || daemon.get("/api/v1/summary")["alarms"].as_array()?.is_empty().then_some(()));
}
