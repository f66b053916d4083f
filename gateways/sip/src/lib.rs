//! The SIP gateway: takes the calls of a telephone line, asks the node about each, and does as it is told.
//!
//! A line either registers at the home's router like a phone or stands behind a fork. A call to be blocked gets a final
//! answer that makes the router stop ringing the phones; a call that passes is held at `180 Ringing` and then left to
//! the phones with a `480`.
//!
//! **What is absent.** No decision: [`phone::Incoming`](meerkat_protocols::phone::Incoming) goes out,
//! [`phone::Act`](meerkat_protocols::phone::Act) comes in. The one thing done unasked is failing open: without a verdict
//! within 2 s, after a panic, or with full queues, the call rings. No media, no outgoing calls, no DNS lookups for what
//! a message names (only for the registrar in the settings).
//!
//! **Logs.** rsipstack writes whole messages, numbers included, to its log: whoever sets up `tracing` must switch the
//! target `rsipstack` off ([`PRIVATE_LOG_TARGET`]). This package itself logs no personal data.

#![forbid(unsafe_code)]

mod call;
mod counters;
mod desk;
mod gate;
mod gateway;
mod identity;
mod line;
mod registration;
mod sdp;
mod settings;
mod sources;
mod stream;
mod trouble;
mod udp;
mod wire;

pub use counters::Counts;
pub use gateway::{Gateway, start};
pub use settings::{BlockBy, LineSettings, Mode, Network, Password, Registered, Transport};
pub use trouble::Trouble;

/// The log target under which whole messages are written by the SIP stack: filter it out, always.
pub const PRIVATE_LOG_TARGET: &str = "rsipstack";
