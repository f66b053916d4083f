//! What follows from a set of entries. Nothing in here depends on the order in which they came: whether an entry is taken
//! in follows from those it saw, and those never change; what holds follows from the set.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::VerifyingKey;

use super::{
    Change, Entry, EntryId, EpochBox, EpochKey, MAX_ENTRIES, MAX_MEMBERS, Member, NotAnEntry, Role, Roster, Share,
    SignedEntry,
};
use crate::home::NodeNumber;

/// Places in a roster's log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Set([u64; MAX_ENTRIES / 64]);

impl Set {
    pub(super) fn add(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    pub(super) fn has(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    pub(super) fn add_all(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(a, b)| *a |= b);
    }

    fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }
}

/// An entry that was taken in.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) id: EntryId,
    pub(super) entry: Entry,
    pub(super) signed: SignedEntry,
    /// All that it saw.
    pub(super) ancestors: Set,
}

/// What a set of entries says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// Who belongs to the household, by number.
    pub members: BTreeMap<NodeNumber, Member>,
    /// Who did and does no more, as they were last.
    pub removed: BTreeMap<NodeNumber, Member>,
    /// The latest epochs, and who has the key of each.
    pub epochs: BTreeMap<EntryId, BTreeSet<NodeNumber>>,
}

impl State {
    /// Whether a new epoch is needed: a member lacks the key of one of the latest, or one who is no member has them all.
    #[must_use]
    pub fn needs_rekey(&self) -> bool {
        let lacks = |number: &NodeNumber| self.epochs.values().any(|has| !has.contains(number));
        let all = self.epochs.values().flatten();
        self.members.keys().any(lacks) || all.filter(|n| !self.members.contains_key(n)).any(|n| !lacks(n))
    }

    fn admins(&self) -> usize {
        self.members.values().filter(|member| member.role == Role::Admin).count()
    }

    fn is_admin(&self, number: NodeNumber) -> bool {
        self.members.get(&number).is_some_and(|member| member.role == Role::Admin)
    }
}

/// Why an entry is not taken in, or not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It cannot be read.
    #[error(transparent)]
    NotAnEntry(#[from] NotAnEntry),
    /// It is about another household.
    #[error("of another household")]
    OtherHome,
    /// It names entries as seen that are not here: they must come first.
    #[error("it builds on entries that are not here")]
    Unknown,
    /// Its author was no member, or not one who may do this.
    #[error("only an admin of the household may do this")]
    NotAllowed,
    /// Its author did not sign it.
    #[error("not signed by who is said to have made it")]
    Forged,
    /// It says what no honest node says.
    #[error("it cannot be done to this household")]
    Impossible,
    /// The household has as many members as it may.
    #[error("a household has at most {MAX_MEMBERS} nodes: remove one first")]
    Full,
    /// The roster has as many entries as it may.
    #[error("the household was changed {MAX_ENTRIES} times, which is the most")]
    Worn,
    /// Nobody would be left who may add and remove.
    #[error("the household needs at least one admin: make another node an admin first")]
    LastAdmin,
}

impl Roster {
    /// Takes in an entry; `false` if it is here already.
    ///
    /// # Errors
    /// [`Refused`]; the roster is as before then.
    pub fn insert(&mut self, signed: SignedEntry) -> Result<bool, Refused> {
        let id = signed.id();
        if self.holds(id) {
            return Ok(false);
        }
        let entry = signed.read()?;
        let ancestors = self.check(&entry)?;
        let key = match self.state_of(&ancestors).members.get(&entry.author) {
            Some(member) => VerifyingKey::from_bytes(&member.statement).ok(),
            None => self.genesis.key(),
        };
        if !key.is_some_and(|key| signed.verify(&key)) {
            return Err(Refused::Forged);
        }
        self.index.insert(id, self.log.len());
        self.log.push(Known { id, entry, signed, ancestors });
        let mut all = Set::default();
        (0..self.log.len()).for_each(|at| all.add(at));
        self.state = self.state_of(&all);
        Ok(true)
    }

