//! Strangers' signatures, many at once.
//!
//! Each is checked by itself (`verify_strict`). The sum of many that ed25519 allows to check at once is three times as fast,
//! and accepts by chance what the single check refuses (Chalkias, Garillot, Nikolaenko: "Taming the many EdDSAs", 2020):
//! a statement that one home keeps and another takes for forged would set honest peers against each other. So the speed
//! comes from the machine's other cores.

use std::{collections::HashMap, num::NonZero, thread};

use ed25519_dalek::VerifyingKey;
use meerkat_protocols::statement::Sealed;

/// Fewer are checked before another thread has begun: some 40 µs each.
const WORTH_A_THREAD: usize = 32;
/// A Raspberry Pi's cores. More would only bring what the disk does not take as fast.
const MAX_THREADS: usize = 4;

/// Whether the signature holds.
pub(super) fn holds((sealed, key): &(Sealed, [u8; 32])) -> bool {
    VerifyingKey::from_bytes(key).is_ok_and(|key| sealed.verify(&key))
}

/// The same for some. A home's statements stand near each other, and to read its key is a sixth of the work.
fn some_hold(some: &[(Sealed, [u8; 32])]) -> Vec<bool> {
    let mut keys: HashMap<[u8; 32], Option<VerifyingKey>> = HashMap::new();
    let mut holds = |sealed: &Sealed, key: &[u8; 32]| {
        let known = keys.entry(*key).or_insert_with(|| VerifyingKey::from_bytes(key).ok());
        known.is_some_and(|key| sealed.verify(&key))
    };
    some.iter().map(|(sealed, key)| holds(sealed, key)).collect()
}

/// Whether each of them holds.
pub(super) fn all_hold(all: &[(Sealed, [u8; 32])]) -> Vec<bool> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let threads = cores.min(MAX_THREADS).min(all.len() / WORTH_A_THREAD);
    if threads < 2 {
        return some_hold(all);
    }
    thread::scope(|scope| {
        let parts = all.chunks(all.len().div_ceil(threads)).map(|part| {
            let begun = scope.spawn(|| some_hold(part));
            (part, begun)
        });
        let parts: Vec<_> = parts.collect();
        // Nothing in there panics; if it did, its part is checked here.
        let of_part = |(part, begun): (&[_], thread::ScopedJoinHandle<'_, Vec<bool>>)| {
            begun.join().unwrap_or_else(|_| some_hold(part))
        };
        parts.into_iter().flat_map(of_part).collect()
    })
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;
    use meerkat_protocols::{
        home::{Genesis, NodeNumber},
        number::E164,
        statement::{Basis, Body, Category, Statement},
        time::Day,
    };

    use super::*;

    #[test]
    fn the_answers_stand_in_the_order_of_the_questions() {
        let key = SigningKey::from_bytes(&[7; 32]);
        let genesis = Genesis::new(&key.verifying_key());
        let number = E164::from_digits(4_930_901_820).expect("a number");
        let body = Body::Report { number, category: Category::Scam, basis: Basis::Told };
        let one = |n: u16| {
            let statement = Statement { home: genesis.home(), node: NodeNumber(0), day: Day(n), slot: 0, body };
            let mut sealed = statement.sign(&key);
            if n.is_multiple_of(3) {
                *sealed.0.last_mut().expect("bytes") ^= 1;
            }
            (sealed, key.verifying_key().to_bytes())
        };
        for count in [0, 1, 31, 64, 257] {
            let all: Vec<_> = (0..count).map(one).collect();
            let expected: Vec<bool> = (0..count).map(|n| n % 3 != 0).collect();
            assert_eq!(all_hold(&all), expected);
        }
    }
}
