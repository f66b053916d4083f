//! Invites of this home: made, handed out by a person, used once by whoever proves to hold one.

use std::collections::BTreeMap;

use meerkat_protocols::{
    batch::Write,
    contact::{Contact, SignedRecord},
    fourwords::FourWords,
    home::HomeId,
    meeting::{Denial, Pair, Proof, Side, Word, code_proof},
    mesh::{InboundRef, Order, Peer},
    shortcode::ShortCode,
    text,
    ticket::{Invite, Secret, SignedTicket, Ticket, TicketId},
    time::Now,
    wishes::MAX_LABEL_CHARS,
};

use crate::{
    command::{CommandId, Refusal, Reply},
    event::Event,
    input::JobId,
    newcomers::Then,
    node::Node,
    output::{Job, Output, Promise, Urgency},
    pace::Pace,
    snapshot::InviteState,
    whereabouts::Whereabouts,
};

/// Open invites: as many as there are vouches.
const MAX_OPEN: usize = 12;
/// Invites that are kept, used ones included: a guest whose answer was lost asks again.
const MAX_KEPT: usize = 24;
/// How long an invite may last, in seconds.
const LIFETIME_S: std::ops::RangeInclusive<u32> = 300..=7 * 86_400;
/// How long a short code works: as long as two people stand together.
const CODE_MS: u64 = 600_000;
/// Wrong proofs after which a short code is void.
const CODE_TRIES: u8 = 5;
/// Joins and knocks of one peer in a minute.
const MAX_JOINS_A_MINUTE: u32 = 12;
/// Stands for the ticket where a short code was proven.
pub(crate) const BY_CODE: TicketId = TicketId([0; 16]);

#[derive(Debug)]
struct Code {
    code: ShortCode,
    key: [u8; 32],
    ends_ms: u64,
    tries_left: u8,
}

#[derive(Debug)]
struct Issued {
    ticket: Ticket,
    signed: SignedTicket,
    name: String,
    ends_ms: u64,
    code: Option<Code>,
    used: Option<(HomeId, Peer)>,
    words: Option<FourWords>,
}

impl Issued {
    fn is_over(&self, now: Now) -> bool {
        let wall = |ends: u64| now.wall.is_some_and(|wall| u64::try_from(wall).is_ok_and(|wall| wall > ends));
        now.mono_ms >= self.ends_ms || self.ticket.expires.is_some_and(wall)
    }

    fn is_open(&self, now: Now) -> bool {
        self.used.is_none() && !self.is_over(now)
    }

    fn code(&self, now: Now) -> Option<&Code> {
        self.code.as_ref().filter(|code| now.mono_ms < code.ends_ms && code.tries_left > 0 && self.is_open(now))
    }

    fn kept(&self) -> Invite {
        Invite { ticket: self.signed.clone(), name: self.name.clone(), used: self.used }
    }
}

struct Draft {
    command: CommandId,
    ticket: Ticket,
    name: String,
    lifetime_ms: u64,
}

/// The invites of this home.
#[derive(Default)]
pub(crate) struct Invites {
    issued: BTreeMap<TicketId, Issued>,
    drafts: BTreeMap<JobId, Draft>,
    pace: Pace,
}

impl Invites {
    /// How many vouches open invites hold back.
    pub(crate) fn held_back(&self, now: Now) -> usize {
        let open = self.issued.values().filter(|invite| invite.ticket.vouches && invite.is_open(now)).count();
        open + self.drafts.values().filter(|draft| draft.ticket.vouches).count()
    }

    /// When something ends, in milliseconds of the monotonic clock.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let codes = self.issued.values().filter_map(|invite| invite.code.as_ref()).map(|code| code.ends_ms);
        self.issued.values().map(|invite| invite.ends_ms).chain(codes).min()
    }

    pub(crate) fn list(&self, now: Now) -> Vec<InviteState> {
        let state = |(id, invite): (&TicketId, &Issued)| InviteState {
            id: *id,
            ticket: invite.signed.clone(),
            name: invite.name.clone(),
            vouches: invite.ticket.vouches,
            ends_mono_ms: invite.ends_ms,
            code: invite.code(now).map(|code| (code.code, code.ends_ms)),
            used: invite.used.map(|(home, _)| home),
            words: invite.words,
        };
        let mut all: Vec<InviteState> = self.issued.iter().map(state).collect();
        all.sort_by_key(|invite| std::cmp::Reverse((invite.ends_mono_ms, invite.id)));
        all
    }
}

