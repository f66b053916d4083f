//! The control socket: the same API as the page's, for the command line on this machine. Who may use it is decided by the
//! kernel's word on who connects: the owner of the daemon and root.

use std::{
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use axum::serve::Listener;
use tokio::net::{UnixListener, UnixStream, unix::SocketAddr};

/// The name of the socket in the data folder.
pub(crate) const SOCKET: &str = "meerkat.sock";

/// A Unix socket that lets in only the owner of this process and root.
#[derive(Debug)]
pub(crate) struct OwnerListener {
    listener: UnixListener,
    owner: u32,
    path: PathBuf,
}

impl OwnerListener {
    /// Opens the socket; one left behind by a daemon that was killed is replaced. The caller holds the folder's lock, so
    /// no living daemon can own it.
    ///
    /// # Errors
    /// If the folder is not writable or the path is longer than a socket's may be (108 bytes on Linux, unix(7)).
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            Ok(()) | Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        Ok(Self { listener, owner: rustix::process::geteuid().as_raw(), path: path.to_owned() })
    }

    fn may(&self, stream: &UnixStream) -> bool {
        stream.peer_cred().is_ok_and(|cred| cred.uid() == self.owner || cred.uid() == 0)
    }
}

impl Drop for OwnerListener {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Listener for OwnerListener {
    type Io = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) if self.may(&stream) => return (stream, address),
                Ok(_) => tracing::warn!("somebody who is not the owner of this node tried its control socket"),
                Err(why) => {
                    // Out of file descriptors, most likely: give others a moment to close theirs.
                    tracing::warn!(%why, "the control socket could not accept");
                    tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}
