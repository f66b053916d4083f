//! The engine: keeps the order of things around the node.
//!
//! - Acts go at once: a caller never waits for a disk.
//! - Writes join the open batch, which goes to disk when a person waits for it, when its oldest write has waited long
//!   enough, or when it is large; one batch at a time.
//! - What may only be said once it is saved waits for its batch.
//! - A batch that cannot be written is tried again, with all that has come since, until it is; people are told.

use std::collections::{BTreeSet, VecDeque};

use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    facts::Fact,
    home::HomeId,
    mail::Kept,
    mesh, phone,
    statement::{Read, Sealed},
    time::Now,
};

use crate::{
    command::{CommandId, Refusal, Reply},
    enrolling::Becoming,
    event::Event,
    exchanges::Notice,
    household::facts::{Load, LoadId},
    input::{Identity, Input, JobId, Restored},
    node::Node,
    output::{Job, Output, Promise, Urgency},
    snapshot::Snapshot,
};

/// A batch this large goes at once: about 200 kB of values.
const FULL_BATCH: usize = 1_000;
/// The most writes that wait for a disk that takes nothing: at about 300 bytes some 15 MB, and as much again in the batch
/// that the disk has.
const MAX_WAITING: usize = 50_000;
/// How many are left when there were too many: giving up one by one would look through all of them each time.
const ROOM_FOR: usize = MAX_WAITING / 10 * 9;
/// After how long without an answer from the disk people are told so. A card that tidies up stalls for a second or two.
const STALLED_MS: u64 = 10_000;
/// How long to wait after a failed batch, doubling up to the second figure.
const RETRY_MS: (u64, u64) = (1_000, 60_000);

/// One thing for the world to do, in this order.
#[derive(Debug)]
pub enum Deed {
    /// Answer the phone.
    Answer(phone::Act),
    /// Tell the network.
    Order(mesh::Order),
    /// Tell those who compare with peers, in this order.
    Notice(Notice),
    /// Write these together, durably, then say [`Input::Committed`]. The next comes only after that.
    Commit(Batch),
    /// Read this, then say [`Input::Loaded`].
    Load(LoadId, Load),
    /// Do this work, then say [`Input::Done`].
    Job(JobId, Job),
    /// Answer a person.
    Reply(CommandId, Result<Reply, Refusal>),
    /// Stop, and go on as a part of another home.
    Become(Box<Becoming>),
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
    writing: Option<Writing>,
    next_batch: u64,
    retry: Option<Retry>,
}

struct Writing {
    batch: Batch,
    promises: Vec<Promise>,
    since_ms: u64,
    /// It takes so long that people were told.
    stalled: bool,
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

    /// Takes back a statement that the store kept, and says what exchanges need to hear of it.
    pub fn restore(&mut self, sealed: &Sealed) -> Option<Notice> {
        self.node.restore(sealed)
    }

