//! The joining side: call, prove, show six digits, fetch the roster, look whether this node is in it, become a member.

use std::collections::BTreeSet;

use meerkat_protocols::{
    enrolment::{Digits, Drawn, Ends, HouseholdTicket, No, Offer, Own, Session, Way, Welcome, Word},
    meeting::Proof,
    mesh::{Order, Peer, RequestKind},
    roster::{MAX_NAME_CHARS, Role, Roster},
    shortcode::ShortCode,
    text,
    time::Now,
};

use super::{Becoming, EnrolRefusal, EnrolStage, EnrolState, EnrolTrouble, Whose};
use crate::{
    command::{CommandId, Refusal, Reply},
    event::Event,
    input::JobId,
    node::Node,
    output::{Job, Output},
};

/// How long calling by an invite may take: a relay, a hole punched and a slow line.
const TEXT_MS: u64 = 90_000;
/// How long a short code is offered: nodes of one network find each other within seconds.
const CODE_MS: u64 = 30_000;
/// How long after the digits are shown two people may take: as long as the invite lasts, and a little.
const COMPARE_MS: u64 = 630_000;
/// How often it is asked whether we are in.
const ASK_MS: u64 = 1_000;
/// How long after a lost answer it is asked again.
const RETRY_MS: u64 = 3_000;

/// By what a household is joined.
enum By {
    Text(Box<HouseholdTicket>),
    Code { key: [u8; 32], asked: BTreeSet<Peer> },
}

pub(super) struct Joining {
    by: By,
    name: String,
    key: Option<(JobId, Option<[u8; 32]>)>,
    own: Own,
    host: Option<Peer>,
    session: Option<Session>,
    reveal: Vec<u8>,
    parts: Vec<u8>,
    next_part: u16,
    welcome: Option<Box<Welcome>>,
    stage: EnrolStage,
    confirmed: bool,
    until_ms: u64,
    ask_ms: Option<u64>,
}

impl Joining {
    pub(super) fn due_ms(&self) -> Option<u64> {
        let asks = self.ask_ms.into_iter().chain([self.until_ms]).min();
        asks.filter(|_| self.stage.runs())
    }

    pub(super) fn state(&self) -> EnrolState {
        let shown = self.session.as_ref().filter(|_| !matches!(self.stage, EnrolStage::Calling | EnrolStage::Proving));
        EnrolState { stage: self.stage, digits: shown.map(Session::digits), confirmed: self.confirmed }
    }

    fn statement(&self) -> Option<[u8; 32]> {
        self.key.and_then(|(_, key)| key)
    }

    fn ends(&self, guest: Peer, host: Peer) -> Ends {
        match &self.by {
            By::Text(ticket) => Ends { guest, host, way: Way::Text, key: ticket.key() },
            By::Code { key, .. } => Ends { guest, host, way: Way::Code, key: *key },
        }
    }
}

impl Node {
    fn joining(&mut self) -> Option<&mut Joining> {
        self.enrolling.joining.as_mut().filter(|joining| joining.stage.runs())
    }

    pub(super) fn is_joining_with(&self, digits: Digits) -> bool {
        let joining = self.enrolling.joining.as_ref().filter(|joining| joining.stage.runs());
        joining.is_some_and(|joining| joining.state().digits == Some(digits))
    }

    /// A person was given an invite of another household.
    pub(super) fn enrol(&mut self, now: Now, command: CommandId, text: &str, name: &str) -> Result<(), Refusal> {
        let members = self.household.roster().members().count();
        if members > 1 && !self.household.roster().is_removed(self.identity.node) {
            return Err(Refusal::Enrolment(EnrolRefusal::InHousehold(members)));
        }
        if self.joining().is_some() {
            return Err(Refusal::Enrolment(EnrolRefusal::Joining));
        }
        let (by, lasts_ms) = match text.parse::<ShortCode>() {
            Ok(code) => (By::Code { key: code.key(), asked: BTreeSet::new() }, CODE_MS),
            Err(_) => (By::Text(Box::new(self.foreign_ticket(text)?)), TEXT_MS),
        };
        let own = Own::of(self.chance.draw(), self.chance.draw_16());
        let job = self.start(Job::NextKey);
        self.enrolling.joining = Some(Joining {
            by,
            name: text::inert(name.trim()).chars().take(MAX_NAME_CHARS).collect(),
            key: Some((job, None)),
            own,
            host: None,
            session: None,
            reveal: Vec::new(),
            parts: Vec::new(),
            next_part: 0,
            welcome: None,
            stage: EnrolStage::Calling,
            confirmed: false,
            until_ms: now.mono_ms + lasts_ms,
            ask_ms: None,
        });
        self.put(Output::Event(Event::EnrolmentChanged));
        self.put(Output::Reply(command, Ok(Reply::Saved)));
        self.call_household();
        Ok(())
    }

