//! What the reports on a number add up to. Scores are derived, shown, and never sent.

use meerkat_protocols::{
    facts::{Hundredths, Reason, Verdict},
    statement::Category,
    time::Day,
};

use crate::{
    command::Change,
    evidence::{HomeNo, LiveReport},
    trust::{self, BLOCK_AT, CAPACITY, CHALLENGE_AT, Flow, Graph, Rule, Side, WHOLE, Weighed, age_weight},
};

/// The normal quantile of Wilson's 95 % interval (Wilson 1927).
const WILSON_Z: f64 = 1.96;

/// From where words are weighed: the graph as ranked from this home, and the day by which they age.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) own: HomeNo,
    /// `None` while no two sources agree on a day: nothing ages then.
    pub(crate) today: Option<Day>,
}

impl View<'_> {
    /// What a report weighs by its age, in hundredths.
    pub(crate) fn age_weight(&self, report: &LiveReport) -> u32 {
        self.today.map_or(WHOLE, |today| age_weight(today.since(report.day)))
    }

    /// What a report can weigh at most, by its age and the distance of its home; 0 if no vouch leads there.
    pub(crate) fn weight(&self, report: &LiveReport) -> u32 {
        let distance = self.graph.distance(report.home.0);
        distance.map_or(0, |distance| self.age_weight(report).min(CAPACITY[usize::from(distance)]))
    }
}

/// How many homes say something.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Voices {
    pub(crate) against: u16,
    pub(crate) legit: u16,
}

impl Voices {
    fn count(&mut self, category: Category) {
        let voices = if category == Category::Legit { &mut self.legit } else { &mut self.against };
        *voices = voices.saturating_add(1);
    }
}

/// The words on a number and what they weigh here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) weighed: Weighed,
    /// Homes that this one answers for itself.
    pub(crate) near: Voices,
    /// Homes that others answer for.
    pub(crate) far: Voices,
    /// Through how many homes that this one answers for the words of far homes come, for or against.
    through: u16,
    /// Whether all words weigh the same, so that counting them tells everything.
    plain: bool,
    by_category: [u32; 4],
    /// What this home calls it, in the weights but told apart: a person is not one of their own neighbours.
    own: Option<Category>,
    /// What imported lists weigh against it, in hundredths. They mark a call, and no block rests on them.
    listed: u32,
}

impl Tally {
    /// Adds the reports up.
    pub(crate) fn of(reports: &[LiveReport], view: View<'_>) -> Self {
        Self::looking(reports, view, |_, _| ()).0
    }

    /// Adds the reports up and has a look at the flows for and against.
    pub(crate) fn looking<T>(
        reports: &[LiveReport],
        view: View<'_>,
        look: impl FnOnce(&Flow<'_>, &Flow<'_>) -> T,
    ) -> (Self, T) {
        let mut tally = Self { plain: true, ..Self::default() };
        let mut sides = [(Vec::new(), 0), (Vec::new(), 0)];
        for report in reports {
            let weight = view.weight(report);
            if weight == 0 {
                continue;
            }
            let side = &mut sides[usize::from(report.category == Category::Legit)];
            if report.category != Category::Legit {
                tally.by_category[report.category as usize] += weight;
            }
            if report.home == view.own {
                tally.own = Some(report.category);
                side.1 = weight;
                continue;
            }
            side.0.push((report.home.0, view.age_weight(report)));
            let near = view.graph.distance(report.home.0) == Some(1);
            let voices = if near { &mut tally.near } else { &mut tally.far };
            voices.count(report.category);
            tally.plain &= near && weight == WHOLE;
        }
        let [against, legit] = sides;
        let (weighed, (through, seen)) = trust::weigh(
            &Rule::USED,
            view.graph,
            Side { others: &against.0, own: against.1 },
            Side { others: &legit.0, own: legit.1 },
            |support, contradiction| {
                let main = if against.0.is_empty() { contradiction } else { support };
                (main.first_hops().count(), look(support, contradiction))
            },
        );
        tally.weighed = weighed;
        tally.through = u16::try_from(through).unwrap_or(u16::MAX);
        (tally, seen)
    }

    /// With the word of the imported lists, all together at most a whole one.
    pub(crate) fn with_lists(self, weight: u32) -> Self {
        Self { listed: weight.min(WHOLE), plain: self.plain && (weight == 0 || weight == WHOLE), ..self }
    }

    /// The evidence against, in hundredths: what marks a call.
    pub(crate) fn evidence(self) -> u32 {
        trust::evidence(self.weighed.against + self.listed, self.weighed.legit)
    }

