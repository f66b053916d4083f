//! How the documents are laid out, and how they came to be.
//!
//! Every document has at its root `version` and some maps whose values are plain scalars:
//!
//! | document | maps |
//! |---|---|
//! | lists | `standing`, `label`, `notes`, each from [`Subject::key`](meerkat_protocols::wishes::Subject::key) |
//! | settings | `settings`, from the setting's name |
//! | neighbours | `name`, from the home's name |
//! | index | `generation`, from the document's word |
//! | people | `name`, from the number |
//! | rules | `tell`, from the alarm's code; `quiet`, from `from` and `to` |
//! | acknowledgements | `acknowledged`, from the alarm's key |
//! | accounts | `role`, `hash`, from the account's name |
//! | nodes | `place`, `notes`, from the member's number |
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
pub(crate) const VERSION_KEY: &str = "version";

/// Whether an entry exists, and what it says about the caller.
pub(crate) const STANDING: &str = "standing";
/// The name of an entry; absent when empty.
pub(crate) const LABEL: &str = "label";
/// The notes of an entry; absent when empty.
pub(crate) const NOTES: &str = "notes";
/// Settings by name.
pub(crate) const SETTINGS: &str = "settings";
/// Names of homes and of people.
pub(crate) const NAME: &str = "name";
/// In which generation documents are.
pub(crate) const GENERATION: &str = "generation";
/// Which alarms are told.
pub(crate) const TELL: &str = "tell";
/// When none is told.
pub(crate) const QUIET: &str = "quiet";
/// Which alarms somebody has seen.
pub(crate) const ACKNOWLEDGED: &str = "acknowledged";
/// What an account may do.
pub(crate) const ROLE: &str = "role";
/// The role of an account that was removed: a word that stays, so that what another node does to the account without
/// knowing of the removal does not bring it back.
pub(crate) const REMOVED: &str = "removed";
/// The hash of an account's password.
pub(crate) const HASH: &str = "hash";
/// Where a node stands.
pub(crate) const PLACE: &str = "place";

/// The names of settings in their map.
pub(crate) const REGION: &str = "region";
pub(crate) const ANONYMOUS: &str = "anonymous";
pub(crate) const INVALID: &str = "invalid";
pub(crate) const RANGES: &str = "ranges";

/// The names in the map of quiet hours.
pub(crate) const QUIET_FROM: &str = "from";
pub(crate) const QUIET_TO: &str = "to";

/// The maps of a document, in the order in which the first change makes them: the order is part of its hash.
pub(crate) fn maps(id: DocumentId) -> &'static [&'static str] {
    match id {
        DocumentId::Lists => &[STANDING, LABEL, NOTES],
        DocumentId::Settings => &[SETTINGS],
        DocumentId::Neighbours | DocumentId::People => &[NAME],
        DocumentId::Index => &[GENERATION],
        DocumentId::Rules => &[TELL, QUIET],
        DocumentId::Acknowledgements => &[ACKNOWLEDGED],
        DocumentId::Accounts => &[ROLE, HASH],
        DocumentId::Nodes => &[PLACE, NOTES],
    }
}

/// The actor of a document's first change: the same on every node, so that documents made apart share it and merge.
pub(crate) fn creator(id: DocumentId) -> ActorId {
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

/// The map `name` as the first change, which `founder` made, has it. Another object that a change put in its place is
/// not taken for it.
pub(crate) fn map(doc: &impl ReadDoc, founder: &ActorId, name: &str) -> Option<ObjId> {
    let all = doc.get_all(ROOT, name).ok()?;
    all.into_iter().find_map(|(value, object)| match (value, &object) {
        (Value::Object(ObjType::Map), ObjId::Id(_, actor, _)) if actor == founder => Some(object),
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
        let heads: Vec<String> = (1..=9)
            .filter_map(DocumentId::from_number)
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
            "33e8d95fcb4bff48a8d5544dd77e22586601893caed7eeb6aad6c1e2789b3888",
            "fd6ad71188faa87322c3fb7df8deb6aef8bbdf39d922e589053431aa72ed4bd8",
            "3b8c3fc0af4eaf42b747665e430211eba0f7b7bfd6bac00dcdebc9af26e63e2e",
            "9fefce5064dce5e769fad8162a896edf7d6a1210e65480c45cdfc90573f574bb",
            "7cdd0672c09aee9c8acc5f5dca12cd0d5ef9a3124525662394570c1a64e3e80a",
            "598b40df2e394f9317af2450df2b1cc13343128b3f051fffad821fe90f973972",
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
