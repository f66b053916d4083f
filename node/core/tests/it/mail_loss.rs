//! Letters over a network that loses, delays, repeats and cuts, between nodes that crash at any write.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_core::{Command, Event, Input, Refusal, Reply};
use meerkat_protocols::{
    letter::LetterId,
    mail::{Progress, Way},
    mesh::{self, InboundRef, Order, RequestRef},
};
use proptest::prelude::*;

use crate::{
    mail::{connect, disconnect, id, take_requests, write},
    world::*,
};

/// One thing that happens. `usize`s choose among what is on its way.
#[derive(Debug, Clone, Copy)]
enum Step {
    Write(usize),
    Undo(usize),
    Connect,
    Cut,
    Deliver(usize),
    Lose(usize),
    Repeat(usize),
    Crash(usize),
    Hold(usize),
    Commit(usize),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let end = 0usize..2;
    prop_oneof![
        3 => end.clone().prop_map(Step::Write),
        2 => (0usize..4).prop_map(Step::Undo),
        2 => Just(Step::Connect),
        1 => Just(Step::Cut),
        8 => (0usize..4).prop_map(Step::Deliver),
        2 => (0usize..4).prop_map(Step::Lose),
        2 => (0usize..4).prop_map(Step::Repeat),
        1 => end.clone().prop_map(Step::Crash),
        1 => end.clone().prop_map(Step::Hold),
        3 => end.prop_map(Step::Commit),
        2 => (1u64..400_000).prop_map(Step::Pass),
    ]
}

/// Something on its way between the two.
#[derive(Debug, Clone)]
enum Flying {
    Request { from: usize, request: RequestRef, data: Vec<u8> },
    Answer { to: usize, request: RequestRef, data: Vec<u8> },
}

/// Two homes and what is between them.
struct Street {
    ends: [World; 2],
    connected: bool,
    flying: Vec<Flying>,
    /// By the end that was asked: what it answers, and to which request of the other end.
    asked: BTreeMap<(usize, InboundRef), RequestRef>,
    next: u64,
    /// By number of the letter, which end wrote it.
    writers: Vec<usize>,
    /// Letters that their writer was told are saved, and that were not undone.
    promised: [BTreeSet<LetterId>; 2],
    undone: BTreeSet<LetterId>,
    /// Letters whose undoing was asked for: until that is confirmed, nothing is promised of them.
    in_doubt: BTreeSet<LetterId>,
    shown: [Vec<LetterId>; 2],
    commands: Vec<(usize, u64, LetterId, bool)>,
}

impl Street {
    fn new() -> Self {
        Self {
            ends: [World::acquainted_with(0, &[1]), World::acquainted_with(1, &[0])],
            connected: false,
            flying: Vec::new(),
            asked: BTreeMap::new(),
            next: 0,
            writers: Vec::new(),
            promised: Default::default(),
            undone: BTreeSet::new(),
            in_doubt: BTreeSet::new(),
            shown: Default::default(),
            commands: Vec::new(),
        }
    }

