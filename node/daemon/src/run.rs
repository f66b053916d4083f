//! The one place where the daemon is put together, from top to bottom, and taken apart in reverse.
//!
//! Phone and page answer before anything slow happens: while the store is checked, calls ring by the gateway's watchdog
//! and `/health` says that the node is starting.

use std::{io, sync::Arc, thread::JoinHandle};

use meerkat_core::{Becoming, Engine, Restored};
use meerkat_protocols::{
    audit::{Actor, Deed},
    letter::SealSecret,
};
use meerkat_store::{Keeper, Store};
use meerkat_web::{Access, EventLog, Wiring};
use tokio::sync::{mpsc, watch};

use crate::{
    clock::Clock,
    greeting,
    kept::{self, Kept, Remade, Remembered},
    locked::{self, Telephone},
    log, machine,
    not_started::NotStarted,
    page::Page,
    planned, releasing,
    settings::{self, Flags, Loaded, Surroundings},
    signals::{self, STOP_WITHIN, Told},
    threads::{Doors, EngineThread, ExchangesThread, Jobs, Loads, Ports, Stored, Voice, Writer},
};

/// Waiting places for what people ask.
const COMMAND_QUEUE: usize = 256;
/// Waiting places for what the engine orders.
const ORDER_QUEUE: usize = 1_024;
/// Waiting places for what exchanges report: four frames of each that may be under way.
const NEWS_QUEUE: usize = 16;
/// Event ids taken for one run: at 50 calls a second and three events a call they last for nine weeks, and 2^64 for
/// 10^13 starts.
const EVENTS_A_RUN: u64 = 1_000_000_000;

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
    let folder = locked::take(&loaded)?;
    let mut telephone = Telephone::start(&loaded);
    let Some(key) = locked::key(&loaded, &folder, &mut telephone, clock).await? else { return Ok(()) };
    let mut kept = Kept::open(&loaded, &folder, key, clock)?;
    loop {
        let mut running = Running::start(&loaded, clock, kept, telephone).await?;
        running.greet(loaded.safe_mode)?;
        let told = signals::until_told_to_stop(&running.engine, &mut running.becoming, &running.keeper).await;
        let hurry = tokio::spawn(signals::stop_at_once());
        tracing::info!("stopping");
        let (store, keeper) = running.stop().await;
        if let Told::Become(becoming) = &told {
            // It goes on as a part of another home, in the same process.
            telephone = Telephone::start(&loaded);
            kept = Kept::moved(keeper, becoming, &loaded)?;
            hurry.abort();
            continue;
        }
        drop(keeper);
        kept::close(store);
        if let Told::Restored = &told {
            telephone = Telephone::start(&loaded);
            folder.take_in_restored()?;
            let Some(key) = locked::key(&loaded, &folder, &mut telephone, clock).await? else { return Ok(()) };
            kept = Kept::open(&loaded, &folder, key, clock)?;
            hurry.abort();
            continue;
        }
        tracing::info!("stopped");
        let died = matches!(told, Told::EngineDied);
        let fault = || io::Error::other("the engine ended by itself; calls rang unscreened").into();
        return if died { Err(fault()) } else { Ok(()) };
    }
}

/// Everything that runs, in the order in which it was started.
struct Running {
    store: Arc<Store>,
    keeper: Keeper,
    sip: Option<meerkat_sip::Gateway>,
    stop: watch::Sender<bool>,
    writer: JoinHandle<()>,
    access: Access,
    events: EventLog,
    page: Page,
    weekly: tokio::task::JoinHandle<()>,
    /// What looks now and then and may be stopped anywhere.
    beside: [tokio::task::JoinHandle<()>; 2],
    network: Option<meerkat_network::Network>,
    workers: [JoinHandle<()>; 2],
    exchanges: Option<JoinHandle<()>>,
    loads: JoinHandle<()>,
    engine: JoinHandle<()>,
    becoming: mpsc::UnboundedReceiver<Box<Becoming>>,
}

