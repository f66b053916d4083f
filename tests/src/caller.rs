//! A caller of a few lines: one INVITE over UDP and what comes back. For direct lines; where a router or a phone matters,
//! the real ones are used.

use std::{
    net::{SocketAddr, UdpSocket},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use crate::wait::PATIENCE;

static NEXT: AtomicU32 = AtomicU32::new(1);

/// Who calls, as written into the message, unchecked: hostile text is welcome.
#[derive(Debug, Clone, Default)]
pub struct From {
    /// The user part of the From URI.
    pub user: String,
    /// The display name, put between quotation marks.
    pub name: String,
    /// Further header lines, each ending in CR LF.
    pub headers: String,
}

impl From {
    /// A caller with this number and no name.
    #[must_use]
    pub fn number(number: &str) -> Self {
        Self { user: number.into(), ..Self::default() }
    }
}

/// A call on its way.
pub struct Ring {
    socket: UdpSocket,
    to: SocketAddr,
    id: u32,
    from: From,
    began: Instant,
}

/// A response: its code and how long after the INVITE it came.
pub type Response = (u16, Duration);

impl Ring {
    /// Sends an INVITE to a line.
    ///
    /// # Panics
    /// If loopback does not carry it.
    #[must_use]
    pub fn start(to: SocketAddr, from: From) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a positive time");
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        let ring = Self { socket, to, id, from, began: Instant::now() };
        ring.send("INVITE", "");
        ring
    }

    /// The next response.
    ///
    /// # Panics
    /// If none comes within [`PATIENCE`].
    #[must_use]
    pub fn next(&self) -> Response {
        let mut buffer = [0; 65_536];
        let n = self.socket.recv(&mut buffer).expect("a response to the call");
        let text = String::from_utf8_lossy(&buffer[..n]);
        let code = text.strip_prefix("SIP/2.0 ").and_then(|t| t.get(..3)).and_then(|c| c.parse().ok());
        (code.unwrap_or_else(|| panic!("no response: {text}")), self.began.elapsed())
    }

    /// Waits for the final response and acknowledges it; returns all.
    ///
    /// # Panics
    /// As [`Ring::next`].
    #[must_use]
    pub fn finish(self) -> Vec<Response> {
        let mut all = Vec::new();
        loop {
            let response = self.next();
            all.push(response);
            if response.0 >= 200 {
                self.send("ACK", "");
                return all;
            }
        }
    }

    /// Gives up: sends CANCEL and waits for the 487 (RFC 3261, 9.1).
    ///
    /// # Panics
    /// As [`Ring::next`].
    pub fn cancel(self) {
        self.send("CANCEL", "");
        loop {
            // The CANCEL itself is answered with 200.
            let (code, _) = self.next();
            if code >= 300 {
                assert_eq!(code, 487, "the answer to a cancelled call");
                self.send("ACK", "");
                return;
            }
        }
    }

    fn send(&self, method: &str, body: &str) {
        let here = self.socket.local_addr().expect("bound");
        let (id, to, From { user, name, headers }) = (self.id, self.to, &self.from);
        let message = format!(
            "{method} sip:house@{to} SIP/2.0\r\nVia: SIP/2.0/UDP {here};branch=z9hG4bK{id}x{port};rport\r\n\
             Max-Forwards: 70\r\nFrom: \"{name}\" <sip:{user}@{here}>;tag=f{id}\r\nTo: <sip:house@{to}>\r\n\
             Call-ID: c{id}x{port}@caller\r\nCSeq: 1 {method}\r\nContact: <sip:caller@{here}>\r\n{headers}\
             Content-Length: {length}\r\n\r\n{body}",
            port = here.port(),
            length = body.len()
        );
        self.socket.send_to(message.as_bytes(), to).expect("loopback carries it");
    }
}
