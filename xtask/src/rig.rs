//! A real daemon in a folder of its own: started, watched from outside, stopped or killed.

use std::{
    fs::{self, File},
    io::{BufRead, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::{Duration, Instant},
};

use serde::Deserialize;

use crate::{
    quiet_http,
    run::{Outcome, cargo, show, target},
};

/// A start that takes longer has failed.
const START_LIMIT: Duration = Duration::from_secs(20);
/// Between two looks at a daemon that starts: a fiftieth of the goal for a cold start.
const LOOK_MS: u64 = 5;
/// How long a daemon may take to stop when it is asked to.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// Builds the daemon as a user would get it.
pub(crate) fn release() -> Outcome<PathBuf> {
    show(cargo().args(["build", "--release", "--package", "meerkat"]))?;
    Ok(target()?.join("release/meerkat"))
}

/// Where a daemon lives while it is looked at.
pub(crate) struct Place {
    folder: tempfile::TempDir,
    /// Where its page is.
    pub(crate) web: SocketAddr,
    /// Where its telephone line listens.
    pub(crate) line: SocketAddr,
}

impl Place {
    /// A new folder, free ports, and settings with one telephone line that waits for calls without registering.
    pub(crate) fn new() -> Outcome<Self> {
        let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
        let place = Self { folder, web: free_tcp()?, line: free_udp()? };
        fs::create_dir(place.data()).map_err(|e| e.to_string())?;
        fs::write(place.settings(), settings(place.line)).map_err(|e| e.to_string())?;
        Ok(place)
    }

    /// The data folder.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The socket through which the command line speaks.
    pub(crate) fn socket(&self) -> PathBuf {
        self.data().join("meerkat.sock")
    }

    fn settings(&self) -> PathBuf {
        self.folder.path().join("meerkat.toml")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("meerkat.log")
    }

    /// Bytes that the data folder takes on disk.
    pub(crate) fn bytes_stored(&self) -> u64 {
        fn sum(folder: &Path) -> u64 {
            let Ok(entries) = fs::read_dir(folder) else { return 0 };
            entries
                .flatten()
                .map(|e| match e.metadata() {
                    Ok(m) if m.is_dir() => sum(&e.path()),
                    Ok(m) => m.len(),
                    Err(_) => 0,
                })
                .sum()
        }
        sum(&self.data())
    }
}

/// One line, directly behind a fork, and no limit to how often a client may ask: that is what is measured. All else is as
/// a user would have it.
fn settings(line: SocketAddr) -> String {
    format!(
        "[web]\nrequests_per_minute = 100_000_000\n\n[[line]]\nname = \"bench\"\nmode = \"direct\"\nbind = \"{line}\"\n"
    )
}

fn free_tcp() -> Outcome<SocketAddr> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
    bound.map_err(|e| e.to_string())
}

fn free_udp() -> Outcome<SocketAddr> {
    let bound = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|s| s.local_addr());
    bound.map_err(|e| e.to_string())
}

/// A running daemon. Dropped, it is killed.
pub(crate) struct Daemon<'a> {
    place: &'a Place,
    child: Child,
    /// From its start to its first good answer.
    pub(crate) start_ms: f64,
    stdout: mpsc::Receiver<String>,
}

