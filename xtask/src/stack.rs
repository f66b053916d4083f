//! The daemon's own network code by the thousand and in virtual time (`simulations/stack`), beside the model of it with which
//! larger worlds are played.

use std::{path::PathBuf, process::Stdio};

use serde_json::Value;

use crate::run::{Outcome, cargo, output, program, root, show};

/// As many as every test run plays.
pub(crate) const NODES: u64 = 1_000;

/// The model may be off by this share in what takes half of the pairs, and the slowest hundredth, and in copies.
const MODEL_WITHIN: f64 = 0.10;

/// Plays it twice at the same time, in two processes: both must come to the same, and everybody must hear everything.
pub(crate) fn run(nodes: u64, seed: u64) -> Outcome {
    let world = build()?;
    let arguments = ["--nodes", &nodes.to_string(), "--seed", &seed.to_string(), "--json"].map(str::to_owned);
    let begin = || {
        let mut command = program(&world);
        command.args(&arguments).stdout(Stdio::piped()).spawn().map_err(|error| format!("{}: {error}", world.display()))
    };
    let (first, second) = (begin()?, begin()?);
    let ended = |child: std::process::Child| {
        let output = child.wait_with_output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("the network in virtual time ended with {}", output.status));
        }
        serde_json::from_slice::<Value>(&output.stdout).map_err(|error| error.to_string())
    };
    let (first, second) = (ended(first)?, ended(second)?);
    let model = model(nodes, seed)?;
    show_table(&first, &model);
    if first != second {
        return Err(format!("one seed gave two runs:\n{first}\n{second}"));
    }
    if figure(&first, "delivered") < 1.0 {
        return Err(format!("not everybody heard everything: {first}"));
    }
    for name in FIGURES {
        let off = (ratio(&first, &model, name) - 1.0).abs();
        if nodes >= NODES && off > MODEL_WITHIN {
            return Err(format!("the model is off by {:.0} % in {name}", off * 100.0));
        }
    }
    Ok(())
}

/// What the model must get right.
const FIGURES: [&str; 3] = ["p50_ms", "p99_ms", "copies"];

fn build() -> Result<PathBuf, String> {
    let folder = root().join("simulations/stack");
    let mut command = cargo();
    // A folder of its own for what is built: its libp2p stands on other clocks.
    command.args(["build", "--release", "--locked", "--manifest-path"]).arg(folder.join("Cargo.toml"));
    show(command.arg("--target-dir").arg(folder.join("target")))?;
    Ok(folder.join("target/release/meerkat-stack"))
}

fn model(nodes: u64, seed: u64) -> Result<Value, String> {
    let (nodes, seed) = (nodes.to_string(), seed.to_string());
    let mut command = cargo();
    command.args(["run", "--quiet", "-p", "meerkat-simulations", "--bin", "meerkat-sim", "--", "gossip", "--json"]);
    let text = output(command.args(["--homes", &nodes, "--seed", &seed]))?;
    serde_json::from_str(&text).map_err(|error| error.to_string())
}

fn figure(outcome: &Value, name: &str) -> f64 {
    outcome[name].as_f64().unwrap_or(f64::NAN)
}

fn ratio(network: &Value, model: &Value, name: &str) -> f64 {
    figure(model, name) / figure(network, name)
}

fn show_table(network: &Value, model: &Value) {
    println!("{:<10} {:>10} {:>10} {:>8}", "", "network", "model", "ratio");
    for name in FIGURES.into_iter().chain(["max_ms", "bytes"]) {
        let (ours, modelled) = (figure(network, name), figure(model, name));
        println!("{name:<10} {ours:>10.2} {modelled:>10.2} {:>8.2}", ratio(network, model, name));
    }
    println!("idle: {:.1} B/s a node; trace {}", figure(network, "idle_bytes_a_second"), network["trace"]);
}
