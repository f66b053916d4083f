//! Reads a difference off symbols as they come.

use std::collections::BTreeMap;

use crate::hash::{Key, ShortId};
use crate::sketch::{MAX_SYMBOLS, Sketch};
use crate::symbol::{Mapping, Symbol};

/// Steps allowed for each symbol. An item is in 20 symbols of [`MAX_SYMBOLS`] at most on average; who chooses short ids
/// at will finds such as are in three times as many.
const STEPS_PER_SYMBOL: usize = 64;

/// The symbols are those of no difference: an accident of short ids, or a lie. Another salt tells which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the symbols are not those of any two sets")]
pub struct Inconsistent;

/// Peels a difference: a symbol with one item in it gives that item away; taken out of all others, it leaves more symbols
/// with one.
///
/// Whatever is pushed, the work is bounded by [`MAX_SYMBOLS`] and a number of steps for each symbol, and so is the memory.
#[derive(Debug)]
pub struct Decoder {
    key: Key,
    residual: Vec<Symbol>,
    /// Each item read off, and where it goes next beyond the symbols so far.
    found: BTreeMap<ShortId, Mapping>,
    steps: usize,
}

impl Decoder {
    /// For symbols under this key.
    #[must_use]
    pub fn new(key: Key) -> Self {
        Self { key, residual: Vec::new(), found: BTreeMap::new(), steps: 0 }
    }

    /// How many symbols have been pushed.
    #[must_use]
    pub fn received(&self) -> usize {
        self.residual.len()
    }

    /// The next symbols of the other side, in order, against ours. Says whether the difference is known now.
    ///
    /// # Errors
    /// [`Inconsistent`] if they contradict each other or are more than [`MAX_SYMBOLS`]; the decoder is of no use after it.
    pub fn push(&mut self, theirs: &[Symbol], ours: &Sketch) -> Result<bool, Inconsistent> {
        let from = self.residual.len();
        let to = from + theirs.len();
        let own = ours.symbols(from, to);
        if to > MAX_SYMBOLS || own.len() != theirs.len() {
            return Err(Inconsistent);
        }
        self.residual.extend(theirs.iter().zip(own).map(|(theirs, ours)| theirs.minus(*ours)));
        self.take_out_known()?;
        self.peel(from)?;
        let empty = |symbol: &Symbol| symbol.is_zero();
        match self.residual.first() {
            Some(first) if first.is_zero() && !self.residual.iter().all(empty) => Err(Inconsistent),
            Some(first) => Ok(first.is_zero()),
            None => Ok(false),
        }
    }

    /// The short ids that one side has and the other has not, in order. All of them only once `push` has said so.
    pub fn difference(&self) -> impl Iterator<Item = ShortId> {
        self.found.keys().copied()
    }

    fn step(&mut self) -> Result<(), Inconsistent> {
        self.steps += 1;
        if self.steps > STEPS_PER_SYMBOL * self.residual.len() { Err(Inconsistent) } else { Ok(()) }
    }

    /// Items found earlier are in the new symbols too.
    fn take_out_known(&mut self) -> Result<(), Inconsistent> {
        for (short, mapping) in &mut self.found {
            let check = self.key.check(*short);
            while let Some(symbol) = self.residual.get_mut(mapping.peek()) {
                symbol.toggle(*short, check);
                mapping.advance();
                self.steps += 1;
            }
        }
        if self.steps > STEPS_PER_SYMBOL * self.residual.len() { Err(Inconsistent) } else { Ok(()) }
    }

    fn peel(&mut self, from: usize) -> Result<(), Inconsistent> {
        // Last in, first out, and the later symbols hold fewer items: those are looked at first.
        let mut changed: Vec<usize> = (from..self.residual.len()).collect();
        while let Some(index) = changed.pop() {
            self.step()?;
            let Some(short) = self.residual[index].single(&self.key) else { continue };
            // A sum of several that passes for an item would hardly belong here: another log2(index / 2) bits of check.
            if !Mapping::new(short).take_while(|i| *i <= index).any(|i| i == index) {
                continue;
            }
            let check = self.key.check(short);
            let mut mapping = Mapping::new(short);
            while let Some(symbol) = self.residual.get_mut(mapping.peek()) {
                symbol.toggle(short, check);
                changed.push(mapping.peek());
                mapping.advance();
                self.step()?;
            }
            // Found twice: it was no item, or these are no sums of any. There are never more items than symbols.
            if self.found.insert(short, mapping).is_some() || self.found.len() > self.residual.len() {
                return Err(Inconsistent);
            }
        }
        Ok(())
    }
}
