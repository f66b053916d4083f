//! A number with what its list says about it, in 64 bits.

use meerkat_protocols::{number::E164, statement::Category};

/// 15 digits (ITU-T E.164) take 50 bits; 14 are left.
const CATEGORY_BITS: u32 = 3;
const COUNT_BITS: u32 = 11;
const EXTRA_BITS: u32 = CATEGORY_BITS + COUNT_BITS;
/// More complaints than this count as this many.
pub(crate) const MAX_COUNT: u16 = (1 << COUNT_BITS) - 1;

/// Sorts by number, so that a list of keys is searched by number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(u64);

impl Key {
    pub(crate) fn new(number: E164, category: Category, count: u16) -> Self {
        Self(number.digits() << EXTRA_BITS | (category as u64) << COUNT_BITS | u64::from(count.min(MAX_COUNT)))
    }

    pub(crate) fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    pub(crate) fn to_bits(self) -> u64 {
        self.0
    }

    pub(crate) fn digits(self) -> u64 {
        self.0 >> EXTRA_BITS
    }

    pub(crate) fn category(self) -> Category {
        let code = (self.0 >> COUNT_BITS) & ((1 << CATEGORY_BITS) - 1);
        Category::ALL.into_iter().find(|c| *c as u64 == code).unwrap_or(Category::Spam)
    }

    pub(crate) fn count(self) -> u16 {
        u16::try_from(self.0 & u64::from(MAX_COUNT)).unwrap_or(MAX_COUNT)
    }

    /// Two rows about one number: the counts add up, the category of the row with more complaints stays.
    pub(crate) fn join(self, other: Self) -> Self {
        let heavier = if other.count() > self.count() { other } else { self };
        let count = self.count().saturating_add(other.count()).min(MAX_COUNT);
        Self(heavier.0 & !u64::from(MAX_COUNT) | u64::from(count))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_key_holds_what_was_put_in(digits in 1_000_000u64..1_000_000_000_000_000, code in 0usize..5, count: u16) {
            let (number, category) = (E164::from_digits(digits).expect("in range"), Category::ALL[code]);
            let key = Key::new(number, category, count);
            prop_assert_eq!((key.digits(), key.category(), key.count()), (digits, category, count.min(MAX_COUNT)));
        }

        #[test]
        fn joined_rows_add_up(a in 1u16..3_000, b in 1u16..3_000) {
            let number = E164::from_digits(4_930_901_820).expect("a number");
            let (spam, scam) = (Key::new(number, Category::Spam, a), Key::new(number, Category::Scam, b));
            let joined = spam.join(scam);
            let sum = a.min(MAX_COUNT) + b.min(MAX_COUNT);
            prop_assert_eq!((joined.digits(), joined.count()), (number.digits(), sum.min(MAX_COUNT)));
            let heavier = if b.min(MAX_COUNT) > a.min(MAX_COUNT) { Category::Scam } else { Category::Spam };
            prop_assert_eq!(joined.category(), heavier);
        }
    }
}
