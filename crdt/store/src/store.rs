//! The store as the daemon holds it: opened, checked, written to by one thread, closed.

use std::sync::{Arc, Mutex, PoisonError};

use meerkat_protocols::{
    batch::Batch,
    home::{HomeId, NodeNumber},
};
use redb::StorageBackend;

use crate::{
    Folder, Keyring,
    access::AccessWrite,
    batch,
    errors::{CheckError, CommitError, Fault, OpenError},
    facts::Logs,
    file::{Handle, Source, Writing},
    schema::{self, MIGRATIONS, Migration, Run},
    seal::Seal,
};

/// What a store may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Memory for pages of the file.
    pub cache_bytes: usize,
    /// Nothing is written while the disk has less left than this: the system needs the last of it, and a refused commit
    /// is cheaper than a failed one.
    pub reserve_bytes: u64,
    /// Unix seconds now, or `None` while the clock is not set.
    pub wall: Option<i64>,
}

impl Default for Options {
    /// 8 MiB of cache, where redb would take a GiB: a page of calls reads some 100 kB, and a Raspberry Pi has a GiB.
    fn default() -> Self {
        Self { cache_bytes: 8 << 20, reserve_bytes: 4 << 20, wall: None }
    }
}

/// Seconds after which a file is checked again though nothing happened to it: cards decay lying still.
const CHECK_EVERY_S: u64 = 7 * 86_400;

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checked {
    /// Everything was as written. If not, the database has repaired it, and what was told to be saved since the last
    /// orderly stop may be gone.
    pub intact: bool,
}

/// An open store.
#[derive(Debug)]
pub struct Store {
    pub(crate) handle: Arc<Handle>,
    run: Mutex<Progress>,
    _folder: Option<Folder>,
}

/// What is known about this run and the one before it.
#[derive(Debug, Clone, Copy)]
struct Progress {
    /// As it stood when the file was opened; `clean` is true again after a check.
    last: Run,
    /// That this run is under way stands in the file.
    marked: bool,
}

/// Reads for people: typed, in short transactions of their own. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Reader {
    pub(crate) handle: Arc<Handle>,
}

impl Store {
    /// Opens the store in a folder, or makes it. If the power went in the last run, this repairs the file, which reads
    /// all of it; nothing else in here takes long.
    ///
    /// # Errors
    /// [`OpenError`], in words for the person who started the daemon. The file is never deleted.
    pub fn open(folder: &Folder, key: impl Into<Keyring>, options: Options) -> Result<Self, OpenError> {
        let key = &key.into();
        if !folder.has_database()? {
            folder.make_database(|unfinished| {
                let source = Source::File(unfinished.to_owned());
                let made = Self::open_source(source, None, key, options, MIGRATIONS)?;
                made.close().map_err(|e| OpenError::Other(e.to_string()))
            })?;
        }
        let source = Source::File(folder.database());
        Self::open_source(source, Some(folder.clone()), key, options, MIGRATIONS)
    }

