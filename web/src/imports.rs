//! Importing lists of numbers: pieces of a file come one after the other, each answered with how far the reading is.
//!
//! What is read lies in memory until it is whole; a file that breaks off leaves nothing behind.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use axum::{
    Extension,
    body::Bytes,
    extract::{DefaultBodyLimit, State, rejection::BytesRejection},
    http::StatusCode,
};
use meerkat_core::{Command, ImportState, Refusal, Reply};
use meerkat_numberlists::{BadRow, Import, ImportId, Intake, MAX_NAME_CHARS, Outcome, Progress, Refused};
use meerkat_protocols::{number::Region, statement::LIFETIME_DAYS, text, time::Day};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    extract::{At, Body},
    numbers::region,
    problem::{Problem, sentence},
    words::iso_day,
};

/// The largest file. A year of the FTC's complaints with all columns has under 100 MB.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// The largest piece: reading it takes under half a second on a small machine.
const MAX_PIECE_BYTES: usize = 1 << 20;
/// Files read at once. Each takes at most 20 MB while it is read.
const MAX_UPLOADS: usize = 2;
/// After this long without a piece a file makes room for another.
const IDLE_MS: u64 = 60_000;
/// Bad rows told one by one in an answer; all are counted.
const MAX_TOLD: usize = 1_000;

/// An imported list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ImportView {
    /// By which it is undone.
    id: u32,
    name: String,
    /// When it was imported: `YYYY-MM-DD`, in UTC.
    day: String,
    /// How many numbers it lists.
    numbers: usize,
    /// Of how many thousand-blocks of numbers its dated rows say that they were lately called from.
    warm_blocks: usize,
    /// What it takes in memory.
    bytes: usize,
    /// Whether it is so old that it no longer counts.
    expired: bool,
}

/// The imported lists.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct ImportPage {
    /// The oldest first; at most 26.
    items: Vec<ImportView>,
}

/// A file that is about to come.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct UploadBody {
    /// What the list shall be called; at most 60 characters.
    #[schema(max_length = 60)]
    name: String,
    /// The country by which its numbers without country code are read, two letters; null for the home's. A file of the
    /// FTC is read as American in any case.
    region: Option<String>,
    /// Whether it is a newer version of the list that has this name.
    replace: bool,
    /// How many bytes the file has; at most 268,435,456.
    bytes: u64,
}

/// A file that may come now.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Upload {
    upload: u64,
    /// The most bytes of one piece.
    piece_bytes: usize,
}

/// How far the reading is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
pub(crate) struct Reading {
    /// Bytes taken in.
    bytes: u64,
    /// Rows with a number.
    rows: u64,
    /// Rows that are left out.
    bad: u64,
}

impl From<Progress> for Reading {
    fn from(progress: Progress) -> Self {
        Self { bytes: progress.bytes, rows: progress.good, bad: progress.bad }
    }
}

/// A row that was left out.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct BadLine {
    /// The line it begins in, from 1.
    line: u64,
    /// Why; never what stands in it.
    words: String,
}

/// How many rows were left out for one reason.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct BadKind {
    words: String,
    rows: u64,
}

/// A list that was imported.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(crate) struct Imported {
    import: ImportView,
    /// Rows with a number; several may be about one.
    rows: u64,
    /// Rows that were left out.
    bad: u64,
    /// Why, and how many each.
    kinds: Vec<BadKind>,
    /// Which, the first 1,000.
    bad_lines: Vec<BadLine>,
    /// Whether the file is laid out as the FTC's.
    ftc: bool,
    /// The column of numbers, from 1.
    column: usize,
}

/// The files that are being read. A lock, because requests of any thread come to it and each only looks something up or
/// puts it back; a piece is read outside of it, by whoever took its reader out: a task in between would only add a queue.
#[derive(Clone, Default)]
pub(crate) struct Uploads(Arc<Mutex<Desk>>);

