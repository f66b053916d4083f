//! Five homes, cut in two and healed: what either side said meanwhile arrives at all of them.

use std::time::{Duration, Instant};

use meerkat_tests::{
    daemon::{Daemon, Setup},
    namespace::{Lan, unavailable},
    wait::{until, until_within},
};

const HOMES: u8 = 5;
/// A silent connection is given up after a minute, and the next ping finds out.
const SILENCE: Duration = Duration::from_secs(150);
const MINUTE: Duration = Duration::from_secs(60);
/// Exchanges leave to gossip what is younger than half a minute, and gossip forgets it within ten seconds.
const CUT: Duration = Duration::from_secs(35);

fn caller(n: usize) -> String {
    format!("+49309018{n:02}")
}

fn peers(daemon: &Daemon) -> usize {
    daemon.get("/api/v1/peers")["items"].as_array().map_or(0, Vec::len)
}

/// On how many of these callers the home knows somebody's word, its own included.
fn heard(daemon: &Daemon, callers: impl Iterator<Item = usize>) -> usize {
    let words = |n| daemon.cli_json(&["check", &caller(n)])["reports"].as_array().map_or(0, Vec::len);
    callers.filter(|n| words(*n) == 1).count()
}

#[test]
fn real_homes_that_were_cut_off_hear_everything_within_a_minute_of_the_heal() {
    if let Some(why) = unavailable() {
        eprintln!("skipped: {why}");
        return;
    }
    let mut lan = Lan::new(HOMES);
    let homes: Vec<Daemon> = (0..HOMES).map(|n| Daemon::start(Setup::on(&lan, n))).collect();
    let cards: Vec<String> =
        homes.iter().map(|h| h.cli_json(&["node", "info"])["card"].as_str().expect("a card").to_owned()).collect();
    for (n, daemon) in homes.iter().enumerate() {
        let others = cards.iter().enumerate().filter(|(other, _)| *other != n);
        others.for_each(|(other, card)| daemon.said(&["vouch", card, "--name", &format!("Home {other}")]));
        until("all others as peers", || (peers(daemon) == usize::from(HOMES) - 1).then_some(()));
    }

    lan.cut(3..HOMES);
    for (n, daemon) in homes.iter().enumerate() {
        let left = if n < 3 { 2 } else { 1 };
        until_within(SILENCE, "the others gone", || (peers(daemon) == left).then_some(()));
    }
    let cut = Instant::now();
    homes.iter().enumerate().for_each(|(n, daemon)| daemon.said(&["report", &caller(n), "--as", "scam"]));
    until("each side to hear itself", || (heard(&homes[0], 0..3) == 3 && heard(&homes[4], 3..5) == 2).then_some(()));
    assert_eq!((heard(&homes[0], 3..5), heard(&homes[4], 0..3)), (0, 0), "nothing goes over the cut");
    // The passing of time is what is tried here.
    std::thread::sleep(CUT.saturating_sub(cut.elapsed()));

    lan.heal();
    let healed = Instant::now();
    for daemon in &homes {
        until_within(MINUTE, "everything", || (heard(daemon, 0..5) == 5).then_some(()));
    }
    let took = healed.elapsed();
    eprintln!("all homes heard everything {took:?} after the heal");
    assert!(took < MINUTE, "{took:?}");
}
