//! The three doors to the event log, over a real listener.

use std::net::SocketAddr;

use axum::http::header;
use futures::{SinkExt, StreamExt};
use meerkat_core::{Alarm, Event};
use meerkat_protocols::{
    facts::{Seq, Verdict},
    phone::{Line, LineState},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    net::TcpStream,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async, tungstenite};
use tungstenite::{Message, client::IntoClientRequest};

use crate::testing::{Browser, HOSTILE, Site, call};

/// A site behind a real listener.
struct Served {
    site: Site,
    browser: Browser,
    address: SocketAddr,
}

impl Served {
    async fn new() -> Self {
        let site = Site::new().await;
        let browser = site.admin().await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let service = site.page.clone().into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async move { axum::serve(listener, service).await.expect("serves") });
        Self { site, browser, address }
    }

    fn push(&self, from: u64, to: u64) {
        for n in from..to {
            self.site.wiring.events.push(&Event::CallSaved(Seq(n)));
        }
    }

    async fn poll(&self, query: &str) -> Value {
        self.site.send(self.browser.get(&format!("/api/v1/events?{query}"))).await.json()
    }

    /// Lines of a stream of server-sent events, after its head.
    async fn stream(&self, query: &str, more: &str) -> Sse {
        let mut tcp = TcpStream::connect(self.address).await.expect("connects");
        let head = format!(
            "GET /api/v1/events/stream{query} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nCookie: {}\r\n{more}\r\n",
            self.browser.cookie
        );
        tcp.write_all(head.as_bytes()).await.expect("sent");
        let mut lines = BufReader::new(tcp).lines();
        let status = lines.next_line().await.expect("read").expect("a line");
        assert!(status.starts_with("HTTP/1.1 200"), "{status}");
        Sse(lines)
    }

    async fn socket(&self, query: &str) -> WebSocketStream<MaybeTlsStream<TcpStream>> {
        self.try_socket(query, &format!("http://{}", self.address)).await.expect("upgraded")
    }

    async fn try_socket(
        &self,
        query: &str,
        origin: &str,
    ) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>, tungstenite::Error> {
        let url = format!("ws://{}/api/v1/events/ws{query}", self.address);
        let mut request = url.into_client_request().expect("a request");
        request.headers_mut().insert(header::COOKIE, self.browser.cookie.parse().expect("text"));
        request.headers_mut().insert(header::ORIGIN, origin.parse().expect("text"));
        connect_async(request).await.map(|(socket, _)| socket)
    }
}

struct Sse(Lines<BufReader<TcpStream>>);

impl Sse {
    /// The next event, with the id of its frame checked.
    async fn next(&mut self) -> Option<Value> {
        let mut id = None;
        while let Some(line) = self.0.next_line().await.expect("read") {
            if let Some(given) = line.strip_prefix("id: ") {
                id = given.parse::<u64>().ok();
            }
            if let Some(data) = line.strip_prefix("data: ") {
                let event: Value = serde_json::from_str(data).expect("JSON");
                assert_eq!(event["id"].as_u64(), id);
                return Some(event);
            }
        }
        None
    }

    async fn ids(&mut self, n: usize) -> Vec<u64> {
        let mut ids = vec![];
        while ids.len() < n {
            ids.push(id(&self.next().await.expect("an event")));
        }
        ids
    }
}

fn id(event: &Value) -> u64 {
    event["id"].as_u64().expect("an id")
}

async fn frame(socket: &mut WebSocketStream<MaybeTlsStream<TcpStream>>) -> Option<Value> {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = message {
            return Some(serde_json::from_str(&text).expect("JSON"));
        }
    }
    None
}

#[tokio::test]
async fn each_door_reads_on_where_another_stopped_without_loss_or_double() {
    const ALL: u64 = 12;
    let served = Served::new().await;
    let first = served.poll("").await["last"].as_u64().expect("an id");
    served.push(0, ALL);
    // Every way to split the log between the doors: long poll, then SSE, then WebSocket, then long poll again.
    for (a, b) in (0..=ALL).flat_map(|a| (a..=ALL).map(move |b| (a, b))) {
        let mut seen = vec![];
        let polled = served.poll(&format!("since={first}&timeout=0")).await;
        seen.extend(polled["items"].as_array().expect("items").iter().map(id).take(a as usize));
        let place = first + a;
        let mut sse = served.stream("", &format!("Last-Event-ID: {place}\r\n")).await;
        seen.extend(sse.ids((b - a) as usize).await);
        let mut socket = served.socket(&format!("?since={}", first + b)).await;
        for _ in b..ALL {
            seen.push(id(&frame(&mut socket).await.expect("an event")));
        }
        assert_eq!(seen, (first + 1..=first + ALL).collect::<Vec<_>>(), "split at {a} and {b}");
    }
    let rest = served.poll(&format!("since={}&timeout=0", first + ALL)).await;
    assert_eq!((rest["items"].clone(), rest["last"].clone()), (json!([]), json!(first + ALL)));
}

