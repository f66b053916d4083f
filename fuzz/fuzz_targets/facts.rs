//! What members say to each other about the logs of nodes.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[allow(dead_code, reason = "the words of the node, of which only the reading is tried here")]
#[path = "../../node/core/src/household/facts/wire.rs"]
mod wire;

fuzz_target!(|bytes: &[u8]| {
    let Some(word) = wire::Word::decode(bytes) else { return };
    assert_eq!(word.encode(), bytes, "one form");
    match word {
        wire::Word::Tell(all) => assert!(all.len() <= wire::MAX_LOGS),
        wire::Word::Want(_) => {}
        wire::Word::Part(part) => assert!(part.entries.len() <= wire::MAX_ENTRIES),
    }
});
