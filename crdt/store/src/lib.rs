//! The store: one redb file with everything a node must not forget. Batches go in by one durable transaction each, the
//! page's lists and history come out by typed readers in short transactions of their own, and the node's memory is
//! restored from it at the start.
//!
//! **What holds.** When [`Store::commit`] returns, the batch survives a power cut; `torn` proves it. A value that was
//! altered is never given to anybody. A store that cannot be opened is never deleted or written anew. One daemon has a
//! folder at a time.
//!
//! **What is absent.** No clock: time is an argument. No decision, no thread, no retry: whoever commits decides what a
//! failure means. Nothing in here keeps an attacker with the whole memory card out, because `seal.key` lies beside the
//! data; what it hides is hidden from whoever holds the database file without the key.

mod access;
mod age;
mod audit;
mod backup;
mod batch;
mod calls;
mod erased;
mod errors;
mod facts;
mod file;
mod folder;
mod imports;
mod keeper;
mod keyfile;
mod keyring;
mod mail;
mod moving;
mod planned;
mod recover;
mod restore;
mod retention;
mod rotate;
mod rows;
mod schema;
mod seal;
mod store;
mod swap;
mod tables;
mod whom;

pub mod backend;
pub mod torn;

pub use access::{AccessRow, AccessTable, AccessWrite};
pub use audit::{AuditLine, Audited};
pub use backup::{Backup, NotBackedUp, NotRestored, RestoreAs};
pub use calls::{CallPage, CallQuery, Counts, Cursor, DayCounts, LoggedCall, MAX_PAGE, NumberStats};
pub use errors::{CheckError, CommitError, Damaged, OpenError, ReadError};
pub use facts::FactsPart;
pub use folder::Folder;
pub use keeper::{Keeper, KeyStatus, NotDone};
pub use keyfile::{KeyCase, KeyFile, KeyMode, MAX_PASS_PHRASE_BYTES, MIN_PASS_PHRASE_CHARS, UnlockError};
pub use keyring::Keyring;
pub use mail::LetterPage;
pub use moving::NewHome;
pub use planned::{LastBackup, NotMade, Plan};
pub use recover::Lost;
pub use restore::{Identity, Restored};
pub use rotate::Rotation;
pub use seal::DataKey;
pub use store::{Checked, Options, Reader, Store};
pub use swap::Unpacked;
pub use whom::Whom;
