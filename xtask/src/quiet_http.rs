//! One HTTP request to the daemon. HTTP/1.0 (RFC 1945) with the connection closed afterwards: nothing is chunked, nothing is
//! kept, so that a cold start is measured and not a client.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use crate::run::Outcome;

/// No answer of the daemon is waited for longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// An answer: its status code and its body.
pub(crate) struct Answer {
    /// For instance 200.
    pub(crate) status: u16,
    /// As it came.
    pub(crate) body: String,
}

/// `GET` over TCP.
pub(crate) fn get(web: SocketAddr, path: &str) -> Outcome<Answer> {
    let stream = TcpStream::connect_timeout(&web, PATIENCE).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
    exchange(stream, "GET", &web.to_string(), path, "")
}

/// Any method over the daemon's own socket, where the system says who asks and nobody signs in.
pub(crate) fn over_socket(socket: &Path, method: &str, path: &str, json: &str) -> Outcome<Answer> {
    let stream = UnixStream::connect(socket).map_err(|e| format!("{}: {e}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(|e| e.to_string())?;
    exchange(stream, method, "localhost", path, json)
}

fn exchange(mut stream: impl Read + Write, method: &str, host: &str, path: &str, json: &str) -> Outcome<Answer> {
    let length = json.len();
    let request = format!(
        "{method} {path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{json}"
    );
    stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    read(&String::from_utf8_lossy(&bytes)).ok_or_else(|| "the answer is no HTTP".to_owned())
}

fn read(answer: &str) -> Option<Answer> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.strip_prefix("HTTP/1.")?.get(2..5)?.parse().ok()?;
    Some(Answer { status, body: body.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn status_and_body_are_read() {
        let answer = read("HTTP/1.0 201 Created\r\ncontent-type: x\r\n\r\n{\"a\":1}").expect("HTTP");
        assert_eq!((answer.status, answer.body.as_str()), (201, "{\"a\":1}"));
        assert!(read("SIP/2.0 200 OK\r\n\r\n").is_none());
    }
}
