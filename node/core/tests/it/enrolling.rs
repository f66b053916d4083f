//! How a node becomes a member of a household; and who does not.

use meerkat_core::{
    Becoming, Command, EnrolCommand, EnrolRefusal, EnrolStage, EnrolTrouble, Enrolment, GuestStage, Refusal, Reply,
    Whose,
};
use meerkat_protocols::{
    contact::SealKey,
    enrolment::{Digits, Drawn, Ends, HouseholdTicket, No, Offer, Own, Session, Way, Welcome, Word},
    home::NodeNumber,
    mesh::{Found, RequestKind},
    roster::{Change, Role, Roster},
};

use crate::{household, lane::*, world::*};

const MINUTE_MS: u64 = 60_000;

fn ask(lane: &mut Lane, n: u16, command: EnrolCommand) -> Result<Reply, Refusal> {
    let answer = lane.at(n).ask(Command::Enrol(command));
    lane.run();
    answer
        .unwrap_or_else(|| lane.at(n).replies.values().last().and_then(|told| told.first().cloned()).expect("answered"))
}

fn enrolment(lane: &mut Lane, n: u16) -> Enrolment {
    let world = lane.at(n);
    world.engine.snapshot(world.now).enrolment
}

/// Home 0 makes an invite.
fn invite(lane: &mut Lane) -> HouseholdTicket {
    assert_eq!(ask(lane, 0, EnrolCommand::Invite), Ok(Reply::Saved));
    enrolment(lane, 0).invite.expect("open").ticket
}

fn code(lane: &mut Lane) -> Option<String> {
    enrolment(lane, 0).invite.and_then(|invite| invite.code).map(|code| code.to_string())
}

fn join(lane: &mut Lane, n: u16, text: &str) -> Result<Reply, Refusal> {
    ask(lane, n, EnrolCommand::Join { text: text.into(), name: format!("node {n}") })
}

fn stage(lane: &mut Lane, n: u16) -> EnrolStage {
    enrolment(lane, n).joining.expect("begun").stage
}

fn digits(lane: &mut Lane, n: u16) -> Digits {
    enrolment(lane, n).joining.and_then(|joining| joining.digits).expect("shown")
}

fn guests(lane: &mut Lane) -> Vec<(Digits, GuestStage)> {
    enrolment(lane, 0).guests.into_iter().map(|guest| (guest.digits, guest.stage)).collect()
}

fn confirm(lane: &mut Lane, n: u16, digits: Digits) -> Result<Reply, Refusal> {
    ask(lane, n, EnrolCommand::Confirm { digits, name: String::new(), role: Role::Member })
}

fn refusal(why: EnrolRefusal) -> Result<Reply, Refusal> {
    Err(Refusal::Enrolment(why))
}

fn failed(why: EnrolTrouble) -> EnrolStage {
    EnrolStage::Failed(why)
}

fn members(lane: &mut Lane) -> Vec<(u8, String)> {
    let world = lane.at(0);
    let members = world.engine.snapshot(world.now).household.members;
    members.into_iter().map(|member| (member.number.0, member.name)).collect()
}

/// What a node was to become, if it holds and names the node.
fn joined(lane: &mut Lane, n: u16) -> NodeNumber {
    let [Becoming { whose: Whose::Joined { genesis: of, number, entries }, met }] = &lane.at(n).became[..] else {
        panic!("{:?}", lane.at(n).became)
    };
    assert_eq!((*of, met.as_ref().map(|(peer, _)| *peer)), (genesis(0), Some(peer(0))));
    let mut roster = Roster::of(*of);
    entries.iter().for_each(|entry| assert_eq!(roster.insert(entry.clone()), Ok(true)));
    let own = roster.member(*number).expect("a member");
    assert_eq!((own.peer, own.statement, own.seal), (peer(n), next_key(n), seal_secret(n).key()));
    *number
}

/// A word by hand, and its answer.
fn says(lane: &mut Lane, from: u16, word: &Word) -> Word {
    let data = [vec![RequestKind::Enrol.byte()], word.encode()].concat();
    Word::decode(&lane.says(from, 0, &data).expect("answered")).expect("a word")
}

/// A node that says by hand what an honest one says, or not.
struct ByHand {
    n: u16,
    ends: Ends,
    own: Own,
}

