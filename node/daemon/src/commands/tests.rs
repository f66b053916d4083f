use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};

use super::*;

/// A node that gives prepared answers and remembers what it was asked.
#[derive(Clone, Default)]
struct Pretend {
    answers: Arc<BTreeMap<&'static str, (u16, String)>>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

async fn answer(State(node): State<Pretend>, request: Request<Body>) -> Response {
    let asked = format!("{} {}", request.method(), request.uri());
    let body = to_bytes(request.into_body(), 1 << 20).await.expect("a small body");
    node.asked.lock().expect("no panic").push((asked.clone(), String::from_utf8_lossy(&body).into_owned()));
    match node.answers.get(asked.as_str()) {
        Some((status, body)) => (StatusCode::from_u16(*status).expect("a status"), body.clone()).into_response(),
        None => (StatusCode::NOT_FOUND, r#"{"title":"Not Found","detail":"there is no such thing","code":"x"}"#)
            .into_response(),
    }
}

struct Done {
    ended: Result<Exit, Failure>,
    out: String,
    asked: Vec<(String, String)>,
}

impl Done {
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).expect("it is JSON")
    }

    fn requests(&self) -> Vec<&str> {
        self.asked.iter().map(|(request, _)| request.as_str()).collect()
    }
}

/// Runs a command line against a node with these answers.
async fn with_node(line: &str, answers: &[(&'static str, u16, Value)]) -> Done {
    let folder = tempfile::tempdir().expect("a folder");
    let answers = answers.iter().map(|(asked, status, body)| {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        (*asked, (*status, body))
    });
    let node = Pretend { answers: Arc::new(answers.collect()), ..Pretend::default() };
    let listener = tokio::net::UnixListener::bind(folder.path().join(SOCKET)).expect("a socket");
    let server =
        tokio::spawn(axum::serve(listener, Router::new().fallback(answer).with_state(node.clone())).into_future());
    let mut done = without_node(line, folder.path()).await;
    server.abort();
    done.asked = node.asked.lock().expect("no panic").clone();
    done
}

async fn without_node(line: &str, data: &std::path::Path) -> Done {
    let arguments = ["meerkat", "--data", &data.to_string_lossy()].map(Into::into);
    let cli = crate::cli::parse(arguments.into_iter().chain(line.split(' ').map(Into::into))).expect("it is right");
    let mut out = Vec::new();
    let ended = run(&cli, &Surroundings::default(), &mut out).await;
    Done { ended, out: String::from_utf8(out).expect("it is text"), asked: Vec::new() }
}

fn ok(done: &Done) -> Exit {
    *done.ended.as_ref().expect("it works")
}

#[tokio::test]
async fn a_node_that_does_not_run_is_told_with_what_to_start() {
    let folder = tempfile::tempdir().expect("a folder");
    for line in ["status", "peers", "calls", "check 030", "list show", "vouch --list", "node info", "admin claim"] {
        let done = without_node(line, folder.path()).await;
        let failure = done.ended.expect_err("nobody listens");
        assert_eq!(failure.exit(), Exit::Down, "{line}");
        assert!(failure.to_string().contains("meerkat up"), "{failure}");
    }
    let done = without_node("status --json", folder.path()).await;
    assert_eq!((ok(&done), &done.json()["status"]), (Exit::Down, &json!("down")));

    // A socket left behind by a node that was killed.
    drop(std::os::unix::net::UnixListener::bind(folder.path().join(SOCKET)).expect("a socket"));
    let failure = without_node("status", folder.path()).await.ended.expect_err("nobody listens");
    assert!(matches!(failure, Failure::NotRunning { .. }), "{failure}");
}

#[tokio::test]
async fn status_ends_as_the_node_is() {
    let summary = json!({"sentence": "All is well.", "level": "good", "alarms": [], "lines": [], "peers": 2,
        "today": {"allow": 3, "challenge": 1, "block": 2}, "neighbours": 1, "neighbours_there": 1, "statements": 7, "clock_set": true});
    for (status, exit) in [("ok", Exit::Ok), ("degraded", Exit::Degraded), ("down", Exit::Down)] {
        let health = json!({"status": status, "version": "0.1.0", "uptime_s": 60, "safe_mode": false});
        let answers = [("GET /health", 200, health), ("GET /api/v1/summary", 200, summary.clone())];
        let done = with_node("status", &answers).await;
        assert_eq!(ok(&done), exit);
        assert!(done.out.starts_with("All is well.\n") && done.out.contains("3 rang, 1 rang marked, 2 blocked"));
        assert!(done.out.contains("2 peers, 1 neighbour (1 there), 7 statements"), "{}", done.out);
        let done = with_node("status --json", &answers).await;
        assert_eq!((done.json()["status"].clone(), done.json()["peers"].clone()), (json!(status), json!(2)));
    }
}

#[tokio::test]
async fn commands_are_requests_of_the_api() {
    let any = || json!({"items": [], "next": null});
    for (line, request, status, body) in [
        ("peers --json", "GET /api/v1/peers", 200, None),
        (
            "calls --limit 5 --number +49*1 --verdict block --json",
            "GET /api/v1/calls?limit=5&number=%2B49%2A1&verdict=block",
            200,
            None,
        ),
        ("check +4930901820 --json", "GET /api/v1/numbers/%2B4930901820", 200, None),
        (
            "report 030/901820 --as scam --json",
            "POST /api/v1/reports",
            201,
            Some(json!({"number": "030/901820", "category": "scam"})),
        ),
        ("report 030/901820 --retract", "DELETE /api/v1/reports/030%2F901820", 204, None),
        ("list show --standing block --json", "GET /api/v1/numbers?limit=200&standing=block", 200, None),
        ("list remove +4930*", "DELETE /api/v1/lists/%2B4930%2A", 204, None),
        (
            "vouch meerkat-home-abc --name Kim --json",
            "POST /api/v1/vouches",
            201,
            Some(json!({"card": "meerkat-home-abc", "name": "Kim"})),
        ),
        ("vouch --remove abc", "DELETE /api/v1/vouches/abc", 204, None),
        ("vouch --list --json", "GET /api/v1/neighbours", 200, None),
        ("import list --json", "GET /api/v1/imports", 200, None),
        ("number export 030/901820 --json", "GET /api/v1/numbers/030%2F901820/record", 200, None),
        ("number erase +4930901820 --json", "DELETE /api/v1/numbers/%2B4930901820", 200, None),
        ("node info --json", "GET /api/v1/node", 200, None),
        (
            "api-key create --name door --role member --json",
            "POST /api/v1/api-keys",
            201,
            Some(json!({"name": "door", "role": "member"})),
        ),
        ("api-key list --json", "GET /api/v1/api-keys", 200, None),
        ("api-key delete k1", "DELETE /api/v1/api-keys/k1", 204, None),
        ("config show --origin --json", "GET /api/v1/config", 200, None),
    ] {
        let content = if status == 204 { Value::Null } else { any() };
        let done = with_node(line, &[(request, status, content)]).await;
        assert_eq!(done.requests(), [request], "{line}");
        assert_eq!(ok(&done), Exit::Ok, "{line}");
        let sent = serde_json::from_str::<Value>(&done.asked[0].1).ok();
        assert_eq!(sent, body, "{line}");
        if line.ends_with("--json") {
            assert_eq!(done.json(), any(), "{line}");
        } else {
            assert!(done.out.ends_with(".\n"), "{line}: {}", done.out);
        }
    }
}

#[tokio::test]
async fn what_the_node_refuses_is_told_in_its_words() {
    let problem = |status: u16| json!({"status": status, "code": "not_a_number", "detail": format!("This is no \u{1b}[31mnumber. {}", "w".repeat(200))});
    for (status, exit) in [
        (422, Exit::Refused),
        (404, Exit::Refused),
        (403, Exit::NotAllowed),
        (503, Exit::Unavailable),
        (500, Exit::Fault),
    ] {
        let done = with_node("check x", &[("GET /api/v1/numbers/x", status, problem(status))]).await;
        let failure = done.ended.expect_err("it is refused");
        assert_eq!(
            (failure.exit(), failure.to_string()),
            (exit, format!("This is no [31mnumber. {}", "w".repeat(200)))
        );
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_is_no_http_is_told() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    for sent in [
        "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        "hello\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{",
        "",
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let listener = tokio::net::UnixListener::bind(folder.path().join(SOCKET)).expect("a socket");
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("the client comes");
            let _ = stream.read(&mut [0; 1024]).await.expect("it asks");
            stream.write_all(sent.as_bytes()).await.expect("it listens");
        });
        let failure = without_node("node info", folder.path()).await.ended.expect_err("no answer");
        assert_eq!(failure.exit(), Exit::Unavailable, "{sent:?}: {failure}");
        server.await.expect("it does not panic");
    }
}

#[tokio::test]
async fn more_calls_than_a_page_are_followed_by_their_cursor() {
    let page = |n: usize, next: Value| json!({"items": vec![json!({"verdict": "allow"}); n], "next": next});
    let answers = [
        ("GET /api/v1/calls?limit=200", 200, page(200, json!("a b"))),
        ("GET /api/v1/calls?limit=50&cursor=a%20b", 200, page(50, json!("c"))),
    ];
    let done = with_node("calls --limit 250 --json", &answers).await;
    assert_eq!(done.json()["items"].as_array().map(Vec::len), Some(250));
    assert_eq!(done.json()["next"], json!("c"));
}

#[tokio::test]
async fn what_is_not_given_about_an_entry_stays() {
    let old = json!({"subject": "+4930901820", "standing": "block", "label": "Energy", "notes": "twice a day"});
    let answers = [
        ("GET /api/v1/numbers/030901820", 200, json!({"entry": old})),
        ("PUT /api/v1/lists/030901820", 200, json!({"subject": "+4930901820", "standing": "allow", "label": "Energy"})),
    ];
    let done = with_node("list allow 030901820", &answers).await;
    let sent: Value = serde_json::from_str(&done.asked[1].1).expect("it is JSON");
    assert_eq!(sent, json!({"standing": "allow", "label": "Energy", "notes": "twice a day"}));
    assert_eq!(done.out, "+4930901820 (Energy) always rings.\n");

    let answers = [
        (
            "GET /api/v1/numbers?limit=200",
            200,
            json!({"items": [{"subject": "+4930*", "standing": "block", "label": "", "notes": "n"}]}),
        ),
        ("PUT /api/v1/lists/%2B4930%2A", 200, json!({"subject": "+4930*", "standing": "block", "label": "Berlin"})),
    ];
    let done = with_node("list label +4930* --label Berlin", &answers).await;
    let sent: Value = serde_json::from_str(&done.asked[1].1).expect("it is JSON");
    assert_eq!(sent, json!({"standing": "block", "label": "Berlin", "notes": "n"}));
}

fn threads() -> Value {
    let thread = |home: &str, name: &str| json!({"home": home.repeat(26), "name": name, "neighbour": true, "unread": 0, "undelivered": 0, "held_up": null, "last": null});
    json!({"items": [thread("a", "Anna"), thread("b", "Bert"), thread("c", "bert")], "unread": 0})
}

#[tokio::test]
async fn a_neighbour_is_written_to_by_name() {
    let path = "POST /api/v1/messages/aaaaaaaaaaaaaaaaaaaaaaaaaa";
    let queued = json!({"id": "0102030405060708", "state": "queued", "text": "Hello"});
    for line in ["message anna Hello", "message an Hello", "message aaaaaaaa Hello"] {
        let done = with_node(line, &[("GET /api/v1/messages", 200, threads()), (path, 201, queued.clone())]).await;
        assert_eq!((ok(&done), done.requests()), (Exit::Ok, vec!["GET /api/v1/messages", path]), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&done.asked[1].1).ok(), Some(json!({"text": "Hello"})));
        assert!(done.out.contains("meerkat message \"Anna\" --undo 0102030405060708"), "{}", done.out);
    }
    let undo = "DELETE /api/v1/messages/aaaaaaaaaaaaaaaaaaaaaaaaaa/0102030405060708";
    let answers = [("GET /api/v1/messages", 200, threads()), (undo, 204, Value::Null)];
    assert_eq!(ok(&with_node("message Anna --undo 0102030405060708", &answers).await), Exit::Ok);
    for (line, words) in [
        ("message Cleo Hello", "Anna, Bert, bert"),
        ("message Bert Hello", "2 neighbours"),
        ("message b Hello", "2 neighbours"),
    ] {
        let failure = with_node(line, &[("GET /api/v1/messages", 200, threads())]).await.ended.expect_err("nobody");
        assert_eq!(failure.exit(), Exit::Refused);
        assert!(failure.to_string().contains(words), "{failure}");
    }
}

#[tokio::test]
async fn messages_are_read_oldest_first_and_count_as_read_when_a_person_sees_them() {
    let page = json!({"next": null, "damaged": 0, "items": [
        {"number": 9, "id": "09", "state": "received", "at": null, "failure": null, "text": "Two\nlines\u{1b}[2J", "data": null},
        {"number": 8, "id": "08", "state": "expired", "at": null, "failure": {"code": "expired", "words": "Too late."}, "text": "One", "data": null},
    ]});
    let get = "GET /api/v1/messages/aaaaaaaaaaaaaaaaaaaaaaaaaa?limit=50";
    let read = "PUT /api/v1/messages/aaaaaaaaaaaaaaaaaaaaaaaaaa/read";
    let answers = [("GET /api/v1/messages", 200, threads()), (get, 200, page), (read, 204, Value::Null)];
    let done = with_node("messages --with Anna", &answers).await;
    assert_eq!(done.out, "-  You (expired)\n    One\n    (Too late.)\n-  Anna\n    Two\n    lines[2J\n");
    assert_eq!(done.asked.last().map(|asked| asked.1.as_str()), Some(r#"{"up_to":9}"#));
    let done = with_node("messages --with Anna --json", &answers).await;
    assert_eq!(
        (done.requests().len(), done.json()["items"][0]["number"].clone()),
        (2, json!(9)),
        "a program says itself what it read"
    );
    let done = with_node("messages", &answers).await;
    assert!(done.out.lines().any(|line| line.starts_with("Anna ")), "{}", done.out);
}

#[tokio::test]
async fn a_file_is_sent_in_pieces_and_told_with_its_bad_lines() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("street.csv");
    std::fs::write(&file, "+4930901820\nx\n".repeat(6_000)).expect("it is ours");
    let import = json!({"id": 3, "name": "street", "numbers": 1, "day": "2026-11-21"});
    let kinds = json!([{"rows": 6000, "words": "This is no number."}]);
    let lines: Vec<Value> = (1..=30).map(|n| json!({"line": 2 * n, "words": "This is no number."})).collect();
    let told = json!({"import": import, "rows": 6000, "bad": 6000, "kinds": kinds, "bad_lines": lines});
    let answers = [
        ("POST /api/v1/imports/uploads", 201, json!({"upload": 5, "piece_bytes": 1 << 20})),
        ("PUT /api/v1/imports/uploads/5/0", 200, json!({"bytes": 65_536, "rows": 1, "bad": 1})),
        ("PUT /api/v1/imports/uploads/5/65536", 200, json!({"bytes": 84_000, "rows": 1, "bad": 1})),
        ("POST /api/v1/imports/uploads/5/finish", 201, told),
    ];
    let done = with_node(&format!("import {} --region us", file.display()), &answers).await;
    let begun: Value = serde_json::from_str(&done.asked[0].1).expect("it is JSON");
    assert_eq!(begun, json!({"name": "street", "region": "US", "replace": false, "bytes": 84_000}));
    assert_eq!(done.asked[1].1.len() + done.asked[2].1.len(), 84_000, "all of it and nothing twice");
    assert!(
        done.out.starts_with("1 number imported as \"street\".") && done.out.contains("In line 2, 4,"),
        "{}",
        done.out
    );
    assert!(done.out.contains("meerkat import undo \"street\""), "{}", done.out);

    let missing = with_node("import nowhere.csv", &[]).await.ended.expect_err("there is no such file");
    assert_eq!(missing.exit(), Exit::NoInput, "{missing}");
}

#[tokio::test]
async fn a_list_is_taken_back_by_its_name() {
    let items = json!({"items": [{"id": 7, "name": "FTC"}]});
    let answers = [("GET /api/v1/imports", 200, items), ("DELETE /api/v1/imports/7", 204, Value::Null)];
    let done = with_node("import undo FTC", &answers).await;
    assert_eq!((ok(&done), done.requests().len()), (Exit::Ok, 2));
    let failure = with_node("import undo Other", &answers).await.ended.expect_err("there is none");
    assert_eq!(failure.exit(), Exit::Refused, "{failure}");
}

#[tokio::test]
async fn what_stays_after_an_erasure_is_said() {
    let answer = json!({"number": "+4930901820", "calls": 4, "entry": true, "report_retracted": false,
        "stays": ["Backups keep what they hold."]});
    let done = with_node("number erase +4930901820", &[("DELETE /api/v1/numbers/%2B4930901820", 200, answer)]).await;
    assert!(done.out.contains("+4930901820 is erased here.") && done.out.contains("- Backups keep"), "{}", done.out);
}

#[tokio::test]
async fn a_claim_is_a_link_to_the_page() {
    let answers = |listen: &str| {
        [
            ("POST /api/v1/local/claim", 201, json!({"url_fragment": "#claim=TOKEN"})),
            ("GET /api/v1/config", 200, json!({"items": [{"key": "web.listen", "value": listen}], "problems": []})),
        ]
    };
    for (listen, link) in
        [("127.0.0.1:8780", "http://127.0.0.1:8780/#claim=TOKEN"), ("[::]:1", "http://[::1]:1/#claim=TOKEN")]
    {
        let done = with_node("admin claim --json", &answers(listen)).await;
        assert_eq!(done.json(), json!({"url": link}));
        let done = with_node("admin claim", &answers(listen)).await;
        assert!(done.out.contains(link) && done.out.contains('█'), "{}", done.out);
    }
}

#[tokio::test]
async fn a_new_key_is_printed_once_and_first() {
    let answer = json!({"id": "k1", "key": "mk_SECRET", "name": "door", "role": "member"});
    let done = with_node("api-key create --name door --role member", &[("POST /api/v1/api-keys", 201, answer)]).await;
    assert!(done.out.starts_with("mk_SECRET\n"), "{}", done.out);
}

#[tokio::test]
async fn settings_are_shown_with_their_mistakes_whether_the_node_runs_or_not() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("config.toml"), "[web]\nlisen = 1\n").expect("it is ours");
    let done = without_node("config show --origin", folder.path()).await;
    assert_eq!(ok(&done), Exit::Degraded);
    assert!(done.out.contains("config.toml:2") && done.out.contains("did you mean `listen` in [web]?"), "{}", done.out);
    let row = done.out.lines().find(|line| line.starts_with("data ")).expect("the folder is shown");
    assert!(row.ends_with("flag         --data") || row.ends_with("flag     --data"), "{row:?}");
}

