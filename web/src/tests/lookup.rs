//! Phone apps: what they ask and what they are told.

use axum::{
    body::Body,
    http::{Method, Request, header},
};
use serde_json::{Value, json};
use sha1::{Digest, Sha1};

use crate::testing::{Answer, Browser, Site, request, with_json};

const SCAMMER: &str = "+4930901820";
const SUSPECT: &str = "+4930901821";
const STRANGER: &str = "+4930901822";

fn hash(number: &str) -> String {
    data_encoding::HEXUPPER.encode(&Sha1::digest(number.as_bytes()))
}

struct Phone {
    site: Site,
    browser: Browser,
    key: String,
}

impl Phone {
    /// A home where one number is a scammer's and one is suspicious, and an app with a key of its own.
    async fn new() -> Self {
        let site = Site::new().await;
        let (browser, key) = (site.admin().await, site.key("lookup").await);
        let phone = Self { site, browser, key };
        phone.report(SCAMMER, "scam").await;
        phone.report(SUSPECT, "spam").await;
        phone
    }

    async fn report(&self, number: &str, category: &str) {
        let body = json!({"number": number, "category": category});
        let answer = self.site.send(with_json(self.browser.request(Method::POST, "/api/v1/reports"), &body)).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        // The engine counts what it accepted.
        self.site.snapshot.send_modify(|s| std::sync::Arc::make_mut(s).statements += 1);
    }

    async fn list(&self, number: &str, standing: &str) {
        let body = json!({"standing": standing, "label": "", "notes": ""});
        let path = format!("/api/v1/lists/{number}");
        let answer = self.site.send(with_json(self.browser.request(Method::PUT, &path), &body)).await;
        assert!(answer.status.is_success(), "{}", answer.text);
    }

    /// As an app asks: no browser, a key, no more.
    async fn ask(&self, path: &str) -> Answer {
        let request = Request::builder().uri(path).header(header::HOST, "192.168.1.2:8780");
        let request = request.header(header::AUTHORIZATION, format!("Bearer {}", self.key));
        self.site.send(request.body(Body::empty()).expect("a request")).await
    }

    async fn blocklist(&self, query: &str) -> (Vec<(String, u64)>, i64) {
        let answer = self.ask(&format!("/api/blocklist{query}")).await.json();
        let row = |n: &Value| (n["phone"].as_str().expect("text").to_owned(), n["votes"].as_u64().expect("a count"));
        let numbers = answer["numbers"].as_array().expect("numbers").iter().map(row).collect();
        (numbers, answer["version"].as_i64().expect("a version"))
    }

    async fn pass(&self, ms: u64) {
        self.site.mono_ms.fetch_add(ms, std::sync::atomic::Ordering::Relaxed);
    }
}

fn rows(of: &[(&str, u64)]) -> Vec<(String, u64)> {
    of.iter().map(|(phone, votes)| ((*phone).to_owned(), *votes)).collect()
}

#[tokio::test]
async fn a_number_is_looked_up_in_any_spelling() {
    let phone = Phone::new().await;
    let expected = json!({
        "phone": SCAMMER, "votes": 100, "votesWildcard": 100, "rating": "G_FRAUD", "whiteListed": false,
        "blackListed": false, "archived": false, "dateAdded": 0, "lastUpdate": 0, "label": "+49 30 901820",
        "location": null,
    });
    for path in ["/api/num/%2B4930901820", "/api/num/004930901820?format=json", "/api/num/030%20901820"] {
        assert_eq!(phone.ask(path).await.json(), expected, "{path}");
    }
    for (path, code) in [
        ("/api/num/%2B4930901820?format=xml", 400),
        ("/api/num/110", 400),
        ("/api/num/hello", 400),
        ("/api/num/anonymous", 400),
    ] {
        assert_eq!(phone.ask(path).await.code(), (code, "invalid".into()), "{path}");
    }
}

#[tokio::test]
async fn what_is_only_suspicious_rings_whatever_an_app_looks_at() {
    let phone = Phone::new().await;
    for (number, votes) in [(SUSPECT, 1), (STRANGER, 0)] {
        let said = phone.ask(&format!("/api/num/{number}")).await.json();
        assert_eq!((&said["rating"], &said["votes"]), (&json!("A_LEGITIMATE"), &json!(votes)), "{number}");
    }
    let (numbers, _) = phone.blocklist("").await;
    assert_eq!(numbers, rows(&[(SCAMMER, 100)]));
}

