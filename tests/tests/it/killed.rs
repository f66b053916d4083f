//! Processes that die in the middle of what two nodes of a household do together: at a flush or a write of their store that
//! is counted. Whoever died is wholly before or wholly after what it was doing, and both go on.

use std::path::Path;

use meerkat_tests::{
    daemon::{Daemon, Setup},
    death::{At, Death, end_traced, unavailable},
    members::{
        HEALED, alarms, at, begin, confirm, enrol, enrolment, identity, invite, join_by, members, said, until_member,
    },
    wait::{until, until_within},
};
use serde_json::{Value, json};

/// How many moments are tried in each test; more by `MEERKAT_DEATHS`.
const DEATHS: u64 = 6;
/// Flushes and writes among which the moment lies: a few more than there are, so that some live through it.
const FLUSHES: u32 = 2;
const WRITES: u32 = 24;

fn seeds() -> impl Iterator<Item = u64> {
    let count = std::env::var("MEERKAT_DEATHS").ok().and_then(|n| n.parse().ok()).unwrap_or(DEATHS);
    let first: u64 = std::env::var("MEERKAT_SEED").ok().and_then(|n| n.parse().ok()).unwrap_or(1);
    first..first + count
}

/// A daemon that may have died is there again.
fn revived(folder: &Path, name: &str, mut daemon: Daemon) -> Daemon {
    daemon.kill();
    drop(daemon);
    at(folder, name)
}

/// Nothing is wrong with what a node has kept.
fn sound(daemon: &Daemon) {
    let found = alarms(daemon);
    let of_data = ["store_damaged", "copy_of_member", "own_copy", "facts_forged", "facts_damaged", "member_distrusted"];
    assert!(!found.iter().any(|alarm| of_data.contains(&alarm.as_str())), "{found:?}");
}

fn blocked(daemon: &Daemon) -> Vec<String> {
    let lists = daemon.cli_json(&["list", "show"]);
    let all = lists["items"].as_array().cloned().unwrap_or_default();
    let mut subjects: Vec<String> = all.iter().filter_map(|e| e["subject"].as_str().map(str::to_owned)).collect();
    subjects.sort();
    subjects
}

/// What a node is told while somebody waits for its death.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The new node begins to join: it makes the key that it will sign with.
    Joining,
    /// The person at the inviting node confirms: the roster is written.
    Admitting,
    /// The person at the new node confirms: it moves.
    Moving,
    /// The new node has moved and comes for the first time: the inviting one takes in what it brings.
    Welcoming,
}

impl Stage {
    const ALL: [Self; 4] = [Self::Joining, Self::Admitting, Self::Moving, Self::Welcoming];

    fn host_dies(self) -> bool {
        matches!(self, Self::Admitting | Self::Welcoming)
    }
}

/// Confirms at a node that may die over it.
fn says_yes(daemon: &Daemon, digits: &str) {
    let body = json!({"digits": digits, "role": "admin"});
    let _ = daemon.try_say("POST", "/api/v1/household/confirm", Some(&body));
}

/// Enrols as far as the death of one of the two lets them.
fn enrol_until_death(host: &mut Daemon, guest: &mut Daemon, stage: Stage, moment: At) {
    let pid = if stage.host_dies() { host.pid() } else { guest.pid() };
    let text = invite(host);
    let death = (stage == Stage::Joining).then(|| Death::awaits(pid, moment));
    join_by_dying(guest, &text, stage);
    let waiting = |host: &Daemon| enrolment(host)["guests"][0]["digits"].as_str().map(str::to_owned);
    let Some(digits) = until("digits or death", || if guest.is_dead() { Some(None) } else { waiting(host).map(Some) })
    else {
        return;
    };
    let death = death.or_else(|| (stage == Stage::Admitting).then(|| Death::awaits(pid, moment)));
    says_yes(host, &digits);
    if until("the roster or death", || {
        let fetching = guest.try_ask("/api/v1/household/enrolment").map(|(_, e)| e["joining"]["stage"] == "fetching");
        if host.is_dead() || guest.is_dead() { Some(true) } else { (fetching == Some(true)).then_some(false) }
    }) {
        return;
    }
    let _death = death.or_else(|| Some(Death::awaits(pid, moment)));
    let home = identity(host).0;
    says_yes(guest, &digits);
    until("a member or death", || {
        let in_step = |daemon: &Daemon| {
            let (_, household) = daemon.try_ask("/api/v1/household")?;
            let all = household["members"].as_array()?;
            (all.len() == 2 && all.iter().all(|m| m["in_step"] == true)).then_some(())
        };
        let moved = guest.try_ask("/api/v1/node").is_some_and(|(_, node)| node["home"] == home.as_str());
        let done = moved && in_step(guest).is_some() && in_step(host).is_some();
        (host.is_dead() || guest.is_dead() || done).then_some(())
    });
}

