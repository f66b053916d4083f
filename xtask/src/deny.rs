//! Licences, sources and banned packages of everything we depend on; known faults where a database of them is at hand.

use std::path::PathBuf;

use crate::{
    run::{Outcome, program, show},
    tools::Tool,
};

const DENY: Tool = Tool { name: "cargo-deny", version: "0.20.2" };

/// Judges.
pub(crate) fn run() -> Outcome {
    let deny = DENY.path()?;
    show(program(&deny).args(["--locked", "check", "licenses", "bans", "sources"]))?;
    if advisories_at_hand() {
        return show(program(&deny).args(["--locked", "--offline", "check", "advisories"]));
    }
    eprintln!("known faults were not looked up: no database of advisories on this machine (`cargo deny fetch db`)");
    Ok(())
}

/// Whether somebody fetched the database into cargo's home. It is never fetched from here: a check must not depend on a line
/// to somewhere.
fn advisories_at_hand() -> bool {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| std::env::var_os("HOME").map(|h| PathBuf::from(h).join(".cargo")));
    home.and_then(|h| h.join("advisory-dbs").read_dir().ok()).is_some_and(|mut found| found.next().is_some())
}
