//! Statements of a home's further nodes: which key signs for which of them, and what goes when one speaks no more.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{
    home::{Genesis, NodeNumber},
    roster::Share,
    statement::{Body, Kind, Statement, StatementId},
    time::Day,
};

use super::{Evidence, HomeNo, Sequence, contested::Word};
use crate::voices::{FIRST, Place, Voice, Voices};

/// Whether a node may say what it is said to have said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speaks {
    /// It may, if this key signed it.
    Key([u8; 32]),
    /// Nobody has named the node yet.
    Unknown,
    /// The slot is not the node's.
    Outside,
    /// It was taken back before that day, or has been caught with two tongues and taken back.
    Silent,
}

/// The members of the own home, as its roster names them.
#[derive(Debug, Default)]
pub(super) struct Members {
    home: Option<HomeNo>,
    named: BTreeMap<NodeNumber, ([u8; 32], Share)>,
}

/// Whether what is said is about who speaks.
pub(super) fn names_nodes(body: &Body) -> bool {
    matches!(body, Body::Delegation(_) | Body::Retraction { kind: Kind::Delegation, .. })
}

impl Evidence {
    /// The own home: nobody has to vouch for it.
    pub(crate) fn know(&mut self, genesis: Genesis) {
        let home = self.number_of(genesis.home());
        self.know_genesis(home, genesis);
        self.members.home = Some(home);
    }

    /// The members of the own home are these, with the keys and shares with which they were added: they are believed before
    /// anybody has named them to others.
    pub(crate) fn know_members(&mut self, named: BTreeMap<NodeNumber, ([u8; 32], Share)>) {
        let Some(home) = self.members.home else { return };
        if self.members.named == named {
            return;
        }
        self.members.named = named;
        self.revoiced.insert(home);
        if self.settled {
            self.settle(home);
        }
    }

    /// A further node of a home, as far as it is known.
    pub(crate) fn voice(&self, home: HomeNo, node: NodeNumber) -> Option<Voice> {
        let told = self.voices.get(&home).and_then(|voices| voices.of(node)).copied();
        let named = self.members.named.get(&node).filter(|_| self.members.home == Some(home));
        match (named, told) {
            (Some((key, share)), told) => {
                Some(told.filter(|voice| voice.key == *key).unwrap_or_else(|| Voice::named(*key, *share)).unending())
            }
            (None, told) => told,
        }
    }

    /// A further node of a home as others may check it: by what was said to all, whatever the own roster says.
    pub(crate) fn told_voice(&self, home: HomeNo, node: NodeNumber) -> Option<&Voice> {
        self.voices.get(&home)?.of(node)
    }

    /// Those of its home's further nodes of which this was said and not taken back.
    pub(crate) fn told_voices(&self, home: HomeNo) -> impl Iterator<Item = (NodeNumber, &Voice)> {
        let all = self.voices.get(&home).into_iter().flat_map(Voices::all);
        all.filter(|(_, voice)| voice.until.is_none()).map(|(node, voice)| (*node, voice))
    }

    /// Where a node was named, by whomever, and not taken back since.
    pub(crate) fn grants_of(&self, home: HomeNo, node: NodeNumber) -> Vec<Place> {
        self.voices.get(&home).map(|voices| voices.grants_of(node).collect()).unwrap_or_default()
    }

    /// Whether the node that is said to have said this may. A delegation of more than its node has is its word too, and names
    /// nobody: else whether it can prove two tongues would depend on what is known of the node.
    pub(crate) fn speaks(&self, statement: &Statement) -> Speaks {
        let Some(home) = self.find(statement.home) else { return Speaks::Unknown };
        let place = (statement.kind(), statement.day, statement.slot);
        self.may_say(home, statement.node, place, names_nodes(&statement.body))
    }

