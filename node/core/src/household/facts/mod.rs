//! The exchange of facts: members tell each other how far they hold each log and ask for what they lack.
//!
//! [`Facts`] is one end of it, pure: words in, [`Step`]s out. Entries are followed along their log's chain before they
//! are written; what comes through a third member is given on only as far as the log's own node has signed for it.
//! `design/facts.md` says what that proves and what not.

mod follow;
mod glue;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::{BTreeMap, BTreeSet};

use meerkat_protocols::{
    batch::Write,
    facts::{Entry, Head, LogChange, LogId, LogMark, Seq, SignedHead},
    home::{HomeId, NodeNumber},
    time::Now,
};

pub(crate) use glue::FactsEnd;
pub(crate) use wire::Word;
use wire::{MAX_ENTRIES, PART_BYTES, Part, Told, Wanted};

/// After so many entries a node signs its log, or after so long if there are fewer.
const SIGN_AFTER: u64 = 64;
const SIGN_AFTER_MS: u64 = 60_000;
/// How often a member is told of news at most, and how often without any.
const TELL_MS: u64 = 100;
const TELL_IDLE_MS: u64 = 300_000;
/// How long a member that could not give what it told of is not asked for that log again.
const AVOID_MS: u64 = 60_000;
/// The same if it was busy or did not answer, and how long until it is told again what it may not have heard: a cut of the
/// line loses words, and nothing else would bring them up before the next idle word.
const AGAIN_MS: u64 = 2_000;
/// Parts of all logs that are asked for at once, and parts that wait for the disk.
const MAX_FETCHES: usize = 4;
/// What is read for members at once; more of them are told to ask again.
const MAX_LOADS: usize = 16;
/// The seconds over which the rate of catching up is counted.
const RATE_S: u64 = 10;

/// What to read from the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Load {
    /// What is held of each log.
    Logs,
    /// Entries of a log.
    Part {
        /// Which.
        log: LogId,
        /// From here on.
        from: Seq,
        /// Before this.
        before: Seq,
        /// At most so many bytes.
        bytes: usize,
    },
    /// Damaged entries.
    Damaged {
        /// Of which log.
        log: LogId,
        /// From here on.
        from: Seq,
    },
}

/// What was read, in the words of [`Load`].
#[derive(Debug, Clone, PartialEq)]
pub enum Loaded {
    /// What is held of each log.
    Logs(BTreeMap<LogId, LogMark>),
    /// What is held of the log, entries, and the first damaged one after them.
    Part(LogMark, Vec<Entry>, Option<Seq>),
    /// Damaged entries, and where to go on.
    Damaged(Vec<Seq>, Option<Seq>),
    /// It could not be read.
    Nothing,
}

/// One read, as numbered by the node since it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoadId(pub u64);

/// What this end does next.
#[derive(Debug, PartialEq)]
pub(crate) enum Step<R> {
    /// Ask a member.
    Ask(NodeNumber, Word),
    /// Answer a member.
    Answer(R, Word),
    /// Read from the store.
    Load(LoadId, Load),
    /// Read what is held, once all that was written before is on disk.
    LoadWhenSaved(LoadId),
    /// Write; the flag says that more is to come at once.
    Write(Write, bool),
    /// Sign a head.
    Sign(Head),
    /// A member gave what its node never wrote, or the log's node said two things.
    Forged(LogId, NodeNumber),
    /// Entries of a log that are damaged, of all logs.
    Hurt(usize),
}

/// Who may have logs, and how their heads are checked.
pub(crate) trait Keys {
    /// The statement key of a node of this home, also of one that was removed.
    fn key_of(&self, node: NodeNumber) -> Option<[u8; 32]>;
}

/// What a read is for.
enum Purpose<R> {
    Marks { puts: u64 },
    Give(R, u16, LogId),
    Hurt(LogId),
}

/// Why a part was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Want {
    Next,
    Mend,
}

struct Fetch {
    from: NodeNumber,
    at: Seq,
    why: Want,
}

/// What a connected member told.
#[derive(Default)]
struct Member {
    told: BTreeMap<LogId, Told>,
    /// Logs it has not heard of since they changed.
    news: BTreeSet<LogId>,
    /// A word to it that has no answer yet.
    telling: bool,
    tell_due_ms: u64,
}

