//! baresip as a phone of the house: rings until it is told otherwise, and says what it sees.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use super::kamailio::Kamailio;
use super::program::Program;
use super::{free_port, local};
use crate::wait::PATIENCE;

/// What the phone has seen, and when.
#[derive(Debug, Clone)]
pub struct Seen {
    /// When it was told here, a fraction of a millisecond later.
    pub at: Instant,
    /// The event, in baresip's words: `CALL_INCOMING`, `CALL_CLOSED`, `REGISTER_OK`.
    pub kind: String,
    /// The other side's address, where there is one.
    pub peer: String,
    /// Further words, for instance why a call ended.
    pub words: String,
}

#[derive(Debug, Default)]
struct Log {
    seen: Mutex<Vec<Seen>>,
    news: Condvar,
}

/// A running phone.
#[derive(Debug)]
pub struct Phone {
    log: Arc<Log>,
    control: TcpStream,
    // Dropped after the program that uses it.
    _program: Program,
    _folder: TempDir,
}

impl Phone {
    /// The time from the beginning of one ring to the next: European exchanges ring 1 s in 5.
    pub const RING_PERIOD: Duration = Duration::from_secs(5);

    /// Starts a phone that registers as a user of the router, and waits until it has.
    ///
    /// # Panics
    /// If baresip is missing, the user unknown, or the registration refused.
    #[must_use]
    pub fn register(router: &Kamailio, user: &str) -> Phone {
        let account = router.setup().users.iter().find(|known| known.name == user).expect("the router knows the user");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (sip, control) = (free_port(), free_port());
        let address = router.address();
        let accounts = format!(
            "<sip:{user}@{address}>;auth_user={};auth_pass={};answermode=manual;regint=60\n",
            account.login, account.password
        );
        let config = CONFIG.replace("SIP_PORT", &sip.to_string()).replace("CONTROL_PORT", &control.to_string());
        std::fs::write(folder.path().join("accounts"), accounts).expect("an accounts file");
        std::fs::write(folder.path().join("config"), config).expect("a config file");
        let path = folder.path().display().to_string();
        let mut program = Program::start("baresip", "baresip-core", ["-4", "-f", &path]);
        let control = crate::wait::until("baresip to listen", || {
            assert_eq!(program.ended(), None, "baresip ended:\n{}", program.text());
            TcpStream::connect(local(control)).ok()
        });
        let log = Arc::new(Log::default());
        listen(control.try_clone().expect("a second handle"), Arc::clone(&log));
        let phone = Phone { log, control, _program: program, _folder: folder };
        // It may have registered before anybody listened, so its state is asked for.
        crate::wait::until("the phone to be registered", || {
            let mark = phone.mark();
            phone.command("reginfo", "");
            phone.wait(mark, RESPONSE).words.contains("OK").then_some(())
        });
        phone
    }

    /// How many events there were: a mark to wait from.
    #[must_use]
    pub fn mark(&self) -> usize {
        self.log.seen.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// All events so far.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.log.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits for an event of a kind after a mark.
    ///
    /// # Panics
    /// When it does not come: with what did.
    #[must_use]
    pub fn wait_after(&self, mark: usize, kind: &str) -> Seen {
        self.wait(mark, kind)
    }

    /// Waits until the phone rings; the first ring ever counts.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn wait_ringing(&self) -> Seen {
        self.wait(0, "CALL_INCOMING")
    }

    /// Waits until the phone has stopped ringing because the call was cancelled; the first end ever counts.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn wait_cancelled(&self) -> Seen {
        self.wait(0, "CALL_CLOSED")
    }

    /// Whether it rings now.
    #[must_use]
    pub fn is_ringing(&self) -> bool {
        let seen = self.seen();
        let count = |kind| seen.iter().filter(|seen| seen.kind == kind).count();
        count("CALL_INCOMING") > count("CALL_CLOSED") + count("CALL_ESTABLISHED")
    }

    /// Takes the call that rings.
    pub fn accept(&self) {
        self.command("accept", "");
    }

    fn wait(&self, mark: usize, kind: &str) -> Seen {
        let deadline = Instant::now() + PATIENCE;
        let mut seen = self.log.seen.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = seen.iter().skip(mark).find(|seen| seen.kind == kind) {
                return found.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "the phone did not see {kind} but {seen:#?}");
            seen = self.log.news.wait_timeout(seen, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn command(&self, name: &str, parameters: &str) {
        let text = serde_json::json!({"command": name, "params": parameters, "token": "test"}).to_string();
        let mut control = &self.control;
        control.write_all(format!("{}:{text},", text.len()).as_bytes()).expect("the phone listens");
    }
}

/// Reads netstrings of JSON until the phone goes away.
fn listen(mut from: TcpStream, log: Arc<Log>) {
    std::thread::spawn(move || {
        let (mut buffer, mut chunk) = (Vec::new(), [0; 4_096]);
        while let Ok(length @ 1..) = from.read(&mut chunk) {
            buffer.extend_from_slice(&chunk[..length]);
            while let Some(text) = netstring(&mut buffer) {
                let Ok(event) = serde_json::from_slice::<Value>(&text) else { continue };
                let word = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
                let answer = event["response"] == true;
                let kind = if answer { RESPONSE.to_owned() } else { word("type") };
                let words = word(if answer { "data" } else { "param" });
                let seen = Seen { at: Instant::now(), kind, peer: word("peeruri"), words };
                log.seen.lock().unwrap_or_else(PoisonError::into_inner).push(seen);
                log.news.notify_all();
            }
        }
    });
}

/// An answer to a command, among the events.
const RESPONSE: &str = "RESPONSE";

/// Takes one `LENGTH:TEXT,` off the front.
fn netstring(buffer: &mut Vec<u8>) -> Option<Vec<u8>> {
    let colon = buffer.iter().position(|byte| *byte == b':')?;
    let length: usize = std::str::from_utf8(&buffer[..colon]).ok()?.parse().ok()?;
    if buffer.len() < colon + length + 2 {
        return None;
    }
    let text = buffer[colon + 1..=colon + length].to_vec();
    buffer.drain(..colon + length + 2);
    Some(text)
}

const CONFIG: &str = "\
poll_method epoll
sip_listen 127.0.0.1:SIP_PORT
call_local_timeout 120
call_max_calls 8
audio_source ausine,440
audio_player aubridge,none
audio_alert aubridge,none
ctrl_tcp_listen 127.0.0.1:CONTROL_PORT
module_path /usr/lib/baresip/modules
module g711.so
module ausine.so
module aubridge.so
module_tmp account.so
module_app menu.so
module_app ctrl_tcp.so
";
