//! What the documents of a home hold beside lists, settings and names: the address book, rules about alarms, what was
//! acknowledged, accounts of the page and what people noted about their nodes.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

use super::{MAX_LABEL_CHARS, MAX_NOTES_CHARS};
use crate::{home::NodeNumber, number::E164, text};

/// The most numbers in the address book: a thousand people with five numbers each.
pub const MAX_PEOPLE: usize = 5_000;
/// The most kinds of alarm with a rule of their own; there are under fifty kinds.
pub const MAX_RULES: usize = 200;
/// The most acknowledgements kept; the oldest go first.
pub const MAX_ACKNOWLEDGED: usize = 500;
/// The most accounts.
pub const MAX_ACCOUNTS: usize = 100;
/// The longest name of an alarm as the documents keep it.
pub const MAX_ALARM_KEY_CHARS: usize = 120;
/// The longest hash of a password, in characters: an encoded Argon2 hash (PHC string) has under 120.
pub const MAX_HASH_CHARS: usize = 256;

/// The address book: a number and the person it belongs to. Somebody with three numbers stands there three times.
pub type People = BTreeMap<E164, String>;

/// A name of the address book, inert and bounded.
#[must_use]
pub fn person_name(name: &str) -> String {
    text::inert(name).trim().chars().take(MAX_LABEL_CHARS).collect()
}

/// A time of the day, in minutes since midnight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Minute(u16);

impl Minute {
    /// The minute, if the day has it.
    #[must_use]
    pub fn new(minutes: u16) -> Option<Self> {
        (minutes < 24 * 60).then_some(Self(minutes))
    }

    /// Minutes since midnight.
    #[must_use]
    pub fn minutes(self) -> u16 {
        self.0
    }

    /// Reads `22:00`.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (hours, minutes) = text.split_once(':')?;
        let digits =
            |part: &str| (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok())?;
        let (hours, minutes): (u16, u16) = (digits(hours)?, digits(minutes)?);
        (hours < 24 && minutes < 60).then(|| Self(hours * 60 + minutes))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

/// Which alarms are told, and when only callers that are known ring.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rules {
    /// Kinds of alarm by their code; a kind that is not in here is told.
    pub tell: BTreeMap<String, bool>,
    /// From when to when only callers that are known ring, by the clock of the home; over midnight if the end comes first.
    pub quiet: Option<(Minute, Minute)>,
}

impl Rules {
    /// Whether alarms of this kind are told.
    #[must_use]
    pub fn tells(&self, kind: &str) -> bool {
        self.tell.get(kind).copied().unwrap_or(true)
    }

    /// Whether it is quiet at this time of the day.
    #[must_use]
    pub fn is_quiet(&self, at: Minute) -> bool {
        match self.quiet {
            Some((from, to)) if from <= to => from <= at && at < to,
            Some((from, to)) => from <= at || at < to,
            None => false,
        }
    }

    /// Whether a word can be the code of a kind of alarm.
    #[must_use]
    pub fn is_kind(word: &str) -> bool {
        (1..=40).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_')
    }
}

/// That somebody has seen an alarm.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Acknowledged {
    /// When, in Unix seconds.
    pub at: i64,
    /// By whom: the name of an account, or of whoever used the command line.
    pub by: String,
}

impl Acknowledged {
    /// With the name inert and bounded.
    #[must_use]
    pub fn new(at: i64, by: &str) -> Self {
        Self { at, by: person_name(by) }
    }

    /// As the document keeps it: one text, so that time and name of two people never mix.
    #[must_use]
    pub fn to_text(&self) -> String {
        format!("{} {}", self.at, self.by)
    }

    /// Reads [`Acknowledged::to_text`] back.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let (at, by) = text.split_once(' ')?;
        Some(Self::new(at.parse().ok()?, by))
    }
}

/// Acknowledgements by the alarm's key.
pub type Acknowledgements = BTreeMap<String, Acknowledged>;

/// An account of the page that every member of the household knows.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// What it may do, in the word the page uses.
    pub role: String,
    /// The hash of its password (Argon2, PHC string).
    pub hash: String,
}

impl Account {
    /// What accounts may do, in words, the least first.
    pub const ROLES: [&str; 5] = ["lookup", "viewer", "member", "moderator", "admin"];

    /// Whether it may let others in.
    #[must_use]
    pub fn is_admin(&self) -> bool {
        self.role == Self::ROLES[4]
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Account({})", self.role)
    }
}

/// Accounts by name.
pub type Accounts = BTreeMap<String, Account>;

/// The account that somebody means by a name: names differ by more than case and invisible characters.
#[must_use]
pub fn account_named<'a>(accounts: &'a Accounts, name: &str) -> Option<(&'a str, &'a Account)> {
    let name = person_name(name);
    let exact = accounts.get_key_value(&name);
    let folded = || {
        let name = name.to_lowercase();
        accounts.iter().find(|(known, _)| known.to_lowercase() == name)
    };
    exact.or_else(folded).map(|(name, account)| (name.as_str(), account))
}

/// What people noted about a node of theirs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeNote {
    /// Where it stands: "garage".
    pub place: String,
    /// Anything else.
    pub notes: String,
}

impl NodeNote {
    /// With texts inert and cut to their bounds.
    #[must_use]
    pub fn tidy(place: &str, notes: &str) -> Self {
        let notes: Vec<String> = notes.lines().map(text::inert).collect();
        let notes: String = notes.join("\n").trim().chars().take(MAX_NOTES_CHARS).collect();
        Self { place: person_name(place), notes }
    }
}

/// Notes by the member's number.
pub type NodeNotes = BTreeMap<NodeNumber, NodeNote>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_day_reads_back() {
        for minutes in [0, 59, 60, 22 * 60, 23 * 60 + 59] {
            let minute = Minute::new(minutes).expect("the day has it");
            assert_eq!(Minute::from_text(&minute.to_string()), Some(minute));
        }
        for wrong in ["", "24:00", "7:30", "07:60", "0730", "+7:30", "07:3a"] {
            assert_eq!(Minute::from_text(wrong), None, "{wrong}");
        }
        assert_eq!(Minute::new(1_440), None);
    }

    #[test]
    fn quiet_hours_may_go_over_midnight() {
        let at = |text| Minute::from_text(text);
        let quiet = |from, to| Rules { quiet: at(from).zip(at(to)), ..Rules::default() };
        let night = quiet("22:00", "07:00");
        let is_quiet = |rules: &Rules, text| rules.is_quiet(at(text).expect("a time of the day"));
        assert!(is_quiet(&night, "23:00") && is_quiet(&night, "06:59") && !is_quiet(&night, "07:00"));
        let noon = quiet("12:00", "14:00");
        assert!(is_quiet(&noon, "13:00") && !is_quiet(&noon, "14:00") && !is_quiet(&quiet("12:00", "12:00"), "12:00"));
        let silent = Rules { tell: BTreeMap::from([("failed_open".into(), false)]), quiet: None };
        assert!(!silent.tells("failed_open") && silent.tells("not_saving"));
    }

    #[test]
    fn an_acknowledgement_is_one_text() {
        let seen = Acknowledged::new(1_800_000_000, "Kim \u{202e}B");
        assert_eq!(Acknowledged::from_text(&seen.to_text()), Some(seen));
        assert_eq!(Acknowledged::from_text("yesterday Kim"), None);
    }
}