impl ByHand {
    fn with(n: u16, ticket: &HouseholdTicket) -> Self {
        let ends = Ends { guest: peer(n), host: peer(0), way: Way::Text, key: ticket.key() };
        Self { n, ends, own: Own::of([u8::try_from(n % 250).expect("a byte"); 32], [3; 16]) }
    }

    fn begin(&self) -> Word {
        let commitment = self.ends.commitment(&self.own.drawn());
        Word::Begin(self.ends.way, commitment, self.ends.begin(&commitment))
    }

    fn begins(&self, lane: &mut Lane) -> Result<Drawn, No> {
        match says(lane, self.n, &self.begin()) {
            Word::Drawn(drawn, proof) => {
                assert_eq!(proof, self.ends.answer(&self.ends.commitment(&self.own.drawn()), &drawn));
                Ok(drawn)
            }
            Word::Denied(no) => Err(no),
            other => panic!("{other:?}"),
        }
    }

    fn session(&self, host: &Drawn) -> Session {
        self.ends.session(&self.own, &self.own.drawn(), host).expect("honest keys")
    }

    fn reveal(&self, host: &Drawn) -> Word {
        let offer = Offer { name: String::new(), statement: next_key(self.n), seal: seal_secret(self.n).key() };
        Word::Reveal(self.own.drawn(), self.ends.reveal(&self.own.drawn(), host), offer.seal(&self.session(host)))
    }
}

#[test]
fn a_node_becomes_a_member_when_both_people_have_read_the_same_digits() {
    let mut lane = Lane::new(2);
    let ticket = invite(&mut lane);
    assert_eq!(join(&mut lane, 1, &ticket.to_string()), Ok(Reply::Saved));
    assert_eq!(stage(&mut lane, 1), EnrolStage::Comparing);
    let shown = digits(&mut lane, 1);
    assert_eq!(guests(&mut lane), [(shown, GuestStage::Comparing)]);
    lane.pass(MINUTE_MS);
    assert_eq!((members(&mut lane), lane.at(1).became.len()), (vec![], 0), "nothing happens by itself");
    assert_eq!(confirm(&mut lane, 0, shown), Ok(Reply::Saved));
    let number = u8::try_from(members(&mut lane).len()).expect("few");
    assert_eq!(number, 2, "the first node and the new one");
    lane.pass(2_000);
    assert_eq!(guests(&mut lane), [(shown, GuestStage::In)]);
    assert_eq!((stage(&mut lane, 1), lane.at(1).became.len()), (EnrolStage::Fetching, 0), "its own person has yet to");
    assert_eq!(confirm(&mut lane, 1, shown), Ok(Reply::Saved));
    assert_eq!(stage(&mut lane, 1), EnrolStage::Moving);
    let number = joined(&mut lane, 1);
    assert!(members(&mut lane).contains(&(number.0, "node 1".into())));
    assert_eq!(lane.at(0).roster.len(), 2, "both entries are on disk");
    // The secret was proven and not sent; the invite is used up.
    let secret = ticket.secret.0;
    assert!(lane.carried.iter().all(|(.., data)| !data.windows(16).any(|w| w == secret)));
    assert_eq!(enrolment(&mut lane, 0).invite, None);
}

#[test]
fn the_people_may_confirm_in_either_order_and_name_the_node() {
    let mut lane = Lane::new(2);
    let ticket = invite(&mut lane);
    assert_eq!(join(&mut lane, 1, &ticket.to_string()), Ok(Reply::Saved));
    let shown = digits(&mut lane, 1);
    assert_eq!(confirm(&mut lane, 1, shown), Ok(Reply::Saved));
    assert!(lane.at(1).became.is_empty());
    let named = EnrolCommand::Confirm { digits: shown, name: " garage\u{7} ".into(), role: Role::Admin };
    assert_eq!(ask(&mut lane, 0, named), Ok(Reply::Saved));
    lane.pass(2_000);
    let number = joined(&mut lane, 1);
    assert!(members(&mut lane).contains(&(number.0, "garage".into())));
}

