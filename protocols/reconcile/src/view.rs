//! What a node shows to one peer: its inventory, and what it has declined to take from that peer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::hash::{Id, Key, Salt, ShortId};
use crate::inventory::{Inventory, Range, Scope, SetId};
use crate::sketch::Sketch;

/// Ids that one peer holds and that this node does not want: their bodies came, and were not what it may keep.
///
/// Two nodes seldom may keep the same. Without this, each exchange would bring again what the last one brought in vain.
/// Whoever has declined an id counts it as its own towards that one peer, which costs no word on the wire: sketches add
/// up, and the peer finds no difference. Towards others it is not there.
#[derive(Debug, Clone, Default)]
pub struct Declined {
    ids: BTreeMap<(ShortId, Id), SetId>,
}

impl Declined {
    /// None.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says whether it is new.
    pub fn insert(&mut self, set: SetId, id: Id) -> bool {
        self.ids.insert((plain(&id), id), set).is_none()
    }

    /// It may be offered again. Says whether it was declined.
    pub fn remove(&mut self, id: &Id) -> bool {
        self.ids.remove(&(plain(id), *id)).is_some()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }
}

fn plain(id: &Id) -> ShortId {
    Key::new(Salt(0)).short(id)
}

/// What one peer is shown.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    inventory: &'a Inventory,
    declined: Option<&'a Declined>,
}

impl<'a> From<&'a Inventory> for View<'a> {
    fn from(inventory: &'a Inventory) -> Self {
        Self { inventory, declined: None }
    }
}

impl<'a> View<'a> {
    /// Of both together.
    #[must_use]
    pub fn new(inventory: &'a Inventory, declined: &'a Declined) -> Self {
        Self { inventory, declined: Some(declined).filter(|d| !d.is_empty()) }
    }

    pub(crate) fn len(self) -> usize {
        self.inventory.len() + self.declined.map_or(0, Declined::len)
    }

    /// How many ids must be gone through for [`Self::sketch`].
    pub(crate) fn cost(self, scope: Scope, range: Range, salt: Salt) -> usize {
        let declined = self.declined.map_or(0, |declined| (declined.len() >> range.bits()) + 1);
        self.inventory.cost(scope, range, salt) + declined
    }

    /// The sketch of a part, as it is now.
    pub(crate) fn sketch(self, scope: Scope, range: Range, salt: Salt) -> Arc<Sketch> {
        let mut sketch = self.inventory.sketch(scope, range, salt);
        let mut declined = self.declined(scope, range).peekable();
        if declined.peek().is_some() {
            let sum = Arc::make_mut(&mut sketch);
            declined.for_each(|(_, id)| sum.insert(id));
        }
        sketch
    }

    /// Which ids are behind these short ones: at most one each, unless two collide.
    pub(crate) fn resolve(
        self,
        scope: Scope,
        range: Range,
        key: &Key,
        wanted: &BTreeSet<ShortId>,
    ) -> Vec<(ShortId, Id)> {
        let mut found = self.inventory.resolve(scope, range, key, wanted);
        let declined = self.declined(scope, range).map(|(_, id)| (key.short(id), *id));
        found.extend(declined.filter(|(short, _)| wanted.contains(short)));
        found
    }

    /// What has been declined and is not held after all: it may have come by another way since, and twice would be never.
    fn declined(self, scope: Scope, range: Range) -> impl Iterator<Item = &'a (ShortId, Id)> {
        let ids = self.declined.map(|declined| declined.ids.range(range.keys()));
        ids.into_iter()
            .flatten()
            .filter_map(move |(key, set)| (scope.holds(*set) && !self.inventory.contains(&key.1)).then_some(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SET: SetId = SetId { shard: 0, day: 5 };

    #[test]
    fn what_was_declined_counts_towards_its_peer_only_and_never_twice() {
        let (mut ours, mut theirs, mut declined) = (Inventory::new(), Inventory::new(), Declined::new());
        for n in 0..50 {
            theirs.insert(SET, [n; 32]);
            if n % 2 == 0 {
                ours.insert(SET, [n; 32])
            } else {
                declined.insert(SET, [n; 32])
            };
        }
        let fingerprint = |view: View<'_>, salt| view.sketch(Scope::everything(), Range::WHOLE, salt).fingerprint();
        for salt in [Salt(0), Salt(7)] {
            let all = fingerprint(View::from(&theirs), salt);
            assert_eq!(fingerprint(View::new(&ours, &declined), salt), all);
            assert_ne!(fingerprint(View::from(&ours), salt), all);
        }
        ours.insert(SET, [1; 32]);
        assert_eq!(
            fingerprint(View::new(&ours, &declined), Salt(0)),
            fingerprint(View::from(&theirs), Salt(0)),
            "it came by another way"
        );
        assert!(declined.remove(&[3; 32]) && !declined.remove(&[3; 32]));
        assert_ne!(fingerprint(View::new(&ours, &declined), Salt(0)), fingerprint(View::from(&theirs), Salt(0)));
    }

    #[test]
    fn scopes_and_ranges_hold_for_what_was_declined() {
        let (ours, mut declined) = (Inventory::new(), Declined::new());
        for n in 0..100_u8 {
            declined.insert(SetId { shard: n % 2, day: u16::from(n % 10) }, [n; 32]);
        }
        let view = View::new(&ours, &declined);
        let items = |scope, range| view.sketch(scope, range, Salt(0)).items();
        assert_eq!(items(Scope { shard: Some(1), since: 5 }, Range::WHOLE), 30);
        let parts: u64 = Range::WHOLE.split(3).map(|range| items(Scope::everything(), range)).sum();
        assert_eq!(parts, 100);
        let wanted = BTreeSet::from([plain(&[7; 32])]);
        let key = Key::new(Salt(0));
        assert_eq!(view.resolve(Scope::everything(), Range::WHOLE, &key, &wanted), [(plain(&[7; 32]), [7; 32])]);
    }
}
