//! Telling the neighbourhood what a number is, and taking it back.

use axum::{
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use meerkat_core::{Command, Reply};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    extract::{At, Body},
    problem::Problem,
    words::{Category, iso_day},
};

/// What a number is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReportBody {
    /// In any spelling.
    number: String,
    category: Category,
}

/// A report that is signed and saved and goes out now.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Report {
    number: String,
    category: Category,
    /// The day it carries: `YYYY-MM-DD`, in UTC.
    day: String,
    /// Its slot on that day.
    slot: u8,
}

/// The clock is not set, so the report waits in memory until it is.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Waiting {
    waiting: bool,
}

/// The operations on reports.
pub(crate) fn report_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(report)).routes(routes!(retract))
}

/// Reports a number to the neighbourhood. A report on the same number replaces the one before.
#[utoipa::path(post, path = "/api/v1/reports", tag = "reports", request_body = ReportBody, responses(
    (status = 201, body = Report),
    (status = 202, description = "It waits until the clock is set.", body = Waiting),
    (status = 409, description = "`no_slot_left`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn report(State(wiring): State<Wiring>, Body(body): Body<ReportBody>) -> Result<Response, Problem> {
    let command = Command::Report { number: body.number, category: body.category.into() };
    match wiring.command(command).await? {
        Reply::Reported { number, category, day, slot } => {
            let report = Report { number: number.reveal(), category: category.into(), day: iso_day(day), slot };
            Ok((StatusCode::CREATED, Body(report)).into_response())
        }
        Reply::Waiting => Ok((StatusCode::ACCEPTED, Body(Waiting { waiting: true })).into_response()),
        other => Err(wiring.unexpected(&other)),
    }
}

/// Takes this home's report on a number back.
#[utoipa::path(delete, path = "/api/v1/reports/{number}", tag = "reports", params(("number" = String, Path)),
    responses(
    (status = 204, description = "Taken back."),
    (status = 404, description = "`nothing_to_retract`", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`no_slot_left`, `clock_not_set`", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "`not_a_number`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn retract(State(wiring): State<Wiring>, At(number): At<String>) -> Result<StatusCode, Problem> {
    match wiring.command(Command::Retract { number }).await? {
        // A report that still waited for the clock is dropped without a word to anybody.
        Reply::Retracted(_) | Reply::Waiting => Ok(StatusCode::NO_CONTENT),
        other => Err(wiring.unexpected(&other)),
    }
}
