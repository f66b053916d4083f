//! Founding a document anew: its content without its past, as the next generation; and bringing what a node that was
//! away has edited on an older generation, or on another founding, into the one that holds.
//!
//! A founding is named by the hash of what it is founded with, and the name is the actor of its changes, so that two nodes
//! that found the same agree. What a returning node brings is told from what was taken back meanwhile by dots and what was
//! seen, as in an observed-remove map without tombstones (Bieniusa et al., "An optimized conflict-free replicated set",
//! 2012): a value whose edit the other side has seen, and does not have, was replaced or removed there.

use std::collections::BTreeMap;

use automerge::{
    ActorId, Automerge, AutomergeError, ObjId, ObjType, PatchLog, ROOT, ScalarValue,
    transaction::{CommitOptions, Transactable, Transaction},
};
use meerkat_protocols::wishes::{DocumentId, Generation};

use crate::{
    content::{BROUGHT, Cell, Content, DOTS, Dot, ERASED, FOUNDED, Place, SEEN, hex, pack},
    schema,
};

/// Text in one change of a founding: several of them fit into one message to a member.
const CHANGE_TEXT_BYTES: usize = 48 << 10;
/// Dots in one piece.
const DOTS_IN_PIECE: usize = 4_096;

/// A document founded anew.
pub(crate) struct Founded {
    pub(crate) doc: Automerge,
    pub(crate) founder: ActorId,
    pub(crate) generation: Generation,
}

/// The name of the founding of this content as the generation `count`.
fn name(id: DocumentId, count: u32, content: &Content) -> [u8; 16] {
    let mut hash = blake3::Hasher::new_derive_key("meerkat 2026-11 document founding");
    let mut text = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_le_bytes()).update(bytes);
    };
    text(&[id as u8]);
    text(&count.to_le_bytes());
    for ((field, key), Cell { value, dot }) in &content.cells {
        text(&[*field as u8]);
        text(key.as_bytes());
        text(value.as_bytes());
        text(dot.0.to_bytes());
        text(&dot.1.to_le_bytes());
    }
    for (actor, last) in &content.seen {
        text(actor.to_bytes());
        text(&last.to_le_bytes());
    }
    for key in &content.disputed {
        text(key.as_bytes());
    }
    for (mark, count) in &content.erased {
        text(mark);
        text(&count.to_le_bytes());
    }
    let mut name = [0; 16];
    hash.finalize_xof().fill(&mut name);
    name
}

/// The actor of the second half of a dispute: what it writes stands beside the founding's own.
fn opponent(founder: &ActorId) -> ActorId {
    let mut bytes = founder.to_bytes().to_vec();
    bytes.push(b'2');
    ActorId::from(bytes)
}

/// Founds the document anew with this content. The same content gives the same bytes on every node.
pub(crate) fn found(id: DocumentId, count: u32, content: &Content, actor: &ActorId) -> Result<Founded, AutomergeError> {
    let founding = name(id, count, content);
    let founder = ActorId::from(founding);
    let mut doc = Automerge::new().with_actor(founder.clone());
    let objects = write_maps(&mut doc, id, count)?;
    let maps_only = doc.get_heads();
    write_cells(&mut doc, &objects, content)?;
    write_books(&mut doc, &founder, content)?;
    if let (false, Some(standing)) = (content.disputed.is_empty(), schema::map(&doc, &founder, schema::STANDING)) {
        doc.set_actor(opponent(&founder));
        beside(&mut doc, &maps_only, |tx| content.disputed.iter().try_for_each(|key| tx.put(&standing, key, "block")))?;
    }
    doc.set_actor(actor.clone());
    Ok(Founded { doc, founder, generation: Generation { count, founding } })
}

