//! What the daemon carries between the engine and the key file where members give out the key.

use std::{sync::Arc, time::Duration};

use meerkat_core::Snapshot;
use meerkat_protocols::audit::{Actor, Deed};
use meerkat_store::{Keeper, KeyMode};
use tokio::sync::watch;

use crate::threads::Rewrap;

/// How often where members are found is written down at most: addresses change by the day, and the card wears.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Writes the key file with what members hold now.
pub(crate) fn rewrap(keeper: &Keeper) -> Rewrap {
    let keeper = keeper.clone();
    Box::new(move |entrusted, whom| {
        let written = keeper.keep_with_members(entrusted, whom);
        written.inspect_err(|why| tracing::error!(%why, "the key file is as it was")).is_ok()
    })
}

/// Notes where members are found whenever that changes, for a start at which they are to be asked.
pub(crate) async fn follow(mut snapshot: watch::Receiver<Arc<Snapshot>>, keeper: Keeper) {
    let mut noted = Vec::new();
    while snapshot.changed().await.is_ok() {
        let whom = snapshot.borrow_and_update().releases.whom.clone();
        if whom.is_empty() || whom == noted || keeper.status().mode != KeyMode::Member {
            continue;
        }
        let (keeper, to_note) = (keeper.clone(), whom.clone());
        // A thread that panicked has said so; the next change is another try.
        let _ = tokio::task::spawn_blocking(move || keeper.note_whom_to_ask(&to_note)).await;
        noted = whom;
        tokio::time::sleep(NOTE_EVERY).await;
    }
}

/// A node that left its household is given no key by it any more: the key lies beside until a person chooses again.
pub(crate) fn leave_members(keeper: &Keeper) {
    if keeper.status().mode != KeyMode::Member {
        return;
    }
    let (result, said) = match keeper.keep_beside() {
        Ok(()) => ("done", "the key lies beside the data now: choose again how it is kept"),
        Err(_) => {
            ("not saved", "the key is with members of the old household: keep it in another way before the next start")
        }
    };
    tracing::warn!("{said}");
    let deed = Deed { result: result.into(), ..Deed::done(Actor::Node, "key.mode", "beside") };
    if let Err(why) = keeper.store().note_deeds(None, &[deed]) {
        tracing::warn!(%why, "a line of the audit log is not saved");
    }
}