    fn may_say(&self, home: HomeNo, node: NodeNumber, (kind, day, slot): (Kind, Day, u8), about_nodes: bool) -> Speaks {
        if node == FIRST {
            return self.keys.get(&home).map_or(Speaks::Unknown, |key| Speaks::Key(*key));
        }
        let Some(voice) = self.voice(home, node) else { return Speaks::Unknown };
        // What a caught node said of others stays: else it would depend on who was heard first whether it was taken back.
        let caught = !about_nodes && voice.until.is_some() && self.is_caught(home, node);
        if caught || voice.until.is_some_and(|until| day > until) {
            return Speaks::Silent;
        }
        if voice.share.slots(kind).contains(&slot) { Speaks::Key(voice.key) } else { Speaks::Outside }
    }

    /// Whether a node was taken back before that day.
    fn is_over(&self, home: HomeNo, node: NodeNumber, day: Day) -> bool {
        self.voice(home, node).is_some_and(|voice| voice.until.is_some_and(|until| day > until))
    }

    fn is_caught(&self, home: HomeNo, node: NodeNumber) -> bool {
        self.caught.contains_key(&(home, node))
    }

    /// Whether of two nodes in one slot the first holds it. A report or vouch: one that was not taken back, then the one to
    /// whom the slot was given farther down. What decides who speaks: the one nearer to the first node, since it decides
    /// about the other.
    pub(super) fn prevails(&self, home: HomeNo, kind: Kind, new: NodeNumber, old: NodeNumber) -> bool {
        let voice = |node| self.voice(home, node).map(|voice| (voice.until.is_none(), voice.depth));
        let standing = |node| if node == FIRST { (true, 0) } else { voice(node).unwrap_or((false, usize::MAX)) };
        let ((new_lives, new_depth), (old_lives, old_depth)) = (standing(new), standing(old));
        match kind {
            Kind::Report | Kind::Vouch => (new_lives, new_depth, old) > (old_lives, old_depth, new),
            Kind::Retraction | Kind::Delegation => (new_depth, new) < (old_depth, old),
        }
    }

    /// The room for one more delegation: the place of what it pushes out, or `None` if it is older than all that is kept.
    pub(super) fn room_for(&self, home: HomeNo, statement: &Statement) -> Option<Option<Place>> {
        let Body::Delegation(said) = statement.body else { return Some(None) };
        let Some(voices) = self.voices.get(&home) else { return Some(None) };
        voices.room_for(statement.node, said, (statement.day, statement.slot))
    }

    /// A node has filled a slot twice. While it speaks for its home, the home counts for nothing; once it was taken back, only
    /// what it said does not.
    pub(super) fn catch(&mut self, sequence: Sequence, id: StatementId, node: NodeNumber) {
        self.conflicts.insert((sequence, node), id);
        super::count_up(&mut self.caught, (sequence.home, node));
        // Of two words on who speaks neither holds: which came first is chance.
        if self.is_about_nodes(&sequence, node) || sequence.kind == Kind::Delegation {
            self.make_proof(sequence, node);
        }
        if self.settled {
            self.settle(sequence.home);
        } else {
            self.equivocators.insert(sequence.home);
        }
    }

    /// All that was kept is back: from now on each statement is judged as it comes.
    pub(crate) fn settle_all(&mut self) {
        self.settled = true;
        let further = self.said_by.keys().map(|(home, _)| *home);
        let homes: BTreeSet<HomeNo> =
            further.chain(self.voices.keys().copied()).chain(self.caught.keys().map(|(home, _)| *home)).collect();
        homes.into_iter().for_each(|home| self.settle(home));
        self.revoiced.clear();
        self.shaken = false;
    }

