//! Commands of other programs: announced before they run, judged by their exit code, quoted when they fail.

use std::{
    ffi::OsStr,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde::Deserialize;

/// What a chore answers: nothing, or words for the person.
pub(crate) type Outcome<T = ()> = Result<T, String>;

/// The root of the workspace.
pub(crate) fn root() -> &'static Path {
    // The manifest of this package lies one folder below the root.
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask/ lies in the workspace")
}

/// Cargo, the very one that started us.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo sets for the packages it runs describes xtask, and would rebuild whatever reads it.
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|n| n.starts_with("CARGO_PKG_") || n == "CARGO_MANIFEST_DIR") {
            command.env_remove(name);
        }
    }
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// A program of the system, run at the root.
pub(crate) fn program(name: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root()).stdin(Stdio::null());
    command
}

/// The command as a person would type it.
pub(crate) fn spelled(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    std::iter::once(name).chain(command.get_args()).map(OsStr::to_string_lossy).collect::<Vec<_>>().join(" ")
}

/// Runs it before the person's eyes.
pub(crate) fn show(command: &mut Command) -> Outcome {
    eprintln!("\n\x1b[1m$ {}\x1b[0m", spelled(command));
    let status = command.status().map_err(|e| format!("`{}` did not start: {e}", spelled(command)))?;
    if status.success() { Ok(()) } else { Err(format!("`{}` failed ({status})", spelled(command))) }
}

/// Runs it before the person's eyes and gives the last line that `wanted` picks, without its colours.
pub(crate) fn show_and_keep(command: &mut Command, wanted: fn(&str) -> bool) -> (Outcome, Option<String>) {
    eprintln!("\n\x1b[1m$ {}\x1b[0m", spelled(command));
    let name = spelled(command);
    let mut child = match command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(e) => return (Err(format!("`{name}` did not start: {e}")), None),
    };
    let errors = child.stderr.take();
    let aside = std::thread::spawn(move || errors.and_then(|e| copy_and_keep(e, std::io::stderr(), wanted)));
    let kept = child.stdout.take().and_then(|o| copy_and_keep(o, std::io::stdout(), wanted));
    let kept = aside.join().ok().flatten().or(kept);
    let outcome = match child.wait() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`{name}` failed ({status})")),
        Err(e) => Err(format!("`{name}` was lost: {e}")),
    };
    (outcome, kept)
}

fn copy_and_keep(from: impl Read, mut to: impl Write, wanted: fn(&str) -> bool) -> Option<String> {
    let mut kept = None;
    for line in BufReader::new(from).split(b'\n') {
        let Ok(line) = line else { break };
        let line = String::from_utf8_lossy(&line).into_owned();
        let plain = without_colours(&line);
        if wanted(&plain) {
            kept = Some(plain.trim().to_owned());
        }
        // A closed terminal is no reason to stop reading: the child would block on a full pipe.
        let _ = writeln!(to, "{line}");
    }
    kept
}

/// The text without the escape sequences that colour it (ECMA-48 8.3.117, SGR).
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once("\x1b[") {
        plain.push_str(before);
        rest = after.find('m').map_or("", |end| &after[end + 1..]);
    }
    plain + rest
}

/// What it prints on standard output, if it succeeds.
pub(crate) fn output(command: &mut Command) -> Outcome<String> {
    let done = command.output().map_err(|e| format!("`{}` did not start: {e}", spelled(command)))?;
    if done.status.success() {
        return Ok(String::from_utf8_lossy(&done.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&done.stderr);
    Err(format!("`{}` failed ({}): {}", spelled(command), done.status, said.trim()))
}

/// Whether it can be started and succeeds; what it says is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|s| s.success())
}

/// Whether a program of this name is on the path.
pub(crate) fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // A user's path often lacks the folders where Debian puts routers and `ip`.
    std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).any(|dir| dir.join(name).is_file())
}

/// The folder cargo builds into.
pub(crate) fn target() -> Outcome<PathBuf> {
    #[derive(Deserialize)]
    struct Metadata {
        target_directory: PathBuf,
    }
    let said = output(cargo().args(["metadata", "--no-deps", "--format-version", "1"]))?;
    let read: Metadata = serde_json::from_str(&said).map_err(|e| format!("cargo metadata is not what we know: {e}"))?;
    Ok(read.target_directory)
}

#[cfg(test)]
mod tests {
    use super::without_colours;

    #[test]
    fn colours_go_and_words_stay() {
        assert_eq!(without_colours("\x1b[32;1m     Summary\x1b[0m [ 1.2s]\x1b[K"), "     Summary [ 1.2s]");
        assert_eq!(without_colours("plain"), "plain");
    }
}
