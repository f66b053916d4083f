//! Nodes of one household on a network that is cut in all ways, or loses much of what is sent: what each was told while it
//! was apart is known to all of them afterwards, and a stolen one learns nothing more.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use ed25519_dalek::SigningKey;
use meerkat_protocols::home::{Card, Genesis};
use meerkat_tests::{
    daemon::{Daemon, Setup},
    members::{HEALED, enrol, said, there},
    namespace::{Lan, unavailable},
    rogue::Stolen,
    wait::{until, until_within},
};
use serde_json::{Value, json};

const NODES: u8 = 5;
/// So many vouches are left to the first node for a day, when it has given of its slots to four others.
const VOUCHES: usize = 3;
/// Until five that were apart are equal: whom a cut has parted is called again after a minute at the latest.
const EQUAL: Duration = Duration::from_secs(150);
/// The line on which each node takes calls, on a machine of its own.
const LINE: u16 = 5060;

/// A node with a line for calls and another that cannot register: an alarm that people can have seen.
fn node(lan: &Lan, machine: u8, data: PathBuf) -> Daemon {
    let config = format!(
        "[[line]]\nname = \"home\"\nmode = \"direct\"\nbind = \"127.0.0.1:{LINE}\"\nblock = \"603\"\nhold_ms = 100\n\n\
         [[line]]\nname = \"broken\"\nmode = \"registered\"\nregistrar = \"127.0.0.1:9\"\nuser = \"a\"\npassword = \"b\"\n\
         bind = \"127.0.0.1:0\"\n"
    );
    Daemon::start(Setup {
        config,
        before: lan.before(machine),
        listen: vec!["/ip4/0.0.0.0/tcp/4787".into(), "/ip4/0.0.0.0/udp/4787/quic-v1".into()],
        data: Some(data),
        ..Setup::default()
    })
}

fn folder_of(folder: &Path, n: u8) -> PathBuf {
    folder.join(format!("node{n}"))
}

/// Node 0 and those it let in, each an admin; the folders stay when a process is killed.
fn household(lan: &Lan, folder: &Path, count: u8) -> Vec<Daemon> {
    let nodes: Vec<Daemon> = (0..count).map(|n| node(lan, n, folder_of(folder, n))).collect();
    for n in 1..count {
        enrol(&nodes[0], &nodes[usize::from(n)], &format!("node {n}"), "admin");
    }
    in_step(&nodes);
    nodes
}

fn in_step(nodes: &[Daemon]) {
    for daemon in nodes {
        until_within(HEALED, "all in step", || (there(daemon).len() == nodes.len()).then_some(()));
    }
}

fn sorted(of: &Value, key: &str) -> Vec<Value> {
    let mut items = of["items"].as_array().cloned().unwrap_or_default();
    items.sort_by_key(|item| item[key].to_string());
    items
}

/// What people decided and what happened, as a node shows it.
fn all_of(daemon: &Daemon) -> Value {
    let mut lists = sorted(&daemon.cli_json(&["list", "show"]), "subject");
    for item in lists.iter_mut().filter_map(Value::as_object_mut) {
        // Calls of a number are counted on the node that took them.
        item.retain(|key, _| ["subject", "standing", "label", "notes", "disputed"].contains(&key.as_str()));
    }
    let household = daemon.get("/api/v1/household");
    let members = household["members"].as_array().cloned().unwrap_or_default();
    let roster: Vec<Value> = members.iter().map(|m| json!([m["number"], m["name"], m["role"], m["removed"]])).collect();
    let neighbours = sorted(&daemon.get("/api/v1/neighbours"), "home");
    let names: Vec<Value> = neighbours.iter().map(|n| json!([n["home"], n["name"]])).collect();
    json!({
        "lists": lists,
        "settings": daemon.get("/api/v1/settings")["settings"],
        "people": sorted(&daemon.get("/api/v1/people"), "number"),
        "rules": daemon.get("/api/v1/rules"),
        "neighbours": names,
        "roster": roster,
        "calls": calls(daemon),
    })
}

/// The calls of all nodes: number, time, what became of them.
fn calls(daemon: &Daemon) -> BTreeSet<String> {
    let page = daemon.get("/api/v1/calls?limit=200");
    let all = page["items"].as_array().cloned().unwrap_or_default();
    all.iter().map(|c| format!("{} {} {} {}", c["node"], c["number"], c["began"], c["ended"]["how"])).collect()
}

/// A call that comes in at one of them.
fn ring(lan: &Lan, machine: u8, number: &str) -> u16 {
    let mut command = lan.command(machine, Path::new(env!("CARGO_BIN_EXE_ring")));
    let output = command.args([LINE.to_string().as_str(), number]).output().expect("the program starts");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("an answer")
}

