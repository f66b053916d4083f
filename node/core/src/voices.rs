//! Who speaks for a home besides its first node: what follows from the delegations of one home and from what was taken
//! back of them, whatever the order they came in.
//!
//! It is found level by level: who is named by the first node, then who is named by those. What decides about a level was
//! said by those above it and, of what its nodes take back of each other, by earlier days. So nobody has a say in whether
//! he has one, and there is one answer.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{
    delegation::{Delegation, MAX_DEPTH},
    home::NodeNumber,
    roster::Share,
    time::Day,
};

/// The most delegations kept of one home: a household has at most twenty members, and what is said again takes the place
/// of what it renews. Those nearer to the first node stay, and of these the newest.
pub(crate) const MAX_DELEGATIONS: usize = 20;

/// The first node of a home: its key is the home's name, and nobody takes it back.
pub(crate) const FIRST: NodeNumber = NodeNumber(0);

/// The day and slot of a statement.
pub(crate) type Place = (Day, u8);

/// A node of a home, as others may check it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Voice {
    /// With what it signs.
    pub(crate) key: [u8; 32],
    /// In which slots it speaks.
    pub(crate) share: Share,
    /// The last day of its statements that count, if it was taken back.
    pub(crate) until: Option<Day>,
    /// Who named it.
    pub(crate) by: NodeNumber,
    /// Where.
    pub(crate) said: Place,
    /// How many delegations lead to it.
    pub(crate) depth: usize,
}

impl Voice {
    /// A member of the own home whom nobody has named to others yet.
    pub(crate) fn named(key: [u8; 32], share: Share) -> Self {
        Self { key, share, until: None, by: FIRST, said: (Day(u16::MAX), u8::MAX), depth: 1 }
    }

    /// The same, whatever was taken back: its own roster knows better.
    pub(crate) fn unending(self) -> Self {
        Self { until: None, ..self }
    }

    fn speaks_on(&self, day: Day) -> bool {
        self.until.is_none_or(|until| day <= until)
    }
}

/// What a node says of another: the signer and its words. Said again, it is the same grant.
type Grant = (NodeNumber, Delegation);

/// The further nodes of one home.
#[derive(Debug, Default)]
pub(crate) struct Voices {
    /// Each with where it was said last.
    grants: BTreeMap<Grant, Place>,
    /// What of them was taken back, when, by whom and in which slot.
    taken_back: BTreeMap<Place, BTreeSet<(Day, NodeNumber, u8)>>,
    table: BTreeMap<NodeNumber, Voice>,
}

impl Voices {
    /// The node with this number.
    pub(crate) fn of(&self, node: NodeNumber) -> Option<&Voice> {
        self.table.get(&node)
    }

    /// All of them, those that were taken back included.
    pub(crate) fn all(&self) -> &BTreeMap<NodeNumber, Voice> {
        &self.table
    }

