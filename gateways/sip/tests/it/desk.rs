//! The node's side of a gateway, and a caller who speaks SIP by hand.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use meerkat_protocols::phone::{Act, Answer, CallId, Ending, Event, Incoming, LineState};
use meerkat_sip::{Gateway, LineSettings};
use tokio::net::UdpSocket;
use tokio::sync::mpsc;

/// Longer than anything awaited here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come"),
    }
}

pub(crate) struct Desk {
    pub(crate) gateway: Gateway,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) acts: mpsc::Sender<Act>,
}

pub(crate) fn direct() -> LineSettings {
    let mut settings = LineSettings::direct("home", "127.0.0.1:0".parse().unwrap());
    settings.hold_ms = 300;
    settings
}

impl Desk {
    /// A line that is ready.
    pub(crate) async fn open(settings: LineSettings) -> Desk {
        let mut desk = Desk::start(settings, 64);
        assert_eq!(desk.state().await, LineState::Ready);
        desk
    }

    pub(crate) fn start(settings: LineSettings, capacity: usize) -> Desk {
        let (events_in, events) = mpsc::channel(capacity);
        let (acts, acts_out) = mpsc::channel(64);
        let gateway = meerkat_sip::start(vec![settings], events_in, acts_out, Arc::new(AtomicU64::new(1))).unwrap();
        Desk { gateway, events, acts }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.gateway.address("home").unwrap()
    }

    pub(crate) async fn event(&mut self) -> Event {
        soon("an event", self.events.recv()).await.unwrap()
    }

    pub(crate) async fn state(&mut self) -> LineState {
        match self.event().await {
            Event::Line { state, .. } => state,
            other => panic!("no state of the line: {other:?}"),
        }
    }

    pub(crate) async fn incoming(&mut self) -> Incoming {
        match self.event().await {
            Event::Incoming(incoming) => incoming,
            other => panic!("no call: {other:?}"),
        }
    }

    pub(crate) async fn ended(&mut self, call: CallId) -> Ending {
        match self.event().await {
            Event::Ended { call: ended, how } => {
                assert_eq!(ended, call);
                how
            }
            other => panic!("no end: {other:?}"),
        }
    }

    pub(crate) async fn answer(&self, call: CallId, answer: Answer) {
        self.acts.send(Act { call, answer }).await.unwrap();
    }
}

static NEXT: AtomicU32 = AtomicU32::new(1);

/// One call attempt over UDP.
pub(crate) struct Caller {
    pub(crate) socket: UdpSocket,
    pub(crate) gateway: SocketAddr,
    pub(crate) id: u32,
    pub(crate) branch: u32,
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) code: u16,
    pub(crate) text: String,
}

impl Heard {
    pub(crate) fn header(&self, name: &str) -> &str {
        let prefix = format!("{name}: ");
        let line = self.text.lines().find_map(|line| line.strip_prefix(prefix.as_str()));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }
}

impl Caller {
    pub(crate) async fn new(gateway: SocketAddr) -> Caller {
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        Caller { socket: UdpSocket::bind("127.0.0.1:0").await.unwrap(), gateway, id, branch: id }
    }

    /// A request of this call. `to` and `more` are whole header lines without their ends.
    pub(crate) fn request(&self, method: &str, to_tag: &str, more: &str, body: &str) -> String {
        let (id, branch, own) = (self.id, self.branch, self.socket.local_addr().unwrap());
        let more = if more.is_empty() { String::new() } else { format!("{more}\r\n") };
        let from = if more.starts_with("From:") {
            String::new()
        } else {
            format!("From: \"Anna\" <sip:+4930{id}@caller.example>;tag=f{id}\r\n")
        };
        format!(
            "{method} sip:house@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{branch};rport\r\n\
             Max-Forwards: 70\r\n{from}To: <sip:house@127.0.0.1>{to_tag}\r\nCall-ID: call-{id}\r\n\
             CSeq: 1 {method}\r\nContact: <sip:anna@{own}>\r\n{more}Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }

    pub(crate) async fn send(&self, text: impl AsRef<[u8]>) {
        self.socket.send_to(text.as_ref(), self.gateway).await.unwrap();
    }

    pub(crate) async fn invite(&self) {
        self.send(self.request("INVITE", "", "", "")).await;
    }

    pub(crate) async fn cancel(&self) {
        self.send(self.request("CANCEL", "", "", "")).await;
    }

    /// The next message, whatever it is.
    pub(crate) async fn hear(&self) -> Heard {
        let mut buffer = vec![0; 65_536];
        let length = soon("an answer", self.socket.recv(&mut buffer)).await.unwrap();
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        let code = text.strip_prefix("SIP/2.0 ").and_then(|rest| rest.get(..3)).map_or(0, |code| code.parse().unwrap());
        Heard { code, text }
    }

    /// The next final answer to the INVITE; provisional ones and answers to other requests are passed over.
    pub(crate) async fn final_answer(&self) -> Heard {
        loop {
            let heard = self.hear().await;
            if heard.code >= 200 && heard.header("CSeq").ends_with("INVITE") {
                return heard;
            }
        }
    }

    /// Acknowledges a final answer other than 2xx.
    pub(crate) async fn ack(&self, answer: &Heard) {
        let tag = answer.header("To").split_once(";tag=").unwrap().1.to_owned();
        self.send(self.request("ACK", &format!(";tag={tag}"), "", "")).await;
    }
}