fn put(daemon: &Daemon, path: &str, body: &Value) {
    let (status, said) = daemon.ask("PUT", path, Some(body));
    assert!((200..300).contains(&status), "{path}: {status} {said}");
}

/// Each edits each kind of document, an entry of its own and one that all edit; calls come in at each.
fn edit_everything(lan: &Lan, nodes: &[Daemon], round: usize) {
    for (n, daemon) in nodes.iter().enumerate() {
        let label = format!("round {round}, node {n}");
        let entry = |standing: &str| json!({"standing": standing, "label": label, "notes": ""});
        put(daemon, &format!("/api/v1/lists/%2B4930901{round}{n}0"), &entry("block"));
        // The same entry on each: one label wins, and it is the same everywhere. And wanted here, unwanted there.
        put(daemon, "/api/v1/lists/%2B4930901999", &entry("block"));
        put(daemon, &format!("/api/v1/lists/%2B49309019{round}8"), &entry(if n % 2 == 0 { "allow" } else { "block" }));
        let region = ["DE", "AT", "CH", "FR", "NL"][(n + round) % 5];
        let settings = json!({"region": region, "anonymous": "challenge", "invalid": "allow", "ranges": n % 2 == 0});
        put(daemon, "/api/v1/settings", &settings);
        put(daemon, &format!("/api/v1/people/%2B4930902{round}{n}0"), &json!({"name": label}));
        put(daemon, "/api/v1/people/%2B4930902999", &json!({"name": label}));
        let kind = ["kind_a", "kind_b", "kind_c", "kind_d", "kind_e"][n];
        put(daemon, "/api/v1/rules", &json!({"tell": {kind: false}, "quiet": null}));
        see_alarm(daemon);
        let caller = format!("+4930903{round}{n}0");
        assert_eq!(ring(lan, u8::try_from(n).expect("five"), &caller), 480);
        // It is saved within a second: until then a kill takes it along.
        let saved = |call: &String| call.contains(&caller) && !call.contains("null");
        until("the call and its end to be saved", || calls(daemon).iter().any(saved).then_some(()));
    }
    // The name of a neighbour, by the node that neighbours know; and of a node, by each in turn.
    let neighbour = SigningKey::from_bytes(&[u8::try_from(round).expect("few") + 1; 32]).verifying_key();
    let card = Card(Genesis::new(&neighbour)).to_string();
    if round < VOUCHES {
        said(&nodes[0], &["vouch", &card, "--name", &format!("Neighbour {round}")]);
    }
    let by = &nodes[round % nodes.len()];
    let named = daemon_number(by);
    put(by, &format!("/api/v1/household/members/{named}"), &json!({"name": format!("named in round {round}")}));
}

/// Somebody has seen that the one line does not work.
fn see_alarm(daemon: &Daemon) {
    let alarms = daemon.get("/api/v1/summary")["alarms"].clone();
    let failing = alarms.as_array().and_then(|all| all.iter().find(|a| a["code"] == "line_failing").cloned());
    if let Some(key) = failing.map(|alarm| alarm["key"].clone()) {
        let (status, said) = daemon.ask("POST", "/api/v1/alarms/seen", Some(&json!({"key": key})));
        assert_eq!(status, 204, "{said}");
    }
}

fn daemon_number(daemon: &Daemon) -> u64 {
    daemon.get("/api/v1/node")["node"].as_u64().expect("a number")
}

fn equal(nodes: &[Daemon], rounds: usize) {
    let began = Instant::now();
    let (entries, rung) = (rounds * (nodes.len() + 1) + 1, rounds * nodes.len());
    for daemon in nodes {
        let mut last = String::new();
        until_within(EQUAL, "the same as the first", || {
            let (first, this) = (all_of(&nodes[0]), all_of(daemon));
            let has = |what: &str, count: usize| first[what].as_array().is_some_and(|all| all.len() == count);
            let same =
                first == this && has("lists", entries) && has("calls", rung) && has("neighbours", rounds.min(VOUCHES));
            let differs =
                || first.as_object()?.iter().find(|(key, value)| this[*key] != **value).map(|(k, _)| k.clone());
            let now =
                format!("{:?} {} {}", differs(), first["lists"].as_array()?.len(), first["calls"].as_array()?.len());
            if now != last {
                eprintln!("  differs in: {now}");
                last = now;
            }
            same.then_some(())
        });
    }
    eprintln!(
        "{} nodes agree after round {rounds}: {entries} entries, {rung} calls: {:?}",
        nodes.len(),
        began.elapsed()
    );
}

