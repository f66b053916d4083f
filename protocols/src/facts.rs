//! Facts: what happened on this node. They are appended, never edited, and leave at the old end.

mod carried;
mod log;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    home::NodeNumber,
    number::E164,
    phone::{Ending, Line, Verstat},
    statement::Category,
};

pub use carried::{LogChange, Received};
pub use log::{
    Body, Dated, Digest, Entry, Erased, Fact, Head, Link, LogId, LogMark, MAX_ENTRY_BYTES, NumberHash, SignedHead,
    Stream,
};

/// What was decided about a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
pub enum Verdict {
    /// It rings.
    Allow = 0,
    /// It rings, marked as suspicious, until the node can ask the caller to prove itself.
    Challenge = 1,
    /// It does not ring.
    Block = 2,
}

impl Verdict {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Allow, Self::Challenge, Self::Block];

    /// The word used in every interface: `allow`, `challenge`, `block`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Challenge => "challenge",
            Self::Block => "block",
        }
    }
}

/// One reason for a verdict. The first in a list decided; the others add to the picture.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reason {
    /// A star code, short code or emergency number: always rings.
    SpecialNumber,
    /// Another phone on the same router: always rings.
    InternalCall,
    /// On the own list of wanted callers; with the pattern, if the number itself is not on it.
    OwnAllow(Option<String>),
    /// On the own list of unwanted callers; with the pattern, if the number itself is not on it.
    OwnBlock(Option<String>),
    /// The number is withheld and the setting for that applies.
    Anonymous,
    /// No such number can exist and the setting for that applies.
    Invalid,
    /// Vouched neighbours reported the number.
    Reported {
        /// Vouched homes that call it unwanted.
        against: u16,
        /// Vouched homes that call it legitimate.
        legit: u16,
        /// What most of those against call it.
        category: Category,
    },
    /// Vouched neighbours say it is legitimate and none says otherwise.
    Vindicated(u16),
    /// Nobody we trust knows the number.
    NothingKnown,
    /// The network checked the number's signature and it failed: the number may be borrowed.
    SignatureFailed,
    /// No verdict came in time, so the call rings: a wanted call is never lost to a fault of ours.
    FailedOpen,
    /// This home itself reported the number.
    OwnReport(Category),
    /// Homes that vouches of neighbours lead to said something about the number.
    FurtherOff {
        /// Those that call it unwanted.
        against: u16,
        /// Those that call it legitimate.
        legit: u16,
        /// What most of all those against call it.
        category: Category,
        /// Through how many of the homes this one answers for their word comes.
        through: u16,
    },
    /// What all of it adds up to, by distance and age, in hundredths of a near home's word.
    Evidence {
        /// 100 marks a call, 300 keeps it from ringing.
        hundredths: u16,
    },
    /// There would be enough to keep the call from ringing, but too much of it comes through one neighbour or from the
    /// farthest homes.
    OneWay,
    /// On a list that people of the home imported.
    Listed {
        /// What they called the list.
        list: String,
        /// On how many further lists it is.
        more: u16,
        /// What the list calls it.
        category: Category,
        /// How many complaints the list holds.
        count: u16,
    },
    /// Numbers that begin with the same digits were lately reported, by two sources or on the named list.
    HotRange(Option<String>),
    /// Somebody of the address book.
    Person(String),
    /// Quiet hours, in which only known callers ring.
    QuietHours,
    /// Turned away in quiet hours a moment ago, and calls again.
    CallsAgain,
}

