//! Connected peers: which way they are connected, and whether one answers.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::StatusCode};
use meerkat_core::{Command, ExchangeState, PeerState, Reply, Snapshot};
use meerkat_protocols::{mesh, time::Now};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    extract::{At, Body},
    problem::{Problem, sentence},
    words::{Found, peer_id},
};

/// The fewest characters by which a node is meant: every id begins with the same eight.
const MIN_ID_CHARS: usize = 12;
/// The fewest characters of a home's name.
const MIN_HOME_CHARS: usize = 6;

/// Which way a connection goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Way {
    /// From node to node.
    Direct,
    /// Through a third node, which cannot read what it passes on.
    Relayed,
}

/// A connected peer.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Peer {
    peer: String,
    address: String,
    found: Found,
    path: Way,
    /// The relay, if there is one.
    through: Option<String>,
    /// What this home calls the neighbour whose node it is, or the relay's, if it is a neighbour's.
    name: Option<String>,
    /// For how long it has been connected.
    connected_s: u64,
    /// How far both hold the same evidence; null before anything was compared.
    evidence: Option<Evidence>,
}

/// What is being done, or was done last, so that two nodes hold the same evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EvidenceState {
    /// Both find out what the other lacks.
    Comparing,
    /// What is lacking comes and goes.
    Fetching,
    /// Both held the same when they last compared.
    Equal,
    /// The last attempt failed; it is tried again.
    Failed,
    /// Connected, and not compared yet.
    Waiting,
}

/// How far this node and a peer hold the same evidence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Evidence {
    state: EvidenceState,
    /// How many seconds ago both were last found equal.
    equal_s: Option<u64>,
    /// Statements that have come in the exchange under way, or in the last complete one.
    came: usize,
    /// Statements still to come.
    to_come: usize,
    /// Statements that went to the peer.
    given: usize,
    /// Bytes of the last complete exchange, both ways.
    bytes: u64,
    /// Statements of the peer that are no evidence here, because no vouch leads to who made them.
    declined: usize,
    /// Why the last attempt failed.
    failure: Option<String>,
}

impl Evidence {
    fn of(known: &ExchangeState, now: Now) -> Self {
        let state = match (&known.running, known.failure, known.equal_at_ms) {
            (Some(under_way), ..) if under_way.came + under_way.waiting + under_way.given > 0 => {
                EvidenceState::Fetching
            }
            (Some(_), ..) => EvidenceState::Comparing,
            (None, Some(_), _) => EvidenceState::Failed,
            (None, None, Some(_)) => EvidenceState::Equal,
            (None, None, None) => EvidenceState::Waiting,
        };
        let running = known.running;
        Self {
            state,
            equal_s: known.equal_at_ms.map(|at| now.mono_ms.saturating_sub(at) / 1_000),
            came: running.map_or(known.brought, |under_way| under_way.came),
            to_come: running.map_or(0, |under_way| under_way.waiting),
            given: running.map_or(known.given, |under_way| under_way.given),
            bytes: known.bytes,
            declined: known.declined,
            failure: known.failure.map(sentence),
        }
    }
}

/// The connected peers, and where this node can be reached.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Peers {
    items: Vec<Peer>,
    /// Multiaddresses.
    listening: Vec<String>,
    /// Whether others can call this node without a relay; null until somebody has tried.
    public: Option<bool>,
}

/// What came of asking a peer whether it is there.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Ping {
    peer: String,
    /// What this home calls the neighbour whose node it is.
    name: Option<String>,
    /// Whether there was an answer within ten seconds.
    answered: bool,
    /// There and back, in milliseconds.
    rtt_ms: Option<f64>,
    path: Way,
    /// The relay, if there is one.
    through: Option<String>,
    /// What this home calls the neighbour whose node the relay is.
    through_name: Option<String>,
}

/// The operations on peers.
pub(crate) fn peer_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(peers)).routes(routes!(ping))
}

/// Which way, and the relay.
fn way(path: mesh::Path) -> (Way, Option<mesh::Peer>) {
    match path {
        mesh::Path::Direct => (Way::Direct, None),
        mesh::Path::Relayed { through } => (Way::Relayed, Some(through)),
    }
}

