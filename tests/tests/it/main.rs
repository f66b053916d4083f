//! The one integration binary: what a user would notice, tried on real processes, and the rules of the house.

mod apart;
mod architecture;
mod browser;
mod clocks;
mod enrolling;
mod faults;
mod first_light;
mod hostile;
mod imports;
mod keys;
mod killed;
mod lying;
mod meeting;
mod messages;
mod nat;
mod neighbourhood;
mod network;
mod partition;
mod privacy;
mod putback;
mod reconcile;
mod rot;
mod sip_gateway;
mod tidy;
mod tree;
mod wishes;
