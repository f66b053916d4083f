//! How two homes meet: by ticket, by short code, by four words; and who does not get in.

use meerkat_core::{Command, Event, InviteState, JoinStage, JoinState, JoinTrouble, Refusal, Reply};
use meerkat_protocols::{
    contact::{About, NodeRecord, SignedRecord},
    home::{HomeId, NodeNumber},
    meeting::{Denial, Pair, Proof, Side, Word, code_proof},
    mesh::{Found, RequestKind},
    ticket::{NotATicket, TicketId},
};

use crate::{lane::*, world::*};

const DAY_MS: u64 = 86_400_000;

fn invites(lane: &mut Lane, n: u16) -> Vec<InviteState> {
    let world = lane.at(n);
    world.engine.snapshot(world.now).invites
}

/// Home `n` makes an invite.
pub(crate) fn invite(lane: &mut Lane, n: u16, vouches: bool) -> InviteState {
    let command = Command::Invite { name: "Anna".into(), vouches, lifetime_s: 86_400 };
    let Some(Ok(Reply::Invited(id))) = lane.at(n).ask(command) else { panic!("no invite") };
    invites(lane, n).into_iter().find(|invite| invite.id == id).expect("in the picture")
}

pub(crate) fn join(lane: &mut Lane, n: u16, text: &str, vouches: bool) -> Result<Reply, Refusal> {
    let command = Command::Join { text: text.into(), name: "Ben".into(), vouches };
    let answer = lane.at(n).ask(command).expect("answered at once");
    lane.run();
    answer
}

pub(crate) fn joined(lane: &mut Lane, n: u16) -> JoinState {
    let world = lane.at(n);
    world.engine.snapshot(world.now).joins.first().cloned().expect("a join")
}