impl Reason {
    /// The reason's name in every interface.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::SpecialNumber => "special_number",
            Self::InternalCall => "internal_call",
            Self::OwnAllow(_) => "own_allow",
            Self::OwnBlock(_) => "own_block",
            Self::Anonymous => "anonymous",
            Self::Invalid => "invalid",
            Self::Reported { .. } => "reported",
            Self::Vindicated(_) => "vindicated",
            Self::NothingKnown => "nothing_known",
            Self::SignatureFailed => "signature_failed",
            Self::FailedOpen => "failed_open",
            Self::OwnReport(_) => "own_report",
            Self::FurtherOff { .. } => "further_off",
            Self::Evidence { .. } => "evidence",
            Self::OneWay => "one_way",
            Self::Listed { .. } => "listed",
            Self::HotRange(_) => "hot_range",
            Self::Person(_) => "person",
            Self::QuietHours => "quiet_hours",
            Self::CallsAgain => "calls_again",
        }
    }

    /// The reason as a sentence for the person whose phone it is.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::SpecialNumber => "Short codes, star codes and emergency numbers always ring.".into(),
            Self::InternalCall => "The call comes from another phone on your own router.".into(),
            Self::OwnAllow(None) => "You allowed this number.".into(),
            Self::OwnAllow(Some(pattern)) => format!("You allowed numbers that begin with {pattern}."),
            Self::OwnBlock(None) => "You blocked this number.".into(),
            Self::OwnBlock(Some(pattern)) => format!("You blocked numbers that begin with {pattern}."),
            Self::Anonymous => "The caller hides the number, and your setting for hidden numbers decides.".into(),
            Self::Invalid => {
                "No such telephone number can exist, and your setting for impossible numbers decides.".into()
            }
            Self::Reported { against, legit: 0, category } => {
                format!("{} reported it as {}.", neighbours(*against), category.noun())
            }
            Self::Reported { against, legit, category } => {
                let say = if *legit == 1 { "says" } else { "say" };
                format!("{} reported it as {}; {legit} {say} it is legitimate.", neighbours(*against), category.noun())
            }
            Self::Vindicated(n) => {
                let say = if *n == 1 { "says" } else { "say" };
                format!("{} {say} this number is legitimate.", neighbours(*n))
            }
            Self::NothingKnown => "Nobody you trust has reported this number.".into(),
            Self::SignatureFailed => {
                "The telephone network could not confirm that the number is the caller's own.".into()
            }
            Self::FailedOpen => {
                "Meerkat did not decide in time, so the call rang. No wanted call is lost to a fault of ours.".into()
            }
            Self::OwnReport(category) => format!("You reported it as {}.", category.noun()),
            Self::FurtherOff { against, legit, category, through } => {
                further_off(*against, *legit, *category, *through)
            }
            Self::Evidence { hundredths } => format!(
                "By distance and age that weighs {}.{:02}: 1.00 marks a call, 3.00 through at least two neighbours keeps it from ringing.",
                hundredths / 100,
                hundredths % 100
            ),
            Self::OneWay => {
                "Too much of it comes through one neighbour or from homes five vouches away, so the call rings, marked."
                    .into()
            }
            Self::Listed { list, more, category, count } => listed(list, *more, *category, *count),
            Self::Person(name) => format!("{name} is in your address book."),
            Self::QuietHours => {
                "It is quiet: only callers you know ring now, and whoever calls again within a quarter of an hour.".into()
            }
            Self::CallsAgain => "It is quiet, but the caller tries again.".into(),
            Self::HotRange(None) => {
                "Numbers that differ only in their last digits were reported these days through more than one of your neighbours, so the call rings, marked.".into()
            }
            Self::HotRange(Some(list)) => format!(
                "The imported list “{list}” holds fresh complaints about numbers that differ only in their last digits, so the call rings, marked."
            ),
        }
    }
}

fn further_off(against: u16, legit: u16, category: Category, through: u16) -> String {
    let homes = |n: u16| if n == 1 { "1 home further off".to_owned() } else { format!("{n} homes further off") };
    let way = match through {
        0 => String::new(),
        n => format!(", known to you through {}", neighbours(n)),
    };
    let say = if legit == 1 { "says" } else { "say" };
    match (against, legit) {
        (0, legit) => format!("{} {say} it is legitimate{way}.", homes(legit)),
        (against, 0) => format!("{} reported it as {}{way}.", homes(against), category.noun()),
        (against, legit) => {
            format!("{} reported it as {}, {legit} {say} it is legitimate{way}.", homes(against), category.noun())
        }
    }
}

fn listed(list: &str, more: u16, category: Category, count: u16) -> String {
    let complaints = if count == 1 { "1 complaint".to_owned() } else { format!("{count} complaints") };
    let others = match more {
        0 => String::new(),
        1 => " and on 1 more; all lists together weigh as one".to_owned(),
        n => format!(" and on {n} more; all lists together weigh as one"),
    };
    format!("On the imported list “{list}” as {} ({complaints}){others}.", category.noun())
}

