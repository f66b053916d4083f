//! Backups that the node makes by itself: when, where to, how many, and what became of the last, for admins.

use std::path::Path;

use axum::{extract::State, http::StatusCode};
use meerkat_core::Command;
use meerkat_protocols::schedule::{self, Every};
use meerkat_store::{NotMade, Plan};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use zeroize::Zeroizing;

use crate::{
    Wiring, backups,
    extract::Body,
    problem::{Problem, sentence},
};

/// Where backups go unless somebody says otherwise: on the same card, which helps against mistakes and not against a card
/// that fails.
const FOLDER: &str = "backups";
/// How many are kept unless somebody says otherwise: a month of weeks.
const KEEP: u8 = 4;

/// How often a backup is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EveryWord {
    /// Never by itself.
    Never,
    /// Once a day.
    Day,
    /// Once a week.
    Week,
    /// Once in thirty days.
    Month,
}

impl From<Every> for EveryWord {
    fn from(every: Every) -> Self {
        match every {
            Every::Never => Self::Never,
            Every::Day => Self::Day,
            Every::Week => Self::Week,
            Every::Month => Self::Month,
        }
    }
}

impl From<EveryWord> for Every {
    fn from(word: EveryWord) -> Self {
        match word {
            EveryWord::Never => Self::Never,
            EveryWord::Day => Self::Day,
            EveryWord::Week => Self::Week,
            EveryWord::Month => Self::Month,
        }
    }
}

/// What is planned, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PlanView {
    every: EveryWord,
    /// Where the backups are written.
    folder: String,
    /// How many are kept; the oldest makes room once the newest was read back whole.
    keep: u8,
    /// Whether a pass-phrase was chosen.
    ready: bool,
    /// Unix seconds when the next is made; null if none is planned or the clock is not set.
    next: Option<i64>,
    /// Unix seconds of the last that was made and read back whole.
    last: Option<i64>,
    /// Its file; empty if there is none.
    file: String,
    /// How large it is.
    bytes: u64,
    /// Why the one after it failed, and what to do.
    problem: Option<String>,
}

/// What shall be planned.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetPlan {
    every: EveryWord,
    /// The whole path of a folder on this machine; a folder of the node's own if it is left out.
    folder: Option<String>,
    /// How many are kept, 1 to 52; four if it is left out.
    #[schema(minimum = 1, maximum = 52)]
    keep: Option<u8>,
    /// Opens these backups; if it is left out, that of before does. It is not kept.
    #[schema(format = Password, min_length = 12, max_length = 512)]
    pass_phrase: Option<String>,
}

impl From<NotMade> for Problem {
    fn from(why: NotMade) -> Self {
        let detail = sentence(&why.to_string());
        match why {
            NotMade::Wrong(_) => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid", detail),
            NotMade::NoPlan => Self::new(StatusCode::CONFLICT, "no_plan", detail),
            NotMade::NoFolder(_) => Self::new(StatusCode::CONFLICT, "no_folder", detail),
            NotMade::NoRoom(_) | NotMade::Disk(..) | NotMade::NotWhole(..) | NotMade::Store(_) => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, "not_saved", detail)
            }
        }
    }
}

/// Routes of planned backups. One takes as long as the disk is slow.
pub(crate) fn planned_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(plan, set_plan)).routes(routes!(make_now))
}

fn view(wiring: &Wiring) -> Result<PlanView, Problem> {
    let plan = wiring.reader()?.backup_plan().map_err(|_| Problem::unavailable())?.unwrap_or_default();
    let next = (wiring.clock)().wall.and_then(|wall| schedule::next(plan.every, plan.past(None), wall));
    let own = || wiring.keeper.folder().path().join(FOLDER).display().to_string();
    Ok(PlanView {
        every: plan.every.into(),
        ready: plan.is_ready(),
        next,
        folder: if plan.folder.is_empty() { own() } else { plan.folder },
        keep: if plan.keep == 0 { KEEP } else { plan.keep },
        last: plan.last.done,
        file: plan.last.file,
        bytes: plan.last.bytes,
        problem: plan.last.problem.as_deref().map(sentence),
    })
}

/// Which backups the node makes by itself, and what became of the last.
#[utoipa::path(get, path = "/api/v1/backups/plan", tag = "backup", responses((status = 200, body = PlanView)))]
async fn plan(State(wiring): State<Wiring>) -> Result<Body<PlanView>, Problem> {
    view(&wiring).map(Body)
}

