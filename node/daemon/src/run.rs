//! The one place where the daemon is put together, from top to bottom, and taken apart in reverse.
//!
//! Phone and page answer before anything slow happens: while the store is checked, calls ring by the gateway's watchdog
//! and `/health` says that the node is starting.

use std::{
    io,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use meerkat_core::{Engine, Identity, Restored};
use meerkat_documents::Shelf;
use meerkat_protocols::{facts::Place, home::NodeNumber, wishes::Wishes};
use meerkat_store::{CheckError, DataKey, Folder, OpenError, Options, ReadError, Store};
use meerkat_web::{Access, EventLog, Wiring};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::JoinHandle,
};

use crate::{
    cli::Exit,
    clock::Clock,
    greeting,
    identity::{Keys, NoIdentity},
    local::{OwnerListener, SOCKET},
    log, machine,
    settings::{self, DataFault, Flags, Loaded, Pins, Surroundings},
    threads::{Doors, EngineThread, Jobs, Ports, Voice, Writer},
};

/// Waiting places for what the telephone gateways report: more calls than a house has telephones for.
const PHONE_QUEUE: usize = 1_024;
/// Waiting places for what people ask.
const COMMAND_QUEUE: usize = 256;
/// Waiting places for what the engine orders.
const ORDER_QUEUE: usize = 1_024;
/// Event ids taken for one run: at 50 calls a second and three events a call they last for nine weeks, and 2^64 for
/// 10^13 starts.
const EVENTS_A_RUN: u64 = 1_000_000_000;
/// How long each stage of an orderly stop may take.
const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Why the daemon did not start. Everything else that is wrong is said on the page of a running one.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] DataFault),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The node does not know who it is.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error("the store cannot be written: {0}")]
    Write(#[from] meerkat_store::CommitError),
    /// Neither the wished address nor any other is free for the page.
    #[error("the page cannot be served at {0}: {1}")]
    Page(SocketAddr, io::Error),
    /// The control socket cannot be opened.
    #[error("the control socket {0} cannot be opened: {1}")]
    Socket(PathBuf, io::Error),
    /// The system gives no thread or no randomness.
    #[error("the system refuses what the node needs: {0}")]
    System(#[from] io::Error),
}

impl NotStarted {
    /// How the program ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Store(OpenError::InUse { .. }) => Exit::InUse,
            Self::Data(_) | Self::Socket(..) | Self::Store(_) | Self::Identity(_) | Self::Read(_) | Self::Write(_) => {
                Exit::CannotCreate
            }
            Self::Page(..) | Self::System(_) => Exit::Unavailable,
        }
    }
}