#[tokio::test]
async fn an_event_reaches_all_three_doors_while_they_wait() {
    let served = Served::new().await;
    let last = served.site.wiring.events.last();
    let mut sse = served.stream("?types=call.*", "").await;
    let mut socket = served.socket(&format!("?since={last}&types=call.screened")).await;
    let poll = tokio::spawn({
        let page = served.site.page.clone();
        let request = served.browser.get(&format!("/api/v1/events?since={last}&types=call.*&timeout=60"));
        async move { tower::ServiceExt::oneshot(page, request).await.expect("infallible") }
    });
    served.site.wiring.events.push(&Event::AlarmRaised(Alarm::ClockNotSet));
    served.site.wiring.events.push(&Event::CallScreened(Box::new(call(3, Verdict::Block))));
    let by_sse = sse.next().await.expect("an event");
    assert_eq!(
        (&by_sse["type"], &by_sse["data"]["seq"], &by_sse["data"]["name"]),
        (&json!("call.screened"), &json!(3), &json!(HOSTILE))
    );
    assert_eq!(frame(&mut socket).await.expect("an event"), by_sse);
    let body =
        http_body_util::BodyExt::collect(poll.await.expect("done").into_body()).await.expect("a body").to_bytes();
    let polled: Value = serde_json::from_slice(&body).expect("JSON");
    assert_eq!((&polled["items"][0], &polled["last"]), (&by_sse, &by_sse["id"]));
}

#[tokio::test]
async fn a_socket_can_choose_again_and_start_from_where_it_was() {
    let served = Served::new().await;
    let last = served.site.wiring.events.last();
    served.push(0, 2);
    let mut socket = served.socket("").await;
    let ask = json!({"subscribe": ["line.*"], "since": last}).to_string();
    socket.send(Message::text(ask)).await.expect("sent");
    served.site.wiring.events.push(&Event::LineChanged(Line("home".into()), LineState::Failing("no router".into())));
    let changed = frame(&mut socket).await.expect("an event");
    assert_eq!(changed["data"], json!({"name": "home", "state": "failing", "words": "No router."}));
    socket.send(Message::text(json!({"subscribe": [], "since": last}).to_string())).await.expect("sent");
    let mut again = vec![];
    for _ in 0..3 {
        again.push(id(&frame(&mut socket).await.expect("an event")));
    }
    assert_eq!(again, [last + 1, last + 2, last + 3]);
}

#[tokio::test]
async fn a_socket_that_asks_nothing_gets_what_happens_from_its_opening_on() {
    let served = Served::new().await;
    served.push(0, 5);
    let last = served.site.wiring.events.last();
    let mut socket = served.socket("").await;
    served.push(5, 6);
    assert_eq!(id(&frame(&mut socket).await.expect("an event")), last + 1);
}

#[tokio::test]
async fn who_was_away_too_long_is_told_of_the_gap_at_every_door() {
    let served = Served::new().await;
    let long_ago = 3;
    served.push(0, 1);
    let polled = served.poll(&format!("since={long_ago}&timeout=0&types=call.*")).await;
    let types: Vec<_> = polled["items"].as_array().expect("items").iter().map(|e| e["type"].clone()).collect();
    assert_eq!(types, ["gap", "call.saved"]);
    let mut sse = served.stream(&format!("?since={long_ago}"), "").await;
    assert_eq!(sse.next().await.expect("an event")["type"], "gap");
    let mut socket = served.socket(&format!("?since={long_ago}")).await;
    assert_eq!(frame(&mut socket).await.expect("an event"), json!({"id": 100, "at": null, "type": "gap", "data": {}}));
}

#[tokio::test]
async fn a_socket_is_opened_from_this_page_only() {
    let served = Served::new().await;
    for origin in ["http://evil.example", "null", "http://localhost:1"] {
        match served.try_socket("", origin).await {
            Err(tungstenite::Error::Http(answer)) => assert_eq!(answer.status(), 403, "{origin}"),
            other => panic!("{origin}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_not_understood_or_too_long_closes_the_socket() {
    let served = Served::new().await;
    for wrong in ["hello".to_owned(), json!({"subscribe": vec!["call.*"; 33]}).to_string(), "x".repeat(5_000)] {
        let mut socket = served.socket("").await;
        socket.send(Message::text(wrong)).await.expect("sent");
        assert_eq!(frame(&mut socket).await, None);
    }
}

#[tokio::test]
async fn streams_end_when_the_node_stops() {
    let served = Served::new().await;
    let mut sse = served.stream("", "").await;
    let mut socket = served.socket("?since=0").await;
    served.site.wiring.events.close();
    assert_eq!(sse.next().await, None);
    assert_eq!(frame(&mut socket).await, None);
}

#[tokio::test]
async fn a_stream_ends_when_its_reader_signs_out() {
    let served = Served::new().await;
    let mut sse = served.stream("", "").await;
    served.push(0, 1);
    assert!(sse.next().await.is_some());
    let out = served.browser.request(axum::http::Method::DELETE, "/api/v1/session");
    let out = out.body(axum::body::Body::empty()).expect("a request");
    assert_eq!(served.site.send(out).await.status, 204);
    served.push(1, 2);
    assert_eq!(sse.next().await, None);
}
