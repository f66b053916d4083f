//! Streams: messages cut out of TCP connections that are bounded in number, size and time.
//!
//! The stack's own reader waits for ever for the end of a message, searches its whole buffer again at each byte, and
//! overflows on a Content-Length near 2^64. Here a message has ten seconds and 8 KiB.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rsipstack::sip::{SipMessage, Transport};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transport::channel::ChannelConnection;
use rsipstack::transport::connection::TransportSender;
use rsipstack::transport::{SipAddr, SipConnection, TransportEvent};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::line::Line;
use crate::wire::{MESSAGE_BYTES, Screened, headers_end, put_back, screen};

/// Most connections a line accepts, and most of them from one address: a router needs one, a busy proxy a few.
const CONNECTIONS: usize = 32;
const CONNECTIONS_PER_SOURCE: usize = 8;
/// How long one message may take from its first byte to its last. On a LAN it takes a millisecond.
const MESSAGE_TIME: Duration = Duration::from_secs(10);
/// How long an accepted connection may be silent between messages; routers dial anew at the next call.
const IDLE_TIME: Duration = Duration::from_secs(600);
/// How long a message may take to be written.
const WRITE_TIME: Duration = Duration::from_secs(5);
/// Most messages waiting to be written.
const WRITE_QUEUE: usize = 64;

/// What has been cut out of a stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Message(Vec<u8>),
    /// Two empty lines, to be answered by one (RFC 5626 3.5.1).
    KeepAlive,
}

/// Cuts messages out of a stream (RFC 3261 18.3).
#[derive(Debug, Default)]
pub(crate) struct Framer {
    buffer: Vec<u8>,
    /// How far the buffer has been searched, so that one byte a segment costs no more than the whole at once.
    searched: usize,
}

impl Framer {
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    pub(crate) fn next(&mut self) -> Result<Option<Piece>, &'static str> {
        if self.buffer.starts_with(b"\r\n\r\n") {
            self.buffer.drain(..4);
            return Ok(Some(Piece::KeepAlive));
        }
        // A lone empty line is an answer to a keepalive, or the first half of one.
        if self.buffer.starts_with(b"\r\n") && self.buffer.get(2).is_some_and(|byte| *byte != b'\r') {
            self.buffer.drain(..2);
        }
        if self.buffer.starts_with(b"\r\n") {
            return Ok(None);
        }
        let from = self.searched.saturating_sub(3);
        let Some(end) = self.buffer.get(from..).and_then(headers_end).map(|end| end + from) else {
            self.searched = self.buffer.len();
            return if self.buffer.len() > MESSAGE_BYTES { Err("headers too long") } else { Ok(None) };
        };
        let head = self.buffer.get(..end).unwrap_or_default();
        let total = end + content_length(head)?;
        if total > MESSAGE_BYTES {
            return Err("message too long");
        }
        // The end of the headers must be found again when more of the body has come.
        self.searched = end - 1;
        if self.buffer.len() < total {
            return Ok(None);
        }
        self.searched = 0;
        let rest = self.buffer.split_off(total);
        Ok(Some(Piece::Message(std::mem::replace(&mut self.buffer, rest))))
    }
}

/// The length of the body; without the header there is none. Two that differ would let two readers see two messages.
fn content_length(head: &[u8]) -> Result<usize, &'static str> {
    let mut found = None;
    for line in head.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { continue };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if !name.eq_ignore_ascii_case(b"content-length") && !name.eq_ignore_ascii_case(b"l") {
            continue;
        }
        let digits = !value.is_empty() && value.len() <= 9 && value.iter().all(u8::is_ascii_digit);
        let length = std::str::from_utf8(value).ok().filter(|_| digits).and_then(|text| text.parse::<usize>().ok());
        let length = length.ok_or("wrong Content-Length")?;
        if found.is_some_and(|before| before != length) {
            return Err("two Content-Lengths");
        }
        found = Some(length);
    }
    Ok(found.unwrap_or(0))
}

/// A connection in use.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    raw: mpsc::Sender<Vec<u8>>,
    closed: CancellationToken,
}

impl Stream {
    /// Keeps the way open (RFC 5626 3.5.1).
    pub(crate) async fn keep_alive(&self) {
        let _ = self.raw.send(b"\r\n\r\n".to_vec()).await;
    }

    pub(crate) async fn closed(&self) {
        self.closed.cancelled().await;
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.is_cancelled()
    }
}

