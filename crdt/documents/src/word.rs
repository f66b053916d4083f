//! What two members of a home say to each other about documents.

use meerkat_protocols::{
    cbor,
    wishes::{DocumentId, Generation},
};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// Bytes by which a document is compared: an accidental match is seen as a difference at the next edit.
pub(crate) const DIGEST_BYTES: usize = 8;
/// The most documents that a greeting names, those of later programs included.
const MAX_NAMED: usize = 64;

/// How a document stands, in short.
pub(crate) type Digest = [u8; DIGEST_BYTES];

/// One word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Word {
    /// How all documents stand, by their numbers; a later program has documents that this one does not know.
    Greeting(Vec<(u8, Digest)>),
    /// A sync message about one document in one generation. `fresh`: what was sent before may be lost.
    Sync { document: u8, generation: Generation, message: Vec<u8>, fresh: bool },
    /// There is nothing more to say about a document.
    Done(u8),
    /// What came about a document is not taken.
    TurnedAway(u8),
}

/// Kind, document, count of foundings, founding, the rest.
#[derive(Serialize, Deserialize)]
struct Frame(u8, u8, u32, ByteBuf, ByteBuf);

const GREETING: u8 = 1;
const SYNC: u8 = 2;
const SYNC_FRESH: u8 = 3;
const DONE: u8 = 4;
const TURNED_AWAY: u8 = 5;

impl Word {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let short = |kind, document| Frame(kind, document, 0, ByteBuf::new(), ByteBuf::new());
        cbor::encode(&match self {
            Self::Greeting(all) => {
                let body: Vec<u8> = all.iter().flat_map(|(id, digest)| std::iter::once(*id).chain(*digest)).collect();
                Frame(GREETING, 0, 0, ByteBuf::new(), ByteBuf::from(body))
            }
            Self::Sync { document, generation, message, fresh } => {
                let founding = if generation.count == 0 { Vec::new() } else { generation.founding.to_vec() };
                let kind = if *fresh { SYNC_FRESH } else { SYNC };
                Frame(kind, *document, generation.count, ByteBuf::from(founding), ByteBuf::from(message.clone()))
            }
            Self::Done(document) => short(DONE, *document),
            Self::TurnedAway(document) => short(TURNED_AWAY, *document),
        })
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let Frame(kind, document, count, founding, body) = cbor::decode_strict(bytes).ok()?;
        match kind {
            GREETING => greeting(&body),
            SYNC | SYNC_FRESH => {
                let founding = match (count, founding.len()) {
                    (0, 0) => [0; 16],
                    (0, _) => return None,
                    _ => founding.as_slice().try_into().ok()?,
                };
                let generation = Generation { count, founding };
                Some(Self::Sync { document, generation, message: body.into_vec(), fresh: kind == SYNC_FRESH })
            }
            DONE => Some(Self::Done(document)),
            TURNED_AWAY => Some(Self::TurnedAway(document)),
            _ => None,
        }
    }

    /// Whether nothing is to be answered to it.
    pub(crate) fn is_last(&self) -> bool {
        matches!(self, Self::Done(_) | Self::TurnedAway(_))
    }

    /// About which document, of those this program knows.
    pub(crate) fn known(document: u8) -> Option<DocumentId> {
        DocumentId::from_number(document)
    }
}

fn greeting(body: &[u8]) -> Option<Word> {
    let (each, rest) = body.as_chunks::<{ 1 + DIGEST_BYTES }>();
    if !rest.is_empty() || each.len() > MAX_NAMED {
        return None;
    }
    let named = each.iter().map(|[id, digest @ ..]| (*id, *digest));
    Some(Word::Greeting(named.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_back() {
        let generation = Generation { count: 3, founding: [7; 16] };
        let sync = |generation, fresh| Word::Sync { document: 1, generation, message: vec![1, 2, 3], fresh };
        let words = [
            Word::Greeting(vec![(1, [2; 8]), (200, [3; 8])]),
            sync(generation, true),
            sync(Generation::default(), false),
            Word::Done(4),
            Word::TurnedAway(9),
        ];
        for word in words {
            assert_eq!(Word::from_bytes(&word.to_bytes()), Some(word));
        }
        assert_eq!(Word::from_bytes(b"garbage"), None);
        assert_eq!(Word::from_bytes(&cbor::encode(&Frame(9, 0, 0, ByteBuf::new(), ByteBuf::new()))), None);
        assert_eq!(Word::from_bytes(&cbor::encode(&Frame(2, 1, 1, ByteBuf::new(), ByteBuf::new()))), None);
        assert_eq!(Word::from_bytes(&cbor::encode(&Frame(1, 0, 0, ByteBuf::new(), ByteBuf::from(vec![1])))), None);
    }
}
