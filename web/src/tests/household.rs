//! The household over the API.

use std::sync::Arc;

use axum::{body::Body, http::Method};
use meerkat_core::{EnrolStage, EnrolState, Enrolment, GuestStage, GuestState, HouseholdInvite, MemberState};
use meerkat_protocols::{
    enrolment::HouseholdTicket, home::NodeNumber, mesh::Peer, roster::Role, shortcode::ShortCode, ticket::Secret,
};
use serde_json::{Value, json};

use crate::testing::{Answer, Browser, Site, with_json};

async fn ask(site: &Site, browser: &Browser, path: &str) -> Answer {
    site.send(browser.get(path)).await
}

async fn post(site: &Site, browser: &Browser, path: &str, body: &Value) -> Answer {
    site.send(with_json(browser.request(Method::POST, path), body)).await
}

fn member(number: u8, own: bool) -> MemberState {
    MemberState {
        number: NodeNumber(number),
        name: format!("node {number}"),
        role: if own { Role::Admin } else { Role::Member },
        peer: Peer([number; 32]),
        since: None,
        own,
        online: false,
        in_step: false,
        twin: false,
        removed: false,
        left: false,
        word: meerkat_protocols::memberword::MemberWord::default(),
        seen: None,
    }
}

#[tokio::test]
async fn the_members_are_shown_and_who_may_change_them() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let alone = ask(&site, &browser, "/api/v1/household").await.json();
    assert_eq!((&alone["members"], &alone["admin"]), (&json!([]), &json!(true)));
    site.snapshot.send_modify(|now| {
        Arc::make_mut(now).household.members = vec![member(0, true), member(7, false)];
    });
    let two = ask(&site, &browser, "/api/v1/household").await.json();
    assert_eq!((&two["members"][0]["in_step"], &two["members"][1]["online"]), (&json!(true), &json!(false)));
    assert_eq!((&two["members"][1]["name"], &two["members"][1]["role"]), (&json!("node 7"), &json!("member")));
    site.snapshot.send_modify(|now| {
        Arc::make_mut(now).household.members =
            vec![member(7, false), MemberState { role: Role::Member, ..member(9, true) }];
    });
    assert_eq!(ask(&site, &browser, "/api/v1/household").await.json()["admin"], false);
}

#[tokio::test]
async fn who_is_on_the_way_in_is_shown_with_the_digits() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let digits = "042 007".parse().expect("digits");
    let ticket = HouseholdTicket { peer: Peer([8; 32]), addresses: vec![], relays: vec![], secret: Secret([9; 16]) };
    let invite = HouseholdInvite { ticket, code: Some(ShortCode::of(&[3; 32])), ends_mono_ms: 601_000 };
    let stage = GuestStage::Comparing;
    let guest = GuestState { peer: Peer([1; 32]), name: "garage".into(), digits, stage, nearby: true };
    let joining = EnrolState { stage: EnrolStage::Comparing, digits: Some(digits), confirmed: false };
    site.snapshot.send_modify(|now| {
        Arc::make_mut(now).enrolment = Enrolment { invite: Some(invite), guests: vec![guest], joining: Some(joining) };
    });
    let shown = ask(&site, &browser, "/api/v1/household/enrolment").await.json();
    assert!(shown["invite"]["text"].as_str().is_some_and(|text| text.starts_with("meerkat-household-")));
    assert_eq!(shown["invite"]["ends_in_s"], 600);
    assert_eq!((&shown["guests"][0]["digits"], &shown["guests"][0]["stage"]), (&json!("042 007"), &json!("comparing")));
    assert_eq!((&shown["joining"]["digits"], &shown["joining"]["confirmed"]), (&json!("042 007"), &json!(false)));
}

#[tokio::test]
async fn what_makes_no_sense_says_which_field_is_wrong() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let path = "/api/v1/household/confirm";
    for (body, field) in [
        (json!({"digits": "12345"}), "digits"),
        (json!({"digits": "123456", "role": "king"}), "role"),
        (json!({"digits": "123456", "name": "x".repeat(41)}), "name"),
    ] {
        let refused = post(&site, &browser, path, &body).await;
        assert_eq!((refused.code(), &refused.json()["field"]), ((422, "invalid".into()), &json!(field)));
    }
    let put = browser.request(Method::PUT, "/api/v1/household/members/7");
    let refused = site.send(with_json(put, &json!({"name": " \u{7} "}))).await;
    assert_eq!(refused.code(), (422, "invalid".into()));
    let remove = browser.request(Method::DELETE, "/api/v1/household/members/700").body(Body::empty());
    assert!(site.send(remove.expect("a request")).await.status.is_client_error());
}
