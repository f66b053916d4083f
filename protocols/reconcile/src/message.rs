//! The frames of an exchange. Each has one encoding; whatever does not write back to the same bytes is refused.

use crate::gauge::{COARSE, FINE};
use crate::hash::{Salt, ShortId};
use crate::inventory::{Range, Scope};
use crate::sketch::MAX_SYMBOLS;
use crate::symbol::{SYMBOL_BYTES, Symbol};

/// The longest frame: all symbols an attempt may use, and the byte that says so.
pub const MAX_FRAME_BYTES: usize = 1 + MAX_SYMBOLS * SYMBOL_BYTES;

const ASK: u8 = 0x80;
const ASK_FINE: u8 = 0x01;
const ASK_RANGE: u8 = 0x02;
const ASK_SALT: u8 = 0x04;
const MORE: u8 = 0x01;
const SETTLED: u8 = 0x02;
const EQUAL: u8 = 0x11;
const SYMBOLS: u8 = 0x12;
const NARROW: u8 = 0x13;
const SPLIT: u8 = 0x14;
const BODIES: u8 = 0x21;
const TAKEN: u8 = 0x22;
const ALL_SHARDS: u8 = u8::MAX;

/// What an id stands for has at most so many bytes.
pub const MAX_BODY_BYTES: usize = 1_024;
/// Bodies in one frame: however long each is, they fit.
pub const MAX_BODIES: usize = 256;

/// Do our sets differ here?
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// In which sets.
    pub scope: Scope,
    /// In which share of them.
    pub range: Range,
    /// Under which salt.
    pub salt: Salt,
    /// Of the asking side's set.
    pub fingerprint: u64,
    /// The asking side's gauge, [`COARSE`] or [`FINE`].
    pub gauge: Vec<u8>,
}

/// What the two sides say. The initiator asks, wants more and settles; the responder answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The beginning, and of each further range. 28 bytes for everything.
    Ask(Ask),
    /// So many more symbols, please.
    More(u16),
    /// The difference is known.
    Settled {
        /// No question follows.
        last: bool,
        /// Short ids of what the initiator lacks.
        wanted: Vec<ShortId>,
        /// Short ids of what the responder lacks.
        offered: Vec<ShortId>,
    },
    /// They do not differ.
    Equal,
    /// The responder's next symbols.
    Symbols(Vec<Symbol>),
    /// Ask from this day on: what is older has expired here.
    Narrow {
        /// The first day.
        since: u16,
    },
    /// Too many differences for one attempt: ask by the next so many bits.
    Split {
        /// At least one.
        bits: u8,
    },
    /// From either side: what ids stand for that the other one lacks. An empty one stands for an id that has expired since.
    Bodies(Vec<Vec<u8>>),
    /// From either side: bodies have been dealt with, more may come.
    Taken,
}

/// Bytes that are no frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a frame of an exchange")]
pub struct Malformed;

impl Message {
    /// As it is sent.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Ask(ask) => ask.encode(),
            Self::More(symbols) => [&[MORE][..], &symbols.to_le_bytes()].concat(),
            Self::Settled { last, wanted, offered } => encode_settled(*last, wanted, offered),
            Self::Equal => vec![EQUAL],
            Self::Symbols(symbols) => {
                let bytes = symbols.iter().flat_map(|symbol| symbol.to_bytes());
                std::iter::once(SYMBOLS).chain(bytes).collect()
            }
            Self::Narrow { since } => [&[NARROW][..], &since.to_le_bytes()].concat(),
            Self::Split { bits } => vec![SPLIT, *bits],
            Self::Bodies(bodies) => encode_bodies(bodies),
            Self::Taken => vec![TAKEN],
        }
    }

    /// As it came.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        if bytes.len() > MAX_FRAME_BYTES {
            return Err(Malformed);
        }
        let mut reader = Reader(bytes);
        let message = match reader.byte()? {
            EQUAL => Self::Equal,
            MORE => Self::More(u16::from_le_bytes(reader.array()?)),
            SETTLED => decode_settled(&mut reader)?,
            SYMBOLS => Self::Symbols(reader.rest().map(Symbol::from_bytes).collect()),
            NARROW => Self::Narrow { since: u16::from_le_bytes(reader.array()?) },
            SPLIT => Self::Split { bits: reader.byte()? },
            BODIES => Self::Bodies(decode_bodies(&mut reader)?),
            TAKEN => Self::Taken,
            kind if kind & ASK != 0 => Self::Ask(Ask::decode(kind & !ASK, &mut reader)?),
            _ => return Err(Malformed),
        };
        let empty = match &message {
            Self::More(symbols) => *symbols == 0,
            Self::Symbols(symbols) => symbols.is_empty(),
            Self::Split { bits } => *bits == 0 || *bits > Range::MAX_BITS,
            Self::Bodies(bodies) => bodies.is_empty(),
            Self::Ask(_) | Self::Settled { .. } | Self::Equal | Self::Narrow { .. } | Self::Taken => false,
        };
        if empty || !reader.0.is_empty() { Err(Malformed) } else { Ok(message) }
    }
}

