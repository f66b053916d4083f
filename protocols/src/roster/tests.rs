use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;
use crate::letter::SealSecret;

fn key(n: u8) -> SigningKey {
    SigningKey::from_bytes(&[n + 1; 32])
}

fn secret(n: u8) -> SealSecret {
    SealSecret::from_bytes([n + 101; 32])
}

fn genesis() -> Genesis {
    Genesis::new(&key(0).verifying_key())
}

fn member(n: u8, role: Role) -> Member {
    Member {
        number: NodeNumber(n),
        name: format!("node {n}"),
        role,
        statement: key(n).verifying_key().to_bytes(),
        peer: Peer([n; 32]),
        seal: secret(n).key(),
        share: Share::WHOLE,
        since: None,
    }
}

fn make(roster: &Roster, author: u8, change: Change) -> Result<SignedEntry, Refused> {
    let chance = [author.wrapping_add(u8::try_from(roster.log.len()).unwrap_or(0)); 32];
    let (entry, _) = roster.compose(NodeNumber(author), Some(1), change, chance)?;
    Ok(entry.sign(&key(author)))
}

fn apply(roster: &mut Roster, author: u8, change: Change) {
    let entry = make(roster, author, change).expect("allowed");
    assert_eq!(roster.insert(entry), Ok(true));
}

fn add(n: u8, role: Role) -> Change {
    Change::Add(member(n, role))
}

/// A home of the first node and these.
fn household(others: &[(u8, Role)]) -> Roster {
    let mut roster = Roster::of(genesis());
    apply(&mut roster, 0, add(0, Role::Admin));
    others.iter().for_each(|(n, role)| apply(&mut roster, 0, add(*n, *role)));
    roster
}

fn numbers(roster: &Roster) -> Vec<u8> {
    roster.members().map(|member| member.number.0).collect()
}

fn merge(one: &mut Roster, other: &Roster) {
    let all: Vec<SignedEntry> = other.missing(&one.heads()).into_iter().cloned().collect();
    for entry in all {
        one.insert(entry).expect("what one took in the other takes in");
    }
}

/// The frame key as a member has it, if the latest epochs are all sealed to it.
fn frame_key(roster: &Roster, n: u8) -> Option<FrameKey> {
    let open = |id: &EntryId| {
        let (author, sealed) = roster.epoch_box(*id, NodeNumber(n))?;
        Some((*id, sealed.open(&secret(n), roster.home(), author, NodeNumber(n)).expect("sealed to it")))
    };
    FrameKey::of(roster.home(), &roster.state().epochs.keys().map(open).collect::<Option<Vec<_>>>()?)
}

fn can_talk(roster: &Roster, a: u8, b: u8) -> bool {
    let (Some(to), Some(from)) = (frame_key(roster, a), frame_key(roster, b)) else { return false };
    let sealed = to.seal(NodeNumber(a), NodeNumber(b), b"hello", [7; 32]);
    from.open(NodeNumber(a), NodeNumber(b), &sealed).as_deref() == Some(b"hello")
}

#[test]
fn a_household_grows_and_each_member_has_slots_of_its_own() {
    let roster = household(&[(5, Role::Member), (9, Role::Admin)]);
    assert_eq!(numbers(&roster), [0, 5, 9]);
    for kind in Kind::ALL {
        let mut slots: Vec<u8> = roster.members().flat_map(|member| member.share.slots(kind)).collect();
        let shares: Vec<_> = roster.members().map(|member| member.share.slots(kind)).collect();
        slots.sort_unstable();
        assert_eq!(slots, (0..kind.slots_per_day()).collect::<Vec<_>>(), "{kind:?}: {shares:?}");
        assert!(shares.iter().all(|share| !share.is_empty()));
    }
    assert!([(0, 5), (5, 9), (9, 0)].iter().all(|(a, b)| can_talk(&roster, *a, *b)));
}

#[test]
fn who_is_removed_is_out_for_ever_and_cannot_read_what_is_said_then() {
    let mut roster = household(&[(5, Role::Admin), (9, Role::Member)]);
    let before = roster.clone();
    apply(&mut roster, 0, Change::Remove(NodeNumber(5)));
    assert_eq!((numbers(&roster), roster.is_removed(NodeNumber(5))), (vec![0, 9], true));
    assert!(can_talk(&roster, 0, 9) && frame_key(&roster, 5).is_none());
    assert_eq!(make(&roster, 5, Change::Rekey), Err(Refused::NotAllowed));
    assert_eq!(make(&roster, 0, add(5, Role::Member)), Err(Refused::Impossible), "its number is used up");
    // What it makes while it pretends not to know brings nobody in.
    let thiefs = make(&before, 5, add(7, Role::Admin)).expect("it was an admin then");
    roster.insert(thiefs.clone()).expect("it was possible then");
    assert_eq!(numbers(&roster), [0, 9]);
    let mut thief = before;
    apply(&mut thief, 5, add(8, Role::Admin));
    apply(&mut thief, 8, Change::Name(NodeNumber(0), "mine".into()));
    merge(&mut roster, &thief);
    assert_eq!((numbers(&roster), roster.member(NodeNumber(0)).map(|m| m.name.as_str())), (vec![0, 9], Some("node 0")));
}

