//! All documents of a home.

use std::collections::BTreeMap;

use automerge::{
    ActorId, AutomergeError, ObjId, ReadDoc, ScalarValue, Value,
    transaction::{Transactable, Transaction},
};
use meerkat_protocols::{
    home::HomeId,
    number::Region,
    wishes::{DocumentId, Edit, Entry, MAX_ENTRIES, Settings, Subject, Wishes},
};

use crate::{
    document::{Damage, Document, Edited, Refused},
    reading::{self, Oddity},
    schema,
};

/// The most names of homes: a home vouches for 12, and names outlive vouches for a while.
const MAX_NAMES: usize = 1_000;

/// All documents of a home, loaded, with what they say.
pub struct Shelf {
    documents: BTreeMap<DocumentId, Document>,
    wishes: Wishes,
    oddities: BTreeMap<DocumentId, Vec<Oddity>>,
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
        let mut shelf = Self { documents: BTreeMap::new(), wishes: Wishes::default(), oddities: BTreeMap::new() };
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

    fn document(&mut self, id: DocumentId) -> &mut Document {
        self.documents.get_mut(&id).expect("load made one for every id")
    }

    fn read(&mut self, id: DocumentId) {
        if let Some(document) = self.documents.get_mut(&id) {
            let oddities = document.read(&mut self.wishes);
            self.oddities.insert(id, oddities);
        }
    }

    fn set_entry(&mut self, subject: &Subject, entry: &Entry) -> Result<Edited, Refused> {
        let entry = Entry::tidy(entry.standing, &entry.label, &entry.notes);
        if self.wishes.lists.len() >= MAX_ENTRIES && !self.wishes.lists.contains_key(subject) {
            return Err(Refused::Full);
        }
        let key = subject.key();
        let edited = self.document(DocumentId::Lists).edit(|tx| {
            set(tx, DocumentId::Lists, schema::STANDING, &key, entry.standing.word())?;
            set(tx, DocumentId::Lists, schema::LABEL, &key, &entry.label)?;
            set(tx, DocumentId::Lists, schema::NOTES, &key, &entry.notes)
        })?;
        self.wishes.lists.insert(subject.clone(), entry);
        Ok(edited)
    }

    fn remove_entry(&mut self, subject: &Subject) -> Result<Edited, Refused> {
        let key = subject.key();
        let edited = self.document(DocumentId::Lists).edit(|tx| {
            [schema::STANDING, schema::LABEL, schema::NOTES]
                .into_iter()
                .try_for_each(|field| set(tx, DocumentId::Lists, field, &key, ""))
        })?;
        self.wishes.lists.remove(subject);
        Ok(edited)
    }

    /// Writes the lists anew without the entry: a document remembers every text that ever stood in it.
    fn erase_entry(&mut self, subject: &Subject) -> Result<Edited, Refused> {
        let mut kept = self.wishes.lists.clone();
        kept.remove(subject);
        let edited = self.document(DocumentId::Lists).write_anew(|tx| {
            kept.iter().try_for_each(|(subject, entry)| {
                let key = subject.key();
                set(tx, DocumentId::Lists, schema::STANDING, &key, entry.standing.word())?;
                set(tx, DocumentId::Lists, schema::LABEL, &key, &entry.label)?;
                set(tx, DocumentId::Lists, schema::NOTES, &key, &entry.notes)
            })
        })?;
        self.wishes.lists = kept;
        Ok(edited)
    }

    fn set_settings(&mut self, settings: &Settings) -> Result<Edited, Refused> {
        let region: Region =
            settings.region.parse().map_err(|_| Refused::NoSuchRegion(settings.region.chars().take(8).collect()))?;
        let settings = Settings { region: region.code(), ..settings.clone() };
        // Compared with what holds, not with what is written: a default stays unwritten until somebody departs from it.
        let old = self.wishes.settings.clone();
        let edited = self.document(DocumentId::Settings).edit(|tx| {
            let mut write = |name, old: &str, new: &str| match old == new {
                true => Ok(()),
                false => set(tx, DocumentId::Settings, schema::SETTINGS, name, new),
            };
            write(schema::REGION, &old.region, &settings.region)?;
            write(schema::ANONYMOUS, old.anonymous.word(), settings.anonymous.word())?;
            write(schema::INVALID, old.invalid.word(), settings.invalid.word())?;
            write(schema::RANGES, reading::switch_word(old.ranges), reading::switch_word(settings.ranges))
        })?;
        self.wishes.settings = settings;
        Ok(edited)
    }

    fn name_neighbour(&mut self, home: HomeId, name: &str) -> Result<Edited, Refused> {
        let name = reading::neighbour_name(name);
        if name.is_empty() {
            return self.forget_neighbour(home);
        }
        if self.wishes.neighbours.len() >= MAX_NAMES && !self.wishes.neighbours.contains_key(&home) {
            return Err(Refused::TooManyNames);
        }
        let edited = self
            .document(DocumentId::Neighbours)
            .edit(|tx| set(tx, DocumentId::Neighbours, schema::NAME, &home.to_string(), &name))?;
        self.wishes.neighbours.insert(home, name);
        Ok(edited)
    }

    fn forget_neighbour(&mut self, home: HomeId) -> Result<Edited, Refused> {
        let edited = self
            .document(DocumentId::Neighbours)
            .edit(|tx| set(tx, DocumentId::Neighbours, schema::NAME, &home.to_string(), ""))?;
        self.wishes.neighbours.remove(&home);
        Ok(edited)
    }
}

/// Sets one scalar of the map `field` if it differs; an empty text is an absent one.
fn set(tx: &mut Transaction<'_>, id: DocumentId, field: &str, key: &str, text: &str) -> Result<(), AutomergeError> {
    let map: ObjId =
        schema::map(tx, id, field).ok_or_else(|| AutomergeError::InvalidObjId(format!("no map `{field}`")))?;
    let old = tx.get(&map, key)?;
    match old {
        None if text.is_empty() => Ok(()),
        Some(_) if text.is_empty() => tx.delete(&map, key),
        Some((Value::Scalar(old), _)) if matches!(&*old, ScalarValue::Str(old) if old == text) => Ok(()),
        _ => tx.put(&map, key, text),
    }
}
