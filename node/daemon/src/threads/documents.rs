//! Work on the documents: edits of people, and agreement with members.

use meerkat_core::{Agree, Agreed, Changed};
use meerkat_documents::{Edited, Said, Shelf, Suspicion};
use meerkat_protocols::{
    batch::Write,
    wishes::{DocumentId, Edit},
};

/// Makes an edit. When the document is written whole anyway, a past that has outgrown it is given up.
pub(crate) fn change(shelf: &mut Shelf, edit: &Edit) -> Result<Vec<Write>, String> {
    let mut edited = shelf.edit(edit).map_err(|refused| refused.to_string())?;
    let document = edited.document;
    if edited.whole && shelf.has_outgrown(document) {
        match shelf.found_anew(document) {
            Ok(founded) => edited = founded,
            Err(why) => tracing::warn!(%why, "a document keeps its past"),
        }
    }
    Ok(writes(shelf, edited))
}

/// Agrees with a member.
pub(super) fn agree(shelf: &mut Shelf, work: Agree) -> Agreed {
    match work {
        Agree::Greet => Agreed { word: Some(shelf.greet()), ..Agreed::default() },
        Agree::Offer { member, document, fresh } => agreed(shelf, |shelf| shelf.offer(member, document, fresh)),
        Agree::Take { member, word, waits } => agreed(shelf, |shelf| shelf.take(member, &word, waits)),
        Agree::Found(document) => match shelf.found_anew(document) {
            Ok(edited) => {
                let changed = [document, DocumentId::Index].map(|id| changed(shelf, id)).into();
                Agreed { writes: writes(shelf, edited), changed, ..Agreed::default() }
            }
            Err(why) => {
                tracing::warn!(%why, "a document keeps its past");
                Agreed::default()
            }
        },
        Agree::Forget(member) => {
            shelf.forget_member(member);
            Agreed::default()
        }
    }
}

fn agreed(shelf: &mut Shelf, talk: impl FnOnce(&mut Shelf) -> Said) -> Agreed {
    let said = talk(shelf);
    for Suspicion { member, document, fault } in &said.suspicions {
        tracing::warn!(member = member.0, document = document.word(), %fault, "a member's changes are not taken");
    }
    let suspicion = |s: Suspicion| (s.member, s.document, s.fault.to_string());
    Agreed {
        word: said.word,
        writes: said.writes.into_iter().map(write).collect(),
        states: said.states,
        changed: said.changed.into_iter().map(|id| changed(shelf, id)).collect(),
        differ: said.differ,
        suspicions: said.suspicions.into_iter().map(suspicion).collect(),
        to_found: said.to_found,
    }
}

fn writes(shelf: &mut Shelf, edited: Edited) -> Vec<Write> {
    let along = shelf.along();
    std::iter::once(edited).chain(along).filter(|edited| !edited.change.is_empty()).map(write).collect()
}

fn write(edited: Edited) -> Write {
    match edited.whole {
        true => Write::DocumentWhole(edited.document, edited.change),
        false => Write::Document(edited.document, edited.change),
    }
}

fn changed(shelf: &Shelf, id: DocumentId) -> Changed {
    let wishes = shelf.wishes();
    match id {
        DocumentId::Lists => Changed::Lists(wishes.lists.clone(), wishes.disputed.clone()),
        DocumentId::Settings => Changed::Settings(wishes.settings.clone()),
        DocumentId::Neighbours => Changed::Neighbours(wishes.neighbours.clone()),
        DocumentId::Index => Changed::Index,
        DocumentId::People => Changed::People(wishes.people.clone()),
        DocumentId::Rules => Changed::Rules(wishes.rules.clone()),
        DocumentId::Acknowledgements => Changed::Acknowledged(wishes.acknowledged.clone()),
        DocumentId::Accounts => Changed::Accounts(wishes.accounts.clone(), wishes.doubled.clone()),
        DocumentId::Nodes => Changed::Nodes(wishes.nodes.clone()),
    }
}