    /// All that was said of a node and not taken back since, by whomever.
    pub(crate) fn grants_of(&self, node: NodeNumber) -> impl Iterator<Item = Place> + '_ {
        let of = self.grants.iter().filter(move |((_, said), _)| said.node == node);
        of.filter(|(_, place)| !self.taken_back.contains_key(place)).map(|(_, place)| *place)
    }

    /// What a node says of another in that place.
    pub(crate) fn grant_at(&self, by: NodeNumber, place: Place) -> Option<Delegation> {
        let here = self.grants.iter().find(|((signer, _), said)| (*signer, **said) == (by, place));
        here.map(|((_, delegation), _)| *delegation)
    }

    /// What has to go so that this delegation has room, or `None` if there is none for it.
    pub(crate) fn room_for(&self, by: NodeNumber, said: Delegation, place: Place) -> Option<Option<Place>> {
        if let Some(before) = self.grants.get(&(by, said)) {
            return (*before < place).then_some(Some(*before));
        }
        if self.grants.len() < MAX_DELEGATIONS {
            return Some(None);
        }
        let depth = |by: NodeNumber| self.table.get(&by).map_or(0, |voice| voice.depth);
        let rank = |by: NodeNumber, place: Place| (depth(by), std::cmp::Reverse(place), by);
        let last = self.grants.iter().map(|((by, _), said)| (rank(*by, *said), *said)).max()?;
        (rank(by, place) < last.0).then_some(Some(last.1))
    }

    pub(crate) fn grant(&mut self, by: NodeNumber, said: Delegation, place: Place) {
        self.grants.insert((by, said), place);
    }

    /// The delegation that was said there is gone.
    pub(crate) fn ungrant(&mut self, place: Place) {
        self.grants.retain(|_, said| *said != place);
    }

    pub(crate) fn take_back(&mut self, of: Place, by: NodeNumber, (day, slot): Place) {
        self.taken_back.entry(of).or_default().insert((day, by, slot));
    }

    /// The retraction that was said there is gone.
    pub(crate) fn untake(&mut self, of: Place, by: NodeNumber, (day, slot): Place) {
        if let Some(all) = self.taken_back.get_mut(&of) {
            all.remove(&(day, by, slot));
            if all.is_empty() {
                self.taken_back.remove(&of);
            }
        }
    }

    /// Finds anew who speaks, and says who spoke before.
    pub(crate) fn settle(&mut self) -> BTreeMap<NodeNumber, Voice> {
        let mut table = BTreeMap::new();
        for depth in 1..=MAX_DEPTH {
            let level = self.level(&table, depth);
            table.extend(level);
        }
        std::mem::replace(&mut self.table, table)
    }

    /// The nodes that are named at this depth and not above.
    fn level(&self, above: &BTreeMap<NodeNumber, Voice>, depth: usize) -> BTreeMap<NodeNumber, Voice> {
        let mut level: BTreeMap<NodeNumber, Vec<Named>> = BTreeMap::new();
        for ((by, said), place) in &self.grants {
            let signer = match above.get(by) {
                _ if *by == FIRST => Some((0, None)),
                signer => signer.map(|voice| (voice.depth, voice.until)),
            };
            let in_time = |(at, until): &(usize, Option<Day>)| at + 1 == depth && until.is_none_or(|d| place.0 <= d);
            let Some((_, until)) = signer.filter(in_time) else { continue };
            let holds = *by == FIRST || above.get(by).is_some_and(|voice| voice.share.holds(said.share));
            if !holds || said.node == *by || above.contains_key(&said.node) {
                continue;
            }
            // What those above took back.
            let back = self
                .retractions(*place)
                .filter(|(day, by)| *by == FIRST || above.get(by).is_some_and(|voice| voice.speaks_on(*day)));
            let until = back.map(|(day, _)| day).chain(until).min();
            level.entry(said.node).or_default().push(Named { by: *by, said: *said, place: *place, until });
        }
        for named in level.values_mut() {
            // Of several words on one number the latest holds, and all that say the same.
            let latest = named.iter().max_by_key(|named| (named.place, named.by)).map(|named| named.said);
            named.retain(|named| Some(named.said) == latest);
        }
        self.take_back_beside(&mut level);
        level.into_iter().filter_map(|(node, named)| Some((node, voice(&named, depth)?))).collect()
    }

    /// What nodes of one level take back of each other, the earlier first: so who was taken back before takes back nobody,
    /// and two who take back each other on one day are both silent.
    fn take_back_beside(&self, level: &mut BTreeMap<NodeNumber, Vec<Named>>) {
        let mut back: Vec<(Day, NodeNumber, NodeNumber, Place)> = Vec::new();
        for (node, named) in level.iter() {
            for named in named {
                back.extend(self.retractions(named.place).map(|(day, by)| (day, by, *node, named.place)));
            }
        }
        back.sort_unstable();
        for (day, by, node, place) in back {
            let speaks = level.get(&by).and_then(|named| voice(named, 1)).is_some_and(|voice| voice.speaks_on(day));
            let of = level.get_mut(&node).and_then(|all| all.iter_mut().find(|named| named.place == place));
            if let Some(named) = of.filter(|_| speaks) {
                named.until = named.until.into_iter().chain([day]).min();
            }
        }
    }

    /// When and by whom the delegation in that place was taken back.
    fn retractions(&self, place: Place) -> impl Iterator<Item = (Day, NodeNumber)> + '_ {
        let all = self.taken_back.get(&place).into_iter().flatten();
        all.filter(move |(day, ..)| *day >= place.0).map(|(day, by, _)| (*day, *by))
    }
}

/// One word on a node, and until when it holds.
struct Named {
    by: NodeNumber,
    said: Delegation,
    place: Place,
    until: Option<Day>,
}

/// The node of which all of these are: it speaks as long as one of them holds.
fn voice(named: &[Named], depth: usize) -> Option<Voice> {
    let best = named.iter().max_by_key(|named| (named.until.is_none(), named.until, named.place, named.by))?;
    let Delegation { key, share, .. } = best.said;
    Some(Voice { key, share, until: best.until, by: best.by, said: best.place, depth })
}
