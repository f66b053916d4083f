//! Looking numbers up from phone apps, in the form that apps made for the PhoneBlock API speak already. Everything
//! here is translation: the verdict is the node's.
//!
//! Apps know numbers that are on a list and numbers that are not. So only what the node would keep from ringing is on this
//! one; what it would only mark as suspicious rings.

mod catalogue;
mod words;

use axum::{Extension, extract::State, http::StatusCode};
use meerkat_core::Assessment;
use meerkat_protocols::number::{Caller, E164};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

pub(crate) use catalogue::Catalogue;

use crate::{
    Wiring,
    extract::{Asked, At, Body},
    history,
    numbers::assess,
    problem::Problem,
};
use words::{Rating, Votes, begins_ms};

/// A SHA-1 in hexadecimal.
const HASH_DIGITS: usize = 40;
/// The shortest beginning of a hash that is answered: 16 bits, behind which are thousands of numbers of any country.
const MIN_HASH_DIGITS: usize = 4;

/// A number as apps know it. Times are milliseconds since 1970, 0 where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PhoneInfo {
    /// `+` and digits; empty if nothing is known about the hash.
    pub(crate) phone: String,
    /// 100 if the number is kept from ringing: more than any app asks for. 1 if a call rings marked as suspicious: fewer
    /// than any app asks for. Else 0.
    pub(crate) votes: u16,
    /// The same.
    pub(crate) votes_wildcard: u16,
    /// `A_LEGITIMATE` unless the number is kept from ringing: there are apps that look at nothing else.
    pub(crate) rating: Rating,
    /// On the home's own list of wanted callers.
    pub(crate) white_listed: bool,
    /// On the home's own list of unwanted callers.
    pub(crate) black_listed: bool,
    /// Never: what has expired is not known any more.
    pub(crate) archived: bool,
    /// The day of the oldest report.
    pub(crate) date_added: i64,
    /// The day of the newest report.
    pub(crate) last_update: i64,
    /// With the spaces people write.
    pub(crate) label: String,
    /// Not known.
    pub(crate) location: Option<String>,
}

/// A block of numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct RangeMatch {
    pub(crate) prefix: String,
    pub(crate) votes: u16,
    pub(crate) cnt: u16,
}

/// All known numbers whose hash begins as asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PrefixMatches {
    pub(crate) numbers: Vec<PhoneInfo>,
    /// Always empty: no block of numbers is kept from ringing.
    pub(crate) range10: Vec<RangeMatch>,
    /// Always empty.
    pub(crate) range100: Vec<RangeMatch>,
}

/// A number of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ListedNumber {
    pub(crate) phone: String,
    /// 0: take it off the copy.
    pub(crate) votes: u16,
    pub(crate) rating: Rating,
    /// The day of the newest report, in milliseconds since 1970; 0 where there is none.
    pub(crate) last_activity: i64,
}

/// What is kept from ringing, or what has changed in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Blocklist {
    pub(crate) numbers: Vec<ListedNumber>,
    /// For `since`, the next time.
    pub(crate) version: i64,
}

/// How to answer.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct NumQuery {
    /// Only `json` is spoken.
    format: Option<String>,
}

/// Which hashes.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct HashQuery {
    /// SHA-1 of the number in its international form (`+4930901820`), in hexadecimal.
    #[param(min_length = 4, max_length = 40, example = "3d1d")]
    sha1: Option<String>,
    /// Only `json` is spoken.
    format: Option<String>,
}

/// Since when.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct SinceQuery {
    /// The `version` of the copy; without it, or with one that this node does not know any more, the whole list.
    since: Option<i64>,
    /// Only `json` is spoken.
    format: Option<String>,
}

/// The operations for phone apps.
pub(crate) fn lookup_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new()
        .routes(routes!(num))
        .routes(routes!(check))
        .routes(routes!(check_prefix))
        .routes(routes!(blocklist))
}

/// What is known about a number, for phone apps.
///
/// In the form of the PhoneBlock API, as the three operations beside it. The number may be in any spelling.
#[utoipa::path(get, path = "/api/num/{number}", tag = "lookup", params(("number" = String, Path), NumQuery), responses(
    (status = 200, body = PhoneInfo),
    (status = 400, description = "`invalid`: no number, or another format than JSON", body = Problem, content_type = "application/problem+json"),
))]
async fn num(
    State(wiring): State<Wiring>,
    At(text): At<String>,
    Asked(query): Asked<NumQuery>,
) -> Result<Body<PhoneInfo>, Problem> {
    only_json(query.format.as_deref())?;
    let assessment = assess(&wiring, text).await?;
    match assessment.caller {
        Caller::Number(number) => Ok(Body(info(number, &assessment))),
        // What is no number is never kept from ringing by its number; what it says about itself stays here.
        Caller::Special(_) | Caller::Internal(_) | Caller::Anonymous | Caller::Invalid(_) => {
            Err(invalid("number", "This is no telephone number that can exist."))
        }
    }
}

