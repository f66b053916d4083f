//! What lies beside the database in the data folder: the lock that tells a second daemon whose the folder is, and the
//! file of the data key.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};

use rustix::fs::{FlockOperation, flock};
use zeroize::Zeroizing;

use crate::{DataKey, errors::OpenError};

/// The database.
const DATABASE_FILE: &str = "meerkat.redb";
const UNFINISHED_FILE: &str = "meerkat.redb.new";
const LOCK_FILE: &str = "meerkat.lock";
const KEY_FILE: &str = "seal.key";
/// What follows the key in its file: a hash that tells a decayed file from a key that belongs to other data.
const KEY_CHECK_BYTES: usize = 4;
const KEY_CHECK_DOMAIN: &str = "meerkat 2026-11 store seal.key check";
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

impl DataKey {
    /// Reads the key from `seal.key` in the data folder, or makes one if there is neither key nor data. The folder must be
    /// ours, or two that start at once would each make a key.
    ///
    /// A key beside the data protects a backup or a discarded copy of the database file. It does **not** protect from
    /// the theft of the memory card, which holds both.
    ///
    /// # Errors
    /// [`OpenError::KeyMissing`] if there is data but no key, [`OpenError::KeyDamaged`] if the file holds no key,
    /// otherwise whatever keeps the file from being read or written.
    pub fn load_or_create(folder: &Folder) -> Result<Self, OpenError> {
        let path = folder.path().join(KEY_FILE);
        match File::open(&path) {
            Ok(file) => read_key(&path, file),
            Err(e) if e.kind() == io::ErrorKind::NotFound => create_key(folder, path),
            Err(e) => Err(OpenError::of_io(&path, e)),
        }
    }
}

fn read_key(path: &Path, file: File) -> Result<DataKey, OpenError> {
    let at_path = |e: io::Error| OpenError::of_io(path, e);
    let mode = file.metadata().map_err(at_path)?.permissions().mode();
    if mode & 0o077 != 0 {
        tracing::warn!("seal.key could be read by other users of this machine: taking that right away");
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).map_err(at_path)?;
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(64));
    file.take(64).read_to_end(&mut bytes).map_err(at_path)?;
    let (key, check) = bytes.split_at_checked(32).ok_or_else(|| OpenError::KeyDamaged(path.to_owned()))?;
    let key = Zeroizing::new(<[u8; 32]>::try_from(key).expect("split at 32"));
    if *check != key_check(&key) {
        return Err(OpenError::KeyDamaged(path.to_owned()));
    }
    Ok(DataKey::from_bytes(*key))
}

fn create_key(folder: &Folder, path: PathBuf) -> Result<DataKey, OpenError> {
    let has_data = |m: fs::Metadata| m.len() > 0;
    if fs::metadata(folder.database()).is_ok_and(has_data) {
        return Err(OpenError::KeyMissing(path));
    }
    let key = DataKey::random().map_err(|e| OpenError::Other(e.to_string()))?;
    write_key(folder.path(), &path, &key).map_err(|e| OpenError::of_io(&path, e))?;
    Ok(key)
}

/// Written beside, synced, then renamed, and the folder synced: a power cut leaves a whole key or none, and never data
/// sealed with a key that did not reach the disk.
fn write_key(folder: &Path, path: &Path, key: &DataKey) -> io::Result<()> {
    let fresh = folder.join("seal.key.new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&fresh)?;
    file.write_all(key.bytes())?;
    file.write_all(&key_check(key.bytes()))?;
    file.sync_all()?;
    fs::rename(&fresh, path)?;
    File::open(folder)?.sync_all()
}

fn key_check(key: &[u8; 32]) -> [u8; KEY_CHECK_BYTES] {
    let hash = blake3::derive_key(KEY_CHECK_DOMAIN, key);
    let mut check = [0; KEY_CHECK_BYTES];
    check.copy_from_slice(&hash[..KEY_CHECK_BYTES]);
    check
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_and_is_its_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::take(dir.path()).unwrap();
        let made = DataKey::load_or_create(&folder).unwrap();
        let path = folder.path().join(KEY_FILE);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(DataKey::load_or_create(&folder).unwrap(), made);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(DataKey::load_or_create(&folder).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn no_second_key_is_made_for_data_that_has_lost_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::take(dir.path()).unwrap();
        fs::write(folder.database(), b"data").unwrap();
        let error = DataKey::load_or_create(&folder).unwrap_err();
        assert!(matches!(error, OpenError::KeyMissing(_)), "{error}");
        assert!(!folder.path().join(KEY_FILE).exists());
    }

    #[test]
    fn a_decayed_key_is_told_from_a_foreign_one() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::take(dir.path()).unwrap();
        DataKey::load_or_create(&folder).unwrap();
        let path = folder.path().join(KEY_FILE);
        let good = fs::read(&path).unwrap();
        let mut altered = good.clone();
        altered[5] ^= 4;
        for bad in [altered, good[..20].to_vec(), vec![], [good, vec![0]].concat()] {
            fs::write(&path, bad).unwrap();
            assert!(matches!(DataKey::load_or_create(&folder), Err(OpenError::KeyDamaged(_))));
        }
    }

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
