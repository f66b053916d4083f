//! What is on its way, and the order in which it arrives.

use std::{cmp::Reverse, collections::BinaryHeap};

use super::{
    Outcome, Plan,
    graph::{Graph, Way},
};
use crate::dice::Dice;

/// A heartbeat of gossipsub, and in how many of them a report is named to those who are not in the mesh, as the daemon sets it.
const HEARTBEAT_US: u64 = 1_000_000;
const NAMED_IN: u64 = 2;
/// To how many of those, at least, and which share of them.
const LAZY: usize = 3;
const LAZY_SHARE: f64 = 0.25;
/// A lost packet is sent again after this (see `links.rs`), and two ways.
const RESEND_US: u64 = 200_000;
/// A signature is checked (design/reconcile.md).
const CHECK_US: u64 = 250;
/// A report in its envelopes: 113 bytes of statement, topic, gossipsub's frame, yamux, Noise.
const REPORT_BYTES: u64 = 173;
/// A report that is named, asked for, or a link that is told to send or not to.
const CONTROL_BYTES: u64 = 50;
/// A node that was asleep compares with a neighbour when it is back (design/reconcile.md).
const EXCHANGE_BYTES: u64 = 292;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// Somebody speaks.
    Says,
    /// A report comes through an end.
    Comes,
    /// It was checked and is sent on.
    Goes,
    /// The other end names it.
    Named,
    /// What was named and did not come is asked for.
    Impatient,
    /// The other end asks for it.
    Asked,
    /// A home names what it heard to some.
    Heartbeat,
    /// A home wakes up and compares with a neighbour.
    Wakes,
}

/// Something that is going to happen: when, in which order, what, to whom, through which end, and which report.
type Happening = (u64, u64, What, u32, u32, u16);

const NO_END: u32 = u32::MAX;

/// One report.
struct Report {
    made_us: u64,
    /// A bit for each home that has it.
    known: Vec<u64>,
}

impl Report {
    fn is_known(&self, home: usize) -> bool {
        self.known[home / 64] & (1 << (home % 64)) != 0
    }
}

pub(super) struct Flow {
    plan: Plan,
    graph: Graph,
    dice: Dice,
    queue: BinaryHeap<Reverse<Happening>>,
    most: usize,
    put: u64,
    reports: Vec<Report>,
    /// From when to when a home is asleep.
    sleeps_us: Vec<(u64, u64)>,
    took_us: Vec<u32>,
    woken_max_us: u64,
    copies: u64,
    bytes: u64,
    happenings: u64,
    trace: blake3::Hasher,
}

impl Flow {
    pub(super) fn new(plan: Plan, graph: Graph, dice: &Dice) -> Self {
        let mut people = dice.apart(4);
        let lasts_us = plan.lasts_s * 1_000_000;
        let words = plan.homes.div_ceil(64);
        let mut flow = Self {
            graph,
            dice: dice.apart(5),
            queue: BinaryHeap::new(),
            most: 0,
            put: 0,
            reports: Vec::with_capacity(plan.reports),
            sleeps_us: if plan.sleepers > 0.0 { vec![(0, 0); plan.homes] } else { Vec::new() },
            took_us: Vec::with_capacity(plan.homes * plan.reports),
            woken_max_us: 0,
            copies: 0,
            bytes: 0,
            happenings: 0,
            trace: blake3::Hasher::new(),
            plan,
        };
        for home in 0..flow.sleeps_us.len() {
            if people.happens(plan.sleepers) {
                // Awake again in time to hear what it missed.
                let from = people.below(lasts_us / 2);
                let to = from + people.below(lasts_us / 4);
                flow.sleeps_us[home] = (from, to);
                flow.happens(to, What::Wakes, home, NO_END, 0);
            }
        }
        for report in 0..plan.reports {
            let made_us = report as u64 * lasts_us / (plan.reports as u64 + 1);
            let home = people.place(plan.homes);
            flow.reports.push(Report { made_us, known: vec![0; words] });
            let made_us = made_us.max(if flow.is_asleep(home, made_us) { flow.sleeps_us[home].1 + 1 } else { 0 });
            flow.reports[report].made_us = made_us;
            flow.happens(made_us, What::Says, home, NO_END, report);
        }
        flow
    }

