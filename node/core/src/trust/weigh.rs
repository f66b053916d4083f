//! What the words on a number add up to.

use super::{
    WHOLE,
    flow::Flow,
    graph::{CAPACITY, Capacities, Graph, HOPS},
};

/// Evidence from which a call is kept from ringing, in hundredths: three homes that each answered for.
pub const BLOCK_AT: u32 = 300;
/// Evidence from which a call is marked as suspicious, in hundredths.
pub const CHALLENGE_AT: u32 = 100;
/// How far words count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// What homes pass on.
    pub capacities: Capacities,
    /// The most that one first hop may add to what keeps a call from ringing.
    pub first_hop_to_block: u32,
    /// How many vouches away a home may be whose word is to keep a call from ringing.
    pub hops_to_block: u8,
}

impl Rule {
    /// The rule in use. What blocks must come over at least two homes that this one answers for, and without either of
    /// them the call must still be suspicious; the farthest homes may mark a call and not block it, for most of what a crowd of
    /// made-up homes can bring comes from there. Measured against other rules in `design/trust.md`.
    pub const USED: Self =
        Self { capacities: CAPACITY, first_hop_to_block: BLOCK_AT - CHALLENGE_AT, hops_to_block: HOPS - 1 };
}

/// More words than this change nothing about a verdict: twice what blocks over any contradiction, with room for what a
/// person looks at.
const ENOUGH: u32 = 4 * BLOCK_AT;

/// For how many days a report counts in full.
pub const DECAY_FROM_DAYS: i32 = 60;
/// When it counts no more: its lifetime.
const DECAY_TO_DAYS: i32 = meerkat_protocols::statement::LIFETIME_DAYS;
/// What it counts on its last day, in hundredths.
const LAST: i32 = 25;

/// What a report weighs after so many days, in hundredths of a word: whole for two months, for a number that was
/// reported by three must not ring on the next day, then on a straight line to a quarter. The half is reached after 140
/// days; what is known of numbers says 125 (`design/trust.md`).
#[must_use]
pub fn age_weight(days: i32) -> u32 {
    let past = (days - DECAY_FROM_DAYS).clamp(0, DECAY_TO_DAYS - DECAY_FROM_DAYS);
    let lost = (100 - LAST) * past / (DECAY_TO_DAYS - DECAY_FROM_DAYS);
    u32::try_from(100 - lost).unwrap_or(0)
}

/// The evidence against, in hundredths: contradiction can at most halve it, so that whitewashers cannot erase it.
#[must_use]
pub fn evidence(against: u32, legit: u32) -> u32 {
    against - legit.min(against / 2)
}

/// One side's words on a number: what each home weighs by its age, in hundredths, and this home's own.
#[derive(Debug, Clone, Copy, Default)]
pub struct Side<'a> {
    /// Other homes and the weights of their words.
    pub others: &'a [(u32, u32)],
    /// What this home's own word weighs.
    pub own: u32,
}

/// What was weighed, in hundredths.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Weighed {
    /// What is carried here of the words against the number.
    pub against: u32,
    /// The same, where no first hop adds more than it may to a block.
    pub spread: u32,
    /// What is carried here of the words for the number.
    pub legit: u32,
}

impl Weighed {
    /// The evidence against.
    #[must_use]
    pub fn evidence(self) -> u32 {
        evidence(self.against, self.legit)
    }

    /// The evidence against that counts for a block.
    #[must_use]
    pub fn to_block(self) -> u32 {
        evidence(self.spread, self.legit)
    }

    /// Whether it keeps a call from ringing.
    #[must_use]
    pub fn blocks(self) -> bool {
        self.to_block() >= BLOCK_AT
    }

    /// Whether it marks a call as suspicious.
    #[must_use]
    pub fn marks(self) -> bool {
        self.evidence() >= CHALLENGE_AT
    }
}

/// Weighs both sides. Supporters and contradictors are two flows, each with the whole capacity: who contradicts takes
/// nothing away from who supports, but for the half. Both flows are handed to `look`.
pub fn weigh<T>(
    rule: &Rule,
    graph: &Graph,
    against: Side<'_>,
    legit: Side<'_>,
    look: impl FnOnce(&Flow<'_>, &Flow<'_>) -> T,
) -> (Weighed, T) {
    let mut narrow = rule.capacities;
    narrow[1] = narrow[1].min(rule.first_hop_to_block);
    narrow.iter_mut().skip(usize::from(rule.hops_to_block) + 1).for_each(|capacity| *capacity = 0);
    let spread = Flow::of(graph, against.others, narrow, ENOUGH).value();
    let support = Flow::of(graph, against.others, rule.capacities, ENOUGH);
    let contradiction = Flow::of(graph, legit.others, rule.capacities, ENOUGH);
    let weighed = Weighed {
        against: support.value() + against.own.min(WHOLE),
        spread: spread + against.own.min(WHOLE),
        legit: contradiction.value() + legit.own.min(WHOLE),
    };
    (weighed, look(&support, &contradiction))
}
