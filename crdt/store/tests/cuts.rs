//! Power cuts: whatever was acknowledged is there afterwards, and nothing is half there. `MEERKAT_CUTS` sets how many,
//! `MEERKAT_SEED` where the chance begins.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use std::{collections::BTreeMap, sync::Arc};

use common::{batch, call, end, key, number, writes};
use ed25519_dalek::SigningKey;
use meerkat_protocols::{
    batch::{Batch, Write},
    contact::{About, Contact, NodeRecord},
    facts::Seq,
    home::{Genesis, HomeId, NodeNumber},
    letter::{Content as Words, Letter, LetterId},
    mail::{Kept, LetterNo, Marks, Way},
    mesh::Peer,
    release::{Release, ReleaseId, ReleaseSecret},
    roster::{EntryId, SignedEntry},
    statement::{Kind, Sealed, StatementId},
    ticket::{Invite, SignedTicket, TicketId},
    time::Day,
    wishes::DocumentId,
};
use meerkat_store::{
    AccessTable, AccessWrite, CallQuery, Options, Store,
    torn::{Chance, Torn},
};
use serde_bytes::ByteBuf;

/// Cuts in an ordinary run.
const CUTS: u64 = 300;
/// Batches after which a new disk is taken, so that small and grown files both are cut.
const BATCHES: u64 = 120;
/// Statements that are there at any time.
const STATEMENTS: u64 = 8;

fn statement(n: u64) -> (StatementId, Sealed) {
    let bytes = vec![u8::try_from(n % 251).unwrap(); 113];
    (StatementId::of(&n.to_be_bytes()), Sealed(ByteBuf::from(bytes)))
}

fn peer(n: u64) -> Peer {
    Peer([u8::try_from(n % 5).unwrap(); 32])
}

fn invite(n: u64) -> Invite {
    let used = n.is_multiple_of(2).then_some((HomeId([1; 16]), peer(n)));
    Invite { ticket: SignedTicket(ByteBuf::from(vec![u8::try_from(n % 4).unwrap(); 178])), name: "Anna".into(), used }
}

fn contact(n: u64) -> Contact {
    let key = SigningKey::from_bytes(&[7; 32]);
    let about = About { peer: peer(n), ..About::default() };
    let (addresses, relays) = (vec![format!("/ip4/10.0.0.1/tcp/{n}")], vec![]);
    let genesis = Genesis::new(&key.verifying_key());
    let record =
        NodeRecord { genesis, node: NodeNumber(0), chain: Default::default(), about, addresses, relays, sequence: n };
    Contact::open(record.sign(&key), Some(7)).unwrap()
}

fn letter(n: u64) -> Kept {
    let content = Words::text(&format!("letter {n}")).unwrap();
    let letter = Letter { id: LetterId(n.to_be_bytes()), seq: n, created: Some(7), content };
    let home = HomeId([u8::try_from(n % 3).unwrap(); 16]);
    Kept { no: LetterNo(n), home, way: Way::In(NodeNumber(0)), at: None, letter }
}

fn release(n: u64) -> Release {
    let secret = ReleaseSecret::from_bytes([u8::try_from(n).unwrap(); 32]);
    let id = ReleaseId([u8::try_from(n).unwrap(); 16]);
    Release { owner: NodeNumber(5), id, asker: peer(n), secret: Some(secret), holders: vec![] }
}

/// The `n`th batch: something for every table, appended, replaced and dropped.
fn nth(n: u64) -> Batch {
    let mut all = writes(n);
    let (id, sealed) = statement(n);
    all.push(Write::Statement(id, sealed));
    if let Some(old) = n.checked_sub(STATEMENTS) {
        all.push(Write::DropStatement(statement(old).0));
    }
    all.push(Write::OwnSlot(Kind::Report, Day(7), u8::try_from(n).unwrap()));
    let chunk = n.to_be_bytes().repeat(40);
    all.push(match n % 10 {
        9 => Write::DocumentWhole(DocumentId::Lists, chunk),
        _ => Write::Document(DocumentId::Lists, chunk),
    });
    all.push(match n % 7 {
        6 => Write::DropSyncStates(NodeNumber(1)),
        _ => Write::SyncState(
            NodeNumber(u8::try_from(n % 2).unwrap()),
            DocumentId::Lists,
            vec![u8::try_from(n).unwrap(); 34],
        ),
    });
    all.push(Write::Peer(peer(n), vec![format!("/ip4/10.0.0.1/tcp/{n}")]));
    if n % 5 == 4 {
        all.push(Write::DropPeer(peer(n - 2)));
        all.push(Write::DropContact(peer(n - 1)));
        all.push(Write::DropInvite(invite(n).ticket.id()));
        all.push(Write::DropLetter(letter(n - 3).home, LetterNo(n - 3)));
    }
    if n.is_multiple_of(3) {
        all.push(Write::Invite(Box::new(invite(n))));
        let entry = SignedEntry(n.to_be_bytes().to_vec().into());
        all.push(Write::RosterEntry(entry.id(), entry));
        all.push(Write::Contact(Box::new(contact(n))));
    }
    all.push(match n % 4 {
        3 => Write::DropRelease(NodeNumber(5), release(n - 1).id),
        _ => Write::Release(Box::new(release(n))),
    });
    let kept = letter(n);
    all.push(Write::Marks(kept.home, Marks { read: kept.no, forgotten: Some(7) }));
    all.push(Write::Letter(Box::new(kept)));
    if n % 16 == 3 {
        // Two pieces and a bit, so that a cut can fall between them.
        let import = u32::try_from(n % 3).unwrap();
        all.push(Write::Import(import, Arc::new(n.to_be_bytes().repeat(17_000))));
        all.push(Write::DropImport((import + 1) % 3));
    }
    batch(all)
}

