//! A network without a node behind it, as a process: the example `node` of `meerkat-network`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::wait::PATIENCE;

/// The program: beside the daemon where everything was built for this run, else built now.
///
/// # Panics
/// If it cannot be built.
#[must_use]
pub fn program() -> PathBuf {
    let built = std::env::var_os("MEERKAT_BIN").map(|daemon| PathBuf::from(daemon).with_file_name("examples/node"));
    if let Some(built) = built.filter(|program| program.exists()) {
        return built;
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--package", "meerkat-network", "--example", "node", "--message-format", "json"])
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let messages = output.stdout.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok());
    messages
        .filter(|message: &Value| message["target"]["name"] == "node")
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .expect("cargo names the program")
}

/// One of them, running. It is killed when it is dropped.
pub struct Bare {
    child: Child,
    input: Option<ChildStdin>,
    events: Receiver<Value>,
    /// Its libp2p id.
    pub peer: String,
}

impl Bare {
    /// Starts it.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program starts");
        let (lines, events) = channel();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let event = serde_json::from_str(&line).expect("a line of JSON");
                if lines.send(event).is_err() {
                    return;
                }
            }
        });
        let mut node = Self { input: child.stdin.take(), child, events, peer: String::new() };
        node.peer = node.until("started")["peer"].as_str().expect("a peer").to_owned();
        node
    }

    /// Gives it a line to act on.
    ///
    /// # Panics
    /// If it has ended.
    pub fn say(&mut self, line: &str) {
        writeln!(self.input.as_mut().expect("open"), "{line}").expect("it listens");
    }

    /// The next event, if it comes in time.
    #[must_use]
    pub fn event(&self, within: Duration) -> Option<Value> {
        self.events.recv_timeout(within).ok()
    }

    /// The next event of this kind; others are passed over.
    ///
    /// # Panics
    /// If it does not come.
    #[must_use]
    pub fn until(&self, kind: &str) -> Value {
        self.first(kind, |event| event["event"] == kind)
    }

    /// The next event that fits; others are passed over.
    ///
    /// # Panics
    /// If it does not come.
    #[must_use]
    pub fn first(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = Vec::new();
        loop {
            match self.event(deadline.saturating_duration_since(Instant::now())) {
                Some(event) if fits(&event) => return event,
                Some(event) => seen.push(event),
                None => panic!("{} waited in vain for `{what}`, saw {seen:?}", self.peer),
            }
        }
    }

    /// Stops it in order.
    ///
    /// # Panics
    /// If it does not stop.
    pub fn stop(mut self) {
        drop(self.input.take());
        assert_eq!(self.until("stopped")["in_order"], true);
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // One that was stopped in order is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
