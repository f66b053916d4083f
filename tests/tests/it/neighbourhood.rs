//! Four homes on one street: they find each other by themselves, and what three report the fourth blocks.

use std::time::Instant;

use meerkat_tests::{
    daemon::{Daemon, Setup},
    namespace::{Lan, unavailable},
    wait::until,
};
use serde_json::Value;

const CALLER: &str = "+4930901820";

fn card(daemon: &Daemon) -> String {
    daemon.cli_json(&["node", "info"])["card"].as_str().expect("a card").to_owned()
}

fn verdict(daemon: &Daemon) -> Value {
    daemon.cli_json(&["check", CALLER])["assessment"].clone()
}

#[test]
fn four_nodes_find_each_other_and_a_report_changes_the_verdict_of_those_who_vouch() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    let lan = Lan::new(4);
    let homes: Vec<Daemon> = (0..4).map(|n| Daemon::start(Setup::on(&lan, n))).collect();
    for daemon in &homes {
        until("three peers", || (daemon.get("/api/v1/peers")["items"].as_array()?.len() == 3).then_some(()));
    }
    let (mine, others) = homes.split_last().expect("four");
    for (n, other) in others.iter().enumerate() {
        mine.said(&["vouch", &card(other), "--name", &format!("Neighbour {n}")]);
    }
    assert_eq!(verdict(mine)["verdict"], "allow");
    let expected = ["challenge", "challenge", "block"];
    for (other, expected) in others.iter().zip(expected) {
        let reported = Instant::now();
        other.said(&["report", CALLER, "--as", "scam"]);
        until("the report to count", || (verdict(mine)["verdict"] == expected).then_some(()));
        eprintln!("report to verdict: {:?}", reported.elapsed());
    }
    let reasons = verdict(mine)["reasons"].to_string();
    assert!(reasons.contains("3 neighbours you vouched for reported it as a scam"), "{reasons}");
    // Who vouches for nobody is moved by nobody; the own report is a home's own word.
    assert_eq!(verdict(&others[0])["verdict"], "challenge");
    // One takes it back.
    others[0].said(&["report", CALLER, "--retract"]);
    until("the retraction to count", || (verdict(mine)["verdict"] == "challenge").then_some(()));
}
