//! What leaves the house, captured: all traffic of a home while calls are screened, numbers looked up, lists kept and
//! numbers reported, and what its neighbour has of it in the clear afterwards.

use std::{
    collections::BTreeSet,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use meerkat_protocols::statement::{Body, Read, Sealed};
use meerkat_store::{DataKey, Folder, Options, Store};
use meerkat_tests::{
    daemon::{Daemon, Setup},
    namespace::{Lan, unavailable},
    wait::until,
};

/// What the home reports.
const REPORTED: [&str; 2] = ["+4930901820", "+4930901821"];
/// Who called, who was called, who is on the lists, who was asked about, who stands on an imported list.
const KEPT: [&str; 6] = ["+4989123401", "+4930555777", "+4989777001", "+4989777002", "+4989777003", "+4989777004"];
const TEXTS: [&str; 6] = ["Wendelgard", "Quixote", "on Sundays", "street list", "kitchen line", "sip-agent"];
/// Sent in the clear on purpose: what finds it would find the rest.
const CONTROL: &str = "control: this can be read";
const LINE: &str = "127.0.0.1:5070";

fn vouch(daemon: &Daemon, whom: &Daemon) {
    let card = whom.cli_json(&["node", "info"])["card"].as_str().expect("a card").to_owned();
    daemon.said(&["vouch", &card, "--name", "Wendelgard"]);
}

/// Sends a datagram from the machine, as bash and dd can: bash alone would send each line by itself.
fn send(lan: &Lan, machine: u8, to: &str, text: &str) {
    let to = to.replace(':', "/");
    let write = "printf '%s' \"$0\" | dd bs=64k iflag=fullblock status=none >&3";
    let script = format!("exec 3<>/dev/udp/{to} && {write} && timeout 1 head -c 1 <&3");
    // The answer, if any, is for a telephone; whether one came is seen in the log.
    let _ = lan.command(machine, Path::new("bash")).args(["-c", &script, text]).output().expect("bash runs");
}

/// A call from inside the house's own network: the router's word to the node.
fn call(lan: &Lan, caller: &str, callee: &str) {
    let invite = format!(
        "INVITE sip:{callee}@{LINE} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5999;branch=z9hG4bK{tag};rport\r\n\
         Max-Forwards: 70\r\nFrom: \"Wendelgard\" <sip:{caller}@127.0.0.1>;tag={tag}\r\nTo: <sip:{callee}@{LINE}>\r\n\
         Call-ID: {tag}@caller\r\nCSeq: 1 INVITE\r\nUser-Agent: sip-agent\r\nContact: <sip:caller@127.0.0.1:5999>\r\n\
         Content-Length: 0\r\n\r\n",
        tag = caller.trim_start_matches('+'),
    );
    send(lan, 0, LINE, &invite);
}

fn capture(lan: &Lan, file: &Path) -> Child {
    let mut child = lan.capture(0, file).stderr(Stdio::piped()).spawn().expect("tcpdump starts");
    let mut lines = BufReader::new(child.stderr.take().expect("piped")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.contains("listening on")), "tcpdump listens");
    std::thread::spawn(move || lines.for_each(drop));
    child
}

fn finish(mut capture: Child) {
    Command::new("kill").args(["-INT", &capture.id().to_string()]).status().expect("kill is there");
    assert!(capture.wait().expect("our own process").success());
}

/// The ways in which what must stay could stand in bytes.
fn spellings(text: &str) -> Vec<Vec<u8>> {
    let Some(digits) = text.strip_prefix('+') else { return vec![text.as_bytes().to_vec()] };
    let number: u64 = digits.parse().expect("digits");
    let national = digits.as_bytes()[2..].to_vec();
    vec![national, number.to_be_bytes()[3..].to_vec(), number.to_le_bytes()[..5].to_vec()]
}

fn holds(bytes: &[u8], text: &str) -> bool {
    spellings(text).iter().any(|spelling| bytes.windows(spelling.len()).any(|window| window == spelling))
}

