//! Lists of peers, as a neighbour may send them. What is read keeps to the limits and is written to the same bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_protocols::peerlist::{MAX_ADDRESSES, MAX_PEERS, PeerList, Wanted};

fuzz_target!(|bytes: &[u8]| {
    if let Some(wanted) = Wanted::decode(bytes) {
        assert!(wanted.count() <= MAX_PEERS);
    }
    let Some(list) = PeerList::decode(bytes) else { return };
    assert!(list.peers().len() <= MAX_PEERS);
    assert!(list.peers().iter().all(|listed| (1..=MAX_ADDRESSES).contains(&listed.1.len())));
    assert_eq!(list.encode(), bytes);
});
