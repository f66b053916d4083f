//! What is known about numbers: the home's own lists, and a page per number with who says what.

use std::{ops::Bound, sync::Arc};

use axum::extract::State;
use meerkat_core::{Assessment, Command, Reply, Snapshot};
use meerkat_protocols::{
    facts::Hundredths,
    home::HomeId,
    number::{Caller, E164, Region, parse_typed},
    wishes::{Entry, Subject},
};
use meerkat_store::NumberStats;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    calls::Reason,
    extract::{Asked, At, Body},
    history,
    problem::{Problem, sentence},
    words::{Category, Standing, Verdict, iso_day},
};

/// What an entry of the lists is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum SubjectKind {
    Number,
    /// All numbers that begin so.
    Prefix,
}

/// An entry of the home's lists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ListEntry {
    /// `+4930901820` or `+4930*`.
    pub(crate) subject: String,
    /// A number with the spaces people write.
    pub(crate) spaced: Option<String>,
    pub(crate) kind: SubjectKind,
    pub(crate) standing: Standing,
    pub(crate) label: String,
    pub(crate) notes: String,
    /// Calls from this number; 0 for a pattern.
    pub(crate) calls: u32,
    /// Unix seconds of the last of them.
    pub(crate) last_call: Option<i64>,
    /// 0 to 100; 50 when nothing is known.
    pub(crate) reputation: f64,
    /// Allowed on one node and blocked on another while they were apart: it rings until a person chooses.
    pub(crate) disputed: bool,
}

/// A page of the home's lists.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ListPage {
    pub(crate) items: Vec<ListEntry>,
    /// For `cursor`, to get the next page; null at the end.
    pub(crate) next: Option<String>,
}

/// What the text in the place of a number turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NumberKind {
    Number,
    /// A star code, short code or emergency number.
    Special,
    /// The name of another phone on the same router.
    Internal,
    /// Withheld.
    Anonymous,
    /// No such number can exist.
    Invalid,
}

/// How a call from the number would be decided now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Verdicts {
    pub(crate) verdict: Verdict,
    /// Whether it is quiet, so that a call would not ring now whatever the verdict.
    pub(crate) quiet: bool,
    /// 0 to 100, two decimals.
    pub(crate) risk: f64,
    /// The deciding reason first.
    pub(crate) reasons: Vec<Reason>,
    /// The evidence against the number, in hundredths of a near home's word: 100 marks a call, 300 through at least two
    /// neighbours keeps it from ringing.
    pub(crate) evidence: u16,
    /// Through which homes that this one answers for the words come, the heaviest first.
    pub(crate) through: Vec<Way>,
    /// What would change the verdict, in words; empty where evidence does not decide.
    pub(crate) changes: Vec<String>,
}

/// A home that this one answers for, and what comes through it, its own word included.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Way {
    pub(crate) home: String,
    /// How this home calls it.
    pub(crate) name: Option<String>,
    /// Against the number, in hundredths of a word.
    pub(crate) against: u16,
    /// For the number, in hundredths of a word.
    pub(crate) legit: u16,
}

/// What this home told the neighbourhood about the number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OwnReport {
    pub(crate) category: Category,
    /// `YYYY-MM-DD`, in UTC.
    pub(crate) day: String,
}

/// One home's word on the number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct HomeReport {
    pub(crate) home: String,
    /// How this home calls that one; null if it does not answer for it.
    pub(crate) name: Option<String>,
    pub(crate) category: Category,
    /// `YYYY-MM-DD`, in UTC.
    pub(crate) day: String,
    /// How many vouches away that home is; 0 is this home.
    pub(crate) distance: u8,
    /// What its word can weigh at most, by its age and distance: hundredths of a near home's word.
    pub(crate) weight: u16,
    /// What of it is counted, in hundredths.
    pub(crate) counted: u16,
    /// Whether it is this home's own word.
    pub(crate) own: bool,
}

/// All that is known about a number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct NumberPage {
    /// `+` and digits, or the text itself if it is no subscriber's number.
    pub(crate) number: String,
    pub(crate) kind: NumberKind,
    /// With the spaces people write.
    pub(crate) spaced: String,
    /// Its own entry on the lists.
    pub(crate) entry: Option<ListEntry>,
    /// Calls from it.
    pub(crate) calls: u32,
    /// Unix seconds of the last of them.
    pub(crate) last_call: Option<i64>,
    /// 0 to 100; 50 when nothing is known.
    pub(crate) reputation: f64,
    pub(crate) assessment: Verdicts,
    /// Homes that vouches lead to and that report it as unwanted.
    pub(crate) confirmations: u16,
    pub(crate) own_report: Option<OwnReport>,
    /// Who says what: those that weigh first, then the newest; at most 100.
    pub(crate) reports: Vec<HomeReport>,
}

