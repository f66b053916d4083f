//! Homes behind routers of all kinds reach each other: directly where that can be, else through a neighbour.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use meerkat_tests::bare::{Bare, program};
use meerkat_tests::daemon::{Daemon, Setup};
use meerkat_tests::internet::{Internet, Nat, command, unavailable};
use meerkat_tests::wait::until;
use serde_json::Value;

/// Until those that can have a direct connection have one: a second or two, and four more where the first try cannot work.
const FOR_DIRECT: Duration = Duration::from_secs(60);

/// A home with its node.
struct Home {
    nat: Nat,
    node: Bare,
    /// Where it can be reached through the relay.
    place: String,
    /// How it is connected to each peer, and since when: by a relay's id, or directly.
    paths: BTreeMap<String, (Option<String>, Instant)>,
}

impl Home {
    fn take(&mut self, event: &Value) {
        let text = |name: &str| event[name].as_str().map(str::to_owned);
        let Some(peer) = text("peer") else { return };
        match event["event"].as_str() {
            Some("connected" | "path changed") => drop(self.paths.insert(peer, (text("through"), Instant::now()))),
            Some("disconnected") => drop(self.paths.remove(&peer)),
            _ => {}
        }
    }

    fn is_direct(&self, other: &str) -> Option<bool> {
        self.paths.get(other).map(|(through, _)| through.is_none())
    }
}

/// One cell of the table.
struct Cell {
    caller: Nat,
    called: Nat,
    /// The relay; `None` is directly.
    through: Option<String>,
    after: Duration,
    rtt_us: Option<u64>,
}

/// A relay, two homes of each kind, and every home of the first four calling each of the second four.
fn matrix() -> (Vec<Cell>, String) {
    let (program, mut internet) = (program(), Internet::new());
    let start = |namespace: &str, arguments: &[&str]| {
        let mut node = command(namespace, &program);
        node.arg("--no-mdns").args(arguments);
        Bare::start(node)
    };
    let (name, address) = internet.public();
    let mut relay = start(&name, &[]);
    let there = format!("/ip4/{address}/udp/4787/quic-v1/p2p/{}", relay.peer);
    let mut homes: Vec<Home> = Nat::ALL
        .into_iter()
        .chain(Nat::ALL)
        .map(|nat| {
            let node = start(&internet.home(nat), &["--peer", &there]);
            Home { nat, node, place: String::new(), paths: BTreeMap::new() }
        })
        .collect();
    for home in &homes {
        relay.say(&format!("trust {} 1", home.node.peer));
    }
    assert_eq!(relay.until("reachable")["public"], true);
    for home in &mut homes {
        let is_place = |event: &Value| event["address"].as_str().is_some_and(|a| a.contains("/p2p-circuit"));
        home.place = home.node.first("a place at the relay", is_place)["address"].as_str().expect("text").to_owned();
    }
    let (callers, called) = homes.split_at_mut(4);
    let began = Instant::now();
    for one in callers.iter_mut() {
        for other in called.iter() {
            one.node.say(&format!("dial {} {}", other.node.peer, other.place));
        }
    }
    settle(callers, called);
    let mut cells = Vec::new();
    for one in callers.iter_mut() {
        for other in called.iter() {
            let peer = other.node.peer.as_str();
            // For five seconds after a direct connection stands, words under way still go through the relay.
            let deadline = Instant::now() + Duration::from_secs(10);
            let pinged = loop {
                one.node.say(&format!("ping {peer}"));
                let pinged = one.node.first("a ping", |event| event["event"] == "pinged" && event["peer"] == peer);
                if pinged["through"].is_null() == one.nat.opens_to(other.nat) || Instant::now() >= deadline {
                    break pinged;
                }
                if let Some(event) = one.node.event(Duration::from_millis(500)) {
                    one.take(&event);
                }
            };
            let since = one.paths.get(peer).map_or(began, |(_, since)| *since);
            cells.push(Cell {
                caller: one.nat,
                called: other.nat,
                through: pinged["through"].as_str().map(str::to_owned),
                after: since - began,
                rtt_us: pinged["rtt_us"].as_u64(),
            });
        }
    }
    (cells, relay.peer.clone())
}

/// Waits until all that can be connected directly are, and the others through the relay.
fn settle(callers: &mut [Home], called: &[Home]) {
    let deadline = Instant::now() + FOR_DIRECT;
    let is_settled = |callers: &[Home]| {
        callers
            .iter()
            .all(|one| called.iter().all(|other| one.is_direct(&other.node.peer) == Some(one.nat.opens_to(other.nat))))
    };
    while !is_settled(callers) && Instant::now() < deadline {
        for one in callers.iter_mut() {
            if let Some(event) = one.node.event(Duration::from_millis(20)) {
                one.take(&event);
            }
        }
    }
}

