//! What the operations answer, and how they refuse.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use meerkat_core::{Alarm, Neighbour};
use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    facts::{CallEnd, Seq, Verdict},
    home::{Card, Genesis},
    phone::{Ending, Line, LineState},
    time::Day,
};
use serde_json::{Value, json};

use crate::testing::{Answer, Browser, HOSTILE, Site, WALL, call, get, with_json};

async fn ask(site: &Site, browser: &Browser, path: &str) -> Answer {
    site.send(browser.get(path)).await
}

async fn put(site: &Site, browser: &Browser, path: &str, body: &Value) -> Answer {
    site.send(with_json(browser.request(Method::PUT, path), body)).await
}

async fn post(site: &Site, browser: &Browser, path: &str, body: &Value) -> Answer {
    site.send(with_json(browser.request(Method::POST, path), body)).await
}

async fn delete(site: &Site, browser: &Browser, path: &str) -> Answer {
    site.send(browser.request(Method::DELETE, path).body(Body::empty()).expect("a request")).await
}

/// All pages, one after the other.
async fn all(site: &Site, browser: &Browser, path: &str) -> Vec<Value> {
    let (mut items, mut next) = (vec![], String::new());
    loop {
        let page = ask(site, browser, &format!("{path}{next}")).await.json();
        items.extend(page["items"].as_array().expect("items").clone());
        match page["next"].as_str() {
            Some(cursor) => next = format!("&cursor={}", cursor.replace('+', "%2B")),
            None => return items,
        }
    }
}

fn seqs(calls: &[Value]) -> Vec<u64> {
    calls.iter().map(|c| c["seq"].as_u64().expect("a place")).collect()
}

#[tokio::test]
async fn pages_of_calls_hold_each_call_once_the_newest_first() {
    let site = Site::new().await;
    let browser = site.admin().await;
    site.log((0..23).map(|n| call(n, if n % 3 == 0 { Verdict::Block } else { Verdict::Allow })));
    let newest_first = |keep: fn(u64) -> bool| (0..23).rev().filter(|n| keep(*n)).collect::<Vec<_>>();
    assert_eq!(seqs(&all(&site, &browser, "/api/v1/calls?limit=5").await), newest_first(|_| true));
    let blocked = all(&site, &browser, "/api/v1/calls?limit=3&verdict=block").await;
    assert_eq!(seqs(&blocked), newest_first(|n| n % 3 == 0));
    let one = all(&site, &browser, "/api/v1/calls?limit=1&number=030%20901821").await;
    assert_eq!(seqs(&one), newest_first(|n| n % 7 == 1));
    let both = all(&site, &browser, "/api/v1/calls?limit=1&verdict=block&number=%2B4930901821").await;
    assert_eq!(seqs(&both), newest_first(|n| n % 7 == 1 && n % 3 == 0));
}

