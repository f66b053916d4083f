//! An import as bytes, for a store, and back. The bytes come from this home's own disk, so what does not fit is damage.

use meerkat_protocols::{cbor, text, time::Day};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::{
    blocks::Blocks,
    image::Import,
    intake::{MAX_NAME_CHARS, MAX_NUMBERS},
    key::Key,
};

/// The version of the bytes.
const VERSION: u8 = 1;

/// Version, name, day, keys, places of warm blocks, the heat from which they are hot. The keys are eight bytes each, the
/// highest first.
#[derive(Serialize, Deserialize)]
struct Kept(u8, String, Day, ByteBuf, ByteBuf, u64);

/// The bytes are not those of an import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is no import as it was kept")]
pub struct NotKept;

impl Import {
    /// The import as bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let (places, floor) = self.blocks().parts();
        let keys = self.keys().iter().flat_map(|key| key.to_bits().to_be_bytes()).collect::<Vec<u8>>();
        let places = places.iter().flat_map(|place| place.to_be_bytes()).collect::<Vec<u8>>();
        cbor::encode(&Kept(VERSION, self.name().to_owned(), self.day(), keys.into(), places.into(), floor))
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`NotKept`], and nothing of it is used.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, NotKept> {
        let Kept(version, name, day, keys, places, floor) = cbor::decode(bytes).map_err(|_| NotKept)?;
        let fits = version == VERSION
            && keys.len() <= MAX_NUMBERS * size_of::<Key>()
            && places.len() <= MAX_NUMBERS * size_of::<u64>()
            && name == text::inert(&name)
            && (1..=MAX_NAME_CHARS).contains(&name.chars().count());
        if !fits {
            return Err(NotKept);
        }
        let keys: Vec<Key> = words(&keys)?.into_iter().map(Key::from_bits).collect();
        let blocks = Blocks::from_parts(words(&places)?.into(), floor).ok_or(NotKept)?;
        Self::from_parts(name, day, keys, blocks).ok_or(NotKept)
    }
}

fn words(bytes: &[u8]) -> Result<Vec<u64>, NotKept> {
    let (words, rest) = bytes.as_chunks::<8>();
    if rest.is_empty() { Ok(words.iter().map(|word| u64::from_be_bytes(*word)).collect()) } else { Err(NotKept) }
}

#[cfg(test)]
mod tests {
    use meerkat_protocols::number::Region;
    use proptest::prelude::*;

    use super::*;
    use crate::Intake;

    fn import(rows: &[(u32, u8)]) -> Import {
        let mut intake = Intake::new("US".parse::<Region>().expect("a country"));
        let mut text = String::from("Company_Phone_Number,Created_Date\n");
        for (n, day) in rows {
            text.push_str(&format!("212555{:04},2025-11-{:02} 00:00:00\n", n % 10_000, 1 + day % 20));
        }
        intake.feed(text.as_bytes()).expect("rows");
        intake.finish("Complaints", Day(20_410)).expect("an import").import
    }

    proptest! {
        #[test]
        fn an_import_reads_back_as_it_was(rows in prop::collection::vec(any::<(u32, u8)>(), 1..60)) {
            let import = import(&rows);
            prop_assert_eq!(Import::from_bytes(&import.to_bytes()), Ok(import));
        }

        #[test]
        fn bytes_that_are_no_import_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert_eq!(Import::from_bytes(&bytes), Err(NotKept));
        }

        #[test]
        fn damage_is_found_or_harmless(at in any::<prop::sample::Index>(), to in any::<u8>()) {
            let mut bytes = import(&[(1, 1), (2, 2), (77, 19)]).to_bytes();
            let at = at.index(bytes.len());
            bytes[at] = to;
            if let Ok(read) = Import::from_bytes(&bytes) {
                prop_assert!(read.numbers() <= 3 && read.iter().is_sorted());
            }
        }
    }

    #[test]
    fn an_import_that_was_cut_off_is_refused() {
        let bytes = import(&[(1, 1), (2, 2)]).to_bytes();
        for end in 0..bytes.len() {
            assert_eq!(Import::from_bytes(&bytes[..end]), Err(NotKept), "{end}");
        }
    }
}
