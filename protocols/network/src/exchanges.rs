//! Carries the frames of exchanges, each on a stream of its own, with limits on how many, how long and how much.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use futures::channel::oneshot;
use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::PeerId;
use libp2p::swarm::Stream;
use meerkat_protocols::mesh::{Ending, ExchangeEvent, ExchangeOrder, ExchangeRef, Peer};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::address::{peer_id, peer_of};
use crate::frame;
use crate::streams::{Door, Wish};

/// Exchanges at once: each may hold a sketch of 512 KiB and two frames.
const MAX_EXCHANGES: usize = 4;
/// Of these, begun by others: one place is always left for ours.
const MAX_THEIRS: usize = 3;
/// Frames of ours that wait for one peer. A side has ten under way at most: the end of one range and the question about the
/// next, four of what was missing, and its word on four that came.
const FRAME_QUEUE: usize = 12;
/// For the peer to agree on a stream, to send the next frame, or to take one: twice what an exchange itself allows, which
/// knows better what it waits for.
const PATIENCE: Duration = Duration::from_secs(30);
/// A first meeting over a slow line, with all that is then fetched.
const LONGEST: Duration = Duration::from_secs(15 * 60);
/// A million ids are 26 MB to find, a million statements 130 to 200 MB: more than either is no exchange.
const MOST_BYTES: usize = 256 << 20;

/// One stream.
struct Open {
    peer: Peer,
    ours: bool,
    /// Dropped to close it once what waits is sent.
    frames: Option<mpsc::Sender<Vec<u8>>>,
}

pub(crate) struct Exchanges {
    door: Door,
    orders: mpsc::Receiver<ExchangeOrder>,
    events: mpsc::Sender<ExchangeEvent>,
    next: u64,
    open: BTreeMap<u64, Open>,
    running: JoinSet<u64>,
}

impl Exchanges {
    pub(crate) fn new(door: Door, orders: mpsc::Receiver<ExchangeOrder>, events: mpsc::Sender<ExchangeEvent>) -> Self {
        Self { door, orders, events, next: 0, open: BTreeMap::new(), running: JoinSet::new() }
    }

    /// Until nobody gives orders any more. What is open then is broken off.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                order = self.orders.recv() => match order {
                    Some(order) => self.order(order).await,
                    None => return,
                },
                Some(ended) = self.running.join_next() => {
                    // A panic in there is reported by the runtime; its place would be lost, so nothing in there panics.
                    if let Ok(number) = ended {
                        self.open.remove(&number);
                    }
                }
                Some((peer, stream)) = self.door.arrivals.recv() => self.arrived(&peer, stream),
            }
        }
    }

    async fn order(&mut self, order: ExchangeOrder) {
        match order {
            ExchangeOrder::Open { peer } => {
                if !self.open(peer).await {
                    // An error means that nobody listens any more: we are being shut down.
                    let _ = self.events.send(ExchangeEvent::NotOpened { peer }).await;
                }
            }
            ExchangeOrder::Frame { exchange, data } => {
                let Some(open) = self.open.get_mut(&exchange.0) else { return };
                let taken = open.frames.as_ref().is_none_or(|frames| frames.try_send(data).is_ok());
                if !taken {
                    // Nobody who waits for answers sends so many: nothing in between may be missing.
                    open.frames = None;
                }
            }
            ExchangeOrder::Close { exchange } => {
                if let Some(open) = self.open.get_mut(&exchange.0) {
                    open.frames = None;
                }
            }
        }
    }

    async fn open(&mut self, peer: Peer) -> bool {
        if !self.has_place(peer, true) {
            return false;
        }
        let Some(id) = peer_id(peer) else { return false };
        let (answer, stream) = oneshot::channel();
        if self.door.wishes.send(Wish { peer: id, answer }).await.is_err() {
            return false;
        }
        self.carry(peer, true, Way::Wished(stream));
        true
    }

    fn arrived(&mut self, id: &PeerId, stream: Stream) {
        match peer_of(id) {
            Some(peer) if self.has_place(peer, false) => self.carry(peer, false, Way::Open(stream)),
            _ => tracing::debug!(%id, "no place for another exchange"),
        }
    }

    fn has_place(&self, peer: Peer, ours: bool) -> bool {
        let theirs = self.open.values().filter(|open| !open.ours).count();
        let same = self.open.values().any(|open| open.peer == peer && open.ours == ours);
        !same && self.open.len() < MAX_EXCHANGES && (ours || theirs < MAX_THEIRS)
    }

    fn carry(&mut self, peer: Peer, ours: bool, way: Way) {
        let number = self.next;
        self.next += 1;
        let (frames, frames_out) = mpsc::channel(FRAME_QUEUE);
        self.open.insert(number, Open { peer, ours, frames: Some(frames) });
        let carrier = Carrier { exchange: ExchangeRef(number), peer, ours, events: self.events.clone() };
        self.running.spawn(async move {
            carrier.run(way, frames_out).await;
            number
        });
    }
}

