//! Messages, as pages and programs read and write them.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use meerkat_core::{HeldUp, Neighbour, Thread};
use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    home::{HomeId, NodeNumber},
    letter::{Content, Letter, LetterId, Media},
    mail::{Failure, Kept, LetterNo, Progress, Way},
    time::Day,
};
use serde_json::{Value, json};

use crate::testing::{HOSTILE, Site, WALL, request, with_json};

const ANNA: HomeId = HomeId([1; 16]);

fn kept(no: u64, way: Way, content: Content) -> Kept {
    let letter = Letter { id: LetterId(no.to_be_bytes()), seq: no, created: Some(WALL - 60), content };
    Kept { no: LetterNo(no), home: ANNA, way, at: Some(WALL), letter }
}

fn text(words: &str) -> Content {
    Content::text(words).expect("a text")
}

/// A site whose home answers for Anna and has these messages with her.
async fn site(letters: Vec<Kept>) -> Site {
    let site = Site::new().await;
    let last = letters.last().map(|kept| kept.no);
    let writes = letters.into_iter().map(|kept| Write::Letter(Box::new(kept))).collect();
    site.store.commit(&Batch { id: BatchId(1), writes }).expect("written");
    site.snapshot.send_modify(|snapshot| {
        let snapshot = Arc::make_mut(snapshot);
        let anna = Neighbour { home: ANNA, name: "Anna".into(), since: Day(20_089), reports: 0 };
        let bert = Neighbour { home: HomeId([2; 16]), name: "Bert".into(), ..anna.clone() };
        snapshot.neighbours = Arc::new(vec![bert, anna]);
        let held_up = Some(HeldUp::NotAccepted);
        snapshot.threads = Arc::new(vec![Thread { home: ANNA, unread: 1, undelivered: 2, held_up, last }]);
    });
    site
}

async fn get(site: &Site, path: &str) -> Value {
    let key = site.key("member").await;
    let asked = request(Method::GET, path).header("authorization", format!("Bearer {key}"));
    let answer = site.send(asked.body(axum::body::Body::empty()).expect("a request")).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.json()
}

async fn post(site: &Site, home: &str, body: &Value) -> crate::testing::Answer {
    let path = format!("/api/v1/messages/{home}");
    site.send_by_socket(with_json(request(Method::POST, &path), body)).await
}

#[tokio::test]
async fn a_thread_is_read_page_by_page_with_what_became_of_each() {
    let letters = vec![
        kept(1, Way::Out(Progress::Delivered { at: Some(WALL + 5) }), text("first")),
        kept(2, Way::In(NodeNumber(0)), text(&HOSTILE.replace('\u{2028}', ""))),
        kept(3, Way::Out(Progress::Failed(Failure::Expired)), text("late")),
        kept(4, Way::Out(Progress::Queued), Content::data(Media::Json, b"{}".to_vec()).expect("data")),
    ];
    let site = site(letters).await;
    let page = get(&site, &format!("/api/v1/messages/{ANNA}?limit=3")).await;
    let states: Vec<&str> =
        page["items"].as_array().expect("items").iter().filter_map(|m| m["state"].as_str()).collect();
    assert_eq!(states, ["queued", "expired", "received"]);
    assert_eq!(page["items"][0]["data"], json!({"media_type": "application/json", "base64": "e30="}));
    assert_eq!((&page["items"][1]["failure"]["code"], &page["items"][0]["text"]), (&json!("expired"), &Value::Null));
    let next = page["next"].as_str().expect("another page");
    let page = get(&site, &format!("/api/v1/messages/{ANNA}?cursor={next}")).await;
    assert_eq!((&page["items"][0]["delivered"], &page["next"]), (&json!(WALL + 5), &Value::Null));
    let key = site.key("member").await;
    let asked = request(Method::GET, &format!("/api/v1/messages/{ANNA}?cursor=x"))
        .header("authorization", format!("Bearer {key}"));
    let answer = site.send(asked.body(axum::body::Body::empty()).expect("a request")).await;
    assert_eq!(answer.code(), (400, "cursor".into()));
}

