//! Backups that the node makes by itself: what is planned, kept sealed in the store, and the making of one: written beside,
//! read back to its end, renamed; only then do old ones make room.
//!
//! No pass-phrase is kept. What is kept is the head that all these files share and the key in it (`age.rs`): it opens them and
//! nothing else. Who can read it can read the store anyway, and learns beside that what was in older backups.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufReader, BufWriter, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use meerkat_protocols::schedule::{self, Every, MAX_KEPT, Past};
use serde::{Deserialize, Serialize};

use crate::{
    Reader, Store,
    age::{self, Head},
    backup::{self, NotBackedUp, NotRestored},
    errors::{CommitError, ReadError},
    tables::{META, meta_key},
};

const PLAN: [u8; 16] = meta_key("backup plan");
/// What a folder for backups has in it, so that the empty place where a disk is missing is not taken for it.
const MARK: &str = ".meerkat-backups";
const FRONT: &str = "meerkat-auto-";
const END: &str = ".age";
const PART: &str = ".part";
/// What is left free for everything else: a day of a busy node, and of whatever else the machine does.
const RESERVE_BYTES: u64 = 256 << 20;
/// How often it is looked whether the disk fills while a backup is written.
const LOOK_EVERY_BYTES: u64 = 8 << 20;
/// The longest path.
const MAX_PATH_BYTES: usize = 1_024;

/// What is planned.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// How often.
    pub every: Every,
    /// Where to.
    pub folder: String,
    /// How many are kept.
    pub keep: u8,
    head: Option<Head>,
    /// The last one.
    pub last: LastBackup,
    next: u64,
}

/// What became of the last backups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastBackup {
    /// Unix seconds of the last that was made and checked.
    pub done: Option<i64>,
    /// Its file.
    pub file: String,
    /// How large it is.
    pub bytes: u64,
    /// Why the one after it failed.
    pub problem: Option<String>,
}

/// Why there is no new backup, in words for the person who can mend it. The old ones are as they were.
#[derive(Debug, thiserror::Error)]
pub enum NotMade {
    /// Nothing is planned.
    #[error("no backups are planned: choose how often, where to, and a pass-phrase")]
    NoPlan,
    /// What was asked for makes no sense.
    #[error("{0}")]
    Wrong(String),
    /// The folder is not there.
    #[error(
        "the folder {0} is not there, or is not the one that was chosen: is its disk plugged in? If it is another disk now, choose the folder again"
    )]
    NoFolder(String),
    /// The disk would be too full.
    #[error("the disk of {0} has too little room left for a backup: free some, keep fewer, or choose another folder")]
    NoRoom(String),
    /// It cannot be written.
    #[error("the backup could not be written to {0}: {1}")]
    Disk(String, String),
    /// What was written does not read back.
    #[error("the backup was written to {0} and did not read back ({1}): that disk may be failing. It was removed")]
    NotWhole(String, String),
    /// The store does not give it.
    #[error("{0}")]
    Store(String),
}

impl Plan {
    /// A plan of these wishes; without a pass-phrase that of before goes on.
    ///
    /// # Errors
    /// [`NotMade::Wrong`] or [`NotMade::NoFolder`].
    pub fn wished(
        before: Option<Self>,
        every: Every,
        folder: &Path,
        keep: u8,
        words: Option<&str>,
    ) -> Result<Self, NotMade> {
        let wrong = |words: &str| NotMade::Wrong(words.to_owned());
        let before = before.unwrap_or_default();
        let text = folder.to_str().filter(|text| text.len() <= MAX_PATH_BYTES && !text.chars().any(char::is_control));
        let text = text.ok_or_else(|| wrong("this is no path of a folder"))?.to_owned();
        if every == Every::Never {
            return Ok(Self { every, ..before });
        }
        if !folder.is_absolute() {
            return Err(wrong("give the whole path of the folder, from / on"));
        }
        if !(1..=MAX_KEPT).contains(&keep) {
            return Err(NotMade::Wrong(format!("1 to {MAX_KEPT} backups can be kept")));
        }
        let head = match words {
            Some(words) => Some(Head::new(words).map_err(|e| NotMade::Store(e.to_string()))?),
            None => before.head.clone(),
        };
        if head.is_none() {
            return Err(wrong("choose the pass-phrase that opens these backups"));
        }
        mark(folder)?;
        let last = if before.folder == text { before.last } else { LastBackup { done: None, ..before.last } };
        Ok(Self { every, folder: text, keep, head, last, next: before.next })
    }

