//! Evidence: the statements this node has accepted, and what follows from them whatever the order they came in.
//!
//! Nothing in here depends on the order of arrival: what a number's claims are is read off the whole set each time.
//! A home is kept as a small number and a report as about 110 bytes, so that 300,000 of them fit a Raspberry Pi.

mod contested;
mod further;
mod live;

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use meerkat_protocols::{
    home::{Genesis, HomeId, NodeNumber},
    number::E164,
    statement::{Body, Category, Kind, LIFETIME_DAYS, Statement, StatementId},
    time::Day,
};

pub(crate) use further::Speaks;

use self::{
    contested::{Contested, Said, Word},
    further::{Members, names_nodes},
};
use crate::voices::Voices;

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
    const LAST: Self = Self { day: Day(u16::MAX), home: HomeNo(u32::MAX), kind: Kind::Delegation, slot: u8::MAX };
}

/// Which node said what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Report(NodeNumber, E164),
    Vouch(NodeNumber, HomeNo),
    Retraction(NodeNumber, Sequence),
    Delegation(NodeNumber),
    /// One half of a proof that the node speaks with two tongues, and nothing else any more.
    Proof(NodeNumber),
}

impl Content {
    fn node(self) -> NodeNumber {
        match self {
            Self::Report(node, _)
            | Self::Vouch(node, _)
            | Self::Retraction(node, _)
            | Self::Delegation(node)
            | Self::Proof(node) => node,
        }
    }
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
    /// Older than as many of the home's reports or delegations as count, or in a slot that is another node's.
    Excess,
    /// The node that said it may not have, by what is known now.
    Unspoken,
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
    /// The keys in them. That one can verify anything is found out once: it is looked up twice for each statement.
    keys: BTreeMap<HomeNo, [u8; 32]>,
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
    /// What other nodes of a home said in a slot that one of them holds.
    contested: Contested,
    /// The second statements of a node in a slot. With the first one each proves that its home speaks with two tongues.
    conflicts: BTreeMap<(Sequence, NodeNumber), StatementId>,
    /// The nodes that this proves of, and how often.
    caught: BTreeMap<(HomeNo, NodeNumber), u32>,
    /// The homes for which such a node speaks.
    equivocators: BTreeSet<HomeNo>,
    /// The further nodes of each home that has some.
    voices: BTreeMap<HomeNo, Voices>,
    members: Members,
    /// The places of what each further node said.
    said_by: BTreeMap<(HomeNo, NodeNumber), BTreeSet<Sequence>>,
    /// The homes of which others speak than before, since somebody asked.
    revoiced: BTreeSet<HomeNo>,
    /// Vouches may have gone, or count again, since somebody asked.
    shaken: bool,
    /// All that the store kept is here.
    settled: bool,
}

