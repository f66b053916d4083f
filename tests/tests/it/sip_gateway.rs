//! The SIP gateway between real parts: kamailio forks, baresip rings, sipp calls, a scripted desk decides.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use meerkat_protocols::phone::{Act, Answer, BlockedBy, Ending, Event, Incoming, LineState};
use meerkat_sip::{BlockBy, Gateway, LineSettings, Mode, Password, Registered, Transport};
use meerkat_tests::sip::{Call, Fork, Kamailio, KamailioSetup, Member, Outcome, Phone, Sipp};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Longer than anything awaited here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// The gateway with a desk that gives one answer to every call.
struct Desk {
    gateway: Gateway,
    events: mpsc::Receiver<Event>,
    runtime: Runtime,
}

impl Desk {
    fn open(settings: LineSettings, answer: Answer) -> Desk {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        let _inside = runtime.enter();
        let (events_in, mut calls) = mpsc::channel(1_024);
        let (acts, acts_out) = mpsc::channel(1_024);
        let gateway =
            meerkat_sip::start(vec![settings], events_in, acts_out, Arc::new(AtomicU64::new(1))).expect("a line");
        let (seen, events) = mpsc::channel(16_384);
        runtime.spawn(async move {
            while let Some(event) = calls.recv().await {
                if let Event::Incoming(incoming) = &event {
                    acts.send(Act { call: incoming.call, answer }).await.expect("the gateway listens");
                }
                seen.try_send(event).expect("the test keeps up");
            }
        });
        drop(_inside);
        let mut desk = Desk { gateway, events, runtime };
        desk.wait_for("the line", |event| matches!(event, Event::Line { state: LineState::Ready, .. }));
        desk
    }

    /// The next event that fits; others are passed over.
    fn wait_for(&mut self, what: &str, fits: impl Fn(&Event) -> bool) -> Event {
        let Desk { events, runtime, .. } = self;
        let found = async {
            loop {
                let event = events.recv().await.expect("the gateway lives");
                if fits(&event) {
                    return event;
                }
            }
        };
        match runtime.block_on(async { tokio::time::timeout(PATIENCE, found).await }) {
            Ok(event) => event,
            Err(_) => panic!("waited {PATIENCE:?} in vain for {what}"),
        }
    }

    fn incoming(&mut self) -> Incoming {
        match self.wait_for("a call", |event| matches!(event, Event::Incoming(_))) {
            Event::Incoming(incoming) => incoming,
            other => unreachable!("{other:?} was asked not to fit"),
        }
    }

    fn ended(&mut self) -> Ending {
        match self.wait_for("the end of a call", |event| matches!(event, Event::Ended { .. })) {
            Event::Ended { how, .. } => how,
            other => unreachable!("{other:?} was asked not to fit"),
        }
    }

    fn shut(self) {
        let Desk { gateway, events, runtime } = self;
        runtime.block_on(gateway.shutdown(Duration::from_secs(5)));
        drop(events);
    }
}

fn registered(router: &Kamailio, user: &str) -> LineSettings {
    let account = router.setup().users.iter().find(|known| known.name == user).expect("the router knows the user");
    let mut settings = direct();
    settings.mode = Mode::Registered(Registered {
        registrar: router.address().to_string(),
        user: account.name.clone(),
        auth_user: (account.login != account.name).then(|| account.login.clone()),
        password: Password::new(account.password.clone()),
        domain: None,
        expires_s: 120,
        refresh_s: 60,
    });
    settings
}

fn direct() -> LineSettings {
    let mut settings = LineSettings::direct("home", ([127, 0, 0, 1], 0).into());
    settings.hold_ms = 1_000;
    settings
}

fn house(router: &Kamailio) -> Call {
    Call::new(router.address(), "house", "+4915112345678")
}

fn codes(outcome: &Outcome) -> Vec<u16> {
    let mut codes: Vec<u16> = outcome.heard.iter().map(|(code, _)| *code).collect();
    codes.dedup();
    codes
}