#[derive(Default)]
struct Desk {
    next: u64,
    open: BTreeMap<u64, Open>,
}

struct Open {
    name: String,
    replace: bool,
    bytes: u64,
    taken: Reading,
    /// Gone while a piece is read.
    intake: Option<Intake>,
    touched_ms: u64,
}

impl Uploads {
    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, now_ms: u64, file: Open) -> Result<u64, Problem> {
        let mut desk = self.desk();
        desk.open.retain(|_, open| now_ms.saturating_sub(open.touched_ms) < IDLE_MS);
        if desk.open.len() >= MAX_UPLOADS {
            let detail = "Other files are being imported at this moment: try again when they are done.";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "busy", detail).retry_after(10));
        }
        desk.next += 1;
        let id = desk.next;
        desk.open.insert(id, file);
        Ok(id)
    }

    /// Takes the reader of a file out, if the piece is the next.
    fn borrow(&self, id: u64, offset: u64, len: u64, now_ms: u64) -> Result<Borrowed, Problem> {
        let mut desk = self.desk();
        let open = desk.open.get_mut(&id).ok_or_else(gone)?;
        if offset.checked_add(len) == Some(open.taken.bytes) && len > 0 {
            // The answer to this piece was lost.
            open.touched_ms = now_ms;
            return Ok(Borrowed::Known(open.taken));
        }
        if offset != open.taken.bytes || open.intake.is_none() {
            let detail = format!("The piece from byte {} on is awaited.", open.taken.bytes);
            return Err(Problem::new(StatusCode::CONFLICT, "out_of_order", detail));
        }
        if offset + len > open.bytes {
            desk.open.remove(&id);
            return Err(Problem::invalid("bytes", "The file is longer than was said at the beginning."));
        }
        open.touched_ms = now_ms;
        Ok(open.intake.take().map_or(Borrowed::Known(open.taken), |intake| Borrowed::Reader(Box::new(intake))))
    }

    fn give_back(&self, id: u64, intake: Intake, taken: Reading) {
        if let Some(open) = self.desk().open.get_mut(&id) {
            (open.intake, open.taken) = (Some(intake), taken);
        }
    }

    fn close(&self, id: u64) -> Option<Open> {
        self.desk().open.remove(&id)
    }
}

enum Borrowed {
    Reader(Box<Intake>),
    Known(Reading),
}

fn gone() -> Problem {
    Problem::not_found("This file is not being imported any more: begin again.")
}

fn refused(why: Refused) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "unreadable_list", sentence(&why.to_string())).field("file")
}

/// The operations on imported lists.
pub(crate) fn import_routes() -> OpenApiRouter<Wiring> {
    let pieces = OpenApiRouter::new().routes(routes!(piece)).layer(DefaultBodyLimit::max(MAX_PIECE_BYTES));
    OpenApiRouter::new()
        .routes(routes!(imports))
        .routes(routes!(undo))
        .routes(routes!(begin))
        .routes(routes!(give_up))
        .routes(routes!(finish))
        .merge(pieces)
}

fn view(state: &ImportState, today: Option<Day>) -> ImportView {
    ImportView {
        id: state.id.0,
        name: state.name.clone(),
        day: iso_day(state.day),
        numbers: state.numbers,
        warm_blocks: state.warm_blocks,
        bytes: state.bytes,
        expired: today.is_some_and(|today| today.since(state.day) > LIFETIME_DAYS),
    }
}

/// The imported lists.
#[utoipa::path(get, path = "/api/v1/imports", tag = "imports", responses((status = 200, body = ImportPage)))]
async fn imports(State(wiring): State<Wiring>) -> Body<ImportPage> {
    let today = (wiring.clock)().day();
    let items = wiring.snapshot.borrow().imports.iter().map(|state| view(state, today)).collect();
    Body(ImportPage { items })
}

