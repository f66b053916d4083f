//! Cargo's companions that a chore needs: the installed one, or one built once into the target folder.

use std::path::PathBuf;

use crate::run::{Outcome, cargo, on_path, show, target};

/// A companion of cargo, in the version we know.
pub(crate) struct Tool {
    /// The package, which is also the program.
    pub(crate) name: &'static str,
    /// The version that is built if none is installed.
    pub(crate) version: &'static str,
}

impl Tool {
    /// Where the program is, after it was built if need be.
    pub(crate) fn path(&self) -> Outcome<PathBuf> {
        if on_path(self.name) {
            return Ok(self.name.into());
        }
        let home = target()?.join("tools");
        let program = home.join("bin").join(self.name);
        if program.exists() {
            return Ok(program);
        }
        // Without optimisation: cargo-deny builds in 75 s on two cores and then judges our tree in 3 s, which no optimised
        // build of several minutes wins back.
        let mut install = cargo();
        install.args(["install", self.name, "--locked", "--debug", "--version", self.version, "--root"]).arg(&home);
        install.env("CARGO_TARGET_DIR", home.join("build")).env("CARGO_PROFILE_DEV_DEBUG", "0");
        show(&mut install)?;
        // What was built on the way is ten times the program.
        let _ = std::fs::remove_dir_all(home.join("build"));
        Ok(program)
    }
}