/// How a stream comes.
enum Way {
    Wished(oneshot::Receiver<Stream>),
    Open(Stream),
}

/// Carries one exchange.
struct Carrier {
    exchange: ExchangeRef,
    peer: Peer,
    ours: bool,
    events: mpsc::Sender<ExchangeEvent>,
}

impl Carrier {
    async fn run(self, way: Way, frames: mpsc::Receiver<Vec<u8>>) {
        let stream = match way {
            Way::Open(stream) => Some(stream),
            Way::Wished(stream) => timeout(PATIENCE, stream).await.ok().and_then(Result::ok),
        };
        let Self { exchange, peer, ours, .. } = self;
        let Some(stream) = stream else { return self.tell(ExchangeEvent::NotOpened { peer }).await };
        self.tell(ExchangeEvent::Opened { exchange, peer, ours }).await;
        let ending = timeout(LONGEST, self.both_ways(stream, frames)).await.unwrap_or(Ending::Slow);
        self.tell(ExchangeEvent::Ended { exchange, ending }).await;
    }

    /// An error means that nobody listens any more: we are being shut down.
    async fn tell(&self, event: ExchangeEvent) {
        let _ = self.events.send(event).await;
    }

    async fn both_ways(&self, stream: Stream, frames: mpsc::Receiver<Vec<u8>>) -> Ending {
        let (read, write) = stream.split();
        let (reading, writing) = (self.read(read), send(write, frames));
        tokio::pin!(reading, writing);
        tokio::select! {
            biased;
            // We have closed, and whatever the peer still says is of no use; or it does not take what we send.
            written = &mut writing => written.map_or_else(|why| ending(&why), |()| Ending::Closed),
            // It has closed, and wants nothing more.
            ended = &mut reading => ended,
        }
    }

    async fn read(&self, mut stream: impl futures::AsyncRead + Unpin) -> Ending {
        let mut bytes = 0;
        loop {
            match timeout(PATIENCE, frame::read(&mut stream)).await {
                Err(_) => return Ending::Slow,
                Ok(Err(why)) => return ending(&why),
                Ok(Ok(None)) => return Ending::Closed,
                Ok(Ok(Some(data))) => {
                    bytes += data.len();
                    if bytes > MOST_BYTES {
                        return Ending::TooLong;
                    }
                    // A slow node is waited for, and so is the peer by not being read: its patience, not ours, is spent.
                    self.tell(ExchangeEvent::Frame { exchange: self.exchange, data }).await;
                }
            }
        }
    }
}

async fn send(mut stream: impl futures::AsyncWrite + Unpin, mut frames: mpsc::Receiver<Vec<u8>>) -> io::Result<()> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    while let Some(data) = frames.recv().await {
        timeout(PATIENCE, frame::write(&mut stream, &data)).await.map_err(late)??;
    }
    timeout(PATIENCE, stream.close()).await.map_err(late)?
}

fn ending(why: &io::Error) -> Ending {
    match why.kind() {
        io::ErrorKind::InvalidData => Ending::TooLong,
        io::ErrorKind::TimedOut => Ending::Slow,
        _ => Ending::Lost,
    }
}
