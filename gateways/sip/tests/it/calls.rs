//! What a caller hears, and what the node is told.

use std::time::{Duration, Instant};

use meerkat_protocols::phone::{Answer, BlockedBy, Ending, Event};
use meerkat_sip::BlockBy;

use crate::desk::{Caller, Desk, direct, soon};

#[tokio::test]
async fn a_blocked_call_gets_the_status_the_line_is_set_to() {
    for (block, by, code) in [
        (BlockBy::Auto, BlockedBy::Own, 607),
        (BlockBy::Auto, BlockedBy::Neighbours, 603),
        (BlockBy::Code607, BlockedBy::Neighbours, 607),
        (BlockBy::Code608, BlockedBy::Own, 608),
        (BlockBy::Code603, BlockedBy::Own, 603),
    ] {
        let mut settings = direct();
        settings.block = block;
        let mut desk = Desk::open(settings).await;
        let caller = Caller::new(desk.address()).await;
        caller.invite().await;
        assert_eq!(caller.hear().await.code, 100);
        let call = desk.incoming().await;
        assert_eq!((call.caller, call.name.as_str()), (format!("+4930{}", caller.id), "Anna"));
        desk.answer(call.call, Answer::Block(by)).await;
        let heard = caller.hear().await;
        assert_eq!(heard.code, code, "{block:?} {by:?}");
        caller.ack(&heard).await;
        assert_eq!(desk.ended(call.call).await, Ending::Refused);
    }
}

#[tokio::test]
async fn a_passed_call_rings_is_held_and_left_to_the_phones() {
    for (pass_code, hold_ms) in [(480, 300), (486, 0)] {
        let mut settings = direct();
        (settings.pass_code, settings.hold_ms) = (pass_code, hold_ms);
        let mut desk = Desk::open(settings).await;
        let caller = Caller::new(desk.address()).await;
        caller.invite().await;
        let call = desk.incoming().await.call;
        desk.answer(call, Answer::Pass).await;
        assert_eq!(caller.hear().await.code, 100);
        assert_eq!(caller.hear().await.code, 180);
        let ringing = Instant::now();
        let heard = caller.hear().await;
        assert_eq!(heard.code, pass_code);
        assert!(ringing.elapsed() + Duration::from_millis(50) >= Duration::from_millis(hold_ms));
        caller.ack(&heard).await;
        assert_eq!(desk.ended(call).await, Ending::SteppedAside);
    }
}

#[tokio::test]
async fn without_a_verdict_the_call_rings_after_two_seconds() {
    let mut desk = Desk::open(direct()).await;
    let caller = Caller::new(desk.address()).await;
    let begun = Instant::now();
    caller.invite().await;
    let call = desk.incoming().await.call;
    assert_eq!(caller.hear().await.code, 100);
    let heard = loop {
        // The caller's side is silent, so nothing but the watchdog can bring this.
        let heard = caller.hear().await;
        if heard.code != 100 {
            break heard;
        }
    };
    assert_eq!(heard.code, 180);
    assert!((1.9..4.0).contains(&begun.elapsed().as_secs_f64()), "{:?}", begun.elapsed());
    assert_eq!(desk.event().await, Event::FailedOpen { call });
    // A verdict that comes now is too late to change anything.
    desk.answer(call, Answer::Block(BlockedBy::Own)).await;
    assert_eq!(caller.final_answer().await.code, 480);
    assert_eq!(desk.ended(call).await, Ending::SteppedAside);
    assert_eq!(desk.gateway.counts()[0].1.failed_open, 1);
}