impl Node {
    /// Takes back the invites that the store kept. One made while the clock was not set bears no end, so nobody knows how
    /// much of its time is left: it is over. One found while the clock is not set lasts a day at most.
    pub(crate) fn restore_invites(&mut self, now: Now, invites: Vec<Invite>) {
        for Invite { ticket: signed, name, used } in invites.into_iter().take(MAX_KEPT) {
            let Ok(ticket) = signed.open() else { continue };
            if ticket.expires.is_none() {
                self.put(Output::Write(Write::DropInvite(signed.id()), Urgency::Now));
                continue;
            }
            let left = ticket.expires.zip(now.wall.and_then(|wall| u64::try_from(wall).ok()));
            let left_s =
                left.map_or(86_400, |(ends, wall)| ends.saturating_sub(wall).min(u64::from(*LIFETIME_S.end())));
            let words = used.map(|(home, peer)| self.pair_with(peer, home).words(&ticket.secret.key()));
            let ends_ms = now.mono_ms + left_s * 1_000;
            self.invites.issued.insert(signed.id(), Issued { ticket, signed, name, ends_ms, code: None, used, words });
        }
    }

    fn pair_with(&self, peer: Peer, home: HomeId) -> Pair {
        Pair { guest: (peer, home), host: (self.identity.about.peer, self.home()) }
    }

    /// A person wants an invite to hand out.
    pub(crate) fn invite(
        &mut self,
        now: Now,
        command: CommandId,
        (name, vouches, lifetime_s): (&str, bool, u32),
    ) -> Result<(), Refusal> {
        if !LIFETIME_S.contains(&lifetime_s) {
            return Err(Refusal::Invalid("an invite lasts from 5 minutes to 7 days".to_owned()));
        }
        let open = self.invites.issued.values().filter(|invite| invite.is_open(now)).count();
        if open + self.invites.drafts.len() >= MAX_OPEN {
            return Err(Refusal::TooManyInvites(MAX_OPEN));
        }
        if vouches {
            self.check_vouches(now)?;
        }
        let chain = self.chain().ok_or(Refusal::NotNamedYet)?;
        let Whereabouts { addresses, relays } = Whereabouts::of(&self.mesh.listening);
        if addresses.is_empty() && relays.is_empty() {
            return Err(Refusal::NotReachable);
        }
        let wall = now.wall.and_then(|wall| u64::try_from(wall).ok());
        let ticket = Ticket {
            genesis: self.identity.genesis,
            node: self.identity.node,
            chain,
            peer: self.identity.about.peer,
            addresses,
            relays,
            secret: Secret(self.chance.draw_16()),
            expires: wall.map(|wall| wall + u64::from(lifetime_s)),
            vouches,
        };
        let name = text::inert(name).chars().take(MAX_LABEL_CHARS).collect();
        let job = self.start(Job::SignTicket(Box::new(ticket.clone())));
        let lifetime_ms = u64::from(lifetime_s) * 1_000;
        self.invites.drafts.insert(job, Draft { command, ticket, name, lifetime_ms });
        Ok(())
    }

    /// The ticket is signed: keep it and hand it over.
    pub(crate) fn ticket_signed(&mut self, now: Now, job: JobId, signed: SignedTicket) {
        let Some(Draft { command, ticket, name, lifetime_ms }) = self.invites.drafts.remove(&job) else { return };
        let id = signed.id();
        let code = ShortCode::of(&self.chance.draw());
        // One code at a time: a guess is a guess at one.
        self.invites.issued.values_mut().for_each(|invite| invite.code = None);
        let code = Code { code, key: code.key(), ends_ms: now.mono_ms + CODE_MS, tries_left: CODE_TRIES };
        let ends_ms = now.mono_ms + lifetime_ms;
        let issued = Issued { ticket, signed, name, ends_ms, code: Some(code), used: None, words: None };
        self.put(Output::Write(Write::Invite(Box::new(issued.kept())), Urgency::Now));
        self.invites.issued.insert(id, issued);
        self.make_room_for_invites(now);
        self.put(Output::AfterCommit(Promise::Event(Event::InvitesChanged)));
        self.put(Output::AfterCommit(Promise::Reply(command, Reply::Invited(id))));
    }

