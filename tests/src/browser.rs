//! A browser of a few lines: signs in at a page over TCP and asks with its cookie. For what hangs on sessions; where the page
//! itself matters, a real browser is used.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use serde_json::{Value, json};

use crate::{daemon::Daemon, wait::PATIENCE};

/// Somebody at the page of one node.
#[derive(Debug, Clone)]
pub struct Browser {
    page: String,
    cookie: String,
}

impl Browser {
    /// Signs in; the status, if the node lets nobody in by this.
    ///
    /// # Errors
    /// The status of the refusal.
    ///
    /// # Panics
    /// If the page does not answer.
    pub fn sign_in(at: &Daemon, name: &str, password: &str) -> Result<Self, u16> {
        let this = Self { page: at.web().to_owned(), cookie: String::new() };
        let (status, head, _) = this.ask("POST", "/api/v1/session", Some(&json!({"name": name, "password": password})));
        let is_cookie = |line: &&str| line.to_ascii_lowercase().starts_with("set-cookie: ");
        let cookie = head.lines().find(is_cookie).and_then(|line| line.get(12..)?.split(';').next());
        match cookie {
            Some(cookie) if status == 200 => Ok(Self { cookie: cookie.to_owned(), ..this }),
            _ => Err(status),
        }
    }

    /// Whether the session still stands.
    ///
    /// # Panics
    /// If the page does not answer.
    #[must_use]
    pub fn is_in(&self) -> bool {
        self.ask("GET", "/api/v1/session", None).2["state"] == "signed_in"
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, String, Value) {
        let mut stream = TcpStream::connect(&self.page).expect("the page is there");
        stream.set_read_timeout(Some(PATIENCE)).expect("a positive time");
        let body = body.map(Value::to_string).unwrap_or_default();
        let (page, cookie, length) = (&self.page, &self.cookie, body.len());
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {page}\r\nSec-Fetch-Site: same-origin\r\nCookie: {cookie}\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )
        .expect("the page listens");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the page answers");
        let (head, body) = answer.split_once("\r\n\r\n").expect("a head and a body");
        let status = head.get(9..12).and_then(|code| code.parse().ok()).expect("a status");
        (status, head.to_owned(), serde_json::from_str(body).unwrap_or(Value::Null))
    }
}
