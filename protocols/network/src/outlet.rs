//! The way of events to the node, which may be slow: nothing here waits for it and nothing here grows.

use std::collections::VecDeque;

use meerkat_protocols::mesh::Event;
use tokio::sync::mpsc;

/// Troubles that wait; later ones of a stuck node say nothing new.
const MAX_TROUBLES: usize = 16;

pub(crate) struct Outlet {
    queue: mpsc::Sender<Event>,
    /// What found the queue full, in order. At most one per peer and per address, since opposites cancel, so the
    /// connection limits bound it.
    waiting: VecDeque<Event>,
}

impl Outlet {
    pub(crate) fn new(queue: mpsc::Sender<Event>) -> Self {
        Self { queue, waiting: VecDeque::new() }
    }

    /// An event that must arrive.
    pub(crate) fn send(&mut self, event: Event) {
        if !self.waiting.is_empty() {
            return self.wait(event);
        }
        match self.queue.try_send(event) {
            Err(mpsc::error::TrySendError::Full(event)) => self.wait(event),
            // Nobody listens any more: we are being shut down.
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
        }
    }

    /// An event that may be lost; returns whether it was taken.
    pub(crate) fn offer(&mut self, event: Event) -> bool {
        self.waiting.is_empty() && self.queue.try_send(event).is_ok()
    }

    pub(crate) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Passes waiting events on as the queue empties; returns when none wait. Nothing is lost when it is cancelled.
    pub(crate) async fn drain(&mut self) {
        while !self.waiting.is_empty() {
            let Ok(permit) = self.queue.reserve().await else { return self.waiting.clear() };
            if let Some(event) = self.waiting.pop_front() {
                permit.send(event);
            }
        }
    }

    fn wait(&mut self, event: Event) {
        if let Some(at) = self.waiting.iter().position(|other| cancels(other, &event)) {
            self.waiting.remove(at);
            return;
        }
        if let Some(older) = self.waiting.iter_mut().find(|other| replaces(&event, other)) {
            *older = event;
            return;
        }
        let troubles = self.waiting.iter().filter(|event| matches!(event, Event::Trouble(_))).count();
        if !matches!(event, Event::Trouble(_)) || troubles < MAX_TROUBLES {
            self.waiting.push_back(event);
        }
    }
}

/// Whether the older need not be told any more.
fn replaces(newer: &Event, older: &Event) -> bool {
    match (newer, older) {
        (Event::Reachable { .. }, Event::Reachable { .. }) => true,
        (Event::PathChanged { peer: one, .. }, Event::PathChanged { peer: other, .. }) => one == other,
        _ => false,
    }
}

/// Whether the second undoes the first, so that the node need hear of neither.
fn cancels(first: &Event, second: &Event) -> bool {
    match (first, second) {
        (Event::Connected { peer: one, .. }, Event::Disconnected { peer: other })
        | (Event::Disconnected { peer: one }, Event::Connected { peer: other, .. }) => one == other,
        (Event::Listening { address: one }, Event::Deaf { address: other })
        | (Event::Deaf { address: one }, Event::Listening { address: other }) => one == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use meerkat_protocols::mesh::{Found, MessageRef, Path, Peer};

    use super::*;

    fn connected(number: u8) -> Event {
        Event::Connected { peer: Peer([number; 32]), address: String::new(), found: Found::Nearby, path: Path::Direct }
    }

    fn gossip() -> Event {
        Event::Gossip { message: MessageRef(0), from: Peer([0; 32]), data: Vec::new() }
    }

    #[tokio::test]
    async fn a_slow_node_loses_gossip_but_no_connection() {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut outlet = Outlet::new(sender);
        assert!(outlet.offer(gossip()));
        assert!(!outlet.offer(gossip()));
        outlet.send(connected(1));
        outlet.send(connected(2));
        for _ in 0..1000 {
            outlet.send(connected(3));
            outlet.send(Event::Disconnected { peer: Peer([3; 32]) });
            outlet.send(Event::Trouble("again".to_owned()));
            outlet.send(Event::Reachable { public: true });
            outlet.send(Event::PathChanged { peer: Peer([1; 32]), path: Path::Direct });
        }
        assert_eq!(outlet.waiting.len(), 4 + MAX_TROUBLES);
        assert_eq!(receiver.recv().await, Some(gossip()));
        assert!(!outlet.offer(gossip()), "gossip does not overtake");
        let reader = tokio::spawn(async move {
            let mut seen = Vec::new();
            while let Some(event) = receiver.recv().await {
                seen.push(event);
            }
            seen
        });
        outlet.drain().await;
        assert!(!outlet.is_waiting());
        drop(outlet);
        let seen = reader.await.expect("no panic");
        assert_eq!(seen[..2], [connected(1), connected(2)]);
        assert_eq!(seen.len(), 4 + MAX_TROUBLES);
    }
}