/// What the first `n` batches leave, said apart from the store's own code.
#[derive(Debug, Default, PartialEq)]
struct Content {
    calls: u64,
    statements: BTreeMap<StatementId, Sealed>,
    slot: Option<u8>,
    chunks: Vec<Vec<u8>>,
    sync_states: BTreeMap<NodeNumber, Vec<u8>>,
    peers: BTreeMap<Peer, Vec<String>>,
    contacts: BTreeMap<Peer, Contact>,
    invites: BTreeMap<TicketId, Invite>,
    letters: BTreeMap<LetterNo, Kept>,
    marks: BTreeMap<HomeId, Marks>,
    imports: BTreeMap<u32, Vec<u8>>,
    roster: BTreeMap<EntryId, SignedEntry>,
    releases: BTreeMap<ReleaseId, Release>,
}

impl Content {
    fn after(n: u64) -> Self {
        let mut content = Self { calls: n, ..Self::default() };
        for write in (0..n).flat_map(|n| nth(n).writes) {
            match write {
                Write::Statement(id, sealed) => drop(content.statements.insert(id, sealed)),
                Write::DropStatement(id) => drop(content.statements.remove(&id)),
                Write::OwnSlot(_, _, next) => content.slot = Some(next),
                Write::Document(_, chunk) => content.chunks.push(chunk),
                Write::DocumentWhole(_, chunk) => content.chunks = vec![chunk],
                Write::SyncState(member, _, state) => drop(content.sync_states.insert(member, state)),
                Write::DropSyncStates(member) => drop(content.sync_states.remove(&member)),
                Write::Peer(peer, addresses) => drop(content.peers.insert(peer, addresses)),
                Write::DropPeer(peer) => drop(content.peers.remove(&peer)),
                Write::Contact(contact) => drop(content.contacts.insert(contact.peer(), *contact)),
                Write::Invite(invite) => drop(content.invites.insert(invite.ticket.id(), *invite)),
                Write::DropInvite(id) => drop(content.invites.remove(&id)),
                Write::DropContact(peer) => drop(content.contacts.remove(&peer)),
                Write::Letter(kept) => drop(content.letters.insert(kept.no, *kept)),
                Write::DropLetter(_, no) => drop(content.letters.remove(&no)),
                Write::Marks(home, marks) => drop(content.marks.insert(home, marks)),
                Write::Import(id, bytes) => drop(content.imports.insert(id, bytes.to_vec())),
                Write::DropImport(id) => drop(content.imports.remove(&id)),
                Write::RosterEntry(id, entry) => drop(content.roster.insert(id, entry)),
                Write::Release(held) => drop(content.releases.insert(held.id, *held)),
                Write::DropRelease(_, id) => drop(content.releases.remove(&id)),
                Write::Call(_) | Write::CallEnd(_) | Write::Fact(_) | Write::Received(_) | Write::Log(_) => {}
                Write::ForgetNumber(_) => {}
            }
        }
        content
    }

    fn of(store: &Store) -> Self {
        let mut statements = BTreeMap::new();
        let mut restored = store.reader().restore().unwrap();
        store.reader().statements(&mut restored, |some| statements.extend(some)).unwrap();
        let mut letters = BTreeMap::new();
        store.reader().all_letters(&mut restored, |kept| drop(letters.insert(kept.no, kept))).unwrap();
        assert_eq!(restored.damaged, 0);
        Self {
            calls: restored.next_call.0,
            statements,
            slot: restored.own_slots.first().map(|(_, _, next)| *next),
            chunks: restored.documents.get(&DocumentId::Lists).cloned().unwrap_or_default(),
            sync_states: restored.sync_states.into_iter().map(|(member, _, state)| (member, state)).collect(),
            peers: restored.peers.into_iter().collect(),
            invites: restored.invites.into_iter().map(|i| (i.ticket.id(), i)).collect(),
            contacts: restored.contacts.into_iter().map(|c| (c.peer(), c)).collect(),
            letters,
            marks: restored.marks.into_iter().collect(),
            imports: restored.imports,
            roster: restored.roster.into_iter().map(|entry| (entry.id(), entry)).collect(),
            releases: restored.releases.into_iter().map(|held| (held.id, held)).collect(),
        }
    }
}