fn table(cells: &[Cell]) -> String {
    let mut lines = vec![
        format!("| caller \\ called | {} |", Nat::ALL.map(|nat| nat.to_string()).join(" | ")),
        format!("|---{}|", "|---".repeat(Nat::ALL.len())),
    ];
    for caller in Nat::ALL {
        let row = cells.iter().filter(|cell| cell.caller == caller).map(|cell| {
            let way = if cell.through.is_none() { "direct" } else { "relayed" };
            format!("{way}, {:.1} s", cell.after.as_secs_f64())
        });
        lines.push(format!("| {caller} | {} |", row.collect::<Vec<_>>().join(" | ")));
    }
    lines.join("\n")
}

#[test]
fn every_two_homes_reach_each_other_and_directly_where_that_can_be() {
    if let Some(why) = unavailable() {
        return eprintln!("{why}");
    }
    let (cells, relay) = matrix();
    let table = table(&cells);
    println!("{table}");
    assert_eq!(cells.len(), 16);
    for cell in cells {
        let (caller, called) = (cell.caller, cell.called);
        assert!(cell.rtt_us.is_some(), "{caller} does not reach {called}\n{table}");
        let through = (!caller.opens_to(called)).then_some(&relay);
        assert_eq!(cell.through.as_ref(), through, "{caller} calls {called}\n{table}");
    }
}

fn daemon(namespace: &str, peers: &[String]) -> Daemon {
    Daemon::start(Setup {
        before: ["ip", "netns", "exec", namespace].map(str::to_owned).to_vec(),
        listen: vec!["/ip4/0.0.0.0/udp/4787/quic-v1".into(), "/ip4/0.0.0.0/tcp/4787".into()],
        peers: peers.to_vec(),
        config: "[network]\nmdns = false\n".into(),
        ..Setup::default()
    })
}

/// Both homes vouch for each other.
fn meet(one: (&Daemon, &str), other: (&Daemon, &str)) {
    for ((mine, _), (theirs, name)) in [(one, other), (other, one)] {
        let card = theirs.cli_json(&["node", "info"])["card"].as_str().expect("a card").to_owned();
        assert!(mine.cli(&["vouch", &card, "--name", name]).status.success());
    }
}

fn listens_at(daemon: &Daemon, what: &str) -> Option<String> {
    let addresses = daemon.get("/api/v1/peers")["listening"].as_array()?.clone();
    addresses.iter().filter_map(Value::as_str).find(|address| address.contains(what)).map(str::to_owned)
}

#[test]
fn neighbours_find_each_other_through_a_third_and_ping_says_which_way() {
    if let Some(why) = unavailable() {
        return eprintln!("{why}");
    }
    let mut internet = Internet::new();
    let (name, address) = internet.public();
    let ben = daemon(&name, &[]);
    let there = until("its address", || listens_at(&ben, &format!("{address}/udp")));
    let homes = [Nat::PortRestrictedCone, Nat::FullCone, Nat::Symmetric].map(|nat| internet.home(nat));
    // Two homes are there and reached through Ben before the third comes. It knows nobody's address but Ben's.
    let [cleo, dana] = [&homes[0], &homes[1]].map(|namespace| daemon(namespace, std::slice::from_ref(&there)));
    for (home, name) in [(&cleo, "Cleo"), (&dana, "Dana")] {
        meet((home, name), (&ben, "Ben"));
    }
    for home in [&cleo, &dana] {
        until("a place at Ben's", || listens_at(home, "/p2p-circuit"));
    }
    assert_eq!(ben.get("/api/v1/peers")["public"], true);
    let ana = daemon(&homes[2], std::slice::from_ref(&there));
    for (home, name) in [(&cleo, "Cleo"), (&dana, "Dana"), (&ben, "Ben")] {
        meet((&ana, "Ana"), (home, name));
    }
    // Nobody told her where they are but Ben, whom she asked.
    let ping = |name: &str| {
        let (status, answer) = ana.ask("POST", &format!("/api/v1/peers/{name}/ping"), Some(&serde_json::json!({})));
        (status == 200 && answer["answered"] == true).then_some(answer)
    };
    let answer = until("Cleo to answer", || ping("Cleo"));
    assert_eq!((&answer["path"], &answer["through_name"]), (&"relayed".into(), &"Ben".into()), "{answer}");
    until("Dana to answer", || ping("Dana"));
    let direct = ana.cli(&["ping", "Dana", "--until-direct"]);
    let words = String::from_utf8_lossy(&direct.stdout);
    assert!(direct.status.success() && words.contains("Dana answered directly in"), "{words}");
    // Port-restricted and symmetric never meet directly: that is said, with what to do about it.
    let relayed = ana.cli(&["ping", "Cleo", "--until-direct", "--count", "2"]);
    let words = String::from_utf8_lossy(&relayed.stdout);
    assert_eq!(relayed.status.code(), Some(1), "{words}");
    assert!(words.contains("Cleo answered through Ben in") && words.contains("port forwarding"), "{words}");
}
