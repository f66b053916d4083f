//! All routes, and the layers around them.

use std::time::Duration;

use axum::{
    Extension, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{HeaderValue, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;

use crate::{
    Wiring,
    access::{Door, Gate, account_routes, claim_by_socket, enter, hosts, key_routes, session_routes},
    assets, audit, backups, calls, events,
    extract::MAX_BODY_BYTES,
    household, imports, keeping, lists, lookup, meeting, mesh, messages, neighbourhood, numbers, openapi_document,
    peers, planned,
    problem::Problem,
    records, reports, security, shared, system,
};

/// How long an operation may take, reading the request's body included. The longest, a sign-in behind a row of others,
/// takes under 5 s on a Raspberry Pi.
const MAX_OPERATION: Duration = Duration::from_secs(30);

/// The page and its API, for the TCP listener. Serve it with `into_make_service_with_connect_info::<SocketAddr>()`:
/// limits count by address.
pub fn router(wiring: Wiring) -> Router {
    build(wiring, Door::Page)
}

/// The API for the control socket. Whoever connects is the admin: the daemon has asked the operating system who it is
/// before it hands the connection over.
pub fn local_router(wiring: Wiring) -> Router {
    build(wiring, Door::Socket)
}

/// What answers quickly.
fn operations() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new()
        .merge(system::health_routes())
        .merge(session_routes())
        .merge(system::system_routes())
        .merge(calls::call_routes())
        .merge(numbers::number_routes())
        .merge(lists::list_routes())
        .merge(shared::shared_routes())
        .merge(records::record_routes())
        .merge(imports::import_routes())
        .merge(reports::report_routes())
        .merge(mesh::mesh_routes())
        .merge(messages::message_routes())
        .merge(peers::peer_routes())
        .merge(meeting::meeting_routes())
        .merge(neighbourhood::neighbourhood_routes())
        .merge(household::household_routes())
        .merge(account_routes())
        .merge(key_routes())
        .merge(keeping::keeping_routes())
        .merge(audit::audit_routes())
        .merge(lookup::lookup_routes())
}

/// What the routes say about themselves.
pub(crate) fn described() -> utoipa::openapi::OpenApi {
    operations()
        .merge(events::event_routes())
        .merge(backups::backup_routes())
        .merge(planned::planned_routes())
        .into_openapi()
}

fn build(wiring: Wiring, door: Door) -> Router {
    let gate = Gate { wiring: wiring.clone(), door };
    let (quick, _) = operations().split_for_parts();
    let (streams, _) = events::event_routes().split_for_parts();
    let (backups, _) = backups::backup_routes().merge(planned::planned_routes()).split_for_parts();
    let mut quick = quick.route("/api/v1/openapi.json", get(document));
    if door == Door::Socket {
        quick = quick.route("/api/v1/local/claim", post(claim_by_socket));
    }
    quick
        .layer(Extension(lookup::Catalogue::default()))
        .layer(Extension(imports::Uploads::default()))
        .route_layer(from_fn(in_time))
        .merge(streams)
        // As large as the data, and as slow as the line.
        .merge(backups.layer(DefaultBodyLimit::disable()))
        .route_layer(from_fn_with_state(gate.clone(), enter))
        .fallback(elsewhere)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(gate, hosts))
        .layer(CatchPanicLayer::custom(|_| Problem::fault("a request panicked").into_response()))
        .layer(from_fn(security::headers))
        .with_state(wiring)
}

async fn in_time(request: Request, next: Next) -> Response {
    let late = || {
        let detail = "The node took too long. If this lasts, the machine is overloaded.";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "timeout", detail).retry_after(5).into_response()
    };
    tokio::time::timeout(MAX_OPERATION, next.run(request)).await.unwrap_or_else(|_| late())
}

/// What no route is for: a file of the page, an address inside it, or nothing.
async fn elsewhere(State(_): State<Wiring>, request: Request) -> Response {
    let path = request.uri().path();
    if path == "/api" || path.starts_with("/api/") {
        return Problem::not_found("There is no such operation. `/api/v1/openapi.json` lists all.").into_response();
    }
    assets::serve(request.method(), path, request.headers())
}

/// This document. (It does not describe itself.)
async fn document() -> Response {
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json)], openapi_document()).into_response()
}
