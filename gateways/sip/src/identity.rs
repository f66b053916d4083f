//! Who calls, read from an INVITE.
//!
//! `P-Asserted-Identity` (RFC 3325) comes before `From`. It is believed because of who sends it: a registered line takes
//! calls from its registrar only, a direct line from its own networks only, so whoever speaks is the line's own router,
//! and RFC 3325 makes that router answerable for what it passes on.

use meerkat_protocols::phone::{IdentitySource, Verstat};
use rsipstack::sip::{CallId, Header, HeadersExt, Request, UserAgent};

use crate::wire::readable;

/// Longest text handed on, in bytes: names and numbers people can read are shorter.
const TEXT_BYTES: usize = 256;

/// Who calls, as the message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) user: String,
    pub(crate) anonymous: bool,
    pub(crate) name: String,
    pub(crate) source: IdentitySource,
    pub(crate) verstat: Option<Verstat>,
    pub(crate) metadata: Vec<(String, String)>,
}

/// Reads the caller. What is missing or beyond understanding is empty: the node decides what that means.
pub(crate) fn read(request: &Request) -> Caller {
    let from = request.from_header().ok().map(|header| Address::read(header.value())).unwrap_or_default();
    let asserted = asserted(request);
    let privacy = request.headers.iter().any(|header| match header {
        Header::Privacy(privacy) => hides(privacy.value()),
        _ => false,
    });
    let anonymous = privacy || from.anonymous() || asserted.as_ref().is_some_and(Address::anonymous);
    let source = if asserted.is_some() { IdentitySource::Asserted } else { IdentitySource::From };
    let (shown, verstat) = match asserted {
        Some(asserted) => {
            let name = if asserted.name.is_empty() { from.name } else { asserted.name };
            ((asserted.user, name), asserted.verstat.or(from.verstat))
        }
        None => ((from.user, from.name), from.verstat),
    };
    Caller { user: shown.0, anonymous, name: shown.1, source, verstat, metadata: metadata(request) }
}

/// The first asserted address that names somebody: there may be one `sip:` and one `tel:` (RFC 3325 9.1).
fn asserted(request: &Request) -> Option<Address> {
    let values = request.headers.iter().filter_map(|header| match header {
        Header::PAssertedIdentity(value) => Some(value.value()),
        _ => None,
    });
    values.flat_map(entries).map(Address::read).find(|address| !address.user.is_empty())
}

/// Whether a Privacy header hides the caller (RFC 3323 4.2, RFC 3325 9.3).
fn hides(privacy: &str) -> bool {
    let mut words = privacy.split([';', ',']).map(str::trim);
    words.any(|word| ["id", "user", "header"].iter().any(|hidden| word.eq_ignore_ascii_case(hidden)))
}

fn metadata(request: &Request) -> Vec<(String, String)> {
    let call_id = request.call_id_header().ok().map(CallId::value);
    let agent = request.user_agent_header().map(UserAgent::value);
    let facts = [("call_id", call_id), ("user_agent", agent)];
    facts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), bounded(&readable(text?))))).collect()
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Address {
    name: String,
    user: String,
    host: String,
    verstat: Option<Verstat>,
}

impl Address {
    /// Reads `"name" <scheme:user@host;params>;params` and its shorter forms.
    fn read(value: &str) -> Address {
        let (name, rest) = display_name(value.trim());
        let (uri, after) = match rest.strip_prefix('<') {
            Some(inner) => inner.split_once('>').unwrap_or((inner, "")),
            None => rest.split_once(';').map_or((rest, ""), |(uri, after)| (uri, after)),
        };
        let verstat = verstat(uri).or_else(|| verstat(after));
        let (scheme, address) = uri.split_once(':').unwrap_or(("", uri));
        let (user, host) = if scheme.eq_ignore_ascii_case("tel") {
            (address, "")
        } else {
            address.rsplit_once('@').unwrap_or(("", address))
        };
        let user = user.split(';').next().unwrap_or_default();
        let user = user.split_once(':').map_or(user, |(user, _password)| user);
        let host = host.split([';', '?', ':']).next().unwrap_or_default();
        Address {
            name: bounded(&readable(&name)),
            user: bounded(&readable(&percent_decoded(user))),
            host: host.to_owned(),
            verstat,
        }
    }

    /// `anonymous@anonymous.invalid` (RFC 3323 4.1.1.3) and what routers make of it.
    fn anonymous(&self) -> bool {
        self.user.eq_ignore_ascii_case("anonymous") || self.host.eq_ignore_ascii_case("anonymous.invalid")
    }
}

/// Splits the shown name from the address behind it.
fn display_name(value: &str) -> (String, &str) {
    if let Some(quoted) = value.strip_prefix('"') {
        let mut name = String::new();
        let mut characters = quoted.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => return (name, quoted[at + 1..].trim_start()),
                '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
                plain => name.push(plain),
            }
        }
        return (name, "");
    }
    match value.find('<') {
        Some(at) => (value[..at].trim().to_owned(), &value[at..]),
        None => (String::new(), value),
    }
}

