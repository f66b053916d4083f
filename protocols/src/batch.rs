//! What is written to disk, in batches: one lone commit of redb writes 29 kB, a batch shares that.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    contact::Contact,
    facts::{Call, CallEnd, Fact, LogChange, Received},
    home::{HomeId, NodeNumber},
    mail::{Kept, LetterNo, Marks},
    mesh::Peer,
    number::E164,
    release::{Release, ReleaseId},
    roster::{EntryId, SignedEntry},
    statement::{Kind, Sealed, StatementId},
    ticket::{Invite, TicketId},
    time::Day,
    wishes::DocumentId,
};

/// One batch, as numbered by the engine since the process started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(pub u64);

/// One thing to write. Each replaces what stood under the same key.
#[derive(Debug, Clone, PartialEq)]
pub enum Write {
    /// A screened call.
    Call(Box<Call>),
    /// The end of a screened call.
    CallEnd(CallEnd),
    /// Another fact of this node, which takes the next place of its log.
    Fact(Box<Fact>),
    /// Facts of another node.
    Received(Box<Received>),
    /// A change of logs as a whole.
    Log(Box<LogChange>),
    /// A statement, own or a stranger's, as signed.
    Statement(StatementId, Sealed),
    /// A statement that has expired or was replaced.
    DropStatement(StatementId),
    /// The next free slot of ours for a kind and a day.
    OwnSlot(Kind, Day, u8),
    /// Changes of one document, to be appended to those it has.
    Document(DocumentId, Vec<u8>),
    /// One document, whole; what was appended before is dropped.
    DocumentWhole(DocumentId, Vec<u8>),
    /// How far this node is with a member about a document.
    SyncState(NodeNumber, DocumentId, Vec<u8>),
    /// How far it was with one that is no member any more.
    DropSyncStates(NodeNumber),
    /// A peer worth remembering, with its addresses, the best first.
    Peer(Peer, Vec<String>),
    /// A peer to forget.
    DropPeer(Peer),
    /// A node of a neighbour's home.
    Contact(Box<Contact>),
    /// A contact whose home is answered for no more.
    DropContact(Peer),
    /// An invite that is open, or was used and is not over.
    Invite(Box<Invite>),
    /// An invite that was revoked or is over.
    DropInvite(TicketId),
    /// A letter to or from a neighbour, with what became of it.
    Letter(Box<Kept>),
    /// A letter to forget.
    DropLetter(HomeId, LetterNo),
    /// What is kept beside the letters exchanged with a home.
    Marks(HomeId, Marks),
    /// A list of numbers that was imported, whole, under its id.
    Import(u32, Arc<Vec<u8>>),
    /// An import that was taken back.
    DropImport(u32),
    /// An entry of the household's roster.
    RosterEntry(EntryId, SignedEntry),
    /// What opens a member's store, held for it; of this node's own, who was given it.
    Release(Box<Release>),
    /// It is not held any more.
    DropRelease(NodeNumber, ReleaseId),
    /// A number to forget: its calls, their ends and what is counted about it.
    ForgetNumber(E164),
}

/// Writes that are committed together or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    /// Its number.
    pub id: BatchId,
    /// In the order in which they were made.
    pub writes: Vec<Write>,
}
