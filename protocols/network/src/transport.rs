//! TCP with Noise and yamux, and QUIC.

use std::time::Duration;

use futures::future::Either;
use libp2p::core::muxing::StreamMuxerBox;
use libp2p::core::transport::timeout::TransportTimeout;
use libp2p::core::transport::{Boxed, OrTransport};
use libp2p::core::upgrade::Version;
use libp2p::identity::Keypair;
use libp2p::{PeerId, Transport, noise, quic, relay, tcp, yamux};

use crate::settings::Trouble;

/// From the first packet to a multiplexed connection. A Pi on a bad radio link needs 1 to 2 s.
const SET_UP_S: u64 = 10;

/// Streams one peer may have open: gossip, identify and ping take 5, exchanges to come a few each.
const MAX_STREAMS: usize = 64;

/// What a peer may send before we have read it, over QUIC: per stream, and over all of them. The defaults of 10 and
/// 15 MB would let 96 connections take 1.4 GB.
const MAX_STREAM_BYTES: u32 = 256 * 1024;
const MAX_CONNECTION_BYTES: u32 = 1024 * 1024;

/// Home routers forget an idle UDP mapping after 30 s (RFC 4787, 4.3 wants 120 s and is often not kept).
const KEEP_ALIVE_S: u64 = 20;
/// Three lost keep-alives.
const SILENCE_MS: u32 = 60_000;

/// Connections, and the relay client's other half.
pub(crate) type Connections = (Boxed<(PeerId, StreamMuxerBox)>, relay::client::Behaviour);

pub(crate) fn sockets(keypair: &Keypair) -> Result<Connections, Trouble> {
    let tcp = secured(tcp::tokio::Transport::new(tcp::Config::default().nodelay(true)), keypair)?;
    let quic = quic::tokio::Transport::new(quic_config(keypair));
    let either = OrTransport::new(quic, tcp).map(|either, _| match either {
        Either::Left((peer, connection)) => (peer, StreamMuxerBox::new(connection)),
        Either::Right(upgraded) => upgraded,
    });
    relayed_or(TransportTimeout::new(either, Duration::from_secs(SET_UP_S)).boxed(), keypair)
}

/// Streams of the caller's.
pub(crate) fn streams<T>(streams: T, keypair: &Keypair) -> Result<Connections, Trouble>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: futures::AsyncRead + futures::AsyncWrite + Unpin + Send + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    relayed_or(secured(streams, keypair)?, keypair)
}

/// The relay's transport is asked first: the others would take the relay's address for the peer's.
fn relayed_or(others: Boxed<(PeerId, StreamMuxerBox)>, keypair: &Keypair) -> Result<Connections, Trouble> {
    let (relayed, behaviour) = relay::client::new(keypair.public().to_peer_id());
    let relayed = secured(relayed, keypair)?;
    let all = OrTransport::new(relayed, others).map(|either, _| either.into_inner());
    Ok((all.boxed(), behaviour))
}

/// Noise and yamux over any reliable stream.
fn secured<T>(transport: T, keypair: &Keypair) -> Result<Boxed<(PeerId, StreamMuxerBox)>, Trouble>
where
    T: Transport + Send + Unpin + 'static,
    T::Output: futures::AsyncRead + futures::AsyncWrite + Unpin + Send + 'static,
    T::Error: Send + Sync + 'static,
    T::Dial: Send + 'static,
    T::ListenerUpgrade: Send + 'static,
{
    let noise = noise::Config::new(keypair).map_err(|error| Trouble::SetUp(error.to_string()))?;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(MAX_STREAMS);
    Ok(transport
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .timeout(Duration::from_secs(SET_UP_S))
        .boxed())
}

fn quic_config(keypair: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(keypair);
    config.handshake_timeout = Duration::from_secs(SET_UP_S);
    config.max_idle_timeout = SILENCE_MS;
    config.keep_alive_interval = Duration::from_secs(KEEP_ALIVE_S);
    config.max_concurrent_stream_limit = MAX_STREAMS as u32;
    config.max_stream_data = MAX_STREAM_BYTES;
    config.max_connection_data = MAX_CONNECTION_BYTES;
    config
}
