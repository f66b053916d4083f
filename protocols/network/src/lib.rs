//! Carries bytes between homes: libp2p over TCP and QUIC, discovery on the local network by mDNS.
//!
//! [`start`] spawns one task on the current tokio runtime. It takes [`Order`]s, gives [`Event`]s and keeps nothing on
//! disk.
//!
//! **What is absent.** No decision: whether a message is good is the node's word, given with [`Order::Judge`], and no
//! message travels on without it. No statement is read or signed here, no key but the network key is known here, and
//! nothing waits for a slow node: what it cannot take in time is not passed on.
//!
//! `design/network.md` has the figures and their reasons.

#![forbid(unsafe_code)]

mod address;
mod autonat;
mod behaviour;
mod book;
mod callback;
mod direct;
mod exchanges;
mod filtered;
mod frame;
mod gate;
mod gossiping;
mod judging;
mod listen;
mod members;
mod met;
mod nat;
mod nearby;
mod outlet;
mod pace;
mod paths;
mod places;
mod reach;
mod relaying;
mod relays;
mod settings;
mod streams;
mod talk;
mod task;
mod topics;
mod transport;
mod trusted;
mod unsent;

use std::time::Duration;

use futures::{AsyncRead, AsyncWrite};
use libp2p::Transport;
use meerkat_protocols::mesh::{Event, ExchangeEvent, ExchangeOrder, Order, Peer};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use transport::Connections;

pub use address::{BadAddress, Example, check_listen, check_peer, peer_from_text, peer_id_text};
pub use libp2p;
pub use settings::{NetworkKey, RelayFor, Settings, Trouble};

/// The events that wait for the node. Gossip beyond it is not passed on; everything else waits outside the queue.
pub const EVENT_QUEUE: usize = 256;

/// The orders that wait for the network: a batch of our own statements and the judgements of a full event queue.
pub const ORDER_QUEUE: usize = 1024;

/// The orders about exchanges that wait: as many frames as four of them have under way.
pub const EXCHANGE_ORDER_QUEUE: usize = 16;

/// The frames that wait for the node: 1.5 MiB. A peer whose frames find no room is not read.
pub const EXCHANGE_EVENT_QUEUE: usize = 4;

/// The way of exchanges, apart from gossip: frames are large, and a node that is slow to take them slows their senders only.
pub struct Exchanges {
    /// What the network is told. Once it is dropped there are no more exchanges.
    pub orders: mpsc::Sender<ExchangeOrder>,
    /// What it reports.
    pub events: mpsc::Receiver<ExchangeEvent>,
}

/// The running network.
pub struct Network {
    /// What it is told.
    pub orders: mpsc::Sender<Order>,
    /// What it reports.
    pub events: mpsc::Receiver<Event>,
    /// Comparing with one peer what both hold. Whoever takes no part in that takes it out and drops it.
    pub exchanges: Option<Exchanges>,
    peer: Peer,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Network {
    /// Who we are on the network.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Says goodbye on the local network, closes the connections and ends the task, by force when `deadline` has
    /// passed. Returns whether everything was closed in time.
    pub async fn shutdown(self, deadline: Duration) -> bool {
        let Self { orders, events, exchanges, stop, mut task, .. } = self;
        drop((orders, events, exchanges));
        // An error means that the task has ended already.
        let _ = stop.send(());
        if tokio::time::timeout(deadline, &mut task).await.is_ok() {
            return true;
        }
        task.abort();
        false
    }
}

/// Starts the network over TCP and QUIC.
///
/// # Errors
/// [`Trouble`] if a setting is wrong or the machine denies the means. A taken port is no error: it is reported as
/// [`Event::Trouble`] and another one is used.
pub fn start(settings: &Settings) -> Result<Network, Trouble> {
    spawn(transport::sockets(&settings.keypair()?)?, settings)
}

/// Starts the network over streams of the caller's, secured here: memory in tests, modelled links in simulations.
///
/// # Errors
/// As [`start`].
pub fn start_over<T>(streams: T, settings: &Settings) -> Result<Network, Trouble>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    spawn(transport::streams(streams, &settings.keypair()?)?, settings)
}

fn spawn(connections: Connections, settings: &Settings) -> Result<Network, Trouble> {
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| Trouble::NoRuntime)?;
    let (orders, orders_in) = mpsc::channel(ORDER_QUEUE);
    let (events_out, events) = mpsc::channel(EVENT_QUEUE);
    let (stop, stopped) = oneshot::channel();
    let (task, door) = task::Task::new(connections, settings, orders_in, events_out)?;
    let peer = task.peer();
    let task = runtime.spawn(task.run(stopped));
    Ok(Network { orders, events, exchanges: Some(exchanges(&runtime, door)), peer, stop, task })
}

/// Ends with its orders or, the door being shut from inside, with the swarm.
fn exchanges(runtime: &tokio::runtime::Handle, door: streams::Door) -> Exchanges {
    let (orders, orders_in) = mpsc::channel(EXCHANGE_ORDER_QUEUE);
    let (events_out, events) = mpsc::channel(EXCHANGE_EVENT_QUEUE);
    runtime.spawn(exchanges::Exchanges::new(door, orders_in, events_out).run());
    Exchanges { orders, events }
}
