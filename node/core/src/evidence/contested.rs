//! Slots in which several nodes of one home spoke. One of them holds it; what the others said counts for nothing, but is kept:
//! the slot may fall to them when more is known of who speaks, and whoever says two things in it is caught, whether the slot
//! was known to be another's before or after.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{
    delegation::Delegation,
    home::NodeNumber,
    number::E164,
    statement::{Body, Category, Kind, LIFETIME_DAYS, StatementId},
    time::Day,
};

use super::{Content, Evidence, HomeNo, Sequence, Stated};

/// What a statement says, as far as evidence keeps it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Report(E164, Category),
    Vouch(HomeNo),
    Retraction(Sequence),
    Delegation(Delegation),
    /// One half of a proof, and nothing else any more.
    Proof,
}

impl Word {
    /// Whether it is about who speaks.
    pub(super) fn names_nodes(self) -> bool {
        match self {
            Self::Delegation(_) => true,
            Self::Retraction(target) => target.kind == Kind::Delegation,
            Self::Report(..) | Self::Vouch(_) | Self::Proof => false,
        }
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Said {
    pub(super) id: StatementId,
    pub(super) word: Word,
}

/// What was said in slots that other nodes of the same home hold.
#[derive(Debug, Default)]
pub(super) struct Contested(BTreeMap<(HomeNo, Sequence, NodeNumber), Said>);

impl Contested {
    pub(super) fn set_aside(&mut self, sequence: Sequence, node: NodeNumber, said: Said) {
        self.0.insert((sequence.home, sequence, node), said);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, sequence: &Sequence, node: NodeNumber) -> Option<&Said> {
        self.0.get(&(sequence.home, *sequence, node))
    }

    fn take(&mut self, sequence: &Sequence, node: NodeNumber) -> Option<Said> {
        self.0.remove(&(sequence.home, *sequence, node))
    }

    fn slots_of(&self, home: HomeNo) -> BTreeSet<Sequence> {
        let all = self.0.range((home, Sequence::FIRST, NodeNumber(0))..=(home, Sequence::LAST, NodeNumber(u8::MAX)));
        all.map(|((_, sequence, _), _)| *sequence).collect()
    }

    fn nodes_in(&self, sequence: Sequence) -> impl DoubleEndedIterator<Item = NodeNumber> + '_ {
        let all = (sequence.home, sequence, NodeNumber(0))..=(sequence.home, sequence, NodeNumber(u8::MAX));
        self.0.range(all).map(|((.., node), _)| *node)
    }
}

impl Evidence {
    pub(super) fn word(&mut self, home: HomeNo, body: &Body) -> Word {
        match *body {
            Body::Report { number, category, .. } => Word::Report(number, category),
            Body::Vouch(genesis) => {
                let vouched = self.number_of(genesis.home());
                self.know_genesis(vouched, genesis);
                Word::Vouch(vouched)
            }
            Body::Retraction { kind, day, slot } => Word::Retraction(Sequence { day, home, kind, slot }),
            Body::Delegation(said) => Word::Delegation(said),
        }
    }

    /// What a node said in a slot, whether it holds the slot or not.
    pub(super) fn word_at(&self, sequence: &Sequence, node: NodeNumber) -> Option<Word> {
        let held = self.stated.get(sequence).filter(|stated| stated.content.node() == node);
        let Some(held) = held else { return self.contested.get(sequence, node).map(|said| said.word) };
        match held.content {
            Content::Report(_, number) => {
                self.by_number.get(&(number, *sequence)).map(|category| Word::Report(number, *category))
            }
            Content::Vouch(_, vouched) => Some(Word::Vouch(vouched)),
            Content::Retraction(_, target) => Some(Word::Retraction(target)),
            Content::Delegation(_) => {
                let voices = self.voices.get(&sequence.home)?;
                voices.grant_at(node, (sequence.day, sequence.slot)).map(Word::Delegation)
            }
            Content::Proof(_) => Some(Word::Proof),
        }
    }

    /// The first statement of a node in a slot.
    pub(super) fn said(&self, sequence: &Sequence, node: NodeNumber) -> Option<StatementId> {
        let held = self.stated.get(sequence).filter(|stated| stated.content.node() == node).map(|stated| stated.id);
        held.or_else(|| self.contested.get(sequence, node).map(|said| said.id))
    }

