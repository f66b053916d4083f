//! What ARCHITECTURE.md draws, asserted: who may depend on whom, and what must stay out of the pure packages.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use cargo_metadata::{Metadata, MetadataCommand, Package};

use crate::tree::root;

/// Each package with those of ours it may use. A new package is a decision: it is drawn in ARCHITECTURE.md and stands here.
const ALLOWED: &[(&str, &[&str])] = &[
    ("meerkat-protocols", &[]),
    ("meerkat-reconcile", &[]),
    ("meerkat-network", &["meerkat-protocols"]),
    ("meerkat-numberlists", &["meerkat-protocols"]),
    ("meerkat-documents", &["meerkat-protocols"]),
    ("meerkat-store", &["meerkat-protocols"]),
    ("meerkat-core", &["meerkat-protocols", "meerkat-numberlists", "meerkat-reconcile"]),
    ("meerkat-sip", &["meerkat-protocols"]),
    ("meerkat-web", &["meerkat-protocols", "meerkat-numberlists", "meerkat-core", "meerkat-store"]),
    ("meerkat", BELOW_THE_DAEMON),
    ("meerkat-simulations", &["meerkat-protocols", "meerkat-core"]),
    ("meerkat-tests", EVERYTHING_BUILT),
    ("xtask", &[]),
];

const BELOW_THE_DAEMON: &[&str] = &[
    "meerkat-protocols",
    "meerkat-numberlists",
    "meerkat-network",
    "meerkat-documents",
    "meerkat-store",
    "meerkat-core",
    "meerkat-sip",
    "meerkat-web",
];

const EVERYTHING_BUILT: &[&str] = &[
    "meerkat-protocols",
    "meerkat-numberlists",
    "meerkat-reconcile",
    "meerkat-network",
    "meerkat-documents",
    "meerkat-store",
    "meerkat-core",
    "meerkat-sip",
    "meerkat-web",
    "meerkat",
];

/// Packages whose every result follows from their arguments, each with a library it is known to use: a reading of the tree
/// of dependencies that does not find that one finds nothing.
const PURE: &[(&str, &str)] =
    &[("meerkat-protocols", "ed25519-dalek"), ("meerkat-reconcile", "siphasher"), ("meerkat-core", "ed25519-dalek")];

/// What brings clocks, chance, threads, files or sockets: none of it may reach a pure package, by whatever way.
const IMPURE: &[&str] = &[
    "tokio",
    "mio",
    "socket2",
    "rustix",
    "polling",
    "smol",
    "async-std",
    "getrandom",
    "rand",
    "fastrand",
    "libp2p",
    "mdns-sd",
    "redb",
    "automerge",
    "axum",
    "hyper",
    "quinn",
    "rsipstack",
    "jiff",
    "chrono",
    "time",
    "tracing-subscriber",
    "tempfile",
];