#[test]
fn a_blocked_call_silences_the_phone_before_its_second_ring() {
    let router = Kamailio::start(KamailioSetup::ringing(&["phone", "meerkat"]));
    let phone = Phone::register(&router, "phone");
    for (block, code) in [(BlockBy::Code603, 603), (BlockBy::Code607, 607), (BlockBy::Code608, 608)] {
        let mut settings = registered(&router, "meerkat");
        settings.block = block;
        let mut desk = Desk::open(settings, Answer::Block(BlockedBy::Own));
        let mark = phone.mark();
        let outcome = Sipp::call(&house(&router));
        assert_eq!(outcome.code, code, "{outcome:?}");
        assert_eq!(desk.incoming().caller, "+4915112345678");
        assert_eq!(desk.ended(), Ending::Refused);
        // The phone may be cancelled before it has even begun to ring; if it rang, it is silent in time.
        if phone.seen().iter().skip(mark).any(|seen| seen.kind == "CALL_INCOMING") {
            let ringing = phone.wait_after(mark, "CALL_INCOMING");
            let silent = phone.wait_after(mark, "CALL_CLOSED");
            assert!(silent.at - ringing.at < Phone::RING_PERIOD / 2, "{:?}", silent.at - ringing.at);
        }
        assert!(!phone.is_ringing());
        desk.shut();
    }
}

#[test]
fn a_passed_call_rings_on_until_the_caller_gives_up() {
    let router = Kamailio::start(KamailioSetup::ringing(&["phone", "meerkat"]));
    let phone = Phone::register(&router, "phone");
    let mut desk = Desk::open(registered(&router, "meerkat"), Answer::Pass);
    let mut call = house(&router);
    call.give_up_after = Duration::from_secs(4);
    let running = Sipp::start(&call);
    let ringing = phone.wait_ringing();
    assert_eq!(desk.ended(), Ending::SteppedAside);
    assert!(phone.is_ringing(), "the phone rings on after this node has stepped aside");
    let outcome = running.outcome();
    assert!(outcome.gave_up && outcome.micros > 3_900_000, "{outcome:?}");
    assert!(phone.wait_cancelled().at - ringing.at > Duration::from_secs(3));
    desk.shut();
}

#[test]
fn behind_a_serial_fork_a_blocked_call_never_rings_and_a_passed_one_does() {
    let mut setup = KamailioSetup::ringing(&["phone"]);
    let port = meerkat_tests::sip::free_port();
    setup.house.insert(0, Member::Fixed(([127, 0, 0, 1], port).into()));
    setup.fork = Fork::Serial;
    let router = Kamailio::start(setup);
    let phone = Phone::register(&router, "phone");
    {
        let mut settings = direct();
        settings.bind.set_port(port);
        settings.hold_ms = 0;
        let mut desk = Desk::open(settings.clone(), Answer::Block(BlockedBy::Neighbours));
        let mark = phone.mark();
        assert_eq!(Sipp::call(&house(&router)).code, 603);
        assert_eq!(desk.ended(), Ending::Refused);
        assert!(phone.seen().iter().skip(mark).all(|seen| seen.kind != "CALL_INCOMING"), "{:?}", phone.seen());
        desk.shut();
        let mut desk = Desk::open(settings, Answer::Pass);
        let running = Sipp::start(&house(&router));
        assert_eq!(desk.ended(), Ending::SteppedAside);
        let _ = phone.wait_after(mark, "CALL_INCOMING");
        assert!(running.outcome().gave_up);
        desk.shut();
    }
}

#[test]
fn the_login_may_differ_from_the_identity() {
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut setup = KamailioSetup::ringing(&["meerkat"]);
        setup.users[0].login = "login-4711".into();
        let router = Kamailio::start(setup);
        let mut settings = registered(&router, "meerkat");
        settings.transport = transport;
        let mut desk = Desk::open(settings, Answer::Block(BlockedBy::Own));
        let mut call = house(&router);
        call.headers = "P-Asserted-Identity: <sip:+49891234;verstat=TN-Validation-Passed@home>\r\n".into();
        assert_eq!(Sipp::call(&call).code, 607, "{transport:?}");
        assert_eq!(desk.incoming().caller, "+49891234");
        desk.shut();
        // The registration was given back: nobody is left to ring.
        assert_ne!(Sipp::call(&house(&router)).code, 607);
    }
}

