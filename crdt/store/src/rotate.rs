//! Rotation: all values are sealed anew with another data key, in steps between which everything else goes on.
//!
//! The order makes it safe to be stopped at any point. First the key file takes the new key beside the old one; then
//! values are sealed with the new one and read with either; each step writes how far it came in the transaction that
//! seals; and only when the last table is through, the old key leaves the file. Who starts again goes on where the steps
//! stopped, because the place is bound to the key that it leads to.

use serde::{Deserialize, Serialize};

use crate::{
    KeyCase, Store,
    errors::{CommitError, Fault, OpenError},
    file::Writing,
    rows::Step,
    seal::Seal,
    tables::{ALL, META, meta_key},
};

const PLACE: [u8; 16] = meta_key("rotation");
const PLACE_DOMAIN: &str = "meerkat 2026-11 store rotation place";
/// Bytes of values that one step seals: some ten milliseconds, in which a batch waits.
const STEP_BYTES: usize = 512 << 10;

/// How far a rotation is. `rows` counts what it found, `of` what the database says there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Values that were looked at.
    pub rows: u64,
    /// Values that there are.
    pub of: u64,
    /// Values that no key opens: they had decayed before.
    pub damaged: u64,
    /// Nothing is sealed with the old key any more.
    pub done: bool,
}

/// Where the next step begins. A table is found by its name, so that one that came with an update is not left out.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
struct Place {
    /// To which key it leads.
    #[serde(with = "serde_bytes")]
    key: Vec<u8>,
    /// Tables that are through.
    through: Vec<String>,
    /// Where to go on in the first that is not.
    #[serde(with = "serde_bytes")]
    from: Vec<u8>,
    rows: u64,
    damaged: u64,
}

impl Store {
    /// Begins to replace the data key, or goes on with a rotation that was stopped. From now on values are sealed with
    /// the new key; [`Store::rotate_some`] seals those that are there.
    ///
    /// # Errors
    /// Whatever keeps the key file from being written; then everything is as before.
    pub fn begin_rotation(&self, case: &mut KeyCase) -> Result<(), OpenError> {
        case.begin_rotation()?;
        self.handle.set_seal(Seal::new(case.ring()));
        Ok(())
    }

    /// Seals some more values anew. Call it until it says `done`, then [`Store::end_rotation`].
    ///
    /// # Errors
    /// As [`Store::commit`]; what was sealed stays so, and it can be called again.
    pub fn rotate_some(&self, case: &KeyCase) -> Result<Rotation, CommitError> {
        let Some(next) = case.ring().next() else { return Ok(Rotation { done: true, ..Rotation::default() }) };
        let id = blake3::derive_key(PLACE_DOMAIN, next.bytes())[..8].to_vec();
        let of = self.handle.read(|reading| {
            ALL.iter().map(|table| table.len(reading)).try_fold(0, |sum: u64, len| Ok::<_, Fault>(sum + len?))
        })?;
        Ok(self.write(|writing| {
            let mut place = writing.get::<_, Place>(&META, &PLACE)?.filter(|place| place.key == id).unwrap_or_default();
            place.key.clone_from(&id);
            let done = seal_some(writing, &mut place)?;
            writing.put(&META, &PLACE, &place)?;
            Ok(Rotation { rows: place.rows, of: of.max(place.rows), damaged: place.damaged, done })
        })?)
    }

    /// Forgets the old key: it leaves the key file. What this process holds of it goes with the process, because a reader
    /// may still look at the file as it was.
    ///
    /// # Errors
    /// Whatever keeps the key file from being written; then both keys stay, and it can be called again.
    pub fn end_rotation(&self, case: &mut KeyCase) -> Result<(), OpenError> {
        case.end_rotation()
    }
}

/// `true` if nothing was left.
fn seal_some(writing: &Writing<'_>, place: &mut Place) -> Result<bool, Fault> {
    let Some(table) = ALL.iter().find(|table| !place.through.iter().any(|name| name == table.name())) else {
        return Ok(true);
    };
    let Step { rows, damaged, next } = table.reseal(writing, &place.from, STEP_BYTES)?;
    (place.rows, place.damaged) = (place.rows + rows, place.damaged + damaged);
    match next {
        Some(from) => place.from = from,
        None => {
            place.through.push(table.name().to_owned());
            place.from.clear();
        }
    }
    Ok(false)
}
