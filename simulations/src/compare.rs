//! Two runs side by side.

use serde_json::Value;

/// Why a file is not the outcome of a run.
#[derive(Debug, thiserror::Error)]
pub enum NotARun {
    /// It is no JSON.
    #[error("this is no JSON as `--json` writes it: {0}")]
    Json(#[from] serde_json::Error),
    /// It is JSON of something else.
    #[error("this is no run of meerkat-sim: it has no `trace`")]
    Other,
}

/// Reads what `--json` wrote.
///
/// # Errors
/// [`NotARun`] if it is something else.
pub fn read(text: &str) -> Result<Value, NotARun> {
    let value: Value = serde_json::from_str(text)?;
    if value["trace"].is_string() { Ok(value) } else { Err(NotARun::Other) }
}

/// Each figure of both, and the second as a share of the first.
#[must_use]
pub fn table(before: &Value, after: &Value) -> String {
    let mut lines = vec![format!("{:<20} {:>14} {:>14} {:>8}", "", "before", "after", "ratio")];
    for (name, first) in figures(before) {
        let second = figures(after).into_iter().find(|(other, _)| *other == name);
        let line = match second {
            Some((_, second)) if first.abs() > f64::EPSILON => {
                format!("{name:<20} {first:>14.2} {second:>14.2} {:>8.2}", second / first)
            }
            Some((_, second)) => format!("{name:<20} {first:>14.2} {second:>14.2} {:>8}", "-"),
            None => format!("{name:<20} {first:>14.2} {:>14} {:>8}", "-", "-"),
        };
        lines.push(line);
    }
    let same = before["trace"] == after["trace"];
    lines.push(if same { "the same happened in both".to_owned() } else { "the traces differ".to_owned() });
    let failed = |run: &Value| {
        let checks = run["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
        let failed = checks.iter().filter(|check| check["failures"].as_array().is_some_and(|all| !all.is_empty()));
        failed.filter_map(|check| check["what"].as_str().map(str::to_owned)).collect::<Vec<_>>()
    };
    for (which, run) in [("before", before), ("after", after)] {
        lines.extend(failed(run).into_iter().map(|what| format!("FAILED {which}: {what}")));
    }
    lines.join("\n")
}

fn figures(run: &Value) -> Vec<(String, f64)> {
    let of = if run["figures"].is_object() { &run["figures"] } else { run };
    let all = of.as_object().into_iter().flatten();
    all.filter_map(|(name, value)| Some((name.clone(), value.as_f64()?))).filter(|(name, _)| name != "seed").collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn figures_stand_beside_each_other_with_their_ratio() {
        let run = |trace: &str, p50: f64| json!({"trace": trace, "seed": 1, "figures": {"p50_ms": p50}});
        let text = table(&run("a", 50.0), &run("b", 75.0));
        assert!(text.contains("1.50") && text.contains("differ"), "{text}");
        assert!(!text.contains("seed"));
        assert!(table(&run("a", 50.0), &run("a", 50.0)).contains("the same happened"));
    }

    #[test]
    fn what_is_no_run_is_said() {
        assert!(read("{").is_err());
        assert_eq!(read("{}").expect_err("none").to_string(), "this is no run of meerkat-sim: it has no `trace`");
    }

    #[test]
    fn a_check_that_failed_is_named() {
        let run = json!({"trace": "a", "figures": {}, "checks": [{"what": "all is well", "failures": ["it is not"]}]});
        assert!(table(&run, &run).contains("FAILED after: all is well"));
    }
}
