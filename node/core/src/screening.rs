//! Screening: from a caller to a verdict with reasons. A pure function; nothing here waits for anything.

use meerkat_protocols::{
    facts::{Hundredths, Reason, Verdict},
    number::{Caller, E164},
    phone::{BlockedBy, Verstat},
    wishes::{Lists, MIN_PREFIX_DIGITS, People, Settings, Standing, Subject},
};

use crate::{imports::Published, score::Tally};

/// What was decided, and why.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    /// Who wants it blocked, if it is.
    pub(crate) by: BlockedBy,
    pub(crate) reasons: Vec<Reason>,
    pub(crate) risk: Hundredths,
}

impl Decision {
    fn own(verdict: Verdict, reason: Reason, risk: Hundredths) -> Self {
        Self { verdict, by: BlockedBy::Own, reasons: vec![reason], risk }
    }
}

/// What the people of the home decided.
pub(crate) struct Own<'a> {
    pub(crate) lists: &'a Lists,
    pub(crate) people: &'a People,
    pub(crate) settings: &'a Settings,
}

/// Decides about a caller. Own lists and the address book come before everything that others say.
pub(crate) fn decide(
    caller: &Caller,
    verstat: Option<Verstat>,
    own: &Own<'_>,
    known: impl FnOnce(E164) -> (Tally, Published),
) -> Decision {
    match caller {
        Caller::Special(_) => Decision::own(Verdict::Allow, Reason::SpecialNumber, Hundredths::NONE),
        Caller::Internal(_) => Decision::own(Verdict::Allow, Reason::InternalCall, Hundredths::NONE),
        Caller::Anonymous => by_policy(own.settings.anonymous, Reason::Anonymous),
        Caller::Invalid(_) => by_policy(own.settings.invalid, Reason::Invalid),
        Caller::Number(number) => by_own_word(*number, own).unwrap_or_else(|| by_evidence(known(*number), verstat)),
    }
}

fn by_policy(verdict: Verdict, reason: Reason) -> Decision {
    let risk = match verdict {
        Verdict::Allow => Hundredths::NONE,
        Verdict::Challenge => Hundredths::HALF,
        Verdict::Block => Hundredths::FULL,
    };
    Decision::own(verdict, reason, risk)
}

/// The address book, then the own lists: who blocks a pattern and knows somebody in it wants that one to ring.
fn by_own_word(number: E164, own: &Own<'_>) -> Option<Decision> {
    let person = own.people.get(&number).map(|name| Reason::Person(name.clone()));
    let person = person.map(|reason| Decision::own(Verdict::Allow, reason, Hundredths::NONE));
    person.or_else(|| by_own_list(number, own.lists))
}

/// The entry for the number itself, else the longest pattern that has a standing.
fn by_own_list(number: E164, lists: &Lists) -> Option<Decision> {
    let digits = number.digits().to_string();
    let exact = std::iter::once((Subject::Number(number), None));
    let patterns = (MIN_PREFIX_DIGITS..=digits.len()).rev().map(|n| {
        let prefix = digits[..n].to_owned();
        (Subject::Prefix(prefix.clone()), Some(format!("+{prefix}")))
    });
    exact.chain(patterns).find_map(|(subject, pattern)| match lists.get(&subject)?.standing {
        Standing::Allow => Some(Decision::own(Verdict::Allow, Reason::OwnAllow(pattern), Hundredths::NONE)),
        Standing::Block => Some(Decision::own(Verdict::Block, Reason::OwnBlock(pattern), Hundredths::FULL)),
        Standing::Unknown => None,
    })
}

