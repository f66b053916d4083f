//! What the reports on a number add up to. Scores are derived, shown, and never sent.

use meerkat_protocols::{
    facts::{Hundredths, Reason, Verdict},
    statement::Category,
};

use crate::{
    evidence::{HomeNo, LiveReport},
    vouches::Reach,
};

/// Evidence from which a call is kept from ringing: three homes that each answered for.
const BLOCK_AT: f64 = 3.0;
/// Evidence from which a call is marked as suspicious.
const CHALLENGE_AT: f64 = 1.0;
/// The normal quantile of Wilson's 95 % interval (Wilson 1927).
const WILSON_Z: f64 = 1.96;

/// The weights for and against a number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Weight of those that call it unwanted, this home among them.
    pub(crate) against: u16,
    /// Weight of those that call it legitimate, this home among them.
    pub(crate) legit: u16,
    by_category: [u16; 4],
    /// What this home calls it, in the weights but told apart: a person is not one of their own neighbours.
    own: Option<Category>,
}

impl Tally {
    /// Adds the reports up, each with the weight of its home.
    pub(crate) fn of(reports: &[LiveReport], reach: &Reach, own: HomeNo) -> Self {
        let mut tally = Self::default();
        for report in reports {
            let weight = u16::from(reach.weight(report.home));
            if report.home == own && weight > 0 {
                tally.own = Some(report.category);
            }
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

    /// The reasons, what neighbours say before what this home said itself.
    pub(crate) fn reasons(mut self) -> Vec<Reason> {
        let own = self.own.take();
        match own {
            Some(Category::Legit) => self.legit -= 1,
            Some(category) => {
                self.against -= 1;
                self.by_category[category as usize] -= 1;
            }
            None => {}
        }
        let neighbours = match (self.against, self.legit) {
            (0, 0) => None,
            (0, legit) => Some(Reason::Vindicated(legit)),
            (against, legit) => Some(Reason::Reported { against, legit, category: self.category() }),
        };
        let mut reasons: Vec<Reason> = neighbours.into_iter().chain(own.map(Reason::OwnReport)).collect();
        if reasons.is_empty() {
            reasons.push(Reason::NothingKnown);
        }
        reasons
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
        Tally { against, legit, by_category: [against, 0, 0, 0], own: None }
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
        let tied = Tally { against: 2, legit: 0, by_category: [1, 1, 0, 0], own: None };
        assert_eq!(tied.category(), Category::Scam);
    }

    #[test]
    fn a_person_is_not_one_of_their_own_neighbours() {
        let with = |against, legit, own: Option<Category>| {
            let mut tally = Tally { own, ..tally(against, legit) };
            if own == Some(Category::Scam) {
                tally.by_category = [against - 1, 1, 0, 0];
            }
            tally.reasons()
        };
        let scam = Category::Scam;
        let reported = |against| Reason::Reported { against, legit: 0, category: Category::Spam };
        assert_eq!(with(1, 0, Some(scam)), [Reason::OwnReport(scam)]);
        assert_eq!(with(3, 0, Some(scam)), [reported(2), Reason::OwnReport(scam)]);
        assert_eq!(with(0, 1, Some(Category::Legit)), [Reason::OwnReport(Category::Legit)]);
        assert_eq!(with(0, 2, Some(Category::Legit)), [Reason::Vindicated(1), Reason::OwnReport(Category::Legit)]);
        assert_eq!(with(2, 0, None), [reported(2)]);
        assert_eq!(with(0, 0, None), [Reason::NothingKnown]);
    }
}
