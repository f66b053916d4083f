//! Two daemons become neighbours: by an invite's text, by its short code, by four words. No address is ever typed.

use meerkat_tests::{
    daemon::{Daemon, Setup},
    wait::until,
};
use serde_json::Value;

fn pair() -> (Daemon, Daemon) {
    (Daemon::start(Setup::default()), Daemon::start(Setup::default()))
}

/// Two daemons that are connected, as two on one network are.
fn connected_pair() -> (Daemon, Daemon) {
    let first = Daemon::start(Setup::default());
    let address = until("an address", || first.get("/api/v1/peers")["listening"][0].as_str().map(str::to_owned));
    let second = Daemon::start(Setup { peers: vec![address], ..Setup::default() });
    for daemon in [&first, &second] {
        until("a peer", || (daemon.get("/api/v1/peers")["items"].as_array()?.len() == 1).then_some(()));
    }
    (first, second)
}

fn neighbours(daemon: &Daemon) -> Vec<String> {
    let all = daemon.get("/api/v1/neighbours");
    all["items"].as_array().expect("items").iter().map(|n| n["name"].as_str().expect("a name").to_owned()).collect()
}

fn is_there(daemon: &Daemon) -> Option<()> {
    let contacts = daemon.get("/api/v1/contacts");
    (contacts["items"].as_array()?.len() == 1 && contacts["items"][0]["online"] == true).then_some(())
}

#[test]
fn an_invite_handed_over_as_text_makes_two_homes_neighbours() {
    let (host, mut guest) = pair();
    let invite = host.cli_json(&["invite", "--name", "Anna"]);
    let text = invite["text"].as_str().expect("text");
    let said = guest.told(&["join", text, "--name", "Ben"]);
    assert!(said.contains("You are neighbours"), "{said}");
    assert_eq!((neighbours(&host), neighbours(&guest)), (vec!["Anna".to_owned()], vec!["Ben".to_owned()]));
    let used = host.get("/api/v1/invites")["items"][0].clone();
    let words = used["words"].as_str().expect("four words");
    assert!(said.contains(words), "{said} {words}");
    for daemon in [&host, &guest] {
        until("the other to be there", || is_there(daemon));
        assert!(!daemon.log().contains(&text[8..40]), "an invite is not logged");
    }
    // Once only; the other is told whose fault it is and what to do.
    let third = Daemon::start(Setup::default());
    let late = third.cli(&["join", text]);
    assert_eq!(late.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&late.stderr).contains("used by somebody else"));
    // A restart, and they find each other again by what they kept.
    let data = guest.data().to_owned();
    let kept = tempfile::tempdir().expect("a folder");
    guest.stop();
    let copy = kept.path().join("data");
    copy_folder(&data, &copy);
    let again = Daemon::start(Setup { data: Some(copy), ..Setup::default() });
    until("the host to be there again", || is_there(&again));
}

fn copy_folder(from: &std::path::Path, to: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::create_dir(to).expect("made");
    std::fs::set_permissions(to, std::fs::Permissions::from_mode(0o700)).expect("ours");
    for entry in std::fs::read_dir(from).expect("read") {
        let entry = entry.expect("an entry");
        if entry.file_type().expect("a type").is_file() {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
        }
    }
}

#[test]
fn a_short_code_is_enough_on_one_network() {
    let (host, guest) = connected_pair();
    let invite = host.cli_json(&["invite", "--no-vouch"]);
    let said = guest.told(&["join", invite["code"].as_str().expect("a code")]);
    assert!(said.contains("It does not vouch for yours"), "{said}");
    assert_eq!((neighbours(&host).len(), neighbours(&guest).len()), (0, 1));
    assert_eq!(host.get("/api/v1/invites")["items"][0]["code"], Value::Null, "used");
}

#[test]
fn four_words_on_two_screens_are_enough_on_one_network() {
    let (one, other) = connected_pair();
    let peer = |of: &Daemon| of.get("/api/v1/nearby")["items"][0]["peer"].as_str().expect("a peer").to_owned();
    let (there, here) = (peer(&one), peer(&other));
    let words = one.cli_json(&["meet", &there])["four_words"].as_str().expect("words").to_owned();
    let shown = until("the words", || {
        other.get("/api/v1/nearby")["items"][0]["meeting"]["four_words"].as_str().map(str::to_owned)
    });
    assert_eq!(words, shown);
    // The page of one, the terminal of the other.
    let body = serde_json::json!({"same": true, "name": "Anna"});
    let (status, meeting) = one.ask("POST", &format!("/api/v1/meetings/{there}"), Some(&body));
    assert_eq!((status, &meeting["stage"]), (200, &Value::from("waiting")));
    let confirmed = other.told(&["meet", &here, "--same", "--name", "Ben"]);
    assert!(confirmed.contains("You are neighbours"), "{confirmed}");
    // The vouch is a statement, the name is an edit of a document: they are on disk one after the other.
    until("one to know Anna", || (neighbours(&one) == ["Anna"]).then_some(()));
    until("the other to know Ben", || (neighbours(&other) == ["Ben"]).then_some(()));
    for daemon in [&one, &other] {
        until("the other to be there", || is_there(daemon));
    }
}
