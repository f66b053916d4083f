//! What goes into the node: one variant a source.

use std::collections::BTreeMap;

use meerkat_numberlists::Import;
use meerkat_protocols::{
    batch::{BatchId, Write},
    chance::Chance,
    contact::{About, Contact, SignedRecord, Tie},
    facts::{LogId, LogMark, Place, Seq, SignedHead},
    home::{Genesis, HomeId, NodeNumber},
    household::Run,
    letter::{Letter, NotOpened, Receipt, SealedLetter},
    mail::Marks,
    mesh::{self, Peer},
    phone,
    release::{Entrusted, Release},
    roster::{EntryId, EpochKey, Share, SignedEntry},
    statement::{Kind, Sealed},
    ticket::{Invite, SignedTicket},
    time::Day,
    wishes::Wishes,
    zone::Zone,
};

use crate::{
    agreement::Agreed,
    command::{Command, CommandId},
    exchanges::ExchangeNews,
    household::facts::{LoadId, Loaded},
};

/// One thing that happened outside.
#[derive(Debug)]
pub enum Input {
    /// A telephone gateway reports. These come first.
    Phone(phone::Event),
    /// The network reports.
    Network(mesh::Event),
    /// Exchanges report.
    Exchange(ExchangeNews),
    /// A person asks.
    Command(CommandId, Command),
    /// A job is done.
    Done(JobId, Done),
    /// A batch is on disk, or is not: then the store's word says why.
    Committed(BatchId, Result<(), String>),
    /// What was to be read from the store.
    Loaded(LoadId, Loaded),
    /// What the store kept is damaged; the text says what of it.
    Damaged(String),
    /// The time of `next_wakeup` has come.
    Wake,
}

/// One job, as numbered by the node since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId(pub u64);

/// What a job gave.
#[derive(Debug)]
pub enum Done {
    /// The statement, signed.
    Signed(Sealed),
    /// Whether the signature holds.
    Verified(bool),
    /// Whether each of the signatures holds.
    VerifiedAll(Vec<bool>),
    /// What this node says of itself, signed.
    RecordSigned(SignedRecord),
    /// An invite, signed.
    TicketSigned(SignedTicket),
    /// How far a log of this node is, signed.
    HeadSigned(SignedHead),
    /// The tie to another home; `None` if its key is none.
    Tied(Option<Tie>),
    /// The letter, sealed, and the receipt that proves that it was opened; nothing, if the key of the other end is none.
    LetterSealed(Option<(SealedLetter, Receipt)>),
    /// The letter, opened, or why it does not open.
    LetterOpened(Result<(Letter, Receipt), NotOpened>),
    /// An entry of the roster, signed.
    EntrySigned(SignedEntry),
    /// The key of an epoch; nothing, if it is not sealed to this node.
    EpochOpened(Option<EpochKey>),
    /// The public half of the key for a home to come, saved; nothing, if none could be made or saved.
    NextKey(Option<[u8; 32]>),
    /// What opens the store from now on; nothing, if the key file could not be written.
    Rewrapped(Option<Box<Entrusted>>),
    /// What to write so that the edit is kept (nothing, if it changed nothing), or why it was refused.
    Edited(Result<Vec<Write>, String>),
    /// What came of a word of a member about documents, or what to say to it.
    Agreed(Box<Agreed>),
}

/// Who this node is.
#[derive(Debug, Clone, PartialEq)]
pub struct Identity {
    /// The record that made the home.
    pub genesis: Genesis,
    /// This node's number in the home.
    pub node: NodeNumber,
    /// In which of the home's slots it speaks; all, as long as it is the only node.
    pub share: Share,
    /// What people call it, until its household names it.
    pub name: String,
    /// Where the node stands.
    pub place: Option<Place>,
    /// What it tells neighbours of itself.
    pub about: About,
}

impl Identity {
    /// The one node of a home.
    #[must_use]
    pub fn alone(genesis: Genesis, about: About) -> Self {
        Self { genesis, node: NodeNumber(0), share: Share::WHOLE, name: "first node".to_owned(), place: None, about }
    }

    /// The home's name.
    #[must_use]
    pub fn home(&self) -> HomeId {
        self.genesis.home()
    }
}

/// What the store gave back at start. Statements follow one by one through `Engine::restore`.
#[derive(Debug, Default)]
pub struct Restored {
    /// The wishes, read from the documents.
    pub wishes: Wishes,
    /// Settings that the configuration file pins, by name, already in `wishes.settings`.
    pub pinned: Vec<String>,
    /// The next free slot of ours by kind and day.
    pub own_slots: BTreeMap<(Kind, Day), u8>,
    /// What is held of the logs of all nodes.
    pub logs: BTreeMap<LogId, LogMark>,
    /// The place in the log of the next call.
    pub next_call: Seq,
    /// The nodes of neighbours' homes.
    pub contacts: Vec<Contact>,
    /// Peers that were reached in earlier days, with their addresses.
    pub peers: Vec<(Peer, Vec<String>)>,
    /// Invites that were open or used.
    pub invites: Vec<Invite>,
    /// Chance for this run, not stored: what the node draws for invites and meetings.
    pub chance: Chance,
    /// The household's roster, in any order.
    pub roster: Vec<SignedEntry>,
    /// The keys of its latest epochs, as far as they are sealed to this node.
    pub epochs: Vec<(EntryId, EpochKey)>,
    /// Which run this is.
    pub run: Run,
    /// What kind of machine this is, for the other nodes of the home.
    pub machine: String,
    /// The time zone of the home, for quiet hours; there are none without it.
    pub zone: Option<Zone>,
    /// What opens this node's store, if members give it out, as its key file says.
    pub entrusted: Option<Entrusted>,
    /// What opens other members' stores, held for them, and who was given what opens this one.
    pub releases: Vec<Release>,
    /// The imported lists, by their ids.
    pub imports: Vec<(u32, Import)>,
    /// What is kept beside the letters exchanged with each home. Letters follow by `Engine::restore_letter`.
    pub marks: Vec<(HomeId, Marks)>,
}
