//! What is to happen, as people write it: a TOML file.

use serde::{Deserialize, Serialize};

/// The most homes of a world: the full node takes some 300 kB in a street of hundreds.
pub const MAX_HOMES: usize = 20_000;

/// A span of time: `250ms`, `90s`, `10m`, `2h`, `3d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub u64);

impl Span {
    /// In microseconds.
    #[must_use]
    pub fn us(self) -> u64 {
        self.0 * 1_000
    }
}

impl TryFrom<String> for Span {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(split);
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(format!("`{text}` is no span of time: write 250ms, 90s, 10m, 2h or 3d")),
        };
        let number: u64 = number.parse().map_err(|_| format!("`{text}` has no number before its unit"))?;
        number.checked_mul(factor).map(Self).ok_or_else(|| format!("`{text}` is too long"))
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        format!("{}ms", span.0)
    }
}

/// A scenario.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it shows, for people.
    #[serde(default)]
    pub about: String,
    /// How long the world lives.
    pub lasts: Span,
    /// The homes.
    pub street: Street,
    /// The links between them.
    #[serde(default)]
    pub network: Network,
    /// Their disks.
    #[serde(default)]
    pub disk: DiskOf,
    /// Reports that people make.
    #[serde(default, rename = "reports")]
    pub reports: Vec<Reports>,
    /// Cuts of the network.
    #[serde(default, rename = "partition")]
    pub partitions: Vec<Partition>,
    /// Nodes that stop, in order or not.
    #[serde(default, rename = "stop")]
    pub stops: Vec<Stop>,
    /// Clocks that are set wrong.
    #[serde(default, rename = "clock")]
    pub clocks: Vec<ClockChange>,
    /// What must hold in the end.
    #[serde(default)]
    pub expect: Expect,
}

/// The homes, and who answers for whom.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Street {
    /// How many.
    pub homes: usize,
    /// For how many others each answers: half of them next door, half anywhere. At most 12.
    #[serde(default = "six")]
    pub vouches: usize,
    /// How many others each calls.
    #[serde(default = "six")]
    pub calls: usize,
}

fn six() -> usize {
    6
}

/// What links are like.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// The least and the most latency of a link, one way, in milliseconds.
    pub latency_ms: [u64; 2],
    /// By how much of its latency what is sent may be late, at most.
    pub jitter: f64,
    /// The share of what is sent that is lost on the way, and sent again.
    pub loss: f64,
    /// What a home can send, in kbit/s.
    pub uplink_kbit: u64,
}

impl Default for Network {
    fn default() -> Self {
        Self { latency_ms: [10, 50], jitter: 0.1, loss: 0.0, uplink_kbit: 10_000 }
    }
}

/// What disks are like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DiskOf {
    /// How long a commit takes, at least and at most, in milliseconds.
    pub commit_ms: [u64; 2],
}

impl Default for DiskOf {
    fn default() -> Self {
        // A card of a board computer (design/store.md).
        Self { commit_ms: [4, 40] }
    }
}

/// Reports of homes chosen by chance, each on a number of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reports {
    /// When the first is made.
    pub at: Span,
    /// How long after each other.
    pub every: Span,
    /// How many.
    pub count: usize,
}

/// A part of the homes is cut off from the others.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// When.
    pub at: Span,
    /// For how long.
    #[serde(rename = "for")]
    pub lasts: Span,
    /// Which share of the homes.
    pub share: f64,
}

/// Nodes stop and come back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stop {
    /// When.
    pub at: Span,
    /// When they start again.
    #[serde(rename = "for")]
    pub lasts: Span,
    /// Which share of the homes.
    pub share: f64,
    /// Whether the power fails: what the disk was writing is there or not, as chance has it.
    #[serde(default)]
    pub power_cut: bool,
}

/// Clocks jump.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockChange {
    /// When.
    pub at: Span,
    /// Which share of the homes.
    pub share: f64,
    /// By how many days the clock is wrong from then on; nothing: it is not set.
    #[serde(default)]
    pub days: Option<i32>,
}

/// What must hold in the end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// All homes that run hold the same.
    pub equal: bool,
    /// Of all homes that run, this share knows a report within the span after it was made, or after the last cut and stop.
    pub within: Option<Span>,
}

impl Default for Expect {
    fn default() -> Self {
        Self { equal: true, within: None }
    }
}

/// Why a scenario is none.
#[derive(Debug, thiserror::Error)]
pub enum NotAScenario {
    /// It cannot be read.
    #[error("this is not a scenario: {0}")]
    Unreadable(#[from] toml::de::Error),
    /// A value is out of its range.
    #[error("{0}")]
    Range(String),
}

impl Scenario {
    /// Reads one.
    ///
    /// # Errors
    /// [`NotAScenario`], which says where and what.
    pub fn read(text: &str) -> Result<Self, NotAScenario> {
        let scenario: Self = toml::from_str(text)?;
        scenario.check().map_err(NotAScenario::Range)?;
        Ok(scenario)
    }

    fn check(&self) -> Result<(), String> {
        let Street { homes, vouches, calls } = self.street;
        if !(2..=MAX_HOMES).contains(&homes) {
            return Err(format!("`homes` is {homes}: from 2 to {MAX_HOMES} are possible"));
        }
        if vouches > 12 || vouches >= homes || calls == 0 || calls >= homes {
            return Err("`vouches` is at most 12, `calls` at least 1, and both are fewer than the homes".to_owned());
        }
        let shares = self.partitions.iter().map(|p| p.share).chain(self.stops.iter().map(|s| s.share));
        if shares.chain(self.clocks.iter().map(|c| c.share)).any(|share| !(0.0..=1.0).contains(&share)) {
            return Err("a `share` is from 0.0 to 1.0".to_owned());
        }
        let Network { latency_ms: [least, most], jitter, loss, .. } = self.network;
        if least > most || !(0.0..=10.0).contains(&jitter) || !(0.0..0.9).contains(&loss) {
            return Err(
                "`latency_ms` is [least, most], `jitter` from 0.0 to 10.0, `loss` from 0.0 to below 0.9".to_owned()
            );
        }
        Ok(())
    }

    /// When the last cut and stop is over, in microseconds.
    #[must_use]
    pub fn calm_us(&self) -> u64 {
        let cuts = self.partitions.iter().map(|p| p.at.us() + p.lasts.us());
        let stops = self.stops.iter().map(|s| s.at.us() + s.lasts.us());
        cuts.chain(stops).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_as_people_write_them() {
        let span = |text: &str| Span::try_from(text.to_owned()).map(|span| span.0);
        assert_eq!([span("250ms"), span("90s"), span("2h")], [Ok(250), Ok(90_000), Ok(7_200_000)]);
        for wrong in ["", "90", "s", "1 h", "-3s", "99999999999999999d"] {
            assert!(span(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_cannot_be_is_said() {
        let text = |homes: usize| format!("name = \"x\"\nlasts = \"1h\"\n[street]\nhomes = {homes}\n");
        assert!(Scenario::read(&text(10)).is_ok());
        let error = |text: &str| Scenario::read(text).expect_err("wrong").to_string();
        assert!(error(&text(1)).contains("from 2 to"));
        assert!(error(&format!("{}calls = 0", text(10))).contains("at least 1"));
        assert!(error("name = 3").contains("name"));
        assert!(error(&format!("{}[[partition]]\nat = \"1m\"\nfor = \"1m\"\nshare = 2.0", text(10))).contains("share"));
    }
}
