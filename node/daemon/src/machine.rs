//! What the page tells about this machine and its settings.

use meerkat_protocols::mesh::Peer;
use meerkat_web::{ConfigItem, ConfigProblem, Machine, Origin};

use crate::settings::Loaded;

/// This machine and its settings, for the page.
#[must_use]
pub(crate) fn describe(loaded: &Loaded, peer: Peer) -> Machine {
    let settings = &loaded.settings;
    let mut capabilities = vec!["screening".to_owned(), "mesh".to_owned()];
    if !settings.lines.is_empty() {
        capabilities.push("sip".to_owned());
    }
    Machine {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        capabilities,
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
