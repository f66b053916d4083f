//! The npm packages of the page and of the browser tests: installed when what lies there is not what the lock file says.

use std::{collections::BTreeMap, fs, path::Path};

use serde::Deserialize;

use crate::run::{Outcome, on_path, program, root, show};

/// A `package-lock.json`, or what npm leaves in `node_modules` about what it installed.
#[derive(Deserialize)]
struct Lock {
    packages: BTreeMap<String, Locked>,
}

#[derive(Deserialize, PartialEq)]
struct Locked {
    version: Option<String>,
    #[serde(default)]
    optional: bool,
}

/// Runs `npm ci` in the folder, if needed.
pub(crate) fn install(folder: &str) -> Outcome {
    let dir = root().join(folder);
    if !dir.join("package.json").exists() || is_fresh(&dir) {
        return Ok(());
    }
    if !on_path("npm") {
        return Err("npm is missing: install Node.js 20 or later".to_owned());
    }
    show(program("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(&dir))
}

fn is_fresh(dir: &Path) -> bool {
    let Some(wanted) = read(&dir.join("package-lock.json")) else { return false };
    let Some(installed) = read(&dir.join("node_modules/.package-lock.json")) else { return false };
    agrees(&wanted, &installed)
}

fn read(path: &Path) -> Option<Lock> {
    serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
}

/// Whether everything that was locked is installed in that version. Optional packages are those of other systems.
fn agrees(wanted: &Lock, installed: &Lock) -> bool {
    wanted.packages.iter().filter(|(path, _)| !path.is_empty()).all(|(path, package)| {
        match installed.packages.get(path) {
            Some(there) => there.version == package.version,
            None => package.optional,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lock(packages: &str) -> Lock {
        serde_json::from_str(&format!("{{\"packages\":{packages}}}")).expect("JSON")
    }

    #[test]
    fn a_changed_version_or_a_missing_package_is_stale() {
        let wanted = lock(r#"{"":{"version":"1"},"a":{"version":"2"},"b":{"version":"3","optional":true}}"#);
        assert!(agrees(&wanted, &lock(r#"{"a":{"version":"2"}}"#)));
        assert!(agrees(&wanted, &lock(r#"{"a":{"version":"2"},"b":{"version":"3"}}"#)));
        assert!(!agrees(&wanted, &lock(r#"{"a":{"version":"1"}}"#)));
        assert!(!agrees(&wanted, &lock(r#"{"b":{"version":"3"}}"#)));
    }
}
