//! A home's card, as pasted. A card that is taken reads back from what we would print.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_protocols::home::{Card, HomeId};

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(card) = text.parse::<Card>() {
        assert!(card.0.key().is_some());
        assert_eq!(card.to_string().parse::<Card>(), Ok(card));
    }
    if let Ok(home) = text.parse::<HomeId>() {
        assert_eq!(home.to_string().parse::<HomeId>(), Ok(home));
    }
});