    /// Takes back a letter that the store kept; those of one home come in their order.
    pub fn restore_letter(&mut self, kept: Kept) {
        self.node.restore_letter(kept);
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
            // Nothing a person decides is ever given up, so no more of it is taken in than memory holds.
            Input::Command(id, command) if self.is_full() && !command.only_asks() => {
                self.out.push_back(Deed::Reply(id, Err(Refusal::Busy)));
            }
            other => self.node.handle(now, other),
        }
        self.stall(now);
        self.drain(now);
    }

    fn is_full(&self) -> bool {
        self.open.writes.len() >= MAX_WAITING
    }

    /// The next thing to do outside, if any.
    pub fn poll_output(&mut self) -> Option<Deed> {
        self.out.pop_front()
    }

    /// When to come back with [`Input::Wake`] if nothing else happens, in milliseconds of the monotonic clock.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<u64> {
        let disk = match &self.writing {
            Some(writing) => (!writing.stalled).then_some(writing.since_ms + STALLED_MS),
            None => self.due(),
        };
        [self.node.next_wakeup(), disk].into_iter().flatten().min()
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
                Output::Notice(notice) => self.out.push_back(Deed::Notice(notice)),
                Output::Load(id, load) => self.out.push_back(Deed::Load(id, load)),
                Output::Job(id, job) => self.out.push_back(Deed::Job(id, job)),
                Output::Reply(id, reply) => self.out.push_back(Deed::Reply(id, reply)),
                Output::Become(becoming) => self.out.push_back(Deed::Become(becoming)),
                Output::Event(event) => self.out.push_back(Deed::Event(event)),
                Output::Write(write, urgency) => self.write(now, write, urgency),
                Output::AfterCommit(promise) => self.promise(now, promise),
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
        if self.open.writes.len() > MAX_WAITING {
            self.make_room(now);
        }
    }

    /// Gives up the oldest writes of what can be had again or is only history. What a person decided and what keeps the
    /// own voice honest is never given up.
    fn make_room(&mut self, now: Now) {
        let own = self.node.home();
        let mut surplus = self.open.writes.len().saturating_sub(ROOM_FOR);
        let (mut calls, mut statements) = (BTreeSet::new(), BTreeSet::new());
        let before = self.open.writes.len();
        self.open.writes.retain(|write| {
            let orphan = matches!(write, Write::CallEnd(end) if calls.contains(&end.seq));
            let drop = orphan || surplus > 0 && is_expendable(write, own);
            surplus = surplus.saturating_sub(usize::from(drop));
            match write {
                Write::Call(call) if drop => _ = calls.insert(call.seq),
                Write::Statement(id, _) if drop => _ = statements.insert(*id),
                _ => {}
            }
            !drop
        });
        // Nobody is told that a call is saved which was given up.
        self.open.promises.retain(|promise| match promise {
            Promise::Event(Event::CallSaved(seq)) => !calls.contains(seq),
            Promise::Notice(Notice::Kept { id, .. }) => !statements.contains(id),
            _ => true,
        });
        if self.open.writes.len() < before {
            self.node.writes_lost(now);
        }
    }

    fn promise(&mut self, now: Now, promise: Promise) {
        let stalled = self.writing.as_ref().is_some_and(|w| w.stalled);
        match promise {
            // The disk takes nothing: say so now instead of leaving a person waiting.
            Promise::Reply(id, _) if stalled || self.retry.is_some() => {
                let why = "the disk takes no writes at the moment".to_owned();
                self.out.push_back(Deed::Reply(id, Err(Refusal::NotSavedYet(why))));
            }
            promise if !self.open.writes.is_empty() => {
                if matches!(promise, Promise::Reply(..) | Promise::Order(_)) {
                    // Somebody waits for it. What changed nothing wrote nothing, but what it has to say may not wait for
                    // others' writes: a letter sent again waited a minute for a contact's newer record.
                    self.open.due_ms = Some(now.mono_ms);
                }
                self.open.promises.push(promise);
            }
            // Nothing is open: what was written before is with the writer, or on disk already.
            promise => match &mut self.writing {
                Some(writing) => writing.promises.push(promise),
                None => self.out.push_back(kept(promise)),
            },
        }
    }

    /// Tells people when the disk has not answered for long: it may never.
    fn stall(&mut self, now: Now) {
        let Some(writing) = &mut self.writing else { return };
        if writing.stalled || now.mono_ms < writing.since_ms + STALLED_MS {
            return;
        }
        writing.stalled = true;
        let why = format!("the disk has not answered for {} seconds", STALLED_MS / 1_000);
        for promises in [&mut writing.promises, &mut self.open.promises] {
            *promises = not_saved(std::mem::take(promises), &why, &mut self.out);
        }
        self.node.saving(now, Some(why));
    }

    fn commit(&mut self, now: Now) {
        if self.writing.is_some() || self.due().is_none_or(|due| due > now.mono_ms) {
            return;
        }
        let Open { writes, promises, .. } = std::mem::take(&mut self.open);
        let batch = Batch { id: BatchId(self.next_batch), writes };
        self.next_batch += 1;
        self.out.push_back(Deed::Commit(batch.clone()));
        self.writing = Some(Writing { batch, promises, since_ms: now.mono_ms, stalled: false });
    }

    fn committed(&mut self, now: Now, id: BatchId, result: Result<(), String>) {
        let Some(Writing { batch, promises, .. }) = self.writing.take_if(|w| w.batch.id == id) else { return };
        match result {
            Ok(()) => {
                self.retry = None;
                self.node.saving(now, None);
                for promise in promises {
                    self.out.push_back(kept(promise));
                }
            }
            Err(why) => self.failed(now, batch, promises, why),
        }
    }

    /// Puts a failed batch before what has come since and tells those who wait for it.
    fn failed(&mut self, now: Now, batch: Batch, mut promises: Vec<Promise>, why: String) {
        let pause_ms = self.retry.map_or(RETRY_MS.0, |r| (r.pause_ms * 2).min(RETRY_MS.1));
        self.retry = Some(Retry { at_ms: now.mono_ms + pause_ms, pause_ms });
        let mut writes = batch.writes;
        writes.append(&mut self.open.writes);
        promises.append(&mut self.open.promises);
        let promises = not_saved(promises, &why, &mut self.out);
        self.open = Open { writes, promises, due_ms: Some(now.mono_ms) };
        if self.open.writes.len() > MAX_WAITING {
            self.make_room(now);
        }
        self.node.saving(now, Some(why));
    }
}

