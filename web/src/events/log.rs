//! The log: the last ten thousand events, each written once and read by every door.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::extract::ws::Utf8Bytes;
use meerkat_core::{Event as Core, Snapshot};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::{
    Clock,
    events::frame::{Event, Nothing, Wanted, What},
};

/// Events kept for readers that come back: at 600 bytes each 6 MB when full, and hours of a busy home.
const KEPT: usize = 10_000;
/// Readers at once, over all doors.
const MAX_READERS: usize = 1_024;
/// Events handed over at once.
pub(crate) const BATCH: usize = 500;

/// What happened. Cheap to clone; all clones are one log.
#[derive(Clone)]
pub struct EventLog(Arc<Inner>);

impl std::fmt::Debug for EventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "EventLog(…{})", self.last())
    }
}

struct Inner {
    clock: Clock,
    /// The home's lists give numbers their labels.
    snapshot: watch::Receiver<Arc<Snapshot>>,
    ring: Mutex<Ring>,
    mark: watch::Sender<Mark>,
    readers: Arc<Semaphore>,
}

struct Ring {
    entries: VecDeque<Entry>,
    next: u64,
}

/// An event as it goes out.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) id: u64,
    kind: &'static str,
    pub(crate) json: Utf8Bytes,
}

/// How far the log has come.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) last: u64,
    pub(crate) closed: bool,
}

/// What a reader gets.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) entries: Vec<Entry>,
    /// To read on from: all up to this id was looked at.
    pub(crate) last: u64,
}

impl EventLog {
    /// An empty log whose first event gets the id after `floor`. The floor must be above every id that an earlier run
    /// of this node gave out, so that a reader's place never means two events.
    #[must_use]
    pub fn new(floor: u64, clock: Clock, snapshot: watch::Receiver<Arc<Snapshot>>) -> Self {
        let ring = Mutex::new(Ring { entries: VecDeque::new(), next: floor + 1 });
        let mark = watch::Sender::new(Mark { last: floor, closed: false });
        Self(Arc::new(Inner { clock, snapshot, ring, mark, readers: Arc::new(Semaphore::new(MAX_READERS)) }))
    }

    /// Adds an event and returns its id. Waits for nobody.
    pub fn push(&self, event: &Core) -> u64 {
        if let Core::NumberForgotten(number) = event {
            self.forget(&number.reveal());
        }
        let lists = Arc::clone(&self.0.snapshot.borrow().lists);
        self.write((self.0.clock)().wall, What::of(event, &lists))
    }

    /// Empties the events that name a number. Their ids stay, so that no reader finds a gap.
    fn forget(&self, number: &str) {
        let what = What::CallsErased(Nothing {});
        for entry in self.ring().entries.iter_mut().filter(|entry| entry.json.contains(number)) {
            let emptied = Event { id: entry.id, at: None, what: what.clone() };
            (entry.kind, entry.json) = (what.kind(), json(&emptied));
        }
    }

    /// Ends all readers: the node stops.
    pub fn close(&self) {
        self.0.mark.send_modify(|mark| mark.closed = true);
    }

    fn write(&self, at: Option<i64>, what: What) -> u64 {
        let kind = what.kind();
        let mut ring = self.ring();
        let id = ring.next;
        let json = json(&Event { id, at, what });
        if ring.entries.len() == KEPT {
            ring.entries.pop_front();
        }
        ring.entries.push_back(Entry { id, kind, json });
        ring.next += 1;
        drop(ring);
        // Another writer may have been faster; the mark never goes back.
        self.0.mark.send_modify(|mark| mark.last = mark.last.max(id));
        id
    }

    /// The id of the latest event.
    #[must_use]
    pub fn last(&self) -> u64 {
        self.ring().next - 1
    }

    /// The events after `since` that are wanted, the oldest first, at most [`BATCH`] of them. If some after `since` are
    /// no longer held, the first entry is a gap whose id is the place from which on nothing is missing. 0 stands for
    /// the oldest that is held.
    pub(crate) fn read(&self, since: u64, wanted: &Wanted) -> Batch {
        let ring = self.ring();
        let last = ring.next - 1;
        let before_oldest = last - ring.entries.len() as u64;
        let lost = since > last || (since < before_oldest && since != 0);
        let from = if since > last { last } else { since.max(before_oldest) };
        let mut batch = Batch { entries: vec![], last: from };
        if lost {
            batch.entries.push(gap(from));
        }
        let skip = usize::try_from(from - before_oldest).unwrap_or(usize::MAX);
        for entry in ring.entries.iter().skip(skip) {
            batch.last = entry.id;
            if wanted.wants(entry.kind) {
                batch.entries.push(entry.clone());
            }
            if batch.entries.len() == BATCH {
                break;
            }
        }
        batch
    }

