//! The inviting side: an invite for ten minutes, nodes that prove they hold it, a person who compares six digits.

use std::collections::BTreeSet;

use meerkat_protocols::{
    enrolment::{Digits, Drawn, Ends, HouseholdTicket, No, Offer, Own, Session, Way, Welcome, Word},
    home::NodeNumber,
    meeting::Proof,
    mesh::{InboundRef, Order, Peer},
    roster::{Change, MAX_MEMBERS, MAX_NAME_CHARS, Member, Role, Share},
    shortcode::ShortCode,
    text,
    ticket::Secret,
    time::Now,
};

use super::{EnrolRefusal, GuestState, HouseholdInvite};
use crate::{
    command::{CommandId, Refusal, Reply},
    event::Event,
    household::Then,
    node::Node,
    output::{Output, Promise},
    whereabouts::Whereabouts,
};

/// How long an invite is open: as long as somebody walks from one machine to the other and back.
const INVITE_MS: u64 = 600_000;
/// How long what became of a node is shown, and its welcome kept for it to fetch.
const SHOWN_MS: u64 = 600_000;
/// Wrong proofs of a short code after which it is void.
const CODE_TRIES: u8 = 5;
/// Nodes that may be on their way in at once.
const MAX_GUESTS: usize = 4;
/// Beginnings after which an invite is void: whoever makes so many has it from a picture and is trying digits.
const MAX_BEGUN: u8 = 8;
/// What a peer that proved nothing yet may ask in a minute; one that waits asks every second.
const MAX_ASKED_A_MINUTE: u32 = 120;

pub(super) struct Invite {
    ticket: HouseholdTicket,
    code: ShortCode,
    code_key: [u8; 32],
    tries_left: u8,
    begun: u8,
    refused: BTreeSet<Peer>,
    ends_ms: u64,
}

impl Invite {
    pub(super) fn due_ms(&self) -> u64 {
        self.ends_ms
    }

    pub(super) fn state(&self) -> HouseholdInvite {
        HouseholdInvite {
            ticket: self.ticket.clone(),
            code: (self.tries_left > 0).then_some(self.code),
            ends_mono_ms: self.ends_ms,
        }
    }
}

/// How far a node is that wants in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestStage {
    /// Both screens show the digits: a person compares them.
    Comparing,
    /// It is being added.
    Adding,
    /// It is a member and fetches the roster.
    Fetching,
    /// It has all it needs.
    In,
    /// It came to nothing; the text says why.
    Failed(&'static str),
}

impl GuestStage {
    /// The stage's name in every interface.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::Comparing => "comparing",
            Self::Adding => "adding",
            Self::Fetching => "fetching",
            Self::In => "in",
            Self::Failed(_) => "failed",
        }
    }

    /// As a sentence for the person who waits.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Comparing => {
                "Compare the six digits with those on the screen of the new node. Confirm only if they are the same."
            }
            Self::Adding => "You have confirmed. The node is being added.",
            Self::Fetching => "Added. The node is becoming a part of the household.",
            Self::In => "The node is a member of the household.",
            Self::Failed(why) => why,
        }
    }
}

enum At {
    Begun { commitment: Proof, own: Box<Own> },
    Known { session: Box<Session>, offer: Offer, revealed: Drawn, stage: GuestStage, parts: Vec<Vec<u8>> },
}

pub(super) struct Guest {
    ends: Ends,
    way: At,
    pub(super) until_ms: u64,
}

impl Guest {
    fn stage(&self) -> Option<GuestStage> {
        match &self.way {
            At::Begun { .. } => None,
            At::Known { stage, .. } => Some(*stage),
        }
    }

    fn is_under_way(&self) -> bool {
        !matches!(self.stage(), Some(GuestStage::In | GuestStage::Failed(_)))
    }

    fn digits(&self) -> Option<Digits> {
        match &self.way {
            At::Begun { .. } => None,
            At::Known { session, .. } => Some(session.digits()),
        }
    }

