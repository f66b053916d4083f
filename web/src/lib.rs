//! The local page of a node and its API.
//!
//! **What holds.** Nobody gets in who is not in the book; what no table of roles allows is refused; what comes from
//! outside is bounded before it is read; an error says whose fault it is; nothing that leaves here can run as script.
//! The page needs nothing from anywhere else.
//!
//! **What is absent.** No decision about calls, no clock, no file, no listener: the daemon hands over a [`Wiring`] and
//! serves the [`router`]. Text from outside passes through as JSON and is markup nowhere.

#![forbid(unsafe_code)]

mod access;
mod assets;
mod audit;
mod backups;
mod calls;
mod events;
mod extract;
mod history;
mod household;
mod imports;
mod keeping;
mod lists;
mod locked;
mod lookup;
mod meeting;
mod members;
mod mesh;
mod messages;
mod neighbourhood;
mod numbers;
mod openapi;
mod peers;
mod planned;
mod problem;
mod records;
mod reports;
mod routes;
mod security;
mod shared;
mod system;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wiring;
mod words;

pub use access::{Access, AccessOrder, AccessRecord, ClaimToken, Former, REQUESTS_PER_MINUTE, Role, former_accounts};
pub use events::EventLog;
pub use locked::{Locked, NotUnlocked, UnlockTry, Waiting, locked_local_router, locked_router};
pub use openapi::openapi_document;
pub use problem::Problem;
pub use routes::{local_router, router};
pub use wiring::{Clock, ConfigItem, ConfigProblem, Machine, Order, Origin, Wiring};
