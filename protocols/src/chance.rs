//! Chance as the pure packages see it: drawn from a seed that was handed in, so that a trace can be replayed.

use std::fmt;

/// A source of numbers that nobody guesses who does not know its seed: keyed BLAKE3 over a counter.
#[derive(Clone, Default)]
pub struct Chance {
    seed: [u8; 32],
    drawn: u64,
}

impl fmt::Debug for Chance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance(…)")
    }
}

impl Chance {
    /// From 32 bytes of the system's randomness, new at each start.
    #[must_use]
    pub fn of(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    /// The next 32 bytes.
    #[must_use]
    pub fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        *blake3::keyed_hash(&self.seed, &self.drawn.to_be_bytes()).as_bytes()
    }

    /// The next 16 bytes.
    #[must_use]
    pub fn draw_16(&mut self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&self.draw()[..16]);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_gives_one_row_without_repetition() {
        let row = |seed: u8| {
            let mut chance = Chance::of([seed; 32]);
            (0..100).map(|_| chance.draw()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(row(1).len(), 100);
        assert_eq!(row(1), row(1));
        assert!(row(1).is_disjoint(&row(2)));
        assert_eq!(format!("{:?}", Chance::of([7; 32])), "Chance(…)");
    }
}