    pub(super) fn state(&self, node: &Node) -> Option<GuestState> {
        let At::Known { session, offer, stage, .. } = &self.way else { return None };
        let peer = self.ends.guest;
        let (name, digits) = (offer.name.clone(), session.digits());
        Some(GuestState { peer, name, digits, stage: *stage, nearby: node.is_at_hand(peer) })
    }
}

fn refused(why: EnrolRefusal) -> Refusal {
    Refusal::Enrolment(why)
}

impl Node {
    /// Whether this node may add and remove members.
    pub(crate) fn is_admin(&self) -> bool {
        let roster = self.household.roster();
        match roster.member(self.identity.node) {
            Some(own) => own.role == Role::Admin,
            None => roster.is_empty() && self.identity.node == NodeNumber(0),
        }
    }

    /// A person wants an invite for another node. The one before is void.
    pub(super) fn invite_node(&mut self, now: Now, command: CommandId) -> Result<(), Refusal> {
        if !self.is_admin() {
            return Err(refused(EnrolRefusal::NotAdmin));
        }
        if self.household.roster().members().count() >= MAX_MEMBERS {
            return Err(refused(EnrolRefusal::Full));
        }
        let Whereabouts { addresses, relays } = Whereabouts::of(&self.mesh.listening);
        if addresses.is_empty() && relays.is_empty() {
            return Err(Refusal::NotReachable);
        }
        let secret = Secret(self.chance.draw_16());
        let ticket = HouseholdTicket { peer: self.identity.about.peer, addresses, relays, secret };
        let code = ShortCode::of(&self.chance.draw());
        self.close_invite("Another invite was made. Nobody was let in.");
        self.enrolling.guests.retain(|_, guest| guest.is_under_way());
        self.enrolling.invite = Some(Invite {
            ticket,
            code,
            code_key: code.key(),
            tries_left: CODE_TRIES,
            begun: 0,
            refused: BTreeSet::new(),
            ends_ms: now.mono_ms + INVITE_MS,
        });
        self.put(Output::Event(Event::EnrolmentChanged));
        self.put(Output::Reply(command, Ok(Reply::Saved)));
        Ok(())
    }

    /// A person takes the invite back.
    pub(super) fn end_node_invite(&mut self, command: CommandId) -> Result<(), Refusal> {
        if self.enrolling.invite.is_none() {
            return Err(Refusal::NoSuchInvite);
        }
        self.close_invite("You ended the invite. Nobody was let in.");
        self.put(Output::Reply(command, Ok(Reply::Saved)));
        Ok(())
    }

    /// Ends the invite, and what came by it and is not confirmed.
    fn close_invite(&mut self, why: &'static str) {
        self.enrolling.invite = None;
        self.enrolling.guests.retain(|_, guest| guest.stage().is_some());
        for guest in self.enrolling.guests.values_mut() {
            if let At::Known { stage: stage @ GuestStage::Comparing, .. } = &mut guest.way {
                *stage = GuestStage::Failed(why);
            }
        }
        self.put(Output::Event(Event::EnrolmentChanged));
    }

    /// A peer asks on its way into this household.
    pub(crate) fn enrol_asked(&mut self, now: Now, from: Peer, inbound: InboundRef, payload: &[u8]) {
        // Who is added fetches the roster, and that is as long as it is.
        let is_added = self.enrolling.guests.get(&from).and_then(Guest::stage) == Some(GuestStage::Fetching);
        if !is_added && !self.enrolling.pace.allows(now, from, MAX_ASKED_A_MINUTE) {
            return self.respond(inbound, Word::Denied(No::NotNow).encode());
        }
        let answer = match Word::decode(payload) {
            Ok(Word::Begin(way, commitment, proof)) => self.guest_begins(now, from, way, commitment, proof),
            Ok(Word::Reveal(drawn, proof, offer)) => self.guest_reveals(now, from, drawn, proof, &offer),
            Ok(Word::Ask(part)) => self.guest_asks(now, from, part),
            Ok(Word::Cancel) => Ok(self.guest_gives_up(from)),
            _ => Err(No::NotUnderstood),
        };
        let word = answer.unwrap_or_else(Word::Denied);
        let data = word.encode();
        match word {
            // A welcome says what is on disk.
            Word::Part(..) => self.put(Output::AfterCommit(Promise::Order(Order::Respond { inbound, data }))),
            _ => self.respond(inbound, data),
        }
    }

