//! Moments by the clock of the runtime. The day of the calendar is the machine's: nothing that is played depends on it.
//!
//! **What is absent.** The machine's clock behind `Instant`: libp2p measures in virtual time.

#![forbid(unsafe_code)]

pub use std::time::{Duration, SystemTime, SystemTimeError, UNIX_EPOCH};

pub use tokio::time::Instant;