    /// Tells when the log has moved on.
    pub(crate) fn watch(&self) -> watch::Receiver<Mark> {
        self.0.mark.subscribe()
    }

    /// A place among the readers, if one is free.
    pub(crate) fn seat(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.0.readers).try_acquire_owned().ok()
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.0.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gap(id: u64) -> Entry {
    let what = What::Gap(Nothing {});
    Entry { id, kind: what.kind(), json: json(&Event { id, at: None, what }) }
}

fn json(event: &Event) -> Utf8Bytes {
    serde_json::to_string(event).expect("an event is plain data with text keys").into()
}

#[cfg(test)]
mod tests {
    use meerkat_protocols::facts::Seq;
    use proptest::prelude::*;

    use super::*;

    fn empty(floor: u64) -> EventLog {
        let (_, snapshot) = watch::channel(Arc::new(crate::testing::snapshot()));
        EventLog::new(floor, crate::testing::clock(), snapshot)
    }

    fn filled(floor: u64, events: u64) -> EventLog {
        let log = empty(floor);
        for n in 0..events {
            log.push(&Core::CallSaved(Seq(n)));
        }
        log
    }

    fn ids(batch: &Batch) -> Vec<u64> {
        batch.entries.iter().map(|e| e.id).collect()
    }

    #[test]
    fn a_reader_ahead_of_the_log_or_too_far_behind_is_told_of_the_gap() {
        let all = Wanted::default();
        let log = filled(100, 3);
        assert_eq!(ids(&log.read(103, &all)), [0; 0]);
        let ahead = log.read(500, &all);
        assert_eq!((ids(&ahead), ahead.entries[0].kind, ahead.last), (vec![103], "gap", 103));
        let behind = log.read(7, &all);
        assert_eq!((ids(&behind), behind.entries[0].kind), (vec![100, 101, 102, 103], "gap"));
        assert_eq!(ids(&log.read(0, &all)), [101, 102, 103]);
        assert_eq!(ids(&log.read(100, &all)), [101, 102, 103]);
    }

    #[test]
    fn the_oldest_leave_when_the_log_is_full() {
        let log = filled(0, KEPT as u64 + 5);
        let batch = log.read(4, &Wanted::default());
        assert_eq!((batch.entries[0].kind, batch.entries[0].id, batch.entries[1].id), ("gap", 5, 6));
        assert_eq!(batch.entries.len(), BATCH);
        assert_eq!(log.read(5, &Wanted::default()).entries[0].id, 6);
    }

    #[test]
    fn only_wanted_types_come_and_the_place_moves_on_all_the_same() {
        let log = filled(0, 3);
        let wanted = Wanted::new(["alarm.*"]).expect("few");
        let batch = log.read(0, &wanted);
        assert_eq!((batch.entries.len(), batch.last), (0, 3));
        log.push(&Core::AlarmRaised(meerkat_core::Alarm::ClockNotSet));
        assert_eq!(ids(&log.read(batch.last, &wanted)), [4]);
    }

    proptest! {
        #[test]
        fn reading_on_from_any_place_gives_each_event_once(
            floor in 0u64..1_000, events in 0u64..1_500, splits in proptest::collection::vec(0u64..1_500, 0..5)
        ) {
            let log = empty(floor);
            let mut splits = splits;
            splits.sort_unstable();
            let (mut place, mut seen) = (floor, vec![]);
            for n in 0..events {
                if splits.contains(&n) {
                    let batch = log.read(place, &Wanted::default());
                    seen.extend(ids(&batch));
                    place = batch.last;
                }
                log.push(&Core::CallSaved(Seq(n)));
            }
            loop {
                let batch = log.read(place, &Wanted::default());
                if batch.entries.is_empty() {
                    break;
                }
                seen.extend(ids(&batch));
                place = batch.last;
            }
            prop_assert_eq!(seen, (floor + 1..=floor + events).collect::<Vec<_>>());
        }
    }
}