fn open(disk: &Arc<Torn>) -> Result<Store, meerkat_store::OpenError> {
    Store::open_on(disk.clone(), &key(), Options::default())
}

/// Calls, indexes and statistics tell the same.
fn agree_on_calls(store: &Store, calls: u64) {
    let reader = store.reader();
    let counts = reader.counts().unwrap();
    assert_eq!(counts.calls, calls);
    assert_eq!(u64::from(counts.verdicts.allow + counts.verdicts.challenge + counts.verdicts.block), calls);
    let Some(last) = calls.checked_sub(1) else { return };
    let newest = reader.call(Seq(last)).unwrap().unwrap();
    assert_eq!((&newest.call, newest.end), (&call(last), Some(end(last))));
    let query = CallQuery { number: Some(number(last)), limit: 500, ..CallQuery::default() };
    let page = reader.calls(&query).unwrap();
    assert_eq!((page.calls[0].call.seq, page.damaged), (Seq(last), 0));
    assert_eq!(u64::try_from(page.calls.len()).unwrap(), (last / 50) + 1);
    assert_eq!(reader.number(number(last)).unwrap().calls, u32::try_from(page.calls.len()).unwrap());
}

/// One disk and what was acknowledged on it.
struct Rig {
    disk: Arc<Torn>,
    chance: Chance,
    acked: u64,
    users: u64,
    floor: u64,
}

impl Rig {
    /// A disk with an empty store. The first power cut of a store's life is another test's: a file is made under another
    /// name, which a backend does not have.
    fn new(seed: u64) -> Self {
        let disk = Arc::new(Torn::new(seed));
        open(&disk).unwrap().close().unwrap();
        Self { disk, chance: Chance::new(!seed), acked: 0, users: 0, floor: 0 }
    }

    /// Works until the power goes or the disk has had its batches.
    fn work(&mut self, store: Store) {
        self.disk.cut_after(1 + self.chance.below(90));
        if let Ok(floor) = store.raise_event_floor(10) {
            assert!(floor >= self.floor, "an event id was given twice");
            self.floor = floor + 10;
        }
        while !self.disk.is_off() && self.acked < BATCHES {
            if store.commit(&nth(self.acked)).is_ok() {
                self.acked += 1;
            }
            let (key, value) = (self.users.to_be_bytes().to_vec(), b"a user".to_vec());
            if store.commit_access(&[AccessWrite::Put { table: AccessTable::Users, key, value }]).is_ok() {
                self.users += 1;
            }
        }
        if self.chance.below(4) == 0 {
            // An orderly stop into which the power goes.
            let _ = store.close();
        }
    }

    /// The power comes back, and may go again during the recovery.
    fn recover(&mut self) -> Store {
        self.disk.restart();
        while self.chance.below(2) == 0 {
            self.disk.cut_after(1 + self.chance.below(20));
            drop(open(&self.disk));
            self.disk.restart();
        }
        open(&self.disk).unwrap()
    }

    fn cut(&mut self) {
        let store = self.recover();
        assert!(store.check(None).unwrap().intact);
        let content = Content::of(&store);
        // The batch in flight may have been written whole, or not at all.
        assert!([self.acked, self.acked + 1].contains(&content.calls), "{} of {}", content.calls, self.acked);
        assert_eq!(content, Content::after(content.calls));
        agree_on_calls(&store, content.calls);
        let users = u64::try_from(store.reader().access_all(AccessTable::Users).unwrap().len()).unwrap();
        assert!([self.users, self.users + 1].contains(&users), "{users} of {}", self.users);
        (self.acked, self.users) = (content.calls, users);
        self.work(store);
    }
}

#[test]
fn no_power_cut_loses_what_was_acknowledged() {
    let from_env = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let cuts = from_env("MEERKAT_CUTS").unwrap_or(CUTS);
    let seed = from_env("MEERKAT_SEED").unwrap_or(1);
    let mut done = 0;
    for n in 0.. {
        let mut rig = Rig::new(seed + n);
        while rig.acked < BATCHES && done < cuts {
            rig.cut();
            done += 1;
        }
        // What came after the last cut is checked too.
        rig.disk.restart();
        rig.cut();
        if done >= cuts {
            println!("{done} cuts on {} disks from seed {seed}: nothing lost", n + 1);
            return;
        }
    }
}
