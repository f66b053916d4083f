//! A clock that is wrong by decades, on a real process: 1970, as a machine without a battery starts; then 2046; then right
//! again. And the ten minutes of an invite, which no wall clock makes longer or shorter.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
};

use meerkat_tests::{
    caller::{From, Ring},
    clock::{Clock, Faked, today, unavailable},
    daemon::{Daemon, Setup, free_port},
    members::{HEALED, alarms, confirm, enrol, enrolment, identity, invite, join_by, said, until_member},
    wait::{until, until_within},
};
use serde_json::{Value, json};

const IN_1970: i64 = 3_600;
const IN_2046: i64 = 2_398_291_200;
const BLOCKED: &str = "+4930901820";
const UNKNOWN: &str = "+4930901829";
/// Reported by the neighbour.
const REPORTED: &str = "+4930901825";

/// The node whose clock is set.
struct Wrong {
    clock: Clock,
    data: PathBuf,
    line: u16,
    port: u16,
    web: String,
}

impl Wrong {
    fn start(&self) -> Daemon {
        let config = format!(
            "[[line]]\nname = \"home\"\nmode = \"direct\"\nbind = \"127.0.0.1:{}\"\nblock = \"603\"\nhold_ms = 100\n",
            self.line
        );
        Daemon::start(Setup {
            config,
            data: Some(self.data.clone()),
            listen: vec![format!("/ip4/127.0.0.1/tcp/{}", self.port)],
            environment: self.clock.environment(),
            web: Some(self.web.clone()),
            ..Setup::default()
        })
    }

    /// The last answer to a call, once the line is up.
    fn call(&self, daemon: &Daemon, number: &str) -> u16 {
        let ready = || (daemon.get("/api/v1/summary")["lines"][0]["state"] == "ready").then_some(());
        until("the line", ready);
        let address = SocketAddr::from(([127, 0, 0, 1], self.line));
        Ring::start(address, From::number(number)).finish().last().expect("a final response").0
    }
}

/// What a browser asks, with the cookie it has; gives the whole answer.
fn browse(daemon: &Daemon, method: &str, path: &str, (cookie, body): (&str, &str)) -> String {
    let mut stream = TcpStream::connect(daemon.web()).expect("the page listens");
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\n{cookie}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        daemon.web(),
        body.len()
    )
    .expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// Signs in; gives the cookie as a header line.
fn sign_in(daemon: &Daemon, path: &str, body: &Value) -> String {
    let answer = browse(daemon, "POST", path, ("", &body.to_string()));
    let lower = answer.to_ascii_lowercase();
    let at = lower.find("set-cookie: ").unwrap_or_else(|| panic!("{answer}")) + "set-cookie: ".len();
    let cookie = answer[at..].split(';').next().expect("a cookie");
    format!("Cookie: {cookie}\r\n")
}

fn signed_in(daemon: &Daemon, cookie: &str) -> bool {
    let answer = browse(daemon, "GET", "/api/v1/calls?limit=1", (cookie, ""));
    match &answer[9..12] {
        "200" => true,
        "401" => false,
        _ => panic!("{answer}"),
    }
}

fn entries(daemon: &Daemon) -> usize {
    daemon.cli_json(&["list", "show"])["items"].as_array().map_or(0, Vec::len)
}

fn reports(daemon: &Daemon, number: &str) -> usize {
    daemon.cli_json(&["check", number])["reports"].as_array().map_or(0, Vec::len)
}

fn card(daemon: &Daemon) -> String {
    daemon.cli_json(&["node", "info"])["card"].as_str().expect("a card").to_owned()
}

fn address(daemon: &Daemon) -> String {
    until("an address", || daemon.get("/api/v1/peers")["listening"][0].as_str().map(str::to_owned))
}

/// What must hold whatever the clock says: calls are screened, both members hear each other, nothing is gone.
fn holds(wrong: &Wrong, node: &Daemon, member: &Daemon, round: usize, when: &str) {
    assert_eq!(wrong.call(node, BLOCKED), 603, "{when}");
    assert_eq!(wrong.call(node, UNKNOWN), 480, "{when}");
    until_member(member, node);
    let before = entries(node);
    for (at, daemon) in [node, member].into_iter().enumerate() {
        said(daemon, &["list", "block", &format!("+4930902{round}{at}0"), "--label", when]);
    }
    for daemon in [node, member] {
        until_within(HEALED, "an edit of the other", || (entries(daemon) == before + 2).then_some(()));
    }
    assert_eq!(reports(node, REPORTED), 1, "evidence expired in {when}");
    let found = alarms(node);
    let bad =
        |alarm: &String| ["own_copy", "copy_of_member", "facts_forged", "store_damaged"].contains(&alarm.as_str());
    assert!(!found.iter().any(bad), "{when}: {found:?}");
}

fn calls(daemon: &Daemon) -> usize {
    daemon.get("/api/v1/calls?limit=200")["items"].as_array().map_or(0, Vec::len)
}

