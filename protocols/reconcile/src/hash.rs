//! Short ids, and everything else that is derived from an id.

use siphasher::sip128::SipHasher13;

/// What is reconciled: the hash of something.
pub type Id = [u8; 32];

/// A number both sides use for one attempt. Zero is the salt of the sketches that are kept up; any other is drawn at
/// random for an attempt, and whoever chose ids to collide under the salts before it has to begin anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Salt(pub u64);

/// An id, keyed and shortened to 64 bits: what symbols are sums of.
///
/// Of a million ids, two collide by accident once in 37 million sets. Somebody who knows the key finds a pair with some
/// 2^32 hashes; that is what the salted retry is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ShortId(pub u64);

/// The hash functions of one salt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    salt: Salt,
    sip: SipKey,
    check: u64,
    gauge: u64,
}

type SipKey = (u64, u64);

impl Key {
    /// The same on both sides.
    #[must_use]
    pub fn new(salt: Salt) -> Self {
        let word = |domain: &[u8; 8]| mix(u64::from_le_bytes(*domain) ^ mix(salt.0));
        Self { salt, sip: (word(b"short id"), salt.0), check: word(b"checksum"), gauge: word(b"estimate") }
    }

    /// What it was made from.
    #[must_use]
    pub fn salt(&self) -> Salt {
        self.salt
    }

    /// The short form of an id.
    #[must_use]
    pub fn short(&self, id: &Id) -> ShortId {
        self.both(id).0
    }

    /// The short form and the term of the set's sum: SipHash-1-3 with 128 bits, of which the first half is the short id.
    pub(crate) fn both(&self, id: &Id) -> (ShortId, u128) {
        let hash = SipHasher13::new_with_keys(self.sip.0, self.sip.1).hash(id);
        (ShortId(hash.h1), hash.as_u128())
    }

    /// By which a symbol that holds one item is told from one that holds several. 24 bits: a sum of several passes for
    /// an item once in 16 million, and reading off ten thousand items looks at some 26,000 of them.
    pub(crate) fn check(&self, short: ShortId) -> u32 {
        // The top 24 bits.
        (mix(short.0 ^ self.check) >> 40) as u32
    }

    /// Where an item counts in the [`crate::Gauge`], and whether it adds or takes away.
    pub(crate) fn gauge(&self, short: ShortId) -> (u8, bool) {
        let [cell, .., sign] = mix(short.0 ^ self.gauge).to_be_bytes();
        (cell, sign & 1 == 1)
    }

    /// A set's sum and size as the eight bytes that are sent.
    pub(crate) fn fingerprint(&self, sum: u128, items: u64) -> u64 {
        let mut bytes = [0; 24];
        bytes[..16].copy_from_slice(&sum.to_le_bytes());
        bytes[16..].copy_from_slice(&items.to_le_bytes());
        SipHasher13::new_with_keys(self.sip.0, self.sip.1).hash(&bytes).h1
    }
}

/// Spreads 64 bits over 64 bits (the finalizer of SplitMix64; Steele, Lea and Flood, "Fast Splittable Pseudorandom
/// Number Generators", OOPSLA 2014).
pub(crate) fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_salt_changes_everything_that_is_derived() {
        let (plain, salted) = (Key::new(Salt(0)), Key::new(Salt(7)));
        let id = [3; 32];
        assert_ne!(plain.short(&id), salted.short(&id));
        assert_ne!(plain.check(ShortId(5)), salted.check(ShortId(5)));
        assert_ne!(plain.fingerprint(9, 1), salted.fingerprint(9, 1));
        assert_eq!(Key::new(Salt(7)), salted);
    }
}
