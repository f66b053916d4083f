//! Who vouches for whom, and how far away they are.

use std::sync::Arc;

use axum::extract::State;
use meerkat_core::{Command, GraphHome, Reply, VouchGraph};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    extract::{Asked, Body},
    problem::Problem,
};

/// A home that vouches lead to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct KnownHome {
    home: String,
    /// How this home calls it; null for those it does not vouch for itself.
    name: Option<String>,
    /// How many vouches away it is; 0 is this home.
    distance: u8,
    /// How many live reports of it this node holds.
    reports: u32,
    /// Whether it has contradicted itself under its own signature: its word counts for nothing.
    equivocates: bool,
    /// Who of `homes` vouches for it, by their places there, the nearest first; at most 24.
    vouched_by: Vec<u16>,
}

/// The homes that vouches lead to.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Neighbourhood {
    /// The nearest first; this home is the first.
    homes: Vec<KnownHome>,
    /// How many homes there are at each distance from 0 to 5, those that are not in `homes` too.
    at_distance: Vec<u32>,
    /// How many vouches there are between all of them.
    vouches: usize,
}

/// Of how many homes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct MapQuery {
    /// 1 to 1,000, the nearest; 1,000 if nothing is said.
    limit: Option<u16>,
}

/// The operations on the neighbourhood as a whole.
pub(crate) fn neighbourhood_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(neighbourhood))
}

/// Who vouches for whom: the nearest homes that vouches lead to.
#[utoipa::path(get, path = "/api/v1/neighbourhood", tag = "mesh", params(MapQuery), responses(
    (status = 200, body = Neighbourhood),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
))]
async fn neighbourhood(
    State(wiring): State<Wiring>,
    Asked(query): Asked<MapQuery>,
) -> Result<Body<Neighbourhood>, Problem> {
    let most = query.limit.unwrap_or(VouchGraph::MAX_HOMES);
    if !(1..=VouchGraph::MAX_HOMES).contains(&most) {
        return Err(Problem::invalid("limit", format!("1 to {} homes are told.", VouchGraph::MAX_HOMES)));
    }
    match wiring.command(Command::VouchGraph { most }).await? {
        Reply::VouchGraph(graph) => {
            let snapshot = Arc::clone(&wiring.snapshot.borrow());
            let name = |known: &GraphHome| {
                let neighbour = snapshot.neighbours.iter().find(|neighbour| neighbour.home == known.home);
                neighbour.map(|neighbour| neighbour.name.clone())
            };
            let view = |known: &GraphHome| KnownHome {
                home: known.home.to_string(),
                name: name(known),
                distance: known.distance,
                reports: known.reports,
                equivocates: known.equivocates,
                vouched_by: known.vouchers.clone(),
            };
            Ok(Body(Neighbourhood {
                homes: graph.homes.iter().map(view).collect(),
                at_distance: graph.at_distance.to_vec(),
                vouches: graph.vouches,
            }))
        }
        other => Err(wiring.unexpected(&other)),
    }
}
