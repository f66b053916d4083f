//! What the reports on a number add up to. Scores are derived, shown, and never sent.

use meerkat_protocols::{
    facts::{Hundredths, Reason, Verdict},
    statement::Category,
};

use crate::{evidence::LiveReport, vouches::Reach};

/// Evidence from which a call is kept from ringing: three homes that each answered for.
const BLOCK_AT: f64 = 3.0;
/// Evidence from which a call is marked as suspicious.
const CHALLENGE_AT: f64 = 1.0;
/// The normal quantile of Wilson's 95 % interval (Wilson 1927).
const WILSON_Z: f64 = 1.96;

/// The weights for and against a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Weight of those that call it unwanted.
    pub(crate) against: u16,
    /// Weight of those that call it legitimate.
    pub(crate) legit: u16,
    by_category: [u16; 4],
}

impl Tally {
    /// Adds the reports up, each with the weight of its home.
    pub(crate) fn of(reports: &[LiveReport], reach: &Reach) -> Self {
        let mut tally = Self::default();
        for report in reports {
            let weight = u16::from(reach.weight(report.home));
            match report.category {
                Category::Legit => tally.legit += weight,
                Category::Spam | Category::Scam | Category::Robocall | Category::Telemarketer => {
                    tally.against += weight;
                    tally.by_category[report.category as usize] += weight;
                }
            }
        }
        tally
    }

    /// The evidence against: contradiction can at most halve it, so that whitewashers cannot erase it.
    pub(crate) fn evidence(self) -> f64 {
        let (against, legit) = (f64::from(self.against), f64::from(self.legit));
        against - legit.min(against / 2.0)
    }

    /// What the evidence alone decides.
    pub(crate) fn verdict(self) -> Verdict {
        let evidence = self.evidence();
        if evidence >= BLOCK_AT {
            Verdict::Block
        } else if evidence >= CHALLENGE_AT {
            Verdict::Challenge
        } else {
            Verdict::Allow
        }
    }

    /// The reason in words' place.
    pub(crate) fn reason(self) -> Reason {
        match (self.against, self.legit) {
            (0, 0) => Reason::NothingKnown,
            (0, legit) => Reason::Vindicated(legit),
            (against, legit) => Reason::Reported { against, legit, category: self.category() },
        }
    }

    /// What most call it; the graver word on a tie.
    fn category(self) -> Category {
        let graver_first = [Category::Scam, Category::Robocall, Category::Telemarketer, Category::Spam];
        graver_first.into_iter().rev().max_by_key(|c| self.by_category[*c as usize]).unwrap_or(Category::Spam)
    }

    /// How suspicious a call looks: the lower end of Wilson's interval for the share of those against.
    pub(crate) fn risk(self) -> Hundredths {
        let n = f64::from(self.against + self.legit);
        if n == 0.0 {
            return Hundredths::NONE;
        }
        let share = f64::from(self.against) / n;
        let z2 = WILSON_Z * WILSON_Z;
        let centre = share + z2 / (2.0 * n);
        let margin = WILSON_Z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        Hundredths::of_percent(100.0 * (centre - margin) / (1.0 + z2 / n))
    }

    /// How good the number's name is: the rule of succession (Laplace 1774), 50 when nothing is known.
    pub(crate) fn reputation(self) -> Hundredths {
        let (against, legit) = (f64::from(self.against), f64::from(self.legit));
        Hundredths::of_percent(100.0 * (legit + 1.0) / (against + legit + 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(against: u16, legit: u16) -> Tally {
        Tally { against, legit, by_category: [against, 0, 0, 0] }
    }

    #[test]
    fn three_block_one_challenges_and_contradiction_at_most_halves() {
        let cases = [
            (0, 0, Verdict::Allow),
            (1, 0, Verdict::Challenge),
            (2, 0, Verdict::Challenge),
            (3, 0, Verdict::Block),
            (3, 1, Verdict::Challenge),
            (1, 1, Verdict::Allow),
            (6, 50, Verdict::Block),
            (2, 50, Verdict::Challenge),
        ];
        for (against, legit, verdict) in cases {
            assert_eq!(tally(against, legit).verdict(), verdict, "{against} against, {legit} legit");
        }
    }

    #[test]
    fn reputation_is_fifty_when_nothing_is_known_and_risk_none() {
        assert_eq!(tally(0, 0).reputation(), Hundredths::HALF);
        assert_eq!(tally(0, 0).risk(), Hundredths::NONE);
        assert_eq!(tally(3, 0).reputation(), Hundredths::of_percent(20.0));
        // Wilson, n = 3, all against: 9 / (3 * 3 + 3 * 3.8416) = 43.85 %.
        assert_eq!(tally(3, 0).risk(), Hundredths(4_385));
    }

    #[test]
    fn the_graver_word_wins_a_tie() {
        let tied = Tally { against: 2, legit: 0, by_category: [1, 1, 0, 0] };
        assert_eq!(tied.category(), Category::Scam);
    }
}