    /// Whether a pass-phrase was chosen.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.head.is_some()
    }

    /// What the rules of when go by.
    #[must_use]
    pub fn past(&self, failed_ms: Option<u64>) -> Past {
        Past { done: self.last.done, failed_ms }
    }
}

pub(crate) fn is_plan(key: &[u8]) -> bool {
    key == PLAN
}

impl Reader {
    /// What is planned, if anything.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn backup_plan(&self) -> Result<Option<Plan>, ReadError> {
        Ok(self.handle.read(|reading| reading.get(&META, &PLAN))?)
    }
}

impl Store {
    /// Keeps a plan in the place of the one of before.
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn set_backup_plan(&self, plan: &Plan) -> Result<(), CommitError> {
        Ok(self.write(|writing| writing.put(&META, &PLAN, plan))?)
    }

    /// Makes the planned backup now. What came of it is kept in the plan.
    ///
    /// # Errors
    /// [`NotMade`]; all older backups are there still.
    pub fn make_planned(&self, wall: Option<i64>) -> Result<LastBackup, NotMade> {
        let store = |e: &dyn std::fmt::Display| NotMade::Store(e.to_string());
        let mut plan = self.reader().backup_plan().map_err(|e| store(&e))?.ok_or(NotMade::NoPlan)?;
        let made = make(&self.reader(), &mut plan, wall);
        match &made {
            Ok(last) => plan.last = last.clone(),
            Err(why) => plan.last.problem = Some(why.to_string()),
        }
        // The plan may have been changed meanwhile: only what came of the backup is noted in it.
        let kept = self.reader().backup_plan().map_err(|e| store(&e))?.unwrap_or_default();
        if kept.folder == plan.folder {
            let noted = Plan { last: plan.last, next: plan.next.max(kept.next), ..kept };
            self.set_backup_plan(&noted).map_err(|e| store(&e))?;
        }
        made
    }
}

fn make(reader: &Reader, plan: &mut Plan, wall: Option<i64>) -> Result<LastBackup, NotMade> {
    let Some(head) = plan.head.clone() else { return Err(NotMade::NoPlan) };
    let folder = Path::new(&plan.folder).to_owned();
    let shown = || plan.folder.clone();
    if !folder.join(MARK).is_file() {
        return Err(NotMade::NoFolder(shown()));
    }
    let disk = |e: io::Error| NotMade::Disk(folder.display().to_string(), e.to_string());
    let numbers = numbers(&folder).map_err(disk)?;
    let number = plan.next.max(numbers.iter().max().map_or(0, |last| last.saturating_add(1)));
    let (file, part) = (folder.join(name(number)), folder.join(name(number) + PART));
    remove_parts(&folder).map_err(disk)?;
    // The first is no larger than the store.
    let expected = if plan.last.bytes > 0 { plan.last.bytes } else { reader.handle.bytes() };
    if free(&folder).is_some_and(|free| !schedule::fits(free, expected, RESERVE_BYTES)) {
        return Err(NotMade::NoRoom(shown()));
    }
    let bytes = written(reader, &head, wall, &part).inspect_err(|_| drop(fs::remove_file(&part)))?;
    let whole = File::open(&part).map_err(|e| NotRestored::Disk(e.to_string())).and_then(|from| {
        let from = age::Reader::under(BufReader::new(from), &head)?;
        backup::look_through(from)
    });
    if let Err(why) = whole {
        let _ = fs::remove_file(&part);
        return Err(NotMade::NotWhole(shown(), why.to_string()));
    }
    fs::rename(&part, &file).and_then(|()| File::open(&folder)?.sync_all()).map_err(disk)?;
    plan.next = number.saturating_add(1);
    // Only now that a newer one is whole.
    let all: Vec<u64> = numbers.into_iter().chain([number]).collect();
    for old in schedule::surplus(all, plan.keep) {
        if let Err(error) = fs::remove_file(folder.join(name(old))) {
            tracing::warn!(%error, "an old backup is left over");
        }
    }
    Ok(LastBackup { done: wall, file: file.display().to_string(), bytes, problem: None })
}

