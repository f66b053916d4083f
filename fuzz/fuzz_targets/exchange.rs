//! Frames from a peer, at both ends of an exchange, by themselves and as a whole session. The first bytes of each frame say how long it is and whether it follows
//! an answer to what we asked; what is read has one encoding, and no end sends more than it should.

#![no_main]

use libfuzzer_sys::fuzz_target;
use meerkat_reconcile::{
    Id, Initiator, Inventory, MAX_FRAME_BYTES, Message, Opening, Responder, Scope, Session, SetId, Step,
};

fuzz_target!(|bytes: &[u8]| {
    let mut inventory = Inventory::new();
    for n in 0..40_u8 {
        inventory.insert(SetId { shard: n % 3, day: u16::from(n) }, [n; 32]);
    }
    let opening = Opening { scope: Scope::everything(), expected: Some(1), salt: None, retry_salt: 5 };
    let (mut initiator, first) = Initiator::open(&inventory, opening, 0);
    let mut responder = Responder::new(3, 0);
    let mut sessions = [Session::open(&inventory, opening, 0).0, Session::answer(3, 0)];
    // Half of all inputs go on from a question well asked.
    if bytes.first().is_some_and(|byte| byte & 1 == 1) {
        let _ = responder.handle(&inventory, &first, 0);
    }
    let mut rest = bytes.get(1..).unwrap_or_default();
    while let [low, high, after @ ..] = rest {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (frame, next) = after.split_at(length);
        rest = next;
        if let Ok(message) = Message::decode(frame) {
            assert_eq!(message.encode(), frame, "a second encoding");
        }
        for session in &mut sessions {
            if let Ok(step) = session.handle(&inventory, frame, 1, id_of) {
                follow(session, step);
            }
        }
        let answers = [initiator.handle(&inventory, frame, 1), responder.handle(&inventory, frame, 1)];
        if answers.iter().all(Result::is_err) {
            return;
        }
        for progress in answers.into_iter().flatten() {
            assert!(progress.send.len() <= 2);
            assert!(progress.send.iter().all(|frame| frame.len() <= MAX_FRAME_BYTES));
            assert!(progress.send.iter().all(|frame| Message::decode(frame).is_ok()), "we write what we refuse");
        }
    }
});

fn id_of(body: &[u8]) -> Id {
    [body[0]; 32]
}

/// Does what a step asks for, as a node would.
fn follow(session: &mut Session, step: Step) {
    assert!(step.came.iter().all(|body| !body.is_empty()));
    let loaded = session.loaded(step.load.iter().map(|id| vec![id[0]]).collect(), 1);
    let sent = step.send.into_iter().chain(loaded.send).chain(session.taken(1).send);
    for frame in sent {
        assert!(frame.len() <= MAX_FRAME_BYTES && Message::decode(&frame).is_ok(), "we write what we refuse");
    }
}
