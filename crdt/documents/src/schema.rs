//! How the documents are laid out, and how they came to be.
//!
//! Every document has at its root `version` and some maps whose values are plain scalars:
//!
//! | document | maps |
//! |---|---|
//! | lists | `standing`, `label`, `notes`, each from [`Subject::key`](meerkat_protocols::wishes::Subject::key) |
//! | settings | `settings`, from the setting's name |
//! | neighbours | `name`, from the home's name |
//!
//! One map per field rather than one map per entry: two nodes that enter the same number while apart would make two
//! objects for it, and Automerge would show only one of them. Scalars under a shared key merge field by field.

use automerge::{
    ActorId, Automerge, AutomergeError, ObjId, ObjType, ROOT, ReadDoc, ScalarValue, Value,
    transaction::{CommitOptions, Transactable},
};
use meerkat_protocols::wishes::DocumentId;

/// The version this program writes. A document of a higher one is read as far as it is understood, and not edited.
pub const VERSION: u64 = 1;

/// The field of the root that holds the version.
const VERSION_KEY: &str = "version";

/// Whether an entry exists, and what it says about the caller.
pub(crate) const STANDING: &str = "standing";
/// The name of an entry; absent when empty.
pub(crate) const LABEL: &str = "label";
/// The notes of an entry; absent when empty.
pub(crate) const NOTES: &str = "notes";
/// Settings by name.
pub(crate) const SETTINGS: &str = "settings";
/// Names of homes.
pub(crate) const NAME: &str = "name";

/// The names of settings in their map.
pub(crate) const REGION: &str = "region";
pub(crate) const ANONYMOUS: &str = "anonymous";
pub(crate) const INVALID: &str = "invalid";
pub(crate) const RANGES: &str = "ranges";

/// The maps of a document, in the order in which the first change makes them: the order is part of its hash.
fn maps(id: DocumentId) -> &'static [&'static str] {
    match id {
        DocumentId::Lists => &[STANDING, LABEL, NOTES],
        DocumentId::Settings => &[SETTINGS],
        DocumentId::Neighbours => &[NAME],
    }
}

/// The actor of a document's first change: the same on every node, so that documents made apart share it and merge.
fn creator(id: DocumentId) -> ActorId {
    let mut bytes = *b"meerkat genesis\0";
    bytes[15] = id as u8;
    ActorId::from(bytes)
}

/// The document with nothing but its first change, which never changes again: later versions are migrations.
pub(crate) fn create(id: DocumentId, actor: &ActorId) -> Result<Automerge, AutomergeError> {
    let mut doc = Automerge::new().with_actor(creator(id));
    let mut tx = doc.transaction();
    tx.put(ROOT, VERSION_KEY, ScalarValue::Uint(1))?;
    for name in maps(id) {
        tx.put_object(ROOT, *name, ObjType::Map)?;
    }
    tx.commit_with(CommitOptions::default().with_time(0));
    Ok(doc.with_actor(actor.clone()))
}

/// The map `name` as the first change made it. Another object that a change put in its place is not taken for it.
pub(crate) fn map(doc: &impl ReadDoc, id: DocumentId, name: &str) -> Option<ObjId> {
    let creator = creator(id);
    let all = doc.get_all(ROOT, name).ok()?;
    all.into_iter().find_map(|(value, object)| match (value, &object) {
        (Value::Object(ObjType::Map), ObjId::Id(_, actor, _)) if *actor == creator => Some(object),
        _ => None,
    })
}

/// The highest version that any node wrote.
pub(crate) fn version(doc: &impl ReadDoc) -> Option<u64> {
    let all = doc.get_all(ROOT, VERSION_KEY).ok()?;
    all.into_iter().filter_map(|(value, _)| value.as_u64()).max()
}

/// One step from a version to the next. It must be right when two nodes take it apart and merge afterwards: it writes
/// scalars under keys that are the same for both, and makes no objects.
type Migration = fn(&mut automerge::transaction::Transaction<'_>) -> Result<(), AutomergeError>;

/// `MIGRATIONS[n]` leads from version n + 1 to n + 2.
const MIGRATIONS: &[Migration] = &[];

/// Brings an older document to [`VERSION`]. The change it makes is saved with the next edit; until then every start
/// makes it anew, in memory.
pub(crate) fn migrate(doc: &mut Automerge) -> Result<(), AutomergeError> {
    migrate_with(doc, MIGRATIONS)
}

fn migrate_with(doc: &mut Automerge, migrations: &[Migration]) -> Result<(), AutomergeError> {
    let from = version(doc).unwrap_or(1).max(1);
    let done = usize::try_from(from - 1).unwrap_or(usize::MAX);
    let Some(steps) = migrations.get(done..).filter(|steps| !steps.is_empty()) else { return Ok(()) };
    let mut tx = doc.transaction();
    for step in steps {
        step(&mut tx)?;
    }
    tx.put(ROOT, VERSION_KEY, from + steps.len() as u64)?;
    tx.commit_with(CommitOptions::default().with_time(0));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_changes_are_the_same_everywhere_and_for_ever() {
        let heads: Vec<String> = DocumentId::ALL
            .into_iter()
            .map(|id| {
                let doc = create(id, &ActorId::from([7_u8; 16])).expect("an empty document takes maps");
                doc.get_heads().iter().map(ToString::to_string).collect()
            })
            .collect();
        // A change here makes documents of existing homes impossible to merge: write a migration instead.
        let expected = [
            "57e165827e138973703d1c738d92cfbe857c763afb1f62a284387ac1ae271e47",
            "8a73ed99cb2e92b461174e4c2be645ac092b8f004af41e32ae78456c41040468",
            "5aadd123bb0692e4edc9f85f4b016743b13d7d2afc8540a4241564f4de0c57db",
        ];
        assert_eq!(heads, expected);
    }

    #[test]
    fn a_migration_runs_once_and_raises_the_version() {
        let step: Migration = |tx| tx.put(ROOT, "motto", "watch");
        let mut doc = create(DocumentId::Settings, &ActorId::from([7_u8; 16])).expect("an empty document takes maps");
        migrate_with(&mut doc, &[step]).expect("a scalar fits");
        let once = doc.get_heads();
        assert_eq!(version(&doc), Some(2));
        assert!(doc.get(ROOT, "motto").expect("the root is there").is_some());
        migrate_with(&mut doc, &[step]).expect("nothing to do");
        assert_eq!(doc.get_heads(), once);
    }
}
