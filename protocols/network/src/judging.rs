//! Messages that wait for the node's word.

use std::collections::BTreeMap;

use libp2p::PeerId;
use libp2p::gossipsub::MessageId;
use meerkat_protocols::mesh::MessageRef;
use tokio::time::{Duration, Instant};

/// Four full event queues: 4 MiB of messages at the very most, kept by gossipsub until they are judged.
const MAX_WAITING: usize = 4 * crate::EVENT_QUEUE;

/// gossipsub forgets an unjudged message after `behaviour::HISTORY` heartbeats of a second; we are earlier, so that
/// every message is answered.
pub(crate) const PATIENCE: Duration = Duration::from_secs(8);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) id: MessageId,
    pub(crate) from: PeerId,
    until: Instant,
}

#[derive(Default)]
pub(crate) struct Judging {
    next: u64,
    waiting: BTreeMap<u64, Waiting>,
}

impl Judging {
    /// Gives the message a number; `None` when too many wait already.
    pub(crate) fn add(&mut self, id: MessageId, from: PeerId, now: Instant) -> Option<MessageRef> {
        if self.waiting.len() >= MAX_WAITING {
            return None;
        }
        let number = self.next;
        self.next += 1;
        self.waiting.insert(number, Waiting { id, from, until: now + PATIENCE });
        Some(MessageRef(number))
    }

    pub(crate) fn take(&mut self, message: MessageRef) -> Option<Waiting> {
        self.waiting.remove(&message.0)
    }

    /// One whose time is over. Numbers rise with time, so the first is the oldest.
    pub(crate) fn expired(&mut self, now: Instant) -> Option<Waiting> {
        let oldest = self.waiting.first_entry()?;
        (oldest.get().until <= now).then(|| oldest.remove())
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, waiting)| waiting.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_expires_first_and_the_number_is_bounded() {
        let (mut judging, now) = (Judging::default(), Instant::now());
        let from = PeerId::random();
        let first = judging.add(MessageId::new(b"0"), from, now).expect("room");
        for number in 1..MAX_WAITING {
            let id = MessageId::new(number.to_string().as_bytes());
            assert!(judging.add(id, from, now + Duration::from_secs(1)).is_some());
        }
        assert_eq!(judging.add(MessageId::new(b"more"), from, now), None);
        assert_eq!(judging.expired(now), None);
        assert_eq!(judging.next_deadline(), Some(now + PATIENCE));
        assert_eq!(judging.expired(now + PATIENCE).map(|waiting| waiting.id), Some(MessageId::new(b"0")));
        assert_eq!(judging.expired(now + PATIENCE), None);
        assert_eq!(judging.take(first), None);
        assert!(judging.add(MessageId::new(b"more"), from, now).is_some());
    }
}
