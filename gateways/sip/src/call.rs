//! One call, from its INVITE to its end.
//!
//! Two tasks: one drives the stack's transaction and nothing else, because its steps must not be broken off half done;
//! the other waits for verdicts, clocks and signals, and answers by a queue. A panic in the second is caught and the
//! call rings.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use meerkat_protocols::phone::{Answer, BlockedBy, CallId, Ending, Event};
use rsipstack::sip::headers::untyped;
use rsipstack::sip::prelude::ToTypedHeader;
use rsipstack::sip::{Header, HeadersExt, Method, Request, SipMessage, StatusCode, Transport, Uri, Version};
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::{TransactionEvent, TransactionEventSender};
use rsipstack::transaction::{Transaction, make_tag};
use rsipstack::transport::{SipAddr, SipConnection};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::desk::Reported;
use crate::line::{Line, Place};
use crate::settings::BlockBy;
use crate::{identity, sdp};

/// How long the node may take for a verdict. It needs a millisecond; a caller notices more than this.
const WATCHDOG: Duration = Duration::from_secs(2);
/// How long the other side may take to acknowledge an answer: 64 T1 (RFC 3261 13.3.1.4).
const ACK_TIME: Duration = Duration::from_secs(32);
/// How long a BYE is repeated. The call is over for us in any case.
const BYE_TIME: Duration = Duration::from_secs(8);

/// What the other side does while we ring or have answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Cancelled,
    Acknowledged,
    HungUp,
}

/// Our end of a call.
struct Leg {
    line: Arc<Line>,
    endpoint: EndpointInnerRef,
    /// The INVITE, with our tag in To.
    request: Request,
    tag: String,
    connection: Option<SipConnection>,
    answers: TransactionEventSender,
    signals: mpsc::Sender<Signal>,
    lost: CancellationToken,
    /// Its number, once the node knows of it.
    reported: OnceLock<CallId>,
}

/// Takes a call and stays with it until its transaction has ended.
pub(crate) async fn attend(line: Arc<Line>, endpoint: EndpointInnerRef, mut transaction: Transaction, place: Place) {
    if transaction.send_trying().await.is_err() {
        return;
    }
    let (signals_in, signals) = mpsc::channel(8);
    let Some(leg) = Leg::new(&line, endpoint, &transaction, signals_in.clone()) else { return };
    let leg = Arc::new(leg);
    let logic = ring(Arc::clone(&leg), signals);
    line.tasks.spawn(watch_over(Arc::clone(&leg), logic));
    let drive = async {
        while let Some(message) = transaction.receive().await {
            let SipMessage::Request(request) = message else { continue };
            let signal = match request.method {
                Method::Cancel => Signal::Cancelled,
                Method::Ack => Signal::Acknowledged,
                _ => continue,
            };
            if signals_in.try_send(signal).is_err() && signal == Signal::Cancelled {
                // Whoever should react is gone: the CANCEL must still end the call (RFC 3261 9.2).
                leg.answer(StatusCode::RequestTerminated);
            }
        }
    };
    tokio::select! {
        () = drive => {}
        () = line.stopped.cancelled() => {}
    }
    drop(place);
    // Nothing more is received: the stack says once that a transaction is over, and whoever asks again waits for ever.
}

/// Runs the logic of a call; when it panics the call passes.
async fn watch_over(leg: Arc<Leg>, logic: impl Future<Output = ()> + Send + 'static) {
    if let Err(trouble) = tokio::spawn(logic).await
        && trouble.is_panic()
    {
        leg.line.counters.failed_open.count();
        tracing::error!(line = %leg.line.name.0, "a fault in the gateway: the call rings; please report it");
        leg.answer(StatusCode::Ringing);
        let reported = leg.reported.get().copied();
        if let Some(call) = reported {
            leg.line.desk.tell(Event::FailedOpen { call }).await;
        }
        tokio::time::sleep(Duration::from_millis(leg.line.settings.hold_ms)).await;
        let how = leg.step_aside();
        if let Some(call) = reported {
            leg.line.desk.tell(Event::Ended { call, how }).await;
        }
    }
}

/// What came first.
enum First {
    Verdict(Answer),
    NoVerdict,
    Over(Ending),
    Stopping,
}

