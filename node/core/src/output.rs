//! What comes out of the node: one variant a gateway.

use meerkat_protocols::{
    batch::Write,
    contact::NodeRecord,
    facts::Head,
    home::{HomeId, NodeNumber},
    letter::{Address, Correspondent, Letter, SealedLetter},
    mesh, phone,
    release::Entrusted,
    roster::{Entry, EpochBox},
    statement::{Sealed, Statement},
    ticket::Ticket,
    topic::Topic,
    wishes::Edit,
};

use crate::{
    agreement::Agree,
    command::{CommandId, Refusal, Reply},
    enrolling::Becoming,
    event::Event,
    exchanges::Notice,
    household::facts::{Load, LoadId},
    input::JobId,
};

/// How long a write may wait for others to share its commit with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// A person waits for it, or it must never be used twice.
    Now,
    /// At most so many milliseconds.
    Within(u32),
}

/// What may only be said once all writes made before it are on disk.
#[derive(Debug)]
pub enum Promise {
    /// A statement of ours, to the neighbourhood.
    Publish(Topic, Vec<u8>),
    /// To the network, about something saved.
    Order(mesh::Order),
    /// An answer to a person: it says that something is saved.
    Reply(CommandId, Reply),
    /// An event about something saved.
    Event(Event),
    /// To those who compare what is on disk with peers.
    Notice(Notice),
    /// A read that is to find what was saved.
    Load(LoadId, Load),
}

/// Work of more than a millisecond, or work that needs a secret.
#[derive(Debug)]
pub enum Job {
    /// Sign with this node's statement key.
    Sign(Statement),
    /// Sign what this node says of itself with its statement key.
    SignRecord(Box<NodeRecord>),
    /// Sign an invite with its statement key.
    SignTicket(Box<Ticket>),
    /// Sign how far a log of this node is, with its statement key.
    SignHead(Head),
    /// Find the tie between this node and one of another home.
    Tie {
        /// This home.
        own: HomeId,
        /// The other.
        other: HomeId,
        /// With what its node signs.
        key: [u8; 32],
    },
    /// Check that this key signed it: a stranger's.
    Verify(Sealed, [u8; 32]),
    /// Check those of one frame of an exchange.
    VerifyAll(Vec<(Sealed, [u8; 32])>),
    /// Seal a letter with this node's seal key.
    SealLetter {
        /// What to seal.
        letter: Box<Letter>,
        /// This node.
        from: Address,
        /// For whom.
        to: Correspondent,
    },
    /// Open a letter with this node's seal key.
    OpenLetter {
        /// As it came.
        sealed: SealedLetter,
        /// Who brought it.
        from: Correspondent,
        /// This node.
        to: Address,
    },
    /// Sign an entry of the roster with this node's statement key.
    SignEntry(Box<Entry>),
    /// Open the key of an epoch with this node's seal key.
    OpenEpoch {
        /// As it lies in the roster.
        sealed: EpochBox,
        /// Of which home.
        home: HomeId,
        /// Who sealed it.
        author: NodeNumber,
        /// This node.
        to: NodeNumber,
    },
    /// Make the key with which this node would sign in another home, and save it, or give the one that is saved.
    NextKey,
    /// Write the key file anew: members hold this, and are found there.
    Rewrap(Box<Entrusted>, Vec<(mesh::Peer, Vec<String>)>),
    /// Make a change in a document. Edits are made, and their results handed back, in the order in which they were given.
    Edit(Edit),
    /// Let the documents agree with a member's; in one row with the edits.
    Agree(Agree),
}

/// One thing to do outside, drained in order.
#[derive(Debug)]
pub enum Output {
    /// Answer the phone: at once.
    Answer(phone::Act),
    /// Tell the network: at once.
    Order(mesh::Order),
    /// Tell those who compare with peers: at once.
    Notice(Notice),
    /// Write to disk.
    Write(Write, Urgency),
    /// Once all writes before it are on disk.
    AfterCommit(Promise),
    /// Read from the store.
    Load(LoadId, Load),
    /// Work for others.
    Job(JobId, Job),
    /// Answer a person; nothing had to be saved for it.
    Reply(CommandId, Result<Reply, Refusal>),
    /// Stop, and go on as a part of another home.
    Become(Box<Becoming>),
    /// Tell those who listen.
    Event(Event),
}
