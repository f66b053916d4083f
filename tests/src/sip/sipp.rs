//! sipp as the caller.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

use super::free_port;
use super::program::Program;

/// One call to make.
#[derive(Debug, Clone)]
pub struct Call {
    /// Where to send it: a router, or a gateway directly.
    pub to: SocketAddr,
    /// The user called.
    pub user: String,
    /// The caller's number.
    pub from: String,
    /// The name shown beside it.
    pub name: String,
    /// Further header lines, each with its line end.
    pub headers: String,
    /// When to cancel, if there is no final answer until then.
    pub give_up_after: Duration,
    /// Over TCP instead of UDP.
    pub tcp: bool,
}

impl Call {
    /// A call to a user at an address, given up after five seconds.
    #[must_use]
    pub fn new(to: SocketAddr, user: &str, from: &str) -> Call {
        Call {
            to,
            user: user.into(),
            from: from.into(),
            name: "Test".into(),
            headers: String::new(),
            give_up_after: Duration::from_secs(5),
            tcp: false,
        }
    }
}

/// How a call went for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The final status of the INVITE; mostly 487 if the caller gave up.
    pub code: u16,
    /// From the INVITE to the final status, in microseconds.
    pub micros: u64,
    /// Every status of the INVITE with its time since the INVITE in microseconds, in order.
    pub heard: Vec<(u16, u64)>,
    /// Whether the other side hung up with BYE.
    pub hung_up: bool,
    /// Whether the caller gave up with CANCEL.
    pub gave_up: bool,
}

/// How many calls went how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Totals {
    /// Calls that went as the scenario says.
    pub succeeded: u64,
    /// Calls that did not.
    pub failed: u64,
}

/// sipp in a folder of its own.
#[derive(Debug)]
pub struct Sipp {
    program: Program,
    folder: TempDir,
}

impl Sipp {
    /// Starts a call; [`Sipp::outcome`] waits for its end.
    ///
    /// # Panics
    /// If sipp is missing.
    #[must_use]
    pub fn start(call: &Call) -> Sipp {
        Sipp::run(call, &scenario(call), &["-m", "1"])
    }

    /// Makes a call and waits for its end.
    ///
    /// # Panics
    /// If sipp is missing or never comes to an end.
    #[must_use]
    pub fn call(call: &Call) -> Outcome {
        Sipp::start(call).outcome()
    }

    /// Makes many calls, each of which must be refused with `code`.
    ///
    /// # Panics
    /// If sipp is missing or never comes to an end.
    #[must_use]
    pub fn load(call: &Call, code: u16, per_second: u32, total: u32) -> Totals {
        let (rate, total) = (per_second.to_string(), total.to_string());
        let scenario = refused_with(call, code);
        Sipp::run(call, &scenario, &["-r", &rate, "-m", &total, "-l", "5000", "-trace_stat"]).totals()
    }

    fn run(call: &Call, scenario: &str, more: &[&str]) -> Sipp {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("scenario.xml");
        std::fs::write(&file, scenario).expect("a scenario file");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let (file, port, to) = (at("scenario.xml"), free_port().to_string(), call.to.to_string());
        let (short, errors, stat) = (at("messages.csv"), at("errors.log"), at("stat.csv"));
        let mut arguments = vec![
            to.as_str(),
            "-sf",
            &file,
            "-i",
            "127.0.0.1",
            "-mi",
            "127.0.0.1",
            "-p",
            &port,
            "-s",
            &call.user,
            "-nostdin",
            "-t",
            if call.tcp { "t1" } else { "u1" },
            "-timeout",
            "120s",
            "-nd",
            "-trace_shortmsg",
            "-shortmessage_file",
            &short,
            "-trace_err",
            "-error_file",
            &errors,
            "-stf",
            &stat,
        ];
        arguments.extend(more);
        let program = Program::start("sipp", "sip-tester", arguments);
        Sipp { program, folder }
    }

