//! Figures of two real nodes of one household: how soon an edit is seen on the other, and what they say while nothing
//! happens.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::{
    daemon::{Daemon, Setup},
    members::{enrol, there},
    namespace::{Lan, unavailable},
    wait::{until, until_within},
};

/// Edits that are timed, every second one on the other node.
const EDITS: u32 = 240;
/// How long two nodes are left alone before their bytes are counted: what they say to meet is over by then.
const SETTLE: Duration = Duration::from_secs(90);
/// How long bytes are counted: five greetings, ten rounds of discovery.
const COUNTED: Duration = Duration::from_secs(300);

fn in_step(daemon: &Daemon) {
    until("both there", || (there(daemon).len() == 2).then_some(()));
}

/// From the request that sets an entry on one node to the event on the other, over the API of the page. Times in order.
///
/// # Panics
/// If an edit does not arrive.
#[must_use]
pub fn edits() -> Vec<Duration> {
    let nodes = [Daemon::start(Setup::default()), Daemon::start(Setup::default())];
    enrol(&nodes[0], &nodes[1], "garage", "admin");
    nodes.iter().for_each(in_step);
    let mut times = Vec::new();
    for n in 0..EDITS {
        let (here, other) = (&nodes[(n % 2) as usize], &nodes[((n + 1) % 2) as usize]);
        let subject = format!("+493090{:06}", 100_000 + n);
        let since = other.last_event();
        let body = json!({"standing": "block", "label": format!("Caller {n}"), "notes": ""});
        let began = Instant::now();
        let (status, answer) = here.ask("PUT", &format!("/api/v1/lists/%2B{}", &subject[1..]), Some(&body));
        assert_eq!(status, 200, "{answer}");
        let _ = other.wait_event(since, "lists.changed", |changed| changed["subject"] == subject.as_str());
        times.push(began.elapsed());
    }
    times.sort();
    times
}

/// What two members on a network of their own send each other while nothing happens, counted at the interfaces: both
/// directions, everything from the Ethernet header on. `None` where there are no namespaces.
///
/// # Panics
/// If they do not become a household.
#[must_use]
pub fn idle() -> Option<Value> {
    if let Some(why) = unavailable() {
        eprintln!("{why}");
        return None;
    }
    let lan = Lan::new(2);
    let node = |machine: u8| {
        Daemon::start(Setup {
            before: lan.before(machine),
            listen: vec!["/ip4/0.0.0.0/tcp/4787".into(), "/ip4/0.0.0.0/udp/4787/quic-v1".into()],
            ..Setup::default()
        })
    };
    let (host, guest) = (node(0), node(1));
    enrol(&host, &guest, "garage", "admin");
    [&host, &guest].into_iter().for_each(in_step);
    // Nobody asks them meanwhile: this is time that passes, not an event.
    std::thread::sleep(SETTLE);
    let before = [0, 1].map(|machine| sent(&lan, machine));
    std::thread::sleep(COUNTED);
    let after = [0, 1].map(|machine| sent(&lan, machine));
    let hours = COUNTED.as_secs_f64() / 3_600.0;
    let total = |of: fn(&(f64, f64)) -> f64| after.iter().map(of).sum::<f64>() - before.iter().map(of).sum::<f64>();
    let there = until_within(Duration::from_secs(60), "both there still", || Some(there(&host).len()));
    assert_eq!(there, 2, "they were connected all the time");
    Some(json!({
        "bytes_an_hour": total(|(bytes, _)| *bytes) / hours,
        "packets_an_hour": total(|(_, packets)| *packets) / hours,
        "counted_s": COUNTED.as_secs(),
    }))
}

/// Bytes and packets that a machine has sent.
fn sent(lan: &Lan, machine: u8) -> (f64, f64) {
    let count = |what: &str| {
        let file = format!("/sys/class/net/eth0/statistics/tx_{what}");
        let output = lan.command(machine, "cat".as_ref()).arg(file).output().expect("cat is there");
        String::from_utf8_lossy(&output.stdout).trim().parse().expect("a count")
    };
    (count("bytes"), count("packets"))
}