#[tokio::test]
async fn completions_name_the_commands() {
    let folder = tempfile::tempdir().expect("a folder");
    for shell in ["bash", "zsh", "fish"] {
        let done = without_node(&format!("completions {shell}"), folder.path()).await;
        assert!(done.out.contains("meerkat") && done.out.contains("api-key"), "{shell}");
    }
}

#[tokio::test]
async fn an_invite_is_printed_with_what_to_do_next() {
    let text = format!("meerkat:{}", "a".repeat(285));
    let made = json!({"id": "abc", "text": text, "name": "Anna", "vouch": true, "ends_in_s": 86_400,
        "code": "7K3MX-9QW2T", "code_ends_in_s": 600, "used_by": null, "words": null});
    let done = with_node("invite --name Anna --qr", &[("POST /api/v1/invites", 201, made.clone())]).await;
    assert_eq!(ok(&done), Exit::Ok);
    assert_eq!(done.asked[0].1, json!({"name": "Anna", "vouch": true, "lifetime_s": 86_400}).to_string());
    for part in [text.as_str(), "7K3MX-9QW2T (for 10 minutes", "24 hours, once", "meerkat join", "█"] {
        assert!(done.out.contains(part), "{part}: {}", done.out);
    }
    let list = json!({"items": [made], "left": 11});
    let done = with_node("invite --list", &[("GET /api/v1/invites", 200, list)]).await;
    assert!(done.out.contains("Anna") && done.out.contains("You can vouch for 11 more."), "{}", done.out);
    let done = with_node("invite --revoke abc", &[("DELETE /api/v1/invites/abc", 204, Value::Null)]).await;
    assert_eq!(ok(&done), Exit::Ok);
}