    /// Waits for the end of the call.
    ///
    /// # Panics
    /// If there was no final answer: with what sipp says about it.
    #[must_use]
    pub fn outcome(mut self) -> Outcome {
        let _ = self.program.wait();
        let text = read(&self.folder.path().join("messages.csv"));
        let errors = read(&self.folder.path().join("errors.log"));
        outcome(&text).unwrap_or_else(|| panic!("no final answer:\n{text}\n{errors}\n{}", self.program.text()))
    }

    fn totals(mut self) -> Totals {
        let _ = self.program.wait();
        let text = read(&self.folder.path().join("stat.csv"));
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or_default().split(';').collect();
        let last: Vec<&str> = lines.last().unwrap_or_default().split(';').collect();
        let value = |name: &str| {
            let at = names.iter().position(|known| *known == name);
            let value = at.and_then(|at| last.get(at)).and_then(|text| text.parse().ok());
            value.unwrap_or_else(|| panic!("no {name} in {text}\n{}", self.program.text()))
        };
        Totals { succeeded: value("SuccessfulCall(C)"), failed: value("FailedCall(C)") }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap_or_default()).into_owned()
}

/// Reads sipp's short messages: date, time, seconds, S or R, Call-ID, CSeq, first line, separated by tabs.
fn outcome(text: &str) -> Option<Outcome> {
    let mut sent = None;
    let mut heard = Vec::new();
    let (mut hung_up, mut gave_up) = (false, false);
    for line in text.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let Some(at) = fields.iter().find_map(|field| seconds(field)) else { continue };
        let first = fields.last().copied().unwrap_or_default();
        if first.starts_with("INVITE ") {
            sent.get_or_insert(at);
        } else if first.starts_with("BYE ") && line.contains("\tR\t") {
            hung_up = true;
        } else if first.starts_with("CANCEL ") {
            gave_up = true;
        } else if let Some(rest) = first.strip_prefix("SIP/2.0 ")
            && line.contains("INVITE")
            && let (Some(sent), Some(code)) = (sent, rest.get(..3).and_then(|code| code.parse::<u16>().ok()))
        {
            heard.push((code, at - sent));
        }
    }
    let (code, micros) = heard.iter().copied().find(|(code, _)| *code >= 200)?;
    Some(Outcome { code, micros, heard, hung_up, gave_up })
}

/// A count of seconds since 1970 with six decimals, in microseconds.
fn seconds(field: &str) -> Option<u64> {
    let (whole, fraction) = field.split_once('.')?;
    if whole.len() < 9 || fraction.len() != 6 {
        return None;
    }
    Some(whole.parse::<u64>().ok()? * 1_000_000 + fraction.parse::<u64>().ok()?)
}

/// The refusals a caller may hear.
const REFUSALS: [u16; 20] =
    [400, 403, 404, 408, 415, 420, 480, 481, 482, 484, 486, 487, 488, 500, 501, 503, 600, 603, 607, 608];

/// A request of the call; `part` tells its transaction from the others. ACKs of refusals and CANCEL belong to the
/// INVITE's (RFC 3261 9.1, 17.1.1.3).
fn request(call: &Call, method: &str, target: &str, part: u8, number: u8, more: &str) -> String {
    let (from, name) = (&call.from, &call.name);
    let tag = if method == "ACK" { "[peer_tag_param]" } else { "" };
    let name = if name.is_empty() { String::new() } else { format!("\"{name}\" ") };
    format!(
        "<![CDATA[\n{method} {target} SIP/2.0\n\
         Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=z9hG4bK-[pid]-[call_number]-{part}\n\
         From: {name}<sip:{from}@[local_ip]:[local_port]>;tag=[pid]t[call_number]\n\
         To: <sip:[service]@[remote_ip]:[remote_port]>{tag}\nCall-ID: [call_id]\nCSeq: {number} {method}\n\
         Contact: <sip:{from}@[local_ip]:[local_port];transport=[transport]>\nMax-Forwards: 70\n{more}]]>"
    )
}

const HOUSE: &str = "sip:[service]@[remote_ip]:[remote_port]";
const NO_BODY: &str = "Content-Length: 0\n\n";

