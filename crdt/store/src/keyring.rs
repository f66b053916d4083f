//! The keys of a store: the data key, the one it is being replaced by, and the key of the hashed keys.

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::DataKey;

/// Domain of the key that hashes numbers, peers and accounts into keys, as a store's first data key gives it.
const INDEX_DOMAIN: &str = "meerkat 2026-11 store index";

/// What opens a store. It is wiped from memory when dropped and never shown.
///
/// The key of the hashed keys stays what the first data key made it: rows lie under such hashes, and a rotation seals their
/// values anew without moving them. Who had an old data key and gets hold of the file later can therefore find out whether
/// a number that they guess has a row, and not what the row says.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Keyring {
    data: DataKey,
    /// The key that takes the place of `data`, once all values are sealed with it.
    next: Option<DataKey>,
    index: [u8; 32],
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keyring(…)")
    }
}

impl From<&DataKey> for Keyring {
    fn from(data: &DataKey) -> Self {
        Self { data: data.clone(), next: None, index: blake3::derive_key(INDEX_DOMAIN, data.bytes()) }
    }
}

impl From<&Keyring> for Keyring {
    fn from(ring: &Keyring) -> Self {
        ring.clone()
    }
}

impl Keyring {
    /// A keyring of its parts.
    pub(crate) fn of(data: DataKey, next: Option<DataKey>, index: [u8; 32]) -> Self {
        Self { data, next, index }
    }

    /// The key that values are sealed with, and the one that older ones may still need.
    pub(crate) fn newest_first(&self) -> (&DataKey, Option<&DataKey>) {
        match &self.next {
            Some(next) => (next, Some(&self.data)),
            None => (&self.data, None),
        }
    }

    pub(crate) fn data(&self) -> &DataKey {
        &self.data
    }

    pub(crate) fn next(&self) -> Option<&DataKey> {
        self.next.as_ref()
    }

    pub(crate) fn index(&self) -> &[u8; 32] {
        &self.index
    }

    /// Whether values are being sealed anew.
    #[must_use]
    pub fn is_rotating(&self) -> bool {
        self.next.is_some()
    }

    /// From now on values are sealed with `next`. A rotation that is under way keeps the key it has.
    pub(crate) fn begin_rotation(&mut self, next: DataKey) {
        self.next.get_or_insert(next);
    }

    /// All values are sealed with the new key; the old one is forgotten.
    pub(crate) fn end_rotation(&mut self) {
        if let Some(next) = self.next.take() {
            self.data = next;
        }
    }
}