impl Ask {
    fn encode(&self) -> Vec<u8> {
        let mut kind = ASK;
        let mut bytes = vec![0, self.scope.shard.unwrap_or(ALL_SHARDS)];
        bytes.extend(self.scope.since.to_le_bytes());
        if self.range != Range::WHOLE {
            kind |= ASK_RANGE;
            bytes.push(self.range.bits());
            bytes.extend(self.range.prefix().to_le_bytes());
        }
        if self.salt != Salt(0) {
            kind |= ASK_SALT;
            bytes.extend(self.salt.0.to_le_bytes());
        }
        if self.gauge.len() == FINE {
            kind |= ASK_FINE;
        }
        bytes.extend(self.fingerprint.to_le_bytes());
        bytes.extend(&self.gauge);
        bytes[0] = kind;
        bytes
    }

    fn decode(flags: u8, reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        if flags & !(ASK_FINE | ASK_RANGE | ASK_SALT) != 0 {
            return Err(Malformed);
        }
        let shard = Some(reader.byte()?).filter(|shard| *shard != ALL_SHARDS);
        let since = u16::from_le_bytes(reader.array()?);
        let mut range = Range::WHOLE;
        if flags & ASK_RANGE != 0 {
            let bits = reader.byte()?;
            let prefix = u16::from_le_bytes(reader.array()?);
            range = Range::new(bits, prefix).filter(|range| *range != Range::WHOLE).ok_or(Malformed)?;
        }
        let mut salt = Salt(0);
        if flags & ASK_SALT != 0 {
            salt = Salt(u64::from_le_bytes(reader.array()?));
            if salt == Salt(0) {
                return Err(Malformed);
            }
        }
        let fingerprint = u64::from_le_bytes(reader.array()?);
        let gauge = reader.take(if flags & ASK_FINE != 0 { FINE } else { COARSE })?.to_vec();
        Ok(Self { scope: Scope { shard, since }, range, salt, fingerprint, gauge })
    }
}

fn encode_settled(last: bool, wanted: &[ShortId], offered: &[ShortId]) -> Vec<u8> {
    let mut bytes = vec![SETTLED, u8::from(last)];
    // Within MAX_SYMBOLS, which is 2^15: an initiator finds no more than it got symbols.
    bytes.extend(u16::try_from(wanted.len()).unwrap_or(u16::MAX).to_le_bytes());
    bytes.extend(wanted.iter().chain(offered).flat_map(|short| short.0.to_le_bytes()));
    bytes
}

fn decode_settled(reader: &mut Reader<'_>) -> Result<Message, Malformed> {
    let last = match reader.byte()? {
        0 => false,
        1 => true,
        _ => return Err(Malformed),
    };
    let wanted = usize::from(u16::from_le_bytes(reader.array()?));
    let mut wanted_bytes = Reader(reader.take(wanted * 8)?);
    let shorts = |reader: &mut Reader<'_>| reader.rest().map(|b| ShortId(u64::from_le_bytes(b))).collect();
    let (wanted, offered): (Vec<_>, Vec<_>) = (shorts(&mut wanted_bytes), shorts(reader));
    // In order and each once, so that there is one encoding.
    let ascending = |shorts: &[ShortId]| shorts.is_sorted_by(|a, b| a < b);
    let fine = ascending(&wanted) && ascending(&offered);
    if fine { Ok(Message::Settled { last, wanted, offered }) } else { Err(Malformed) }
}

