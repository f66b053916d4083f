//! Taking the place of the data in a folder: what was restored, and what could not be opened any more. Old data is moved
//! aside and never deleted. A kill at any point leaves the old data or the new.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    Folder, KeyCase,
    backup::{self, Backup, NotRestored, RestoreAs},
    errors::OpenError,
    folder::DATABASE_FILE,
    keyfile::KEY_FILE,
};

/// Where a backup is unpacked and checked.
const UNPACKING: &str = "restoring";
/// What [`UNPACKING`] is called once it is whole: from then on it is the data, wherever it lies.
const READY: &str = "restored";
/// What data that made room is called, with a number behind it.
const ASIDE: &str = "replaced";
/// What makes up the data of a folder, in the order in which it moves: the key first, so that no database ever lies beside
/// a foreign key without the next start going on.
const FILES: [&str; 2] = [KEY_FILE, DATABASE_FILE];

/// A backup that was unpacked and checked, and waits to take the place of the data.
#[derive(Debug)]
pub struct Unpacked {
    folder: PathBuf,
    /// What it holds.
    pub backup: Backup,
}

impl Folder {
    /// Unpacks a backup beside the data and checks it. Nothing of the data is touched; one that was unpacked before and
    /// not used is removed.
    ///
    /// # Errors
    /// [`NotRestored`]; nothing has changed then.
    pub fn unpack(
        &self,
        words: &str,
        as_whom: RestoreAs,
        wall: Option<i64>,
        from: impl Read,
    ) -> Result<Unpacked, NotRestored> {
        self.unpack_as(words, (as_whom, wall), None, from)
    }

    /// As [`Folder::unpack`], with the key kept as in this case.
    pub(crate) fn unpack_as(
        &self,
        words: &str,
        whom_and_when: (RestoreAs, Option<i64>),
        case: Option<&KeyCase>,
        from: impl Read,
    ) -> Result<Unpacked, NotRestored> {
        let side = self.path().join(UNPACKING);
        let disk = |e: io::Error| NotRestored::Disk(e.to_string());
        remove(&side).map_err(disk)?;
        let taken = Folder::take(&side)?;
        let unpacked = backup::unpack(&taken, words, whom_and_when, case, from);
        drop(taken);
        match unpacked {
            Ok(backup) => {
                synced(&side).map_err(disk)?;
                Ok(Unpacked { folder: self.path().to_owned(), backup })
            }
            Err(why) => {
                if let Err(error) = remove(&side) {
                    tracing::warn!(%error, "what was unpacked of a backup is left over");
                }
                Err(why)
            }
        }
    }

    /// Lets data that was restored take its place, if there is any; goes on with it if the power went in between.
    /// `true` if there was. To be called before anything of the folder is opened.
    ///
    /// # Errors
    /// Whatever keeps files from being moved; the next start tries again.
    pub fn take_in_restored(&self) -> Result<bool, OpenError> {
        let ready = self.path().join(READY);
        if !ready.is_dir() {
            return Ok(false);
        }
        let at_ready = |e: io::Error| OpenError::of_io(&ready, e);
        let aside = self.aside().map_err(at_ready)?;
        for file in FILES {
            let (new, place) = (ready.join(file), self.path().join(file));
            if new.exists() {
                move_if_there(&place, &aside.join(file)).map_err(at_ready)?;
                fs::rename(&new, &place).map_err(at_ready)?;
            }
        }
        synced(self.path()).map_err(at_ready)?;
        remove(&ready).map_err(at_ready)?;
        tracing::warn!(aside = %aside.display(), "restored data took the place of what was there, which was moved aside");
        Ok(true)
    }

    /// Moves a database that cannot be opened aside, and its key along as a copy. Gives where it is now.
    ///
    /// # Errors
    /// Whatever keeps it from being moved.
    pub fn set_aside(&self) -> Result<PathBuf, OpenError> {
        let at_folder = |e: io::Error| OpenError::of_io(self.path(), e);
        let aside = self.aside().map_err(at_folder)?;
        let key = self.path().join(KEY_FILE);
        if key.exists() {
            fs::copy(&key, aside.join(KEY_FILE)).map_err(at_folder)?;
        }
        move_if_there(&self.database(), &aside.join(DATABASE_FILE)).map_err(at_folder)?;
        synced(self.path()).map_err(at_folder)?;
        Ok(aside)
    }

    /// A new folder for what makes room.
    fn aside(&self) -> io::Result<PathBuf> {
        let mut n = 1;
        loop {
            let path = self.path().join(format!("{ASIDE}-{n}"));
            match fs::create_dir(&path) {
                Err(e) if e.kind() == io::ErrorKind::AlreadyExists => n += 1,
                made => return made.map(|()| path),
            }
        }
    }
}

impl Unpacked {
    /// From now on this is the data: the next start of the node takes it in.
    ///
    /// # Errors
    /// Whatever keeps it from being renamed; then the old data stays.
    pub fn commit(self) -> Result<Backup, NotRestored> {
        let disk = |e: io::Error| NotRestored::Disk(e.to_string());
        let ready = self.folder.join(READY);
        remove(&ready).map_err(disk)?;
        fs::rename(self.folder.join(UNPACKING), ready).map_err(disk)?;
        synced(&self.folder).map_err(disk)?;
        Ok(self.backup)
    }
}

fn move_if_there(from: &Path, to: &Path) -> io::Result<()> {
    match fs::rename(from, to) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        moved => moved,
    }
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn synced(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}
