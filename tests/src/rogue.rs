//! A member of a household that says what no honest node says: it has the keys of a real member, whose process is
//! stopped, and a network like anybody's. And strangers, who have none.

use std::{path::Path, time::Duration};

use automerge::{
    ActorId, Automerge, Change, ROOT, ReadDoc as _,
    sync::{Message, State, SyncDoc as _},
    transaction::{CommitOptions, Transactable as _},
};
use meerkat::identity::Keys;
use meerkat_core::open_epochs;
use meerkat_documents::{Shelf, actor_of};
use meerkat_network::{Network, NetworkKey, Settings, peer_from_text, start};
use meerkat_protocols::{
    cbor,
    home::NodeNumber,
    household::{Channel, Hello, Run, Status},
    letter::SealSecret,
    mesh::{Event, Order, Peer, RequestRef},
    roster::{FrameKey, Roster},
    wishes::DocumentId,
};
use meerkat_store::{DataKey, Folder, Options, Store};
use serde_bytes::ByteBuf;
use tokio::runtime::Runtime;

use crate::wait::PATIENCE;

/// A network of a test's own, that says whatever it is told to say to one peer.
pub struct Stranger {
    runtime: Runtime,
    network: Network,
    peer: Peer,
    next: u64,
}

impl Stranger {
    /// Connects to the peer at an address that ends in its id.
    ///
    /// # Panics
    /// If the connection does not come about.
    #[must_use]
    pub fn meets(address: &str, secret: [u8; 32]) -> Self {
        Self::meets_as(address, NetworkKey::new(secret))
    }

    fn meets_as(address: &str, secret: NetworkKey) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("threads");
        let settings = Settings {
            listen: vec!["/ip4/127.0.0.1/tcp/0".into()],
            peers: vec![address.to_owned()],
            mdns: false,
            ..Settings::new(secret)
        };
        let peer = address.rsplit('/').next().and_then(peer_from_text).expect("an address with a peer");
        let network = runtime.block_on(async { start(&settings) }).expect("a network");
        let mut stranger = Self { runtime, network, peer, next: 0 };
        let met = |event: &Event| matches!(event, Event::Connected { peer: of, .. } if *of == peer);
        stranger.until("the connection", met);
        stranger
    }

    /// Whom it is connected to.
    #[must_use]
    pub fn peer(&self) -> Peer {
        self.peer
    }

    /// Gives the network an order.
    ///
    /// # Panics
    /// If the network has ended.
    pub fn order(&mut self, order: Order) {
        self.runtime.block_on(self.network.orders.send(order)).expect("the network runs");
    }

    /// The next event, if it comes in time.
    pub fn event(&mut self, within: Duration) -> Option<Event> {
        self.runtime.block_on(async { tokio::time::timeout(within, self.network.events.recv()).await.ok().flatten() })
    }

    fn until(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        loop {
            match self.event(PATIENCE) {
                Some(event) if fits(&event) => return event,
                Some(_) => {}
                None => panic!("waited in vain for {what}"),
            }
        }
    }

    fn next_request(&mut self) -> RequestRef {
        self.next += 1;
        RequestRef(self.next)
    }

    /// Asks over the channel that all peers have, and does not wait.
    pub fn ask(&mut self, data: Vec<u8>) -> RequestRef {
        let request = self.next_request();
        let peer = self.peer;
        self.order(Order::Request { request, peer, data });
        request
    }

    /// Says something over the member channel, as bytes; the answer, if there is one.
    pub fn say_as_member(&mut self, data: Vec<u8>) -> Option<Vec<u8>> {
        let (request, peer) = (self.next_request(), self.peer);
        self.order(Order::AskMember { request, peer, data });
        let ours = |event: &Event| match event {
            Event::Response { request: of, .. } | Event::Unanswered { request: of } => *of == request,
            _ => false,
        };
        match self.until("an answer", ours) {
            Event::Response { data, .. } => Some(data),
            _ => None,
        }
    }
}

/// A member gone bad.
pub struct Rogue {
    /// Its network, and whom it talks to.
    pub wire: Stranger,
    number: NodeNumber,
    to: NodeNumber,
    frame: FrameKey,
    roster: Roster,
    chance: u64,
}

/// What a stopped member's folder gives to whoever has it.
pub struct Stolen {
    keys: Keys,
    roster: Roster,
    frame: FrameKey,
    shelf: Shelf,
}

