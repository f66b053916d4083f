//! The audit log: what people and nodes of a household changed. It is one of the node's logs of facts; each line carries
//! the link of the chain before it, so that whoever reads the log finds the first line that is not as it was written.

use serde::{Deserialize, Serialize};

use crate::{
    cbor,
    facts::{Body, Digest, Entry, Link, LogId, LogMark, Seq},
    text,
};

/// The longest action, and the longest word on its result.
const MAX_WORD_BYTES: usize = 64;
/// The longest target.
const MAX_TARGET_BYTES: usize = 200;

/// Who did something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Actor {
    /// A person, by the name they sign in with.
    Person(String),
    /// A program, by the id of its key.
    Key(String),
    /// Whoever sat at the node itself: the owner of its process.
    Terminal,
    /// The node by itself.
    Node,
    /// Somebody who did not sign in.
    Nobody,
}

impl Actor {
    /// In words.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Person(name) => name.clone(),
            Self::Key(id) => format!("API key {id}"),
            Self::Terminal => "command line".into(),
            Self::Node => "this node".into(),
            Self::Nobody => "not signed in".into(),
        }
    }
}

/// One thing that was done, or refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deed {
    /// By whom.
    pub actor: Actor,
    /// What, as a word that never changes: `lists.set`, `key.mode`.
    pub action: String,
    /// On what: a number, a name, an id. For admins alone.
    pub target: String,
    /// `done`, or the code of the refusal.
    pub result: String,
    /// How often in a row, where one line stands for many.
    pub times: u32,
}

impl Deed {
    /// Something done once.
    #[must_use]
    pub fn done(actor: Actor, action: &str, target: &str) -> Self {
        Self { actor, action: action.into(), target: target.into(), result: "done".into(), times: 1 }
    }

    /// As it may be kept: whatever came from outside is inert and bounded.
    #[must_use]
    pub fn bounded(mut self) -> Self {
        let cut = |word: &str, most: usize| {
            let mut word = text::inert(word);
            while word.len() > most {
                word.pop();
            }
            word
        };
        self.action = cut(&self.action, MAX_WORD_BYTES);
        self.result = cut(&self.result, MAX_WORD_BYTES);
        self.target = cut(&self.target, MAX_TARGET_BYTES);
        match &mut self.actor {
            Actor::Person(name) | Actor::Key(name) => *name = cut(name, MAX_TARGET_BYTES),
            Actor::Terminal | Actor::Node | Actor::Nobody => {}
        }
        self
    }
}

/// A line as it lies in the log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// The link of the chain before it.
    pub previous: Link,
    /// What was done.
    pub deed: Deed,
}

impl Line {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        cbor::encode(self)
    }

    /// Reads them.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        cbor::decode(bytes).ok()
    }
}

/// The first place where a log is not what was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Broken {
    /// This line does not follow from the lines before it: it, or one before it, was changed, added or taken out since.
    Line(Seq),
    /// This line cannot be read: its value was altered or has decayed.
    Unreadable(Seq),
    /// The last line is not the one that the log ends with: lines after this place were taken away.
    Shortened(Seq),
    /// The log ends before what another node holds of it signed: it was rewritten or put back to an older state.
    BehindMembers(Seq),
}

impl Broken {
    /// What it means.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Line(seq) => format!(
                "line {} does not follow from those before it: it or one before it was changed, added or taken out after \
                 it was written",
                seq.0
            ),
            Self::Unreadable(seq) => {
                format!("line {} cannot be read: it was altered, or the memory card decays", seq.0)
            }
            Self::Shortened(seq) => format!("lines from {} on were taken away", seq.0),
            Self::BehindMembers(seq) => format!(
                "another node of the household holds a signed line {} that is not in this log: the log was rewritten or \
                 put back to an older state",
                seq.0
            ),
        }
    }
}

/// Follows a log line by line from where it is held.
#[derive(Debug, Clone)]
pub struct Check {
    log: LogId,
    link: Link,
    next: Seq,
    lines: u64,
}

impl Check {
    /// From the first line that is held.
    #[must_use]
    pub fn new(log: LogId, mark: &LogMark) -> Self {
        Self { log, link: mark.base, next: mark.low, lines: 0 }
    }

