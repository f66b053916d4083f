//! A sync message of Automerge, measured before Automerge reads it.
//!
//! Its reader trusts three numbers: it makes room for as many probes of a Bloom filter as the message names (16 GB for
//! 2^32), divides by the filter's bits (none, if it names none per entry), and reads lists as long as they say they are.

use automerge::sync::Message;

use crate::{
    document::caught,
    guard::{Cursor, Unsafe},
};

/// The most bytes of a sync message, so that the word around it stays under the 256 KiB of a member's word.
pub const MAX_MESSAGE_BYTES: usize = 240 << 10;
/// The most heads of a document: twenty members with fifty starts each, all apart.
const MAX_HEADS: u64 = 1_000;
/// The most changes asked for by name at once.
const MAX_NEED: u64 = 4_000;
/// Filters in one message; Automerge sends one.
const MAX_FILTERS: u64 = 4;
/// The most entries of a filter: at ten bits each, more do not fit into a message.
const MAX_FILTER_ENTRIES: u64 = 200_000;
/// What Automerge writes.
const FILTER_BITS_PER_ENTRY: u64 = 10;
const FILTER_PROBES: u64 = 7;

const HASH_BYTES: u64 = 32;

/// Reads a sync message.
///
/// # Errors
/// [`Unsafe`] when it is larger than any of ours, or not what Automerge writes.
pub(crate) fn read(bytes: &[u8]) -> Result<Message, Unsafe> {
    if bytes.len() > MAX_MESSAGE_BYTES {
        return Err(Unsafe::TooLarge);
    }
    measure(bytes)?;
    caught(|| Message::decode(bytes).map_err(|_| automerge::AutomergeError::Fail)).map_err(|_| Unsafe::Malformed)
}

fn measure(bytes: &[u8]) -> Result<(), Unsafe> {
    let mut at = Cursor(bytes);
    // 0x42 and 0x43 are the two versions of the message.
    if !matches!(at.take(1)?, [0x42 | 0x43]) {
        return Err(Unsafe::Malformed);
    }
    hashes(&mut at, MAX_HEADS)?;
    hashes(&mut at, MAX_NEED)?;
    let filters = at.leb()?;
    if filters > MAX_FILTERS {
        return Err(Unsafe::Malformed);
    }
    for _ in 0..filters {
        hashes(&mut at, MAX_HEADS)?;
        filter(at.prefixed()?)?;
    }
    // Each takes a byte at least, so the bytes bound this.
    for _ in 0..at.leb()? {
        at.prefixed()?;
    }
    if !at.0.is_empty() {
        at.prefixed()?;
    }
    if at.0.is_empty() { Ok(()) } else { Err(Unsafe::Malformed) }
}

fn hashes(at: &mut Cursor<'_>, most: u64) -> Result<(), Unsafe> {
    let count = at.leb()?;
    if count > most {
        return Err(Unsafe::Malformed);
    }
    at.take(count * HASH_BYTES).map(drop)
}

fn filter(bytes: &[u8]) -> Result<(), Unsafe> {
    if bytes.is_empty() {
        return Ok(());
    }
    let mut at = Cursor(bytes);
    let (entries, bits, probes) = (at.leb()?, at.leb()?, at.leb()?);
    let honest =
        (1..=MAX_FILTER_ENTRIES).contains(&entries) && bits == FILTER_BITS_PER_ENTRY && probes == FILTER_PROBES;
    let room = at.0.len() as u64 == (entries * FILTER_BITS_PER_ENTRY).div_ceil(8);
    if honest && room { Ok(()) } else { Err(Unsafe::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filter_that_names_no_bits_or_too_many_probes_is_turned_away() {
        let message = |filter: &[u8]| {
            let mut bytes = vec![0x42, 0, 0, 1, 0, filter.len() as u8];
            bytes.extend_from_slice(filter);
            bytes.push(0);
            bytes
        };
        read(&message(&[])).expect("an empty filter");
        read(&message(&[1, 10, 7, 0, 0])).expect("what Automerge writes");
        for hostile in [&[1, 0, 7][..], &[1, 10, 0xff, 0xff, 0xff, 0xff, 0x0f, 0, 0], &[200, 1, 10, 7, 0], &[0, 10, 7]]
        {
            assert_eq!(read(&message(hostile)), Err(Unsafe::Malformed), "{hostile:?}");
        }
        assert_eq!(read(&[0x42, 0xff, 0xff, 0x3f]), Err(Unsafe::Malformed));
        assert_eq!(read(&vec![0x42; MAX_MESSAGE_BYTES + 1]), Err(Unsafe::TooLarge));
    }
}
