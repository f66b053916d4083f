//! Errors as the page and programs see them: `application/problem+json` (RFC 9457), each with a `code` that never
//! changes and words that say whose fault it is and what to do.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use meerkat_core::{AccountRefusal, EnrolRefusal, Refusal};
use serde::Serialize;
use utoipa::ToSchema;

/// What went wrong (RFC 9457).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// A name for the kind of problem, to compare and not to fetch: `urn:meerkat:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Box<str>,
    /// The kind of problem in a few words.
    #[schema(value_type = String)]
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What happened this time and what to do about it.
    #[schema(value_type = String)]
    pub detail: Box<str>,
    /// The kind of problem as one word for programs; it never changes.
    #[schema(value_type = String)]
    pub code: &'static str,
    /// The field of the request that is wrong, where one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub field: Option<Box<str>>,
    /// After how many seconds to try again; the same as the `Retry-After` header.
    #[serde(skip)]
    pub retry_after_s: Option<u64>,
}

impl Problem {
    /// A problem of this status and code.
    #[must_use]
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<Box<str>>) -> Self {
        Self {
            kind: format!("urn:meerkat:problem:{code}").into(),
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            code,
            field: None,
            retry_after_s: None,
        }
    }

    /// With the field that is wrong.
    #[must_use]
    pub fn field(mut self, field: &str) -> Self {
        self.field = Some(field.into());
        self
    }

    /// With the seconds after which to try again.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after_s = Some(seconds);
        self
    }

    /// A value of the request is out of its range.
    #[must_use]
    pub fn invalid(field: &str, detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail).field(field)
    }

    /// Nothing is there.
    #[must_use]
    pub fn not_found(detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    /// Nobody is signed in.
    #[must_use]
    pub fn signed_out() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "signed_out", "Sign in first, or send an API key.")
    }

    /// Who is signed in may not do this.
    #[must_use]
    pub fn forbidden(code: &'static str, detail: impl Into<Box<str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    /// More was asked than is answered.
    #[must_use]
    pub fn too_many(retry_after_s: u64) -> Self {
        let detail = format!("Too many requests: wait {retry_after_s} s and try again.");
        Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(retry_after_s)
    }

    /// The integrity check after an unclean stop runs.
    #[must_use]
    pub fn checking() -> Self {
        let detail = "The node checks its stored data after an unclean stop. Calls are screened meanwhile; lists and \
                      history are back in a moment.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "checking", detail).retry_after(2)
    }

    /// The engine does not answer: the node stops or is overloaded.
    #[must_use]
    pub fn unavailable() -> Self {
        let detail = "The node does not answer just now. If this lasts, restart it.";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail).retry_after(1)
    }

    /// A fault of ours; `context` goes to the log, not to the reader.
    #[must_use]
    pub fn fault(context: &str) -> Self {
        tracing::error!(context, "a request failed by a fault of this program");
        let detail = "This is a fault of the node, not yours. Its log says more.";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", detail)
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let (status, field) = match &refusal {
            Refusal::NotANumber(_) => (StatusCode::UNPROCESSABLE_ENTITY, Some("number")),
            Refusal::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, None),
            Refusal::OwnCard => (StatusCode::UNPROCESSABLE_ENTITY, Some("card")),
            Refusal::NotAnInvite(_) | Refusal::OwnInvite => (StatusCode::UNPROCESSABLE_ENTITY, Some("invite")),
            Refusal::Enrolment(EnrolRefusal::NotAnInvite(_) | EnrolRefusal::OwnInvite) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Some("invite"))
            }
            Refusal::Enrolment(EnrolRefusal::NoSuchDigits) => (StatusCode::NOT_FOUND, Some("digits")),
            Refusal::Enrolment(_) => (StatusCode::CONFLICT, None),
            Refusal::Account(AccountRefusal::Unknown) => (StatusCode::NOT_FOUND, None),
            Refusal::Account(AccountRefusal::Taken) => (StatusCode::CONFLICT, Some("name")),
            Refusal::Account(_) => (StatusCode::CONFLICT, None),
            Refusal::NothingToRetract
            | Refusal::NotVouched
            | Refusal::NoSuchImport
            | Refusal::NoSuchLetter
            | Refusal::NoSuchInvite
            | Refusal::NoSuchMeeting => (StatusCode::NOT_FOUND, None),
            Refusal::NoSlotLeft(_)
            | Refusal::NotThisNode(_)
            | Refusal::NotNamedYet
            | Refusal::TooManyVouches(_)
            | Refusal::AlreadyVouched
            | Refusal::VouchesHeldBack(_)
            | Refusal::TooManyInvites(_)
            | Refusal::InviteExpired
            | Refusal::NotReachable
            | Refusal::NotNearby
            | Refusal::TooManyLetters(_)
            | Refusal::LetterLeft
            | Refusal::ListsFull
            | Refusal::NameTaken
            | Refusal::ImportsFull(_)
            | Refusal::NoMember
            | Refusal::NoMemberThere
            | Refusal::ClockNotSet => (StatusCode::CONFLICT, None),
            Refusal::Pinned(field) => (StatusCode::CONFLICT, Some(field.as_str())),
            Refusal::NotSavedYet(_) => (StatusCode::INSUFFICIENT_STORAGE, None),
            Refusal::Busy => (StatusCode::SERVICE_UNAVAILABLE, None),
        };
        let mut problem = Self::new(status, refusal.code(), sentence(&refusal.to_string()));
        problem.field = field.map(Into::into);
        problem.retry_after_s = matches!(refusal, Refusal::Busy).then_some(1);
        problem
    }
}

