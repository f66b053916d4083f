//! `meerkat household`: who is a node of this home.

use std::{
    io::{BufRead, IsTerminal, Read, Write},
    time::Duration,
};

use hyper::Method;
use meerkat_protocols::enrolment::MAX_HOUSEHOLD_TICKET_TEXT_BYTES;
use serde_json::{Value, json};

use super::Asked;
use crate::{
    cli::{Deed, Exit, Household, Output, RoleOf, word},
    client::Failure,
    shown,
};

const HOUSEHOLD: &str = "/api/v1/household";
const ENROLMENT: &str = "/api/v1/household/enrolment";
/// Between two looks at how far something is.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// How long a joining is watched: ten minutes of the invite, and the calling before.
const JOIN_LOOKS: u32 = 3_000;
/// How long the node's start as a member is waited for.
const MOVE_LOOKS: u32 = 240;

impl<W: Write> Asked<'_, W> {
    pub(super) async fn household(self, household: &Household) -> Result<Exit, Failure> {
        let Some(deed) = &household.deed else { return self.members(household.output).await };
        match deed {
            Deed::List(output) => self.members(*output).await,
            Deed::Invite { end: true, output, .. } => {
                let ended = self.client.send(Method::DELETE, "/api/v1/household/invite", None).await?;
                self.print(&ended, *output, |_| "Ended: nobody gets in by this invite any more.\n".into())
            }
            Deed::Invite { qr, output, .. } => {
                let made = self.client.send(Method::POST, "/api/v1/household/invite", None).await?;
                self.print(&made, *output, |made| shown::household_invite(made, *qr))
            }
            Deed::Join { invite, name, yes, output } => self.enrol(invite, name.as_deref(), *yes, *output).await,
            Deed::Confirm { digits, name, role, output } => self.confirm(digits, name.as_deref(), *role, *output).await,
            Deed::Refuse { digits, output } => self.refuse(digits.as_deref(), *output).await,
            Deed::Name { member, name, output } => self.change(member, &json!({"name": name}), *output).await,
            Deed::Role { member, role, output } => self.change(member, &json!({"role": word(role)}), *output).await,
            Deed::Remove { member, yes, output } => self.remove_member(member, *yes, *output).await,
            Deed::Rekey(output) => {
                let changed = self.client.send(Method::POST, "/api/v1/household/rekey", None).await?;
                self.print(&changed, *output, |_| "The members have a new key.\n".into())
            }
            Deed::Leave { yes, output } => self.leave(*yes, *output).await,
        }
    }

    async fn members(self, output: Output) -> Result<Exit, Failure> {
        let mut all = self.client.get(HOUSEHOLD).await?;
        all["enrolment"] = self.client.get(ENROLMENT).await?;
        self.print(&all, output, shown::household)
    }

    /// Asks before what cannot be undone; where nobody can be asked, it is not done.
    fn agreed(&mut self, words: &str, yes: bool) -> Result<(), Failure> {
        if yes {
            return Ok(());
        }
        let not = |detail: &str| Failure::Refused { status: 409, code: "not_agreed".into(), detail: detail.into() };
        if !std::io::stdin().is_terminal() {
            return Err(not(&format!("{words} Add --yes to agree")));
        }
        write!(self.out, "{words}\nGo on? [y/N] ")?;
        self.out.flush()?;
        let mut answer = String::new();
        std::io::stdin().lock().take(16).read_line(&mut answer)?;
        if matches!(answer.trim(), "y" | "Y" | "yes") { Ok(()) } else { Err(not("nothing was changed")) }
    }

    /// Says each stage as it comes, and ends when this node is a member.
    async fn enrol(mut self, invite: &str, name: Option<&str>, yes: bool, output: Output) -> Result<Exit, Failure> {
        let invite = if invite == "-" { typed()? } else { invite.to_owned() };
        let before = self.client.get(HOUSEHOLD).await?;
        self.agreed(&shown::left_behind(&before["left_behind"]), yes)?;
        let home = self.client.get("/api/v1/node").await?["home"].clone();
        let body = json!({"invite": invite, "name": name.unwrap_or_default()});
        let mut state = self.client.send(Method::POST, "/api/v1/household/join", Some(&body)).await?;
        let mut told = Value::Null;
        for _ in 0..JOIN_LOOKS {
            let joining = state["joining"].clone();
            // The node stops for a moment while it moves; nothing is under way any more once it is somebody else.
            if joining.is_null() || joining["stage"] == "moving" {
                return self.moved(&home, output).await;
            }
            if joining["stage"] == "failed" {
                return Err(refused("join_failed", &joining));
            }
            let telling = json!([joining["stage"], joining["confirmed"]]);
            if telling != told && !output.json {
                writeln!(self.out, "{}", shown::household_joining(&joining).trim_end())?;
                self.out.flush()?;
            }
            told = telling;
            tokio::time::sleep(LOOK_EVERY).await;
            state = match self.client.get(ENROLMENT).await {
                Ok(state) => state,
                Err(_) if joining["confirmed"] == true => return self.moved(&home, output).await,
                Err(why) => return Err(why),
            };
        }
        Err(Failure::TimedOut)
    }

    /// Waits until the node has started as a part of another home than this.
    async fn moved(self, home: &Value, output: Output) -> Result<Exit, Failure> {
        for _ in 0..MOVE_LOOKS {
            let node = self.client.get("/api/v1/node").await;
            if node.is_ok_and(|node| node["home"] != *home)
                && let Ok(household) = self.client.get(HOUSEHOLD).await
            {
                return self.print(&household, output, shown::household);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(Failure::TimedOut)
    }

    async fn confirm(self, digits: &str, name: Option<&str>, role: RoleOf, output: Output) -> Result<Exit, Failure> {
        let body = json!({"digits": digits, "name": name.unwrap_or_default(), "role": word(&role)});
        let done = self.client.send(Method::POST, "/api/v1/household/confirm", Some(&body)).await?;
        self.print(&done, output, shown::household_enrolment)
    }

    async fn refuse(self, digits: Option<&str>, output: Output) -> Result<Exit, Failure> {
        let done = match digits {
            Some(digits) => {
                let body = json!({"digits": digits});
                self.client.send(Method::POST, "/api/v1/household/refuse", Some(&body)).await?
            }
            None => self.client.send(Method::DELETE, "/api/v1/household/join", None).await?,
        };
        self.print(&done, output, |_| "Refused: nobody was let in.\n".into())
    }

    /// The path of the member with this name or number.
    async fn member(&self, wanted: &str) -> Result<String, Failure> {
        let household = self.client.get(HOUSEHOLD).await?;
        let all: Vec<Value> = household["members"].as_array().cloned().unwrap_or_default();
        let present = || all.iter().filter(|member| member["removed"] == false);
        let by_number = |member: &&Value| member["number"].as_u64().is_some_and(|n| n.to_string() == wanted);
        let mut found = present().filter(|member| member["name"] == wanted);
        let found = match (found.next(), found.next()) {
            (Some(member), None) => Some(member),
            _ => present().find(by_number),
        };
        let number = found.and_then(|member| member["number"].as_u64()).ok_or_else(|| Failure::Refused {
            status: 404,
            code: "no_such_member".into(),
            detail:
                "the household has no such node, or two of this name: give its number, as `meerkat household` shows it"
                    .into(),
        })?;
        Ok(format!("/api/v1/household/members/{number}"))
    }

    async fn change(self, member: &str, body: &Value, output: Output) -> Result<Exit, Failure> {
        let path = self.member(member).await?;
        let changed = self.client.send(Method::PUT, &path, Some(body)).await?;
        self.print(&changed, output, shown::household)
    }

    async fn remove_member(mut self, member: &str, yes: bool, output: Output) -> Result<Exit, Failure> {
        let path = self.member(member).await?;
        self.agreed(shown::REMOVAL, yes)?;
        let changed = self.client.send(Method::DELETE, &path, None).await?;
        self.print(&changed, output, shown::household)
    }

    async fn leave(mut self, yes: bool, output: Output) -> Result<Exit, Failure> {
        let household = self.client.get(HOUSEHOLD).await?;
        let members = household["members"].as_array().cloned().unwrap_or_default();
        let hears = |m: &Value| m["online"] == true && m["own"] == false && m["removed"] == false;
        let others = if members.iter().any(hears) { shown::LEAVING_HEARD } else { shown::LEAVING_UNHEARD };
        self.agreed(&format!("{} {others}", shown::LEAVING), yes)?;
        let home = self.client.get("/api/v1/node").await?["home"].clone();
        self.client.send(Method::POST, "/api/v1/household/leave", None).await?;
        if !output.json {
            writeln!(self.out, "{others}")?;
        }
        self.moved(&home, output).await
    }
}

/// An invite from standard input: as an argument it can be read in the list of processes and in the shell's history.
fn typed() -> std::io::Result<String> {
    let mut text = String::new();
    std::io::stdin().take(MAX_HOUSEHOLD_TICKET_TEXT_BYTES as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// What came to nothing, in the node's own words.
fn refused(code: &str, state: &Value) -> Failure {
    let detail = state["words"].as_str().map_or_else(|| "it came to nothing: try again".to_owned(), shown::whole);
    Failure::Refused { status: 409, code: code.to_owned(), detail }
}
