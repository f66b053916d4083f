//! The accounts of the page: who may come in, on every node of the home.

use axum::{Extension, extract::State, http::StatusCode, response::Response};
use meerkat_core::{AccountRefusal, Command, Refusal, Reply};
use meerkat_protocols::{
    text,
    wishes::{Account, Edit},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use zeroize::Zeroizing;

use crate::{
    Wiring,
    access::{
        Role,
        book::Access,
        door::Caller,
        routes::signed_in,
        secrets::{self, MAX_PASSWORD_BYTES, MIN_PASSWORD_CHARS},
    },
    extract::{At, Body},
    problem::Problem,
};

/// The longest name of an account, in characters.
const MAX_NAME_CHARS: usize = 40;

/// An account, without its password.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccountView {
    name: String,
    /// What it may do; null if a newer program gave it a role that this one does not know: nobody comes in by it here.
    role: Option<Role>,
    /// Whether it is the one that asks.
    own: bool,
    /// Whether it was made or changed on two nodes that were apart: the lesser role holds, and one of the passwords, until
    /// it is set anew.
    doubled: bool,
}

/// All accounts of the home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AccountsView {
    items: Vec<AccountView>,
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewAccount {
    /// 1 to 40 characters; names differ by more than case.
    #[schema(min_length = 1, max_length = 40)]
    name: String,
    role: Role,
    /// At least 8 characters.
    #[schema(format = Password, min_length = 8, max_length = 512)]
    password: String,
}

/// What shall be different about an account. What is not given stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountBody {
    #[serde(default)]
    role: Option<Role>,
    /// At least 8 characters. Every session of the account ends, on every node.
    #[serde(default)]
    #[schema(format = Password, min_length = 8, max_length = 512)]
    password: Option<String>,
}

/// A new password for the own account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OwnPassword {
    /// The one until now.
    #[schema(format = Password, max_length = 512)]
    old: String,
    /// At least 8 characters.
    #[schema(format = Password, min_length = 8, max_length = 512)]
    new: String,
}

/// The name of an account as a person wrote it.
pub(super) fn account_name(given: &str) -> Result<String, Problem> {
    let name = text::inert(given.trim());
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(Problem::invalid("name", format!("Give a name of 1 to {MAX_NAME_CHARS} characters.")));
    }
    Ok(name)
}

fn check_password(password: &str) -> Result<(), Problem> {
    if password.chars().count() < MIN_PASSWORD_CHARS {
        return Err(Problem::invalid("password", format!("Take at least {MIN_PASSWORD_CHARS} characters.")));
    }
    if password.len() > MAX_PASSWORD_BYTES {
        return Err(Problem::invalid("password", format!("Take at most {MAX_PASSWORD_BYTES} bytes.")));
    }
    Ok(())
}

/// Looking numbers up is for programs: they have keys.
fn check_role(role: Role) -> Result<(), Problem> {
    match role {
        Role::Lookup => Err(Problem::invalid("role", "This role is for keys of programs.".to_owned())),
        Role::Viewer | Role::Member | Role::Moderator | Role::Admin => Ok(()),
    }
}

/// Sets an account, for all nodes of the home.
pub(super) async fn set_account(wiring: &Wiring, name: &str, account: Account) -> Result<(), Problem> {
    edit(wiring, Edit::SetAccount(name.to_owned(), account)).await
}

async fn edit(wiring: &Wiring, edit: Edit) -> Result<(), Problem> {
    wiring.done(Command::Edit(edit), &Reply::Saved).await.map(drop)
}

impl Access {
    /// The string to keep for a password, if it is good enough.
    pub(super) async fn kept_password(&self, password: Zeroizing<String>) -> Result<String, Problem> {
        check_password(&password)?;
        let hashing = move || secrets::keep_password(&password);
        self.hashed(hashing).await?.map_err(|_| Problem::fault("the password could not be hashed"))
    }
}

fn shown(wiring: &Wiring, caller: &Caller) -> AccountsView {
    let shared = wiring.snapshot.borrow().shared.clone();
    let own = |name: &str| matches!(caller, Caller::Session { name: own, .. } if own == name);
    let view = |(name, account): (&String, &Account)| AccountView {
        name: name.clone(),
        role: Role::from_word(&account.role),
        own: own(name),
        doubled: shared.doubled.contains(name),
    };
    AccountsView { items: shared.accounts.iter().map(view).collect() }
}

/// The operations on accounts.
pub(crate) fn account_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new()
        .routes(routes!(accounts, add_account))
        .routes(routes!(change_account, remove_account))
        .routes(routes!(own_password))
}