/// What a promise becomes once its batch is on disk.
fn kept(promise: Promise) -> Deed {
    match promise {
        Promise::Publish(topic, data) => Deed::Order(mesh::Order::Publish { topic, data }),
        Promise::Reply(id, reply) => Deed::Reply(id, Ok(reply)),
        Promise::Event(event) => Deed::Event(event),
        Promise::Order(order) => Deed::Order(order),
        Promise::Notice(notice) => Deed::Notice(notice),
        Promise::Load(id, load) => Deed::Load(id, load),
    }
}

/// Tells people that their changes are not on disk yet; what is not for a person waits on.
fn not_saved(promises: Vec<Promise>, why: &str, out: &mut VecDeque<Deed>) -> Vec<Promise> {
    let (replies, waiting) = promises.into_iter().partition(|p| matches!(p, Promise::Reply(..)));
    let told = Vec::into_iter(replies).filter_map(|promise| match promise {
        Promise::Reply(id, _) => Some(Deed::Reply(id, Err(Refusal::NotSavedYet(why.to_owned())))),
        Promise::Publish(..) | Promise::Order(_) | Promise::Event(_) | Promise::Notice(_) | Promise::Load(..) => None,
    });
    out.extend(told);
    waiting
}

/// Whether a write can be had again, comes again by itself, or is only history. A statement of our own is neither:
/// nobody gives it back to us.
fn is_expendable(write: &Write, own: HomeId) -> bool {
    match write {
        Write::Fact(fact) => !matches!(**fact, Fact::Audit(_) | Fact::Erased(_)),
        // Members have them, and are asked again.
        Write::Received(_) | Write::Log(_) | Write::SyncState(..) | Write::DropSyncStates(_) => true,
        Write::Call(_) | Write::CallEnd(_) | Write::DropStatement(_) | Write::Peer(..) | Write::DropPeer(_) => true,
        Write::Statement(_, sealed) => !matches!(sealed.read(), Ok(Read::Statement(s)) if s.home == own),
        Write::OwnSlot(..)
        | Write::Document(..)
        | Write::DocumentWhole(..)
        | Write::RosterEntry(..)
        | Write::Release(_)
        | Write::DropRelease(..)
        | Write::Contact(_)
        | Write::DropContact(_)
        | Write::Invite(_)
        | Write::DropInvite(_)
        | Write::Letter(_)
        | Write::DropLetter(..)
        | Write::Marks(..)
        | Write::Import(..)
        | Write::DropImport(_)
        | Write::ForgetNumber(_) => false,
    }
}