/// How far facts are exchanged, for those who look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FactsState {
    /// Entries that connected members hold and this node does not.
    pub to_come: u64,
    /// Entries that came in each of the last seconds.
    pub per_second: u64,
    /// Entries that are held.
    pub held: u64,
    /// Entries that decayed on disk and wait for a member to give them again.
    pub damaged: usize,
}

/// One end of the exchange. `R` is how a member's word is answered.
pub(crate) struct Facts<R> {
    own: NodeNumber,
    home: HomeId,
    logs: BTreeMap<LogId, LogMark>,
    /// Links of entries that no head vouches for yet, so that a head on one in between can be checked.
    unvouched: BTreeMap<LogId, Vec<(Seq, meerkat_protocols::facts::Link)>>,
    members: BTreeMap<NodeNumber, Member>,
    fetches: BTreeMap<LogId, Fetch>,
    avoid: BTreeMap<(NodeNumber, LogId), u64>,
    loads: BTreeMap<LoadId, Purpose<R>>,
    next_load: u64,
    /// Writes put, and those of them that were on disk when what is held was last read.
    puts: u64,
    loaded: u64,
    reading_marks: bool,
    /// Writes were given up: nothing is asked for until what is held was read again.
    lost: bool,
    signing: BTreeSet<LogId>,
    unsigned_since_ms: BTreeMap<LogId, u64>,
    hurt: BTreeMap<LogId, BTreeSet<Seq>>,
    mends: BTreeMap<LogId, Vec<Entry>>,
    /// Logs to be looked through once they are mended on disk.
    mended: BTreeSet<LogId>,
    /// Second, entries that came in it.
    came: Vec<(u64, u64)>,
    steps: Vec<Step<R>>,
}

impl<R> Facts<R> {
    pub(crate) fn new(own: NodeNumber, home: HomeId, logs: BTreeMap<LogId, LogMark>) -> Self {
        Self {
            own,
            home,
            logs,
            unvouched: BTreeMap::new(),
            members: BTreeMap::new(),
            fetches: BTreeMap::new(),
            avoid: BTreeMap::new(),
            loads: BTreeMap::new(),
            next_load: 0,
            puts: 0,
            loaded: 0,
            reading_marks: false,
            lost: false,
            signing: BTreeSet::new(),
            unsigned_since_ms: BTreeMap::new(),
            hurt: BTreeMap::new(),
            mends: BTreeMap::new(),
            mended: BTreeSet::new(),
            came: Vec::new(),
            steps: Vec::new(),
        }
    }

    /// What to do now, in this order.
    pub(crate) fn steps(&mut self) -> Vec<Step<R>> {
        std::mem::take(&mut self.steps)
    }

    /// When to come back, in milliseconds of the monotonic clock.
    pub(crate) fn due_ms(&self) -> Option<u64> {
        if self.members.is_empty() {
            return None;
        }
        let tell = self.members.values().filter(|m| !m.telling).map(|m| m.tell_due_ms);
        let sign = self.unsigned_since_ms.iter().filter(|(log, _)| !self.signing.contains(log));
        tell.chain(sign.map(|(_, since)| since + SIGN_AFTER_MS)).chain(self.avoid.values().copied()).min()
    }

    pub(crate) fn state(&self, now: Now) -> FactsState {
        let behind = |log: &LogId| {
            let held = self.logs.get(log).map_or((Seq(0), 0), |mark| (mark.next, mark.entries));
            let told = self.members.values().filter_map(|m| m.told.get(log)).filter(|told| told.next > held.0);
            told.map(|told| told.entries.saturating_sub(held.1).clamp(1, told.next.0 - held.0.0)).max().unwrap_or(0)
        };
        let logs: BTreeSet<&LogId> = self.members.values().flat_map(|m| m.told.keys()).collect();
        let since = (now.mono_ms / 1_000).saturating_sub(RATE_S);
        let came: u64 = self.came.iter().filter(|(second, _)| *second >= since).map(|(_, n)| n).sum();
        FactsState {
            to_come: logs.into_iter().filter(|log| log.node != self.own).map(behind).sum(),
            per_second: came.div_ceil(RATE_S),
            held: self.logs.values().map(|mark| mark.entries).sum(),
            damaged: self.hurt.values().map(BTreeSet::len).sum(),
        }
    }

    /// A member is there.
    pub(crate) fn came(&mut self, now: Now, member: NodeNumber) {
        let news = self.logs.keys().copied().collect();
        self.members.insert(member, Member { news, tell_due_ms: now.mono_ms, ..Member::default() });
        self.avoid.retain(|(of, _), _| *of != member);
        if self.members.len() == 1 {
            self.look_for_damage();
        }
        self.changed();
        self.mind(now);
    }

