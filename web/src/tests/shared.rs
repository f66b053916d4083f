//! The address book, rules about alarms, who has seen an alarm, and what members of the household disagreed about.

use std::{collections::BTreeSet, sync::Arc};

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use meerkat_core::Alarm;
use meerkat_protocols::{
    number::E164,
    wishes::{Entry, Standing, Subject},
};
use serde_json::{Value, json};

use crate::testing::{Answer, Browser, Site, with_json};

async fn send(site: &Site, browser: &Browser, method: Method, path: &str, body: &Value) -> Answer {
    site.send(with_json(browser.request(method, path), body)).await
}

#[tokio::test]
async fn people_are_put_into_the_address_book_and_taken_out() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let path = "/api/v1/people/030%20901820";
    let saved = send(&site, &browser, Method::PUT, path, &json!({"name": "Granny\u{202e}"})).await;
    assert_eq!(saved.status, StatusCode::NO_CONTENT, "{}", saved.text);
    let people = site.send(browser.get("/api/v1/people")).await.json();
    assert_eq!(people["items"][0]["number"], "+4930901820");
    for wrong in [json!({"name": ""}), json!({"name": "x".repeat(81)})] {
        assert_eq!(send(&site, &browser, Method::PUT, path, &wrong).await.code().0, 422);
    }
    let gone = site.send(browser.request(Method::DELETE, path).body(Body::empty()).expect("a request")).await;
    assert_eq!(gone.status, StatusCode::NO_CONTENT);
    let again = site.send(browser.request(Method::DELETE, path).body(Body::empty()).expect("a request")).await;
    assert_eq!(again.code(), (404, "not_found".into()));
}

#[tokio::test]
async fn an_alarm_that_somebody_has_seen_says_who_and_one_that_is_not_told_says_so() {
    let site = Site::new().await;
    let browser = site.admin().await;
    site.snapshot.send_modify(|s| Arc::make_mut(s).alarms = vec![(Alarm::FailedOpen, Some(1_700_000_000))]);
    let alarm = |summary: Value| summary["alarms"][0].clone();
    let before = alarm(site.send(browser.get("/api/v1/summary")).await.json());
    assert_eq!((&before["seen"], &before["told"]), (&Value::Null, &json!(true)));
    let seen = send(&site, &browser, Method::POST, "/api/v1/alarms/seen", &json!({"key": before["key"]})).await;
    assert_eq!(seen.status, StatusCode::NO_CONTENT, "{}", seen.text);
    let rules = json!({"tell": {"failed_open": false}, "quiet": {"from": "22:00", "to": "07:00"}});
    assert_eq!(send(&site, &browser, Method::PUT, "/api/v1/rules", &rules).await.status, StatusCode::NO_CONTENT);
    let set = site.send(browser.get("/api/v1/rules")).await.json();
    assert_eq!((&set["tell"], &set["quiet"], &set["zone"]), (&rules["tell"], &rules["quiet"], &Value::Null));
    let after = alarm(site.send(browser.get("/api/v1/summary")).await.json());
    assert!(after["seen"]["by"].is_string() && after["told"] == json!(false), "{after}");
    let wrong = json!({"tell": {}, "quiet": {"from": "25:00", "to": "07:00"}});
    assert_eq!(send(&site, &browser, Method::PUT, "/api/v1/rules", &wrong).await.code().0, 422);
    // It stands anew: nobody has seen it.
    site.snapshot.send_modify(|s| Arc::make_mut(s).alarms = vec![(Alarm::FailedOpen, Some(1_900_000_000))]);
    assert_eq!(alarm(site.send(browser.get("/api/v1/summary")).await.json())["seen"], Value::Null);
}

#[tokio::test]
async fn what_was_allowed_here_and_blocked_there_is_marked_until_a_person_chooses() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let subject = Subject::Number(E164::from_digits(4_930_901_820).expect("a number"));
    site.snapshot.send_modify(|s| {
        let now = Arc::make_mut(s);
        Arc::make_mut(&mut now.lists).insert(subject.clone(), Entry::tidy(Standing::Allow, "", ""));
        now.shared.disputed = Arc::new(BTreeSet::from([subject.clone()]));
    });
    let entry = |page: Value| page["items"][0]["disputed"].clone();
    assert_eq!(entry(site.send(browser.get("/api/v1/numbers")).await.json()), json!(true));
    let page = site.send(browser.get("/api/v1/numbers/+4930901820")).await.json();
    assert_eq!(page["entry"]["disputed"], json!(true));
    let chosen = json!({"standing": "allow"});
    let saved = send(&site, &browser, Method::PUT, "/api/v1/lists/+4930901820", &chosen).await;
    assert_eq!(saved.json()["disputed"], json!(false));
    assert_eq!(entry(site.send(browser.get("/api/v1/numbers")).await.json()), json!(false));
}
