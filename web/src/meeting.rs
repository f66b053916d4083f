//! Inviting, joining, meeting nearby, and who is there.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use fast_qr::{ECL, QRBuilder, convert::svg::SvgBuilder};
use meerkat_core::{Command, ContactState, InviteState, JoinState, MeetingState, PeerState, Reply, Snapshot};
use meerkat_protocols::{address::peer_of, time::Now};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    extract::{At, Body},
    problem::Problem,
    words::peer_id,
};

/// The longest name of a neighbour, in characters.
const MAX_NAME_CHARS: usize = 80;
/// How long an invite lasts unless told otherwise: a day, in which two people see each other.
const DEFAULT_LIFETIME_S: u32 = 86_400;

/// An invite of this home.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Invite {
    id: String,
    /// What is handed over: `meerkat:` and what follows.
    text: String,
    /// The same as a QR code, an SVG image as text.
    qr_svg: String,
    /// How this home calls who is meant to use it; may be empty.
    name: String,
    /// Whether this home answers for who uses it.
    vouch: bool,
    /// For how long it can still be used.
    ends_in_s: u64,
    /// The short code for a node on the same network, while it works.
    code: Option<String>,
    /// For how long the short code works.
    code_ends_in_s: Option<u64>,
    /// The home that used it.
    used_by: Option<String>,
    /// How this home calls that one.
    used_by_name: Option<String>,
    /// Four words that the screen of who used it shows too.
    words: Option<String>,
}

/// The invites of this home, the newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Invites {
    items: Vec<Invite>,
    /// How many more homes this one may answer for, beyond those for whom an invite is open.
    left: usize,
}

/// What kind of invite is wanted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InviteBody {
    /// How this home calls who is meant to use it; empty if that is left open.
    #[serde(default)]
    #[schema(max_length = 80)]
    name: String,
    /// Whether this home answers for who uses it; it does unless told otherwise.
    #[serde(default = "yes")]
    vouch: bool,
    /// How long it lasts: 300 to 604800; a day unless told otherwise.
    #[serde(default = "a_day")]
    lifetime_s: u32,
}

fn yes() -> bool {
    true
}

fn a_day() -> u32 {
    DEFAULT_LIFETIME_S
}

/// A join of this node.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Join {
    id: u64,
    /// `calling`, `asking`, `vouching`, `joined` or `failed`.
    stage: String,
    /// The same in words, with what to do next.
    words: String,
    /// How this home calls the neighbour; may be empty.
    name: String,
    /// The home that is joined, once known.
    home: Option<String>,
    /// Four words that the inviting screen shows too, once in.
    four_words: Option<String>,
}

/// The joins of this node since it started, the newest first.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Joins {
    items: Vec<Join>,
}

/// An invite to use.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct JoinBody {
    /// The invite's text, or its short code.
    #[schema(max_length = 2200)]
    invite: String,
    /// How this home calls the neighbour; may be empty.
    #[serde(default)]
    #[schema(max_length = 80)]
    name: String,
    /// Whether this home answers for the neighbour; it does unless told otherwise.
    #[serde(default = "yes")]
    vouch: bool,
}

/// A meeting with a node nearby.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Meeting {
    peer: String,
    /// Whether it was begun here.
    ours: bool,
    /// `beginning`, `comparing`, `waiting`, `met` or `failed`.
    stage: String,
    /// The same in words, with what to do next.
    words: String,
    /// The four words to compare with the other screen.
    four_words: Option<String>,
}

/// A node on the same network.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Near {
    peer: String,
    address: String,
    /// The neighbour that it belongs to, if it is a contact.
    name: Option<String>,
    /// The meeting with it, if there is one.
    meeting: Option<Meeting>,
}

/// The nodes on the same network.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Nearby {
    items: Vec<Near>,
}

/// Whom to meet.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MeetBody {
    /// The peer id, as `nearby` lists it.
    #[schema(max_length = 64)]
    peer: String,
}

/// What the comparison of the four words gave.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CompareBody {
    /// Whether they are the same on both screens.
    same: bool,
    /// How this home calls the neighbour; may be empty.
    #[serde(default)]
    #[schema(max_length = 80)]
    name: String,
}

/// A node of a neighbour's home.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Contact {
    home: String,
    /// How this home calls it.
    name: String,
    peer: String,
    /// Whether it is there: heard of within five minutes.
    online: bool,
    /// How long ago it was last heard of; null if not since this node started.
    heard_s: Option<u64>,
    /// `computer`, `board` or `other`.
    platform: String,
    version: String,
    capabilities: Vec<String>,
}

/// The nodes of neighbours' homes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Contacts {
    items: Vec<Contact>,
}

/// The operations on invites, joins, meetings and contacts.
pub(crate) fn meeting_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new()
        .routes(routes!(invites))
        .routes(routes!(invite))
        .routes(routes!(revoke))
        .routes(routes!(joins))
        .routes(routes!(join))
        .routes(routes!(nearby))
        .routes(routes!(meet))
        .routes(routes!(compare))
        .routes(routes!(contacts))
}

