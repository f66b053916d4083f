//! From document to typed view. Reading is tolerant: what is unknown or of the wrong type is skipped and reported, and
//! the rest holds.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ActorId, Automerge, ReadDoc, ScalarValueRef, ValueRef};
use meerkat_protocols::{
    facts::Verdict,
    home::{HomeId, NodeNumber},
    number::{E164, Region},
    text,
    wishes::{
        Account, Accounts, Acknowledged, DocumentId, Entry, Generation, Lists, MAX_ALARM_KEY_CHARS, MAX_HASH_CHARS,
        MAX_LABEL_CHARS, Minute, NeighbourNames, NodeNote, NodeNotes, Rules, Settings, Standing, Subject, Wishes,
        person_name,
    },
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
pub(crate) fn read(doc: &Automerge, founder: &ActorId, id: DocumentId, wishes: &mut Wishes) -> Vec<Oddity> {
    let mut reader = Reader { doc, founder, id, oddities: Vec::new() };
    match id {
        DocumentId::Lists => (wishes.lists, wishes.disputed) = reader.lists(),
        DocumentId::Settings => wishes.settings = reader.settings(),
        DocumentId::Neighbours => wishes.neighbours = reader.neighbours(),
        DocumentId::Index => wishes.generations = reader.generations(),
        DocumentId::People => {
            wishes.people = reader.map(schema::NAME, |key, name| Some((number(key)?, person_name(name))));
        }
        DocumentId::Rules => wishes.rules = reader.rules(),
        DocumentId::Acknowledgements => {
            wishes.acknowledged =
                reader.map(schema::ACKNOWLEDGED, |key, text| Some((alarm_key(key)?, Acknowledged::from_text(text)?)));
        }
        DocumentId::Accounts => (wishes.accounts, wishes.doubled) = reader.accounts(),
        DocumentId::Nodes => wishes.nodes = reader.nodes(),
    }
    reader.oddities
}

/// Whether the values that stand beside each other under a key of the standings contradict each other about whether the
/// caller rings. Then the caller rings, until a person chooses.
pub(crate) fn disputed<'a>(words: impl Iterator<Item = &'a str>) -> bool {
    let (mut allow, mut block) = (false, false);
    for word in words {
        allow |= word == Standing::Allow.word();
        block |= word == Standing::Block.word();
    }
    allow && block
}

/// Which of the roles holds that stand beside each other for an account; none, if one node removed it: what nodes that
/// were apart disagree about must not let anybody do more.
pub(crate) fn settled_role<'a>(words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let rank = |word: &&str| Account::ROLES.iter().position(|role| role == word).map_or(0, |at| at + 1);
    let words: Vec<&str> = words.collect();
    if words.contains(&schema::REMOVED) { None } else { words.into_iter().min_by_key(rank) }
}

