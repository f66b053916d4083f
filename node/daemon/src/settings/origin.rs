//! Where a value came from, and what is wrong with one.

use std::{fmt, path::PathBuf};

use serde::Serialize;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Nobody said anything.
    Default,
    /// A line of the settings file.
    File {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
    /// A variable of the environment.
    Environment(String),
    /// A flag of the command line.
    Flag(&'static str),
}

impl Origin {
    /// The word used in every interface.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File { .. } => "file",
            Self::Environment(_) => "environment",
            Self::Flag(_) => "flag",
        }
    }

    /// Where exactly: `/etc/meerkat/config.toml:3`, a variable's name, a flag; empty for a default.
    #[must_use]
    pub fn place(&self) -> String {
        match self {
            Self::Default => String::new(),
            Self::File { path, line } => format!("{}:{line}", path.display()),
            Self::Environment(variable) => variable.clone(),
            Self::Flag(flag) => (*flag).to_owned(),
        }
    }
}

/// One value as `config show` prints it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// The setting: `web.listen`, `line.home.registrar`.
    pub key: String,
    /// Its value; "set" for a secret, null where nothing is set.
    pub value: serde_json::Value,
    /// [`Origin::word`].
    pub origin: &'static str,
    /// [`Origin::place`].
    #[serde(rename = "where")]
    pub place: String,
}

impl Item {
    /// The value as one text, as interfaces show it: empty where nothing is set, lists as JSON.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.value {
            serde_json::Value::Null => String::new(),
            serde_json::Value::String(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// A mistake in the settings: where, what, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The file, variable or flag.
    pub file: String,
    /// The line of the file, from 1.
    pub line: Option<usize>,
    /// What is wrong.
    pub words: String,
    /// What to do.
    pub remedy: String,
}

impl Problem {
    pub(super) fn at(origin: &Origin, words: impl Into<String>, remedy: impl Into<String>) -> Self {
        let (file, line) = match origin {
            Origin::File { path, line } => (path.display().to_string(), Some(*line)),
            other => (other.place(), None),
        };
        Self { file, line, words: words.into(), remedy: remedy.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}; {}", self.words, self.remedy)
    }
}
