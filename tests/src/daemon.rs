//! A real `meerkat` process with a data folder of its own, talked to through its control socket.

use std::{
    io::{BufRead, BufReader},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Full};
use hyper::{Method, Request, body::Bytes};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::UnixStream;

use crate::{namespace::Lan, wait::PATIENCE};

/// The program under test: `MEERKAT_BIN`, as `cargo xtask test` sets it, else the debug build in the target folder.
///
/// # Panics
/// If there is none.
#[must_use]
pub fn program() -> PathBuf {
    if let Some(path) = std::env::var_os("MEERKAT_BIN") {
        return path.into();
    }
    let mut path = std::env::current_exe().expect("a test has a path");
    path.pop();
    path.pop();
    path.push("meerkat");
    assert!(path.exists(), "build the daemon first: `cargo build -p meerkat`, or run `cargo xtask test`");
    path
}

/// A free TCP port of loopback. Another process may take it before it is used; ports of tests are plenty.
///
/// # Panics
/// If the machine has none left.
#[must_use]
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port()
}

/// How a daemon is started.
#[derive(Default)]
pub struct Setup {
    /// The text of its configuration file.
    pub config: String,
    /// Multiaddresses to listen on; a free TCP port of loopback if empty.
    pub listen: Vec<String>,
    /// Multiaddresses of peers.
    pub peers: Vec<String>,
    /// What is put before the program, for instance `ip netns exec NAME`.
    pub before: Vec<String>,
    /// Further variables of its environment.
    pub environment: Vec<(String, String)>,
    /// A data folder to use instead of a fresh one.
    pub data: Option<PathBuf>,
    /// Address and port of the page; a free port of loopback if empty.
    pub web: Option<String>,
}

impl Setup {
    /// On a machine of a local network, at the ports that are ours.
    #[must_use]
    pub fn on(lan: &Lan, machine: u8) -> Self {
        let listen = vec!["/ip4/0.0.0.0/tcp/4787".into(), "/ip4/0.0.0.0/udp/4787/quic-v1".into()];
        Self { before: lan.before(machine), listen, ..Self::default() }
    }
}

/// A running daemon. Killed when dropped.
pub struct Daemon {
    child: Child,
    data: PathBuf,
    _folder: Option<TempDir>,
    web: String,
    claim: Option<String>,
    lines: Receiver<String>,
    log: std::sync::Arc<std::sync::Mutex<String>>,
}

