//! What can go wrong, in words: whose fault it is and what to do next.

use std::{io, path::PathBuf};

/// A value that is not what was written. It is never given to anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value under {key} in `{table}` was altered or has decayed")]
pub struct Damaged {
    /// The table.
    pub table: &'static str,
    /// The key, as hexadecimal digits; a key that names a person is a hash.
    pub key: String,
}

impl Damaged {
    pub(crate) fn new(table: &'static str, key: &[u8]) -> Self {
        use std::fmt::Write;
        let hex = |mut out: String, byte: &u8| {
            write!(out, "{byte:02x}").expect("writing to a string");
            out
        };
        Self { table, key: key.iter().fold(String::new(), hex) }
    }
}

/// What can go wrong inside a transaction.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Redb(redb::Error),
    #[error(transparent)]
    Damaged(#[from] Damaged),
    #[error("the operating system gives no randomness: {0}")]
    Random(String),
    #[error("a value is too large to be sealed")]
    TooLarge,
    #[error("the database program met data that it did not expect: {0}")]
    Panicked(String),
    #[error("the store is closed")]
    Closed,
    #[error("the store was lost to an earlier error and could not be opened again")]
    Unopenable,
    #[error("the disk has less than {0} MiB left")]
    NearlyFull(u64),
}

macro_rules! from_redb {
    ($($error:ty),*) => { $(impl From<$error> for Fault {
        fn from(error: $error) -> Self {
            Self::Redb(error.into())
        }
    })* };
}
from_redb!(
    redb::StorageError,
    redb::TableError,
    redb::TransactionError,
    redb::CommitError,
    redb::DatabaseError,
    redb::SetDurabilityError
);

/// The kinds of trouble that have a remedy of their own.
enum Trouble {
    Full,
    ReadOnly,
    Damaged,
    Other,
}

impl Fault {
    /// After these redb answers nothing any more until the file is opened anew.
    pub(crate) fn breaks_the_handle(&self) -> bool {
        match self {
            Self::Redb(e) => !matches!(e, redb::Error::TransactionInProgress | redb::Error::ValueTooLarge(_)),
            Self::Panicked(_) => true,
            Self::Damaged(_) | Self::Random(_) | Self::TooLarge => false,
            Self::Closed | Self::Unopenable | Self::NearlyFull(_) => false,
        }
    }

    fn trouble(&self) -> Trouble {
        match self {
            Self::Redb(redb::Error::Io(e)) => trouble_of(e),
            Self::NearlyFull(_) => Trouble::Full,
            // Every table was made with the file, and no file in an old format was ever made.
            Self::Redb(
                redb::Error::TableDoesNotExist(_)
                | redb::Error::TableTypeMismatch { .. }
                | redb::Error::TableIsMultimap(_)
                | redb::Error::UpgradeRequired(_)
                | redb::Error::TypeDefinitionChanged { .. },
            ) => Trouble::Damaged,
            Self::Redb(redb::Error::Corrupted(_)) | Self::Damaged(_) | Self::Panicked(_) => Trouble::Damaged,
            Self::Redb(_) | Self::Random(_) | Self::TooLarge | Self::Closed | Self::Unopenable => Trouble::Other,
        }
    }
}

fn trouble_of(error: &io::Error) -> Trouble {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => Trouble::Full,
        io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied => Trouble::ReadOnly,
        // A file that is no database, or that ends early.
        io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => Trouble::Damaged,
        _ => Trouble::Other,
    }
}

/// Why a batch is not on disk. None of it is, or, after [`CommitError::Other`], nobody knows: it may be written again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// No room.
    #[error(
        "the disk is full, so nothing new is saved: make room where Meerkat keeps its data. Calls are still decided"
    )]
    DiskFull,
    /// No permission.
    #[error(
        "the disk or the file does not allow writing, so nothing new is saved: an old memory card turns read-only when \
         it is worn out; replace it, or give Meerkat's user the right to write"
    )]
    ReadOnly,
    /// The file is not what was written.
    #[error("the store is damaged, so nothing new is saved: restore it from a backup ({0})")]
    Damaged(String),
    /// Anything else.
    #[error("nothing new is saved: {0}")]
    Other(String),
}

