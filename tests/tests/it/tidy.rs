//! The rules of the house that a machine can see. Each names the file, the line and what to do.

use std::path::{Path, PathBuf};

use crate::tree::{has_ending, root, texts};

/// The end of a file's length; 200 to 400 lines are the aim.
const FILE_LINES: usize = 500;
/// The end of a function's length: more fits no screen.
const FUNCTION_LINES: usize = 70;
/// The same where a function is mostly markup, which is long and flat.
const MARKUP_LINES: usize = 100;

/// The function in which every part is joined: it reads from top to bottom, and cut up it would hide the order.
const WIRING: &str = "node/daemon/src/run.rs";
const WIRING_LINES: usize = 120;

/// Files that a program writes.
const GENERATED: &[&str] = &["web/ui/src/api.d.ts", "web/openapi.json"];

const CODE: &[&str] = &["rs", "ts", "tsx", "mjs"];

/// What only pads a name.
const PADDING: &[&str] = &["manager", "service", "handler", "helper", "helpers", "util", "utils"];

/// Names with such a word that an outside interface or standard forces on us.
const FORCED: &[&str] = &[
    // DNS-SD's own word for what is announced (RFC 6763, 4.1).
    "service",
    "SERVICE_TYPE",
    // libp2p's `NetworkBehaviour` asks for these.
    "ConnectionHandler",
    "on_connection_handler_event",
];

/// Words that stand for work left undone. Put together here, or this file would break its own rule.
const UNDONE: &[&str] =
    &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X:"), concat!("dbg", "!("), concat!("to", "do!(")];

/// Paths of one person's machine.
const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];

/// Where packages are fetched from is the business of the machine that builds.
const REGISTRIES: &[&str] = &[
    concat!("crates", ".io"),
    concat!("registry.", "npmjs"),
    concat!("npmjs", ".com"),
    concat!("pypi", ".org"),
    concat!("deb.debian", ".org"),
];

/// How cargo itself writes in its lock files where a package comes from.
const CARGO_SOURCE: &str = concat!("\"registry+https://github.com/rust-lang/crates", ".io-index\"");

/// All that breaks a rule, so that one run shows everything.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, file: &Path, line: usize, why: impl AsRef<str>) {
        self.0.push(format!("{}:{line}: {}", file.display(), why.as_ref()));
    }

    fn none(self) {
        assert!(self.0.is_empty(), "\n{}\n", self.0.join("\n"));
    }
}

fn code() -> impl Iterator<Item = (PathBuf, String)> {
    let generated = |path: &Path| GENERATED.iter().any(|g| path == Path::new(g));
    texts().into_iter().filter(move |(path, _)| has_ending(path, CODE) && !generated(path))
}

#[test]
fn nothing_is_left_undone() {
    let mut faults = Faults::default();
    for (path, text) in code() {
        for (at, line) in text.lines().enumerate() {
            if let Some(word) = UNDONE.iter().find(|w| line.contains(**w)) {
                faults.add(&path, at + 1, format!("`{word}`: do it, or leave it and say in design/ what falls short"));
            }
        }
    }
    faults.none();
}

#[test]
fn files_and_functions_can_be_taken_in() {
    let mut faults = Faults::default();
    for (path, text) in code() {
        let lines = text.lines().count();
        if lines > FILE_LINES {
            faults.add(&path, lines, format!("more than {FILE_LINES} lines: split the file by noun"));
        }
        let limit = match () {
            () if has_ending(&path, &["tsx"]) => MARKUP_LINES,
            () if path == Path::new(WIRING) => WIRING_LINES,
            () => FUNCTION_LINES,
        };
        for (at, length) in functions(&text).filter(|(_, length)| *length > limit) {
            faults.add(&path, at, format!("a function of {length} lines, more than {limit}"));
        }
    }
    faults.none();
}

