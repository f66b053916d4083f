//! Messages in the spirit of RFC 4475, of our own writing.

pub(crate) type Message = fn() -> Vec<u8>;

fn message(first: &str, lines: &str, body: &str) -> Vec<u8> {
    format!("{first}\r\n{lines}\r\n{body}").into_bytes()
}

const FIRST: &str = "INVITE sip:house@127.0.0.1 SIP/2.0";
const REST: &str = "Via: SIP/2.0/UDP 127.0.0.1:9;branch=z9hG4bKt\r\nFrom: <sip:t@t>;tag=t\r\nTo: <sip:h@h>\r\n\
                    Call-ID: t\r\nCSeq: 1 INVITE\r\n";

fn with(line: &str) -> Vec<u8> {
    message(FIRST, &format!("{REST}{line}\r\n"), "")
}

fn without(name: &str) -> Vec<u8> {
    let lines: Vec<String> =
        REST.split_inclusive("\r\n").filter(|line| !line.starts_with(name)).map(str::to_owned).collect();
    message(FIRST, &lines.concat(), "")
}

pub(crate) const MESSAGES: &[(&str, Message)] = &[
    ("empty", Vec::new),
    ("only line ends", || b"\r\n\r\n\r\n\r\n\r\n\r\n".to_vec()),
    ("binary", || (0..=255_u8).cycle().take(4_000).collect()),
    ("zeros", || vec![0; 9_000]),
    ("64 KiB of header", || with(&format!("X-Long: {}", "x".repeat(65_000 - 300)))),
    ("3000 Vias in lines", || with("Via: SIP/2.0/UDP 127.0.0.1;branch=z9hG4bKv\r\n".repeat(1_300).trim_end())),
    ("3000 Vias in one line", || with(&format!("Via: {}", "SIP/2.0/UDP h,".repeat(400)))),
    ("no end of headers", || format!("{FIRST}\r\n{REST}").into_bytes()),
    ("Content-Length too great", || with("Content-Length: 4000000000")),
    ("Content-Length beyond 64 bits", || with("Content-Length: 99999999999999999999")),
    ("Content-Length at 64 bits", || with("Content-Length: 18446744073709551615")),
    ("Content-Length negative", || with("Content-Length: -5")),
    ("Content-Length twice", || with("Content-Length: 0\r\nContent-Length: 7")),
    ("Content-Length too small", || message(FIRST, &format!("{REST}Content-Length: 1\r\n"), "v=0\r\nm=audio\r\n")),
    ("no From", || without("From")),
    ("no To", || without("To")),
    ("no Call-ID", || without("Call-ID")),
    ("no CSeq", || without("CSeq")),
    ("no Via", || without("Via")),
    ("From without a tag", || message(FIRST, &REST.replace(";tag=t", ""), "")),
    ("CSeq of another method", || message(FIRST, &REST.replace("1 INVITE", "1 BYE"), "")),
    ("CSeq beyond 32 bits", || message(FIRST, &REST.replace("1 INVITE", "36893488147419103232 INVITE"), "")),
    ("negative CSeq", || message(FIRST, &REST.replace("1 INVITE", "-1 INVITE"), "")),
    ("another version", || message("INVITE sip:a SIP/7.0", REST, "")),
    ("another protocol", || message("GET / HTTP/1.1", "Host: x\r\n", "")),
    ("no address", || message("INVITE  SIP/2.0", REST, "")),
    ("spaces in the address", || message("INVITE sip:a b c@d SIP/2.0", REST, "")),
    ("an unknown scheme", || message("INVITE nobody-knows:this SIP/2.0", REST, "")),
    ("an unclosed quote", || message(FIRST, &REST.replace("<sip:t@t>", "\"t <sip:t@t>"), "")),
    ("an unclosed bracket", || message(FIRST, &REST.replace("<sip:t@t>", "<sip:t@t"), "")),
    ("an IPv6 address cut short", || message(FIRST, &REST.replace("127.0.0.1:9", "[::1"), "")),
    ("a port beyond 16 bits", || message(FIRST, &REST.replace("127.0.0.1:9", "127.0.0.1:99999"), "")),
    ("a Via of another kind", || message(FIRST, &REST.replace("SIP/2.0/UDP", "SIP/2.0/PIGEON"), "")),
    ("folded lines", || message(FIRST, &REST.replace("Call-ID: t", "Call-ID:\r\n   t\r\n\tu"), "")),
    ("a header without a colon", || with("nonsense")),
    ("a colon without a header", || with(": nonsense")),
    ("odd signs in every place", || {
        message("OPTIONS sip:\u{202e}@\u{0}%%%;;;=?& SIP/2.0", &REST.replace("INVITE", "OPTIONS"), "")
    }),
    ("an answer nobody asked for", || message("SIP/2.0 200 OK", REST, "")),
    ("an answer with a code of four digits", || message("SIP/2.0 9999 Strange", REST, "")),
    ("an answer without a code", || message("SIP/2.0 ", REST, "")),
    ("an unknown method", || message("NEWMETHOD sip:a@b SIP/2.0", &REST.replace("INVITE", "NEWMETHOD"), "")),
    ("a stray ACK", || message("ACK sip:a@b SIP/2.0", &REST.replace("INVITE", "ACK"), "")),
    ("a stray CANCEL", || message("CANCEL sip:a@b SIP/2.0", &REST.replace("INVITE", "CANCEL"), "")),
    ("a Contact of nonsense", || with("Contact: <<<>>>,,,\"\"\"")),
    ("a thousand parameters", || with(&format!("Contact: <sip:a@b>{}", ";a=b".repeat(1_000)))),
    ("nested asserted identities", || with(&format!("P-Asserted-Identity: {}", "<".repeat(2_000)))),
    ("percent signs without digits", || message(FIRST, &REST.replace("sip:t@t", "sip:%%zz%e9%@t"), "")),
    ("line ends of one kind only", || String::from_utf8_lossy(&with("X: y")).replace("\r\n", "\n").into_bytes()),
    ("two messages in one datagram", || [with("X: y"), with("X: z")].concat()),
];