#[tokio::test]
async fn a_call_is_shown_whole_and_what_strangers_wrote_stays_text() {
    let site = Site::new().await;
    let browser = site.admin().await;
    site.log([call(0, Verdict::Challenge)]);
    let end = CallEnd { seq: Seq(0), how: Ending::SteppedAside, duration_ms: 3_000 };
    site.store.commit(&Batch { id: BatchId(2), writes: vec![Write::CallEnd(end)] }).expect("written");
    let entry = json!({"standing": "unknown", "label": "Zoo"});
    assert_eq!(put(&site, &browser, "/api/v1/lists/+4930901820", &entry).await.status, StatusCode::OK);
    let answer = ask(&site, &browser, "/api/v1/calls/0").await;
    assert_eq!(answer.headers[header::CONTENT_TYPE], "application/json");
    let expected = json!({
        "seq": 0, "node": 0, "node_name": null, "line": "home", "number": "+4930901820", "spaced": "+49 30 901820", "shown": "030 901820",
        "name": HOSTILE, "label": "Zoo", "verdict": "challenge",
        "reasons": [{"code": "nothing_known", "words": "Nobody you trust has reported this number."}],
        "risk": 43.85, "began": WALL - 60,
        "ended": {"how": "stepped_aside", "words": "Meerkat stepped aside and the phones rang on.", "duration_ms": 3_000},
        "verstat": null, "place": {"latitude": 52.5, "longitude": 13.4}, "metadata": [["user_agent", HOSTILE]],
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(ask(&site, &browser, "/api/v1/calls/1").await.code(), (404, "not_found".into()));
}

#[tokio::test]
async fn days_without_calls_are_there_with_zeros() {
    let site = Site::new().await;
    let browser = site.admin().await;
    site.log([call(0, Verdict::Block), call(1, Verdict::Allow), call(2, Verdict::Block)]);
    let days = ask(&site, &browser, "/api/v1/calls/stats?days=2").await.json();
    let expected = json!({"days": [
        {"day": "2026-11-20", "allow": 0, "challenge": 0, "block": 0},
        {"day": "2026-11-21", "allow": 1, "challenge": 0, "block": 2},
    ]});
    assert_eq!(days, expected);
    let summary = ask(&site, &browser, "/api/v1/summary").await.json();
    assert_eq!(summary["today"], json!({"allow": 1, "challenge": 0, "block": 2}));
}

#[tokio::test]
async fn while_the_store_is_checked_lists_say_so_and_the_rest_works() {
    let site = Site::new().await;
    let browser = site.admin().await;
    site.reader.send_replace(None);
    for path in ["/api/v1/calls", "/api/v1/calls/1", "/api/v1/calls/stats", "/api/v1/numbers/030901820"] {
        let answer = ask(&site, &browser, path).await;
        assert_eq!(
            (answer.code(), &answer.headers[header::RETRY_AFTER]),
            ((503, "checking".into()), &"2".parse().expect("ok"))
        );
    }
    let entry = json!({"standing": "block", "label": "", "notes": ""});
    assert_eq!(put(&site, &browser, "/api/v1/lists/+4930901820", &entry).await.code().1, "checking");
    assert!(site.wiring.snapshot.borrow().lists.is_empty());
    for path in ["/api/v1/summary", "/api/v1/node", "/api/v1/settings", "/api/v1/peers", "/health"] {
        assert_eq!(ask(&site, &browser, path).await.status, StatusCode::OK, "{path}");
    }
    assert_eq!(ask(&site, &browser, "/api/v1/summary").await.json()["checking"], true);
}

#[tokio::test]
async fn entries_are_set_listed_and_removed_by_any_spelling() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let body = |standing: &str, label: &str| json!({"standing": standing, "label": label, "notes": "a\nb"});
    for (path, standing, label) in [
        ("/api/v1/lists/030%20901820", "allow", "Zoo\u{202e}"),
        ("/api/v1/lists/0049-30-901821", "block", "Eve"),
        ("/api/v1/lists/+49%2040*", "block", "Hamburg"),
    ] {
        assert_eq!(put(&site, &browser, path, &body(standing, label)).await.status, StatusCode::OK, "{path}");
    }
    let items = all(&site, &browser, "/api/v1/numbers?limit=1").await;
    let subjects: Vec<_> = items.iter().map(|i| i["subject"].as_str().expect("text")).collect();
    assert_eq!(subjects, ["+4930901820", "+4930901821", "+4940*"]);
    let expected = json!({
        "subject": "+4930901820", "spaced": "+49 30 901820", "kind": "number", "standing": "allow", "label": "Zoo",
        "notes": "a\nb", "calls": 0, "disputed": false, "last_call": null, "reputation": 50.0,
    });
    assert_eq!(items[0], expected);
    assert_eq!(all(&site, &browser, "/api/v1/numbers?standing=block").await.len(), 2);
    assert_eq!(delete(&site, &browser, "/api/v1/lists/+4940*").await.status, StatusCode::NO_CONTENT);
    assert_eq!(delete(&site, &browser, "/api/v1/lists/+4940*").await.code(), (404, "not_found".into()));
    for (path, code) in [
        ("/api/v1/lists/112", "not_a_number"),
        ("/api/v1/lists/*", "not_a_pattern"),
        ("/api/v1/lists/+4*", "not_a_pattern"),
    ] {
        assert_eq!(put(&site, &browser, path, &body("block", "")).await.code(), (422, code.into()), "{path}");
    }
    let long = put(&site, &browser, "/api/v1/lists/030901820", &body("block", &"x".repeat(81))).await;
    assert_eq!((long.code().1, long.json()["field"].clone()), ("invalid".into(), json!("label")));
}

#[tokio::test]
async fn a_number_is_told_apart_from_what_is_none() {
    let site = Site::new().await;
    let browser = site.admin().await;
    site.log([call(0, Verdict::Allow)]);
    let number = ask(&site, &browser, "/api/v1/numbers/030%20901820").await.json();
    assert_eq!(
        (&number["number"], &number["kind"], &number["calls"]),
        (&json!("+4930901820"), &json!("number"), &json!(1))
    );
    assert_eq!((&number["last_call"], &number["entry"]), (&json!(WALL - 60), &Value::Null));
    assert_eq!(number["assessment"]["risk"], json!(12.34));
    for (text, kind) in
        [("112", "special"), ("anonymous", "anonymous"), ("kitchen", "internal"), ("0001234567890123", "invalid")]
    {
        assert_eq!(ask(&site, &browser, &format!("/api/v1/numbers/{text}")).await.json()["kind"], kind, "{text}");
    }
}

#[tokio::test]
async fn reports_and_vouches_are_carried_to_the_engine_and_its_refusals_back() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let report = post(&site, &browser, "/api/v1/reports", &json!({"number": "030 901820", "category": "scam"})).await;
    assert_eq!(report.status, StatusCode::CREATED);
    assert_eq!(report.json(), json!({"number": "+4930901820", "category": "scam", "day": "2025-01-01", "slot": 0}));
    assert_eq!(delete(&site, &browser, "/api/v1/reports/030901820").await.status, StatusCode::NO_CONTENT);
    assert_eq!(delete(&site, &browser, "/api/v1/reports/030901820").await.code(), (404, "nothing_to_retract".into()));

    let card = |n: u8| Card(Genesis::new(&ed25519_dalek::SigningKey::from_bytes(&[n; 32]).verifying_key()));
    let vouch = |card: String, name: &str| json!({"card": card, "name": name});
    let path = "/api/v1/vouches";
    let own = post(&site, &browser, path, &vouch(card(7).to_string(), "Us")).await;
    assert_eq!(own.code(), (422, "own_card".into()));
    let damaged = post(&site, &browser, path, &vouch("meerkat-home-xyz".into(), "Eve")).await;
    assert_eq!((damaged.code(), damaged.json()["field"].clone()), ((422, "not_a_card".into()), json!("card")));
    assert_eq!(post(&site, &browser, path, &vouch(card(8).to_string(), "\u{202e} ")).await.code().1, "invalid");
    let made = post(&site, &browser, path, &vouch(card(8).to_string(), "Bob")).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let home = card(8).0.home().to_string();
    assert_eq!(made.json(), json!({"home": home, "name": "Bob", "vouched": "2026-11-21", "reports": 0}));
    assert_eq!(delete(&site, &browser, &format!("{path}/{home}")).await.code(), (404, "not_vouched".into()));
    assert_eq!(delete(&site, &browser, &format!("{path}/home")).await.code(), (422, "not_a_home".into()));
}

