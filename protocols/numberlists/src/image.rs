//! All imports in memory, each for itself, so that one can be taken back without a trace.

use std::collections::BTreeMap;

use meerkat_protocols::{number::E164, statement::Category, time::Day};

use crate::{blocks::Blocks, intake::MAX_NUMBERS, key::Key};

/// How many imports are kept: a list a week for half a year, after which reports expire anyway.
pub const MAX_IMPORTS: usize = 26;
/// Numbers that differ in more than their last four digits are of different exchanges.
const EXCHANGE: u64 = 10_000;

/// By which an import is named. Never given twice by one image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImportId(pub u32);

/// One list, read once: where it came from, when, and its numbers.
#[derive(Clone, PartialEq, Eq)]
pub struct Import {
    name: String,
    day: Day,
    keys: Box<[Key]>,
    blocks: Blocks,
}

impl std::fmt::Debug for Import {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Import").field("day", &self.day).field("numbers", &self.keys.len()).finish_non_exhaustive()
    }
}

impl Import {
    /// The keys need not be in order; those of one number are joined. `firsts` are the days on which numbers were first
    /// reported, as far as the list says so.
    pub(crate) fn new(name: String, day: Day, keys: Vec<Key>, firsts: impl Iterator<Item = (E164, Day)>) -> Self {
        let keys = joined(keys).into_boxed_slice();
        let exchanges = keys.chunk_by(|a, b| a.digits() / EXCHANGE == b.digits() / EXCHANGE).count();
        let blocks = Blocks::of(firsts, exchanges, day);
        Self { name, day, keys, blocks }
    }

    /// What was kept; `None` if the keys are not in order.
    pub(crate) fn from_parts(name: String, day: Day, keys: Vec<Key>, blocks: Blocks) -> Option<Self> {
        let sorted = keys.windows(2).all(|pair| pair[0].digits() < pair[1].digits());
        let fits = sorted && !keys.is_empty() && keys.iter().all(|key| E164::from_digits(key.digits()).is_some());
        fits.then(|| Self { name, day, keys: keys.into_boxed_slice(), blocks })
    }

    pub(crate) fn keys(&self) -> &[Key] {
        &self.keys
    }

    pub(crate) fn blocks(&self) -> &Blocks {
        &self.blocks
    }

    /// What a person called it.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// When it was imported.
    #[must_use]
    pub fn day(&self) -> Day {
        self.day
    }

    /// How many numbers it lists.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.keys.len()
    }

    /// Every number, in order.
    pub fn iter(&self) -> impl Iterator<Item = E164> + '_ {
        self.keys.iter().filter_map(|k| E164::from_digits(k.digits()))
    }

    /// Of how many blocks of numbers its rows say that they were lately called from.
    #[must_use]
    pub fn warm_blocks(&self) -> usize {
        self.blocks.len()
    }

    /// Whether the block of a number is hot by this list's dated rows. Never a reason to block.
    #[must_use]
    pub fn is_hot(&self, number: E164, today: Day) -> bool {
        self.blocks.is_hot(number, today.since(self.day))
    }

    /// What it takes in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.keys.len() * size_of::<Key>() + self.blocks.len() * size_of::<u64>()
    }

    fn find(&self, number: E164) -> Option<Key> {
        let at = self.keys.binary_search_by_key(&number.digits(), |k| k.digits()).ok()?;
        Some(self.keys[at])
    }
}

/// Sorts, and makes one key of those about one number.
pub(crate) fn joined(mut keys: Vec<Key>) -> Vec<Key> {
    keys.sort_unstable();
    keys.dedup_by(|later, kept| {
        let same = later.digits() == kept.digits();
        if same {
            *kept = kept.join(*later);
        }
        same
    });
    keys
}

/// What one import says about a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing {
    /// Which.
    pub import: ImportId,
    /// What it calls the number.
    pub category: Category,
    /// How many complaints it holds, at most 2,047.
    pub count: u16,
}

/// There is no room for another import.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// As many as there may be.
    #[error("there are {MAX_IMPORTS} imports already: undo one first")]
    Imports,
    /// As many numbers as there may be, over all imports.
    #[error("all imports together may list {MAX_NUMBERS} numbers: undo one first")]
    Numbers,
}

/// All imports.
#[derive(Debug, Clone, Default)]
pub struct Image {
    imports: BTreeMap<ImportId, Import>,
    given: u32,
}

impl Image {
    /// Takes an import in.
    ///
    /// # Errors
    /// [`Full`], and then nothing has changed.
    pub fn add(&mut self, import: Import) -> Result<ImportId, Full> {
        self.replace(None, import)
    }

    /// Takes an import in, in the place of an older one if that is named.
    ///
    /// # Errors
    /// [`Full`], and then nothing has changed.
    pub fn replace(&mut self, old: Option<ImportId>, import: Import) -> Result<ImportId, Full> {
        let old = old.filter(|old| self.imports.contains_key(old));
        if self.imports.len() - usize::from(old.is_some()) >= MAX_IMPORTS {
            return Err(Full::Imports);
        }
        let freed = old.and_then(|old| self.imports.get(&old)).map_or(0, Import::numbers);
        if self.numbers() - freed + import.numbers() > MAX_NUMBERS {
            return Err(Full::Numbers);
        }
        if let Some(old) = old {
            self.imports.remove(&old);
        }
        self.given += 1;
        let id = ImportId(self.given);
        self.imports.insert(id, import);
        Ok(id)
    }

