//! The WebSocket: the door for the page, because a browser opens only six connections of HTTP/1.1 to one origin.

use std::time::Duration;

use axum::{
    Extension,
    extract::{
        State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code, rejection::WebSocketUpgradeRejection},
    },
    http::StatusCode,
    response::Response,
};
use serde::Deserialize;
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, MissedTickBehavior, interval, sleep, timeout},
};

use crate::{
    Wiring,
    access::Caller,
    events::{
        doors::{LOOK_AFTER, StreamQuery, may_read, seat, wanted},
        frame::{Event, Wanted},
    },
    extract::Asked,
    problem::Problem,
};

/// What a reader sends is a short list of types.
const MAX_MESSAGE_BYTES: usize = 4_096;
/// How long a reader that names no place in the address has to name one before it gets what happens from now on.
const FIRST_WORD: Duration = Duration::from_secs(1);
/// A reader that takes nothing for so long has gone.
const MAX_STALL: Duration = Duration::from_secs(10);
/// A reader from which nothing has come for so long, not even the answer to a ping, has gone.
const MAX_SILENCE: Duration = Duration::from_secs(60);

/// What a reader may send.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    subscribe: Vec<String>,
    since: Option<u64>,
}

/// A WebSocket that sends one event a text frame. It may be sent `{"subscribe": ["call.*"], "since": 17}` at any time.
/// Without `since` or `types` in the address it waits a second for that before it sends what happens from now on.
#[utoipa::path(get, path = "/api/v1/events/ws", tag = "events", params(StreamQuery), responses(
    (status = 101, description = "Frames are of the schema `Event`.", body = Event),
    (status = 400, description = "`not_a_websocket`, `invalid`", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`too_many_readers`", body = Problem, content_type = "application/problem+json"),
))]
pub(crate) async fn socket(
    State(wiring): State<Wiring>,
    Extension(caller): Extension<Caller>,
    Asked(query): Asked<StreamQuery>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Problem> {
    let upgrade = upgrade.map_err(|e| Problem::new(StatusCode::BAD_REQUEST, "not_a_websocket", e.body_text()))?;
    let types = wanted(query.types.as_deref())?;
    let reader = Reader {
        started: query.since.is_some() || query.types.is_some(),
        place: query.since.unwrap_or_else(|| wiring.events.last()),
        wanted: types,
        caller,
        _seat: seat(&wiring)?,
        wiring,
    };
    let upgrade = upgrade.max_message_size(MAX_MESSAGE_BYTES).max_frame_size(MAX_MESSAGE_BYTES);
    Ok(upgrade.on_upgrade(|socket| async move {
        let mut socket = socket;
        if let Some(why) = reader.run(&mut socket).await {
            let _ = timeout(MAX_STALL, socket.send(Message::Close(Some(why)))).await;
        }
    }))
}

struct Reader {
    wiring: Wiring,
    caller: Caller,
    wanted: Wanted,
    place: u64,
    started: bool,
    _seat: OwnedSemaphorePermit,
}

impl Reader {
    /// Serves the socket until it ends; with a reason if this side ends it.
    async fn run(mut self, socket: &mut WebSocket) -> Option<CloseFrame> {
        let mut mark = self.wiring.events.watch();
        let mut look_after = interval(LOOK_AFTER);
        look_after.set_missed_tick_behavior(MissedTickBehavior::Delay);
        look_after.reset();
        let first_word = sleep(FIRST_WORD);
        tokio::pin!(first_word);
        let mut heard = Instant::now();
        loop {
            if mark.borrow_and_update().closed {
                return Some(close(close_code::AWAY, "the node stops"));
            }
            if !may_read(&self.wiring, &self.caller) {
                return Some(close(close_code::POLICY, "signed out"));
            }
            if self.started && !self.send_ready(socket).await? {
                continue;
            }
            tokio::select! {
                changed = mark.changed() => changed.ok()?,
                () = &mut first_word, if !self.started => self.started = true,
                message = socket.recv() => {
                    heard = Instant::now();
                    if let Err(why) = self.hear(message?.ok()?)? {
                        return Some(why);
                    }
                }
                _ = look_after.tick() => {
                    if heard.elapsed() > MAX_SILENCE {
                        return None;
                    }
                    send(socket, Message::Ping(axum::body::Bytes::new())).await?;
                }
            }
        }
    }

    /// Sends one batch; `true` if there is no more for now, `None` if the reader has gone.
    async fn send_ready(&mut self, socket: &mut WebSocket) -> Option<bool> {
        let batch = self.wiring.events.read(self.place, &self.wanted);
        let moved = batch.last != self.place;
        for entry in batch.entries {
            send(socket, Message::Text(entry.json)).await?;
        }
        self.place = batch.last;
        Some(!moved)
    }

    /// Takes in what the reader sent: `None` if it said goodbye, an error if it is not understood.
    fn hear(&mut self, message: Message) -> Option<Result<(), CloseFrame>> {
        let text = match message {
            Message::Text(text) => text,
            Message::Ping(_) | Message::Pong(_) => return Some(Ok(())),
            Message::Close(_) => return None,
            Message::Binary(_) => return Some(Err(close(close_code::UNSUPPORTED, "text is expected"))),
        };
        let ask = serde_json::from_str::<Ask>(&text).ok();
        let asked = ask.and_then(|ask| Some((Wanted::new(ask.subscribe.iter().map(String::as_str))?, ask.since)));
        let Some((wanted, since)) = asked else {
            return Some(Err(close(close_code::POLICY, "not understood: {\"subscribe\": [types], \"since\": id}")));
        };
        self.wanted = wanted;
        self.place = since.unwrap_or(self.place);
        self.started = true;
        Some(Ok(()))
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Option<()> {
    timeout(MAX_STALL, socket.send(message)).await.ok()?.ok()
}

fn close(code: u16, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: reason.into() }
}
