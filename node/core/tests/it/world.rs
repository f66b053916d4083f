//! A small world round an engine: jobs are done on the spot, the disk does as it is told, time goes by hand.

use std::collections::{BTreeMap, VecDeque};

use crate::notebook::Notebook;
use ed25519_dalek::SigningKey;
use meerkat_core::{
    Assessment, Becoming, Command, CommandId, Deed, Done, Engine, Event, Identity, Input, Job, JobId, Notice, Refusal,
    Reply, Restored, open_epochs,
};
use meerkat_numberlists::Import;
use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    chance::Chance,
    contact::{About, Contact, NodeRecord, Tie},
    delegation::Chain,
    facts::{Seq, Verdict},
    home::{Card, Genesis, HomeId, NodeNumber},
    household::Run,
    letter::{SealSecret, SealedLetter},
    mail::{Kept, LetterNo, Marks},
    mesh::{self, MessageRef, Peer, Validation},
    number::E164,
    phone::{self, Act, CallId, Ending, IdentitySource, Incoming, Line},
    release::{Entrusted, Release, ReleaseId},
    roster::{EntryId, SignedEntry},
    statement::{Category, Kind, Sealed, StatementId},
    ticket::{Invite, TicketId},
    time::{Day, Now},
    topic::Topic,
};

use crate::nodes::Who;

pub(crate) use crate::said::{report, retraction, signed, vouch};

/// The day on which most tests play.
pub(crate) const TODAY: u16 = 20_770;
/// A number that can exist.
pub(crate) const SPAMMER: u64 = 4_930_901_820;

/// What the disk does with a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// Writes it at once.
    Works,
    /// Refuses it at once.
    Fails,
    /// Says nothing until told to.
    Holds,
}

/// The signing key of home number `n`.
pub(crate) fn key(n: u16) -> SigningKey {
    let mut seed = [7; 32];
    seed[..2].copy_from_slice(&n.to_be_bytes());
    SigningKey::from_bytes(&seed)
}

/// The public half of the key with which node `n` would sign in another home.
pub(crate) fn next_key(n: u16) -> [u8; 32] {
    key(n + 1_000).verifying_key().to_bytes()
}

pub(crate) fn genesis(n: u16) -> Genesis {
    Genesis::new(&key(n).verifying_key())
}

pub(crate) fn home(n: u16) -> HomeId {
    genesis(n).home()
}

pub(crate) fn number(digits: u64) -> E164 {
    E164::from_digits(digits).expect("a number")
}

pub(crate) fn peer(n: u16) -> Peer {
    let mut key = [0; 32];
    key[..2].copy_from_slice(&n.to_be_bytes());
    Peer(key)
}

/// What opens letters for home number `n`.
pub(crate) fn seal_secret(n: u16) -> SealSecret {
    let mut secret = [9; 32];
    secret[..2].copy_from_slice(&n.to_be_bytes());
    SealSecret::from_bytes(secret)
}

/// The one node of home `n`, as its neighbours know it.
pub(crate) fn contact(n: u16) -> Contact {
    let about = About { peer: peer(n), seal_key: seal_secret(n).key(), ..About::default() };
    let (addresses, relays) = (vec![], vec![]);
    let record = NodeRecord {
        genesis: genesis(n),
        node: NodeNumber(0),
        chain: Chain::default(),
        about,
        addresses,
        relays,
        sequence: 1,
    };
    Contact::open(record.sign(&key(n)), None).expect("signed by its home")
}