/// Where each function begins, and its lines. Formatted code ends a function with a brace under its first letter.
fn functions(text: &str) -> impl Iterator<Item = (usize, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let length = move |start: usize| {
        let indent = lines[start].len() - lines[start].trim_start().len();
        let rest = lines[start..].iter().enumerate();
        let same_column = |line: &str| line.len() - line.trim_start().len() == indent;
        // `);` under the first letter closes a signature without a body.
        let end =
            rest.clone().find(|(n, l)| *n > 0 && same_column(l) && (l.trim() == "}" || l.trim_end().ends_with(';')));
        let first = lines[start].trim_end();
        if first.ends_with(['}', ';']) { 1 } else { end.map_or(1, |(n, _)| n + 1) }
    };
    let starts: Vec<_> = text.lines().enumerate().filter(|(_, l)| begins_function(l)).map(|(n, _)| n).collect();
    starts.into_iter().map(move |start| (start + 1, length(start)))
}

fn begins_function(line: &str) -> bool {
    let line = line.trim_start();
    let words = ["pub ", "pub(crate) ", "pub(super) ", "const ", "export ", "default ", "async ", "extern \"C\" "];
    let bare = std::iter::successors(Some(line), |l| words.iter().find_map(|w| l.strip_prefix(w))).last();
    bare.is_some_and(|l| l.starts_with("fn ") || l.starts_with("function "))
}

#[test]
fn names_say_what_a_thing_is() {
    let mut faults = Faults::default();
    for (path, text) in code() {
        let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or_default();
        if let Some(word) = padding(stem) {
            faults.add(&path, 1, format!("a file named with `{word}`"));
        }
        for (at, line) in text.lines().enumerate() {
            for name in declared(line).filter(|name| !FORCED.contains(name)) {
                if let Some(word) = padding(name) {
                    faults.add(&path, at + 1, format!("`{name}`: what does it do? `{word}` does not say it"));
                }
            }
        }
    }
    faults.none();
}

/// The names that a line declares, in Rust or TypeScript.
fn declared(line: &str) -> impl Iterator<Item = &str> {
    const DECLARING: &[&str] = &[
        "fn",
        "struct",
        "enum",
        "union",
        "trait",
        "mod",
        "type",
        "const",
        "static",
        "let",
        "mut",
        "macro_rules!",
        "function",
        "class",
        "interface",
        "var",
    ];
    let code = line.split("//").next().unwrap_or_default();
    let mut words = code.split_whitespace().peekable();
    std::iter::from_fn(move || {
        loop {
            let word = words.next()?.trim_start_matches(['(', '{']);
            if DECLARING.contains(&word) {
                let next = words.peek()?;
                let name = next.trim_start_matches(['(', '{', '&']);
                let end = name.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(name.len());
                return Some(&name[..end]);
            }
        }
    })
}

/// The padding word in a name, if it has one: as a part of `snake_case`, `SHOUTING_CASE`, `kebab-case` or `CamelCase`.
fn padding(name: &str) -> Option<&'static str> {
    let mut parts = vec![String::new()];
    let mut after_lower = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && after_lower) {
            parts.push(String::new());
        }
        after_lower = c.is_lowercase();
        if c.is_alphanumeric() {
            parts.last_mut()?.extend(c.to_lowercase());
        }
    }
    PADDING.iter().find(|w| parts.iter().any(|p| p == *w)).copied()
}

#[test]
fn the_project_speaks_of_itself_alone() {
    let mut faults = Faults::default();
    for (path, text) in texts() {
        let lock = path.file_name().is_some_and(|n| n == "Cargo.lock");
        for (at, line) in text.lines().enumerate() {
            if let Some(found) = MACHINE_PATHS.iter().find(|p| line.contains(**p)) {
                faults.add(&path, at + 1, format!("`{found}` is a path of one machine"));
            }
            let line = if lock { line.replace(CARGO_SOURCE, "") } else { line.to_owned() };
            if let Some(found) = REGISTRIES.iter().find(|r| line.contains(**r)) {
                faults.add(&path, at + 1, format!("`{found}`: a package's name and version say enough"));
            }
            if has_ending(&path, &["rs", "ts", "tsx", "mjs", "md", "toml", "css", "html"]) && names_an_issue(&line) {
                faults.add(&path, at + 1, "the number of an issue: say the reason instead");
            }
        }
    }
    faults.none();
}