fn neighbours(n: u16) -> String {
    if n == 1 { "1 neighbour you vouched for".into() } else { format!("{n} neighbours you vouched for") }
}

/// A share from 0 to 100 with two decimals, kept as hundredths: 43.85 is 4385.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hundredths(pub u16);

impl Hundredths {
    /// 0.00.
    pub const NONE: Self = Self(0);
    /// 50.00.
    pub const HALF: Self = Self(5_000);
    /// 100.00.
    pub const FULL: Self = Self(10_000);

    /// The nearest value to `share`, which is cut to 0 and 100; not-a-number is 0.
    #[must_use]
    pub fn of_percent(share: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0..=10000 first")]
        Self((share.clamp(0.0, 100.0) * 100.0).round() as u16)
    }

    /// As a number from 0.0 to 100.0.
    #[must_use]
    pub fn percent(self) -> f64 {
        f64::from(self.0) / 100.0
    }
}

/// Where the node stands, in degrees (WGS 84). For the own log only.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// -90 to 90.
    pub latitude: f64,
    /// -180 to 180.
    pub longitude: f64,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Place(…)")
    }
}

/// The position of a fact in its node's log. Rises by one, never used twice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub u64);

/// A call and what was decided about it, written when the decision fell. Its end follows as a [`CallEnd`].
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Call {
    /// Its place in this node's log.
    pub seq: Seq,
    /// The node that screened it.
    pub node: NodeNumber,
    /// The line it came by.
    pub line: Line,
    /// The caller's number, if it has one.
    pub number: Option<E164>,
    /// What the line showed in the caller's place, made inert.
    pub shown: String,
    /// The name the line showed, made inert.
    pub name: String,
    /// What was decided.
    pub verdict: Verdict,
    /// Why, the deciding reason first.
    pub reasons: Vec<Reason>,
    /// How suspicious the call looked, for display only.
    pub risk: Hundredths,
    /// When it began, in Unix seconds; `None` if the clock was not set.
    pub began: Option<i64>,
    /// When it began, in milliseconds since the process started.
    pub began_mono_ms: u64,
    /// What the network said about the number.
    pub verstat: Option<Verstat>,
    /// Where the node stands.
    pub place: Option<Place>,
    /// Further facts of the gateway.
    pub metadata: Vec<(String, String)>,
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seq, line, verdict, number, .. } = self;
        write!(f, "Call({}, {line:?}, {number:?}, {verdict:?})", seq.0)
    }
}

/// How a logged call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallEnd {
    /// The call's place in the log.
    pub seq: Seq,
    /// How it ended, as far as this node saw.
    pub how: Ending,
    /// How long it lasted here, in milliseconds: ringing time, for this node never talks.
    pub duration_ms: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_keep_two_decimals_and_stay_in_range() {
        assert_eq!(Hundredths::of_percent(43.854), Hundredths(4_385));
        assert_eq!(Hundredths::of_percent(-1.0), Hundredths::NONE);
        assert_eq!(Hundredths::of_percent(1e9), Hundredths::FULL);
        assert_eq!(Hundredths::of_percent(f64::NAN), Hundredths::NONE);
        assert!((Hundredths(4_385).percent() - 43.85).abs() < 1e-9);
    }

    #[test]
    fn a_call_does_not_show_whose_it_is_in_a_log() {
        let call = Call {
            seq: Seq(1),
            node: NodeNumber(0),
            line: Line("home".into()),
            number: E164::from_digits(4_930_901_820),
            shown: "030901820".into(),
            name: "Grandmother".into(),
            verdict: Verdict::Allow,
            reasons: vec![Reason::NothingKnown],
            risk: Hundredths::NONE,
            began: None,
            began_mono_ms: 0,
            verstat: None,
            place: Some(Place { latitude: 52.5, longitude: 13.4 }),
            metadata: vec![],
        };
        let shown = format!("{call:?}");
        for secret in ["Grandmother", "901820", "52.5"] {
            assert!(!shown.contains(secret), "{shown}");
        }
    }
}
