//! Messages between this home and its neighbours, as people and programs read and write them.

use std::{cmp::Reverse, sync::Arc};

use axum::{extract::State, http::StatusCode};
use data_encoding::BASE64;
use meerkat_core::{Command, HeldUp, Reply, Snapshot, Thread as Known};
use meerkat_protocols::{
    home::HomeId,
    letter::{Content, LetterId, MAX_DATA_BYTES, MAX_TEXT_BYTES, Media, Unsayable},
    mail::{Kept, LetterNo, Progress, Way},
};
use meerkat_store::Reader;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    calls::Reason,
    extract::{Asked, At, Body},
    history,
    problem::{Problem, sentence},
};

/// What has become of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MessageState {
    /// It waits for the neighbour and can be undone.
    Queued,
    /// It has left; nobody has said yet that it came.
    Sent,
    /// The neighbour's node has it on disk.
    Delivered,
    /// It waited for two weeks and was given up.
    Expired,
    /// It was given up for another reason.
    Failed,
    /// It came from the neighbour.
    Received,
}

impl From<Progress> for MessageState {
    fn from(progress: Progress) -> Self {
        match progress {
            Progress::Queued => Self::Queued,
            Progress::Sent => Self::Sent,
            Progress::Delivered { .. } => Self::Delivered,
            Progress::Failed(meerkat_protocols::mail::Failure::Expired) => Self::Expired,
            Progress::Failed(_) => Self::Failed,
        }
    }
}

/// Data in a message: for programs, or to be saved as a file. It is never shown or run.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Data {
    media_type: String,
    /// Base64 (RFC 4648, 4).
    base64: String,
}

/// A message.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Message {
    /// The same at both ends.
    id: String,
    /// Its place in this node's mail, sent and received alike; rises.
    number: u64,
    /// The neighbour's home.
    home: String,
    state: MessageState,
    /// Why it was given up.
    failure: Option<Reason>,
    /// When this node wrote or received it: Unix seconds; null if the clock was not set.
    at: Option<i64>,
    /// When it was written, by the writer's clock.
    written: Option<i64>,
    /// When the neighbour's node said that it has it.
    delivered: Option<i64>,
    /// Anybody whom this home vouches for may have written it. Null if it holds data.
    text: Option<String>,
    data: Option<Data>,
}

impl From<&Kept> for Message {
    fn from(kept: &Kept) -> Self {
        let (state, failure, delivered) = match kept.way {
            Way::In(_) => (MessageState::Received, None, None),
            Way::Out(Progress::Delivered { at }) => (MessageState::Delivered, None, at),
            Way::Out(progress @ Progress::Failed(failure)) => {
                let reason = Reason { code: failure.code().to_owned(), words: failure.words().to_owned() };
                (progress.into(), Some(reason), None)
            }
            Way::Out(progress) => (progress.into(), None, None),
        };
        let (text, data) = match &kept.letter.content {
            Content::Text(text) => (Some(text.clone()), None),
            Content::Data(media, data) => {
                (None, Some(Data { media_type: media.mime().to_owned(), base64: BASE64.encode(data) }))
            }
        };
        Self {
            id: kept.letter.id.to_string(),
            number: kept.no.0,
            home: kept.home.to_string(),
            state,
            failure,
            at: kept.at,
            written: kept.letter.created,
            delivered,
            text,
            data,
        }
    }
}

/// The messages exchanged with one neighbour, as a list shows them.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Thread {
    home: String,
    /// How this home calls it.
    name: String,
    /// Whether this home answers for it: only then can it be written to.
    neighbour: bool,
    /// Whether a node of it is connected, so that messages go at once.
    there: bool,
    /// Received and not read.
    unread: u32,
    /// Ours that the neighbour does not have yet.
    undelivered: u32,
    /// Why they wait, if not only for the neighbour to be there.
    held_up: Option<Reason>,
    /// The newest, either way.
    last: Option<Message>,
}

/// All neighbours and others with whom there are messages: the newest message first, then by name.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Threads {
    items: Vec<Thread>,
    /// Received and not read, from all.
    unread: u32,
}

