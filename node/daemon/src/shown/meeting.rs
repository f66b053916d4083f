//! Invites, joins and meetings.

use std::fmt::Write;

use fast_qr::{ECL, QRBuilder};
use serde_json::Value;

use super::{duration, fields, list, long, number, table, text, truth};

/// `invite`: what is handed over, and what to do with it.
#[must_use]
pub(crate) fn invite(invite: &Value, qr: bool) -> String {
    let handed = long(invite, "text");
    let mut out = format!("{handed}\n\n");
    // In capitals the code is a third smaller.
    if let Some(code) = QRBuilder::new(handed.to_uppercase()).ecl(ECL::M).build().ok().filter(|_| qr) {
        let _ = writeln!(out, "{}", code.to_str());
    }
    let code = match text(invite, "code") {
        code if code.is_empty() => String::new(),
        code => format!("{code} (for {}, on the same network)", duration(number(invite, "code_ends_in_s"))),
    };
    let vouch = if truth(invite, "vouch") { "you vouch for who uses it" } else { "you do not vouch for who uses it" };
    out.push_str(&fields(&[
        ("Short code", code),
        ("Works for", format!("{}, once", duration(number(invite, "ends_in_s")))),
        ("Vouch", vouch.into()),
        ("Id", text(invite, "id")),
    ]));
    out.push_str("\nYour neighbour runs `meerkat join` with it, or pastes it on their Mesh page.\n");
    out
}

/// `invite --list`.
#[must_use]
pub(crate) fn invites(invites: &Value) -> String {
    let rows: Vec<Vec<String>> = list(invites, "items")
        .iter()
        .map(|invite| {
            let state = match text(invite, "used_by") {
                home if home.is_empty() => format!("open for {}", duration(number(invite, "ends_in_s"))),
                _ => format!("used: {}", text(invite, "words")),
            };
            let vouch = if truth(invite, "vouch") { "yes" } else { "no" };
            vec![text(invite, "name"), text(invite, "code"), vouch.to_owned(), text(invite, "id"), state]
        })
        .collect();
    let mut out = table(&["FOR", "SHORT CODE", "VOUCH", "ID", "STATE"], &rows, "No invites are open.");
    let _ = writeln!(out, "\nYou can vouch for {} more.", number(invites, "left"));
    out
}

/// `join`: how far it is.
#[must_use]
pub(crate) fn join(join: &Value) -> String {
    let mut out = format!("{}\n", long(join, "words"));
    let words = text(join, "four_words");
    if !words.is_empty() {
        let _ = writeln!(out, "The inviting screen shows: {words}\nIf it shows other words, tell your neighbour.");
    }
    out
}

/// `nearby`.
#[must_use]
pub(crate) fn nearby(nearby: &Value) -> String {
    let rows: Vec<Vec<String>> = list(nearby, "items")
        .iter()
        .map(|near| {
            let words = near.get("meeting").map(|meeting| text(meeting, "four_words")).unwrap_or_default();
            vec![text(near, "peer"), text(near, "name"), words]
        })
        .collect();
    let nothing = "No other node is connected from this network.";
    let mut out = table(&["NODE", "NEIGHBOUR", "FOUR WORDS"], &rows, nothing);
    if !rows.is_empty() {
        out.push_str("\n`meerkat meet NODE` begins to meet one of them.\n");
    }
    out
}

/// `meet`.
#[must_use]
pub(crate) fn meeting(meeting: &Value) -> String {
    let words = text(meeting, "four_words");
    let mut out = String::new();
    if !words.is_empty() && text(meeting, "stage") == "comparing" {
        let peer = text(meeting, "peer");
        let _ = writeln!(out, "    {words}\n");
        let _ = writeln!(out, "{}", long(meeting, "words"));
        let _ = writeln!(out, "  meerkat meet {peer} --same\n  meerkat meet {peer} --different");
    } else {
        let _ = writeln!(out, "{}", long(meeting, "words"));
    }
    out
}
