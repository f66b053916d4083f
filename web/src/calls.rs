//! The call log: pages, one call, days.

use std::sync::Arc;

use axum::extract::State;
use meerkat_core::Snapshot;
use meerkat_protocols::{
    facts,
    home::NodeNumber,
    number::E164,
    time::Day,
    wishes::{Lists, Subject},
};
use meerkat_store::LoggedCall;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    extract::{Asked, At, Body},
    history,
    numbers::subject_number,
    problem::Problem,
    words::{self, Ending, Verdict, Verstat, iso_day},
};

/// One reason for a verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Reason {
    /// Its name for programs.
    pub(crate) code: String,
    /// For the person whose phone it is.
    pub(crate) words: String,
}

impl From<&facts::Reason> for Reason {
    fn from(reason: &facts::Reason) -> Self {
        Self { code: reason.code().to_owned(), words: reason.words() }
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct CallEnd {
    pub(crate) how: Ending,
    /// For the person whose phone it is.
    pub(crate) words: String,
    /// How long it rang here.
    pub(crate) duration_ms: u64,
}

impl From<&facts::CallEnd> for CallEnd {
    fn from(end: &facts::CallEnd) -> Self {
        Self { how: end.how.into(), words: words::ending(end.how).to_owned(), duration_ms: end.duration_ms }
    }
}

/// Where the node stands, in degrees (WGS 84).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Place {
    pub(crate) latitude: f64,
    pub(crate) longitude: f64,
}

/// A call and what was decided about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Call {
    /// Its place in this node's log.
    pub(crate) seq: u64,
    /// The node that screened it, by its number in the home.
    pub(crate) node: u8,
    /// Its name, if the home has several nodes; null in events.
    pub(crate) node_name: Option<String>,
    /// The line it came by.
    pub(crate) line: String,
    /// The caller's number, `+` and digits; null if it has none.
    pub(crate) number: Option<String>,
    /// The number with the spaces people write.
    pub(crate) spaced: Option<String>,
    /// What the line showed in the caller's place. Anybody may have written it.
    pub(crate) shown: String,
    /// The name the line showed. Anybody may have written it.
    pub(crate) name: String,
    /// What the home calls the number.
    pub(crate) label: Option<String>,
    pub(crate) verdict: Verdict,
    /// Why; the deciding reason first.
    pub(crate) reasons: Vec<Reason>,
    /// How suspicious the call looked: 0 to 100, two decimals.
    pub(crate) risk: f64,
    /// Unix seconds; null if the clock was not set.
    pub(crate) began: Option<i64>,
    /// Null while it rings, and if the node was stopped meanwhile.
    pub(crate) ended: Option<CallEnd>,
    pub(crate) verstat: Option<Verstat>,
    /// Where the node stands.
    pub(crate) place: Option<Place>,
    /// Further facts of the gateway, name and text.
    pub(crate) metadata: Vec<(String, String)>,
}

impl Call {
    /// The call as it is shown; labels come from the home's lists.
    pub(crate) fn of(call: &facts::Call, end: Option<&facts::CallEnd>, lists: &Lists) -> Self {
        Self {
            seq: call.seq.0,
            node: call.node.0,
            node_name: None,
            line: call.line.0.clone(),
            number: call.number.map(E164::reveal),
            spaced: call.number.map(history::spaced),
            shown: call.shown.clone(),
            name: call.name.clone(),
            label: call.number.and_then(|n| label(lists, n)),
            verdict: call.verdict.into(),
            reasons: call.reasons.iter().map(Reason::from).collect(),
            risk: call.risk.percent(),
            began: call.began,
            ended: end.map(CallEnd::from),
            verstat: call.verstat.map(Verstat::from),
            place: call.place.map(|p| Place { latitude: p.latitude, longitude: p.longitude }),
            metadata: call.metadata.clone(),
        }
    }
}

/// A logged call with the name of its node.
fn named(row: &LoggedCall, snapshot: &Snapshot) -> Call {
    let member = snapshot.household.members.iter().find(|member| member.number == row.call.node);
    Call { node_name: member.map(|m| m.name.clone()), ..Call::of(&row.call, row.end.as_ref(), &snapshot.lists) }
}

/// What the home calls a number: its own entry's label, else that of the longest pattern it falls under.
pub(crate) fn label(lists: &Lists, number: E164) -> Option<String> {
    let digits = number.digits().to_string();
    let patterns = (1..=digits.len()).rev().map(|n| Subject::Prefix(digits[..n].to_owned()));
    // Patterns sort after all numbers: without any, fifteen look-ups are saved.
    let any = matches!(lists.last_key_value(), Some((Subject::Prefix(_), _)));
    std::iter::once(Subject::Number(number))
        .chain(patterns.filter(|_| any))
        .filter_map(|subject| lists.get(&subject))
        .find(|entry| !entry.label.is_empty())
        .map(|entry| entry.label.clone())
}

/// A page of calls, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct CallPage {
    pub(crate) items: Vec<Call>,
    /// For `cursor`, to get the next page; null at the end.
    pub(crate) next: Option<String>,
}