/// Gives a connection to the stack. `idle` bounds the silence between messages.
pub(crate) async fn attach(
    line: &Arc<Line>,
    endpoint: &EndpointInnerRef,
    stream: TcpStream,
    idle: Option<Duration>,
) -> rsipstack::Result<Stream> {
    let peer = stream.peer_addr()?;
    stream.set_nodelay(true)?;
    let closed = line.stopped.child_token();
    let (messages_in, messages) = mpsc::unbounded_channel();
    let (answers, answers_out) = mpsc::channel(WRITE_QUEUE);
    let (raw, raw_out) = mpsc::channel(4);
    let address = SipAddr { r#type: Some(Transport::Tcp), addr: peer.into() };
    let channel =
        ChannelConnection::create_connection_bounded(messages, answers, address, Some(closed.clone())).await?;
    let connection = SipConnection::from(channel);
    let (reading, writing) = stream.into_split();
    let reader = Reader {
        line: Arc::clone(line),
        peer,
        connection: connection.clone(),
        messages: messages_in,
        raw: raw.clone(),
        idle,
    };
    let end = closed.clone();
    tokio::spawn(async move {
        let ended = tokio::select! {
            ended = reader.run(reading) => ended,
            () = end.cancelled() => None,
        };
        if let Some(reason) = ended {
            reader.line.counters.connections_closed.count();
            tracing::debug!(line = %reader.line.name.0, reason, "a connection was closed");
        }
        end.cancel();
    });
    tokio::spawn(write(writing, answers_out, raw_out, closed.clone()));
    endpoint.transport_layer.add_connection(connection);
    Ok(Stream { raw, closed })
}

struct Reader {
    line: Arc<Line>,
    peer: SocketAddr,
    connection: SipConnection,
    messages: TransportSender,
    raw: mpsc::Sender<Vec<u8>>,
    idle: Option<Duration>,
}

impl Reader {
    /// Reads until the far end closes (`None`) or breaks a rule.
    async fn run(&self, mut stream: OwnedReadHalf) -> Option<&'static str> {
        let mut framer = Framer::default();
        let mut chunk = [0_u8; 4_096];
        let mut heard = false;
        let mut since = None;
        loop {
            let limit = match since {
                Some(begun) => Some(begun + MESSAGE_TIME),
                None if heard => self.idle.map(|idle| Instant::now() + idle),
                // A connection that says nothing at all is given no longer than a message.
                None => self.idle.map(|_| Instant::now() + MESSAGE_TIME),
            };
            let read = match limit {
                Some(limit) => match tokio::time::timeout_at(limit, stream.read(&mut chunk)).await {
                    Ok(read) => read,
                    Err(_) => return Some("too slow"),
                },
                None => stream.read(&mut chunk).await,
            };
            let length = match read {
                Ok(0) | Err(_) => return None,
                Ok(length) => length,
            };
            framer.push(chunk.get(..length).unwrap_or_default());
            match self.take(&mut framer).await {
                Ok(any) => {
                    heard |= any;
                    since = if framer.is_empty() {
                        None
                    } else if any {
                        Some(Instant::now())
                    } else {
                        since.or(Some(Instant::now()))
                    };
                }
                Err(reason) => {
                    self.line.counters.malformed.count();
                    return Some(reason);
                }
            }
        }
    }

    /// Takes every whole message; says whether there was one.
    async fn take(&self, framer: &mut Framer) -> Result<bool, &'static str> {
        let mut any = false;
        while let Some(piece) = framer.next()? {
            any = true;
            match piece {
                Piece::KeepAlive => self.answer(b"\r\n".to_vec()).await,
                Piece::Message(message) => match screen(&message) {
                    Screened::Take(taken) => self.hand_on(&taken),
                    Screened::Answer(answer) if self.line.sources.allow(self.peer.ip()) => self.answer(answer).await,
                    Screened::Answer(_) => {}
                    Screened::Drop(reason) => return Err(reason),
                },
            }
        }
        Ok(any)
    }

    async fn answer(&self, bytes: Vec<u8>) {
        let _ = self.raw.send(bytes).await;
    }

    fn hand_on(&self, message: &[u8]) {
        let Ok(parsed) = SipMessage::try_from(message) else { return self.line.counters.malformed.count() };
        let marked = SipConnection::update_msg_received(parsed, self.peer, Transport::Tcp);
        let Ok(message) = marked else { return self.line.counters.malformed.count() };
        let from = SipAddr { r#type: Some(Transport::Tcp), addr: self.peer.into() };
        // The stack is gone only when the line stops.
        let _ = self.messages.send(TransportEvent::Incoming(message, self.connection.clone(), from));
    }
}

