//! What the documents of a household weigh after five years: made as a family would have made them, then opened by the
//! shipped code and by Automerge alone, each in a process of its own. Prints one JSON object.
//!
//! The family: three nodes, each started anew once a week, so that 780 actors have written. In a week four numbers are
//! blocked, one is allowed with a note and one goes, two people are entered or renamed, six alarms are acknowledged; each
//! quarter a setting, a neighbour's name, an account and a note about a node change.

#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "a measurement, not the documents")]

use std::{collections::BTreeMap, path::Path, process::Command, time::Instant};

use automerge::Automerge;
use meerkat_documents::{Edited, Shelf, actor_of};
use meerkat_protocols::{
    facts::Verdict,
    home::{HomeId, NodeNumber},
    number::E164,
    wishes::{Account, Acknowledged, DocumentId, Edit, Entry, NodeNote, Settings, Standing, Subject},
};

const WEEKS: u64 = 5 * 52;
const NODES: u64 = 3;
/// Openings of which the median counts.
const OPENINGS: usize = 21;

/// What is on the disk of a node.
#[derive(Default)]
struct Disk(BTreeMap<DocumentId, Vec<Vec<u8>>>);

impl Disk {
    fn write(&mut self, edited: Edited) {
        let chunks = self.0.entry(edited.document).or_default();
        if edited.whole {
            chunks.clear();
        }
        if !edited.change.is_empty() {
            chunks.push(edited.change);
        }
    }

    fn open(&self, start: u64) -> Shelf {
        let mut chance = [0; 16];
        chance[8..].copy_from_slice(&start.to_be_bytes());
        let chunks = self.0.iter().flat_map(|(id, all)| all.iter().map(|bytes| (*id, bytes.clone())));
        Shelf::load(actor_of(node(start % NODES), chance), chunks).0
    }

    /// As the daemon edits: a past that has outgrown what it says is given up when the document is written whole.
    fn edit(&mut self, shelf: &mut Shelf, edit: &Edit) {
        let mut edited = shelf.edit(edit).expect("it fits");
        if edited.whole && shelf.has_outgrown(edited.document) {
            edited = shelf.found_anew(edited.document).expect("it is sound");
        }
        self.write(edited);
        shelf.along().into_iter().for_each(|edited| self.write(edited));
    }
}

fn node(n: u64) -> NodeNumber {
    NodeNumber(u8::try_from(n).expect("few"))
}

fn number(n: u64) -> E164 {
    E164::from_digits(4_930_100_000 + n * 37).expect("a number")
}

/// What happens in a week on one of the nodes.
fn week(week: u64, at: u64) -> Vec<Edit> {
    let n = week * NODES + at;
    let subject = |n: u64| Subject::Number(number(n));
    let entry = |standing, notes: &str| Entry::tidy(standing, &format!("Caller {n}"), notes);
    let mut edits = match at {
        0 => (0..4).map(|k| Edit::SetEntry(subject(4 * week + k), entry(Standing::Block, ""))).collect(),
        1 => vec![
            Edit::SetEntry(subject(2 * week), entry(Standing::Allow, "Calls about the heating, every autumn.")),
            Edit::RemoveEntry(subject(3 * week)),
        ],
        _ => vec![
            Edit::SetPerson(number(50_000 + week), format!("Person {week}")),
            Edit::SetPerson(number(50_000 + week / 2), format!("Person {week}, renamed")),
        ],
    };
    let seen = |k: u64| Acknowledged::new(i64::try_from(604_800 * week + k).expect("our century"), "Ana");
    edits.extend((0..2).map(|k| Edit::Acknowledge(format!("line_failing@{at} home {}", week % 40 + k), seen(k))));
    if week.is_multiple_of(13) {
        let anonymous = if week.is_multiple_of(26) { Verdict::Challenge } else { Verdict::Allow };
        let hash = format!("$argon2id$v=19$m=19456,t=2,p=1${n:0>22}${week:0>43}");
        edits.extend([
            Edit::SetSettings(Settings { anonymous, ..Settings::default() }),
            Edit::NameNeighbour(HomeId([u8::try_from(n % 12).expect("few"); 16]), format!("Neighbour {n}")),
            Edit::SetAccount(format!("Person {at}"), Account { role: "admin".into(), hash }),
            Edit::NoteNode(node(at), NodeNote::tidy("garage", &format!("Card {n}"))),
        ]);
    }
    edits
}