impl Stolen {
    /// Takes what lies in the data folder of a member that does not run.
    ///
    /// # Panics
    /// If it is not a member's.
    #[must_use]
    pub fn from(data: &Path) -> Self {
        let folder = Folder::take(data).expect("nobody runs on it");
        let key = DataKey::load_or_create(&folder).expect("a key");
        let store = Store::open(&folder, key, Options::default()).expect("a store");
        let keys = Keys::load_or_create(&store).expect("keys");
        let restored = store.reader().restore().expect("it reads");
        let secret = SealSecret::from_bytes(keys.seal.to_bytes());
        let epochs = open_epochs(keys.genesis, keys.node, &restored.roster, &secret);
        let frame = FrameKey::of(keys.genesis.home(), &epochs).expect("the key of the epoch");
        let mut roster = Roster::of(keys.genesis);
        let mut entries = restored.roster;
        while let Some(at) = entries.iter().position(|entry| roster.insert(entry.clone()).is_ok()) {
            entries.remove(at);
        }
        let chunks = restored.documents.into_iter().flat_map(|(id, all)| all.into_iter().map(move |chunk| (id, chunk)));
        let (shelf, damages) = Shelf::load(actor_of(keys.node, [7; 16]), chunks);
        assert!(damages.is_empty(), "{damages:?}");
        store.close().expect("an orderly end");
        Self { keys, roster, frame, shelf }
    }

    /// The lists as the member had them, to work on in its name.
    ///
    /// # Panics
    /// If Automerge does not read what it wrote.
    #[must_use]
    pub fn lists(&self) -> Automerge {
        let actor = ActorId::from(actor_of(self.keys.node, [9; 16]));
        Automerge::load(&self.shelf.save(DocumentId::Lists)).expect("it was just saved").with_actor(actor)
    }

    /// How all documents stand: equal for two stores that hold the same changes.
    #[must_use]
    pub fn documents(&self) -> Vec<u8> {
        self.shelf.greet()
    }

    /// In which generation the lists are.
    #[must_use]
    pub fn generation(&self) -> meerkat_protocols::wishes::Generation {
        self.shelf.generation(DocumentId::Lists)
    }

    /// Goes to a member at this address and speaks in the name of whom it was taken from.
    ///
    /// # Panics
    /// If the member is not reached.
    #[must_use]
    pub fn go_to(&self, address: &str) -> Rogue {
        let secret = self.keys.network.clone();
        let mut wire = Stranger::meets_as(address, secret);
        let to = self.roster.of_peer(wire.peer).expect("a member").number;
        let to_peer = wire.peer;
        wire.order(Order::Members { peers: vec![to_peer] });
        let (number, frame, roster) = (self.keys.node, self.frame.clone(), self.roster.clone());
        let mut rogue = Rogue { wire, number, to, frame, roster, chance: 0 };
        rogue.greet();
        rogue
    }
}

impl Rogue {
    /// Tells the roster as the member knew it, and a run that is later than all before: it passes for the member.
    ///
    /// # Panics
    /// If it is not answered.
    fn greet(&mut self) {
        let run = Run { start: 1 << 60, chance: [7; 8] };
        let hello = Hello { run, heads: self.roster.heads(), ..Hello::default() };
        let answer = self.wire.say_as_member([&[Channel::Roster as u8], &hello.encode()[..]].concat());
        assert_eq!(answer.and_then(|answer| answer.first().copied()), Some(Status::Answered as u8));
    }

    /// Says a word on a channel, sealed as members seal; the answer, opened.
    pub fn say(&mut self, channel: Channel, payload: &[u8]) -> Option<Vec<u8>> {
        self.chance += 1;
        let mut chance = [0; 32];
        chance[..8].copy_from_slice(&self.chance.to_le_bytes());
        let sealed = self.frame.seal(self.number, self.to, payload, chance);
        let answer = self.wire.say_as_member([&[channel as u8], &sealed[..]].concat())?;
        let body = answer.strip_prefix(&[Status::Answered as u8])?;
        self.frame.open(self.to, self.number, body)
    }

    /// Says something about the lists: a sync message with these chunks in it.
    pub fn say_of_lists(&mut self, stolen: &Stolen, doc: &Automerge, chunks: Vec<Vec<u8>>) -> Option<Vec<u8>> {
        let mut message: Message = doc.generate_sync_message(&mut State::new())?;
        message.changes = chunks.into();
        let generation = stolen.generation();
        let founding = if generation.count == 0 { Vec::new() } else { generation.founding.to_vec() };
        let frame = (SYNC_FRESH, DocumentId::Lists as u8, generation.count, ByteBuf::from(founding));
        let word = (frame.0, frame.1, frame.2, frame.3, ByteBuf::from(message.encode()));
        self.say(Channel::Documents, &cbor::encode(&word))
    }
}

/// The kind of a word that begins a talk about a document anew.
const SYNC_FRESH: u8 = 3;

/// A change of the lists, as whoever holds `doc` makes it.
///
/// # Panics
/// If the document is none of the lists.
pub fn blocks(doc: &mut Automerge, number: &str) -> Change {
    let (_, standing) = doc.get(ROOT, "standing").expect("it reads").expect("it is there");
    let mut tx = doc.transaction();
    tx.put(&standing, number, "block").expect("a scalar fits");
    tx.commit_with(CommitOptions::default().with_time(0));
    doc.get_last_local_change().expect("it was just made")
}
