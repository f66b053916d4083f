//! Changing the home's lists.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use meerkat_core::{Command, Reply};
use meerkat_protocols::wishes::{Edit, Entry, MAX_LABEL_CHARS, MAX_NOTES_CHARS, Subject};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    extract::{At, Body},
    numbers::{Known, ListEntry, entry_view, subject_number},
    problem::Problem,
    words::Standing,
};

/// What a person keeps about a number or pattern.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EntryBody {
    standing: Standing,
    /// A name for it; at most 80 characters.
    #[serde(default)]
    #[schema(max_length = 80)]
    label: String,
    /// Anything else; at most 2,000 characters.
    #[serde(default)]
    #[schema(max_length = 2_000)]
    notes: String,
}

/// The operations on the lists.
pub(crate) fn list_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(set_entry, remove_entry))
}

/// The number in any spelling, or the pattern, that a person wrote.
fn subject(wiring: &Wiring, text: &str) -> Result<Subject, Problem> {
    let Some(prefix) = text.trim().strip_suffix('*') else {
        return subject_number(wiring, text).map(Subject::Number);
    };
    let digits: String = prefix.chars().filter(|c| !matches!(c, ' ' | '-' | '/' | '(' | ')' | '.')).collect();
    digits.strip_prefix('+').and_then(Subject::prefix).ok_or_else(|| {
        let detail = "A pattern is `+`, the country code and the first digits, then `*`: `+4930*`.";
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not_a_pattern", detail).field("subject")
    })
}

fn check_lengths(body: &EntryBody) -> Result<(), Problem> {
    for (field, text, most) in [("label", &body.label, MAX_LABEL_CHARS), ("notes", &body.notes, MAX_NOTES_CHARS)] {
        if text.chars().count() > most {
            return Err(Problem::invalid(field, format!("At most {most} characters fit in here.")));
        }
    }
    Ok(())
}

/// Sets an entry of the lists, whole. The subject is a number in any spelling or a pattern as `+4930*`.
#[utoipa::path(put, path = "/api/v1/lists/{subject}", tag = "numbers", params(("subject" = String, Path)),
    request_body = EntryBody, responses(
    (status = 200, body = ListEntry),
    (status = 409, description = "`lists_full`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`checking`, `busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn set_entry(
    State(wiring): State<Wiring>,
    At(text): At<String>,
    Body(body): Body<EntryBody>,
) -> Result<Body<ListEntry>, Problem> {
    let subject = subject(&wiring, &text)?;
    check_lengths(&body)?;
    let entry = Entry::tidy(body.standing.into(), &body.label, &body.notes);
    // Asked for first: a change must not be made and then answered with "checking" or "busy".
    let known = Known::about(&wiring, &subject).await?.settled();
    match wiring.command(Command::Edit(Edit::SetEntry(subject.clone(), entry.clone()))).await? {
        Reply::Saved => Ok(Body(entry_view(&subject, &entry, &known))),
        other => Err(wiring.unexpected(&other)),
    }
}

/// Takes an entry from the lists.
#[utoipa::path(delete, path = "/api/v1/lists/{subject}", tag = "numbers", params(("subject" = String, Path)),
    responses(
    (status = 204, description = "Removed."),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`not_a_number`, `not_a_pattern`", body = Problem,
        content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn remove_entry(State(wiring): State<Wiring>, At(text): At<String>) -> Result<StatusCode, Problem> {
    let subject = subject(&wiring, &text)?;
    let lists = Arc::clone(&wiring.snapshot.borrow().lists);
    if !lists.contains_key(&subject) {
        return Err(Problem::not_found("That is on no list."));
    }
    wiring.done(Command::Edit(Edit::RemoveEntry(subject)), &Reply::Saved).await
}
