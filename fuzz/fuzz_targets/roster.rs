//! What members say about the roster, and entries of it. Nothing that the home's first key did not begin is believed.

#![no_main]

use ed25519_dalek::SigningKey;
use libfuzzer_sys::fuzz_target;
use meerkat_protocols::{
    home::Genesis,
    household::{Hello, MAX_ROSTER_BYTES},
    roster::{MAX_ENTRIES, Roster, SignedEntry},
};

fuzz_target!(|bytes: &[u8]| {
    if let Some(hello) = Hello::decode(bytes) {
        assert!(bytes.len() <= MAX_ROSTER_BYTES && hello.heads.len() <= MAX_ENTRIES);
        assert_eq!(hello.encode(), bytes, "one form");
        let mut roster = roster();
        for entry in hello.entries {
            assert!(!matches!(roster.insert(entry), Ok(true)), "nobody has signed it");
        }
        let _ = roster.missing(&hello.heads);
    }
    let mut roster = roster();
    assert!(!matches!(roster.insert(SignedEntry(bytes.to_vec().into())), Ok(true)));
    assert!(roster.is_empty());
});

fn roster() -> Roster {
    Roster::of(Genesis::new(&SigningKey::from_bytes(&[1; 32]).verifying_key()))
}
