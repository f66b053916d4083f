//! What a member of a household tells of itself: any bytes are read or refused, what is read is bounded, and it reads back.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_protocols::memberword::{MAX_MEMBER_ALARMS, MemberWord};

fuzz_target!(|bytes: &[u8]| {
    if let Some(word) = MemberWord::decode(bytes) {
        assert!(word.alarms.len() <= MAX_MEMBER_ALARMS);
        assert_eq!(MemberWord::decode(&word.encode()), Some(word));
    }
});
