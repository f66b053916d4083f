//! What the tests of this package stand on: a site with a real store, a real access book, and in the engine's place a
//! task that answers as the engine would.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Method, Request, StatusCode, header},
};
use http_body_util::BodyExt;
use meerkat_core::{
    Assessment, Command, Counts, Event, GraphHome, ImportState, InviteState, JoinStage, JoinState, Refusal, Reply,
    Snapshot, VouchGraph,
};
use meerkat_numberlists::{Import, ImportId};
use meerkat_protocols::{
    batch::{Batch, BatchId, Write},
    facts::{Call, Hundredths, Reason, Verdict},
    home::{Card, Genesis, HomeId, NodeNumber},
    letter::Letter,
    mail::{Kept, LetterNo, Progress, Way},
    mesh::{Path, Peer},
    number::{Caller, E164, Region, classify},
    shortcode::ShortCode,
    statement::Category,
    ticket::{Secret, SignedTicket, Ticket},
    time::{Day, Now},
    wishes::{Edit, Lists, Settings, Standing, Subject},
};
use meerkat_store::{AccessWrite, Folder, Keeper, KeyCase, Options, Store};
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};
use tower::ServiceExt;

use crate::{Access, Clock, EventLog, Machine, Wiring};

mod sample;

pub(crate) use sample::call;

/// 2026-11-21T12:00:00Z.
pub(crate) const WALL: i64 = 1_795_262_400;
/// The password of everybody in the tests.
pub(crate) const PASSWORD: &str = "correct horse battery";

/// Clocks that stand still.
pub(crate) fn clock() -> Clock {
    Arc::new(|| Now::new(1_000, WALL))
}

/// A home where nothing has happened yet.
pub(crate) fn snapshot() -> Snapshot {
    let genesis = Genesis::new(&ed25519_dalek::SigningKey::from_bytes(&[7; 32]).verifying_key());
    Snapshot {
        household: meerkat_core::HouseholdState::default(),
        enrolment: meerkat_core::Enrolment::default(),
        facts: meerkat_core::FactsState::default(),
        releases: meerkat_core::ReleasesState::default(),
        home: genesis.home(),
        card: Card(genesis),
        node: NodeNumber(0),
        clock_set: true,
        settings: Settings::default(),
        pinned: vec![],
        lists: Arc::new(Lists::new()),
        shared: meerkat_core::Shared::default(),
        neighbours: Arc::new(vec![]),
        imports: Arc::new(vec![]),
        vouches_left: 12,
        contacts: vec![],
        invites: vec![],
        joins: vec![],
        meetings: vec![],
        peers: vec![],
        listening: vec![],
        exchanges: Vec::new(),
        public: None,
        lines: vec![],
        alarms: vec![],
        ringing: vec![],
        statements: 0,
        numbers: 0,
        waiting: 0,
        threads: Arc::new(vec![]),
        counts: Counts::default(),
        quiet: meerkat_core::QuietState::default(),
    }
}

/// What an attacker would like to see run.
pub(crate) const HOSTILE: &str = "</script><script>alert(1)</script>\u{2028}\"'\\";

/// A site to send requests to.
pub(crate) struct Site {
    pub(crate) page: Router,
    pub(crate) socket: Router,
    pub(crate) wiring: Wiring,
    pub(crate) store: Arc<Store>,
    pub(crate) mono_ms: Arc<AtomicU64>,
    pub(crate) wall: Arc<AtomicI64>,
    pub(crate) snapshot: watch::Sender<Arc<Snapshot>>,
    pub(crate) reader: watch::Sender<Option<meerkat_store::Reader>>,
    _folder: (tempfile::TempDir, Folder),
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).expect("JSON")
    }

    pub(crate) fn code(&self) -> (u16, String) {
        assert_eq!(self.headers[header::CONTENT_TYPE], "application/problem+json", "{}", self.text);
        let json = self.json();
        assert_eq!(json["status"], self.status.as_u16());
        assert!(json["detail"].as_str().is_some_and(|d| !d.is_empty()) && json["title"].is_string(), "{json}");
        let code = json["code"].as_str().expect("a code").to_owned();
        assert_eq!(json["type"], format!("urn:meerkat:problem:{code}"));
        (self.status.as_u16(), code)
    }
}

