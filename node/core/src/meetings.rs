//! Meeting without any code: two nodes on one network, two people who compare four words.
//!
//! Who begins stands by a number before it sees the other's (commit, then reveal), so that somebody between them has one
//! try in 2^44 to make both screens show the same.

use std::collections::BTreeMap;

use meerkat_protocols::{
    contact::{Contact, SignedRecord},
    fourwords::FourWords,
    meeting::{Denial, Nonce, Proof, Word, meeting_words},
    mesh::{InboundRef, Peer, RequestKind},
    time::Now,
};

use crate::{
    command::{CommandId, Refusal, Reply},
    event::Event,
    newcomers::Then,
    node::Node,
    output::Output,
    pace::Pace,
    snapshot::{MeetingState, PeerState},
};

/// How long two people may take to compare four words.
const MEETING_MS: u64 = 300_000;
/// How long after a beginning that was not gone on with the same peer may begin again.
const AGAIN_MS: u64 = 60_000;
/// Meetings at once: more than screens show.
const MAX_MEETINGS: usize = 4;
/// What one peer may ask in a minute: a meeting has three questions.
const MAX_ASKED_A_MINUTE: u32 = 12;

/// How far a meeting is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MeetingStage {
    /// The two nodes exchange what the words are made of.
    Beginning,
    /// Both screens show the words: the people compare them.
    Comparing,
    /// The person here has confirmed; the other has not yet.
    Waiting,
    /// Done.
    Met,
    /// It came to nothing; the text says why.
    Failed(&'static str),
}

impl MeetingStage {
    /// The stage's name in every interface.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Beginning => "beginning",
            Self::Comparing => "comparing",
            Self::Waiting => "waiting",
            Self::Met => "met",
            Self::Failed(_) => "failed",
        }
    }

    /// As a sentence for the person who waits.
    #[must_use]
    pub fn words(&self) -> &'static str {
        match self {
            Self::Beginning => "Connecting the two nodes.",
            Self::Comparing => "Read the four words to each other. Confirm only if they are the same on both screens.",
            Self::Waiting => "You have confirmed. Waiting for your neighbour to do the same.",
            Self::Met => "You are neighbours: your homes vouch for each other.",
            Self::Failed(why) => why,
        }
    }

    fn runs(&self) -> bool {
        matches!(self, Self::Beginning | Self::Comparing | Self::Waiting)
    }
}

#[derive(Debug)]
struct Meeting {
    ours: bool,
    nonce: Nonce,
    /// What who began stands by, where that is the other.
    commitment: Option<Proof>,
    words: Option<FourWords>,
    stage: MeetingStage,
    confirmed: Option<String>,
    theirs: Option<Contact>,
    until_ms: u64,
}

/// The meetings of this node, by peer.
#[derive(Debug, Default)]
pub(crate) struct Meetings {
    all: BTreeMap<Peer, Meeting>,
    pace: Pace,
}

impl Meetings {
    /// When something ends, in milliseconds of the monotonic clock.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        self.all.values().map(|meeting| meeting.until_ms).min()
    }

    pub(crate) fn list(&self) -> Vec<MeetingState> {
        let state = |(peer, meeting): (&Peer, &Meeting)| MeetingState {
            peer: *peer,
            ours: meeting.ours,
            stage: meeting.stage.clone(),
            words: meeting.words.filter(|_| meeting.stage.runs()),
        };
        self.all.iter().map(state).collect()
    }
}

impl Node {
    /// Whether a peer is connected from the same network.
    pub(crate) fn is_at_hand(&self, peer: Peer) -> bool {
        self.mesh.peers.get(&peer).is_some_and(PeerState::is_nearby)
    }

    fn room_for_meeting(&self, peer: Peer) -> bool {
        let others = self.meetings.all.iter().filter(|(other, meeting)| **other != peer && meeting.stage.runs());
        others.count() < MAX_MEETINGS
    }

    fn begin_meeting(&mut self, now: Now, peer: Peer, commitment: Option<Proof>) -> Nonce {
        let nonce = Nonce(self.chance.draw_16());
        self.meetings.all.retain(|other, meeting| *other != peer && meeting.stage.runs());
        let meeting = Meeting {
            ours: commitment.is_none(),
            nonce,
            commitment,
            words: None,
            stage: MeetingStage::Beginning,
            confirmed: None,
            theirs: None,
            until_ms: now.mono_ms + MEETING_MS,
        };
        self.meetings.all.insert(peer, meeting);
        self.put(Output::Event(Event::MeetingsChanged));
        nonce
    }

