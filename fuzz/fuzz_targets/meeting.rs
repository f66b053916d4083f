//! What a stranger says or hands over before it is a neighbour: records, tickets as bytes and as text, short codes, and
//! the words of joins and meetings. What is read has one form; nothing unsigned is believed.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_protocols::{
    contact::{MAX_ADDRESSES, MAX_RELAYS, SignedRecord},
    meeting::{MAX_MEETING_BYTES, Word},
    shortcode::ShortCode,
    ticket::SignedTicket,
};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(record) = SignedRecord(bytes.to_vec().into()).open() {
        assert!(record.addresses.len() <= MAX_ADDRESSES && record.relays.len() <= MAX_RELAYS);
    }
    let ticket = SignedTicket(bytes.to_vec().into());
    if ticket.open().is_ok() {
        assert_eq!(ticket.to_string().parse(), Ok(ticket));
    }
    if let Ok(word) = Word::decode(bytes) {
        assert!(bytes.len() <= MAX_MEETING_BYTES);
        assert!(matches!(word, Word::Denied(_)) || word.encode() == bytes);
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(ticket) = text.parse::<SignedTicket>() {
        let _ = ticket.open();
    }
    if let Ok(code) = text.parse::<ShortCode>() {
        assert_eq!(code.to_string().parse(), Ok(code));
    }
});