/// Plans backups, or none. The folder is marked, so that the empty place of a disk that is missing is not taken for it.
#[utoipa::path(put, path = "/api/v1/backups/plan", tag = "backup", request_body = SetPlan, responses(
    (status = 200, body = PlanView),
    (status = 409, description = "`no_folder`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved`", body = Problem, content_type = "application/problem+json"),
))]
async fn set_plan(State(wiring): State<Wiring>, Body(body): Body<SetPlan>) -> Result<Body<PlanView>, Problem> {
    let words = body.pass_phrase.map(Zeroizing::new);
    words.as_deref().map_or(Ok(()), |words| backups::checked(words))?;
    let now = view(&wiring)?;
    let (folder, keep) = (body.folder.unwrap_or(now.folder), body.keep.unwrap_or(now.keep));
    let store = wiring.keeper.store().clone();
    let kept = tokio::task::spawn_blocking(move || {
        let before = store.reader().backup_plan().map_err(|e| NotMade::Store(e.to_string()))?;
        let plan =
            Plan::wished(before, body.every.into(), Path::new(&folder), keep, words.as_deref().map(String::as_str))?;
        store.set_backup_plan(&plan).map_err(|e| NotMade::Store(e.to_string()))
    });
    kept.await.map_err(|_| Problem::fault("planning backups stopped"))??;
    view(&wiring).map(Body)
}

/// Makes the planned backup now.
#[utoipa::path(post, path = "/api/v1/backups/plan/made", tag = "backup", responses(
    (status = 200, body = PlanView),
    (status = 409, description = "`no_plan`, `no_folder`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved`", body = Problem, content_type = "application/problem+json"),
))]
async fn make_now(State(wiring): State<Wiring>) -> Result<Body<PlanView>, Problem> {
    let (keeper, wall) = (wiring.keeper.clone(), (wiring.clock)().wall);
    let made = tokio::task::spawn_blocking(move || keeper.make_planned(wall)).await;
    let made = made.map_err(|_| Problem::fault("making a backup stopped"))?;
    let file = view(&wiring)?.file.rsplit('/').next().unwrap_or_default().to_owned();
    if !matches!(made, Err(NotMade::NoPlan)) {
        let problem = made.as_ref().err().map(ToString::to_string);
        wiring.command(Command::BackedUp { file, problem }).await?;
    }
    made?;
    view(&wiring).map(Body)
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use serde_json::json;

    use crate::testing::{Site, get, request, with_json};

    const PATH: &str = "/api/v1/backups/plan";
    const WORDS: &str = "seven storks over the mill";

    #[tokio::test]
    async fn backups_are_planned_made_now_and_left_off() {
        let site = Site::new().await;
        let now = site.send_by_socket(get(PATH)).await.json();
        assert_eq!((&now["every"], &now["ready"], &now["next"]), (&json!("never"), &json!(false), &json!(null)));
        let put = |body| with_json(request(Method::PUT, PATH), &body);
        for (wrong, status) in [
            (json!({"every": "week"}), 422),
            (json!({"every": "week", "pass_phrase": "short"}), 422),
            (json!({"every": "week", "pass_phrase": WORDS, "keep": 0}), 422),
            (json!({"every": "week", "pass_phrase": WORDS, "folder": "here"}), 422),
            (json!({"every": "week", "pass_phrase": WORDS, "folder": "/nowhere/at/all"}), 409),
            (json!({"every": "hourly"}), 422),
        ] {
            assert_eq!(site.send_by_socket(put(wrong.clone())).await.status.as_u16(), status, "{wrong}");
        }
        let run = || with_json(request(Method::POST, "/api/v1/backups/plan/made"), &json!({}));
        assert_eq!(site.send_by_socket(run()).await.code(), (409, "no_plan".into()));
        let set = site.send_by_socket(put(json!({"every": "week", "pass_phrase": WORDS, "keep": 2}))).await;
        assert_eq!((set.status.as_u16(), &set.json()["keep"]), (200, &json!(2)), "{}", set.text);
        let made = site.send_by_socket(run()).await.json();
        assert!(made["file"].as_str().is_some_and(|file| std::path::Path::new(file).exists()), "{made}");
        assert_eq!(made["next"].as_i64().zip(made["last"].as_i64()).map(|(next, last)| next - last), Some(604_800));
        let off = site.send_by_socket(put(json!({"every": "never"}))).await.json();
        assert_eq!((&off["every"], &off["next"], &off["keep"]), (&json!("never"), &json!(null), &json!(2)));
        assert!(!off.to_string().contains(WORDS));
    }
}
