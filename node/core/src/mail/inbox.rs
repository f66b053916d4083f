//! The way in: a neighbour's letter is opened, known or kept, and acknowledged once it is on disk.

use meerkat_protocols::{
    batch::Write,
    home::HomeId,
    letter::{Address, Letter, NotOpened, Receipt, SealedLetter},
    mail::{Kept, LetterNo, Way},
    mesh::{InboundRef, Order, Peer},
    time::Now,
};
use serde_bytes::ByteBuf;

use super::{MAX_KEPT, MAX_KEPT_BYTES, seen, wire::Answer};
use crate::{
    command::{CommandId, Refusal, Reply},
    event::Event,
    input::JobId,
    node::Node,
    output::{Job, Output, Promise, Urgency},
};

/// The most letters of one neighbour being opened at once. An honest node sends one and waits.
const MAX_OPENING: usize = 4;
/// How long that something was read may wait for its commit.
const READ_WITHIN: Urgency = Urgency::Within(2_000);

/// A letter that is being opened.
pub(super) struct Opening {
    from: Address,
    inbound: InboundRef,
}

impl Node {
    /// A peer brings a letter. Only nodes of neighbours' homes may, and only so many.
    pub(crate) fn letter_asked(&mut self, now: Now, from: Peer, inbound: InboundRef, data: &[u8]) {
        let Some(correspondent) = self.correspondent(from) else {
            self.counts.letters_refused += 1;
            return self.respond(inbound, Answer::NotAccepted.encode());
        };
        let from = correspondent.address;
        let opening = self.mail.opening.values().filter(|opening| opening.from == from).count();
        if opening >= MAX_OPENING || !self.begin_with(from.home).pace.take(now) {
            self.counts.letters_refused += 1;
            return self.respond(inbound, Answer::Busy.encode());
        }
        let sealed = SealedLetter(ByteBuf::from(data));
        let to = Address { home: self.home(), node: self.identity.node };
        let job = self.start(Job::OpenLetter { sealed, from: correspondent, to });
        self.mail.opening.insert(job, Opening { from, inbound });
    }

    /// A letter was opened, or does not open.
    pub(crate) fn letter_opened(&mut self, now: Now, job: JobId, opened: Result<(Letter, Receipt), NotOpened>) {
        let Some(Opening { from, inbound }) = self.mail.opening.remove(&job) else { return };
        let answer = match opened {
            Ok((letter, receipt)) => self.take_letter(now, from, letter, receipt),
            Err(NotOpened::Newer) => Answer::NotUnderstood,
            Err(NotOpened::Elsewhere | NotOpened::Unsealed | NotOpened::Malformed) => Answer::Unsealed,
        };
        let data = answer.encode();
        if matches!(answer, Answer::Delivered(_)) {
            // Known before or not: what made it known may be with the disk still.
            self.put(Output::AfterCommit(Promise::Order(Order::Respond { inbound, data })));
        } else {
            self.counts.letters_refused += 1;
            self.respond(inbound, data);
        }
    }

    fn take_letter(&mut self, now: Now, from: Address, letter: Letter, receipt: Receipt) -> Answer {
        let (home, id) = (from.home, letter.id);
        let with = self.begin_with(home);
        if with.inbox.iter().any(|seen| seen.id == id) {
            return Answer::Delivered(receipt);
        }
        if with.marks.forgotten.is_some_and(|forgotten| letter.created.is_some_and(|created| created <= forgotten)) {
            return Answer::TooOld;
        }
        let no = self.mail.number();
        let kept = Kept { no, home, way: Way::In(from.node), at: now.wall, letter };
        self.begin_with(home).inbox.push_back(seen(&kept));
        self.put(Output::Write(Write::Letter(Box::new(kept)), Urgency::Now));
        self.make_room_in(home);
        self.put(Output::AfterCommit(Promise::Event(Event::LetterReceived(home, id))));
        self.mail.listed = None;
        Answer::Delivered(receipt)
    }

    /// Drops the oldest letters of a home beyond what is kept, and remembers how old they were.
    fn make_room_in(&mut self, home: HomeId) {
        let Some(with) = self.mail.with.get_mut(&home) else { return };
        let mut bytes: usize = with.inbox.iter().map(|seen| seen.shelved.bytes).sum();
        let mut surplus = Vec::new();
        while with.inbox.len() > MAX_KEPT || bytes > MAX_KEPT_BYTES {
            let Some(oldest) = with.inbox.pop_front() else { break };
            bytes -= oldest.shelved.bytes;
            with.marks.forgotten = with.marks.forgotten.max(oldest.date);
            surplus.push(oldest.shelved.no);
        }
        if surplus.is_empty() {
            return;
        }
        let marks = with.marks;
        for no in surplus {
            self.put(Output::Write(Write::DropLetter(home, no), Urgency::Now));
        }
        self.put(Output::Write(Write::Marks(home, marks), Urgency::Now));
    }

    /// A person has read the letters of a home up to this one.
    pub(crate) fn letters_read(&mut self, command: CommandId, home: HomeId, up_to: LetterNo) -> Result<(), Refusal> {
        let with = self.mail.with.get_mut(&home).ok_or(Refusal::NoSuchLetter)?;
        // A number that was never given must not make later letters read before they come.
        let newest = with.inbox.back().map_or(with.marks.read, |seen| seen.shelved.no);
        let up_to = up_to.min(newest);
        if up_to > with.marks.read {
            with.marks.read = up_to;
            let marks = with.marks;
            self.mail.listed = None;
            self.put(Output::Write(Write::Marks(home, marks), READ_WITHIN));
            self.put(Output::Event(Event::LettersRead(home)));
        }
        self.put(Output::Reply(command, Ok(Reply::Read)));
        Ok(())
    }
}
