//! The threads around the engine, with a disk that is slow, full or gone.

use std::{sync::Arc, time::Duration};

use ed25519_dalek::SigningKey;
use meerkat::{
    clock::Clock,
    threads::{Ask, Doors, EngineThread, Jobs, Loads, Ports, Voice, Writer},
};
use meerkat_core::{Alarm, Command, Engine, Event, Identity, Refusal, Reply, Restored, Snapshot};
use meerkat_documents::Shelf;
use meerkat_protocols::{
    contact::About,
    facts::Verdict,
    home::Genesis,
    letter::SealSecret,
    phone::{Act, Answer, BlockedBy, CallId, Event as PhoneEvent, IdentitySource, Incoming, Line},
    statement::Category,
    wishes::{Edit, Entry, Standing, Subject},
};
use meerkat_store::{
    CallQuery, DataKey, Options, Store,
    backend::{Full, Slow},
};
use tokio::sync::{mpsc, oneshot, watch};

const PATIENCE: Duration = Duration::from_secs(20);

/// An engine with all its threads on a store of the test's choice.
struct Node {
    phone: mpsc::Sender<PhoneEvent>,
    acts: mpsc::Receiver<Act>,
    commands: mpsc::Sender<Ask>,
    events: mpsc::UnboundedReceiver<Event>,
    snapshot: watch::Receiver<Arc<Snapshot>>,
    stop: watch::Sender<bool>,
    thread: std::thread::JoinHandle<()>,
    store: Arc<Store>,
    _network: (mpsc::Sender<meerkat_protocols::mesh::Event>, mpsc::Receiver<meerkat_protocols::mesh::Order>),
}

impl Node {
    fn start(store: Store) -> Self {
        let store = Arc::new(store);
        let key = SigningKey::from_bytes(&[3; 32]);
        let identity = Identity::alone(Genesis::new(&key.verifying_key()), About::default());
        let (shelf, damages) = Shelf::load([9; 16], []);
        assert!(damages.is_empty());
        let clock = Clock::start();
        let mut engine = Engine::new(identity, Restored::default());
        engine.restored(clock.now());
        let (snapshot_in, snapshot) = watch::channel(Arc::new(engine.snapshot(clock.now())));
        let (phone, phone_out) = mpsc::channel(64);
        let (acts_in, acts) = mpsc::channel(64);
        let (commands, commands_out) = mpsc::channel(64);
        let (committed_in, committed) = mpsc::unbounded_channel();
        let (done_in, done) = mpsc::unbounded_channel();
        let (network_in, network) = mpsc::channel(64);
        let (orders, orders_out) = mpsc::channel(64);
        let (events_in, events) = mpsc::unbounded_channel();
        let (stop, stopped) = watch::channel(false);
        let (writer, _) = Writer::start(Arc::clone(&store), committed_in).expect("a thread");
        let (_, exchanges) = mpsc::channel(1);
        let (notices, _) = mpsc::unbounded_channel();
        let (becoming, _) = mpsc::unbounded_channel();
        let (loaded_in, loaded) = mpsc::unbounded_channel();
        let (_, reader) = watch::channel(Some(store.reader()));
        let (loads, _) = Loads::start(reader, loaded_in).expect("a thread");
        let commands_door = commands_out;
        let doors = Doors {
            phone: phone_out,
            committed,
            done,
            commands: commands_door,
            network,
            exchanges,
            loaded,
            stop: stopped,
        };
        let (jobs, _) = Jobs::start(
            Voice {
                key,
                seal: SealSecret::from_bytes([4; 32]),
                shelf,
                next_key: Box::new(|| None),
                rewrap: Box::new(|_, _| false),
            },
            done_in,
        )
        .expect("threads");
        let sink = move |event| {
            let _ = events_in.send(event);
        };
        let ports = Ports {
            acts: acts_in,
            orders,
            notices,
            writer,
            jobs,
            loads,
            events: Box::new(sink),
            snapshot: snapshot_in,
            becoming,
        };
        let thread = EngineThread::start(engine, clock, doors, ports).expect("a thread");
        Self { phone, acts, commands, events, snapshot, stop, thread, store, _network: (network_in, orders_out) }
    }

    async fn ring(&mut self, id: u64, caller: &str) -> Answer {
        let incoming = Incoming {
            call: CallId(id),
            line: Line("home".into()),
            caller: caller.into(),
            anonymous: false,
            name: String::new(),
            source: IdentitySource::From,
            verstat: None,
            metadata: Vec::new(),
        };
        self.phone.send(PhoneEvent::Incoming(incoming)).await.expect("the engine lives");
        let act = within("an answer", self.acts.recv()).await.expect("the engine lives");
        assert_eq!(act.call, CallId(id));
        act.answer
    }

