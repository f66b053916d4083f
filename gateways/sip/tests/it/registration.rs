//! A line and its registrar, here a scripted one: kamailio checks the digest in the tests over real parts.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use meerkat_protocols::phone::{Answer, BlockedBy, Ending, Event, LineState};
use meerkat_sip::{LineSettings, Mode, Password, Registered, Transport};
use tokio::net::UdpSocket;

use crate::desk::{Caller, Desk, direct, soon};

fn registered(registrar: SocketAddr) -> LineSettings {
    let mut settings = direct();
    settings.mode = Mode::Registered(Registered {
        registrar: registrar.to_string(),
        user: "620".into(),
        auth_user: Some("login".into()),
        password: Password::new("geheim"),
        domain: Some("home.example".into()),
        expires_s: 300,
        refresh_s: 60,
    });
    settings
}

struct Registrar(UdpSocket);

struct Asked {
    text: String,
    from: SocketAddr,
}

impl Asked {
    fn lines(&self, name: &str) -> Vec<&str> {
        self.text.lines().filter(|line| line.starts_with(&format!("{name}:"))).collect()
    }

    fn expires(&self) -> &str {
        self.lines("Expires").first().map_or("", |line| line.trim_start_matches("Expires: "))
    }

    fn sequence(&self) -> u32 {
        let line = self.lines("CSeq")[0];
        line.trim_start_matches("CSeq: ").trim_end_matches(" REGISTER").parse().unwrap()
    }
}

impl Registrar {
    async fn new() -> Registrar {
        Registrar(UdpSocket::bind("127.0.0.1:0").await.unwrap())
    }

