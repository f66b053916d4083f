//! Words about keys of members' stores. The question comes from anybody who is connected; what is taken reads back.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_protocols::release::{Answer, Hold, Holding, Question};

fuzz_target!(|bytes: &[u8]| {
    if let Some(question) = Question::decode(bytes) {
        assert_eq!(question.encode(), bytes);
    }
    if let Some(answer) = Answer::decode(bytes) {
        assert_eq!(answer.encode(), bytes);
    }
    if let Some(hold) = Hold::decode(bytes) {
        assert_eq!(hold.encode(), bytes);
    }
    if let Some(holding) = Holding::decode(bytes) {
        assert_eq!(holding.encode(), bytes);
    }
});
