//! What needs a person's attention, each at most once.

use std::collections::BTreeMap;

use meerkat_protocols::{
    home::NodeNumber,
    phone::Line,
    time::Now,
    wishes::{DocumentId, MAX_ALARM_KEY_CHARS},
};

/// Something that needs a person's attention.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alarm {
    /// The disk does not take what should be saved; the text is the store's own word.
    NotSaving(String),
    /// Writes were given up because the disk takes nothing and memory is bounded.
    WritesLost,
    /// A call was let through because no verdict came in time.
    FailedOpen,
    /// A telephone line is not usable.
    LineFailing(Line, String),
    /// The network cannot do its work.
    NetworkTrouble(String),
    /// The clock is not set.
    ClockNotSet,
    /// A vouched neighbour's home has signed two statements in one slot.
    NeighbourEquivocates(meerkat_protocols::home::HomeId),
    /// A node gave entries of another's log, or of its own, that its log does not have.
    FactsForged(NodeNumber, NodeNumber),
    /// So many entries of the logs decayed on disk and wait for another node to give them again.
    FactsDamaged(usize),
    /// The disk is nearly full: the oldest entries of the logs are dropped.
    FactsDropped,
    /// What the store kept is damaged; the text says what of it.
    StoreDamaged(String),
    /// Two copies of a member's data folder run.
    CopyOf(NodeNumber, String),
    /// A copy of this node's data folder runs elsewhere.
    OwnCopy,
    /// This node was removed from its household.
    Expelled,
    /// A member was given the key of its store, as it is at each of its starts.
    KeyReleased(NodeNumber, String),
    /// The key of a store was asked for and not given: of a node that was removed, or that runs already.
    KeyRefused(NodeNumber, String),
    /// No member that is left has what opens this node's store.
    KeyHeldByNobody,
    /// A planned backup was not made; the text says why and what to do.
    BackupFailed(String),
    /// A member of the household sent changes of a document that nobody honest makes.
    MemberDistrusted {
        /// How the household calls it.
        member: String,
        /// Which document.
        document: DocumentId,
        /// What was wrong.
        why: String,
    },
}

impl Alarm {
    /// All kinds by their codes, with what each is about, for those who choose which are told.
    pub const KINDS: [(&str, &str); 15] = [
        ("not_saving", "The disk does not take what should be saved"),
        ("writes_lost", "What waited to be saved was given up"),
        ("failed_open", "A call rang without being screened"),
        ("line_failing", "A telephone line is not usable"),
        ("network_trouble", "The connection to neighbours is in trouble"),
        ("clock_not_set", "The clock is not set"),
        ("neighbour_equivocates", "A neighbour contradicts itself"),
        ("facts_forged", "A log of another node was altered"),
        ("facts_damaged", "Entries of the log decayed on the disk"),
        ("facts_dropped", "The disk is nearly full"),
        ("store_damaged", "What was saved is damaged"),
        ("copy_of_member", "A node of the household runs twice"),
        ("own_copy", "This node runs twice"),
        ("expelled", "This node was removed from its household"),
        ("member_distrusted", "A node of the household sends what none should"),
    ];

