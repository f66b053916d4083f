//! The way out: letters wait, are sealed, leave when that is on disk, and are sent again until the neighbour has them.

use meerkat_protocols::{
    batch::Write,
    home::HomeId,
    letter::{Address, Content, Letter, LetterId, Receipt, SealedLetter},
    mail::{Failure, Kept, Progress, Way},
    mesh::{Peer, RequestKind, RequestRef},
    time::{Day, Now},
};

use super::{HeldUp, MAX_KEPT, MAX_KEPT_BYTES, MAX_QUEUED, MAX_QUEUED_BYTES, shelved, wire::Answer};
use crate::{
    command::{CommandId, Refusal, Reply},
    event::Event,
    input::JobId,
    node::Node,
    output::{Job, Output, Promise, Urgency},
};

/// Days after which an undelivered letter is given up: longer than a holiday.
const WAIT_DAYS: i32 = 14;
/// How long to wait after no answer, doubling up to the second figure. A new connection begins anew.
const NO_ANSWER_MS: (u64, u64) = (5_000, 300_000);
/// How long to wait when the neighbour has too much already.
const BUSY_MS: u64 = 60_000;
/// How long to wait where only people can help.
const HOUR_MS: u64 = 3_600_000;
/// How long "delivered" may wait for its commit: if it is lost, the letter is sent once more and known there.
const DELIVERED_WITHIN: Urgency = Urgency::Within(1_000);

/// One letter on its way.
#[derive(Debug, Clone, Copy)]
pub(super) enum Attempt {
    /// It is being sealed for the node behind this peer.
    Sealing { id: LetterId, job: JobId, peer: Peer },
    /// It has left; the answer must hold this receipt.
    Asked { id: LetterId, request: RequestRef, receipt: Receipt, peer: Peer },
}

impl Attempt {
    fn id(&self) -> LetterId {
        match self {
            Self::Sealing { id, .. } | Self::Asked { id, .. } => *id,
        }
    }

    fn peer(&self) -> Peer {
        match self {
            Self::Sealing { peer, .. } | Self::Asked { peer, .. } => *peer,
        }
    }
}

/// When the next attempt may be made.
#[derive(Debug, Default)]
pub(super) struct Pause {
    until_ms: u64,
    last_ms: u64,
}

impl Pause {
    fn lasts(now: Now, ms: u64) -> Self {
        Self { until_ms: now.mono_ms + ms, last_ms: 0 }
    }

    fn doubled(&self, now: Now) -> Self {
        let last_ms = (self.last_ms * 2).clamp(NO_ANSWER_MS.0, NO_ANSWER_MS.1);
        Self { until_ms: now.mono_ms + last_ms, last_ms }
    }
}

impl Node {
    /// A person writes to a neighbour.
    pub(crate) fn write_letter(
        &mut self,
        now: Now,
        command: CommandId,
        home: HomeId,
        id: LetterId,
        content: Content,
    ) -> Result<(), Refusal> {
        if !self.answers_for(home) {
            return Err(Refusal::NotVouched);
        }
        let with = self.begin_with(home);
        let bytes: usize = with.queue.iter().map(|kept| kept.letter.content.len()).sum();
        if with.queue.len() >= MAX_QUEUED || bytes + content.len() > MAX_QUEUED_BYTES {
            return Err(Refusal::TooManyLetters(with.queue.len()));
        }
        if with.queue.iter().any(|kept| kept.letter.id == id) {
            return Err(Refusal::Invalid("a message with this id is on its way already".to_owned()));
        }
        let letter = Letter { id, seq: with.next_seq, created: now.wall, content };
        with.next_seq += 1;
        let kept = Kept { no: self.mail.number(), home, way: Way::Out(Progress::Queued), at: now.wall, letter };
        self.begin_with(home).queue.push_back(kept.clone());
        self.put(Output::Write(Write::Letter(Box::new(kept.clone())), Urgency::Now));
        self.put(Output::AfterCommit(Promise::Reply(command, Reply::Queued(Box::new(kept)))));
        self.put(Output::AfterCommit(Promise::Event(Event::LetterChanged(home, id, Progress::Queued))));
        self.mail_changed(now);
        Ok(())
    }