#[test]
fn two_removals_at_once_both_hold_and_neither_reads_on() {
    let mut one = household(&[(5, Role::Admin), (6, Role::Admin), (9, Role::Member)]);
    let mut other = one.clone();
    apply(&mut one, 0, Change::Remove(NodeNumber(5)));
    apply(&mut other, 6, Change::Remove(NodeNumber(9)));
    merge(&mut one, &other);
    merge(&mut other, &one);
    assert_eq!(one.state(), other.state());
    assert_eq!(numbers(&one), [0, 6]);
    assert!(can_talk(&one, 0, 6) && !one.state().needs_rekey());
    assert!(frame_key(&one, 5).is_none() && frame_key(&one, 9).is_none());
    // Each other: both are out.
    let mut one = household(&[(5, Role::Admin), (9, Role::Admin)]);
    let mut other = one.clone();
    apply(&mut one, 0, Change::Remove(NodeNumber(5)));
    apply(&mut other, 5, Change::Remove(NodeNumber(0)));
    merge(&mut one, &other);
    assert_eq!(numbers(&one), [9]);
}

#[test]
fn a_member_added_while_another_was_removed_gets_its_key_by_a_new_epoch() {
    let mut one = household(&[(5, Role::Admin), (6, Role::Member)]);
    let mut other = one.clone();
    apply(&mut one, 0, Change::Remove(NodeNumber(6)));
    apply(&mut other, 5, add(9, Role::Member));
    merge(&mut one, &other);
    assert_eq!(numbers(&one), [0, 5, 9]);
    assert!(one.state().needs_rekey() && !can_talk(&one, 0, 9), "9 has not the key of the removal's epoch");
    let mut also = one.clone();
    apply(&mut one, 0, Change::Rekey);
    apply(&mut also, 5, Change::Rekey);
    merge(&mut one, &also);
    assert!(!one.state().needs_rekey(), "two new epochs are as good as one");
    assert!(can_talk(&one, 0, 9) && can_talk(&one, 9, 5) && frame_key(&one, 6).is_none());
}

#[test]
fn what_is_not_allowed_is_refused() {
    let roster = household(&[(5, Role::Member), (9, Role::Admin)]);
    let refused = |author, change| make(&roster, author, change).expect_err("not allowed");
    assert_eq!(refused(5, Change::Remove(NodeNumber(9))), Refused::NotAllowed);
    assert_eq!(refused(5, add(7, Role::Member)), Refused::NotAllowed);
    assert_eq!(refused(7, Change::Rekey), Refused::NotAllowed);
    assert_eq!(refused(0, Change::Remove(NodeNumber(7))), Refused::Impossible);
    assert_eq!(refused(0, add(5, Role::Member)), Refused::Impossible);
    assert!(make(&roster, 5, Change::Name(NodeNumber(5), "garage".into())).is_ok(), "its own name");
    let alone = household(&[(5, Role::Member)]);
    assert_eq!(make(&alone, 0, Change::Remove(NodeNumber(0))), Err(Refused::LastAdmin));
    assert_eq!(make(&alone, 0, Change::Role(NodeNumber(0), Role::Member)), Err(Refused::LastAdmin));
    // Signed by another key, for another home, changed on the way, before what it builds on.
    let entry = roster.compose(NodeNumber(0), None, Change::Rekey, [1; 32]).expect("allowed").0;
    let mut here = roster.clone();
    assert_eq!(here.insert(entry.sign(&key(9))), Err(Refused::Forged));
    assert_eq!(Roster::of(genesis()).insert(entry.sign(&key(0))), Err(Refused::Unknown));
    let mut elsewhere = Roster::of(Genesis::new(&key(9).verifying_key()));
    assert_eq!(elsewhere.insert(entry.sign(&key(0))), Err(Refused::OtherHome));
    let mut without_box = entry.clone();
    without_box.boxes.pop();
    assert_eq!(here.insert(without_box.sign(&key(0))), Err(Refused::Impossible));
    assert_eq!(here.insert(entry.sign(&key(0))), Ok(true));
    assert_eq!(here.insert(entry.sign(&key(0))), Ok(false));
}

