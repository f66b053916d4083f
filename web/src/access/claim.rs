//! The claim: who reads the terminal of the node becomes its first admin, by a link that works once.

use std::fmt;

use crate::access::{
    book::{Access, Inner},
    secrets::{self, Purpose},
};

/// A one-time token, to be shown on the terminal and nowhere else. It is not kept, only its hash is.
#[derive(Clone, PartialEq, Eq)]
pub struct ClaimToken(String);

impl ClaimToken {
    pub(crate) fn issue(inner: &Inner) -> Result<Self, getrandom::Error> {
        let token = secrets::random()?;
        *inner.claim.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = secrets::hash(Purpose::Claim, &token);
        Ok(Self(token))
    }

    /// What follows the page's address: a fragment, which browsers send to nobody.
    #[must_use]
    pub fn url_fragment(&self) -> String {
        format!("#claim={}", self.0)
    }
}

impl fmt::Debug for ClaimToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClaimToken(…)")
    }
}

impl Access {
    /// Whether this is the token that counts now. It still counts afterwards.
    pub(crate) fn is_claim(&self, token: &str) -> bool {
        let given = secrets::hash(Purpose::Claim, token);
        // `blake3::Hash` compares in constant time.
        given.is_some() && *self.claim_slot() == given
    }

    /// Uses the token up; `false` if somebody else did in the meantime.
    pub(crate) fn use_claim(&self, token: &str) -> bool {
        let given = secrets::hash(Purpose::Claim, token);
        let mut slot = self.claim_slot();
        let counts = given.is_some() && *slot == given;
        if counts {
            *slot = None;
        }
        counts
    }
}
