//! The telephone lines of the settings file. One that is wrong is left out; the others work.

use std::{fs, io::Read, net::SocketAddr, path::Path};

use meerkat_sip::{BlockBy, LineSettings, Mode, Network, Password, Registered, Transport, Trouble};
use serde::{
    Deserialize,
    de::value::{Error, StrDeserializer},
};

use super::{
    file::LineTable,
    layers::Layers,
    origin::Origin,
    values::{self, Raw, Wrong},
};

/// Every setting of a line.
pub(super) const LINE_KEYS: [&str; 16] = [
    "name",
    "mode",
    "registrar",
    "user",
    "auth_user",
    "password",
    "password_file",
    "domain",
    "expires_s",
    "refresh_s",
    "transport",
    "bind",
    "block",
    "hold_ms",
    "pass_code",
    "allow_from",
];

/// Those that only an account has.
const ACCOUNT_KEYS: [&str; 8] =
    ["registrar", "user", "auth_user", "password", "password_file", "domain", "expires_s", "refresh_s"];

/// The most lines: a small office has ten.
const MAX_LINES: usize = 32;
/// The longest file with a password.
const MAX_PASSWORD_BYTES: u64 = 1024;

/// Reads all lines that are right.
pub(super) fn read(layers: &mut Layers) -> Vec<LineSettings> {
    let mut lines: Vec<LineSettings> = Vec::new();
    for (position, table) in layers.line_tables().into_iter().enumerate() {
        let begins = layers.at(table.line);
        if lines.len() == MAX_LINES {
            let wrong = Wrong::new(format!("there are more than {MAX_LINES}"), "remove lines that are not needed");
            layers.wrong("line", &begins, wrong);
            break;
        }
        let fallback = format!("{}", position + 1);
        let Some(line) = OneLine::new(layers, table, fallback).read() else { continue };
        if lines.iter().any(|other| other.name == line.name) {
            let wrong = Wrong::new("another line has this name", "give each line a name of its own");
            layers.wrong(&format!("line.{}.name", line.name), &begins, wrong);
            continue;
        }
        lines.push(line);
    }
    lines
}

struct OneLine<'a> {
    layers: &'a mut Layers,
    table: LineTable,
    /// What it is called in messages.
    label: String,
    sound: bool,
}

impl<'a> OneLine<'a> {
    fn new(layers: &'a mut Layers, table: LineTable, fallback: String) -> Self {
        let label = table.values.get("name").and_then(|name| values::name(&name.raw).ok()).unwrap_or(fallback);
        Self { layers, table, label, sound: true }
    }

    fn read(mut self) -> Option<LineSettings> {
        let name = self.required("name", "give the line a short name, for instance name = \"home\"", values::name);
        let words = "write mode = \"registered\" for an account at the router, or mode = \"direct\" behind a fork";
        let mode = self.required("mode", words, |raw| values::word(raw, &["registered", "direct"]));
        let registered = mode.as_deref() == Some("registered");
        let mode = match mode.as_deref() {
            Some("registered") => self.account().map(Mode::Registered),
            Some(_) => self.no_account(),
            None => None,
        };
        let port = if registered { 0 } else { 5060 };
        let template = LineSettings::direct(name.unwrap_or_default(), SocketAddr::from(([0, 0, 0, 0], port)));
        let transport = self.optional("transport", template.transport, transport);
        let bind = self.optional("bind", template.bind, values::socket);
        let block = self.optional("block", template.block, block);
        let hold_ms = self.optional("hold_ms", template.hold_ms, |raw| values::whole(raw, 0, 30_000).map(u64::from));
        let pass_code = self.optional("pass_code", template.pass_code, pass_code);
        let allow_from = self.optional("allow_from", Vec::new(), |raw| values::list(raw, network));
        let line = LineSettings { mode: mode?, transport, bind, block, hold_ms, pass_code, allow_from, ..template };
        if let Err(trouble) = line.validate() {
            self.trouble(&trouble);
        }
        self.sound.then_some(line)
    }

    fn account(&mut self) -> Option<Registered> {
        let host = "write the router's name or address, for instance registrar = \"fritz.box\"";
        let registrar = self.required("registrar", host, values::text);
        let user = self.required("user", "write the user the router shows for this phone", values::text);
        let auth_user = self.optional("auth_user", None, |raw| values::text(raw).map(Some));
        let domain = self.optional("domain", None, |raw| values::text(raw).map(Some));
        let expires_s = self.optional("expires_s", 600, |raw| values::whole(raw, 30, 86_400));
        let refresh_s = self.optional("refresh_s", 60, |raw| values::whole(raw, 1, 3_600));
        let password = self.password()?;
        Some(Registered { registrar: registrar?, user: user?, auth_user, password, domain, expires_s, refresh_s })
    }

    fn password(&mut self) -> Option<Password> {
        let remedy = "write password = \"...\", or password_file = \"...\" with the path of a file that holds it";
        let written = self.table.values.get("password").cloned();
        let file = self.table.values.get("password_file").cloned();
        let (key, line, read) = match (written, file) {
            (Some(written), None) => ("password", written.line, password_text(&written.raw)),
            (None, Some(file)) => {
                let read = values::path(&file.raw)
                    .and_then(|path| password_file(&self.layers.beside(&path.to_string_lossy())));
                ("password_file", file.line, read)
            }
            (Some(_), Some(file)) => {
                let both = Wrong::new("there is a `password` too", "keep one of the two");
                ("password_file", file.line, Err(both))
            }
            (None, None) => ("password", self.table.line, Err(Wrong::new("it is missing", remedy))),
        };
        let origin = self.layers.at(line);
        match read {
            Ok(password) => {
                self.layers.show(self.key(key), &"set", &origin);
                Some(password)
            }
            Err(wrong) => self.wrong(key, &origin, wrong),
        }
    }

