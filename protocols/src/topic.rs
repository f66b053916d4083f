//! Topics of gossip: what a node hears live. Reconciliation brings the rest, so a topic is about haste and not about
//! completeness.

use std::{fmt, str::FromStr};

use crate::number::{E164, Region};

/// The parts into which a country's reports fall. A node hears its own and three others, and as long as there are four of
/// them that is all: a street of five homes hears everything, and a country whose traffic grows too much for a home line
/// is divided further without new kinds of topic. At the 20 reports a home may make a day, 170 bytes each and eight copies
/// of each message, a home that hears all of 50,000 homes' reports carries 16 kB/s at the very most.
pub const SHARDS: u8 = 4;

/// The last digits of a number that do not decide its shard: a block of a thousand is called from together.
const BLOCK: u64 = 1_000;

const PREFIX: &str = "/meerkat/1/";
const SHARD_DOMAIN: &str = "meerkat 2026-11 shard of a number";

/// One topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// Vouches and what takes them back: all homes, since the ways they open lead across borders.
    Vouches,
    /// Reports of the homes of one country and what takes them back. Of the homes, not of the numbers: who is called from
    /// abroad is warned by those who are called alike.
    Reports {
        /// Two lower-case letters (ISO 3166-1).
        country: [u8; 2],
        /// Below [`SHARDS`].
        shard: u8,
    },
}

impl Topic {
    /// The topic of a home's report on a number.
    #[must_use]
    pub fn of_report(home_is_in: Region, number: E164) -> Self {
        let prefix = (number.digits() / BLOCK).to_be_bytes();
        let shard = blake3::derive_key(SHARD_DOMAIN, &prefix)[0] % SHARDS;
        Self::Reports { country: letters(home_is_in), shard }
    }

    /// What a home hears.
    #[must_use]
    pub fn heard_in(country: Region) -> Vec<Self> {
        let country = letters(country);
        let reports = (0..SHARDS).map(|shard| Self::Reports { country, shard });
        [Self::Vouches].into_iter().chain(reports).collect()
    }
}

fn letters(region: Region) -> [u8; 2] {
    let mut letters = [b'x'; 2];
    for (letter, given) in letters.iter_mut().zip(region.code().bytes()) {
        *letter = given.to_ascii_lowercase();
    }
    letters
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Vouches => write!(f, "{PREFIX}vouch"),
            Self::Reports { country: [a, b], shard } => {
                write!(f, "{PREFIX}report/{}{}/{shard}", char::from(*a), char::from(*b))
            }
        }
    }
}

/// The text is no topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no topic of ours")]
pub struct NoTopic;

impl FromStr for Topic {
    type Err = NoTopic;

    fn from_str(text: &str) -> Result<Self, NoTopic> {
        let mut parts = text.strip_prefix(PREFIX).ok_or(NoTopic)?.split('/');
        let topic = match (parts.next(), parts.next(), parts.next()) {
            (Some("vouch"), None, None) => Self::Vouches,
            (Some("report"), Some(country), Some(shard)) => {
                let country = <[u8; 2]>::try_from(country.as_bytes()).map_err(|_| NoTopic)?;
                let shard = shard.parse().map_err(|_| NoTopic)?;
                if shard >= SHARDS || !country.iter().all(u8::is_ascii_lowercase) {
                    return Err(NoTopic);
                }
                Self::Reports { country, shard }
            }
            _ => return Err(NoTopic),
        };
        // One spelling for each.
        if parts.next().is_none() && topic.to_string() == text { Ok(topic) } else { Err(NoTopic) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn number(digits: u64) -> E164 {
        E164::from_digits(digits).expect("a number")
    }

    #[test]
    fn topics_are_written_one_way() {
        let germany: Region = "DE".parse().expect("a country");
        let heard = Topic::heard_in(germany);
        let texts: Vec<String> = heard.iter().map(Topic::to_string).collect();
        assert_eq!(texts[0], "/meerkat/1/vouch");
        assert_eq!(texts[4], "/meerkat/1/report/de/3");
        assert_eq!(texts.len(), 5);
        assert!(texts.iter().zip(&heard).all(|(text, topic)| text.parse() == Ok(*topic)));
        for other in [
            "",
            "/meerkat/1/",
            "/meerkat/1/report/de/4",
            "/meerkat/1/report/DE/1",
            "/meerkat/1/report/de/01",
            "/meerkat/1/report/de/+1",
            "/meerkat/1/report/deu/1",
            "/meerkat/1/vouch/",
            "/meerkat/1/report/de/1/2",
        ] {
            assert_eq!(other.parse::<Topic>(), Err(NoTopic), "{other}");
        }
    }

    #[test]
    fn a_block_of_numbers_is_in_one_shard_and_blocks_are_spread() {
        let germany: Region = "DE".parse().expect("a country");
        let topic = |digits| Topic::of_report(germany, number(digits));
        let block: BTreeSet<Topic> = (0..1_000).map(|n| topic(4_930_901_000 + n)).collect();
        assert_eq!(block.len(), 1);
        let of_blocks = |shard| {
            let there =
                |n: &u64| matches!(topic(4_930_000_000 + n * 1_000), Topic::Reports { shard: s, .. } if s == shard);
            (0..4_000).filter(there).count()
        };
        assert!((0..SHARDS).all(|shard| (850..1_150).contains(&of_blocks(shard))));
        assert!(block.iter().all(|topic| Topic::heard_in(germany).contains(topic)));
    }

    proptest! {
        #[test]
        fn whatever_reads_as_a_topic_is_written_so(text in "(/meerkat/1/)?(vouch|report)?/?[a-z/]{0,4}[0-9/]{0,3}") {
            if let Ok(topic) = text.parse::<Topic>() {
                prop_assert_eq!(topic.to_string(), text);
            }
        }
    }
}
