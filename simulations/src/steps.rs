//! The steps of a scenario: what is done to the world, and when.

use std::collections::BTreeSet;

use meerkat_protocols::number::E164;

use crate::{dice::Dice, scenario::Scenario, world::World};

/// The first number that is reported; each report has one of its own.
const FIRST_NUMBER: u64 = 4_930_200_000_000;
const DAY_S: i64 = 86_400;

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A person of a home reports a number; one whose node is off does so later, or not.
    Report(usize, E164),
    /// These are cut off from all others.
    Cut(usize, BTreeSet<usize>),
    /// A cut is over.
    Heal(usize),
    /// These stop.
    Stop(Vec<usize>, bool),
    /// These start again.
    Start(Vec<usize>),
    /// The clocks of these are wrong by so many seconds, or not set.
    Clock(Vec<usize>, Option<i64>),
}

/// All steps, each with its time in microseconds.
pub(crate) fn of(scenario: &Scenario, dice: &Dice) -> Vec<(u64, Step)> {
    let homes = scenario.street.homes;
    let mut chance = dice.apart(6);
    let mut steps = Vec::new();
    let mut number = FIRST_NUMBER;
    for reports in &scenario.reports {
        for n in 0..reports.count {
            if let Some(number) = E164::from_digits(number) {
                steps
                    .push((reports.at.us() + reports.every.us() * n as u64, Step::Report(chance.place(homes), number)));
            }
            number += 1;
        }
    }
    for (n, cut) in scenario.partitions.iter().enumerate() {
        let side = some(cut.share, homes, &mut chance).into_iter().collect();
        steps.push((cut.at.us(), Step::Cut(n, side)));
        steps.push((cut.at.us() + cut.lasts.us(), Step::Heal(n)));
    }
    for stop in &scenario.stops {
        let who = some(stop.share, homes, &mut chance);
        steps.push((stop.at.us(), Step::Stop(who.clone(), stop.power_cut)));
        steps.push((stop.at.us() + stop.lasts.us(), Step::Start(who)));
    }
    for clock in &scenario.clocks {
        let who = some(clock.share, homes, &mut chance);
        steps.push((clock.at.us(), Step::Clock(who, clock.days.map(|days| i64::from(days) * DAY_S))));
    }
    steps
}

/// A share of the homes, at least one if it is above zero.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a share of few"
)]
fn some(share: f64, homes: usize, chance: &mut Dice) -> Vec<usize> {
    chance.choose((share * homes as f64).ceil() as usize, homes)
}

impl World {
    pub(crate) fn step(&mut self, step: Step) {
        match step {
            Step::Report(home, number) => {
                self.houses[home].report(self.now_us, number);
                self.settle(home);
            }
            Step::Cut(cut, side) => {
                let others: Vec<usize> = (0..self.houses.len()).filter(|home| !side.contains(home)).collect();
                for home in &side {
                    others.iter().for_each(|other| self.cut(*home, *other));
                }
                self.sides = side.iter().map(|home| (*home, cut + 1)).collect();
                self.cuts.insert(cut, side);
            }
            Step::Heal(cut) => {
                let side = self.cuts.remove(&cut).unwrap_or_default();
                side.into_iter().for_each(|home| self.connect(home));
            }
            Step::Stop(who, power_cut) => who.into_iter().for_each(|home| self.stop(home, power_cut)),
            Step::Start(who) => {
                for home in who {
                    if self.houses[home].run.is_none() {
                        self.start(home);
                    }
                }
            }
            Step::Clock(who, wrong_s) => {
                for home in who {
                    self.houses[home].wrong_s = wrong_s;
                    self.houses[home].wake(self.now_us);
                    self.settle(home);
                }
            }
        }
    }
}
