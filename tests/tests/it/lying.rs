//! A disk that says "written" and has not: after the power is back, the store is as it was some time ago, or a mixture of
//! then and now. The node starts all the same, as the node it was, says what is lost, and is filled from its members.

use std::path::Path;

use meerkat_tests::{
    daemon::Daemon,
    members::{HEALED, alarms, at, enrol, identity, members, said, until_member},
    wait::{until, until_within},
};

const SECTOR: usize = 512;

/// What the disk has of the database after the power is back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// All as it was at the stop before the last start.
    Earlier,
    /// Some sectors of then, some of now, as a seed tells.
    Mixed(u64),
    /// Its length, and nothing in it.
    Zeros,
    /// Not even its length.
    Nothing,
}

fn mixed(earlier: &[u8], now: &[u8], seed: u64) -> Vec<u8> {
    let mut chance = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut all = now.to_vec();
    for (at, sector) in all.chunks_mut(SECTOR).enumerate() {
        chance ^= chance << 13;
        chance ^= chance >> 7;
        chance ^= chance << 17;
        // The file may have been longer then, or shorter: what was never there is zeros.
        let then = earlier.get(at * SECTOR..at * SECTOR + sector.len());
        if chance.is_multiple_of(3) {
            match then {
                Some(then) => sector.copy_from_slice(then),
                None => sector.fill(0),
            }
        }
    }
    all
}

fn lists(daemon: &Daemon) -> Vec<String> {
    let shown = daemon.cli_json(&["list", "show"]);
    let mut all: Vec<String> =
        shown["items"].as_array().into_iter().flatten().map(|e| format!("{} {}", e["subject"], e["label"])).collect();
    all.sort();
    all
}

/// What the page says about what was saved.
fn said_of_loss(daemon: &Daemon) -> Option<String> {
    let summary = daemon.get("/api/v1/summary");
    let all = summary["alarms"].as_array()?.iter();
    all.filter(|alarm| alarm["code"] == "store_damaged").find_map(|alarm| alarm["words"].as_str().map(str::to_owned))
}

/// Two members; the second has lost what its disk lied about.
fn lost(folder: &Path, kept: Kept) -> ([Daemon; 2], (String, u64)) {
    let (host, mut node) = (at(folder, "host"), at(folder, "node"));
    enrol(&host, &node, "garage", "admin");
    until_member(&host, &node);
    for n in 0..20 {
        said(&host, &["list", "block", &format!("+49309018{n:02}"), "--label", "before"]);
    }
    until("them there", || (lists(&node).len() == 20).then_some(()));
    let who = identity(&node);
    let database = folder.join("node/meerkat.redb");
    assert!(node.stop().success());
    let earlier = std::fs::read(&database).expect("the store");
    drop(node);
    let mut node = at(folder, "node");
    until_member(&host, &node);
    for n in 0..10 {
        said(&node, &["list", "block", &format!("+49309028{n:02}"), "--label", "written, it said"]);
        said(&host, &["list", "block", &format!("+49309018{n:02}"), "--label", "after"]);
    }
    until_within(HEALED, "both to have all", || {
        (lists(&host).len() == 30 && lists(&host) == lists(&node)).then_some(())
    });
    node.kill();
    drop(node);
    let now = std::fs::read(&database).expect("the store");
    let disk = match kept {
        Kept::Earlier => earlier,
        Kept::Mixed(seed) => mixed(&earlier, &now, seed),
        Kept::Zeros => vec![0; now.len()],
        Kept::Nothing => Vec::new(),
    };
    std::fs::write(&database, disk).expect("our own file");
    ([host, at(folder, "node")], who)
}

#[test]
fn what_a_disk_lied_about_is_said_and_comes_back_from_the_members() {
    let mixtures = (1..=4).map(Kept::Mixed);
    for kept in [Kept::Earlier, Kept::Zeros, Kept::Nothing].into_iter().chain(mixtures) {
        let folder = tempfile::tempdir().expect("a folder");
        let ([host, node], who) = lost(folder.path(), kept);
        assert_eq!(identity(&node), who, "{kept:?}: it is who it was");
        let words = until("what is lost to be said", || said_of_loss(&node));
        eprintln!("{kept:?}: {words}");
        until_member(&host, &node);
        until_within(HEALED, "what was lost", || (lists(&node) == lists(&host)).then_some(()));
        assert_eq!((lists(&node).len(), members(&node)), (30, members(&host)), "{kept:?}");
        // It goes on as a member like any other.
        said(&node, &["list", "block", "+4930903800", "--label", "again"]);
        until("an edit of the one", || (lists(&host).len() == 31).then_some(()));
        said(&host, &["list", "remove", "+4930903800"]);
        until("an edit of the other", || (lists(&node).len() == 30).then_some(()));
        let found = alarms(&host);
        let bad = |alarm: &String| {
            ["own_copy", "copy_of_member", "facts_forged", "member_distrusted"].contains(&alarm.as_str())
        };
        assert!(!found.iter().any(bad), "{kept:?}: {found:?}");
    }
}
