//! The head of a backup: a file in the age format, from anywhere.

#![no_main]

use std::io::Read as _;

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the format as the store has it, of which only the reading is tried here")]
#[path = "../../crdt/store/src/age.rs"]
mod age;

/// Work that a try may cost: what more the file asks for is bounded, and slow.
const MAX_LOG_N: u8 = 4;

fn is_quick(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let asked = text.lines().nth(1).and_then(|line| line.rsplit(' ').next()?.parse::<u8>().ok());
    asked.is_none_or(|n| n <= MAX_LOG_N || n > 18)
}

fuzz_target!(|bytes: &[u8]| {
    if !is_quick(bytes) {
        return;
    }
    let Ok(mut reader) = age::Reader::new(bytes, "storks over the mill") else { return };
    let mut plain = Vec::new();
    let _ = reader.read_to_end(&mut plain);
    assert!(plain.len() <= bytes.len());
});
