//! What a line shows in the caller's place. A number that is found is one that every other place accepts.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_protocols::{
    number::{Caller, E164, classify, parse_typed},
    text,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((country, rest)) = bytes.split_first() else { return };
    let countries = ["DE", "US", "TR", "IT", "GB", "AR"];
    let home = countries[usize::from(*country) % countries.len()].parse().expect("a country");
    let raw = String::from_utf8_lossy(rest);
    if let Caller::Number(number) = classify(&raw, home) {
        assert_eq!(E164::from_digits(number.digits()), Some(number));
        assert_eq!(parse_typed(&number.reveal(), home), Ok(number), "a number must survive being written down");
    }
    let inert = text::inert(&raw);
    assert!(!inert.chars().any(char::is_control), "a control character got through");
});