    /// A member is gone.
    pub(crate) fn went(&mut self, member: NodeNumber) {
        self.members.remove(&member);
        self.fetches.retain(|_, fetch| fetch.from != member);
    }

    /// Something was put into an own log: what is held is read once it is on disk.
    pub(crate) fn changed(&mut self) {
        self.puts += 1;
        self.read_marks();
    }

    /// Writes were given up.
    pub(crate) fn writes_lost(&mut self) {
        self.lost = true;
        self.changed();
    }

    fn read_marks(&mut self) {
        if !self.reading_marks && self.loaded < self.puts && !self.members.is_empty() {
            self.reading_marks = true;
            let id = self.load_id(Purpose::Marks { puts: self.puts });
            self.steps.push(Step::LoadWhenSaved(id));
        }
    }

    fn load_id(&mut self, purpose: Purpose<R>) -> LoadId {
        let id = LoadId(self.next_load);
        self.next_load += 1;
        self.loads.insert(id, purpose);
        id
    }

    /// What is due now: news, words that stand out, heads to sign.
    pub(crate) fn mind(&mut self, now: Now) {
        self.avoid.retain(|_, until| *until > now.mono_ms);
        let due: Vec<NodeNumber> = self.members.iter().filter(|(_, m)| m.is_due(now)).map(|(n, _)| *n).collect();
        for number in due {
            let member = self.members.get_mut(&number).expect("found in it above");
            let news = std::mem::take(&mut member.news);
            (member.telling, member.tell_due_ms) = (true, now.mono_ms + TELL_IDLE_MS);
            let told = news.iter().filter_map(|log| self.tell(*log)).take(wire::MAX_LOGS).collect();
            self.steps.push(Step::Ask(number, Word::Tell(told)));
        }
        self.sign_due(now);
        self.fetch();
    }

    /// What can be had here of a log: of others' only as far as they signed for it.
    fn tell(&self, log: LogId) -> Option<Told> {
        let mark = self.logs.get(&log)?;
        let next = self.gives(log, mark);
        Some(Told { log, low: mark.low.min(next), next, entries: mark.entries, head: mark.head.clone() })
    }

    fn gives(&self, log: LogId, mark: &LogMark) -> Seq {
        if log.node == self.own { mark.next } else { mark.verified.max(mark.low) }
    }

    /// A member says something.
    pub(crate) fn asked(&mut self, now: Now, keys: &impl Keys, from: NodeNumber, inbound: R, word: Word) {
        match word {
            Word::Tell(told) => {
                let all = self.logs.keys().filter_map(|log| self.tell(*log)).take(wire::MAX_LOGS).collect();
                // Whoever asks with nothing in hand wants to know; news are answered by what was asked for of them.
                let answer = if told.is_empty() || self.is_new(from) { all } else { Vec::new() };
                self.steps.push(Step::Answer(inbound, Word::Tell(answer)));
                self.heard(now, keys, from, told);
            }
            Word::Want(wanted) => self.give(inbound, &wanted),
            Word::Part(_) => self.steps.push(Step::Answer(inbound, Word::Tell(Vec::new()))),
        }
    }

    fn is_new(&self, member: NodeNumber) -> bool {
        self.members.get(&member).is_none_or(|m| m.told.is_empty())
    }

    fn give(&mut self, inbound: R, wanted: &Wanted) {
        let gives = self.logs.get(&wanted.log).map(|mark| self.gives(wanted.log, mark));
        let Some(before) = gives.filter(|_| self.loads.len() < MAX_LOADS) else {
            return self.steps.push(Step::Answer(inbound, Word::Tell(Vec::new())));
        };
        let id = self.load_id(Purpose::Give(inbound, wanted.most, wanted.log));
        let load = Load::Part { log: wanted.log, from: wanted.from, before, bytes: PART_BYTES };
        self.steps.push(Step::Load(id, load));
    }