impl Running {
    async fn start(loaded: &Loaded, clock: Clock, kept: Kept, telephone: Telephone) -> Result<Self, NotStarted> {
        let Kept { keeper, keys, identity, lost } = kept;
        let store = Arc::clone(keeper.store());
        // It fails open until the engine answers.
        let Telephone { sip, events: phone, acts, .. } = telephone;

        // The page.
        let (stop, stopped) = watch::channel(false);
        let (committed_in, committed) = mpsc::unbounded_channel();
        let (writer, writer_thread) = Writer::start(keeper.clone(), committed_in.clone())?;
        let first_look = Engine::new(identity.clone(), Restored::default()).snapshot(clock.now());
        let (snapshot_in, snapshot) = watch::channel(Arc::new(first_look));
        // It rises with each start, so it tells this run from those before.
        let start = store.raise_event_floor(EVENTS_A_RUN)?;
        if let Err(why) = keeper.copy_identity() {
            tracing::warn!(%why, "the copy of this node's keys is not of today");
        }
        for lost in lost {
            // The engine that hears of it is about to start.
            let _ = committed_in.send(Stored::Damaged(lost.words()));
        }
        let events = EventLog::new(start, web_clock(clock), snapshot.clone());
        let (reader_in, reader) = watch::channel(None);
        let (commands_in, commands) = mpsc::channel(COMMAND_QUEUE);
        let access = Access::new(access_door(writer.clone()), web_clock(clock), snapshot.clone());
        let planning = commands_in.clone();
        let wiring = Wiring {
            commands: commands_in,
            snapshot,
            reader,
            access: access.clone(),
            events: events.clone(),
            machine: Arc::new(machine::describe(loaded, keys.peer)),
            clock: web_clock(clock),
            keeper: keeper.clone(),
        };
        let looked = wiring.snapshot.clone();
        let page = Page::open(loaded, wiring, stopped.clone()).await?;

        // The store, checked and read.
        let seal = SealSecret::from_bytes(keys.seal.to_bytes());
        let run = kept::run(start)?;
        let Remade { mut engine, exchanges, shelf, peers } =
            kept::restore(&keeper, clock, &identity, loaded, (seal.clone(), run)).await?;
        // With the accounts, before anybody is let in.
        snapshot_in.send_replace(Arc::new(engine.snapshot(clock.now())));
        access.restore_from(&store.reader())?;
        reader_in.send_replace(Some(store.reader()));
        let (may_read, may_load) = (reader_in.subscribe(), reader_in.subscribe());
        let weekly =
            tokio::spawn(kept::check_weekly(Arc::clone(&store), clock, writer.clone(), reader_in, committed_in));

        // The neighbourhood and the engine.
        let (orders, network_events, mut network) = network(loaded, keys.network.clone(), peers);
        let (done_in, done) = mpsc::unbounded_channel();
        let (next_key, rewrap) = (kept::next_key(&store), releasing::rewrap(&keeper));
        let voice = Voice { key: keys.statement, seal, shelf, next_key, rewrap };
        let (jobs, workers) = Jobs::start(voice, done_in)?;
        let (notices, notices_out) = mpsc::unbounded_channel();
        let (news_in, news) = mpsc::channel(NEWS_QUEUE);
        let way = network.as_mut().and_then(|network| network.exchanges.take());
        let exchanges =
            way.map(|way| ExchangesThread::start(exchanges, clock, way, notices_out, news_in, may_read)).transpose()?;
        let (loaded_in, read) = mpsc::unbounded_channel();
        let (loads, loads_thread) = Loads::start(may_load, loaded_in)?;
        let network_in = network_events;
        let doors = Doors {
            phone,
            committed,
            done,
            commands,
            network: network_in,
            exchanges: news,
            loaded: read,
            stop: stopped,
        };
        let sink = events.clone();
        let sink = Box::new(move |event| {
            sink.push(&event);
        });
        let (becoming_in, becoming) = mpsc::unbounded_channel();
        let ports = Ports {
            acts,
            orders,
            notices,
            writer,
            jobs,
            loads,
            events: sink,
            snapshot: snapshot_in,
            becoming: becoming_in,
        };
        let engine = EngineThread::start(engine, clock, doors, ports)?;
        rotate_on(&keeper, clock)?;
        let beside = [
            tokio::spawn(releasing::follow(looked, keeper.clone())),
            tokio::spawn(planned::follow(keeper.clone(), clock, planning)),
        ];
        Ok(Self {
            store,
            keeper,
            sip,
            stop,
            writer: writer_thread,
            access,
            events,
            page,
            weekly,
            beside,
            network,
            workers,
            exchanges,
            loads: loads_thread,
            engine,
            becoming,
        })
    }

    fn greet(&self, safe_mode: bool) -> Result<(), NotStarted> {
        let mut out = io::stdout().lock();
        if self.access.is_claimed() == Some(false) {
            let token = self.access.issue_claim()?;
            greeting::claim(&mut out, &self.page.url(), &token.url_fragment())?;
        }
        greeting::ready(&mut out, &self.page.url(), safe_mode)?;
        Ok(())
    }

    /// Stops in reverse, each stage with a deadline. The store is left, to be closed or to be gone on with.
    async fn stop(self) -> (Arc<Store>, Keeper) {
        if let Some(sip) = self.sip {
            sip.shutdown(STOP_WITHIN).await;
        }
        self.keeper.stop();
        self.stop.send_replace(true);
        if let Some(network) = self.network {
            network.shutdown(STOP_WITHIN).await;
        }
        join("engine", self.engine).await;
        if let Some(exchanges) = self.exchanges {
            join("exchanges", exchanges).await;
        }
        join("loads", self.loads).await;
        self.weekly.abort();
        self.beside.iter().for_each(tokio::task::JoinHandle::abort);
        self.events.close();
        self.page.close().await;
        drop((self.access, self.events));
        for worker in self.workers {
            join("workers", worker).await;
        }
        join("writer", self.writer).await;
        (self.store, self.keeper)
    }
}

/// Goes on with a replacement of the data key that a stop interrupted.
fn rotate_on(keeper: &Keeper, clock: Clock) -> io::Result<()> {
    if keeper.is_rotating() {
        let keeper = keeper.clone();
        std::thread::Builder::new().name("rotation".into()).spawn(move || match keeper.rotate() {
            Ok(false) => {}
            Ok(true) => {
                tracing::info!("the data key was replaced");
                let deed = Deed::done(Actor::Node, "key.rotation", "");
                if let Err(why) = keeper.store().note_deeds(clock.now().wall, &[deed]) {
                    tracing::warn!(%why, "a line of the audit log is not saved");
                }
            }
            Err(why) => tracing::error!(%why, "the data key is not replaced yet"),
        })?;
    }
    Ok(())
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
        relay: meerkat_network::RelayFor::from_word(&wanted.relay).unwrap_or_default(),
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

async fn join(name: &str, thread: JoinHandle<()>) {
    let joined = tokio::task::spawn_blocking(move || thread.join());
    match tokio::time::timeout(STOP_WITHIN * 2, joined).await {
        Ok(Ok(Ok(()))) => {}
        Ok(_) => tracing::error!(name, "a thread ended by a fault of ours"),
        Err(_) => tracing::warn!(name, "a thread did not end in time"),
    }
}
