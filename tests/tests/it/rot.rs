//! One bit flipped in a stopped store of a real household, again and again, each time opened by the program as it is: what
//! it serves is what was written, or nothing; never anything else. `MEERKAT_FLIPS` sets how many, `MEERKAT_SEED` which.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use meerkat_tests::{
    caller::{From, Ring},
    daemon::{Daemon, Setup, free_port},
    members::{alarms, enrol, identity, said, until_member},
    wait::{until, until_within},
};
use serde_json::{Value, json};

const FLIPS: u64 = 24;
/// Every so many flips the member that kept all runs too, and what was lost is awaited.
const HEALED_EVERY: u64 = 25;

fn asked(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Where the two nodes live, each at a fixed place.
struct Places {
    folder: tempfile::TempDir,
    ports: [u16; 2],
    line: u16,
}

impl Places {
    fn data(&self, n: usize) -> PathBuf {
        self.folder.path().join(format!("node{n}"))
    }

    fn setup(&self, n: usize, data: PathBuf) -> Setup {
        let line = format!(
            "[[line]]\nname = \"home\"\nmode = \"direct\"\nbind = \"127.0.0.1:{}\"\nblock = \"603\"\nhold_ms = 1\n",
            self.line
        );
        Setup {
            config: if n == 0 { line } else { String::new() },
            listen: vec![format!("/ip4/127.0.0.1/tcp/{}", self.ports[n])],
            peers: vec![format!("/ip4/127.0.0.1/tcp/{}", self.ports[1 - n])],
            data: Some(data),
            ..Setup::default()
        }
    }
}

fn info(daemon: &Daemon, key: &str) -> String {
    daemon.cli_json(&["node", "info"])[key].as_str().expect("text").to_owned()
}

/// A household of two with a neighbour: calls, lists, settings, an address book, rules, a roster, evidence, letters, an
/// audit log. Both nodes stopped in order.
fn furnished() -> (Places, Served) {
    let places =
        Places { folder: tempfile::tempdir().expect("a folder"), ports: [free_port(), free_port()], line: free_port() };
    let mut both = [0, 1].map(|n| Daemon::start(places.setup(n, places.data(n))));
    enrol(&both[0], &both[1], "garage", "admin");
    until_member(&both[0], &both[1]);
    let to = format!("/ip4/127.0.0.1/tcp/{}", places.ports[0]);
    let neighbour = Daemon::start(Setup { peers: vec![to], ..Setup::default() });
    said(&both[0], &["vouch", &info(&neighbour, "card"), "--name", "Bert"]);
    said(&neighbour, &["vouch", &info(&both[0], "card"), "--name", "Anna"]);
    let node = &both[0];
    let address = SocketAddr::from(([127, 0, 0, 1], places.line));
    until("the line", || (node.get("/api/v1/summary")["lines"][0]["state"] == "ready").then_some(()));
    for n in 0..40 {
        assert!(Ring::start(address, From::number(&format!("+493090181{n:02}"))).finish().last().is_some());
    }
    for n in 0..25 {
        said(node, &["list", "block", &format!("+493090182{n:02}"), "--label", &format!("entry {n}")]);
        let name = json!({"name": format!("Person {n}")});
        assert_eq!(node.ask("PUT", &format!("/api/v1/people/%2B493090183{n:02}"), Some(&name)).0, 204);
    }
    // What is said of the numbers of another country is not listened to.
    let settings = json!({"region": "DE", "anonymous": "block", "invalid": "challenge", "ranges": true});
    assert_eq!(node.ask("PUT", "/api/v1/settings", Some(&settings)).0, 200);
    let rules = json!({"tell": {"not_saving": false}, "quiet": {"from": "22:00", "to": "07:00"}});
    assert_eq!(node.ask("PUT", "/api/v1/rules", Some(&rules)).0, 204);
    for n in 0..5 {
        said(&neighbour, &["report", &format!("+493090184{n:02}"), "--as", "scam"]);
        said(node, &["report", &format!("+493090185{n:02}"), "--as", "spam"]);
        said(node, &["message", "Bert", &format!("letter {n}")]);
    }
    // What is said before two have met is told by an exchange, which leaves to gossip what is younger than half a minute.
    until_within(Duration::from_secs(150), "the neighbour's reports", || {
        (0..5).all(|n| !reports(node, &format!("+493090184{n:02}")).is_empty()).then_some(())
    });
    until("the letters", || {
        let all = node.cli_json(&["messages", "--with", "Bert"]);
        let states: Vec<&Value> = all["items"].as_array()?.iter().map(|m| &m["state"]).collect();
        (states.len() == 5 && states.iter().all(|s| *s == "delivered")).then_some(())
    });
    until("all at the other", || (calls(&both[1]).len() == 40 && lists(&both[1]).len() == 25).then_some(()));
    drop(neighbour);
    let whole = served(&both[0]);
    both.iter_mut().for_each(|daemon| assert!(daemon.stop().success()));
    (places, whole)
}

/// Whether a person is told that something is damaged: by an alarm, or on the page where it is missing.
fn tells(daemon: &Daemon) -> bool {
    let on_page = ["/api/v1/calls?limit=200", "/api/v1/calls/stats"].iter().any(|path| {
        let (status, page) = daemon.ask("GET", path, None);
        status != 200 || page["damaged"].as_u64().is_some_and(|n| n > 0)
    });
    let letters = daemon.cli(&["messages", "--with", "Bert", "--json"]);
    let letters: Value = serde_json::from_slice(&letters.stdout).unwrap_or(Value::Null);
    let alarm = alarms(daemon).iter().any(|alarm| alarm == "store_damaged" || alarm == "facts_damaged");
    alarm || on_page || letters["damaged"].as_u64().is_some_and(|n| n > 0)
}

/// What a node serves, by what it is about: each thing as text, so that it can be looked for.
type Served = BTreeMap<&'static str, BTreeSet<String>>;

fn picked(items: &Value, fields: &[&str]) -> BTreeSet<String> {
    let all = items.as_array().cloned().unwrap_or_default();
    all.iter().map(|item| fields.iter().map(|field| format!("{} ", item[*field])).collect()).collect()
}

fn reports(daemon: &Daemon, number: &str) -> BTreeSet<String> {
    let found = daemon.get(&format!("/api/v1/numbers/{}", number.replace('+', "%2B")));
    picked(&found["reports"], &["home", "category", "day"])
}

/// An item that cannot be read whole is left out or says that it is damaged; a part of it that is missing is no other value.
fn calls(daemon: &Daemon) -> BTreeSet<String> {
    picked(
        &daemon.get("/api/v1/calls?limit=200")["items"],
        &["node", "seq", "number", "name", "verdict", "began", "line"],
    )
}

fn lists(daemon: &Daemon) -> BTreeSet<String> {
    picked(&daemon.cli_json(&["list", "show"])["items"], &["subject", "standing", "label", "notes"])
}

/// All lines that can be read, page by page.
fn audit(daemon: &Daemon) -> BTreeSet<String> {
    let (mut all, mut before) = (BTreeSet::new(), String::new());
    loop {
        let (status, page) = daemon.ask("GET", &format!("/api/v1/audit{before}"), None);
        // A log that cannot be read is an error, in words.
        if status != 200 {
            return all;
        }
        let readable = page["items"].as_array().into_iter().flatten().filter(|line| line["actor"] != Value::Null);
        all.extend(picked(&readable.cloned().collect(), &["seq", "at", "actor", "action", "target"]));
        let Some(next) = page["next"].as_u64() else { return all };
        before = format!("?before={next}");
    }
}

fn served(daemon: &Daemon) -> Served {
    let settings = daemon.get("/api/v1/settings")["settings"].clone();
    let fields = ["region", "anonymous", "invalid", "ranges"];
    let settings = fields.iter().map(|field| format!("{field} {}", settings[*field])).collect();
    let rules = daemon.get("/api/v1/rules");
    let rules = [format!("tell {}", rules["tell"]), format!("quiet {}", rules["quiet"])].into();
    let (home, number) = identity(daemon);
    let letters = daemon.cli(&["messages", "--with", "Bert", "--json"]);
    let letters: Value = serde_json::from_slice(&letters.stdout).unwrap_or(Value::Null);
    let heard = (0..5).flat_map(|n| reports(daemon, &format!("+493090184{n:02}")));
    let said = (0..5).flat_map(|n| reports(daemon, &format!("+493090185{n:02}")));
    [
        ("calls", calls(daemon)),
        ("lists", lists(daemon)),
        ("settings", settings),
        ("rules", rules),
        ("people", picked(&daemon.get("/api/v1/people")["items"], &["number", "name"])),
        ("roster", picked(&daemon.get("/api/v1/household")["members"], &["number", "name", "role", "peer"])),
        ("neighbours", picked(&daemon.get("/api/v1/neighbours")["items"], &["home", "name"])),
        ("letters", picked(&letters["items"], &["id", "text"])),
        ("evidence", heard.chain(said).collect()),
        ("audit", audit(daemon)),
        ("identity", [format!("{home} {number}"), info(daemon, "peer")].into()),
    ]
    .into()
}

/// What nodes show of what nobody decided: a document that is damaged is read as if it were new.
fn empty() -> Served {
    let settings = ["region \"DE\"", "anonymous \"allow\"", "invalid \"allow\"", "ranges false", "ranges true"];
    [("settings", settings.map(str::to_owned).into()), ("rules", ["tell {}", "quiet null"].map(str::to_owned).into())]
        .into()
}

/// What is served and was never written.
fn altered(found: &Served, whole: &Served, untouched: &Served) -> Vec<String> {
    let none = BTreeSet::new();
    let mut all = Vec::new();
    for (what, things) in found {
        let (written, new) = (&whole[what], untouched.get(what).unwrap_or(&none));
        let last = written.iter().filter_map(|line| time(line)).max();
        // What the node did since, above all that it found the damage.
        let since = |t: &str| *what == "audit" && t.contains("\"this node\"") && time(t) > last;
        let known = |t: &String| written.contains(t) || new.contains(t) || since(t);
        all.extend(things.iter().filter(|t| !known(t)).map(|t| format!("{what}: {t}")));
    }
    all
}

/// When a line of the audit log was written.
fn time(line: &str) -> Option<u64> {
    line.split(' ').nth(1)?.parse().ok()
}

/// Which bytes can be hit: those of each file that are not zero, which are mostly no part of anything.
fn used(data: &Path) -> Vec<(PathBuf, usize)> {
    let files = ["meerkat.redb", "seal.key", "identity.copy"];
    let of = |name: &str| {
        let bytes = std::fs::read(data.join(name)).unwrap_or_default();
        let places: Vec<_> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        places.into_iter().map(|at| (PathBuf::from(name), at)).collect::<Vec<_>>()
    };
    files.iter().flat_map(|name| of(name)).collect()
}

fn copied(from: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            std::fs::copy(entry.path(), to.join(entry.file_name())).expect("a file of our own");
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    /// It serves all, and nothing is said: the bit was in nothing that is read.
    as_before: u64,
    /// Something was noticed, and all is there from elsewhere.
    whole_and_said: u64,
    /// Something is missing and is said to be.
    lacking: u64,
    /// Something is missing and is not said yet.
    lacking_in_silence: u64,
    /// It does not start, and says why.
    refused: u64,
    tried_to_heal: u64,
    healed: u64,
}

struct Round<'a> {
    places: &'a Places,
    whole: &'a Served,
    untouched: &'a Served,
}

