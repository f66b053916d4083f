//! The accounts of the page, which all nodes of the home share: what may be changed about them.

use meerkat_protocols::wishes::{Account, Accounts, DocumentId, Edit, MAX_ACCOUNTS, account_named};

use crate::{command::Refusal, node::Node};

/// Why an account was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AccountRefusal {
    /// Nobody would be left who may let others in.
    #[error("this is the last account that may do everything: make another one an admin first")]
    LastAdmin,
    /// Names differ by more than case.
    #[error("there is an account of this name already: choose another name, or change that one")]
    Taken,
    /// There is none.
    #[error("there is no account of this name")]
    Unknown,
    /// The most that are kept.
    #[error("there are {MAX_ACCOUNTS} accounts, which is all there may be: remove one first")]
    TooMany,
}

impl AccountRefusal {
    /// The refusal's name in every interface.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::LastAdmin => "last_admin_account",
            Self::Taken => "account_taken",
            Self::Unknown => "no_such_account",
            Self::TooMany => "too_many_accounts",
        }
    }
}

/// Whether an edit of the accounts may be made.
fn check(accounts: &Accounts, edit: &Edit) -> Result<(), AccountRefusal> {
    let others_admin = |name: &str| accounts.iter().any(|(other, account)| other != name && account.is_admin());
    let is_admin = |name: &str| accounts.get(name).is_some_and(Account::is_admin);
    match edit {
        Edit::SetAccount(name, _) if !accounts.contains_key(name) => match account_named(accounts, name) {
            Some(_) => Err(AccountRefusal::Taken),
            None if accounts.len() >= MAX_ACCOUNTS => Err(AccountRefusal::TooMany),
            None => Ok(()),
        },
        Edit::SetAccount(name, account) if is_admin(name) && !account.is_admin() && !others_admin(name) => {
            Err(AccountRefusal::LastAdmin)
        }
        Edit::RemoveAccount(name) if !accounts.contains_key(name) => Err(AccountRefusal::Unknown),
        Edit::RemoveAccount(name) if is_admin(name) && !others_admin(name) => Err(AccountRefusal::LastAdmin),
        _ => Ok(()),
    }
}

impl Node {
    /// Whether an edit of the accounts may be made now. One at a time: what is checked holds when it is made.
    pub(crate) fn check_account_edit(&self, edit: &Edit) -> Result<(), Refusal> {
        if self.edits.values().any(|under_way| under_way.document() == DocumentId::Accounts) {
            return Err(Refusal::Busy);
        }
        check(&self.shared.accounts, edit).map_err(Refusal::Account)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(role: &str) -> Account {
        Account { role: role.into(), hash: "$argon2id$".into() }
    }

    #[test]
    fn the_last_admin_stays_one_and_names_differ_by_more_than_case() {
        let set = |name: &str, role| Edit::SetAccount(name.into(), account(role));
        let remove = |name: &str| Edit::RemoveAccount(name.into());
        let mut accounts =
            Accounts::from([("Ada".to_owned(), account("admin")), ("Ben".to_owned(), account("viewer"))]);
        assert_eq!(check(&accounts, &set("Ada", "member")), Err(AccountRefusal::LastAdmin));
        assert_eq!(check(&accounts, &remove("Ada")), Err(AccountRefusal::LastAdmin));
        assert_eq!(check(&accounts, &set("Ada", "admin")), Ok(()), "a new password");
        assert_eq!(check(&accounts, &remove("Ben")), Ok(()));
        assert_eq!(check(&accounts, &remove("Cem")), Err(AccountRefusal::Unknown));
        assert_eq!(check(&accounts, &set("ADA", "admin")), Err(AccountRefusal::Taken));
        accounts.insert("Ben".to_owned(), account("admin"));
        assert_eq!(check(&accounts, &remove("Ada")), Ok(()));
        let full = (0..MAX_ACCOUNTS).map(|n| (format!("person {n}"), account("admin"))).collect();
        assert_eq!(check(&full, &set("one more", "viewer")), Err(AccountRefusal::TooMany));
    }
}
