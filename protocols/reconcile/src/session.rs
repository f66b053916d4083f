//! An exchange as a whole: what differs is found, and what is missing is fetched, on one stream of frames.

use std::collections::VecDeque;

use crate::exchange::{Cut, Found, Progress};
use crate::hash::Id;
use crate::initiator::{Initiator, Opening};
use crate::message::{MAX_BODIES, MAX_BODY_BYTES, Message};
use crate::promises::Promises;
use crate::responder::Responder;
use crate::view::View;

/// Frames of bodies on their way or in the other side's hands: one travels, one is checked, one is written, one is answered for.
const WINDOW: usize = 4;
/// To verify and store a frame of bodies on a slow machine.
const TAKEN_MS: u64 = 60_000;
/// Short ids a peer may offer in one exchange: a country's evidence, 12 MiB.
const MAX_PROMISED: usize = 1 << 20;
/// Of what was offered, an eighth may have expired before it is sent, and these few anyway.
const FEW: usize = 16;

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Step {
    /// Frames to send, in order.
    pub send: Vec<Vec<u8>>,
    /// Ids whose bodies the other side lacks: [`Session::loaded`] waits for them, in this order.
    pub load: Vec<Id>,
    /// Bodies that came and are what was offered; to be verified and stored, then [`Session::taken`].
    pub came: Vec<Vec<u8>>,
    /// Both sides have what there was to have: close once `send` is sent.
    pub done: bool,
}

#[derive(Debug)]
enum End {
    Initiator(Box<Initiator>),
    Responder(Box<Responder>),
}

/// One end of an exchange, bounded in everything.
#[derive(Debug)]
pub struct Session {
    end: End,
    reconciled: bool,
    /// To be sent.
    outgoing: VecDeque<Id>,
    /// Ids that the caller is loading.
    loading: usize,
    /// Frames of bodies sent and not yet taken, and since when.
    untaken: usize,
    waiting_since_ms: u64,
    promised: usize,
    promises: Vec<Promises>,
    /// Offered, but expired before it was sent.
    missing: usize,
    /// Frames of bodies that the caller has in hand.
    in_hand: usize,
}

