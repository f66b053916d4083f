//! The daemon for a Raspberry Pi, built on a Debian of another architecture and started once under emulation. That proves
//! that it starts, never how fast it is.

use crate::{
    debian,
    run::{Outcome, cargo, output, program, show, target},
};

const TRIPLE: &str = "aarch64-unknown-linux-gnu";

/// Builds and starts it.
pub(crate) fn run() -> Outcome {
    let known = output(program("dpkg").arg("--print-foreign-architectures")).unwrap_or_default();
    if !known.lines().any(|a| a == "arm64") {
        let without_rights =
            "needs Debian and root's rights: run `dpkg --add-architecture arm64` and `apt-get update` as root";
        let mut dpkg = debian::as_root("dpkg").ok_or(without_rights)?;
        show(dpkg.args(["--add-architecture", "arm64"]))?;
    }
    debian::install(debian::FOR_ARM64)?;
    // Debian's compiler brings the standard library; it is another compiler than the one of the other builds, so it gets a
    // folder of its own.
    let folder = target()?.join("arm64");
    let mut build = cargo();
    build.args(["build", "--release", "--package", "meerkat", "--target", TRIPLE, "--target-dir"]).arg(&folder);
    build.env("RUSTC", "/usr/bin/rustc");
    build.env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", "aarch64-linux-gnu-gcc");
    build.env("CC_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-gcc");
    build.env("CXX_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-g++");
    build.env("AR_aarch64_unknown_linux_gnu", "aarch64-linux-gnu-ar");
    show(&mut build)?;
    let binary = folder.join(TRIPLE).join("release/meerkat");
    let mut start = program("qemu-aarch64-static");
    start.args(["-L", "/usr/aarch64-linux-gnu"]).arg(&binary).arg("--version");
    let said = output(&mut start)?;
    if !said.starts_with("meerkat ") {
        return Err(format!("it started, but said `{}` instead of its version", said.trim()));
    }
    let size_mb = std::fs::metadata(&binary).map_err(|e| e.to_string())?.len() as f64 / 1e6;
    println!("{} starts on arm64: {} ({size_mb:.1} MB, {})", said.trim(), TRIPLE, binary.display());
    Ok(())
}
