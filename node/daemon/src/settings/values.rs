//! Values as they were written, and what they must be.

use std::{net::SocketAddr, path::PathBuf};

use meerkat_protocols::{facts::Verdict, number::Region, text};
use toml::de::DeValue;

/// A value as written.
#[derive(Debug, Clone)]
pub(super) enum Raw {
    /// Text from the environment or a flag, which has no types: read as whatever is needed.
    Loose(String),
    Text(String),
    Integer(i64),
    Float(f64),
    Truth(bool),
    List(Vec<Raw>),
    /// Anything else, by the word for it.
    Other(&'static str),
}

impl Raw {
    pub(super) fn of(value: &DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text.clone().into_owned()),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or(Self::Other("a number out of range"), Self::Integer),
            DeValue::Float(digits) => digits.as_str().parse().map_or(Self::Other("a number out of range"), Self::Float),
            DeValue::Boolean(truth) => Self::Truth(*truth),
            DeValue::Array(items) => Self::List(items.iter().map(|item| Self::of(item.get_ref())).collect()),
            DeValue::Datetime(_) => Self::Other("a date"),
            DeValue::Table(_) => Self::Other("a table"),
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Loose(_) | Self::Text(_) => "text",
            Self::Integer(_) | Self::Float(_) => "a number",
            Self::Truth(_) => "true or false",
            Self::List(_) => "a list",
            Self::Other(kind) => kind,
        }
    }
}

/// Why a value does not fit.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) words: String,
    pub(super) remedy: String,
}

impl Wrong {
    pub(super) fn new(words: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { words: words.into(), remedy: remedy.into() }
    }

    fn kind(raw: &Raw, remedy: impl Into<String>) -> Self {
        Self::new(format!("it is {}", raw.kind()), remedy)
    }
}

/// The longest text of a setting, in bytes: a path.
const MAX_TEXT_BYTES: usize = 4096;

fn string<'a>(raw: &'a Raw, remedy: &str) -> Result<&'a str, Wrong> {
    match raw {
        Raw::Text(text) | Raw::Loose(text) if text.len() > MAX_TEXT_BYTES => {
            Err(Wrong::new(format!("it is longer than {MAX_TEXT_BYTES} bytes"), remedy))
        }
        Raw::Text(text) | Raw::Loose(text) => Ok(text.trim()),
        other => Err(Wrong::kind(other, remedy)),
    }
}

/// What was written, for a message: inert and short.
fn quoted(text: &str) -> String {
    format!("`{}`", text::inert(&text.chars().take(60).collect::<String>()))
}

/// Text of any kind.
pub(super) fn text(raw: &Raw) -> Result<String, Wrong> {
    string(raw, "write it in quotes").map(str::to_owned)
}

/// A path; relative ones are relative to where the node is started, those of the file to the file's folder.
pub(super) fn path(raw: &Raw) -> Result<PathBuf, Wrong> {
    let remedy = "write a path in quotes, for instance \"/var/lib/meerkat\"";
    match string(raw, remedy)? {
        "" => Err(Wrong::new("it is empty", remedy)),
        text if text.contains('\0') => Err(Wrong::new("it has a NUL character", remedy)),
        text => Ok(PathBuf::from(text)),
    }
}

/// An address with a port.
pub(super) fn socket(raw: &Raw) -> Result<SocketAddr, Wrong> {
    let remedy = "write an IP address and a port in quotes, for instance \"127.0.0.1:8780\" or \"[::1]:8780\"";
    let text = string(raw, remedy)?;
    text.parse().map_err(|_| Wrong::new(format!("{} is not an address with a port", quoted(text)), remedy))
}

/// `true` or `false`.
pub(super) fn truth(raw: &Raw) -> Result<bool, Wrong> {
    let remedy = "write true or false, without quotes";
    match raw {
        Raw::Truth(truth) => Ok(*truth),
        Raw::Loose(text) => match text.trim().to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(Wrong::new(format!("{} is neither true nor false", quoted(text)), remedy)),
        },
        other => Err(Wrong::kind(other, remedy)),
    }
}

/// A list, or text with commas where there are no lists.
pub(super) fn list<T>(raw: &Raw, item: impl Fn(&Raw) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
    match raw {
        Raw::List(items) => items.iter().map(item).collect(),
        Raw::Loose(text) => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            parts.map(|part| item(&Raw::Loose(part.to_owned()))).collect()
        }
        other => Err(Wrong::kind(other, "write a list in brackets, for instance [\"one\", \"two\"]")),
    }
}

/// A time zone that this machine knows.
pub(super) fn zone(raw: &Raw) -> Result<String, Wrong> {
    let remedy = "write a name of the time zone database in quotes, for instance \"Europe/Berlin\"";
    let text = string(raw, remedy)?;
    match crate::zone::named(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err(Wrong::new(format!("{} is no time zone that this machine knows", quoted(text)), remedy)),
    }
}