    /// The entry by which `author` makes a change now, to be signed, with the key of the epoch that begins with it.
    /// `chance` must be new 32 bytes, of which nobody else knows.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn compose(
        &self,
        author: NodeNumber,
        at: Option<i64>,
        mut change: Change,
        chance: [u8; 32],
    ) -> Result<(Entry, Option<EpochKey>), Refused> {
        if let (Change::Add(member), Some(giver)) = (&mut change, self.member(author)) {
            member.share = giver.share.to_give();
            member.since = at;
        }
        let mut chance = crate::chance::Chance::of(chance);
        let mut entry = Entry { home: self.home, author, parents: self.heads(), at, change, boxes: Vec::new() };
        let mut epoch = None;
        if entry.change.begins_epoch() {
            let key = EpochKey::of(chance.draw());
            for (number, seal) in audience(&self.state, &entry.change) {
                let sealed = key.seal(self.home, author, (number, &seal), chance.draw());
                entry.boxes.push((number, sealed.map_err(|_| Refused::Impossible)?));
            }
            epoch = Some(key);
        }
        self.check(&entry)?;
        Ok((entry, epoch))
    }

    /// The box of an epoch for a member, with who sealed it.
    #[must_use]
    pub fn epoch_box(&self, epoch: EntryId, to: NodeNumber) -> Option<(NodeNumber, &EpochBox)> {
        let entry = self.entry(epoch)?;
        let (_, sealed) = entry.boxes.iter().find(|(number, _)| *number == to)?;
        Some((entry.author, sealed))
    }

    /// All that an entry saw, if what it says was possible then and its author might say it.
    fn check(&self, entry: &Entry) -> Result<Set, Refused> {
        if entry.home != self.home {
            return Err(Refused::OtherHome);
        }
        if self.log.len() >= MAX_ENTRIES {
            return Err(Refused::Worn);
        }
        let mut ancestors = Set::default();
        for parent in &entry.parents {
            let at = *self.index.get(parent).ok_or(Refused::Unknown)?;
            if ancestors.has(at) {
                return Err(Refused::Impossible);
            }
            ancestors.add(at);
            ancestors.add_all(&self.log[at].ancestors);
        }
        let before = self.state_of(&ancestors);
        if ancestors == Set::default() {
            self.check_first(entry)
        } else {
            self.check_change(entry, &before, &ancestors)
        }?;
        let expected: Vec<NodeNumber> = match entry.change.begins_epoch() {
            true => audience(&before, &entry.change).into_iter().map(|(number, _)| number).collect(),
            false => Vec::new(),
        };
        let sealed_to: Vec<NodeNumber> = entry.boxes.iter().map(|(number, _)| *number).collect();
        if sealed_to == expected { Ok(ancestors) } else { Err(Refused::Impossible) }
    }

    /// The first entry is the first node's word on itself.
    fn check_first(&self, entry: &Entry) -> Result<(), Refused> {
        let Change::Add(member) = &entry.change else { return Err(Refused::Unknown) };
        let key = self.genesis.key().ok_or(Refused::Impossible)?;
        let own = entry.author == NodeNumber(0)
            && member.number == entry.author
            && member.statement == key.to_bytes()
            && member.role == Role::Admin
            && member.share == Share::WHOLE;
        // A second beginning would be a second household under one name.
        if own && self.log.is_empty() { Ok(()) } else { Err(Refused::Impossible) }
    }

    fn check_change(&self, entry: &Entry, before: &State, ancestors: &Set) -> Result<(), Refused> {
        let author = before.members.get(&entry.author).ok_or(Refused::NotAllowed)?;
        let of_itself =
            matches!(entry.change, Change::Name(number, _) | Change::Remove(number) if number == entry.author);
        if author.role != Role::Admin && !of_itself {
            return Err(Refused::NotAllowed);
        }
        let is_member = |number: &NodeNumber| before.members.contains_key(number);
        let last_admin = |number: NodeNumber| before.is_admin(number) && before.admins() == 1;
        match &entry.change {
            Change::Add(_) if before.members.len() >= MAX_MEMBERS => Err(Refused::Full),
            Change::Add(new) => {
                let adds = |known: &Known| known.entry.adds() == Some(new.number);
                let taken = self.log.iter().enumerate().any(|(at, known)| ancestors.has(at) && adds(known));
                let mut others = before.members.values().chain(before.removed.values());
                let used =
                    others.any(|m| m.statement == new.statement) || before.members.values().any(|m| m.peer == new.peer);
                let given = author.share.can_give(new.share) && new.share == author.share.to_give();
                if taken || used || !given { Err(Refused::Impossible) } else { Ok(()) }
            }
            Change::Remove(number) if !is_member(number) => Err(Refused::Impossible),
            Change::Role(number, _) | Change::Name(number, _) if !is_member(number) => Err(Refused::Impossible),
            Change::Remove(number) | Change::Role(number, Role::Member) if last_admin(*number) => {
                Err(Refused::LastAdmin)
            }
            Change::Remove(_) | Change::Role(..) | Change::Name(..) | Change::Rekey => Ok(()),
        }
    }

    /// What the entries of a set say together.
    fn state_of(&self, set: &Set) -> State {
        let mut places: Vec<usize> = (0..self.log.len()).filter(|at| set.has(*at)).collect();
        // What was seen comes before what saw it, and else the id decides.
        places.sort_unstable_by_key(|at| (self.log[*at].ancestors.len(), self.log[*at].id));
        let mut removals: BTreeMap<NodeNumber, Vec<usize>> = BTreeMap::new();
        for at in &places {
            if let Change::Remove(number) = self.log[*at].entry.change {
                removals.entry(number).or_default().push(*at);
            }
        }
        let mut state = State::default();
        let mut epochs: Vec<usize> = Vec::new();
        for at in places {
            let known = &self.log[at];
            let is_removal = matches!(known.entry.change, Change::Remove(_));
            // What a removed node said counts if the removal saw it; that it removed another counts always, so that two who
            // remove each other are both out.
            let seen = |removals: &Vec<usize>| removals.iter().any(|removal| self.log[*removal].ancestors.has(at));
            if !is_removal && removals.get(&known.entry.author).is_some_and(|removals| !seen(removals)) {
                continue;
            }
            if state.apply(&known.entry) && known.entry.change.begins_epoch() {
                epochs.push(at);
            }
        }
        for number in removals.into_keys() {
            if let Some(member) = state.members.remove(&number) {
                state.removed.insert(number, member);
            }
        }
        let is_latest = |at: &&usize| !epochs.iter().any(|later| self.log[*later].ancestors.has(**at));
        // Who drew a key has it, whether it is sealed to them or not: a member that leaves draws one for the others.
        let sealed_to = |at: &usize| {
            let entry = &self.log[*at].entry;
            entry.boxes.iter().map(|(number, _)| *number).chain([entry.author]).collect()
        };
        state.epochs = epochs.iter().filter(is_latest).map(|at| (self.log[*at].id, sealed_to(at))).collect();
        state
    }
}

