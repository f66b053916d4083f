//! The address book, the rules about alarms, and who has seen an alarm: what the people of a home decide on any of its
//! nodes.

use std::{collections::BTreeMap, sync::Arc};

use axum::{Extension, extract::State, http::StatusCode};
use meerkat_core::{Alarm, Command, Reply, Shared, Snapshot};
use meerkat_protocols::wishes::{Edit, MAX_LABEL_CHARS, Minute, Rules, person_name};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    access::Caller,
    extract::{At, Body},
    history,
    numbers::subject_number,
    problem::Problem,
};

/// Something that needs a person's attention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AlarmView {
    pub(crate) code: String,
    /// What is wrong, what it means and what to do.
    pub(crate) words: String,
    /// Unix seconds; null if the clock was not set.
    pub(crate) since: Option<i64>,
    /// What to name it by when somebody has seen it.
    pub(crate) key: String,
    /// Who of the household has seen it, on whichever node; null if nobody.
    pub(crate) seen: Option<SeenView>,
    /// Whether the household's rules tell alarms of this kind.
    pub(crate) told: bool,
}

/// Who has seen an alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct SeenView {
    pub(crate) by: String,
    /// Unix seconds.
    pub(crate) at: i64,
}

/// The alarms that stand, with what the household knows of them.
pub(crate) fn alarm_views(snapshot: &Snapshot) -> Vec<AlarmView> {
    let shared: &Shared = &snapshot.shared;
    let view = |(alarm, since): &(Alarm, Option<i64>)| {
        let seen = shared.acknowledged(alarm, *since, snapshot.node);
        AlarmView {
            code: alarm.code().to_owned(),
            words: alarm.words(),
            since: *since,
            key: alarm.shared_key(snapshot.node),
            seen: seen.map(|seen| SeenView { by: seen.by.clone(), at: seen.at }),
            told: shared.rules.tells(alarm.code()),
        }
    };
    snapshot.alarms.iter().map(view).collect()
}

/// Which alarm somebody has seen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Seen {
    /// As the summary gives it.
    #[schema(max_length = 120)]
    key: String,
}

/// A number of the address book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PersonView {
    /// `+4930901820`.
    number: String,
    /// With the spaces people write.
    spaced: String,
    name: String,
}

/// The address book.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PeopleView {
    /// By number. Somebody with three numbers stands there three times.
    items: Vec<PersonView>,
}

/// Whose number it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PersonBody {
    /// At most 80 characters.
    #[schema(max_length = 80)]
    name: String,
}

/// Which alarms are told, and quiet hours.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulesBody {
    /// By the code of the alarm; what is not named is told.
    tell: BTreeMap<String, bool>,
    /// When only callers that are known ring; null if never.
    quiet: Option<QuietView>,
}

/// The same, with how things are on this node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct RulesView {
    /// By the code of the alarm; what is not named is told.
    tell: BTreeMap<String, bool>,
    /// When only callers that are known ring; null if never.
    quiet: Option<QuietView>,
    /// By the clock of which time zone; null if this node knows none, so that it keeps no quiet hours.
    zone: Option<String>,
    /// Whether it is quiet now.
    quiet_now: bool,
    /// All kinds of alarm, with what they are about.
    kinds: Vec<AlarmKind>,
}

/// A kind of alarm.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct AlarmKind {
    code: String,
    /// What it is about, in a few words.
    title: String,
}

/// Hours in which only callers that are known ring.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct QuietView {
    /// `22:00`.
    #[schema(max_length = 5)]
    from: String,
    /// `07:00`.
    #[schema(max_length = 5)]
    to: String,
}

/// The operations on the address book and on alarms.
pub(crate) fn shared_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new()
        .routes(routes!(people))
        .routes(routes!(set_person, remove_person))
        .routes(routes!(rules, set_rules))
        .routes(routes!(alarm_seen))
}

async fn save(wiring: &Wiring, command: Command) -> Result<StatusCode, Problem> {
    wiring.done(command, &Reply::Saved).await
}

/// The address book: who is in it always rings.
#[utoipa::path(get, path = "/api/v1/people", tag = "numbers", responses((status = 200, body = PeopleView)))]
async fn people(State(wiring): State<Wiring>) -> Body<PeopleView> {
    let people = Arc::clone(&wiring.snapshot.borrow().shared.people);
    let view = |(number, name): (&meerkat_protocols::number::E164, &String)| PersonView {
        number: number.reveal(),
        spaced: history::spaced(*number),
        name: name.clone(),
    };
    Body(PeopleView { items: people.iter().map(view).collect() })
}