/// Five years, kept in a folder: the chunks as they lie on disk, and each document whole.
fn live(folder: &Path) -> String {
    let (mut disk, mut edits) = (Disk::default(), 0_u32);
    for start in 0..WEEKS * NODES {
        let mut shelf = disk.open(start);
        for edit in week(start / NODES, start % NODES) {
            disk.edit(&mut shelf, &edit);
            edits += 1;
        }
    }
    let shelf = disk.open(WEEKS * NODES);
    let mut bytes = 0;
    for (id, chunks) in &disk.0 {
        for (n, chunk) in chunks.iter().enumerate() {
            bytes += chunk.len();
            std::fs::write(folder.join(format!("chunk-{}-{n:04}", *id as u8)), chunk).expect("the disk takes it");
        }
        std::fs::write(folder.join(format!("whole-{}", *id as u8)), shelf.save(*id)).expect("the disk takes it");
    }
    let (entries, people) = (shelf.wishes().lists.len(), shelf.wishes().people.len());
    let counts = [("entries", entries), ("people", people), ("bytes", bytes)].map(|(name, n)| (name, n as f64));
    json(&[&[("edits", f64::from(edits))], &counts[..]].concat())
}

/// Opens and says how long it took and what it weighs.
fn opened<T>(open: impl Fn() -> T) -> String {
    let timed = || {
        let began = Instant::now();
        (open(), began.elapsed().as_secs_f64() * 1e3)
    };
    let before = resident_kb();
    let (kept, first_ms) = timed();
    let resident = resident_kb() - before;
    drop(kept);
    let mut times: Vec<f64> = (0..OPENINGS).map(|_| timed().1).collect();
    times.sort_by(f64::total_cmp);
    json(&[("first_ms", first_ms), ("ms", times[OPENINGS / 2]), ("resident_kb", resident)])
}

fn resident_kb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().split(' ').next()?.parse().ok()).unwrap_or(f64::NAN)
}

/// The files of one kind, each with the document it is of.
fn files(folder: &Path, kind: &str) -> Vec<(DocumentId, Vec<u8>)> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).expect("the folder").flatten().map(|file| file.path()).collect();
    paths.sort();
    let read = |path: &std::path::PathBuf| {
        let name = path.file_name()?.to_str()?.strip_prefix(kind)?.to_owned();
        let id = DocumentId::from_number(name.split('-').next()?.parse().ok()?)?;
        Some((id, std::fs::read(path).ok()?))
    };
    paths.iter().filter_map(read).collect()
}

fn shipped(folder: &Path) -> String {
    let chunks = files(folder, "chunk-");
    opened(|| Shelf::load(actor_of(NodeNumber(0), [9; 16]), chunks.clone()))
}

fn plain(folder: &Path) -> String {
    let whole = files(folder, "whole-");
    opened(|| whole.iter().map(|(_, bytes)| Automerge::load(bytes).expect("sound")).collect::<Vec<_>>())
}

/// JSON of a few numbers.
fn json(fields: &[(&str, f64)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, part, folder] = arguments.as_slice() {
        let folder = Path::new(folder);
        println!("{}", if part == "shipped" { shipped(folder) } else { plain(folder) });
        return;
    }
    let folder = std::env::temp_dir().join(format!("meerkat-years-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let lived = live(&folder);
    let part = |part: &str| {
        let this = std::env::current_exe().expect("this program has a path");
        let output = Command::new(this).arg(part).arg(&folder).output().expect("it starts again");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    println!("{{\"lived\":{lived},\"shipped\":{},\"plain\":{}}}", part("shipped"), part("plain"));
    // What is left in the folder for temporary files goes with it.
    let _ = std::fs::remove_dir_all(&folder);
}
