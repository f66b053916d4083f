//! Messages in a terminal.

use meerkat_protocols::text::{inert, inert_lines};
use serde_json::Value;

use super::{count, list, long, number, table, text, time};

/// `message`: what becomes of what was written.
#[must_use]
pub(crate) fn written(message: &Value, name: &str) -> String {
    let name = inert(name);
    format!(
        "Queued for {name}: it goes as soon as their node is there. Until then `meerkat message {name:?} --undo {}` takes it back.\n",
        text(message, "id")
    )
}

/// `messages`: with whom there are any.
#[must_use]
pub(crate) fn threads(threads: &Value) -> String {
    let rows: Vec<Vec<String>> = list(threads, "items")
        .iter()
        .map(|thread| {
            let unread = number(thread, "unread");
            let held_up = thread.get("held_up").map(|why| long(why, "words")).unwrap_or_default();
            let waiting = number(thread, "undelivered");
            let waiting = if waiting == 0 { String::new() } else { count(waiting, "undelivered", "undelivered") };
            let state = [if unread == 0 { String::new() } else { format!("{unread} new") }, waiting];
            let state: Vec<String> = state.into_iter().filter(|part| !part.is_empty()).collect();
            let last = thread.get("last").cloned().unwrap_or_default();
            vec![text(thread, "name"), state.join(", "), time(&last, "at"), said(&last), held_up]
        })
        .collect();
    table(
        &["NEIGHBOUR", "STATE", "LAST", "SAYS", "HELD UP"],
        &rows,
        "You vouch for nobody yet, so there is nobody to write to: `meerkat invite` is the beginning.",
    )
}

/// `messages --with`: what was said, the oldest first, as it is read.
#[must_use]
pub(crate) fn thread(page: &Value, name: &str) -> String {
    let messages = list(page, "items");
    if messages.is_empty() {
        return "There are no messages with this neighbour yet.\n".to_owned();
    }
    let name = inert(name);
    let mut out = String::new();
    if !page.get("next").is_none_or(Value::is_null) {
        out.push_str("Older messages: `--limit` shows more.\n\n");
    }
    for message in messages.iter().rev() {
        let state = text(message, "state");
        let received = state == "received";
        let who = if received { name.clone() } else { format!("You ({state})") };
        out.push_str(&format!("{}  {who}\n", time(message, "at")));
        for line in body(message).lines() {
            out.push_str(&format!("    {line}\n"));
        }
        if let Some(failure) = message.get("failure").filter(|failure| !failure.is_null()) {
            out.push_str(&format!("    ({})\n", long(failure, "words")));
        }
        if state == "queued" {
            out.push_str(&format!("    (id {})\n", text(message, "id")));
        }
    }
    if number(page, "damaged") > 0 {
        out.push_str(&format!(
            "{} could not be read: what was saved is damaged.\n",
            count(number(page, "damaged"), "message", "messages")
        ));
    }
    out
}

/// The whole of it, line by line; nothing in it that a terminal would obey.
fn body(message: &Value) -> String {
    match message.get("text").and_then(Value::as_str) {
        Some(words) => inert_lines(words),
        None => said(message),
    }
}

/// The beginning of what a message says, on one line.
fn said(message: &Value) -> String {
    const BEGINNING: usize = 40;
    if message.is_null() {
        return String::new();
    }
    if let Some(media) = message.get("data").and_then(|data| data.get("media_type")).and_then(Value::as_str) {
        return format!("[{}]", inert(media));
    }
    let words = text(message, "text");
    let beginning: String = words.chars().take(BEGINNING).collect();
    if beginning.len() < words.len() { format!("{beginning}…") } else { words }
}
