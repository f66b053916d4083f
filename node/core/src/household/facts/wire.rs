//! What members say to each other about logs.

use meerkat_protocols::{
    cbor,
    facts::{Entry, Link, LogId, MAX_ENTRY_BYTES, Seq, SignedHead},
};
use serde::{Deserialize, Serialize};

/// The most logs of one word: 64 nodes with seven streams each.
pub(crate) const MAX_LOGS: usize = 448;
/// The most entries of a part.
pub(crate) const MAX_ENTRIES: usize = 1_024;
/// The bytes of entries of a part: with what else is in it, it stays below the limit of a word.
pub(crate) const PART_BYTES: usize = 200 << 10;

/// What a member can give of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) log: LogId,
    /// From here on.
    pub(crate) low: Seq,
    /// Before this.
    pub(crate) next: Seq,
    /// How many.
    pub(crate) entries: u64,
    /// The node's newest word on it.
    pub(crate) head: Option<SignedHead>,
}

/// What a member wants of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Wanted {
    pub(crate) log: LogId,
    pub(crate) from: Seq,
    /// At most so many entries.
    pub(crate) most: u16,
}

/// Entries of a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    pub(crate) log: LogId,
    /// Nothing before this can be had; the link before it.
    pub(crate) low: Seq,
    pub(crate) base: Link,
    pub(crate) entries: Vec<Entry>,
    /// The node's newest word on it.
    pub(crate) head: Option<SignedHead>,
}

/// A word about logs, or the answer to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Word {
    /// This can be had here.
    Tell(Vec<Told>),
    /// This is wanted.
    Want(Wanted),
    /// Here it is.
    Part(Part),
}

impl Word {
    pub(crate) fn encode(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads what a member said; its length is bounded by the channel.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let word: Self = cbor::decode_strict(bytes).ok()?;
        let fits = match &word {
            Self::Tell(all) => all.len() <= MAX_LOGS && all.iter().all(|told| told.low <= told.next),
            Self::Want(_) => true,
            Self::Part(part) => part.fits(),
        };
        fits.then_some(word)
    }
}

impl Part {
    fn fits(&self) -> bool {
        let small = |entry: &Entry| match &entry.body {
            meerkat_protocols::facts::Body::Whole(bytes) => bytes.len() <= MAX_ENTRY_BYTES,
            meerkat_protocols::facts::Body::Gone(_) => true,
        };
        self.entries.len() <= MAX_ENTRIES
            && self.entries.iter().all(small)
            && self.entries.is_sorted_by(|a, b| a.seq < b.seq)
            && self.entries.first().is_none_or(|first| first.seq >= self.low)
    }
}

#[cfg(test)]
mod tests {
    use meerkat_protocols::{
        facts::{Body, Digest, Stream},
        home::NodeNumber,
    };

    use super::*;

    fn part(seqs: &[u64], body: &Body) -> Word {
        let entries = seqs.iter().map(|seq| Entry { seq: Seq(*seq), body: body.clone() }).collect();
        let log = LogId { node: NodeNumber(1), stream: Stream::Calls };
        Word::Part(Part { log, low: Seq(3), base: Link::default(), entries, head: None })
    }

    #[test]
    fn words_read_back_and_what_nobody_honest_says_does_not() {
        let gone = Body::Gone(Digest([1; 32]));
        let good = part(&[3, 4, 9], &gone);
        assert_eq!(Word::decode(&good.encode()), Some(good));
        let large = Body::Whole(vec![0; MAX_ENTRY_BYTES + 1].into());
        let many: Vec<u64> = (3..2_000).collect();
        for bad in
            [part(&[4, 4], &gone), part(&[5, 4], &gone), part(&[2], &gone), part(&[3], &large), part(&many, &gone)]
        {
            assert_eq!(Word::decode(&bad.encode()), None);
        }
        assert_eq!(Word::decode(b"no"), None);
    }

    proptest::proptest! {
        #[test]
        fn strangers_bytes_are_no_word_and_no_panic(bytes: Vec<u8>) {
            let _ = Word::decode(&bytes);
        }
    }
}
