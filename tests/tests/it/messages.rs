//! Messages between two real nodes, one of which is off, killed and back again.

use std::path::PathBuf;

use meerkat_tests::{
    daemon::{Daemon, Setup, free_port},
    wait::until,
};
use serde_json::{Value, json};

const SECRET: &str = "The spare key lies under the third pot.";

/// A home whose node can be killed and started again where it was.
struct House {
    data: PathBuf,
    port: u16,
    other: u16,
    web: String,
}

impl House {
    fn start(&self) -> Daemon {
        Daemon::start(Setup {
            listen: vec![format!("/ip4/127.0.0.1/tcp/{}", self.port)],
            peers: vec![format!("/ip4/127.0.0.1/tcp/{}", self.other)],
            data: Some(self.data.clone()),
            web: Some(self.web.clone()),
            ..Setup::default()
        })
    }
}

fn houses(folder: &std::path::Path) -> [House; 2] {
    let ports = [free_port(), free_port()];
    [0, 1].map(|n| House {
        data: folder.join(format!("home{n}")),
        port: ports[n],
        other: ports[1 - n],
        web: format!("127.0.0.1:{}", free_port()),
    })
}

fn info(daemon: &Daemon, key: &str) -> String {
    daemon.cli_json(&["node", "info"])[key].as_str().expect("text").to_owned()
}

fn messages(daemon: &Daemon, with: &str) -> Vec<(String, String)> {
    let page = daemon.cli_json(&["messages", "--with", with]);
    let field = |message: &Value, key: &str| message[key].as_str().unwrap_or_default().to_owned();
    let all = page["items"].as_array().expect("items").iter();
    all.map(|message| (field(message, "state"), field(message, "text"))).collect()
}

fn expect(daemon: &Daemon, with: &str, state: &str, text: &str) {
    until("the message to come so far", || {
        messages(daemon, with).contains(&(state.to_owned(), text.to_owned())).then_some(())
    });
}

fn times(daemon: &Daemon, with: &str, text: &str) -> usize {
    messages(daemon, with).iter().filter(|(_, said)| said == text).count()
}

#[test]
fn what_is_written_while_the_other_is_off_arrives_once_through_kills() {
    let folder = tempfile::tempdir().expect("a folder");
    let [annas, berts] = houses(folder.path());
    let (mut anna, mut bert) = (annas.start(), berts.start());
    anna.said(&["vouch", &info(&bert, "card"), "--name", "Bert"]);
    bert.said(&["vouch", &info(&anna, "card"), "--name", "Anna"]);
    anna.said(&["message", "Bert", "Are you there?"]);
    expect(&anna, "Bert", "delivered", "Are you there?");
    expect(&bert, "Anna", "received", "Are you there?");

    bert.kill();
    until("Bert to be away", || anna.get("/api/v1/peers")["items"].as_array()?.is_empty().then_some(()));
    let undone = anna.cli_json(&["message", "Bert", "Forget this."]);
    assert_eq!(undone["state"], "queued");
    anna.said(&["message", "Bert", SECRET]);
    let bert_home = undone["home"].as_str().expect("a home").to_owned();
    let data = json!({"data": {"media_type": "text/vcard", "base64": "QkVHSU46VkNBUkQ="}});
    let (status, _) = anna.ask("POST", &format!("/api/v1/messages/{bert_home}"), Some(&data));
    assert_eq!(status, 201);
    assert!(anna.log().lines().all(|line| !line.contains("third pot") && !line.contains("Forget this")));
    anna.kill();
    let mut anna = annas.start();
    expect(&anna, "Bert", "queued", SECRET);
    anna.said(&["message", "Bert", "--undo", undone["id"].as_str().expect("an id")]);

    // The node that receives is killed as soon as it has it: what it acknowledged must be there again.
    let mut bert = berts.start();
    expect(&anna, "Bert", "delivered", SECRET);
    bert.kill();
    anna.kill();
    let (anna, mut bert) = (annas.start(), berts.start());
    bert.said(&["message", "Anna", "Found it."]);
    expect(&anna, "Bert", "received", "Found it.");
    until("the data to come", || {
        messages(&anna, "Bert").iter().all(|(state, _)| state == "delivered" || state == "received").then_some(())
    });
    assert_eq!([times(&bert, "Anna", SECRET), times(&bert, "Anna", "Forget this.")], [1, 0]);
    assert_eq!(messages(&bert, "Anna").len(), 4, "{:?}", messages(&bert, "Anna"));
    let list = bert.get("/api/v1/messages");
    assert_eq!((&list["unread"], &list["items"][0]["name"]), (&json!(3), &json!("Anna")));
    let printed = bert.told(&["messages", "--with", "Anna"]);
    assert!(printed.contains(SECRET) && printed.contains("[text/vcard]"), "{printed}");
    assert_eq!(bert.get("/api/v1/messages")["unread"], json!(0), "who printed them has read them");

    assert!(bert.log().lines().all(|line| !line.contains("third pot")));
    bert.stop();
    let bytes = std::fs::read(berts.data.join("meerkat.redb")).expect("the store");
    assert!(!bytes.windows(9).any(|at| at == b"third pot"), "what people write lies sealed");
}

#[test]
fn a_home_that_is_not_vouched_for_is_not_listened_to() {
    let folder = tempfile::tempdir().expect("a folder");
    let [annas, berts] = houses(folder.path());
    let (anna, bert) = (annas.start(), berts.start());
    bert.said(&["vouch", &info(&anna, "card"), "--name", "Anna"]);
    bert.said(&["message", "Anna", "You do not know me."]);
    until("the two to be connected", || (!anna.get("/api/v1/peers")["items"].as_array()?.is_empty()).then_some(()));
    // What comes on the same connection later has come: nothing is on its way any more.
    let equal = |daemon: &Daemon| daemon.get("/api/v1/peers")["items"][0]["evidence"]["state"] == "equal";
    until("both to have compared what they hold", || equal(&anna).then_some(()));
    assert_eq!(messages(&bert, "Anna"), [("queued".to_owned(), "You do not know me.".to_owned())]);
    assert!(anna.get("/api/v1/messages")["items"].as_array().is_some_and(Vec::is_empty));
    // Anna vouches too, and at once it comes.
    anna.said(&["vouch", &info(&bert, "card"), "--name", "Bert"]);
    expect(&anna, "Bert", "received", "You do not know me.");
    expect(&bert, "Anna", "delivered", "You do not know me.");
}
