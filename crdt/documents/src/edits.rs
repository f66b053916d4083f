//! The edits: each writes the scalars that differ, in one change.

use automerge::{
    ActorId, AutomergeError, ObjId, ReadDoc, ScalarValue, Value,
    transaction::{Transactable, Transaction},
};
use meerkat_protocols::{
    home::{HomeId, NodeNumber},
    number::{E164, Region},
    wishes::{
        Account, Acknowledged, DocumentId, Entry, MAX_ACCOUNTS, MAX_ACKNOWLEDGED, MAX_ENTRIES, MAX_HASH_CHARS,
        MAX_PEOPLE, MAX_RULES, NodeNote, Rules, Settings, Subject, person_name,
    },
};

use crate::{
    Shelf,
    document::{Edited, Refused},
    reading, schema,
};

/// The most names of homes: a home vouches for 12, and names outlive vouches for a while.
const MAX_NAMES: usize = 1_000;

impl Shelf {
    /// Sets scalars of a document, each in its map: the one way every edit goes.
    pub(crate) fn write(&mut self, id: DocumentId, values: &[(&str, &str, &str)]) -> Result<Edited, Refused> {
        let document = self.document(id);
        let founder = document.founder.clone();
        document.edit(|tx| values.iter().try_for_each(|(field, key, text)| set(tx, &founder, field, key, text)))
    }

    pub(crate) fn set_entry(&mut self, subject: &Subject, entry: &Entry) -> Result<Edited, Refused> {
        let entry = Entry::tidy(entry.standing, &entry.label, &entry.notes);
        if self.wishes.lists.len() >= MAX_ENTRIES && !self.wishes.lists.contains_key(subject) {
            return Err(Refused::Full);
        }
        let key = subject.key();
        let values = [
            (schema::STANDING, key.as_str(), entry.standing.word()),
            (schema::LABEL, &key, &entry.label),
            (schema::NOTES, &key, &entry.notes),
        ];
        let edited = self.write(DocumentId::Lists, &values)?;
        self.wishes.disputed.remove(subject);
        self.wishes.lists.insert(subject.clone(), entry);
        Ok(edited)
    }

    pub(crate) fn remove_entry(&mut self, subject: &Subject) -> Result<Edited, Refused> {
        let key = subject.key();
        let values = [schema::STANDING, schema::LABEL, schema::NOTES].map(|field| (field, key.as_str(), ""));
        let edited = self.write(DocumentId::Lists, &values)?;
        self.wishes.disputed.remove(subject);
        self.wishes.lists.remove(subject);
        Ok(edited)
    }

    /// Founds the lists anew without the entry: a document remembers every text that ever stood in it.
    pub(crate) fn erase_entry(&mut self, subject: &Subject) -> Result<Edited, Refused> {
        self.erase(DocumentId::Lists, &subject.key())
    }

    /// Founds a document anew without the key, and marks it, so that no node that was away brings it back.
    fn erase(&mut self, id: DocumentId, key: &str) -> Result<Edited, Refused> {
        let document = self.document(id);
        let mut content = document.content();
        content.erase(id, key, document.generation.count.saturating_add(1));
        self.found_with(id, &content)
    }

    pub(crate) fn set_settings(&mut self, settings: &Settings) -> Result<Edited, Refused> {
        let region: Region =
            settings.region.parse().map_err(|_| Refused::NoSuchRegion(settings.region.chars().take(8).collect()))?;
        let settings = Settings { region: region.code(), ..settings.clone() };
        // Compared with what holds, not with what is written: a default stays unwritten until somebody departs from it.
        let old = self.wishes.settings.clone();
        let values = [
            (schema::REGION, old.region.as_str(), settings.region.as_str()),
            (schema::ANONYMOUS, old.anonymous.word(), settings.anonymous.word()),
            (schema::INVALID, old.invalid.word(), settings.invalid.word()),
            (schema::RANGES, reading::switch_word(old.ranges), reading::switch_word(settings.ranges)),
        ];
        let changed = values.iter().filter(|(_, old, new)| old != new);
        let values: Vec<_> = changed.map(|(name, _, new)| (schema::SETTINGS, *name, *new)).collect();
        let edited = self.write(DocumentId::Settings, &values)?;
        self.wishes.settings = settings;
        Ok(edited)
    }

    pub(crate) fn name_neighbour(&mut self, home: HomeId, name: &str) -> Result<Edited, Refused> {
        let name = reading::neighbour_name(name);
        if name.is_empty() {
            return self.forget_neighbour(home);
        }
        if self.wishes.neighbours.len() >= MAX_NAMES && !self.wishes.neighbours.contains_key(&home) {
            return Err(Refused::TooManyNames);
        }
        let edited = self.write(DocumentId::Neighbours, &[(schema::NAME, &home.to_string(), &name)])?;
        self.wishes.neighbours.insert(home, name);
        Ok(edited)
    }

    pub(crate) fn forget_neighbour(&mut self, home: HomeId) -> Result<Edited, Refused> {
        let edited = self.write(DocumentId::Neighbours, &[(schema::NAME, &home.to_string(), "")])?;
        self.wishes.neighbours.remove(&home);
        Ok(edited)
    }

    pub(crate) fn set_person(&mut self, number: E164, name: &str) -> Result<Edited, Refused> {
        let (name, key) = (person_name(name), Subject::Number(number).key());
        let people = &self.wishes.people;
        if !name.is_empty() && people.len() >= MAX_PEOPLE && !people.contains_key(&number) {
            return Err(Refused::TooMany(MAX_PEOPLE));
        }
        let edited = self.write(DocumentId::People, &[(schema::NAME, &key, &name)])?;
        match name.is_empty() {
            true => drop(self.wishes.people.remove(&number)),
            false => drop(self.wishes.people.insert(number, name)),
        }
        Ok(edited)
    }

