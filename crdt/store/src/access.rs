//! What the web keeps about who may come in: users, sessions, API keys. The store does not look into them.

use serde_bytes::ByteBuf;

use crate::{
    Reader,
    errors::{Damaged, Fault, ReadError},
    file::{Next, Writing},
    tables::{ACCESS_API_KEYS, ACCESS_SESSIONS, ACCESS_USERS, HASH_BYTES, Table},
};

/// Which of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessTable {
    /// Under a name the caller chooses.
    Users,
    /// Under the hash of the session's secret: the store never holds the secret.
    Sessions,
    /// Under the hash of the key.
    ApiKeys,
}

impl AccessTable {
    fn table(self) -> &'static Table<HASH_BYTES> {
        match self {
            Self::Users => &ACCESS_USERS,
            Self::Sessions => &ACCESS_SESSIONS,
            Self::ApiKeys => &ACCESS_API_KEYS,
        }
    }
}

/// One thing to write there.
#[derive(Clone, PartialEq, Eq)]
pub enum AccessWrite {
    /// Replaces what stood under the key.
    Put {
        /// Where.
        table: AccessTable,
        /// Under what.
        key: Vec<u8>,
        /// What.
        value: Vec<u8>,
    },
    /// Removes what stands under the key.
    Remove {
        /// Where.
        table: AccessTable,
        /// Under what.
        key: Vec<u8>,
    },
}

impl std::fmt::Debug for AccessWrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Put { table, .. } => write!(f, "Put({table:?}, …)"),
            Self::Remove { table, .. } => write!(f, "Remove({table:?}, …)"),
        }
    }
}

/// A key and the value under it.
pub type AccessRow = (Vec<u8>, Vec<u8>);

/// The key stands in the value, because only its hash stands in the file.
type Row = (ByteBuf, ByteBuf);

impl AccessWrite {
    pub(crate) fn apply(&self, writing: &Writing<'_>) -> Result<(), Fault> {
        match self {
            Self::Put { table, key, value } => {
                let row: Row = (ByteBuf::from(key.as_slice()), ByteBuf::from(value.as_slice()));
                let table = table.table();
                writing.put(table, &writing.seal.hash(table.name, key), &row)
            }
            Self::Remove { table, key } => {
                let table = table.table();
                writing.remove(table, &writing.seal.hash(table.name, key))
            }
        }
    }
}

impl Reader {
    /// What stands under a key.
    ///
    /// # Errors
    /// [`ReadError`]; a damaged value is an error, so that nobody comes in by it.
    pub fn access(&self, table: AccessTable, key: &[u8]) -> Result<Option<Vec<u8>>, ReadError> {
        let table = table.table();
        let row: Option<Row> = self.handle.read(|reading| reading.get(table, &reading.seal.hash(table.name, key)))?;
        Ok(row.filter(|(stored, _)| stored.as_slice() == key).map(|(_, value)| value.into_vec()))
    }

    /// Everything in a table, as (key, value), in no particular order. Damaged values are left out and logged.
    ///
    /// # Errors
    /// [`ReadError::Unavailable`].
    pub fn access_all(&self, table: AccessTable) -> Result<Vec<AccessRow>, ReadError> {
        let mut all = vec![];
        self.handle.read(|reading| {
            reading.each(table.table(), [0; HASH_BYTES]..=[0xff; HASH_BYTES], |_, row: Result<Row, Damaged>| {
                match row {
                    Ok((key, value)) => all.push((key.into_vec(), value.into_vec())),
                    Err(damaged) => tracing::warn!(%damaged, "left out"),
                }
                Next::Go
            })
        })?;
        Ok(all)
    }
}
