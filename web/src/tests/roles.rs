//! The table of roles, the OpenAPI document and what really happens say the same.

use std::collections::BTreeSet;

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::Value;

use crate::{
    access::{Need, Role, TABLE},
    openapi_document,
    testing::{Site, request},
};

#[test]
fn every_operation_of_the_document_is_in_the_table_and_the_reverse() {
    let document: Value = serde_json::from_str(openapi_document()).expect("JSON");
    let mut described = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let method = method.to_uppercase();
            let (_, _, need) = TABLE.iter().find(|(m, p, _)| *m == method && p == path).expect("in the table");
            let secured = operation["security"].as_array().expect("said").len();
            assert_eq!(secured, if *need == Need::Public { 0 } else { 2 }, "{method} {path}");
            assert!(operation["responses"]["429"].is_object(), "{method} {path}");
            described.insert((method, path.clone()));
        }
    }
    // The document does not describe itself, nor what only the control socket knows.
    let own = |path: &str| path.ends_with("/openapi.json") || path.starts_with("/api/v1/local/");
    let table: BTreeSet<_> =
        TABLE.iter().filter(|(_, p, _)| !own(p)).map(|(m, p, _)| ((*m).to_owned(), (*p).to_owned())).collect();
    assert_eq!(described, table);
}

#[test]
fn the_document_in_the_tree_is_the_one_the_code_makes() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
    let held = std::fs::read_to_string(path).expect("it is in the tree");
    assert!(held == openapi_document(), "run `cargo run -p meerkat-web --example openapi` and commit web/openapi.json");
}

/// A request to the operation that gets as far as its handler, whatever the handler then says.
fn ask(method: &str, path: &str, key: Option<&str>) -> Request<Body> {
    let path = path.replace("{seq}", "1").replace("{number}", "030901820").replace("{subject}", "+4930*");
    let path = path.replace("{home}", "x").replace("{id}", "x").replace("{peer}", "x");
    let path = path.replace("{upload}", "1").replace("{offset}", "0");
    // An event stream would not end: an unknown parameter ends it after the door.
    let path = if path.contains("/events/") { format!("{path}?unknown=1") } else { path };
    let builder = request(Method::from_bytes(method.as_bytes()).expect("a method"), &path);
    let builder = match key {
        Some(key) => builder.header(header::AUTHORIZATION, format!("Bearer {key}")),
        None => builder,
    };
    builder.header(header::CONTENT_TYPE, "application/json").body(Body::from("{}")).expect("a request")
}

#[tokio::test]
async fn every_cell_of_role_and_operation_is_as_the_table_says() {
    let site = Site::new().await;
    let mut keys = vec![];
    for role in Role::ALL {
        keys.push((Some(role), Some(site.key(role.word()).await)));
    }
    keys.push((None, None));
    for (method, path, need) in TABLE.iter().filter(|(_, path, _)| !path.ends_with("/local/claim")) {
        for (role, key) in &keys {
            let answer = site.send(ask(method, path, key.as_deref())).await;
            let code = if answer.status.is_success() { String::new() } else { answer.code().1 };
            let refused = match (answer.status.as_u16(), code.as_str()) {
                (401, "signed_out") => Some("signed_out"),
                (403, "role") => Some("role"),
                _ => None,
            };
            let expected = match (need, role) {
                (Need::Public, _) => None,
                (Need::At(_), None) => Some("signed_out"),
                (Need::At(least), Some(role)) => (role < least).then_some("role"),
                (Need::Socket, _) => unreachable!("filtered"),
            };
            assert_eq!(refused, expected, "{method} {path} as {role:?}: {}", answer.text);
        }
    }
}

#[tokio::test]
async fn the_control_socket_is_the_admin_and_alone_issues_claims() {
    let site = Site::new().await;
    let ask = |builder: axum::http::request::Builder| builder.body(Body::empty()).expect("a request");
    let claim = "/api/v1/local/claim";
    let by_page = site.send(ask(request(Method::POST, claim))).await;
    assert_eq!(by_page.code().0, 404);
    let answer = site.send_by_socket(ask(Request::builder().method(Method::POST).uri(claim))).await;
    assert_eq!(answer.status, 201);
    assert!(answer.json()["url_fragment"].as_str().expect("text").starts_with("#claim="));
    let config = site.send_by_socket(ask(Request::builder().uri("/api/v1/config"))).await;
    assert_eq!(config.status, 200);
}
