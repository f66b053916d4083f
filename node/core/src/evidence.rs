//! Evidence: the statements this node has accepted, and what follows from them whatever the order they came in.
//!
//! Nothing in here depends on the order of arrival: what a number's claims are is read off the whole set each time.
//! A home is kept as a small number and a report as about 110 bytes, so that 300,000 of them fit a Raspberry Pi.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use meerkat_protocols::{
    home::{Genesis, HomeId},
    number::E164,
    statement::{Body, Category, Kind, LIFETIME_DAYS, Statement, StatementId},
    time::Day,
};

/// The most statements kept of homes this one does not answer for: a million at about 110 bytes stay within 110 MB.
const MAX_STATEMENTS: usize = 1_000_000;
/// Room beyond that for this home and the homes it answers for, so that no crowd of strangers shuts them out: thirteen
/// homes at [`MAX_PER_HOME`].
const RESERVED: usize = 13 * MAX_PER_HOME as usize;
/// The most statements kept of one home. The slots of [`LIFETIME_DAYS`] and a day ahead come to 11,648; without this
/// bound a node that cannot tell which days are past would take as many from one home as there are days since 1970.
const MAX_PER_HOME: u32 = 12_000;
/// The same for a home farther off: its two hundred reports, what it took back of more, and its vouches, renewed. The homes
/// behind one vouch may be twenty thousand; with 12,000 of each, 84 of them would leave no room for anybody else.
const MAX_OF_FAR_HOME: u32 = 1_000;

/// The most reports of one home that count: its newest, by day and slot, whether it took them back since or not. What is
/// beyond can never come back among them, so it is given up and nothing depends on what came first.
pub(crate) const MAX_REPORTS: usize = 200;

/// A home, as numbered in here since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct HomeNo(pub(crate) u32);

/// The place of a statement among all. Day first, so that what expires stands in front.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Sequence {
    pub(crate) day: Day,
    pub(crate) home: HomeNo,
    pub(crate) kind: Kind,
    pub(crate) slot: u8,
}

impl Sequence {
    const FIRST: Self = Self { day: Day(0), home: HomeNo(0), kind: Kind::Report, slot: 0 };
    const LAST: Self = Self { day: Day(u16::MAX), home: HomeNo(u32::MAX), kind: Kind::Retraction, slot: u8::MAX };
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Report(E164),
    Vouch(HomeNo),
    Retraction(Sequence),
}

#[derive(Debug)]
struct Stated {
    id: StatementId,
    content: Content,
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
    /// Of a home that speaks with two tongues: it counts for nothing already.
    Surplus,
    /// Older than as many of the home's reports as count.
    Excess,
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
    /// How many statements of each home there are in `stated`.
    of_home: BTreeMap<HomeNo, u32>,
    by_number: BTreeMap<(E164, Sequence), Category>,
    /// The places of each home's reports, so that the oldest of too many can be found.
    reports: BTreeSet<(HomeNo, Day, u8)>,
    /// The ids of what was given up since somebody asked.
    given_up: Vec<StatementId>,
    numbers: usize,
    /// For whom, by who, day and slot.
    vouches: BTreeMap<(HomeNo, Day, u8), HomeNo>,
    /// What was taken back, and by how many retractions.
    retracted: BTreeMap<Sequence, u32>,
    /// How many reports of each home were not taken back.
    standing: BTreeMap<HomeNo, u32>,
    /// The second statements of a slot. With the first one each proves that its home speaks with two tongues.
    conflicts: BTreeMap<Sequence, StatementId>,
    /// The homes that this proves of.
    equivocators: BTreeSet<HomeNo>,
}

