//! The roster of a household: which nodes speak for the home, in a log of signed entries that every member holds.
//!
//! Each entry names the entries its author had seen, so the log is a graph and not a row: two nodes that are apart both
//! write, and what holds follows from the set of entries, never from the order in which they came. `design/household.md`
//! tells the rules and what was weighed instead.
//!
//! A home that never had a second node has no roster; its one node is number 0, whose key is in the home's genesis.

mod entry;
mod epoch;
mod settle;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt, ops::Range};

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};

pub use entry::{Change, Entry, MAX_ENTRY_BYTES, NotAnEntry, SignedEntry};
pub use epoch::{EpochBox, EpochKey, FrameKey, NotForUs};
pub use settle::{Refused, State};

use crate::{
    contact::SealKey,
    home::{Genesis, HomeId, NodeNumber},
    mesh::Peer,
    statement::Kind,
};

use settle::Known;

/// The most members of a household at one time: more machines than a house has rooms, and an entry that changes the
/// membership stays under 2 KiB.
pub const MAX_MEMBERS: usize = 20;
/// The most entries of a roster: a change every week for ten years.
pub const MAX_ENTRIES: usize = 512;
/// The longest name of a member, in characters.
pub const MAX_NAME_CHARS: usize = 40;

/// The hash of a signed entry.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryId(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string()[..8])
    }
}

/// What a member may do to the household.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Role {
    /// Speaks, listens and agrees.
    Member = 0,
    /// Adds and removes members too.
    Admin = 1,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Member, Self::Admin];

    /// The word used in every interface: `member`, `admin`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Admin => "admin",
        }
    }

    /// The role that the word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

    fn from_u8(n: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|role| *role as u8 == n)
    }
}

/// A member's part of the home's slots, in units of 1/1024 of each kind's: no two members have a slot in common, so that
/// no honest home is caught saying two things in one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Share {
    /// The first unit.
    pub from: u16,
    /// Behind the last.
    pub to: u16,
}

impl Share {
    /// Units of a whole.
    pub const UNITS: u16 = 1_024;
    /// All of it: what the first node has.
    pub const WHOLE: Self = Self { from: 0, to: Self::UNITS };

    /// The slots of a kind and a day that are in it.
    #[must_use]
    pub fn slots(self, kind: Kind) -> Range<u8> {
        let at = |unit: u16| {
            let slot = u32::from(kind.slots_per_day()) * u32::from(unit.min(Self::UNITS)) / u32::from(Self::UNITS);
            u8::try_from(slot).unwrap_or(u8::MAX)
        };
        at(self.from)..at(self.to)
    }

    /// What a member gives to one it adds: the upper quarter.
    #[must_use]
    pub fn to_give(self) -> Self {
        Self { from: self.to - (self.to - self.from) / 4, to: self.to }
    }

    /// Whether all of that is within it.
    #[must_use]
    pub fn holds(self, part: Self) -> bool {
        self.from <= part.from && part.from <= part.to && part.to <= self.to
    }

    /// Whether giving that part leaves the rest in one piece.
    fn can_give(self, part: Self) -> bool {
        self.from <= part.from && part.from <= part.to && part.to == self.to
    }
}

/// A node of the household.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its number, never given again.
    pub number: NodeNumber,
    /// What people call it: inert, at most [`MAX_NAME_CHARS`].
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// The public half of the key with which it signs.
    pub statement: [u8; 32],
    /// Its network key's public half.
    pub peer: Peer,
    /// To what is sealed for it alone.
    pub seal: SealKey,
    /// In which slots it speaks.
    pub share: Share,
    /// When it was added, in Unix seconds, if the clock of who added it was set.
    pub since: Option<i64>,
}

/// The roster of one home: all entries that hold, and what follows from them.
#[derive(Debug, Clone)]
pub struct Roster {
    genesis: Genesis,
    home: HomeId,
    log: Vec<Known>,
    index: BTreeMap<EntryId, usize>,
    state: State,
}

impl Roster {
    /// The roster of a home without entries.
    #[must_use]
    pub fn of(genesis: Genesis) -> Self {
        let (log, index, state) = (Vec::new(), BTreeMap::new(), State::default());
        Self { home: genesis.home(), genesis, log, index, state }
    }

    /// Whether the home has one node and never had more.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.log.is_empty()
    }

    /// What holds now.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The home.
    #[must_use]
    pub fn home(&self) -> HomeId {
        self.home
    }

    /// The members of today, by number.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.state.members.values()
    }

    /// The member with this number.
    #[must_use]
    pub fn member(&self, number: NodeNumber) -> Option<&Member> {
        self.state.members.get(&number)
    }

    /// The member behind a peer.
    #[must_use]
    pub fn of_peer(&self, peer: Peer) -> Option<&Member> {
        self.members().find(|member| member.peer == peer)
    }

    /// Whether this number was a member's and is none any more.
    #[must_use]
    pub fn is_removed(&self, number: NodeNumber) -> bool {
        self.state.removed.contains_key(&number)
    }

    /// The former members, as they were.
    pub fn removed(&self) -> impl Iterator<Item = &Member> {
        self.state.removed.values()
    }

    /// Whether an entry is in it.
    #[must_use]
    pub fn holds(&self, id: EntryId) -> bool {
        self.index.contains_key(&id)
    }

    /// The entries that no other has seen: who holds these and all they saw holds the same roster.
    #[must_use]
    pub fn heads(&self) -> Vec<EntryId> {
        let mut heads: Vec<EntryId> = self.log.iter().map(|known| known.id).collect();
        for known in &self.log {
            heads.retain(|id| !known.entry.parents.contains(id));
        }
        heads.sort_unstable();
        heads
    }

    /// The entries that somebody with these heads lacks, each behind those it saw. Heads that are not known here count
    /// for nothing.
    #[must_use]
    pub fn missing(&self, heads: &[EntryId]) -> Vec<&SignedEntry> {
        let mut has = settle::Set::default();
        for at in heads.iter().filter_map(|id| self.index.get(id)) {
            has.add(*at);
            has.add_all(&self.log[*at].ancestors);
        }
        self.log.iter().enumerate().filter(|(at, _)| !has.has(*at)).map(|(_, known)| &known.signed).collect()
    }

    /// All that an entry saw, each behind those it saw itself, and the entry.
    #[must_use]
    pub fn seen_by(&self, id: EntryId) -> Vec<&SignedEntry> {
        let Some(at) = self.index.get(&id) else { return Vec::new() };
        let mut seen = self.log[*at].ancestors;
        seen.add(*at);
        self.log.iter().enumerate().filter(|(at, _)| seen.has(*at)).map(|(_, known)| &known.signed).collect()
    }

    /// All entries, each behind those it saw.
    pub fn entries(&self) -> impl Iterator<Item = (EntryId, &SignedEntry)> {
        self.log.iter().map(|known| (known.id, &known.signed))
    }

    /// The entry with this id.
    #[must_use]
    pub fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.index.get(&id).map(|at| &self.log[*at].entry)
    }

    /// A number that nobody has or had; `chance` chooses, so that two admins who are apart hardly choose the same.
    #[must_use]
    pub fn free_number(&self, chance: u8) -> Option<NodeNumber> {
        let used = |n: u8| self.log.iter().any(|known| known.entry.adds() == Some(NodeNumber(n)));
        (0..=u8::MAX).map(|n| n.wrapping_add(chance)).find(|n| *n != 0 && !used(*n)).map(NodeNumber)
    }
}
