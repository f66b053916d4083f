//! The audit log: each change that somebody makes over the page, with a key or at the command line is a line, on disk
//! before the answer leaves; and the log as admins read it.

use std::sync::{Mutex, PoisonError};

use axum::{
    extract::{MatchedPath, Request, State},
    http::Method,
    middleware::Next,
    response::Response,
};
use meerkat_protocols::{
    audit::{Actor, Deed},
    facts::Seq,
    home::NodeNumber,
};
use meerkat_store::{AuditLine, ReadError, Reader};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    access::{Caller, Gate},
    extract::{Asked, Body},
    problem::Problem,
};

/// Lines of one page.
const PAGE: usize = 50;
const MAX_PAGE: usize = 200;
/// Failed sign-ins are written in sums, one line in so long: a flood of them must not fill the log.
const SUM_MS: u64 = 10 * 60_000;
/// The most bytes of a target that are taken from a path.
const MAX_TARGET_BYTES: usize = 200;

/// Who a request turned out to come from, put on its answer: at a sign-in that is known only afterwards.
#[derive(Debug, Clone)]
pub(crate) struct TurnedOut(pub(crate) String);

/// Failed sign-ins that are not written yet.
#[derive(Debug, Default)]
pub(crate) struct Failures(Mutex<(u32, Option<u64>)>);

impl Failures {
    /// Counts one; gives the sum if it is to be written.
    fn count(&self, now_ms: u64) -> Option<u32> {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        failures.0 = failures.0.saturating_add(1);
        if failures.1.is_some_and(|then| now_ms.saturating_sub(then) < SUM_MS) {
            return None;
        }
        failures.1 = Some(now_ms);
        Some(std::mem::take(&mut failures.0))
    }

    /// The sum so far, to be written with a sign-in that succeeds.
    fn take(&self) -> Option<u32> {
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Some(std::mem::take(&mut failures.0)).filter(|n| *n > 0)
    }
}

/// Answers a request and writes down what it changed.
pub(crate) async fn answered(gate: &Gate, caller: &Caller, request: Request, next: Next) -> Response {
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let Some(action) = action(request.method(), &path) else { return next.run(request).await };
    let target = target(&gate.wiring, &path, request.uri().path());
    let response = next.run(request).await;
    let actor = match response.extensions().get::<TurnedOut>() {
        Some(TurnedOut(name)) => Actor::Person(name.clone()),
        None => actor(gate, caller),
    };
    let status = response.status();
    let result = if status.is_success() { "done".to_owned() } else { format!("refused {}", status.as_u16()) };
    let mut deed = Deed { actor, action, target, result, times: 1 };
    let failures = &gate.wiring.access.0.failed;
    let mut deeds = vec![];
    if path == "/api/v1/session" && !status.is_success() {
        let Some(times) = failures.count((gate.wiring.clock)().mono_ms) else { return response };
        deed.times = times;
    } else if path == "/api/v1/session" {
        deeds.extend(failures.take().map(failed));
    } else if status.is_client_error() && matches!(deed.actor, Actor::Nobody) {
        // What strangers try in vain is not a change; the limits count it.
        return response;
    }
    deeds.push(deed);
    note(&gate.wiring, deeds).await;
    response
}

fn failed(times: u32) -> Deed {
    Deed {
        actor: Actor::Nobody,
        action: "session.add".into(),
        target: String::new(),
        result: "refused 401".into(),
        times,
    }
}

/// Writes lines and waits until they are on disk. A disk that takes none does not undo what was done; it is said aloud.
pub(crate) async fn note(wiring: &Wiring, deeds: Vec<Deed>) {
    let (store, at) = (wiring.keeper.store().clone(), (wiring.clock)().wall);
    match tokio::task::spawn_blocking(move || store.note_deeds(at, &deeds)).await {
        Ok(Ok(())) => {}
        Ok(Err(why)) => tracing::error!(%why, "a line of the audit log is not saved"),
        Err(why) => tracing::error!(%why, "a line of the audit log is not saved"),
    }
}

/// `PUT /api/v1/lists/{subject}` is `lists.set`. Nothing is said of what only reads, but that a record was handed out.
fn action(method: &Method, path: &str) -> Option<String> {
    let deed = match *method {
        Method::POST => "add",
        Method::PUT => "set",
        Method::DELETE => "remove",
        _ if path.ends_with("/record") => "read",
        _ => return None,
    };
    // Looking whether somebody is there changes nothing, nor do pieces of an upload and what was read.
    if ["/ping", "/read", "/{offset}"].iter().any(|end| path.ends_with(end)) {
        return None;
    }
    let parts = path.trim_start_matches("/api/v1/").split('/').filter(|part| !part.starts_with('{'));
    Some(parts.chain([deed]).collect::<Vec<_>>().join("."))
}