impl Evidence {
    /// Takes in a statement whose signature holds, or that was restored from the store. `near` is whether it is of this
    /// home or of one that it answers for, or was kept before.
    pub(crate) fn insert(&mut self, statement: &Statement, id: StatementId, near: bool) -> Inserted {
        let home = self.number_of(statement.home);
        let sequence = Sequence { day: statement.day, home, kind: statement.kind(), slot: statement.slot };
        let node = statement.node;
        let said = self.said(&sequence, node);
        if said == Some(id) || self.conflicts.get(&(sequence, node)) == Some(&id) {
            return Inserted::Known;
        }
        let further = node != NodeNumber(0);
        if further && self.settled && !matches!(self.speaks(statement), Speaks::Key(_)) {
            return Inserted::Unspoken;
        }
        let proven = self.conflicts.contains_key(&(sequence, node));
        // Until all is back it is open whether the home took a caught node back.
        if proven || (self.settled && self.equivocates(home) && !names_nodes(&statement.body)) {
            return Inserted::Surplus;
        }
        if said.is_some() {
            self.catch(sequence, id, node);
            return Inserted::Equivocation;
        }
        let holder = self.stated.get(&sequence).map(|stated| stated.content.node());
        let prevails = holder.is_none_or(|holder| self.prevails(home, sequence.kind, node, holder));
        // What was kept together has room together: else a proof could lose its first half to what was said after it.
        let pushed_out = if prevails && self.settled { self.room_for(home, statement) } else { Some(None) };
        let Some(pushed_out) = pushed_out else { return Inserted::Excess };
        if sequence.kind == Kind::Report && self.is_excess(home, sequence.day, sequence.slot) {
            return Inserted::Excess;
        }
        let (room, most) =
            if near { (MAX_STATEMENTS + RESERVED, MAX_PER_HOME) } else { (MAX_STATEMENTS, MAX_OF_FAR_HOME) };
        let of_home = self.of_home.get(&home).copied().unwrap_or(0);
        if self.stated.len() >= room || of_home >= most {
            return Inserted::Full;
        }
        let word = self.word(home, &statement.body);
        count_up(&mut self.of_home, home);
        self.list(sequence, node);
        if !prevails {
            self.contested.set_aside(sequence, node, Said { id, word });
            return Inserted::New;
        }
        if let Some((day, slot)) = pushed_out {
            let gone = self.remove(Sequence { day, home, kind: Kind::Delegation, slot });
            self.given_up.extend(gone);
        }
        self.hold(sequence, node, Said { id, word });
        self.give_up_excess(home);
        if self.settled && names_nodes(&statement.body) {
            self.settle(home);
        }
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
        let sequence = Sequence { day, home, kind: Kind::Report, slot };
        let given_up = self.remove(sequence);
        self.given_up.extend(given_up);
        self.give_up_aside(sequence);
    }

    /// The ids of what was given up since this was last asked, to be dropped from the store too.
    pub(crate) fn take_given_up(&mut self) -> Vec<StatementId> {
        std::mem::take(&mut self.given_up)
    }

    fn remove(&mut self, sequence: Sequence) -> Option<StatementId> {
        let stated = self.stated.remove(&sequence)?;
        count_down(&mut self.of_home, &sequence.home);
        self.forget(sequence, stated.content);
        self.unlist(sequence, stated.content.node());
        Some(stated.id)
    }

    fn take_in(&mut self, sequence: Sequence, node: NodeNumber, word: Word) -> Content {
        let home = sequence.home;
        match word {
            Word::Report(number, category) => {
                let first = self.sequences(number).next().is_none();
                self.numbers += usize::from(first);
                self.by_number.insert((number, sequence), category);
                self.reports.insert((home, sequence.day, sequence.slot));
                if !self.retracted.contains_key(&sequence) {
                    count_up(&mut self.standing, home);
                }
                Content::Report(node, number)
            }
            Word::Vouch(vouched) => {
                self.vouches.insert((home, sequence.day, sequence.slot), vouched);
                Content::Vouch(node, vouched)
            }
            Word::Retraction(target) => {
                if !takes_back(node, &sequence, &target) {
                    return Content::Retraction(node, target);
                }
                count_up(&mut self.retracted, target);
                if self.retracted.get(&target) == Some(&1) && self.is_report(&target) {
                    count_down(&mut self.standing, &home);
                }
                if target.kind == Kind::Delegation {
                    let place = (sequence.day, sequence.slot);
                    self.voices.entry(home).or_default().take_back((target.day, target.slot), node, place);
                }
                Content::Retraction(node, target)
            }
            Word::Delegation(said) => {
                self.voices.entry(home).or_default().grant(node, said, (sequence.day, sequence.slot));
                Content::Delegation(node)
            }
            Word::Proof => Content::Proof(node),
        }
    }

    /// Whether the statement in this slot is this very one.
    pub(crate) fn knows(&self, statement: &Statement, id: StatementId) -> bool {
        self.index.get(&statement.home).is_some_and(|home| {
            let sequence = Sequence { day: statement.day, home: *home, kind: statement.kind(), slot: statement.slot };
            self.said(&sequence, statement.node) == Some(id)
                || self.conflicts.get(&(sequence, statement.node)) == Some(&id)
        })
    }

