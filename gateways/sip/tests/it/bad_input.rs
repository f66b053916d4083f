//! What no honest router sends. Whatever it is, the next call must be answered.

use std::net::SocketAddr;
use std::time::Duration;

use meerkat_protocols::phone::{Answer, BlockedBy, Ending};
use meerkat_sip::Transport;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::desk::{Caller, Desk, direct, soon};
use crate::torture::MESSAGES;

/// A TCP connection that reads whole messages.
pub(crate) struct Wire {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Wire {
    pub(crate) fn new(stream: TcpStream) -> Wire {
        Wire { stream, buffer: Vec::new() }
    }

    pub(crate) async fn open(address: SocketAddr) -> Wire {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Wire::new(stream)
    }

    pub(crate) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).await.unwrap();
    }

    /// The next message without a body.
    pub(crate) async fn hear(&mut self) -> String {
        loop {
            if let Some(end) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let rest = self.buffer.split_off(end + 4);
                return String::from_utf8(std::mem::replace(&mut self.buffer, rest)).unwrap();
            }
            let read = soon("a message", self.stream.read_buf(&mut self.buffer)).await.unwrap();
            assert_ne!(read, 0, "the connection was closed");
        }
    }

    /// Waits until the other side closes.
    pub(crate) async fn closed(&mut self) {
        let mut rest = Vec::new();
        // A reset is a way of closing too.
        let _ = soon("the end of the connection", self.stream.read_to_end(&mut rest)).await;
    }
}

/// One ordinary call is still decided.
async fn still_works(desk: &mut Desk) {
    let caller = Caller::new(desk.address()).await;
    caller.invite().await;
    let call = loop {
        // Calls out of the torture chamber may come first; they end by themselves.
        if let meerkat_protocols::phone::Event::Incoming(call) = desk.event().await
            && call.caller == format!("+4930{}", caller.id)
        {
            break call.call;
        }
    };
    desk.answer(call, Answer::Block(BlockedBy::Own)).await;
    let heard = caller.final_answer().await;
    assert_eq!(heard.code, 607);
    caller.ack(&heard).await;
}

#[tokio::test]
async fn torture_over_udp_leaves_other_calls_alone() {
    let mut desk = Desk::open(direct()).await;
    let caller = Caller::new(desk.address()).await;
    for (name, message) in MESSAGES {
        caller.send(message()).await;
        still_works(&mut desk).await;
        assert!(!desk.gateway.counts().is_empty(), "after {name}");
    }
    let counts = desk.gateway.counts()[0].1;
    assert!(counts.malformed >= 8, "{counts:?}");
}

#[tokio::test]
async fn torture_over_tcp_costs_its_own_connection_at_most() {
    let mut settings = direct();
    settings.transport = Transport::Tcp;
    let mut desk = Desk::open(settings).await;
    for (name, message) in MESSAGES {
        let mut wire = Wire::open(desk.address()).await;
        // The other side may close while we are still writing.
        let _ = wire.stream.write_all(&message()).await;
        let _ = wire.stream.shutdown().await;
        wire.closed().await;
        call_over(&mut desk, name).await;
    }
}

async fn call_over(desk: &mut Desk, name: &str) {
    let mut wire = Wire::open(desk.address()).await;
    let caller = Caller::new(desk.address()).await;
    let invite = caller.request("INVITE", "", "", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP");
    for byte in invite.as_bytes().chunks(if name == "empty" { 1 } else { 4_096 }) {
        wire.send(byte).await;
    }
    assert!(wire.hear().await.starts_with("SIP/2.0 100 "), "after {name}");
    let call = loop {
        if let meerkat_protocols::phone::Event::Incoming(call) = desk.event().await
            && call.caller == format!("+4930{}", caller.id)
        {
            break call.call;
        }
    };
    desk.answer(call, Answer::Block(BlockedBy::Own)).await;
    assert!(wire.hear().await.starts_with("SIP/2.0 607 "), "after {name}");
    let ended = loop {
        if let meerkat_protocols::phone::Event::Ended { call: ended, how } = desk.event().await
            && ended == call
        {
            break how;
        }
    };
    assert_eq!(ended, Ending::Refused);
}

#[tokio::test]
async fn a_name_made_to_break_the_parser_is_still_screened() {
    let mut desk = Desk::open(direct()).await;
    for name in [&b"<script>alert(1)</script>"[..], b"M\xfcller", b"a;tag=evil <x", b"\\\"<", b"\xe2\x80\xae\x1b[31m"] {
        let caller = Caller::new(desk.address()).await;
        let mut from = b"From: \"".to_vec();
        from.extend_from_slice(name);
        from.extend_from_slice(format!("\" <sip:+49{}@x.example>;tag=f\r\n", caller.id).as_bytes());
        let text = caller.request("INVITE", "", "From: X", "");
        let (before, after) = text.split_once("From: X\r\n").unwrap();
        caller.send([before.as_bytes(), &from, after.as_bytes()].concat()).await;
        let call = desk.incoming().await;
        assert_eq!(call.caller, format!("+49{}", caller.id));
        desk.answer(call.call, Answer::Block(BlockedBy::Own)).await;
        let mut buffer = vec![0; 4_096];
        // The answer repeats the caller's own bytes (RFC 3261 8.2.6.2).
        let length = soon("an answer", caller.socket.recv(&mut buffer)).await.unwrap();
        assert!(buffer[..length].windows(from.len()).any(|window| window == from), "{name:?}");
        assert_eq!(desk.ended(call.call).await, Ending::Refused);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_message_is_given_ten_seconds() {
    let mut settings = direct();
    settings.transport = Transport::Tcp;
    let desk = Desk::open(settings).await;
    for start in ["", "INVITE sip:house@", "\r"] {
        let mut wire = Wire::new(TcpStream::connect(desk.address()).await.unwrap());
        let begun = tokio::time::Instant::now();
        wire.send(start).await;
        wire.closed().await;
        let waited = begun.elapsed();
        assert!((Duration::from_secs(10)..Duration::from_secs(12)).contains(&waited), "{start:?} {waited:?}");
    }
    assert_eq!(desk.gateway.counts()[0].1.connections_closed, 3);
}

#[tokio::test]
async fn connections_from_one_address_are_bounded() {
    let mut settings = direct();
    settings.transport = Transport::Tcp;
    let mut desk = Desk::open(settings).await;
    let mut wires = Vec::new();
    for _ in 0..8 {
        let mut wire = Wire::open(desk.address()).await;
        wire.send("\r\n\r\n").await;
        let mut pong = [0; 2];
        soon("a pong", wire.stream.read_exact(&mut pong)).await.unwrap();
        assert_eq!(&pong, b"\r\n");
        wires.push(wire);
    }
    let mut ninth = Wire::open(desk.address()).await;
    ninth.closed().await;
    assert_eq!(desk.gateway.counts()[0].1.connections_closed, 1);
    // One that goes makes room for one that calls.
    drop(wires.pop());
    let mut wire = loop {
        let mut wire = Wire::open(desk.address()).await;
        let mut pong = [0; 2];
        if wire.stream.write_all(b"\r\n\r\n").await.is_ok() && wire.stream.read_exact(&mut pong).await.is_ok() {
            break wire;
        }
    };
    let caller = Caller::new(desk.address()).await;
    wire.send(caller.request("INVITE", "", "", "").replace("SIP/2.0/UDP", "SIP/2.0/TCP")).await;
    assert_eq!(desk.incoming().await.caller, format!("+4930{}", caller.id));
}
