//! What the node does by itself, in the audit log: as bounded as what people do is by their number.

use meerkat_protocols::{
    audit::{Actor, Deed},
    cbor,
    facts::Fact,
    time::Now,
};

use crate::{alarms::Alarm, node::Node, output::Urgency};

/// Lines of the node's own in an hour; what is more is counted, and the sum is a line of the next hour. Of the busiest hours,
/// those in which a household is made, none has a dozen.
const MOST_AN_HOUR: u32 = 60;
const HOUR_MS: u64 = 3_600_000;

/// How many lines this hour has, and how many were left out.
#[derive(Debug, Default)]
pub(crate) struct Acts {
    since_ms: u64,
    lines: u32,
    left_out: u32,
}

impl Acts {
    /// Whether there is room for a line, and how many were left out before it.
    fn room(&mut self, now: Now) -> Option<u32> {
        if now.mono_ms >= self.since_ms.saturating_add(HOUR_MS) {
            (self.since_ms, self.lines) = (now.mono_ms, 0);
        }
        if self.lines >= MOST_AN_HOUR {
            self.left_out = self.left_out.saturating_add(1);
            return None;
        }
        self.lines += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

impl Node {
    /// Writes down what this node did by itself.
    pub(crate) fn log_act(&mut self, now: Now, action: &str, target: &str, result: &str) {
        self.log_deed(now, &Deed { result: result.to_owned(), ..Deed::done(Actor::Node, action, target) });
    }

    fn log_deed(&mut self, now: Now, deed: &Deed) {
        let Some(left_out) = self.acts.room(now) else { return };
        if left_out > 0 {
            self.log_line(now, &Deed { times: left_out, ..Deed::done(Actor::Node, "acts.left_out", "") });
        }
        self.log_line(now, deed);
    }

    /// As [`Self::log_act`], for what was done to so many.
    pub(crate) fn log_times(&mut self, now: Now, action: &str, times: usize) {
        let Ok(times) = u32::try_from(times) else { return };
        if times > 0 {
            self.log_deed(now, &Deed { times, ..Deed::done(Actor::Node, action, "") });
        }
    }

    /// Alarms that say what became of the home's data and nodes are history too. Others come and go with the network and the
    /// clock, or stand for what has a line of its own.
    pub(crate) fn log_alarm(&mut self, now: Now, alarm: &Alarm) {
        match alarm {
            Alarm::WritesLost
            | Alarm::NeighbourEquivocates(_)
            | Alarm::FactsForged(..)
            | Alarm::FactsDamaged(_)
            | Alarm::FactsDropped
            | Alarm::StoreDamaged(_)
            | Alarm::CopyOf(..)
            | Alarm::OwnCopy
            | Alarm::Expelled
            | Alarm::KeyHeldByNobody
            | Alarm::MemberDistrusted { .. } => self.log_act(now, &format!("alarm.{}", alarm.code()), "", "raised"),
            _ => {}
        }
    }

    /// A planned backup was made, or not.
    pub(crate) fn backed_up(&mut self, now: Now, file: &str, problem: Option<String>) {
        match problem {
            Some(why) => {
                let alarm = Alarm::BackupFailed(why);
                if !self.stands(&alarm) {
                    self.log_act(now, "backup.planned", file, "failed");
                }
                self.raise(now, alarm);
            }
            None => {
                self.log_act(now, "backup.planned", file, "done");
                self.clear(&Alarm::BackupFailed(String::new()));
            }
        }
    }

    fn log_line(&mut self, now: Now, deed: &Deed) {
        self.note(Fact::audit(now.wall, cbor::encode(deed)), Urgency::Now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_acts_is_counted_and_not_written() {
        let at = |mono_ms| Now { mono_ms, wall: None };
        let mut acts = Acts::default();
        let written = (0..1_000).filter(|n| acts.room(at(*n)).is_some()).count();
        assert_eq!(written, MOST_AN_HOUR as usize);
        assert_eq!(acts.room(at(HOUR_MS)), Some(1_000 - MOST_AN_HOUR));
        assert_eq!(acts.room(at(HOUR_MS)), Some(0));
    }
}
