//! Why the daemon did not start, in words, and how the program ends then.

use std::{io, net::SocketAddr, path::PathBuf};

use meerkat_store::{OpenError, ReadError, UnlockError};

use crate::{cli::Exit, identity::NoIdentity, settings::DataFault};

/// Why the daemon did not start. Everything else that is wrong is said on the page of a running one.
#[derive(Debug, thiserror::Error)]
pub enum NotStarted {
    /// The data folder cannot be used.
    #[error(transparent)]
    Data(#[from] DataFault),
    /// The store does not open.
    #[error(transparent)]
    Store(#[from] OpenError),
    /// The key of the store does not open.
    #[error("the key of the data cannot be opened: {0}")]
    Key(UnlockError),
    /// The node does not know who it is.
    #[error(transparent)]
    Identity(#[from] NoIdentity),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Read(#[from] ReadError),
    /// The store cannot be written.
    #[error("the store cannot be written: {0}")]
    Write(#[from] meerkat_store::CommitError),
    /// Neither the wished address nor any other is free for the page.
    #[error("the page cannot be served at {0}: {1}")]
    Page(SocketAddr, io::Error),
    /// The control socket cannot be opened.
    #[error("the control socket {0} cannot be opened: {1}")]
    Socket(PathBuf, io::Error),
    /// The system gives no thread or no randomness.
    #[error("the system refuses what the node needs: {0}")]
    System(#[from] io::Error),
}

impl NotStarted {
    /// How the program ends.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::Store(OpenError::InUse { .. }) => Exit::InUse,
            Self::Data(_)
            | Self::Socket(..)
            | Self::Store(_)
            | Self::Key(_)
            | Self::Identity(_)
            | Self::Read(_)
            | Self::Write(_) => Exit::CannotCreate,
            Self::Page(..) | Self::System(_) => Exit::Unavailable,
        }
    }
}
