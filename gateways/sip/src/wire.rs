//! What is looked at before a message is parsed, and the stand-ins that let odd but honest messages through the parser.
//!
//! The parser takes a line that is not UTF-8 as the end of the message, and takes a `<` inside a quoted name for the
//! beginning of the address. Either would let a caller ring unscreened by a choice of name. So such bytes are replaced
//! by private-use characters on the way in, and put back on the way out: what is echoed equals what came (RFC 3261
//! 8.2.6.2).

use rsipstack::sip::{Header, HeadersExt, Method, Request, Response, SipMessage, StatusCode};

/// Longest message taken, in bytes. Real INVITEs with a signed identity stay below 4 KiB; the stack's own buffer for a
/// datagram ends at 8 KiB.
pub(crate) const MESSAGE_BYTES: usize = 8_192;
/// Most header lines taken. Real INVITEs have 15 to 40.
const HEADER_LINES: usize = 128;
/// Byte `b` stands in as the character `STAND_IN + b`, in the private use area.
const STAND_IN: u32 = 0xE000;

/// What a look at the raw bytes says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Screened {
    /// Parse these bytes.
    Take(Vec<u8>),
    /// Send this answer back and forget the message.
    Answer(Vec<u8>),
    /// Forget the message.
    Drop(&'static str),
}

/// Looks at one whole message.
pub(crate) fn screen(message: &[u8]) -> Screened {
    if message.len() > MESSAGE_BYTES {
        return Screened::Drop("too long");
    }
    let Some(end) = headers_end(message) else { return Screened::Drop("no end of headers") };
    let (head, body) = message.split_at(end);
    if head.iter().filter(|byte| **byte == b'\n').count() > HEADER_LINES {
        return Screened::Drop("too many header lines");
    }
    let first = head.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    if !first.starts_with(b"SIP/2.0 ") && !first.ends_with(b" SIP/2.0") {
        return Screened::Drop("not SIP/2.0");
    }
    let mut taken = stand_in(head).into_bytes();
    taken.extend_from_slice(body);
    if taken.len() > MESSAGE_BYTES {
        return Screened::Drop("too long");
    }
    match unknown_method(first).and_then(|method| not_implemented(&taken, method)) {
        Some(answer) => Screened::Answer(answer),
        None => Screened::Take(taken),
    }
}

/// Where the headers end, the empty line included.
pub(crate) fn headers_end(message: &[u8]) -> Option<usize> {
    message.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4)
}

/// The method of a request the parser would refuse to name.
fn unknown_method(first_line: &[u8]) -> Option<&str> {
    let line = std::str::from_utf8(first_line).ok()?;
    if line.starts_with("SIP/2.0 ") {
        return None;
    }
    let method = line.split(' ').next()?;
    let token = !method.is_empty() && method.len() <= 32 && method.bytes().all(|byte| byte.is_ascii_alphabetic());
    (token && method.parse::<Method>().is_err()).then_some(method)
}

/// `501 Not Implemented` for a method nobody here knows (RFC 3261 8.2.1): the message is read as if the method were a
/// known one, and only the headers an answer repeats are kept.
fn not_implemented(message: &[u8], method: &str) -> Option<Vec<u8>> {
    let mut known = b"OPTIONS".to_vec();
    known.extend_from_slice(message.get(method.len()..)?);
    let SipMessage::Request(request) = SipMessage::try_from(known.as_slice()).ok()? else { return None };
    request.via_header().ok()?;
    let status = StatusCode::NotImplemented;
    let mut answer = bare_answer(&request, status);
    answer.headers.push(Header::Allow(crate::line::ALLOW.into()));
    Some(put_back(&answer.to_bytes()))
}

/// An answer outside any transaction: the headers RFC 3261 8.2.6.2 asks for and nothing else.
pub(crate) fn bare_answer(request: &Request, status: StatusCode) -> Response {
    let mut headers = request.headers.clone();
    let repeated = |header: &Header| {
        matches!(header, Header::Via(_) | Header::From(_) | Header::To(_) | Header::CallId(_) | Header::CSeq(_))
    };
    headers.retain(repeated);
    headers.push(Header::ContentLength(0_u32.into()));
    Response { status_code: status, wire_reason: None, version: rsipstack::sip::Version::V2, headers, body: Vec::new() }
}

