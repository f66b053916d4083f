//! The key of the stored data, given out by another node of the household at each start: with real nodes, one of them off,
//! removed, killed, rotated, restored.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
};

use meerkat_tests::{
    caller::{From, Ring},
    daemon::{Daemon, Setup, free_port},
    members::{enrol, there},
    wait::until,
};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A number that the attic blocks.
const BLOCKED: &str = "4930901820";

/// Two nodes of one household at fixed addresses, and the line of the second.
struct Home {
    folder: TempDir,
    ports: [u16; 2],
    line: u16,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self { folder, ports: [free_port(), free_port()], line: free_port() }
    }

    fn data(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn setup(&self, name: &str) -> Setup {
        let (which, config) = match name {
            "hall" => (0, String::new()),
            _ => {
                let line = format!(
                    "[[line]]\nname = \"home\"\nmode = \"direct\"\nbind = \"127.0.0.1:{}\"\nblock = \"603\"\nhold_ms = 100\n",
                    self.line
                );
                (1, line)
            }
        };
        let listen = vec![format!("/ip4/127.0.0.1/tcp/{}", self.ports[which])];
        Setup { data: Some(self.data(name)), listen, config, ..Setup::default() }
    }

    fn start(&self, name: &str) -> Daemon {
        Daemon::start(self.setup(name))
    }

    /// The attic, started and not waited for.
    fn begin(&self) -> Daemon {
        let daemon = Daemon::spawn(&self.setup("attic"));
        let socket = self.data("attic").join("meerkat.sock");
        until("the node to answer", || std::os::unix::net::UnixStream::connect(&socket).ok().map(drop));
        daemon
    }

    fn ring(&self) -> u16 {
        let address = SocketAddr::from(([127, 0, 0, 1], self.line));
        Ring::start(address, From::number(&format!("+{BLOCKED}"))).finish().last().expect("a final response").0
    }
}

fn member(daemon: &Daemon) -> (u16, Value) {
    daemon.ask("PUT", "/api/v1/key", Some(&json!({"mode": "member"})))
}

fn is_blocked(daemon: &Daemon) -> bool {
    daemon.get(&format!("/api/v1/numbers/%2B{BLOCKED}"))["assessment"]["verdict"] == "block"
}

/// Two nodes of one household; the attic's key is with the hall.
fn entrusted(home: &Home) -> (Daemon, Daemon) {
    let (hall, attic) = (home.start("hall"), home.start("attic"));
    let (status, refused) = member(&attic);
    assert_eq!((status, &refused["code"]), (409, &json!("no_member")), "{refused}");
    enrol(&hall, &attic, "attic", "member");
    until("both to be there", || (there(&attic).len() == 2 && there(&hall).len() == 2).then_some(()));
    let body = json!({"standing": "block", "label": "", "notes": ""});
    assert_eq!(attic.ask("PUT", &format!("/api/v1/lists/%2B{BLOCKED}"), Some(&body)).0, 200);
    let (status, key) = member(&attic);
    assert_eq!((status, &key["mode"]), (200, &json!("member")), "{key}");
    assert_eq!(key["holders"].as_array().map(Vec::len), Some(1), "{key}");
    (hall, attic)
}

/// The lines about keys in a node's own audit log, newest first.
fn acts(daemon: &Daemon) -> Vec<String> {
    let page = daemon.get("/api/v1/audit?limit=50");
    let lines = page["items"].as_array().expect("lines").iter().filter(|line| line["actor"] == "this node");
    let said = |line: &Value| format!("{} {} {}", line["action"], line["target"], line["result"]).replace('"', "");
    lines.map(said).filter(|line| line.starts_with("key.")).collect()
}

fn alarms(daemon: &Daemon) -> Vec<String> {
    let summary = daemon.get("/api/v1/summary");
    let alarms = summary["alarms"].as_array().cloned().unwrap_or_default();
    alarms.iter().filter_map(|alarm| alarm["code"].as_str().map(str::to_owned)).collect()
}

