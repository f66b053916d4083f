//! What a document takes in from a member, change by change.

use automerge::{ActorId, Automerge, Change, ChangeHash, ReadDoc};

use crate::{
    document::{Document, Edited, Fault, Taken, applied, caught},
    guard::{self, Chunk},
};

impl Document {
    /// What of these changes fits is taken in; what builds on missing ones is left in `waiting`.
    ///
    /// # Errors
    /// The first fault, with the actor of the change that has it; what fitted before stays.
    pub(crate) fn take_changes(&mut self, waiting: &mut Vec<Change>) -> Result<Taken, (Fault, ActorId)> {
        let ready = self.ready(waiting);
        let taken = ready.iter().map(|change| (change.hash(), change.deps().to_vec())).collect();
        if ready.is_empty() {
            return Ok(taken);
        }
        let mut max_op = self.max_op;
        for change in &ready {
            max_op = guard::counter(change, max_op).map_err(|why| (why.into(), change.actor_id().clone()))?;
        }
        if let Ok(doc) = applied(&self.doc, &ready) {
            (self.doc, self.max_op) = (doc, max_op);
            return Ok(taken);
        }
        let mut wrong = None;
        for change in &ready {
            match applied(&self.doc, std::slice::from_ref(change)) {
                Ok(doc) if doc.get_missing_deps(&[]).is_empty() => self.doc = doc,
                // What builds on a change that was turned away is turned away with it.
                Ok(_) => {}
                Err(fault) => drop(wrong.get_or_insert((fault, change.actor_id().clone()))),
            }
        }
        self.max_op = max_op;
        wrong.map_or(Ok(taken), Err)
    }

    /// Takes from `waiting` what is new and builds on nothing that is missing, in an order in which it can be applied.
    fn ready(&self, waiting: &mut Vec<Change>) -> Vec<Change> {
        let mut known = std::collections::BTreeSet::new();
        let mut ready = Vec::new();
        waiting.retain(|change| self.doc.get_change_meta_by_hash(&change.hash()).is_none());
        loop {
            let before = ready.len();
            waiting.retain(|change| {
                let there = |dep: &ChangeHash| known.contains(dep) || self.doc.get_change_meta_by_hash(dep).is_some();
                if known.contains(&change.hash()) {
                    return false;
                }
                let fits = change.deps().iter().all(there);
                if fits {
                    known.insert(change.hash());
                    ready.push(change.clone());
                }
                !fits
            });
            if ready.len() == before {
                return ready;
            }
        }
    }

    /// Takes the chunks that a member sent apart; a whole document becomes the changes it is made of.
    pub(crate) fn changes_in(&self, bytes: &[u8]) -> Result<Vec<Change>, Fault> {
        let mut changes = Vec::new();
        for chunk in guard::chunks(bytes)? {
            match chunk {
                Chunk::Change(change) => changes.push(*change),
                Chunk::Document(whole) => {
                    let whole = caught(|| Automerge::load(whole))?;
                    changes.extend(whole.get_changes(&[]));
                }
            }
        }
        Ok(changes)
    }

    /// What a member sent, for the store. While the store's own chunks are damaged nothing is added to them.
    pub(crate) fn taken(&mut self) -> Edited {
        if self.fault.is_some() {
            return Edited { document: self.id, change: Vec::new(), whole: false };
        }
        self.unsaved()
    }

    /// A member's document, which is sound, is here as a whole: what was damaged is replaced by it.
    pub(crate) fn heal(&mut self) -> Option<Edited> {
        self.fault.take()?;
        if !self.doc.get_missing_deps(&[]).is_empty() {
            let options = automerge::SaveOptions { deflate: true, retain_orphans: false };
            let kept = caught(|| Automerge::load(&self.doc.save_with_options(options))).ok()?;
            self.doc = kept.with_actor(self.actor.clone());
        }
        Some(self.whole())
    }
}
