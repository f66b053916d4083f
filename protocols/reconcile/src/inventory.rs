//! What a node holds, and its sketch.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use crate::hash::{Id, Key, Salt, ShortId};
use crate::sketch::{MAX_SYMBOLS, Sketch};

/// Which of the sets an id is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SetId {
    /// The part of the country. 255 is no shard: it stands for all of them on the wire.
    pub shard: u8,
    /// Days since 1970-01-01, as the id's statement says, so that both sides put it into the same set.
    pub day: u16,
}

/// The union of sets that an exchange is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    /// One shard, or all.
    pub shard: Option<u8>,
    /// The first day. What is older may have expired on one side already, and would show as a difference.
    pub since: u16,
}

impl Scope {
    /// All sets.
    #[must_use]
    pub fn everything() -> Self {
        Self { shard: None, since: 0 }
    }

    pub(crate) fn holds(&self, set: SetId) -> bool {
        set.day >= self.since && self.shard.is_none_or(|shard| shard == set.shard)
    }
}

/// The ids whose short form under [`Salt`] zero begins with these bits: a share of all sets alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Range {
    bits: u8,
    prefix: u16,
}

impl Range {
    /// No range is narrower: 4,096 of them, each read with [`MAX_SYMBOLS`], tell a hundred million differences apart.
    pub const MAX_BITS: u8 = 12;

    /// Everything.
    pub const WHOLE: Self = Self { bits: 0, prefix: 0 };

    /// `None` if there are too many bits, or more in the prefix than are said.
    #[must_use]
    pub fn new(bits: u8, prefix: u16) -> Option<Self> {
        (bits <= Self::MAX_BITS && u32::from(prefix) < 1 << bits).then_some(Self { bits, prefix })
    }

    /// How many bits are given.
    #[must_use]
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// The bits.
    #[must_use]
    pub fn prefix(self) -> u16 {
        self.prefix
    }

    /// Its parts by the next bits, in order; none if they would be too narrow.
    pub(crate) fn split(self, bits: u8) -> impl DoubleEndedIterator<Item = Self> {
        let parts = if bits <= Self::MAX_BITS.saturating_sub(self.bits) { 1_u16 << bits } else { 0 };
        (0..parts).map(move |part| Self { bits: self.bits + bits, prefix: (self.prefix << bits) | part })
    }

    /// The keys of the ids in it.
    pub(crate) fn keys(self) -> RangeInclusive<(ShortId, Id)> {
        let (first, last) = self.ends();
        (ShortId(first), [0; 32])..=(ShortId(last), [u8::MAX; 32])
    }

    fn ends(self) -> (u64, u64) {
        let Some(shift) = 64_u32.checked_sub(u32::from(self.bits)).filter(|shift| *shift < 64) else {
            return (0, u64::MAX);
        };
        let first = u64::from(self.prefix) << shift;
        (first, first | ((1 << shift) - 1))
    }
}

/// Ids by set, with a sketch of all of them that is kept up as they come and go.
///
/// An id takes part in exchanges from its insertion on. Insert it once it is 30 s old: what gossip is still carrying
/// would show as a difference everywhere.
#[derive(Debug, Clone)]
pub struct Inventory {
    ids: BTreeMap<(ShortId, Id), SetId>,
    /// How many ids each set has: by this a scope is known to hold all of them.
    sets: BTreeMap<SetId, usize>,
    /// Shared with the exchanges under way, which need it as it was when they began: the first change after that copies.
    live: Arc<Sketch>,
}

impl Default for Inventory {
    fn default() -> Self {
        Self::new()
    }
}

impl Inventory {
    /// Of nothing.
    #[must_use]
    pub fn new() -> Self {
        let live = Arc::new(Sketch::new(Salt(0), MAX_SYMBOLS));
        Self { ids: BTreeMap::new(), sets: BTreeMap::new(), live }
    }

    /// An id has come of age. Says whether it is new; one that is in another set already stays there.
    pub fn insert(&mut self, set: SetId, id: Id) -> bool {
        let key = (self.live.key().short(&id), id);
        if self.ids.contains_key(&key) {
            return false;
        }
        self.ids.insert(key, set);
        *self.sets.entry(set).or_default() += 1;
        Arc::make_mut(&mut self.live).insert(&id);
        true
    }

    /// An id has expired. Says whether it was there.
    pub fn remove(&mut self, id: &Id) -> bool {
        let Some(set) = self.ids.remove(&(self.live.key().short(id), *id)) else { return false };
        if let Some(count) = self.sets.get_mut(&set) {
            *count -= 1;
            if *count == 0 {
                self.sets.remove(&set);
            }
        }
        Arc::make_mut(&mut self.live).remove(id);
        true
    }

    /// Whether it is there.
    #[must_use]
    pub fn contains(&self, id: &Id) -> bool {
        self.ids.contains_key(&(self.live.key().short(id), *id))
    }