#[tokio::test]
async fn a_join_is_told_to_its_end_and_ends_with_it() {
    let join = |stage: &str, words: &str| json!({"id": 3, "stage": stage, "words": words, "four_words": "a b c d"});
    for (stage, expected) in [("joined", Exit::Ok), ("failed", Exit::Refused)] {
        let done = with_node(
            "join 7K3MX-9QW2T --no-vouch",
            &[
                ("POST /api/v1/joins", 202, join("calling", "Looking.")),
                ("GET /api/v1/joins", 200, json!({"items": [join(stage, "It is over.")]})),
            ],
        )
        .await;
        let ended = done.ended.as_ref().map_or_else(Failure::exit, |exit| *exit);
        assert_eq!(ended, expected);
        assert!(done.out.starts_with("Looking."), "{}", done.out);
        assert_eq!(done.out.contains("It is over."), expected == Exit::Ok);
        assert!(done.asked[0].1.contains(r#""vouch":false"#));
    }
}

#[tokio::test]
async fn a_meeting_shows_the_words_and_takes_the_answer() {
    let near = |stage: &str| {
        let meeting = json!({"peer": "P", "stage": stage, "words": "Read them.", "four_words": "one two three four"});
        json!({"items": [{"peer": "P", "name": null, "meeting": meeting}]})
    };
    let begun = ("POST /api/v1/meetings", 202, json!({}));
    let done = with_node("meet P", &[begun, ("GET /api/v1/nearby", 200, near("comparing"))]).await;
    assert!(done.out.contains("one two three four") && done.out.contains("meerkat meet P --same"), "{}", done.out);
    let waiting = json!({"stage": "waiting", "words": "Waiting."});
    let said = ("POST /api/v1/meetings/P", 200, waiting);
    let done = with_node("meet P --same --name Anna", &[said.clone(), ("GET /api/v1/nearby", 200, near("met"))]).await;
    assert_eq!((ok(&done), done.out.as_str()), (Exit::Ok, "Waiting.\nRead them.\n"));
    let done = with_node("meet P --same", &[said, ("GET /api/v1/nearby", 200, near("failed"))]).await;
    assert_eq!(done.ended.expect_err("it failed").exit(), Exit::Refused);
}