#[tokio::test]
async fn settings_say_what_is_pinned_and_refuse_to_change_it() {
    let site = Site::new().await;
    let browser = site.admin().await;
    site.snapshot.send_modify(|s| Arc::make_mut(s).pinned = vec!["region".into()]);
    let path = "/api/v1/settings";
    let body = |region: &str| json!({"region": region, "anonymous": "block", "invalid": "allow", "ranges": false});
    let pinned = put(&site, &browser, path, &body("AT")).await;
    assert_eq!((pinned.code(), pinned.json()["field"].clone()), ((409, "pinned".into()), json!("region")));
    let wrong = put(&site, &browser, path, &body("XX")).await;
    assert_eq!((wrong.code(), wrong.json()["field"].clone()), ((422, "invalid".into()), json!("region")));
    let set = put(&site, &browser, path, &body("de")).await.json();
    assert_eq!(
        set,
        json!({"region": "DE", "anonymous": "block", "invalid": "allow", "ranges": false, "pinned": ["region"]})
    );
    assert_eq!(ask(&site, &browser, path).await.json(), set);
}

#[tokio::test]
async fn the_one_sentence_says_the_worst_first() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let line = |name: &str, state| (Line(name.into()), state);
    let level = async |change: Box<dyn FnOnce(&mut meerkat_core::Snapshot) + Send>| {
        site.snapshot.send_modify(|s| change(Arc::make_mut(s)));
        let summary = ask(&site, &browser, "/api/v1/summary").await.json();
        (summary["level"].as_str().expect("text").to_owned(), summary["sentence"].as_str().expect("text").to_owned())
    };
    assert_eq!(level(Box::new(|_| ())).await.0, "notice");
    assert_eq!(level(Box::new(move |s| s.lines = vec![line("home", LineState::Ready)])).await.0, "good");
    let neighbour =
        Neighbour { home: site.wiring.snapshot.borrow().home, name: "Bob".into(), since: Day(20_089), reports: 2 };
    assert!(level(Box::new(|s| s.neighbours = Arc::new(vec![neighbour]))).await.1.starts_with("All is well"));
    assert_eq!(level(Box::new(|s| s.alarms = vec![(Alarm::ClockNotSet, None)])).await.0, "notice");
    assert_eq!(level(Box::new(|s| s.alarms = vec![(Alarm::WritesLost, Some(1))])).await.0, "trouble");
    let failing = vec![line("home", LineState::Failing("the router is gone".into()))];
    assert!(level(Box::new(|s| s.lines = failing)).await.1.starts_with("No telephone line works"));
    let health = site.send(get("/health")).await.json();
    assert_eq!(health, json!({"status": "degraded", "version": "0.1.0", "uptime_s": 1, "safe_mode": false}));
}