async fn ring(leg: Arc<Leg>, mut signals: mpsc::Receiver<Signal>) {
    let caller = identity::read(&leg.request);
    let Some(mut reported) = leg.line.desk.report(&leg.line.name, caller) else {
        leg.line.counters.overflowed.count();
        pass(&leg, &mut signals).await;
        return;
    };
    let call = reported.call;
    // Set once: this is the only place.
    let _ = leg.reported.set(call);
    #[cfg(test)]
    assert!(!leg.line.fault.swap(false, std::sync::atomic::Ordering::Relaxed), "a fault made on purpose");
    let how = match first(&leg, &mut signals, &mut reported).await {
        First::Verdict(Answer::Pass) => pass(&leg, &mut signals).await,
        First::Verdict(Answer::Block(by)) => block(&leg, &mut signals, by).await,
        First::NoVerdict => fail_open(&leg, &mut signals, call).await,
        First::Over(how) => how,
        First::Stopping => leg.step_aside(),
    };
    leg.line.desk.tell(Event::Ended { call, how }).await;
}

async fn first(leg: &Leg, signals: &mut mpsc::Receiver<Signal>, reported: &mut Reported) -> First {
    tokio::select! {
        biased;
        over = leg.over(signals) => First::Over(over),
        () = leg.line.stop.cancelled() => First::Stopping,
        answer = &mut reported.verdict => answer.map_or(First::NoVerdict, First::Verdict),
        () = tokio::time::sleep(WATCHDOG) => First::NoVerdict,
    }
}

async fn fail_open(leg: &Leg, signals: &mut mpsc::Receiver<Signal>, call: CallId) -> Ending {
    leg.line.counters.failed_open.count();
    let (how, ()) = tokio::join!(pass(leg, signals), leg.line.desk.tell(Event::FailedOpen { call }));
    how
}

/// Rings along with the phones for a while, then leaves the call to them.
async fn pass(leg: &Leg, signals: &mut mpsc::Receiver<Signal>) -> Ending {
    leg.answer(StatusCode::Ringing);
    let hold = Duration::from_millis(leg.line.settings.hold_ms);
    tokio::select! {
        biased;
        over = leg.over(signals) => over,
        () = leg.line.stop.cancelled() => leg.step_aside(),
        () = tokio::time::sleep(hold) => leg.step_aside(),
    }
}

async fn block(leg: &Leg, signals: &mut mpsc::Receiver<Signal>, by: BlockedBy) -> Ending {
    let status = match (leg.line.settings.block, by) {
        (BlockBy::AnswerAndHangUp, _) => match sdp::answer(leg.request.body(), leg.address().ip()) {
            Some(description) => return hang_up(leg, signals, description).await,
            None => StatusCode::Decline,
        },
        (BlockBy::Code607, _) | (BlockBy::Auto, BlockedBy::Own) => StatusCode::Other(607, "Unwanted".into()),
        (BlockBy::Code608, _) => StatusCode::Other(608, "Rejected".into()),
        (BlockBy::Code603, _) | (BlockBy::Auto, BlockedBy::Neighbours | BlockedBy::QuietHours) => StatusCode::Decline,
    };
    leg.answer(status);
    Ending::Refused
}

/// Answers and hangs up as soon as the answer is acknowledged.
async fn hang_up(leg: &Leg, signals: &mut mpsc::Receiver<Signal>, description: Vec<u8>) -> Ending {
    let id = leg.request.call_id_header().map(|id| id.value().to_owned()).unwrap_or_default();
    let dialog = leg.line.answered((id, leg.tag.clone()), leg.signals.clone());
    let headers = vec![Header::ContentType("application/sdp".into()), Header::Allow(crate::line::ALLOW.into())];
    leg.answer_with(StatusCode::OK, headers, Some(description));
    let acknowledged = async {
        loop {
            match signals.recv().await {
                Some(Signal::Acknowledged) => return true,
                Some(Signal::HungUp) => return false,
                // Too late, the call is answered (RFC 3261 9.2).
                Some(Signal::Cancelled) => {}
                None => std::future::pending::<()>().await,
            }
        }
    };
    let ours = tokio::select! {
        acknowledged = acknowledged => acknowledged,
        () = leg.lost.cancelled() => false,
        () = leg.line.stop.cancelled() => true,
        () = tokio::time::sleep(ACK_TIME) => true,
    };
    drop(dialog);
    if ours {
        leg.bye().await;
    }
    Ending::HungUp
}

