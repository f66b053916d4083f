//! Coded symbols, and which items go into which.

use crate::hash::{Key, ShortId, mix};

/// A symbol on the wire: eight bytes of sum, three of check.
pub const SYMBOL_BYTES: usize = 11;

/// The sum of the short ids of a share of a set, and of their checks.
///
/// Sums are XORs, so that taking an item out is putting it in again, and the symbols of two sets need no sign to be
/// subtracted. The count of the original construction is absent: it would tell on which side an item is missing, but
/// each side can look that up among its own, and a wider check costs the same byte and errs 256 times less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Symbol {
    sum: u64,
    /// 24 bits.
    check: u32,
}

impl Symbol {
    /// Puts an item in, or takes it out.
    pub(crate) fn toggle(&mut self, short: ShortId, check: u32) {
        self.sum ^= short.0;
        self.check ^= check;
    }

    /// The symbol of the symmetric difference.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self { sum: self.sum ^ other.sum, check: self.check ^ other.check }
    }

    /// Nothing is in it.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::default()
    }

    /// The item, if it holds exactly one.
    #[must_use]
    pub fn single(self, key: &Key) -> Option<ShortId> {
        let short = ShortId(self.sum);
        (!self.is_zero() && key.check(short) == self.check).then_some(short)
    }

    /// As it is sent.
    #[must_use]
    pub fn to_bytes(self) -> [u8; SYMBOL_BYTES] {
        let [s0, s1, s2, s3, s4, s5, s6, s7] = self.sum.to_le_bytes();
        let [c0, c1, c2, _] = self.check.to_le_bytes();
        [s0, s1, s2, s3, s4, s5, s6, s7, c0, c1, c2]
    }

    /// As it came. Any bytes are a symbol.
    #[must_use]
    pub fn from_bytes([s0, s1, s2, s3, s4, s5, s6, s7, c0, c1, c2]: [u8; SYMBOL_BYTES]) -> Self {
        let sum = u64::from_le_bytes([s0, s1, s2, s3, s4, s5, s6, s7]);
        Self { sum, check: u32::from_le_bytes([c0, c1, c2, 0]) }
    }
}

/// The symbols an item goes into: all of the first, and of the i-th one in 1 + i/2, at random but on both sides alike.
///
/// That density makes the sequence rateless: any beginning of it that is long enough for the difference can be read
/// (Yang et al., section 4). The next index is drawn at once instead of asking index by index, by inverting the
/// distribution of the gap: from i, a uniform r leads (i + 1.5) (r^-1/2 - 1) further (section 4.2).
#[derive(Debug, Clone)]
pub struct Mapping {
    state: u64,
    next: usize,
}

impl Mapping {
    /// From the first symbol on.
    #[must_use]
    pub fn new(short: ShortId) -> Self {
        Self { state: short.0, next: 0 }
    }

    /// The next index, without passing it.
    pub(crate) fn peek(&self) -> usize {
        self.next
    }

    /// IEEE 754 rounds the three operations used here in one way only, so that all machines agree.
    #[expect(clippy::cast_precision_loss, reason = "indices lie far below 2^52, and 53 bits of chance are enough")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, and bounded before")]
    pub(crate) fn advance(&mut self) {
        // SplitMix64's increment.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let uniform = ((mix(self.state) >> 11) + 1) as f64 / (1_u64 << 53) as f64;
        let gap = (self.next as f64 + 1.5) * (1.0 / uniform.sqrt() - 1.0);
        // No sketch is that long: what lies beyond is as good as the end.
        self.next = self.next.saturating_add(gap.ceil().clamp(1.0, 1e9) as usize);
    }
}

impl Iterator for Mapping {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        let index = self.next;
        self.advance();
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::Salt;

    #[test]
    fn one_item_is_recognised_and_two_are_not() {
        let key = Key::new(Salt(1));
        let mut symbol = Symbol::default();
        assert_eq!(symbol.single(&key), None);
        symbol.toggle(ShortId(5), key.check(ShortId(5)));
        assert_eq!(symbol.single(&key), Some(ShortId(5)));
        assert_eq!(Symbol::from_bytes(symbol.to_bytes()), symbol);
        symbol.toggle(ShortId(9), key.check(ShortId(9)));
        assert_eq!(symbol.single(&key), None);
        symbol.toggle(ShortId(5), key.check(ShortId(5)));
        assert_eq!(symbol.single(&key), Some(ShortId(9)));
    }

    #[test]
    fn the_density_is_the_papers() {
        let items = 20_000_u64;
        let mut hits = [0_u32; 200];
        for item in 0..items {
            Mapping::new(ShortId(mix(item))).take_while(|i| *i < 200).for_each(|i| hits[i] += 1);
        }
        assert_eq!(u64::from(hits[0]), items);
        for (i, hits) in hits.iter().enumerate().skip(1) {
            let expected = items as f64 / (1.0 + i as f64 / 2.0);
            let off = (f64::from(*hits) - expected).abs();
            assert!(off < 5.0 * expected.sqrt() + 0.05 * expected, "{hits} of {expected} at {i}");
        }
    }
}
