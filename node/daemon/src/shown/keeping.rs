//! How the stored data is kept.

use serde_json::Value;

use super::{fields, list, long, number, table, text, time};

/// `status` of a locked node.
#[must_use]
pub(crate) fn locked(health: &Value) -> String {
    if health.get("by_pass_phrase").and_then(Value::as_bool) == Some(true) {
        return "Locked: every call rings. Unlock it with `meerkat unlock`.\n".into();
    }
    format!("Locked: every call rings. {}\n", long(health, "waiting"))
}

/// `key status` and `key mode`.
#[must_use]
pub(crate) fn key(key: &Value) -> String {
    let mut rows = vec![("Kept", text(key, "mode"))];
    let names = |field: &str| {
        let names = list(key, field).iter().filter_map(Value::as_str);
        names.map(meerkat_protocols::text::inert).collect::<Vec<_>>().join(", ")
    };
    for (title, field) in [("Given out by", "holders"), ("Held for", "held_for")] {
        rows.extend(Some((title, names(field))).filter(|(_, names)| !names.is_empty()));
    }
    if key.get("rotation").is_some_and(|rotation| !rotation.is_null()) {
        rows.push(("Replacing", rotation(key)));
    }
    format!("{}\n{}\n", fields(&rows), long(key, "words"))
}

/// How far a rotation is.
#[must_use]
pub(crate) fn rotation(key: &Value) -> String {
    let rotation = key.get("rotation").cloned().unwrap_or_default();
    format!("{} of {} values sealed anew", number(&rotation, "rows"), number(&rotation, "of"))
}

/// `key rotate`.
#[must_use]
pub(crate) fn rotated(key: &Value) -> String {
    if key.get("rotation").is_some_and(|rotation| !rotation.is_null()) {
        return format!("The key is being replaced: {}. `meerkat key status` says how far.\n", rotation(key));
    }
    "All values are sealed with a new key; the old one is gone.\n".into()
}

/// `audit list`.
#[must_use]
pub(crate) fn audit(page: &Value) -> String {
    let row = |line: &Value| {
        let times = match number(line, "times") {
            0 | 1 => String::new(),
            times => format!(" ({times} times)"),
        };
        let action = if line.get("action").is_some_and(Value::is_null) {
            "cannot be read: run `meerkat audit verify`".into()
        } else {
            format!("{}{times}", text(line, "action"))
        };
        vec![time(line, "at"), text(line, "actor"), action, text(line, "target"), text(line, "result")]
    };
    let rows: Vec<_> = list(page, "items").iter().map(row).collect();
    table(&["When", "Who", "What", "On", "Result"], &rows, "Nothing was changed yet.")
}

/// `audit verify`.
#[must_use]
pub(crate) fn audited(found: &Value) -> String {
    let mut out = String::new();
    for log in list(found, "items") {
        let (node, lines) = (number(log, "node"), number(log, "lines"));
        let said = match text(log, "broken") {
            broken if broken.is_empty() => format!("Node {node}: all {lines} lines are as they were written.\n"),
            broken => format!("Node {node}: {lines} lines hold, then {broken}.\n"),
        };
        out.push_str(&said);
    }
    if out.is_empty() { "Nothing was changed yet, so there is nothing to check.\n".into() } else { out }
}

/// `backup create`.
#[must_use]
pub(crate) fn backed_up(made: &Value) -> String {
    format!("Written: {} ({} KiB). Keep the pass-phrase elsewhere.\n", long(made, "file"), number(made, "bytes") >> 10)
}

/// `backup plan` and `backup now`.
#[must_use]
pub(crate) fn plan(plan: &Value) -> String {
    let every = text(plan, "every");
    let mut rows = vec![("Backups", if every == "never" { "none by itself".into() } else { format!("one a {every}") })];
    if every != "never" {
        rows.push(("Folder", long(plan, "folder")));
        rows.push(("Kept", number(plan, "keep").to_string()));
        rows.push(("Next", time(plan, "next")));
    }
    if plan.get("last").is_some_and(|last| !last.is_null()) {
        let size = number(plan, "bytes") >> 10;
        rows.push(("Last", format!("{}, {} ({size} KiB)", time(plan, "last"), long(plan, "file"))));
    }
    let problem = long(plan, "problem");
    if !problem.is_empty() {
        rows.push(("Failed", problem));
    }
    fields(&rows)
}

/// `backup restore`.
#[must_use]
pub(crate) fn restored(found: &Value, runs: bool) -> String {
    let next = if runs {
        "The node starts anew with it; its key is kept as before."
    } else {
        "Start the node: `meerkat up`. The key of the data lies beside it: `meerkat key mode pass-phrase` changes that."
    };
    format!("Restored: {} values from {}. {next}\n", number(found, "rows"), time(found, "created"))
}
