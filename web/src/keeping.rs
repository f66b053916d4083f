//! How the key of the stored data is kept, for admins.

use axum::{extract::State, http::StatusCode};
use meerkat_core::{Command, ReleaseCommand, Reply};
use meerkat_protocols::{
    audit::{Actor, Deed},
    home::NodeNumber,
    release::Entrusted,
};
use meerkat_store::{KeyMode, NotDone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use zeroize::Zeroizing;

use crate::{
    Wiring, audit,
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
    /// Other nodes of the household, which could keep the key.
    members: u32,
    /// The nodes that have said since the last start that they give out this node's key, by name.
    holders: Vec<String>,
    /// The nodes whose keys this one gives out, by name.
    held_for: Vec<String>,
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
    let now = wiring.snapshot.borrow();
    let members = &now.household.members;
    let names = |numbers: &[NodeNumber]| {
        let named = members.iter().filter(|member| numbers.contains(&member.number));
        named.map(|member| member.name.clone()).collect()
    };
    KeyView {
        mode,
        words: mode.words().to_owned(),
        rotation,
        members: u32::try_from(members.iter().filter(|member| !member.own && !member.removed).count())
            .unwrap_or(u32::MAX),
        holders: names(&now.releases.holders),
        held_for: names(&now.releases.held_for),
    }
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
    // To its end, even if whoever asked has gone: members are told what the key file says.
    let done = tokio::spawn(keep(wiring.clone(), body.mode, body.pass_phrase.map(Zeroizing::new)));
    done.await.map_err(|_| Problem::fault("work on the key stopped"))??;
    Ok(Body(view(&wiring)))
}

async fn keep(wiring: Wiring, mode: ModeWord, words: Option<Zeroizing<String>>) -> Result<(), Problem> {
    let keeper = wiring.keeper.clone();
    let done = match (mode, words) {
        (ModeWord::Beside, _) => blocking(move || keeper.keep_beside()).await,
        (ModeWord::PassPhrase, Some(words)) => blocking(move || keeper.keep_under_pass_phrase(&words)).await,
        (ModeWord::PassPhrase, None) => {
            return Err(Problem::invalid("pass_phrase", "Give the pass-phrase that the key shall be kept under."));
        }
        (ModeWord::Member, _) => {
            let entrusted = entrusted(&wiring).await?;
            let whom = wiring.snapshot.borrow().releases.whom.clone();
            blocking(move || keeper.keep_with_members(&entrusted, &whom)).await
        }
    };
    let kept = wiring.keeper.release().map(Box::new);
    if let Err(why) = wiring.command(Command::Release(ReleaseCommand::Kept(kept))).await {
        // They are told at the next start as well.
        tracing::warn!(code = why.code, "the other nodes are not told how the key is kept");
    }
    done
}

/// What a member holds on disk now, to write the key file with.
async fn entrusted(wiring: &Wiring) -> Result<Entrusted, Problem> {
    match wiring.command(Command::Release(ReleaseCommand::Entrust)).await? {
        Reply::Entrusted(entrusted) => Ok(*entrusted),
        other => Err(wiring.unexpected(&other)),
    }
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
    tokio::spawn(rotated(wiring.clone()));
    Ok((StatusCode::ACCEPTED, Body(view(&wiring))))
}

async fn rotated(wiring: Wiring) {
    let keeper = wiring.keeper.clone();
    match tokio::task::spawn_blocking(move || keeper.rotate()).await {
        Ok(Ok(true)) => audit::note(&wiring, vec![Deed::done(Actor::Node, "key.rotation", "")]).await,
        // Stopped: the next start goes on.
        Ok(Ok(false)) | Err(_) => {}
        Ok(Err(why)) => tracing::error!(%why, "the data key is not replaced yet; the next start goes on"),
    }
}

async fn blocking(work: impl FnOnce() -> Result<(), NotDone> + Send + 'static) -> Result<(), Problem> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Problem::fault("work on the key stopped"))??;
    Ok(())
}
