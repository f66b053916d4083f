//! How the stored data is kept: its key.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use hyper::Method;
use serde_json::{Value, json};

use crate::{
    cli::{Audit, Exit, Key, KeyModeWord, Unlock, word},
    client::Failure,
    secret,
    shown::keeping as shown,
};

use super::{Asked, encoded};

const KEY: &str = "/api/v1/key";
/// How often the progress of a rotation is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(500);

impl<W: Write> Asked<'_, W> {
    pub(super) async fn unlock(self, unlock: Unlock) -> Result<Exit, Failure> {
        let words = secret::ask("Pass-phrase: ")?;
        let body = json!({"pass_phrase": words.as_str()});
        let answer = match self.client.send(Method::POST, "/api/v1/unlock", Some(&body)).await {
            Err(Failure::Refused { status: 404, .. }) => return self.say("The node is not locked."),
            answer => answer?,
        };
        self.done(&answer, unlock.output, "Unlocked. The node starts.")
    }

    pub(super) async fn audit(self, audit: &Audit) -> Result<Exit, Failure> {
        match audit {
            Audit::List { limit, node, who, what, output } => {
                let (limit, output) = (*limit, *output);
                let mut node = node.map(|node| format!("&node={node}")).unwrap_or_default();
                for (name, text) in [("who", who), ("what", what)] {
                    node.push_str(&text.as_ref().map(|text| format!("&{name}={}", encoded(text))).unwrap_or_default());
                }
                let (mut items, mut next) = (vec![], None::<u64>);
                while items.len() < limit as usize {
                    let before = next.map(|next| format!("&before={next}")).unwrap_or_default();
                    let part = (limit as usize - items.len()).min(200);
                    let mut page = self.client.get(&format!("/api/v1/audit?limit={part}{node}{before}")).await?;
                    if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                        items.extend(more);
                    }
                    next = page.get("next").and_then(Value::as_u64);
                    if next.is_none() {
                        break;
                    }
                }
                self.print(&json!({"items": items, "next": next}), output, shown::audit)
            }
            Audit::Verify(output) => {
                let found = self.client.get("/api/v1/audit/verified").await?;
                let intact = found.get("intact").and_then(Value::as_bool).unwrap_or(false);
                self.print(&found, *output, shown::audited)?;
                Ok(if intact { Exit::Ok } else { Exit::Degraded })
            }
        }
    }

    pub(super) async fn key(self, key: &Key) -> Result<Exit, Failure> {
        match key {
            Key::Status(output) => self.show(KEY, *output, shown::key).await,
            Key::Mode { mode, output } => {
                let mut body = json!({"mode": word(mode)});
                if *mode == KeyModeWord::PassPhrase {
                    let words = secret::ask_twice("New pass-phrase: ")?;
                    body["pass_phrase"] = Value::String(words.as_str().to_owned());
                }
                let answer = self.client.send(Method::PUT, KEY, Some(&body)).await?;
                self.print(&answer, *output, shown::key)
            }
            Key::Rotate { no_wait, output } => {
                let mut answer = self.client.send(Method::POST, "/api/v1/key/rotation", Some(&json!({}))).await?;
                while !no_wait && answer.get("rotation").is_some_and(|rotation| !rotation.is_null()) {
                    if io::stderr().is_terminal() {
                        eprint!("\r{}", shown::rotation(&answer));
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                    answer = self.client.get(KEY).await?;
                }
                if io::stderr().is_terminal() {
                    eprintln!();
                }
                self.print(&answer, *output, shown::rotated)
            }
        }
    }
}
