//! The claim, sessions, keys, limits.

use std::sync::atomic::Ordering;

use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use serde_json::json;

use crate::testing::{Answer, Browser, PASSWORD, Site, get, request, with_json};

async fn claim(site: &Site, token: &str, name: &str, password: &str) -> Answer {
    let body = json!({"token": token, "name": name, "password": password});
    site.send(with_json(request(Method::POST, "/api/v1/claim"), &body)).await
}

async fn sign_in(site: &Site, name: &str, password: &str) -> Answer {
    let body = json!({"name": name, "password": password});
    site.send(with_json(request(Method::POST, "/api/v1/session"), &body)).await
}

async fn state(site: &Site, browser: &Browser) -> String {
    site.send(browser.get("/api/v1/session")).await.json()["state"].as_str().expect("text").to_owned()
}

fn token(site: &Site) -> String {
    site.wiring.access.issue_claim().expect("entropy").url_fragment().replace("#claim=", "")
}

#[tokio::test]
async fn the_claim_link_works_once_and_makes_the_first_admin() {
    let site = Site::new().await;
    assert_eq!(state(&site, &Browser::default()).await, "unclaimed");
    let (old, new) = (token(&site), token(&site));
    assert_eq!(claim(&site, &old, "Ada", PASSWORD).await.code(), (403, "claim_token".into()));
    assert_eq!(claim(&site, &new, "Ada", "short").await.code(), (422, "invalid".into()));
    let answer = claim(&site, &new, "Ada", PASSWORD).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let browser = Browser::of(&answer);
    let session = site.send(browser.get("/api/v1/session")).await.json();
    assert_eq!(
        (&session["state"], &session["name"], &session["role"]),
        (&json!("signed_in"), &json!("Ada"), &json!("admin"))
    );
    assert_eq!(claim(&site, &new, "Eve", PASSWORD).await.code(), (403, "claim_token".into()));
    assert_eq!(state(&site, &Browser::default()).await, "signed_out");
    assert_eq!(site.wiring.access.is_claimed(), Some(true));
}