    pub(super) fn run(&mut self, mut progress: impl FnMut(f64)) {
        let (end_us, mut told) = (self.plan.lasts_s * 1_000_000, 0);
        while let Some(Reverse(happening)) = self.queue.pop() {
            let (at_us, _, what, home, end, report) = happening;
            self.happenings += 1;
            self.note(&happening);
            self.take(at_us, what, home as usize, end as usize, usize::from(report));
            if at_us * 100 / end_us.max(1) > told {
                told = at_us * 100 / end_us.max(1);
                #[expect(clippy::cast_precision_loss, reason = "a share from 0 to 100")]
                progress(told as f64 / 100.0);
            }
        }
    }

    fn note(&mut self, (at_us, _, what, home, end, report): &Happening) {
        let mut bytes = [0; 19];
        bytes[..8].copy_from_slice(&at_us.to_be_bytes());
        bytes[8] = *what as u8;
        bytes[9..13].copy_from_slice(&home.to_be_bytes());
        bytes[13..17].copy_from_slice(&end.to_be_bytes());
        bytes[17..].copy_from_slice(&report.to_be_bytes());
        self.trace.update(&bytes);
    }

    fn happens(&mut self, at_us: u64, what: What, home: usize, end: u32, report: usize) {
        self.put += 1;
        let (home, report) = (small(home), u16::try_from(report).unwrap_or(u16::MAX));
        self.queue.push(Reverse((at_us, self.put, what, home, end, report)));
        self.most = self.most.max(self.queue.len());
    }

    fn is_asleep(&self, home: usize, at_us: u64) -> bool {
        self.sleeps_us.get(home).is_some_and(|(from, to)| (*from..*to).contains(&at_us))
    }

    fn take(&mut self, at_us: u64, what: What, home: usize, end: usize, report: usize) {
        if self.is_asleep(home, at_us) {
            return;
        }
        match what {
            What::Says => {
                self.knows(at_us, home, report);
                self.goes_on(at_us, home, None, report);
            }
            What::Comes => {
                self.copies += 1;
                if self.knows(at_us, home, report) {
                    self.happens(at_us + CHECK_US, What::Goes, home, small(end), report);
                } else {
                    self.copy_came(end);
                }
            }
            What::Goes => self.goes_on(at_us, home, Some(end), report),
            What::Named if !self.reports[report].is_known(home) => {
                let patience_us = match self.plan.relay.way {
                    Way::Mesh => 0,
                    Way::Choke { patience_us, .. } => patience_us,
                };
                self.happens(at_us + patience_us, What::Impatient, home, small(end), report);
            }
            What::Impatient if !self.reports[report].is_known(home) => {
                self.send(at_us, end, What::Asked, CONTROL_BYTES, report);
            }
            What::Named | What::Impatient => {}
            What::Asked => {
                if self.plan.relay.way != Way::Mesh {
                    // Who asked needs this link.
                    self.graph.mesh[end] = true;
                }
                self.send(at_us, end, What::Comes, REPORT_BYTES, report);
            }
            What::Heartbeat => self.heartbeat(at_us, home, report),
            What::Wakes => self.wakes(at_us, home),
        }
    }

    /// Whether it is news to the home.
    fn knows(&mut self, at_us: u64, home: usize, report: usize) -> bool {
        let asleep = self.sleeps_us.get(home).copied().unwrap_or_default();
        let it = &mut self.reports[report];
        if it.is_known(home) {
            return false;
        }
        it.known[home / 64] |= 1 << (home % 64);
        if (asleep.0..asleep.1).contains(&it.made_us) {
            self.woken_max_us = self.woken_max_us.max(at_us.saturating_sub(asleep.1));
        } else {
            self.took_us.push(u32::try_from(at_us - it.made_us).unwrap_or(u32::MAX));
        }
        true
    }

    fn goes_on(&mut self, at_us: u64, home: usize, from: Option<usize>, report: usize) {
        for end in self.graph.ends(home) {
            if Some(end) == from {
                continue;
            }
            if self.graph.mesh[end] {
                self.send(at_us, end, What::Comes, REPORT_BYTES, report);
            } else if self.plan.relay.way != Way::Mesh {
                self.send(at_us, end, What::Named, CONTROL_BYTES, report);
            }
        }
        if self.plan.relay.way == Way::Mesh {
            // Heartbeats of different homes are not in step.
            let phase = self.dice.below(HEARTBEAT_US);
            self.happens(at_us + phase, What::Heartbeat, home, 0, report);
        }
    }

