//! What a document says, without how it came to say it: each value with the dot of the edit that wrote it, and which
//! edits were seen. Two contents can be merged without any history, so history can be given up.

use std::collections::{BTreeMap, BTreeSet};

use automerge::{ActorId, Automerge, ChangeHash, ObjId, ROOT, ReadDoc, ScalarValueRef, ValueRef};
use meerkat_protocols::wishes::{DocumentId, Generation};

use crate::{reading, schema};

/// The map of a founded document that names what was seen: from the actor to the counter of its last operation.
pub(crate) const SEEN: &str = "seen";
/// The map of a founded document with the dots of the values it was founded with, in pieces.
pub(crate) const DOTS: &str = "dots";
/// The map of a founded document with the marks of keys that were erased, each with the founding that did it.
pub(crate) const ERASED: &str = "erased";
/// The map of a founded document with the dots of values that a returning node brought into it: each was written right
/// before its dot, so that the one is known by the operation of the other.
pub(crate) const BROUGHT: &str = "brought";
/// The field of the root with the count of foundings.
pub(crate) const FOUNDED: &str = "founded";

/// Bytes of the mark of an erased key. Three bytes fit some six hundred telephone numbers each, so that nobody reads from
/// a mark which number was erased; that a mark fits a key it was not made for costs a returning node one edit in
/// 2^24 / [`MAX_ERASED`].
pub(crate) const MARK_BYTES: usize = 3;
/// The most marks kept; those of the oldest foundings go first.
pub(crate) const MAX_ERASED: usize = 1_000;

/// Which operation wrote a value: its actor and counter.
pub(crate) type Dot = (ActorId, u64);
/// Which value: the number of the field and the key in it.
pub(crate) type Place = (usize, String);
/// The mark of an erased key.
pub(crate) type Mark = [u8; MARK_BYTES];

/// A value with the operation that wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) value: String,
    pub(crate) dot: Dot,
}

/// What a document says.
#[derive(Debug, Clone, Default)]
pub(crate) struct Content {
    pub(crate) cells: BTreeMap<Place, Cell>,
    /// The last operation of each actor that was seen; all before it were seen too.
    pub(crate) seen: BTreeMap<ActorId, u64>,
    /// Keys of the lists that are allowed and blocked at once.
    pub(crate) disputed: BTreeSet<String>,
    /// Marks of erased keys, and the founding in which each was.
    pub(crate) erased: BTreeMap<Mark, u32>,
}

impl Content {
    /// Reads what a document says.
    pub(crate) fn of(doc: &Automerge, id: DocumentId, founder: &ActorId, generation: Generation) -> Self {
        let mut content = Self::default();
        let dots = if generation.count > 0 { founding_dots(doc, id, founder) } else { BTreeMap::new() };
        let brought = brought_dots(doc, founder);
        for (field, name) in schema::maps(id).iter().enumerate() {
            let Some(object) = schema::map(doc, founder, name) else { continue };
            for item in doc.map_range(&object, ..) {
                let ValueRef::Scalar(ScalarValueRef::Str(value)) = &item.value else { continue };
                let ObjId::Id(counter, actor, _) = item.id() else { continue };
                let place = (field, item.key.to_string());
                let mut value = value.to_string();
                if *name == schema::ROLE && item.conflict {
                    let all = doc.get_all(&object, item.key.as_ref()).unwrap_or_default();
                    let held = reading::settled_role(all.iter().filter_map(|(value, _)| value.as_str()));
                    value = held.unwrap_or(schema::REMOVED).to_owned();
                }
                if *name == schema::STANDING && item.conflict && is_disputed(doc, &object, &item.key) {
                    value = "allow".into();
                    content.disputed.insert(item.key.to_string());
                }
                let before = if actor == *founder { dots.get(&place) } else { brought.get(&(actor.clone(), counter)) };
                let dot = before.cloned().unwrap_or((actor, counter));
                content.cells.insert(place, Cell { value, dot });
            }
        }
        content.read_seen(doc, founder);
        content.read_erased(doc, founder);
        content
    }