#[test]
fn a_router_that_dies_and_comes_back_finds_the_line_again() {
    let mut router = Kamailio::start(KamailioSetup::ringing(&["meerkat"]));
    let mut settings = registered(&router, "meerkat");
    if let Mode::Registered(account) = &mut settings.mode {
        account.refresh_s = 1;
    }
    let mut desk = Desk::open(settings, Answer::Block(BlockedBy::Own));
    router.kill();
    let failing = desk.wait_for("failure", |event| matches!(event, Event::Line { state: LineState::Failing(_), .. }));
    assert!(format!("{failing:?}").contains("does not answer"), "{failing:?}");
    router.resume();
    desk.wait_for("the line again", |event| matches!(event, Event::Line { state: LineState::Ready, .. }));
    assert_eq!(Sipp::call(&house(&router)).code, 607);
    desk.shut();
}

#[test]
fn a_wrong_password_is_said_and_not_hammered() {
    let router = Kamailio::start(KamailioSetup::ringing(&["meerkat"]));
    let mut settings = registered(&router, "meerkat");
    if let Mode::Registered(account) = &mut settings.mode {
        account.password = Password::new("wrong");
    }
    let runtime = Runtime::new().expect("a runtime");
    let (events_in, mut events) = mpsc::channel(16);
    let (_acts, acts_out) = mpsc::channel(1);
    let words = runtime.block_on(async {
        let _gateway =
            meerkat_sip::start(vec![settings], events_in, acts_out, Arc::new(AtomicU64::new(1))).expect("a line");
        let failing = async {
            loop {
                if let Some(Event::Line { state: LineState::Failing(words), .. }) = events.recv().await {
                    return words;
                }
            }
        };
        tokio::time::timeout(PATIENCE, failing).await.expect("a failure")
    });
    assert!(words.contains("refuses the login of this line (401)"), "{words}");
}

#[test]
fn a_call_is_answered_and_hung_up_through_the_router_and_without_one() {
    let router = Kamailio::start(KamailioSetup::ringing(&["meerkat"]));
    let mut settings = registered(&router, "meerkat");
    settings.block = BlockBy::AnswerAndHangUp;
    let mut desk = Desk::open(settings, Answer::Block(BlockedBy::Own));
    let outcome = Sipp::call(&house(&router));
    assert_eq!((outcome.code, outcome.hung_up), (200, true), "{outcome:?}");
    assert_eq!(desk.ended(), Ending::HungUp);
    desk.shut();
    for transport in [Transport::Udp, Transport::Tcp] {
        let mut settings = direct();
        (settings.block, settings.transport) = (BlockBy::AnswerAndHangUp, transport);
        let mut desk = Desk::open(settings, Answer::Block(BlockedBy::Own));
        let mut call = Call::new(desk.gateway.address("home").expect("an address"), "house", "+4930");
        call.tcp = transport == Transport::Tcp;
        let outcome = Sipp::call(&call);
        assert_eq!((outcome.code, outcome.hung_up), (200, true), "{transport:?} {outcome:?}");
        assert_eq!(desk.ended(), Ending::HungUp);
        desk.shut();
    }
}

#[test]
fn a_caller_who_gives_up_is_noticed() {
    let mut settings = direct();
    settings.hold_ms = 20_000;
    let mut desk = Desk::open(settings, Answer::Pass);
    let mut call = Call::new(desk.gateway.address("home").expect("an address"), "house", "+4930");
    call.give_up_after = Duration::from_secs(1);
    let outcome = Sipp::call(&call);
    assert_eq!(codes(&outcome), [100, 180, 487]);
    assert_eq!(desk.ended(), Ending::Cancelled);
    desk.shut();
}

#[test]
fn fifty_calls_a_second_are_all_answered() {
    for tcp in [false, true] {
        let mut settings = direct();
        settings.transport = if tcp { Transport::Tcp } else { Transport::Udp };
        let desk = Desk::open(settings, Answer::Block(BlockedBy::Own));
        let mut call = Call::new(desk.gateway.address("home").expect("an address"), "house", "+4930");
        call.tcp = tcp;
        let totals = Sipp::load(&call, 607, 50, 200);
        assert_eq!((totals.succeeded, totals.failed), (200, 0), "tcp: {tcp}");
        let counts = desk.gateway.counts()[0].1;
        assert_eq!((counts.calls, counts.failed_open, counts.overflowed), (200, 0, 0), "{counts:?}");
        desk.shut();
    }
}
