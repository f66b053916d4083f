//! Every test there is, after one build, with a summary at the end.

use std::{path::Path, process::Command, time::Instant};

use clap::Args;

use crate::{
    debian, node_packages,
    run::{Outcome, cargo, output, program, root, show, show_and_keep, succeeds, target},
    stack,
};

/// Tests that start other programs: those of the package `meerkat-tests`, but for the rules of the house, and wherever a
/// test or module is named `real`.
const WITHOUT_REAL_PARTS: &str =
    "not test(/(^|::)real(_|::)/) and not (package(meerkat-tests) and not test(/^(architecture|tidy)::/))";

/// How `cargo xtask test` is called.
#[derive(Args)]
pub(crate) struct Options {
    /// Leaves out the tests that start a router, a phone, a browser or daemons, and installs none of them.
    #[arg(long)]
    quick: bool,
    /// Given to the test runner, for instance `-p meerkat-store` or part of a test's name; then only Rust tests run.
    #[arg(last = true)]
    runner: Vec<String>,
}

/// One line of the summary.
struct Step {
    name: &'static str,
    outcome: Outcome,
    /// The runner's own closing line.
    said: Option<String>,
    took_s: f64,
}

/// Runs all steps, the later ones although an earlier one failed, but for those that need it.
pub(crate) fn run(options: &Options) -> Outcome {
    let mut steps = Steps(Vec::new());
    let everything = options.runner.is_empty();
    if !options.quick {
        steps.run("programs", || (debian::install(debian::FOR_TESTS), None));
        steps.run("browser packages", || (node_packages::install("tests/browser"), None));
    }
    steps.run("page packages", || (node_packages::install("web/ui"), None));
    steps.run("test runner", || (install_runner(), None));
    if steps.all_well() && steps.run("build", || (build(), None)) {
        steps.run("tests", || rust_tests(options));
        if everything && has_doc_tests(root()) {
            steps.run("documentation", || {
                show_and_keep(cargo().args(["test", "--workspace", "--doc"]), is_closing_line)
            });
        }
    }
    if everything && !options.quick {
        steps.run("network in virtual time", || (stack::run(stack::NODES, 1), None));
    }
    if everything && root().join("web/ui/package.json").exists() {
        steps.run("page", || show_and_keep(npm_test().current_dir(root().join("web/ui")), is_closing_line));
    }
    steps.sum_up()
}

/// One build of everything: the tests, and the programs that the tests start. The same selection of packages as the
/// runner's, or cargo would unite features differently and build the world twice.
fn build() -> Outcome {
    show(cargo().args(["build", "--workspace", "--bins", "--examples", "--tests"]))
}

fn install_runner() -> Outcome {
    if has_nextest() || show(cargo().args(["install", "cargo-nextest", "--locked"])).is_ok() {
        return Ok(());
    }
    eprintln!("cargo-nextest cannot be installed here: `cargo test` serves, more slowly");
    Ok(())
}

fn has_nextest() -> bool {
    succeeds(cargo().args(["nextest", "--version"]))
}

fn rust_tests(options: &Options) -> (Outcome, Option<String>) {
    let daemon = match target() {
        Ok(folder) => folder.join("debug/meerkat"),
        Err(why) => return (Err(why), None),
    };
    let mut command = cargo();
    command.env("MEERKAT_BIN", daemon);
    if has_nextest() {
        command.args(["nextest", "run", "--workspace", "--no-fail-fast"]);
        if options.quick {
            command.args(["-E", WITHOUT_REAL_PARTS]);
        }
        command.args(&options.runner);
    } else {
        // The tests with real parts share the machine's ports: one at a time.
        command.args(["test", "--workspace", "--lib", "--bins", "--tests", "--no-fail-fast"]).args(&options.runner);
        command.args(["--", "--test-threads=1"]);
        if options.quick {
            command.args(["--skip", "real"]);
        }
    }
    show_and_keep(&mut command, is_closing_line)
}

fn npm_test() -> Command {
    let mut command = program("npm");
    command.args(["test", "--silent"]);
    command
}

/// The closing lines of nextest, of `cargo test` and of vitest.
fn is_closing_line(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("Summary [") || line.starts_with("test result:") || line.starts_with("Tests  ")
}

/// Whether any public documentation holds an example: rustdoc takes its time over nothing at all.
fn has_doc_tests(root: &Path) -> bool {
    let found = output(program("git").current_dir(root).args([
        "grep",
        "-l",
        "-E",
        r"^\s*//[/!] ```(rust|no_run)?$",
        "--",
        "*.rs",
    ]));
    found.is_ok_and(|files| !files.trim().is_empty())
}

struct Steps(Vec<Step>);

impl Steps {
    fn run(&mut self, name: &'static str, step: impl FnOnce() -> (Outcome, Option<String>)) -> bool {
        let began = Instant::now();
        let (outcome, said) = step();
        if let Err(why) = &outcome {
            eprintln!("{name}: {why}");
        }
        let well = outcome.is_ok();
        self.0.push(Step { name, outcome, said, took_s: began.elapsed().as_secs_f64() });
        well
    }

    fn all_well(&self) -> bool {
        self.0.iter().all(|s| s.outcome.is_ok())
    }

    fn sum_up(&self) -> Outcome {
        println!("\n{:<18} {:<7} {:>7}", "step", "", "seconds");
        for Step { name, outcome, said, took_s } in &self.0 {
            let word = if outcome.is_ok() { "ok" } else { "FAILED" };
            println!("{name:<18} {word:<7} {took_s:>7.1}  {}", said.as_deref().unwrap_or_default());
        }
        let failed: Vec<_> = self.0.iter().filter(|s| s.outcome.is_err()).map(|s| s.name).collect();
        if failed.is_empty() { Ok(()) } else { Err(format!("failed: {}", failed.join(", "))) }
    }
}

#[cfg(test)]
mod tests {
    use super::is_closing_line;

    #[test]
    fn the_closing_line_of_each_runner_is_known() {
        assert!(is_closing_line("     Summary [   3.418s] 121 tests run: 121 passed, 2 skipped"));
        assert!(is_closing_line("test result: ok. 4 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"));
        assert!(is_closing_line("      Tests  12 passed (12)"));
        assert!(!is_closing_line("        PASS [   0.010s] xtask tests::one"));
    }
}