#[test]
fn a_short_code_does_for_nodes_of_one_network_and_five_wrong_ones_end_it() {
    let mut lane = Lane::new(3);
    invite(&mut lane);
    let short = code(&mut lane).expect("works");
    // From elsewhere nobody is listened to.
    lane.connect(2, 0, Found::CalledUs);
    lane.connect(1, 0, Found::Nearby);
    assert_eq!(join(&mut lane, 1, &short.to_lowercase()), Ok(Reply::Saved));
    assert_eq!(stage(&mut lane, 1), EnrolStage::Comparing);
    let shown = digits(&mut lane, 1);
    assert_eq!(guests(&mut lane), [(shown, GuestStage::Comparing)]);
    assert_eq!(confirm(&mut lane, 0, shown), Ok(Reply::Saved));
    assert_eq!(confirm(&mut lane, 1, shown), Ok(Reply::Saved));
    lane.pass(2_000);
    joined(&mut lane, 1);

    let mut lane = Lane::new(2);
    let ticket = invite(&mut lane);
    lane.connect(1, 0, Found::Nearby);
    let guess = ByHand {
        ends: Ends { way: Way::Code, key: [1; 32], ..ByHand::with(1, &ticket).ends },
        ..ByHand::with(1, &ticket)
    };
    for left in (0..5).rev() {
        assert_eq!(guess.begins(&mut lane), Err(No::NoSuchInvite));
        assert_eq!(code(&mut lane).is_some(), left > 0);
    }
    assert!(ByHand::with(1, &ticket).begins(&mut lane).is_ok(), "the text has 128 bits and works on");
}

#[test]
fn an_invite_ends_after_ten_minutes_by_a_restart_and_by_the_next() {
    let mut lane = Lane::new(2);
    let ticket = invite(&mut lane);
    assert_eq!(join(&mut lane, 1, &ticket.to_string()), Ok(Reply::Saved));
    lane.pass(9 * MINUTE_MS);
    assert_eq!((stage(&mut lane, 1), enrolment(&mut lane, 0).invite.is_some()), (EnrolStage::Comparing, true));
    let shown = digits(&mut lane, 1);
    lane.pass(MINUTE_MS + 3_000);
    assert!(enrolment(&mut lane, 0).invite.is_none());
    assert_eq!(confirm(&mut lane, 0, shown), refusal(EnrolRefusal::NoSuchDigits));
    assert!(matches!(stage(&mut lane, 1), EnrolStage::Failed(_)));
    assert_eq!(ByHand::with(1, &ticket).begins(&mut lane), Err(No::NoSuchInvite));

    let first = invite(&mut lane);
    let second = invite(&mut lane);
    assert_eq!(ByHand::with(1, &first).begins(&mut lane), Err(No::NoSuchInvite));
    assert!(ByHand::with(1, &second).begins(&mut lane).is_ok());
    let again = lane.at(0).restarted();
    *lane.at(0) = again;
    assert_eq!(ByHand::with(1, &second).begins(&mut lane), Err(No::NoSuchInvite));
    // And by a person.
    let third = {
        lane.at(0).input(meerkat_core::Input::Network(meerkat_protocols::mesh::Event::Listening {
            address: format!("{}/p2p/12D3own", address(0)),
        }));
        invite(&mut lane)
    };
    assert_eq!(ask(&mut lane, 0, EnrolCommand::EndInvite), Ok(Reply::Saved));
    assert_eq!(ByHand::with(1, &third).begins(&mut lane), Err(No::NoSuchInvite));
    assert_eq!(ask(&mut lane, 0, EnrolCommand::EndInvite), Err(Refusal::NoSuchInvite));
}

#[test]
fn an_invite_counts_once() {
    let mut lane = Lane::new(3);
    let ticket = invite(&mut lane);
    assert_eq!(join(&mut lane, 1, &ticket.to_string()), Ok(Reply::Saved));
    let shown = digits(&mut lane, 1);
    assert_eq!(confirm(&mut lane, 0, shown), Ok(Reply::Saved));
    assert_eq!(join(&mut lane, 2, &ticket.to_string()), Ok(Reply::Saved));
    assert_eq!(stage(&mut lane, 2), failed(EnrolTrouble::NoSuchInvite));
    assert_eq!(members(&mut lane).len(), 2);
}

