//! What is measured before Automerge sees a byte.
//!
//! Automerge 0.12 trusts its input in four ways that this module does not:
//!
//! - it inflates without a limit: a change of 1 MB took 2 GB of memory;
//! - its columns are run-length encoded, so that ten bytes can announce four thousand million operations;
//! - it accepts operation counters up to the end of 32 bits, after which the second edit of one's own panics;
//! - `Change::try_from` does not compare the chunk's checksum.

use std::io::Read;

use automerge::Change;
use flate2::read::DeflateDecoder;

/// The most bytes of one chunk from the store or a node: 100,000 entries saved whole take under 4 MiB.
pub const MAX_CHUNK_BYTES: usize = 32 << 20;
/// The most bytes of one change once inflated: the longest notes are 8 kB, an import writes its entries in changes.
pub const MAX_CHANGE_BYTES: usize = 1 << 20;
/// The most bytes of a whole document once inflated.
pub const MAX_DOCUMENT_BYTES: usize = 64 << 20;
/// The most values in one column of a change.
pub const MAX_CHANGE_ROWS: u64 = 1_000_000;
/// The most values in one column of a whole document: 100,000 entries with three fields, each edited ten times.
pub const MAX_DOCUMENT_ROWS: u64 = 4_000_000;
/// How far ahead of ours the operation counter of a change may be: a year of edits while apart is under 100,000.
pub const MAX_OP_AHEAD: u64 = 1_000_000;
/// Where counters end for us. Automerge panics at 2^32; at 2^31 a home still has two thousand million edits left.
pub const MAX_OP: u64 = 1 << 31;

/// Why bytes were turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// More bytes than any honest chunk has.
    #[error("it is larger than any document of ours")]
    TooLarge,
    /// It inflates to more than any honest chunk does.
    #[error("it inflates to more than any document of ours holds")]
    Bomb,
    /// It announces more operations than any honest chunk does.
    #[error("it announces more operations than any document of ours has")]
    TooManyRows,
    /// The operation counter would use up the numbers of the document.
    #[error("its operation counter is too far ahead")]
    TooFarAhead,
    /// It is not what Automerge writes, or bits of it changed.
    #[error("its bytes are not what was written")]
    Malformed,
}

/// A chunk that may be handed on.
#[derive(Debug)]
pub(crate) enum Chunk<'a> {
    /// A whole document, as saved.
    Document(&'a [u8]),
    /// One change, parsed, its checksum compared.
    Change(Box<Change>),
}

const MAGIC: [u8; 4] = [0x85, 0x6f, 0x4a, 0x83];
const DOCUMENT: u8 = 0;
const CHANGE: u8 = 1;
const COMPRESSED: u8 = 2;
/// Magic, checksum, kind; the length follows.
const HEAD: usize = 9;
/// The bit of a column's specification that says that it is deflated.
const DEFLATED: u64 = 0b1000;

/// Takes the chunks of `bytes` apart and measures each.
///
/// # Errors
/// The first fault ends it: what follows bytes that cannot be read cannot be found.
pub(crate) fn chunks(bytes: &[u8]) -> Result<Vec<Chunk<'_>>, Unsafe> {
    if bytes.len() > MAX_CHUNK_BYTES {
        return Err(Unsafe::TooLarge);
    }
    let mut rest = bytes;
    let mut out = Vec::new();
    while !rest.is_empty() {
        let (chunk, after) = next(rest)?;
        out.push(chunk);
        rest = after;
    }
    Ok(out)
}

fn next(bytes: &[u8]) -> Result<(Chunk<'_>, &[u8]), Unsafe> {
    let head = bytes.get(..HEAD).ok_or(Unsafe::Malformed)?;
    if head[..4] != MAGIC {
        return Err(Unsafe::Malformed);
    }
    let mut cursor = Cursor(&bytes[HEAD..]);
    let data = cursor.prefixed()?;
    let (whole, after) = bytes.split_at(bytes.len() - cursor.0.len());
    let checksum = &head[4..8];
    let chunk = match head[8] {
        DOCUMENT => {
            document(data)?;
            Chunk::Document(whole)
        }
        CHANGE => change(checksum, data)?,
        COMPRESSED => change(checksum, &inflate(data, MAX_CHANGE_BYTES)?)?,
        // Bundles are experimental upstream and written by nobody here.
        _ => return Err(Unsafe::Malformed),
    };
    Ok((chunk, after))
}

