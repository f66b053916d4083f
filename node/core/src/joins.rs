//! Joining another home by the invite it handed out: call, prove, be let in, answer for each other.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{
    contact::{Contact, SignedRecord},
    fourwords::FourWords,
    home::HomeId,
    meeting::{Denial, Pair, Proof, Side, Word, code_proof},
    mesh::{Order, Peer, RequestKind},
    shortcode::ShortCode,
    ticket::{SignedTicket, Ticket, TicketId},
    time::Now,
};

use crate::{
    command::{CommandId, Refusal, Reply},
    event::Event,
    invites::BY_CODE,
    newcomers::Then,
    node::Node,
    output::Output,
    snapshot::JoinState,
};

/// One join, as numbered by the node since it started.
pub type JoinId = u64;

/// How long calling by a ticket may take: a relay, a hole punched and a slow line; then a person is told what to do.
const TICKET_MS: u64 = 90_000;
/// How long a short code is offered: nodes of one network find each other within seconds.
const CODE_MS: u64 = 30_000;
/// How long after a lost answer it is asked again.
const RETRY_MS: u64 = 3_000;
/// Joins under way.
const MAX_RUNNING: usize = 4;
/// Joins that are shown, the ended ones included.
const MAX_SHOWN: usize = 12;

/// How far a join is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JoinStage {
    /// The inviting node is being called, or looked for nearby.
    Calling,
    /// It is connected and asked.
    Asking,
    /// It let us in; this home's own word is being signed.
    Vouching,
    /// Done.
    Joined {
        /// Whether that home answers for this one.
        theirs: bool,
        /// Whether this home answers for that one.
        ours: bool,
    },
    /// It came to nothing.
    Failed(JoinTrouble),
}

/// Why a join came to nothing, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinTrouble {
    /// The node of the ticket was not reached.
    #[error("the inviting node was not reached within {} seconds: see that it is running and connected to the internet, and that this node is; then try again with the same invite", TICKET_MS / 1_000)]
    NotReached,
    /// Nobody nearby knows the code.
    #[error(
        "no node on this network knows this code: compare it letter by letter, see that both nodes are on the same network, and make a new code if it is older than 10 minutes or was mistyped five times"
    )]
    NobodyNearby,
    /// The invite is not open.
    #[error(
        "this invite is not open any more: it was revoked, or its node was set up anew. Ask your neighbour for a new one"
    )]
    NoSuchInvite,
    /// Its time is over.
    #[error("this invite has expired: ask your neighbour for a new one")]
    Expired,
    /// Another used it.
    #[error(
        "this invite has been used by somebody else: tell your neighbour, who can see on the Mesh page by whom, and ask for a new one"
    )]
    Used,
    /// The proof did not hold.
    #[error("the inviting node does not accept this invite: ask your neighbour for a new one")]
    WrongProof,
    /// Twelve vouches are used there.
    #[error("your neighbour answers for twelve homes, which is all a home may: they have to remove one first")]
    NoVouchLeft,
    /// The vouches of this day are made there.
    #[error(
        "your neighbour has made all the vouches that a home may make in a day: try again tomorrow with the same invite if it is still open then, or ask for a new one (days change at midnight UTC)"
    )]
    NoVouchToday,
    /// The other node cannot now.
    #[error("the inviting node cannot do this now: its clock may not be set. Try again in a minute")]
    NotNow,
    /// The other node does not believe ours, or ours not the other's.
    #[error("the two nodes do not understand each other: update both, then try again")]
    NotUnderstood,
    /// The person there said no.
    #[error("the other side declined")]
    Declined,
    /// This home itself cannot answer for the other.
    #[error("you are let in, but {0}")]
    Ours(Refusal),
}

impl From<Denial> for JoinTrouble {
    fn from(denial: Denial) -> Self {
        match denial {
            Denial::NoSuchInvite => Self::NoSuchInvite,
            Denial::Expired => Self::Expired,
            Denial::Used => Self::Used,
            Denial::WrongProof => Self::WrongProof,
            Denial::NoVouchLeft => Self::NoVouchLeft,
            Denial::NoVouchToday => Self::NoVouchToday,
            Denial::NotNow => Self::NotNow,
            Denial::BadRecord => Self::NotUnderstood,
            Denial::Declined => Self::Declined,
        }
    }
}