/// What stands in the place of the path's parameters. A telephone number is named by a keyed hash, so that an erased one
/// does not live on here.
fn target(wiring: &Wiring, template: &str, path: &str) -> String {
    let named = template.split('/').zip(path.split('/')).filter(|(part, _)| part.starts_with('{'));
    let value = |(part, value): (&str, &str)| match part {
        "{number}" | "{subject}" => format!("number #{}", wiring.keeper.store().short_hash(value.as_bytes())),
        _ => value.chars().take(MAX_TARGET_BYTES).collect(),
    };
    named.map(value).collect::<Vec<_>>().join(" ")
}

fn actor(gate: &Gate, caller: &Caller) -> Actor {
    match caller {
        Caller::Nobody => Actor::Nobody,
        Caller::Socket => Actor::Terminal,
        Caller::Session { name, .. } => Actor::Person(name.clone()),
        Caller::Key { hash, .. } => {
            let id = gate.wiring.access.with(|book| book.key_ids.get(hash).cloned());
            Actor::Key(id.ok().flatten().unwrap_or_default())
        }
    }
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditView {
    seq: u64,
    /// Unix seconds; null if the clock was not set.
    at: Option<i64>,
    /// Who: a person, a key, the command line or the node. Null if the line cannot be read.
    actor: Option<String>,
    /// What was done, as a word that never changes.
    action: Option<String>,
    target: Option<String>,
    /// `done` or why not.
    result: Option<String>,
    /// For how many the line stands.
    times: u32,
}

/// A page of lines, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditPage {
    items: Vec<AuditView>,
    /// To be given as `before` for older lines; null if there are none.
    next: Option<u64>,
}

/// What a check of one node's log found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AuditedView {
    node: u8,
    /// Lines that hold.
    lines: u64,
    /// Lines before this one are vouched for by the node's signature.
    signed: u64,
    /// The first line that does not hold, in words; null if all do.
    broken: Option<String>,
}

/// What a check of all logs found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Verified {
    intact: bool,
    items: Vec<AuditedView>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Which {
    /// Whose log; this node's unless given.
    node: Option<u8>,
    /// Only lines before this one.
    before: Option<u64>,
    /// How many, at most 200.
    limit: Option<usize>,
    /// Only lines of who has this in the name, in whatever case.
    who: Option<String>,
    /// Only lines of what begins so: `lists`, `key.release`.
    what: Option<String>,
}

/// Lines that are looked at for one page: a filter that fits few of them gets a short page, and the place to go on.
const MOST_LOOKED_AT: usize = 5_000;

impl Which {
    fn wants(&self, line: &AuditLine) -> bool {
        let Some(deed) = &line.deed else { return self.who.is_none() && self.what.is_none() };
        let has = |text: String, wanted: &String| text.to_lowercase().contains(&wanted.to_lowercase());
        self.who.as_ref().is_none_or(|who| has(deed.actor.words(), who))
            && self.what.as_ref().is_none_or(|what| deed.action.starts_with(what.as_str()))
    }

    /// A page of the lines that are wanted, and where to go on.
    fn page(&self, reader: &Reader, node: NodeNumber) -> Result<(Vec<AuditLine>, Option<u64>), ReadError> {
        let limit = self.limit.unwrap_or(PAGE).clamp(1, MAX_PAGE);
        let (mut wanted, mut before, mut looked_at) = (vec![], self.before.map(Seq), 0);
        loop {
            let some = reader.audit(node, before, MAX_PAGE)?;
            let whole = some.len() == MAX_PAGE;
            looked_at += some.len();
            for line in some {
                before = Some(line.seq);
                if self.wants(&line) {
                    wanted.push(line);
                }
                if wanted.len() == limit {
                    return Ok((wanted, before.map(|seq| seq.0).filter(|seq| *seq > 0)));
                }
            }
            if !whole || looked_at >= MOST_LOOKED_AT {
                return Ok((wanted, before.map(|seq| seq.0).filter(|seq| whole && *seq > 0)));
            }
        }
    }
}

/// Routes of the audit log.
pub(crate) fn audit_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(audit)).routes(routes!(verify))
}

