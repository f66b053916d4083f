//! `message` and `messages`: writing to neighbours and reading what they wrote.

use std::io::Write;

use hyper::Method;
use serde_json::{Value, json};

use super::{Asked, encoded};
use crate::{
    cli::{Exit, Message, Messages},
    client::Failure,
    shown,
};

/// The fewest letters of a home's name that name it on the command line.
const MIN_HOME_LETTERS: usize = 6;

impl<W: Write> Asked<'_, W> {
    pub(super) async fn message(self, message: &Message) -> Result<Exit, Failure> {
        let (home, name) = self.neighbour(&message.neighbour).await?;
        let path = format!("/api/v1/messages/{}", encoded(&home));
        if let Some(id) = &message.undo {
            let answer = self.client.send(Method::DELETE, &format!("{path}/{}", encoded(id)), None).await?;
            return self.done(&answer, message.output, "Undone: the message has not left and will not.");
        }
        let body = json!({"text": message.text});
        let answer = self.client.send(Method::POST, &path, Some(&body)).await?;
        self.print(&answer, message.output, |answer| shown::messages::written(answer, &name))
    }

    pub(super) async fn messages(self, messages: &Messages) -> Result<Exit, Failure> {
        let Some(with) = &messages.with else {
            return self.show("/api/v1/messages", messages.output, shown::messages::threads).await;
        };
        let (home, name) = self.neighbour(with).await?;
        let path = format!("/api/v1/messages/{}", encoded(&home));
        let page = self.pages(&path, "", messages.limit as usize).await?;
        let newest = page["items"].get(0).and_then(|newest| newest["number"].as_u64());
        if let Some(newest) = newest.filter(|_| !messages.output.json) {
            // Who printed them has seen them; a program says so itself.
            self.client.send(Method::PUT, &format!("{path}/read"), Some(&json!({"up_to": newest}))).await?;
        }
        self.print(&page, messages.output, |page| shown::messages::thread(page, &name))
    }

    /// The home that a person means by a name or by the beginning of its own name, and how it is called.
    async fn neighbour(&self, asked: &str) -> Result<(String, String), Failure> {
        let threads = self.client.get("/api/v1/messages").await?;
        let all = threads["items"].as_array().map_or(&[][..], Vec::as_slice);
        let field = |thread: &Value, key: &str| thread[key].as_str().unwrap_or_default().to_owned();
        let wanted = asked.trim().to_lowercase();
        let named = |thread: &&Value| field(thread, "name").to_lowercase() == wanted;
        let homed = |thread: &&Value| wanted.len() >= MIN_HOME_LETTERS && field(thread, "home").starts_with(&wanted);
        let mut found: Vec<&Value> = all.iter().filter(named).collect();
        if found.is_empty() {
            let begins = |thread: &&Value| field(thread, "name").to_lowercase().starts_with(&wanted);
            found = all.iter().filter(|thread| !wanted.is_empty() && begins(thread)).collect();
        }
        if found.is_empty() {
            found = all.iter().filter(homed).collect();
        }
        match found[..] {
            [one] => Ok((field(one, "home"), field(one, "name"))),
            [] => {
                let names: Vec<String> = all.iter().map(|thread| field(thread, "name")).collect();
                Err(no_neighbour(asked, &names))
            }
            _ => Err(refused(
                "ambiguous",
                &format!(
                    "{} neighbours are called {asked:?}: give the home's name as `meerkat messages --json` prints it",
                    found.len()
                ),
            )),
        }
    }
}

fn no_neighbour(asked: &str, names: &[String]) -> Failure {
    let next = match names {
        [] => "you vouch for nobody yet: `meerkat invite` is the beginning".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    };
    refused("no_such_neighbour", &format!("no neighbour is called {asked:?}; {next}"))
}

fn refused(code: &str, detail: &str) -> Failure {
    Failure::Refused { status: 404, code: code.to_owned(), detail: shown::whole(detail) }
}
