//! Neighbours and vouches.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use meerkat_core::{Command, Neighbour as Known, Reply};
use meerkat_protocols::{home::Card, text};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    extract::{At, Body},
    problem::{Problem, sentence},
    words::iso_day,
};

/// The longest name of a neighbour, in characters.
const MAX_NAME_CHARS: usize = 80;

/// A neighbour's home that this home answers for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Neighbour {
    home: String,
    /// How this home calls it.
    name: String,
    /// Since when: `YYYY-MM-DD`, in UTC.
    vouched: String,
    /// How many live reports of it this node holds.
    reports: u32,
}

impl From<&Known> for Neighbour {
    fn from(known: &Known) -> Self {
        Self {
            home: known.home.to_string(),
            name: known.name.clone(),
            vouched: iso_day(known.since),
            reports: known.reports,
        }
    }
}

/// The neighbours this home answers for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Neighbours {
    items: Vec<Neighbour>,
    /// How many more it may answer for, of 12.
    left: usize,
}

/// What a neighbour handed over, and how this home calls them.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct VouchBody {
    /// The neighbour's card: `meerkat-home-` and what follows.
    #[schema(max_length = 200)]
    card: String,
    /// 1 to 80 characters.
    #[schema(min_length = 1, max_length = 80)]
    name: String,
}

/// The operations on neighbours.
pub(crate) fn mesh_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(neighbours)).routes(routes!(vouch)).routes(routes!(unvouch))
}

/// The neighbours this home answers for.
#[utoipa::path(get, path = "/api/v1/neighbours", tag = "mesh", responses((status = 200, body = Neighbours)))]
async fn neighbours(State(wiring): State<Wiring>) -> Body<Neighbours> {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    Body(Neighbours { items: snapshot.neighbours.iter().map(Neighbour::from).collect(), left: snapshot.vouches_left })
}

/// Answers for a neighbour's home: its reports count here from now on.
#[utoipa::path(post, path = "/api/v1/vouches", tag = "mesh", request_body = VouchBody, responses(
    (status = 201, body = Neighbour),
    (status = 409, description = "`too_many_vouches`, `already_vouched`, `no_slot_left`, `clock_not_set`",
        body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn vouch(
    State(wiring): State<Wiring>,
    Body(body): Body<VouchBody>,
) -> Result<(StatusCode, Body<Neighbour>), Problem> {
    let card: Card = body.card.parse().map_err(|e: meerkat_protocols::home::NotACard| {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Problem::new(status, "not_a_card", sentence(&e.to_string())).field("card")
    })?;
    let name = text::inert(&body.name);
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(Problem::invalid(
            "name",
            format!("Give the neighbour a name of 1 to {MAX_NAME_CHARS} characters."),
        ));
    }
    match wiring.command(Command::Vouch { card, name: name.clone() }).await? {
        Reply::Vouched(home) => {
            let snapshot = Arc::clone(&wiring.snapshot.borrow());
            let known = snapshot.neighbours.iter().find(|n| n.home == home);
            // The snapshot may be a moment older than the answer.
            let made = || Neighbour {
                home: home.to_string(),
                name,
                vouched: (wiring.clock)().day().map(iso_day).unwrap_or_default(),
                reports: 0,
            };
            Ok((StatusCode::CREATED, Body(known.map_or_else(made, Neighbour::from))))
        }
        other => Err(wiring.unexpected(&other)),
    }
}

/// No longer answers for a neighbour's home: its reports count no more here.
#[utoipa::path(delete, path = "/api/v1/vouches/{home}", tag = "mesh", params(("home" = String, Path)), responses(
    (status = 204, description = "Taken back."),
    (status = 404, description = "`not_vouched`", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`no_slot_left`, `clock_not_set`", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "`not_a_home`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn unvouch(State(wiring): State<Wiring>, At(home): At<String>) -> Result<StatusCode, Problem> {
    let home = home.parse().map_err(|e: meerkat_protocols::home::NotAHome| {
        let status = StatusCode::UNPROCESSABLE_ENTITY;
        Problem::new(status, "not_a_home", sentence(&e.to_string())).field("home")
    })?;
    match wiring.command(Command::Unvouch(home)).await? {
        Reply::Unvouched(_) => Ok(StatusCode::NO_CONTENT),
        other => Err(wiring.unexpected(&other)),
    }
}
