//! The writer: commits one batch at a time, so that nobody else ever waits for the disk.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

use meerkat_protocols::batch::{Batch, BatchId, Write};
use meerkat_store::{AccessWrite, CommitError, Keeper, Store};
use tokio::sync::{mpsc, oneshot};

/// Where batches go.
pub trait Disk: Send + 'static {
    /// Writes a batch durably.
    ///
    /// # Errors
    /// The disk's word for why not; nothing of the batch is written then.
    fn commit(&self, batch: &Batch) -> Result<(), CommitError>;

    /// Writes records of who may come in, durably.
    ///
    /// # Errors
    /// As [`Disk::commit`].
    fn commit_access(&self, writes: &[AccessWrite]) -> Result<(), CommitError>;
}

impl Disk for std::sync::Arc<Store> {
    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        Store::commit(self, batch)
    }

    fn commit_access(&self, writes: &[AccessWrite]) -> Result<(), CommitError> {
        Store::commit_access(self, writes)
    }
}

/// As the store, and the copy by which a node that lost everything is known again follows the roster.
impl Disk for Keeper {
    fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        Store::commit(self.store(), batch)?;
        if batch.writes.iter().any(|write| matches!(write, Write::RosterEntry(..)))
            && let Err(why) = self.copy_identity()
        {
            tracing::warn!(%why, "the copy of this node's keys and roster is not of today");
        }
        Ok(())
    }

    fn commit_access(&self, writes: &[AccessWrite]) -> Result<(), CommitError> {
        Store::commit_access(self.store(), writes)
    }
}

/// Records of who may come in, and who waits to hear that they are saved, or in the store's words why not.
pub type AccessRequest = (Vec<AccessWrite>, oneshot::Sender<Result<(), String>>);

/// What the writer tells the engine.
#[derive(Debug)]
pub enum Stored {
    /// A batch is on disk, or is not: then the store's word says why.
    Batch(BatchId, Result<(), String>),
    /// What was kept is damaged; the text says what of it.
    Damaged(String),
}

enum Work {
    Batch(Batch),
    Access(AccessRequest),
    Alone(Box<dyn FnOnce() + Send>),
}

/// The way to the writer thread.
#[derive(Clone)]
pub struct Writer {
    work: Sender<Work>,
}

impl Writer {
    /// Starts the thread. It ends when the last [`Writer`] is gone and all work is done.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(disk: impl Disk, committed: mpsc::UnboundedSender<Stored>) -> std::io::Result<(Self, JoinHandle<()>)> {
        let (work, receiver) = channel();
        let thread =
            std::thread::Builder::new().name("writer".into()).spawn(move || run(&disk, &receiver, &committed))?;
        Ok((Self { work }, thread))
    }

    /// Hands over a batch. The engine has one under way at a time.
    pub fn batch(&self, batch: Batch) {
        if self.work.send(Work::Batch(batch)).is_err() {
            tracing::error!("the writer thread is gone: nothing is saved any more");
        }
    }

    /// Runs something between two batches: what must not meet a write.
    pub fn alone(&self, work: impl FnOnce() + Send + 'static) {
        if self.work.send(Work::Alone(Box::new(work))).is_err() {
            tracing::error!("the writer thread is gone: nothing is saved any more");
        }
    }

    /// Hands over records of who may come in.
    pub fn access(&self, request: AccessRequest) {
        if self.work.send(Work::Access(request)).is_err() {
            tracing::error!("the writer thread is gone: nothing is saved any more");
        }
    }
}

fn run(disk: &impl Disk, work: &Receiver<Work>, committed: &mpsc::UnboundedSender<Stored>) {
    while let Ok(next) = work.recv() {
        match next {
            Work::Batch(batch) => {
                let result = disk.commit(&batch).map_err(|e| e.to_string());
                if let Err(why) = &result {
                    tracing::warn!(writes = batch.writes.len(), why, "a batch could not be saved");
                }
                if committed.send(Stored::Batch(batch.id, result)).is_err() {
                    return;
                }
            }
            Work::Alone(work) => work(),
            Work::Access((writes, told)) => {
                let result = disk.commit_access(&writes).map_err(|e| e.to_string());
                // Whoever asked may have given up; the records are written all the same.
                let _ = told.send(result);
            }
        }
    }
}