fn write_maps(doc: &mut Automerge, id: DocumentId, count: u32) -> Result<Vec<ObjId>, AutomergeError> {
    let mut tx = doc.transaction();
    tx.put(ROOT, schema::VERSION_KEY, ScalarValue::Uint(schema::VERSION))?;
    tx.put(ROOT, FOUNDED, ScalarValue::Uint(u64::from(count)))?;
    let objects = schema::maps(id).iter().map(|name| tx.put_object(ROOT, *name, ObjType::Map)).collect();
    [SEEN, DOTS, ERASED, BROUGHT].into_iter().try_for_each(|name| tx.put_object(ROOT, name, ObjType::Map).map(drop))?;
    commit(tx);
    objects
}

fn commit(tx: Transaction<'_>) {
    tx.commit_with(CommitOptions::default().with_time(0));
}

fn write_cells(doc: &mut Automerge, objects: &[ObjId], content: &Content) -> Result<(), AutomergeError> {
    let mut cells = content.cells.iter().peekable();
    while cells.peek().is_some() {
        let mut tx = doc.transaction();
        let mut bytes = 0;
        while let Some(((field, key), cell)) = cells.next_if(|_| bytes < CHANGE_TEXT_BYTES) {
            bytes += key.len() + cell.value.len() + 8;
            if let Some(object) = objects.get(*field) {
                tx.put(object, key, cell.value.as_str())?;
            }
        }
        commit(tx);
    }
    Ok(())
}

/// What was seen, the dots of the values, and the marks of what was erased.
fn write_books(doc: &mut Automerge, founder: &ActorId, content: &Content) -> Result<(), AutomergeError> {
    let [seen, dots, erased] = [SEEN, DOTS, ERASED].map(|name| schema::map(doc, founder, name));
    let (Some(seen), Some(dots), Some(erased)) = (seen, dots, erased) else { return Ok(()) };
    let all: Vec<(&ActorId, &u64)> = content.seen.iter().collect();
    for some in all.chunks(1_000) {
        let mut tx = doc.transaction();
        for (actor, last) in some {
            tx.put(&seen, hex(actor.to_bytes()), ScalarValue::Uint(**last))?;
        }
        commit(tx);
    }
    let all: Vec<&Dot> = content.cells.values().map(|cell| &cell.dot).collect();
    for (number, piece) in all.chunks(DOTS_IN_PIECE).enumerate() {
        let mut tx = doc.transaction();
        tx.put(&dots, format!("{number:06}"), ScalarValue::Bytes(pack(piece)))?;
        commit(tx);
    }
    let mut tx = doc.transaction();
    for (mark, count) in &content.erased {
        tx.put(&erased, hex(mark), ScalarValue::Uint(u64::from(*count)))?;
    }
    commit(tx);
    Ok(())
}

/// Writes as somebody who saw no more than these changes, so that what others wrote since stands beside it.
fn beside(
    doc: &mut Automerge,
    heads: &[automerge::ChangeHash],
    write: impl FnOnce(&mut Transaction<'_>) -> Result<(), AutomergeError>,
) -> Result<(), AutomergeError> {
    let log = PatchLog::inactive();
    let mut tx = doc.transaction_at(log, heads).map_err(|_| AutomergeError::InvalidObjId("log".into()))?;
    write(&mut tx)?;
    commit(tx);
    Ok(())
}

/// What a node brings to the document that holds.
#[derive(Default)]
struct Brought<'a> {
    /// Values that replace what this node had seen; `None` takes it away.
    after: Vec<(&'a Place, Option<&'a Cell>)>,
    /// Values that others wrote too, without either having seen the other.
    beside: Vec<(&'a Place, &'a Cell)>,
    /// Whether a value goes that was erased here: then it has to go from the past as well.
    erased: bool,
}

