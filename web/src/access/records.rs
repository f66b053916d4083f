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

    /// The role of this word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.word() == word)
    }

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

/// A person of the home, as one who comes in needs to be known.
#[derive(Clone)]
pub(crate) struct User {
    /// As the account is named.
    pub(crate) name: String,
    pub(crate) role: Role,
    /// An argon2id string (PHC format).
    pub(crate) password: String,
}

/// A person of the home, as this node kept them before the nodes of a home shared their accounts.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct FormerUser {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) password: String,
    pub(crate) created: Option<i64>,
}

/// A browser that is signed in; kept under the hash of its token.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The name of the account.
    pub(crate) user: String,
    /// The mark of the password that it was opened with: with another one, set on whichever node, it is over.
    #[serde(default, with = "serde_bytes")]
    pub(crate) password: Vec<u8>,
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