    /// A person chose a node nearby.
    pub(crate) fn meet(&mut self, now: Now, command: CommandId, peer: Peer) -> Result<(), Refusal> {
        if !self.is_at_hand(peer) {
            return Err(Refusal::NotNearby);
        }
        if !self.room_for_meeting(peer) {
            return Err(Refusal::Busy);
        }
        if self.contacts.of_peer(peer).is_none() {
            self.check_vouches(now)?;
        }
        now.day().ok_or(Refusal::ClockNotSet)?;
        let running = self.meetings.all.get(&peer).is_some_and(|meeting| meeting.stage.runs());
        if !running {
            let nonce = self.begin_meeting(now, peer, None);
            let commitment = nonce.commitment(self.identity.about.peer, peer);
            self.ask(peer, RequestKind::Meet, &Word::Begin(commitment).encode());
        }
        self.put(Output::Reply(command, Ok(Reply::Meeting(peer))));
        Ok(())
    }

    /// A person has compared the words.
    pub(crate) fn confirm_meeting(
        &mut self,
        now: Now,
        command: CommandId,
        (peer, same, name): (Peer, bool, String),
    ) -> Result<(), Refusal> {
        let own = self.contacts.own().map(|(_, record)| record.clone()).ok_or(Refusal::Busy)?;
        let comparing = self.meetings.all.get(&peer).filter(|meeting| meeting.words.is_some() && meeting.stage.runs());
        let meeting = comparing.ok_or(Refusal::NoSuchMeeting)?;
        let theirs = meeting.theirs.as_ref().or(self.contacts.of_peer(peer)).map(Contact::home);
        // An invite made while the words were read may hold back the last vouch.
        if same && !theirs.is_some_and(|home| self.vouched().contains(&home)) {
            self.check_vouches(now)?;
        }
        let Some(meeting) = self.meetings.all.get_mut(&peer) else { return Err(Refusal::NoSuchMeeting) };
        if same {
            meeting.confirmed = Some(name);
            meeting.stage = MeetingStage::Waiting;
            self.ask(peer, RequestKind::Meet, &Word::Confirm(own).encode());
        } else {
            meeting.stage = MeetingStage::Failed("You said that the words differ. Nobody was let in.");
            self.ask(peer, RequestKind::Meet, &Word::Cancel.encode());
        }
        self.put(Output::Event(Event::MeetingsChanged));
        self.put(Output::Reply(command, Ok(Reply::Meeting(peer))));
        self.finish_meeting(now, peer);
        Ok(())
    }

    /// A peer asks on the way to a meeting.
    pub(crate) fn meet_asked(&mut self, now: Now, from: Peer, inbound: InboundRef, payload: &[u8]) {
        let answer = match Word::decode(payload) {
            _ if !self.meetings.pace.allows(now, from, MAX_ASKED_A_MINUTE) || !self.is_at_hand(from) => {
                Word::Denied(Denial::NotNow)
            }
            Ok(Word::Begin(commitment)) => self.begun(now, from, commitment),
            Ok(Word::Reveal(nonce)) => self.revealed(from, nonce),
            Ok(Word::Confirm(record)) => self.confirmed(now, from, record),
            Ok(Word::Cancel) => {
                self.break_off(from, "Your neighbour said that the words differ. Nobody was let in.");
                Word::Nothing
            }
            _ => Word::Denied(Denial::BadRecord),
        };
        self.respond(inbound, answer.encode());
    }

    fn begun(&mut self, now: Now, from: Peer, commitment: Proof) -> Word {
        if self.has_tried(now, from) {
            return Word::Denied(Denial::NotNow);
        }
        let open = self.meetings.all.get(&from).filter(|meeting| meeting.stage.runs());
        // Both may begin at once: then that of the lower peer counts, on both sides.
        let crossing = open.is_some_and(|meeting| meeting.ours && meeting.words.is_none());
        let refused =
            open.is_some_and(|meeting| meeting.words.is_some()) || (crossing && from > self.identity.about.peer);
        if refused || !self.room_for_meeting(from) {
            return Word::Denied(Denial::NotNow);
        }
        Word::Drawn(self.begin_meeting(now, from, Some(commitment)))
    }

    /// Whether this peer began, was told our number, and would now rather begin anew than show its own. It had its one try
    /// at the words; that it missed is to be seen here before it has another.
    fn has_tried(&mut self, now: Now, from: Peer) -> bool {
        let theirs = |m: &&mut Meeting| !m.ours && m.words.is_none();
        let Some(meeting) = self.meetings.all.get_mut(&from).filter(theirs) else { return false };
        if meeting.stage.runs() {
            meeting.until_ms = now.mono_ms + MEETING_MS;
            self.break_off(from, "The other node began a second time before the words were made. Nobody was let in.");
            return true;
        }
        now.mono_ms + MEETING_MS < meeting.until_ms + AGAIN_MS
    }

