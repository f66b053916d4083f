//! Evidence: the statements this node has accepted, and what follows from them whatever the order they came in.
//!
//! Nothing in here depends on the order of arrival: what a number's claims are is read off the whole set each time.
//! A home is kept as a small number and a statement as about 80 bytes, so that 300,000 reports fit a Raspberry Pi.

use std::collections::BTreeMap;

use meerkat_protocols::{
    home::{Genesis, HomeId},
    number::E164,
    statement::{Body, Category, Kind, LIFETIME_DAYS, Statement, StatementId},
    time::Day,
};

/// The most statements kept: a million at about 100 bytes stay within 100 MB.
const MAX_STATEMENTS: usize = 1_000_000;

/// A home, as numbered in here since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HomeNo(u32);

/// The place of a statement among all. Day first, so that what expires stands in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequence {
    pub(crate) day: Day,
    pub(crate) home: HomeNo,
    pub(crate) kind: Kind,
    pub(crate) slot: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Report(E164, Category),
    Vouch(HomeNo),
    Retraction(Sequence),
}

#[derive(Debug)]
struct Stated {
    id: StatementId,
    content: Content,
    /// A second statement in the same slot: the home speaks with two tongues.
    conflict: Option<StatementId>,
}

/// What became of a statement that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inserted {
    /// New, and it counts.
    New,
    /// Known already.
    Known,
    /// The second of its slot: kept as proof, and the home counts for nothing from now on.
    Equivocation,
    /// The third of its slot or more: the home counts for nothing already.
    Surplus,
    /// No room.
    Full,
}

/// A live report on a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LiveReport {
    pub(crate) home: HomeNo,
    pub(crate) category: Category,
    pub(crate) day: Day,
}

/// The accepted statements.
#[derive(Debug, Default)]
pub(crate) struct Evidence {
    names: Vec<HomeId>,
    index: BTreeMap<HomeId, HomeNo>,
    geneses: BTreeMap<HomeNo, Genesis>,
    stated: BTreeMap<Sequence, Stated>,
    by_number: BTreeMap<E164, Vec<Sequence>>,
    /// What was taken back, and by how many retractions.
    retracted: BTreeMap<Sequence, u16>,
    /// Homes that speak with two tongues, and in how many slots.
    equivocators: BTreeMap<HomeNo, u32>,
}

impl Evidence {
    /// Takes in a statement whose signature holds, or that was restored from the store.
    pub(crate) fn insert(&mut self, statement: &Statement, id: StatementId) -> Inserted {
        let home = self.number_of(statement.home);
        let sequence = Sequence { day: statement.day, home, kind: statement.kind(), slot: statement.slot };
        if let Some(stated) = self.stated.get_mut(&sequence) {
            return match stated.conflict {
                _ if stated.id == id => Inserted::Known,
                Some(second) if second == id => Inserted::Known,
                Some(_) => Inserted::Surplus,
                None => {
                    stated.conflict = Some(id);
                    *self.equivocators.entry(home).or_default() += 1;
                    Inserted::Equivocation
                }
            };
        }
        if self.stated.len() >= MAX_STATEMENTS {
            return Inserted::Full;
        }
        let content = self.take_in(home, sequence, &statement.body);
        self.stated.insert(sequence, Stated { id, content, conflict: None });
        Inserted::New
    }

    fn take_in(&mut self, home: HomeNo, sequence: Sequence, body: &Body) -> Content {
        match *body {
            Body::Report { number, category, .. } => {
                self.by_number.entry(number).or_default().push(sequence);
                Content::Report(number, category)
            }
            Body::Vouch(genesis) => {
                let vouched = self.number_of(genesis.home());
                self.geneses.insert(vouched, genesis);
                Content::Vouch(vouched)
            }
            Body::Retraction { kind, day, slot } => {
                let target = Sequence { day, home, kind, slot };
                *self.retracted.entry(target).or_default() += 1;
                Content::Retraction(target)
            }
        }
    }

    /// Whether the statement in this slot is this very one.
    pub(crate) fn knows(&self, statement: &Statement, id: StatementId) -> bool {
        self.index.get(&statement.home).is_some_and(|home| {
            let sequence = Sequence { day: statement.day, home: *home, kind: statement.kind(), slot: statement.slot };
            self.stated.get(&sequence).is_some_and(|s| s.id == id || s.conflict == Some(id))
        })
    }

    /// Removes what is older than its lifetime and returns the ids that went.
    pub(crate) fn expire(&mut self, today: Day) -> Vec<StatementId> {
        let mut gone = Vec::new();
        while let Some(entry) = self.stated.first_entry() {
            if today.since(entry.key().day) <= LIFETIME_DAYS {
                break;
            }
            let (sequence, stated) = entry.remove_entry();
            gone.push(stated.id);
            if let Some(second) = stated.conflict {
                gone.push(second);
                count_down(&mut self.equivocators, &sequence.home);
            }
            self.forget(sequence, stated.content);
        }
        gone
    }

