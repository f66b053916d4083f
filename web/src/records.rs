//! All that this home keeps about one number, handed out and erased.

use std::sync::Arc;

use axum::extract::State;
use meerkat_core::{Assessment, Command, Refusal, Reply, Snapshot};
use meerkat_protocols::{
    facts::Reason,
    number::E164,
    statement::Category,
    wishes::{Edit, Subject},
};
use meerkat_store::CallQuery;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    calls::Call,
    extract::{At, Body},
    history,
    numbers::{NumberPage, assess, number_page, subject_number},
    problem::Problem,
};

/// The most calls of one export, about 6 MB: a call every ten minutes for two months.
const MAX_CALLS: usize = 10_000;
/// Calls read at once.
const CALLS_AT_ONCE: usize = 200;

/// All that this home keeps about one number.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct NumberRecord {
    /// When this was written, in Unix seconds; null if the clock was not set.
    at: Option<i64>,
    /// The entry on the lists, the own report, what other homes said, and what follows from it.
    known: NumberPage,
    /// The calls from it, the newest first; at most 10,000.
    calls: Vec<Call>,
    /// Calls that are in the log and not in here.
    calls_left_out: u32,
}

/// What was erased, and what cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Erased {
    number: String,
    /// Calls taken out of the log.
    calls: u32,
    /// Whether there was an entry on the lists.
    entry: bool,
    /// Whether the own report was taken back.
    report_retracted: bool,
    /// What stays and why, in words.
    stays: Vec<String>,
}

/// The operations on a number's records.
pub(crate) fn record_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(export)).routes(routes!(erase))
}

/// All that this home keeps about a number, in any spelling.
#[utoipa::path(get, path = "/api/v1/numbers/{number}/record", tag = "numbers", params(("number" = String, Path)),
    responses(
    (status = 200, body = NumberRecord),
    (status = 422, description = "`not_a_number`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`checking`, `busy`", body = Problem, content_type = "application/problem+json"),
))]
async fn export(State(wiring): State<Wiring>, At(text): At<String>) -> Result<Body<NumberRecord>, Problem> {
    let number = subject_number(&wiring, &text)?;
    let known = number_page(&wiring, text).await?;
    let lists = Arc::clone(&wiring.snapshot.borrow().lists);
    let reader = wiring.reader()?;
    let (mut calls, mut cursor) = (Vec::new(), None::<String>);
    while calls.len() < MAX_CALLS {
        let wanted = CallQuery { number: Some(number), limit: CALLS_AT_ONCE, ..CallQuery::default() };
        let page = history::calls(&reader, &wanted, cursor.as_deref())?;
        calls.extend(page.calls.iter().map(|logged| Call::of(&logged.call, logged.end.as_ref(), &lists)));
        cursor = page.next.map(|next| next.to_string());
        if cursor.is_none() {
            break;
        }
    }
    let told = u32::try_from(calls.len()).unwrap_or(u32::MAX);
    let calls_left_out = if cursor.is_some() { known.calls.saturating_sub(told) } else { 0 };
    Ok(Body(NumberRecord { at: (wiring.clock)().wall, known, calls, calls_left_out }))
}

/// Erases what this home keeps about a number: its calls, its entry on the lists with label and notes, and takes the own
/// report back. If it breaks off in between, what was not erased yet is erased by asking again.
#[utoipa::path(delete, path = "/api/v1/numbers/{number}", tag = "numbers", params(("number" = String, Path)),
    responses(
    (status = 200, body = Erased),
    (status = 409, description = "`clock_not_set`, `no_slot_left`: the own report cannot be taken back now", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "`not_a_number`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`checking`, `busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn erase(State(wiring): State<Wiring>, At(text): At<String>) -> Result<Body<Erased>, Problem> {
    let number = subject_number(&wiring, &text)?;
    let calls = history::number(&wiring.reader()?, number)?.calls;
    // First what may be refused: nothing is erased then.
    let report_retracted = match wiring.command(Command::Retract { number: number.reveal() }).await {
        Ok(_) => true,
        Err(problem) if problem.code == Refusal::NothingToRetract.code() => false,
        Err(problem) => return Err(problem),
    };
    let subject = Subject::Number(number);
    let entry = wiring.snapshot.borrow().lists.contains_key(&subject);
    // Also without an entry: one that was removed earlier is still in the document's past.
    expect_saved(&wiring, Command::Edit(Edit::EraseEntry(subject))).await?;
    expect_saved(&wiring, Command::Edit(Edit::ErasePerson(number))).await?;
    match wiring.command(Command::Forget { number: number.reveal() }).await? {
        Reply::Forgotten(_) => {}
        other => return Err(wiring.unexpected(&other)),
    }
    let known = assess(&wiring, number.reveal()).await?;
    let stays = stays(&known, report_retracted, &wiring.snapshot.borrow(), number);
    Ok(Body(Erased { number: number.reveal(), calls, entry, report_retracted, stays }))
}

async fn expect_saved(wiring: &Wiring, command: Command) -> Result<(), Problem> {
    wiring.done(command, &Reply::Saved).await.map(drop)
}

/// What cannot be taken back, said honestly.
fn stays(known: &Assessment, retracted: bool, snapshot: &Snapshot, number: E164) -> Vec<String> {
    let mut stays = Vec::new();
    if retracted {
        stays.push(
            "Your signed report and the word that it is taken back stay, here and with everybody who received them, until they expire 180 days after they were made. The report counts nowhere where the word has arrived."
                .to_owned(),
        );
    }
    let others = known.claims.iter().filter(|claim| !claim.own).count();
    if others > 0 {
        let homes = if others == 1 { "1 other home".to_owned() } else { format!("{others} other homes") };
        stays.push(format!(
            "What {homes} signed about the number is theirs: you and your neighbours keep copies until they expire or are taken back."
        ));
    }
    for reason in &known.reasons {
        match reason {
            Reason::Listed { list, .. } => {
                stays.push(format!("The imported list “{list}” names the number. Undo the import to take it off."));
            }
            Reason::OwnBlock(Some(pattern)) | Reason::OwnAllow(Some(pattern)) => {
                stays.push(format!("Your rule for {pattern} covers the number."));
            }
            _ => {}
        }
    }
    if snapshot.ringing.iter().any(|call| call.number == Some(number)) {
        stays.push(
            "A call from the number rings at this moment and is logged when it ends: erase again then.".to_owned(),
        );
    }
    if known.own().is_some_and(|claim| claim.category != Category::Legit) {
        stays.push("Your report is still being taken back.".to_owned());
    }
    stays.push("Backups of the data folder that you made keep what they hold.".to_owned());
    stays
}