/// The accounts of the page. All nodes of the home have the same.
#[utoipa::path(get, path = "/api/v1/accounts", tag = "access", responses((status = 200, body = AccountsView)))]
async fn accounts(State(wiring): State<Wiring>, Extension(caller): Extension<Caller>) -> Body<AccountsView> {
    Body(shown(&wiring, &caller))
}

/// Makes an account: it may sign in on every node of the home.
#[utoipa::path(post, path = "/api/v1/accounts", tag = "access", request_body = NewAccount, responses(
    (status = 201, body = AccountsView),
    (status = 409, description = "`account_taken`, `too_many_accounts`", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn add_account(
    State(wiring): State<Wiring>,
    Extension(caller): Extension<Caller>,
    Body(given): Body<NewAccount>,
) -> Result<(StatusCode, Body<AccountsView>), Problem> {
    let (name, password) = (account_name(&given.name)?, Zeroizing::new(given.password));
    check_role(given.role)?;
    let hash = wiring.access.kept_password(password).await?;
    let _one_at_a_time = wiring.access.0.changing.lock().await;
    if wiring.access.user(&name)?.is_some() {
        return Err(Refusal::Account(AccountRefusal::Taken).into());
    }
    set_account(&wiring, &name, Account { role: given.role.word().to_owned(), hash }).await?;
    Ok((StatusCode::CREATED, Body(shown(&wiring, &caller))))
}

/// Changes what an account may do, or its password. With a new password every session of it ends, on every node.
#[utoipa::path(put, path = "/api/v1/accounts/{name}", tag = "access", params(("name" = String, Path)),
    request_body = AccountBody, responses(
    (status = 200, body = AccountsView),
    (status = 404, description = "`no_such_account`", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`last_admin_account`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn change_account(
    State(wiring): State<Wiring>,
    Extension(caller): Extension<Caller>,
    At(name): At<String>,
    Body(given): Body<AccountBody>,
) -> Result<Body<AccountsView>, Problem> {
    given.role.map_or(Ok(()), check_role)?;
    let hash = match given.password {
        Some(password) => Some(wiring.access.kept_password(Zeroizing::new(password)).await?),
        None => None,
    };
    let _one_at_a_time = wiring.access.0.changing.lock().await;
    let accounts = wiring.access.accounts();
    let now = accounts.get(&name).ok_or(Refusal::Account(AccountRefusal::Unknown))?;
    let role = given.role.map_or_else(|| now.role.clone(), |role| role.word().to_owned());
    let hash = hash.unwrap_or_else(|| now.hash.clone());
    set_account(&wiring, &name, Account { role, hash }).await?;
    Ok(Body(shown(&wiring, &caller)))
}

/// Takes an account away, on every node: its sessions end.
#[utoipa::path(delete, path = "/api/v1/accounts/{name}", tag = "access", params(("name" = String, Path)), responses(
    (status = 200, body = AccountsView),
    (status = 404, description = "`no_such_account`", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`last_admin_account`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn remove_account(
    State(wiring): State<Wiring>,
    Extension(caller): Extension<Caller>,
    At(name): At<String>,
) -> Result<Body<AccountsView>, Problem> {
    let _one_at_a_time = wiring.access.0.changing.lock().await;
    edit(&wiring, Edit::RemoveAccount(name)).await?;
    Ok(Body(shown(&wiring, &caller)))
}

/// Gives the own account a new password. Every other session of it ends; this one goes on under a new cookie.
#[utoipa::path(put, path = "/api/v1/session/password", tag = "access", request_body = OwnPassword, responses(
    (status = 200, body = crate::access::routes::SessionView, headers(("Set-Cookie" = String))),
    (status = 403, description = "`no_account`: a key or the control socket has no password", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "`wrong_password`, `invalid`", body = Problem,
        content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn own_password(
    State(wiring): State<Wiring>,
    Extension(caller): Extension<Caller>,
    Body(given): Body<OwnPassword>,
) -> Result<Response, Problem> {
    let (old, new) = (Zeroizing::new(given.old), Zeroizing::new(given.new));
    let Caller::Session { hash: session, name, .. } = caller else {
        return Err(Problem::forbidden("no_account", "Only somebody who is signed in has a password to change."));
    };
    let access = &wiring.access;
    let user = access.user(&name)?.ok_or_else(Problem::signed_out)?;
    access.check_own(old, &user.name, user.password).await?;
    let hash = access.kept_password(new).await?;
    let _one_at_a_time = access.0.changing.lock().await;
    set_account(&wiring, &name, Account { role: user.role.word().to_owned(), hash }).await?;
    let opened = access.open_session(&name, Some(session))?;
    Ok(signed_in(&wiring, StatusCode::OK, &opened))
}