/// One engine in its world.
pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) now: Now,
    pub(crate) disk: Disk,
    pub(crate) number: u16,
    who: Who,
    pub(crate) roster: BTreeMap<EntryId, SignedEntry>,
    pub(crate) releases: BTreeMap<(NodeNumber, ReleaseId), Release>,
    /// What its key file says.
    pub(crate) entrusted: Option<Entrusted>,
    /// The batch that the disk has and says nothing about.
    pub(crate) held: Option<Batch>,
    /// What is on disk.
    pub(crate) statements: BTreeMap<StatementId, Sealed>,
    pub(crate) slots: BTreeMap<(Kind, Day), u8>,
    pub(crate) contacts: BTreeMap<Peer, Contact>,
    pub(crate) imports: BTreeMap<u32, Vec<u8>>,
    pub(crate) letters: BTreeMap<(HomeId, LetterNo), Kept>,
    pub(crate) marks: BTreeMap<HomeId, Marks>,
    pub(crate) invites: BTreeMap<TicketId, Invite>,
    pub(crate) batches: Vec<Batch>,
    /// What came out.
    pub(crate) acts: Vec<Act>,
    pub(crate) published: Vec<Sealed>,
    pub(crate) heard: Vec<Topic>,
    /// What the network was told besides.
    pub(crate) orders: Vec<mesh::Order>,
    pub(crate) judged: BTreeMap<MessageRef, Validation>,
    pub(crate) replies: BTreeMap<u64, Vec<Result<Reply, Refusal>>>,
    pub(crate) events: Vec<Event>,
    pub(crate) notices: Vec<Notice>,
    /// Other homes that it was to become a part of.
    pub(crate) became: Vec<Becoming>,
    pub(crate) trace: Vec<String>,
    /// Stands for the documents.
    pub(crate) wishes: Notebook,
    inputs: VecDeque<Input>,
    next: u64,
}

impl World {
    /// The node of home `n` on the usual day, with nothing stored.
    pub(crate) fn new(n: u16) -> Self {
        let chance = Chance::of([u8::try_from(n).unwrap_or(u8::MAX); 32]);
        Self::started(n, Some(Day(TODAY).begins()), Restored { chance, ..Restored::default() }, &[])
    }

    /// The node of home `n` with what was stored.
    pub(crate) fn started(n: u16, wall: Option<i64>, restored: Restored, statements: &[Sealed]) -> Self {
        Self::started_with(Who::alone(n), wall, restored, statements, BTreeMap::new())
    }

    /// Node `n` as a member of home `of`, with this roster; its number there is its own.
    pub(crate) fn member(of: u16, n: u16, roster: &[SignedEntry], start: u64) -> Self {
        let node = NodeNumber(if of == n { 0 } else { u8::try_from(n).expect("few") });
        let restored = Restored {
            chance: Chance::of([u8::try_from(n).expect("few") + 100; 32]),
            roster: roster.to_vec(),
            epochs: open_epochs(genesis(of), node, roster, &seal_secret(n)),
            run: Run { start, chance: [u8::try_from(n).expect("few"); 8] },
            ..Restored::default()
        };
        let who = Who { of: (of, node), ..Who::alone(n) };
        Self::started_with(who, Some(Day(TODAY).begins()), restored, &[], BTreeMap::new())
    }

    pub(crate) fn started_with(
        who: Who,
        wall: Option<i64>,
        restored: Restored,
        statements: &[Sealed],
        letters: BTreeMap<(HomeId, LetterNo), Kept>,
    ) -> Self {
        let identity = Identity {
            genesis: genesis(who.of.0),
            node: who.of.1,
            share: who.share,
            name: format!("node {}", who.number),
            place: None,
            about: About { peer: who.peer, seal_key: seal_secret(who.number).key(), ..About::default() },
        };
        let kept_roster = restored.roster.iter().map(|entry| (entry.id(), entry.clone())).collect();
        let mut world = Self {
            statements: BTreeMap::new(),
            wishes: Notebook::default(),
            slots: restored.own_slots.clone(),
            contacts: restored.contacts.iter().map(|contact| (contact.peer(), contact.clone())).collect(),
            marks: restored.marks.iter().copied().collect(),
            invites: restored.invites.iter().map(|invite| (invite.ticket.id(), invite.clone())).collect(),
            letters,
            releases: restored.releases.iter().map(|row| ((row.owner, row.id), row.clone())).collect(),
            entrusted: restored.entrusted.clone(),
            imports: restored.imports.iter().map(|(id, import)| (*id, import.to_bytes())).collect(),
            engine: Engine::new(identity, restored),
            now: Now { mono_ms: 0, wall },
            disk: Disk::Works,
            number: who.number,
            who,
            roster: kept_roster,
            held: None,
            batches: Vec::new(),
            acts: Vec::new(),
            published: Vec::new(),
            heard: Vec::new(),
            orders: Vec::new(),
            judged: BTreeMap::new(),
            replies: BTreeMap::new(),
            events: Vec::new(),
            notices: Vec::new(),
            became: Vec::new(),
            trace: Vec::new(),
            inputs: VecDeque::new(),
            next: 0,
        };
        for sealed in statements {
            world.notices.extend(world.engine.restore(sealed));
            world.statements.insert(sealed.id(), sealed.clone());
        }
        for kept in world.letters.values() {
            world.engine.restore_letter(kept.clone());
        }
        world.engine.restored(world.now);
        world.run();
        // What came out at the start is not what tests are about.
        world.trace.clear();
        world
    }

