//! The page as browsers, programs and attackers meet it.

mod access;
mod accounts;
mod answers;
mod assets;
mod doors;
mod household;
mod imports;
mod lookup;
mod meeting;
mod messages;
mod records;
mod roles;
mod shared;
mod sites;
