//! The protocols spoken over every connection, whatever carries it. Each figure has its reason in `design/network.md`.

use std::time::Duration;

use libp2p::connection_limits::{self, ConnectionLimits};
use libp2p::gossipsub::{
    self, Message, MessageAuthenticity, MessageId, PeerScoreParams, PeerScoreThresholds, TopicScoreParams,
    ValidationMode,
};
use libp2p::identity::Keypair;
use libp2p::swarm::{self, FromSwarm, NetworkBehaviour};
use libp2p::{dcutr, identify, memory_connection_limits, ping, relay};

use crate::autonat::Asking;
use crate::callback::Answering;
use crate::direct::{self, Direct};
use crate::filtered::Filtered;
use crate::gate::Gate;
use crate::places::is_public;
use crate::relaying;
use crate::settings::{RelayFor, Trouble};
use crate::streams::{self, Door};
use crate::topics::{self, Filter, Heard};
use crate::trusted::Trusted;

/// What we say we speak and are: the same for every home.
const PROTOCOL: &str = "/meerkat/1";
const AGENT: &str = "meerkat/1";

/// Handshakes under way: a neighbourhood that comes back after a power cut, not a flood.
const PENDING_IN: u32 = 16;
/// The dials of [`crate::book`] with room for one swarm-internal retry each.
const PENDING_OUT: u32 = 16;
/// Of 96 in all, inbound can take 64: strangers can never fill the places of those we call (eclipse).
const ESTABLISHED_IN: u32 = 64;
const ESTABLISHED_OUT: u32 = 48;
const ESTABLISHED: u32 = 96;
/// Two when both call at once; two more while those are dead and have not been noticed.
const PER_PEER: u32 = 4;
/// No new connection while the process holds more than this share of the machine's memory.
const MEMORY_SHARE: f64 = 0.5;

/// Heartbeats, of a second, for which gossipsub remembers a message: until it is judged, and for those who ask.
const HISTORY: usize = 10;
/// Of those, the ones of which neighbours hear by IHAVE, and how many neighbours each time. gossipsub's own 3 and 6 are 780
/// of the 1,810 bytes that a report of 113 costs a home; reconciliation brings what was lost (design/simulations.md).
const HISTORY_GOSSIP: usize = 2;
const LAZY: usize = 3;
/// Ids in one IHAVE: 400 x 34 B stay under the 16 KiB at which a peer breaks off.
const MAX_IDS: usize = 400;
/// A frame: the 16 KiB of control messages, or one statement, and its envelope.
const MAX_FRAME_BYTES: usize = 20 * 1024;
/// Sends that wait for one neighbour.
const SEND_QUEUE: usize = 256;

pub(crate) type Gossip = gossipsub::Behaviour<Heard, Filter>;

#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    limits: connection_limits::Behaviour,
    memory: memory_connection_limits::Behaviour,
    pub(crate) gate: Gate,
    pub(crate) ping: ping::Behaviour,
    pub(crate) identify: Filtered<identify::Behaviour>,
    pub(crate) asking: Asking,
    pub(crate) answering: Answering,
    pub(crate) relay: relay::Behaviour,
    places: relay::client::Behaviour,
    upgrade: Filtered<dcutr::Behaviour>,
    pub(crate) gossip: Gossip,
    pub(crate) direct: Direct,
    streams: streams::Behaviour,
    members: streams::Behaviour,
}

