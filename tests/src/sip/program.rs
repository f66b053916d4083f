//! A foreign program as a child process whose output is read line by line.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::Signal;

/// A running program; killed when dropped.
#[derive(Debug)]
pub(crate) struct Program {
    name: &'static str,
    child: Child,
    output: Arc<Mutex<String>>,
}

impl Program {
    /// Starts a program of a Debian package.
    ///
    /// # Panics
    /// If it is not installed.
    pub(crate) fn start<S: AsRef<OsStr>>(
        name: &'static str,
        package: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> Program {
        let mut command = Command::new(name);
        // Debian keeps daemons in sbin, which is not on everybody's path.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin:/sbin")).args(arguments);
        // A group of its own: kamailio is a dozen processes, and the first one's death would leave the others answering.
        command.process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(trouble) => panic!(
                "{name} does not start: {trouble}. It is in the Debian package {package}: `cargo xtask test` installs it, \
                 or `apt-get install {package}`"
            ),
        };
        let output = Arc::new(Mutex::default());
        read(child.stdout.take(), &output);
        read(child.stderr.take(), &output);
        Program { name, child, output }
    }

    /// All output so far.
    pub(crate) fn text(&self) -> String {
        self.output.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for the end.
    ///
    /// # Panics
    /// When it does not come in time: with all output.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        crate::wait::until(&format!("the end of {}:\n{}", self.name, self.text()), || {
            self.child.try_wait().ok().flatten()
        })
    }

    /// Whether it has ended, and how.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(&self.child), Signal::KILL);
        let _ = self.child.wait();
    }
}

fn read(from: Option<impl Read + Send + 'static>, output: &Arc<Mutex<String>>) {
    let Some(from) = from else { return };
    let output = Arc::clone(output);
    std::thread::spawn(move || {
        let mut reader = BufReader::new(from);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            output.lock().unwrap_or_else(PoisonError::into_inner).push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    });
}