    fn other(end: usize) -> u16 {
        if end == 0 { 1 } else { 0 }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Write(end) => {
                let n = self.writers.len() as u64;
                self.writers.push(end);
                self.ask(end, write(Self::other(end), n), id(n), false);
            }
            Step::Undo(back) => {
                let Some(n) = self.writers.len().checked_sub(back + 1) else { return };
                let (end, id) = (self.writers[n], id(n as u64));
                self.ask(end, Command::UndoLetter { to: home(Self::other(end)), id }, id, true);
            }
            Step::Connect if !self.connected => {
                self.connected = true;
                (0..2).for_each(|end| connect(&mut self.ends[end], Self::other(end)));
            }
            Step::Cut | Step::Connect => self.cut(),
            Step::Deliver(which) if which < self.flying.len() => {
                let flying = self.flying.remove(which);
                self.deliver(flying);
            }
            Step::Repeat(which) if which < self.flying.len() => self.deliver(self.flying[which].clone()),
            Step::Lose(which) if which < self.flying.len() => self.lose(which),
            Step::Deliver(_) | Step::Repeat(_) | Step::Lose(_) => {}
            Step::Crash(end) => self.crash(end),
            Step::Hold(end) => self.ends[end].disk = Disk::Holds,
            Step::Commit(end) => {
                if self.ends[end].held.is_some() {
                    self.ends[end].commit();
                }
            }
            Step::Pass(ms) => self.ends.iter_mut().for_each(|end| end.pass(ms)),
        }
        self.look();
    }

    fn ask(&mut self, end: usize, command: Command, id: LetterId, undo: bool) {
        let before = self.ends[end].replies.len();
        let answer = self.ends[end].ask(command);
        if undo && !matches!(answer, Some(Err(Refusal::LetterLeft | Refusal::NoSuchLetter))) {
            self.in_doubt.insert(id);
        }
        let number = self.ends[end].last_command();
        self.commands.push((end, number, id, undo));
        assert!(self.ends[end].replies.len() <= before + 1);
    }

    fn deliver(&mut self, flying: Flying) {
        match flying {
            Flying::Request { from, request, data } => {
                let to = 1 - from;
                self.next += 1;
                let inbound = InboundRef(self.next);
                self.asked.insert((to, inbound), request);
                let from = peer(u16::try_from(from).expect("0 or 1"));
                self.ends[to].input(Input::Network(mesh::Event::Request { from, inbound, data }));
            }
            Flying::Answer { to, request, data } => {
                self.ends[to].input(Input::Network(mesh::Event::Response { request, data }));
            }
        }
    }

    fn lose(&mut self, which: usize) {
        let (end, request) = match self.flying.remove(which) {
            Flying::Request { from, request, .. } => (from, request),
            Flying::Answer { to, request, .. } => (to, request),
        };
        self.ends[end].input(Input::Network(mesh::Event::Unanswered { request }));
    }

    fn cut(&mut self) {
        self.connected = false;
        while !self.flying.is_empty() {
            self.lose(0);
        }
        (0..2).for_each(|end| disconnect(&mut self.ends[end], Self::other(end)));
        self.flying.clear();
        self.asked.clear();
    }

    /// The process is gone; what the disk was given but did not say is as if it had not been given.
    fn crash(&mut self, end: usize) {
        self.look();
        self.cut();
        self.ends[end] = self.ends[end].restarted();
        // Command numbers begin anew with the process; what was answered before is noted.
        self.commands.retain(|(at, ..)| *at != end);
    }

    /// Takes what came out of both ends, and checks what must hold at any time.
    fn look(&mut self) {
        for end in 0..2 {
            for (request, data) in take_requests(&mut self.ends[end]) {
                if self.connected {
                    self.flying.push(Flying::Request { from: end, request, data });
                } else {
                    self.ends[end].input(Input::Network(mesh::Event::Unanswered { request }));
                }
            }
            for order in std::mem::take(&mut self.ends[end].orders) {
                let Order::Respond { inbound, data } = order else { continue };
                if let Some(request) = self.asked.remove(&(end, inbound)) {
                    self.flying.push(Flying::Answer { to: 1 - end, request, data });
                }
            }
            for event in std::mem::take(&mut self.ends[end].events) {
                if let Event::LetterReceived(_, id) = event {
                    self.shown[end].push(id);
                }
            }
        }
        self.note_replies();
        self.check();
    }

    fn note_replies(&mut self) {
        for (end, number, id, undo) in &self.commands {
            let Some(replies) = self.ends[*end].replies.get(number) else { continue };
            match replies.first() {
                Some(Ok(Reply::Queued(_))) if !undo => drop(self.promised[*end].insert(*id)),
                Some(Ok(Reply::Undone)) if *undo => drop(self.undone.insert(*id)),
                _ => {}
            }
        }
    }

    fn received(&self, end: usize) -> Vec<LetterId> {
        let letters = self.ends[end].letters.values();
        letters.filter(|kept| matches!(kept.way, Way::In(_))).map(|kept| kept.letter.id).collect()
    }

    fn check(&self) {
        for end in 0..2 {
            let received = self.received(1 - end);
            let once: BTreeSet<_> = received.iter().collect();
            assert_eq!(once.len(), received.len(), "a letter is kept once");
            let shown: BTreeSet<_> = self.shown[1 - end].iter().collect();
            assert_eq!(shown.len(), self.shown[1 - end].len(), "a letter is shown once");
            assert!(received.iter().all(|id| !self.undone.contains(id)), "what was undone has never left");
            for kept in self.ends[end].letters.values() {
                if matches!(kept.way, Way::Out(Progress::Delivered { .. })) {
                    assert!(once.contains(&kept.letter.id), "what was acknowledged is on the other disk");
                }
            }
        }
    }

    /// The network heals and the disks work.
    fn heal(&mut self) {
        for end in 0..2 {
            self.ends[end].disk = Disk::Works;
            if self.ends[end].held.is_some() {
                self.ends[end].commit();
            }
        }
        self.cut();
        self.take(Step::Connect);
        for _ in 0..600 {
            while !self.flying.is_empty() {
                self.take(Step::Deliver(0));
            }
            self.take(Step::Pass(20_000));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn every_letter_arrives_once_whatever_happens_on_the_way(steps in prop::collection::vec(step(), 1..120)) {
        let mut street = Street::new();
        for step in steps {
            street.take(step);
        }
        street.heal();
        for end in 0..2 {
            let received: BTreeSet<_> = street.received(1 - end).into_iter().collect();
            for id in street.promised[end].difference(&street.in_doubt) {
                prop_assert!(received.contains(id), "{id} of end {end} was promised and has not come");
                let kept = street.ends[end].letters.values().find(|kept| kept.letter.id == *id);
                let way = kept.map(|kept| kept.way);
                prop_assert!(matches!(way, Some(Way::Out(Progress::Delivered { .. }))), "{id}: {way:?}");
            }
        }
    }
}