fn join_by_dying(guest: &Daemon, text: &str, stage: Stage) {
    if stage == Stage::Joining {
        let body = json!({"invite": text, "name": "garage"});
        let _ = guest.try_say("POST", "/api/v1/household/join", Some(&body));
    } else {
        join_by(guest, text);
    }
}

#[test]
fn who_dies_at_any_write_of_an_enrolment_is_of_one_home_and_comes_in_at_last() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    for (seed, stage) in seeds().zip(Stage::ALL.into_iter().cycle()) {
        let folder = tempfile::tempdir().expect("a folder");
        let mut host = at(folder.path(), "host");
        let mut guest = at(folder.path(), "guest");
        said(&guest, &["list", "block", "+4930901820", "--label", "tout"]);
        let (home, alone) = (identity(&host).0, identity(&guest));
        let moment = At::seeded(seed, FLUSHES, WRITES);
        enrol_until_death(&mut host, &mut guest, stage, moment);
        let died = [host.is_dead(), guest.is_dead()];
        host = if died[0] { revived(folder.path(), "host", host) } else { host };
        guest = if died[1] { revived(folder.path(), "guest", guest) } else { guest };
        // Before or after, and nothing between: the home, its number, the roster and what came along.
        let now = identity(&guest);
        let counted = members(&host).len();
        eprintln!("seed {seed}: {stage:?}, {moment:?}: died {died:?}, then {counted} members, guest {}", now.1);
        assert!(now == alone || (now.0 == home && now.1 != 0 && members(&guest).len() == 2), "{now:?}, was {alone:?}");
        // The inviting node's own entry comes first: one that has no other is the home it was.
        assert!(counted <= 2, "{counted}");
        assert!(now == alone || counted == 2, "who is in was let in");
        assert_eq!(blocked(&guest), ["+4930901820"]);
        if now == alone {
            let _ = guest.ask("DELETE", "/api/v1/household/join", None);
            let digits = begin(&host, &guest);
            confirm(&host, &digits);
            confirm(&guest, &digits);
        }
        until_member(&host, &guest);
        assert_eq!(members(&host), members(&guest));
        assert_eq!(members(&host).len(), 2, "no second place is given");
        until("its list", || (blocked(&host) == ["+4930901820"]).then_some(()));
        sound(&host);
        sound(&guest);
    }
}

/// Two members, each an admin.
fn pair(folder: &Path) -> [Daemon; 2] {
    let (host, guest) = (at(folder, "host"), at(folder, "guest"));
    enrol(&host, &guest, "garage", "admin");
    until_member(&host, &guest);
    [host, guest]
}

const NAMES: [&str; 2] = ["host", "guest"];

/// Two members that find each other, whose ports are others after each start.
fn equal<T: PartialEq + std::fmt::Debug>(both: &[Daemon; 2], what: &str, of: impl Fn(&Daemon) -> T) {
    until_within(HEALED, what, || (of(&both[0]) == of(&both[1])).then_some(()));
}

fn block(daemon: &Daemon, n: u64) -> Option<u16> {
    let body = json!({"standing": "block", "label": format!("number {n}"), "notes": ""});
    daemon.try_say("PUT", &format!("/api/v1/lists/%2B4930{:06}", 100_000 + n), Some(&body)).map(|(status, _)| status)
}

#[test]
fn who_dies_at_any_write_of_a_sync_loses_nothing_it_said_it_saved_and_both_become_equal() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut both = pair(folder.path());
    let mut told = Vec::new();
    let mut next = 0;
    for seed in seeds() {
        // One dies while it takes in, or while it is edited itself.
        let (dies, edited) = (usize::from(seed % 2 == 0), usize::from(seed % 4 < 2));
        let moment = At::seeded(seed, 12, 400);
        let death = Death::awaits(both[dies].pid(), moment);
        let before = next;
        while !both[dies].is_dead() && next < before + 40 {
            next += 1;
            if block(&both[edited], next) == Some(200) {
                told.push(format!("+4930{:06}", 100_000 + next));
            }
        }
        let died = both[dies].is_dead();
        drop(death);
        if died {
            let name = NAMES[dies];
            let [host, guest] = both;
            both = match dies {
                0 => [revived(folder.path(), name, host), guest],
                _ => [host, revived(folder.path(), name, guest)],
            };
        }
        eprintln!("seed {seed}: {moment:?} of {}, {} edited: died {died}", NAMES[dies], NAMES[edited]);
        // It answers a moment before all it kept is shown.
        until("what was told is saved", || {
            let has = blocked(&both[edited]);
            told.iter().all(|number| has.contains(number)).then_some(())
        });
        until_member(&both[0], &both[1]);
        equal(&both, "the same lists", blocked);
        let has = blocked(&both[1 - edited]);
        assert!(told.iter().all(|number| has.contains(number)), "{has:?}");
        both.iter().for_each(sound);
    }
}