/// The words as a sentence: refusals are written to stand after a colon.
pub(crate) fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    let mut out: String = chars.next().map(|c| c.to_uppercase().collect()).unwrap_or_default();
    out.extend(chars);
    if !out.ends_with(['.', '!', '?', ')']) {
        out.push('.');
    }
    out
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after_s;
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_keeps_its_code_and_is_never_our_fault() {
        let all = [
            (Refusal::NotANumber("x".into()), 422),
            (Refusal::NoSlotLeft(20), 409),
            (Refusal::NotThisNode(meerkat_protocols::home::NodeNumber(0)), 409),
            (Refusal::NotNamedYet, 409),
            (Refusal::NothingToRetract, 404),
            (Refusal::TooManyVouches(12), 409),
            (Refusal::AlreadyVouched, 409),
            (Refusal::VouchesHeldBack(2), 409),
            (Refusal::TooManyInvites(12), 409),
            (Refusal::InviteExpired, 409),
            (Refusal::NotReachable, 409),
            (Refusal::NotNearby, 409),
            (Refusal::NoSuchInvite, 404),
            (Refusal::NoSuchMeeting, 404),
            (Refusal::OwnInvite, 422),
            (Refusal::NotAnInvite(meerkat_protocols::ticket::NotATicket::Damaged), 422),
            (Refusal::OwnCard, 422),
            (Refusal::NotVouched, 404),
            (Refusal::ListsFull, 409),
            (Refusal::NoMember, 409),
            (Refusal::NoMemberThere, 409),
            (Refusal::Pinned("region".into()), 409),
            (Refusal::Invalid("x".into()), 422),
            (Refusal::NotSavedYet("full".into()), 507),
            (Refusal::TooManyLetters(200), 409),
            (Refusal::NoSuchLetter, 404),
            (Refusal::LetterLeft, 409),
            (Refusal::Busy, 503),
            (Refusal::ClockNotSet, 409),
            (Refusal::NameTaken, 409),
            (Refusal::ImportsFull("full".into()), 409),
            (Refusal::NoSuchImport, 404),
            (Refusal::Account(AccountRefusal::LastAdmin), 409),
            (Refusal::Account(AccountRefusal::Unknown), 404),
            (Refusal::Enrolment(EnrolRefusal::NotAdmin), 409),
            (Refusal::Enrolment(EnrolRefusal::OwnInvite), 422),
            (Refusal::Enrolment(EnrolRefusal::NoSuchDigits), 404),
        ];
        for (refusal, status) in all {
            let code = refusal.code();
            let problem = Problem::from(refusal);
            assert_eq!((problem.status, problem.code), (status, code));
            assert_eq!(*problem.kind, format!("urn:meerkat:problem:{code}"));
        }
        assert_eq!(Problem::from(Refusal::Pinned("region".into())).field.as_deref(), Some("region"));
        assert_eq!(Problem::from(Refusal::Busy).retry_after_s, Some(1));
    }

    #[test]
    fn words_become_sentences() {
        assert_eq!(sentence("the lists are full"), "The lists are full.");
        assert_eq!(sentence("try again (tomorrow)"), "Try again (tomorrow)");
    }
}
