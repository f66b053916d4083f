//! The engine: keeps the order of things around the node.
//!
//! - Acts go at once: a caller never waits for a disk.
//! - Writes join the open batch, which goes to disk when a person waits for it, when its oldest write has waited long
//!   enough, or when it is large; one batch at a time.
//! - What may only be said once it is saved waits for its batch.
//! - A batch that cannot be written is tried again, with all that has come since, until it is; people are told.

use std::collections::VecDeque;

use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    mesh, phone,
    statement::Sealed,
    time::Now,
};

use crate::{
    command::{CommandId, Refusal, Reply},
    event::Event,
    input::{Identity, Input, JobId, Restored},
    node::Node,
    output::{Job, Output, Promise, Urgency},
    snapshot::Snapshot,
};

/// A batch this large goes at once: about 200 kB of values.
const FULL_BATCH: usize = 1_000;
/// The most writes that wait for a disk that takes nothing: at about 300 bytes some 15 MB.
const MAX_WAITING: usize = 50_000;
/// How long to wait after a failed batch, doubling up to the second figure.
const RETRY_MS: (u64, u64) = (1_000, 60_000);

/// One thing for the world to do, in this order.
#[derive(Debug)]
pub enum Deed {
    /// Answer the phone.
    Answer(phone::Act),
    /// Tell the network.
    Order(mesh::Order),
    /// Write these together, durably, then say [`Input::Committed`]. The next comes only after that.
    Commit(Batch),
    /// Do this work, then say [`Input::Done`].
    Job(JobId, Job),
    /// Answer a person.
    Reply(CommandId, Result<Reply, Refusal>),
    /// Tell those who listen.
    Event(Event),
}

#[derive(Default)]
struct Open {
    writes: Vec<Write>,
    promises: Vec<Promise>,
    /// By when it must go, in milliseconds of the monotonic clock.
    due_ms: Option<u64>,
}

/// A node with its batches.
pub struct Engine {
    node: Node,
    out: VecDeque<Deed>,
    open: Open,
    /// The batch that the writer has now, kept so that it can be tried again.
    writing: Option<(Batch, Vec<Promise>)>,
    next_batch: u64,
    retry: Option<Retry>,
}

#[derive(Clone, Copy)]
struct Retry {
    at_ms: u64,
    pause_ms: u64,
}

impl Engine {
    /// The engine around a node with what the store gave back.
    #[must_use]
    pub fn new(identity: Identity, restored: Restored) -> Self {
        Self {
            node: Node::new(identity, restored),
            out: VecDeque::new(),
            open: Open::default(),
            writing: None,
            next_batch: 0,
            retry: None,
        }
    }

    /// Takes back a statement that the store kept.
    pub fn restore(&mut self, sealed: &Sealed) {
        self.node.restore(sealed);
    }

    /// All statements are back.
    pub fn restored(&mut self, now: Now) {
        self.node.restored(now);
        self.drain(now);
    }