    /// Finds anew who speaks for a home, and lets go of what was said by who does not.
    pub(super) fn settle(&mut self, home: HomeNo) {
        let twisted = self.equivocates(home);
        loop {
            let before = self.voices.get_mut(&home).map(Voices::settle).unwrap_or_default();
            let now = self.voices.get(&home);
            let rekeyed = |node: &NodeNumber| {
                let is = now.and_then(|voices| voices.of(*node));
                before.get(node).zip(is).is_some_and(|(was, is)| was.key != is.key)
            };
            let gone = self.unspoken(home, rekeyed);
            if now.is_some_and(|voices| before != *voices.all()) {
                self.revoiced.insert(home);
            }
            let again = gone.iter().any(|(sequence, node, _)| self.is_about_nodes(sequence, *node));
            gone.into_iter().for_each(|(sequence, node, may)| self.silence(sequence, node, may));
            let passed_on = self.pass_on(home);
            if !again && !passed_on {
                break;
            }
        }
        let live = |node: &NodeNumber| *node == FIRST || self.voice(home, *node).is_some_and(|v| v.until.is_none());
        let mut caught = self.caught.range((home, FIRST)..=(home, NodeNumber(u8::MAX))).map(|((_, node), _)| *node);
        let twisted_now = caught.any(|node| live(&node));
        if twisted_now {
            self.equivocators.insert(home)
        } else {
            self.equivocators.remove(&home)
        };
        if twisted != twisted_now {
            self.shaken = true;
            self.revoiced.insert(home);
        }
    }

    /// What further nodes of a home said and may not have said, by all that is known now.
    fn unspoken(&self, home: HomeNo, rekeyed: impl Fn(&NodeNumber) -> bool) -> Vec<(Sequence, NodeNumber, Speaks)> {
        let all = self.said_by.range((home, NodeNumber(0))..=(home, NodeNumber(u8::MAX)));
        let gone = all.flat_map(|((_, node), said)| {
            let other_key = rekeyed(node);
            said.iter().filter_map(move |s| {
                let about_nodes = self.is_about_nodes(s, *node);
                let may = self.may_say(home, *node, (s.kind, s.day, s.slot), about_nodes);
                let proof = self.word_at(s, *node) == Some(Word::Proof);
                match may {
                    Speaks::Key(_) if !other_key => None,
                    Speaks::Silent if proof && !self.is_over(home, *node, s.day) => None,
                    Speaks::Key(_) => Some((*s, *node, Speaks::Unknown)),
                    may => Some((*s, *node, may)),
                }
            })
        });
        gone.collect()
    }

    pub(super) fn is_about_nodes(&self, sequence: &Sequence, node: NodeNumber) -> bool {
        self.word_at(sequence, node).is_some_and(Word::names_nodes)
    }

    /// What its node may not say goes. The proof that a node which may speak for its days has two tongues stays, and says
    /// nothing any more.
    fn silence(&mut self, sequence: Sequence, node: NodeNumber, may: Speaks) {
        self.shaken = true;
        let in_time = !self.is_over(sequence.home, node, sequence.day);
        if self.conflicts.contains_key(&(sequence, node)) && may == Speaks::Silent && in_time {
            return self.make_proof(sequence, node);
        }
        if let Some(second) = self.conflicts.remove(&(sequence, node)) {
            super::count_down(&mut self.caught, &(sequence.home, node));
            self.given_up.push(second);
        }
        let gone = self.remove_of(sequence, node);
        self.given_up.extend(gone);
    }

    pub(super) fn list(&mut self, sequence: Sequence, node: NodeNumber) {
        if node != FIRST {
            self.said_by.entry((sequence.home, node)).or_default().insert(sequence);
        }
    }

    pub(super) fn unlist(&mut self, sequence: Sequence, node: NodeNumber) {
        let key = (sequence.home, node);
        if let Some(said) = self.said_by.get_mut(&key) {
            said.remove(&sequence);
            if said.is_empty() {
                self.said_by.remove(&key);
            }
        }
    }

    /// Whether vouches may have gone, or count again, since this was last asked.
    pub(crate) fn take_shaken(&mut self) -> bool {
        std::mem::take(&mut self.shaken)
    }

    /// The homes of which others speak than before, since this was last asked: what was refused of them may count now.
    pub(crate) fn take_revoiced(&mut self) -> BTreeSet<HomeNo> {
        std::mem::take(&mut self.revoiced)
    }
}
