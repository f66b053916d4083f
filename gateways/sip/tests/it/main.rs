//! The gateway over real sockets on 127.0.0.1, with a scripted desk in the node's place.

#![allow(missing_docs, clippy::unwrap_used)]

mod bad_input;
mod calls;
mod desk;
mod registration;
mod settings;
mod torture;
