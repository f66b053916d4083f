use axum::body::Body as Bytes;
use http_body_util::BodyExt;
use meerkat_protocols::time::Now;
use tower::ServiceExt;

use super::*;

const RIGHT: &str = "correct horse battery";

/// A locked node's routes, with somebody behind them who knows the pass-phrase.
fn locked(by_pass_phrase: bool, mono_ms: Arc<std::sync::atomic::AtomicU64>) -> Locked {
    let (tries, mut waiting) = mpsc::channel::<UnlockTry>(4);
    tokio::spawn(async move {
        while let Some((words, told)) = waiting.recv().await {
            let _ = told.send(if *words == RIGHT { Ok(()) } else { Err(NotUnlocked::Wrong) });
        }
    });
    let clock = move || Now { mono_ms: mono_ms.load(std::sync::atomic::Ordering::Relaxed), wall: None };
    Locked {
        machine: Arc::new(Machine { node_name: "a<b>".into(), version: "1".into(), ..Machine::default() }),
        clock: Arc::new(clock),
        tries,
        waiting: Waiting::default(),
        by_pass_phrase,
    }
}

async fn ask(router: &Router, method: &str, path: &str, kind: &str, body: &str) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "127.0.0.1")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", kind)
        .body(Bytes::from(body.to_owned()))
        .expect("a request");
    let response = router.clone().oneshot(request).await.expect("an answer");
    let status = response.status().as_u16();
    let bytes = response.into_body().collect().await.expect("a body").to_bytes();
    (status, String::from_utf8_lossy(&bytes).into_owned())
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_locked_node_shows_the_form_and_nothing_else() {
    let router = locked_router(locked(true, Arc::default()));
    let (status, text) = ask(&router, "GET", "/health", JSON, "").await;
    assert_eq!((status, text.contains("\"locked\"")), (200, true), "{text}");
    for path in ["/", "/calls", "/system"] {
        let (status, text) = ask(&router, "GET", path, JSON, "").await;
        assert_eq!((status, text.contains("a&lt;b&gt; is locked"), text.contains("<script")), (200, true, false));
    }
    for path in ["/api/v1/summary", "/api/v1/session", "/api/v1/calls", "/api/v1/openapi.json"] {
        let (status, text) = ask(&router, "GET", path, JSON, "").await;
        assert_eq!((status, text.contains("\"code\":\"locked\"")), (503, true), "{text}");
    }
    assert_eq!(ask(&router, "GET", "/index.js", JSON, "").await.0, 404);
}

#[tokio::test]
async fn the_right_words_unlock_and_wrong_ones_are_slowed_by_the_monotonic_clock() {
    let mono = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let router = locked_router(locked(true, Arc::clone(&mono)));
    let wrong = "{\"pass_phrase\": \"wrong\"}";
    let mut answers = vec![];
    for _ in 0..4 {
        answers.push(ask(&router, "POST", "/api/v1/unlock", JSON, wrong).await.0);
    }
    assert_eq!(answers, [401, 401, 401, 429]);
    let right = format!("pass_phrase={}", RIGHT.replace(' ', "+"));
    let (status, text) = ask(&router, "POST", "/unlock", FORM, &right).await;
    assert_eq!((status, text.contains("wait 1 s"), text.contains(RIGHT)), (429, true, false), "{text}");
    mono.store(1_001, std::sync::atomic::Ordering::Relaxed);
    let (status, text) = ask(&router, "POST", "/unlock", FORM, &right).await;
    assert_eq!((status, text.contains("Unlocked")), (200, true), "{text}");
}

#[tokio::test]
async fn another_site_and_another_name_are_refused_and_so_is_a_flood() {
    let router = locked_router(locked(true, Arc::default()));
    let body = format!("{{\"pass_phrase\": \"{RIGHT}\"}}");
    for (host, site, expected) in [("evil.example", "same-origin", 421), ("127.0.0.1", "cross-site", 403)] {
        let request = Request::post("/api/v1/unlock").header("host", host).header("sec-fetch-site", site);
        let request = request.header("content-type", JSON).body(Bytes::from(body.clone())).expect("a request");
        let response = router.clone().oneshot(request).await.expect("an answer");
        assert_eq!(response.status().as_u16(), expected);
    }
    let long = format!("{{\"pass_phrase\": \"{}\"}}", "x".repeat(MAX_BODY_BYTES));
    assert_eq!(ask(&router, "POST", "/api/v1/unlock", JSON, &long).await.0, 413);
    assert_eq!(ask(&router, "POST", "/api/v1/unlock", JSON, "{\"x\": 1}").await.0, 422);
}

#[tokio::test]
async fn a_node_that_a_member_unlocks_says_what_it_waits_for() {
    let locked = locked(false, Arc::default());
    locked.waiting.say("No member answers yet.");
    let router = locked_router(locked);
    let (_, text) = ask(&router, "GET", "/", JSON, "").await;
    assert!(text.contains("No member answers yet.") && text.contains("refresh") && !text.contains("<form"), "{text}");
    let body = format!("{{\"pass_phrase\": \"{RIGHT}\"}}");
    assert_eq!(ask(&router, "POST", "/api/v1/unlock", JSON, &body).await.0, 409);
}
