//! The page of a node whose key is locked: whether it lives, and the place for the pass-phrase. Nothing else is there.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Form, Router,
    extract::{DefaultBodyLimit, Request, State},
    http::{Extensions, HeaderValue, StatusCode, header},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{Html, IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc, oneshot};
use zeroize::Zeroizing;

use crate::{
    Clock, Machine,
    access::{Door, Limits, Network, address, from_this_page, names_us},
    extract::Body,
    problem::Problem,
    security,
};

/// A pass-phrase has 512 bytes at most; as a form three times that.
const MAX_BODY_BYTES: usize = 4 << 10;

/// A pass-phrase somebody gave, and where to say whether it was right.
pub type UnlockTry = (Zeroizing<String>, oneshot::Sender<Result<(), NotUnlocked>>);

/// Why the key stays locked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotUnlocked {
    /// Another pass-phrase.
    Wrong,
    /// No pass-phrase opens this key: another member gives it out.
    NotByPassPhrase,
    /// The machine could not try it, in its words.
    Fault(String),
}

/// How a locked node stands with the members that could open it; for the person who waits.
#[derive(Debug, Clone, Default)]
pub struct Waiting(Arc<Mutex<Option<String>>>);

impl Waiting {
    /// What is being waited for, in words.
    pub fn say(&self, words: &str) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(words.to_owned());
    }

    fn words(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// What the page of a locked node is connected to.
#[derive(Clone)]
pub struct Locked {
    /// What does not change while the process runs.
    pub machine: Arc<Machine>,
    /// Both clocks.
    pub clock: Clock,
    /// Where pass-phrases go.
    pub tries: mpsc::Sender<UnlockTry>,
    /// What is being waited for besides.
    pub waiting: Waiting,
    /// Whether a pass-phrase opens the key.
    pub by_pass_phrase: bool,
}

impl std::fmt::Debug for Locked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Locked(…)")
    }
}

#[derive(Clone)]
struct Gate {
    locked: Locked,
    door: Door,
    limits: Arc<Limits>,
    /// One try at a time: each takes 64 MiB.
    trying: Arc<Semaphore>,
}

/// The routes of a locked node for the page's listener, to be served with `ConnectInfo<SocketAddr>`.
pub fn locked_router(locked: Locked) -> Router {
    build(locked, Door::Page)
}

/// The routes of a locked node for the control socket.
pub fn locked_local_router(locked: Locked) -> Router {
    build(locked, Door::Socket)
}

fn build(locked: Locked, door: Door) -> Router {
    let gate = Gate { locked, door, limits: Arc::default(), trying: Arc::new(Semaphore::new(1)) };
    Router::new()
        .route("/health", get(health))
        .route("/api/v1/unlock", post(unlock))
        .route("/unlock", post(unlock_form))
        .route("/unlock.css", get(style))
        .fallback(elsewhere)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(from_fn_with_state(gate.clone(), ours))
        .layer(from_fn(security::headers))
        .with_state(gate)
}

/// Refuses what names another host, and what another site made a browser send.
async fn ours(State(gate): State<Gate>, request: Request, next: Next) -> Response {
    if gate.door == Door::Socket {
        return next.run(request).await;
    }
    if !names_us(&request, &gate.locked.machine.allowed_hosts) {
        let detail = "This page does not answer to that name. Use its address.";
        return Problem::new(StatusCode::MISDIRECTED_REQUEST, "unknown_host", detail).into_response();
    }
    if request.method() == "POST" && !from_this_page(&request) {
        let detail = "This request did not come from this page, so it was not done.";
        return Problem::forbidden("cross_site", detail).into_response();
    }
    next.run(request).await
}

async fn health(State(gate): State<Gate>) -> Response {
    let Locked { machine, clock, waiting, by_pass_phrase, .. } = &gate.locked;
    Body(json!({
        "status": "locked",
        "version": machine.version,
        "uptime_s": clock().mono_ms / 1_000,
        "safe_mode": machine.safe_mode,
        "by_pass_phrase": by_pass_phrase,
        "waiting": waiting.words(),
    }))
    .into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    pass_phrase: String,
}

/// For programs and the command line.
async fn unlock(
    State(gate): State<Gate>,
    extensions: Extensions,
    Body(given): Body<Given>,
) -> Result<StatusCode, Problem> {
    attempt(&gate, &extensions, given).await.map(|()| StatusCode::NO_CONTENT)
}

/// For the page.
async fn unlock_form(State(gate): State<Gate>, extensions: Extensions, Form(given): Form<Given>) -> Response {
    match attempt(&gate, &extensions, given).await {
        Ok(()) => Html(page(STARTED, "")).into_response(),
        Err(problem) => {
            let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            (status, Html(form(&gate, Some(&problem.detail)))).into_response()
        }
    }
}

