//! The workers: signatures and documents, work of more than a millisecond or with a secret in it.

use std::{
    sync::mpsc::{Receiver, Sender, channel},
    thread::JoinHandle,
};

use ed25519_dalek::SigningKey;
use meerkat_core::{Done, Job, JobId};
use meerkat_documents::Shelf;
use meerkat_protocols::{
    contact::Tie,
    letter::{Address, Correspondent, Letter, Receipt, SealSecret, SealedLetter},
    mesh::Peer,
    release::Entrusted,
};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::{
    documents,
    signatures::{all_hold, holds},
};

/// What only this home's own workers hold: the key that signs and the documents.
pub struct Voice {
    /// Signs this node's statements.
    pub key: SigningKey,
    /// Opens letters for this node, and proves that its own are its own.
    pub seal: SealSecret,
    /// The home's documents.
    pub shelf: Shelf,
    /// Makes the key with which this node would sign in another home, and saves it.
    pub next_key: NextKey,
    /// Writes the key file with what members hold now.
    pub rewrap: Rewrap,
}

/// The public half of a key that is saved; nothing, if none could be made or saved.
pub type NextKey = Box<dyn Fn() -> Option<[u8; 32]> + Send>;

/// Whether the key file was written with this; and where the members are found that hold it.
pub type Rewrap = Box<dyn Fn(&Entrusted, &Vec<(Peer, Vec<String>)>) -> bool + Send>;

/// The ways to the worker threads.
pub struct Jobs {
    own: Sender<(JobId, Job)>,
    strangers: Sender<(JobId, Job)>,
}

impl Jobs {
    /// Starts two threads: one for what people of the home wait for, one for strangers' signatures, so that a flood of
    /// these delays nobody's edit.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        voice: Voice,
        done: mpsc::UnboundedSender<(JobId, Done)>,
    ) -> std::io::Result<(Self, [JoinHandle<()>; 2])> {
        let (own, own_jobs) = channel();
        let (strangers, strangers_jobs) = channel();
        let done_own = done.clone();
        let first = std::thread::Builder::new().name("own jobs".into()).spawn(move || {
            let mut voice = voice;
            run(&own_jobs, &done_own, |job| work(job, &mut voice));
        })?;
        let second =
            std::thread::Builder::new().name("signatures".into()).spawn(move || run(&strangers_jobs, &done, check))?;
        Ok((Self { own, strangers }, [first, second]))
    }

    /// Hands over a job. How many are under way is bounded by the node.
    pub fn start_job(&self, id: JobId, job: Job) {
        let door = match job {
            Job::Sign(_)
            | Job::SignRecord(_)
            | Job::SignTicket(_)
            | Job::SignEntry(_)
            | Job::OpenEpoch { .. }
            | Job::SignHead(_)
            | Job::Tie { .. }
            | Job::Edit(_)
            | Job::NextKey
            | Job::Rewrap(..)
            | Job::Agree(_)
            | Job::SealLetter { .. }
            | Job::OpenLetter { .. } => &self.own,
            Job::Verify(..) | Job::VerifyAll(_) => &self.strangers,
        };
        if door.send((id, job)).is_err() {
            tracing::error!("a worker thread is gone: its work is not done");
        }
    }
}

fn run(
    jobs: &Receiver<(JobId, Job)>,
    done: &mpsc::UnboundedSender<(JobId, Done)>,
    mut work: impl FnMut(Job) -> Option<Done>,
) {
    while let Ok((id, job)) = jobs.recv() {
        let Some(result) = work(job) else { continue };
        if done.send((id, result)).is_err() {
            return;
        }
    }
}

fn work(job: Job, voice: &mut Voice) -> Option<Done> {
    match job {
        Job::Sign(statement) => Some(Done::Signed(statement.sign(&voice.key))),
        Job::SignRecord(record) => Some(Done::RecordSigned(record.sign(&voice.key))),
        Job::SignTicket(ticket) => Some(Done::TicketSigned(ticket.sign(&voice.key))),
        Job::SignEntry(entry) => Some(Done::EntrySigned(entry.sign(&voice.key))),
        Job::OpenEpoch { sealed, home, author, to } => {
            Some(Done::EpochOpened(sealed.open(&voice.seal, home, author, to).ok()))
        }
        Job::SignHead(head) => Some(Done::HeadSigned(head.sign(&voice.key))),
        Job::Tie { own, other, key } => Some(Done::Tied(Tie::between(&voice.key, own, (other, &key)))),
        Job::Edit(edit) => Some(Done::Edited(documents::change(&mut voice.shelf, &edit))),
        Job::Agree(work) => Some(Done::Agreed(Box::new(documents::agree(&mut voice.shelf, work)))),
        Job::SealLetter { letter, from, to } => Some(Done::LetterSealed(seal(&letter, &voice.seal, &from, &to))),
        Job::OpenLetter { sealed, from, to } => Some(Done::LetterOpened(sealed.open(&voice.seal, &from, &to))),
        Job::NextKey => Some(Done::NextKey((voice.next_key)())),
        Job::Rewrap(entrusted, whom) => Some(Done::Rewrapped((voice.rewrap)(&entrusted, &whom).then_some(entrusted))),
        Job::Verify(..) | Job::VerifyAll(_) => check(job),
    }
}

/// The letter, sealed with new chance. Without chance nothing is sealed, and the node tries again later.
fn seal(letter: &Letter, secret: &SealSecret, from: &Address, to: &Correspondent) -> Option<(SealedLetter, Receipt)> {
    let mut chance = Zeroizing::new([0; 32]);
    if let Err(why) = getrandom::fill(chance.as_mut_slice()) {
        tracing::error!(%why, "the system gives no random numbers: a message is not sealed");
        return None;
    }
    SealedLetter::seal(letter, secret, from, to, *chance).ok()
}

fn check(job: Job) -> Option<Done> {
    match job {
        Job::Verify(sealed, key) => Some(Done::Verified(holds(&(sealed, key)))),
        Job::VerifyAll(all) => Some(Done::VerifiedAll(all_hold(&all))),
        Job::Sign(_)
        | Job::SignRecord(_)
        | Job::SignTicket(_)
        | Job::SignHead(_)
        | Job::SignEntry(_)
        | Job::OpenEpoch { .. }
        | Job::Tie { .. }
        | Job::Edit(_)
        | Job::NextKey
        | Job::Rewrap(..)
        | Job::Agree(_)
        | Job::SealLetter { .. }
        | Job::OpenLetter { .. } => None,
    }
}
