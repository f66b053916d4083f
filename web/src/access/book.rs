//! The book of users, sessions and keys: in memory for every request, in the store for the next start.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicU64},
};

use meerkat_protocols::cbor;
use meerkat_store::{AccessTable, AccessWrite, ReadError, Reader};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::{
    Clock,
    access::{
        claim::ClaimToken,
        limits::Limits,
        records::{ApiKey, Session, User},
    },
    problem::Problem,
};

/// The most API keys of a home.
pub(crate) const MAX_KEYS: usize = 100;
/// The most users of a home.
pub(crate) const MAX_USERS: usize = 100;
/// The most signed-in browsers; the one unseen longest makes room.
pub(crate) const MAX_SESSIONS: usize = 500;

/// One record as the store gave it back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessRecord {
    /// From where.
    pub table: AccessTable,
    /// Its key.
    pub key: Vec<u8>,
    /// Its value.
    pub value: Vec<u8>,
}

/// Writes to commit together, and where to say that they are on disk, or in the store's words why not.
pub type AccessOrder = (Vec<AccessWrite>, oneshot::Sender<Result<(), String>>);

/// Who may come in. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Access(pub(crate) Arc<Inner>);

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Access(…)")
    }
}

pub(crate) struct Inner {
    book: RwLock<Option<Book>>,
    writes: mpsc::Sender<AccessOrder>,
    pub(crate) clock: Clock,
    pub(crate) claim: Mutex<Option<blake3::Hash>>,
    /// One password hash at a time: each takes 19 MiB.
    pub(crate) hashing: Semaphore,
    /// One change of users and keys at a time, so that what is checked still holds when it is written.
    pub(crate) changing: tokio::sync::Mutex<()>,
    pub(crate) limits: Limits,
    /// Failed sign-ins that are not in the audit log yet.
    pub(crate) failed: crate::audit::Failures,
}

/// The records, as requests need them.
#[derive(Default)]
pub(crate) struct Book {
    /// By the name in lower case.
    pub(crate) users: BTreeMap<String, User>,
    /// By the hash of the token.
    pub(crate) sessions: HashMap<[u8; 32], LiveSession>,
    /// By id.
    pub(crate) keys: BTreeMap<String, ApiKey>,
    /// Ids by the hash of the key.
    pub(crate) key_ids: HashMap<[u8; 32], String>,
}

/// A session with what is not written at each request.
pub(crate) struct LiveSession {
    pub(crate) record: Session,
    /// Milliseconds of the monotonic clock.
    pub(crate) seen_mono_ms: AtomicU64,
}

impl Access {
    /// The book before its records have come. `writes` leads to the thread that writes to the store.
    #[must_use]
    pub fn new(writes: mpsc::Sender<AccessOrder>, clock: Clock) -> Self {
        Self(Arc::new(Inner {
            book: RwLock::new(None),
            writes,
            clock,
            claim: Mutex::new(None),
            hashing: Semaphore::new(1),
            changing: tokio::sync::Mutex::new(()),
            limits: Limits::default(),
            failed: crate::audit::Failures::default(),
        }))
    }

    /// Takes in what the store kept. A record that cannot be read lets nobody in; the others count.
    pub fn restore(&self, records: impl IntoIterator<Item = AccessRecord>) {
        let now = (self.0.clock)();
        let mut book = Book::default();
        for record in records {
            if let Err(error) = book.take_in(&record, now) {
                tracing::warn!(table = ?record.table, %error, "an access record is unreadable and lets nobody in");
            }
        }
        *self.0.book.write().unwrap_or_else(PoisonError::into_inner) = Some(book);
    }

    /// Takes in what the store keeps.
    ///
    /// # Errors
    /// If the tables cannot be read: then nobody gets in by cookie or key.
    pub fn restore_from(&self, reader: &Reader) -> Result<(), ReadError> {
        let mut records = vec![];
        for table in [AccessTable::Users, AccessTable::Sessions, AccessTable::ApiKeys] {
            let rows = reader.access_all(table)?.into_iter();
            records.extend(rows.map(|(key, value)| AccessRecord { table, key, value }));
        }
        self.restore(records);
        Ok(())
    }