impl Evidence {
    /// Takes in a statement whose signature holds, or that was restored from the store. `near` is whether it is of this
    /// home or of one that it answers for, or was kept before.
    pub(crate) fn insert(&mut self, statement: &Statement, id: StatementId, near: bool) -> Inserted {
        let home = self.number_of(statement.home);
        let sequence = Sequence { day: statement.day, home, kind: statement.kind(), slot: statement.slot };
        let first = self.stated.get(&sequence).map(|s| s.id);
        if first == Some(id) || self.conflicts.get(&sequence) == Some(&id) {
            return Inserted::Known;
        }
        if self.equivocates(home) {
            return Inserted::Surplus;
        }
        if first.is_some() {
            self.conflicts.insert(sequence, id);
            self.equivocators.insert(home);
            return Inserted::Equivocation;
        }
        if sequence.kind == Kind::Report && self.is_excess(home, sequence.day, sequence.slot) {
            return Inserted::Excess;
        }
        let (room, most) =
            if near { (MAX_STATEMENTS + RESERVED, MAX_PER_HOME) } else { (MAX_STATEMENTS, MAX_OF_FAR_HOME) };
        let of_home = self.of_home.entry(home).or_default();
        if self.stated.len() >= room || *of_home >= most {
            return Inserted::Full;
        }
        *of_home += 1;
        let content = self.take_in(sequence, &statement.body);
        self.stated.insert(sequence, Stated { id, content });
        self.give_up_excess(home);
        Inserted::New
    }