fn change<'a>(checksum: &[u8], data: &[u8]) -> Result<Chunk<'a>, Unsafe> {
    if data.len() > MAX_CHANGE_BYTES {
        return Err(Unsafe::TooLarge);
    }
    change_rows(data)?;
    let mut chunk = Vec::with_capacity(HEAD + 10 + data.len());
    chunk.extend_from_slice(&MAGIC);
    chunk.extend_from_slice(checksum);
    chunk.push(CHANGE);
    write_leb(&mut chunk, data.len() as u64);
    chunk.extend_from_slice(data);
    // Its checksum is compared after parsing, so that what is parsed may be anything.
    let parsed = std::panic::catch_unwind(|| Change::try_from(&chunk[..]));
    let change = parsed.ok().and_then(Result::ok).ok_or(Unsafe::Malformed)?;
    // The chunk's checksum is the first four bytes of the change's hash.
    if change.hash().as_ref()[..4] != *checksum {
        return Err(Unsafe::Malformed);
    }
    Ok(Chunk::Change(Box::new(change)))
}

/// Refuses a change whose counter is more than [`MAX_OP_AHEAD`] ahead of `ours`; else gives the counter then reached.
pub(crate) fn counter(change: &Change, ours: u64) -> Result<u64, Unsafe> {
    // `max_op` itself is start + length - 1 and would wrap.
    let last = u64::from(change.start_op()).checked_add(change.len() as u64).ok_or(Unsafe::TooFarAhead)? - 1;
    if last > ours.saturating_add(MAX_OP_AHEAD) || last > MAX_OP {
        return Err(Unsafe::TooFarAhead);
    }
    Ok(ours.max(last))
}

fn change_rows(data: &[u8]) -> Result<(), Unsafe> {
    let mut at = Cursor(data);
    at.hashes()?; // dependencies
    at.prefixed()?; // actor
    at.leb()?; // sequence
    at.leb()?; // first operation
    at.signed()?; // time
    at.prefixed()?; // message
    at.prefixed_list()?; // other actors
    let columns = at.columns()?;
    if columns.iter().any(|(spec, _)| spec & DEFLATED != 0) {
        return Err(Unsafe::Malformed);
    }
    columns.into_iter().try_for_each(|(spec, len)| rows(spec, at.take(len)?, MAX_CHANGE_ROWS))
}

fn document(data: &[u8]) -> Result<(), Unsafe> {
    let mut at = Cursor(data);
    at.prefixed_list()?; // actors
    at.hashes()?; // heads
    let changes = at.columns()?;
    let operations = at.columns()?;
    let mut left = MAX_DOCUMENT_BYTES;
    for (spec, len) in changes.into_iter().chain(operations) {
        let raw = at.take(len)?;
        if spec & DEFLATED == 0 {
            rows(spec, raw, MAX_DOCUMENT_ROWS)?;
        } else {
            let inflated = inflate(raw, left)?;
            left -= inflated.len();
            rows(spec, &inflated, MAX_DOCUMENT_ROWS)?;
        }
    }
    Ok(())
}

fn inflate(data: &[u8], max: usize) -> Result<Vec<u8>, Unsafe> {
    let mut out = Vec::new();
    let mut limited = DeflateDecoder::new(data).take(max as u64 + 1);
    limited.read_to_end(&mut out).map_err(|_| Unsafe::Malformed)?;
    if out.len() > max {
        return Err(Unsafe::Bomb);
    }
    Ok(out)
}

/// Counts the values of a column without making any of them. The three low bits of a specification are its type
/// (Automerge binary format, "column specifications").
fn rows(spec: u64, data: &[u8], max: u64) -> Result<(), Unsafe> {
    const DELTA: u64 = 3;
    const BOOLEAN: u64 = 4;
    const STRING: u64 = 5;
    const RAW: u64 = 7;
    let kind = spec & 0b111;
    let mut at = Cursor(data);
    let mut count: u64 = 0;
    let skip_value = |at: &mut Cursor<'_>| match kind {
        STRING => at.prefixed().map(drop),
        DELTA => at.signed().map(drop),
        _ => at.leb().map(drop),
    };
    while !at.0.is_empty() && kind != RAW {
        let run = if kind == BOOLEAN { i64::try_from(at.leb()?).unwrap_or(i64::MAX) } else { at.signed()? };
        let length = match (kind, run) {
            (BOOLEAN, n) => n.unsigned_abs(),
            (_, 0) => at.leb()?,
            (_, n) if n > 0 => {
                skip_value(&mut at)?;
                n.unsigned_abs()
            }
            (_, n) => {
                // Each value takes at least a byte, so the data bounds this loop.
                for _ in 0..n.unsigned_abs() {
                    skip_value(&mut at)?;
                }
                n.unsigned_abs()
            }
        };
        count = count.saturating_add(length);
        if count > max {
            return Err(Unsafe::TooManyRows);
        }
    }
    Ok(())
}