impl State {
    /// Whether it counts: its author is, or was, a member by what counts. Who is removed is taken out in the end.
    fn apply(&mut self, entry: &Entry) -> bool {
        let first = self.members.is_empty();
        if !first && !self.members.contains_key(&entry.author) {
            return false;
        }
        match &entry.change {
            Change::Add(new) => {
                // Two admins who are apart may give one number twice: the first by order has it, the other node enrols again.
                if self.members.contains_key(&new.number) {
                    return false;
                }
                if let Some(giver) = self.members.get_mut(&entry.author) {
                    giver.share.to = giver.share.to.min(new.share.from);
                }
                self.members.insert(new.number, new.clone());
            }
            Change::Name(number, name) => {
                if let Some(member) = self.members.get_mut(number) {
                    member.name.clone_from(name);
                }
            }
            Change::Role(number, role) => {
                if let Some(member) = self.members.get_mut(number) {
                    member.role = *role;
                }
            }
            Change::Remove(_) | Change::Rekey => {}
        }
        true
    }
}

/// To whom the key of the epoch is sealed that begins with a change: all who are members then.
fn audience(before: &State, change: &Change) -> Vec<(NodeNumber, crate::contact::SealKey)> {
    let mut to: BTreeMap<_, _> = before.members.iter().map(|(number, member)| (*number, member.seal)).collect();
    match change {
        Change::Add(member) => drop(to.insert(member.number, member.seal)),
        Change::Remove(number) => drop(to.remove(number)),
        Change::Name(..) | Change::Role(..) | Change::Rekey => {}
    }
    to.into_iter().collect()
}
