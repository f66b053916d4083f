//! Hostile bytes against everything that reads what strangers send. The targets are in `fuzz/`, a workspace of its own.

use clap::Args;

use crate::{
    run::{Outcome, output, program, root, show},
    tools::Tool,
};

const FUZZ: Tool = Tool { name: "cargo-fuzz", version: "0.13.2" };

/// How `cargo xtask fuzz` is called.
#[derive(Args)]
pub(crate) struct Options {
    /// Which parser; all, one after the other, if none is named.
    target: Option<String>,
    /// How long each, in seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
}

/// Runs the targets; what breaks one stays in `fuzz/artifacts/`.
pub(crate) fn run(options: &Options) -> Outcome {
    let fuzz = FUZZ.path()?;
    let listed = output(program(&fuzz).args(["fuzz", "list"]))?;
    let all: Vec<_> = listed.split_whitespace().collect();
    let chosen = match &options.target {
        Some(name) if all.contains(&name.as_str()) => vec![name.as_str()],
        Some(name) => return Err(format!("there is no target `{name}`: there are {}", all.join(", "))),
        None => all,
    };
    for target in chosen {
        let mut command = program(&fuzz);
        // No sanitizer: they need a nightly compiler, and there is no `unsafe` of ours for them to watch. Panics are found.
        command.args(["fuzz", "run", "--sanitizer", "none", target]);
        // What the fuzzer finds worth keeping goes into the first folder; the seeds are only read.
        command.arg(root().join("fuzz/corpus").join(target)).arg(root().join("fuzz/seeds").join(target));
        command.args(["--", "-max_len=4096", "-timeout=5", &format!("-max_total_time={}", options.seconds)]);
        std::fs::create_dir_all(root().join("fuzz/corpus").join(target)).map_err(|e| e.to_string())?;
        show(&mut command)?;
    }
    Ok(())
}
