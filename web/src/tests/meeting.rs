//! Invites, joins and meetings over the API.

use std::sync::Arc;

use axum::{
    body::Body,
    http::{Method, StatusCode},
};
use meerkat_core::{ContactState, MeetingStage, MeetingState, PeerState};
use meerkat_protocols::{
    contact::About,
    fourwords::FourWords,
    home::HomeId,
    mesh::{Found, Path, Peer},
};
use serde_json::{Value, json};

use crate::testing::{Answer, Browser, Site, with_json};

async fn ask(site: &Site, browser: &Browser, path: &str) -> Answer {
    site.send(browser.get(path)).await
}

async fn post(site: &Site, browser: &Browser, path: &str, body: &Value) -> Answer {
    site.send(with_json(browser.request(Method::POST, path), body)).await
}

#[tokio::test]
async fn an_invite_is_made_shown_used_and_taken_back() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let made = post(&site, &browser, "/api/v1/invites", &json!({"name": "Anna"})).await;
    assert_eq!(made.status, StatusCode::CREATED);
    let invite = made.json();
    let text = invite["text"].as_str().expect("text");
    assert!(text.starts_with("meerkat:") && invite["qr_svg"].as_str().is_some_and(|svg| svg.starts_with("<svg")));
    assert_eq!((&invite["ends_in_s"], &invite["code_ends_in_s"]), (&json!(86_400), &json!(600)));
    assert_eq!((&invite["vouch"], &invite["used_by"]), (&json!(true), &Value::Null));
    let joined = post(&site, &browser, "/api/v1/joins", &json!({"invite": text, "name": "Ben"})).await;
    assert_eq!(joined.status, StatusCode::ACCEPTED);
    assert_eq!(joined.json()["stage"], "calling");
    assert_eq!(ask(&site, &browser, "/api/v1/joins").await.json()["items"][0], joined.json());
    let path = format!("/api/v1/invites/{}", invite["id"].as_str().expect("text"));
    let gone = || site.send(browser.request(Method::DELETE, &path).body(Body::empty()).expect("a request"));
    assert_eq!(gone().await.status, StatusCode::NO_CONTENT);
    assert_eq!(gone().await.code(), (404, "no_such_invite".into()));
    assert_eq!(ask(&site, &browser, "/api/v1/invites").await.json(), json!({"items": [], "left": 12}));
}

#[tokio::test]
async fn what_is_no_invite_says_which_field_is_wrong() {
    let site = Site::new().await;
    let browser = site.admin().await;
    for text in ["hello", "meerkat:abc"] {
        let refused = post(&site, &browser, "/api/v1/joins", &json!({"invite": text})).await;
        assert_eq!((refused.code(), refused.json()["field"].clone()), ((422, "not_an_invite".into()), json!("invite")));
    }
    let long = "x".repeat(81);
    let path = "/api/v1/joins";
    assert_eq!(post(&site, &browser, path, &json!({"invite": "x", "name": long})).await.code().1, "invalid");
    let peer = "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp";
    for peer in [peer, "nobody"] {
        assert_eq!(post(&site, &browser, "/api/v1/meetings", &json!({"peer": peer})).await.code().1, "not_nearby");
        let path = format!("/api/v1/meetings/{peer}");
        assert_eq!(post(&site, &browser, &path, &json!({"same": true})).await.code().1, "no_such_meeting");
    }
}

#[tokio::test]
async fn who_may_not_answer_for_neighbours_sees_no_invite() {
    let site = Site::new().await;
    let key = site.key("member").await;
    let builder =
        crate::testing::request(Method::GET, "/api/v1/invites").header("authorization", format!("Bearer {key}"));
    let refused = site.send(builder.body(Body::empty()).expect("a request")).await;
    assert_eq!(refused.code(), (403, "role".into()));
}

#[tokio::test]
async fn nearby_and_contacts_are_shown_as_they_are() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let state = |n: u8, address: &str| PeerState {
        peer: Peer([n; 32]),
        address: address.into(),
        found: Found::CalledUs,
        path: Path::Direct,
        since_mono_ms: 0,
    };
    site.snapshot.send_modify(|s| {
        let now = Arc::make_mut(s);
        now.peers = vec![state(1, "/ip4/192.168.1.7/tcp/4787"), state(2, "/ip4/203.0.113.9/tcp/4787")];
        let words = Some(FourWords::of(&[0; 32]));
        now.meetings = vec![MeetingState { peer: Peer([1; 32]), ours: true, stage: MeetingStage::Comparing, words }];
        now.contacts = vec![ContactState {
            home: HomeId([5; 16]),
            name: "Anna".into(),
            about: About { peer: Peer([1; 32]), ..About::default() },
            online: true,
            heard_mono_ms: Some(0),
            since: None,
        }];
    });
    assert_eq!(ask(&site, &browser, "/api/v1/summary").await.json()["neighbours_there"], 1);
    let nearby = ask(&site, &browser, "/api/v1/nearby").await.json();
    assert_eq!(nearby["items"].as_array().map(Vec::len), Some(1), "{nearby}");
    let near = &nearby["items"][0];
    assert_eq!((&near["name"], &near["meeting"]["stage"]), (&json!("Anna"), &json!("comparing")));
    assert_eq!(near["meeting"]["four_words"], "abandon abandon abandon abandon");
    let contact = &ask(&site, &browser, "/api/v1/contacts").await.json()["items"][0];
    assert_eq!(
        (&contact["online"], &contact["heard_s"], &contact["platform"]),
        (&json!(true), &json!(1), &json!("computer"))
    );
}
