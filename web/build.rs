//! Puts the page into the program: finds or builds its files, compresses each once, and writes the table `assets.rs`.
//!
//! Where the files come from, the first that applies:
//! 1. `MEERKAT_UI=skip`: a notice in place of the page, at once. For editors and lints, which must not start npm.
//! 2. `MEERKAT_UI_DIR`: that folder, as it is. For packagers who build the page elsewhere.
//! 3. `ui/dist`, if its stamp says that it was built from today's sources.
//! 4. npm, if it is there. A fault in our own sources fails the build; a registry out of reach does not.
//! 5. The notice, with a warning; with `MEERKAT_UI=require` an error instead.

use std::{
    env, fs,
    fs::File,
    hash::{DefaultHasher, Hash, Hasher},
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// What the page is built from, below `ui`. All of it makes the stamp; cargo watches it too.
const SOURCES: [&str; 7] =
    ["src", "index.html", "notice.html", "vite.config.ts", "tsconfig.json", "package.json", "package-lock.json"];
/// Changes when this script would build the page differently from the same sources.
const STAMP_VERSION: u8 = 1;

type Words = String;

/// A file of the page.
struct Page {
    /// Below the page's folder, with `/`.
    path: String,
    bytes: Vec<u8>,
}

fn main() {
    let ui = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("ui");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for variable in ["MEERKAT_UI", "MEERKAT_UI_DIR"] {
        println!("cargo:rerun-if-env-changed={variable}");
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed={}", ui.join(source).display());
    }
    let written = pages(&ui).and_then(|pages| write_table(&out, pages));
    if let Err(words) = written {
        eprintln!("{words}");
        std::process::exit(1);
    }
}

fn pages(ui: &Path) -> Result<Vec<Page>, Words> {
    let wish = env::var("MEERKAT_UI").unwrap_or_default();
    if wish == "skip" {
        return notice(ui);
    }
    if let Some(dir) = env::var_os("MEERKAT_UI_DIR").filter(|dir| !dir.is_empty()) {
        let dir = PathBuf::from(dir);
        println!("cargo:rerun-if-changed={}", dir.display());
        return read_page(&dir).map_err(|why| format!("MEERKAT_UI_DIR: {why}"));
    }
    match built(ui) {
        Ok(pages) => Ok(pages),
        Err(NoPage::Ours(why)) => Err(why),
        Err(NoPage::Theirs(why)) if wish == "require" => Err(why),
        Err(NoPage::Theirs(why)) => {
            for line in why.lines() {
                println!("cargo:warning={line}");
            }
            // Nothing in this tree changes when npm or the network comes back: for a file that is missing, cargo asks
            // again at every build.
            println!("cargo:rerun-if-changed={}", ui.join("no-page-yet").display());
            println!("cargo:warning=Meerkat is built without its page. MEERKAT_UI=skip asks for that quietly.");
            notice(ui)
        }
    }
}

/// Why there is no page.
enum NoPage {
    /// A fault in this tree: the build must not go on.
    Ours(Words),
    /// Something this machine lacks: the program works without its page.
    Theirs(Words),
}

/// The page from `ui/dist`, which is built first if it is not of today's sources.
fn built(ui: &Path) -> Result<Vec<Page>, NoPage> {
    let ours = |e: std::io::Error| NoPage::Ours(format!("{}: {e}", ui.display()));
    let dist = ui.join("dist");
    let stamp = format!("{:016x}", stamp(ui).map_err(ours)?);
    // Read under the lock as well, or another cargo might be emptying the folder. A tree that cannot be written to
    // has nobody who builds in it.
    let lock = File::create(ui.join(".lock"));
    if let Ok(lock) = &lock {
        lock.lock().map_err(ours)?;
    }
    if fs::read_to_string(dist.join(".stamp")).is_ok_and(|s| s == stamp) {
        return read_page(&dist).map_err(NoPage::Ours);
    }
    new_enough().map_err(NoPage::Theirs)?;
    install(ui)?;
    let build = npm(ui, &["run", "build"]).map_err(NoPage::Theirs)?;
    if !build.status.success() {
        return Err(NoPage::Ours(format!("the page does not build:\n{}", said(&build))));
    }
    fs::write(dist.join(".stamp"), &stamp).map_err(ours)?;
    read_page(&dist).map_err(NoPage::Ours)
}

/// Whether Node can run the tools that build the page. Debian 12 still has Node 18.
fn new_enough() -> Result<(), Words> {
    let wanted = "install Node 20.19 or later with npm to have the page built in";
    let said =
        Command::new("node").arg("--version").output().map_err(|e| format!("node does not start ({e}): {wanted}."))?;
    let version = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    let mut parts = version.trim_start_matches('v').split('.').map_while(|part| part.parse::<u32>().ok());
    if (parts.next(), parts.next()) >= (Some(20), Some(19)) {
        return Ok(());
    }
    Err(format!("node is {version}, which is too old: {wanted}."))
}

/// Installs what the page is built with, unless it is there already as the lock file wants it.
fn install(ui: &Path) -> Result<(), NoPage> {
    let mut hasher = DefaultHasher::new();
    hash_into(&ui.join("package-lock.json"), &mut hasher).map_err(|e| NoPage::Ours(e.to_string()))?;
    let stamp = format!("{:016x}", hasher.finish());
    let stamped = ui.join("node_modules/.meerkat-stamp");
    if fs::read_to_string(&stamped).is_ok_and(|s| s == stamp) {
        return Ok(());
    }
    // NODE_ENV=production would leave out the very tools that build; none of them needs a script of its own to install.
    let words = ["ci", "--include=dev", "--ignore-scripts", "--no-audit", "--no-fund"];
    let install = npm(ui, &words).map_err(NoPage::Theirs)?;
    if !install.status.success() {
        return Err(NoPage::Theirs(format!("npm could not install what the page is built with:\n{}", said(&install))));
    }
    fs::write(&stamped, stamp).map_err(|e| NoPage::Ours(format!("{}: {e}", stamped.display())))
}

fn npm(ui: &Path, words: &[&str]) -> Result<Output, Words> {
    let program = if cfg!(windows) { "npm.cmd" } else { "npm" };
    let mut command = Command::new(program);
    command.args(words).current_dir(ui).env("NO_COLOR", "1");
    command.output().map_err(|e| format!("npm does not start ({e}): install it to have the page built in."))
}

/// The last lines of what a program said, which hold its error.
fn said(output: &Output) -> Words {
    let text =
        [&output.stdout[..], &output.stderr[..]].map(|bytes| String::from_utf8_lossy(bytes).into_owned()).join("");
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}

fn stamp(ui: &Path) -> std::io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    STAMP_VERSION.hash(&mut hasher);
    for source in SOURCES {
        hash_into(&ui.join(source), &mut hasher)?;
    }
    Ok(hasher.finish())
}

