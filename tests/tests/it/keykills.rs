//! Nodes that are killed amid what they do to their key and their data. The moment is that of a file that appears or changes;
//! whatever was killed, the next start goes on with the whole of before or the whole of after.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Instant,
};

use meerkat_protocols::time::Day;
use meerkat_tests::{
    daemon::{Daemon, Setup, free_port, program},
    members::{enrol, there},
    seed::{self, Seed},
    wait::{PATIENCE, until},
};
use serde_json::json;

const WORDS: &str = "seven storks over the mill";
const BLOCKED: &str = "4930901820";

fn setup(data: &Path, port: u16) -> Setup {
    Setup { data: Some(data.into()), listen: vec![format!("/ip4/127.0.0.1/tcp/{port}")], ..Setup::default() }
}

fn block(daemon: &Daemon) {
    let body = json!({"standing": "block", "label": "", "notes": ""});
    assert_eq!(daemon.ask("PUT", &format!("/api/v1/lists/%2B{BLOCKED}"), Some(&body)).0, 200);
}

fn is_blocked(daemon: &Daemon) -> bool {
    daemon.get(&format!("/api/v1/numbers/%2B{BLOCKED}"))["assessment"]["verdict"] == "block"
}

/// Looks without a pause: what is waited for is there for some milliseconds.
fn spin(what: &str, mut is_there: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_there() {
        assert!(Instant::now() < deadline, "waited in vain for: {what}");
        std::thread::yield_now();
    }
}

/// A command of the node that reads a pass-phrase.
fn begun(data: &Path, args: &[&str], words: &str) -> Child {
    let mut command = Command::new(program());
    command.arg("--data").arg(data).args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the program starts");
    // It may be told that it is refused before it has read.
    let _ = child.stdin.take().expect("piped").write_all(words.as_bytes());
    child
}

#[test]
fn a_switch_to_the_members_is_whole_whenever_the_node_is_killed() {
    let folder = tempfile::tempdir().expect("a folder");
    let (hall, attic) = (folder.path().join("hall"), folder.path().join("attic"));
    let ports = [free_port(), free_port()];
    let keeper = Daemon::start(setup(&hall, ports[0]));
    let mut owner = Daemon::start(setup(&attic, ports[1]));
    enrol(&keeper, &owner, "attic", "member");
    block(&owner);
    let held = || keeper.get("/api/v1/key")["held_for"].as_array().is_some_and(|names| !names.is_empty());
    let key = attic.join("seal.key");
    for round in 0..4 {
        until("both to be there", || (there(&owner).len() == 2 && there(&keeper).len() == 2).then_some(()));
        let beside = std::fs::read(&key).expect("the key file");
        let switching = begun(&attic, &["key", "mode", "member"], "");
        match round {
            // The other has the secret, the key file may not be written.
            0 | 1 => spin("the hall to hold it", held),
            // The note of whom to ask, which comes before the key file.
            2 => spin("the note", || attic.join("members.ask").exists()),
            _ => spin("the key file", || std::fs::read(&key).is_ok_and(|now| now != beside)),
        }
        owner.kill();
        drop(switching.wait_with_output());
        // Whichever way it is, the other is there and the node starts.
        owner = Daemon::start(setup(&attic, ports[1]));
        assert!(is_blocked(&owner), "round {round}");
        until("both to be there", || (there(&owner).len() == 2 && there(&keeper).len() == 2).then_some(()));
        assert_eq!(owner.ask("PUT", "/api/v1/key", Some(&json!({"mode": "beside"}))).0, 200);
        until("the hall to drop it", || (!held()).then_some(()));
    }
}

/// A node with so many calls that what is done with all of them takes a while.
fn large(data: &Path) -> Daemon {
    seed::fill(data, Seed { calls: 30_000, statements: 0, per_home: 1, vouched: 0, tree: false, day: Day(20_700) });
    let daemon = Daemon::start(Setup { data: Some(data.into()), ..Setup::default() });
    block(&daemon);
    daemon
}

fn names(folder: &Path, end: &str) -> Vec<String> {
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = all.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| name.starts_with("meerkat-auto-") && name.ends_with(end));
    names.sort();
    names
}