/// Which calls.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct CallQuery {
    /// As the page before gave it in `next`.
    #[param(max_length = 1500)]
    cursor: Option<String>,
    /// 1 to 200; 50 if not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u16>,
    /// Only calls that this node screened, by its number in the home.
    node: Option<u8>,
    /// Only calls from this number, in any spelling.
    number: Option<String>,
    /// Only calls with this verdict.
    #[param(inline)]
    verdict: Option<Verdict>,
}

/// Whose call.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct OfNode {
    /// The number in the home of the node that screened it; the one that is asked if not given.
    node: Option<u8>,
}

/// Calls of one day by verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct DayCounts {
    /// `YYYY-MM-DD`, in UTC.
    pub(crate) day: String,
    pub(crate) allow: u32,
    pub(crate) challenge: u32,
    pub(crate) block: u32,
}

/// Calls by day and verdict, the oldest day first; days without calls are there with zeros.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct CallStats {
    pub(crate) days: Vec<DayCounts>,
}

/// How many days.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct StatsQuery {
    /// How many days up to today: 1 to 366; 30 if not given.
    #[param(minimum = 1, maximum = 366)]
    days: Option<u16>,
}

/// The operations on the call log.
pub(crate) fn call_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(calls)).routes(routes!(stats)).routes(routes!(call))
}

/// Calls, the newest first.
#[utoipa::path(get, path = "/api/v1/calls", tag = "calls", params(CallQuery), responses(
    (status = 200, body = CallPage),
    (status = 400, description = "`cursor`, `invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`not_a_number`, `invalid`", body = Problem,
        content_type = "application/problem+json"),
    (status = 503, description = "`checking`", body = Problem, content_type = "application/problem+json"),
))]
async fn calls(State(wiring): State<Wiring>, Asked(query): Asked<CallQuery>) -> Result<Body<CallPage>, Problem> {
    let limit = history::limit(query.limit)?;
    let number = query.number.as_deref().map(|text| subject_number(&wiring, text)).transpose()?;
    let reader = wiring.reader()?;
    let (node, verdict) = (query.node.map(NodeNumber), query.verdict.map(Into::into));
    let wanted = meerkat_store::CallQuery { node, number, verdict, after: None, limit };
    let page = history::calls(&reader, &wanted, query.cursor.as_deref())?;
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let items = page.calls.iter().map(|row| named(row, &snapshot)).collect();
    Ok(Body(CallPage { items, next: page.next.map(|cursor| cursor.to_string()) }))
}

/// One call.
#[utoipa::path(get, path = "/api/v1/calls/{seq}", tag = "calls", params(("seq" = u64, Path), OfNode), responses(
    (status = 200, body = Call),
    (status = 400, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 404, body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`checking`", body = Problem, content_type = "application/problem+json"),
))]
async fn call(State(wiring): State<Wiring>, At(seq): At<u64>, Asked(of): Asked<OfNode>) -> Result<Body<Call>, Problem> {
    let reader = wiring.reader()?;
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let found = history::call(&reader, of.node.map(NodeNumber), facts::Seq(seq))?;
    let row = found.ok_or_else(|| Problem::not_found("There is no such call in this node's log."))?;
    Ok(Body(named(&row, &snapshot)))
}

/// Calls by day and verdict.
#[utoipa::path(get, path = "/api/v1/calls/stats", tag = "calls", params(StatsQuery), responses(
    (status = 200, body = CallStats),
    (status = 400, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`invalid`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`checking`", body = Problem, content_type = "application/problem+json"),
))]
async fn stats(State(wiring): State<Wiring>, Asked(query): Asked<StatsQuery>) -> Result<Body<CallStats>, Problem> {
    let days = query.days.unwrap_or(30);
    if !(1..=366).contains(&days) {
        return Err(Problem::invalid("days", "Ask for 1 to 366 days."));
    }
    let reader = wiring.reader()?;
    // Without a clock no call has a day.
    let Some(today) = (wiring.clock)().day() else { return Ok(Body(CallStats { days: vec![] })) };
    let first = Day(today.0.saturating_sub(days - 1));
    let counted = history::days(&reader, first, today)?;
    let day = |day: Day| {
        let n = counted.get(&day).copied().unwrap_or_default();
        DayCounts { day: iso_day(day), allow: n.allow, challenge: n.challenge, block: n.block }
    };
    Ok(Body(CallStats { days: (first.0..=today.0).map(|d| day(Day(d))).collect() }))
}

#[cfg(test)]
mod tests {
    use meerkat_protocols::wishes::{Entry, Standing};

    use super::*;

    #[test]
    fn the_longest_pattern_with_a_label_names_a_number() {
        let number = E164::from_digits(4_930_901_820).expect("a number");
        let entry = |label: &str| Entry::tidy(Standing::Unknown, label, "");
        let mut lists = Lists::new();
        assert_eq!(label(&lists, number), None);
        lists.insert(Subject::prefix("4930").expect("a prefix"), entry("Berlin"));
        lists.insert(Subject::prefix("49").expect("a prefix"), entry("Germany"));
        assert_eq!(label(&lists, number).as_deref(), Some("Berlin"));
        lists.insert(Subject::Number(number), entry(""));
        assert_eq!(label(&lists, number).as_deref(), Some("Berlin"));
        lists.insert(Subject::Number(number), entry("Zoo"));
        assert_eq!(label(&lists, number).as_deref(), Some("Zoo"));
    }
}
