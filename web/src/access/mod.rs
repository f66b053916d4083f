//! Who may come in and what they may do. Deny by default: what no table allows is refused.
//!
//! The book of users, sessions and keys lives in memory and in the store's access tables; the records come at start by
//! [`Access::restore`], and until then nobody gets in by cookie or key.

mod accounts;
mod book;
mod claim;
mod door;
mod keys;
mod limits;
mod records;
mod roles;
mod routes;
mod secrets;
mod sessions;

pub(crate) use accounts::account_routes;
pub use book::{Access, AccessOrder, AccessRecord, Former, former_accounts};
pub use claim::ClaimToken;
pub use limits::REQUESTS_PER_MINUTE;
pub use records::Role;

pub(crate) use door::{Caller, Door, Gate, address, enter, from_this_page, hosts, names_us};
pub(crate) use keys::key_routes;
pub(crate) use limits::{Limits, Network};
pub(crate) use roles::{Need, TABLE};
pub(crate) use routes::{claim_by_socket, session_routes};