impl Daemon {
    /// Starts a daemon and waits until it says that it is ready.
    ///
    /// # Panics
    /// If it ends or is not ready within [`PATIENCE`]; with its log.
    #[must_use]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers build it in place: `Setup { peers, ..Setup::default() }`"
    )]
    pub fn start(setup: Setup) -> Self {
        let mut daemon = Self::spawn(&setup);
        daemon.wait_ready();
        daemon
    }

    /// Starts a daemon and does not wait.
    ///
    /// # Panics
    /// If the process cannot be started.
    #[must_use]
    pub fn spawn(setup: &Setup) -> Self {
        let folder = setup.data.is_none().then(|| tempfile::tempdir().expect("a temporary folder"));
        let data = setup.data.clone().unwrap_or_else(|| folder.as_ref().expect("made above").path().join("data"));
        let web = setup.web.clone().unwrap_or_else(|| format!("127.0.0.1:{}", free_port()));
        let mut child = command(setup, &data, &web).spawn().expect("the daemon starts");
        let log = std::sync::Arc::new(std::sync::Mutex::new(String::new()));
        let (sender, lines) = channel();
        let stdout = child.stdout.take().expect("piped");
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                if sender.send(line).is_err() {
                    return;
                }
            }
        });
        let stderr = child.stderr.take().expect("piped");
        let kept = std::sync::Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = kept.lock().expect("no panic while held");
                log.push_str(&line);
                log.push('\n');
            }
        });
        Self { child, data, _folder: folder, web, claim: None, lines, log }
    }

    /// Waits until the daemon prints that it is ready; keeps the claim link that it prints before.
    ///
    /// # Panics
    /// As [`Daemon::start`].
    pub fn wait_ready(&mut self) {
        assert!(self.is_ready(), "the daemon is not ready; its log:\n{}", self.log());
    }

    /// Waits until the daemon prints that it is ready, or ends: then `false`.
    pub fn is_ready(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        while let Ok(line) = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if let Some((_, token)) = line.split_once("/#claim=") {
                self.claim = Some(token.trim().to_owned());
            }
            if line.starts_with("Meerkat is ready") {
                return true;
            }
        }
        false
    }

    /// What it has logged so far.
    ///
    /// # Panics
    /// If a reader of the log panicked.
    #[must_use]
    pub fn log(&self) -> String {
        self.log.lock().expect("no panic while held").clone()
    }

    /// The one-time token of the claim link that it printed at start.
    #[must_use]
    pub fn claim(&self) -> Option<&str> {
        self.claim.as_deref()
    }

    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Address and port of its page.
    #[must_use]
    pub fn web(&self) -> &str {
        &self.web
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended.
    ///
    /// # Panics
    /// If the system does not say.
    pub fn is_dead(&mut self) -> bool {
        self.child.try_wait().expect("our own process").is_some()
    }

    /// A field of its status in kB, for instance `VmRSS:` or `VmHWM:` (proc(5)).
    #[must_use]
    pub fn memory_kb(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(field)).unwrap_or_default();
        line.split_whitespace().next().and_then(|kb| kb.parse().ok()).unwrap_or(0)
    }

    /// Ends it as a power cut would: at once.
    ///
    /// # Panics
    /// If the process cannot be killed.
    pub fn kill(&mut self) {
        self.child.kill().expect("our own process");
        self.child.wait().expect("our own process");
    }

    /// Asks it to stop in order and waits for its end.
    ///
    /// # Panics
    /// If it does not end within [`PATIENCE`].
    pub fn stop(&mut self) -> ExitStatus {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().expect("kill is there");
        self.wait()
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If it does not end within [`PATIENCE`].
    pub fn wait(&mut self) -> ExitStatus {
        crate::wait::until("the daemon's end", || self.child.try_wait().expect("our own process"))
    }

    /// Runs one of its commands, as a person at the terminal would.
    ///
    /// # Panics
    /// If the program cannot be started.
    #[must_use]
    pub fn cli(&self, args: &[&str]) -> Output {
        Command::new(program()).arg("--data").arg(&self.data).args(args).output().expect("the program starts")
    }

    /// Begins one of its commands and does not wait for its end.
    ///
    /// # Panics
    /// If the program cannot be started.
    #[must_use]
    pub fn cli_begun(&self, args: &[&str]) -> Child {
        let mut command = Command::new(program());
        command.arg("--data").arg(&self.data).args(args).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the program starts")
    }

    /// Runs a command that must succeed, and tells what it prints.
    ///
    /// # Panics
    /// If it fails.
    #[must_use]
    pub fn told(&self, args: &[&str]) -> String {
        let output = self.cli(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }

    /// Runs a command that must succeed.
    ///
    /// # Panics
    /// If it fails.
    pub fn said(&self, args: &[&str]) {
        drop(self.told(args));
    }

    /// Runs a command with `--json` and reads what it prints.
    ///
    /// # Panics
    /// If it fails or prints no JSON.
    #[must_use]
    pub fn cli_json(&self, args: &[&str]) -> Value {
        let output = self.cli(&[args, &["--json"]].concat());
        let text = String::from_utf8_lossy(&output.stdout);
        serde_json::from_str(&text)
            .unwrap_or_else(|e| panic!("{args:?}: {e}: {text}\n{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// Asks its API through the control socket.
    ///
    /// # Panics
    /// If the daemon does not answer.
    #[must_use]
    pub fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let socket = self.data.join("meerkat.sock");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).expect("a method"))
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))
            .expect("a request");
        let patience = Duration::from_secs(70);
        runtime
            .block_on(async { tokio::time::timeout(patience, send(&socket, request)).await })
            .unwrap_or_else(|_| panic!("{method} {path}: no answer; log:\n{}", self.log()))
            .unwrap_or_else(|e| panic!("{method} {path}: {e}; log:\n{}", self.log()))
    }

    /// Asks for a document; nothing, while the daemon does not answer because it starts anew.
    #[must_use]
    pub fn try_ask(&self, path: &str) -> Option<(u16, Value)> {
        self.try_say("GET", path, None)
    }

    /// Asks its API; nothing, if the daemon does not answer or dies over it.
    #[must_use]
    pub fn try_say(&self, method: &str, path: &str, body: Option<&Value>) -> Option<(u16, Value)> {
        let socket = self.data.join("meerkat.sock");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let request = Request::builder()
            .method(Method::from_bytes(method.as_bytes()).ok()?)
            .uri(path)
            .header("host", "localhost")
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.map(Value::to_string).unwrap_or_default())))
            .ok()?;
        let patience = Duration::from_secs(10);
        runtime.block_on(async { tokio::time::timeout(patience, send(&socket, request)).await }).ok()?.ok()
    }

    /// Asks for a document and expects it.
    ///
    /// # Panics
    /// If the status is not 2xx.
    #[must_use]
    pub fn get(&self, path: &str) -> Value {
        let (status, body) = self.ask("GET", path, None);
        assert!((200..300).contains(&status), "GET {path}: {status}: {body}");
        body
    }

    /// Waits for the first event of this type after `since` that the test accepts; returns its id and data.
    ///
    /// # Panics
    /// If none comes within [`PATIENCE`].
    pub fn wait_event(&self, since: u64, kind: &str, accept: impl Fn(&Value) -> bool) -> (u64, Value) {
        let deadline = Instant::now() + PATIENCE;
        let mut since = since;
        while Instant::now() < deadline {
            let page = self.get(&format!("/api/v1/events?since={since}&types={kind}&timeout=5"));
            for event in page["items"].as_array().into_iter().flatten() {
                if accept(&event["data"]) {
                    return (event["id"].as_u64().expect("ids are numbers"), event["data"].clone());
                }
            }
            since = page["last"].as_u64().unwrap_or(since);
        }
        panic!("no event {kind} came; log:\n{}", self.log());
    }

    /// The id of the newest event.
    ///
    /// # Panics
    /// If the daemon does not answer.
    #[must_use]
    pub fn last_event(&self) -> u64 {
        self.get("/api/v1/events?since=0&timeout=0")["last"].as_u64().expect("ids are numbers")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("--- {}\n{}", self.data.display(), self.log.lock().map(|log| log.clone()).unwrap_or_default());
        }
    }
}

fn command(setup: &Setup, data: &Path, web: &str) -> Command {
    let mut words: Vec<std::ffi::OsString> = setup.before.iter().map(Into::into).collect();
    words.push(program().into());
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command.arg("up").arg("--data").arg(data).arg("--web").arg(web);
    let config = data.with_extension("toml");
    std::fs::write(&config, &setup.config).expect("the configuration file is written");
    command.arg("--config").arg(config);
    let listen = if setup.listen.is_empty() { vec!["/ip4/127.0.0.1/tcp/0".to_owned()] } else { setup.listen.clone() };
    for address in &listen {
        command.arg("--listen").arg(address);
    }
    for peer in &setup.peers {
        command.arg("--peer").arg(peer);
    }
    command.envs(setup.environment.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

async fn send(socket: &Path, request: Request<Full<Bytes>>) -> Result<(u16, Value), Box<dyn std::error::Error>> {
    let stream = UnixStream::connect(socket).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    let status = answer.status().as_u16();
    let bytes = answer.into_body().collect().await?.to_bytes();
    Ok((status, serde_json::from_slice(&bytes).unwrap_or(Value::Null)))
}
