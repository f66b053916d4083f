//! The command line's side of the control socket: HTTP/1.1 over `meerkat.sock`, the same API as the page's. No password
//! is needed: the operating system tells the node who is at the other end.

mod streams;

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    client::conn::http1,
    header,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{net::UnixStream, time::timeout};

use crate::{cli::Exit, shown::whole};

/// The most bytes of an answer: 200 calls take under 400 kB.
const MAX_ANSWER_BYTES: usize = 16 << 20;
/// How long an answer may take. The longest work behind one is hashing a password, under 2 s on a small machine.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);

/// Why there is no answer, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// Nobody listens.
    #[error("Meerkat is not running here ({} is not there or answers nobody): start it with `meerkat up`{hint}", socket.display())]
    NotRunning {
        /// The socket that was tried.
        socket: PathBuf,
        /// What else may be the reason.
        hint: &'static str,
    },
    /// Somebody else's node.
    #[error("this node belongs to another user ({} is closed to you): run the command as that user, or as root", socket.display())]
    NotAllowed {
        /// The socket that was tried.
        socket: PathBuf,
    },
    /// It does not answer in time.
    #[error("the node does not answer within {} s: it may be busy starting; try again", ANSWER_TIMEOUT.as_secs())]
    TimedOut,
    /// The answer breaks off or is no answer.
    #[error("the node's answer cannot be read ({0}): if it was just stopped or updated, try again")]
    Broken(String),
    /// It says no.
    #[error("{detail}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The reason as one word for programs.
        code: String,
        /// The reason in words.
        detail: String,
    },
    /// A file that was named cannot be read.
    #[error("{} cannot be read: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's word.
        error: io::Error,
    },
    /// What the node said cannot be printed.
    #[error("the result cannot be printed: {0}")]
    Output(#[from] io::Error),
}

impl Failure {
    /// The code to end with.
    #[must_use]
    pub fn exit(&self) -> Exit {
        match self {
            Self::NotRunning { .. } => Exit::Down,
            Self::NotAllowed { .. } => Exit::NotAllowed,
            Self::File { .. } => Exit::NoInput,
            Self::TimedOut | Self::Broken(_) => Exit::Unavailable,
            Self::Refused { status: 401 | 403, .. } => Exit::NotAllowed,
            Self::Refused { status: 429 | 502..=504, .. } => Exit::Unavailable,
            Self::Refused { status: 500.., .. } => Exit::Fault,
            Self::Refused { .. } => Exit::Refused,
            Self::Output(_) => Exit::Fault,
        }
    }
}

/// The content of a request and its type.
type Content = Option<(Bytes, &'static str)>;

/// A client of one node. Every request takes a connection of its own: a command makes one or two.
#[derive(Debug, Clone)]
pub struct Client {
    socket: PathBuf,
}

impl Client {
    /// The client of the node whose control socket is at `socket`.
    #[must_use]
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self { socket: socket.into() }
    }

    /// The socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Fetches `path`.
    ///
    /// # Errors
    /// [`Failure`] says why there is no answer.
    pub async fn get(&self, path: &str) -> Result<Value, Failure> {
        self.send(Method::GET, path, None).await
    }

    /// Sends a request; an answer without content is null.
    ///
    /// # Errors
    /// [`Failure`] says why there is no answer.
    pub async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Failure> {
        let body = body.map(|body| (Bytes::from(body.to_string()), "application/json"));
        self.ask(method, path, body).await
    }

    /// Puts bytes as they are.
    ///
    /// # Errors
    /// [`Failure`] says why there is no answer.
    pub async fn put_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<Value, Failure> {
        self.ask(Method::PUT, path, Some((bytes.into(), "application/octet-stream"))).await
    }

    async fn ask(&self, method: Method, path: &str, body: Content) -> Result<Value, Failure> {
        let (status, bytes) =
            timeout(ANSWER_TIMEOUT, self.exchange(method, path, body)).await.map_err(|_| Failure::TimedOut)??;
        if !status.is_success() {
            return Err(refused(status, &bytes));
        }
        if bytes.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&bytes).map_err(|error| Failure::Broken(error.to_string()))
    }

    async fn exchange(&self, method: Method, path: &str, body: Content) -> Result<(StatusCode, Bytes), Failure> {
        let broken = |error: hyper::Error| Failure::Broken(error.to_string());
        let stream = UnixStream::connect(&self.socket).await.map_err(|error| self.unconnected(&error))?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
        // It drives the exchange and ends with it; its error is the request's too.
        let driver = tokio::spawn(connection);
        let answer = async {
            let response = sender.send_request(request(method, path, body)?).await.map_err(broken)?;
            read(response).await
        }
        .await;
        driver.abort();
        answer
    }

    fn unconnected(&self, error: &io::Error) -> Failure {
        let socket = self.socket.clone();
        match error.kind() {
            io::ErrorKind::PermissionDenied => Failure::NotAllowed { socket },
            io::ErrorKind::NotFound => {
                Failure::NotRunning { socket, hint: ", or name its folder with --data if it runs elsewhere" }
            }
            _ => Failure::NotRunning { socket, hint: "" },
        }
    }
}

fn request(method: Method, path: &str, body: Content) -> Result<Request<Full<Bytes>>, Failure> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "localhost");
    if let Some((_, kind)) = &body {
        request = request.header(header::CONTENT_TYPE, *kind);
    }
    let bytes = body.map(|(bytes, _)| bytes).unwrap_or_default();
    request.body(Full::new(bytes)).map_err(|error| Failure::Broken(error.to_string()))
}

async fn read(response: Response<Incoming>) -> Result<(StatusCode, Bytes), Failure> {
    let status = response.status();
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| Failure::Broken(error.to_string()))?;
    Ok((status, body.to_bytes()))
}

/// Reads a problem (RFC 9457); anything else than one is told by its status.
fn refused(status: StatusCode, bytes: &[u8]) -> Failure {
    let problem: Value = serde_json::from_slice(bytes).unwrap_or_default();
    let text = |key: &str| problem.get(key).and_then(Value::as_str).map(whole).filter(|text| !text.is_empty());
    Failure::Refused {
        status: status.as_u16(),
        code: text("code").unwrap_or_default(),
        detail: text("detail").or_else(|| text("title")).unwrap_or_else(|| format!("the node answered {status}")),
    }
}
