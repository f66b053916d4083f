//! Symbols from a peer. Whatever they are, reading them ends; and what is read off them is what they are the sum of.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_reconcile::{Decoder, Mapping, SYMBOL_BYTES, Salt, Sketch, Symbol};

fuzz_target!(|bytes: &[u8]| {
    let Some(([piece, own], bytes)) = bytes.split_first_chunk() else { return };
    let symbols: Vec<_> = bytes.as_chunks::<SYMBOL_BYTES>().0.iter().copied().map(Symbol::from_bytes).collect();
    let mut ours = Sketch::new(Salt(0), symbols.len());
    (0..*own).for_each(|n| ours.insert(&[n; 32]));
    let mut decoder = Decoder::new(*ours.key());
    for symbols in symbols.chunks(usize::from(*piece).max(1)) {
        match decoder.push(symbols, &ours) {
            Ok(true) => {
                // Each symbol that came is ours and the difference, put together.
                let received = decoder.received();
                let items: Vec<_> = decoder.difference().collect();
                assert!(items.len() <= received);
                for index in 0..received.min(64) {
                    let has = |short| Mapping::new(short).take_while(|i| *i <= index).any(|i| i == index);
                    let in_it = items.iter().filter(|short| has(**short)).count();
                    let same = ours.symbols(index, index + 1)[0] == symbols_at(bytes, index);
                    assert!(in_it > 0 || same, "a symbol without an item differs");
                }
            }
            Ok(false) => {}
            Err(_) => return,
        }
    }
});

fn symbols_at(bytes: &[u8], index: usize) -> Symbol {
    Symbol::from_bytes(bytes.as_chunks::<SYMBOL_BYTES>().0[index])
}