fn stand_in_of(byte: u8) -> char {
    char::from_u32(STAND_IN + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte a character stands in for: only those [`stand_in`] replaces, so that nobody can write line ends with them.
fn stood_for(character: char) -> Option<u8> {
    let byte = u8::try_from(u32::from(character).checked_sub(STAND_IN)?).ok()?;
    (byte >= 0x80 || matches!(byte, b'<' | b'>')).then_some(byte)
}

/// Replaces bytes that are not UTF-8 anywhere, and angle brackets inside quotes.
fn stand_in(head: &[u8]) -> String {
    let mut text = String::with_capacity(head.len());
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        let mut quoted = false;
        let mut escaped = false;
        for chunk in line.utf8_chunks() {
            for character in chunk.valid().chars() {
                let bracket = quoted && matches!(character, '<' | '>');
                if bracket || stood_for(character).is_some() {
                    // Somebody's own private-use characters are treated as bytes too: nothing is ambiguous.
                    text.extend(character.encode_utf8(&mut [0; 4]).bytes().map(stand_in_of));
                } else {
                    text.push(character);
                }
                quoted ^= character == '"' && !escaped;
                escaped = character == '\\' && quoted && !escaped;
            }
            text.extend(chunk.invalid().iter().map(|byte| stand_in_of(*byte)));
        }
    }
    text
}

/// Puts the bytes back for which characters stand in, in the headers of an outgoing message.
pub(crate) fn put_back(message: &[u8]) -> Vec<u8> {
    let end = headers_end(message).unwrap_or(message.len());
    let (head, body) = message.split_at(end);
    let Ok(head) = std::str::from_utf8(head) else { return message.to_vec() };
    let mut bytes = Vec::with_capacity(message.len());
    for character in head.chars() {
        match stood_for(character) {
            Some(byte) => bytes.push(byte),
            None => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes.extend_from_slice(body);
    bytes
}

/// The text a person reads: stand-ins as the characters they were, bytes above 127 as Latin-1, the usual reason why a
/// name is not UTF-8.
pub(crate) fn readable(text: &str) -> String {
    text.chars().map(|character| stood_for(character).map_or(character, char::from)).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: &str = "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:5;branch=z9hG4bKx\r\nTo: <sip:a@b>\r\n\
                        Call-ID: c\r\nCSeq: 1 INVITE\r\n";

    fn taken(message: &[u8]) -> SipMessage {
        match screen(message) {
            Screened::Take(bytes) => SipMessage::try_from(bytes.as_slice()).expect("parses"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bracket_in_a_name_and_latin_1_are_parsed_and_echoed_as_they_came() {
        let mut message = HEAD.as_bytes().to_vec();
        message.extend_from_slice(b"From: \"M\xfcller <b>\\\"x\" <sip:+49@b>;tag=1\r\n\r\n");
        let SipMessage::Request(request) = taken(&message) else { panic!("a request") };
        assert_eq!(request.from_header().expect("From").tag().expect("tag").expect("tag").value(), "1");
        let back = put_back(&request.to_bytes());
        let name = b"\"M\xfcller <b>\\\"x\" <sip:+49@b>;tag=1";
        assert!(back.windows(name.len()).any(|window| window == name), "{}", String::from_utf8_lossy(&back));
        assert_eq!(readable(request.from_header().expect("From").value()), "\"Müller <b>\\\"x\" <sip:+49@b>;tag=1");
    }

    #[test]
    fn stand_ins_never_write_line_ends() {
        let message = "SIP/2.0 200 OK\r\nFrom: \u{E00D}\u{E00A}X: y\u{E03C}\r\n\r\n".as_bytes();
        assert_eq!(screen(message), Screened::Take(stand_in(message).into_bytes()));
        assert_eq!(put_back(stand_in(message).as_bytes()), message);
        assert_eq!(put_back("\u{E00D}\u{E00A}".as_bytes()), "\u{E00D}\u{E00A}".as_bytes());
    }

    #[test]
    fn bounds_hold() {
        let many = format!("{HEAD}{}\r\n", "Via: SIP/2.0/UDP h;branch=z9hG4bKy\r\n".repeat(3_000));
        assert_eq!(screen(many.as_bytes()), Screened::Drop("too long"));
        let lines = format!("{HEAD}{}\r\n", "X: y\r\n".repeat(200));
        assert_eq!(screen(lines.as_bytes()), Screened::Drop("too many header lines"));
        assert_eq!(screen(b"GET / HTTP/1.1\r\n\r\n"), Screened::Drop("not SIP/2.0"));
        assert_eq!(screen(HEAD.as_bytes()), Screened::Drop("no end of headers"));
    }

    #[test]
    fn an_unknown_method_is_answered_501() {
        let message = HEAD.replace("INVITE", "FROBNICATE") + "From: <sip:x@y>;tag=1\r\n\r\n";
        let Screened::Answer(answer) = screen(message.as_bytes()) else { panic!("an answer") };
        let answer = String::from_utf8(answer).expect("text");
        assert!(answer.starts_with("SIP/2.0 501 "), "{answer}");
        assert!(answer.contains("CSeq: 1 FROBNICATE\r\n") && answer.contains("Allow: INVITE"), "{answer}");
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = screen(&bytes);
            let mut message = HEAD.as_bytes().to_vec();
            message.extend_from_slice(b"From: ");
            message.extend_from_slice(&bytes);
            message.extend_from_slice(b"\r\n\r\n");
            if let Screened::Take(taken) = screen(&message) {
                prop_assert_eq!(put_back(&taken), message);
                let _ = SipMessage::try_from(taken.as_slice());
            }
        }
    }
}