    /// Takes an import back in that was kept under this id.
    ///
    /// # Errors
    /// [`Full`], and then nothing has changed.
    pub fn restore(&mut self, id: ImportId, import: Import) -> Result<(), Full> {
        if self.imports.len() >= MAX_IMPORTS {
            return Err(Full::Imports);
        }
        if self.numbers() + import.numbers() > MAX_NUMBERS {
            return Err(Full::Numbers);
        }
        self.given = self.given.max(id.0);
        self.imports.insert(id, import);
        Ok(())
    }

    /// The import of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<ImportId> {
        self.imports().find(|(_, import)| import.name() == name).map(|(id, _)| id)
    }

    /// The import of this id.
    #[must_use]
    pub fn get(&self, id: ImportId) -> Option<&Import> {
        self.imports.get(&id)
    }

    /// Takes an import back, with all it said.
    pub fn undo(&mut self, id: ImportId) -> Option<Import> {
        self.imports.remove(&id)
    }

    /// All imports, the oldest first.
    pub fn imports(&self) -> impl Iterator<Item = (ImportId, &Import)> {
        self.imports.iter().map(|(id, import)| (*id, import))
    }

    /// What the imports say about a number, the oldest first.
    pub fn listings(&self, number: E164) -> impl Iterator<Item = Listing> + '_ {
        self.imports.iter().filter_map(move |(id, import)| {
            let key = import.find(number)?;
            Some(Listing { import: *id, category: key.category(), count: key.count() })
        })
    }

    /// The numbers of all imports; one that is on two lists counts twice.
    #[must_use]
    pub fn numbers(&self) -> usize {
        self.imports.values().map(Import::numbers).sum()
    }

    /// What all of it takes in memory, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.imports.values().map(Import::bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn number(digits: u64) -> E164 {
        E164::from_digits(digits).expect("in range")
    }

    fn import(digits: impl IntoIterator<Item = u64>) -> Import {
        let keys = digits.into_iter().map(|d| Key::new(number(d), Category::Scam, 1)).collect();
        Import::new("list".into(), Day(20_000), keys, std::iter::empty())
    }

    fn listed(image: &Image, digits: u64) -> usize {
        image.listings(number(digits)).count()
    }

    #[test]
    fn three_hundred_thousand_numbers_take_less_than_three_megabytes() {
        let mut image = Image::default();
        image.add(import((0..300_000).map(|n| 4_930_000_000 + 7 * n))).expect("room");
        assert_eq!((image.numbers(), image.bytes()), (300_000, 2_400_000));
        assert_eq!((listed(&image, 4_930_000_007), listed(&image, 4_930_000_008)), (1, 0));
    }

    #[test]
    fn lists_stand_side_by_side_and_undoing_leaves_no_trace() {
        let mut image = Image::default();
        let ids: Vec<_> = (0..3).map(|_| image.add(import([4_930_901_820])).expect("room")).collect();
        assert_eq!(listed(&image, 4_930_901_820), 3);
        for id in &ids {
            assert_eq!(image.undo(*id).map(|i| i.numbers()), Some(1));
            assert_eq!(image.undo(*id), None);
        }
        assert_eq!((listed(&image, 4_930_901_820), image.numbers()), (0, 0));
        assert!(!ids.contains(&image.add(import([4_930_901_820])).expect("room")), "an id is never given twice");
    }

    #[test]
    fn a_newer_version_takes_the_place_of_the_older_one_though_there_is_room_for_no_other() {
        let mut image = Image::default();
        let ids: Vec<_> = (0..MAX_IMPORTS).map(|_| image.add(import([4_930_901_820])).expect("room")).collect();
        assert_eq!(image.replace(Some(ImportId(99)), import([4_930_901_821])), Err(Full::Imports));
        let new = image.replace(Some(ids[3]), import([4_930_901_821])).expect("the old one makes room");
        assert_eq!((image.get(ids[3]), image.get(new).map(Import::numbers)), (None, Some(1)));
        let mut again = Image::default();
        again.restore(new, import([4_930_901_821])).expect("room");
        assert!(again.add(import([4_930_901_820])).expect("room") > new, "an id is not given again");
    }

    #[test]
    fn imports_and_numbers_have_their_limits() {
        let mut image = Image::default();
        for _ in 0..MAX_IMPORTS {
            image.add(import([4_930_901_820])).expect("room");
        }
        assert_eq!(image.add(import([4_930_901_821])), Err(Full::Imports));
        let mut image = Image::default();
        image.add(import((0..MAX_NUMBERS as u64).map(|n| 4_930_000_000 + n))).expect("room");
        assert_eq!(image.add(import([4_930_901_820])), Err(Full::Numbers));
        assert_eq!(image.numbers(), MAX_NUMBERS);
    }

    proptest! {
        #[test]
        fn what_is_listed_is_found_and_nothing_else(
            listed in prop::collection::vec(1_000_000u64..1_000_400, 0..300),
            asked in 1_000_000u64..1_000_400,
        ) {
            let distinct: BTreeSet<_> = listed.iter().copied().collect();
            let count = listed.iter().filter(|n| **n == asked).count();
            let mut image = Image::default();
            let id = image.add(import(listed)).expect("room");
            let found: Vec<_> = image.listings(number(asked)).collect();
            let expected = u16::try_from(count).expect("few");
            let listing = Listing { import: id, category: Category::Scam, count: expected };
            prop_assert_eq!(found, if count > 0 { vec![listing] } else { vec![] });
            prop_assert_eq!(image.numbers(), distinct.len());
            let (_, kept) = image.imports().next().expect("one");
            prop_assert!(kept.iter().map(E164::digits).eq(distinct));
        }
    }
}
