//! A world: nodes with the daemon's network, lines between them, and what is said.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use meerkat_network::{Network, NetworkKey, Settings, start_over};
use meerkat_protocols::{
    mesh::{Event, Order, Validation},
    number::Region,
    topic::Topic,
};
use serde::Serialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{
    copies,
    dice::Dice,
    line::{self, Latency},
};

/// For neighbours to be called, handshakes to be made and gossip's mesh to come to rest: sixty of its heartbeats.
const SETTLES_S: u64 = 60;
/// How long the world is then watched while nothing is said.
const IDLE_S: u64 = 60;
/// After the last message.
const TAIL_S: u64 = 20;
/// A report with its signature (design/node.md).
const MESSAGE_BYTES: usize = 113;
/// Between the starts of two nodes: a street does not start at once, not even after a power cut.
const APART_US: u64 = 5_000;

/// What is to happen.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// From which all chance comes.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// How many others each calls.
    pub calls: usize,
    /// How many messages, each of another node.
    pub messages: usize,
    /// How long after each other, in milliseconds.
    pub every_ms: u64,
    /// Of the lines.
    pub latency: Latency,
}

/// What came of it.
#[derive(Debug, Serialize, PartialEq)]
pub struct Outcome {
    /// How many nodes.
    pub nodes: usize,
    /// How many messages.
    pub messages: usize,
    /// Over all that happened and when.
    pub trace: String,
    /// The share of messages that came to nodes, of all that should.
    pub delivered: f64,
    /// From a message to a node, in milliseconds.
    pub p50_ms: f64,
    /// The same, of the slowest hundredth.
    pub p99_ms: f64,
    /// The same, the slowest.
    pub max_ms: f64,
    /// Copies of a message that came to a node.
    pub copies: f64,
    /// All bytes that came to a node for a message, of what is idle nothing.
    pub bytes: f64,
    /// The same in a second in which nothing is said.
    pub idle_bytes_a_second: f64,
    /// How many others a node is connected with.
    pub connections: f64,
}

/// What the world notes of its nodes.
#[derive(Default)]
struct Notes {
    trace: blake3::Hasher,
    /// When each message was said, and when it came to whom.
    said_us: BTreeMap<usize, u64>,
    came_us: Vec<u64>,
    met: usize,
}

impl Notes {
    fn note(&mut self, at_us: u64, node: usize, kind: u8, what: &[u8]) {
        self.trace.update(&at_us.to_be_bytes()).update(&(node as u64).to_be_bytes());
        self.trace.update(&[kind]).update(what);
    }
}

/// Plays it. `progress` is told what is over, in seconds of the world, and of how many.
///
/// # Errors
/// If the network does not start.
pub fn play(plan: Plan, progress: impl Fn(u64, u64)) -> Result<Outcome, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.map_err(|error| error.to_string())?.block_on(live(plan, progress))
}

async fn live(plan: Plan, progress: impl Fn(u64, u64)) -> Result<Outcome, String> {
    let began = Instant::now();
    let notes = Arc::new(Mutex::new(Notes::default()));
    let mut dice = Dice::new(plan.seed);
    let mut orders = Vec::with_capacity(plan.nodes);
    for node in 0..plan.nodes {
        let network = start(plan, node, &mut dice)?;
        orders.push(network.orders.clone());
        tokio::spawn(lives(node, network, began, Arc::clone(&notes)));
        sleep(Duration::from_micros(APART_US)).await;
    }
    let starts_s = plan.nodes as u64 * APART_US / 1_000_000;
    let says_s = plan.messages as u64 * plan.every_ms / 1_000 + TAIL_S;
    let all_s = starts_s + SETTLES_S + IDLE_S + says_s;
    let at = |s: u64| began + Duration::from_secs(s);
    let wait = async |until_s: u64| {
        while Instant::now() < at(until_s) {
            progress(began.elapsed().as_secs(), all_s);
            sleep_until(at(until_s).min(Instant::now() + Duration::from_secs(5))).await;
        }
    };
    wait(starts_s + SETTLES_S).await;
    let before = line::bytes();
    wait(starts_s + SETTLES_S + IDLE_S).await;
    let idle = line::bytes() - before;
    let (before, copies_before) = (line::bytes(), copies::thrown_away());
    let topic = Topic::heard_in(region()).pop().ok_or("no topic")?;
    for message in 0..plan.messages {
        let node = usize::try_from(dice.between(0, plan.nodes as u64 - 1)).map_err(|error| error.to_string())?;
        lock(&notes).said_us.insert(message, micros(began));
        let order = Order::Publish { topic, data: said(message, plan.seed) };
        orders[node].send(order).await.map_err(|_| "a network ended")?;
        sleep(Duration::from_millis(plan.every_ms)).await;
    }
    wait(all_s).await;
    let spent = line::bytes() - before;
    let thrown_away = copies::thrown_away() - copies_before;
    let notes = lock(&notes);
    Ok(outcome(plan, &notes, Spent { idle, spent, says_s, thrown_away }))
}