    /// To the home at the other end; what it hears it hears through its own end.
    fn send(&mut self, at_us: u64, end: usize, what: What, bytes: u64, report: usize) {
        let latency_us = self.graph.latency_us(end);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "below an hour"
        )]
        let jitter_us = (latency_us as f64 * self.plan.network.jitter) as u64;
        let mut takes_us = latency_us + self.dice.below(jitter_us + 1);
        while self.dice.happens(self.plan.network.loss) {
            takes_us += RESEND_US + 2 * latency_us;
        }
        self.bytes += bytes;
        let (to, other) = (self.graph.to(end), self.graph.other(end));
        self.happens(at_us + takes_us, what, to, small(other), report);
    }

    /// The link brought only a copy: with enough others that send, it is asked not to.
    fn copy_came(&mut self, end: usize) {
        let Way::Choke { keep, .. } = self.plan.relay.way else { return };
        let sender = self.graph.other(end);
        let home = self.graph.to(sender);
        let senders = self.graph.ends(home).filter(|end| self.graph.mesh[self.graph.other(*end)]).count();
        if senders > keep && self.graph.mesh[sender] {
            self.graph.mesh[sender] = false;
            self.bytes += CONTROL_BYTES;
        }
    }

    fn heartbeat(&mut self, at_us: u64, home: usize, report: usize) {
        let mut others: Vec<usize> = self.graph.ends(home).filter(|end| !self.graph.mesh[*end]).collect();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a dozen"
        )]
        let share = (others.len() as f64 * LAZY_SHARE) as usize;
        for round in 0..NAMED_IN {
            for chosen in 0..LAZY.max(share).min(others.len()) {
                let at = chosen + self.dice.place(others.len() - chosen);
                others.swap(chosen, at);
                let end = others[chosen];
                self.bytes += CONTROL_BYTES;
                // Who has it by now ignores it; that nobody loses what he has is why it can be left out here.
                if !self.reports[report].is_known(self.graph.to(end)) {
                    let arrives = at_us + round * HEARTBEAT_US + self.graph.latency_us(end);
                    let (to, other) = (self.graph.to(end), self.graph.other(end));
                    self.happens(arrives, What::Named, to, small(other), report);
                }
            }
        }
    }

    /// A node that is back compares with a neighbour that is awake, and gets what it lacks.
    fn wakes(&mut self, at_us: u64, home: usize) {
        let ends = self.graph.ends(home);
        let Some(end) = ends.clone().find(|end| !self.is_asleep(self.graph.to(*end), at_us)) else {
            // All neighbours sleep: the first of them that wakes will do.
            let next = ends.map(|end| self.sleeps_us[self.graph.to(end)].1).min();
            if let Some(next) = next {
                self.happens(next + 1, What::Wakes, home, NO_END, 0);
            }
            return;
        };
        let there_and_back_us = 2 * (self.graph.latency_us(end) + self.graph.latency_us(self.graph.other(end)));
        self.bytes += EXCHANGE_BYTES;
        let other = self.graph.to(end);
        for report in 0..self.reports.len() {
            if self.reports[report].is_known(other) && !self.reports[report].is_known(home) {
                self.bytes += REPORT_BYTES;
                self.happens(at_us + there_and_back_us, What::Comes, home, small(end), report);
            }
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    pub(super) fn outcome(mut self) -> Outcome {
        self.took_us.sort_unstable();
        let took = &self.took_us;
        let at = |share: usize| took.get((took.len() * share / 100).min(took.len().saturating_sub(1))).copied();
        let ms = |us: Option<u32>| f64::from(us.unwrap_or_default()) / 1_000.0;
        let (homes, reports) = (self.plan.homes as f64, self.plan.reports as f64);
        let known: u64 =
            self.reports.iter().flat_map(|report| &report.known).map(|word| u64::from(word.count_ones())).sum();
        let mesh = self.graph.mesh.iter().filter(|mesh| **mesh).count();
        let queue = self.most * size_of::<Reverse<Happening>>();
        let words = self.reports.iter().map(|report| report.known.capacity() * 8).sum::<usize>();
        let bytes = self.graph.bytes() + queue + words + self.sleeps_us.capacity() * 16 + self.took_us.capacity() * 4;
        Outcome {
            seed: self.plan.seed,
            homes: self.plan.homes,
            reports: self.plan.reports,
            trace: self.trace.finalize().to_hex()[..32].to_owned(),
            known: known as f64 / homes / reports,
            p50_ms: ms(at(50)),
            p99_ms: ms(at(99)),
            max_ms: ms(took.last().copied()),
            woken_max_ms: self.woken_max_us as f64 / 1_000.0,
            copies: self.copies as f64 / homes / reports,
            bytes: self.bytes as f64 / homes / reports,
            mesh: mesh as f64 / homes,
            bytes_a_home: bytes / self.plan.homes,
            happenings: self.happenings,
        }
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
