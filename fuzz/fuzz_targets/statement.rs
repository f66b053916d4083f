//! Bytes from a peer, read as a statement. What is read stays within the bounds that everybody relies on.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_protocols::{
    roster::Share,
    statement::{Body, MAX_STATEMENT_BYTES, Read, Sealed},
};
use serde_bytes::ByteBuf;

fuzz_target!(|bytes: &[u8]| {
    let sealed = Sealed(ByteBuf::from(bytes.to_vec()));
    let Ok(Read::Statement(statement)) = sealed.read() else { return };
    assert!(bytes.len() <= MAX_STATEMENT_BYTES);
    assert!(statement.slot < statement.kind().slots_per_day());
    if let Body::Vouch(genesis) = statement.body {
        assert!(genesis.key().is_some(), "a vouch for a home that nobody can check");
    }
    if let Body::Delegation(delegation) = statement.body {
        assert!(delegation.verifying().is_some(), "a node that nobody can check");
        assert!(Share::WHOLE.holds(delegation.share), "more slots than there are");
    }
    assert_eq!(sealed.id(), Sealed(ByteBuf::from(bytes.to_vec())).id());
});
