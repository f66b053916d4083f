//! The database file while it is open: transactions with sealed values, and a handle that is opened anew when redb gave
//! up on it. After one failed write redb answers nothing more, not even reads, until the file is opened again
//! (`PreviousIo`); a full disk must not take the call log from the page with it.

use std::{
    any::Any,
    fmt, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use meerkat_protocols::{
    cbor,
    home::{HomeId, NodeNumber},
};
use redb::{Database, Durability, ReadTransaction, ReadableDatabase, ReadableTable, StorageBackend, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};

use crate::{
    backend::Shared,
    errors::{Damaged, Fault},
    seal::Seal,
    tables::{Index, Table},
};

/// Readers do not try again to open a file that could not be opened in this time; a commit always does.
const REOPEN_PAUSE: Duration = Duration::from_secs(2);

/// Where the bytes are.
pub(crate) enum Source {
    File(PathBuf),
    Backend(Arc<dyn StorageBackend>),
}

impl Source {
    /// Nothing was ever written there.
    pub(crate) fn is_empty(&self) -> io::Result<bool> {
        Ok(0 == match self {
            Self::File(path) => std::fs::metadata(path)?.len(),
            Self::Backend(backend) => backend.len()?,
        })
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(_) => f.write_str("File"),
            Self::Backend(_) => f.write_str("Backend"),
        }
    }
}

/// An open database and what is needed to open it again.
pub(crate) struct Handle {
    /// Whoever uses the database holds this for reading, for one short transaction; whoever replaces or checks it, for
    /// writing. `None` if it is closed or could not be opened again.
    database: RwLock<Option<Database>>,
    source: Source,
    cache_bytes: usize,
    reserve_bytes: u64,
    /// Replaced when the data key is rotated.
    seal: RwLock<Arc<Seal>>,
    /// redb has given up on the handle.
    broken: AtomicBool,
    last_try: Mutex<Option<Instant>>,
    closed: AtomicBool,
    /// The number of this node, under which its calls are kept.
    node: AtomicU8,
    /// Its home, whose erased numbers are known by their hashes.
    home: Mutex<Option<HomeId>>,
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("source", &self.source).finish_non_exhaustive()
    }
}

impl Handle {
    /// Opens the file, repairing it first if the power went. A repair reads all of it.
    pub(crate) fn open(source: Source, cache_bytes: usize, reserve_bytes: u64, seal: Seal) -> Result<Self, Fault> {
        let database = open_database(&source, cache_bytes)?;
        Ok(Self {
            database: RwLock::new(Some(database)),
            source,
            cache_bytes,
            reserve_bytes,
            seal: RwLock::new(Arc::new(seal)),
            broken: AtomicBool::new(false),
            last_try: Mutex::new(None),
            closed: AtomicBool::new(false),
            node: AtomicU8::new(0),
            home: Mutex::new(None),
        })
    }

    pub(crate) fn node(&self) -> NodeNumber {
        NodeNumber(self.node.load(Ordering::Relaxed))
    }

    pub(crate) fn set_node(&self, node: NodeNumber) {
        self.node.store(node.0, Ordering::Relaxed);
    }

