//! The daemon's parts, put together as the daemon does.

mod threads;