/// Brings what `ours` has and `theirs` never saw into the document `doc`, whose content is `theirs`. Gives whether the
/// document has to be founded again because it holds what was erased here.
pub(crate) fn bring(
    doc: &mut Automerge,
    id: DocumentId,
    founder: &ActorId,
    ours: &Content,
    theirs: &Content,
) -> Result<bool, AutomergeError> {
    let brought = compare(id, ours, theirs);
    let objects: Vec<Option<ObjId>> = schema::maps(id).iter().map(|name| schema::map(doc, founder, name)).collect();
    let object = |field: usize| objects.get(field).cloned().flatten();
    let dots = schema::map(doc, founder, BROUGHT);
    if !brought.beside.is_empty() {
        let first = doc.get_changes_meta(&[]).iter().find(|change| change.deps.is_empty()).map(|change| change.hash);
        let heads: Vec<_> = first.into_iter().collect();
        beside(doc, &heads, |tx| {
            brought.beside.iter().try_for_each(|(place, cell)| match object(place.0) {
                Some(object) => put_brought(tx, (&object, dots.as_ref()), place, cell),
                None => Ok(()),
            })
        })?;
    }
    let seen = schema::map(doc, founder, SEEN);
    let erased = schema::map(doc, founder, ERASED);
    let mut tx = doc.transaction();
    for (place, cell) in &brought.after {
        match (object(place.0), cell) {
            (Some(object), Some(cell)) => put_brought(&mut tx, (&object, dots.as_ref()), place, cell)?,
            (Some(object), None) => tx.delete(&object, place.1.as_str())?,
            (None, _) => {}
        }
    }
    if let (Some(seen), Some(erased)) = (seen, erased) {
        for (actor, last) in ours.seen.iter().filter(|(actor, last)| !theirs.saw(&((*actor).clone(), **last))) {
            tx.put(&seen, hex(actor.to_bytes()), ScalarValue::Uint(*last))?;
        }
        for (mark, count) in ours.erased.iter().filter(|(mark, _)| !theirs.erased.contains_key(*mark)) {
            tx.put(&erased, hex(mark), ScalarValue::Uint(u64::from(*count)))?;
        }
    }
    commit(tx);
    Ok(brought.erased)
}

/// Writes a value and, right after it, by which edit it came to be: others may have seen that edit.
fn put_brought(
    tx: &mut Transaction<'_>,
    (object, dots): (&ObjId, Option<&ObjId>),
    (field, key): &Place,
    cell: &Cell,
) -> Result<(), AutomergeError> {
    tx.put(object, key, cell.value.as_str())?;
    match dots {
        Some(dots) => tx.put(dots, format!("{field}/{key}"), ScalarValue::Bytes(pack(&[&cell.dot]))),
        None => Ok(()),
    }
}

fn compare<'a>(id: DocumentId, ours: &'a Content, theirs: &'a Content) -> Brought<'a> {
    let mut brought = Brought::default();
    for (place, cell) in &ours.cells {
        match theirs.cells.get(place) {
            _ if theirs.saw(&cell.dot) => {}
            Some(other) if other.value == cell.value => {}
            Some(other) if ours.saw(&other.dot) => brought.after.push((place, Some(cell))),
            Some(_) => brought.beside.push((place, cell)),
            None if theirs.has_erased(id, &place.1) => {}
            None => brought.after.push((place, Some(cell))),
        }
    }
    for (place, other) in &theirs.cells {
        if !ours.cells.contains_key(place) && ours.saw(&other.dot) {
            brought.after.push((place, None));
            brought.erased |= ours.has_erased(id, &place.1);
        }
    }
    if id == DocumentId::Lists {
        drop_orphans(&mut brought, theirs);
    }
    brought
}

/// Leaves out labels and notes of entries that exist on neither side: the number would stay in the document unseen.
fn drop_orphans(brought: &mut Brought<'_>, theirs: &Content) {
    const STANDING_FIELD: usize = 0;
    let standings = brought.after.iter().filter(|((field, _), _)| *field == STANDING_FIELD);
    let said: BTreeMap<&str, bool> = standings.map(|((_, key), value)| (key.as_str(), value.is_some())).collect();
    let exists = |key: &str| match said.get(key) {
        Some(exists) => *exists,
        None => theirs.cells.contains_key(&(STANDING_FIELD, key.to_owned())),
    };
    brought.after.retain(|((field, key), value)| *field == STANDING_FIELD || value.is_none() || exists(key));
}