/// Takes an imported list back, with all that it said.
#[utoipa::path(delete, path = "/api/v1/imports/{id}", tag = "imports", params(("id" = u32, Path)), responses(
    (status = 204, description = "Taken back."),
    (status = 404, description = "`no_such_import`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn undo(State(wiring): State<Wiring>, At(id): At<u32>) -> Result<StatusCode, Problem> {
    wiring.done(Command::UndoImport(ImportId(id)), &Reply::Saved).await
}

/// Begins an import. Its pieces follow in order, then its end.
#[utoipa::path(post, path = "/api/v1/imports/uploads", tag = "imports", request_body = UploadBody, responses(
    (status = 201, body = Upload),
    (status = 409, description = "`name_taken`, `clock_not_set`", body = Problem,
        content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
))]
async fn begin(
    State(wiring): State<Wiring>,
    Extension(uploads): Extension<Uploads>,
    Body(body): Body<UploadBody>,
) -> Result<(StatusCode, Body<Upload>), Problem> {
    let name = text::inert(&body.name);
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(Problem::invalid("name", format!("A list needs a name of 1 to {MAX_NAME_CHARS} characters.")));
    }
    if body.bytes > MAX_FILE_BYTES {
        let detail = format!("A file may have {} MiB: cut it into several lists.", MAX_FILE_BYTES >> 20);
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "file_too_large", detail).field("bytes"));
    }
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    // Asked here already, so that nobody waits for a file that comes to nothing; the node asks again.
    if !body.replace && snapshot.imports.iter().any(|import| import.name == name) {
        return Err(Problem::from(Refusal::NameTaken).field("name"));
    }
    let home = match &body.region {
        Some(code) => code.parse::<Region>().map_err(|e| Problem::invalid("region", sentence(&e.to_string())))?,
        None => region(&snapshot)?,
    };
    let now = (wiring.clock)();
    now.day().ok_or(Refusal::ClockNotSet)?;
    let file = Open {
        name,
        replace: body.replace,
        bytes: body.bytes,
        taken: Reading { bytes: 0, rows: 0, bad: 0 },
        intake: Some(Intake::new(home)),
        touched_ms: now.mono_ms,
    };
    let upload = uploads.open(now.mono_ms, file)?;
    Ok((StatusCode::CREATED, Body(Upload { upload, piece_bytes: MAX_PIECE_BYTES })))
}

/// The next piece of a file, which begins at this byte. A piece that is sent again is answered again.
#[utoipa::path(put, path = "/api/v1/imports/uploads/{upload}/{offset}", tag = "imports",
    params(("upload" = u64, Path), ("offset" = u64, Path)),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"), responses(
    (status = 200, body = Reading),
    (status = 404, description = "It was given up, or a minute passed without a piece.", body = Problem,
        content_type = "application/problem+json"),
    (status = 409, description = "`out_of_order`", body = Problem, content_type = "application/problem+json"),
    (status = 413, description = "`too_large`: a piece may have 1 MiB", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "`unreadable_list`: and the import has ended", body = Problem,
        content_type = "application/problem+json"),
))]
async fn piece(
    State(wiring): State<Wiring>,
    Extension(uploads): Extension<Uploads>,
    At((id, offset)): At<(u64, u64)>,
    bytes: Result<Bytes, BytesRejection>,
) -> Result<Body<Reading>, Problem> {
    let bytes = bytes.map_err(|_| {
        let detail = format!("A piece may have {} KiB.", MAX_PIECE_BYTES / 1024);
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    })?;
    let mut intake = match uploads.borrow(id, offset, bytes.len() as u64, (wiring.clock)().mono_ms)? {
        Borrowed::Known(taken) => return Ok(Body(taken)),
        Borrowed::Reader(intake) => intake,
    };
    // Whoever asked may be gone before it is read; the piece counts all the same, and is answered when it is sent again.
    let desk = uploads.clone();
    let read = tokio::task::spawn_blocking(move || match intake.feed(&bytes) {
        Ok(progress) => {
            let taken = Reading::from(progress);
            desk.give_back(id, *intake, taken);
            Ok(Body(taken))
        }
        Err(why) => {
            drop(desk.close(id));
            Err(refused(why))
        }
    });
    read.await.unwrap_or_else(|_| {
        drop(uploads.close(id));
        Err(Problem::fault("reading a list panicked"))
    })
}

