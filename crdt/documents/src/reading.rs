//! From document to typed view. Reading is tolerant: what is unknown or of the wrong type is skipped and reported, and
//! the rest holds.

use std::collections::BTreeMap;

use automerge::{Automerge, ReadDoc, ScalarValueRef, ValueRef};
use meerkat_protocols::{
    facts::Verdict,
    home::HomeId,
    number::Region,
    text,
    wishes::{DocumentId, Entry, Lists, MAX_LABEL_CHARS, NeighbourNames, Settings, Standing, Subject, Wishes},
};

use crate::schema;

/// Something in a document that this program does not understand and left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{count} values under `{field}` in the {document:?} document are not understood and left alone")]
pub struct Oddity {
    /// Where.
    pub document: DocumentId,
    /// Which field.
    pub field: &'static str,
    /// How many values. Not which: they may name people.
    pub count: usize,
}

/// Reads one document into its part of the wishes.
pub(crate) fn read(doc: &Automerge, id: DocumentId, wishes: &mut Wishes) -> Vec<Oddity> {
    let mut reader = Reader { doc, id, oddities: Vec::new() };
    match id {
        DocumentId::Lists => wishes.lists = reader.lists(),
        DocumentId::Settings => wishes.settings = reader.settings(),
        DocumentId::Neighbours => wishes.neighbours = reader.neighbours(),
    }
    reader.oddities
}

struct Reader<'a> {
    doc: &'a Automerge,
    id: DocumentId,
    oddities: Vec<Oddity>,
}

impl Reader<'_> {
    /// The values of the map `field` that `understand` makes sense of.
    fn map<K: Ord, V>(
        &mut self,
        field: &'static str,
        understand: impl Fn(&str, &str) -> Option<(K, V)>,
    ) -> BTreeMap<K, V> {
        let mut out = BTreeMap::new();
        let mut odd = 0;
        if let Some(object) = schema::map(self.doc, self.id, field) {
            for item in self.doc.map_range(&object, ..) {
                let understood = match &item.value {
                    ValueRef::Scalar(ScalarValueRef::Str(value)) => understand(&item.key, value),
                    _ => None,
                };
                match understood {
                    Some((key, value)) => drop(out.insert(key, value)),
                    None => odd += 1,
                }
            }
        } else {
            odd = 1;
        }
        if odd > 0 {
            self.oddities.push(Oddity { document: self.id, field, count: odd });
        }
        out
    }

    fn lists(&mut self) -> Lists {
        let standings = self.map(schema::STANDING, |key, word| Some((subject(key)?, Standing::from_word(word)?)));
        let mut labels = self.map(schema::LABEL, |key, label| Some((subject(key)?, label.to_owned())));
        let mut notes = self.map(schema::NOTES, |key, notes| Some((subject(key)?, notes.to_owned())));
        standings
            .into_iter()
            .map(|(subject, standing)| {
                let label = labels.remove(&subject).unwrap_or_default();
                let notes = notes.remove(&subject).unwrap_or_default();
                let entry = Entry::tidy(standing, &label, &notes);
                (subject, entry)
            })
            .collect()
    }

    fn settings(&mut self) -> Settings {
        let mut settings = Settings::default();
        // All values are strings; which are valid is seen per name.
        let values = self.map(schema::SETTINGS, |name, value| {
            let fits = match name {
                schema::REGION => value.parse::<Region>().is_ok(),
                schema::ANONYMOUS | schema::INVALID => verdict(value).is_some(),
                schema::RANGES => switch(value).is_some(),
                _ => false,
            };
            fits.then(|| (name.to_owned(), value.to_owned()))
        });
        if let Some(region) = values.get(schema::REGION).and_then(|v| v.parse::<Region>().ok()) {
            settings.region = region.code();
        }
        if let Some(verdict) = values.get(schema::ANONYMOUS).and_then(|v| verdict(v)) {
            settings.anonymous = verdict;
        }
        if let Some(verdict) = values.get(schema::INVALID).and_then(|v| verdict(v)) {
            settings.invalid = verdict;
        }
        if let Some(ranges) = values.get(schema::RANGES).and_then(|v| switch(v)) {
            settings.ranges = ranges;
        }
        settings
    }

    fn neighbours(&mut self) -> NeighbourNames {
        self.map(schema::NAME, |home, name| Some((home.parse::<HomeId>().ok()?, neighbour_name(name))))
    }
}

/// The subject of a key in its one spelling: two spellings of a number would be two entries.
fn subject(key: &str) -> Option<Subject> {
    Subject::from_key(key).filter(|subject| subject.key() == key)
}

fn verdict(word: &str) -> Option<Verdict> {
    Verdict::ALL.into_iter().find(|v| v.word() == word)
}

/// How a switch stands.
fn switch(word: &str) -> Option<bool> {
    [true, false].into_iter().find(|on| switch_word(*on) == word)
}

pub(crate) fn switch_word(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

/// A neighbour's name, inert and bounded like a label.
pub(crate) fn neighbour_name(name: &str) -> String {
    text::inert(name).chars().take(MAX_LABEL_CHARS).collect()
}
