//! What the people of a home share, on real daemons: accounts, quiet hours, what members tell of themselves, a node that
//! leaves.

use std::time::{Duration, Instant};

use meerkat_protocols::cbor;
use meerkat_store::{AccessTable, AccessWrite, DataKey, Folder, Options, Store};
use meerkat_tests::{
    browser::Browser,
    daemon::{Daemon, Setup},
    members::{enrol, there},
    sip::{Call, Kamailio, KamailioSetup, Phone, Sipp},
    wait::until,
};
use serde::Serialize;
use serde_json::{Value, json};

const STRANGER: &str = "+4989123456";
const FRIEND: &str = "+4930901820";

fn done(daemon: &Daemon, method: &str, path: &str, body: &Value) {
    let (status, answer) = daemon.ask(method, path, Some(body));
    assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
}

fn add(daemon: &Daemon, name: &str, role: &str, password: &str) {
    done(daemon, "POST", "/api/v1/accounts", &json!({"name": name, "role": role, "password": password}));
}

fn accounts(daemon: &Daemon) -> Vec<String> {
    let (_, all) = daemon.try_ask("/api/v1/accounts").unwrap_or_default();
    let items = all["items"].as_array().cloned().unwrap_or_default();
    items.iter().filter_map(|account| account["name"].as_str().map(str::to_owned)).collect()
}

/// Two nodes of one household.
fn household() -> (Daemon, Daemon) {
    let (host, guest) = (Daemon::start(Setup::default()), Daemon::start(Setup::default()));
    enrol(&host, &guest, "garage", "admin");
    for daemon in [&host, &guest] {
        until("both there", || (there(daemon).len() == 2).then_some(()));
    }
    (host, guest)
}

#[test]
fn an_account_made_on_one_node_signs_in_on_all_and_a_change_ends_its_sessions_everywhere() {
    let (host, guest) = (Daemon::start(Setup::default()), Daemon::start(Setup::default()));
    add(&host, "Ana", "admin", "correct horse");
    add(&guest, "Old", "admin", "of the other home");
    enrol(&host, &guest, "garage", "admin");
    until("the accounts", || (accounts(&guest) == ["Ana"]).then_some(()));
    let (at_host, at_guest) = (
        Browser::sign_in(&host, "Ana", "correct horse").expect("it lets Ana in"),
        Browser::sign_in(&guest, "ana", "correct horse").expect("it lets Ana in"),
    );

    let begun = Instant::now();
    done(&guest, "PUT", "/api/v1/accounts/Ana", &json!({"password": "another password"}));
    assert!(!at_guest.is_in());
    until("the session at the other node to end", || (!at_host.is_in()).then_some(()));
    println!("a new password ended the session on the other node after {:?}", begun.elapsed());
    assert_eq!(Browser::sign_in(&host, "Ana", "correct horse").err(), Some(401));

    add(&guest, "Ben", "admin", "a third password");
    until("Ben", || accounts(&host).contains(&"Ben".to_owned()).then_some(()));
    let ben = Browser::sign_in(&host, "Ben", "a third password").expect("it lets Ben in");
    done(&guest, "DELETE", "/api/v1/accounts/Ben", &json!({}));
    until("the session of a removed account to end", || (!ben.is_in()).then_some(()));
    let (status, last) = host.ask("DELETE", "/api/v1/accounts/Ana", Some(&json!({})));
    assert_eq!((status, last["code"].as_str()), (409, Some("last_admin_account")));
}

/// An account as a node kept it for itself.
#[derive(Serialize)]
struct Former {
    name: String,
    role: String,
    password: String,
    created: Option<i64>,
}

#[test]
fn accounts_of_an_older_version_are_taken_over() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let mut daemon = Daemon::start(Setup { data: Some(data.clone()), ..Setup::default() });
    assert!(daemon.claim().is_some(), "nobody manages it yet");
    daemon.stop();
    {
        let folder = Folder::take(&data).expect("nobody runs on it");
        let key = DataKey::load_or_create(&folder).expect("the key");
        let store = Store::open(&folder, &key, Options::default()).expect("the store");
        // The hash of "correct horse", as the page makes it.
        let password =
            "$argon2id$v=19$m=19456,t=2,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let user = Former { name: "Ada".into(), role: "admin".into(), password: password.into(), created: Some(7) };
        let put = AccessWrite::Put { table: AccessTable::Users, key: b"ada".to_vec(), value: cbor::encode(&user) };
        store.commit_access(&[put]).expect("written");
        store.close().expect("an orderly end");
    }
    let mut daemon = Daemon::start(Setup { data: Some(data.clone()), ..Setup::default() });
    assert_eq!((accounts(&daemon), daemon.claim()), (vec!["Ada".to_owned()], None));
    daemon.kill();
    let daemon = Daemon::start(Setup { data: Some(data), ..Setup::default() });
    assert_eq!(accounts(&daemon), ["Ada"], "it stays, in the document of the home");
}