    /// The alarm's name in every interface.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotSaving(_) => "not_saving",
            Self::WritesLost => "writes_lost",
            Self::FailedOpen => "failed_open",
            Self::LineFailing(..) => "line_failing",
            Self::NetworkTrouble(_) => "network_trouble",
            Self::ClockNotSet => "clock_not_set",
            Self::NeighbourEquivocates(_) => "neighbour_equivocates",
            Self::FactsForged(..) => "facts_forged",
            Self::FactsDamaged(_) => "facts_damaged",
            Self::FactsDropped => "facts_dropped",
            Self::StoreDamaged(_) => "store_damaged",
            Self::CopyOf(..) => "copy_of_member",
            Self::OwnCopy => "own_copy",
            Self::Expelled => "expelled",
            Self::KeyReleased(..) => "key_released",
            Self::KeyRefused(..) => "key_refused",
            Self::KeyHeldByNobody => "key_held_by_nobody",
            Self::BackupFailed(_) => "backup_failed",
            Self::MemberDistrusted { .. } => "member_distrusted",
        }
    }

    /// Under which key the household notes that somebody has seen it. What concerns one node alone is noted for that node.
    #[must_use]
    pub fn shared_key(&self, node: NodeNumber) -> String {
        let (_, detail) = self.key();
        let whole_home = matches!(self, Self::NeighbourEquivocates(_) | Self::MemberDistrusted { .. });
        let place = if whole_home { String::new() } else { format!("@{}", node.0) };
        let key = format!("{}{place} {detail}", self.code());
        key.trim_end().chars().take(MAX_ALARM_KEY_CHARS).collect()
    }

    /// What is wrong, what it means and what to do.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::NotSaving(why) => {
                format!("New calls and changes cannot be saved: {why}. Calls are still screened. Free some space or check the disk.")
            }
            Self::WritesLost => {
                "The disk took nothing for so long that older unsaved entries were given up. Calls are still screened.".into()
            }
            Self::FailedOpen => {
                "A call rang without being screened because the node was too slow. If this happens again, the machine is overloaded.".into()
            }
            Self::LineFailing(line, why) => format!("The line {} takes no calls: {why}", line.0),
            Self::NetworkTrouble(why) => format!("The connection to neighbours is in trouble: {why}"),
            Self::ClockNotSet => {
                "The clock is not set: calls are screened, but nothing can be reported and nothing expires. Connect to the internet once or set the clock.".into()
            }
            Self::FactsForged(of, from) => format!(
                "Node {} gave entries as the log of node {} that are not in it as that node signed it. They were dropped and are asked for elsewhere. If this stays, one of the two runs from an old copy of its data, or has been tampered with.",
                from.0, of.0
            ),
            Self::FactsDamaged(1) => {
                "The memory card or disk has altered one entry of the log. It is not used and is fetched again from another node of your home.".into()
            }
            Self::FactsDamaged(count) => format!(
                "The memory card or disk has altered {count} entries of the log. They are not used and are fetched again from another node of your home."
            ),
            Self::FactsDropped => {
                "The disk is nearly full, so the oldest calls and other entries of the log are dropped before their time. Make room where Meerkat keeps its data.".into()
            }
            Self::StoreDamaged(what) => {
                format!("The memory card or disk has altered what was saved: {what}. What is damaged is not used; calls are still screened. Make a copy of the data folder and replace the card soon.")
            }
            Self::CopyOf(_, name) => format!(
                "The node “{name}” of your household runs twice: its data folder was copied. Stop one of the two, remove “{name}” from the household and let the other join anew."
            ),
            Self::OwnCopy => {
                "A copy of this node runs elsewhere with the same data folder. Calls are screened, but nothing is reported from here. Stop one of the two, remove this node from the household on another one and let it join anew.".into()
            }
            Self::Expelled => {
                "This node was removed from its household. It screens calls by what it knows and gets nothing new. To let it back in, invite it again.".into()
            }
            Self::KeyReleased(_, name) => format!(
                "The node “{name}” of your household started anew and was given the key of its data. If nobody switched it off and on, somebody may have its memory card: remove it from the household at once."
            ),
            Self::KeyRefused(_, name) => format!(
                "Somebody asked for the key of the data of “{name}” and did not get it: that node was removed from your household, or runs already. If it was stolen, this was the thief, who can read nothing on it."
            ),
            Self::KeyHeldByNobody => {
                "The key of this node's data is kept by other nodes of the household, and none that is left has it: after its next start it could not be opened any more. Keep it under a pass-phrase now, or connect another node of the household.".into()
            }
            Self::BackupFailed(why) => format!(
                "The planned backup was not made: {why}. Older backups are as they were. It is tried again every hour; System, Backups says where they go."
            ),
            Self::MemberDistrusted { member, document, why } => format!(
                "Your node {member} sent changes of your {} that no honest node makes: {why}. They were not taken, and nothing more about them is taken from it until this node starts again. If it was stolen or is not as you left it, remove it from the household.",
                document.word()
            ),
            Self::NeighbourEquivocates(home) => format!(
                "The home {} has contradicted itself under its own signature. Its word counts for nothing here until you have spoken to that neighbour.",
                home.short()
            ),
        }
    }

    /// Two alarms of one key are the same alarm with other words.
    fn key(&self) -> (u8, String) {
        match self {
            Self::NotSaving(_) => (0, String::new()),
            Self::WritesLost => (1, String::new()),
            Self::FailedOpen => (2, String::new()),
            Self::LineFailing(line, _) => (3, line.0.clone()),
            Self::NetworkTrouble(_) => (4, String::new()),
            Self::ClockNotSet => (5, String::new()),
            Self::NeighbourEquivocates(home) => (6, home.to_string()),
            Self::StoreDamaged(_) => (7, String::new()),
            Self::FactsForged(of, _) => (30, of.0.to_string()),
            Self::FactsDamaged(_) => (31, String::new()),
            Self::FactsDropped => (32, String::new()),
            Self::CopyOf(number, _) => (8, number.0.to_string()),
            Self::OwnCopy => (9, String::new()),
            Self::Expelled => (10, String::new()),
            Self::KeyReleased(number, _) => (40, number.0.to_string()),
            Self::KeyRefused(number, _) => (41, number.0.to_string()),
            Self::KeyHeldByNobody => (42, String::new()),
            Self::BackupFailed(_) => (43, String::new()),
            Self::MemberDistrusted { member, document, .. } => (20, format!("{member} {}", document.word())),
        }
    }
}

