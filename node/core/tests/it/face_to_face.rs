//! Two nodes on one network meet by four words on both screens.

use meerkat_core::{Command, MeetingStage, Refusal, Reply};
use meerkat_protocols::{
    meeting::{Denial, Nonce, Word},
    mesh::{Found, RequestKind},
};

use crate::{
    lane::*,
    meeting::{invite, join_word, online, record, says, vouched},
    world::*,
};

fn meetings(lane: &mut Lane, n: u16) -> Option<(MeetingStage, Option<String>)> {
    let world = lane.at(n);
    let all = world.engine.snapshot(world.now).meetings;
    all.first().map(|m| (m.stage.clone(), m.words.map(|words| words.to_string())))
}

fn confirm(lane: &mut Lane, n: u16, other: u16, same: bool) -> Option<Result<Reply, Refusal>> {
    let command = Command::ConfirmMeeting { peer: peer(other), same, name: format!("Home {other}") };
    let answer = lane.at(n).ask(command);
    lane.run();
    answer
}

/// Homes 0 and 1 on one network, 0 having begun to meet 1.
fn comparing() -> Lane {
    let mut lane = Lane::new(3);
    lane.connect(0, 1, Found::Nearby);
    assert_eq!(lane.at(0).ask(Command::Meet(peer(1))), Some(Ok(Reply::Meeting(peer(1)))));
    lane.run();
    lane
}

#[test]
fn two_who_read_the_same_words_become_neighbours_when_both_have_said_so() {
    for (first, second) in [(0, 1), (1, 0)] {
        let mut lane = comparing();
        let (one, other) = (meetings(&mut lane, 0).expect("a meeting"), meetings(&mut lane, 1).expect("a meeting"));
        assert_eq!(one, other);
        assert!(one.0 == MeetingStage::Comparing && one.1.is_some_and(|words| words.split(' ').count() == 4));
        let before = lane.carried.len();
        assert!(confirm(&mut lane, first, second, true).is_some_and(|r| r.is_ok()));
        assert_eq!(meetings(&mut lane, first).map(|m| m.0), Some(MeetingStage::Waiting));
        assert_eq!(vouched(&mut lane, first), [], "the other has not confirmed");
        let name = genesis(second).home();
        let shown = |(_, to, data): &(u16, u16, Vec<u8>)| *to == first && data.windows(16).any(|w| w == name.0);
        assert!(!lane.carried[before..].iter().any(shown), "nor shown who it is");
        assert!(confirm(&mut lane, second, first, true).is_some_and(|r| r.is_ok()));
        for (n, other) in [(0, 1), (1, 0)] {
            assert_eq!(meetings(&mut lane, n).map(|m| m.0), Some(MeetingStage::Met));
            assert_eq!(vouched(&mut lane, n), [(format!("Home {other}"), home(other))]);
            assert_eq!(online(&mut lane, n), [home(other)]);
        }
    }
}

#[test]
fn words_that_differ_or_that_nobody_confirms_let_nobody_in() {
    let mut lane = comparing();
    assert!(confirm(&mut lane, 0, 1, true).is_some_and(|r| r.is_ok()));
    assert!(confirm(&mut lane, 1, 0, false).is_some_and(|r| r.is_ok()));
    for n in [0, 1] {
        assert!(matches!(meetings(&mut lane, n), Some((MeetingStage::Failed(_), None))));
        assert_eq!(vouched(&mut lane, n), []);
    }
    assert_eq!(confirm(&mut lane, 0, 1, true), Some(Err(Refusal::NoSuchMeeting)));
    let mut lane = comparing();
    lane.pass(301_000);
    assert!(matches!(meetings(&mut lane, 0), Some((MeetingStage::Failed(_), None))));
    lane.pass(301_000);
    assert_eq!(meetings(&mut lane, 0), None);
}

#[test]
fn both_may_begin_at_once_and_a_meeting_may_be_begun_again() {
    let mut lane = Lane::new(2);
    lane.connect(0, 1, Found::Nearby);
    assert!(lane.at(0).ask(Command::Meet(peer(1))).is_some_and(|r| r.is_ok()));
    assert!(lane.at(1).ask(Command::Meet(peer(0))).is_some_and(|r| r.is_ok()));
    lane.run();
    let (one, other) = (meetings(&mut lane, 0).expect("a meeting"), meetings(&mut lane, 1).expect("a meeting"));
    assert_eq!(one, other);
    assert_eq!(one.0, MeetingStage::Comparing);
    assert!(confirm(&mut lane, 0, 1, false).is_some_and(|r| r.is_ok()));
    assert!(lane.at(1).ask(Command::Meet(peer(0))).is_some_and(|r| r.is_ok()));
    lane.run();
    let again = meetings(&mut lane, 0).expect("a meeting");
    assert_eq!(Some(&again), meetings(&mut lane, 1).as_ref());
    assert_ne!(again, one, "with words of its own");
}

