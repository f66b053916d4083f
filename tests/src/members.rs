//! Real nodes that become members of one household, as two people do it at two screens.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{
    daemon::{Daemon, program},
    wait::until,
};

/// The digits that a node shows for a comparison that waits for a person.
fn digits(daemon: &Daemon, whose: &str) -> Option<String> {
    let enrolment = daemon.get("/api/v1/household/enrolment");
    let of = match whose {
        "guest" => enrolment["guests"].as_array()?.first()?.clone(),
        _ => enrolment["joining"].clone(),
    };
    of["digits"].as_str().map(str::to_owned)
}

fn said(daemon: &Daemon, args: &[&str]) {
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
