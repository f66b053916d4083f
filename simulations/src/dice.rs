//! Chance, all of it, from one seed.

/// A source of numbers: SplitMix64 (Steele, Lea, Flood 2014), small and the same everywhere.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// Dice of their own for one purpose, so that one more throw here changes nothing there.
    #[must_use]
    pub fn apart(&self, purpose: u64) -> Self {
        let mut dice = Self(self.0 ^ purpose.wrapping_mul(0xa076_1d64_78bd_642f));
        dice.throw();
        dice
    }

    /// The next number.
    pub fn throw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        // The bias of a remainder is below 2^-40 for all ends used here.
        self.throw() % end.max(1)
    }

    /// A place in a row of so many.
    pub fn place(&mut self, of: usize) -> usize {
        usize::try_from(self.below(of as u64)).unwrap_or(0)
    }

    /// A number from one to the other, both included.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.below(to.saturating_sub(from) + 1)
    }

    /// Whether something of this probability happens.
    pub fn happens(&mut self, probability: f64) -> bool {
        // 53 bits are what a double holds.
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
        let share = (self.throw() >> 11) as f64 / (1_u64 << 53) as f64;
        share < probability
    }

    /// Thirty-two bytes.
    pub fn bytes(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for chunk in bytes.chunks_exact_mut(8) {
            chunk.copy_from_slice(&self.throw().to_be_bytes());
        }
        bytes
    }

    /// So many different places of a row, in order.
    pub fn choose(&mut self, count: usize, of: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..of).collect();
        for at in 0..count.min(of) {
            let other = at + self.place(of - at);
            all.swap(at, other);
        }
        all.truncate(count);
        all.sort_unstable();
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_row_and_purposes_do_not_disturb_each_other() {
        let row = |dice: &mut Dice| (0..8).map(|_| dice.throw()).collect::<Vec<_>>();
        assert_eq!(row(&mut Dice::new(7)), row(&mut Dice::new(7)));
        assert_ne!(row(&mut Dice::new(7)), row(&mut Dice::new(8)));
        let dice = Dice::new(7);
        let mut links = dice.apart(1);
        let before = row(&mut dice.apart(2));
        links.throw();
        assert_eq!(row(&mut dice.apart(2)), before);
    }

    #[test]
    fn what_is_thrown_is_what_was_asked_for() {
        let mut dice = Dice::new(1);
        assert!((0..1_000).all(|_| (3..=5).contains(&dice.between(3, 5))));
        let often = (0..10_000).filter(|_| dice.happens(0.3)).count();
        assert!((2_800..3_200).contains(&often), "{often}");
        let chosen = dice.choose(4, 10);
        assert!(chosen.len() == 4 && chosen.is_sorted() && chosen.iter().all(|place| *place < 10));
    }
}
