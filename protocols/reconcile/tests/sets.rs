//! Sets, symbols and decoder by themselves.

use std::collections::BTreeSet;

use meerkat_reconcile::{Decoder, Id, Key, MAX_SYMBOLS, Mapping, SYMBOL_BYTES, Salt, ShortId, Sketch, Symbol};
use proptest::prelude::*;

fn sketch(salt: Salt, symbols: usize, ids: impl IntoIterator<Item = Id>) -> Sketch {
    let mut sketch = Sketch::new(salt, symbols);
    ids.into_iter().for_each(|id| sketch.insert(&id));
    sketch
}

/// The difference as read off `theirs` in pieces, and how many symbols it took.
fn read(ours: &Sketch, theirs: &Sketch, piece: usize) -> (Vec<ShortId>, usize) {
    let mut decoder = Decoder::new(*ours.key());
    loop {
        let from = decoder.received();
        let symbols = theirs.symbols(from, from + piece);
        assert!(!symbols.is_empty(), "not read within {from} symbols");
        if decoder.push(symbols, ours).expect("honest symbols") {
            return (decoder.difference().collect(), decoder.received());
        }
    }
}

fn ids(most: usize) -> impl Strategy<Value = BTreeSet<Id>> {
    // Few distinct bytes, so that two sets have much in common.
    let id = (0..200_u8).prop_map(|n| [n; 32]);
    proptest::collection::btree_set(id, 0..most)
}

proptest! {
    #[test]
    fn any_two_sets_reconcile(ours in ids(200), theirs in ids(200), salt: u64, piece in 1_usize..40) {
        let key = Key::new(Salt(salt));
        let expected: BTreeSet<_> = ours.symmetric_difference(&theirs).map(|id| key.short(id)).collect();
        let (ours, theirs) = (sketch(Salt(salt), 2_000, ours), sketch(Salt(salt), 2_000, theirs));
        let (difference, _) = read(&ours, &theirs, piece);
        prop_assert_eq!(difference, expected.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn a_sketch_does_not_depend_on_the_order_or_on_what_left(
        kept in ids(100),
        left in ids(100),
        order in any::<prop::sample::Index>(),
    ) {
        let plain = sketch(Salt(0), 500, kept.iter().copied());
        let mut turned: Vec<_> = kept.iter().copied().collect();
        turned.rotate_left(if kept.is_empty() { 0 } else { order.index(kept.len()) });
        let (passing, end) = (left.difference(&kept).copied(), left.difference(&kept));
        let mut sketch = sketch(Salt(0), 500, passing.chain(turned));
        end.for_each(|id| sketch.remove(id));
        prop_assert_eq!(sketch.symbols(0, 500), plain.symbols(0, 500));
        prop_assert_eq!(sketch.gauge(), plain.gauge());
        prop_assert_eq!(sketch.fingerprint(), plain.fingerprint());
        prop_assert_eq!(sketch.items(), kept.len() as u64);
    }

    #[test]
    fn a_longer_sketch_begins_with_the_shorter_one(ids in ids(100), length in 0_usize..300) {
        let (short, long) = (sketch(Salt(4), length, ids.iter().copied()), sketch(Salt(4), 300, ids));
        prop_assert_eq!(short.symbols(0, 300), long.symbols(0, length));
    }

    #[test]
    fn any_symbols_end_in_a_bounded_time(
        bytes in proptest::collection::vec(any::<[u8; SYMBOL_BYTES]>(), 1..300),
        salt: u64,
        piece in 1_usize..50,
    ) {
        let symbols: Vec<_> = bytes.into_iter().map(Symbol::from_bytes).collect();
        let ours = sketch(Salt(salt), symbols.len(), (0..50).map(|n| [n; 32]));
        let mut decoder = Decoder::new(*ours.key());
        for symbols in symbols.chunks(piece) {
            if decoder.push(symbols, &ours).is_err() {
                break;
            }
            prop_assert!(decoder.difference().count() <= decoder.received());
        }
    }
}

/// What the goals rest on: 1.4 symbols for each of a thousand differences, whatever the sets hold in common.
#[test]
fn a_thousand_differences_take_fourteen_hundred_symbols() {
    let ours = sketch(Salt(0), 4_000, (0..10_500).map(narrow));
    let theirs = sketch(Salt(0), 4_000, (500..11_000).map(narrow));
    let (difference, symbols) = read(&ours, &theirs, 1);
    assert_eq!(difference.len(), 1_000);
    assert!((1_250..1_550).contains(&symbols), "{symbols}");
}

/// Ids that differ in four bytes only: the key must do the spreading.
fn narrow(n: u32) -> Id {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&n.to_le_bytes());
    id
}

/// An item that would be put back by one symbol as often as another takes it out, if nobody counted.
#[test]
fn symbols_that_contradict_each_other_are_no_difference() {
    let ours = Sketch::new(Salt(0), 64);
    let mut symbols = sketch(Salt(0), 64, [[9; 32]]).symbols(0, 64).to_vec();
    let elsewhere = symbols.iter().rposition(|symbol| !symbol.is_zero()).expect("it is in the first at least");
    assert_ne!(elsewhere, 0);
    assert_eq!(Decoder::new(*ours.key()).push(&symbols, &ours), Ok(true));
    symbols[elsewhere] = Symbol::default();
    assert!(Decoder::new(*ours.key()).push(&symbols, &ours).is_err());
}

#[test]
fn more_symbols_than_there_can_be_are_refused() {
    let ours = Sketch::new(Salt(0), usize::MAX);
    assert_eq!(ours.symbols(0, usize::MAX).len(), MAX_SYMBOLS);
    let mut decoder = Decoder::new(*ours.key());
    let junk = Symbol::from_bytes([7; SYMBOL_BYTES]);
    assert_eq!(decoder.push(&vec![junk; MAX_SYMBOLS], &ours), Ok(false));
    assert!(decoder.push(&[junk], &ours).is_err());
}

/// Two nodes of different releases, on different machines, must agree on every bit.
#[test]
fn the_derived_values_never_change() {
    let short = Key::new(Salt(0)).short(&[1; 32]);
    assert_eq!(short, ShortId(15_290_427_743_103_703_775));
    assert_eq!(Mapping::new(short).take(8).collect::<Vec<_>>(), [0, 2, 4, 6, 24, 52, 54, 85]);
    let sketch = sketch(Salt(0), 40, [[1; 32]]);
    assert_eq!(sketch.fingerprint(), 0xa9d8_8e21_87cb_8f2b);
    assert_eq!(sketch.symbols(0, 1)[0].to_bytes(), [0xdf, 0x5a, 0x79, 0x2b, 0x05, 0x83, 0x32, 0xd4, 0xfc, 0x20, 0xe2]);
    assert_eq!(sketch.gauge().cells(true).iter().position(|cell| *cell == 255), Some(16));
}
