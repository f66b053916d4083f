//! Letters: what a neighbour sealed, opened, and what stands in it. A letter that is read says what can be said, and is written
//! to the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_protocols::{
    home::{HomeId, NodeNumber},
    letter::{Address, Content, Correspondent, Letter, MAX_DATA_BYTES, MAX_TEXT_BYTES, SealSecret, SealedLetter},
};

fn end(n: u8) -> (SealSecret, Correspondent) {
    let secret = SealSecret::from_bytes([n; 32]);
    let key = secret.key();
    (secret, Correspondent { address: Address { home: HomeId([n; 16]), node: NodeNumber(0) }, key })
}

fuzz_target!(|bytes: &[u8]| {
    let ((_, from), (secret, to)) = (end(1), end(2));
    // The header is public, so an attacker writes the right one.
    let header = [&[1][..], &[2, 2, 2, 2, 0], &[1, 1, 1, 1, 0]].concat();
    let sealed = SealedLetter([&header, bytes].concat().into());
    assert!(sealed.open(&secret, &from, &to.address).is_err());
    let Ok(letter) = Letter::decode(bytes) else { return };
    match &letter.content {
        Content::Text(text) => assert!((1..=MAX_TEXT_BYTES).contains(&text.len())),
        Content::Data(_, data) => assert!((1..=MAX_DATA_BYTES).contains(&data.len())),
    }
    assert_eq!(Letter::decode(&letter.encode()), Ok(letter));
});
