//! Lines between nodes: memory, on which everything arrives late.

use std::{
    collections::VecDeque,
    future::Future as _,
    io,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures::{AsyncRead, AsyncWrite};
use meerkat_network::libp2p::{
    Transport,
    core::transport::{MemoryTransport, memory::Channel},
};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::dice::Dice;

/// All bytes that arrived, in all lines of the process: there is one world in it.
static BYTES: AtomicU64 = AtomicU64::new(0);

/// What lines are like.
#[derive(Debug, Clone, Copy)]
pub struct Latency {
    /// At least and at most, one way, in microseconds. Drawn once for a line and way.
    pub us: [u64; 2],
    /// By how much of that what is sent may be later, at most.
    pub jitter: f64,
}

/// All bytes that have arrived anywhere.
pub fn bytes() -> u64 {
    BYTES.load(Ordering::Relaxed)
}

/// Memory with this latency.
pub fn transport(
    latency: Latency,
    dice: Dice,
) -> impl Transport<Output = Line, Error: Send + Sync, Dial: Send, ListenerUpgrade: Send> + Send + Unpin + 'static {
    let mut dice = dice;
    MemoryTransport::new().map(move |channel, _| Line::new(channel, latency, dice.apart()))
}

/// One end of a line; what comes to it comes late.
pub struct Line {
    channel: Channel<Vec<u8>>,
    dice: Dice,
    latency_us: u64,
    jitter_us: u64,
    on_its_way: VecDeque<(Instant, Vec<u8>)>,
    /// How much of the first was read.
    read: usize,
    arrives: Pin<Box<Sleep>>,
    ended: bool,
}

impl Line {
    fn new(channel: Channel<Vec<u8>>, latency: Latency, mut dice: Dice) -> Self {
        let latency_us = dice.between(latency.us[0], latency.us[1]);
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_sign_loss,
            clippy::cast_possible_truncation,
            reason = "below an hour"
        )]
        let jitter_us = (latency_us as f64 * latency.jitter) as u64;
        let arrives = Box::pin(sleep_until(Instant::now()));
        Self { channel, dice, latency_us, jitter_us, on_its_way: VecDeque::new(), read: 0, arrives, ended: false }
    }

    /// Takes in what was sent meanwhile. Nothing overtakes what was sent before.
    fn take_in(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let mut bytes = [0; 16 * 1024];
        while !self.ended {
            match Pin::new(&mut self.channel).poll_read(context, &mut bytes) {
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Ok(count)) => {
                    let after = self.latency_us + self.dice.between(0, self.jitter_us);
                    let at = Instant::now() + Duration::from_micros(after);
                    let at = self.on_its_way.back().map_or(at, |(last, _)| at.max(*last));
                    self.on_its_way.push_back((at, bytes[..count].to_vec()));
                }
                Poll::Ready(Err(error)) => return Err(error),
                Poll::Pending => break,
            }
        }
        Ok(())
    }
}

impl AsyncRead for Line {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        self.take_in(context)?;
        let Some((at, _)) = self.on_its_way.front() else {
            return if self.ended { Poll::Ready(Ok(0)) } else { Poll::Pending };
        };
        let at = *at;
        if at > Instant::now() {
            self.arrives.as_mut().reset(at);
            ready!(self.arrives.as_mut().poll(context));
        }
        let read = self.read;
        let (count, all) = match self.on_its_way.front() {
            Some((_, bytes)) => {
                let count = into.len().min(bytes.len() - read);
                into[..count].copy_from_slice(&bytes[read..read + count]);
                (count, read + count == bytes.len())
            }
            None => return Poll::Pending,
        };
        self.read += count;
        if all {
            self.on_its_way.pop_front();
            self.read = 0;
        }
        BYTES.fetch_add(count as u64, Ordering::Relaxed);
        Poll::Ready(Ok(count))
    }
}

impl AsyncWrite for Line {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.channel).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_flush(context)
    }

    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.channel).poll_close(context)
    }
}