    fn read_seen(&mut self, doc: &Automerge, founder: &ActorId) {
        for change in doc.get_changes_meta(&[]) {
            let last = self.seen.entry(change.actor.as_ref().clone()).or_default();
            *last = (*last).max(change.max_op);
        }
        let Some(object) = schema::map(doc, founder, SEEN) else { return };
        for item in doc.map_range(&object, ..) {
            let Some(actor) = unhex(&item.key) else { continue };
            let all = doc.get_all(&object, item.key.as_ref()).unwrap_or_default();
            let most = all.iter().filter_map(|(value, _)| value.as_u64()).max().unwrap_or(0);
            let last = self.seen.entry(actor).or_default();
            *last = (*last).max(most);
        }
    }

    fn read_erased(&mut self, doc: &Automerge, founder: &ActorId) {
        let Some(object) = schema::map(doc, founder, ERASED) else { return };
        for item in doc.map_range(&object, ..) {
            let mark = unhex(&item.key).and_then(|bytes| Mark::try_from(bytes.to_bytes()).ok());
            let ValueRef::Scalar(ScalarValueRef::Uint(count)) = &item.value else { continue };
            if let Some(mark) = mark {
                self.erased.insert(mark, u32::try_from(*count).unwrap_or(u32::MAX));
            }
        }
    }

    /// Whether the edit with this dot was seen.
    pub(crate) fn saw(&self, dot: &Dot) -> bool {
        self.seen.get(&dot.0).is_some_and(|last| *last >= dot.1)
    }

    /// Takes all values of a key away, for ever.
    pub(crate) fn erase(&mut self, id: DocumentId, key: &str, founding: u32) {
        self.cells.retain(|(_, other), _| other != key);
        self.disputed.remove(key);
        self.erased.insert(mark(id, key), founding);
        while self.erased.len() > MAX_ERASED {
            let oldest = self.erased.iter().min_by_key(|(mark, count)| (**count, **mark)).map(|(mark, _)| *mark);
            oldest.map(|mark| self.erased.remove(&mark));
        }
    }

    /// Whether the key was erased and not set again since.
    pub(crate) fn has_erased(&self, id: DocumentId, key: &str) -> bool {
        self.erased.contains_key(&mark(id, key))
    }
}

fn is_disputed(doc: &Automerge, object: &ObjId, key: &str) -> bool {
    let all = doc.get_all(object, key).unwrap_or_default();
    reading::disputed(all.iter().filter_map(|(value, _)| value.as_str()))
}

/// The mark of a key.
pub(crate) fn mark(id: DocumentId, key: &str) -> Mark {
    let mut hash = blake3::Hasher::new_derive_key("meerkat 2026-11 erased key");
    hash.update(&[id as u8]).update(key.as_bytes());
    let mut mark = [0; MARK_BYTES];
    hash.finalize_xof().fill(&mut mark);
    mark
}

/// The last change of the founding, after which the values stood that the dots are about.
pub(crate) fn founding_head(doc: &Automerge, founder: &ActorId) -> Option<ChangeHash> {
    let changes = doc.get_changes_meta(&[]);
    let own = changes.iter().filter(|change| change.actor.as_ref() == founder);
    own.max_by_key(|change| change.seq).map(|change| change.hash)
}

/// The dots of the values that a document was founded with: in the order of fields and keys as they stood then.
fn founding_dots(doc: &Automerge, id: DocumentId, founder: &ActorId) -> BTreeMap<Place, Dot> {
    let (Some(head), Some(pieces)) = (founding_head(doc, founder), schema::map(doc, founder, DOTS)) else {
        return BTreeMap::new();
    };
    let mut dots = Vec::new();
    for item in doc.map_range(&pieces, ..) {
        if let ValueRef::Scalar(ScalarValueRef::Bytes(bytes)) = &item.value {
            dots.extend(unpack(bytes));
        }
    }
    let mut places = Vec::with_capacity(dots.len());
    for (field, name) in schema::maps(id).iter().enumerate() {
        let Some(object) = schema::map(doc, founder, name) else { continue };
        places.extend(doc.map_range_at(&object, .., &[head]).map(|item| (field, item.key.to_string())));
    }
    places.into_iter().zip(dots).collect()
}

