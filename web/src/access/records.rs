//! Who may come in: the records as they lie in the store, and as the page shows them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What somebody may do; each role may do all that those before it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Looks numbers up, for phone apps: sees no call, no list and no name.
    Lookup,
    /// Looks.
    Viewer,
    /// Also keeps the lists and reports numbers.
    Member,
    /// Also answers for neighbours and changes the home's settings.
    Moderator,
    /// Also sees the configuration and hands out access.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 5] = [Self::Lookup, Self::Viewer, Self::Member, Self::Moderator, Self::Admin];

    /// The word used in every interface.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Moderator => "moderator",
            Self::Admin => "admin",
        }
    }
}

/// A person of the home. The password is an argon2id string (PHC format).
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) password: String,
    pub(crate) created: Option<i64>,
}

/// A browser that is signed in; kept under the hash of its token.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The key of the user.
    pub(crate) user: String,
    pub(crate) opened: Option<i64>,
    /// Coarse: written at most hourly.
    pub(crate) seen: Option<i64>,
}

/// A program's key; kept under its id.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ApiKey {
    pub(crate) name: String,
    pub(crate) role: Role,
    #[serde(with = "serde_bytes")]
    pub(crate) hash: [u8; 32],
    pub(crate) created: Option<i64>,
    /// Coarse: written at most hourly.
    pub(crate) last_used: Option<i64>,
}
