//! What the commands do, other than `up`: each asks the running node over its control socket, by the API of the page.

mod backup;
mod household;
mod keeping;
mod meeting;
mod messages;
mod numbers;
mod ping;
mod wishes;

use std::{
    io::{self, Write},
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use clap::CommandFactory;
use hyper::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use crate::{
    cli::{Admin, ApiKey, Calls, Cli, Command, Config, Entry, Exit, List, Node, Output, Report, Vouch, Which, word},
    client::{Client, Failure},
    local::SOCKET,
    settings::{self, Surroundings},
    shown,
};

/// The path of a new claim link. It exists on the control socket alone.
pub const CLAIM_PATH: &str = "/api/v1/local/claim";

/// What stays as it is in a part of a path or query: the unreserved characters of RFC 3986.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The most entries of one page of the API.
const PAGE: usize = 200;
/// The most pages followed: all 100,000 entries that lists can have.
const MAX_PAGES: usize = 500;

/// Where the control socket is: `--socket`, else in the data folder of these settings.
#[must_use]
pub fn socket(which: &Which, around: &Surroundings) -> PathBuf {
    which.socket.clone().unwrap_or_else(|| settings::load(&which.flags(), around).settings.data.join(SOCKET))
}

/// Runs a command other than `up`, prints its result to `out`, and says how to end.
///
/// # Errors
/// [`Failure`] has the words for stderr and the code to end with.
pub async fn run(cli: &Cli, around: &Surroundings, out: &mut (impl Write + Send)) -> Result<Exit, Failure> {
    let node = Asked { client: Client::new(socket(&cli.which, around)), out };
    match &cli.command {
        Command::Up(_) => Ok(Exit::Fault),
        Command::Completions { shell } => completions(*shell, node.out),
        Command::Status(output) => node.status(*output).await,
        Command::Peers(output) => node.show("/api/v1/peers", *output, shown::peers).await,
        Command::Ping(ping) => node.ping(ping).await,
        Command::Calls(calls) => node.calls(calls).await,
        Command::Check { number, output } => node.show(&number_path(number), *output, shown::check).await,
        Command::Report(report) => node.report(report).await,
        Command::List(list) => node.list(list).await,
        Command::People(people) => node.people(people).await,
        Command::Quiet(quiet) => node.quiet(quiet).await,
        Command::Account(account) => node.account(account).await,
        Command::Alarms(alarms) => node.alarms(alarms).await,
        Command::Import(import) => node.import(import).await,
        Command::Number(number) => node.number(number).await,
        Command::Vouch(vouch) => node.vouch(vouch).await,
        Command::Invite(invite) => node.invite(invite).await,
        Command::Join(join) => node.join(join).await,
        Command::Household(household) => node.household(household).await,
        Command::Nearby(output) => node.show("/api/v1/nearby", *output, shown::nearby).await,
        Command::Meet(meet) => node.meet(meet).await,
        Command::Message(message) => node.message(message).await,
        Command::Messages(messages) => node.messages(messages).await,
        Command::Node(Node::Info(output)) => node.show("/api/v1/node", *output, shown::node).await,
        Command::Admin(Admin::Claim(output)) => node.claim(*output).await,
        Command::ApiKey(key) => node.api_key(key).await,
        Command::Unlock(unlock) => node.unlock(*unlock).await,
        Command::Key(key) => node.key(key).await,
        Command::Audit(audit) => node.audit(audit).await,
        Command::Backup(backup) => node.backup(backup, &cli.which, around).await,
        Command::Config(Config::Show { origin, output }) => node.config(*origin, *output, &cli.which, around).await,
    }
}

/// Runs a command to its end, failures said on stderr: the whole of a program that is not the daemon.
#[must_use]
pub fn execute(cli: &Cli) -> Exit {
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("meerkat: the system gives this program no event queue: {error}");
            return Exit::Fault;
        }
    };
    let ended = runtime.block_on(run(cli, &Surroundings::of_process(), &mut io::stdout()));
    ended.unwrap_or_else(|failure| match failure {
        // `meerkat calls | head` ends the pipe, and that is fine.
        Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        failure => {
            eprintln!("meerkat: {failure}");
            failure.exit()
        }
    })
}

fn completions(shell: clap_complete::Shell, out: &mut impl Write) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "meerkat", &mut script);
    out.write_all(&script)?;
    Ok(Exit::Ok)
}

fn encoded(part: &str) -> String {
    utf8_percent_encode(part, PLAIN).to_string()
}

fn number_path(number: &str) -> String {
    format!("/api/v1/numbers/{}", encoded(number))
}

fn list_path(subject: &str) -> String {
    format!("/api/v1/lists/{}", encoded(subject))
}

/// A node, and where its answers are printed.
struct Asked<'a, W> {
    client: Client,
    out: &'a mut W,
}

