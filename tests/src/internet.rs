//! An internet of network namespaces: machines with public addresses, and homes behind routers that translate addresses in
//! the four ways of RFC 3489, section 5. Needs root, iproute2 and nftables.
//!
//! The words of RFC 3489 are out of favour and in everybody's mouth; RFC 4787 calls what they mean endpoint-independent
//! mapping with three kinds of filtering, and address-and-port-dependent mapping.

use std::fmt;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::namespace::{ip, must, unique};

/// The port on which homes listen, and which their routers map to another one.
pub const PORT: u16 = 4787;
/// The port that a router of the first three kinds gives to it.
const MAPPED: u16 = 14787;

/// How a router translates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nat {
    /// One port outside for one inside, whomever it talks to; anybody is let in there.
    FullCone,
    /// The same; let in is who was sent something, from any port of his.
    RestrictedCone,
    /// The same; let in is who was sent something, from the port to which it was sent.
    PortRestrictedCone,
    /// Another port outside for everybody it talks to; let in is who was sent something, from that port.
    Symmetric,
}

impl Nat {
    /// From the most open to the most closed.
    pub const ALL: [Self; 4] = [Self::FullCone, Self::RestrictedCone, Self::PortRestrictedCone, Self::Symmetric];

    /// Whether two behind these can reach each other directly, with somebody to introduce them.
    #[must_use]
    pub fn opens_to(self, other: Self) -> bool {
        !matches!((self.min(other), self.max(other)), (Self::PortRestrictedCone | Self::Symmetric, Self::Symmetric))
    }

    /// What the router does, in the language of nftables, for the home `inside` and the router's address `outside`.
    fn rules(self, inside: &str, outside: &str) -> String {
        let fixed = format!("ip saddr {inside} meta l4proto {{ tcp, udp }} th sport {PORT} snat to {outside}:{MAPPED}");
        let inwards = format!("meta l4proto {{ tcp, udp }} th dport {MAPPED} dnat to {inside}:{PORT}");
        let (known, before, after) = match self {
            Self::FullCone => (String::new(), format!("iif wan {inwards}"), fixed),
            Self::RestrictedCone => (
                format!("iif lan ip saddr {inside} add @spoken_to {{ ip daddr }}"),
                format!("iif wan ip saddr @spoken_to {inwards}"),
                fixed,
            ),
            Self::PortRestrictedCone => (String::new(), String::new(), fixed),
            Self::Symmetric => {
                (String::new(), String::new(), format!("ip saddr {inside} masquerade random,fully-random"))
            }
        };
        // What comes in unasked is dropped before it is remembered, as routers do: else it would take the place of what goes
        // out to the same address later.
        format!(
            "table ip home {{
                set spoken_to {{ type ipv4_addr; flags timeout; timeout 2m; }}
                chain forward {{ type filter hook forward priority 0; policy drop;
                    {known}
                    ct state established,related accept
                    ct status dnat accept
                    iif lan accept
                }}
                chain input {{ type filter hook input priority 0; policy drop; ct state established,related accept; iif lan accept; }}
                chain before {{ type nat hook prerouting priority -100; {before}
                }}
                chain after {{ type nat hook postrouting priority 100; oif wan {after}
                    oif wan masquerade
                }}
            }}"
        )
    }
}

impl fmt::Display for Nat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FullCone => "full cone",
            Self::RestrictedCone => "restricted",
            Self::PortRestrictedCone => "port-restricted",
            Self::Symmetric => "symmetric",
        })
    }
}

/// Why there can be no such internet here; a test that needs it prints it and ends.
#[must_use]
pub fn unavailable() -> Option<String> {
    crate::namespace::unavailable().or_else(|| {
        let found = Command::new("nft").arg("--version").stdout(Stdio::null()).status();
        found.err().map(|why| format!("skipped, the routers need nftables: {why}"))
    })
}

/// Machines on 198.51.100.0/24, and homes behind routers on it. All goes when it is dropped.
pub struct Internet {
    exchange: String,
    names: Vec<String>,
    next: u8,
}

impl Default for Internet {
    fn default() -> Self {
        Self::new()
    }
}

impl Internet {
    /// With nobody on it.
    ///
    /// # Panics
    /// If the system denies it; ask [`unavailable`] before.
    #[must_use]
    pub fn new() -> Self {
        let internet = Self { exchange: unique("exchange"), names: Vec::new(), next: 1 };
        must(&["netns", "add", &internet.exchange]);
        must(&["-n", &internet.exchange, "link", "add", "br0", "type", "bridge"]);
        must(&["-n", &internet.exchange, "link", "set", "br0", "up"]);
        internet
    }

    /// A machine that everybody can call: its namespace and its address.
    ///
    /// # Panics
    /// If the system denies it.
    pub fn public(&mut self) -> (String, String) {
        let (name, address) = self.join("server", "wan");
        (name, address)
    }

    /// A home behind a router: its machine's namespace.
    ///
    /// # Panics
    /// If the system denies it.
    pub fn home(&mut self, nat: Nat) -> String {
        let (router, outside) = self.join("router", "wan");
        let (home, third) = (unique("home"), self.next);
        let (inside, gateway) = (format!("192.168.{third}.2"), format!("192.168.{third}.1"));
        must(&["netns", "add", &home]);
        self.names.push(home.clone());
        must(&["-n", &router, "link", "add", "lan", "type", "veth", "peer", "name", "eth0", "netns", &home]);
        must(&["-n", &router, "address", "add", &format!("{gateway}/24"), "dev", "lan"]);
        must(&["-n", &router, "link", "set", "lan", "up"]);
        must(&["-n", &home, "link", "set", "lo", "up"]);
        must(&["-n", &home, "address", "add", &format!("{inside}/24"), "dev", "eth0"]);
        must(&["-n", &home, "link", "set", "eth0", "up"]);
        must(&["-n", &home, "route", "add", "default", "via", &gateway]);
        inside_of(&router, "sysctl", &["-qw", "net.ipv4.ip_forward=1"], "");
        inside_of(&router, "nft", &["-f", "-"], &nat.rules(&inside, &outside));
        home
    }

    fn join(&mut self, what: &str, interface: &str) -> (String, String) {
        let (name, port, address) = (unique(what), format!("port{}", self.next), format!("198.51.100.{}", self.next));
        self.next += 1;
        must(&["netns", "add", &name]);
        self.names.push(name.clone());
        must(&["-n", &self.exchange, "link", "add", &port, "type", "veth", "peer", "name", interface, "netns", &name]);
        must(&["-n", &self.exchange, "link", "set", &port, "master", "br0", "up"]);
        must(&["-n", &name, "link", "set", "lo", "up"]);
        must(&["-n", &name, "address", "add", &format!("{address}/24"), "dev", interface]);
        must(&["-n", &name, "link", "set", interface, "up"]);
        (name, address)
    }
}

impl Drop for Internet {
    fn drop(&mut self) {
        for name in self.names.iter().chain([&self.exchange]) {
            // A test that failed has said so already.
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// A program in a namespace.
#[must_use]
pub fn command(namespace: &str, program: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(program);
    command
}

fn inside_of(namespace: &str, program: &str, arguments: &[&str], input: &str) {
    let mut child = command(namespace, Path::new(program))
        .args(arguments)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("{program}: {why}"));
    child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("it reads");
    let status = child.wait().expect("it ends");
    assert!(status.success(), "{program} {arguments:?}: {status}, given\n{input}");
}
