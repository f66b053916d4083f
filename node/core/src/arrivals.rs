//! What exchanges bring: the statements of one frame are judged together, whatever their order in it.

use meerkat_protocols::{
    home::HomeId,
    mesh::{ExchangeRef, Order, Peer},
    statement::{Read, Sealed, Statement},
    time::Now,
};
use meerkat_reconcile::SetId;
use serde_bytes::ByteBuf;

use crate::{
    admission::{Admission, Examined, Ignored},
    exchanges::{ExchangeNews, Notice, Taken, Unwanted, set_of},
    input::JobId,
    node::Node,
    output::{Job, Output, Promise, Urgency},
};

/// Statements of exchanges that are gossiped on in one minute. It spares others their own exchange; beyond that they
/// compare, which is cheaper than the flood.
const MAX_GOSSIPED_ON: u32 = 256;
const MINUTE_MS: u64 = 60_000;
/// What we think of a peer that did what nobody honest does: below zero, so that gossip drops it from its mesh.
const DISTRUST: i16 = -100;

/// One frame being judged.
#[derive(Debug)]
pub(crate) struct Arrival {
    exchange: ExchangeRef,
    peer: Peer,
    accepted: usize,
    forged: bool,
    declined: Vec<Unwanted>,
    /// Their signatures are being checked.
    checking: Vec<(Sealed, Statement, [u8; 32])>,
    /// Of homes that no vouch leads to, and of nodes that their home has not named, unless that comes in this very frame.
    aside: Vec<(Sealed, Ignored)>,
}

/// How much was gossiped on in this minute.
#[derive(Debug, Default)]
pub(crate) struct GossipedOn {
    since_ms: u64,
    count: u32,
}

impl GossipedOn {
    fn may(&mut self, now: Now) -> bool {
        if now.mono_ms >= self.since_ms + MINUTE_MS {
            *self = Self { since_ms: now.mono_ms, count: 0 };
        }
        self.count += 1;
        self.count <= MAX_GOSSIPED_ON
    }
}

impl Node {
    /// Takes in what exchanges report.
    pub(crate) fn exchange(&mut self, now: Now, news: ExchangeNews) {
        match news {
            ExchangeNews::Came { exchange, peer, bodies } => {
                let arrival = Arrival {
                    exchange,
                    peer,
                    accepted: 0,
                    forged: false,
                    declined: Vec::new(),
                    checking: Vec::new(),
                    aside: Vec::new(),
                };
                let bodies = bodies.into_iter().map(|body| Sealed(ByteBuf::from(body))).collect();
                self.weigh(now, arrival, bodies);
            }
            ExchangeNews::States(states) => self.mesh.exchanges = states,
            ExchangeNews::Fault(peer, _) => {
                self.counts.faults += 1;
                self.distrust(peer);
            }
        }
    }

    fn weigh(&mut self, now: Now, mut arrival: Arrival, bodies: Vec<Sealed>) {
        let mut job = Vec::new();
        for sealed in bodies {
            match self.known(now).examine(&sealed) {
                Examined::Settled(admission) => self.settle(&mut arrival, &sealed, admission),
                Examined::Hold(_, why) => arrival.aside.push((sealed, why)),
                Examined::Check(statement, key) => {
                    job.push((sealed.clone(), key));
                    arrival.checking.push((sealed, statement, key));
                }
            }
        }
        if job.is_empty() {
            return self.take(arrival);
        }
        let job = self.start(Job::VerifyAll(job));
        self.mesh.arrivals.insert(job, arrival);
    }

    /// The signatures of a frame were checked. What was of homes out of reach may be of homes in reach now.
    pub(crate) fn verified_all(&mut self, now: Now, job: JobId, holds: &[bool]) {
        let Some(mut arrival) = self.mesh.arrivals.remove(&job) else { return };
        for ((sealed, statement, key), holds) in std::mem::take(&mut arrival.checking).into_iter().zip(holds) {
            let topic = self.topic(&statement);
            let admission = if *holds {
                self.admit(now, sealed.clone(), (&statement, key), Urgency::Now, false)
            } else {
                Admission::of_forged(statement.node)
            };
            self.settle(&mut arrival, &sealed, admission);
            if admission == Admission::Accept && self.mesh.gossiped_on.may(now) {
                self.put(Output::Order(Order::Publish { topic, data: sealed.0.into_vec() }));
            }
        }
        self.walk_if_due(now);
        let aside = std::mem::take(&mut arrival.aside).into_iter().map(|(sealed, _)| sealed).collect();
        self.weigh(now, arrival, aside);
    }

    fn settle(&mut self, arrival: &mut Arrival, sealed: &Sealed, admission: Admission) {
        self.count(admission);
        match admission {
            Admission::Accept => {
                arrival.accepted += 1;
                self.counts.exchanged += 1;
            }
            Admission::Ignore(Ignored::Known) => {}
            Admission::Ignore(_) => arrival.declined.push(unwanted(sealed)),
            Admission::Reject(_) => arrival.forged = true,
        }
    }

    /// For as long as this process lives: a contact's record, when it comes again, is believed again.
    fn distrust(&mut self, peer: Peer) {
        self.put(Output::Order(Order::Trust { peer, score: DISTRUST }));
    }

    /// All of the frame is judged.
    fn take(&mut self, mut arrival: Arrival) {
        for (sealed, why) in std::mem::take(&mut arrival.aside) {
            self.settle(&mut arrival, &sealed, Admission::Ignore(why));
        }
        let Arrival { exchange, peer, accepted, forged, declined, .. } = arrival;
        if forged {
            self.distrust(peer);
        }
        // After the commit: so the peer sends no faster than the disk takes, and the next exchange finds all of it. Where
        // nothing was written it would wait half a minute for writes of others.
        let taken = Notice::Taken(Taken { exchange, peer, accepted, forged, declined });
        let wrote = accepted > 0;
        self.put(if wrote { Output::AfterCommit(Promise::Notice(taken)) } else { Output::Notice(taken) });
    }
}

fn unwanted(sealed: &Sealed) -> Unwanted {
    let id = sealed.id();
    match sealed.read() {
        Ok(Read::Statement(statement)) => Unwanted { home: statement.home, set: set_of(&statement), id },
        // Nobody can tell where a newer program puts it: it takes part in all comparisons of everything.
        Ok(Read::Newer) | Err(_) => Unwanted { home: HomeId([0; 16]), set: SetId { shard: 0, day: u16::MAX }, id },
    }
}
