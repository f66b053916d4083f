//! Between the lines and the node: events out, verdicts in.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use meerkat_protocols::phone::{Act, Answer, CallId, Event, Incoming, Line};
use tokio::sync::{mpsc, oneshot};

use crate::identity::Caller;

/// Where calls wait for their verdicts.
#[derive(Debug)]
pub(crate) struct Desk {
    events: mpsc::Sender<Event>,
    next_call: Arc<AtomicU64>,
    waiting: Mutex<HashMap<CallId, oneshot::Sender<Answer>>>,
}

/// A call the node knows of. Dropped, it waits no longer.
#[derive(Debug)]
pub(crate) struct Reported {
    pub(crate) call: CallId,
    pub(crate) verdict: oneshot::Receiver<Answer>,
    desk: Arc<Desk>,
}

impl Drop for Reported {
    fn drop(&mut self) {
        self.desk.waiting().remove(&self.call);
    }
}

impl Desk {
    pub(crate) fn new(events: mpsc::Sender<Event>, next_call: Arc<AtomicU64>) -> Arc<Self> {
        Arc::new(Desk { events, next_call, waiting: Mutex::default() })
    }

    /// Tells the node of a call; `None` when its queue is full or gone, and then the call passes.
    pub(crate) fn report(self: &Arc<Self>, line: &Line, caller: Caller) -> Option<Reported> {
        let call = CallId(self.next_call.fetch_add(1, Ordering::Relaxed));
        let (answer, verdict) = oneshot::channel();
        self.waiting().insert(call, answer);
        let reported = Reported { call, verdict, desk: Arc::clone(self) };
        let incoming = Incoming {
            call,
            line: line.clone(),
            caller: caller.user,
            anonymous: caller.anonymous,
            name: caller.name,
            source: caller.source,
            verstat: caller.verstat,
            metadata: caller.metadata,
        };
        self.events.try_send(Event::Incoming(incoming)).ok().map(|()| reported)
    }

    /// Reports what must not be lost. Nobody on the phone waits for this.
    pub(crate) async fn tell(&self, event: Event) {
        // A node that is gone has no use for events.
        let _ = self.events.send(event).await;
    }

    /// Hands verdicts to the calls they are for; one for a call that is over is late and of no use.
    pub(crate) async fn hand_out(self: Arc<Self>, mut acts: mpsc::Receiver<Act>) {
        while let Some(act) = acts.recv().await {
            if let Some(call) = self.waiting().remove(&act.call) {
                let _ = call.send(act.answer);
            }
        }
        // Nobody decides any more: every waiting call learns it now instead of by the watchdog.
        self.waiting().clear();
    }

    fn waiting(&self) -> MutexGuard<'_, HashMap<CallId, oneshot::Sender<Answer>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
