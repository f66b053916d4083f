//! What the network is started with.

use std::fmt;

use libp2p::identity::Keypair;
use meerkat_protocols::mesh::Peer;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::address::BadAddress;

/// The seed of the Ed25519 network key (RFC 8032, 5.1.5). Never the key that signs statements.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct NetworkKey([u8; 32]);

impl NetworkKey {
    /// From its 32 secret bytes.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self(seed)
    }
}

impl fmt::Debug for NetworkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NetworkKey(..)")
    }
}

impl RelayFor {
    /// By the word in the settings: `nobody`, `trusted` or `everybody`.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "nobody" => Self::Nobody,
            "trusted" => Self::Trusted,
            "everybody" => Self::Everybody,
            _ => return None,
        })
    }
}

/// What the network is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who we are on the network.
    pub secret: NetworkKey,
    /// The multiaddresses to listen on. Empty: TCP and QUIC on port 4787, IPv4 and IPv6, all interfaces.
    pub listen: Vec<String>,
    /// The multiaddresses of peers given by hand; the peer id at the end may be missing.
    pub peers: Vec<String>,
    /// Peers known from an earlier time, with the multiaddresses they had.
    pub remembered: Vec<(Peer, Vec<String>)>,
    /// Whether to be found, and to find others, on the local network.
    pub mdns: bool,
    /// For whom to relay while others can call us.
    pub relay: RelayFor,
}

/// For whom a node that others can call relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RelayFor {
    /// For nobody.
    Nobody,
    /// For peers with a trust score above zero.
    #[default]
    Trusted,
    /// For everybody who asks.
    Everybody,
}

impl Settings {
    /// The settings of a daemon that was told nothing.
    #[must_use]
    pub fn new(secret: NetworkKey) -> Self {
        Self {
            secret,
            listen: Vec::new(),
            peers: Vec::new(),
            remembered: Vec::new(),
            mdns: true,
            relay: RelayFor::default(),
        }
    }

    pub(crate) fn keypair(&self) -> Result<Keypair, Trouble> {
        let mut seed = self.secret.0;
        // Wipes `seed`. Any 32 bytes are a seed; the type cannot say so.
        Keypair::ed25519_from_bytes(&mut seed).map_err(|_| Trouble::Key)
    }
}

/// Why the network does not start.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// A setting names no address.
    #[error("in the setting `{setting}`: {source}")]
    Address {
        /// `listen` or `peers`.
        setting: &'static str,
        /// What is wrong with it.
        source: BadAddress,
    },
    /// The stored seed makes no key.
    #[error("the network key is damaged; restore it from a backup, or remove it to become a new peer")]
    Key,
    /// Called outside a tokio runtime: our own mistake.
    #[error("the network was started outside a runtime; please report this mistake of ours")]
    NoRuntime,
    /// The parts of libp2p refuse to be put together.
    #[error("the network cannot be set up: {0}; please report this mistake of ours")]
    SetUp(String),
}