#[test]
fn of_two_that_hold_a_photographed_invite_both_are_shown_and_the_digits_decide() {
    let mut lane = Lane::new(3);
    let ticket = invite(&mut lane);
    for n in [2, 1] {
        assert_eq!(join(&mut lane, n, &ticket.to_string()), Ok(Reply::Saved));
    }
    let (ours, thiefs) = (digits(&mut lane, 1), digits(&mut lane, 2));
    assert_ne!(ours, thiefs);
    assert_eq!(guests(&mut lane), [(ours, GuestStage::Comparing), (thiefs, GuestStage::Comparing)]);
    let neither: Digits = ["000 001", "000 002", "000 003"]
        .iter()
        .map(|text| text.parse().expect("digits"))
        .find(|digits| ![ours, thiefs].contains(digits))
        .expect("one of three");
    assert_eq!(confirm(&mut lane, 0, neither), refusal(EnrolRefusal::NoSuchDigits));
    assert!(members(&mut lane).is_empty(), "nothing happens without the digits");
    assert_eq!(confirm(&mut lane, 0, ours), Ok(Reply::Saved));
    lane.pass(2_000);
    assert_eq!((members(&mut lane).len(), stage(&mut lane, 2)), (2, failed(EnrolTrouble::Refused)));
    assert_eq!(confirm(&mut lane, 0, thiefs), refusal(EnrolRefusal::NoSuchDigits));
}

#[test]
fn who_was_refused_has_no_second_try_and_others_have() {
    let mut lane = Lane::new(3);
    let ticket = invite(&mut lane);
    assert_eq!(join(&mut lane, 2, &ticket.to_string()), Ok(Reply::Saved));
    let thiefs = digits(&mut lane, 2);
    assert_eq!(ask(&mut lane, 0, EnrolCommand::Refuse(thiefs)), Ok(Reply::Saved));
    lane.pass(2_000);
    assert_eq!(stage(&mut lane, 2), failed(EnrolTrouble::Refused));
    assert_eq!(join(&mut lane, 2, &ticket.to_string()), Ok(Reply::Saved));
    assert_eq!(stage(&mut lane, 2), failed(EnrolTrouble::Refused));
    assert_eq!(join(&mut lane, 1, &ticket.to_string()), Ok(Reply::Saved));
    assert_eq!(stage(&mut lane, 1), EnrolStage::Comparing);
    // The person at the new node may say no as well.
    let shown = digits(&mut lane, 1);
    assert_eq!(ask(&mut lane, 1, EnrolCommand::Refuse(shown)), Ok(Reply::Saved));
    assert_eq!(stage(&mut lane, 1), failed(EnrolTrouble::GivenUp));
    assert_eq!(confirm(&mut lane, 0, shown), refusal(EnrolRefusal::NoSuchDigits));
}

#[test]
fn an_invite_that_somebody_uses_over_and_over_is_void() {
    let mut lane = Lane::new(2);
    let ticket = invite(&mut lane);
    let guest = ByHand::with(1, &ticket);
    let begun = (0..10).filter(|_| guest.begins(&mut lane).is_ok()).count();
    assert_eq!(begun, 8, "eight tries at one in a million");
    assert_eq!(enrolment(&mut lane, 0).invite, None);
}

#[test]
fn words_of_another_or_of_another_time_are_worth_nothing() {
    let mut lane = Lane::new(3);
    let ticket = invite(&mut lane);
    let guest = ByHand::with(1, &ticket);
    let first = guest.begins(&mut lane).expect("invited");
    let reveal = guest.reveal(&first);
    assert_eq!(says(&mut lane, 2, &guest.begin()), Word::Denied(No::NoSuchInvite), "bound to its peer");
    assert_eq!(says(&mut lane, 2, &reveal), Word::Denied(No::NoSuchInvite));
    let second = guest.begins(&mut lane).expect("again");
    assert_ne!(first, second);
    assert_eq!(says(&mut lane, 1, &reveal), Word::Denied(No::NotUnderstood), "of the time before");
    assert!(guests(&mut lane).is_empty());
    // Another nonce than it stood by: nobody tries until the digits fit.
    let third = guest.begins(&mut lane).expect("again");
    let other = ByHand { own: Own::of([9; 32], [9; 16]), ..ByHand::with(1, &ticket) };
    assert_eq!(says(&mut lane, 1, &other.reveal(&third)), Word::Denied(No::NotUnderstood));
    assert!(guests(&mut lane).is_empty());
    assert_eq!(says(&mut lane, 1, &Word::Ask(0)), Word::Denied(No::NoSuchInvite));
}

