//! The thread of loads: reads from the store what the node needs for other members, so that the engine never does.

use std::thread::JoinHandle;

use meerkat_core::{Load, LoadId, Loaded};
use meerkat_store::{ReadError, Reader};
use tokio::sync::{mpsc, watch};

/// Entries that are looked through in one transaction.
const LOOKED_THROUGH: usize = 1_000;

/// The way to the thread.
pub struct Loads(mpsc::UnboundedSender<(LoadId, Load)>);

impl Loads {
    /// Starts the thread. It ends with the engine: when nobody asks any more.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn start(
        mut reader: watch::Receiver<Option<Reader>>,
        loaded: mpsc::UnboundedSender<(LoadId, Loaded)>,
    ) -> std::io::Result<(Self, JoinHandle<()>)> {
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        let (ask, mut asked) = mpsc::unbounded_channel();
        let thread = std::thread::Builder::new().name("loads".into()).spawn(move || {
            runtime.block_on(async {
                while let Some((id, load)) = asked.recv().await {
                    // While the store is being checked there is nobody to read, and members wait.
                    let Ok(reader) = super::readable(&mut reader).await else { return };
                    if loaded.send((id, read(&reader, &load))).is_err() {
                        return;
                    }
                }
            });
        })?;
        Ok((Self(ask), thread))
    }

    /// Asks for something. How much is under way is bounded by the node.
    pub fn load(&self, id: LoadId, load: Load) {
        if self.0.send((id, load)).is_err() {
            tracing::error!("the thread of loads is gone: facts are not exchanged");
        }
    }
}

fn read(reader: &Reader, load: &Load) -> Loaded {
    let found: Result<Loaded, ReadError> = match load {
        Load::Logs => reader.logs().map(Loaded::Logs),
        Load::Part { log, from, before, bytes } => {
            reader.facts(*log, *from, *before, *bytes).map(|part| Loaded::Part(part.mark, part.entries, part.damaged))
        }
        Load::Damaged { log, from } => {
            reader.damaged_facts(*log, *from, LOOKED_THROUGH).map(|(damaged, next)| Loaded::Damaged(damaged, next))
        }
    };
    found.unwrap_or_else(|why| {
        tracing::warn!(%why, "facts could not be read for another node");
        Loaded::Nothing
    })
}
