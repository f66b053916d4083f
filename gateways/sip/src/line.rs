//! One line: its sockets, its SIP endpoint, and what it answers to requests that are no calls.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use meerkat_protocols::phone::{self, Event, LineState};
use rsipstack::sip::{Header, HeadersExt, Method, Request, StatusCode};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::{Endpoint, EndpointBuilder, Transaction};
use rsipstack::transport::transport_layer::DomainResolver;
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipAddr, SipConnection, TransportLayer};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::call::{self, Signal};
use crate::counters::Counters;
use crate::desk::Desk;
use crate::gate::{Gate, Outgoing};
use crate::registration;
use crate::settings::{LineSettings, Mode, Transport};
use crate::sources::Sources;
use crate::stream;
use crate::udp::ScreenedSocket;

/// The methods a line understands.
pub(crate) const ALLOW: &str = "INVITE, ACK, BYE, CANCEL, OPTIONS";
/// Most calls a line keeps state for. A call takes about 10 kB for 8 to 35 s; a home has one or two at a time.
const CALLS: usize = 2_048;

/// What all parts of one line share.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) settings: LineSettings,
    pub(crate) name: phone::Line,
    pub(crate) desk: Arc<Desk>,
    pub(crate) sources: Sources,
    pub(crate) counters: Counters,
    /// Cancelled when the line shall come to its end: calls pass, the registration is given back.
    pub(crate) stop: CancellationToken,
    /// Cancelled when its sockets shall close.
    pub(crate) stopped: CancellationToken,
    pub(crate) tasks: TaskTracker,
    /// One for each request being served, until its transaction is over.
    pub(crate) requests: TaskTracker,
    state: Mutex<Option<LineState>>,
    bound: Mutex<Option<SocketAddr>>,
    /// The address under which the router reaches this line.
    own: Mutex<Option<IpAddr>>,
    calls: Mutex<HashMap<CallKey, String>>,
    answered: Mutex<HashMap<DialogKey, mpsc::Sender<Signal>>>,
    /// Makes the next call panic.
    #[cfg(test)]
    pub(crate) fault: std::sync::atomic::AtomicBool,
}

/// What stays the same when one call comes by two ways: Call-ID, From tag, CSeq (RFC 3261 8.2.2.2).
type CallKey = (String, String, u32);
/// Call-ID and our own tag.
type DialogKey = (String, String);

