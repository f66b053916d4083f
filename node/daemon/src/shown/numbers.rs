//! Imported lists, and what is kept about one number.

use std::fmt::Write;

use serde_json::Value;

use super::{check, columns, count, fields, list, long, number, table, text, time, truth};

/// How many bad lines are printed; `--json` has more.
const MAX_BAD_LINES: usize = 20;

/// `import list`.
#[must_use]
pub(crate) fn imports(imports: &Value) -> String {
    let rows: Vec<Vec<String>> = list(imports, "items")
        .iter()
        .map(|import| {
            let day = text(import, "day");
            let day = if truth(import, "expired") { format!("{day}, too old to count") } else { day };
            vec![text(import, "name"), text(import, "numbers"), text(import, "warm_blocks"), day]
        })
        .collect();
    table(
        &["NAME", "NUMBERS", "WARM BLOCKS", "IMPORTED"],
        &rows,
        "No list is imported. Import one with `meerkat import FILE`.",
    )
}

/// `import FILE`.
#[must_use]
pub(crate) fn imported(answer: &Value) -> String {
    let import = answer.get("import").cloned().unwrap_or_default();
    let name = text(&import, "name");
    let mut out = format!(
        "{} imported as \"{name}\". Calls from them ring marked as suspicious; a list alone blocks nobody.\n",
        count(number(&import, "numbers"), "number", "numbers")
    );
    let bad = number(answer, "bad");
    if bad > 0 {
        let _ = writeln!(out, "\n{} left out:", count(bad, "row was", "rows were"));
        let kinds: Vec<Vec<String>> =
            list(answer, "kinds").iter().map(|kind| vec![text(kind, "rows"), long(kind, "words")]).collect();
        out.push_str(&columns(&["ROWS", "WHY"], &kinds));
        let lines = list(answer, "bad_lines");
        let told: Vec<String> = lines.iter().take(MAX_BAD_LINES).map(|bad| text(bad, "line")).collect();
        let more = if lines.len() > MAX_BAD_LINES { " and more (--json lists them)" } else { "" };
        let _ = writeln!(out, "In line {}{more}.", told.join(", "));
    }
    let _ = writeln!(out, "\nTake it back with `meerkat import undo \"{name}\"`.");
    out
}

/// `number export`, as a person reads it.
#[must_use]
pub(crate) fn record(record: &Value) -> String {
    let known = record.get("known").cloned().unwrap_or_default();
    let mut out = check(&known);
    let rows: Vec<Vec<String>> = list(record, "calls")
        .iter()
        .map(|call| vec![time(call, "began"), text(call, "verdict"), text(call, "shown"), text(call, "name")])
        .collect();
    let _ = write!(out, "\n{}", table(&["BEGAN", "VERDICT", "SHOWN", "NAME"], &rows, "No calls are logged."));
    let left_out = number(record, "calls_left_out");
    if left_out > 0 {
        let _ = writeln!(out, "{} left out.", count(left_out, "older call is", "older calls are"));
    }
    out.push_str("\nWith --json this is complete and can be handed to the person whose number it is.\n");
    out
}

/// `number erase`.
#[must_use]
pub(crate) fn erased(answer: &Value) -> String {
    let yes = |key: &str| if truth(answer, key) { "yes" } else { "there was none" }.to_owned();
    let mut out = format!("{} is erased here.\n\n", text(answer, "number"));
    out.push_str(&fields(&[
        ("Calls erased", text(answer, "calls")),
        ("Entry, label and notes erased", yes("entry")),
        ("Own report taken back", yes("report_retracted")),
    ]));
    out.push_str("\nWhat stays:\n");
    for stays in list(answer, "stays") {
        let _ = writeln!(out, "- {}", stays.as_str().map(super::whole).unwrap_or_default());
    }
    out
}