/// Whether the line speaks of an issue or request by its number, spelled out or after a hash.
fn names_an_issue(line: &str) -> bool {
    let lower = line.to_lowercase();
    let number_follows = |rest: &str| rest.trim_start_matches([' ', '#']).starts_with(|c: char| c.is_ascii_digit());
    let spelled = ["issue ", "issue #", "issues #"].iter().any(|w| lower.split(w).skip(1).any(number_follows));
    let bare = lower.split(" #").skip(1).chain(lower.split("(#").skip(1)).any(|rest| {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        // Six digits are a colour.
        (1..=5).contains(&digits) && !rest[digits..].starts_with(|c: char| c.is_alphanumeric())
    });
    spelled || bare
}

#[test]
fn every_crate_opens_with_its_contract() {
    let mut faults = Faults::default();
    for (path, text) in texts() {
        let opens = path.ends_with("src/lib.rs") || path.ends_with("src/main.rs") || path.ends_with("tests/it/main.rs");
        if !opens {
            continue;
        }
        let contract: Vec<_> = text.lines().take_while(|l| l.starts_with("//!")).collect();
        let words = contract.join(" ").split_whitespace().count();
        if words < if path.ends_with("main.rs") { 4 } else { 12 } {
            faults.add(&path, 1, "a crate opens with what it promises (`//!`)");
        }
        let library = path.ends_with("src/lib.rs");
        if library && !contract.iter().any(|l| l.to_lowercase().contains("absent")) {
            faults.add(&path, 1, "a library says what is absent from it");
        }
    }
    faults.none();
}

#[test]
fn every_document_can_be_found_and_every_link_leads_somewhere() {
    let mut faults = Faults::default();
    let texts = texts();
    let map: String = texts
        .iter()
        .filter(|(path, _)| path == Path::new("ARCHITECTURE.md") || path == Path::new("design/README.md"))
        .map(|(_, text)| text.as_str())
        .collect();
    for (path, text) in texts.iter().filter(|(path, _)| has_ending(path, &["md"])) {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        if path.starts_with("design") && name != "README.md" && !map.contains(&format!("{name})")) {
            faults.add(path, 1, "neither ARCHITECTURE.md nor design/README.md links to it");
        }
        let folder = root().join(path.parent().unwrap_or(Path::new("")));
        for (at, line) in text.lines().enumerate() {
            for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
                let local = target.split('#').next().unwrap_or_default();
                if !local.is_empty() && !local.contains(':') && !folder.join(local).exists() {
                    faults.add(path, at + 1, format!("`{target}` leads nowhere"));
                }
            }
        }
    }
    faults.none();
}

#[test]
fn the_rules_see_what_they_are_meant_to_see() {
    assert_eq!(padding("CallManager"), Some("manager"));
    assert_eq!(padding("http_utils"), Some("utils"));
    assert_eq!(padding("utility_bill"), None);
    assert_eq!(declared("pub fn new(x: u8) -> Self {").collect::<Vec<_>>(), ["new"]);
    assert_eq!(declared("let (mut a, b) = c;").last(), Some("a"));
    let code = "fn one() {}\nimpl X {\n    pub async fn two(\n        a: u8,\n    ) {\n        {\n        }\n    }\n    fn three();\n}\n";
    assert_eq!(functions(code).collect::<Vec<_>>(), [(1, 1), (3, 6), (9, 1)]);
    assert!(names_an_issue(concat!("see iss", "ue 12")));
    assert!(names_an_issue(concat!("fixed (", "#7)")));
    assert!(!names_an_issue("color: #123456; an issue is a question; ## 3. Heading"));
}
