//! Importing lists, and what is kept about one number.

use std::{
    fs::File,
    io::{self, IsTerminal, Read, Write},
    path::Path,
    time::Instant,
};

use hyper::Method;
use serde_json::{Value, json};

use super::{Asked, encoded, number_path};
use crate::{
    cli::{Exit, Import, Imports, Number},
    client::Failure,
    shown,
};

/// The smallest piece of a file that is sent by itself.
const LEAST_PIECE_BYTES: u64 = 64 * 1024;
/// Into so many pieces a file is cut at least, so that the bar moves.
const PIECES: u64 = 50;
/// The width of the bar.
const BAR: u64 = 30;

impl<W: Write> Asked<'_, W> {
    pub(super) async fn import(self, import: &Import) -> Result<Exit, Failure> {
        match (&import.what, &import.file) {
            (Some(Imports::List(output)), _) => self.show("/api/v1/imports", *output, shown::imports).await,
            (Some(Imports::Undo { name }), _) => self.undo(name).await,
            (None, Some(file)) => self.send_list(import, file).await,
            // clap asks for one of them.
            (None, None) => Ok(Exit::Usage),
        }
    }

    async fn undo(self, name: &str) -> Result<Exit, Failure> {
        let imports = self.client.get("/api/v1/imports").await?;
        let items = imports.get("items").and_then(Value::as_array).into_iter().flatten();
        let found = items.filter(|import| import.get("name").and_then(Value::as_str) == Some(name));
        let Some(id) = found.filter_map(|import| import.get("id")?.as_u64()).next() else {
            let detail = format!("no imported list is called \"{name}\": `meerkat import list` shows them");
            return Err(Failure::Refused { status: 404, code: "no_such_import".into(), detail });
        };
        self.client.send(Method::DELETE, &format!("/api/v1/imports/{id}"), None).await?;
        self.say("Taken back: the list says nothing any more.")
    }

    async fn send_list(self, import: &Import, path: &Path) -> Result<Exit, Failure> {
        let unreadable = |error: io::Error| Failure::File { path: path.to_owned(), error };
        let mut file = File::open(path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if !about.is_file() {
            return Err(unreadable(io::Error::other("this is no file")));
        }
        let bytes = about.len();
        let stem = || path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
        let body = json!({
            "name": import.name.clone().unwrap_or_else(stem),
            "region": import.region.as_ref().map(|region| region.to_ascii_uppercase()),
            "replace": import.replace,
            "bytes": bytes,
        });
        let begun = self.client.send(Method::POST, "/api/v1/imports/uploads", Some(&body)).await?;
        let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
        let upload = format!("/api/v1/imports/uploads/{}", number(&begun, "upload"));
        let most = number(&begun, "piece_bytes").max(1);
        let sent = match self.send_pieces(&mut file, &upload, bytes, most).await {
            Ok(()) => self.client.send(Method::POST, &format!("{upload}/finish"), None).await,
            Err(Piece::Unread(error)) => Err(unreadable(error)),
            Err(Piece::Refused(failure)) => Err(failure),
        };
        match sent {
            Ok(answer) => self.print(&answer, import.output, shown::imported),
            Err(failure) => {
                // Its place is free for the next one at once; if this fails too, after a minute.
                let _ = self.client.send(Method::DELETE, &upload, None).await;
                Err(failure)
            }
        }
    }

    async fn send_pieces(&self, file: &mut File, upload: &str, bytes: u64, most: u64) -> Result<(), Piece> {
        let number = |value: &Value, key: &str| value.get(key).and_then(Value::as_u64).unwrap_or(0);
        let length = (bytes / PIECES).clamp(LEAST_PIECE_BYTES.min(most), most);
        let mut piece = vec![0; usize::try_from(length).unwrap_or(1)];
        let mut bar = Bar::of(bytes);
        let mut sent = 0;
        while sent < bytes {
            let len = fill(file, &mut piece).map_err(Piece::Unread)?;
            if len == 0 {
                break;
            }
            let path = format!("{upload}/{sent}");
            let progress = self.client.put_bytes(&path, piece[..len].to_vec()).await.map_err(Piece::Refused)?;
            sent += len as u64;
            bar.show(sent, number(&progress, "rows"), number(&progress, "bad"));
        }
        bar.clear();
        Ok(())
    }

    pub(super) async fn number(self, number: &Number) -> Result<Exit, Failure> {
        match number {
            Number::Export { number, output } => {
                self.show(&format!("{}/record", number_path(number)), *output, shown::record).await
            }
            Number::Erase { number, output } => {
                let path = format!("/api/v1/numbers/{}", encoded(number));
                let answer = self.client.send(Method::DELETE, &path, None).await?;
                self.print(&answer, *output, shown::erased)
            }
        }
    }
}

/// Why a piece did not go.
enum Piece {
    /// The file could not be read.
    Unread(io::Error),
    /// The node did not take it.
    Refused(Failure),
}

/// Reads until the piece is full or the file at its end.
fn fill(file: &mut File, piece: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < piece.len() {
        match file.read(&mut piece[len..])? {
            0 => break,
            n => len += n,
        }
    }
    Ok(len)
}

/// How far an import is, for a person at a terminal; nothing for a log.
struct Bar {
    bytes: u64,
    began: Instant,
    shown: bool,
}

impl Bar {
    fn of(bytes: u64) -> Self {
        Self { bytes, began: Instant::now(), shown: io::stderr().is_terminal() }
    }

    fn show(&mut self, sent: u64, rows: u64, bad: u64) {
        if self.shown {
            let line = line(sent, self.bytes, rows, bad, self.began.elapsed().as_millis());
            // A terminal that went away takes the bar with it.
            self.shown = write!(io::stderr(), "\r{line}\x1b[K").is_ok();
        }
    }

    fn clear(&mut self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

fn line(sent: u64, bytes: u64, rows: u64, bad: u64, elapsed_ms: u128) -> String {
    let done = sent * BAR / bytes.max(1);
    let left_s = elapsed_ms * u128::from(bytes.saturating_sub(sent)) / u128::from(sent.max(1)) / 1_000;
    let (full, empty) =
        ("=".repeat(usize::try_from(done).unwrap_or(0)), " ".repeat(usize::try_from(BAR - done.min(BAR)).unwrap_or(0)));
    format!("[{full}{empty}] {:3} %  {rows} rows, {bad} bad, {left_s} s left", sent * 100 / bytes.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bar_says_how_far_it_is_and_how_long_it_takes() {
        let half = line(500, 1_000, 20, 3, 4_000);
        assert_eq!(half, "[===============               ]  50 %  20 rows, 3 bad, 4 s left");
        assert!(line(1_000, 1_000, 40, 3, 8_000).ends_with("100 %  40 rows, 3 bad, 0 s left"));
        assert!(line(0, 0, 0, 0, 0).contains("  0 %"));
    }
}