impl JoinStage {
    /// The stage's name in every interface.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Calling => "calling",
            Self::Asking => "asking",
            Self::Vouching => "vouching",
            Self::Joined { .. } => "joined",
            Self::Failed(_) => "failed",
        }
    }

    /// As a sentence for the person who waits.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Calling => "Looking for the inviting node and calling it.".into(),
            Self::Asking => "Connected. Showing the invite.".into(),
            Self::Vouching => "Let in. Signing your own vouch.".into(),
            Self::Joined { theirs: true, ours: true } => "You are neighbours: your homes vouch for each other.".into(),
            Self::Joined { theirs: true, ours: false } => {
                "Joined: that home vouches for yours. You do not vouch for it, so its reports do not count here.".into()
            }
            Self::Joined { theirs: false, ours: true } => {
                "Joined: you vouch for that home. It does not vouch for yours, so your reports do not count there."
                    .into()
            }
            Self::Joined { theirs: false, ours: false } => "Connected, without a vouch on either side.".into(),
            Self::Failed(trouble) => {
                let text = trouble.to_string();
                let mut letters = text.chars();
                let first = letters.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
                format!("{first}{}.", letters.as_str())
            }
        }
    }

    fn runs(&self) -> bool {
        matches!(self, Self::Calling | Self::Asking | Self::Vouching)
    }
}

/// By what a home is joined.
#[derive(Debug)]
enum By {
    Ticket { ticket: Box<Ticket>, id: TicketId },
    Code { key: [u8; 32], knocked: BTreeSet<Peer>, host: Option<Peer> },
}

#[derive(Debug)]
struct Join {
    by: By,
    name: String,
    vouches: bool,
    stage: JoinStage,
    until_ms: u64,
    retry_ms: Option<u64>,
    home: Option<HomeId>,
    words: Option<FourWords>,
    theirs: bool,
}

impl Join {
    fn host(&self) -> Option<Peer> {
        match &self.by {
            By::Ticket { ticket, .. } => Some(ticket.peer),
            By::Code { host, .. } => *host,
        }
    }

    fn asked(&self, peer: Peer) -> bool {
        match &self.by {
            By::Ticket { ticket, .. } => ticket.peer == peer,
            By::Code { knocked, .. } => knocked.contains(&peer),
        }
    }
}

/// The joins of this node.
#[derive(Debug, Default)]
pub(crate) struct Joins {
    all: BTreeMap<JoinId, Join>,
    next: JoinId,
}

impl Joins {
    /// When something is to be done, in milliseconds of the monotonic clock.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        let running = self.all.values().filter(|join| join.stage.runs());
        running.flat_map(|join| join.retry_ms.into_iter().chain([join.until_ms])).min()
    }

    pub(crate) fn list(&self) -> Vec<JoinState> {
        let state = |(id, join): (&JoinId, &Join)| JoinState {
            id: *id,
            stage: join.stage.clone(),
            name: join.name.clone(),
            home: join.home,
            words: join.words,
        };
        self.all.iter().rev().map(state).collect()
    }

    fn running(&self) -> impl Iterator<Item = (&JoinId, &Join)> {
        self.all.iter().filter(|(_, join)| join.stage.runs())
    }
}

impl Node {
    /// A person was given an invite: a ticket or a short code.
    pub(crate) fn join(
        &mut self,
        now: Now,
        command: CommandId,
        (text, name, vouches): (&str, &str, bool),
    ) -> Result<(), Refusal> {
        if self.joins.running().count() >= MAX_RUNNING {
            return Err(Refusal::Busy);
        }
        let by = match text.parse::<ShortCode>() {
            Ok(code) => By::Code { key: code.key(), knocked: BTreeSet::new(), host: None },
            Err(_) => self.by_ticket(now, text)?,
        };
        if vouches {
            let known = matches!(&by, By::Ticket { ticket, .. } if self.vouched().contains(&ticket.home()));
            if !known {
                self.check_vouches(now)?;
            }
            now.day().ok_or(Refusal::ClockNotSet)?;
        }
        let until_ms = now.mono_ms + if matches!(by, By::Code { .. }) { CODE_MS } else { TICKET_MS };
        let home = if let By::Ticket { ticket, .. } = &by { Some(ticket.home()) } else { None };
        let id = self.joins.next;
        self.joins.next += 1;
        let stage = JoinStage::Calling;
        let name = name.to_owned();
        let join = Join { by, name, vouches, stage, until_ms, retry_ms: None, home, words: None, theirs: false };
        self.joins.all.insert(id, join);
        self.forget_old_joins();
        self.put(Output::Reply(command, Ok(Reply::Joining(id))));
        self.call_host(id);
        self.press_on(id);
        Ok(())
    }

