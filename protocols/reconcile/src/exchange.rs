//! What both ends of an exchange have in common.

use crate::hash::{Id, Salt, ShortId};

/// An answer takes a round trip and some milliseconds of work. A peer that needs longer is as good as gone.
pub(crate) const ANSWER_MS: u64 = 15_000;
/// All ranges of a first meeting over a slow line: a million ids are 26 MB, at 2 Mbit/s 105 s.
pub(crate) const EXCHANGE_MS: u64 = 180_000;
/// Questions in one exchange: all ranges of one split by eight bits, and the questions that led there.
pub(crate) const MAX_ASKS: usize = 300;
/// Symbols in one exchange: those of three million differences, 46 MB.
pub(crate) const MAX_SYMBOLS_PER_EXCHANGE: usize = 4 << 20;

/// Short ids of what the other side has, ids of what it lacks, of one range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Under which the short ids are short.
    pub salt: Salt,
    /// What we lack and the other side said it has.
    pub fetch: Vec<ShortId>,
    /// What the other side lacks and we have.
    pub offer: Vec<Id>,
}

/// What came of a frame.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Frames to send, in order.
    pub send: Vec<Vec<u8>>,
    /// What this frame settled.
    pub found: Option<Found>,
    /// Nothing more will be sent or taken: close once `send` is sent.
    pub done: bool,
}

impl Progress {
    pub(crate) fn send(message: &crate::Message) -> Self {
        Self { send: vec![message.encode()], ..Self::default() }
    }
}

/// Why an exchange is broken off. All are the other side's fault for certain but [`Cut::Slow`], and [`Cut::Endless`] where a
/// million differences are no wonder: what was found before stays true, and the next exchange goes on from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Cut {
    /// A frame could not be read.
    #[error("the peer sent bytes that are no frame of an exchange")]
    Malformed,
    /// A frame came that has no place here: an answer that was not asked for, or of another size.
    #[error("the peer sent a frame out of turn")]
    OutOfTurn,
    /// Two salts, and no difference could be read under either.
    #[error("the peer's symbols are not those of any set")]
    Undecodable,
    /// More questions, symbols or work than any difference is worth.
    #[error("the peer asks or sends without end")]
    Endless,
    /// It named more ids than it was sent symbols for.
    #[error("the peer claims differences that it cannot know of")]
    Overclaimed,
    /// No frame in time.
    #[error("the peer did not answer in time")]
    Slow,
    /// It offered ids and did not send what they stand for.
    #[error("the peer offered what it does not send")]
    BrokenPromise,
    /// It sent what it had not offered.
    #[error("the peer sent what nobody asked for")]
    Unasked,
}

impl From<crate::Malformed> for Cut {
    fn from(_: crate::Malformed) -> Self {
        Self::Malformed
    }
}

/// By when the next frame, and the last one, must have come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    answer_ms: u64,
    end_ms: u64,
}

impl Deadline {
    pub(crate) fn new(now_ms: u64) -> Self {
        let end_ms = now_ms.saturating_add(EXCHANGE_MS);
        Self { answer_ms: now_ms.saturating_add(ANSWER_MS), end_ms }
    }

    pub(crate) fn due_ms(self) -> u64 {
        self.answer_ms.min(self.end_ms)
    }

    pub(crate) fn check(self, now_ms: u64) -> Result<(), Cut> {
        if now_ms < self.due_ms() { Ok(()) } else { Err(Cut::Slow) }
    }

    /// A frame has come in time.
    pub(crate) fn renew(&mut self, now_ms: u64) -> Result<(), Cut> {
        self.check(now_ms)?;
        self.answer_ms = now_ms.saturating_add(ANSWER_MS);
        Ok(())
    }
}
