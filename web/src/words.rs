//! The words of the vocabulary as they stand in the API: closed sets, the same in requests, answers and events.

use meerkat_protocols::{facts, mesh, phone, statement, time::Day, wishes};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Defines an enum of words and its conversions from and to the vocabulary's own.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident = $of:path { $($(#[$vdoc:meta])* $variant:ident),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name { $($(#[$vdoc])* $variant),+ }

        impl From<$of> for $name {
            fn from(value: $of) -> Self {
                match value { $(<$of>::$variant => Self::$variant),+ }
            }
        }

        impl From<$name> for $of {
            fn from(value: $name) -> Self {
                match value { $($name::$variant => Self::$variant),+ }
            }
        }
    };
}

words!(
    /// What was decided about a call.
    Verdict = facts::Verdict {
        /// It rings.
        Allow,
        /// It rings, marked as suspicious.
        Challenge,
        /// It does not ring.
        Block,
    }
);
words!(
    /// What a person of the home said about a number.
    Standing = wishes::Standing {
        /// Nothing; kept for its label and notes.
        Unknown,
        /// Always rings.
        Allow,
        /// Never rings.
        Block,
    }
);
words!(
    /// What a home calls a number.
    Category = statement::Category { Spam, Scam, Robocall, Telemarketer, Legit }
);
words!(
    /// How a call ended, as far as this node saw.
    Ending = phone::Ending { Refused, HungUp, SteppedAside, Cancelled, LineLost, RangUndecided }
);
words!(
    /// What the telephone network says about the signature of the caller's number.
    Verstat = phone::Verstat { Passed, Failed, NotValidated }
);
words!(
    /// How a peer became known.
    Found = mesh::Found { Nearby, Configured, Remembered, CalledUs }
);

/// How a line stands with its router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum LineWord {
    Registering,
    Ready,
    Failing,
}

/// A line's state as a word and as a sentence.
pub(crate) fn line_state(state: &phone::LineState) -> (LineWord, String) {
    match state {
        phone::LineState::Registering => (LineWord::Registering, "Registering with the router.".into()),
        phone::LineState::Ready => (LineWord::Ready, "Ready: calls are screened.".into()),
        phone::LineState::Failing(why) => (LineWord::Failing, crate::problem::sentence(why)),
    }
}

/// How a call ended, for the person whose phone it is.
pub(crate) fn ending(how: phone::Ending) -> &'static str {
    match how {
        phone::Ending::Refused => "Meerkat refused the call.",
        phone::Ending::HungUp => "Meerkat answered and hung up.",
        phone::Ending::SteppedAside => "Meerkat stepped aside and the phones rang on.",
        phone::Ending::Cancelled => "The caller gave up, or somebody took the call.",
        phone::Ending::RangUndecided => "No verdict came in time, so the phones rang.",
        phone::Ending::LineLost => "The line was lost while the call was ringing.",
    }
}

/// A day as ISO 8601 writes it.
pub(crate) fn iso_day(day: Day) -> String {
    let epoch = jiff::civil::date(1970, 1, 1);
    epoch.saturating_add(jiff::Span::new().days(day.0)).to_string()
}

/// A peer as everybody writes it, `12D3Koo...`: the identity multihash of the key's protobuf, in base58 (libp2p's
/// peer-id specification).
pub(crate) fn peer_id(peer: mesh::Peer) -> String {
    // Identity hash of 36 bytes; field 1, Ed25519; field 2, 32 bytes.
    let mut bytes = vec![0x00, 0x24, 0x08, 0x01, 0x12, 0x20];
    bytes.extend_from_slice(&peer.0);
    bs58::encode(bytes).into_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_vocabulary() {
        for verdict in facts::Verdict::ALL {
            assert_eq!(serde_json::to_value(Verdict::from(verdict)).expect("json"), verdict.word());
        }
        for category in statement::Category::ALL {
            assert_eq!(serde_json::to_value(Category::from(category)).expect("json"), category.word());
        }
        for standing in [wishes::Standing::Unknown, wishes::Standing::Allow, wishes::Standing::Block] {
            assert_eq!(serde_json::to_value(Standing::from(standing)).expect("json"), standing.word());
        }
    }

    #[test]
    fn a_peer_is_written_as_libp2p_writes_it() {
        let id = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
        let bytes = bs58::decode(id).into_vec().expect("base58");
        let key = bytes[6..].try_into().expect("32 bytes");
        assert_eq!((&bytes[..6], peer_id(mesh::Peer(key)).as_str()), (&[0, 0x24, 8, 1, 0x12, 0x20][..], id));
    }

    #[test]
    fn days_are_written_as_iso_8601() {
        assert_eq!(iso_day(Day(0)), "1970-01-01");
        assert_eq!(iso_day(Day(20_089)), "2025-01-01");
        assert_eq!(iso_day(Day(u16::MAX)), "2149-06-06");
    }
}
