//! Lists as they come in: piece by piece, bounded, and refused in words.

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::{Value, json};

use crate::testing::{Answer, Browser, Site, with_json};

async fn begin(site: &Site, browser: &Browser, body: &Value) -> Answer {
    site.send(with_json(browser.request(Method::POST, "/api/v1/imports/uploads"), body)).await
}

async fn piece(site: &Site, browser: &Browser, upload: u64, offset: usize, bytes: &[u8]) -> Answer {
    let path = format!("/api/v1/imports/uploads/{upload}/{offset}");
    let request = browser.request(Method::PUT, &path).header(header::CONTENT_TYPE, "application/octet-stream");
    site.send(request.body(Body::from(bytes.to_vec())).expect("a request")).await
}

async fn finish(site: &Site, browser: &Browser, upload: u64) -> Answer {
    let path = format!("/api/v1/imports/uploads/{upload}/finish");
    site.send(browser.request(Method::POST, &path).body(Body::empty()).expect("a request")).await
}

async fn delete(site: &Site, browser: &Browser, path: &str) -> Answer {
    site.send(browser.request(Method::DELETE, path).body(Body::empty()).expect("a request")).await
}

fn named(name: &str, bytes: usize) -> Value {
    json!({"name": name, "region": "DE", "replace": false, "bytes": bytes})
}

/// Sends a whole list in pieces of this size; the answer to its end.
async fn send(site: &Site, browser: &Browser, body: &Value, list: &[u8], size: usize) -> Answer {
    let begun = begin(site, browser, body).await;
    assert_eq!(begun.status, StatusCode::CREATED, "{}", begun.text);
    let upload = begun.json()["upload"].as_u64().expect("a number");
    for (n, bytes) in list.chunks(size).enumerate() {
        let answer = piece(site, browser, upload, n * size, bytes).await;
        assert_eq!((answer.status, &answer.json()["bytes"]), (StatusCode::OK, &json!(n * size + bytes.len())));
    }
    finish(site, browser, upload).await
}

const LIST: &[u8] = b"phone;rating;votes\n+4930901820;G_FRAUD;12\nnobody;A;1\n110;B_MISSED;3\n+4930901821;D_POLL;2\n";

#[tokio::test]
async fn a_list_comes_in_by_pieces_and_its_bad_rows_are_told_by_line() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let answer = send(&site, &browser, &named("Street", LIST.len()), LIST, 7).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let told = answer.json();
    assert_eq!(
        (&told["rows"], &told["bad"], &told["column"], &told["ftc"]),
        (&json!(2), &json!(2), &json!(1), &json!(false))
    );
    let lines: Vec<_> = told["bad_lines"].as_array().expect("lines").iter().map(|bad| bad["line"].clone()).collect();
    assert_eq!(lines, [3, 4]);
    assert!(told["bad_lines"][1]["words"].as_str().expect("words").contains("emergency numbers always ring"));
    assert!(!answer.text.contains("nobody"), "no text of a row is told");
    assert_eq!((&told["import"]["name"], &told["import"]["numbers"]), (&json!("Street"), &json!(2)));

    let listed = site.send(browser.get("/api/v1/imports")).await.json();
    assert_eq!(listed["items"], json!([told["import"]]));
    let id = told["import"]["id"].as_u64().expect("an id");
    assert_eq!(delete(&site, &browser, &format!("/api/v1/imports/{id}")).await.status, StatusCode::NO_CONTENT);
    let gone = delete(&site, &browser, &format!("/api/v1/imports/{id}")).await;
    assert_eq!(gone.code(), (404, "no_such_import".to_owned()));
    assert_eq!(site.send(browser.get("/api/v1/imports")).await.json()["items"], json!([]));
}

#[tokio::test]
async fn a_name_is_one_list_unless_the_newer_version_is_meant() {
    let site = Site::new().await;
    let browser = site.admin().await;
    assert_eq!(send(&site, &browser, &named("FTC", LIST.len()), LIST, 4_096).await.status, StatusCode::CREATED);
    let taken = begin(&site, &browser, &named(" FTC ", LIST.len())).await;
    assert_eq!((taken.code(), &taken.json()["field"]), ((409, "name_taken".to_owned()), &json!("name")));
    let newer = json!({"name": "FTC", "region": null, "replace": true, "bytes": 12});
    assert_eq!(send(&site, &browser, &newer, b"+4930901888\n", 4_096).await.status, StatusCode::CREATED);
    let listed = site.send(browser.get("/api/v1/imports")).await.json();
    assert_eq!((listed["items"].as_array().expect("items").len(), &listed["items"][0]["numbers"]), (1, &json!(1)));
}

