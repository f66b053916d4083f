//! Requests and responses between two nodes, a stream each: bytes to the stream's end, one way and then the other.
//!
//! The empty request is answered by the network itself: it is how [`Order::Ping`] measures.
//!
//! [`Order::Ping`]: meerkat_protocols::mesh::Order::Ping

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use libp2p::StreamProtocol;
use libp2p::request_response::{
    Behaviour, Codec, Config, InboundRequestId, OutboundRequestId, ProtocolSupport, ResponseChannel,
};
use meerkat_protocols::mesh::{InboundRef, MAX_DIRECT_BYTES, Peer, RequestRef};
use tokio::time::Instant;

const PROTOCOL: StreamProtocol = StreamProtocol::new("/meerkat/direct/1");

/// From the stream's opening to the answer's last byte. Seconds on a bad radio link; the other node answers from memory.
const PATIENCE: Duration = Duration::from_secs(10);
/// Requests under way on one connection, both ways together: at 16 KiB each, 12 MiB over all connections.
const MAX_STREAMS: usize = 8;
/// Requests of one peer that wait for the node.
const MAX_INBOUND_OF_PEER: usize = 4;
/// Requests of all peers that wait for the node: 1 MiB.
const MAX_INBOUND: usize = 64;
/// Requests of ours under way: a word to each of a street's nodes, and some more.
const MAX_OUTBOUND: usize = 256;

/// Before each answer: an empty answer is one, an empty stream is none.
const ANSWERS: [u8; 1] = [1];

pub(crate) type Direct = Behaviour<RawBytes>;

pub(crate) fn behaviour() -> Direct {
    let config = Config::default().with_request_timeout(PATIENCE).with_max_concurrent_streams(MAX_STREAMS);
    Direct::with_codec(RawBytes::default(), [(PROTOCOL, ProtocolSupport::Full)], config)
}

/// What came back, and how long after the request had left.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) data: Vec<u8>,
    pub(crate) after: Duration,
}

/// Reads and writes bytes as they are. Each request has a copy of its own.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct RawBytes {
    left: Option<Instant>,
}

impl Codec for RawBytes {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Answer;

    async fn read_request<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read(stream, 0).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, stream: &mut T) -> io::Result<Answer>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut data = read(stream, ANSWERS.len()).await?;
        // The other side closes the stream in order without a word when it does not answer.
        if !data.starts_with(&ANSWERS) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        data.drain(..ANSWERS.len());
        Ok(Answer { data, after: self.left.map_or(PATIENCE, |left| left.elapsed()) })
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, stream: &mut T, data: Vec<u8>) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        stream.write_all(&data).await?;
        stream.flush().await?;
        self.left = Some(Instant::now());
        Ok(())
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, stream: &mut T, answer: Answer) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        stream.write_all(&ANSWERS).await?;
        stream.write_all(&answer.data).await?;
        stream.flush().await
    }
}

/// As many bytes as are allowed, after a head.
async fn read(stream: &mut (impl AsyncRead + Unpin), head: usize) -> io::Result<Vec<u8>> {
    let most = head + MAX_DIRECT_BYTES;
    // Grows with what comes.
    let mut data = Vec::new();
    stream.take(most as u64 + 1).read_to_end(&mut data).await?;
    if data.len() > most { Err(io::ErrorKind::InvalidData.into()) } else { Ok(data) }
}

/// What we asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    Request(RequestRef),
    Ping(Peer),
}

/// A peer's request that waits for the node.
struct Inbound {
    peer: Peer,
    id: InboundRequestId,
    channel: ResponseChannel<Answer>,
}

/// What is under way.
#[derive(Default)]
pub(crate) struct UnderWay {
    next: u64,
    inbound: BTreeMap<InboundRef, Inbound>,
    outbound: HashMap<OutboundRequestId, Asked>,
}

impl UnderWay {
    /// A request has come; `None` when too many wait. Its channel is dropped then, which the peer sees as a refusal.
    pub(crate) fn came(
        &mut self,
        peer: Peer,
        id: InboundRequestId,
        channel: ResponseChannel<Answer>,
    ) -> Option<InboundRef> {
        let same = self.inbound.values().filter(|waiting| waiting.peer == peer).count();
        if same >= MAX_INBOUND_OF_PEER || self.inbound.len() >= MAX_INBOUND {
            return None;
        }
        let inbound = InboundRef(self.next);
        self.next += 1;
        self.inbound.insert(inbound, Inbound { peer, id, channel });
        Some(inbound)
    }

    /// Where the answer goes; `None` if nobody waits for it any more.
    pub(crate) fn answer(&mut self, inbound: InboundRef) -> Option<ResponseChannel<Answer>> {
        self.inbound.remove(&inbound).map(|waiting| waiting.channel)
    }

    /// The peer has gone, or its patience is at an end.
    pub(crate) fn gone(&mut self, id: InboundRequestId) {
        self.inbound.retain(|_, waiting| waiting.id != id);
    }

    pub(crate) fn has_room(&self) -> bool {
        self.outbound.len() < MAX_OUTBOUND
    }

    pub(crate) fn asked(&mut self, id: OutboundRequestId, asked: Asked) {
        self.outbound.insert(id, asked);
    }

    pub(crate) fn take(&mut self, id: OutboundRequestId) -> Option<Asked> {
        self.outbound.remove(&id)
    }
}

#[cfg(test)]
mod tests {
    use futures::executor::block_on;
    use futures::io::Cursor;

    use super::*;

    #[test]
    fn an_empty_answer_is_one_and_an_empty_stream_is_none() {
        let mut stream = Cursor::new(Vec::new());
        let answer = Answer { data: Vec::new(), after: Duration::ZERO };
        block_on(RawBytes::default().write_response(&PROTOCOL, &mut stream, answer)).expect("written");
        let mut written = Cursor::new(stream.into_inner());
        let answer = block_on(RawBytes::default().read_response(&PROTOCOL, &mut written)).expect("an answer");
        assert!(answer.data.is_empty());
        let nothing = block_on(RawBytes::default().read_response(&PROTOCOL, &mut Cursor::new(Vec::new())));
        assert_eq!(nothing.map_err(|e| e.kind()).err(), Some(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn what_is_too_long_is_not_read() {
        for (length, allowed) in [(0, true), (MAX_DIRECT_BYTES, true), (MAX_DIRECT_BYTES + 1, false)] {
            let data = vec![7; length];
            let read = block_on(read(&mut Cursor::new(&data), 0));
            assert_eq!(read.as_ref().ok(), allowed.then_some(&data), "{length}");
        }
    }
}