    /// Forgets used invites when there are too many; open ones are fewer.
    fn make_room_for_invites(&mut self, now: Now) {
        while self.invites.issued.len() > MAX_KEPT {
            let used = self.invites.issued.iter().filter(|(_, invite)| !invite.is_open(now));
            let Some(oldest) = used.min_by_key(|(_, invite)| invite.ends_ms).map(|(id, _)| *id) else { return };
            self.drop_invite(oldest);
        }
    }

    /// A person takes an invite back.
    pub(crate) fn revoke_invite(&mut self, command: CommandId, id: TicketId) -> Result<(), Refusal> {
        if !self.drop_invite(id) {
            return Err(Refusal::NoSuchInvite);
        }
        self.put(Output::AfterCommit(Promise::Reply(command, Reply::Saved)));
        Ok(())
    }

    fn drop_invite(&mut self, id: TicketId) -> bool {
        let known = self.invites.issued.remove(&id).is_some();
        if known {
            self.put(Output::Write(Write::DropInvite(id), Urgency::Now));
            self.put(Output::AfterCommit(Promise::Event(Event::InvitesChanged)));
        }
        known
    }

    /// A home is answered for no more: the invite that brought it in would let it in again as one that lost the answer.
    pub(crate) fn drop_invites_used_by(&mut self, home: HomeId) {
        let by_it = |invite: &Issued| invite.used.is_some_and(|(guest, _)| guest == home);
        let used: Vec<TicketId> = self.invites.issued.iter().filter(|(_, i)| by_it(i)).map(|(id, _)| *id).collect();
        for id in used {
            self.drop_invite(id);
        }
    }

    /// Ends what is over.
    pub(crate) fn end_invites(&mut self, now: Now) {
        if self.invites.due_ms().is_none_or(|due| now.mono_ms < due) {
            return;
        }
        for invite in self.invites.issued.values_mut() {
            invite.code.take_if(|code| now.mono_ms >= code.ends_ms);
        }
        let over: Vec<TicketId> =
            self.invites.issued.iter().filter(|(_, i)| now.mono_ms >= i.ends_ms).map(|(id, _)| *id).collect();
        for id in over {
            self.drop_invite(id);
        }
        self.put(Output::Event(Event::InvitesChanged));
    }

    /// A peer wants in.
    pub(crate) fn join_asked(&mut self, now: Now, from: Peer, inbound: InboundRef, payload: &[u8]) {
        let answer = match Word::decode(payload) {
            _ if !self.invites.pace.allows(now, from, MAX_JOINS_A_MINUTE) => Err(Denial::NotNow),
            Ok(Word::Knock(proof)) => self.knocked(now, from, proof).map(Some),
            Ok(Word::Join(ticket, proof, record)) => {
                self.let_in(now, (from, inbound), ticket, proof, record).map(|()| None)
            }
            _ => Err(Denial::BadRecord),
        };
        match answer {
            Ok(Some(word)) => self.respond(inbound, word.encode()),
            // It is answered once the vouch is on disk.
            Ok(None) => {}
            Err(denial) => self.respond(inbound, Word::Denied(denial).encode()),
        }
    }

    /// Somebody on this network shows that it knows a short code. A wrong proof costs the code one of its tries.
    fn knocked(&mut self, now: Now, from: Peer, proof: Proof) -> Result<Word, Denial> {
        if !self.is_at_hand(from) {
            return Err(Denial::NoSuchInvite);
        }
        let own = self.identity.about.peer;
        let open = self.invites.issued.iter().find_map(|(id, invite)| Some((*id, invite.code(now)?.key)));
        let (id, key) = open.ok_or(Denial::NoSuchInvite)?;
        if proof != code_proof(&key, from, own, Side::Guest) {
            self.miss_code(id);
            return Err(Denial::NoSuchInvite);
        }
        let answer = code_proof(&key, from, own, Side::Host);
        let (_, record) = self.contacts.own().ok_or(Denial::NotNow)?;
        Ok(Word::Opened(answer, record.clone()))
    }

    /// A short code was guessed at in vain.
    fn miss_code(&mut self, id: TicketId) {
        let code = self.invites.issued.get_mut(&id).and_then(|invite| invite.code.as_mut());
        let Some(code) = code.filter(|code| code.tries_left > 0) else { return };
        code.tries_left -= 1;
        if code.tries_left == 0 {
            self.put(Output::Event(Event::InvitesChanged));
        }
    }

