//! How the key of the stored data is kept, for admins.

use axum::{extract::State, http::StatusCode};
use meerkat_store::{KeyMode, NotDone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use zeroize::Zeroizing;

use crate::{
    Wiring,
    extract::Body,
    problem::{Problem, sentence},
};

/// In which way the key of the data is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum ModeWord {
    /// Beside the data: whoever has the memory card reads everything.
    #[serde(rename = "beside")]
    Beside,
    /// Under a pass-phrase that a person gives at each start.
    #[serde(rename = "pass-phrase")]
    PassPhrase,
    /// With other nodes of the household, which give it out at each start until this node is removed.
    #[serde(rename = "member")]
    Member,
}

impl From<KeyMode> for ModeWord {
    fn from(mode: KeyMode) -> Self {
        match mode {
            KeyMode::Beside => Self::Beside,
            KeyMode::PassPhrase => Self::PassPhrase,
            KeyMode::Member => Self::Member,
        }
    }
}

impl ModeWord {
    /// What it protects from and what not.
    fn words(self) -> &'static str {
        match self {
            Self::Beside => {
                "The key lies beside the data. This is no protection from theft: whoever has the memory card can read \
                 everything on it. It protects a copy of the database alone."
            }
            Self::PassPhrase => {
                "Whoever has the memory card cannot read it without the pass-phrase. After each start every call rings \
                 until somebody gives it. Nobody can get it back for you."
            }
            Self::Member => {
                "Other nodes of the household give out the key at each start, until this node is removed from the \
                 household. Whoever steals it and connects it before that can read it, as long as it finds another \
                 node of yours."
            }
        }
    }
}

/// How far the replacement of the data key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct RotationView {
    /// Values that were looked at.
    rows: u64,
    /// Values that there are.
    of: u64,
    /// Values that had decayed before and stay unreadable.
    damaged: u64,
}

/// How the key of the data is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct KeyView {
    mode: ModeWord,
    /// What that protects from and what not.
    words: String,
    /// Null unless the key is being replaced.
    rotation: Option<RotationView>,
}

/// How the key of the data shall be kept.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct KeepKey {
    mode: ModeWord,
    /// For `pass-phrase`: at least 12 characters.
    #[schema(format = Password, min_length = 12, max_length = 512)]
    pass_phrase: Option<String>,
}

impl From<NotDone> for Problem {
    fn from(why: NotDone) -> Self {
        let detail = sentence(&why.to_string());
        match why {
            NotDone::TooShort | NotDone::TooLong => Self::invalid("pass_phrase", detail),
            NotDone::Rotating => Self::new(StatusCode::CONFLICT, "rotating", detail),
            NotDone::File(_) | NotDone::Store(_) => Self::new(StatusCode::INSUFFICIENT_STORAGE, "not_saved", detail),
        }
    }
}

/// Routes about the key of the data.
pub(crate) fn keeping_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(key, keep_key)).routes(routes!(rotate_key))
}

fn view(wiring: &Wiring) -> KeyView {
    let status = wiring.keeper.status();
    let mode = ModeWord::from(status.mode);
    let rotation = status.rotation.map(|r| RotationView { rows: r.rows, of: r.of, damaged: r.damaged });
    KeyView { mode, words: mode.words().to_owned(), rotation }
}

/// How the key of the stored data is kept.
#[utoipa::path(get, path = "/api/v1/key", tag = "key", responses((status = 200, body = KeyView)))]
async fn key(State(wiring): State<Wiring>) -> Body<KeyView> {
    Body(view(&wiring))
}

/// Keeps the key of the stored data in another way. No value is written anew for that.
#[utoipa::path(put, path = "/api/v1/key", tag = "key", request_body = KeepKey, responses(
    (status = 200, body = KeyView),
    (status = 409, description = "`no_member`: no other node of the household could take the key", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "`invalid`: the pass-phrase", body = Problem,
        content_type = "application/problem+json"),
    (status = 507, description = "`not_saved`", body = Problem, content_type = "application/problem+json"),
))]
async fn keep_key(State(wiring): State<Wiring>, Body(body): Body<KeepKey>) -> Result<Body<KeyView>, Problem> {
    let words = body.pass_phrase.map(Zeroizing::new);
    let keeper = wiring.keeper.clone();
    match (body.mode, words) {
        (ModeWord::Beside, _) => blocking(move || keeper.keep_beside()).await?,
        (ModeWord::PassPhrase, Some(words)) => blocking(move || keeper.keep_under_pass_phrase(&words)).await?,
        (ModeWord::PassPhrase, None) => {
            return Err(Problem::invalid("pass_phrase", "Give the pass-phrase that the key shall be kept under."));
        }
        (ModeWord::Member, _) => {
            let detail =
                "Other nodes of the household cannot keep the key for this one yet. Keep it under a pass-phrase.";
            return Err(Problem::new(StatusCode::CONFLICT, "no_member", detail));
        }
    }
    Ok(Body(view(&wiring)))
}

/// Replaces the key of the stored data: every value is sealed anew, while everything else goes on.
#[utoipa::path(post, path = "/api/v1/key/rotation", tag = "key", responses(
    (status = 202, body = KeyView, description = "Under way: `GET /api/v1/key` says how far."),
    (status = 409, description = "`rotating`", body = Problem, content_type = "application/problem+json"),
))]
async fn rotate_key(State(wiring): State<Wiring>) -> Result<(StatusCode, Body<KeyView>), Problem> {
    let keeper = wiring.keeper.clone();
    if keeper.is_rotating() {
        return Err(NotDone::Rotating.into());
    }
    blocking(move || keeper.begin_rotation()).await?;
    let keeper = wiring.keeper.clone();
    tokio::task::spawn_blocking(move || {
        if let Err(why) = keeper.rotate() {
            tracing::error!(%why, "the data key is not replaced yet; the next start goes on");
        }
    });
    Ok((StatusCode::ACCEPTED, Body(view(&wiring))))
}

async fn blocking(work: impl FnOnce() -> Result<(), NotDone> + Send + 'static) -> Result<(), Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::fault("work on the key stopped"))??;
    Ok(())
}
