//! The household: its members, who is let in and how, and this node's own way into another.

use std::sync::Arc;

use axum::{extract::State, http::StatusCode};
use meerkat_core::{
    Command, EnrolCommand, EnrolState, FactsState, GuestState, HouseholdInvite as Open, Reply, Snapshot,
};
use meerkat_protocols::{
    enrolment::Digits,
    home::NodeNumber,
    roster::{Change, MAX_NAME_CHARS, Role},
    text,
    time::Now,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    extract::{At, Body},
    meeting::{qr_svg, seconds_left},
    members::{HouseholdMember, view_member},
    problem::Problem,
};

/// The household as this node knows it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Household {
    /// Members, then former members; empty while the home has one node.
    members: Vec<HouseholdMember>,
    /// Whether this node may add and remove members.
    admin: bool,
    /// Whether this node was removed.
    expelled: bool,
    /// How far the nodes have each other's calls and other facts.
    facts: FactsProgress,
    /// Homes this one vouches for, messages threads with neighbours: what stays behind when this node joins another home.
    left_behind: LeftBehind,
}

/// How far facts are exchanged.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct FactsProgress {
    /// Entries that this node holds, of all nodes.
    held: u64,
    /// Entries that connected members hold and this node does not.
    to_come: u64,
    /// Entries that came in each of the last ten seconds.
    per_second: u64,
    /// Entries that decayed on disk and are fetched again.
    damaged: usize,
}

/// What a node leaves behind when it joins another home.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct LeftBehind {
    /// Homes this one vouches for.
    vouches: usize,
    /// Neighbours with whom messages were exchanged.
    conversations: usize,
}

/// The invite for a node of this household.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HouseholdInvite {
    /// What is handed over: `meerkat-household-` and what follows.
    text: String,
    /// The same as a QR code, an SVG image as text.
    qr_svg: String,
    /// The short code for a node on the same network, while it works.
    code: Option<String>,
    /// For how long it works.
    ends_in_s: u64,
}

/// A node that wants in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HouseholdGuest {
    /// What it calls itself; may be empty.
    name: String,
    /// Six digits that its screen shows too.
    digits: String,
    /// `comparing`, `adding`, `fetching`, `in` or `failed`.
    stage: String,
    /// The same in words, with what to do next.
    words: String,
    /// Whether it is on the same network.
    nearby: bool,
}

/// This node on its way into another household.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HouseholdJoining {
    /// `calling`, `proving`, `comparing`, `fetching`, `moving` or `failed`.
    stage: String,
    /// The same in words, with what to do next.
    words: String,
    /// Six digits that the inviting screen shows too.
    digits: Option<String>,
    /// Whether the person here has confirmed.
    confirmed: bool,
}

/// Who is on the way in.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct HouseholdEnrolment {
    /// The invite that is open.
    invite: Option<HouseholdInvite>,
    /// The nodes that want in, or wanted.
    guests: Vec<HouseholdGuest>,
    /// This node's own joining.
    joining: Option<HouseholdJoining>,
}

/// An invite of another household.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HouseholdJoinBody {
    /// Its text, or its short code.
    #[schema(max_length = 2100)]
    invite: String,
    /// How this node is to be called there; may be empty.
    #[serde(default)]
    #[schema(max_length = 40)]
    name: String,
}

/// The six digits are the same on both screens.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HouseholdConfirmBody {
    /// As they are shown.
    #[schema(max_length = 16)]
    digits: String,
    /// How the node is called; if empty, as it calls itself.
    #[serde(default)]
    #[schema(max_length = 40)]
    name: String,
    /// `member`, unless told otherwise, or `admin`.
    #[serde(default = "member")]
    #[schema(max_length = 8)]
    role: String,
}

fn member() -> String {
    Role::Member.word().to_owned()
}

/// Which node is not let in, or which joining is given up.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HouseholdRefuseBody {
    /// As they are shown.
    #[schema(max_length = 16)]
    digits: String,
}

/// How a member is called, or what it may do. What is not given stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HouseholdMemberBody {
    #[serde(default)]
    #[schema(max_length = 40)]
    name: Option<String>,
    /// `member` or `admin`.
    #[serde(default)]
    #[schema(max_length = 8)]
    role: Option<String>,
}

/// The operations on the household.
pub(crate) fn household_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new()
        .routes(routes!(household))
        .routes(routes!(household_enrolment))
        .routes(routes!(invite_node, end_node_invite))
        .routes(routes!(join_household, give_up_joining))
        .routes(routes!(confirm_node))
        .routes(routes!(refuse_node))
        .routes(routes!(change_member, remove_member))
        .routes(routes!(rekey_household))
        .routes(routes!(leave_household))
}

fn facts_progress(of: FactsState) -> FactsProgress {
    let FactsState { to_come, per_second, held, damaged } = of;
    FactsProgress { held, to_come, per_second, damaged }
}

