//! What people of the home decided beside lists, settings and names: the address book, rules about alarms, what was
//! acknowledged, notes about nodes; and documents that a member changed.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use meerkat_protocols::{
    home::NodeNumber,
    time::Now,
    wishes::{
        Accounts, Acknowledged, Acknowledgements, DocumentId, Edit, Lists, MAX_ALARM_KEY_CHARS, MAX_PEOPLE,
        NeighbourNames, NodeNotes, People, Rules, Settings, Subject, Wishes,
    },
};

use crate::{
    alarms::Alarm,
    command::{CommandId, Refusal},
    event::Event,
    node::Node,
};

/// The most entries whose change by a member is told one by one; who looks at the lists then reads them anew anyway.
const MAX_TOLD: usize = 64;

/// What people of the home decided beside lists, settings and names.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shared {
    /// What of the lists was allowed on one node and blocked on another while they were apart.
    pub disputed: Arc<BTreeSet<Subject>>,
    /// The address book.
    pub people: Arc<People>,
    /// Which alarms are told.
    pub rules: Arc<Rules>,
    /// Which alarms somebody has seen.
    pub acknowledged: Arc<Acknowledgements>,
    /// What is noted about nodes.
    pub nodes: Arc<NodeNotes>,
    /// The accounts of the page.
    pub accounts: Arc<Accounts>,
    /// Accounts that were made or changed on two nodes while they were apart.
    pub doubled: Arc<BTreeSet<String>>,
}

impl Shared {
    /// Takes its part of what the documents say.
    pub(crate) fn of(wishes: &mut Wishes) -> Self {
        fn take<T: Default>(of: &mut T) -> Arc<T> {
            Arc::new(std::mem::take(of))
        }
        Self {
            disputed: take(&mut wishes.disputed),
            people: take(&mut wishes.people),
            rules: take(&mut wishes.rules),
            acknowledged: take(&mut wishes.acknowledged),
            nodes: take(&mut wishes.nodes),
            accounts: take(&mut wishes.accounts),
            doubled: take(&mut wishes.doubled),
        }
    }

    /// Who has seen this alarm since it stands, on whichever node.
    #[must_use]
    pub fn acknowledged(&self, alarm: &Alarm, since: Option<i64>, node: NodeNumber) -> Option<&Acknowledged> {
        let seen = self.acknowledged.get(&alarm.shared_key(node))?;
        since.is_none_or(|since| seen.at >= since).then_some(seen)
    }
}

/// What a document says now, after a member changed it.
#[derive(Debug, Clone, PartialEq)]
pub enum Changed {
    /// The lists, and what of them is disputed.
    Lists(Lists, BTreeSet<Subject>),
    /// The settings.
    Settings(Settings),
    /// The names of neighbours.
    Neighbours(NeighbourNames),
    /// The address book.
    People(People),
    /// The rules about alarms.
    Rules(Rules),
    /// Which alarms somebody has seen.
    Acknowledged(Acknowledgements),
    /// The accounts of the page, and which of them were changed on two nodes that were apart.
    Accounts(Accounts, BTreeSet<String>),
    /// What is noted about nodes.
    Nodes(NodeNotes),
    /// In which generation documents are; nothing in here depends on it.
    Index,
}

impl Changed {
    /// Of which document.
    #[must_use]
    pub fn document(&self) -> DocumentId {
        match self {
            Self::Lists(..) => DocumentId::Lists,
            Self::Settings(_) => DocumentId::Settings,
            Self::Neighbours(_) => DocumentId::Neighbours,
            Self::People(_) => DocumentId::People,
            Self::Rules(_) => DocumentId::Rules,
            Self::Acknowledged(_) => DocumentId::Acknowledgements,
            Self::Accounts(..) => DocumentId::Accounts,
            Self::Nodes(_) => DocumentId::Nodes,
            Self::Index => DocumentId::Index,
        }
    }
}

/// The keys under which two maps differ.
fn differing<'a, K: Ord, V: PartialEq>(old: &'a BTreeMap<K, V>, new: &'a BTreeMap<K, V>) -> Vec<&'a K> {
    let gone = old.iter().filter(|(key, _)| !new.contains_key(key));
    new.iter().filter(|(key, value)| old.get(key) != Some(value)).chain(gone).map(|(key, _)| key).collect()
}

impl Node {
    /// Whether an edit of one of these documents fits.
    pub(crate) fn check_shared_edit(&self, edit: &Edit) -> Result<(), Refusal> {
        let people = &self.shared.people;
        match edit {
            Edit::SetPerson(number, _) if people.len() >= MAX_PEOPLE && !people.contains_key(number) => {
                Err(Refusal::Invalid(format!("the address book holds {MAX_PEOPLE} numbers, which is all it may")))
            }
            Edit::SetRules(rules) if rules.tell.keys().any(|kind| !Rules::is_kind(kind)) => {
                Err(Refusal::Invalid("there is no such kind of alarm".to_owned()))
            }
            Edit::Acknowledge(key, _) if key.is_empty() || key.chars().count() > MAX_ALARM_KEY_CHARS => {
                Err(Refusal::Invalid("there is no such alarm".to_owned()))
            }
            Edit::SetAccount(..) | Edit::RemoveAccount(_) => self.check_account_edit(edit),
            _ => Ok(()),
        }
    }

