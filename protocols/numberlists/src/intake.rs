//! Reading a list: bytes go in as they come from the disk, an [`Import`] comes out.

use std::collections::BTreeMap;

use meerkat_protocols::{
    number::{E164, Region},
    text,
    time::Day,
};

use crate::{
    image::{Import, joined},
    key::Key,
    layout::{Entry, Layout},
    records::Fault,
    rows::Rows,
};

/// The most numbers of a list, and of all lists: 8 MB in memory. A year of the FTC's complaints has 300,000.
pub const MAX_NUMBERS: usize = 1_000_000;
/// Bad rows told one by one, 16 bytes each; all are counted. A year of the FTC's complaints has 3,000.
const MAX_BAD_ROWS: usize = 10_000;
/// The longest name of an import, in characters.
pub const MAX_NAME_CHARS: usize = 60;
/// Keys are joined whenever there are so many: repeats then take no room.
const JOIN_AT: usize = MAX_NUMBERS + MAX_NUMBERS / 4;
/// The bits of a day beside the 50 of a number: days up to 2059 when counted from 2015.
const DAY_BITS: u32 = 14;
/// 2015-01-01. What was reported before is cold for long.
const FIRST_DAY: u16 = 16_436;

/// A row that was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadRow {
    /// The line it begins in, from 1.
    pub line: u64,
    /// Why.
    pub fault: Fault,
}

/// The list cannot be read at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// Zero bytes or the first bytes of gzip: an archive, a spreadsheet, or two bytes a character.
    #[error("this is not plain text: unpack it first, or export the list as CSV in UTF-8")]
    NotText,
    /// Nothing in it.
    #[error("no column with telephone numbers was found: is the country right in which they are to be read?")]
    NoNumbers,
    /// Over [`MAX_NUMBERS`].
    #[error("the list has more than {MAX_NUMBERS} numbers")]
    TooMany,
    /// It would have no name to undo it by.
    #[error("give the import a name of 1 to {MAX_NAME_CHARS} characters")]
    NoName,
}

/// How far it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken in.
    pub bytes: u64,
    /// Rows that named a number.
    pub good: u64,
    /// Rows that were left out.
    pub bad: u64,
}

/// A list that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its numbers.
    pub import: Import,
    /// How its rows were read.
    pub layout: Layout,
    /// How many rows there were.
    pub progress: Progress,
    /// The rows that were left out, the first 10,000 of them.
    pub bad_rows: Vec<BadRow>,
    /// How many of each kind were left out.
    pub faults: BTreeMap<Fault, u64>,
}

/// Reads a list.
pub struct Intake {
    rows: Rows,
    taken: Taken,
}

#[derive(Default)]
struct Taken {
    keys: Vec<Key>,
    /// Numbers with the days on which rows say that they were reported, as sortable words.
    dated: Vec<u64>,
    progress: Progress,
    bad_rows: Vec<BadRow>,
    faults: BTreeMap<Fault, u64>,
    too_many: bool,
}

impl Intake {
    /// A list whose numbers without country code are of this country, unless its layout says otherwise.
    #[must_use]
    pub fn new(home: Region) -> Self {
        Self { rows: Rows::new(home), taken: Taken::default() }
    }

    /// Takes the next bytes in, as many as there are.
    ///
    /// # Errors
    /// [`Refused`], and then it is no use to go on.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress, Refused> {
        self.taken.progress.bytes += bytes.len() as u64;
        let Self { rows, taken } = self;
        rows.feed(bytes, &mut |line, found| taken.take(line, found))?;
        if self.taken.too_many { Err(Refused::TooMany) } else { Ok(self.taken.progress) }
    }

    /// The list is at its end. `name` is what a person calls it, `day` is today.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn finish(self, name: &str, day: Day) -> Result<Outcome, Refused> {
        let name = text::inert(name);
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
            return Err(Refused::NoName);
        }
        let Self { rows, mut taken } = self;
        let layout = rows.finish(&mut |line, found| taken.take(line, found))?;
        let Taken { keys, mut dated, progress, bad_rows, faults, .. } = taken;
        firsts(&mut dated);
        let import = Import::new(name, day, keys, dated.into_iter().filter_map(undated));
        match import.numbers() {
            0 => Err(Refused::NoNumbers),
            n if n > MAX_NUMBERS => Err(Refused::TooMany),
            _ => Ok(Outcome { import, layout, progress, bad_rows, faults }),
        }
    }
}

impl Taken {
    fn take(&mut self, line: u64, found: Result<Entry, Fault>) {
        match found {
            Ok(_) if self.too_many => {}
            Ok(entry) => {
                self.progress.good += 1;
                self.keys.push(Key::new(entry.number, entry.category, entry.count));
                self.dated.extend(entry.day.and_then(|day| dated(entry.number, day)));
                if self.dated.len() >= JOIN_AT {
                    firsts(&mut self.dated);
                }
                if self.keys.len() >= JOIN_AT {
                    self.keys = joined(std::mem::take(&mut self.keys));
                    self.too_many = self.keys.len() > MAX_NUMBERS;
                }
            }
            Err(fault) => {
                self.progress.bad += 1;
                *self.faults.entry(fault).or_default() += 1;
                if self.bad_rows.len() < MAX_BAD_ROWS {
                    self.bad_rows.push(BadRow { line, fault });
                }
            }
        }
    }
}

fn dated(number: E164, day: Day) -> Option<u64> {
    let day = u64::from(day.0.checked_sub(FIRST_DAY)?);
    (day < 1 << DAY_BITS).then(|| number.digits() << DAY_BITS | day)
}

fn undated(word: u64) -> Option<(E164, Day)> {
    let day = u16::try_from(word & ((1 << DAY_BITS) - 1)).ok()?;
    Some((E164::from_digits(word >> DAY_BITS)?, Day(FIRST_DAY + day)))
}

/// Leaves of each number its first day.
fn firsts(dated: &mut Vec<u64>) {
    dated.sort_unstable();
    dated.dedup_by_key(|word| *word >> DAY_BITS);
}

#[cfg(test)]
mod tests;
