//! A process that dies at a moment that is counted, not waited for: at its n-th write to a file or flush of one, as
//! strace(1) counts them. Needs root, or a system that lets a user trace its own processes.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use crate::daemon::Daemon;

/// At which of its calls to the system a process dies, just before the call is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum At {
    /// A flush: what a commit ends with (fdatasync(2)).
    Flush(u32),
    /// A write into a file at some place: a commit has many (pwrite64(2)).
    Write(u32),
}

impl At {
    /// A moment out of very many, told by a seed: a flush twice of three times, because that is where a commit counts.
    #[must_use]
    pub fn seeded(seed: u64, flushes: u32, writes: u32) -> Self {
        // George Marsaglia's xorshift (2003): moments need to vary, no more.
        let mut chance = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        for shift in [13, 7, 17] {
            chance ^= if shift == 7 { chance >> shift } else { chance << shift };
        }
        let below = |most: u32| u32::try_from((chance >> 20) % u64::from(most.max(1))).unwrap_or(0) + 1;
        if chance % 3 < 2 { Self::Flush(below(flushes)) } else { Self::Write(below(writes)) }
    }

    fn words(self) -> [String; 4] {
        let (call, nth) = match self {
            Self::Flush(nth) => ("fdatasync", nth),
            Self::Write(nth) => ("pwrite64", nth),
        };
        ["-e".into(), format!("trace={call}"), "-e".into(), format!("inject={call}:signal=KILL:when={nth}")]
    }

    /// What to put before a program so that it dies at this moment of its life, each of its threads counting for itself.
    #[must_use]
    pub fn before(self) -> Vec<String> {
        let strace = ["strace", "-f", "-qqq", "-o", "/dev/null"].map(str::to_owned);
        strace.into_iter().chain(self.words()).collect()
    }
}

/// Ends a daemon that was started with [`At::before`] and lived: the tracer alone would leave it behind.
///
/// # Panics
/// If it does not end.
pub fn end_traced(daemon: &mut Daemon) {
    let tracer = daemon.pid();
    let traced = std::fs::read_to_string(format!("/proc/{tracer}/task/{tracer}/children")).unwrap_or_default();
    for pid in traced.split_whitespace() {
        let killed = Command::new("kill").args(["-KILL", pid]).status().expect("kill is there");
        assert!(killed.success(), "process {pid}");
    }
    let _ = daemon.wait();
}

/// Why no process can be made to die so here; a test that needs it prints it and ends.
#[must_use]
pub fn unavailable() -> Option<String> {
    let probe = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    match probe {
        Ok(status) if status.success() => None,
        Ok(_) => Some("strace may not trace here".into()),
        Err(why) => Some(format!("no strace: {why}")),
    }
}

/// A running process that dies at a moment counted from now. Dropped, it lets the process live on.
pub struct Death {
    tracer: Child,
}

impl Death {
    /// Waits until every thread of the process is watched.
    ///
    /// # Panics
    /// If the process cannot be watched.
    #[must_use]
    pub fn awaits(pid: u32, at: At) -> Self {
        let mut command = Command::new("strace");
        command.args(["-f", "-o", "/dev/null"]).args(at.words()).args(["-p", &pid.to_string()]);
        let mut tracer = command.stderr(Stdio::piped()).spawn().expect("strace is there");
        let mut lines = BufReader::new(tracer.stderr.take().expect("piped")).lines().map_while(Result::ok);
        let attached = lines.any(|line| line.contains("attached"));
        assert!(attached, "the process cannot be watched");
        // Each new thread is a line more: a full pipe would stop the tracer, and with it the process.
        std::thread::spawn(move || lines.for_each(drop));
        Self { tracer }
    }
}

impl Drop for Death {
    fn drop(&mut self) {
        // By SIGTERM it lets go of what it traces; killed outright, it might take the process along.
        let _ = Command::new("kill").args(["-TERM", &self.tracer.id().to_string()]).status();
        let _ = self.tracer.wait();
    }
}