#[test]
fn who_is_not_in_fetches_nothing_and_who_is_in_fetches_again() {
    let mut lane = Lane::new(2);
    let ticket = invite(&mut lane);
    let guest = ByHand::with(1, &ticket);
    let host = guest.begins(&mut lane).expect("invited");
    assert_eq!(says(&mut lane, 1, &Word::Ask(0)), Word::Denied(No::NotUnderstood));
    assert_eq!(says(&mut lane, 1, &guest.reveal(&host)), Word::Pending);
    assert_eq!(says(&mut lane, 1, &guest.reveal(&host)), Word::Pending, "the answer was lost");
    assert_eq!(says(&mut lane, 1, &Word::Ask(0)), Word::Pending);
    let session = guest.session(&host);
    assert_eq!(confirm(&mut lane, 0, session.digits()), Ok(Reply::Saved));
    for _ in 0..2 {
        let Word::Part(0, 1, sealed) = says(&mut lane, 1, &Word::Ask(0)) else { panic!("no part") };
        let welcome = Welcome::read(&session.open_part(0, &sealed).expect("ours")).expect("a welcome");
        assert_eq!((welcome.genesis, welcome.entries.len()), (genesis(0), 2));
    }
    assert_eq!(says(&mut lane, 1, &Word::Ask(1)), Word::Denied(No::NotUnderstood));
}

#[test]
fn ten_thousand_joins_a_minute_change_nothing_for_the_one_that_is_meant() {
    let mut lane = Lane::new(2);
    let ticket = invite(&mut lane);
    let wrong = HouseholdTicket { secret: meerkat_protocols::ticket::Secret([0; 16]), ..ticket.clone() };
    let mut denied = 0;
    for n in 0..10_000_u16 {
        let stranger = ByHand::with(2 + n % 5_000, &wrong);
        denied += usize::from(matches!(says(&mut lane, stranger.n, &stranger.begin()), Word::Denied(_)));
    }
    assert_eq!((denied, guests(&mut lane).len()), (10_000, 0));
    lane.pass(MINUTE_MS);
    assert_eq!(join(&mut lane, 1, &ticket.to_string()), Ok(Reply::Saved));
    let shown = digits(&mut lane, 1);
    assert_eq!(confirm(&mut lane, 0, shown), Ok(Reply::Saved));
    // Those that know the secret are four at once.
    let ticket = invite(&mut lane);
    let begun = (10..20).filter(|n| ByHand::with(*n, &ticket).begins(&mut lane).is_ok()).count();
    assert_eq!(begun, 3, "beside the one that is on its way in");
}

#[test]
fn a_lost_connection_is_taken_up_again() {
    let mut lane = Lane::new(2);
    let ticket = invite(&mut lane);
    assert_eq!(join(&mut lane, 1, &ticket.to_string()), Ok(Reply::Saved));
    let shown = digits(&mut lane, 1);
    lane.part(1, 0);
    lane.pass(5_000);
    assert_eq!(stage(&mut lane, 1), EnrolStage::Comparing);
    assert_eq!(confirm(&mut lane, 0, shown), Ok(Reply::Saved));
    assert_eq!(confirm(&mut lane, 1, shown), Ok(Reply::Saved));
    lane.connect(1, 0, Found::Configured);
    lane.pass(5_000);
    joined(&mut lane, 1);
}

#[test]
fn a_node_that_was_added_and_lost_its_power_comes_in_by_a_new_invite_without_a_second_place() {
    let mut lane = Lane::new(2);
    let ticket = invite(&mut lane);
    assert_eq!(join(&mut lane, 1, &ticket.to_string()), Ok(Reply::Saved));
    let shown = digits(&mut lane, 1);
    lane.part(1, 0);
    assert_eq!(confirm(&mut lane, 0, shown), Ok(Reply::Saved));
    *lane.at(1) = lane.at(1).restarted();
    assert_eq!(members(&mut lane).len(), 2);
    let ticket = invite(&mut lane);
    lane.connect(1, 0, Found::Configured);
    assert_eq!(join(&mut lane, 1, &ticket.to_string()), Ok(Reply::Saved));
    let shown = digits(&mut lane, 1);
    assert_eq!(confirm(&mut lane, 0, shown), Ok(Reply::Saved));
    assert_eq!(confirm(&mut lane, 1, shown), Ok(Reply::Saved));
    lane.pass(2_000);
    joined(&mut lane, 1);
    assert_eq!((members(&mut lane).len(), lane.at(0).roster.len()), (2, 2));
    // By another key it is somebody else.
    let ticket = invite(&mut lane);
    let other = ByHand::with(1, &ticket);
    let host = other.begins(&mut lane).expect("invited");
    let offer = Offer { name: String::new(), statement: next_key(1), seal: SealKey([4; 32]) };
    let session = other.session(&host);
    let proof = other.ends.reveal(&other.own.drawn(), &host);
    let word = Word::Reveal(other.own.drawn(), proof, offer.seal(&session));
    assert_eq!(says(&mut lane, 1, &word), Word::Pending);
    assert_eq!(confirm(&mut lane, 0, session.digits()), refusal(EnrolRefusal::Known));
}

