//! Calls that fail, peers that are wanted, floods of names.

use super::*;

const OWN: Peer = Peer([1; 32]);

fn address(number: usize) -> Vec<Multiaddr> {
    vec![format!("/memory/{}", number + 1).parse().expect("an address")]
}

fn peer(number: usize) -> Peer {
    let mut bytes = [2; 32];
    bytes[..8].copy_from_slice(&(number as u64 + (9 << 56)).to_be_bytes());
    Peer(bytes)
}

/// Calls once and lets the call fail.
fn fail(book: &mut Book, connection: usize, now: Instant) {
    let call = book.due(now).expect("a call");
    book.calling(call.entry, ConnectionId::new_unchecked(connection));
    book.failed(ConnectionId::new_unchecked(connection), now);
}

#[test]
fn waits_double_up_to_their_longest_and_go_on() {
    for (found, longest, attempts) in
        [(Found::Configured, LONGEST_WAIT_FOR_WANTED, 1000), (Found::Remembered, LONGEST_WAIT, 200)]
    {
        waits_double(found, longest, attempts);
    }
}

fn waits_double(found: Found, longest: Duration, attempts: usize) {
    let (mut book, mut now) = (Book::new(OWN), Instant::now());
    book.add(Some(peer(0)), address(0), found, now);
    let mut waits = Vec::new();
    for attempt in 0..attempts {
        fail(&mut book, attempt, now);
        assert_eq!(book.due(now), None);
        let next = book.next_due().expect("it is tried again");
        waits.push(next.duration_since(now));
        now = next;
    }
    assert!((Duration::from_millis(750)..Duration::from_millis(1250)).contains(&waits[0]), "{waits:?}");
    assert!(waits[..5].is_sorted(), "{waits:?}");
    let longest = longest * 3 / 4..longest * 5 / 4;
    assert!(waits[10..].iter().all(|wait| longest.contains(wait)));
    assert!(waits[10..].iter().any(|wait| *wait != waits[10]), "they differ");
}

#[test]
fn two_that_call_each_other_wait_differently() {
    let once = |own, other, attempts| wait(own, Some(other), 0, attempts, LONGEST_WAIT);
    let collisions = (0..8).filter(|attempts| once(OWN, peer(0), *attempts) == once(peer(0), OWN, *attempts));
    assert!(collisions.count() < 3);
}

#[test]
fn remembered_and_nearby_ones_are_given_up() {
    for (found, limit) in [(Found::Remembered, MAX_REMEMBERED_ATTEMPTS), (Found::Nearby, MAX_NEARBY_ATTEMPTS)] {
        let (mut book, mut now) = (Book::new(OWN), Instant::now());
        book.add(Some(peer(0)), address(0), found, now);
        for attempt in 0..=limit as usize {
            fail(&mut book, attempt, now);
            now += 2 * LONGEST_WAIT;
        }
        assert_eq!(book.due(now), None, "{found:?}");
    }
}

#[test]
fn a_wanted_one_is_called_until_it_is_forgotten() {
    let (mut book, mut now) = (Book::new(OWN), Instant::now());
    book.want(peer(0), address(0), now);
    for attempt in 0..1000 {
        fail(&mut book, attempt, now);
        now += 2 * LONGEST_WAIT;
    }
    book.forget(peer(0));
    assert_eq!(book.due(now), None);
    // One that is seen nearby as well is called on, and one from the settings for ever.
    book.nearby(peer(1), address(1), now);
    book.add(Some(peer(2)), address(2), Found::Configured, now);
    for number in [1, 2] {
        book.want(peer(number), Vec::new(), now);
        book.forget(peer(number));
    }
    book.gone(peer(1));
    assert_eq!(book.due(now).and_then(|call| call.peer), Some(peer(2)));
    assert!(book.by_peer(peer(1)).is_none(), "wanted no longer, and no longer seen");
}

