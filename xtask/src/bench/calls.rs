//! Calls placed by a caller program at the daemon's line, as many and as fast as a bench wants.

use std::{fs, net::SocketAddr};

use crate::{
    rig::Daemon,
    run::{Outcome, output, program},
};

/// The first digits of every caller here: a range of Berlin that Germany keeps for films, so that nobody has these numbers.
const PREFIX: &str = "+493023125";

/// A caller who takes any refusal for an answer. `recv` takes a number and no field, hence one line per code.
const CALLER: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<scenario name="refused">
  <send retrans="500"><![CDATA[
INVITE sip:home@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/[transport] [local_ip]:[local_port];branch=[branch]
From: <sip:[field0]@caller.example>;tag=[call_number]
To: <sip:home@[remote_ip]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:[field0]@[local_ip]:[local_port]>
Max-Forwards: 70
Content-Length: 0

]]></send>
  <recv response="100" optional="true"></recv>
  <recv response="180" optional="true"></recv>
  <recv response="607" optional="true" next="1"></recv>
  <recv response="608" optional="true" next="1"></recv>
  <recv response="480" optional="true" next="1"></recv>
  <recv response="603"></recv>
  <label id="1"/>
  <send><![CDATA[
ACK sip:home@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
CSeq: 1 ACK
Max-Forwards: 70
Content-Length: 0

]]></send>
</scenario>
"#;

/// Puts the callers on the own list, so that each call is decided at once and ends.
pub(super) fn block_their_prefix(daemon: &Daemon<'_>) -> Outcome {
    let entry = serde_json::json!({ "standing": "block", "label": "bench", "notes": "" }).to_string();
    daemon.ask("PUT", &format!("/api/v1/lists/%2B{}*", &PREFIX[1..]), &entry).map(drop)
}

/// Places the calls and waits until each is answered.
pub(super) fn place(line: SocketAddr, calls: u32, per_second: u32) -> Outcome {
    let folder = tempfile::tempdir().map_err(|e| e.to_string())?;
    let scenario = folder.path().join("caller.xml");
    let numbers = folder.path().join("numbers.csv");
    fs::write(&scenario, CALLER).map_err(|e| e.to_string())?;
    // All numbers behind the prefix, taken in turn.
    let lines: String = (0..1000).map(|n| format!("{PREFIX}{n:03}\n")).collect();
    fs::write(&numbers, format!("SEQUENTIAL\n{lines}")).map_err(|e| e.to_string())?;
    let mut sipp = program("sipp");
    sipp.current_dir(folder.path()).arg(line.to_string()).arg("-sf").arg(scenario).arg("-inf").arg(numbers);
    sipp.args(["-i", "127.0.0.1", "-nostdin", "-timeout_error", "-timeout", "900s"]);
    sipp.args(["-m", &calls.to_string(), "-r", &per_second.to_string(), "-l", "1000"]);
    output(&mut sipp).map(drop)
}