/// What is known about the number with this hash, for phone apps.
#[utoipa::path(get, path = "/api/check", tag = "lookup", params(HashQuery), responses(
    (status = 200, body = PhoneInfo),
    (status = 400, description = "`invalid`: no whole hash, or another format than JSON", body = Problem, content_type = "application/problem+json"),
))]
async fn check(
    State(wiring): State<Wiring>,
    Extension(catalogue): Extension<Catalogue>,
    Asked(query): Asked<HashQuery>,
) -> Result<Body<PhoneInfo>, Problem> {
    only_json(query.format.as_deref())?;
    let hash = hash_beginning(query.sha1.as_deref(), HASH_DIGITS)?;
    let found = catalogue.numbers(&wiring, &hash).await?;
    Ok(Body(match found.first() {
        Some(number) => info_of(&wiring, *number).await?,
        None => nothing_known(),
    }))
}

/// All known numbers whose hash begins so, for phone apps that do not say which number they mean.
#[utoipa::path(get, path = "/api/check-prefix", tag = "lookup", params(HashQuery), responses(
    (status = 200, body = PrefixMatches),
    (status = 400, description = "`invalid`: not 4 to 40 hexadecimal digits, or another format than JSON", body = Problem, content_type = "application/problem+json"),
))]
async fn check_prefix(
    State(wiring): State<Wiring>,
    Extension(catalogue): Extension<Catalogue>,
    Asked(query): Asked<HashQuery>,
) -> Result<Body<PrefixMatches>, Problem> {
    only_json(query.format.as_deref())?;
    let beginning = hash_beginning(query.sha1.as_deref(), MIN_HASH_DIGITS)?;
    let mut numbers = vec![];
    for number in catalogue.numbers(&wiring, &beginning).await? {
        numbers.push(info_of(&wiring, number).await?);
    }
    Ok(Body(PrefixMatches { numbers, range10: vec![], range100: vec![] }))
}

/// All numbers that are kept from ringing, or what has changed since a version, for phone apps that keep a copy.
#[utoipa::path(get, path = "/api/blocklist", tag = "lookup", params(SinceQuery), responses(
    (status = 200, body = Blocklist),
    (status = 400, description = "`invalid`: another format than JSON", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
))]
async fn blocklist(
    State(wiring): State<Wiring>,
    Extension(catalogue): Extension<Catalogue>,
    Asked(query): Asked<SinceQuery>,
) -> Result<Body<Blocklist>, Problem> {
    only_json(query.format.as_deref())?;
    catalogue.blocklist(&wiring, query.since).await.map(Body)
}

async fn info_of(wiring: &Wiring, number: E164) -> Result<PhoneInfo, Problem> {
    Ok(info(number, &*assess(wiring, number.reveal()).await?))
}

fn info(number: E164, assessment: &Assessment) -> PhoneInfo {
    let Votes { votes, rating } = Votes::of(assessment);
    let days = || assessment.claims.iter().map(|c| c.day);
    PhoneInfo {
        phone: number.reveal(),
        votes,
        votes_wildcard: votes,
        rating,
        white_listed: words::on_own_list(assessment, false),
        black_listed: words::on_own_list(assessment, true),
        archived: false,
        date_added: begins_ms(days().min()),
        last_update: begins_ms(days().max()),
        label: history::spaced(number),
        location: None,
    }
}

fn nothing_known() -> PhoneInfo {
    PhoneInfo {
        phone: String::new(),
        votes: 0,
        votes_wildcard: 0,
        rating: Rating::Legitimate,
        white_listed: false,
        black_listed: false,
        archived: false,
        date_added: 0,
        last_update: 0,
        label: String::new(),
        location: None,
    }
}

fn invalid(field: &str, detail: &str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "invalid", detail).field(field)
}

fn only_json(format: Option<&str>) -> Result<(), Problem> {
    if format.is_none_or(|f| f == "json") { Ok(()) } else { Err(invalid("format", "Only `json` is spoken here.")) }
}

/// The beginning of a hash, in lower case.
fn hash_beginning(sha1: Option<&str>, least: usize) -> Result<String, Problem> {
    let text = sha1.unwrap_or_default();
    let fits = (least..=HASH_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    let words = || invalid("sha1", &format!("Send {least} to {HASH_DIGITS} hexadecimal digits of the number's SHA-1."));
    if fits { Ok(text.to_ascii_lowercase()) } else { Err(words()) }
}
