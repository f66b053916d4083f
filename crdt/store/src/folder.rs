//! What lies beside the database in the data folder: the lock that tells a second daemon whose the folder is. The file of
//! the data key is in `keyfile.rs`.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{FlockOperation, flock};

use crate::errors::OpenError;

/// The database.
pub(crate) const DATABASE_FILE: &str = "meerkat.redb";
const UNFINISHED_FILE: &str = "meerkat.redb.new";
const LOCK_FILE: &str = "meerkat.lock";
/// More than any process id and host name have: what somebody else put there is not read to its end.
const MAX_LOCK_BYTES: u64 = 512;

/// A data folder that is ours: locked until the last clone is dropped, or the process dies in whatever way.
#[derive(Debug, Clone)]
pub struct Folder {
    path: PathBuf,
    _lock: Arc<File>,
}

impl Folder {
    /// Makes the folder if needed, for its owner alone, and takes it.
    ///
    /// # Errors
    /// [`OpenError::InUse`] with the other's process id, or whatever keeps the folder from being used.
    pub fn take(folder: &Path) -> Result<Self, OpenError> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| OpenError::of_io(folder, e))?;
        let path = folder.join(LOCK_FILE);
        let at_path = |e: io::Error| OpenError::of_io(&path, e);
        let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).clone();
        let mut file = options.open(&path).map_err(at_path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(in_use(folder, &mut file)),
            Err(e) => return Err(at_path(e.into())),
        }
        // The text is for people: a full disk must not keep the daemon from starting.
        if let Err(error) = sign(&mut file) {
            tracing::warn!(%error, "could not write whose the data folder is");
        }
        Ok(Self { path: folder.to_owned(), _lock: Arc::new(file) })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database in it.
    pub(crate) fn database(&self) -> PathBuf {
        self.path.join(DATABASE_FILE)
    }

    /// Whether there is one. An empty file is none that we made: whatever emptied it, beginning anew in it would hide it.
    pub(crate) fn has_database(&self) -> Result<bool, OpenError> {
        let path = self.database();
        match fs::metadata(&path) {
            Ok(found) if found.len() == 0 => Err(OpenError::Damaged(format!("{} is empty", path.display()))),
            Ok(_) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(OpenError::of_io(&path, e)),
        }
    }

    /// Has a database made under another name and gives it its own when it is whole: redb does not open a file during
    /// whose making the power went.
    pub(crate) fn make_database(&self, make: impl FnOnce(&Path) -> Result<(), OpenError>) -> Result<(), OpenError> {
        let unfinished = self.path.join(UNFINISHED_FILE);
        let at_path = |e: io::Error| OpenError::of_io(&unfinished, e);
        match fs::remove_file(&unfinished) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(at_path(e)),
            Ok(()) | Err(_) => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished).map_err(at_path)?;
        make(&unfinished)?;
        fs::rename(&unfinished, self.database()).map_err(at_path)?;
        File::open(&self.path).and_then(|folder| folder.sync_all()).map_err(at_path)
    }
}

/// Writes whose the folder is.
fn sign(file: &mut File) -> io::Result<()> {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    file.set_len(0)?;
    file.rewind()?;
    write!(file, "{}\n{host}\n", std::process::id())
}

fn in_use(folder: &Path, file: &mut File) -> OpenError {
    let mut text = String::new();
    // Unreadable means only that the other's number cannot be told.
    let _ = file.take(MAX_LOCK_BYTES).read_to_string(&mut text);
    let mut lines = text.lines();
    let pid = lines.next().and_then(|line| line.trim().parse().ok());
    let host = meerkat_protocols::text::inert(lines.next().unwrap_or_default());
    OpenError::InUse { folder: folder.to_owned(), pid, host }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_on_a_folder_is_told_whose_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("new/data");
        let first = Folder::take(&data).unwrap();
        let error = Folder::take(&data).unwrap_err();
        let OpenError::InUse { pid, .. } = &error else { panic!("{error}") };
        assert_eq!(*pid, Some(std::process::id()));
        assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
        drop(first);
        Folder::take(&data).unwrap();
    }
}
