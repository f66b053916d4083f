//! `meerkat invite`, `join`, `nearby`, `meet`: two homes become neighbours.

use std::{
    io::{Read, Write},
    time::Duration,
};

use hyper::Method;
use meerkat_protocols::ticket::MAX_TICKET_TEXT_BYTES;
use serde_json::{Value, json};

use super::{Asked, encoded};
use crate::{
    cli::{Exit, Invite, Join, Meet},
    client::Failure,
    shown,
};

/// Between two looks at how far something is.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a join is watched: the node itself gives up after 90 s.
const JOIN_LOOKS: u32 = 400;
/// How long words are waited for: two nodes on one network need under a second.
const WORDS_LOOKS: u32 = 40;
/// How long the other side's confirmation is waited for: as long as a meeting lasts.
const CONFIRM_LOOKS: u32 = 1_200;

/// An invite from standard input: as an argument it can be read in the list of processes and in the shell's history.
fn typed() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(MAX_TICKET_TEXT_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

impl<W: Write> Asked<'_, W> {
    pub(super) async fn invite(self, invite: &Invite) -> Result<Exit, Failure> {
        if let Some(id) = &invite.revoke {
            self.client.send(Method::DELETE, &format!("/api/v1/invites/{}", encoded(id)), None).await?;
            return self.say("Revoked: nobody gets in by this invite any more.");
        }
        if invite.list {
            return self.show("/api/v1/invites", invite.output, shown::invites).await;
        }
        let name = invite.name.as_deref().unwrap_or_default();
        let body = json!({"name": name, "vouch": !invite.no_vouch, "lifetime_s": invite.expires});
        let made = self.client.send(Method::POST, "/api/v1/invites", Some(&body)).await?;
        self.print(&made, invite.output, |made| shown::invite(made, invite.qr))
    }

    /// Says each stage as it comes, and ends with the join.
    pub(super) async fn join(self, join: &Join) -> Result<Exit, Failure> {
        let name = join.name.as_deref().unwrap_or_default();
        let invite = if join.invite == "-" { typed()? } else { join.invite.clone() };
        let body = json!({"invite": invite, "name": name, "vouch": !join.no_vouch});
        let mut state = self.client.send(Method::POST, "/api/v1/joins", Some(&body)).await?;
        let id = state["id"].clone();
        let mut stage = Value::Null;
        for _ in 0..JOIN_LOOKS {
            if state["stage"] != stage {
                stage = state["stage"].clone();
                if !join.output.json && !has_ended(&stage) {
                    writeln!(self.out, "{}", shown::join(&state).trim_end())?;
                    self.out.flush()?;
                }
            }
            if has_ended(&stage) {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
            state = self.find("/api/v1/joins", |item| item["id"] == id).await?.unwrap_or(state);
        }
        match stage.as_str() {
            Some("joined") => self.print(&state, join.output, shown::join),
            Some("failed") => Err(refused("join_failed", &state)),
            _ => Err(Failure::TimedOut),
        }
    }

    pub(super) async fn meet(self, meet: &Meet) -> Result<Exit, Failure> {
        if meet.same || meet.different {
            return self.compared(meet).await;
        }
        self.client.send(Method::POST, "/api/v1/meetings", Some(&json!({"peer": meet.peer}))).await?;
        let meeting = self.meeting(meet, WORDS_LOOKS, |stage| stage != "beginning").await?;
        match meeting["stage"].as_str() {
            Some("failed") => Err(refused("meeting_failed", &meeting)),
            Some("beginning") | None => Err(Failure::TimedOut),
            Some(_) => self.print(&meeting, meet.output, shown::meeting),
        }
    }

    async fn compared(self, meet: &Meet) -> Result<Exit, Failure> {
        let path = format!("/api/v1/meetings/{}", encoded(&meet.peer));
        let body = json!({"same": meet.same, "name": meet.name.as_deref().unwrap_or_default()});
        let answer = self.client.send(Method::POST, &path, Some(&body)).await?;
        if meet.different {
            return self.print(&answer, meet.output, shown::meeting);
        }
        if !meet.output.json && answer["stage"] == "waiting" {
            writeln!(self.out, "{}", shown::meeting(&answer).trim_end())?;
            self.out.flush()?;
        }
        let meeting = self.meeting(meet, CONFIRM_LOOKS, |stage| stage != "waiting").await?;
        match meeting["stage"].as_str() {
            Some("met") => self.print(&meeting, meet.output, shown::meeting),
            _ => Err(refused("meeting_failed", &meeting)),
        }
    }

    /// The meeting once its stage is one of those awaited, or as it is at last.
    async fn meeting(&self, meet: &Meet, looks: u32, awaited: impl Fn(&str) -> bool) -> Result<Value, Failure> {
        let mut meeting = Value::Null;
        for _ in 0..looks {
            let near = self.find("/api/v1/nearby", |item| item["peer"] == meet.peer.as_str()).await?;
            meeting = near.map(|near| near["meeting"].clone()).unwrap_or_default();
            if meeting["stage"].as_str().is_none_or(&awaited) {
                break;
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Ok(meeting)
    }

    async fn find(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Result<Option<Value>, Failure> {
        let all = self.client.get(path).await?;
        Ok(all["items"].as_array().into_iter().flatten().find(|item| wanted(item)).cloned())
    }
}

fn has_ended(stage: &Value) -> bool {
    matches!(stage.as_str(), Some("joined" | "failed"))
}

/// What came to nothing, in the node's own words.
fn refused(code: &str, state: &Value) -> Failure {
    let detail = state["words"].as_str().map_or_else(|| "it came to nothing: try again".to_owned(), shown::whole);
    Failure::Refused { status: 409, code: code.to_owned(), detail }
}