    /// A person takes back a letter that has not left.
    pub(crate) fn undo_letter(
        &mut self,
        now: Now,
        command: CommandId,
        home: HomeId,
        id: LetterId,
    ) -> Result<(), Refusal> {
        let with = self.mail.with.get_mut(&home).ok_or(Refusal::NoSuchLetter)?;
        let at = with.queue.iter().position(|kept| kept.letter.id == id).ok_or(Refusal::LetterLeft)?;
        if with.queue[at].way != Way::Out(Progress::Queued) {
            return Err(Refusal::LetterLeft);
        }
        if with.attempt.is_some_and(|attempt| attempt.id() == id) {
            with.attempt = None;
        }
        let no = with.queue.remove(at).map(|kept| kept.no).unwrap_or_default();
        self.put(Output::Write(Write::DropLetter(home, no), Urgency::Now));
        self.put(Output::AfterCommit(Promise::Reply(command, Reply::Undone)));
        self.put(Output::AfterCommit(Promise::Event(Event::LetterGone(home, id))));
        self.mail_changed(now);
        Ok(())
    }

    /// Something has changed: sends what can be sent now, and finds out when to look again.
    pub(crate) fn mail_changed(&mut self, now: Now) {
        self.mail.listed = None;
        let homes: Vec<HomeId> =
            self.mail.with.iter().filter(|(_, with)| !with.queue.is_empty()).map(|(home, _)| *home).collect();
        self.mail.due_ms = None;
        for home in homes {
            if let Some(due) = self.send_next(now, home) {
                self.mail.due_ms = Some(self.mail.due_ms.map_or(due, |other| other.min(due)));
            }
        }
    }

    /// Begins to send the oldest open letter to a home, if its node is there and nothing is under way. Gives when to look
    /// again, if a pause is all that keeps it.
    fn send_next(&mut self, now: Now, home: HomeId) -> Option<u64> {
        let (peer, to) = self.reachable(home)?;
        let with = self.mail.with.get(&home)?;
        if with.attempt.is_some() {
            return None;
        }
        if with.pause.until_ms > now.mono_ms {
            return Some(with.pause.until_ms);
        }
        let letter = with.queue.front()?.letter.clone();
        let id = letter.id;
        let from = Address { home: self.home(), node: self.identity.node };
        let job = self.start(Job::SealLetter { letter: Box::new(letter), from, to });
        self.mail.with.entry(home).or_default().attempt = Some(Attempt::Sealing { id, job, peer });
        None
    }

    /// A letter of ours is sealed. That it leaves is on disk before it does: what can be undone has never left.
    pub(crate) fn letter_sealed(&mut self, now: Now, job: JobId, sealed: Option<(SealedLetter, Receipt)>) {
        let is_it = |attempt: &Attempt| matches!(attempt, Attempt::Sealing { job: at, .. } if *at == job);
        let found = self.mail.with.iter_mut().find(|(_, with)| with.attempt.as_ref().is_some_and(is_it));
        let Some((home, with)) = found else { return };
        let Some(Attempt::Sealing { id, peer, .. }) = with.attempt.take() else { return };
        let home = *home;
        let Some((sealed, receipt)) = sealed else {
            with.held_up = Some(HeldUp::Unproved);
            with.pause = Pause::lasts(now, HOUR_MS);
            return self.mail_changed(now);
        };
        let Some(front) = with.queue.front_mut().filter(|kept| kept.letter.id == id) else {
            return self.mail_changed(now);
        };
        let leaves = front.way == Way::Out(Progress::Queued);
        front.way = Way::Out(Progress::Sent);
        let kept = front.clone();
        if leaves {
            self.put(Output::Write(Write::Letter(Box::new(kept)), Urgency::Now));
            self.put(Output::AfterCommit(Promise::Event(Event::LetterChanged(home, id, Progress::Sent))));
        }
        let request = self.ask_when_saved(peer, RequestKind::Message, &sealed.0);
        self.mail.with.entry(home).or_default().attempt = Some(Attempt::Asked { id, request, receipt, peer });
        self.mail.listed = None;
    }

