//! API keys for programs: shown once, kept as hashes, each with a role of its own.

use axum::{extract::State, http::StatusCode};
use data_encoding::BASE32_NOPAD;
use meerkat_protocols::text;
use meerkat_store::AccessTable;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    access::{
        Role,
        book::{Access, MAX_KEYS, drop_record, put},
        records,
        secrets::{self, Purpose},
    },
    extract::{At, Body},
    problem::Problem,
};

/// What a key begins with, so that a person and a scanner for leaked secrets see what it is.
const PREFIX: &str = "mk_";
/// The longest name of a key, in characters.
const MAX_NAME_CHARS: usize = 40;
/// How often the time a key was last used is written.
const WRITE_USED_S: i64 = 3_600;

/// An API key, without its secret.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiKey {
    /// By which it is withdrawn.
    pub(crate) id: String,
    /// What a person called it.
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
    /// Unix seconds; null if the clock was not set.
    pub(crate) created: Option<i64>,
    /// Unix seconds, to the hour; null if never.
    pub(crate) last_used: Option<i64>,
}

/// All API keys.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ApiKeys {
    pub(crate) items: Vec<ApiKey>,
}

/// What a new key shall be.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewKey {
    /// 1 to 40 characters.
    #[schema(min_length = 1, max_length = 40)]
    pub(crate) name: String,
    /// What it may do.
    pub(crate) role: Role,
}

/// A new key. The secret is shown this once and never again.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct CreatedKey {
    /// To be sent as `Authorization: Bearer`.
    pub(crate) key: String,
    #[serde(flatten)]
    pub(crate) about: ApiKey,
}

impl Access {
    /// Whose key this is: its hash and its role.
    pub(crate) fn key(&self, key: &str) -> Result<Option<([u8; 32], Role)>, Problem> {
        let Some(secret) = key.strip_prefix(PREFIX) else { return Ok(None) };
        let Some(hash) = secrets::hash(Purpose::ApiKey, secret).map(|h| *h.as_bytes()) else { return Ok(None) };
        let now = (self.0.clock)();
        let found = self.with(|book| {
            let id = book.key_ids.get(&hash)?;
            let key = book.keys.get(id)?;
            let stale = now.wall.is_some_and(|wall| key.last_used.is_none_or(|used| wall - used >= WRITE_USED_S));
            Some((key.role, stale.then(|| id.clone())))
        })?;
        let Some((role, stale)) = found else { return Ok(None) };
        if let Some(id) = stale {
            let write = self.change(|book| {
                let key = book.keys.get_mut(&id)?;
                key.last_used = now.wall;
                Some(put(AccessTable::ApiKeys, id.as_bytes(), key))
            })?;
            self.keep_soon(write.into_iter().collect());
        }
        Ok(Some((hash, role)))
    }

    /// Whether a key still counts.
    pub(crate) fn key_stands(&self, hash: &[u8; 32]) -> bool {
        self.with(|book| book.key_ids.contains_key(hash)).unwrap_or(false)
    }

    async fn create_key(&self, new: &NewKey) -> Result<CreatedKey, Problem> {
        let name = text::inert(&new.name);
        if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
            return Err(Problem::invalid("name", format!("Give the key a name of 1 to {MAX_NAME_CHARS} characters.")));
        }
        let fault = |_| Problem::fault("the operating system gives no randomness");
        let secret = secrets::random().map_err(fault)?;
        let hash = *secrets::hash(Purpose::ApiKey, &secret).ok_or_else(|| Problem::fault("key length"))?.as_bytes();
        // The id is the beginning of the hash: it tells nothing about the secret and cannot collide by accident.
        let id = BASE32_NOPAD.encode(&hash[..10]).to_ascii_lowercase();
        let record = records::ApiKey { name, role: new.role, hash, created: (self.0.clock)().wall, last_used: None };

        let _one_at_a_time = self.0.changing.lock().await;
        if self.with(|book| book.keys.len())? >= MAX_KEYS {
            let detail = format!("There are {MAX_KEYS} keys, which is all there may be: withdraw one first.");
            return Err(Problem::new(StatusCode::CONFLICT, "too_many_keys", detail));
        }
        self.keep(vec![put(AccessTable::ApiKeys, id.as_bytes(), &record)]).await?;
        let about = shown(&id, &record);
        self.change(|book| {
            book.key_ids.insert(hash, id.clone());
            book.keys.insert(id, record);
        })?;
        Ok(CreatedKey { key: format!("{PREFIX}{secret}"), about })
    }

    async fn withdraw_key(&self, id: &str) -> Result<(), Problem> {
        let _one_at_a_time = self.0.changing.lock().await;
        if !self.with(|book| book.keys.contains_key(id))? {
            return Err(Problem::not_found("There is no such key."));
        }
        // Out of memory first: a withdrawn key must not work on because the disk is full.
        self.change(|book| {
            if let Some(key) = book.keys.remove(id) {
                book.key_ids.remove(&key.hash);
            }
        })?;
        self.keep(vec![drop_record(AccessTable::ApiKeys, id.as_bytes())]).await
    }
}

fn shown(id: &str, key: &records::ApiKey) -> ApiKey {
    ApiKey { id: id.to_owned(), name: key.name.clone(), role: key.role, created: key.created, last_used: key.last_used }
}

/// The operations on API keys.
pub(crate) fn key_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(list_keys, create_key)).routes(routes!(withdraw_key))
}

/// All API keys, without their secrets.
#[utoipa::path(get, path = "/api/v1/api-keys", tag = "access", responses((status = 200, body = ApiKeys)))]
async fn list_keys(State(wiring): State<Wiring>) -> Result<Body<ApiKeys>, Problem> {
    let items = wiring.access.with(|book| book.keys.iter().map(|(id, key)| shown(id, key)).collect())?;
    Ok(Body(ApiKeys { items }))
}

/// Makes an API key. Its secret is in this answer and nowhere else.
#[utoipa::path(post, path = "/api/v1/api-keys", tag = "access", request_body = NewKey, responses(
    (status = 201, body = CreatedKey),
    (status = 409, description = "`too_many_keys`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved`", body = Problem, content_type = "application/problem+json"),
))]
async fn create_key(
    State(wiring): State<Wiring>,
    Body(new): Body<NewKey>,
) -> Result<(StatusCode, Body<CreatedKey>), Problem> {
    Ok((StatusCode::CREATED, Body(wiring.access.create_key(&new).await?)))
}

/// Withdraws an API key: it does not work any more from now on.
#[utoipa::path(delete, path = "/api/v1/api-keys/{id}", tag = "access", params(("id" = String, Path)), responses(
    (status = 204, description = "Withdrawn."),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved`: works no more, but may after a restart", body = Problem,
        content_type = "application/problem+json"),
))]
async fn withdraw_key(State(wiring): State<Wiring>, At(id): At<String>) -> Result<StatusCode, Problem> {
    wiring.access.withdraw_key(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
