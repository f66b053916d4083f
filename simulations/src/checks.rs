//! What must always hold, whatever happened.

use std::collections::BTreeSet;

use meerkat_core::Alarm;
use meerkat_protocols::{
    number::E164,
    statement::{MAX_DAYS_AHEAD, Read, Sealed, StatementId},
    time::Day,
};
use serde::Serialize;

use crate::{
    house::House,
    streets::TODAY,
    world::{World, number_of},
};

/// A check and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What must hold.
    pub what: &'static str,
    /// What did not, with the first cases; empty if it held.
    pub failures: Vec<String>,
}

/// Cases that are named; more of them say nothing new.
const NAMED: usize = 5;

fn check(what: &'static str, failures: impl IntoIterator<Item = String>) -> Check {
    Check { what, failures: failures.into_iter().take(NAMED).collect() }
}

impl World {
    /// All checks, on the world as it is now.
    pub fn checks(&mut self) -> Vec<Check> {
        let mut checks = vec![
            check("what a person was told is saved is on disk", self.lost()),
            check("no honest home is caught saying two things", self.convicted()),
            check("no exchange ended by a fault", self.faulty()),
        ];
        if self.scenario.expect.equal {
            checks.push(check("all homes that run hold the same", self.unequal()));
        }
        if let Some(within) = self.scenario.expect.within {
            checks.push(check("every report is known to all in time", self.late(within.us())));
        }
        checks
    }

    fn lost(&self) -> Vec<String> {
        let mut lost = Vec::new();
        for (n, house) in self.houses.iter().enumerate() {
            let on_disk: BTreeSet<E164> = house.disk.statements.values().filter_map(number_of).collect();
            let gone = house.acknowledged.iter().filter(|number| !on_disk.contains(number));
            // These numbers are nobody's.
            lost.extend(gone.map(|number| format!("home {n} lost its report on {}", number.reveal())));
        }
        lost
    }

    fn convicted(&mut self) -> Vec<String> {
        let mut convicted = Vec::new();
        for n in 0..self.houses.len() {
            let now = self.houses[n].now(self.now_us);
            let Some(run) = &mut self.houses[n].run else { continue };
            let alarms = run.engine.snapshot(now).alarms;
            if alarms.iter().any(|(alarm, _)| matches!(alarm, Alarm::NeighbourEquivocates(_))) {
                convicted.push(format!("home {n} holds a neighbour for a liar"));
            }
        }
        convicted
    }

    fn faulty(&mut self) -> Vec<String> {
        let mut faulty = Vec::new();
        for n in 0..self.houses.len() {
            let now = self.houses[n].now(self.now_us);
            let Some(run) = &mut self.houses[n].run else { continue };
            let faults = run.engine.snapshot(now).counts.faults;
            if faults > 0 {
                faulty.push(format!("home {n} counted {faults}"));
            }
        }
        faulty
    }

    fn unequal(&self) -> Vec<String> {
        let mut running = self.houses.iter().enumerate().filter(|(_, house)| house.run.is_some());
        let Some((first, house)) = running.next() else { return Vec::new() };
        let ids = self.acceptable(house);
        let differing = running.filter_map(|(n, other)| {
            let theirs = self.acceptable(other);
            let differ = ids.symmetric_difference(&theirs).count();
            (differ > 0).then(|| format!("home {n} differs from home {first} by {differ}"))
        });
        differing.collect()
    }

    /// What a home holds, but for what is dated where nobody else takes it: a home whose clock is ahead keeps that alone.
    fn acceptable<'a>(&self, house: &'a House) -> BTreeSet<&'a StatementId> {
        let all = house.disk.statements.iter();
        all.filter(|(_, sealed)| !self.is_stray(sealed)).map(|(id, _)| id).collect()
    }

    /// Whether a statement is dated beyond tomorrow.
    pub(crate) fn is_stray(&self, sealed: &Sealed) -> bool {
        let today = Day::of_unix(TODAY.begins() + 43_200 + i64::try_from(self.now_us / 1_000_000).unwrap_or(0));
        match (sealed.read(), today) {
            (Ok(Read::Statement(statement)), Some(today)) => statement.day.since(today) > MAX_DAYS_AHEAD,
            _ => false,
        }
    }

    fn late(&self, within_us: u64) -> Vec<String> {
        let calm_us = self.scenario.calm_us();
        let running = self.houses.iter().filter(|house| house.run.is_some()).count();
        let mut late = Vec::new();
        for (id, spread) in &self.spreads {
            let by_us = spread.made_us.max(calm_us) + within_us;
            let known = spread.known_us.values().filter(|at| **at <= by_us).count();
            if known < running && by_us < self.now_us {
                late.push(format!("report {id:?} is known to {known} of {running} homes in time"));
            }
        }
        late
    }
}
