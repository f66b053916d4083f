//! The page in a real browser, as a person walks through it: every page in both themes and at two widths, by keyboard, and
//! as somebody who cannot see it.

use std::{fs, path::PathBuf, process::Command};

use meerkat_tests::{
    daemon::{Daemon, Setup},
    evening::{Evening, SPAMMER},
    wait::until,
};
use serde_json::Value;

/// Where the pictures go, to be looked at; those in the documents are copies of some of them.
fn pictures() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("page")
}

#[test]
fn a_person_finds_everything_on_the_page_and_nothing_of_it_is_wrong() {
    let evening = Evening::live();
    let token = evening.home.claim().expect("a fresh node has a claim link").to_owned();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("browser");
    let output = Command::new("node")
        .arg("walk.mjs")
        .args([&format!("http://{}", evening.home.web()), &token])
        .arg(pictures())
        .args(["--number", SPAMMER])
        .current_dir(folder)
        .output()
        .expect("node starts");
    let report = fs::read_to_string(pictures().join("report.json"));
    let report = report.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let report: Value = serde_json::from_str(&report).expect("the walk reports in JSON");
    assert_eq!(report["failures"], Value::Array(Vec::new()), "{}", report["failures"]);
    assert_eq!(report["axe_violations"], 0);
    assert!(output.status.success());
    // Every page was looked at, in every theme and width.
    assert!(report["pages"].as_array().is_some_and(|pages| pages.len() >= 52), "{report}");
}

#[test]
fn a_person_imports_a_list_and_settles_what_is_kept_about_a_number() {
    let evening = Evening::live();
    let token = evening.home.claim().expect("a fresh node has a claim link").to_owned();
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("browser");
    let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("lists");
    let output = Command::new("node")
        .arg("lists.mjs")
        .args([&format!("http://{}", evening.home.web()), &token])
        .arg(&pictures)
        .arg(SPAMMER)
        .current_dir(folder)
        .output()
        .expect("node starts");
    let report = fs::read_to_string(pictures.join("report.json"));
    let report = report.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let report: Value = serde_json::from_str(&report).expect("the walk reports in JSON");
    assert_eq!(report["failures"], Value::Array(Vec::new()), "{}", report["failures"]);
    assert!(report["looks"].as_array().is_some_and(|looks| looks.len() == 10), "{report}");
    // What was told the neighbours is with them: the number is taken back, and nothing else of it ever left.
    for neighbour in &evening.neighbours {
        let path = format!("/api/v1/numbers/{}", SPAMMER.replace('+', "%2B"));
        let reports = neighbour.get(&path)["reports"].to_string();
        assert!(!reports.contains("legit"), "{reports}");
    }
}

#[test]
fn two_people_become_neighbours_on_their_pages() {
    let host = Daemon::start(Setup::default());
    let address = until("an address", || host.get("/api/v1/peers")["listening"][0].as_str().map(str::to_owned));
    let guest = Daemon::start(Setup::default());
    // Connected, as two on one network are; only these two are.
    let near = Daemon::start(Setup { peers: vec![address], ..Setup::default() });
    let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("meet");
    let mut walk = Command::new("node");
    walk.arg("meet.mjs").arg(&pictures);
    for daemon in [&host, &guest, &near] {
        walk.args([&format!("http://{}", daemon.web()), daemon.claim().expect("a fresh node has a claim link")]);
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("browser");
    let output = walk.current_dir(folder).output().expect("node starts");
    let report = fs::read_to_string(pictures.join("report.json"));
    let report = report.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let report: Value = serde_json::from_str(&report).expect("the walk reports in JSON");
    assert_eq!(report["failures"], Value::Array(Vec::new()), "{}", report["failures"]);
    assert!(report["looks"].as_array().is_some_and(|looks| looks.len() == 8), "{report}");
}

#[test]
fn two_fresh_nodes_become_a_household_on_their_pages() {
    let (host, guest) = (Daemon::start(Setup::default()), Daemon::start(Setup::default()));
    let pictures = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("household");
    let mut walk = Command::new("node");
    walk.arg("household.mjs").arg(&pictures);
    for daemon in [&host, &guest] {
        walk.args([&format!("http://{}", daemon.web()), daemon.claim().expect("a fresh node has a claim link")]);
    }
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("browser");
    let output = walk.current_dir(folder).output().expect("node starts");
    let report = fs::read_to_string(pictures.join("report.json"));
    let report = report.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let report: Value = serde_json::from_str(&report).expect("the walk reports in JSON");
    assert_eq!(report["failures"], Value::Array(Vec::new()), "{}", report["failures"]);
    let (clicks, seconds) = (report["clicks"].as_u64().expect("counted"), report["seconds"].as_f64().expect("timed"));
    println!("{clicks} clicks, {seconds:.1} s from two fresh nodes to a household");
    assert!(clicks <= 10 && seconds <= 180.0, "{clicks} clicks, {seconds} s");
    assert!(report["looks"].as_array().is_some_and(|looks| looks.len() == 12), "{report}");
}
