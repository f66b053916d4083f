//! How things are with this node: health, summary, identity, settings, configuration.

use std::sync::Arc;

use axum::extract::State;
use fast_qr::{QRBuilder, convert::svg::SvgBuilder};
use meerkat_core::{Alarm, Command, Reply, Snapshot};
use meerkat_protocols::{
    number::Region,
    phone::LineState,
    wishes::{Edit, Settings as Wished},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::{router::OpenApiRouter, routes};

use crate::{
    ConfigItem, ConfigProblem, Wiring,
    extract::Body,
    history,
    problem::{Problem, sentence},
    shared::{AlarmView, alarm_views},
    words::{LineWord, Verdict, line_state},
};

/// How well the node does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum HealthWord {
    Ok,
    /// Calls are screened; something needs a person's attention.
    Degraded,
    /// The engine has stopped.
    Down,
}

/// Whether the node works. Says nothing that is not for everybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Health {
    pub(crate) status: HealthWord,
    pub(crate) version: String,
    pub(crate) uptime_s: u64,
    pub(crate) safe_mode: bool,
}

/// How urgently a person is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    Good,
    Notice,
    Trouble,
}

/// Today's calls by verdict; a day begins at midnight UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Today {
    pub(crate) allow: u32,
    pub(crate) challenge: u32,
    pub(crate) block: u32,
}

/// A telephone line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct LineView {
    pub(crate) name: String,
    pub(crate) state: LineWord,
    pub(crate) words: String,
}

/// How things are, in one sentence and in numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Summary {
    pub(crate) sentence: String,
    pub(crate) level: Level,
    pub(crate) alarms: Vec<AlarmView>,
    /// Null while the stored data is checked or the clock is not set.
    pub(crate) today: Option<Today>,
    pub(crate) lines: Vec<LineView>,
    /// Connected peers.
    pub(crate) peers: usize,
    /// Neighbours this home answers for.
    pub(crate) neighbours: usize,
    /// Those of them of whom a node was heard of within five minutes.
    pub(crate) neighbours_there: usize,
    /// Neighbours' messages that nobody has read.
    pub(crate) unread: u32,
    /// Statements held as evidence.
    pub(crate) statements: usize,
    /// Own reports that wait for the clock.
    pub(crate) waiting: usize,
    pub(crate) safe_mode: bool,
    pub(crate) clock_set: bool,
    /// Whether the stored data is being checked after an unclean stop: lists and history come back by themselves.
    pub(crate) checking: bool,
}

/// Who this node is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct NodeView {
    /// The home's name on the mesh.
    home: String,
    /// This node's number in the home.
    node: u8,
    name: String,
    version: String,
    platform: String,
    capabilities: Vec<String>,
    /// What a neighbour needs to answer for this home.
    card: String,
    /// The card as a QR code, an SVG image as text.
    card_svg: String,
    /// The peer id.
    peer: String,
    region: String,
}

/// What applies to the whole home.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct SettingsView {
    /// The country by which numbers without country code are read: two letters.
    region: String,
    /// What happens to calls that hide their number.
    anonymous: Verdict,
    /// What happens to calls from numbers that cannot exist.
    invalid: Verdict,
    /// Whether calls from blocks of numbers that were reported lately ring marked.
    ranges: bool,
    /// The fields that this node's configuration file pins.
    pinned: Vec<String>,
}

/// What shall apply to the whole home.
#[derive(Debug, Clone, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingsBody {
    /// Two letters, ISO 3166-1.
    #[schema(min_length = 2, max_length = 2)]
    region: String,
    anonymous: Verdict,
    invalid: Verdict,
    ranges: bool,
}

/// The configuration in effect and what is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Config {
    items: Vec<ConfigItem>,
    problems: Vec<ConfigProblem>,
}

/// The operations on the node itself.
pub(crate) fn system_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new()
        .routes(routes!(summary))
        .routes(routes!(node))
        .routes(routes!(settings, set_settings))
        .routes(routes!(config))
}

/// The one operation outside `/api`.
pub(crate) fn health_routes() -> OpenApiRouter<Wiring> {
    OpenApiRouter::new().routes(routes!(health))
}

/// Whether the node works.
#[utoipa::path(get, path = "/health", tag = "system", responses((status = 200, body = Health)))]
async fn health(State(wiring): State<Wiring>) -> Body<Health> {
    let safe_mode = wiring.machine.safe_mode;
    let status = if wiring.commands.is_closed() {
        HealthWord::Down
    } else if safe_mode || !wiring.snapshot.borrow().alarms.is_empty() {
        HealthWord::Degraded
    } else {
        HealthWord::Ok
    };
    let uptime_s = (wiring.clock)().mono_ms / 1_000;
    Body(Health { status, version: wiring.machine.version.clone(), uptime_s, safe_mode })
}

/// How things are, in one sentence and in numbers.
#[utoipa::path(get, path = "/api/v1/summary", tag = "system", responses((status = 200, body = Summary)))]
async fn summary(State(wiring): State<Wiring>) -> Body<Summary> {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let safe_mode = wiring.machine.safe_mode;
    let (level, sentence) = state_of_things(&snapshot, safe_mode);
    let reader = wiring.reader();
    let day = (wiring.clock)().day();
    let today = reader.as_ref().ok().zip(day).and_then(|(reader, day)| {
        let days = history::days(reader, day, day).ok()?;
        let n = days.get(&day).copied().unwrap_or_default();
        Some(Today { allow: n.allow, challenge: n.challenge, block: n.block })
    });
    Body(Summary {
        sentence,
        level,
        alarms: alarm_views(&snapshot),
        today,
        lines: snapshot.lines.iter().map(|(line, state)| line_view(&line.0, state)).collect(),
        peers: snapshot.peers.len(),
        neighbours: snapshot.neighbours.len(),
        neighbours_there: there(&snapshot),
        unread: snapshot.threads.iter().map(|thread| thread.unread).sum(),
        statements: snapshot.statements,
        waiting: snapshot.waiting,
        safe_mode,
        clock_set: snapshot.clock_set,
        checking: reader.is_err(),
    })
}