/// A host name for the browser's address line.
pub(super) fn host(raw: &Raw) -> Result<String, Wrong> {
    let remedy =
        "write a name as in the browser's address line, without http:// and port, for instance \"meerkat.lan\"";
    let text = string(raw, remedy)?.trim_end_matches('.').to_ascii_lowercase();
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if text.is_empty() || text.len() > 253 || !text.chars().all(fits) {
        return Err(Wrong::new(format!("{} is not a host name", quoted(&text)), remedy));
    }
    Ok(text)
}

/// A multiaddress to listen on.
pub(super) fn listen(raw: &Raw) -> Result<String, Wrong> {
    address(raw, meerkat_network::check_listen)
}

/// A multiaddress of a peer.
pub(super) fn peer(raw: &Raw) -> Result<String, Wrong> {
    address(raw, meerkat_network::check_peer)
}

fn address(raw: &Raw, check: fn(&str) -> Result<(), meerkat_network::BadAddress>) -> Result<String, Wrong> {
    let text = string(raw, "write a multiaddress in quotes, for instance \"/ip4/192.168.1.20/tcp/4787\"")?;
    check(text).map_err(|bad| {
        Wrong::new(format!("{} cannot be used: {}", quoted(&bad.given), bad.why), format!("write {}", bad.example))
    })?;
    Ok(text.to_owned())
}

/// The longest name of a node, in characters.
const MAX_NAME_CHARS: usize = 60;

/// A name for people.
pub(super) fn name(raw: &Raw) -> Result<String, Wrong> {
    let remedy = format!("write a name of 1 to {MAX_NAME_CHARS} characters in quotes");
    let text = text::inert(string(raw, &remedy)?);
    if text.is_empty() || text.chars().count() > MAX_NAME_CHARS {
        return Err(Wrong::new("it is empty or too long", remedy));
    }
    Ok(text)
}

/// Degrees between -`most` and `most`.
pub(super) fn degrees(raw: &Raw, most: f64) -> Result<f64, Wrong> {
    let remedy = format!("write degrees from -{most} to {most}, for instance 48.2");
    let value = match raw {
        Raw::Float(value) => *value,
        Raw::Integer(value) => *value as f64,
        Raw::Loose(text) => {
            text.trim().parse().map_err(|_| Wrong::new(format!("{} is no number", quoted(text)), &*remedy))?
        }
        other => return Err(Wrong::kind(other, remedy)),
    };
    if (-most..=most).contains(&value) {
        Ok(value)
    } else {
        Err(Wrong::new(format!("{value} is out of range"), remedy))
    }
}

/// A whole number between bounds.
pub(super) fn whole(raw: &Raw, least: u32, most: u32) -> Result<u32, Wrong> {
    let remedy = format!("write a whole number from {least} to {most}");
    match raw {
        Raw::Integer(value) => match u32::try_from(*value).ok().filter(|v| (least..=most).contains(v)) {
            Some(value) => Ok(value),
            None => Err(Wrong::new(format!("{value} is out of range"), remedy)),
        },
        other => Err(Wrong::kind(other, remedy)),
    }
}

/// One of some words.
pub(super) fn word(raw: &Raw, words: &[&str]) -> Result<String, Wrong> {
    let remedy = format!("write one of \"{}\"", words.join("\", \""));
    // `block = 607` without quotes is as clear.
    let text = match raw {
        Raw::Integer(number) => number.to_string(),
        raw => string(raw, &remedy)?.to_owned(),
    };
    if words.contains(&text.as_str()) {
        return Ok(text);
    }
    let hint =
        nearest(&text, words.iter().copied()).map(|near| format!("did you mean \"{near}\"? ")).unwrap_or_default();
    Err(Wrong::new(format!("{} is not known here", quoted(&text)), format!("{hint}{remedy}")))
}

/// A verdict's word.
pub(super) fn verdict(raw: &Raw) -> Result<String, Wrong> {
    word(raw, &Verdict::ALL.map(Verdict::word))
}

/// A level of the log.
pub(super) fn level(raw: &Raw) -> Result<String, Wrong> {
    word(raw, &["error", "warn", "info", "debug", "trace"])
}

/// For whom to relay.
pub(super) fn relay(raw: &Raw) -> Result<String, Wrong> {
    word(raw, &["nobody", "trusted", "everybody"])
}

/// A country.
pub(super) fn region(raw: &Raw) -> Result<String, Wrong> {
    let remedy = "write the two letters of a country, for instance \"DE\" (ISO 3166-1)";
    let text = string(raw, remedy)?;
    let region =
        text.parse::<Region>().map_err(|_| Wrong::new(format!("{} is not a country", quoted(text)), remedy))?;
    Ok(region.code())
}

/// The candidate that was probably meant: the most like it, if it is like it at all.
pub(super) fn nearest<'a>(written: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this likeness a suggestion is a guess: `xyz` and `web` have 0, `lisen` and `listen` 0.96.
    const LIKE: f64 = 0.75;
    candidates
        .map(|candidate| (strsim::jaro_winkler(written, candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