    /// A guest with an invite: checked, the cheap questions first, and taken in.
    fn let_in(
        &mut self,
        now: Now,
        (from, inbound): (Peer, InboundRef),
        ticket: Option<TicketId>,
        proof: Proof,
        record: SignedRecord,
    ) -> Result<(), Denial> {
        let id = self.invite_meant(now, from, ticket)?;
        let invite = self.invites.issued.get(&id).ok_or(Denial::NoSuchInvite)?;
        if invite.is_over(now) {
            return Err(Denial::Expired);
        }
        let contact = Contact::open(record, now.wall).map_err(|_| Denial::BadRecord)?;
        let guest = (contact.home(), from);
        if contact.peer() != from || contact.home() == self.home() || self.was_taken_back(&contact) {
            return Err(Denial::BadRecord);
        }
        if invite.used.is_some_and(|used| used != guest) {
            return Err(Denial::Used);
        }
        let key = match (ticket, &invite.code) {
            (Some(_), _) => invite.ticket.secret.key(),
            (None, Some(code)) => code.key,
            (None, None) => return Err(Denial::NoSuchInvite),
        };
        let pair = self.pair_with(from, contact.home());
        if proof != pair.proof(&key, ticket.unwrap_or(BY_CODE)) {
            if ticket.is_none() {
                self.miss_code(id);
            }
            return Err(Denial::WrongProof);
        }
        if self.contacts.own().is_none() {
            return Err(Denial::NotNow);
        }
        self.use_up(now, id, guest, pair.words(&key), (contact, inbound))
    }

    /// Which invite a guest means: that of its ticket, or that whose short code works, or was used by this guest.
    fn invite_meant(&self, now: Now, from: Peer, ticket: Option<TicketId>) -> Result<TicketId, Denial> {
        if let Some(id) = ticket {
            return Ok(id);
        }
        // Or a code could be guessed at from anywhere, past the knock.
        if !self.is_at_hand(from) {
            return Err(Denial::NoSuchInvite);
        }
        let by_this_guest = |invite: &Issued| invite.used.is_some_and(|(_, peer)| peer == from);
        let meant = |invite: &&Issued| invite.code(now).is_some() || (invite.code.is_some() && by_this_guest(invite));
        self.invites.issued.values().find(meant).map(|invite| invite.signed.id()).ok_or(Denial::NoSuchInvite)
    }

    fn use_up(
        &mut self,
        now: Now,
        id: TicketId,
        (home, peer): (HomeId, Peer),
        words: FourWords,
        (contact, inbound): (Contact, InboundRef),
    ) -> Result<(), Denial> {
        let Some(invite) = self.invites.issued.get_mut(&id) else { return Err(Denial::NoSuchInvite) };
        let (again, vouches, name) = (invite.used.is_some(), invite.ticket.vouches, invite.name.clone());
        // Used from now on, so that the vouch it held back is free for its guest.
        (invite.used, invite.words) = (Some((home, peer)), Some(words));
        let kept = invite.kept();
        let taken = if vouches { self.take_in(now, contact, &name, Then::Welcome(inbound)) } else { Ok(()) };
        if let Err(why) = taken {
            if let Some(invite) = self.invites.issued.get_mut(&id).filter(|_| !again) {
                (invite.used, invite.words) = (None, None);
            }
            return Err(denial(&why));
        }
        if !again {
            self.put(Output::Write(Write::Invite(Box::new(kept)), Urgency::Now));
            self.put(Output::AfterCommit(Promise::Event(Event::InviteUsed { home, words })));
        }
        if !vouches {
            self.welcome(inbound, false);
        }
        Ok(())
    }

    /// Tells a guest that it is in, once that is on disk.
    pub(crate) fn welcome(&mut self, inbound: InboundRef, vouched: bool) {
        let word = match self.contacts.own() {
            Some((_, record)) => Word::Welcome(record.clone(), vouched),
            None => Word::Denied(Denial::NotNow),
        };
        self.put(Output::AfterCommit(Promise::Order(Order::Respond { inbound, data: word.encode() })));
    }
}

/// What a guest is told of why this home cannot take it in.
fn denial(why: &Refusal) -> Denial {
    match why {
        Refusal::TooManyVouches(_) | Refusal::VouchesHeldBack(_) => Denial::NoVouchLeft,
        Refusal::NoSlotLeft(_) | Refusal::NotNamedYet | Refusal::NotThisNode(_) => Denial::NoVouchToday,
        Refusal::OwnInvite => Denial::BadRecord,
        _ => Denial::NotNow,
    }
}