    /// Whether there is an admin, so that no claim link is printed at start; `None` before [`Access::restore`].
    #[must_use]
    pub fn is_claimed(&self) -> Option<bool> {
        self.read().as_ref().map(Book::has_admin)
    }

    /// A new one-time token to the first admin. The one before it no longer counts.
    ///
    /// # Errors
    /// If the operating system gives no randomness.
    pub fn issue_claim(&self) -> Result<ClaimToken, std::io::Error> {
        ClaimToken::issue(&self.0).map_err(std::io::Error::other)
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Option<Book>> {
        self.0.book.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Option<Book>> {
        self.0.book.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the book, or says that it has not come yet.
    pub(crate) fn with<T>(&self, look: impl FnOnce(&Book) -> T) -> Result<T, Problem> {
        self.read().as_ref().map(look).ok_or_else(Problem::checking)
    }

    /// Changes the book in memory, or says that it has not come yet.
    pub(crate) fn change<T>(&self, change: impl FnOnce(&mut Book) -> T) -> Result<T, Problem> {
        self.write().as_mut().map(change).ok_or_else(Problem::checking)
    }

    pub(crate) fn claim_slot(&self) -> MutexGuard<'_, Option<blake3::Hash>> {
        self.0.claim.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes and waits until it is on disk: for what a person is told is saved.
    pub(crate) async fn keep(&self, writes: Vec<AccessWrite>) -> Result<(), Problem> {
        let (done, kept) = oneshot::channel();
        self.0.writes.send((writes, done)).await.map_err(|_| Problem::unavailable())?;
        match kept.await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(Problem::new(
                axum::http::StatusCode::INSUFFICIENT_STORAGE,
                "not_saved",
                format!("This could not be saved, so it was not done: {why}"),
            )),
            Err(_) => Err(Problem::unavailable()),
        }
    }

    /// Writes when the disk has time, or not at all: for sessions, which must work with a full disk too.
    pub(crate) fn keep_soon(&self, writes: Vec<AccessWrite>) {
        let (done, _) = oneshot::channel();
        if self.0.writes.try_send((writes, done)).is_err() {
            tracing::warn!("a session could not be handed to the disk: it ends with this process");
        }
    }
}

impl Book {
    fn take_in(&mut self, record: &AccessRecord, now: meerkat_protocols::time::Now) -> Result<(), String> {
        match record.table {
            AccessTable::Users => {
                self.users.insert(text(&record.key)?, read(&record.value)?);
            }
            AccessTable::ApiKeys => {
                let (id, key): (String, ApiKey) = (text(&record.key)?, read(&record.value)?);
                self.key_ids.insert(key.hash, id.clone());
                self.keys.insert(id, key);
            }
            AccessTable::Sessions => {
                let hash = record.key.as_slice().try_into().map_err(|_| "its key is no hash".to_owned())?;
                let record: Session = read(&record.value)?;
                let over = record.was_idle(now);
                let session = LiveSession { record, seen_mono_ms: AtomicU64::new(now.mono_ms) };
                if !over && !session.is_over(now) {
                    self.sessions.insert(hash, session);
                }
            }
        }
        Ok(())
    }

    pub(crate) fn has_admin(&self) -> bool {
        self.users.values().any(|u| u.role == crate::Role::Admin)
    }
}

/// The write that keeps a record.
pub(crate) fn put<T: Serialize>(table: AccessTable, key: &[u8], value: &T) -> AccessWrite {
    AccessWrite::Put { table, key: key.to_vec(), value: cbor::encode(value) }
}

/// The write that drops a record.
pub(crate) fn drop_record(table: AccessTable, key: &[u8]) -> AccessWrite {
    AccessWrite::Remove { table, key: key.to_vec() }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    cbor::decode(bytes).map_err(|e| e.to_string())
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|e| e.to_string())
}
