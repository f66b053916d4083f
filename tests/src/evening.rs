//! A street after an ordinary evening: a home with a line, three neighbours it vouches for, and calls of every kind. For
//! the browser to look at, and for the pictures in the README.

use std::{net::SocketAddr, thread};

use serde_json::json;

use crate::{
    caller::{From, Ring},
    daemon::{Daemon, Setup, free_port},
    wait::until,
};

/// The number that all neighbours reported.
pub const SPAMMER: &str = "+4930901820";
const NEIGHBOURS: [&str; 3] = ["Anna Kruse, no. 4", "Ines and Tom, no. 9", "Mr Okafor, corner house"];
const GRANDMOTHER: &str = "+4989123456";
const SURVEYS: &str = "+4921187654";

/// A home and its neighbours, all running.
pub struct Evening {
    /// The home whose page is looked at.
    pub home: Daemon,
    /// The homes it vouches for.
    pub neighbours: Vec<Daemon>,
}

impl Evening {
    /// Starts the street, lets the reports arrive and the calls happen.
    ///
    /// # Panics
    /// If any of it does not work.
    #[must_use]
    pub fn live() -> Self {
        let neighbours: Vec<Daemon> = NEIGHBOURS.iter().map(|_| Daemon::start(Setup::default())).collect();
        let port = free_port();
        let config = format!("[[line]]\nname = \"home\"\nmode = \"direct\"\nbind = \"127.0.0.1:{port}\"\n");
        let peers = neighbours.iter().map(address).collect();
        let evening = Self { home: Daemon::start(Setup { config, peers, ..Setup::default() }), neighbours };
        evening.meet();
        evening.keep_lists();
        evening.ring(SocketAddr::from(([127, 0, 0, 1], port)));
        evening
    }

    fn meet(&self) {
        let peers = || self.home.get("/api/v1/peers")["items"].as_array().map(Vec::len);
        until("the neighbours as peers", || (peers()? == NEIGHBOURS.len()).then_some(()));
        for (neighbour, name) in self.neighbours.iter().zip(NEIGHBOURS) {
            let card = neighbour.get("/api/v1/node")["card"].clone();
            done(&self.home, "POST", "/api/v1/vouches", &json!({"card": card, "name": name}));
            done(neighbour, "POST", "/api/v1/reports", &json!({"number": SPAMMER, "category": "scam"}));
        }
        let one = json!({"number": SURVEYS, "category": "telemarketer"});
        done(&self.neighbours[0], "POST", "/api/v1/reports", &one);
        for (number, confirmations) in [(SPAMMER, 3), (SURVEYS, 1)] {
            let path = format!("/api/v1/numbers/{}", escaped(number));
            until("the reports", || (self.home.get(&path)["confirmations"] == confirmations).then_some(()));
        }
    }

    fn keep_lists(&self) {
        for (subject, body) in [
            (GRANDMOTHER, json!({"standing": "allow", "label": "Grandmother"})),
            ("+4922822334455", json!({"standing": "block", "label": "Wine offers", "notes": "Calls every Sunday."})),
            ("+49180*", json!({"standing": "block", "label": "Service numbers"})),
        ] {
            done(&self.home, "PUT", &format!("/api/v1/lists/{}", escaped(subject)), &body);
        }
    }

    /// The calls, in this order in the log; each is answered or given up in its own time.
    fn ring(&self, line: SocketAddr) {
        until("the line", || (self.home.get("/api/v1/summary")["lines"][0]["state"] == "ready").then_some(()));
        let calls: Vec<_> = callers()
            .into_iter()
            .map(|from| {
                let before = self.home.last_event();
                let ring = Ring::start(line, from);
                let _ = self.home.wait_event(before, "call.screened", |_| true);
                thread::spawn(move || ring.finish())
            })
            .collect();
        let expected = calls.len();
        for call in calls {
            let responses = call.join().expect("no panic");
            assert!(!responses.is_empty(), "each call is answered");
        }
        until("all calls in the log", || {
            let calls = self.home.get("/api/v1/calls");
            let items = calls["items"].as_array()?;
            (items.len() == expected && items.iter().all(|c| !c["ended"].is_null())).then_some(())
        });
    }
}

fn callers() -> Vec<From> {
    let named = |number: &str, name: &str| From { name: name.into(), ..From::number(number) };
    vec![
        named("+493012345678", "City library"),
        named("+4922822334455", "WEIN-AKTION"),
        From::number("anonymous"),
        named(SURVEYS, ""),
        named("+4930555777", "<b onclick=alert(1)>Bank</b>\u{202e}ytiruceS"),
        named("+441632960961", ""),
        named(GRANDMOTHER, "Grandmother"),
        named(SPAMMER, "Technical support"),
    ]
}

fn address(daemon: &Daemon) -> String {
    until("an address", || daemon.get("/api/v1/peers")["listening"][0].as_str().map(str::to_owned))
}

fn escaped(subject: &str) -> String {
    subject.replace('+', "%2B").replace('*', "%2A")
}

fn done(daemon: &Daemon, method: &str, path: &str, body: &serde_json::Value) {
    let (status, answer) = daemon.ask(method, path, Some(body));
    assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
}