    fn guest_begins(&mut self, now: Now, from: Peer, way: Way, commitment: Proof, proof: Proof) -> Result<Word, No> {
        let at_hand = self.is_at_hand(from);
        let host = self.identity.about.peer;
        let invite = self.enrolling.invite.as_mut().filter(|invite| now.mono_ms < invite.ends_ms);
        let invite = invite.ok_or(No::NoSuchInvite)?;
        let key = match way {
            Way::Text => invite.ticket.key(),
            // Or a code could be guessed at from anywhere.
            Way::Code if at_hand && invite.tries_left > 0 => invite.code_key,
            Way::Code => return Err(No::NoSuchInvite),
        };
        let ends = Ends { guest: from, host, way, key };
        if proof != ends.begin(&commitment) {
            self.missed(way);
            return Err(No::NoSuchInvite);
        }
        if invite.refused.contains(&from) {
            return Err(No::Refused);
        }
        let others = self.enrolling.guests.iter().filter(|(peer, guest)| **peer != from && guest.is_under_way());
        let adding = self.enrolling.guests.get(&from).and_then(Guest::stage) == Some(GuestStage::Adding);
        if others.count() >= MAX_GUESTS || adding {
            return Err(No::NotNow);
        }
        invite.begun += 1;
        let (begun, until_ms) = (invite.begun, invite.ends_ms);
        if begun > MAX_BEGUN {
            self.close_invite("The invite was used too often and is void: make a new one, and let nobody see it.");
            return Err(No::NoSuchInvite);
        }
        let own = Own::of(self.chance.draw(), self.chance.draw_16());
        let answer = Word::Drawn(own.drawn(), ends.answer(&commitment, &own.drawn()));
        self.make_room_for_guests();
        let way = At::Begun { commitment, own: Box::new(own) };
        self.enrolling.guests.insert(from, Guest { ends, way, until_ms });
        Ok(answer)
    }

    /// A proof did not hold. Of the code's fifty bits five may be guessed at; the text has too many to count.
    fn missed(&mut self, way: Way) {
        let Some(invite) = self.enrolling.invite.as_mut().filter(|_| way == Way::Code) else { return };
        invite.tries_left = invite.tries_left.saturating_sub(1);
        if invite.tries_left == 0 {
            self.put(Output::Event(Event::EnrolmentChanged));
        }
    }

    /// What has ended makes room for what begins.
    fn make_room_for_guests(&mut self) {
        while self.enrolling.guests.len() >= MAX_GUESTS * 2 {
            let over = self.enrolling.guests.iter().find(|(_, guest)| !guest.is_under_way());
            let Some(peer) = over.map(|(peer, _)| *peer) else { return };
            self.enrolling.guests.remove(&peer);
        }
    }

    fn guest_reveals(&mut self, now: Now, from: Peer, drawn: Drawn, proof: Proof, offer: &[u8]) -> Result<Word, No> {
        let guest = self.enrolling.guests.get_mut(&from).filter(|guest| now.mono_ms < guest.until_ms);
        let guest = guest.ok_or(No::NoSuchInvite)?;
        let (commitment, own) = match &guest.way {
            At::Begun { commitment, own } => (commitment, own),
            // It did not hear the answer.
            At::Known { revealed, .. } if *revealed == drawn => return Ok(Word::Pending),
            At::Known { .. } => return Err(No::NotUnderstood),
        };
        let stands = *commitment == guest.ends.commitment(&drawn) && proof == guest.ends.reveal(&drawn, &own.drawn());
        let session = guest.ends.session(own, &drawn, &own.drawn()).filter(|_| stands);
        let known = session.and_then(|session| Some((Offer::open(&session, offer)?, session)));
        let Some((offer, session)) = known else {
            self.enrolling.guests.remove(&from);
            return Err(No::NotUnderstood);
        };
        let stage = GuestStage::Comparing;
        guest.way = At::Known { session: Box::new(session), offer, revealed: drawn, stage, parts: Vec::new() };
        self.put(Output::Event(Event::EnrolmentChanged));
        Ok(Word::Pending)
    }

