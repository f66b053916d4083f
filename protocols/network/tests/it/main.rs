//! Whole networks beside each other, as the node meets them.

mod common;
mod direct;
mod exchanges;
mod members;
mod neighbours;
