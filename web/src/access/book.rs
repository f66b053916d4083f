//! The book of sessions and keys: in memory for every request, in the store for the next start. Accounts are the whole
//! home's: they are looked up in the picture that the engine gives of it, so that what another node changed counts here
//! from the moment this one heard of it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, atomic::AtomicU64},
    time::Duration,
};

use meerkat_core::Snapshot;
use meerkat_protocols::{
    cbor,
    home::NodeNumber,
    wishes::{Account, Accounts, account_named, person_name},
};
use meerkat_store::{AccessTable, AccessWrite, ReadError, Reader};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::{
    Clock, Role,
    access::{
        claim::ClaimToken,
        limits::Limits,
        records::{ApiKey, FormerUser, Session, User},
    },
    problem::Problem,
};

/// The most API keys of a home.
pub(crate) const MAX_KEYS: usize = 100;
/// The most signed-in browsers; the one unseen longest makes room.
pub(crate) const MAX_SESSIONS: usize = 500;

/// How long somebody who signs in waits for the accounts of a household that this node has just joined: they come with the
/// first words of a member.
const ACCOUNTS_WAIT: Duration = Duration::from_secs(10);

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
    pub(crate) home: watch::Receiver<Arc<Snapshot>>,
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
    /// The book before its records have come. `writes` leads to the thread that writes to the store; `home` shows the
    /// accounts.
    #[must_use]
    pub fn new(writes: mpsc::Sender<AccessOrder>, clock: Clock, home: watch::Receiver<Arc<Snapshot>>) -> Self {
        Self(Arc::new(Inner {
            book: RwLock::new(None),
            writes,
            home,
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
        for table in [AccessTable::Sessions, AccessTable::ApiKeys] {
            let rows = reader.access_all(table)?.into_iter();
            records.extend(rows.map(|(key, value)| AccessRecord { table, key, value }));
        }
        self.restore(records);
        Ok(())
    }

    /// Whether there is an admin, so that no claim link is printed at start; `None` before [`Access::restore`]. A node that
    /// has just become a member of a household waits for its accounts.
    #[must_use]
    pub fn is_claimed(&self) -> Option<bool> {
        self.read().as_ref().map(|_| {
            let home = self.0.home.borrow();
            awaits_accounts(&home) || home.shared.accounts.values().any(Account::is_admin)
        })
    }

    /// Waits a while for the accounts of a household that this node has just become a member of.
    pub(crate) async fn accounts_came(&self) {
        let mut home = self.0.home.clone();
        // Who is refused then tries again.
        let _ = tokio::time::timeout(ACCOUNTS_WAIT, home.wait_for(|home| !awaits_accounts(home))).await;
    }

    /// The person that a name means; nobody before [`Access::restore`].
    pub(crate) fn user(&self, name: &str) -> Result<Option<User>, Problem> {
        self.with(|_| ())?;
        Ok(user_of(&self.accounts(), name))
    }

    /// The accounts of the home.
    pub(crate) fn accounts(&self) -> Arc<Accounts> {
        Arc::clone(&self.0.home.borrow().shared.accounts)
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
            // They are the home's, and moved there at the start.
            AccessTable::Users => {}
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
}

/// Whether the accounts of the household are still to come.
fn awaits_accounts(home: &Snapshot) -> bool {
    let others = home.household.members.iter().any(|member| !member.own && !member.removed);
    home.shared.accounts.is_empty() && others && home.node != NodeNumber(0)
}

/// The person that a name means, if the account's role is one that this program knows.
fn user_of(accounts: &Accounts, name: &str) -> Option<User> {
    let (name, account) = account_named(accounts, name)?;
    let role = Role::from_word(&account.role)?;
    Some(User { name: name.to_owned(), role, password: account.hash.clone() })
}

/// Accounts by name, and the writes that drop them where they were.
pub type Former = (Vec<(String, Account)>, Vec<AccessWrite>);

/// The accounts that this node kept for itself before the nodes of a home shared them, and what drops them there.
///
/// # Errors
/// If the table cannot be read.
pub fn former_accounts(reader: &Reader) -> Result<Former, ReadError> {
    let (mut accounts, mut drops) = (vec![], vec![]);
    for (key, value) in reader.access_all(AccessTable::Users)? {
        match read::<FormerUser>(&value) {
            Ok(user) => {
                let account = Account { role: user.role.word().to_owned(), hash: user.password };
                accounts.push((person_name(&user.name), account));
            }
            Err(error) => tracing::warn!(%error, "an account is unreadable and lets nobody in"),
        }
        drops.push(drop_record(AccessTable::Users, &key));
    }
    Ok((accounts, drops))
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
