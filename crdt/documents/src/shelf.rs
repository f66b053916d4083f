//! All documents of a home.

use std::collections::BTreeMap;

use automerge::ActorId;
use meerkat_protocols::{
    home::NodeNumber,
    wishes::{DocumentId, Edit, Generation, Wishes},
};

use crate::{
    document::{Damage, Document, Edited, Refused},
    reading::Oddity,
    session::Session,
};

/// All documents of a home, loaded, with what they say.
#[derive(Default)]
pub struct Shelf {
    pub(crate) documents: BTreeMap<DocumentId, Document>,
    pub(crate) wishes: Wishes,
    oddities: BTreeMap<DocumentId, Vec<Oddity>>,
    pub(crate) sessions: BTreeMap<(NodeNumber, DocumentId), Session>,
    /// Changes that were made along with the last one, in other documents.
    pub(crate) along: Vec<Edited>,
}

impl Shelf {
    /// Loads the documents from the chunks that the store kept, each document's in the order in which they were written.
    ///
    /// `actor` must be fresh at every start: 16 random bytes. A node restored from a backup that went on as an actor it
    /// had used since would write a second change under a number already taken, and split the home's documents.
    ///
    /// A chunk that cannot be read closes its document for edits and is named in the result. What can be read is used.
    #[must_use]
    pub fn load(actor: [u8; 16], chunks: impl IntoIterator<Item = (DocumentId, Vec<u8>)>) -> (Self, Vec<Damage>) {
        let actor = ActorId::from(actor);
        let mut kept: BTreeMap<DocumentId, Vec<Vec<u8>>> = BTreeMap::new();
        for (id, bytes) in chunks {
            kept.entry(id).or_default().push(bytes);
        }
        let mut shelf = Self::default();
        for id in DocumentId::ALL {
            let document = Document::load(id, &actor, &kept.remove(&id).unwrap_or_default());
            shelf.documents.insert(id, document);
            shelf.read(id);
        }
        let damages = shelf.documents.values().filter_map(Document::damage).collect();
        (shelf, damages)
    }

    /// What the documents say.
    #[must_use]
    pub fn wishes(&self) -> &Wishes {
        &self.wishes
    }

    /// What in the documents is not understood.
    pub fn oddities(&self) -> impl Iterator<Item = &Oddity> {
        self.oddities.values().flatten()
    }

    /// Makes one change. On success [`Shelf::wishes`] already says so, and the result is for the store.
    ///
    /// # Errors
    /// [`Refused`] says why the change was not made and what a person can do; nothing was changed.
    pub fn edit(&mut self, edit: &Edit) -> Result<Edited, Refused> {
        match edit {
            Edit::SetEntry(subject, entry) => self.set_entry(subject, entry),
            Edit::RemoveEntry(subject) => self.remove_entry(subject),
            Edit::EraseEntry(subject) => self.erase_entry(subject),
            Edit::SetSettings(settings) => self.set_settings(settings),
            Edit::NameNeighbour(home, name) => self.name_neighbour(*home, name),
            Edit::ForgetNeighbour(home) => self.forget_neighbour(*home),
            Edit::SetPerson(number, name) => self.set_person(*number, name),
            Edit::RemovePerson(number) => self.set_person(*number, ""),
            Edit::ErasePerson(number) => self.erase_person(*number),
            Edit::SetRules(rules) => self.set_rules(rules),
            Edit::Acknowledge(key, seen) => self.acknowledge(key, seen),
            Edit::SetAccount(name, account) => self.set_account(name, account),
            Edit::RemoveAccount(name) => self.remove_account(name),
            Edit::NoteNode(node, note) => self.note_node(*node, note),
        }
    }

    /// Takes in bytes that another node of this home sent: all of them or nothing.
    ///
    /// # Errors
    /// [`Refused::Unfit`] when they are unsafe, contradict what is here or build on what is not.
    pub fn absorb(&mut self, id: DocumentId, bytes: &[u8]) -> Result<Edited, Refused> {
        let edited = self.document(id).absorb(bytes)?;
        if !edited.change.is_empty() {
            self.read(id);
        }
        Ok(edited)
    }

    /// The whole document, for another node of this home or a backup.
    #[must_use]
    pub fn save(&self, id: DocumentId) -> Vec<u8> {
        self.documents.get(&id).map(Document::save).unwrap_or_default()
    }

    /// Makes what could be read of a damaged document the document, so that it can be edited again. A person decides it:
    /// what could not be read is given up.
    ///
    /// # Errors
    /// When even the readable part does not load again.
    pub fn accept_loss(&mut self, id: DocumentId) -> Result<Edited, Refused> {
        let edited = self.document(id).accept_loss()?;
        self.read(id);
        Ok(edited)
    }

    /// What was changed along with the last edit in other documents; the store writes it after that edit.
    pub fn along(&mut self) -> Vec<Edited> {
        std::mem::take(&mut self.along)
    }

    /// Whether the past of a document has outgrown what it says.
    #[must_use]
    pub fn has_outgrown(&self, id: DocumentId) -> bool {
        self.documents.get(&id).is_some_and(Document::has_outgrown)
    }

    /// In which generation a document is.
    #[must_use]
    pub fn generation(&self, id: DocumentId) -> Generation {
        self.documents.get(&id).map(|document| document.generation).unwrap_or_default()
    }

    pub(crate) fn document(&mut self, id: DocumentId) -> &mut Document {
        self.documents.get_mut(&id).expect("load made one for every id")
    }

    pub(crate) fn read(&mut self, id: DocumentId) {
        if let Some(document) = self.documents.get_mut(&id) {
            let oddities = document.read(&mut self.wishes);
            self.oddities.insert(id, oddities);
        }
    }
}