/// Which entries.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct ListQuery {
    /// As the page before gave it in `next`.
    #[param(max_length = 40)]
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Only entries with this standing.
    #[param(inline)]
    standing: Option<Standing>,
}

/// The operations on numbers.
pub(crate) fn number_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(numbers)).routes(routes!(number))
}

/// The country by which numbers without country code are read here.
pub(crate) fn region(snapshot: &Snapshot) -> Result<Region, Problem> {
    snapshot.settings.region.parse().map_err(|_| Problem::fault("the settings hold no valid region"))
}

/// The subscriber's number that a person typed.
pub(crate) fn subject_number(wiring: &Wiring, text: &str) -> Result<E164, Problem> {
    let region = region(&wiring.snapshot.borrow())?;
    parse_typed(text, region).map_err(|e| {
        let status = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
        Problem::new(status, "not_a_number", sentence(&e.to_string())).field("number")
    })
}

/// What is known about the subject of an entry besides the entry: its calls and its reputation.
pub(crate) struct Known {
    counted: NumberStats,
    reputation: f64,
    disputed: bool,
}

impl Known {
    /// What is known about a subject now.
    pub(crate) async fn about(wiring: &Wiring, subject: &Subject) -> Result<Self, Problem> {
        let counted = match subject {
            Subject::Number(n) => history::number(&wiring.reader()?, *n)?,
            Subject::Prefix(_) => NumberStats::default(),
        };
        Self::with(wiring, subject, counted).await
    }

    /// Once a person has chosen.
    pub(crate) fn settled(self) -> Self {
        Self { disputed: false, ..self }
    }

    async fn with(wiring: &Wiring, subject: &Subject, counted: NumberStats) -> Result<Self, Problem> {
        let reputation = match subject {
            Subject::Number(n) => assess(wiring, n.reveal()).await?.reputation,
            Subject::Prefix(_) => Hundredths::HALF,
        };
        let disputed = wiring.snapshot.borrow().shared.disputed.contains(subject);
        Ok(Self { counted, reputation: reputation.percent(), disputed })
    }
}

/// The entry as it is shown.
pub(crate) fn entry_view(subject: &Subject, entry: &Entry, known: &Known) -> ListEntry {
    let (kind, spaced) = match subject {
        Subject::Number(n) => (SubjectKind::Number, Some(history::spaced(*n))),
        Subject::Prefix(_) => (SubjectKind::Prefix, None),
    };
    ListEntry {
        subject: subject.key(),
        spaced,
        kind,
        standing: entry.standing.into(),
        label: entry.label.clone(),
        notes: entry.notes.clone(),
        calls: known.counted.calls,
        last_call: known.counted.last_call,
        reputation: known.reputation,
        disputed: known.disputed,
    }
}

/// How the node would decide about a call from this text.
pub(crate) async fn assess(wiring: &Wiring, text: String) -> Result<Box<Assessment>, Problem> {
    match wiring.command(Command::Check(text)).await? {
        Reply::Checked(assessment) => Ok(assessment),
        other => Err(wiring.unexpected(&other)),
    }
}

/// The home's lists, by number.
#[utoipa::path(get, path = "/api/v1/numbers", tag = "numbers", params(ListQuery), responses(
    (status = 200, body = ListPage),
    (status = 400, description = "`cursor`, `invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`checking`, `busy`", body = Problem, content_type = "application/problem+json"),
))]
async fn numbers(State(wiring): State<Wiring>, Asked(query): Asked<ListQuery>) -> Result<Body<ListPage>, Problem> {
    let limit = history::limit(query.limit)?;
    let after = query.cursor.as_deref().map(|c| Subject::from_key(c).ok_or_else(history::bad_cursor)).transpose()?;
    let lists = Arc::clone(&wiring.snapshot.borrow().lists);
    let from = after.map_or(Bound::Unbounded, Bound::Excluded);
    let wanted = query.standing.map(meerkat_protocols::wishes::Standing::from);
    let mut chosen: Vec<_> = lists
        .range((from, Bound::Unbounded))
        .filter(|(_, entry)| wanted.is_none_or(|w| entry.standing == w))
        .take(limit + 1)
        .collect();
    let more = chosen.len() > limit;
    chosen.truncate(limit);
    let next = chosen.last().filter(|_| more).map(|(subject, _)| subject.key());
    let mut items = Vec::with_capacity(chosen.len());
    let reader = wiring.reader()?;
    let number = |subject: &Subject| if let Subject::Number(n) = subject { Some(*n) } else { None };
    let asked: Vec<E164> = chosen.iter().filter_map(|(subject, _)| number(subject)).collect();
    let mut counted = history::numbers(&reader, &asked)?.into_iter();
    for (subject, entry) in chosen {
        let counted = number(subject).and_then(|_| counted.next()).unwrap_or_default();
        let known = Known::with(&wiring, subject, counted).await?;
        items.push(entry_view(subject, entry, &known));
    }
    Ok(Body(ListPage { items, next }))
}

