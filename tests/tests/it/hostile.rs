//! A member of the household that went bad, and strangers at its door, on real daemons.

use std::{
    io::Write as _,
    time::{Duration, Instant},
};

use automerge::{Change, ExpandedChange};
use meerkat_protocols::{
    enrolment::{Ends, HouseholdTicket, Own, Way, Word},
    household::Channel,
    mesh::{Event, MAX_MEMBER_BYTES, Peer, RequestKind},
    ticket::Secret,
};
use meerkat_tests::{
    daemon::{Daemon, Setup},
    members::{HEALED, alarms, at, begin, confirm, enrol, enrolment, identity, invite, members, said, until_member},
    rogue::{Stolen, Stranger, blocks},
    wait::{until, until_within},
};

/// What a process may grow by while somebody does his worst: some caches fill, and nothing more.
const GROWTH_KB: u64 = 48 << 10;

fn address(daemon: &Daemon) -> String {
    until("an address", || daemon.get("/api/v1/peers")["listening"][0].as_str().map(str::to_owned))
}

fn blocked(daemon: &Daemon) -> Vec<String> {
    let lists = daemon.cli_json(&["list", "show"]);
    let all = lists["items"].as_array().cloned().unwrap_or_default();
    let mut subjects: Vec<String> = all.iter().filter_map(|e| e["subject"].as_str().map(str::to_owned)).collect();
    subjects.sort();
    subjects
}

/// Two honest members and what lies in the folder of a third, which does not run any more.
fn household(folder: &std::path::Path) -> ([Daemon; 2], Stolen) {
    let honest = ["first", "second"].map(|name| at(folder, name));
    enrol(&honest[0], &honest[1], "garage", "admin");
    until_member(&honest[0], &honest[1]);
    // On loopback nobody finds anybody by himself.
    let peers = honest.iter().map(address).collect();
    let mut third = Daemon::start(Setup { data: Some(folder.join("third")), peers, ..Setup::default() });
    enrol(&honest[0], &third, "laptop", "admin");
    until_member(&honest[0], &third);
    until_member(&honest[0], &honest[1]);
    said(&honest[0], &["list", "block", "+4930901820"]);
    for daemon in [&honest[1], &third] {
        until("the first entry", || (blocked(daemon).len() == 1).then_some(()));
    }
    assert!(third.stop().success());
    let stolen = Stolen::from(third.data());
    for daemon in &honest {
        until("the third to be away", || (members(daemon).len() == 3 && !there(daemon, "laptop")).then_some(()));
    }
    (honest, stolen)
}

fn there(daemon: &Daemon, name: &str) -> bool {
    let household = daemon.get("/api/v1/household");
    household["members"].as_array().is_some_and(|all| all.iter().any(|m| m["name"] == name && m["in_step"] == true))
}

fn agree(honest: &[Daemon; 2], entries: usize) {
    until_within(HEALED, "the same lists", || {
        let lists = honest.each_ref().map(blocked);
        (lists[0] == lists[1] && lists[0].len() == entries).then_some(())
    });
}

#[test]
fn a_members_poisoned_change_is_not_taken_is_said_and_the_others_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let (honest, stolen) = household(folder.path());
    let mut rogue = stolen.go_to(&address(&honest[0]));
    until("the rogue to pass for a member", || there(&honest[0], "laptop").then_some(()));
    let mut doc = stolen.lists();
    let mut expanded: ExpandedChange = blocks(&mut doc, "+4930901821").decode();
    expanded.start_op = (1_u64 << 31).try_into().expect("not zero");
    let poison = Change::from(expanded).raw_bytes().to_vec();
    assert!(rogue.say_of_lists(&stolen, &doc, vec![poison]).is_some(), "it is answered");
    until("the alarm", || alarms(&honest[0]).contains(&"member_distrusted".to_owned()).then_some(()));
    // What it says honestly now is not taken either; everything else goes on.
    let mut doc = stolen.lists();
    let sound = blocks(&mut doc, "+4930901822").raw_bytes().to_vec();
    let _ = rogue.say_of_lists(&stolen, &doc, vec![sound]);
    for (n, daemon) in honest.iter().enumerate() {
        said(daemon, &["list", "block", &format!("+493090183{n}")]);
        let (status, said) =
            daemon.ask("PUT", &format!("/api/v1/people/%2B493090184{n}"), Some(&serde_json::json!({"name": "Kim"})));
        assert_eq!(status, 204, "{said}");
    }
    agree(&honest, 3);
    assert!(!blocked(&honest[0]).contains(&"+4930901822".to_owned()));
    let people = |daemon: &Daemon| daemon.get("/api/v1/people")["items"].as_array().map_or(0, Vec::len);
    honest.iter().for_each(|daemon| until("the address book", || (people(daemon) == 2).then_some(())));
}