/// A socket that is ready.
#[derive(Debug)]
pub(crate) enum Bound {
    Udp(UdpSocket),
    Tcp(TcpListener),
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Line {
    pub(crate) fn new(settings: LineSettings, desk: Arc<Desk>, stop: CancellationToken, tasks: TaskTracker) -> Self {
        Line {
            name: phone::Line(settings.name.clone()),
            desk,
            sources: Sources::of(&settings),
            counters: Counters::default(),
            stop,
            stopped: CancellationToken::new(),
            tasks,
            requests: TaskTracker::new(),
            state: Mutex::default(),
            bound: Mutex::default(),
            own: Mutex::default(),
            calls: Mutex::default(),
            answered: Mutex::default(),
            #[cfg(test)]
            fault: Default::default(),
            settings,
        }
    }

    /// Opens the socket.
    pub(crate) fn bind(&self) -> io::Result<Bound> {
        let address = self.settings.bind;
        let (bound, socket) = match self.settings.transport {
            Transport::Udp => {
                let socket = std::net::UdpSocket::bind(address)?;
                socket.set_nonblocking(true)?;
                let socket = UdpSocket::from_std(socket)?;
                (socket.local_addr()?, Bound::Udp(socket))
            }
            Transport::Tcp => {
                let listener = std::net::TcpListener::bind(address)?;
                listener.set_nonblocking(true)?;
                let listener = TcpListener::from_std(listener)?;
                (listener.local_addr()?, Bound::Tcp(listener))
            }
        };
        *locked(&self.bound) = Some(bound);
        Ok(socket)
    }

    pub(crate) fn bound(&self) -> Option<SocketAddr> {
        *locked(&self.bound)
    }

    /// The address others reach this line at, for Contact and Via.
    pub(crate) fn address(&self) -> SocketAddr {
        let bound = self.bound().unwrap_or(self.settings.bind);
        match *locked(&self.own) {
            Some(own) if bound.ip().is_unspecified() => SocketAddr::new(own, bound.port()),
            _ => bound,
        }
    }

    /// Learns which of this machine's addresses faces `peer`: the kernel's routing table knows. No packet is sent.
    pub(crate) fn face(&self, peer: SocketAddr) {
        let any: IpAddr = if peer.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
        let local = std::net::UdpSocket::bind((any, 0)).and_then(|probe| {
            probe.connect(peer)?;
            probe.local_addr()
        });
        if let Ok(local) = local {
            *locked(&self.own) = Some(local.ip());
        }
    }

    /// Reports a state that is news.
    pub(crate) async fn set_state(&self, state: LineState) {
        let news = locked(&self.state).replace(state.clone()).as_ref() != Some(&state);
        if news {
            self.desk.tell(Event::Line { line: self.name.clone(), state }).await;
        }
    }

    /// Enters a call; the guard takes it out again.
    fn enter(self: &Arc<Self>, request: &Request, branch: String) -> Entry {
        let Some(key) = call_key(request) else { return Entry::Full };
        let mut calls = locked(&self.calls);
        if calls.get(&key).is_some_and(|known| *known != branch) {
            return Entry::Merged;
        }
        if calls.len() >= CALLS {
            return Entry::Full;
        }
        calls.insert(key.clone(), branch);
        Entry::New(Place { line: Arc::clone(self), key })
    }

    /// Takes note of a call this line has answered, for the BYE of the other side.
    pub(crate) fn answered(self: &Arc<Self>, key: DialogKey, signals: mpsc::Sender<Signal>) -> Dialog {
        locked(&self.answered).insert(key.clone(), signals);
        Dialog { line: Arc::clone(self), key }
    }
}

enum Entry {
    New(Place),
    Merged,
    Full,
}

/// A call's place in the table of calls.
#[derive(Debug)]
pub(crate) struct Place {
    line: Arc<Line>,
    key: CallKey,
}

impl Drop for Place {
    fn drop(&mut self) {
        locked(&self.line.calls).remove(&self.key);
    }
}

/// An answered call's place in the table of dialogs.
#[derive(Debug)]
pub(crate) struct Dialog {
    line: Arc<Line>,
    key: DialogKey,
}

impl Drop for Dialog {
    fn drop(&mut self) {
        locked(&self.line.answered).remove(&self.key);
    }
}

fn call_key(request: &Request) -> Option<CallKey> {
    let id = request.call_id_header().ok()?.value().to_owned();
    let tag = request.from_header().ok()?.tag().ok()??.value().to_owned();
    Some((id, tag, request.cseq_header().ok()?.seq().ok()?))
}

/// Runs a line until it is stopped.
pub(crate) async fn run(line: Arc<Line>, bound: io::Result<Bound>) {
    // Whatever happens, the sockets close and the parts that hang on them end.
    let _close = line.stopped.clone().drop_guard();
    let Some(socket) = open(&line, bound).await else { return };
    let endpoint = match prepare(&line, socket).await {
        Ok(endpoint) => endpoint,
        Err(trouble) => {
            let text = format!("the SIP stack could not start on this line: {trouble}; start the daemon anew");
            return line.set_state(LineState::Failing(text)).await;
        }
    };
    let served = Arc::clone(&endpoint);
    tokio::spawn(async move { served.serve().await });
    match &line.settings.mode {
        Mode::Direct => {
            line.set_state(LineState::Ready).await;
            line.stop.cancelled().await;
        }
        Mode::Registered(account) => registration::keep(&line, &endpoint.inner, account).await,
    }
    settle(&line).await;
}

/// Waits for the calls that are still being let through.
async fn settle(line: &Arc<Line>) {
    let settled = async {
        while !locked(&line.calls).is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    // An ACK that never comes would take 32 s.
    let _ = tokio::time::timeout(Duration::from_millis(500), settled).await;
}

/// The socket, as soon as it can be had.
async fn open(line: &Arc<Line>, first: io::Result<Bound>) -> Option<Bound> {
    let mut bound = first;
    let mut backoff = registration::Backoff::default();
    loop {
        let trouble = match bound {
            Ok(socket) => return Some(socket),
            Err(trouble) => trouble,
        };
        let pause = backoff.pause();
        let text = format!(
            "this machine does not let the line listen at {}: {trouble}; another program may hold the port, `bind` \
             chooses another one; next attempt in {} s",
            line.settings.bind,
            pause.as_secs_f32().ceil()
        );
        line.set_state(LineState::Failing(text)).await;
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = line.stop.cancelled() => return None,
        }
        bound = line.bind();
    }
}

/// No name a message contains is ever looked up: the stack answers where a request came from, and a lookup would stall
/// the line and tell the world who is calling.
struct NoNames;

#[async_trait::async_trait]
impl DomainResolver for NoNames {
    async fn resolve(&self, target: &SipAddr) -> rsipstack::Result<SipAddr> {
        Err(rsipstack::Error::DnsResolutionError(target.addr.to_string()))
    }
}

async fn prepare(line: &Arc<Line>, socket: Bound) -> rsipstack::Result<Arc<Endpoint>> {
    let layer = TransportLayer::new_with_domain_resolver(line.stopped.child_token(), Box::new(NoNames));
    let mut builder = EndpointBuilder::new();
    builder
        .with_user_agent("Meerkat")
        .with_cancel_token(line.stopped.child_token())
        .with_inspector(Box::new(Outgoing(Arc::clone(line))))
        .with_transport_inspector(Box::new(Gate(Arc::clone(line))));
    let endpoint = Arc::new(builder.with_transport_layer(layer).build());
    match socket {
        Bound::Udp(socket) => {
            let socket = Arc::new(ScreenedSocket { socket, line: Arc::clone(line) });
            let connection = UdpConnection::from_socket(socket, None, Some(line.stopped.child_token())).await?;
            endpoint.inner.transport_layer.add_transport(SipConnection::Udp(connection));
        }
        Bound::Tcp(listener) => {
            tokio::spawn(stream::accept(Arc::clone(line), Arc::clone(&endpoint.inner), listener));
        }
    }
    let requests = endpoint.incoming_transactions()?;
    tokio::spawn(dispatch(Arc::clone(line), Arc::clone(&endpoint.inner), requests));
    Ok(endpoint)
}

/// Gives every request to a task of its own, so that a fault in one call is a fault in one call.
async fn dispatch(
    line: Arc<Line>,
    endpoint: EndpointInnerRef,
    mut requests: rsipstack::transaction::TransactionReceiver,
) {
    loop {
        let transaction = tokio::select! {
            received = requests.recv() => match received {
                Some(transaction) => transaction,
                None => return,
            },
            () = line.stopped.cancelled() => return,
        };
        line.requests.spawn(receive(Arc::clone(&line), Arc::clone(&endpoint), transaction));
    }
}

async fn receive(line: Arc<Line>, endpoint: EndpointInnerRef, mut transaction: Transaction) {
    let request = &transaction.original;
    let ours = request.to_header().ok().and_then(|to| to.tag().ok()).flatten().map(|tag| tag.value().to_owned());
    let id = request.call_id_header().map(|id| id.value().to_owned()).unwrap_or_default();
    let answer = match (request.method, ours) {
        (Method::Invite, None) => return invite(line, endpoint, transaction).await,
        (Method::Options, _) => StatusCode::OK,
        (Method::Bye, Some(tag)) => match locked(&line.answered).remove(&(id, tag)) {
            Some(signals) => {
                // Full means that it is being hung up already.
                let _ = signals.try_send(Signal::HungUp);
                StatusCode::OK
            }
            None => StatusCode::CallTransactionDoesNotExist,
        },
        (Method::Invite, Some(tag)) if locked(&line.answered).contains_key(&(id, tag.clone())) => {
            // The call is about to be hung up: nothing about it can be changed.
            StatusCode::NotAcceptableHere
        }
        (Method::Invite | Method::Bye, _) => StatusCode::CallTransactionDoesNotExist,
        _ => StatusCode::MethodNotAllowed,
    };
    let is_invite = request.method == Method::Invite;
    let headers = vec![Header::Allow(ALLOW.into()), Header::Accept("application/sdp".into())];
    if transaction.reply_with(answer, headers, None).await.is_ok() && is_invite {
        drive_to_end(&line, transaction).await;
    }
}

async fn invite(line: Arc<Line>, endpoint: EndpointInnerRef, mut transaction: Transaction) {
    line.counters.calls.count();
    let place = line.enter(&transaction.original, transaction.key.to_string());
    let (counter, status) = match place {
        Entry::New(place) => return call::attend(line, endpoint, transaction, place).await,
        Entry::Merged => (&line.counters.merged, StatusCode::LoopDetected),
        Entry::Full => (&line.counters.overflowed, StatusCode::TemporarilyUnavailable),
    };
    counter.count();
    // Dropped at once: the stack keeps the answer for retransmissions, this line keeps nothing.
    let _ = transaction.reply(status).await;
}

/// Lets a transaction with a final answer run out: retransmissions, ACK, timers.
pub(crate) async fn drive_to_end(line: &Line, mut transaction: Transaction) {
    tokio::select! {
        () = async { while transaction.receive().await.is_some() {} } => {}
        () = line.stopped.cancelled() => {}
    }
}
