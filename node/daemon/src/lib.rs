//! The daemon: drives one pure node with sockets, disks and clocks.
//!
//! **What is absent.** No decision about a call, a statement or a person's wish: those are in `node/core`. This package
//! reads the clock, makes the keys, owns the threads and puts the parts together in one function, [`run`].

#![forbid(unsafe_code)]

mod asking;
pub mod cli;
pub mod client;
pub mod clock;
pub mod commands;
mod greeting;
pub mod identity;
mod kept;
mod local;
mod locked;
mod log;
mod machine;
mod not_started;
mod page;
mod planned;
mod releasing;
pub mod run;
mod secret;
pub mod settings;
mod shown;
mod signals;
pub mod threads;
mod zone;
