//! What the page tells about this machine and its settings.

use meerkat_protocols::{
    contact::{About, Platform},
    mesh::Peer,
};
use meerkat_web::{ConfigItem, ConfigProblem, Machine, Origin};

use crate::{identity::Keys, settings::Loaded};

/// This machine and its settings, for the page.
#[must_use]
pub(crate) fn describe(loaded: &Loaded, peer: Peer) -> Machine {
    let settings = &loaded.settings;
    Machine {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        capabilities: capabilities(loaded),
        node_name: settings.node.name.clone(),
        peer: meerkat_network::peer_id_text(peer),
        config: loaded.items.iter().map(item).collect(),
        problems: loaded.problems.iter().map(problem).collect(),
        safe_mode: loaded.safe_mode,
        allowed_hosts: settings.web.hosts.clone(),
        https: false,
        requests_per_minute: settings.web.requests_per_minute,
    }
}

/// The largest file that names a machine, in bytes.
const MAX_NAME_BYTES: u64 = 256;

/// What kind of machine this is, in the words of its maker, for the other nodes of the home: `Raspberry Pi 4 Model B Rev 1.4`.
pub(crate) fn kind() -> String {
    let device_tree = || named("/proc/device-tree/model");
    let dmi = || {
        let part = |name: &str| named(&format!("/sys/class/dmi/id/{name}"));
        let (maker, product) = (part("sys_vendor"), part("product_name")?);
        Some(maker.map_or_else(|| product.clone(), |maker| format!("{maker} {product}")))
    };
    device_tree().or_else(dmi).unwrap_or_else(|| format!("{} {}", std::env::consts::OS, std::env::consts::ARCH))
}

fn named(path: &str) -> Option<String> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path).ok()?.take(MAX_NAME_BYTES).read_to_end(&mut bytes).ok()?;
    let name = String::from_utf8_lossy(&bytes).trim_matches(['\0', '\n', ' ']).to_owned();
    (!name.is_empty()).then_some(name)
}

/// This node, for its neighbours: what they may know of the machine and no more.
pub(crate) fn about(loaded: &Loaded, keys: &Keys) -> About {
    // Servers and desktops on these processors are rare in homes; boards are not.
    let board = matches!(std::env::consts::ARCH, "aarch64" | "arm" | "riscv64");
    About {
        peer: keys.peer,
        seal_key: keys.seal_public(),
        platform: if board { Platform::BOARD } else { Platform::COMPUTER },
        version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: capabilities(loaded),
    }
}

fn capabilities(loaded: &Loaded) -> Vec<String> {
    let mut capabilities = vec!["screening".to_owned(), "mesh".to_owned()];
    if !loaded.settings.lines.is_empty() {
        capabilities.push("sip".to_owned());
    }
    capabilities
}

fn item(item: &crate::settings::Item) -> ConfigItem {
    let origin = match item.origin {
        "file" => Origin::File,
        "environment" => Origin::Environment,
        "flag" => Origin::Flag,
        _ => Origin::Default,
    };
    ConfigItem { key: item.key.clone(), value: item.text(), origin, place: item.place.clone() }
}

fn problem(problem: &crate::settings::Problem) -> ConfigProblem {
    ConfigProblem {
        file: problem.file.clone(),
        line: problem.line.and_then(|n| u32::try_from(n).ok()),
        words: problem.words.clone(),
        remedy: problem.remedy.clone(),
    }
}
