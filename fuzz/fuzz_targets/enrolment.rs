//! What a stranger says on its way into a household, and invites of one as text. What is read has one form.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_protocols::enrolment::{
    Digits, Ends, HouseholdTicket, MAX_ENROL_BYTES, Offer, Own, Way, Welcome, Word,
};
use meerkat_protocols::mesh::Peer;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(word) = Word::decode(bytes) {
        assert!(bytes.len() <= MAX_ENROL_BYTES);
        assert!(matches!(word, Word::Denied(_)) || word.encode() == bytes);
    }
    let _ = Welcome::read(bytes);
    let ends = Ends { guest: Peer([1; 32]), host: Peer([2; 32]), way: Way::Text, key: [3; 32] };
    let (guest, host) = (Own::of([4; 32], [5; 16]), Own::of([6; 32], [7; 16]));
    let session = ends.session(&guest, &guest.drawn(), &host.drawn()).expect("honest keys");
    assert!(Offer::open(&session, bytes).is_none() && session.open_part(0, bytes).is_none());
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(ticket) = text.parse::<HouseholdTicket>() {
        assert_eq!(ticket.to_string().parse(), Ok(ticket));
    }
    if let Ok(digits) = text.parse::<Digits>() {
        assert_eq!(digits.to_string().parse(), Ok(digits));
    }
});
