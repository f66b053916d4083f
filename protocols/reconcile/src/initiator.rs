//! The end that asks, and reads the difference off the answers.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::decoder::Decoder;
use crate::exchange::{Cut, Deadline, Found, MAX_ASKS, MAX_SYMBOLS_PER_EXCHANGE, Progress};
use crate::hash::{Id, Salt, ShortId, mix};
use crate::inventory::{Range, Scope};
use crate::message::{Ask, Message};
use crate::sketch::{MAX_SYMBOLS, Sketch};
use crate::symbol::Symbol;
use crate::view::View;

/// From so many expected differences on, a fine gauge is worth its 240 bytes.
const MANY: usize = 32;
/// Attempts that may fail: one in six hundred does by accident at ten thousand differences; four in a row are a lie.
const MAX_FAILURES: u64 = 3;
/// The least that is asked for once more; else an eighth of what has come.
const MIN_MORE: usize = 8;

/// How an exchange begins.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// The sets it is about.
    pub scope: Scope,
    /// How many differences there may be, such as twice what came here since the last exchange with this peer; `None` if
    /// nobody can know. A wrong guess costs bytes or a round trip, nothing else.
    pub expected: Option<usize>,
    /// A random number to begin salted, at the price of going through all ids. Now and then somebody must: under the known
    /// salt, whoever makes enough ids can make two different sets look alike.
    pub salt: Option<u64>,
    /// A random number for the attempt after a failed one.
    pub retry_salt: u64,
}

/// Asks, range by range.
#[derive(Debug)]
pub struct Initiator {
    scope: Scope,
    salt: Salt,
    retry_salt: u64,
    fine: bool,
    narrowed: bool,
    /// Still to be asked for, the next one last.
    ranges: Vec<Range>,
    round: Round,
    asks: usize,
    failures: u64,
    symbols: usize,
    deadline: Deadline,
}

/// One range under one salt.
#[derive(Debug)]
struct Round {
    range: Range,
    /// Ours as it was when we asked.
    sketch: Arc<Sketch>,
    decoder: Decoder,
    /// How many symbols must come next; `None` leaves it to the responder.
    awaited: Option<usize>,
}