fn view_household(snapshot: &Snapshot) -> Household {
    let household = &snapshot.household;
    let own = household.members.iter().find(|member| member.own && !member.removed);
    let alone = household.members.is_empty() && snapshot.node == NodeNumber(0);
    Household {
        members: household.members.iter().map(|member| view_member(&snapshot.shared, member)).collect(),
        admin: own.map_or(alone, |own| own.role == Role::Admin),
        expelled: household.expelled,
        facts: facts_progress(snapshot.facts),
        left_behind: LeftBehind { vouches: snapshot.neighbours.len(), conversations: snapshot.threads.len() },
    }
}

fn view_invite(invite: &Open, now: Now) -> HouseholdInvite {
    let text = invite.ticket.to_string();
    HouseholdInvite {
        qr_svg: qr_svg(&text),
        text,
        code: invite.code.map(|code| code.to_string()),
        ends_in_s: seconds_left(now, invite.ends_mono_ms),
    }
}

fn view_guest(guest: &GuestState) -> HouseholdGuest {
    HouseholdGuest {
        name: guest.name.clone(),
        digits: guest.digits.to_string(),
        stage: guest.stage.code().to_owned(),
        words: guest.stage.words().to_owned(),
        nearby: guest.nearby,
    }
}

fn view_joining(joining: &EnrolState) -> HouseholdJoining {
    HouseholdJoining {
        stage: joining.stage.code().to_owned(),
        words: joining.stage.words(),
        digits: joining.digits.map(|digits| digits.to_string()),
        confirmed: joining.confirmed,
    }
}

fn view_enrolment(wiring: &Wiring) -> HouseholdEnrolment {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let enrolment = &snapshot.enrolment;
    HouseholdEnrolment {
        invite: enrolment.invite.as_ref().map(|invite| view_invite(invite, (wiring.clock)())),
        guests: enrolment.guests.iter().map(view_guest).collect(),
        joining: enrolment.joining.as_ref().map(view_joining),
    }
}

async fn enrol(wiring: &Wiring, command: EnrolCommand) -> Result<Body<HouseholdEnrolment>, Problem> {
    match wiring.command(Command::Enrol(command)).await? {
        Reply::Saved => Ok(Body(view_enrolment(wiring))),
        other => Err(wiring.unexpected(&other)),
    }
}

async fn change(wiring: &Wiring, change: Change) -> Result<Body<Household>, Problem> {
    match wiring.command(Command::ChangeHousehold(change)).await? {
        Reply::Saved => Ok(Body(view_household(&wiring.snapshot.borrow()))),
        other => Err(wiring.unexpected(&other)),
    }
}

fn digits_of(text: &str) -> Result<Digits, Problem> {
    text.parse().map_err(|_| Problem::invalid("digits", "Six digits, as both nodes show them."))
}

fn role_of(text: &str) -> Result<Role, Problem> {
    Role::from_word(text).ok_or_else(|| Problem::invalid("role", "A role is `member` or `admin`."))
}

fn name_of(name: &str) -> Result<String, Problem> {
    let name = text::inert(name.trim());
    match name.chars().count() {
        1..=MAX_NAME_CHARS => Ok(name),
        _ => Err(Problem::invalid("name", format!("A name has 1 to {MAX_NAME_CHARS} characters."))),
    }
}

/// A name that may be left empty.
fn name_or_none(name: &str) -> Result<String, Problem> {
    if name.trim().is_empty() { Ok(String::new()) } else { name_of(name) }
}

/// The nodes of this home.
#[utoipa::path(get, path = "/api/v1/household", tag = "household", responses((status = 200, body = Household)))]
async fn household(State(wiring): State<Wiring>) -> Body<Household> {
    Body(view_household(&wiring.snapshot.borrow()))
}

/// Who is on the way in, by which invite: who sees it can use it.
#[utoipa::path(get, path = "/api/v1/household/enrolment", tag = "household",
    responses((status = 200, body = HouseholdEnrolment)))]
async fn household_enrolment(State(wiring): State<Wiring>) -> Body<HouseholdEnrolment> {
    Body(view_enrolment(&wiring))
}

/// Makes an invite for another node of this household. It works once, for ten minutes; the one before is void.
#[utoipa::path(post, path = "/api/v1/household/invite", tag = "household", responses(
    (status = 200, body = HouseholdEnrolment),
    (status = 409, description = "`not_admin`, `household_full`, `not_reachable`", body = Problem,
        content_type = "application/problem+json"),
))]
async fn invite_node(State(wiring): State<Wiring>) -> Result<Body<HouseholdEnrolment>, Problem> {
    enrol(&wiring, EnrolCommand::Invite).await
}

/// Ends the invite: nobody gets in by it any more.
#[utoipa::path(delete, path = "/api/v1/household/invite", tag = "household", responses(
    (status = 200, body = HouseholdEnrolment),
    (status = 404, description = "`no_such_invite`", body = Problem, content_type = "application/problem+json"),
))]
async fn end_node_invite(State(wiring): State<Wiring>) -> Result<Body<HouseholdEnrolment>, Problem> {
    enrol(&wiring, EnrolCommand::EndInvite).await
}

