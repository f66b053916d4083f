//! Backups over the page: made and taken in as streams, for admins.

use std::io::{self, Read, Write};

use axum::{
    body::{Body as Bytes, BodyDataStream},
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use meerkat_store::{NotRestored, RestoreAs};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};
use zeroize::Zeroizing;

use crate::{
    Wiring,
    extract::Body,
    problem::{Problem, sentence},
};

/// Pieces under way between the disk and the network: a quarter of a MiB.
const PIECES: usize = 4;
const PIECE_BYTES: usize = 64 << 10;
/// Where the pass-phrase of an uploaded backup stands: never in the address, which others write down.
const WORDS: &str = "x-pass-phrase";
const AS: &str = "x-restore-as";
/// The shortest pass-phrase of a backup: it is guessed on other people's machines.
const MIN_CHARS: usize = 12;
const MAX_BYTES: usize = 512;

/// A backup to be made.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MakeBackup {
    /// Opens it again; nobody can get it back.
    #[schema(format = Password, min_length = 12, max_length = 512)]
    pass_phrase: String,
}

/// What was found in a backup, and that it takes the place of the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct RestoredView {
    /// Unix seconds when it was made; null if the clock was not set.
    created: Option<i64>,
    /// Values in it.
    rows: u64,
}

/// Routes of backups. They take as long as the line is slow.
pub(crate) fn backup_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(make)).routes(routes!(restore))
}

pub(crate) fn checked(words: &str) -> Result<(), Problem> {
    if words.chars().count() < MIN_CHARS || words.len() > MAX_BYTES {
        let detail = format!("A pass-phrase of a backup has {MIN_CHARS} characters to {MAX_BYTES} bytes.");
        return Err(Problem::invalid("pass_phrase", detail));
    }
    Ok(())
}

/// Makes a backup of everything this node has saved, in the age format, and gives it as a stream.
#[utoipa::path(post, path = "/api/v1/backups", tag = "backup", request_body = MakeBackup, responses(
    (status = 200, description = "The backup, as it is made. It is whole only if the answer is.",
        content_type = "application/octet-stream"),
    (status = 422, description = "`invalid`: the pass-phrase", body = Problem,
        content_type = "application/problem+json"),
))]
async fn make(State(wiring): State<Wiring>, Body(body): Body<MakeBackup>) -> Result<Response, Problem> {
    let words = Zeroizing::new(body.pass_phrase);
    checked(&words)?;
    let (reader, wall) = (wiring.reader()?, (wiring.clock)().wall);
    let (pieces, stream) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let mut out = Pieces { pieces: pieces.clone(), piece: Vec::with_capacity(PIECE_BYTES) };
        let made = reader.back_up(&words, wall, &mut out).map_err(io::Error::other);
        if let Err(why) = made.and_then(|_| out.flush()) {
            tracing::warn!(%why, "a backup was not finished");
            // The answer breaks off, so that nobody takes it for whole.
            let _ = pieces.blocking_send(Err(why));
        }
    });
    let stream = futures::stream::unfold(stream, |mut stream| async { Some((stream.recv().await?, stream)) });
    let about = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"meerkat-backup.age\"")),
    ];
    Ok((about, Bytes::from_stream(stream)).into_response())
}

/// Unpacks a backup beside the data, checks it, and has it take the place of the data: the node starts anew with it. A
/// wrong pass-phrase or a damaged file changes nothing.
///
/// The pass-phrase stands in the header `X-Pass-Phrase`, percent-encoded; `X-Restore-As` is `same`, for a node whose old
/// self is gone for good, or `new`.
#[utoipa::path(put, path = "/api/v1/backups/restored", tag = "backup", responses(
    (status = 202, body = RestoredView, description = "The node starts anew with it."),
    (status = 409, description = "`clock_not_set`", body = Problem, content_type = "application/problem+json"),
    (status = 422, description = "`wrong_pass_phrase`, `not_a_backup`, `damaged`, `newer`", body = Problem,
        content_type = "application/problem+json"),
    (status = 507, description = "`not_saved`", body = Problem, content_type = "application/problem+json"),
))]
async fn restore(State(wiring): State<Wiring>, request: Request) -> Result<(StatusCode, Body<RestoredView>), Problem> {
    let words = header_of(&request, WORDS).and_then(|words| decoded(&words));
    let words = Zeroizing::new(words.ok_or_else(|| Problem::invalid("pass_phrase", "Give the pass-phrase."))?);
    let as_whom = match header_of(&request, AS).as_deref() {
        Some("same") => RestoreAs::Same,
        Some("new") => RestoreAs::New,
        _ => return Err(Problem::invalid("as", "Say as whom the node goes on: `same` or `new`.")),
    };
    let (keeper, wall) = (wiring.keeper.clone(), (wiring.clock)().wall);
    let (pieces, taken) = mpsc::channel(PIECES);
    let unpacking = tokio::task::spawn_blocking(move || {
        let from = Arriving { pieces: taken, piece: Vec::new(), at: 0 };
        keeper.unpack(&words, as_whom, wall, from).and_then(meerkat_store::Unpacked::commit)
    });
    pass_on(request.into_body().into_data_stream(), pieces).await;
    let found = unpacking.await.map_err(|_| Problem::fault("unpacking a backup stopped"))??;
    wiring.keeper.ask_for_restart();
    Ok((StatusCode::ACCEPTED, Body(RestoredView { created: found.created, rows: found.rows })))
}