    /// A new process on what this one has on disk.
    pub(crate) fn restarted(&self) -> Self {
        let imports = self.imports.iter().map(|(id, bytes)| (*id, Import::from_bytes(bytes).expect("as it was kept")));
        let roster: Vec<SignedEntry> = self.roster.values().cloned().collect();
        let restored = Restored {
            own_slots: self.slots.clone(),
            next_call: Seq(self.next),
            contacts: self.contacts.values().cloned().collect(),
            imports: imports.collect(),
            invites: self.invites.values().cloned().collect(),
            chance: Chance::of([u8::try_from(self.number).expect("few"); 32]),
            marks: self.marks.iter().map(|(home, marks)| (*home, *marks)).collect(),
            epochs: open_epochs(genesis(self.who.of.0), self.who.of.1, &roster, &seal_secret(self.number)),
            roster,
            releases: self.releases.values().cloned().collect(),
            entrusted: self.entrusted.clone(),
            ..Restored::default()
        };
        let statements: Vec<Sealed> = self.statements.values().cloned().collect();
        Self::started_with(self.who.clone(), self.now.wall, restored, &statements, self.letters.clone())
    }

    /// A node of home `n` that answers for these homes and knows their nodes.
    pub(crate) fn acquainted_with(n: u16, homes: &[u16]) -> Self {
        let mut world = Self::answering_for(n, homes);
        world.contacts = homes.iter().map(|other| (peer(*other), contact(*other))).collect();
        world.restarted()
    }

    /// A node of home `n` that answers for these homes.
    pub(crate) fn answering_for(n: u16, homes: &[u16]) -> Self {
        let mut world = Self::new(n);
        for other in homes {
            assert_eq!(world.vouch(*other), Ok(Reply::Vouched(home(*other))));
        }
        world
    }

    pub(crate) fn input(&mut self, input: Input) {
        self.inputs.push_back(input);
        self.run();
    }

    /// Hands in everything that is due and does everything that comes out.
    fn run(&mut self) {
        loop {
            while let Some(deed) = self.engine.poll_output() {
                self.trace.push(format!("{deed:?}"));
                self.carry_out(deed);
            }
            let Some(input) = self.inputs.pop_front() else { return };
            self.engine.handle(self.now, input);
        }
    }

    fn carry_out(&mut self, deed: Deed) {
        match deed {
            Deed::Answer(act) => self.acts.push(act),
            Deed::Order(mesh::Order::Publish { topic, data }) => {
                assert!(self.heard.contains(&topic), "it hears what it says");
                self.published.push(Sealed(data.into()));
            }
            Deed::Order(mesh::Order::Hear { topics }) => self.heard = topics,
            Deed::Order(mesh::Order::Judge { message, validation }) => {
                assert_eq!(self.judged.insert(message, validation), None, "a message is judged once");
            }
            Deed::Order(order) => self.orders.push(order),
            Deed::Commit(batch) => {
                assert!(self.held.is_none(), "one batch at a time");
                self.held = Some(batch);
                match self.disk {
                    Disk::Works => self.commit(),
                    Disk::Fails => self.fail(),
                    Disk::Holds => {}
                }
            }
            Deed::Job(id, job) => {
                let done = self.work(id, job);
                self.inputs.push_back(Input::Done(id, done));
            }
            Deed::Reply(CommandId(id), reply) => self.replies.entry(id).or_default().push(reply),
            Deed::Event(event) => self.events.push(event),
            Deed::Become(becoming) => self.became.push(*becoming),
            Deed::Notice(notice) => self.notices.push(notice),
            Deed::Load(..) => {} // The world has no other node at home.
        }
    }