    fn seal(&self) -> Arc<Seal> {
        self.seal.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What stands for `bytes` in the place of the kind `what`.
    pub(crate) fn hash(&self, what: &str, bytes: &[u8]) -> crate::tables::Hash16 {
        self.seal().hash(what, bytes)
    }

    /// Seals with other keys from now on. The new seal must open what the old one closed.
    pub(crate) fn set_seal(&self, seal: Seal) {
        *self.seal.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(seal);
    }

    pub(crate) fn home(&self) -> Option<HomeId> {
        *self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_home(&self, home: HomeId) {
        *self.home.lock().unwrap_or_else(PoisonError::into_inner) = Some(home);
    }

    /// A view of everything as it is now, for whoever reads long: nobody waits for its end.
    pub(crate) fn view(&self) -> Result<(ReadTransaction, Arc<Seal>), Fault> {
        self.revive(false)?;
        let txn = self.with(|database| Ok(database.begin_read()?))?;
        Ok((txn, self.seal()))
    }

    /// One read transaction.
    pub(crate) fn read<T>(&self, f: impl FnOnce(&Reading<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        self.revive(false)?;
        self.with(|database| {
            let txn = database.begin_read()?;
            // After the view is taken: a key that came later opens what the view has too.
            let seal = self.seal();
            f(&Reading { txn, seal: &seal })
        })
    }

    /// One durable write transaction: when this returns, what `f` wrote is on the disk.
    pub(crate) fn write<T>(&self, f: impl FnOnce(&Writing<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        self.revive(true)?;
        self.has_room()?;
        self.with(|database| {
            let mut txn = database.begin_write()?;
            txn.set_durability(Durability::Immediate)?;
            let seal = self.seal();
            let out = f(&Writing { txn: &txn, seal: &seal })?;
            txn.commit()?;
            Ok(out)
        })
    }

    /// Compares the whole file with its checksums. Waits for transactions to end, and those that come wait.
    pub(crate) fn check(&self) -> Result<bool, Fault> {
        self.revive(true)?;
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_mut().ok_or(Fault::Closed)?;
        self.settle(caught(|| Ok(database.check_integrity()?)))
    }

    /// Whether a transaction since the file was opened met something that redb gives up on.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    /// Closes the file. Every transaction after this fails.
    pub(crate) fn close(&self) -> Result<(), Fault> {
        self.closed.store(true, Ordering::Release);
        let database = self.database.write().unwrap_or_else(PoisonError::into_inner).take();
        match database {
            Some(database) => caught(|| Ok(database.close()?)),
            None => Ok(()),
        }
    }

    fn with<T>(&self, f: impl FnOnce(&Database) -> Result<T, Fault>) -> Result<T, Fault> {
        let guard = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let database = guard.as_ref().ok_or(Fault::Closed)?;
        self.settle(caught(|| f(database)))
    }

    fn settle<T>(&self, result: Result<T, Fault>) -> Result<T, Fault> {
        if let Err(fault) = &result
            && fault.breaks_the_handle()
        {
            self.broken.store(true, Ordering::Release);
        }
        result
    }

    /// Opens the file again if redb gave up on it.
    fn revive(&self, always: bool) -> Result<(), Fault> {
        if !self.broken.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut guard = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if !self.broken.load(Ordering::Acquire) || self.closed.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut last_try = self.last_try.lock().unwrap_or_else(PoisonError::into_inner);
        if !always && guard.is_none() && last_try.is_some_and(|at| at.elapsed() < REOPEN_PAUSE) {
            return Err(Fault::Unopenable);
        }
        *last_try = Some(Instant::now());
        let old = guard.take();
        // What the old handle says while it goes is known already.
        let _ = caught(|| {
            drop(old);
            Ok(())
        });
        *guard = Some(open_database(&self.source, self.cache_bytes)?);
        self.broken.store(false, Ordering::Release);
        tracing::info!("the store was opened again");
        Ok(())
    }

    /// How large the file is; nothing, where there is none.
    pub(crate) fn bytes(&self) -> u64 {
        let Source::File(path) = &self.source else { return 0 };
        std::fs::metadata(path).map_or(0, |found| found.len())
    }

    /// Refuses before the disk is full to the last byte: a refused commit costs nothing, a failed one costs a repair.
    fn has_room(&self) -> Result<(), Fault> {
        let Source::File(path) = &self.source else { return Ok(()) };
        match rustix::fs::statvfs(path) {
            Ok(disk) if disk.f_bavail.saturating_mul(disk.f_frsize) < self.reserve_bytes => {
                Err(Fault::NearlyFull(self.reserve_bytes >> 20))
            }
            // A file system that does not say has to show it in the write.
            Ok(_) | Err(_) => Ok(()),
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // redb may panic over a damaged file even while it closes it.
        if let Err(fault) = self.close() {
            tracing::warn!(%fault, "the store was not closed in order");
        }
    }
}

fn open_database(source: &Source, cache_bytes: usize) -> Result<Database, Fault> {
    caught(|| {
        let mut builder = Database::builder();
        builder.set_cache_size(cache_bytes);
        Ok(match source {
            Source::File(path) => builder.create(path)?,
            Source::Backend(backend) => builder.create_with_backend(Shared::new(backend.clone()))?,
        })
    })
}

/// redb may panic over a file that was altered outside it; that is an error like any other.
pub(crate) fn caught<T>(f: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    // What is left half done is given up: the transaction by its drop, the database by `Handle::revive`.
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|panic| Err(Fault::Panicked(words_of(&*panic))))
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no words".into())
}

/// A read transaction.
pub(crate) struct Reading<'s> {
    pub(crate) txn: ReadTransaction,
    pub(crate) seal: &'s Seal,
}

impl Reading<'_> {
    pub(crate) fn get<const K: usize, T: DeserializeOwned>(
        &self,
        table: &Table<K>,
        key: &[u8; K],
    ) -> Result<Option<T>, Fault> {
        let stored = self.txn.open_table(table.definition())?.get_owned(key)?;
        Ok(stored.map(|stored| decode(self.seal, table, key, stored.value())).transpose()?)
    }

    /// Calls `f` with every row of a range, in order, until it says stop. A damaged row is `Err`.
    pub(crate) fn each<const K: usize, T: DeserializeOwned>(
        &self,
        table: &Table<K>,
        range: std::ops::RangeInclusive<[u8; K]>,
        mut f: impl FnMut([u8; K], Result<T, Damaged>) -> Next,
    ) -> Result<(), Fault> {
        let rows = self.txn.open_table(table.definition())?;
        for row in rows.range::<&[u8; K]>(range.start()..=range.end())? {
            let (key, stored) = row?;
            let key = *key.value();
            if let Next::Stop = f(key, decode(self.seal, table, &key, stored.value())) {
                break;
            }
        }
        Ok(())
    }
}

/// What reading and writing transactions have in common for those who need values as their bytes.
pub(crate) trait Raw {
    /// The bytes of a value, as they were sealed.
    fn raw<const K: usize>(&self, table: &Table<K>, key: &[u8; K]) -> Result<Option<Result<Vec<u8>, Damaged>>, Fault>;
    /// The first `limit` keys of a range.
    fn keys<const K: usize>(
        &self,
        table: &Table<K>,
        range: &std::ops::RangeInclusive<[u8; K]>,
        limit: usize,
    ) -> Result<Vec<[u8; K]>, Fault>;
}

macro_rules! rows {
    ($of:ty) => {
        impl Raw for $of {
            fn raw<const K: usize>(
                &self,
                table: &Table<K>,
                key: &[u8; K],
            ) -> Result<Option<Result<Vec<u8>, Damaged>>, Fault> {
                let rows = self.txn.open_table(table.definition())?;
                Ok(rows.get(key)?.map(|stored| self.seal.open(table, key, stored.value())))
            }

            fn keys<const K: usize>(
                &self,
                table: &Table<K>,
                range: &std::ops::RangeInclusive<[u8; K]>,
                limit: usize,
            ) -> Result<Vec<[u8; K]>, Fault> {
                let rows = self.txn.open_table(table.definition())?;
                let some = rows.range::<&[u8; K]>(range.start()..=range.end())?.take(limit);
                some.map(|row| Ok(*row?.0.value())).collect()
            }
        }
    };
}
rows!(Reading<'_>);
rows!(Writing<'_>);

/// Whether to go on.
pub(crate) enum Next {
    Go,
    Stop,
}

/// A write transaction.
pub(crate) struct Writing<'s> {
    pub(crate) txn: &'s WriteTransaction,
    pub(crate) seal: &'s Seal,
}

impl Writing<'_> {
    pub(crate) fn put<const K: usize>(
        &self,
        table: &Table<K>,
        key: &[u8; K],
        value: &impl Serialize,
    ) -> Result<(), Fault> {
        self.put_raw(table, key, &cbor::encode(value))
    }

    /// Puts a value whose bytes are made already.
    pub(crate) fn put_raw<const K: usize>(&self, table: &Table<K>, key: &[u8; K], plain: &[u8]) -> Result<(), Fault> {
        let sealed = self.seal.close(table, key, plain)?;
        self.txn.open_table(table.definition())?.insert(key, sealed.as_slice())?;
        Ok(())
    }

    /// The value, or nothing if there is none or it is damaged: what replaces it must not fail over it.
    pub(crate) fn get<const K: usize, T: DeserializeOwned>(
        &self,
        table: &Table<K>,
        key: &[u8; K],
    ) -> Result<Option<T>, Fault> {
        let rows = self.txn.open_table(table.definition())?;
        let Some(stored) = rows.get(key)? else { return Ok(None) };
        let value = decode(self.seal, table, key, stored.value());
        if let Err(damaged) = &value {
            tracing::warn!(%damaged, "replacing a damaged value");
        }
        Ok(value.ok())
    }

    pub(crate) fn remove<const K: usize>(&self, table: &Table<K>, key: &[u8; K]) -> Result<(), Fault> {
        self.txn.open_table(table.definition())?.remove(key)?;
        Ok(())
    }

    pub(crate) fn index<const K: usize>(&self, index: Index<K>, key: &[u8; K]) -> Result<(), Fault> {
        self.txn.open_table(index)?.insert(key, ())?;
        Ok(())
    }

    pub(crate) fn unindex<const K: usize>(&self, index: Index<K>, key: &[u8; K]) -> Result<(), Fault> {
        self.txn.open_table(index)?.remove(key)?;
        Ok(())
    }
}

/// Opens and reads a value. What opens but cannot be read was written by a program with another idea of it.
fn decode<const K: usize, T: DeserializeOwned>(
    seal: &Seal,
    table: &Table<K>,
    key: &[u8; K],
    stored: &[u8],
) -> Result<T, Damaged> {
    let plain = zeroize::Zeroizing::new(seal.open(table, key, stored)?);
    cbor::decode(&plain).map_err(|_| Damaged::new(table.name, key))
}
