//! What a request carries, read with bounds, refused as problems.

use axum::{
    Json,
    extract::{
        FromRequest, FromRequestParts, Path, Query, Request,
        rejection::{JsonRejection, PathRejection, QueryRejection},
    },
    http::{StatusCode, request::Parts},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::problem::Problem;

/// The most a request's body may hold. The largest honest one, an entry with 2,000 characters of notes, has under 9 KiB.
pub(crate) const MAX_BODY_BYTES: usize = 64 * 1024;

/// A JSON body in or out.
pub(crate) struct Body<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        Json::from_request(request, state).await.map(|Json(value)| Self(value)).map_err(|e| of_json(&e))
    }
}

impl<T: Serialize> axum::response::IntoResponse for Body<T> {
    fn into_response(self) -> axum::response::Response {
        Json(self.0).into_response()
    }
}

fn of_json(rejection: &JsonRejection) -> Problem {
    match rejection {
        JsonRejection::JsonDataError(e) => Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", e.body_text()),
        JsonRejection::JsonSyntaxError(e) => Problem::new(StatusCode::BAD_REQUEST, "not_json", e.body_text()),
        JsonRejection::MissingJsonContentType(_) => Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "not_json",
            "Send the request's body as JSON with `Content-Type: application/json`.",
        ),
        other if other.status() == StatusCode::PAYLOAD_TOO_LARGE => too_large(),
        _ => Problem::new(StatusCode::BAD_REQUEST, "unreadable", "The request's body could not be read whole."),
    }
}

/// The body is over [`MAX_BODY_BYTES`].
pub(crate) fn too_large() -> Problem {
    let detail = format!("A request may hold {} KiB.", MAX_BODY_BYTES / 1024);
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
}

/// What stands behind the `?`.
pub(crate) struct Asked<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let of = |e: QueryRejection| Problem::new(StatusCode::BAD_REQUEST, "invalid", e.body_text());
        Query::from_request_parts(parts, state).await.map(|Query(value)| Self(value)).map_err(of)
    }
}

/// What stands in the path.
pub(crate) struct At<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for At<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let of = |e: PathRejection| Problem::new(StatusCode::BAD_REQUEST, "invalid", e.body_text());
        Path::from_request_parts(parts, state).await.map(|Path(value)| Self(value)).map_err(of)
    }
}