/// A browser: its cookie and its word for changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Browser {
    pub(crate) cookie: String,
    pub(crate) csrf: String,
}

/// A request of this page's own script.
pub(crate) fn request(method: Method, path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "localhost:8780")
        .header("sec-fetch-site", "same-origin")
}

pub(crate) fn with_json(builder: axum::http::request::Builder, json: &Value) -> Request<Body> {
    builder.header(header::CONTENT_TYPE, "application/json").body(Body::from(json.to_string())).expect("a request")
}

impl Site {
    pub(crate) async fn new() -> Self {
        let site = Self::locked();
        site.wiring.access.restore_from(&site.store.reader()).expect("readable");
        site
    }

    /// A site whose access records have not come yet.
    pub(crate) fn locked() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let taken = Folder::take(folder.path()).expect("ours");
        let key = KeyCase::create(&taken).expect("a key");
        let store = Arc::new(Store::open(&taken, key.ring(), Options::default()).expect("a store"));
        let keeper = Keeper::new(Arc::clone(&store), key);
        let (mono_ms, wall) = (Arc::new(AtomicU64::new(1_000)), Arc::new(AtomicI64::new(WALL)));
        let (mono, unix) = (Arc::clone(&mono_ms), Arc::clone(&wall));
        let clock: Clock = Arc::new(move || Now::new(mono.load(Ordering::Relaxed), unix.load(Ordering::Relaxed)));
        let (snapshot_in, snapshot) = watch::channel(Arc::new(snapshot()));
        let (reader_in, reader) = watch::channel(Some(store.reader()));
        let (commands, orders) = mpsc::channel(16);
        let (writes, writing) = mpsc::channel(16);
        let events = EventLog::new(100, Arc::clone(&clock), snapshot.clone());
        let machine = Machine {
            version: "0.1.0".into(),
            node_name: "Attic".into(),
            allowed_hosts: vec!["meerkat.local".into()],
            requests_per_minute: crate::REQUESTS_PER_MINUTE,
            ..Machine::default()
        };
        let access = Access::new(writes, Arc::clone(&clock), snapshot.clone());
        tokio::spawn(keep(Arc::clone(&store), writing));
        tokio::spawn(answer(orders, snapshot_in.clone(), events.clone(), Arc::clone(&store)));
        let wiring = Wiring { commands, snapshot, reader, access, events, machine: Arc::new(machine), clock, keeper };
        let (page, socket) = (crate::router(wiring.clone()), crate::local_router(wiring.clone()));
        let (snapshot, reader) = (snapshot_in, reader_in);
        Self { page, socket, wiring, store, mono_ms, wall, snapshot, reader, _folder: (folder, taken) }
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        read(self.page.clone().oneshot(request).await.expect("infallible")).await
    }

    pub(crate) async fn send_by_socket(&self, request: Request<Body>) -> Answer {
        read(self.socket.clone().oneshot(request).await.expect("infallible")).await
    }

    /// The first admin, by a fresh claim link.
    pub(crate) async fn admin(&self) -> Browser {
        let fragment = self.wiring.access.issue_claim().expect("entropy").url_fragment();
        let token = fragment.strip_prefix("#claim=").expect("a claim");
        let claim = serde_json::json!({"token": token, "name": "Ada", "password": PASSWORD});
        let answer = self.send(with_json(request(Method::POST, "/api/v1/claim"), &claim)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        Browser::of(&answer)
    }

    /// A new API key of this role.
    pub(crate) async fn key(&self, role: &str) -> String {
        let new = serde_json::json!({"name": role, "role": role});
        let answer = self.send_by_socket(with_json(request(Method::POST, "/api/v1/api-keys"), &new)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.json()["key"].as_str().expect("a key").to_owned()
    }

    /// Logs these calls.
    pub(crate) fn log(&self, calls: impl IntoIterator<Item = Call>) {
        let writes = calls.into_iter().map(|call| Write::Call(Box::new(call))).collect();
        self.store.commit(&Batch { id: BatchId(1), writes }).expect("written");
    }
}

impl Browser {
    pub(crate) fn of(answer: &Answer) -> Self {
        let cookie = answer.headers[header::SET_COOKIE].to_str().expect("text");
        let csrf = answer.json()["csrf"].as_str().expect("a word").to_owned();
        Self { cookie: cookie.split(';').next().expect("a pair").to_owned(), csrf }
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> axum::http::request::Builder {
        request(method, path).header(header::COOKIE, &self.cookie).header("x-csrf-token", &self.csrf)
    }

    pub(crate) fn get(&self, path: &str) -> Request<Body> {
        self.request(Method::GET, path).body(Body::empty()).expect("a request")
    }
}

pub(crate) fn get(path: &str) -> Request<Body> {
    request(Method::GET, path).body(Body::empty()).expect("a request")
}

async fn read(response: axum::response::Response) -> Answer {
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.expect("a body").to_bytes();
    Answer { status: parts.status, headers: parts.headers, text: String::from_utf8(bytes.to_vec()).expect("text") }
}

type AccessOrder = (Vec<AccessWrite>, oneshot::Sender<Result<(), String>>);

async fn keep(store: Arc<Store>, mut orders: mpsc::Receiver<AccessOrder>) {
    while let Some((writes, done)) = orders.recv().await {
        let kept = store.commit_access(&writes).map_err(|e| e.to_string());
        let _ = done.send(kept);
    }
}

/// Answers as the engine would, for the few cases that the tests ask about.
async fn answer(
    mut orders: mpsc::Receiver<crate::Order>,
    snapshot: watch::Sender<Arc<Snapshot>>,
    events: EventLog,
    store: Arc<Store>,
) {
    let mut reports = BTreeMap::new();
    while let Some((command, to)) = orders.recv().await {
        let _ = to.send(reply(command, &snapshot, &events, &store, &mut reports));
    }
}

fn reply(
    command: Command,
    snapshot: &watch::Sender<Arc<Snapshot>>,
    events: &EventLog,
    store: &Store,
    reports: &mut BTreeMap<E164, Category>,
) -> Result<Reply, Refusal> {
    let region: Region = snapshot.borrow().settings.region.parse().expect("a region");
    let number = |text: &str| match classify(text, region) {
        Caller::Number(n) => Ok(n),
        _ => Err(Refusal::NotANumber("this is not a number".into())),
    };
    match command {
        Command::Check(text) => {
            let caller = classify(&text, region);
            let decided = decided(&caller, &snapshot.borrow().lists, reports);
            Ok(Reply::Checked(Box::new(Assessment {
                verdict: decided.0,
                reasons: vec![decided.1],
                ..assessment(caller)
            })))
        }
        Command::KnownNumbers { after, most } => {
            let behind = reports.keys().filter(|n| after.is_none_or(|a| **n > a)).copied();
            Ok(Reply::KnownNumbers(behind.take(usize::from(most)).collect()))
        }
        Command::Report { number: text, category } => {
            let number = number(&text)?;
            reports.insert(number, category);
            events.push(&Event::ReportMade(number));
            Ok(Reply::Reported { number, category, day: Day(20_089), slot: 0 })
        }
        Command::Retract { number: text } => {
            let number = number(&text)?;
            reports.remove(&number).map(|_| Reply::Retracted(number)).ok_or(Refusal::NothingToRetract)
        }
        Command::Vouch { card, .. } if card == snapshot.borrow().card => Err(Refusal::OwnCard),
        Command::Vouch { card, .. } => Ok(Reply::Vouched(card.0.home())),
        Command::Import { import, replace, .. } => take_in(snapshot, &import, replace),
        Command::UndoImport(id) => take_out(snapshot, id),
        Command::Forget { number: text } => Ok(forget(store, events, number(&text)?)),
        Command::Unvouch(_) => Err(Refusal::NotVouched),
        Command::Edit(edit) => {
            if let Edit::SetSettings(wished) = &edit
                && snapshot.borrow().pinned.contains(&"region".to_owned())
                && wished.region != snapshot.borrow().settings.region
            {
                return Err(Refusal::Pinned("region".into()));
            }
            snapshot.send_modify(|now| change(Arc::make_mut(now), edit));
            Ok(Reply::Saved)
        }
        Command::Acknowledge { key, by } => {
            let seen = meerkat_protocols::wishes::Acknowledged::new(1_800_000_000, &by);
            snapshot.send_modify(|now| change(Arc::make_mut(now), Edit::Acknowledge(key, seen)));
            Ok(Reply::Saved)
        }
        other => neighbourly(other, snapshot),
    }
}

/// What has to do with neighbours: pings, letters, the graph, invites.
fn neighbourly(command: Command, snapshot: &watch::Sender<Arc<Snapshot>>) -> Result<Reply, Refusal> {
    match command {
        Command::Ping(peer) => Ok(Reply::Pinged { peer, rtt_us: Some(1_500), path: Path::Direct }),
        Command::WriteLetter { to, id, content } => {
            snapshot.borrow().neighbours.iter().find(|n| n.home == to).ok_or(Refusal::NotVouched)?;
            let letter = Letter { id, seq: 0, created: Some(WALL), content };
            let way = Way::Out(Progress::Queued);
            Ok(Reply::Queued(Box::new(Kept { no: LetterNo(7), home: to, way, at: Some(WALL), letter })))
        }
        Command::UndoLetter { .. } => Err(Refusal::LetterLeft),
        Command::VouchGraph { most } => Ok(graph(snapshot.borrow().home, most)),
        Command::LettersRead { .. } => Ok(Reply::Read),
        Command::ForgetLetters(_) => Err(Refusal::NoSuchLetter),
        other => meeting(other, snapshot),
    }
}

/// Invites are made and found again, joins begin; nobody is nearby.
fn meeting(command: Command, snapshot: &watch::Sender<Arc<Snapshot>>) -> Result<Reply, Refusal> {
    match command {
        Command::Invite { name, vouches, .. } => {
            let invite = invite(name, vouches);
            let id = invite.id;
            snapshot.send_modify(|now| Arc::make_mut(now).invites.push(invite));
            Ok(Reply::Invited(id))
        }
        Command::RevokeInvite(id) if snapshot.borrow().invites.iter().any(|invite| invite.id == id) => {
            snapshot.send_modify(|now| Arc::make_mut(now).invites.retain(|invite| invite.id != id));
            Ok(Reply::Saved)
        }
        Command::RevokeInvite(_) => Err(Refusal::NoSuchInvite),
        Command::Join { text, name, .. } => {
            let ticket: SignedTicket = text.parse().map_err(Refusal::NotAnInvite)?;
            let home = Some(ticket.open().map_err(Refusal::NotAnInvite)?.home());
            let join = JoinState { id: 4, stage: JoinStage::Calling, name, home, words: None };
            snapshot.send_modify(|now| Arc::make_mut(now).joins.push(join));
            Ok(Reply::Joining(4))
        }
        Command::Release(_) => Err(Refusal::NoMember),
        Command::BackedUp { .. } => Ok(Reply::Saved),
        Command::Meet(_) => Err(Refusal::NotNearby),
        _ => Err(Refusal::NoSuchMeeting),
    }
}

/// An invite of the home, as its engine shows it.
pub(crate) fn invite(name: String, vouches: bool) -> InviteState {
    let key = ed25519_dalek::SigningKey::from_bytes(&[7; 32]);
    let ticket = Ticket {
        genesis: Genesis::new(&key.verifying_key()),
        node: NodeNumber(0),
        chain: meerkat_protocols::delegation::Chain::default(),
        peer: Peer([8; 32]),
        addresses: vec!["/ip4/192.168.1.7/udp/4787/quic-v1".into()],
        relays: vec![],
        secret: Secret([9; 16]),
        expires: None,
        vouches,
    }
    .sign(&key);
    let code = Some((ShortCode::of(&[3; 32]), 601_000));
    InviteState { id: ticket.id(), ticket, name, vouches, ends_mono_ms: 86_401_000, code, used: None, words: None }
}

/// Own lists first; scam blocks and spam challenges.
fn decided(caller: &Caller, lists: &Lists, reports: &BTreeMap<E164, Category>) -> (Verdict, Reason) {
    let Caller::Number(number) = caller else { return (Verdict::Allow, Reason::NothingKnown) };
    let standing = lists.get(&Subject::Number(*number)).map(|e| e.standing);
    match (standing, reports.get(number)) {
        (Some(Standing::Allow), _) => (Verdict::Allow, Reason::OwnAllow(None)),
        (Some(Standing::Block), _) => (Verdict::Block, Reason::OwnBlock(None)),
        (_, Some(Category::Scam)) => (Verdict::Block, Reason::OwnReport(Category::Scam)),
        (_, Some(Category::Spam)) => (Verdict::Challenge, Reason::OwnReport(Category::Spam)),
        _ => (Verdict::Allow, Reason::NothingKnown),
    }
}

fn take_in(snapshot: &watch::Sender<Arc<Snapshot>>, import: &Import, replace: bool) -> Result<Reply, Refusal> {
    let known = Arc::clone(&snapshot.borrow().imports);
    if !replace && known.iter().any(|known| known.name == import.name()) {
        return Err(Refusal::NameTaken);
    }
    let id = ImportId(1 + known.iter().map(|known| known.id.0).max().unwrap_or(0));
    snapshot.send_modify(|now| {
        let imports = Arc::make_mut(&mut Arc::make_mut(now).imports);
        imports.retain(|known| known.name != import.name());
        imports.push(imported(id, import));
    });
    Ok(Reply::Imported(id))
}

fn take_out(snapshot: &watch::Sender<Arc<Snapshot>>, id: ImportId) -> Result<Reply, Refusal> {
    let known = snapshot.borrow().imports.iter().any(|import| import.id == id);
    snapshot.send_modify(|now| Arc::make_mut(&mut Arc::make_mut(now).imports).retain(|import| import.id != id));
    if known { Ok(Reply::Saved) } else { Err(Refusal::NoSuchImport) }
}

fn forget(store: &Store, events: &EventLog, number: E164) -> Reply {
    store.commit(&Batch { id: BatchId(2), writes: vec![Write::ForgetNumber(number)] }).expect("written");
    events.push(&Event::NumberForgotten(number));
    Reply::Forgotten(number)
}

/// This home alone.
fn graph(home: HomeId, reports: u16) -> Reply {
    let own = GraphHome { home, distance: 0, reports: u32::from(reports), equivocates: false, vouchers: vec![] };
    Reply::VouchGraph(Box::new(VouchGraph { homes: vec![own], at_distance: [1, 0, 0, 0, 0, 0], vouches: 0 }))
}

fn imported(id: ImportId, import: &Import) -> ImportState {
    ImportState {
        id,
        name: import.name().to_owned(),
        day: import.day(),
        numbers: import.numbers(),
        warm_blocks: import.warm_blocks(),
        bytes: import.bytes(),
    }
}

fn assessment(caller: Caller) -> Assessment {
    Assessment {
        caller,
        verdict: Verdict::Allow,
        reasons: vec![Reason::NothingKnown],
        quiet: false,
        risk: Hundredths(1_234),
        reputation: Hundredths::HALF,
        confirmations: 0,
        evidence: 0,
        through: vec![],
        changes: vec![],
        claims: vec![],
    }
}

fn change(now: &mut Snapshot, edit: Edit) {
    let lists = Arc::make_mut(&mut now.lists);
    match edit {
        Edit::SetEntry(subject, entry) => {
            Arc::make_mut(&mut now.shared.disputed).remove(&subject);
            lists.insert(subject, entry);
        }
        Edit::RemoveEntry(subject) | Edit::EraseEntry(subject) => drop(lists.remove(&subject)),
        Edit::SetSettings(settings) => now.settings = settings,
        Edit::SetPerson(number, name) => drop(Arc::make_mut(&mut now.shared.people).insert(number, name)),
        Edit::RemovePerson(number) => drop(Arc::make_mut(&mut now.shared.people).remove(&number)),
        Edit::SetAccount(name, account) => drop(Arc::make_mut(&mut now.shared.accounts).insert(name, account)),
        Edit::RemoveAccount(name) => drop(Arc::make_mut(&mut now.shared.accounts).remove(&name)),
        Edit::SetRules(rules) => now.shared.rules = Arc::new(rules),
        Edit::Acknowledge(key, seen) => drop(Arc::make_mut(&mut now.shared.acknowledged).insert(key, seen)),
        Edit::NameNeighbour(..) | Edit::ForgetNeighbour(_) | Edit::ErasePerson(_) | Edit::NoteNode(..) => {}
    }
}