impl Session {
    /// Begins one; the frame is to be sent.
    #[must_use]
    pub fn open<'a>(view: impl Into<View<'a>>, opening: Opening, now_ms: u64) -> (Self, Vec<u8>) {
        let (initiator, first) = Initiator::open(view, opening, now_ms);
        (Self::of(End::Initiator(Box::new(initiator)), now_ms), first)
    }

    /// Answers one, about days from `since` on.
    #[must_use]
    pub fn answer(since: u16, now_ms: u64) -> Self {
        Self::of(End::Responder(Box::new(Responder::new(since, now_ms))), now_ms)
    }

    fn of(end: End, now_ms: u64) -> Self {
        Self {
            end,
            reconciled: false,
            outgoing: VecDeque::new(),
            loading: 0,
            untaken: 0,
            waiting_since_ms: now_ms,
            promised: 0,
            promises: Vec::new(),
            missing: 0,
            in_hand: 0,
        }
    }

    /// What the other side sent. `id_of` is the hash that makes an id of a body.
    ///
    /// # Errors
    /// [`Cut`]: the exchange is over, and what came before was true.
    pub fn handle<'a>(
        &mut self,
        view: impl Into<View<'a>>,
        frame: &[u8],
        now_ms: u64,
        id_of: impl Fn(&[u8]) -> Id,
    ) -> Result<Step, Cut> {
        self.check(now_ms)?;
        let view = view.into();
        match Message::decode(frame)? {
            Message::Bodies(bodies) => self.came(bodies, now_ms, id_of),
            Message::Taken if self.untaken > 0 => {
                self.untaken -= 1;
                self.waiting_since_ms = now_ms;
                Ok(self.step(Vec::new()))
            }
            _ => {
                let progress = match &mut self.end {
                    End::Initiator(initiator) => initiator.handle(view, frame, now_ms),
                    End::Responder(responder) => responder.handle(view, frame, now_ms),
                }?;
                self.progress(view, progress, now_ms)
            }
        }
    }

    /// The bodies of [`Step::load`], in its order; empty where there is none any more, or where it is too long to be one.
    ///
    /// More or fewer than were asked for are a mistake of the caller's that the other side will answer for.
    pub fn loaded(&mut self, mut bodies: Vec<Vec<u8>>, now_ms: u64) -> Step {
        bodies.truncate(self.loading.min(MAX_BODIES));
        self.loading = 0;
        if bodies.is_empty() {
            return self.step(Vec::new());
        }
        bodies.iter_mut().filter(|body| body.len() > MAX_BODY_BYTES).for_each(Vec::clear);
        self.untaken += 1;
        self.waiting_since_ms = now_ms;
        self.step(vec![Message::Bodies(bodies).encode()])
    }

    /// What came in one [`Step`] has been dealt with, whether it was good or not.
    pub fn taken(&mut self, now_ms: u64) -> Step {
        if self.in_hand == 0 {
            return self.step(Vec::new());
        }
        self.in_hand -= 1;
        self.promises.iter_mut().for_each(|promises| promises.renew(now_ms));
        self.step(vec![Message::Taken.encode()])
    }

    /// When [`Self::check`] is due; `None` while it is the caller's turn.
    #[must_use]
    pub fn next_wakeup_ms(&self) -> Option<u64> {
        let end = match &self.end {
            End::Initiator(initiator) => initiator.next_wakeup_ms(),
            End::Responder(responder) => responder.next_wakeup_ms(),
        };
        let reconciling = (!self.reconciled).then_some(end);
        let taking = (self.untaken > 0).then_some(self.waiting_since_ms.saturating_add(TAKEN_MS));
        let bodies = self.promises.iter().filter_map(Promises::next_wakeup_ms).min().filter(|_| self.in_hand == 0);
        [reconciling, taking, bodies].into_iter().flatten().min()
    }

    /// Whether the other side still has time.
    ///
    /// # Errors
    /// [`Cut::Slow`], or [`Cut::BrokenPromise`] where only the bodies are late that it offered.
    pub fn check(&self, now_ms: u64) -> Result<(), Cut> {
        if self.next_wakeup_ms().is_none_or(|due_ms| now_ms < due_ms) {
            return Ok(());
        }
        let broken = self.reconciled && self.untaken == 0;
        Err(if broken { Cut::BrokenPromise } else { Cut::Slow })
    }

    /// How many bodies are still to come.
    #[must_use]
    pub fn waiting(&self) -> usize {
        let waiting: usize = self.promises.iter().map(Promises::waiting).sum();
        waiting.saturating_sub(self.missing)
    }

    fn progress(&mut self, view: View<'_>, progress: Progress, now_ms: u64) -> Result<Step, Cut> {
        self.reconciled |= progress.done;
        if let Some(found) = progress.found {
            self.found(view, found, now_ms)?;
        }
        Ok(self.step(progress.send))
    }

    fn found(&mut self, view: View<'_>, found: Found, now_ms: u64) -> Result<(), Cut> {
        self.promised += found.fetch.len();
        // Ranges settled again and again would fetch the same again and again. Some may have expired since they were found.
        if self.promised > MAX_PROMISED || self.outgoing.len() + found.offer.len() > 2 * view.len() {
            return Err(Cut::Endless);
        }
        if !found.fetch.is_empty() {
            self.promises.push(Promises::new(&found, now_ms));
        }
        self.outgoing.extend(found.offer);
        Ok(())
    }

    fn came(&mut self, bodies: Vec<Vec<u8>>, now_ms: u64, id_of: impl Fn(&[u8]) -> Id) -> Result<Step, Cut> {
        if self.in_hand == WINDOW {
            return Err(Cut::OutOfTurn);
        }
        let (came, gone): (Vec<_>, Vec<_>) = bodies.into_iter().partition(|body| !body.is_empty());
        self.missing += gone.len();
        if self.missing > FEW + self.promised / 8 {
            return Err(Cut::BrokenPromise);
        }
        for body in &came {
            let id = id_of(body);
            let kept = self.promises.iter_mut().any(|promises| promises.arrived(&id, now_ms).is_ok());
            if !kept {
                return Err(Cut::Unasked);
            }
        }
        self.promises.retain(|promises| promises.waiting() > 0);
        // It sends one range after the other: that it sends at all is what counts.
        self.promises.iter_mut().for_each(|promises| promises.renew(now_ms));
        self.in_hand += 1;
        Ok(Step { came, ..self.step(Vec::new()) })
    }

    fn step(&mut self, send: Vec<Vec<u8>>) -> Step {
        let mut load = Vec::new();
        if self.loading == 0 && self.untaken < WINDOW {
            load = self.outgoing.drain(..self.outgoing.len().min(MAX_BODIES)).collect();
            self.loading = load.len();
        }
        let idle = self.outgoing.is_empty() && self.loading == 0 && self.untaken == 0 && self.in_hand == 0;
        Step { send, load, came: Vec::new(), done: self.reconciled && idle && self.waiting() == 0 }
    }
}
