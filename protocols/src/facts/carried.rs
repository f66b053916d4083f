//! What is written of logs, beside a node's own facts: entries of other nodes, heads, what expires.

use super::{Entry, Head, Link, LogId, Seq, SignedHead, Stream};
use crate::time::Day;

/// Entries of a log that came from a member and were followed along its chain.
#[derive(Debug, Clone, PartialEq)]
pub struct Received {
    /// Which log.
    pub log: LogId,
    /// Where what is held ended when they were asked for. If it ends elsewhere, they are left out: an earlier batch was
    /// given up, or this one is written a second time.
    pub from: Seq,
    /// They do not follow what is held, for what lies between has expired everywhere: the log begins anew after this
    /// link.
    pub restart: Option<Link>,
    /// In order.
    pub entries: Vec<Entry>,
    /// The node's word on one of them, if it holds.
    pub head: Option<(Head, SignedHead)>,
}

/// A change of logs as a whole.
#[derive(Debug, Clone, PartialEq)]
pub enum LogChange {
    /// A node's word on its log, found to hold.
    Head(Head, SignedHead),
    /// What no word of the node vouches for turned out not to be its own: it goes.
    Cut(LogId),
    /// Entries of all nodes from before a day go, at most so many of each log.
    Expire(Stream, Day, usize),
    /// The disk is full: so many of the oldest entries of these logs go, whatever their age.
    DropOldest(Vec<LogId>, usize),
    /// Values that decayed are replaced by what a member has, if with them the chain holds again.
    Mend(LogId, Vec<Entry>),
}