/// All statements that a stopped node has, whoever made them.
fn statements(data: &Path) -> Vec<Sealed> {
    let folder = Folder::take(data).expect("the daemon has stopped");
    let key = DataKey::load_or_create(&folder).expect("its key");
    let store = Store::open(&folder, &key, Options::default()).expect("its store");
    let reader = store.reader();
    let (mut restored, mut all) = (reader.restore().expect("readable"), Vec::new());
    reader.statements(&mut restored, |some| all.extend(some.into_iter().map(|(_, sealed)| sealed))).expect("readable");
    all
}

/// An evening at home: calls, lists with labels and notes, look-ups, an import, and two reports.
fn live(lan: &Lan, home: &Daemon) {
    let [caller, callee, contact, blocked, asked, imported] = KEPT;
    for (number, deed) in [(contact, "allow"), (blocked, "block"), (REPORTED[0], "block")] {
        home.said(&["list", deed, number, "--label", "Quixote", "--notes", "on Sundays"]);
    }
    let list = home.data().join("list.csv");
    std::fs::write(&list, format!("number\n{imported}\n")).expect("written");
    home.said(&["import", &list.to_string_lossy(), "--name", "street list"]);
    for number in [asked, contact, imported, REPORTED[1]] {
        let _ = home.cli_json(&["check", number]);
    }
    for number in [caller, contact, blocked, imported] {
        call(lan, number, callee);
    }
    until("the calls in the log", || (home.get("/api/v1/calls")["items"].as_array()?.len() == 4).then_some(()));
    for number in REPORTED {
        home.said(&["report", number, "--as", "scam"]);
    }
}

#[test]
fn of_an_evening_at_home_only_the_reported_numbers_leave() {
    if let Some(why) = unavailable() {
        return eprintln!("{why}");
    }
    let lan = Lan::new(2);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.pcap");
    let capturing = capture(&lan, &file);
    let line = format!("[[line]]\nname = \"kitchen line\"\nmode = \"direct\"\nbind = \"{LINE}\"\n");
    let mine = Daemon::start(Setup { config: line, ..Setup::on(&lan, 0) });
    let mut neighbour = Daemon::start(Setup::on(&lan, 1));
    until("the peers", || (mine.get("/api/v1/peers")["items"].as_array()?.len() == 1).then_some(()));
    until("the line", || (mine.get("/api/v1/summary")["lines"][0]["state"] == "ready").then_some(()));
    vouch(&mine, &neighbour);
    vouch(&neighbour, &mine);
    live(&lan, &mine);
    for number in REPORTED {
        let path = format!("/api/v1/numbers/{}", number.replace('+', "%2B"));
        let heard = until("the report", || neighbour.get(&path)["reports"].as_array()?.first().cloned());
        let day = heard["day"].as_str().expect("a day");
        assert_eq!(day.len(), "2026-11-21".len(), "a day and nothing finer: {day}");
    }
    send(&lan, 0, &format!("{}:9", lan.address(1)), CONTROL);
    finish(capturing);

    let wire = std::fs::read(&file).expect("captured");
    assert!(wire.len() > 10_000 && holds(&wire, CONTROL), "{} bytes were captured", wire.len());
    for what in KEPT.iter().chain(&REPORTED).chain(&TEXTS) {
        assert!(!holds(&wire, what), "{what} can be read on the wire");
    }

    // In the clear, what the neighbour has of all this: signed statements, and of them only these numbers.
    neighbour.stop();
    let (mut numbers, all) = (BTreeSet::new(), statements(neighbour.data()));
    for sealed in &all {
        for what in KEPT.iter().chain(&TEXTS) {
            assert!(!holds(&sealed.0, what), "the neighbour holds {what}");
        }
        let Ok(Read::Statement(statement)) = sealed.read() else { panic!("only statements are kept") };
        if let Body::Report { number, .. } = statement.body {
            numbers.insert(number.reveal());
        }
    }
    assert_eq!(numbers, REPORTED.map(str::to_owned).into(), "of {} statements", all.len());
    assert!(
        REPORTED.iter().all(|number| all.iter().any(|sealed| holds(&sealed.0, number))),
        "the search finds what is there"
    );
}