    fn revealed(&mut self, from: Peer, nonce: Nonce) -> Word {
        let own = self.identity.about.peer;
        let Some(meeting) = self.meetings.all.get_mut(&from).filter(|m| m.stage == MeetingStage::Beginning) else {
            return Word::Denied(Denial::NotNow);
        };
        if meeting.commitment != Some(nonce.commitment(from, own)) {
            self.break_off(from, "The other node did not stand by what it began with. Nobody was let in.");
            return Word::Denied(Denial::WrongProof);
        }
        meeting.words = Some(meeting_words((from, nonce), (own, meeting.nonce)));
        meeting.stage = MeetingStage::Comparing;
        self.put(Output::Event(Event::MeetingsChanged));
        Word::Nothing
    }

    fn confirmed(&mut self, now: Now, from: Peer, record: SignedRecord) -> Word {
        let contact = Contact::open(record, now.wall).ok();
        let Some(contact) = contact.filter(|c| c.peer() == from && c.home() != self.home()) else {
            return Word::Denied(Denial::BadRecord);
        };
        let comparing = self.meetings.all.get_mut(&from).filter(|m| m.words.is_some() && m.stage.runs());
        let Some(meeting) = comparing else { return Word::Denied(Denial::NotNow) };
        meeting.theirs = Some(contact);
        self.finish_meeting(now, from);
        Word::Nothing
    }

    /// Answers for the other once both people have confirmed.
    fn finish_meeting(&mut self, now: Now, peer: Peer) {
        let Some(meeting) = self.meetings.all.get(&peer).filter(|m| m.stage == MeetingStage::Waiting) else { return };
        let (Some(name), Some(contact)) = (meeting.confirmed.clone(), meeting.theirs.clone()) else { return };
        // Once more: an invite may have been made since the person here confirmed.
        let room = if self.vouched().contains(&contact.home()) { Ok(()) } else { self.check_vouches(now) };
        if room.and_then(|()| self.take_in(now, contact, &name, Then::Met(peer))).is_err() {
            self.break_off(
                peer,
                "This home can answer for nobody now: twelve vouches are used or held back for invites, or the clock is not set.",
            );
        }
    }

    /// The home answers for the one that was met.
    pub(crate) fn met(&mut self, peer: Peer) {
        if let Some(meeting) = self.meetings.all.get_mut(&peer) {
            meeting.stage = MeetingStage::Met;
            self.put(Output::Event(Event::MeetingsChanged));
        }
    }

    fn break_off(&mut self, peer: Peer, why: &'static str) {
        if let Some(meeting) = self.meetings.all.get_mut(&peer).filter(|meeting| meeting.stage.runs()) {
            meeting.stage = MeetingStage::Failed(why);
            self.put(Output::Event(Event::MeetingsChanged));
        }
    }

    /// A peer answered what this node said on the way to a meeting, or did not.
    pub(crate) fn meet_answered(&mut self, from: Peer, payload: Option<&[u8]>) {
        let own = self.identity.about.peer;
        match payload.map(Word::decode) {
            Some(Ok(Word::Drawn(theirs))) => {
                let ours = |m: &&mut Meeting| m.ours && m.stage == MeetingStage::Beginning;
                let Some(meeting) = self.meetings.all.get_mut(&from).filter(ours) else { return };
                meeting.words = Some(meeting_words((own, meeting.nonce), (from, theirs)));
                meeting.stage = MeetingStage::Comparing;
                let reveal = Word::Reveal(meeting.nonce).encode();
                self.put(Output::Event(Event::MeetingsChanged));
                self.ask(from, RequestKind::Meet, &reveal);
            }
            Some(Ok(Word::Nothing)) => {}
            Some(Ok(Word::Denied(Denial::NotNow))) if self.is_crossed(from) => {}
            Some(_) => self.break_off(from, "The other node cannot meet now. Try again in a minute."),
            None => self.break_off(from, "The other node does not answer. See that it is running, then try again."),
        }
    }

    /// The other began at the same time, and its beginning counts.
    fn is_crossed(&self, from: Peer) -> bool {
        self.meetings.all.get(&from).is_some_and(|meeting| !meeting.ours)
    }

    /// Ends meetings for which nobody has come, and forgets those that have ended.
    pub(crate) fn end_meetings(&mut self, now: Now) {
        if self.meetings.due_ms().is_none_or(|due| now.mono_ms < due) {
            return;
        }
        let late: Vec<Peer> =
            self.meetings.all.iter().filter(|(_, m)| now.mono_ms >= m.until_ms).map(|(peer, _)| *peer).collect();
        for peer in late {
            let runs = self.meetings.all.get(&peer).is_some_and(|meeting| meeting.stage.runs());
            if runs {
                self.break_off(peer, "Nobody confirmed within five minutes. Nobody was let in.");
                if let Some(meeting) = self.meetings.all.get_mut(&peer) {
                    meeting.until_ms = now.mono_ms + MEETING_MS;
                }
            } else {
                self.meetings.all.remove(&peer);
                self.put(Output::Event(Event::MeetingsChanged));
            }
        }
    }
}
