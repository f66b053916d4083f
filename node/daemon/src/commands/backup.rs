//! `meerkat backup`: everything the node has saved, in one file, and back.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IsTerminal, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use hyper::Method;
use jiff::Zoned;
use meerkat_store::{Folder, RestoreAs, Unpacked};
use serde_json::{Value, json};

use super::{Asked, encoded};
use crate::{
    cli::{Backup, EveryWord, Exit, Output, RestoreAsWord, Which, word},
    client::Failure,
    clock::Clock,
    secret,
    settings::{self, Surroundings},
    shown::keeping as shown,
};

const PLAN: &str = "/api/v1/backups/plan";

impl<W: Write> Asked<'_, W> {
    pub(super) async fn backup(self, backup: &Backup, which: &Which, around: &Surroundings) -> Result<Exit, Failure> {
        match backup {
            Backup::Create { file, to, output } => self.back_up(&place(file.as_deref(), to.as_deref()), *output).await,
            Backup::Plan { every: None, to: None, keep: None, pass_phrase: false, output } => {
                self.show(PLAN, *output, shown::plan).await
            }
            Backup::Plan { every, to, keep, pass_phrase, output } => {
                let now = self.client.get(PLAN).await?;
                let body = wished(&now, (*every, to.as_deref(), *keep), *pass_phrase)?;
                let answer = self.client.send(Method::PUT, PLAN, Some(&body)).await?;
                self.print(&answer, *output, shown::plan)
            }
            Backup::Now(output) => {
                let answer = self.client.send(Method::POST, "/api/v1/backups/plan/made", Some(&json!({}))).await?;
                self.print(&answer, *output, shown::plan)
            }
            Backup::Restore { file, as_whom, output } => {
                let words = secret::ask("Pass-phrase of the backup: ")?;
                let headers = [("x-pass-phrase", &*encoded(&words)), ("x-restore-as", &*word(as_whom))];
                match self.client.put_file("/api/v1/backups/restored", &headers, file).await {
                    Err(Failure::NotRunning { .. }) => {
                        let data = settings::load(&which.flags(), around).settings.data;
                        let found = put_back(&data, file, &words, *as_whom)?;
                        self.print(&found, *output, |found| shown::restored(found, false))
                    }
                    answer => self.print(&answer?, *output, |found| shown::restored(found, true)),
                }
            }
        }
    }

    /// Writes beside the file and renames it when it is whole, so that no half backup passes for one.
    async fn back_up(self, file: &Path, output: Output) -> Result<Exit, Failure> {
        let at_file = |error: io::Error| Failure::File { path: file.to_owned(), error };
        let words = secret::ask_twice("Pass-phrase for the backup: ")?;
        let part = file.with_extension("age.part");
        let mut out =
            OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part).map_err(at_file)?;
        let shows = io::stderr().is_terminal();
        let so_far = |bytes: u64| {
            if shows {
                eprint!("\r{} KiB", bytes >> 10);
            }
        };
        let body = json!({"pass_phrase": words.as_str()});
        let saved = self.client.save("/api/v1/backups", &body, &mut out, so_far).await;
        if shows {
            eprintln!();
        }
        let bytes = match saved {
            Ok(bytes) => bytes,
            Err(why) => {
                // Half a backup is none.
                let _ = fs::remove_file(&part);
                return Err(why);
            }
        };
        out.sync_all().and_then(|()| fs::rename(&part, file)).map_err(at_file)?;
        let made = json!({"file": file, "bytes": bytes});
        self.print(&made, output, shown::backed_up)
    }
}

/// What is to be planned: what is not said stays as it is.
fn wished(
    now: &Value,
    (every, folder, keep): (Option<EveryWord>, Option<&Path>, Option<u8>),
    ask: bool,
) -> Result<Value, Failure> {
    let every =
        every.map_or_else(|| now.get("every").cloned().unwrap_or_default(), |every| Value::String(word(&every)));
    let mut body = json!({"every": every});
    if let Some(folder) = folder {
        body["folder"] = Value::String(folder.display().to_string());
    }
    if let Some(keep) = keep {
        body["keep"] = json!(keep);
    }
    if ask || (every != "never" && now.get("ready") != Some(&Value::Bool(true))) {
        let words = secret::ask_twice("Pass-phrase for the backups: ")?;
        body["pass_phrase"] = Value::String(words.as_str().to_owned());
    }
    Ok(body)
}

/// The file that was named, or one in the folder, named by the moment.
fn place(file: Option<&Path>, folder: Option<&Path>) -> PathBuf {
    let named = || format!("meerkat-{}.age", Zoned::now().strftime("%Y-%m-%d-%H%M%S"));
    file.map_or_else(|| folder.unwrap_or(Path::new(".")).join(named()), Path::to_owned)
}

/// Restores into the folder of a node that does not run.
fn put_back(data: &Path, file: &Path, words: &str, as_whom: RestoreAsWord) -> Result<Value, Failure> {
    let refused = |why: &dyn std::fmt::Display| Failure::Refused {
        status: 422,
        code: "not_restored".into(),
        detail: why.to_string(),
    };
    let from = File::open(file).map_err(|error| Failure::File { path: file.to_owned(), error })?;
    let folder = Folder::take(data).map_err(|why| refused(&why))?;
    let as_whom = if as_whom == RestoreAsWord::Same { RestoreAs::Same } else { RestoreAs::New };
    let wall = Clock::start().now().wall;
    let unpacked = folder.unpack(words, as_whom, wall, io::BufReader::new(from));
    let found = unpacked.and_then(Unpacked::commit).map_err(|why| refused(&why))?;
    folder.take_in_restored().map_err(|why| refused(&why))?;
    Ok(json!({"created": found.created, "rows": found.rows}))
}