#[test]
fn a_connected_peer_is_not_called_and_a_lost_one_is() {
    let (mut book, now) = (Book::new(OWN), Instant::now());
    book.add(Some(peer(0)), address(0), Found::Configured, now);
    assert_eq!(book.connected(peer(0), ConnectionId::new_unchecked(1), now), Found::Configured);
    book.nearby(peer(0), address(1), now);
    assert_eq!((book.due(now + LONGEST_WAIT), book.next_due()), (None, None));
    book.lost(peer(0), now + GOOD);
    let call = book.due(now + GOOD + 2 * FIRST_WAIT).expect("it is called again");
    assert_eq!(call.addresses, [address(1), address(0)].concat(), "the newest address first");
    assert_eq!(book.connected(peer(5), ConnectionId::new_unchecked(2), now), Found::CalledUs);
}

#[test]
fn a_connection_that_breaks_at_once_does_not_make_us_call_without_end() {
    let (mut book, mut now) = (Book::new(OWN), Instant::now());
    book.add(Some(peer(0)), address(0), Found::Configured, now);
    for connection in 0..12 {
        let call = book.due(now).expect("a call");
        book.calling(call.entry, ConnectionId::new_unchecked(connection));
        book.connected(peer(0), ConnectionId::new_unchecked(connection), now);
        book.lost(peer(0), now);
        now = book.next_due().expect("again");
    }
    assert!(now > Instant::now() + 5 * LONGEST_WAIT_FOR_WANTED);
}

#[test]
fn an_address_without_a_name_learns_it() {
    let (mut book, now) = (Book::new(OWN), Instant::now());
    book.add(None, address(0), Found::Configured, now);
    let call = book.due(now).expect("a call");
    book.calling(call.entry, ConnectionId::new_unchecked(1));
    assert_eq!(book.connected(peer(3), ConnectionId::new_unchecked(1), now), Found::Configured);
    book.lost(peer(3), now);
    let call = book.due(now + 2 * FIRST_WAIT).expect("a call");
    assert_eq!(call.peer, Some(peer(3)));
}

#[test]
fn a_flood_of_names_stays_small_and_does_not_hold_up_the_settings() {
    let (mut book, now) = (Book::new(OWN), Instant::now());
    for number in 0..10_000 {
        book.nearby(peer(number), address(number), now);
    }
    assert_eq!(book.entries.len(), MAX_NEARBY);
    let mut connection = 0;
    while let Some(call) = book.due(now + COURTESY) {
        book.calling(call.entry, ConnectionId::new_unchecked(connection));
        connection += 1;
    }
    assert_eq!(connection, MAX_NEARBY_CALLS);
    book.add(Some(peer(77_777)), address(1), Found::Configured, now);
    assert_eq!(book.due(now).and_then(|call| call.peer), Some(peer(77_777)));
    book.failed(ConnectionId::new_unchecked(0), now);
    book.nearby(peer(88_888), address(2), now);
    assert!(book.by_peer(peer(88_888)).is_some(), "a silent one makes room");
}

#[test]
fn forged_signs_of_life_hurry_us_twice_a_minute_at_most() {
    let (mut book, now) = (Book::new(OWN), Instant::now());
    book.add(Some(peer(0)), address(0), Found::Remembered, now);
    for attempt in 0..9 {
        fail(&mut book, attempt, now + attempt as u32 * 2 * LONGEST_WAIT);
    }
    let now = now + 20 * LONGEST_WAIT;
    fail(&mut book, 10, now);
    book.nearby(peer(0), address(0), now);
    assert_eq!(book.next_due(), Some(now + COURTESY));
    fail(&mut book, 11, now + COURTESY);
    book.nearby(peer(0), address(0), now + COURTESY);
    assert!(book.next_due() > Some(now + GOOD));
    book.nearby(peer(0), address(0), now + GOOD);
    assert_eq!(book.next_due(), Some(now + GOOD + COURTESY));
}