/// Writes it, and looks now and then whether the disk fills.
fn written(reader: &Reader, head: &Head, wall: Option<i64>, part: &Path) -> Result<u64, NotMade> {
    let at = part.parent().unwrap_or(part).display().to_string();
    let disk = |e: io::Error| NotMade::Disk(at.clone(), e.to_string());
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(part).map_err(disk)?;
    let out = Watched { out: BufWriter::new(file), part: part.to_owned(), bytes: 0, looked: 0 };
    let writer = age::Writer::under(out, head).map_err(disk)?;
    let made = reader.back_up_into(writer, wall);
    if let Err(why) = made {
        return Err(match why {
            NotBackedUp::File(e) if e.kind() == io::ErrorKind::StorageFull => NotMade::NoRoom(at),
            NotBackedUp::File(e) => disk(e),
            NotBackedUp::Store(why) => NotMade::Store(why),
        });
    }
    let file = File::open(part).map_err(disk)?;
    file.sync_all().map_err(disk)?;
    Ok(file.metadata().map_err(disk)?.len())
}

/// A file that is not written on when its disk has too little left.
struct Watched {
    out: BufWriter<File>,
    part: PathBuf,
    bytes: u64,
    looked: u64,
}

impl Write for Watched {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.bytes >= self.looked + LOOK_EVERY_BYTES {
            self.looked = self.bytes;
            if free(&self.part).is_some_and(|free| free < RESERVE_BYTES) {
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        let taken = self.out.write(bytes)?;
        self.bytes += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Bytes left on the disk; nothing, if the file system does not say.
fn free(at: &Path) -> Option<u64> {
    rustix::fs::statvfs(at).ok().map(|disk| disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn name(number: u64) -> String {
    format!("{FRONT}{number:06}{END}")
}

fn number_of(name: &str) -> Option<u64> {
    name.strip_prefix(FRONT)?.strip_suffix(END)?.parse().ok().filter(|number| self::name(*number) == name)
}

/// The numbers of the backups in a folder that were made by a plan. Nothing else in it is ever touched.
fn numbers(folder: &Path) -> io::Result<Vec<u64>> {
    let names = fs::read_dir(folder)?.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    Ok(names.filter_map(|name| number_of(&name)).collect())
}

/// What a kill left half written.
fn remove_parts(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        let name = entry.file_name().into_string().unwrap_or_default();
        if name.strip_suffix(PART).and_then(number_of).is_some() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Marks a folder as the one that was chosen. Only the last part of its path is made: a disk that is not there is not made up.
fn mark(folder: &Path) -> Result<(), NotMade> {
    let shown = || folder.display().to_string();
    if !folder.is_dir() {
        fs::create_dir(folder).map_err(|_| NotMade::NoFolder(shown()))?;
    }
    let words = "Backups that a node of Meerkat makes by itself.\n";
    fs::write(folder.join(MARK), words).map_err(|e| NotMade::Disk(shown(), e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Folder, KeyCase, Options, RestoreAs};

    const WORDS: &str = "seven storks over the mill";

    fn site() -> (tempfile::TempDir, Folder, Store) {
        let dir = tempfile::tempdir().unwrap();
        let folder = Folder::take(&dir.path().join("data")).unwrap();
        let case = KeyCase::create(&folder).unwrap();
        let store = Store::open(&folder, case.ring(), Options::default()).unwrap();
        (dir, folder, store)
    }

    fn planned(store: &Store, folder: &Path, keep: u8, words: Option<&str>) -> Result<(), NotMade> {
        let before = store.reader().backup_plan().unwrap();
        let plan = Plan::wished(before, Every::Week, folder, keep, words)?;
        store.set_backup_plan(&plan).unwrap();
        Ok(())
    }

    #[test]
    fn so_many_are_kept_each_opens_with_the_pass_phrase_and_nothing_else_is_touched() {
        let (dir, data, store) = site();
        let folder = dir.path().join("backups");
        assert!(matches!(store.make_planned(Some(1)), Err(NotMade::NoPlan)));
        assert!(matches!(planned(&store, &folder, 2, None), Err(NotMade::Wrong(_))));
        planned(&store, &folder, 2, Some(WORDS)).unwrap();
        fs::write(folder.join("meerkat-auto-7.age"), "not ours").unwrap();
        fs::write(folder.join("meerkat-auto-000099.age.part"), "half").unwrap();
        for n in 1..=4 {
            let made = store.make_planned(Some(n)).unwrap();
            assert_eq!((made.done, made.problem), (Some(n), None));
        }
        let mut left = numbers(&folder).unwrap();
        left.sort_unstable();
        assert_eq!(left, [2, 3]);
        assert!(folder.join("meerkat-auto-7.age").exists() && !folder.join("meerkat-auto-000099.age.part").exists());
        // Without a new pass-phrase the plan goes on with the one of before.
        planned(&store, &folder, 1, None).unwrap();
        store.make_planned(Some(5)).unwrap();
        assert_eq!(numbers(&folder).unwrap(), [4]);
        let from = File::open(folder.join(name(4))).unwrap();
        let found = data.unpack(WORDS, RestoreAs::Same, Some(1_795_262_400), from).unwrap();
        assert_eq!(found.backup.created, Some(5));
        assert!(!format!("{:?}", store.reader().backup_plan()).contains("storks"));
    }

    #[test]
    fn a_disk_that_is_gone_or_another_is_said_and_the_old_backups_stay() {
        let (dir, _data, store) = site();
        let folder = dir.path().join("usb");
        planned(&store, &folder, 1, Some(WORDS)).unwrap();
        store.make_planned(Some(1)).unwrap();
        fs::rename(&folder, dir.path().join("unplugged")).unwrap();
        fs::create_dir(&folder).unwrap();
        let why = store.make_planned(Some(2)).unwrap_err();
        assert!(matches!(why, NotMade::NoFolder(_)), "{why}");
        let plan = store.reader().backup_plan().unwrap().unwrap();
        assert_eq!((plan.last.done, plan.last.problem.is_some()), (Some(1), true));
        assert_eq!(numbers(&dir.path().join("unplugged")).unwrap(), [0]);
        assert!(matches!(planned(&store, Path::new("/nowhere/at/all"), 1, None), Err(NotMade::NoFolder(_))));
        assert!(matches!(planned(&store, Path::new("usb"), 1, None), Err(NotMade::Wrong(_))));
        assert!(matches!(planned(&store, &folder, 0, None), Err(NotMade::Wrong(_))));
    }

    #[test]
    fn names_are_told_from_others_exactly() {
        assert_eq!(number_of(&name(12)), Some(12));
        assert_eq!(number_of(&name(u64::MAX)), Some(u64::MAX));
        for other in ["meerkat-auto-12.age", "meerkat-auto-+00012.age", "meerkat-auto-000012.age.part", "x", ""] {
            assert_eq!(number_of(other), None, "{other}");
        }
    }
}