    /// Whether lists alone are why the call is marked.
    pub(crate) fn by_lists(self) -> bool {
        self.verdict() == Verdict::Challenge && !self.weighed.marks()
    }

    /// Whether homes that count say that the number is legitimate, with the weight of a whole word.
    pub(crate) fn vindicated(self) -> bool {
        self.weighed.legit >= WHOLE
    }

    /// What the evidence alone decides.
    pub(crate) fn verdict(self) -> Verdict {
        if self.weighed.blocks() {
            Verdict::Block
        } else if self.evidence() >= CHALLENGE_AT {
            Verdict::Challenge
        } else {
            Verdict::Allow
        }
    }

    /// The reasons, what neighbours say before what homes further off and this home itself say.
    pub(crate) fn reasons(self) -> Vec<Reason> {
        let category = self.category();
        let near = match self.near {
            Voices { against: 0, legit: 0 } => None,
            Voices { against: 0, legit } => Some(Reason::Vindicated(legit)),
            Voices { against, legit } => Some(Reason::Reported { against, legit, category }),
        };
        let Voices { against, legit } = self.far;
        let far = match against + legit {
            0 => None,
            _ => Some(Reason::FurtherOff { against, legit, category, through: self.through }),
        };
        let mut reasons: Vec<Reason> = near.into_iter().chain(far).chain(self.own.map(Reason::OwnReport)).collect();
        if reasons.is_empty() {
            reasons.push(Reason::NothingKnown);
        }
        if !self.plain {
            let hundredths = u16::try_from(self.evidence()).unwrap_or(u16::MAX);
            reasons.push(Reason::Evidence { hundredths });
        }
        if self.weighed.evidence() >= BLOCK_AT && self.verdict() != Verdict::Block {
            reasons.push(Reason::OneWay);
        }
        reasons
    }

    /// What would change the verdict.
    pub(crate) fn changes(self) -> Vec<Change> {
        let (weighed, verdict) = (self.weighed, self.verdict());
        let rises = match verdict {
            Verdict::Allow => Some((Verdict::Challenge, CHALLENGE_AT - self.evidence())),
            Verdict::Challenge => Some((Verdict::Block, BLOCK_AT - weighed.to_block())),
            Verdict::Block => None,
        };
        let mut changes: Vec<Change> = rises
            .map(|(to, by)| Change::Rises { to, by, elsewhere: weighed.evidence() > weighed.to_block() })
            .into_iter()
            .collect();
        let (to, support, least) = match verdict {
            Verdict::Allow => return changes,
            Verdict::Challenge => (Verdict::Allow, weighed.against + self.listed, CHALLENGE_AT),
            Verdict::Block => (Verdict::Challenge, weighed.spread, BLOCK_AT),
        };
        let can_fall = support - support / 2 < least;
        changes.push(if can_fall {
            Change::Falls { to, by: support - least + 1 - weighed.legit }
        } else {
            Change::Stands
        });
        changes
    }

    /// What most call it; the graver word on a tie.
    fn category(self) -> Category {
        let graver_first = [Category::Scam, Category::Robocall, Category::Telemarketer, Category::Spam];
        graver_first.into_iter().rev().max_by_key(|c| self.by_category[*c as usize]).unwrap_or(Category::Spam)
    }

    /// The weights as whole words.
    fn words(self) -> (f64, f64) {
        let whole = f64::from(WHOLE);
        let against = self.weighed.against + self.listed;
        (f64::from(against) / whole, f64::from(self.weighed.legit) / whole)
    }

    /// How suspicious a call looks: the lower end of Wilson's interval for the share of those against.
    pub(crate) fn risk(self) -> Hundredths {
        let (against, legit) = self.words();
        let n = against + legit;
        if n == 0.0 {
            return Hundredths::NONE;
        }
        let share = against / n;
        let z2 = WILSON_Z * WILSON_Z;
        let centre = share + z2 / (2.0 * n);
        let margin = WILSON_Z * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
        Hundredths::of_percent(100.0 * (centre - margin) / (1.0 + z2 / n))
    }