impl Initiator {
    /// Begins; the frame is to be sent.
    #[must_use]
    pub fn open<'a>(view: impl Into<View<'a>>, opening: Opening, now_ms: u64) -> (Self, Vec<u8>) {
        let view = view.into();
        let Opening { scope, expected, salt, retry_salt } = opening;
        let salt = salt.map_or(Salt(0), |salt| Salt(salt.max(1)));
        let round = Round::new(view, scope, Range::WHOLE, salt);
        let fine = expected.is_none_or(|expected| expected >= MANY);
        let deadline = Deadline::new(now_ms);
        let mut initiator = Self {
            scope,
            salt,
            retry_salt,
            fine,
            narrowed: false,
            ranges: Vec::new(),
            round,
            asks: 0,
            failures: 0,
            symbols: 0,
            deadline,
        };
        let first = initiator.question().encode();
        (initiator, first)
    }

    /// What the responder sent.
    ///
    /// # Errors
    /// [`Cut`]: the exchange is over, and what it has found so far stays true.
    pub fn handle<'a>(&mut self, view: impl Into<View<'a>>, frame: &[u8], now_ms: u64) -> Result<Progress, Cut> {
        let view = view.into();
        self.deadline.renew(now_ms)?;
        let fresh = self.round.decoder.received() == 0;
        match Message::decode(frame)? {
            Message::Symbols(symbols) => self.take(view, &symbols),
            Message::Equal if fresh => self.go_on(view),
            Message::Narrow { since } if fresh && !self.narrowed && since > self.scope.since => {
                self.narrowed = true;
                self.scope.since = since;
                self.ask(view, self.round.range)
            }
            Message::Split { bits } if fresh => self.split(view, bits, Cut::OutOfTurn),
            _ => Err(Cut::OutOfTurn),
        }
    }

    /// When [`Self::check`] is due.
    #[must_use]
    pub fn next_wakeup_ms(&self) -> u64 {
        self.deadline.due_ms()
    }

    /// Whether the responder still has time.
    ///
    /// # Errors
    /// [`Cut::Slow`].
    pub fn check(&self, now_ms: u64) -> Result<(), Cut> {
        self.deadline.check(now_ms)
    }

    fn question(&mut self) -> Message {
        self.asks += 1;
        let sketch = &self.round.sketch;
        Message::Ask(Ask {
            scope: self.scope,
            range: self.round.range,
            salt: self.salt,
            fingerprint: sketch.fingerprint(),
            gauge: sketch.gauge().cells(self.fine),
        })
    }

    fn ask(&mut self, view: View<'_>, range: Range) -> Result<Progress, Cut> {
        if self.asks >= MAX_ASKS {
            return Err(Cut::Endless);
        }
        self.round = Round::new(view, self.scope, range, self.salt);
        Ok(Progress::send(&self.question()))
    }

    fn go_on(&mut self, view: View<'_>) -> Result<Progress, Cut> {
        match self.ranges.pop() {
            Some(range) => self.ask(view, range),
            None => Ok(Progress { done: true, ..Progress::default() }),
        }
    }

    fn split(&mut self, view: View<'_>, bits: u8, too_narrow: Cut) -> Result<Progress, Cut> {
        let parts: Vec<_> = self.round.range.split(bits).collect();
        if parts.is_empty() {
            return Err(too_narrow);
        }
        if self.asks + self.ranges.len() + parts.len() > MAX_ASKS {
            return Err(Cut::Endless);
        }
        self.fine = true;
        self.ranges.extend(parts.into_iter().rev());
        self.go_on(view)
    }

    fn take(&mut self, view: View<'_>, symbols: &[Symbol]) -> Result<Progress, Cut> {
        if self.round.awaited.is_some_and(|awaited| awaited != symbols.len()) {
            return Err(Cut::OutOfTurn);
        }
        self.symbols += symbols.len();
        if self.symbols > MAX_SYMBOLS_PER_EXCHANGE {
            return Err(Cut::Endless);
        }
        let Round { decoder, sketch, .. } = &mut self.round;
        match decoder.push(symbols, sketch) {
            // No difference, and yet another fingerprint: short ids collide across the two sides.
            Ok(true) if decoder.difference().next().is_none() => self.retry(view),
            Ok(true) => self.settle(view),
            Ok(false) => self.more(view),
            Err(_) => self.retry(view),
        }
    }

    fn more(&mut self, view: View<'_>) -> Result<Progress, Cut> {
        let received = self.round.decoder.received();
        let more = MIN_MORE.max(received / 8).min(MAX_SYMBOLS - received);
        match u16::try_from(more) {
            Ok(symbols) if symbols > 0 => {
                self.round.awaited = Some(more);
                Ok(Progress::send(&Message::More(symbols)))
            }
            // The estimate was far too low, or nothing can be read here however narrow the range.
            _ => self.split(view, 2, Cut::Undecodable),
        }
    }

    fn retry(&mut self, view: View<'_>) -> Result<Progress, Cut> {
        self.failures += 1;
        if self.failures > MAX_FAILURES {
            return Err(Cut::Undecodable);
        }
        self.salt = Salt(mix(self.retry_salt.wrapping_add(self.failures)).max(1));
        self.ask(view, self.round.range)
    }

    fn settle(&mut self, view: View<'_>) -> Result<Progress, Cut> {
        let Round { range, sketch, decoder, .. } = &self.round;
        let mut wanted: BTreeSet<ShortId> = decoder.difference().collect();
        let own = view.resolve(self.scope, *range, sketch.key(), &wanted);
        let (offered, offer): (BTreeSet<ShortId>, Vec<Id>) = own.into_iter().unzip();
        wanted.retain(|short| !offered.contains(short));
        let wanted: Vec<_> = wanted.into_iter().collect();
        let offered: Vec<_> = offered.into_iter().collect();
        let found = Found { salt: self.salt, fetch: wanted.clone(), offer };
        let settled = Message::Settled { last: self.ranges.is_empty(), wanted, offered }.encode();
        let mut progress = self.go_on(view)?;
        progress.send.insert(0, settled);
        Ok(Progress { found: Some(found), ..progress })
    }
}

impl Round {
    fn new(view: View<'_>, scope: Scope, range: Range, salt: Salt) -> Self {
        let sketch = view.sketch(scope, range, salt);
        let decoder = Decoder::new(*sketch.key());
        Self { range, sketch, decoder, awaited: None }
    }
}