/// The dots of values that were brought, by the operation that brought each.
fn brought_dots(doc: &Automerge, founder: &ActorId) -> BTreeMap<Dot, Dot> {
    let mut dots = BTreeMap::new();
    let Some(object) = schema::map(doc, founder, BROUGHT) else { return dots };
    for item in doc.map_range(&object, ..) {
        for (value, operation) in doc.get_all(&object, item.key.as_ref()).unwrap_or_default() {
            let packed = value.into_scalar().ok().and_then(|value| value.into_bytes().ok()).unwrap_or_default();
            if let (ObjId::Id(counter, actor, _), Some(dot)) = (operation, unpack(&packed).pop()) {
                dots.insert((actor, counter.saturating_sub(1)), dot);
            }
        }
    }
    dots
}

/// Packs dots: the actors they name, then the number of the actor and the counter of each.
pub(crate) fn pack(dots: &[&Dot]) -> Vec<u8> {
    let actors: BTreeSet<&ActorId> = dots.iter().map(|(actor, _)| actor).collect();
    let numbers: BTreeMap<&ActorId, u64> = actors.iter().copied().zip(0..).collect();
    let mut out = Vec::new();
    varint(&mut out, actors.len() as u64);
    for actor in actors {
        varint(&mut out, actor.to_bytes().len() as u64);
        out.extend_from_slice(actor.to_bytes());
    }
    for (actor, counter) in dots {
        varint(&mut out, numbers[actor]);
        varint(&mut out, *counter);
    }
    out
}

/// Reads what [`pack`] wrote, as far as it can be read.
fn unpack(bytes: &[u8]) -> Vec<Dot> {
    let mut rest = bytes;
    let mut actors = Vec::new();
    for _ in 0..unvarint(&mut rest).unwrap_or(0) {
        let length = unvarint(&mut rest).and_then(|length| usize::try_from(length).ok());
        let Some((actor, after)) = length.and_then(|length| rest.split_at_checked(length)) else { return Vec::new() };
        actors.push(ActorId::from(actor));
        rest = after;
    }
    let mut dots = Vec::new();
    while let (Some(actor), Some(counter)) = (unvarint(&mut rest), unvarint(&mut rest)) {
        let Some(actor) = usize::try_from(actor).ok().and_then(|actor| actors.get(actor)) else { break };
        dots.push((actor.clone(), counter));
    }
    dots
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn unvarint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..63).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<ActorId> {
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    pairs.collect::<Option<Vec<u8>>>().filter(|bytes| !bytes.is_empty()).map(ActorId::from)
}

/// The fields of the root that a founded document has beside those of the first generation.
pub(crate) fn count_of(doc: &Automerge) -> Option<u32> {
    let (value, _) = doc.get(ROOT, FOUNDED).ok()??;
    u32::try_from(value.as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_read_back() {
        let actors = [ActorId::from([3; 16]), ActorId::from([1; 16])];
        let dots: Vec<Dot> = (0..300_u64).map(|n| (actors[n as usize % 2].clone(), n * n * n)).collect();
        assert_eq!(unpack(&pack(&dots.iter().collect::<Vec<_>>())), dots);
        assert_eq!(unpack(&[]), []);
        assert_eq!(unpack(&[0xff; 40]), []);
        assert_eq!(unhex(&hex(&[0, 255, 16])), Some(ActorId::from([0, 255, 16])));
        assert_eq!(unhex("0g"), None);
    }
}