    /// How many ids there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Each set with the number of its ids.
    pub fn sets(&self) -> impl Iterator<Item = (SetId, usize)> {
        self.sets.iter().map(|(set, count)| (*set, *count))
    }

    /// How many ids must be gone through for [`Self::sketch`]: none where the live one serves.
    pub(crate) fn cost(&self, scope: Scope, range: Range, salt: Salt) -> usize {
        let live = salt == Salt(0) && range == Range::WHOLE && self.sets.keys().all(|set| scope.holds(*set));
        if live { 0 } else { (self.ids.len() >> range.bits) + 1 }
    }

    /// The sketch of a part, as it is now.
    pub(crate) fn sketch(&self, scope: Scope, range: Range, salt: Salt) -> Arc<Sketch> {
        if self.cost(scope, range, salt) == 0 {
            return Arc::clone(&self.live);
        }
        let mut sketch = Sketch::new(salt, MAX_SYMBOLS);
        self.part(scope, range).for_each(|(_, id)| sketch.insert(id));
        Arc::new(sketch)
    }

    /// Which of our ids are behind these short ones: at most one each, unless two collide.
    pub(crate) fn resolve(
        &self,
        scope: Scope,
        range: Range,
        key: &Key,
        wanted: &BTreeSet<ShortId>,
    ) -> Vec<(ShortId, Id)> {
        if key.salt() != Salt(0) {
            let salted = self.part(scope, range).map(|(_, id)| (key.short(id), *id));
            return salted.filter(|(short, _)| wanted.contains(short)).collect();
        }
        let of = |short: &ShortId| self.ids.range((*short, [0; 32])..=(*short, [u8::MAX; 32])).map(|(key, _)| *key);
        wanted.iter().flat_map(of).collect()
    }

    fn part(&self, scope: Scope, range: Range) -> impl Iterator<Item = &(ShortId, Id)> {
        self.ids.range(range.keys()).filter_map(move |(key, set)| scope.holds(*set).then_some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled() -> Inventory {
        let mut inventory = Inventory::new();
        for n in 0..200_u8 {
            assert!(inventory.insert(SetId { shard: n % 4, day: u16::from(n / 20) }, [n; 32]));
        }
        inventory
    }

    #[test]
    fn what_came_and_went_leaves_no_trace() {
        let mut inventory = filled();
        let before = inventory.sketch(Scope::everything(), Range::WHOLE, Salt(0)).fingerprint();
        let set = SetId { shard: 0, day: 9 };
        assert!(!inventory.insert(set, [5; 32]), "known");
        assert!(inventory.insert(set, [255; 32]) && inventory.contains(&[255; 32]));
        assert_ne!(inventory.live.fingerprint(), before);
        assert!(inventory.remove(&[255; 32]) && !inventory.remove(&[255; 32]));
        assert_eq!(inventory.live.fingerprint(), before);
        (0..200).for_each(|n| assert!(inventory.remove(&[n; 32])));
        assert!(inventory.is_empty() && inventory.sets().next().is_none());
        assert_eq!(inventory.live.symbols(0, MAX_SYMBOLS), Sketch::new(Salt(0), MAX_SYMBOLS).symbols(0, MAX_SYMBOLS));
    }

    #[test]
    fn a_sketch_taken_earlier_stays_as_it_was() {
        let mut inventory = filled();
        let taken = inventory.sketch(Scope::everything(), Range::WHOLE, Salt(0));
        inventory.insert(SetId { shard: 1, day: 1 }, [255; 32]);
        assert_ne!(taken.fingerprint(), inventory.live.fingerprint());
        assert_eq!(taken.items(), 200);
    }

    #[test]
    fn scopes_and_ranges_cut_the_same_set_in_parts() {
        let inventory = filled();
        let items = |scope, range| inventory.sketch(scope, range, Salt(0)).items();
        let everything = Scope::everything();
        assert_eq!(items(Scope { shard: None, since: 5 }, Range::WHOLE), 100);
        assert_eq!(items(Scope { shard: Some(3), since: 5 }, Range::WHOLE), 25);
        let parts: u64 = Range::WHOLE.split(3).map(|range| items(everything, range)).sum();
        assert_eq!(parts, 200);
        assert_eq!(Range::new(3, 5).map(|r| r.split(2).map(Range::prefix).collect()), Some(vec![20, 21, 22, 23]));
        assert_eq!(Range::WHOLE.split(13).count(), 0);
        assert_eq!((Range::new(2, 4), Range::new(13, 0)), (None, None));
    }

    #[test]
    fn a_short_id_leads_to_its_id_under_any_salt() {
        let inventory = filled();
        for salt in [Salt(0), Salt(9)] {
            let key = Key::new(salt);
            let wanted = BTreeSet::from([key.short(&[7; 32]), key.short(&[250; 32])]);
            let found = inventory.resolve(Scope::everything(), Range::WHOLE, &key, &wanted);
            assert_eq!(found, [(key.short(&[7; 32]), [7; 32])]);
        }
    }
}