/// A page of messages, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct MessagePage {
    items: Vec<Message>,
    /// For `cursor`, to get the next page; null at the end.
    next: Option<String>,
    /// Messages that belong here and were left out because what was saved is damaged.
    damaged: usize,
}

/// Which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `next` of the page before.
    cursor: Option<String>,
    /// 1 to 200; 50 if nothing is said.
    limit: Option<u16>,
}

/// What to say: a text, or data with its media type.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageBody {
    /// At most 2,000 bytes in UTF-8.
    #[schema(max_length = 2_000)]
    text: Option<String>,
    data: Option<Data>,
}

/// What was read.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadBody {
    /// The number of the newest message that was seen.
    up_to: u64,
}

/// The operations on messages.
pub(crate) fn message_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new()
        .routes(routes!(message_threads))
        .routes(routes!(message_thread, write_message, forget_messages))
        .routes(routes!(read_messages))
        .routes(routes!(undo_message))
}

fn home(text: &str) -> Result<HomeId, Problem> {
    text.parse().map_err(|e: meerkat_protocols::home::NotAHome| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not_a_home", sentence(&e.to_string())).field("home")
    })
}

fn held_up(why: HeldUp) -> Reason {
    Reason { code: why.code().to_owned(), words: why.words().to_owned() }
}

/// Everybody with whom there are or could be messages.
#[utoipa::path(get, path = "/api/v1/messages", tag = "messages", responses((status = 200, body = Threads)))]
async fn message_threads(State(wiring): State<Wiring>) -> Result<Body<Threads>, Problem> {
    let reader = wiring.reader()?;
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let unread = snapshot.threads.iter().map(|known| known.unread).sum();
    let mut homes: Vec<HomeId> = snapshot.neighbours.iter().map(|neighbour| neighbour.home).collect();
    homes.extend(snapshot.threads.iter().map(|known| known.home));
    homes.sort_unstable();
    homes.dedup();
    let items: Result<Vec<Thread>, Problem> = homes.into_iter().map(|home| one(&snapshot, &reader, home)).collect();
    let mut items = items?;
    let place = |thread: &Thread| (Reverse(thread.last.as_ref().map(|last| last.number)), thread.name.clone());
    items.sort_by_key(place);
    Ok(Body(Threads { items, unread }))
}

fn one(snapshot: &Snapshot, reader: &Reader, home: HomeId) -> Result<Thread, Problem> {
    let neighbour = snapshot.neighbours.iter().find(|neighbour| neighbour.home == home);
    let known: Option<&Known> = snapshot.threads.iter().find(|known| known.home == home);
    let is_connected = |peer| snapshot.peers.iter().any(|connected| connected.peer == peer);
    let last = match known {
        Some(_) => history::letters(reader, home, None, 1)?.letters.first().map(Message::from),
        None => None,
    };
    Ok(Thread {
        home: home.to_string(),
        name: neighbour.map_or_else(|| home.short(), |neighbour| neighbour.name.clone()),
        neighbour: neighbour.is_some(),
        there: snapshot.contacts.iter().any(|contact| contact.home == home && is_connected(contact.about.peer)),
        unread: known.map_or(0, |known| known.unread),
        undelivered: known.map_or(0, |known| known.undelivered),
        held_up: known.and_then(|known| known.held_up).map(held_up),
        last,
    })
}

/// The messages exchanged with a home, the newest first.
#[utoipa::path(get, path = "/api/v1/messages/{home}", tag = "messages",
    params(("home" = String, Path), PageQuery), responses(
    (status = 200, body = MessagePage),
    (status = 400, description = "`cursor`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`not_a_home`", body = Problem, content_type = "application/problem+json"),
))]
async fn message_thread(
    State(wiring): State<Wiring>,
    At(text): At<String>,
    Asked(query): Asked<PageQuery>,
) -> Result<Body<MessagePage>, Problem> {
    let home = home(&text)?;
    let limit = history::limit(query.limit)?;
    let page = history::letters(&wiring.reader()?, home, query.cursor.as_deref(), limit)?;
    Ok(Body(MessagePage {
        items: page.letters.iter().map(Message::from).collect(),
        next: page.next.map(|LetterNo(number)| number.to_string()),
        damaged: page.damaged,
    }))
}