    fn by_ticket(&self, now: Now, text: &str) -> Result<By, Refusal> {
        let signed: SignedTicket = text.parse().map_err(Refusal::NotAnInvite)?;
        let ticket = signed.open().map_err(Refusal::NotAnInvite)?;
        if ticket.home() == self.home() {
            return Err(Refusal::OwnInvite);
        }
        let wall = now.wall.and_then(|wall| u64::try_from(wall).ok());
        if ticket.expires.zip(wall).is_some_and(|(ends, wall)| wall > ends) {
            return Err(Refusal::InviteExpired);
        }
        let same = |join: &Join| matches!(&join.by, By::Ticket { id, .. } if *id == signed.id());
        if self.joins.running().any(|(_, join)| same(join)) {
            return Err(Refusal::Busy);
        }
        Ok(By::Ticket { id: signed.id(), ticket: Box::new(ticket) })
    }

    fn forget_old_joins(&mut self) {
        while self.joins.all.len() > MAX_SHOWN {
            let Some(oldest) = self.joins.all.iter().find(|(_, j)| !j.stage.runs()).map(|(id, _)| *id) else { return };
            self.joins.all.remove(&oldest);
        }
    }

    fn call_host(&mut self, id: JoinId) {
        let Some(By::Ticket { ticket, .. }) = self.joins.all.get(&id).map(|join| &join.by) else { return };
        if !self.mesh.peers.contains_key(&ticket.peer) {
            let addresses = ticket.addresses.iter().chain(&ticket.relays).cloned().collect();
            let peer = ticket.peer;
            self.put(Output::Order(Order::Dial { peer, addresses }));
        }
    }

    /// A peer is connected: it may be the one that is called, or one nearby.
    pub(crate) fn press_on_all(&mut self) {
        let running: Vec<JoinId> = self.joins.running().map(|(id, _)| *id).collect();
        running.into_iter().for_each(|id| self.press_on(id));
    }

    /// Asks whoever is there to be asked and was not.
    fn press_on(&mut self, id: JoinId) {
        // Without a record of our own there is nothing to be let in by; it is signed within milliseconds.
        let Some((_, record)) = self.contacts.own().map(|(sequence, record)| (sequence, record.clone())) else {
            return;
        };
        let Some(join) = self.joins.all.get(&id).filter(|join| join.stage == JoinStage::Calling) else { return };
        match &join.by {
            By::Ticket { ticket, id: ticket_id } => {
                let (host, key, ticket_id) = ((ticket.peer, ticket.home()), ticket.secret.key(), *ticket_id);
                if self.mesh.peers.contains_key(&host.0) {
                    let proof = self.as_guest_of(host).proof(&key, ticket_id);
                    self.set_stage(id, JoinStage::Asking);
                    self.ask(host.0, RequestKind::Join, &Word::Join(Some(ticket_id), proof, record).encode());
                }
            }
            By::Code { key, knocked, host: None } => {
                let nearby = self.mesh.peers.values().filter(|p| p.is_nearby() && !knocked.contains(&p.peer));
                let (nearby, key): (Vec<Peer>, _) = (nearby.map(|p| p.peer).collect(), *key);
                nearby.into_iter().for_each(|peer| self.knock(id, peer, &key));
            }
            By::Code { .. } => {}
        }
    }

    fn knock(&mut self, id: JoinId, peer: Peer, key: &[u8; 32]) {
        let proof = code_proof(key, self.identity.about.peer, peer, Side::Guest);
        if let Some(Join { by: By::Code { knocked, .. }, .. }) = self.joins.all.get_mut(&id) {
            knocked.insert(peer);
        }
        self.ask(peer, RequestKind::Join, &Word::Knock(proof).encode());
    }

    fn as_guest_of(&self, host: (Peer, HomeId)) -> Pair {
        Pair { guest: (self.identity.about.peer, self.home()), host }
    }

    fn set_stage(&mut self, id: JoinId, stage: JoinStage) {
        let Some(join) = self.joins.all.get_mut(&id) else { return };
        if join.stage != stage {
            join.stage = stage;
            self.put(Output::Event(Event::JoinsChanged));
        }
    }

    fn fail(&mut self, id: JoinId, trouble: JoinTrouble) {
        let host = self.joins.all.get(&id).and_then(Join::host);
        if let Some(peer) = host.filter(|peer| self.contacts.of_peer(*peer).is_none()) {
            self.put(Output::Order(Order::Forget { peer }));
        }
        self.set_stage(id, JoinStage::Failed(trouble));
    }

