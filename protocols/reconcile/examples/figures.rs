//! What an exchange costs between two sets of a million ids, beside `negentropy` and the information limit. Prints one JSON
//! line a case; `cargo xtask bench reconcile` runs it and holds the figures against the goals.
//!
//! Bytes and round trips are counted until the initiator knows the whole difference; the naming of what is to be fetched comes
//! after, with either method, and stands beside it. CPU is that of both sides together.

#![expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "a bench measures time")]
#![expect(clippy::print_stdout, reason = "its result")]

use std::time::Instant;

use meerkat_reconcile::{Id, Initiator, Inventory, Key, Opening, Responder, Salt, Scope, SetId};
use negentropy::{Negentropy, NegentropyStorageVector};

/// On both sides.
const COMMON: u64 = 1_000_000;
/// Statements expire after half a year.
const DAYS: u64 = 180;
/// What differs is of the last day: a node was away. negentropy orders by time, and this is its best case; spread over all
/// days it needs several times the bytes.
const TODAY: u16 = 20_000;

/// How well the initiator foresees the difference, and whether it begins salted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guess {
    /// What a node knows: how much came to itself since the last exchange; as much may have come to the other.
    Good,
    /// It takes the sets for equal.
    None,
    Salted,
}

/// One method in one case.
#[derive(Default)]
struct Cost {
    bytes: usize,
    rounds: usize,
    cpu_ms: f64,
    seal_ms: f64,
    names: usize,
}

fn main() {
    let started = Instant::now();
    let mut sides = [inventory(), Inventory::new()];
    let built_ms = ms(started);
    sides[1] = sides[0].clone();
    println!("{{\"case\":\"build\",\"ms\":{built_ms:.1},\"change_us\":{:.2}}}", change_us(&mut sides[1]));
    for (differences, runs) in [(0, 20), (10, 200), (1_000, 40), (10_000, 12)] {
        for (case, guess) in [("ours", Guess::Good), ("ours unforeseen", Guess::None), ("ours salted", Guess::Salted)] {
            // Salted, a million ids are gone through on both sides.
            let runs = if guess == Guess::Salted { 3 } else { runs };
            let costs: Vec<_> = (0..runs).map(|run| ours(&mut sides, differences, run, guess)).collect();
            report(case, differences, &costs);
        }
        report("negentropy", differences, &[theirs(differences, true)]);
        report("negentropy spread", differences, &[theirs(differences, false)]);
        println!("{{\"case\":\"limit\",\"differences\":{differences},\"bytes\":{:.0}}}", limit(differences));
    }
}

fn report(case: &str, differences: u64, costs: &[Cost]) {
    let runs = costs.len() as f64;
    let mean = |of: fn(&Cost) -> f64| costs.iter().map(of).sum::<f64>() / runs;
    let mut cpu: Vec<_> = costs.iter().map(|cost| cost.cpu_ms).collect();
    cpu.sort_by(f64::total_cmp);
    println!(
        "{{\"case\":\"{case}\",\"differences\":{differences},\"runs\":{runs},\"bytes\":{:.0},\"most_bytes\":{},\
         \"round_trips\":{:.2},\"single\":{:.3},\"cpu_ms\":{:.3},\"seal_ms\":{:.0},\"names_bytes\":{:.0}}}",
        mean(|cost| cost.bytes as f64),
        costs.iter().map(|cost| cost.bytes).max().unwrap_or_default(),
        mean(|cost| cost.rounds as f64),
        costs.iter().filter(|cost| cost.rounds == 1).count() as f64 / runs,
        cpu[cpu.len() / 2],
        mean(|cost| cost.seal_ms),
        mean(|cost| cost.names as f64),
    );
}

fn ms(since: Instant) -> f64 {
    since.elapsed().as_secs_f64() * 1e3
}

/// As good as a hash: SplitMix64, four times.
fn id(n: u64) -> Id {
    let mut id = [0; 32];
    for (lane, word) in (1..).zip(id.chunks_exact_mut(8)) {
        let mut z = n.wrapping_mul(4).wrapping_add(lane).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        word.copy_from_slice(&(z ^ (z >> 31)).to_le_bytes());
    }
    id
}

fn inventory() -> Inventory {
    let mut inventory = Inventory::new();
    for n in 0..COMMON {
        let day = TODAY - (n % DAYS) as u16;
        inventory.insert(SetId { shard: (n % 16) as u8, day }, id(n));
    }
    inventory
}

/// What it costs to keep the sketch up when one id comes or goes.
fn change_us(inventory: &mut Inventory) -> f64 {
    let fresh: Vec<_> = (0..20_000).map(|n| id(COMMON * 9 + n)).collect();
    // The first change after a copy copies the sketch, which is not what is measured.
    assert!(inventory.remove(&id(0)) && inventory.insert(SetId { shard: 0, day: TODAY }, id(0)));
    let started = Instant::now();
    fresh.iter().for_each(|id| assert!(inventory.insert(SetId { shard: 0, day: TODAY }, *id)));
    fresh.iter().for_each(|id| assert!(inventory.remove(id)));
    started.elapsed().as_secs_f64() * 1e6 / (2.0 * fresh.len() as f64)
}

