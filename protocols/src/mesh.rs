//! What the network tells the node and what it is told. The network carries bytes; it decides nothing.

use std::fmt;

use data_encoding::BASE32_NOPAD;
use serde::{Deserialize, Serialize};

use crate::topic::Topic;

/// The largest gossip message, in bytes. The longest statement of today has under 200; the rest is room to grow.
pub const MAX_GOSSIP_BYTES: usize = 4096;

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

/// The largest request or response between two nodes, in bytes: twenty peers with their addresses have 12 KiB.
pub const MAX_DIRECT_BYTES: usize = 16 * 1024;

/// The largest word between two members of a household, in bytes: some thousand facts, or a document of a thousand
/// entries.
pub const MAX_MEMBER_BYTES: usize = 256 * 1024;

/// A request of ours to one peer; chosen by the node, counting up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestRef(pub u64);

/// A request of a peer to us; chosen by the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InboundRef(pub u64);

/// What a request between two nodes is about: its first byte. What follows is an array in CBOR.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RequestKind {
    /// What a node says of itself to a neighbour.
    Record,
    /// A guest with an invitation.
    Join,
    /// Two that found each other nearby.
    Meet,
    /// A message.
    Message,
    /// Which peers do you know?
    Peers,
    /// Still here.
    Heartbeat,
    /// A node that is to become a member of the household.
    Enrol,
    /// A locked member of the household asks for what opens its store.
    Release,
}

impl RequestKind {
    /// The answer to a kind that we do not know: the other side's program is newer.
    pub const NOT_UNDERSTOOD: u8 = 0xFF;

    /// The kind that a first byte names.
    #[must_use]
    pub fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Record,
            2 => Self::Join,
            3 => Self::Meet,
            4 => Self::Message,
            5 => Self::Peers,
            6 => Self::Heartbeat,
            7 => Self::Enrol,
            8 => Self::Release,
            _ => return None,
        })
    }

    /// The first byte.
    #[must_use]
    pub fn byte(self) -> u8 {
        match self {
            Self::Record => 1,
            Self::Join => 2,
            Self::Meet => 3,
            Self::Message => 4,
            Self::Peers => 5,
            Self::Heartbeat => 6,
            Self::Enrol => 7,
            Self::Release => 8,
        }
    }
}

/// How a connection to a peer goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Path {
    /// From us to it.
    Direct,
    /// Through a third node, which passes on what it cannot read.
    Relayed {
        /// That node.
        through: Peer,
    },
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
        /// How the connection goes, as of now.
        path: Path,
    },
    /// The connection to a peer goes another way now: through a relay first, then directly, or the other way round.
    PathChanged {
        /// Whom it leads to.
        peer: Peer,
        /// How it goes now.
        path: Path,
    },
    /// Whether others can call us, as they told us after trying. Told when it changes.
    Reachable {
        /// Whether they can, without a relay.
        public: bool,
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
    /// A peer asks something. It must be answered with [`Order::Respond`], within seconds.
    Request {
        /// Who asks.
        from: Peer,
        /// What to answer with.
        inbound: InboundRef,
        /// 1 to [`MAX_DIRECT_BYTES`]; the first byte is a [`RequestKind`].
        data: Vec<u8>,
    },
    /// A member of the household says something. It must be answered with [`Order::Respond`], within seconds. Nobody but
    /// those of [`Order::Members`] is listened to.
    MemberAsks {
        /// Which member's node.
        from: Peer,
        /// What to answer with.
        inbound: InboundRef,
        /// 1 to [`MAX_MEMBER_BYTES`].
        data: Vec<u8>,
    },
    /// The answer to a request of ours.
    Response {
        /// Which.
        request: RequestRef,
        /// At most [`MAX_DIRECT_BYTES`], of a member [`MAX_MEMBER_BYTES`].
        data: Vec<u8>,
    },
    /// A request of ours has no answer: the peer is not connected, refused, or took too long. It may have arrived.
    Unanswered {
        /// Which.
        request: RequestRef,
    },
    /// The answer to [`Order::Ping`].
    Pinged {
        /// Whom.
        peer: Peer,
        /// How long there and back, in microseconds; `None`: no answer.
        rtt_us: Option<u64>,
        /// Which way it went.
        path: Path,
    },
    /// The network cannot do its work; the text says why and what next.
    Trouble(String),
}

/// An order to the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Send to the neighbourhood.
    Publish {
        /// To those who hear this.
        topic: Topic,
        /// A signed statement.
        data: Vec<u8>,
    },
    /// Hear these topics and no others. Before the first such order: [`Topic::Vouches`].
    Hear {
        /// At most eight are heard.
        topics: Vec<Topic>,
    },
    /// What to do with a message that came.
    Judge {
        /// Which.
        message: MessageRef,
        /// Our word.
        validation: Validation,
    },
    /// Ask one peer. Exactly one [`Event::Response`] or [`Event::Unanswered`] follows.
    Request {
        /// What the answer carries.
        request: RequestRef,
        /// Whom.
        peer: Peer,
        /// 1 to [`MAX_DIRECT_BYTES`]; the first byte is a [`RequestKind`].
        data: Vec<u8>,
    },
    /// Say something to a member of the household. Exactly one [`Event::Response`] or [`Event::Unanswered`] follows.
    AskMember {
        /// What the answer carries.
        request: RequestRef,
        /// Which member's node.
        peer: Peer,
        /// 1 to [`MAX_MEMBER_BYTES`].
        data: Vec<u8>,
    },
    /// Answer a peer. Too late, it is lost.
    Respond {
        /// Which.
        inbound: InboundRef,
        /// At most [`MAX_DIRECT_BYTES`], to a member [`MAX_MEMBER_BYTES`].
        data: Vec<u8>,
    },
    /// The other members of the household, from now on. Of everybody else not a byte of a member's word is read.
    Members {
        /// Their nodes' peers.
        peers: Vec<Peer>,
    },
    /// Connect to a peer, and keep trying until [`Order::Forget`].
    Dial {
        /// Whom.
        peer: Peer,
        /// Multiaddresses at which it may be found. What cannot be read is passed over.
        addresses: Vec<String>,
    },
    /// Try no longer. A connection that stands stays.
    Forget {
        /// Whom.
        peer: Peer,
    },
    /// See how long a word to the peer and back takes. [`Event::Pinged`] follows.
    Ping {
        /// Whom.
        peer: Peer,
    },
    /// What we think of a peer: by it the network ranks peers, and lets those above zero through our relay.
    Trust {
        /// Of whom.
        peer: Peer,
        /// Zero for those we know nothing of.
        score: i16,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_request_has_one_byte() {
        let known: Vec<(u8, RequestKind)> =
            (0..=255).filter_map(|byte| Some((byte, RequestKind::from_byte(byte)?))).collect();
        assert_eq!(known.len(), 8);
        assert!(known.iter().all(|(byte, kind)| kind.byte() == *byte));
        assert_eq!(RequestKind::from_byte(RequestKind::NOT_UNDERSTOOD), None);
    }
}