    /// What was read from the store.
    pub(crate) fn loaded(&mut self, now: Now, id: LoadId, loaded: Loaded) {
        match (self.loads.remove(&id), loaded) {
            (Some(Purpose::Marks { puts }), Loaded::Logs(marks)) => {
                (self.reading_marks, self.loaded) = (false, puts);
                self.take_marks(now, marks);
                if puts == self.puts {
                    let mended = std::mem::take(&mut self.mended);
                    mended.into_iter().for_each(|log| self.look_through(log));
                }
                self.read_marks();
                self.mind(now);
            }
            (Some(Purpose::Marks { .. }), _) => self.reading_marks = false,
            (Some(Purpose::Give(inbound, most, log)), Loaded::Part(mark, mut entries, damaged)) => {
                entries.truncate(most.into());
                let part = Part { log, low: mark.low, base: mark.base, entries, head: mark.head };
                self.steps.push(Step::Answer(inbound, Word::Part(part)));
                if let Some(seq) = damaged {
                    self.found_damage(log, &[seq]);
                }
            }
            (Some(Purpose::Give(inbound, ..)), _) => self.steps.push(Step::Answer(inbound, Word::Tell(Vec::new()))),
            (Some(Purpose::Hurt(log)), Loaded::Damaged(found, next)) => {
                self.found_damage(log, &found);
                if let Some(from) = next {
                    let id = self.load_id(Purpose::Hurt(log));
                    self.steps.push(Step::Load(id, Load::Damaged { log, from }));
                }
                self.fetch();
            }
            (Some(Purpose::Hurt(_)) | None, _) => {}
        }
    }

    /// What is on disk: of own logs always, of others' unless more of them is on its way there.
    fn take_marks(&mut self, now: Now, marks: BTreeMap<LogId, LogMark>) {
        let settled = self.loaded == self.puts;
        for (log, mark) in marks {
            if log.node != self.own && !settled && self.logs.contains_key(&log) {
                continue;
            }
            let news = self
                .logs
                .get(&log)
                .is_none_or(|old| (old.next, &old.head, old.low) != (mark.next, &mark.head, mark.low));
            let known = self.logs.get(&log).map(|old| (old.next, old.verified));
            if news || known.is_some_and(|known| known != (mark.next, mark.verified)) {
                self.say(now, log);
            }
            self.logs.insert(log, mark);
        }
        if settled {
            self.lost = false;
        }
        self.note_unsigned(now);
    }

    /// Members are to hear of a log.
    fn say(&mut self, now: Now, log: LogId) {
        for member in self.members.values_mut() {
            member.news.insert(log);
            member.tell_due_ms = member.tell_due_ms.min(now.mono_ms + TELL_MS);
        }
    }

    fn note_unsigned(&mut self, now: Now) {
        let own = self.logs.iter().filter(|(log, _)| log.node == self.own);
        let unsigned: Vec<LogId> = own.filter(|(_, mark)| mark.next > mark.verified).map(|(log, _)| *log).collect();
        self.unsigned_since_ms.retain(|log, _| unsigned.contains(log));
        for log in unsigned {
            self.unsigned_since_ms.entry(log).or_insert(now.mono_ms);
        }
    }

    fn sign_due(&mut self, now: Now) {
        for (log, since) in self.unsigned_since_ms.clone() {
            let Some(mark) = self.logs.get(&log) else { continue };
            let many = mark.head.is_none() || mark.next.0 - mark.verified.0.min(mark.next.0) >= SIGN_AFTER;
            if (many || now.mono_ms >= since + SIGN_AFTER_MS) && self.signing.insert(log) {
                self.steps.push(Step::Sign(Head::new(self.home, log, mark.next, mark.link)));
            }
        }
    }

    /// A head of ours is signed.
    pub(crate) fn signed(&mut self, signed: SignedHead) {
        let Some(head) = signed.read(self.home) else { return };
        self.signing.remove(&head.log());
        self.steps.push(Step::Write(Write::Log(Box::new(LogChange::Head(head, signed))), false));
        self.unsigned_since_ms.remove(&head.log());
        self.changed();
    }

    fn look_for_damage(&mut self) {
        self.logs.keys().copied().collect::<Vec<_>>().into_iter().for_each(|log| self.look_through(log));
    }

    fn look_through(&mut self, log: LogId) {
        let id = self.load_id(Purpose::Hurt(log));
        self.steps.push(Step::Load(id, Load::Damaged { log, from: Seq(0) }));
    }
}

impl Member {
    fn is_due(&self, now: Now) -> bool {
        !self.telling && self.tell_due_ms <= now.mono_ms
    }
}

/// The most damaged entries of a log that are fetched again one by one.
const MAX_HURT: usize = 1_024;
/// The most entries that one word asks for.
const MOST: u16 = MAX_ENTRIES as u16;