#[test]
fn a_household_has_its_limits() {
    let mut roster = household(&[]);
    for n in 1..u8::try_from(MAX_MEMBERS).expect("few") {
        apply(&mut roster, n - 1, add(n, Role::Admin));
    }
    assert_eq!(make(&roster, 0, add(60, Role::Member)), Err(Refused::Full));
    let longest = roster.entries().map(|(_, entry)| entry.0.len()).max().unwrap_or(0);
    assert!(longest <= MAX_ENTRY_BYTES, "{longest}");
    assert_eq!(roster.free_number(3), Some(NodeNumber(20)), "the next that is free");
    assert_eq!(roster.free_number(0), Some(NodeNumber(20)), "never the first node's");
}

#[test]
fn a_frame_opens_between_its_two_ends_only() {
    let roster = household(&[(5, Role::Member), (9, Role::Member)]);
    let (from, to) = (frame_key(&roster, 0).expect("a member's"), frame_key(&roster, 5).expect("a member's"));
    let sealed = from.seal(NodeNumber(0), NodeNumber(5), b"words", [3; 32]);
    assert_eq!(to.open(NodeNumber(0), NodeNumber(5), &sealed).as_deref(), Some(&b"words"[..]));
    assert_eq!(to.open(NodeNumber(9), NodeNumber(5), &sealed), None);
    assert_eq!(to.open(NodeNumber(5), NodeNumber(0), &sealed), None, "it cannot be thrown back");
    for at in 0..sealed.len() {
        let mut altered = sealed.clone();
        altered[at] ^= 1;
        assert_eq!(to.open(NodeNumber(0), NodeNumber(5), &altered), None, "byte {at}");
    }
}

/// Something that one of six does.
fn any_change() -> impl Strategy<Value = (u8, Change)> {
    let role = prop_oneof![Just(Role::Admin), Just(Role::Member)];
    let change = prop_oneof![
        (1_u8..12, role.clone()).prop_map(|(n, role)| add(n, role)),
        (0_u8..12).prop_map(|n| Change::Remove(NodeNumber(n))),
        (0_u8..12, "[a-z]{1,8}").prop_map(|(n, name)| Change::Name(NodeNumber(n), name)),
        (0_u8..12, role).prop_map(|(n, role)| Change::Role(NodeNumber(n), role)),
        Just(Change::Rekey),
    ];
    (0_u8..6, change)
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut roster = household(&[]);
        prop_assert!(roster.insert(SignedEntry(bytes.into())).is_err());
    }

    /// Three rosters that hear of each other now and then: whatever is done, and in whatever order it arrives, the same
    /// entries say the same, and who was removed anywhere is out everywhere.
    #[test]
    fn the_set_decides_and_removals_hold(
        steps in prop::collection::vec((0_usize..3, 0_usize..3, any_change()), 1..24),
        order in any::<u64>(),
    ) {
        let begin = household(&[(1, Role::Admin), (2, Role::Admin), (3, Role::Member)]);
        let mut rosters = [begin.clone(), begin.clone(), begin];
        let mut removed = std::collections::BTreeSet::new();
        for (at, with, (author, change)) in steps {
            if let Ok(entry) = make(&rosters[at], author, change.clone()) {
                prop_assert_eq!(rosters[at].insert(entry), Ok(true));
                if let Change::Remove(number) = change {
                    removed.insert(number);
                }
            }
            let other = rosters[with].clone();
            merge(&mut rosters[at], &other);
        }
        let others = rosters.clone();
        for roster in &mut rosters {
            others.iter().for_each(|other| merge(roster, other));
        }
        prop_assert_eq!(rosters[0].state(), rosters[1].state());
        prop_assert_eq!(rosters[0].heads(), rosters[2].heads());
        prop_assert!(rosters[0].members().all(|member| !removed.contains(&member.number)));
        // In another order, as far as what was seen comes before what saw it.
        let mut waiting: Vec<SignedEntry> = rosters[0].entries().map(|(_, entry)| entry.clone()).collect();
        let mut again = Roster::of(genesis());
        let mut turn = order;
        while !waiting.is_empty() {
            turn = turn.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = usize::try_from(turn >> 33).unwrap_or(0) % waiting.len();
            match again.insert(waiting[at].clone()) {
                Ok(_) => drop(waiting.swap_remove(at)),
                Err(why) => prop_assert_eq!(why, Refused::Unknown),
            }
        }
        prop_assert_eq!(again.state(), rosters[0].state());
    }
}
