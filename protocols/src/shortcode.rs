//! The short code of an invite: ten letters and digits that are said across a room, for two nodes on one network.

use std::{fmt, str::FromStr};

/// The alphabet of Crockford's base 32: no I, L, O and U.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Letters of a code: 50 bits.
const LETTERS: usize = 10;
const GROUP: usize = 5;
const KEY_DOMAIN: &str = "meerkat 2026-11 short code key";
/// Rounds from a code to its key: under a millisecond on a small board, and what a guesser of codes pays for each.
const ROUNDS: usize = 1_024;

/// A short code. It is never sent; what it proves is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ShortCode([u8; LETTERS]);

impl fmt::Debug for ShortCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShortCode(…)")
    }
}

impl fmt::Display for ShortCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, value) in self.0.iter().enumerate() {
            if n == GROUP {
                f.write_str("-")?;
            }
            write!(f, "{}", char::from(ALPHABET[usize::from(*value)]))?;
        }
        Ok(())
    }
}

impl ShortCode {
    /// The code of the first 50 bits of chance.
    #[must_use]
    pub fn of(chance: &[u8; 32]) -> Self {
        let mut bits = [0; 8];
        bits.copy_from_slice(&chance[..8]);
        let bits = u64::from_be_bytes(bits);
        Self(std::array::from_fn(|n| u8::try_from(bits >> (59 - 5 * n) & 0x1f).expect("five bits fit eight")))
    }

    /// The key with which the code is proven.
    #[must_use]
    pub fn key(&self) -> [u8; 32] {
        let first = blake3::derive_key(KEY_DOMAIN, &self.0);
        (0..ROUNDS).fold(first, |key, _| blake3::derive_key(KEY_DOMAIN, &key))
    }
}

/// The text is no short code.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("this is no short code: a code has ten letters and digits, such as 7K3MX-9QW2T")]
pub struct NotACode;

impl FromStr for ShortCode {
    type Err = NotACode;

    /// Case, spaces and hyphens do not matter; I and L are read as 1 and O as 0.
    fn from_str(text: &str) -> Result<Self, NotACode> {
        let mut values = [0; LETTERS];
        let mut found = 0;
        for letter in text.bytes().take(64).filter(|b| !matches!(b, b' ' | b'-')) {
            let letter = match letter.to_ascii_uppercase() {
                b'I' | b'L' => b'1',
                b'O' => b'0',
                other => other,
            };
            let value = ALPHABET.iter().position(|known| *known == letter).ok_or(NotACode)?;
            *values.get_mut(found).ok_or(NotACode)? = u8::try_from(value).expect("one of 32");
            found += 1;
        }
        if found == LETTERS && text.len() <= 64 { Ok(Self(values)) } else { Err(NotACode) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_code_is_read_as_people_say_and_write_it() {
        let code: ShortCode = "7K3MX-9QW2T".parse().expect("a code");
        assert_eq!(code.to_string(), "7K3MX-9QW2T");
        for spelling in ["7k3mx9qw2t", " 7K3 MX9 QW2T ", "7k3mx-9qw2t"] {
            assert_eq!(spelling.parse(), Ok(code));
        }
        assert_eq!("OIL00-00000".parse::<ShortCode>().map(|c| c.to_string()), Ok("01100-00000".into()));
        for wrong in ["", "7K3MX-9QW2", "7K3MX-9QW2TT", "7K3MX-9QW2U", "meerkat:abc", &"7K3MX-9QW2T ".repeat(9)] {
            assert_eq!(wrong.parse::<ShortCode>(), Err(NotACode), "{wrong}");
        }
        assert_eq!(format!("{code:?}"), "ShortCode(…)");
    }

    proptest! {
        #[test]
        fn every_code_reads_back(chance: [u8; 32]) {
            let code = ShortCode::of(&chance);
            prop_assert_eq!(code.to_string().parse(), Ok(code));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*") {
            let _ = text.parse::<ShortCode>();
        }
    }
}
