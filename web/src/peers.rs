//! Connected peers: which way they are connected, and whether one answers.

use std::{collections::BTreeMap, sync::Arc};

use axum::{extract::State, http::StatusCode};
use meerkat_core::{Command, PeerState, Reply, Snapshot};
use meerkat_protocols::mesh;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    Wiring,
    extract::{At, Body},
    problem::Problem,
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
    let mut homes: BTreeMap<String, Vec<mesh::Peer>> = BTreeMap::new();
    for contact in &snapshot.contacts {
        let home = contact.home.to_string();
        if contact.name.to_lowercase() == text.to_lowercase() || by_home(&home) {
            homes.entry(home).or_default().push(contact.about.peer);
        }
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
    use meerkat_core::ContactState;
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
        for nobody in ["", "An", "12D3KooW", "12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp"] {
            assert_eq!(meant(nobody), Err("not_a_peer".into()), "{nobody}");
        }
    }
}