async fn pass_on(mut body: BodyDataStream, pieces: mpsc::Sender<io::Result<Vec<u8>>>) {
    while let Some(piece) = body.next().await {
        // Whoever unpacks has stopped, and says why.
        if pieces.send(piece.map(|piece| piece.to_vec()).map_err(io::Error::other)).await.is_err() {
            return;
        }
    }
}

fn header_of(request: &Request, name: &str) -> Option<String> {
    request.headers().get(name)?.to_str().ok().map(ToOwned::to_owned)
}

/// Percent-decoding (RFC 3986, 2.1): headers carry ASCII, pass-phrases anything.
fn decoded(text: &str) -> Option<String> {
    let (mut out, mut bytes) = (vec![], text.bytes());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => {
                let digits = [bytes.next()?, bytes.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            other => other,
        });
    }
    String::from_utf8(out).ok()
}

impl From<NotRestored> for Problem {
    fn from(why: NotRestored) -> Self {
        let detail = sentence(&why.to_string());
        let (status, code) = match why {
            NotRestored::WrongPassPhrase => (StatusCode::UNPROCESSABLE_ENTITY, "wrong_pass_phrase"),
            NotRestored::NotABackup => (StatusCode::UNPROCESSABLE_ENTITY, "not_a_backup"),
            NotRestored::Damaged(_) => (StatusCode::UNPROCESSABLE_ENTITY, "damaged"),
            NotRestored::Newer => (StatusCode::UNPROCESSABLE_ENTITY, "newer"),
            NotRestored::ClockNotSet => (StatusCode::CONFLICT, "clock_not_set"),
            NotRestored::Disk(_) => (StatusCode::INSUFFICIENT_STORAGE, "not_saved"),
        };
        Self::new(status, code, detail)
    }
}

/// What is written goes out in pieces; a slow line slows the writer.
struct Pieces {
    pieces: mpsc::Sender<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let piece = std::mem::take(&mut self.piece);
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        if piece.is_empty() { Ok(()) } else { self.pieces.blocking_send(Ok(piece)).map_err(|_| gone()) }
    }
}

/// What arrives in pieces is read as it comes.
struct Arriving {
    pieces: mpsc::Receiver<io::Result<Vec<u8>>>,
    piece: Vec<u8>,
    at: usize,
}

impl Read for Arriving {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.at == self.piece.len() {
            match self.pieces.blocking_recv() {
                Some(piece) => (self.piece, self.at) = (piece?, 0),
                None => return Ok(0),
            }
        }
        let given = out.len().min(self.piece.len() - self.at);
        out[..given].copy_from_slice(&self.piece[self.at..self.at + given]);
        self.at += given;
        Ok(given)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::Method;
    use http_body_util::BodyExt;
    use tower::ServiceExt;

    use super::*;
    use crate::testing::{Site, request, with_json};

    const WORDS_GIVEN: &str = "seven storks over the müll";
    const ENCODED: &str = "seven%20storks%20over%20the%20m%C3%BCll";

    async fn backup(site: &Site) -> Vec<u8> {
        let body = serde_json::json!({ "pass_phrase": WORDS_GIVEN });
        let asked = with_json(request(Method::POST, "/api/v1/backups"), &body);
        let answer = site.socket.clone().oneshot(asked).await.expect("infallible");
        assert_eq!(answer.status(), StatusCode::OK);
        answer.into_body().collect().await.expect("whole").to_bytes().to_vec()
    }

    fn put(words: &str, as_whom: &str, file: Vec<u8>) -> Request {
        let put = request(Method::PUT, "/api/v1/backups/restored").header(WORDS, words).header(AS, as_whom);
        put.body(Bytes::from(file)).expect("a request")
    }

    #[tokio::test]
    async fn a_backup_goes_out_as_a_stream_and_comes_in_as_one() {
        let site = Site::new().await;
        site.key("viewer").await;
        let file = backup(&site).await;
        assert!(file.starts_with(b"age-encryption.org/v1"));
        for (words, as_whom, status) in [("wrong", "same", 422), (ENCODED, "other", 422)] {
            let answer = site.send_by_socket(put(words, as_whom, file.clone())).await;
            assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        }
        let cut = file[..file.len() - 1].to_vec();
        assert_eq!(site.send_by_socket(put(ENCODED, "same", cut)).await.json()["code"], "damaged");
        assert!(!site.wiring.keeper.wants_restart());
        let answer = site.send_by_socket(put(ENCODED, "same", file)).await;
        assert_eq!(answer.status, StatusCode::ACCEPTED, "{}", answer.text);
        assert!(site.wiring.keeper.wants_restart() && answer.json()["rows"].as_u64().expect("a number") > 0);
    }

    #[test]
    fn percents_are_read_and_never_panic() {
        assert_eq!(decoded(ENCODED).as_deref(), Some(WORDS_GIVEN));
        for bad in ["%", "%4", "%zz", "%ff", "a%"] {
            assert_eq!(decoded(bad), None, "{bad}");
        }
    }
}
