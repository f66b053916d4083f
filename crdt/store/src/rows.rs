//! Tables as rotation and backups see them: rows of bytes, whatever they mean.

use redb::{ReadableTable, ReadableTableMetadata, TableError, WriteTransaction};

use crate::{
    errors::{Damaged, Fault},
    file::{Reading, Writing},
    tables::{META, Table},
};

/// What one step of going through a table did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    /// Rows that were looked at.
    pub(crate) rows: u64,
    /// Rows that no key opens; they stay as they are.
    pub(crate) damaged: u64,
    /// Where to go on; `None` at the end of the table.
    pub(crate) next: Option<Vec<u8>>,
}

/// A row in plain, or the word that it is damaged.
type PlainRow<'a> = (&'a [u8], Result<&'a [u8], Damaged>);

/// A table of sealed values, whatever the length of its keys.
pub(crate) trait Rows: Sync {
    fn name(&self) -> &'static str;

    /// Makes the table if it is missing.
    fn create(&self, txn: &WriteTransaction) -> Result<(), TableError>;

    /// How many rows the database says there are; for showing progress.
    fn len(&self, reading: &Reading<'_>) -> Result<u64, Fault>;

    /// Seals with the newest key what is sealed with the one before: `bytes` of values and a bit, from `from` on.
    fn reseal(&self, writing: &Writing<'_>, from: &[u8], bytes: usize) -> Result<Step, Fault>;

    /// Gives rows in plain: `bytes` of values and a bit, from `from` on.
    fn some(
        &self,
        reading: &Reading<'_>,
        from: &[u8],
        bytes: usize,
        give: &mut dyn FnMut(PlainRow<'_>),
    ) -> Result<Step, Fault>;

    /// Seals a plain value and puts it under its key.
    fn put_plain(&self, writing: &Writing<'_>, key: &[u8], plain: &[u8]) -> Result<(), Fault>;
}

impl<const K: usize> Table<K> {
    /// `bytes` of rows and a bit as they are stored, and where the next part begins.
    #[allow(clippy::type_complexity, reason = "rows, and the next key")]
    fn stored(
        rows: &impl ReadableTable<&'static [u8; K], &'static [u8]>,
        from: &[u8],
        bytes: usize,
    ) -> Result<(Vec<([u8; K], Vec<u8>)>, Option<Vec<u8>>), Fault> {
        let mut first = [0; K];
        let given = from.len().min(K);
        first[..given].copy_from_slice(&from[..given]);
        let (mut some, mut taken) = (vec![], 0);
        for row in rows.range::<&[u8; K]>(&first..=&[0xff; K])? {
            let (key, stored) = row?;
            if taken >= bytes {
                return Ok((some, Some(key.value().to_vec())));
            }
            // What a row costs beside its value.
            taken += stored.value().len() + K + 64;
            some.push((*key.value(), stored.value().to_vec()));
        }
        Ok((some, None))
    }

    /// The schema's version is the one value that is not sealed.
    fn is_plain(&self, key: &[u8; K]) -> bool {
        self.name == META.name && key.as_slice() == crate::schema::SCHEMA
    }
}

impl<const K: usize> Rows for Table<K> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn create(&self, txn: &WriteTransaction) -> Result<(), TableError> {
        txn.open_table(self.definition()).map(|_| ())
    }

    fn len(&self, reading: &Reading<'_>) -> Result<u64, Fault> {
        Ok(reading.txn.open_table(self.definition())?.len()?)
    }

    fn reseal(&self, writing: &Writing<'_>, from: &[u8], bytes: usize) -> Result<Step, Fault> {
        let mut table = writing.txn.open_table(self.definition())?;
        let (some, next) = Self::stored(&table, from, bytes)?;
        let mut step = Step { next, ..Step::default() };
        step.rows = some.len() as u64;
        for (key, stored) in some.into_iter().filter(|(key, _)| !self.is_plain(key)) {
            if writing.seal.is_of_earlier(self, &key, &stored) {
                let plain = zeroize::Zeroizing::new(writing.seal.open(self, &key, &stored)?);
                table.insert(&key, writing.seal.close(self, &key, &plain)?.as_slice())?;
            } else if let Err(damaged) = writing.seal.open(self, &key, &stored) {
                tracing::warn!(%damaged, "not sealed anew");
                step.damaged += 1;
            }
        }
        Ok(step)
    }

    fn some(
        &self,
        reading: &Reading<'_>,
        from: &[u8],
        bytes: usize,
        give: &mut dyn FnMut(PlainRow<'_>),
    ) -> Result<Step, Fault> {
        let (some, next) = Self::stored(&reading.txn.open_table(self.definition())?, from, bytes)?;
        let mut step = Step { next, ..Step::default() };
        for (key, stored) in some.into_iter().filter(|(key, _)| !self.is_plain(key)) {
            step.rows += 1;
            let plain = reading.seal.open(self, &key, &stored).map(zeroize::Zeroizing::new);
            step.damaged += u64::from(plain.is_err());
            give((&key, plain.as_ref().map(|plain| plain.as_slice()).map_err(Clone::clone)));
        }
        Ok(step)
    }

    fn put_plain(&self, writing: &Writing<'_>, key: &[u8], plain: &[u8]) -> Result<(), Fault> {
        let key: &[u8; K] = key.try_into().map_err(|_| Damaged::new(self.name, key))?;
        let sealed = writing.seal.close(self, key, plain)?;
        writing.txn.open_table(self.definition())?.insert(key, sealed.as_slice())?;
        Ok(())
    }
}