/// What a node says of its household, if it lives: who is in it, as what.
fn roster(daemon: &Daemon) -> Option<Vec<Value>> {
    let (_, household) = daemon.try_ask("/api/v1/household")?;
    let all = household["members"].as_array()?.iter();
    Some(all.map(|m| json!([m["number"], m["name"], m["role"], m["removed"]])).collect())
}

#[test]
fn who_dies_at_any_write_of_a_change_of_the_roster_has_made_it_or_not() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let mut both = pair(folder.path());
    let number = identity(&both[1]).1;
    for seed in seeds() {
        let dies = usize::from(seed % 2 == 0);
        let moment = At::seeded(seed, 2, 16);
        let before = roster(&both[0]);
        let name = format!("shed {seed}");
        // A name, or the key of a new epoch, which both then have or neither.
        let change = match seed % 3 {
            0 => ("POST", "/api/v1/household/rekey".to_owned(), None),
            _ => ("PUT", format!("/api/v1/household/members/{number}"), Some(json!({"name": name}))),
        };
        let death = Death::awaits(both[dies].pid(), moment);
        let answer = both[0].try_say(change.0, &change.1, change.2.as_ref()).map(|(status, _)| status);
        // The other has taken it in, or has died over it.
        let heard =
            |both: &mut [Daemon; 2]| both[0].is_dead() || both[1].is_dead() || roster(&both[0]) == roster(&both[1]);
        until("the change or death", || heard(&mut both).then_some(()));
        let died = both[dies].is_dead();
        drop(death);
        if died {
            let [host, guest] = both;
            both = match dies {
                0 => [revived(folder.path(), NAMES[0], host), guest],
                _ => [host, revived(folder.path(), NAMES[1], guest)],
            };
        }
        eprintln!("seed {seed}: {moment:?} of {}: died {died}, answer {answer:?}", NAMES[dies]);
        until_member(&both[0], &both[1]);
        equal(&both, "the same roster", roster);
        let after = roster(&both[0]);
        let done = change.2.is_none() || after != before;
        assert!(done || answer.is_none_or(|status| status >= 300), "what was told as done is done");
        assert_eq!(after.map(|all| all.len()), Some(2));
        // It goes on: what is said with the key of today arrives.
        assert_eq!(block(&both[1], 1_000 + seed), Some(200));
        equal(&both, "an edit", blocked);
        both.iter().for_each(sound);
    }
}

/// A store as the program of the first neighbourhoods left it: 300 calls, vouches, a blocked number; before there were logs.
const EARLIER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/before-logs");

fn earlier_store(folder: &Path) {
    std::fs::create_dir(folder).expect("a folder");
    std::fs::copy(format!("{EARLIER}/seal.key"), folder.join("seal.key")).expect("the key");
    let packed = std::fs::File::open(format!("{EARLIER}/meerkat.redb.gz")).expect("the store");
    let mut database = std::fs::File::create(folder.join("meerkat.redb")).expect("a file");
    std::io::copy(&mut flate2::read::GzDecoder::new(packed), &mut database).expect("it unpacks");
}

#[test]
fn a_store_of_an_earlier_layout_is_led_to_todays_whatever_flush_of_its_start_it_dies_at() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    earlier_store(&data);
    let setup = |before| Setup { data: Some(data.clone()), before, ..Setup::default() };
    // One folder dies on and on, each time a little later; then comes one that dies at writes.
    let mut deaths = 0;
    for nth in 1..40 {
        let mut daemon = Daemon::spawn(&setup(At::Flush(nth).before()));
        if daemon.is_ready() {
            end_traced(&mut daemon);
            break;
        }
        deaths += 1;
    }
    assert!(deaths > 0, "it was never killed");
    eprintln!("died at {deaths} flushes of its start");
    for seed in seeds() {
        let data = folder.path().join(format!("data{seed}"));
        earlier_store(&data);
        let mut daemon = Daemon::spawn(&Setup {
            data: Some(data.clone()),
            before: At::seeded(seed, 6, 200).before(),
            ..Setup::default()
        });
        let ready = daemon.is_ready();
        if ready {
            end_traced(&mut daemon);
        }
        drop(daemon);
        whole(&Daemon::start(Setup { data: Some(data), ..Setup::default() }));
        eprintln!("seed {seed}: ready {ready}");
    }
    whole(&Daemon::start(setup(Vec::new())));
}

/// All that the earlier store had is there.
fn whole(daemon: &Daemon) {
    let mut calls = 0;
    let mut cursor = String::new();
    loop {
        let page = daemon.get(&format!("/api/v1/calls?limit=200{cursor}"));
        calls += page["items"].as_array().expect("a list").len();
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(calls, 300);
    assert_eq!(daemon.get("/api/v1/calls/stats")["damaged"].as_u64().unwrap_or(0), 0);
    sound(daemon);
}
