//! Five nodes of one household on a network that is cut in all ways: what each was told while it was apart is known to all
//! of them afterwards, and a stolen one learns nothing more.

use std::time::{Duration, Instant};

use meerkat_tests::{
    daemon::{Daemon, Setup},
    members::{enrol, there},
    namespace::{Lan, unavailable},
    wait::{until, until_within},
};
use serde_json::Value;

const NODES: u8 = 5;
/// A connection on which a cut went unnoticed goes on by what TCP and QUIC send again; one that was given up is made anew
/// within half a minute.
const HEALED: Duration = Duration::from_secs(90);

fn node(lan: &Lan, machine: u8, data: Option<std::path::PathBuf>) -> Daemon {
    Daemon::start(Setup {
        before: lan.before(machine),
        listen: vec!["/ip4/0.0.0.0/tcp/4787".into(), "/ip4/0.0.0.0/udp/4787/quic-v1".into()],
        data,
        ..Setup::default()
    })
}

fn said(daemon: &Daemon, args: &[&str]) {
    let output = daemon.cli(args);
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Node 0 and four it let in, each an admin; the folders stay when a process is killed.
fn household(lan: &Lan, folder: &std::path::Path) -> Vec<Daemon> {
    let data = |n: u8| Some(folder.join(format!("node{n}")));
    let nodes: Vec<Daemon> = (0..NODES).map(|n| node(lan, n, data(n))).collect();
    for n in 1..NODES {
        enrol(&nodes[0], &nodes[usize::from(n)], &format!("node {n}"), "admin");
    }
    for daemon in &nodes {
        until_within(HEALED, "all five in step", || (there(daemon).len() == usize::from(NODES)).then_some(()));
    }
    nodes
}

/// What people decided, as a node has it.
fn wishes(daemon: &Daemon) -> [Value; 2] {
    let mut lists = daemon.cli_json(&["list", "show"]);
    if let Some(items) = lists["items"].as_array_mut() {
        items.sort_by_key(|item| item["subject"].to_string());
        for item in items {
            // Calls are counted as they come in, on whatever node.
            if let Some(item) = item.as_object_mut() {
                item.retain(|key, _| ["subject", "standing", "label", "notes"].contains(&key.as_str()));
            }
        }
    }
    [lists, daemon.get("/api/v1/settings")["settings"].clone()]
}

fn equal(nodes: &[Daemon], entries: usize) {
    let began = Instant::now();
    for daemon in nodes {
        until_within(HEALED, "the same as the first", || {
            let first = wishes(&nodes[0]);
            let has = first[0]["items"].as_array().map_or(0, Vec::len) >= entries;
            (has && wishes(daemon) == first).then_some(())
        });
    }
    eprintln!("{} nodes agree on {entries} entries {:?} after the heal", nodes.len(), began.elapsed());
}

fn entries(daemon: &Daemon) -> usize {
    daemon.cli_json(&["list", "show"])["items"].as_array().map_or(0, Vec::len)
}

#[test]
fn five_nodes_that_edit_everything_while_cut_in_all_ways_are_equal_in_the_end() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    let mut lan = Lan::new(NODES);
    let folder = tempfile::tempdir().expect("a folder");
    let mut nodes = household(&lan, folder.path());
    let cuts = [3..5, 0..1, 1..3, 2..4];
    for (round, cut) in cuts.into_iter().enumerate() {
        lan.cut(cut);
        for (n, daemon) in nodes.iter().enumerate() {
            said(
                daemon,
                &["list", "block", &format!("+4930901{round}{n}0"), "--label", &format!("round {round}, node {n}")],
            );
            // The same entry on each: one label wins, and it is the same everywhere.
            said(daemon, &["list", "block", "+4930901999", "--label", &format!("by node {n}")]);
        }
        if round == 2 {
            let data = nodes[4].data().to_owned();
            nodes[4].kill();
            nodes[4] = node(&lan, 4, Some(data));
        }
        lan.heal();
        equal(&nodes, (round + 1) * usize::from(NODES) + 1);
    }
}

#[test]
fn a_stolen_node_learns_nothing_once_it_is_removed() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    let mut lan = Lan::new(NODES);
    let folder = tempfile::tempdir().expect("a folder");
    let nodes = household(&lan, folder.path());
    said(&nodes[0], &["list", "block", "+49309010001"]);
    equal(&nodes, 1);
    // The thief takes it off the network; node 1 is on the way home and hears of nothing either.
    lan.cut(4..5);
    let removed = Instant::now();
    said(&nodes[0], &["household", "remove", "node 4", "--yes"]);
    for daemon in &nodes[..4] {
        until("the removal", || (there(daemon).len() == 4).then_some(()));
    }
    eprintln!("four nodes know of the removal {:?} after it", removed.elapsed());
    said(&nodes[0], &["list", "block", "+49309010002"]);
    equal(&nodes[..4], 2);
    lan.heal();
    let told = |daemon: &Daemon| (daemon.get("/api/v1/household")["expelled"] == true).then_some(());
    until_within(HEALED, "the stolen node to be told", || told(&nodes[4]));
    said(&nodes[1], &["list", "block", "+49309010003"]);
    equal(&nodes[..4], 3);
    assert_eq!(entries(&nodes[4]), 1, "it has what it had, and no more");
    assert!(removed.elapsed() < Duration::from_secs(150), "{:?}", removed.elapsed());
}
