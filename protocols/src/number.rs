//! Telephone numbers: eight spellings of one number are one number, and what is no subscriber's number is told apart
//! before anybody parses it.

use std::{fmt, str::FromStr};

use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, enums::Region as Territory};
use serde::{Deserialize, Serialize};

/// The longest text that is looked at. ITU-T E.164 allows 15 digits; `tel:` URIs (RFC 3966) add separators and
/// parameters.
const MAX_SPELLING_BYTES: usize = 128;
/// Fewer digits than this is a short code: no subscriber number of any country in the numbering plans is shorter when
/// dialled from outside its own exchange.
const MIN_SUBSCRIBER_DIGITS: usize = 6;

/// A subscriber's number in the international form of ITU-T E.164, its up to 15 digits as one integer.
///
/// It is personal data: it prints as `+49…45` wherever somebody logs it. [`E164::reveal`] is for the person's own eyes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct E164(u64);

impl E164 {
    /// The number whose digits are these, if they can be one: 7 to 15 digits (ITU-T E.164, 6.1), no leading zero.
    #[must_use]
    pub fn from_digits(digits: u64) -> Option<Self> {
        (1_000_000..1_000_000_000_000_000).contains(&digits).then_some(Self(digits))
    }

    /// The digits as an integer.
    #[must_use]
    pub fn digits(self) -> u64 {
        self.0
    }

    /// The number in full, `+` and digits, for a person of this home.
    #[must_use]
    pub fn reveal(self) -> String {
        format!("+{}", self.0)
    }

    /// The number in full with the spaces people write in its country, for a person of this home.
    #[must_use]
    pub fn reveal_spaced(self) -> String {
        PHONE_NUMBER_UTIL
            .parse(self.reveal(), None)
            .map_or_else(|_| self.reveal(), |n| n.format_as(PhoneNumberFormat::International).into_owned())
    }
}

impl fmt::Debug for E164 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.0.to_string();
        write!(f, "+{}…{}", &digits[..2], &digits[digits.len() - 2..])
    }
}

/// The country by which a number without country code is understood (ISO 3166-1 alpha-2).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Region(Territory);

impl fmt::Debug for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.code())
    }
}

impl Region {
    /// The two letters.
    #[must_use]
    pub fn code(self) -> String {
        self.0.as_region_str().to_string()
    }
}

/// The letters name no country with a numbering plan.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no country code: give two letters as in DE, AT, CH, US")]
pub struct NoSuchRegion(pub String);

impl FromStr for Region {
    type Err = NoSuchRegion;

    fn from_str(code: &str) -> Result<Self, NoSuchRegion> {
        let code = code.trim().to_ascii_uppercase();
        let known = (code.len() == 2).then(|| Territory::try_from(code.as_str()).ok()).flatten();
        known
            .filter(|t| PHONE_NUMBER_UTIL.get_country_code_for_region(*t).is_some())
            .map(Self)
            .ok_or(NoSuchRegion(code))
    }
}

/// What the text in the caller's place turned out to be.
#[derive(Clone, PartialEq, Eq)]
pub enum Caller {
    /// A subscriber's number.
    Number(E164),
    /// A star or hash code, a short code or an emergency number.
    Special(String),
    /// A name without a number: another phone on the same router.
    Internal(String),
    /// The caller withheld the number.
    Anonymous,
    /// Looks like a number, but no such number can exist.
    Invalid(String),
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "Number({n:?})"),
            Self::Special(_) => f.write_str("Special(…)"),
            Self::Internal(_) => f.write_str("Internal(…)"),
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Invalid(_) => f.write_str("Invalid(…)"),
        }
    }
}

/// Emergency numbers that have six digits or more never occur; these are listed all the same so that a reader finds
/// them, and so that a country which writes one with its prefix is covered. ITU-T E.161.1 recommends 112 and 911.
const EMERGENCY: [&str; 14] =
    ["112", "911", "999", "110", "000", "111", "113", "115", "116", "117", "118", "119", "116117", "116000"];

/// Reads what a line shows in the caller's place.
///
/// `raw` may be a number in any spelling, a `tel:` or `sip:` user part, a name, or nothing.
#[must_use]
pub fn classify(raw: &str, home: Region) -> Caller {
    let text = crate::text::inert(&raw[..floor_char_boundary(raw, MAX_SPELLING_BYTES)]);
    let text = strip_uri(&text);
    if is_anonymous(text) {
        return Caller::Anonymous;
    }
    let digits: String = text.chars().filter_map(|c| c.to_digit(10).and_then(|d| char::from_digit(d, 10))).collect();
    if text.starts_with('*') || text.starts_with('#') || EMERGENCY.contains(&digits.as_str()) {
        return Caller::Special(text.to_owned());
    }
    // Digits of other scripts are digits too, or a caller would pass by writing them.
    let digit_count = text.chars().filter(|c| c.is_numeric()).count();
    if text.chars().any(char::is_alphabetic) {
        // "1-800-FLOWERS" comes from people, never from a line: a line with letters is a phone's name. With as many digits
        // as a number has it is rather a number with a letter added, so that it is not recognised.
        let bare: String = text.chars().filter(|c| c.is_numeric() || *c == '+').collect();
        let number = || parse(&bare, home).map_or_else(|| Caller::Invalid(text.to_owned()), Caller::Number);
        return if digit_count < MIN_SUBSCRIBER_DIGITS { Caller::Internal(text.to_owned()) } else { number() };
    }
    if !text.starts_with('+') && (1..MIN_SUBSCRIBER_DIGITS).contains(&digit_count) {
        return Caller::Special(text.to_owned());
    }
    parse(text, home).map_or_else(|| Caller::Invalid(text.to_owned()), Caller::Number)
}