impl Round<'_> {
    /// Starts on a copy with one bit flipped; gives words of what was altered.
    fn flip(&self, (file, at, bit): (&Path, usize, u32), heal: bool, counts: &mut Counts) -> Vec<String> {
        let data = self.places.folder.path().join("flipped");
        copied(&self.places.data(0), &data);
        let mut bytes = std::fs::read(data.join(file)).expect("the file");
        bytes[at] ^= 1 << bit;
        std::fs::write(data.join(file), bytes).expect("the file");
        let mut node = Daemon::spawn(&self.places.setup(0, data));
        if !node.is_ready() {
            let log = node.log();
            assert!(node.is_dead() && log.contains("meerkat:"), "{file:?} {at} {bit}: it says why: {log}");
            counts.refused += 1;
            return Vec::new();
        }
        let found = served(&node);
        let bad = altered(&found, self.whole, self.untouched);
        let lacks = self.whole.iter().any(|(what, things)| things.iter().any(|thing| !found[what].contains(thing)));
        let tells = tells(&node);
        *(match (lacks, tells) {
            (true, true) => &mut counts.lacking,
            (true, false) => &mut counts.lacking_in_silence,
            (false, true) => &mut counts.whole_and_said,
            (false, false) => &mut counts.as_before,
        }) += 1;
        if lacks && !tells {
            let missing = |what: &&str| self.whole[*what].difference(&found[*what]).count();
            let of: Vec<_> = self.whole.keys().filter(|what| missing(what) > 0).map(|w| (w, missing(w))).collect();
            eprintln!("{} byte {at} bit {bit}: lacks {of:?} and does not say so", file.display());
        }
        if heal && lacks {
            counts.tried_to_heal += 1;
            counts.healed += u64::from(self.heals(&node));
        }
        bad
    }

    /// Whether what a member has comes back from it: calls, lists, address book, roster, settings.
    fn heals(&self, node: &Daemon) -> bool {
        let kept = self.places.folder.path().join("kept");
        copied(&self.places.data(1), &kept);
        let member = Daemon::start(self.places.setup(1, kept));
        let has = || {
            let found = served(node);
            ["calls", "lists", "people", "roster", "settings"].iter().all(|what| found[what] == self.whole[what])
        };
        let deadline = Instant::now() + Duration::from_secs(45);
        while Instant::now() < deadline {
            if has() {
                return true;
            }
            std::thread::park_timeout(Duration::from_millis(300));
        }
        eprintln!("not healed: {:?}, member {:?}", alarms(node), alarms(&member));
        let found = served(node);
        for (what, things) in self.whole {
            let missing: Vec<_> = things.difference(&found[what]).collect();
            if !missing.is_empty() {
                eprintln!("  {what} lacks {}", missing.len());
            }
        }
        false
    }
}