/// Runs the daemon until it is told to stop.
///
/// # Errors
/// [`NotStarted`], in words for the person who started it.
pub async fn up(flags: &Flags) -> Result<(), NotStarted> {
    let loaded = settings::load(flags, &Surroundings::of_process());
    log::start(&loaded.settings.log_level);
    for problem in &loaded.problems {
        tracing::warn!(file = problem.file, line = problem.line, problem.words, problem.remedy, "a setting is wrong");
    }
    let clock = Clock::start();

    // What is kept.
    settings::prepare_data(&loaded.settings.data)?;
    let folder = Folder::take(&loaded.settings.data)?;
    let key = DataKey::load_or_create(&folder)?;
    let store = Store::open(&folder, &key, Options { wall: clock.now().wall, ..Options::default() })?;
    let keys = Keys::load_or_create(&store)?;
    let identity = Identity { genesis: keys.genesis, node: NodeNumber(0), place: place(&loaded) };
    let store = Arc::new(store);

    // The telephone: it fails open until the engine answers.
    let (phone_in, phone) = mpsc::channel(PHONE_QUEUE);
    let (acts, acts_out) = mpsc::channel(PHONE_QUEUE);
    let lines = loaded.settings.lines.clone();
    let sip = meerkat_sip::start(lines, phone_in, acts_out, Arc::new(AtomicU64::new(1)));
    let sip = sip.map_err(|why| tracing::error!(%why, "no telephone line is served")).ok();

    // The page.
    let (stop, stopped) = watch::channel(false);
    let (committed_in, committed) = mpsc::unbounded_channel();
    let (writer, writer_thread) = Writer::start(Arc::clone(&store), committed_in)?;
    let first_look = Engine::new(identity.clone(), Restored::default()).snapshot(clock.now());
    let (snapshot_in, snapshot) = watch::channel(Arc::new(first_look));
    let events = EventLog::new(store.raise_event_floor(EVENTS_A_RUN)?, web_clock(clock), snapshot.clone());
    let (reader_in, reader) = watch::channel(None);
    let (commands_in, commands) = mpsc::channel(COMMAND_QUEUE);
    let access = Access::new(access_door(writer.clone()), web_clock(clock));
    let machine = Arc::new(machine::describe(&loaded, keys.peer));
    let wiring = Wiring {
        commands: commands_in,
        snapshot,
        reader,
        access: access.clone(),
        events: events.clone(),
        machine,
        clock: web_clock(clock),
    };
    let page = Page::open(&loaded, wiring, stopped.clone()).await?;

    // The store, checked and read.
    let (engine, shelf, remembered) = restore(&store, clock, &identity, &loaded).await?;
    access.restore_from(&store.reader())?;
    reader_in.send_replace(Some(store.reader()));

    // The neighbourhood.
    let (orders, network_events, network) = network(&loaded, keys.network.clone(), remembered);

    // The engine.
    let (done_in, done) = mpsc::unbounded_channel();
    let (jobs, job_threads) = Jobs::start(Voice { key: keys.statement, shelf }, done_in)?;
    let doors = Doors { phone, committed, done, commands, network: network_events, stop: stopped };
    let sink = events.clone();
    let ports = Ports {
        acts,
        orders,
        writer,
        jobs,
        events: Box::new(move |event| {
            sink.push(&event);
        }),
        snapshot: snapshot_in,
    };
    let engine_thread = EngineThread::start(engine, clock, doors, ports)?;

    greet(&access, &page, loaded.safe_mode)?;
    let engine_died = until_told_to_stop(&engine_thread).await;

    // The reverse, each stage with a deadline. A second signal ends the process at once.
    tokio::spawn(stop_at_once());
    tracing::info!("stopping");
    if let Some(sip) = sip {
        sip.shutdown(STOP_WITHIN).await;
    }
    stop.send_replace(true);
    if let Some(network) = network {
        network.shutdown(STOP_WITHIN).await;
    }
    join("engine", engine_thread).await;
    events.close();
    page.close().await;
    drop((reader_in, access, events));
    for thread in job_threads {
        join("workers", thread).await;
    }
    join("writer", writer_thread).await;
    close(store);
    tracing::info!("stopped");
    if engine_died { Err(io::Error::other("the engine ended by itself; calls rang unscreened").into()) } else { Ok(()) }
}

fn place(loaded: &Loaded) -> Option<Place> {
    loaded.settings.node.place.map(|(latitude, longitude)| Place { latitude, longitude })
}

fn web_clock(clock: Clock) -> meerkat_web::Clock {
    Arc::new(move || clock.now())
}

/// The way of users, sessions and keys to the writer.
fn access_door(writer: Writer) -> mpsc::Sender<meerkat_web::AccessOrder> {
    let (orders, mut waiting) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Some(order) = waiting.recv().await {
            writer.access(order);
        }
    });
    orders
}

type Remembered = Vec<(meerkat_protocols::mesh::Peer, Vec<String>)>;

/// Checks the store if that is due, and reads from it what the node needs, on a thread where it may take its time.
async fn restore(
    store: &Arc<Store>,
    clock: Clock,
    identity: &Identity,
    loaded: &Loaded,
) -> Result<(Engine, Shelf, Remembered), NotStarted> {
    let (store, identity, pins) = (Arc::clone(store), identity.clone(), loaded.settings.pins.clone());
    let read = tokio::task::spawn_blocking(move || {
        if store.needs_check(clock.now().wall) {
            check(&store, clock);
        }
        read(&store, clock, identity, &pins)
    });
    read.await.map_err(io::Error::other)?
}

