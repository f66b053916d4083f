//! What goes into exchanges and comes out of them.

use meerkat_protocols::{
    home::HomeId,
    mesh::{ExchangeEvent, ExchangeOrder, ExchangeRef, Peer},
    statement::StatementId,
    time::Day,
};
use meerkat_reconcile::{Cut, SetId};

/// What the engine tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A statement is on disk.
    Kept {
        /// Where it belongs.
        set: SetId,
        /// Which.
        id: StatementId,
        /// Since when gossip has been carrying it, in milliseconds of the monotonic clock; `None` if it came another way.
        fresh_since_ms: Option<u64>,
    },
    /// A statement is no longer on disk.
    Gone(StatementId),
    /// A peer is connected.
    Connected(Peer),
    /// A peer is gone.
    Disconnected(Peer),
    /// Whether the peer is a contact's.
    Trusted(Peer, bool),
    /// The day by which things expire.
    Day(Day),
    /// Vouches lead to these homes now, and did not before: what was declined of them may be wanted.
    Reached(Vec<HomeId>),
    /// What came in one frame has been dealt with.
    Taken(Taken),
}

/// What became of the bodies of one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The exchange that brought them.
    pub exchange: ExchangeRef,
    /// The peer that sent them.
    pub peer: Peer,
    /// How many were new, and are kept.
    pub accepted: usize,
    /// Whether one of them was something that nobody honest sends.
    pub forged: bool,
    /// Those that are no evidence here.
    pub declined: Vec<Unwanted>,
}

/// A statement that came and is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unwanted {
    /// Whose it is.
    pub home: HomeId,
    /// Where it belongs.
    pub set: SetId,
    /// Which.
    pub id: StatementId,
}

/// What goes in.
#[derive(Debug)]
pub enum ExchangeInput {
    /// From the engine.
    Notice(Notice),
    /// From the network.
    Network(ExchangeEvent),
    /// The bodies of [`ExchangeOutput::Load`], in its order; empty where there is none any more.
    Loaded(ExchangeRef, Vec<Vec<u8>>),
    /// The time of `next_wakeup` has come.
    Wake,
}

/// What comes out.
#[derive(Debug)]
pub enum ExchangeOutput {
    /// Tell the network.
    Order(ExchangeOrder),
    /// Read these from the disk.
    Load(ExchangeRef, Vec<StatementId>),
    /// Tell the engine.
    News(ExchangeNews),
}

/// What the engine is told.
#[derive(Debug)]
pub enum ExchangeNews {
    /// Bodies that a peer had and we had not; [`Notice::Taken`] answers.
    Came {
        /// By which exchange.
        exchange: ExchangeRef,
        /// From whom.
        peer: Peer,
        /// At most 256.
        bodies: Vec<Vec<u8>>,
    },
    /// How things are with the peers that are connected.
    States(Vec<ExchangeState>),
    /// A peer did what nobody honest does.
    Fault(Peer, Cut),
}

/// How things are with one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExchangeState {
    /// Which.
    pub peer: Peer,
    /// The exchange under way, if there is one.
    pub running: Option<UnderWay>,
    /// When both last held the same, in milliseconds of the monotonic clock.
    pub equal_at_ms: Option<u64>,
    /// What the last complete exchange brought.
    pub brought: usize,
    /// What it gave.
    pub given: usize,
    /// Its bytes, both ways.
    pub bytes: u64,
    /// Why the last attempt failed, if it did.
    pub failure: Option<&'static str>,
    /// How many statements of this peer's are no evidence here.
    pub declined: usize,
}

/// An exchange under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnderWay {
    /// Whether we began it.
    pub ours: bool,
    /// Statements that have come.
    pub came: usize,
    /// Statements still to come.
    pub waiting: usize,
    /// Statements given.
    pub given: usize,
}
