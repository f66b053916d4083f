//! What the people of a home share on all of its nodes: the address book, the accounts of the page, alarms and quiet hours.

use std::io::Write;

use hyper::Method;
use serde_json::{Value, json};

use super::{Asked, encoded};
use crate::{
    cli::{Account, Alarms, AlarmsDeed, Exit, Output, People, PeopleDeed, Quiet, QuietDeed, Switch, word},
    client::Failure,
    secret, shown,
};

const PEOPLE: &str = "/api/v1/people";
const ACCOUNTS: &str = "/api/v1/accounts";
const RULES: &str = "/api/v1/rules";

impl<W: Write> Asked<'_, W> {
    pub(super) async fn people(self, people: &People) -> Result<Exit, Failure> {
        match &people.deed {
            None => self.show(PEOPLE, people.output, shown::people).await,
            Some(PeopleDeed::List { find, output }) => self.find_people(find.as_deref(), *output).await,
            Some(PeopleDeed::Set { number, name, output }) => {
                let path = format!("{PEOPLE}/{}", encoded(number));
                let set = self.client.send(Method::PUT, &path, Some(&json!({"name": name}))).await?;
                self.done(&set, *output, "In the address book: it rings, whatever others say of it.")
            }
            Some(PeopleDeed::Remove { number, output }) => {
                let gone = self.client.send(Method::DELETE, &format!("{PEOPLE}/{}", encoded(number)), None).await?;
                self.done(&gone, *output, "Taken out of the address book.")
            }
        }
    }

    async fn find_people(self, find: Option<&str>, output: Output) -> Result<Exit, Failure> {
        let mut all = self.client.get(PEOPLE).await?;
        if let (Some(find), Some(items)) = (find, all.get_mut("items").and_then(Value::as_array_mut)) {
            let wanted = find.to_lowercase();
            let digits: String = find.chars().filter(char::is_ascii_digit).collect();
            let field = |person: &Value, key: &str| person[key].as_str().unwrap_or_default().to_lowercase();
            items.retain(|person| {
                let by_number = !digits.is_empty() && field(person, "number").contains(&digits);
                field(person, "name").contains(&wanted) || by_number
            });
        }
        self.print(&all, output, shown::people)
    }

    pub(super) async fn account(self, account: &Account) -> Result<Exit, Failure> {
        let path = |name: &str| format!("{ACCOUNTS}/{}", encoded(name));
        let (changed, output) = match account {
            Account::List(output) => return self.show(ACCOUNTS, *output, shown::accounts).await,
            Account::Add { name, role, output } => {
                let password = secret::ask_twice("Password: ")?;
                let body = json!({"name": name, "role": word(role), "password": password.as_str()});
                (self.client.send(Method::POST, ACCOUNTS, Some(&body)).await?, output)
            }
            Account::Role { name, role, output } => {
                let body = json!({"role": word(role)});
                (self.client.send(Method::PUT, &path(name), Some(&body)).await?, output)
            }
            Account::Password { name, output } => {
                let password = secret::ask_twice("New password: ")?;
                let body = json!({"password": password.as_str()});
                (self.client.send(Method::PUT, &path(name), Some(&body)).await?, output)
            }
            Account::Remove { name, output } => (self.client.send(Method::DELETE, &path(name), None).await?, output),
        };
        self.print(&changed, *output, shown::accounts)
    }

    pub(super) async fn alarms(self, alarms: &Alarms) -> Result<Exit, Failure> {
        match &alarms.deed {
            None => self.show("/api/v1/summary", alarms.output, shown::alarms).await,
            Some(AlarmsDeed::List(output)) => {
                let summary = self.client.get("/api/v1/summary").await?;
                self.print(&json!({"alarms": summary["alarms"]}), *output, shown::alarms)
            }
            Some(AlarmsDeed::Seen { key, output }) => {
                let body = json!({"key": key});
                let seen = self.client.send(Method::POST, "/api/v1/alarms/seen", Some(&body)).await?;
                self.done(&seen, *output, "Noted: every node of the home shows that it was seen.")
            }
            Some(AlarmsDeed::Tell { kind, told, output }) => {
                let mut rules = self.rules().await?;
                rules["tell"][kind] = json!(*told == Switch::On);
                let set = self.client.send(Method::PUT, RULES, Some(&rules)).await?;
                let words = if *told == Switch::On { "They are told." } else { "They are not told any more." };
                self.done(&set, *output, words)
            }
        }
    }

    /// The rules as they are set, to be sent back changed.
    async fn rules(&self) -> Result<Value, Failure> {
        let rules = self.client.get(RULES).await?;
        Ok(json!({"tell": rules["tell"], "quiet": rules["quiet"]}))
    }

    pub(super) async fn quiet(self, quiet: &Quiet) -> Result<Exit, Failure> {
        let (hours, output) = match &quiet.deed {
            None => return self.show(RULES, quiet.output, shown::quiet).await,
            Some(QuietDeed::Show(output)) => return self.show(RULES, *output, shown::quiet).await,
            Some(QuietDeed::From { from, to, output, .. }) => (json!({"from": from, "to": to}), output),
            Some(QuietDeed::Off(output)) => (Value::Null, output),
        };
        let mut rules = self.rules().await?;
        rules["quiet"] = hours;
        self.client.send(Method::PUT, RULES, Some(&rules)).await?;
        self.show(RULES, *output, shown::quiet).await
    }
}