fn trouble(lane: &mut Lane, n: u16) -> JoinTrouble {
    match joined(lane, n).stage {
        JoinStage::Failed(trouble) => trouble,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn vouched(lane: &mut Lane, n: u16) -> Vec<(String, HomeId)> {
    let world = lane.at(n);
    world.engine.snapshot(world.now).neighbours.iter().map(|n| (n.name.clone(), n.home)).collect()
}

pub(crate) fn online(lane: &mut Lane, n: u16) -> Vec<HomeId> {
    let world = lane.at(n);
    world.engine.snapshot(world.now).contacts.iter().filter(|c| c.online).map(|c| c.home).collect()
}

pub(crate) fn record(home: u16, of_peer: u16) -> SignedRecord {
    let about = About { peer: peer(of_peer), ..About::default() };
    NodeRecord {
        genesis: genesis(home),
        node: NodeNumber(0),
        chain: Default::default(),
        about,
        addresses: vec![],
        relays: vec![],
        sequence: 9,
    }
    .sign(&key(home))
}

pub(crate) fn says(lane: &mut Lane, from: u16, to: u16, kind: RequestKind, word: &Word) -> Word {
    let data = [vec![kind.byte()], word.encode()].concat();
    Word::decode(&lane.says(from, to, &data).expect("answered")).expect("a word")
}

/// What an honest guest `n` would say to home 0 with this invite.
pub(crate) fn join_word(invite: &InviteState, n: u16) -> Word {
    let ticket = invite.ticket.open().expect("a ticket");
    let pair = Pair { guest: (peer(n), home(n)), host: (peer(0), home(0)) };
    Word::Join(Some(invite.id), pair.proof(&ticket.secret.key(), invite.id), record(n, n))
}

#[test]
fn an_invite_makes_two_homes_neighbours_and_both_screens_show_the_same_words() {
    let mut lane = Lane::new(2);
    let made = invite(&mut lane, 0, true);
    assert_eq!(join(&mut lane, 1, &made.ticket.to_string(), true), Ok(Reply::Joining(0)));
    let join = joined(&mut lane, 1);
    assert_eq!(join.stage, JoinStage::Joined { theirs: true, ours: true });
    assert_eq!(vouched(&mut lane, 0), [("Anna".to_owned(), home(1))]);
    assert_eq!(vouched(&mut lane, 1), [("Ben".to_owned(), home(0))]);
    assert_eq!((online(&mut lane, 0), online(&mut lane, 1)), (vec![home(1)], vec![home(0)]));
    let used = invites(&mut lane, 0).remove(0);
    assert_eq!((used.used, used.words), (Some(home(1)), join.words));
    let words = join.words.expect("shown");
    assert!(lane.at(0).events.contains(&Event::InviteUsed { home: home(1), words }));
    // The secret was proven and not sent.
    let secret = made.ticket.open().expect("a ticket").secret.0;
    assert!(lane.carried.iter().all(|(.., data)| !data.windows(16).any(|w| w == secret)));
    // Both vouches are published, and the contacts outlive a restart.
    assert_eq!((lane.at(0).published.len(), lane.at(1).published.len()), (1, 1));
    assert_eq!((lane.at(0).contacts.len(), lane.at(1).contacts.len()), (1, 1));
}

#[test]
fn each_side_may_leave_out_its_vouch() {
    for (theirs, ours) in [(false, false), (true, false), (false, true)] {
        let mut lane = Lane::new(2);
        let made = invite(&mut lane, 0, theirs);
        assert!(join(&mut lane, 1, &made.ticket.to_string(), ours).is_ok());
        assert_eq!(joined(&mut lane, 1).stage, JoinStage::Joined { theirs, ours });
        assert_eq!(vouched(&mut lane, 0).len(), usize::from(theirs));
        assert_eq!(vouched(&mut lane, 1).len(), usize::from(ours));
        assert_eq!(lane.at(1).contacts.len(), usize::from(ours));
    }
}

#[test]
fn an_invite_counts_once_and_a_lost_answer_is_given_again() {
    let mut lane = Lane::new(3);
    let made = invite(&mut lane, 0, true);
    assert!(join(&mut lane, 1, &made.ticket.to_string(), true).is_ok());
    lane.connect(2, 0, Found::Nearby);
    assert!(join(&mut lane, 2, &made.ticket.to_string(), true).is_ok());
    assert_eq!(trouble(&mut lane, 2), JoinTrouble::Used);
    assert_eq!(vouched(&mut lane, 2), [], "who is not let in does not vouch either");
    // The same guest again.
    assert!(join(&mut lane, 1, &made.ticket.to_string(), true).is_ok());
    assert_eq!(joined(&mut lane, 1).stage, JoinStage::Joined { theirs: true, ours: true });
    assert_eq!(lane.at(0).published.len(), 1);
}

#[test]
fn who_is_answered_for_no_more_does_not_come_back_by_its_used_invite() {
    let mut lane = Lane::new(3);
    let [used, other] = [1, 2].map(|guest| {
        let made = invite(&mut lane, 0, true);
        assert!(join(&mut lane, guest, &made.ticket.to_string(), true).is_ok());
        made
    });
    assert_eq!(lane.at(0).ask(Command::Unvouch(home(1))), Some(Ok(Reply::Unvouched(home(1)))));
    lane.run();
    let denied = Word::Denied(Denial::NoSuchInvite);
    assert_eq!(says(&mut lane, 1, 0, RequestKind::Join, &join_word(&used, 1)), denied);
    assert_eq!(vouched(&mut lane, 0), [("Anna".to_owned(), home(2))]);
    assert_eq!(lane.at(0).invites.keys().copied().collect::<Vec<_>>(), [other.id], "gone on disk too");
    let again = lane.at(0).restarted();
    lane.worlds[0] = again;
    assert_eq!(says(&mut lane, 1, 0, RequestKind::Join, &join_word(&used, 1)), denied);
}

#[test]
fn a_join_is_worth_nothing_to_another_peer_home_or_ticket() {
    let mut lane = Lane::new(4);
    let made = invite(&mut lane, 0, true);
    let join = RequestKind::Join;
    let denied = |denial| Word::Denied(denial);
    let honest = join_word(&made, 1);
    let Word::Join(id, proof, _) = honest.clone() else { panic!("a join") };
    // Replayed by another peer, whole or with a record of its own.
    assert_eq!(says(&mut lane, 2, 0, join, &honest), denied(Denial::BadRecord));
    assert_eq!(says(&mut lane, 2, 0, join, &Word::Join(id, proof, record(2, 2))), denied(Denial::WrongProof));
    // The right peer, but a record that its home did not sign, and one of our own home.
    let mut forged = record(1, 1);
    let last = forged.0.len() - 1;
    forged.0[last] ^= 1;
    assert_eq!(says(&mut lane, 1, 0, join, &Word::Join(id, proof, forged)), denied(Denial::BadRecord));
    assert_eq!(says(&mut lane, 1, 0, join, &Word::Join(id, proof, record(0, 1))), denied(Denial::BadRecord));
    let none = Some(TicketId([7; 16]));
    assert_eq!(says(&mut lane, 1, 0, join, &Word::Join(none, proof, record(1, 1))), denied(Denial::NoSuchInvite));
    assert_eq!(says(&mut lane, 1, 0, join, &Word::Join(id, Proof([0; 32]), record(1, 1))), denied(Denial::WrongProof));
    assert_eq!(says(&mut lane, 1, 0, join, &Word::Cancel), denied(Denial::BadRecord));
    assert!(vouched(&mut lane, 0).is_empty() && invites(&mut lane, 0)[0].used.is_none());
    assert!(matches!(says(&mut lane, 1, 0, join, &honest), Word::Welcome(_, true)));
    // Who goes on for ever is answered with nothing.
    assert!((0..20).any(|_| says(&mut lane, 3, 0, join, &honest) == denied(Denial::NotNow)));
}

#[test]
fn what_is_no_invite_is_told_before_anybody_is_called() {
    let mut lane = Lane::new(2);
    let made = invite(&mut lane, 0, true);
    let text = made.ticket.to_string();
    assert_eq!(join(&mut lane, 0, &text, true), Err(Refusal::OwnInvite));
    let refused = |reason| Err(Refusal::NotAnInvite(reason));
    assert_eq!(join(&mut lane, 1, "hello", true), refused(NotATicket::Scheme));
    let altered = text.replace(&text[40..44], if &text[40..44] == "aaaa" { "bbbb" } else { "aaaa" });
    assert_eq!(join(&mut lane, 1, &altered, true), refused(NotATicket::Damaged));
    assert_eq!(join(&mut lane, 1, &format!("meerkat:{}", "a".repeat(9_000)), true), refused(NotATicket::TooLong));
    lane.pass(1_000);
    let now = lane.at(1).now;
    lane.at(1).now.wall = now.wall.map(|wall| wall + 86_401);
    assert_eq!(join(&mut lane, 1, &text, true), Err(Refusal::InviteExpired));
    lane.at(1).now.wall = None;
    assert_eq!(join(&mut lane, 1, &text, true), Err(Refusal::ClockNotSet));
    assert!(lane.carried.is_empty());
    let wrong = Command::Invite { name: String::new(), vouches: true, lifetime_s: 299 };
    assert!(matches!(lane.at(0).ask(wrong), Some(Err(Refusal::Invalid(_)))));
}

#[test]
fn an_invite_ends_by_its_time_by_a_word_and_by_no_restart() {
    let mut lane = Lane::new(2);
    let [expired, revoked, kept] = [(); 3].map(|()| invite(&mut lane, 0, true));
    assert_eq!(lane.at(0).ask(Command::RevokeInvite(revoked.id)), Some(Ok(Reply::Saved)));
    assert_eq!(lane.at(0).ask(Command::RevokeInvite(revoked.id)), Some(Err(Refusal::NoSuchInvite)));
    let join = RequestKind::Join;
    assert_eq!(says(&mut lane, 1, 0, join, &join_word(&revoked, 1)), Word::Denied(Denial::NoSuchInvite));
    let again = lane.at(0).restarted();
    lane.worlds[0] = again;
    lane.at(0).input(meerkat_core::Input::Network(meerkat_protocols::mesh::Event::Listening { address: address(0) }));
    assert_eq!(invites(&mut lane, 0).len(), 2);
    assert!(invites(&mut lane, 0).iter().all(|invite| invite.code.is_none()), "the short code is gone");
    assert!(matches!(says(&mut lane, 1, 0, join, &join_word(&kept, 1)), Word::Welcome(_, true)));
    // The clock says so before the time is over by our own count.
    let wall = lane.at(0).now.wall;
    lane.at(0).now.wall = wall.map(|wall| wall + 86_401);
    assert_eq!(says(&mut lane, 1, 0, join, &join_word(&expired, 1)), Word::Denied(Denial::Expired));
    lane.at(0).pass(DAY_MS);
    assert_eq!((invites(&mut lane, 0).len(), lane.at(0).invites.len()), (0, 0));
    assert_eq!(says(&mut lane, 1, 0, join, &join_word(&expired, 1)), Word::Denied(Denial::NoSuchInvite));
}

#[test]
fn an_invite_made_without_a_clock_does_not_begin_anew_with_each_start() {
    let mut lane = Lane::new(2);
    let dated = invite(&mut lane, 0, false);
    let wall = lane.at(0).now.wall.take();
    let command = Command::Invite { name: "Anna".into(), vouches: false, lifetime_s: 300 };
    assert!(matches!(lane.at(0).ask(command), Some(Ok(Reply::Invited(_)))));
    assert_eq!((invites(&mut lane, 0).len(), lane.at(0).invites.len()), (2, 2));
    for wall in [None, wall] {
        lane.at(0).now.wall = wall;
        let again = lane.at(0).restarted();
        lane.worlds[0] = again;
        assert_eq!(invites(&mut lane, 0).iter().map(|i| i.id).collect::<Vec<_>>(), [dated.id]);
        assert_eq!(lane.at(0).invites.len(), 1, "on disk too");
    }
}

#[test]
fn each_open_invite_holds_a_vouch_back_and_twelve_is_all_there_are() {
    let mut lane = Lane::new(2);
    for n in 100..109 {
        assert!(lane.at(0).vouch(n).is_ok());
    }
    let made = [(); 3].map(|()| invite(&mut lane, 0, true));
    let left = |lane: &mut Lane| {
        let world = lane.at(0);
        world.engine.snapshot(world.now).vouches_left
    };
    assert_eq!(left(&mut lane), 0);
    assert_eq!(lane.at(0).vouch(110), Err(Refusal::VouchesHeldBack(3)));
    let command = |vouches| Command::Invite { name: String::new(), vouches, lifetime_s: 86_400 };
    assert_eq!(lane.at(0).ask(command(true)), Some(Err(Refusal::VouchesHeldBack(3))));
    assert!(matches!(lane.at(0).ask(command(false)), Some(Ok(Reply::Invited(_)))), "without a vouch there is room");
    // The vouch that was held back is its guest's.
    assert!(join(&mut lane, 1, &made[0].ticket.to_string(), false).is_ok());
    assert_eq!(vouched(&mut lane, 0).len(), 10);
    assert_eq!(lane.at(0).ask(Command::RevokeInvite(made[1].id)), Some(Ok(Reply::Saved)));
    assert!(lane.at(0).vouch(110).is_ok());
    for _ in 0..11 {
        let _ = lane.at(0).ask(command(false));
    }
    assert_eq!(lane.at(0).ask(command(false)), Some(Err(Refusal::TooManyInvites(12))));
}

#[test]
fn a_guest_is_turned_away_when_twelve_vouches_are_used_after_all() {
    let mut lane = Lane::new(2);
    let made = invite(&mut lane, 0, true);
    // Another node of the home, or a statement kept from before, has used the vouch that was held back.
    let statements: Vec<_> = (0..12).map(|n| vouch(0, TODAY - 1, n, 100 + u16::from(n))).collect();
    let world = lane.at(0);
    let restored = meerkat_core::Restored { invites: world.invites.values().cloned().collect(), ..Default::default() };
    let mut again = World::started(0, world.now.wall, restored, &statements);
    again.input(meerkat_core::Input::Network(meerkat_protocols::mesh::Event::Listening { address: address(0) }));
    lane.worlds[0] = again;
    assert!(join(&mut lane, 1, &made.ticket.to_string(), true).is_ok());
    assert_eq!(trouble(&mut lane, 1), JoinTrouble::NoVouchLeft);
    assert_eq!(invites(&mut lane, 0)[0].used, None, "it can be used once there is room");
    assert!(lane.at(0).ask(Command::Unvouch(home(100))).is_some_and(|r| r.is_ok()));
    assert!(join(&mut lane, 1, &made.ticket.to_string(), true).is_ok());
    assert_eq!(joined(&mut lane, 1).stage, JoinStage::Joined { theirs: true, ours: true });
}

#[test]
fn a_guest_is_told_when_the_vouches_of_the_day_are_made() {
    let mut lane = Lane::new(2);
    for n in 100..112 {
        assert!(lane.at(0).vouch(n).is_ok());
    }
    assert!(lane.at(0).ask(Command::Unvouch(home(100))).is_some_and(|r| r.is_ok()));
    let made = invite(&mut lane, 0, true);
    assert!(join(&mut lane, 1, &made.ticket.to_string(), true).is_ok());
    assert_eq!(trouble(&mut lane, 1), JoinTrouble::NoVouchToday);
    assert!(joined(&mut lane, 1).stage.words().contains("tomorrow"));
    assert_eq!(invites(&mut lane, 0)[0].used, None);
    lane.at(0).set_day(TODAY + 1);
    assert!(join(&mut lane, 1, &made.ticket.to_string(), true).is_ok());
    assert_eq!(joined(&mut lane, 1).stage, JoinStage::Joined { theirs: true, ours: true });
}

#[test]
fn who_cannot_be_reached_is_given_up_with_words_and_reached_later_with_the_same_invite() {
    let mut lane = Lane::new(2);
    let made = invite(&mut lane, 0, true);
    lane.reachable = false;
    assert!(join(&mut lane, 1, &made.ticket.to_string(), true).is_ok());
    assert_eq!(joined(&mut lane, 1).stage, JoinStage::Calling);
    assert_eq!(join(&mut lane, 1, &made.ticket.to_string(), true), Err(Refusal::Busy), "once is enough");
    lane.pass(91_000);
    assert_eq!(trouble(&mut lane, 1), JoinTrouble::NotReached);
    assert!(joined(&mut lane, 1).stage.words().contains("within 90 seconds"));
    lane.reachable = true;
    assert!(join(&mut lane, 1, &made.ticket.to_string(), true).is_ok());
    assert_eq!(joined(&mut lane, 1).stage, JoinStage::Joined { theirs: true, ours: true });
}

#[test]
fn a_guest_is_told_that_it_is_in_when_that_is_on_disk() {
    let mut lane = Lane::new(2);
    let made = invite(&mut lane, 0, true);
    lane.at(0).disk = Disk::Holds;
    assert!(join(&mut lane, 1, &made.ticket.to_string(), true).is_ok());
    assert_eq!(joined(&mut lane, 1).stage, JoinStage::Asking);
    lane.at(0).disk = Disk::Works;
    lane.at(0).commit();
    lane.run();
    assert_eq!(joined(&mut lane, 1).stage, JoinStage::Joined { theirs: true, ours: true });
}

#[test]
fn a_short_code_works_between_nodes_of_one_network() {
    let mut lane = Lane::new(3);
    let made = invite(&mut lane, 0, true);
    let (code, _) = made.code.expect("a code");
    lane.connect(2, 1, Found::Nearby);
    assert!(join(&mut lane, 1, &code.to_string().to_lowercase(), true).is_ok());
    assert_eq!(joined(&mut lane, 1).stage, JoinStage::Calling);
    lane.pass(5_000);
    // The inviting node appears.
    lane.connect(0, 1, Found::Nearby);
    let join = joined(&mut lane, 1);
    assert_eq!(join.stage, JoinStage::Joined { theirs: true, ours: true });
    let used = invites(&mut lane, 0).remove(0);
    assert_eq!((used.used, used.words, used.code), (Some(home(1)), join.words, None));
    // Nobody else learnt who they are: node 2 was asked by a proof it could not read.
    let to_2: Vec<_> = lane.carried.iter().filter(|(_, to, data)| *to == 2 && data[0] == 2).collect();
    assert!(to_2.iter().all(|(.., data)| data.len() < 40), "a knock is a hash");
}

#[test]
fn a_wrong_code_finds_nobody_and_five_burn_the_right_one() {
    let mut lane = Lane::new(2);
    let made = invite(&mut lane, 0, true);
    let (code, _) = made.code.expect("a code");
    lane.connect(1, 0, Found::Nearby);
    for n in 0..5u8 {
        assert!(invites(&mut lane, 0)[0].code.is_some(), "after {n}");
        let wrong = meerkat_protocols::shortcode::ShortCode::of(&[n; 32]);
        assert!(join(&mut lane, 1, &wrong.to_string(), true).is_ok());
        lane.pass(31_000);
        assert_eq!(trouble(&mut lane, 1), JoinTrouble::NobodyNearby);
    }
    assert_eq!(invites(&mut lane, 0)[0].code, None);
    assert!(join(&mut lane, 1, &code.to_string(), true).is_ok());
    lane.pass(31_000);
    assert_eq!(trouble(&mut lane, 1), JoinTrouble::NobodyNearby);
    // The ticket itself is not burnt by guesses at its code.
    assert!(join(&mut lane, 1, &made.ticket.to_string(), true).is_ok());
    assert_eq!(joined(&mut lane, 1).stage, JoinStage::Joined { theirs: true, ours: true });
}

#[test]
fn a_code_ends_after_ten_minutes_and_works_for_nobody_from_afar_or_in_anothers_name() {
    let mut lane = Lane::new(3);
    let made = invite(&mut lane, 0, true);
    let (code, _) = made.code.expect("a code");
    let knock = |from: u16| Word::Knock(code_proof(&code.key(), peer(from), peer(0), Side::Guest));
    let no = Word::Denied(Denial::NoSuchInvite);
    assert_eq!(says(&mut lane, 1, 0, RequestKind::Join, &knock(1)), no, "it is not connected from nearby");
    lane.connect(1, 0, Found::Nearby);
    lane.connect(2, 0, Found::Nearby);
    assert_eq!(says(&mut lane, 2, 0, RequestKind::Join, &knock(1)), no, "overheard");
    assert!(matches!(says(&mut lane, 1, 0, RequestKind::Join, &knock(1)), Word::Opened(..)));
    lane.pass(600_000);
    assert_eq!(says(&mut lane, 1, 0, RequestKind::Join, &knock(1)), no);
}

#[test]
fn a_join_by_code_without_a_knock_is_held_to_the_same_network_and_the_same_five_tries() {
    let mut lane = Lane::new(3);
    let made = invite(&mut lane, 0, true);
    let (code, _) = made.code.expect("a code");
    let by = |key: [u8; 32], n: u16| {
        let pair = Pair { guest: (peer(n), home(n)), host: (peer(0), home(0)) };
        Word::Join(None, pair.proof(&key, TicketId([0; 16])), record(n, n))
    };
    let (wrong, denied) = (Word::Denied(Denial::WrongProof), Word::Denied(Denial::NoSuchInvite));
    assert_eq!(says(&mut lane, 2, 0, RequestKind::Join, &by(code.key(), 2)), denied, "not connected from nearby");
    lane.connect(1, 0, Found::Nearby);
    for n in 0..5 {
        assert!(invites(&mut lane, 0)[0].code.is_some(), "after {n}");
        assert_eq!(says(&mut lane, 1, 0, RequestKind::Join, &by([n; 32], 1)), wrong);
    }
    assert_eq!(invites(&mut lane, 0)[0].code, None);
    assert_eq!(says(&mut lane, 1, 0, RequestKind::Join, &by(code.key(), 1)), denied);
    assert_eq!(vouched(&mut lane, 0), []);
}
