//! A node becomes a member of a household, on two real daemons: by the command line, and whatever is killed on the way.

use std::time::Instant;

use meerkat_tests::{
    daemon::{Daemon, Setup},
    members::{at, begin, confirm, enrolment, identity, invite, join_by, members, until_member},
    wait::until,
};

#[test]
fn two_nodes_enrol_by_the_command_line() {
    let begun = Instant::now();
    let (host, guest) = (Daemon::start(Setup::default()), Daemon::start(Setup::default()));
    let started = begun.elapsed();
    let blocked = guest.cli(&["list", "block", "+4930901820", "--label", "tout"]);
    assert!(blocked.status.success());
    let old = identity(&guest);
    let text = invite(&host);
    let refused = guest.cli(&["household", "join", &text]);
    assert!(!refused.status.success(), "nobody was asked whether to leave behind what stays");
    assert!(String::from_utf8_lossy(&refused.stderr).contains("stays behind"));
    let begun = Instant::now();
    let joining = guest.cli_begun(&["household", "join", &text, "--name", "garage", "--yes"]);
    let digits = until("the host's digits", || {
        enrolment(&host)["guests"][0]["digits"].as_str().map(|digits| digits.replace(' ', ""))
    });
    confirm(&host, &digits);
    confirm(&guest, &digits);
    let joined = joining.wait_with_output().expect("it ran");
    let said = String::from_utf8_lossy(&joined.stdout).into_owned();
    assert!(joined.status.success(), "{said} {}", String::from_utf8_lossy(&joined.stderr));
    assert!(said.contains("garage (this node)"), "{said}");
    until_member(&host, &guest);
    println!("started in {started:.1?}; from join to both in step {:.1?}", begun.elapsed());
    let (home, number) = identity(&guest);
    assert_eq!(home, identity(&host).0);
    assert!(home != old.0 && number != 0);
    assert_eq!(members(&host), members(&guest));
    assert!(members(&host).contains(&(number, "garage".into())));
    let lists = guest.cli_json(&["list", "show"]);
    assert_eq!(lists["items"][0]["label"], "tout", "its lists come along: {lists}");
    for daemon in [&host, &guest] {
        assert!(!daemon.log().contains(&text[30..60]), "an invite is not logged");
    }
    // Once only.
    let third = Daemon::start(Setup::default());
    let late = third.cli(&["household", "join", &text, "--yes"]);
    assert_eq!(late.status.code(), Some(65), "{}", String::from_utf8_lossy(&late.stderr));
    // Named, removed, told.
    assert!(host.cli(&["household", "name", "garage", "shed"]).status.success());
    until("the new name", || members(&guest).iter().any(|(_, name)| name == "shed").then_some(()));
    assert!(host.cli(&["household", "remove", "shed", "--yes"]).status.success());
    until("the removed node to know", || (guest.get("/api/v1/household")["expelled"] == true).then_some(()));
}

#[test]
fn whatever_is_killed_on_the_way_each_node_is_of_one_home_and_comes_in_at_last() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut host = at(folder.path(), "host");
    let mut guest = at(folder.path(), "guest");
    let alone = identity(&guest);
    // The joining node, while the people compare.
    begin(&host, &guest);
    guest.kill();
    drop(guest);
    guest = at(folder.path(), "guest");
    assert_eq!((identity(&guest), members(&host).len()), (alone, 0));
    assert!(enrolment(&guest)["joining"].is_null());
    // The inviting one.
    begin(&host, &guest);
    host.kill();
    drop(host);
    host = at(folder.path(), "host");
    assert_eq!((enrolment(&host)["invite"].is_null(), members(&host).len()), (true, 0));
    let _ = guest.ask("DELETE", "/api/v1/household/join", None);
    // The inviting one, just after its person has confirmed: what it said is saved.
    let digits = begin(&host, &guest);
    confirm(&host, &digits);
    host.kill();
    drop(host);
    host = at(folder.path(), "host");
    // It answers a moment before all it kept is shown.
    until("what was confirmed", || (members(&host).len() == 2).then_some(()));
    let _ = guest.ask("DELETE", "/api/v1/household/join", None);
    let digits = begin(&host, &guest);
    confirm(&host, &digits);
    confirm(&guest, &digits);
    until_member(&host, &guest);
    assert_eq!(members(&host).len(), 2);
}

#[test]
fn of_a_photographed_invite_both_that_hold_it_are_seen_and_only_the_right_one_comes_in() {
    let [host, ours, thief] = [(); 3].map(|()| Daemon::start(Setup::default()));
    let text = invite(&host);
    join_by(&thief, &text);
    join_by(&ours, &text);
    let shown = |daemon: &Daemon| enrolment(daemon)["joining"]["digits"].as_str().map(str::to_owned);
    let [right, wrong] = [&ours, &thief].map(|daemon| until("digits", || shown(daemon)));
    assert_ne!(right, wrong, "each has its own");
    let guests = until("both at the admin's screen", || {
        let guests = enrolment(&host)["guests"].as_array().cloned()?;
        (guests.len() == 2 && guests.iter().all(|g| g["stage"] == "comparing")).then_some(guests)
    });
    assert!(
        guests.iter().any(|g| g["digits"] == right.as_str()) && guests.iter().any(|g| g["digits"] == wrong.as_str())
    );
    // Its person says yes at once, and nothing comes of it.
    confirm(&thief, &wrong);
    assert!(members(&host).is_empty());
    confirm(&host, &right);
    confirm(&ours, &right);
    until_member(&host, &ours);
    until("the other to be refused", || (enrolment(&thief)["joining"]["stage"] == "failed").then_some(()));
    assert_ne!(identity(&thief).0, identity(&host).0);
    assert_eq!(members(&host).len(), 2);
    // Used twice: it is used up.
    let third = Daemon::start(Setup::default());
    join_by(&third, &text);
    until("the third to be refused", || (enrolment(&third)["joining"]["stage"] == "failed").then_some(()));
    assert_eq!(members(&host).len(), 2);
}