fn by_evidence((tally, published): (Tally, Published), verstat: Option<Verstat>) -> Decision {
    let tally = tally.with_lists(published.weight);
    let mut decision =
        Decision { verdict: tally.verdict(), by: BlockedBy::Neighbours, reasons: tally.reasons(), risk: tally.risk() };
    by_lists(&mut decision, tally, published);
    match verstat {
        Some(Verstat::Failed) => {
            // The number may be borrowed, so what neighbours say of its owner may not be about this caller; ringing,
            // marked, is the most that a failed check alone brings about.
            decision.verdict = decision.verdict.max(Verdict::Challenge);
            decision.risk = decision.risk.max(Hundredths::HALF);
            decision.reasons.push(Reason::SignatureFailed);
        }
        // A number that passed is the caller's own; that says nothing about what the caller wants.
        Some(Verstat::Passed | Verstat::NotValidated) | None => {}
    }
    decision
}

/// Adds what imported lists say, and what is known of the numbers beside this one.
fn by_lists(decision: &mut Decision, tally: Tally, published: Published) {
    if let Some(listed) = published.listed {
        decision.reasons.retain(|reason| *reason != Reason::NothingKnown);
        let at = if tally.by_lists() { 0 } else { decision.reasons.len() };
        decision.reasons.insert(at, listed);
    }
    // A block says nothing about the one who calls: a home that counts and knows the number knows better.
    if let Some(hot) = published.hot.filter(|_| !tally.vindicated()) {
        let decides = decision.verdict < Verdict::Challenge;
        decision.verdict = decision.verdict.max(Verdict::Challenge);
        decision.reasons.insert(if decides { 0 } else { decision.reasons.len() }, hot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trust::Weighed;
    use meerkat_protocols::{statement::Category, wishes::Entry};

    fn number(digits: u64) -> E164 {
        E164::from_digits(digits).expect("a number")
    }

    fn decide_number(digits: u64, lists: &Lists, tally: Tally) -> Decision {
        decide_with(&Caller::Number(number(digits)), None, lists, (tally, Published::default()))
    }

    fn decide_with(caller: &Caller, verstat: Option<Verstat>, lists: &Lists, known: (Tally, Published)) -> Decision {
        let own = Own { lists, people: &People::new(), settings: &Settings::default() };
        decide(caller, verstat, &own, |_| known)
    }

    #[test]
    fn who_is_in_the_address_book_rings_whatever_else_is_said() {
        let mut lists = Lists::new();
        lists.insert(Subject::Number(number(4_930_901_820)), Entry::tidy(Standing::Block, "", ""));
        let people = People::from([(number(4_930_901_820), "Granny".into())]);
        let own = Own { lists: &lists, people: &people, settings: &Settings::default() };
        let known = |_| (reported(), Published::default());
        let decision = decide(&Caller::Number(number(4_930_901_820)), None, &own, known);
        assert_eq!((decision.verdict, &decision.reasons[0]), (Verdict::Allow, &Reason::Person("Granny".into())));
        assert_eq!(decide(&Caller::Number(number(4_930_901_821)), None, &own, known).verdict, Verdict::Block);
    }

    fn published(weight: u32, hot: bool) -> Published {
        let listed = Reason::Listed { list: "FTC".into(), more: 0, category: Category::Scam, count: 3 };
        Published { weight, listed: (weight > 0).then_some(listed), hot: hot.then_some(Reason::HotRange(None)) }
    }

    fn reported() -> Tally {
        let weighed = Weighed { against: 900, spread: 900, legit: 0 };
        let mut tally = Tally::default();
        tally.weighed = weighed;
        tally
    }

    #[test]
    fn own_lists_come_before_everything() {
        let mut lists = Lists::new();
        lists.insert(Subject::Number(number(4_930_901_820)), Entry::tidy(Standing::Allow, "", ""));
        let decision = decide_number(4_930_901_820, &lists, reported());
        assert_eq!((decision.verdict, &decision.reasons[0]), (Verdict::Allow, &Reason::OwnAllow(None)));
        assert_eq!(decide_number(4_930_901_821, &lists, reported()).verdict, Verdict::Block);
    }

    #[test]
    fn lists_and_hot_blocks_mark_a_call_and_own_lists_win() {
        let mut lists = Lists::new();
        lists.insert(Subject::Number(number(4_930_901_820)), Entry::tidy(Standing::Allow, "", ""));
        let with = |digits, tally: Tally, published: Published| {
            let caller = Caller::Number(number(digits));
            let decision = decide_with(&caller, None, &lists, (tally, published));
            let codes: Vec<_> = decision.reasons.iter().map(Reason::code).collect();
            (decision.verdict, codes.join(" "))
        };
        let said = |verdict, codes: &str| (verdict, codes.to_owned());
        let nobody = Tally::default;
        assert_eq!(with(4_930_901_820, nobody(), published(100, true)), said(Verdict::Allow, "own_allow"));
        assert_eq!(with(4_930_901_821, nobody(), published(100, false)).0, Verdict::Challenge);
        assert!(with(4_930_901_821, nobody(), published(100, false)).1.starts_with("listed"));
        assert!(with(4_930_901_821, nobody(), published(0, true)).1.starts_with("hot_range nothing_known"));
        // Neither makes a block, and neither hides who does.
        let (verdict, codes) = with(4_930_901_821, reported(), published(100, true));
        assert!(verdict == Verdict::Block && codes.ends_with("listed hot_range"), "{codes}");
        // Who knows the number knows better than who knows its block.
        let weighed = Weighed { against: 0, spread: 0, legit: 100 };
        let mut known = nobody();
        known.weighed = weighed;
        assert_eq!(with(4_930_901_821, known, published(0, true)).0, Verdict::Allow);
    }

    #[test]
    fn the_number_beats_a_pattern_and_the_longer_pattern_the_shorter() {
        let mut lists = Lists::new();
        lists.insert(Subject::Prefix("4930".into()), Entry::tidy(Standing::Block, "", ""));
        lists.insert(Subject::Prefix("493090".into()), Entry::tidy(Standing::Allow, "", ""));
        lists.insert(Subject::Number(number(4_930_901_820)), Entry::tidy(Standing::Block, "", ""));
        let verdict = |digits| decide_number(digits, &lists, Tally::default()).verdict;
        assert_eq!(verdict(4_930_111_111), Verdict::Block);
        assert_eq!(verdict(4_930_901_111), Verdict::Allow);
        assert_eq!(verdict(4_930_901_820), Verdict::Block);
        assert_eq!(verdict(4_940_901_820), Verdict::Allow);
    }

    #[test]
    fn an_entry_without_standing_decides_nothing() {
        let mut lists = Lists::new();
        lists.insert(Subject::Number(number(4_930_901_820)), Entry::tidy(Standing::Unknown, "Plumber", ""));
        assert_eq!(decide_number(4_930_901_820, &lists, reported()).verdict, Verdict::Block);
    }

    #[test]
    fn a_failed_signature_marks_and_a_passed_one_whitewashes_nothing() {
        let caller = Caller::Number(number(4_930_901_820));
        let with =
            |verstat, tally| decide_with(&caller, Some(verstat), &Lists::new(), (tally, Published::default())).verdict;
        assert_eq!(with(Verstat::Failed, Tally::default()), Verdict::Challenge);
        assert_eq!(with(Verstat::Passed, reported()), Verdict::Block);
    }

    #[test]
    fn hidden_and_impossible_numbers_follow_the_settings() {
        let settings = Settings { anonymous: Verdict::Block, invalid: Verdict::Allow, ..Settings::default() };
        let (lists, people) = (Lists::new(), People::new());
        let own = Own { lists: &lists, people: &people, settings: &settings };
        let decide = |caller| decide(&caller, None, &own, |_| Default::default()).verdict;
        assert_eq!(decide(Caller::Anonymous), Verdict::Block);
        assert_eq!(decide(Caller::Invalid("1".into())), Verdict::Allow);
        assert_eq!(decide(Caller::Special("112".into())), Verdict::Allow);
        assert_eq!(decide(Caller::Internal("kitchen".into())), Verdict::Allow);
    }
}
