//! Admission: whether a stranger's bytes become evidence. Order of arrival plays no part.

use std::collections::BTreeMap;

use meerkat_protocols::{
    home::{HomeId, NodeNumber},
    mesh::{Peer, Validation},
    statement::{Kind, LIFETIME_DAYS, MAX_DAYS_AHEAD, Malformed, Read, Sealed, Statement},
    time::Day,
};

use crate::{
    evidence::{Evidence, Speaks},
    vouches::Reach,
};

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
    /// It speaks in this node's own name, but this node did not say it.
    #[error("in our own name")]
    Own,
    /// No delegation of its home names the node that signed it: kept aside for when one does.
    #[error("from a node that its home has not named yet")]
    Unnamed,
    /// The delegation of the node that signed it was taken back before.
    #[error("from a node that speaks for its home no more")]
    Silenced,
    /// The slot belongs to another node of its home.
    #[error("in a slot that is not its node's")]
    NotItsSlot,
    /// The key under which its home named the node did not sign it. Homes that contradict themselves name one node twice, so
    /// who passes it on may have it from an honest neighbour.
    #[error("not signed with the key under which its node is known here")]
    OtherKey,
    /// The home has filled the slot twice already and counts for nothing.
    #[error("from a home that contradicts itself")]
    Surplus,
    /// The home has said as much that is later and counts, or another of its nodes has the slot.
    #[error("older than all of its home's words that count")]
    Excess,
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
    /// What is said of a statement whose signature does not hold. The key of a home's first node is its name; of further
    /// nodes others may know another.
    pub(crate) fn of_forged(node: NodeNumber) -> Self {
        if node == NodeNumber(0) { Self::Reject(Rejected::Forged) } else { Self::Ignore(Ignored::OtherKey) }
    }

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
    /// Check the signature against this key.
    Check(Statement, [u8; 32]),
    /// Keep it aside: the home cannot be reached, or the node is not known.
    Hold(Statement, Ignored),
    /// The answer stands.
    Settled(Admission),
}

/// What admission looks at.
pub(crate) struct Known<'a> {
    pub(crate) evidence: &'a Evidence,
    pub(crate) reach: &'a Reach,
    pub(crate) own: (HomeId, NodeNumber),
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
        if (statement.home, statement.node) == self.own {
            return settled(Admission::Ignore(Ignored::Own));
        }
        let reached = self.evidence.find(statement.home).filter(|no| self.reach.reaches(*no));
        let excess = |no| self.evidence.is_excess(no, statement.day, statement.slot);
        if statement.kind() == Kind::Report && reached.is_some_and(excess) {
            return settled(Admission::Ignore(Ignored::Excess));
        }
        match reached.map(|_| self.evidence.speaks(&statement)) {
            Some(Speaks::Key(key)) => Examined::Check(statement, key),
            // It is not the fault of who passes it on: another delegation may be known there, and may still come here.
            Some(Speaks::Silent) => Examined::Hold(statement, Ignored::Silenced),
            Some(Speaks::Outside) => Examined::Hold(statement, Ignored::NotItsSlot),
            Some(Speaks::Unknown) => Examined::Hold(statement, Ignored::Unnamed),
            None => Examined::Hold(statement, Ignored::OutOfReach),
        }
    }
}

/// Statements of homes that no vouch leads to yet. A vouch may come later than the report it lends weight to, and the
/// order must not matter.
#[derive(Debug, Default)]
pub(crate) struct Held {
    by_home: BTreeMap<HomeId, Vec<Aside>>,
    by_peer: BTreeMap<Peer, usize>,
    total: usize,
}

#[derive(Debug)]
struct Aside {
    from: Peer,
    day: Day,
    sealed: Sealed,
}

impl Held {
    /// The most statements held, over all peers: at 256 bytes a megabyte.
    pub(crate) const MAX: usize = 4_096;
    /// The most held from one peer, so that one cannot push out what others brought.
    pub(crate) const MAX_PER_PEER: usize = 256;

