//! A node becomes a member of a household, on two real daemons: by the command line, and whatever is killed on the way.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use meerkat_tests::{
    daemon::{Daemon, Setup},
    wait::until,
};
use serde_json::Value;

/// A daemon whose data folder outlives it.
fn at(folder: &Path, name: &str) -> Daemon {
    Daemon::start(Setup { data: Some(folder.join(name)), ..Setup::default() })
}

fn enrolment(daemon: &Daemon) -> Value {
    daemon.get("/api/v1/household/enrolment")
}

fn members(daemon: &Daemon) -> Vec<(u64, String)> {
    let household = daemon.get("/api/v1/household");
    let all = household["members"].as_array().expect("members").iter();
    all.map(|m| (m["number"].as_u64().expect("a number"), m["name"].as_str().expect("a name").to_owned())).collect()
}

/// The home and this node's number in it.
fn identity(daemon: &Daemon) -> (String, u64) {
    let node = daemon.get("/api/v1/node");
    (node["home"].as_str().expect("a home").to_owned(), node["node"].as_u64().expect("a number"))
}

fn invite(host: &Daemon) -> String {
    let made = host.cli_json(&["household", "invite"]);
    made["invite"]["text"].as_str().expect("text").to_owned()
}

fn confirm(daemon: &Daemon, digits: &str) {
    let output = daemon.cli(&["household", "confirm", digits]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Begins to join over the API, which does not wait.
fn begin(host: &Daemon, guest: &Daemon) -> String {
    let body = serde_json::json!({"invite": invite(host), "name": "garage"});
    let (status, said) = guest.ask("POST", "/api/v1/household/join", Some(&body));
    assert_eq!(status, 200, "{said}");
    let digits = until("the digits", || enrolment(guest)["joining"]["digits"].as_str().map(str::to_owned));
    until("the host's digits", || (enrolment(host)["guests"][0]["digits"] == digits.as_str()).then_some(()));
    digits
}

/// Until the guest answers as a member of the host's home.
fn until_member(host: &Daemon, guest: &Daemon) {
    let home = identity(host).0;
    let is_member = || {
        let (status, node) = guest.try_ask("/api/v1/node")?;
        (status == 200 && node["home"] == home.as_str()).then_some(())
    };
    until("the node to be a member", is_member);
    until("both to be there", || {
        let there = |daemon: &Daemon| {
            let (_, household) = daemon.try_ask("/api/v1/household")?;
            household["members"]
                .as_array()
                .is_some_and(|all| all.len() == 2 && all.iter().all(|m| m["in_step"] == true))
                .then_some(())
        };
        there(host)?;
        there(guest)
    });
}

#[test]
fn two_nodes_enrol_by_the_command_line() {
    let begun = Instant::now();
    let (host, guest) = (Daemon::start(Setup::default()), Daemon::start(Setup::default()));
    let started = begun.elapsed();
    let blocked = guest.cli(&["list", "block", "+4930901820", "--label", "tout"]);
    assert!(blocked.status.success());
    let old = identity(&guest);
    let text = invite(&host);
    let refused = guest.cli(&["household", "join", &text]);
    assert!(!refused.status.success(), "nobody was asked whether to leave behind what stays");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stays behind"));
    let begun = Instant::now();
    let joining = guest.cli_begun(&["household", "join", &text, "--name", "garage", "--yes"]);
    let digits = until("the host's digits", || {
        enrolment(&host)["guests"][0]["digits"].as_str().map(|digits| digits.replace(' ', ""))
    });
    confirm(&host, &digits);
    confirm(&guest, &digits);
    let joined = joining.wait_with_output().expect("it ran");
    let said = String::from_utf8_lossy(&joined.stdout).into_owned();
    assert!(joined.status.success(), "{said} {}", String::from_utf8_lossy(&joined.stderr));
    assert!(said.contains("garage (this node)"), "{said}");
    until_member(&host, &guest);
    println!("started in {started:.1?}; from join to both in step {:.1?}", begun.elapsed());
    let (home, number) = identity(&guest);
    assert_eq!(home, identity(&host).0);
    assert!(home != old.0 && number != 0);
    assert_eq!(members(&host), members(&guest));
    assert!(members(&host).contains(&(number, "garage".into())));
    let lists = guest.cli_json(&["list", "show"]);
    assert_eq!(lists["items"][0]["label"], "tout", "its lists come along: {lists}");
    for daemon in [&host, &guest] {
        assert!(!daemon.log().contains(&text[30..60]), "an invite is not logged");
    }
    // Once only.
    let third = Daemon::start(Setup::default());
    let late = third.cli(&["household", "join", &text, "--yes"]);
    assert_eq!(late.status.code(), Some(65), "{}", String::from_utf8_lossy(&late.stderr));
    // Named, removed, told.
    assert!(host.cli(&["household", "name", "garage", "shed"]).status.success());
    until("the new name", || members(&guest).iter().any(|(_, name)| name == "shed").then_some(()));
    assert!(host.cli(&["household", "remove", "shed", "--yes"]).status.success());
    until("the removed node to know", || (guest.get("/api/v1/household")["expelled"] == true).then_some(()));
}

#[test]
fn whatever_is_killed_on_the_way_each_node_is_of_one_home_and_comes_in_at_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = at(folder.path(), "host");
    let mut guest = at(folder.path(), "guest");
    let (home, alone) = (identity(&host).0, identity(&guest));
    // The joining node, while the people compare.
    begin(&host, &guest);
    guest.kill();
    drop(guest);
    guest = at(folder.path(), "guest");
    assert_eq!((identity(&guest), members(&host).len()), (alone.clone(), 0));
    assert!(enrolment(&guest)["joining"].is_null());
    // The inviting one.
    begin(&host, &guest);
    host.kill();
    drop(host);
    host = at(folder.path(), "host");
    assert_eq!((enrolment(&host)["invite"].is_null(), members(&host).len()), (true, 0));
    let _ = guest.ask("DELETE", "/api/v1/household/join", None);
    // The inviting one, just after its person has confirmed: what it said is saved.
    let digits = begin(&host, &guest);
    confirm(&host, &digits);
    host.kill();
    drop(host);
    host = at(folder.path(), "host");
    // It answers a moment before all it kept is shown.
    until("what was confirmed", || (members(&host).len() == 2).then_some(()));
    let _ = guest.ask("DELETE", "/api/v1/household/join", None);
    // The joining one, just after its person has confirmed, at several moments of its move.
    for after_ms in [0, 20, 60, 150, 400, 1_000] {
        let digits = begin(&host, &guest);
        confirm(&host, &digits);
        until("the roster", || (enrolment(&guest)["joining"]["stage"] == "fetching").then_some(()));
        confirm(&guest, &digits);
        std::thread::sleep(Duration::from_millis(after_ms));
        guest.kill();
        drop(guest);
        guest = at(folder.path(), "guest");
        let now = identity(&guest);
        println!(
            "killed {after_ms} ms after the confirmation: {}",
            if now == alone { "as it was" } else { "a member" }
        );
        if now != alone {
            assert!(now.0 == home && now.1 != 0, "{now:?}");
            break;
        }
        assert_eq!(members(&host).len(), 2, "no second place is given");
    }
    if identity(&guest) == alone {
        let digits = begin(&host, &guest);
        confirm(&host, &digits);
        confirm(&guest, &digits);
    }
    until_member(&host, &guest);
    assert_eq!(members(&host).len(), 2);
}
