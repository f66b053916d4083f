//! Delays by the clock of the runtime, which stands while anything can be done and jumps to what is next.
//!
//! **What is absent.** The thread that the crate of this name has, and the machine's clock: libp2p waits in virtual time.

#![forbid(unsafe_code)]

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::time::{Instant, Sleep};

/// Ends after a while.
#[derive(Debug)]
pub struct Delay(Pin<Box<Sleep>>);

impl Delay {
    /// Ends so long after now.
    #[must_use]
    pub fn new(after: Duration) -> Self {
        Self(Box::pin(tokio::time::sleep(after)))
    }

    /// Ends so long after now instead.
    pub fn reset(&mut self, after: Duration) {
        self.0.as_mut().reset(Instant::now() + after);
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
    }
}