#[tokio::test]
async fn every_kind_of_bad_request_is_a_problem() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let report = |body: Body, kind: &str| {
        let builder = browser.request(Method::POST, "/api/v1/reports").header(header::CONTENT_TYPE, kind);
        builder.body(body).expect("a request")
    };
    let json_type = "application/json";
    let bodies = [
        (Body::from("{"), json_type, 400, "not_json"),
        (Body::from("{}"), json_type, 422, "invalid"),
        (Body::from(r#"{"number":"1","category":"nice"}"#), json_type, 422, "invalid"),
        (Body::from(r#"{"number":"1","category":"spam","more":1}"#), json_type, 422, "invalid"),
        (Body::from("number=1"), "text/plain", 415, "not_json"),
        (Body::from(vec![b' '; 64 * 1024 + 1]), json_type, 413, "too_large"),
    ];
    for (body, kind, status, code) in bodies {
        assert_eq!(site.send(report(body, kind)).await.code(), (status, code.into()));
    }
    let paths = [
        ("/api/v1/calls?limit=0", 422, "invalid"),
        ("/api/v1/calls?limit=201", 422, "invalid"),
        ("/api/v1/calls?limit=x", 400, "invalid"),
        ("/api/v1/calls?cursor=zz", 400, "cursor"),
        ("/api/v1/calls?number=x", 422, "not_a_number"),
        ("/api/v1/calls?token=x", 400, "invalid"),
        ("/api/v1/calls/x", 400, "invalid"),
        ("/api/v1/calls/stats?days=0", 422, "invalid"),
        ("/api/v1/numbers?cursor=zz", 400, "cursor"),
        ("/api/v1/events?timeout=61", 422, "invalid"),
        ("/api/v1/events/ws", 400, "not_a_websocket"),
        ("/api/v1/nothing", 404, "not_found"),
        ("/api/v2/calls", 404, "not_found"),
    ];
    for (path, status, code) in paths {
        assert_eq!(ask(&site, &browser, path).await.code(), (status, code.into()), "{path}");
    }
    let wrong = delete(&site, &browser, "/api/v1/calls").await;
    assert_eq!(wrong.code(), (405, "method_not_allowed".into()));
    assert_eq!(wrong.headers[header::ALLOW], "GET, HEAD");
}

#[tokio::test]
async fn when_the_engine_is_gone_the_page_says_so() {
    let mut site = Site::new().await;
    let browser = site.admin().await;
    let (commands, orders) = tokio::sync::mpsc::channel(1);
    drop(orders);
    site.wiring.commands = commands;
    site.page = crate::router(site.wiring.clone());
    assert_eq!(ask(&site, &browser, "/api/v1/numbers/030901820").await.code(), (503, "unavailable".into()));
    assert_eq!(site.send(get("/health")).await.json()["status"], "down");
    let (commands, _full) = tokio::sync::mpsc::channel(1);
    let (answer, _) = tokio::sync::oneshot::channel();
    commands.try_send((meerkat_core::Command::Check(String::new()), answer)).expect("room for one");
    site.wiring.commands = commands;
    site.page = crate::router(site.wiring.clone());
    assert_eq!(ask(&site, &browser, "/api/v1/numbers/030901820").await.code(), (503, "busy".into()));
}