    /// The slot is this node's from now on; what was said in it by another is set aside.
    pub(super) fn hold(&mut self, sequence: Sequence, node: NodeNumber, said: Said) {
        let old = self.stated.get(&sequence).map(|stated| (stated.content, stated.id));
        if let Some((content, id)) = old {
            let word = self.word_at(&sequence, content.node()).unwrap_or(Word::Proof);
            self.forget(sequence, content);
            self.contested.set_aside(sequence, content.node(), Said { id, word });
        }
        let content = self.take_in(sequence, node, said.word);
        self.stated.insert(sequence, Stated { id: said.id, content });
    }

    /// Takes out what a node said in a slot.
    pub(super) fn remove_of(&mut self, sequence: Sequence, node: NodeNumber) -> Option<StatementId> {
        if self.stated.get(&sequence).is_some_and(|stated| stated.content.node() == node) {
            return self.remove(sequence);
        }
        let said = self.contested.take(&sequence, node)?;
        super::count_down(&mut self.of_home, &sequence.home);
        self.unlist(sequence, node);
        Some(said.id)
    }

    pub(super) fn make_proof(&mut self, sequence: Sequence, node: NodeNumber) {
        let held = self.stated.get(&sequence).map(|stated| stated.content).filter(|content| content.node() == node);
        if let Some(content) = held {
            self.forget(sequence, content);
            if let Some(stated) = self.stated.get_mut(&sequence) {
                stated.content = Content::Proof(node);
            }
        } else if let Some(said) = self.contested.0.get_mut(&(sequence.home, sequence, node)) {
            said.word = Word::Proof;
        }
    }

    /// Gives each contested slot of a home to the node that holds it by what is known now. Says whether that changed
    /// anything about who speaks.
    pub(super) fn pass_on(&mut self, home: HomeNo) -> bool {
        let mut about_nodes = false;
        for sequence in self.contested.slots_of(home) {
            let held = self.stated.get(&sequence).map(|stated| stated.content.node());
            let best = self
                .contested
                .nodes_in(sequence)
                .chain(held)
                .reduce(|best, node| if self.prevails(home, sequence.kind, node, best) { node } else { best });
            let Some(best) = best.filter(|best| Some(*best) != held) else { continue };
            let Some(said) = self.contested.take(&sequence, best) else { continue };
            about_nodes |= said.word.names_nodes() || held.is_some_and(|node| self.is_about_nodes(&sequence, node));
            self.shaken = true;
            self.hold_if_room(sequence, best, said);
        }
        about_nodes
    }

    /// As if it had just come: what it renews goes, and what has no room goes itself.
    fn hold_if_room(&mut self, sequence: Sequence, node: NodeNumber, said: Said) {
        let place = (sequence.day, sequence.slot);
        let room = match (said.word, self.voices.get(&sequence.home)) {
            (Word::Delegation(delegation), Some(voices)) => voices.room_for(node, delegation, place),
            _ => Some(None),
        };
        let gone = match room {
            Some(None) => None,
            Some(Some((day, slot))) => self.remove(Sequence { day, slot, ..sequence }),
            None => {
                super::count_down(&mut self.of_home, &sequence.home);
                self.unlist(sequence, node);
                self.given_up.push(said.id);
                return;
            }
        };
        self.given_up.extend(gone);
        self.hold(sequence, node, said);
    }

    /// What others said in a slot goes with what was said by its holder.
    pub(super) fn give_up_aside(&mut self, sequence: Sequence) {
        let nodes: Vec<NodeNumber> = self.contested.nodes_in(sequence).collect();
        for node in nodes {
            let gone = self.remove_of(sequence, node);
            self.given_up.extend(gone);
        }
    }

    /// Removes what is older than its lifetime, but for proofs, and returns the ids that went.
    pub(super) fn expire_aside(&mut self, today: Day) -> Vec<StatementId> {
        let old = self.contested.0.keys().filter(|(_, sequence, node)| {
            today.since(sequence.day) > LIFETIME_DAYS && !self.conflicts.contains_key(&(*sequence, *node))
        });
        let old: Vec<(Sequence, NodeNumber)> = old.map(|(_, sequence, node)| (*sequence, *node)).collect();
        old.into_iter().filter_map(|(sequence, node)| self.remove_of(sequence, node)).collect()
    }
}