    fn reports_of(&self, home: HomeNo) -> impl DoubleEndedIterator<Item = &(HomeNo, Day, u8)> + '_ {
        self.reports.range((home, Day(0), 0)..=(home, Day(u16::MAX), u8::MAX))
    }

    /// Whether a report in this place would be older than all of the home's that count.
    pub(crate) fn is_excess(&self, home: HomeNo, day: Day, slot: u8) -> bool {
        let mut kept = self.reports_of(home);
        kept.next().is_some_and(|(_, oldest, of)| (day, slot) < (*oldest, *of)) && kept.count() + 1 >= MAX_REPORTS
    }

    fn give_up_excess(&mut self, home: HomeNo) {
        if self.reports_of(home).count() <= MAX_REPORTS {
            return;
        }
        let oldest = self.reports_of(home).next().map(|(home, day, slot)| (*home, *day, *slot));
        let Some((home, day, slot)) = oldest else { return };
        let given_up = self.remove(Sequence { day, home, kind: Kind::Report, slot });
        self.given_up.extend(given_up);
    }

    /// The ids of what was given up since this was last asked, to be dropped from the store too.
    pub(crate) fn take_given_up(&mut self) -> Vec<StatementId> {
        std::mem::take(&mut self.given_up)
    }

    fn remove(&mut self, sequence: Sequence) -> Option<StatementId> {
        let stated = self.stated.remove(&sequence)?;
        count_down(&mut self.of_home, &sequence.home);
        self.forget(sequence, stated.content);
        Some(stated.id)
    }

    fn take_in(&mut self, sequence: Sequence, body: &Body) -> Content {
        let home = sequence.home;
        match *body {
            Body::Report { number, category, .. } => {
                let first = self.sequences(number).next().is_none();
                self.numbers += usize::from(first);
                self.by_number.insert((number, sequence), category);
                self.reports.insert((home, sequence.day, sequence.slot));
                if !self.retracted.contains_key(&sequence) {
                    count_up(&mut self.standing, home);
                }
                Content::Report(number)
            }
            Body::Vouch(genesis) => {
                let vouched = self.number_of(genesis.home());
                self.geneses.insert(vouched, genesis);
                self.vouches.insert((home, sequence.day, sequence.slot), vouched);
                Content::Vouch(vouched)
            }
            Body::Retraction { kind, day, slot } => {
                let target = Sequence { day, home, kind, slot };
                count_up(&mut self.retracted, target);
                if self.retracted.get(&target) == Some(&1) && self.is_report(&target) {
                    count_down(&mut self.standing, &home);
                }
                Content::Retraction(target)
            }
        }
    }

    /// Whether the statement in this slot is this very one.
    pub(crate) fn knows(&self, statement: &Statement, id: StatementId) -> bool {
        self.index.get(&statement.home).is_some_and(|home| {
            let sequence = Sequence { day: statement.day, home: *home, kind: statement.kind(), slot: statement.slot };
            self.stated.get(&sequence).is_some_and(|s| s.id == id) || self.conflicts.get(&sequence) == Some(&id)
        })
    }

    /// Removes what is older than its lifetime and returns the ids that went. The proof that a home speaks with two
    /// tongues never goes: it would count again otherwise.
    pub(crate) fn expire(&mut self, today: Day) -> Vec<StatementId> {
        let old = self.stated.keys().take_while(|s| today.since(s.day) > LIFETIME_DAYS);
        let old: Vec<Sequence> = old.filter(|s| !self.conflicts.contains_key(s)).copied().collect();
        let mut gone = Vec::with_capacity(old.len());
        for sequence in old {
            gone.extend(self.remove(sequence));
        }
        gone
    }

    fn forget(&mut self, sequence: Sequence, content: Content) {
        match content {
            Content::Report(number) => {
                self.by_number.remove(&(number, sequence));
                self.reports.remove(&(sequence.home, sequence.day, sequence.slot));
                let last = self.sequences(number).next().is_none();
                self.numbers -= usize::from(last);
                if !self.retracted.contains_key(&sequence) {
                    count_down(&mut self.standing, &sequence.home);
                }
            }
            Content::Retraction(target) => {
                count_down(&mut self.retracted, &target);
                if !self.retracted.contains_key(&target) && self.is_report(&target) {
                    count_up(&mut self.standing, sequence.home);
                }
            }
            Content::Vouch(_) => {
                self.vouches.remove(&(sequence.home, sequence.day, sequence.slot));
            }
        }
    }

    fn is_report(&self, sequence: &Sequence) -> bool {
        sequence.kind == Kind::Report && self.stated.contains_key(sequence)
    }

    /// The places of all reports on a number, a home's later ones after its earlier ones.
    fn sequences(&self, number: E164) -> impl Iterator<Item = Sequence> + '_ {
        self.stated_on(number).map(|(sequence, _)| sequence)
    }

    fn stated_on(&self, number: E164) -> impl Iterator<Item = (Sequence, Category)> + '_ {
        let all = self.by_number.range((number, Sequence::FIRST)..=(number, Sequence::LAST));
        all.map(|((_, sequence), category)| (*sequence, *category))
    }

    /// The live reports on a number: the latest of each home, unless the home took it back or speaks with two tongues.
    pub(crate) fn reports(&self, number: E164) -> Vec<LiveReport> {
        let mut latest: Vec<(Sequence, Category)> = self.stated_on(number).collect();
        // Stable: of one home the last stays the last.
        latest.sort_by_key(|(sequence, _)| Reverse(sequence.home));
        latest.reverse();
        latest.dedup_by_key(|(sequence, _)| sequence.home);
        let live = latest.into_iter().filter(|(sequence, _)| self.is_live(sequence));
        live.map(|(s, category)| LiveReport { home: s.home, category, day: s.day }).collect()
    }

    /// The numbers that a home reported as unwanted on this day or later, whatever it says of them now.
    pub(crate) fn unwanted_since(&self, home: HomeNo, since: Day) -> impl Iterator<Item = E164> + '_ {
        let reports = self.reports.range((home, since, 0)..=(home, Day(u16::MAX), u8::MAX));
        reports.filter_map(|(home, day, slot)| {
            let sequence = Sequence { day: *day, home: *home, kind: Kind::Report, slot: *slot };
            match self.stated.get(&sequence)?.content {
                Content::Report(number) => Some(number),
                Content::Vouch(_) | Content::Retraction(_) => None,
            }
        })
    }

    /// The homes that call a number unwanted, of those that count, each with the day on which it first spoke of it.
    pub(crate) fn unwanted(
        &self,
        number: E164,
        counts: impl Fn(HomeNo) -> bool,
    ) -> impl Iterator<Item = (HomeNo, Day)> {
        let mut said: BTreeMap<HomeNo, (Day, Sequence, Category)> = BTreeMap::new();
        for (sequence, category) in self.stated_on(number).filter(|(sequence, _)| counts(sequence.home)) {
            let first = said.get(&sequence.home).map_or(sequence.day, |(first, ..)| *first);
            said.insert(sequence.home, (first, sequence, category));
        }
        let unwanted = move |sequence: &Sequence, category| category != Category::Legit && self.is_live(sequence);
        said.into_iter()
            .filter(move |(_, (_, sequence, category))| unwanted(sequence, *category))
            .map(|(home, (first, ..))| (home, first))
    }

    /// The slot of a home's live report on a number.
    pub(crate) fn report_slot(&self, home: HomeNo, number: E164) -> Option<(Day, u8)> {
        let latest = self.sequences(number).filter(|s| s.home == home).last()?;
        self.is_live(&latest).then_some((latest.day, latest.slot))
    }

    /// The live vouches of a home as (for whom, since when, slot), in the order in which they were made.
    pub(crate) fn vouches_of(&self, home: HomeNo) -> impl Iterator<Item = (HomeNo, Day, u8)> + '_ {
        let all = self.vouches.range((home, Day(0), 0)..=(home, Day(u16::MAX), u8::MAX));
        all.map(|(&(home, day, slot), whom)| (Sequence { day, home, kind: Kind::Vouch, slot }, *whom))
            .filter(|(sequence, _)| self.is_live(sequence))
            .map(|(sequence, whom)| (whom, sequence.day, sequence.slot))
    }

    /// Whether a retraction takes back a vouch that is held.
    pub(crate) fn takes_back_a_vouch(&self, retraction: &Statement) -> bool {
        let Body::Retraction { kind, day, slot } = retraction.body else { return false };
        let Some(home) = self.find(retraction.home) else { return false };
        let stated = self.stated.get(&Sequence { day, home, kind, slot });
        stated.is_some_and(|stated| matches!(stated.content, Content::Vouch(_)))
    }

    /// How many reports of a home stand.
    pub(crate) fn report_count(&self, home: HomeNo) -> u32 {
        if self.equivocates(home) { 0 } else { self.standing.get(&home).copied().unwrap_or(0) }
    }

    fn is_live(&self, sequence: &Sequence) -> bool {
        !self.retracted.contains_key(sequence) && !self.equivocates(sequence.home)
    }

    /// The newest day up to `last` that a statement of one of the homes carries.
    pub(crate) fn newest_day(&self, last: Day, of: impl Fn(HomeNo) -> bool) -> Option<Day> {
        let until = Sequence { day: last, ..Sequence::LAST };
        self.stated.range(..=until).rev().find(|(s, _)| of(s.home)).map(|(s, _)| s.day)
    }

    /// Whether the home has signed two statements in one slot.
    pub(crate) fn equivocates(&self, home: HomeNo) -> bool {
        self.equivocators.contains(&home)
    }

    /// The number a statement is about: its own, or for a retraction the number of what it takes back.
    pub(crate) fn subject(&self, statement: &Statement) -> Option<E164> {
        match statement.body {
            Body::Report { number, .. } => Some(number),
            Body::Vouch(_) => None,
            Body::Retraction { kind, day, slot } => {
                let home = *self.index.get(&statement.home)?;
                match self.stated.get(&Sequence { day, home, kind, slot })?.content {
                    Content::Report(number) => Some(number),
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
        let no = HomeNo(u32::try_from(self.names.len()).expect("four thousand million homes do not fit any memory"));
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

    /// How many homes have a number.
    pub(crate) fn homes(&self) -> u32 {
        u32::try_from(self.names.len()).unwrap_or(u32::MAX)
    }

    /// How many statements are held.
    pub(crate) fn len(&self) -> usize {
        self.stated.len() + self.conflicts.len()
    }

    /// The numbers there are statements about, in order, behind this one.
    pub(crate) fn numbers_after(&self, after: Option<E164>) -> impl Iterator<Item = E164> + '_ {
        let next = move |last: Option<E164>| {
            let from = last.map_or(Bound::Unbounded, |n| Bound::Excluded((n, Sequence::LAST)));
            self.by_number.range((from, Bound::Unbounded)).next().map(|((number, _), _)| *number)
        };
        std::iter::successors(next(after), move |last| next(Some(*last)))
    }

    /// How many numbers there are statements about.
    pub(crate) fn numbers(&self) -> usize {
        self.numbers
    }
}

fn count_up<K: Ord>(counts: &mut BTreeMap<K, u32>, key: K) {
    *counts.entry(key).or_default() += 1;
}

/// Takes one off a count and drops the entry when nothing is left.
fn count_down<K: Ord>(counts: &mut BTreeMap<K, u32>, key: &K) {
    if let Some(n) = counts.get_mut(key) {
        *n -= 1;
        if *n == 0 {
            counts.remove(key);
        }
    }
}
