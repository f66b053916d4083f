//! Four words for two screens: whoever reads the same four on both knows that no third stands between.

use std::fmt;

use bip39::Language;

/// Words shown.
const WORDS: usize = 4;
/// Bits in a word: the list has 2,048.
const BITS: usize = 11;

/// 44 bits as four English words. The list is that of BIP-39: known by their first four letters, eight letters at
/// most, no two alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FourWords([u16; WORDS]);

impl FourWords {
    /// The words of the first 44 bits of a hash.
    #[must_use]
    pub fn of(hash: &[u8; 32]) -> Self {
        let mut bits = [0; 8];
        bits.copy_from_slice(&hash[..8]);
        let bits = u64::from_be_bytes(bits);
        Self(std::array::from_fn(|n| {
            u16::try_from(bits >> (64 - BITS * (n + 1)) & 0x7ff).expect("eleven bits fit sixteen")
        }))
    }
}

impl fmt::Display for FourWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = Language::English.word_list();
        let words = self.0.map(|n| list[usize::from(n)]);
        f.write_str(&words.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_44_bits_make_the_words_and_all_of_them_do() {
        assert_eq!(FourWords::of(&[0; 32]).to_string(), "abandon abandon abandon abandon");
        assert_eq!(FourWords::of(&[0xff; 32]).to_string(), "zoo zoo zoo zoo");
        for bit in 0..256 {
            let mut hash = [0; 32];
            hash[bit / 8] = 0x80 >> (bit % 8);
            assert_eq!(FourWords::of(&hash) != FourWords::of(&[0; 32]), bit < WORDS * BITS, "bit {bit}");
        }
    }
}
