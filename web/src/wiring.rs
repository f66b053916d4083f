//! What the page is connected to. The daemon hands it over once; everything in it is cheap to clone.

use std::sync::Arc;

use axum::http::StatusCode;
use meerkat_core::{Command, Refusal, Reply, Snapshot};
use meerkat_protocols::time::Now;
use meerkat_store::{Keeper, Reader};
use serde::{Deserialize, Serialize};
use tokio::sync::{
    mpsc::{self, error::TrySendError},
    oneshot, watch,
};
use utoipa::ToSchema;

use crate::{access::Access, events::EventLog, problem::Problem};

/// What both clocks say now.
pub type Clock = Arc<dyn Fn() -> Now + Send + Sync>;

/// A command to the engine, and where its answer goes.
pub type Order = (Command, oneshot::Sender<Result<Reply, Refusal>>);

/// What the page is connected to.
#[derive(Clone)]
pub struct Wiring {
    /// The engine's door for people. A full one answers `busy`.
    pub commands: mpsc::Sender<Order>,
    /// How things are.
    pub snapshot: watch::Receiver<Arc<Snapshot>>,
    /// The store, for lists and history. While it is `None` those answer `checking`.
    pub reader: watch::Receiver<Option<Reader>>,
    /// Who may come in.
    pub access: Access,
    /// What happened.
    pub events: EventLog,
    /// What does not change while the process runs.
    pub machine: Arc<Machine>,
    /// Both clocks.
    pub clock: Clock,
    /// Who keeps the key of the data.
    pub keeper: Keeper,
}

impl std::fmt::Debug for Wiring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Wiring(…)")
    }
}

/// What does not change while the process runs.
#[derive(Debug, Clone, Default)]
pub struct Machine {
    /// This program's version.
    pub version: String,
    /// Operating system and processor.
    pub platform: String,
    /// What this node can do: `screening`, `sip`, ...
    pub capabilities: Vec<String>,
    /// What this node is called.
    pub node_name: String,
    /// The peer id, as libp2p writes it.
    pub peer: String,
    /// The configuration in effect, secrets left out.
    pub config: Vec<ConfigItem>,
    /// What is wrong with the configuration.
    pub problems: Vec<ConfigProblem>,
    /// Whether the node runs without what a wrong configuration names.
    pub safe_mode: bool,
    /// Host names, without port, under which the page may be asked for, besides `localhost` and addresses.
    pub allowed_hosts: Vec<String>,
    /// Whether the page is served over HTTPS.
    pub https: bool,
    /// Requests of one session, key or address in a minute; [`REQUESTS_PER_MINUTE`] unless told otherwise.
    ///
    /// [`REQUESTS_PER_MINUTE`]: crate::REQUESTS_PER_MINUTE
    pub requests_per_minute: u32,
}

/// Where a value of the configuration comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A configuration file.
    File,
    /// An environment variable.
    Environment,
    /// The command line.
    Flag,
}

/// One value of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigItem {
    /// Its name, with dots.
    pub key: String,
    /// Its value as TOML writes it; `set` for a secret.
    pub value: String,
    /// Where it comes from.
    pub origin: Origin,
    /// The file and line, the variable or the flag.
    #[serde(rename = "where")]
    pub place: String,
}

/// Something wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConfigProblem {
    /// The file, variable or flag.
    pub file: String,
    /// The line, if it is a file's.
    pub line: Option<u32>,
    /// What is wrong.
    pub words: String,
    /// What to do.
    pub remedy: String,
}

impl Wiring {
    /// Asks the engine and waits for its answer.
    pub(crate) async fn command(&self, command: Command) -> Result<Reply, Problem> {
        let (answer, answered) = oneshot::channel();
        self.commands.try_send((command, answer)).map_err(|e| match e {
            TrySendError::Full(_) => Problem::from(Refusal::Busy),
            TrySendError::Closed(_) => Problem::unavailable(),
        })?;
        answered.await.map_err(|_| Problem::unavailable())?.map_err(Problem::from)
    }

    /// Asks the engine for what has no answer but that it is done: `expected`.
    pub(crate) async fn done(&self, command: Command, expected: &Reply) -> Result<StatusCode, Problem> {
        match self.command(command).await? {
            reply if reply == *expected => Ok(StatusCode::NO_CONTENT),
            other => Err(self.unexpected(&other)),
        }
    }

    /// The engine answered something else than what was asked.
    pub(crate) fn unexpected(&self, reply: &Reply) -> Problem {
        tracing::error!(reply = ?std::mem::discriminant(reply), "the engine answered another question");
        Problem::fault("the engine answered another question")
    }

    /// The store, or `checking`.
    pub(crate) fn reader(&self) -> Result<Reader, Problem> {
        self.reader.borrow().clone().ok_or_else(Problem::checking)
    }
}
