//! What the system tells a running daemon: stop, and stop at once.

use std::time::Duration;

/// How long each stage of an orderly stop may take.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(5);

/// Waits for SIGINT or SIGTERM; `true` if the engine ended before.
pub(crate) async fn until_told_to_stop(engine: &std::thread::JoinHandle<()>) -> bool {
    let mut look = tokio::time::interval(Duration::from_secs(1));
    let signal = told();
    tokio::pin!(signal);
    loop {
        tokio::select! {
            () = &mut signal => return false,
            _ = look.tick() => if engine.is_finished() { return true },
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