/// What people and nodes changed, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", params(Which), responses((status = 200, body = AuditPage)))]
async fn audit(State(wiring): State<Wiring>, Asked(which): Asked<Which>) -> Result<Body<AuditPage>, Problem> {
    let node = which.node.map_or(wiring.snapshot.borrow().node, NodeNumber);
    let reader = wiring.reader()?;
    let page = tokio::task::spawn_blocking(move || which.page(&reader, node)).await;
    let page = page.map_err(|_| Problem::fault("reading the audit log stopped"))?;
    let (lines, next) = page.map_err(|_| Problem::unavailable())?;
    let items = lines.into_iter().map(|line| {
        let deed = line.deed;
        let of = |part: fn(&Deed) -> String| deed.as_ref().map(part);
        AuditView {
            seq: line.seq.0,
            at: line.at,
            actor: of(|deed| deed.actor.words()),
            action: of(|deed| deed.action.clone()),
            target: of(|deed| deed.target.clone()),
            result: of(|deed| deed.result.clone()),
            times: deed.as_ref().map_or(1, |deed| deed.times),
        }
    });
    Ok(Body(AuditPage { items: items.collect(), next }))
}

/// Goes through the audit logs of all nodes line by line and finds the first one that is not as it was written.
#[utoipa::path(get, path = "/api/v1/audit/verified", tag = "audit", responses((status = 200, body = Verified)))]
async fn verify(State(wiring): State<Wiring>) -> Result<Body<Verified>, Problem> {
    let reader = wiring.reader()?;
    let found = tokio::task::spawn_blocking(move || reader.audited()).await;
    let found = found.map_err(|_| Problem::fault("checking the audit log stopped"))?;
    let found = found.map_err(|_| Problem::unavailable())?;
    let items: Vec<_> = found
        .into_iter()
        .map(|audited| AuditedView {
            node: audited.node.0,
            lines: audited.lines,
            signed: audited.signed.0,
            broken: audited.broken.map(|broken| broken.words()),
        })
        .collect();
    Ok(Body(Verified { intact: items.iter().all(|item| item.broken.is_none()), items }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::{Site, get, request, with_json};

    #[test]
    fn actions_have_names_that_do_not_change() {
        let named = |method: Method, path| action(&method, path);
        assert_eq!(named(Method::PUT, "/api/v1/lists/{subject}").as_deref(), Some("lists.set"));
        assert_eq!(named(Method::DELETE, "/api/v1/api-keys/{id}").as_deref(), Some("api-keys.remove"));
        assert_eq!(named(Method::POST, "/api/v1/key/rotation").as_deref(), Some("key.rotation.add"));
        assert_eq!(named(Method::GET, "/api/v1/numbers/{number}/record").as_deref(), Some("numbers.record.read"));
        assert_eq!(named(Method::GET, "/api/v1/calls"), None);
        assert_eq!(named(Method::POST, "/api/v1/peers/{peer}/ping"), None);
    }

    #[tokio::test]
    async fn what_people_do_is_written_and_failed_sign_ins_in_sum() {
        let site = Site::new().await;
        site.admin().await;
        for _ in 0..3 {
            let wrong = json!({"name": "Ada", "password": "wrong and long enough"});
            site.send(with_json(request(Method::POST, "/api/v1/session"), &wrong)).await;
        }
        site.key("viewer").await;
        let number = "/api/v1/lists/%2B4930901820";
        let body = json!({"standing": "block", "label": "", "notes": ""});
        site.send_by_socket(with_json(request(Method::PUT, number), &body)).await;
        let page = request(Method::GET, "/api/v1/audit").body(axum::body::Body::empty()).expect("a request");
        let answer = site.send_by_socket(page).await;
        let lines = answer.json()["items"].as_array().expect("lines").clone();
        let said: Vec<_> = lines
            .iter()
            .map(|line| format!("{} {}", line["actor"].as_str().unwrap_or(""), line["action"].as_str().unwrap_or("")))
            .collect();
        let expected =
            ["command line lists.set", "command line api-keys.add", "not signed in session.add", "Ada claim.add"];
        assert_eq!(said, expected);
        for (filter, expected) in
            [("who=aDA", 1), ("what=api-keys", 1), ("who=command&what=lists", 1), ("who=eve", 0), ("limit=1", 1)]
        {
            let found = site.send_by_socket(get(&format!("/api/v1/audit?{filter}"))).await.json();
            assert_eq!(found["items"].as_array().map(Vec::len), Some(expected), "{filter}: {found}");
            assert_eq!(found["next"].is_u64(), filter == "limit=1", "{filter}");
        }
        assert!(!answer.text.contains("4930901820") && lines[0]["target"].as_str().expect("one").contains('#'));
        let verify = request(Method::GET, "/api/v1/audit/verified").body(axum::body::Body::empty()).expect("a request");
        assert_eq!(site.send_by_socket(verify).await.json()["intact"], true);
    }
}
