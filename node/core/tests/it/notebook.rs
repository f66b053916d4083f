//! Stands for the documents: an address book that only grows, and words that carry all of it. What the real words carry is
//! tested where the documents are; here it is about when they are said.

use std::collections::{BTreeMap, BTreeSet};

use meerkat_core::{Agree, Agreed, Changed};
use meerkat_protocols::{
    batch::Write,
    cbor,
    home::NodeNumber,
    number::E164,
    wishes::{DocumentId, Edit, People},
};

#[derive(Default)]
pub(crate) struct Notebook {
    pub(crate) people: People,
    /// Members that sent what nobody honest sends.
    pub(crate) hostile: BTreeSet<NodeNumber>,
    /// What was asked of it.
    pub(crate) offers: usize,
    pub(crate) greetings: usize,
    pub(crate) foundings: usize,
}

/// The address book as it is said, or a greeting with its digest.
type Said = (bool, u64, BTreeMap<u64, String>);

impl Notebook {
    pub(crate) fn edit(&mut self, edit: &Edit) {
        if let Edit::SetPerson(number, name) = edit {
            self.people.insert(*number, name.clone());
        }
    }

    fn said(&self, greeting: bool) -> Vec<u8> {
        let all = self.people.iter().map(|(number, name)| (number.digits(), name.clone()));
        let body = if greeting { BTreeMap::new() } else { all.collect() };
        cbor::encode(&(greeting, self.digest(), body))
    }

    fn digest(&self) -> u64 {
        self.people.keys().fold(0, |sum, number| sum ^ number.digits())
    }

    pub(crate) fn agree(&mut self, work: Agree) -> Agreed {
        match work {
            Agree::Greet => {
                self.greetings += 1;
                Agreed { word: Some(self.said(true)), ..Agreed::default() }
            }
            Agree::Offer { .. } => {
                self.offers += 1;
                Agreed { word: Some(self.said(false)), ..Agreed::default() }
            }
            Agree::Take { member, word, waits } => self.take(member, &word, waits),
            Agree::Found(_) => {
                self.foundings += 1;
                Agreed::default()
            }
            Agree::Forget(_) => Agreed::default(),
        }
    }

    fn take(&mut self, member: NodeNumber, word: &[u8], waits: bool) -> Agreed {
        let (greeting, digest, theirs): Said = cbor::decode(word).expect("a word of a notebook");
        let mut agreed = Agreed::default();
        if self.hostile.contains(&member) {
            agreed.suspicions = vec![(member, DocumentId::People, "it is too clever".into())];
            agreed.to_found = Some(DocumentId::People);
        }
        if greeting {
            agreed.word = waits.then(|| self.said(true));
            agreed.differ = (digest != self.digest()).then_some(DocumentId::People).into_iter().collect();
            return agreed;
        }
        let before = self.people.len();
        let known = theirs.len();
        self.people.extend(theirs.into_iter().map(|(n, name)| (E164::from_digits(n).expect("a number"), name)));
        if self.people.len() > before {
            agreed.writes = vec![Write::Document(DocumentId::People, vec![1])];
            agreed.states = vec![(DocumentId::People, vec![2])];
            agreed.changed = vec![Changed::People(self.people.clone())];
        }
        // There is more to say to who knows less; who waits is answered in any case.
        agreed.word = (waits || known < self.people.len()).then(|| self.said(false));
        agreed
    }
}
