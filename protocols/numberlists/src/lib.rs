//! Lists of unwanted numbers that somebody else published, and what they say about the numbers beside them.
//!
//! - [`Rows`] reads CSV as complaint bureaus and blocklists write it, piece by piece; [`Intake`] makes an [`Import`] of them.
//! - [`Image`] holds imports in memory as sorted 64-bit keys: 300,000 numbers take 2.4 MB, and a caller is found by
//!   binary search without the disk.
//!   What an import says of number blocks is kept with it ([`Import::is_hot`]).
//! - [`RangeHeat`] tells which blocks of numbers are being called from these days. It is a reason to challenge, never to
//!   block: honest people have numbers in such blocks too.
//!
//! **What is absent.** No clock, no file, no socket: bytes and days are arguments. No verdict: how much a list weighs is
//! the node's to say. No text of a row is ever kept or quoted, for it may name people; a bad row is told by its line.

#![forbid(unsafe_code)]
#![deny(clippy::iter_over_hash_type)]

mod blocks;
mod heat;
mod image;
mod intake;
mod kept;
mod key;
mod layout;
mod records;
mod rows;

pub use heat::{RangeHeat, Tuning};
pub use image::{Full, Image, Import, ImportId, Listing, MAX_IMPORTS};
pub use intake::{BadRow, Intake, MAX_NAME_CHARS, MAX_NUMBERS, Outcome, Progress, Refused};
pub use kept::NotKept;
pub use layout::{Entry, Layout};
pub use records::Fault;
pub use rows::Rows;
