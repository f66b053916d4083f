//! One exchange under way.

use meerkat_protocols::{mesh::Peer, statement::StatementId};
use meerkat_reconcile::{Cut, Opening, Session, Step, View};

use super::{UnderWay, peers::Stage};

/// What came of a frame.
pub(super) type Went = Result<Step, Cut>;

#[derive(Debug)]
pub(super) struct Running {
    pub(super) peer: Peer,
    pub(super) since_ms: u64,
    /// Of which stage, if we began it.
    pub(super) ours: Option<Stage>,
    /// New statements that are kept.
    pub(super) brought: usize,
    /// Statements that came, were no evidence, and found no room to be remembered.
    pub(super) in_vain: usize,
    pub(super) given: usize,
    pub(super) bytes: u64,
    came: usize,
    session: Session,
}

impl Running {
    /// Begins one; the frame is to be sent.
    pub(super) fn open(peer: Peer, stage: Stage, view: View<'_>, opening: Opening, now_ms: u64) -> (Self, Vec<u8>) {
        let (session, first) = Session::open(view, opening, now_ms);
        let running = Self { bytes: first.len() as u64, ..Self::of(peer, Some(stage), session, now_ms) };
        (running, first)
    }

    /// Answers one.
    pub(super) fn answer(peer: Peer, since: u16, now_ms: u64) -> Self {
        Self::of(peer, None, Session::answer(since, now_ms), now_ms)
    }

    fn of(peer: Peer, ours: Option<Stage>, session: Session, since_ms: u64) -> Self {
        Self { peer, since_ms, ours, brought: 0, in_vain: 0, given: 0, bytes: 0, came: 0, session }
    }

    pub(super) fn frame(&mut self, view: View<'_>, data: &[u8], now_ms: u64) -> Went {
        self.bytes += data.len() as u64;
        let step = self.session.handle(view, data, now_ms, |body| StatementId::of(body).0)?;
        Ok(self.count(step))
    }

    pub(super) fn loaded(&mut self, bodies: Vec<Vec<u8>>, now_ms: u64) -> Went {
        self.given += bodies.iter().filter(|body| !body.is_empty()).count();
        let step = self.session.loaded(bodies, now_ms);
        Ok(self.count(step))
    }

    pub(super) fn taken(&mut self, now_ms: u64) -> Went {
        let step = self.session.taken(now_ms);
        Ok(self.count(step))
    }

    fn count(&mut self, step: Step) -> Step {
        self.bytes += step.send.iter().map(|frame| frame.len() as u64).sum::<u64>();
        self.came += step.came.len();
        step
    }

    pub(super) fn check(&self, now_ms: u64) -> Option<Cut> {
        self.session.check(now_ms).err()
    }

    pub(super) fn next_wakeup_ms(&self) -> Option<u64> {
        self.session.next_wakeup_ms()
    }

    pub(super) fn under_way(&self) -> UnderWay {
        UnderWay { ours: self.ours.is_some(), came: self.came, waiting: self.session.waiting(), given: self.given }
    }
}