#[tokio::test]
async fn pieces_come_in_order_and_one_that_is_sent_again_is_answered_again() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let upload = begin(&site, &browser, &named("FTC", 24)).await.json()["upload"].as_u64().expect("a number");
    let first = piece(&site, &browser, upload, 0, b"+4930901820\n").await.json();
    assert_eq!(piece(&site, &browser, upload, 0, b"+4930901820\n").await.json(), first, "sent again");
    assert_eq!(piece(&site, &browser, upload, 5, b"x").await.code(), (409, "out_of_order".to_owned()));
    assert_eq!(finish(&site, &browser, upload).await.code(), (409, "out_of_order".to_owned()), "it broke off");
    assert_eq!(piece(&site, &browser, upload, 12, b"+4930901821\n").await.code().0, 404, "and nothing of it stays");
    let longer = begin(&site, &browser, &named("FTC", 3)).await.json()["upload"].as_u64().expect("a number");
    assert_eq!(piece(&site, &browser, longer, 0, b"+4930901820\n").await.code().0, 422);
}

#[tokio::test]
async fn what_is_too_large_or_no_list_is_refused_and_takes_no_room() {
    let site = Site::new().await;
    let browser = site.admin().await;
    // Five gigabytes, in one line or in many, are refused before the first byte.
    let large = begin(&site, &browser, &named("FTC", 5 << 30)).await;
    assert_eq!(large.code(), (413, "file_too_large".to_owned()));
    for (body, field) in [
        (named("", 1), "name"),
        (named(&"x".repeat(61), 1), "name"),
        (json!({"name": "a", "region": "ZZ", "replace": false, "bytes": 1}), "region"),
    ] {
        let refused = begin(&site, &browser, &body).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["field"]), (422, &json!(field)));
    }
    let gzip = b"\x1f\x8b\x08\x00\x00\x00\x00\x00";
    let upload = begin(&site, &browser, &named("FTC", gzip.len())).await.json()["upload"].as_u64().expect("a number");
    let bomb = piece(&site, &browser, upload, 0, gzip).await;
    assert_eq!(bomb.code(), (422, "unreadable_list".to_owned()));
    assert!(bomb.text.contains("unpack it first"), "{}", bomb.text);
    let upload = begin(&site, &browser, &named("FTC", 2 << 20)).await.json()["upload"].as_u64().expect("a number");
    assert_eq!(piece(&site, &browser, upload, 0, &vec![b'1'; (1 << 20) + 1]).await.code().0, 413);
    assert_eq!(
        delete(&site, &browser, &format!("/api/v1/imports/uploads/{upload}")).await.status,
        StatusCode::NO_CONTENT
    );
    // Words alone are no list, and are told so at the end.
    let words = send(&site, &browser, &named("Words", 8), b"one\ntwo\n", 8).await;
    assert_eq!(words.code(), (422, "unreadable_list".to_owned()));
    assert_eq!(site.send(browser.get("/api/v1/imports")).await.json()["items"], json!([]));
}

#[tokio::test]
async fn two_files_come_at_once_and_one_that_stopped_makes_room() {
    let site = Site::new().await;
    let browser = site.admin().await;
    for _ in 0..2 {
        assert_eq!(begin(&site, &browser, &named("FTC", 24)).await.status, StatusCode::CREATED);
    }
    assert_eq!(begin(&site, &browser, &named("FTC", 24)).await.code(), (503, "busy".to_owned()));
    site.mono_ms.fetch_add(60_000, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(begin(&site, &browser, &named("FTC", 24)).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn without_a_date_nothing_is_imported() {
    let site = Site::new().await;
    let browser = site.admin().await;
    site.wall.store(0, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(begin(&site, &browser, &named("FTC", 24)).await.code(), (409, "clock_not_set".to_owned()));
}
