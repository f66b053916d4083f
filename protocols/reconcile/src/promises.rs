//! Holds a peer to what it offered.

use std::collections::BTreeSet;

use crate::exchange::{Cut, Found};
use crate::hash::{Id, Key, ShortId};

/// A peer sends what it offered without being asked again; so long between two arrivals is no sending.
const ARRIVAL_MS: u64 = 30_000;

/// What a peer said it has and we lack, until it has come.
#[derive(Debug)]
pub struct Promises {
    key: Key,
    waiting: BTreeSet<ShortId>,
    due_ms: u64,
}

impl Promises {
    /// From what an exchange found.
    #[must_use]
    pub fn new(found: &Found, now_ms: u64) -> Self {
        let waiting = found.fetch.iter().copied().collect();
        Self { key: Key::new(found.salt), waiting, due_ms: now_ms.saturating_add(ARRIVAL_MS) }
    }

    /// What stands for this id has come: the hash of the bytes that came, never what the peer calls them.
    ///
    /// # Errors
    /// [`Cut::Unasked`] if it was not offered, or came already.
    pub fn arrived(&mut self, id: &Id, now_ms: u64) -> Result<(), Cut> {
        if !self.waiting.remove(&self.key.short(id)) {
            return Err(Cut::Unasked);
        }
        self.due_ms = now_ms.saturating_add(ARRIVAL_MS);
        Ok(())
    }

    /// The peer had to wait for us, and its time begins anew.
    pub(crate) fn renew(&mut self, now_ms: u64) {
        self.due_ms = now_ms.saturating_add(ARRIVAL_MS);
    }

    /// How many are still to come.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// When [`Self::check`] is due, if anything is still to come.
    #[must_use]
    pub fn next_wakeup_ms(&self) -> Option<u64> {
        (!self.waiting.is_empty()).then_some(self.due_ms)
    }

    /// Whether the peer keeps sending.
    ///
    /// # Errors
    /// [`Cut::BrokenPromise`].
    pub fn check(&self, now_ms: u64) -> Result<(), Cut> {
        let late = self.next_wakeup_ms().is_some_and(|due_ms| now_ms >= due_ms);
        if late { Err(Cut::BrokenPromise) } else { Ok(()) }
    }
}
