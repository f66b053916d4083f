//! Trust: how much the word of a far home weighs here, by the flow that the vouches between carry.
//!
//! The measure is the maximum flow from this home along vouches to those who report a number, where each home on the way
//! passes on at most so much as its distance allows (Levien, "Attack-resistant trust metrics", 2004: what attackers gain
//! is bounded by the capacity of the honest homes they talked into a vouch, however many names they make up behind).
//!
//! Everything is in hundredths and in whole numbers: the same on every machine. A [`Graph`] ranks homes by distance and
//! name, so that nothing depends on the order in which statements came.

mod flow;
mod graph;
mod weigh;

pub use flow::{Flow, Witness};
pub use graph::{CAPACITY, Capacities, Graph, HOPS};
pub use weigh::{BLOCK_AT, CHALLENGE_AT, DECAY_FROM_DAYS, Rule, Side, Weighed, age_weight, evidence, weigh};

/// One whole word: what a report of a near home weighs, in hundredths.
pub const WHOLE: u32 = 100;

#[cfg(test)]
mod tests;
