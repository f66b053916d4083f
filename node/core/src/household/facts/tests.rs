//! Ends with a store of their own each, linked by a fake network.

use std::collections::{BTreeMap, VecDeque};

use ed25519_dalek::SigningKey;
use meerkat_protocols::facts::{Body, Received, Stream};
use proptest::prelude::*;

use super::*;

const HOME: HomeId = HomeId([7; 16]);

fn key(node: NodeNumber) -> SigningKey {
    SigningKey::from_bytes(&[node.0 + 1; 32])
}

struct AllKeys;

impl Keys for AllKeys {
    fn key_of(&self, node: NodeNumber) -> Option<[u8; 32]> {
        (node.0 < 10).then(|| key(node).verifying_key().to_bytes())
    }
}

fn log(node: u8) -> LogId {
    LogId { node: NodeNumber(node), stream: Stream::Metrics }
}

type Disk = BTreeMap<LogId, (LogMark, BTreeMap<Seq, Body>)>;

/// A node: what is on its disk, and the end that a kill takes away.
struct End {
    own: NodeNumber,
    disk: Disk,
    facts: Facts<u64>,
    /// Alters what it gives of other nodes' logs.
    forges: bool,
    forged: usize,
}

enum Packet {
    Ask(Word),
    Answer(Word, Option<Word>),
}

/// Ends and what is on its way between them.
struct World {
    ends: BTreeMap<NodeNumber, End>,
    wire: VecDeque<(NodeNumber, NodeNumber, Packet)>,
    inbound: BTreeMap<u64, (NodeNumber, Word)>,
    next: u64,
    now: Now,
    bytes: usize,
}

impl World {
    fn of(count: u8) -> Self {
        let end = |n: u8| {
            let own = NodeNumber(n);
            let facts = Facts::new(own, HOME, BTreeMap::new());
            (own, End { own, disk: Disk::new(), facts, forges: false, forged: 0 })
        };
        let now = Now { mono_ms: 0, wall: None };
        let ends = (0..count).map(end).collect();
        Self { ends, wire: VecDeque::new(), inbound: BTreeMap::new(), next: 0, now, bytes: 0 }
    }

    fn end(&mut self, n: u8) -> &mut End {
        self.ends.get_mut(&NodeNumber(n)).expect("there")
    }

    fn note(&mut self, n: u8, count: u64) {
        let end = self.end(n);
        for _ in 0..count {
            let (mark, rows) = end.disk.entry(log(n)).or_default();
            let seq = mark.next;
            let body = Body::Whole(seq.0.to_be_bytes().to_vec().into());
            mark.append(log(n), seq, &body.digest());
            rows.insert(seq, body);
        }
        end.facts.changed();
        self.steps(n);
    }

    fn connect(&mut self, a: u8, b: u8) {
        let now = self.now;
        self.end(a).facts.came(now, NodeNumber(b));
        self.steps(a);
        self.end(b).facts.came(now, NodeNumber(a));
        self.steps(b);
    }

    fn disconnect(&mut self, a: u8, b: u8) {
        self.end(a).facts.went(NodeNumber(b));
        self.end(b).facts.went(NodeNumber(a));
        self.wire.retain(|(from, to, _)| ![(a, b), (b, a)].contains(&(from.0, to.0)));
    }

    /// The process is killed: what is on disk stays.
    fn kill(&mut self, n: u8) {
        let others: Vec<u8> = self.ends.keys().map(|own| own.0).filter(|other| *other != n).collect();
        others.into_iter().for_each(|other| self.disconnect(n, other));
        let end = self.end(n);
        let logs = end.disk.iter().map(|(log, (mark, _))| (*log, mark.clone())).collect();
        end.facts = Facts::new(end.own, HOME, logs);
    }

    fn steps(&mut self, n: u8) {
        let (now, own) = (self.now, NodeNumber(n));
        loop {
            let steps = self.end(n).facts.steps();
            if steps.is_empty() {
                return;
            }
            for step in steps {
                match step {
                    Step::Ask(to, word) => self.wire.push_back((own, to, Packet::Ask(word))),
                    Step::Answer(inbound, word) => {
                        let (to, asked) = self.inbound.remove(&inbound).expect("asked");
                        let word = self.end(n).spoiled(word);
                        self.bytes += word.encode().len();
                        self.wire.push_back((own, to, Packet::Answer(asked, Some(word))));
                    }
                    Step::Load(id, load) => {
                        let loaded = self.end(n).read(&load);
                        self.end(n).facts.loaded(now, id, loaded);
                    }
                    Step::LoadWhenSaved(id) => {
                        let loaded = self.end(n).read(&Load::Logs);
                        self.end(n).facts.loaded(now, id, loaded);
                    }
                    Step::Write(Write::Received(received), _) => self.end(n).keep(&received),
                    Step::Write(Write::Log(change), _) => self.end(n).change(&change),
                    Step::Write(other, _) => panic!("{other:?}"),
                    Step::Sign(head) => self.end(n).facts.signed(head.sign(&key(own))),
                    Step::Forged(..) => self.end(n).forged += 1,
                    Step::Hurt(_) => {}
                }
            }
        }
    }

