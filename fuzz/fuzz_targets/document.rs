//! What a member says about the documents of the home: words as they come, sync messages, and changes. Whatever it is, no
//! document is lost, and who goes on is the one who was there before.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_documents::Shelf;
use meerkat_protocols::{
    cbor,
    home::NodeNumber,
    number::E164,
    wishes::{DocumentId, Edit, Entry, Standing, Subject},
};
use serde_bytes::ByteBuf;

const LISTS: u8 = DocumentId::Lists as u8;
/// The kind of a word that begins a talk about a document anew.
const SYNC_FRESH: u8 = 3;

fn number(n: u64) -> Subject {
    Subject::Number(E164::from_digits(4_930_000_000 + n).expect("a number"))
}

fn block(n: u64) -> Edit {
    Edit::SetEntry(number(n), Entry::tidy(Standing::Block, "", ""))
}

/// A sync message that holds one chunk: no heads, no need, an empty filter.
fn with_chunk(chunk: &[u8]) -> Vec<u8> {
    let mut message = vec![0x42, 0, 0, 1, 0, 0, 1];
    let mut length = chunk.len();
    while length >= 0x80 {
        message.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    message.push(length as u8);
    message.extend(chunk);
    message
}

fuzz_target!(|bytes: &[u8]| {
    let Some((way, bytes)) = bytes.split_first() else { return };
    let (mut shelf, _) = Shelf::load([1; 16], []);
    shelf.edit(&block(1)).expect("it fits");
    let sync = |message: Vec<u8>| {
        cbor::encode(&(SYNC_FRESH, LISTS, 0_u32, ByteBuf::new(), ByteBuf::from(message)))
    };
    match way % 4 {
        0 => drop(shelf.take(NodeNumber(9), bytes, true)),
        1 => drop(shelf.take(NodeNumber(9), &sync(bytes.to_vec()), true)),
        2 => drop(shelf.take(NodeNumber(9), &sync(with_chunk(bytes)), true)),
        _ => shelf.restore_session(NodeNumber(9), DocumentId::Lists, bytes),
    }
    let said = shelf.offer(NodeNumber(9), DocumentId::Lists, false);
    assert!(said.suspicions.is_empty(), "to say something is no fault");
    assert!(shelf.wishes().lists.contains_key(&number(1)) || way % 4 == 2, "a change of its own may remove it");
    shelf.edit(&block(2)).expect("it can be edited on");
    assert!(shelf.wishes().lists.contains_key(&number(2)));
});