    /// The next line.
    ///
    /// # Errors
    /// [`Broken`]: this is the first line that is not as it was written.
    pub fn line(&mut self, entry: &Entry, line: Option<&Line>) -> Result<(), Broken> {
        match (&entry.body, line) {
            (Body::Whole(_), None) => return Err(Broken::Unreadable(entry.seq)),
            (Body::Whole(_), Some(line)) if line.previous != self.link => return Err(Broken::Line(entry.seq)),
            // Of an expired line the hash is left, by which the chain goes on.
            (Body::Whole(_) | Body::Gone(_), _) => {}
        }
        let digest: Digest = entry.body.digest();
        self.link = self.link.then(self.log, entry.seq, &digest);
        self.next = Seq(entry.seq.0.saturating_add(1));
        self.lines += 1;
        Ok(())
    }

    /// How many lines hold so far.
    #[must_use]
    pub fn lines(&self) -> u64 {
        self.lines
    }

    /// At the end: whether the log ends as it is said to.
    ///
    /// # Errors
    /// [`Broken::Shortened`] if lines are missing at the end.
    pub fn end(&self, mark: &LogMark) -> Result<u64, Broken> {
        // Not by the sequence: after a restore it jumps ahead.
        if self.link != mark.link {
            return Err(Broken::Shortened(self.next));
        }
        Ok(self.lines)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_bytes::ByteBuf;

    use super::*;
    use crate::{
        facts::{Dated, Fact, Stream},
        home::NodeNumber,
    };

    const LOG: LogId = LogId { node: NodeNumber(0), stream: Stream::Audit };

    fn log(lines: u64) -> (LogMark, Vec<Entry>) {
        let (mut mark, mut entries) = (LogMark::default(), vec![]);
        for n in 0..lines {
            let deed = Deed::done(Actor::Person("Ada".into()), "lists.set", &format!("+49{n}"));
            let line = Line { previous: mark.link, deed };
            let body = Fact::Audit(Dated { at: Some(7), bytes: ByteBuf::from(line.bytes()) }).body();
            mark.append(LOG, Seq(n), &Digest::of(&body));
            entries.push(Entry { seq: Seq(n), body: Body::Whole(ByteBuf::from(body)) });
        }
        (mark, entries)
    }

    fn line(entry: &Entry) -> Option<Line> {
        let Body::Whole(bytes) = &entry.body else { return None };
        let Ok(Fact::Audit(dated)) = Fact::read(Stream::Audit, bytes) else { return None };
        Line::read(&dated.bytes)
    }

    fn check(mark: &LogMark, entries: &[Entry]) -> Result<u64, Broken> {
        let mut check = Check::new(LOG, mark);
        entries.iter().try_for_each(|entry| check.line(entry, line(entry).as_ref()))?;
        check.end(mark)
    }

    #[test]
    fn a_whole_log_holds_and_so_does_one_whose_oldest_lines_expired() {
        let (mut mark, mut entries) = log(20);
        assert_eq!(check(&mark, &entries), Ok(20));
        for entry in entries.drain(..5) {
            mark.expire(LOG, entry.seq, &entry.body.digest());
        }
        assert_eq!(check(&mark, &entries), Ok(15));
        assert_eq!(check(&LogMark::default(), &[]), Ok(0));
    }

    proptest! {
        #[test]
        fn the_first_line_that_was_changed_is_found(at in 0_usize..19, what in 0_u8..4) {
            let (mark, mut entries) = log(20);
            match what {
                0 => drop(entries.remove(at)),
                1 => entries.swap(at, at + 1),
                2 => entries[at].body = entries[(at + 1) % 20].body.clone(),
                _ => entries[at].body = Body::Whole(ByteBuf::from(vec![1, 2, 3])),
            }
            let found = check(&mark, &entries).expect_err("it was changed");
            let seq = match found {
                Broken::Line(seq) | Broken::Unreadable(seq) | Broken::Shortened(seq) | Broken::BehindMembers(seq) => seq,
            };
            // The line itself, or where it was taken out the one that follows.
            prop_assert!((at as u64..=at as u64 + 1).contains(&seq.0), "{found:?} for {at}");
        }

        #[test]
        fn a_log_that_was_cut_short_is_noticed(left in 0_usize..20) {
            let (mark, entries) = log(20);
            prop_assert_eq!(check(&mark, &entries[..left]), Err(Broken::Shortened(Seq(left as u64))));
        }
    }

    #[test]
    fn what_comes_from_outside_is_inert_and_bounded() {
        let (action, target) = ("a".repeat(900), "ü\u{202e}".repeat(900));
        let deed = Deed::done(Actor::Person("\u{1b}[31m".into()), &action, &target).bounded();
        assert_eq!(deed.action.len(), MAX_WORD_BYTES);
        assert!(deed.target.len() <= MAX_TARGET_BYTES && !deed.target.contains('\u{202e}'), "{deed:?}");
        assert!(!deed.actor.words().contains('\u{1b}'));
    }
}
