//! The engine's thread: takes inputs in the order of their haste, drives the engine, hands out its deeds.

use std::{collections::BTreeMap, sync::Arc, thread::JoinHandle, time::Duration};

use meerkat_core::{
    Becoming, Command, CommandId, Deed, Done, Engine, Event, ExchangeNews, Input, JobId, LoadId, Loaded, Notice,
    Refusal, Reply, Snapshot,
};
use meerkat_protocols::{mesh, phone};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::Instant,
};

use super::{Jobs, Loads, Stored, Writer};
use crate::clock::Clock;

/// How long a change may wait to be seen by those who only look, if nobody was told of it.
const SNAPSHOT_EVERY: Duration = Duration::from_millis(100);
/// How long an orderly stop waits for the last batch.
const FLUSH_WITHIN: Duration = Duration::from_secs(5);

/// A command with the way back for its answer.
pub type Ask = (Command, oneshot::Sender<Result<Reply, Refusal>>);

/// Where events go. It must not wait: the engine stands still until it returns.
pub trait EventSink: Send + 'static {
    /// Takes an event.
    fn push(&mut self, event: Event);
}

impl<F: FnMut(Event) + Send + 'static> EventSink for F {
    fn push(&mut self, event: Event) {
        self(event);
    }
}

/// The ways in, in the order in which they are looked at.
pub struct Doors {
    /// What the telephone gateways report.
    pub phone: mpsc::Receiver<phone::Event>,
    /// What the writer has done.
    pub committed: mpsc::UnboundedReceiver<Stored>,
    /// What the workers have done.
    pub done: mpsc::UnboundedReceiver<(JobId, Done)>,
    /// What people ask.
    pub commands: mpsc::Receiver<Ask>,
    /// What the network reports.
    pub network: mpsc::Receiver<mesh::Event>,
    /// What exchanges report.
    pub exchanges: mpsc::Receiver<ExchangeNews>,
    /// What was read for other members.
    pub loaded: mpsc::UnboundedReceiver<(LoadId, Loaded)>,
    /// Set to stop in order.
    pub stop: watch::Receiver<bool>,
}

/// The ways out.
pub struct Ports {
    /// To the telephone gateways.
    pub acts: mpsc::Sender<phone::Act>,
    /// To the network.
    pub orders: mpsc::Sender<mesh::Order>,
    /// To those who compare with peers. They are told little more often than something is written, and never waited for.
    pub notices: mpsc::UnboundedSender<Notice>,
    /// To the disk.
    pub writer: Writer,
    /// To the workers.
    pub jobs: Jobs,
    /// To the thread that reads from the store.
    pub loads: Loads,
    /// To those who listen.
    pub events: Box<dyn EventSink>,
    /// To those who look.
    pub snapshot: watch::Sender<Arc<Snapshot>>,
    /// To whoever stops everything and starts it as a part of another home.
    pub becoming: mpsc::UnboundedSender<Box<Becoming>>,
}

/// The engine with all its doors, before its thread runs.
pub struct EngineThread {
    engine: Engine,
    clock: Clock,
    doors: Doors,
    ports: Ports,
    asked: BTreeMap<CommandId, oneshot::Sender<Result<Reply, Refusal>>>,
    next_command: u64,
    published_at: Instant,
    unseen: bool,
}

