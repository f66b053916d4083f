//! What other sites and other names can do: nothing.

use axum::{
    body::Body,
    http::{Method, Request, StatusCode, header},
};
use serde_json::json;

use crate::{
    security,
    testing::{Browser, Site, get, request, with_json},
};

fn settings(builder: axum::http::request::Builder) -> Request<Body> {
    with_json(builder, &json!({"region": "AT", "anonymous": "allow", "invalid": "allow", "ranges": true}))
}

fn bare(method: Method, path: &str, browser: &Browser) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost:8780")
        .header(header::COOKIE, &browser.cookie)
        .header("x-csrf-token", &browser.csrf)
}

#[tokio::test]
async fn a_change_needs_this_site_and_the_word_of_this_session() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let path = "/api/v1/settings";
    let refused = [
        (bare(Method::PUT, path, &browser), "cross_site"),
        (bare(Method::PUT, path, &browser).header("sec-fetch-site", "cross-site"), "cross_site"),
        (bare(Method::PUT, path, &browser).header("sec-fetch-site", "same-site"), "cross_site"),
        (bare(Method::PUT, path, &browser).header(header::ORIGIN, "http://evil.example"), "cross_site"),
        (bare(Method::PUT, path, &browser).header(header::ORIGIN, "null"), "cross_site"),
        (bare(Method::PUT, path, &browser).header(header::ORIGIN, "http://localhost:1234"), "cross_site"),
        (
            bare(Method::PUT, path, &browser)
                .header("sec-fetch-site", "same-origin")
                .header(header::ORIGIN, "http://evil.example"),
            "cross_site",
        ),
        (request(Method::PUT, path).header(header::COOKIE, &browser.cookie), "csrf"),
        (request(Method::PUT, path).header(header::COOKIE, &browser.cookie).header("x-csrf-token", "x"), "csrf"),
    ];
    for (builder, code) in refused {
        assert_eq!(site.send(settings(builder)).await.code(), (403, code.into()));
    }
    assert_eq!(site.wiring.snapshot.borrow().settings.region, "DE");
    for builder in [
        bare(Method::PUT, path, &browser).header("sec-fetch-site", "same-origin"),
        bare(Method::PUT, path, &browser).header(header::ORIGIN, "http://localhost:8780"),
    ] {
        assert_eq!(site.send(settings(builder)).await.status, StatusCode::OK);
    }
    assert_eq!(site.wiring.snapshot.borrow().settings.region, "AT");
}

#[tokio::test]
async fn signing_in_and_claiming_need_this_site_too() {
    let site = Site::new().await;
    for path in ["/api/v1/session", "/api/v1/claim"] {
        let builder = bare(Method::POST, path, &Browser::default()).header("sec-fetch-site", "cross-site");
        assert_eq!(site.send(with_json(builder, &json!({}))).await.code(), (403, "cross_site".into()));
    }
}

#[tokio::test]
async fn the_page_answers_to_its_own_names_only() {
    let site = Site::new().await;
    let ask = |host: &str| {
        Request::builder().uri("/health").header(header::HOST, host).body(Body::empty()).expect("a request")
    };
    for ours in ["localhost", "127.0.0.1:8780", "[::1]:8780", "meerkat.local:8780"] {
        assert_eq!(site.send(ask(ours)).await.status, StatusCode::OK, "{ours}");
    }
    for other in ["evil.example", "evil.example:8780", "localhost.evil.example"] {
        assert_eq!(site.send(ask(other)).await.code(), (421, "unknown_host".into()), "{other}");
    }
    let nameless = Request::builder().uri("/health").body(Body::empty()).expect("a request");
    assert_eq!(site.send(nameless).await.code(), (421, "unknown_host".into()));
    let twice =
        Request::builder().uri("/health").header(header::HOST, "localhost").header(header::HOST, "evil.example");
    assert_eq!(site.send(twice.body(Body::empty()).expect("a request")).await.code(), (421, "unknown_host".into()));
}

#[tokio::test]
async fn every_answer_carries_the_headers() {
    let site = Site::new().await;
    let browser = site.admin().await;
    let answers = [
        site.send(get("/")).await,
        site.send(get("/health")).await,
        site.send(get("/api/v1/nowhere")).await,
        site.send(get("/missing.js")).await,
        site.send(get("/api/v1/summary")).await,
        site.send(browser.get("/api/v1/summary")).await,
        site.send(Request::builder().uri("/").header(header::HOST, "evil.example").body(Body::empty()).expect("ok"))
            .await,
    ];
    for answer in answers {
        for (name, value) in security::HEADERS {
            assert_eq!(answer.headers[&name], value, "{name}");
        }
    }
    assert!(security::CONTENT_SECURITY_POLICY.ends_with("require-trusted-types-for 'script'; trusted-types 'none'"));
    assert!(!security::CONTENT_SECURITY_POLICY.contains("unsafe"));
    assert_eq!(site.send(browser.get("/api/v1/summary")).await.headers[header::CACHE_CONTROL], "no-store");
}