    fn work(&mut self, id: JobId, job: Job) -> Done {
        match job {
            Job::Sign(statement) => Done::Signed(statement.sign(&self.who.key)),
            Job::Verify(sealed, key) => Done::Verified(holds(&(sealed, key))),
            Job::VerifyAll(all) => Done::VerifiedAll(all.iter().map(holds).collect()),
            Job::SignRecord(record) => Done::RecordSigned(record.sign(&self.who.key)),
            Job::SignTicket(ticket) => Done::TicketSigned(ticket.sign(&self.who.key)),
            Job::Tie { own, other, key } => Done::Tied(Tie::between(&self.who.key, own, (other, &key))),
            Job::SignEntry(entry) => Done::EntrySigned(entry.sign(&self.who.key)),
            Job::OpenEpoch { sealed, home, author, to } => {
                Done::EpochOpened(sealed.open(&seal_secret(self.number), home, author, to).ok())
            }
            Job::SealLetter { letter, from, to } => {
                let mut chance = [self.number.to_be_bytes()[1]; 32];
                chance[..8].copy_from_slice(&id.0.to_be_bytes());
                chance[8..16].copy_from_slice(&self.now.mono_ms.to_be_bytes());
                Done::LetterSealed(SealedLetter::seal(&letter, &seal_secret(self.number), &from, &to, chance).ok())
            }
            Job::OpenLetter { sealed, from, to } => {
                Done::LetterOpened(sealed.open(&seal_secret(self.number), &from, &to))
            }
            Job::Rewrap(entrusted, _) => {
                self.entrusted = Some(*entrusted.clone());
                Done::Rewrapped(Some(entrusted))
            }
            Job::NextKey => Done::NextKey(Some(next_key(self.number))),
            Job::SignHead(head) => Done::HeadSigned(head.sign(&key(self.number))),
            Job::Edit(edit) => {
                let change = id.0.to_be_bytes().to_vec();
                self.wishes.edit(&edit);
                Done::Edited(Ok(vec![Write::Document(edit.document(), change)]))
            }
            Job::Agree(work) => Done::Agreed(Box::new(self.wishes.agree(work))),
        }
    }

    /// The disk has written what it held.
    pub(crate) fn commit(&mut self) {
        let batch = self.held.take().expect("the disk has a batch");
        for write in &batch.writes {
            match write {
                Write::Statement(id, sealed) => drop(self.statements.insert(*id, sealed.clone())),
                Write::DropStatement(id) => drop(self.statements.remove(id)),
                Write::OwnSlot(kind, day, next) => drop(self.slots.insert((*kind, *day), *next)),
                Write::Import(id, bytes) => drop(self.imports.insert(*id, bytes.to_vec())),
                Write::DropImport(id) => drop(self.imports.remove(id)),
                Write::RosterEntry(id, entry) => drop(self.roster.insert(*id, entry.clone())),
                Write::Release(held) => drop(self.releases.insert((held.owner, held.id), *held.clone())),
                Write::DropRelease(owner, id) => drop(self.releases.remove(&(*owner, *id))),
                Write::Call(_)
                | Write::CallEnd(_)
                | Write::Fact(_)
                | Write::Received(_)
                | Write::Log(_)
                | Write::Document(..)
                | Write::DocumentWhole(..)
                | Write::SyncState(..)
                | Write::DropSyncStates(_)
                | Write::Peer(..)
                | Write::DropPeer(_)
                | Write::ForgetNumber(_) => {}
                Write::Letter(kept) => drop(self.letters.insert((kept.home, kept.no), *kept.clone())),
                Write::DropLetter(home, no) => drop(self.letters.remove(&(*home, *no))),
                Write::Marks(home, marks) => drop(self.marks.insert(*home, *marks)),
                Write::Contact(contact) => drop(self.contacts.insert(contact.peer(), *contact.clone())),
                Write::DropContact(peer) => drop(self.contacts.remove(peer)),
                Write::Invite(invite) => drop(self.invites.insert(invite.ticket.id(), *invite.clone())),
                Write::DropInvite(id) => drop(self.invites.remove(id)),
            }
        }
        self.inputs.push_back(Input::Committed(batch.id, Ok(())));
        self.batches.push(batch);
        self.run();
    }