    fn guest_asks(&mut self, now: Now, from: Peer, part: u16) -> Result<Word, No> {
        let refused = self.enrolling.invite.as_ref().is_some_and(|invite| invite.refused.contains(&from));
        let none = if refused { No::Refused } else { No::NoSuchInvite };
        let guest = self.enrolling.guests.get_mut(&from).ok_or(none)?;
        let At::Known { stage, parts, .. } = &mut guest.way else { return Err(No::NotUnderstood) };
        match stage {
            GuestStage::Comparing | GuestStage::Adding => Ok(Word::Pending),
            GuestStage::Failed(_) => Err(No::Refused),
            GuestStage::Fetching | GuestStage::In => {
                let sealed = parts.get(usize::from(part)).ok_or(No::NotUnderstood)?.clone();
                let of = u16::try_from(parts.len()).unwrap_or(u16::MAX);
                if part + 1 == of && *stage == GuestStage::Fetching {
                    *stage = GuestStage::In;
                    guest.until_ms = now.mono_ms + SHOWN_MS;
                    self.put(Output::Event(Event::EnrolmentChanged));
                }
                Ok(Word::Part(part, of, sealed))
            }
        }
    }

    fn guest_gives_up(&mut self, from: Peer) -> Word {
        let why = match self.enrolling.guests.get(&from).and_then(Guest::stage) {
            Some(GuestStage::Fetching | GuestStage::In) => {
                "The person at that node said no after you had confirmed: remove the node from the household."
            }
            _ => "The person at that node said that the digits differ, or gave up. Nobody was let in.",
        };
        self.set_guest(from, GuestStage::Failed(why));
        Word::Nothing
    }

    fn set_guest(&mut self, peer: Peer, to: GuestStage) {
        if let Some(Guest { way: At::Known { stage, .. }, .. }) = self.enrolling.guests.get_mut(&peer) {
            *stage = to;
            self.put(Output::Event(Event::EnrolmentChanged));
        }
    }

    /// The node whose digits these are, if a person is to compare them.
    fn guest_with(&self, digits: Digits) -> Result<Peer, Refusal> {
        let same = |guest: &Guest| guest.stage() == Some(GuestStage::Comparing) && guest.digits() == Some(digits);
        let mut found = self.enrolling.guests.iter().filter(|(_, guest)| same(guest)).map(|(peer, _)| *peer);
        match (found.next(), found.next()) {
            (Some(peer), None) => Ok(peer),
            (Some(_), Some(_)) => Err(refused(EnrolRefusal::Ambiguous)),
            (None, _) => Err(refused(EnrolRefusal::NoSuchDigits)),
        }
    }

