//! A verdict in the words that phone apps know.

use meerkat_core::Assessment;
use meerkat_protocols::{
    facts::{Reason, Verdict},
    statement::Category,
    time::Day,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What apps call a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum Rating {
    /// It rings.
    #[serde(rename = "A_LEGITIMATE")]
    Legitimate,
    /// Unwanted, not further said.
    #[serde(rename = "B_MISSED")]
    Missed,
    /// Sells something.
    #[serde(rename = "E_ADVERTISING")]
    Advertising,
    /// Wants to defraud.
    #[serde(rename = "G_FRAUD")]
    Fraud,
}

/// More votes than any app asks for before it blocks: the most that can be chosen is 100.
const BLOCKED_VOTES: u16 = 100;
/// Fewer than any app asks for: the least that can be chosen is 2.
const CHALLENGED_VOTES: u16 = 1;

/// A verdict as votes and rating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Votes {
    pub(crate) votes: u16,
    pub(crate) rating: Rating,
}

impl Votes {
    pub(crate) fn of(assessment: &Assessment) -> Self {
        let (votes, rating) = match assessment.verdict {
            Verdict::Allow => (0, Rating::Legitimate),
            Verdict::Challenge => (CHALLENGED_VOTES, Rating::Legitimate),
            Verdict::Block => (BLOCKED_VOTES, rating(&assessment.reasons)),
        };
        Self { votes, rating }
    }
}

fn rating(reasons: &[Reason]) -> Rating {
    let category = reasons.iter().find_map(|reason| match reason {
        Reason::Reported { category, .. } | Reason::FurtherOff { category, .. } | Reason::OwnReport(category) => {
            Some(*category)
        }
        _ => None,
    });
    match category {
        Some(Category::Scam) => Rating::Fraud,
        Some(Category::Telemarketer) => Rating::Advertising,
        Some(Category::Spam | Category::Robocall | Category::Legit) | None => Rating::Missed,
    }
}

/// Whether the home's own list decides, for blocking or for allowing.
pub(crate) fn on_own_list(assessment: &Assessment, blocked: bool) -> bool {
    assessment.reasons.iter().any(|reason| match reason {
        Reason::OwnBlock(_) => blocked,
        Reason::OwnAllow(_) | Reason::Person(_) => !blocked,
        _ => false,
    })
}

/// When the day begins, as apps write it; 0 for none.
pub(crate) fn begins_ms(day: Option<Day>) -> i64 {
    day.map_or(0, |d| 1_000 * d.begins())
}
