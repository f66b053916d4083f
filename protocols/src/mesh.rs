//! What the network tells the node and what it is told. The network carries bytes; it decides nothing.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};

/// The largest gossip message, in bytes. The longest statement of today has under 200; the rest is room to grow.
pub const MAX_GOSSIP_BYTES: usize = 4096;

/// The topic of all statements. Topics by country and shard come with the neighbourhood's growth.
pub const STATEMENTS: &str = "/meerkat/1/statements";

/// A counterpart on the network: the 32 bytes of its Ed25519 network key, from which libp2p's `PeerId` follows. It is
/// never the key that signs statements, so that nobody who carries a report knows who made it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Peer(#[serde(with = "serde_bytes")] pub [u8; 32]);

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32_NOPAD.encode(&self.0).to_ascii_lowercase())
    }
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string()[..8])
    }
}

/// A gossip message in the network's hands, waiting for our word on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageRef(pub u64);

/// Our word on a gossip message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validation {
    /// Good: pass it on.
    Accept,
    /// Not for us, or not now: do not pass it on, hold nothing against who sent it.
    Ignore,
    /// Nobody honest sends this: do not pass it on, think less of who sent it.
    Reject,
}

/// How a peer became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Found {
    /// Seen on the local network (mDNS, RFC 6762).
    Nearby,
    /// Its address was given in the settings or by hand.
    Configured,
    /// Known from an earlier time.
    Remembered,
    /// It called us.
    CalledUs,
}

/// What the network reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// We can be reached at this multiaddress.
    Listening {
        /// With our peer id at its end.
        address: String,
    },
    /// We can no longer be reached at this multiaddress.
    Deaf {
        /// As it was reported.
        address: String,
    },
    /// The first connection to a peer stands.
    Connected {
        /// Whom.
        peer: Peer,
        /// Its multiaddress.
        address: String,
        /// How it became known.
        found: Found,
    },
    /// The last connection to a peer is gone.
    Disconnected {
        /// Whom.
        peer: Peer,
    },
    /// A gossip message has come. It must be answered with [`Order::Judge`].
    Gossip {
        /// What to answer with.
        message: MessageRef,
        /// The neighbour that passed it to us, not who made it.
        from: Peer,
        /// At most [`MAX_GOSSIP_BYTES`].
        data: Vec<u8>,
    },
    /// The network cannot do its work; the text says why and what next.
    Trouble(String),
}

/// An order to the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Send to the whole neighbourhood.
    Publish {
        /// A signed statement.
        data: Vec<u8>,
    },
    /// What to do with a message that came.
    Judge {
        /// Which.
        message: MessageRef,
        /// Our word.
        validation: Validation,
    },
}

/// The longest frame of an exchange: what `meerkat-reconcile` may need, 352 KiB, with room to grow.
pub const MAX_EXCHANGE_FRAME_BYTES: usize = 384 * 1024;

/// A stream of frames between us and one peer, for as long as an exchange lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExchangeRef(pub u64);

/// Why a stream of frames has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// The peer, or we, closed it in order.
    Closed,
    /// The connection is gone, or the peer broke off.
    Lost,
    /// The peer sent nothing, or took nothing, for too long; or it went on for too long altogether.
    Slow,
    /// A frame, or all of them, longer than is allowed.
    TooLong,
}

/// What the network reports of exchanges, apart from [`Event`]: frames are large, and wait for each other only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeEvent {
    /// Frames can be sent and will come.
    Opened {
        /// By what it goes.
        exchange: ExchangeRef,
        /// With whom.
        peer: Peer,
        /// Whether [`ExchangeOrder::Open`] asked for it.
        ours: bool,
    },
    /// What [`ExchangeOrder::Open`] asked for is not to be had now.
    NotOpened {
        /// With whom.
        peer: Peer,
    },
    /// A frame has come.
    Frame {
        /// Where.
        exchange: ExchangeRef,
        /// At most [`MAX_EXCHANGE_FRAME_BYTES`].
        data: Vec<u8>,
    },
    /// Nothing more comes.
    Ended {
        /// What.
        exchange: ExchangeRef,
        /// Why.
        ending: Ending,
    },
}

/// An order about exchanges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExchangeOrder {
    /// Begin one with a peer that is connected.
    Open {
        /// With whom.
        peer: Peer,
    },
    /// Send a frame. To one that has ended it is lost.
    Frame {
        /// Where.
        exchange: ExchangeRef,
        /// At most [`MAX_EXCHANGE_FRAME_BYTES`].
        data: Vec<u8>,
    },
    /// Close it once the frames before are sent.
    Close {
        /// What.
        exchange: ExchangeRef,
    },
}