/// The file is whole: imports it, all of it or nothing.
#[utoipa::path(post, path = "/api/v1/imports/uploads/{upload}/finish", tag = "imports",
    params(("upload" = u64, Path)), responses(
    (status = 201, body = Imported),
    (status = 404, description = "It was given up, or a minute passed without a piece.", body = Problem,
        content_type = "application/problem+json"),
    (status = 409, description = "`out_of_order`, `name_taken`, `imports_full`, `clock_not_set`", body = Problem,
        content_type = "application/problem+json"),
    (status = 422, description = "`unreadable_list`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn finish(
    State(wiring): State<Wiring>,
    Extension(uploads): Extension<Uploads>,
    At(id): At<u64>,
) -> Result<(StatusCode, Body<Imported>), Problem> {
    let today = (wiring.clock)().day().ok_or(Refusal::ClockNotSet)?;
    let Open { name, replace, bytes, taken, intake, .. } = uploads.close(id).ok_or_else(gone)?;
    let intake = intake.filter(|_| taken.bytes == bytes).ok_or_else(|| {
        let detail = "The file broke off before its end: begin again.";
        Problem::new(StatusCode::CONFLICT, "out_of_order", detail)
    })?;
    let read = tokio::task::spawn_blocking(move || {
        intake.finish(&name, today).map(|outcome| (Arc::new(outcome.import.to_bytes()), outcome))
    });
    let (kept, outcome) = read.await.map_err(|_| Problem::fault("reading a list panicked"))?.map_err(refused)?;
    let told = told(&outcome);
    match wiring.command(Command::Import { import: Box::new(outcome.import), kept, replace }).await? {
        Reply::Imported(id) => Ok((StatusCode::CREATED, Body(told(id)))),
        other => Err(wiring.unexpected(&other)),
    }
}

/// Gives an import up before its end. Nothing of it stays.
#[utoipa::path(delete, path = "/api/v1/imports/uploads/{upload}", tag = "imports", params(("upload" = u64, Path)),
    responses(
    (status = 204, description = "Given up."),
    (status = 404, body = Problem, content_type = "application/problem+json"),
))]
async fn give_up(Extension(uploads): Extension<Uploads>, At(id): At<u64>) -> Result<StatusCode, Problem> {
    uploads.close(id).map(|_| StatusCode::NO_CONTENT).ok_or_else(gone)
}

/// What is told of an outcome, once it has an id.
fn told(outcome: &Outcome) -> impl FnOnce(ImportId) -> Imported + use<> {
    let Outcome { import, layout, progress, bad_rows, faults } = outcome;
    let line = |bad: &BadRow| BadLine { line: bad.line, words: sentence(&bad.fault.to_string()) };
    let kinds =
        faults.iter().map(|(fault, rows)| BadKind { words: sentence(&fault.to_string()), rows: *rows }).collect();
    let bad_lines = bad_rows.iter().take(MAX_TOLD).map(line).collect();
    let (rows, bad, ftc, column) = (progress.good, progress.bad, layout.ftc, layout.number + 1);
    let import = state(import);
    move |id| Imported { import: ImportView { id: id.0, ..import }, rows, bad, kinds, bad_lines, ftc, column }
}

fn state(import: &Import) -> ImportView {
    let state = ImportState {
        id: ImportId(0),
        name: import.name().to_owned(),
        day: import.day(),
        numbers: import.numbers(),
        warm_blocks: import.warm_blocks(),
        bytes: import.bytes(),
    };
    view(&state, None)
}