    /// Opens a store on a backend instead of a file, for tests.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_on(
        backend: Arc<dyn StorageBackend>,
        key: impl Into<Keyring>,
        options: Options,
    ) -> Result<Self, OpenError> {
        Self::open_source(Source::Backend(backend), None, &key.into(), options, MIGRATIONS)
    }

    pub(crate) fn open_source(
        source: Source,
        folder: Option<Folder>,
        key: &Keyring,
        options: Options,
        migrations: &[Migration],
    ) -> Result<Self, OpenError> {
        let place = folder.as_ref().map_or_else(Default::default, Folder::database);
        let fault = |fault| OpenError::of_fault(&place, fault);
        let is_new = source.is_empty().map_err(|e| OpenError::of_io(&place, e))?;
        if !is_new {
            schema::refuse_newer(&source, migrations)?;
        }
        let handle = Handle::open(source, options.cache_bytes, options.reserve_bytes, Seal::new(key)).map_err(fault)?;
        let last = schema::prepare(&handle, is_new, migrations, options.wall, fault)?;
        let run = Mutex::new(Progress { last, marked: false });
        Ok(Self { handle: Arc::new(handle), run, _folder: folder })
    }

    /// Whether to check before anybody reads: the last run did not stop in order, or the last check is more than a week
    /// ago by the clock, in either direction.
    #[must_use]
    pub fn needs_check(&self, wall: Option<i64>) -> bool {
        let last = self.progress().last;
        let is_old = |now: i64| last.last_check.is_none_or(|then| now.abs_diff(then) > CHECK_EVERY_S);
        !last.clean || wall.is_some_and(is_old)
    }

    /// Reads the whole file and compares it with its checksums. Readers and commits wait meanwhile, so it comes before
    /// the node's memory is restored; calls ring.
    ///
    /// # Errors
    /// [`CheckError::Damaged`] if the file is damaged beyond repair. It can be read further: what was altered in it is
    /// not given out.
    pub fn check(&self, wall: Option<i64>) -> Result<Checked, CheckError> {
        let intact = self.handle.check()?;
        let last = Run { clean: true, last_check: wall.or(self.progress().last.last_check) };
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Progress { last, marked: false };
        self.write(|_| Ok(()))?;
        Ok(Checked { intact })
    }

    /// Writes a batch, all of it or nothing. When this returns `Ok`, it survives a power cut.
    ///
    /// # Errors
    /// [`CommitError`] says whether the disk is full, read-only or damaged. The batch may be committed again: each write
    /// replaces what stood under its key.
    pub fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        Ok(self.write(|writing| {
            let mut logs = Logs::new(self.handle.node(), self.handle.home());
            batch.writes.iter().try_for_each(|write| batch::apply(writing, &mut logs, write))?;
            logs.keep(writing)
        })?)
    }

    /// Writes users, sessions and API keys as durably as [`Store::commit`].
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn commit_access(&self, writes: &[AccessWrite]) -> Result<(), CommitError> {
        Ok(self.write(|writing| writes.iter().try_for_each(|write| write.apply(writing)))?)
    }

    /// Takes the next `by` event ids for this run and gives the first of them. They are never given again, so that a page
    /// that was open over a restart takes no new event for one it has seen.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn raise_event_floor(&self, by: u64) -> Result<u64, CommitError> {
        Ok(self.write(|writing| schema::raise_floor(writing, schema::EVENT_FLOOR, by))?)
    }

    /// The number of this node in its home, under which its calls are kept; 0 until this is called.
    pub fn set_node(&self, node: NodeNumber) {
        self.handle.set_node(node);
    }

    /// The home, by which erased numbers that members name are known. Until this is called, none are.
    pub fn set_home(&self, home: HomeId) {
        self.handle.set_home(home);
    }

    /// What stands for a number or a name where neither may be written: 8 digits of a keyed hash.
    #[must_use]
    pub fn short_hash(&self, bytes: &[u8]) -> String {
        let hash = self.handle.hash("audit", bytes);
        hash[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// A reader.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader { handle: self.handle.clone() }
    }

    /// Closes the store in order. Readers that are left over find it closed.
    ///
    /// # Errors
    /// As [`Store::commit`]; the file is closed all the same, and the next start will check it.
    pub fn close(self) -> Result<(), CommitError> {
        let Progress { last, marked } = self.progress();
        let marking = if marked && last.clean && !self.handle.is_broken() {
            self.handle.write(|writing| last.put(writing))
        } else {
            Ok(())
        };
        let closing = self.handle.close();
        marking.and(closing).map_err(CommitError::from)
    }

    /// A write transaction. The first of a run also writes that the run is under way.
    pub(crate) fn write<T>(&self, f: impl FnOnce(&Writing<'_>) -> Result<T, Fault>) -> Result<T, Fault> {
        let Progress { last, marked } = self.progress();
        let out = self.handle.write(|writing| {
            if !marked {
                Run { clean: false, ..last }.put(writing)?;
            }
            f(writing)
        })?;
        self.run.lock().unwrap_or_else(PoisonError::into_inner).marked = true;
        Ok(out)
    }

    fn progress(&self) -> Progress {
        *self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