    /// Takes in one thing that happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        match input {
            Input::Committed(batch, result) => self.committed(now, batch, result),
            other => self.node.handle(now, other),
        }
        self.drain(now);
    }

    /// The next thing to do outside, if any.
    pub fn poll_output(&mut self) -> Option<Deed> {
        self.out.pop_front()
    }

    /// When to come back with [`Input::Wake`] if nothing else happens, in milliseconds of the monotonic clock.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<u64> {
        let batch = if self.writing.is_some() { None } else { self.due() };
        [self.node.next_wakeup(), batch].into_iter().flatten().min()
    }

    /// How things are.
    #[must_use]
    pub fn snapshot(&mut self, now: Now) -> Snapshot {
        self.node.snapshot(now)
    }

    /// Whether everything that was to be written is on disk.
    #[must_use]
    pub fn is_saved(&self) -> bool {
        self.writing.is_none() && self.open.writes.is_empty()
    }

    /// Sends what waits to disk now: for an orderly stop.
    pub fn flush(&mut self, now: Now) {
        if !self.open.writes.is_empty() {
            self.open.due_ms = Some(now.mono_ms);
        }
        self.retry = None;
        self.drain(now);
    }

    fn due(&self) -> Option<u64> {
        let due = self.open.due_ms?;
        Some(self.retry.map_or(due, |r| r.at_ms.max(due)))
    }

    fn drain(&mut self, now: Now) {
        while let Some(output) = self.node.poll_output() {
            match output {
                Output::Answer(act) => self.out.push_back(Deed::Answer(act)),
                Output::Order(order) => self.out.push_back(Deed::Order(order)),
                Output::Job(id, job) => self.out.push_back(Deed::Job(id, job)),
                Output::Reply(id, reply) => self.out.push_back(Deed::Reply(id, reply)),
                Output::Event(event) => self.out.push_back(Deed::Event(event)),
                Output::Write(write, urgency) => self.write(now, write, urgency),
                Output::AfterCommit(promise) => self.promise(promise),
            }
        }
        self.commit(now);
    }

    fn write(&mut self, now: Now, write: Write, urgency: Urgency) {
        let due = match urgency {
            Urgency::Now => now.mono_ms,
            Urgency::Within(ms) => now.mono_ms + u64::from(ms),
        };
        self.open.writes.push(write);
        self.open.due_ms = Some(self.open.due_ms.map_or(due, |d| d.min(due)));
        if self.open.writes.len() >= FULL_BATCH {
            self.open.due_ms = Some(now.mono_ms);
        }
    }

    fn promise(&mut self, promise: Promise) {
        match (promise, self.retry) {
            // The disk takes nothing: say so now instead of leaving a person waiting.
            (Promise::Reply(id, _), Some(_)) => {
                let why = "the disk takes no writes at the moment".to_owned();
                self.out.push_back(Deed::Reply(id, Err(Refusal::NotSavedYet(why))));
            }
            (promise, _) if !self.open.writes.is_empty() => self.open.promises.push(promise),
            // Nothing is open: what was written before is with the writer, or on disk already.
            (promise, _) => match &mut self.writing {
                Some((_, promises)) => promises.push(promise),
                None => self.out.push_back(kept(promise)),
            },
        }
    }

    fn commit(&mut self, now: Now) {
        if self.writing.is_some() || self.due().is_none_or(|due| due > now.mono_ms) {
            return;
        }
        let Open { writes, promises, .. } = std::mem::take(&mut self.open);
        let batch = Batch { id: BatchId(self.next_batch), writes };
        self.next_batch += 1;
        self.out.push_back(Deed::Commit(batch.clone()));
        self.writing = Some((batch, promises));
    }

    fn committed(&mut self, now: Now, id: BatchId, result: Result<(), String>) {
        let Some((batch, promises)) = self.writing.take_if(|(b, _)| b.id == id) else { return };
        match result {
            Ok(()) => {
                self.retry = None;
                self.node.saving(now, None, false);
                for promise in promises {
                    self.out.push_back(kept(promise));
                }
            }
            Err(why) => self.failed(now, batch, promises, why),
        }
    }

    /// Puts a failed batch before what has come since and tells those who wait for it.
    fn failed(&mut self, now: Now, batch: Batch, promises: Vec<Promise>, why: String) {
        let pause_ms = self.retry.map_or(RETRY_MS.0, |r| (r.pause_ms * 2).min(RETRY_MS.1));
        self.retry = Some(Retry { at_ms: now.mono_ms + pause_ms, pause_ms });
        let mut writes = batch.writes;
        writes.append(&mut self.open.writes);
        let lost = drop_oldest(&mut writes);
        let since = std::mem::take(&mut self.open.promises);
        let mut waiting = Vec::new();
        for promise in promises.into_iter().chain(since) {
            match promise {
                Promise::Reply(id, _) => {
                    self.out.push_back(Deed::Reply(id, Err(Refusal::NotSavedYet(why.clone()))));
                }
                Promise::Publish(_) | Promise::Event(_) => waiting.push(promise),
            }
        }
        self.open = Open { writes, promises: waiting, due_ms: Some(now.mono_ms) };
        self.node.saving(now, Some(why), lost);
    }
}

/// What a promise becomes once its batch is on disk.
fn kept(promise: Promise) -> Deed {
    match promise {
        Promise::Publish(data) => Deed::Order(mesh::Order::Publish { data }),
        Promise::Reply(id, reply) => Deed::Reply(id, Ok(reply)),
        Promise::Event(event) => Deed::Event(event),
    }
}

/// Gives up the oldest writes of what can be had again or is only history, if memory runs short. What a person decided
/// and what keeps the own voice honest is never given up.
fn drop_oldest(writes: &mut Vec<Write>) -> bool {
    let mut surplus = writes.len().saturating_sub(MAX_WAITING);
    let before = writes.len();
    writes.retain(|write| {
        let expendable = match write {
            Write::Call(_) | Write::CallEnd(_) | Write::Statement(..) | Write::Peer(..) | Write::DropPeer(_) => true,
            Write::DropStatement(_) | Write::OwnSlot(..) | Write::Document(..) | Write::DocumentWhole(..) => false,
        };
        let drop = expendable && surplus > 0;
        surplus -= usize::from(drop);
        !drop
    });
    writes.len() < before
}