struct Reader<'a> {
    doc: &'a Automerge,
    founder: &'a ActorId,
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
        if let Some(object) = schema::map(self.doc, self.founder, field) {
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

    /// Keys of the standings that are disputed.
    fn disputes(&self) -> BTreeSet<Subject> {
        let Some(object) = schema::map(self.doc, self.founder, schema::STANDING) else { return BTreeSet::new() };
        let several = self.doc.map_range(&object, ..).filter(|item| item.conflict);
        let disputed = several.filter(|item| {
            let all = self.doc.get_all(&object, item.key.as_ref()).unwrap_or_default();
            disputed(all.iter().filter_map(|(value, _)| value.as_str()))
        });
        disputed.filter_map(|item| subject(&item.key)).collect()
    }

    fn lists(&mut self) -> (Lists, BTreeSet<Subject>) {
        let disputed = self.disputes();
        let standings = self.map(schema::STANDING, |key, word| Some((subject(key)?, Standing::from_word(word)?)));
        let mut labels = self.map(schema::LABEL, |key, label| Some((subject(key)?, label.to_owned())));
        let mut notes = self.map(schema::NOTES, |key, notes| Some((subject(key)?, notes.to_owned())));
        let lists = standings
            .into_iter()
            .map(|(subject, standing)| {
                let standing = if disputed.contains(&subject) { Standing::Allow } else { standing };
                let label = labels.remove(&subject).unwrap_or_default();
                let notes = notes.remove(&subject).unwrap_or_default();
                let entry = Entry::tidy(standing, &label, &notes);
                (subject, entry)
            })
            .collect();
        (lists, disputed)
    }

    fn generations(&mut self) -> BTreeMap<DocumentId, Generation> {
        self.map(schema::GENERATION, |word, text| {
            let id = DocumentId::ALL.into_iter().find(|id| id.word() == word)?;
            Some((id, generation(text)?))
        })
    }

    fn rules(&mut self) -> Rules {
        let tell = self.map(schema::TELL, |kind, word| {
            let kind = Rules::is_kind(kind).then(|| kind.to_owned())?;
            Some((kind, switch(word)?))
        });
        let hours = self.map(schema::QUIET, |name, text| {
            let known = [schema::QUIET_FROM, schema::QUIET_TO].contains(&name);
            Some((known.then(|| name.to_owned())?, Minute::from_text(text)?))
        });
        let hour = |name| hours.get(name).copied();
        Rules { tell, quiet: hour(schema::QUIET_FROM).zip(hour(schema::QUIET_TO)) }
    }

    /// What stands beside each other under the keys of a map that several nodes wrote while they were apart.
    fn several(&self, field: &str) -> BTreeMap<String, Vec<String>> {
        let Some(object) = schema::map(self.doc, self.founder, field) else { return BTreeMap::new() };
        let several = self.doc.map_range(&object, ..).filter(|item| item.conflict);
        let all = several.map(|item| {
            let all = self.doc.get_all(&object, item.key.as_ref()).unwrap_or_default();
            (item.key.to_string(), all.iter().filter_map(|(value, _)| value.as_str().map(str::to_owned)).collect())
        });
        all.collect()
    }

    /// An account exists while it has a role, and may sign in while it has a hash.
    fn accounts(&mut self) -> (Accounts, BTreeSet<String>) {
        let (roles_apart, hashes_apart) = (self.several(schema::ROLE), self.several(schema::HASH));
        let mut hashes = self.map(schema::HASH, |name, hash| {
            (hash.chars().count() <= MAX_HASH_CHARS).then(|| (name.to_owned(), hash.to_owned()))
        });
        let roles = self.map(schema::ROLE, |name, role| {
            (person_name(name) == name && person_name(role) == role).then(|| (name.to_owned(), role.to_owned()))
        });
        let mut accounts = Accounts::new();
        for (name, role) in roles {
            let held = match roles_apart.get(&name) {
                Some(all) => settled_role(all.iter().map(String::as_str)),
                None => settled_role(std::iter::once(role.as_str())),
            };
            if let Some(role) = held.map(str::to_owned) {
                let hash = hashes.remove(&name).unwrap_or_default();
                accounts.insert(name, Account { role, hash });
            }
        }
        let differ = |all: &Vec<String>| all.windows(2).any(|pair| pair[0] != pair[1]);
        let apart = roles_apart.into_iter().chain(hashes_apart).filter(|(_, all)| differ(all)).map(|(name, _)| name);
        let mut doubled: BTreeSet<String> = apart.filter(|name| accounts.contains_key(name)).collect();
        doubled.extend(alike(&accounts));
        (accounts, doubled)
    }

    fn nodes(&mut self) -> NodeNotes {
        let mut out = NodeNotes::new();
        for (node, place) in self.map(schema::PLACE, |key, text| Some((node(key)?, text.to_owned()))) {
            out.insert(node, NodeNote::tidy(&place, ""));
        }
        for (node, notes) in self.map(schema::NOTES, |key, text| Some((node(key)?, text.to_owned()))) {
            out.entry(node).or_default().notes = NodeNote::tidy("", &notes).notes;
        }
        out
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

/// The names that are the same but for case.
fn alike(accounts: &Accounts) -> Vec<String> {
    let mut by_name: BTreeMap<String, Vec<&String>> = BTreeMap::new();
    for name in accounts.keys() {
        by_name.entry(name.to_lowercase()).or_default().push(name);
    }
    by_name.into_values().filter(|names| names.len() > 1).flatten().cloned().collect()
}

/// The subject of a key in its one spelling: two spellings of a number would be two entries.
fn subject(key: &str) -> Option<Subject> {
    Subject::from_key(key).filter(|subject| subject.key() == key)
}

/// The number of a key in its one spelling.
fn number(key: &str) -> Option<E164> {
    match subject(key)? {
        Subject::Number(number) => Some(number),
        Subject::Prefix(_) => None,
    }
}

fn node(key: &str) -> Option<NodeNumber> {
    key.parse().ok().map(NodeNumber).filter(|node| node.0.to_string() == key)
}

/// The key of an alarm as a document keeps it.
pub(crate) fn alarm_key(key: &str) -> Option<String> {
    let tidy: String = text::inert(key).chars().take(MAX_ALARM_KEY_CHARS).collect();
    (tidy == key && !key.is_empty()).then_some(tidy)
}

/// A generation as the index keeps it.
pub(crate) fn generation_text(generation: Generation) -> String {
    let founding: String = generation.founding.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} {founding}", generation.count)
}

fn generation(text: &str) -> Option<Generation> {
    let (count, founding) = text.split_once(' ')?;
    let mut bytes = [0; 16];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(founding.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    let generation = Generation { count: count.parse().ok()?, founding: bytes };
    (generation_text(generation) == text).then_some(generation)
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