    /// Carries one packet, or lets time pass.
    fn step(&mut self) {
        match self.wire.pop_front() {
            Some((from, to, Packet::Ask(word))) => {
                let word = Word::decode(&word.encode()).expect("reads back");
                self.next += 1;
                let (inbound, now) = (self.next, self.now);
                self.inbound.insert(inbound, (from, word.clone()));
                self.end(to.0).facts.asked(now, &AllKeys, from, inbound, word);
                self.steps(to.0);
            }
            Some((from, to, Packet::Answer(asked, word))) => {
                let now = self.now;
                let word = word.map(|word| Word::decode(&word.encode()).expect("reads back"));
                self.end(to.0).facts.answered(now, &AllKeys, from, &asked, word);
                self.steps(to.0);
            }
            None => {
                let due = self.ends.values().filter_map(|end| end.facts.due_ms()).min();
                self.now.mono_ms = due.unwrap_or(0).max(self.now.mono_ms + 1);
                let all: Vec<u8> = self.ends.keys().map(|own| own.0).collect();
                for n in all {
                    let now = self.now;
                    self.end(n).facts.mind(now);
                    self.steps(n);
                }
            }
        }
    }

    fn settle(&mut self, most: usize) {
        for _ in 0..most {
            if self.is_equal() {
                return;
            }
            self.step();
        }
    }

    fn is_equal(&self) -> bool {
        let rows = |end: &End| -> Vec<_> { end.disk.iter().map(|(log, (_, rows))| (*log, rows.clone())).collect() };
        let mut all = self.ends.values().map(rows);
        let first = all.next().expect("one");
        all.all(|other| other == first)
    }
}

impl End {
    fn read(&self, load: &Load) -> Loaded {
        match load {
            Load::Logs => Loaded::Logs(self.disk.iter().map(|(log, (mark, _))| (*log, mark.clone())).collect()),
            Load::Part { log, from, before, .. } => {
                let (mark, rows) = self.disk.get(log).cloned().unwrap_or_default();
                let range = (*from).max(mark.low)..(*before).max((*from).max(mark.low));
                let entries = rows.range(range).take(100).map(|(seq, body)| Entry { seq: *seq, body: body.clone() });
                Loaded::Part(mark, entries.collect(), None)
            }
            Load::Damaged { .. } => Loaded::Damaged(Vec::new(), None),
        }
    }

    /// As the store does it.
    fn keep(&mut self, received: &Received) {
        let (mark, rows) = self.disk.entry(received.log).or_default();
        match received.restart {
            Some(base) if received.from > mark.next || mark.entries == 0 => mark.restart(received.from, base),
            None if received.from == mark.next => {}
            _ => return,
        }
        for entry in &received.entries {
            if mark.append(received.log, entry.seq, &entry.body.digest()) {
                rows.insert(entry.seq, entry.body.clone());
            }
        }
        if let Some((head, signed)) = &received.head {
            mark.vouched(head, signed.clone());
        }
    }

    fn change(&mut self, change: &LogChange) {
        match change {
            LogChange::Head(head, signed) => {
                let (mark, _) = self.disk.entry(head.log()).or_default();
                if head.next() >= mark.verified && head.next() <= mark.next {
                    mark.vouched(head, signed.clone());
                }
            }
            LogChange::Cut(log) => {
                let (mark, rows) = self.disk.entry(*log).or_default();
                (mark.next, mark.link) = (mark.verified, mark.verified_link);
                rows.retain(|seq, _| *seq < mark.next);
            }
            other => panic!("{other:?}"),
        }
    }

    fn spoiled(&self, mut word: Word) -> Word {
        if let Word::Part(part) = &mut word
            && self.forges
            && part.log.node != self.own
            && let Some(entry) = part.entries.first_mut()
        {
            entry.body = Body::Whole(vec![0xee].into());
        }
        word
    }
}

#[test]
fn two_nodes_hold_the_same_and_news_arrive_within_a_second() {
    let mut world = World::of(2);
    world.note(0, 300);
    world.note(1, 7);
    world.connect(0, 1);
    world.settle(1_000);
    assert!(world.is_equal());
    let before = world.now.mono_ms;
    world.note(0, 1);
    world.settle(100);
    assert!(world.is_equal());
    assert!(world.now.mono_ms - before <= 1_000, "{} ms", world.now.mono_ms - before);
}