#[test]
fn who_is_not_nearby_and_who_does_not_stand_by_its_word_is_not_met() {
    let mut lane = comparing();
    assert_eq!(lane.at(0).ask(Command::Meet(peer(2))), Some(Err(Refusal::NotNearby)));
    let meet = RequestKind::Meet;
    let begin = Word::Begin(Nonce([1; 16]).commitment(peer(2), peer(0)));
    assert_eq!(says(&mut lane, 2, 0, meet, &begin), Word::Denied(Denial::NotNow), "not connected from nearby");
    lane.connect(2, 0, Found::Nearby);
    assert!(matches!(says(&mut lane, 2, 0, meet, &begin), Word::Drawn(_)));
    // It has seen our number and would rather have had another one.
    assert_eq!(says(&mut lane, 2, 0, meet, &Word::Reveal(Nonce([2; 16]))), Word::Denied(Denial::WrongProof));
    assert_eq!(says(&mut lane, 2, 0, meet, &Word::Confirm(record(2, 2))), Word::Denied(Denial::NotNow));
    // Nor does a confirmation in another's name count.
    assert_eq!(says(&mut lane, 1, 0, meet, &Word::Confirm(record(2, 2))), Word::Denied(Denial::BadRecord));
    assert!((0..20).any(|_| says(&mut lane, 2, 0, meet, &Word::Here(1)) == Word::Denied(Denial::NotNow)));
    assert_eq!(vouched(&mut lane, 0), []);
}

#[test]
fn who_withholds_its_number_to_draw_another_of_ours_is_refused_and_seen() {
    let mut lane = Lane::new(2);
    lane.connect(1, 0, Found::Nearby);
    let meet = RequestKind::Meet;
    let nonce = Nonce([1; 16]);
    let begin = Word::Begin(nonce.commitment(peer(1), peer(0)));
    let denied = Word::Denied(Denial::NotNow);
    for again in [&begin, &Word::Cancel, &Word::Reveal(Nonce([2; 16]))] {
        assert!(matches!(says(&mut lane, 1, 0, meet, &begin), Word::Drawn(_)), "an honest peer tries again later");
        says(&mut lane, 1, 0, meet, again);
        assert_eq!(says(&mut lane, 1, 0, meet, &begin), denied);
        assert!(matches!(meetings(&mut lane, 0), Some((MeetingStage::Failed(_), None))));
        assert_eq!(says(&mut lane, 1, 0, meet, &Word::Reveal(nonce)), denied);
        lane.pass(59_000);
        assert_eq!(says(&mut lane, 1, 0, meet, &begin), denied);
        assert!(matches!(meetings(&mut lane, 0), Some((MeetingStage::Failed(_), None))));
        lane.pass(1_000);
    }
    // The person here need not wait.
    assert!(matches!(says(&mut lane, 1, 0, meet, &begin), Word::Drawn(_)));
    says(&mut lane, 1, 0, meet, &Word::Cancel);
    assert!(lane.at(0).ask(Command::Meet(peer(1))).is_some_and(|r| r.is_ok()));
    lane.run();
    assert_eq!(meetings(&mut lane, 0).map(|m| m.0), Some(MeetingStage::Comparing));
}

#[test]
fn a_meeting_takes_no_vouch_that_is_held_back_for_an_invite() {
    let almost_full = || {
        let mut lane = comparing();
        for n in 100..111 {
            assert!(lane.at(0).vouch(n).is_ok());
        }
        lane
    };
    // Made while the words are read: the person is told, and may take the invite back.
    let mut lane = almost_full();
    let made = invite(&mut lane, 0, true);
    assert_eq!(confirm(&mut lane, 0, 1, true), Some(Err(Refusal::VouchesHeldBack(1))));
    assert_eq!(meetings(&mut lane, 0).map(|m| m.0), Some(MeetingStage::Comparing));
    assert_eq!(lane.at(0).ask(Command::RevokeInvite(made.id)), Some(Ok(Reply::Saved)));
    assert!(confirm(&mut lane, 0, 1, true).is_some_and(|r| r.is_ok()));
    // Made while the other is waited for: the invite was promised a vouch, the meeting was not.
    let kept = invite(&mut lane, 0, true);
    assert!(confirm(&mut lane, 1, 0, true).is_some_and(|r| r.is_ok()));
    assert!(matches!(meetings(&mut lane, 0), Some((MeetingStage::Failed(_), None))));
    assert_eq!(vouched(&mut lane, 0).len(), 11);
    assert!(matches!(says(&mut lane, 2, 0, RequestKind::Join, &join_word(&kept, 2)), Word::Welcome(_, true)));
    // Who is answered for already needs no vouch more.
    let mut lane = almost_full();
    assert!(lane.at(0).vouch(1).is_ok());
    assert!(confirm(&mut lane, 1, 0, true).is_some_and(|r| r.is_ok()));
    assert!(confirm(&mut lane, 0, 1, true).is_some_and(|r| r.is_ok()));
    assert_eq!(meetings(&mut lane, 0).map(|m| m.0), Some(MeetingStage::Met));
}
