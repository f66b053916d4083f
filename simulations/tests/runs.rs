//! The program as people run it: one seed gives one run in two processes, and what must hold holds.

use std::process::Command;

use serde_json::Value;

fn run(scenario: &str, seed: &str) -> (bool, Value) {
    let program = env!("CARGO_BIN_EXE_meerkat-sim");
    let output = Command::new(program).args(["run", scenario, "--seed", seed, "--json"]).output().expect("it starts");
    let text = String::from_utf8(output.stdout).expect("text");
    (output.status.success(), serde_json::from_str(&text).expect("JSON"))
}

#[test]
fn one_seed_is_one_run_in_whatever_process() {
    let (held, first) = run("quiet-street", "7");
    assert!(held, "{first:#}");
    let (_, second) = run("quiet-street", "7");
    assert_eq!(first, second);
    assert_ne!(run("quiet-street", "8").1["trace"], first["trace"]);
}

#[test]
fn what_must_hold_holds_through_cuts_of_power_and_of_lines() {
    for scenario in ["power-cuts", "bad-lines", "clock-scramble", "cold-boot", "laptops", "crossed-cuts"] {
        let (held, outcome) = run(scenario, "1");
        assert!(held, "{scenario}: {outcome:#}");
    }
}

#[test]
fn what_is_no_scenario_is_said_with_what_is_wrong() {
    let program = env!("CARGO_BIN_EXE_meerkat-sim");
    let output = Command::new(program).args(["run", "no-such-street"]).output().expect("it starts");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("meerkat-sim list"));
}