    fn forget(&mut self, sequence: Sequence, content: Content) {
        match content {
            Content::Report(number, _) => {
                if let Some(list) = self.by_number.get_mut(&number) {
                    list.retain(|s| *s != sequence);
                    if list.is_empty() {
                        self.by_number.remove(&number);
                    }
                }
            }
            Content::Retraction(target) => count_down(&mut self.retracted, &target),
            Content::Vouch(_) => {}
        }
    }

    /// The live reports on a number: the latest of each home, unless the home took it back or speaks with two tongues.
    pub(crate) fn reports(&self, number: E164) -> Vec<LiveReport> {
        let mut latest: BTreeMap<HomeNo, Sequence> = BTreeMap::new();
        for sequence in self.by_number.get(&number).into_iter().flatten() {
            let kept = latest.entry(sequence.home).or_insert(*sequence);
            *kept = (*kept).max(*sequence);
        }
        latest
            .into_values()
            .filter(|s| self.is_live(s))
            .filter_map(|s| match self.stated.get(&s)?.content {
                Content::Report(_, category) => Some(LiveReport { home: s.home, category, day: s.day }),
                Content::Vouch(_) | Content::Retraction(_) => None,
            })
            .collect()
    }

    /// The slot of a home's live report on a number.
    pub(crate) fn report_slot(&self, home: HomeNo, number: E164) -> Option<(Day, u8)> {
        let latest = self.by_number.get(&number)?.iter().filter(|s| s.home == home).max()?;
        self.is_live(latest).then_some((latest.day, latest.slot))
    }

    /// All live vouches as (who, for whom, since when, slot), in the order of their days.
    pub(crate) fn vouches(&self) -> impl Iterator<Item = (HomeNo, HomeNo, Day, u8)> + '_ {
        self.stated.iter().filter(|(s, _)| s.kind == Kind::Vouch && self.is_live(s)).filter_map(|(s, stated)| {
            match stated.content {
                Content::Vouch(whom) => Some((s.home, whom, s.day, s.slot)),
                Content::Report(..) | Content::Retraction(_) => None,
            }
        })
    }

    /// How many live reports of each home are held.
    pub(crate) fn report_counts(&self) -> BTreeMap<HomeNo, u32> {
        let mut counts = BTreeMap::new();
        for sequence in self.stated.keys().filter(|s| s.kind == Kind::Report && self.is_live(s)) {
            *counts.entry(sequence.home).or_insert(0) += 1;
        }
        counts
    }

    fn is_live(&self, sequence: &Sequence) -> bool {
        !self.retracted.contains_key(sequence) && !self.equivocators.contains_key(&sequence.home)
    }

    /// The newest day that a statement of the home carries.
    pub(crate) fn newest_day(&self, home: HomeNo) -> Option<Day> {
        self.stated.keys().rev().find(|s| s.home == home).map(|s| s.day)
    }

    /// Whether the home has signed two statements in one slot.
    pub(crate) fn equivocates(&self, home: HomeNo) -> bool {
        self.equivocators.contains_key(&home)
    }

    /// The number a statement is about: its own, or for a retraction the number of what it takes back.
    pub(crate) fn subject(&self, statement: &Statement) -> Option<E164> {
        match statement.body {
            Body::Report { number, .. } => Some(number),
            Body::Vouch(_) => None,
            Body::Retraction { kind, day, slot } => {
                let home = *self.index.get(&statement.home)?;
                match self.stated.get(&Sequence { day, home, kind, slot })?.content {
                    Content::Report(number, _) => Some(number),
                    Content::Vouch(_) | Content::Retraction(_) => None,
                }
            }
        }
    }

    /// The number by which a home is kept, given on first sight.
    pub(crate) fn number_of(&mut self, home: HomeId) -> HomeNo {
        if let Some(no) = self.index.get(&home) {
            return *no;
        }
        let no = HomeNo(u32::try_from(self.names.len()).expect("fewer homes than statements, and those are bounded"));
        self.names.push(home);
        self.index.insert(home, no);
        no
    }

    /// The number by which a home is kept, if it has one.
    pub(crate) fn find(&self, home: HomeId) -> Option<HomeNo> {
        self.index.get(&home).copied()
    }

    /// The name of a home.
    pub(crate) fn name(&self, home: HomeNo) -> HomeId {
        self.names[home.0 as usize]
    }

    /// The genesis of a home, if somebody vouched for it.
    pub(crate) fn genesis(&self, home: HomeNo) -> Option<&Genesis> {
        self.geneses.get(&home)
    }

    /// How many statements are held.
    pub(crate) fn len(&self) -> usize {
        self.stated.len()
    }

    /// How many numbers there are statements about.
    pub(crate) fn numbers(&self) -> usize {
        self.by_number.len()
    }
}

/// Takes one off a count and drops the entry when nothing is left.
fn count_down<K: Ord, N: Copy + PartialEq + From<u8> + std::ops::SubAssign>(counts: &mut BTreeMap<K, N>, key: &K) {
    if let Some(n) = counts.get_mut(key) {
        *n -= N::from(1);
        if *n == N::from(0) {
            counts.remove(key);
        }
    }
}