    /// A line without account, unless one was written.
    fn no_account(&mut self) -> Option<Mode> {
        let stray = ACCOUNT_KEYS.into_iter().find_map(|key| Some((key, self.table.values.get(key)?.line)));
        let Some((key, line)) = stray else { return Some(Mode::Direct) };
        let origin = self.layers.at(line);
        let wrong =
            Wrong::new("a line with mode = \"direct\" has no account", "write mode = \"registered\", or remove it");
        self.wrong(key, &origin, wrong)
    }

    fn required<T: serde::Serialize>(
        &mut self,
        key: &'static str,
        remedy: &str,
        read: impl Fn(&Raw) -> Result<T, Wrong>,
    ) -> Option<T> {
        if !self.table.values.contains_key(key) {
            let origin = self.layers.at(self.table.line);
            return self.wrong(key, &origin, Wrong::new("it is missing", remedy));
        }
        self.given(key, read)
    }

    fn optional<T>(&mut self, key: &'static str, default: T, read: impl Fn(&Raw) -> Result<T, Wrong>) -> T {
        if self.table.values.contains_key(key) { self.given(key, read).unwrap_or(default) } else { default }
    }

    fn given<T>(&mut self, key: &'static str, read: impl Fn(&Raw) -> Result<T, Wrong>) -> Option<T> {
        let written = self.table.values.get(key)?.clone();
        let origin = self.layers.at(written.line);
        match read(&written.raw) {
            Ok(value) => {
                self.layers.show(self.key(key), &shown(&written.raw), &origin);
                Some(value)
            }
            Err(wrong) => self.wrong(key, &origin, wrong),
        }
    }

    fn key(&self, key: &str) -> String {
        format!("line.{}.{key}", self.label)
    }

    fn wrong<T>(&mut self, key: &str, origin: &Origin, wrong: Wrong) -> Option<T> {
        self.sound = false;
        self.layers.wrong(&self.key(key), origin, wrong);
        None
    }

    /// What the gateway itself finds wrong, at the line of the setting that it names.
    fn trouble(&mut self, trouble: &Trouble) {
        let (key, remedy) = match trouble {
            Trouble::Setting { field, remedy, .. } => (field.rsplit('.').next().unwrap_or(field), remedy.clone()),
            other @ Trouble::SameName(_) => ("name", other.to_string()),
        };
        let line = self.table.values.get(key).map_or(self.table.line, |written| written.line);
        let origin = self.layers.at(line);
        self.wrong::<()>(key, &origin, Wrong::new("the gateway cannot use it", remedy));
    }
}

/// What was written, as `config show` prints it.
fn shown(raw: &Raw) -> serde_json::Value {
    match raw {
        Raw::Text(text) | Raw::Loose(text) => text.as_str().into(),
        Raw::Integer(number) => (*number).into(),
        Raw::Float(number) => (*number).into(),
        Raw::Truth(truth) => (*truth).into(),
        Raw::List(items) => items.iter().map(shown).collect(),
        Raw::Other(_) => serde_json::Value::Null,
    }
}

fn password_text(raw: &Raw) -> Result<Password, Wrong> {
    match values::text(raw)? {
        text if text.is_empty() => Err(Wrong::new("it is empty", "write the password the router shows for this phone")),
        text => Ok(Password::new(text)),
    }
}

fn password_file(path: &Path) -> Result<Password, Wrong> {
    let remedy = "put the password alone into that file, and make it readable for the user that runs meerkat";
    let mut text = String::new();
    let file = fs::File::open(path).map_err(|error| Wrong::new(format!("it cannot be read ({error})"), remedy))?;
    file.take(MAX_PASSWORD_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(|error| Wrong::new(format!("it cannot be read ({error})"), remedy))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(Wrong::new("it is empty", remedy)),
        long if long.len() as u64 > MAX_PASSWORD_BYTES => Err(Wrong::new("it is too long for a password", remedy)),
        password => Ok(Password::new(password)),
    }
}

fn transport(raw: &Raw) -> Result<Transport, Wrong> {
    Ok(if values::word(raw, &["udp", "tcp"])? == "tcp" { Transport::Tcp } else { Transport::Udp })
}

fn block(raw: &Raw) -> Result<BlockBy, Wrong> {
    Ok(match values::word(raw, &["auto", "607", "608", "603", "hang-up"])?.as_str() {
        "607" => BlockBy::Code607,
        "608" => BlockBy::Code608,
        "603" => BlockBy::Code603,
        "hang-up" => BlockBy::AnswerAndHangUp,
        _ => BlockBy::Auto,
    })
}

fn pass_code(raw: &Raw) -> Result<u16, Wrong> {
    Ok(if values::word(raw, &["480", "486"])? == "486" { 486 } else { 480 })
}

fn network(raw: &Raw) -> Result<Network, Wrong> {
    let text = values::text(raw)?;
    Network::deserialize(StrDeserializer::<Error>::new(&text))
        .map_err(|error| Wrong::new("one of the list is no address", error.to_string()))
}