async fn write(
    mut stream: OwnedWriteHalf,
    mut answers: mpsc::Receiver<TransportEvent>,
    mut raw: mpsc::Receiver<Vec<u8>>,
    closed: CancellationToken,
) {
    loop {
        let bytes = tokio::select! {
            () = closed.cancelled() => break,
            Some(bytes) = raw.recv() => bytes,
            Some(event) = answers.recv() => match event {
                TransportEvent::Incoming(message, ..) => put_back(&message.to_bytes()),
                TransportEvent::New(_) | TransportEvent::Closed(_) => continue,
            },
            else => break,
        };
        let written = tokio::time::timeout(WRITE_TIME, stream.write_all(&bytes)).await;
        if !matches!(written, Ok(Ok(()))) {
            break;
        }
    }
    // What was answered last shall still arrive.
    let _ = tokio::time::timeout(WRITE_TIME, stream.shutdown()).await;
    closed.cancel();
}

/// How many connections each address has.
#[derive(Debug, Default)]
struct Seats(Mutex<HashMap<IpAddr, usize>>);

impl Seats {
    fn take(self: &Arc<Self>, source: IpAddr) -> Option<Seat> {
        let mut seats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seats.values().sum::<usize>() >= CONNECTIONS {
            return None;
        }
        let mine = seats.entry(source).or_default();
        if *mine >= CONNECTIONS_PER_SOURCE {
            return None;
        }
        *mine += 1;
        Some(Seat { seats: Arc::clone(self), source })
    }
}

struct Seat {
    seats: Arc<Seats>,
    source: IpAddr,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seats = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = seats.get_mut(&self.source) {
            *mine -= 1;
            if *mine == 0 {
                seats.remove(&self.source);
            }
        }
    }
}

/// Accepts connections until the line stops.
pub(crate) async fn accept(line: Arc<Line>, endpoint: EndpointInnerRef, listener: TcpListener) {
    let seats = Arc::new(Seats::default());
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = line.stopped.cancelled() => return,
        };
        let Ok((stream, from)) = accepted else {
            // Out of file descriptors, mostly: let others finish.
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        if !line.sources.allow(from.ip()) {
            line.counters.strangers.count();
            continue;
        }
        let Some(seat) = seats.take(from.ip()) else {
            line.counters.connections_closed.count();
            continue;
        };
        if let Ok(attached) = attach(&line, &endpoint, stream, Some(IDLE_TIME)).await {
            tokio::spawn(async move {
                attached.closed().await;
                drop(seat);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MESSAGE: &[u8] = b"OPTIONS sip:a SIP/2.0\r\nContent-Length : 3\r\n\r\nabc";

    fn pieces(chunks: impl Iterator<Item = Vec<u8>>) -> Result<Vec<Piece>, &'static str> {
        let mut framer = Framer::default();
        let mut pieces = Vec::new();
        for chunk in chunks {
            framer.push(&chunk);
            while let Some(piece) = framer.next()? {
                pieces.push(piece);
            }
        }
        Ok(pieces)
    }

    #[test]
    fn one_byte_a_segment_cuts_like_all_at_once() {
        let stream = [b"\r\n\r\n", MESSAGE, b"\r\n", MESSAGE].concat();
        let expected = vec![Piece::KeepAlive, Piece::Message(MESSAGE.to_vec()), Piece::Message(MESSAGE.to_vec())];
        assert_eq!(pieces(std::iter::once(stream.clone())), Ok(expected));
        let bytewise = pieces(stream.iter().map(|byte| vec![*byte])).expect("pieces");
        assert_eq!(bytewise.iter().filter(|piece| matches!(piece, Piece::Message(_))).count(), 2);
    }

    #[test]
    fn wrong_lengths_end_the_stream() {
        for (head, reason) in [
            ("Content-Length: -1", "wrong Content-Length"),
            ("Content-Length: 18446744073709551615", "wrong Content-Length"),
            ("l: 99999", "message too long"),
            ("Content-Length: 1\r\nl: 2", "two Content-Lengths"),
        ] {
            let message = format!("OPTIONS sip:a SIP/2.0\r\n{head}\r\n\r\n");
            assert_eq!(pieces(std::iter::once(message.into_bytes())), Err(reason));
        }
        assert_eq!(pieces(std::iter::repeat_n(vec![b'a'; 1_000], 70)), Err("headers too long"));
    }

    proptest! {
        #[test]
        fn any_stream_is_cut_without_panic(chunks in proptest::collection::vec("[\r\n:l0-9Lc-]{0,40}", 0..40)) {
            let _ = pieces(chunks.into_iter().map(String::into_bytes));
        }
    }
}
