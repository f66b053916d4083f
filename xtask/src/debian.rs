//! Programs that the tests drive and the machine must have: taken from Debian where we may, named where we may not.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use crate::run::{Outcome, on_path, output, program, show, succeeds};

/// A Debian package and how to see, on any system, that what it brings is there.
pub(crate) struct Package {
    /// Its name.
    name: &'static str,
    /// A program on the path, or a file when it begins with `/`.
    brings: &'static str,
}

/// What the tests start: a caller, a router, a phone, a browser and its letters, networks, deaths and wrong clocks.
pub(crate) const FOR_TESTS: &[Package] = &[
    Package { name: "sip-tester", brings: "sipp" },
    Package { name: "kamailio", brings: "kamailio" },
    Package { name: "baresip-core", brings: "baresip" },
    Package { name: "chromium", brings: "chromium" },
    Package { name: "fonts-dejavu-core", brings: "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf" },
    Package { name: "iproute2", brings: "ip" },
    Package { name: "nftables", brings: "nft" },
    Package { name: "strace", brings: "strace" },
    Package { name: "faketime", brings: "faketime" },
];

/// What the benches start beside that.
pub(crate) const FOR_BENCHES: &[Package] =
    &[Package { name: "wrk", brings: "wrk" }, Package { name: "sip-tester", brings: "sipp" }];

/// A C compiler and library for arm64, a Rust compiler that has the standard library for it, and an emulator. Debian's
/// own compiler serves because its standard library comes as a package for a second architecture.
pub(crate) const FOR_ARM64: &[Package] = &[
    Package { name: "rustc-web", brings: "/usr/bin/rustc" },
    Package { name: "libstd-rust-web-dev:arm64", brings: "/usr/lib/rustlib/aarch64-unknown-linux-gnu/lib" },
    Package { name: "gcc-aarch64-linux-gnu", brings: "aarch64-linux-gnu-gcc" },
    Package { name: "g++-aarch64-linux-gnu", brings: "aarch64-linux-gnu-g++" },
    Package { name: "libc6-dev-arm64-cross", brings: "/usr/aarch64-linux-gnu/lib/libc.so.6" },
    Package { name: "qemu-user-static", brings: "qemu-aarch64-static" },
];

impl Package {
    fn is_there(&self) -> bool {
        if self.brings.starts_with('/') { Path::new(self.brings).exists() } else { on_path(self.brings) }
    }
}

/// Installs what is missing, or says what to install.
pub(crate) fn install(wanted: &[Package]) -> Outcome {
    let missing: Vec<_> = wanted.iter().filter(|p| !p.is_there()).map(|p| p.name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let list = missing.join(" ");
    let without_rights = || {
        format!(
            "programs are missing, and they cannot be installed from here. On Debian, as root:\n  \
             apt-get install --no-install-recommends {list}\nElsewhere, install what brings the same programs"
        )
    };
    eprintln!("installing {list}");
    let _guard = missing.contains(&"kamailio").then(Standstill::begin);
    let mut install = apt_get("install").ok_or_else(without_rights)?;
    // A new machine has no list of packages yet, an old one an outdated list: then the first try fails, quietly.
    if !succeeds(install.args(["-y", "--no-install-recommends"]).args(&missing)) {
        show(&mut apt_get("update").ok_or_else(without_rights)?)?;
        show(&mut install)?;
    }
    let absent: Vec<_> = wanted.iter().filter(|p| !p.is_there()).map(|p| p.name).collect();
    if absent.is_empty() { Ok(()) } else { Err(format!("installed, but not found afterwards: {}", absent.join(" "))) }
}

/// The program with root's rights, if they can be had without asking for a password.
pub(crate) fn as_root(name: &str) -> Option<Command> {
    if output(program("id").arg("-u")).is_ok_and(|id| id.trim() == "0") {
        return Some(program(name));
    }
    succeeds(program("sudo").args(["-n", "true"])).then(|| {
        let mut command = program("sudo");
        command.args(["-n", name]);
        command
    })
}

fn apt_get(verb: &str) -> Option<Command> {
    let mut command = as_root("env").filter(|_| on_path("apt-get"))?;
    // Another apt may be at work on the machine: wait for it as long as a person would.
    command.args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq", "-o", "DPkg::Lock::Timeout=180", verb]);
    Some(command)
}

/// While it lives, packages that are installed may not start their daemons: Debian starts a kamailio of its own on the
/// SIP port, which would answer our tests' calls (invoke-rc.d asks `policy-rc.d`; 101 means "not allowed").
struct Standstill(Option<PathBuf>);

impl Standstill {
    fn begin() -> Self {
        let policy = PathBuf::from("/usr/sbin/policy-rc.d");
        // Where the machine has a policy of its own, or we may not write one, a kamailio that starts is stopped below.
        let ours = !policy.exists()
            && fs::write(&policy, "#!/bin/sh\nexit 101\n").is_ok()
            && fs::set_permissions(&policy, fs::Permissions::from_mode(0o755)).is_ok();
        Self(ours.then_some(policy))
    }
}

impl Drop for Standstill {
    fn drop(&mut self) {
        if let Some(policy) = self.0.take()
            && let Err(e) = fs::remove_file(&policy)
        {
            eprintln!("remove {} by hand, or no package can start its daemon: {e}", policy.display());
        }
        if Path::new("/run/systemd/system").exists()
            && let Some(mut systemctl) = as_root("systemctl")
        {
            succeeds(systemctl.args(["disable", "--now", "kamailio"]));
        }
    }
}