    fn foreign_ticket(&self, text: &str) -> Result<HouseholdTicket, Refusal> {
        let ticket: HouseholdTicket = text.parse().map_err(|why| Refusal::Enrolment(EnrolRefusal::NotAnInvite(why)))?;
        let own = ticket.peer == self.identity.about.peer;
        if own { Err(Refusal::Enrolment(EnrolRefusal::OwnInvite)) } else { Ok(ticket) }
    }

    fn call_household(&mut self) {
        let Some(Joining { by: By::Text(ticket), .. }) = &self.enrolling.joining else { return };
        if !self.mesh.peers.contains_key(&ticket.peer) {
            let addresses = ticket.addresses.iter().chain(&ticket.relays).cloned().collect();
            let order = Order::Dial { peer: ticket.peer, addresses };
            self.put(Output::Order(order));
        }
    }

    /// The key that this node will sign with, should it become a member, is made and saved.
    pub(crate) fn next_key_made(&mut self, job: JobId, key: Option<[u8; 32]>) {
        let Some(joining) = self.joining().filter(|joining| joining.key == Some((job, None))) else { return };
        match key {
            Some(key) => {
                joining.key = Some((job, Some(key)));
                self.press_on_enrolling();
            }
            None => self.fail_joining(EnrolTrouble::NoKey),
        }
    }

    /// Asks whoever is there to be asked and was not: the node of the invite, or those nearby.
    pub(crate) fn press_on_enrolling(&mut self) {
        let guest = self.identity.about.peer;
        let nearby: Vec<Peer> = self.mesh.peers.values().filter(|p| p.is_nearby()).map(|p| p.peer).collect();
        let connected = |peer: &Peer| self.mesh.peers.contains_key(peer);
        let Some(joining) = &self.enrolling.joining else { return };
        if joining.stage != EnrolStage::Calling || joining.statement().is_none() {
            return;
        }
        let to: Vec<Peer> = match &joining.by {
            By::Text(ticket) => Some(ticket.peer).filter(connected).into_iter().collect(),
            By::Code { asked, .. } => nearby.into_iter().filter(|peer| !asked.contains(peer)).collect(),
        };
        for peer in to {
            let Some(joining) = self.joining() else { return };
            let ends = joining.ends(guest, peer);
            let commitment = ends.commitment(&joining.own.drawn());
            let word = Word::Begin(ends.way, commitment, ends.begin(&commitment)).encode();
            match &mut joining.by {
                By::Text(_) => joining.stage = EnrolStage::Proving,
                By::Code { asked, .. } => drop(asked.insert(peer)),
            }
            self.ask(peer, RequestKind::Enrol, &word);
            self.put(Output::Event(Event::EnrolmentChanged));
        }
    }

    /// A peer answered what this node said on its way into a household, or did not.
    pub(crate) fn enrol_answered(&mut self, now: Now, from: Peer, payload: Option<&[u8]>) {
        let Some(joining) = self.joining() else { return };
        let is_asked = match &joining.by {
            By::Text(ticket) => ticket.peer == from,
            By::Code { asked, .. } => asked.contains(&from) && joining.host.is_none_or(|host| host == from),
        };
        if !is_asked {
            return;
        }
        let (is_host, by_text) = (joining.host == Some(from), matches!(joining.by, By::Text(_)));
        match payload.map(Word::decode) {
            Some(Ok(Word::Drawn(drawn, proof))) if !is_host => self.host_shows(now, from, drawn, proof),
            Some(Ok(Word::Pending)) if is_host => self.ask_whether_in(now),
            Some(Ok(Word::Part(number, of, sealed))) if is_host => self.take_part(now, number, of, &sealed),
            Some(Ok(Word::Denied(no))) if is_host || by_text => self.denied(now, no),
            None if is_host => self.ask_later(now, RETRY_MS),
            None if by_text => self.call_again(now),
            _ if is_host || by_text => self.fail_joining(EnrolTrouble::NotUnderstood),
            // One of those nearby that know nothing of the code.
            _ => {}
        }
    }