    /// A peer answered a knock or a join, or did not.
    pub(crate) fn join_answered(&mut self, now: Now, from: Peer, payload: Option<&[u8]>) {
        let found = self.joins.running().find(|(_, join)| join.asked(from)).map(|(id, _)| *id);
        let Some(id) = found else { return };
        let is_host = self.joins.all.get(&id).and_then(Join::host) == Some(from);
        match payload.map(Word::decode) {
            Some(Ok(Word::Opened(proof, record))) if !is_host => self.opened(now, id, from, proof, record),
            Some(Ok(Word::Welcome(record, theirs))) if is_host => self.welcomed(now, id, from, record, theirs),
            Some(Ok(Word::Denied(denial))) if is_host => self.fail(id, denial.into()),
            None if is_host => self.ask_again_later(now, id),
            _ if is_host => self.fail(id, JoinTrouble::NotUnderstood),
            // One of those nearby that know nothing of the code.
            _ => {}
        }
    }

    fn ask_again_later(&mut self, now: Now, id: JoinId) {
        let Some(join) = self.joins.all.get_mut(&id) else { return };
        if let By::Code { host, knocked, .. } = &mut join.by {
            knocked.retain(|peer| Some(*peer) != *host);
            *host = None;
        }
        join.retry_ms = Some(now.mono_ms + RETRY_MS);
        self.set_stage(id, JoinStage::Calling);
    }

    /// A node nearby says that the code is its own: if it proves so, it is told who we are.
    fn opened(&mut self, now: Now, id: JoinId, from: Peer, proof: Proof, record: SignedRecord) {
        let own = self.identity.about.peer;
        let Some(Join { by: By::Code { key, host, .. }, .. }) = self.joins.all.get_mut(&id) else { return };
        let shown = Contact::open(record, now.wall).ok().filter(|contact| contact.peer() == from);
        let Some(contact) = shown.filter(|_| host.is_none() && proof == code_proof(key, own, from, Side::Host)) else {
            return;
        };
        *host = Some(from);
        let (key, home) = (*key, contact.home());
        let Some((_, ours)) = self.contacts.own().map(|(sequence, ours)| (sequence, ours.clone())) else { return };
        let proof = self.as_guest_of((from, home)).proof(&key, BY_CODE);
        if let Some(join) = self.joins.all.get_mut(&id) {
            join.home = Some(home);
        }
        self.set_stage(id, JoinStage::Asking);
        self.ask(from, RequestKind::Join, &Word::Join(None, proof, ours).encode());
    }

    /// The inviting home let us in.
    fn welcomed(&mut self, now: Now, id: JoinId, from: Peer, record: SignedRecord, theirs: bool) {
        let shown = Contact::open(record, now.wall).ok().filter(|contact| contact.peer() == from);
        let Some(join) = self.joins.all.get_mut(&id) else { return };
        let Some(contact) = shown.filter(|contact| join.home == Some(contact.home())) else {
            return self.fail(id, JoinTrouble::NotUnderstood);
        };
        let key = match &join.by {
            By::Ticket { ticket, .. } => ticket.secret.key(),
            By::Code { key, .. } => *key,
        };
        let (vouches, name) = (join.vouches, join.name.clone());
        join.theirs = theirs;
        let words = self.as_guest_of((from, contact.home())).words(&key);
        if let Some(join) = self.joins.all.get_mut(&id) {
            join.words = Some(words);
        }
        if !vouches {
            return self.joined(id, false);
        }
        self.set_stage(id, JoinStage::Vouching);
        if let Err(why) = self.take_in(now, contact, &name, Then::Joined(id)) {
            self.fail(id, JoinTrouble::Ours(why));
        }
    }

    /// All is done.
    pub(crate) fn joined(&mut self, id: JoinId, ours: bool) {
        if let Some(theirs) = self.joins.all.get(&id).map(|join| join.theirs) {
            self.set_stage(id, JoinStage::Joined { theirs, ours });
        }
    }

    /// Asks again what was lost, and gives up what takes too long.
    pub(crate) fn mind_joins(&mut self, now: Now) {
        if self.joins.due_ms().is_none_or(|due| now.mono_ms < due) {
            return;
        }
        let late = |join: &Join| now.mono_ms >= join.until_ms;
        let over: Vec<(JoinId, bool)> = self
            .joins
            .running()
            .filter(|(_, join)| late(join))
            .map(|(id, join)| (*id, matches!(join.by, By::Code { .. })))
            .collect();
        for (id, by_code) in over {
            self.fail(id, if by_code { JoinTrouble::NobodyNearby } else { JoinTrouble::NotReached });
        }
        for join in self.joins.all.values_mut() {
            join.retry_ms.take_if(|at| now.mono_ms >= *at);
        }
        self.press_on_all();
    }
}