/// What this home calls the neighbours, by node.
fn names(snapshot: &Snapshot) -> BTreeMap<mesh::Peer, &str> {
    snapshot.contacts.iter().map(|contact| (contact.about.peer, contact.name.as_str())).collect()
}

/// The connected peers, and where this node can be reached.
#[utoipa::path(get, path = "/api/v1/peers", tag = "mesh", responses((status = 200, body = Peers)))]
async fn peers(State(wiring): State<Wiring>) -> Body<Peers> {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let (now, names) = ((wiring.clock)(), names(&snapshot));
    let view = |p: &PeerState| {
        let (path, through) = way(p.path);
        Peer {
            peer: peer_id(p.peer),
            address: p.address.clone(),
            found: p.found.into(),
            path,
            through: through.map(peer_id),
            name: names.get(&p.peer).map(|name| (*name).to_owned()),
            connected_s: now.mono_ms.saturating_sub(p.since_mono_ms) / 1_000,
            evidence: snapshot
                .exchanges
                .iter()
                .find(|known| known.peer == p.peer)
                .map(|known| Evidence::of(known, now)),
        }
    };
    let items = snapshot.peers.iter().map(view).collect();
    Body(Peers { items, listening: snapshot.listening.clone(), public: snapshot.public })
}

/// Asks a peer whether it is there: it answers by itself, whatever its people do. The peer is named by what this home calls
/// the neighbour, by the neighbour's home, or by its own id; of an id or a home its beginning is enough.
#[utoipa::path(post, path = "/api/v1/peers/{peer}/ping", tag = "mesh", params(("peer" = String, Path)), responses(
    (status = 200, body = Ping),
    (status = 404, description = "`not_a_peer`", body = Problem, content_type = "application/problem+json"),
    (status = 409, description = "`ambiguous`", body = Problem, content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
))]
async fn ping(State(wiring): State<Wiring>, At(peer): At<String>) -> Result<Body<Ping>, Problem> {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let peer = find(&snapshot, peer.trim())?;
    match wiring.command(Command::Ping(peer)).await? {
        Reply::Pinged { peer, rtt_us, path } => {
            let names = names(&snapshot);
            let name = |peer: mesh::Peer| names.get(&peer).map(|name| (*name).to_owned());
            let (path, through) = way(path);
            Ok(Body(Ping {
                peer: peer_id(peer),
                name: name(peer),
                answered: rtt_us.is_some(),
                // 10 s are 10^7 µs: exact.
                rtt_ms: rtt_us.map(|us| us as f64 / 1_000.0),
                path,
                through: through.map(peer_id),
                through_name: through.and_then(name),
            }))
        }
        other => Err(wiring.unexpected(&other)),
    }
}