    /// Too much at once is said to pass; everything else ends it.
    fn denied(&mut self, now: Now, no: No) {
        let waits = self.joining().is_some_and(|joining| joining.session.is_some());
        if no == No::NotNow && waits { self.ask_later(now, RETRY_MS) } else { self.fail_joining(no.into()) }
    }

    /// The host shows what it drew: if it knows the secret, so do we, and say who we would be.
    fn host_shows(&mut self, now: Now, from: Peer, drawn: Drawn, proof: Proof) {
        let about = self.identity.about.clone();
        let Some(joining) = self.joining() else { return };
        let ends = joining.ends(about.peer, from);
        let ours = joining.own.drawn();
        let holds = proof == ends.answer(&ends.commitment(&ours), &drawn);
        let session = ends.session(&joining.own, &ours, &drawn).filter(|_| holds);
        let (Some(session), Some(statement)) = (session, joining.statement()) else {
            let by_text = matches!(joining.by, By::Text(_));
            if by_text {
                self.fail_joining(EnrolTrouble::NotUnderstood);
            }
            return;
        };
        let offer = Offer { name: joining.name.clone(), statement, seal: about.seal_key }.seal(&session);
        joining.reveal = Word::Reveal(ours, ends.reveal(&ours, &drawn), offer).encode();
        (joining.host, joining.session) = (Some(from), Some(session));
        joining.stage = EnrolStage::Proving;
        joining.until_ms = now.mono_ms + COMPARE_MS;
        let word = joining.reveal.clone();
        self.ask(from, RequestKind::Enrol, &word);
    }

    /// The host waits for its person, and so do we.
    fn ask_whether_in(&mut self, now: Now) {
        if self.joining().is_some_and(|joining| joining.stage == EnrolStage::Proving) {
            self.set_joining(EnrolStage::Comparing);
        }
        self.ask_later(now, ASK_MS);
    }

    fn ask_later(&mut self, now: Now, after_ms: u64) {
        if let Some(joining) = self.joining() {
            joining.ask_ms = Some(now.mono_ms + after_ms);
        }
    }

    /// The connection was lost before anything was shown.
    fn call_again(&mut self, now: Now) {
        self.set_joining(EnrolStage::Calling);
        self.ask_later(now, RETRY_MS);
        self.call_household();
    }

    fn take_part(&mut self, now: Now, number: u16, of: u16, sealed: &[u8]) {
        let Some(joining) = self.joining() else { return };
        let part = joining.session.as_ref().and_then(|session| session.open_part(number, sealed));
        let Some(part) = part.filter(|_| joining.welcome.is_none()) else {
            return self.fail_joining(EnrolTrouble::NotUnderstood);
        };
        if number != joining.next_part {
            return self.ask_later(now, ASK_MS);
        }
        joining.parts.extend(part);
        joining.next_part += 1;
        if joining.next_part < of {
            if joining.stage != EnrolStage::Fetching {
                self.set_joining(EnrolStage::Fetching);
            }
            return self.ask_for_part();
        }
        let all = std::mem::take(&mut joining.parts);
        joining.ask_ms = None;
        match Welcome::read(&all).filter(|welcome| self.is_welcome(welcome)) {
            Some(welcome) => {
                if let Some(joining) = self.joining() {
                    joining.welcome = Some(Box::new(welcome));
                }
                self.set_joining(EnrolStage::Fetching);
                self.move_if_agreed();
            }
            None => self.fail_joining(EnrolTrouble::NotUnderstood),
        }
    }

    fn ask_for_part(&mut self) {
        let Some((host, part)) = self.joining().and_then(|joining| Some((joining.host?, joining.next_part))) else {
            return;
        };
        self.ask(host, RequestKind::Enrol, &Word::Ask(part).encode());
    }

    /// Whether the roster holds and names this node by the keys it has, and by the number it was told.
    fn is_welcome(&self, welcome: &Welcome) -> bool {
        let mut roster = Roster::of(welcome.genesis);
        let holds = welcome.genesis.key().is_some()
            && welcome.entries.iter().all(|entry| roster.insert(entry.clone()) == Ok(true));
        let about = &self.identity.about;
        let statement = self.enrolling.joining.as_ref().and_then(Joining::statement);
        let named = roster.member(welcome.number).is_some_and(|member| {
            member.peer == about.peer && member.seal == about.seal_key && Some(member.statement) == statement
        });
        holds && named
    }

