//! Long poll and server-sent events. The third door is in `socket.rs`.

use std::{collections::VecDeque, convert::Infallible, time::Duration};

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{
        IntoResponse, Response, Sse,
        sse::{Event as SseEvent, KeepAlive},
    },
};
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, watch},
    time::{Instant, timeout, timeout_at},
};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    access::Caller,
    events::{
        frame::{Event, Wanted},
        log::{Batch, Entry, Mark},
        socket,
    },
    extract::Asked,
    problem::Problem,
};

/// How often an open stream is looked after: whether its reader may still read, and whether the line still stands.
pub(crate) const LOOK_AFTER: Duration = Duration::from_secs(20);
/// How long a poll waits if nothing is said.
const DEFAULT_WAIT_S: u64 = 30;
/// How long a poll may wait.
const MAX_WAIT_S: u64 = 60;
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Events, the oldest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Events {
    pub(crate) items: Vec<Event>,
    /// For `since`, to read on.
    pub(crate) last: u64,
}

/// From where on, and which.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct PollQuery {
    /// The `last` of the answer before. 0 for the oldest that is held; without it the answer comes at once and only says
    /// where the log ends.
    since: Option<u64>,
    /// Types with commas between, `*` at an end for all that begin so: `call.*,alarm.raised`. All if not given.
    types: Option<String>,
    /// For how many seconds to wait for an event: 0 to 60; 30 if not given.
    #[param(maximum = 60)]
    timeout: Option<u64>,
}

/// From where on, and which.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct StreamQuery {
    /// The id of the last event that was read; 0 for the oldest that is held; from now on if not given.
    pub(crate) since: Option<u64>,
    /// As in `/api/v1/events`.
    pub(crate) types: Option<String>,
}

/// The three doors.
pub(crate) fn event_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(poll)).routes(routes!(stream)).routes(routes!(socket::socket))
}

/// The types that a query asks for.
pub(crate) fn wanted(types: Option<&str>) -> Result<Wanted, Problem> {
    let types = types.map(|t| t.split(',')).into_iter().flatten();
    Wanted::new(types).ok_or_else(|| Problem::invalid("types", "At most 32 types of at most 40 letters."))
}

/// A place among the readers.
pub(crate) fn seat(wiring: &Wiring) -> Result<OwnedSemaphorePermit, Problem> {
    wiring.events.seat().ok_or_else(|| {
        let detail = "Too many programs read events just now.";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too_many_readers", detail).retry_after(10)
    })
}

/// Whether the caller may still read.
pub(crate) fn may_read(wiring: &Wiring, caller: &Caller) -> bool {
    match caller {
        Caller::Nobody => false,
        Caller::Session { hash, .. } => wiring.access.session_stands(hash),
        Caller::Key { hash, .. } => wiring.access.key_stands(hash),
        Caller::Socket => true,
    }
}

/// Waits for events and answers with them, or with none after the timeout.
#[utoipa::path(get, path = "/api/v1/events", tag = "events", params(PollQuery), responses(
    (status = 200, body = Events),
    (status = 400, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`too_many_readers`", body = Problem, content_type = "application/problem+json"),
))]
async fn poll(State(wiring): State<Wiring>, Asked(query): Asked<PollQuery>) -> Result<Response, Problem> {
    let wanted = wanted(query.types.as_deref())?;
    let wait_s = query.timeout.unwrap_or(DEFAULT_WAIT_S);
    if wait_s > MAX_WAIT_S {
        return Err(Problem::invalid("timeout", format!("Wait for at most {MAX_WAIT_S} s.")));
    }
    let Some(since) = query.since else {
        return Ok(page(&Batch { entries: vec![], last: wiring.events.last() }));
    };
    let _seat = seat(&wiring)?;
    let until = Instant::now() + Duration::from_secs(wait_s);
    let mut mark = wiring.events.watch();
    let mut place = since;
    loop {
        let closed = mark.borrow_and_update().closed;
        let batch = wiring.events.read(place, &wanted);
        if !batch.entries.is_empty() || closed {
            return Ok(page(&batch));
        }
        place = batch.last;
        if !matches!(timeout_at(until, mark.changed()).await, Ok(Ok(()))) {
            return Ok(page(&wiring.events.read(place, &wanted)));
        }
    }
}

/// The answer, put together from what is already written.
fn page(batch: &Batch) -> Response {
    let items: Vec<&str> = batch.entries.iter().map(|e| e.json.as_str()).collect();
    let body = format!("{{\"items\":[{}],\"last\":{}}}", items.join(","), batch.last);
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
}

/// Server-sent events: `id` is the event's id, `data` the event. Reads on from `Last-Event-ID`.
#[utoipa::path(get, path = "/api/v1/events/stream", tag = "events", params(StreamQuery,
    ("Last-Event-ID" = Option<u64>, Header, description = "Goes before `since`.")), responses(
    (status = 200, body = Event, content_type = "text/event-stream"),
    (status = 400, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`too_many_readers`", body = Problem, content_type = "application/problem+json"),
))]
async fn stream(
    State(wiring): State<Wiring>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Asked(query): Asked<StreamQuery>,
) -> Result<Response, Problem> {
    let reader = Reader {
        wanted: wanted(query.types.as_deref())?,
        place: last_event_id(&headers)?.or(query.since).unwrap_or_else(|| wiring.events.last()),
        ready: VecDeque::new(),
        mark: wiring.events.watch(),
        _seat: seat(&wiring)?,
        caller,
        wiring,
    };
    let events = futures::stream::unfold(reader, |mut reader| async move {
        let entry = reader.next().await?;
        let event = SseEvent::default().id(entry.id.to_string()).data(entry.json.as_str());
        Some((Ok::<_, Infallible>(event), reader))
    });
    let mut response = Sse::new(events).keep_alive(KeepAlive::new().interval(LOOK_AFTER)).into_response();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<u64>, Problem> {
    let Some(id) = headers.get(LAST_EVENT_ID) else { return Ok(None) };
    let id = id.to_str().ok().and_then(|id| id.parse().ok());
    id.map(Some).ok_or_else(|| Problem::invalid("Last-Event-ID", "This is not the id of an event."))
}

/// One reader of the log that stays.
struct Reader {
    wiring: Wiring,
    caller: Caller,
    wanted: Wanted,
    place: u64,
    ready: VecDeque<Entry>,
    mark: watch::Receiver<Mark>,
    _seat: OwnedSemaphorePermit,
}

impl Reader {
    /// The next event; `None` when the node stops or the reader may read no longer.
    async fn next(&mut self) -> Option<Entry> {
        loop {
            if let Some(entry) = self.ready.pop_front() {
                return Some(entry);
            }
            let closed = self.mark.borrow_and_update().closed;
            if closed || !may_read(&self.wiring, &self.caller) {
                return None;
            }
            let batch = self.wiring.events.read(self.place, &self.wanted);
            let moved = batch.last != self.place;
            self.place = batch.last;
            self.ready.extend(batch.entries);
            if self.ready.is_empty() && !moved {
                // After a while the reader's right is looked at again.
                let _ = timeout(LOOK_AFTER, self.mark.changed()).await;
            }
        }
    }
}