    pub(crate) fn erase_person(&mut self, number: E164) -> Result<Edited, Refused> {
        self.erase(DocumentId::People, &Subject::Number(number).key())
    }

    pub(crate) fn set_rules(&mut self, rules: &Rules) -> Result<Edited, Refused> {
        if rules.tell.keys().any(|kind| !Rules::is_kind(kind)) {
            return Err(Refused::Unusable("there is no such kind of alarm"));
        }
        if rules.tell.len() > MAX_RULES {
            return Err(Refused::TooMany(MAX_RULES));
        }
        let (from, to) = rules.quiet.map(|(from, to)| (from.to_string(), to.to_string())).unwrap_or_default();
        let mut values =
            vec![(schema::QUIET, schema::QUIET_FROM, from.as_str()), (schema::QUIET, schema::QUIET_TO, &to)];
        let gone = self.wishes.rules.tell.keys().filter(|kind| !rules.tell.contains_key(*kind)).cloned();
        let gone: Vec<String> = gone.collect();
        values.extend(gone.iter().map(|kind| (schema::TELL, kind.as_str(), "")));
        values.extend(rules.tell.iter().map(|(kind, on)| (schema::TELL, kind.as_str(), reading::switch_word(*on))));
        let edited = self.write(DocumentId::Rules, &values)?;
        self.wishes.rules = rules.clone();
        Ok(edited)
    }

    /// Notes that an alarm was seen, and forgets the oldest notes when there are too many.
    pub(crate) fn acknowledge(&mut self, key: &str, seen: &Acknowledged) -> Result<Edited, Refused> {
        let key = reading::alarm_key(key).ok_or(Refused::Unusable("it is no alarm's"))?;
        let mut after = self.wishes.acknowledged.clone();
        after.insert(key.clone(), Acknowledged::new(seen.at, &seen.by));
        let mut values = vec![(key.clone(), after[&key].to_text())];
        while after.len() > MAX_ACKNOWLEDGED {
            let oldest = after.iter().min_by_key(|(_, seen)| seen.at).map(|(key, _)| key.clone());
            let Some(oldest) = oldest else { break };
            after.remove(&oldest);
            values.push((oldest, String::new()));
        }
        let values: Vec<_> =
            values.iter().map(|(key, text)| (schema::ACKNOWLEDGED, key.as_str(), text.as_str())).collect();
        let edited = self.write(DocumentId::Acknowledgements, &values)?;
        self.wishes.acknowledged = after;
        Ok(edited)
    }

    pub(crate) fn set_account(&mut self, name: &str, account: &Account) -> Result<Edited, Refused> {
        let fits = !name.is_empty() && person_name(name) == name && person_name(&account.role) == account.role;
        if !fits
            || ["", schema::REMOVED].contains(&account.role.as_str())
            || account.hash.chars().count() > MAX_HASH_CHARS
        {
            return Err(Refused::Unusable("it is empty, too long, or has characters that do not show"));
        }
        let accounts = &self.wishes.accounts;
        if accounts.len() >= MAX_ACCOUNTS && !accounts.contains_key(name) {
            return Err(Refused::TooMany(MAX_ACCOUNTS));
        }
        let values = [(schema::ROLE, name, account.role.as_str()), (schema::HASH, name, &account.hash)];
        let edited = self.write(DocumentId::Accounts, &values)?;
        self.read(DocumentId::Accounts);
        Ok(edited)
    }

    pub(crate) fn remove_account(&mut self, name: &str) -> Result<Edited, Refused> {
        let gone = [(schema::ROLE, name, schema::REMOVED), (schema::HASH, name, "")];
        let known = self.wishes.accounts.contains_key(name);
        let edited = self.write(DocumentId::Accounts, if known { &gone } else { &[] })?;
        self.read(DocumentId::Accounts);
        Ok(edited)
    }

    pub(crate) fn note_node(&mut self, node: NodeNumber, note: &NodeNote) -> Result<Edited, Refused> {
        let (note, key) = (NodeNote::tidy(&note.place, &note.notes), node.0.to_string());
        let values = [(schema::PLACE, key.as_str(), note.place.as_str()), (schema::NOTES, &key, &note.notes)];
        let edited = self.write(DocumentId::Nodes, &values)?;
        match note == NodeNote::default() {
            true => drop(self.wishes.nodes.remove(&node)),
            false => drop(self.wishes.nodes.insert(node, note)),
        }
        Ok(edited)
    }
}

/// Sets one scalar of the map `field` if it differs; an empty text is an absent one. What contradicts it from another node
/// goes with it: a person has chosen.
fn set(tx: &mut Transaction<'_>, founder: &ActorId, field: &str, key: &str, text: &str) -> Result<(), AutomergeError> {
    let map: ObjId =
        schema::map(tx, founder, field).ok_or_else(|| AutomergeError::InvalidObjId(format!("no map `{field}`")))?;
    let all = tx.get_all(&map, key)?;
    let is_text = |value: &Value<'_>| matches!(value, Value::Scalar(old) if matches!(&**old, ScalarValue::Str(old) if old == text));
    match all.as_slice() {
        [] if text.is_empty() => Ok(()),
        [_, ..] if text.is_empty() => tx.delete(&map, key),
        [(old, _)] if is_text(old) => Ok(()),
        _ => tx.put(&map, key, text),
    }
}