#[tokio::test]
async fn with_nobody_to_decide_the_call_rings_at_once() {
    let mut desk = Desk::open(direct()).await;
    let (acts, _) = tokio::sync::mpsc::channel(1);
    drop(std::mem::replace(&mut desk.acts, acts));
    let caller = Caller::new(desk.address()).await;
    let begun = Instant::now();
    caller.invite().await;
    assert_eq!(caller.final_answer().await.code, 480);
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_full_queue_lets_the_call_ring_unseen() {
    // The line's own state takes the only place.
    let desk = Desk::start(direct(), 1);
    let mut probe = desk;
    while probe.events.is_empty() {
        tokio::task::yield_now().await;
    }
    let caller = Caller::new(probe.address()).await;
    caller.invite().await;
    assert_eq!(caller.hear().await.code, 100);
    assert_eq!(caller.hear().await.code, 180);
    assert_eq!(caller.final_answer().await.code, 480);
    assert_eq!(probe.gateway.counts()[0].1.overflowed, 1);
    assert!(matches!(probe.event().await, Event::Line { .. }));
    assert!(probe.events.try_recv().is_err());
}

#[tokio::test]
async fn a_caller_who_gives_up_is_noticed_before_and_after_the_verdict() {
    let mut desk = Desk::open(direct()).await;
    for decided in [false, true] {
        let caller = Caller::new(desk.address()).await;
        caller.invite().await;
        let call = desk.incoming().await.call;
        assert_eq!(caller.hear().await.code, 100);
        if decided {
            desk.answer(call, Answer::Pass).await;
            assert_eq!(caller.hear().await.code, 180);
        }
        caller.cancel().await;
        let heard = caller.hear().await;
        assert_eq!((heard.code, heard.header("CSeq")), (200, "1 CANCEL"));
        let heard = caller.hear().await;
        assert_eq!((heard.code, heard.header("CSeq")), (487, "1 INVITE"));
        caller.ack(&heard).await;
        assert_eq!(desk.ended(call).await, Ending::Cancelled);
    }
}

#[tokio::test]
async fn repeated_and_merged_invites_are_one_call() {
    let mut desk = Desk::open(direct()).await;
    let mut caller = Caller::new(desk.address()).await;
    for _ in 0..3 {
        caller.invite().await;
        assert_eq!(caller.hear().await.code, 100);
    }
    let call = desk.incoming().await.call;
    caller.branch += 1_000_000;
    caller.invite().await;
    let heard = caller.hear().await;
    assert_eq!(heard.code, 482);
    caller.ack(&heard).await;
    desk.answer(call, Answer::Block(BlockedBy::Own)).await;
    // Only the end of the one call follows: nothing else was reported.
    assert_eq!(desk.ended(call).await, Ending::Refused);
    let counts = desk.gateway.counts()[0].1;
    assert_eq!((counts.calls, counts.merged), (2, 1));
}

#[tokio::test]
async fn a_final_answer_is_repeated_until_it_is_acknowledged() {
    let mut desk = Desk::open(direct()).await;
    let caller = Caller::new(desk.address()).await;
    caller.invite().await;
    let call = desk.incoming().await.call;
    desk.answer(call, Answer::Block(BlockedBy::Own)).await;
    let first = caller.final_answer().await;
    assert_eq!(caller.final_answer().await.text, first.text);
    caller.ack(&first).await;
    // Another call's answer is the next thing heard: the repeating has stopped.
    caller.send(caller.request("OPTIONS", "", "", "")).await;
    let mut heard = caller.hear().await;
    while heard.code == 607 {
        heard = caller.hear().await;
    }
    assert_eq!(heard.code, 200);
}

const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0 8\r\n";

#[tokio::test]
async fn a_call_is_answered_and_hung_up_where_the_line_wants_it() {
    let mut settings = direct();
    settings.block = BlockBy::AnswerAndHangUp;
    let mut desk = Desk::open(settings).await;
    let caller = Caller::new(desk.address()).await;
    let route = format!("<sip:{};lr>", caller.socket.local_addr().unwrap());
    let more = format!("Record-Route: {route}\r\nContent-Type: application/sdp");
    caller.send(caller.request("INVITE", "", &more, OFFER)).await;
    let call = desk.incoming().await.call;
    desk.answer(call, Answer::Block(BlockedBy::Neighbours)).await;
    let heard = caller.final_answer().await;
    assert_eq!(heard.code, 200);
    assert!(heard.text.contains("m=audio 9 RTP/AVP 8\r\n"), "{}", heard.text);
    let contact = heard.header("Contact").trim_matches(['<', '>']).to_owned();
    assert_eq!(contact, format!("sip:meerkat@{}", desk.address()));
    assert_eq!(heard.header("Record-Route"), route);
    caller.ack(&heard).await;
    let bye = loop {
        let heard = caller.hear().await;
        if heard.text.starts_with("BYE ") {
            break heard;
        }
    };
    let own = caller.socket.local_addr().unwrap();
    assert!(bye.text.starts_with(&format!("BYE sip:anna@{own} SIP/2.0\r\n")), "{}", bye.text);
    assert_eq!((bye.header("From"), bye.header("Call-ID")), (heard.header("To"), heard.header("Call-ID")));
    assert_eq!((bye.header("To"), bye.header("Route")), (heard.header("From"), route.as_str()));
    assert_eq!(desk.ended(call).await, Ending::HungUp);
}

#[tokio::test]
async fn the_caller_may_hang_up_first() {
    let mut settings = direct();
    settings.block = BlockBy::AnswerAndHangUp;
    let mut desk = Desk::open(settings).await;
    let caller = Caller::new(desk.address()).await;
    caller.invite().await;
    let call = desk.incoming().await.call;
    desk.answer(call, Answer::Block(BlockedBy::Own)).await;
    let heard = caller.final_answer().await;
    let tag = heard.header("To").split_once(";tag=").unwrap().1.to_owned();
    let again = caller.request("INVITE", &format!(";tag={tag}"), "", "").replace("CSeq: 1", "CSeq: 2");
    caller.send(again.replace("branch=z9hG4bK", "branch=z9hG4bKr")).await;
    let heard = loop {
        let heard = caller.final_answer().await;
        if heard.header("CSeq") == "2 INVITE" {
            break heard;
        }
    };
    assert_eq!(heard.code, 488);
    caller.send(caller.request("BYE", &format!(";tag={tag}"), "", "").replace("CSeq: 1", "CSeq: 3")).await;
    assert_eq!(desk.ended(call).await, Ending::HungUp);
}

#[tokio::test]
async fn requests_that_are_no_calls_are_answered_in_kind() {
    let desk = Desk::open(direct()).await;
    for (method, tag, code) in [
        ("OPTIONS", "", 200),
        ("INFO", "", 405),
        ("REGISTER", "", 405),
        ("BYE", ";tag=nobody", 481),
        ("BYE", "", 481),
        ("INVITE", ";tag=nobody", 481),
        ("CANCEL", "", 481),
        ("FROBNICATE", "", 501),
    ] {
        let caller = Caller::new(desk.address()).await;
        caller.send(caller.request(method, tag, "", "")).await;
        let heard = caller.hear().await;
        assert_eq!(heard.code, code, "{method}");
        if matches!(code, 200 | 405 | 501) {
            assert_eq!(heard.header("Allow"), "INVITE, ACK, BYE, CANCEL, OPTIONS");
        }
    }
}

#[tokio::test]
async fn ringing_calls_pass_when_the_gateway_stops() {
    let mut settings = direct();
    settings.hold_ms = 30_000;
    let mut desk = Desk::open(settings).await;
    let (undecided, ringing) = (Caller::new(desk.address()).await, Caller::new(desk.address()).await);
    undecided.invite().await;
    desk.incoming().await;
    ringing.invite().await;
    let call = desk.incoming().await.call;
    desk.answer(call, Answer::Pass).await;
    assert_eq!(ringing.hear().await.code, 100);
    assert_eq!(ringing.hear().await.code, 180);
    let begun = Instant::now();
    soon("the end", desk.gateway.shutdown(Duration::from_secs(5))).await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    for caller in [undecided, ringing] {
        assert_eq!(caller.final_answer().await.code, 480);
    }
    for _ in 0..2 {
        assert!(matches!(desk.events.recv().await, Some(Event::Ended { how: Ending::SteppedAside, .. })));
    }
}