    /// How good the number's name is: the rule of succession (Laplace 1774), 50 when nothing is known.
    pub(crate) fn reputation(self) -> Hundredths {
        let (against, legit) = self.words();
        Hundredths::of_percent(100.0 * (legit + 1.0) / (against + legit + 2.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(against: u16, legit: u16) -> Tally {
        let near = Voices { against, legit };
        let (for_it, against_it) = (u32::from(legit) * WHOLE, u32::from(against) * WHOLE);
        let weighed = Weighed { against: against_it, spread: against_it, legit: for_it };
        Tally { weighed, near, plain: true, by_category: [against_it, 0, 0, 0], ..Tally::default() }
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
    fn what_would_change_a_verdict_does_and_a_hundredth_less_does_not() {
        let verdict = |against: u32, spread: u32, legit: u32| Tally {
            weighed: Weighed { against, spread, legit },
            ..Tally::default()
        };
        for (against, spread, legit) in [
            (0, 0, 0),
            (50, 50, 0),
            (100, 100, 0),
            (100, 100, 30),
            (250, 250, 0),
            (300, 200, 0),
            (350, 350, 20),
            (900, 600, 100),
        ] {
            let tally = verdict(against, spread, legit);
            for change in tally.changes() {
                match change {
                    Change::Rises { to, by, .. } => {
                        let after = |by| verdict(against + by, spread + by, legit).verdict();
                        // A contradiction that is not yet at its half takes none of what is added.
                        if legit <= spread / 2 {
                            assert_eq!((after(by), after(by - 1)), (to, tally.verdict()), "{tally:?}");
                        }
                    }
                    Change::Falls { to, by } => {
                        let after = |by| verdict(against, spread, legit + by).verdict();
                        assert_eq!((after(by), after(by - 1)), (to, tally.verdict()), "{tally:?}");
                    }
                    Change::Stands => assert_eq!(verdict(against, spread, 10_000).verdict(), tally.verdict()),
                }
            }
        }
    }

    #[test]
    fn lists_mark_a_call_and_no_block_rests_on_them() {
        let listed = |against, legit| tally(against, legit).with_lists(100);
        for (against, legit, verdict) in [
            (0, 0, Verdict::Challenge),
            (1, 0, Verdict::Challenge),
            (2, 0, Verdict::Challenge),
            (3, 0, Verdict::Block),
            // One neighbour's "legitimate" takes it off again.
            (0, 1, Verdict::Allow),
        ] {
            assert_eq!(listed(against, legit).verdict(), verdict, "{against} against, {legit} legit");
        }
        assert!(listed(0, 0).by_lists() && !listed(1, 0).by_lists());
        // However much is said of lists, it is one word; two neighbours and a list are no block that lacks a way.
        assert_eq!(tally(2, 0).with_lists(900).evidence(), 300);
        assert!(!listed(2, 0).reasons().contains(&Reason::OneWay));
        assert_eq!(listed(0, 0).changes()[1], Change::Falls { to: Verdict::Allow, by: 1 });
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
        let tied = Tally { by_category: [100, 100, 0, 0], ..tally(2, 0) };
        assert_eq!(tied.category(), Category::Scam);
    }

    #[test]
    fn a_person_is_not_one_of_their_own_neighbours() {
        let with = |against, legit, own| Tally { own, ..tally(against, legit) }.reasons();
        let scam = Category::Scam;
        let reported = |against| Reason::Reported { against, legit: 0, category: Category::Spam };
        assert_eq!(with(0, 0, Some(scam)), [Reason::OwnReport(scam)]);
        assert_eq!(with(2, 0, Some(scam)), [reported(2), Reason::OwnReport(scam)]);
        assert_eq!(with(0, 0, Some(Category::Legit)), [Reason::OwnReport(Category::Legit)]);
        assert_eq!(with(0, 1, Some(Category::Legit)), [Reason::Vindicated(1), Reason::OwnReport(Category::Legit)]);
        assert_eq!(with(2, 0, None), [reported(2)]);
        assert_eq!(with(0, 0, None), [Reason::NothingKnown]);
    }

    #[test]
    fn far_words_are_told_apart_and_one_way_alone_blocks_nothing() {
        let weighed = Weighed { against: 300, spread: 200, legit: 0 };
        let tally = Tally {
            weighed,
            far: Voices { against: 9, legit: 0 },
            through: 1,
            by_category: [900, 0, 0, 0],
            ..Tally::default()
        };
        assert_eq!(tally.verdict(), Verdict::Challenge);
        let far = Reason::FurtherOff { against: 9, legit: 0, category: Category::Spam, through: 1 };
        assert_eq!(tally.reasons(), [far, Reason::Evidence { hundredths: 300 }, Reason::OneWay]);
        assert_eq!(tally.changes()[0], Change::Rises { to: Verdict::Block, by: 100, elsewhere: true });
    }
}