/// How long an alarm stands about something that is over when it is noticed: a person looks once a day.
const OVER_AFTER_MS: u64 = 86_400_000;

#[derive(Debug)]
struct Standing {
    alarm: Alarm,
    /// Unix second.
    since: Option<i64>,
    /// When it was last raised, in milliseconds of the monotonic clock.
    last_ms: u64,
}

/// The alarms that stand.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    standing: BTreeMap<(u8, String), Standing>,
    /// How often one came, changed its words or went.
    changes: u64,
}

impl Alarms {
    /// Raises an alarm; `true` if it did not stand before in these words.
    pub(crate) fn raise(&mut self, now: Now, alarm: &Alarm) -> bool {
        let before = self.standing.get(&alarm.key());
        let since = before.map_or(now.wall, |standing| standing.since);
        let news = before.is_none_or(|standing| standing.alarm != *alarm);
        self.standing.insert(alarm.key(), Standing { alarm: alarm.clone(), since, last_ms: now.mono_ms });
        self.changes += u64::from(news);
        news
    }

    /// Clears the alarm with the key of this one, whatever its words, and returns it.
    pub(crate) fn clear(&mut self, like: &Alarm) -> Option<Alarm> {
        let gone = self.standing.remove(&like.key()).map(|standing| standing.alarm);
        self.changes += u64::from(gone.is_some());
        gone
    }

    /// Whether an alarm with the key of this one stands.
    pub(crate) fn has(&self, like: &Alarm) -> bool {
        self.standing.contains_key(&like.key())
    }

    /// Those about something that was over when it was noticed, and that have stood long enough.
    pub(crate) fn over(&self, now: Now) -> Vec<Alarm> {
        let passing = |alarm: &Alarm| {
            use Alarm::{FailedOpen, KeyRefused, KeyReleased, WritesLost};
            matches!(alarm, FailedOpen | WritesLost | KeyReleased(..) | KeyRefused(..))
        };
        let over = self.standing.values().filter(|s| passing(&s.alarm) && now.mono_ms >= s.last_ms + OVER_AFTER_MS);
        over.map(|s| s.alarm.clone()).collect()
    }

    /// How often one came, changed its words or went, since the start.
    pub(crate) fn changes(&self) -> u64 {
        self.changes
    }

    /// Those that stand, with the Unix second since when.
    pub(crate) fn standing(&self) -> Vec<(Alarm, Option<i64>)> {
        self.standing.values().map(|s| (s.alarm.clone(), s.since)).collect()
    }
}