    /// A person has compared the digits: the node becomes a member. The invite is used up.
    pub(super) fn confirm_guest(
        &mut self,
        now: Now,
        command: CommandId,
        digits: Digits,
        name: &str,
        role: Role,
    ) -> Result<(), Refusal> {
        let peer = self.guest_with(digits)?;
        if !self.is_admin() {
            return Err(refused(EnrolRefusal::NotAdmin));
        }
        let Some(Guest { way: At::Known { offer, .. }, .. }) = self.enrolling.guests.get_mut(&peer) else {
            return Err(refused(EnrolRefusal::NoSuchDigits));
        };
        let said: String = text::inert(name.trim()).chars().take(MAX_NAME_CHARS).collect();
        if !said.is_empty() {
            offer.name = said;
        }
        let offer = offer.clone();
        let known = self.household.roster().of_peer(peer).map(|m| (m.statement, m.seal));
        if known.is_some_and(|known| known != (offer.statement, offer.seal)) {
            return Err(refused(EnrolRefusal::Known));
        }
        self.set_guest(peer, GuestStage::Adding);
        if let Some(guest) = self.enrolling.guests.get_mut(&peer) {
            guest.until_ms = now.mono_ms + SHOWN_MS;
        }
        self.close_invite("Another node was let in by this invite. Nobody else was.");
        if known.is_some() {
            // It was added before and did not hear of it: it lost its power, or we lost ours.
            self.guest_added(peer);
            self.put(Output::Reply(command, Ok(Reply::Saved)));
            return Ok(());
        }
        let member = self.member_of_offer(peer, offer, role);
        let changed = self.change_household(now, Change::Add(member), Then::Admit(peer, command));
        if changed.is_err() {
            self.set_guest(peer, GuestStage::Failed("The node could not be added. Nobody was let in."));
        }
        changed
    }

    fn member_of_offer(&mut self, peer: Peer, offer: Offer, role: Role) -> Member {
        let [chance, ..] = self.chance.draw_16();
        let number = self.household.roster().free_number(chance).unwrap_or(NodeNumber(0));
        let name = if offer.name.is_empty() { format!("node {}", number.0) } else { offer.name };
        let Offer { statement, seal, .. } = offer;
        // The share is what the one who adds it gives; composing sets it.
        Member { number, name, role, statement, peer, seal, share: Share::WHOLE, since: None }
    }

    /// The roster names the node now: it may fetch it.
    pub(crate) fn guest_added(&mut self, peer: Peer) {
        let roster = self.household.roster();
        let Some(number) = roster.of_peer(peer).map(|member| member.number) else { return };
        let entries = roster.entries().map(|(_, entry)| entry.clone()).collect();
        let welcome = Welcome { genesis: self.identity.genesis, number, entries };
        if let Some(Guest { way: At::Known { session, parts, stage, .. }, .. }) = self.enrolling.guests.get_mut(&peer) {
            *parts = welcome.seal(session);
            *stage = GuestStage::Fetching;
            self.put(Output::Event(Event::EnrolmentChanged));
        }
    }

    /// It could not be added.
    pub(crate) fn guest_not_added(&mut self, peer: Peer) {
        self.set_guest(peer, GuestStage::Failed("The household was changed meanwhile: make a new invite."));
    }

    /// A person says no: this node is not let in, and has no second try by this invite.
    pub(super) fn refuse_guest(&mut self, command: CommandId, digits: Digits) -> Result<(), Refusal> {
        let peer = self.guest_with(digits)?;
        if let Some(invite) = &mut self.enrolling.invite {
            invite.refused.insert(peer);
        }
        self.set_guest(peer, GuestStage::Failed("You said no. The node was not let in."));
        self.put(Output::Reply(command, Ok(Reply::Saved)));
        Ok(())
    }

    /// Ends the invite whose time is over, and forgets what was shown for long enough.
    pub(super) fn mind_guests(&mut self, now: Now) {
        if self.enrolling.invite.as_ref().is_some_and(|invite| now.mono_ms >= invite.ends_ms) {
            self.close_invite("The invite was open for ten minutes, which is all. Nobody was let in.");
            for guest in self.enrolling.guests.values_mut().filter(|guest| !guest.is_under_way()) {
                guest.until_ms = guest.until_ms.max(now.mono_ms + SHOWN_MS);
            }
        }
        let before = self.enrolling.guests.len();
        self.enrolling.guests.retain(|_, guest| now.mono_ms < guest.until_ms);
        if self.enrolling.guests.len() < before {
            self.put(Output::Event(Event::EnrolmentChanged));
        }
    }
}
