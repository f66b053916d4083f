//! The one integration binary: what a user would notice, tried on real processes, and the rules of the house.

mod architecture;
mod faults;
mod neighbourhood;
mod network;
mod tidy;
mod tree;