    /// The neighbour's node has answered, or there is no answer.
    pub(crate) fn letter_answered(&mut self, now: Now, request: RequestRef, data: Option<&[u8]>) {
        let is_it = |attempt: &Attempt| matches!(attempt, Attempt::Asked { request: at, .. } if *at == request);
        let found = self.mail.with.iter_mut().find(|(_, with)| with.attempt.as_ref().is_some_and(is_it));
        let Some((home, with)) = found else { return };
        let Some(Attempt::Asked { id, receipt, .. }) = with.attempt.take() else { return };
        let home = *home;
        if with.queue.front().is_none_or(|kept| kept.letter.id != id) {
            return self.mail_changed(now);
        }
        let held_up = match data.map(Answer::decode) {
            Some(Some(Answer::Delivered(proof))) if proof == receipt => {
                with.held_up = None;
                with.pause = Pause::default();
                return self.finish_first(now, home, Progress::Delivered { at: now.wall });
            }
            Some(Some(Answer::TooOld)) => return self.finish_first(now, home, Progress::Failed(Failure::TooOld)),
            Some(Some(Answer::NotUnderstood)) => {
                return self.finish_first(now, home, Progress::Failed(Failure::NotUnderstood));
            }
            None => None,
            Some(Some(Answer::NotAccepted)) => Some((HeldUp::NotAccepted, Pause::lasts(now, HOUR_MS))),
            Some(Some(Answer::Busy)) => Some((HeldUp::Busy, Pause::lasts(now, BUSY_MS))),
            Some(Some(Answer::Unsealed | Answer::Delivered(_)) | None) => {
                Some((HeldUp::Unproved, with.pause.doubled(now)))
            }
        };
        let Some((why, pause)) = held_up else {
            with.pause = with.pause.doubled(now);
            return self.mail_changed(now);
        };
        (with.held_up, with.pause) = (Some(why), pause);
        self.put(Output::Event(Event::LettersHeldUp(home)));
        self.mail_changed(now);
    }

    /// The oldest open letter to a home is open no more.
    fn finish_first(&mut self, now: Now, home: HomeId, progress: Progress) {
        let first = self.mail.with.get_mut(&home).and_then(|with| with.queue.pop_front());
        if let Some(kept) = first {
            self.finish(kept, progress);
        }
        self.mail_changed(now);
    }

    fn finish(&mut self, mut kept: Kept, progress: Progress) {
        let (home, id) = (kept.home, kept.letter.id);
        kept.way = Way::Out(progress);
        let with = self.mail.with.entry(home).or_default();
        with.done.push_back(shelved(&kept));
        let mut surplus = Vec::new();
        let mut bytes: usize = with.done.iter().map(|shelved| shelved.bytes).sum();
        while with.done.len() > MAX_KEPT || bytes > MAX_KEPT_BYTES {
            let Some(oldest) = with.done.pop_front() else { break };
            bytes -= oldest.bytes;
            surplus.push(oldest.no);
        }
        self.put(Output::Write(Write::Letter(Box::new(kept)), DELIVERED_WITHIN));
        for no in surplus {
            self.put(Output::Write(Write::DropLetter(home, no), DELIVERED_WITHIN));
        }
        self.put(Output::AfterCommit(Promise::Event(Event::LetterChanged(home, id, progress))));
    }

    /// A node is there: what paused because it was not is tried now.
    pub(crate) fn mail_connected(&mut self, now: Now, peer: Peer) {
        let Some(home) = self.correspondent(peer).map(|to| to.address.home) else { return };
        if let Some(with) = self.mail.with.get_mut(&home) {
            (with.pause, with.held_up) = (Pause::default(), None);
            self.mail_changed(now);
        }
    }

