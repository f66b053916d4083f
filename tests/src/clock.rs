//! The wall clock of a process, set by the test while the process runs (libfaketime, preloaded). The monotonic clock goes
//! on as it is, unless the test asks for it to jump too.

use std::{
    path::PathBuf,
    process::Command,
    time::{SystemTime, UNIX_EPOCH},
};

/// Which of its clocks a process takes from the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Faked {
    /// The wall clock alone.
    Wall,
    /// The monotonic clock too: time passes for the process.
    Both,
}

/// The clock of one process.
pub struct Clock {
    library: String,
    folder: tempfile::TempDir,
    faked: Faked,
}

/// Where the library lies, as its own starter tells.
fn library() -> Option<String> {
    let asked = Command::new("faketime").args(["2020-01-01", "printenv", "LD_PRELOAD"]).output().ok()?;
    let path = String::from_utf8(asked.stdout).ok()?.trim().to_owned();
    (!path.is_empty()).then_some(path)
}

/// Why no clock can be set here; a test that needs it prints it and ends.
#[must_use]
pub fn unavailable() -> Option<String> {
    library().is_none().then(|| "no faketime (Debian's package `faketime`)".into())
}

/// What the machine's own clock says, in Unix seconds.
///
/// # Panics
/// If it stands before 1970.
#[must_use]
pub fn today() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock that is set");
    i64::try_from(since.as_secs()).expect("our century")
}

impl Clock {
    /// A clock that says what the machine's says.
    ///
    /// # Panics
    /// If there is none; ask [`unavailable`] before.
    #[must_use]
    pub fn new(faked: Faked) -> Self {
        let clock =
            Self { library: library().expect("asked before"), folder: tempfile::tempdir().expect("a folder"), faked };
        clock.shift(0);
        clock
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("time")
    }

    /// From now on it is so many seconds off.
    ///
    /// # Panics
    /// If the file cannot be written.
    pub fn shift(&self, seconds: i64) {
        let fresh = self.folder.path().join("fresh");
        std::fs::write(&fresh, format!("{seconds:+}\n")).expect("a file of our own");
        std::fs::rename(&fresh, self.file()).expect("a file of our own");
    }

    /// From now on it is this Unix second.
    pub fn set(&self, unix: i64) {
        self.shift(unix - today());
    }

    /// What the process is started with.
    #[must_use]
    pub fn environment(&self) -> Vec<(String, String)> {
        let mut all = vec![
            ("LD_PRELOAD".to_owned(), self.library.clone()),
            ("FAKETIME_TIMESTAMP_FILE".to_owned(), self.file().display().to_string()),
            ("FAKETIME_NO_CACHE".to_owned(), "1".to_owned()),
        ];
        if self.faked == Faked::Wall {
            all.push(("FAKETIME_DONT_FAKE_MONOTONIC".to_owned(), "1".to_owned()));
        }
        all
    }
}