fn started(folder: &Path) -> (Wrong, Daemon) {
    let wrong = Wrong {
        clock: Clock::new(Faked::Wall),
        data: folder.join("node"),
        line: free_port(),
        port: free_port(),
        web: format!("127.0.0.1:{}", free_port()),
    };
    let node = wrong.start();
    (wrong, node)
}

#[test]
fn a_clock_at_1970_then_2046_then_right_again_expires_nothing_and_uses_no_slot_twice() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let (wrong, mut node) = started(folder.path());
    let password = json!({"token": node.claim().expect("a claim"), "name": "Kim", "password": "storks over the mill"});
    let cookie = sign_in(&node, "/api/v1/claim", &password);
    let member = Daemon::start(Setup::default());
    enrol(&node, &member, "garage", "admin");
    // A neighbour that hears what the home says, and is heard.
    let neighbour = Daemon::start(Setup { peers: vec![address(&node), address(&member)], ..Setup::default() });
    said(&neighbour, &["vouch", &card(&node), "--name", "the wrong clock"]);
    said(&node, &["vouch", &card(&neighbour), "--name", "the neighbour"]);
    said(&neighbour, &["report", REPORTED, "--as", "scam"]);
    until_within(HEALED, "the neighbour's report", || (reports(&node, REPORTED) == 1).then_some(()));
    said(&node, &["list", "block", BLOCKED]);
    said(&node, &["report", "+4930903000", "--as", "spam"]);
    until_within(HEALED, "the home's report", || (reports(&neighbour, "+4930903000") == 1).then_some(()));
    let times = [("1970", IN_1970), ("2046", IN_2046), ("1970", IN_1970), ("2046", IN_2046), ("today", today())];
    let mut rung = 0;
    for (round, (when, unix)) in times.into_iter().enumerate() {
        let text = invite(&node);
        wrong.clock.set(unix);
        holds(&wrong, &node, &member, 2 * round, when);
        let left = enrolment(&node)["invite"]["ends_in_s"].as_u64().expect("it is still open");
        assert!((500..=600).contains(&left), "{when}: {left} s of ten minutes are left");
        assert_eq!(enrolment(&node)["invite"]["text"], text.as_str());
        // In 1970 a report waits until there is a clock, and what is signed in 2046 nobody takes.
        said(&node, &["report", &format!("+49309030{round}1"), "--as", "spam"]);
        // By a clock of 2046 every session is too old: who is not sure who sits there asks again. A start then ends it.
        assert_eq!(signed_in(&node, &cookie), round == 0, "{when}");
        let login = json!({"name": "Kim", "password": "storks over the mill"});
        assert!(signed_in(&node, &sign_in(&node, "/api/v1/session", &login)), "{when}");
        // And the same after a start at that time.
        assert!(node.stop().success());
        drop(node);
        node = wrong.start();
        holds(&wrong, &node, &member, 2 * round + 1, when);
        rung += 4;
        until("all calls", || (calls(&node) == rung).then_some(()));
    }
    // The last of the reports is of today: the neighbour hears it, and finds no double-dealing.
    until_within(HEALED, "what is said today", || (reports(&neighbour, "+4930903041") == 1).then_some(()));
    for round in 0..4 {
        assert_eq!(reports(&neighbour, &format!("+49309030{round}1")), 0, "round {round} is of no day of theirs");
    }
    assert_eq!(reports(&neighbour, "+4930903000"), 1);
    assert!(!alarms(&neighbour).contains(&"neighbour_equivocates".to_owned()), "{:?}", alarms(&neighbour));
    assert!(signed_in(
        &node,
        &sign_in(&node, "/api/v1/session", &json!({"name": "Kim", "password": "storks over the mill"}))
    ));
}

#[test]
fn an_invite_ends_after_ten_minutes_of_the_monotonic_clock() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    let clock = Clock::new(Faked::Both);
    let host = Daemon::start(Setup { environment: clock.environment(), ..Setup::default() });
    let guest = Daemon::start(Setup::default());
    let text = invite(&host);
    clock.shift(9 * 60);
    assert_eq!(enrolment(&host)["invite"]["text"], text.as_str(), "a minute is left");
    clock.shift(10 * 60 + 1);
    let home = identity(&guest);
    join_by(&guest, &text);
    let failed = until("the refusal", || {
        let joining = enrolment(&guest)["joining"].clone();
        (joining["stage"] == "failed").then(|| joining["words"].to_string())
    });
    assert!(failed.contains("not open") || failed.contains("over"), "{failed}");
    assert_eq!(identity(&guest), home);
    until("the end of the invite", || enrolment(&host)["invite"].is_null().then_some(()));
    // The next one works.
    let text = invite(&host);
    let _ = guest.ask("DELETE", "/api/v1/household/join", None);
    join_by(&guest, &text);
    let digits = until("the digits", || enrolment(&guest)["joining"]["digits"].as_str().map(str::to_owned));
    confirm(&host, &digits);
    confirm(&guest, &digits);
    until_member(&host, &guest);
}
