//! Machines on one local network, as network namespaces (network_namespaces(7)) around a bridge. Needs root.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

/// Why there can be no namespaces here; a test that needs them prints it and ends.
#[must_use]
pub fn unavailable() -> Option<String> {
    let probe = unique("probe");
    let added = ip(&["netns", "add", &probe]).and_then(|()| ip(&["netns", "exec", &probe, "true"]));
    // What was not made cannot be taken away.
    let _ = ip(&["netns", "del", &probe]);
    added.err().map(|why| format!("skipped, network namespaces are not to be had (root and iproute2?): {why}"))
}

/// A bridge with machines on it, each with the interface `eth0` and an address in 10.47.0.0/24. All goes when it is
/// dropped.
pub struct Lan {
    switch: String,
    machines: Vec<String>,
    /// The machines on a bridge of their own.
    apart: Vec<u8>,
}

impl Lan {
    /// Machines 0 to `count` - 1, all plugged in.
    ///
    /// # Panics
    /// If the system denies it; ask [`unavailable`] before.
    #[must_use]
    pub fn new(count: u8) -> Self {
        let mut lan = Self { switch: unique("switch"), machines: Vec::new(), apart: Vec::new() };
        must(&["netns", "add", &lan.switch]);
        must(&["-n", &lan.switch, "link", "add", "br0", "type", "bridge"]);
        must(&["-n", &lan.switch, "link", "set", "br0", "up"]);
        for machine in 0..count {
            let name = unique("node");
            must(&["netns", "add", &name]);
            lan.machines.push(name);
            lan.wire(machine);
        }
        lan
    }

    fn wire(&self, machine: u8) {
        let (name, switch, port) = (self.name(machine), &self.switch, format!("port{machine}"));
        must(&["-n", switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", name]);
        must(&["-n", switch, "link", "set", &port, "master", "br0", "up"]);
        must(&["-n", name, "link", "set", "lo", "up"]);
        self.plug(machine);
    }

    /// Gives the machine its address and its interface back.
    ///
    /// # Panics
    /// If the system denies it.
    pub fn plug(&self, machine: u8) {
        must(&["-n", self.name(machine), "link", "set", "eth0", "up"]);
        must(&[
            "-n",
            self.name(machine),
            "address",
            "replace",
            &format!("{}/24", self.address(machine)),
            "dev",
            "eth0",
        ]);
    }

    /// Takes the machine's address and interface away, as before its network is up.
    ///
    /// # Panics
    /// If the system denies it.
    pub fn unplug(&self, machine: u8) {
        must(&["-n", self.name(machine), "address", "flush", "dev", "eth0"]);
        must(&["-n", self.name(machine), "link", "set", "eth0", "down"]);
    }

    /// Moves these machines to a bridge of their own: they reach each other, and nobody else.
    ///
    /// # Panics
    /// If the system denies it.
    pub fn cut(&mut self, machines: std::ops::Range<u8>) {
        must(&["-n", &self.switch, "link", "add", "br1", "type", "bridge"]);
        must(&["-n", &self.switch, "link", "set", "br1", "up"]);
        for machine in machines {
            must(&["-n", &self.switch, "link", "set", &format!("port{machine}"), "master", "br1"]);
            self.apart.push(machine);
        }
    }

    /// Brings those machines back.
    ///
    /// # Panics
    /// If the system denies it.
    pub fn heal(&mut self) {
        for machine in std::mem::take(&mut self.apart) {
            must(&["-n", &self.switch, "link", "set", &format!("port{machine}"), "master", "br0"]);
        }
        must(&["-n", &self.switch, "link", "del", "br1"]);
    }

    /// Drops so many of a hundred packets on their way into each machine, by chance; none for 0. Needs nftables.
    ///
    /// # Panics
    /// If the system denies it.
    pub fn lose(&self, percent: u8) {
        let rules = format!(
            "table inet loss {{ }}\ndelete table inet loss\ntable inet loss {{\n chain in {{\n \
             type filter hook input priority 0;\n iifname \"eth0\" numgen random mod 100 < {percent} drop\n }}\n}}\n"
        );
        for name in &self.machines {
            let mut command = Command::new("ip");
            command.args(["netns", "exec", name, "nft", "-f", "-"]).stdin(std::process::Stdio::piped());
            let mut nft = command.spawn().expect("nft is there");
            std::io::Write::write_all(&mut nft.stdin.take().expect("piped"), rules.as_bytes()).expect("it reads");
            assert!(nft.wait().expect("it ends").success(), "nft took not: {rules}");
        }
    }

    /// The machine's IPv4 address.
    #[must_use]
    pub fn address(&self, machine: u8) -> String {
        format!("10.47.0.{}", u32::from(machine) + 1)
    }

    /// The machine's namespace.
    #[must_use]
    pub fn name(&self, machine: u8) -> &str {
        &self.machines[usize::from(machine)]
    }

    /// What to put before a program so that it runs on the machine.
    #[must_use]
    pub fn before(&self, machine: u8) -> Vec<String> {
        ["ip", "netns", "exec", self.name(machine)].map(str::to_owned).to_vec()
    }

    /// What writes all that goes in and out of the machine to a file (tcpdump).
    #[must_use]
    pub fn capture(&self, machine: u8, file: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args([
            "netns",
            "exec",
            &self.switch,
            "tcpdump",
            "-Z",
            "root",
            "-U",
            "--immediate-mode",
            "-i",
            &format!("port{machine}"),
        ]);
        command.arg("-w").arg(file);
        command
    }

    /// A program on the machine.
    #[must_use]
    pub fn command(&self, machine: u8, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.name(machine)]).arg(program);
        command
    }
}

impl Drop for Lan {
    fn drop(&mut self) {
        for name in self.machines.iter().chain([&self.switch]) {
            // A test that failed has said so already.
            let _ = ip(&["netns", "del", name]);
        }
    }
}

/// Tests run at the same time, in one process or in many.
pub(crate) fn unique(what: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("meerkat-{what}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn must(arguments: &[&str]) {
    if let Err(why) = ip(arguments) {
        panic!("ip {}: {why}", arguments.join(" "));
    }
}

pub(crate) fn ip(arguments: &[&str]) -> Result<(), String> {
    let Output { status, stderr, .. } =
        Command::new("ip").args(arguments).output().map_err(|error| error.to_string())?;
    if status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&stderr).trim().to_owned()) }
}
