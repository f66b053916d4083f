//! Backends for tests: disks that are slow or full. A disk whose power goes is in [`crate::torn`].

use std::{
    collections::BTreeSet,
    fmt, io,
    ops::Bound,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use redb::{BackendError, StorageBackend, backends::InMemoryBackend};

/// A backend that outlives the database on it, so that the database can be opened again.
#[derive(Debug, Clone)]
pub struct Shared(Arc<dyn StorageBackend>);

impl Shared {
    /// A handle on the backend. Closing the database closes the handle alone.
    #[must_use]
    pub fn new(backend: Arc<dyn StorageBackend>) -> Self {
        Self(backend)
    }
}

impl StorageBackend for Shared {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_range(start, end)
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.0.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.0.query_lock_range(start, end)
    }
}

/// A disk in memory on which a sync takes its time, or waits until it is let go.
#[derive(Debug, Default)]
pub struct Slow {
    inner: InMemoryBackend,
    sync_ms: AtomicU64,
    held: Mutex<Hold>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Hold {
    on: bool,
    waiting: usize,
}

impl Slow {
    /// A disk on which every sync takes this long.
    #[must_use]
    pub fn new(sync: Duration) -> Self {
        let slow = Self::default();
        slow.set_sync(sync);
        slow
    }

    /// From now on every sync takes this long.
    pub fn set_sync(&self, sync: Duration) {
        self.sync_ms.store(u64::try_from(sync.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// From now on syncs wait until [`Slow::release`].
    pub fn hold(&self) {
        lock(&self.held).on = true;
    }

    /// Waits until a sync waits.
    pub fn wait_until_held(&self) {
        drop(self.changed.wait_while(lock(&self.held), |held| held.waiting == 0));
    }

    /// Lets the syncs go that wait, and those that come.
    pub fn release(&self) {
        lock(&self.held).on = false;
        self.changed.notify_all();
    }
}

impl StorageBackend for Slow {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        std::thread::sleep(Duration::from_millis(self.sync_ms.load(Ordering::Relaxed)));
        let mut held = lock(&self.held);
        held.waiting += 1;
        self.changed.notify_all();
        let waited = self.changed.wait_while(held, |held| held.on);
        waited.unwrap_or_else(PoisonError::into_inner).waiting -= 1;
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }
}

/// Bytes that a file system gives out at once.
const BLOCK_BYTES: u64 = 4_096;

/// A disk in memory with room for so many blocks. As on a real one, what has its block can be written again when it is
/// full, the length of a file costs nothing, and a write into new blocks fails.
#[derive(Default)]
pub struct Full {
    inner: InMemoryBackend,
    state: Mutex<Blocks>,
}

#[derive(Default)]
struct Blocks {
    used: BTreeSet<u64>,
    most: usize,
    read_only: bool,
}

impl fmt::Debug for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = lock(&self.state);
        write!(f, "Full({} of {} blocks)", state.used.len(), state.most)
    }
}

impl Full {
    /// A disk with room for this many bytes.
    #[must_use]
    pub fn with_room(bytes: u64) -> Self {
        let full = Self::default();
        full.set_room(bytes);
        full
    }

    /// From now on there is room for this many bytes in all.
    pub fn set_room(&self, bytes: u64) {
        lock(&self.state).most = usize::try_from(bytes / BLOCK_BYTES).unwrap_or(usize::MAX);
    }

    /// From now on there is room for what is there and nothing more.
    pub fn fill(&self) {
        let mut state = lock(&self.state);
        state.most = state.used.len();
    }

    /// From now on nothing can be written at all, or again.
    pub fn set_read_only(&self, read_only: bool) {
        lock(&self.state).read_only = read_only;
    }
}

impl StorageBackend for Full {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        state.used.split_off(&len.div_ceil(BLOCK_BYTES));
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut state = lock(&self.state);
        if state.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        let end = (offset + data.len() as u64).div_ceil(BLOCK_BYTES);
        for block in offset / BLOCK_BYTES..end {
            if state.used.contains(&block) {
                continue;
            }
            if state.used.len() >= state.most {
                return Err(io::ErrorKind::StorageFull.into());
            }
            state.used.insert(block);
        }
        self.inner.write(offset, data)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
