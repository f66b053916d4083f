//! Wishes: what the people of a home decide. They live in Automerge documents that every node of the home may edit.

mod shared;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use serde::{Deserialize, Serialize};

use crate::{
    facts::Verdict,
    home::{HomeId, NodeNumber},
    number::E164,
    text,
};

pub use shared::{
    Account, Accounts, Acknowledged, Acknowledgements, MAX_ACCOUNTS, MAX_ACKNOWLEDGED, MAX_ALARM_KEY_CHARS,
    MAX_HASH_CHARS, MAX_PEOPLE, MAX_RULES, Minute, NodeNote, NodeNotes, People, Rules, account_named, person_name,
};

/// Which document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum DocumentId {
    /// Numbers and patterns with standing, label and notes.
    Lists = 1,
    /// What applies to the whole home.
    Settings = 2,
    /// Names people gave to the homes they vouch for.
    Neighbours = 3,
    /// In which generation each other document is.
    Index = 4,
    /// The address book.
    People = 5,
    /// Which alarms are told, and quiet hours.
    Rules = 6,
    /// Which alarms somebody has seen.
    Acknowledgements = 7,
    /// The accounts of the page.
    Accounts = 8,
    /// What people noted about their nodes.
    Nodes = 9,
}

impl DocumentId {
    /// All of them, in the order in which they are compared: first the index, which says what the others are.
    pub const ALL: [Self; 9] = [
        Self::Index,
        Self::Lists,
        Self::Settings,
        Self::Neighbours,
        Self::People,
        Self::Rules,
        Self::Acknowledgements,
        Self::Accounts,
        Self::Nodes,
    ];

    /// The document of this number, as [`DocumentId`] `as u8` gives it.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|id| *id as u8 == number)
    }

    /// How it is called in every interface.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lists => "lists",
            Self::Settings => "settings",
            Self::Neighbours => "neighbours",
            Self::Index => "index",
            Self::People => "people",
            Self::Rules => "rules",
            Self::Acknowledgements => "acknowledgements",
            Self::Accounts => "accounts",
            Self::Nodes => "nodes",
        }
    }
}

/// Which founding of a document: its count, and the name that follows from what it was founded with. Of two, the
/// greater holds, so that members that founded one apart agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Generation {
    /// How often the document was founded anew; 0 for the first, which is the same everywhere.
    pub count: u32,
    /// The founding; zeros for the first.
    #[serde(with = "serde_bytes")]
    pub founding: [u8; 16],
}

/// What a person of the home said about a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Standing {
    /// Nothing; the entry is kept for its label and notes.
    Unknown,
    /// Always let it ring.
    Allow,
    /// Never let it ring.
    Block,
}

impl Standing {
    /// The word used in every interface: `unknown`, `allow`, `block`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Allow => "allow",
            Self::Block => "block",
        }
    }

    /// The standing that the word names.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Unknown, Self::Allow, Self::Block].into_iter().find(|s| s.word() == word)
    }
}

/// What an entry of the lists is about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Subject {
    /// One number.
    Number(E164),
    /// Every number whose international digits begin with these; at least two, so that no slip blocks a continent.
    Prefix(String),
}

/// The shortest prefix of a pattern, in digits.
pub const MIN_PREFIX_DIGITS: usize = 2;

impl Subject {
    /// The pattern of all numbers that begin with these digits, if they can be the start of an E.164 number.
    #[must_use]
    pub fn prefix(digits: &str) -> Option<Self> {
        let digits = digits.trim().trim_start_matches('+').trim_end_matches('*');
        let fits = (MIN_PREFIX_DIGITS..=15).contains(&digits.len())
            && digits.bytes().all(|b| b.is_ascii_digit())
            && !digits.starts_with('0');
        fits.then(|| Self::Prefix(digits.to_owned()))
    }

    /// The key under which documents hold the entry: `+4930901820` or `+4930*`.
    #[must_use]
    pub fn key(&self) -> String {
        match self {
            Self::Number(n) => n.reveal(),
            Self::Prefix(p) => format!("+{p}*"),
        }
    }

    /// Reads a [`Subject::key`] back.
    #[must_use]
    pub fn from_key(key: &str) -> Option<Self> {
        let digits = key.strip_prefix('+')?;
        match digits.strip_suffix('*') {
            Some(prefix) => Self::prefix(prefix),
            None => E164::from_digits(digits.parse().ok()?).map(Self::Number),
        }
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n:?}"),
            Self::Prefix(p) => write!(f, "+{p}*"),
        }
    }
}

/// The longest label, in characters.
pub const MAX_LABEL_CHARS: usize = 80;
/// The longest notes, in characters.
pub const MAX_NOTES_CHARS: usize = 2_000;
/// The most entries on the lists: 100,000 at under 100 bytes stay within 10 MB of memory.
pub const MAX_ENTRIES: usize = 100_000;

/// What a person keeps about a number or pattern.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Wanted, unwanted or neither.
    pub standing: Standing,
    /// A name for it.
    pub label: String,
    /// Anything else.
    pub notes: String,
}

