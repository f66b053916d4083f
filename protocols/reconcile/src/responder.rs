//! The end that answers with its symbols.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::exchange::{Cut, Deadline, Found, MAX_ASKS, MAX_SYMBOLS_PER_EXCHANGE, Progress};
use crate::hash::{Salt, ShortId};
use crate::inventory::{Range, Scope};
use crate::message::{Ask, Message};
use crate::sketch::{MAX_SYMBOLS, Sketch};
use crate::view::View;

/// Up to an estimate of three, and of twenty, so many symbols suffice 19 times and 9 times of ten. Coarse estimates of so
/// little are worth no more; and 23 symbols with all that is around them stay under 300 bytes.
const FEW: &[(usize, usize)] = &[(3, 10), (20, 23)];
/// A range of a split shall hold some eight thousand differences: 120 kB, half a minute at 32 kbit/s.
const PER_RANGE: usize = 8_192;
/// A first meeting with an empty side needs all at once.
const MAX_SPLIT_BITS: u32 = 8;
/// Ids gone through in one exchange, as a multiple of those there are: under a salt, once to answer and once to find
/// what is wanted, and three more for the attempts that may fail. A million cost 0.65 s each time.
const MAX_PASSES: usize = 5;
/// A small inventory costs next to nothing to go through.
const FREE_STEPS: usize = 65_536;

/// Answers, bounded in everything: what it is asked, sends, computes and waits.
#[derive(Debug)]
pub struct Responder {
    since: u16,
    round: Option<Round>,
    asks: usize,
    symbols: usize,
    steps: usize,
    deadline: Deadline,
}

/// One range under one salt.
#[derive(Debug)]
struct Round {
    scope: Scope,
    range: Range,
    /// Ours as it was when we were asked.
    sketch: Arc<Sketch>,
    sent: usize,
}

impl Responder {
    /// Answers about days from `since` on.
    #[must_use]
    pub fn new(since: u16, now_ms: u64) -> Self {
        Self { since, round: None, asks: 0, symbols: 0, steps: 0, deadline: Deadline::new(now_ms) }
    }

    /// What the initiator sent. Where nothing more follows an `Equal`, it just closes.
    ///
    /// # Errors
    /// [`Cut`]: the exchange is over, and what it has found so far stays true.
    pub fn handle<'a>(&mut self, view: impl Into<View<'a>>, frame: &[u8], now_ms: u64) -> Result<Progress, Cut> {
        let view = view.into();
        self.deadline.renew(now_ms)?;
        match Message::decode(frame)? {
            Message::Ask(ask) => self.answer(view, &ask),
            Message::More(symbols) => self.more(usize::from(symbols)),
            Message::Settled { last, wanted, offered } => self.settle(view, last, wanted, offered),
            Message::Equal
            | Message::Symbols(_)
            | Message::Narrow { .. }
            | Message::Split { .. }
            | Message::Bodies(_)
            | Message::Taken => Err(Cut::OutOfTurn),
        }
    }

    /// When [`Self::check`] is due.
    #[must_use]
    pub fn next_wakeup_ms(&self) -> u64 {
        self.deadline.due_ms()
    }

    /// Whether the initiator still has time.
    ///
    /// # Errors
    /// [`Cut::Slow`].
    pub fn check(&self, now_ms: u64) -> Result<(), Cut> {
        self.deadline.check(now_ms)
    }

    fn answer(&mut self, view: View<'_>, ask: &Ask) -> Result<Progress, Cut> {
        self.round = None;
        self.asks += 1;
        if self.asks > MAX_ASKS {
            return Err(Cut::Endless);
        }
        if ask.scope.since < self.since {
            return Ok(Progress::send(&Message::Narrow { since: self.since }));
        }
        self.work(view, view.cost(ask.scope, ask.range, ask.salt))?;
        let sketch = view.sketch(ask.scope, ask.range, ask.salt);
        if sketch.fingerprint() == ask.fingerprint {
            let done = ask.range == Range::WHOLE;
            return Ok(Progress { done, ..Progress::send(&Message::Equal) });
        }
        let estimate = sketch.gauge().difference(&ask.gauge);
        let symbols = symbols_for(estimate);
        if symbols > MAX_SYMBOLS && ask.range.bits() < Range::MAX_BITS {
            return Ok(Progress::send(&Message::Split { bits: split_bits(estimate, ask.range) }));
        }
        self.round = Some(Round { scope: ask.scope, range: ask.range, sketch, sent: 0 });
        self.more(symbols.min(MAX_SYMBOLS))
    }

    fn more(&mut self, symbols: usize) -> Result<Progress, Cut> {
        let round = self.round.as_mut().ok_or(Cut::OutOfTurn)?;
        let to = round.sent + symbols;
        self.symbols += symbols;
        if to > MAX_SYMBOLS || self.symbols > MAX_SYMBOLS_PER_EXCHANGE {
            return Err(Cut::Endless);
        }
        let message = Message::Symbols(round.sketch.symbols(round.sent, to).to_vec());
        round.sent = to;
        Ok(Progress::send(&message))
    }

    fn settle(
        &mut self,
        view: View<'_>,
        last: bool,
        wanted: Vec<ShortId>,
        offered: Vec<ShortId>,
    ) -> Result<Progress, Cut> {
        let Round { scope, range, sketch, sent } = self.round.take().ok_or(Cut::OutOfTurn)?;
        // Whoever reads off symbols finds no more than there were.
        if wanted.len() + offered.len() > sent {
            return Err(Cut::Overclaimed);
        }
        let salt = sketch.key().salt();
        if salt != Salt(0) {
            self.work(view, view.cost(scope, range, salt))?;
        }
        let wanted: BTreeSet<_> = wanted.into_iter().collect();
        let own = view.resolve(scope, range, sketch.key(), &wanted);
        let found = Found { salt, fetch: offered, offer: own.into_iter().map(|(_, id)| id).collect() };
        Ok(Progress { found: Some(found), done: last, send: Vec::new() })
    }

    fn work(&mut self, view: View<'_>, steps: usize) -> Result<(), Cut> {
        self.steps += steps;
        if self.steps > MAX_PASSES * view.len() + FREE_STEPS { Err(Cut::Endless) } else { Ok(()) }
    }
}

/// A fifth more than a difference of this size needs on average, (`design/reconcile.md`): an estimate too low
/// costs a round trip, one too high a few bytes.
fn symbols_for(estimate: usize) -> usize {
    let few = FEW.iter().find(|(most, _)| estimate <= *most).map(|(_, symbols)| *symbols);
    few.unwrap_or_else(|| (estimate * 136 / 100 + estimate.isqrt() * 3 / 2 + 4) * 6 / 5)
}

fn split_bits(estimate: usize, range: Range) -> u8 {
    let parts = estimate.div_ceil(PER_RANGE).next_power_of_two();
    let most = u32::from(Range::MAX_BITS - range.bits()).min(MAX_SPLIT_BITS);
    u8::try_from(parts.trailing_zeros().clamp(1, most)).unwrap_or(1)
}