impl<W: Write> Asked<'_, W> {
    fn print(self, value: &Value, output: Output, words: impl FnOnce(&Value) -> String) -> Result<Exit, Failure> {
        if output.json {
            writeln!(self.out, "{value:#}")?;
        } else {
            self.out.write_all(words(value).as_bytes())?;
        }
        Ok(Exit::Ok)
    }

    fn say(self, words: &str) -> Result<Exit, Failure> {
        writeln!(self.out, "{words}")?;
        Ok(Exit::Ok)
    }

    async fn show(self, path: &str, output: Output, words: fn(&Value) -> String) -> Result<Exit, Failure> {
        let value = self.client.get(path).await?;
        self.print(&value, output, words)
    }

    /// Health and summary in one object; a node that does not run has a status too.
    async fn status(self, output: Output) -> Result<Exit, Failure> {
        let health = match self.client.get("/health").await {
            Err(failure @ Failure::NotRunning { .. }) if output.json => {
                writeln!(self.out, "{:#}", json!({"status": "down", "detail": failure.to_string()}))?;
                return Ok(Exit::Down);
            }
            // A node that is down may say so with 503 and the same words.
            answer => answer?,
        };
        if health.get("status").and_then(Value::as_str) == Some("locked") {
            self.print(&health, output, shown::keeping::locked)?;
            return Ok(Exit::Degraded);
        }
        let summary = self.client.get("/api/v1/summary").await?;
        let mut both = Map::new();
        for part in [health, summary] {
            both.extend(part.as_object().cloned().unwrap_or_default());
        }
        let exit = match both.get("status").and_then(Value::as_str) {
            Some("ok") => Exit::Ok,
            Some("down") => Exit::Down,
            _ => Exit::Degraded,
        };
        self.print(&Value::Object(both), output, shown::status)?;
        Ok(exit)
    }

    async fn calls(self, asked: &Calls) -> Result<Exit, Failure> {
        let mut query = String::new();
        if let Some(number) = &asked.number {
            query.push_str(&format!("&number={}", encoded(number)));
        }
        if let Some(node) = asked.node {
            query.push_str(&format!("&node={node}"));
        }
        if let Some(verdict) = asked.verdict {
            query.push_str(&format!("&verdict={}", word(&verdict)));
        }
        let calls = self.pages("/api/v1/calls", &query, asked.limit as usize).await?;
        self.print(&calls, asked.output, shown::calls)
    }

    /// Follows the cursor until `limit` items are there; the answer has the shape of one page.
    async fn pages(&self, path: &str, query: &str, limit: usize) -> Result<Value, Failure> {
        let mut items: Vec<Value> = Vec::new();
        let mut next: Option<String> = None;
        for _ in 0..MAX_PAGES {
            let left = (limit - items.len()).min(PAGE);
            let cursor = next.as_deref().map(|next| format!("&cursor={}", encoded(next))).unwrap_or_default();
            let mut page = self.client.get(&format!("{path}?limit={left}{query}{cursor}")).await?;
            if let Some(Value::Array(more)) = page.get_mut("items").map(Value::take) {
                items.extend(more);
            }
            next = page.get("next").and_then(Value::as_str).map(str::to_owned);
            if next.is_none() || items.len() >= limit {
                break;
            }
        }
        Ok(json!({"items": items, "next": next}))
    }

    async fn report(self, report: &Report) -> Result<Exit, Failure> {
        let Some(category) = report.category else {
            let path = format!("/api/v1/reports/{}", encoded(&report.number));
            let answer = self.client.send(Method::DELETE, &path, None).await?;
            return self.done(&answer, report.output, "Your report is taken back; neighbours will hear of it.");
        };
        let body = json!({"number": report.number, "category": word(&category)});
        let answer = self.client.send(Method::POST, "/api/v1/reports", Some(&body)).await?;
        self.print(&answer, report.output, |answer| shown::reported(answer, &report.number))
    }

    /// For requests whose answer has no content.
    fn done(self, answer: &Value, output: Output, words: &str) -> Result<Exit, Failure> {
        if output.json { self.print(answer, output, |_| String::new()) } else { self.say(words) }
    }

    async fn list(self, list: &List) -> Result<Exit, Failure> {
        match list {
            List::Show { standing, output } => {
                let query = standing.map(|standing| format!("&standing={}", word(&standing))).unwrap_or_default();
                let all = self.pages("/api/v1/numbers", &query, PAGE * MAX_PAGES).await?;
                self.print(&all, *output, shown::entries)
            }
            List::Allow(entry) => self.set(entry, Some("allow")).await,
            List::Block(entry) => self.set(entry, Some("block")).await,
            List::Label(entry) => self.set(entry, None).await,
            List::Remove { subject } => {
                self.client.send(Method::DELETE, &list_path(subject), None).await?;
                self.say("Removed.")
            }
        }
    }

    /// Sets an entry; what was not given stays as it is.
    async fn set(self, entry: &Entry, standing: Option<&str>) -> Result<Exit, Failure> {
        let old = self.entry(&entry.subject).await?;
        let kept = |key: &str, default: &str| old.get(key).and_then(Value::as_str).unwrap_or(default).to_owned();
        let body = json!({
            "standing": standing.map_or_else(|| kept("standing", "unknown"), str::to_owned),
            "label": entry.label.clone().unwrap_or_else(|| kept("label", "")),
            "notes": entry.notes.clone().unwrap_or_else(|| kept("notes", "")),
        });
        let set = self.client.send(Method::PUT, &list_path(&entry.subject), Some(&body)).await?;
        self.print(&set, entry.output, shown::entry)
    }

    /// The entry as it is; null if there is none.
    async fn entry(&self, subject: &str) -> Result<Value, Failure> {
        let Some(prefix) = subject.trim().strip_suffix('*') else {
            let mut page = self.client.get(&number_path(subject)).await?;
            return Ok(page.get_mut("entry").map(Value::take).unwrap_or_default());
        };
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let wanted = format!("+{}*", digits(prefix));
        let all = self.pages("/api/v1/numbers", "", PAGE * MAX_PAGES).await?;
        let mut entries = all.get("items").and_then(Value::as_array).into_iter().flatten();
        let same = |entry: &&Value| entry.get("subject").and_then(Value::as_str) == Some(&wanted);
        Ok(entries.find(same).cloned().unwrap_or_default())
    }

    async fn vouch(self, vouch: &Vouch) -> Result<Exit, Failure> {
        if let Some(home) = &vouch.remove {
            let path = format!("/api/v1/vouches/{}", encoded(home));
            let answer = self.client.send(Method::DELETE, &path, None).await?;
            return self.done(
                &answer,
                vouch.output,
                "You no longer vouch for this home; its reports count no more here.",
            );
        }
        let (Some(card), Some(name)) = (&vouch.card, &vouch.name) else {
            return self.show("/api/v1/neighbours", vouch.output, shown::neighbours).await;
        };
        let body = json!({"card": card, "name": name});
        let answer = self.client.send(Method::POST, "/api/v1/vouches", Some(&body)).await?;
        self.done(&answer, vouch.output, "You vouch for this home; its reports count here from now on.")
    }

    /// The link: the page's address from the settings in force, and the token.
    async fn claim(self, output: Output) -> Result<Exit, Failure> {
        let answer = self.client.send(Method::POST, CLAIM_PATH, Some(&json!({}))).await?;
        let fragment = answer.get("url_fragment").and_then(Value::as_str).unwrap_or_default();
        let config = self.client.get("/api/v1/config").await?;
        let link = format!("{}/{}", page_address(&config), meerkat_protocols::text::inert(fragment));
        self.print(&json!({"url": link}), output, |_| shown::claim(&link))
    }

    async fn api_key(self, key: &ApiKey) -> Result<Exit, Failure> {
        match key {
            ApiKey::Create { name, role, output } => {
                let body = json!({"name": name, "role": word(role)});
                let answer = self.client.send(Method::POST, "/api/v1/api-keys", Some(&body)).await?;
                self.print(&answer, *output, shown::new_key)
            }
            ApiKey::List(output) => self.show("/api/v1/api-keys", *output, shown::keys).await,
            ApiKey::Delete { id } => {
                self.client.send(Method::DELETE, &format!("/api/v1/api-keys/{}", encoded(id)), None).await?;
                self.say("Withdrawn: programs that use the key are refused from now on.")
            }
        }
    }

    /// The settings of the running node; those it would start with, if it does not run.
    async fn config(self, origin: bool, output: Output, which: &Which, around: &Surroundings) -> Result<Exit, Failure> {
        let config = match self.client.get("/api/v1/config").await {
            Err(Failure::NotRunning { .. }) => {
                let loaded = settings::load(&which.flags(), around);
                let item = |item: &settings::Item| json!({"key": item.key, "value": item.text(), "origin": item.origin, "where": item.place});
                let items: Vec<Value> = loaded.items.iter().map(item).collect();
                json!({"items": items, "problems": loaded.problems})
            }
            answer => answer?,
        };
        let wrong = config.get("problems").and_then(Value::as_array).is_some_and(|problems| !problems.is_empty());
        self.print(&config, output, |config| shown::config(config, origin))?;
        Ok(if wrong { Exit::Degraded } else { Exit::Ok })
    }
}

/// Where a browser on this machine finds the page.
fn page_address(config: &Value) -> String {
    let items = config.get("items").and_then(Value::as_array).into_iter().flatten();
    let listen = items
        .filter(|item| item.get("key").and_then(Value::as_str) == Some("web.listen"))
        .find_map(|item| item.get("value")?.as_str()?.parse::<SocketAddr>().ok());
    let mut address = listen.unwrap_or(settings::DEFAULT_WEB.parse().expect("the default is an address and a port"));
    if address.ip().is_unspecified() {
        let loopback: IpAddr =
            if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    format!("http://{address}")
}

#[cfg(test)]
mod tests;