/// Reads along bytes; every step fails rather than leave them.
pub(crate) struct Cursor<'a>(pub(crate) &'a [u8]);

impl<'a> Cursor<'a> {
    pub(crate) fn take(&mut self, len: u64) -> Result<&'a [u8], Unsafe> {
        let len = usize::try_from(len).ok().filter(|n| *n <= self.0.len()).ok_or(Unsafe::Malformed)?;
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Unsafe> {
        self.take(1).map(|b| b[0])
    }

    /// An unsigned LEB128 number.
    pub(crate) fn leb(&mut self) -> Result<u64, Unsafe> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Unsafe::Malformed)
    }

    /// A signed LEB128 number.
    fn signed(&mut self) -> Result<i64, Unsafe> {
        let mut value = 0_i64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            value |= i64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let negative = byte & 0x40 != 0 && shift + 7 < 64;
                return Ok(if negative { value | (-1 << (shift + 7)) } else { value });
            }
        }
        Err(Unsafe::Malformed)
    }

    pub(crate) fn prefixed(&mut self) -> Result<&'a [u8], Unsafe> {
        let len = self.leb()?;
        self.take(len)
    }

    fn prefixed_list(&mut self) -> Result<(), Unsafe> {
        for _ in 0..self.leb()? {
            self.prefixed()?;
        }
        Ok(())
    }

    fn hashes(&mut self) -> Result<(), Unsafe> {
        for _ in 0..self.leb()? {
            self.take(32)?;
        }
        Ok(())
    }

    /// Specifications and lengths of columns, whose data follows.
    fn columns(&mut self) -> Result<Vec<(u64, u64)>, Unsafe> {
        let mut out = Vec::new();
        for _ in 0..self.leb()? {
            out.push((self.leb()?, self.leb()?));
        }
        Ok(out)
    }
}

fn write_leb(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_they_were_written() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            write_leb(&mut bytes, value);
            assert_eq!(Cursor(&bytes).leb(), Ok(value));
        }
        for (bytes, value) in [(&[0x7f][..], -1), (&[0x80, 0x7f], -128), (&[0x3f], 63), (&[0xc0, 0x00], 64)] {
            assert_eq!(Cursor(bytes).signed(), Ok(value));
        }
        assert_eq!(Cursor(&[0xff; 11]).leb(), Err(Unsafe::Malformed));
        assert_eq!(Cursor(&[0xff; 11]).signed(), Err(Unsafe::Malformed));
    }

    #[test]
    fn a_run_announced_in_a_few_bytes_is_counted_without_being_made() {
        let mut run = Vec::from([0x80, 0x80, 0x80, 0x80, 0x08]); // a run of 2^31
        run.push(1);
        assert_eq!(rows(0x42, &run, MAX_CHANGE_ROWS), Err(Unsafe::TooManyRows));
        assert_eq!(rows(0x42, &[3, 1, 0x7e, 5, 6, 0, 4], 9), Ok(()));
        assert_eq!(rows(0x42, &[3, 1, 0x7e, 5, 6, 0, 4], 8), Err(Unsafe::TooManyRows));
        assert_eq!(rows(0x44, &[0, 5, 5], 9), Err(Unsafe::TooManyRows));
    }

    #[test]
    fn what_inflates_too_far_is_turned_away_after_the_limit() {
        use std::io::Write;
        let mut bomb = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        bomb.write_all(&vec![0; 8 << 20]).expect("memory takes all");
        let bomb = bomb.finish().expect("memory takes all");
        assert!(bomb.len() < 20_000);
        assert_eq!(inflate(&bomb, MAX_CHANGE_BYTES), Err(Unsafe::Bomb));
    }
}
