//! What counts of the evidence: live reports and vouches.

use std::{cmp::Reverse, collections::BTreeMap};

use meerkat_protocols::{
    number::E164,
    statement::{Body, Category, Kind, Statement},
    time::Day,
};

use super::{Content, Evidence, HomeNo, LiveReport, Sequence};

impl Evidence {
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
                Content::Report(_, number) => Some(number),
                _ => None,
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
        stated.is_some_and(|stated| matches!(stated.content, Content::Vouch(..)))
    }
}