impl EngineThread {
    /// Starts the thread. It ends after [`Doors::stop`] is set and the last batch is on disk.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(engine: Engine, clock: Clock, doors: Doors, ports: Ports) -> std::io::Result<JoinHandle<()>> {
        std::thread::Builder::new().name("engine".into()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(why) => {
                    tracing::error!(%why, "the engine has no clock and cannot run: calls ring unscreened");
                    return;
                }
            };
            runtime.block_on(async {
                let this = Self {
                    engine,
                    clock,
                    doors,
                    ports,
                    asked: BTreeMap::new(),
                    next_command: 0,
                    published_at: Instant::now(),
                    unseen: true,
                };
                // On the heap: the node with all it holds in memory is larger than a stack frame should be.
                Box::pin(this.run()).await;
            });
        })
    }

    async fn run(mut self) {
        self.publish();
        self.deal_out();
        while let Some(input) = self.next().await {
            self.handle(input);
        }
        self.stop().await;
    }

    fn handle(&mut self, input: Input) {
        self.engine.handle(self.clock.now(), input);
        self.unseen = true;
        self.deal_out();
        if self.published_at.elapsed() >= SNAPSHOT_EVERY {
            self.publish();
        }
    }

    /// The next input; `None` when it is time to stop.
    async fn next(&mut self) -> Option<Input> {
        loop {
            let wake = self.wake_at();
            let Doors { phone, committed, done, commands, network, exchanges, loaded, stop } = &mut self.doors;
            tokio::select! {
                biased;
                Some(event) = phone.recv() => return Some(Input::Phone(event)),
                Some(stored) = committed.recv() => return Some(told(stored)),
                Some((job, result)) = done.recv() => return Some(Input::Done(job, result)),
                Some((command, answer)) = commands.recv() => {
                    let id = CommandId(self.next_command);
                    self.next_command += 1;
                    self.asked.insert(id, answer);
                    return Some(Input::Command(id, command));
                }
                Some((id, loaded)) = loaded.recv() => return Some(Input::Loaded(id, loaded)),
                Some(event) = network.recv() => return Some(Input::Network(event)),
                Some(news) = exchanges.recv() => return Some(Input::Exchange(news)),
                stopped = stop.wait_for(|stop| *stop) => {
                    let _ = stopped;
                    return None;
                }
                () = tokio::time::sleep_until(wake) => {}
            }
            if self.published_at.elapsed() >= SNAPSHOT_EVERY {
                self.publish();
            }
            if self.engine.next_wakeup().is_some_and(|at| at <= self.clock.mono_ms()) {
                return Some(Input::Wake);
            }
        }
    }

    fn wake_at(&self) -> Instant {
        let idle = Instant::now() + Duration::from_secs(3_600);
        let wake = self.engine.next_wakeup().map_or(idle, |at| Instant::from_std(self.clock.instant(at)));
        if self.unseen { wake.min(self.published_at + SNAPSHOT_EVERY) } else { wake }
    }

    fn deal_out(&mut self) {
        while let Some(deed) = self.engine.poll_output() {
            match deed {
                Deed::Answer(act) => {
                    if self.ports.acts.try_send(act).is_err() {
                        tracing::warn!("the telephone gateway takes no answers: its watchdog lets the call ring");
                    }
                }
                Deed::Order(order) => {
                    if let Err(lost) = self.ports.orders.try_send(order) {
                        tracing::warn!("the network takes no orders now: one was left out");
                        if let Some(nothing) = unanswered(&lost.into_inner()) {
                            self.engine.handle(self.clock.now(), Input::Network(nothing));
                        }
                    }
                }
                Deed::Notice(notice) => {
                    // Without a network nobody listens.
                    let _ = self.ports.notices.send(notice);
                }
                Deed::Commit(batch) => self.ports.writer.batch(batch),
                Deed::Job(id, job) => self.ports.jobs.start_job(id, job),
                Deed::Load(id, load) => self.ports.loads.load(id, load),
                Deed::Reply(id, reply) => {
                    // Whoever is told that something is done must find it in the picture.
                    self.publish();
                    if let Some(answer) = self.asked.remove(&id) {
                        let _ = answer.send(reply);
                    }
                }
                Deed::Become(becoming) => {
                    self.publish();
                    if self.ports.becoming.send(becoming).is_err() {
                        tracing::error!("nobody is left to move this node to another home");
                    }
                }
                Deed::Event(event) => {
                    self.publish();
                    self.ports.events.push(event);
                }
            }
        }
    }

    fn publish(&mut self) {
        if self.unseen {
            self.unseen = false;
            self.published_at = Instant::now();
            self.ports.snapshot.send_replace(Arc::new(self.engine.snapshot(self.clock.now())));
        }
    }

    /// Sends what waits to disk and waits for it, so that a stop in order loses nothing.
    async fn stop(mut self) {
        let deadline = Instant::now() + FLUSH_WITHIN;
        self.engine.flush(self.clock.now());
        self.deal_out();
        while !self.engine.is_saved() {
            let committed = tokio::time::timeout_at(deadline, self.doors.committed.recv()).await;
            let Ok(Some(stored)) = committed else {
                tracing::warn!("stopped before the disk took the last writes");
                return;
            };
            if let Stored::Batch(_, Err(_)) = stored {
                return;
            }
            self.engine.handle(self.clock.now(), told(stored));
            self.engine.flush(self.clock.now());
            self.deal_out();
        }
    }
}

/// What the network would say in the end, had it taken the order.
fn unanswered(order: &mesh::Order) -> Option<mesh::Event> {
    match order {
        mesh::Order::Request { request, .. } => Some(mesh::Event::Unanswered { request: *request }),
        mesh::Order::Ping { peer } => Some(mesh::Event::Pinged { peer: *peer, rtt_us: None, path: mesh::Path::Direct }),
        _ => None,
    }
}

fn told(stored: Stored) -> Input {
    match stored {
        Stored::Batch(batch, result) => Input::Committed(batch, result),
        Stored::Damaged(what) => Input::Damaged(what),
    }
}
