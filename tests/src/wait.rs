//! Waiting for what must come, with a deadline that fails loudly.

use std::time::{Duration, Instant};

/// How long anything may take on a machine that is busy with other tests.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer.
///
/// For states that nobody announces; where there is an event, wait for that.
///
/// # Panics
/// When [`PATIENCE`] has passed: with what was waited for.
pub fn until<T>(what: &str, ask: impl FnMut() -> Option<T>) -> T {
    until_within(PATIENCE, what, ask)
}

/// The same, with another patience.
///
/// # Panics
/// When the patience has passed: with what was waited for.
pub fn until_within<T>(patience: Duration, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited {patience:?} in vain for: {what}");
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