/// Half of the differences on either side.
fn fresh(differences: u64, run: u64) -> (Vec<Id>, Vec<Id>) {
    let from = COMMON * 2 + run * 100_000;
    (from..from + differences).map(id).partition(|id| id[0] & 1 == 0)
}

fn ours(sides: &mut [Inventory; 2], differences: u64, run: u64, guess: Guess) -> Cost {
    let (only_here, only_there) = fresh(differences, run);
    let set = SetId { shard: 3, day: TODAY };
    only_here.iter().for_each(|id| assert!(sides[0].insert(set, *id)));
    only_there.iter().for_each(|id| assert!(sides[1].insert(set, *id)));
    let cost = exchange(&sides[0], &sides[1], &only_here, &only_there, (run, guess));
    only_here.iter().for_each(|id| assert!(sides[0].remove(id)));
    only_there.iter().for_each(|id| assert!(sides[1].remove(id)));
    cost
}

fn exchange(
    here: &Inventory,
    there: &Inventory,
    only_here: &[Id],
    only_there: &[Id],
    (run, guess): (u64, Guess),
) -> Cost {
    let expected = Some(if guess == Guess::None { 0 } else { only_here.len() * 2 });
    let salt = (guess == Guess::Salted).then_some(run + 7);
    let opening = Opening { scope: Scope::everything(), expected, salt, retry_salt: run + 1 };
    let mut cost = Cost::default();
    let started = Instant::now();
    let (mut initiator, mut frame) = Initiator::open(here, opening, 0);
    let mut responder = Responder::new(0, 0);
    let found = loop {
        cost.bytes += frame.len();
        cost.rounds += 1;
        let mut reply = responder.handle(there, &frame, 0).expect("honest");
        let reply = reply.send.remove(0);
        cost.bytes += reply.len();
        let mut progress = initiator.handle(here, &reply, 0).expect("honest");
        if progress.done {
            break progress.found;
        }
        frame = progress.send.remove(0);
    };
    cost.cpu_ms = ms(started);
    let key = Key::new(found.as_ref().map_or(Salt(0), |found| found.salt));
    let (fetch, offer) = found.map_or_else(Default::default, |found| (found.fetch, found.offer));
    assert_eq!((fetch.len(), offer.len()), (only_there.len(), only_here.len()));
    assert!(only_there.iter().all(|id| fetch.contains(&key.short(id))));
    cost.names = (fetch.len() + offer.len()) * 8;
    cost
}

fn theirs(differences: u64, last_day: bool) -> Cost {
    let (only_here, only_there) = fresh(differences, 0);
    let storage = |ids: &[Id]| {
        let mut storage = NegentropyStorageVector::with_capacity(COMMON as usize + ids.len());
        for n in 0..COMMON {
            let second = (n % DAYS) * 86_400 + n * 7 % 86_400;
            storage.insert(second, negentropy::Id::from_byte_array(id(n))).expect("not sealed");
        }
        for (n, id) in (0..).zip(ids) {
            let day = if last_day { DAYS - 1 } else { n % DAYS };
            let second = day * 86_400 + u64::from(id[5]) * 337;
            storage.insert(second, negentropy::Id::from_byte_array(*id)).expect("not sealed");
        }
        storage
    };
    let (mut here, mut there) = (storage(&only_here), storage(&only_there));
    let mut cost = Cost::default();
    let sealing = Instant::now();
    here.seal().expect("once");
    there.seal().expect("once");
    cost.seal_ms = ms(sealing);
    let started = Instant::now();
    // No limit on a frame, which is its best case in round trips.
    let mut client = Negentropy::borrowed(&here, 0).expect("a good limit");
    let mut relay = Negentropy::borrowed(&there, 0).expect("a good limit");
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let mut next = Some(client.initiate().expect("once"));
    while let Some(frame) = next {
        cost.bytes += frame.len();
        cost.rounds += 1;
        let reply = relay.reconcile(&frame).expect("honest");
        cost.bytes += reply.len();
        next = client.reconcile_with_ids(&reply, &mut have, &mut need).expect("honest");
    }
    cost.cpu_ms = ms(started);
    assert_eq!((have.len(), need.len()), (only_here.len(), only_there.len()));
    cost.names = (have.len() + need.len()) * 32;
    cost
}

/// Bytes that no method needs less than, where items are 64 bits: log2 of the number of sets of so many.
fn limit(differences: u64) -> f64 {
    let bits: f64 = (1..=differences).map(|k| 64.0 - (k as f64).log2()).sum();
    (bits / 8.0).ceil().abs()
}
