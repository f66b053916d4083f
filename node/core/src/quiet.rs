//! Quiet hours: when only callers that somebody of the home knows ring.
//!
//! Known are the address book, what was allowed, emergency numbers and short codes, and phones of the own router. Everybody
//! else is turned away, and rings when they call again within a quarter of an hour: whoever is in trouble does, and no
//! wanted call may be lost for good. Without a clock that is set, or without a time zone, there are no quiet hours.

use std::{collections::BTreeMap, sync::Arc};

use meerkat_protocols::{
    facts::{Reason, Verdict},
    number::Caller,
    phone::BlockedBy,
    time::Now,
    zone::Zone,
};

use crate::{node::Node, screening::Decision, snapshot::QuietState};

/// How long a second call counts as one: as telephones with "do not disturb" have it.
const AGAIN_MS: u64 = 900_000;
/// The most callers that are remembered; more at one night are an attack, and the oldest are forgotten.
const MAX_REMEMBERED: usize = 1_024;

/// Who calls. Those who hide their number count as one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Who {
    Number(u64),
    Hidden,
    Impossible,
}

/// Quiet hours as this node keeps them.
#[derive(Debug, Default)]
pub(crate) struct Quiet {
    zone: Option<Arc<Zone>>,
    /// When each was turned away, in milliseconds of the monotonic clock.
    turned_away: BTreeMap<Who, u64>,
}

impl Quiet {
    pub(crate) fn in_zone(zone: Option<Zone>) -> Self {
        Self { zone: zone.map(Arc::new), turned_away: BTreeMap::new() }
    }

    fn calls_again(&self, now: Now, who: Who) -> bool {
        self.turned_away.get(&who).is_some_and(|then| now.mono_ms.saturating_sub(*then) <= AGAIN_MS)
    }

    fn remember(&mut self, now: Now, who: Who) {
        self.turned_away.retain(|_, then| now.mono_ms.saturating_sub(*then) <= AGAIN_MS);
        if self.turned_away.len() >= MAX_REMEMBERED {
            let oldest = self.turned_away.iter().min_by_key(|(_, then)| **then).map(|(who, _)| *who);
            oldest.map(|who| self.turned_away.remove(&who));
        }
        self.turned_away.insert(who, now.mono_ms);
    }
}

/// Who it is, unless they ring at any hour.
fn who(caller: &Caller, decision: &Decision) -> Option<Who> {
    let known = matches!(decision.reasons.first(), Some(Reason::Person(_) | Reason::OwnAllow(_)));
    match caller {
        _ if known => None,
        Caller::Special(_) | Caller::Internal(_) => None,
        Caller::Number(number) => Some(Who::Number(number.digits())),
        Caller::Anonymous => Some(Who::Hidden),
        Caller::Invalid(_) => Some(Who::Impossible),
    }
}

impl Node {
    /// Whether it is quiet by the rules of the home.
    pub(crate) fn is_quiet(&self, now: Now) -> bool {
        let minute = self.quiet.zone.as_ref().zip(now.wall).map(|(zone, at)| zone.minute(at));
        minute.is_some_and(|minute| self.shared.rules.is_quiet(minute))
    }

    /// Whether this caller would be turned away because it is quiet.
    pub(crate) fn would_be_quiet(&self, now: Now, caller: &Caller, decision: &Decision) -> bool {
        let who = who(caller, decision).filter(|who| !self.quiet.calls_again(now, *who));
        who.is_some() && decision.verdict != Verdict::Block && self.is_quiet(now)
    }

    /// Turns away who is not known while it is quiet.
    pub(crate) fn keep_quiet(&mut self, now: Now, caller: &Caller, mut decision: Decision) -> Decision {
        let Some(who) = who(caller, &decision) else { return decision };
        if decision.verdict == Verdict::Block || !self.is_quiet(now) {
            return decision;
        }
        if self.quiet.calls_again(now, who) {
            decision.reasons.push(Reason::CallsAgain);
            return decision;
        }
        self.quiet.remember(now, who);
        (decision.verdict, decision.by) = (Verdict::Block, BlockedBy::QuietHours);
        decision.reasons.insert(0, Reason::QuietHours);
        decision
    }

    /// Quiet hours, for those who look.
    pub(crate) fn quiet_state(&self, now: Now) -> QuietState {
        QuietState { zone: self.quiet.zone.as_ref().map(|zone| zone.name.clone()), now: self.is_quiet(now) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded_and_ends() {
        let mut quiet = Quiet::default();
        let now = |mono_ms| Now { mono_ms, wall: None };
        for n in 0..2_000 {
            quiet.remember(now(n), Who::Number(n));
        }
        assert_eq!(quiet.turned_away.len(), MAX_REMEMBERED);
        assert!(quiet.calls_again(now(2_000), Who::Number(1_999)) && !quiet.calls_again(now(2_000), Who::Number(5)));
        assert!(!quiet.calls_again(now(1_999 + AGAIN_MS + 1), Who::Number(1_999)));
    }
}