fn line_view(name: &str, state: &LineState) -> LineView {
    let (state, words) = line_state(state);
    LineView { name: name.to_owned(), state, words }
}

/// The one sentence of the home page. The worst thing first.
fn state_of_things(snapshot: &Snapshot, safe_mode: bool) -> (Level, String) {
    let failing = snapshot.lines.iter().filter(|(_, s)| matches!(s, LineState::Failing(_))).count();
    if safe_mode {
        let words = "The configuration has a mistake, so the node runs in safe mode. System says what to change.";
        return (Level::Trouble, words.into());
    }
    if failing > 0 && failing == snapshot.lines.len() {
        return (Level::Trouble, "No telephone line works: calls ring without being screened.".into());
    }
    if failing > 0 {
        return (Level::Trouble, format!("{failing} of {} telephone lines do not work.", snapshot.lines.len()));
    }
    if let Some((alarm, _)) = snapshot.alarms.first() {
        let level = if matches!(alarm, Alarm::ClockNotSet | Alarm::FailedOpen | Alarm::KeyReleased(..)) {
            Level::Notice
        } else {
            Level::Trouble
        };
        return (level, alarm.words());
    }
    if snapshot.lines.is_empty() {
        return (Level::Notice, "No telephone line is set up yet, so there are no calls to screen.".into());
    }
    if snapshot.neighbours.is_empty() {
        let words = "Calls are screened by your own lists. Vouch for a neighbour, and their reports count too.";
        return (Level::Good, words.into());
    }
    (Level::Good, "All is well: calls are screened.".into())
}

/// Homes of which a node is there.
fn there(snapshot: &Snapshot) -> usize {
    let homes = snapshot.contacts.iter().filter(|contact| contact.online).map(|contact| contact.home);
    homes.collect::<std::collections::BTreeSet<_>>().len()
}

/// Who this node is, and the card that neighbours need to answer for this home.
#[utoipa::path(get, path = "/api/v1/node", tag = "system", responses((status = 200, body = NodeView)))]
async fn node(State(wiring): State<Wiring>) -> Result<Body<NodeView>, Problem> {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    let card = snapshot.card.to_string();
    let code = QRBuilder::new(card.as_str()).build().map_err(|_| Problem::fault("the card fits no QR code"))?;
    let machine = &wiring.machine;
    Ok(Body(NodeView {
        home: snapshot.home.to_string(),
        node: snapshot.node.0,
        name: machine.node_name.clone(),
        version: machine.version.clone(),
        platform: machine.platform.clone(),
        capabilities: machine.capabilities.clone(),
        card_svg: SvgBuilder::default().to_str(&code),
        card,
        peer: machine.peer.clone(),
        region: snapshot.settings.region.clone(),
    }))
}

fn settings_view(wished: &Wished, pinned: &[String]) -> SettingsView {
    SettingsView {
        region: wished.region.clone(),
        anonymous: wished.anonymous.into(),
        invalid: wished.invalid.into(),
        ranges: wished.ranges,
        pinned: pinned.to_vec(),
    }
}

/// What applies to the whole home.
#[utoipa::path(get, path = "/api/v1/settings", tag = "system", responses((status = 200, body = SettingsView)))]
async fn settings(State(wiring): State<Wiring>) -> Body<SettingsView> {
    let snapshot = Arc::clone(&wiring.snapshot.borrow());
    Body(settings_view(&snapshot.settings, &snapshot.pinned))
}

/// Changes what applies to the whole home.
#[utoipa::path(put, path = "/api/v1/settings", tag = "system", request_body = SettingsBody, responses(
    (status = 200, body = SettingsView),
    (status = 409, description = "`pinned`: the field is set in the configuration file", body = Problem,
        content_type = "application/problem+json"),
    (status = 503, description = "`busy`", body = Problem, content_type = "application/problem+json"),
    (status = 507, description = "`not_saved_yet`", body = Problem, content_type = "application/problem+json"),
))]
async fn set_settings(
    State(wiring): State<Wiring>,
    Body(body): Body<SettingsBody>,
) -> Result<Body<SettingsView>, Problem> {
    let region: Region = body
        .region
        .parse()
        .map_err(|e: meerkat_protocols::number::NoSuchRegion| Problem::invalid("region", sentence(&e.to_string())))?;
    let wished = Wished {
        region: region.code(),
        anonymous: body.anonymous.into(),
        invalid: body.invalid.into(),
        ranges: body.ranges,
    };
    match wiring.command(Command::Edit(Edit::SetSettings(wished.clone()))).await? {
        Reply::Saved => Ok(Body(settings_view(&wished, &wiring.snapshot.borrow().pinned))),
        other => Err(wiring.unexpected(&other)),
    }
}

/// The configuration in effect, where each value comes from, and what is wrong with it.
#[utoipa::path(get, path = "/api/v1/config", tag = "system", responses((status = 200, body = Config)))]
async fn config(State(wiring): State<Wiring>) -> Body<Config> {
    Body(Config { items: wiring.machine.config.clone(), problems: wiring.machine.problems.clone() })
}