#[test]
fn no_bit_that_flipped_in_a_stopped_store_is_ever_served() {
    let (places, whole) = furnished();
    until_within(Duration::from_secs(1), "something of everything", || {
        whole.values().all(|things| !things.is_empty()).then_some(())
    });
    let untouched = empty();
    let round = Round { places: &places, whole: &whole, untouched: &untouched };
    let used = used(&places.data(0));
    let mut chance = asked("MEERKAT_SEED", 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = |below: usize| {
        for (left, shift) in [(true, 13), (false, 7), (true, 17)] {
            chance ^= if left { chance << shift } else { chance >> shift };
        }
        usize::try_from((chance >> 11) % below as u64).expect("below a length")
    };
    let mut counts = Counts::default();
    let flips = asked("MEERKAT_FLIPS", FLIPS);
    for n in 1..=flips {
        let (file, at) = &used[next(used.len())];
        let bit = u32::try_from(next(8)).expect("below eight");
        let bad = round.flip((file, *at, bit), n % HEALED_EVERY == 0, &mut counts);
        assert!(bad.is_empty(), "flip {n}, {} byte {at} bit {bit}: {bad:#?}", file.display());
        if n % 100 == 0 || n == flips {
            eprintln!("{n} flips of {} used bytes: {counts:?}", used.len());
        }
    }
    let started = counts.as_before + counts.whole_and_said + counts.lacking + counts.lacking_in_silence;
    assert_eq!(started + counts.refused, flips);
}