    /// Somebody has seen an alarm that stands.
    pub(crate) fn acknowledge(&mut self, now: Now, id: CommandId, key: &str, by: &str) -> Result<(), Refusal> {
        let node = self.identity.node;
        let stands = self.standing_alarms().into_iter().any(|(alarm, _)| alarm.shared_key(node) == key);
        if !stands && !self.household.abouts.has_alarm(key) {
            return Err(Refusal::Invalid("there is no such alarm, or it is over".to_owned()));
        }
        let at = now.wall.ok_or(Refusal::ClockNotSet)?;
        self.edit(Some(id), Edit::Acknowledge(key.to_owned(), Acknowledged::new(at, by)))
    }

    /// Uses an edit of this node.
    pub(crate) fn apply_shared(&mut self, edit: Edit) -> Event {
        let shared = &mut self.shared;
        match edit {
            Edit::SetPerson(number, name) if !name.is_empty() => {
                Arc::make_mut(&mut shared.people).insert(number, name);
                Event::PeopleChanged
            }
            Edit::SetPerson(number, _) | Edit::RemovePerson(number) | Edit::ErasePerson(number) => {
                Arc::make_mut(&mut shared.people).remove(&number);
                Event::PeopleChanged
            }
            Edit::SetRules(rules) => {
                shared.rules = Arc::new(rules);
                Event::RulesChanged
            }
            Edit::Acknowledge(key, seen) => {
                Arc::make_mut(&mut shared.acknowledged).insert(key, seen);
                Event::AlarmAcknowledged
            }
            Edit::NoteNode(node, note) => {
                Arc::make_mut(&mut shared.nodes).insert(node, note);
                Event::NodeNoted(node)
            }
            Edit::SetAccount(name, account) => {
                Arc::make_mut(&mut shared.doubled).remove(&name);
                Arc::make_mut(&mut shared.accounts).insert(name, account);
                Event::AccountsChanged
            }
            Edit::RemoveAccount(name) => {
                // Two of one name are one now.
                let alike = name.to_lowercase();
                Arc::make_mut(&mut shared.doubled).retain(|other| other.to_lowercase() != alike);
                Arc::make_mut(&mut shared.accounts).remove(&name);
                Event::AccountsChanged
            }
            _ => Event::AccountsChanged,
        }
    }

    /// A person has chosen.
    pub(crate) fn settle_dispute(&mut self, subject: &Subject) {
        if self.shared.disputed.contains(subject) {
            Arc::make_mut(&mut self.shared.disputed).remove(subject);
        }
    }

    /// Uses what a member changed, and gives what is to be told of it.
    pub(crate) fn use_changed(&mut self, changed: Changed) -> Vec<Event> {
        match changed {
            Changed::Lists(lists, disputed) => self.use_lists(lists, disputed),
            Changed::Settings(settings) => {
                let settings = self.with_pinned(settings);
                if settings == self.settings {
                    return Vec::new();
                }
                self.use_settings(settings);
                self.hear();
                vec![Event::SettingsChanged]
            }
            Changed::Neighbours(names) => {
                let old = std::mem::replace(&mut self.names, names);
                self.neighbours = None;
                differing(&old, &self.names).into_iter().take(MAX_TOLD).map(|home| Event::VouchChanged(*home)).collect()
            }
            Changed::People(people) => {
                self.shared.people = Arc::new(people);
                vec![Event::PeopleChanged]
            }
            Changed::Rules(rules) => {
                self.shared.rules = Arc::new(rules);
                vec![Event::RulesChanged]
            }
            Changed::Acknowledged(all) => {
                self.shared.acknowledged = Arc::new(all);
                vec![Event::AlarmAcknowledged]
            }
            Changed::Nodes(nodes) => {
                let old = std::mem::replace(&mut self.shared.nodes, Arc::new(nodes));
                differing(&old, &self.shared.nodes).into_iter().map(|node| Event::NodeNoted(*node)).collect()
            }
            Changed::Accounts(accounts, doubled) => {
                (self.shared.accounts, self.shared.doubled) = (Arc::new(accounts), Arc::new(doubled));
                vec![Event::AccountsChanged]
            }
            Changed::Index => Vec::new(),
        }
    }

    fn use_lists(&mut self, lists: Lists, disputed: BTreeSet<Subject>) -> Vec<Event> {
        let old = std::mem::replace(&mut self.lists, Arc::new(lists));
        let before = std::mem::replace(&mut self.shared.disputed, Arc::new(disputed));
        let mut told: BTreeSet<&Subject> = differing(&old, &self.lists).into_iter().take(MAX_TOLD).collect();
        told.extend(before.symmetric_difference(&self.shared.disputed).take(MAX_TOLD));
        told.into_iter().map(|subject| Event::ListsChanged(subject.clone())).collect()
    }

    /// The settings of the home, with those that this node's configuration file pins.
    fn with_pinned(&self, mut settings: Settings) -> Settings {
        for name in &self.pinned {
            match name.as_str() {
                "region" => settings.region.clone_from(&self.settings.region),
                "anonymous" => settings.anonymous = self.settings.anonymous,
                "invalid" => settings.invalid = self.settings.invalid,
                _ => {}
            }
        }
        settings
    }
}