impl<'a> Daemon<'a> {
    /// Starts it and waits for its first `200` on `/health`.
    pub(crate) fn start(binary: &Path, place: &'a Place) -> Outcome<Self> {
        let log = File::create(place.log()).map_err(|e| e.to_string())?;
        let mut command = Command::new(binary);
        command.arg("up").arg("--data").arg(place.data()).arg("--config").arg(place.settings());
        command.arg("--web").arg(place.web.to_string()).arg("--listen").arg("/ip4/127.0.0.1/tcp/0");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
        let began = Instant::now();
        let mut child = command.spawn().map_err(|e| format!("{}: {e}", binary.display()))?;
        let (line_out, stdout) = mpsc::channel();
        if let Some(pipe) = child.stdout.take() {
            // A full pipe would stop the daemon in the middle of a figure.
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    let _ = line_out.send(line);
                }
            });
        }
        let mut daemon = Self { place, child, start_ms: 0.0, stdout };
        daemon.await_health(began)?;
        daemon.start_ms = began.elapsed().as_secs_f64() * 1e3;
        Ok(daemon)
    }

    fn await_health(&mut self, began: Instant) -> Outcome {
        while began.elapsed() < START_LIMIT {
            if quiet_http::get(self.place.web, "/health").is_ok_and(|a| a.status == 200) {
                return Ok(());
            }
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the daemon ended at once ({status}):\n{}", self.last_words()));
            }
            std::thread::sleep(Duration::from_millis(LOOK_MS));
        }
        Err(format!("no good answer from /health within {} s:\n{}", START_LIMIT.as_secs(), self.last_words()))
    }

    fn last_words(&self) -> String {
        let log = fs::read_to_string(self.place.log()).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// The link by which the first person claims the node, as printed at the first start.
    pub(crate) fn claim_link(&self) -> Outcome<String> {
        let until = Instant::now() + START_LIMIT;
        while let Ok(line) = self.stdout.recv_timeout(until.saturating_duration_since(Instant::now())) {
            if let Some(link) = line.split_whitespace().find(|w| w.contains("/#claim=")) {
                return Ok(link.to_owned());
            }
        }
        Err("the daemon printed no claim link".to_owned())
    }

    /// A key for programs, made over the daemon's own socket.
    pub(crate) fn api_key(&self, role: &str) -> Outcome<String> {
        #[derive(Deserialize)]
        struct Made {
            key: String,
        }
        let asked = serde_json::json!({ "name": "bench", "role": role }).to_string();
        let answer = self.ask("POST", "/api/v1/api-keys", &asked)?;
        serde_json::from_str(&answer).map(|m: Made| m.key).map_err(|e| format!("no key in the answer: {e}"))
    }

    /// Asks over the socket; anything but a 2xx is an error.
    pub(crate) fn ask(&self, method: &str, path: &str, json: &str) -> Outcome<String> {
        let answer = quiet_http::over_socket(&self.place.socket(), method, path, json)?;
        if (200..300).contains(&answer.status) {
            return Ok(answer.body);
        }
        Err(format!("{method} {path}: {} {}", answer.status, answer.body))
    }

    /// Resident memory in kB (proc(5), `VmRSS`).
    pub(crate) fn resident_kb(&self) -> Outcome<u64> {
        self.proc_field("status", "VmRSS:")
    }

    /// Bytes that it made the disk write (proc(5), `write_bytes`).
    pub(crate) fn bytes_written(&self) -> Outcome<u64> {
        self.proc_field("io", "write_bytes:")
    }

    fn proc_field(&self, file: &str, field: &str) -> Outcome<u64> {
        let path = format!("/proc/{}/{file}", self.child.id());
        let text = fs::read_to_string(&path).map_err(|e| format!("{path}: {e}"))?;
        let value = text.lines().find_map(|l| l.strip_prefix(field)).and_then(|v| v.split_whitespace().next());
        value.and_then(|v| v.parse().ok()).ok_or_else(|| format!("{path} has no {field}"))
    }

    /// Ends it as a power switch would: no signal it could answer.
    pub(crate) fn kill(mut self) -> Outcome {
        self.child.kill().and_then(|()| self.child.wait()).map(drop).map_err(|e| e.to_string())
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(mut self) -> Outcome {
        show_nothing(Command::new("kill").arg("-TERM").arg(self.child.id().to_string()))?;
        let until = Instant::now() + STOP_LIMIT;
        while Instant::now() < until {
            if self.child.try_wait().map_err(|e| e.to_string())?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(LOOK_MS));
        }
        Err(format!("it did not stop within {} s:\n{}", STOP_LIMIT.as_secs(), self.last_words()))
    }
}

impl Drop for Daemon<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn show_nothing(command: &mut Command) -> Outcome {
    if crate::run::succeeds(command) { Ok(()) } else { Err(format!("`{}` failed", crate::run::spelled(command))) }
}
