//! Letters exchanged with neighbours: kept one by one under the neighbour, read in pages as people look at them.

use meerkat_protocols::{
    home::HomeId,
    mail::{Kept, LetterNo, Marks},
};

use crate::{
    Reader,
    calls::MAX_PAGE,
    errors::{Damaged, Fault, ReadError},
    file::{Next, Reading, Writing},
    restore::Restored,
    seal::Seal,
    tables::{HASH_BYTES, Hash16, LETTER_KEY_BYTES, LETTERS, MARKS, letter_key, seq_of},
};

/// Letters read in one transaction and handed on at once: 64 of at most 8 KiB are half a MiB.
const LETTERS_AT_ONCE: usize = 64;

/// A page of the letters exchanged with one home.
#[derive(Debug, Clone, PartialEq)]
pub struct LetterPage {
    /// The newest first.
    pub letters: Vec<Kept>,
    /// Those before this one are on the next page, if there is one.
    pub next: Option<LetterNo>,
    /// Letters that belong here and were left out because they are damaged.
    pub damaged: usize,
}

fn home_hash(seal: &Seal, home: HomeId) -> Hash16 {
    seal.hash("home", &home.0)
}

pub(crate) fn put(writing: &Writing<'_>, kept: &Kept) -> Result<(), Fault> {
    writing.put(&LETTERS, &letter_key(&home_hash(writing.seal, kept.home), kept.no), kept)
}

pub(crate) fn remove(writing: &Writing<'_>, home: HomeId, no: LetterNo) -> Result<(), Fault> {
    writing.remove(&LETTERS, &letter_key(&home_hash(writing.seal, home), no))
}

pub(crate) fn put_marks(writing: &Writing<'_>, home: HomeId, marks: &Marks) -> Result<(), Fault> {
    writing.put(&MARKS, &home_hash(writing.seal, home), &(home, marks))
}

pub(crate) fn marks(reading: &Reading<'_>, restored: &mut Restored) -> Result<(), Fault> {
    reading.each(&MARKS, [0; HASH_BYTES]..=[0xff; HASH_BYTES], |_, row| match row {
        Ok(row) => {
            restored.marks.push(row);
            Next::Go
        }
        Err(damaged) => restored.note(damaged),
    })
}

impl Reader {
    /// Gives all letters, some at a time, those of one home in their order; no transaction is open while `take` runs.
    /// Damaged ones are left out and counted in `restored`.
    ///
    /// # Errors
    /// As [`Reader::restore`].
    pub fn all_letters(&self, restored: &mut Restored, mut take: impl FnMut(Kept)) -> Result<(), ReadError> {
        let mut from = Some([0; LETTER_KEY_BYTES]);
        while let Some(first) = from {
            let mut some = Vec::with_capacity(LETTERS_AT_ONCE);
            from = self.handle.read(|reading| next_letters(reading, first, &mut some, restored))?;
            some.into_iter().for_each(&mut take);
        }
        Ok(())
    }

    /// A page of the letters exchanged with a home: those before `before`, the newest first, at most `limit` and
    /// [`MAX_PAGE`].
    ///
    /// # Errors
    /// [`ReadError::Unavailable`]. Damaged letters are left out and counted.
    pub fn letters(&self, home: HomeId, before: Option<LetterNo>, limit: usize) -> Result<LetterPage, ReadError> {
        let last = match before {
            None => LetterNo(u64::MAX),
            Some(LetterNo(0)) => return Ok(LetterPage { letters: vec![], next: None, damaged: 0 }),
            Some(LetterNo(n)) => LetterNo(n - 1),
        };
        Ok(self.handle.read(|reading| page(reading, home, last, limit.clamp(1, MAX_PAGE)))?)
    }
}

fn page(reading: &Reading<'_>, home: HomeId, last: LetterNo, limit: usize) -> Result<LetterPage, Fault> {
    let hash = home_hash(reading.seal, home);
    let mut keys: Vec<[u8; LETTER_KEY_BYTES]> = {
        let rows = reading.txn.open_table(LETTERS.definition())?;
        let (first, last) = (letter_key(&hash, LetterNo(0)), letter_key(&hash, last));
        let rows = rows.range::<&[u8; LETTER_KEY_BYTES]>(&first..=&last)?.rev().take(limit + 1);
        rows.map(|row| Ok(*row?.0.value())).collect::<Result<_, Fault>>()?
    };
    let more = keys.len() > limit;
    keys.truncate(limit);
    let next = keys.last().filter(|_| more).map(|key| LetterNo(seq_of(key).0));
    let mut page = LetterPage { letters: Vec::with_capacity(keys.len()), next, damaged: 0 };
    for key in keys {
        match reading.get::<_, Kept>(&LETTERS, &key) {
            Ok(Some(kept)) => page.letters.push(kept),
            Ok(None) | Err(Fault::Damaged(_)) => page.damaged += 1,
            Err(other) => return Err(other),
        }
    }
    Ok(page)
}

fn next_letters(
    reading: &Reading<'_>,
    first: [u8; LETTER_KEY_BYTES],
    some: &mut Vec<Kept>,
    restored: &mut Restored,
) -> Result<Option<[u8; LETTER_KEY_BYTES]>, Fault> {
    let (mut seen, mut next) = (0, None);
    reading.each(&LETTERS, first..=[0xff; LETTER_KEY_BYTES], |key, kept: Result<Kept, Damaged>| {
        if seen == LETTERS_AT_ONCE {
            next = Some(key);
            return Next::Stop;
        }
        seen += 1;
        match kept {
            Ok(kept) => some.push(kept),
            Err(damaged) => return restored.note(damaged),
        }
        Next::Go
    })?;
    Ok(next)
}