/// Uses an invite: this node becomes a member of the household that made it. Its calls and lists come along; its vouches,
/// reports, messages and settings stay behind. `GET /api/v1/household/enrolment` and the event `enrolment.changed` say how
/// far it is.
#[utoipa::path(post, path = "/api/v1/household/join", tag = "household", request_body = HouseholdJoinBody, responses(
    (status = 200, body = HouseholdEnrolment),
    (status = 409, description = "`in_household`, `joining`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`not_an_invite`, `own_invite`, `invalid`", body = Problem,
        content_type = "application/problem+json"),
))]
async fn join_household(
    State(wiring): State<Wiring>,
    Body(body): Body<HouseholdJoinBody>,
) -> Result<Body<HouseholdEnrolment>, Problem> {
    let name = name_or_none(&body.name)?;
    let name = if name.is_empty() { name_or_none(&wiring.machine.node_name).unwrap_or_default() } else { name };
    enrol(&wiring, EnrolCommand::Join { text: body.invite, name }).await
}

/// Gives the joining up: this node stays as it is.
#[utoipa::path(delete, path = "/api/v1/household/join", tag = "household", responses(
    (status = 200, body = HouseholdEnrolment),
    (status = 404, description = "`no_such_digits`", body = Problem, content_type = "application/problem+json"),
))]
async fn give_up_joining(State(wiring): State<Wiring>) -> Result<Body<HouseholdEnrolment>, Problem> {
    enrol(&wiring, EnrolCommand::GiveUp).await
}

/// Says that the six digits are the same on both screens: the node with these is let in, or this node becomes a member.
#[utoipa::path(post, path = "/api/v1/household/confirm", tag = "household", request_body = HouseholdConfirmBody,
    responses(
    (status = 200, body = HouseholdEnrolment),
    (status = 404, description = "`no_such_digits`", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`not_admin`, `ambiguous_digits`, `known_member`, `household_full`", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn confirm_node(
    State(wiring): State<Wiring>,
    Body(body): Body<HouseholdConfirmBody>,
) -> Result<Body<HouseholdEnrolment>, Problem> {
    let (digits, name, role) = (digits_of(&body.digits)?, name_or_none(&body.name)?, role_of(&body.role)?);
    enrol(&wiring, EnrolCommand::Confirm { digits, name, role }).await
}

/// Says that they differ, or that this node is not to come in.
#[utoipa::path(post, path = "/api/v1/household/refuse", tag = "household", request_body = HouseholdRefuseBody,
    responses(
    (status = 200, body = HouseholdEnrolment),
    (status = 404, description = "`no_such_digits`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
))]
async fn refuse_node(
    State(wiring): State<Wiring>,
    Body(body): Body<HouseholdRefuseBody>,
) -> Result<Body<HouseholdEnrolment>, Problem> {
    enrol(&wiring, EnrolCommand::Refuse(digits_of(&body.digits)?)).await
}

/// Names a member, or lets it do more or less.
#[utoipa::path(put, path = "/api/v1/household/members/{number}", tag = "household", params(("number" = u8, Path)),
    request_body = HouseholdMemberBody, responses(
    (status = 200, body = Household),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn change_member(
    State(wiring): State<Wiring>,
    At(number): At<u8>,
    Body(body): Body<HouseholdMemberBody>,
) -> Result<Body<Household>, Problem> {
    let number = NodeNumber(number);
    let name = body.name.as_deref().map(name_of).transpose()?;
    let role = body.role.as_deref().map(role_of).transpose()?;
    let mut shown = Body(view_household(&wiring.snapshot.borrow()));
    if let Some(name) = name {
        shown = change(&wiring, Change::Name(number, name)).await?;
    }
    if let Some(role) = role {
        shown = change(&wiring, Change::Role(number, role)).await?;
    }
    Ok(shown)
}

/// Removes a member for ever: it learns nothing new from then on, and keeps what it has.
#[utoipa::path(delete, path = "/api/v1/household/members/{number}", tag = "household", params(("number" = u8, Path)),
    responses(
    (status = 200, body = Household),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn remove_member(State(wiring): State<Wiring>, At(number): At<u8>) -> Result<Body<Household>, Problem> {
    change(&wiring, Change::Remove(NodeNumber(number))).await
}

/// Draws a new key for what the members say to each other.
#[utoipa::path(post, path = "/api/v1/household/rekey", tag = "household", responses(
    (status = 200, body = Household),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn rekey_household(State(wiring): State<Wiring>) -> Result<Body<Household>, Problem> {
    change(&wiring, Change::Rekey).await
}

/// Takes this node out of its household: it starts anew as a home of its own. The others see that it left, if one of them
/// is connected; if none is, an admin removes it there.
#[utoipa::path(post, path = "/api/v1/household/leave", tag = "household", responses(
    (status = 202, description = "It starts anew in a moment."),
    (status = 409, description = "`alone`, `last_admin`", body = Problem, content_type = "application/problem+json"),
))]
async fn leave_household(State(wiring): State<Wiring>) -> Result<StatusCode, Problem> {
    enrol(&wiring, EnrolCommand::Leave).await.map(|_| StatusCode::ACCEPTED)
}
