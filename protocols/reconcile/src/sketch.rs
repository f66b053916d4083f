//! The beginning of a set's sequence of symbols, with its fingerprint and gauge.

use crate::gauge::Gauge;
use crate::hash::{Id, Key, Salt};
use crate::symbol::{Mapping, Symbol};

/// As many symbols as one attempt may use: they tell 24,000 differences apart, in 512 KiB. More are told range by range.
pub const MAX_SYMBOLS: usize = 32_768;

/// Everything that is sent of a set instead of its items. All of it is a sum, so that items come and go at the cost of
/// the symbols they are in: 2 ln(1 + n/2) of the first n, which is 20 of [`MAX_SYMBOLS`].
#[derive(Debug, Clone)]
pub struct Sketch {
    key: Key,
    symbols: Vec<Symbol>,
    gauge: Gauge,
    sum: u128,
    items: u64,
}

impl Sketch {
    /// Of the empty set, with as many symbols as are wanted, at most [`MAX_SYMBOLS`].
    #[must_use]
    pub fn new(salt: Salt, symbols: usize) -> Self {
        let symbols = vec![Symbol::default(); symbols.min(MAX_SYMBOLS)];
        Self { key: Key::new(salt), symbols, gauge: Gauge::default(), sum: 0, items: 0 }
    }

    /// An item that was not in it has come.
    pub fn insert(&mut self, id: &Id) {
        let (short, term) = self.key.both(id);
        self.gauge.insert(&self.key, short);
        self.sum = self.sum.wrapping_add(term);
        self.items = self.items.wrapping_add(1);
        self.toggle(short);
    }

    /// An item that was in it has gone.
    pub fn remove(&mut self, id: &Id) {
        let (short, term) = self.key.both(id);
        self.gauge.remove(&self.key, short);
        self.sum = self.sum.wrapping_sub(term);
        self.items = self.items.wrapping_sub(1);
        self.toggle(short);
    }

    fn toggle(&mut self, short: crate::ShortId) {
        let check = self.key.check(short);
        for index in Mapping::new(short) {
            let Some(symbol) = self.symbols.get_mut(index) else { return };
            symbol.toggle(short, check);
        }
    }

    /// The functions it was made with.
    #[must_use]
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The symbols from one index up to another, as far as there are any.
    #[must_use]
    pub fn symbols(&self, from: usize, to: usize) -> &[Symbol] {
        let to = to.min(self.symbols.len());
        &self.symbols[from.min(to)..to]
    }

    /// The estimate's half.
    #[must_use]
    pub fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// Equal for equal sets; for others only by accident, or by the work of somebody who knows the salt.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.key.fingerprint(self.sum, self.items)
    }

    /// How many items are in it.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.items
    }
}