pub(crate) fn seconds_left(now: Now, ends_mono_ms: u64) -> u64 {
    ends_mono_ms.saturating_sub(now.mono_ms).div_ceil(1_000)
}

/// In capitals the whole text is in the alphanumeric alphabet of QR codes, and the code a third smaller.
pub(crate) fn qr_svg(text: &str) -> String {
    QRBuilder::new(text.to_uppercase())
        .ecl(ECL::M)
        .build()
        .map(|code| SvgBuilder::default().to_str(&code))
        .unwrap_or_default()
}

fn view_invite(invite: &InviteState, snapshot: &Snapshot, now: Now) -> Invite {
    let text = invite.ticket.to_string();
    let name_of = |home| snapshot.neighbours.iter().find(|n| n.home == home).map(|n| n.name.clone());
    Invite {
        id: invite.id.to_string(),
        qr_svg: qr_svg(&text),
        text,
        name: invite.name.clone(),
        vouch: invite.vouches,
        ends_in_s: seconds_left(now, invite.ends_mono_ms),
        code: invite.code.map(|(code, _)| code.to_string()),
        code_ends_in_s: invite.code.map(|(_, ends)| seconds_left(now, ends)),
        used_by: invite.used.map(|home| home.to_string()),
        used_by_name: invite.used.and_then(name_of),
        words: invite.words.map(|words| words.to_string()),
    }
}

fn view_join(join: &JoinState) -> Join {
    Join {
        id: join.id,
        stage: join.stage.code().to_owned(),
        words: join.stage.words(),
        name: join.name.clone(),
        home: join.home.map(|home| home.to_string()),
        four_words: join.words.map(|words| words.to_string()),
    }
}

fn view_meeting(meeting: &MeetingState) -> Meeting {
    Meeting {
        peer: peer_id(meeting.peer),
        ours: meeting.ours,
        stage: meeting.stage.code().to_owned(),
        words: meeting.stage.words().to_owned(),
        four_words: meeting.words.map(|words| words.to_string()),
    }
}

fn checked_name(name: &str) -> Result<String, Problem> {
    if name.chars().count() > MAX_NAME_CHARS {
        return Err(Problem::invalid("name", format!("A name has at most {MAX_NAME_CHARS} characters.")));
    }
    Ok(name.to_owned())
}

/// The invites of this home. Each lets one home in: who sees this list can use them.
#[utoipa::path(get, path = "/api/v1/invites", tag = "mesh", responses((status = 200, body = Invites)))]
async fn invites(State(wiring): State<Wiring>) -> Body<Invites> {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let now = (wiring.clock)();
    let items = snapshot.invites.iter().map(|invite| view_invite(invite, &snapshot, now)).collect();
    Body(Invites { items, left: snapshot.vouches_left })
}

/// Makes an invite to hand to a neighbour.
#[utoipa::path(post, path = "/api/v1/invites", tag = "mesh", request_body = InviteBody, responses(
    (status = 201, body = Invite),
    (status = 409, description = "`too_many_vouches`, `vouches_held_back`, `too_many_invites`, `not_reachable`",
        body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn invite(
    State(wiring): State<Wiring>,
    Body(body): Body<InviteBody>,
) -> Result<(StatusCode, Body<Invite>), Problem> {
    let InviteBody { name, vouch: vouches, lifetime_s } = body;
    let name = checked_name(&name)?;
    match wiring.command(Command::Invite { name, vouches, lifetime_s }).await? {
        Reply::Invited(id) => {
            let snapshot = Arc::clone(&wiring.snapshot.borrow());
            let made = snapshot.invites.iter().find(|invite| invite.id == id);
            let made = made.ok_or_else(|| Problem::fault("an invite is not in the picture"))?;
            Ok((StatusCode::CREATED, Body(view_invite(made, &snapshot, (wiring.clock)()))))
        }
        other => Err(wiring.unexpected(&other)),
    }
}

/// Takes an invite back: nobody gets in by it any more.
#[utoipa::path(delete, path = "/api/v1/invites/{id}", tag = "mesh", params(("id" = String, Path)), responses(
    (status = 204, description = "Taken back."),
    (status = 404, description = "`no_such_invite`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn revoke(State(wiring): State<Wiring>, At(id): At<String>) -> Result<StatusCode, Problem> {
    let id = id.parse().map_err(|_| Problem::from(meerkat_core::Refusal::NoSuchInvite))?;
    wiring.done(Command::RevokeInvite(id), &Reply::Saved).await
}

/// How far the joins of this node are.
#[utoipa::path(get, path = "/api/v1/joins", tag = "mesh", responses((status = 200, body = Joins)))]
async fn joins(State(wiring): State<Wiring>) -> Body<Joins> {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    Body(Joins { items: snapshot.joins.iter().map(view_join).collect() })
}

/// Uses an invite. It takes a while: `GET /api/v1/joins` and the event `joins.changed` say how far it is.
#[utoipa::path(post, path = "/api/v1/joins", tag = "mesh", request_body = JoinBody, responses(
    (status = 202, body = Join),
    (status = 409, description = "`too_many_vouches`, `vouches_held_back`, `clock_not_set`, `invite_expired`",
        body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`not_an_invite`, `own_invite`", body = Problem,
        content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
))]
async fn join(State(wiring): State<Wiring>, Body(body): Body<JoinBody>) -> Result<(StatusCode, Body<Join>), Problem> {
    let JoinBody { invite: text, name, vouch: vouches } = body;
    let name = checked_name(&name)?;
    match wiring.command(Command::Join { text, name, vouches }).await? {
        Reply::Joining(id) => {
            let snapshot = Arc::clone(&wiring.snapshot.borrow());
            let begun = snapshot.joins.iter().find(|join| join.id == id);
            let begun = begun.ok_or_else(|| Problem::fault("a join is not in the picture"))?;
            Ok((StatusCode::ACCEPTED, Body(view_join(begun))))
        }
        other => Err(wiring.unexpected(&other)),
    }
}

