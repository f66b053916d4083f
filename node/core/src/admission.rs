//! Admission: whether a stranger's bytes become evidence. Order of arrival plays no part.

use std::collections::BTreeMap;

use meerkat_protocols::{
    home::{Genesis, HomeId},
    mesh::{Peer, Validation},
    statement::{LIFETIME_DAYS, MAX_DAYS_AHEAD, Malformed, Read, Sealed, Statement},
    time::Day,
};

use crate::{evidence::Evidence, vouches::Reach};

/// Why a statement was ignored: it is not for us, or not now, and nobody is to blame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Ignored {
    /// We hold it already.
    #[error("known already")]
    Known,
    /// A newer program wrote it.
    #[error("of a newer version")]
    Newer,
    /// It carries a day that has not come.
    #[error("from the future")]
    Future,
    /// Its day is too long ago.
    #[error("expired")]
    Expired,
    /// No chain of vouches leads to the home that made it: kept aside for when one does.
    #[error("from a home out of reach")]
    OutOfReach,
    /// It speaks in this home's own name, but not through this node.
    #[error("in our own name")]
    Own,
    /// The home has filled the slot twice already and counts for nothing.
    #[error("from a home that contradicts itself")]
    Surplus,
    /// More comes than can be checked.
    #[error("too much at once")]
    Busy,
    /// No room for more evidence.
    #[error("no room")]
    Full,
}

/// Why a statement was rejected: nobody honest sends it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Rejected {
    /// It is no statement.
    #[error("malformed")]
    Malformed,
    /// Its signature does not hold.
    #[error("forged")]
    Forged,
}

/// The answer to a statement that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is evidence now, and is passed on.
    Accept,
    /// It is left alone.
    Ignore(Ignored),
    /// It is refused.
    Reject(Rejected),
}

impl Admission {
    /// What the network is told.
    #[must_use]
    pub fn validation(self) -> Validation {
        match self {
            Self::Accept => Validation::Accept,
            Self::Ignore(_) => Validation::Ignore,
            Self::Reject(_) => Validation::Reject,
        }
    }
}

/// What can be said before the signature is checked.
#[derive(Debug)]
pub(crate) enum Examined {
    /// Check the signature against the key of this genesis.
    Check(Statement, Genesis),
    /// Keep it aside: the home cannot be reached.
    Hold(HomeId),
    /// The answer stands.
    Settled(Admission),
}

/// What admission looks at.
pub(crate) struct Known<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) reach: &'a Reach,
    pub(crate) own: HomeId,
    /// The wall clock's day, if set.
    pub(crate) today: Option<Day>,
    /// The day by which things expire, if two sources agree on one.
    pub(crate) expiry: Option<Day>,
}

impl Known<'_> {
    /// Examines bytes from outside, the cheap questions first.
    pub(crate) fn examine(&self, sealed: &Sealed) -> Examined {
        let settled = |a| Examined::Settled(a);
        let statement = match sealed.read() {
            Ok(Read::Statement(statement)) => statement,
            Ok(Read::Newer) => return settled(Admission::Ignore(Ignored::Newer)),
            Err(
                Malformed::TooLong | Malformed::TooShort | Malformed::Encoding | Malformed::Kind | Malformed::Range,
            ) => return settled(Admission::Reject(Rejected::Malformed)),
        };
        if self.today.is_some_and(|today| statement.day.since(today) > MAX_DAYS_AHEAD) {
            return settled(Admission::Ignore(Ignored::Future));
        }
        if self.expiry.is_some_and(|day| day.since(statement.day) > LIFETIME_DAYS) {
            return settled(Admission::Ignore(Ignored::Expired));
        }
        if self.evidence.knows(&statement, sealed.id()) {
            return settled(Admission::Ignore(Ignored::Known));
        }
        if statement.home == self.own {
            return settled(Admission::Ignore(Ignored::Own));
        }
        let reached = self.evidence.find(statement.home).filter(|no| self.reach.reaches(*no));
        match reached.and_then(|no| self.evidence.genesis(no)) {
            Some(genesis) => Examined::Check(statement, *genesis),
            None => Examined::Hold(statement.home),
        }
    }
}

/// Statements of homes that no vouch leads to yet. A vouch may come later than the report it lends weight to, and the
/// order must not matter.
#[derive(Debug, Default)]
pub(crate) struct Held {
    by_home: BTreeMap<HomeId, Vec<(Peer, Sealed)>>,
    by_peer: BTreeMap<Peer, usize>,
    total: usize,
}

impl Held {
    /// The most statements held, over all peers: at 256 bytes a megabyte.
    const MAX: usize = 4_096;
    /// The most held from one peer, so that one cannot push out what others brought.
    const MAX_PER_PEER: usize = 256;

    /// Keeps a statement aside, if there is room for it and it is not held yet.
    pub(crate) fn hold(&mut self, home: HomeId, from: Peer, sealed: Sealed) -> bool {
        let of_peer = self.by_peer.entry(from).or_default();
        let list = self.by_home.entry(home).or_default();
        if self.total >= Self::MAX || *of_peer >= Self::MAX_PER_PEER || list.iter().any(|(_, s)| *s == sealed) {
            if list.is_empty() {
                self.by_home.remove(&home);
            }
            return false;
        }
        list.push((from, sealed));
        *of_peer += 1;
        self.total += 1;
        true
    }

    /// Takes out what is held of homes that `reached` says can be reached now.
    pub(crate) fn release(&mut self, reached: impl Fn(HomeId) -> bool) -> Vec<Sealed> {
        let homes: Vec<HomeId> = self.by_home.keys().copied().filter(|h| reached(*h)).collect();
        let mut out = Vec::new();
        for (from, sealed) in homes.iter().filter_map(|h| self.by_home.remove(h)).flatten() {
            self.total -= 1;
            if let Some(n) = self.by_peer.get_mut(&from) {
                *n -= 1;
                if *n == 0 {
                    self.by_peer.remove(&from);
                }
            }
            out.push(sealed);
        }
        out
    }
}
