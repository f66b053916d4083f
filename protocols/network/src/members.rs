//! Words between members of the household: a stream each, bytes to its end one way and then the other. Of a peer that the
//! node did not name as a member not a byte is read.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::Duration;

use futures::channel::oneshot;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::PeerId;
use libp2p::swarm::Stream;
use meerkat_protocols::mesh::{InboundRef, MAX_MEMBER_BYTES, Peer, RequestRef};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::address::{peer_id, peer_of};
use crate::streams::{Door, Wish};

/// For each of: agreeing on a stream, the word, the other node's answer. A quarter of a MiB over a slow line, or a member
/// that reads its card.
const PATIENCE: Duration = Duration::from_secs(30);
/// Words of one member that are read or wait for an answer.
const MAX_OF_MEMBER: usize = 4;
/// Words of ours under way: several to each of a household's members.
const MAX_OURS: usize = 64;
/// What comes of streams and waits for the task.
const NEWS: usize = 16;
/// Tells the numbers of members' words from those of other requests, which count up from zero.
const FIRST_INBOUND: u64 = 1 << 63;

/// What came of a stream.
pub(crate) enum News {
    /// A member says something.
    Asked { from: Peer, data: Vec<u8>, answer: oneshot::Sender<Vec<u8>> },
    /// A word of ours has its answer, or has none.
    Answered { request: RequestRef, data: Option<Vec<u8>> },
}

pub(crate) struct Members {
    door: Door,
    peers: BTreeSet<Peer>,
    waiting: BTreeMap<InboundRef, oneshot::Sender<Vec<u8>>>,
    next: u64,
    ours: usize,
    reading: BTreeMap<Peer, usize>,
    news_in: mpsc::Sender<News>,
    news: mpsc::Receiver<News>,
    streams: JoinSet<Option<Peer>>,
}

impl Members {
    pub(crate) fn new(door: Door) -> Self {
        let (news_in, news) = mpsc::channel(NEWS);
        Self {
            door,
            peers: BTreeSet::new(),
            waiting: BTreeMap::new(),
            next: FIRST_INBOUND,
            ours: 0,
            reading: BTreeMap::new(),
            news_in,
            news,
            streams: JoinSet::new(),
        }
    }

    /// Who is a member from now on.
    pub(crate) fn follow(&mut self, peers: Vec<Peer>) {
        self.peers = peers.into_iter().collect();
    }

    /// The next thing to tell the node. Nothing is lost when it is cancelled.
    pub(crate) async fn next(&mut self) -> News {
        loop {
            tokio::select! {
                biased;
                Some(ended) = self.streams.join_next() => self.ended(ended.ok().flatten()),
                Some(news) = self.news.recv() => return news,
                Some((id, stream)) = self.door.arrivals.recv() => self.arrived(&id, stream),
            }
        }
    }

    fn ended(&mut self, member: Option<Peer>) {
        match member {
            Some(member) => {
                let left = self.reading.remove(&member).unwrap_or(1) - 1;
                if left > 0 {
                    self.reading.insert(member, left);
                }
            }
            None => self.ours = self.ours.saturating_sub(1),
        }
        self.waiting.retain(|_, answer| !answer.is_canceled());
    }

    fn arrived(&mut self, id: &PeerId, stream: Stream) {
        // Dropped, the peer sees a refusal.
        let Some(from) = peer_of(id).filter(|peer| self.peers.contains(peer)) else { return };
        let reading = self.reading.entry(from).or_default();
        if *reading >= MAX_OF_MEMBER {
            return;
        }
        *reading += 1;
        let news = self.news_in.clone();
        self.streams.spawn(async move {
            if let Err(error) = answer(stream, from, &news).await {
                tracing::debug!(%error, "a member's word came to nothing");
            }
            Some(from)
        });
    }

    /// Says something to a connected member; `false` if too much is under way.
    pub(crate) fn ask(&mut self, request: RequestRef, peer: Peer, data: Vec<u8>) -> bool {
        let Some(id) = peer_id(peer).filter(|_| self.ours < MAX_OURS) else { return false };
        self.ours += 1;
        let (wishes, news) = (self.door.wishes.clone(), self.news_in.clone());
        self.streams.spawn(async move {
            let said = async {
                let (answer, stream) = oneshot::channel();
                wishes.send(Wish { peer: id, answer }).await.ok()?;
                let stream = timeout(PATIENCE, stream).await.ok()?.ok()?;
                ask(stream, &data).await.inspect_err(|error| tracing::debug!(%error, "no answer of a member")).ok()
            };
            let data = said.await;
            // An error means that we are being shut down.
            let _ = news.send(News::Answered { request, data }).await;
            None
        });
        true
    }

    /// A number for a word that came, by which it is answered.
    pub(crate) fn wait(&mut self, answer: oneshot::Sender<Vec<u8>>) -> InboundRef {
        let inbound = InboundRef(self.next);
        self.next += 1;
        self.waiting.insert(inbound, answer);
        inbound
    }

    /// Whether a number is one of members' words.
    pub(crate) fn is_members(&self, inbound: InboundRef) -> bool {
        inbound.0 >= FIRST_INBOUND
    }

    /// Gives the answer on its way. One that is too long is dropped, which the member sees as a refusal; one that is late
    /// nobody waits for.
    pub(crate) fn answer(&mut self, inbound: InboundRef, data: Vec<u8>) {
        if let Some(answer) = self.waiting.remove(&inbound).filter(|_| data.len() <= MAX_MEMBER_BYTES) {
            let _ = answer.send(data);
        }
    }

    /// The word is not answered.
    pub(crate) fn forget(&mut self, inbound: InboundRef) {
        self.waiting.remove(&inbound);
    }
}

async fn ask(mut stream: Stream, data: &[u8]) -> io::Result<Vec<u8>> {
    timeout(PATIENCE, async {
        stream.write_all(data).await?;
        stream.close().await
    })
    .await??;
    timeout(PATIENCE, read(&mut stream)).await?
}

async fn answer(mut stream: Stream, from: Peer, news: &mpsc::Sender<News>) -> io::Result<()> {
    let data = timeout(PATIENCE, read(&mut stream)).await??;
    let (answer, answered) = oneshot::channel();
    news.send(News::Asked { from, data, answer }).await.map_err(|_| io::ErrorKind::BrokenPipe)?;
    let data = timeout(PATIENCE, answered).await?.map_err(|_| io::ErrorKind::ConnectionRefused)?;
    timeout(PATIENCE, async {
        stream.write_all(&data).await?;
        stream.close().await
    })
    .await?
}

/// All of a word, which is not empty and not too long. Memory grows with what comes.
async fn read(stream: &mut Stream) -> io::Result<Vec<u8>> {
    let mut data = Vec::new();
    stream.take(MAX_MEMBER_BYTES as u64 + 1).read_to_end(&mut data).await?;
    match data.len() {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        1..=MAX_MEMBER_BYTES => Ok(data),
        _ => Err(io::ErrorKind::InvalidData.into()),
    }
}