/// Hours around now, in UTC.
fn around_now() -> Value {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs();
    let hour = |seconds: u64| format!("{:02}:{:02}", seconds / 3_600 % 24, seconds / 60 % 60);
    json!({"from": hour(now - 3_600), "to": hour(now + 3_600)})
}

#[test]
fn in_quiet_hours_the_telephone_rings_for_a_friend_and_for_who_calls_again() {
    let router = Kamailio::start(KamailioSetup::ringing(&["phone", "meerkat"]));
    let phone = Phone::register(&router, "phone");
    let config = format!(
        "[node]\nzone = \"UTC\"\n[[line]]\nname = \"home\"\nmode = \"registered\"\nregistrar = \"{}\"\nuser = \"meerkat\"\n\
         password = \"meerkat-secret\"\nbind = \"127.0.0.1:0\"\n",
        router.address()
    );
    let home = Daemon::start(Setup { config, ..Setup::default() });
    until("the line", || (home.get("/api/v1/summary")["lines"][0]["state"] == "ready").then_some(()));
    let quiet = home.cli_json(&[
        "quiet",
        "from",
        around_now()["from"].as_str().unwrap_or_default(),
        "to",
        around_now()["to"].as_str().unwrap_or_default(),
    ]);
    assert_eq!((quiet["zone"].as_str(), quiet["quiet_now"].as_bool()), (Some("UTC"), Some(true)));
    assert!(home.cli(&["people", "set", FRIEND, "Ana"]).status.success());
    let check = home.cli(&["check", STRANGER]);
    assert!(String::from_utf8_lossy(&check.stdout).contains("quiet hours"));

    let outcome = Sipp::call(&Call::new(router.address(), "house", STRANGER));
    assert_eq!(outcome.code, 603, "{outcome:?}");
    if let Some(rang) = phone.seen().iter().find(|seen| seen.kind == "CALL_INCOMING") {
        assert!(phone.wait_cancelled().at.duration_since(rang.at) < Phone::RING_PERIOD);
    }
    for caller in [FRIEND, STRANGER] {
        let mark = phone.mark();
        let call = Sipp::start(&Call::new(router.address(), "house", caller));
        let rings = phone.wait_after(mark, "CALL_INCOMING");
        assert!(rings.peer.contains(caller), "{rings:?}");
        assert!([480, 487].contains(&call.outcome().code), "it rang until the caller gave up");
    }
    let calls = home.get("/api/v1/calls");
    let code = |n: usize| calls["items"][n]["reasons"][0]["code"].clone();
    assert_eq!([code(2), code(1)], [json!("quiet_hours"), json!("person")], "{calls}");
}

#[test]
fn members_tell_of_themselves_and_one_that_leaves_is_seen_to_have_left() {
    let (host, guest) = household();
    let member = |daemon: &Daemon, name: &str| {
        let household = daemon.get("/api/v1/household");
        let all = household["members"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|member| member["name"] == name)
    };
    let garage = until("what the guest says of itself", || {
        member(&host, "garage").filter(|garage| garage["version"].as_str().is_some_and(|version| !version.is_empty()))
    });
    assert!(garage["machine"].as_str().is_some_and(|machine| !machine.is_empty()), "{garage}");
    assert!(garage["last_seen"].is_i64(), "{garage}");

    let begun = Instant::now();
    let left = guest.cli(&["household", "leave", "--yes"]);
    let said = String::from_utf8_lossy(&left.stdout).into_owned();
    assert!(left.status.success(), "{said} {}", String::from_utf8_lossy(&left.stderr));
    assert!(said.contains("The other nodes are told."), "{said}");
    let gone = until("the leave", || member(&host, "garage").filter(|garage| garage["removed"] == true));
    assert_eq!(gone["left"], true, "it is seen as left, not as removed or missing");
    println!("a leave took {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(60));
    assert_eq!(guest.get("/api/v1/household")["members"], json!([]), "a home of its own");
    let (status, _) = host.ask("POST", "/api/v1/household/invite", None);
    assert_eq!(status, 200, "the household goes on");
}
