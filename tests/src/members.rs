//! Real nodes that become members of one household, as two people do it at two screens.

use std::{
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};

use crate::{
    daemon::{Daemon, Setup, free_port, program},
    namespace::Lan,
    wait::{until, until_within},
};

/// A connection on which a cut went unnoticed goes on by what TCP and QUIC send again; one that was given up is made anew
/// within half a minute.
pub const HEALED: Duration = Duration::from_secs(90);

/// The digits that a node shows for a comparison that waits for a person.
fn digits(daemon: &Daemon, whose: &str) -> Option<String> {
    let enrolment = daemon.get("/api/v1/household/enrolment");
    let of = match whose {
        "guest" => enrolment["guests"].as_array()?.first()?.clone(),
        _ => enrolment["joining"].clone(),
    };
    of["digits"].as_str().map(str::to_owned)
}

/// A person says something at the command line, and it is done.
///
/// # Panics
/// If it is not.
pub fn said(daemon: &Daemon, args: &[&str]) {
    let output = daemon.cli(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Lets a node into the household of another, by the text of an invite; both confirm the digits.
///
/// # Panics
/// If it does not come to that.
pub fn enrol(admin: &Daemon, guest: &Daemon, name: &str, role: &str) {
    let invite = admin.cli_json(&["household", "invite"]);
    let text = invite["invite"]["text"].as_str().expect("an invite").to_owned();
    let mut joining = Command::new(program())
        .arg("--data")
        .arg(guest.data())
        .args(["household", "join", &text, "--yes", "--name", name])
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    let shown = until("the digits", || digits(admin, "guest"));
    assert_eq!(until("the same digits", || digits(guest, "joining")), shown);
    let shown: String = shown.chars().filter(char::is_ascii_digit).collect();
    said(guest, &["household", "confirm", &shown]);
    said(admin, &["household", "confirm", &shown, "--role", role]);
    assert!(joining.wait().expect("it ends").success(), "it joined");
}

/// The names of those who are there, as a node sees its household.
#[must_use]
pub fn there(daemon: &Daemon) -> Vec<String> {
    let household = daemon.get("/api/v1/household");
    let members = household["members"].as_array().cloned().unwrap_or_default();
    let is_there = |member: &&Value| member["own"] == true || member["in_step"] == true;
    let mut names: Vec<String> =
        members.iter().filter(is_there).filter_map(|member| member["name"].as_str().map(str::to_owned)).collect();
    names.sort();
    names
}

/// A daemon whose data folder outlives it; after each start it is at the same port, as at home.
///
/// # Panics
/// If the folder cannot be written.
#[must_use]
pub fn at(folder: &Path, name: &str) -> Daemon {
    let note = folder.join(format!("{name}.port"));
    let port = std::fs::read_to_string(&note).unwrap_or_else(|_| {
        let port = free_port().to_string();
        std::fs::write(&note, &port).expect("a folder of the test's own");
        port
    });
    let listen = vec![format!("/ip4/127.0.0.1/tcp/{port}")];
    Daemon::start(Setup { data: Some(folder.join(name)), listen, ..Setup::default() })
}

/// A node on a machine of a network.
#[must_use]
pub fn on(lan: &Lan, machine: u8, data: Option<std::path::PathBuf>) -> Daemon {
    Daemon::start(Setup {
        before: lan.before(machine),
        listen: vec!["/ip4/0.0.0.0/tcp/4787".into(), "/ip4/0.0.0.0/udp/4787/quic-v1".into()],
        data,
        ..Setup::default()
    })
}

/// Who is on the way in, as a node sees it.
#[must_use]
pub fn enrolment(daemon: &Daemon) -> Value {
    daemon.get("/api/v1/household/enrolment")
}

/// Numbers and names of the members.
///
/// # Panics
/// If the daemon does not tell them.
#[must_use]
pub fn members(daemon: &Daemon) -> Vec<(u64, String)> {
    let household = daemon.get("/api/v1/household");
    let all = household["members"].as_array().expect("members").iter().filter(|m| m["removed"] != true);
    all.map(|m| (m["number"].as_u64().expect("a number"), m["name"].as_str().expect("a name").to_owned())).collect()
}

/// The home and this node's number in it.
///
/// # Panics
/// If the daemon does not tell them.
#[must_use]
pub fn identity(daemon: &Daemon) -> (String, u64) {
    let node = daemon.get("/api/v1/node");
    (node["home"].as_str().expect("a home").to_owned(), node["node"].as_u64().expect("a number"))
}

/// The text of a new invite.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn invite(host: &Daemon) -> String {
    let made = host.cli_json(&["household", "invite"]);
    made["invite"]["text"].as_str().expect("text").to_owned()
}

/// A person has compared the digits.
///
/// # Panics
/// If the node does not take it.
pub fn confirm(daemon: &Daemon, digits: &str) {
    said(daemon, &["household", "confirm", digits]);
}

/// Begins to join by an invite, which does not wait.
///
/// # Panics
/// If it is refused at once.
pub fn join_by(guest: &Daemon, invite: &str) {
    let body = json!({"invite": invite, "name": "garage"});
    let (status, said) = guest.ask("POST", "/api/v1/household/join", Some(&body));
    assert_eq!(status, 200, "{said}");
}

/// Begins to join until both show the same digits; gives them.
pub fn begin(host: &Daemon, guest: &Daemon) -> String {
    join_by(guest, &invite(host));
    let shown = until("the digits", || digits(guest, "joining"));
    until("the host's digits", || (digits(host, "guest").as_ref() == Some(&shown)).then_some(()));
    shown
}

/// Until the guest answers as a member of the host's home, and both are in step.
pub fn until_member(host: &Daemon, guest: &Daemon) {
    let home = identity(host).0;
    let is_member = || {
        let (status, node) = guest.try_ask("/api/v1/node")?;
        (status == 200 && node["home"] == home.as_str()).then_some(())
    };
    until("the node to be a member", is_member);
    until_within(HEALED, "both to be there", || {
        let there = |daemon: &Daemon| {
            let (_, household) = daemon.try_ask("/api/v1/household")?;
            let others = household["members"].as_array()?.iter().filter(|m| m["removed"] != true && m["own"] != true);
            others.map(|m| m["in_step"] == true).reduce(|all, one| all && one)?.then_some(())
        };
        there(host)?;
        there(guest)
    });
}

/// What a person has to look at, by its name.
#[must_use]
pub fn alarms(daemon: &Daemon) -> Vec<String> {
    let summary = daemon.get("/api/v1/summary");
    let all = summary["alarms"].as_array().cloned().unwrap_or_default();
    all.iter().filter_map(|alarm| alarm["code"].as_str().map(str::to_owned)).collect()
}
