//! All that is kept about one number, handed out and erased.

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use meerkat_protocols::{facts::Verdict, number::E164};
use meerkat_store::{CallQuery, NumberStats};
use serde_json::json;

use crate::testing::{Answer, Browser, Site, call, with_json};

async fn erase(site: &Site, browser: &Browser, number: &str) -> Answer {
    let path = format!("/api/v1/numbers/{}", number.replace('+', "%2B"));
    site.send(browser.request(Method::DELETE, &path).body(Body::empty()).expect("a request")).await
}

#[tokio::test]
async fn a_number_is_handed_out_whole_and_erased_without_a_trace() {
    let site = Site::new().await;
    let browser = site.admin().await;
    site.log((0..450).map(|n| call(n, Verdict::Allow)));
    let logged = site.store.reader().calls(&CallQuery { limit: 1, ..CallQuery::default() }).expect("calls");
    let number: E164 = logged.calls[0].call.number.expect("a number");
    let text = number.reveal();
    let path = text.replace('+', "%2B");
    let entry = json!({"standing": "block", "label": "Quixote", "notes": "twice a day"});
    let set = site.send(with_json(browser.request(Method::PUT, &format!("/api/v1/lists/{path}")), &entry)).await;
    assert_eq!(set.status, StatusCode::OK, "{}", set.text);
    let report = json!({"number": text, "category": "scam"});
    let reported = site.send(with_json(browser.request(Method::POST, "/api/v1/reports"), &report)).await;
    assert_eq!(reported.status, StatusCode::CREATED, "{}", reported.text);

    let record = site.send(browser.get(&format!("/api/v1/numbers/{path}/record"))).await;
    let record = record.json();
    let of = |site: &Site| {
        let query = CallQuery { number: Some(number), limit: 500, ..CallQuery::default() };
        site.store.reader().calls(&query).expect("calls").calls.len()
    };
    let calls = of(&site);
    assert!(calls > 1);
    assert_eq!((record["calls"].as_array().expect("calls").len(), &record["calls_left_out"]), (calls, &json!(0)));
    assert_eq!((&record["known"]["entry"]["notes"], &record["known"]["number"]), (&json!("twice a day"), &json!(text)));

    let erased = erase(&site, &browser, &text).await;
    assert_eq!(erased.status, StatusCode::OK, "{}", erased.text);
    let told = erased.json();
    assert_eq!(
        (&told["calls"], &told["entry"], &told["report_retracted"]),
        (&json!(calls), &json!(true), &json!(true))
    );
    let stays = told["stays"].to_string();
    assert!(stays.contains("180 days") && stays.contains("Backups"), "{stays}");
    // Through the store's own reader: no call, no count, no event.
    assert_eq!((of(&site), site.store.reader().number(number).expect("read")), (0, NumberStats::default()));
    let events = site.send(browser.get("/api/v1/events?since=0&timeout=0")).await;
    assert!(!events.text.contains(&text), "{}", events.text);
    assert!(events.text.contains("calls.erased"));
    let record = site.send(browser.get(&format!("/api/v1/numbers/{path}/record"))).await.json();
    assert_eq!((&record["known"]["entry"], &record["calls"]), (&json!(null), &json!([])));
    // Once more is no error: what broke off in between is asked for again.
    let again = erase(&site, &browser, &text).await.json();
    assert_eq!((&again["calls"], &again["report_retracted"]), (&json!(0), &json!(false)));
    assert_eq!(erase(&site, &browser, "110").await.code(), (422, "not_a_number".to_owned()));
}
