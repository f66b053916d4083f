//! A whole data folder put back, as somebody does who copied it: the node then says other things in places of its log in
//! which it has spoken already. Its members have its word on the first, and keep that.

use std::{
    collections::BTreeSet,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use meerkat_tests::{
    caller::{From, Ring},
    daemon::{Daemon, Setup, free_port},
    members::{HEALED, alarms, at, enrol, until_member},
    wait::{until, until_within},
};

struct Node {
    data: PathBuf,
    port: u16,
    line: u16,
}

impl Node {
    fn start(&self) -> Daemon {
        let daemon = Daemon::start(Setup {
            config: format!(
                "[[line]]\nname = \"home\"\nmode = \"direct\"\nbind = \"127.0.0.1:{}\"\nblock = \"603\"\nhold_ms = 1\n",
                self.line
            ),
            listen: vec![format!("/ip4/127.0.0.1/tcp/{}", self.port)],
            data: Some(self.data.clone()),
            ..Setup::default()
        });
        until("the line", || (daemon.get("/api/v1/summary")["lines"][0]["state"] == "ready").then_some(()));
        daemon
    }

    /// So many calls come in, each from a number of its own.
    fn rings(&self, from: u64, count: u64) {
        let address = SocketAddr::from(([127, 0, 0, 1], self.line));
        let calls: Vec<Ring> = (from..from + count)
            .map(|n| Ring::start(address, From::number(&format!("+4930{:08}", 90_100_000 + n))))
            .collect();
        calls.into_iter().for_each(|ring| assert!(ring.finish().last().is_some()));
    }
}

fn numbers(daemon: &Daemon) -> BTreeSet<String> {
    let page = daemon.get("/api/v1/calls?limit=200");
    let all = page["items"].as_array().cloned().unwrap_or_default();
    all.iter().map(|call| call["number"].to_string()).collect()
}

fn copied(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a file of our own");
        }
    }
}

#[test]
fn a_log_that_says_two_things_in_one_place_is_not_taken_and_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    let place = Node { data: folder.path().join("node"), port: free_port(), line: free_port() };
    let (host, mut node) = (at(folder.path(), "host"), place.start());
    enrol(&host, &node, "garage", "admin");
    until_member(&host, &node);
    place.rings(0, 3);
    until("the first calls", || (numbers(&host).len() == 3).then_some(()));
    assert!(node.stop().success());
    let earlier = folder.path().join("earlier");
    copied(&place.data, &earlier);
    node = place.start();
    until_member(&host, &node);
    // More than the node signs for in one word.
    place.rings(100, 70);
    until_within(HEALED, "all calls", || (numbers(&host).len() == 73).then_some(()));
    let heard = numbers(&host);
    assert!(node.stop().success());
    copied(&earlier, &place.data);
    node = place.start();
    place.rings(300, 80);
    until("other calls in the same places", || (numbers(&node).len() == 83).then_some(()));
    let found = until_within(HEALED, "the alarm", || {
        let found = alarms(&host);
        found.iter().any(|a| a == "facts_forged" || a == "copy_of_member").then_some(found)
    });
    eprintln!("the member says: {found:?}; the node itself: {:?}", alarms(&node));
    let now = numbers(&host);
    assert!(now.is_superset(&heard), "what it had, it keeps");
    // What was signed for stands: nothing is put in the place of it.
    assert_eq!(now, heard, "nothing of the other tale is taken");
}
