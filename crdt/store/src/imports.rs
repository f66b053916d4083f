//! Imported lists, cut into pieces.

use std::collections::{BTreeMap, BTreeSet};

use serde_bytes::{ByteBuf, Bytes};

use crate::{
    errors::{Damaged, Fault},
    file::{Next, Reading, Writing},
    restore::Restored,
    tables::{IMPORTS, piece_key, piece_of},
};

/// Bytes of a piece of an import, which is sealed and opened at once: 300,000 numbers are 37 pieces.
const PIECE_BYTES: usize = 64 * 1024;

/// All pieces in the transaction of their batch, so an import is there whole or not at all.
pub(crate) fn put(writing: &Writing<'_>, id: u32, bytes: &[u8]) -> Result<(), Fault> {
    remove(writing, id)?;
    (0..)
        .zip(bytes.chunks(PIECE_BYTES))
        .try_for_each(|(n, piece)| writing.put(&IMPORTS, &piece_key(id, n), &Bytes::new(piece)))
}

pub(crate) fn remove(writing: &Writing<'_>, id: u32) -> Result<(), Fault> {
    let range = piece_key(id, 0)..=piece_key(id, u32::MAX);
    let mut pieces = writing.txn.open_table(IMPORTS.definition())?;
    Ok(pieces.retain_in::<&[u8; 8], _>(range.start()..=range.end(), |_, _| false)?)
}

/// The bytes of all imports that are whole.
pub(crate) fn all(reading: &Reading<'_>, restored: &mut Restored) -> Result<(), Fault> {
    let (mut next, mut lost) = (BTreeMap::<u32, u32>::new(), BTreeSet::new());
    reading.each(&IMPORTS, [0; 8]..=[0xff; 8], |key, piece: Result<ByteBuf, _>| {
        let (id, n) = piece_of(key);
        let expected = next.entry(id).or_default();
        let in_order = std::mem::replace(expected, n.saturating_add(1)) == n;
        match piece {
            Ok(piece) if in_order => restored.imports.entry(id).or_default().extend_from_slice(&piece),
            Ok(_) => {
                lost.insert(id);
                return restored.note(Damaged::new(IMPORTS.name, &key));
            }
            Err(damaged) => {
                lost.insert(id);
                return restored.note(damaged);
            }
        }
        Next::Go
    })?;
    restored.imports.retain(|id, _| !lost.contains(id));
    Ok(())
}
