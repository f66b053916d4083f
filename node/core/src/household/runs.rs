//! Copies: a data folder that was copied makes two nodes of one. Each start of a node has a number, counted in its store,
//! and chance; who hears of a run that is not later than the last it heard of, and is not that one, hears a copy.

use std::collections::BTreeMap;

use meerkat_protocols::{home::NodeNumber, household::Run, time::Now};

use crate::{alarms::Alarm, event::Event, node::Node, output::Output};

/// What was heard of the runs of each member.
#[derive(Debug, Default)]
pub(crate) struct Runs {
    latest: BTreeMap<NodeNumber, Run>,
    twins: BTreeMap<NodeNumber, Seen>,
}

/// How a copy became known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Two runs were heard here.
    Here,
    /// Another member says so.
    Told,
}

impl Runs {
    pub(super) fn is_twin(&self, number: NodeNumber) -> bool {
        self.twins.contains_key(&number)
    }

    /// Those that were heard here: hearsay is not passed on, or it would never end.
    pub(super) fn twins(&self) -> Vec<NodeNumber> {
        self.twins.iter().filter(|(_, seen)| **seen == Seen::Here).map(|(number, _)| *number).collect()
    }

    /// Whether a run of this member shows that there are two.
    fn hear(&mut self, number: NodeNumber, run: Run) -> bool {
        let latest = self.latest.entry(number).or_insert(run);
        if run.start > latest.start {
            *latest = run;
        }
        *latest != run
    }
}

impl Node {
    /// A member said which run of it speaks.
    pub(super) fn saw_run(&mut self, now: Now, from: NodeNumber, run: Run) {
        if self.household.runs.hear(from, run) {
            self.found_twin(now, from, Seen::Here);
        }
    }

    /// A member says of whom it heard two. A node that hears it of itself stops speaking for the home: its other self may
    /// use the same slots, and the home would be caught with two tongues.
    pub(super) fn heard_of_twins(&mut self, now: Now, twins: &[NodeNumber]) {
        for number in twins {
            if self.household.roster.member(*number).is_some() {
                self.found_twin(now, *number, Seen::Told);
            }
        }
    }

    fn found_twin(&mut self, now: Now, number: NodeNumber, seen: Seen) {
        let Some(name) = self.household.roster.member(number).map(|member| member.name.clone()) else { return };
        let before = self.household.runs.twins.get(&number).copied();
        if before != Some(Seen::Here) {
            self.household.runs.twins.insert(number, seen);
        }
        if before.is_none() {
            let own = number == self.identity.node;
            self.raise(now, if own { Alarm::OwnCopy } else { Alarm::CopyOf(number, name) });
            self.put(Output::Event(Event::HouseholdChanged));
        }
        if before != Some(Seen::Here) && seen == Seen::Here {
            // The others, and both copies, are told at once.
            self.greet_members(now);
        }
    }

    /// Whether a copy of this node runs too.
    pub(crate) fn has_copy(&self) -> bool {
        self.household.runs.is_twin(self.identity.node)
    }

    /// Who is removed is no member to have two of.
    pub(super) fn runs_follow_roster(&mut self) {
        let roster = &self.household.roster;
        let gone: Vec<NodeNumber> =
            self.household.runs.latest.keys().copied().filter(|n| roster.member(*n).is_none()).collect();
        for number in gone {
            self.household.runs.latest.remove(&number);
            if self.household.runs.twins.remove(&number).is_some() {
                self.clear(&Alarm::CopyOf(number, String::new()));
            }
        }
    }
}