fn check(store: &Store, clock: Clock) {
    tracing::info!("checking the store; calls ring meanwhile");
    match store.check(clock.now().wall) {
        Ok(checked) if checked.intact => tracing::info!("the store is as it was written"),
        Ok(_) => tracing::warn!("the store was repaired; what was saved just before the last stop may be gone"),
        Err(why @ CheckError::Damaged { .. }) => tracing::error!(%why, "the store is damaged"),
        Err(why) => tracing::error!(%why, "the store could not be checked"),
    }
}

fn read(
    store: &Store,
    clock: Clock,
    identity: Identity,
    pins: &Pins,
) -> Result<(Engine, Shelf, Remembered), NotStarted> {
    let mut statements = Vec::new();
    let found = store.reader().restore(|some| statements.extend(some.into_iter().map(|(_, sealed)| sealed)))?;
    let mut actor = [0; 16];
    getrandom::fill(&mut actor).map_err(io::Error::other)?;
    let chunks = found.documents.into_iter().flat_map(|(id, chunks)| chunks.into_iter().map(move |c| (id, c)));
    let (shelf, damages) = Shelf::load(actor, chunks);
    for damage in damages {
        tracing::error!(?damage, "a document is damaged; what can be read of it is used");
    }
    let (wishes, pinned) = pin(shelf.wishes().clone(), pins);
    let own_slots = found.own_slots.into_iter().map(|(kind, day, next)| ((kind, day), next)).collect();
    let mut engine = Engine::new(identity, Restored { wishes, pinned, own_slots, next_call: found.next_call });
    for sealed in &statements {
        engine.restore(sealed);
    }
    engine.restored(clock.now());
    Ok((engine, shelf, found.peers))
}

/// Puts the values that the configuration file pins over the wishes, and names them.
fn pin(mut wishes: Wishes, pins: &Pins) -> (Wishes, Vec<String>) {
    let mut pinned = Vec::new();
    if let Some(region) = &pins.region {
        wishes.settings.region.clone_from(region);
        pinned.push("region".to_owned());
    }
    if let Some(anonymous) = pins.anonymous {
        wishes.settings.anonymous = anonymous;
        pinned.push("anonymous".to_owned());
    }
    if let Some(invalid) = pins.invalid {
        wishes.settings.invalid = invalid;
        pinned.push("invalid".to_owned());
    }
    (wishes, pinned)
}

type MeshDoors = (
    mpsc::Sender<meerkat_protocols::mesh::Order>,
    mpsc::Receiver<meerkat_protocols::mesh::Event>,
    Option<meerkat_network::Network>,
);

/// Starts the network; without it the node screens by what it knows.
fn network(loaded: &Loaded, secret: meerkat_network::NetworkKey, remembered: Remembered) -> MeshDoors {
    let wanted = &loaded.settings.network;
    let settings = meerkat_network::Settings {
        secret,
        listen: wanted.listen.clone(),
        peers: wanted.peers.clone(),
        remembered,
        mdns: wanted.mdns,
    };
    match meerkat_network::start(&settings) {
        Ok(mut network) => {
            let (_, nothing) = mpsc::channel(1);
            let events = std::mem::replace(&mut network.events, nothing);
            (network.orders.clone(), events, Some(network))
        }
        Err(why) => {
            tracing::error!(%why, "no connection to neighbours");
            let ((orders, _), (events, trouble)) = (mpsc::channel(ORDER_QUEUE), mpsc::channel(1));
            let said = events.try_send(meerkat_protocols::mesh::Event::Trouble(why.to_string()));
            debug_assert!(said.is_ok(), "the channel is new");
            (orders, trouble, None)
        }
    }
}

