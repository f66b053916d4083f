//! A network without a node behind it: prints its events as lines of JSON, accepts all gossip, and does what each line
//! it reads says. For trying things out, and for tests in network namespaces.
//!
//! `node [--listen MULTIADDR]... [--peer MULTIADDR]... [--no-mdns]`
//!
//! `publish TEXT`, `dial PEER MULTIADDR...`, `ping PEER`, `trust PEER SCORE`

use std::io::Write as _;
use std::time::Duration;

use meerkat_network::{Network, NetworkKey, Settings, peer_from_text, peer_id_text, start};
use meerkat_protocols::mesh::{Event, Order, Path, Validation};
use meerkat_protocols::topic::Topic;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines, Stdin};

type Failure = Box<dyn std::error::Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();
    let mut network = start(&settings()?)?;
    print(&json!({ "event": "started", "peer": peer_id_text(network.peer()) }))?;
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while step(&mut network, &mut lines).await? {}
    print(&json!({ "event": "stopped", "in_order": network.shutdown(Duration::from_secs(5)).await }))
}

fn settings() -> Result<Settings, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut settings = Settings::new(NetworkKey::new(seed));
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} wants an address"));
        match argument.as_str() {
            "--listen" => settings.listen.push(value()?),
            "--peer" => settings.peers.push(value()?),
            "--no-mdns" => settings.mdns = false,
            _ => return Err(format!("{argument} is not known").into()),
        }
    }
    Ok(settings)
}

/// Returns whether to go on: until the input ends.
async fn step(network: &mut Network, lines: &mut Lines<BufReader<Stdin>>) -> Result<bool, Failure> {
    tokio::select! {
        event = network.events.recv() => {
            let Some(event) = event else { return Ok(false) };
            print(&describe(&event))?;
            if let Event::Gossip { message, .. } = event {
                network.orders.send(Order::Judge { message, validation: Validation::Accept }).await?;
            }
        }
        line = lines.next_line() => {
            let Some(line) = line? else { return Ok(false) };
            let order = order(&line).ok_or_else(|| format!("`{line}` is not understood"))?;
            network.orders.send(order).await?;
        }
    }
    Ok(true)
}

fn order(line: &str) -> Option<Order> {
    let (what, rest) = line.split_once(' ')?;
    let mut words = rest.split(' ');
    let mut peer = || peer_from_text(words.next()?);
    Some(match what {
        "publish" => Order::Publish { topic: Topic::Vouches, data: rest.as_bytes().to_vec() },
        "dial" => Order::Dial { peer: peer()?, addresses: words.map(str::to_owned).collect() },
        "ping" => Order::Ping { peer: peer()? },
        "trust" => Order::Trust { peer: peer()?, score: words.next()?.parse().ok()? },
        _ => return None,
    })
}

fn describe(event: &Event) -> Value {
    match event {
        Event::Listening { address } => json!({ "event": "listening", "address": address }),
        Event::Deaf { address } => json!({ "event": "deaf", "address": address }),
        Event::Connected { peer, address, found, path } => json!({
            "event": "connected", "peer": peer_id_text(*peer), "address": address, "found": format!("{found:?}"),
            "through": through(*path),
        }),
        Event::PathChanged { peer, path } => {
            json!({ "event": "path changed", "peer": peer_id_text(*peer), "through": through(*path) })
        }
        Event::Reachable { public } => json!({ "event": "reachable", "public": public }),
        Event::Disconnected { peer } => json!({ "event": "disconnected", "peer": peer_id_text(*peer) }),
        Event::Gossip { from, data, .. } => {
            json!({ "event": "gossip", "from": peer_id_text(*from), "text": String::from_utf8_lossy(data) })
        }
        Event::Request { from, data, .. } | Event::MemberAsks { from, data, .. } => {
            json!({ "event": "request", "from": peer_id_text(*from), "text": String::from_utf8_lossy(data) })
        }
        Event::Response { request, data } => {
            json!({ "event": "response", "request": request.0, "text": String::from_utf8_lossy(data) })
        }
        Event::Unanswered { request } => json!({ "event": "unanswered", "request": request.0 }),
        Event::Pinged { peer, rtt_us, path } => {
            json!({ "event": "pinged", "peer": peer_id_text(*peer), "rtt_us": rtt_us, "through": through(*path) })
        }
        Event::Trouble(text) => json!({ "event": "trouble", "text": text }),
    }
}

/// The relay; `null` for a direct connection.
fn through(path: Path) -> Option<String> {
    match path {
        Path::Direct => None,
        Path::Relayed { through } => Some(peer_id_text(through)),
    }
}

fn print(value: &Value) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{value}")?;
    Ok(out.flush()?)
}