/// The nodes on the same network, and the meetings with them.
#[utoipa::path(get, path = "/api/v1/nearby", tag = "mesh", responses((status = 200, body = Nearby)))]
async fn nearby(State(wiring): State<Wiring>) -> Body<Nearby> {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let near = |state: &&PeerState| state.is_nearby() || snapshot.meetings.iter().any(|m| m.peer == state.peer);
    let view = |state: &PeerState| Near {
        peer: peer_id(state.peer),
        address: state.address.clone(),
        name: snapshot.contacts.iter().find(|c| c.about.peer == state.peer).map(|c| c.name.clone()),
        meeting: snapshot.meetings.iter().find(|m| m.peer == state.peer).map(view_meeting),
    };
    Body(Nearby { items: snapshot.peers.iter().filter(near).map(view).collect() })
}

/// Begins to meet a node on the same network: both screens show four words.
#[utoipa::path(post, path = "/api/v1/meetings", tag = "mesh", request_body = MeetBody, responses(
    (status = 202, body = Meeting),
    (status = 409, description = "`not_nearby`, `too_many_vouches`, `vouches_held_back`, `clock_not_set`",
        body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
))]
async fn meet(
    State(wiring): State<Wiring>,
    Body(body): Body<MeetBody>,
) -> Result<(StatusCode, Body<Meeting>), Problem> {
    let peer = peer_of(&body.peer).ok_or_else(|| Problem::from(meerkat_core::Refusal::NotNearby))?;
    meeting(&wiring, Command::Meet(peer), StatusCode::ACCEPTED).await
}

/// Says whether the four words are the same on both screens.
#[utoipa::path(post, path = "/api/v1/meetings/{peer}", tag = "mesh", params(("peer" = String, Path)),
    request_body = CompareBody, responses(
    (status = 200, body = Meeting),
    (status = 404, description = "`no_such_meeting`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
))]
async fn compare(
    State(wiring): State<Wiring>,
    At(peer): At<String>,
    Body(body): Body<CompareBody>,
) -> Result<(StatusCode, Body<Meeting>), Problem> {
    let peer = peer_of(&peer).ok_or_else(|| Problem::from(meerkat_core::Refusal::NoSuchMeeting))?;
    let name = checked_name(&body.name)?;
    meeting(&wiring, Command::ConfirmMeeting { peer, same: body.same, name }, StatusCode::OK).await
}

async fn meeting(
    wiring: &Wiring,
    command: Command,
    status: StatusCode,
) -> Result<(StatusCode, Body<Meeting>), Problem> {
    match wiring.command(command).await? {
        Reply::Meeting(peer) => {
            let snapshot = Arc::clone(&wiring.snapshot.borrow());
            let found = snapshot.meetings.iter().find(|meeting| meeting.peer == peer).map(view_meeting);
            Ok((status, Body(found.ok_or_else(|| Problem::fault("a meeting is not in the picture"))?)))
        }
        other => Err(wiring.unexpected(&other)),
    }
}

/// The nodes of neighbours' homes, and which of them are there.
#[utoipa::path(get, path = "/api/v1/contacts", tag = "mesh", responses((status = 200, body = Contacts)))]
async fn contacts(State(wiring): State<Wiring>) -> Body<Contacts> {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let now = (wiring.clock)();
    let view = |contact: &ContactState| Contact {
        home: contact.home.to_string(),
        name: contact.name.clone(),
        peer: peer_id(contact.about.peer),
        online: contact.online,
        heard_s: contact.heard_mono_ms.map(|ms| now.mono_ms.saturating_sub(ms) / 1_000),
        platform: contact.about.platform.word().to_owned(),
        version: contact.about.version.clone(),
        capabilities: contact.about.capabilities.clone(),
    };
    Body(Contacts { items: snapshot.contacts.iter().map(view).collect() })
}