/// The page's two doors: the browser's and the command line's.
struct Page {
    address: SocketAddr,
    tasks: [JoinHandle<()>; 2],
}

impl Page {
    async fn open(loaded: &Loaded, wiring: Wiring, stopped: watch::Receiver<bool>) -> Result<Self, NotStarted> {
        let wished = loaded.settings.web.listen;
        let listener = bind(wished).await.map_err(|why| NotStarted::Page(wished, why))?;
        let address = listener.local_addr()?;
        let path = loaded.settings.data.join(SOCKET);
        let local = OwnerListener::open(&path).map_err(|why| NotStarted::Socket(path, why))?;
        let told = |mut stopped: watch::Receiver<bool>| async move {
            let _ = stopped.wait_for(|stop| *stop).await;
        };
        let browser = axum::serve(
            listener,
            meerkat_web::router(wiring.clone()).into_make_service_with_connect_info::<SocketAddr>(),
        )
        .with_graceful_shutdown(told(stopped.clone()));
        let terminal = axum::serve(local, meerkat_web::local_router(wiring).into_make_service())
            .with_graceful_shutdown(told(stopped));
        let said = |result: io::Result<()>| {
            if let Err(why) = result {
                tracing::error!(%why, "a door of the page is closed");
            }
        };
        let browser = tokio::spawn(async move { said(browser.await) });
        let terminal = tokio::spawn(async move { said(terminal.await) });
        Ok(Self { address, tasks: [browser, terminal] })
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits for what is being answered; open event streams are cut at the deadline.
    async fn close(self) {
        for mut task in self.tasks {
            if tokio::time::timeout(STOP_WITHIN, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// The wished address, or another port of the same host if it is taken: a page elsewhere is better than none.
async fn bind(wished: SocketAddr) -> io::Result<TcpListener> {
    match TcpListener::bind(wished).await {
        Err(why) if why.kind() == io::ErrorKind::AddrInUse => {
            tracing::warn!(%wished, "another program serves at the page's address; a free port is used instead");
            TcpListener::bind((wished.ip(), 0)).await
        }
        other => other,
    }
}

fn greet(access: &Access, page: &Page, safe_mode: bool) -> Result<(), NotStarted> {
    let mut out = io::stdout().lock();
    if access.is_claimed() == Some(false) {
        let token = access.issue_claim()?;
        greeting::claim(&mut out, &page.url(), &token.url_fragment())?;
    }
    greeting::ready(&mut out, &page.url(), safe_mode)?;
    Ok(())
}

/// Waits for SIGINT or SIGTERM; `true` if the engine ended before.
async fn until_told_to_stop(engine: &std::thread::JoinHandle<()>) -> bool {
    let mut look = tokio::time::interval(Duration::from_secs(1));
    let signal = told();
    tokio::pin!(signal);
    loop {
        tokio::select! {
            () = &mut signal => return false,
            _ = look.tick() => if engine.is_finished() { return true },
        }
    }
}

async fn told() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!("the system tells no signals; only a kill stops this node");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

async fn stop_at_once() {
    told().await;
    tracing::warn!("stopped at once, as asked a second time");
    std::process::exit(130);
}

async fn join(name: &str, thread: std::thread::JoinHandle<()>) {
    let joined = tokio::task::spawn_blocking(move || thread.join());
    match tokio::time::timeout(STOP_WITHIN * 2, joined).await {
        Ok(Ok(Ok(()))) => {}
        Ok(_) => tracing::error!(name, "a thread ended by a fault of ours"),
        Err(_) => tracing::warn!(name, "a thread did not end in time"),
    }
}

/// Closes the store in order; what still holds it is let go by the end of the process, and the next start checks.
fn close(store: Arc<Store>) {
    match Arc::try_unwrap(store) {
        Ok(store) => {
            if let Err(why) = store.close() {
                tracing::warn!(%why, "the store was not closed in order and is checked at the next start");
            }
        }
        Err(_) => tracing::warn!("the store is still in use and is checked at the next start"),
    }
}