    /// A node is gone, and with it what was under way to it.
    pub(crate) fn mail_disconnected(&mut self, now: Now, peer: Peer) {
        let mut gone = false;
        for with in self.mail.with.values_mut() {
            if with.attempt.take_if(|attempt| attempt.peer() == peer).is_some() {
                gone = true;
            }
        }
        if gone {
            self.mail_changed(now);
        }
    }

    /// Gives up what has waited for two weeks or whose neighbour is none any more, and dates what was written before the
    /// clock was set.
    pub(crate) fn expire_mail(&mut self, now: Now) {
        // One clock alone may have jumped; where neighbours name the day, theirs counts.
        let today = self.calendar.day(now).or_else(|| now.day());
        let homes: Vec<HomeId> = self.mail.with.keys().copied().collect();
        let mut changed = false;
        for home in homes {
            let is_neighbour = self.answers_for(home);
            let Some(with) = self.mail.with.get_mut(&home) else { continue };
            let queue = std::mem::take(&mut with.queue);
            let busy = with.attempt.map(|attempt| attempt.id());
            for mut kept in queue {
                let written = kept.at.and_then(Day::of_unix);
                let overdue = matches!((written, today), (Some(then), Some(today)) if today.since(then) > WAIT_DAYS);
                let failure = match (is_neighbour, overdue) {
                    (false, _) => Some(Failure::NotANeighbour),
                    (true, true) if busy != Some(kept.letter.id) => Some(Failure::Expired),
                    (true, _) => None,
                };
                changed |= failure.is_some();
                match failure {
                    Some(failure) => self.finish(kept, Progress::Failed(failure)),
                    None => {
                        if kept.at.is_none() && now.wall.is_some() {
                            kept.at = now.wall;
                            self.put(Output::Write(Write::Letter(Box::new(kept.clone())), Urgency::Within(60_000)));
                        }
                        self.mail.with.entry(home).or_default().queue.push_back(kept);
                    }
                }
            }
        }
        if changed {
            self.mail_changed(now);
        }
    }

    /// A person wants nothing of the letters with a home any more.
    pub(crate) fn forget_letters(&mut self, now: Now, command: CommandId, home: HomeId) -> Result<(), Refusal> {
        if self.mail.with.get(&home).is_none_or(super::Correspondence::is_empty) {
            return Err(Refusal::NoSuchLetter);
        }
        self.drop_letters(home);
        self.put(Output::AfterCommit(Promise::Reply(command, Reply::Undone)));
        self.put(Output::AfterCommit(Promise::Event(Event::LettersForgotten(home))));
        self.mail_changed(now);
        Ok(())
    }

    /// Drops all letters with a home; that they were there is remembered by their date.
    pub(super) fn drop_letters(&mut self, home: HomeId) {
        let Some(with) = self.mail.with.get_mut(&home) else { return };
        with.attempt = None;
        with.held_up = None;
        let open = std::mem::take(&mut with.queue).into_iter().map(|kept| kept.no);
        let done = std::mem::take(&mut with.done).into_iter().map(|shelved| shelved.no);
        let inbox = std::mem::take(&mut with.inbox);
        let numbers: Vec<_> = open.chain(done).chain(inbox.iter().map(|seen| seen.shelved.no)).collect();
        with.marks.forgotten = inbox.iter().map(|seen| seen.date).fold(with.marks.forgotten, Option::max);
        with.marks.read = numbers.iter().copied().fold(with.marks.read, Ord::max);
        let marks = with.marks;
        for no in numbers {
            self.put(Output::Write(Write::DropLetter(home, no), Urgency::Now));
        }
        self.put(Output::Write(Write::Marks(home, marks), Urgency::Now));
        self.mail.listed = None;
    }
}