/// Tries a pass-phrase. Whoever fails waits longer after each failure, by the monotonic clock; the control socket, whose
/// other end could read our memory anyway, never waits.
async fn attempt(gate: &Gate, extensions: &Extensions, given: Given) -> Result<(), Problem> {
    let words = Zeroizing::new(given.pass_phrase);
    if !gate.locked.by_pass_phrase {
        return Err(not_by_pass_phrase());
    }
    let who = (gate.door == Door::Page).then(|| Network::of(address(extensions)).hash());
    // In turn, so that many at once do not pass the wait together.
    let _one_at_a_time = gate.trying.acquire().await.map_err(|_| Problem::unavailable())?;
    let now_ms = || (gate.locked.clock)().mono_ms;
    if let Some(who) = &who {
        gate.limits.account_waits(who, now_ms()).map_err(|seconds| {
            let detail = format!("Too many wrong pass-phrases: wait {seconds} s and try again.");
            Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail).retry_after(seconds)
        })?;
    }
    let (told, answer) = oneshot::channel();
    gate.locked.tries.send((words, told)).await.map_err(|_| starting())?;
    match answer.await.map_err(|_| starting())? {
        Ok(()) => Ok(()),
        Err(NotUnlocked::Wrong) => {
            if let Some(who) = who {
                gate.limits.account_failed(who, now_ms());
            }
            let detail = "This is not the pass-phrase. Calls ring meanwhile.";
            Err(Problem::new(StatusCode::UNAUTHORIZED, "wrong_pass_phrase", detail))
        }
        Err(NotUnlocked::NotByPassPhrase) => Err(not_by_pass_phrase()),
        Err(NotUnlocked::Fault(why)) => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "fault", why)),
    }
}

fn not_by_pass_phrase() -> Problem {
    let detail = "No pass-phrase opens this node: another node of the household does. Start one that is a member, and \
                  connect both.";
    Problem::new(StatusCode::CONFLICT, "not_by_pass_phrase", detail)
}

/// Somebody else was faster.
fn starting() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "starting", "The node is unlocked and starts.").retry_after(2)
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/css"))], include_str!("unlock.css")).into_response()
}

async fn elsewhere(State(gate): State<Gate>, request: Request) -> Response {
    let path = request.uri().path();
    if path.starts_with("/api") {
        let detail = "The key of this node is locked, so it knows nothing and every call rings. Unlock it on its page \
                      or with `meerkat unlock`.";
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "locked", detail).into_response();
    }
    if !matches!(request.method().as_str(), "GET" | "HEAD") || path.contains('.') {
        return Problem::not_found("There is no such file.").into_response();
    }
    Html(form(&gate, None)).into_response()
}

/// What follows a right pass-phrase; the browser looks again by itself.
const STARTED: &str = "<h1>Unlocked</h1><p role=\"status\">The node starts. This page comes back by itself.</p>";

fn form(gate: &Gate, said: Option<&str>) -> String {
    let Locked { machine, waiting, by_pass_phrase, .. } = &gate.locked;
    let name = escaped(&machine.node_name);
    let said = said.map(|said| format!("<p class=\"wrong\" role=\"alert\">{}</p>", escaped(said))).unwrap_or_default();
    let how = if *by_pass_phrase {
        format!(
            "<form method=\"post\" action=\"/unlock\"><label for=\"words\">Pass-phrase</label>\
             <input id=\"words\" name=\"pass_phrase\" type=\"password\" autocomplete=\"current-password\" maxlength=\"512\" \
             required autofocus>{said}<button>Unlock</button></form>"
        )
    } else {
        let words = waiting.words().unwrap_or_else(|| "Another node of the household is asked for the key.".to_owned());
        format!("{said}<p role=\"status\">{}</p>", escaped(&words))
    };
    let body = format!(
        "<h1>{name} is locked</h1><p>What this node keeps is encrypted, and the key for it is not on the machine. Until it is \
         unlocked, <strong>every call rings unscreened</strong>.</p>{how}"
    );
    page(&body, if *by_pass_phrase { "keep" } else { "" })
}

/// The whole page. It asks anew by itself, but not while somebody types.
fn page(body: &str, kind: &str) -> String {
    let again = if kind == "keep" { "" } else { "<meta http-equiv=\"refresh\" content=\"3; url=/\">" };
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" \
         content=\"width=device-width, initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\">{again}\
         <title>Meerkat: locked</title><link rel=\"stylesheet\" href=\"/unlock.css\"></head><body><main>{body}</main></body></html>"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests;