    /// Removes what is older than its lifetime and returns the ids that went. The proof that a home speaks with two
    /// tongues never goes: it would count again otherwise.
    pub(crate) fn expire(&mut self, today: Day) -> Vec<StatementId> {
        let proof = |s: &Sequence, node| self.conflicts.contains_key(&(*s, node));
        let old = self.stated.iter().take_while(|(s, _)| today.since(s.day) > LIFETIME_DAYS);
        let old: Vec<Sequence> = old.filter(|(s, it)| !proof(s, it.content.node())).map(|(s, _)| *s).collect();
        let mut gone = self.expire_aside(today);
        let mut unnamed = BTreeSet::new();
        for sequence in old {
            // Who was named by it may speak no more, or speak again.
            unnamed.extend(self.voices.contains_key(&sequence.home).then_some(sequence.home));
            gone.extend(self.remove(sequence));
        }
        unnamed.into_iter().for_each(|home| self.settle(home));
        gone
    }

    fn forget(&mut self, sequence: Sequence, content: Content) {
        match content {
            Content::Report(_, number) => {
                self.by_number.remove(&(number, sequence));
                self.reports.remove(&(sequence.home, sequence.day, sequence.slot));
                let last = self.sequences(number).next().is_none();
                self.numbers -= usize::from(last);
                if !self.retracted.contains_key(&sequence) {
                    count_down(&mut self.standing, &sequence.home);
                }
            }
            Content::Retraction(node, target) if !takes_back(node, &sequence, &target) => {}
            Content::Retraction(node, target) => {
                count_down(&mut self.retracted, &target);
                if !self.retracted.contains_key(&target) && self.is_report(&target) {
                    count_up(&mut self.standing, sequence.home);
                }
                if target.kind == Kind::Delegation
                    && let Some(voices) = self.voices.get_mut(&sequence.home)
                {
                    voices.untake((target.day, target.slot), node, (sequence.day, sequence.slot));
                }
            }
            Content::Vouch(..) => {
                self.vouches.remove(&(sequence.home, sequence.day, sequence.slot));
            }
            Content::Delegation(_) => {
                if let Some(voices) = self.voices.get_mut(&sequence.home) {
                    voices.ungrant((sequence.day, sequence.slot));
                }
            }
            Content::Proof(_) => {}
        }
    }

    fn is_report(&self, sequence: &Sequence) -> bool {
        self.stated.get(sequence).is_some_and(|stated| matches!(stated.content, Content::Report(..)))
    }

    /// The places of all reports on a number, a home's later ones after its earlier ones.
    fn sequences(&self, number: E164) -> impl Iterator<Item = Sequence> + '_ {
        self.stated_on(number).map(|(sequence, _)| sequence)
    }

    fn stated_on(&self, number: E164) -> impl Iterator<Item = (Sequence, Category)> + '_ {
        let all = self.by_number.range((number, Sequence::FIRST)..=(number, Sequence::LAST));
        all.map(|((_, sequence), category)| (*sequence, *category))
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
            Body::Vouch(_) | Body::Delegation(_) => None,
            Body::Retraction { kind, day, slot } => {
                let home = *self.index.get(&statement.home)?;
                match self.stated.get(&Sequence { day, home, kind, slot })?.content {
                    Content::Report(_, number) => Some(number),
                    _ => None,
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

    fn know_genesis(&mut self, home: HomeNo, genesis: Genesis) {
        if self.geneses.insert(home, genesis) != Some(genesis)
            && let Some(key) = genesis.key()
        {
            self.keys.insert(home, key.to_bytes());
        }
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
        self.stated.len() + self.contested.len() + self.conflicts.len()
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

/// Whether a retraction counts: a further node takes back only what was said by its day. Else one that is out could date
/// words back that take back what its home will say.
fn takes_back(node: NodeNumber, said: &Sequence, target: &Sequence) -> bool {
    node == NodeNumber(0) || target.day <= said.day
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
