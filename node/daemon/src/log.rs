//! The daemon's log: one line an event on standard error, where systemd and terminals both expect it. What is personal
//! redacts itself before it gets here.

use std::io::IsTerminal;

use tracing_subscriber::{EnvFilter, fmt, layer::SubscriberExt, util::SubscriberInitExt};

/// Starts the log at a level of the settings. `RUST_LOG` overrides it for those who debug.
pub(crate) fn start(level: &str) {
    // libp2p and the SIP stack tell every packet at debug, and the stack prints messages with numbers and names in them:
    // whoever wants that has to ask for it by `RUST_LOG`.
    let quiet = format!("{level},libp2p=warn,libp2p_swarm=warn,{}=off,mdns_sd=error", meerkat_sip::PRIVATE_LOG_TARGET);
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(quiet));
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).with_target(false);
    // A second start in one process happens in tests only; the first one stays.
    let _ = tracing_subscriber::registry().with(filter).with(lines).try_init();
}
