//! The whole of it: a router forks a call to a telephone and to the node; a caller whom three vouched neighbours reported
//! is blocked before the telephone's second ring, an unknown one rings through, and both are told while they happen.

use meerkat_tests::{
    daemon::{Daemon, Setup},
    sip::{Call, Kamailio, KamailioSetup, Phone, Sipp},
    wait::until,
};

const SPAMMER: &str = "+4930901820";
const STRANGER: &str = "+4989123456";

/// The settings of a line that registers at the router as `meerkat`.
fn line(router: &Kamailio) -> String {
    format!(
        "[[line]]\nname = \"home\"\nmode = \"registered\"\nregistrar = \"{}\"\nuser = \"meerkat\"\n\
         password = \"meerkat-secret\"\nbind = \"127.0.0.1:0\"\n",
        router.address()
    )
}

fn address(daemon: &Daemon) -> String {
    until("an address", || daemon.get("/api/v1/peers")["listening"][0].as_str().map(str::to_owned))
}

/// A node at the router, and three neighbours that it vouches for and that have all reported the spammer.
fn street(router: &Kamailio) -> (Daemon, Vec<Daemon>) {
    let neighbours: Vec<Daemon> = (0..3).map(|_| Daemon::start(Setup::default())).collect();
    let peers = neighbours.iter().map(address).collect();
    let home = Daemon::start(Setup { config: line(router), peers, ..Setup::default() });
    until("three peers", || (home.get("/api/v1/peers")["items"].as_array()?.len() == 3).then_some(()));
    for (n, neighbour) in neighbours.iter().enumerate() {
        let card = neighbour.cli_json(&["node", "info"])["card"].as_str().expect("a card").to_owned();
        home.said(&["vouch", &card, "--name", &format!("Neighbour {n}")]);
        neighbour.said(&["report", SPAMMER, "--as", "scam"]);
    }
    until("the verdict", || {
        let number = home.get(&format!("/api/v1/numbers/{}", SPAMMER.replace('+', "%2B")));
        (number["assessment"]["verdict"] == "block" && number["confirmations"] == 3).then_some(())
    });
    until("the line", || (home.get("/api/v1/summary")["lines"][0]["state"] == "ready").then_some(()));
    (home, neighbours)
}

#[test]
fn a_reported_caller_is_blocked_before_the_second_ring_and_an_unknown_one_rings_through() {
    let router = Kamailio::start(KamailioSetup::ringing(&["phone", "meerkat"]));
    let phone = Phone::register(&router, "phone");
    let (home, _neighbours) = street(&router);
    let before = home.last_event();

    let outcome = Sipp::call(&Call::new(router.address(), "house", SPAMMER));
    assert!(outcome.code >= 600, "the whole house is silent: {outcome:?}");
    if let Some(rang) = phone.seen().iter().find(|s| s.kind == "CALL_INCOMING") {
        let silenced = phone.wait_cancelled().at.duration_since(rang.at);
        assert!(silenced < Phone::RING_PERIOD, "rang for {silenced:?}");
        eprintln!("the telephone was silenced after {silenced:?}");
    }
    let (blocked_id, blocked) = home.wait_event(before, "call.screened", |c| c["number"] == SPAMMER);
    assert_eq!(blocked["verdict"], "block");
    let words = blocked["reasons"][0]["words"].as_str().expect("words");
    assert_eq!(words, "3 neighbours you vouched for reported it as a scam.");

    let mark = phone.mark();
    let call = Sipp::start(&Call::new(router.address(), "house", STRANGER));
    let rings = phone.wait_after(mark, "CALL_INCOMING");
    assert!(rings.peer.contains(STRANGER), "{rings:?}");
    // Told while it rings: the caller has not given up yet.
    let (ringing_id, ringing) = home.wait_event(blocked_id, "call.screened", |c| c["number"] == STRANGER);
    assert_eq!((ringing["verdict"].as_str(), ringing["ended"].is_null()), (Some("allow"), true), "{ringing}");
    assert_eq!(ringing["reasons"][0]["words"], "Nobody you trust has reported this number.");
    // A router that is told to cancel gives the caller the better of the two answers: ours, 480, or the telephone's 487.
    let outcome = call.outcome();
    assert!([480, 487].contains(&outcome.code), "{outcome:?}");
    assert!(outcome.micros > 4_900_000, "the telephone rang until the caller gave up: {outcome:?}");
    let (_, ended) = home.wait_event(ringing_id, "call.ended", |c| c["seq"] == ringing["seq"]);
    assert!(ended["words"].as_str().is_some_and(|w| !w.is_empty()), "{ended}");

    until("both in the log", || {
        let calls = home.get("/api/v1/calls");
        let items = calls["items"].as_array()?;
        (items.len() == 2 && items.iter().all(|c| !c["ended"].is_null())).then_some(())
    });
}