#[tokio::test]
async fn a_new_claim_link_gives_a_lost_password_back_and_ends_old_sessions() {
    let site = Site::new().await;
    let before = site.admin().await;
    let answer = claim(&site, &token(&site), "ada", "another password").await;
    assert_eq!(answer.status, StatusCode::CREATED);
    assert_eq!(state(&site, &before).await, "signed_out");
    assert_eq!(state(&site, &Browser::of(&answer)).await, "signed_in");
    assert_eq!(sign_in(&site, "Ada", PASSWORD).await.code().1, "wrong_credentials");
    assert_eq!(sign_in(&site, "Ada", "another password").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_cookie_is_out_of_reach_of_scripts_and_other_sites() {
    let site = Site::new().await;
    let fragment = token(&site);
    let answer = claim(&site, &fragment, "Ada", PASSWORD).await;
    let cookie = answer.headers[header::SET_COOKIE].to_str().expect("text");
    for part in ["meerkat_session=", "; Path=/", "; HttpOnly", "; SameSite=Strict"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Secure") && !cookie.contains("Domain"), "{cookie}");
}

#[tokio::test]
async fn signing_in_rotates_the_session_and_signing_out_ends_it() {
    let site = Site::new().await;
    let first = site.admin().await;
    let body = json!({"name": "ADA", "password": PASSWORD});
    let answer = site.send(with_json(first.request(Method::POST, "/api/v1/session"), &body)).await;
    assert_eq!(answer.status, StatusCode::OK);
    let second = Browser::of(&answer);
    assert_ne!(first.cookie, second.cookie);
    assert_eq!(state(&site, &first).await, "signed_out");
    let out = second.request(Method::DELETE, "/api/v1/session").body(Body::empty()).expect("a request");
    let answer = site.send(out).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.headers[header::SET_COOKIE].to_str().expect("text").contains("Max-Age=0"));
    assert_eq!(state(&site, &second).await, "signed_out");
}

#[tokio::test]
async fn a_session_ends_by_itself_when_unused_or_old_and_survives_a_restart() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let hours = |n: u64| n * 3_600_000;
    site.mono_ms.fetch_add(hours(11), Ordering::Relaxed);
    assert_eq!(state(&site, &browser).await, "signed_in");
    site.mono_ms.fetch_add(hours(11), Ordering::Relaxed);
    assert_eq!(state(&site, &browser).await, "signed_in");
    // A restart: the book comes from the store, the monotonic clock begins anew. A round trip by a key makes sure that
    // all that was written before is on disk.
    site.key("viewer").await;
    site.mono_ms.store(5, Ordering::Relaxed);
    site.wiring.access.restore_from(&site.store.reader()).expect("readable");
    assert_eq!(state(&site, &browser).await, "signed_in");
    site.mono_ms.fetch_add(hours(12), Ordering::Relaxed);
    assert_eq!(state(&site, &browser).await, "signed_out");
    site.mono_ms.store(5, Ordering::Relaxed);
    site.wiring.access.restore_from(&site.store.reader()).expect("readable");
    site.wall.fetch_add(30 * 86_400, Ordering::Relaxed);
    assert_eq!(state(&site, &browser).await, "signed_out");
    site.wiring.access.restore_from(&site.store.reader()).expect("readable");
    site.wall.fetch_sub(30 * 86_400, Ordering::Relaxed);
    assert_eq!(state(&site, &browser).await, "signed_out", "what was idle at the restart is not taken in");
}

#[tokio::test]
async fn until_the_records_have_come_nobody_gets_in() {
    let site = Site::locked();
    let browser = Browser { cookie: "meerkat_session=x".into(), csrf: "x".into() };
    assert_eq!(site.send(browser.get("/api/v1/summary")).await.code(), (503, "checking".into()));
    assert_eq!(site.send(get("/api/v1/session")).await.code(), (503, "checking".into()));
    let token = token(&site);
    assert_eq!(claim(&site, &token, "Ada", PASSWORD).await.code(), (503, "checking".into()));
    assert_eq!(site.send(get("/health")).await.status, StatusCode::OK);
    site.wiring.access.restore([]);
    assert_eq!(claim(&site, &token, "Ada", PASSWORD).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn wrong_names_and_wrong_passwords_look_alike_and_are_slowed_down() {
    let site = Site::new().await;
    site.admin().await;
    let wrong = sign_in(&site, "Ada", "wrong password").await;
    let unknown = sign_in(&site, "Nobody", "wrong password").await;
    assert_eq!(wrong.code(), (401, "wrong_credentials".into()));
    assert_eq!(wrong.text, unknown.text);
    // One address: five attempts a minute, the claim among them.
    sign_in(&site, "Ada", "x").await;
    sign_in(&site, "Ada", "x").await;
    let sixth = sign_in(&site, "Ada", PASSWORD).await;
    assert_eq!(sixth.code(), (429, "too_many_requests".into()));
    assert_eq!(sixth.headers[header::RETRY_AFTER], "60");
    // After the minute the account itself still asks for patience, once it has failed often enough.
    site.mono_ms.fetch_add(60_000, Ordering::Relaxed);
    for _ in 0..3 {
        sign_in(&site, "Ada", "x").await;
        site.mono_ms.fetch_add(1, Ordering::Relaxed);
    }
    let slowed = sign_in(&site, "Ada", PASSWORD).await;
    assert_eq!(slowed.code(), (429, "too_many_requests".into()));
    site.mono_ms.fetch_add(120_000, Ordering::Relaxed);
    assert_eq!(sign_in(&site, "Ada", PASSWORD).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_key_is_shown_once_works_by_its_role_and_can_be_withdrawn() {
    let site = Site::new().await;
    let admin = site.admin().await;
    let new = json!({"name": "Dashboard", "role": "viewer"});
    let created = site.send(with_json(admin.request(Method::POST, "/api/v1/api-keys"), &new)).await.json();
    let key = created["key"].as_str().expect("a key");
    assert!(key.starts_with("mk_") && key.len() == 55, "{key}");
    let ask = || get_with_key("/api/v1/summary", key);
    assert_eq!(site.send(ask()).await.status, StatusCode::OK);
    let listed = site.send(admin.get("/api/v1/api-keys")).await;
    assert!(!listed.text.contains(key) && listed.json()["items"][0]["last_used"].is_i64(), "{}", listed.text);
    // It survives a restart, and as itself only.
    site.wiring.access.restore_from(&site.store.reader()).expect("readable");
    assert_eq!(site.send(ask()).await.status, StatusCode::OK);
    assert_eq!(site.send(get_with_key("/api/v1/summary", "mk_aaaa")).await.code(), (401, "unknown_key".into()));
    let path = format!("/api/v1/api-keys/{}", created["id"].as_str().expect("an id"));
    let withdraw = || admin.request(Method::DELETE, &path).body(Body::empty()).expect("a request");
    assert_eq!(site.send(withdraw()).await.status, StatusCode::NO_CONTENT);
    assert_eq!(site.send(withdraw()).await.code(), (404, "not_found".into()));
    assert_eq!(site.send(ask()).await.code(), (401, "unknown_key".into()));
}

fn get_with_key(path: &str, key: &str) -> axum::http::Request<Body> {
    let builder = request(Method::GET, path).header(header::AUTHORIZATION, format!("Bearer {key}"));
    builder.body(Body::empty()).expect("a request")
}

#[tokio::test]
async fn the_thousand_and_first_request_of_a_minute_is_refused() {
    let site = Site::new().await;
    let key = site.key("viewer").await;
    for _ in 0..1_000 {
        assert_eq!(site.send(get_with_key("/api/v1/settings", &key)).await.status, StatusCode::OK);
    }
    let answer = site.send(get_with_key("/api/v1/settings", &key)).await;
    assert_eq!(answer.code(), (429, "too_many_requests".into()));
    site.mono_ms.fetch_add(60_000, Ordering::Relaxed);
    assert_eq!(site.send(get_with_key("/api/v1/settings", &key)).await.status, StatusCode::OK);
    // Who guesses keys is counted by address.
    for _ in 0..1_000 {
        assert_eq!(site.send(get_with_key("/api/v1/settings", "mk_guess")).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(site.send(get_with_key("/api/v1/settings", "mk_guess")).await.status, StatusCode::TOO_MANY_REQUESTS);
}

#[tokio::test]
async fn nothing_secret_is_kept_as_it_is() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let key = site.key("admin").await;
    let secrets = [browser.cookie.replace("meerkat_session=", ""), key.replace("mk_", ""), PASSWORD.to_owned()];
    let reader = site.store.reader();
    for table in
        [meerkat_store::AccessTable::Users, meerkat_store::AccessTable::Sessions, meerkat_store::AccessTable::ApiKeys]
    {
        for (key, value) in reader.access_all(table).expect("readable") {
            for secret in &secrets {
                let holds = |bytes: &[u8]| bytes.windows(secret.len()).any(|w| w == secret.as_bytes());
                assert!(!holds(&key) && !holds(&value), "{table:?}");
            }
        }
    }
}