    /// Keeps a statement aside, if there is room for it and it is not held yet. When all room is taken, the peer that
    /// takes most of it makes room, so that a crowd of peers does not shut out the next one.
    pub(crate) fn hold(&mut self, home: HomeId, day: Day, from: Peer, sealed: Sealed) -> bool {
        let share = self.by_peer.get(&from).copied().unwrap_or(0);
        let held = self.by_home.get(&home).is_some_and(|list| list.iter().any(|a| a.sealed == sealed));
        if held || share >= Self::MAX_PER_PEER || (self.total >= Self::MAX && !self.make_room(share)) {
            return false;
        }
        self.by_home.entry(home).or_default().push(Aside { from, day, sealed });
        *self.by_peer.entry(from).or_default() += 1;
        self.total += 1;
        true
    }

    /// Gives up one statement of the peer with the largest share, if that stays larger than `share`.
    fn make_room(&mut self, share: usize) -> bool {
        let largest = self.by_peer.iter().max_by_key(|(_, n)| **n).map(|(peer, n)| (*peer, *n));
        let Some((peer, _)) = largest.filter(|(_, n)| *n > share + 1) else { return false };
        let mut given_up = false;
        self.keep(|_, aside| {
            given_up || aside.from != peer || {
                given_up = true;
                false
            }
        });
        given_up
    }

    /// Takes out what is held of a home.
    pub(crate) fn release(&mut self, home: HomeId) -> Vec<(Peer, Sealed)> {
        let list = self.by_home.remove(&home).unwrap_or_default();
        list.into_iter()
            .map(|aside| {
                self.give_back(aside.from);
                (aside.from, aside.sealed)
            })
            .collect()
    }

    /// The homes of which something is held.
    pub(crate) fn homes(&self) -> Vec<HomeId> {
        self.by_home.keys().copied().collect()
    }

    /// Drops what has grown too old to count.
    pub(crate) fn expire(&mut self, today: Day) {
        self.keep(|_, aside| today.since(aside.day) <= LIFETIME_DAYS);
    }

    fn keep(&mut self, mut keeps: impl FnMut(&HomeId, &Aside) -> bool) {
        let mut dropped = Vec::new();
        self.by_home.retain(|home, list| {
            list.retain(|aside| {
                let kept = keeps(home, aside);
                if !kept {
                    dropped.push(aside.from);
                }
                kept
            });
            !list.is_empty()
        });
        dropped.into_iter().for_each(|from| self.give_back(from));
    }

    fn give_back(&mut self, from: Peer) {
        self.total -= 1;
        if let Some(n) = self.by_peer.get_mut(&from) {
            *n -= 1;
            if *n == 0 {
                self.by_peer.remove(&from);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_bytes::ByteBuf;

    fn hold(held: &mut Held, peer: u16, n: u16) -> bool {
        let mut key = [0; 32];
        key[..2].copy_from_slice(&peer.to_be_bytes());
        let sealed = Sealed(ByteBuf::from([peer.to_be_bytes(), n.to_be_bytes()].concat()));
        held.hold(HomeId([u8::try_from(n % 7).expect("below 7"); 16]), Day(20_000), Peer(key), sealed)
    }

    #[test]
    fn what_is_held_is_bounded_per_peer_and_in_all_and_nobody_is_shut_out() {
        let mut held = Held::default();
        let limit = u16::try_from(Held::MAX_PER_PEER).expect("small");
        for peer in 0..16 {
            assert!((0..limit).all(|n| hold(&mut held, peer, n)));
            assert!(!hold(&mut held, peer, limit), "one peer has its share");
        }
        assert_eq!(held.total, Held::MAX);
        for peer in 100..200 {
            assert!(hold(&mut held, peer, 0), "a newcomer finds room");
            assert!(!hold(&mut held, peer, 0), "the same is held once");
        }
        assert_eq!(held.total, Held::MAX);
        assert_eq!(held.by_home.values().map(Vec::len).sum::<usize>(), Held::MAX);
        assert_eq!(held.by_peer.values().sum::<usize>(), Held::MAX);
    }

    #[test]
    fn a_refused_peer_leaves_no_trace_and_what_is_released_or_old_frees_its_room() {
        let mut held = Held::default();
        assert!(hold(&mut held, 1, 0) && hold(&mut held, 1, 7) && hold(&mut held, 2, 1));
        assert_eq!(held.release(HomeId([0; 16])).len(), 2);
        assert_eq!((held.total, held.by_peer.len()), (1, 1));
        held.expire(Day(20_180));
        assert_eq!(held.total, 1);
        held.expire(Day(20_181));
        assert_eq!((held.total, held.by_peer.len(), held.by_home.len()), (0, 0, 0));
    }
}
