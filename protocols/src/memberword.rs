//! What a member of a household tells the others of itself: its machine, its program, and what needs attention there.

use serde::{Deserialize, Serialize};

use crate::{cbor, text, wishes::MAX_ALARM_KEY_CHARS};

/// The longest name of a machine, in characters: `Raspberry Pi Compute Module 4 Rev 1.1`.
pub const MAX_MACHINE_CHARS: usize = 60;
/// The longest version of the program, in characters.
pub const MAX_VERSION_CHARS: usize = 40;
/// The most alarms that a member tells; there are under fifty kinds, and few stand at once.
pub const MAX_MEMBER_ALARMS: usize = 16;
/// The longest words of an alarm, in characters.
pub const MAX_ALARM_WORDS_CHARS: usize = 500;
/// The longest word in bytes; a character takes up to four.
pub const MAX_MEMBER_WORD_BYTES: usize = 64 * 1024;
const VERSION: u8 = 1;

/// An alarm that stands on a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberAlarm {
    /// Its kind.
    pub code: String,
    /// What is wrong there, what it means and what to do.
    pub words: String,
    /// Since when, in Unix seconds, if the member's clock was set.
    pub since: Option<i64>,
    /// Under which key the household notes that somebody has seen it.
    pub key: String,
}

impl MemberAlarm {
    /// With texts inert and cut to their bounds.
    #[must_use]
    pub fn tidy(self) -> Self {
        let Self { code, words, since, key } = self;
        let words = cut(&words, MAX_ALARM_WORDS_CHARS);
        Self { code: cut(&code, 40), words, since, key: cut(&key, MAX_ALARM_KEY_CHARS) }
    }
}

/// What a member tells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemberWord {
    /// What kind of machine it is: `Raspberry Pi 4 Model B`.
    pub machine: String,
    /// The version of its program.
    pub version: String,
    /// What needs attention there.
    pub alarms: Vec<MemberAlarm>,
}

#[derive(Serialize, Deserialize)]
struct Wire(u8, String, String, Vec<MemberAlarm>);

fn cut(words: &str, most: usize) -> String {
    let cut: String = text::inert_lines(words).replace('\n', " ").trim().chars().take(most).collect();
    cut.trim_end().to_owned()
}

impl MemberWord {
    /// With texts inert and cut to their bounds.
    #[must_use]
    pub fn tidy(self) -> Self {
        let alarms = self.alarms.into_iter().take(MAX_MEMBER_ALARMS).map(MemberAlarm::tidy).collect();
        Self { machine: cut(&self.machine, MAX_MACHINE_CHARS), version: cut(&self.version, MAX_VERSION_CHARS), alarms }
    }

    /// The bytes of it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        cbor::encode(&Wire(VERSION, self.machine.clone(), self.version.clone(), self.alarms.clone()))
    }

    /// Reads them; `None` if no honest member writes them, or a later program did.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        if bytes.len() > MAX_MEMBER_WORD_BYTES {
            return None;
        }
        let Wire(version, machine, program, alarms) = cbor::decode_strict(bytes).ok()?;
        let word = Self { machine, version: program, alarms };
        (version == VERSION && word.alarms.len() <= MAX_MEMBER_ALARMS).then(|| word.tidy())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn alarm(words: &str) -> MemberAlarm {
        MemberAlarm { code: "not_saving".into(), words: words.into(), since: Some(7), key: "not_saving@1".into() }
    }

    #[test]
    fn a_word_reads_back_and_has_its_limits() {
        let word = MemberWord { machine: "Raspberry Pi 4".into(), version: "0.4".into(), alarms: vec![alarm("Full.")] };
        assert_eq!(MemberWord::decode(&word.encode()), Some(word.clone()));
        let many = MemberWord { alarms: vec![alarm("Full."); MAX_MEMBER_ALARMS + 1], ..word.clone() };
        assert_eq!(MemberWord::decode(&many.encode()), None);
        assert_eq!(MemberWord::decode(&vec![0; MAX_MEMBER_WORD_BYTES + 1]), None);
        let long = MemberWord { machine: "\u{1b}[31m".repeat(100), alarms: vec![alarm(&"x".repeat(9_000))], ..word };
        let read = MemberWord::decode(&long.encode()).expect("it is cut");
        assert!(read.machine.chars().count() <= MAX_MACHINE_CHARS && !read.machine.contains('\u{1b}'));
        assert_eq!(read.alarms[0].words.len(), MAX_ALARM_WORDS_CHARS);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = MemberWord::decode(&bytes);
        }
    }
}