/// Puts a number, in any spelling, under a person of the address book.
#[utoipa::path(put, path = "/api/v1/people/{number}", tag = "numbers", params(("number" = String, Path)),
    request_body = PersonBody, responses(
    (status = 204, description = "Saved."),
    (status = 422, description = "`not_a_number`, `invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn set_person(
    State(wiring): State<Wiring>,
    At(text): At<String>,
    Body(body): Body<PersonBody>,
) -> Result<StatusCode, Problem> {
    let number = subject_number(&wiring, &text)?;
    if body.name.chars().count() > MAX_LABEL_CHARS {
        return Err(Problem::invalid("name", format!("At most {MAX_LABEL_CHARS} characters fit in here.")));
    }
    if person_name(&body.name).is_empty() {
        return Err(Problem::invalid("name", "Whose number is it?".to_owned()));
    }
    save(&wiring, Command::Edit(Edit::SetPerson(number, body.name))).await
}

/// Takes a number from the address book.
#[utoipa::path(delete, path = "/api/v1/people/{number}", tag = "numbers", params(("number" = String, Path)),
    responses(
    (status = 204, description = "Removed."),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`not_a_number`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn remove_person(State(wiring): State<Wiring>, At(text): At<String>) -> Result<StatusCode, Problem> {
    let number = subject_number(&wiring, &text)?;
    let people = Arc::clone(&wiring.snapshot.borrow().shared.people);
    if !people.contains_key(&number) {
        return Err(Problem::not_found("That number is not in the address book."));
    }
    save(&wiring, Command::Edit(Edit::RemovePerson(number))).await
}

/// Which alarms are told, and quiet hours, on every node of the household.
#[utoipa::path(get, path = "/api/v1/rules", tag = "system", responses((status = 200, body = RulesView)))]
async fn rules(State(wiring): State<Wiring>) -> Body<RulesView> {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let rules = &snapshot.shared.rules;
    let kind = |(code, title): &(&str, &str)| AlarmKind { code: (*code).to_owned(), title: (*title).to_owned() };
    Body(RulesView {
        tell: rules.tell.clone(),
        quiet: rules.quiet.map(|(from, to)| QuietView { from: from.to_string(), to: to.to_string() }),
        zone: snapshot.quiet.zone.clone(),
        quiet_now: snapshot.quiet.now,
        kinds: Alarm::KINDS.iter().map(kind).collect(),
    })
}

/// Sets which alarms are told and when it is quiet, all at once.
#[utoipa::path(put, path = "/api/v1/rules", tag = "system", request_body = RulesBody, responses(
    (status = 204, description = "Saved."),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn set_rules(State(wiring): State<Wiring>, Body(body): Body<RulesBody>) -> Result<StatusCode, Problem> {
    let hour = |text: &str| {
        Minute::from_text(text).ok_or_else(|| Problem::invalid("quiet", "An hour is written `22:00`.".to_owned()))
    };
    let quiet = body.quiet.map(|quiet| Ok::<_, Problem>((hour(&quiet.from)?, hour(&quiet.to)?))).transpose()?;
    if body.tell.keys().any(|kind| !Rules::is_kind(kind)) {
        return Err(Problem::invalid("tell", "There is no such kind of alarm.".to_owned()));
    }
    save(&wiring, Command::Edit(Edit::SetRules(Rules { tell: body.tell, quiet }))).await
}

/// Says that somebody has seen an alarm; every node of the household shows it so.
#[utoipa::path(post, path = "/api/v1/alarms/seen", tag = "system", request_body = Seen, responses(
    (status = 204, description = "Saved."),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`, `clock_not_set`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn alarm_seen(
    State(wiring): State<Wiring>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<Seen>,
) -> Result<StatusCode, Problem> {
    let by = match caller {
        Caller::Session { name, .. } => name,
        Caller::Key { .. } => "a program".to_owned(),
        Caller::Socket | Caller::Nobody => "the command line".to_owned(),
    };
    save(&wiring, Command::Acknowledge { key: body.key, by }).await
}
