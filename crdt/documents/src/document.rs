//! One document: loading, editing and taking in changes, with every touch of Automerge guarded.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::{
    ActorId, Automerge, AutomergeError, Change, ChangeHash, ReadDoc,
    transaction::{CommitOptions, Transaction},
};
use meerkat_protocols::wishes::{DocumentId, Generation, MAX_ENTRIES, Wishes};

use crate::{
    content::{self, Content},
    founding::{self, Founded},
    guard::{self, Chunk, Unsafe},
    reading::{self, Oddity},
    schema,
};

/// After so many increments an edit gives the whole document, which replaces them. A start reads at most this many
/// records per document, and the whole is written at most once in as many edits.
pub const INCREMENTS_PER_WHOLE: usize = 256;

/// Operations beyond which a document is worth founding anew, if they are also
/// [`OPERATIONS_PER_VALUE`] times what it says.
const MIN_OPERATIONS: u64 = 10_000;
/// How many operations a value may have behind it: at four, half of what is loaded and kept is past.
const OPERATIONS_PER_VALUE: u64 = 4;

/// What is wrong with a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A chunk was turned away unread.
    #[error("{0}")]
    Unsafe(#[from] Unsafe),
    /// Automerge found a contradiction in it.
    #[error("its changes contradict each other")]
    Contradiction,
    /// Automerge panicked over it.
    #[error("reading it failed inside the document library")]
    Panicked,
    /// A change builds on others that are not there.
    #[error("changes that others build on are missing")]
    Incomplete,
}

/// A document that could not be read whole. It is used as far as it was read, and refuses edits until
/// [`Shelf::accept_loss`](crate::Shelf::accept_loss).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the {document:?} document is damaged: {fault}; it is used as far as it can be read, and cannot be edited")]
pub struct Damage {
    /// Which.
    pub document: DocumentId,
    /// The first thing found wrong.
    pub fault: Fault,
}

/// What the store writes after an edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edited {
    /// Of which document.
    pub document: DocumentId,
    /// The bytes; empty when the edit changed nothing, and then there is nothing to write.
    pub change: Vec<u8>,
    /// Whether the bytes are the whole document and replace all chunks kept so far, instead of being appended.
    pub whole: bool,
}