/// What a browser sees.
fn page(daemon: &Daemon) -> String {
    let mut stream = TcpStream::connect(daemon.web()).expect("the page listens");
    write!(stream, "GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", daemon.web()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn a_node_is_given_its_key_by_another_waits_for_it_and_is_refused_once_removed() {
    let home = Home::new();
    let (mut hall, mut attic) = entrusted(&home);
    assert!(attic.stop().success());

    // The other node is there: it unlocks by itself, after a kill as well.
    let mut attic = home.start("attic");
    assert!(is_blocked(&attic));
    assert_eq!(acts(&hall), ["key.release attic done"]);
    assert_eq!(alarms(&hall), ["key_released"]);
    attic.kill();
    let mut attic = home.start("attic");
    until("the blocked number to be kept away", || (home.ring() == 603).then_some(()));
    assert!(attic.stop().success());

    // The other is off: it stays locked, every call rings, and the page says what it waits for.
    assert!(hall.stop().success());
    let mut attic = home.begin();
    assert_eq!(attic.get("/health")["status"], "locked");
    assert_eq!(home.ring(), 480);
    assert!(
        until("words", || attic.get("/health")["waiting"].as_str().map(str::to_owned)).contains("reaches none yet")
    );
    let shown = page(&attic);
    assert!(shown.contains("waits for another node") && !shown.contains("type=\"password\""), "{shown}");
    assert_eq!(attic.ask("POST", "/api/v1/unlock", Some(&json!({"pass_phrase": "anything at all"}))).0, 409);
    let status = attic.cli(&["status"]);
    assert!(String::from_utf8_lossy(&status.stdout).contains("waits for another node"));

    // The other comes: it goes on in the same process.
    let pid = attic.pid();
    let hall = home.start("hall");
    attic.wait_ready();
    assert_eq!(attic.pid(), pid);
    assert!(is_blocked(&attic));

    // Removed while it is off: it gets nothing, and says so.
    assert!(attic.stop().success());
    let number = hall.get("/api/v1/household")["members"]
        .as_array()
        .and_then(|members| members.iter().find(|member| member["name"] == "attic"))
        .map(|attic| attic["number"].clone())
        .expect("a member");
    assert_eq!(hall.ask("DELETE", &format!("/api/v1/household/members/{number}"), None).0, 200);
    let attic = home.begin();
    until("a refusal", || page(&attic).contains("was removed from its household").then_some(()));
    assert_eq!((attic.get("/health")["status"].clone(), home.ring()), (json!("locked"), 480));
    assert_eq!(acts(&hall).first().map(String::as_str), Some("key.release attic refused: removed"));
    assert!(alarms(&hall).contains(&"key_refused".to_owned()));
    assert_eq!(hall.get("/api/v1/audit/verified")["intact"], true);
}

#[test]
fn the_way_in_which_the_key_is_kept_outlives_a_rotation_and_a_restored_backup() {
    let home = Home::new();
    let (hall, mut attic) = entrusted(&home);
    assert_eq!(attic.ask("POST", "/api/v1/key/rotation", Some(&json!({}))).0, 202);
    until("the new key", || attic.get("/api/v1/key")["rotation"].is_null().then_some(()));
    assert_eq!(attic.get("/api/v1/key")["mode"], "member");
    attic.kill();
    let mut attic = home.start("attic");
    assert!(is_blocked(&attic));

    let file = home.data("attic.age");
    let mut making = std::process::Command::new(meerkat_tests::daemon::program());
    making.arg("--data").arg(attic.data()).args(["backup", "create"]).arg(&file);
    assert!(said(making, "seven storks over the mill\n"));
    let mut restoring = std::process::Command::new(meerkat_tests::daemon::program());
    restoring.arg("--data").arg(attic.data()).args(["backup", "restore", "--as", "same"]).arg(&file);
    assert!(said(restoring, "seven storks over the mill\n"));
    attic.wait_ready();
    assert_eq!(attic.get("/api/v1/key")["mode"], "member");
    assert!(is_blocked(&attic));

    // And back to the file beside, of which the other is told.
    assert_eq!(attic.ask("PUT", "/api/v1/key", Some(&json!({"mode": "beside"}))).0, 200);
    assert!(!home.data("attic").join("members.ask").exists());
    until("the hall to drop it", || hall.get("/api/v1/key")["held_for"].as_array()?.is_empty().then_some(()));
    assert!(attic.stop().success());
    let attic = home.start("attic");
    assert!(is_blocked(&attic));
}

/// Runs a command that reads this from its standard input.
fn said(mut command: std::process::Command, words: &str) -> bool {
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().expect("the program starts");
    child.stdin.take().expect("piped").write_all(words.as_bytes()).expect("given");
    child.wait().expect("it ends").success()
}