fn start(plan: Plan, node: usize, dice: &mut Dice) -> Result<Network, String> {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&(node as u64).to_be_bytes());
    key[8..16].copy_from_slice(&plan.seed.to_be_bytes());
    let others = |dice: &mut Dice| {
        let other = dice.between(0, plan.nodes as u64 - 2);
        other + u64::from(other >= node as u64)
    };
    let peers = (0..plan.calls.min(plan.nodes - 1)).map(|_| format!("/memory/{}", others(dice) + 1)).collect();
    let settings = Settings {
        listen: vec![format!("/memory/{}", node + 1)],
        peers,
        mdns: false,
        ..Settings::new(NetworkKey::new(key))
    };
    start_over(line::transport(plan.latency, dice.apart()), &settings).map_err(|error| error.to_string())
}

/// What the node would do: it hears its country's topics and finds all that comes good.
async fn lives(node: usize, network: Network, began: Instant, notes: Arc<Mutex<Notes>>) {
    let mut network = hearing(network).await;
    while let Some(event) = network.events.recv().await {
        let order = {
            let (mut notes, at_us) = (lock(&notes), micros(began));
            match event {
                Event::Gossip { message, data, .. } => {
                    notes.note(at_us, node, 1, &data);
                    if let Some(said_us) = number_of(&data).and_then(|number| notes.said_us.get(&number)) {
                        let took_us = at_us - said_us;
                        notes.came_us.push(took_us);
                    }
                    Some(Order::Judge { message, validation: Validation::Accept })
                }
                Event::Connected { peer, .. } => {
                    notes.note(at_us, node, 2, &peer.0);
                    notes.met += 1;
                    None
                }
                Event::Disconnected { peer } => {
                    notes.note(at_us, node, 3, &peer.0);
                    notes.met -= 1;
                    None
                }
                _ => None,
            }
        };
        if let Some(order) = order
            && network.orders.send(order).await.is_err()
        {
            return;
        }
    }
}

async fn hearing(mut network: Network) -> Network {
    network.exchanges = None;
    // It fails only if the network has ended; then there are no events either.
    let _ = network.orders.send(Order::Hear { topics: Topic::heard_in(region()) }).await;
    network
}

fn region() -> Region {
    "DE".parse().expect("a country")
}

fn said(message: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; MESSAGE_BYTES];
    bytes[..8].copy_from_slice(&(message as u64).to_be_bytes());
    bytes[8..16].copy_from_slice(&seed.to_be_bytes());
    bytes
}

fn number_of(said: &[u8]) -> Option<usize> {
    usize::try_from(u64::from_be_bytes(*said.first_chunk()?)).ok()
}

fn micros(began: Instant) -> u64 {
    u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX)
}

fn lock(notes: &Mutex<Notes>) -> std::sync::MutexGuard<'_, Notes> {
    notes.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Spent {
    idle: u64,
    spent: u64,
    says_s: u64,
    thrown_away: u64,
}

#[expect(clippy::cast_precision_loss, reason = "counts below 2^52")]
fn outcome(plan: Plan, notes: &Notes, Spent { idle, spent, says_s, thrown_away }: Spent) -> Outcome {
    let mut came: Vec<u64> = notes.came_us.clone();
    came.sort_unstable();
    let of = |share: usize| came.get((came.len() * share / 100).min(came.len().saturating_sub(1))).copied();
    let ms = |us: Option<u64>| us.unwrap_or_default() as f64 / 1_000.0;
    let pairs = ((plan.nodes - 1) * plan.messages) as f64;
    let idle_a_second = idle as f64 / IDLE_S as f64 / plan.nodes as f64;
    Outcome {
        nodes: plan.nodes,
        messages: plan.messages,
        trace: notes.trace.finalize().to_hex()[..32].to_owned(),
        delivered: came.len() as f64 / pairs,
        p50_ms: ms(of(50)),
        p99_ms: ms(of(99)),
        max_ms: ms(came.last().copied()),
        copies: (came.len() as f64 + thrown_away as f64) / pairs,
        bytes: (spent as f64 / plan.nodes as f64 - idle_a_second * says_s as f64) / plan.messages as f64,
        idle_bytes_a_second: idle_a_second,
        connections: notes.met as f64 / plan.nodes as f64,
    }
}