/// Why an edit was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The lists are full.
    #[error("the lists hold {MAX_ENTRIES} entries, which is the most: remove some, or use patterns such as +4930*")]
    Full,
    /// More names than there can be vouches.
    #[error("more homes are named than can be vouched for: forget some first")]
    TooManyNames,
    /// No such country.
    #[error("`{0}` is not a country: use two letters such as DE")]
    NoSuchRegion(String),
    /// The document is damaged.
    #[error("{0}: restore a backup, or accept the loss of what cannot be read")]
    Damaged(#[from] Damage),
    /// A newer program wrote the document.
    #[error("another node of this home runs a newer Meerkat and wrote version {0}: update this node to edit here")]
    Newer(u64),
    /// Changes from another node that cannot be taken in.
    #[error("what the other node sent was turned away: {0}")]
    Unfit(Fault),
    /// More than the document takes.
    #[error("there are {0} of these already, which is the most: remove some first")]
    TooMany(usize),
    /// A name or key that a document does not take.
    #[error("this name cannot be used: {0}")]
    Unusable(&'static str),
}

/// Changes that were taken in, each with what it builds on.
pub(crate) type Taken = Vec<(ChangeHash, Vec<ChangeHash>)>;

/// One loaded document.
pub(crate) struct Document {
    pub(crate) id: DocumentId,
    pub(crate) doc: Automerge,
    pub(crate) actor: ActorId,
    /// Who made its first change and its maps.
    pub(crate) founder: ActorId,
    pub(crate) generation: Generation,
    /// The highest operation counter in it.
    pub(crate) max_op: u64,
    /// The heads that the store has.
    saved: Vec<ChangeHash>,
    /// Chunks the store keeps beside the last whole.
    increments: usize,
    pub(crate) fault: Option<Fault>,
}

impl Document {
    /// Loads what it can, and says what it could not.
    pub(crate) fn load(id: DocumentId, actor: &ActorId, chunks: &[Vec<u8>]) -> Self {
        let mut this = Self::new(id, actor);
        let first = this.doc.get_heads();
        let mut changes = Vec::new();
        for bytes in chunks {
            if let Err(fault) = this.read_chunk(bytes, &mut changes) {
                this.damaged(fault);
            }
        }
        this.apply_what_fits(changes);
        if this.fault.is_none() && !this.doc.get_missing_deps(&[]).is_empty() {
            this.damaged(Fault::Incomplete);
        }
        // An empty store has nothing, not even the first change; but that one needs no saving.
        this.saved = if chunks.is_empty() { first } else { this.doc.get_heads() };
        this.increments = chunks.len().saturating_sub(1);
        if this.fault.is_none() && caught(|| schema::migrate(&mut this.doc)).is_err() {
            this.damaged(Fault::Panicked);
        }
        this
    }

    fn new(id: DocumentId, actor: &ActorId) -> Self {
        let doc = schema::create(id, actor).expect("an empty document takes scalars and maps");
        let saved = doc.get_heads();
        // The first change has at most one operation for the version and one per map.
        Self {
            id,
            max_op: 8,
            doc,
            actor: actor.clone(),
            founder: schema::creator(id),
            generation: Generation::default(),
            saved,
            increments: 0,
            fault: None,
        }
    }

    /// A document of a later generation before anything of it has come from a member.
    pub(crate) fn awaited(id: DocumentId, actor: &ActorId, generation: Generation) -> Self {
        let mut this = Self::new(id, actor);
        this.doc = Automerge::new().with_actor(actor.clone());
        this.founder = ActorId::from(generation.founding);
        (this.generation, this.max_op, this.saved) = (generation, 0, Vec::new());
        this
    }

    fn damaged(&mut self, fault: Fault) {
        self.fault.get_or_insert(fault);
    }

    pub(crate) fn damage(&self) -> Option<Damage> {
        self.fault.map(|fault| Damage { document: self.id, fault })
    }

    /// Measures a chunk; takes a whole document in at once and leaves changes to be applied together.
    fn read_chunk(&mut self, bytes: &[u8], changes: &mut Vec<Change>) -> Result<(), Fault> {
        for chunk in guard::chunks(bytes)? {
            match chunk {
                Chunk::Document(whole) => self.take_whole(whole)?,
                Chunk::Change(change) => {
                    self.max_op = guard::counter(&change, self.max_op)?;
                    changes.push(*change);
                }
            }
        }
        Ok(())
    }

    fn take_whole(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let (mut whole, max_op) = caught(|| {
            let doc = Automerge::load(bytes)?;
            let max_op = doc.get_changes_meta(&[]).iter().map(|change| change.max_op).max().unwrap_or(0);
            Ok((doc, max_op))
        })?;
        if max_op > guard::MAX_OP {
            return Err(Unsafe::TooFarAhead.into());
        }
        if let Some((generation, founder)) = founding_of(&whole).filter(|(generation, _)| *generation > self.generation)
        {
            // The store keeps no more of the generations before it.
            self.doc = whole.with_actor(self.actor.clone());
            (self.generation, self.founder, self.max_op) = (generation, founder, max_op);
            return Ok(());
        }
        // Taking the loaded document for ours is much cheaper than merging it, and the usual case.
        let heads = self.doc.get_heads();
        let contains_ours = heads.iter().all(|head| whole.get_change_meta_by_hash(head).is_some());
        self.doc = if contains_ours {
            whole.with_actor(self.actor.clone())
        } else {
            let mut copy = self.doc.clone();
            caught(move || copy.merge(&mut whole).map(|_| copy))?
        };
        self.max_op = self.max_op.max(max_op);
        Ok(())
    }

    /// Applies all changes together; if that fails, one by one, leaving out what does not fit.
    fn apply_what_fits(&mut self, changes: Vec<Change>) {
        if changes.is_empty() {
            return;
        }
        match applied(&self.doc, &changes) {
            Ok(doc) => self.doc = doc,
            Err(fault) => {
                self.damaged(fault);
                for change in changes {
                    if let Ok(doc) = applied(&self.doc, std::slice::from_ref(&change)) {
                        self.doc = doc;
                    }
                }
            }
        }
    }

    /// Runs `write` as one change with the time 0.
    pub(crate) fn edit(
        &mut self,
        write: impl FnOnce(&mut Transaction<'_>) -> Result<(), AutomergeError>,
    ) -> Result<Edited, Refused> {
        self.writable()?;
        let id = self.id;
        let doc = &mut self.doc;
        let committed = caught(|| {
            let mut tx = doc.transaction();
            write(&mut tx)?;
            let (hash, _) = tx.commit_with(CommitOptions::default().with_time(0));
            Ok(hash.and_then(|hash| doc.get_change_meta_by_hash(&hash).map(|change| change.max_op)))
        });
        match committed {
            Ok(max_op) => self.max_op = self.max_op.max(max_op.unwrap_or(0)),
            Err(fault) => {
                self.damaged(fault);
                return Err(Damage { document: id, fault }.into());
            }
        }
        Ok(self.unsaved())
    }

    fn writable(&self) -> Result<(), Refused> {
        if let Some(damage) = self.damage() {
            return Err(damage.into());
        }
        match schema::version(&self.doc) {
            Some(version) if version > schema::VERSION => Err(Refused::Newer(version)),
            _ => Ok(()),
        }
    }

    /// Takes in what another node of the home sent: all of it or nothing.
    pub(crate) fn absorb(&mut self, bytes: &[u8]) -> Result<Edited, Refused> {
        if let Some(damage) = self.damage() {
            return Err(damage.into());
        }
        let (actor, founder) = (self.actor.clone(), self.founder.clone());
        let mut next = Self { doc: self.doc.clone(), saved: Vec::new(), actor, founder, ..*self };
        let mut changes = Vec::new();
        next.read_chunk(bytes, &mut changes).map_err(Refused::Unfit)?;
        next.doc = applied(&next.doc, &changes).map_err(Refused::Unfit)?;
        if !next.doc.get_missing_deps(&[]).is_empty() {
            return Err(Refused::Unfit(Fault::Incomplete));
        }
        (self.doc, self.max_op) = (next.doc, next.max_op);
        Ok(self.unsaved())
    }

    /// What the store does not have yet.
    pub(crate) fn unsaved(&mut self) -> Edited {
        let heads = self.doc.get_heads();
        if heads == self.saved {
            return Edited { document: self.id, change: Vec::new(), whole: false };
        }
        if self.increments + 1 >= INCREMENTS_PER_WHOLE {
            return self.whole();
        }
        let change = self.doc.save_after(&self.saved);
        self.increments += 1;
        self.saved = heads;
        Edited { document: self.id, change, whole: false }
    }

    /// What it says, without how it came to say it.
    pub(crate) fn content(&self) -> Content {
        Content::of(&self.doc, self.id, &self.founder, self.generation)
    }

    /// Whether its past has outgrown what it says.
    pub(crate) fn has_outgrown(&self) -> bool {
        let operations = self.doc.stats().num_ops;
        if self.fault.is_some() || operations < MIN_OPERATIONS {
            return false;
        }
        let maps = schema::maps(self.id).iter().filter_map(|name| schema::map(&self.doc, &self.founder, name));
        let values: u64 = maps.map(|map| self.doc.length(&map) as u64).sum();
        operations > MIN_OPERATIONS + OPERATIONS_PER_VALUE * values
    }

    /// Makes the next generation of the document from `content`, in the place of this one. It has another actor, for the
    /// changes of the old one are gone and their numbers must not be used twice.
    pub(crate) fn found_anew(&mut self, content: &Content) -> Result<Edited, Refused> {
        self.writable()?;
        let (id, count, actor) = (self.id, self.generation.count.saturating_add(1), self.next_actor());
        let founded = caught(|| founding::found(id, count, content, &actor));
        let founded = founded.map_err(|fault| Refused::Damaged(Damage { document: id, fault }))?;
        self.become_founded(founded, actor);
        Ok(self.whole())
    }

    fn become_founded(&mut self, founded: Founded, actor: ActorId) {
        (self.doc, self.founder, self.generation) = (founded.doc, founded.founder, founded.generation);
        self.actor = actor;
        self.max_op = self.doc.get_changes_meta(&[]).iter().map(|change| change.max_op).max().unwrap_or(0);
    }

    /// The successor of its actor: the actor was drawn at random at the start, so its successors are nobody's either.
    pub(crate) fn next_actor(&self) -> ActorId {
        let mut actor = self.actor.to_bytes().to_vec();
        for byte in actor.iter_mut().rev() {
            *byte = byte.wrapping_add(1);
            if *byte != 0 {
                break;
            }
        }
        ActorId::from(actor)
    }

    /// Takes a later generation, complete as a member sent it, for its own, with what only this node knows brought into
    /// it. Gives whether it has to be founded again because it holds what was erased here.
    pub(crate) fn adopt(&mut self, later: &Self) -> Result<(Edited, bool), Fault> {
        let (id, actor) = (self.id, later.actor.clone());
        if founding_of(&later.doc) != Some((later.generation, later.founder.clone())) {
            return Err(Fault::Contradiction);
        }
        let (ours, theirs) = (self.content(), later.content());
        let (doc, again) = caught(|| {
            let mut doc = later.doc.clone().with_actor(actor.clone());
            let again = founding::bring(&mut doc, id, &later.founder, &ours, &theirs)?;
            Ok((doc, again))
        })?;
        let generation = later.generation;
        self.become_founded(Founded { doc, founder: later.founder.clone(), generation }, actor);
        Ok((self.whole(), again))
    }

    /// All of it, to replace what the store has.
    pub(crate) fn whole(&mut self) -> Edited {
        self.increments = 0;
        self.saved = self.doc.get_heads();
        Edited { document: self.id, change: self.doc.save(), whole: true }
    }

    /// The whole document as it can be read, without a note in the books; empty if not even that works.
    pub(crate) fn save(&self) -> Vec<u8> {
        caught(|| Ok(self.doc.save())).unwrap_or_default()
    }

    /// Reads it into its part of the wishes; what was read before stays if that fails.
    pub(crate) fn read(&mut self, wishes: &mut Wishes) -> Vec<Oddity> {
        match caught(|| Ok(reading::read(&self.doc, &self.founder, self.id, wishes))) {
            Ok(oddities) => oddities,
            Err(fault) => {
                self.damaged(fault);
                Vec::new()
            }
        }
    }

    /// Makes what could be read the document.
    pub(crate) fn accept_loss(&mut self) -> Result<Edited, Refused> {
        // What waits for missing changes would be saved with it and found missing again.
        let options = automerge::SaveOptions { deflate: true, retain_orphans: false };
        let kept =
            caught(|| Ok(self.doc.save_with_options(options))).map_err(|fault| Damage { document: self.id, fault })?;
        let mended = Self::load(self.id, &self.actor, &[kept]);
        if let Some(damage) = mended.damage() {
            return Err(damage.into());
        }
        *self = mended;
        Ok(self.whole())
    }
}

/// The founding of a document that is not of the first generation.
fn founding_of(doc: &Automerge) -> Option<(Generation, ActorId)> {
    let first = doc.get_changes_meta(&[]).into_iter().find(|change| change.deps.is_empty())?;
    let founder = first.actor.into_owned();
    let founding = founder.to_bytes().try_into().ok()?;
    let count = content::count_of(doc).filter(|count| *count > 0)?;
    Some((Generation { count, founding }, founder))
}

/// A copy of `doc` with the changes.
pub(crate) fn applied(doc: &Automerge, changes: &[Change]) -> Result<Automerge, Fault> {
    caught(|| {
        let mut copy = doc.clone();
        copy.apply_changes(changes.iter().cloned())?;
        Ok(copy)
    })
}

/// Runs `touch` so that neither an error nor a panic of Automerge leaves this package. What `touch` changed must not be
/// used after a panic: callers hand in copies, or close the document.
pub(crate) fn caught<T>(touch: impl FnOnce() -> Result<T, AutomergeError>) -> Result<T, Fault> {
    match catch_unwind(AssertUnwindSafe(touch)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(_)) => Err(Fault::Contradiction),
        Err(_) => Err(Fault::Panicked),
    }
}