/// Splits a list at the commas outside quotes and brackets.
fn entries(value: &str) -> Vec<&str> {
    let (mut quoted, mut bracketed, mut escaped, mut start) = (false, false, false, 0);
    let mut found = Vec::new();
    for (at, character) in value.char_indices() {
        match character {
            '"' if !escaped => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            ',' if !quoted && !bracketed => {
                found.push(&value[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        escaped = character == '\\' && !escaped;
    }
    found.push(&value[start..]);
    found
}

/// The `verstat` parameter, wherever networks put it: behind the user, the host or the bracket.
fn verstat(text: &str) -> Option<Verstat> {
    text.split([';', '@', '?', ',']).find_map(|part| {
        let (name, value) = part.split_once('=')?;
        if !name.trim().eq_ignore_ascii_case("verstat") {
            return None;
        }
        let value = value.trim().trim_matches('"');
        // Some networks append the level of attestation, as in `TN-Validation-Passed-A`.
        let begins = |word: &str| value.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        match () {
            () if begins("TN-Validation-Passed") => Some(Verstat::Passed),
            () if begins("TN-Validation-Failed") => Some(Verstat::Failed),
            () if begins("No-TN-Validation") => Some(Verstat::NotValidated),
            () => None,
        }
    })
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let hex = text.get(at + 1..at + 3).and_then(|pair| u8::from_str_radix(pair, 16).ok());
        match hex.filter(|_| *byte == b'%') {
            Some(value) => {
                decoded.push(value);
                at += 3;
            }
            None => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// Cuts at the last character that fits.
fn bounded(text: &str) -> String {
    let mut end = text.len().min(TEXT_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rsipstack::sip::SipMessage;

    use super::*;
    use crate::wire::{Screened, screen};

    fn caller(lines: &str) -> Caller {
        let text = format!(
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z9hG4bKx\r\nTo: <sip:a@b>\r\nCall-ID: c-1\r\n\
             CSeq: 1 INVITE\r\n{lines}\r\n\r\n"
        );
        let Screened::Take(bytes) = screen(text.as_bytes()) else { panic!("not taken: {text}") };
        let SipMessage::Request(request) = SipMessage::try_from(bytes.as_slice()).expect("parses") else {
            panic!("a request")
        };
        read(&request)
    }

    #[test]
    fn from_alone() {
        let caller =
            caller("From: \"Müller, Anna\" <sip:%2B4930123@provider.example;user=phone>;tag=1\r\nUser-Agent: X");
        assert_eq!((caller.user.as_str(), caller.name.as_str()), ("+4930123", "Müller, Anna"));
        assert_eq!((caller.source, caller.anonymous, caller.verstat), (IdentitySource::From, false, None));
        let metadata = [("call_id", "c-1"), ("user_agent", "X")].map(|(name, text)| (name.into(), text.into()));
        assert_eq!(caller.metadata, metadata);
    }

    #[test]
    fn the_asserted_identity_comes_first_whatever_its_form() {
        for value in [
            "<tel:+4930999>",
            "\"A, B\" <sip:+4930999@p.example>, <tel:+1>",
            "tel:+4930999;verstat=No-TN-Validation",
            "<sip:p.example>, <sip:+4930999;verstat=No-TN-Validation@p.example;user=phone>",
        ] {
            let caller = caller(&format!("From: <sip:+49666@x>;tag=1\r\nP-Asserted-Identity: {value}"));
            assert_eq!((caller.user.as_str(), caller.source), ("+4930999", IdentitySource::Asserted), "{value}");
            let verstat = value.contains("verstat").then_some(Verstat::NotValidated);
            assert_eq!(caller.verstat, verstat, "{value}");
        }
    }

    #[test]
    fn verstat_is_found_at_every_place() {
        for (value, expected) in [
            ("<sip:+1;verstat=TN-Validation-Passed@p>", Some(Verstat::Passed)),
            ("<sip:+1@p;user=phone;verstat=TN-Validation-Failed>", Some(Verstat::Failed)),
            ("<sip:+1@p>;verstat=no-tn-validation", Some(Verstat::NotValidated)),
            ("<sip:+1@p>;verstat=TN-Validation-Passed-A", Some(Verstat::Passed)),
            ("<sip:+1@p>;verstat=what", None),
        ] {
            assert_eq!(caller(&format!("From: {value};tag=1")).verstat, expected, "{value}");
        }
    }

    #[test]
    fn anonymous_callers() {
        for lines in [
            "From: \"Anonymous\" <sip:anonymous@anonymous.invalid>;tag=1",
            "From: <sip:Anonymous@router>;tag=1",
            "From: <sip:+49@x>;tag=1\r\nPrivacy: header;id",
            "From: <sip:c8oqz84zk7z@anonymous.invalid>;tag=1",
        ] {
            assert!(caller(lines).anonymous, "{lines}");
        }
        assert!(!caller("From: <sip:+49@x>;tag=1\r\nPrivacy: none").anonymous);
    }

    #[test]
    fn odd_names_stay_as_they_came_but_bounded() {
        let caller = caller("From: \"<b>\\\"hi\\\"</b>\" <sip:+49@x>;tag=1");
        assert_eq!((caller.name.as_str(), caller.user.as_str()), ("<b>\"hi\"</b>", "+49"));
        let long = self::caller(&format!("From: \"{}\" <sip:+49@x>;tag=1", "ä".repeat(400)));
        assert_eq!(long.name.len(), TEXT_BYTES);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[ -~äöü€]{0,200}") {
            let address = Address::read(&text);
            prop_assert!(address.user.len() <= TEXT_BYTES && address.name.len() <= TEXT_BYTES);
            prop_assert_eq!(entries(&text).join(","), text);
        }
    }
}
