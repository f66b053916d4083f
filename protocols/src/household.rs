//! What members of a household say to each other over the member channel: the head of each word, and the words about the
//! roster. What the other channels carry is theirs.
//!
//! A word is one byte that names the channel and what follows. The roster's words are not sealed with the epoch's key,
//! because by them a member comes to have it; the network has shown who speaks. All others are.

use serde::{Deserialize, Serialize};

use crate::{
    cbor,
    contact::{MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_RELAYS},
    home::NodeNumber,
    roster::{EntryId, MAX_ENTRIES, MAX_ENTRY_BYTES, MAX_MEMBERS, SignedEntry},
};

/// What a word between members is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Channel {
    /// Who belongs to the household.
    Roster = 1,
    /// What people decided.
    Documents = 2,
    /// What happened.
    Facts = 3,
    /// Keys of stores, and heads of audit logs.
    Keys = 4,
    /// What the home says to its neighbourhood.
    Speech = 5,
    /// What a member is, and what needs attention there.
    About = 6,
}

impl Channel {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Roster, Self::Documents, Self::Facts, Self::Keys, Self::Speech, Self::About];

    /// The channel that a first byte names.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|channel| *channel as u8 == byte)
    }

    /// Whether its words are sealed with the key of the epoch.
    #[must_use]
    pub fn is_sealed(self) -> bool {
        self != Self::Roster
    }
}

/// What the first byte of an answer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Status {
    /// The answer follows.
    Answered = 0,
    /// It could not be opened: the two rosters differ, or one has not the key yet.
    OtherEpoch = 1,
    /// Its channel or what it says is not known here, or not now.
    NotUnderstood = 2,
}

impl Status {
    /// The status that a first byte names.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        [Self::Answered, Self::OtherEpoch, Self::NotUnderstood].into_iter().find(|status| *status as u8 == byte)
    }
}

/// One run of a node's program: the number of its start, counted in its store, and chance. Two runs that go on at one time
/// are two copies of one data folder.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Run {
    /// Rises with each start.
    pub start: u64,
    /// Drawn at the start.
    #[serde(with = "serde_bytes")]
    pub chance: [u8; 8],
}

/// Entries sent at once: 64 KiB and more of the longest.
pub const ENTRIES_AT_ONCE: usize = 64;
const VERSION: u8 = 1;
/// The longest word about the roster.
pub const MAX_ROSTER_BYTES: usize = ENTRIES_AT_ONCE * (MAX_ENTRY_BYTES + 8) + MAX_ENTRIES * 34 + 2_048;

/// A member tells what it knows of the roster and of itself. The answer is one too, with the entries that the asker lacks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hello {
    /// Which run of the node this is.
    pub run: Run,
    /// The latest entries it has.
    pub heads: Vec<EntryId>,
    /// Entries for the other: each behind those it saw.
    pub entries: Vec<SignedEntry>,
    /// Where it can be called: addresses and relays.
    pub addresses: Vec<String>,
    /// Members of whose data folders two copies run.
    pub twins: Vec<NodeNumber>,
}

#[derive(Serialize, Deserialize)]
struct Wire(u8, Run, Vec<EntryId>, Vec<SignedEntry>, Vec<String>, Vec<NodeNumber>);

impl Hello {
    /// The bytes of it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { run, heads, entries, addresses, twins } = self.clone();
        cbor::encode(&Wire(VERSION, run, heads, entries, addresses, twins))
    }

    /// Reads them; `None` if no honest member writes them, or a later program did.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_ROSTER_BYTES {
            return None;
        }
        let Wire(version, run, heads, entries, addresses, twins) = cbor::decode_strict(bytes).ok()?;
        let fits = version == VERSION
            && heads.len() <= MAX_ENTRIES
            && entries.len() <= ENTRIES_AT_ONCE
            && addresses.len() <= MAX_ADDRESSES + MAX_RELAYS
            && addresses.iter().all(|address| address.len() <= MAX_ADDRESS_BYTES)
            && twins.len() <= MAX_MEMBERS;
        fits.then_some(Self { run, heads, entries, addresses, twins })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_hello_reads_back_and_has_its_limits() {
        let hello = Hello {
            run: Run { start: 7, chance: [1; 8] },
            heads: vec![EntryId([2; 32])],
            entries: vec![SignedEntry(vec![3; 100].into())],
            addresses: vec!["/ip4/192.0.2.1/tcp/4787".into()],
            twins: vec![NodeNumber(4)],
        };
        assert_eq!(Hello::decode(&hello.encode()), Some(hello.clone()));
        let crowded = Hello { addresses: vec![String::new(); MAX_ADDRESSES + MAX_RELAYS + 1], ..hello.clone() };
        assert_eq!(Hello::decode(&crowded.encode()), None);
        let many = Hello { entries: vec![hello.entries[0].clone(); ENTRIES_AT_ONCE + 1], ..hello };
        assert_eq!(Hello::decode(&many.encode()), None);
    }

    #[test]
    fn channels_and_states_are_named_by_their_bytes() {
        assert!((0..=u8::MAX).filter_map(Channel::from_byte).eq(Channel::ALL));
        assert_eq!((0..=u8::MAX).filter_map(Status::from_byte).count(), 3);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = Hello::decode(&bytes);
        }
    }
}