#[test]
fn a_node_that_is_away_is_caught_up_through_another() {
    let mut world = World::of(3);
    world.note(0, 500);
    world.connect(0, 1);
    world.settle(2_000);
    for _ in 0..50 {
        world.step();
    }
    world.kill(0);
    world.connect(1, 2);
    for _ in 0..2_000 {
        world.step();
    }
    assert_eq!(world.end(2).disk[&log(0)].1.len(), 500);
    let now = world.now;
    assert_eq!(world.end(2).facts.state(now).to_come, 0);
}

#[test]
fn what_a_member_alters_is_noticed_and_fetched_elsewhere() {
    let mut world = World::of(3);
    world.note(0, 200);
    world.connect(0, 1);
    world.settle(2_000);
    for _ in 0..50 {
        world.step();
    }
    world.end(1).forges = true;
    world.connect(1, 2);
    for _ in 0..500 {
        world.step();
    }
    assert!(world.end(2).forged > 0);
    let held = world.end(2).disk.get(&log(0)).map_or(0, |(_, rows)| rows.len());
    assert_eq!(held, 0, "nothing of it was kept");
    world.connect(0, 2);
    world.settle(5_000);
    let right = world.end(0).disk[&log(0)].1.clone();
    assert_eq!(world.end(2).disk[&log(0)].1, right);
}

#[test]
fn what_expired_everywhere_is_stepped_over() {
    let mut world = World::of(2);
    world.note(0, 100);
    world.connect(0, 1);
    world.settle(1_000);
    world.disconnect(0, 1);
    world.note(0, 200);
    let (mark, rows) = world.end(0).disk.get_mut(&log(0)).expect("held");
    for seq in (0..250).map(Seq) {
        let body = rows.remove(&seq).expect("held");
        mark.expire(log(0), seq, &body.digest());
    }
    world.kill(0);
    world.connect(0, 1);
    for _ in 0..1_000 {
        world.step();
    }
    let held: Vec<u64> = world.end(1).disk[&log(0)].1.keys().map(|seq| seq.0).collect();
    assert_eq!(held, (0..100).chain(250..300).collect::<Vec<_>>(), "and what is held here is not lost by it");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whoever_is_killed_or_cut_off_whenever_all_are_equal_in_the_end(
        acts in proptest::collection::vec((0..6u8, 0..3u8, 0..3u8, 1..90u64), 1..40),
    ) {
        let mut world = World::of(3);
        for (act, a, b, count) in acts {
            match act {
                0 => world.note(a, count),
                1 => world.kill(a),
                2 if a != b => world.disconnect(a, b),
                3 if a != b => { world.disconnect(a, b); world.connect(a, b); }
                _ => (0..count).for_each(|_| world.step()),
            }
        }
        for (a, b) in [(0, 1), (1, 2), (0, 2)] {
            world.disconnect(a, b);
            world.connect(a, b);
        }
        world.settle(20_000);
        prop_assert!(world.is_equal());
        prop_assert!(world.ends.values().all(|end| end.forged == 0));
    }
}

/// A cut of the line loses words without breaking the connection.
#[test]
fn what_was_lost_on_the_way_is_said_and_asked_again_two_seconds_later() {
    let at = |mono_ms| Now { mono_ms, wall: None };
    let (own, other) = (NodeNumber(0), NodeNumber(1));
    let held = LogMark { next: Seq(3), entries: 3, ..LogMark::default() };
    let mut facts: Facts<u64> = Facts::new(own, HOME, BTreeMap::from([(log(0), held)]));
    let asks = |facts: &mut Facts<u64>| {
        let asked = facts.steps().into_iter().filter_map(|step| match step {
            Step::Ask(to, word) if to == other => Some(word),
            _ => None,
        });
        asked.collect::<Vec<_>>()
    };
    facts.came(at(0), other);
    let told = asks(&mut facts);
    assert!(matches!(&told[..], [Word::Tell(told)] if told.len() == 1));
    facts.answered(at(100), &AllKeys, other, &told[0], None);
    assert_eq!((asks(&mut facts), facts.due_ms()), (Vec::new(), Some(100 + AGAIN_MS)));
    facts.mind(at(100 + AGAIN_MS));
    assert_eq!(asks(&mut facts), told, "what it may not have heard");

    let theirs = Told { log: log(1), low: Seq(0), next: Seq(5), entries: 5, head: None };
    facts.heard(at(5_000), &AllKeys, other, vec![theirs]);
    let wanted = asks(&mut facts);
    assert!(matches!(&wanted[..], [Word::Want(_)]));
    facts.answered(at(6_000), &AllKeys, other, &wanted[0], None);
    assert_eq!(asks(&mut facts), Vec::new());
    assert!(facts.due_ms().is_some_and(|due| due <= 6_000 + AGAIN_MS), "{:?}", facts.due_ms());
    facts.mind(at(6_000 + AGAIN_MS));
    assert_eq!(asks(&mut facts), wanted);
}
