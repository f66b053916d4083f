//! The settings file: its values with their lines, and everything in it that is not known.

use std::{
    collections::BTreeMap,
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{
    KEYS,
    lines::LINE_KEYS,
    origin::{Origin, Problem},
    values::{Raw, nearest},
};

/// The largest settings file: a hundred lines take 30 kB.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// What a settings file says.
#[derive(Debug, Clone, Default)]
pub(super) struct File {
    pub(super) path: PathBuf,
    /// Values outside the telephone lines, by dotted key.
    pub(super) values: BTreeMap<String, Written>,
    pub(super) lines: Vec<LineTable>,
}

/// A value and its line.
#[derive(Debug, Clone)]
pub(super) struct Written {
    pub(super) raw: Raw,
    pub(super) line: usize,
}

/// One `[[line]]`.
#[derive(Debug, Clone)]
pub(super) struct LineTable {
    /// The line of the file in which it begins.
    pub(super) line: usize,
    pub(super) values: BTreeMap<String, Written>,
}

/// Reads the file. One that cannot be read counts as empty, with the reason among the problems.
pub(super) fn read(path: &Path, problems: &mut Vec<Problem>) -> File {
    let mut file = File { path: path.to_owned(), ..File::default() };
    match text(path) {
        Ok(text) => match DeTable::parse(&text) {
            Ok(table) => Walk { text: &text, file: &mut file, problems }.root(table.get_ref()),
            Err(error) => problems.push(syntax(path, &text, &error)),
        },
        Err((words, remedy)) => {
            problems.push(Problem { file: path.display().to_string(), line: None, words, remedy: remedy.to_owned() });
        }
    }
    file
}

fn text(path: &Path) -> Result<String, (String, &'static str)> {
    let unreadable = |error: std::io::Error| {
        let remedy = match error.kind() {
            std::io::ErrorKind::NotFound => "create it, or name another with --config",
            std::io::ErrorKind::PermissionDenied => "make it readable for the user that runs meerkat",
            _ => "check the path given with --config",
        };
        (format!("it cannot be read ({error})"), remedy)
    };
    let file = fs::File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(("it is larger than 1 MiB".into(), "this is hardly a settings file: check the path"));
    }
    String::from_utf8(bytes).map_err(|_| ("it is not text in UTF-8".into(), "save it as UTF-8"))
}

fn syntax(path: &Path, text: &str, error: &toml::de::Error) -> Problem {
    let at = error.span().map_or(0, |span| span.start);
    let origin = Origin::File { path: path.to_owned(), line: line_of(text, at) };
    // The message alone: the library's full rendering quotes the source line, which may hold a password.
    let message = meerkat_protocols::text::inert(error.message());
    Problem::at(
        &origin,
        format!("the file is not TOML: {message}"),
        "mend this line (text goes in quotes, lists in brackets); until then nothing in the file is used",
    )
}

fn line_of(text: &str, at: usize) -> usize {
    text.as_bytes().iter().take(at).filter(|byte| **byte == b'\n').count() + 1
}

struct Walk<'a> {
    text: &'a str,
    file: &'a mut File,
    problems: &'a mut Vec<Problem>,
}

impl Walk<'_> {
    fn line<T>(&self, spanned: &Spanned<T>) -> usize {
        line_of(self.text, spanned.span().start)
    }

    fn root(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let line = self.line(key);
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("line", DeValue::Array(tables)) => tables.iter().for_each(|table| self.telephone_line(table)),
                ("line", _) => self.problem(line, "`line` is not a table", "write [[line]], with two brackets"),
                (name, DeValue::Table(table)) if section(name) => self.section(name, table),
                (name, _) if section(name) => {
                    let remedy = format!("write [{name}] on a line of its own, and its settings below");
                    self.problem(line, format!("`{name}` is a section"), remedy);
                }
                (name, value) => self.value(name.to_owned(), line, value),
            }
        }
    }

    fn section(&mut self, section: &str, table: &DeTable<'_>) {
        for (key, value) in table {
            let line = self.line(key);
            self.value(format!("{section}.{}", key.get_ref()), line, value.get_ref());
        }
    }

    fn value(&mut self, key: String, line: usize, value: &DeValue<'_>) {
        if KEYS.contains(&key.as_str()) {
            self.file.values.insert(key, Written { raw: Raw::of(value), line });
        } else {
            self.problem(line, unknown(&key), suggestion(&key));
        }
    }

    fn telephone_line(&mut self, table: &Spanned<DeValue<'_>>) {
        let begins = self.line(table);
        let DeValue::Table(entries) = table.get_ref() else {
            return self.problem(
                begins,
                "`line` holds something else than tables",
                "write [[line]], with two brackets",
            );
        };
        let mut values = BTreeMap::new();
        for (key, value) in entries {
            let (name, line) = (key.get_ref().as_ref(), self.line(key));
            if LINE_KEYS.contains(&name) {
                values.insert(name.to_owned(), Written { raw: Raw::of(value.get_ref()), line });
            } else {
                let remedy = match nearest(name, LINE_KEYS.into_iter()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("a line has {}", LINE_KEYS.join(", ")),
                };
                self.problem(line, format!("a line has no setting {}", quoted(name)), remedy);
            }
        }
        self.file.lines.push(LineTable { line: begins, values });
    }

    fn problem(&mut self, line: usize, words: impl Into<String>, remedy: impl Into<String>) {
        let origin = Origin::File { path: self.file.path.clone(), line };
        self.problems.push(Problem::at(&origin, words, remedy));
    }
}

fn section(name: &str) -> bool {
    KEYS.iter().any(|key| key.split_once('.').is_some_and(|(section, _)| section == name))
}

fn quoted(name: &str) -> String {
    format!("`{}`", meerkat_protocols::text::inert(name))
}

/// Says that there is no such setting.
pub(super) fn unknown(key: &str) -> String {
    format!("there is no setting {}", quoted(key))
}

/// The setting that was probably meant: one like it, or one of that name in a section.
pub(super) fn suggestion(key: &str) -> String {
    let last = key.rsplit('.').next().unwrap_or(key);
    let elsewhere = || KEYS.into_iter().find(|known| known.rsplit('.').next() == Some(last));
    match nearest(key, KEYS.into_iter()).or_else(elsewhere) {
        Some(near) => match near.split_once('.') {
            Some((section, name)) => format!("did you mean `{name}` in [{section}]?"),
            None => format!("did you mean `{near}`, above the first section?"),
        },
        None => "remove it; `meerkat config show --origin` lists the settings there are".into(),
    }
}