    /// The disk has refused what it held.
    pub(crate) fn fail(&mut self) {
        let BatchId(id) = self.held.take().expect("the disk has a batch").id;
        self.inputs.push_back(Input::Committed(BatchId(id), Err("no space left on device".into())));
        self.run();
    }

    /// Lets time pass without anything happening but the node's own wake-ups.
    pub(crate) fn pass(&mut self, ms: u64) {
        let (start, wall) = (self.now.mono_ms, self.now.wall);
        let end = start + ms;
        while let Some(at) = self.engine.next_wakeup().filter(|at| *at <= end) {
            self.now.mono_ms = at.max(self.now.mono_ms);
            self.now.wall = wall.map(|w| w + i64::try_from((self.now.mono_ms - start) / 1_000).expect("in range"));
            self.input(Input::Wake);
        }
        self.now = Now { mono_ms: end, wall: wall.map(|w| w + i64::try_from(ms / 1_000).expect("in range")) };
    }

    /// Sets the wall clock to the beginning of a day.
    pub(crate) fn set_day(&mut self, day: u16) {
        self.now.wall = Some(Day(day).begins());
        self.input(Input::Wake);
    }

    /// Asks, and gives the one answer, or `None` if there is none yet.
    pub(crate) fn ask(&mut self, command: Command) -> Option<Result<Reply, Refusal>> {
        let id = self.next;
        self.next += 1;
        self.input(Input::Command(CommandId(id), command));
        let answers = self.replies.get(&id)?;
        assert_eq!(answers.len(), 1, "a question is answered once");
        Some(answers[0].clone())
    }

    /// By what number the last question goes among the replies.
    pub(crate) fn last_command(&self) -> u64 {
        self.next - 1
    }

    pub(crate) fn vouch(&mut self, n: u16) -> Result<Reply, Refusal> {
        let command = Command::Vouch { card: Card(genesis(n)), name: String::new() };
        self.ask(command).expect("answered at once")
    }

    pub(crate) fn report(&mut self, digits: u64, category: Category) -> Result<Reply, Refusal> {
        let command = Command::Report { number: format!("+{digits}"), category };
        self.ask(command).expect("answered at once")
    }

    pub(crate) fn check(&mut self, digits: u64) -> Assessment {
        match self.ask(Command::Check(format!("+{digits}"))) {
            Some(Ok(Reply::Checked(assessment))) => *assessment,
            other => panic!("a check is always answered: {other:?}"),
        }
    }

    pub(crate) fn verdict(&mut self, digits: u64) -> Verdict {
        self.check(digits).verdict
    }

    /// A call from this text.
    pub(crate) fn ring(&mut self, caller: &str) -> CallId {
        let call = CallId(self.next);
        self.next += 1;
        self.input(Input::Phone(phone::Event::Incoming(incoming(call, caller))));
        call
    }

    pub(crate) fn hang_up(&mut self, call: CallId, how: Ending) {
        self.input(Input::Phone(phone::Event::Ended { call, how }));
    }

    /// A statement comes from a peer; what the network is told about it, if the answer stands.
    pub(crate) fn hear(&mut self, from: u16, sealed: &Sealed) -> Option<Validation> {
        let message = MessageRef(self.next);
        self.next += 1;
        let data = sealed.0.to_vec();
        self.input(Input::Network(mesh::Event::Gossip { message, from: peer(from), data }));
        self.judged.get(&message).copied()
    }

    pub(crate) fn alarms(&mut self) -> Vec<&'static str> {
        self.engine.snapshot(self.now).alarms.iter().map(|(alarm, _)| alarm.code()).collect()
    }
}

fn holds((sealed, key): &(Sealed, [u8; 32])) -> bool {
    ed25519_dalek::VerifyingKey::from_bytes(key).is_ok_and(|key| sealed.verify(&key))
}

pub(crate) fn incoming(call: CallId, caller: &str) -> Incoming {
    Incoming {
        call,
        line: Line("home".into()),
        caller: caller.into(),
        anonymous: false,
        name: String::new(),
        source: IdentitySource::From,
        verstat: None,
        metadata: Vec::new(),
    }
}
