//! `meerkat ping`: whether a neighbour's node answers, which way, and how fast.

use std::{io::Write, time::Duration};

use hyper::Method;
use meerkat_protocols::text::inert;
use serde_json::{Value, json};

use super::{Asked, encoded};
use crate::{
    cli::{Exit, Ping},
    client::Failure,
};

/// Between two of them: enough to see a connection become direct.
const PAUSE: Duration = Duration::from_secs(1);

impl<W: Write> Asked<'_, W> {
    /// Asks as often as was wished. Well is: at least one answer, and directly at the end if that was asked for.
    pub(super) async fn ping(self, ping: &Ping) -> Result<Exit, Failure> {
        let path = format!("/api/v1/peers/{}/ping", encoded(&ping.peer));
        let mut answers = Vec::new();
        for round in 0..ping.count {
            if round > 0 {
                tokio::time::sleep(PAUSE).await;
            }
            let answer = self.client.send(Method::POST, &path, Some(&json!({}))).await?;
            if !ping.output.json {
                writeln!(self.out, "{}", words(&answer))?;
            }
            let done = ping.until_direct && is_direct(&answer);
            answers.push(answer);
            if done {
                break;
            }
        }
        let answered = answers.iter().filter(|answer| answer["answered"] == true).count();
        let direct = answers.last().is_some_and(is_direct);
        if ping.output.json {
            writeln!(self.out, "{:#}", json!({"items": answers, "answered": answered}))?;
        } else if answered == 0 {
            writeln!(self.out, "\n{}", NO_ANSWER)?;
        } else if ping.until_direct && !direct {
            writeln!(self.out, "\n{}", STILL_RELAYED)?;
        }
        Ok(match (answered, ping.until_direct && !direct) {
            (0, _) => Exit::Unavailable,
            (_, true) => Exit::Degraded,
            (_, false) => Exit::Ok,
        })
    }
}

const NO_ANSWER: &str = "The other node is off, or neither it nor any relay can be reached. `meerkat peers` shows who is \
                         connected; a node that was away is found again by itself.";
const STILL_RELAYED: &str = "It answers through a relay. If both routers give every connection another port, that stays so; \
                             everything works, a little slower. A port forwarding for port 4787 at either end makes it \
                             direct.";

fn is_direct(answer: &Value) -> bool {
    answer["answered"] == true && answer["path"] == "direct"
}

/// One answer as a line.
fn words(answer: &Value) -> String {
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(inert);
    let short =
        |id: String| format!("…{}", id.chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect::<String>());
    let who = text("name").or_else(|| text("peer").map(short)).unwrap_or_default();
    let through = text("through_name").or_else(|| text("through").map(short));
    let way = through.map_or_else(|| "directly".to_owned(), |relay| format!("through {relay}"));
    match answer.get("rtt_ms").and_then(Value::as_f64) {
        Some(ms) => format!("{who} answered {way} in {ms:.1} ms"),
        None => format!("{who} did not answer"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_a_sentence() {
        let mut answer = json!({
            "peer": "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp", "name": null, "answered": true, "rtt_ms": 12.345,
            "path": "direct", "through": null, "through_name": null,
        });
        assert_eq!(words(&answer), "…vnc6iDEp answered directly in 12.3 ms");
        assert!(is_direct(&answer));
        answer["path"] = json!("relayed");
        answer["name"] = json!("Ana\u{1b}[2J");
        answer["through_name"] = json!("Ben");
        assert!(words(&answer).starts_with("Ana") && words(&answer).ends_with("answered through Ben in 12.3 ms"));
        assert!(!words(&answer).contains('\u{1b}') && !is_direct(&answer));
        answer["rtt_ms"] = Value::Null;
        assert!(words(&answer).ends_with("did not answer"));
    }
}