impl Leg {
    fn new(
        line: &Arc<Line>,
        endpoint: EndpointInnerRef,
        transaction: &Transaction,
        signals: mpsc::Sender<Signal>,
    ) -> Option<Leg> {
        let mut request = transaction.original.clone();
        let tag = make_tag();
        let to = request.to_header().ok()?.with_tag(tag.clone());
        request.headers.unique_push(Header::To(to));
        let lost = transaction.connection.as_ref().and_then(SipConnection::cancel_token).unwrap_or_default();
        let leg = Leg {
            line: Arc::clone(line),
            endpoint,
            request,
            tag: tag.value().to_owned(),
            connection: transaction.connection.clone(),
            answers: transaction.tu_sender.clone(),
            signals,
            lost,
            reported: OnceLock::new(),
        };
        if let Some(peer) = leg.peer() {
            line.face(peer);
        }
        Some(leg)
    }

    /// Where the INVITE came from.
    fn peer(&self) -> Option<SocketAddr> {
        SipConnection::parse_target_from_via(self.request.via_header().ok()?).ok()?.1.try_into().ok()
    }

    fn address(&self) -> SocketAddr {
        self.line.address()
    }

    /// Resolves when the other side ends the call before we do.
    async fn over(&self, signals: &mut mpsc::Receiver<Signal>) -> Ending {
        let cancelled = async {
            loop {
                match signals.recv().await {
                    Some(Signal::Cancelled) => return,
                    Some(Signal::Acknowledged | Signal::HungUp) => {}
                    None => std::future::pending::<()>().await,
                }
            }
        };
        tokio::select! {
            () = cancelled => {
                self.answer(StatusCode::RequestTerminated);
                Ending::Cancelled
            }
            () = self.lost.cancelled() => Ending::LineLost,
        }
    }

    fn step_aside(&self) -> Ending {
        let code = self.line.settings.pass_code;
        self.answer(if code == 486 { StatusCode::BusyHere } else { StatusCode::TemporarilyUnavailable });
        Ending::SteppedAside
    }

    fn answer(&self, status: StatusCode) {
        self.answer_with(status, Vec::new(), None);
    }

    fn answer_with(&self, status: StatusCode, headers: Vec<Header>, body: Option<Vec<u8>>) {
        let dialog = matches!(status.code(), 101..=299);
        let mut response = self.endpoint.make_response(&self.request, status, body);
        if dialog {
            // What makes a dialog repeats the route and says where we are (RFC 3261 12.1.1).
            let routes = self.request.headers.iter().filter(|header| matches!(header, Header::RecordRoute(_)));
            response.headers.extend(routes.cloned().collect());
            response.headers.push(Header::Contact(self.contact().as_str().into()));
        }
        response.headers.extend(headers);
        // A transaction that is gone has been answered or lost.
        let _ = self.answers.send(TransactionEvent::Respond(response));
    }

    fn contact(&self) -> String {
        let transport = match self.connection.as_ref().map(SipConnection::is_reliable) {
            Some(true) => ";transport=tcp",
            _ => "",
        };
        format!("<sip:meerkat@{}{transport}>", self.address())
    }

    /// Ends an answered call.
    async fn bye(&self) {
        let Some(mut transaction) = self.bye_transaction() else { return };
        if transaction.send().await.is_err() {
            return;
        }
        let line = Arc::clone(&self.line);
        self.line.tasks.spawn(async move {
            let answered = async {
                while let Some(message) = transaction.receive().await {
                    if matches!(message, SipMessage::Response(response) if response.status_code.code() >= 200) {
                        break;
                    }
                }
            };
            tokio::select! {
                _ = tokio::time::timeout(BYE_TIME, answered) => {}
                () = line.stopped.cancelled() => {}
            }
        });
    }