/// Hashes a file, or all files of a folder with their names.
fn hash_into(path: &Path, hasher: &mut DefaultHasher) -> std::io::Result<()> {
    if !path.is_dir() {
        fs::read(path)?.hash(hasher);
        return Ok(());
    }
    for entry in sorted(path)? {
        entry.file_name().hash(hasher);
        hash_into(&entry, hasher)?;
    }
    Ok(())
}

fn sorted(dir: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(dir)?.map(|e| e.map(|e| e.path())).collect::<Result<Vec<_>, _>>()?;
    entries.sort();
    Ok(entries)
}

fn notice(ui: &Path) -> Result<Vec<Page>, Words> {
    let file = ui.join("notice.html");
    let bytes = fs::read(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    Ok(vec![Page { path: "index.html".into(), bytes }])
}

/// All files of a built page.
fn read_page(dir: &Path) -> Result<Vec<Page>, Words> {
    let mut pages = vec![];
    read_into(dir, "", &mut pages).map_err(|e| format!("{}: {e}", dir.display()))?;
    if !pages.iter().any(|page| page.path == "index.html") {
        return Err(format!("{} has no index.html: it is no built page", dir.display()));
    }
    Ok(pages)
}

fn read_into(dir: &Path, below: &str, pages: &mut Vec<Page>) -> std::io::Result<()> {
    for entry in sorted(dir)? {
        let Some(name) = entry.file_name().and_then(|name| name.to_str()) else { continue };
        // The stamp, and whatever a file browser left behind.
        if name.starts_with('.') {
            continue;
        }
        let path = format!("{below}{name}");
        if entry.is_dir() {
            read_into(&entry, &format!("{path}/"), pages)?;
        } else {
            pages.push(Page { path, bytes: fs::read(&entry)? });
        }
    }
    Ok(())
}

/// Writes each file in its three forms and the table that names them.
fn write_table(out: &Path, pages: Vec<Page>) -> Result<(), Words> {
    let dir = out.join("page");
    let failed = |e: std::io::Error| format!("{}: {e}", dir.display());
    if dir.exists() {
        fs::remove_dir_all(&dir).map_err(failed)?;
    }
    fs::create_dir_all(&dir).map_err(failed)?;
    let mut table = String::from("pub(crate) static ASSETS: &[Asset] = &[\n");
    for (number, page) in pages.into_iter().enumerate() {
        let forms = [("br", brotli(&page.bytes)), ("gz", gzip(&page.bytes))];
        let keep = |ending: &str, bytes: &[u8]| -> Result<String, Words> {
            let file = dir.join(format!("{number}.{ending}"));
            fs::write(&file, bytes).map_err(failed)?;
            Ok(format!("include_bytes!({:?})", file.display().to_string()))
        };
        let mut small = vec![];
        for (ending, bytes) in forms {
            // What is not smaller compressed, a picture for instance, is kept once.
            let gain = bytes.map_err(failed)?;
            small.push(if gain.len() < page.bytes.len() {
                format!("Some({})", keep(ending, &gain)?)
            } else {
                "None".into()
            });
        }
        let Page { path, bytes } = page;
        table += &format!(
            "    Asset {{ path: {path:?}, content_type: {:?}, etag: {:?}, immutable: {}, identity: {}, gzip: {}, brotli: {} }},\n",
            content_type(&path),
            etag(&bytes),
            // Vite puts a hash of the content into every name below `assets`.
            path.starts_with("assets/"),
            keep("raw", &bytes)?,
            small[1],
            small[0],
        );
    }
    table += "];\n";
    fs::write(out.join("assets.rs"), table).map_err(|e| format!("{}: {e}", out.display()))
}

fn etag(bytes: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    format!("\"{:016x}\"", hasher.finish())
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json") => "application/json",
        Some("webmanifest") => "application/manifest+json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut writer = flate2::write::GzEncoder::new(vec![], flate2::Compression::best());
    writer.write_all(bytes)?;
    writer.finish()
}

/// Quality 11, the best: it is paid for once, here.
fn brotli(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut small = vec![];
    let settings = brotli::enc::BrotliEncoderParams { quality: 11, lgwin: 22, ..Default::default() };
    brotli::BrotliCompress(&mut &bytes[..], &mut small, &settings)?;
    Ok(small)
}