/// Writes to a neighbour. The message is saved when this answers, and goes as soon as the neighbour's node is there.
#[utoipa::path(post, path = "/api/v1/messages/{home}", tag = "messages", params(("home" = String, Path)),
    request_body = MessageBody, responses(
    (status = 201, body = Message),
    (status = 404, description = "`not_vouched`", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`too_many_messages`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`not_a_home`, `invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn write_message(
    State(wiring): State<Wiring>,
    At(text): At<String>,
    Body(body): Body<MessageBody>,
) -> Result<(StatusCode, Body<Message>), Problem> {
    let to = home(&text)?;
    let content = content(body)?;
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|_| Problem::fault("the system gives no random numbers"))?;
    match wiring.command(Command::WriteLetter { to, id: LetterId(id), content }).await? {
        Reply::Queued(kept) => Ok((StatusCode::CREATED, Body(Message::from(&*kept)))),
        other => Err(wiring.unexpected(&other)),
    }
}

fn content(body: MessageBody) -> Result<Content, Problem> {
    let unsayable = |field: &'static str| move |why: Unsayable| Problem::invalid(field, sentence(&why.to_string()));
    match body {
        MessageBody { text: Some(text), data: None } => Content::text(&text).map_err(unsayable("text")),
        MessageBody { text: None, data: Some(Data { media_type, base64 }) } => {
            let media = Media::from_mime(&media_type).ok_or_else(|| {
                let known: Vec<&str> = Media::ALL.into_iter().map(Media::mime).collect();
                Problem::invalid("media_type", format!("Data may be one of these: {}.", known.join(", ")))
            })?;
            let bytes = BASE64.decode(base64.as_bytes()).map_err(|_| {
                Problem::invalid("base64", "This is not base64 as RFC 4648, section 4, has it, with padding.")
            })?;
            Content::data(media, bytes).map_err(unsayable("base64"))
        }
        MessageBody { .. } => Err(Problem::invalid(
            "text",
            format!(
                "A message has either a text of at most {MAX_TEXT_BYTES} bytes or data of at most {MAX_DATA_BYTES}."
            ),
        )),
    }
}

/// Takes back a message that has not left.
#[utoipa::path(delete, path = "/api/v1/messages/{home}/{id}", tag = "messages",
    params(("home" = String, Path), ("id" = String, Path)), responses(
    (status = 204, description = "It has not left and will not."),
    (status = 404, description = "`no_such_message`", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`message_left`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`not_a_home`, `not_a_message`", body = Problem,
        content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn undo_message(
    State(wiring): State<Wiring>,
    At((text, id)): At<(String, String)>,
) -> Result<StatusCode, Problem> {
    let to = home(&text)?;
    let id = id.parse().map_err(|e: meerkat_protocols::letter::NotALetterId| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not_a_message", sentence(&e.to_string())).field("id")
    })?;
    wiring.done(Command::UndoLetter { to, id }, &Reply::Undone).await
}

/// Says that the messages of a home were read, up to one.
#[utoipa::path(put, path = "/api/v1/messages/{home}/read", tag = "messages", params(("home" = String, Path)),
    request_body = ReadBody, responses(
    (status = 204, description = "They count as read."),
    (status = 404, description = "`no_such_message`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`not_a_home`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
))]
async fn read_messages(
    State(wiring): State<Wiring>,
    At(text): At<String>,
    Body(body): Body<ReadBody>,
) -> Result<StatusCode, Problem> {
    let from = home(&text)?;
    wiring.done(Command::LettersRead { from, up_to: LetterNo(body.up_to) }, &Reply::Read).await
}

/// Deletes all messages exchanged with a home, here. What has not left does not go; what the neighbour has, it keeps.
#[utoipa::path(delete, path = "/api/v1/messages/{home}", tag = "messages", params(("home" = String, Path)),
    responses(
    (status = 204, description = "They are gone."),
    (status = 404, description = "`no_such_message`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`not_a_home`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn forget_messages(State(wiring): State<Wiring>, At(text): At<String>) -> Result<StatusCode, Problem> {
    wiring.done(Command::ForgetLetters(home(&text)?), &Reply::Undone).await
}