fn encode_bodies(bodies: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = vec![BODIES];
    for body in bodies {
        // Whoever gives longer ones breaks a rule that is checked before.
        bytes.extend(u16::try_from(body.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend(body);
    }
    bytes
}

fn decode_bodies(reader: &mut Reader<'_>) -> Result<Vec<Vec<u8>>, Malformed> {
    let mut bodies = Vec::new();
    while !reader.0.is_empty() {
        let length = usize::from(u16::from_le_bytes(reader.array()?));
        if length > MAX_BODY_BYTES || bodies.len() == MAX_BODIES {
            return Err(Malformed);
        }
        bodies.push(reader.take(length)?.to_vec());
    }
    Ok(bodies)
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*taken)
    }

    /// All that comes in pieces of this length; a remainder is left, and makes the frame malformed.
    fn rest<const N: usize>(&mut self) -> impl Iterator<Item = [u8; N]> + use<'a, N> {
        let (pieces, rest) = self.0.as_chunks();
        self.0 = rest;
        pieces.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(salt: u64, range: Range, cells: usize) -> Message {
        let scope = Scope { shard: None, since: 20_000 };
        Message::Ask(Ask { scope, range, salt: Salt(salt), fingerprint: 77, gauge: vec![3; cells] })
    }

    #[test]
    fn every_message_reads_back() {
        let range = Range::new(4, 9).expect("within bounds");
        let messages = [
            ask(0, Range::WHOLE, COARSE),
            ask(5, range, FINE),
            Message::More(8),
            Message::Settled { last: true, wanted: vec![ShortId(1), ShortId(2)], offered: vec![ShortId(0)] },
            Message::Equal,
            Message::Symbols(vec![Symbol::from_bytes([9; SYMBOL_BYTES])]),
            Message::Narrow { since: 3 },
            Message::Split { bits: 2 },
            Message::Bodies(vec![vec![1; MAX_BODY_BYTES], vec![], vec![2]]),
            Message::Taken,
        ];
        for message in messages {
            let bytes = message.encode();
            assert_eq!(Message::decode(&bytes), Ok(message));
            assert_eq!(Message::decode(&[&bytes[..], &[0]].concat()), Err(Malformed));
        }
        assert_eq!(ask(0, Range::WHOLE, COARSE).encode().len(), 28);
    }

    #[test]
    fn a_second_form_of_the_same_is_refused() {
        let swapped = Message::Settled { last: true, wanted: vec![ShortId(2), ShortId(1)], offered: vec![] };
        let twice = Message::Settled { last: false, wanted: vec![], offered: vec![ShortId(1), ShortId(1)] };
        let (long, many) = (vec![vec![1; MAX_BODY_BYTES + 1]], vec![vec![]; MAX_BODIES + 1]);
        for message in [Message::Bodies(vec![]), Message::Bodies(long), Message::Bodies(many)] {
            assert_eq!(Message::decode(&message.encode()), Err(Malformed));
        }
        for message in [swapped, twice, Message::More(0), Message::Symbols(vec![]), Message::Split { bits: 13 }] {
            assert_eq!(Message::decode(&message.encode()), Err(Malformed));
        }
        let mut whole_as_range = ask(5, Range::new(1, 0).expect("within bounds"), COARSE).encode();
        whole_as_range[4] = 0;
        assert_eq!(Message::decode(&whole_as_range), Err(Malformed));
        assert_eq!(Message::decode(&[]), Err(Malformed));
        assert_eq!(Message::decode(&vec![SYMBOLS; MAX_FRAME_BYTES + 11]), Err(Malformed));
    }
}
