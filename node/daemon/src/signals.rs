//! What the system tells a running daemon: stop, and stop at once.

use std::time::Duration;

use meerkat_core::Becoming;
use meerkat_store::Keeper;
use tokio::sync::mpsc;

/// How long each stage of an orderly stop may take.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Why what runs is to stop.
#[derive(Debug)]
pub(crate) enum Told {
    /// By SIGINT or SIGTERM.
    Stop,
    /// The engine has ended by itself.
    EngineDied,
    /// Restored data waits to take the place of what is there.
    Restored,
    /// The node is to go on as a part of another home.
    Become(Box<Becoming>),
}

/// Waits for a reason to stop.
pub(crate) async fn until_told_to_stop(
    engine: &std::thread::JoinHandle<()>,
    becoming: &mut mpsc::UnboundedReceiver<Box<Becoming>>,
    keeper: &Keeper,
) -> Told {
    let mut look = tokio::time::interval(Duration::from_secs(1));
    let signal = told();
    tokio::pin!(signal);
    loop {
        tokio::select! {
            () = &mut signal => return Told::Stop,
            Some(becoming) = becoming.recv() => return Told::Become(becoming),
            _ = look.tick() => {
                if engine.is_finished() {
                    return Told::EngineDied;
                }
                if keeper.wants_restart() {
                    return Told::Restored;
                }
            }
        }
    }
}

/// Waits for SIGINT or SIGTERM.
pub(crate) async fn told() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!("the system tells no signals; only a kill stops this node");
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}

/// Ends the process at the second signal.
pub(crate) async fn stop_at_once() {
    told().await;
    tracing::warn!("stopped at once, as asked a second time");
    std::process::exit(130);
}
