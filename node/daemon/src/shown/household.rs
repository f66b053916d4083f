//! The household in words.

use std::fmt::Write;

use fast_qr::{ECL, QRBuilder};
use serde_json::Value;

use super::{duration, fields, list, long, number, table, text, time, truth};

/// Before a member is removed.
pub(crate) const REMOVAL: &str = "It gets nothing new from the household from now on, for ever: it cannot come back as the same \
                                  member. What it has, it keeps: lists, calls and messages up to now. If it was stolen, change \
                                  pass-words that were written there.";
/// Before this node leaves.
pub(crate) const LEAVING: &str = "This node starts anew as a home of its own. Its calls and lists come along; vouches, reports, \
                                  messages and settings stay with the household.";
/// What else is said, if another node of the household is connected.
pub(crate) const LEAVING_HEARD: &str = "The other nodes are told.";
/// What else is said, if none is.
pub(crate) const LEAVING_UNHEARD: &str = "None of the other nodes is connected, so they cannot be told: an admin there \
                                          has to remove this node.";

/// Before this node joins another household.
#[must_use]
pub(crate) fn left_behind(behind: &Value) -> String {
    let (vouches, threads) = (number(behind, "vouches"), number(behind, "conversations"));
    format!(
        "This node becomes a part of another home. Its calls and lists come along. What stays behind: {vouches} vouches for \
         neighbours, the messages of {threads} neighbours, this home's reports (they count on as that home's), its settings, its accounts: the household's sign in."
    )
}

/// `household`.
#[must_use]
pub(crate) fn household(household: &Value) -> String {
    let rows: Vec<Vec<String>> = list(household, "members")
        .iter()
        .map(|member| {
            let name = if truth(member, "own") {
                format!("{} (this node)", text(member, "name"))
            } else {
                text(member, "name")
            };
            let state = presence(member);
            let state = match state {
                "away" if !member["last_seen"].is_null() => format!("away, last seen {}", time(member, "last_seen")),
                _ => state.to_owned(),
            };
            let machine = [text(member, "machine"), text(member, "version")].join(" ");
            vec![number(member, "number").to_string(), name, text(member, "role"), state, machine.trim().to_owned()]
        })
        .collect();
    let alone = "This home has one node. `meerkat household invite` lets another in.";
    let mut out = table(&["NO", "NODE", "ROLE", "STATE", "MACHINE AND VERSION"], &rows, alone);
    for member in list(household, "members").iter().filter(|member| !truth(member, "own")) {
        for alarm in list(member, "alarms") {
            let seen = if alarm["seen"].is_null() {
                String::new()
            } else {
                format!(" (seen by {})", text(&alarm["seen"], "by"))
            };
            let _ = writeln!(out, "\n{}: {}{seen}", text(member, "name"), long(alarm, "words"));
        }
    }
    if truth(household, "expelled") {
        out.push_str("\nThis node was removed from the household.\n");
    }
    if let Some(enrolment) = household.get("enrolment") {
        out.push_str(&household_enrolment(enrolment));
    }
    out
}

fn presence(member: &Value) -> &'static str {
    match () {
        () if truth(member, "left") => "left",
        () if truth(member, "removed") => "removed",
        () if truth(member, "copied") => "runs twice: remove it",
        () if truth(member, "in_step") => "there",
        () if truth(member, "online") => "there, catching up",
        () => "away",
    }
}

/// Who is on the way in.
#[must_use]
pub(crate) fn household_enrolment(enrolment: &Value) -> String {
    let mut out = String::new();
    if let Some(invite) = enrolment.get("invite").filter(|invite| !invite.is_null()) {
        let _ = writeln!(out, "\nAn invite is open for {}.", duration(number(invite, "ends_in_s")));
    }
    for guest in list(enrolment, "guests") {
        let name = match text(guest, "name") {
            name if name.is_empty() => "A node".to_owned(),
            name => name,
        };
        let _ = writeln!(out, "\n{name} wants in. Its digits: {}\n{}", text(guest, "digits"), long(guest, "words"));
        if text(guest, "stage") == "comparing" {
            let digits = text(guest, "digits").replace(' ', "");
            let _ = writeln!(out, "  meerkat household confirm {digits}\n  meerkat household refuse {digits}");
        }
    }
    if let Some(joining) = enrolment.get("joining").filter(|joining| !joining.is_null()) {
        let _ = write!(out, "\n{}", household_joining(joining));
    }
    out
}

/// This node on its way into another household.
#[must_use]
pub(crate) fn household_joining(joining: &Value) -> String {
    let mut out = format!("{}\n", long(joining, "words"));
    let digits = text(joining, "digits");
    if !digits.is_empty() && !truth(joining, "confirmed") {
        let typed = digits.replace(' ', "");
        let _ =
            writeln!(out, "\n    {digits}\n\n  meerkat household confirm {typed}\n  meerkat household refuse {typed}");
    }
    out
}

/// `household invite`.
#[must_use]
pub(crate) fn household_invite(made: &Value, qr: bool) -> String {
    let Some(invite) = made.get("invite") else { return String::new() };
    let handed = long(invite, "text");
    let mut out = format!("{handed}\n\n");
    // In capitals the code is a third smaller.
    if let Some(code) = QRBuilder::new(handed.to_uppercase()).ecl(ECL::M).build().ok().filter(|_| qr) {
        let _ = writeln!(out, "{}", code.to_str());
    }
    out.push_str(&fields(&[
        ("Short code", format!("{} (on the same network)", text(invite, "code"))),
        ("Works for", format!("{}, once", duration(number(invite, "ends_in_s")))),
    ]));
    out.push_str(
        "\nOn the node that is to join: `meerkat household join` with it, or its Household page.\n\
         Then both show six digits: compare them, and confirm on both.\n",
    );
    out
}