    /// The BYE of RFC 3261 12.2.1.1 and 15.1.1: towards the caller's Contact, along the route the INVITE took.
    fn bye_transaction(&self) -> Option<Transaction> {
        let target: Uri = self.request.contact_header().ok()?.typed().ok()?.uri;
        let transport = if self.connection.as_ref()?.is_reliable() { Transport::Tcp } else { Transport::Udp };
        let own = SipAddr { r#type: Some(transport), addr: self.address().into() };
        let via = self.endpoint.get_via(Some(own), None).ok()?;
        let mut headers = vec![
            Header::Via(via.into()),
            Header::MaxForwards(70.into()),
            Header::From(untyped::From::new(self.request.to_header().ok()?.value())),
            Header::To(untyped::To::new(self.request.from_header().ok()?.value())),
            Header::CallId(self.request.call_id_header().ok()?.clone()),
            Header::CSeq("1 BYE".into()),
            Header::UserAgent("Meerkat".into()),
        ];
        let routes = self.request.headers.iter().filter_map(|header| match header {
            Header::RecordRoute(route) => Some(Header::Route(route.value().into())),
            _ => None,
        });
        headers.extend(routes);
        let request =
            Request { method: Method::Bye, uri: target, version: Version::V2, headers: headers.into(), body: vec![] };
        let key = TransactionKey::from_request(&request, TransactionRole::Client).ok()?;
        let next: Option<SocketAddr> = request.destination().host_with_port.try_into().ok();
        let mut transaction =
            Transaction::new_client(key, request, Arc::clone(&self.endpoint), self.connection.clone());
        if transport == Transport::Udp {
            // A name in the route is not looked up: the hop the INVITE came from knows the way.
            transaction.destination = next.or_else(|| self.peer()).map(SipAddr::from);
        }
        Some(transaction)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use tokio::net::UdpSocket;

    use super::*;
    use crate::LineSettings;

    /// The statuses of the next answers to INVITEs.
    async fn heard(socket: &UdpSocket, count: usize) -> Vec<String> {
        let (mut heard, mut buffer) = (Vec::new(), [0; 4_096]);
        while heard.len() < count {
            let length = tokio::time::timeout(Duration::from_secs(20), socket.recv(&mut buffer)).await;
            let length = length.expect("an answer in time").expect("an answer");
            heard.push(String::from_utf8_lossy(&buffer[8..length.min(11)]).into_owned());
        }
        heard
    }

    fn invite(id: u8) -> String {
        format!(
            "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP h;rport;branch=z9hG4bK{id}\r\nFrom: <sip:c@d>;tag={id}\r\n\
             To: <sip:a@b>\r\nCall-ID: {id}\r\nCSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
        )
    }

    /// A line whose first call panics, what it reports, and a caller.
    async fn faulty_line() -> (crate::Gateway, mpsc::Receiver<Event>, UdpSocket) {
        let mut settings = LineSettings::direct("home", ([127, 0, 0, 1], 0).into());
        settings.hold_ms = 100;
        let (events, seen) = mpsc::channel(16);
        // Nobody ever decides.
        let (_, acts) = mpsc::channel(16);
        let gateway = crate::start(vec![settings], events, acts, Arc::new(AtomicU64::new(1))).expect("a gateway");
        gateway.line("home").expect("the line").fault.store(true, Ordering::Relaxed);
        let caller = UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        caller.connect(gateway.address("home").expect("an address")).await.expect("a way");
        (gateway, seen, caller)
    }

    /// Each call once left 20 kB behind: 2 GB after 100,000 calls.
    #[tokio::test]
    async fn a_call_that_is_over_leaves_nothing_behind() {
        let (gateway, _seen, caller) = faulty_line().await;
        let line = gateway.line("home").expect("the line");
        caller.send(invite(1).as_bytes()).await.expect("sent");
        assert_eq!(heard(&caller, 3).await, ["100", "180", "480"]);
        assert_eq!(line.requests.len(), 1, "the answer may have to be repeated");
        caller
            .send(invite(1).replacen("INVITE", "ACK", 1).replace("1 INVITE", "1 ACK").as_bytes())
            .await
            .expect("sent");
        line.requests.close();
        // T4, 5 s, after the ACK (RFC 3261 17.2.1, timer I).
        let over = tokio::time::timeout(Duration::from_secs(30), line.requests.wait()).await;
        assert!(over.is_ok(), "what served the call is gone when the call is");
    }

    #[tokio::test]
    async fn a_panic_in_one_call_lets_that_call_ring_and_leaves_the_next_alone() {
        let (gateway, mut seen, caller) = faulty_line().await;
        let line = gateway.line("home").expect("the line");
        caller.send(invite(1).as_bytes()).await.expect("sent");
        assert_eq!(heard(&caller, 3).await, ["100", "180", "480"]);
        assert_eq!(line.counters.read().failed_open, 1);
        assert!(matches!(seen.recv().await, Some(Event::Line { .. })));
        let Some(Event::Incoming(incoming)) = seen.recv().await else { panic!("the call was reported") };
        assert_eq!(seen.recv().await, Some(Event::FailedOpen { call: incoming.call }));
        assert_eq!(seen.recv().await, Some(Event::Ended { call: incoming.call, how: Ending::SteppedAside }));
        caller.send(invite(2).as_bytes()).await.expect("sent");
        assert!(matches!(seen.recv().await, Some(Event::Incoming(_))));
    }
}