fn invite(call: &Call) -> String {
    let more = call.headers.replace("\r\n", "\n")
        + "Content-Type: application/sdp\nContent-Length: [len]\n\nv=0\no=- 1 1 IN IP4 127.0.0.1\ns=-\n\
           c=IN IP4 127.0.0.1\nt=0 0\nm=audio [auto_media_port] RTP/AVP 8 0\na=rtpmap:8 PCMA/8000\n";
    request(call, "INVITE", HOUSE, 1, 1, &more)
}

/// One call with whatever end: refused, given up, or answered and hung up by the other side.
fn scenario(call: &Call) -> String {
    let mut text = String::from("<?xml version=\"1.0\"?>\n<scenario name=\"call\">\n");
    let _ = writeln!(text, "<send retrans=\"500\">{}</send>", invite(call));
    // sipp looks at the time limit of the first message it could receive, so each has it.
    let limit = format!("timeout=\"{}\" ontimeout=\"2\"", call.give_up_after.as_millis());
    for code in [100, 180, 183] {
        let _ = writeln!(text, "<recv response=\"{code}\" optional=\"true\" {limit}/>");
    }
    for code in REFUSALS {
        let _ = writeln!(text, "<recv response=\"{code}\" optional=\"true\" next=\"1\" {limit}/>");
    }
    let _ = writeln!(text, "<recv response=\"200\" rrs=\"true\" {limit}/>");
    let answered = request(call, "ACK", "[next_url]", 2, 1, &format!("[routes]\n{NO_BODY}"));
    let _ = writeln!(text, "<send>{answered}</send>\n<recv request=\"BYE\" timeout=\"40000\"/>");
    let _ = writeln!(
        text,
        "<send next=\"3\"><![CDATA[\nSIP/2.0 200 OK\n[last_Via:]\n[last_From:]\n[last_To:]\n[last_Call-ID:]\n[last_CSeq:]\n\
         {NO_BODY}]]></send>"
    );
    let acknowledged = request(call, "ACK", HOUSE, 1, 1, NO_BODY);
    let _ = writeln!(text, "<label id=\"1\"/>\n<send next=\"3\">{acknowledged}</send>");
    let cancel = request(call, "CANCEL", HOUSE, 1, 1, NO_BODY);
    let _ = writeln!(text, "<label id=\"2\"/>\n<send retrans=\"500\">{cancel}</send>\n<recv response=\"200\"/>");
    // A router in between may pass on another member's refusal instead.
    for code in [480, 486] {
        let _ = writeln!(text, "<recv response=\"{code}\" optional=\"true\" next=\"1\"/>");
    }
    let _ = writeln!(text, "<recv response=\"487\" timeout=\"8000\"/>\n<send>{acknowledged}</send>");
    text + "<label id=\"3\"/>\n</scenario>\n"
}

/// A call that must be refused with one status.
fn refused_with(call: &Call, code: u16) -> String {
    let (invite, acknowledged) = (invite(call), request(call, "ACK", HOUSE, 1, 1, NO_BODY));
    format!(
        "<?xml version=\"1.0\"?>\n<scenario name=\"refused\">\n<send retrans=\"500\" start_rtd=\"1\">{invite}</send>\n\
         <recv response=\"100\" optional=\"true\"/>\n<recv response=\"180\" optional=\"true\"/>\n\
         <recv response=\"{code}\" timeout=\"20000\" rtd=\"1\"/>\n<send>{acknowledged}</send>\n</scenario>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_messages_are_read() {
        let line = |way: &str, at: &str, first: &str| {
            format!("2026-11-21\t12:00:00.0\t{at}\t{way}\tid\tCSeq: 1 INVITE\t{first}\n")
        };
        let text = line("S", "1700000000.000100", "INVITE sip:a SIP/2.0")
            + &line("R", "1700000000.000300", "SIP/2.0 100 Trying")
            + &line("R", "1700000000.002100", "SIP/2.0 607 Unwanted");
        let expected =
            Outcome { code: 607, micros: 2_000, heard: vec![(100, 200), (607, 2_000)], hung_up: false, gave_up: false };
        assert_eq!(outcome(&text), Some(expected));
    }
}
