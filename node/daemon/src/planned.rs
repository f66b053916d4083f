//! Carries planned backups: looks each minute whether one is due, has it made where nobody waits, and tells the engine.

use std::{path::PathBuf, time::Duration};

use meerkat_core::Command;
use meerkat_protocols::schedule;
use meerkat_store::Keeper;
use tokio::sync::mpsc;

use crate::{clock::Clock, threads::Ask};

const LOOK_EVERY: Duration = Duration::from_secs(60);

/// Looks for what is due until it is aborted; a backup that is being written then is left half and removed by the next.
pub(crate) async fn follow(keeper: Keeper, clock: Clock, engine: mpsc::Sender<Ask>) {
    let mut failed_ms = None;
    let mut minutes = tokio::time::interval(LOOK_EVERY);
    loop {
        minutes.tick().await;
        let now = clock.now();
        // A store that cannot be read says so elsewhere.
        let Ok(Some(plan)) = keeper.store().reader().backup_plan() else { continue };
        if !schedule::is_due(plan.every, plan.past(failed_ms), now.mono_ms, now.wall) {
            continue;
        }
        let made = {
            let keeper = keeper.clone();
            tokio::task::spawn_blocking(move || keeper.make_planned(now.wall)).await
        };
        let Ok(made) = made else { return };
        failed_ms = made.is_err().then_some(clock.mono_ms());
        let command = match made {
            Ok(last) => Command::BackedUp { file: file_name(&last.file), problem: None },
            Err(why) => {
                tracing::error!(%why, "a planned backup was not made");
                Command::BackedUp { file: plan.folder, problem: Some(why.to_string()) }
            }
        };
        let (told, _) = tokio::sync::oneshot::channel();
        if engine.send((command, told)).await.is_err() {
            return;
        }
    }
}

fn file_name(path: &str) -> String {
    PathBuf::from(path).file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
