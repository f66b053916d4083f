//! The page as browsers, programs and attackers meet it.

mod access;
mod answers;
mod assets;
mod doors;
mod lookup;
mod roles;
mod sites;
