//! What the settings file says about a telephone line.

use std::fmt;
use std::net::SocketAddr;

use ipnet::IpNet;
use serde::Deserialize;
use zeroize::Zeroizing;

use crate::Trouble;

/// One telephone line.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineSettings {
    /// How the line is called on the page and in the log of calls.
    pub name: String,
    /// How the line gets its calls.
    pub mode: Mode,
    /// The transport towards the router.
    #[serde(default)]
    pub transport: Transport,
    /// The address to listen at; port 0 takes any free one.
    #[serde(default = "any_address")]
    pub bind: SocketAddr,
    /// How a call is kept from the phones.
    #[serde(default)]
    pub block: BlockBy,
    /// How long a call that passes is held at `180 Ringing` before this node steps aside, in milliseconds. A FRITZ!Box
    /// takes an extension that steps aside at once out of the ring, and its own phone with it: 3 s avoid that.
    #[serde(default = "default_hold_ms")]
    pub hold_ms: u64,
    /// The status this node steps aside with: 480 or 486, both of which say no more than "not this extension".
    #[serde(default = "default_pass_code")]
    pub pass_code: u16,
    /// Addresses and networks that may send calls here. On a registered line they come on top of the registrar; on a
    /// direct line an empty list means this machine and the private networks.
    #[serde(default)]
    pub allow_from: Vec<Network>,
}

/// How a line gets its calls.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// This node registers at the router like a phone.
    Registered(Registered),
    /// A router or exchange sends the calls here by itself, in a serial or parallel fork.
    Direct,
}

/// An account at a router or provider.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Registered {
    /// Name or address of the registrar, with a port where it is not 5060.
    pub registrar: String,
    /// The user or extension, as in the address `user@domain`.
    pub user: String,
    /// The name to log in with, where it differs from `user`.
    #[serde(default)]
    pub auth_user: Option<String>,
    /// The password of the account.
    pub password: Password,
    /// The domain of the address, where it differs from the registrar's host.
    #[serde(default)]
    pub domain: Option<String>,
    /// The lifetime to ask for, in seconds; the router may shorten it.
    #[serde(default = "default_expires_s")]
    pub expires_s: u32,
    /// How often to register anew at most, in seconds. A router that was restarted may have forgotten this node, and
    /// nothing but the next registration tells: this is the longest such a gap lasts.
    #[serde(default = "default_refresh_s")]
    pub refresh_s: u32,
}

/// The transport towards the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Transport {
    /// Datagrams, what nearly every home router speaks.
    #[default]
    Udp,
    /// A stream, for trunks behind address translation.
    Tcp,
}

/// How a call is kept from the phones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum BlockBy {
    /// 607 for this home's own word, 603 for the neighbours': RFC 8688 wants a contact for redress in a 608, and a home
    /// has none to publish.
    #[default]
    #[serde(rename = "auto")]
    Auto,
    /// 607 Unwanted (RFC 8197).
    #[serde(rename = "607")]
    Code607,
    /// 608 Rejected (RFC 8688).
    #[serde(rename = "608")]
    Code608,
    /// 603 Decline (RFC 3261).
    #[serde(rename = "603")]
    Code603,
    /// Answer and hang up: for routers that offer a refused call again.
    #[serde(rename = "answer_and_hang_up")]
    AnswerAndHangUp,
}

/// An address or a network, as `192.168.178.1` or `192.168.178.0/24`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(pub IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let lone = |_| text.parse::<std::net::IpAddr>().map(IpNet::from);
        text.parse::<IpNet>().or_else(lone).map(Network).map_err(|_: std::net::AddrParseError| {
            serde::de::Error::custom(format!(
                "`{text}` is neither an address nor a network: write for instance 192.168.178.1 or 192.168.178.0/24"
            ))
        })
    }
}

/// A password: never shown, wiped when dropped.
#[derive(Clone, Deserialize)]
#[serde(from = "String")]
pub struct Password(Zeroizing<String>);

impl From<String> for Password {
    fn from(text: String) -> Self {
        Password::new(text)
    }
}

impl Password {
    /// Takes a password.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Password(Zeroizing::new(text.into()))
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

fn any_address() -> SocketAddr {
    SocketAddr::from(([0, 0, 0, 0], 0))
}

const fn default_hold_ms() -> u64 {
    3_000
}

const fn default_pass_code() -> u16 {
    480
}

const fn default_expires_s() -> u32 {
    600
}

const fn default_refresh_s() -> u32 {
    60
}

impl LineSettings {
    /// A line behind a fork, listening at `bind`, all else by default.
    #[must_use]
    pub fn direct(name: impl Into<String>, bind: SocketAddr) -> Self {
        LineSettings {
            name: name.into(),
            mode: Mode::Direct,
            transport: Transport::Udp,
            bind,
            block: BlockBy::Auto,
            hold_ms: default_hold_ms(),
            pass_code: default_pass_code(),
            allow_from: Vec::new(),
        }
    }

    /// Says what is wrong with these settings and what to write instead.
    ///
    /// # Errors
    /// Names the line, the field and the remedy.
    pub fn validate(&self) -> Result<(), Trouble> {
        let text = |field, value: &str, remedy| self.text(field, value, remedy);
        text("name", &self.name, "give the line a short name, for instance `home`")?;
        self.within("hold_ms", self.hold_ms, 0, 30_000)?;
        if !matches!(self.pass_code, 480 | 486) {
            return Err(
                self.wrong("pass_code", "write 480 or 486: any other status would keep the phones from ringing")
            );
        }
        let Mode::Registered(account) = &self.mode else { return Ok(()) };
        let host = "write the router's name or address, for instance `fritz.box` or `192.168.178.1:5060`";
        text("mode.registered.registrar", &account.registrar, host)?;
        if account.registrar.contains("://") || account.registrar.starts_with("sip:") {
            return Err(self.wrong("mode.registered.registrar", host));
        }
        text("mode.registered.user", &account.user, "write the user without the domain, for instance `620`")?;
        if let Some(user) = &account.auth_user {
            text("mode.registered.auth_user", user, "leave it out where it equals `user`")?;
        }
        if let Some(domain) = &account.domain {
            text("mode.registered.domain", domain, "leave it out where it equals the registrar")?;
        }
        if account.password.reveal().is_empty() {
            return Err(self.wrong("mode.registered.password", "write the password the router shows for this phone"));
        }
        self.within("mode.registered.expires_s", account.expires_s.into(), 30, 86_400)?;
        self.within("mode.registered.refresh_s", account.refresh_s.into(), 1, 3_600)
    }

    /// A name that goes into SIP headers as it is.
    fn text(&self, field: &'static str, value: &str, remedy: &'static str) -> Result<(), Trouble> {
        let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"<>\"@;?,".contains(c);
        let bare = field == "name" || value.chars().all(plain);
        if value.trim().is_empty() || value.len() > 128 || !bare || value.contains(['\r', '\n']) {
            return Err(self.wrong(field, remedy));
        }
        Ok(())
    }

    fn within(&self, field: &'static str, value: u64, least: u64, most: u64) -> Result<(), Trouble> {
        if (least..=most).contains(&value) {
            return Ok(());
        }
        Err(self.wrong(field, format!("write a number from {least} to {most}")))
    }

    fn wrong(&self, field: &'static str, remedy: impl Into<String>) -> Trouble {
        Trouble::Setting { line: self.name.clone(), field, remedy: remedy.into() }
    }
}
