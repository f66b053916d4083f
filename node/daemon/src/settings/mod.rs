//! What belongs to this machine: paths, addresses, telephone lines, secrets. What people decide is a wish, not a setting.
//!
//! Default, file, environment, flag: each overrides the one before, and every value remembers where it came from. A
//! mistake never keeps the node from starting: the value one layer below is used, a wrong telephone line is left out,
//! and [`Loaded::problems`] says what to mend. While there are problems the node is in safe mode.

mod file;
mod layers;
mod lines;
mod origin;
mod places;
#[cfg(test)]
mod tests;
mod values;

use std::{net::SocketAddr, path::PathBuf};

use meerkat_protocols::facts::Verdict;
use meerkat_sip::LineSettings;

pub use origin::{Item, Origin, Problem};
pub use places::{DataFault, Surroundings, prepare_data};

use layers::Layers;

/// Where the page is, unless told otherwise: this machine only.
pub const DEFAULT_WEB: &str = "127.0.0.1:8780";
/// Where peers are awaited, unless told otherwise.
pub const DEFAULT_LISTEN: [&str; 4] =
    ["/ip4/0.0.0.0/tcp/4787", "/ip6/::/tcp/4787", "/ip4/0.0.0.0/udp/4787/quic-v1", "/ip6/::/udp/4787/quic-v1"];

/// Every setting outside the telephone lines, as the file spells it.
const KEYS: [&str; 16] = [
    "data",
    "web.listen",
    "web.hosts",
    "web.requests_per_minute",
    "network.listen",
    "network.peers",
    "network.mdns",
    "network.relay",
    "node.name",
    "node.zone",
    "node.latitude",
    "node.longitude",
    "wishes.region",
    "wishes.anonymous",
    "wishes.invalid",
    "log.level",
];

/// The settings in force.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder with everything this node keeps, the control socket included.
    pub data: PathBuf,
    /// The page.
    pub web: Web,
    /// Peers.
    pub network: Network,
    /// What this node is called and where it stands.
    pub node: Node,
    /// Wishes that the file decides, and nobody on the page.
    pub pins: Pins,
    /// The log's level: `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: String,
    /// The telephone lines whose settings are right.
    pub lines: Vec<LineSettings>,
}

/// Where the page is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Web {
    /// Address and port.
    pub listen: SocketAddr,
    /// Names by which browsers may call it, beside addresses and `localhost`.
    pub hosts: Vec<String>,
    /// Requests of one session, key or address in a minute.
    pub requests_per_minute: u32,
}

/// How peers are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// Multiaddresses to listen on.
    pub listen: Vec<String>,
    /// Multiaddresses of peers to call.
    pub peers: Vec<String>,
    /// Whether to find and be found on the local network.
    pub mdns: bool,
    /// For whom to relay: `nobody`, `trusted` or `everybody`.
    pub relay: String,
}

/// What this node is called and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name, for people.
    pub name: String,
    /// Latitude and longitude in degrees, WGS 84, if told.
    pub place: Option<(f64, f64)>,
    /// The time zone of the home, if it is not the machine's.
    pub zone: Option<String>,
}

/// Wishes that the settings pin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pins {
    /// The country by which numbers without country code are read.
    pub region: Option<String>,
    /// What happens to calls that hide their number.
    pub anonymous: Option<Verdict>,
    /// What happens to calls from numbers that cannot exist.
    pub invalid: Option<Verdict>,
}

/// What the command line says.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--data`.
    pub data: Option<PathBuf>,
    /// `--config`.
    pub config: Option<PathBuf>,
    /// `--web`.
    pub web: Option<SocketAddr>,
    /// `--listen`, each; they replace the file's.
    pub listen: Vec<String>,
    /// `--peer`, each; they replace the file's.
    pub peers: Vec<String>,
}

/// Settings with everything there is to say about them.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings in force.
    pub settings: Settings,
    /// The file that was read, if there is one.
    pub file: Option<PathBuf>,
    /// Every value with its origin, secrets as "set".
    pub items: Vec<Item>,
    /// What is wrong.
    pub problems: Vec<Problem>,
    /// Whether anything is wrong: the page says so.
    pub safe_mode: bool,
}

/// Reads the settings. It always succeeds; [`Loaded::problems`] has what is wrong.
#[must_use]
pub fn load(flags: &Flags, around: &Surroundings) -> Loaded {
    let mut problems = Vec::new();
    let path = places::config_file(flags, around);
    let file = path.as_deref().map(|path| file::read(path, &mut problems)).unwrap_or_default();
    let mut layers = Layers::new(file, flags, &around.variables, problems);
    let settings = Settings {
        data: layers.take("data", places::default_data(around), values::path),
        web: web(&mut layers),
        network: network(&mut layers),
        node: node(&mut layers, around),
        pins: pins(&mut layers),
        log_level: layers.take("log.level", "info".to_owned(), values::level),
        lines: lines::read(&mut layers),
    };
    let (items, problems) = layers.finish();
    Loaded { settings, file: path, items, safe_mode: !problems.is_empty(), problems }
}

fn web(layers: &mut Layers) -> Web {
    let default = DEFAULT_WEB.parse().expect("the default is an address and a port");
    Web {
        listen: layers.take("web.listen", default, values::socket),
        hosts: layers.take("web.hosts", Vec::new(), |raw| values::list(raw, values::host)),
        requests_per_minute: layers.take("web.requests_per_minute", meerkat_web::REQUESTS_PER_MINUTE, |raw| {
            // Less would starve the page itself; more than a machine can answer is no limit.
            values::whole(raw, 60, 100_000_000)
        }),
    }
}

fn network(layers: &mut Layers) -> Network {
    let default = DEFAULT_LISTEN.map(str::to_owned).to_vec();
    Network {
        listen: layers.take("network.listen", default, |raw| values::list(raw, values::listen)),
        peers: layers.take("network.peers", Vec::new(), |raw| values::list(raw, values::peer)),
        mdns: layers.take("network.mdns", true, values::truth),
        relay: layers.take("network.relay", "trusted".to_owned(), values::relay),
    }
}

fn node(layers: &mut Layers, around: &Surroundings) -> Node {
    let name = layers.take("node.name", around.host_name.clone(), values::name);
    let latitude = layers.take("node.latitude", None, |raw| values::degrees(raw, 90.0).map(Some));
    let longitude = layers.take("node.longitude", None, |raw| values::degrees(raw, 180.0).map(Some));
    for (given, key, missing) in [
        (latitude.is_some() && longitude.is_none(), "node.latitude", "longitude"),
        (longitude.is_some() && latitude.is_none(), "node.longitude", "latitude"),
    ] {
        if given {
            layers.wrong_together(key, format!("`{key}` needs `{missing}` beside it"), format!("add `{missing}`"));
        }
    }
    let zone = layers.take("node.zone", None, |raw| values::zone(raw).map(Some));
    Node { name, place: latitude.zip(longitude), zone }
}

fn pins(layers: &mut Layers) -> Pins {
    let word = |raw: &values::Raw| values::verdict(raw).map(Some);
    let verdict = |word: Option<String>| word.and_then(|w| Verdict::ALL.into_iter().find(|v| v.word() == w));
    Pins {
        region: layers.take("wishes.region", None, |raw| values::region(raw).map(Some)),
        anonymous: verdict(layers.take("wishes.anonymous", None, word)),
        invalid: verdict(layers.take("wishes.invalid", None, word)),
    }
}