/// All documents, those that no page shows too, as the stopped nodes have them on disk.
fn equal_on_disk(mut nodes: Vec<Daemon>, folder: &Path) {
    for daemon in &mut nodes {
        assert!(daemon.stop().success());
    }
    let count = u8::try_from(nodes.len()).expect("few");
    drop(nodes);
    let stores: Vec<Stolen> = (0..count).map(|n| Stolen::from(&folder_of(folder, n))).collect();
    for store in &stores[1..] {
        assert_eq!(store.documents(), stores[0].documents());
    }
}

#[test]
fn five_nodes_that_edit_everything_while_cut_in_all_ways_are_equal_in_the_end() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    let mut lan = Lan::new(NODES);
    let folder = tempfile::tempdir().expect("a folder");
    let mut nodes = household(&lan, folder.path(), NODES);
    let cuts = [3..5, 0..1, 1..3, 2..4];
    for (round, cut) in cuts.into_iter().enumerate() {
        lan.cut(cut);
        edit_everything(&lan, &nodes, round);
        if round == 2 {
            nodes[4].kill();
            nodes[4] = node(&lan, 4, folder_of(folder.path(), 4));
        }
        lan.heal();
        equal(&nodes, round + 1);
    }
    equal_on_disk(nodes, folder.path());
}

#[test]
fn nodes_that_lose_three_of_ten_packets_become_equal_all_the_same() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    const THREE: u8 = 3;
    let lan = Lan::new(THREE);
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = household(&lan, folder.path(), THREE);
    lan.lose(30);
    for round in 0..2 {
        edit_everything(&lan, &nodes, round);
        equal(&nodes, round + 1);
    }
    lan.lose(0);
    equal_on_disk(nodes, folder.path());
}

fn entries(daemon: &Daemon) -> usize {
    daemon.cli_json(&["list", "show"])["items"].as_array().map_or(0, Vec::len)
}

/// How long after its revocation a stolen node may still learn something.
const REVOKED: Duration = Duration::from_secs(60);

#[test]
fn a_stolen_node_learns_nothing_once_it_is_removed() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    let mut lan = Lan::new(NODES);
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = household(&lan, folder.path(), NODES);
    said(&nodes[0], &["list", "block", "+49309010001"]);
    for daemon in &nodes {
        until("the first entry", || (entries(daemon) == 1).then_some(()));
    }
    // Connected, it is out as soon as the entry reaches each: what is said after that it does not get.
    let removed = Instant::now();
    said(&nodes[1], &["household", "remove", "node 3", "--yes"]);
    let rest: Vec<&Daemon> = [0, 1, 2, 4].map(|n| &nodes[n]).to_vec();
    rest.iter().for_each(|daemon| until("the removal", || (there(daemon).len() == 4).then_some(())));
    let known = removed.elapsed();
    said(&nodes[0], &["list", "block", "+49309010002"]);
    assert_eq!(ring(&lan, 0, "+49309010009"), 480);
    rest.iter().for_each(|daemon| until("the second", || (entries(daemon) == 2).then_some(())));
    let told = |daemon: &Daemon| (daemon.get("/api/v1/household")["expelled"] == true).then_some(());
    until("the first stolen node to be told", || told(&nodes[3]));
    eprintln!(
        "connected: all know of the removal after {known:?}, the removed one is told after {:?}",
        removed.elapsed()
    );
    assert!(known < REVOKED);
    assert_eq!((entries(&nodes[3]), calls(&nodes[3]).len()), (1, 0), "it has what it had, and no more");
    // The thief takes another off the network; nobody hears of it before it comes back.
    lan.cut(4..5);
    let removed = Instant::now();
    said(&nodes[0], &["household", "remove", "node 4", "--yes"]);
    for daemon in &nodes[..3] {
        until("the removal", || (there(daemon).len() == 3).then_some(()));
    }
    let known = removed.elapsed();
    said(&nodes[0], &["list", "block", "+49309010003"]);
    for daemon in &nodes[..3] {
        until("the third", || (entries(daemon) == 3).then_some(()));
    }
    lan.heal();
    let healed = Instant::now();
    until_within(HEALED, "the stolen node to be told", || told(&nodes[4]));
    eprintln!("away: three know of the removal after {known:?}; it is told {:?} after it is back", healed.elapsed());
    said(&nodes[1], &["list", "block", "+49309010004"]);
    for daemon in &nodes[..3] {
        until("the fourth", || (entries(daemon) == 4).then_some(()));
    }
    assert!(known < REVOKED);
    assert_eq!(entries(&nodes[4]), 2, "it has what it had, and no more");
}