impl From<Fault> for CommitError {
    fn from(fault: Fault) -> Self {
        match fault.trouble() {
            Trouble::Full => Self::DiskFull,
            Trouble::ReadOnly => Self::ReadOnly,
            Trouble::Damaged => Self::Damaged(fault.to_string()),
            Trouble::Other => Self::Other(fault.to_string()),
        }
    }
}

/// Why something could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// One value is not what was written.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// Nothing can be read now.
    #[error("the store cannot be read: {0}")]
    Unavailable(String),
    /// The text is not a cursor that a page gave.
    #[error("this is not a cursor: ask for the first page again")]
    Cursor,
}

impl From<Fault> for ReadError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Damaged(d) => Self::Damaged(d),
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// Why a store was not opened. The file is never deleted and never written anew.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "{} is in use by another Meerkat ({}): stop that one, or start this one with a folder of its own (--data)",
        folder.display(), owner(*pid, host)
    )]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The other's process id, if it wrote one.
        pid: Option<u32>,
        /// The machine it runs on, if it wrote one.
        host: String,
    },
    /// The folder or a file in it cannot be used.
    #[error("{} cannot be used: {error}. Give Meerkat's user the right to read and write there", path.display())]
    Folder {
        /// Which.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// No room.
    #[error("the disk is full: make room where Meerkat keeps its data, then start it again")]
    DiskFull,
    /// The key does not fit.
    #[error(
        "the key does not fit this store: `seal.key` belongs to other data. Put the two that belong together into one folder"
    )]
    WrongKey,
    /// The key is gone though there is data.
    #[error(
        "{} is missing, and without it the data beside it cannot be read: put it back from where it was copied, or move \
         the data away to begin anew", .0.display()
    )]
    KeyMissing(PathBuf),
    /// The file of the key does not hold a key.
    #[error("{} does not hold a key any more: put it back from where it was copied", .0.display())]
    KeyDamaged(PathBuf),
    /// The key file does not open itself.
    #[error("the key of this data is locked: unlock it on the page or with `meerkat unlock`")]
    Locked,
    /// A later Meerkat wrote it.
    #[error(
        "a newer Meerkat wrote this data (version {found}; this program knows {known}): update this program. Nothing was changed"
    )]
    Newer {
        /// The version of the data.
        found: u32,
        /// The latest version this program knows.
        known: u32,
    },
    /// It cannot be read.
    #[error("the store cannot be opened: restore it from a backup, or move it away to begin anew ({0})")]
    Damaged(String),
    /// Anything else.
    #[error("the store cannot be opened: {0}")]
    Other(String),
}

fn owner(pid: Option<u32>, host: &str) -> String {
    match pid {
        Some(pid) => format!("process {pid} on {host}"),
        None => "it did not say which".into(),
    }
}

impl OpenError {
    pub(crate) fn of_io(path: &std::path::Path, error: io::Error) -> Self {
        match trouble_of(&error) {
            Trouble::Full => Self::DiskFull,
            Trouble::ReadOnly | Trouble::Damaged | Trouble::Other => Self::Folder { path: path.to_owned(), error },
        }
    }

    pub(crate) fn of_fault(path: &std::path::Path, fault: Fault) -> Self {
        match fault.trouble() {
            Trouble::Full => Self::DiskFull,
            Trouble::Damaged => Self::Damaged(fault.to_string()),
            Trouble::ReadOnly | Trouble::Other => match fault {
                Fault::Redb(redb::Error::Io(error)) => Self::Folder { path: path.to_owned(), error },
                other => Self::Other(other.to_string()),
            },
        }
    }
}

/// Why a check was not made or what it found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckError {
    /// The file is damaged beyond what the database repairs.
    #[error("the check found the store damaged: restore it from a backup ({0})")]
    Damaged(String),
    /// It could not be made.
    #[error("the store could not be checked: {0}")]
    Other(String),
}

impl From<Fault> for CheckError {
    fn from(fault: Fault) -> Self {
        match fault.trouble() {
            Trouble::Damaged => Self::Damaged(fault.to_string()),
            Trouble::Full | Trouble::ReadOnly | Trouble::Other => Self::Other(fault.to_string()),
        }
    }
}
