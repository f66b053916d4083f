//! The datagram socket: every message is looked at before the stack parses it.

use std::net::SocketAddr;
use std::sync::Arc;

use rsipstack::platform::net::UdpSocket;

use crate::line::Line;
use crate::wire::{Screened, put_back, screen};

/// A socket that hands on only what may be parsed.
pub(crate) struct ScreenedSocket {
    pub(crate) socket: tokio::net::UdpSocket,
    pub(crate) line: Arc<Line>,
}

#[async_trait::async_trait]
impl UdpSocket for ScreenedSocket {
    async fn recv_from(&self, buffer: &mut [u8]) -> rsipstack::Result<(usize, SocketAddr)> {
        // One byte more than any datagram, so that nothing is cut short unseen.
        let mut datagram = vec![0_u8; 65_536];
        loop {
            let (length, from) = self.socket.recv_from(&mut datagram).await?;
            let bytes = datagram.get(..length).unwrap_or_default();
            // Keepalives (RFC 5626 3.5.1) are the stack's to answer.
            let taken = if bytes.len() <= 4 {
                bytes.to_vec()
            } else {
                match screen(bytes) {
                    Screened::Take(taken) => taken,
                    Screened::Answer(answer) => {
                        if self.line.sources.allow(from.ip()) {
                            let _ = self.socket.send_to(&answer, from).await;
                        }
                        continue;
                    }
                    Screened::Drop(reason) => {
                        self.line.counters.malformed.count();
                        tracing::debug!(line = %self.line.name.0, reason, "a datagram was dropped");
                        continue;
                    }
                }
            };
            if let Some(space) = buffer.get_mut(..taken.len()) {
                space.copy_from_slice(&taken);
                return Ok((taken.len(), from));
            }
        }
    }

    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> rsipstack::Result<usize> {
        Ok(self.socket.send_to(&put_back(bytes), to).await?)
    }

    fn local_addr(&self) -> rsipstack::Result<SocketAddr> {
        Ok(self.socket.local_addr()?)
    }
}
