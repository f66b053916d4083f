//! Words between members, over streams in memory: long ones, many at once, and none of a stranger.

use meerkat_protocols::mesh::{Event, MAX_MEMBER_BYTES, Order, RequestRef};

use crate::common::{answered, order, pair, until};

#[tokio::test]
async fn the_longest_words_go_there_and_back_several_at_once() {
    let (mut one, mut other) = pair().await;
    let (first, second) = (one.peer(), other.peer());
    order(&one, Order::Members { peers: vec![second] }).await;
    order(&other, Order::Members { peers: vec![first] }).await;
    for n in 0..4 {
        let data = vec![n; MAX_MEMBER_BYTES];
        order(&one, Order::AskMember { request: RequestRef(n.into()), peer: second, data }).await;
    }
    for _ in 0..4 {
        let (inbound, mut data) = until(&mut other, "a word", |event| match event {
            Event::MemberAsks { from, inbound, data } => {
                assert_eq!(from, first);
                Some((inbound, data))
            }
            _ => None,
        })
        .await;
        assert_eq!(data.len(), MAX_MEMBER_BYTES);
        data.truncate(usize::from(data[0]) + 1);
        order(&other, Order::Respond { inbound, data }).await;
    }
    for _ in 0..4 {
        let (RequestRef(n), data) = answered(&mut one).await;
        let n = u8::try_from(n).expect("four");
        assert_eq!(data, Some(vec![n; usize::from(n) + 1]));
    }
}

#[tokio::test]
async fn of_a_stranger_nothing_is_read_and_what_is_too_long_is_not_sent() {
    let (mut one, mut other) = pair().await;
    let (first, second) = (one.peer(), other.peer());
    // One takes the other for a member; the other does not.
    order(&one, Order::Members { peers: vec![second] }).await;
    order(&one, Order::AskMember { request: RequestRef(1), peer: second, data: vec![1, 2, 3] }).await;
    assert_eq!(answered(&mut one).await, (RequestRef(1), None));
    let long = vec![7; MAX_MEMBER_BYTES + 1];
    order(&one, Order::AskMember { request: RequestRef(2), peer: second, data: long }).await;
    assert_eq!(answered(&mut one).await, (RequestRef(2), None));
    // It was a member's word that would have come before this answer.
    order(&other, Order::Ping { peer: first }).await;
    until(&mut other, "the ping and no word", |event| match event {
        Event::MemberAsks { .. } => panic!("a stranger was listened to"),
        Event::Pinged { rtt_us, .. } => rtt_us,
        _ => None,
    })
    .await;
    // Removed in between, it is a stranger again.
    order(&other, Order::Members { peers: vec![first] }).await;
    order(&other, Order::Members { peers: vec![] }).await;
    order(&one, Order::AskMember { request: RequestRef(3), peer: second, data: vec![1] }).await;
    assert_eq!(answered(&mut one).await, (RequestRef(3), None));
}
