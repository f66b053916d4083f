//! Default, file, environment, flag: the highest that is right wins.

use std::{collections::BTreeMap, path::Path};

use serde::Serialize;

use super::{
    Flags, KEYS,
    file::{self, File, LineTable},
    origin::{Item, Origin, Problem},
    values::{Raw, Wrong},
};

/// What variables of the environment begin with.
const PREFIX: &str = "MEERKAT__";
/// Variables that are read elsewhere: the settings file's path cannot stand in it.
const ELSEWHERE: [&str; 1] = [super::places::CONFIG_VARIABLE];

/// All layers, and what came out of them so far.
pub(super) struct Layers {
    file: File,
    environment: BTreeMap<String, (String, Raw)>,
    flags: BTreeMap<&'static str, (&'static str, Raw)>,
    items: Vec<Item>,
    problems: Vec<Problem>,
}

impl Layers {
    pub(super) fn new(
        file: File,
        flags: &Flags,
        variables: &BTreeMap<String, String>,
        mut problems: Vec<Problem>,
    ) -> Self {
        let environment = environment(variables, &mut problems);
        Self { file, environment, flags: flagged(flags), items: Vec::new(), problems }
    }

    /// The value of `key`: that of the highest layer in which it is right. What is wrong above it is a problem.
    pub(super) fn take<T: Serialize>(
        &mut self,
        key: &'static str,
        default: T,
        read: impl Fn(&Raw) -> Result<T, Wrong>,
    ) -> T {
        for (raw, origin) in self.layers(key) {
            match read(&raw) {
                Ok(value) => {
                    self.show(key.to_owned(), &value, &origin);
                    return value;
                }
                Err(wrong) => self.wrong(key, &origin, wrong),
            }
        }
        self.show(key.to_owned(), &default, &Origin::Default);
        default
    }

    /// What is written for `key`, the highest layer first.
    fn layers(&self, key: &str) -> Vec<(Raw, Origin)> {
        let flag = self.flags.get(key).map(|(flag, raw)| (raw.clone(), Origin::Flag(flag)));
        let variable = self.environment.get(key).map(|(name, raw)| (raw.clone(), Origin::Environment(name.clone())));
        let file = self.file.values.get(key).map(|written| {
            let raw = match &written.raw {
                // Paths in the file mean the same wherever the node is started.
                Raw::Text(path) if key == "data" => Raw::Text(self.beside(path).to_string_lossy().into_owned()),
                raw => raw.clone(),
            };
            (raw, self.at(written.line))
        });
        flag.into_iter().chain(variable).chain(file).collect()
    }

    /// The place of a line of the file.
    pub(super) fn at(&self, line: usize) -> Origin {
        Origin::File { path: self.file.path.clone(), line }
    }

    /// A path of the file: relative ones begin in the file's folder.
    pub(super) fn beside(&self, path: &str) -> std::path::PathBuf {
        match path {
            "" => std::path::PathBuf::new(),
            path => self.file.path.parent().unwrap_or(Path::new("")).join(path),
        }
    }

    /// The tables of telephone lines.
    pub(super) fn line_tables(&mut self) -> Vec<LineTable> {
        std::mem::take(&mut self.file.lines)
    }

    pub(super) fn show<T: Serialize>(&mut self, key: String, value: &T, origin: &Origin) {
        let value = serde_json::to_value(value).unwrap_or_default();
        self.items.push(Item { key, value, origin: origin.word(), place: origin.place() });
    }

    pub(super) fn wrong(&mut self, key: &str, origin: &Origin, wrong: Wrong) {
        self.problems.push(Problem::at(origin, format!("`{key}` does not fit: {}", wrong.words), wrong.remedy));
    }

    /// A value that is right by itself, but not with the others.
    pub(super) fn wrong_together(&mut self, key: &str, words: String, remedy: String) {
        let origin = self.layers(key).into_iter().next().map_or(Origin::Default, |(_, origin)| origin);
        self.problems.push(Problem::at(&origin, words, remedy));
    }

    pub(super) fn finish(self) -> (Vec<Item>, Vec<Problem>) {
        (self.items, self.problems)
    }
}

/// `MEERKAT__WEB__LISTEN` is `web.listen`.
fn environment(variables: &BTreeMap<String, String>, problems: &mut Vec<Problem>) -> BTreeMap<String, (String, Raw)> {
    let mut out = BTreeMap::new();
    for (name, value) in variables {
        let Some(rest) = name.strip_prefix(PREFIX) else { continue };
        if ELSEWHERE.contains(&name.as_str()) {
            continue;
        }
        let key = rest.to_ascii_lowercase().replace("__", ".");
        if KEYS.contains(&key.as_str()) {
            out.insert(key, (name.clone(), Raw::Loose(value.clone())));
            continue;
        }
        let remedy = match key.starts_with("line") {
            true => "telephone lines are set in the settings file".to_owned(),
            false => file::suggestion(&key),
        };
        problems.push(Problem::at(&Origin::Environment(name.clone()), file::unknown(&key), remedy));
    }
    out
}

fn flagged(flags: &Flags) -> BTreeMap<&'static str, (&'static str, Raw)> {
    let mut out = BTreeMap::new();
    if let Some(data) = &flags.data {
        out.insert("data", ("--data", Raw::Loose(data.to_string_lossy().into_owned())));
    }
    if let Some(web) = flags.web {
        out.insert("web.listen", ("--web", Raw::Loose(web.to_string())));
    }
    let list = |texts: &[String]| Raw::List(texts.iter().cloned().map(Raw::Loose).collect());
    if !flags.listen.is_empty() {
        out.insert("network.listen", ("--listen", list(&flags.listen)));
    }
    if !flags.peers.is_empty() {
        out.insert("network.peers", ("--peer", list(&flags.peers)));
    }
    out
}