#[test]
fn a_member_that_tells_two_members_two_things_is_found_out_and_the_two_agree() {
    let folder = tempfile::tempdir().expect("a folder");
    let ([mut first, mut second], stolen) = household(folder.path());
    // Each hears it while the other is off: the same actor, the same sequence, another edit for each.
    let tell = |daemon: &Daemon, number: &str| {
        let mut rogue = stolen.go_to(&address(daemon));
        let mut doc = stolen.lists();
        let change = blocks(&mut doc, number).raw_bytes().to_vec();
        assert!(rogue.say_of_lists(&stolen, &doc, vec![change]).is_some());
        until("what it was told", || blocked(daemon).contains(&number.to_owned()).then_some(()));
    };
    assert!(second.stop().success());
    tell(&first, "+4930901821");
    assert!(first.stop().success());
    drop((first, second));
    second = at(folder.path(), "second");
    tell(&second, "+4930901822");
    first = at(folder.path(), "first");
    let honest = [first, second];
    until_within(HEALED, "the alarm", || {
        honest.iter().any(|daemon| alarms(daemon).contains(&"member_distrusted".to_owned())).then_some(())
    });
    until_within(HEALED, "the same lists", || (blocked(&honest[0]) == blocked(&honest[1])).then_some(()));
    for (n, daemon) in honest.iter().enumerate() {
        said(daemon, &["list", "block", &format!("+493090183{n}")]);
    }
    until_within(HEALED, "edits of both", || {
        let lists = honest.each_ref().map(blocked);
        let has = |n: usize| lists[0].contains(&format!("+493090183{n}"));
        (lists[0] == lists[1] && has(0) && has(1) && lists[0].contains(&"+4930901820".to_owned())).then_some(())
    });
    let words = honest.each_ref().map(|daemon| daemon.get("/api/v1/summary")["alarms"].to_string());
    assert!(words.iter().any(|words| words.contains("laptop")), "{words:?}");
    assert!(
        !words.iter().any(|words| words.contains("garage sent")),
        "the member that told is not to blame: {words:?}"
    );
}

/// Deflated zeros in the frame of a change of Automerge: a thousandth of what it inflates to.
fn bomb(megabytes: usize) -> Vec<u8> {
    let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0; 1 << 20];
    let mut megabyte = || {
        deflated.write_all(&zeros).and_then(|()| deflated.flush()).expect("memory takes all");
        std::mem::take(deflated.get_mut())
    };
    // Flushed, each piece but the first is the same, so it need not be made a hundred times.
    let (mut data, next) = (megabyte(), megabyte());
    (1..megabytes).for_each(|_| data.extend(&next));
    data.extend(deflated.finish().expect("memory takes all"));
    let mut out = vec![0x85, 0x6f, 0x4a, 0x83, 0, 0, 0, 0, 2];
    let mut length = data.len();
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend(data);
    out
}

#[test]
fn what_inflates_to_gigabytes_takes_no_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let (honest, stolen) = household(folder.path());
    let mut rogue = stolen.go_to(&address(&honest[0]));
    let doc = stolen.lists();
    // Eight chunks of 25 kB, each of which inflates to 25 MB; and a word that fills what a word may have, at 230 MB.
    let chunk = bomb(25);
    let whole = bomb(225);
    assert!(whole.len() > 200_000 && whole.len() < MAX_MEMBER_BYTES, "{}", whole.len());
    let before = honest[0].memory_kb("VmHWM:");
    for _ in 0..10 {
        let _ = rogue.say_of_lists(&stolen, &doc, vec![chunk.clone(); 8]);
        let _ = rogue.say_of_lists(&stolen, &doc, vec![whole.clone()]);
    }
    until("the alarm", || alarms(&honest[0]).contains(&"member_distrusted".to_owned()).then_some(()));
    let grown = honest[0].memory_kb("VmHWM:").saturating_sub(before);
    eprintln!("4 MB that inflate to 4 GB: the process grew by {grown} kB at most, from {before} kB");
    assert!(grown < GROWTH_KB, "{grown} kB");
    // The same to the other, whole words of it, as the first thing it hears.
    let mut rogue = stolen.go_to(&address(&honest[1]));
    let _ = rogue.say_of_lists(&stolen, &doc, vec![whole]);
    let _ = rogue.say(Channel::Documents, &vec![0x42; 200_000]);
    let _ = rogue.say(Channel::Facts, &vec![0xff; 200_000]);
    let _ = rogue.say(Channel::Roster, &vec![0x9f; 200_000]);
    said(&honest[1], &["list", "block", "+4930901830"]);
    agree(&honest, 2);
}

