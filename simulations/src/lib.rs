//! Streets of homes in virtual time. Each home is the shipped [`Engine`](meerkat_core::Engine) and
//! [`Exchanges`](meerkat_core::Exchanges) of `node/core`, with a disk in memory; what is modelled is what the daemon has
//! around them: links, relaying, disks, clocks, and people.
//!
//! **One seed, one run.** Chance comes from [`dice::Dice`] alone, time from the queue of what happens, and whatever is
//! walked through is in an order of its own. The trace hash is taken over everything that happened: two runs of one
//! scenario and seed give the same, on any machine.
//!
//! **What is absent.** No clock, no thread, no socket, no file: a scenario is an argument, an outcome a value.

#![forbid(unsafe_code)]
#![deny(clippy::iter_over_hash_type)]

mod carrying;
pub mod checks;
pub mod compare;
pub mod dice;
mod disk;
pub mod gossip;
mod house;
mod links;
pub mod outcome;
pub mod report;
pub mod scenario;
mod steps;
mod streets;
pub mod world;
