//! How long a first build takes, and how large the daemon is.

use std::{fs, time::Instant};

use super::{Bench, Row, Setup};
use crate::run::{Outcome, cargo, show, target};

pub(super) const BENCH: Bench =
    Bench { name: "build", what: "a release build from nothing, and the size of the daemon", long: true, run };

fn run(_: &Setup) -> Outcome<Vec<Row>> {
    // What is fetched is not counted: the line to the registry is not ours.
    show(cargo().args(["fetch", "--locked"]))?;
    let folder = target()?.join("cold");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let began = Instant::now();
    show(cargo().args(["build", "--release", "--package", "meerkat", "--target-dir"]).arg(&folder))?;
    let took_min = began.elapsed().as_secs_f64() / 60.0;
    let size = fs::metadata(folder.join("release/meerkat")).map_err(|e| e.to_string())?.len();
    fs::remove_dir_all(&folder).map_err(|e| e.to_string())?;
    Ok(vec![
        Row::at_most("cold build, page included, minutes", took_min, 10.0, "<= 10", ""),
        Row::plain("size of the daemon, MB", size as f64 / 1e6, "Syncthing 1.19.2: 21.8 MB"),
    ])
}