/// Which peer is meant. Of several nodes of one home it is one that is connected.
fn find(snapshot: &Snapshot, text: &str) -> Result<mesh::Peer, Problem> {
    let by_home = |home: &str| home == text || text.len() >= MIN_HOME_CHARS && home.starts_with(text);
    let asked = text.to_lowercase();
    let of_homes = |meant: &dyn Fn(&str, &str) -> bool| {
        let mut homes: BTreeMap<String, Vec<mesh::Peer>> = BTreeMap::new();
        for contact in &snapshot.contacts {
            let home = contact.home.to_string();
            if meant(&contact.name.to_lowercase(), &home) {
                homes.entry(home).or_default().push(contact.about.peer);
            }
        }
        homes
    };
    let mut homes = of_homes(&|name, home| name == asked || by_home(home));
    if homes.is_empty() {
        // The beginning of a name will do, as it does for messages.
        homes = of_homes(&|name, _| !asked.is_empty() && name.starts_with(&asked));
    }
    let is_there = |peer: &mesh::Peer| snapshot.peers.iter().any(|p| p.peer == *peer);
    let of_home = |nodes: &Vec<mesh::Peer>| nodes.iter().find(|p| is_there(p)).or(nodes.first()).copied();
    let mut found: Vec<mesh::Peer> = homes.values().filter_map(of_home).collect();
    if found.is_empty() && text.len() >= MIN_ID_CHARS {
        let contacts = snapshot.contacts.iter().map(|contact| contact.about.peer);
        found =
            contacts.chain(snapshot.peers.iter().map(|p| p.peer)).filter(|p| peer_id(*p).starts_with(text)).collect();
        found.sort_unstable();
        found.dedup();
    }
    match found[..] {
        [peer] => Ok(peer),
        [] => Err(Problem::new(
            StatusCode::NOT_FOUND,
            "not_a_peer",
            "No neighbour has that name or home, and no connected node an id that begins so. `meerkat peers` lists the \
             connected ones.",
        )),
        _ => Err(Problem::new(
            StatusCode::CONFLICT,
            "ambiguous",
            format!("{} nodes are meant by that. Give more of the home's name or of the node's id.", found.len()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use meerkat_core::{ContactState, UnderWay};
    use meerkat_protocols::{contact::About, home::HomeId, mesh::Found};

    use super::*;
    use crate::testing::snapshot;

    fn peer(number: u8) -> mesh::Peer {
        mesh::Peer([number; 32])
    }

    fn contact(number: u8, home: u8, name: &str) -> ContactState {
        ContactState {
            home: HomeId([home; 16]),
            name: name.into(),
            about: About { peer: peer(number), ..About::default() },
            online: true,
            heard_mono_ms: None,
            since: None,
        }
    }

    fn connected(number: u8) -> PeerState {
        let path = mesh::Path::Direct;
        PeerState { peer: peer(number), address: String::new(), found: Found::Nearby, path, since_mono_ms: 0 }
    }

    #[test]
    fn a_peer_is_meant_by_name_home_or_id() {
        let mut picture = snapshot();
        picture.contacts = vec![contact(1, 9, "Ana"), contact(2, 9, "Ana"), contact(3, 8, "Ben"), contact(4, 7, "Ben")];
        picture.peers = vec![connected(2), connected(5)];
        let meant = |text: &str| find(&picture, text).map_err(|problem| problem.code.to_string());
        assert_eq!(meant("ana"), Ok(peer(2)), "the node that is connected");
        assert_eq!(meant(&HomeId([8; 16]).to_string()), Ok(peer(3)));
        assert_eq!(meant(&HomeId([7; 16]).to_string()[..20]), Ok(peer(4)));
        assert_eq!(meant(&peer_id(peer(5))), Ok(peer(5)));
        assert_eq!(meant(&peer_id(peer(1))[..20]), Ok(peer(1)));
        assert_eq!(meant("Ben"), Err("ambiguous".into()));
        assert_eq!(meant("An"), Ok(peer(2)), "the beginning of a name");
        for nobody in ["", "Nobody", "12D3KooW", "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"] {
            assert_eq!(meant(nobody), Err("not_a_peer".into()), "{nobody}");
        }
    }

    fn known(running: Option<UnderWay>, equal_at_ms: Option<u64>, failure: Option<&'static str>) -> ExchangeState {
        let peer = mesh::Peer([1; 32]);
        ExchangeState { peer, running, equal_at_ms, brought: 3, given: 4, bytes: 900, failure, declined: 1 }
    }

    #[test]
    fn what_is_under_way_comes_before_what_was() {
        let now = Now { mono_ms: 61_000, wall: None };
        let begun = UnderWay { ours: true, came: 0, waiting: 0, given: 0 };
        let fetching = UnderWay { came: 10, waiting: 90, ..begun };
        for (exchange, state, came) in [
            (known(None, None, None), EvidenceState::Waiting, 3),
            (known(Some(begun), Some(1_000), None), EvidenceState::Comparing, 0),
            (known(Some(fetching), None, Some("it broke off")), EvidenceState::Fetching, 10),
            (known(None, Some(1_000), Some("it broke off")), EvidenceState::Failed, 3),
            (known(None, Some(1_000), None), EvidenceState::Equal, 3),
        ] {
            let evidence = Evidence::of(&exchange, now);
            assert_eq!((evidence.state, evidence.came), (state, came), "{exchange:?}");
            assert_eq!(evidence.equal_s, exchange.equal_at_ms.map(|_| 60));
        }
        let failed = Evidence::of(&known(None, None, Some("it broke off")), now);
        assert_eq!(failed.failure.as_deref(), Some("It broke off."));
    }
}