#[test]
fn a_planned_backup_that_is_killed_leaves_the_older_ones_and_the_next_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, backups) = (folder.path().join("data"), folder.path().join("backups"));
    let mut daemon = large(&data);
    let plan = json!({"every": "week", "folder": backups, "keep": 1, "pass_phrase": WORDS});
    assert_eq!(daemon.ask("PUT", "/api/v1/backups/plan", Some(&plan)).0, 200);
    assert_eq!(daemon.ask("POST", "/api/v1/backups/plan/made", Some(&json!({}))).0, 200);
    assert_eq!(names(&backups, ".age"), ["meerkat-auto-000000.age"]);
    for _ in 0..2 {
        let making = begun(&data, &["backup", "now"], "");
        spin("half a backup", || !names(&backups, ".part").is_empty());
        daemon.kill();
        drop(making.wait_with_output());
        assert_eq!(
            names(&backups, ".age"),
            ["meerkat-auto-000000.age"],
            "the old one stays until the new one is whole"
        );
        daemon = Daemon::start(Setup { data: Some(data.clone()), ..Setup::default() });
    }
    let (status, made) = daemon.ask("POST", "/api/v1/backups/plan/made", Some(&json!({})));
    assert_eq!((status, &made["problem"]), (200, &json!(null)), "{made}");
    assert_eq!((names(&backups, ".age").len(), names(&backups, ".part").len()), (1, 0));
    let acts = daemon.get("/api/v1/audit?what=backup.planned");
    assert_eq!(acts["items"][0]["result"], "done", "{acts}");
    // Its disk is gone: an alarm says what to do, which ends with the next that is made.
    std::fs::rename(&backups, folder.path().join("unplugged")).expect("moved");
    assert_eq!(daemon.ask("POST", "/api/v1/backups/plan/made", Some(&json!({}))).0, 409);
    assert!(daemon.get("/api/v1/summary")["alarms"].to_string().contains("backup_failed"));
    std::fs::rename(folder.path().join("unplugged"), &backups).expect("moved");
    assert_eq!(daemon.ask("POST", "/api/v1/backups/plan/made", Some(&json!({}))).0, 200);
    assert!(!daemon.get("/api/v1/summary")["alarms"].to_string().contains("backup_failed"));
    let file = daemon.get("/api/v1/backups/plan")["file"].as_str().expect("a file").to_owned();
    assert!(daemon.stop().success());
    // What was written without the pass-phrase is opened by it, on another machine.
    let other = folder.path().join("other");
    let restored = begun(&other, &["backup", "restore", "--as", "same", &file], WORDS).wait().expect("it ends");
    assert!(restored.success());
    assert!(is_blocked(&Daemon::start(Setup { data: Some(other), ..Setup::default() })));
}

#[test]
fn a_restoration_that_is_killed_leaves_the_old_data_or_the_new() {
    let folder = tempfile::tempdir().expect("a folder");
    let (data, file): (_, PathBuf) = (folder.path().join("data"), folder.path().join("all.age"));
    let mut daemon = large(&data);
    let shown = file.to_str().expect("plain").to_owned();
    assert!(begun(&data, &["backup", "create", &shown], WORDS).wait().expect("it ends").success());
    // What tells the old data from that of the backup.
    assert_eq!(daemon.ask("DELETE", &format!("/api/v1/lists/%2B{BLOCKED}"), None).0, 204);
    for round in 0..4 {
        let restoring = begun(&data, &["backup", "restore", "--as", "same", &shown], WORDS);
        let (begins, whole) = (data.join("restoring"), data.join("restored"));
        match round {
            0 => spin("the unpacking", || begins.is_dir()),
            1 => spin("some of it", || {
                std::fs::metadata(begins.join("meerkat.redb")).is_ok_and(|found| found.len() > 1 << 20)
            }),
            2 => spin("all of it", || whole.is_dir()),
            _ => spin("the change of places", || data.join("replaced-1").is_dir()),
        }
        daemon.kill();
        drop(restoring.wait_with_output());
        let done = whole.is_dir() || data.join("replaced-1").is_dir();
        daemon = Daemon::start(Setup { data: Some(data.clone()), ..Setup::default() });
        assert_eq!(is_blocked(&daemon), done, "round {round}: the old data or the new");
        assert_eq!(daemon.get("/api/v1/calls?limit=200")["items"].as_array().map(Vec::len), Some(200));
        assert_eq!(daemon.get("/api/v1/calls/stats")["damaged"].as_u64().unwrap_or(0), 0);
        if done {
            break;
        }
    }
    assert!(is_blocked(&daemon), "one of them came to its end");
}