impl Behaviour {
    /// And the doors through which its streams come and go: those of exchanges, those of members.
    pub(crate) fn new(
        keypair: &Keypair,
        places: relay::client::Behaviour,
        whom: RelayFor,
        trusted: &Trusted,
        heard: Heard,
    ) -> Result<(Self, [Door; 2]), Trouble> {
        let (streams, exchanges) = streams::Behaviour::new(streams::RECONCILE);
        let (members, household) = streams::Behaviour::new(streams::HOUSEHOLD);
        let own = keypair.public().to_peer_id();
        let behaviour = Self {
            limits: connection_limits::Behaviour::new(connection_limits()),
            memory: memory_connection_limits::Behaviour::with_max_percentage(MEMORY_SHARE),
            gate: Gate::default(),
            ping: ping::Behaviour::new(ping()),
            identify: Filtered::new(identify::Behaviour::new(identify(keypair)), is_not_external),
            asking: Asking::default(),
            answering: Answering::default(),
            relay: relaying::behaviour(own, whom, trusted),
            places,
            upgrade: Filtered::new(dcutr::Behaviour::new(own), is_no_local_candidate),
            gossip: gossip(heard)?,
            direct: direct::behaviour(),
            streams,
            members,
        };
        Ok((behaviour, [exchanges, household]))
    }
}

pub(crate) fn swarm_config() -> swarm::Config {
    swarm::Config::with_tokio_executor()
        .with_smart_dial()
        .with_max_negotiating_inbound_streams(16)
        // Only gossip's mesh keeps a connection busy; the others are wanted too. Peers that speak no gossip are
        // disconnected by the task, and the connection limits bound the rest.
        .with_idle_connection_timeout(Duration::from_secs(365 * 24 * 3600))
}

fn connection_limits() -> ConnectionLimits {
    ConnectionLimits::default()
        .with_max_pending_incoming(Some(PENDING_IN))
        .with_max_pending_outgoing(Some(PENDING_OUT))
        .with_max_established_incoming(Some(ESTABLISHED_IN))
        .with_max_established_outgoing(Some(ESTABLISHED_OUT))
        .with_max_established(Some(ESTABLISHED))
        .with_max_established_per_peer(Some(PER_PEER))
}

/// TCP alone does not notice for a quarter of an hour that a neighbour lost its power.
fn ping() -> ping::Config {
    ping::Config::new().with_interval(Duration::from_secs(60)).with_timeout(Duration::from_secs(20))
}

/// Neither our other addresses nor our version go out: who called us knows where we are.
fn identify(keypair: &Keypair) -> identify::Config {
    identify::Config::new(PROTOCOL.to_owned(), keypair.public())
        .with_agent_version(AGENT.to_owned())
        .with_hide_listen_addrs(true)
        .with_cache_size(0)
        .with_interval(Duration::from_secs(3600))
}

/// Nor where else we can be reached: through whom is nobody's business but our neighbours'.
fn is_not_external(event: &FromSwarm) -> bool {
    !matches!(event, FromSwarm::ExternalAddrConfirmed(_) | FromSwarm::ExternalAddrExpired(_))
}

/// Who is called directly instead of through a relay hears our addresses, but not those in our local network.
fn is_no_local_candidate(event: &FromSwarm) -> bool {
    !matches!(event, FromSwarm::NewExternalAddrCandidate(candidate) if !is_public(candidate.addr))
}

fn gossip(heard: Heard) -> Result<Gossip, Trouble> {
    let set_up = |error: &dyn std::fmt::Display| Trouble::SetUp(error.to_string());
    let config = gossip_config().map_err(|error| set_up(&error))?;
    let mut gossip = Gossip::new_with_subscription_filter_and_transform(
        MessageAuthenticity::Anonymous,
        config,
        topics::filter(),
        heard,
    )
    .map_err(|error| set_up(&error))?;
    let (score, thresholds) = score();
    gossip.with_peer_score(score, thresholds).map_err(|error| set_up(&error))?;
    Ok(gossip)
}

fn gossip_config() -> Result<gossipsub::Config, gossipsub::ConfigBuilderError> {
    gossipsub::ConfigBuilder::default()
        .protocol_id_prefix("/meerkat/gossip")
        .validation_mode(ValidationMode::Anonymous)
        .validate_messages()
        .message_id_fn(message_id)
        .max_transmit_size(MAX_FRAME_BYTES)
        .max_publish_messages(64)
        .max_control_messages_sent(MAX_IDS)
        .flood_publish(false)
        .heartbeat_initial_delay(Duration::from_secs(1))
        .heartbeat_interval(Duration::from_secs(1))
        .history_length(HISTORY)
        .history_gossip(HISTORY_GOSSIP)
        .gossip_lazy(LAZY)
        .duplicate_cache_time(Duration::from_secs(120))
        .connection_handler_queue_len(SEND_QUEUE)
        .publish_queue_duration(Duration::from_secs(5))
        .forward_queue_duration(Duration::from_secs(1))
        .build()
}