/// Libraries that shape what uses them: each stays behind one package of ours, so that it can be replaced there.
const CONFINED: &[(&str, &[&str])] = &[
    ("libp2p", &["meerkat-network"]),
    ("mdns-sd", &["meerkat-network"]),
    ("redb", &["meerkat-store"]),
    ("automerge", &["meerkat-documents"]),
    ("rsipstack", &["meerkat-sip"]),
    ("rlibphonenumber", &["meerkat-protocols"]),
    ("csv-core", &["meerkat-numberlists"]),
    ("hpke", &["meerkat-protocols"]),
    ("utoipa", &["meerkat-web"]),
    ("tower-sessions", &["meerkat-web"]),
    // Passwords of people there, the pass-phrase of the data here.
    ("argon2", &["meerkat-web", "meerkat-store"]),
    ("axum", &["meerkat-web", "meerkat"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new().current_dir(root()).no_deps().exec().expect("cargo describes the workspace")
}

fn folder(package: &Package) -> PathBuf {
    package.manifest_path.parent().expect("a manifest lies in a folder").into()
}

#[test]
fn dependencies_point_the_way_the_map_draws_them() {
    let metadata = metadata();
    let ours: BTreeSet<_> = metadata.packages.iter().map(|p| p.name.as_str()).collect();
    let listed: BTreeSet<_> = ALLOWED.iter().map(|(name, _)| *name).collect();
    assert_eq!(ours, listed, "a package of the workspace is not in ALLOWED, or the other way round");
    for package in &metadata.packages {
        let (_, allowed) = ALLOWED.iter().find(|(name, _)| *name == package.name.as_str()).expect("listed");
        // Of every kind: a test that needs a package above its own is in the wrong place.
        for used in package.dependencies.iter().filter(|d| ours.contains(d.name.as_str())) {
            let fine = allowed.contains(&used.name.as_str());
            assert!(fine, "{} may not use {}: ARCHITECTURE.md draws no such arrow", package.name, used.name);
        }
    }
}

#[test]
fn nothing_impure_reaches_a_pure_package() {
    for (pure, known) in PURE {
        // `cargo metadata` unites the features of the whole workspace; `cargo tree` shows what this package brings by itself.
        let tree = Command::new(env!("CARGO"))
            .args(["tree", "--package", pure, "--edges", "normal", "--prefix", "none", "--offline"])
            .current_dir(root())
            .output()
            .expect("cargo runs");
        assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
        let tree = String::from_utf8(tree.stdout).expect("names are UTF-8");
        let used: BTreeSet<_> = tree.lines().filter_map(|l| l.split_whitespace().next()).collect();
        assert!(used.contains(known), "{pure} is known to use {known}; this reading of the tree is wrong");
        for impure in IMPURE {
            assert!(
                !used.contains(impure),
                "{impure} has reached {pure}: find the way with `cargo tree -p {pure} -i {impure}`"
            );
        }
    }
}

#[test]
fn the_pure_packages_are_watched_and_watch_nobody_else() {
    for package in &metadata().packages {
        let folder = folder(package);
        let own = folder.join("clippy.toml");
        let nearest = folder
            .ancestors()
            .take_while(|f| f.starts_with(root()))
            .map(|f| f.join("clippy.toml"))
            .find(|f| f.exists());
        // Clippy takes the nearest file upwards: without one of its own, a package gets the rules of another.
        assert!(nearest.is_none_or(|f| f == own), "{} takes its clippy.toml from a folder above", package.name);
        if PURE.iter().any(|(pure, _)| *pure == package.name.as_str()) {
            let rules = fs::read_to_string(&own).expect("a pure package has a clippy.toml");
            for banned in ["std::time::Instant::now", "std::time::SystemTime::now", "getrandom::fill", "std::fs::File"]
            {
                assert!(rules.contains(banned), "{}: clippy.toml lets {banned} pass", package.name);
            }
            let opening = fs::read_to_string(folder.join("src/lib.rs")).expect("readable");
            for rule in ["#![forbid(unsafe_code)]", "clippy::iter_over_hash_type"] {
                assert!(opening.contains(rule), "{} does not set {rule}", package.name);
            }
        }
    }
}

#[test]
fn a_library_that_shapes_its_users_has_one_home() {
    for package in metadata().packages.iter().filter(|p| p.name.as_str() != "meerkat-tests") {
        for used in &package.dependencies {
            let home = CONFINED.iter().find(|(library, _)| *library == used.name);
            let fine = home.is_none_or(|(_, homes)| homes.contains(&package.name.as_str()));
            assert!(fine, "{} uses {}, which stays behind another package", package.name, used.name);
        }
    }
}

#[test]
fn versions_and_lints_stand_in_one_place() {
    for package in &metadata().packages {
        let manifest: toml::Table =
            fs::read_to_string(&package.manifest_path).expect("readable").parse().expect("a manifest is TOML");
        let inherited = |value: Option<&toml::Value>| {
            value.and_then(|v| v.get("workspace")).and_then(toml::Value::as_bool) == Some(true)
        };
        assert!(inherited(manifest.get("lints")), "{} does not take the workspace's lints", package.name);
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = manifest.get(kind).and_then(toml::Value::as_table) else { continue };
            for (name, value) in dependencies {
                let why = "its version belongs into the workspace's table";
                assert!(inherited(Some(value)), "{}: {kind}: {name}: {why}", package.name);
            }
        }
    }
}

#[test]
fn every_dependency_is_used_and_has_its_reason() {
    let manifest: toml::Table =
        fs::read_to_string(root().join("Cargo.toml")).expect("readable").parse().expect("a manifest is TOML");
    let table = manifest["workspace"]["dependencies"].as_table().expect("the workspace has a table of dependencies");
    let reasons = fs::read_to_string(root().join("design/dependencies.md")).expect("readable");
    let metadata = metadata();
    let used: BTreeSet<_> = metadata
        .packages
        .iter()
        .flat_map(|p| &p.dependencies)
        .map(|d| d.rename.as_ref().unwrap_or(&d.name).as_str())
        .collect();
    for (name, _) in table.iter().filter(|(_, value)| value.get("path").is_none()) {
        assert!(used.contains(name.as_str()), "no package uses {name}: take it out of the workspace's table");
        assert!(reasons.contains(&format!("`{name}`")), "design/dependencies.md does not say why {name}");
    }
}