/// Reads a subscriber's number that a person typed.
///
/// # Errors
/// [`NotANumber`] says what is wrong with it.
pub fn parse_typed(text: &str, home: Region) -> Result<E164, NotANumber> {
    match classify(text, home) {
        Caller::Number(n) => Ok(n),
        Caller::Special(_) => Err(NotANumber::Special),
        Caller::Internal(_) | Caller::Anonymous | Caller::Invalid(_) => Err(NotANumber::Invalid(home.code())),
    }
}

/// Why a typed text is not a subscriber's number.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum NotANumber {
    /// Star codes, short codes and emergency numbers.
    #[error("short codes, star codes and emergency numbers always ring and cannot be listed or reported")]
    Special,
    /// Nothing that can be called.
    #[error("this is not a telephone number that can exist in {0} or, with its + and country code, elsewhere")]
    Invalid(String),
}

fn parse(text: &str, home: Region) -> Option<E164> {
    let number = PHONE_NUMBER_UTIL.parse(text, Some(home.0)).ok()?;
    if !number.is_valid() {
        return None;
    }
    let international = number.format_as(PhoneNumberFormat::E164);
    E164::from_digits(international.trim_start_matches('+').parse().ok()?)
}

/// The user part of a `tel:`, `sip:` or `sips:` URI (RFC 3966, RFC 3261 19.1.1), or the text itself.
fn strip_uri(text: &str) -> &str {
    let lower = text.get(..5).map(str::to_ascii_lowercase).unwrap_or_default();
    let rest = ["tel:", "sip:", "sips:"].iter().find(|p| lower.starts_with(**p)).map_or(text, |p| &text[p.len()..]);
    let user = rest.split_once('@').map_or(rest, |(user, _)| user);
    user.split_once(';').map_or(user, |(user, _)| user).trim()
}

/// The words under which lines say that the number is withheld (RFC 3323 4.1.1.3, RFC 3325 9.3, and what routers write).
fn is_anonymous(text: &str) -> bool {
    let lower = text.to_lowercase();
    lower.is_empty()
        || ["anonymous", "restricted", "private", "withheld", "unknown", "unavailable", "anonym", "unbekannt", "p", "o"]
            .contains(&lower.as_str())
}

/// The last character boundary at or before `at`.
fn floor_char_boundary(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn de() -> Region {
        "DE".parse().expect("a country")
    }

    #[test]
    fn eight_spellings_are_one_number() {
        let spellings = [
            "+4930901820",
            "004930901820",
            "030901820",
            "030 90 18 20",
            "(030) 901-820",
            "+49 (0)30 901820",
            "tel:+49-30-901820",
            "sip:+4930901820@router.example;user=phone",
            "030/901820",
            "+49.30.901820",
        ];
        for s in spellings {
            assert_eq!(classify(s, de()), Caller::Number(E164(4_930_901_820)), "{s}");
        }
    }

    #[test]
    fn codes_and_emergency_numbers_are_special() {
        for s in ["**622", "*21#", "#31#", "110", "112", "911", "116117", "22833", "9"] {
            assert!(matches!(classify(s, de()), Caller::Special(_)), "{s}");
        }
    }

    #[test]
    fn withheld_and_impossible_numbers_are_told_apart() {
        for s in ["", "anonymous", "Anonymous@anonymous.invalid", "sip:anonymous@anonymous.invalid", " Restricted "] {
            assert_eq!(classify(s, de()), Caller::Anonymous, "{s}");
        }
        for s in ["+10000000000", "0000000000000", "+999123456789", "123456"] {
            assert!(matches!(classify(s, de()), Caller::Invalid(_)), "{s}: {:?}", classify(s, de()));
        }
        assert_eq!(classify("kitchen", de()), Caller::Internal("kitchen".into()));
    }

    #[test]
    fn a_number_is_recognised_whatever_a_caller_adds_to_it() {
        for s in ["+4930901820x", "caller+4930901820", "０３０９０１８２０", "\u{200b}030901820"] {
            assert_eq!(classify(s, de()), Caller::Number(E164(4_930_901_820)), "{s}");
        }
        for s in ["...", "-", "abc999999999999999"] {
            assert!(matches!(classify(s, de()), Caller::Invalid(_)), "{s}: {:?}", classify(s, de()));
        }
        for s in ["kitchen", "fon 2", "12345x"] {
            assert!(matches!(classify(s, de()), Caller::Internal(_)), "{s}");
        }
    }

    #[test]
    fn a_number_does_not_show_itself_in_a_log() {
        let n = E164(4_930_901_820);
        assert_eq!(format!("{n:?}"), "+49…20");
        assert!(!format!("{:?}", Caller::Invalid("0123456789".into())).contains("0123"));
        assert_eq!(n.reveal(), "+4930901820");
        assert_eq!(n.reveal_spaced(), "+49 30 901820");
    }

    #[test]
    fn regions_are_countries() {
        assert!("de".parse::<Region>().is_ok());
        for wrong in ["", "D", "XX", "DEU", "1A"] {
            assert!(wrong.parse::<Region>().is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_panic(raw in "\\PC{0,200}") {
            let _ = classify(&raw, de());
        }

        #[test]
        fn digits_that_parse_read_back_as_themselves(n in 1_000_000u64..1_000_000_000_000_000) {
            if let Caller::Number(e) = classify(&format!("+{n}"), de()) {
                proptest::prop_assert_eq!(classify(&e.reveal(), de()), Caller::Number(e));
            }
        }
    }
}