    fn address(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// The next REGISTER; keepalives are passed over.
    async fn asked(&self) -> Asked {
        let mut buffer = vec![0; 65_536];
        loop {
            let (length, from) = soon("a REGISTER", self.0.recv_from(&mut buffer)).await.unwrap();
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if text.starts_with("REGISTER ") {
                return Asked { text, from };
            }
        }
    }

    async fn answer(&self, asked: &Asked, status: &str, more: &str) {
        let kept: Vec<&str> = ["Via", "From", "Call-ID", "CSeq"].iter().flat_map(|name| asked.lines(name)).collect();
        let to = asked.lines("To")[0];
        let text =
            format!("SIP/2.0 {status}\r\n{}\r\n{to};tag=r\r\n{more}Content-Length: 0\r\n\r\n", kept.join("\r\n"));
        self.0.send_to(text.as_bytes(), asked.from).await.unwrap();
    }

    async fn grant(&self, asked: &Asked, expires_s: u32) {
        let contact = asked.lines("Contact")[0];
        self.answer(asked, "200 OK", &format!("{contact};expires={expires_s}\r\n")).await;
    }

    async fn challenge(&self, asked: &Asked, nonce: &str, stale: bool) {
        let stale = if stale { ", stale=true" } else { "" };
        let line = format!("WWW-Authenticate: Digest realm=\"home\", nonce=\"{nonce}\", qop=\"auth\"{stale}\r\n");
        self.answer(asked, "401 Unauthorized", &line).await;
    }
}

#[tokio::test]
async fn the_login_differs_from_the_identity_and_a_stale_nonce_is_renewed() {
    let registrar = Registrar::new().await;
    let mut desk = Desk::start(registered(registrar.address()), 16);
    assert_eq!(desk.state().await, LineState::Registering);
    let asked = registrar.asked().await;
    assert!(asked.text.starts_with("REGISTER sip:home.example SIP/2.0\r\n"), "{}", asked.text);
    assert!(asked.lines("To")[0].contains("<sip:620@home.example>"), "{}", asked.text);
    registrar.challenge(&asked, "one", false).await;
    let asked = registrar.asked().await;
    let login = asked.lines("Authorization")[0];
    for part in ["username=\"login\"", "nonce=\"one\"", "qop=auth", "nc=00000001", "uri=\"sip:home.example\""] {
        assert!(login.contains(part), "{part} in {login}");
    }
    registrar.challenge(&asked, "two", true).await;
    let asked = registrar.asked().await;
    assert!(asked.lines("Authorization")[0].contains("nonce=\"two\""), "{}", asked.text);
    registrar.grant(&asked, 300).await;
    assert_eq!(desk.state().await, LineState::Ready);
    let stop = tokio::spawn(desk.gateway.shutdown(Duration::from_secs(10)));
    let asked = registrar.asked().await;
    assert_eq!(asked.expires(), "0");
    registrar.grant(&asked, 0).await;
    soon("the end", stop).await.unwrap();
}

#[tokio::test]
async fn a_shorter_lifetime_brings_the_next_registration_sooner() {
    let registrar = Registrar::new().await;
    let mut desk = Desk::start(registered(registrar.address()), 16);
    let asked = registrar.asked().await;
    registrar.grant(&asked, 4).await;
    assert_eq!((desk.state().await, desk.state().await), (LineState::Registering, LineState::Ready));
    let granted = Instant::now();
    let again = registrar.asked().await;
    assert!((1.5..4.0).contains(&granted.elapsed().as_secs_f64()), "{:?}", granted.elapsed());
    assert!(again.sequence() > asked.sequence());
    assert_eq!(again.lines("Call-ID"), asked.lines("Call-ID"));
}

#[tokio::test]
async fn the_least_lifetime_a_router_takes_is_asked_for() {
    let registrar = Registrar::new().await;
    let mut desk = Desk::start(registered(registrar.address()), 16);
    let asked = registrar.asked().await;
    assert_eq!(asked.expires(), "300");
    registrar.answer(&asked, "423 Interval Too Brief", "Min-Expires: 1800\r\n").await;
    let asked = registrar.asked().await;
    assert_eq!(asked.expires(), "1800");
    registrar.grant(&asked, 1_800).await;
    assert_eq!((desk.state().await, desk.state().await), (LineState::Registering, LineState::Ready));
}

#[tokio::test]
async fn a_wrong_password_is_said_in_words_and_not_tried_again_soon() {
    let registrar = Registrar::new().await;
    let mut desk = Desk::start(registered(registrar.address()), 16);
    for _ in 0..2 {
        let asked = registrar.asked().await;
        registrar.challenge(&asked, "one", false).await;
    }
    assert_eq!(desk.state().await, LineState::Registering);
    let LineState::Failing(words) = desk.state().await else { panic!("failing") };
    assert!(words.contains("refuses the login") && words.contains("`password`"), "{words}");
    let seconds: u32 = words.rsplit(' ').nth(1).unwrap().parse().unwrap();
    assert!(seconds >= 45, "{words}");
}

#[tokio::test]
async fn a_silent_router_is_noticed_and_the_line_comes_back() {
    let registrar = Registrar::new().await;
    let mut settings = registered(registrar.address());
    let Mode::Registered(account) = &mut settings.mode else { panic!("registered") };
    account.refresh_s = 1;
    let mut desk = Desk::start(settings, 16);
    registrar.grant(&registrar.asked().await, 300).await;
    assert_eq!((desk.state().await, desk.state().await), (LineState::Registering, LineState::Ready));
    let LineState::Failing(words) = desk.state().await else { panic!("failing") };
    assert!(words.contains("does not answer"), "{words}");
    // What it asked meanwhile is still in the queue; an answer to the latest counts.
    let ready = async {
        loop {
            tokio::select! {
                asked = registrar.asked() => registrar.grant(&asked, 300).await,
                state = desk.state() => if state == LineState::Ready { break },
            }
        }
    };
    soon("the line", ready).await;
}

#[tokio::test]
async fn only_the_registrar_may_send_calls() {
    let registrar = Registrar::new().await;
    let mut desk = Desk::start(registered(registrar.address()), 16);
    registrar.grant(&registrar.asked().await, 300).await;
    assert_eq!((desk.state().await, desk.state().await), (LineState::Registering, LineState::Ready));
    let mut stranger = Caller::new(desk.address()).await;
    stranger.socket = UdpSocket::bind("127.0.0.2:0").await.unwrap();
    stranger.invite().await;
    assert_eq!(stranger.hear().await.code, 403);
    assert_eq!(desk.gateway.counts()[0].1.strangers, 1);
    let mut caller = Caller::new(desk.address()).await;
    caller.socket = registrar.0;
    caller.invite().await;
    let call = desk.incoming().await.call;
    desk.answer(call, Answer::Block(BlockedBy::Own)).await;
    assert_eq!(caller.final_answer().await.code, 607);
    assert_eq!(desk.ended(call).await, Ending::Refused);
}

#[tokio::test]
async fn a_registrar_nobody_knows_and_a_port_in_use_are_said_in_words() {
    let mut settings = registered("127.0.0.1:1".parse().unwrap());
    let Mode::Registered(account) = &mut settings.mode else { panic!("registered") };
    account.registrar = "router.invalid".into();
    let mut desk = Desk::start(settings, 16);
    assert_eq!(desk.state().await, LineState::Registering);
    let LineState::Failing(words) = desk.state().await else { panic!("failing") };
    assert!(words.contains("called router.invalid"), "{words}");

    let taken = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut settings = direct();
    settings.bind = taken.local_addr().unwrap();
    let mut desk = Desk::start(settings, 16);
    let LineState::Failing(words) = desk.state().await else { panic!("failing") };
    assert!(words.contains("another program may hold the port"), "{words}");
    drop(taken);
    while desk.state().await != LineState::Ready {}
    assert!(desk.gateway.address("home").is_some());
}

#[tokio::test]
async fn over_a_stream_calls_come_back_on_the_registration_and_its_loss_is_noticed() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut settings = registered(listener.local_addr().unwrap());
    settings.transport = Transport::Tcp;
    let mut desk = Desk::start(settings, 16);
    assert_eq!(desk.state().await, LineState::Registering);
    for round in 0..2 {
        let (stream, _) = soon("a connection", listener.accept()).await.unwrap();
        let mut wire = crate::bad_input::Wire::new(stream);
        let text = wire.hear().await;
        let own = format!("SIP/2.0/TCP {};", desk.address());
        assert!(text.starts_with("REGISTER ") && text.contains(&own), "{text}");
        let kept = ["Via:", "From:", "Call-ID:", "CSeq:", "To:", "Contact:"];
        let kept: Vec<&str> = text.lines().filter(|line| kept.iter().any(|name| line.starts_with(name))).collect();
        assert!(text.contains(";transport=TCP>") || text.contains(";transport=tcp>"), "{text}");
        wire.send(format!("SIP/2.0 200 OK\r\n{}\r\nContent-Length: 0\r\n\r\n", kept.join("\r\n"))).await;
        assert_eq!(desk.state().await, LineState::Ready);
        let caller = Caller::new(desk.address()).await;
        wire.send(caller.request("INVITE", "", "", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP")).await;
        assert!(wire.hear().await.starts_with("SIP/2.0 100 "));
        let call = desk.incoming().await.call;
        if round == 0 {
            // The router goes away in the middle of a call: the call is over for us, and the line registers anew.
            drop(wire);
            let events = [desk.event().await, desk.event().await];
            assert!(events.contains(&Event::Ended { call, how: Ending::LineLost }), "{events:?}");
            let lost = |event: &Event| matches!(event, Event::Line { state: LineState::Registering, .. });
            assert!(events.iter().any(lost), "{events:?}");
        } else {
            desk.answer(call, Answer::Block(BlockedBy::Own)).await;
            assert!(wire.hear().await.starts_with("SIP/2.0 607 "));
            assert_eq!(desk.ended(call).await, Ending::Refused);
        }
    }
}
