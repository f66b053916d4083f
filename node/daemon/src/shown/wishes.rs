//! What the people of a home share, in words.

use serde_json::Value;

use super::{list, long, table, text, time, truth};

/// What an entry of the lists says, with the mark of what two nodes said apart.
#[must_use]
pub(crate) fn standing(entry: &Value) -> String {
    let mark = if truth(entry, "disputed") { " (disputed)" } else { "" };
    format!("{}{mark}", text(entry, "standing"))
}

/// What a person does about disputed entries; nothing, if none is.
#[must_use]
pub(crate) fn disputes<'a>(entries: impl IntoIterator<Item = &'a Value>) -> String {
    let Some(entry) = entries.into_iter().find(|entry| truth(entry, "disputed")) else { return String::new() };
    let subject = text(entry, "subject");
    format!(
        "\nDisputed: allowed on one node and blocked on another while they were apart. It rings until you choose:\n  \
         meerkat list allow {subject}\n  meerkat list block {subject}\n"
    )
}

/// `people`.
#[must_use]
pub(crate) fn people(people: &Value) -> String {
    let rows: Vec<Vec<String>> =
        list(people, "items").iter().map(|person| vec![text(person, "name"), text(person, "spaced")]).collect();
    table(&["NAME", "NUMBER"], &rows, "Nobody is in the address book, or nobody like that.")
}

/// `account`.
#[must_use]
pub(crate) fn accounts(accounts: &Value) -> String {
    let items = list(accounts, "items");
    let row = |account: &Value| {
        let note = if truth(account, "doubled") { "changed on two nodes: set its password and role anew" } else { "" };
        vec![text(account, "name"), text(account, "role"), note.to_owned()]
    };
    let rows: Vec<Vec<String>> = items.iter().map(row).collect();
    table(&["NAME", "ROLE", "NOTE"], &rows, "There is no account. `meerkat admin claim` makes the first.")
}

/// `alarms`.
#[must_use]
pub(crate) fn alarms(summary: &Value) -> String {
    let alarms = list(summary, "alarms");
    if alarms.is_empty() {
        return "No alarm stands.\n".to_owned();
    }
    let mut out = String::new();
    for alarm in alarms {
        let since = if alarm["since"].is_null() { String::new() } else { format!(" since {}", time(alarm, "since")) };
        out.push_str(&format!("{}{since}\n  {}\n", text(alarm, "key"), long(alarm, "words")));
        let seen = &alarm["seen"];
        if seen.is_object() {
            out.push_str(&format!("  Seen by {}, {}\n", text(seen, "by"), time(seen, "at")));
        }
    }
    out
}

/// `quiet`.
#[must_use]
pub(crate) fn quiet(rules: &Value) -> String {
    let quiet = &rules["quiet"];
    if !quiet.is_object() {
        return "There are no quiet hours: `meerkat quiet from 22:00 to 07:00` sets some.\n".to_owned();
    }
    let zone = text(rules, "zone");
    let mut out = format!("From {} to {}, by the clock of {zone}.\n", text(quiet, "from"), text(quiet, "to"));
    out.push_str(
        "Only callers you know ring then: the address book, allowed numbers, emergency and internal numbers, and whoever \
         calls again within a quarter of an hour.\n",
    );
    if truth(rules, "quiet_now") {
        out.push_str("They are on now.\n");
    }
    out
}
