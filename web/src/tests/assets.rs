//! The page's files.

use axum::{
    body::Body,
    http::{HeaderValue, Method, StatusCode, header},
};

use crate::testing::{Site, get, request};

#[tokio::test]
async fn a_file_is_sent_once_and_then_only_confirmed() {
    let site = Site::new().await;
    let first = site.send(get("/")).await;
    assert_eq!(first.status, StatusCode::OK);
    assert_eq!(first.headers[header::CACHE_CONTROL], "no-cache");
    assert_eq!(first.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    assert_eq!(first.headers[header::VARY], "Accept-Encoding");
    let etag = first.headers[header::ETAG].clone();
    let again = request(Method::GET, "/").header(header::IF_NONE_MATCH, &etag).body(Body::empty()).expect("a request");
    let again = site.send(again).await;
    assert_eq!((again.status, again.text.as_str()), (StatusCode::NOT_MODIFIED, ""));
    assert_eq!(again.headers[header::ETAG], etag);
    let other = request(Method::GET, "/").header(header::IF_NONE_MATCH, "\"other\"").body(Body::empty());
    assert_eq!(site.send(other.expect("a request")).await.status, StatusCode::OK);
}

#[tokio::test]
async fn head_tells_the_length_without_the_body() {
    let site = Site::new().await;
    let length = HeaderValue::from(site.send(get("/")).await.text.len());
    let head = site.send(request(Method::HEAD, "/").body(Body::empty()).expect("a request")).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
    assert_eq!(head.headers[header::CONTENT_LENGTH], length);
    let head = site.send(request(Method::HEAD, "/health").body(Body::empty()).expect("a request")).await;
    assert_eq!((head.status, head.text.as_str()), (StatusCode::OK, ""));
}

#[tokio::test]
async fn addresses_inside_the_page_are_the_page_and_missing_files_are_missing() {
    let site = Site::new().await;
    let page = site.send(get("/")).await.text;
    assert_eq!(site.send(get("/numbers/+4930901820")).await.text, page);
    assert_eq!(site.send(get("/assets/gone-1234.js")).await.code(), (404, "not_found".into()));
    assert_eq!(site.send(get("/../../etc/passwd.txt")).await.code(), (404, "not_found".into()));
    let post = site.send(request(Method::POST, "/").body(Body::empty()).expect("a request")).await;
    assert_eq!(post.code(), (405, "method_not_allowed".into()));
    assert_eq!(post.headers[header::ALLOW], "GET, HEAD");
}