impl Entry {
    /// The entry with texts made inert and cut to their bounds.
    #[must_use]
    pub fn tidy(standing: Standing, label: &str, notes: &str) -> Self {
        let cut = |s: &str, n: usize| s.chars().take(n).collect::<String>();
        let notes: Vec<String> = cut(notes, MAX_NOTES_CHARS).lines().map(text::inert).collect();
        Self { standing, label: cut(&text::inert(label), MAX_LABEL_CHARS), notes: notes.join("\n").trim().to_owned() }
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Entry({})", self.standing.word())
    }
}

/// What applies to the whole home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The country by which a number without country code is read: two letters, ISO 3166-1.
    pub region: String,
    /// What happens to a call that hides its number.
    pub anonymous: Verdict,
    /// What happens to a call from a number that cannot exist.
    pub invalid: Verdict,
    /// Whether calls from blocks of numbers that were reported lately ring marked.
    pub ranges: bool,
}

impl Default for Settings {
    /// Hidden numbers ring: doctors and authorities hide theirs. Impossible numbers ring, marked: 1.3 % of reported
    /// spam has one, but so have misconfigured telephone systems.
    fn default() -> Self {
        Self { region: "DE".into(), anonymous: Verdict::Allow, invalid: Verdict::Challenge, ranges: true }
    }
}

/// The lists as the node uses them.
pub type Lists = BTreeMap<Subject, Entry>;

/// The names of neighbours' homes, by the home's name as text.
pub type NeighbourNames = BTreeMap<HomeId, String>;

/// One change of one document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edit {
    /// Sets an entry of the lists, whole.
    SetEntry(Subject, Entry),
    /// Takes an entry from the lists.
    RemoveEntry(Subject),
    /// Takes an entry from the lists, and all that was ever written about it from the document.
    EraseEntry(Subject),
    /// Sets all settings that differ from today's.
    SetSettings(Settings),
    /// Names a neighbour's home.
    NameNeighbour(HomeId, String),
    /// Forgets the name of a neighbour's home.
    ForgetNeighbour(HomeId),
    /// Puts a number under a person of the address book.
    SetPerson(E164, String),
    /// Takes a number from the address book.
    RemovePerson(E164),
    /// Takes a number from the address book, and all that was ever written about it from the document.
    ErasePerson(E164),
    /// Sets all rules about alarms that differ from today's.
    SetRules(Rules),
    /// Somebody has seen the alarm of this key.
    Acknowledge(String, Acknowledged),
    /// Makes or changes an account of the page.
    SetAccount(String, Account),
    /// Takes an account away.
    RemoveAccount(String),
    /// Notes something about a node; empty texts take it away.
    NoteNode(NodeNumber, NodeNote),
}

impl Edit {
    /// The document that the change is made in.
    #[must_use]
    pub fn document(&self) -> DocumentId {
        match self {
            Self::SetEntry(..) | Self::RemoveEntry(_) | Self::EraseEntry(_) => DocumentId::Lists,
            Self::SetSettings(_) => DocumentId::Settings,
            Self::NameNeighbour(..) | Self::ForgetNeighbour(_) => DocumentId::Neighbours,
            Self::SetPerson(..) | Self::RemovePerson(_) | Self::ErasePerson(_) => DocumentId::People,
            Self::SetRules(_) => DocumentId::Rules,
            Self::Acknowledge(..) => DocumentId::Acknowledgements,
            Self::SetAccount(..) | Self::RemoveAccount(_) => DocumentId::Accounts,
            Self::NoteNode(..) => DocumentId::Nodes,
        }
    }
}

/// All wishes, as read from the documents at start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wishes {
    /// The lists.
    pub lists: Lists,
    /// The settings.
    pub settings: Settings,
    /// The names of neighbours.
    pub neighbours: NeighbourNames,
    /// What of the lists was allowed on one node and blocked on another while they were apart. It rings, until a person
    /// chooses.
    pub disputed: BTreeSet<Subject>,
    /// The address book.
    pub people: People,
    /// Which alarms are told.
    pub rules: Rules,
    /// Which alarms somebody has seen.
    pub acknowledged: Acknowledgements,
    /// The accounts of the page.
    pub accounts: Accounts,
    /// Accounts that were made or changed on two nodes while they were apart. The lesser role holds, until a person
    /// chooses.
    pub doubled: BTreeSet<String>,
    /// What people noted about their nodes.
    pub nodes: NodeNotes,
    /// In which generation documents are, by the index; one that is not named is in its first.
    pub generations: BTreeMap<DocumentId, Generation>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_reads_back_from_its_key() {
        let number = Subject::Number(E164::from_digits(4_930_901_820).expect("a number"));
        let prefix = Subject::prefix("+4930*").expect("a prefix");
        assert_eq!(prefix, Subject::Prefix("4930".into()));
        for s in [number, prefix] {
            assert_eq!(Subject::from_key(&s.key()), Some(s));
        }
        for wrong in ["", "+", "4", "+4*", "+0049*", "+49x*", "+1234567890123456*"] {
            assert_eq!(Subject::from_key(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn texts_of_an_entry_are_bounded_and_inert() {
        let entry = Entry::tidy(Standing::Allow, "Gran\u{202e}ny\r\n", &"line\u{1b}\n".repeat(2_000));
        assert_eq!(entry.label, "Granny");
        assert!(entry.notes.chars().count() <= MAX_NOTES_CHARS && !entry.notes.contains('\u{1b}'));
    }
}
