//! Accounts: made, changed and removed for the whole home; sessions follow.

use std::sync::Arc;

use axum::http::{Method, StatusCode};
use meerkat_protocols::wishes::Account;
use serde_json::{Value, json};

use crate::testing::{Answer, Browser, PASSWORD, Site, request, with_json};

async fn sign_in(site: &Site, name: &str, password: &str) -> Answer {
    let body = json!({"name": name, "password": password});
    site.send(with_json(request(Method::POST, "/api/v1/session"), &body)).await
}

async fn send(site: &Site, by: &Browser, method: Method, path: &str, body: &Value) -> Answer {
    site.send(with_json(by.request(method, path), body)).await
}

async fn is_in(site: &Site, browser: &Browser) -> bool {
    site.send(browser.get("/api/v1/session")).await.json()["state"] == "signed_in"
}

#[tokio::test]
async fn an_account_is_made_changed_and_removed() {
    let site = Site::new().await;
    let ada = site.admin().await;
    let new = json!({"name": "Ben", "role": "viewer", "password": PASSWORD});
    let made = send(&site, &ada, Method::POST, "/api/v1/accounts", &new).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.json()["items"][0], json!({"name": "Ada", "role": "admin", "own": true, "doubled": false}));
    assert!(!made.text.contains("argon2"), "no hash leaves");
    let again = json!({"name": " ben", "role": "viewer", "password": PASSWORD});
    assert_eq!(send(&site, &ada, Method::POST, "/api/v1/accounts", &again).await.code(), (409, "account_taken".into()));
    for (wrong, why) in [("password", json!("short")), ("role", json!("lookup")), ("name", json!(" "))] {
        let mut body = json!({"name": "Cem", "role": "viewer", "password": PASSWORD});
        body[wrong] = why;
        assert_eq!(send(&site, &ada, Method::POST, "/api/v1/accounts", &body).await.code(), (422, "invalid".into()));
    }

    let ben = Browser::of(&sign_in(&site, "BEN", PASSWORD).await);
    assert_eq!(send(&site, &ben, Method::POST, "/api/v1/accounts", &new).await.status, StatusCode::FORBIDDEN);
    send(&site, &ada, Method::PUT, "/api/v1/accounts/Ben", &json!({"role": "admin"})).await;
    assert_eq!(site.send(ben.get("/api/v1/accounts")).await.status, StatusCode::OK, "a role counts at once");
    send(&site, &ada, Method::PUT, "/api/v1/accounts/Ben", &json!({"password": "another password"})).await;
    assert!(!is_in(&site, &ben).await, "with a new password sessions end");
    assert_eq!(sign_in(&site, "Ben", PASSWORD).await.status, StatusCode::UNAUTHORIZED);
    let ben = Browser::of(&sign_in(&site, "Ben", "another password").await);
    send(&site, &ada, Method::DELETE, "/api/v1/accounts/Ben", &json!({})).await;
    assert!(!is_in(&site, &ben).await && is_in(&site, &ada).await);
    let unknown = send(&site, &ada, Method::PUT, "/api/v1/accounts/Ben", &json!({"role": "viewer"})).await;
    assert_eq!(unknown.code(), (404, "no_such_account".into()));
}

#[tokio::test]
async fn the_own_password_is_changed_by_who_knows_it() {
    let site = Site::new().await;
    let (ada, elsewhere) = (site.admin().await, Browser::of(&sign_in(&site, "Ada", PASSWORD).await));
    let change = |old: &str, new: &str| json!({"old": old, "new": new});
    let path = "/api/v1/session/password";
    let wrong = send(&site, &ada, Method::PUT, path, &change("not this one", "another password")).await;
    assert_eq!((wrong.code(), wrong.json()["field"].clone()), ((422, "wrong_password".into()), json!("old")));
    assert_eq!(send(&site, &ada, Method::PUT, path, &change(PASSWORD, "short")).await.code(), (422, "invalid".into()));
    let done = send(&site, &ada, Method::PUT, path, &change(PASSWORD, "another password")).await;
    assert_eq!(done.status, StatusCode::OK, "{}", done.text);
    assert!(!is_in(&site, &elsewhere).await && is_in(&site, &Browser::of(&done)).await);
    let by_key = site.key("admin").await;
    let request = request(Method::PUT, path).header("authorization", format!("Bearer {by_key}"));
    let by_key = site.send(with_json(request, &change("another password", PASSWORD))).await;
    assert_eq!(by_key.code(), (403, "no_account".into()));
}

#[tokio::test]
async fn what_another_node_did_to_an_account_counts_here() {
    let site = Site::new().await;
    let ada = site.admin().await;
    // As a document of another member brings it: the hash of another password.
    let other = Site::new().await;
    other.admin().await;
    let hash = other.snapshot.borrow().shared.accounts["Ada"].hash.clone();
    site.snapshot.send_modify(|now| {
        let accounts = Arc::make_mut(&mut Arc::make_mut(now).shared.accounts);
        accounts.insert("Ada".into(), Account { role: "admin".into(), hash });
        accounts.insert("New".into(), Account { role: "a role to come".into(), hash: String::new() });
    });
    assert!(!is_in(&site, &ada).await, "the password is another one");
    assert_eq!(sign_in(&site, "Ada", PASSWORD).await.status, StatusCode::OK);
    assert_eq!(sign_in(&site, "New", "").await.status, StatusCode::UNAUTHORIZED);
}
