//! Starting and stopping the lines.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use meerkat_protocols::phone;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::counters::Counts;
use crate::desk::Desk;
use crate::line::{self, Line};
use crate::settings::LineSettings;
use crate::trouble::Trouble;

/// The running gateway. Dropped without [`Gateway::shutdown`], it stops without saying goodbye to the routers.
#[derive(Debug)]
pub struct Gateway {
    lines: Vec<Arc<Line>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// Starts every line. Must be called inside a tokio runtime with time and I/O.
///
/// A line whose address is taken, or whose router does not answer, does not keep the others from starting: it reports
/// [`phone::LineState::Failing`] and tries again by itself.
///
/// # Errors
/// A setting is wrong, or two lines have one name.
pub fn start(
    lines: Vec<LineSettings>,
    events: mpsc::Sender<phone::Event>,
    acts: mpsc::Receiver<phone::Act>,
    next_call: Arc<AtomicU64>,
) -> Result<Gateway, Trouble> {
    let mut names = BTreeSet::new();
    for line in &lines {
        line.validate()?;
        if !names.insert(line.name.as_str()) {
            return Err(Trouble::SameName(line.name.clone()));
        }
    }
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let desk = Desk::new(events, next_call);
    tokio::spawn(Arc::clone(&desk).hand_out(acts));
    let mut running = Vec::with_capacity(lines.len());
    for settings in lines {
        let line = Arc::new(Line::new(settings, Arc::clone(&desk), stop.clone(), tasks.clone()));
        tasks.spawn(line::run(Arc::clone(&line), line.bind()));
        running.push(line);
    }
    Ok(Gateway { lines: running, tasks, stop })
}

impl Gateway {
    /// The address a line listens at; `None` while it has none.
    #[must_use]
    pub fn address(&self, line: &str) -> Option<SocketAddr> {
        self.line(line)?.bound()
    }

    pub(crate) fn line(&self, name: &str) -> Option<&Arc<Line>> {
        self.lines.iter().find(|line| line.name.0 == name)
    }

    /// What each line has counted.
    #[must_use]
    pub fn counts(&self) -> Vec<(phone::Line, Counts)> {
        self.lines.iter().map(|line| (line.name.clone(), line.counters.read())).collect()
    }

    /// Lets every ringing call through, unregisters, and stops; after `deadline` it stops in any case. Keep receiving
    /// events meanwhile: the last ones are sent here.
    pub async fn shutdown(self, deadline: Duration) {
        self.stop.cancel();
        self.tasks.close();
        // A router that does not answer keeps the old registration until it expires; nothing is lost by going.
        let _ = tokio::time::timeout(deadline, self.tasks.wait()).await;
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        for line in &self.lines {
            line.stopped.cancel();
        }
        self.stop.cancel();
    }
}
