//! What a person reads in the terminal: columns, sentences, and no character from outside that a terminal would obey.

mod household;
pub(crate) mod keeping;
mod meeting;
pub(crate) mod messages;
mod numbers;
mod wishes;

use std::fmt::Write;

use jiff::{Timestamp, tz::TimeZone};
use meerkat_protocols::text::inert;
use serde_json::Value;

pub(crate) use household::{
    LEAVING, LEAVING_HEARD, LEAVING_UNHEARD, REMOVAL, household, household_enrolment, household_invite,
    household_joining, left_behind,
};
pub(crate) use meeting::{invite, invites, join, meeting, nearby};
pub(crate) use numbers::{erased, imported, imports, record};
pub(crate) use wishes::{accounts, alarms, disputes, people, quiet, standing};

/// A field as text, inert; empty if there is none.
fn text(value: &Value, key: &str) -> String {
    match value.get(key) {
        Some(Value::String(text)) => inert(text),
        Some(Value::Null) | None => String::new(),
        Some(other) => inert(&other.to_string()),
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value.get(key).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn number(value: &Value, key: &str) -> i64 {
    value.get(key).and_then(Value::as_i64).unwrap_or(0)
}

fn truth(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

/// Unix seconds as this machine's local time; a dash while the clock was not set.
fn time(value: &Value, key: &str) -> String {
    let second = value.get(key).and_then(Value::as_i64).and_then(|second| Timestamp::from_second(second).ok());
    second
        .map_or_else(|| "-".into(), |second| second.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string())
}

/// `1 call`, `2 calls`.
fn count(number: i64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// Rows in aligned columns; the last column is not padded. What is empty shows as a dash.
fn columns(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|cell| cell.chars().count()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    for row in std::iter::once(&head).chain(rows) {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{:width$}", if cell.is_empty() { "-" } else { cell }))
            .collect();
        out.push_str(cells.join("  ").trim_end());
        out.push('\n');
    }
    out
}

/// A table, or a sentence where there is nothing.
fn table(head: &[&str], rows: &[Vec<String>], nothing: &str) -> String {
    if rows.is_empty() { format!("{nothing}\n") } else { columns(head, rows) }
}

/// Lines of `name  value`; those without value are left out.
fn fields(fields: &[(&str, String)]) -> String {
    let width = fields.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    let mut out = String::new();
    for (name, value) in fields.iter().filter(|(_, value)| !value.is_empty()) {
        for (n, line) in value.lines().enumerate() {
            let name = if n == 0 { name } else { "" };
            // Writing to a string does not fail.
            let _ = writeln!(out, "{name:width$}  {line}");
        }
    }
    out
}

/// `status`: health and summary in one object.
#[must_use]
pub(crate) fn status(status: &Value) -> String {
    let today = status.get("today").cloned().unwrap_or_default();
    let alarms: Vec<String> = list(status, "alarms").iter().map(|alarm| long(alarm, "words")).collect();
    let lines: Vec<String> = list(status, "lines")
        .iter()
        .map(|line| format!("{}: {}. {}", text(line, "name"), text(line, "state"), long(line, "words")))
        .collect();
    let safe = if truth(status, "safe_mode") { "on: `meerkat config show` says what is wrong" } else { "" };
    let clock = if truth(status, "clock_set") { "" } else { "not set: reports wait until it is" };
    let mut out = format!("{}\n\n", long(status, "sentence"));
    out.push_str(&fields(&[
        ("Alarms", alarms.join("\n")),
        ("Safe mode", safe.into()),
        ("Clock", clock.into()),
        (
            "Today",
            format!(
                "{} rang, {} rang marked, {} blocked",
                number(&today, "allow"),
                number(&today, "challenge"),
                number(&today, "block")
            ),
        ),
        ("Lines", if lines.is_empty() { "none in the settings".into() } else { lines.join("\n") }),
        (
            "Mesh",
            format!(
                "{}, {} ({} there), {}",
                count(number(status, "peers"), "peer", "peers"),
                count(number(status, "neighbours"), "neighbour", "neighbours"),
                number(status, "neighbours_there"),
                count(number(status, "statements"), "statement", "statements")
            ),
        ),
        ("Version", text(status, "version")),
        ("Up for", duration(number(status, "uptime_s"))),
    ]));
    out
}

fn duration(seconds: i64) -> String {
    match seconds {
        ..120 => count(seconds, "second", "seconds"),
        120..7_200 => format!("{} minutes", seconds / 60),
        7_200..172_800 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// `peers`.
#[must_use]
pub(crate) fn peers(peers: &Value) -> String {
    let rows: Vec<Vec<String>> = list(peers, "items")
        .iter()
        .map(|peer| {
            let found = text(peer, "found").replace('_', " ");
            let since = duration(number(peer, "connected_s"));
            vec![text(peer, "name"), text(peer, "path"), text(peer, "peer"), long(peer, "address"), found, since]
        })
        .collect();
    let head = ["NEIGHBOUR", "PATH", "PEER", "ADDRESS", "FOUND", "CONNECTED FOR"];
    let mut out = table(&head, &rows, "No peers are connected.");
    let listening: Vec<String> = list(peers, "listening")
        .iter()
        .filter_map(Value::as_str)
        .map(|address| format!("  {}", inert(address)))
        .collect();
    if !listening.is_empty() {
        let _ = writeln!(out, "\nThis node listens at\n{}", listening.join("\n"));
    }
    let public = match peers.get("public").and_then(Value::as_bool) {
        Some(true) => "Others can call this node directly, and it relays for neighbours who cannot be called.",
        Some(false) => "A router keeps others from calling this node directly; neighbours reach it through a relay.",
        None => "Whether others can call this node directly is not known yet.",
    };
    let _ = writeln!(out, "\n{public}");
    out
}

/// How a call's verdict reads.
fn verdict(word: &str) -> &str {
    match word {
        "allow" => "rang",
        "challenge" => "rang, marked",
        "block" => "blocked",
        other => other,
    }
}

/// The caller: the number as people write it, else what the line showed.
fn caller(call: &Value) -> String {
    [text(call, "spaced"), text(call, "number"), text(call, "shown")]
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_else(|| "hidden".into())
}

fn reasons(value: &Value) -> String {
    list(value, "reasons").iter().map(|reason| long(reason, "words")).collect::<Vec<_>>().join(" ")
}

/// `calls`.
#[must_use]
pub(crate) fn calls(calls: &Value) -> String {
    // A home of one node has nothing to tell apart.
    let several = list(calls, "items").iter().any(|call| !text(call, "node_name").is_empty());
    let rows: Vec<Vec<String>> = list(calls, "items")
        .iter()
        .map(|call| {
            let name = [text(call, "label"), text(call, "name")].into_iter().find(|name| !name.is_empty());
            let mut row = vec![
                time(call, "began"),
                caller(call),
                name.unwrap_or_default(),
                verdict(&text(call, "verdict")).to_owned(),
                text(call, "risk"),
                reasons(call),
            ];
            if several {
                row.insert(1, text(call, "node_name"));
            }
            row
        })
        .collect();
    let heads = ["WHEN", "NODE", "CALLER", "NAME", "VERDICT", "RISK", "WHY"];
    let heads: Vec<&str> = heads.into_iter().filter(|head| several || *head != "NODE").collect();
    table(&heads, &rows, "No calls yet.")
}

/// `check`.
#[must_use]
pub(crate) fn check(number_page: &Value) -> String {
    let assessment = number_page.get("assessment").cloned().unwrap_or_default();
    let would = match text(&assessment, "verdict").as_str() {
        "allow" => "would ring".to_owned(),
        "challenge" => "would ring, marked as suspicious".to_owned(),
        "block" => "would be blocked".to_owned(),
        other => format!("would get the verdict {other}"),
    };
    let quiet = if truth(&assessment, "quiet") { " Not now, though: these are quiet hours." } else { "" };
    let mut out = format!("{} {would}.{quiet} {}\n\n", caller(number_page), reasons(&assessment));
    let entry = number_page.get("entry").cloned().unwrap_or_default();
    let own = number_page.get("own_report").cloned().unwrap_or_default();
    let own =
        if own.is_null() { String::new() } else { format!("{} on {}", text(&own, "category"), text(&own, "day")) };
    let last = if number_page.get("last_call").is_some_and(|last| !last.is_null()) {
        format!(", the last {}", time(number_page, "last_call"))
    } else {
        String::new()
    };
    out.push_str(&fields(&[
        ("Risk", text(&assessment, "risk")),
        ("Reputation", text(number_page, "reputation")),
        ("On your lists", standing(&entry)),
        ("Label", text(&entry, "label")),
        ("Notes", long(&entry, "notes")),
        ("Calls", format!("{}{last}", number(number_page, "calls"))),
        ("Your report", own),
        ("Confirmed by", count(number(number_page, "confirmations"), "home", "homes")),
    ]));
    let rows: Vec<Vec<String>> = list(number_page, "reports").iter().map(report_row).collect();
    if !rows.is_empty() {
        let _ = write!(out, "\n{}", columns(&["DAY", "SAYS", "WHO", "COUNTS", "VOUCHES AWAY"], &rows));
    }
    out.push_str(&grounds(&assessment));
    out.push_str(&disputes([&entry]));
    out
}

fn report_row(report: &Value) -> Vec<String> {
    let who = match (truth(report, "own"), text(report, "name")) {
        (true, _) => "this home".into(),
        (false, name) if name.is_empty() => text(report, "home"),
        (false, name) => name,
    };
    let away = number(report, "distance");
    vec![text(report, "day"), text(report, "category"), who, hundredths(report, "counted"), away.to_string()]
}

/// A weight in hundredths of a word, as people write it.
fn hundredths(value: &Value, key: &str) -> String {
    let n = number(value, key);
    format!("{}.{:02}", n / 100, n % 100)
}

/// Through whom a verdict came and what would change it.
fn grounds(assessment: &Value) -> String {
    let way = |way: &Value| {
        let name = if text(way, "name").is_empty() { text(way, "home") } else { text(way, "name") };
        format!("Through {name}: {} against, {} for it.\n", hundredths(way, "against"), hundredths(way, "legit"))
    };
    let ways: String = list(assessment, "through").iter().map(way).collect();
    let changes = list(assessment, "changes");
    let changes: String = changes.iter().filter_map(Value::as_str).map(|words| format!("{}\n", whole(words))).collect();
    if ways.is_empty() && changes.is_empty() { String::new() } else { format!("\n{ways}{changes}") }
}

/// `report`.
#[must_use]
pub(crate) fn reported(report: &Value, asked: &str) -> String {
    if truth(report, "waiting") {
        return "The clock is not set yet: the report waits and is signed as soon as it is.\n".into();
    }
    let (number, category) = (text(report, "number"), text(report, "category"));
    let number = if number.is_empty() { inert(asked) } else { number };
    format!("Reported {number} as {category}. Neighbours who vouch for you will take it into account.\n")
}

/// `list show`.
#[must_use]
pub(crate) fn entries(entries: &Value) -> String {
    let rows: Vec<Vec<String>> = list(entries, "items")
        .iter()
        .map(|entry| {
            vec![
                [text(entry, "spaced"), text(entry, "subject")].into_iter().find(|t| !t.is_empty()).unwrap_or_default(),
                standing(entry),
                text(entry, "calls"),
                text(entry, "reputation"),
                text(entry, "label"),
                text(entry, "notes"),
            ]
        })
        .collect();
    let head = ["NUMBER", "STANDING", "CALLS", "REPUTATION", "LABEL", "NOTES"];
    table(&head, &rows, "The lists are empty.") + &disputes(list(entries, "items"))
}

/// An entry that was just set.
#[must_use]
pub(crate) fn entry(entry: &Value) -> String {
    let label = text(entry, "label");
    let label = if label.is_empty() { label } else { format!(" ({label})") };
    let what = match text(entry, "standing").as_str() {
        "allow" => "always rings".to_owned(),
        "block" => "never rings".to_owned(),
        _ => "is decided by what is known about it".to_owned(),
    };
    format!("{}{label} {what}.\n", text(entry, "subject"))
}

/// `vouch --list`.
#[must_use]
pub(crate) fn neighbours(neighbours: &Value) -> String {
    let rows: Vec<Vec<String>> = list(neighbours, "items")
        .iter()
        .map(|n| vec![text(n, "name"), text(n, "vouched"), text(n, "reports"), text(n, "home")])
        .collect();
    let mut out = table(&["NAME", "SINCE", "REPORTS", "HOME"], &rows, "You vouch for nobody yet.");
    let _ = writeln!(out, "\nYou can vouch for {} more.", number(neighbours, "left"));
    out
}

/// `node info`.
#[must_use]
pub(crate) fn node(node: &Value) -> String {
    let capabilities: Vec<String> = list(node, "capabilities").iter().filter_map(Value::as_str).map(inert).collect();
    fields(&[
        ("Name", text(node, "name")),
        ("Home", text(node, "home")),
        ("Node", text(node, "node")),
        ("Peer", text(node, "peer")),
        ("Region", text(node, "region")),
        ("Version", text(node, "version")),
        ("Platform", text(node, "platform")),
        ("Capabilities", capabilities.join(", ")),
        ("Card", long(node, "card")),
    ])
}

/// `admin claim`: the link, with its code for a telephone's camera where the terminal can show it.
#[must_use]
pub(crate) fn claim(link: &str) -> String {
    let code = fast_qr::QRBuilder::new(link).build().map(|code| format!("\n{}\n", code.to_str())).unwrap_or_default();
    format!("Open this link once, on a device that reaches the page, to become its admin:\n\n  {link}\n{code}")
}

/// `api-key create`.
#[must_use]
pub(crate) fn new_key(key: &Value) -> String {
    let secret = text(key, "key");
    format!(
        "{secret}\n\nThis key ({}, {}) is not shown again. Send it as `Authorization: Bearer {secret}`.\n",
        text(key, "name"),
        text(key, "role")
    )
}

/// `api-key list`.
#[must_use]
pub(crate) fn keys(keys: &Value) -> String {
    let rows: Vec<Vec<String>> = list(keys, "items")
        .iter()
        .map(|k| vec![text(k, "id"), text(k, "name"), text(k, "role"), time(k, "created"), time(k, "last_used")])
        .collect();
    table(&["ID", "NAME", "ROLE", "CREATED", "LAST USED"], &rows, "There are no API keys.")
}

/// `config show`.
#[must_use]
pub(crate) fn config(config: &Value, origin: bool) -> String {
    let mut head = vec!["SETTING", "VALUE"];
    if origin {
        head.extend(["ORIGIN", "WHERE"]);
    }
    let rows: Vec<Vec<String>> = list(config, "items")
        .iter()
        .map(|item| {
            let mut row = vec![text(item, "key"), value(item)];
            if origin {
                row.extend([text(item, "origin"), text(item, "where")]);
            }
            row
        })
        .collect();
    let mut out = columns(&head, &rows);
    for problem in list(config, "problems") {
        let line = problem.get("line").and_then(Value::as_i64).map(|line| format!(":{line}")).unwrap_or_default();
        let (file, words, remedy) = (long(problem, "file"), long(problem, "words"), long(problem, "remedy"));
        let _ = write!(out, "\n{file}{line}\n  {words}\n  {remedy}\n");
    }
    out
}

/// A setting's value: lists and numbers as JSON.
fn value(item: &Value) -> String {
    match item.get("value") {
        Some(Value::String(_)) => long(item, "value"),
        _ => text(item, "value"),
    }
}

/// A field in full, inert.
fn long(value: &Value, key: &str) -> String {
    whole(value.get(key).and_then(Value::as_str).unwrap_or_default())
}

/// A text in full, inert: [`inert`] also cuts what is longer than a name, and half a card or sentence is none.
pub(crate) fn whole(text: &str) -> String {
    const MAX_CHARS: usize = 2_000;
    text.chars().take(MAX_CHARS).filter(|c| *c == ' ' || !inert(c.encode_utf8(&mut [0; 4])).is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_align_and_end_without_blanks() {
        let rows = vec![vec!["a".into(), "ü".into(), "x".into()], vec!["bcd".into(), String::new(), "y".into()]];
        assert_eq!(columns(&["A", "LONG", "Z"], &rows), "A    LONG  Z\na    ü     x\nbcd  -     y\n");
    }

    #[test]
    fn nothing_a_caller_shows_reaches_the_terminal_as_a_command() {
        let call = json!({"items": [{
            "began": 0, "number": null, "shown": "\u{1b}]0;owned\u{7}", "name": "\u{202e}evil\r\n\u{1b}[2J",
            "verdict": "block", "risk": 99.5, "reasons": [{"code": "x", "words": "bad\u{9b}31m"}],
        }]});
        let page = json!({"assessment": {"verdict": "allow", "reasons": []}, "spaced": "\u{1b}c",
            "entry": {"standing": "allow", "label": "\u{1b}[31m", "notes": "\u{8}"}});
        let keys =
            json!({"items": [{"id": "\u{1b}", "name": "\u{7f}"}], "problems": [{"words": "\u{1b}[31m", "line": 3}]});
        for shown in [calls(&call), check(&page), keys_and_config(&keys), node(&keys), peers(&call), status(&call)] {
            let obeyed = |c: &char| c.is_control() && *c != '\n' || ('\u{202a}'..='\u{202e}').contains(c);
            assert_eq!(shown.chars().find(obeyed), None, "{shown:?}");
        }
    }

    fn keys_and_config(value: &Value) -> String {
        keys(value) + &config(value, true)
    }

    #[test]
    fn a_call_reads_as_a_row_with_its_reasons() {
        let shown = calls(&json!({"items": [{
            "began": null, "number": "+4930901820", "spaced": "+49 30 901820", "name": "Energy", "label": null,
            "verdict": "block", "risk": 91.25, "reasons": [{"code": "reported", "words": "3 neighbours reported it as spam."}],
        }]}));
        let row = shown.lines().nth(1).expect("a row");
        assert_eq!(row, "-     +49 30 901820  Energy  blocked  91.25  3 neighbours reported it as spam.");
        assert_eq!(calls(&json!({"items": []})), "No calls yet.\n");
    }

    #[test]
    fn a_card_is_shown_in_full() {
        let card = format!("meerkat-home-{}", "a".repeat(300));
        assert!(node(&json!({"card": card})).contains(&card));
    }
}
