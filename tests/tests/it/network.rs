//! Nodes that find each other on a local network, without a daemon around them.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use meerkat_tests::namespace::{Lan, unavailable};
use meerkat_tests::wait::{PATIENCE, until};
use serde_json::Value;

/// The example `node` of `meerkat-network`: beside the daemon where everything was built for this run, else built now.
fn program() -> PathBuf {
    let built = std::env::var_os("MEERKAT_BIN").map(|daemon| PathBuf::from(daemon).with_file_name("examples/node"));
    if let Some(built) = built.filter(|program| program.exists()) {
        return built;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", "meerkat-network", "--example", "node", "--message-format", "json"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    messages
        .filter(|message: &Value| message["target"]["name"] == "node")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the program")
}

struct Node {
    child: Child,
    input: Option<ChildStdin>,
    events: Receiver<Value>,
    peer: String,
}

impl Node {
    fn start(lan: &Lan, machine: u8, program: &std::path::Path) -> Self {
        let mut child = lan
            .command(machine, program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let (lines, events) = channel();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).expect("a line of JSON");
                if lines.send(event).is_err() {
                    return;
                }
            }
        });
        let mut node = Self { input: child.stdin.take(), child, events, peer: String::new() };
        node.peer = node.until("started")["peer"].as_str().expect("a peer").to_owned();
        node
    }

    /// The next event of this kind; others are passed over.
    fn until(&self, kind: &str) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) if event["event"] == kind => return event,
                Ok(event) => seen.push(event),
                Err(_) => panic!("{} waited in vain for `{kind}`, saw {seen:?}", self.peer),
            }
        }
    }

    /// Whether this is gossiped to it within a second.
    fn hears(&self, text: &str) -> bool {
        let deadline = Instant::now() + Duration::from_secs(1);
        while let Ok(event) = self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if event["event"] == "gossip" && event["text"] == text {
                return true;
            }
        }
        false
    }

    /// The peers that connect, until there are so many.
    fn meets(&self, count: usize) -> BTreeSet<String> {
        let mut peers = BTreeSet::new();
        while peers.len() < count {
            let event = self.until("connected");
            assert!(["Nearby", "CalledUs"].contains(&event["found"].as_str().expect("text")), "{event}");
            assert!(peers.insert(event["peer"].as_str().expect("text").to_owned()), "{event} twice");
        }
        peers
    }

    fn publish(&mut self, text: &str) {
        writeln!(self.input.as_mut().expect("open"), "publish {text}").expect("it listens");
    }

    fn stop(mut self) {
        drop(self.input.take());
        assert_eq!(self.until("stopped")["in_order"], true);
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // A node that was stopped in order is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn four_nodes_find_each_other_by_themselves() {
    if let Some(why) = unavailable() {
        return eprintln!("{why}");
    }
    let (program, lan) = (program(), Lan::new(4));
    let mut nodes: Vec<Node> = (0..4).map(|machine| Node::start(&lan, machine, &program)).collect();
    for node in &nodes {
        let others = nodes.iter().map(|other| other.peer.clone()).filter(|peer| *peer != node.peer);
        assert_eq!(node.meets(3), others.collect());
    }
    // Gossip promises nothing to a peer that has connected and not yet said what it subscribes to: said again, it arrives.
    let mut round = 0;
    until("gossip at all of them", || {
        round += 1;
        let text = format!("hello {round}");
        nodes[0].publish(&text);
        nodes[1..].iter().all(|node| node.hears(&text)).then_some(())
    });
    let last = nodes.pop().expect("four");
    let gone = last.peer.clone();
    last.stop();
    for node in &nodes {
        assert_eq!(node.until("disconnected")["peer"], gone.as_str());
    }
}

#[test]
fn a_node_that_was_there_before_its_network_is_found() {
    if let Some(why) = unavailable() {
        return eprintln!("{why}");
    }
    let (program, lan) = (program(), Lan::new(2));
    lan.unplug(1);
    let nodes = [Node::start(&lan, 0, &program), Node::start(&lan, 1, &program)];
    lan.plug(1);
    assert_eq!(nodes[0].meets(1), [nodes[1].peer.clone()].into());
    assert_eq!(nodes[1].meets(1), [nodes[0].peer.clone()].into());
}