/// All that is known about a number, in any spelling, and how a call from it would be decided now.
#[utoipa::path(get, path = "/api/v1/numbers/{number}", tag = "numbers", params(("number" = String, Path)), responses(
    (status = 200, body = NumberPage),
    (status = 503, description = "`checking`, `busy`", body = Problem, content_type = "application/problem+json"),
))]
async fn number(State(wiring): State<Wiring>, At(text): At<String>) -> Result<Body<NumberPage>, Problem> {
    number_page(&wiring, text).await.map(Body)
}

/// All that is known about a number.
pub(crate) async fn number_page(wiring: &Wiring, text: String) -> Result<NumberPage, Problem> {
    let assessment = assess(wiring, text).await?;
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let (kind, number, spaced) = caller_view(&assessment.caller);
    let subscriber = if let Caller::Number(n) = &assessment.caller { Some(*n) } else { None };
    let counted = match subscriber {
        Some(n) => history::number(&wiring.reader()?, n)?,
        None => NumberStats::default(),
    };
    let listed = subscriber.map(Subject::Number).and_then(|s| snapshot.lists.get_key_value(&s));
    let disputed = listed.is_some_and(|(subject, _)| snapshot.shared.disputed.contains(subject));
    let known = Known { counted, reputation: assessment.reputation.percent(), disputed };
    let entry = listed.map(|(subject, entry)| entry_view(subject, entry, &known));
    Ok(NumberPage {
        number,
        kind,
        spaced,
        entry,
        calls: counted.calls,
        last_call: counted.last_call,
        reputation: known.reputation,
        confirmations: assessment.confirmations,
        own_report: assessment.own().map(|c| OwnReport { category: c.category.into(), day: iso_day(c.day) }),
        reports: reports_view(&assessment, &snapshot),
        assessment: Verdicts {
            verdict: assessment.verdict.into(),
            quiet: assessment.quiet,
            risk: assessment.risk.percent(),
            reasons: assessment.reasons.iter().map(Reason::from).collect(),
            evidence: assessment.evidence,
            through: ways(&assessment, &snapshot),
            changes: assessment.changes.iter().map(|change| change.words()).collect(),
        },
    })
}

fn caller_view(caller: &Caller) -> (NumberKind, String, String) {
    let same = |kind, text: &str| (kind, text.to_owned(), text.to_owned());
    match caller {
        Caller::Number(n) => (NumberKind::Number, n.reveal(), history::spaced(*n)),
        Caller::Special(text) => same(NumberKind::Special, text),
        Caller::Internal(text) => same(NumberKind::Internal, text),
        Caller::Anonymous => same(NumberKind::Anonymous, ""),
        Caller::Invalid(text) => same(NumberKind::Invalid, text),
    }
}

fn ways(assessment: &Assessment, snapshot: &Snapshot) -> Vec<Way> {
    let way = |through: &meerkat_core::Through| Way {
        home: through.home.to_string(),
        name: name(snapshot, through.home),
        against: through.against,
        legit: through.legit,
    };
    assessment.through.iter().map(way).collect()
}

fn name(snapshot: &Snapshot, home: HomeId) -> Option<String> {
    snapshot.neighbours.iter().find(|n| n.home == home).map(|n| n.name.clone())
}

fn reports_view(assessment: &Assessment, snapshot: &Snapshot) -> Vec<HomeReport> {
    let view = |claim: &meerkat_core::Claim| HomeReport {
        home: claim.home.to_string(),
        name: name(snapshot, claim.home),
        category: claim.category.into(),
        day: iso_day(claim.day),
        distance: claim.distance,
        weight: claim.weight,
        counted: claim.counted,
        own: claim.own,
    };
    assessment.claims.iter().take(Assessment::MAX_CLAIMS).map(view).collect()
}
