//! Peers that one node tells another about, so that a neighbourhood holds together without a server that everybody asks.

use serde::{Deserialize, Serialize};

use crate::{
    cbor,
    contact::{MAX_ADDRESS_BYTES, is_address},
    mesh::{MAX_DIRECT_BYTES, Peer},
};

/// Peers of one answer: with four addresses each of the longest they have 13.5 KB, and an answer may have 16 KiB.
pub const MAX_PEERS: usize = 20;
/// Addresses of one peer: direct ones, or those of relays.
pub const MAX_ADDRESSES: usize = 4;

const _: () = assert!(MAX_PEERS * (40 + MAX_ADDRESSES * (MAX_ADDRESS_BYTES + 3)) < MAX_DIRECT_BYTES);

/// A peer, and where it may be found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed(
    /// Who.
    pub Peer,
    /// Multiaddresses: `/ip4/…` without the peer's id, or a relay's that end in `/p2p-circuit`.
    pub Vec<String>,
);

/// What is asked: how many are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted(u8, ());

impl Wanted {
    /// So many, at most [`MAX_PEERS`].
    #[must_use]
    pub fn new(count: usize) -> Self {
        Self(u8::try_from(count.min(MAX_PEERS)).unwrap_or(u8::MAX), ())
    }

    /// How many.
    #[must_use]
    pub fn count(self) -> usize {
        usize::from(self.0).min(MAX_PEERS)
    }

    /// As bytes.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        cbor::encode(&self)
    }

    /// From bytes; `None` if they are not the one encoding.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > 8 { None } else { cbor::decode_strict(bytes).ok() }
    }
}

/// What is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PeerList(Vec<Listed>);

impl PeerList {
    /// The first of them, each with its first addresses; those without any that can be told are left out.
    #[must_use]
    pub fn of(peers: impl IntoIterator<Item = Listed>) -> Self {
        let fitting = |Listed(peer, addresses): Listed| {
            let told: Vec<String> = addresses.into_iter().filter(|a| is_address(a)).take(MAX_ADDRESSES).collect();
            (!told.is_empty()).then_some(Listed(peer, told))
        };
        Self(peers.into_iter().filter_map(fitting).take(MAX_PEERS).collect())
    }

    /// The peers.
    #[must_use]
    pub fn peers(&self) -> &[Listed] {
        &self.0
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// From bytes; `None` if they are not the one encoding of a list that keeps to the limits.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_DIRECT_BYTES {
            return None;
        }
        let list: Self = cbor::decode_strict(bytes).ok()?;
        (Self::of(list.0.clone()) == list).then_some(list)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(number: u8, addresses: usize) -> Listed {
        Listed(Peer([number; 32]), (0..addresses).map(|n| format!("/ip4/203.0.113.{n}/tcp/4787")).collect())
    }

    #[test]
    fn a_list_is_bounded_when_it_is_made_and_when_it_is_read() {
        let made = PeerList::of((0..50).map(|number| listed(number, 9)));
        assert_eq!((made.peers().len(), made.peers()[0].1.len()), (MAX_PEERS, MAX_ADDRESSES));
        assert_eq!(PeerList::decode(&made.encode()), Some(made));
        let too = |list: Vec<Listed>| PeerList::decode(&cbor::encode(&PeerList(list)));
        assert_eq!(too((0..21).map(|number| listed(number, 1)).collect()), None);
        assert_eq!(too(vec![listed(1, 5)]), None);
        assert_eq!(too(vec![listed(1, 0)]), None);
        assert_eq!(too(vec![Listed(Peer([1; 32]), vec!["nonsense".into()])]), None);
        assert_eq!(too(vec![Listed(Peer([1; 32]), vec![format!("/{}", "x".repeat(200))])]), None);
        let longest = Listed(Peer([1; 32]), vec![format!("/{}", "x".repeat(MAX_ADDRESS_BYTES - 1)); MAX_ADDRESSES]);
        assert!(PeerList::of(vec![longest; MAX_PEERS]).encode().len() < MAX_DIRECT_BYTES);
    }

    #[test]
    fn the_encoding_is_what_it_was() {
        let text = b"/ip4/203.0.113.7/tcp/4787";
        let one = [&[0x81, 0x82, 0x58, 0x20][..], &[1; 32], &[0x81, 0x78, 25], text].concat();
        let list = PeerList::of([Listed(Peer([1; 32]), vec![String::from_utf8_lossy(text).into_owned()])]);
        assert_eq!((list.encode(), PeerList::decode(&one)), (one, Some(list)));
    }

    #[test]
    fn what_is_wanted_is_a_small_number() {
        assert_eq!(Wanted::decode(&Wanted::new(7).encode()).map(Wanted::count), Some(7));
        assert_eq!(Wanted::new(9_999).count(), MAX_PEERS);
        assert_eq!(Wanted::decode(&[]), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            if let Some(list) = PeerList::decode(&bytes) {
                prop_assert_eq!(list.encode(), bytes);
            }
        }
    }
}
