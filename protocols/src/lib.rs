//! The vocabulary every part of Meerkat speaks: who is who, what a statement is and how it is signed, what a phone
//! line tells us, what is written to disk and what goes over the wire.
//!
//! **What is absent.** No clock, no randomness, no file, no socket, no thread: time and chance are arguments. No
//! decision about a call either; that is `node/core`. Everything that comes from outside is bounded before it is parsed.

#![forbid(unsafe_code)]
#![deny(clippy::iter_over_hash_type)]

pub mod address;
pub mod audit;
pub mod batch;
pub mod cbor;
pub mod chance;
pub mod contact;
pub mod delegation;
pub mod enrolment;
pub mod facts;
pub mod fourwords;
pub mod home;
pub mod household;
pub mod letter;
mod link;
pub mod mail;
pub mod meeting;
pub mod memberword;
pub mod mesh;
pub mod number;
pub mod peerlist;
pub mod phone;
pub mod release;
pub mod roster;
pub mod schedule;
pub mod shortcode;
mod signed;
pub mod statement;
pub mod text;
pub mod ticket;
pub mod time;
pub mod topic;
pub mod wishes;
pub mod zone;