#[tokio::test]
async fn a_hash_finds_its_number_and_a_beginning_all_that_share_it() {
    let phone = Phone::new().await;
    for sha1 in [hash(SCAMMER), hash(SCAMMER).to_lowercase()] {
        let said =
            phone.ask(&format!("/api/check?sha1={sha1}&prefix10={sha1}&prefix100={sha1}&format=json")).await.json();
        assert_eq!((&said["phone"], &said["rating"]), (&json!(SCAMMER), &json!("G_FRAUD")));
    }
    let unknown = phone.ask(&format!("/api/check?sha1={}", hash(STRANGER))).await.json();
    assert_eq!(
        (&unknown["phone"], &unknown["votes"], &unknown["rating"]),
        (&json!(""), &json!(0), &json!("A_LEGITIMATE"))
    );
    let bucket = phone.ask(&format!("/api/check-prefix?sha1={}", &hash(SUSPECT)[..4])).await.json();
    let phones: Vec<_> = bucket["numbers"].as_array().expect("numbers").iter().map(|n| n["phone"].clone()).collect();
    assert_eq!((phones, &bucket["range10"], &bucket["range100"]), (vec![json!(SUSPECT)], &json!([]), &json!([])));
    let empty = phone.ask(&format!("/api/check-prefix?sha1={}", &hash(STRANGER)[..8])).await.json();
    assert_eq!(empty["numbers"], json!([]));
}

#[tokio::test]
async fn a_hash_that_is_none_is_refused() {
    let phone = Phone::new().await;
    let long = "a".repeat(41);
    for path in ["/api/check", "/api/check?sha1=3d1d", "/api/check-prefix?sha1=3d1", "/api/check-prefix?sha1=3d1%20"] {
        assert_eq!(phone.ask(path).await.code(), (400, "invalid".into()), "{path}");
    }
    for path in ["check", "check-prefix"] {
        assert_eq!(phone.ask(&format!("/api/{path}?sha1={long}")).await.code(), (400, "invalid".into()));
        assert_eq!(phone.ask(&format!("/api/{path}?sha1=3d1d&format=xml")).await.code(), (400, "invalid".into()));
    }
    assert_eq!(phone.ask("/api/blocklist?since=yesterday").await.code(), (400, "invalid".into()));
    assert_eq!(phone.ask("/api/blocklist?format=xml").await.code(), (400, "invalid".into()));
}

#[tokio::test]
async fn a_copy_is_kept_up_by_versions() {
    let phone = Phone::new().await;
    let (numbers, first) = phone.blocklist("").await;
    assert_eq!(numbers, rows(&[(SCAMMER, 100)]));
    assert_eq!(phone.blocklist(&format!("?since={first}&format=json")).await, (vec![], first));
    // What a person of the home decides counts at once.
    phone.list(STRANGER, "block").await;
    phone.list(SCAMMER, "allow").await;
    let (changes, second) = phone.blocklist(&format!("?since={first}")).await;
    assert_eq!(changes, rows(&[(STRANGER, 100), (SCAMMER, 0)]));
    assert!(second > first);
    // What neighbours say is looked at anew after ten seconds.
    phone.report("+4930901823", "scam").await;
    assert_eq!(phone.blocklist(&format!("?since={second}")).await, (vec![], second));
    phone.pass(10_000).await;
    assert_eq!(phone.blocklist(&format!("?since={second}")).await.0, rows(&[("+4930901823", 100)]));
    // A copy that this run of the node never gave out is told what to take off, too.
    let (all, _) = phone.blocklist("?since=3").await;
    let expected = [(STRANGER, 100), ("+4930901823", 100), (SCAMMER, 0), (SUSPECT, 0)];
    assert_eq!(all, rows(&expected));
}

#[tokio::test]
async fn own_lists_are_told_apart_and_count_before_what_others_say() {
    let phone = Phone::new().await;
    phone.list(SCAMMER, "allow").await;
    phone.list(STRANGER, "block").await;
    let allowed = phone.ask(&format!("/api/check?sha1={}", hash(SCAMMER))).await.json();
    assert_eq!(
        (&allowed["whiteListed"], &allowed["blackListed"], &allowed["votes"]),
        (&json!(true), &json!(false), &json!(0))
    );
    let blocked = phone.ask(&format!("/api/check?sha1={}", hash(STRANGER))).await.json();
    assert_eq!((&blocked["whiteListed"], &blocked["blackListed"]), (&json!(false), &json!(true)));
    assert_eq!((&blocked["votes"], &blocked["rating"]), (&json!(100), &json!("B_MISSED")));
}

#[tokio::test]
async fn a_key_for_phone_apps_opens_nothing_else() {
    let phone = Phone::new().await;
    for path in ["/api/v1/calls", "/api/v1/numbers", "/api/v1/numbers/030901820", "/api/v1/summary", "/api/v1/events"] {
        assert_eq!(phone.ask(path).await.code(), (403, "role".into()), "{path}");
    }
    let nobody = phone.site.send(request(Method::GET, "/api/blocklist").body(Body::empty()).expect("a request")).await;
    assert_eq!(nobody.code(), (401, "signed_out".into()));
    let unknown = Phone { key: "mk_unknown".into(), ..phone };
    assert_eq!(unknown.ask("/api/blocklist").await.code(), (401, "unknown_key".into()));
}