#[test]
fn only_an_admin_invites_and_a_member_of_one_household_joins_no_other() {
    let mut house = household::House::of(&[(5, Role::Member), (6, Role::Admin), (7, Role::Member)]);
    let told = |house: &mut household::House, n: u16, command: EnrolCommand| {
        house.world(n).ask(Command::Enrol(command)).expect("answered at once")
    };
    assert_eq!(told(&mut house, 5, EnrolCommand::Invite), refusal(EnrolRefusal::NotAdmin));
    let text = Lane::new(1);
    let join = EnrolCommand::Join { text: invite(&mut { text }).to_string(), name: String::new() };
    assert_eq!(told(&mut house, 5, join), refusal(EnrolRefusal::InHousehold(4)));
    // A member leaves; the last admin does not, and who is alone has nothing to leave.
    assert_eq!(house.world(5).ask(Command::Enrol(EnrolCommand::Leave)), None, "not before the others have it");
    house.settle();
    assert!(matches!(house.world(5).became[..], [Becoming { whose: Whose::Own, .. }]));
    house.world(0).ask(Command::ChangeHousehold(Change::Remove(NodeNumber(6))));
    assert_eq!(told(&mut house, 0, EnrolCommand::Leave), refusal(EnrolRefusal::LastAdmin));
    let mut alone = Lane::new(1);
    assert_eq!(ask(&mut alone, 0, EnrolCommand::Leave), refusal(EnrolRefusal::Alone));
    assert_eq!(ask(&mut alone, 0, EnrolCommand::GiveUp), refusal(EnrolRefusal::NoSuchDigits));
}

#[test]
fn what_is_no_invite_of_another_node_is_refused_at_once() {
    let mut lane = Lane::new(2);
    let ticket = invite(&mut lane);
    let own = ticket.to_string();
    assert_eq!(join(&mut lane, 0, &own), refusal(EnrolRefusal::OwnInvite));
    assert!(matches!(join(&mut lane, 1, "hello"), Err(Refusal::Enrolment(EnrolRefusal::NotAnInvite(_)))));
    assert!(matches!(join(&mut lane, 1, &own[..60]), Err(Refusal::Enrolment(EnrolRefusal::NotAnInvite(_)))));
    // It leads to a node that did not make it.
    let elsewhere = HouseholdTicket { peer: peer(9), ..ticket.clone() };
    assert_eq!(join(&mut lane, 1, &elsewhere.to_string()), Ok(Reply::Saved));
    assert_eq!(join(&mut lane, 1, &own), refusal(EnrolRefusal::Joining));
    lane.pass(100_000);
    assert_eq!(stage(&mut lane, 1), failed(EnrolTrouble::NotReached));
    let altered = HouseholdTicket { secret: meerkat_protocols::ticket::Secret([0; 16]), ..ticket };
    assert_eq!(join(&mut lane, 1, &altered.to_string()), Ok(Reply::Saved));
    assert_eq!(stage(&mut lane, 1), failed(EnrolTrouble::NoSuchInvite));
}

#[test]
fn whatever_bytes_come_are_answered_and_change_nothing() {
    let mut lane = Lane::new(2);
    invite(&mut lane);
    let mut seed = 1_u64;
    for n in 0..2_000_u16 {
        let length = usize::from(n % 300);
        let bytes: Vec<u8> = (0..length)
            .map(|_| {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (seed >> 33) as u8
            })
            .collect();
        let data = [vec![RequestKind::Enrol.byte()], bytes].concat();
        assert!(lane.says(2 + n % 500, 0, &data).is_some());
    }
    assert!(guests(&mut lane).is_empty() && enrolment(&mut lane, 0).invite.is_some());
}
