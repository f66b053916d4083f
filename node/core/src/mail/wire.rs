//! What a node answers to a letter: one byte of what became of it, and if it has it, the proof.

use meerkat_protocols::{cbor, letter::Receipt};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// The answer to a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It is on disk here; perhaps it was before.
    Delivered(Receipt),
    /// This home does not answer for yours.
    NotAccepted,
    /// Not now.
    Busy,
    /// It does not open here.
    Unsealed,
    /// It is as old as letters that were dropped to make room, so nobody can tell whether it was here.
    TooOld,
    /// It opens, and what it says is not known here.
    NotUnderstood,
}

#[derive(Serialize, Deserialize)]
struct Wire(u8, ByteBuf);

impl Answer {
    pub(crate) fn encode(self) -> Vec<u8> {
        let (what, proof) = match self {
            Self::Delivered(Receipt(proof)) => (0, proof.to_vec()),
            Self::NotAccepted => (1, vec![]),
            Self::Busy => (2, vec![]),
            Self::Unsealed => (3, vec![]),
            Self::TooOld => (4, vec![]),
            Self::NotUnderstood => (5, vec![]),
        };
        cbor::encode(&Wire(what, ByteBuf::from(proof)))
    }

    /// The answer in these bytes; of a kind that we do not know, none.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let Wire(what, proof) = cbor::decode_strict(bytes).ok()?;
        if what == 0 {
            return proof.into_vec().try_into().ok().map(|proof| Self::Delivered(Receipt(proof)));
        }
        let plain = match what {
            1 => Self::NotAccepted,
            2 => Self::Busy,
            3 => Self::Unsealed,
            4 => Self::TooOld,
            5 => Self::NotUnderstood,
            _ => return None,
        };
        proof.is_empty().then_some(plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn answers_read_back_and_are_small() {
        let plain = [Answer::NotAccepted, Answer::Busy, Answer::Unsealed, Answer::TooOld, Answer::NotUnderstood];
        for answer in plain.into_iter().chain([Answer::Delivered(Receipt([7; 16]))]) {
            let bytes = answer.encode();
            assert!(bytes.len() <= 19, "{answer:?}: {} bytes", bytes.len());
            assert_eq!(Answer::decode(&bytes), Some(answer));
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_answer_or_none(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            if let Some(answer) = Answer::decode(&bytes) {
                prop_assert_eq!(answer.encode(), bytes);
            }
        }
    }
}