#[tokio::test]
async fn the_list_has_every_neighbour_and_what_waits() {
    let site = site(vec![kept(9, Way::In(NodeNumber(0)), text("Hello"))]).await;
    let list = get(&site, "/api/v1/messages").await;
    assert_eq!(
        (&list["unread"], &list["items"][0]["name"], &list["items"][1]["name"]),
        (&json!(1), &json!("Anna"), &json!("Bert"))
    );
    let anna = &list["items"][0];
    assert_eq!((&anna["last"]["text"], &anna["undelivered"]), (&json!("Hello"), &json!(2)));
    assert_eq!(anna["held_up"]["code"], "not_accepted");
    assert_eq!(list["items"][1]["last"], Value::Null);
}

#[tokio::test]
async fn what_cannot_be_said_is_refused_by_field() {
    let site = site(vec![]).await;
    let anna = ANNA.to_string();
    let written = post(&site, &anna, &json!({"text": "Hello\u{202e} Anna"})).await;
    assert_eq!((written.status, &written.json()["text"]), (StatusCode::CREATED, &json!("Hello Anna")));
    assert_eq!(written.json()["state"], "queued");
    let data = |media: &str, base64: &str| json!({"data": {"media_type": media, "base64": base64}});
    assert_eq!(post(&site, &anna, &data("text/vcard", "QkVHSU4=")).await.status, StatusCode::CREATED);
    let too_long = "x".repeat(2_001);
    for (body, field) in [
        (json!({"text": " "}), "text"),
        (json!({"text": too_long}), "text"),
        (json!({}), "text"),
        (json!({"text": "x", "data": {"media_type": "text/csv", "base64": "eA=="}}), "text"),
        (data("text/html", "eA=="), "media_type"),
        (data("text/csv", "?"), "base64"),
        (data("text/csv", &"eHh4".repeat(2_732)), "base64"),
    ] {
        let answer = post(&site, &anna, &body).await;
        assert_eq!(answer.code(), (422, "invalid".into()), "{body}");
        assert_eq!(answer.json()["field"], field, "{body}");
    }
    assert_eq!(
        post(&site, &HomeId([9; 16]).to_string(), &json!({"text": "x"})).await.code(),
        (404, "not_vouched".into())
    );
    assert_eq!(post(&site, "x", &json!({"text": "x"})).await.code(), (422, "not_a_home".into()));
}

#[tokio::test]
async fn undoing_and_reading_are_answered() {
    let site = site(vec![]).await;
    let path = format!("/api/v1/messages/{ANNA}");
    let undo =
        |id: &str| request(Method::DELETE, &format!("{path}/{id}")).body(axum::body::Body::empty()).expect("a request");
    assert_eq!(site.send_by_socket(undo("0102030405060708")).await.code(), (409, "message_left".into()));
    assert_eq!(site.send_by_socket(undo("zz")).await.code(), (422, "not_a_message".into()));
    let read = with_json(request(Method::PUT, &format!("{path}/read")), &json!({"up_to": 9}));
    assert_eq!(site.send_by_socket(read).await.status, StatusCode::NO_CONTENT);
    let forget = request(Method::DELETE, &path).body(axum::body::Body::empty()).expect("a request");
    assert_eq!(site.send_by_socket(forget).await.code(), (404, "no_such_message".into()));
}

#[tokio::test]
async fn the_neighbourhood_is_told_up_to_a_bound() {
    let site = site(vec![]).await;
    let whole = get(&site, "/api/v1/neighbourhood").await;
    assert_eq!((&whole["homes"][0]["reports"], &whole["at_distance"]), (&json!(1_000), &json!([1, 0, 0, 0, 0, 0])));
    assert_eq!(get(&site, "/api/v1/neighbourhood?limit=7").await["homes"][0]["reports"], 7);
    for limit in ["0", "1001"] {
        let path = format!("/api/v1/neighbourhood?limit={limit}");
        let asked = request(Method::GET, &path).body(axum::body::Body::empty()).expect("a request");
        assert_eq!(site.send_by_socket(asked).await.code(), (422, "invalid".into()));
    }
}