#[test]
fn of_a_stranger_and_of_a_removed_member_no_word_is_heard() {
    let folder = tempfile::tempdir().expect("a folder");
    let (honest, stolen) = household(folder.path());
    let mut stranger = Stranger::meets(&address(&honest[0]), [5; 32]);
    let peer = stranger.peer();
    stranger.order(meerkat_protocols::mesh::Order::Members { peers: vec![peer] });
    let before = honest[0].memory_kb("VmRSS:");
    for n in 0..200 {
        let data = vec![if n % 2 == 0 { 1 } else { 2 }; MAX_MEMBER_BYTES];
        assert_eq!(stranger.say_as_member(data), None, "a stranger is not listened to");
    }
    let grown = honest[0].memory_kb("VmRSS:").saturating_sub(before);
    eprintln!("200 words of a stranger, 50 MB: the process grew by {grown} kB");
    assert!(grown < GROWTH_KB, "{grown} kB");
    // A member, until it is removed in the midst of its talk.
    let mut rogue = stolen.go_to(&address(&honest[0]));
    let mut doc = stolen.lists();
    let change = blocks(&mut doc, "+4930901821").raw_bytes().to_vec();
    assert!(rogue.say_of_lists(&stolen, &doc, vec![change]).is_some());
    agree(&honest, 2);
    said(&honest[1], &["household", "remove", "laptop", "--yes"]);
    until("the removal", || (members(&honest[0]).len() == 2).then_some(()));
    let late = blocks(&mut doc, "+4930901822").raw_bytes().to_vec();
    for _ in 0..5 {
        assert_eq!(rogue.say_of_lists(&stolen, &doc, vec![late.clone()]), None, "it is out");
    }
    said(&honest[0], &["list", "block", "+4930901830"]);
    agree(&honest, 3);
    assert!(!blocked(&honest[0]).contains(&"+4930901822".to_owned()));
}

/// Who wants in without knowing the secret.
fn knock(stranger: &mut Stranger, own: Peer, host: Peer, n: u64) {
    let mut scalar = [3; 32];
    scalar[..8].copy_from_slice(&n.to_le_bytes());
    let ends = Ends { guest: own, host, way: Way::Text, key: [7; 32] };
    let commitment = ends.commitment(&Own::of(scalar, [4; 16]).drawn());
    let word = Word::Begin(Way::Text, commitment, ends.begin(&commitment)).encode();
    stranger.ask([vec![RequestKind::Enrol.byte()], word].concat());
}

const STRANGERS: u8 = 8;
const KNOCKS: u64 = 10_000;

#[test]
fn ten_thousand_joins_a_minute_do_not_keep_the_one_that_is_meant_away() {
    let host = Daemon::start(Setup::default());
    let guest = Daemon::start(Setup::default());
    let text = invite(&host);
    let ticket: HouseholdTicket = text.parse().expect("an invite");
    assert_ne!(ticket.secret, Secret([0; 16]));
    let address = address(&host);
    let before = host.memory_kb("VmRSS:");
    let began = Instant::now();
    let knocking: Vec<_> = (0..STRANGERS)
        .map(|number| {
            let address = address.clone();
            std::thread::spawn(move || {
                let mut stranger = Stranger::meets(&address, [100 + number; 32]);
                let (own, host) = (Peer([number; 32]), stranger.peer());
                let (mut answered, mut open) = (0_u64, 0_u64);
                for n in 0..KNOCKS / u64::from(STRANGERS) {
                    knock(&mut stranger, own, host, n);
                    open += 1;
                    // As many under way as a network has at once, all the time.
                    while open >= 16 {
                        match stranger.event(Duration::from_secs(60)).expect("an answer or none") {
                            Event::Response { .. } => (answered, open) = (answered + 1, open - 1),
                            Event::Unanswered { .. } => open -= 1,
                            _ => {}
                        }
                    }
                }
                answered
            })
        })
        .collect();
    // In the midst of it the one that is meant comes.
    meerkat_tests::members::join_by(&guest, &text);
    let shown = until("the digits", || enrolment(&guest)["joining"]["digits"].as_str().map(str::to_owned));
    until("the same", || (enrolment(&host)["guests"][0]["digits"] == shown.as_str()).then_some(()));
    confirm(&host, &shown);
    confirm(&guest, &shown);
    until_member(&host, &guest);
    let joined = began.elapsed();
    let answered: u64 = knocking.into_iter().map(|thread| thread.join().expect("no panic")).sum();
    let took = began.elapsed();
    let grown = host.memory_kb("VmRSS:").saturating_sub(before);
    eprintln!(
        "{KNOCKS} joins in {took:.1?}, {answered} answered; the one that was meant in {joined:.1?}; grew by {grown} kB"
    );
    assert!(took < Duration::from_secs(60), "10,000 a minute: {took:?}");
    assert!(grown < GROWTH_KB, "{grown} kB");
    assert_eq!((members(&host).len(), identity(&guest).0), (2, identity(&host).0));
    let digits = begin(&host, &Daemon::start(Setup::default()));
    assert_eq!(digits.len(), 7, "the next comes too: {digits}");
}