    async fn ask(&self, command: Command) -> Result<Reply, Refusal> {
        within("a reply", self.ask_later(command).await).await.expect("the engine lives")
    }

    async fn ask_later(&self, command: Command) -> oneshot::Receiver<Result<Reply, Refusal>> {
        let (answer, reply) = oneshot::channel();
        self.commands.send((command, answer)).await.expect("the engine lives");
        reply
    }

    async fn event(&mut self, what: &str, accept: impl Fn(&Event) -> bool) -> Event {
        loop {
            let event = within(what, self.events.recv()).await.expect("the engine lives");
            if accept(&event) {
                return event;
            }
        }
    }

    fn stop(self) -> Arc<Store> {
        self.stop.send_replace(true);
        self.thread.join().expect("no panic");
        self.store
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

fn block(number: &str) -> Command {
    let subject = Subject::from_key(number).expect("a subject");
    Command::Edit(Edit::SetEntry(subject, Entry::tidy(Standing::Block, "", "")))
}

fn key() -> DataKey {
    DataKey::from_bytes([1; 32])
}

#[tokio::test]
async fn a_second_call_is_decided_while_the_first_ones_batch_is_being_written() {
    let disk = Arc::new(Slow::new(Duration::ZERO));
    let store = Store::open_on(disk.clone(), &key(), Options::default()).expect("a new store");
    let mut node = Node::start(store);
    assert_eq!(node.ring(1, "+4930901820").await, Answer::Pass);
    disk.hold();
    // A person's edit forces the batch with the first call to the disk, which stands still now.
    let edit = node.ask_later(block("+4930901821")).await;
    let mut snapshot = node.snapshot.clone();
    within("the edit in memory", snapshot.wait_for(|s| s.lists.len() == 1)).await.expect("the engine lives");
    assert_eq!(node.ring(2, "+4930901820").await, Answer::Pass);
    assert_eq!(node.ring(3, "+4930901821").await, Answer::Block(BlockedBy::Own), "the edit works before it is saved");
    disk.release();
    assert_eq!(within("the edit", edit).await.expect("the engine lives"), Ok(Reply::Saved));
    let store = node.stop();
    assert_eq!(store.reader().counts().expect("readable").calls, 3, "a stop in order saves all");
}

#[tokio::test]
async fn nobody_is_told_that_something_is_saved_before_it_is() {
    let disk = Arc::new(Slow::new(Duration::ZERO));
    let store = Store::open_on(disk.clone(), &key(), Options::default()).expect("a new store");
    let node = Node::start(store);
    disk.hold();
    let mut report = node.ask_later(Command::Report { number: "+4930901820".into(), category: Category::Spam }).await;
    // The report is signed and in the picture, and still nobody has been told.
    let mut snapshot = node.snapshot.clone();
    within("the report in memory", snapshot.wait_for(|s| s.statements == 1)).await.expect("the engine lives");
    assert!(report.try_recv().is_err(), "told before the disk had it");
    disk.release();
    let reply = within("the reply", report).await.expect("the engine lives").expect("saved");
    assert!(matches!(reply, Reply::Reported { slot: 0, .. }), "{reply:?}");
    node.stop();
}

#[tokio::test]
async fn on_a_full_disk_calls_are_decided_people_are_told_and_all_is_saved_once_there_is_room() {
    let disk = Arc::new(Full::with_room(64 << 20));
    let store = Store::open_on(disk.clone(), &key(), Options::default()).expect("a new store");
    let mut node = Node::start(store);
    disk.fill();
    let refused = node.ask(block("+4930901821")).await;
    assert!(matches!(refused, Err(Refusal::NotSavedYet(_))), "{refused:?}");
    node.event("the alarm", |e| matches!(e, Event::AlarmRaised(Alarm::NotSaving(_)))).await;
    assert_eq!(node.ring(1, "+4930901821").await, Answer::Block(BlockedBy::Own));
    assert_eq!(node.ring(2, "+4930901820").await, Answer::Pass);
    disk.set_room(64 << 20);
    node.event("the end of the alarm", |e| matches!(e, Event::AlarmCleared(Alarm::NotSaving(_)))).await;
    let store = node.stop();
    let calls = store.reader().counts().expect("readable");
    assert_eq!(calls.calls, 2, "the calls that came while the disk was full");
    let page = store.reader().calls(&CallQuery { limit: 50, ..CallQuery::default() }).expect("readable");
    assert_eq!(page.calls.iter().filter(|c| c.call.verdict == Verdict::Block).count(), 1);
}