/// Without source and number the default id is the same for every message. With the topic in it nobody makes us deaf to a
/// statement by sending it under a topic to which it does not belong.
fn message_id(message: &Message) -> MessageId {
    let mut hasher = blake3::Hasher::new_derive_key("meerkat 2026-11 gossip message");
    hasher.update(&(message.topic.as_str().len() as u64).to_le_bytes());
    hasher.update(message.topic.as_str().as_bytes());
    hasher.update(&message.data);
    MessageId::new(hasher.finalize().as_bytes())
}

/// What an invalid message costs: one may be a mistake and costs the gossip about others' messages (-100), two the
/// neighbour's share of what we publish (-400), three that we listen to it (-900).
fn score() -> (PeerScoreParams, PeerScoreThresholds) {
    let score = PeerScoreParams {
        app_specific_weight: 1.0,
        // P6: a street behind one provider address (CGNAT), and every test on one machine, is no Sybil.
        ip_colocation_factor_weight: 0.0,
        // P7: a neighbour that restarts grafts before its time is up; six in ten minutes are forgiven.
        behaviour_penalty_threshold: 6.0,
        behaviour_penalty_decay: gossipsub::score_parameter_decay(Duration::from_secs(600)),
        // P1 and P2 of the topics together: as much as one topic alone could give. Penalties are not capped by it.
        topic_score_cap: 11.0,
        ..PeerScoreParams::default()
    };
    let thresholds = PeerScoreThresholds {
        gossip_threshold: -50.0,
        publish_threshold: -200.0,
        graylist_threshold: -800.0,
        accept_px_threshold: 1000.0,
        opportunistic_graft_threshold: 1.0,
    };
    (score, thresholds)
}

/// How conduct on one topic counts.
pub(crate) fn topic_score() -> TopicScoreParams {
    let hour = gossipsub::score_parameter_decay(Duration::from_secs(3600));
    TopicScoreParams {
        topic_weight: 1.0,
        // P1 and P2 break ties; together they are at most 11 and outweigh no invalid message.
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(60),
        time_in_mesh_cap: 100.0,
        first_message_deliveries_weight: 1.0,
        first_message_deliveries_decay: hour,
        first_message_deliveries_cap: 10.0,
        // P3 and P3b would punish the silence of a topic on which days may pass without a message.
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        // P4.
        invalid_message_deliveries_weight: -100.0,
        invalid_message_deliveries_decay: hour,
        ..TopicScoreParams::default()
    }
}

#[cfg(test)]
mod tests {
    use libp2p::gossipsub::TopicHash;

    use super::*;

    #[test]
    fn the_set_up_is_the_one_written_down() {
        let config = gossip_config().expect("valid");
        assert!(config.validate_messages());
        assert!(!config.flood_publish());
        assert!(matches!(config.validation_mode(), ValidationMode::Anonymous));
        assert!(HISTORY as u64 > crate::judging::PATIENCE.as_secs(), "judged before it is forgotten");
        let message = |topic: &str, data: &[u8]| Message {
            source: None,
            data: data.to_vec(),
            sequence_number: None,
            topic: TopicHash::from_raw(topic),
        };
        let id = |topic, data| config.message_id(&message(topic, data));
        assert_eq!(id("a", b"one"), id("a", b"one"));
        assert_ne!(id("a", b"one"), id("a", b"other"));
        assert_ne!(id("a", b"one"), id("b", b"one"));
        let (score, thresholds) = score();
        assert_eq!((score.validate(), topic_score().validate(), thresholds.validate()), (Ok(()), Ok(()), Ok(())));
        assert!(score.ip_colocation_factor_weight.abs() < f64::EPSILON);
    }
}
