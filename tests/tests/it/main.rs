//! The one integration binary: what a user would notice, tried on real processes, and the rules of the house.

mod apart;
mod architecture;
mod browser;
mod enrolling;
mod faults;
mod first_light;
mod imports;
mod keys;
mod meeting;
mod messages;
mod nat;
mod neighbourhood;
mod network;
mod partition;
mod privacy;
mod reconcile;
mod sip_gateway;
mod tidy;
mod tree;
mod wishes;
