//! The shortest session description that takes a call, so that it can be hung up.

use std::net::IpAddr;

/// Answers an offer (RFC 3264): its first plain audio stream is accepted inactive, every other stream is refused. The
/// port is the discard port because no sound will flow. `None` when there is nothing in the offer that could be taken.
pub(crate) fn answer(offer: &[u8], address: IpAddr) -> Option<Vec<u8>> {
    let text = String::from_utf8_lossy(offer);
    let streams: Vec<&str> = text.lines().filter_map(|line| line.trim_end().strip_prefix("m=")).take(16).collect();
    // An INVITE without an offer: the answer carries one itself (RFC 3261 13.2.1).
    let streams = if offer.is_empty() { vec!["audio 9 RTP/AVP 8"] } else { streams };
    let taken = streams.iter().position(|stream| plain_audio(stream).is_some())?;
    let family = if address.is_ipv4() { "IP4" } else { "IP6" };
    let mut lines = format!("v=0\r\no=- 1 1 IN {family} {address}\r\ns=-\r\nc=IN {family} {address}\r\nt=0 0\r\n");
    for (at, stream) in streams.iter().enumerate() {
        match plain_audio(stream).filter(|_| at == taken) {
            Some(format) => lines.push_str(&taken_stream(format)),
            None => lines.push_str(&refused_stream(stream)),
        }
    }
    Some(lines.into_bytes())
}

/// The format to take from an `m=` line: PCMA where it is offered, else what comes first.
fn plain_audio(stream: &str) -> Option<&str> {
    let mut words = stream.split_whitespace();
    let (kind, port, profile) = (words.next()?, words.next()?, words.next()?);
    if kind != "audio" || port == "0" || !matches!(profile, "RTP/AVP" | "RTP/AVPF") {
        return None;
    }
    let formats: Vec<&str> = words.collect();
    formats.iter().find(|format| **format == "8").or_else(|| formats.first()).copied()
}

fn taken_stream(format: &str) -> String {
    let known = match format {
        "8" => "a=rtpmap:8 PCMA/8000\r\n",
        "0" => "a=rtpmap:0 PCMU/8000\r\n",
        _ => "",
    };
    format!("m=audio 9 RTP/AVP {format}\r\n{known}a=inactive\r\n")
}

/// The stream with port 0, which refuses it (RFC 3264 6).
fn refused_stream(stream: &str) -> String {
    let mut words = stream.split_whitespace();
    let (kind, _port) = (words.next().unwrap_or("audio"), words.next());
    let rest: Vec<&str> = words.take(2).collect();
    let rest = if rest.len() == 2 { rest.join(" ") } else { "RTP/AVP 0".to_owned() };
    format!("m={kind} 0 {rest}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(offer: &str) -> Option<String> {
        answer(offer.as_bytes(), IpAddr::from([127, 0, 0, 1])).map(|bytes| String::from_utf8(bytes).expect("text"))
    }

    #[test]
    fn one_stream_is_taken_the_others_are_refused() {
        let answer =
            answered("v=0\r\nm=audio 4000 RTP/AVP 0 8 101\r\nm=video 4002 RTP/AVP 96 97\r\n").expect("an answer");
        assert!(answer.contains("m=audio 9 RTP/AVP 8\r\na=rtpmap:8 PCMA/8000\r\na=inactive\r\n"), "{answer}");
        assert!(answer.ends_with("m=video 0 RTP/AVP 96\r\n"), "{answer}");
    }

    #[test]
    fn without_an_offer_an_offer_is_made() {
        assert!(answered("").expect("an offer").contains("m=audio 9 RTP/AVP 8\r\n"));
    }

    #[test]
    fn an_offer_without_plain_audio_is_not_answered() {
        for offer in ["v=0\r\nm=audio 4000 RTP/SAVP 8\r\n", "v=0\r\nm=audio 0 RTP/AVP 8\r\n", "v=0\r\n", "\u{0}garbage"]
        {
            assert_eq!(answered(offer), None, "{offer}");
        }
    }
}