    /// The person here says that the digits are the same.
    pub(super) fn confirm_joining(&mut self, command: CommandId) -> Result<(), Refusal> {
        if let Some(joining) = self.joining() {
            joining.confirmed = true;
        }
        self.put(Output::Event(Event::EnrolmentChanged));
        self.put(Output::Reply(command, Ok(Reply::Saved)));
        self.move_if_agreed();
        Ok(())
    }

    /// Becomes a member once both people have confirmed and the roster is here.
    fn move_if_agreed(&mut self) {
        let Some(joining) = self.joining().filter(|joining| joining.confirmed) else { return };
        let (Some(welcome), Some(host)) = (joining.welcome.take(), joining.host) else { return };
        let Welcome { genesis, number, entries } = *welcome;
        let given = match &joining.by {
            By::Text(ticket) => ticket.addresses.iter().chain(&ticket.relays).cloned().collect(),
            By::Code { .. } => Vec::new(),
        };
        let reached = self.mesh.peers.get(&host).map(|peer| peer.address.clone());
        let addresses = if given.is_empty() { reached.into_iter().collect() } else { given };
        self.set_joining(EnrolStage::Moving);
        let whose = Whose::Joined { genesis, number, entries };
        self.put(Output::Become(Box::new(Becoming { whose, met: Some((host, addresses)) })));
    }

    /// The person here gives up, or says that the digits differ.
    pub(super) fn give_up_joining(&mut self, command: CommandId) -> Result<(), Refusal> {
        let Some(host) = self.joining().map(|joining| joining.host) else {
            return Err(Refusal::Enrolment(EnrolRefusal::NoSuchDigits));
        };
        if let Some(host) = host {
            self.ask(host, RequestKind::Enrol, &Word::Cancel.encode());
        }
        self.fail_joining(EnrolTrouble::GivenUp);
        self.put(Output::Reply(command, Ok(Reply::Saved)));
        Ok(())
    }

    fn set_joining(&mut self, stage: EnrolStage) {
        if let Some(joining) = self.joining() {
            joining.stage = stage;
            self.put(Output::Event(Event::EnrolmentChanged));
        }
    }

    fn fail_joining(&mut self, trouble: EnrolTrouble) {
        if let Some(Joining { by: By::Text(ticket), .. }) = self.joining() {
            let peer = ticket.peer;
            if self.contacts.of_peer(peer).is_none() {
                self.put(Output::Order(Order::Forget { peer }));
            }
        }
        self.set_joining(EnrolStage::Failed(trouble));
    }

    /// Asks again what is due, and gives up what takes too long.
    pub(super) fn mind_joining(&mut self, now: Now) {
        let Some(joining) = self.joining() else { return };
        if now.mono_ms >= joining.until_ms {
            let trouble = match (&joining.by, joining.stage) {
                (_, EnrolStage::Comparing | EnrolStage::Fetching) => EnrolTrouble::TooLate,
                (By::Text(_), _) => EnrolTrouble::NotReached,
                (By::Code { .. }, _) => EnrolTrouble::NobodyNearby,
            };
            return self.fail_joining(trouble);
        }
        if joining.ask_ms.take_if(|at| now.mono_ms >= *at).is_none() {
            return;
        }
        match (joining.stage, joining.host) {
            (EnrolStage::Calling, _) => self.press_on_enrolling(),
            (EnrolStage::Proving, Some(host)) => {
                let word = joining.reveal.clone();
                self.ask(host, RequestKind::Enrol, &word);
            }
            _ => self.ask_for_part(),
        }
    }

    /// A person takes this node out of its household: it becomes a home of its own. The others are not told: an admin
    /// removes it there.
    pub(super) fn leave_household(&mut self, now: Now, command: CommandId) -> Result<(), Refusal> {
        let roster = self.household.roster();
        if !roster.is_removed(self.identity.node) {
            if roster.members().count() < 2 {
                return Err(Refusal::Enrolment(EnrolRefusal::Alone));
            }
            if self.is_admin() && roster.members().filter(|member| member.role == Role::Admin).count() < 2 {
                return Err(Refusal::Enrolment(EnrolRefusal::LastAdmin));
            }
        }
        self.say_goodbye(now, command)
    }
}
